"""Plots of results with seaborn: retention by operator, ranks, retention against cost, cost, and scaling with size.
Each plot has a text description for readers who cannot see it.

Every function returns its own ``Figure``, in the style of :mod:`poolzoo.reports.plots.style`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.results.summary_records import Score, Summary, holds_zero
from poolzoo.reports.plots.described import operator_count, with_interval
from poolzoo.reports.plots.style import (
    AROUND,
    BASELINE,
    LINE,
    MARKERS,
    MUTED,
    POINT,
    WIDTH,
    axis_words,
    list_axis,
    new_figure,
    operator_name,
    score_limits,
    shortened,
    style,
)
from poolzoo.reports.text.columns import UNEQUAL
from poolzoo.reports.text.words import title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Per row: metrics in a list of operators, families in a legend.
METRICS_ACROSS, LEGEND_ACROSS = 3, 5


def plot_retention(summaries: Sequence[Summary], families: Mapping[str, str] | None = None) -> Figure:
    """Plot every operator's score as a point, best on top, one panel per metric.

    Error bars are the interval over images, or the spread over seeds if there is one image. Scores far worse than the
    rest are drawn at the edge with their value, so that one bad operator does not hide the differences of the others.

    Args:
        summaries: of one setting; failed ones are left out.
        families: label to family, for the colours.
    """
    shown = [summary for summary in summaries if summary.scores]
    return _plot_operators(shown, families or {}, axis_words)


def plot_differences(summaries: Sequence[Summary], families: Mapping[str, str] | None = None) -> Figure:
    """Plot every operator's score minus the baseline's on the same images, in the form of :func:`plot_retention`.

    Images differ far more than operators. Paired differences exclude that variation, so their intervals show which
    operators differ. A metric whose best value is not an extreme is left out.

    Args:
        summaries: of one setting, with differences. A point is hollow if its interval contains 0.
        families: label to family, for the colours.
    """
    shown = paired(summaries)
    base = next((shortened(summary.label) for summary in shown if summary.is_baseline), "the baseline")

    def axis(key: str) -> tuple[str, str]:
        what, better = axis_words(key)
        return f"{what} minus that of {base}", better

    return _plot_operators(shown, families or {}, axis, hollow=_could_be_chance)


def paired(summaries: Sequence[Summary]) -> list[Summary]:
    """Return the summaries with differences to the baseline as scores; those without an interval are left out."""
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
    """Describe how many operators are significantly better and worse than the baseline, and the leader, by metric."""
    shown = [summary for summary in paired(summaries) if summary.equal_kept and not summary.is_baseline]
    sentences = []
    for key in dict.fromkeys(key for summary in shown for key in summary.scores):
        metric = METRICS[key]
        scores = {title_of(summary): summary.scores[key] for summary in shown if key in summary.scores}
        sure = [metric.merit(score.mean) > 0 for score in scores.values() if not _could_be_chance(score)]
        best = max(scores, key=lambda name: metric.merit(scores[name].mean))
        sentences.append(
            f"By {metric.title} {sum(sure)} operators are significantly better than the baseline and"
            f" {sure.count(False)} significantly worse; the best is {best}: {with_interval(scores[best], metric)}."
        )
    return " ".join(["Differences to the baseline on the same images.", *sentences])


def _could_be_chance(difference: Score) -> bool:
    return holds_zero(difference.interval or (0.0, 0.0))


def _plot_operators(
    shown: Sequence[Summary],
    families: Mapping[str, str],
    axis: Callable[[str], tuple[str, str]],
    hollow: Callable[[Score], bool] = lambda score: False,
) -> Figure:
    """Plot a list of operators, one panel per metric, whose axis ``axis`` names; ``hollow`` points are not filled."""
    import seaborn as sns
    from matplotlib.lines import Line2D

    # The first metric asked for sorted the operators: its panel comes first.
    metrics = list(dict.fromkeys(key for summary in shown for key in summary.scores))
    names = sorted({families.get(summary.label, "") for summary in shown} - {""})
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
            axes.set_xlabel("\n".join(axis(key)))
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
    """Describe the best and the worst operator by each metric, and their scores."""
    fair = [summary for summary in summaries if summary.scores and summary.equal_kept]
    sentences = []
    for key in dict.fromkeys(key for summary in fair for key in summary.scores):
        metric = METRICS[key]
        ranked = sorted((s for s in fair if key in s.scores), key=lambda s: -metric.merit(s.scores[key].mean))
        ends = [f"{title_of(s)} {with_interval(s.scores[key], metric)}" for s in (ranked[0], ranked[-1])]
        base = next((s for s in ranked if s.is_baseline and s is not ranked[0] and s is not ranked[-1]), None)
        middle = f", baseline {title_of(base)} {with_interval(base.scores[key], metric)}" if base else ""
        sentences.append(f"{metric.title}: best {ends[0]}{middle}, worst {ends[1]}.")
    count = operator_count(summary for summary in summaries if summary.scores)
    return " ".join([f"Retention of {count} operators as points, best on top.", *sentences])


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
    # Operators that keep a different fraction of the values do not set the scale of those that can be compared.
    scaling = [(place, score) for place, summary, score in scored if summary.equal_kept] or [
        (p, s) for p, _, s in scored
    ]
    low, high = score_limits([score.mean for _, score in scaling], metric.higher_is_better)
    inside = [bars[place] for place, score in scaling if low <= score.mean <= high]
    low, high = min([low, *(bar[0] for bar in inside)]), max([high, *(bar[1] for bar in inside)])
    for place, summary, score in scored:
        family = families.get(summary.label, "")
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
    """Return the ends of an error bar: over images, else over seeds, else no bar."""
    spread = score.spread or 0.0
    return score.interval or (score.mean - spread, score.mean + spread)
