"""The standard pools and the simplest selections: max, avg, sum, strided, median."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo import engine
from poolzoo.geometry import AnyGeometry, Bins, Geometry, accumulation_dtype, check_input, is_fixed, like, output_size
from poolzoo.registry import Native, register_pool
from poolzoo.standard_operators import AVG, MAX
from poolzoo.windows import (
    MOST_IN_FLOAT32,
    absent,
    gathered_windows,
    join_masks,
    maximum,
    mean,
    ordered,
    pool_windows,
    tap_positions,
    taps_inside,
    windows,
)

_Kernel = Callable[[Tensor], Tensor]
_Kernels = dict[int, Callable[..., Tensor]]
_ADAPTIVE_MAX: _Kernels = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
#: torch's adaptive average pools, by the number of axes.
ADAPTIVE_AVG: _Kernels = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def _of_torch(kernels: _Kernels, ndim: int, x: Tensor, dtype: torch.dtype, *arguments: Any) -> _Kernel:
    """Return torch's kernel with its arguments, computed in ``dtype``, as a function of inputs like ``x``."""
    kernel = kernels[ndim]
    # torch reads one number faster than several.
    arguments = tuple(a[0] if isinstance(a, tuple) and len(set(a)) == 1 else a for a in arguments)
    if dtype is x.dtype and ndim < 3:
        return lambda x: kernel(x, *arguments)
    # Autocast has max_pool3d answer in float32.
    return lambda x: like(kernel(x.to(dtype), *arguments), x)


def _to_size(x: Tensor, bins: Bins, kernels: _Kernels, adds: bool) -> _Kernel | None:
    """Return torch's kernel that pools to an output size; None in compiled and exported code."""
    sizes = x.shape[-bins.ndim :]
    out = output_size(sizes, bins)
    if torch.compiler.is_compiling() or not is_fixed(*x.shape, *out):
        return None
    dtype = accumulation_dtype(x.dtype)
    if adds and math.prod(n // m + 2 for n, m in zip(sizes, out, strict=True)) > MOST_IN_FLOAT32:
        dtype = torch.float64
    return _of_torch(kernels, bins.ndim, x, dtype, out)


def _max_of_torch(x: Tensor, geometry: AnyGeometry) -> _Kernel | None:
    if isinstance(geometry, Bins):
        return _to_size(x, geometry, _ADAPTIVE_MAX, adds=False)
    # torch holds padding to half of kernel_size, also where dilation makes the window wider than that.
    wide = any(2 * p > k for p, k in zip(geometry.padding, geometry.kernel_size, strict=True))
    if wide or _undecided(x.shape[-geometry.ndim :], geometry):
        return None
    return _of_torch(MAX, geometry.ndim, x, x.dtype, *geometry)


_NATIVE_MAX = Native("max", "Max", in_torch=_max_of_torch)


@register_pool(
    "max",
    over="input",
    reducer=maximum,
    backend="torch",
    family="selecting",
    summary="largest element of the window",
    formula="y = max a",
    source="torch.nn.functional.max_pool2d",
    not_adaptive="",
    native=_NATIVE_MAX,
)
def max_pool(x: Tensor, geometry: AnyGeometry) -> Tensor:
    """Uses torch's kernel or the native one. At ties the gradient goes to the first of the equal elements."""
    check_input(x, geometry.ndim)
    output_size(x.shape[-geometry.ndim :], geometry)  # torch's message would not name the argument
    kernel = _max_of_torch(x, geometry)
    if kernel is None:
        return pool_windows(x, geometry, _first_maximum if isinstance(geometry, Bins) else maximum)
    return kernel(x)


def _first_maximum(a: Tensor, mask: Tensor | None) -> Tensor:
    """Return the maximum of each window, whose gradient goes to one of several equal elements, as torch's does."""
    return absent(a, mask, -math.inf).max(-1).values


def dense_maximum(a: Tensor, out: Sequence[int], geometry: Geometry) -> Tensor:
    """Return the maximum of the first ``out`` windows per axis of ``geometry``, whose stride is 1."""
    sizes = a.shape[-geometry.ndim :]
    if not is_fixed(*sizes):
        return maximum(*gathered_windows(a, out, geometry))
    pads = [
        (p, o + span - 1 - p - n) for o, span, p, n in zip(out, geometry.spans, geometry.padding, sizes, strict=True)
    ]
    if any(map(any, pads)):
        a = F.pad(a, [pad for pair in reversed(pads) for pad in pair], value=-math.inf)
    geometry = geometry._replace(padding=(0,) * geometry.ndim)
    y = engine.pool_natively((_NATIVE_MAX,), a, geometry, "auto", {})
    return max_pool(a, geometry) if y is None else y


def _undecided(sizes: Sequence[int], geometry: Geometry) -> bool:
    """Whether torch's ``ceil_mode`` would settle for the present size, which is not fixed."""
    return geometry.ceil_mode and not is_fixed(*sizes)


def check_include_pad(count_include_pad: bool = False) -> None:
    if not isinstance(count_include_pad, bool):
        raise TypeError(f"count_include_pad={count_include_pad!r}: True or False is allowed")


def _avg_of_torch(x: Tensor, geometry: AnyGeometry, *, count_include_pad: bool = False) -> _Kernel | None:
    if isinstance(geometry, Bins):
        return _to_size(x, geometry, ADAPTIVE_AVG, adds=True)
    n = geometry.ndim
    sizes = x.shape[-n:]
    kernel_size, stride, padding, dilation, ceil_mode = geometry
    # With padding or ceil_mode a window may be wider than the input; avg_pool3d refuses that.
    fits = all(size >= k for size, k in zip(sizes, kernel_size, strict=True))
    if max(dilation) > 1 or not fits or _undecided(sizes, geometry):
        return None
    # avg_pool3d has no half types on the CPU.
    dtype = accumulation_dtype(x.dtype) if n == 3 else x.dtype
    if math.prod(kernel_size) > MOST_IN_FLOAT32:
        dtype = torch.float64
    return _of_torch(AVG, n, x, dtype, kernel_size, stride, padding, ceil_mode, count_include_pad)


@register_pool(
    "avg",
    over="input",
    reducer=mean,
    backend="torch",
    family="averaging",
    summary="mean of the window",
    formula="y = mean a",
    source="torch.nn.functional.avg_pool2d",
    check=check_include_pad,
    exempt={"huge": "torch's kernel sums before it divides"},
    not_adaptive="",
    windowed_only=("count_include_pad",),
    native=Native("avg", "Avg", when={"count_include_pad": False}, in_torch=_avg_of_torch),
)
def avg_pool(x: Tensor, geometry: AnyGeometry, *, count_include_pad: bool = False) -> Tensor:
    """Uses torch's kernel, which has no dilation, or the native one, which has no ``count_include_pad``.

    ``count_include_pad=True`` counts padding as zeros, as torch does by default.
    """
    check_input(x, geometry.ndim)
    sizes = x.shape[-geometry.ndim :]
    out = output_size(sizes, geometry)
    kernel = _avg_of_torch(x, geometry, count_include_pad=count_include_pad)
    if kernel is not None:
        return kernel(x)
    if isinstance(geometry, Bins) or not count_include_pad:
        return pool_windows(x, geometry, mean)
    # torch divides by the taps inside the padded input; ceil_mode can put taps beyond even that.
    a, _ = windows(x.to(accumulation_dtype(x.dtype)), geometry)
    positions = tap_positions(out, geometry, x.device)
    masks = [taps_inside(at + p, size + 2 * p) for at, size, p in zip(positions, sizes, geometry.padding, strict=True)]
    return like(mean(a, join_masks(masks)), x)


@register_pool(
    "sum",
    family="averaging",
    summary="sum of the window",
    formula="y = sum a",
    source="baseline of the SoftPool paper, arXiv 2101.00440",
    exempt={"constant": "a window of n times c sums to n c"},
)
def sum_pool(a: Tensor, mask: Tensor | None) -> Tensor:
    """Overflows where the sum does: nine times 1e4 is more than float16 can hold."""
    return a.sum(-1)


@register_pool(
    "strided",
    over="input",
    family="selecting",
    summary="first element of the window, plain decimation",
    formula="y = a_1",
    source="the k-by-k sampler that keeps one, arXiv 1805.10766",
    exempt={"permutation": "defined by position", "nan_reaches": "only the first element is looked at"},
    not_adaptive="",
    single_elements=True,
)
def strided_pool(x: Tensor, geometry: AnyGeometry) -> Tensor:
    """Takes the first element of the window, in row-major order, that lies inside the input."""
    check_input(x, geometry.ndim)
    sizes = x.shape[-geometry.ndim :]
    out = output_size(sizes, geometry)
    y = x
    if isinstance(geometry, Bins):
        for axis, (n, m) in enumerate(zip(sizes, out, strict=True)):
            y = y.index_select(axis - geometry.ndim, torch.arange(m, device=x.device) * n // m)
        return like(y, x)
    for axis, (o, s, p, d) in enumerate(zip(out, *geometry[1:4], strict=True)):
        dim = axis - geometry.ndim
        if p == 0:
            y = y[(slice(None),) * (y.dim() + dim) + (slice(0, (o - 1) * s + 1, s),)]
        else:
            start = torch.arange(o, device=x.device) * s - p
            # A window that starts left of the input begins at its first tap inside.
            y = y.index_select(dim, torch.where(start < 0, start % d, start))
    # A view of x would let a later in-place change of the result reach x.
    return like(y.clone(), x)


@register_pool(
    "median",
    family="selecting",
    summary="median of the window",
    formula="y = median a, the mean of the two middle elements where |R| is even",
    source="numpy.median's definition; median pooling as in pytorch-pooling",
)
def median_pool(a: Tensor, mask: Tensor | None) -> Tensor:
    """For an even number of elements, it is the mean of the two middle ones; torch.median takes the lower one."""
    by_size = ordered(absent(a, mask, math.inf))
    if mask is None:
        n = a.shape[-1]
        low, high = by_size[..., (n - 1) // 2], by_size[..., n // 2]
    else:
        present = mask.sum(-1)
        middle = ((present - 1) // 2, present // 2)
        low, high = (by_size.gather(-1, m.expand(a.shape[:-1]).unsqueeze(-1)).squeeze(-1) for m in middle)
    # Halved before they are added, so that the mean of two large elements does not overflow. NaN sorts last, so it
    # must be looked for: no median of a window with a NaN is known.
    return (low / 2 + high / 2).masked_fill(a.isnan().any(-1), math.nan)
