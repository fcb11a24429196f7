"""A plot with its name, its description in words and its caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolzoo.reports.plots.style import to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """One plot.

    Attributes:
        name: of its files, without a suffix.
        draw: makes the figure.
        alt: a description in words, with the important numbers.
        caption: how to read it.
        shared: whether it covers all settings of its result.
    """

    name: str
    draw: Callable[[], Figure]
    alt: str
    caption: str
    shared: bool = False

    def svg(self, prefix: str) -> str:
        """Return the SVG for a page, with ids that begin with ``prefix``."""
        return to_svg(self.draw(), prefix)
