"""The machine and the command of each result."""

from __future__ import annotations

from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import Study

PLACE = 110


def render(study: Study) -> Section:
    """Return the machine and the command of each result."""
    return Section((Heading("machine", "Machine and command"),), {"runs": study.runs}, folded=True)
