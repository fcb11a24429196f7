"""The table of a training: test accuracy by operator, with intervals over seeds and paired differences."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from poolzoo.analysis.results.training_statistics import (
    Estimate,
    TrainedOperator,
    seeds_needed,
    summarise_training,
    training_rows,
)
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.columns import (
    Cell,
    Column,
    Line,
    Table,
    make_table,
    number_column,
    scaled_column,
    word_column,
)
from poolzoo.reports.text.numbers import BYTE_UNITS, formatter
from poolzoo.reports.text.words import visible

#: The difference, in points of per cent, for which the table says how many seeds it needs.
DIFFERENCE = 0.5
_PERCENT, _POINTS = formatter(".2f"), formatter("+.2f")


def training_tables(run: RunFacts) -> list[Table]:
    """Return a table per data set and network."""
    summaries = summarise_training(run.result)
    return [
        _table(run, [*group]) for _, group in itertools.groupby(summaries, key=lambda found: (found.data, found.model))
    ]


def _table(run: RunFacts, found: Sequence[TrainedOperator]) -> Table:
    baseline = run.baseline or "as given"
    lines = [Line((), _role(one, baseline), one.label) for one in found]
    accuracy = [one.accuracy for one in found]
    differences = [one.difference for one in found]
    columns: list[tuple[Column, list[Cell]]] = [
        _percent_column(Column("test top-1 %", better="high"), accuracy),
        _points_column(Column(f"to {baseline}", drop=3, relative=True, of="test top-1 %", unit="points"), differences),
        number_column(
            Column(f"seeds for {DIFFERENCE}", drop=6, aside=True),
            [_needed(difference) for difference in differences],
            formatter(".0f"),
        ),
        number_column(Column("top-5 %", drop=5), [_scaled(one.top5) for one in found], _PERCENT, "high"),
        number_column(Column("seeds", drop=4, aside=True), [len(one.top1) for one in found], formatter(".0f")),
        number_column(Column("parameters", drop=7, scaled=True), [one.parameters for one in found], formatter(",.0f")),
        scaled_column(Column("memory", drop=8), [one.peak_bytes for one in found], BYTE_UNITS),
        number_column(
            Column("images/s", drop=2, scaled=True), [one.images_per_s for one in found], formatter(",.0f"), "high"
        ),
    ]
    columns = [(column, cells) for column, cells in columns if any(cell.value is not None for cell in cells)]
    if any(one.failed or one.unfinished for one in found):
        columns.append(word_column("note", [_note(one) for one in found], drop=1))
    return make_table("Test accuracy", _caption(run, found[0]), lines, columns, _notes(baseline, found))


def _role(one: TrainedOperator, baseline: str) -> str:
    return "failed" if one.accuracy is None else "baseline" if one.label == baseline else ""


def _percent_column(column: Column, found: Sequence[Estimate | None]) -> tuple[Column, list[Cell]]:
    plus = [f"±{_PERCENT(100 * one.half_width)}" if one and one.half_width is not None else "" for one in found]
    return number_column(column, [_scaled(one.mean) if one else None for one in found], _PERCENT, "high", plus=plus)


def _points_column(column: Column, found: Sequence[Estimate | None]) -> tuple[Column, list[Cell]]:
    plus = [f"±{_PERCENT(100 * one.half_width)}" if one and one.half_width is not None else "" for one in found]
    return number_column(column, [_scaled(one.mean) if one else None for one in found], _POINTS, plus=plus)


def _scaled(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _needed(difference: Estimate | None) -> float | None:
    if difference is None or not difference.deviation:
        return None
    return seeds_needed(100 * difference.deviation, DIFFERENCE)


def _note(one: TrainedOperator) -> str:
    parts = [f"seed {seed}: {why}" for seed, why in one.failed.items()]
    parts += [f"seed {', '.join(map(str, one.unfinished))} unfinished"] * bool(one.unfinished)
    return "; ".join(parts)


def _caption(run: RunFacts, one: TrainedOperator) -> str:
    rows = training_rows(run.result)
    epochs = {row["epochs"] for row in rows if row["epochs"]}
    counts = [str(run.result.metadata.get(key)) for key in ("train_images", "test_images")]
    parts = [f"{one.model} on {one.data}"]
    parts += [f"{counts[0]} training and {counts[1]} test images"] * ("None" not in counts)
    parts += [f"{count} epoch{'s' * (count != 1)}" for count in epochs] if len(epochs) == 1 else []
    return visible(" · ".join(parts))


def _notes(baseline: str, found: Sequence[TrainedOperator]) -> list[str]:
    notes = []
    if any(one.accuracy and one.accuracy.interval for one in found):
        notes.append(
            "± half of a 95% t interval over seeds; differences are paired by seed; intervals are not adjusted for the"
            " number of operators"
        )
    if any(one.difference and one.difference.deviation for one in found):
        notes.append(
            f"seeds for {DIFFERENCE}: seeds with which a paired t test finds a difference of {DIFFERENCE} points to"
            f" {baseline}, 80% power"
        )
    return notes
