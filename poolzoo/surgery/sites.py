"""What counts as a pool in somebody's model, and the arguments that its replacement must carry.

A pool is one of torch's pooling modules, one of poolzoo's, or a call of one of torch's pooling functions in a forward.
A call is described by the module that does the same, so that everything after this file deals with modules alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from poolzoo.operators.base import Pool
from poolzoo.operators.soft import _AdaptiveSoftPool, _GlobalSoftPool


class UnsuitedError(ValueError):
    """A pool that no operator can stand in for; the message is the reason."""


@dataclass(frozen=True)
class Windowed:
    """A pool with a kernel: the geometry, in the words of ``create_pool``, and what only ``avg`` takes besides."""

    ndim: int
    geometry: Mapping[str, Any]
    own: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Adaptive:
    """A pool that is told its output's size."""

    ndim: int
    output_size: Any


_GEOMETRY = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
_KINDS = ("MaxPool", "AvgPool", "LPPool", "AdaptiveMaxPool", "AdaptiveAvgPool", "FractionalMaxPool")
_NDIM: dict[type[nn.Module], int] = {
    getattr(nn, f"{kind}{ndim}d"): ndim for kind in _KINDS for ndim in (1, 2, 3) if hasattr(nn, f"{kind}{ndim}d")
}
_ADAPTIVE = tuple(cls for cls in _NDIM if cls.__name__.startswith("Adaptive"))
_RANDOM = tuple(cls for cls in _NDIM if cls.__name__.startswith("Fractional"))


def is_pool(module: nn.Module) -> bool:
    """Whether it is one of torch's or poolzoo's pooling modules."""
    return isinstance(module, (Pool, _AdaptiveSoftPool, _GlobalSoftPool, *_NDIM))


def ndim_of(module: nn.Module) -> int:
    """Spatial axes of a pool."""
    if isinstance(module, (Pool, _AdaptiveSoftPool, _GlobalSoftPool)):
        return module.ndim
    return next(_NDIM[cls] for cls in type(module).__mro__ if cls in _NDIM)


def label(module: nn.Module) -> str:
    """The module on one line, without the modules in it."""
    return f"{type(module).__name__}({module.extra_repr()})"


def describe(module: nn.Module) -> Windowed | Adaptive:
    """What a replacement of this pool must carry.

    Raises:
        UnsuitedError: no operator does what this pool does; the message says why.
    """
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(getattr(module, name) for name in hooks):
        raise UnsuitedError("has hooks, which would be lost")
    if isinstance(module, Pool):
        if module.info.phases is not None:
            raise UnsuitedError("keeps several submaps, on which the layers after it rely")
        return Windowed(module.ndim, {key: getattr(module, key) for key in _GEOMETRY})
    if isinstance(module, _AdaptiveSoftPool):
        return Adaptive(module.ndim, module.output_size)
    if isinstance(module, _GlobalSoftPool):
        if module.flatten:
            raise UnsuitedError("flattens what it pools")
        return Adaptive(module.ndim, 1)
    base = next(cls for cls in type(module).__mro__ if cls in _NDIM)
    if type(module).forward is not base.forward:
        raise UnsuitedError(f"subclass of {base.__name__} with a forward of its own")
    if getattr(module, "return_indices", False):
        raise UnsuitedError("returns indices, as unpooling needs them")
    if issubclass(base, _RANDOM):
        raise UnsuitedError("has random windows, not a kernel and a stride")
    if issubclass(base, _ADAPTIVE):
        return Adaptive(_NDIM[base], getattr(module, "output_size", None))
    if getattr(module, "divisor_override", None) is not None:
        raise UnsuitedError("has a divisor_override, so it is no average")
    geometry = {key: getattr(module, key) for key in _GEOMETRY if hasattr(module, key)}
    own = {"count_include_pad": module.count_include_pad} if hasattr(module, "count_include_pad") else {}
    return Windowed(_NDIM[base], geometry, own)


def _functions() -> dict[Callable[..., Any], tuple[type[nn.Module], tuple[str, ...]]]:
    """Each pooling function of torch with the module that does the same, and its arguments after the input."""
    arguments = {
        "MaxPool": (*_GEOMETRY, "return_indices"),
        "AvgPool": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
        "LPPool": ("norm_type", "kernel_size", "stride", "ceil_mode"),
        "AdaptiveMaxPool": ("output_size", "return_indices"),
        "AdaptiveAvgPool": ("output_size",),
        "FractionalMaxPool": ("kernel_size", "output_size", "output_ratio", "return_indices", "_random_samples"),
    }
    stems = {kind: "".join("_" + c.lower() if c.isupper() else c for c in kind).strip("_") for kind in _KINDS}
    stems["LPPool"] = "lp_pool"
    return {
        getattr(home, f"{stems[kind]}{ndim}d"): (getattr(nn, f"{kind}{ndim}d"), names)
        for kind, names in arguments.items()
        for ndim in (1, 2, 3)
        for home in (torch, F)
        if hasattr(home, f"{stems[kind]}{ndim}d") and not (home is torch and kind == "AdaptiveMaxPool")
    }


FUNCTIONS = _functions()
_WITH_INDICES = {
    getattr(home, name)
    for home in (torch, F)
    for name in dir(home)
    if "max_pool" in name and name.endswith("_with_indices")
} | {torch.adaptive_max_pool1d}
#: What a forward names if it calls a pooling function.
FUNCTION_NAMES = frozenset(
    f"{stem}_pool{n}d{end}"
    for stem in ("max", "avg", "lp", "adaptive_max", "adaptive_avg", "fractional_max")
    for n in (1, 2, 3)
    for end in ("", "_with_indices")
)


def is_call(node: fx.Node) -> bool:
    """Whether this node of a graph calls one of torch's pooling functions."""
    return node.op == "call_function" and (node.target in FUNCTIONS or node.target in _WITH_INDICES)


def stand_in(node: fx.Node) -> nn.Module:
    """The torch module that does what this call of a pooling function does.

    Raises:
        UnsuitedError: there is none; the message says why.
    """
    if node.target in _WITH_INDICES:
        raise UnsuitedError("returns indices, as unpooling needs them")
    cls, names = FUNCTIONS[node.target]  # type: ignore[index]
    given: dict[str, Any] = dict(zip(names, node.args[1:], strict=False))
    given |= {key: value for key, value in node.kwargs.items() if key != "input"}
    for key, value in given.items():
        if any(isinstance(part, fx.Node) for part in (value if isinstance(value, (tuple, list)) else (value,))):
            raise UnsuitedError(f"its {key} is computed in forward")
    if given.get("stride") in ((), []):  # torch.max_pool2d's way to say None
        del given["stride"]
    return cls(**given)


def input_of(node: fx.Node) -> fx.Node:
    """The node that a call pools."""
    pooled = node.args[0] if node.args else node.kwargs["input"]
    assert isinstance(pooled, fx.Node)
    return pooled
