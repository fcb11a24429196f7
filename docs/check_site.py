"""Check the built site: ``python docs/check_site.py build/site`` (or ``make docs``).

Nothing in a page or a style sheet is loaded from the network, and every link within the site has a target: the file
and, if the link names one, the anchor. mkdocs checks the links of Markdown; here all that came of them is read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_NETWORK = ("http", "https", "ws", "wss")
_IN_STYLES = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
#: Tags whose ``href`` is followed by the reader, not loaded by the page.
_FOLLOWED = ("a", "area")
#: Relations of a ``link`` that names a page without loading anything.
_NAMED = {"canonical", "next", "prev", "alternate", "author", "license"}


class _Page(HTMLParser):
    """The anchors of a page, its links, what it loads, and its styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.styles = ""
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        facts = {key: value or "" for key, value in attributes}
        self.anchors |= {facts[key] for key in ("id", "name") if key in facts}
        self.styles += facts.get("style", "") + "\n"
        self._in_style = tag == "style"
        named = tag in _FOLLOWED or not _NAMED.isdisjoint(facts.get("rel", "").split())
        if "href" in facts:
            (self.links if named else self.loaded).append(facts["href"])
        self.loaded += [facts[key] for key in ("src", "data", "poster") if key in facts]
        self.loaded += [part.split()[0] for part in facts.get("srcset", "").split(",") if part.strip()]

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles += data

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def faults(site: Path) -> Iterator[str]:
    """A line for everything that is loaded from the network, and for every link without a target."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        where = path.relative_to(site)
        yield from (f"{where}: loads {link}" for link in page.loaded if _of_network(link))
        yield from (f"{where}: loads {link}" for link in _IN_STYLES.findall(page.styles))
        for link in dict.fromkeys(page.links + page.loaded):
            why = _missing(link, path, site, pages)
            if why:
                yield f"{where}: {link}: {why}"
    for path in sorted(site.rglob("*.css")):
        yield from (f"{path.relative_to(site)}: loads {link}" for link in _IN_STYLES.findall(path.read_text("utf-8")))


def _of_network(link: str) -> bool:
    return link.startswith("//") or urlsplit(link).scheme in _NETWORK


def _missing(link: str, path: Path, site: Path, pages: dict[Path, _Page]) -> str:
    """Return what a link within the site lacks, or an empty text."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = path
    if parts.path:
        base = site if parts.path.startswith("/") else path.parent
        target = (base / unquote(parts.path).lstrip("/")).resolve()
        target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors | {"gh-light-mode-only", "gh-dark-mode-only"}:
        return "no such anchor"
    return ""


def main() -> int:
    site = Path(sys.argv[1]).resolve()
    found = list(faults(site))
    for fault in found:
        print(fault, file=sys.stderr)  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
