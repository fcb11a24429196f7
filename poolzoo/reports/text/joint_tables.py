"""A training's table with the retention and the cost that other results measured of its operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from poolzoo.analysis.results.accuracy_joined import Joined
from poolzoo.analysis.results.schema import METRICS
from poolzoo.reports.text.columns import Cell, Column, Table, number_column, scaled_column
from poolzoo.reports.text.numbers import TIME_UNITS, formatter


def with_joined(table: Table, found: Sequence[Joined]) -> Table:
    """Return the table with a column for each figure, the first measurement of each, and a note that says where it is
    from.
    """
    lines, columns, notes = list(table.lines), list(table.columns), list(table.notes)
    taken: set[str] = set()
    for joined in found:
        if joined.key in taken:
            continue
        taken.add(joined.key)
        column, cells = _column_of(joined, [line.label for line in table.lines])
        columns.append(column)
        lines = [replace(line, cells=(*line.cells, cell)) for line, cell in zip(lines, cells, strict=True)]
        notes.append(f"{joined.title}: {joined.place}")
    return replace(table, columns=tuple(columns), lines=tuple(lines), notes=tuple(notes))


def _column_of(joined: Joined, labels: Sequence[str]) -> tuple[Column, list[Cell]]:
    known = {label: value for label, value, _ in joined.points}
    values = [known.get(label) for label in labels]
    if joined.key not in METRICS:
        return scaled_column(Column(joined.title), values, TIME_UNITS)
    metric = METRICS[joined.key]
    return number_column(
        Column(f"{metric.title} {metric.unit}".strip()), values, formatter(metric.format), metric.merit
    )
