"""An aggregated table, without formatting, and its columns.

The terminal's table, Markdown and the tables of the HTML page are drawn from the same :class:`Table`, so they cannot
disagree. Names of files and operators are data: they are shown and never interpreted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from poolzoo.analysis.results.schema import state_title
from poolzoo.reports.text.numbers import significant, unit_of
from poolzoo.reports.text.words import visible

#: Marks of operators that keep a different fraction of the values than a plain pool, and of untrained ones.
UNEQUAL, UNFITTED = "†", "‡"
NOTES = {
    UNEQUAL: "keeps a different fraction of the values than a plain pool: not an equal comparison, never marked best",
    UNFITTED: "untrained: learnable operator with its initial parameters",
}
MISSING = "–"


@dataclass(frozen=True)
class Column:
    """A heading, and when the column is dropped in a narrow terminal (0: never, then the highest first)."""

    heading: str
    number: bool = True
    drop: int = 0
    drop_plus: int = 0  # the same for the column's uncertainties alone
    relative: bool = False  # differences or ratios to the baseline
    of: str = ""  # the heading of the column that this one says more of, where its own heading does not name that
    better: str = ""  # high or low, where one of them is
    unit: str = ""  # of differences, where the heading does not name it
    scaled: bool = False  # times, sizes and rates: a ratio of two values says something
    aside: bool = False  # a page hides it until it is asked for


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, its uncertainty, and whether it is the best or the worst of its column.

    ``value`` is the number in the text, in the column's unit; None for words and missing numbers.
    """

    text: str
    plus: str = ""
    best: bool = False
    worst: bool = False
    value: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Line:
    """One operator's cells.

    Attributes:
        cells: one for each column.
        role: baseline, unequal, failed or nothing.
        label: the operator.
        state: where the table has a column of states.
    """

    cells: tuple[Cell, ...]
    role: str = ""
    label: str = ""
    state: str = ""


@dataclass(frozen=True)
class Table:
    """An aggregated table, without formatting."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    @property
    def marked(self) -> bool:
        """Return whether any cell is the best of its column."""
        return any(cell.best for line in self.lines for cell in line.cells)


def make_table(
    title: str,
    caption: str,
    lines: Sequence[Line],
    columns: Sequence[tuple[Column, list[Cell]]],
    notes: Sequence[str],
) -> Table:
    """A table whose first columns name the operators and, where any has something to learn or to draw, their states.

    Args:
        title, caption: above it.
        lines: what each line is of, without cells.
        columns: the rest of the columns.
        notes: below it.
    """
    if all(line.state in ("fixed", "") for line in lines):
        lines = [replace(line, state="") for line in lines]
    names = [f"{line.label} {UNEQUAL}" if line.role == "unequal" else line.label for line in lines]
    columns = [word_column("operator", names), *_state_columns([line.state for line in lines]), *columns]
    cells = zip(*(cells for _, cells in columns), strict=True)
    drawn = tuple(replace(line, cells=own) for line, own in zip(lines, cells, strict=True))
    return Table(title, caption, tuple(column for column, _ in columns), drawn, tuple(notes))


def word_column(
    heading: str, values: Sequence[object], drop: int = 0, *, aside: bool = False
) -> tuple[Column, list[Cell]]:
    return Column(heading, False, drop, aside=aside), [Cell(visible(value or "")) for value in values]


def _state_columns(states: Sequence[str]) -> list[tuple[Column, list[Cell]]]:
    if not any(states):
        return []
    return [word_column("state", [state_title(state) + f" {UNFITTED}" * (state == "initial") for state in states])]


def number_column(
    column: Column,
    values: Sequence[float | None],
    show: Callable[[float], str],
    better: str | Callable[[float], float] | None = None,
    fair: Sequence[bool] | None = None,
    plus: Sequence[str] | None = None,
) -> tuple[Column, list[Cell]]:
    """Return a column of numbers with the best marked; numbers that read the same as the best are marked too.

    Args:
        column: its heading.
        values: one per line, None if missing.
        show: a number as text.
        better: ``high`` or ``low``, the direction of better values; None for a column without a best.
        fair: which lines may be the best; None means all.
        plus: the uncertainty of each value.
    """
    texts = [MISSING if value is None else show(value) for value in values]
    best, worst, direction = None, None, ""
    if better:
        usable = [v is not None and not math.isnan(v) for v in values]
        fair = [a and b for a, b in zip(usable, fair or usable, strict=True)]
        merit = _BETTER[better] if isinstance(better, str) else better
        running = [(merit(v), text) for v, text, ok in zip(values, texts, fair, strict=True) if ok and v is not None]
        if len(running) > 1:
            best, worst = max(running)[1], min(running)[1]
        direction = "high" if merit(1.0) > merit(0.0) else "low"
    else:
        fair = [False] * len(texts)
    return replace(column, better=direction), [
        Cell(text, extra, ok and text == best, ok and text == worst != best, value)
        for text, extra, ok, value in zip(texts, plus or [""] * len(texts), fair, values, strict=True)
    ]


_BETTER: dict[str, Callable[[float], float]] = {"high": lambda value: value, "low": lambda value: -value}


def scaled_column(
    column: Column,
    values: Sequence[float | None],
    units: Sequence[tuple[float, str]],
    plus: Sequence[float | None] | None = None,
    fair: Sequence[bool] | None = None,
) -> tuple[Column, list[Cell]]:
    """Return a column of times or sizes, less is better, in one unit, which the heading names."""
    known = [value for value in values if value is not None]
    size, unit = unit_of(known, units)
    show = significant([value / size for value in known])
    extra = None if plus is None else ["" if value is None else f"±{show(value / size)}" for value in plus]
    scaled = [None if value is None else value / size for value in values]
    column = replace(column, heading=f"{column.heading} {unit}", scaled=True)
    return number_column(column, scaled, show, "low", fair, extra)
