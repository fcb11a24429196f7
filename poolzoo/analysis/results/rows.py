"""A row of a result, typed: one image, operator and state of a comparison, one operator and tensor of a profile, or
one operator in a model.

``schema`` says what the keys mean and in which order they are written. The metrics of a comparison's row are keys too,
but which ones there are is known only at run time: :func:`number_of` and :func:`set_numbers` read and write them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict, cast


class Times(TypedDict):
    """The times in a comparison's row; None where nothing was measured."""

    forward_s: float | None
    forward_iqr_s: float | None
    forward_backend: str | None
    forward_dtype: str | None
    forward_shape: str | None


class OperatorKeys(TypedDict):
    """The keys that name a row's operator."""

    pool: str
    params: str


class WindowKeys(TypedDict):
    """A row's windows; a size is an int, or ``"3x2"`` where the axes differ."""

    kernel_size: int | str
    stride: int | str
    padding: int | str
    dilation: int | str
    ceil_mode: bool


class SeriesKeys(OperatorKeys, WindowKeys):
    """What a comparison's rows of one operator, state, seed and protocol have in common."""

    upsample: str
    align: str
    normalize: str
    protocol: str
    input: str
    state: str
    seed: int | None
    data_range: float | None
    decoder_fitted_on: str | None
    pool_fitted_on: str | None


class _EveryRow(OperatorKeys, WindowKeys):
    state: str
    error: str | None


class Row(_EveryRow, total=False):
    """A row of either kind, with the keys of its kind."""

    # Of both.
    forward_s: float | None
    forward_iqr_s: float | None
    # Of a comparison.
    image: str
    upsample: str
    align: str
    normalize: str
    protocol: str
    input: str
    seed: int | None
    data_range: float | None
    decoder_fitted_on: str | None
    pool_fitted_on: str | None
    kept: float | None
    equal_kept: bool | None
    forward_backend: str | None
    forward_dtype: str | None
    forward_shape: str | None
    # Of a profile.
    device: str
    dtype: str
    shape: str
    layout: str
    threads: int
    backend: str | None
    backward_s: float | None
    backward_iqr_s: float | None
    forward_backward_s: float | None
    saved_bytes: int | None
    peak_bytes: int | None
    gbps: float | None
    copy_fraction: float | None
    ratio: float | None
    waited_fraction: float | None
    # Of a model's profile.
    model: str
    batch: int | None
    execution: str
    forward_backward_iqr_s: float | None
    training_peak_bytes: int | None
    forward_backward_ratio: float | None
    pools_share: float | None
    sites: str | None


class DecoderFacts(TypedDict):
    """The facts of the decoders in a result's metadata."""

    neighbourhood: int
    cells: int
    images: list[dict[str, str]]
    skipped: list[str]


def label(row: OperatorKeys) -> str:
    """Return the operator as a spec string: ``softpool`` or ``softpool:beta=4``."""
    return f"{row['pool']}:{row['params']}" if row["params"] else row["pool"]


def axes_of(size: object) -> tuple[int, ...]:
    """Return a size as a row states it, ``2`` or ``"3x2"``, as ints; empty if it is neither."""
    parts = str(size).split("x")
    return tuple(map(int, parts)) if all(p.isascii() and p.isdigit() and len(p) < 10 for p in parts) else ()


def model_label(row: OperatorKeys) -> str:
    """Return the operator that is in a model; ``as given`` for the model without a replacement."""
    return label(row) or "as given"


def number_of(row: Row, key: str) -> float | None:
    """Return a row's value of a metric or a figure; None where it has none."""
    return cast("Mapping[str, float | None]", row).get(key)


def set_numbers(row: Row, values: Mapping[str, float | None]) -> None:
    """Set a row's values of metrics or figures."""
    cast("dict[str, float | None]", row).update(values)


def set_times(row: Row, times: Times) -> None:
    """Set a row's times."""
    cast("dict[str, object]", row).update(times)


def values_of(row: Row | SeriesKeys, keys: Iterable[str]) -> tuple[str | int | None, ...]:
    """Return a row's values of some keys."""
    return tuple(cast("Mapping[str, str | int | None]", row)[key] for key in keys)


def grouped(rows: Iterable[Row], keys: Sequence[str]) -> list[tuple[dict[str, str | int | None], list[Row]]]:
    """Put rows with equal values of ``keys`` into one group; groups come in the order of their first rows.

    Args:
        rows: as :data:`poolzoo.analysis.results.schema.PROFILE_SETTING` groups those of a profile.
        keys: which all rows have.

    Returns:
        For each group, the values by key, and its rows.
    """
    apart: dict[tuple[str | int | None, ...], list[Row]] = {}
    for row in rows:
        apart.setdefault(values_of(row, keys), []).append(row)
    return [(dict(zip(keys, values, strict=True)), own) for values, own in apart.items()]


def one_line(error: BaseException) -> str:
    """Return a failure as the text of a row's ``error``: the message of a ValueError; of others also the class."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
