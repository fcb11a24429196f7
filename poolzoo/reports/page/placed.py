"""Tables and plots in the form that the templates use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from poolzoo.analysis.results.schema import state_title
from poolzoo.reports.plots.all_plots import Drawing
from poolzoo.reports.text.columns import Cell, Table

#: The longest part of a name that never breaks.
LONGEST_PART = 24


@dataclass(frozen=True)
class PageLine:
    """A line of a table: operator, family and state for the page's tools, and cells with their values for scripts.

    ``fold`` is the key of the fold of the table that it is hidden in, or "".
    """

    name: str
    family: str
    state: str
    role: str
    cells: tuple[tuple[Cell, str | None], ...]
    fold: str = ""

    @property
    def is_long(self) -> bool:
        """Whether a part of the name is so long that it may break anywhere."""
        return max(map(len, re.split("[_:, ]", self.name))) > LONGEST_PART


@dataclass(frozen=True)
class PageTable:
    """A table of the page; ``id`` is its anchor, ``title`` its heading if there are several.

    ``folds`` are the lines under which a script hides rows, by the rows' ``fold``. ``axes`` are the columns that the
    interactive plot shows first, across and up; None for a table that it does not show, and an axis None for the order
    of the rows.
    """

    id: str
    title: str
    table: Table
    lines: tuple[PageLine, ...]
    folds: tuple[tuple[str, str], ...] = ()
    axes: tuple[int | None, int] | None = None


@dataclass(frozen=True)
class PagePlot:
    """A plot of the page."""

    svg: Markup
    alt: str
    caption: str


def page_table(table: Table, families: Mapping[str, str], anchor: str, title: str = "") -> PageTable:
    """Return a table for the page.

    Args:
        table: the data.
        families: of its operators, by label.
        anchor: its id.
        title: its heading if there are several.
    """
    lines = tuple(
        PageLine(
            line.label,
            families.get(line.label, ""),
            state_title(line.state) if line.state else "",
            line.role,
            tuple((cell, None if cell.value is None else _number(cell.value)) for cell in line.cells),
        )
        for line in table.lines
    )
    return PageTable(anchor, title, table, lines)


def page_tables(tables: Iterable[Table], families: Mapping[str, str], anchor: str) -> tuple[PageTable, ...]:
    """Return tables for the page, with ``anchor`` and a number as ids."""
    return tuple(page_table(table, families, f"{anchor}-{place}") for place, table in enumerate(tables, start=1))


def page_plots(drawings: Sequence[Drawing], anchor: str) -> list[PagePlot]:
    """Return plots for the page, with ids that begin with ``anchor``."""
    return [
        PagePlot(Markup(drawing.svg(f"{anchor}-{drawing.name}-")), drawing.alt, drawing.caption) for drawing in drawings
    ]


def _number(value: float) -> str:
    """Return a number as JavaScript reads it, without the last digits, which differ between machines."""
    return f"{value:.12g}" if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
