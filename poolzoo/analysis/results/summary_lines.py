"""The summary of a result as lines of plain values: one dict per operator, state and setting."""

from __future__ import annotations

from collections.abc import Iterable

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.results.summary_records import Score, Setting
from poolzoo.analysis.results.training_rows import TRAIN_KIND
from poolzoo.analysis.results.training_statistics import TrainedOperator, summarise_training

_SETTING = tuple(Setting.__dataclass_fields__)
_CLOSING = ("rank", "images", "seeds", "kept", "forward_s", "ratio")
_OF_TRAINING = ("data", "model", "operator")
_TOP1 = ("top1", "top1_low", "top1_high", "top1_difference", "top1_difference_low", "top1_difference_high")
_COST = ("parameters", "epoch_s", "images_per_s", "peak_bytes")


def summary_columns(kind: str, metrics: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of each line of :func:`summary_lines`, in order.

    Args:
        kind: ``compare`` or ``train``.
        metrics: the keys of a comparison's metrics.
    """
    if kind == TRAIN_KIND:
        return (*_OF_TRAINING, *_TOP1, "top5", "seeds", "failed", *_COST)
    return ("operator", "state", *_SETTING, *(column for key in metrics for column in _of_metric(key)), *_CLOSING)


def _of_metric(key: str) -> tuple[str, ...]:
    ends = ("", "_median", "_low", "_high", "_difference", "_difference_low", "_difference_high")
    return tuple(f"{key}{end}" for end in ends)


def summary_lines(result: Result) -> list[dict[str, object]]:
    """Return the lines of :meth:`poolzoo.Result.summary`; of a profile, its rows.

    Every line has all of :func:`summary_columns`; None where there is no value.
    """
    if result.kind == TRAIN_KIND:
        return [_of_trained(found) for found in summarise_training(result)]
    if result.kind != "compare":
        return [{key: row.get(key) for key in result.columns} for row in result.rows]
    lines = []
    for found in summarise(result):
        line: dict[str, object] = {"operator": found.label, "state": found.state, **vars(found.setting)}
        for key in result.metadata["metrics"]:
            line |= _of_score(key, found.scores.get(key))
        lines.append(line | {key: getattr(found, key) for key in _CLOSING})
    return lines


def _of_score(key: str, score: Score | None) -> dict[str, object]:
    if score is None:
        return dict.fromkeys(_of_metric(key))
    low, high = score.interval or (None, None)
    less, more = score.difference_interval or (None, None)
    values = (score.mean, score.median, low, high, score.difference, less, more)
    return dict(zip(_of_metric(key), values, strict=True))


def _of_trained(found: TrainedOperator) -> dict[str, object]:
    mean, gap = found.accuracy, found.difference
    low, high = (mean and mean.interval) or (None, None)
    less, more = (gap and gap.interval) or (None, None)
    line: dict[str, object] = {"data": found.data, "model": found.model, "operator": found.label}
    values = (mean and mean.mean, low, high, gap and gap.mean, less, more)
    line |= dict(zip(_TOP1, values, strict=True))
    line |= {"top5": found.top5, "seeds": len(found.top1), "failed": len(found.failed)}
    return line | {key: getattr(found, key) for key in _COST}
