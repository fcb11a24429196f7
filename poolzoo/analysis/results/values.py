"""Which values count, and of which images: the data of every mean, median, rank, interval and difference.

Values that are not finite cannot be compared: the PSNR of an image that was rebuilt exactly is infinite, and a black
image may have no gradient to measure. One such image would make every mean infinite and all operators equal. So if an
image has no finite value for one operator, it is left out of this metric's means for all operators of the setting; such
images are counted and named. An operator without a finite value on any image does not affect the others: its own mean
is infinite if it rebuilds every image exactly, and missing if it has no value at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from poolzoo.analysis.results.schema import METRICS

#: Images that are left out are named up to so many of each kind.
NAMED = 6

Member = TypeVar("Member")


@dataclass(frozen=True)
class Values:
    """One metric of one operator, its seeds averaged.

    Attributes:
        images: the numbers of the images that were scored, ascending; the same numbers for all operators.
        means: each image's mean over seeds; infinite if it was rebuilt exactly, NaN if it has no value.
        spreads: each image's standard deviation over seeds, NaN where it has a single value; None without seeds.
    """

    images: NDArray[np.int64]
    means: NDArray[np.float64]
    spreads: NDArray[np.float64] | None

    @property
    def spread(self) -> float | None:
        """The standard deviation over seeds, averaged over images; None where there are no seeds to vary."""
        known = np.empty(0) if self.spreads is None else self.spreads[np.isfinite(self.spreads)]
        return float(known.mean()) if len(known) else None

    def only(self, images: NDArray[np.int64]) -> Values:
        """Return the values of ``images``, in ascending order."""
        return self._chosen(np.intersect1d(self.images, images, assume_unique=True, return_indices=True)[1])

    def _chosen(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Values:
        spreads = None if self.spreads is None else self.spreads[chosen]
        return replace(self, images=self.images[chosen], means=self.means[chosen], spreads=spreads)

    def counted(self, left_out: NDArray[np.int64]) -> Values:
        """Return the values that count: those that exist, without those of the images ``left_out``."""
        return self._chosen(~(np.isin(self.images, left_out) | np.isnan(self.means)))


@dataclass(frozen=True)
class LeftOut:
    """Images of one setting that the means of one metric leave out.

    Attributes:
        metric: its key.
        by_all: how many images have no finite value by any operator.
        by_some: how many images have no finite value by some operators.
        operators: how many operators there are; one in two states counts twice, one without any finite value not at
            all.
        named: the first few of each kind: an image's name, and the number of operators without a finite value for it.
    """

    metric: str
    by_all: int
    by_some: int
    operators: int
    named: tuple[tuple[str, int], ...]


def average_draws(images: NDArray[np.int64], values: NDArray[np.float64], metric: str, *, seeded: bool) -> Values:
    """Average the seeds of each image.

    Args:
        images: the number of each value's image.
        values: one per entry of ``images``; NaN if an image was scored but has no value.
        metric: the key of the metric.
        seeded: whether several values of an image are random draws, whose spread is of interest.
    """
    exact = METRICS[metric].exact
    values = values if exact is None else np.where(values >= exact, np.inf, values)
    distinct, place, counts = np.unique(images, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=values, minlength=len(distinct)) / counts
    if not seeded:
        return Values(distinct, means, None)
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.bincount(place, weights=(values - means[place]) ** 2, minlength=len(distinct))
        return Values(distinct, means, np.sqrt(squares / (counts - 1)))


def count_alike(
    members: Mapping[Member, Mapping[str, Values]], names: Sequence[str]
) -> tuple[dict[Member, dict[str, Values]], dict[str, LeftOut]]:
    """Leave out of every metric the images that some operator has no finite value for.

    Args:
        members: the values of one setting, by operator and metric.
        names: the images' names, by their numbers.

    Returns:
        The values that count, by operator and metric, without metrics that have none; and the images that were left
        out, by metric, without metrics that have none.
    """
    counted: dict[Member, dict[str, Values]] = {member: {} for member in members}
    left_out = {}
    for metric in dict.fromkeys(metric for values in members.values() for metric in values):
        found = {member: values[metric] for member, values in members.items() if metric in values}
        judges = [values for values in found.values() if np.isfinite(values.means).any()]
        lost = [values.images[~np.isfinite(values.means)] for values in judges]
        images, times = np.unique(np.concatenate([np.empty(0, np.int64), *lost]), return_counts=True)
        if len(images):
            left_out[metric] = _describe(metric, images, times, judges, names)
        for member, values in found.items():
            own = values.counted(images)
            if len(own.images):
                counted[member][metric] = own
    return counted, left_out


def _describe(
    metric: str,
    images: NDArray[np.int64],
    times: NDArray[np.int64],
    judges: Sequence[Values],
    names: Sequence[str],
) -> LeftOut:
    # An operator that failed on an image has no say in whether all have no value for it.
    scored = np.sum([np.isin(images, values.images) for values in judges], axis=0)
    everyone = times == scored
    named = [
        (names[image], int(by))
        for kind in (everyone, ~everyone)
        for image, by in list(zip(images[kind].tolist(), times[kind].tolist(), strict=True))[:NAMED]
    ]
    return LeftOut(metric, int(everyone.sum()), int((~everyone).sum()), len(judges), tuple(named))


def differences(own: Values, baseline: Values) -> NDArray[np.float64]:
    """Return ``own - baseline`` of each image that both have."""
    _, here, there = np.intersect1d(own.images, baseline.images, assume_unique=True, return_indices=True)
    means, others = own.means[here], baseline.means[there]
    # Two operators that both rebuild every image exactly differ by nothing; inf - inf would say nan.
    with np.errstate(invalid="ignore"):
        return np.where(means == others, 0.0, means - others)


def in_both(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers that both have, ascending; each has a number once."""
    return np.intersect1d(first, second, assume_unique=True)
