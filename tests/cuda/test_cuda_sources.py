"""The CUDA sources compile for every architecture without a warning, and no kernel spills a register to memory."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ptx_device import ONLY_64_BIT, copy_sources, only

from poolzoo.cuda._build import REDUCERS, operator_flags

#: By the front end's target. Of 8.6 and 12.0 it is the one before for most operators, which saves a third of the time.
TARGETS = {75: (75,), 80: (80,), 86: (86,), 90: (90,), 100: (100,), 120: (120,)}
FEWER_TARGETS = {75: (75,), 80: (80, 86), 90: (90,), 100: (100, 120)}


@pytest.mark.skipif(not shutil.which("nvcc"), reason="no nvcc")
@pytest.mark.parametrize(
    "operator", [operator for operator in REDUCERS if operator != "lp_sum"]
)  # lp but for a constant
def test_compiles_cleanly_and_without_spills(operator: str, tmp_path: Path) -> None:
    """Softpool with every type, the others with one for each of the two that they compute in, and the wider indices."""
    everything = operator == "softpool"
    targets = TARGETS if everything else FEWER_TARGETS
    sources = copy_sources(tmp_path / "sources", {} if everything else only("float64", "bfloat16") | ONLY_64_BIT)
    codes = [f"-gencode=arch=compute_{a},code=[{','.join(f'sm_{b}' for b in to)}]" for a, to in targets.items()]
    options = ["-std=c++17", "-O3", "--threads", "2", "-Xptxas", "-v", "-Xcompiler", "-Wall,-Wextra", "-c"]
    command = ["nvcc", *options, *codes, *operator_flags(operator), str(sources / "reducer_cuda.cu")]
    built = subprocess.run([*command, "-o", str(tmp_path / "kernels.o")], capture_output=True, text=True)
    log = built.stdout + built.stderr
    assert built.returncode == 0, log
    assert "warning" not in log, log
    kernels = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    assert len(kernels) % 6 == 0
    assert kernels
    assert all(numbers == ("0", "0", "0") for numbers in kernels), re.findall(r"Compiling.*\n.*\n.*spill.*", log)
