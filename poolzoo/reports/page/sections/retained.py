"""Information retained: the tables and the plots of each comparison."""

from __future__ import annotations

from dataclasses import dataclass

from poolzoo.reports.page.placed import PagePlot, PageTable, page_plots, page_table
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import PageComparison, Study
from poolzoo.reports.plots.all_plots import compare_drawings
from poolzoo.reports.text.compare_tables import compare_tables
from poolzoo.reports.text.words import setting_title

PLACE = 50


@dataclass(frozen=True)
class RetainedPart:
    """A comparison: a table and plots for each setting, and the plots of all settings."""

    tables_at: Heading
    plots_at: Heading
    parts: tuple[tuple[PageTable, list[PagePlot]], ...]
    plots: list[PagePlot]


def render(study: Study) -> Section | None:
    """Return the tables of a comparison and then its plots, one comparison after the other."""
    views = [_part_of(comparison) for comparison in study.comparisons]
    headings = tuple(heading for view in views for heading in (view.tables_at, view.plots_at))
    return Section(headings, {"views": views}) if views else None


def _part_of(placed: PageComparison) -> RetainedPart:
    drawings = compare_drawings(placed.run, placed.profiles, placed.summaries)
    tables = compare_tables(placed.run, placed.summaries)
    parts = []
    for place, (setting, table) in enumerate(zip(placed.settings, tables, strict=True), start=1):
        anchor = f"{placed.anchor}-{place}"
        own = [drawing for drawing in drawings[setting] if not drawing.shared]
        grid = page_table(table, placed.run.families, anchor, setting_title(setting))
        parts.append((grid, page_plots(own, anchor)))
    shared = [drawing for each in drawings.values() for drawing in each if drawing.shared]
    return RetainedPart(
        Heading(f"{placed.anchor}-table", placed.heading("Information retained")),
        Heading(f"{placed.anchor}-plots", placed.heading("Plots")),
        tuple(parts),
        page_plots(shared, placed.anchor),
    )
