"""Wavelet pooling: bands of a discrete wavelet transform, with PyWavelets' filters and modes.

``haar`` and ``wavelet`` keep the low-pass (LL) band, ``hwd`` all bands of Haar's transform.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence

import pywt
import torch
from torch import Tensor

from poolzoo.geometry import Geometry, accumulation_dtype, check_input, like, output_size
from poolzoo.operators.base import filter_by_convolution
from poolzoo.registry import register_pool
from poolzoo.standard_operators import filter_centred
from poolzoo.windows import centred_taps, reflect, taps_inside, weighted_taps, wrap

# Looked up now, since torch.compile cannot follow a call into PyWavelets. Correlation takes the taps in reversed order.
_TAPS: dict[str, tuple[float, ...]] = {
    name: tuple(reversed(pywt.Wavelet(name).dec_lo)) for name in pywt.wavelist(kind="discrete")
}


def _mirror(position: Tensor, n: int) -> Tensor:
    """Mirror positions outside an axis back into it, with the edge repeated, as often as necessary."""
    position = wrap(position, 2 * n)
    return torch.where(position < n, position, 2 * n - 1 - position)


def _repeat_even(position: Tensor, n: int) -> Tensor:
    """Repeat an input periodically, after making an odd size even by repeating the last element."""
    return wrap(position, n + n % 2).clamp(max=n - 1)


#: PyWavelets' names for extending the input at its edges: where a position is read, and with which factor.
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
    """Apply the low-pass filter along each axis, centred on each window of ``geometry``."""
    check_input(x, geometry.ndim)
    out = output_size(x.shape[-geometry.ndim :], geometry)
    a = x.to(accumulation_dtype(x.dtype))
    gain = math.fsum(row) if norm == "mean" else 1.0
    row = tuple(tap / gain for tap in row)
    if mode in _PADS:
        y = filter_by_convolution(a, row, geometry, out, _PADS[mode])
        if y is not None:
            return like(y, x)
    for axis in range(geometry.ndim):
        a = _filtered(a, axis, out[axis], geometry, row, mode)
    return like(a, x)


def _filtered(a: Tensor, axis: int, out: int, geometry: Geometry, row: Sequence[float], mode: str) -> Tensor:
    """Apply a filter along one axis, centred on each window of ``geometry``."""
    dim = axis - geometry.ndim
    n, (read, factor) = a.shape[dim], _MODES[mode]
    position = centred_taps(axis, out, geometry, len(row), a.device)
    weight = torch.tensor(row, dtype=torch.float64, device=a.device).to(a.dtype).expand(position.shape)
    return weighted_taps(a, dim, read(position, n), weight if factor is None else weight * factor(position, n))


#: PyWavelets' modes that ONNX can pad with, as :func:`filter_centred` names them.
_PADS = {"symmetric": "symmetric", "constant": "replicate", "reflect": "reflect", "zero": "constant"}


def _haar_in_standard_operators(
    x: Tensor, geometry: Geometry, *, mode: str = "symmetric", norm: str = "ortho"
) -> Tensor | None:
    if mode not in _PADS:
        return None
    return filter_centred(x, (0.5, 0.5) if norm == "mean" else _TAPS["haar"], geometry, _PADS[mode])


_EXEMPT = {
    "constant": "an orthonormal low-pass filter has gain sqrt 2 along each axis; norm='mean' has 1",
    "permutation": "a filter weighs positions",
    "nan": "the filter reaches outside the window",
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
    in_standard_operators=_haar_in_standard_operators,
    exempt=_EXEMPT,
)
def haar(x: Tensor, geometry: Geometry, *, mode: str = "symmetric", norm: str = "ortho") -> Tensor:
    """With windows of 2 and stride 2 this is PyWavelets' LL band; for an odd size, with ``ceil_mode=True``.

    ``norm="ortho"`` is the scale of the transform, on which a constant c becomes ``sqrt(2)^n c`` over n axes: 2 c for
    images. ``norm="mean"`` removes this factor and gives the average of each 2x2 window; Haar's LL band and average
    pooling differ only by a factor. ``mode`` sets how the input is extended at its edges and in the padding, in
    PyWavelets' terms: symmetric, reflect, periodic, periodization, constant, zero, antisymmetric.

    The filter has two taps, whatever the window's size, and is centred on the window. Williams & Li transform twice and
    invert once without the first transform's details. That gives the first LL band, which is what this operator
    returns.
    """
    return _low_band(x, geometry, _TAPS["haar"], mode, norm)


@register_pool(
    "wavelet",
    over="input",
    family="frequency",
    summary="low-pass (LL) band of a wavelet transform, Daubechies 2 by default",
    formula="y = sum h a, h the wavelet's low-pass filter along each axis, centred on the window",
    source="pywt.dwt2(x, wavelet); for orthogonal wavelets as WaveCNet, Li et al., arXiv 2005.03337",
    variants=("norm=mean",),
    check=_check_wavelet,
    exempt=_EXEMPT | {"huge": "the taps' magnitudes add up to more than the gain"},
)
def wavelet(
    x: Tensor, geometry: Geometry, *, wavelet: str = "db2", mode: str = "symmetric", norm: str = "ortho"
) -> Tensor:
    """``wavelet`` is any discrete wavelet of PyWavelets: haar, db2 to db38, sym2 to sym20, coif1 to coif17, bior2.2,
    ...

    With windows of 2, stride 2 and an even size, ``mode="periodization"`` gives PyWavelets' LL band, coefficient by
    coefficient. In the other modes PyWavelets returns more coefficients than half the size. This operator returns the
    half of them that are centred on the windows, for filters of 2, 6, 10, ... taps. For filters of 4, 8, 12, ... taps,
    no coefficient is centred on its window otherwise, so the positions are shifted by one input position from
    PyWavelets', as WaveCNet's are for orthogonal wavelets. ``mode`` and ``norm`` are those of ``haar``. The filter has
    the wavelet's length, whatever the window's size.
    """
    return _low_band(x, geometry, _TAPS[wavelet], mode, norm)


#: Haar's low and high band as taps of a correlation, by ``norm``.
_HAAR = {"ortho": (math.sqrt(0.5),) * 2, "mean": (0.5, 0.5)}


def _haar_back(
    y: Tensor, sizes: Sequence[int], geometry: Geometry, *, mode: str = "symmetric", norm: str = "ortho"
) -> Tensor:
    """Return the input ``(N, C, *sizes)`` of :func:`hwd`; a position that no filter reads repeats the nearest."""
    parts = list(y.unbind(-geometry.ndim - 1))
    gain = 0.5 / _HAAR[norm][0]
    for axis, size in enumerate(sizes):
        dim = axis - geometry.ndim
        position = centred_taps(axis, y.shape[dim], geometry, 2, y.device).flatten()
        far = (position - torch.arange(size, device=y.device)[:, None]).abs()
        nearest = torch.where(taps_inside(position, size), far, far.max() + 1).argmin(1)
        # Sum and difference of the bands are the two elements, side by side.
        pairs = [torch.stack([low + high, low - high], dim) for low, high in zip(parts[::2], parts[1::2], strict=True)]
        parts = [pair.flatten(dim - 1, dim).index_select(dim, nearest) * gain for pair in pairs]
    return parts[0]


@register_pool(
    "hwd",
    over="input",
    family="frequency",
    summary="all bands of the Haar wavelet transform are kept, each as a submap: nothing is lost",
    formula="y_b = sum h_b a, h_b a product of (1, 1) / sqrt 2 or (1, -1) / sqrt 2 along each axis",
    source="Xu et al., Pattern Recognition 143 (2023), 109819; apple1986/HWD, HWD.py",
    check=_check_haar,
    phases=lambda geometry, **params: [(0,) * geometry.ndim] * 2**geometry.ndim,
    restore=_haar_back,
    exempt=_EXEMPT | {"constant": "of a constant, all bands but the first are 0"},
)
def hwd(x: Tensor, geometry: Geometry, *, mode: str = "symmetric", norm: str = "ortho") -> Tensor:
    """``(N, C, *sizes)`` gives ``(N, C, 2^n, *out)`` over n axes, and ``(C, *sizes)`` gives ``(C, 2^n, *out)``: in 2D
    LL, HL, LH, HH, the filter of the first axis changing fastest. This is the order of the authors and of
    ``pywt.dwt2``: approximation, horizontal, vertical and diagonal details.

    With windows of 2 and stride 2, these are PyWavelets' coefficients, as many as the input has elements. The filters
    have two taps, whatever the window's size, and are centred on the window; ``mode`` and ``norm`` are those of
    ``haar``, whose output is the first band.

    The authors extend odd sizes by zeros (``mode="zero"`` with ``ceil_mode=True``). Their 1x1 convolution, batch
    normalisation and ReLU, which follow, are not part of this operator: ``y.flatten(1, 2)`` of a batch has the bands as
    channels, those of a channel together. Their code was read, the paper could not be.
    """
    check_input(x, geometry.ndim)
    n = geometry.ndim
    out = output_size(x.shape[-n:], geometry)
    bands, (tap, _) = [x.to(accumulation_dtype(x.dtype))], _HAAR[norm]
    for axis in reversed(range(n)):
        rows = ((tap, tap), (tap, -tap))
        bands = [_filtered(band, axis, out[axis], geometry, row, mode) for band in bands for row in rows]
    return like(torch.stack(bands, -n - 1), x.unsqueeze(-n - 1))
