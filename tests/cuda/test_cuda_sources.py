"""The CUDA sources compile for every architecture without a warning, and no kernel spills a register to memory."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ptx_device import ONLY_64_BIT, copy_sources, only

from poolzoo.native.libraries import operator_flags
from poolzoo.registry import native_reducers

ARCHITECTURES = (75, 80, 86, 90, 100, 120)
OPERATORS = [operator for operator in native_reducers() if operator != "lp_sum"]  # which is lp but for a constant


@pytest.mark.skipif(not shutil.which("nvcc"), reason="no nvcc")
@pytest.mark.parametrize("operator", OPERATORS)
def test_compiles_cleanly_and_without_spills(operator: str, tmp_path: Path) -> None:
    """Softpool with everything; of the others, one type for each of the two that they compute in, wider indices, and
    one run of nvcc's front end for all architectures, which saves half of the time."""
    everything = operator == "softpool"
    targets = {a: (a,) for a in ARCHITECTURES} if everything else {ARCHITECTURES[0]: ARCHITECTURES}
    sources = copy_sources(tmp_path / "sources", {} if everything else only("float64", "bfloat16") | ONLY_64_BIT)
    codes = [f"-gencode=arch=compute_{a},code=[{','.join(f'sm_{b}' for b in to)}]" for a, to in targets.items()]
    options = ["-std=c++17", "-O3", "--threads", "2", "-Xptxas", "-v", "-Xcompiler", "-Wall,-Wextra", "-c"]
    command = ["nvcc", *options, *codes, *operator_flags(operator), str(sources / "reducer_cuda.cu")]
    built = subprocess.run([*command, "-o", str(tmp_path / "kernels.o")], capture_output=True, text=True)
    log = built.stdout + built.stderr
    assert built.returncode == 0, log
    assert "warning" not in log, log
    kernels = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    assert len(kernels) % len(ARCHITECTURES) == 0
    assert kernels
    assert all(numbers == ("0", "0", "0") for numbers in kernels), re.findall(r"Compiling.*\n.*\n.*spill.*", log)
