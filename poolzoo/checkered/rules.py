"""How layers and calls of a forward pass treat submaps, for graphs and for running models.

The conversion of Sadigh & Sen (github.com/ShayanPersonal/checkered-cnn) makes torch's layers three-dimensional, with
the submaps as the third axis: strided convolutions and pools are checkered, Dropout2d drops the same channels in all
submaps, adaptive pools cover all submaps, and the networks average the submaps where they flatten their features.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from poolzoo.calls import FUNCTIONS, NDIM, WITH_INDICES, name_arguments
from poolzoo.checkered.layers import (
    LAYERS,
    CheckeredAvgPool2d,
    CheckeredLayer,
    CheckeredMaxPool2d,
    Offsets,
    conv_phase,
    sample_phases,
)
from poolzoo.checkered.submaps import Reduction

#: The checkered forms of pools that a forward pass may call, by the equivalent torch modules.
POOLS: dict[type[nn.Module], type[CheckeredLayer]] = {
    nn.MaxPool2d: CheckeredMaxPool2d,
    nn.AvgPool2d: CheckeredAvgPool2d,
}
#: Convolution functions, and their number of spatial axes.
CONVOLUTIONS = {torch.conv1d: 1, torch.conv2d: 2}
_CONVOLUTION_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
#: Calls with a stride but no checkered form.
_OTHER_CONVOLUTIONS = {torch.conv3d, torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d}

#: Layers and calls that drop whole channels: one draw for all submaps of an image.
CHANNEL_DROPOUT_LAYERS = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout)
CHANNEL_DROPOUTS = {
    F.dropout1d,
    F.dropout2d,
    F.dropout3d,
    F.feature_alpha_dropout,
    torch.feature_dropout,
    torch.feature_dropout_,
    torch.feature_alpha_dropout,
    torch.feature_alpha_dropout_,
}
#: Pools that are given their output size: they cover all submaps of an image.
ADAPTIVE_LAYERS = tuple(cls for cls in NDIM if cls.__name__.startswith("Adaptive"))
#: Calls that make features, ``(N, F)``, of some maps.
_PERHAPS_FLATTENING = {"squeeze", "mean", "amax"}
_COMPUTED = "its arguments are computed from the input"
_NO_DENSE_MAP = "return_indices=True: submaps have no dense map to index"


@dataclass
class Conversion:
    """What :func:`convert_to_checkered` did to a model.

    Attributes:
        converted: the strided layers that now keep several phases: module names, or calls in the forward pass.
        unconverted: strided layers that keep one phase as before, each with the reason.
        traced: whether torch.fx rewrote the forward pass; otherwise its calls are intercepted at run time.
    """

    converted: list[str] = field(default_factory=list)
    unconverted: dict[str, str] = field(default_factory=dict)
    traced: bool = True

    def __str__(self) -> str:
        how = "" if self.traced else ", intercepted at run time, because torch.fx cannot trace the model"
        lines = [f"checkered{how}: {', '.join(self.converted)}"]
        lines += [f"not converted: {name}: {reason}" for name, reason in self.unconverted.items()]
        return "\n".join(lines)

    def note(self, name: str, layer: nn.Module, kinds: tuple[type[nn.Module], ...] = ()) -> bool:
        """Record a layer of the model; return whether it is converted: one of LAYERS, or of other ``kinds``.

        A subclass may compute something else; where calls are intercepted, its calls count instead.
        """
        strides = strides_of(layer)
        if isinstance(layer, ADAPTIVE_LAYERS) and getattr(layer, "return_indices", False):
            self.unconverted[name] = _NO_DENSE_MAP
        if not strides or max(strides) == 1 or name in self.unconverted:
            return False
        if type(layer) not in LAYERS and not isinstance(layer, kinds):
            self.unconverted[name] = f"{type(layer).__name__}, stride {max(strides)}, has no checkered form"
            return False
        if getattr(layer, "return_indices", False):
            self.unconverted[name] = _NO_DENSE_MAP
            return False
        if name not in self.converted:
            self.converted.append(name)
        return True


def strides_of(layer: nn.Module) -> tuple[int, ...]:
    """Return the stride of a layer, an int per axis; () if it has none."""
    stride = getattr(layer, "stride", ())
    stride = layer.kernel_size if stride is None else stride  # as torch's LPPool says it
    if isinstance(stride, int):
        return (stride,) if type(layer).__name__.endswith("1d") else (stride,) * 2
    return tuple(stride) if isinstance(stride, (tuple, list)) else ()


def flat(values: Any) -> Iterator[Any]:
    """Return everything in tuples, lists and the values of dicts, however deeply nested."""
    for value in values.values() if isinstance(values, Mapping) else values:
        if isinstance(value, (tuple, list, Mapping)):
            yield from flat(value)
        else:
            yield value


def input_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    return args[0] if args else kwargs.get("input", next(iter(kwargs.values()), None))


# Strided calls --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StridedCall:
    """A convolution or a pool that a forward pass calls with a stride.

    Attributes:
        label: a name for the call.
        stride: an int per axis.
        pool: the checkered layer equivalent to a pool; None for a convolution.
        arguments: those of a convolution by name, without its input.
    """

    label: str
    stride: tuple[int, ...]
    pool: CheckeredLayer | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def keep(self, x: Tensor, offsets: Offsets) -> Tensor:
        """Return the kept phases of ``(N, C, S, *spatial)``."""
        return self.pool(x, offsets) if self.pool is not None else checkered_conv(x, offsets, **self.arguments)


class UnconvertedError(ValueError):
    """A strided call that is not converted.

    Attributes:
        label: a name for the call.
        reason: why.
    """

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(f"{label}: {reason}")
        self.label, self.reason = label, reason


def strided_call(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], by_layer: bool = False
) -> StridedCall | None:
    """Return a call as a strided layer; None if it is not one.

    The authors convert layers, and average the submaps before a forward pass calls an average pool over the whole map.
    Such a call is therefore global at any stride, unless a layer makes it (``by_layer``).

    Raises:
        UnconvertedError: it has a stride, but no checkered form.
    """
    if function in FUNCTIONS:
        return _strided_pool(function, args, kwargs, by_layer)
    if function not in CONVOLUTIONS and function not in _OTHER_CONVOLUTIONS:
        return None
    given = dict(zip(_CONVOLUTION_ARGUMENTS, args, strict=False)) | dict(kwargs)
    stride = given.get("stride", 1)
    if all(value == 1 for value in flat([stride])):
        return None
    label = f"{function.__name__}(stride={stride})"
    if any(isinstance(value, fx.Node) for value in flat([stride])):
        raise UnconvertedError(label, _COMPUTED)
    if function in _OTHER_CONVOLUTIONS:
        raise UnconvertedError(label, "has no checkered form")
    del given["input"]
    return StridedCall(label, _spread(stride, CONVOLUTIONS[function]), arguments=given)


def _strided_pool(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], by_layer: bool) -> StridedCall | None:
    module = FUNCTIONS[function][0]
    arguments = name_arguments(function, args, kwargs)
    indexed = _indexed(function, arguments)
    arguments.pop("return_indices", None)
    stride = arguments.get("stride")
    size = arguments.get("kernel_size", 1) if stride is None else stride
    if all(value == 1 for value in flat([size])) and not (indexed and module in ADAPTIVE_LAYERS):
        return None
    defaults = inspect.signature(module).parameters
    shown = [f"{key}={value}" for key, value in arguments.items() if value is not defaults[key].default]
    label = f"{getattr(function, '__name__', module.__name__)}({', '.join(shown)})"
    if indexed:
        raise UnconvertedError(label, _NO_DENSE_MAP)
    if any(isinstance(value, fx.Node) for value in flat(arguments)):
        raise UnconvertedError(label, _COMPUTED)
    if module not in POOLS:
        raise UnconvertedError(label, "has no checkered form")
    pool: Any = POOLS[module](**arguments)
    whole = isinstance(arguments["kernel_size"], torch.Size)  # F.max_pool2d(x, x.shape[2:])
    pool.global_at_any_stride = whole or (module is nn.AvgPool2d and not by_layer)
    return StridedCall(label, strides_of(pool), pool)


def _indexed(function: Any, arguments: Mapping[str, Any]) -> bool:
    return function in WITH_INDICES or bool(arguments.get("return_indices", False))


def checkered_conv(
    x: Tensor,
    offsets: Offsets,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Apply torch's convolution at the kept phases of ``(N, C, S, *spatial)``; returns ``(N, C', k S, *out)``."""
    axes = weight.dim() - 2
    phase = functools.partial(
        conv_phase,
        weight=weight,
        bias=bias,
        stride=_spread(stride, axes),
        padding=_spread(padding, axes),
        dilation=_spread(dilation, axes),
        groups=groups,
    )
    return sample_phases(x, offsets, lambda x, offset: phase(x, offset=offset))


def _spread(value: Any, axes: int) -> Any:
    return value if isinstance(value, str) else (value,) * axes if isinstance(value, int) else tuple(value)


# Other calls ----------------------------------------------------------------------------------------------------------


def name_of(target: Any) -> str:
    """Return the name of a function or a method, without the underscores of operators and in-place forms."""
    return str(getattr(target, "__name__", target)).strip("_")


def reduction_of(pool: type[nn.Module]) -> Reduction:
    """Return how one of torch's pools combines submaps when it covers all of them."""
    return "max" if "Max" in pool.__name__ else "mean"


def called_pool(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], kinds: Collection[type[nn.Module]]
) -> Reduction | None:
    """Return how a call of a pool of these kinds covers submaps; None for other calls and if it returns indices too."""
    if function not in FUNCTIONS or FUNCTIONS[function][0] not in kinds:
        return None
    indexed = _indexed(function, name_arguments(function, args, kwargs))
    return None if indexed else reduction_of(FUNCTIONS[function][0])


def reduced_axes(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the axes that a call of ``amax`` reduces, as given."""
    return args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", ()))


def new_sizes(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the sizes given to a call of ``view`` or ``reshape``."""
    given = args[1:] or (kwargs.get("shape", kwargs.get("size", ())),)
    first = given[0]
    return tuple(first) if len(given) == 1 and isinstance(first, (tuple, list)) else tuple(given)


def flattened_axes(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[int, int]:
    """Return the first and the last axis that a call of ``flatten`` merges."""
    given = dict(zip(("start_dim", "end_dim"), args[1:], strict=False)) | dict(kwargs)
    return given.get("start_dim", 0), given.get("end_dim", -1)


def may_flatten(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call makes features, ``(N, F)``, of some maps, ``(N, C, *spatial)``."""
    if name in ("view", "reshape"):
        return len(new_sizes(args, kwargs)) == 2
    return name == "flatten" or name in _PERHAPS_FLATTENING
