"""The rows of a table that a reader needs first; the others are folded into lines that open.

Operators that do not differ from the baseline share one line. Of the rest, ten stay in sight: the baseline, those that
the verdict names, and the best by the table's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from poolzoo.analysis.results.summary_records import Summary
from poolzoo.analysis.results.training_statistics import TrainedOperator
from poolzoo.analysis.results.verdicts import Verdict
from poolzoo.reports.page.placed import PageLine, PageTable
from poolzoo.reports.page.study import counted_operators, unique
from poolzoo.reports.text.words import listed

#: The rows of a table that stay in sight, and the names on the line of those that do not differ from the baseline.
ROWS_IN_SIGHT, NAMES_ON_LINE = 10, 5
#: The folds of a table.
SAME, REST = "same", "rest"
#: An operator and its state.
RowKey = tuple[str, str]


def folded(
    table: PageTable, first: Sequence[RowKey], same: Iterable[RowKey], baseline: str | None, alike_words: str = ""
) -> PageTable:
    """Return a table with its folds; the same table if it has no more rows than stay in sight.

    Args:
        table: the rows, best first.
        first: the rows that matter most, the most important first; more than stay in sight are cut.
        same: the rows that do not differ from the baseline by their interval.
        baseline: its name.
        alike_words: what the rows of ``same`` are; "" for not different from the baseline.
    """
    if len(table.lines) <= ROWS_IN_SIGHT:
        return table
    keys = [(line.name, line.state) for line in table.lines]
    alike = set(same) - set(first)
    others = [key for key, line in zip(keys, table.lines, strict=True) if key not in alike and not line.role]
    shown = set([key for key in unique_keys([*first, *others]) if key in keys][:ROWS_IN_SIGHT])
    lines = tuple(
        replace(line, fold="" if key in shown else SAME if key in alike else REST)
        for key, line in zip(keys, table.lines, strict=True)
    )
    alike_words = alike_words or f"not different from {baseline}"
    found = [(SAME, _same_words([line for line in lines if line.fold == SAME], alike_words))]
    counts = f"Show all {len(lines)} rows: {counted_operators(unique(line.name for line in lines))}"
    found.append((REST, counts + ", in several states" * (len(unique_keys(keys)) > len({name for name, _ in keys}))))
    return replace(table, lines=lines, folds=tuple(fold for fold in found if fold[1]))


def _same_words(lines: Sequence[PageLine], alike: str) -> str:
    if not lines:
        return ""
    names = listed(unique(line.name for line in lines), NAMES_ON_LINE)
    counted, whose = ("1 row", "its") if len(lines) == 1 else (f"{len(lines)} rows", "their")
    return f"{counted} {alike} by {whose} interval: {names}"


def unique_keys(keys: Iterable[RowKey]) -> list[RowKey]:
    """Return each key once, in their order."""
    return list(dict.fromkeys(keys))


def named_by(verdicts: Sequence[Verdict], group: Sequence[Summary]) -> list[Summary]:
    """Return the baseline and the operators that a setting's verdicts name, the most important first."""
    found = [summary for summary in group if summary.is_baseline]
    for place, verdict in enumerate(verdicts):
        leads = verdict.leads if place == 0 else verdict.leads[:1]
        # Who shares the lead with the baseline does not differ from it.
        alone = [lead for lead in leads if not any(summary.is_baseline for summary in lead.best)]
        found += [summary for lead in alone for summary in lead.best[:2]]
        if place == 0:
            found += [verdict.cost.fastest] if verdict.cost else []
            found += [summary for summary, _ in verdict.front]
            found += [lead.runner_up.other for lead in leads if lead.runner_up]
    return found


def undistinguished(group: Iterable[Summary]) -> list[Summary]:
    """Return the operators whose difference to the baseline has an interval for every metric, each with 0 in it."""
    return [
        summary
        for summary in group
        if summary.scores
        and summary.equal_kept
        and not summary.is_baseline
        and all(score.differs is False for score in summary.scores.values())
    ]


def undistinguished_trained(found: Iterable[TrainedOperator]) -> list[TrainedOperator]:
    """Return the trained operators whose difference to the baseline has an interval with 0 in it."""
    return [
        one
        for one in found
        if one.difference and one.difference.interval and one.difference.interval[0] <= 0 <= one.difference.interval[1]
    ]


def keys_of(summaries: Iterable[Summary], states: Mapping[str, str], *, stated: bool) -> list[RowKey]:
    """Return the rows of summaries in a table.

    Args:
        summaries: in any order.
        states: the words of states.
        stated: whether the table has a column of states.
    """
    return [(s.label, states.get(s.state, s.state) if stated else "") for s in summaries]
