"""A training study on disk: one SQLite file, to which an epoch's row is added as it is finished.

A *cell* is an operator and a seed. Its rows are written in one transaction, all that it has so far: a cell whose
checkpoint is ahead of the store, because a run was killed between the two, catches up. The rules are those of the
dataset store (:mod:`poolzoo.analysis.results.store`): one process at a time, no half a transaction, runs with other
settings need another file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import poolzoo
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import Row, label
from poolzoo.analysis.results.schema import SCHEMA_VERSION, check_values
from poolzoo.analysis.results.store_file import (
    TRAINING,
    OpenStore,
    StoreError,
    check_columns,
    check_kind,
    column_of,
    connect,
    in_one_line,
)
from poolzoo.analysis.results.store_views import make_training_views, write_summary
from poolzoo.analysis.results.summary_lines import summary_lines
from poolzoo.analysis.results.training_rows import CELL_KEYS, TRAIN_KEYS, TRAIN_KIND, TrainingRow

#: The row keys that a cell's rows share, and those of each epoch.
_EPOCH_KEYS = tuple(key for key in TRAIN_KEYS if key not in CELL_KEYS)
_LAYOUT = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE operators (id INTEGER PRIMARY KEY, spec TEXT NOT NULL UNIQUE);
CREATE TABLE cells (
    id INTEGER PRIMARY KEY, operator INTEGER NOT NULL REFERENCES operators, seed INTEGER NOT NULL,
    data TEXT NOT NULL, model TEXT NOT NULL, pool TEXT NOT NULL, params TEXT NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0, UNIQUE (operator, seed, data, model)
);
CREATE TABLE epochs (
    cell INTEGER NOT NULL REFERENCES cells, {", ".join(map(column_of, _EPOCH_KEYS))}, PRIMARY KEY (cell, epoch)
) WITHOUT ROWID;
PRAGMA application_id = {TRAINING};
PRAGMA user_version = {SCHEMA_VERSION};
"""


@dataclass(frozen=True)
class TrainingPlan:
    """The study that a store is made for; studies with different settings never share a store.

    Attributes:
        settings: of the training, and the digest of the data.
        specs: the operators, in the order of the rows. Those that the store lacks are trained too.
        metadata: of the result.
    """

    settings: Mapping[str, Any]
    specs: tuple[str, ...]
    metadata: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """A digest of the settings, by which a checkpoint is known to belong to them."""
        facts = {"poolzoo": poolzoo.__version__, **self.settings}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class TrainingStore(OpenStore):
    """An open training store."""

    @classmethod
    def open(cls, path: Path) -> TrainingStore:
        """Open ``path`` to read it.

        Raises:
            StoreError: no such file, not a training store, damaged, or a run is writing to it.
        """
        with in_one_line(path):
            connection = connect(path, "rw" if os.access(path, os.W_OK) else "ro")
            try:
                check_kind(path, connection, (SCHEMA_VERSION,), TRAINING)
                store = cls(path, connection)
                store._check_content()
            except BaseException:
                connection.close()
                raise
        return store

    @classmethod
    def create(cls, path: Path, plan: TrainingPlan) -> TrainingStore:
        """Open ``path`` for a study: a new file, or one that was begun with the same settings.

        Raises:
            StoreError: not a training store, in use, or made with other settings; or it cannot be written.
        """
        with in_one_line(path):
            connection = connect(path, "rwc")
            try:
                connection.execute("BEGIN")
                is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
                if is_new:
                    for statement in filter(str.strip, _LAYOUT.split(";")):
                        connection.execute(statement)
                check_kind(path, connection, (SCHEMA_VERSION,), TRAINING)
                store = cls(path, connection)
                if is_new or not connection.execute("SELECT 1 FROM epochs").fetchone():
                    store._set("poolzoo", poolzoo.__version__)
                    store._set("settings", dict(plan.settings))
                else:
                    store._check_content()
                    store._check_plan(plan)
                connection.executemany(
                    "INSERT OR IGNORE INTO operators (spec) VALUES (?)", [(spec,) for spec in plan.specs]
                )
                store._set("metadata", plan.metadata)
                make_training_views(connection)
                write_summary(connection, summary_lines(store.result()))
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
        return store

    def number_of(self, spec: str) -> int:
        """Return the number of an operator, by which its checkpoints are named."""
        return int(next(self._query("SELECT id FROM operators WHERE spec = ?", (spec,)))[0])

    def is_finished(self, spec: str, seed: int, *, retry: bool = False) -> bool:
        """Return whether a cell needs no more training.

        Args:
            spec, seed: the cell.
            retry: whether a cell that failed is trained again; otherwise a failure is a result.
        """
        found = self._query(
            "SELECT finished, max(epochs.error IS NOT NULL) FROM cells JOIN operators ON operators.id = operator"
            " LEFT JOIN epochs ON epochs.cell = cells.id WHERE spec = ? AND seed = ? GROUP BY cells.id",
            (spec, seed),
        )
        return any(finished and not (failed and retry) for finished, failed in found)

    def put(self, spec: str, rows: Sequence[TrainingRow], *, finished: bool) -> None:
        """Store all rows of a cell, in place of earlier ones.

        Args:
            spec: the operator, as the plan has it.
            rows: one or more.
            finished: whether there will be no more.
        """
        first = rows[0]
        with in_one_line(self.path):
            execute = self._connection.execute
            execute("BEGIN")
            try:
                (operator,) = execute("SELECT id FROM operators WHERE spec = ?", (spec,)).fetchone()
                values = [operator, *(first[key] for key in CELL_KEYS), finished]  # type: ignore[literal-required]
                execute(
                    f"INSERT INTO cells (operator, {', '.join(CELL_KEYS)}, finished) VALUES (?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (operator, seed, data, model) DO UPDATE SET finished = excluded.finished",
                    values,
                )
                (cell,) = execute(
                    "SELECT id FROM cells WHERE operator = ? AND seed = ? AND data = ? AND model = ?",
                    (operator, first["seed"], first["data"], first["model"]),
                ).fetchone()
                execute("DELETE FROM epochs WHERE cell = ?", (cell,))
                marks = ", ".join("?" * len(_EPOCH_KEYS))
                self._connection.executemany(
                    f"INSERT INTO epochs (cell, {', '.join(map(column_of, _EPOCH_KEYS))}) VALUES (?, {marks})",
                    [(cell, *(row[key] for key in _EPOCH_KEYS)) for row in rows],  # type: ignore[literal-required]
                )
                write_summary(self._connection, summary_lines(self.result()))
                execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    execute("ROLLBACK")
                raise

    def rows_of(self, spec: str, seed: int) -> list[TrainingRow]:
        """Return the rows of an operator and a seed."""
        return [row for row in self._rows() if label(row) == spec and row["seed"] == seed]

    @property
    def specs(self) -> list[str]:
        """The operators, in the order in which they were asked for; "" for a network as it is."""
        return [spec for (spec,) in self._query("SELECT spec FROM operators ORDER BY id")]

    def result(self) -> Result:
        """Return all rows: by operator in the plan's order, seed and epoch."""
        return Result(TRAIN_KIND, self._get("metadata"), cast("list[Row]", self._rows()))

    def _rows(self) -> list[TrainingRow]:
        keys = [f"cells.{column_of(key)}" if key in CELL_KEYS else f"epochs.{column_of(key)}" for key in TRAIN_KEYS]
        found = self._query(
            f"SELECT {', '.join(keys)} FROM epochs JOIN cells ON cells.id = cell ORDER BY operator, seed, epoch"
        )
        return [cast("TrainingRow", dict(zip(TRAIN_KEYS, values, strict=True))) for values in found]

    def _check_content(self) -> None:
        """Raise StoreError if a table lacks a column, or holds values that no run writes."""
        damaged = f"{self.path}: damaged"
        check_columns(self._connection, _LAYOUT, damaged)
        try:
            for key in ("poolzoo", "settings", "metadata"):
                if not isinstance(self._get(key), str if key == "poolzoo" else dict):
                    raise StoreError(f"{damaged}: its table meta lacks {key}; start another store")
            for row in self._rows():
                check_values(row, TRAIN_KEYS, f"{damaged}: a row")
        except (json.JSONDecodeError, RecursionError) as error:
            raise StoreError(f"{damaged}: its table meta is not JSON; start another store") from error
        except ValueError as error:
            raise StoreError(str(error)) from error

    def _check_plan(self, plan: TrainingPlan) -> None:
        """Raise an error of one line that names all differences between the store and ``plan``."""
        held = self._get("settings")
        differing = [
            f"{key} was {held.get(key)}, not {plan.settings.get(key)}"
            for key in {**held, **plan.settings}
            if held.get(key) != plan.settings.get(key)
        ]
        self._check_same_run(differing, map(label, self._rows()), plan.specs)
