"""Accuracy next to retention and cost: the operators of a training that a comparison or a profile has measured too."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from poolzoo.analysis.results.profile_figures import PROFILE_FIGURES
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import grouped, label
from poolzoo.analysis.results.schema import METRICS, PROFILE_SETTING
from poolzoo.analysis.results.summary_records import Summary
from poolzoo.analysis.results.training_statistics import COVERAGE, Interval, TrainedOperator

#: The draws of a bootstrap interval, and the fewest operators that get one.
DRAWS, LEAST_OPERATORS = 4000, 5
#: The states of a comparison's rows that show an operator as a training begins with it, the first that there is.
_STATES = ("fixed", "initial", "eval")


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over operators; ``interval`` is by bootstrap over operators, None for too few."""

    rho: float
    interval: Interval | None
    operators: int


@dataclass(frozen=True)
class Joined:
    """Accuracy against another figure.

    Attributes:
        key: the metric of a comparison or the figure of a profile.
        title: of the figure, with its unit.
        place: where it was measured, in words.
        lower_is_better: whether less of it is better.
        points: operator, figure and test accuracy.
        correlation: None where it is not defined, as when all figures are equal.
    """

    key: str
    title: str
    place: str
    lower_is_better: bool
    points: tuple[tuple[str, float, float], ...]
    correlation: Correlation | None


def join_retention(
    trained: Sequence[TrainedOperator], summaries: Sequence[Summary], place: str, limit: int = 2
) -> list[Joined]:
    """Return accuracy against the first metrics of a comparison, for one setting.

    Operators that keep another fraction of the values than the baseline are left out.

    Args:
        trained: of one data set and network.
        summaries: of one setting.
        place: the setting in words.
        limit: how many metrics.
    """
    chosen: dict[str, Summary] = {}
    for state in reversed(_STATES):
        equal = (summary for summary in summaries if summary.state == state and summary.scores and summary.equal_kept)
        chosen |= {summary.label: summary for summary in equal}
    found = []
    for key in list(dict.fromkeys(key for summary in chosen.values() for key in summary.scores))[:limit]:
        values = {name: summary.scores[key].mean for name, summary in chosen.items() if key in summary.scores}
        metric = METRICS[key]
        title = f"{metric.title} ({metric.unit})" if metric.unit else metric.title
        found += _joined(trained, values, key, title, place, lower=not metric.higher_is_better, merit=metric.merit)
    return found


def join_cost(
    trained: Sequence[TrainedOperator], profile: Result, place: Callable[[dict[str, str]], str]
) -> list[Joined]:
    """Return accuracy against the forward time of a profile, for each of its tensors.

    Args:
        trained: of one data set and network.
        profile: of operators.
        place: says a tensor in words.
    """
    found = []
    for named, rows in grouped(profile.rows, PROFILE_SETTING):
        values: dict[str, float] = {}
        for state in ("eval", "train", "initial", "fixed"):
            values |= {label(r): s for r in rows if (s := r["forward_s"]) is not None and r["state"] == state}
        title, words = PROFILE_FIGURES["forward_s"].axis, place({key: str(value) for key, value in named.items()})
        found += _joined(trained, values, "forward_s", title, words, lower=True, merit=lambda value: -value)
    return found


def _joined(
    trained: Sequence[TrainedOperator],
    values: dict[str, float],
    key: str,
    title: str,
    place: str,
    *,
    lower: bool,
    merit: Callable[[float], float],
) -> list[Joined]:
    points = [
        (one.label, values[one.label], one.accuracy.mean)
        for one in trained
        if one.accuracy and one.label in values and math.isfinite(values[one.label])
    ]
    if len(points) < 2:
        return []
    correlation = rank_correlation([merit(value) for _, value, _ in points], [top1 for *_, top1 in points])
    return [Joined(key, title, place, lower, tuple(points), correlation)]


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> Correlation | None:
    """Return Spearman's rank correlation of two lists, with a bootstrap percentile interval; ties share their rank.

    Args:
        first, second: one value per operator.

    Returns:
        None with less than three values, or if all values of a list are equal.
    """
    from scipy.stats import rankdata

    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    rho = float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
    if len(a) < LEAST_OPERATORS:
        return Correlation(rho, None, len(a))
    drawn = np.random.default_rng(0).integers(len(a), size=(DRAWS, len(a)))
    x, y = rankdata(a[drawn], axis=1), rankdata(b[drawn], axis=1)
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    scale = np.sqrt((x * x).sum(1) * (y * y).sum(1))
    rhos = (x * y).sum(1)[scale > 0] / scale[scale > 0]
    low, high = np.quantile(rhos, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Correlation(rho, (float(low), float(high)), len(a))
