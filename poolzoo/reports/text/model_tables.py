"""The tables of a model's profile: its cost with each operator, and each pool's share of the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from poolzoo.analysis.results.profile_figures import MODEL_FIGURES
from poolzoo.analysis.results.rows import Row, grouped, model_label
from poolzoo.analysis.results.schema import MODEL_SETTING
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.columns import Cell, Column, Line, Table, make_table, number_column
from poolzoo.reports.text.numbers import formatter
from poolzoo.reports.text.profile_tables import figure_column
from poolzoo.reports.text.words import visible


def model_tables(run: RunFacts) -> list[Table]:
    """Return a table of costs per input, and after it one of the pools' shares if the model has several pools."""
    found = []
    for named, rows in grouped(run.result.rows, MODEL_SETTING):
        found += [_cost_table(named, rows), *_sites_table(named, rows)]
    return found


def _cost_table(named: Mapping[str, str | int | None], rows: Sequence[Row]) -> Table:
    values: dict[str, list[Any]] = {key: [row.get(key) for row in rows] for key in rows[0]}
    figures = sorted(MODEL_FIGURES.values(), key=lambda figure: figure.place)
    figures = [figure for figure in figures if figure.is_told(values[figure.key])]
    notes = ["median ± interquartile range", *(f"{f.heading}: {f.note}" for f in figures if f.note)]
    columns = [figure_column(figure, values) for figure in figures]
    return make_table("Cost of the model", _caption(named), _lines(rows), columns, ["; ".join(notes)])


def _sites_table(named: Mapping[str, str | int | None], rows: Sequence[Row]) -> list[Table]:
    shares = [shares_of(row) for row in rows]
    sites = list(dict.fromkeys(where for own in shares for where in own))
    if len(sites) < 2:
        return []
    # In a narrow terminal the last pools are left out first.
    columns: list[tuple[Column, list[Cell]]] = [
        number_column(Column(visible(where), drop=place), [own.get(where) for own in shares], formatter(".1%"))
        for place, where in enumerate(sites)
    ]
    note = "share of an eager forward pass that each pool takes"
    return [make_table("Pools of the model", _caption(named), _lines(rows), columns, [note])]


def _lines(rows: Sequence[Row]) -> list[Line]:
    roles = ["failed" if row["error"] is not None else "" if row["pool"] else "baseline" for row in rows]
    return [Line((), role, model_label(row)) for row, role in zip(rows, roles, strict=True)]


def _caption(named: Mapping[str, str | int | None]) -> str:
    parts = [
        f"{named['model']}, {named['execution']}",
        f"{named['shape']} {named['dtype']} on {named['device']}",
        f"{named['threads']} thread{'s' * (named['threads'] != 1)}",
        str(named["layout"]),
    ]
    return visible(" · ".join(parts))


def shares_of(row: Row) -> dict[str, float]:
    """Return each pool's share of the time, by its place in the model."""
    found = {}
    for site in (row.get("sites") or "").split(","):
        where, _, share = site.rpartition("=")
        try:
            found[where] = float(share)
        except ValueError:  # a file that someone else wrote
            continue
    return found
