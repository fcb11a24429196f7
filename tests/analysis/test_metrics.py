"""Metrics against scikit-image, by hand, and on the edges."""

from __future__ import annotations

import math

import numpy as np
import oracles
import pytest
import skimage.data
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from poolzoo.analysis.metrics import METRICS, mae, mse, psnr, ssim


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    image = skimage.data.astronaut()[100:140, 200:231] / 255.0
    return image, image + np.random.default_rng(0).normal(0, 0.1, image.shape)


def test_psnr_and_mse_are_scikit_images(pair):
    assert psnr(*pair) == pytest.approx(peak_signal_noise_ratio(*pair, data_range=1), rel=1e-12)
    assert mse(*pair) == pytest.approx(mean_squared_error(*pair), rel=1e-12)


def test_ssim_is_wangs_formula(pair):
    small = [image[:16, :17] for image in pair]
    assert ssim(*small) == pytest.approx(oracles.ssim(*small), abs=1e-10)


def test_errors_by_hand():
    zeros, image = np.zeros((1, 2, 3)), np.array([[[0.5, 0, 0], [0, 0, -0.1]]])
    assert mse(zeros, image) == pytest.approx(0.26 / 6)
    assert mae(zeros, image) == pytest.approx(0.1)


def test_equal_images_are_perfect(pair):
    image = pair[0]
    assert {name: metric(image, image) for name, metric in METRICS.items()} == {
        "psnr": math.inf,
        "ssim": pytest.approx(1, abs=1e-12),
        "mse": 0,
        "mae": 0,
    }
