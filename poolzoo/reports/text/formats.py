"""A result as text: a terminal table, Markdown, CSV and JSON.

JSON and CSV contain every measured row; the table and Markdown are aggregated.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from poolzoo.analysis.results.result import Result, finite
from poolzoo.analysis.results.rows import Row
from poolzoo.reports.text.tables import error_lines, tables
from poolzoo.reports.text.terminal_tables import render_table
from poolzoo.reports.text.words import visible

#: The number of rows per piece of a stream.
ROWS_AT_ONCE = 1000


def render(result: Result, fmt: str, *, color: bool = False, width: int | None = None) -> str:
    """Return the result as text, ending in a newline.

    Args:
        result: a comparison or a profile.
        fmt: ``table``, ``csv``, ``json`` or ``markdown``.
        color: whether ``table`` may use terminal colours.
        width: columns of the terminal; None (a pipe, a file) makes the table as wide as it needs to be.

    Raises:
        ValueError: ``fmt`` is none of these.
    """
    if fmt not in RENDERERS:
        raise ValueError(f"fmt: {fmt!r} is not one of {', '.join(RENDERERS)}")
    return RENDERERS[fmt](result, color, width)


def stream(result: Result, rows: Iterable[Row], fmt: str) -> Iterator[str]:
    """Yield the text of :func:`render` for ``csv`` and ``json`` piece by piece, for more rows than fit into memory.

    Args:
        result: gives the metadata; its rows and summaries are not used.
        rows: all rows.
        fmt: ``csv`` or ``json``.
    """
    bare, rows = replace(result, rows=[], summaries=None), iter(rows)
    blocks = iter(lambda: list(itertools.islice(rows, ROWS_AT_ONCE)), [])
    # Each block is rendered as a result of its own, and what belongs around all rows is taken off.
    if fmt == "csv":
        yield render(bare, fmt)
        for block in blocks:
            yield render(replace(bare, rows=block), fmt).partition("\n")[2]
        return
    before, after = render(bare, fmt).rsplit("[]", 1)
    opening = f"{before}["
    yield opening
    comma = ""
    for block in blocks:
        yield comma + render(replace(bare, rows=block), fmt)[len(opening) : -len(f"\n ]{after}")]
        comma = ","
    yield ("\n ]" if comma else "]") + after


def _render_csv(result: Result, color: bool, width: int | None) -> str:
    """Return every row as measured: ``inf`` for infinity, empty for null, names unchanged except for CSV quoting."""
    return lines_as_csv(result.columns, result.rows)


def lines_as_csv(columns: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> str:
    """Return lines of plain values as CSV, with a heading."""
    stream = io.StringIO()
    # The csv module quotes what its own line end holds; a lone carriage return in a name would end a line elsewhere.
    returns = any("\r" in value for line in lines for value in line.values() if isinstance(value, str))
    writer = csv.DictWriter(
        stream,
        columns,
        extrasaction="ignore",
        lineterminator="\n",
        quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL,
    )
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def _render_json(result: Result, color: bool, width: int | None) -> str:
    return result.to_json()


def lines_as_json(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return lines of plain values as a JSON list; a number that is not finite is null."""
    found = [{key: finite(value) for key, value in line.items()} for line in lines]
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def lines_as_markdown(columns: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield lines of plain values as one Markdown table, line by line."""
    yield _markdown_line(map(_markdown, columns)) + _markdown_line([":---"] * len(columns))
    for line in lines:
        yield _markdown_line(_markdown(shown(line.get(key))) for key in columns)


def shown(value: object) -> str:
    """Return a plain value as a cell of a table: as CSV has it, without characters that cannot be seen."""
    return "" if value is None else visible(value)


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _render_markdown(result: Result, color: bool, width: int | None) -> str:
    parts = []
    for table in tables(result):
        rule = ["---:" if column.number else ":---" for column in table.columns]
        grid = [[_markdown(column.heading) for column in table.columns], rule]
        for line in table.lines:
            texts = [_markdown(f"{cell.text} {cell.plus}".strip()) for cell in line.cells]
            grid.append([f"**{text}**" if cell.best else text for text, cell in zip(texts, line.cells, strict=True)])
        body = "".join(map(_markdown_line, grid))
        parts.append(f"**{table.title}.** {_markdown(table.caption)}\n\n{body}")
        if table.notes:
            parts.append("".join(f"- {_markdown(note)}\n" for note in table.notes))
    if failed := error_lines(result):
        parts.append("Errors:\n\n" + "".join(f"- {_markdown(line)}\n" for line in failed))
    return "\n".join(parts) or "No rows.\n"


def _markdown(text: str) -> str:
    """Escape ``text`` so that Markdown readers find no markup, cell end or HTML in it."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*|\[\]~$#])", r"\\\1", text)
    # Inside a word an underscore is only itself, and softpool_detached stays readable in the source.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


RENDERERS = {"table": render_table, "csv": _render_csv, "json": _render_json, "markdown": _render_markdown}
