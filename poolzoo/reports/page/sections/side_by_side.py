"""Results of one kind side by side: the differences between the runs, and the change of each operator."""

from __future__ import annotations

from dataclasses import dataclass

from poolzoo.analysis.results.schema import state_title
from poolzoo.analysis.results.side_by_side import Versus
from poolzoo.analysis.results.summary_records import holds_zero
from poolzoo.reports.page.matters import folded
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


def _with_folds(part: PageTable, versus: Versus, baseline: str | None) -> PageTable:
    """Return a table in which rows whose every change has an interval with 0 in it share a line."""
    same: dict[tuple[str, str], bool] = {}
    for (_, name, state), figures in versus.matched:
        intervals = [interval for figure in figures for interval in figure.intervals]
        alike = bool(intervals) and all(interval and holds_zero(interval) for interval in intervals)
        same[name, state] = alike and same.get((name, state), True)
    stated = any(line.state for line in part.lines)
    found = {(name, state_title(state or "") if stated else ""): alike for (name, state), alike in same.items()}
    rows = [(line.name, line.state) for line in part.lines]
    return folded(
        part,
        [key for key in rows if key[0] == baseline],
        [key for key in rows if found.get(key)],
        baseline,
        "not changed",
    )


def _part_of(several: SideBySide) -> MatchedRuns:
    versus, anchor = several.versus, f"versus-{several.versus.kind}"
    baselines = [placed.run.baseline for placed in several.runs]
    tables = page_tables(versus_tables(versus, several.letters, baselines), several.families, anchor)
    return MatchedRuns(
        anchor,
        several.heading,
        several.letters,
        versus,
        comparable=bool(several.changes),
        tables=tuple(_with_folds(part, versus, baselines[0]) for part in tables),
        only=tuple(
            (f"Only in {name}", alone) for name, alone in zip(several.letters, versus.only, strict=True) if alone
        ),
    )
