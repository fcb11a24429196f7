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

import contextlib
import itertools
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import poolzoo
from poolzoo.analysis.results.schema import (
    COMPARE_KEYS,
    METRIC_KEYS,
    SCHEMA_VERSION,
    TIME_KEYS,
    Result,
    check_metadata,
    check_values,
    label,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from poolzoo.analysis.results.summaries import Group, GroupKey
    from poolzoo.analysis.scoring.fitted_parameters import Fitted

#: SQLite's mark in the header of a file that says whose it is: "PLZO".
APPLICATION = 0x504C5A4F
#: What each image has of its own; the other keys of a row are its series', but for times, which are the operator's.
MEASURED = ("kept", "equal_kept", *METRIC_KEYS, "error")
#: What rows say of time where nothing was measured.
_UNTIMED = dict.fromkeys(TIME_KEYS)
#: The states of an operator's rows, in the order of :func:`poolzoo.analysis.scoring.runs.make_runs`.
STATES = ("fixed", "initial", "train", "eval", "fitted")
#: What a store knows of its run, and what that is.
META = {"poolzoo": str, "folder": str, "protocol": dict, "fitted": list, "metadata": dict}
#: Seconds of work that a killed run loses at most.
COMMIT_EVERY = 1.0
#: What is read into memory of a store: so many images, evenly spread by name, and so many rows that failed.
IMAGES_SAMPLED, FAILURES_SHOWN = 6, 1000

LAYOUT = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE operators (id INTEGER PRIMARY KEY, spec TEXT NOT NULL UNIQUE);
CREATE TABLE images (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, bytes INTEGER, changed_ns INTEGER, width INTEGER, height INTEGER
);
CREATE TABLE series (id INTEGER PRIMARY KEY, operator INTEGER REFERENCES operators, keys TEXT NOT NULL UNIQUE);
CREATE TABLE scores (
    series INTEGER NOT NULL REFERENCES series, image INTEGER NOT NULL REFERENCES images,
    {", ".join(MEASURED)}, PRIMARY KEY (series, image)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA_VERSION};
"""


class StoreError(ValueError):
    """A store that cannot be used: one line with the file, what is wrong and what to do."""


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
    fits: Sequence[Fitted] = ()

    @property
    def fitted(self) -> list[str]:
        """Each fit's operator and a digest of the parameters."""
        return [f"{fitted.spec} {fitted.digest[:12]}" for fitted in self.fits]


class Store:
    """An open store, which nobody else can open.

    Use as a context: what was put is committed at its end, also after an exception. Where an exception comes before the
    first image of a new store, no file stays behind.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self._connection = path, connection
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
        with _in_one_line(path):
            is_new = not path.exists()
            connection = _connect(path, "rwc")
            try:
                # All tables and what the store is for come in one transaction: there is no half a store.
                connection.execute("BEGIN")
                if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in filter(str.strip, LAYOUT.split(";")):
                        connection.execute(statement)
                _check_kind(path, connection)
                store = cls(path, connection)
                if connection.execute("SELECT 1 FROM images").fetchone():
                    _check_content(path, connection)
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

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open ``path`` to read it; of another poolzoo version too, if its schema is this one's.

        Raises:
            StoreError: no such file, not a store, one of another schema, damaged, or a run is writing to it.
        """
        with _in_one_line(path):
            connection = _connect(path, "rw" if os.access(path, os.W_OK) else "ro")
            try:
                _check_kind(path, connection)
                _check_content(path, connection)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            # After an error of SQLite's own there is no transaction left to commit: it was rolled back.
            if self._connection.in_transaction:
                with _in_one_line(self.path):
                    self._connection.execute("COMMIT")
            if error is not None and self._is_new and not self._connection.execute("SELECT 1 FROM images").fetchone():
                os.unlink(os.path.realpath(self.path))
        finally:
            self._connection.close()

    # Writing

    def missing(self, file: ImageFile, *, retry: bool = False) -> list[str]:
        """The operators that ``file`` is still to be scored with.

        Args:
            file: one that changed since it was scored is as good as new.
            retry: whether what failed is to be scored again; otherwise a failure is a result.
        """
        known = next(
            self._query(
                "SELECT id, bytes, changed_ns FROM images WHERE name = CAST(? AS TEXT)", (os.fsencode(file.name),)
            ),
            None,
        )
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

    def forget_gone(self, folder: str) -> None:
        """Drop the failures of files that are no longer in ``folder``: they were taken away for that.

        Raises:
            StoreError: there are scores of such files, which it would be a pity to drop.
        """
        with _in_one_line(self.path):
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

    def note_decoder(self, decoder: Mapping[str, Any]) -> None:
        """Keep on what optimal decoders were fitted, for :attr:`metadata`.

        Raises:
            StoreError: on other images than those that earlier rows were decoded with.
        """
        with _in_one_line(self.path):
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
        with _in_one_line(self.path):
            self._set("passed_over", counts)

    def put(
        self, file: ImageFile, size: tuple[int, int] | None, specs: Sequence[str], rows: list[dict[str, Any]]
    ) -> None:
        """Take the rows of ``file`` with all of ``specs``, in place of any it had; committed within about a second.

        Args:
            file: the image.
            size: its width and height as scored, None where it could not be read.
            specs: the operators that were run.
            rows: of these operators, or one row without an operator.
        """
        with _in_one_line(self.path):
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

    def _put(
        self, file: ImageFile, size: tuple[int, int] | None, specs: Sequence[str], rows: list[dict[str, Any]]
    ) -> None:
        execute = self._connection.execute
        name = (os.fsencode(file.name),)
        known = execute("SELECT id, bytes, changed_ns FROM images WHERE name = CAST(? AS TEXT)", name).fetchone()
        if known is None:
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
        marks = ", ".join("?" * len(MEASURED))
        self._connection.executemany(
            f"INSERT INTO scores (series, image, {', '.join(MEASURED)}) VALUES (?, ?, {marks})",
            [(self._series_of(row), image, *map(row.get, MEASURED)) for row in rows],
        )

    def _series_of(self, row: dict[str, Any]) -> int:
        keys = json.dumps({key: row[key] for key in row if key not in ("image", *MEASURED, *TIME_KEYS)})
        if keys not in self._series:
            operator = self._operators[label(row)] if row["pool"] else None
            cursor = self._connection.execute("INSERT INTO series (operator, keys) VALUES (?, ?)", (operator, keys))
            assert cursor.lastrowid is not None
            self._series[keys] = cursor.lastrowid
        return self._series[keys]

    def note_times(
        self, machine: Mapping[str, str], times: Mapping[tuple[str, str, str], Mapping[str, float | str | None]]
    ) -> None:
        """Keep how long operators take, in place of what was known, for all rows with scores.

        Args:
            machine: on which they were measured.
            times: what rows say of time, by registry name, parameters and state.
        """
        with _in_one_line(self.path):
            self._set("times", {"machine": machine, "operators": [[*key, dict(row)] for key, row in times.items()]})

    @property
    def timed_on(self) -> dict[str, str] | None:
        """The machine that times were measured on; None where none were."""
        held = self._get("times")
        return held["machine"] if held else None

    def median_size(self) -> tuple[int, int] | None:
        """Width and height of the image in the middle, by area, of those with scores; None where there is none."""
        found: tuple[int, int] | None = self._connection.execute(
            "SELECT width, height FROM images WHERE width IS NOT NULL ORDER BY width * height, width, height LIMIT 1"
            " OFFSET (SELECT count(*) / 2 FROM images WHERE width IS NOT NULL)"
        ).fetchone()
        return found

    def _times(self) -> dict[tuple[str, ...], dict[str, Any]]:
        held = self._get("times") or {"operators": []}
        return {tuple(key): row for *key, row in held["operators"]}

    def _take_plan(self, plan: Plan) -> None:
        """Be for ``plan``, whatever a run that ended before its first image was for."""
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
                f" go on with poolzoo {held}, or give --store another file"
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

    def _get(self, key: str) -> Any:
        found = next(self._query("SELECT value FROM meta WHERE key = ?", (key,)), None)
        return json.loads(found[0]) if found else None

    def _set(self, key: str, value: Any) -> None:
        text = json.dumps(value)
        self._connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, text))

    # Reading

    def _query(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        with _in_one_line(self.path):
            yield from self._connection.execute(sql, values)

    @property
    def folder(self) -> Path:
        """Where the dataset lay when the store was made."""
        return Path(self._get("folder"))

    @property
    def protocol(self) -> dict[str, Any]:
        """The fields of the :class:`poolzoo.analysis.scoring.protocol.Protocol` that the store was made with."""
        fields = self._get("protocol")
        return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}

    @property
    def specs(self) -> list[str]:
        """The operators, in the order in which they were asked for."""
        return [spec for (spec,) in self._query("SELECT spec FROM operators ORDER BY id")]

    @property
    def metadata(self) -> dict[str, Any]:
        """As of a comparison; ``images`` is empty and ``dataset`` counts instead."""

        def count(sql: str) -> int:
            (number,) = next(self._query(sql))
            return int(number)

        unreadable = "SELECT id FROM series WHERE operator IS NULL"
        dataset = {
            "folder": self._get("folder"),
            "images": count("SELECT count(*) FROM images"),
            "unreadable": count(f"SELECT count(*) FROM scores WHERE series IN ({unreadable})"),
            "rows": count("SELECT count(*) FROM scores"),
            "failed": count("SELECT count(*) FROM scores WHERE error IS NOT NULL"),
        }
        noted = {key: value for key in ("decoder", "passed_over") if (value := self._get(key))}
        return {**self._get("metadata"), **noted, "dataset": dataset}

    def rows(self, where: str = "1", values: Sequence[Any] = ()) -> Iterator[dict[str, Any]]:
        """The rows as a comparison's, by image name, then in the order of operators, states and seeds.

        Args:
            where: a condition in SQL on the tables images, scores and series.
            values: what stands for its question marks.
        """
        metrics, times = self._get("metadata")["metrics"], self._times()
        measured = [key for key in MEASURED if key not in METRIC_KEYS or key in metrics]
        series = self._series_in_order()
        columns = ", ".join(f"scores.{key}" for key in measured)
        cursor = self._query(
            # CROSS JOIN keeps SQLite to this order: image by image, through the few series, without sorting all rows.
            f"SELECT images.name, series.id, {columns} FROM images CROSS JOIN series CROSS JOIN scores"
            f" ON scores.series = series.id AND scores.image = images.id WHERE {where} ORDER BY images.name",
            tuple(values),
        )
        places = {number: place for place, number in enumerate(series)}
        for _, scored in itertools.groupby(cursor, key=lambda found: found[0]):
            for name, number, *numbers in sorted(scored, key=lambda found: places[found[1]]):
                row = {"image": name, **series[number], **dict(zip(measured, numbers, strict=True))}
                operator = (row["pool"], row["params"], row["state"])
                row |= times.get(operator, _UNTIMED) if row["error"] is None else _UNTIMED
                if row["equal_kept"] is not None:
                    row["equal_kept"] = bool(row["equal_kept"])
                yield {key: row[key] for key in COMPARE_KEYS if key in row}

    def _series_in_order(self) -> dict[int, dict[str, Any]]:
        """What the rows of each series share, by its number: as a comparison orders them, whichever came in first."""
        upsamplers = list(self._get("protocol")["upsample"])
        read = self._query("SELECT id, operator, keys FROM series ORDER BY keys")
        found = [(operator or 0, json.loads(text), number) for number, operator, text in read]

        def place(item: tuple[int, dict[str, Any], int]) -> tuple[int, ...]:
            operator, keys, _ = item
            state = STATES.index(keys["state"]) if keys["state"] in STATES else len(STATES)
            grown = upsamplers.index(keys["upsample"]) if keys["upsample"] in upsamplers else len(upsamplers)
            return operator, state, keys["seed"] or 0, grown

        return {number: keys for _, keys, number in sorted(found, key=place)}

    def sample(self) -> Result:
        """A result whose rows are those of a few images and of what failed, and whose summaries are of all images."""
        from poolzoo.analysis.results.summaries import summarise_groups

        metadata = self.metadata
        chosen = self._sampled()
        marks = ", ".join("?" * len(chosen))
        rows = list(self.rows(f"scores.error IS NULL AND images.id IN ({marks})", chosen))
        shown = min(metadata["dataset"]["failed"], FAILURES_SHOWN)  # of none, all rows are not looked through
        failed = itertools.islice(self.rows("scores.error IS NOT NULL"), shown)
        sizes = self._query(f"SELECT name, width, height FROM images WHERE id IN ({marks}) ORDER BY name", chosen)
        metadata["images"] = [dict(zip(("name", "width", "height"), size, strict=True)) for size in sizes]
        groups = self.groups()
        names = tuple(name for (name,) in self._query("SELECT name FROM images ORDER BY name"))
        summaries = tuple(summarise_groups(groups, metadata, names))
        return Result("compare", metadata, [*rows, *failed], summaries, groups, names)

    def _sampled(self) -> list[int]:
        """Images with scores, evenly spread by name."""
        good = [
            image
            for (image,) in self._query(
                "SELECT id FROM images WHERE EXISTS (SELECT 1 FROM series CROSS JOIN scores ON series = series.id"
                " AND image = images.id WHERE error IS NULL) ORDER BY name"
            )
        ]
        shown = min(len(good), IMAGES_SAMPLED)
        return [good[place * len(good) // shown] for place in range(shown)]

    def groups(self) -> dict[GroupKey, Group]:
        """What a summary is made of: arrays of a number an image, read column by column."""
        import numpy as np

        from poolzoo.analysis.results.summaries import Group, group_key
        from poolzoo.analysis.results.times import time_of
        from poolzoo.analysis.results.values import average_draws

        query = self._query
        # Images count in the order of their names, so that the order in which they came in changes nothing.
        (most,) = next(query("SELECT coalesce(max(id), 0) FROM images"))
        place = np.zeros(most + 1, dtype=np.int64)
        ids = np.fromiter((number for (number,) in query("SELECT id FROM images ORDER BY name")), dtype=np.int64)
        place[ids] = np.arange(len(ids))
        times, device = self._times(), self._get("metadata").get("device")
        members: dict[GroupKey, list[tuple[int, dict[str, Any]]]] = {}
        for number, keys in self._series_in_order().items():
            if keys["pool"]:
                members.setdefault(group_key(keys), []).append((number, keys))
        groups = {}
        for key, series in members.items():
            numbers = [number for number, _ in series]
            read = {
                column: self._column(numbers, column, place) for column in ("kept", *self._get("metadata")["metrics"])
            }
            marks = ", ".join("?" * len(numbers))
            good, bad, equal, images = next(
                query(
                    "SELECT sum(error IS NULL), sum(error IS NOT NULL), min(equal_kept),"
                    f" count(DISTINCT CASE WHEN error IS NULL THEN image END) FROM scores WHERE series IN ({marks})",
                    numbers,
                )
            )
            kept = read.pop("kept")[1]
            kept = kept[~np.isnan(kept)]
            groups[key] = Group(
                values={
                    metric: average_draws(*column, metric, seeded=key.state == "train")
                    for metric, column in read.items()
                },
                images=images,
                seeds=len({keys["seed"] for _, keys in series if keys["seed"] is not None}) if good else 0,
                kept=float(kept.mean()) if len(kept) else None,
                equal_kept=equal != 0,
                errors=bad or 0,
                time=time_of([times.get(key[1:], _UNTIMED)] if good else [], device),
            )
        return groups

    def _column(
        self, series: Sequence[int], column: str, place: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """One column of several series: the images' places, ascending, and the numbers, NaN where one is null."""
        import numpy as np

        parts = [
            np.fromiter(
                self._query(f"SELECT image, {column} FROM scores WHERE series = ? AND error IS NULL", (number,)),
                dtype=[("image", np.int64), ("value", np.float64)],
            )
            for number in series
        ]
        read = np.concatenate(parts)
        places = place[read["image"]]
        order = np.argsort(places, kind="stable")
        return places[order], read["value"][order]


def is_store(path: Path) -> bool:
    """Whether ``path`` is a file of SQLite's, and so nothing else that holds a result."""
    try:
        # Of a pipe what was read would be gone.
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # The name goes into a URI for its mode alone: without one, sqlite3 would create what is to be read.
    uri = f"file:{_quoted(path)}?mode={mode}"
    # Of several that open it at the same moment one gets it: it waits for the others to look and leave.
    connection = sqlite3.connect(uri, uri=True, timeout=0.5, isolation_level=None)
    # Names of undecodable bytes are stored as these bytes.
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -16000")  # KiB
    if mode == "rwc":
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    return connection


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(os.path.abspath(os.fsencode(path)))


def _check_kind(path: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise StoreError(f"{path}: not a store of poolzoo's: an SQLite file of something else")
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{path}: a store of schema version {version}; this poolzoo reads version {SCHEMA_VERSION}: use the poolzoo"
            " that made it, or give --store another file"
        )


def _check_content(path: Path, connection: sqlite3.Connection) -> None:
    """Whether all is there, of the kind that reading expects: what else is wrong inside a page, SQLite finds itself."""
    damaged = f"{path}: damaged"
    fresh = sqlite3.connect(":memory:")
    fresh.executescript(LAYOUT)
    columns = "SELECT name FROM pragma_table_info(?)"
    for table in fresh.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        held = connection.execute(columns, table).fetchall()
        if lacking := [name for (name,) in fresh.execute(columns, table) if (name,) not in held]:
            raise StoreError(f"{damaged}: its table {table[0]} lacks {', '.join(lacking)}; start another store")
    fresh.close()
    numbers = [f"typeof({key}) IN ('text', 'blob')" for key in MEASURED if key != "error"]
    for table, wrong in (
        (
            "images",
            "id > 2147483647 OR typeof(name) != 'text' OR width < 1 OR height < 1 OR typeof(width) != typeof(height)",
        ),
        ("images", "typeof(coalesce(width, 1)) != 'integer' OR typeof(coalesce(height, 1)) != 'integer'"),
        ("operators", "typeof(spec) != 'text'"),
        ("scores", " OR ".join([*numbers, "typeof(coalesce(error, '')) != 'text'"])),
    ):
        if connection.execute(f"SELECT 1 FROM {table} WHERE {wrong} LIMIT 1").fetchone():
            raise StoreError(f"{damaged}: its table {table} holds what no run writes; start another store")
    if orphan := connection.execute("PRAGMA foreign_key_check").fetchone():
        raise StoreError(
            f"{damaged}: its table {orphan[0]} belongs to rows of {orphan[2]} that are gone; start another store"
        )
    meta = {key: _parsed(text, damaged) for key, text in connection.execute("SELECT key, value FROM meta")}
    for key, kind in META.items():
        if not isinstance(meta.get(key), kind):
            raise StoreError(f"{damaged}: its table meta lacks {key}; start another store")
    if not isinstance(meta["protocol"].get("upsample"), list):
        raise StoreError(f"{damaged}: its protocol lacks upsample; start another store")
    shared = [key for key in COMPARE_KEYS if key not in ("image", *MEASURED, *TIME_KEYS)]
    try:
        _check_times(meta.get("times"), damaged)
        check_metadata("compare", meta["metadata"], damaged)
        for number, text in connection.execute("SELECT id, keys FROM series"):
            keys = _parsed(text, damaged)
            if not isinstance(keys, dict) or set(keys) != set(shared):
                raise StoreError(f"{damaged}: its series {number} has other keys than a row; start another store")
            check_values(keys, shared, f"{damaged}: its series {number}")
    except ValueError as error:
        raise StoreError(str(error)) from error


def _check_times(times: Any, damaged: str) -> None:
    """Say what :meth:`Store.note_times` cannot have left; None where nothing was timed."""
    if times is None:
        return
    operators = times.get("operators") if isinstance(times, dict) else None
    if not (isinstance(operators, list) and isinstance(times.get("machine"), dict)):
        raise StoreError(f"{damaged}: its times are {times!r:.60}; start another store")
    for found in operators:
        row = found[-1] if isinstance(found, list) and len(found) == 4 else None
        if not (isinstance(row, dict) and set(row) == set(TIME_KEYS) and all(isinstance(k, str) for k in found[:-1])):
            raise StoreError(f"{damaged}: a time is {found!r:.60}; start another store")
        check_values(row, TIME_KEYS, f"{damaged}: a time")


def _parsed(text: Any, damaged: str) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{damaged}: {text!r:.60} is not JSON; start another store") from error


@contextlib.contextmanager
def _in_one_line(path: Path) -> Iterator[None]:
    """What SQLite says is wrong, with the file's name and what to do."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # What SQLite quotes of a damaged file need not be text.
        said = error.object.decode(errors="backslashreplace") if isinstance(error, UnicodeDecodeError) else str(error)
        words = " ".join(said.split())
        for part, advice in ADVICE.items():
            if part in words:
                words = f"{words}: {advice}"
                break
        raise StoreError(f"{path}: {words}") from error


#: What SQLite says, and what to do about it.
ADVICE = {
    "locked": "another run or report has this store open; wait for it or stop it",
    "full": "make room and run the same command again, all earlier rows are kept",
    "disk I/O": "no room or a failing disk; all earlier rows are kept, the same command goes on from them",
    "not a database": "give --store a store or a new file name",
    "unable to open": "no such file, or its folder cannot be written",
    "readonly": "the file or its folder cannot be written, as it must be once after a run was killed",
    "malformed": "the file is damaged; start another store",
}


def _shown(value: Any) -> str:
    """A value of the plan as it stands in a message, and the same for a tuple and for the list JSON makes of it."""
    if isinstance(value, (list, tuple)) and value:
        return "x".join(map(str, value)) if all(isinstance(item, int) for item in value) else ", ".join(map(str, value))
    return str(value) if value or value == 0 else "none"
