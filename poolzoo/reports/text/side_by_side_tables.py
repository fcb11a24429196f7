"""The tables of runs side by side: each measure in every run, and its change from the first run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from poolzoo.analysis.results.profile_figures import PROFILE_FIGURES
from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.results.side_by_side import Figure, Versus
from poolzoo.reports.text.columns import (
    MISSING,
    Cell,
    Column,
    Line,
    Table,
    make_table,
    number_column,
)
from poolzoo.reports.text.compare_tables import TOO_FEW, left_out_text
from poolzoo.reports.text.numbers import (
    SCALED_UNITS,
    as_ratio,
    formatter,
    half_interval,
    signed,
    significant,
    unit_of,
)
from poolzoo.reports.text.words import visible


def versus_tables(versus: Versus, letters: Sequence[str], baselines: Sequence[str | None]) -> list[Table]:
    """Return runs side by side, one table per setting: each measure in every run, and its change from the first run.

    Args:
        versus: the runs, matched.
        letters: the letter of each run in headings.
        baselines: of each run; the first one's line is marked.
    """
    apart = defaultdict(list)
    for (setting, name, state), figures in versus.matched:
        apart[setting].append((name, state, figures))
    drawn = []
    best_low = bool(versus.measures) and not (
        versus.measures[0] in METRICS and METRICS[versus.measures[0]].higher_is_better
    )
    for setting, lines in apart.items():
        lines.sort(key=lambda line: _first_value(line[2], best_low))
        built = []
        for place, measure in enumerate(versus.measures):
            built += _versus_columns(measure, [figures[place] for *_, figures in lines], letters)
        caption = [f"{name} {value}" for name, value in zip(versus.setting, setting, strict=True)]
        protocol = dict(zip(versus.setting, setting, strict=True)).get("protocol", "")
        if versus.images is not None:
            caption.append(f"{versus.images} image{'s' * (versus.images != 1)} in common")
        built = [(column, cells) for column, cells in built if any(cell.text != MISSING for cell in cells)]
        if not any(column.number for column, _ in built):
            continue
        notes = [
            left_out_text(left_out, protocol, "operators in these runs")
            for left_out in versus.left_out.get(setting, ())
        ]
        if any(interval for *_, figures in lines for figure in figures for interval in figure.intervals):
            notes.append("± half the bootstrap 95% interval of the paired change, image by image")
        elif versus.images is not None:
            notes.append(TOO_FEW)
        if versus.sampled:
            notes.append(
                "a page or file of a dataset run contains the rows of a few images; the store has those of all images"
            )
        named = [Line((), "baseline" if name == baselines[0] else "", name, state or "") for name, state, _ in lines]
        drawn.append(make_table("Runs side by side", visible(" · ".join(caption)), named, built, notes))
    return drawn


def _first_value(figures: Sequence[Figure], best_low: bool) -> tuple[bool, float]:
    """Return a sort key: best first by the first measure in the first run, missing values last."""
    value = figures[0].values[0] if figures else None
    return value is None, 0.0 if value is None else round(value if best_low else -value, 10)


def _versus_columns(measure: str, figures: Sequence[Figure], letters: Sequence[str]) -> list[tuple[Column, list[Cell]]]:
    columns = []
    if measure in METRICS:
        metric = METRICS[measure]
        size, unit, heading, show = 1.0, metric.unit, metric.title, formatter(metric.format)
        change, as_text = signed(metric.format), metric.format
    else:
        about = PROFILE_FIGURES[measure]
        heading, units = about.heading, SCALED_UNITS[about.unit]
        known = [value for figure in figures for value in figure.values if value is not None]
        size, unit = unit_of(known, units)
        show, change, as_text = significant([value / size for value in known]), as_ratio, ".2f"
    for run, letter in enumerate(letters):
        values = [figure.values[run] for figure in figures]
        whole = f"{heading} {unit}".strip()
        columns.append(
            number_column(Column(f"{whole} {letter}"), [None if v is None else v / size for v in values], show)
        )
        if run:
            title = f"{letter} − {letters[0]}" if measure in METRICS else f"{letter} / {letters[0]}"
            plus = [half_interval(figure.intervals[run - 1], as_text) for figure in figures]
            changes = [figure.changes[run - 1] for figure in figures]
            columns.append(
                number_column(
                    Column(title, relative=True, of=whole, unit=unit * (measure in METRICS)), changes, change, plus=plus
                )
            )
    return columns
