"""How much of an image is left: PSNR, SSIM and the plain errors, as fractions of the range of its values.

All take float64 arrays of the same shape, ``(H, W, C)`` or ``(D, H, W, C)``, the original first, and ``data_range``, 1
for images in [0, 1]: the scores are those of the values divided by it. A rebuilt image may leave the range and is not
clipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatImage = NDArray[np.float64]

#: SSIM's window: 11 taps, so no side of an image or volume may be shorter.
SSIM_WINDOW = 11


def mse(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Mean squared error, over the squared data range."""
    return float(((original - rebuilt) ** 2).mean()) / data_range**2


def mae(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Mean absolute error, over the data range."""
    return float(abs(original - rebuilt).mean()) / data_range


def psnr(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB, ``10 log10(1 / mse)``; inf for equal images."""
    error = mse(original, rebuilt, data_range=data_range)
    return -10 * math.log10(error) if error else math.inf


def ssim(original: FloatImage, rebuilt: FloatImage, *, data_range: float = 1.0) -> float:
    """Structural similarity of Wang et al. 2004, the mean over pixels and channels; 1 for equal images.

    11-tap Gaussian window with sigma 1.5, population covariance, K1 = 0.01, K2 = 0.03, border of 5 pixels cropped:
    scikit-image's ``structural_similarity`` with the arguments of the paper.

    Raises:
        ValueError: a side is shorter than 11 pixels.
    """
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            original,
            rebuilt,
            data_range=data_range,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


METRICS: dict[str, Callable[..., float]] = {"psnr": psnr, "ssim": ssim, "mse": mse, "mae": mae}
