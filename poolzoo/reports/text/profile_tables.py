"""The tables of a profile: the cost of operators, alone and next to their retention."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from poolzoo.analysis.results.schema import METRICS, PROFILE_SETTING, Result, label
from poolzoo.analysis.results.summaries import Summary
from poolzoo.analysis.results.verdicts import profiled_state
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.columns import (
    MISSING,
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
from poolzoo.reports.text.compare_tables import left_out_notes, may_be_best, unfitted_notes
from poolzoo.reports.text.numbers import BYTE_UNITS, TIME_UNITS, as_ratio, formatter, half_interval, significant
from poolzoo.reports.text.words import visible


def profile_tables(run: RunFacts) -> list[Table]:
    """Return one table per device, dtype, shape and so on, with one line per operator, fastest first."""
    apart = defaultdict(list)
    for row in run.result.rows:
        apart[tuple(row[key] for key in PROFILE_SETTING)].append(row)
    return [_profile_table(setting, rows, run) for setting, rows in apart.items()]


def _profile_table(setting: tuple[Any, ...], rows: Sequence[dict[str, Any]], run: RunFacts) -> Table:
    rows = sorted(rows, key=lambda row: (row["forward_s"] is None, row["forward_s"] or 0.0, label(row)))
    values = {key: [row.get(key) for row in rows] for key in rows[0]}
    named = dict(zip(PROFILE_SETTING, setting, strict=True))

    built: list[tuple[Column, list[Cell]]] = []
    if len(set(values["backend"])) > 1:
        built.append(word_column("backend", values["backend"], drop=7))
    built += [
        scaled_column(Column("forward"), values["forward_s"], TIME_UNITS, plus=values["forward_iqr_s"]),
        number_column(Column("ratio", drop=1, relative=True), values["ratio"], as_ratio),
        scaled_column(Column("backward", drop=4), values["backward_s"], TIME_UNITS, plus=values["backward_iqr_s"]),
        scaled_column(Column("fwd+bwd", drop=2), values["forward_backward_s"], TIME_UNITS),
        number_column(Column("GB/s", drop=5), values["gbps"], significant(values["gbps"]), "high"),
        number_column(Column("of copy", drop=6), values["copy_fraction"], formatter(".0%")),
        scaled_column(Column("saved", drop=3), values["saved_bytes"], BYTE_UNITS),
        scaled_column(Column("peak", drop=3), values["peak_bytes"], BYTE_UNITS),
    ]
    # A column that nothing was measured for says nothing (no backward pass, no baseline).
    built = [(column, cells) for column, cells in built if any(cell.text != MISSING for cell in cells)]

    roles = ["failed" if row["error"] is not None else "baseline" if run.is_baseline(row) else "" for row in rows]
    caption = [
        f"{named['shape']} {named['dtype']} on {named['device']}",
        f"{named['threads']} thread{'s' * (named['threads'] != 1)}",
        str(named["layout"]),
        f"kernel {named['kernel_size']}, stride {named['stride']}",
        *([f"baseline {run.baseline}"] if "baseline" in roles else []),
        *([f"copy bandwidth {run.copy_gbps:.1f} GB/s"] if run.copy_gbps else []),
    ]
    notes = [f"{UNFITTED} {NOTES[UNFITTED]}"] * ("initial" in values["state"])
    said = [
        "median ± interquartile range",
        *["saved: kept by autograd for the backward pass"] * any(value is not None for value in values["saved_bytes"]),
        *["peak: of a forward pass"] * any(value is not None for value in values["peak_bytes"]),
    ]
    notes.append("; ".join(said))
    lines = [Line((), role, label(row), row["state"] or "") for row, role in zip(rows, roles, strict=True)]
    return make_table("Cost", visible(" · ".join(caption)), lines, built, notes)


def joined_table(summaries: Sequence[Summary], profile: Result) -> Table | None:
    """Return retention against cost: the operators of one setting, and a profile's figures for the same window.

    Args:
        summaries: of one setting, best first.
        profile: whose first tensor with that window is taken.

    Returns:
        None if the two have no operator in common. The notes name operators that only one of them has.
    """
    setting = summaries[0].setting
    window = (setting.kernel_size, setting.stride)
    rows = [r for r in profile.rows if r["forward_s"] and (str(r["kernel_size"]), str(r["stride"])) == window]
    tensor = tuple(rows[0][key] for key in PROFILE_SETTING) if rows else ()
    costs = {(label(r), r["state"]): r for r in rows if tuple(r[key] for key in PROFILE_SETTING) == tensor}
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
    iqr = [row["forward_iqr_s"] for row in found]
    built.append(scaled_column(Column("forward"), [row["forward_s"] for row in found], TIME_UNITS, iqr, fair))
    for title, measure, units in (
        ("fwd+bwd", "forward_backward_s", TIME_UNITS),
        ("saved", "saved_bytes", BYTE_UNITS),
        ("peak", "peak_bytes", BYTE_UNITS),
    ):
        if any(row[measure] is not None for row in found):
            built.append(scaled_column(Column(title), [row[measure] for row in found], units, fair=fair))
    roles = ["baseline" if s.is_baseline else "" if s.equal_kept else "unequal" for s in group]
    named = dict(zip(PROFILE_SETTING, tensor, strict=True))
    caption = f"times and memory of {named['shape']} {named['dtype']} on {named['device']}"
    scored = list(dict.fromkeys(summary.label for summary in summaries if summary.scores))
    profiled = list(dict.fromkeys(name for name, _ in costs))
    notes = [f"{UNEQUAL} {NOTES[UNEQUAL]}"] * ("unequal" in roles)
    notes += left_out_notes(group)
    notes += unfitted_notes(group)
    for who, missing in (
        ("only in the comparison", [name for name in scored if name not in profiled]),
        ("only in the profile", [name for name in profiled if name not in scored]),
    ):
        notes += [f"{who}: {', '.join(map(visible, missing))}"] * bool(missing)
    lines = [Line((), role, summary.label, summary.state) for summary, role in zip(group, roles, strict=True)]
    return make_table("Retention against cost", visible(caption), lines, built, notes)
