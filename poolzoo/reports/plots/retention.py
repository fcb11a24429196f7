"""Plots of results with seaborn: retention by operator, ranks, retention against cost, what operators cost, and how it
grows with size. Beside each stands what it says in words, for who cannot see it.

Every function returns a ``Figure`` of its own, in the look of :mod:`poolzoo.reports.plots.style`.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from poolzoo.analysis.results.schema import PROFILE_SETTING, Result, label
from poolzoo.analysis.results.summaries import INTERVAL_IMAGES, METRICS, Metric, Score, Summary
from poolzoo.analysis.results.verdicts import pareto_front
from poolzoo.reports.page.answer import title_of
from poolzoo.reports.plots.style import (
    AROUND,
    BASELINE,
    FRONT,
    LINE,
    LONGEST_NAME,
    MARKERS,
    MUTED,
    POINT,
    WIDTH,
    list_axis,
    log_axis,
    name_points,
    new_figure,
    operator_name,
    score_axis,
    shortened,
    style,
)
from poolzoo.reports.text.tables import BYTE_UNITS, TIME_UNITS, UNEQUAL, dicts, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: In a row: metrics of a list of operators, operators of their scaling, families of a legend.
METRICS_ACROSS, CURVES_ACROSS, LEGEND_ACROSS = 3, 5, 5
#: Sizes must span this factor before anything can be said of scaling.
LEAST_SPAN = 2.0
#: Nemenyi's test: the share of families of operators, all equal, in which some pair is said to differ.
ALPHA = 0.05


@dataclass(frozen=True)
class Cost:
    """What an operator costs, by the profile's key: ``less`` is how words say that another costs less."""

    key: str
    title: str
    less: str
    units: tuple[tuple[float, str], ...]


COSTS = {
    cost.key: cost
    for cost in (
        Cost("forward_s", "forward time", "faster", TIME_UNITS),
        Cost("peak_bytes", "peak memory of a forward pass", "smaller", BYTE_UNITS),
        Cost("saved_bytes", "memory kept for the backward pass", "smaller", BYTE_UNITS),
    )
}


@dataclass(frozen=True)
class Curve:
    """How long an operator takes by size: ``points`` are (elements, seconds) by rising size."""

    name: str
    is_baseline: bool
    points: tuple[tuple[float, float], ...]

    @property
    def exponent(self) -> float:
        """The slope of the least-squares line through the logarithms: 1 where twice the size takes twice the time."""
        import numpy as np

        sizes, times = np.log(self.points).T
        return float(np.polyfit(sizes, times, 1)[0])


def plot_retention(summaries: Sequence[Summary], families: Mapping[str, str] | None = None) -> Figure:
    """Every operator's score as a point, best on top, a panel for each metric.

    Error bars are the interval over images, or the spread over seeds where there is one image. Scores far worse than
    the rest stand at the edge with their value, so that one bad operator does not hide what differs among the others.

    Args:
        summaries: of one setting; those with errors only are left out.
        families: registry name to family, for the colours.
    """
    shown = [summary for summary in summaries if summary.scores]
    return _plot_operators(shown, families or {}, score_axis)


def plot_differences(summaries: Sequence[Summary], families: Mapping[str, str] | None = None) -> Figure:
    """Every operator's score minus the baseline's on the same images, as :func:`plot_retention` shows scores.

    Images differ far more than operators do; of paired differences that is no part, so that their intervals say which
    operators differ. A metric whose best value lies between others is left out.

    Args:
        summaries: of one setting, with differences. Whose interval holds 0 has a hollow point.
        families: registry name to family, for the colours.
    """
    shown = paired(summaries)
    base = next((shortened(summary.label) for summary in shown if summary.is_baseline), "the baseline")

    def axis(key: str) -> str:
        what, _, better = score_axis(key).rpartition(", ")
        return f"{what} minus that of {base}, {better}"

    return _plot_operators(shown, families or {}, axis, hollow=_could_be_chance)


def paired(summaries: Sequence[Summary]) -> list[Summary]:
    """Summaries whose scores are the differences to the baseline; without those that have none with an interval."""
    found = []
    for summary in summaries:
        scores = {
            key: replace(score, mean=score.difference, interval=score.difference_interval, spread=None)
            for key, score in summary.scores.items()
            if score.difference is not None and score.difference_interval and METRICS[key].target is None
        }
        found += [replace(summary, scores=scores)] * bool(scores)
    return found


def describe_differences(summaries: Sequence[Summary]) -> str:
    """How many operators are better and worse than the baseline beyond chance, and who leads, by each metric."""
    shown = [summary for summary in paired(summaries) if summary.equal_kept and not summary.is_baseline]
    sentences = []
    for key in dict.fromkeys(key for summary in shown for key in summary.scores):
        metric = METRICS[key]
        scores = {title_of(summary): summary.scores[key] for summary in shown if key in summary.scores}
        sure = [metric.merit(score.mean) > 0 for score in scores.values() if not _could_be_chance(score)]
        best = max(scores, key=lambda name: metric.merit(scores[name].mean))
        sentences.append(
            f"By {metric.title} {sum(sure)} operators are better than the baseline and {sure.count(False)} worse,"
            f" beyond chance; the best is {best}: {_valued(scores[best], metric)}."
        )
    return " ".join(["Differences to the baseline on the same images.", *sentences])


def _could_be_chance(difference: Score) -> bool:
    # Without the last digits: operators that compute the same in another order do not differ.
    low, high = (round(bound, 10) for bound in difference.interval or (0.0, 0.0))
    return low <= 0 <= high


def _plot_operators(
    shown: Sequence[Summary],
    families: Mapping[str, str],
    axis: Callable[[str], str],
    hollow: Callable[[Score], bool] = lambda score: False,
) -> Figure:
    """A list of operators with a panel for each metric, whose axis ``axis`` names; points that are ``hollow``."""
    import seaborn as sns
    from matplotlib.lines import Line2D

    # The first metric asked for sorted the operators: its panel comes first.
    metrics = list(dict.fromkeys(key for summary in shown for key in summary.scores))
    names = sorted({families.get(summary.pool, "") for summary in shown} - {""})
    # Seven colours that the colour-blind can tell apart and that stand out on white; shapes tell all families apart.
    palette = [sns.color_palette("colorblind")[index] for index in (0, 1, 2, 3, 4, 5, 9)]
    colours = {"": POINT, **{name: palette[number % len(palette)] for number, name in enumerate(names)}}
    markers = {"": "o", **{name: MARKERS[number % len(MARKERS)] for number, name in enumerate(names)}}
    rows = max(1, math.ceil(len(metrics) / METRICS_ACROSS))
    with style():
        legend = 0.17 * math.ceil(len(names) / LEGEND_ACROSS)
        figure = new_figure(WIDTH, rows * (AROUND + LINE * max(len(shown), 3)) + legend)
        grid = figure.subplots(rows, min(METRICS_ACROSS, max(1, len(metrics))), sharey=True, squeeze=False)
        for axes, key in zip(grid.flat, metrics, strict=False):
            _retention_panel(axes, shown, key, families, colours, markers, hollow)
            axes.set_xlabel(axis(key).replace(", ", "\n"))
        for axes in grid.flat[len(metrics) :]:
            axes.remove()
        unequal = [not summary.equal_kept for summary in shown]
        labels = [
            operator_name(s.label, s.state) + f" {UNEQUAL}" * grey for s, grey in zip(shown, unequal, strict=True)
        ]
        for first in grid[:, 0]:
            list_axis(first, labels, [summary.is_baseline for summary in shown], unequal)
        if names:
            handles = [Line2D([], [], color=colours[name], marker=markers[name], ls="") for name in names]
            figure.legend(
                handles,
                [shortened(name) for name in names],
                loc="outside lower center",
                ncols=min(LEGEND_ACROSS, len(names)),
                frameon=False,
                handletextpad=0.2,
                columnspacing=1.2,
            )
    return figure


def describe_retention(summaries: Sequence[Summary]) -> str:
    """Who is best and worst by each metric, and by how much."""
    fair = [summary for summary in summaries if summary.scores and summary.equal_kept]
    sentences = []
    for key in dict.fromkeys(key for summary in fair for key in summary.scores):
        metric = METRICS[key]
        ranked = sorted((s for s in fair if key in s.scores), key=lambda s: -metric.merit(s.scores[key].mean))
        ends = [f"{title_of(s)} {_valued(s.scores[key], metric)}" for s in (ranked[0], ranked[-1])]
        base = next((s for s in ranked if s.is_baseline and s is not ranked[0] and s is not ranked[-1]), None)
        middle = f", baseline {title_of(base)} {_valued(base.scores[key], metric)}" if base else ""
        sentences.append(f"{metric.title}: best {ends[0]}{middle}, worst {ends[1]}.")
    count = _operators(summary for summary in summaries if summary.scores)
    return " ".join([f"Retention of {count} operators as points, best on top.", *sentences])


def ranked(summaries: Sequence[Summary]) -> list[Summary]:
    """Who competes for ranks, best first: none for a single image."""
    rivals = [(summary.rank, summary) for summary in summaries if summary.rank is not None]
    return [s for _, s in sorted(rivals, key=lambda pair: (pair[0], pair[1].label, pair[1].state))]


def ranks_differ(summaries: Sequence[Summary]) -> bool:
    """Whether any two mean ranks of these differ beyond chance, over images enough to say so."""
    shown = ranked(summaries)
    if len(shown) < 2 or _images_ranked(shown) < INTERVAL_IMAGES:
        return False
    return _critical(shown) <= (shown[-1].rank or 0.0) - (shown[0].rank or 0.0)


def critical_difference(operators: int, images: int) -> float:
    """By how much two mean ranks must differ before a difference is unlikely to be chance.

    Nemenyi's test as in Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7 (2006):
    ``q sqrt(k (k + 1) / (6 N))``, with ``q`` the studentised range for infinitely many degrees of freedom over
    ``sqrt(2)``, at 5%.

    Args:
        operators: how many were ranked, ``k``.
        images: on how many, ``N``.
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - ALPHA, operators, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(operators * (operators + 1) / (6 * images))


def plot_ranks(summaries: Sequence[Summary]) -> Figure:
    """Mean rank by the first metric, best on top, each with half the critical difference to either side.

    Whose bar reaches that of the best, the shaded band, cannot be told apart from it; the others are hollow.

    Args:
        summaries: of one setting, several of them with a rank.
    """
    shown = ranked(summaries)
    reach = _critical(shown) / 2
    ranks = [summary.rank or 0.0 for summary in shown]
    with style():
        figure = new_figure(WIDTH, AROUND + LINE * max(len(shown), 3))
        axes = figure.subplots()
        axes.axvspan(ranks[0] - reach, ranks[0] + reach, color="#e3edf5", zorder=0)
        for place, (summary, rank) in enumerate(zip(shown, ranks, strict=True)):
            alike = rank - ranks[0] <= 2 * reach
            axes.plot([rank - reach, rank + reach], [place] * 2, color=MUTED, lw=0.9, zorder=2)
            axes.plot(
                [rank],
                [place],
                marker="D" if summary.is_baseline else "o",
                color=POINT,
                mfc=POINT if alike else "white",
                zorder=3,
            )
        list_axis(axes, [operator_name(s.label, s.state) for s in shown], [s.is_baseline for s in shown])
        axes.set_xlim(min(0.0, ranks[0] - reach) - 0.5, max(len(shown) + 1.0, ranks[-1] + reach) + 0.5)
        # A bar may reach below the first rank, a tick may not.
        axes.set_xticks([1, *(tick for tick in axes.get_xticks() if 1 < tick <= len(shown) and tick == int(tick))])
        first = METRICS[next(iter(shown[0].scores))]
        axes.set_xlabel(
            f"mean rank by {first.title} over {_images_ranked(shown)} images, 1 is best;"
            f" bars: critical difference {2 * reach:.1f} (Nemenyi, {ALPHA:.0%})"
        )
    return figure


def describe_ranks(summaries: Sequence[Summary]) -> str:
    """The best mean ranks, the worst, and how many cannot be told apart from the best."""
    shown = ranked(summaries)
    difference = _critical(shown)
    first, last = shown[0].rank or 0.0, shown[-1].rank or 0.0
    alike = sum((summary.rank or 0.0) - first <= difference for summary in shown) - 1
    return (
        f"Mean ranks of {_operators(shown)} operators over {_images_ranked(shown)} images, best on top:"
        f" best {title_of(shown[0])} {first:.1f}, worst {title_of(shown[-1])} {last:.1f}. {alike} of the others cannot"
        f" be told apart from the best: they are within the critical difference of {difference:.1f}."
    )


def plot_tradeoff(
    summaries: Sequence[Summary],
    costs: Mapping[tuple[str, str], float] | None = None,
    source: str | None = None,
    cost: str = "forward_s",
) -> Figure:
    """Retention by the first metric against a cost, the Pareto front drawn and its members named.

    Args:
        summaries: of one setting.
        costs: by (label, state); the summaries' own forward times where None.
        source: what was measured, for the axis; what the summaries' own times are of where None.
        cost: which of :data:`COSTS` it is.
    """
    metric, about = _first_metric(summaries), COSTS[cost]
    source = timed_tensor(summaries) if source is None else source
    points = tradeoff_points(summaries, metric.key, costs)
    front = pareto_front([(price, metric.merit(value)) for _, price, value in points])
    low, high = _limits([value for *_, value in points], metric.higher_is_better)
    size, unit = unit_of([price for _, price, _ in points], about.units)
    prices = [price / size for _, price, _ in points]
    values = [min(max(value, low), high) for *_, value in points]
    others = [index for index in range(len(points)) if index not in front]
    with style():
        figure = new_figure(WIDTH, 4.6)
        axes = figure.subplots()
        log_axis(axes, "x", prices, f"{about.title} of {source} ({unit}, logarithmic)")
        rest = ([prices[index] for index in others], [values[index] for index in others])
        axes.plot(*rest, "o", color=POINT, ms=4, mec="white", mew=0.4, zorder=3)
        # What can be had for a price is what the last member of the front gives: steps, not slopes.
        steps = [(prices[index], values[index]) for index in front]
        axes.plot(
            [price for price, _ in steps],
            [value for _, value in steps],
            drawstyle="steps-post",
            color=FRONT,
            marker="s",
            ms=5,
            zorder=4,
            label=f"Pareto front: nothing {about.less} retains as much",
        )
        for (summary, *_), price, value in zip(points, prices, values, strict=True):
            if summary.is_baseline:
                name = f"baseline {shortened(summary.label)}"
                axes.plot([price], [value], "o", ms=9, mfc="none", mec=BASELINE, mew=0.9, zorder=5, label=name)
        # Names of the best, who crowd at one end, need room there.
        axes.set_ylim(low - 0.1 * (high - low), high + 0.16 * (high - low))
        axes.set_ylabel(score_axis(metric.key))
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        texts = []
        for summary, _, value in points:
            off = "" if low <= value <= high else f" {'▾' if value < low else '▴'} {value:{metric.format}}"
            texts.append(operator_name(summary.label, summary.state, longest=24) + off.replace("inf", "∞"))
        path = [point for one, two in pairwise(steps) for point in (one, (two[0], one[1]), two)]
        base = [index for index, (summary, *_) in enumerate(points) if summary.is_baseline and index not in front]
        name_points(figure, axes, list(zip(prices, values, strict=True)), texts, [*front, *base], path)
    return figure


def describe_tradeoff(
    summaries: Sequence[Summary],
    costs: Mapping[tuple[str, str], float] | None = None,
    source: str | None = None,
    cost: str = "forward_s",
) -> str:
    """Who is on the front, from the cheapest to what retains most, with both numbers."""
    metric, about = _first_metric(summaries), COSTS[cost]
    source = timed_tensor(summaries) if source is None else source
    points = tradeoff_points(summaries, metric.key, costs)
    front = pareto_front([(price, metric.merit(value)) for _, price, value in points])
    members = []
    for summary, price, value in (points[index] for index in front):
        size, unit = unit_of([price], about.units)
        members.append(f"{title_of(summary)} ({price / size:.3g} {unit}, {_number(value, metric)})")
    return (
        f"{metric.title} of {_operators(summary for summary, *_ in points)} operators against {about.title} of"
        f" {source}. On the Pareto front, from the cheapest: {', '.join(members)}."
    )


def timed_tensor(summaries: Sequence[Summary]) -> str:
    """What the forward times of one setting's summaries are of, in words."""
    return next((f"{s.timed}, profiled" if s.profiled else s.timed for s in summaries if s.timed), "nothing")


def tradeoff_points(
    summaries: Sequence[Summary], metric: str, costs: Mapping[tuple[str, str], float] | None = None
) -> list[tuple[Summary, float, float]]:
    """Who can be placed by cost and score: ``(summary, cost, score)`` at the baseline's ``kept``."""
    points = []
    for summary in summaries:
        cost = summary.forward_s if costs is None else costs.get((summary.label, summary.state))
        score = summary.scores.get(metric)
        if summary.equal_kept and cost is not None and score:
            # Without the last digits: rounding must not put an operator on the front before its equal.
            points.append((summary, cost, round(score.mean, 10)))
    return points


def plot_profile(result: Result) -> Figure:
    """Forward and forward plus backward time of every operator, fastest on top; a panel for each tensor and device."""
    apart = profiled(result)
    heights = [AROUND + LINE * max(len(rows), 3) for rows in apart.values()] or [2.0]
    series = (("forward_s", "forward", "o", POINT), ("forward_backward_s", "forward and backward", "D", FRONT))
    with style():
        figure = new_figure(WIDTH, sum(heights) + 0.25)
        panels = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, (setting, rows) in zip(panels, apart.items(), strict=False):
            size, unit = unit_of([row["forward_s"] for row in rows], TIME_UNITS)
            for place, row in enumerate(rows):
                ends = [row[key] / size for key, *_ in series if row[key]]
                axes.plot(ends, [place] * len(ends), color="#c9c9c9", lw=1.1, zorder=1)
                if row["ratio"]:
                    # In axes coordinates: the ratios stand in a column of their own right of the plot.
                    axes.annotate(
                        f"{row['ratio']:.{2 if row['ratio'] < 10 else 1 if row['ratio'] < 100 else 0}f}x",
                        (1.075, place),
                        xycoords=("axes fraction", "data"),
                        ha="right",
                        va="center",
                        fontsize=7,
                        color=BASELINE,
                    )
            for key, name, marker, colour in series:
                points = [(row[key] / size, place) for place, row in enumerate(rows) if row[key]]
                if points:
                    axes.plot(*zip(*points, strict=True), marker, color=colour, ms=4.2, label=name, zorder=3)
            times = [row[key] / size for row in rows for key, *_ in series if row[key]]
            log_axis(axes, "x", times, f"time ({unit}, logarithmic)")
            baseline = result.metadata.get("baseline")
            list_axis(
                axes,
                [operator_name(label(row), row["state"]) for row in rows],
                [label(row) == baseline for row in rows],
            )
            named = dict(zip(PROFILE_SETTING, setting, strict=True))
            text = f"{named['shape']} {named['dtype']}, {named['device']}, kernel {named['kernel_size']}"
            text = shortened(f"{text}, stride {named['stride']}, {named['layout']}", 90)
            axes.set_title(text, loc="left")
            if any(row["ratio"] for row in rows):
                axes.set_title(f"vs {shortened(baseline or 'baseline', 12)}", loc="right", fontweight="normal", x=1.075)
        if apart:
            handles, names = panels[0].get_legend_handles_labels()
            figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return figure


def profiled(result: Result) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """A profile's timed rows, fastest first, apart for each tensor and device."""
    apart: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(result.rows, key=lambda row: (row["forward_s"] or 0.0, label(row))):
        if row["forward_s"]:
            apart[tuple(row[key] for key in PROFILE_SETTING)].append(row)
    return apart


def describe_profile(result: Result) -> str:
    """Who is fastest and slowest on each tensor, and how the fastest stands to the baseline."""
    sentences = []
    for setting, rows in profiled(result).items():
        named = dict(zip(PROFILE_SETTING, setting, strict=True))
        ends = []
        for row in (rows[0], rows[-1]):
            size, unit = unit_of([row["forward_s"]], TIME_UNITS)
            ratio = f", {row['ratio']:.2f} times {result.metadata.get('baseline')}" if row["ratio"] else ""
            ends.append(f"{label(row)} ({row['forward_s'] / size:.3g} {unit}{ratio})")
        sentences.append(
            f"On {named['shape']} {named['dtype']} the fastest of {len(rows)} operators forward is {ends[0]}, the"
            f" slowest {ends[1]}."
        )
    return " ".join(["Time of a forward pass, and of forward and backward, fastest on top.", *sentences])


def curves_of_profiles(profiles: Sequence[Result]) -> dict[str, list[Curve]]:
    """Time by size, from profiles that differ in the tensor's shape alone: by what they have in common, in words.

    An operator that was timed on one size only has no curve.
    """
    apart: dict[str, dict[tuple[str, bool], dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    for result in profiles:
        for row in result.rows:
            # A shape that a file spells otherwise is no size.
            if row["forward_s"] and re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9}){2,4}", str(row["shape"])):
                place = (
                    f"{row['shape'].count('x') - 1}D {row['dtype']} tensors on {row['device']}, kernel"
                    f" {row['kernel_size']}, stride {row['stride']}, {row['layout']}, {row['threads']} threads"
                )
                name = operator_name(label(row), row["state"])
                size = math.prod(map(int, row["shape"].split("x")))
                apart[place][name, label(row) == result.metadata.get("baseline")].setdefault(size, row["forward_s"])
    return {place: curves for place, found in apart.items() if (curves := _curves(found))}


def curves_of_images(result: Result) -> list[Curve]:
    """Time by size, from the images of a comparison: the median of those of one size. None where sizes are alike."""
    import numpy as np

    sizes = {
        str(image["name"]): float(image["width"] * image["height"])
        for image in dicts(result.metadata, "images")
        if image.get("name") and all(isinstance(image.get(side), int) for side in ("width", "height"))
    }
    apart: dict[tuple[str, bool], dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in result.rows:
        if row["forward_s"] and row["image"] in sizes and row.get("input") in (None, "image"):
            name = operator_name(label(row), row["state"])
            apart[name, label(row) == result.metadata.get("baseline")][sizes[row["image"]]].append(row["forward_s"])
    return _curves(
        {key: {size: float(np.median(times)) for size, times in points.items()} for key, points in apart.items()}
    )


def _curves(found: Mapping[tuple[str, bool], Mapping[float, float]]) -> list[Curve]:
    """Curves, fastest at the largest size first, of what was timed over a span of sizes."""
    spans = {key: points for key, points in found.items() if max(points) >= LEAST_SPAN * min(points)}
    curves = [Curve(name, base, tuple(sorted(points.items()))) for (name, base), points in spans.items()]
    return sorted(curves, key=lambda curve: (curve.points[-1][1] / curve.points[-1][0], curve.name))


def plot_scaling(curves: Sequence[Curve], what: str = "elements") -> Figure:
    """Forward time against size, a small panel for each operator with the baseline's line in each, fastest first.

    Args:
        curves: of one kind of tensor.
        what: of which there are so many: elements of a tensor, pixels of an image.
    """
    from matplotlib.ticker import MaxNLocator

    across = min(CURVES_ACROSS, max(3, len(curves)))
    down = math.ceil(len(curves) / across)
    base = next((curve for curve in curves if curve.is_baseline), None)
    times = [time for curve in curves for _, time in curve.points]
    unit_size, unit = unit_of(times, TIME_UNITS)
    large, prefix = next(
        (
            (factor, name)
            for factor, name in ((1e6, "million "), (1e3, "thousand "))
            if curves[-1].points[-1][0] >= factor
        ),
        (1.0, ""),
    )
    with style():
        figure = new_figure(WIDTH, 0.45 + 0.62 * WIDTH / across * down)
        grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for axes, curve in zip(grid.flat, curves, strict=False):
            if base is not None and curve is not base:
                sizes, baseline = zip(*base.points, strict=True)
                axes.plot(
                    [size / large for size in sizes],
                    [time / unit_size for time in baseline],
                    color=MUTED,
                    ls=(0, (4, 2)),
                    lw=0.8,
                    zorder=2,
                )
            sizes, own = zip(*curve.points, strict=True)
            axes.plot(
                [size / large for size in sizes],
                [time / unit_size for time in own],
                color=BASELINE if curve.is_baseline else POINT,
                marker="o",
                ms=2.6,
                zorder=3,
            )
            axes.set_title(
                shortened(curve.name, 23 if across == CURVES_ACROSS else LONGEST_NAME),
                loc="left",
                fontsize=6 if across == CURVES_ACROSS else 7.5,
                fontweight="bold" if curve.is_baseline else "normal",
            )
            axes.annotate(
                f"n^{curve.exponent:.2f}",
                (0.04, 0.96),
                xycoords="axes fraction",
                va="top",
                fontsize=6.5,
                color="#4d4d4d",
            )
        for place, axes in enumerate(grid.flat):
            # The lowest of a column has the numbers, also where the last row is short.
            axes.tick_params(labelbottom=place + across >= len(curves))
            if place >= len(curves):
                axes.remove()
        first = grid[0][0]
        all_sizes = [size for curve in curves for size, _ in curve.points]
        log_axis(first, "x", [size / large for size in all_sizes], "")
        log_axis(first, "y", [time / unit_size for time in times], "")
        # Where a curve that rises is not.
        first.set_ylim(top=4 * first.get_ylim()[1])
        # A small panel has room for few numbers.
        if max(all_sizes) < 10 * min(all_sizes):
            first.xaxis.set_major_locator(MaxNLocator(2))
        else:
            first.xaxis.get_major_locator().set_params(subs=(1.0, 3.0), numticks=4)
        first.yaxis.get_major_locator().set_params(subs=(1.0,), numticks=4)
        figure.supxlabel(f"{prefix}{what}, logarithmic", fontsize=8)
        # One row of panels is lower than the words are long.
        between = "\n" if down == 1 else " "
        figure.supylabel(f"forward time{between}({unit}, logarithmic)", fontsize=8)
    return figure


def describe_scaling(curves: Sequence[Curve], what: str = "elements") -> str:
    """Whose time grows most and least with size, and who is fastest and slowest at the largest."""
    order = sorted(curves, key=lambda curve: (curve.exponent, curve.name))
    least, most = (f"{curve.name} as n to the {curve.exponent:.2f}" for curve in (order[0], order[-1]))
    sizes = [size for curve in curves for size, _ in curve.points]
    return (
        f"Forward time of {len(curves)} operators against size, from {min(sizes):,.0f} to {max(sizes):,.0f} {what}: it"
        f" grows least for {least}, most for {most}. At the largest size {curves[0].name} is fastest,"
        f" {curves[-1].name} slowest."
    )


def _operators(summaries: Iterable[Summary]) -> int:
    """How many operators there are: one in two states is one."""
    return len({summary.label for summary in summaries})


def _first_metric(summaries: Sequence[Summary]) -> Metric:
    return next((METRICS[key] for summary in summaries for key in summary.scores), METRICS["psnr"])


def _critical(shown: Sequence[Summary]) -> float:
    return critical_difference(len(shown), _images_ranked(shown))


def _images_ranked(shown: Sequence[Summary]) -> int:
    """Over how many images ranks by the first metric are."""
    return min(next(iter(summary.scores.values())).images for summary in shown)


def _number(value: float, metric: Metric) -> str:
    return f"{value:{metric.format}} {metric.unit}".strip().replace("inf", "infinite")


def _valued(score: Score, metric: Metric) -> str:
    """``0.8473 (0.8101 to 0.8790)``."""
    bounds = " to ".join(format(bound, metric.format) for bound in score.interval or ())
    return _number(score.mean, metric) + (f" ({bounds})" if bounds else "")


def _retention_panel(
    axes: Axes,
    shown: Sequence[Summary],
    key: str,
    families: Mapping[str, str],
    colours: Mapping[str, Any],
    markers: Mapping[str, str],
    hollow: Callable[[Score], bool],
) -> None:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    metric = METRICS[key]
    scored = [(place, summary, summary.scores[key]) for place, summary in enumerate(shown) if key in summary.scores]
    bars = {place: _bar(score) for place, _, score in scored}
    # Operators that keep another share of the numbers do not set the scale of those that can be compared.
    scaling = [(place, score) for place, summary, score in scored if summary.equal_kept] or [
        (p, s) for p, _, s in scored
    ]
    low, high = _limits([score.mean for _, score in scaling], metric.higher_is_better)
    inside = [bars[place] for place, score in scaling if low <= score.mean <= high]
    low, high = min([low, *(bar[0] for bar in inside)]), max([high, *(bar[1] for bar in inside)])
    for place, summary, score in scored:
        family = families.get(summary.pool, "")
        empty = hollow(score) and not summary.is_baseline
        axes.plot(
            [min(max(score.mean, low), high)],
            [place],
            marker=markers[family],
            color=colours[family],
            mfc="white" if empty else colours[family],
            mec=colours[family] if empty else "white",
            mew=1 if empty else 0.4,
            ms=4.2 if empty else 5.2,
            ls="",
            zorder=3,
        )
        if not low <= score.mean <= high:
            below = score.mean < low
            text = f"{score.mean:{metric.format}}".replace("inf", "∞")
            axes.annotate(
                f"◂ {text}" if below else f"{text} ▸",
                (low if below else high, place),
                (5 if below else -5, 0),
                textcoords="offset points",
                ha="left" if below else "right",
                va="center",
                fontsize=6.5,
                color=MUTED,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
            )
            continue
        axes.plot(np.clip(bars[place], low, high), [place] * 2, color=MUTED, lw=1, zorder=2)
        if summary.is_baseline:
            axes.axvline(score.mean, color=BASELINE, lw=0.8, ls="--", zorder=1)
    margin = 0.05 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.spines["left"].set_visible(False)


def _bar(score: Score) -> tuple[float, float]:
    """The ends of an error bar: over images, else over seeds, else no bar."""
    spread = score.spread or 0.0
    return score.interval or (score.mean - spread, score.mean + spread)


def _limits(values: Sequence[float], higher_is_better: bool) -> tuple[float, float]:
    """Bounds of an axis: all finite values but those far on the bad side (beyond three quartile ranges)."""
    finite = sorted(value for value in values if math.isfinite(value))
    if not finite:
        return 0.0, 1.0
    first, third = finite[len(finite) // 4], finite[(3 * len(finite)) // 4]
    reach = 3 * (third - first)
    if reach > 0 and higher_is_better:
        finite = [value for value in finite if value >= first - reach]
    elif reach > 0:
        finite = [value for value in finite if value <= third + reach]
    low, high = finite[0], finite[-1]
    pad = 0.0 if high > low else max(abs(low) * 0.01, 1e-6)
    return low - pad, high + pad
