"""Plots: equal bytes for equal data, what is drawn is what was summarised, names that do not cover each other."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import random
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from reports.conftest import FIVE, HOSTILE, compare_row, make_compare, make_profile, profile_row

from poolzoo import registry
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.results.verdicts import pareto_front
from poolzoo.cli import cli
from poolzoo.reports.plots.all_plots import TRADEOFFS, all_drawings
from poolzoo.reports.plots.profile_times import plot_profile
from poolzoo.reports.plots.ranks import critical_difference, describe_ranks, plot_ranks, ranked, ranks_differ
from poolzoo.reports.plots.retention import (
    describe_differences,
    describe_retention,
    paired,
    plot_differences,
    plot_retention,
)
from poolzoo.reports.plots.scaling import Curve, curves_of_images, curves_of_profiles, describe_scaling, plot_scaling
from poolzoo.reports.plots.style import PLOT_FORMATS, to_file, to_png, to_svg
from poolzoo.reports.plots.tradeoff import describe_tradeoff, plot_tradeoff, tradeoff_points
from poolzoo.reports.run_facts import RunFacts

SHAPES = ("2x8x16x16", "2x8x32x32", "2x8x64x64")


def texts(figure):
    """Every text that a figure draws."""
    from matplotlib.text import Text

    return {text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()}


def make_scaling():
    """Profiles of three sizes: avg's time grows with the size, max's with its square."""
    return [
        Result(
            "profile",
            {"baseline": "avg"},
            [profile_row("avg", 1e-4 * 4**place, shape=shape), profile_row("max", 1e-4 * 16**place, shape=shape)],
        )
        for place, shape in enumerate(SHAPES)
    ]


def every_operator():
    """Scores of all that is registered, crowded as photographs make them; names as long as they come."""
    generator = random.Random(0)
    rows = []
    for fact in registry.pool_facts("*"):
        level, seconds = 0.88 - abs(generator.gauss(0, 0.02)), math.exp(generator.gauss(-4, 1.5))
        for image in "abcde":
            score = level + generator.gauss(0, 0.003)
            rows.append(compare_row(image, fact["name"], 35 * score, score, state="initial", forward_s=seconds))
    return make_compare(rows=rows, metrics=["ssim", "psnr"], pools=list(registry.pool_facts("*")))


def drawn(name, result):
    families = {row["pool"]: row["pool"][0] for row in result.rows}
    makers = {
        "retention": lambda: plot_retention(summarise(result)),
        "families": lambda: plot_retention(summarise(result), families),
        "differences": lambda: plot_differences(summarise(result), families),
        "ranks": lambda: plot_ranks(summarise(result)),
        "tradeoff": lambda: plot_tradeoff(summarise(result)),
        "scaling": lambda: plot_scaling(
            next(iter(curves_of_profiles(list(map(RunFacts.of, make_scaling()))).values()))
        ),
    }
    return makers[name]()


def dominated(points, index):
    cost, value = points[index]
    return any(c <= cost and v >= value and (c < cost or v > value) for c, v in points)


@pytest.mark.parametrize("seed", range(30))
def test_the_pareto_front_is_who_no_one_dominates(seed):
    generator = random.Random(seed)
    # Few different values, so that ties and duplicates are common.
    points = [(generator.randint(1, 6), generator.randint(1, 6)) for _ in range(generator.randint(0, 15))]
    front = pareto_front(points)
    assert sorted(front) == [index for index in range(len(points)) if not dominated(points, index)]
    assert [points[index][0] for index in front] == sorted(points[index][0] for index in front)


def test_an_infinite_score_can_be_on_the_front():
    assert pareto_front([(1.0, 30.0), (2.0, math.inf), (3.0, 40.0)]) == [0, 1]


@pytest.mark.parametrize("name", ["retention", "families", "differences", "ranks", "tradeoff", "scaling"])
def test_equal_data_gives_equal_bytes(name):
    rows = [compare_row(i, pool, 20.0 + len(pool), 0.5) for i in "ab" for pool in ("avg", "lanczos", "stochastic")]
    figures = [drawn(name, make_compare(images="ab", rows=rows)) for _ in range(2)]
    assert len({to_svg(figure) for figure in figures}) == 1
    assert len({to_png(figure, 1) for figure in figures}) == 1


@pytest.mark.slow
def test_files_have_equal_bytes_in_every_process():
    code = """
import sys
sys.path.insert(0, "tests")
from reports.test_plots import file_digests
print(*file_digests())
"""
    environment = os.environ | {"PYTHONHASHSEED": "1"}  # which orders sets
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == file_digests()


def file_digests():
    rows = [compare_row(image, name, 20.0 + len(name), 0.5) for image in "ab" for name in ("avg", "lanczos", "median")]
    figure = plot_retention(summarise(make_compare(rows=rows)), {"avg": "x", "median": "y"})
    return [hashlib.sha256(to_file(figure, fmt)).hexdigest() for fmt in PLOT_FORMATS]


def test_a_profiles_plot_has_equal_bytes(profiled):
    assert to_svg(plot_profile(RunFacts.of(profiled))) == to_svg(plot_profile(RunFacts.of(profiled)))


def test_nothing_is_left_in_pyplot(compared, profiled):
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    for figure in (drawn("families", compared), drawn("tradeoff", compared), plot_profile(RunFacts.of(profiled))):
        to_svg(figure)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_every_operator_is_on_the_axis_best_on_top(compared):
    figure = drawn("retention", compared)
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels[:3] == ["checkered †", "avg", "max"]
    assert len(labels) == len(summarise(compared))
    assert "stochastic (train)" in labels
    top, bottom = (figure.axes[0].transData.transform((0, place))[1] for place in (0, len(labels) - 1))
    assert top > bottom


def test_each_metric_has_a_panel(compared):
    assert [axes.get_xlabel() for axes in drawn("retention", compared).axes] == [
        "PSNR (dB)\nhigher is better",
        "SSIM\nhigher is better",
    ]


def test_the_baseline_is_bold_in_every_line_of_panels():
    metrics = ["psnr", "ssim", "mse", "mae"]
    rows = [compare_row("a", pool, 20.0, 0.5, mse=0.1, mae=0.1) for pool in ("avg", "max")]
    axes = drawn("retention", make_compare(images=("a",), rows=rows, metrics=metrics)).axes
    for first in (axes[0], axes[3]):
        assert [tick.get_fontweight() for tick in first.get_yticklabels()] == ["bold", "normal"]


@pytest.mark.parametrize("shapes", [("1x3x8x6", "1x3x8x6"), ("1x3x8x6", "1x3x4x4")], ids=["one", "two"])
def test_a_time_is_of_what_was_timed(shapes):
    rows = [
        compare_row(image, pool, psnr, 0.5, forward_shape=shape)
        for image, shape in zip("ab", shapes, strict=True)
        for pool, psnr in (("avg", 20.0), ("max", 19.0))
    ]
    named = {drawing.name: drawing for drawing in all_drawings([make_compare(images="ab", rows=rows)])}
    what = "forward time of 1x3x8x6 float32" if len(set(shapes)) == 1 else "forward time of inputs of 2 sizes, float32"
    assert named["time"].draw().axes[0].get_xlabel().startswith(f"{what} (")
    assert what in named["time"].alt


def test_a_profile_takes_the_place_of_all_times_of_the_comparison(compared):
    sizes = [{"name": name, "width": width, "height": 8} for name, width in (("coffee", 8), ("astronaut", 80))]
    result = replace(compared, metadata=compared.metadata | {"images": sizes})
    assert "image-sizes" in {drawing.name for drawing in all_drawings([result])}
    assert "image-sizes" not in {drawing.name for drawing in all_drawings([result, make_profile()])}


def test_one_terrible_operator_does_not_squash_the_others(compared):
    figure = drawn("retention", compared)
    low, high = figure.axes[0].get_xlim()
    assert low > 20, "sum's -3.45 dB is off the axis"
    assert high < 32, "so is checkered, which keeps more"
    assert {"◂ -3.45", "35.05 ▸"} <= texts(figure)


def test_error_bars_are_the_intervals():
    result = make_compare(FIVE)
    figure = drawn("retention", result)
    first = summarise(result)[1]
    bars = [list(line.get_xdata()) for line in figure.axes[0].get_lines() if list(line.get_ydata()) == [1, 1]]
    assert bars == [pytest.approx(first.scores["psnr"].interval)]


def test_the_baseline_is_a_line(compared):
    lines = [line.get_xdata() for line in drawn("retention", compared).axes[0].get_lines()]
    baseline = next(summary for summary in summarise(compared) if summary.is_baseline)
    assert any(list(x) == [baseline.scores["psnr"].mean] * 2 for x in lines)


def test_the_front_is_drawn_and_labelled():
    rows = [
        compare_row("a", name, psnr, 0.5, forward_s=seconds)
        for name, psnr, seconds in (
            ("fast", 20.0, 1e-3),
            ("good", 30.0, 4e-3),
            ("bad", 19.0, 3e-3),
            ("avg", 25.0, 2e-3),
        )
    ]
    figure = plot_tradeoff(summarise(make_compare(rows=rows)))
    (front,) = [line for line in figure.axes[0].get_lines() if "Pareto" in line.get_label()]
    assert list(front.get_ydata()) == [20.0, 25.0, 30.0]
    assert front.get_xdata() == pytest.approx([1, 2, 4])
    assert {"fast", "good", "avg"} <= texts(figure)
    assert figure.axes[0].get_xscale() == "log"


def test_who_keeps_more_is_not_in_the_tradeoff(compared):
    assert "checkered" not in {summary.pool for summary, *_ in tradeoff_points(summarise(compared), "psnr")}


def test_times_may_come_from_a_profile(compared):
    seconds = {("avg", "fixed"): 5.0, ("max", "fixed"): 7.0}
    points = tradeoff_points(summarise(compared), "psnr", seconds)
    assert {summary.pool: time for summary, time, _ in points} == {"avg": 5.0, "max": 7.0}


def boxes(figure, wanted):
    """Where texts stand, in pixels, without those that are empty."""
    figure.draw_without_rendering()
    found = [text for text in wanted if text.get_visible() and text.get_text()]
    return [(text.get_text(), text.get_window_extent()) for text in found]


def overlaps(found):
    return [(one, two) for (one, a), (two, b) in itertools.combinations(found, 2) if a.overlaps(b)]


def test_no_names_cover_each_other_with_all_operators():
    result = every_operator()
    summaries = summarise(result)
    for figure in (plot_retention(summaries), plot_differences(summaries), plot_ranks(summaries)):
        ticks = [*figure.axes[0].get_yticklabels(), *figure.axes[0].get_xticklabels()]
        assert overlaps(boxes(figure, ticks)) == []
        left = min(box.x0 for _, box in boxes(figure, ticks))
        assert left >= 0, "no name is cut at the edge"


def test_names_beside_points_cover_nothing_with_all_operators():
    summaries = summarise(every_operator())
    figure = plot_tradeoff(summaries)
    axes = figure.axes[0]
    found = boxes(figure, axes.texts)
    assert overlaps(found) == []
    assert len(found) >= 30, "as many are named as there is room for"
    inside = axes.get_window_extent()
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for _, box in found)
    points = axes.transData.transform([line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"])
    assert not [name for name, box in found for x, y in points if box.x0 < x < box.x1 and box.y0 < y < box.y1]


def test_titles_of_small_panels_do_not_touch():
    specs = [*registry.expand_specs([]), "dpp:reward=asymmetric,variant=full"]
    profiles = [
        Result("profile", {"baseline": "avg"}, [profile_row(name, 1e-3, state="initial", shape=s) for name in specs])
        for s in SHAPES
    ]
    curves = next(iter(curves_of_profiles(list(map(RunFacts.of, profiles))).values()))
    assert len(curves) == len(specs)
    figure = plot_scaling(curves)
    titles = boxes(figure, [axes._left_title for axes in figure.axes])
    assert overlaps(titles) == []
    assert max(box.x1 for _, box in titles) <= figure.bbox.x1


def test_one_row_of_small_panels_has_room_for_its_words_and_numbers():
    sizes = (135e3, 240e3, 262e3, 272.6e3)
    names = ("avg", "max", "blur", "softpool", "checkered")
    figure = plot_scaling([Curve(name, name == "avg", tuple((n, n * 1e-8) for n in sizes)) for name in names], "pixels")
    ((_, label),) = boxes(figure, [figure._supylabel])
    assert figure.bbox.y0 <= label.y0 and label.y1 <= figure.bbox.y1
    for axes in figure.axes:
        numbers = boxes(figure, [tick for tick in axes.get_xticklabels() if tick.get_text()])
        low, high = axes.get_window_extent().x0, axes.get_window_extent().x1
        seen = [(name, box) for name, box in numbers if low <= (box.x0 + box.x1) / 2 <= high]
        assert len(seen) >= 1 and overlaps(seen) == []


def test_differences_are_the_paired_ones():
    summaries = summarise(make_compare(FIVE))
    axes = plot_differences(summaries).axes[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    place = names.index("max")
    score = next(summary for summary in summaries if summary.pool == "max").scores["psnr"]
    lines = [line for line in axes.get_lines() if set(line.get_ydata()) == {place}]
    assert [line.get_xdata()[0] for line in lines if line.get_marker() == "o"] == [score.difference]
    assert score.difference == pytest.approx(-0.1)
    (bar,) = [line for line in lines if len(line.get_xdata()) == 2]
    assert list(bar.get_xdata()) == pytest.approx(score.difference_interval)
    assert axes.get_xlabel() == "PSNR (dB) minus that of avg\nhigher is better"


def test_hollow_points_may_be_chance():
    gains = {"max": (1.0, 2.0, 3.0, 2.0, 1.0), "lp": (-1.0, 0.0, 1.0, 1.0, -1.0)}
    rows = [compare_row(image, "avg", 20.0, 0.5) for image in "abcde"]
    rows += [
        compare_row(image, name, 20 + gain, 0.5)
        for name, values in gains.items()
        for image, gain in zip("abcde", values, strict=True)
    ]
    summaries = summarise(make_compare(images="abcde", rows=rows, metrics=["psnr"]))
    axes = plot_differences(summaries).axes[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    points = {names[int(line.get_ydata()[0])]: line for line in axes.get_lines() if line.get_marker() == "o"}
    assert points["lp"].get_markerfacecolor() == "white"
    assert points["max"].get_markerfacecolor() != "white"
    said = "By PSNR 1 operators are significantly better than the baseline and 0 significantly worse"
    assert said in describe_differences(summaries)


def test_ranks_are_drawn_as_they_are():
    scores = {"a": (9, 9, 9), "b": (8, 5, 8), "c": (7, 7, 5), "d": (1, 1, 1)}
    rows = [
        compare_row(image, name, float(value), 0.5)
        for name, values in scores.items()
        for image, value in zip("xyz", values, strict=True)
    ]
    summaries = summarise(make_compare(images="xyz", rows=rows, metrics=["psnr"], baseline="b"))
    axes = plot_ranks(summaries).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "c", "d"]
    points = [line.get_xdata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 1]
    by_hand = [1, (2 + 3 + 2) / 3, (3 + 2 + 3) / 3, 4]
    assert points == pytest.approx(by_hand)
    reach = critical_difference(4, 3) / 2
    bars = [line.get_xdata() for line in axes.get_lines() if len(line.get_xdata()) == 2]
    assert [list(bar) for bar in bars] == [pytest.approx([rank - reach, rank + reach]) for rank in by_hand]
    assert "best a 1.0, worst d 4.0. 2 of the others" in describe_ranks(summaries)


@pytest.mark.parametrize(("operators", "quantile"), [(2, 1.960), (4, 2.569), (10, 3.164)])
def test_critical_differences_are_the_published_ones(operators, quantile):
    # Demšar 2006, table 5(a): critical values at 0.05 of the two-tailed Nemenyi test.
    expected = quantile * math.sqrt(operators * (operators + 1) / (6 * 14))
    assert critical_difference(operators, 14) == pytest.approx(expected, abs=1e-3 * expected)


@pytest.mark.parametrize(
    ("images", "operators", "drawn"),
    [
        # Two operators, always in one order: ranks 1 and 2, and a critical difference of 1.96 / sqrt(images).
        (3, 2, False),
        (4, 2, False),  # 0.98, but a test of four images is not to be trusted
        (5, 2, True),  # 0.88
        (5, 6, True),  # 7.54 / sqrt(5) = 3.37 of a range of 5
        (5, 1, False),
    ],
)
def test_ranks_are_drawn_where_some_differ_beyond_chance(images, operators, drawn):
    rows = [compare_row(f"{i}", f"p{p}", 20.0 - p, 0.5) for i in range(images) for p in range(operators)]
    assert ranks_differ(summarise(make_compare(rows=rows, baseline="p0"))) == drawn
    # Ranks that change from image to image differ by less than chance would.
    mixed = [compare_row(f"{i}", f"p{p}", 20.0 - (p + i) % operators, 0.5) for i in range(6) for p in range(operators)]
    result = make_compare(rows=mixed, baseline="p0")
    assert not ranks_differ(summarise(result))
    assert "ranks" not in {drawing.name for drawing in all_drawings([result])}


def test_ranks_are_of_the_images_that_count():
    rows = [compare_row(f"{i}", f"p{p}", 20.0 - p, 0.5) for i in range(4) for p in range(2)]
    rows += [compare_row("blank", f"p{p}", math.inf, 1.0) for p in range(2)]
    assert not ranks_differ(summarise(make_compare(rows=rows, baseline="p0"))), "four, not five"


def test_one_image_has_neither_ranks_nor_differences():
    one = summarise(make_compare(images=("a",)))
    assert ranked(one) == []
    assert paired(one) == []
    assert {drawing.name for drawing in all_drawings([make_compare(images=("a",))])} == {"retention", "time"}


def test_costs_come_from_a_profile_of_the_same_window(compared):
    profiled = make_profile()
    for number, row in enumerate(profiled.rows):
        row["saved_bytes"] = 0 if row["pool"] in ("avg", "strided") else 2**20 * number
    names = {drawing.name: drawing for drawing in all_drawings([compared, profiled])}
    assert {"time", "memory", "training-memory", "profile"} <= set(names)
    axes = names["training-memory"].draw().axes[0]
    assert axes.get_xscale() == "symlog", "a cost of zero has its place"
    assert names["training-memory"].alt.startswith("PSNR of 27 operators against memory kept for the backward pass")
    other = make_profile()
    for row in other.rows:
        row["kernel_size"] = 3
    assert "memory" not in {drawing.name for drawing in all_drawings([compared, other])}


@pytest.mark.parametrize("cost", TRADEOFFS.values())
def test_the_front_of_every_cost_is_who_no_one_dominates(cost, compared):
    generator = random.Random(7)
    summaries = [summary for summary in summarise(compared) if summary.equal_kept]
    costs = {(summary.label, summary.state): generator.randint(0, 5) for summary in summaries}
    points = tradeoff_points(summaries, "psnr", costs)
    plain = [(price, value) for _, price, value in points]
    members = {plain[index] for index in range(len(plain)) if not dominated(plain, index)}
    figure = plot_tradeoff(summaries, costs, "a tensor", cost)
    (front,) = [line for line in figure.axes[0].get_lines() if "Pareto" in str(line.get_label())]
    assert front.get_drawstyle() == "steps-post"
    assert sorted(front.get_ydata()) == pytest.approx(sorted(value for _, value in members))
    told = describe_tradeoff(summaries, costs, "a tensor", cost)
    assert all(f"{value:.2f} dB" in told for _, value in members)
    best = max(points, key=lambda point: point[2])
    assert best[0].label in told


def test_scaling_is_the_slope_of_the_logarithms():
    ((place, curves),) = curves_of_profiles(list(map(RunFacts.of, make_scaling()))).items()
    assert {curve.name: round(curve.exponent, 6) for curve in curves} == {"avg": 1.0, "max": 2.0}
    figure = plot_scaling(curves)
    sizes = [math.prod(map(int, shape.split("x"))) for shape in SHAPES]
    (own,) = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert list(own.get_xdata()) == pytest.approx([size / 1000 for size in sizes])
    assert {"n^1.00", "n^2.00", "avg", "max"} <= texts(figure)
    assert "grows least for avg as n to the 1.00, most for max as n to the 2.00" in describe_scaling(curves)
    assert "2D float32" in place


def test_sizes_that_are_alike_have_no_curve():
    assert curves_of_profiles(list(map(RunFacts.of, make_scaling()[:1]))) == {}
    assert curves_of_images(RunFacts.of(make_compare())) == []
    images = [{"name": "a", "width": 10, "height": 10}, {"name": "b", "width": 40, "height": 10}]
    curves = curves_of_images(RunFacts.of(with_images(images)))
    assert {curve.name for curve in curves} >= {"avg", "stochastic (train)"}
    assert curves[0].points[0][0] == 100.0


def with_images(images):
    result = make_compare(images=[image["name"] for image in images])
    return replace(result, metadata=result.metadata | {"images": images})


def test_what_is_drawn_is_said(compared):
    summaries = summarise(compared)
    told = describe_retention(summaries)
    fair = [summary for summary in summaries if summary.equal_kept]
    for end in (fair[0], fair[-1]):
        assert f"{end.label} {end.scores['psnr'].mean:.2f} dB" in told
    assert "checkered" not in told, "who keeps more is not called best"


def test_a_profile_shows_both_passes_and_ratios():
    figure = plot_profile(RunFacts.of(make_profile(["avg", "max"])))
    assert {"1.00x", "1.30x", "vs avg", "forward", "forward and backward"} <= texts(figure)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["avg", "max"]


def test_each_profiled_tensor_has_a_panel():
    rows = [profile_row("max", 0.1), profile_row("max", 0.1, shape="1x1x8x8"), profile_row("avg", 0.1, ratio=None)]
    assert len(plot_profile(RunFacts.of(Result("profile", {}, rows))).axes) == 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "name", ["$x^{$", r"$\frac{$", "a$b", HOSTILE, "_hidden", "\x1b[0m", "\udcff", "写真", "x" * 300]
)
def test_names_are_text_and_not_mathematics(name):
    rows = [compare_row("a", pool, psnr, 0.5) for pool, psnr in ((name, 30.0), ("avg", 20.0), ("max", 25.0))]
    result = make_compare(rows=rows, baseline=name)
    for figure in (
        plot_retention(summarise(result), {name: name, "avg": "$y^{$"}),
        plot_tradeoff(summarise(result)),
        plot_profile(RunFacts.of(Result("profile", {"baseline": name}, [profile_row(name, 0.1, shape=name)]))),
    ):
        assert "<svg" in to_svg(figure)
        assert to_png(figure, 0.3).startswith(b"\x89PNG")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "rows",
    [
        [],
        [compare_row("a", "max", 20.0, 0.5)],
        [compare_row("a", "max", math.inf, 1.0), compare_row("a", "avg", math.inf, 1.0)],
        [compare_row("a", "max", 20.0, 0.5, forward_s=None)],
        [compare_row("a", "checkered", 20.0, 0.5)],
    ],
    ids=["none", "one", "infinite", "untimed", "unequal"],
)
def test_odd_results_are_drawn(rows):
    summaries = summarise(make_compare(rows=rows))
    for figure in (
        plot_retention(summaries),
        plot_tradeoff(summaries),
        plot_profile(RunFacts.of(Result("profile", {}, []))),
    ):
        assert to_png(figure, 0.3).startswith(b"\x89PNG")


def test_nothing_measured_is_no_drawing():
    assert all_drawings([make_compare(rows=[]), Result("profile", {}, [])]) == []


def test_files_say_which_result_and_setting(tmp_path):
    rows = [compare_row("a", name, 20.0, 0.5, upsample=up) for name in ("avg", "max") for up in ("nearest", "bilinear")]
    two = make_compare(rows=rows)
    names = [drawing.name for drawing in all_drawings([two, make_compare(images=("a",))])]
    assert names == [
        *("A-retention-bilinear", "A-time-bilinear", "A-retention-nearest", "A-time-nearest"),
        *("B-retention", "B-time"),
    ]


def test_names_of_files_stay_in_their_folder():
    inputs = ("features of ../../etc:x, weights of a/b", "features of ..\\..\\x")
    rows = [compare_row("a", name, 20.0, 0.5, input=kind) for name in ("avg", "max") for kind in inputs]
    names = [drawing.name for drawing in all_drawings([make_compare(rows=rows)])]
    assert len(names) == len(set(names)) == 4
    assert all(re.fullmatch(r"[a-z][\w.-]+", name) for name in names)


def test_a_sweep_of_several_settings_is_one_plot():
    rows = [
        compare_row("a", pool, 20.0, 0.5, params=params, normalize=scale)
        for pool, params in (("avg", ""), ("lp", "p=1"), ("lp", "p=2"))
        for scale in ("none", "255")
    ]
    about = {"pool": "lp", "over": "p", "values": [1, 2], "spacing": "list"}
    names = [drawing.name for drawing in all_drawings([make_compare(rows=rows, sweep=about)])]
    assert sorted(names) == ["retention-255", "retention-none", "sweep", "time-255", "time-none"]


@pytest.mark.slow
def test_every_plot_is_saved_whole(tmp_path):
    few = ("avg", "max", "lp")
    rows = [compare_row(str(i), name, 20.0 + n + i, 0.5) for i in range(5) for n, name in enumerate(few)]
    for name, result in (("c", make_compare(rows=rows)), ("p", make_profile(few))):
        (tmp_path / f"{name}.json").write_text(result.to_json())
    sources = [str(tmp_path / "c.json"), str(tmp_path / "p.json")]
    folder = tmp_path / "plots"
    told = CliRunner().invoke(
        cli, ["report", *sources, "--output", str(tmp_path / "x.html"), "--save-plots", str(folder)]
    )
    assert told.exit_code == 0, told.output
    names = {"retention", "differences", "ranks", "time", "memory", "training-memory", "profile"}
    assert {path.name for path in folder.iterdir()} == {f"{name}.{fmt}" for name in names for fmt in PLOT_FORMATS}
    with Image.open(folder / "retention.png") as image:
        assert image.width == pytest.approx(7.1 * 300, abs=1)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert (folder / "retention.svg").read_text().rstrip().endswith("</svg>")
    pdf = (folder / "retention.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert b"CreationDate" not in pdf


def test_families_are_told_apart_without_colours(compared):
    families = {fact["name"]: fact["family"] for fact in registry.pool_facts("*")}
    figure = plot_retention(summarise(every_operator()), families)
    shapes = [handle.get_marker() for handle in figure.legends[0].legend_handles]
    assert len(shapes) == len(set(families.values()))
    assert len(set(shapes)) == len(shapes)


def test_compare_saves_its_plots(tmp_path):
    pixels = (np.add.outer(np.arange(24), np.arange(20)) * 5).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    command = ["compare", "--pool", "strided", "--pool", "median", "--image", str(tmp_path / "a.png")]
    told = CliRunner().invoke(cli, [*command, "--save-plots", str(tmp_path / "plots")])
    assert told.exit_code == 0, told.output
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == {"retention", "time"}
    assert "wrote 6 files of plots into" in told.output


def test_a_folder_that_cannot_be_made_is_said_first(tmp_path):
    (tmp_path / "file").write_text("")
    for command in (
        ["compare", "--image", "no-such.png"],
        ["profile"],
        ["report", "no-such.json", "--output", "x.html"],
    ):
        told = subprocess.run(
            [sys.executable, "-m", "poolzoo", *command, "--save-plots", str(tmp_path / "file" / "plots")],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert told.returncode == 2
        assert told.stderr.startswith("poolzoo: --save-plots: cannot make the folder")
        assert told.stderr.count("\n") == 1


def test_an_svg_is_one_element_that_names_no_host(compared):
    svg = to_svg(drawn("tradeoff", compared), "p-")
    assert svg.startswith("<svg ")
    assert "http" not in svg
    assert "<style" not in svg
    assert "<text" not in svg, "glyphs are paths, so that no font is needed"


def test_ids_carry_the_prefix_and_references_follow(compared):
    import re

    svg = to_svg(drawn("retention", compared), "p-")
    ids = set(re.findall(r' id="([^"]+)"', svg))
    references = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
    assert ids
    assert all(name.startswith("p-") for name in ids)
    assert {a or b for a, b in references} <= ids
