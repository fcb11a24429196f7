"""The CUDA sources compile without a warning, and no kernel spills a register to memory."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ptx_device import ONLY_64_BIT, copy_sources, only

from poolzoo.native.libraries import operator_flags
from poolzoo.registry import native_reducers

#: Virtual architectures, and those that each is compiled for: one run of nvcc's front end serves several.
EVERY = {75: (75, 80, 86), 90: (90, 100, 120)}
OLDEST_AND_NEWEST = {75: (75, 120)}
OPERATORS = [operator for operator in native_reducers() if operator != "lp_sum"]  # which is lp but for a constant


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("nvcc"), reason="no nvcc")
@pytest.mark.parametrize(
    ("operator", "everything"),
    [
        ("softpool", False),
        pytest.param("softpool", True, marks=pytest.mark.grid),
        *(pytest.param(name, False, marks=pytest.mark.grid) for name in OPERATORS if name != "softpool"),
    ],
)
def test_compiles_cleanly_and_without_spills(operator: str, everything: bool, tmp_path: Path) -> None:
    """With everything, for every architecture; else one type for each of the two that operators compute in, and wider
    indices, for the oldest and the newest."""
    targets = EVERY if everything else OLDEST_AND_NEWEST
    sources = copy_sources(tmp_path / "sources", {} if everything else only("float64", "bfloat16") | ONLY_64_BIT)
    codes = [f"-gencode=arch=compute_{a},code=[{','.join(f'sm_{b}' for b in to)}]" for a, to in targets.items()]
    options = ["-std=c++17", "-O3", "--threads", "2", "-Xptxas", "-v", "-Xcompiler", "-Wall,-Wextra", "-c"]
    command = ["nvcc", *options, *codes, *operator_flags(operator), str(sources / "reducer_cuda.cu")]
    built = subprocess.run([*command, "-o", str(tmp_path / "kernels.o")], capture_output=True, text=True)
    log = built.stdout + built.stderr
    assert built.returncode == 0, log
    assert "warning" not in log, log
    kernels = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    assert len(kernels) % sum(map(len, targets.values())) == 0
    assert kernels
    assert all(numbers == ("0", "0", "0") for numbers in kernels), re.findall(r"Compiling.*\n.*\n.*spill.*", log)
