"""Cost in a model: the tables of each model's profile, where the page does not begin with them."""

from __future__ import annotations

from dataclasses import dataclass

from poolzoo.analysis.results.schema import MODEL_KIND
from poolzoo.reports.page.placed import PageTable, page_tables
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import Study
from poolzoo.reports.text.model_tables import model_tables

PLACE = 65


@dataclass(frozen=True)
class ModelPart:
    """A model: its tables."""

    heading: Heading
    grids: tuple[PageTable, ...]


def render(study: Study) -> Section | None:
    """Return a part for each model."""
    if study.leading == MODEL_KIND:
        return None
    views = [
        ModelPart(
            Heading(f"{placed.anchor}-model", placed.heading("Cost in a model")),
            page_tables(model_tables(placed.run), placed.run.families, placed.anchor),
        )
        for placed in study.models
    ]
    return Section(tuple(view.heading for view in views), {"views": views}, folded=True) if views else None
