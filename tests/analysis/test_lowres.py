"""Scores at low resolution: the reference is Pillow's, and the row says that nothing was rebuilt."""

from __future__ import annotations

import math

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from poolzoo import registry
from poolzoo.analysis.inputs.images import find_images
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.scoring.lowres import downscale
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.scoring.round_trip import View
from poolzoo.analysis.studies.compare import compare
from poolzoo.reports.page.sections.protocol import protocol_steps
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.formats import render
from poolzoo.reports.text.words import setting_title

IMAGE = skimage.data.coffee()[100:141, 200:250]
LOWRES = Protocol(protocol="lowres", metrics=("psnr",))


@pytest.fixture
def source(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "coffee.png")
    return find_images([str(tmp_path / "coffee.png")])


def pillow(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """``(H, W, C)`` made smaller by Pillow, which computes in float32."""
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(image, -1, 0)]
    return np.stack([np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC)) for plane in planes], axis=-1)


@pytest.mark.parametrize("size", [(20, 25), (13, 16), (8, 40)])
def test_the_reference_is_pillows_bicubic(size):
    image = IMAGE[:40] / 255.0
    x = torch.from_numpy(image).permute(2, 0, 1)[None]
    reference = downscale(x, torch.zeros(1, 3, *size))[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(reference, pillow(image, *size), rtol=0, atol=2e-6)


@pytest.mark.parametrize("kernel_size", [2, 5])
def test_scores_are_those_of_the_pooled_image_against_pillows(source, kernel_size):
    size = (IMAGE.shape[0] // kernel_size, IMAGE.shape[1] // kernel_size)
    image = IMAGE[: size[0] * kernel_size] / 255.0
    protocol = Protocol(kernel_size, protocol="lowres", metrics=("psnr", "mse", "alias"))
    for row in compare(source, ["avg", "max", "strided"], protocol).rows:
        cells = image.reshape(size[0], kernel_size, size[1], kernel_size, 3)
        pooled = {"avg": cells.mean((1, 3)), "max": cells.max((1, 3)), "strided": cells[:, 0, :, 0]}[row["pool"]]
        # A value of strided is one pixel, in the first corner of its window.
        reference = sampled(image, 1, kernel_size, 0, 0) if row["pool"] == "strided" else pillow(image, *size)
        assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(reference, pooled, data_range=1), abs=1e-3)
        assert row["mse"] == pytest.approx(((reference - pooled) ** 2).mean(), rel=1e-3)
        assert (row["upsample"], row["protocol"]) == ("none", "lowres")
        assert 0 < row["alias"] < 1


def test_the_bicubic_operator_is_perfect_and_only_it(source):
    rows = compare(source, registry.expand_specs([]), LOWRES).rows
    assert all(row["error"] is None for row in rows)
    perfect = {row["pool"] for row in rows if row["psnr"] > 200}
    assert perfect == {"bicubic"}


def keys(t: float) -> float:
    """Cubic convolution with a = -1/2 (Keys 1981, eq. 15)."""
    t = abs(t)
    return 1.5 * t**3 - 2.5 * t**2 + 1 if t < 1 else -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def sampled(image: np.ndarray, kernel: int, stride: int, down: int, right: int) -> np.ndarray:
    """The image at the middle of each window's part inside of it, by a kernel ``stride`` times as wide: by loops."""
    for axis, shift in ((0, down), (1, right)):
        n = image.shape[axis]
        count = (n - kernel) // stride + 1
        weights = np.zeros((count, n))
        for o in range(count):
            inside = [i for i in range(shift + o * stride, shift + o * stride + kernel) if i < n]
            for i in range(n):
                weights[o, i] = keys((i - np.mean(inside)) / stride)
        image = np.moveaxis(np.tensordot(weights / weights.sum(1, keepdims=True), image, (1, axis)), 0, axis)
    return image


@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 2), (2, 3), (1, 2), (5, 2), (2, 2), (2, 1)])
def test_the_reference_is_taken_where_the_windows_are(source, kernel_size, stride):
    image = IMAGE[: 41 // stride * stride, : 50 // stride * stride] / 255.0
    reference = sampled(image, kernel_size, stride, 0, 0)
    windows = np.lib.stride_tricks.sliding_window_view(image, (kernel_size,) * 2, (0, 1))[::stride, ::stride]
    protocol = Protocol(kernel_size, stride, protocol="lowres", metrics=("mse",))
    for row in compare(source, ["avg", "max"], protocol).rows:
        pooled = getattr(windows, {"avg": "mean"}.get(row["pool"], "max"))((-2, -1))
        assert row["mse"] == pytest.approx(((reference - pooled) ** 2).mean(), rel=1e-9, abs=1e-25)


def test_what_resamples_the_whole_image_is_held_against_the_whole(source):
    rows = compare(source, ["bicubic", "fractional_max:output_ratio=0.6"], Protocol(3, 2, protocol="lowres")).rows
    assert rows[0]["psnr"] > 200
    assert all(row["error"] is None for row in rows)


@pytest.mark.parametrize(("kernel_size", "stride"), [(1, 2), (2, 2), (3, 2)])
def test_each_submap_is_scored_where_it_was_taken(source, kernel_size, stride):
    (row,) = compare(source, ["checkered"], Protocol(kernel_size, stride, protocol="lowres", metrics=("psnr",))).rows
    image = IMAGE[:40] / 255.0
    padded = np.pad(image, ((0, 5), (0, 5), (0, 0)), constant_values=-np.inf)
    scores = []
    for shift in (0, 1):
        reference = sampled(image, kernel_size, stride, shift, shift)
        pooled = np.lib.stride_tricks.sliding_window_view(padded[shift:, shift:], (kernel_size,) * 2, (0, 1)).max(
            (-2, -1)
        )
        pooled = pooled[::stride, ::stride][: reference.shape[0], : reference.shape[1]]
        scores.append(peak_signal_noise_ratio(reference, pooled, data_range=1))
    assert row["psnr"] == pytest.approx(np.mean(scores), abs=1e-9)


@pytest.mark.parametrize(("kernel_size", "seen"), [(2, ["avg", "bicubic"]), (3, ["avg"])])
def test_views_are_of_what_is_held_against_one_small_original(source, kernel_size, seen):
    views: list[View] = []
    specs = ["avg", "checkered", "bicubic", "avg:kernel_size=5"]
    protocol = Protocol(kernel_size, 2, protocol="lowres", metrics=("mse",))
    compare(source, specs, protocol, on_view=views.append)
    assert [view.row["pool"] for view in views] == seen
    for view in views:
        np.testing.assert_allclose(view.original, sampled(IMAGE[:40] / 255, kernel_size, 2, 0, 0), rtol=0, atol=1e-12)
        assert view.row["mse"] == pytest.approx(((view.original - view.pooled) ** 2).mean(), abs=1e-20)
        assert np.array_equal(view.pooled, view.rebuilt)


def test_too_small_for_ssim_is_the_rows_error(source):
    rows = compare(source, ["avg"], Protocol(4, protocol="lowres")).rows
    assert rows[0]["error"] == "12x10 pixels when pooled: SSIM needs at least 11 on each side"
    assert rows[0]["ssim"] is None


def test_reports_say_that_nothing_was_rebuilt(source):
    result = compare(source, ["avg", "max"], LOWRES)
    assert result.metadata["protocol"] == "lowres"
    assert result.metadata["upsample"] == ["none"]
    again = Result.from_json(result.to_json(), "r.json")
    group = summarise(again)
    (setting,) = {summary.setting for summary in group}
    for text in (
        render(again, "table"),
        setting_title(setting),
        *protocol_steps(setting, RunFacts.of(again), group),
    ):
        assert "rebuilt" not in " ".join(text.split())
    assert "scored at low resolution, against antialiased bicubic" in " ".join(render(again, "table").split())


def test_an_unknown_protocol_is_named():
    with pytest.raises(ValueError, match="protocol='highres': roundtrip, lowres are allowed"):
        Protocol(protocol="highres")


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("metrics", ("psnr", "nope"), "psnr, ssim"),
        ("upsample", ("nope",), "nearest, "),
        ("normalize", "nope", "none, "),
    ],
)
def test_a_name_that_is_none_is_named(argument, value, allowed):
    with pytest.raises(ValueError, match=f"{argument}='nope': {allowed}.* are allowed"):
        Protocol(**{argument: value})


def test_stride_1_is_its_own_reference(source):
    (row,) = compare(source, ["max"], Protocol(1, protocol="lowres", metrics=("psnr",))).rows
    assert row["psnr"] == math.inf
