"""Build and load the native libraries once, in a keyed cache, under a lock that a killed process cannot leave behind.

Each operator has its own libraries, one for the CPU and one for CUDA, so its first use does not wait for other
operators. The image metrics have one more library, for the CPU. The wheel for Linux on x86-64 contains the CPU
libraries: see :mod:`poolzoo.native.prebuilt`. Such a library is loaded if it was built from the same sources; otherwise
one is built here.

The key covers everything that a library depends on (sources, flags, compiler, torch, CPU capability or CUDA version and
architectures), so the library of another machine or version is never loaded. A digest is stored next to each library; a
damaged library is built again. A failure is remembered for this process and causes one warning. Nothing is built on
import.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from poolzoo._files import write_whole
from poolzoo.native import prebuilt
from poolzoo.registry import native_reducers

#: Where the sources lie: what the CPU and CUDA share and the CPU's own; CUDA's own.
NATIVE = Path(__file__).parent
CUDA = NATIVE.parent / "cuda"
#: The oldest torch whose stable ABI the glue uses.
OLDEST_TORCH = (2, 10)
_TORCH_TARGET = f"-DTORCH_TARGET_VERSION=0x{OLDEST_TORCH[0]:02x}{OLDEST_TORCH[1]:02x}000000000000"
_CPU_SOURCES = ("reducer_cpu.cpp", "glue_cpu.cpp")
_CUDA_SOURCES = ("reducer_cuda.cu", "glue_cuda.cpp")
#: CPU libraries that do not belong to an operator, and their sources.
EXTRAS = {"metrics": ("metrics_cpu.cpp", "glue_metrics.cpp")}
#: By torch's CPU capability, not the machine's: instructions that torch does not use may be disabled on purpose.
_CAPABILITY_FLAGS = {
    "AVX512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512", "-mfma", "-mf16c"],
    "AVX2": ["-mavx2", "-mfma", "-mf16c"],
    "DEFAULT": [],
}
CAPABILITIES = tuple(_CAPABILITY_FLAGS)
_FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi", _TORCH_TARGET]
#: The loops are in vectors as they are written; gcc 12 crashes where it looks for further ones in the lanes path.
_CPU_FLAGS = ["-fno-tree-slp-vectorize"]
#: cpp_extension disables the conversions of half types in kernels, because of torch's own headers.
_NVCC_FLAGS = ["-std=c++17", "-O3", "-U__CUDA_NO_HALF_CONVERSIONS__", "-U__CUDA_NO_BFLOAT16_CONVERSIONS__"]
#: If the compiler links its C++ library statically, that copy must not mix with the one that torch has loaded.
_LINK_FLAGS = ("-Wl,--exclude-libs,ALL",) if sys.platform == "linux" else ()

#: Warnings about unavailable libraries.
_GO_ON = {
    "cpu": "poolzoo's native CPU operators are unavailable, the slower reference ones are used",
    "cuda": "poolzoo's native CUDA operators are unavailable, the slower reference ones are used",
    "metrics": "poolzoo's native metrics are unavailable, scikit-image's slower ones are used",
}
#: Why a device's libraries, or the metrics', are unavailable, and the operators whose libraries are loaded.
_failure: dict[str, str] = {}
_loaded: set[tuple[str, str]] = set()
_locks: dict[str, threading.RLock] = {}


class Unavailable(Exception):
    """Something that this machine lacks; the message is complete."""


def lock_of(operator: str) -> threading.RLock:
    """The lock of the one thread that builds, loads or registers an operator; others wait for it."""
    return _locks.setdefault(operator, threading.RLock())


def operator_flags(operator: str) -> list[str]:
    """Return the compiler definitions for one operator; none for "metrics"."""
    if operator in EXTRAS:
        return []
    _, native = native_reducers()[operator]
    return [f"-DPOOLZOO_OPERATOR={operator}", f"-DPOOLZOO_REDUCER={native.struct}"]


def cpu_capability() -> str:
    """Return the widest vectors that the CPU libraries may use here: one of :data:`CAPABILITIES`."""
    capability = torch.backends.cpu.get_cpu_capability()
    return capability if capability in _CAPABILITY_FLAGS else "DEFAULT"


def cpu_flags(capability: str | None = None) -> list[str]:
    """Return the compiler flags for the CPU libraries, on this machine if no capability is given."""
    return [*_FLAGS, *_CPU_FLAGS, *_CAPABILITY_FLAGS[cpu_capability() if capability is None else capability]]


def cpu_sources(operator: str) -> list[Path]:
    """Return the files that the compiler is given for an operator's CPU library."""
    return [NATIVE / source for source in EXTRAS.get(operator, _CPU_SOURCES)]


def cpu_origin(operator: str, capability: str | None = None) -> str:
    """Return a hash of all sources and flags of an operator's CPU library, whatever the compiler and torch."""
    return _hash([*operator_flags(operator), *cpu_flags(capability)], cpu_sources(operator))


def builds_at_once() -> int:
    """How many operators to build in parallel: each build runs two compilers for a third of its time."""
    return math.ceil((os.cpu_count() or 1) * 2 / 3)


def cuda_architectures() -> str:
    """Return the CUDA architectures to build for: ``TORCH_CUDA_ARCH_LIST``, or those of the visible GPUs; "" if there
    is neither.
    """
    given = os.environ.get("TORCH_CUDA_ARCH_LIST", "")
    if given not in ("", "native"):
        return given
    visible = {torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())}
    return ";".join(f"{major}.{minor}" for major, minor in sorted(visible))


def cache_root() -> Path:
    """Return ``POOLZOO_CACHE``, or ``poolzoo`` in the user's cache directory."""
    given = os.environ.get("POOLZOO_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poolzoo"


def cpu_key(operator: str) -> str:
    """Return the name of one build of an operator's CPU library: a hash of everything it depends on."""
    return _key("cpu", operator, [*cpu_flags(), *_LINK_FLAGS], cpu_sources(operator))


def cuda_key(operator: str) -> str:
    """Return the name of one build of its CUDA library. nvcc's version is not included: a machine with a prebuilt
    library may have no nvcc.
    """
    parts = [*_FLAGS, *_NVCC_FLAGS, *_LINK_FLAGS, str(torch.version.cuda), cuda_architectures()]
    headers = [*CUDA.glob("*.cuh"), *CUDA.glob("*.h")]
    return _key("cuda", operator, parts, [*(CUDA / source for source in _CUDA_SOURCES), *headers])


def _key(device: str, operator: str, flags: Sequence[str], sources: Sequence[Path]) -> str:
    machine = [torch.__version__, platform.machine(), platform.system(), os.environ.get("CXX", "c++")]
    return f"{device}-{operator}-{_hash([*machine, *operator_flags(operator), *flags], sources)[:20]}"


def _hash(words: Sequence[str], sources: Sequence[Path]) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for source in sorted([*NATIVE.glob("*.h"), *sources]):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def load_cpu(operator: str) -> str:
    """Register an operator and its CPU kernels with torch: prebuilt ones that fit, or else built here.

    Returns:
        "", or why it failed. A failed build is not repeated in this process: the answer stays the same.
    """
    return _remember("cpu", operator, _load_cpu)


def load_cuda(operator: str) -> str:
    """Load the operator's CUDA kernels in the same way; its CPU library, which defines it, is loaded first."""
    return _remember("cuda", operator, _load_cuda)


def load_metrics() -> str:
    """Load the metrics in the same way; they do not depend on the operators."""
    return _remember("metrics", "metrics", _load_cpu)


def status(device: str) -> str:
    """Return the state of the ``cpu`` or ``cuda`` libraries without building any."""
    if device in _failure or _switched_off():
        return f"unavailable: {_failure.get(device) or _switched_off()}"
    if device == "cuda" and torch.version.cuda is None:
        return "unavailable: this torch is built without CUDA"
    if device == "cuda" and not cuda_architectures():
        return "not built: no GPU is visible, and TORCH_CUDA_ARCH_LIST names no architecture"
    by_state: dict[str, list[str]] = {}
    for name in [*native_reducers(), *(EXTRAS if device == "cpu" else ())]:
        by_state.setdefault(_state(device, name), []).append(name)
    parts = [f"{state}: {', '.join(names)}" for state, names in by_state.items()]
    return "; ".join([*parts, *([prebuilt.none_here()] if device == "cpu" else [])]).removesuffix("; ")


def _state(device: str, operator: str) -> str:
    """Return which library of an operator is used."""
    library, reason = _find_prebuilt(operator) if device == "cpu" else (None, "")
    if library:
        return f"prebuilt for {cpu_capability()} in {library.parent}"
    state = "built at first use, or by `poolzoo build`"
    if _is_whole(_library(device, operator)):
        state = f"built in {cache_root()}"
    return f"{state} (the prebuilt one is not used: {reason})" if reason else state


def _library(device: str, operator: str) -> Path:
    key = cpu_key(operator) if device == "cpu" else cuda_key(operator)
    return cache_root() / key / f"poolzoo_{device}_{operator}.so"


def _remember(name: str, operator: str, load: Callable[[str], str]) -> str:
    with lock_of(operator):
        if (name, operator) in _loaded:
            return ""
        if name in _failure:
            return _failure[name]
        try:
            reason = _switched_off() or load(operator)
        except Exception as error:  # whatever is wrong with this machine, the reference path still works
            reason = _explain(error)
            warnings.warn(f"{_GO_ON[name]}: {reason}", RuntimeWarning, stacklevel=3)
        if reason:
            _failure[name] = reason
        else:
            _loaded.add((name, operator))
        return reason


def _switched_off() -> str:
    return "POOLZOO_NATIVE=0 switches it off" if os.environ.get("POOLZOO_NATIVE") == "0" else ""


def _load_cpu(operator: str) -> str:
    library, reason = _find_prebuilt(operator)
    if library:
        try:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
            return ""
        except OSError as error:  # for example, a system with another C library
            reason = str(error.__cause__ or error)
    if reason and not _is_whole(_library("cpu", operator)):
        _say(f"the prebuilt {operator} is not used: {reason}")
    _load("CPU", operator, _library("cpu", operator), _build_cpu)
    return ""


def _find_prebuilt(operator: str) -> tuple[Path | None, str]:
    return prebuilt.find(operator, cpu_capability(), cpu_origin(operator))


def _load_cuda(operator: str) -> str:
    if torch.version.cuda is None:
        return "this torch is built without CUDA"
    reason = load_cpu(operator)
    if reason:
        return reason
    if not cuda_architectures():
        raise Unavailable("no GPU is visible, and TORCH_CUDA_ARCH_LIST names no architecture to build for")
    _load("CUDA", operator, _library("cuda", operator), _build_cuda)
    return ""


def _load(device: str, operator: str, library: Path, build: Callable[[str, Path], None]) -> None:
    folder = library.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
    except OSError as error:
        # For this process alone: slower to start, no slower to run.
        folder = Path(tempfile.mkdtemp(prefix="poolzoo-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _say(f"cannot write to {cache_root()} ({error.strerror}); the build in {folder} serves this process only")
    library = folder / library.name
    with locked(folder / "lock"):
        if _is_whole(library):
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
        else:
            _build_and_load(folder / "work", library, f"{device} {operator}", lambda work: build(operator, work))


def _is_whole(library: Path) -> bool:
    """Return whether a cached library is undamaged: loading an incomplete one can end the process."""
    try:
        return _digest_file(library).read_text() == _digest(library)
    except (OSError, UnicodeDecodeError):
        return False


def _digest_file(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _digest(library: Path) -> str:
    return hashlib.sha256(library.read_bytes()).hexdigest()


def _build_and_load(work: Path, library: Path, what: str, build: Callable[[Path], None]) -> None:
    """Build in a temporary folder, then rename, so that a library with its final name is always complete."""
    if library.exists():
        _say(f"{library} is damaged")
    _say(f"building the native {what}, once, into {library.parent}")
    began = time.monotonic()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    build(work)
    (built,) = work.glob("*.so")
    write_whole(_digest_file(library), _digest(built))
    os.replace(built, library)  # what is loaded stays loaded
    shutil.rmtree(work, ignore_errors=True)
    _say(f"built in {time.monotonic() - began:.1f} s")


def _build_cpu(operator: str, work: Path) -> None:
    flags = [*cpu_flags(), *operator_flags(operator)]
    _build(f"poolzoo_cpu_{operator}", cpu_sources(operator), work, extra_cflags=flags)


def _build_cuda(operator: str, work: Path) -> None:
    home = _toolkit()
    _cpp_extension().CUDA_HOME = str(home)
    flags = operator_flags(operator)
    # It reads TORCH_CUDA_ARCH_LIST and the visible GPUs as cuda_architectures does.
    _build(
        f"poolzoo_cuda_{operator}",
        [CUDA / source for source in _CUDA_SOURCES],
        work,
        extra_include_paths=[str(NATIVE)],
        extra_cflags=[*_FLAGS, *flags],
        extra_cuda_cflags=[*_NVCC_FLAGS, *flags],
    )


def _build(name: str, sources: Sequence[Path], work: Path, **flags: list[str]) -> None:
    with _ninja_on_path(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cpp_extension, about compilers that it has not heard of
        paths, links = [str(source) for source in sources], list(_LINK_FLAGS)
        load = _cpp_extension().load
        load(name, paths, extra_ldflags=links, build_directory=str(work), is_python_module=False, **flags)


def _cpp_extension() -> Any:
    """Return torch.utils.cpp_extension, imported without its warning that a CUDA build of torch finds no GPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from torch.utils import cpp_extension
    finally:
        logger.setLevel(level)
    return cpp_extension


def _toolkit() -> Path:
    """Return the folder of the CUDA toolkit, if it fits this torch."""
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
        raise Unavailable(f"nvcc is for CUDA {version[1]}.{version[2]}, torch for CUDA {torch.version.cuda}")
    return home


def _say(line: str) -> None:
    print(f"poolzoo: {line}", file=sys.stderr, flush=True)  # noqa: T201


@contextlib.contextmanager
def _ninja_on_path() -> Iterator[None]:
    """Add this Python's scripts to PATH: ninja, installed as a dependency, is there, and PATH may not contain it."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([before, sysconfig.get_path("scripts")])
    try:
        yield
    finally:
        os.environ["PATH"] = before


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time in; the kernel releases the lock of a process that dies."""
    try:
        import fcntl
    except ImportError:  # no such locks there: two builds at once cost time, and the rename keeps them whole
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _explain(error: Exception) -> str:
    """Return the compiler's error message if there is one, on one line."""
    if isinstance(error, Unavailable):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "error:" in line.lower() or "not found" in line or "nvcc fatal" in line] or lines
    return f"{type(error).__name__}: {'; '.join(told[:3])}"[:600]
