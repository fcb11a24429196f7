"""A result with the facts of its metadata in a typed record, which all reports use.

Anyone may have written the file, so facts that are missing or of another type are left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import OperatorKeys, label
from poolzoo.analysis.results.schema import MODEL_KIND
from poolzoo.analysis.studies.sweep import Sweep, sweep_of

T = TypeVar("T")


@dataclass(frozen=True)
class ImageFacts:
    """An image as it was scored; ``size`` and ``cropped`` are width and height, None where a file does not say them."""

    name: str
    size: tuple[int, int] | None
    cropped: tuple[int, int] | None
    depth: int | None
    channels: int | None
    is_volume: bool


@dataclass(frozen=True)
class OperatorFacts:
    """The registry's facts of an operator; "" for a fact that the file lacks.

    ``placing`` says where upsampling puts the pooled values, if not at the windows' places.
    """

    label: str
    family: str
    summary: str
    formula: str
    source: str
    placing: str


@dataclass(frozen=True)
class DatasetFacts:
    """The counts of a dataset run, of which a result holds a sample of the rows."""

    images: int
    rows: int


@dataclass(frozen=True)
class RunFacts:
    """A result and the facts of its metadata.

    Attributes:
        result: the rows, and the metadata as analysis reads it.
        baseline: the operator that others are held against, as its label.
        metrics: those asked for; the first sorts.
        command: the command line.
        about: what else is known, name and value: version, date, device, seeds, machine.
        images: those that were scored.
        operators: those that were measured, each once.
        dataset: of a dataset run.
        decoder_images: names of the images that optimal decoders were fitted on.
        unchanged: specs of fitted operators that kept the parameters they had before.
        copy_gbps: the machine's copy bandwidth.
        sweep: what was varied.
        model: the model that was profiled.
        pools_replaced: the places of its pools that operators replaced.
    """

    result: Result
    baseline: str | None
    metrics: tuple[str, ...]
    command: str | None
    about: tuple[tuple[str, str], ...]
    images: tuple[ImageFacts, ...]
    operators: tuple[OperatorFacts, ...]
    dataset: DatasetFacts | None
    decoder_images: tuple[str, ...]
    unchanged: frozenset[str]
    copy_gbps: float | None
    sweep: Sweep | None
    model: str | None = None
    pools_replaced: tuple[str, ...] = ()

    @classmethod
    def of(cls, result: Result) -> RunFacts:
        """Read a result's metadata."""
        metadata = result.metadata
        command, baseline = metadata.get("command"), metadata.get("baseline")
        decoder = metadata.get("decoder")
        fits = _each(metadata, "fits", lambda fit: str(fit["spec"]) if fit.get("best_step") == 0 else None)
        return cls(
            result,
            baseline=baseline if isinstance(baseline, str) else None,
            metrics=tuple(metadata.get("metrics", ())),
            command=shlex.join(map(str, command)) if isinstance(command, list) else str(command) if command else None,
            about=_about(metadata),
            images=tuple(_each(metadata, "images", _image)),
            operators=_operators(metadata),
            dataset=_dataset(metadata.get("dataset")),
            decoder_images=tuple(_each(decoder, "images", lambda image: str(image.get("name")))),
            unchanged=frozenset(fits),
            copy_gbps=metadata.get("copy_gbps"),
            sweep=sweep_of(result),
            model=str(metadata["model"]) if result.kind == MODEL_KIND and metadata.get("model") else None,
            pools_replaced=tuple(_each(metadata, "pools_replaced", lambda site: str(site.get("where")))),
        )

    @cached_property
    def families(self) -> dict[str, str]:
        """The operators' families by label."""
        return {operator.label: operator.family for operator in self.operators}

    def of_image(self, name: str) -> RunFacts:
        """The same run with the rows of one image."""
        rows = [row for row in self.result.rows if row["image"] == name]
        return replace(self, result=Result(self.result.kind, self.result.metadata, rows))

    def is_baseline(self, row: OperatorKeys) -> bool:
        """Whether a row is of the baseline."""
        return label(row) == self.baseline


def _each(metadata: object, key: str, read: Callable[[dict[str, Any]], T | None]) -> list[T]:
    """Return ``read`` of each object in a list of the metadata, without None."""
    listed = metadata.get(key) if isinstance(metadata, dict) else None
    found = [read(item) for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    return [item for item in found if item is not None]


def _about(metadata: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    machine = metadata.get("machine")
    known = [("measured", metadata.get("created"))]
    known += [(key, metadata.get(key)) for key in ("poolzoo", "device", "dtype", "seed", "seeds")]
    known += machine.items() if isinstance(machine, dict) else ()
    return tuple((str(key), str(value)) for key, value in known if value is not None)


def _image(image: dict[str, Any]) -> ImageFacts:
    def whole(key: str) -> int | None:
        return image[key] if type(image.get(key)) is int else None

    width, height = whole("width"), whole("height")
    wide, high = whole("cropped_width") or width, whole("cropped_height") or height
    return ImageFacts(
        name=str(image.get("name", "?")),
        size=(width, height) if width and height else None,
        cropped=(wide, high) if wide and high else None,
        depth=whole("depth"),
        channels=whole("channels"),
        is_volume=image.get("kind") == "volume",
    )


def _operators(metadata: Mapping[str, Any]) -> tuple[OperatorFacts, ...]:
    known: dict[str, OperatorFacts] = {}
    for operator in _each(metadata, "pools", _operator):
        known.setdefault(operator.label, operator)
    return tuple(known.values())


def _operator(pool: dict[str, Any]) -> OperatorFacts | None:
    name = str(pool.get("label") or pool.get("name") or "")
    told = {key: str(pool.get(key) or "") for key in ("family", "summary", "formula", "source", "placing")}
    return OperatorFacts(name, **told) if name and any(told.values()) else None


def _dataset(counts: object) -> DatasetFacts | None:
    if not (isinstance(counts, dict) and counts):
        return None
    return DatasetFacts(counts["images"] - counts["unreadable"], counts["rows"])
