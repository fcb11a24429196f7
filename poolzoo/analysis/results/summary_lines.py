"""The summary of a result as lines of plain values: one dict per operator, state and setting."""

from __future__ import annotations

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.results.training_rows import TRAIN_KIND
from poolzoo.analysis.results.training_statistics import summarise_training


def summary_lines(result: Result) -> list[dict[str, object]]:
    """Return the lines of :meth:`poolzoo.Result.summary`; of a profile, its rows."""
    if result.kind == TRAIN_KIND:
        return _of_training(result)
    if result.kind != "compare":
        return [{key: row.get(key) for key in result.columns} for row in result.rows]
    lines = []
    for found in summarise(result):
        line: dict[str, object] = {"operator": found.label, "state": found.state, **vars(found.setting)}
        for key, score in found.scores.items():
            low, high = score.interval or (None, None)
            less, more = score.difference_interval or (None, None)
            line |= {key: score.mean, f"{key}_median": score.median, f"{key}_low": low, f"{key}_high": high}
            line |= {f"{key}_difference": score.difference}
            line |= {f"{key}_difference_low": less, f"{key}_difference_high": more}
        line |= {key: getattr(found, key) for key in ("rank", "images", "seeds", "kept", "forward_s", "ratio")}
        lines.append(line)
    return lines


def _of_training(result: Result) -> list[dict[str, object]]:
    lines = []
    for found in summarise_training(result):
        mean, gap = found.accuracy, found.difference
        low, high = (mean and mean.interval) or (None, None)
        less, more = (gap and gap.interval) or (None, None)
        line: dict[str, object] = {"data": found.data, "model": found.model, "operator": found.label}
        line |= {"top1": mean and mean.mean, "top1_low": low, "top1_high": high}
        line |= {"top1_difference": gap and gap.mean, "top1_difference_low": less, "top1_difference_high": more}
        line |= {"top5": found.top5, "seeds": len(found.top1), "failed": len(found.failed)}
        lines.append(
            line | {key: getattr(found, key) for key in ("parameters", "epoch_s", "images_per_s", "peak_bytes")}
        )
    return lines
