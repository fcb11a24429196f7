"""Users' scripts and modules that register operators."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

#: One script at a time; importlib has a lock of its own for modules.
_lock = threading.RLock()


def load_plugin(name: str) -> None:
    """Run a user's script or import a module, for the operators that it registers.

    Args:
        name: a path that ends in ``.py``, or a module's dotted name.

    Raises:
        ValueError: there is no such file or module, or it failed; the message names the cause.
    """
    if name.endswith(".py") and not Path(name).is_file():
        raise ValueError(f"plugin {name!r}: no such file")
    try:
        if name.endswith(".py"):
            run_script(Path(name).resolve())
        else:
            importlib.import_module(name)
    except Exception as error:
        cause = " ".join(str(error).split())  # on one line, whatever it was
        raise ValueError(f"plugin {name!r}: {type(error).__name__}: {cause}") from error


def run_script(path: Path) -> ModuleType:
    """Import a file once, under its own module name, and return the module."""
    with _lock:
        module_name = f"poolzoo_plugin_{path.stem}"
        known = sys.modules.get(module_name)
        if known is not None and known.__file__ == str(path):
            return known
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[module_name]
            raise
    return module


def load_plugins(names: Iterable[str] = ()) -> None:
    """Load ``names`` and the plugins in ``POOLZOO_PLUGINS``, which is separated like ``PATH``."""
    from_environment = [name for name in os.environ.get("POOLZOO_PLUGINS", "").split(os.pathsep) if name]
    for name in [*from_environment, *names]:
        load_plugin(name)
