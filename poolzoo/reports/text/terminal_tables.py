"""A result's tables as a terminal shows them, without the columns that do not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from poolzoo.analysis.results.result import Result
from poolzoo.reports.text.columns import Table
from poolzoo.reports.text.tables import error_lines, tables
from poolzoo.reports.text.terminal import printed, text_console


def render_table(result: Result, color: bool, width: int | None) -> str:
    from rich.text import Text

    mark = "★" if color else "*"
    drawn = [_draw(table, mark, width) for table in tables(result)]
    needed = max((total for _, _, total in drawn), default=79)
    # Numbers are never cut: where even the needed columns do not fit, the terminal wraps whole lines itself.
    total = max(needed, width or 79)
    prose = min(total, width or max(needed, 79), 120)
    console = text_console(total, color)
    for number, (table, drawing, _) in enumerate(drawn):
        if number:
            console.print()
        console.print(Text.assemble((table.title, "bold"), "  ", (table.caption, "dim")), width=prose)
        console.print()
        console.print(drawing)
        for note in table.notes:
            console.print(Text(note, style="dim"), width=prose)
    if failed := error_lines(result):
        console.print(Text("errors" if not drawn else "\nerrors", style="bold red"))
        for line in failed:
            console.print(Text(f"  {line}"), soft_wrap=True)
    if not drawn:
        console.print("no rows")
    return printed(console)


def _draw(table: Table, mark: str, width: int | None) -> tuple[Table, Any, int]:
    """Draw the table with Rich, without the columns that do not fit ``width``; return it and its width."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table as Grid
    from rich.text import Text

    shortest_name, gap = 12, 2
    texts = {index: _texts(table, index, mark, bare=False) for index in range(len(table.columns))}
    widths = {index: max(map(cell_len, cells)) for index, cells in texts.items()}

    def total(name: int) -> int:
        return name + sum(widths[index] + gap for index in texts if index)

    # What goes first: whole columns and uncertainties, in the order that the table gave them.
    parts = [(column.drop, index, False) for index, column in enumerate(table.columns)]
    parts += [(column.drop_plus, index, True) for index, column in enumerate(table.columns)]
    left_out = []
    for drop, index, bare in sorted(parts, reverse=True):
        if width is None or not drop or total(min(widths[0], 2 * shortest_name)) <= width:
            break
        left_out.append("± of " * bare + table.columns[index].heading)
        if bare:
            texts[index] = _texts(table, index, mark, bare=True)
            widths[index] = max(map(cell_len, texts[index]))
        else:
            del texts[index]
    name = widths[0] if width is None else max(shortest_name, min(widths[0], width - total(0)))
    if left_out:
        table = replace(table, notes=(*table.notes, f"not shown at this width: {', '.join(reversed(left_out))}"))
    if table.marked:
        table = replace(table, notes=(f"{mark} best of its column", *table.notes))

    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for index, (heading, *_) in texts.items():
        grid.add_column(Text(heading), no_wrap=index > 0, overflow="fold", width=widths[index] if index else name)
    styles = {"baseline": "cyan", "failed": "red", "unequal": "dim"}
    for number, line in enumerate(table.lines, start=1):
        cells = [Text(texts[index][number], style="bold green" if line.cells[index].best else "") for index in texts]
        grid.add_row(*cells, style=styles.get(line.role))
    return table, grid, total(name)


def _texts(table: Table, index: int, mark: str, *, bare: bool) -> list[str]:
    """Return a column's heading and cells as texts of equal width, without uncertainties if ``bare``."""
    from rich.cells import cell_len

    column, cells = table.columns[index], [line.cells[index] for line in table.lines]
    if not column.number:
        return [column.heading, *(cell.text for cell in cells)]
    # Numbers stand under each other because every part of a cell has one width: text, mark, uncertainty. Rich would
    # strip the trailing blanks of right-justified text and with them the alignment.
    text, marked = max(cell_len(cell.text) for cell in cells), any(cell.best for cell in cells)
    plus = 0 if bare else max(len(cell.plus) for cell in cells)
    body = [
        cell.text.rjust(text) + (mark if cell.best else " " * marked) + cell.plus[:plus].rjust(plus + bool(plus))
        for cell in cells
    ]
    heading = column.heading + " " * (marked and not plus)
    wide = max(len(body[0]), len(heading))
    return [heading.rjust(wide), *(cell.rjust(wide) for cell in body)]
