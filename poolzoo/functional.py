"""Every operator as a function: ``soft_pool2d(x, kernel_size=2)``, ``lp_pool1d(x, 3, stride=2, p=3)``.

Functions are made from the registry, for each number of spatial axes that the operator is defined for; those of
operators that are functions of single windows also to an output size and over the whole input
(``adaptive_lp_pool2d(x, 7)``, ``global_lp_pool2d(x)``).
``dir(poolzoo.functional)`` lists them; ``help`` shows the formula, arguments, shapes and source of one.
"""

from __future__ import annotations

from typing import Any

from poolzoo import create, operators, registry

#: Prefixes of functions that are not made from the registry.
_OTHERS = ("ada_unpool",)
#: Functions that this module has as attributes by now: to find one takes ten times as long as a small pool.
_found: set[str] = set()


@registry.on_registration.append
def _forget() -> None:
    while _found:
        globals().pop(_found.pop(), None)


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        function = create.find_function(name)
        if function is not None:
            globals()[name] = function
            _found.add(name)
            return function
        if name.startswith(_OTHERS) and name in vars(operators):
            return vars(operators)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*registry.export_names("function_name"), *(n for n in vars(operators) if n.startswith(_OTHERS))])
