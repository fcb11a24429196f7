"""piq's metrics: called as piq means them, described, and named where they are missing; of all, which way is up."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from photos import noisy, photo

from poolzoo.analysis.inputs.images import ImageError
from poolzoo.analysis.results.schema import METRICS, check_metrics
from poolzoo.analysis.scoring import image_metrics as metrics
from poolzoo.analysis.scoring.round_trip import crop
from poolzoo.geometry import make_geometry

IMAGE = [key for key, metric in METRICS.items() if metric.of == "image"]
PIQ = [key for key in IMAGE if METRICS[key].extra == "metrics"]


def need_piq(name: str) -> None:
    if name in PIQ:
        pytest.importorskip("piq", reason="piq, where it is installed", exc_type=ImportError)


def direct(name: str, x: np.ndarray, y: np.ndarray) -> float:
    need_piq(name)
    import piq

    x, y = (torch.from_numpy(z.transpose(2, 0, 1)[None].copy()) for z in (x, y))
    function = {"ms_ssim": piq.multi_scale_ssim, "vif": piq.vif_p}.get(name) or getattr(piq, name)
    return float(function(x, y, data_range=1.0))


@pytest.mark.parametrize("name", PIQ)
def test_piqs_metrics_are_piqs_of_clipped_images(name):
    image = photo(170, 165)
    other = noisy(image, 0.1)
    assert other.max() > 1 and other.min() < 0
    expected = direct(name, image, other.clip(0, 1))
    assert METRICS[name].compute(image, other) == pytest.approx(expected, rel=1e-12)
    assert METRICS[name].compute(image * 9, other * 9, data_range=9) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", PIQ)
@pytest.mark.parametrize("which", [0, 1])
def test_a_nan_is_not_hidden(name, which):
    need_piq(name)
    images = [photo(170, 165), photo(170, 165)]
    images[which][60, 77, 1] = math.nan
    assert math.isnan(METRICS[name].compute(*images))


@pytest.mark.parametrize("name", IMAGE)
def test_better_is_the_direction_that_the_table_says(name):
    need_piq(name)
    image = photo(170, 165)
    scores = [METRICS[name].compute(image, noisy(image, sigma)) for sigma in (0, 0.02, 0.1)]
    assert scores == sorted(scores, reverse=METRICS[name].higher_is_better)
    assert len(set(scores)) == 3


@pytest.mark.parametrize("name", PIQ)
def test_piqs_metrics_take_grey_and_rgb_from_a_least_size_on(name):
    need_piq(name)
    least = METRICS[name].least_side
    image = photo(least, least + 1)
    assert math.isfinite(METRICS[name].compute(image, noisy(image, 0.1)))
    grey, other = image[..., :1], noisy(image, 0.1)[..., :1]
    # As an image file's grey is: repeated in the three channels.
    expected = METRICS[name].compute(np.repeat(grey, 3, axis=2), np.repeat(other, 3, axis=2))
    assert METRICS[name].compute(grey, other) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match=r"\(H, W, 1\) and \(H, W, 3\)"):
        METRICS[name].compute(*[np.zeros((least, least, 4))] * 2)
    with pytest.raises(ValueError, match=f"{name} needs at least {least}"):
        METRICS[name].compute(*[photo(least, least - 1)] * 2)


@pytest.mark.parametrize(("name", "least"), [("ms_ssim", 161), ("vif", 41), ("haarpsi", 16), ("ssim", 11)])
def test_an_image_too_small_for_a_metric_is_a_row_that_says_so(name, least):
    with pytest.raises(ImageError, match=f"'a.png'.*{METRICS[name].title} needs at least {least}"):
        crop(photo(least - 1, 170), "a.png", make_geometry(2, 1, None), ("psnr", name))


@pytest.mark.parametrize("name", PIQ)
def test_black_images_are_equal_and_that_is_perfect(name):
    need_piq(name)
    black = np.zeros((170, 165, 3))
    assert METRICS[name].compute(black, black - 0.1) == (1 if METRICS[name].higher_is_better else 0)


def test_without_piq_a_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "piq", None)
    metrics._piq.cache_clear()
    with pytest.raises(ValueError, match=r"^metric vif: pip install 'poolzoo\[metrics\]'"):
        check_metrics(["ssim", "vif"])
