"""Check a wheel with prebuilt libraries: ``python tools/check_wheel.py WHEEL [FOLDER ...]`` or ``make wheel-check``.

- Its size, and with auditwheel that it runs where its tag says. torch's library alone comes from outside.
- Installed, with no compiler and no ninja on PATH: `poolzoo doctor` names the libraries, and the native engine's tests
  pass for every CPU capability that this machine has. Nothing is built. With a second torch, one capability is enough.

Each FOLDER is a site-packages with the dependencies of poolzoo and its tests, for another torch; several folders that
belong together are separated by colons. Without any, it is that of this Python.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from poolzoo.native import libraries
from poolzoo.registry import native_reducers

HERE = Path(__file__).parents[1] / "tests"  # tests there do not find the source tree by themselves
MOST_BYTES = 30_000_000
#: What runs natively, but for the tests that call torch's own compiler.
TESTS = [
    *(
        "cuda/test_native_cpu.py",
        "cuda/test_native_lanes.py",
        "cuda/test_native_transforms.py",
        "analysis/test_metrics.py",
    ),
    *("-m", "not slow", "-k", "not compile"),
]


def check_file(wheel: Path) -> None:
    """Raise an error if the wheel is too large, or needs what not every system of its tag has."""
    size = wheel.stat().st_size
    if size >= MOST_BYTES:
        raise SystemExit(f"{wheel.name} has {size:,} bytes, allowed are {MOST_BYTES:,}")
    command = [sys.executable, "-m", "auditwheel", "show", "--json", str(wheel)]
    facts = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    glibc = tuple(int(part) for part in facts["sym_tag"].split("_")[1:3])
    allowed = tuple(int(part) for part in wheel.stem.partition("manylinux_")[2].split("_")[:2])
    if not facts["sym_tag"].startswith("manylinux_") or glibc > allowed:
        raise SystemExit(f"{wheel.name} needs {facts['sym_tag']}: {facts['versioned_symbols']}")
    if set(facts["external_libs"]) != {"libtorch_cpu.so"}:
        raise SystemExit(f"{wheel.name} needs {', '.join(facts['external_libs'])}")
    print(f"{wheel.name}: {size / 1e6:.1f} MB, needs {facts['sym_tag']}")  # noqa: T201


def check_installed(wheel: Path, site_packages: str, every_capability: bool) -> None:
    """Install the wheel where there is no compiler, and run the tests for this machine's CPU capability or for each."""
    with tempfile.TemporaryDirectory(prefix="poolzoo-") as folder:
        package = Path(folder) / "package"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", str(package), str(wheel)], check=True)
        environment = {
            "PATH": folder,
            "HOME": folder,
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
            "PYTHONPATH": os.pathsep.join([str(package), site_packages]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        print("torch", _run(["-c", "import torch; print(torch.__version__)"], environment).strip())  # noqa: T201
        for capability in _capabilities(environment)[: None if every_capability else 1]:
            given = {**environment, "ATEN_CPU_CAPABILITY": capability.lower()}
            _check_doctor(package, capability, given)
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
            subprocess.run(command, cwd=HERE, env=given, check=True)
        if (Path(folder) / ".cache" / "poolzoo").exists():
            raise SystemExit("a library was built")


def _check_doctor(package: Path, capability: str, environment: dict[str, str]) -> None:
    doctor = dict(line.split("  ", 1) for line in _run(["-m", "poolzoo", "doctor"], environment).splitlines())
    found = {name: doctor[name].strip() for name in ("C++ compiler", "ninja", "native cpu")}
    print("\n".join(f"{name}: {state}" for name, state in found.items()))  # noqa: T201
    names = ", ".join([*native_reducers(), *libraries.EXTRAS])
    expected = f"prebuilt for {capability} in {package}/poolzoo/native/prebuilt/{capability}: {names}"
    if found != {"C++ compiler": "not installed", "ninja": "not installed", "native cpu": expected}:
        raise SystemExit(f"expected: {expected}")


def _run(words: list[str], environment: dict[str, str]) -> str:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=True).stdout


def _capabilities(environment: dict[str, str]) -> list[str]:
    """Return the capability of this machine and all narrower ones."""
    here = _run(["-c", "import torch; print(torch.backends.cpu.get_cpu_capability())"], environment).strip()
    return list(libraries.CAPABILITIES[libraries.CAPABILITIES.index(here) :])


def main() -> None:
    parser = argparse.ArgumentParser(description="Check a wheel with prebuilt libraries.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folders", nargs="*", default=[sysconfig.get_path("purelib")])
    given = parser.parse_args()
    check_file(given.wheel)
    for i, site_packages in enumerate(given.folders):
        check_installed(given.wheel, site_packages, every_capability=i == 0)


if __name__ == "__main__":
    main()
