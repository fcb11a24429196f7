"""Metrics of image quality for batches of images: PSNR, SSIM, MS-SSIM and the plain errors.

All take two tensors or two arrays, by default ``(N, C, H, W)``, and give one score per image, or the mean of the
scores. They are differentiable in torch, and equal the scores that ``poolzoo compare`` writes into its rows.

Everything is computed in float64. A score of float64 or integer tensors is float64, of other tensors float32. Arrays
give numpy's float64.

Formulas:

- ``mse = mean (x - y)^2``, ``mae = mean |x - y|``, ``psnr = -10 log10 mse``, of values divided by ``data_range``.
- SSIM is that of Wang et al. 2004: means, variances and the covariance under an 11-tap Gaussian window with sigma 1.5,
  ``K1 = 0.01``, ``K2 = 0.03``; population covariance; windows inside the image; the mean over pixels and channels.
- MS-SSIM is that of Wang et al. 2003: five scales, each half as large as the one before, with the paper's weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["mae", "mse", "ms_ssim", "psnr", "ssim"]

Images = TypeVar("Images", Tensor, NDArray[Any])
Reduction = Literal["mean", "none"]

#: Taps of SSIM's window, and its standard deviation.
_TAPS, _SIGMA = 11, 1.5
#: The exponents of MS-SSIM's scales, the finest first.
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def mse(
    input: Images, target: Images, *, data_range: float = 1.0, data_format: str = "NCHW", reduction: Reduction = "mean"
) -> Images:
    """Mean squared error, of values divided by ``data_range``.

    Args:
        input: a batch of images, or one image; see ``data_format``.
        target: the images that it is compared with, of the same shape. Exchanging the two changes nothing.
        data_range: the largest possible value minus the smallest: 1 for values in [0, 1], 255 for uint8.
        data_format: the axes: N (images), C (channels), D (depth), H and W, each a letter; N, C and D may be absent.
            ``"HWC"`` is one image with its channels last, ``"HW"`` a grey one.
        reduction: ``mean`` of the images' scores, or ``none``: one score per image, of shape ``(N,)``.

    Raises:
        TypeError: complex numbers, or not two tensors or two arrays.
        ValueError: shapes that differ, are empty or do not fit ``data_format``, or an unknown ``data_range``.
    """
    return _score(_mse, input, target, data_range, data_format, reduction)


def mae(
    input: Images, target: Images, *, data_range: float = 1.0, data_format: str = "NCHW", reduction: Reduction = "mean"
) -> Images:
    """Mean absolute error, of values divided by ``data_range``; arguments and errors are those of :func:`mse`."""
    return _score(_mae, input, target, data_range, data_format, reduction)


def psnr(
    input: Images, target: Images, *, data_range: float = 1.0, data_format: str = "NCHW", reduction: Reduction = "mean"
) -> Images:
    """Peak signal-to-noise ratio in dB, ``-10 log10(mse)``; arguments and errors are those of :func:`mse`.

    It is infinite for equal images, where it has no gradient. The mean is that of the images' ratios.
    """
    return _score(_psnr, input, target, data_range, data_format, reduction)


def ssim(
    input: Images, target: Images, *, data_range: float = 1.0, data_format: str = "NCHW", reduction: Reduction = "mean"
) -> Images:
    """Structural similarity of Wang et al. 2004: at most 1, and 1 for equal images.

    Arguments and errors are those of :func:`mse`; each side of an image has at least 11 pixels. It equals
    scikit-image's ``structural_similarity`` with ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False``.

    Example:
        >>> x = torch.rand(4, 3, 32, 32)
        >>> ssim(x, x, reduction="none")
        tensor([1., 1., 1., 1.])
    """
    return _score(_ssim, input, target, data_range, data_format, reduction, least_side=_TAPS)


def ms_ssim(
    input: Images, target: Images, *, data_range: float = 1.0, data_format: str = "NCHW", reduction: Reduction = "mean"
) -> Images:
    """Multi-scale structural similarity of Wang et al. 2003: from 0 to 1, and 1 for equal images.

    Arguments and errors are those of :func:`mse`, without D in ``data_format``; each side of an image has at least 161
    pixels. Values are clipped to ``[0, data_range]``, beyond which they have no gradient. It equals piq's
    ``multi_scale_ssim``.
    """
    if "D" in data_format:
        raise ValueError(f"data_format={data_format!r}: MS-SSIM is of images; N, C, H and W are allowed")
    least_side = (_TAPS - 1) * 2 ** (len(_SCALE_WEIGHTS) - 1) + 1
    return _score(_ms_ssim, input, target, data_range, data_format, reduction, least_side=least_side)


def _score(
    function: Callable[[Tensor, Tensor], Tensor],
    input: Images,
    target: Images,
    data_range: float,
    data_format: str,
    reduction: Reduction,
    least_side: int = 1,
) -> Images:
    """The score by ``function``, which takes ``(N, C, *sizes)`` in float64, of data range 1, and gives ``(N,)``."""
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction={reduction!r}: 'mean' or 'none' is allowed")
    _check(input, target, data_range, data_format)
    x, y = (_as_batch(images, data_range, data_format) for images in (input, target))
    if min(x.shape[2:]) < least_side:
        sides = "x".join(map(str, x.shape[2:]))
        raise ValueError(f"input: {sides} pixels; at least {least_side} are needed on each side")
    scores = function(x, y)
    scores = scores.mean() if reduction == "mean" else scores
    if isinstance(input, Tensor):
        is_float = input.is_floating_point()
        return scores.to(torch.promote_types(input.dtype, torch.float32) if is_float else torch.float64)
    found: Images = scores.numpy()[()]
    return found


def _check(input: Any, target: Any, data_range: float, data_format: str) -> None:
    for name, images in (("input", input), ("target", target)):
        if not isinstance(images, Tensor if isinstance(input, Tensor) else np.ndarray):
            raise TypeError(f"{name}: a {type(images).__name__}; two tensors or two arrays are allowed")
        if images.dtype.is_complex if isinstance(images, Tensor) else images.dtype.kind not in "fiub":
            raise TypeError(f"{name}: dtype {images.dtype} is not allowed; real numbers are")
    if input.shape != target.shape:
        raise ValueError(f"target: shape {tuple(target.shape)}; that of input, {tuple(input.shape)}, is allowed")
    if isinstance(input, Tensor) and input.device != target.device:
        raise ValueError(f"target: on {target.device}; the device of input, {input.device}, is allowed")
    letters = set(data_format)
    if not {"H", "W"} <= letters <= set("NCDHW") or len(letters) != len(data_format):
        raise ValueError(f"data_format={data_format!r}: N, C, D, H and W are allowed, each once, H and W at least")
    if input.ndim != len(data_format):
        raise ValueError(f"input: shape {tuple(input.shape)}; data_format={data_format!r} has {len(data_format)} axes")
    if 0 in input.shape:
        raise ValueError(f"input: shape {tuple(input.shape)} is empty")
    if isinstance(data_range, bool) or not isinstance(data_range, (int, float)) or not 0 < data_range < math.inf:
        raise ValueError(f"data_range={data_range!r}: a positive number is allowed")
    for name, images in (("input", input), ("target", target)):
        kind = str(images.dtype).removeprefix("torch.")
        if data_range == 1 and kind.startswith(("int", "uint")):
            raise ValueError(f"data_range={data_range!r}: {name} is of {kind}; 255 is the data range of uint8 images")


def _as_batch(images: Any, data_range: float, data_format: str) -> Tensor:
    """``(N, C, *sizes)`` in float64, of data range 1."""
    x = images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images, np.float64))
    x = x.permute([data_format.index(letter) for letter in "NCDHW" if letter in data_format]).double()
    for place, letter in enumerate("NC"):
        x = x if letter in data_format else x.unsqueeze(place)
    return x if data_range == 1 else x / data_range


def _mse(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().flatten(1).mean(1)


def _mae(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).abs().flatten(1).mean(1)


def _psnr(x: Tensor, y: Tensor) -> Tensor:
    return -10 * _mse(x, y).log10() + 0.0  # no -0


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    luminance, structure = _compared(x, y)
    return (luminance * structure).flatten(1).mean(1)


def _ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    x, y = x.clamp(0, 1), y.clamp(0, 1)
    parts = []
    for scale in range(len(_SCALE_WEIGHTS)):
        if scale:
            odd = max(size % 2 for size in x.shape[2:])
            x, y = (F.avg_pool2d(F.pad(z, (odd, 0, odd, 0), mode="replicate"), 2) for z in (x, y))
        luminance, structure = _compared(x, y)
        parts.append((structure if scale < len(_SCALE_WEIGHTS) - 1 else luminance * structure).flatten(2).mean(2))
    weights = torch.tensor(_SCALE_WEIGHTS, dtype=x.dtype, device=x.device).reshape(-1, 1, 1)
    return (torch.stack(parts).relu() ** weights).prod(0).mean(1)


def _compared(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Wang's comparisons of luminance, and of contrast with structure, at each pixel whose window lies inside.

    With M and N the windows' means, P the covariance and D the variance of the difference they are
    ``(2 M N + C1) / (2 M N + C1 + (M - N)^2)`` and ``(2 P + C2) / (2 P + C2 + D)``, which are exactly 1 for equal
    images. Moments are taken around each image's mean, so that a large mean does not take their digits.
    """
    axes = tuple(range(2, x.dim()))
    centres = [z.mean(axes, keepdim=True) for z in (x, y)]
    a, b = x - centres[0], y - centres[1]
    difference = a - b
    m, n, product, square = (_blurred(z) for z in (a, b, a * b, difference.square()))
    covariance, variance = product - m * n, square - (m - n).square()
    m, n = m + centres[0], n + centres[1]
    luminance, structure = 2 * m * n + 0.01**2, 2 * covariance + 0.03**2
    return luminance / (luminance + (m - n).square()), structure / (structure + variance)


def _blurred(x: Tensor) -> Tensor:
    """The mean under SSIM's window, of windows that lie inside."""
    taps = torch.arange(_TAPS, dtype=x.dtype, device=x.device) - _TAPS // 2
    weights = (-taps.square() / (2 * _SIGMA**2)).exp()
    weights = weights / weights.sum()
    ndim = x.dim() - 2
    convolve = F.conv2d if ndim == 2 else F.conv3d
    planes = x.flatten(0, 1).unsqueeze(1)
    for axis in range(ndim):
        shape = [1] * ndim
        shape[axis] = _TAPS
        planes = convolve(planes, weights.reshape(1, 1, *shape))
    return planes.reshape(*x.shape[:2], *planes.shape[2:])
