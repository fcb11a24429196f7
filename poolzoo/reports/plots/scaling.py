"""Forward time against size, one small panel per operator."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.schema import window_words
from poolzoo.reports.plots.style import (
    BASELINE,
    LONGEST_NAME,
    MUTED,
    POINT,
    WIDTH,
    log_axis,
    new_figure,
    operator_name,
    shortened,
    style,
)
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.numbers import TIME_UNITS, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Operators per row.
CURVES_ACROSS = 5
#: Scaling is only reported if sizes span this factor.
LEAST_SPAN = 2.0


@dataclass(frozen=True)
class Curve:
    """An operator's time by size: ``points`` are (elements, seconds) by rising size."""

    name: str
    is_baseline: bool
    points: tuple[tuple[float, float], ...]

    @property
    def exponent(self) -> float:
        """Return the slope of the least-squares line through the logarithms: 1 means proportional to size."""
        import numpy as np

        sizes, times = np.log(self.points).T
        return float(np.polyfit(sizes, times, 1)[0])


def curves_of_profiles(profiles: Sequence[RunFacts]) -> dict[str, list[Curve]]:
    """Return time by size, from profiles that differ only in the tensor's shape; the keys describe what they share.

    An operator that was timed on one size only has no curve.
    """
    apart: dict[str, dict[tuple[str, bool], dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    for run in profiles:
        for row in run.result.rows:
            # A shape that a file spells otherwise is no size.
            if row["forward_s"] and re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9}){2,4}", str(row["shape"])):
                place = (
                    f"{row['shape'].count('x') - 1}D {row['dtype']} tensors on {row['device']},"
                    f" {window_words(row)}, {row['layout']}, {row['threads']} threads"
                )
                name = operator_name(label(row), row["state"])
                size = math.prod(map(int, row["shape"].split("x")))
                apart[place][name, run.is_baseline(row)].setdefault(size, row["forward_s"])
    return {place: curves for place, found in apart.items() if (curves := _curves(found))}


def curves_of_images(run: RunFacts) -> list[Curve]:
    """Return time by size from the images of a comparison: the median per size. None if all sizes are equal."""
    import numpy as np

    sizes = {image.name: float(image.size[0] * image.size[1]) for image in run.images if image.size}
    apart: dict[tuple[str, bool], dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in run.result.rows:
        if row["forward_s"] and row["image"] in sizes and row.get("input") in (None, "image"):
            name = operator_name(label(row), row["state"])
            apart[name, run.is_baseline(row)][sizes[row["image"]]].append(row["forward_s"])
    return _curves(
        {key: {size: float(np.median(times)) for size, times in points.items()} for key, points in apart.items()}
    )


def _curves(found: Mapping[tuple[str, bool], Mapping[float, float]]) -> list[Curve]:
    """Return the curves of everything that was timed over a range of sizes, fastest at the largest size first."""
    spans = {key: points for key, points in found.items() if max(points) >= LEAST_SPAN * min(points)}
    curves = [Curve(name, base, tuple(sorted(points.items()))) for (name, base), points in spans.items()]
    return sorted(curves, key=lambda curve: (curve.points[-1][1] / curve.points[-1][0], curve.name))


def plot_scaling(curves: Sequence[Curve], what: str = "elements") -> Figure:
    """Plot forward time against size, one small panel per operator with the baseline's line in each, fastest first.

    Args:
        curves: of one kind of tensor.
        what: what the horizontal axis counts: elements of a tensor, pixels of an image.
    """
    across = min(CURVES_ACROSS, max(3, len(curves)))
    down = math.ceil(len(curves) / across)
    base = next((curve for curve in curves if curve.is_baseline), None)
    seconds, unit = unit_of([time for curve in curves for _, time in curve.points], TIME_UNITS)
    large, prefix = _size_unit(curves[-1].points[-1][0])
    with style():
        figure = new_figure(WIDTH, 0.45 + 0.62 * WIDTH / across * down)
        grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for axes, curve in zip(grid.flat, curves, strict=False):
            if base is not None and curve is not base:
                axes.plot(*_scaled(base, large, seconds), color=MUTED, ls=(0, (4, 2)), lw=0.8, zorder=2)
            _curve_panel(axes, curve, *_scaled(curve, large, seconds), crowded=across == CURVES_ACROSS)
        for place, axes in enumerate(grid.flat):
            # The lowest of a column has the numbers, also where the last row is short.
            axes.tick_params(labelbottom=place + across >= len(curves))
            if place >= len(curves):
                axes.remove()
        sizes, times = zip(*(_scaled(curve, large, seconds) for curve in curves), strict=True)
        _scaling_axes(grid[0][0], [size for own in sizes for size in own], [time for own in times for time in own])
        figure.supxlabel(f"{prefix}{what}, logarithmic", fontsize=8)
        # One row of panels is lower than the words are long.
        between = "\n" if down == 1 else " "
        figure.supylabel(f"forward time{between}({unit}, logarithmic)", fontsize=8)
    return figure


def _size_unit(largest: float) -> tuple[float, str]:
    """By what sizes are divided, and the word for it."""
    named = ((1e6, "million "), (1e3, "thousand "))
    return next(((factor, name) for factor, name in named if largest >= factor), (1.0, ""))


def _scaled(curve: Curve, large: float, seconds: float) -> tuple[list[float], list[float]]:
    """A curve's sizes and times in the plot's units."""
    return [size / large for size, _ in curve.points], [time / seconds for _, time in curve.points]


def _curve_panel(axes: Axes, curve: Curve, sizes: list[float], times: list[float], *, crowded: bool) -> None:
    axes.plot(sizes, times, color=BASELINE if curve.is_baseline else POINT, marker="o", ms=2.6, zorder=3)
    axes.set_title(
        shortened(curve.name, 23 if crowded else LONGEST_NAME),
        loc="left",
        fontsize=6 if crowded else 7.5,
        fontweight="bold" if curve.is_baseline else "normal",
    )
    corner = (0.04, 0.96)
    axes.annotate(f"n^{curve.exponent:.2f}", corner, xycoords="axes fraction", va="top", fontsize=6.5, color="#4d4d4d")


def _scaling_axes(first: Axes, sizes: Sequence[float], times: Sequence[float]) -> None:
    """Logarithmic axes with few numbers, for which a small panel has room; all panels share those of the first."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    log_axis(first, "x", sizes, "")
    log_axis(first, "y", times, "")
    # Where a curve that rises is not.
    first.set_ylim(top=4 * first.get_ylim()[1])
    across, up = first.xaxis.get_major_locator(), first.yaxis.get_major_locator()
    if max(sizes) < 10 * min(sizes):
        first.xaxis.set_major_locator(MaxNLocator(2))
    elif isinstance(across, LogLocator):
        across.set_params(subs=(1.0, 3.0), numticks=4)
    if isinstance(up, LogLocator):
        up.set_params(subs=(1.0,), numticks=4)


def describe_scaling(curves: Sequence[Curve], what: str = "elements") -> str:
    """Describe which times grow most and least with size, and the fastest and slowest at the largest size."""
    order = sorted(curves, key=lambda curve: (curve.exponent, curve.name))
    least, most = (f"{curve.name} as n to the {curve.exponent:.2f}" for curve in (order[0], order[-1]))
    sizes = [size for curve in curves for size, _ in curve.points]
    return (
        f"Forward time of {len(curves)} operators against size, from {min(sizes):,.0f} to {max(sizes):,.0f} {what}: it"
        f" grows least for {least}, most for {most}. At the largest size {curves[0].name} is fastest,"
        f" {curves[-1].name} slowest."
    )
