"""How much of an image is left: PSNR, SSIM and the plain errors, of float images in [0, 1].

All take ``(H, W, C)`` float64 arrays of the same shape, the original first. The data range is 1 whatever the values: a
rebuilt image may leave [0, 1] and is not clipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatImage = NDArray[np.float64]

#: SSIM's window: 11 taps, so no side of an image may be shorter.
SSIM_WINDOW = 11


def mse(original: FloatImage, rebuilt: FloatImage) -> float:
    """Mean squared error."""
    return float(((original - rebuilt) ** 2).mean())


def mae(original: FloatImage, rebuilt: FloatImage) -> float:
    """Mean absolute error."""
    return float(abs(original - rebuilt).mean())


def psnr(original: FloatImage, rebuilt: FloatImage) -> float:
    """Peak signal-to-noise ratio in dB, ``10 log10(1 / mse)``; inf for equal images."""
    error = mse(original, rebuilt)
    return -10 * math.log10(error) if error else math.inf


def ssim(original: FloatImage, rebuilt: FloatImage) -> float:
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
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


METRICS: dict[str, Callable[[FloatImage, FloatImage], float]] = {"psnr": psnr, "ssim": ssim, "mse": mse, "mae": mae}
