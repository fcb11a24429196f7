"""Accuracy over seeds: means with t intervals, differences that pair by seed, and how many seeds a difference needs.

A seed gives every operator the same initial weights and the same batches, so the difference of two operators is taken
seed by seed. Intervals are Student's, at 95 %; they are not widened for the number of operators that are compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import model_label
from poolzoo.analysis.results.training_rows import TrainingRow

#: The probability with which an interval covers, and with which a difference is to be found.
COVERAGE, POWER = 0.95, 0.8
#: The most seeds that :func:`seeds_needed` counts to.
MOST_SEEDS = 1000
Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: the mean.
        interval: of the mean, by t over seeds; None with less than two.
        deviation: the standard deviation over seeds; None with less than two.
        seeds: how many.
    """

    mean: float
    interval: Interval | None
    deviation: float | None
    seeds: int

    @property
    def half_width(self) -> float | None:
        """Half of the interval."""
        return (self.interval[1] - self.interval[0]) / 2 if self.interval else None


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of some values with its t interval.

    Args:
        values: one per seed, at least one.
    """
    from scipy.stats import t

    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Estimate(mean, None, None, count)
    deviation = float(np.std(values, ddof=1))
    half = float(t.ppf((1 + COVERAGE) / 2, count - 1)) * deviation / math.sqrt(count)
    return Estimate(mean, (mean - half, mean + half), deviation, count)


def paired_difference(own: Mapping[int, float], other: Mapping[int, float]) -> Estimate | None:
    """Return the mean of ``own - other`` over the seeds that both have; None if there are none."""
    common = [seed for seed in own if seed in other]
    return estimate([own[seed] - other[seed] for seed in common]) if common else None


def seeds_needed(deviation: float, difference: float) -> int | None:
    """Return the least number of seeds with which a paired t test at 5 % finds a difference with a power of 80 %.

    Args:
        deviation: the standard deviation of the paired differences over seeds.
        difference: in the same unit.

    Returns:
        The number, at least 2; None if more than :data:`MOST_SEEDS` are needed.
    """
    from scipy.stats import nct, t

    if deviation <= 0:
        return 2
    for count in range(2, MOST_SEEDS + 1):
        least = t.ppf((1 + COVERAGE) / 2, count - 1)
        shift = abs(difference) / deviation * math.sqrt(count)
        # The other tail counts where the difference is tiny.
        found = nct.sf(least, count - 1, shift) + nct.cdf(-least, count - 1, shift)
        if not math.isfinite(found) or found >= POWER:  # the noncentral t overflows far out, where the power is 1
            return count
    return None


@dataclass(frozen=True)
class TrainedOperator:
    """The accuracy of one operator in one network on one data set.

    Attributes:
        data, model: where.
        label: the operator; ``as given`` for the network as it is.
        top1: test accuracy by seed, of cells that finished.
        accuracy: its mean over seeds; None if no cell has finished.
        difference: to the baseline, paired; None for the baseline.
        top5: mean test top-5 accuracy.
        parameters: of the network.
        epoch_s, images_per_s, peak_bytes: medians over epochs.
        failed: seeds whose training diverged or failed, with the reason.
        unfinished: seeds that are not trained to the end.
    """

    data: str
    model: str
    label: str
    top1: Mapping[int, float]
    accuracy: Estimate | None
    difference: Estimate | None
    top5: float | None
    parameters: int | None
    epoch_s: float | None
    images_per_s: float | None
    peak_bytes: float | None
    failed: Mapping[int, str]
    unfinished: tuple[int, ...]


def training_rows(result: Result) -> list[TrainingRow]:
    """Return the rows of a training's result."""
    return cast("list[TrainingRow]", result.rows)


def by_operator(rows: Sequence[TrainingRow]) -> dict[tuple[str, str, str], list[TrainingRow]]:
    """Return the rows of each data set, model and operator, in the order of their first rows."""
    apart: dict[tuple[str, str, str], list[TrainingRow]] = {}
    for row in rows:
        apart.setdefault((row["data"], row["model"], model_label(row)), []).append(row)
    return apart


def summarise_training(result: Result) -> list[TrainedOperator]:
    """Return one summary per data set, model and operator, best first; those without a finished cell come last."""
    baseline = str(result.metadata.get("baseline") or "as given")
    apart = by_operator(training_rows(result))
    top1 = {key: _tested(rows, "test_top1") for key, rows in apart.items()}
    found = []
    for (data, model, name), rows in apart.items():
        own = top1[data, model, name]
        other = top1.get((data, model, baseline), {})
        found.append(
            TrainedOperator(
                data,
                model,
                name,
                own,
                estimate([*own.values()]) if own else None,
                paired_difference(own, other) if name != baseline else None,
                _mean([*_tested(rows, "test_top5").values()]),
                next((row["parameters"] for row in rows if row["parameters"]), None),
                _median([row["epoch_s"] for row in rows]),
                _median([row["images_per_s"] for row in rows]),
                _median([row["peak_bytes"] for row in rows]),
                {row["seed"]: row["error"] for row in rows if row["error"]},
                _unfinished(rows),
            )
        )
    return sorted(found, key=lambda s: (s.data, s.model, -s.accuracy.mean if s.accuracy else math.inf))


def _tested(rows: Sequence[TrainingRow], key: str) -> dict[int, float]:
    found = {row["seed"]: cast("Mapping[str, float | None]", row)[key] for row in rows}
    tested = {row["seed"] for row in rows if row["test_top1"] is not None}
    return {seed: value for seed, value in found.items() if seed in tested and value is not None}


def _unfinished(rows: Sequence[TrainingRow]) -> tuple[int, ...]:
    ended = {row["seed"] for row in rows if row["error"] or row["test_top1"] is not None}
    return tuple(dict.fromkeys(row["seed"] for row in rows if row["seed"] not in ended))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


@dataclass(frozen=True)
class TrainingLead:
    """The verdict of a training on one data set and network.

    Attributes:
        data, model: where.
        baseline: the operator that others are held against.
        best: the operator with the highest mean test accuracy.
        over: what it leads: the baseline, or the next best if it is the baseline itself; with the paired difference.
        unsure: other operators whose paired difference to the best has an interval that contains 0, or none.
        operators: how many have an accuracy.
    """

    data: str
    model: str
    baseline: str
    best: TrainedOperator
    over: tuple[str, Estimate] | None
    unsure: tuple[str, ...]
    operators: int


def judge_training(result: Result) -> list[TrainingLead]:
    """Return a verdict for each data set and network with an operator that was tested."""
    baseline = str(result.metadata.get("baseline") or "as given")
    found = summarise_training(result)
    leads = []
    for place in dict.fromkeys((one.data, one.model) for one in found):
        known = [one for one in found if (one.data, one.model) == place and one.accuracy]
        if not known:
            continue
        best, others = known[0], known[1:]
        rival = next((one for one in others if one.label == baseline), others[0] if others else None)
        gap = paired_difference(best.top1, rival.top1) if rival else None
        unsure = tuple(one.label for one in others if not is_certain(paired_difference(best.top1, one.top1)))
        over = (rival.label, gap) if rival and gap else None
        leads.append(TrainingLead(*place, baseline, best, over, unsure, len(known)))
    return leads


def is_certain(gap: Estimate | None) -> bool:
    """Return whether a difference has an interval, and 0 is not in it."""
    return gap is not None and gap.interval is not None and not gap.interval[0] <= 0 <= gap.interval[1]
