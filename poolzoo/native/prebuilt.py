"""Find the prebuilt CPU libraries that poolzoo's wheel for Linux on x86-64 contains.

They lie in the folder ``prebuilt`` next to this file, one subfolder per CPU capability, with a list that
``tools/prebuild.py`` writes:

``{"system": "Linux", "machine": "x86_64", "torch": "2.10", "libraries": {"AVX2": {"softpool": {"origin": HASH,
"sha256": HASH}}}}``

``origin`` is the hash of the sources and flags that a library was built from, ``sha256`` that of the library itself. A
library is used only if both are as expected, on such a machine, with this version of torch or a later one. Other
installations, such as those of the pure-Python wheel, have no such folder.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
from pathlib import Path
from typing import NamedTuple

import torch
from torch.torch_version import TorchVersion

FOLDER = Path(__file__).parent / "prebuilt"
LIST = "libraries.json"


class _Listed(NamedTuple):
    """The list, with the two hashes of each library by capability and operator."""

    system: str
    machine: str
    torch: str
    hashes: dict[tuple[str, str], tuple[str, str]]


def file_name(operator: str) -> str:
    """Return the name of a library's file."""
    return f"poolzoo_cpu_{operator}.so"


def find(operator: str, capability: str, origin: str) -> tuple[Path | None, str]:
    """Return an operator's prebuilt library, or None and the reason why it is not used.

    Args:
        operator: a native reducer, or "metrics".
        capability: the CPU capability of torch: "DEFAULT", "AVX2" or "AVX512".
        origin: the hash of the sources and flags that the library must have been built from.

    Returns:
        The reason is "" with a library, and where none is to be expected: for an operator of one's own, and in an
        installation without prebuilt libraries.
    """
    listed = _read_list(FOLDER)
    if listed is None or (capability, operator) not in listed.hashes:
        return None, ""
    library = FOLDER / capability / file_name(operator)
    built_from, digest = listed.hashes[capability, operator]
    reason = _why_not_here(listed)
    if not reason and built_from != origin:
        reason = "it was built from other sources"
    if not reason and not _is_whole(library, digest):
        reason = "it is damaged"
    return (None, reason) if reason else (library, "")


def none_here() -> str:
    """Return a note that this installation has no prebuilt libraries; "" if it has."""
    if _read_list(FOLDER) is not None:
        return ""
    return "no prebuilt libraries in this installation: poolzoo's wheel for Linux on x86-64 has them"


def _why_not_here(listed: _Listed) -> str:
    if os.environ.get("POOLZOO_PREBUILT") == "0":
        return "POOLZOO_PREBUILT=0 switches it off"
    if (platform.system(), platform.machine()) != (listed.system, listed.machine):
        here = f"{platform.system()} {platform.machine()}"
        return f"it is for {listed.system} {listed.machine}, this is {here}"
    if TorchVersion(torch.__version__) < TorchVersion(listed.torch):
        return f"it needs torch {listed.torch}, this is {torch.__version__}"
    return ""


@functools.cache
def _read_list(folder: Path) -> _Listed | None:
    try:
        listed = json.loads((folder / LIST).read_text())
        hashes = {
            (capability, operator): (hashes["origin"], hashes["sha256"])
            for capability, operators in listed["libraries"].items()
            for operator, hashes in operators.items()
        }
        return _Listed(listed["system"], listed["machine"], listed["torch"], hashes)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # missing or damaged
        return None


def _is_whole(library: Path, digest: str) -> bool:
    """Return whether a library is undamaged: loading an incomplete one can end the process."""
    try:
        return hashlib.sha256(library.read_bytes()).hexdigest() == digest
    except OSError:
        return False
