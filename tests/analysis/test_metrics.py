"""Metrics against scikit-image, exact fractions, by hand, and on the edges: native, and what stands in."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import oracles
import pytest
import torch
from photos import noisy, photo
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from poolzoo import engine, native
from poolzoo.analysis.scoring.image_metrics import mae, mse, psnr, ssim, ssim_map, use_one_thread

needs_native = pytest.mark.skipif(
    bool(native.why_no_metrics()), reason=f"no native build here: {native.why_no_metrics()}"
)
FUNCTIONS = {"psnr": psnr, "ssim": ssim, "mse": mse, "mae": mae}
PLAIN = tuple(FUNCTIONS)


@pytest.fixture(params=["native", "fallback"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test passes natively and with what stands in."""
    if request.param == "native" and native.why_no_metrics():
        pytest.skip(f"no native build here: {native.why_no_metrics()}")
    if request.param == "fallback":
        if request.node.get_closest_marker("skipif"):
            pytest.skip("of the native metrics alone")
        monkeypatch.setattr(native, "why_no_metrics", lambda: "switched off")
    return request.param


def pairs() -> Iterator[tuple[str, np.ndarray, np.ndarray, float]]:
    """A name, two images, and their data range."""
    for shape in ((64, 96, 3), (11, 11, 3), (11, 40, 1), (53, 11, 3), (57, 43, 3), (97, 189, 1), (45, 68, 4)):
        image = photo(*shape)
        yield f"photo{shape}", image, noisy(image, 0.05), 1.0
    image = photo(70, 80)
    yield "equal", image, image, 1.0
    yield "flat", np.full((40, 30, 3), 0.4), np.full((40, 30, 3), 0.4), 1.0
    yield "flat and another", np.full((40, 30, 3), 0.4), np.full((40, 30, 3), 0.7), 1.0
    yield "flat and noisy", np.full((40, 50, 3), 0.5), noisy(np.full((40, 50, 3), 0.5), 1e-3), 1.0
    yield "noise and noise", noisy(np.zeros((60, 60, 3)), 1), noisy(np.zeros((60, 60, 3)), 1, seed=1), 1.0
    yield "dark", image * 1e-3, noisy(image * 1e-3, 1e-5), 1.0
    yield "black", np.zeros((20, 20, 3)), noisy(np.zeros((20, 20, 3)), 1e-9), 1.0
    yield "negative", image, -image, 1.0
    yield "out of range", image * 3 - 1, noisy(image, 0.5), 1.0
    yield "brighter", image, image + 0.3, 1.0
    yield "16 bits", np.round(image * 65535), np.round(noisy(image, 0.02) * 65535), 65535.0
    huge = np.full((40, 40, 3), 1e6)
    yield "huge constant", noisy(huge, 3e3), noisy(huge, 3e3, seed=1), 1e6
    board = np.indices((50, 51, 1)).sum(0) % 2 * 1.0
    yield "chessboard", board, board / 2, 1.0


PAIRS = [pytest.param(*pair, id=pair[0]) for pair in pairs()]


def scikit_ssim(original: np.ndarray, rebuilt: np.ndarray, data_range: float = 1.0) -> float:
    paper = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(original, rebuilt, data_range=data_range, channel_axis=-1, **paper))


@pytest.mark.parametrize(("name", "original", "rebuilt", "data_range"), PAIRS)
def test_every_pair_scores_as_by_scikit_image(name, original, rebuilt, data_range):
    expected = scikit_ssim(original, rebuilt, data_range)
    assert ssim(original, rebuilt, data_range=data_range) == pytest.approx(expected, abs=1e-10)
    assert mse(original, rebuilt) == pytest.approx(mean_squared_error(original, rebuilt), rel=1e-12, abs=0)
    if name not in ("equal", "flat"):
        expected = peak_signal_noise_ratio(original, rebuilt, data_range=data_range)
        assert psnr(original, rebuilt, data_range=data_range) == pytest.approx(expected, rel=1e-12)


def test_ssim_is_wangs_formula():
    image = photo(16, 17)
    assert ssim(image, noisy(image, 0.1)) == pytest.approx(oracles.ssim(image, noisy(image, 0.1)), abs=1e-12)


def exact_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Wang's formula of (H, W, 1) images in fractions: only the window's weights are rounded."""
    gauss = [Fraction(math.exp(-(t * t) / 4.5)) for t in range(-5, 6)]
    weights = {(i, j): gauss[i] * gauss[j] / sum(gauss) ** 2 for i, j in itertools.product(range(11), repeat=2)}
    c1, c2, scores = Fraction(1, 10**4), Fraction(9, 10**4), []
    for r, c in itertools.product(range(x.shape[0] - 10), range(x.shape[1] - 10)):
        a, b = ({at: Fraction(float(z[r + at[0], c + at[1], 0])) for at in weights} for z in (x, y))
        mx, my = (sum(w * z[at] for at, w in weights.items()) for z in (a, b))
        vx, vy = (sum(w * (z[at] - m) ** 2 for at, w in weights.items()) for z, m in ((a, mx), (b, my)))
        cov = sum(w * (a[at] - mx) * (b[at] - my) for at, w in weights.items())
        scores.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2)))
    return float(sum(scores) / len(scores))


@needs_native
@pytest.mark.parametrize("mean", [0, 1e3, 1e6, 1e8])
def test_a_large_mean_takes_no_digits_of_a_small_variance(mean):
    """scikit-image, which subtracts squares of means, is 0.001 off at a mean of 1e6, and 0.01 at 1e8."""
    scene = np.full((12, 26, 1), mean)
    scene[:, 13:] = 0.5  # one offset for all windows does not do
    x = noisy(scene, 0.1)
    y = noisy(x, 0.05, seed=1)
    exact = exact_ssim(x, y)
    # Means rounded by 1e-16 of them, in both images, shift a covariance by that times the deviation, 0.1.
    assert ssim(x, y) == pytest.approx(exact, abs=1e-14 + 2e-17 * mean)
    if mean >= 1e6:
        assert abs(ssim(x, y) - exact) < 1e-6 * abs(scikit_ssim(x, y) - exact)


@needs_native
@pytest.mark.parametrize("large", [1.9, 2.1, -50])
def test_rows_with_large_values_meet_rows_without(large):
    """Windows of small values alone take a shorter way, which must not show."""
    scene = np.full((30, 12, 1), 0.5)
    scene[14:16] = large
    x = noisy(scene, 0.03)
    y = noisy(x, 0.05, seed=1)
    assert ssim(x, y) == pytest.approx(exact_ssim(x, y), abs=1e-14)


def test_the_map_is_scikit_images_and_its_mean_the_score():
    image = photo(46, 61)
    other = noisy(image, 0.1)
    paper = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, expected = structural_similarity(image, other, data_range=1, channel_axis=-1, full=True, **paper)
    found = ssim_map(image, other)
    np.testing.assert_allclose(found, expected[5:-5, 5:-5], rtol=0, atol=1e-11)
    assert found.mean() == pytest.approx(ssim(image, other), abs=1e-14)


def laid_out(image: np.ndarray) -> dict[str, np.ndarray]:
    """The same numbers in other memory."""
    wide = np.zeros((image.shape[0] + 3, image.shape[1] + 5, image.shape[2] + 2))
    wide[2:-1, 1:-4, 1:-1] = image
    frozen = image.copy()
    frozen.flags.writeable = False
    return {
        "planar": np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0),
        "transposed": np.ascontiguousarray(image.transpose(1, 0, 2)).transpose(1, 0, 2),
        "a part": wide[2:-1, 1:-4, 1:-1],
        "reversed": image[::-1, ::-1].copy()[::-1, ::-1],
        "read-only": frozen,
        "float32": image.astype(np.float32),
    }


@pytest.mark.parametrize("shape", [(43, 189, 3), (43, 31, 1), (12, 33, 40)])
def test_memory_layout_does_not_matter(shape):
    image = np.round(np.random.default_rng(0).random(shape) * 256) / 256  # exact in float32
    other = np.round(noisy(image, 0.1) * 256) / 256
    expected, local = {name: FUNCTIONS[name](image, other) for name in PLAIN}, ssim_map(image, other)
    others = laid_out(other)
    ways = [*((image, y) for y in others.values()), *zip(laid_out(image).values(), others.values(), strict=True)]
    for first, second in ways:
        assert {name: FUNCTIONS[name](first, second) for name in PLAIN} == pytest.approx(expected, rel=1e-13)
        np.testing.assert_allclose(ssim_map(first, second), local, rtol=0, atol=1e-13)


@needs_native
@pytest.mark.parametrize("planar", [False, True])
def test_results_are_the_same_to_the_bit_for_any_number_of_threads(planar):
    image = np.random.default_rng(0).random((460, 700, 3))  # enough that all threads get some
    other = noisy(image, 0.1)
    if planar:
        image, other = laid_out(image)["planar"], laid_out(other)["planar"]

    def everything() -> list[object]:
        return [*(FUNCTIONS[name](image, other) for name in PLAIN), ssim_map(image, other).tobytes()]

    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(everything())
    finally:
        torch.set_num_threads(threads)
    with ThreadPoolExecutor(3, initializer=use_one_thread) as workers:
        found += [future.result() for future in [workers.submit(everything) for _ in range(6)]]
    assert all(one == found[0] for one in found)


@needs_native
def test_native_metrics_are_exact_where_the_formula_is():
    image = photo(50, 60)
    other = noisy(image, 0.3)
    assert ssim(image, image) == ssim(-image, -image) == 1
    assert ssim(image, other) == ssim(other, image)
    with engine.by_reference():
        assert ssim(image, other) == ssim(other, image)


def test_errors_by_hand():
    zeros, image = np.zeros((1, 2, 3)), np.array([[[0.5, 0, 0], [0, 0, -0.1]]])
    assert mse(zeros, image) == pytest.approx(0.26 / 6)
    assert mae(zeros, image) == pytest.approx(0.1)
    assert psnr(zeros, image) == pytest.approx(10 * math.log10(6 / 0.26))


@pytest.mark.parametrize("name", PLAIN)
def test_the_data_range_is_that_of_divided_images(name):
    image = photo(20, 24)
    expected = FUNCTIONS[name](image, noisy(image, 0.1))
    assert FUNCTIONS[name](image * 8, noisy(image, 0.1) * 8, data_range=8) == pytest.approx(expected, rel=1e-12)


def test_scores_are_plain_numbers_and_0_db_has_no_sign():
    scores = [
        FUNCTIONS[name](np.zeros((2, 2, 1)), np.full((2, 2, 1), 2), data_range=np.float32(2))
        for name in ("psnr", "mse", "mae")
    ]
    assert [str(score) for score in scores] == ["0.0", "1.0", "1.0"]
    assert {type(score) for score in scores} == {float}


def test_equal_images_are_perfect():
    image = photo(40, 31)
    assert {name: FUNCTIONS[name](image, image) for name in PLAIN} == {
        "psnr": math.inf,
        "ssim": pytest.approx(1, abs=1e-12),
        "mse": 0,
        "mae": 0,
    }


def test_volumes_are_scored_by_scikit_image():
    volume = np.random.default_rng(0).random((12, 15, 13, 2))
    other = noisy(volume, 0.1)
    assert ssim(volume, other) == scikit_ssim(volume, other)
    assert ssim_map(volume, other).shape == (2, 5, 3, 2)
    assert ssim_map(volume, other).mean() == pytest.approx(ssim(volume, other), abs=1e-14)
    assert mse(volume, other) == pytest.approx(mean_squared_error(volume, other), rel=1e-12)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("which", [0, 1])
def test_a_nan_is_not_hidden(name, which):
    images = [photo(40, 45), photo(40, 45)]
    images[which][20, 27, 1] = math.nan
    assert math.isnan(FUNCTIONS[name](*images))


def test_a_nan_spoils_the_windows_it_lies_in_and_no_others():
    image = photo(40, 41)
    image[0, 40, 2] = math.nan
    lost = np.isnan(ssim_map(image, photo(40, 41)))
    assert lost[0, 30, 2] and lost.sum() == 1


@pytest.mark.parametrize(
    ("metric", "shapes", "said"),
    [
        (ssim, [(10, 40, 3), (10, 40, 3)], "10x40 pixels: SSIM needs at least 11"),
        (ssim_map, [(40, 10, 3), (40, 10, 3)], "40x10 pixels"),
        (ssim, [(40, 40, 3), (40, 40, 1)], r"\(40, 40, 3\) and \(40, 40, 1\)"),
        (mse, [(2, 2, 3), (1, 2, 3)], r"\(2, 2, 3\) and \(1, 2, 3\)"),
        (mae, [(0, 2, 3), (0, 2, 3)], "not empty"),
        (ssim, [(40, 40), (40, 40)], r"\(40, 40\) and \(40, 40\): equal ones are allowed, \(H, W, C\)"),
        (mse, [(40, 40), (40, 40)], r"\(H, W, C\) or \(D, H, W, C\)"),
    ],
)
def test_images_that_cannot_be_scored_are_named(metric: Callable[..., object], shapes, said):
    with pytest.raises(ValueError, match=said):
        metric(*map(np.zeros, shapes))


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("data_range", [0, -1, math.nan, math.inf])
def test_a_data_range_that_is_none_is_named(name, data_range):
    with pytest.raises(ValueError, match=f"data_range={data_range}"):
        FUNCTIONS[name](np.zeros((11, 11, 1)), np.zeros((11, 11, 1)), data_range=data_range)


SCORE = """
import numpy as np
from poolzoo import engine, native
from poolzoo.analysis.scoring.image_metrics import ssim
image = np.random.default_rng(0).random((20, 20, 3))
assert abs(ssim(image, image) - 1) < 1e-12 and ssim(image, image / 2) < 0.9
print(native.why_no_metrics())
print(native.status()["cpu"].count("metrics"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "reason", "warnings"),
    [({"CXX": "/nowhere/c++"}, "/nowhere/c++", 1), ({"POOLZOO_NATIVE": "0"}, "POOLZOO_NATIVE=0", 0)],
)
def test_without_a_build_scikit_image_goes_on(way, tmp_path, environment, reason, warnings):
    if way == "native":
        pytest.skip("of what stands in alone")
    given = {**os.environ, "POOLZOO_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run([sys.executable, "-c", SCORE], env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert reason in done.stdout
    said = "RuntimeWarning: poolzoo's native metrics are unavailable, scikit-image's slower ones are used"
    assert done.stderr.count(said) == done.stderr.count("RuntimeWarning") == warnings


@pytest.mark.parametrize("name", [*PLAIN, "ssim_map"])
@pytest.mark.parametrize("place", [0, 1])
def test_complex_images_and_integers_of_range_1_are_refused(name, place):
    metric = FUNCTIONS.get(name, ssim_map)
    images = [np.full((161, 161, 3), 0.5)] * 2
    for dtype, error, message in (
        ("complex128", TypeError, "dtype complex128 is not allowed; real numbers are"),
        ("uint8", ValueError, "data_range=1.0: .* is of uint8; 255 is the data range"),
        ("int64", ValueError, "data_range=1.0: .* is of int64"),
    ):
        images[place] = np.ones((161, 161, 3), dtype)
        with pytest.raises(error, match=message):
            metric(*images, data_range=1.0)


@pytest.mark.parametrize("name", PLAIN)
def test_integers_score_as_the_same_floats(name):
    image, other = (np.round(255 * a.clip(0, 1)).astype(np.uint8) for a in (photo(40, 30), noisy(photo(40, 30), 0.1)))
    as_floats = FUNCTIONS[name](image.astype(float), other.astype(float), data_range=255)
    assert FUNCTIONS[name](image, other, data_range=255) == as_floats
