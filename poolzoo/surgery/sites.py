"""What counts as a pool in a model, and the arguments that its replacement must take over.

A pool is one of torch's pooling modules, one of poolzoo's, or a call of one of torch's pooling functions in a forward.
A call is described by the equivalent module, so all other code deals with modules only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from poolzoo.calls import FUNCTIONS, NDIM, WITH_INDICES, name_arguments
from poolzoo.operators.adaptive import AdaptivePool, GlobalPool
from poolzoo.operators.base import Pool
from poolzoo.registry import GEOMETRY


class UnsuitedError(ValueError):
    """A pool that no operator can replace; the message is the reason."""


@dataclass(frozen=True)
class Described:
    """What a replacement takes over.

    Attributes:
        ndim: spatial axes.
        form: the replacement's form: "" for a pool with a kernel, ``adaptive`` or ``global``.
        windows: arguments that say where the windows lie.
        own: arguments that only ``avg`` takes.
    """

    ndim: int
    form: str
    windows: Mapping[str, Any]
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Return what it is called in a report: a pool, an adaptive pool or a global one."""
        sizes = self.windows.get("output_size", 1)
        whole = self.form and all(size == 1 for size in (sizes if isinstance(sizes, (tuple, list)) else (sizes,)))
        return "a global pool" if whole else "an adaptive pool" if self.form else "a pool"


_ADAPTIVE = tuple(cls for cls in NDIM if cls.__name__.startswith("Adaptive"))
_RANDOM = tuple(cls for cls in NDIM if cls.__name__.startswith("Fractional"))


def is_pool(module: nn.Module) -> bool:
    """Return whether ``module`` is one of torch's or poolzoo's pooling modules."""
    return isinstance(module, (Pool, *NDIM))


def is_compiled(module: nn.Module) -> bool:
    """Return whether ``module`` is what ``torch.compile`` makes of a module."""
    loaded = sys.modules.get("torch._dynamo.eval_frame")  # importing it takes a second
    return loaded is not None and isinstance(module, loaded.OptimizedModule)


def hidden_pools(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield name and module of the pools that a module keeps where torch does not find them, as in a plain list."""
    for name, value in vars(module).items():
        if name == "_modules" or not isinstance(value, (nn.Module, list, tuple, dict)):
            continue
        items = (
            value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, (list, tuple)) else ())
        )
        named = [(name, value)] if isinstance(value, nn.Module) else [(f"{name}[{key!r}]", item) for key, item in items]
        yield from ((where, item) for where, item in named if isinstance(item, nn.Module) and is_pool(item))


def ndim_of(module: nn.Module) -> int:
    """Return the number of spatial axes of a pool."""
    if isinstance(module, Pool):
        return module.ndim
    return next(NDIM[cls] for cls in type(module).__mro__ if cls in NDIM)


def label(module: nn.Module) -> str:
    """Return the module on one line, without its submodules."""
    return f"{type(module).__name__}({module.extra_repr()})"


def describe(module: nn.Module) -> Described:
    """Return what a replacement of this pool must take over.

    Raises:
        UnsuitedError: no operator does what this pool does; the message says why.
    """
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    lazy: Any = getattr(module, "_initialize_hook", None)  # a lazy module's own
    if any(getattr(module, name).keys() - ({lazy.id} if lazy else set()) for name in hooks):
        raise UnsuitedError("has hooks, which would be lost")
    if isinstance(module, GlobalPool):
        return Described(module.ndim, module.form, {"flatten": module.flatten})
    if isinstance(module, AdaptivePool):
        return Described(module.ndim, module.form, {"output_size": module.output_size})
    if isinstance(module, Pool):
        if module.info.phases is not None:
            raise UnsuitedError("keeps several submaps, which the following layers need")
        return Described(module.ndim, "", {key: getattr(module, key) for key in GEOMETRY})
    base = next(cls for cls in type(module).__mro__ if cls in NDIM)
    if type(module).forward is not base.forward:
        raise UnsuitedError(f"subclass of {base.__name__} with a forward of its own")
    if getattr(module, "return_indices", False):
        raise UnsuitedError("returns indices for unpooling")
    if issubclass(base, _RANDOM):
        raise UnsuitedError("has random windows, not a kernel and a stride")
    if issubclass(base, _ADAPTIVE):
        return Described(NDIM[base], "adaptive", {"output_size": getattr(module, "output_size", None)})
    if getattr(module, "divisor_override", None) is not None:
        raise UnsuitedError("has a divisor_override, so it is not an average")
    geometry = {key: getattr(module, key) for key in GEOMETRY if hasattr(module, key)}
    own = {"count_include_pad": module.count_include_pad} if hasattr(module, "count_include_pad") else {}
    return Described(NDIM[base], "", geometry, own)


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


def exported_name(node: fx.Node) -> str:
    """Return the name of a pooling operator in a graph that torch.export wrote, such as ``aten.max_pool2d``, or ""."""
    name = str(node.target) if isinstance(node.target, torch._ops.OpOverload) else ""
    return name.rpartition(".")[0] if "_pool" in name and "backward" not in name else ""


def averaged_axes(node: fx.Node) -> str:
    """Return the axes over which this node of a graph takes a mean, if they are the last two or three; else ""."""
    if node.target not in ("mean", torch.mean):
        return ""
    axes: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    spatial = ({2, 3}, {-2, -1}, {2, 3, 4}, {-3, -2, -1})
    return str(axes) if isinstance(axes, (tuple, list)) and set(axes) in spatial else ""


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
