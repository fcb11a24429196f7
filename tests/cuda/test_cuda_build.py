"""The CUDA libraries build, link, load and register with a CUDA torch and no GPU; elsewhere, words say why not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from poolzoo import native
from poolzoo.native import libraries


def obstacle() -> str:
    """Why no CUDA library can be built here, a GPU left out of account."""
    if torch.version.cuda is None:
        return "this torch is built without CUDA"
    try:
        libraries._toolkit()
    except libraries.Unavailable as error:
        return str(error)
    return native.why_not()


needs_toolkit = pytest.mark.skipif(bool(obstacle()), reason=obstacle())

#: Of one input and a parameter, and of two inputs.
OPERATORS = ("softpool", "lip")
LOAD = f"""
import ctypes, sys, torch
from poolzoo import functional, native
OPERATORS = {OPERATORS}
reasons = [native.why_not("cuda", operator) for operator in OPERATORS]
print(*dict.fromkeys(reason or "loaded" for reason in reasons))
x = torch.arange(16.0).reshape(1, 1, 4, 4)
torch.testing.assert_close(functional.soft_pool2d(x, 2), functional.soft_pool2d(x, 2, backend="reference"))
"""
REGISTERED = """
has = torch._C._dispatch_has_kernel_for_dispatch_key
to_cuda = torch._C.DispatchKeySet(torch._C.DispatchKey.CUDA)
for operator in OPERATORS:
    assert all(has(f"poolzoo::{operator}{end}", key) for end in ("", "_backward") for key in ("CPU", "CUDA"))
    run = getattr(torch.ops.poolzoo, operator).default
    try:
        run.redispatch(to_cuda, x, x if operator == "lip" else None, None, 1.0, [2, 2, 2, 2, 0, 0, 1, 1], False)
    except RuntimeError as error:
        print(error)
"""
NO_DEVICE = """
from ptx_device import Geometry, common
three = ctypes.c_int64 * 3
g = Geometry(1, 1, three(1, 2, 2), three(1, 1, 1), three(1, 2, 2), three(1, 2, 2), three(0, 0, 0), three(1, 1, 1), 0, 0)
for operator in OPERATORS:
    maps = open("/proc/self/maps").read().split()
    library = ctypes.CDLL(next(word for word in maps if word.endswith(f"poolzoo_cuda_{operator}.so")))
    print("status", getattr(library, f"poolzoo_{operator}_forward")(None, None, None, *common(g, "float32", 1.0)))
"""


def run(code: str, cache: Path, **environment: str) -> tuple[list[str], str]:
    given = {**os.environ, "POOLZOO_CACHE": str(cache), "OMP_NUM_THREADS": "1", **environment}
    paths = [str(Path(__file__).parents[2]), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    given["PYTHONPATH"] = os.pathsep.join(paths)
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def built_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("*/*.so"))


@needs_toolkit
def test_builds_links_loads_and_registers_with_a_gpu_or_without(tmp_path):
    """A launch that fails, as each does without a GPU, says so."""
    architectures = {"TORCH_CUDA_ARCH_LIST": libraries.cuda_architectures() or "9.0"}
    out, err = run(LOAD + REGISTERED, tmp_path, **architectures)
    assert out[0] == "loaded"
    assert all("x is on the CPU" in line for line in out[1 : 1 + len(OPERATORS)])
    assert all(f"building the native CUDA {operator}, once" in err for operator in OPERATORS)
    assert built_in(tmp_path) == sorted(f"poolzoo_{d}_{name}.so" for d in ("cpu", "cuda") for name in OPERATORS)
    assert not list(tmp_path.glob("*/work"))
    # A second process needs no compiler any more.
    no_gpu = not torch.cuda.is_available()
    out, err = run(LOAD + NO_DEVICE * no_gpu, tmp_path, **architectures, CUDA_HOME=str(tmp_path))
    assert out[0] == "loaded"
    assert [line for line in out if line.startswith("status ")] == out[1:]
    assert len(out[1:]) == len(OPERATORS) * no_gpu
    assert all(int(line.removeprefix("status ")) != 0 for line in out[1:])
    assert not err


@needs_toolkit
def test_the_cache_is_keyed_by_operator_architectures_and_cuda_version(monkeypatch):
    assert libraries.cuda_key("softpool") != libraries.cuda_key("lip")
    keys = set()
    for architectures, version in (("9.0", "13.0"), ("8.0;9.0", "13.0"), ("9.0", "12.8")):
        monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", architectures)
        monkeypatch.setattr(torch.version, "cuda", version)
        keys.add(libraries.cuda_key("softpool"))
    assert len(keys) == 3


@needs_toolkit
@pytest.mark.parametrize("obstacle", ["no nvcc", "another CUDA", "no architecture", "a bad architecture"])
def test_what_is_missing_is_said_once_and_the_cpu_operators_go_on(tmp_path, obstacle):
    environment = {"TORCH_CUDA_ARCH_LIST": "9.0"}
    if obstacle == "no nvcc":
        environment["CUDA_HOME"] = str(tmp_path)
        words = f"no nvcc in {tmp_path}/bin"
    elif obstacle == "another CUDA":
        nvcc = tmp_path / "home" / "bin" / "nvcc"
        nvcc.parent.mkdir(parents=True)
        nvcc.write_text("#!/bin/sh\necho Cuda compilation tools, release 11.8, V11.8.89\n")
        nvcc.chmod(0o755)
        environment["CUDA_HOME"] = str(tmp_path / "home")
        words = f"nvcc is for CUDA 11.8, torch for CUDA {torch.version.cuda}"
    elif obstacle == "no architecture":
        environment |= {"TORCH_CUDA_ARCH_LIST": "", "CUDA_VISIBLE_DEVICES": ""}
        words = "no GPU is visible, and TORCH_CUDA_ARCH_LIST names no architecture to build for"
    else:
        environment["TORCH_CUDA_ARCH_LIST"] = "1.0"
        words = "ValueError: Unknown CUDA arch (1.0) or GPU not supported"
    for operator in OPERATORS:  # as in the cache: they need not be built again
        assert not native.why_not("cpu", operator)
        built = libraries._library("cpu", operator)
        shutil.copytree(built.parent, tmp_path / "cache" / built.parent.name)
    out, err = run(LOAD, tmp_path / "cache", **environment)
    assert out == [words]
    assert err.count("RuntimeWarning: poolzoo's native CUDA operators are unavailable") == 1
    assert words in err
    assert built_in(tmp_path / "cache") == sorted(f"poolzoo_cpu_{operator}.so" for operator in OPERATORS)


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch is built with CUDA")
def test_a_torch_without_cuda_has_nothing_to_build():
    assert native.why_not("cuda") == "this torch is built without CUDA"
    assert not native.available("cuda")
