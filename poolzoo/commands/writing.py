"""Write results: to the terminal, to files, as pages and plots, with the messages about them."""

from __future__ import annotations

import contextlib
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poolzoo._console import COMMAND, note, say, width_of
from poolzoo._files import KNOWN, PAGE, STDOUT, SUFFIXES, CommandFiles, write_whole
from poolzoo.commands.options import Failed

if TYPE_CHECKING:
    from poolzoo.analysis.results.result import Result as StudyResult
    from poolzoo.analysis.results.rows import Row
    from poolzoo.api.result import Result

#: The suffixes of other outputs; none of them is a format's, whatever --format is.
PLOT = (".png", ".svg", ".pdf")


class Writer:
    """Writes a result. It is made before any work, so that an output that cannot be written is found first."""

    def __init__(
        self, fmt: str | None, output: Path | None, report: Path | None, save_plots: Path | None = None
    ) -> None:
        files = command_files()
        suffix = output.suffix.lower() if output else ""
        if output:
            target = files.writes("--output", output)
            if target.kind == "file":
                _check_format(output, fmt)
            # What goes to standard output is what would be printed without a file.
            output = None if target.kind == "stdout" else output
        self.fmt = fmt or SUFFIXES.get(suffix, "table")
        self.output, self.report = output, report
        if report:
            self.writes("--report", report, PAGE)
        self.plots = files.writes_folder("--save-plots", save_plots) if save_plots else None

    def writes(self, option: str, path: Path, suffixes: Sequence[str]) -> None:
        """Declare another output; if it is standard output, the table goes to standard error."""
        target = command_files().writes(option, path, suffixes)
        if target.kind == "stdout" and not self.output and self.fmt != "table":
            raise Failed(f"{option} {str(path)!r}: standard output holds the {self.fmt}; give --output a file name")

    def finish(self, result: Result) -> None:
        """Print and write the result, name the failures, and exit: 1 if something failed, 2 if nothing succeeded."""
        from poolzoo.reports.text.formats import render

        failures = [row for row in result.rows if row["error"]]
        if len(failures) == len(result.rows):
            _complain(failures)
            sys.exit(2)
        if self.output:
            write_whole(self.output, result.written(self.fmt))
        fmt = "table" if self.output else self.fmt
        # Where a page or a plot takes standard output, the table goes to the other one.
        beside = command_files().stdout not in (None, "--output")
        where = sys.stderr if beside else sys.stdout
        if fmt == "table":
            text = render(result, fmt, color=where.isatty(), width=width_of(where))
            (note if beside else say)(text)
        else:
            written = result.written(fmt)
            for part in [written] if isinstance(written, str) else written:
                (note(part) if beside else say(part, nl=False))
        if self.output:
            say_written(self.output)
        if self.report:
            write_whole(self.report, result.page())
            say_written(self.report)
        if self.plots:
            write_plots(self.plots, [result])
        if failures:
            _complain(failures)
            more = result.metadata.get("dataset", {}).get("failed", 0) - len(failures)
            if more > 0:
                note(f"poolzoo: and {more} more failed rows, in the store")
            sys.exit(1)


def _check_format(output: Path, fmt: str | None) -> None:
    """Return whether a file name's suffix gives the format; raise if it gives a different one."""
    suffix = output.suffix.lower()
    if fmt and suffix in KNOWN and SUFFIXES.get(suffix) != fmt:
        allowed = next(ending for ending, says in SUFFIXES.items() if says == fmt)
        raise Failed(f"--output {str(output)!r}: with --format {fmt} its name ends in {allowed}; a page is --report")
    if not fmt and suffix not in SUFFIXES:
        allowed = ", ".join(SUFFIXES)
        raise Failed(f"--output {str(output)!r}: give --format, or one of the suffixes {allowed}; a page is --report")


def say_written(path: Path) -> None:
    if path != STDOUT:
        note(f"wrote {path}")


def write_plots(folder: Path, results: Sequence[StudyResult]) -> None:
    from poolzoo.reports.plots.all_plots import save_drawings

    written = save_drawings(folder, results, partial(command_files().spare, "--save-plots"))
    note(f"wrote {len(written)} files of plots into {folder}")


def _complain(failures: Sequence[Row]) -> None:
    """Print one line per failure on stderr; a failure that repeats on other images or seeds is counted."""
    from poolzoo.analysis.results.rows import label

    seen: dict[str, int] = {}
    for row in failures:
        # An image that cannot be used has a row without an operator; its error names it.
        line = f"{label(row)}: {row['error']}" if row["pool"] else str(row["error"])
        seen[line] = seen.get(line, 0) + 1
    for line, times in seen.items():
        note(f"poolzoo: {line}{f' ({times} rows)' if times > 1 else ''}")


def pictures_base(folder: Path, writer: Writer) -> Path | None:
    """Return the result's folder if it contains the pictures; only then does the result record where they are."""
    if writer.fmt != "json" or writer.output is None:
        return None
    parent = writer.output.parent
    if folder.resolve().is_relative_to(parent.resolve()):
        return parent
    note(f"{folder} is not inside {parent}: `poolzoo report` will not find the pictures")
    return None


@contextlib.contextmanager
def counted(kind: type[Warning]) -> Iterator[list[str]]:
    """Return a list that collects the warnings raised meanwhile, which are also printed."""
    told: list[str] = []
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, kind):
            told.append(str(message))
        shown(message, category, *where, **more)

    warnings.showwarning = show
    try:
        yield told
    finally:
        warnings.showwarning = shown


@contextlib.contextmanager
def command_line() -> Iterator[None]:
    """Make results record the command that made them."""
    token = COMMAND.set(shlex.join(["poolzoo", *sys.argv[1:]]))
    try:
        yield
    finally:
        COMMAND.reset(token)


def command_files() -> CommandFiles:
    """Return the files that the running command reads and writes."""
    files: CommandFiles = click.get_current_context().obj
    return files
