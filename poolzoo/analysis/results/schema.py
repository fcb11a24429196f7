"""The schema of rows, which analysis writes, ``--format json`` prints and ``poolzoo report`` reads back.

A result is ``{"metadata": {...}, "rows": [...]}`` in strict JSON. A row is a flat dict whose keys, in this order, are
those of :func:`compare_keys`, :data:`PROFILE_KEYS`, :data:`MODEL_KEYS` or TRAIN_KEYS. ``psnr`` of two equal images is
infinite: ``inf`` in memory, ``null`` in JSON (``error`` is null too).
"""

from __future__ import annotations

import importlib
import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from poolzoo.analysis.results.profile_figures import FIGURE_KEYS, MODEL_FIGURE_KEYS
from poolzoo.analysis.results.rows import Times
from poolzoo.analysis.results.training_rows import TRAIN_KEYS, TRAIN_KIND
from poolzoo.registry import GEOMETRY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SCHEMA_VERSION = 3

#: Where upsampling puts a pooled value: at its window's centre, or as :func:`torch.nn.functional.interpolate` does, as
#: if values lay evenly over the image.
CENTER, INTERPOLATE = ALIGNMENTS = ("center", "interpolate")
#: The arguments of the window that are sizes: an int, or one per axis.
WINDOW_SIZES = GEOMETRY[:-1]
#: The ``upsample`` of rows without an upsampler, and the ``align`` of rows without interpolation.
UPSAMPLE_NONE = "none"

#: The keys of a comparison's row before its metrics: one image, one operator in one state (and seed), one protocol.
LEADING_KEYS = (
    "image",  # the source as the user named it
    "pool",  # registry name
    "params",  # "key=value,key=value" that differ from the defaults, "" where none does
    "kernel_size",  # an int, or "3x2" where the axes differ
    "stride",
    "padding",
    "dilation",
    "ceil_mode",
    "upsample",  # nearest | bilinear | bicubic | trilinear | optimal; none at low resolution
    "align",  # center | interpolate: where upsampling puts pooled values; none for optimal and at low resolution
    "normalize",  # none | imagenet | inception | 255
    "protocol",  # roundtrip | lowres
    "input",  # image | video | volume | "features of MODEL:LAYER, weights of FILE"
    "state",  # initial | fitted | train | eval | fixed
    "seed",  # of a train-mode draw, else null
    "data_range",  # of the values, to which the metrics are relative: 1, but of features the largest minus the smallest
    "decoder_fitted_on",  # on which images an optimal decoder was, in words, else null
    "pool_fitted_on",  # null, or from which images a fitted operator learned
    "kept",  # numbers out per number in
    "equal_kept",  # whether kept equals the baseline's
)
#: The times of a row without a measurement.
UNTIMED: Times = {
    "forward_s": None,  # median seconds
    "forward_iqr_s": None,
    "forward_backend": None,  # torch | reference | native
    "forward_dtype": None,
    "forward_shape": None,  # "1x3x512x512": one image; of a dataset run, one that is as large as the median image
}
#: The keys of a row's times.
TIME_KEYS = tuple(UNTIMED)
#: The keys after the metrics. Times were measured once per operator, state and shape, of a pass as a user runs it, in
#: float32.
CLOSING_KEYS = (*TIME_KEYS, "error")  # null, or one line that says why there are no numbers


def compare_keys() -> tuple[str, ...]:
    """Return the keys of a comparison's row with every metric, including those that a user registered."""
    return (*LEADING_KEYS, *METRICS, *CLOSING_KEYS)


#: A profile's row: one operator on one tensor.
PROFILE_KEYS = (
    "pool",
    "params",
    "state",
    "device",
    "dtype",
    "shape",  # "20x32x128x128"
    *GEOMETRY,
    "layout",  # contiguous | channels_last
    "threads",
    "backend",  # torch | reference | native
    *FIGURE_KEYS,
    "error",
)
#: A row of a model's profile: one operator in place of the model's pools, and one batch size.
MODEL_KEYS = (
    "model",  # its name or class
    "pool",  # registry name; "" for the model as given
    "params",
    "batch",
    "shape",  # of the first input: "8x3x224x224"
    "device",
    "dtype",  # of the parameters
    "layout",  # contiguous | channels_last
    "threads",
    "execution",  # eager | compiled
    *MODEL_FIGURE_KEYS,
    "sites",  # "maxpool=0.0812,layer2.pool=0.0113": each pool's share of an eager forward pass
    "error",
)
#: The kind of a result whose rows are of a whole model.
MODEL_KIND = "profile_model"
KINDS = ("compare", "profile", MODEL_KIND, TRAIN_KIND)
#: The types of values other than null; keys that are not named hold numbers.
_TEXT = (
    *("image", "pool", "params", "upsample", "align", "normalize", "protocol", "input", "state", "error"),
    *("decoder_fitted_on", "pool_fitted_on", "device", "dtype", "shape", "layout", "backend"),
    *("forward_backend", "forward_dtype", "forward_shape", "model", "execution", "sites", "data"),
)
_BOOLS = ("ceil_mode", "equal_kept")
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(_TEXT, (str,)),
    **dict.fromkeys(WINDOW_SIZES, (str, int)),
    **dict.fromkeys(_BOOLS, (bool,)),
}
#: Figures of a profile are held against each other only where these are equal.
PROFILE_SETTING = ("device", "dtype", "shape", *GEOMETRY, "layout", "threads")
MODEL_SETTING = ("model", "batch", "shape", "device", "dtype", "layout", "threads", "execution")


#: The keys of stores and summaries that are not scores.
_SUMMARY_KEYS = ("series", "operator", "rank", "images", "seeds")
Number = TypeVar("Number", float, "NDArray[np.float64]")
Compute = TypeVar("Compute", bound=Callable[..., Any])


@dataclass(frozen=True)
class Metric:
    """One metric: everything that help, tables, plots, the page, rows and stores need to know of it.

    Attributes:
        key: its name in ``--metric``, in rows and in stores.
        title: its name in headings.
        better: ``higher`` or ``lower``; where ``target`` is the best value, on which side of it most values lie.
        note: its definition in one line, for a table's caption.
        compute: of an image metric ``compute(original, rebuilt, *, data_range)``, two float64 arrays ``(H, W, C)`` or
            ``(D, H, W, C)`` to a number; of an operator metric ``compute(pooling)``, a
            :class:`poolzoo.analysis.scoring.operator_metrics.Pooling` to a number, or None where it has no value.
        of: ``image`` if it compares a rebuilt image with the original; ``operator`` if no upsampler is involved.
        unit: of its values, as ``dB``.
        format: how its values are printed, as Python's format specification.
        target: the best value, where neither more nor less is better.
        least_side: the shortest side of an image that it is defined for.
        exact: the value from which an image counts as rebuilt exactly; the value is then infinite.
        source: paper or library whose definition it follows.
        method: a sentence for the page, if ``note`` does not say enough.
        features_note: the ``note`` for a layer's activations, if that differs.
        check: called before a run; raises ValueError if a package that ``compute`` needs is not installed.
        extra: the extra of poolzoo that installs this package.
    """

    key: str
    title: str
    better: Literal["higher", "lower"]
    note: str
    compute: Callable[..., float | None] = field(compare=False, repr=False)
    of: Literal["image", "operator"] = "image"
    unit: str = ""
    format: str = ".4f"
    target: float | None = None
    least_side: int = 1
    exact: float | None = None
    source: str = ""
    method: str = ""
    features_note: str = ""
    check: Callable[[], None] | None = field(default=None, compare=False, repr=False)
    extra: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.key):
            raise ValueError(f"key={self.key!r}: lower-case letters, digits and _ are allowed, a letter first")
        if self.key in (*LEADING_KEYS, *CLOSING_KEYS, *PROFILE_KEYS, *MODEL_KEYS, *TRAIN_KEYS, *_SUMMARY_KEYS):
            raise ValueError(f"key={self.key!r}: rows already have a value of that name")
        for argument, allowed in (("better", ("higher", "lower")), ("of", ("image", "operator"))):
            if (value := getattr(self, argument)) not in allowed:
                raise ValueError(f"{argument}={value!r}: {' or '.join(map(repr, allowed))} is allowed")
        for argument in ("title", "note"):
            if not getattr(self, argument).strip():
                raise ValueError(f"{argument}={getattr(self, argument)!r}: some words are needed")
        try:
            format(0.5, self.format)
        except ValueError as error:
            raise ValueError(f"format={self.format!r}: a format of floats is allowed, as '.4f'") from error

    @property
    def higher_is_better(self) -> bool:
        """Whether more is better, or most values lie below the target."""
        return self.better == "higher"

    def note_of(self, *, features: bool) -> str:
        """Return the note of images or of a layer's activations."""
        return (features and self.features_note) or self.note

    def sentence(self, *, features: bool) -> str:
        """Return the sentence of the page that defines the metric, for images or for a layer's activations."""
        if self.method and not (features and self.features_note):
            return self.method
        note = self.note_of(features=features)
        return f"{note[0].upper()}{note[1:]}."

    def merit(self, value: Number) -> Number:
        """Return how good a value is, or each value of an array: more is better, for every metric."""
        if self.target is not None:
            return -abs(value - self.target)
        return value if self.higher_is_better else -value


class _Metrics(Mapping[str, Metric]):
    """All metrics by key, poolzoo's own first. Those are registered by their modules, which are imported at first use.

    The modules that define them import neither torch nor numpy.
    """

    _OWN = ("poolzoo.analysis.scoring.image_metrics", "poolzoo.analysis.scoring.operator_metrics")

    def __init__(self) -> None:
        self._found: dict[str, Metric] = {}
        self._lock, self._is_loaded = threading.RLock(), False

    def add(self, metric: Metric, *, overwrite: bool) -> None:
        """Add a metric."""
        if getattr(metric.compute, "__module__", "") not in self._OWN:
            self._load()
        if metric.key in self._found and not overwrite:
            raise ValueError(f"key={metric.key!r}: a metric of that name is registered; overwrite=True replaces it")
        self._found[metric.key] = metric

    def _load(self) -> dict[str, Metric]:
        if not self._is_loaded:
            with self._lock:
                for name in self._OWN:
                    importlib.import_module(name)
                # In this order, whichever was imported first.
                for name in self._OWN:
                    for key in [key for key, metric in self._found.items() if metric.compute.__module__ == name]:
                        self._found[key] = self._found.pop(key)
                self._is_loaded = True
        return self._found

    def __getitem__(self, key: str) -> Metric:
        return self._load()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._load()

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._load()))

    def __len__(self) -> int:
        return len(self._load())


METRICS = _Metrics()


def register_metric(
    key: str,
    *,
    title: str,
    better: Literal["higher", "lower"],
    note: str,
    of: Literal["image", "operator"] = "image",
    unit: str = "",
    format: str = ".4f",
    target: float | None = None,
    least_side: int = 1,
    exact: float | None = None,
    source: str = "",
    method: str = "",
    features_note: str = "",
    check: Callable[[], None] | None = None,
    extra: str = "",
    overwrite: bool = False,
) -> Callable[[Compute], Compute]:
    """Add a metric; used as a decorator over the function that computes it.

    ``--metric`` then takes it, and it is in help, tables, plots, the page, rows and stores like any other.

    Args:
        key: its name: lower-case letters, digits and underscores, a letter first.
        title, better, note, of, unit, format, target, least_side, exact, source, method, features_note, check, extra:
            see :class:`Metric`.
        overwrite: replace a metric of the same name instead of raising.

    Returns:
        A decorator that registers the function and gives it back unchanged.

    Raises:
        ValueError: the name is taken or malformed, or a fact is not allowed.

    Example:
        >>> @register_metric("max_error", title="largest error", better="lower", note="largest absolute error")
        ... def max_error(original, rebuilt, *, data_range):
        ...     return abs(original - rebuilt).max() / data_range
    """
    facts = {name: value for name, value in locals().items() if name != "overwrite"}

    def decorator(compute: Compute) -> Compute:
        METRICS.add(Metric(compute=compute, **facts), overwrite=overwrite)
        return compute

    return decorator


def check_metrics(keys: Iterable[str]) -> None:
    """Check that everything these metrics need is installed.

    Raises:
        ValueError: it is not.
    """
    for key in keys:
        if check := METRICS[key].check:
            check()


def window_words(window: Mapping[str, Any]) -> str:
    """Return the window of a row or a setting in words: ``kernel 3, stride 2, padding 1``, without torch's defaults."""
    words = [f"kernel {window['kernel_size']}", f"stride {window['stride']}"]
    for key, default in (("padding", "0"), ("dilation", "1")):
        words += [f"{key} {window[key]}"] * (str(window[key]) != default)
    return ", ".join(words + ["ceil_mode"] * (str(window["ceil_mode"]) == "True"))


def state_title(state: str) -> str:
    """Return a row's state as tables, plots and pages name it: ``untrained`` for ``initial``."""
    return "untrained" if state == "initial" else state


def check_metadata(kind: str, metadata: Mapping[str, Any], source: str) -> None:
    """Check the metadata that tables, plots and summaries need.

    Raises:
        ValueError: of a comparison, no list of metrics, or images without sizes; of a profile, no bandwidth.
    """
    if kind in (MODEL_KIND, TRAIN_KIND):
        return
    if kind == "profile":
        if not isinstance(metadata.get("copy_gbps", 0), (int, float, NoneType)):
            raise ValueError(f"{source}: metadata.copy_gbps must be a number")
        return
    metrics = metadata.get("metrics")
    if not (isinstance(metrics, list) and all(isinstance(key, str) and key in METRICS for key in metrics)):
        raise ValueError(f"{source}: metadata.metrics must list some of {', '.join(METRICS)}; --plugin adds others")
    images = metadata.get("images", [])
    for image in images if isinstance(images, list) else ():
        sides = [image[key] for key in ("width", "height") if key in image] if isinstance(image, dict) else []
        if not all(isinstance(side, int) and side > 0 for side in sides):
            raise ValueError(f"{source}: metadata.images: an image cannot be {'x'.join(map(str, sides)):.60} pixels")


def check_values(row: Mapping[str, Any], keys: Iterable[str], source: str) -> None:
    """Check the types of a row's values.

    Raises:
        ValueError: one of ``keys`` is of another type than the schema's.
    """
    for key in keys:
        if not _fits(key, row[key]):
            raise ValueError(f"{source}: {key} cannot be {row[key]!r:.60}")


def strict_json(text: str) -> Any:
    """Read JSON strictly, with or without a byte-order mark.

    Raises:
        ValueError: it is not JSON, also for NaN, Infinity and numbers that are too large.
    """
    return json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse, parse_float=_finite_number)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.60} is too large a number")
    return number


def _fits(key: str, value: Any) -> bool:
    """Return whether a row may hold this value."""
    if value is None:
        return key not in ("image", "pool")
    # A bool is an int to Python.
    return isinstance(value, _TYPES.get(key, (int, float))) and (key in _BOOLS or not isinstance(value, bool))
