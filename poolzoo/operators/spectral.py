"""Spectral pooling: keep the low frequencies of the whole input's discrete Fourier transform (Rippel et al. 2015)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from poolzoo.geometry import Geometry, accumulation_dtype, check_input, is_fixed, like, output_size, smaller
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


@register_pool(
    "spectral",
    over="input",
    family="frequency",
    resamples=True,
    summary="the low frequencies of the whole input's Fourier transform",
    formula="y = Re F^-1(crop(F(x))), the crop centred on frequency 0",
    source="Rippel, Snoek & Adams, arXiv 1506.03767, section 3; scaled so that the mean is kept",
    exempt={
        "permutation": "a frequency looks at every position",
        "nan": "every output looks at the whole input",
    },
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
    check_input(x, geometry.ndim)
    n = geometry.ndim
    sizes, out = x.shape[-n:], output_size(x.shape[-n:], geometry)
    # Only axes that change: on the others transform and inverse would cancel.
    dims = [axis - n for axis in range(n) if not (is_fixed(sizes[axis], out[axis]) and sizes[axis] == out[axis])]
    a = x.to(accumulation_dtype(x.dtype))
    if not dims:
        return like(a.clone() if a is x else a, x)
    if not a.numel():  # MKL refuses an empty batch; the sum is 0 and keeps the graph
        return like(a.new_zeros(*a.shape[:-n], *out) + a.sum(), x)
    # Divided before the sums that a transform is, so that they do not overflow.
    spectrum = torch.fft.fftn(a / math.prod([sizes[dim] for dim in dims]), dim=dims)
    for dim in dims:
        spectrum = _resize_spectrum(spectrum, dim, out[dim])
    return like(torch.fft.ifftn(spectrum, dim=dims, norm="forward").real.contiguous(), x)
