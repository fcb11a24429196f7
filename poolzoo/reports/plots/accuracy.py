"""Plots of a training: accuracy by operator, learning curves, and accuracy against retention or cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import numpy as np

from poolzoo.analysis.results.accuracy_joined import Joined
from poolzoo.analysis.results.training_rows import TrainingRow
from poolzoo.analysis.results.training_statistics import TrainedOperator, by_operator, estimate
from poolzoo.analysis.results.verdicts import pareto_front
from poolzoo.reports.plots.style import (
    AROUND,
    BASELINE,
    FRONT,
    LINE,
    MARKERS,
    POINT,
    WIDTH,
    list_axis,
    log_axis,
    name_points,
    new_figure,
    shortened,
    style,
)
from poolzoo.reports.text.numbers import TIME_UNITS, unit_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The operators whose learning curves are drawn with a name: the most accurate ones; the others are grey.
CURVES = 8


def plot_accuracy(found: Sequence[TrainedOperator], baseline: str) -> Figure:
    """Plot every operator's test accuracy with its interval, and its paired difference to the baseline.

    Args:
        found: of one data set and network, best first.
        baseline: whose row is marked by a dashed line.
    """
    shown = [one for one in found if one.accuracy]
    panels = 2 if any(one.difference for one in shown) else 1
    with style():
        figure = new_figure(WIDTH, AROUND + LINE * max(4, len(shown)))
        axes = np.atleast_1d(figure.subplots(1, panels, sharey=True))
        for panel, own in enumerate(axes):
            for place, one in enumerate(shown):
                value = one.accuracy if panel == 0 else one.difference
                if value is None:
                    continue
                own.plot([100 * value.mean], [place], "o", color=POINT, zorder=3)
                if value.interval:
                    own.plot([100 * bound for bound in value.interval], [place, place], color=POINT, lw=1, zorder=2)
            base = next((one.accuracy for one in shown if one.label == baseline), None)
            if panel == 1 or base:
                at = 0.0 if panel == 1 else 100 * base.mean if base else 0.0
                own.axvline(at, color=BASELINE, lw=0.8, ls="--", zorder=1)
        axes[0].set_xlabel("test accuracy (%)")
        if panels == 2:
            axes[1].set_xlabel(f"minus that of {shortened(baseline)} (points)")
        list_axis(axes[0], [shortened(one.label) for one in shown], [one.label == baseline for one in shown])
    return figure


def describe_accuracy(found: Sequence[TrainedOperator]) -> str:
    """Describe the accuracy of each operator, best first."""
    parts = [f"{one.label} {100 * one.accuracy.mean:.1f}%" for one in found if one.accuracy]
    return f"Test accuracy of {len(parts)} operators, best first: {', '.join(parts)}."


def curve_key(rows: Sequence[TrainingRow]) -> str:
    """Return the figure that learning curves show: accuracy on held-back images, or the training loss."""
    return "val_top1" if any(row["val_top1"] is not None for row in rows) else "train_loss"


def has_curves(rows: Sequence[TrainingRow]) -> bool:
    """Return whether there are curves: more than one epoch."""
    return len({row["epoch"] for row in rows if _value(row, curve_key(rows)) is not None}) > 1


def _value(row: TrainingRow, key: str) -> float | None:
    return cast("dict[str, float | None]", row)[key]


def plot_learning_curves(rows: Sequence[TrainingRow], found: Sequence[TrainedOperator]) -> Figure:
    """Plot the mean over seeds of each epoch; bands reach from the lowest to the highest seed.

    Args:
        rows: of one data set and network.
        found: its operators, best first.
    """
    key = curve_key(rows)
    scale = 100 if key == "val_top1" else 1
    apart = {name: own for (_, _, name), own in by_operator(rows).items()}
    from matplotlib.ticker import MaxNLocator
    from seaborn import color_palette

    colors = color_palette("colorblind", CURVES)
    with style():
        figure = new_figure(WIDTH, 3.6)
        axes = figure.subplots()
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for place, one in reversed([*enumerate(found)]):
            curve = _curve(apart.get(one.label, []), key)
            if not curve:
                continue
            epochs = [epoch for epoch, _ in curve]
            means = [scale * float(np.mean(values)) for _, values in curve]
            named = place < CURVES
            color = colors[place] if named else "#c8c8c8"
            if named:
                low, high = ([scale * pick(values) for _, values in curve] for pick in (min, max))
                axes.fill_between(epochs, low, high, color=color, alpha=0.1, lw=0)
            axes.plot(
                epochs,
                means,
                color=color,
                marker=MARKERS[place % len(MARKERS)] if named else "",
                ms=3,
                lw=1.2 if named else 0.7,
                zorder=3 if named else 1,
                label=shortened(one.label, 24) if named else None,
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel("accuracy on held-back images (%)" if scale == 100 else "training loss")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=4, frameon=False)
    return figure


def _curve(rows: Sequence[TrainingRow], key: str) -> list[tuple[int, list[float]]]:
    """Return each epoch with its values over seeds."""
    epochs = sorted({row["epoch"] for row in rows})
    found = [
        (epoch, [v for row in rows if row["epoch"] == epoch and (v := _value(row, key)) is not None])
        for epoch in epochs
    ]
    return [(epoch, values) for epoch, values in found if values]


def describe_learning_curves(rows: Sequence[TrainingRow]) -> str:
    """Describe where each operator's curve ends."""
    key = curve_key(rows)
    ends = []
    for (_, _, name), own in by_operator(rows).items():
        if curve := _curve(own, key):
            value = estimate(curve[-1][1]).mean
            ends.append(f"{name} {100 * value:.1f}%" if key == "val_top1" else f"{name} {value:.3f}")
    what = "Accuracy on held-back images" if key == "val_top1" else "Training loss"
    return f"{what} by epoch; after the last: {', '.join(ends)}."


def plot_joined(joined: Joined, baseline: str) -> Figure:
    """Plot accuracy against another figure, with the Pareto front and the names of its operators."""
    cost = joined.key == "forward_s"
    size, unit = unit_of([value for _, value, _ in joined.points], TIME_UNITS) if cost else (1.0, "")
    points = [(value / size, 100 * top1) for _, value, top1 in joined.points]
    front = front_of(joined)
    with style():
        figure = new_figure(WIDTH, 4.4)
        axes = figure.subplots()
        axes.plot(*zip(*points, strict=True), "o", color=POINT, ms=4, mec="white", mew=0.4, zorder=3)
        steps = [points[index] for index in front]
        axes.plot(
            [x for x, _ in steps],
            [y for _, y in steps],
            drawstyle="steps-post" if joined.lower_is_better else "steps-pre",
            color=FRONT,
            marker="s",
            zorder=4,
            label="Pareto front: no operator is better in both",
        )
        base = [place for place, (name, *_) in enumerate(joined.points) if name == baseline]
        for place in base:
            axes.plot(
                *points[place], "o", ms=9, mfc="none", mec=BASELINE, mew=0.9, zorder=5, label=f"baseline {baseline}"
            )
        if cost:
            log_axis(axes, "x", [x for x, _ in points], f"{joined.title} of {joined.place} ({unit}, logarithmic)")
        else:
            axes.set_xlabel(f"{joined.title}: {joined.place}")
        axes.set_ylabel("test accuracy (%)")
        axes.margins(0.08)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        path = [corner for one, two in pairwise(steps) for corner in (one, (two[0], one[1]), two)]
        texts = [shortened(name, 24) for name, *_ in joined.points]
        name_points(figure, axes, points, texts, [*front, *(place for place in base if place not in front)], path)
    return figure


def front_of(joined: Joined) -> list[int]:
    """Return the operators on the Pareto front of accuracy and the other figure, from its lowest value up."""
    sign = 1 if joined.lower_is_better else -1
    # Without the last digits: rounding must not put an operator on the front before its equal.
    front = pareto_front([(sign * value, round(top1, 10)) for _, value, top1 in joined.points])
    return front if joined.lower_is_better else front[::-1]


def describe_joined(joined: Joined) -> str:
    """Describe the Pareto front of accuracy and another figure."""
    members = [joined.points[index] for index in front_of(joined)]
    said = ", ".join(f"{name} ({value:.3g}, {100 * top1:.1f}%)" for name, value, top1 in members)
    return (
        f"Test accuracy of {len(joined.points)} operators against {joined.title} of {joined.place}. On the Pareto"
        f" front: {said}."
    )
