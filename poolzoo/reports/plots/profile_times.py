"""The times of a profile: forward, and forward and backward, of every operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import Row, grouped, label, number_of
from poolzoo.analysis.results.schema import PROFILE_SETTING, window_words
from poolzoo.reports.plots.style import (
    AROUND,
    BASELINE,
    FRONT,
    LINE,
    POINT,
    WIDTH,
    list_axis,
    log_axis,
    new_figure,
    operator_name,
    shortened,
    style,
)
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.numbers import TIME_UNITS, unit_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_profile(run: RunFacts) -> Figure:
    """Plot the forward and forward plus backward time of operators, fastest on top, one panel per tensor and device."""
    apart = profiled(run.result)
    heights = [AROUND + LINE * max(len(rows), 3) for _, rows in apart] or [2.0]
    series = (("forward_s", "forward", "o", POINT), ("forward_backward_s", "forward and backward", "D", FRONT))
    with style():
        figure = new_figure(WIDTH, sum(heights) + 0.25)
        panels = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, (named, rows) in zip(panels, apart, strict=False):
            size, unit = unit_of([row["forward_s"] or 0.0 for row in rows], TIME_UNITS)
            for place, row in enumerate(rows):
                ends = [time / size for key, *_ in series if (time := number_of(row, key))]
                axes.plot(ends, [place] * len(ends), color="#c9c9c9", lw=1.1, zorder=1)
                if row["ratio"]:
                    # In axes coordinates: the ratios stand in a column of their own right of the plot.
                    axes.annotate(
                        f"{row['ratio']:.{2 if row['ratio'] < 10 else 1 if row['ratio'] < 100 else 0}f}x",
                        (1.075, place),
                        xycoords=("axes fraction", "data"),
                        ha="right",
                        va="center",
                        fontsize=7,
                        color=BASELINE,
                    )
            for key, name, marker, colour in series:
                points = [(time / size, place) for place, row in enumerate(rows) if (time := number_of(row, key))]
                if points:
                    axes.plot(*zip(*points, strict=True), marker, color=colour, ms=4.2, label=name, zorder=3)
            times = [time / size for row in rows for key, *_ in series if (time := number_of(row, key))]
            log_axis(axes, "x", times, f"time ({unit}, logarithmic)")
            list_axis(
                axes,
                [operator_name(label(row), row["state"]) for row in rows],
                [run.is_baseline(row) for row in rows],
            )
            tensor = f"{named['shape']} {named['dtype']}, {named['device']}"
            text = shortened(f"{tensor}, {window_words(named)}, {named['layout']}", 90)
            axes.set_title(text, loc="left")
            if any(row["ratio"] for row in rows):
                axes.set_title(
                    f"vs {shortened(run.baseline or 'baseline', 12)}", loc="right", fontweight="normal", x=1.075
                )
        if apart:
            handles, names = panels[0].get_legend_handles_labels()
            figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return figure


def profiled(result: Result) -> list[tuple[dict[str, str | int | None], list[Row]]]:
    """Return a profile's timed rows, fastest first, grouped by tensor and device."""
    timed = [row for row in result.rows if row["forward_s"]]
    return grouped(sorted(timed, key=lambda row: (row["forward_s"] or 0.0, label(row))), PROFILE_SETTING)


def describe_profile(run: RunFacts) -> str:
    """Describe the fastest and slowest operator for each tensor, and the fastest against the baseline."""
    sentences = []
    for named, rows in profiled(run.result):
        ends = []
        for row in (rows[0], rows[-1]):
            seconds = row["forward_s"] or 0.0
            size, unit = unit_of([seconds], TIME_UNITS)
            ratio = f", {row['ratio']:.2f} times {run.baseline}" if row["ratio"] else ""
            ends.append(f"{label(row)} ({seconds / size:.3g} {unit}{ratio})")
        sentences.append(
            f"On {named['shape']} {named['dtype']} the fastest of {len(rows)} operators forward is {ends[0]}, the"
            f" slowest {ends[1]}."
        )
    return " ".join(["Time of a forward pass, and of forward and backward, fastest on top.", *sentences])
