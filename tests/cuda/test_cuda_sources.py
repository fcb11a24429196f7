"""The CUDA sources compile for every architecture without a warning, and no kernel spills a register to memory."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "poolzoo" / "cuda"
ARCHITECTURES = (75, 80, 86, 90, 100, 120)


@pytest.mark.skipif(not shutil.which("nvcc"), reason="no nvcc")
@pytest.mark.parametrize("source", sorted(SOURCES.glob("*.cu")), ids=lambda path: path.name)
def test_compiles_cleanly_and_without_spills(source: Path, tmp_path: Path) -> None:
    targets = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHITECTURES]
    options = ["-std=c++17", "-O3", "--threads", "2", "-Xptxas", "-v", "-Xcompiler", "-Wall,-Wextra", "-c"]
    command = ["nvcc", *options, *targets, str(source), "-o", str(tmp_path / "kernels.o")]
    built = subprocess.run(command, capture_output=True, text=True)
    log = built.stdout + built.stderr
    assert built.returncode == 0, log
    assert "warning" not in log, log
    kernels = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    assert len(kernels) % len(ARCHITECTURES) == 0
    assert kernels
    assert all(numbers == ("0", "0", "0") for numbers in kernels), re.findall(r"Compiling.*\n.*\n.*spill.*", log)
