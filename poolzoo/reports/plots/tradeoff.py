"""Retention against the cost of an operator, with the best trade-offs (the Pareto front)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from poolzoo.analysis.results.profile_figures import PROFILE_FIGURES
from poolzoo.analysis.results.schema import METRICS, Metric
from poolzoo.analysis.results.summary_records import Summary
from poolzoo.analysis.results.verdicts import pareto_front
from poolzoo.reports.plots.described import operator_count, with_unit
from poolzoo.reports.plots.style import (
    BASELINE,
    FRONT,
    POINT,
    WIDTH,
    log_axis,
    name_points,
    new_figure,
    operator_name,
    score_axis,
    score_limits,
    shortened,
    style,
)
from poolzoo.reports.text.numbers import SCALED_UNITS, unit_of
from poolzoo.reports.text.words import title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_tradeoff(
    summaries: Sequence[Summary],
    costs: Mapping[tuple[str, str], float] | None = None,
    source: str | None = None,
    cost: str = "forward_s",
) -> Figure:
    """Plot retention by the first metric against a cost, with the Pareto front and the names of its operators.

    Args:
        summaries: of one setting.
        costs: by (label, state); None means the summaries' own forward times.
        source: the measured tensor, for the axis; None means that of the summaries' own times.
        cost: which of :data:`PROFILE_FIGURES` it is.
    """
    metric, about = _first_metric(summaries), PROFILE_FIGURES[cost]
    source = timed_tensor(summaries) if source is None else source
    points = tradeoff_points(summaries, metric.key, costs)
    front = pareto_front([(price, metric.merit(value)) for _, price, value in points])
    low, high = score_limits([value for *_, value in points], metric.higher_is_better)
    size, unit = unit_of([price for _, price, _ in points], SCALED_UNITS[about.unit])
    prices = [price / size for _, price, _ in points]
    values = [min(max(value, low), high) for *_, value in points]
    others = [index for index in range(len(points)) if index not in front]
    with style():
        figure = new_figure(WIDTH, 4.6)
        axes = figure.subplots()
        log_axis(axes, "x", prices, f"{about.axis} of {source} ({unit}, logarithmic)")
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
    """Describe the Pareto front, from the cheapest operator to the one that retains most, with both numbers."""
    metric, about = _first_metric(summaries), PROFILE_FIGURES[cost]
    source = timed_tensor(summaries) if source is None else source
    points = tradeoff_points(summaries, metric.key, costs)
    front = pareto_front([(price, metric.merit(value)) for _, price, value in points])
    members = []
    for summary, price, value in (points[index] for index in front):
        size, unit = unit_of([price], SCALED_UNITS[about.unit])
        members.append(f"{title_of(summary)} ({price / size:.3g} {unit}, {with_unit(value, metric)})")
    return (
        f"{metric.title} of {operator_count(summary for summary, *_ in points)} operators against {about.axis} of"
        f" {source}. On the Pareto front, from the cheapest: {', '.join(members)}."
    )


def timed_tensor(summaries: Sequence[Summary]) -> str:
    """Return the tensor that the forward times of one setting's summaries were measured on, in words."""
    return next((f"{s.timed}, profiled" if s.profiled else s.timed for s in summaries if s.timed), "nothing")


def tradeoff_points(
    summaries: Sequence[Summary], metric: str, costs: Mapping[tuple[str, str], float] | None = None
) -> list[tuple[Summary, float, float]]:
    """Return the operators that have a cost and a score at the baseline's ``kept``: ``(summary, cost, score)``."""
    points = []
    for summary in summaries:
        cost = summary.forward_s if costs is None else costs.get((summary.label, summary.state))
        score = summary.scores.get(metric)
        if summary.equal_kept and cost is not None and score:
            # Without the last digits: rounding must not put an operator on the front before its equal.
            points.append((summary, cost, round(score.mean, 10)))
    return points


def _first_metric(summaries: Sequence[Summary]) -> Metric:
    return next((METRICS[key] for summary in summaries for key in summary.scores), METRICS["psnr"])
