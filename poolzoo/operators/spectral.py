"""Spectral pooling: keep the low frequencies of the whole input's discrete Fourier transform (Rippel et al. 2015).

FLC pooling is the same crop under its own name (Grabinski et al. 2022); ASAP tapers the spectrum before it (2023);
DiffStride learns where the spectrum ends (Riad et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from poolzoo.geometry import Geometry, accumulation_dtype, check_input, is_fixed, larger, like, output_size, smaller
from poolzoo.operators.base import Pool, is_number
from poolzoo.registry import register_pool


def _resize_spectrum(spectrum: Tensor, dim: int, m: int) -> Tensor:
    """Return the frequencies from -floor(m / 2) to ceil(m / 2) - 1 in numpy's order; missing ones are 0."""
    n = spectrum.shape[dim]
    if not is_fixed(n, m):
        kept, position = smaller(n, m), torch.arange(m, device=spectrum.device)
        low, high = position < kept - kept // 2, position >= m - kept // 2
        index = torch.where(high, position - m + n, torch.where(low, position, 0))
        mask = (low | high).reshape(-1, *(1,) * -dim)
        # ONNX selects no complex numbers.
        return torch.view_as_complex(torch.view_as_real(spectrum).index_select(dim - 1, index) * mask)
    kept = min(n, m)
    positive = spectrum.narrow(dim, 0, kept - kept // 2)
    negative = spectrum.narrow(dim, n - kept // 2, kept // 2)
    if m <= n:
        return torch.cat([positive, negative], dim)
    shape = list(spectrum.shape)
    shape[dim] = m - n
    zeros = torch.zeros(shape, dtype=spectrum.real.dtype, device=spectrum.device)
    return torch.cat([positive, torch.complex(zeros, zeros), negative], dim)  # ONNX has no complex constants


#: ``gain(axis, n, x)``: factors for the frequencies 0 to n - 1 of an axis, in numpy's order and the type of ``x``.
Gain = Callable[[int, int, Tensor], Tensor]


def _crop(x: Tensor, geometry: Geometry, gain: Gain | None = None, to: Sequence[int] | None = None) -> Tensor:
    """Resize the whole input, to pooling's output size or ``to``, by a crop of its transform, as :func:`spectral`
    says.
    """
    check_input(x, geometry.ndim)
    n = geometry.ndim
    sizes, out = x.shape[-n:], output_size(x.shape[-n:], geometry)
    out = out if to is None else tuple(to)
    dims = [axis - n for axis in range(n)]
    if gain is None:  # Only axes that change: on the others transform and inverse would cancel.
        dims = [dim for dim in dims if not (is_fixed(sizes[dim], out[dim]) and sizes[dim] == out[dim])]
    a = x.to(accumulation_dtype(x.dtype))
    if not dims:
        return like(a.clone() if a is x else a, x)
    if not a.numel():  # MKL refuses an empty batch; the sum is 0 and keeps the graph
        return like(a.new_zeros(*a.shape[:-n], *out) + a.sum(), x)
    # Divided before the sums that a transform is, so that they do not overflow.
    spectrum = torch.fft.fftn(a / math.prod([sizes[dim] for dim in dims]), dim=dims)
    for dim in dims:
        if gain is not None:  # on the two real parts: ONNX multiplies no complex number by a real one
            factors = gain(dim + n, sizes[dim], a).reshape(-1, *(1,) * -dim)
            spectrum = torch.view_as_complex(torch.view_as_real(spectrum) * factors)
        spectrum = _resize_spectrum(spectrum, dim, out[dim])
    return like(torch.fft.ifftn(spectrum, dim=dims, norm="forward").real.contiguous(), x)


_EXEMPT = {"permutation": "a frequency looks at every position", "nan": "every output looks at the whole input"}


@register_pool(
    "spectral",
    over="input",
    family="frequency",
    resamples=True,
    summary="the low frequencies of the whole input's Fourier transform",
    formula="y = Re F^-1(crop(F(x))), the crop centred on frequency 0",
    source="Rippel, Snoek & Adams, arXiv 1506.03767, section 3; scaled so that the mean is kept",
    exempt=_EXEMPT,
)
def spectral(x: Tensor, geometry: Geometry) -> Tensor:
    """Resizes the whole input to the output size of pooling with these arguments, wherever the windows lie.

    Computes ``np.fft.ifftn(crop(np.fft.fftn(x, norm="forward")), norm="forward").real`` over all spatial axes at once.
    At an even size, the crop keeps the frequency -m/2 without its counterpart m/2. Taking the real part gives each of
    them half of the amplitude, so that the cropped spectrum is that of a real signal (the paper's treatment of corner
    cases). If the output is larger than the input, which padding can cause, the spectrum is padded with zeros.

    Every frequency below the crop is kept exactly, phase included. Output o corresponds to input position o n / m, not
    to the middle of a window. The transform treats the input as periodic, so an edge at one border rings at the
    opposite one.
    """
    return _crop(x, geometry)


@register_pool(
    "flc",
    over="input",
    family="frequency",
    resamples=True,
    summary="FrequencyLowCut pooling: the crop of spectral, under the name by which robustness papers know it",
    formula="y = Re F^-1(crop(F(x))), the crop centred on frequency 0",
    source="Grabinski, Jung, Keuper & Keuper, arXiv 2204.00491; GeJulia/flc_pooling, flc_pooling.py",
    exempt=_EXEMPT,
)
def flc(x: Tensor, geometry: Geometry) -> Tensor:
    """Computes exactly what ``spectral`` computes, for every input and window.

    The authors' code takes a stride of 2 only and returns the modulus of the complex result, which turns negative
    values positive; here, as in their later ASAP, it is the real part. Their crop starts at ``int(n / 4)``, which is
    off centre for sizes that 4 does not divide; this one is centred for every size. The two agree where 4 divides the
    size and the cropped signal is real and not negative. Their code was read, the paper could not be.
    """
    return _crop(x, geometry)


def _check_window(window: str = "centred") -> None:
    if window not in ("centred", "authors"):
        raise ValueError(f"window={window!r}: 'centred' or 'authors' is allowed")


@register_pool(
    "asap",
    over="input",
    family="frequency",
    resamples=True,
    summary="the low frequencies of the whole input, tapered by the root of a Hamming window against ringing",
    formula="y = Re F^-1(crop(h F(x))), h = sqrt(outer Hamming window)",
    source="Grabinski, Keuper & Keuper, arXiv 2307.09804; GeJulia/flc_pooling, asap.py",
    check=_check_window,
    exempt=_EXEMPT,
)
def asap(x: Tensor, geometry: Geometry, *, window: str = "centred") -> Tensor:
    """Multiplies the spectrum of the whole input by a window over all its frequencies, then crops as ``spectral`` does.

    ``window="centred"`` is ``sqrt(0.54 + 0.46 cos(2 pi k / n))`` for frequency k of an axis of n: 1 at frequency 0, so
    that the mean is kept, and the same for k and -k. ``"authors"`` is the root of ``numpy.hamming(n)`` over the
    frequencies from ``-(n // 2)`` on, as in the public code: at even sizes its middle lies between frequencies -1 and
    0, so that a constant is scaled by a little less than 1 per axis. Axes with a stride of 1 are tapered too.

    Other deviations from that code: it takes a stride of 2 only, returns height and width exchanged unless
    ``transpose=False``, and its crop is off centre for sizes that 4 does not divide. Its variants that pad the input
    with zeros are not part of this operator. The code was read, the paper could not be.
    """

    def gain(axis: int, n: int, a: Tensor) -> Tensor:
        k = torch.arange(n, dtype=a.dtype, device=a.device)
        if window == "centred":
            return (1 - 0.92 * torch.sin(k * (math.pi / n)).square()).sqrt()
        place = (k + n // 2).remainder(n)
        return (0.08 + 0.92 * torch.sin(place * (math.pi / larger(n - 1, 1))).square()).sqrt() if n > 1 else k + 1

    return _crop(x, geometry, gain)


def _check_diffstride(
    strides: float | tuple[float, ...] | Tensor | None = None, smoothness: float = 4.0, size: str = "asked"
) -> None:
    given = strides if isinstance(strides, (tuple, list)) else (strides,)
    if not isinstance(strides, Tensor) and any(
        value is not None and not (is_number(value) and 1 <= value < math.inf) for value in given
    ):
        raise ValueError(f"strides={strides!r}: a finite number >= 1, one per axis, a tensor or None is allowed")
    if not (is_number(smoothness) and 0 <= smoothness < math.inf):
        raise ValueError(f"smoothness={smoothness!r}: a finite number >= 0 is allowed")
    if size not in ("asked", "learned"):
        raise ValueError(f"size={size!r}: 'asked' or 'learned' is allowed")


def _per_axis(strides: float | tuple[float, ...] | Tensor | None, geometry: Geometry) -> list[float] | list[Tensor]:
    """Return the stride of each axis, at least 1."""
    n = geometry.ndim
    if strides is None:
        return [float(step) for step in geometry.stride]
    if isinstance(strides, Tensor):
        if strides.dim() and tuple(strides.shape) != (n,):
            raise ValueError(f"strides: shape {tuple(strides.shape)}; a scalar or one per axis, ({n},), is allowed")
        return list(strides.clamp(min=1).expand(n).unbind())
    given: list[Any] = list(strides) if isinstance(strides, (tuple, list)) else [strides] * n
    if len(given) != n:
        raise ValueError(f"strides={strides!r}: a finite number >= 1, one per axis, {n}, a tensor or None is allowed")
    return [float(value) for value in given]


class _DiffStride(Pool):
    """The module learns the stride of each axis, which starts at ``strides``, or at that of the windows if None."""

    def __init__(
        self,
        *args: Any,
        strides: float | tuple[float, ...] | None = None,
        smoothness: float = 4.0,
        size: str = "asked",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        _check_diffstride(strides, smoothness, size)
        self.smoothness, self.size = smoothness, size
        start = [float(value) for value in _per_axis(strides, self.geometry)]
        self.strides = nn.Parameter(torch.tensor(start, device=device, dtype=dtype))

    def params(self, x: Tensor) -> dict[str, Any]:
        return {"strides": self.strides, "smoothness": self.smoothness, "size": self.size}

    def shown_params(self) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        if not self.strides.is_meta:
            strides = tuple(max(round(value, 4), 1.0) for value in self.strides.tolist())
            shown |= {} if strides == self.stride else {"strides": strides}
        shown |= {} if self.smoothness == 4 else {"smoothness": self.smoothness}
        return shown if self.size == "asked" else shown | {"size": self.size}


@register_pool(
    "diffstride",
    over="input",
    family="frequency",
    resamples=True,
    class_name="DiffStridePool",
    summary="the low frequencies of the whole input, with a learned stride that says where they fade out",
    formula="y = Re F^-1(crop(prod_axes m(k) F(x))), m(k) = clip((R + n / (2 S) - |k|) / R, 0, 1)",
    source="Riad et al., arXiv 2202.01653; google-research/diffstride, diffstride/pooling.py",
    module=_DiffStride,
    learnable=True,
    check=_check_diffstride,
    exempt=_EXEMPT,
)
def diffstride(
    x: Tensor,
    geometry: Geometry,
    *,
    strides: float | tuple[float, ...] | Tensor | None = None,
    smoothness: float = 4.0,
    size: str = "asked",
) -> Tensor:
    """``strides`` are S, real numbers of 1 or more: one, one per axis, or a tensor, which gets a gradient; None is the
    stride of the windows. ``smoothness`` is R, over how many frequencies k of an axis of n the window fades out.

    ``size="asked"`` crops to torch's output size for these windows, as all comparisons need it. The frequencies beyond
    it are lost, so that the stride has a gradient only where the window fades out within it: at the stride of the
    windows, values are those of ``spectral`` and the gradient is 0. ``size="learned"`` keeps every frequency that the
    window passes, ``2 ceil(R + n / (2 S)) - 1`` per axis, n at most, as the authors do: the output then follows the
    stride, about 2 R larger than n / S, and a program that is compiled or exported keeps the size that it was made
    with. ``smoothness=0`` passes frequencies up to n / (2 S) and no others.

    In the authors' code the positions of the first axis count frequency -1 as 0, the window of the last axis is one
    frequency wider than that of the first, and sizes are even; here windows are symmetric and alike. A stride of less
    than n / (n - R) is raised to that in place; here it is raised to 1 where it is used. The code was read, of the
    paper only what the code's comments say.
    """
    steps = _per_axis(strides, geometry)
    check_input(x, geometry.ndim)
    sizes = x.shape[-geometry.ndim :]

    def passed(axis: int, n: int) -> Any:
        """Return how far the window passes frequencies whole: n / (2 S), 1 at least."""
        half = n / (2 * steps[axis])
        return half.clamp(min=1) if isinstance(half, Tensor) else larger(half, 1.0)

    def gain(axis: int, n: int, a: Tensor) -> Tensor:
        k = torch.arange(n, device=a.device)
        k = torch.minimum(k, n - k).to(a.dtype)
        half = passed(axis, n)
        half = half.to(a.dtype) if isinstance(half, Tensor) else half
        return ((smoothness + half - k) / smoothness).clamp(0, 1) if smoothness else (k <= half).to(a.dtype)

    if size == "asked":
        return _crop(x, geometry, gain)
    ends = [torch.as_tensor(passed(axis, n)).detach() for axis, n in enumerate(sizes)]
    last = [smoothness + float(end) for end in ends]
    kept = [2 * (math.ceil(end) if smoothness else math.floor(end) + 1) - 1 for end in last]
    return _crop(x, geometry, gain, [min(m, n) for m, n in zip(kept, sizes, strict=True)])
