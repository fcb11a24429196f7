"""How much of an image is left: PSNR, SSIM, the plain errors and, from piq, further measures of perceived quality.

All take ``(H, W, C)`` arrays of the same shape, the original first, and ``data_range``, 1 for images in [0, 1]: the
scores are those of the values divided by it. A rebuilt image may leave the range; only piq's metrics clip it. Volumes,
``(D, H, W, C)``, have PSNR, SSIM and the plain errors. A NaN in an image makes its scores NaN.

SSIM and the errors are computed in float64. Those of images are native (``cuda/metrics_cpu.cpp``) and the same to the
bit for any number of threads; where that cannot be built, and for volumes, scikit-image and numpy stand in.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    FloatImage = NDArray[np.float64]

#: SSIM's window: 11 taps, so no side of an image or volume may be shorter.
SSIM_WINDOW = 11

#: Set in the threads of a pool, which calls its metrics side by side already.
_caller = threading.local()


def use_one_thread() -> None:
    """Let no native metric that is called from this thread start others: what a pool's threads begin with."""
    _caller.alone = True


def mse(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Mean squared error, over the squared data range."""
    return _errors(original, rebuilt, data_range)[0] / float(data_range) ** 2


def mae(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Mean absolute error, over the data range."""
    return _errors(original, rebuilt, data_range)[1] / float(data_range)


def psnr(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB, ``-10 log10(mse)``, mse over the squared data range; inf for equal images."""
    error = mse(original, rebuilt, data_range=data_range)
    return 10 * -math.log10(error) + 0.0 if error else math.inf


def ssim(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Structural similarity of Wang et al. 2004, the mean over pixels and channels; 1 for equal images.

    11-tap Gaussian window with sigma 1.5, population covariance, K1 = 0.01, K2 = 0.03, border of 5 pixels cropped:
    scikit-image's ``structural_similarity`` with the arguments of the paper, but that no digits are lost where the mean
    is large and the variance small.

    Raises:
        ValueError: a side is shorter than 11 pixels, the shapes differ, or ``data_range`` is not positive.
    """
    _check(original, rebuilt, data_range, "SSIM", SSIM_WINDOW)
    pair = _native_pair(original, rebuilt)
    if pair is None:
        return _scikit_ssim(original, rebuilt, data_range)[0]
    return float(_operators().metric_ssim(*pair, data_range, _many_threads()))


def ssim_map(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> FloatImage:
    """Local SSIM: of each window that lies inside, so that :func:`ssim` is the mean of the map.

    Returns:
        ``(H - 10, W - 10, C)``, values in [-1, 1]; ``[i, j]`` is that of the window around pixel ``[i + 5, j + 5]``.

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
    """The mean square and the mean absolute value of the difference."""
    import numpy as np

    _check(original, rebuilt, data_range)
    pair = _native_pair(original, rebuilt)
    if pair is None:
        difference = np.subtract(original, rebuilt, dtype=np.float64)
        return float((difference**2).mean()), float(abs(difference).mean())
    square, absolute = _operators().metric_errors(*pair, _many_threads()).tolist()
    return square, absolute


def _native_pair(original: FloatImage, rebuilt: FloatImage) -> tuple[Tensor, Tensor] | None:
    """Both images as the native metrics take them; None for volumes, and where there are no native metrics."""
    from poolzoo import cuda

    if original.ndim != 3 or cuda.why_no_metrics():
        return None
    return _as_tensor(original), _as_tensor(rebuilt)


def _as_tensor(image: FloatImage) -> Tensor:
    """Shares the image's memory, whatever its strides, but where torch cannot."""
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
    """The mean and the map, whose border of 5 pixels the mean leaves out."""
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


class PiqMetric(NamedTuple):
    """A metric of piq that needs no weights: its function there, and the shortest side that it is defined for."""

    function: str
    least: int


#: What `pip install 'poolzoo[metrics]'` adds. In the order of publication: Wang et al. 2003, Sheikh and Bovik 2006 (in
#: the pixel domain), Zhang et al. 2011, Xue et al. 2014, Nafchi et al. 2016, Reisenhofer et al. 2018.
PIQ_METRICS = {
    "ms_ssim": PiqMetric("multi_scale_ssim", 161),  # five scales of SSIM's window
    "vif": PiqMetric("vif_p", 41),
    "fsim": PiqMetric("fsim", 2),
    "gmsd": PiqMetric("gmsd", 2),
    "mdsi": PiqMetric("mdsi", 2),
    "haarpsi": PiqMetric("haarpsi", 16),
}

#: Held while piq computes: with all of torch's threads, so one image at a time.
_piq_lock = threading.Lock()


@functools.cache
def _piq() -> Any:
    import piq

    return piq


def check_metrics(names: Iterable[str]) -> None:
    """See that what the metrics need is installed.

    Raises:
        ValueError: a metric of piq, and piq cannot be imported.
    """
    for name in names:
        if name in PIQ_METRICS:
            try:
                _piq()
            except Exception as error:  # a torchvision of another torch raises anything
                reason = " ".join(str(error).split())
                hint = "pip install 'poolzoo[metrics]' brings what it needs"
                raise ValueError(f"metric {name}: {hint} ({reason})") from error


def _by_piq(name: str, original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """A metric of piq, of images divided by the data range and clipped to [0, 1], outside of which it takes none.

    Raises:
        ValueError: an image that is neither grey nor RGB, or too small; piq cannot be imported.
    """
    import numpy as np
    import torch

    check_metrics([name])
    _check(original, rebuilt, data_range, name, PIQ_METRICS[name].least)
    if original.ndim != 3 or original.shape[2] not in (1, 3):
        raise ValueError(f"metric {name}: an image of shape {original.shape}; (H, W, 1) and (H, W, 3) are allowed")
    if not (np.isfinite(original).all() and np.isfinite(rebuilt).all()):
        return math.nan
    # A grey is repeated, as it is where an image is read: not all of them take one channel.
    x, y = (
        torch.from_numpy(np.clip(image.astype(np.float64) / data_range, 0, 1).transpose(2, 0, 1)[None]).expand(
            1, 3, -1, -1
        )
        for image in (original, rebuilt)
    )
    if name == "haarpsi" and not (x.any() or y.any()):
        return 1.0  # equal; piq would have no weights to divide by, and infinity for it
    with _piq_lock, torch.no_grad():
        return float(getattr(_piq(), PIQ_METRICS[name].function)(x, y, data_range=1.0))


#: The shortest side that a metric is defined for, where that is not 1.
LEAST_SIDES = {"ssim": SSIM_WINDOW} | {name: metric.least for name, metric in PIQ_METRICS.items()}

METRICS: dict[str, Callable[..., float]] = {"psnr": psnr, "ssim": ssim, "mse": mse, "mae": mae}
METRICS |= {name: functools.partial(_by_piq, name) for name in PIQ_METRICS}
