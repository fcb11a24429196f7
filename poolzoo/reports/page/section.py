"""A section of the page: the data of its template, and its headings in the contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Heading:
    """A line of the contents: ``anchor`` is the id that the template gives its heading."""

    anchor: str
    title: str


@dataclass(frozen=True)
class Section:
    """The data of one section of a page.

    Attributes:
        headings: for the contents, in the order of the template; a section without headings stands above the contents.
        shown: the template's variables by name, in addition to ``headings``.
        style: its part of the page's style sheet.
        script: its part of the page's script.
        folded: whether it stands below the others and is closed until a reader opens it.
    """

    headings: tuple[Heading, ...] = ()
    shown: Mapping[str, object] = field(default_factory=dict)
    style: str = ""
    script: str = ""
    folded: bool = False
