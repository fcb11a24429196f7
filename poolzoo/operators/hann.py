"""L2 pooling under a Hann window, as in the image metric DISTS."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from poolzoo.geometry import AnyGeometry, Geometry, accumulation_dtype, check_input, like, output_size
from poolzoo.operators.base import fits_convolution, without_autocast
from poolzoo.operators.basic import check_include_pad
from poolzoo.registry import register_pool
from poolzoo.standard_operators import filtered
from poolzoo.windows import MOST_IN_FLOAT32, absent, largest, outer_product, windows

#: Up to it, :func:`_by_convolution` holds: no sum of squares in float32, a millionfold, overflows.
_MOST = 1e15
#: What elements are multiplied by where their squares overflow: then no sum of squares of float32 does, a millionfold,
#: and the larger elements of such a window keep all their digits.
_SMALL = 2.0**-76
#: Keeps the root's gradient finite at 0; squared, the 1e-12 of DISTS and piq.
_LEAST = 1e-6


def _hann(taps: int, device: torch.device) -> Tensor:
    """Return the Hann window of ``taps`` values, none of them 0: ``sin^2(pi i / (taps + 1))``, i from 1 to taps.

    Computed on the device, because a copy to a GPU waits for it.
    """
    at = torch.arange(1, taps + 1, dtype=torch.float64, device=device)
    return torch.sin(math.pi * at / (taps + 1)).square()


def _kernel(geometry: Geometry, device: torch.device) -> Tensor:
    """Return the outer product of the axes' Hann windows, of sum 1 and of shape ``kernel_size``."""
    rows = [_hann(taps, device) for taps in geometry.kernel_size]
    return outer_product([row / row.sum() for row in rows])


def _of_bins(x: Tensor, geometry: AnyGeometry, mask: Tensor) -> Tensor:
    """Return the Hann windows of bins, each over its own length: ``(*out, K)``, not normalised."""
    product = torch.ones((), dtype=torch.float64, device=x.device)
    sizes = x.shape[-geometry.ndim :]
    for axis, size in enumerate(sizes):
        shape = [-1 if other == axis else 1 for other in range(geometry.ndim)]
        at, _ = windows(torch.arange(size, device=x.device).reshape(shape).expand(sizes), geometry)
        first, last = absent(at, mask, size).amin(-1, keepdim=True), at.amax(-1, keepdim=True)
        product = product * torch.sin(math.pi * (at - first + 1).double() / (last - first + 2)).square()
    return product


def _mean_squares(x: Tensor, geometry: Geometry, count_include_pad: bool) -> Tensor:
    """Return a million times the weighted mean of the squares of each window: a depthwise convolution."""
    kernel = _kernel(geometry, x.device).to(x.dtype)
    # A million, because torch.onnx.export takes the addition of 1e-12 for one of 0 and leaves it out.
    total = filtered(x * x, kernel * 1e6, geometry)
    if not count_include_pad and (any(geometry.padding) or geometry.ceil_mode):
        total = total / filtered(torch.ones_like(x[:1, :1]), kernel, geometry)
    return total


def _by_convolution(x: Tensor, geometry: Geometry, *, count_include_pad: bool = False) -> Tensor:
    return torch.sqrt(_mean_squares(x, geometry, count_include_pad) + 1e6 * _LEAST**2) / 1e3


def by_two_convolutions(x: Tensor, geometry: Geometry, *, count_include_pad: bool = False) -> Tensor:
    """Return the same for float32 of any size, without a look at the values that would wait for a GPU: where the sum of
    squares overflows, that of the elements times a small number stands in for it.
    """
    near = _mean_squares(x, geometry, count_include_pad)
    far = _mean_squares(x * _SMALL, geometry, count_include_pad)
    large = ~near.detach().isfinite()
    # Chosen before the root, whose gradient at 0 is infinite.
    total = torch.where(large, far, near + 1e6 * _LEAST**2)
    root, scale = total.sqrt(), torch.where(large, 1e-3 / _SMALL, 1e-3)
    # Of windows of the largest number, the product would be inf by rounding. It is inf where the root is.
    most = torch.finfo(x.dtype).max * (1 - 2.0**-23) / root.detach()
    return root * torch.where(most > 0, torch.minimum(scale, most), scale)


@register_pool(
    "hann_l2",
    over="input",
    family="generalised mean",
    summary="L2 norm of the window under a Hann window",
    formula="y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1",
    source="L2 pooling of DISTS, Ding et al., arXiv 2004.07728; piq's L2Pool2d, piq/functional/layers.py",
    not_adaptive="",
    windowed_only=("count_include_pad",),
    check=check_include_pad,
    in_standard_operators=_by_convolution,
    exempt={
        "constant": "a constant c gives sqrt(c^2 + 1e-12)",
        "constant_negative": "a constant c gives |c|",
        "permutation": "the Hann window weighs positions",
    },
)
def hann_l2(x: Tensor, geometry: AnyGeometry, *, count_include_pad: bool = False) -> Tensor:
    """The Hann window has as many taps as the window on each axis, none of them 0: 1/4, 1/2, 1/4 for 3 taps. For
    windows of 1 or 2 it is flat, and the result is that of lp with p = 2. DISTS has 3 taps, stride 2 and padding 1, and
    calls the size 5, because it counts the two zeros at the ends. The Hann windows of adaptive and global pools are as
    long as each bin.

    Elements outside the input have no weight. ``count_include_pad=True`` counts them as zeros: with it and
    ``kernel_size=3, stride=2, padding=1``, this equals ``piq.functional.L2Pool2d()``.

    In an ONNX file, squares are of the elements themselves, which holds up to 1e16.

    float32 and half types are squared and convolved: on a CPU where no square overflows, and on a GPU, which could
    only tell by waiting, twice, the second time times 2^-76. The windows of other inputs are copied: of float64, and on
    a GPU of one channel or of channels_last.

    The code of piq and of DISTS was read. DISTS follows Henaff & Simoncelli, arXiv 1511.06394, which was not read.
    """
    check_input(x, geometry.ndim)
    convolved = _convolution(x, geometry)
    if convolved is not None:
        with without_autocast(x):
            return like(convolved(x.float(), geometry, count_include_pad=count_include_pad), x)
    a, mask = windows(x.to(accumulation_dtype(x.dtype)), geometry)
    taps = a.shape[-1]
    if not isinstance(taps, int) or taps > MOST_IN_FLOAT32:
        a = a.double()
    if isinstance(geometry, Geometry):
        weight = _kernel(geometry, x.device).flatten()
    else:
        assert mask is not None
        weight = _of_bins(x, geometry, mask)
    if mask is not None and not count_include_pad:
        weight = absent(weight.expand(mask.shape), mask, 0.0)
        weight = weight / weight.sum(-1, keepdim=True)
    most = largest(a, _LEAST)
    total = (weight.to(a.dtype) * (a / most).square()).sum(-1, keepdim=True) + (_LEAST / most).square()
    return like((most * total.sqrt()).squeeze(-1), x)


def _convolution(x: Tensor, geometry: AnyGeometry) -> Callable[..., Tensor] | None:
    """Return what computes the same by torch's depthwise convolution, which copies no windows; None where none does.

    Squares may overflow: that depends on the values, which are known at once on a CPU, and nowhere else. On a GPU,
    torch hands other convolutions than these to cuDNN, which may round their inputs to ten bits (TF32).
    """
    if not isinstance(geometry, Geometry) or not fits_convolution(x, geometry.ndim, math.prod(geometry.kernel_size)):
        return None
    output_size(x.shape[2:], geometry)  # has better words for an input that is too small
    if x.is_cuda:
        return by_two_convolutions if x.is_contiguous() and x.shape[1] > 1 and x.numel() < 2**31 else None
    return _by_convolution if x.is_cpu and _is_small(x) else None


def _is_small(x: Tensor) -> bool:
    """Return whether no finite element is larger than :data:`_MOST`."""
    if x.dtype is torch.float16:
        return True
    finite = x.detach()
    low, high = map(float, torch.aminmax(finite))
    if not math.isfinite(low - high):
        low, high = map(float, torch.aminmax(finite.where(finite.isfinite(), 0.0)))
    return max(-low, high) <= _MOST
