"""Compile the CPU libraries that the wheel for Linux on x86-64 contains: ``python tools/prebuild.py FOLDER``.

``make wheel`` runs this and then packs FOLDER into the wheel, see ``tools/wheel_hook.py``. All native operators and the
metrics are compiled for every CPU capability, with the flags that a build at first use has.

The compiler is Zig's clang (``pip install ziglang``), because it links against the C library of systems as old as
``GLIBC``. The C++ library is the system's libstdc++, as for torch, because torch cannot catch the exceptions of another
one. Its headers and libgcc.a are those of the installed g++, version 12 or later; ``_HEADERS`` keeps symbols that older
systems lack out of the libraries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from poolzoo.native import libraries, prebuilt
from poolzoo.registry import native_reducers

#: The oldest C library that the prebuilt libraries run with.
GLIBC = (2, 28)
MACHINE = "x86_64"
_TARGET = ["-target", f"{MACHINE}-linux-gnu.{GLIBC[0]}.{GLIBC[1]}"]
#: What g++ does by itself, and what cpp_extension adds.
_LIKE_A_BUILD_HERE = ["-ffp-contract=fast", "-fPIC", "-fvisibility=hidden", "-fno-sanitize=undefined", "-w"]
#: Included first: the constructors of string streams are compiled in, since those in libstdc++ are of GCC 9. Other
#: templates must not be, because locales find their parts by addresses in libstdc++. And instead of a header that
#: declares a variable of glibc 2.32, for which libstdc++'s headers ask.
_HEADERS = {
    "first.h": """#include <istream>
#undef _GLIBCXX_EXTERN_TEMPLATE
#define _GLIBCXX_EXTERN_TEMPLATE 0
#include <sstream>
#undef _GLIBCXX_EXTERN_TEMPLATE
#define _GLIBCXX_EXTERN_TEMPLATE 1
""",
    "sys/single_threaded.h": "namespace { constexpr char __libc_single_threaded = 0; }\n",
}
#: Only the static initialisers of a library are called from outside.
_HIDE_ALL = "{ local: *; };\n"


class Compiler:
    """Zig's compiler and linker with g++'s C++ library, and a folder for intermediate files."""

    def __init__(self, work: Path) -> None:
        self.work = work
        for name, text in {**_HEADERS, "hide": _HIDE_ALL}.items():
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_text(text)
        torch_folder = Path(torch.__file__).parent
        folders = [work, *_cpp_headers(), torch_folder / "include"]
        self._headers = ["-nostdinc++", *(f"-I{folder}" for folder in folders), "-include", "first.h"]
        # Error messages name source files: by their place in the package, not on this machine.
        self._headers += [
            f"-ffile-prefix-map={libraries.NATIVE.parent.parent}/=",
            f"-ffile-prefix-map={torch_folder.parent}/=",
        ]
        names = ("libstdc++.so", "libgcc.a", "libgcc_s.so.1")
        self._libraries = [*map(_find_library, names), str(torch_folder / "lib" / "libtorch_cpu.so")]

    def build(self, operator: str, capability: str, library: Path) -> None:
        """Compile and link one library."""
        flags = [*libraries.cpu_flags(capability), *libraries.operator_flags(operator), *_LIKE_A_BUILD_HERE]
        objects = []
        for source in libraries.cpu_sources(operator):
            objects.append(str(self.work / f"{capability}-{operator}-{source.stem}.o"))
            _zig("c++", *_TARGET, *flags, *self._headers, "-c", str(source), "-o", objects[-1])
        link = ["-dynamic", "-fno-compiler-rt", "-fstrip", "--version-script", str(self.work / "hide")]
        names = [f"-fsoname={library.name}", f"-femit-bin={library}"]
        _zig("build-lib", *_TARGET, *link, *names, *objects, *self._libraries, "-lc")


def _zig(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "ziglang", *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"zig {' '.join(words)}\n{done.stderr[-4000:]}")


def _cpp_headers() -> list[str]:
    """Return the folders of g++'s C++ headers."""
    command = ["g++", "-E", "-x", "c++", "-v", os.devnull]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    searched = told.partition("#include <...>")[2].partition("End of search list")[0]
    return [line.strip() for line in searched.splitlines() if "/c++/" in line]


def _find_library(name: str) -> str:
    return subprocess.run(
        ["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()


def prebuild(folder: Path, operators: Sequence[str], capabilities: Sequence[str], jobs: int) -> None:
    """Fill a folder with libraries and their list; what was in it is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    wanted = [(capability, operator) for capability in capabilities for operator in operators]
    listed: dict[str, dict[str, dict[str, str]]] = {capability: {} for capability in capabilities}
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(jobs) as workers:
        compiler = Compiler(Path(work))

        def build(capability: str, operator: str) -> None:
            library = folder / capability / prebuilt.file_name(operator)
            compiler.build(operator, capability, library)
            digest = hashlib.sha256(library.read_bytes()).hexdigest()
            origin = libraries.cpu_origin(operator, capability)
            listed[capability][operator] = {"origin": origin, "sha256": digest}
            print(f"{capability} {operator}: {library.stat().st_size:,} bytes", flush=True)  # noqa: T201

        for capability in capabilities:
            (folder / capability).mkdir(parents=True)
        list(workers.map(build, *zip(*wanted, strict=True)))
    oldest = ".".join(map(str, libraries.OLDEST_TORCH))
    facts = {"system": "Linux", "machine": MACHINE, "glibc": ".".join(map(str, GLIBC)), "torch": oldest}
    (folder / prebuilt.LIST).write_text(json.dumps(facts | {"libraries": listed}, indent=1, sort_keys=True) + "\n")


def main() -> None:
    operators = [*native_reducers(), *libraries.EXTRAS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--operator", action="append", choices=operators, help="may be repeated; default: all")
    parser.add_argument("--capability", action="append", choices=libraries.CAPABILITIES, help="the same")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    if (platform.system(), platform.machine()) != ("Linux", MACHINE):
        raise SystemExit(f"prebuilt libraries are made on Linux {MACHINE} only, for want of the system's C++ library")
    prebuild(given.folder, given.operator or operators, given.capability or libraries.CAPABILITIES, given.jobs)


if __name__ == "__main__":
    main()
