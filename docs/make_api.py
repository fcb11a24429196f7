"""Make the list of the public API: ``python docs/make_api.py`` (or ``make catalog``).

``tests/api.txt`` holds a line for every public name of the modules below, with its parameters and their defaults, so
that a change of any of them is seen. Operators that other packages register are not in it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from poolzoo import compat, registry

LIST = Path(__file__).parents[1] / "tests" / "api.txt"
_COMPAT = [f"poolzoo.compat.{module.name}" for module in pkgutil.iter_modules(compat.__path__)]
MODULES = ("poolzoo", "poolzoo.metrics", "poolzoo.functional", "poolzoo.surgery", "poolzoo.checkered", *_COMPAT)


def text() -> str:
    """What the list must hold."""
    return "".join(f"{line}\n" for name in MODULES for line in _module_lines(name))


def _module_lines(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    # torch.compile leaves objects whose __module__ is None.
    defined = (key for key, value in vars(module).items() if (getattr(value, "__module__", "") or "").startswith(name))
    public = getattr(module, "__all__", [key for key in defined if not key.startswith("_")])
    for attribute in sorted({*public, *_made(name)}):
        value = getattr(module, attribute)
        path = f"{name}.{attribute}"
        if inspect.ismodule(value) or not callable(value):
            yield f"{path}: {'module' if inspect.ismodule(value) else type(value).__name__}"
            continue
        yield f"{path}{_parameters(value)}"
        if inspect.isclass(value) and not issubclass(value, nn.Module):
            yield from (f"{path}.{line}" for line in _members(value))


def _made(name: str) -> Iterator[str]:
    """Return a module's names that are made from poolzoo's own operators, or written for them by hand."""
    if name not in ("poolzoo", "poolzoo.functional"):
        return
    module = importlib.import_module(name)
    for info in registry.builtin_pools():
        stems = info.exports("class_name" if name == "poolzoo" else "function_name").values()
        yield from (f"{stem}{ndim}d" for stem in stems for ndim in info.ndims)
    yield from (key for key in dir(module) if key.startswith(module._OTHERS))


def _members(cls: type) -> Iterator[str]:
    """The public methods and properties that a class or a base of poolzoo's defines."""
    own = {key for base in cls.__mro__ if base.__module__.startswith("poolzoo") for key in vars(base)}
    for key in sorted(key for key in own if not key.startswith("_")):
        value = inspect.getattr_static(cls, key)
        if isinstance(value, property):
            yield f"{key}: property"
        elif callable(getattr(cls, key)):
            yield f"{key}{_parameters(getattr(cls, key))}"


def _parameters(target: Callable[..., Any]) -> str:
    signature = inspect.signature(target)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    shown = str(signature.replace(parameters=bare, return_annotation=signature.empty))
    return re.sub(r" at 0x[0-9a-f]+", "", shown)


def main() -> None:
    LIST.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
