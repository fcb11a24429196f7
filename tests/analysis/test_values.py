"""Which images count: rows small enough that every mean, median and count is worked out by hand."""

from __future__ import annotations

import json
import math

import pytest
from analysis.test_summary import failed, row, summaries

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.results.store import ImageFile, Plan, Store
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.results.summary_records import Summary
from poolzoo.analysis.results.values import NAMED
from poolzoo.reports.text.compare_tables import left_out_notes


def rows_of(scores, metric="psnr"):
    """Rows from a score per image, by operator."""
    return [row(image, pool, **{metric: score}) for pool, own in scores.items() for image, score in own.items()]


def of(found, pool, metric="psnr"):
    return next(summary for (label, _), summary in found.items() if label == pool).scores[metric]


BLANK = {
    "avg": {"blank": math.inf, "a": 20.0, "b": 30.0, "c": 22.0},
    "max": {"blank": math.inf, "a": 18.0, "b": 32.0, "c": 19.0},
}


def test_an_image_rebuilt_exactly_by_all_is_left_out_and_named():
    found = summaries(rows_of(BLANK))
    assert (of(found, "avg").mean, of(found, "avg").median, of(found, "avg").images) == (24.0, 22.0, 3)
    assert (of(found, "max").mean, of(found, "max").median, of(found, "max").images) == (23.0, 19.0, 3)
    assert of(found, "max").difference == pytest.approx((-2.0 + 2.0 - 3.0) / 3)
    left_out = of(found, "avg").left_out
    assert (left_out.by_all, left_out.by_some, left_out.operators, left_out.named) == (1, 0, 2, (("blank", 2),))
    (note,) = left_out_notes(list(found.values()))
    assert note == "PSNR: 1 image rebuilt exactly by all: blank; means and medians are over the other 3"


def test_an_image_that_one_operator_rebuilds_exactly_is_left_out_of_all_means():
    scores = BLANK | {"min": {"blank": 10.0, "a": 19.0, "b": 29.0, "c": 21.0}}
    scores["min"] = dict(scores["min"])
    found = summaries(rows_of(scores))
    assert of(found, "min").mean == 23.0, "not (10 + 19 + 29 + 21) / 4: its mean is of the images of the others"
    left_out = of(found, "min").left_out
    assert (left_out.by_all, left_out.by_some, left_out.named) == (0, 1, (("blank", 2),))
    (note,) = left_out_notes(list(found.values()))
    assert "1 image rebuilt exactly by some: blank (by 2 of 3 operators)" in note


def test_at_low_resolution_nothing_is_called_rebuilt():
    rows = [r | {"protocol": "lowres", "upsample": "none"} for r in rows_of(BLANK)]
    (note,) = left_out_notes(list(summaries(rows).values()))
    assert note.startswith("PSNR: 1 image matched exactly by all: blank")


def test_other_metrics_keep_the_image():
    rows = [row(image, "avg", psnr, ssim) for image, psnr, ssim in (("blank", math.inf, 1.0), ("a", 20.0, 0.5))]
    found = summaries([*rows, row("blank", "max", math.inf, 1.0), row("a", "max", 19.0, 0.4)])
    assert (of(found, "avg", "ssim").mean, of(found, "avg", "ssim").left_out) == (0.75, None)


@pytest.mark.parametrize(("value", "counts"), [(119.0, True), (120.0, False), (325.11, False)])
def test_an_error_of_rounding_is_none(value, counts):
    found = summaries(rows_of({"avg": {"blank": value, "a": 20.0}, "max": {"blank": value, "a": 19.0}}))
    assert of(found, "avg").images == 1 + counts
    assert of(found, "avg").mean == ((value + 20.0) / 2 if counts else 20.0)


def test_an_operator_that_is_exact_everywhere_decides_nothing_for_others():
    exact = dict.fromkeys(("a", "b"), math.inf)
    found = summaries(rows_of({"avg": {"a": 20.0, "b": 30.0}, "bicubic": exact}))
    assert (of(found, "avg").mean, of(found, "avg").images, of(found, "avg").left_out) == (25.0, 2, None)
    assert of(found, "bicubic").mean == of(found, "bicubic").median == of(found, "bicubic").difference == math.inf
    assert of(found, "bicubic").interval is None


def test_blank_images_alone_are_rebuilt_exactly_and_none_is_left_out():
    found = summaries(rows_of({"avg": {"a": math.inf}, "max": {"a": math.inf}, "sum": {"a": 1.0}}))
    assert [of(found, pool).mean for pool in ("avg", "max", "sum")] == [math.inf, math.inf, 1.0]
    assert of(found, "max").difference == 0.0, "inf - inf says nothing; two exact operators differ by nothing"


def test_where_no_image_counts_there_is_no_score():
    found = summaries(rows_of({"avg": {"a": math.inf, "b": 20.0}, "max": {"a": 20.0, "b": math.inf}}), ["psnr"])
    assert [(summary.images, summary.scores) for summary in found.values()] == [(2, {}), (2, {})]


def test_one_exact_draw_makes_the_image_exact():
    draws = [row("a", "s3", psnr, state="train", seed=seed) for seed, psnr in enumerate((20.0, math.inf))]
    draws += [row("b", "s3", psnr, state="train", seed=seed) for seed, psnr in enumerate((20.0, 24.0))]
    found = summaries([*draws, row("a", "avg", 30.0), row("b", "avg", 31.0)])
    assert (of(found, "avg").mean, of(found, "s3").mean) == (31.0, 22.0)
    assert of(found, "s3").spread == pytest.approx(math.sqrt(8))


def test_a_spread_is_over_the_images_that_count():
    spreads = {"blank": (9.0, 9.0), "a": (20.0, 24.0)}
    rows = [
        row(image, "s3", psnr, state="train", seed=seed)
        for image, own in spreads.items()
        for seed, psnr in enumerate(own)
    ]
    found = summaries([*rows, row("blank", "avg", math.inf), row("a", "avg", 20.0)])
    assert of(found, "s3").spread == pytest.approx(math.sqrt(8)), "blank's spread of 0 is left out with blank"


@pytest.mark.parametrize("metric", [key for key in METRICS if not METRICS[key].exact])
@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_an_image_without_a_value_by_one_operator_is_left_out_of_all_means(metric, missing):
    rows = rows_of({"avg": {"black": 0.9, "a": 0.5, "b": 0.7}, "lp": {"black": missing, "a": 0.4, "b": 0.8}}, metric)
    found = summaries(rows, [metric])
    assert (of(found, "avg", metric).mean, of(found, "lp", metric).mean) == (pytest.approx(0.6), pytest.approx(0.6))
    (note,) = left_out_notes(list(found.values()))
    assert "1 image without a value by some: black (by 1 of 2 operators); means" in note


def test_an_operator_without_any_value_has_no_score_and_leaves_nothing_out():
    rows = rows_of({"avg": {"a": 0.5, "b": 0.7}, "checkered": {"a": None, "b": None}}, "alias")
    found = summaries(rows, ["alias"])
    assert (of(found, "avg", "alias").mean, of(found, "avg", "alias").left_out) == (0.6, None)
    assert found["checkered", "fixed"].scores == {}


def test_a_failure_leaves_the_image_to_the_others():
    found = summaries([*rows_of({"avg": {"a": 20.0, "b": 30.0}}), row("a", "max", 19.0), failed("b", "max")])
    assert (of(found, "avg").mean, of(found, "max").mean) == (25.0, 19.0)


def test_ranks_are_over_the_images_that_count():
    found = summaries(rows_of(BLANK))
    # Over a, b and c: avg is first, second and first.
    assert found["avg", "fixed"].rank == pytest.approx((1 + 2 + 1) / 3)


def test_settings_leave_out_their_own_images():
    rows = rows_of(BLANK) + [
        row(image, pool, 20.0, upsample="nearest") for pool in ("avg", "max") for image in ("blank", "a", "b", "c")
    ]
    found = {
        s.setting.upsample: s.scores["psnr"].images for s in summarise(Result("compare", {"metrics": ["psnr"]}, rows))
    }
    assert found == {"bilinear": 3, "nearest": 4}


def test_many_images_are_counted_and_the_first_are_named():
    exact = {f"blank{number:02}": math.inf for number in range(20)}
    found = summaries(rows_of({"avg": exact | {"a": 20.0}, "max": exact | {"a": 19.0}}))
    left_out = of(found, "max").left_out
    assert (left_out.by_all, len(left_out.named)) == (20, NAMED)
    (note,) = left_out_notes(list(found.values()))
    assert note.startswith("PSNR: 20 images rebuilt exactly by all: blank00, blank01")
    assert "blank05 and 14 more; means and medians are over the other 1" in note


def test_a_store_leaves_out_the_same_images_and_its_summaries_say_so_when_read_back(tmp_path):
    rows = rows_of(BLANK)
    metadata = {"metrics": ["psnr", "ssim"], "baseline": "avg"}
    plan = Plan("/photos", {"upsample": ("bilinear",)}, ("avg", "max"), metadata)
    with Store.create(tmp_path / "store", plan) as store:
        for image in ("c", "blank", "b", "a"):
            own = [r for r in rows if r["image"] == image]
            store.put(ImageFile(image, 1, 1), (9, 9), plan.specs, own)
    with Store.open(tmp_path / "store") as store:
        sample = store.sample()
    by_name = sorted(rows, key=lambda r: r["image"])
    direct = {s.label: s.scores for s in summarise(Result("compare", metadata, by_name))}
    assert {s.label: s.scores for s in sample.summaries} == direct
    assert [Summary.from_plain(s.to_plain()) for s in sample.summaries] == list(sample.summaries)
    read = Result.from_json(sample.to_json(), "page")
    assert read.summaries == sample.summaries
    assert read.summaries[0].scores["psnr"].left_out.named == (("blank", 2),)
    for key, value in (
        ("mean", None),
        ("median", "nan"),
        ("left_out", {"metric": "x"}),
        ("left_out", 3),
        ("images", "a"),
    ):
        damaged = json.loads(sample.to_json())
        damaged["summaries"][0]["scores"]["psnr"][key] = value
        with pytest.raises(ValueError, match="page: its summaries are not poolzoo's"):
            Result.from_json(json.dumps(damaged), "page")
