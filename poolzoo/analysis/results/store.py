"""A dataset run on disk: one SQLite file, into which rows go as they are measured and from which summaries are drawn.

A row of a comparison is split in two. What many images share (operator, state, seed, protocol) is a *series*, stored
once; an image's own numbers are a row of one series. So a hundred thousand images stay small, and one metric of one
operator is read without the rest.

A *cell* is an image and an operator. Its rows come into the file together or not at all: they are written within one
transaction, of which each holds about a second's worth. The journal is SQLite's rollback journal, and the file stays
locked from opening to closing (``locking_mode=EXCLUSIVE``): the operating system gives the lock back when the process
ends, however it ends, there is one file to copy, and network file systems can hold it. (A write-ahead log would let
others read meanwhile, and would leave a second file without which the first is not whole.)
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import poolzoo
from poolzoo.analysis.results.rows import DecoderFacts, Row, Times, label
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

#: Seconds of work that a killed run loses at most.
COMMIT_EVERY = 1.0


@dataclass(frozen=True)
class ImageFile:
    """A file of a dataset: its path below the folder, its size, and when it last changed.

    Attributes:
        name: with ``/`` between folders.
        bytes, changed_ns: by which a file that was replaced since it was scored is known.
    """

    name: str
    bytes: int
    changed_ns: int


class FittedOperator(Protocol):
    """What a store notes of an operator's fitted parameters."""

    @property
    def spec(self) -> str: ...

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True)
class Plan:
    """What a store must have been made for; two plans that differ never share one.

    Attributes:
        folder: the dataset, an absolute path.
        protocol: the fields of a :class:`poolzoo.analysis.scoring.protocol.Protocol`.
        specs: the operators, as rows are labelled. A store may hold fewer of them, which are then scored too.
        metadata: what :func:`poolzoo.analysis.studies.compare.describe_comparison` says of the run.
        fits: what operators learned beforehand.
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

    Use as a context: what was put is committed at its end, also after an exception. Where an exception comes before the
    first image of a new store, no file stays behind.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._series: dict[str, int] = {}
        self._operators: dict[str, int] = {}
        self._committed = time.monotonic()
        self._is_new = False

    @classmethod
    def create(cls, path: Path, plan: Plan) -> Store:
        """Open ``path`` for a run: a new file, or one that the same plan has been begun in.

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
                check_kind(path, connection)
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
                connection.execute("COMMIT")
                store._operators = dict(connection.execute("SELECT spec, id FROM operators"))
                store._series = dict(connection.execute("SELECT keys, id FROM series"))
                connection.execute("BEGIN")
            except BaseException:
                connection.close()
                raise
        store._is_new = is_new
        return store

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # After an error of SQLite's own there is no transaction left to commit: it was rolled back.
            if self._connection.in_transaction:
                with in_one_line(self.path):
                    self._connection.execute("COMMIT")
            if error is not None and self._is_new and not self._connection.execute("SELECT 1 FROM images").fetchone():
                os.unlink(os.path.realpath(self.path))
        finally:
            super().__exit__(kind, error, trace)

    def missing(self, file: ImageFile, *, retry: bool = False) -> list[str]:
        """The operators that ``file`` is still to be scored with.

        Args:
            file: one that changed since it was scored is as good as new.
            retry: whether what failed is to be scored again; otherwise a failure is a result.
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
        """Return the number, size and time of change that the store has of a file; None of one that it lacks."""
        sql = "SELECT id, bytes, changed_ns FROM images WHERE name = CAST(? AS TEXT)"
        found: tuple[int, int, int] | None = next(self._query(sql, (os.fsencode(file.name),)), None)
        return found

    def forget_gone(self, folder: str) -> None:
        """Drop the failures of files that are no longer in ``folder``: they were taken away for that.

        Raises:
            StoreError: there are scores of such files, which it would be a pity to drop.
        """
        with in_one_line(self.path):
            images = self._connection.execute("SELECT id, name, width FROM images ORDER BY name")
            gone = [image for image in images if not os.path.lexists(os.path.join(folder, image[1]))]
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
        """Keep on what optimal decoders were fitted, for :attr:`metadata`.

        Raises:
            StoreError: on other images than those that earlier rows were decoded with.
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
        """Keep how many files of the dataset are no images, by their suffixes, for :attr:`metadata`."""
        with in_one_line(self.path):
            self._set("passed_over", counts)

    def put(self, file: ImageFile, size: tuple[int, int] | None, specs: Sequence[str], rows: list[Row]) -> None:
        """Take the rows of ``file`` with all of ``specs``, in place of any it had; committed within about a second.

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
        """Keep how long operators take, in place of what was known, for all rows with scores.

        Args:
            machine: on which they were measured.
            times: what rows say of time, by registry name, parameters and state.
        """
        with in_one_line(self.path):
            self._set("times", {"machine": machine, "operators": [[*key, dict(row)] for key, row in times.items()]})

    def median_size(self) -> tuple[int, int] | None:
        """Width and height of the image in the middle, by area, of those with scores; None where there is none."""
        found: tuple[int, int] | None = self._connection.execute(
            "SELECT width, height FROM images WHERE width IS NOT NULL ORDER BY width * height, width, height LIMIT 1"
            " OFFSET (SELECT count(*) / 2 FROM images WHERE width IS NOT NULL)"
        ).fetchone()
        return found

    def _take_plan(self, plan: Plan) -> None:
        """Be for ``plan``, whatever a run that ended before its first image was for."""
        self._connection.execute("DROP TABLE IF EXISTS scores")
        self._connection.execute(scores_table(plan.metadata["metrics"]))
        for table in ("series", "operators", "meta"):
            self._connection.execute(f"DELETE FROM {table}")
        self._set("poolzoo", poolzoo.__version__)
        self._set("folder", plan.folder)
        self._set("protocol", dict(plan.protocol))
        self._set("fitted", plan.fitted)

    def _check_plan(self, plan: Plan) -> None:
        """Say in what the store differs from ``plan``, all of it in one line."""
        held = self._get("poolzoo")
        if held != poolzoo.__version__:
            raise StoreError(
                f"{self.path}: a store of poolzoo {held}, this is {poolzoo.__version__}, whose numbers may differ:"
                f" continue with poolzoo {held}, or give --store another file"
            )
        asked = {"--dataset": plan.folder, "--fitted": plan.fitted} | dict(plan.protocol)
        has = {"--dataset": self._get("folder"), "--fitted": self._get("fitted")} | self._get("protocol")
        differing = [
            f"{key} was {_shown(has.get(key))}, not {_shown(asked.get(key))}"
            for key in {**has, **asked}
            if _shown(has.get(key)) != _shown(asked.get(key))
        ]
        specs = {spec for (spec,) in self._connection.execute("SELECT spec FROM operators")}
        if lacking := sorted(specs - set(plan.specs)):
            differing.append(f"it also holds {', '.join(lacking)} (operators can be added, not left out)")
        if differing:
            raise StoreError(f"{self.path}: made by another command: {'; '.join(differing)}. Give --store another file")

    def _set(self, key: str, value: Any) -> None:
        text = json.dumps(value)
        self._connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, text))


def _shown(value: Any) -> str:
    """A value of the plan as it stands in a message, and the same for a tuple and for the list JSON makes of it."""
    if isinstance(value, (list, tuple)) and value:
        return "x".join(map(str, value)) if all(isinstance(item, int) for item in value) else ", ".join(map(str, value))
    return str(value) if value or value == 0 else "none"
