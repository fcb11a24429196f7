"""Upsampling: a pooled image back at full size, each value where its window's centre lies.

Window ``i`` of an axis has its centre at ``i * stride - padding + (span - 1) / 2``, with ``span = dilation *
(kernel_size - 1) + 1``; the part of a window that leaves the input counts for its centre. Between the centres is
interpolated, and beyond the first and the last one the values there are repeated. Where the centres divide the image
evenly, as those of windows that lie side by side do, this is :func:`torch.nn.functional.interpolate`, which takes all
values to lie so. With other windows, that function moves and stretches the image; ``align="interpolate"`` asks for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo.analysis.results.schema import CENTER
from poolzoo.analysis.scoring.protocol import UPSAMPLERS
from poolzoo.geometry import Geometry, output_size
from poolzoo.operators.base import Pool
from poolzoo.windows import weighted_taps

#: Sharpness of cubic convolution (Keys 1981), as torch's and OpenCV's ``bicubic`` have it.
_KEYS = -0.75


def phases_of(module: Pool, x: Tensor) -> Sequence[tuple[int, ...]]:
    """Return how many pixels further than the windows of :func:`placed_windows` the pooled values of ``x`` lie.

    Returns:
        One offset per submap; one per sample for operators that choose a phase by the input; else nothing. A stochastic
        operator has to be seeded as for the call that pooled.
    """
    info = module.info
    if info.kept_phase is not None:
        with torch.no_grad():
            kept = info.kept_phase(x, module.geometry, **module.params(x))
        return [tuple(map(int, offset)) for offset in kept.tolist()]
    return info.phases(module.geometry, **module.params(x)) if info.phases else ()


def placed_windows(module: Pool, pooled: Tensor, size: Sequence[int]) -> Geometry | None:
    """Return the windows whose centres are the places of the pooled values.

    Args:
        module: the operator.
        pooled: its output, ``(N, C, *out)`` or ``(N, C, S, *out)``.
        size: of its input, one int per axis.

    Returns:
        None for operators that resample the whole image or choose another number of windows: each value stands for an
        equal part of the image. Windows of one pixel for operators whose values are single pixels.
    """
    geometry, info = module.geometry, module.info
    if info.kept_phase is not None:
        ones, zeros = (1,) * geometry.ndim, (0,) * geometry.ndim
        return Geometry(ones, geometry.stride, zeros, ones, geometry.ceil_mode)
    regular = info.phases is not None or tuple(pooled.shape[-geometry.ndim :]) == output_size(size, geometry)
    if info.single_elements:
        geometry = geometry._replace(kernel_size=(1,) * geometry.ndim)
    return geometry if regular and not info.resamples else None


def restored(module: Pool, x: Tensor, pooled: Tensor) -> Tensor | None:
    """Return ``x``, ``(N, C, *size)``, from what an operator that loses nothing made of it; None for the others."""
    if module.info.restore is None:
        return None
    full: Tensor = module.info.restore(pooled, x.shape[2:], module.geometry, **module.params(x))
    return full


def rebuild(
    pooled: Tensor,
    size: Sequence[int],
    upsample: str,
    phases: Sequence[tuple[int, ...]] = (),
    *,
    geometry: Geometry | None = None,
    align: str = CENTER,
) -> Tensor:
    """Upsample a pooled image to ``size``.

    Args:
        pooled: ``(N, C, h, w)``, or ``(N, C, S, h, w)`` from an operator that keeps S submaps; ``(N, C, d, h, w)``
            where three axes were pooled.
        size: height and width of the result, or depth, height and width.
        upsample: a name from :data:`UPSAMPLERS`.
        phases: per submap, how many pixels further than the geometry's its samples lie on each axis; of an operator
            without submaps per sample, or empty.
        geometry: the windows, from :func:`placed_windows`; None where each value stands for an equal part of the image.
        align: ``center`` puts a value at the centre of its window or part; ``interpolate`` does as torch's
            ``interpolate``, whatever the windows.

    Returns:
        ``(N, C, *size)``. Submaps are rebuilt one by one, each shifted by its phase (edges repeated), and averaged.
        Submaps of single pixels that hold all phases need no upsampler: each value goes back to its pixel, unless
        ``align`` is ``interpolate``.
    """
    if pooled.dim() == len(size) + 2:
        full = _grown(pooled, size, upsample, geometry, align)
        if not phases:
            return full
        return torch.cat([_moved(*one, size) for one in zip(torch.split(full, 1), phases, strict=True)])
    if geometry is not None and align == CENTER and _hold_every_pixel(geometry, phases):
        return _interleaved(pooled, size, geometry)
    parts = [
        _moved(_grown(submap, size, upsample, geometry, align), phase, size)
        for submap, phase in zip(pooled.unbind(2), phases, strict=True)
    ]
    return torch.stack(parts).mean(0)


def _moved(full: Tensor, phase: Sequence[int], size: Sequence[int]) -> Tensor:
    """Return ``(N, C, *size)`` moved by ``phase`` pixels; the first ones are repeated before it."""
    full = F.pad(full, [pad for shift in reversed(phase) for pad in (shift, 0)], mode="replicate")
    for axis, extent in enumerate(size, 2):
        full = full.narrow(axis, 0, extent)
    return full


def _hold_every_pixel(geometry: Geometry, phases: Sequence[tuple[int, ...]]) -> bool:
    """Return whether windows of one pixel at these phases, in this order, are all pixels of every cell."""
    return max(geometry.spans) == 1 and list(phases) == list(itertools.product(*map(range, geometry.stride)))


def _interleaved(pooled: Tensor, size: Sequence[int], geometry: Geometry) -> Tensor:
    """Return all phases of each cell, row by row, at their pixels; pixels past the last cell repeat the last one."""
    n = len(size)
    x = pooled.reshape(*pooled.shape[:2], *geometry.stride, *pooled.shape[3:])
    x = x.permute(0, 1, *itertools.chain.from_iterable((2 + n + axis, 2 + axis) for axis in range(n)))
    for axis, (extent, pad) in enumerate(zip(size, geometry.padding, strict=True), 2):
        x = x.flatten(axis, axis + 1)
        index = torch.arange(pad, pad + extent, device=x.device).clamp(max=x.shape[axis] - 1)
        x = x.index_select(axis, index)
    return x


def _grown(pooled: Tensor, size: Sequence[int], upsample: str, geometry: Geometry | None, align: str) -> Tensor:
    """Return ``(N, C, *out)`` as ``(N, C, *size)``."""
    arguments = UPSAMPLERS[upsample].interpolation
    assert arguments is not None, upsample
    if align != CENTER:
        return F.interpolate(pooled, size=tuple(size), **arguments)
    if geometry is None or geometry.lies_evenly(size, pooled.shape[2:]):
        # torch's "nearest" goes by the pixels' corners.
        exact = {"mode": "nearest-exact"} if arguments["mode"] == "nearest" else arguments
        return F.interpolate(pooled, size=tuple(size), **exact)
    for axis, (n, step, centre) in enumerate(zip(size, geometry.stride, geometry.first_centre, strict=True)):
        pixel = torch.arange(n, dtype=torch.float64, device=pooled.device)
        index, weight = _TAPS[arguments["mode"]]((pixel - centre) / step)
        dim = axis - len(size)
        pooled = weighted_taps(pooled, dim, index.clamp(0, pooled.shape[dim] - 1), weight.to(pooled.dtype))
    return pooled


def _nearest(place: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest sample of each place; of two equally near ones, the later."""
    index = (place + 0.5).floor().long()[:, None]
    return index, torch.ones_like(index)


def _linear(place: Tensor) -> tuple[Tensor, Tensor]:
    first = place.floor()
    share = place - first
    return first.long()[:, None] + torch.arange(2, device=place.device), torch.stack([1 - share, share], -1)


def _cubic(place: Tensor) -> tuple[Tensor, Tensor]:
    first = place.floor()
    index = first.long()[:, None] + torch.arange(-1, 3, device=place.device)
    t = (place[:, None] - index).abs()
    near = ((_KEYS + 2) * t - (_KEYS + 3)) * t**2 + 1
    far = ((_KEYS * t - 5 * _KEYS) * t + 8 * _KEYS) * t - 4 * _KEYS
    return index, torch.where(t <= 1, near, far)


#: By torch's mode: from places, in steps of the samples, to the samples that count there and their weights, both
#: ``(n, taps)``.
_TAPS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "nearest": _nearest,
    "bilinear": _linear,
    "trilinear": _linear,
    "bicubic": _cubic,
}
