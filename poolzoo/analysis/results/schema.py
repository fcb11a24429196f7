"""The one row schema: what analysis writes, ``--format json`` prints and ``poolzoo report`` reads back.

A result is ``{"metadata": {...}, "rows": [...]}`` in strict JSON. A row is a flat dict whose keys, in this order, are
the tuples below. ``psnr`` of two equal images is infinite: ``inf`` in memory, ``null`` in JSON (``error`` is null too).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poolzoo.analysis.results.summaries import Group, GroupKey, Summary

SCHEMA_VERSION = 2

#: What rows say of an upsampler that there is none of.
UPSAMPLE_NONE = "none"

#: A comparison's row: one image, one operator in one state (and seed), one protocol. The metrics asked for stand
#: between ``equal_kept`` and ``forward_s``.
COMPARE_KEYS = (
    "image",  # the source as the user named it
    "pool",  # registry name
    "params",  # "key=value,key=value" that differ from the defaults, "" where none does
    "kernel_size",  # an int, or "3x2" where the axes differ
    "stride",
    "upsample",  # nearest | bilinear | bicubic | trilinear | optimal; none at low resolution
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
    "psnr",  # dB, higher is better
    "ssim",  # at most 1, higher is better
    "mse",  # only where asked for with --metric
    "mae",
    "ms_ssim",  # and the rest of piq's
    "vif",
    "fsim",
    "gmsd",
    "mdsi",
    "haarpsi",
    "alias",  # the measures of poolzoo.analysis.scoring.operator_metrics; null where the image gives none
    "spectrum_low",
    "spectrum_mid",
    "spectrum_high",
    "shift",
    "grad_reach",
    "effective_weights",
    "brightness",
    "forward_s",  # median seconds of a forward pass as a user runs it, measured once per operator, state and shape
    "forward_iqr_s",
    "forward_backend",  # what was timed: torch | reference | native
    "forward_dtype",  # float32, though scores are of float64
    "forward_shape",  # "1x3x512x512": one image; of a dataset run, one that is as large as the median image
    "error",  # null, or one line that says why there are no numbers
)
#: What rows say of time; null where it was not measured.
TIME_KEYS = ("forward_s", "forward_iqr_s", "forward_backend", "forward_dtype", "forward_shape")
#: What says something else of an operator than how like the original its result is.
MEASURE_KEYS = (
    *("alias", "spectrum_low", "spectrum_mid", "spectrum_high"),
    *("shift", "grad_reach", "effective_weights", "brightness"),
)
METRIC_KEYS = (
    *("psnr", "ssim", "mse", "mae"),
    *("ms_ssim", "vif", "fsim", "gmsd", "mdsi", "haarpsi"),
    *MEASURE_KEYS,
)

#: A profile's row: one operator on one tensor.
PROFILE_KEYS = (
    "pool",
    "params",
    "state",
    "device",
    "dtype",
    "shape",  # "20x32x128x128"
    "kernel_size",
    "stride",
    "layout",  # contiguous | channels_last
    "threads",
    "backend",  # torch | reference | native
    "forward_s",  # median seconds of a forward pass without autograd
    "forward_iqr_s",
    "backward_s",  # median seconds of the backward pass alone
    "backward_iqr_s",
    "forward_backward_s",  # median seconds of forward and backward together
    "saved_bytes",  # what autograd keeps for the backward pass
    "peak_bytes",  # most memory allocated at once during a forward pass, the input not counted
    "gbps",  # bytes that must move (input read, output written) per second of forward, in 1e9
    "copy_fraction",  # gbps / this machine's measured copy bandwidth
    "ratio",  # forward_s / the baseline's forward_s
    "error",
)
KEYS = {"compare": COMPARE_KEYS, "profile": PROFILE_KEYS}
#: What else than null a value may be; keys that are not named hold numbers.
_TEXT = (
    *("image", "pool", "params", "upsample", "normalize", "protocol", "input", "state", "error"),
    *("decoder_fitted_on", "pool_fitted_on", "device", "dtype", "shape", "layout", "backend"),
    *("forward_backend", "forward_dtype", "forward_shape"),
)
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(_TEXT, (str,)),
    **dict.fromkeys(("kernel_size", "stride"), (str, int)),
    "equal_kept": (bool,),
}
#: Figures of a profile are held against each other only where these are equal.
PROFILE_SETTING = ("device", "dtype", "shape", "kernel_size", "stride", "layout", "threads")


def label(row: dict[str, Any]) -> str:
    """The operator as a spec string: ``softpool`` or ``softpool:beta=4``."""
    return f"{row['pool']}:{row['params']}" if row["params"] else row["pool"]


@dataclass(frozen=True)
class Result:
    """Rows of one kind and what was known when they were measured.

    Of a dataset run ``rows`` are a sample, ``summaries`` stand for all, and ``metadata["dataset"]`` counts them.
    """

    kind: str
    metadata: dict[str, Any]
    rows: list[dict[str, Any]]
    summaries: tuple[Summary, ...] | None = None
    #: What the summaries were made of, as long as the store is at hand: it is not written.
    groups: Mapping[GroupKey, Group] | None = field(default=None, compare=False, repr=False)
    #: The names of the images that the groups number.
    group_images: Sequence[str] = field(default=(), compare=False, repr=False)

    @property
    def columns(self) -> list[str]:
        """The row keys in schema order, without the metrics that were not asked for."""
        if self.kind == "profile":
            return list(PROFILE_KEYS)
        return [key for key in COMPARE_KEYS if key not in METRIC_KEYS or key in self.metadata["metrics"]]

    def to_json(self) -> str:
        """Strict JSON: no NaN, no Infinity; keys in schema order, so that equal results are equal bytes."""
        rows = [{key: _finite(row.get(key)) for key in self.columns} for row in self.rows]
        metadata = {"schema_version": SCHEMA_VERSION, "kind": self.kind, **self.metadata}
        content: dict[str, Any] = {"metadata": metadata}
        if self.summaries is not None:
            content["summaries"] = [summary.to_plain() for summary in self.summaries]
        content["rows"] = rows
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Result:
        """Read back what :meth:`to_json` wrote.

        Args:
            text: the file's content.
            source: its name, for messages.

        Raises:
            ValueError: not JSON, not a poolzoo result, of another schema version, or with rows that lack keys or
                hold what no row may.
        """
        try:
            data = strict_json(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{source}: not a JSON file ({error})") from error
        if not (
            isinstance(data, dict) and isinstance(data.get("metadata"), dict) and isinstance(data.get("rows"), list)
        ):
            raise ValueError(f"{source}: not a poolzoo result: expected an object with 'metadata' and 'rows'")
        metadata = dict(data["metadata"])
        version, kind = metadata.pop("schema_version", None), metadata.pop("kind", None)
        if version != SCHEMA_VERSION:
            raise ValueError(f"{source}: schema version {version!r}; this poolzoo reads version {SCHEMA_VERSION}")
        if not (isinstance(kind, str) and kind in KEYS):
            raise ValueError(f"{source}: kind {kind!r} is not one of {', '.join(KEYS)}")
        check_metadata(kind, metadata, source)
        result = cls(kind, metadata, data["rows"], _summaries_of(data, source))
        for number, row in enumerate(result.rows):
            if kind == "compare" and isinstance(row, dict) and row.keys().isdisjoint(TIME_KEYS[1:]):
                row |= dict.fromkeys(TIME_KEYS)  # an earlier poolzoo timed the float64 reference, which is no cost
            missing = set(result.columns) - set(row) if isinstance(row, dict) else set(result.columns)
            if missing:
                raise ValueError(f"{source}: row {number} lacks {', '.join(sorted(missing))}")
            check_values(row, result.columns, f"{source}: row {number}")
            if kind == "compare" and row["error"] is None and row.get("psnr", 0.0) is None:
                row["psnr"] = math.inf
        return result


def check_metadata(kind: str, metadata: Mapping[str, Any], source: str) -> None:
    """Say what in a result's metadata nothing can be drawn from.

    Raises:
        ValueError: of a comparison, no list of metrics, or images without sizes; of a profile, no bandwidth.
    """
    if kind == "profile":
        if not isinstance(metadata.get("copy_gbps", 0), (int, float, NoneType)):
            raise ValueError(f"{source}: metadata.copy_gbps must be a number")
        return
    metrics = metadata.get("metrics")
    if not (isinstance(metrics, list) and all(key in METRIC_KEYS for key in metrics)):
        raise ValueError(f"{source}: metadata.metrics must list some of {', '.join(METRIC_KEYS)}")
    images = metadata.get("images", [])
    for image in images if isinstance(images, list) else ():
        sides = [image[key] for key in ("width", "height") if key in image] if isinstance(image, dict) else []
        if not all(isinstance(side, int) and side > 0 for side in sides):
            raise ValueError(f"{source}: metadata.images: an image cannot be {'x'.join(map(str, sides)):.60} pixels")


def check_values(row: Mapping[str, Any], keys: Iterable[str], source: str) -> None:
    """Say which value a row cannot hold.

    Raises:
        ValueError: one of ``keys`` is of another type than the schema's.
    """
    for key in keys:
        if not _fits(key, row[key]):
            raise ValueError(f"{source}: {key} cannot be {row[key]!r:.60}")


def strict_json(text: str) -> Any:
    """Read JSON as its standard has it, with or without a byte-order mark.

    Raises:
        ValueError: it is not JSON, also for NaN, Infinity and numbers that are too large.
    """
    return json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse, parse_float=_finite_number)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON's")


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.60} is too large a number")
    return number


def _summaries_of(data: dict[str, Any], source: str) -> tuple[Summary, ...] | None:
    if "summaries" not in data:
        return None
    from poolzoo.analysis.results.summaries import Summary

    try:
        return tuple(map(Summary.from_plain, data["summaries"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{source}: its summaries are not poolzoo's: {type(error).__name__}: {error}") from error


def _fits(key: str, value: Any) -> bool:
    """Whether a row may hold this value."""
    if value is None:
        return key not in ("image", "pool")
    # A bool is an int to Python.
    return isinstance(value, _TYPES.get(key, (int, float))) and (key == "equal_kept" or not isinstance(value, bool))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
