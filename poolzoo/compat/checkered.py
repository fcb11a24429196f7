"""Checkered networks under the names of their author's code (ShayanPersonal/checkered-cnn, ``checkered_layers.py``).

The numbers are those of the author's code, arXiv 1805.10766. Maps are ``(N, C, S, H, W)`` with S submaps; an image has
one, ``x.unsqueeze(2)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo import checkered
from poolzoo.checkered.layers import CheckeredLayer, Offset, Offsets, Sampler, SamplerName, conv_phase
from poolzoo.geometry import IntOrTuple

__all__ = [
    "CheckeredConv2d",
    "TransposeCheckeredConv2d",
    "complete_multisampling_forward",
    "convert_to_checkered",
    "rename_state_dict",
    "three_over_four_multisampling_forward",
]

Model = TypeVar("Model", bound=nn.Module)


def _one(name: str, value: IntOrTuple, least: int, most: int | None = None) -> int:
    """Return the single number of an argument that may be a tuple of equal ones."""
    values = (value,) if isinstance(value, int) else tuple(value)
    allowed = f">= {least}" if most is None else f"from {least} to {most}"
    if len(set(values)) != 1 or type(values[0]) is not int or values[0] < least or (most and values[0] > most):
        raise ValueError(f"{name}={value!r}: an int {allowed} is allowed; poolzoo.CheckeredConv2d takes more")
    return values[0]


class CheckeredConv2d(CheckeredLayer):
    """A convolution over ``(N, C, S, H, W)`` that with stride 2 keeps two phases, ``(N, C', 2 S, H', W')``.

    With ``depth=1`` it is :class:`poolzoo.CheckeredConv2d`. With a larger ``depth`` it also convolves over that many
    submaps, ``(N, C', S - dilation * (depth - 1), H', W')``, with stride 1 only: with stride 2 the author's code raises
    an IndexError. The keys of its state dict are the author's, ``conv.weight`` of shape ``(C', C / groups, depth, k,
    k)`` and ``conv.bias``. :func:`poolzoo.checkered.set_sampler` sets another sampler.

    Args:
        in_channels, out_channels, groups, bias: as for torch's convolutions.
        kernel_size, padding, dilation: an int, or equal ones in a tuple. The author's code takes the first of a tuple.
        depth: size of the kernel over submaps.
        stride: 1 or 2.

    Raises:
        ValueError: an argument that is not allowed; called with an input of other axes or with too few submaps.
    """

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrTuple,
        depth: int = 1,
        stride: IntOrTuple = 1,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.depth = _one("kernel_size", kernel_size, 1), _one("depth", depth, 1)
        self.stride, self.padding = _one("stride", stride, 1, 2), _one("padding", padding, 0)
        dilation = _one("dilation", dilation, 1)
        if self.depth > 1 and self.stride > 1:
            raise ValueError(f"depth={depth}, stride={stride}: a depth above 1 is only defined with stride 1")
        self.conv = nn.Conv3d(
            in_channels,
            out_channels,
            (self.depth, self.kernel_size, self.kernel_size),
            stride=(1, self.stride, self.stride),
            padding=(0, self.padding, self.padding),
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
        self.sampler = Sampler("naive")

    def forward(self, input: Tensor, offsets: Offsets | None = None) -> Tensor:
        if self.depth == 1:
            return super().forward(input, offsets)
        reach = self.conv.dilation[0] * (self.depth - 1) + 1
        if input.dim() != 5 or input.shape[2] < reach:
            raise ValueError(f"input: shape {tuple(input.shape)}; (N, C, S, H, W) with S >= {reach} is needed")
        y: Tensor = self.conv(input)
        return y

    def phase(self, x: Tensor, offset: Offset) -> Tensor:
        conv = self.conv
        weight, padding = conv.weight.squeeze(2), (self.padding,) * 2
        return conv_phase(x, weight, conv.bias, conv.stride[1:], padding, conv.dilation[1:], conv.groups, offset)


class TransposeCheckeredConv2d(nn.Module):
    """A convolution over all submaps, then a pixel shuffle: ``(N, C, S, H, W)`` becomes ``(N, C', S // 2, 2 H, 2 W)``.

    The keys of its state dict are the author's, ``conv.weight`` and ``conv.bias``.

    Args:
        in_channels, groups, bias, stride, dilation: as for torch's convolutions.
        out_channels: C'.
        kernel_size, padding: of the convolution, ints.
        depth: S, the number of submaps of the input, at least 2.

    Raises:
        ValueError: an argument that is not allowed; called with an input of another number of axes or submaps.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        depth: int = 1,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if type(depth) is not int or depth < 2:
            raise ValueError(f"depth={depth!r}: the number of submaps of the input, an int >= 2, is needed")
        self.input_depth, self.output_depth = depth, depth // 2
        self.conv = nn.Conv3d(
            in_channels,
            out_channels * self.output_depth * 4,
            (depth, kernel_size, kernel_size),
            stride=(1, stride, stride),
            padding=(0, padding, padding),
            dilation=(1, dilation, dilation),
            groups=groups,
            bias=bias,
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 5 or x.shape[2] != self.input_depth:
            raise ValueError(f"input: shape {tuple(x.shape)}; (N, C, {self.input_depth}, H, W) is needed")
        y = F.pixel_shuffle(self.conv(x).squeeze(2), 2)
        return y.reshape(len(y), -1, self.output_depth, *y.shape[2:])

    if TYPE_CHECKING:  # torch's modules return Any

        def __call__(self, x: Tensor) -> Tensor:
            return self.forward(x)


#: The phases of a 2x2 cell that the author's other forward passes keep, in their order.
_THREE_OF_FOUR = ((0, 0), (1, 1), (0, 1))
_ALL_FOUR = ((0, 0), (1, 0), (0, 1), (1, 1))


def three_over_four_multisampling_forward(self: CheckeredLayer, x: Tensor) -> Tensor:
    """Apply a checkered layer so that it keeps three phases of each 2x2 cell: all but the bottom-left one.

    Args:
        self: a layer of this module or of :mod:`poolzoo.checkered`, with stride 1 or 2.
        x: ``(N, C, S, H, W)``.

    Returns:
        ``(N, C', 3 S, H', W')``: of all submaps the top-left phase, then the bottom-right one, then the top-right one.
            With stride 1, ``(N, C', S, H', W')``.

    Raises:
        ValueError: the stride is larger than 2, or ``x`` has another number of axes.
    """
    return _keeping(self, x, _THREE_OF_FOUR)


def complete_multisampling_forward(self: CheckeredLayer, x: Tensor) -> Tensor:
    """Apply a checkered layer so that it keeps all four phases of each 2x2 cell.

    Args and errors are those of :func:`three_over_four_multisampling_forward`. The phases come in the author's order,
    columns first; ``sampler="complete"`` has rows first.
    """
    return _keeping(self, x, _ALL_FOUR)


def _keeping(layer: CheckeredLayer, x: Tensor, phases: tuple[Offset, ...]) -> Tensor:
    strides = {layer.stride} if isinstance(layer.stride, int) else set(layer.stride)
    if strides == {1}:
        return layer(x)
    if strides != {2} or x.dim() != 5:
        raise ValueError(
            f"stride={layer.stride}, input of {x.dim()} axes: stride 1 or 2 and (N, C, S, H, W) are needed"
        )
    return layer(x, (phases,) * x.shape[2])


def rename_state_dict(state_dict: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the state dict of a model that the author's ``convert_to_checkered`` made, with the keys of the model.

    ``layer.conv.weight``, of shape ``(C', C, 1, k, k)``, becomes ``layer.weight`` without its third axis, and
    ``layer.conv.bias`` becomes ``layer.bias``. All else stays.

    Args:
        state_dict: tensors by their key; it is not changed.
        prefix: only keys that start with it are looked at.

    Raises:
        ValueError: a convolution over several submaps, which the model cannot have.
    """
    renamed = dict(state_dict)
    for key, weight in state_dict.items():
        if not (key.startswith(prefix) and key.endswith(".conv.weight") and weight.dim() == 5):
            continue
        if weight.shape[2] != 1:
            raise ValueError(f"{key}: a depth of {weight.shape[2]}; only a depth of 1 has a counterpart in the model")
        layer = key.removesuffix("conv.weight")
        renamed[f"{layer}weight"] = renamed.pop(key).squeeze(2)
        if f"{layer}conv.bias" in renamed:
            renamed[f"{layer}bias"] = renamed.pop(f"{layer}conv.bias")
    return renamed


def _rename_keys(module: nn.Module, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
    renamed = rename_state_dict(state_dict, prefix)
    state_dict.clear()
    state_dict.update(renamed)


def convert_to_checkered(module: Model, sampler: SamplerName = "naive") -> Model:
    """Return a checkered copy of a whole model that also loads the state dicts of the author's converted models.

    This is :func:`poolzoo.convert_to_checkered`: the model's forward pass needs no change, and its input and output
    have no axis of submaps. The author's function changes the model in place, through ``model.apply``, and leaves the
    forward pass to you.

    Args:
        module: the model; it is not changed.
        sampler: see :class:`poolzoo.checkered.Sampler`; the author's is ``naive``.

    Raises:
        ValueError: a single layer, which is what ``model.apply`` hands in, or a model with nothing to convert.
    """
    if next(module.children(), None) is None:
        raise ValueError(
            f"module: {type(module).__name__} is a single layer; instead of model.apply(convert_to_checkered), "
            f"write model = convert_to_checkered(model)"
        )
    converted = checkered.convert_to_checkered(module, sampler)
    converted.register_load_state_dict_pre_hook(_rename_keys)  # type: ignore[no-untyped-call]
    return converted
