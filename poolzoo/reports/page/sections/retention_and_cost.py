"""Retention against cost: a comparison's scores next to a profile's figures for the same window, if they are not the
first table of the page.
"""

from __future__ import annotations

from poolzoo.reports.page.placed import page_table
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import Study
from poolzoo.reports.text.profile_tables import joined_table

PLACE = 50


def render(study: Study) -> Section | None:
    """Return a table for each setting and each profile that have operators in common."""
    grids = []
    for placed in study.comparisons:
        for place, (setting, group) in enumerate(placed.settings.items(), start=1):
            title = ", ".join(placed.titles(setting))
            found = [table for profile in placed.profiles if (table := joined_table(group, profile))]
            for number, table in enumerate(found, start=1):
                anchor = f"{placed.anchor}-{place}-joined-{number}"
                if number > 1 or study.leading != "compare":  # the first one is at the top
                    grids.append(page_table(table, placed.run.families, anchor, title))
    heading = Heading("joined", "Retention against cost")
    return Section((heading,), {"grids": grids}, folded=True) if grids else None
