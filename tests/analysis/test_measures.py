"""Measures against values worked out by hand, literal numpy loops, SciPy's DCT and autograd's whole Jacobian."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import scipy.fft
import skimage.data
import torch
from pools import every_pool_2d, info_of

from poolzoo import engine, registry
from poolzoo.analysis.inputs.images import ImageError, find_images, load_image
from poolzoo.analysis.inputs.patterns import zone_plate
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import METRICS, compare_keys
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.scoring.operator_metrics import (
    Pooling,
    alias,
    brightness,
    effective_weights,
    grad_reach,
    measure,
    shift,
    shift_consistency,
    spectrum_high,
    spectrum_low,
    spectrum_mid,
)
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.scoring.spectra import lowpass, resample
from poolzoo.analysis.studies.compare import compare
from poolzoo.create import create_pool
from poolzoo.geometry import make_geometry
from poolzoo.reports.text.tables import tables

MEASURES = {key: metric.compute for key, metric in METRICS.items() if metric.of == "operator"}
BANDS = (spectrum_low, spectrum_mid, spectrum_high)


def pooling(spec: str, image: np.ndarray, kernel_size: int = 2, stride: int | None = None) -> Pooling:
    """An operator's pooling of an ``(*sizes)`` or ``(C, *sizes)`` float64 image."""
    x = torch.from_numpy(image)[None] if image.ndim == 3 else torch.from_numpy(image)[None, None]
    torch.manual_seed(0)
    made = create_pool(spec, kernel_size=kernel_size, stride=stride)
    module = made.double().eval()
    with engine.by_reference():
        return Pooling(x, module(x).detach(), module, module.geometry)


def plane(pool, image: np.ndarray, stride: int) -> Pooling:
    """The pooling of an image by any function."""
    x = torch.from_numpy(image)[None, None]
    return Pooling(x, pool(x), pool, make_geometry(2, stride))


def photo(side: int) -> np.ndarray:
    image = skimage.data.astronaut()[100 : 100 + side, 200 : 200 + side] / 255.0
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def tones(size: int, **amplitudes: float) -> np.ndarray:
    """Cosines down the rows that are their own mirror images: ``k12=0.3`` has 12 half periods and amplitude 0.3."""
    position = np.arange(size) + 0.5
    wave = sum(a * np.cos(np.pi * int(k[1:]) * position / size) for k, a in amplitudes.items())
    return np.repeat((0.5 + wave)[:, None], size, axis=1)


def dct_cropped(image: np.ndarray, kept: int) -> np.ndarray:
    spectrum = scipy.fft.dctn(image, axes=(-2, -1), norm="ortho")
    spectrum[..., kept:, :] = 0
    spectrum[..., kept:] = 0
    return scipy.fft.idctn(spectrum, axes=(-2, -1), norm="ortho")


# Aliasing


@pytest.mark.parametrize(("size", "count"), [(12, 6), (13, 5), (9, 3), (8, 8), (6, 15)])
def test_resampling_is_scipys_cropped_dct(size, count):
    x = np.random.default_rng(0).random((3, size))
    spectrum = np.zeros((3, count))
    kept = min(size, count)
    spectrum[:, :kept] = scipy.fft.dct(x, norm="ortho")[:, :kept]
    expected = scipy.fft.idct(spectrum, norm="ortho") * math.sqrt(count / size)
    np.testing.assert_allclose(resample(torch.from_numpy(x), -1, count), expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(resample(torch.from_numpy(x.T), -2, count), expected.T, rtol=0, atol=1e-14)


def test_the_low_pass_filter_is_scipys_dct_without_its_high_terms():
    image = np.random.default_rng(0).random((2, 15, 12))
    expected = scipy.fft.dctn(image, axes=(1, 2))
    expected[:, 5:] = 0
    expected[:, :, 6:] = 0
    expected = scipy.fft.idctn(expected, axes=(1, 2))
    np.testing.assert_allclose(lowpass(torch.from_numpy(image), (5, 6)), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("half_periods", "expected"), [(12, 0.0), (30, 0.0), (34, 1.0), (52, 1.0)])
def test_decimating_one_sinusoid_folds_all_of_it_above_nyquist_and_nothing_below(half_periods, expected):
    # 64 pixels pooled by 2: Nyquist is at 32 half periods.
    one = tones(64, **{f"k{half_periods}": 0.4})
    assert alias(pooling("strided", one)) == pytest.approx(expected, abs=1e-24)


def test_what_decimating_two_sinusoids_folds_is_the_share_of_the_higher_ones_energy():
    two = tones(64, k12=0.3, k44=0.1)
    assert alias(pooling("strided", two)) == pytest.approx(0.1**2 / (0.3**2 + 0.1**2), rel=1e-12)


def test_averaging_two_sinusoids_damps_each_by_its_cosine_before_the_higher_one_folds():
    two = tones(64, k12=0.3, k44=0.1)
    low, high = 0.3 * math.cos(math.pi * 12 / 128), 0.1 * math.cos(math.pi * 44 / 128)
    assert alias(pooling("avg", two)) == pytest.approx(high**2 / (low**2 + high**2), rel=1e-12)


def window_loop(image: np.ndarray, stride: int, reduce) -> np.ndarray:
    out = np.empty((image.shape[0] // stride, image.shape[1] // stride))
    for i, j in np.ndindex(out.shape):
        out[i, j] = reduce(image[i * stride : (i + 1) * stride, j * stride : (j + 1) * stride])
    return out


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize(("spec", "reduce"), [("max", np.max), ("avg", np.mean), ("median", np.median)])
def test_aliasing_is_what_a_loop_with_scipys_dct_finds(spec, reduce, stride):
    image = photo(36)
    folded = kept = 0.0
    for channel in image:
        whole = window_loop(channel, stride, reduce)
        limited = window_loop(dct_cropped(channel, 36 // stride), stride, reduce)
        folded += (whole - limited).var() * whole.size
        kept += limited.var() * whole.size
    assert alias(pooling(spec, image, stride)) == pytest.approx(folded / (folded + kept), rel=1e-10)


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_blur_and_area_fold_less_of_a_zone_plate_than_decimation_and_maximum(stride):
    plate = np.ascontiguousarray(zone_plate(96)[..., 0])
    score = {spec: alias(pooling(spec, plate, stride)) for spec in ("blur", "area", "strided", "max", "spectral")}
    assert max(score["blur"], score["area"]) < min(score["strided"], score["max"])
    assert min(score, key=score.get) == "spectral", "all that it folds is from wrapping around where ours mirrors"
    tapered = alias(pooling("asap", plate, stride))
    assert alias(pooling("flc", plate, stride)) == score["spectral"], "the same operator"
    assert tapered < min(score["spectral"], score["area"])
    # The plate's energy is spread evenly over all frequencies, of which decimation can represent 1 / stride^2.
    assert score["strided"] == pytest.approx(1 - stride**-2, abs=0.02)


# Retained bands


@pytest.mark.parametrize("half_periods", [7, 15, 27])
def test_every_band_of_an_averaged_sinusoid_has_the_filters_squared_cosine(half_periods):
    one = pooling("avg", tones(64, **{f"k{half_periods}": 0.4}))
    gain = math.cos(math.pi * half_periods / 128) ** 2
    assert [band(one) for band in BANDS] == pytest.approx([gain] * 3, rel=1e-9)


def test_where_a_window_is_sampled_does_not_matter():
    band = BANDS[1](pooling("strided", tones(128, k32=0.4)))
    assert band == pytest.approx(1, abs=1e-3)


def test_retained_bands_are_those_of_a_literal_loop_over_segments():
    image = np.random.default_rng(1).random((48, 64))  # 24 x 32 cells: 2 x 3 segments
    pooled = window_loop(image, 2, np.max)
    spectrum = scipy.fft.dctn(image, norm="ortho")[:24, :32]
    reference = scipy.fft.idctn(spectrum, norm="ortho") / 2
    tall, wide = 16, 16
    window = np.outer(*(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n) for n in (tall, wide)))
    cross, power = np.zeros((tall, wide), complex), np.zeros((tall, wide))
    for top, left in itertools.product(range(0, 24 - tall + 1, tall // 2), range(0, 32 - wide + 1, wide // 2)):
        p, o = (a[top : top + tall, left : left + wide] for a in (pooled, reference))
        p, o = (np.fft.fft2((a - a.mean()) * window) for a in (p, o))
        cross += p * o.conj()
        power += abs(o) ** 2
    radius = 2 * np.hypot(*np.meshgrid(np.fft.fftfreq(tall), np.fft.fftfreq(wide), indexing="ij"))
    inside = [(radius > 0) & (radius < 1 / 3), (radius >= 1 / 3) & (radius < 2 / 3), radius >= 2 / 3]
    expected = [(abs(cross[band]) ** 2 / power[band]).sum() / power[band].sum() for band in inside]
    assert [band(pooling("max", image)) for band in BANDS] == pytest.approx(expected, rel=1e-9)


def test_aliases_are_not_taken_for_retained_energy():
    # White noise: decimation has four times the energy of the band-limited original, three parts of it aliases. Of 225
    # half overlapping segments the estimates scatter by some 0.06.
    noise = np.random.default_rng(0).normal(0, 1, (256, 256))
    assert [band(pooling("strided", noise)) for band in BANDS] == pytest.approx([1] * 3, abs=0.2)


def test_a_gain_is_squared_in_every_band():
    image = photo(32)
    gains = [band(pooling("sum", image)) / band(pooling("avg", image)) for band in BANDS]
    assert gains == pytest.approx([16] * 3, rel=1e-9)


# Shifts


@pytest.mark.parametrize(("spec", "reduce", "stride"), [("max", np.max, 2), ("avg", np.mean, 3)])
def test_shift_consistency_is_that_of_a_literal_loop(spec, reduce, stride):
    image = np.random.default_rng(0).random((18, 24))
    first = window_loop(image, stride, reduce)
    found = []
    for down, right in itertools.product(range(stride), repeat=2):
        if (down, right) != (0, 0):
            second = window_loop(image[down:, right:], stride, reduce)
            part = first[: second.shape[0], : second.shape[1]]
            middle = (part.mean() + second.mean()) / 2
            most = np.linalg.norm(part - middle) + np.linalg.norm(second - middle)
            found.append(1 - np.linalg.norm(part - second) / most)
    assert shift(pooling(spec, image, stride)) == pytest.approx(np.mean(found), rel=1e-12)


@pytest.mark.parametrize("spec", [name for name in registry.list_pools() if registry.pool_info(name).reducer])
def test_a_shift_by_whole_strides_moves_what_windows_give_by_whole_cells(spec):
    if registry.pool_info(spec).stochastic:
        pytest.skip("the draws move too")
    assert shift_consistency(pooling(spec, photo(20), 3, 2), (4, 2)) == pytest.approx(1, abs=1e-12)


def test_a_circular_operator_of_stride_1_is_perfect():
    def circular(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x.roll((-i, -j), (2, 3)) for i, j in itertools.product(range(3), repeat=2)]).amax(0)

    image = np.random.default_rng(0).random((12, 12))
    assert shift(plane(circular, image, 1)) == 1
    # It follows any shift but where it wraps around, which leads to other pixels in an image that leaves some out.
    tall = np.concatenate([image] * 2)
    assert shift_consistency(plane(circular, np.concatenate([tall] * 2, axis=1), 1), (12, 12)) == 1


def test_unrelated_images_have_the_consistency_of_a_right_angle():
    noise = np.random.default_rng(0).normal(0, 1, (200, 200))
    assert shift(pooling("strided", noise)) == pytest.approx(1 - math.sqrt(0.5), abs=0.01)


def test_a_shift_that_leaves_no_window_is_said():
    with pytest.raises(ValueError, match="shift: 2 elements, of which a shift by 1 leaves 0"):
        shift(pooling("avg", np.zeros((2, 2))))


# Gradients


@pytest.mark.parametrize(
    ("spec", "kernel_size", "stride", "expected"),
    [("max", 2, 2, 1 / 4), ("strided", 3, 3, 1 / 9), ("avg", 2, 2, 1), ("avg", 2, 3, 4 / 9), ("median", 2, 2, 1 / 2)],
)
def test_gradient_reach_counted_by_hand(spec, kernel_size, stride, expected):
    image = np.random.default_rng(0).random((3, 18, 18))
    assert grad_reach(pooling(spec, image, kernel_size, stride)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("spec", "expected"), [("avg", 9), ("sum", 9), ("max", 1), ("strided", 1), ("median", 1), ("lse:r=1e-9", 9)]
)
def test_effective_weights_counted_by_hand(spec, expected):
    image = np.random.default_rng(0).random((2, 30, 27))
    assert effective_weights(pooling(spec, image, 3)) == pytest.approx(expected, rel=1e-6)


@every_pool_2d
def test_effective_weights_are_those_of_the_whole_jacobian(spec):
    one = pooling(spec, photo(16))
    x = one.image.clone().requires_grad_()
    with engine.by_reference():
        y = one.pool(x)[0, 0]
        submaps = y.reshape(-1, *y.shape[-2:])
        found = []
        for submap in submaps:
            # Eight by eight windows: four of them are looked at, one at a time.
            for row, column in itertools.product((0, 4), repeat=2):
                (gradient,) = torch.autograd.grad(submap[row, column], x, retain_graph=True)
                squares = gradient.square()
                found.append(float(squares.sum() ** 2 / squares.square().sum()))
        assert effective_weights(one) == pytest.approx(np.mean(found), rel=1e-9)


def test_windows_that_are_looked_at_together_do_not_mix():
    one = pooling("lanczos", photo(40))
    x = one.image.clone().requires_grad_()
    y = one.pool(x)[0, 0]
    found = []
    for start, row, column in itertools.product(itertools.product((0, 4), repeat=2), range(3), range(3)):
        at = (start[0] + 8 * row, start[1] + 8 * column)
        if max(at) < 20:
            (gradient,) = torch.autograd.grad(y[at], x, retain_graph=True)
            squares = gradient.square()
            found.append(float(squares.sum() ** 2 / squares.square().sum()))
    assert len(found) == 25
    assert effective_weights(one) == pytest.approx(np.mean(found), rel=1e-9)


def test_a_map_of_few_windows_has_effective_weights_without_complaint(recwarn):
    assert effective_weights(pooling("avg", photo(8), 4)) == 16
    assert not recwarn.list


def test_a_pool_that_autograd_cannot_look_through_reaches_nothing():
    one = plane(lambda x: x.detach()[..., ::2, ::2], photo(16)[0], 2)
    assert (grad_reach(one), effective_weights(one)) == (0, None)


# Brightness, and all of them


def test_brightness_bias_by_hand():
    image = np.array([[0.1, 0.3], [0.2, 0.8]])
    assert brightness(pooling("max", image)) == pytest.approx(0.8 - 0.35)
    assert brightness(pooling("sum", image)) == pytest.approx(3 * 0.35)
    assert brightness(pooling("avg", image)) == pytest.approx(0)
    assert brightness(pooling("strided", image)) == pytest.approx(-0.25)


@every_pool_2d
def test_every_operator_stays_in_range_and_a_constant_image_has_nothing_to_lose(spec):
    with engine.by_reference():
        one, flat = pooling(spec, photo(24)), pooling(spec, np.full((3, 24, 24), 0.4))
        values = {name: function(one) for name, function in MEASURES.items()}
        constant = {name: function(flat) for name, function in MEASURES.items()}
    assert 0 <= values["alias"] <= 1
    assert 0 <= values["shift"] <= 1
    assert 0 < values["grad_reach"] <= 1
    assert 1 <= values["effective_weights"] <= one.image.numel()
    assert all(values[name] > 0 for name in values if name.startswith("spectrum"))
    assert constant["alias"] == 0
    assert constant["shift"] == 1
    assert {constant[name] for name in constant if name.startswith("spectrum")} == {None}
    if "constant" not in info_of(spec).exempt or "norm=mean" in spec:
        assert constant["brightness"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("ndim", [1, 3])
def test_measures_know_signals_and_volumes(ndim):
    x = torch.rand(1, 2, *(12,) * ndim, dtype=torch.float64)
    module = create_pool("max", ndim=ndim, kernel_size=2)
    one = Pooling(x, module(x), module, module.geometry)
    values = {name: function(one) for name, function in MEASURES.items()}
    assert values["grad_reach"] == pytest.approx(2**-ndim)
    assert values["effective_weights"] == 1
    assert 0 < values["alias"] < 1
    assert 0 < values["shift"] < 1


def test_operators_of_other_output_sizes_are_measured_too():
    one = pooling("fractional_max:output_ratio=0.7", photo(96))
    assert one.cells == (67, 67)
    assert 0 < alias(one) < 0.1
    assert 0.7 < spectrum_low(one) < 1, "uneven steps are not quite in phase"
    assert effective_weights(one) == 1


# In a comparison


NAMES = tuple(MEASURES)


def test_a_comparison_has_the_measures_of_each_operator_whatever_the_upsampler(small):
    rows = compare(small, ["strided", "blur"], Protocol(2, upsample=("nearest", "bicubic"), metrics=NAMES)).rows
    image = np.ascontiguousarray(load_image(small[0]).transpose(2, 0, 1))
    assert [(row["pool"], row["error"]) for row in rows] == [("strided", None)] * 2 + [("blur", None)] * 2
    for row in rows:
        one = pooling(row["pool"], image)
        assert {name: row[name] for name in NAMES} == pytest.approx({n: f(one) for n, f in MEASURES.items()})


def test_operators_that_resample_the_whole_image_are_held_against_their_own_grid(tmp_path):
    """Cropping the spectrum keeps all that the coarser grid can hold, wherever a window of 3 would lie."""
    from PIL import Image

    Image.fromarray((photo(160).transpose(1, 2, 0) * 255).round().astype(np.uint8)).save(tmp_path / "photo.png")
    source = find_images([str(tmp_path / "photo.png")])
    kept = ("spectrum_low", "spectrum_mid", "spectrum_high")
    for kernel_size in (2, 3):
        (row,) = compare(source, ["spectral"], Protocol(kernel_size, 2, metrics=kept)).rows
        assert [row[name] for name in kept] == pytest.approx([1] * 3, abs=0.08), kernel_size


def test_only_what_was_asked_for_is_measured(monkeypatch, small):
    asked = []
    for name in NAMES:
        instead = dataclasses.replace(METRICS[name], compute=lambda p, name=name: asked.append(name) or 0.5)
        monkeypatch.setitem(METRICS._found, name, instead)
    row = compare(small, ["avg"], Protocol(metrics=("psnr", "shift"))).rows[0]
    assert asked == ["shift"]
    assert row["shift"] == 0.5
    assert "alias" not in row


@pytest.fixture
def small(tmp_path):
    """A small photograph as a source."""
    from PIL import Image

    Image.fromarray((photo(24).transpose(1, 2, 0) * 255).round().astype(np.uint8)).save(tmp_path / "small.png")
    return find_images([str(tmp_path / "small.png")])


def test_measures_are_of_the_images_scale_whatever_the_normalisation(small):
    plain, normalised = (
        compare(small, ["avg", "blur"], Protocol(normalize=name, metrics=NAMES)).rows for name in ("none", "imagenet")
    )
    for a, b in zip(plain, normalised, strict=True):
        # Linear operators of gain 1 do not notice; their gradient is that by the image.
        assert {n: b[n] for n in NAMES} == pytest.approx({n: a[n] for n in NAMES}, rel=1e-9, abs=1e-12)


def test_one_seed_measures_alike_and_draws_are_rows_of_their_own(small):
    protocol = Protocol(metrics=("alias", "shift", "grad_reach"), seeds=2)
    first, second = (compare(small, ["stochastic", "s3"], protocol).rows for _ in range(2))
    values = [[row[name] for name in protocol.metrics] for row in first]
    assert values == [[row[name] for name in protocol.metrics] for row in second]
    assert [(row["state"], row["seed"]) for row in first] == [("train", 0), ("train", 1), ("eval", None)] * 2
    assert values[0] != values[1]


def test_what_is_not_finite_is_said():
    image = np.full((16, 16), 1e-3)
    image[5:11, 5:11] = 1.0
    # Without its high frequencies the image rings below 0, where there is no logarithm.
    with pytest.raises(ValueError, match="alias: the operator's result or gradient is not finite"):
        measure(["brightness", "alias"], plane(lambda x: x[..., ::2, ::2].log(), image, 2))


def test_an_unmeasurable_image_is_a_row_with_its_reason(tmp_path):
    from PIL import Image

    Image.new("RGB", (2, 2)).save(tmp_path / "tiny.png")
    row = compare(find_images([str(tmp_path / "tiny.png")]), ["avg"], Protocol(metrics=("shift",))).rows[0]
    assert row["shift"] is None
    assert "too few to pool" in row["error"]


# Ranking


@pytest.mark.parametrize(("name", "best"), [("brightness", 0.01), ("spectrum_mid", 0.99), ("alias", -0.2)])
def test_the_best_of_a_signed_measure_is_the_one_nearest_its_target(name, best):
    values = (-0.2, 0.01, 0.1, 0.99, 1.5)
    rows = [
        dict.fromkeys(compare_keys(), 1) | {"image": "a", "params": "", "state": "fixed", "error": None} for _ in values
    ]
    for row, value in zip(rows, values, strict=True):
        row |= {"pool": f"pool{value}", name: value}
    result = Result("compare", {"metrics": [name], "baseline": None}, rows)
    assert summarise(result)[0].pool == f"pool{best}"
    (table,) = tables(result)
    assert [line.cells[0].text for line in table.lines if line.cells[1].best] == [f"pool{best}"]


# The zone plate


def test_the_zone_plate_is_its_formula():
    plate = zone_plate(8)
    for i, j in np.ndindex(8, 8):
        r2 = (i - 3.5) ** 2 + (j - 3.5) ** 2
        assert plate[i, j] == pytest.approx([0.5 + 0.5 * math.cos(math.pi * r2 / 8)] * 3, abs=1e-15)


def test_the_zone_plate_is_a_source_like_any_other():
    (source,) = find_images(["poolzoo:zoneplate", "poolzoo:zoneplate"])
    image = load_image(source)
    assert source.name == "poolzoo:zoneplate"
    assert image.shape == (512, 512, 3)
    assert (image.min() >= 0, image.max() <= 1, image.dtype) == (True, True, np.float64)


def test_an_unknown_pattern_is_named():
    with pytest.raises(ImageError, match="'poolzoo:zebra': no such test pattern; zoneplate"):
        find_images(["poolzoo:zebra"])
