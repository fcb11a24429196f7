"""Who is recommended, and how sure that is: rows made by hand, so that the answer is known."""

from __future__ import annotations

import math

import pytest
from reports.conftest import compare_row

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import TIME_KEYS
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.results.times import Time
from poolzoo.analysis.results.verdicts import Doubts, doubts, join_times, judge, judge_profile

TWELVE = [f"image{number}" for number in range(12)]


def row(image, pool, ssim, **more):
    same = {"state": "fixed", "kept": 0.25, "equal_kept": True, "forward_s": 0.001}
    return compare_row(image, pool, 40 * ssim, ssim) | same | more


def failed(image, pool):
    nothing = dict.fromkeys(("ssim", "psnr", "kept", "equal_kept", *TIME_KEYS))
    return row(image, pool, 0.0) | nothing | {"error": "RuntimeError: no"}


def scored(pool, scores, **more):
    return [row(image, pool, score, **more) for image, score in zip(TWELVE, scores, strict=False)]


def timed(pool, seconds, iqr=0.0, **more):
    base = {"pool": pool, "params": "", "state": "fixed", "device": "cpu", "dtype": "float32", "shape": "1x2x8x8"}
    base |= {"kernel_size": 2, "stride": 2, "padding": 0, "dilation": 1, "ceil_mode": False}
    base |= {"layout": "contiguous", "threads": 1, "ratio": seconds and seconds / 2e-3}
    return base | {"forward_s": seconds, "forward_iqr_s": iqr, "error": None} | more


def verdicts(rows, metrics=("ssim",), profiles=()):
    result = Result("compare", {"metrics": list(metrics), "baseline": "avg"}, rows)
    return judge(result, join_times(summarise(result), profiles))


def names(summaries):
    return [summary.label for summary in summaries]


def test_the_best_mean_leads_and_its_margin_is_the_mean_paired_difference():
    rows = scored("avg", [0.5, 0.6, 0.7, 0.5, 0.6]) + scored("good", [0.7, 0.8, 0.8, 0.7, 0.8])
    rows += scored("next", [0.6, 0.7, 0.75, 0.65, 0.7])
    (verdict,) = verdicts(rows)
    (lead,) = verdict.leads
    assert names(lead.best) == ["good"]
    assert lead.baseline.difference == pytest.approx((0.2 + 0.2 + 0.1 + 0.2 + 0.2) / 5)
    assert lead.runner_up.other.label == "next"
    assert lead.runner_up.difference == pytest.approx((0.1 + 0.1 + 0.05 + 0.05 + 0.1) / 5)
    low, high = lead.runner_up.interval
    assert 0.05 - 1e-12 < low < lead.runner_up.difference < high < 0.1 + 1e-12
    assert lead.runner_up.sure
    assert lead.unsure == ()


def test_a_lead_that_differs_in_sign_between_images_is_not_distinguishable():
    rows = scored("avg", [0.5] * 12) + scored("up_and_down", [0.5 + 0.1 * (-1) ** n for n in range(11)] + [0.65])
    (lead,) = verdicts(rows)[0].leads
    assert names(lead.best) == ["up_and_down"]
    assert lead.baseline.sure is False
    assert names(lead.unsure) == ["avg"]


def test_a_constant_lead_is_sure_however_much_the_images_differ():
    # Unpaired, a lead of 0.01 would drown in images whose scores differ by 0.9.
    images = [n / 13 for n in range(12)]
    (lead,) = verdicts(scored("avg", images) + scored("better", [score + 0.01 for score in images]))[0].leads
    assert lead.baseline.sure
    assert lead.unsure == ()


def test_what_reads_the_same_shares_the_lead():
    rows = scored("avg", [0.5, 0.5]) + scored("twin", [0.50001, 0.49999]) + scored("worse", [0.4, 0.4])
    (lead,) = verdicts(rows)[0].leads
    assert set(names(lead.best)) == {"avg", "twin"}
    assert lead.baseline is None
    assert lead.runner_up.other.label == "worse"


@pytest.mark.parametrize("images", [1, 4])
def test_too_few_images_have_no_interval_and_nothing_is_called_unsure_or_sure(images):
    (lead,) = verdicts(scored("avg", [0.5] * images) + scored("max", [0.6] * images))[0].leads
    assert lead.baseline.interval is None
    assert lead.baseline.sure is None
    assert lead.baseline.images == images
    assert lead.unsure == ()


def test_less_is_better_where_the_metric_says_so():
    rows = [row("a", pool, 0.5, mse=mse) for pool, mse in (("avg", 0.02), ("max", 0.03), ("good", 0.01))]
    (lead,) = verdicts(rows, ["mse"])[0].leads
    assert names(lead.best) == ["good"]
    assert lead.baseline.difference == pytest.approx(0.01)
    assert lead.runner_up.other.label == "avg"


def test_operators_are_compared_only_with_those_that_keep_as_much():
    half = {"kept": 0.5, "equal_kept": False}
    rows = scored("avg", [0.5] * 3) + scored("max", [0.4] * 3)
    rows += scored("checkered", [0.9] * 3, **half) + scored("tri", [0.8] * 3, **half)
    rows += scored("complete", [1.0] * 3, kept=1.0, equal_kept=False)
    plain, halves = verdicts(rows)
    assert names(plain.candidates) == ["avg", "max"]
    assert names(plain.leads[0].best) == ["avg"]
    assert (halves.kept, names(halves.candidates)) == (0.5, ["checkered", "tri"])
    unknown = scored("a", [0.5], kept=None, equal_kept=False) + scored("b", [0.6], kept=None, equal_kept=False)
    assert verdicts(unknown) == []
    assert "complete" not in names(plain.candidates + halves.candidates), "alone, it is compared with nobody"


def test_a_draw_in_train_mode_is_never_recommended_but_told():
    rows = scored("avg", [0.5] * 3) + scored("max", [0.4] * 3)
    for seed in range(2):
        rows += scored("s3", [0.9] * 3, state="train", seed=seed)
    rows += scored("s3", [0.3] * 3, state="eval")
    (verdict,) = verdicts(rows)
    assert names(verdict.leads[0].best) == ["avg"]
    assert names(verdict.leads[0].drawn) == ["s3"]
    assert ("s3", "train") not in [(s.label, s.state) for s in verdict.candidates]


def test_an_operator_that_failed_somewhere_is_not_recommended():
    rows = scored("avg", [0.5] * 3) + scored("max", [0.4] * 3) + scored("lucky", [0.9] * 2)
    (verdict,) = verdicts([*rows, failed(TWELVE[2], "lucky"), *(failed(image, "broken") for image in TWELVE[:3])])
    assert names(verdict.leads[0].best) == ["avg"]
    assert names(verdict.partial) == ["lucky"]
    assert "broken" not in names(verdict.candidates + verdict.partial)


def test_one_operator_alone_is_no_recommendation():
    assert verdicts(scored("avg", [0.5] * 3)) == []
    assert verdicts([failed("a", "avg"), failed("a", "max")]) == []


def test_settings_are_judged_apart():
    rows = scored("avg", [0.5]) + scored("max", [0.6])
    rows += scored("avg", [0.7], upsample="nearest") + scored("max", [0.6], upsample="nearest")
    assert [(v.setting.upsample, names(v.leads[0].best)) for v in verdicts(rows)] == [
        ("bilinear", ["max"]),
        ("nearest", ["avg"]),
    ]


def test_an_image_that_is_rebuilt_exactly_decides_nothing():
    """A black frame among a hundred thousand photographs must not make all operators equal."""
    rows = [row("black", pool, 1.0, psnr=math.inf) for pool in ("avg", "good", "twin")]
    rows += [*scored("avg", [0.5, 0.6]), *scored("good", [0.6, 0.65]), *scored("twin", [0.65, 0.6])]
    # White is rebuilt exactly by one operator alone, which is no merit of it either.
    rows += [row("white", "good", 1.0, psnr=math.inf), row("white", "avg", 0.5), row("white", "twin", 0.5)]
    ((lead,),) = (verdict.leads for verdict in verdicts(rows, ["psnr"]))
    assert names(lead.best) == ["good", "twin"]
    assert (names([lead.runner_up.other]), lead.runner_up.images) == (["avg"], 2)
    assert lead.runner_up.difference == pytest.approx((4 + 2) / 2)


def test_equal_images_lead_by_an_infinite_margin_without_an_interval():
    rows = [row(image, "avg", 0.9, psnr=30.0) for image in "ab"]
    rows += [row(image, "exact", 1.0, psnr=math.inf) for image in "ab"]
    (lead,) = verdicts(rows, ["psnr"])[0].leads
    assert names(lead.best) == ["exact"]
    assert (lead.baseline.difference, lead.baseline.interval) == (math.inf, None)


TIMES = {"avg": 2e-3, "good": 4e-3, "fast": 1e-3, "bad": 3e-3}
SCORES = {"avg": 0.5, "good": 0.8, "fast": 0.3, "bad": 0.2}


def test_the_front_is_who_nothing_beats_at_both():
    own = {"forward_iqr_s": 1.2e-3, "forward_shape": "1x3x8x6"}
    (verdict,) = verdicts([row("a", pool, SCORES[pool], forward_s=TIMES[pool], **own) for pool in SCORES])
    assert [(s.label, time.seconds) for s, time in verdict.front] == [("fast", 1e-3), ("avg", 2e-3), ("good", 4e-3)]
    assert (verdict.cost.fastest.label, verdict.cost.ratio) == ("fast", 0.5)
    assert (verdict.cost.timed, verdict.cost.profiled) == ("1x3x8x6 float32", False)
    assert names(verdict.cost.unsure) == ["avg"], "1 ± 0.6 and 2 ± 0.6 overlap, 3 ± 0.6 does not"


def test_a_profile_of_the_same_operators_gives_the_times_and_their_overlap():
    rows = [row("a", pool, SCORES[pool]) for pool in SCORES]
    profile = Result("profile", {"baseline": "avg"}, [timed(pool, TIMES[pool], 1.2e-3) for pool in SCORES])
    (verdict,) = verdicts(rows, profiles=[profile])
    assert (verdict.cost.timed, verdict.cost.profiled) == ("1x2x8x8 float32 on cpu", True)
    assert verdict.cost.fastest.label == "fast"
    assert names(verdict.cost.unsure) == ["avg"], "1 ± 0.6 and 2 ± 0.6 overlap, 3 ± 0.6 does not"


@pytest.mark.parametrize(
    "other",
    [{"stride": 3}, {"kernel_size": 3}, {"padding": 1}, {"dilation": 2}, {"ceil_mode": True}, {"pool": "another"}],
)
def test_a_profile_of_something_else_leaves_the_comparisons_own_times(other):
    rows = [row("a", pool, SCORES[pool]) for pool in SCORES]
    profile = Result("profile", {}, [timed(pool, TIMES[pool]) | other for pool in SCORES])
    assert not verdicts(rows, profiles=[profile])[0].cost.profiled


def test_where_a_profile_measured_some_nobody_has_the_comparisons_own_time():
    """A profile's tensor is not the image: two kinds of times must not be ranked together."""
    rows = [row("a", pool, SCORES[pool], forward_s=1e-9) for pool in SCORES]
    result = Result("compare", {"metrics": ["ssim"], "baseline": "avg"}, rows)
    profile = Result("profile", {}, [timed(pool, TIMES[pool]) for pool in SCORES if pool != "bad"])
    found = {summary.label: summary for summary in join_times(summarise(result), [profile])}
    assert {name: summary.forward_s for name, summary in found.items()} == TIMES | {"bad": None}
    assert (found["good"].ratio, found["bad"].ratio, found["bad"].timed) == (2.0, None, None)
    assert all(summary.profiled for summary in found.values())


def test_a_state_has_the_time_of_that_state():
    """A draw costs more than an expectation; what an operator learned costs what it started with."""
    rows = [row("a", "avg", 0.5), row("a", "s3", 0.5, state="train", seed=0), row("a", "s3", 0.6, state="eval")]
    rows.append(row("a", "gem", 0.7, state="fitted"))
    result = Result("compare", {"metrics": ["ssim"], "baseline": "avg"}, rows)
    measured = [timed("avg", 1.0), timed("s3", 5.0, state="train"), timed("gem", 2.0, state="initial")]
    for eval_s in (None, 3.0):
        more = [timed("s3", eval_s, state="eval")] if eval_s else []
        joined = join_times(summarise(result), [Result("profile", {}, [*measured, *more])])
        assert {(s.label, s.state): s.forward_s for s in joined} == {
            ("avg", "fixed"): 1.0,
            ("s3", "train"): 5.0,
            ("gem", "fitted"): 2.0,
            ("s3", "eval"): eval_s,
        }


def test_a_profile_alone_names_its_fastest_per_tensor():
    rows = [timed(pool, TIMES[pool], 1e-4) for pool in TIMES]
    rows += [timed("avg", 5e-3, shape="2x2x8x8"), timed("bad", None, shape="2x2x8x8", error="no", ratio=None)]
    small, large = judge_profile(Result("profile", {"baseline": "avg"}, rows))
    assert (small.shape, small.fastest, small.operators, small.ratio) == ("1x2x8x8", "fast", 4, 0.5)
    assert small.unsure == ()
    assert (large.fastest, large.operators, large.ratio) == ("avg", 1, None)


def test_doubts_name_what_the_numbers_cannot_say():
    rows = scored("avg", [0.5] * 2) + scored("lip", [0.5] * 2, state="initial") + scored("gem", [0.5], state="fitted")
    rows += scored("checkered", [0.9] * 2, kept=0.5, equal_kept=False) + scored("s3", [0.4] * 2, state="train", seed=0)
    result = Result("compare", {"metrics": ["ssim"], "baseline": "avg"}, [*rows, failed("image0", "broken")])
    found = doubts(result, summarise(result))
    assert found == Doubts(
        images=2,
        few=(("ssim", 2),),
        unfitted=("lip",),
        unequal=(("checkered", 0.5),),
        kept=0.25,
        one_seed=("s3",),
        failed=1,
        rows=10,
    )


def test_where_nothing_was_fitted_fitting_is_no_doubt():
    result = Result("compare", {"metrics": ["ssim"]}, scored("avg", [0.5]) + scored("lip", [0.5], state="initial"))
    assert doubts(result, summarise(result)).unfitted == ()
    assert doubts(Result("profile", {}, [timed("lip", 1.0, state="initial")])).unfitted == ()


@pytest.mark.parametrize(("iqr", "noisy"), [(0.05, False), (0.099, False), (0.11, True), (0.5, True)])
def test_times_that_spread_are_noisy(iqr, noisy):
    found = doubts(Result("profile", {}, [timed("avg", 1.0, iqr)]))
    assert [name for name, _ in found.noisy] == ["avg"] * noisy


def test_from_five_to_nine_images_are_a_small_sample():
    assert [Doubts(images=n).small for n in (0, 4, 5, 9, 10)] == [False, False, True, True, False]


def test_times_overlap_within_half_their_spreads():
    assert Time(1.2, 0.2).overlaps(Time(1.0, 0.2))
    assert not Time(1.21, 0.2).overlaps(Time(1.0, 0.2))
    assert not Time(1.0).overlaps(Time(1.0, 0.2)), "a rough time has no spread"
