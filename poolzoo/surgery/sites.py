"""What counts as a pool in a model, and the arguments that its replacement must take over.

A pool is one of torch's pooling modules, one of poolzoo's, or a call of one of torch's pooling functions in a forward.
A call is described by the equivalent module, so all other code deals with modules only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

from poolzoo.calls import FUNCTIONS, GEOMETRY, NDIM, WITH_INDICES, name_arguments
from poolzoo.operators.adaptive import AdaptivePool, GlobalPool
from poolzoo.operators.base import Pool


class UnsuitedError(ValueError):
    """A pool that no operator can replace; the message is the reason."""


@dataclass(frozen=True)
class Windowed:
    """A pool with a kernel: its geometry as arguments of ``create_pool``, and arguments that only ``avg`` takes."""

    ndim: int
    geometry: Mapping[str, Any]
    own: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Adaptive:
    """A pool that is given its output size."""

    ndim: int
    output_size: Any


_ADAPTIVE = tuple(cls for cls in NDIM if cls.__name__.startswith("Adaptive"))
_RANDOM = tuple(cls for cls in NDIM if cls.__name__.startswith("Fractional"))


def is_pool(module: nn.Module) -> bool:
    """Return whether ``module`` is one of torch's or poolzoo's pooling modules."""
    return isinstance(module, (Pool, *NDIM))


def ndim_of(module: nn.Module) -> int:
    """Return the number of spatial axes of a pool."""
    if isinstance(module, Pool):
        return module.ndim
    return next(NDIM[cls] for cls in type(module).__mro__ if cls in NDIM)


def label(module: nn.Module) -> str:
    """Return the module on one line, without its submodules."""
    return f"{type(module).__name__}({module.extra_repr()})"


def describe(module: nn.Module) -> Windowed | Adaptive:
    """Return what a replacement of this pool must take over.

    Raises:
        UnsuitedError: no operator does what this pool does; the message says why.
    """
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    lazy: Any = getattr(module, "_initialize_hook", None)  # a lazy module's own
    if any(getattr(module, name).keys() - ({lazy.id} if lazy else set()) for name in hooks):
        raise UnsuitedError("has hooks, which would be lost")
    if isinstance(module, GlobalPool) and module.flatten:
        raise UnsuitedError("flattens its output")
    if isinstance(module, AdaptivePool):
        return Adaptive(module.ndim, module.output_size)
    if isinstance(module, Pool):
        if module.info.phases is not None:
            raise UnsuitedError("keeps several submaps, which the following layers need")
        return Windowed(module.ndim, {key: getattr(module, key) for key in GEOMETRY})
    base = next(cls for cls in type(module).__mro__ if cls in NDIM)
    if type(module).forward is not base.forward:
        raise UnsuitedError(f"subclass of {base.__name__} with a forward of its own")
    if getattr(module, "return_indices", False):
        raise UnsuitedError("returns indices for unpooling")
    if issubclass(base, _RANDOM):
        raise UnsuitedError("has random windows, not a kernel and a stride")
    if issubclass(base, _ADAPTIVE):
        return Adaptive(NDIM[base], getattr(module, "output_size", None))
    if getattr(module, "divisor_override", None) is not None:
        raise UnsuitedError("has a divisor_override, so it is not an average")
    geometry = {key: getattr(module, key) for key in GEOMETRY if hasattr(module, key)}
    own = {"count_include_pad": module.count_include_pad} if hasattr(module, "count_include_pad") else {}
    return Windowed(NDIM[base], geometry, own)


#: Names in a forward that calls a pooling function.
FUNCTION_NAMES = frozenset(
    f"{stem}_pool{n}d{end}"
    for stem in ("max", "avg", "lp", "adaptive_max", "adaptive_avg", "fractional_max")
    for n in (1, 2, 3)
    for end in ("", "_with_indices")
)


def is_call(node: fx.Node) -> bool:
    """Return whether this node of a graph calls one of torch's pooling functions."""
    return node.op == "call_function" and (node.target in FUNCTIONS or node.target in WITH_INDICES)


def stand_in(node: fx.Node) -> nn.Module:
    """Return the torch module that is equivalent to this call of a pooling function.

    Raises:
        UnsuitedError: there is none; the message says why.
    """
    if node.target in WITH_INDICES:
        raise UnsuitedError("returns indices for unpooling")
    given = name_arguments(node.target, node.args, node.kwargs)
    for key, value in given.items():
        if any(isinstance(part, fx.Node) for part in (value if isinstance(value, (tuple, list)) else (value,))):
            raise UnsuitedError(f"its {key} is computed in forward")
    return FUNCTIONS[node.target][0](**given)  # type: ignore[index]


def input_of(node: fx.Node) -> fx.Node:
    """Return the node that a call pools."""
    pooled = node.args[0] if node.args else node.kwargs["input"]
    assert isinstance(pooled, fx.Node)
    return pooled
