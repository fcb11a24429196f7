"""Standard output and standard error, which may be closed, full, or a pipe whose reader has ended."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Protocol, TextIO

import click


class Notice(UserWarning):
    """What a user of a study is to know of it: a warning in Python, a line on standard error of a command."""


#: The command line that runs, for the metadata of results; empty in Python.
COMMAND: ContextVar[str] = ContextVar("COMMAND", default="")


def open_streams() -> None:
    """Make the standard streams usable: a closed stream discards its output, and odd file names can be printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # In this order each gets its own number back, so that no file that is opened later is taken for a stream,
            # neither here nor in processes that are started.
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name of undecodable bytes can be printed, escaped.
            stream.reconfigure(errors="backslashreplace")


def quiet_libraries() -> None:
    """Suppress warnings and logs of other packages on standard error; a warning of poolzoo is printed on one line."""
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", message=r"poolzoo's |operators of ")
        warnings.filterwarnings("once", message=r"\w+: \w+ is now called ")
    warnings.simplefilter("always", Notice)
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, Notice) or not sys.warnoptions:
            note(f"poolzoo: {' '.join(str(message).split())}")
        else:
            shown(message, category, *where, **more)

    warnings.showwarning = show


def say(text: str | bytes, nl: bool | None = None) -> None:
    """Print to standard output; if the reader ends early (`| head`), the remaining work continues.

    Args:
        text: printed unchanged; a line break follows unless it ends in one.
        nl: whether a line break follows, whatever the text.

    Raises:
        OSError: standard output cannot be written, as on a full disk.
    """
    try:
        if isinstance(text, bytes):
            click.echo(text, nl=bool(nl))
        else:
            click.echo(text, nl=not text.endswith("\n") if nl is None else nl)
    except OSError as error:
        # What is left in the buffer is written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OSError(error.errno, error.strerror, "standard output") from error


def note(text: str) -> None:
    """Print lines to standard error; if that fails, nothing is reported."""
    try:
        click.echo(text, nl=not text.endswith("\n"), err=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def reason(error: BaseException) -> str:
    """Return an exception's message in one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


def width_of(stream: TextIO) -> int | None:
    """Return the columns of a terminal, None for anything else."""
    return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else None


class OnStep(Protocol):
    """Shows how many of how many steps are done, and a few words on the latest."""

    def __call__(self, done: int, total: int, text: str = "") -> None: ...


@contextlib.contextmanager
def progress(title: str, unit: str | None = None) -> Iterator[OnStep]:
    """Show a progress bar on stderr if that is a terminal, nothing otherwise; with a ``unit`` it also shows a rate."""
    if not sys.stderr.isatty():
        yield lambda done, total, text="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = [TextColumn("{task.fields[rate]}")] if unit else []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *rate, TimeRemainingColumn())
    words = TextColumn("{task.fields[text]}", markup=False)
    began = time.monotonic()
    with Progress(*columns, words, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, rate="", text="")

        def on_step(done: int, total: int, text: str = "") -> None:
            rate = done / (time.monotonic() - began)
            bar.update(task, completed=done, total=total, rate=f"{rate:.3g} {unit}/s", text=text)

        yield on_step
