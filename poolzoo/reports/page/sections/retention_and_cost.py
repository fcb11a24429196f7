"""Retention against cost: a comparison's scores next to a profile's figures for the same window."""

from __future__ import annotations

from poolzoo.reports.page.placed import page_table
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import Study
from poolzoo.reports.text.profile_tables import joined_table

PLACE = 60


def render(study: Study) -> Section | None:
    """Return a table for each setting and each profile that have operators in common."""
    grids = []
    for placed in study.comparisons:
        for place, (setting, group) in enumerate(placed.settings.items(), start=1):
            title = ", ".join(placed.titles(setting))
            for number, profile in enumerate(placed.profiles, start=1):
                if table := joined_table(group, profile):
                    anchor = f"{placed.anchor}-{place}-joined-{number}"
                    grids.append(page_table(table, placed.run.families, anchor, title))
    return Section((Heading("joined", "Retention against cost"),), {"grids": grids}) if grids else None
