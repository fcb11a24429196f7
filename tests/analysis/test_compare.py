"""The round trip, rebuilt here from numpy and scikit-image alone, must give the same numbers."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import poolzoo
from poolzoo import native, registry
from poolzoo.analysis.inputs.images import Source, find_images
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.schema import METRICS, TIME_KEYS, compare_keys
from poolzoo.analysis.scoring.forward_times import Timing
from poolzoo.analysis.scoring.protocol import NORMALIZATIONS, Protocol
from poolzoo.analysis.scoring.round_trip import View, _pool
from poolzoo.analysis.scoring.runs import make_runs
from poolzoo.analysis.scoring.upsampling import rebuild
from poolzoo.analysis.studies.compare import compare
from poolzoo.analysis.studies.profile import Workload, profile

PHOTOGRAPHS = {"coffee": skimage.data.coffee, "astronaut": skimage.data.astronaut}


def taps(n: int, m: int, mode: str, place: Callable[[int], Fraction]) -> np.ndarray:
    """The (m, n) matrix that interpolates n samples at m pixels, each at ``place`` in steps of the samples; the first
    and the last sample go on beyond the border.
    """
    matrix = np.zeros((m, n))
    for i in range(m):
        x = place(i)
        if mode == "nearest":
            matrix[i, min(max(math.floor(x + Fraction(1, 2)), 0), n - 1)] = 1
            continue
        if mode == "bilinear":
            x = min(max(x, 0), n - 1)
            low = math.floor(x)
            matrix[i, low] += 1 - (x - low)
            matrix[i, min(low + 1, n - 1)] += x - low
            continue
        low, a = math.floor(x), -0.75
        for tap in range(low - 1, low + 3):
            d = abs(x - tap)
            if d <= 1:
                weight = (a + 2) * d**3 - (a + 3) * d**2 + 1
            else:
                weight = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
            matrix[i, min(max(tap, 0), n - 1)] += weight
    return matrix


#: Operators that resample the whole image.
RESAMPLING = ("area", "bilinear", "bicubic", "lanczos", "spectral", "flc", "asap", "diffstride")


def places(row: dict, n: int, m: int) -> Callable[[int], Fraction]:
    """Where pixels lie among a row's n pooled values: counted from the centre of the first window, or evenly."""
    if row["align"] == "interpolate" and row["upsample"] == "nearest":  # torch takes the sample of a pixel's corner
        return lambda i: Fraction(i * n, m) - Fraction(1, 2)
    if row["align"] == "interpolate" or row["pool"] in RESAMPLING:
        return lambda i: (i + Fraction(1, 2)) * n / m - Fraction(1, 2)
    if row["pool"] in CHOOSING:
        return lambda i: Fraction(i, row["stride"])
    if row["pool"] == "strided":
        return lambda i: Fraction(i + row["padding"], row["stride"])
    span = row["dilation"] * (row["kernel_size"] - 1) + 1
    return lambda i: (i + row["padding"] - Fraction(span - 1, 2)) / row["stride"]


def grow(pooled: np.ndarray, size: tuple[int, int], row: dict) -> np.ndarray:
    """(h, w, C) to (*size, C)."""
    rows, columns = (taps(n, m, row["upsample"], places(row, n, m)) for n, m in zip(pooled.shape, size, strict=False))
    return np.einsum("yh,xw,hwc->yxc", rows, columns, pooled, optimize=True)


#: Operators that keep the phase that the image chooses.
CHOOSING = ("aps", "lps")


def chosen_phase(row: dict, x: torch.Tensor, y: np.ndarray) -> tuple[int, int]:
    """The phase that an image kept, found by its values; of a mixture of phases the one that weighs most."""
    s, n = row["stride"], y.shape[1:]
    padded = np.pad(x[0].numpy(), [(0, 0), *((0, m * s) for m in n)], mode="wrap")
    phases = {(i, j): padded[:, i::s, j::s][:, : n[0], : n[1]] for i in range(s) for j in range(s)}
    columns = np.stack([phase.ravel() for phase in phases.values()], 1)
    weights = np.linalg.lstsq(columns, y.ravel(), rcond=None)[0]
    np.testing.assert_allclose(columns @ weights, y.ravel(), atol=1e-9)
    return list(phases)[int(weights.argmax())]


#: Where the submaps of an operator lie, by its stride, as the operator is by default.
PHASES = {
    "checkered": lambda s: [(0, 0), (s // 2, s // 2)],
    "tri": lambda s: [(0, 0), (s // 3, 2 * s // 3), (2 * s // 3, s // 3)],
    "complete": lambda s: [divmod(phase, s) for phase in range(s * s)],
    "multisampling": lambda s: [(0, 0), (s // 2, s // 2)],
    "space_to_depth": lambda s: [divmod(phase, s) for phase in range(s * s)],
}


def independent_scores(image: np.ndarray, row: dict, scale: tuple = ((0.0,) * 3, (1.0,) * 3)) -> tuple[float, float]:
    """PSNR and SSIM of one row, by numpy and scikit-image; of poolzoo only the operator itself."""
    window = {key: row[key] for key in ("kernel_size", "stride", "padding", "dilation", "ceil_mode")}
    stride = row["stride"]
    image = image[: image.shape[0] // stride * stride, : image.shape[1] // stride * stride]
    mean, std = map(np.array, scale)
    torch.manual_seed(0)
    module = poolzoo.create_pool(label(row), **window).double()
    module.train(row["state"] == "train")
    if row["seed"] is not None:
        module.generator = torch.Generator().manual_seed(row["seed"])
    with torch.no_grad():
        x = torch.from_numpy(((image - mean) / std).transpose(2, 0, 1)[None])
        y = module(x)[0].numpy()
    size = image.shape[:2]
    if row["pool"] == "space_to_depth" and row["align"] == "center":
        # Each pixel is looked up in its cell; those past the last cell repeat the last pixel.
        ends = [m * stride - 1 for m in y.shape[2:]]
        down, right = (np.minimum(np.arange(n) + row["padding"], end) for n, end in zip(size, ends, strict=True))
        down, right = down[:, None], right[None]
        full = y[:, down % stride * stride + right % stride, down // stride, right // stride]
        full = full.transpose(1, 2, 0) * std + mean
    elif row["pool"] == "hwd":
        # Each window's four pixels are known, the filter's two taps per axis in its middle; the others repeat them.
        middle = -(row["dilation"] * (2 - row["kernel_size"]) // 2) - row["padding"]
        taps = [(np.arange(m)[:, None] * stride + middle + row["dilation"] * np.arange(2)) for m in y.shape[2:]]
        taps = [np.sort(tap[(tap >= 0) & (tap < n)]) for tap, n in zip(taps, size, strict=True)]
        down, right = (tap[np.abs(np.arange(n)[:, None] - tap).argmin(1)] for tap, n in zip(taps, size, strict=True))
        full = image[down][:, right]
    elif row["pool"] in PHASES:
        parts = []
        for submap, (down, right) in enumerate(PHASES[row["pool"]](stride)):
            part = grow(y[:, submap].transpose(1, 2, 0) * std + mean, size, row)
            parts.append(np.pad(part, ((down, 0), (right, 0), (0, 0)), mode="edge")[: size[0], : size[1]])
        assert len(parts) == y.shape[1]
        full = sum(parts) / len(parts)
    elif row["pool"] in CHOOSING:
        down, right = chosen_phase(row, x, y)
        full = grow(y.transpose(1, 2, 0) * std + mean, size, row)
        full = np.pad(full, ((down, 0), (right, 0), (0, 0)), mode="edge")[: size[0], : size[1]]
    else:
        full = grow(y.transpose(1, 2, 0) * std + mean, size, row)
    return (
        peak_signal_noise_ratio(image, full, data_range=1),
        structural_similarity(
            image,
            full,
            data_range=1,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        ),
    )


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Small parts of real photographs, one with odd sides."""
    folder = tmp_path_factory.mktemp("crops")
    boxes = {"coffee": (100, 200, 61, 75), "astronaut": (60, 180, 64, 50)}
    for name, (top, left, height, width) in boxes.items():
        Image.fromarray(PHOTOGRAPHS[name]()[top : top + height, left : left + width]).save(folder / f"{name}.png")
    return find_images([str(folder)])


def pixels(source: Source) -> np.ndarray:
    return np.asarray(Image.open(source.path)) / 255.0


WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "dilation": 3},
]


@pytest.mark.slow
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("normalize", ["none", pytest.param("imagenet", marks=pytest.mark.grid)])
def test_every_row_agrees_with_an_independent_round_trip(crops, window, normalize):
    protocol = Protocol(upsample=("nearest", "bilinear", "bicubic"), normalize=normalize, **window)
    result = compare(crops, registry.expand_specs([]), protocol)
    images = {source.name: pixels(source) for source in crops}
    assert {row["pool"] for row in result.rows} == set(registry.list_pools())
    for row in result.rows:
        assert row["error"] is None
        psnr, ssim = independent_scores(images[row["image"]], row, NORMALIZATIONS[normalize][1:])
        # Of a transform that gives the image back, rounding errors are left.
        assert min(row["psnr"], 250) == pytest.approx(min(psnr, 250), abs=1e-6), label(row)
        assert row["ssim"] == pytest.approx(ssim, abs=1e-6), label(row)


@pytest.mark.parametrize("align", ["center", "interpolate"])
@pytest.mark.parametrize(
    "window",
    [
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": 2, "stride": 3},
        {"kernel_size": 4, "stride": 2, "padding": 2, "ceil_mode": True},
        {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2},
        {"kernel_size": 5, "stride": 3, "dilation": 3, "padding": 6, "ceil_mode": True},
    ],
    ids=str,
)
def test_pooled_values_are_put_where_the_row_says(crops, window, align):
    protocol = Protocol(upsample=("nearest", "bilinear", "bicubic"), align=align, **window)
    pools = ["avg", "max", *["area", "checkered"] * (window["stride"] > 1)]
    result = compare(crops[:1], pools, protocol)
    for row in result.rows:
        assert (row["error"], row["align"]) == (None, align)
        psnr, ssim = independent_scores(pixels(crops[0]), row)
        assert row["psnr"] == pytest.approx(psnr, abs=1e-6), (label(row), row["upsample"])
        assert row["ssim"] == pytest.approx(ssim, abs=1e-6), (label(row), row["upsample"])


def test_nothing_interpolates_for_a_decoder_and_at_low_resolution(crops):
    rows = compare(crops[:1], ["avg"], Protocol(3, 2, protocol="lowres")).rows
    rows += compare(crops[:1], ["avg"], Protocol(3, 2, ("optimal",), decoder_images=("skimage:cell",))).rows
    assert [(row["error"], row["align"]) for row in rows] == [(None, "none")] * 2


def test_the_half_pixel_of_the_commonest_pool_is_not_charged():
    """Of skimage:astronaut, 3x3 averages at stride 2 rebuilt bilinearly: both placements, to the digits published."""
    sources = find_images(["skimage:astronaut"])
    for align, psnr in (("interpolate", 25.1), ("center", 28.3)):
        (row,) = compare(sources, ["avg"], Protocol(3, 2, metrics=("psnr",), align=align, timed=False)).rows
        assert round(row["psnr"], 1) == psnr


@pytest.mark.slow
@pytest.mark.grid
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_command_line_on_a_whole_photograph_agrees_with_scikit_image(name):
    command = [sys.executable, "-m", "poolzoo", "compare", "--format", "json", "--image", f"skimage:{name}"]
    result = Result.from_json(subprocess.run(command, capture_output=True, text=True, check=True).stdout, "stdout")
    photograph = PHOTOGRAPHS[name]() / 255.0
    assert {row["pool"] for row in result.rows} == set(registry.list_pools())
    for row in result.rows:
        psnr, ssim = independent_scores(photograph, row)
        assert row["psnr"] == pytest.approx(psnr, abs=1e-6), label(row)
        assert row["ssim"] == pytest.approx(ssim, abs=1e-6), label(row)


def without_time(result: Result) -> dict:
    data = json.loads(result.to_json())
    del data["metadata"]["created"]
    for row in data["rows"]:
        for key in TIME_KEYS:
            del row[key]
    return data


def test_one_seed_gives_the_same_result_twice(crops):
    specs = registry.expand_specs([])
    first, second = (compare(crops, specs, Protocol(seed=7)) for _ in range(2))
    assert without_time(first) == without_time(second)


def test_a_time_is_of_what_a_user_runs_once_per_operator_state_and_shape(tmp_path, monkeypatch):
    for name, size in (("a.png", (50, 65)), ("b.png", (20, 14)), ("c.png", (21, 14))):
        Image.new("RGB", size).save(tmp_path / name)
    sources = find_images([str(tmp_path)])
    timed: list[tuple] = []

    def spy(module, x, least, most):
        timed.append((module.info.name, module.training, x.dtype, tuple(x.shape)))
        return Timing(1e-3 * len(timed), None)

    monkeypatch.setattr("poolzoo.analysis.scoring.forward_times.time_forward", spy)
    before = torch.get_rng_state()
    rows = compare(sources, ["avg", "stochastic", "softpool"], Protocol(metrics=("psnr",), normalize="255")).rows
    assert torch.equal(torch.get_rng_state(), before), "nobody else's draws depend on how long things take"
    operators = [("avg", False), ("stochastic", True), ("stochastic", False), ("softpool", False)]
    shapes = [(1, 3, 64, 50), (1, 3, 14, 20)]
    assert timed == [(*operator, torch.float32, shape) for shape in shapes for operator in operators]
    shown = [(row["forward_s"], row["forward_shape"]) for row in rows if row["pool"] == "softpool"]
    assert shown == [(4e-3, "1x3x64x50"), (8e-3, "1x3x14x20"), (8e-3, "1x3x14x20")], "c is cropped to the size of b"
    assert {row["forward_dtype"] for row in rows} == {"float32"}
    backend = "reference" if native.why_not() else "native"
    assert {row["forward_backend"] for row in rows if row["pool"] == "softpool"} == {backend}
    assert {row["forward_backend"] for row in rows if row["pool"] == "stochastic"} == {"reference"}


def test_a_comparison_and_a_profile_have_one_timer(crops, monkeypatch):
    for module in ("scoring.forward_times", "studies.profile"):
        monkeypatch.setattr(f"poolzoo.analysis.{module}.time_statement", lambda *given: Timing(42.0, 0.5))
    (row,) = compare(crops[:1], ["avg"], Protocol(metrics=("psnr",))).rows
    assert (row["forward_s"], row["forward_iqr_s"]) == (42.0, 0.5)
    (row,) = profile(["avg"], Workload(shape=(1, 3, 8, 6), min_time=1e-4)).rows
    assert (row["forward_s"], row["forward_iqr_s"]) == (42.0, 0.5)


def test_what_cannot_be_timed_has_scores_and_no_time(crops, monkeypatch):
    def refuse(*given):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("poolzoo.analysis.scoring.forward_times.time_forward", refuse)
    for protocol in (Protocol(metrics=("psnr",)), Protocol(metrics=("psnr",), timed=False)):
        (row,) = compare(crops[:1], ["avg"], protocol).rows
        assert row["error"] is None and row["psnr"] > 0
        assert [row[key] for key in TIME_KEYS] == [None] * len(TIME_KEYS)


def test_what_failed_has_no_time(crops):
    rows = compare(crops[:1], ["avg", "gated:channels=2"], Protocol(metrics=("psnr",))).rows
    assert rows[0]["forward_s"] > 0
    assert [rows[1][key] for key in TIME_KEYS] == [None] * len(TIME_KEYS)


def test_another_seed_draws_otherwise(crops):
    first, second = (compare(crops, ["stochastic"], Protocol(seed=seed, seeds=1)).rows for seed in (1, 2))
    assert first[0]["psnr"] != second[0]["psnr"]
    assert first[1]["psnr"] == second[1]["psnr"], "evaluation does not draw"


def test_stochastic_operators_have_a_row_a_seed_and_one_of_evaluation(crops):
    rows = compare(crops[:1], ["stochastic", "mixed:mode=random"], Protocol(seed=5, seeds=2)).rows
    assert [(row["state"], row["seed"]) for row in rows] == [("train", 5), ("train", 6), ("eval", None)] * 2


def test_learnable_operators_say_that_they_are_as_they_start(crops):
    rows = compare(crops[:1], ["lip", "avg"]).rows
    assert [row["state"] for row in rows] == ["initial", "fixed"]
    assert rows[0]["psnr"] == pytest.approx(rows[1]["psnr"], abs=1e-9), "an unfitted LIP is average pooling"


def test_kept_counts_numbers_and_says_when_it_differs(crops):
    rows = compare(crops[:1], ["avg", "checkered"], Protocol(metrics=("psnr",))).rows
    assert [(row["kept"], row["equal_kept"]) for row in rows] == [(0.25, True), (0.5, False)]


def test_a_row_has_the_schemas_keys_in_order(crops):
    asked = ("psnr", "ssim", "mse", "mae")
    row = compare(crops[:1], ["avg"], Protocol(metrics=asked)).rows[0]
    assert set(row) == set(compare_keys()) - set(METRICS) | set(asked)


def test_stride_1_loses_nothing_and_is_infinite_in_memory_null_in_json(crops):
    result = compare(crops[:1], ["max"], Protocol(kernel_size=1, upsample=("nearest",), normalize="none"))
    row = result.rows[0]
    assert (row["psnr"], row["ssim"], row["kept"]) == (math.inf, pytest.approx(1), 1)
    text = result.to_json()
    assert json.loads(text)["rows"][0]["psnr"] is None
    assert Result.from_json(text, "text").rows[0]["psnr"] == math.inf


def test_a_failing_operator_is_a_row_and_the_others_go_on(crops):
    rows = compare(crops[:1], ["avg", "gated:channels=2"]).rows
    assert rows[0]["error"] is None
    assert rows[1]["error"]
    assert "\n" not in rows[1]["error"]
    assert rows[1]["psnr"] is None


def test_an_unusable_image_is_one_row_and_the_others_go_on(crops, tmp_path):
    Image.new("RGB", (8, 9)).save(tmp_path / "small.png")
    sources = [Source("small.png", tmp_path / "small.png"), Source("gone.png", tmp_path / "gone.png"), crops[0]]
    rows = compare(sources, ["avg"]).rows
    assert [row["pool"] for row in rows] == ["", "", "avg"]
    assert "SSIM needs at least 11" in rows[0]["error"]
    assert "small.png" in rows[0]["error"]
    assert "gone.png" in rows[1]["error"]


def test_a_small_image_still_has_a_psnr(tmp_path):
    Image.new("RGB", (4, 4), (9, 99, 200)).save(tmp_path / "small.png")
    rows = compare([Source("s", tmp_path / "small.png")], ["avg"], Protocol(metrics=("psnr",))).rows
    assert rows[0]["psnr"] > 200, "a constant image comes back, but for rounding"


def test_steps_count_up_to_all_of_them(crops):
    steps: list[tuple[int, int]] = []
    compare(crops, ["avg", "max"], Protocol(metrics=("psnr",)), on_step=lambda *step: steps.append(step))
    assert steps[-1] == (4, 4)
    assert steps == sorted(steps)


def test_views_show_the_original_the_pooled_and_the_rebuilt(crops):
    views: list[View] = []
    compare(crops[:1], ["avg", "checkered", "stochastic"], Protocol(metrics=("psnr",)), on_view=views.append)
    image = pixels(crops[0])[:64, :50]
    assert [(view.row["pool"], view.row["state"]) for view in views] == [
        ("avg", "fixed"),
        ("checkered", "fixed"),
        ("stochastic", "train"),
        ("stochastic", "eval"),
    ]
    np.testing.assert_array_equal(views[0].original, image)
    np.testing.assert_allclose(views[0].pooled[0, 0], image[:2, :2].mean((0, 1)), rtol=1e-12)
    assert views[0].rebuilt.shape == image.shape
    assert views[1].pooled.shape == (32, 50, 3), "two submaps side by side"


def test_a_baseline_must_be_compared(crops):
    with pytest.raises(ValueError, match="baseline='max'.*avg"):
        compare(crops, ["avg"], baseline="max")


def test_nothing_to_compare_is_said(crops):
    with pytest.raises(ValueError, match="specs=.*one operator or more"):
        compare(crops, [])


@pytest.mark.parametrize("pool", ["checkered:sampler=random", "tri:sampler=random"])
def test_drawn_submaps_are_put_back_where_they_were_taken(pool):
    """Windows of one pixel: a submap holds the pixels of its phase, and of no other."""
    rows, columns = np.mgrid[0:48, 0:48]
    image = np.repeat(((rows + 2 * columns) / 200)[..., None], 3, 2)
    protocol = Protocol(1, 3, seeds=6)
    name, _ = pool.split(":")
    places = set()
    for run in make_runs([pool], protocol):
        y, phases = _pool(run, torch.from_numpy(image).permute(2, 0, 1)[None])
        for submap, (down, right) in zip(y[0].unbind(1), phases, strict=True):
            np.testing.assert_array_equal(submap[0].numpy(), image[down::3, right::3, 0])
        places.add(tuple(phases))
    assert len(places) > 1, f"{name} drew the same six times"


def test_rebuilding_a_constant_gives_it_back():
    pooled = [((1, 3, 4, 5), []), ((1, 3, 4, 5), [(1, 0)]), ((1, 3, 2, 4, 5), [(0, 0), (1, 1)])]
    for mode, (shape, phases) in itertools.product(("nearest", "bilinear", "bicubic"), pooled):
        full = rebuild(torch.full(shape, 0.3, dtype=torch.float64), (8, 10), mode, phases)
        torch.testing.assert_close(full, torch.full((1, 3, 8, 10), 0.3, dtype=torch.float64))
