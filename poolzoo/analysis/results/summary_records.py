"""The records of a summary: one operator in one state under one setting, with a score per metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from poolzoo.analysis.results.rows import Row, SeriesKeys, axes_of, label, values_of
from poolzoo.analysis.results.schema import CENTER, INTERPOLATE, METRICS, WINDOW_SIZES, window_words
from poolzoo.analysis.results.times import Time
from poolzoo.analysis.results.values import LeftOut, Values
from poolzoo.registry import GEOMETRY


@dataclass(frozen=True, order=True)
class Setting:
    """The protocol of a row: rows of two settings are never compared.

    All as text. ``align`` is ``center`` also where interpolation puts values at the centres of their windows.
    """

    kernel_size: str
    stride: str
    upsample: str
    normalize: str
    protocol: str
    input: str = "image"
    padding: str = "0"
    dilation: str = "1"
    ceil_mode: str = "False"
    align: str = CENTER

    @property
    def window(self) -> tuple[str, ...]:
        """The arguments of the windows, in the order of :data:`poolzoo.registry.GEOMETRY`."""
        return tuple(getattr(self, key) for key in GEOMETRY)

    @property
    def window_words(self) -> str:
        """The windows in words."""
        return window_words(vars(self))

    @property
    def is_misplaced(self) -> bool:
        """Whether upsampling put pooled values elsewhere than their windows lie."""
        return self.align == INTERPOLATE

    @property
    def of_features(self) -> bool:
        """Whether a layer's activations are scored: metrics are then relative to the range of each map's values."""
        return self.input.startswith("features")

    @classmethod
    def of(cls, row: Row | SeriesKeys) -> Setting:
        """Return the setting of a comparison's row."""
        keys = (*GEOMETRY, "upsample", "align", "normalize", "protocol")
        asked = dict(zip(keys, map(str, values_of(row, keys)), strict=True))
        if asked["align"] == INTERPOLATE and _lies_evenly(row):
            asked["align"] = CENTER
        return cls(**asked, input=str(row.get("input") or "image"))


def window_of(row: Row) -> tuple[str, ...]:
    """Return a row's windows as :attr:`Setting.window` states them."""
    return tuple(map(str, values_of(row, GEOMETRY)))


def _lies_evenly(row: Row | SeriesKeys) -> bool:
    """Return whether interpolation puts pooled values at the centres of these windows."""
    kernel, step, pad, hole = map(axes_of, values_of(row, WINDOW_SIZES))
    axes = max(map(len, (kernel, step, pad, hole)))
    each = (sizes * (axes if len(sizes) == 1 else 1) for sizes in (kernel, step, pad, hole))
    windows = list(zip(*each, strict=False))  # a file may state anything
    return bool(windows) and all(d * (k - 1) + 1 - 2 * p == s for k, s, p, d in windows)


def holds_zero(interval: tuple[float, float]) -> bool:
    """Return whether 0 lies in an interval, without the last digits: operators that compute the same in another order
    do not differ.
    """
    low, high = (round(bound, 10) for bound in interval)
    return low <= 0 <= high


@dataclass(frozen=True)
class Score:
    """One metric of one group.

    Attributes:
        mean: over the images that count, of each image's mean over seeds; infinite where all were rebuilt exactly.
        median: of the same numbers.
        images: how many images count.
        spread: standard deviation over seeds, averaged over images; None where there are no seeds to vary.
        interval: bootstrap 95% interval of ``mean`` over images; None for fewer than :data:`INTERVAL_IMAGES` of them or
            an infinite mean.
        difference: mean over the images shared with the baseline of this operator's score minus the baseline's.
        difference_interval: the bootstrap 95% interval of ``difference``.
        left_out: the images that do not count, the same for all groups of a setting; None if all images count.
    """

    mean: float
    median: float
    images: int
    spread: float | None = None
    interval: tuple[float, float] | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None
    left_out: LeftOut | None = None

    @property
    def differs(self) -> bool | None:
        """Whether the interval of the difference to the baseline excludes 0; None without an interval."""
        return None if self.difference_interval is None else not holds_zero(self.difference_interval)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Score:
        """Read one score of :meth:`Summary.to_plain`; raises the errors of :meth:`Summary.from_plain`."""
        left_out = plain["left_out"]
        if left_out is not None:
            counts = {key: int(left_out[key]) for key in ("by_all", "by_some", "operators")}
            named = tuple((str(name), int(by)) for name, by in left_out["named"])
            left_out = LeftOut(METRICS[left_out["metric"]].key, **counts, named=named)
        numbers = {key: _read(value) for key, value in plain.items() if key not in ("images", "left_out")}
        for key in ("mean", "median"):
            if numbers[key] is None or math.isnan(numbers[key]):
                raise ValueError(f"{key}: {plain[key]!r} is no score")
        return cls(**numbers, images=int(plain["images"]), left_out=left_out)


@dataclass(frozen=True)
class Summary:
    """One operator in one state under one setting, over all images and seeds.

    Attributes:
        scores: by metric key; empty where every row was an error or no image counts.
        images: how many images gave a score.
        seeds: how many different seeds were drawn, 0 where there are none.
        kept: values out per value in, mean over images.
        equal_kept: False if some image keeps a different fraction than with the baseline.
        forward_s: seconds of a forward pass, of inputs of several sizes the median; ``ratio`` is that over the
            baseline's.
        errors: how many rows have no numbers.
        is_baseline: whether the differences are taken to this group.
        rank: by the first metric, mean over images of the place among all groups of the setting, 1 the best; None for
            a single image, and for a group that keeps a different fraction of the values.
        forward_iqr_s: the interquartile range of ``forward_s``, where it is known.
        timed: the tensor that was timed, in words; None if nothing was timed.
        timed_backend: the backend that was timed.
        profiled: whether times are a profile's, see :func:`poolzoo.analysis.results.verdicts.join_times`.
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
    forward_iqr_s: float | None = None
    timed: str | None = None
    timed_backend: str | None = None
    profiled: bool = False

    @property
    def label(self) -> str:
        """The operator as a spec string."""
        return label({"pool": self.pool, "params": self.params})

    def to_plain(self) -> dict[str, Any]:
        """Return dicts, lists and numbers for JSON, with infinity as a string."""
        plain: dict[str, Any] = _spelled(asdict(self))
        return plain

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Summary:
        """Read the result of :meth:`to_plain`.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is not such a result.
        """
        scores = {key: Score.from_plain(score) for key, score in plain["scores"].items()}
        if unknown := set(scores) - set(METRICS):
            raise ValueError(f"no metrics: {', '.join(sorted(unknown))}")
        return cls(**{**plain, "setting": Setting.of(plain["setting"]), "scores": scores})


def _spelled(value: Any) -> Any:
    """Return ``value`` with strings in place of the floats that JSON lacks."""
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _read(value: Any) -> Any:
    """Return a number or an interval as it was before :func:`_spelled`."""
    return tuple(map(float, value)) if isinstance(value, list) else None if value is None else float(value)


class GroupKey(NamedTuple):
    """The keys of rows that are averaged together."""

    setting: Setting
    pool: str
    params: str
    state: str

    @property
    def label(self) -> str:
        """The operator as a spec string."""
        return label({"pool": self.pool, "params": self.params})


@dataclass(frozen=True)
class Group:
    """The data of a summary, with one number per image and metric, counted or not; the rest as in Summary."""

    values: dict[str, Values]
    images: int
    seeds: int
    kept: float | None
    equal_kept: bool
    errors: int
    time: Time | None = None
