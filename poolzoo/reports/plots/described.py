"""Common parts of the plots' descriptions."""

from __future__ import annotations

from collections.abc import Iterable

from poolzoo.analysis.results.schema import Metric
from poolzoo.analysis.results.summary_records import Score, Summary


def operator_count(summaries: Iterable[Summary]) -> int:
    """Return the number of operators; an operator in two states counts once."""
    return len({summary.label for summary in summaries})


def with_unit(value: float, metric: Metric) -> str:
    return f"{value:{metric.format}} {metric.unit}".strip().replace("inf", "infinite")


def with_interval(score: Score, metric: Metric) -> str:
    """Return, for example, ``0.8473 (0.8101 to 0.8790)``."""
    bounds = " to ".join(format(bound, metric.format) for bound in score.interval or ())
    return with_unit(score.mean, metric) + (f" ({bounds})" if bounds else "")
