"""Cost: the plots of each profile, and its tables where the page does not begin with them."""

from __future__ import annotations

from dataclasses import dataclass

from poolzoo.reports.page.placed import PagePlot, PageTable, page_plots, page_tables
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import PageProfile, Study
from poolzoo.reports.plots.all_plots import Drawing, profile_drawings, scaling_drawings
from poolzoo.reports.text.profile_tables import profile_tables

PLACE = 70


@dataclass(frozen=True)
class CostPart:
    """A profile: its tables and plots."""

    heading: Heading
    grids: tuple[PageTable, ...]
    plots: list[PagePlot]


def render(study: Study) -> Section | None:
    """Return a part for each profile."""
    profiles = study.profiles
    if not profiles:
        return None
    # How time grows with size is a matter of all profiles: it stands with the last.
    scaling = scaling_drawings([placed.run for placed in profiles])
    at_top = study.leading == "profile"
    views = [_part_of(placed, scaling if placed is profiles[-1] else [], at_top=at_top) for placed in profiles]
    views = [view for view in views if view.grids or view.plots]
    return Section(tuple(view.heading for view in views), {"views": views}, folded=True) if views else None


def _part_of(placed: PageProfile, more: list[Drawing], *, at_top: bool) -> CostPart:
    name, anchor = ("Plots of cost", "plots") if at_top else ("Cost", "cost")
    return CostPart(
        Heading(f"{placed.anchor}-{anchor}", placed.heading(name)),
        page_tables([] if at_top else profile_tables(placed.run), placed.run.families, placed.anchor),
        page_plots([*profile_drawings(placed.run), *more], placed.anchor),
    )
