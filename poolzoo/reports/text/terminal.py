"""Text as a terminal shows it, made without a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def text_console(width: int, color: bool) -> Console:
    """Return a Rich console that prints into memory, ``width`` columns wide; ``color`` writes ANSI colours."""
    from rich.console import Console

    return Console(
        file=io.StringIO(),
        width=width,
        height=25,  # with both given, Rich does not look for a terminal's size of its own
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        force_jupyter=False,
        legacy_windows=False,
        highlight=False,
    )


def printed(console: Console) -> str:
    """Return the printed text without the trailing blanks that Rich adds."""
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().split("\n")[:-1])
