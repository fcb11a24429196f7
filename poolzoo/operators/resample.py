"""Resampling, as an image library would reach the same size: the reference rows of every comparison."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo.geometry import Geometry, accumulation_dtype, check_input, is_fixed, larger, like, output_size
from poolzoo.operators.basic import ADAPTIVE_AVG
from poolzoo.registry import register_pool
from poolzoo.windows import weighted_taps

_EXEMPT = {"permutation": "a filter weighs positions", "nan": "the filter reaches outside the window"}


def _prepare(x: Tensor, geometry: Geometry) -> tuple[Tensor, tuple[int, ...]]:
    check_input(x, geometry.ndim)
    return x.to(accumulation_dtype(x.dtype)), output_size(x.shape[-geometry.ndim :], geometry)


def _planes(x: Tensor, out: tuple[int, ...], mode: str) -> Tensor:
    """Apply torch's antialiased 2D resampling axis by axis, so that an axis whose size stays is not changed at all."""
    given = x
    for axis, size in enumerate(out):
        dim = axis - len(out)
        if is_fixed(size) and x.shape[dim] == size:
            continue
        columns = x.movedim(dim, -1)
        plane = columns.reshape(1, 1, -1, columns.shape[-1])
        if plane.shape[2]:  # interpolate refuses an empty batch
            plane = F.interpolate(plane, size=(plane.shape[2], size), mode=mode, align_corners=False, antialias=True)
        else:
            plane = plane[..., :size]
        x = plane.reshape(*columns.shape[:-1], size).movedim(-1, dim)
    return _own(x, given)


def _own(y: Tensor, x: Tensor) -> Tensor:
    """Return a copy if nothing was resampled, so that later in-place changes of the result do not reach the input."""
    return y.clone() if y is x else y


@register_pool(
    "area",
    over="input",
    backend="torch",
    family="resampling",
    resamples=True,
    summary="mean of the area that each output element covers",
    formula="y = mean of the inputs i with floor(o n / m) <= i < ceil((o + 1) n / m)",
    source="torch.nn.functional.interpolate(mode='area')",
    exempt=_EXEMPT | {"huge": "torch's kernel sums before it divides"},
)
def area(x: Tensor, geometry: Geometry) -> Tensor:
    """Resamples the whole input to the output size of pooling with these arguments."""
    a, out = _prepare(x, geometry)
    return like(ADAPTIVE_AVG[geometry.ndim](a, out), x)


@register_pool(
    "bilinear",
    over="input",
    backend="torch",
    family="resampling",
    resamples=True,
    summary="antialiased (bi)linear resampling",
    formula="y = sum t a, t a triangle as wide as the scale asks",
    source="torch.nn.functional.interpolate(mode='bilinear', antialias=True); Pillow's BILINEAR",
    exempt=_EXEMPT,
)
def bilinear(x: Tensor, geometry: Geometry) -> Tensor:
    """Resamples the whole input to the output size of pooling with these arguments."""
    a, out = _prepare(x, geometry)
    return like(_planes(a, out, "bilinear"), x)


@register_pool(
    "bicubic",
    over="input",
    backend="torch",
    family="resampling",
    resamples=True,
    summary="antialiased (bi)cubic resampling",
    formula="y = sum c a, c the cubic convolution kernel (a = -0.5) as wide as the scale asks",
    source="torch.nn.functional.interpolate(mode='bicubic', antialias=True); Pillow's BICUBIC",
    exempt=_EXEMPT,
)
def bicubic(x: Tensor, geometry: Geometry) -> Tensor:
    """Resamples the whole input to the output size of pooling with these arguments."""
    a, out = _prepare(x, geometry)
    return like(_planes(a, out, "bicubic"), x)


@register_pool(
    "lanczos",
    over="input",
    family="resampling",
    resamples=True,
    summary="antialiased Lanczos resampling",
    formula="y = sum l a, l(t) = sinc(t) sinc(t / 3), |t| < 3, as wide as the scale asks",
    source="Pillow's Image.resize(LANCZOS)",
    exempt=_EXEMPT,
)
def lanczos(x: Tensor, geometry: Geometry) -> Tensor:
    """Resamples the whole input to the output size of pooling with these arguments."""
    a, out = _prepare(x, geometry)
    y = a
    for axis, size in enumerate(out):
        dim = axis - geometry.ndim
        n = y.shape[dim]
        if not is_fixed(n, size):
            index, weight = _lanczos_taps(n, size, y)
            taps = y[(slice(None),) * (y.dim() + dim) + (index,)]
            y = (taps * weight.reshape(*index.shape, *(1,) * (-dim - 1))).sum(dim)
        elif n != size:
            y = weighted_taps(y, dim, *_lanczos_taps(n, size, y))
    return like(_own(y, a), x)


def _lanczos_taps(n: int, m: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return Pillow's taps for resampling ``n`` positions to ``m``: indices and weights, ``(m, taps)`` each."""
    scale = n / m
    stretch = larger(scale, 1.0)
    support = 3.0 * stretch
    taps = larger(-(-3 * n // m), 3) * 2 + 1
    centre = (torch.arange(m, dtype=torch.float64, device=x.device) + 0.5) * scale
    first = (centre - support + 0.5).to(torch.int64).clamp(min=0)  # int() truncates, as Pillow does
    end = (centre + support + 0.5).to(torch.int64).clamp(max=n)
    index = first[:, None] + torch.arange(taps, device=x.device)
    t = (index + 0.5 - centre[:, None]) / stretch
    weight = torch.where((index < end[:, None]) & (t.abs() < 3), torch.sinc(t) * torch.sinc(t / 3), 0.0)
    return index.clamp(max=n - 1), (weight / weight.sum(-1, keepdim=True)).to(x.dtype)
