"""Build and load the native libraries: once, under a lock that a killed process cannot leave behind, in a keyed cache.

The key is everything that a library depends on (sources, flags, compiler, torch, CPU capability or CUDA version and
architectures), so that a cache of another machine or version is never loaded. A failure is remembered for this process
and warned of once; nothing is built on import.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

HERE = Path(__file__).parent
#: The oldest torch whose stable ABI the glue uses.
_TORCH_TARGET = "-DTORCH_TARGET_VERSION=0x020a000000000000"
_CPU_SOURCES = ("glue_cpu.cpp", "softpool_cpu.cpp")
_CUDA_SOURCES = ("softpool.cu", "glue_cuda.cpp")
#: By torch's CPU capability, not by this machine: what torch does not use may be switched off for a reason.
_CAPABILITY_FLAGS = {
    "AVX512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512", "-mfma", "-mf16c"],
    "AVX2": ["-mavx2", "-mfma", "-mf16c"],
}
_FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi", _TORCH_TARGET]
#: cpp_extension takes the conversions of half types away from kernels, for the sake of torch's own headers.
_NVCC_FLAGS = ["-std=c++17", "-O3", "-U__CUDA_NO_HALF_CONVERSIONS__", "-U__CUDA_NO_BFLOAT16_CONVERSIONS__"]

#: Why a library could not be had, by its name; "" where it is loaded.
_outcome: dict[str, str] = {}


class Unavailable(Exception):
    """What this machine lacks, in words that need no more."""


def cpu_flags() -> list[str]:
    """The compiler's flags for the CPU library on this machine."""
    return [*_FLAGS, *_CAPABILITY_FLAGS.get(torch.backends.cpu.get_cpu_capability(), [])]


def cuda_architectures() -> str:
    """What the CUDA library is built for: ``TORCH_CUDA_ARCH_LIST``, or the visible GPUs; "" where there is neither."""
    given = os.environ.get("TORCH_CUDA_ARCH_LIST", "")
    if given not in ("", "native"):
        return given
    visible = {torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())}
    return ";".join(f"{major}.{minor}" for major, minor in sorted(visible))


def cache_root() -> Path:
    """``POOLZOO_CACHE``, or ``poolzoo`` in the user's cache directory."""
    given = os.environ.get("POOLZOO_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poolzoo"


def cpu_key() -> str:
    """Names one build of the CPU library: all that it depends on, hashed."""
    return _key("cpu", cpu_flags(), _CPU_SOURCES)


def cuda_key() -> str:
    """Names one build of the CUDA library. Not by nvcc's version: where it is built ahead, nvcc need not be there."""
    parts = [*_FLAGS, *_NVCC_FLAGS, str(torch.version.cuda), cuda_architectures()]
    return _key("cuda", parts, [*_CUDA_SOURCES, *(path.name for path in HERE.glob("*.cuh"))])


def _key(name: str, flags: Sequence[str], sources: Sequence[str]) -> str:
    parts = [torch.__version__, platform.machine(), platform.system(), os.environ.get("CXX", "c++"), *flags]
    digest = hashlib.sha256("\0".join(parts).encode())
    for source in sorted([*HERE.glob("*.h"), *(HERE / source for source in sources)]):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return f"{name}-{digest.hexdigest()[:20]}"


def load_cpu() -> str:
    """Have the operators and their CPU kernels registered with torch, building them if need be.

    Returns:
        "" where they are, else why not. Asked again, the same answer: a failed build is not repeated in this process.
    """
    return _remember("CPU", _load_cpu)


def load_cuda() -> str:
    """The same for the CUDA kernels of the operators that the CPU library defines, which is loaded before."""
    return _remember("CUDA", _load_cuda)


def status(name: str) -> str:
    """What is known of the ``cpu`` or ``cuda`` library without building it."""
    if _outcome.get(name):
        return f"cannot be had: {_outcome[name]}"
    if name == "cuda" and torch.version.cuda is None:
        return "cannot be had: this torch is built without CUDA"
    if name == "cuda" and not cuda_architectures():
        return "not built: no GPU is visible, and TORCH_CUDA_ARCH_LIST names no architecture"
    library = cache_root() / (cpu_key() if name == "cpu" else cuda_key()) / f"poolzoo_{name}.so"
    return f"built, {library}" if library.is_file() else f"not built yet; `poolzoo build` puts it into {library.parent}"


def _remember(device: str, load: Callable[[], str]) -> str:
    name = device.lower()
    if name not in _outcome:
        try:
            off = os.environ.get("POOLZOO_NATIVE") == "0"
            _outcome[name] = "POOLZOO_NATIVE=0 switches it off" if off else load()
        except Exception as error:  # whatever is wrong with this machine, the reference path still works
            _outcome[name] = _explain(error)
            warnings.warn(
                f"poolzoo's native {device} operators cannot be had, the slower reference ones go on: {_outcome[name]}",
                RuntimeWarning,
                stacklevel=3,
            )
    return _outcome[name]


def _load_cpu() -> str:
    _load("CPU", cpu_key(), _build_cpu)
    return ""


def _load_cuda() -> str:
    if torch.version.cuda is None:
        return "this torch is built without CUDA"
    reason = load_cpu()
    if reason:
        return reason
    if not cuda_architectures():
        raise Unavailable("no GPU is visible, and TORCH_CUDA_ARCH_LIST names no architecture to build for")
    _load("CUDA", cuda_key(), _build_cuda)
    return ""


def _load(device: str, key: str, build: Callable[[Path], None]) -> None:
    folder = cache_root() / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
    except OSError as error:
        # For this process alone: slower to start, no slower to run.
        folder = Path(tempfile.mkdtemp(prefix="poolzoo-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _say(f"cannot write to {cache_root()} ({error.strerror}); the build in {folder} serves this process only")
    library = folder / f"poolzoo_{device.lower()}.so"
    with _locked(folder / "lock"):
        if library.is_file():
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
        else:
            _build_and_load(folder / "work", library, device, build)


def _build_and_load(work: Path, library: Path, device: str, build: Callable[[Path], None]) -> None:
    """Build in a folder of its own, then rename: a library that has its name is whole, whatever was killed before."""
    _say(f"building the native {device} operators, once, into {library.parent}")
    began = time.monotonic()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    build(work)
    (built,) = work.glob("*.so")
    os.replace(built, library)  # what is loaded stays loaded
    shutil.rmtree(work, ignore_errors=True)
    _say(f"built in {time.monotonic() - began:.1f} s")


def _build_cpu(work: Path) -> None:
    _build("poolzoo_cpu", _CPU_SOURCES, work, extra_cflags=cpu_flags())


def _build_cuda(work: Path) -> None:
    home = _toolkit()
    from torch.utils import cpp_extension

    cpp_extension.CUDA_HOME = str(home)
    # It reads TORCH_CUDA_ARCH_LIST and the visible GPUs as cuda_architectures does.
    _build("poolzoo_cuda", _CUDA_SOURCES, work, extra_cflags=_FLAGS, extra_cuda_cflags=_NVCC_FLAGS)


def _build(name: str, sources: Sequence[str], work: Path, **flags: list[str]) -> None:
    with _ninja_on_path(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cpp_extension, about compilers that it has not heard of
        from torch.utils.cpp_extension import load

        paths = [str(HERE / source) for source in sources]
        load(name, paths, build_directory=str(work), is_python_module=False, **flags)  # type: ignore[arg-type]


def _toolkit() -> Path:
    """The folder of the CUDA toolkit, if it goes with this torch."""
    given, on_path = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH"), shutil.which("nvcc")
    folders = [Path(given)] if given else [*([Path(on_path).parents[1]] if on_path else []), Path("/usr/local/cuda")]
    homes = [folder for folder in folders if (folder / "bin" / "nvcc").is_file()]
    if not homes:
        raise Unavailable(f"no nvcc in {given}/bin" if given else "no nvcc on PATH, in CUDA_HOME or in /usr/local/cuda")
    # An nvcc on PATH may be a script that calls another, far from the toolkit's headers.
    home = next((home for home in homes if (home / "include" / "cuda_runtime_api.h").is_file()), homes[0])
    told = subprocess.run([home / "bin" / "nvcc", "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"release (\d+)\.(\d+)", told)
    if version and version[1] != str(torch.version.cuda).partition(".")[0]:
        raise Unavailable(f"nvcc is of CUDA {version[1]}.{version[2]}, and torch of {torch.version.cuda}")
    return home


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
    if isinstance(error, Unavailable):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "error:" in line.lower() or "not found" in line or "nvcc fatal" in line] or lines
    return f"{type(error).__name__}: {'; '.join(told[:3])}"[:600]
