"""A dataset run on disk: one SQLite file, to which rows are added as they are measured, and which summaries read.

A row of a comparison is stored in two parts. The values that many images share (operator, state, seed, protocol) are a
*series*, which is stored once; an image's own numbers are a row of one series. This keeps the file small, and one
metric of one operator can be read without the rest.

A *cell* is an image and an operator. Its rows are written in one transaction: all of them or none. A transaction holds
about one second of work. The journal is SQLite's rollback journal, and the file is locked from opening to closing
(``locking_mode=EXCLUSIVE``). The operating system releases the lock when the process ends, also after a crash; there is
one file to copy; and it works on network file systems. (With a write-ahead log, other processes could read during a
run, but there would be a second file, without which the first is incomplete.)
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import poolzoo
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import DecoderFacts, Row, Times, label
from poolzoo.analysis.results.schema import SCHEMA_VERSION
from poolzoo.analysis.results.store_file import (
    LAYOUT,
    MEASURED,
    SHARED,
    StoreError,
    check_content,
    check_kind,
    column_of,
    connect,
    in_one_line,
    scores_table,
)
from poolzoo.analysis.results.store_reader import StoreReader
from poolzoo.analysis.results.store_views import forget_summary, make_dataset_views, write_summary
from poolzoo.analysis.results.summary_lines import summary_lines

#: Seconds of work that a killed run loses at most.
COMMIT_EVERY = 1.0


@dataclass(frozen=True)
class ImageFile:
    """A file of a dataset: its path below the folder, its size, and when it last changed.

    Attributes:
        name: with ``/`` between folders.
        bytes, changed_ns: size and time of change; if they differ, the file was replaced since it was scored.
    """

    name: str
    bytes: int
    changed_ns: int


class FittedOperator(Protocol):
    """The facts of an operator's fitted parameters that a store records."""

    @property
    def spec(self) -> str: ...

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True)
class Plan:
    """The run that a store is made for; runs with different plans never share a store.

    Attributes:
        folder: the dataset, an absolute path.
        protocol: the fields of a :class:`poolzoo.analysis.scoring.protocol.Protocol`.
        specs: the operators, as rows are labelled. Those that the store lacks are scored too.
        metadata: from :func:`poolzoo.analysis.studies.compare.describe_comparison`.
        fits: the fitted parameters of operators.
    """

    folder: str
    protocol: Mapping[str, Any]
    specs: tuple[str, ...]
    metadata: Mapping[str, Any]
    fits: Sequence[FittedOperator] = ()

    @property
    def fitted(self) -> list[str]:
        """Each fit's operator and a digest of the parameters."""
        return [f"{fitted.spec} {fitted.digest[:12]}" for fitted in self.fits]


class Store(StoreReader):
    """An open store that can be written.

    Use as a context: at its end all rows are committed and summarised, also after an exception. If an exception is
    raised before the first image of a new store, the file is removed.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._series: dict[str, int] = {}
        self._operators: dict[str, int] = {}
        self._committed = time.monotonic()
        self._is_new = False
        self._is_summarised = True

    @classmethod
    def create(cls, path: Path, plan: Plan) -> Store:
        """Open ``path`` for a run: a new file, or one that was begun with the same plan.

        A store without images takes any plan.

        Raises:
            StoreError: not a store, one of another version, in use, or made for another plan; or it cannot be written.
        """
        with in_one_line(path):
            is_new = not path.exists()
            connection = connect(path, "rwc")
            try:
                # All tables and what the store is for come in one transaction: there is no half a store.
                connection.execute("BEGIN")
                if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in filter(str.strip, LAYOUT.split(";")):
                        connection.execute(statement)
                check_kind(path, connection, (SCHEMA_VERSION,))
                store = cls(path, connection)
                if connection.execute("SELECT 1 FROM images").fetchone():
                    check_content(path, connection)
                    store._check_plan(plan)
                else:
                    store._take_plan(plan)
                connection.executemany(
                    "INSERT OR IGNORE INTO operators (spec) VALUES (?)", [(spec,) for spec in plan.specs]
                )
                store._set("metadata", plan.metadata)
                make_dataset_views(connection, plan.metadata["metrics"])
                forget_summary(connection)  # a killed run leaves none rather than a wrong one
                connection.execute("COMMIT")
                store._operators = dict(connection.execute("SELECT spec, id FROM operators"))
                store._series = dict(connection.execute("SELECT keys, id FROM series"))
                connection.execute("BEGIN")
            except BaseException:
                connection.close()
                raise
        store._is_new, store._is_summarised = is_new, False
        return store

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # After an error of SQLite's own there is no transaction left to commit: it was rolled back.
            if self._connection.in_transaction:
                with in_one_line(self.path):
                    if not self._is_summarised:
                        self.summarise()
                    self._connection.execute("COMMIT")
            if error is not None and self._is_new and not self._connection.execute("SELECT 1 FROM images").fetchone():
                os.unlink(os.path.realpath(self.path))
        finally:
            super().__exit__(kind, error, trace)

    def summarise(self) -> Result:
        """Return :meth:`sample`, after the last change, and write its summaries for the view summary."""
        sample = self.sample()
        with in_one_line(self.path):
            write_summary(self._connection, summary_lines(sample))
        self._is_summarised = True
        return sample

    def missing(self, file: ImageFile, *, retry: bool = False) -> list[str]:
        """Return the operators that ``file`` has no scores of yet.

        Args:
            file: an image; a file that changed since it was scored counts as new.
            retry: whether to score failures again; otherwise a failure is a result.
        """
        known = self._known(file)
        if known is None or known[1:] != (file.bytes, file.changed_ns):
            return list(self._operators)
        done = dict(
            self._query(
                "SELECT series.operator, max(scores.error IS NOT NULL) FROM series"
                " JOIN scores ON scores.series = series.id AND scores.image = ? GROUP BY series.operator",
                known[:1],
            )
        )
        finished = {operator for operator, failed in done.items() if not (failed and retry)}
        if None in finished:  # the file could not be read, whatever the operator
            return []
        return [spec for spec, operator in self._operators.items() if operator not in finished]

    def _known(self, file: ImageFile) -> tuple[int, int, int] | None:
        """Return the number, size and time of change that the store has of a file; None if the store lacks it."""
        sql = "SELECT id, bytes, changed_ns FROM images WHERE name = CAST(? AS TEXT)"
        found: tuple[int, int, int] | None = next(self._query(sql, (os.fsencode(file.name),)), None)
        return found

    def forget_gone(self, is_there: Callable[[str], bool]) -> None:
        """Delete the failures of images that are no longer in the dataset.

        Args:
            is_there: whether it has an image of this name.

        Raises:
            StoreError: there are scores of such files, which are not deleted.
        """
        with in_one_line(self.path):
            images = self._connection.execute("SELECT id, name, width FROM images ORDER BY name")
            gone = [image for image in images if not is_there(image[1])]
            if scored := [name for _, name, width in gone if width is not None]:
                raise StoreError(
                    f"{self.path}: holds scores of images that are no longer there, {scored[0]!r}"
                    f"{f' and {len(scored) - 1} more' if len(scored) > 1 else ''}; bring them back, or give --store"
                    " another file"
                )
            numbers = [(image,) for image, _, _ in gone]
            self._connection.executemany(
                "DELETE FROM scores WHERE image = ? AND series IN (SELECT id FROM series)", numbers
            )
            self._connection.executemany("DELETE FROM images WHERE id = ?", numbers)

    def note_decoder(self, decoder: DecoderFacts) -> None:
        """Record the images that optimal decoders were fitted on, for :attr:`metadata`.

        Raises:
            StoreError: earlier rows were decoded with decoders fitted on other images.
        """
        with in_one_line(self.path):
            held = self._get("decoder") or decoder
            earlier, now = ([image["sha256"] for image in facts["images"]] for facts in (held, decoder))
            if earlier != now:
                raise StoreError(
                    f"{self.path}: its decoders were fitted on {len(earlier)} images, and the {len(now)} of"
                    " --decoder-images are no longer the same; bring them back, or give --store another file"
                )
            self._set("decoder", decoder)

    def note_passed_over(self, counts: Mapping[str, int]) -> None:
        """Record, by suffix, how many files of the dataset are not images, for :attr:`metadata`."""
        with in_one_line(self.path):
            self._set("passed_over", counts)

    def put(self, file: ImageFile, size: tuple[int, int] | None, specs: Sequence[str], rows: list[Row]) -> None:
        """Store the rows of ``file`` for all of ``specs``, in place of earlier ones; they are committed within about a
        second.

        Args:
            file: the image.
            size: its width and height as scored, None where it could not be read.
            specs: the operators that were run.
            rows: of these operators, or one row without an operator.
        """
        with in_one_line(self.path):
            self._connection.execute("SAVEPOINT cell")
            try:
                self._put(file, size, specs, rows)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK TO cell")
                raise
            finally:
                if self._connection.in_transaction:  # a full disk has ended it
                    self._connection.execute("RELEASE cell")
            if time.monotonic() - self._committed > COMMIT_EVERY:
                self._connection.execute("COMMIT")
                self._connection.execute("BEGIN")
                self._committed = time.monotonic()

    def _put(self, file: ImageFile, size: tuple[int, int] | None, specs: Sequence[str], rows: list[Row]) -> None:
        execute = self._connection.execute
        known = self._known(file)
        if known is None:
            name = (os.fsencode(file.name),)
            image = execute("INSERT INTO images (name) VALUES (CAST(? AS TEXT))", name).lastrowid
        else:
            image = known[0]
            changed = known[1:] != (file.bytes, file.changed_ns)
            # Of a changed file nothing is kept; of another, an earlier failure to read it and the operators run anew.
            stale = list(self._operators.values()) if changed else [self._operators[spec] for spec in specs]
            self._connection.executemany(
                "DELETE FROM scores WHERE image = ? AND series IN (SELECT id FROM series WHERE operator IS ?)",
                [(image, operator) for operator in (None, *stale)],
            )
        execute(
            "UPDATE images SET bytes = ?, changed_ns = ?, width = ?, height = ? WHERE id = ?",
            (file.bytes, file.changed_ns, *(size or (None, None)), image),
        )
        measured = (*MEASURED, *self._metrics)
        marks = ", ".join("?" * len(measured))
        self._connection.executemany(
            f"INSERT INTO scores (series, image, {', '.join(map(column_of, measured))}) VALUES (?, ?, {marks})",
            [(self._series_of(row), image, *map(row.get, measured)) for row in rows],
        )

    def _series_of(self, row: Row) -> int:
        keys = json.dumps({key: value for key, value in row.items() if key in SHARED})
        if keys not in self._series:
            operator = self._operators[label(row)] if row["pool"] else None
            cursor = self._connection.execute("INSERT INTO series (operator, keys) VALUES (?, ?)", (operator, keys))
            assert cursor.lastrowid is not None
            self._series[keys] = cursor.lastrowid
        return self._series[keys]

    def note_times(self, machine: Mapping[str, str], times: Mapping[tuple[str, str, str], Times]) -> None:
        """Record the times of operators for all rows with scores, in place of earlier times.

        Args:
            machine: the machine of the measurement.
            times: the times, by registry name, parameters and state.
        """
        with in_one_line(self.path):
            self._set("times", {"machine": machine, "operators": [[*key, dict(row)] for key, row in times.items()]})

    def median_size(self) -> tuple[int, int] | None:
        """Return the width and height of the median image by area, among those with scores; None if there are none."""
        found: tuple[int, int] | None = self._connection.execute(
            "SELECT width, height FROM images WHERE width IS NOT NULL ORDER BY width * height, width, height LIMIT 1"
            " OFFSET (SELECT count(*) / 2 FROM images WHERE width IS NOT NULL)"
        ).fetchone()
        return found

    def _take_plan(self, plan: Plan) -> None:
        """Take ``plan`` in place of that of a run that ended before its first image."""
        for table in ("scores", "summaries"):
            self._connection.execute(f"DROP TABLE IF EXISTS {table}")
        self._connection.execute(scores_table(plan.metadata["metrics"]))
        for table in ("series", "operators", "meta"):
            self._connection.execute(f"DELETE FROM {table}")
        self._set("poolzoo", poolzoo.__version__)
        self._set("folder", plan.folder)
        self._set("protocol", dict(plan.protocol))
        self._set("fitted", plan.fitted)

    def _check_plan(self, plan: Plan) -> None:
        """Raise an error of one line that names all differences between the store and ``plan``."""
        asked = {"--dataset": plan.folder, "--fitted": plan.fitted} | dict(plan.protocol)
        has = {"--dataset": self._get("folder"), "--fitted": self._get("fitted")} | self._get("protocol")
        differing = [
            f"{key} was {_shown(has.get(key))}, not {_shown(asked.get(key))}"
            for key in {**has, **asked}
            if _shown(has.get(key)) != _shown(asked.get(key))
        ]
        specs = [spec for (spec,) in self._connection.execute("SELECT spec FROM operators")]
        self._check_same_run(differing, specs, plan.specs)


def _shown(value: Any) -> str:
    """Return a value of the plan as messages show it; the same for a tuple and for the list that JSON makes of it."""
    if isinstance(value, (list, tuple)) and value:
        return "x".join(map(str, value)) if all(isinstance(item, int) for item in value) else ", ".join(map(str, value))
    return str(value) if value or value == 0 else "none"
