"""One HTML page from results: first the answer, one plot, a table and pictures; then everything else, folded. The page
loads nothing.

The page is the list of its :mod:`sections <poolzoo.reports.page.sections>`, and its contents are made from this list.
It holds its styles, scripts, plots, pictures and rows; a Content-Security-Policy forbids the network and all other
scripts and styles. All data of a result are text: they pass :func:`poolzoo.reports.text.words.visible` and Jinja's
autoescaping. Metadata may be missing. Equal results give equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from markupsafe import Markup

from poolzoo.analysis.results.result import Result
from poolzoo.reports.page.evidence import embed
from poolzoo.reports.page.sections import render_sections
from poolzoo.reports.page.study import Study, counted_operators, unique
from poolzoo.reports.page.templates import environment, page_file
from poolzoo.reports.pictures.picture_book import PictureBook
from poolzoo.reports.text.words import listed


def render_page(results: Sequence[Result], pictures: PictureBook | None = None, sources: Sequence[str] = ()) -> str:
    """Return the page as HTML.

    Args:
        results: comparisons and profiles, each of which gets its sections; several of one kind are shown side by side
            as well.
        pictures: the pictures of the comparisons' images.
        sources: the file of each result, for their headings.

    Raises:
        ValueError: there are no results.
    """
    if not results:
        raise ValueError("results: a page needs at least one result")
    study = Study.of(results, pictures, sources)
    sections = render_sections(study)
    open_ones = [pair for pair in sections if pair[0].headings and not pair[0].folded]
    folded = [pair for pair in sections if pair[0].folded]
    style = page_file("page.css") + "".join(section.style for section, _ in sections)
    script = page_file("page.js") + "".join(section.script for section, _ in sections)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            title=_title(study),
            above=[html for section, html in sections if not section.headings],
            contents=[heading for section, _ in (*open_ones, *folded) for heading in section.headings],
            below=[html for _, html in open_ones],
            folded=[html for _, html in folded],
            evidence=embed(results),
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
        )
    )


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy: nothing from the network, and inside the page only this style and this
    script.
    """
    style, script = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script))
    return (
        f"default-src 'none'; img-src data: blob:; style-src 'sha256-{style}'; script-src 'sha256-{script}';"
        " base-uri 'none'; form-action 'none'"
    )


def _title(study: Study) -> str:
    compared = study.comparisons
    told = study.trainings or compared or study.runs
    what = counted_operators(unique(name for placed in told for name in placed.operators), "pooling operator")
    if study.trainings:
        return f"How accurate networks are with {what}"
    if not compared:
        return f"What {what} cost{'s' * what.startswith('1 ')}"
    sweeps = unique(f"{s.pool} over {s.over}" if (s := placed.run.sweep) else "" for placed in compared)
    what = listed(sweeps) if all(sweeps) else what
    if any(placed.is_sample for placed in compared):  # the names are not all of them
        return f"{what} on {listed(unique(placed.counted for placed in compared))}"
    names = unique(name for placed in compared for name in placed.image_names)
    nouns = unique(f"{placed.noun}s" for placed in compared)
    return f"{what} on {listed(names, 2, nouns[0] if len(nouns) == 1 else 'inputs')}" if names else what
