"""Wavelet pooling: the low-pass (LL) band of a discrete wavelet transform, with PyWavelets' filters and modes."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable

import pywt
import torch
from torch import Tensor

from poolzoo.geometry import Geometry, accumulation_dtype, check_input, like, output_size
from poolzoo.registry import register_pool
from poolzoo.windows import reflect, taps_inside, weighted_taps, wrap

# Looked up now, since torch.compile cannot follow a call into PyWavelets. Correlation takes the taps in reversed order.
_TAPS: dict[str, tuple[float, ...]] = {
    name: tuple(reversed(pywt.Wavelet(name).dec_lo)) for name in pywt.wavelist(kind="discrete")
}


def _mirror(position: Tensor, n: int) -> Tensor:
    """Positions off an axis mirrored back onto it, the edge repeated, as often as it takes."""
    position = wrap(position, 2 * n)
    return torch.where(position < n, position, 2 * n - 1 - position)


def _repeat_even(position: Tensor, n: int) -> Tensor:
    """Repetition of an input that is first made even by repeating its last element."""
    return wrap(position, n + n % 2).clamp(max=n - 1)


#: PyWavelets' names of how the input goes on beyond its edges: where a position is read, and with which factor.
_MODES: dict[str, tuple[Callable[[Tensor, int], Tensor], Callable[[Tensor, int], Tensor] | None]] = {
    "symmetric": (_mirror, None),
    "reflect": (reflect, None),
    "periodic": (wrap, None),
    "periodization": (_repeat_even, None),
    "constant": (lambda position, n: position.clamp(0, n - 1), None),
    "zero": (lambda position, n: position.clamp(0, n - 1), taps_inside),
    "antisymmetric": (_mirror, lambda position, n: torch.where(wrap(position, 2 * n) < n, 1, -1)),
}


def _check_haar(mode: str = "symmetric", norm: str = "ortho") -> None:
    if mode not in _MODES:
        raise ValueError(f"mode={mode!r}: one of {', '.join(_MODES)} is allowed")
    if norm not in ("ortho", "mean"):
        raise ValueError(f"norm={norm!r}: 'ortho' or 'mean' is allowed")


def _check_wavelet(wavelet: str = "db2", mode: str = "symmetric", norm: str = "ortho") -> None:
    if wavelet not in _TAPS:
        near = difflib.get_close_matches(str(wavelet), _TAPS, n=3, cutoff=0.5)
        hint = f", as {' or '.join(near)}" if near else ""
        raise ValueError(f"wavelet={wavelet!r}: a name from pywt.wavelist(kind='discrete') is allowed{hint}")
    _check_haar(mode, norm)


def _low_band(x: Tensor, geometry: Geometry, row: tuple[float, ...], mode: str, norm: str) -> Tensor:
    """The low-pass filter along each axis, centred on each window of ``geometry``."""
    check_input(x, geometry.ndim)
    out = output_size(x.shape[-geometry.ndim :], geometry)
    a = x.to(accumulation_dtype(x.dtype))
    gain = math.fsum(row) if norm == "mean" else 1.0
    taps = torch.tensor([tap / gain for tap in row], dtype=torch.float64, device=x.device).to(a.dtype)
    read, factor = _MODES[mode]
    for axis, (o, k, s, p, d) in enumerate(zip(out, *geometry[:4], strict=True)):
        dim = axis - geometry.ndim
        n = a.shape[dim]
        first = torch.arange(o, device=x.device) * s - p - (d * (len(row) - k)) // 2
        position = first[:, None] + torch.arange(len(row), device=x.device) * d
        weight = taps.expand(position.shape)
        a = weighted_taps(a, dim, read(position, n), weight if factor is None else weight * factor(position, n))
    return like(a, x)


_EXEMPT = {
    "constant": "an orthonormal low-pass filter has gain sqrt 2 along each axis; norm='mean' has 1",
    "permutation": "a filter weighs positions",
    "nan": "the filter reaches past the window",
}


@register_pool(
    "haar",
    over="input",
    family="frequency",
    summary="low-pass (LL) band of the Haar wavelet transform",
    formula="y = sum h a, h = (1, 1) / sqrt 2 along each axis",
    source="pywt.dwt2(x, 'haar'); wavelet pooling of Williams & Li, ICLR 2018, one level",
    variants=("norm=mean",),
    check=_check_haar,
    exempt=_EXEMPT,
)
def haar(x: Tensor, geometry: Geometry, *, mode: str = "symmetric", norm: str = "ortho") -> Tensor:
    """With windows of 2 and stride 2 this is PyWavelets' LL band; of an odd size, with ``ceil_mode=True``.

    ``norm="ortho"`` is the transform's own scale, on which a constant c becomes ``sqrt(2)^n c`` on n axes, 2 c for
    images; ``norm="mean"`` divides that out, which leaves the average of each 2x2 window, so that Haar's LL band and
    average pooling differ by a factor only. ``mode`` says how the input goes on beyond its edges, in PyWavelets' words:
    symmetric, reflect, periodic, periodization, constant, zero, antisymmetric; padding is filled likewise.

    The filter has two taps whatever the window's size, and is centred on it. Williams & Li transform twice and invert
    once, without the first transform's details: that gives the first LL band back, which is this.
    """
    return _low_band(x, geometry, _TAPS["haar"], mode, norm)


@register_pool(
    "wavelet",
    over="input",
    family="frequency",
    summary="low-pass (LL) band of a wavelet transform, Daubechies 2 unless named",
    formula="y = sum h a, h the wavelet's low-pass filter along each axis, centred on the window",
    source="pywt.dwt2(x, wavelet); for orthogonal wavelets as WaveCNet, Li et al., arXiv 2005.03337",
    variants=("norm=mean",),
    check=_check_wavelet,
    exempt=_EXEMPT | {"huge": "the taps' magnitudes add up to more than the gain"},
)
def wavelet(
    x: Tensor, geometry: Geometry, *, wavelet: str = "db2", mode: str = "symmetric", norm: str = "ortho"
) -> Tensor:
    """``wavelet`` is any of PyWavelets' discrete ones, as haar, db2 to db38, sym2 to sym20, coif1 to coif17, bior2.2.

    With windows of 2, stride 2 and an even size, ``mode="periodization"`` is PyWavelets' LL band, coefficient for
    coefficient. In its other modes PyWavelets gives more coefficients than half the size. These are the half of them
    that are centred where the filter has 2, 6, 10, ... taps; where it has 4, 8, 12, ... taps they lie one input
    position beside PyWavelets', as WaveCNet's do for orthogonal wavelets: no filter would be centred on its window
    otherwise. ``mode`` and ``norm`` are those of ``haar``. The filter is as long as the wavelet's, whatever the
    window's size.
    """
    return _low_band(x, geometry, _TAPS[wavelet], mode, norm)
