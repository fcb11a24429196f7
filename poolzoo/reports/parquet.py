"""A table as a Parquet file, made by pyarrow (``poolzoo[parquet]``), piece by piece."""

from __future__ import annotations

import io
import itertools
import json
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any

from poolzoo._console import reason
from poolzoo.analysis.results.rows import Row
from poolzoo.analysis.results.training_rows import TrainingRow

#: The number of rows that are held in memory and written as one group.
ROWS_PER_GROUP = 20_000


def check_parquet() -> None:
    """Check that pyarrow is installed.

    Raises:
        ValueError: it is not.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except Exception as error:  # a pyarrow of another numpy raises anything
        why = reason(error)
        raise ValueError(f"format parquet: pip install 'poolzoo[parquet]' installs what it needs ({why})") from error


def row_types(columns: Iterable[str]) -> dict[str, type]:
    """Return the type of each column of rows: str, bool, int or float.

    Sizes of windows are text, because ``3x2`` is one too; metrics are floats.
    """
    known = {**typing.get_type_hints(Row), **typing.get_type_hints(TrainingRow)}
    return {key: _one_type(set(typing.get_args(known.get(key)) or (known.get(key, float),))) for key in columns}


def line_types(lines: Sequence[Mapping[str, object]]) -> dict[str, type]:
    """Return the type of each column of a summary, as its values have it; a column without values is of floats."""
    return {key: _one_type({type(line[key]) for line in lines}) for key in (lines[0] if lines else ())}


def _one_type(types: set[type]) -> type:
    types = types - {NoneType}
    if str in types:
        return str
    return next((kind for kind in (bool, int) if types == {kind}), float)


def parquet(types: Mapping[str, type], rows: Iterable[Mapping[str, Any]], metadata: object = None) -> Iterator[bytes]:
    """Yield a Parquet file piece by piece; None is null, and an infinite value stays infinite.

    Args:
        types: of the columns, in order: str, bool, int or float.
        rows: with a value or None for each column.
        metadata: kept as JSON under the key ``poolzoo`` of the schema's metadata.

    Raises:
        ValueError: pyarrow is not installed, or a value is not of its column's type.
    """
    check_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(key, kinds[kind]) for key, kind in types.items()])
    schema = schema.with_metadata({"poolzoo": json.dumps(metadata)})
    rows, file = iter(rows), io.BytesIO()
    with pq.ParquetWriter(file, schema) as writer:
        while block := list(itertools.islice(rows, ROWS_PER_GROUP)):
            arrays = [pa.array([_value(row.get(key), types[key]) for row in block], kinds[types[key]]) for key in types]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            yield file.getvalue()
            file.seek(0)
            file.truncate()
    yield file.getvalue()


def _value(value: Any, kind: type) -> Any:
    if value is None or kind is not str:
        return value
    # A file name of undecodable bytes holds lone surrogates; they are escaped, as in other files.
    return str(value).encode(errors="backslashreplace").decode()
