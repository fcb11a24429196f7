"""Information retained: the plots of each comparison, and the tables that do not come first."""

from __future__ import annotations

from dataclasses import dataclass

from poolzoo.reports.page.placed import PagePlot, PageTable, page_plots, page_table
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.sections.overview import joined_of
from poolzoo.reports.page.study import PageComparison, Study
from poolzoo.reports.plots.all_plots import compare_drawings
from poolzoo.reports.text.compare_tables import compare_tables
from poolzoo.reports.text.words import setting_title

PLACE = 60


@dataclass(frozen=True)
class RetainedPart:
    """A comparison: the plots of each setting with its title, those of all settings, and tables."""

    tables_at: Heading
    tables: tuple[PageTable, ...]
    plots_at: Heading
    parts: tuple[tuple[str, list[PagePlot]], ...]
    plots: list[PagePlot]


def render(study: Study) -> Section | None:
    """Return the plots of a comparison and its tables, one comparison after the other."""
    views = [_part_of(comparison, first=study.leading == "compare") for comparison in study.comparisons]
    headings = []
    for view in views:
        headings += [view.tables_at] * bool(view.tables) + [view.plots_at] * bool(view.plots or view.parts)
    return Section(tuple(headings), {"views": views}, folded=True) if headings else None


def _part_of(placed: PageComparison, *, first: bool) -> RetainedPart:
    drawings = compare_drawings(placed.run, placed.profiles, placed.summaries)
    tables, parts = [], []
    own = zip(placed.settings.items(), compare_tables(placed.run, placed.summaries), strict=True)
    for place, ((setting, group), table) in enumerate(own, start=1):
        anchor = f"{placed.anchor}-{place}"
        if not first or joined_of(placed, group):
            tables.append(page_table(table, placed.run.families, anchor, setting_title(setting)))
        if plots := page_plots([drawing for drawing in drawings[setting] if not drawing.shared], anchor):
            parts.append((setting_title(setting), plots))
    shared = [drawing for each in drawings.values() for drawing in each if drawing.shared]
    return RetainedPart(
        Heading(f"{placed.anchor}-retained", placed.heading("Information retained")),
        tuple(tables),
        Heading(f"{placed.anchor}-plots", placed.heading("Other plots")),
        tuple(parts),
        page_plots(shared, placed.anchor),
    )
