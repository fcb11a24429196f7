"""Runs side by side: what is matched, what changed, what only one has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from analysis.test_verdict import row, scored, timed

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.side_by_side import COMPARED_FIGURES, side_by_side
from poolzoo.analysis.results.store import ImageFile, Plan, Store
from poolzoo.analysis.results.summaries import bootstrap_interval


def compared(rows, metrics=("ssim",), **metadata):
    return Result("compare", {"metrics": list(metrics), "baseline": "avg", **metadata}, rows)


def profiled(rows, **metadata):
    more = {"forward_backward_s": None, "saved_bytes": 10, "peak_bytes": 20}
    return Result("profile", metadata, [more | row for row in rows])


def test_a_change_is_the_mean_paired_difference_over_the_images_in_common():
    before = compared(scored("avg", [0.5, 0.6, 0.7, 0.6, 0.7, 0.65]))
    # image0 is missing and another one is there: neither says anything about a change.
    after = compared([*scored("avg", [0.5, 0.7, 0.72, 0.6, 0.7, 0.65])[1:], row("elsewhere", "avg", 0.0)])
    versus = side_by_side([before, after])
    assert versus.images == 5
    ((match, (figure,)),) = versus.matched
    assert match[1:] == ("avg", "fixed")
    assert figure.values == pytest.approx((0.65, 0.674))
    assert figure.changes == pytest.approx((0.12 / 5,))
    assert figure.intervals[0] == pytest.approx(bootstrap_interval([0.1, 0.02, 0.0, 0.0, 0.0]))


def test_an_image_that_one_run_rebuilt_exactly_counts_in_none():
    def run(exact):
        rows = [
            row(image, pool, 0.0, psnr=psnr)
            for pool in ("avg", "max")
            for image, psnr in {"b": 20.0, "c": 22.0}.items()
        ]
        return compared([*rows, row("a", "avg", 0.0, psnr=exact), row("a", "max", 0.0, psnr=30.0)], ["psnr"])

    versus = side_by_side([run(math.inf), run(25.0)])
    assert versus.images == 3
    assert {match[1]: figures[0].values for match, figures in versus.matched} == {"avg": (21, 21), "max": (21, 21)}
    ((left_out,),) = versus.left_out.values()
    assert (left_out.by_all, left_out.by_some, left_out.named) == (0, 1, (("a", 1),))


def test_operators_match_in_the_same_state_and_setting_only():
    before = compared(scored("lip", [0.5], state="initial") + scored("avg", [0.5]) + scored("old", [0.5]))
    after = compared(scored("lip", [0.6], state="fitted") + scored("avg", [0.5], stride=3) + scored("new", [0.5]))
    versus = side_by_side([before, after])
    assert versus.matched == ()
    # avg is in both runs: what makes it two is said.
    assert versus.only == (("lip (untrained)", "avg, stride 2", "old"), ("lip (fitted)", "avg, stride 3", "new"))


def test_without_a_shared_image_nothing_has_changed():
    versus = side_by_side([compared([row("a", "avg", 0.5)]), compared([row("b", "avg", 0.9)])])
    ((_, (figure,)),) = versus.matched
    assert (versus.images, figure.values, figure.changes) == (0, (None, None), (None,))


def test_images_of_one_name_and_two_sizes_are_not_one_image():
    def run(side):
        sizes = [{"name": "image0", "width": side, "height": 8}, {"name": "image1", "width": 8, "height": 8}]
        return compared(scored("avg", [side / 10, 0.5]), images=sizes)

    versus = side_by_side([run(4), run(8)])
    ((_, (figure,)),) = versus.matched
    assert (versus.images, figure.values, figure.changes) == (1, (0.5, 0.5), (0,))
    assert versus.differing == (("sizes of images, therefore not compared", ("image0 4 x 8", "image0 8 x 8")),)


def test_what_was_fitted_on_other_images_is_named():
    first, second = ([row("a", "avg", 0.5) | {"decoder_fitted_on": words}] for words in ("cats", "dogs"))
    assert side_by_side([compared(first), compared(second)]).differing == (("decoders fitted on", ("cats", "dogs")),)


def test_only_metrics_that_all_runs_have_are_shown():
    first = compared(scored("avg", [0.5]), ["ssim", "psnr"])
    assert side_by_side([first, compared(scored("avg", [0.5]), ["psnr"])]).measures == ("psnr",)


def test_the_change_between_two_stores_is_of_all_images_that_both_hold(tmp_path):
    """A store's report holds rows of six images; changes are of all."""
    draw = np.random.default_rng(0)
    before, after = draw.random(40), draw.random(40)
    runs = []
    for name, scores, held in (("a", before, range(30)), ("b", after, range(39, 9, -1))):
        plan = Plan("/photos", {"upsample": ("bilinear",)}, ("avg",), {"metrics": ["ssim"], "baseline": "avg"})
        with Store.create(tmp_path / name, plan) as store:
            for place in held:
                image = f"{place:02}"
                store.put(ImageFile(image, 1, 1), (9, 9), ("avg",), [row(image, "avg", float(scores[place]))])
        with Store.open(tmp_path / name) as store:
            runs.append(store.sample())
    versus = side_by_side(runs)
    ((_, (figure,)),) = versus.matched
    apart = after[10:30] - before[10:30]
    assert versus.images == 20
    assert figure.values == pytest.approx((before[10:30].mean(), after[10:30].mean()), rel=1e-12)
    assert figure.changes == pytest.approx((apart.mean(),), rel=1e-12)
    assert figure.intervals == (pytest.approx(bootstrap_interval(apart), rel=1e-12),)
    read = Result.from_json(runs[1].to_json(), "b")
    assert [r["image"] for r in read.rows] == ["10", "15", "20", "25", "30", "35"]
    assert side_by_side([runs[0], read]).images == 4, "of a store that is not at hand, the sample's"


def test_a_profiles_change_is_a_ratio():
    versus = side_by_side(
        [profiled([timed("avg", 2e-3)]), profiled([timed("avg", 3e-3)]), profiled([timed("avg", 1e-3)])]
    )
    ((_, figures),) = versus.matched
    by_name = dict(zip(COMPARED_FIGURES, figures, strict=True))
    assert by_name["forward_s"].changes == pytest.approx((1.5, 0.5))
    assert by_name["forward_backward_s"].changes == (None, None)
    assert by_name["saved_bytes"].changes == (1, 1)


def test_profiles_match_across_devices_where_each_keeps_to_one():
    one, two = timed("avg", 2e-3), timed("avg", 1e-3, device="cuda", threads=8)
    assert len(side_by_side([profiled([one]), profiled([two])]).matched) == 1
    versus = side_by_side([profiled([one, two]), profiled([two])])
    ((match, _),) = versus.matched
    assert "cuda" in match[0], "where a run has two devices, each is matched with its own"
    assert side_by_side([profiled([one]), profiled([timed("avg", 1e-3, shape="9x2x8x8")])]).matched == ()


def test_what_differs_between_runs_is_named_and_nothing_else():
    first = compared(scored("avg", [0.5]), poolzoo="0.1", machine={"cpu": "x", "torch": "2"}, device="cpu")
    second = compared(scored("avg", [0.5]), poolzoo="0.2", machine={"cpu": "x", "torch": "3"}, device="cpu")
    assert side_by_side([first, second]).differing == (("poolzoo", ("0.1", "0.2")), ("torch", ("2", "3")))


@pytest.mark.parametrize("runs", [[], [compared([])], [compared([]), profiled([])]])
def test_one_run_or_two_kinds_cannot_stand_side_by_side(runs):
    with pytest.raises(ValueError, match="at least two of one kind"):
        side_by_side(runs)
