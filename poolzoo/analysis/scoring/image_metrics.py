"""Image metrics, which compare a rebuilt image with the original: PSNR, SSIM, plain errors and, from piq, further ones.

All take two ``(H, W, C)`` arrays of the same shape, the original first, and ``data_range``, 1 for images in [0, 1]; the
values are divided by it. A rebuilt image may leave the range; only piq's metrics clip it. Volumes,
``(D, H, W, C)``, have PSNR, SSIM and the plain errors. A NaN in an image makes its scores NaN.

SSIM and the errors are computed in float64. For images they are native (``native/metrics_cpu.cpp``), with equal bits
for any number of threads. For volumes, and if the native code cannot be built, scikit-image and numpy are used.
"""

from __future__ import annotations

import functools
import math
import threading
from typing import TYPE_CHECKING, Any, Literal

from poolzoo._console import reason
from poolzoo.analysis.results.schema import METRICS, register_metric

if TYPE_CHECKING:
    from torch import Tensor

    from poolzoo.analysis.inputs.files import FloatImage

#: SSIM's window: 11 taps, so no side of an image or volume may be shorter.
SSIM_WINDOW = 11

#: Set in the threads of a pool, which calls its metrics side by side already.
_caller = threading.local()


def use_one_thread() -> None:
    """Keep native metrics that this thread calls from starting threads; each thread of a pool calls it first."""
    _caller.alone = True


@register_metric(
    "psnr",
    title="PSNR",
    unit="dB",
    better="higher",
    format=".2f",
    exact=120.0,
    note="PSNR of data range 1",
    method="PSNR is of each image, for a data range of 1; equal images have an infinite one.",
    features_note="PSNR of each map's own range",
    source="-10 log10 of the mean squared error",
)
def psnr(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Return the peak signal-to-noise ratio in dB, ``-10 log10(mse)``, mse over the squared data range; inf for equal
    images.

    A value of 120 dB is an error of a millionth of the range, a fifteenth of the step between two values of a 16-bit
    picture: an error that small is rounding.
    """
    error = mse(original, rebuilt, data_range=data_range)
    return 10 * -math.log10(error) + 0.0 if error else math.inf


@register_metric(
    "ssim",
    title="SSIM",
    better="higher",
    least_side=SSIM_WINDOW,
    note="SSIM as Wang 2004 (11-tap Gaussian, sigma 1.5)",
    method="SSIM is that of Wang et al. 2004: an 11-tap Gaussian window of sigma 1.5, population covariance, the"
    " border cropped; the mean over the channels.",
    source="Wang, Bovik, Sheikh & Simoncelli 2004 (IEEE Trans. Image Process. 13(4))",
)
def ssim(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Return the structural similarity of Wang et al. 2004, the mean over pixels and channels; 1 for equal images.

    11-tap Gaussian window with sigma 1.5, population covariance, K1 = 0.01, K2 = 0.03, border of 5 pixels cropped:
    scikit-image's ``structural_similarity`` with the arguments of the paper, except that no digits are lost if the mean
    is large and the variance small.

    Raises:
        ValueError: a side is shorter than 11 pixels, the shapes differ, or ``data_range`` is not positive.
    """
    _check(original, rebuilt, data_range, "SSIM", SSIM_WINDOW)
    pair = _native_pair(original, rebuilt)
    if pair is None:
        return _scikit_ssim(original, rebuilt, data_range)[0]
    return float(_operators().metric_ssim(*pair, data_range, _many_threads()))


@register_metric(
    "mse",
    title="MSE",
    better="lower",
    format=".6f",
    note="MSE on [0, 1]",
    method="MSE is the mean squared error of values in [0, 1].",
    features_note="MSE relative to each map's own range",
    source="mean squared error",
)
def mse(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Return the mean squared error, over the squared data range."""
    return _errors(original, rebuilt, data_range)[0] / float(data_range) ** 2


@register_metric(
    "mae",
    title="MAE",
    better="lower",
    format=".5f",
    note="MAE on [0, 1]",
    method="MAE is the mean absolute error of values in [0, 1].",
    features_note="MAE relative to each map's own range",
    source="mean absolute error",
)
def mae(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Return the mean absolute error, over the data range."""
    return _errors(original, rebuilt, data_range)[1] / float(data_range)


def ssim_map(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> FloatImage:
    """Return the local SSIM of each window inside the image; :func:`ssim` is the mean of the map.

    Returns:
        ``(H - 10, W - 10, C)``, values in [-1, 1]; ``[i, j]`` belongs to the window around pixel ``[i + 5, j + 5]``.

    Raises:
        ValueError: as :func:`ssim`.
    """
    _check(original, rebuilt, data_range, "SSIM", SSIM_WINDOW)
    pair = _native_pair(original, rebuilt)
    if pair is None:
        inside = (slice(SSIM_WINDOW // 2, -(SSIM_WINDOW // 2)),) * (original.ndim - 1)
        return _scikit_ssim(original, rebuilt, data_range)[1][inside]
    found: FloatImage = _operators().metric_ssim_map(*pair, data_range, _many_threads()).numpy()
    return found


def _check(original: FloatImage, rebuilt: FloatImage, data_range: float, name: str = "", least: int = 1) -> None:
    if original.shape != rebuilt.shape or original.ndim not in (3, 4) or not original.size:
        raise ValueError(
            f"images of shapes {original.shape} and {rebuilt.shape}: equal ones are allowed, (H, W, C) or (D, H, W, C)"
            " and not empty"
        )
    if not 0 < data_range < math.inf:
        raise ValueError(f"data_range={data_range}: a positive number is allowed")
    for key, image in (("original", original), ("rebuilt", rebuilt)):
        if image.dtype.kind not in "fiub":
            raise TypeError(f"{key}: dtype {image.dtype} is not allowed; real numbers are")
        if image.dtype.kind in "iu" and data_range == 1:
            raise ValueError(
                f"data_range={data_range}: {key} is of {image.dtype}; 255 is the data range of uint8 images"
            )
    if min(original.shape[:-1]) < least:
        sides = "x".join(map(str, original.shape[:-1]))
        raise ValueError(f"an image of {sides} pixels: {name} needs at least {least} on each side")


def _errors(original: FloatImage, rebuilt: FloatImage, data_range: float) -> tuple[float, float]:
    """Return the mean square and the mean absolute value of the difference."""
    import numpy as np

    _check(original, rebuilt, data_range)
    pair = _native_pair(original, rebuilt)
    if pair is None:
        difference = np.subtract(original, rebuilt, dtype=np.float64)
        return float((difference**2).mean()), float(abs(difference).mean())
    square, absolute = _operators().metric_errors(*pair, _many_threads()).tolist()
    return square, absolute


def _native_pair(original: FloatImage, rebuilt: FloatImage) -> tuple[Tensor, Tensor] | None:
    """Return both images as the native metrics take them; None for volumes, and if there are no native metrics."""
    from poolzoo import native

    if original.ndim != 3 or native.why_no_metrics():
        return None
    return _as_tensor(original), _as_tensor(rebuilt)


def _as_tensor(image: FloatImage) -> Tensor:
    """Return the image as a tensor that shares its memory, whatever its strides, if torch allows it."""
    import numpy as np
    import torch

    image = np.asarray(image, np.float64)
    shared = image.flags.writeable and all(stride >= 0 and stride % image.itemsize == 0 for stride in image.strides)
    return torch.from_numpy(image if shared else image.copy())


def _operators() -> Any:
    import torch

    return torch.ops.poolzoo


def _many_threads() -> bool:
    return not getattr(_caller, "alone", False)


def _scikit_ssim(original: FloatImage, rebuilt: FloatImage, data_range: float) -> tuple[float, FloatImage]:
    """Return the mean and the map; the mean leaves out a border of 5 pixels."""
    import numpy as np
    from skimage.metrics import structural_similarity

    mean, local = structural_similarity(  # type: ignore[no-untyped-call]
        np.asarray(original, np.float64),
        np.asarray(rebuilt, np.float64),
        data_range=data_range,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(mean), local


#: Held while piq computes: with all of torch's threads, so one image at a time.
_piq_lock = threading.Lock()


@functools.cache
def _piq() -> Any:
    import piq

    return piq


def _check_piq(key: str) -> None:
    try:
        _piq()
    except Exception as error:  # a torchvision of another torch raises anything
        why = reason(error)
        raise ValueError(f"metric {key}: pip install 'poolzoo[metrics]' installs what it needs ({why})") from error


def _register_piq(
    key: str, function: str, *, least_side: int, title: str, better: Literal["higher", "lower"], note: str, source: str
) -> None:
    """Register a metric of piq that needs no weights.

    Args:
        key, least_side, title, better, source: see :class:`poolzoo.analysis.results.schema.Metric`.
        function: its name in piq.
        note: the paper that it follows, in words.
    """

    def compute(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
        return _by_piq(key, function, original, rebuilt, data_range)

    note = f"{title} as {note}, by piq, values clipped to [0, 1]{'; lower is better' * (better == 'lower')}"
    check = functools.partial(_check_piq, key)
    register_metric(
        key,
        title=title,
        better=better,
        note=note,
        least_side=least_side,
        source=source,
        check=check,
        extra="metrics",
    )(compute)


def _by_piq(key: str, function: str, original: FloatImage, rebuilt: FloatImage, data_range: float) -> float:
    """Return a metric of piq, for images divided by the data range and clipped to [0, 1], the range that piq allows.

    Raises:
        ValueError: an image that is neither grey nor RGB, or too small; piq cannot be imported.
    """
    import numpy as np
    import torch

    _check_piq(key)
    _check(original, rebuilt, data_range, key, METRICS[key].least_side)
    if original.ndim != 3 or original.shape[2] not in (1, 3):
        raise ValueError(f"an image of shape {original.shape}: (H, W, 1) and (H, W, 3) are allowed")
    if not (np.isfinite(original).all() and np.isfinite(rebuilt).all()):
        return math.nan
    # A grey is repeated, as it is where an image is read: not all of them take one channel.
    x, y = (
        torch.from_numpy(np.clip(image.astype(np.float64) / data_range, 0, 1).transpose(2, 0, 1)[None]).expand(
            1, 3, -1, -1
        )
        for image in (original, rebuilt)
    )
    if key == "haarpsi" and not (x.any() or y.any()):
        return 1.0  # equal; piq would have no weights to divide by, and infinity for it
    with _piq_lock, torch.no_grad():
        return float(getattr(_piq(), function)(x, y, data_range=1.0))


# In the order of publication.
_register_piq(
    "ms_ssim",
    "multi_scale_ssim",
    least_side=161,  # five scales of SSIM's window
    title="MS-SSIM",
    better="higher",
    note="Wang 2003",
    source="Wang, Simoncelli & Bovik 2003 (Asilomar Conference on Signals, Systems & Computers)",
)
_register_piq(
    "vif",
    "vif_p",
    least_side=41,
    title="VIF",
    better="higher",
    note="Sheikh 2006 in the pixel domain",
    source="Sheikh & Bovik 2006 (IEEE Trans. Image Process. 15(2)), in the pixel domain",
)
_register_piq(
    "fsim",
    "fsim",
    least_side=2,
    title="FSIM",
    better="higher",
    note="Zhang 2011 with colour",
    source="Zhang, Zhang, Mou & Zhang 2011 (IEEE Trans. Image Process. 20(8))",
)
_register_piq(
    "gmsd",
    "gmsd",
    least_side=2,
    title="GMSD",
    better="lower",
    note="Xue 2014",
    source="Xue, Zhang, Mou & Bovik 2014 (IEEE Trans. Image Process. 23(2))",
)
_register_piq(
    "mdsi",
    "mdsi",
    least_side=2,
    title="MDSI",
    better="lower",
    note="Nafchi 2016",
    source="Nafchi, Shahkolaei, Hedjam & Cheriet 2016 (IEEE Access 4)",
)
_register_piq(
    "haarpsi",
    "haarpsi",
    least_side=16,
    title="HaarPSI",
    better="higher",
    note="Reisenhofer 2018",
    source="Reisenhofer, Bosse, Kutyniok & Wiegand 2018 (Signal Process. Image Commun. 61)",
)
