"""Summaries of rows, one per operator: means over images, their uncertainty, and differences to the baseline.

A group is one operator in one state under one :class:`Setting`. Seeds of one image are averaged first, then images are
averaged with equal weight; nothing else is averaged. :mod:`poolzoo.analysis.results.values` decides which images
count. Intervals are percentile bootstraps over images (Efron 1979) and
differences are paired: the same images for both operators.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import Row, SeriesKeys, number_of
from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.results.summary_records import Group, GroupKey, Score, Setting, Summary
from poolzoo.analysis.results.times import time_of
from poolzoo.analysis.results.values import LeftOut, Values, average_draws, count_alike, differences, in_both

RESAMPLES = 1000
CONFIDENCE = 0.95
#: The fewest images for an interval: with fewer there are too few different resamples to estimate the tails.
INTERVAL_IMAGES = 5

#: The states of the baseline operator: the first that exists is the baseline.
_BASELINE_STATES = ("fixed", "fitted", "eval", "initial", "train")


def bootstrap_interval(values: Sequence[float] | NDArray[np.float64], seed: int = 0) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of the mean of ``values``.

    Args:
        values: one number per image.
        seed: of the resampling; equal values and seed give equal bounds.

    Returns:
        The bounds, or None for fewer than :data:`INTERVAL_IMAGES` values or any that is not finite.
    """
    return bootstrap_intervals([np.asarray(values, dtype=np.float64)], seed)[0]


def bootstrap_intervals(columns: Sequence[NDArray[np.float64]], seed: int = 0) -> list[tuple[float, float] | None]:
    """Return :func:`bootstrap_interval` of each column; columns of one length share the random draws."""
    found: list[tuple[float, float] | None] = [None] * len(columns)
    alike: dict[int, list[int]] = defaultdict(list)
    for number, column in enumerate(columns):
        if len(column) >= INTERVAL_IMAGES and np.isfinite(column).all():
            alike[len(column)].append(number)
    tail = (1 - CONFIDENCE) / 2
    for length, numbers in alike.items():
        generator = np.random.default_rng(seed)
        values = np.stack([columns[number] for number in numbers], axis=1)
        # In blocks, so that memory stays at a few MB however many images there are.
        block = max(1, min(RESAMPLES, 1_000_000 // length))
        means = []
        for start in range(0, RESAMPLES, block):
            picks = generator.integers(0, length, (min(block, RESAMPLES - start), length))
            rows = np.arange(len(picks))[:, None] * length
            times = np.bincount((picks + rows).ravel(), minlength=picks.size).reshape(picks.shape)
            means.append(times.astype(np.float64) @ values / length)
        low, high = np.quantile(np.concatenate(means), (tail, 1 - tail), axis=0)
        for place, number in enumerate(numbers):
            found[number] = (float(low[place]), float(high[place]))
    return found


def group_key(row: Row | SeriesKeys) -> GroupKey:
    """Return the group of a comparison's row."""
    return GroupKey(Setting.of(row), row["pool"], row["params"] or "", row["state"])


def summarise(result: Result) -> list[Summary]:
    """Return one summary for each operator, state and setting, best by the first metric first.

    Args:
        result: a comparison.

    Raises:
        ValueError: ``result`` is a profile, whose rows are aggregates already.
    """
    if result.kind != "compare":
        raise ValueError(f"result: a {result.kind} has no images to summarise over; expected a compare")
    if result.summaries is not None:
        return list(result.summaries)
    return summarise_groups(groups_of(result), result.metadata, image_names(result))


def groups_of(result: Result) -> Mapping[GroupKey, Group]:
    """Return the groups that a comparison's summaries are made of; those of a dataset run come from its store."""
    if result.groups is not None:
        return result.groups
    rows_of: dict[GroupKey, list[Row]] = defaultdict(list)
    for row in result.rows:
        # An image that could not be read has one row, of no operator.
        if row["pool"]:
            rows_of[group_key(row)].append(row)
    numbers = {name: number for number, name in enumerate(image_names(result))}
    return {key: _group(key, rows, numbers, result.metadata) for key, rows in rows_of.items()}


def image_names(result: Result) -> Sequence[str]:
    """Return the images by the numbers that :func:`groups_of` gives them."""
    return (
        result.group_images if result.groups is not None else list(dict.fromkeys(row["image"] for row in result.rows))
    )


def counted_values(
    groups: Mapping[GroupKey, Group], names: Sequence[str]
) -> tuple[dict[GroupKey, dict[str, Values]], dict[tuple[Setting, str], LeftOut]]:
    """Return the values of each group that count, and for each setting and metric the images that do not.

    Args:
        groups: from :func:`groups_of`.
        names: of the images, from :func:`image_names`.
    """
    apart: dict[Setting, dict[GroupKey, dict[str, Values]]] = defaultdict(dict)
    for key, group in groups.items():
        apart[key.setting][key] = group.values
    counted: dict[GroupKey, dict[str, Values]] = {}
    left_out: dict[tuple[Setting, str], LeftOut] = {}
    for setting, members in apart.items():
        own, lost = count_alike(members, names)
        counted |= own
        left_out |= {(setting, metric): found for metric, found in lost.items()}
    return counted, left_out


def summarise_groups(
    groups: Mapping[GroupKey, Group], metadata: Mapping[str, Any], names: Sequence[str]
) -> list[Summary]:
    """Return the summaries of :func:`summarise` for groups that were collected elsewhere.

    Args:
        groups: from :func:`groups_of`, or from a store.
        metadata: ``metrics``, the first of which sorts and ranks, and ``baseline``.
        names: the images' names, by the numbers that the groups give them.
    """
    metrics = metadata["metrics"]
    baselines = _baselines(groups, metadata.get("baseline"))
    counted, left_out = counted_values(groups, names)
    equals = {key: values for key, values in counted.items() if groups[key].equal_kept}
    ranks = _ranks(equals, metrics[0]) if metrics else {}
    scores = _scores(counted, left_out, baselines)
    summaries = []
    for key, group in groups.items():
        baseline = groups[baselines[key.setting]] if key.setting in baselines else None
        own, reference = group.time, baseline.time if baseline else None
        summaries.append(
            Summary(
                pool=key.pool,
                params=key.params,
                state=key.state,
                setting=key.setting,
                scores=scores[key],
                images=group.images,
                seeds=group.seeds,
                kept=group.kept,
                equal_kept=group.equal_kept,
                forward_s=own.seconds if own else None,
                ratio=own.seconds / reference.seconds if own and reference else None,
                errors=group.errors,
                is_baseline=key == baselines.get(key.setting),
                rank=ranks.get(key),
                forward_iqr_s=own.iqr if own else None,
                timed=own.tensor if own else None,
                timed_backend=own.backend if own else None,
            )
        )
    return sorted(summaries, key=lambda summary: _order(summary, metrics))


def by_setting(summaries: Iterable[Summary]) -> dict[Setting, list[Summary]]:
    """Return summaries grouped by setting, in their order; settings come in the order of their fields."""
    apart: dict[Setting, list[Summary]] = defaultdict(list)
    for summary in summaries:
        apart[summary.setting].append(summary)
    return dict(sorted(apart.items()))


def _group(key: GroupKey, rows: list[Row], numbers: dict[str, int], metadata: Mapping[str, Any]) -> Group:
    good = [row for row in rows if row["error"] is None]
    kept = [row["kept"] for row in good if row["kept"] is not None]
    values = {}
    for metric in metadata["metrics"]:
        images = np.array([numbers[row["image"]] for row in good], np.int64)
        # None becomes NaN: the image was scored and has no value.
        scores = np.array([number_of(row, metric) for row in good], np.float64)
        values[metric] = average_draws(images, scores, metric, seeded=key.state == "train")
    return Group(
        values=values,
        images=len({row["image"] for row in good}),
        seeds=len({row["seed"] for row in good if row["seed"] is not None}),
        kept=float(np.mean(kept)) if kept else None,
        equal_kept=all(row["equal_kept"] is not False for row in good),
        errors=len(rows) - len(good),
        time=time_of(good, metadata.get("device")),
    )


def _baselines(groups: Iterable[GroupKey], name: str | None) -> dict[Setting, GroupKey]:
    """Return each setting's baseline group; a setting is absent if the baseline was not run."""
    found: dict[Setting, GroupKey] = {}
    for key in sorted(groups, key=lambda key: _BASELINE_STATES.index(key[3]) if key[3] in _BASELINE_STATES else 99):
        if name is not None and key.label == name:
            found.setdefault(key.setting, key)
    return found


def _scores(
    counted: Mapping[GroupKey, Mapping[str, Values]],
    left_out: Mapping[tuple[Setting, str], LeftOut],
    baselines: Mapping[Setting, GroupKey],
) -> dict[GroupKey, dict[str, Score]]:
    """Return every group's scores, and their differences to the baseline of its setting."""
    cells = [(key, metric, values) for key, own in counted.items() for metric, values in own.items()]
    apart = []
    for key, metric, values in cells:
        baseline = counted[baselines[key.setting]].get(metric) if key.setting in baselines else None
        apart.append(differences(values, baseline) if baseline else np.empty(0))
    intervals = bootstrap_intervals([*(values.means for _, _, values in cells), *apart])
    scores: dict[GroupKey, dict[str, Score]] = {key: {} for key in counted}
    for place, ((key, metric, values), paired) in enumerate(zip(cells, apart, strict=True)):
        scores[key][metric] = Score(
            mean=float(values.means.mean()),
            median=float(np.median(values.means)),
            images=len(values.images),
            spread=values.spread,
            interval=intervals[place],
            difference=float(paired.mean()) if len(paired) else None,
            difference_interval=intervals[len(cells) + place],
            left_out=left_out.get((key.setting, metric)),
        )
    return scores


def _ranks(counted: Mapping[GroupKey, Mapping[str, Values]], metric: str) -> dict[GroupKey, float]:
    """Return each group's rank in its setting, 1 for the best, averaged over the images that all groups have.

    Equal scores share the mean of their places, as in Friedman's test (1937).

    Args:
        counted: the values of the ranked groups: those that keep the same fraction of the values.
        metric: the metric that ranks.
    """
    apart: dict[Setting, dict[GroupKey, Values]] = defaultdict(dict)
    for key, values in counted.items():
        if metric in values:
            apart[key.setting][key] = values[metric]
    ranks = {}
    for rivals in apart.values():
        common = functools.reduce(in_both, (values.images for values in rivals.values()))
        if len(common) < 2:
            continue
        # Without the last digits, which differ between machines and would order equal operators by chance.
        scores = [
            np.round(-METRICS[metric].merit(v.means[np.searchsorted(v.images, common)]), 10) for v in rivals.values()
        ]
        for key, own in zip(rivals, scores, strict=True):
            better, equal = sum(other < own for other in scores), sum(other == own for other in scores)
            ranks[key] = float(np.mean(better + (equal + 1) / 2))
    return ranks


def _order(summary: Summary, metrics: Sequence[str]) -> tuple[Any, ...]:
    score = summary.scores.get(metrics[0]) if metrics else None
    value = 0.0
    if score is not None:
        # Without the last digits, which differ between machines and would order equal operators by chance.
        value = round(-METRICS[metrics[0]].merit(score.mean), 10)
    return summary.images == 0, score is None, value, summary.label, summary.state, summary.setting
