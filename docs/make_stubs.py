"""Write the type stubs: ``python docs/make_stubs.py`` (or ``make catalog``).

``poolzoo/__init__.pyi`` and ``poolzoo/functional.pyi`` describe the generated functions and modules to editors and type
checkers. They do not contain operators that other packages register.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import poolzoo
from poolzoo import functional, operators, registry
from poolzoo.create import make_class, make_function

_HEADER = '''"""{about}

Written by `make catalog`: edit the operators instead.
"""

import torch
from torch import Tensor

from poolzoo.operators.lifting import Step as Step
from poolzoo.operators.multisampling import Permutation as Permutation
from poolzoo.geometry import IntOrTuple as IntOrTuple, Sizes as Sizes
'''


def texts() -> dict[Path, str]:
    """Return the content of each stub file by its path."""
    folder = Path(poolzoo.__file__).parent
    return {folder / "__init__.pyi": _package(), folder / "functional.pyi": _functional()}


def main() -> None:
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")


def _package() -> str:
    # Modules that are written out, and Pool, the base of all.
    written = {name: vars(operators)[name] for name in vars(operators) if name.startswith(poolzoo._OTHERS)}
    # Their constructors hand arguments on, so that their base class does not name them.
    loose = [cls for cls in written.values() if issubclass(cls, operators.Pool) and cls is not operators.Pool]
    sources = {name: f"poolzoo.{module}" for name, module in poolzoo._LAZY.items()}
    sources |= {cls.__name__: cls.__module__ for cls in written.values() if cls not in loose}
    sources |= {cls.__base__.__name__: cls.__module__ for cls in loose}
    in_registry = set(poolzoo.__all__) - set(sources) - set(poolzoo._MODULES)
    sources |= dict.fromkeys(sorted(in_registry), "poolzoo.registry")
    lines = [_HEADER.format(about="The operators as modules, and the other names that this package offers.")]
    lines += [f"from poolzoo import {name} as {name}" for name in poolzoo._MODULES]
    lines += [f"from {source} import {name} as {name}" for name, source in sources.items()]
    lines += ["from poolzoo.operators.adaptive import AdaptivePool", "", "__version__: str"]
    for cls in loose:
        lines += _class(cls, cls.__base__.__name__, (cls.__doc__ or "").splitlines()[0])
    for info, ndim, form in _operators():
        cls = make_class(info, ndim, form)
        lines += _class(cls, "AdaptivePool" if form else "Pool", f"{info.summary}: {info.formula}")
    return "\n".join(lines) + "\n"


def _class(cls: type, base: str, about: str) -> list[str]:
    return [
        "",
        f"class {cls.__name__}({base}):",
        f'    """{about}"""',
        "",
        f"    def __init__({_parameters(cls, 'self')}) -> None: ...",
    ]


def _functional() -> str:
    written = [name for name in vars(operators) if name.startswith(functional._OTHERS)]
    lines = [_HEADER.format(about="The operators as functions.")]
    lines += [f"from {vars(operators)[name].__module__} import {name} as {name}" for name in written]
    for info, ndim, form in _operators():
        function = make_function(info, ndim, form)
        lines += ["", f"def {function.__name__}({_parameters(function)}) -> Tensor:"]
        lines += [f'    """{info.summary}: {info.formula}"""']
    return "\n".join(lines) + "\n"


def _operators() -> Iterator[tuple[registry.PoolInfo, int, str]]:
    for info in registry.builtin_pools():
        for form in info.exports("class_name"):
            for ndim in info.ndims:
                yield info, ndim, form


def _parameters(target: Callable[..., Any], *first: str) -> str:
    parts, keyword_only = [*first], False
    for p in inspect.signature(target).parameters.values():
        if p.kind is p.KEYWORD_ONLY and not keyword_only:
            parts, keyword_only = [*parts, "*"], True
        default = "" if p.default is p.empty else f" = {p.default!r}" if _is_plain(p.default) else " = ..."
        parts.append(f"{p.name}: {p.annotation}{default}")
    return ", ".join(parts)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and abs(value) < 1e300)


if __name__ == "__main__":
    main()
