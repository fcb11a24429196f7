"""The CPU engine built otherwise passes the same grid: under sanitizers, and for processors with narrower vectors.

What runs here is a part of ``test_native_cpu.py`` and ``test_native_lanes.py``, chosen to take every way through the
engine; POOLZOO_GRID names another part, as pytest's ``-k`` takes it: ``make sanitize`` runs all of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from poolzoo import native

HERE = Path(__file__).parent
LANES = "bands-softpool or shared-softpool or large-softpool or blocks-softpool or powers-softpool"
RUNS = "runs_of_any_length and (softpool or lip) or rows-softpool or long-softpool or map-softpool"
#: One input and two, elements split and not, the lanes path and the others.
PART = f"any_geometry and (softpool-2 or lip-2) or {LANES} or {RUNS} or bins-lip or dilated-lip"
pytestmark = [
    pytest.mark.grid,
    pytest.mark.skipif(bool(native.why_not()), reason=f"no native build here: {native.why_not()}"),
]


def pass_grid(tmp_path: Path, part: str = PART, **environment: str) -> str:
    """Run a part in a process of its own, with a cache of its own."""
    given = {**os.environ, "POOLZOO_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "2", **environment}
    part = os.environ.get("POOLZOO_GRID", part)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", part]
    command += [str(HERE / name) for name in ("test_native_cpu.py", "test_native_lanes.py")]
    done = subprocess.run(command, env=given, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout + done.stderr


def runtime(name: str) -> str:
    """A library of the compiler, "" where there is none."""
    command = [os.environ.get("CXX", "c++"), f"-print-file-name={name}"]
    found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return found if Path(found).is_absolute() else ""


@pytest.mark.skipif(not runtime("libasan.so"), reason="the compiler brings no AddressSanitizer")
def test_no_stray_access_and_no_undefined_behaviour(tmp_path):
    compiler = tmp_path / "c++"
    flags = "-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    compiler.write_text(f'#!/bin/sh\nexec {os.environ.get("CXX", "c++")} "$@" {flags}\n')
    compiler.chmod(0o755)
    # Python itself is not built so: the sanitizers' libraries must come first all the same.
    preload = " ".join(filter(None, map(runtime, ("libasan.so", "libubsan.so", "libstdc++.so"))))
    options = "detect_leaks=0:verify_asan_link_order=0"
    out = pass_grid(tmp_path, CXX=str(compiler), LD_PRELOAD=preload, ASAN_OPTIONS=options)
    assert " passed" in out and "runtime error" not in out
    assert len(list((tmp_path / "cache").glob("*/*.so"))) >= 2


@pytest.mark.parametrize("capability", ["avx2", "default"])
def test_narrower_vectors_give_the_same(tmp_path, capability):
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        pytest.skip("torch uses no wider vectors here")
    part = f"(any_geometry and softpool-2 or {LANES} or {RUNS}) and not lip"
    assert " passed" in pass_grid(tmp_path, part, ATEN_CPU_CAPABILITY=capability)
