"""Hatch's hook for wheels. With POOLZOO_PREBUILT_FOLDER, the wheel contains the libraries in that folder and is for
Linux on x86-64; without it, the wheel is pure Python.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelHook(BuildHookInterface):  # type: ignore[misc]
    """Adds prebuilt libraries, see ``tools/prebuild.py``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        folder = os.environ.get("POOLZOO_PREBUILT_FOLDER")
        if not folder or version == "editable":
            return
        facts = json.loads((Path(folder) / "libraries.json").read_text())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{facts['glibc'].replace('.', '_')}_{facts['machine']}"
        build_data["force_include"][os.path.realpath(folder)] = "poolzoo/native/prebuilt"
