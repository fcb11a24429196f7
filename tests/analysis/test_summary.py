"""Rows to one line per operator: every number here is worked out by hand or by a second, plainer way."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from reports.conftest import compare_row

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import METRICS, TIME_KEYS
from poolzoo.analysis.results.summaries import bootstrap_interval, by_setting, summarise
from poolzoo.analysis.results.summary_records import Setting


def row(image, pool, psnr=30.0, ssim=0.9, **more):
    same = {"state": "fixed", "kept": 0.25, "equal_kept": True, "forward_s": 0.001}
    return compare_row(image, pool, psnr, ssim) | same | more


def failed(image, pool, **more):
    nothing = dict.fromkeys(("psnr", "ssim", "kept", "equal_kept", *TIME_KEYS))
    return row(image, pool, **nothing | {"error": "RuntimeError: no"} | more)


def summaries(rows, metrics=("psnr", "ssim"), baseline="avg"):
    found = summarise(Result("compare", {"metrics": list(metrics), "baseline": baseline}, rows))
    return {(summary.label, summary.state): summary for summary in found}


def test_a_mean_over_images_is_their_mean():
    only = summaries([row("a", "max", 20.0), row("b", "max", 26.0)])["max", "fixed"]
    assert only.images == 2
    assert only.scores["psnr"].mean == 23.0


def test_seeds_of_an_image_are_averaged_before_images():
    # Image a has three draws and b one: a mean over rows would give 15, equal weight for images gives 20.
    rows = [row("a", "s", value, state="train", seed=seed) for seed, value in enumerate((9.0, 10.0, 11.0))]
    only = summaries([*rows, row("b", "s", 30.0, state="train", seed=0)])["s", "train"]
    assert only.scores["psnr"].mean == 20.0
    assert only.seeds == 3


def test_spread_is_the_mean_over_images_of_the_deviation_over_seeds():
    draws = {"a": (9.0, 10.0, 12.0), "b": (20.0, 20.5, 20.7)}
    rows = [
        row(image, "s", value, state="train", seed=seed) for image, v in draws.items() for seed, value in enumerate(v)
    ]
    expected = statistics.mean(statistics.stdev(values) for values in draws.values())
    assert summaries(rows)["s", "train"].scores["psnr"].spread == pytest.approx(expected)


@pytest.mark.parametrize("state", ["fixed", "eval", "initial", "fitted"])
def test_only_train_mode_has_a_spread(state):
    # The same image named twice is no second draw.
    only = summaries([row("a", "s", 10.0, state=state), row("a", "s", 11.0, state=state)])["s", state]
    assert only.scores["psnr"].spread is None


@pytest.mark.parametrize("images", [1, 2, 4, 5, 6])
def test_fewer_than_five_images_have_no_interval(images):
    rows = [row(str(i), pool, 20.0 + i * gain) for i in range(images) for pool, gain in (("avg", 1), ("max", 2))]
    score = summaries(rows)["max", "fixed"].scores["psnr"]
    assert (score.interval is None, score.difference_interval is None) == (images < 5, images < 5)
    assert (bootstrap_interval([float(i) for i in range(images)]) is None) == (images < 5)


def test_the_bootstrap_interval_is_that_of_a_plain_loop():
    values = [3.0, 5.0, 8.0, 1.0, 9.0]
    generator = np.random.default_rng(0)
    means = [np.mean([values[i] for i in picks]) for picks in generator.integers(0, 5, (1000, 5))]
    expected = tuple(np.quantile(means, (0.025, 0.975)))
    assert bootstrap_interval(values) == pytest.approx(expected)


def test_the_bootstrap_interval_covers_like_the_normal_one():
    values = np.random.default_rng(1).normal(10, 2, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)


def test_many_images_take_the_bootstrap_in_blocks():
    # 1,000 resamples of 20,000 images at once would be 160 MB of indices.
    values = np.random.default_rng(1).normal(0, 1, 20_000)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(20_000), rel=0.1)


def test_differences_are_paired_over_the_images_both_have():
    apart = (-1.0, -3.0, 0.0, 2.0, -8.0)
    rows = [row(str(i), "max", 20.0 + i + less) for i, less in enumerate(apart)]
    rows += [row(str(i), "avg", 20.0 + i) for i in range(5)] + [row("elsewhere", "avg", 99.0)]
    score = summaries(rows)["max", "fixed"].scores["psnr"]
    assert score.difference == pytest.approx(-10 / 5)
    assert score.difference_interval == bootstrap_interval(apart)


def test_a_constant_margin_has_no_uncertainty_however_images_differ():
    rows = [row(str(i), "avg", 20.0 + i) for i in range(6)] + [row(str(i), "max", 20.5 + i) for i in range(6)]
    score = summaries(rows)["max", "fixed"].scores["psnr"]
    low, high = score.difference_interval
    assert (low, high) == (pytest.approx(0.5), pytest.approx(0.5))
    assert score.interval[1] - score.interval[0] > 1


def test_differences_stay_within_one_setting():
    rows = [row("a", "avg", 20.0), row("a", "avg", 30.0, upsample="nearest"), row("a", "max", 29.0, upsample="nearest")]
    assert summaries(rows)["max", "fixed"].scores["psnr"].difference == -1.0


def test_without_a_baseline_there_are_no_differences():
    only = summaries([row("a", "max")], baseline=None)["max", "fixed"]
    assert (only.scores["psnr"].difference, only.ratio, only.is_baseline) == (None, None, False)


def test_a_stochastic_baseline_is_its_eval_mode():
    rows = [row("a", "s", 10.0, state="train", seed=0), row("a", "s", 12.0, state="eval"), row("a", "max", 13.0)]
    found = summaries(rows, baseline="s")
    assert [key for key, summary in found.items() if summary.is_baseline] == [("s", "eval")]
    assert found["max", "fixed"].scores["psnr"].difference == 1.0


def test_time_is_the_median_and_its_ratio_to_the_baselines():
    rows = [row(str(i), "avg", forward_s=2.0) for i in range(3)]
    rows += [row(str(i), "max", forward_s=seconds) for i, seconds in enumerate((3.0, 4.0, 400.0))]
    assert summaries(rows)["max", "fixed"].forward_s == 4.0
    assert summaries(rows)["max", "fixed"].ratio == 2.0


def test_failed_rows_are_counted_and_not_averaged():
    only = summaries([row("a", "max", 20.0), failed("b", "max")])["max", "fixed"]
    assert (only.images, only.errors, only.scores["psnr"].mean) == (1, 1, 20.0)


def test_an_image_that_could_not_be_read_is_no_operator():
    unread = failed("x", "", state="", upsample="")
    assert list(summaries([row("a", "max"), unread])) == [("max", "fixed")]


@pytest.mark.parametrize("metric", METRICS)
def test_best_comes_first_and_errors_last(metric):
    rows = [row("a", name, **{metric: value}) for name, value in (("b", 0.2), ("c", 0.1), ("a", 0.3), ("d", 0.1))]
    order = [label for label, _ in summaries([failed("a", "0"), *rows], metrics=[metric])]
    best_first = ["a", "b", "c", "d"] if METRICS[metric].higher_is_better else ["c", "d", "b", "a"]
    assert order == [*best_first, "0"], "equal scores stand by name"


def test_rounding_noise_does_not_order_operators():
    rows = [row("a", "b", 20.0 + 1e-14), row("a", "a", 20.0), row("a", "c", math.inf)]
    assert [label for label, _ in summaries(rows)] == ["c", "a", "b"]


def test_the_order_of_rows_does_not_matter():
    rows = [row(image, pool, 20.0 + len(pool)) for image in "ab" for pool in ("max", "avg", "median", "sum")]
    assert list(summaries(rows)) == list(summaries(rows[::-1]))


def test_settings_are_kept_apart():
    rows = [row("a", "max", upsample=name) for name in ("nearest", "bilinear")]
    found = summarise(Result("compare", {"metrics": ["psnr"]}, rows))
    assert [setting.upsample for setting in by_setting(found)] == ["bilinear", "nearest"]
    assert Setting.of(rows[0]).kernel_size == "2"


def test_unequal_kept_is_told():
    rows = [row("a", "avg"), row("a", "checkered", kept=0.5, equal_kept=False)]
    found = summaries(rows)
    assert (found["checkered", "fixed"].kept, found["checkered", "fixed"].equal_kept) == (0.5, False)
    assert found["avg", "fixed"].equal_kept


def test_a_profile_is_refused():
    with pytest.raises(ValueError, match="profile"):
        summarise(Result("profile", {}, []))
