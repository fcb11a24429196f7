"""Rows and summaries of a store, read back without holding all rows in memory."""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from poolzoo.analysis.results.earlier import complete_metadata, complete_protocol, complete_row
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import Row, SeriesKeys, Times
from poolzoo.analysis.results.schema import UNTIMED, compare_keys
from poolzoo.analysis.results.store_file import (
    MEASURED,
    OpenStore,
    check_content,
    check_kind,
    column_of,
    connect,
    in_one_line,
    version_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from poolzoo.analysis.results.summary_records import Group, GroupKey

#: The states of an operator's rows, in the order of :func:`poolzoo.analysis.scoring.runs.make_runs`.
STATES = ("fixed", "initial", "train", "eval", "fitted")
#: The size of a sample: the number of images, spread evenly by name, and of failed rows.
IMAGES_SAMPLED, FAILURES_SHOWN = 6, 1000


Opened = TypeVar("Opened", bound="StoreReader")


class StoreReader(OpenStore):
    """An open store of a dataset run."""

    @classmethod
    def open(cls: type[Opened], path: Path) -> Opened:
        """Open ``path`` to read it. Stores of other poolzoo versions can be read if the schema is the same.

        Raises:
            StoreError: no such file, not a store, one of another schema, damaged, or a run is writing to it.
        """
        with in_one_line(path):
            connection = connect(path, "rw" if os.access(path, os.W_OK) else "ro")
            try:
                check_kind(path, connection)
                check_content(path, connection)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    @functools.cached_property
    def _version(self) -> int:
        return version_of(self._connection)

    @functools.cached_property
    def _metrics(self) -> tuple[str, ...]:
        """The metrics, each of which has a column of its own."""
        return tuple(self._get("metadata")["metrics"])

    @property
    def folder(self) -> Path:
        """The folder of the dataset when the store was made."""
        return Path(self._get("folder"))

    @property
    def protocol(self) -> dict[str, Any]:
        """The fields of the :class:`poolzoo.analysis.scoring.protocol.Protocol` that the store was made with."""
        fields = complete_protocol(self._get("protocol"), self._version)
        return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}

    @property
    def specs(self) -> list[str]:
        """The operators, in the order in which they were asked for."""
        return [spec for (spec,) in self._query("SELECT spec FROM operators ORDER BY id")]

    @property
    def timed_on(self) -> dict[str, str] | None:
        """The machine of the times; None if nothing was timed."""
        held = self._get("times")
        return held["machine"] if held else None

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata of a comparison; ``images`` is empty, and ``dataset`` holds counts instead."""

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
        return {**complete_metadata(self._get("metadata"), self._version), **noted, "dataset": dataset}

    def rows(self, where: str = "1", values: Sequence[Any] = ()) -> Iterator[Row]:
        """Yield the rows as of a comparison: by image name, then in the order of operators, states and seeds.

        Args:
            where: a condition in SQL on the tables images, scores and series.
            values: the values of its question marks.
        """
        times, measured = self._times(), (*MEASURED, *self._metrics)
        series, keys = self._series_in_order(), compare_keys()
        columns = ", ".join(f"scores.{column_of(key)}" for key in measured)
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
                row |= times.get(operator, UNTIMED) if row["error"] is None else UNTIMED
                if row["equal_kept"] is not None:
                    row["equal_kept"] = bool(row["equal_kept"])
                yield cast(Row, {key: row[key] for key in keys if key in row})

    def _series_in_order(self) -> dict[int, SeriesKeys]:
        """Return the shared keys of each series by its number, in the order of a comparison's rows."""
        upsamplers = list(self._get("protocol")["upsample"])
        read = self._query("SELECT id, operator, keys FROM series ORDER BY keys")
        found = [(operator or 0, json.loads(text), number) for number, operator, text in read]
        for _, keys, _ in found:
            complete_row(keys, self._version)

        def place(item: tuple[int, SeriesKeys, int]) -> tuple[int, ...]:
            operator, keys, _ = item
            state = STATES.index(keys["state"]) if keys["state"] in STATES else len(STATES)
            grown = upsamplers.index(keys["upsample"]) if keys["upsample"] in upsamplers else len(upsamplers)
            return operator, state, keys["seed"] or 0, grown

        return {number: keys for _, keys, number in sorted(found, key=place)}

    def _times(self) -> dict[tuple[str, ...], Times]:
        held = self._get("times") or {"operators": []}
        return {tuple(key): row for *key, row in held["operators"]}

    def sample(self) -> Result:
        """Return a result with the rows of a few images and of all failures, and summaries of all images."""
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
        """Return images with scores, spread evenly by name."""
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
        """Return the data of a summary: arrays of one number per image, read column by column."""
        import numpy as np

        from poolzoo.analysis.results.summaries import group_key
        from poolzoo.analysis.results.summary_records import Group
        from poolzoo.analysis.results.times import time_of
        from poolzoo.analysis.results.values import average_draws

        query = self._query
        # Images count in the order of their names, so that the order in which they came in changes nothing.
        (most,) = next(query("SELECT coalesce(max(id), 0) FROM images"))
        place = np.zeros(most + 1, dtype=np.int64)
        ids = np.fromiter((number for (number,) in query("SELECT id FROM images ORDER BY name")), dtype=np.int64)
        place[ids] = np.arange(len(ids))
        times, device = self._times(), self._get("metadata").get("device")
        members: dict[GroupKey, list[tuple[int, SeriesKeys]]] = {}
        for number, keys in self._series_in_order().items():
            if keys["pool"]:
                members.setdefault(group_key(keys), []).append((number, keys))
        groups = {}
        for key, series in members.items():
            numbers = [number for number, _ in series]
            read = {column: self._column(numbers, column, place) for column in ("kept", *self._metrics)}
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
                time=time_of([times.get(key[1:], UNTIMED)] if good else [], device),
            )
        return groups

    def _column(
        self, series: Sequence[int], column: str, place: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return one column of several series: the images' places, ascending, and the numbers, NaN for null."""
        import numpy as np

        select = f"SELECT image, {column_of(column)} FROM scores WHERE series = ? AND error IS NULL"
        parts = [
            np.fromiter(
                self._query(select, (number,)),
                dtype=[("image", np.int64), ("value", np.float64)],
            )
            for number in series
        ]
        read = np.concatenate(parts)
        places = place[read["image"]]
        order = np.argsort(places, kind="stable")
        return places[order], read["value"][order]
