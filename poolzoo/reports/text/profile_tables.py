"""The tables of a profile: the cost of operators, alone and next to their retention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from poolzoo.analysis.results.profile_figures import PROFILE_FIGURES, ProfileFigure
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import Row, grouped, label, number_of
from poolzoo.analysis.results.schema import METRICS, PROFILE_SETTING, window_words
from poolzoo.analysis.results.side_by_side import COMPARED_FIGURES
from poolzoo.analysis.results.summary_records import Summary
from poolzoo.analysis.results.verdicts import profiled_state, timed_with
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.columns import (
    NOTES,
    UNEQUAL,
    UNFITTED,
    Cell,
    Column,
    Line,
    Table,
    make_table,
    number_column,
    scaled_column,
    word_column,
)
from poolzoo.reports.text.compare_tables import difference_column, left_out_notes, may_be_best, unfitted_notes
from poolzoo.reports.text.numbers import SCALED_UNITS, as_ratio, formatter, half_interval, significant
from poolzoo.reports.text.words import visible


def profile_tables(run: RunFacts) -> list[Table]:
    """Return one table per device, dtype, shape and so on, with one line per operator, fastest first."""
    return [_profile_table(named, rows, run) for named, rows in grouped(run.result.rows, PROFILE_SETTING)]


def _profile_table(named: Mapping[str, str | int | None], rows: Sequence[Row], run: RunFacts) -> Table:
    rows = sorted(rows, key=lambda row: (row["forward_s"] is None, row["forward_s"] or 0.0, label(row)))
    values: dict[str, list[Any]] = {key: [row.get(key) for row in rows] for key in rows[0]}

    built: list[tuple[Column, list[Cell]]] = []
    if len(set(values["backend"])) > 1:
        built.append(word_column("backend", values["backend"], drop=7))
    figures = sorted(PROFILE_FIGURES.values(), key=lambda figure: figure.place)
    # A column that nothing was measured for says nothing (no backward pass, no baseline).
    figures = [figure for figure in figures if figure.is_told(values[figure.key])]
    built += [figure_column(figure, values) for figure in figures]

    roles = ["failed" if row["error"] is not None else "baseline" if run.is_baseline(row) else "" for row in rows]
    caption = [
        f"{named['shape']} {named['dtype']} on {named['device']}",
        f"{named['threads']} thread{'s' * (named['threads'] != 1)}",
        str(named["layout"]),
        window_words(named),
        *([f"baseline {run.baseline}"] if "baseline" in roles else []),
        *([f"copy bandwidth {run.copy_gbps:.1f} GB/s"] if run.copy_gbps else []),
    ]
    notes = [f"{UNFITTED} {NOTES[UNFITTED]}"] * ("initial" in values["state"])
    said = [
        "median ± interquartile range",
        *(f"{f.heading}: {f.note}" for f in figures if f.note),
    ]
    notes.append("; ".join(said))
    lines = [Line((), role, label(row), row["state"] or "") for row, role in zip(rows, roles, strict=True)]
    return make_table("Cost", visible(" · ".join(caption)), lines, built, notes)


def figure_column(figure: ProfileFigure, values: Mapping[str, Sequence[Any]]) -> tuple[Column, list[Cell]]:
    """Return the column of one figure, from the rows' values by key."""
    own = values[figure.key]
    column = Column(figure.heading, drop=figure.drop, relative=figure.unit == "x")
    if figure.unit in SCALED_UNITS:
        spread = values[figure.spread] if figure.spread else None
        return scaled_column(column, own, SCALED_UNITS[figure.unit], plus=spread)
    show = as_ratio if figure.unit == "x" else formatter(".0%") if figure.unit == "%" else significant(own)
    rate = figure.unit not in ("x", "%")
    return number_column(replace(column, scaled=rate), own, show, figure.best or None)


def joined_table(summaries: Sequence[Summary], profile: Result) -> Table | None:
    """Return retention against cost: the operators of one setting, and a profile's figures for the same window.

    Args:
        summaries: of one setting, best first.
        profile: whose first tensor with that window is taken.

    Returns:
        None if the two have no operator in common. The notes name operators that only one of them has.
    """
    named, costs = next(iter(timed_with(profile, summaries[0].setting)), ({}, {}))
    group = [s for s in summaries if s.scores and (s.label, profiled_state(s)) in costs]
    if not group:
        return None
    found = [costs[summary.label, profiled_state(summary)] for summary in group]
    fair = may_be_best(group)
    built = []
    for key in dict.fromkeys(key for summary in group for key in summary.scores):
        metric = METRICS[key]
        scores = [summary.scores.get(key) for summary in group]
        plus = [half_interval(score.interval if score else None, metric.format) for score in scores]
        heading = Column(f"{metric.title} {metric.unit}".strip())
        means = [score.mean if score else None for score in scores]
        built.append(number_column(heading, means, formatter(metric.format), metric.merit, fair, plus))
        if base := next((summary.label for summary in group if summary.is_baseline), None):
            built.append(difference_column(group, key, base))
    for figure in map(PROFILE_FIGURES.__getitem__, COMPARED_FIGURES):
        measured = [number_of(row, figure.key) for row in found]
        if any(value is not None for value in measured):
            spread = [number_of(row, figure.spread) for row in found] if figure.spread else None
            built.append(scaled_column(Column(figure.heading), measured, SCALED_UNITS[figure.unit], spread, fair))
    roles = ["baseline" if s.is_baseline else "" if s.equal_kept else "unequal" for s in group]
    caption = f"times and memory of {named['shape']} {named['dtype']} on {named['device']}"
    scored = list(dict.fromkeys(summary.label for summary in summaries if summary.scores))
    profiled = list(dict.fromkeys(name for name, _ in costs))
    notes = [f"{UNEQUAL} {NOTES[UNEQUAL]}"] * ("unequal" in roles)
    notes += left_out_notes(group)
    notes += unfitted_notes(group)
    if any(score.interval for summary in group for score in summary.scores.values()):
        notes.append("± of scores: half the bootstrap 95% interval over images, of times the interquartile range")
    for who, missing in (
        ("only in the comparison", [name for name in scored if name not in profiled]),
        ("only in the profile", [name for name in profiled if name not in scored]),
    ):
        notes += [f"{who}: {', '.join(map(visible, missing))}"] * bool(missing)
    lines = [Line((), role, summary.label, summary.state) for summary, role in zip(group, roles, strict=True)]
    return make_table("Retention against cost", visible(caption), lines, built, notes)
