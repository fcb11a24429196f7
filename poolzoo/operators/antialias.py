"""Anti-aliased pooling: a binomial low-pass filter before decimation (Zhang 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from poolzoo.geometry import Geometry, accumulation_dtype, check_input, larger, like, output_size
from poolzoo.operators.base import filter_by_convolution, may_convolve, without_autocast
from poolzoo.operators.basic import dense_maximum
from poolzoo.registry import register_pool
from poolzoo.standard_operators import counts, filter_centred, filtered, maxima, means
from poolzoo.windows import centred_taps, reflect, tap_positions, taps_inside, weighted_taps

_BEYOND_WINDOW = "the filter reaches outside the window"


def _check_filt_size(filt_size: int = 4) -> None:
    if isinstance(filt_size, bool) or not isinstance(filt_size, int) or not 1 <= filt_size <= 7:
        raise ValueError(f"filt_size={filt_size!r}: an int from 1 to 7 is allowed")


#: The taps of each ``filt_size``, from 1, as a table: torch.compile cannot compute binomials of a dynamic size.
_BINOMIALS = [[math.comb(n, i) for i in range(n + 1)] for n in range(7)]


def _filter(x: Tensor, out: tuple[int, ...], geometry: Geometry, filt_size: int) -> Tensor:
    """Apply the binomial filter along each axis, centred on each window of ``geometry``."""
    y = filter_by_convolution(x, binomial(filt_size), geometry, out, "reflect")
    if y is not None:
        return y
    row = torch.tensor(_BINOMIALS[filt_size - 1], dtype=x.dtype, device=x.device)
    for axis, o in enumerate(out):
        dim = axis - geometry.ndim
        index = reflect(centred_taps(axis, o, geometry, filt_size, x.device), x.shape[dim])
        x = weighted_taps(x, dim, index, (row / row.sum()).expand(index.shape))
    return x


def binomial(filt_size: int) -> list[float]:
    return [tap / 2 ** (filt_size - 1) for tap in _BINOMIALS[filt_size - 1]]


def _blur_in_standard_operators(x: Tensor, geometry: Geometry, *, filt_size: int = 4) -> Tensor | None:
    return filter_centred(x, binomial(filt_size), geometry, "reflect")


def _dense_blur(pool: Callable[[Tensor, Geometry], Tensor]) -> Callable[..., Tensor | None]:
    """Return what an export to ONNX records: ``pool`` at stride 1, then the filter; nothing with ceil_mode."""

    def pooled(x: Tensor, geometry: Geometry, *, filt_size: int = 4) -> Tensor | None:
        if geometry.ceil_mode:
            return None
        ones = (1,) * geometry.ndim
        dense = pool(x, geometry._replace(stride=ones))
        return filter_centred(dense, binomial(filt_size), _every(geometry.stride), "reflect")

    return pooled


@register_pool(
    "blur",
    over="input",
    family="anti-aliased",
    summary="binomial low-pass filter, then decimation",
    formula="y = sum b a, b the binomial row of filt_size taps centred on the window",
    source="Zhang, arXiv 1904.11486; as kornia's and timm's BlurPool2d",
    check=_check_filt_size,
    in_standard_operators=_blur_in_standard_operators,
    exempt={"permutation": "a filter weighs positions", "nan": _BEYOND_WINDOW},
)
def blur(x: Tensor, geometry: Geometry, *, filt_size: int = 4) -> Tensor:
    """The filter has ``filt_size`` taps, 1 to 7, whatever the window's size. The window only sets where the filter is
    centred.

    For a window that starts at position i, the first tap lies at ``i - dilation * (filt_size - kernel_size) // 2``, and
    the taps are ``dilation`` apart. Where ``dilation * (filt_size - kernel_size)`` is odd, the filter's centre lies
    half a position right of the window's centre. Positions outside the input, including padding, are mirrored at the
    edge without repeating it: of n elements, position -1 is element 1 and position n is element n - 2. The output size
    is torch's. At an odd size and stride 2, windows of 2 do not cover the last element, which only filter taps can
    reach; a window of 1 is centred on it.

    With ``kernel_size=1`` and ``padding=0`` this equals ``antialiased_cnns.BlurPool(filt_size, stride)``; so it does
    with ``kernel_size=2`` and an even ``filt_size``.
    """
    check_input(x, geometry.ndim)
    out = output_size(x.shape[-geometry.ndim :], geometry)
    return like(_filter(x.to(accumulation_dtype(x.dtype)), out, geometry, filt_size), x)


@register_pool(
    "max_blur",
    over="input",
    family="anti-aliased",
    summary="dense maximum, then binomial filter and decimation",
    formula="y = blur(max pool at stride 1)",
    source="MaxBlurPool of Zhang, arXiv 1904.11486; as kornia's MaxBlurPool2D",
    check=_check_filt_size,
    in_standard_operators=_dense_blur(maxima),
    exempt={"permutation": "a filter weighs positions", "nan": _BEYOND_WINDOW},
)
def max_blur(x: Tensor, geometry: Geometry, *, filt_size: int = 4) -> Tensor:
    """Takes the maximum of every window at stride 1, applies a low-pass filter of ``filt_size`` taps (1 to 7), and
    keeps every stride-th value.
    """
    check_input(x, geometry.ndim)
    n = geometry.ndim
    out = output_size(x.shape[-n:], geometry)
    a = x.to(accumulation_dtype(x.dtype))
    dense, sizes = _dense(x.shape[-n:], out, geometry)
    return like(_decimate(dense_maximum(a, sizes, dense), out, geometry, filt_size), x)


@register_pool(
    "avg_blur",
    over="input",
    family="anti-aliased",
    summary="dense average, then binomial filter and decimation",
    formula="y = blur(average pool at stride 1)",
    source="after MaxBlurPool of Zhang, arXiv 1904.11486, which replaces average pooling by blur alone",
    check=_check_filt_size,
    in_standard_operators=_dense_blur(means),
    exempt={"permutation": "a filter weighs positions", "nan": _BEYOND_WINDOW},
)
def avg_blur(x: Tensor, geometry: Geometry, *, filt_size: int = 4) -> Tensor:
    """Takes the mean of every window at stride 1, applies a low-pass filter of ``filt_size`` taps (1 to 7), and keeps
    every stride-th value.

    It is linear: a single filter, a box convolved with the binomial row. The paper has no such operator. It replaces
    average pooling by ``blur``, because the box is already a low-pass filter; ``avg_blur`` filters more strongly than
    either.
    """
    check_input(x, geometry.ndim)
    n = geometry.ndim
    out = output_size(x.shape[-n:], geometry)
    a = x.to(accumulation_dtype(x.dtype))
    dense, sizes = _dense(x.shape[-n:], out, geometry)
    return like(_decimate(_dense_mean(a, sizes, dense), out, geometry, filt_size), x)


def _dense_mean(a: Tensor, out: tuple[int, ...], geometry: Geometry) -> Tensor:
    """Return the mean of the first ``out`` windows per axis of ``geometry``, whose stride is 1."""
    n, taps = geometry.ndim, math.prod(geometry.kernel_size)
    if may_convolve(a, n, taps) and out == output_size(a.shape[-n:], geometry):
        with without_autocast(a):
            shares = torch.full(geometry.kernel_size, 1 / taps, device=a.device)
            return filtered(a, shares, geometry) * (taps / counts(a, geometry))
    # The mean of what a box holds is the mean of means, axis by axis.
    for axis, index in enumerate(tap_positions(out, geometry, a.device)):
        dim = axis - n
        inside = taps_inside(index, a.shape[dim]).to(a.dtype)
        weight = inside / inside.sum(-1, keepdim=True)
        a = weighted_taps(a, dim, index.clamp(0, a.shape[dim] - 1), weight)
    return a


def _dense(sizes: torch.Size, out: tuple[int, ...], geometry: Geometry) -> tuple[Geometry, tuple[int, ...]]:
    """Return the windows at stride 1 and their number per axis: those of torch's output size plus those that ceil_mode
    adds.
    """
    dense = geometry._replace(stride=(1,) * geometry.ndim, ceil_mode=False)
    every = output_size(sizes, dense)
    if geometry.ceil_mode:
        # 1 stands apart, so that torch.export sees that an open size is at least 1.
        every = tuple(larger(size - 1, (o - 1) * s) + 1 for size, o, s in zip(every, out, geometry.stride, strict=True))
    return dense, every


def _decimate(dense: Tensor, out: tuple[int, ...], geometry: Geometry, filt_size: int) -> Tensor:
    """Apply the low-pass filter to the dense map and keep every stride-th value."""
    return _filter(dense, out, _every(geometry.stride), filt_size)


def _every(stride: tuple[int, ...]) -> Geometry:
    """Return the windows of plain decimation."""
    ones, zeros = (1,) * len(stride), (0,) * len(stride)
    return Geometry(ones, stride, zeros, ones, False)
