"""The machine that a measurement ran on: versions, processor, GPU, tools. Nothing here names a user or a host."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from poolzoo._console import reason

#: The packages whose version can change a number.
PACKAGES = ("torch", "numpy", "scipy", "scikit-image", "pillow", "pandas", "matplotlib", "seaborn")


def cpu_name() -> str:
    """Return the name that the processor gives itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the next best name
    return platform.processor() or platform.machine()


def cores() -> int:
    """Return the number of cores that this process may use, which a container or taskset may have reduced."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def cpu_threads(threads: int) -> Iterator[None]:
    """Set the number of torch's CPU threads until the end of a ``with`` block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe_machine() -> dict[str, str]:
    """Return versions, processor and GPU, for a result's metadata."""
    import torch

    facts = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cpu_cores": str(cores()),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "gpu": gpu_name() or "none",
    }
    return facts | {name: importlib.metadata.version(name) for name in PACKAGES}


def gpu_name() -> str | None:
    """Return the first CUDA device's name, or None where torch can use none."""
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def why_no_gpu() -> str | None:
    """Return in a few words why torch cannot use a CUDA GPU here, or None where it can."""
    import torch

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    if not Path("/proc/driver/nvidia/version").exists() and shutil.which("nvidia-smi") is None:
        return f"torch {torch.__version__} is built for CUDA {torch.version.cuda}, but no NVIDIA driver is installed"
    return f"torch {torch.__version__} finds no usable NVIDIA GPU"


def tool_version(command: str) -> str | None:
    """Return the line in which a command names its version, or None where it is not installed."""
    path = shutil.which(command)
    if path is None:
        return None
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return f"{path} does not answer"
    lines = [line for line in (answer.stdout or answer.stderr).splitlines() if line.strip()]
    # nvcc begins with a copyright notice; its release stands in a line of its own.
    return next((line for line in lines if "release" in line), lines[0] if lines else path).strip()


def doctor() -> dict[str, str]:
    """Return what this machine has for running poolzoo and for building native code, by name."""
    import poolzoo
    from poolzoo import native

    facts = {"poolzoo": f"{poolzoo.__version__}, {len(poolzoo.list_pools())} operators", **describe_machine()}
    compiler = os.environ.get("CXX") or next((c for c in ("c++", "g++", "clang++") if shutil.which(c)), "c++")
    for name, command in (("C++ compiler", compiler), ("ninja", "ninja"), ("nvcc", "nvcc")):
        facts[name] = tool_version(command) or "not installed"
    for name, state in native.status().items():
        facts[f"native {name}"] = state
    lacking = why_no_gpu()
    return facts | {"cuda": f"not usable: {lacking}" if lacking else "usable"}


def check_device(device: str, argument: str = "device") -> None:
    """Raise an error that says what is missing if a device cannot be used; there is no fallback.

    Raises:
        ValueError: no device, or one that cannot be used.
    """
    import torch

    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(f"{argument} {device}: not a device; cpu, cuda or cuda:N is allowed") from error
    if kind == "cuda" and (lacking := why_no_gpu()):
        raise ValueError(f"{argument}: no usable GPU: {lacking}")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"{argument} {device}: cannot be used: {reason(error)}") from error
