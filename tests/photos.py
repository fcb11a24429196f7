"""Small images for tests of metrics."""

from __future__ import annotations

import numpy as np
import skimage.data


def photo(height: int, width: int, channels: int = 3) -> np.ndarray:
    """A part of a photograph in [0, 1], ``(height, width, channels)``; a fourth channel is red times green."""
    rgb = skimage.data.astronaut()[40 : 40 + height, 150 : 150 + width] / 255
    return np.concatenate([rgb, rgb[..., :1] * rgb[..., 1:2]], axis=2)[..., :channels]


def noisy(image: np.ndarray, sigma: float = 0.05, seed: int = 0) -> np.ndarray:
    """The image plus normal noise of this deviation."""
    return image + np.random.default_rng(seed).normal(0, sigma, image.shape)
