"""Rows to one line an operator: means over images, what they are uncertain by, and differences to the baseline.

A group is one operator in one state under one :class:`Setting`. Seeds of one image are averaged first, then images are
averaged with equal weight; nothing else is averaged, so that no mean of means hides behind a number. Intervals are
percentile bootstraps over images (Efron 1979) and differences are paired: the same images for both operators.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from poolzoo.analysis.rows import Result, label

RESAMPLES = 1000
CONFIDENCE = 0.95


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

    def merit(self, value: float) -> float:
        """How good a value is: more is better, whatever the metric."""
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

    @property
    def label(self) -> str:
        """The operator as a spec string."""
        return label({"pool": self.pool, "params": self.params})


def bootstrap_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean of ``values``.

    Args:
        values: one number an image.
        seed: of the resampling; equal values and seed give equal bounds.

    Returns:
        The bounds, or None for fewer than two values or any that is not finite.
    """
    data = np.asarray(values, dtype=np.float64)
    if len(data) < 2 or not np.isfinite(data).all():
        return None
    generator = np.random.default_rng(seed)
    # In blocks, so that memory stays at a few MB however many images there are.
    block = max(1, min(RESAMPLES, 1_000_000 // len(data)))
    means = [
        data[generator.integers(0, len(data), (min(block, RESAMPLES - start), len(data)))].mean(axis=1)
        for start in range(0, RESAMPLES, block)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(means), (tail, 1 - tail))
    return float(low), float(high)


def summarise(result: Result) -> list[Summary]:
    """One summary for each operator, state and setting, best by the first metric first.

    Args:
        result: a comparison.

    Raises:
        ValueError: ``result`` is a profile, whose rows are aggregates already.
    """
    if result.kind != "compare":
        raise ValueError(f"result: a {result.kind} has no images to summarise over; expected a compare")
    metrics = result.metadata["metrics"]
    groups: dict[tuple[Setting, str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in result.rows:
        # An image that could not be read has one row, of no operator.
        if row["pool"]:
            groups[Setting.of(row), row["pool"], row["params"] or "", row["state"]].append(row)
    scores = {key: {metric: _by_image(rows, metric) for metric in metrics} for key, rows in groups.items()}
    baselines = _baselines(groups, result.metadata.get("baseline"))
    medians = {key: _median(row.get("forward_s") for row in rows) for key, rows in groups.items()}
    summaries = []
    for key, rows in groups.items():
        setting, pool, params, state = key
        baseline = baselines.get(setting)
        good = [row for row in rows if row["error"] is None]
        kept = [row["kept"] for row in good if row["kept"] is not None]
        own, reference = medians[key], medians[baseline] if baseline else None
        summaries.append(
            Summary(
                pool=pool,
                params=params,
                state=state,
                setting=setting,
                scores={
                    metric: _score(by_image, scores[baseline][metric] if baseline else {}, seeded=state == "train")
                    for metric, by_image in scores[key].items()
                    if by_image
                },
                images=len({row["image"] for row in good}),
                seeds=len({row["seed"] for row in good if row["seed"] is not None}),
                kept=float(np.mean(kept)) if kept else None,
                equal_kept=all(row["equal_kept"] is not False for row in good),
                forward_s=own,
                ratio=own / reference if own is not None and reference else None,
                errors=len(rows) - len(good),
                is_baseline=key == baseline,
            )
        )
    return sorted(summaries, key=lambda summary: _rank(summary, metrics))


def by_setting(summaries: Iterable[Summary]) -> dict[Setting, list[Summary]]:
    """Summaries in their order, apart for each setting; settings in the order of their fields."""
    apart: dict[Setting, list[Summary]] = defaultdict(list)
    for summary in summaries:
        apart[summary.setting].append(summary)
    return dict(sorted(apart.items()))


def _by_image(rows: list[dict[str, Any]], metric: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row["error"] is None and row.get(metric) is not None:
            values[row["image"]].append(float(row[metric]))
    return values


def _baselines(groups: Iterable[tuple[Setting, str, str, str]], name: str | None) -> dict[Setting, Any]:
    """The group that each setting's differences are taken to; absent where the baseline was not run."""
    found: dict[Setting, tuple[Setting, str, str, str]] = {}
    for key in sorted(groups, key=lambda key: _BASELINE_STATES.index(key[3]) if key[3] in _BASELINE_STATES else 99):
        setting, pool, params, _ = key
        if name is not None and label({"pool": pool, "params": params}) == name:
            found.setdefault(setting, key)
    return found


def _score(by_image: dict[str, list[float]], baseline: dict[str, list[float]], *, seeded: bool) -> Score:
    means = {image: float(np.mean(values)) for image, values in by_image.items()}
    draws = [values for values in by_image.values() if seeded and len(values) > 1 and np.isfinite(values).all()]
    spreads = [float(np.std(values, ddof=1)) for values in draws]
    # Two infinite PSNRs (both images rebuilt exactly) differ by nothing; inf - inf would say nan.
    differences = [
        0.0 if mean == (other := float(np.mean(baseline[image]))) else mean - other
        for image, mean in means.items()
        if image in baseline
    ]
    with np.errstate(invalid="ignore"):
        difference = float(np.mean(differences)) if differences else math.nan
    return Score(
        mean=float(np.mean(list(means.values()))),
        spread=float(np.mean(spreads)) if spreads else None,
        interval=bootstrap_interval(list(means.values())),
        difference=None if math.isnan(difference) else difference,
        difference_interval=bootstrap_interval(differences),
    )


def _median(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.median(numbers)) if numbers else None


def _rank(summary: Summary, metrics: Sequence[str]) -> tuple[Any, ...]:
    score = summary.scores.get(metrics[0]) if metrics else None
    value = 0.0
    if score is not None:
        # Without the last digits, which differ between machines and would order equal operators by chance.
        value = round(-METRICS[metrics[0]].merit(score.mean), 10)
    lost = score is None or math.isnan(score.mean)
    return summary.images == 0, lost, 0.0 if lost else value, summary.label, summary.state, summary.setting
