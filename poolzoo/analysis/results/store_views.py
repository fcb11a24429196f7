"""The SQL views of a store, for programs that read SQLite: ``rows``, ``summary`` and ``failures``, with plain columns.

``rows`` and ``failures`` are computed from the tables. ``summary`` shows the table ``summaries``, which holds the lines
of :func:`poolzoo.analysis.results.summary_lines.summary_lines`: SQL has no bootstrap and no t distribution.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from poolzoo.analysis.results.schema import METRICS, TIME_KEYS, compare_keys
from poolzoo.analysis.results.store_file import MEASURED, SHARED, column_of
from poolzoo.analysis.results.summary_lines import summary_columns
from poolzoo.analysis.results.training_rows import CELL_KEYS, TRAIN_KEYS, TRAIN_KIND

#: The operator's spec string, from the columns of the view rows, and what a training calls a network without one.
_OPERATOR = "CASE params WHEN '' THEN pool ELSE pool || ':' || params END"
_IN_A_MODEL = f"CASE pool WHEN '' THEN 'as given' ELSE {_OPERATOR} END"


def make_dataset_views(connection: sqlite3.Connection, metrics: Sequence[str]) -> None:
    """Make the views of a dataset store, and an empty table of summaries if there is none.

    Args:
        connection: of the store.
        metrics: the keys of its metrics, each of which has a column.
    """
    shared = ", ".join(f"json_extract(keys, '$.{key}') AS {column_of(key)}" for key in SHARED)
    timed = ", ".join(f"json_extract(value, '$[3].{key}') AS {column_of(key)}" for key in TIME_KEYS)
    keys = (key for key in compare_keys() if key not in METRICS or key in metrics)
    columns = ", ".join(map(_dataset_column, keys))
    rows = f"""
        SELECT {columns} FROM (
            SELECT * FROM (SELECT id, {shared} FROM series) LEFT JOIN (
                SELECT json_extract(value, '$[0]') AS timed_pool, json_extract(value, '$[1]') AS timed_params,
                    json_extract(value, '$[2]') AS timed_state, {timed}
                FROM (SELECT value AS held FROM meta WHERE key = 'times'), json_each(held, '$.operators')
            ) ON timed_pool = pool AND timed_params = params AND timed_state = state
            LIMIT -1 -- evaluated once, not for each row of scores
        ) AS shared JOIN scores ON scores.series = shared.id JOIN images ON images.id = scores.image"""
    failures = f"SELECT image, {_OPERATOR} AS operator, state, seed, upsample, error FROM rows WHERE error IS NOT NULL"
    _make(connection, rows, failures, summary_columns("compare", metrics))


def _dataset_column(key: str) -> str:
    column = column_of(key)
    if key == "image":
        return "images.name AS image"
    if key in TIME_KEYS:  # a failed row has none
        return f"CASE WHEN scores.error IS NULL THEN shared.{column} END AS {column}"
    return f"shared.{column}" if key in SHARED and key not in MEASURED else f"scores.{column}"


def make_training_views(connection: sqlite3.Connection) -> None:
    """Make the views of a training store, and an empty table of summaries if there is none."""
    columns = ", ".join(f"{'cells' if key in CELL_KEYS else 'epochs'}.{column_of(key)}" for key in TRAIN_KEYS)
    rows = f"SELECT {columns} FROM epochs JOIN cells ON cells.id = epochs.cell"
    failures = f"SELECT data, model, {_IN_A_MODEL} AS operator, seed, epoch, error FROM rows WHERE error IS NOT NULL"
    _make(connection, rows, failures, summary_columns(TRAIN_KIND, ()))


def _make(connection: sqlite3.Connection, rows: str, failures: str, summary: Sequence[str]) -> None:
    # Made anew whenever a run opens the store: an earlier poolzoo may have made others, or none.
    for name in ("failures", "rows", "summary"):
        connection.execute(f"DROP VIEW IF EXISTS {name}")
    connection.execute(f"CREATE TABLE IF NOT EXISTS summaries ({', '.join(map(column_of, summary))})")
    connection.execute(f"CREATE VIEW rows AS {rows}")
    connection.execute(f"CREATE VIEW failures AS {failures}")
    connection.execute(f"CREATE VIEW summary AS SELECT {', '.join(map(column_of, summary))} FROM summaries")


def forget_summary(connection: sqlite3.Connection) -> None:
    """Empty the summary, because rows change."""
    connection.execute("DELETE FROM summaries")


def write_summary(connection: sqlite3.Connection, lines: Iterable[Mapping[str, object]]) -> None:
    """Replace the summary.

    Args:
        connection: of the store.
        lines: of :func:`poolzoo.analysis.results.summary_lines.summary_lines`.
    """
    forget_summary(connection)
    for line in lines:
        columns, marks = ", ".join(map(column_of, line)), ", ".join("?" * len(line))
        connection.execute(f"INSERT INTO summaries ({columns}) VALUES ({marks})", tuple(line.values()))
