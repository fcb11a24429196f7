"""Rows to one line an operator: means over images, what they are uncertain by, and differences to the baseline.

A group is one operator in one state under one :class:`Setting`. Seeds of one image are averaged first, then images are
averaged with equal weight; nothing else is averaged, so that no mean of means hides behind a number. Intervals are
percentile bootstraps over images (Efron 1979) and differences are paired: the same images for both operators.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from poolzoo.analysis.results.schema import Result, label

RESAMPLES = 1000
CONFIDENCE = 0.95

Number = TypeVar("Number", float, "NDArray[np.float64]")


@dataclass(frozen=True)
class Metric:
    """How a metric is named, read and printed.

    Where neither more nor less is better, ``target`` is the value that is, and ``higher_is_better`` says on which side
    of it most values lie.
    """

    key: str
    title: str
    unit: str
    higher_is_better: bool
    format: str
    target: float | None = None

    def merit(self, value: Number) -> Number:
        """How good a value is, or each of an array: more is better, whatever the metric."""
        if self.target is not None:
            return -abs(value - self.target)
        return value if self.higher_is_better else -value


METRICS = {
    metric.key: metric
    for metric in (
        Metric("psnr", "PSNR", "dB", True, ".2f"),
        Metric("ssim", "SSIM", "", True, ".4f"),
        Metric("mse", "MSE", "", False, ".6f"),
        Metric("mae", "MAE", "", False, ".5f"),
        Metric("ms_ssim", "MS-SSIM", "", True, ".4f"),
        Metric("vif", "VIF", "", True, ".4f"),
        Metric("fsim", "FSIM", "", True, ".4f"),
        Metric("gmsd", "GMSD", "", False, ".4f"),
        Metric("mdsi", "MDSI", "", False, ".4f"),
        Metric("haarpsi", "HaarPSI", "", True, ".4f"),
        Metric("alias", "aliasing", "", False, ".4f"),
        Metric("spectrum_low", "low band", "", True, ".3f", target=1.0),
        Metric("spectrum_mid", "mid band", "", True, ".3f", target=1.0),
        Metric("spectrum_high", "high band", "", True, ".3f", target=1.0),
        Metric("shift", "shift consistency", "", True, ".4f"),
        Metric("grad_reach", "gradient reach", "", True, ".3f"),
        Metric("effective_weights", "effective weights", "", True, ".2f"),
        Metric("brightness", "brightness bias", "", False, ".4f", target=0.0),
    )
}

#: Which state of the baseline operator the others are held against, where it has several.
_BASELINE_STATES = ("fixed", "fitted", "eval", "initial", "train")


@dataclass(frozen=True, order=True)
class Setting:
    """The protocol of a row: rows of two settings are never compared."""

    kernel_size: str
    stride: str
    upsample: str
    normalize: str
    protocol: str
    input: str = "image"

    @property
    def of_features(self) -> bool:
        """Whether a layer's activations are scored: metrics are then relative to each one's own range of values."""
        return self.input.startswith("features")

    @classmethod
    def of(cls, row: dict[str, Any]) -> Setting:
        """The setting of a comparison's row."""
        asked = (str(row[key]) for key in ("kernel_size", "stride", "upsample", "normalize", "protocol"))
        return cls(*(*asked, str(row.get("input") or "image")))


@dataclass(frozen=True)
class Score:
    """One metric of one group.

    Attributes:
        mean: over images, of each image's mean over seeds.
        spread: standard deviation over seeds, averaged over images; None where there are no seeds to vary.
        interval: bootstrap 95% interval of ``mean`` over images; None for one image or an infinite score.
        difference: mean over the images shared with the baseline of this operator's score minus the baseline's.
        difference_interval: the bootstrap 95% interval of ``difference``.
    """

    mean: float
    spread: float | None = None
    interval: tuple[float, float] | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Summary:
    """One operator in one state under one setting, over all images and seeds.

    Attributes:
        scores: by metric key; empty where every row was an error.
        images: how many images gave a score.
        seeds: how many different seeds were drawn, 0 where there are none.
        kept: numbers out per number in, mean over images.
        equal_kept: False where some image kept another share than with the baseline.
        forward_s: median seconds of a forward pass; ``ratio`` is that over the baseline's.
        errors: how many rows have no numbers.
        is_baseline: whether the differences are taken to this group.
        rank: by the first metric, mean over images of the place among all groups of the setting, 1 the best; None for
            a single image, and for a group that keeps another share of the numbers.
    """

    pool: str
    params: str
    state: str
    setting: Setting
    scores: dict[str, Score]
    images: int
    seeds: int
    kept: float | None
    equal_kept: bool
    forward_s: float | None
    ratio: float | None
    errors: int
    is_baseline: bool
    rank: float | None = None

    @property
    def label(self) -> str:
        """The operator as a spec string."""
        return label({"pool": self.pool, "params": self.params})

    def to_plain(self) -> dict[str, Any]:
        """As JSON has it: dicts, lists and numbers, and infinity as a string."""
        plain: dict[str, Any] = _spelled(asdict(self))
        return plain

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Summary:
        """What :meth:`to_plain` gave.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: something else.
        """
        scores = {key: Score(**{k: _read(v) for k, v in plain["scores"][key].items()}) for key in plain["scores"]}
        if unknown := set(scores) - set(METRICS):
            raise ValueError(f"no metrics: {', '.join(sorted(unknown))}")
        return cls(**{**plain, "setting": Setting(**plain["setting"]), "scores": scores})


def _spelled(value: Any) -> Any:
    """``value`` without the floats that JSON lacks: those as strings."""
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _read(value: Any) -> Any:
    """A number or an interval as it was before :func:`_spelled`."""
    return tuple(map(float, value)) if isinstance(value, list) else None if value is None else float(value)


def bootstrap_interval(values: Sequence[float] | NDArray[np.float64], seed: int = 0) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean of ``values``.

    Args:
        values: one number an image.
        seed: of the resampling; equal values and seed give equal bounds.

    Returns:
        The bounds, or None for fewer than two values or any that is not finite.
    """
    return bootstrap_intervals([np.asarray(values, dtype=np.float64)], seed)[0]


def bootstrap_intervals(columns: Sequence[NDArray[np.float64]], seed: int = 0) -> list[tuple[float, float] | None]:
    """:func:`bootstrap_interval` of each column; those of one length share their draws, which take longest."""
    found: list[tuple[float, float] | None] = [None] * len(columns)
    alike: dict[int, list[int]] = defaultdict(list)
    for number, column in enumerate(columns):
        if len(column) > 1 and np.isfinite(column).all():
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


class GroupKey(NamedTuple):
    """What rows have in common that are averaged."""

    setting: Setting
    pool: str
    params: str
    state: str

    @property
    def label(self) -> str:
        """The operator as a spec string."""
        return label({"pool": self.pool, "params": self.params})


@dataclass(frozen=True)
class Values:
    """One metric of one group, seeds averaged.

    Attributes:
        images: which images have a value, as ascending numbers that mean the same in all groups.
        means: of each of these images.
        spread: standard deviation over seeds, averaged over images; None where there are no seeds to vary.
    """

    images: NDArray[np.int64]
    means: NDArray[np.float64]
    spread: float | None


@dataclass(frozen=True)
class Group:
    """What a summary is made of, with one number an image and metric; the rest as in :class:`Summary`."""

    values: dict[str, Values]
    images: int
    seeds: int
    kept: float | None
    equal_kept: bool
    forward_s: float | None
    errors: int


def group_key(row: dict[str, Any]) -> GroupKey:
    """The group of a comparison's row."""
    return GroupKey(Setting.of(row), row["pool"], row["params"] or "", row["state"])


def summarise(result: Result) -> list[Summary]:
    """One summary for each operator, state and setting, best by the first metric first.

    Args:
        result: a comparison.

    Raises:
        ValueError: ``result`` is a profile, whose rows are aggregates already.
    """
    if result.kind != "compare":
        raise ValueError(f"result: a {result.kind} has no images to summarise over; expected a compare")
    if result.summaries is not None:
        return list(result.summaries)
    return summarise_groups(groups_of(result), result.metadata)


def groups_of(result: Result) -> Mapping[GroupKey, Group]:
    """What a comparison's summaries are made of; of a dataset run, what its store gave along."""
    if result.groups is not None:
        return result.groups
    rows_of: dict[GroupKey, list[dict[str, Any]]] = defaultdict(list)
    for row in result.rows:
        # An image that could not be read has one row, of no operator.
        if row["pool"]:
            rows_of[group_key(row)].append(row)
    numbers: dict[str, int] = {}
    for row in result.rows:
        numbers.setdefault(row["image"], len(numbers))
    return {key: _group(key, rows, numbers, result.metadata["metrics"]) for key, rows in rows_of.items()}


def summarise_groups(groups: Mapping[GroupKey, Group], metadata: Mapping[str, Any]) -> list[Summary]:
    """As :func:`summarise`, of numbers that were collected elsewhere.

    Args:
        groups: by what their rows have in common.
        metadata: ``metrics``, the first of which sorts and ranks, and ``baseline``.
    """
    metrics = metadata["metrics"]
    baselines = _baselines(groups, metadata.get("baseline"))
    ranks = _ranks(groups, metrics[0]) if metrics else {}
    scores = _scores(groups, baselines)
    summaries = []
    for key, group in groups.items():
        baseline = groups[baselines[key.setting]] if key.setting in baselines else None
        own, reference = group.forward_s, baseline.forward_s if baseline else None
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
                forward_s=own,
                ratio=own / reference if own is not None and reference else None,
                errors=group.errors,
                is_baseline=key == baselines.get(key.setting),
                rank=ranks.get(key),
            )
        )
    return sorted(summaries, key=lambda summary: _order(summary, metrics))


def by_setting(summaries: Iterable[Summary]) -> dict[Setting, list[Summary]]:
    """Summaries in their order, apart for each setting; settings in the order of their fields."""
    apart: dict[Setting, list[Summary]] = defaultdict(list)
    for summary in summaries:
        apart[summary.setting].append(summary)
    return dict(sorted(apart.items()))


def average_draws(images: NDArray[np.int64], values: NDArray[np.float64], *, seeded: bool) -> Values:
    """Seeds of one image to one number.

    Args:
        images: the number of each value's image.
        values: as many; not NaN.
        seeded: whether several values of an image are draws, whose spread says something.
    """
    distinct, place, counts = np.unique(images, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=values, minlength=len(distinct)) / counts
    spread = None
    if seeded:
        with np.errstate(invalid="ignore"):
            squares = np.bincount(place, weights=(values - means[place]) ** 2, minlength=len(distinct))
        several = (counts > 1) & np.isfinite(means)
        if several.any():
            spread = float(np.sqrt(squares[several] / (counts[several] - 1)).mean())
    return Values(distinct, means, spread)


def _group(key: GroupKey, rows: list[dict[str, Any]], numbers: dict[str, int], metrics: Sequence[str]) -> Group:
    good = [row for row in rows if row["error"] is None]
    kept = [row["kept"] for row in good if row["kept"] is not None]
    values = {}
    for metric in metrics:
        scored = [(numbers[row["image"]], float(row[metric])) for row in good if row.get(metric) is not None]
        images, scores = np.array([image for image, _ in scored], np.int64), np.array([score for _, score in scored])
        values[metric] = average_draws(images, scores, seeded=key.state == "train")
    return Group(
        values=values,
        images=len({row["image"] for row in good}),
        seeds=len({row["seed"] for row in good if row["seed"] is not None}),
        kept=float(np.mean(kept)) if kept else None,
        equal_kept=all(row["equal_kept"] is not False for row in good),
        forward_s=_median(row.get("forward_s") for row in rows),
        errors=len(rows) - len(good),
    )


def _baselines(groups: Iterable[GroupKey], name: str | None) -> dict[Setting, GroupKey]:
    """The group that each setting's differences are taken to; absent where the baseline was not run."""
    found: dict[Setting, GroupKey] = {}
    for key in sorted(groups, key=lambda key: _BASELINE_STATES.index(key[3]) if key[3] in _BASELINE_STATES else 99):
        if name is not None and label({"pool": key.pool, "params": key.params}) == name:
            found.setdefault(key.setting, key)
    return found


def _scores(
    groups: Mapping[GroupKey, Group], baselines: Mapping[Setting, GroupKey]
) -> dict[GroupKey, dict[str, Score]]:
    """Every group's scores, and their differences to the baseline of its setting."""
    cells = [(key, metric, v) for key, group in groups.items() for metric, v in group.values.items() if len(v.images)]
    apart = []
    for key, metric, values in cells:
        baseline = groups[baselines[key.setting]].values.get(metric) if key.setting in baselines else None
        apart.append(differences(values, baseline) if baseline else np.empty(0))
    intervals = bootstrap_intervals([*(values.means for _, _, values in cells), *apart])
    scores: dict[GroupKey, dict[str, Score]] = {key: {} for key in groups}
    for place, ((key, metric, values), paired) in enumerate(zip(cells, apart, strict=True)):
        with np.errstate(invalid="ignore"):
            mean, difference = float(values.means.mean()), float(paired.mean()) if len(paired) else math.nan
        scores[key][metric] = Score(
            mean=mean,
            spread=values.spread,
            interval=intervals[place],
            difference=None if math.isnan(difference) else difference,
            difference_interval=intervals[len(cells) + place],
        )
    return scores


def differences(own: Values, baseline: Values) -> NDArray[np.float64]:
    """``own - baseline`` of each image that both have."""
    _, here, there = np.intersect1d(own.images, baseline.images, assume_unique=True, return_indices=True)
    means, others = own.means[here], baseline.means[there]
    # Two infinite PSNRs (both images rebuilt exactly) differ by nothing; inf - inf would say nan.
    with np.errstate(invalid="ignore"):
        return np.where(means == others, 0.0, means - others)


def in_both(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers that both have, ascending; each has a number once."""
    return np.intersect1d(first, second, assume_unique=True)


def _ranks(groups: Mapping[GroupKey, Group], metric: str) -> dict[GroupKey, float]:
    """Each group's place among those of its setting, 1 the best, averaged over the images that all of them have.

    Equal scores share the mean of their places, as in Friedman's test (1937). Who keeps another share of the numbers
    than the others does not compete.
    """
    apart: dict[Setting, dict[GroupKey, Values]] = defaultdict(dict)
    for key, group in groups.items():
        if group.equal_kept and metric in group.values and len(group.values[metric].images):
            apart[key.setting][key] = group.values[metric]
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


def _median(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.median(numbers)) if numbers else None


def _order(summary: Summary, metrics: Sequence[str]) -> tuple[Any, ...]:
    score = summary.scores.get(metrics[0]) if metrics else None
    value = 0.0
    if score is not None:
        # Without the last digits, which differ between machines and would order equal operators by chance.
        value = round(-METRICS[metrics[0]].merit(score.mean), 10)
    lost = score is None or math.isnan(score.mean)
    return summary.images == 0, lost, 0.0 if lost else value, summary.label, summary.state, summary.setting
