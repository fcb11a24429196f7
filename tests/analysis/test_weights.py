"""Weights: of linear operators their filter, of others the derivative, by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from poolzoo import registry
from poolzoo.analysis.inputs.images import find_images
from poolzoo.analysis.scoring.gradients import SAMPLE_WINDOWS, pixel_weights, weights_within, window_weights
from poolzoo.analysis.scoring.pool_modules import make_module
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.scoring.runs import make_runs
from poolzoo.analysis.studies.compare import compare


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [2, 3])
def test_average_weighs_its_window_alone_and_evenly(ndim, kernel_size):
    sample = window_weights("avg", ndim, kernel_size)
    expected = np.zeros((SAMPLE_WINDOWS * kernel_size,) * ndim)
    expected[sample.window] = kernel_size**-ndim
    np.testing.assert_allclose(sample.weights, expected, rtol=0, atol=1e-15)
    assert sample.y == pytest.approx(sample.elements[sample.window].mean(), abs=1e-15)
    assert len(np.unique(sample.elements.round(6))) == sample.elements.size


def test_maximum_weighs_one_element():
    sample = window_weights("max")
    assert sample.weights.sum() == 1
    assert sample.elements[sample.weights == 1] == [sample.elements[sample.window].max()]


def test_blur_weighs_its_binomials_beyond_the_window():
    row = np.array([1, 3, 3, 1]) / 8
    expected = np.zeros((10, 10))
    expected[3:7, 3:7] = row[:, None] * row
    np.testing.assert_allclose(window_weights("blur").weights, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", [n for n in registry.list_pools() if 2 in registry.pool_info(n).ndims])
def test_weights_are_the_derivative(name):
    """Linear operators are met exactly by a finite difference, the others closely; selections have a slope too."""
    if name == "softpool_detached":
        pytest.skip("its gradient is not the derivative, as its registration says")
    sample = window_weights(name)
    module = make_module(name, ndim=2, channels=1, window={"kernel_size": 2}, seed=0, device="cpu", dtype=torch.float64)

    def pooled(elements: np.ndarray) -> float:
        with torch.no_grad():
            return float(module(torch.from_numpy(elements)[None, None])[..., 2, 2].sum())

    for at in [(4, 4), (4, 5), (5, 4), (5, 5), (3, 4), (6, 5)]:
        step = np.zeros((10, 10))
        step[at] = 1e-6
        slope = (pooled(sample.elements + step) - pooled(sample.elements - step)) / 2e-6
        assert slope == pytest.approx(sample.weights[at], abs=1e-7)


def test_a_pixels_weight_is_that_in_its_window():
    picture = np.random.default_rng(0).random((6, 8))
    average, largest, soft = pixel_weights(["avg", "max", "softpool"], picture)
    assert [item.spec for item in (average, largest, soft)] == ["avg", "max", "softpool"]
    np.testing.assert_allclose(average.weights, 0.25, rtol=0, atol=1e-15)
    for row in range(0, 6, 2):
        for column in range(0, 8, 2):
            window = (slice(row, row + 2), slice(column, column + 2))
            a, w = picture[window], np.exp(picture[window]) / np.exp(picture[window]).sum()
            np.testing.assert_array_equal(largest.weights[window], a == a.max())
            np.testing.assert_allclose(soft.weights[window], w * (1 + a - (w * a).sum()), rtol=0, atol=1e-14)


def test_a_pixel_in_several_windows_has_the_sum_of_its_weights():
    (item,) = pixel_weights(["avg"], np.zeros((3, 3)), kernel_size=2, stride=1)
    np.testing.assert_allclose(item.weights * 4, [[1, 2, 1], [2, 4, 2], [1, 2, 1]], rtol=0, atol=1e-15)


def test_a_picture_smaller_than_the_window_is_named():
    with pytest.raises(ValueError, match="input size 3 is too small"):
        pixel_weights(["avg"], np.zeros((3, 3)), kernel_size=4)


def views_of(tmp_path, spec, **protocol):
    """A noisy grey photograph of 24 x 20 pixels, and what a comparison shows of the operator, by state."""
    grey = np.random.default_rng(3).integers(0, 256, (24, 20), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    views = {}
    compare(
        find_images([str(tmp_path / "grey.png")]),
        [spec],
        Protocol(**protocol),
        on_view=lambda view: views.setdefault(view.row["state"], view),
    )
    return views


@pytest.mark.parametrize(("normalize", "scale"), [("none", 1), ("255", 255), ("inception", 2)])
def test_weights_of_a_part_are_of_the_scale_that_was_pooled(tmp_path, normalize, scale):
    """SoftPool: dy/da_i = w_i (1 + a_i - y), w = softmax(a), on the operator's own scale."""
    view = views_of(tmp_path, "softpool", normalize=normalize)["fixed"]
    found = weights_within(view.operator, view.original, (8, 4), (6, 10), (2, 2))
    a = scale * view.original[8:14, 4:14, 0].reshape(3, 2, 5, 2).swapaxes(1, 2).reshape(3, 5, 4)
    w = np.exp(a - a.max(axis=2, keepdims=True))
    w /= w.sum(axis=2, keepdims=True)
    expected = w * (1 + a - (w * a).sum(axis=2, keepdims=True))
    assert found == pytest.approx(expected.reshape(3, 5, 2, 2).swapaxes(1, 2).reshape(6, 10), abs=1e-12)


@pytest.mark.parametrize(("pool", "low", "mass"), [("avg", 0.25, 1.0), ("lanczos", -0.05, 1.0), ("max", 1.0, 1.0)])
def test_single_pooled_values_show_their_own_weights(tmp_path, pool, low, mass):
    view = views_of(tmp_path, pool)["fixed"]
    found = weights_within(view.operator, view.original, (0, 0), (24, 20), (2, 2), 0, (12, 10))
    # One value, of window 6 and 5: it begins at row 12 and column 10.
    assert found.sum() == pytest.approx(mass, abs=1e-6)
    inside = found[12:14, 10:12]
    if pool == "lanczos":
        assert low < found.min() < 0, "its lobes"
        assert np.unravel_index(abs(found).argmax(), found.shape) in [(y, x) for y in (12, 13) for x in (10, 11)]
    else:
        assert inside.sum() == pytest.approx(mass, abs=1e-12)
        assert inside.max() == pytest.approx(low, abs=1e-12)


def test_weights_of_a_draw_are_those_of_what_was_drawn(tmp_path):
    view = views_of(tmp_path, "stochastic")["train"]
    found = weights_within(view.operator, view.original, (0, 0), (24, 20), None)
    assert set(np.round(3 * found, 9).ravel()) <= {0, 1, 2, 3}, "one element of a window for each channel"
    pooled = (found * view.original[..., 0]).reshape(12, 2, 10, 2).sum(axis=(1, 3))
    assert pooled == pytest.approx(view.pooled.mean(axis=2), abs=1e-12)


def test_a_learned_operator_weighs_as_it_learned():
    (run,) = make_runs(["power"], Protocol())
    with torch.no_grad():
        for parameter in run.module.parameters():
            parameter.fill_(-40.0)  # p = 1 + softplus(raw)
    picture = np.random.default_rng(4).random((12, 12, 3))
    found = weights_within(run.module, picture, (4, 4), (4, 4), (2, 2))
    assert found == pytest.approx(np.full((4, 4), 0.25), abs=1e-12), "with p = 1 the mean"
