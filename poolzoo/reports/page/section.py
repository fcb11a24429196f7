"""A section of the page: what its template shows, and what the contents list of it."""

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
    """What one section of a page is drawn from.

    Attributes:
        headings: for the contents, in the order of the template; a section without any stands above the contents.
        shown: what the template knows, by name; ``headings`` is there too.
        style: what it adds to the page's style sheet.
        script: what it adds to the page's script.
    """

    headings: tuple[Heading, ...] = ()
    shown: Mapping[str, object] = field(default_factory=dict)
    style: str = ""
    script: str = ""
