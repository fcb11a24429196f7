"""Plots: figures of their own, equal bytes for equal data, and the right operators on the Pareto front."""

from __future__ import annotations

import math
import random

import pytest
from reports.conftest import HOSTILE, compare_row, make_compare, make_profile, profile_row

from poolzoo.analysis.rows import Result
from poolzoo.analysis.summary import summarise
from poolzoo.reports.plots import (
    pareto_front,
    plot_profile,
    plot_retention,
    plot_tradeoff,
    to_png,
    to_svg,
    tradeoff_points,
)


def texts(figure):
    """Every text that a figure draws."""
    from matplotlib.text import Text

    return {text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()}


def drawn(name, result):
    makers = {
        "retention": lambda: plot_retention(summarise(result)),
        "families": lambda: plot_retention(summarise(result), {row["pool"]: row["pool"][0] for row in result.rows}),
        "tradeoff": lambda: plot_tradeoff(summarise(result)),
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


@pytest.mark.parametrize("name", ["retention", "families", "tradeoff"])
def test_equal_data_gives_equal_bytes(name, compared):
    assert to_svg(drawn(name, compared)) == to_svg(drawn(name, compared))
    assert to_png(drawn(name, compared), 1) == to_png(drawn(name, compared), 1)


def test_a_profiles_plot_has_equal_bytes(profiled):
    assert to_svg(plot_profile(profiled)) == to_svg(plot_profile(profiled))


def test_nothing_is_left_in_pyplot(compared, profiled):
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    for figure in (drawn("families", compared), drawn("tradeoff", compared), plot_profile(profiled)):
        to_svg(figure)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_every_operator_is_on_the_axis_best_on_top(compared):
    figure = drawn("retention", compared)
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels[:3] == ["checkered", "avg", "max"]
    assert len(labels) == len(summarise(compared))
    assert "stochastic (train)" in labels
    top, bottom = (figure.axes[0].transData.transform((0, place))[1] for place in (0, len(labels) - 1))
    assert top > bottom


def test_each_metric_has_a_panel(compared):
    assert [axes.get_xlabel() for axes in drawn("retention", compared).axes] == [
        "PSNR (dB), higher is better",
        "SSIM, higher is better",
    ]


def test_one_terrible_operator_does_not_squash_the_others(compared):
    figure = drawn("retention", compared)
    low, high = figure.axes[0].get_xlim()
    assert low > 20, "sum's -3.45 dB is off the axis"
    assert high < 32, "so is checkered, which keeps more"
    assert {"◂ -3.45", "35.05 ▸"} <= texts(figure)


def test_error_bars_are_the_intervals(compared):
    figure = drawn("retention", compared)
    first = summarise(compared)[1]
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


def test_labels_of_the_tradeoff_do_not_cover_each_other(compared):
    from matplotlib.text import Annotation

    figure = drawn("tradeoff", compared)
    renderer = figure.canvas.get_renderer()
    figure.draw_without_rendering()
    labels = [text for text in figure.axes[0].texts if isinstance(text, Annotation) and text.get_fontweight() != "bold"]
    boxes = [text.get_window_extent(renderer) for text in labels]
    assert len(boxes) > 5
    overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if a.overlaps(b)]
    assert overlaps == []


def test_a_profile_shows_both_passes_and_ratios():
    figure = plot_profile(make_profile(["avg", "max"]))
    assert {"1.00x", "1.30x", "vs avg", "forward", "forward and backward"} <= texts(figure)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["avg", "max"]


def test_each_profiled_tensor_has_a_panel():
    rows = [profile_row("max", 0.1), profile_row("max", 0.1, shape="1x1x8x8"), profile_row("avg", 0.1, ratio=None)]
    assert len(plot_profile(Result("profile", {}, rows)).axes) == 2


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
        plot_profile(Result("profile", {"baseline": name}, [profile_row(name, 0.1, shape=name)])),
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
    for figure in (plot_retention(summaries), plot_tradeoff(summaries), plot_profile(Result("profile", {}, []))):
        assert to_png(figure, 0.3).startswith(b"\x89PNG")


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
