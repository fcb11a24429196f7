"""Spectra of images and of pooled images: low-pass filters, resampling without aliases, energy by radial band.

No values outside an image are invented. The spectrum of a whole image is that of the image and its mirror image, the
DCT-II (Strang 1999), which has no jump at the edges; the spectrum of a pooled image is Welch's, of windowed segments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

#: An energy below this share of the total is float64's rounding of 0.
ROUNDING = 1e-24
#: The lengths of segments of a pooled image's spectrum, in cells, and the limits of the radial bands, over Nyquist.
SHORTEST, LONGEST = 16, 32
BANDS = {"low": (0.0, 1 / 3), "mid": (1 / 3, 2 / 3), "high": (2 / 3, math.inf)}


def lowpass(x: Tensor, cells: Sequence[int]) -> Tensor:
    """Return ``x`` without the frequencies that a grid of ``cells`` along its last axes cannot represent.

    Args:
        x: ``(..., *sizes)``.
        cells: the number of DCT-II terms to keep per spatial axis: those below ``cells / (2 size)`` cycles per element.
    """
    for axis, count in enumerate(cells):
        dim = axis - len(cells)
        n = x.shape[dim]
        if count < n:
            spectrum = torch.fft.rfft(torch.cat([x, x.flip(dim)], dim), dim=dim).narrow(dim, 0, count)
            x = torch.fft.irfft(spectrum, n=2 * n, dim=dim).narrow(dim, 0, n)
    return x


def resample(x: Tensor, dim: int, count: int) -> Tensor:
    """Return ``x`` at ``count`` points along an axis, without aliases: its DCT-II is cropped or padded with zeros.

    The points are the centres of cells: point o lies at ``(o + 1/2) n / count - 1/2`` of the n elements.

    Args:
        x: any shape, floating point.
        dim: the axis, negative.
        count: at least 1.

    Source: resizing in the DCT domain, Dugad & Ahuja 2001 (IEEE Trans. Circuits Syst. Video Technol. 11(4)).
    """
    n = x.shape[dim]
    mirrored = torch.cat([x, x.flip(dim)], dim)  # its DFT is the DCT-II, but for the phase of half an element
    kept = min(n, count)
    spectrum = torch.fft.rfft(mirrored, dim=dim).narrow(dim, 0, kept)
    angle = torch.arange(kept, device=x.device, dtype=x.dtype) * (math.pi / 2 * (1 / count - 1 / n))
    turn = torch.polar(torch.full_like(angle, count / n), angle).reshape(-1, *(1,) * (-dim - 1))
    wide: Tensor = torch.fft.irfft(spectrum * turn, n=2 * count, dim=dim)
    return wide.narrow(dim, 0, count)


def retained_bands(reference: Tensor, pooled: Tensor, cells: Sequence[int]) -> dict[str, float | None]:
    """Return the retained share of each of :data:`BANDS`, see
    :func:`poolzoo.analysis.scoring.operator_metrics.spectrum_low`.

    Args:
        reference: the image, ``(C, *sizes)``.
        pooled: ``(C, *out)``, or ``(C, S, *out)`` with S submaps.
        cells: of the coarser grid, along each axis.
    """
    ndim = len(cells)
    for axis, count in enumerate(cells):
        dim = axis - ndim
        common = min(count, pooled.shape[dim])
        reference = resample(reference, dim, count).narrow(dim, 0, common)
        pooled = pooled.narrow(dim, 0, common)
    sizes = reference.shape[-ndim:]
    # Some fifteen segments along an axis, but none too short to tell the bands apart or longer than they need.
    lengths = [min(size, max(SHORTEST, min(LONGEST, size // 16 * 2))) for size in sizes]
    axes = (torch.fft.fftfreq(n, dtype=torch.float64, device=pooled.device) for n in lengths)
    grids = torch.meshgrid(*axes, indexing="ij")
    radius = 2 * torch.stack(grids).square().sum(0).sqrt()
    radius.view(-1)[0] = -1.0  # the mean is in no band
    retained, original = dict.fromkeys(BANDS, 0.0), dict.fromkeys(BANDS, 0.0)
    # A plane at a time: the overlapping segments of all of them would be many times the image.
    for channel, submaps in zip(reference, pooled.reshape(len(reference), -1, *sizes), strict=True):
        o = _segments(channel, lengths)
        power = o.abs().square().sum(0)
        for submap in submaps:
            cross = (_segments(submap, lengths) * o.conj()).sum(0)
            coherent = torch.where(power > 0, cross.abs().square() / power, 0.0)
            for name, (low, high) in BANDS.items():
                inside = (radius >= low) & (radius < high)
                retained[name] += float(coherent[inside].sum())
                original[name] += float(power[inside].sum())
    least = ROUNDING * energy(reference) * math.prod(lengths)
    return {name: retained[name] / original[name] if original[name] > least else None for name in BANDS}


def _segments(plane: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return the spectra of a plane's half overlapping segments, minus their means, under a Hann window: ``(n,
    *lengths)``.
    """
    ndim = plane.dim()
    for axis, length in enumerate(lengths):
        plane = plane.unfold(axis, length, max(1, length // 2))
    parts = centred(plane.reshape(-1, *lengths), ndim)
    for axis, length in enumerate(lengths):
        window = torch.hann_window(length, dtype=plane.dtype, device=plane.device)
        parts = parts * window.reshape(-1, *(1,) * (ndim - axis - 1))
    spectra: Tensor = torch.fft.fftn(parts, dim=tuple(range(1, ndim + 1)))
    return spectra


def spatial_mean(x: Tensor, ndim: int) -> Tensor:
    """Return the mean over the last ``ndim`` axes, which keep a size of 1."""
    return x.mean(tuple(range(-ndim, 0)), keepdim=True)


def centred(x: Tensor, ndim: int) -> Tensor:
    """Return ``x`` minus its :func:`spatial_mean`."""
    return x - spatial_mean(x, ndim)


def energy(x: Tensor) -> float:
    """Return the sum of all squares."""
    return float(x.square().sum())
