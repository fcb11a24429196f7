"""The SQLite file of a store: its tables, how it is opened, and the checks that find a damaged one."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import poolzoo
from poolzoo._files import KNOWN
from poolzoo.analysis.results.earlier import READ_VERSIONS, complete_row, listed_versions
from poolzoo.analysis.results.schema import (
    CLOSING_KEYS,
    LEADING_KEYS,
    SCHEMA_VERSION,
    TIME_KEYS,
    check_metadata,
    check_values,
)

#: SQLite's mark in the header of a file that says whose it is: "PLZO" of dataset runs, "PLZT" of trainings.
APPLICATION, TRAINING = 0x504C5A4F, 0x504C5A54
#: The commands that write stores, by the mark.
_WRITERS = {APPLICATION: "compare --dataset", TRAINING: "train"}
#: The row keys of each image, in addition to its metrics; times belong to the operator, all else to the series.
MEASURED = ("kept", "equal_kept", "error")
#: The row keys that all rows of a series share.
SHARED = tuple(key for key in (*LEADING_KEYS, *CLOSING_KEYS) if key not in ("image", *MEASURED, *TIME_KEYS))
#: The entries about the run in a store, and their types.
META = {"poolzoo": str, "folder": str, "protocol": dict, "fitted": list, "metadata": dict}

#: The tables but for the scores', whose columns are the metrics of the run.
LAYOUT = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE operators (id INTEGER PRIMARY KEY, spec TEXT NOT NULL UNIQUE);
CREATE TABLE images (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, bytes INTEGER, changed_ns INTEGER, width INTEGER, height INTEGER
);
CREATE TABLE series (id INTEGER PRIMARY KEY, operator INTEGER REFERENCES operators, keys TEXT NOT NULL UNIQUE);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA_VERSION};
"""


def scores_table(metrics: Sequence[str]) -> str:
    """Return the SQL statement that makes the table of scores."""
    return f"""CREATE TABLE scores (
    series INTEGER NOT NULL REFERENCES series, image INTEGER NOT NULL REFERENCES images,
    {", ".join(map(column_of, (*MEASURED, *metrics)))}, PRIMARY KEY (series, image)
) WITHOUT ROWID"""


def column_of(key: str) -> str:
    """Return a column's name in quotes, because a metric may have the name of an SQL keyword."""
    return f"[{key}]"


class StoreError(ValueError):
    """A store that cannot be used: one line with the file, what is wrong and what to do."""


def is_store(path: Path) -> bool:
    """Return whether ``path`` is an SQLite file; no other file of a result is one."""
    try:
        # Of a pipe what was read would be gone.
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def connect(path: Path, mode: str) -> sqlite3.Connection:
    if mode == "rwc" and path.suffix.lower() in KNOWN and not path.exists():
        raise StoreError(f"{path}: a store is an SQLite file; give --store a name that ends in .sqlite")
    # The name goes into a URI for its mode alone: without one, sqlite3 would create what is to be read.
    uri = f"file:{_quoted(path)}?mode={mode}"
    # Of several that open it at the same moment one gets it: it waits for the others to look and leave.
    connection = sqlite3.connect(uri, uri=True, timeout=0.5, isolation_level=None)
    # Names of undecodable bytes are stored as these bytes.
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -16000")  # KiB
        if mode == "rwc":
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
    except BaseException:
        connection.close()  # it may hold a part of the lock
        raise
    return connection


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(os.path.abspath(os.fsencode(path)))


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of a store."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def application_of(path: Path) -> int | None:
    """Return the mark in the header of an SQLite file; None if it cannot be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(72)
    except OSError:
        return None
    return int.from_bytes(head[68:72], "big") if len(head) == 72 else None


def check_kind(
    path: Path,
    connection: sqlite3.Connection,
    versions: Sequence[int] = READ_VERSIONS,
    application: int = APPLICATION,
) -> None:
    """Raise StoreError for another kind of file, or a store of a schema version that is not among ``versions``."""
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    version = version_of(connection)
    if found in _WRITERS and found != application:
        raise StoreError(
            f"{path}: a store of poolzoo {_WRITERS[found]}, not of poolzoo {_WRITERS[application]}: give --store"
            " another file"
        )
    if found != application:
        raise StoreError(f"{path}: not a store of poolzoo, but another SQLite file")
    if version not in versions:
        continues = version in READ_VERSIONS
        what = f"continues version {SCHEMA_VERSION} only" if continues else f"reads {listed_versions()}"
        raise StoreError(
            f"{path}: a store of schema version {version}; this poolzoo {what}: use the poolzoo that made it, or give"
            " --store another file"
        )


def check_content(path: Path, connection: sqlite3.Connection) -> None:
    """Check that all tables and entries exist and have the expected types; SQLite itself finds damage inside a page."""
    damaged, version = f"{path}: damaged", version_of(connection)
    check_columns(connection, LAYOUT, damaged)
    meta = {key: _parsed(text, damaged) for key, text in connection.execute("SELECT key, value FROM meta")}
    for key, kind in META.items():
        if not isinstance(meta.get(key), kind):
            raise StoreError(f"{damaged}: its table meta lacks {key}; start another store")
    try:
        check_metadata("compare", meta["metadata"], str(path))
    except ValueError as error:
        raise StoreError(str(error)) from error
    metrics = meta["metadata"]["metrics"]
    check_columns(connection, scores_table(metrics), damaged)
    numbers = [f"typeof({column_of(key)}) IN ('text', 'blob')" for key in (*MEASURED, *metrics) if key != "error"]
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
            raise StoreError(f"{damaged}: its table {table} contains values that no run writes; start another store")
    if orphan := connection.execute("PRAGMA foreign_key_check").fetchone():
        raise StoreError(
            f"{damaged}: its table {orphan[0]} refers to rows of {orphan[2]} that are missing; start another store"
        )
    if not isinstance(meta["protocol"].get("upsample"), list):
        raise StoreError(f"{damaged}: its protocol lacks upsample; start another store")
    try:
        _check_times(meta.get("times"), damaged)
        for number, text in connection.execute("SELECT id, keys FROM series"):
            keys = _parsed(text, damaged)
            if isinstance(keys, dict):
                complete_row(keys, version)
            if not isinstance(keys, dict) or set(keys) != set(SHARED):
                raise StoreError(f"{damaged}: its series {number} has other keys than a row; start another store")
            check_values(keys, SHARED, f"{damaged}: its series {number}")
    except ValueError as error:
        raise StoreError(str(error)) from error


def check_columns(connection: sqlite3.Connection, layout: str, damaged: str) -> None:
    """Raise an error if a table lacks a column of ``layout``."""
    fresh = sqlite3.connect(":memory:")
    fresh.executescript(layout)
    columns = "SELECT name FROM pragma_table_info(?)"
    for table in fresh.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        held = connection.execute(columns, table).fetchall()
        if lacking := [name for (name,) in fresh.execute(columns, table) if (name,) not in held]:
            raise StoreError(f"{damaged}: its table {table[0]} lacks {', '.join(lacking)}; start another store")
    fresh.close()


def _check_times(times: Any, damaged: str) -> None:
    """Check that the times are as :meth:`Store.note_times` writes them, or None if nothing was timed."""
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


Opened = TypeVar("Opened", bound="OpenStore")


class OpenStore:
    """An open store, locked for all other processes. Use as a context."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self._connection = path, connection

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def _get(self, key: str) -> Any:
        found = next(self._query("SELECT value FROM meta WHERE key = ?", (key,)), None)
        return json.loads(found[0]) if found else None

    def _set(self, key: str, value: Any) -> None:
        text = json.dumps(value)
        self._connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, text))

    def _check_same_run(self, differing: Sequence[str], held: Iterable[str], asked: Iterable[str]) -> None:
        """Raise an error of one line that names all differences between the store and the run that asks for it.

        Args:
            differing: the settings that differ, as "KEY was VALUE, not VALUE".
            held, asked: the operators of the store and of the run.
        """
        version = self._get("poolzoo")
        if version != poolzoo.__version__:
            raise StoreError(
                f"{self.path}: a store of poolzoo {version}, this is {poolzoo.__version__}, whose numbers may differ:"
                f" continue with poolzoo {version}, or give --store another file"
            )
        if lacking := sorted(set(held) - set(asked)):
            differing = [*differing, f"it also holds {', '.join(lacking)} (operators can be added, not left out)"]
        if differing:
            raise StoreError(f"{self.path}: made by another command: {'; '.join(differing)}. Give --store another file")

    def _query(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        with in_one_line(self.path):
            yield from self._connection.execute(sql, values)


@contextlib.contextmanager
def in_one_line(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into one line with the file's name, the error and what to do."""
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


#: Errors of SQLite, and what to do about them.
ADVICE = {
    "locked": "another run or report has this store open; wait for it or stop it",
    "full": "free some space and rerun the command; all earlier rows are kept",
    "disk I/O": "no space left or a failing disk; all earlier rows are kept: rerun the command to resume",
    "not a database": "give --store a store or a new file name",
    "unable to open": "no such file, or its folder is not writable",
    "readonly": "the file or its folder is not writable, which it must be to recover from a killed run",
    "malformed": "the file is damaged; start another store",
}
