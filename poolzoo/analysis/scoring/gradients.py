"""The weight of an input element in a pooled value: the derivative dy/da_i, for every operator.

For a weighted sum with fixed weights, these are the weights. For other operators, they say how a small change of the
element changes y. If the weights of the formula depend on the elements, the two differ: for SoftPool the derivative is
not w_i but w_i (1 + a_i - y). Stochastic operators are evaluated in evaluation mode, learnable ones untrained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from poolzoo import engine, registry
from poolzoo.analysis.scoring.pool_modules import make_module, normal_spec
from poolzoo.operators.base import Pool
from poolzoo.registry import GEOMETRY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Windows a sample has along each axis; the middle one is looked at, and the filters that reach past it end inside.
SAMPLE_WINDOWS = 5
#: Strides around a part of a picture that are pooled with it: further than any filter's weights that matter.
MARGIN = 4


@dataclass(frozen=True)
class WindowWeights:
    """One window among others, and the weights of all elements in its pooled value.

    Attributes:
        elements: float64 in [0, 1), ``SAMPLE_WINDOWS`` windows along each axis; the same in all channels.
        window: the window's position, one slice per axis.
        y: the pooled value; the sum of several, if the operator keeps several.
        weights: dy/d(element) in the first channel, of the shape of ``elements``.
    """

    elements: Floats
    window: tuple[slice, ...]
    y: float
    weights: Floats


@dataclass(frozen=True)
class PixelWeights:
    """The weight of each pixel of a grey picture in the sum of the pooled image, ``(H, W)``, and the operator."""

    spec: str
    weights: Floats


def window_weights(spec: str, ndim: int = 2, kernel_size: int = 2) -> WindowWeights:
    """Return the weights that an operator gives the elements of one window, and the elements around it that it uses.

    Args:
        spec: the operator, as a spec string.
        ndim: spatial axes.
        kernel_size: of the windows, which do not overlap unless the spec says so.

    Raises:
        ValueError: an unknown operator, or a parameter that is not allowed.
    """
    module = _module(spec, ndim, kernel_size=kernel_size)
    channels = registry.parse_spec(spec)[1].get("channels") or 1
    geometry, middle = module.geometry, SAMPLE_WINDOWS // 2
    sides = [
        (SAMPLE_WINDOWS - 1) * step + span - 2 * pad
        for step, span, pad in zip(geometry.stride, geometry.spans, geometry.padding, strict=True)
    ]
    # Multiples of the golden ratio without their integers: spread evenly, no two alike, nothing drawn.
    elements = torch.arange(math.prod(sides), dtype=torch.float64) * ((5**0.5 - 1) / 2) % 1
    x = elements.reshape(1, 1, *sides).repeat(1, channels, *[1] * ndim).requires_grad_()
    at: tuple[Any, ...] = (..., *[middle] * ndim)
    with engine.by_reference():
        y = module(x)[0, 0][at].sum()
    (weights,) = torch.autograd.grad(y, x)
    starts = [middle * step - pad for step, pad in zip(geometry.stride, geometry.padding, strict=True)]
    window = tuple(
        slice(start, start + span, hole)
        for start, span, hole in zip(starts, geometry.spans, geometry.dilation, strict=True)
    )
    return WindowWeights(elements.reshape(sides).numpy(), window, y.item(), weights[0, 0].numpy())


def pixel_weights(
    specs: Sequence[str],
    picture: Floats,
    kernel_size: int | tuple[int, ...] = 2,
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
) -> list[PixelWeights]:
    """Return the weight that each operator gives each pixel: the derivative of the sum of the pooled image.

    With windows that do not overlap, a pixel's weight is that in its own window.

    Args:
        specs: operators, as spec strings.
        picture: ``(H, W)``, grey.
        kernel_size, stride, padding, dilation, ceil_mode: of every operator; stride None means kernel_size.

    Raises:
        ValueError: an unknown operator, a parameter that is not allowed, or a picture smaller than the window.
    """
    x = torch.from_numpy(picture)[None, None].requires_grad_()
    window = dict(zip(GEOMETRY, (kernel_size, stride, padding, dilation, ceil_mode), strict=True))
    found = []
    for spec in dict.fromkeys(map(normal_spec, specs)):
        weights = _gradient(_module(spec, 2, **window), x)
        found.append(PixelWeights(spec, weights[0, 0].numpy()))
    return found


def weights_within(
    operator: Callable[[Tensor], Tensor],
    picture: Floats,
    corner: tuple[int, int],
    size: tuple[int, int],
    stride: tuple[int, ...] | None,
    reach: int = 0,
    every: tuple[int, int] = (1, 1),
) -> Floats:
    """Return the weights of the pixels in a part of a picture, as :func:`pixel_weights` has them, averaged over
    channels; of all pooled values, or of some that lie so far apart that each one's weights are seen alone.

    Args:
        operator: a function that pools ``(1, C, H, W)``, in the picture's scale.
        picture: ``(H, W, C)``.
        corner: top and left of the part, multiples of the stride.
        size: its height and width.
        stride: of the operator; a margin of :data:`MARGIN` strides around the part is pooled with it. None pools the
            whole picture, for operators whose windows or random numbers depend on it.
        reach: the number of pixels that a window spans; the margin is at least as wide.
        every: along each axis, of how many pooled values one counts; the first in the part is number ``every // 2``.

    Returns:
        ``(*size,)``: the mean over channels of dy/da, where y is the sum of all channels' pooled values that count.
    """
    part = tuple(slice(start, start + length) for start, length in zip(corner, size, strict=True))
    if stride is not None:
        margins = [max(MARGIN, -(-reach // step)) * step for step in stride]
        before = [min(margin, start) for margin, start in zip(margins, corner, strict=True)]
        picture = picture[
            tuple(
                slice(place.start - ahead, place.stop + margin)
                for place, ahead, margin in zip(part, before, margins, strict=True)
            )
        ]
        part = tuple(slice(margin, margin + length) for margin, length in zip(before, size, strict=True))
    x = torch.from_numpy(np.ascontiguousarray(picture)).movedim(-1, 0).unsqueeze(0).requires_grad_()
    corner = (part[0].start, part[1].start)
    found: Floats = _gradient(operator, x, corner, every)[0].mean(dim=0).numpy()[part]
    return found


def _gradient(
    operator: Callable[[Tensor], Tensor], x: Tensor, corner: tuple[int, int] = (0, 0), every: tuple[int, int] = (1, 1)
) -> Tensor:
    """Return the gradient of the sum of the pooled image, or of every n-th value around ``corner`` in the input."""
    with engine.by_reference():
        y = operator(x)
    rows, columns = (
        slice((round(start * few / many) + apart // 2) % apart, None, apart)
        for start, few, many, apart in zip(corner, y.shape[-2:], x.shape[-2:], every, strict=True)
    )
    y = y[..., rows, columns]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    return gradient


def _module(spec: str, ndim: int, **window: Any) -> Pool:
    return make_module(
        spec,
        ndim=ndim,
        channels=1,
        window=window,
        seed=0,
        device="cpu",
        dtype=torch.float64,
    )
