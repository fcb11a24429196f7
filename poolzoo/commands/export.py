"""``poolzoo export``."""

from __future__ import annotations

from pathlib import Path

import click

from poolzoo._files import EXPORTS
from poolzoo.commands.completing import complete_files
from poolzoo.commands.modes import Command
from poolzoo.commands.options import OUTPUT
from poolzoo.commands.writing import command_files, say_written


@click.command("export", cls=Command)
@click.argument("result", shell_complete=complete_files)
@click.option("--output", type=OUTPUT, required=True, help="The file to write.")
@click.option(
    "--format",
    type=click.Choice(tuple(EXPORTS.values())),
    help="Format of the file.  [default: by its ending: .csv, .json, .md, .tex or .parquet]",
)
@click.option("--rows", is_flag=True, help="Write every row.  [default for csv, json and parquet]")
@click.option(
    "--summary",
    is_flag=True,
    help="Write one line per operator, state and setting.  [default for markdown and latex]",
)
@click.option("--index", type=int, metavar="N", help="Number of the result in a page of several, from 0.")
def export_command(result: str, output: Path, format: str | None, rows: bool, summary: bool, index: int | None) -> None:
    """Write RESULT as CSV, JSON, Markdown, LaTeX or Parquet. RESULT is a JSON file, a page, or the store of a training
    or of a dataset run.

    Of a store all rows are written. A failed row has its reason in the column error. LaTeX needs the package booktabs;
    Parquet needs pip install 'poolzoo[parquet]'.

    \b
    Examples:
      poolzoo export photos.sqlite --output photos.parquet
      poolzoo export coffee.html --summary --output coffee.csv
      poolzoo export coffee.json --output table.tex
      poolzoo export runs.sqlite --format csv --output -
    """
    from poolzoo.api.exporting import export

    command_files().reads("RESULT", [result])
    command_files().writes("--output", output)
    export(result, output, format=format, rows=rows, summary=summary, index=index)
    say_written(output)
