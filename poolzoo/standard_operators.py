"""Pools made of ONNX's standard operators: the parts of what ``torch.onnx.export`` records instead of a definition.

The reference engine copies every window, which onnxruntime does slowly. Here averages and maxima are AveragePool and
MaxPool, filters are Conv, and an operator that must look at each element of a window reads one strided slice of the
input per element. Sizes may stay open. Elements outside the input have no weight, as everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo.geometry import Geometry, accumulation_dtype, is_fixed, output_size
from poolzoo.windows import outer_product

#: Larger windows are left to the definition: an operator that reads each element would fill the graph with slices.
MOST_ELEMENTS = 64
#: Within this range of exponents, all exponentials of a feature map are far from float32's smallest numbers.
_SAFE_RANGE = 60.0
#: torch's pools, by the number of axes.
AVG: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
#: Not those of torch.nn.functional, which are Python functions around these.
MAX: dict[int, Callable[..., Tensor]] = {1: torch.max_pool1d, 2: torch.max_pool2d, 3: torch.max_pool3d}
_CONV: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def recording() -> bool:
    """Return whether ``torch.onnx.export`` is recording the code that runs."""
    return torch.compiler.is_exporting() and torch.onnx.is_in_onnx_export()


def covers(x: Tensor, geometry: Geometry) -> bool:
    """Return whether the pools of this module take ``x``: batched, in float32 or a half type, in windows of at most
    ``MOST_ELEMENTS`` elements, and with ``ceil_mode`` of a fixed size.
    """
    batched = x.dim() == geometry.ndim + 2
    fits = math.prod(geometry.kernel_size) <= MOST_ELEMENTS
    decided = not geometry.ceil_mode or is_fixed(*x.shape[2:])
    # onnxruntime has no AveragePool and no Conv for doubles.
    return batched and fits and decided and accumulation_dtype(x.dtype) is torch.float32


def padded(x: Tensor, geometry: Geometry, fill: float) -> tuple[Tensor, Geometry]:
    """Return ``x`` with its padding filled, and the windows over it, which need no padding."""
    if not any(geometry.padding) and not geometry.ceil_mode:
        return x, geometry
    right = list(geometry.padding)
    if is_fixed(*x.shape[2:]):
        out = output_size(x.shape[2:], geometry)
        right = [
            max(0, (o - 1) * s + span - p - n)
            for o, s, span, p, n in zip(
                out, geometry.stride, geometry.spans, geometry.padding, x.shape[2:], strict=True
            )
        ]
    pads = [pad for pair in zip(reversed(geometry.padding), reversed(right), strict=True) for pad in pair]
    return F.pad(x, pads, value=fill), geometry._replace(padding=(0,) * geometry.ndim, ceil_mode=False)


def _as_torch_pads(x: Tensor, geometry: Geometry, fill: float) -> tuple[Tensor, Geometry]:
    """Return ``x`` padded beforehand where torch's pools would not pad in the same way."""
    wide = any(2 * p > k for p, k in zip(geometry.padding, geometry.kernel_size, strict=True))
    return padded(x, geometry, fill) if wide or geometry.ceil_mode else (x, geometry)


def maxima(x: Tensor, geometry: Geometry) -> Tensor:
    """Return the maximum of each window: MaxPool."""
    x, geometry = _as_torch_pads(x, geometry, -math.inf)
    return MAX[geometry.ndim](x, *geometry[:4])


def means(x: Tensor, geometry: Geometry) -> Tensor:
    """Return the mean of each window: AveragePool, or Conv where there is a dilation."""
    if max(geometry.dilation) == 1:
        given, windows = _as_torch_pads(x, geometry, 0.0)
        if windows is geometry:
            return AVG[geometry.ndim](x, *geometry[:3], count_include_pad=False)
        total = AVG[geometry.ndim](given, windows.kernel_size, windows.stride)
        return total * (math.prod(geometry.kernel_size) / counts(x, geometry))
    return filtered(x, torch.ones(geometry.kernel_size, device=x.device), geometry) / counts(x, geometry)


def counts(x: Tensor, geometry: Geometry) -> Tensor | int:
    """Return how many elements of each window lie inside the input: ``(1, 1, *out)``, or one int for all."""
    if not any(geometry.padding) and not geometry.ceil_mode:
        return math.prod(geometry.kernel_size)
    ones = torch.ones_like(x[:1, :1])
    return filtered(ones, torch.ones(geometry.kernel_size, device=x.device), geometry)


def filtered(x: Tensor, taps: Tensor, geometry: Geometry) -> Tensor:
    """Return the sum of each window weighted by ``taps``, of one kernel or of one per channel: a depthwise Conv."""
    x, geometry = padded(x, geometry, 0.0)
    n = geometry.ndim
    channels = x.shape[1]
    if is_fixed(channels):
        kernel = taps.expand(channels, *taps.shape[-n:]).unsqueeze(1)
        return _CONV[n](x, kernel, None, geometry.stride, 0, geometry.dilation, channels)
    # A convolution needs to know its channels: each is a sample here.
    alone = x.flatten(0, 1).unsqueeze(1)
    y = _CONV[n](alone, taps.reshape(1, 1, *taps.shape[-n:]), None, geometry.stride, 0, geometry.dilation)
    return y.reshape(*x.shape[:2], *y.shape[2:])


def filter_centred(x: Tensor, row: Sequence[float], geometry: Geometry, mode: str) -> Tensor | None:
    """Apply the filter ``row`` along each axis, centred on each window; None where ONNX cannot pad in that way.

    Args:
        x: ``(N, C, *spatial)``.
        row: the taps, which may be more or fewer than the window has.
        geometry: the windows.
        mode: what is read outside the input: ``constant`` (0), ``replicate`` (the edge), ``reflect`` (mirrored without
            the edge) or ``symmetric`` (mirrored with it).
    """
    n, taps = geometry.ndim, len(row)
    out = output_size(x.shape[2:], geometry) if geometry.ceil_mode else None
    pads = []
    for axis, (size, k, s, p, d) in enumerate(zip(x.shape[2:], *geometry[:4], strict=True)):
        before = p + d * (taps - k) // 2
        after = p + d * (taps - k) - d * (taps - k) // 2
        if out is not None:
            after = (out[axis] - 1) * s + d * (taps - 1) + 1 - before - size
        if mode == "reflect" and is_fixed(size) and max(before, after) >= size:
            return None
        if before < 0 or after < 0:
            x = x[(slice(None),) * (axis + 2) + (slice(max(-before, 0), min(after, 0) or None),)]
        pads.append((max(before, 0), max(after, 0)))
    if mode == "symmetric":
        if max(map(max, pads)) > 1:
            return None
        mode = "replicate"  # the same for one position
    if any(map(any, pads)):
        x = F.pad(x, [pad for pair in reversed(pads) for pad in pair], mode=mode)
    kernel = outer_product([torch.tensor(list(row), dtype=torch.float64, device=x.device)] * n)
    windows = Geometry((taps,) * n, geometry.stride, (0,) * n, geometry.dilation, False)
    return filtered(x, kernel.to(x.dtype), windows)


def planes(x: Tensor, geometry: Geometry, fill: float) -> list[Tensor]:
    """Return the windows' elements as one ``(N, C, *out)`` for each place in the window, ``fill`` outside the input."""
    x, geometry = padded(x, geometry, fill)
    found = [x]
    for axis in reversed(range(geometry.ndim)):  # the last axis first: its slices, which are slow, are then shared
        k, s, d, span = geometry.kernel_size[axis], geometry.stride[axis], geometry.dilation[axis], geometry.spans[axis]
        # To the end less what follows, so that no open size has to be compared with another.
        taps = [slice(i * d, (i * d - span + 1) or None, s) for i in range(k)]
        found = [a[(slice(None),) * (axis + 2) + (tap,)] for a in found for tap in taps]
    return found


def total(terms: Sequence[Tensor]) -> Tensor:
    """Return the sum of tensors of one shape."""
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result


def weighted_means(x: Tensor, logit: Tensor, geometry: Geometry, scale: float | Tensor = 1.0) -> Tensor:
    """Return ``sum w x / sum w`` of each window, ``w = exp(scale logit)``, ``scale`` >= 0.

    Where exponents of the sample's channel lie within 60 of each other, the two sums are AveragePools of the whole map,
    with exponents taken relative to the channel's maximum. Otherwise that would underflow, and the exponents of each
    window are taken relative to the window's own maximum, plane by plane. The graph holds both, and an If.
    """
    same = logit is x

    def whole(x: Tensor, top: Tensor, *rest: Tensor) -> Tensor:
        weight = torch.exp(_factor(rest, scale) * ((x if same else rest[0]) - top))
        return means(weight * x, geometry) / means(weight, geometry)

    def by_window(x: Tensor, top: Tensor, *rest: Tensor) -> Tensor:
        source = x if same else rest[0]
        highest, lowest = maxima(source, geometry), torch.finfo(x.dtype).min / 2
        exponents = planes(source, geometry, lowest)
        weights = [torch.exp(_factor(rest, scale) * (exponent - highest)) for exponent in exponents]
        values = exponents if same else planes(x, geometry, 0.0)
        return total([w * a for w, a in zip(weights, values, strict=True)]) / total(weights)

    return _in_safe_range(logit, geometry, scale, whole, by_window, [x], [] if same else [logit])


def log_means(logit: Tensor, geometry: Geometry, scale: float | Tensor) -> Tensor:
    """Return ``log mean exp(scale logit) / scale`` of each window, ``scale`` > 0; computed as weighted_means are."""

    def whole(logit: Tensor, top: Tensor, *rest: Tensor) -> Tensor:
        factor = _factor(rest, scale)
        below: Tensor = torch.log(means(torch.exp(factor * (logit - top)), geometry)) / factor
        return top + below

    def by_window(logit: Tensor, top: Tensor, *rest: Tensor) -> Tensor:
        factor, highest = _factor(rest, scale), maxima(logit, geometry)
        exponents = planes(logit, geometry, torch.finfo(logit.dtype).min / 2)
        found = total([torch.exp(factor * (exponent - highest)) for exponent in exponents])
        below: Tensor = torch.log(found / counts(logit, geometry)) / factor
        return highest + below

    return _in_safe_range(logit, geometry, scale, whole, by_window, [logit], [])


def _factor(rest: Sequence[Tensor], scale: float | Tensor) -> Any:
    return rest[-1] if isinstance(scale, Tensor) else scale


def _in_safe_range(
    logit: Tensor,
    geometry: Geometry,
    scale: float | Tensor,
    whole: Callable[..., Tensor],
    by_window: Callable[..., Tensor],
    first: list[Tensor],
    rest: list[Tensor],
) -> Tensor:
    """Return ``whole(*first, top, *rest)`` if no exponent is further than ``_SAFE_RANGE`` below ``top``, the maximum of
    its channel; else ``by_window`` of the same.
    """
    axes = tuple(range(2, logit.dim()))
    top, low = logit.amax(axes, keepdim=True), logit.amin(axes, keepdim=True)
    near = (scale * (top - low)).amax(tuple(range(logit.dim()))) <= _SAFE_RANGE
    operands = [*first, top, *rest, *([scale] if isinstance(scale, Tensor) else [])]
    # What torch.cond calls after compiling both branches, which fails where sizes are open. Flat, since the strides of
    # open sizes cannot be joined.
    (y,) = torch.ops.higher_order.cond(
        near, lambda *given: (whole(*given).flatten(),), lambda *given: (by_window(*given).flatten(),), tuple(operands)
    )
    pooled: Tensor = y.reshape(*logit.shape[:2], *output_size(logit.shape[2:], geometry))
    return pooled


def power_means(a: Tensor, geometry: Geometry, p: float | Tensor, norm: str) -> Tensor:
    """Return ``(mean a^p)^(1/p)`` of each window, or the same with the sum, of elements ``a`` >= 0.

    Up to p = 3, powers are of the elements themselves: they are right between 1e-12 and 1e12 (p = 2: 1e-19 and 1e18).
    For larger or learned p, each window's elements are divided by its maximum.
    """
    if not isinstance(p, Tensor) and p == math.inf:
        return maxima(a, geometry)
    if not isinstance(p, Tensor) and p <= 3:
        mean = means(_power(a, p), geometry)
        return _power(mean if norm == "mean" else mean * counts(a, geometry), 1 / p)
    highest = maxima(a, geometry)
    unit = torch.where((highest == 0) | highest.isinf(), 1.0, highest)
    found = total([_power(plane / unit, p) for plane in planes(a, geometry, 0.0)])
    return unit * _power(found / counts(a, geometry) if norm == "mean" else found, 1 / p)


def _power(a: Tensor, p: float | Tensor) -> Tensor:
    """Return ``a ** p`` for a >= 0; a general power takes onnxruntime ten times as long as a logarithm and an
    exponential.
    """
    simple: dict[float, Callable[[Tensor], Tensor]] = {
        0.5: torch.sqrt,
        1.0: lambda a: a,
        2.0: lambda a: a * a,
        3.0: lambda a: a * a * a,
    }
    if not isinstance(p, Tensor) and p in simple:
        return simple[p](a)
    return torch.exp(p * torch.log(a))
