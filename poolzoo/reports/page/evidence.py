"""The results of a page, stored inside the page as JSON in script elements that no browser runs.

``poolzoo report page.html`` reads them back, so the page can be drawn again or compared with others.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from poolzoo.analysis.results.result import Result

#: A page with more rows than this holds none of them: it would be too large to open. The result file has them.
ROWS_EMBEDDED = 50_000
_CLASS = "poolzoo-result"
_OPENING = f'<script type="application/json" class="{_CLASS}">'


def script_json(data: Any) -> Markup:
    """Return ``data`` as JSON that cannot end its script element and has no invisible characters."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text))


def is_embedded(results: Sequence[Result]) -> bool:
    """Return whether a page holds the rows of these results."""
    return sum(len(result.rows) for result in results) <= ROWS_EMBEDDED


def embed(results: Sequence[Result]) -> Markup:
    """Return script elements that hold the results; an empty text if they have too many rows."""
    if not is_embedded(results):
        return Markup()
    blocks = [Markup("{}{}</script>").format(Markup(_OPENING), script_json(json.loads(r.to_json()))) for r in results]
    return Markup("\n").join(blocks)


def is_page(text: str) -> bool:
    """Return whether a file's text is a page and not a result; a comment may precede the page."""
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def results_in_file(path: str | os.PathLike[str]) -> list[Result]:
    """Return the results of a JSON file or a page, with or without a byte-order mark.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no result.
    """
    name = os.fspath(path)
    data = Path(path).read_bytes()
    try:
        text = data.decode(json.detect_encoding(data))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return results_in_page(text, name) if is_page(text) else [Result.from_json(text, name)]


def results_in_page(html: str, source: str) -> list[Result]:
    """Return the results that :func:`embed` put into a page.

    Args:
        html: the page.
        source: its name, for messages.

    Raises:
        ValueError: the page holds none, or its data are not a result.
    """
    # Everywhere else in a page "<" is escaped, so only the page's own elements begin like this.
    blocks = re.findall(f"{re.escape(_OPENING)}(.*?)</script>", html, re.DOTALL)
    if not blocks:
        raise ValueError(f"{source}: a page without the rows it was drawn from; give the result file it came from")
    return [Result.from_json(block, source) for block in blocks]
