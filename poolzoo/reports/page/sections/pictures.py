"""Pictures: one cut-out of each image, with every operator, down to single pixels."""

from __future__ import annotations

from poolzoo.reports.page.explorer import explorer_script, explorer_style, render_explorer
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import Study

PLACE = 20


def render(study: Study) -> Section | None:
    """Return the explorer of the images that have pictures."""
    comparisons = [placed.run for placed in study.comparisons]
    explorer = render_explorer(study.pictures, comparisons) if study.pictures and study.pictures.images else ""
    if not explorer:
        return None
    return Section((Heading("pictures", "Pictures"),), {"explorer": explorer}, explorer_style(), explorer_script())
