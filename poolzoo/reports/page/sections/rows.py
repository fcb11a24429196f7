"""The rows as they were measured."""

from __future__ import annotations

from dataclasses import dataclass

from poolzoo.reports.page.evidence import ROWS_EMBEDDED, is_embedded
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import PageRun, Study

PLACE = 120
#: A page stays readable and a browser responsive; the JSON holds the rest.
ROWS_SHOWN = 2000


@dataclass(frozen=True)
class RowsPart:
    """A result: its columns, the rows that are shown, the number of its rows, and the number of all rows of a dataset
    run.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    count: int
    count_of_all: int | None


def render(study: Study) -> Section:
    """Return a table for each result."""
    samples = any(placed.is_sample for placed in study.runs)
    return Section(
        (Heading("rows", "Rows"),),
        {
            "views": [_part_of(placed) for placed in study.runs],
            "embedded": is_embedded(study.results),
            "rows_embedded": ROWS_EMBEDDED,
            "samples": samples,
        },
        folded=True,
    )


def _part_of(placed: PageRun) -> RowsPart:
    result = placed.run.result
    count = len(result.rows)
    return RowsPart(
        placed.title,
        result.columns,
        [[_raw(row.get(key)) for key in result.columns] for row in result.rows[:ROWS_SHOWN]],
        count,
        placed.run.dataset.rows if placed.run.dataset and placed.is_sample else None,
    )


def _raw(value: object) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
