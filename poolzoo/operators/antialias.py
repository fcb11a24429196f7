"""Anti-aliased pooling: a binomial low-pass filter before decimation (Zhang 2019)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo.operators.basic import max_pool
from poolzoo.registry import register_pool
from poolzoo.windows import Geometry, accumulation_dtype, check_input, like, output_size, weighted_taps

_BEYOND_WINDOW = "the filter reaches past the window"


def _check_filt_size(filt_size: int = 4) -> None:
    if isinstance(filt_size, bool) or not isinstance(filt_size, int) or not 1 <= filt_size <= 7:
        raise ValueError(f"filt_size={filt_size!r}: an int from 1 to 7 is allowed")


def _reflect(position: Tensor, n: int) -> Tensor:
    """Positions off an axis of ``n`` mirrored back onto it, the edge not repeated, as often as it takes."""
    if n == 1:
        return torch.zeros_like(position)
    period = 2 * (n - 1)
    position = position % period
    return torch.where(position < n, position, period - position)


def _filter(x: Tensor, out: tuple[int, ...], geometry: Geometry, filt_size: int) -> Tensor:
    """The binomial filter, separably, centred on each window of ``geometry``."""
    row = torch.tensor([math.comb(filt_size - 1, i) for i in range(filt_size)], dtype=x.dtype, device=x.device)
    for axis, (o, k, s, p, d) in enumerate(zip(out, *geometry[:4], strict=True)):
        # With more taps than the window has, the filter starts that much before it; half positions go to the right,
        # as antialiased-cnns pads.
        first = torch.arange(o, device=x.device) * s - p - (d * (filt_size - k)) // 2
        dim = axis - geometry.ndim
        index = _reflect(first[:, None] + torch.arange(filt_size, device=x.device) * d, x.shape[dim])
        x = weighted_taps(x, dim, index, (row / row.sum()).expand(index.shape))
    return x


@register_pool(
    "blur",
    over="input",
    family="anti-aliased",
    summary="binomial low-pass filter, then decimation",
    formula="y = sum b a, b the binomial row of filt_size taps centred on the window",
    source="Zhang, arXiv 1904.11486; as kornia's and timm's BlurPool2d",
    check=_check_filt_size,
    exempt={"permutation": "a filter weighs positions", "nan": _BEYOND_WINDOW},
)
def blur(x: Tensor, geometry: Geometry, *, filt_size: int = 4) -> Tensor:
    """``filt_size`` taps, 1 to 7, whatever the window's size: the window only says where the filter is centred.

    Positions outside the input are reflected, padding included. With ``kernel_size=1`` and ``padding=0`` this is
    ``antialiased_cnns.BlurPool(filt_size, stride)``; so it is with ``kernel_size=2`` and an even ``filt_size``.
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
    exempt={"permutation": "a filter weighs positions", "nan": _BEYOND_WINDOW},
)
def max_blur(x: Tensor, geometry: Geometry, *, filt_size: int = 4) -> Tensor:
    """The maximum of every window at stride 1, low-passed with ``filt_size`` taps (1 to 7), every stride-th kept."""
    check_input(x, geometry.ndim)
    n, ones = geometry.ndim, (1,) * geometry.ndim
    out = output_size(x.shape[-n:], geometry)
    dense = geometry._replace(stride=ones, ceil_mode=False)
    # ceil_mode's last window may start after the last dense one: more absent positions on the right let it.
    missing = [
        max(0, (o - 1) * s + 1 - size)
        for o, s, size in zip(out, geometry.stride, output_size(x.shape[-n:], dense), strict=True)
    ]
    a = x.to(accumulation_dtype(x.dtype))
    if any(missing):
        a = F.pad(a, [pad for m in reversed(missing) for pad in (0, m)], value=-math.inf)
    a = max_pool(a, dense)
    return like(_filter(a, out, Geometry(ones, geometry.stride, (0,) * n, ones, False), filt_size), x)
