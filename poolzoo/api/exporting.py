"""``poolzoo.export``: a saved result in the formats of other programs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from poolzoo._console import Notice
from poolzoo._files import EXPORTS, Content, format_of, write_whole
from poolzoo.analysis.results.summary_lines import summary_lines
from poolzoo.api.reading import check_filled, load
from poolzoo.api.result import Result, latex
from poolzoo.reports.parquet import check_parquet, line_types, parquet, row_types
from poolzoo.reports.text.formats import lines_as_csv, lines_as_json, lines_as_markdown, shown

#: The formats that hold every row unless the summary is asked for.
OF_ROWS = ("csv", "json", "parquet")


def export(
    result: str | os.PathLike[str] | Result,
    output: str | os.PathLike[str],
    *,
    format: str | None = None,
    rows: bool = False,
    summary: bool = False,
    index: int | None = None,
) -> Path:
    """Write the rows or the summary of a result as CSV, JSON, Markdown, LaTeX or Parquet: ``poolzoo export``.

    CSV, JSON and Parquet hold every row unless ``summary`` is given, Markdown and LaTeX the summary unless ``rows`` is.
    Of a dataset run all rows are written, piece by piece as CSV, JSON, Markdown and Parquet.

    Args:
        result: a JSON file, a page, the store of a training or of a dataset run, or a result in memory.
        output: the file.
        format: ``csv``, ``json``, ``markdown``, ``latex`` or ``parquet`` (``poolzoo[parquet]``); None for the one
            of the file's ending: .csv, .json, .md, .tex or .parquet.
        rows: write one line per row.
        summary: write one line per operator, state and setting, as :meth:`Result.summary` returns them; Markdown and
            LaTeX have tables.
        index: the number of the result in a page, from 0; None if the page contains one.

    Returns:
        ``output``.

    Raises:
        ValueError: the format is unknown, is another than the file's ending says, or needs a package that is missing;
            ``rows`` and ``summary`` are both given; not a result of poolzoo, a store without rows, or a page with
            several results and no ``index``.
        OSError: a file cannot be read or written.
    """
    fmt = format_of(output, format, EXPORTS)
    if rows and summary:
        raise ValueError("rows=True: excludes summary=True; give one of them")
    if fmt == "parquet":
        check_parquet()
    if isinstance(result, Result):
        if index is not None:
            raise ValueError(f"index={index}: only a page contains several results")
        read = result
    else:
        read = load(result, index=index)
        check_filled(read, result)
    return write_whole(output, _of_rows(read, fmt) if rows or (fmt in OF_ROWS and not summary) else _summary(read, fmt))


def _of_rows(result: Result, fmt: str) -> Content:
    if fmt in ("csv", "json"):
        return result.written(fmt)
    columns, rows = result.columns, result.all_rows()
    if fmt == "parquet":
        return parquet(row_types(columns), rows, result.described())
    if fmt == "markdown":
        return lines_as_markdown(columns, rows)
    return _as_latex(columns, rows)


def _summary(result: Result, fmt: str) -> Content:
    failed = result.metadata.get("dataset", {}).get("failed") or sum(row["error"] is not None for row in result.rows)
    if failed and fmt != "markdown":
        warnings.warn(
            f"{failed} failed row{'s have' if failed > 1 else ' has'} no numbers in the summary", Notice, stacklevel=3
        )
    if fmt == "markdown":
        return result.to_markdown()
    if fmt == "latex":
        return result.to_latex()
    lines = summary_lines(result)
    if fmt == "parquet":
        return parquet(line_types(lines), lines, result.described())
    return lines_as_json(lines) if fmt == "json" else lines_as_csv(list(lines[0]) if lines else [], lines)


def _as_latex(columns: list[str], rows: Iterable[Any]) -> str:
    import pandas as pd

    return latex(pd.DataFrame([[shown(row.get(key)) for key in columns] for row in rows], columns=columns))
