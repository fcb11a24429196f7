"""The Jinja environment of every HTML that poolzoo writes: all text that is not Markup is escaped and made visible."""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from poolzoo.reports.text.words import visible

if TYPE_CHECKING:
    import jinja2


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment with the templates of this package; a name that a template lacks is an error."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(page_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["breakable"] = _breakable
    return made


def _breakable(name: str) -> Markup:
    """Return an operator's name, which may break after the signs that divide it and nowhere else."""
    return Markup(re.sub("([_:,])(?=.)", r"\1<wbr>", str(escape(visible(name)))))


def page_file(name: str) -> str:
    """Return the text of a template, style sheet or script of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
