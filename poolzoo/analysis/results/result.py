"""The rows of a study with their metadata, and how they are written to JSON and read back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from poolzoo.analysis.results.earlier import READ_VERSIONS, complete_metadata, complete_row, listed_versions
from poolzoo.analysis.results.rows import Row, number_of, set_numbers, set_times
from poolzoo.analysis.results.schema import (
    KINDS,
    METRICS,
    MODEL_KEYS,
    MODEL_KIND,
    PROFILE_KEYS,
    SCHEMA_VERSION,
    TIME_KEYS,
    UNTIMED,
    check_metadata,
    check_values,
    compare_keys,
    strict_json,
)
from poolzoo.analysis.results.summary_records import Group, GroupKey, Summary
from poolzoo.analysis.results.training_rows import TRAIN_KEYS, TRAIN_KIND


@dataclass(frozen=True)
class Result:
    """Rows of one kind, with the settings and the machine of their measurement.

    For a dataset run, ``rows`` are a sample, ``summaries`` are of all images, and ``metadata["dataset"]`` counts them.
    """

    kind: str
    metadata: dict[str, Any]
    rows: list[Row]
    summaries: tuple[Summary, ...] | None = None
    #: The data that the summaries were made of, while the store is open: it is not written.
    groups: Mapping[GroupKey, Group] | None = field(default=None, compare=False, repr=False)
    #: The names of the images that the groups number.
    group_images: Sequence[str] = field(default=(), compare=False, repr=False)

    @property
    def columns(self) -> list[str]:
        """The row keys in schema order, without the metrics that were not asked for."""
        if self.kind == "profile":
            return list(PROFILE_KEYS)
        if self.kind == MODEL_KIND:
            return list(MODEL_KEYS)
        if self.kind == TRAIN_KIND:
            return list(TRAIN_KEYS)
        return [key for key in compare_keys() if key not in METRICS or key in self.metadata["metrics"]]

    def described(self) -> dict[str, Any]:
        """Return the metadata as files hold them, with the kind and the version of the schema."""
        return {"schema_version": SCHEMA_VERSION, "kind": self.kind, **self.metadata}

    def to_json(self) -> str:
        """Return strict JSON: no NaN, no Infinity; keys in schema order, so that equal results are equal bytes."""
        columns = self.columns
        rows = [{key: finite(row.get(key)) for key in columns} for row in self.rows]
        content: dict[str, Any] = {"metadata": self.described()}
        if self.summaries is not None:
            content["summaries"] = [summary.to_plain() for summary in self.summaries]
        content["rows"] = rows
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Result:
        """Read the text of :meth:`to_json`.

        Args:
            text: the file's content.
            source: its name, for messages.

        Raises:
            ValueError: not JSON, not a poolzoo result, of another schema version, or with rows that lack keys or
                have values that are not allowed.
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
        if version not in READ_VERSIONS or isinstance(version, float):
            raise ValueError(f"{source}: schema version {version!r}; this poolzoo reads {listed_versions()}")
        if not (isinstance(kind, str) and kind in KINDS):
            raise ValueError(f"{source}: kind {kind!r} is not one of {', '.join(KINDS)}")
        check_metadata(kind, metadata, source)
        metadata = complete_metadata(metadata, version)
        result = cls(kind, metadata, data["rows"], _summaries_of(data, version, source))
        columns = result.columns
        for number, row in enumerate(result.rows):
            if isinstance(row, dict):
                complete_row(cast("dict[str, Any]", row), version)
            if kind == "compare" and isinstance(row, dict) and row.keys().isdisjoint(TIME_KEYS[1:]):
                set_times(row, UNTIMED)  # an earlier poolzoo timed the float64 reference, which is no cost
            missing = set(columns) - set(row) if isinstance(row, dict) else set(columns)
            if missing:
                raise ValueError(f"{source}: row {number} lacks {', '.join(sorted(missing))}")
            check_values(row, columns, f"{source}: row {number}")
            if kind == "compare" and row["error"] is None:
                exact = [key for key in metadata["metrics"] if METRICS[key].exact and number_of(row, key) is None]
                set_numbers(row, dict.fromkeys(exact, math.inf))
        return result


def _summaries_of(data: dict[str, Any], version: int, source: str) -> tuple[Summary, ...] | None:
    if "summaries" not in data:
        return None
    try:
        for summary in data["summaries"]:
            complete_row(summary["setting"], version)
        return tuple(map(Summary.from_plain, data["summaries"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{source}: its summaries are not poolzoo's: {type(error).__name__}: {error}") from error


def finite(value: Any) -> Any:
    """Return a value as strict JSON holds it: None for a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
