"""Build and load the native library: once, under a lock that a killed process cannot leave behind, into a keyed cache.

The key is everything that a library depends on (sources, flags, compiler, torch, CPU capability), so that a cache of
another machine or version is never loaded. A failure is remembered for this process and warned of once; nothing is
built on import.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

HERE = Path(__file__).parent
#: The oldest torch whose stable ABI the glue uses.
_TORCH_TARGET = "-DTORCH_TARGET_VERSION=0x020a000000000000"
_CPU_SOURCES = ("glue_cpu.cpp", "softpool_cpu.cpp")
#: By torch's CPU capability, not by this machine: what torch does not use may be switched off for a reason.
_CAPABILITY_FLAGS = {
    "AVX512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512", "-mfma", "-mf16c"],
    "AVX2": ["-mavx2", "-mfma", "-mf16c"],
}
_FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi", _TORCH_TARGET]

#: Why a library could not be had, by its name; "" where it is loaded.
_outcome: dict[str, str] = {}


def cpu_flags() -> list[str]:
    """The compiler's flags for the CPU library on this machine."""
    return [*_FLAGS, *_CAPABILITY_FLAGS.get(torch.backends.cpu.get_cpu_capability(), [])]


def cache_root() -> Path:
    """``POOLZOO_CACHE``, or ``poolzoo`` in the user's cache directory."""
    given = os.environ.get("POOLZOO_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poolzoo"


def cpu_key() -> str:
    """Names one build of the CPU library: all that it depends on, hashed."""
    parts = [torch.__version__, platform.machine(), platform.system(), os.environ.get("CXX", "c++"), *cpu_flags()]
    digest = hashlib.sha256("\0".join(parts).encode())
    for source in sorted([*HERE.glob("*.h"), *(HERE / name for name in _CPU_SOURCES)]):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return f"cpu-{digest.hexdigest()[:20]}"


def load_cpu() -> str:
    """Have the CPU operators' kernels registered with torch, building them if need be.

    Returns:
        "" where they are, else why not. Asked again, the same answer: a failed build is not repeated in this process.
    """
    if "cpu" not in _outcome:
        try:
            _outcome["cpu"] = (
                "POOLZOO_NATIVE=0 switches it off" if os.environ.get("POOLZOO_NATIVE") == "0" else _load_cpu()
            )
        except Exception as error:  # whatever is wrong with this machine, the reference path still works
            _outcome["cpu"] = _explain(error)
            warnings.warn(
                f"poolzoo's native CPU operators cannot be had, the slower reference ones go on: {_outcome['cpu']}",
                RuntimeWarning,
                stacklevel=2,
            )
    return _outcome["cpu"]


def _load_cpu() -> str:
    folder = cache_root() / cpu_key()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
    except OSError as error:
        # For this process alone: slower to start, no slower to run.
        folder = Path(tempfile.mkdtemp(prefix="poolzoo-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _say(f"cannot write to {cache_root()} ({error.strerror}); the build in {folder} serves this process only")
    library = folder / "poolzoo_cpu.so"
    with _locked(folder / "lock"):
        if library.is_file():
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
        else:
            _build_and_load(folder / "work", library)
    return ""


def _build_and_load(work: Path, library: Path) -> None:
    """Build in a folder of its own, then rename: a library that has its name is whole, whatever was killed before."""
    _say(f"building the native CPU operators, once, into {library.parent}")
    began = time.monotonic()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    with _ninja_on_path(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cpp_extension, about compilers that it has not heard of
        from torch.utils.cpp_extension import load

        load(
            "poolzoo_cpu",
            [str(HERE / name) for name in _CPU_SOURCES],
            extra_cflags=cpu_flags(),
            build_directory=str(work),
            is_python_module=False,
        )
    (built,) = work.glob("*.so")
    os.replace(built, library)  # what is loaded stays loaded
    shutil.rmtree(work, ignore_errors=True)
    _say(f"built in {time.monotonic() - began:.1f} s")


def _say(line: str) -> None:
    print(f"poolzoo: {line}", file=sys.stderr, flush=True)  # noqa: T201


@contextlib.contextmanager
def _ninja_on_path() -> Iterator[None]:
    """Installed as a dependency, ninja lies beside this Python, which need not be on PATH."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([before, sysconfig.get_path("scripts")])
    try:
        yield
    finally:
        os.environ["PATH"] = before


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; the kernel takes the lock away from a process that dies."""
    try:
        import fcntl
    except ImportError:  # no such locks there: two builds at once cost time, and the rename keeps them whole
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _explain(error: Exception) -> str:
    """The compiler's own words where there are some, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "error:" in line.lower() or "not found" in line] or lines
    return f"{type(error).__name__}: {'; '.join(told[:3])}"[:600]
