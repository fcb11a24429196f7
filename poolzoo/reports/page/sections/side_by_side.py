"""Results of one kind side by side: the differences between the runs, and the change of each operator."""

from __future__ import annotations

from dataclasses import dataclass

from poolzoo.analysis.results.side_by_side import Versus
from poolzoo.reports.page.placed import PageTable, page_tables
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import SideBySide, Study
from poolzoo.reports.text.side_by_side_tables import versus_tables

PLACE = 5


@dataclass(frozen=True)
class MatchedRuns:
    """The runs of one kind: their letters, their tables, and operators that only one run has."""

    anchor: str
    heading: str
    letters: tuple[str, ...]
    versus: Versus
    comparable: bool
    tables: tuple[PageTable, ...]
    only: tuple[tuple[str, tuple[str, ...]], ...]


def render(study: Study) -> Section | None:
    """Return a part for each kind that has several results."""
    views = [_part_of(several) for several in study.side_by_side]
    return Section(tuple(Heading(view.anchor, view.heading) for view in views), {"views": views}) if views else None


def _part_of(several: SideBySide) -> MatchedRuns:
    versus, anchor = several.versus, f"versus-{several.versus.kind}"
    tables = versus_tables(versus, several.letters, [placed.run.baseline for placed in several.runs])
    return MatchedRuns(
        anchor,
        several.heading,
        several.letters,
        versus,
        comparable=bool(several.changes),
        tables=page_tables(tables, several.families, anchor),
        only=tuple(
            (f"Only in {name}", alone) for name, alone in zip(several.letters, versus.only, strict=True) if alone
        ),
    )
