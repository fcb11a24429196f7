"""The common style of all plots: size, colours, type, axes, names next to points, and figures as files.

A figure is as wide as two columns of a paper (7.1 inches), with text of 7 to 8 points, so that a file fits into a paper
unchanged, and a page shows the same plot larger. Hues are seaborn's "colorblind" palette. Everything that a hue shows
is also shown by a shape, a position or a weight, so a grey print loses nothing.

Every function works on its own ``Figure`` and not on pyplot's current figure, so plots can be drawn in any process
without a display. Bytes are deterministic: no dates, hashed ids.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from poolzoo.analysis.results.schema import METRICS, state_title
from poolzoo.reports.text.words import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

#: Inches: two columns of a paper, a line of a list of operators, and the space around a panel.
WIDTH, LINE, AROUND = 7.1, 0.152, 0.75
#: Pixels per inch of a PNG file.
DPI = 300
LONGEST_NAME = 34
POINT, BASELINE, FRONT, MUTED = "#0173b2", "#222222", "#de8f05", "#7a7a7a"
MARKERS = "oDs^vPX<>p*dh8H"

# fmt: off
_RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"], "font.size": 8, "text.usetex": False,
    "axes.labelsize": 8, "axes.titlesize": 8, "axes.titleweight": "bold", "axes.labelpad": 3, "axes.titlepad": 4,
    "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "axes.edgecolor": "#9a9a9a", "axes.linewidth": 0.7, "grid.color": "#e6e6e6", "grid.linewidth": 0.6,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.bottom": True, "xtick.color": "#444444",
    "xtick.major.size": 3, "xtick.major.width": 0.7, "xtick.minor.size": 0, "ytick.major.size": 0,
    "lines.linewidth": 1.2, "lines.markersize": 4, "patch.linewidth": 0,
}
# fmt: on
#: Metadata that matplotlib would write although it changes from run to run, or is not needed.
_UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
    "pdf": {"CreationDate": None},
}
PLOT_FORMATS = tuple(_UNDATED)
_SAVING: dict[Any, Any] = {"svg.hashsalt": "poolzoo", "svg.fonttype": "path", "pdf.fonttype": 42}

#: Possible places of a name: distances from its point, in points, and directions, in degrees.
_NEAR = (5.0, 9.0)
_FAR = (15.0, 24.0, 34.0, 46.0, 60.0, 76.0)
_AROUND = (0, 180, 90, 270, 45, 135, 315, 225)
_BETWEEN = (15, 165, 345, 195, 30, 150, 330, 210, 60, 120, 300, 240, 75, 105, 285, 255)


@contextmanager
def style() -> Iterator[None]:
    """Apply the common style inside the context."""
    import matplotlib as mpl
    import seaborn as sns

    with sns.axes_style("whitegrid"), mpl.rc_context(_RC), _quiet():
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings about characters that the font lacks, which are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure without a window or global state; sizes are in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: Figure, scale: float = 2) -> bytes:
    """Return the figure as PNG; ``scale`` 1 is 100 pixels per inch."""
    return _saved(figure, "png", 100 * scale)


def to_file(figure: Figure, fmt: str) -> bytes:
    """Return the figure as the content of a file.

    Args:
        figure: what to draw.
        fmt: ``png`` (300 pixels per inch), ``svg`` with glyphs as paths, or ``pdf`` with embedded fonts.
    """
    return _saved(figure, fmt, DPI)


def to_svg(figure: Figure, prefix: str = "") -> str:
    """Return the figure as one ``<svg>`` element for a page: glyphs are paths, so it needs no font.

    Args:
        figure: what to draw.
        prefix: put before every id, so that several figures in one page share none.
    """
    svg = _saved(figure, "svg", 72, transparent=True).decode()
    svg = svg[svg.index("<svg") :]
    # Names of XML namespaces mean nothing inside HTML, and a page that fetches nothing need not name a host.
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg.replace("xlink:href", "href"))
    # matplotlib styles every element of the document; in a page that would reach beyond the figure.
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    # A policy that forbids styles from elsewhere forbids style attributes too; as plain attributes they say the same.
    svg = re.sub(r' style="([^"]*)"', lambda found: _attributes(found[1]), svg)
    # Comments repeat every label, which the glyphs already draw.
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = svg.replace("<svg ", '<svg stroke-linejoin="round" stroke-linecap="butt" ', 1)
    if prefix:
        svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}", svg)
    return svg


def _attributes(style: str) -> str:
    """Return CSS such as ``fill: none; stroke: #000`` as presentation attributes."""
    pairs = (part.split(":", 1) for part in style.split(";") if part.strip())
    return "".join(f' {name.strip()}="{value.strip()}"' for name, value in pairs)


def _saved(figure: Figure, fmt: str, dpi: float, *, transparent: bool = False) -> bytes:
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context(_SAVING), _quiet():
        figure.savefig(stream, format=fmt, dpi=dpi, metadata=_UNDATED[fmt], transparent=transparent)
    return stream.getvalue()


def operator_name(text: str, state: str | None, longest: int = LONGEST_NAME) -> str:
    """Return an operator's name with its state, cut to a length."""
    return shortened(text, longest) + ("" if state in ("fixed", None, "") else plain(f" ({state_title(state)})"))


def shortened(text: str, longest: int = LONGEST_NAME) -> str:
    """Return ``text`` cut to a length and safe to draw."""
    return plain(text if len(text) <= longest else f"{text[: longest - 1]}…")


def plain(text: object) -> str:
    """Return ``text`` so that matplotlib does not read it as mathematics or fail on it."""
    text = visible(text)
    # An underscore first would hide a legend entry.
    return (f" {text}" if text.startswith("_") else text).replace("$", r"\$")


def list_axis(axes: Axes, names: Sequence[str], bold: Sequence[bool], grey: Sequence[bool] = ()) -> None:
    """Write names down the left side, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    for place, tick in enumerate(axes.get_yticklabels()):
        tick.set_fontweight("bold" if bold[place] else "normal")
        tick.set_color(MUTED if grey and grey[place] else BASELINE)


def score_axis(key: str) -> str:
    """Label a metric's axis: its title, its unit, and which direction is better."""
    return ", ".join(axis_words(key))


def axis_words(key: str) -> tuple[str, str]:
    """Return a metric with its unit, and which direction is better."""
    metric = METRICS[key]
    unit = f" ({metric.unit})" if metric.unit else ""
    if metric.target is not None:
        return f"{metric.title}{unit}", f"{metric.target:g} is best"
    return f"{metric.title}{unit}", f"{'higher' if metric.higher_is_better else 'lower'} is better"


def score_limits(values: Sequence[float], higher_is_better: bool) -> tuple[float, float]:
    """Return the bounds of an axis: all finite values except far worse ones (beyond three quartile ranges)."""
    finite = sorted(value for value in values if math.isfinite(value))
    if not finite:
        return 0.0, 1.0
    first, third = finite[len(finite) // 4], finite[(3 * len(finite)) // 4]
    reach = 3 * (third - first)
    if reach > 0 and higher_is_better:
        finite = [value for value in finite if value >= first - reach]
    elif reach > 0:
        finite = [value for value in finite if value <= third + reach]
    low, high = finite[0], finite[-1]
    pad = 0.0 if high > low else max(abs(low) * 0.01, 1e-6)
    return low - pad, high + pad


def log_axis(axes: Axes, which: str, values: Sequence[float], what: str) -> None:
    """Make an axis logarithmic with plain numbers, and with enough ticks if it spans less than a decade.

    Args:
        axes: whose axis.
        which: ``x`` or ``y``.
        values: the drawn values; if one is zero, the axis covers four decades and is linear below.
        what: its name.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    axis = getattr(axes, f"{which}axis")
    if min(values, default=1.0) <= 0:
        least = 10.0 ** math.ceil(math.log10(max(low, high / 1e4)))
        getattr(axes, f"set_{which}scale")("symlog", linthresh=least, linscale=0.6)
        getattr(axes, f"set_{which}lim")(-0.3 * least, high * 1.5)
        decades = range(round(math.log10(least)), math.floor(math.log10(high * 1.5)) + 1)
        axis.set_major_locator(FixedLocator([0.0, *(10.0**decade for decade in decades)]))
        axis.set_minor_locator(NullLocator())
    else:
        getattr(axes, f"set_{which}scale")("log")
        getattr(axes, f"set_{which}lim")(low / 1.3, high * 1.4)
        axis.set_major_locator(LogLocator(10, subs=(1.0,) if high / low > 60 else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
    getattr(axes, f"set_{which}label")(what)


def name_points(
    figure: Figure,
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    marked: Sequence[int],
    path: Sequence[tuple[float, float]],
) -> None:
    """Write names next to points so that none covers another name, a point or a line; a name that does not fit is left
    out.

    A name away from its point is connected to it by a thin line. Afterwards the layout is fixed, so that files of any
    resolution look the same.

    Args:
        figure: finished except for the names.
        axes: the axes of the points.
        points: as many as ``texts``.
        texts: their names.
        marked: the indices of names that are placed first, in bold.
        path: a line that names must not cover, in data coordinates.
    """
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    spots = axes.transData.transform(list(points)).tolist() if points else []
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in spots]
    for start, end in pairwise(axes.transData.transform(list(path)).tolist() if len(path) else []):
        taken += _along(start, end)
    inside = axes.get_window_extent()
    seen: set[str] = set()
    for index in [*marked, *(index for index in range(len(points)) if index not in marked)]:
        if texts[index] in seen:
            continue
        seen.add(texts[index])
        bold = index in marked
        text = axes.annotate(
            texts[index],
            points[index],
            (0, 0),
            textcoords="offset points",
            fontsize=7,
            fontweight="bold" if bold else "normal",
            color=BASELINE if bold else "#4d4d4d",
            zorder=6,
            in_layout=False,
        )
        size = text.get_window_extent()
        found = _free_place(spots[index], size.width, size.height, taken, inside, figure.dpi / 72)
        if found is None:
            text.remove()
            continue
        box, tie = found
        text.set_position(((box.x0 - spots[index][0]) * 72 / figure.dpi, (box.y0 - spots[index][1]) * 72 / figure.dpi))
        taken.append(box.padded(1.5 * figure.dpi / 72))
        if tie:
            taken += _along(*tie)
            (x0, y0), (x1, y1) = axes.transData.inverted().transform(tie)
            axes.plot([x0, x1], [y0, y1], color="#b0b0b0", lw=0.5, zorder=2, label="_tie", in_layout=False)


def _free_place(
    spot: Sequence[float], width: float, height: float, taken: Sequence[Bbox], inside: Bbox, scale: float
) -> tuple[Bbox, tuple[Sequence[float], Sequence[float]] | None] | None:
    """Return the nearest place where a name covers nothing, and the line that connects it to its point; pixels."""
    from matplotlib.transforms import Bbox

    for distance in (*_NEAR, *_FAR):
        for angle in (*_AROUND, *(_BETWEEN if distance in _FAR else ())):
            cos, sin = round(math.cos(math.radians(angle)), 9), round(math.sin(math.radians(angle)), 9)
            # The box's point that is nearest to the spot.
            x, y = spot[0] + distance * scale * cos, spot[1] + distance * scale * sin
            left = x - width * (0.5 if cos == 0 else cos < 0)
            bottom = y - height * (0.5 if sin == 0 else sin < 0)
            box = Bbox.from_bounds(left, bottom, width, height)
            if box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1:
                continue
            tie = None
            if distance in _FAR:
                start = (spot[0] + 4 * scale * cos, spot[1] + 4 * scale * sin)
                tie = (start, (x, y))
            if not any(box.overlaps(other) for other in taken) and not (
                tie and any(step.overlaps(other) for step in _along(*tie)[1:] for other in taken)
            ):
                return box, tie
    return None


def _along(start: Sequence[float], end: Sequence[float]) -> list[Bbox]:
    """Return a line as a row of small boxes; pixels."""
    from matplotlib.transforms import Bbox

    (x0, y0), (x1, y1) = start, end
    steps = max(2, round(math.hypot(x1 - x0, y1 - y0) / 4))
    return [
        Bbox.from_bounds(x0 + (x1 - x0) * step / steps - 1, y0 + (y1 - y0) * step / steps - 1, 2, 2)
        for step in range(steps + 1)
    ]
