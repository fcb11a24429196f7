"""Plots of a result with seaborn: retention by operator, retention against time, and what operators cost.

Every function returns a matplotlib ``Figure`` of its own: nothing goes through pyplot's current figure, so plots can be
drawn in any process without a display and leave nothing behind. Bytes are deterministic: no dates, hashed ids.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from poolzoo.analysis.rows import PROFILE_SETTING, Result, label
from poolzoo.analysis.summary import METRICS, Score, Summary
from poolzoo.analysis.verdict import pareto_front
from poolzoo.reports.tables import TIME_UNITS, unit_of, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_NAME = 34
POINT, BASELINE, FRONT, MUTED = "#0173b2", "#222222", "#de8f05", "#8a8a8a"
MARKERS = "oDs^vPX<>p"


def plot_retention(summaries: Sequence[Summary], families: Mapping[str, str] | None = None) -> Figure:
    """Every operator's score as a point, best on top, a panel for each metric.

    Error bars are the interval over images, or the spread over seeds where there is one image. Scores far worse than
    the rest stand at the edge with their value, so that one bad operator does not hide what differs among the others.

    Args:
        summaries: of one setting; those with errors only are left out.
        families: registry name to family, for the colours.
    """
    import seaborn as sns
    from matplotlib.lines import Line2D

    shown = [summary for summary in summaries if summary.scores]
    # The first metric asked for sorted the operators: its panel comes first.
    metrics = list(dict.fromkeys(key for summary in shown for key in summary.scores))
    names = sorted({(families or {}).get(summary.pool, "") for summary in shown} - {""})
    # Seven colours that the colour-blind can tell apart and that stand out on white; shapes tell further families.
    palette = [sns.color_palette("colorblind")[index] for index in (0, 1, 2, 3, 4, 5, 9)]
    colours = {"": POINT, **{name: palette[number % len(palette)] for number, name in enumerate(names)}}
    markers = {"": "o", **{name: MARKERS[number % len(MARKERS)] for number, name in enumerate(names)}}
    with _style():
        figure = new_figure(9.5, 1.6 + 0.25 * len(shown))
        panels = figure.subplots(1, max(1, len(metrics)), sharey=True, squeeze=False)[0]
        for axes, key in zip(panels, metrics, strict=False):
            _retention_panel(axes, shown, key, families or {}, colours, markers)
        axes = panels[0]
        axes.set_yticks(range(len(shown)), [_name(summary.label, summary.state) for summary in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        for tick, summary in zip(axes.get_yticklabels(), shown, strict=True):
            tick.set_fontweight("bold" if summary.is_baseline else "normal")
            tick.set_color("#262626" if summary.equal_kept else MUTED)
        if names:
            handles = [Line2D([], [], color=colours[name], marker=markers[name], ls="") for name in names]
            figure.legend(
                handles,
                [_short(name) for name in names],
                loc="outside lower center",
                ncols=min(6, len(names)),
                frameon=False,
            )
    return figure


def plot_tradeoff(
    summaries: Sequence[Summary], seconds: Mapping[tuple[str, str], float] | None = None, source: str = "one image"
) -> Figure:
    """Retention by the first metric against the time of a forward pass, the Pareto front marked.

    Args:
        summaries: of one setting.
        seconds: forward time by (label, state); the summaries' own where None.
        source: what was timed, for the axis.
    """
    import seaborn as sns

    metric = next((METRICS[key] for summary in summaries for key in summary.scores), METRICS["psnr"])
    points = tradeoff_points(summaries, metric.key, seconds)
    sign = 1 if metric.higher_is_better else -1
    front = pareto_front([(time, sign * value) for _, time, value in points])
    low, high = _limits([value for *_, value in points], metric.higher_is_better)
    size, unit = unit_of([time for _, time, _ in points], TIME_UNITS)
    times = [time / size for _, time, _ in points]
    values = [min(max(value, low), high) for *_, value in points]
    with _style():
        figure = new_figure(9.5, 5.6)
        axes = figure.subplots()
        axes.set_xscale("log")
        sns.scatterplot(x=times, y=values, color=POINT, s=42, ax=axes, zorder=3, linewidth=0)
        axes.plot(
            [times[index] for index in front],
            [values[index] for index in front],
            color=FRONT,
            lw=1.6,
            marker="o",
            ms=7,
            zorder=4,
            label="Pareto front: nothing faster retains as much",
        )
        for (summary, *_), time, value in zip(points, times, values, strict=True):
            if summary.is_baseline:
                axes.plot(
                    [time],
                    [value],
                    "o",
                    ms=12,
                    mfc="none",
                    mec=BASELINE,
                    zorder=5,
                    label=f"baseline {_short(summary.label)}",
                )
        margin = 0.06 * (high - low)
        axes.set_ylim(low - margin, high + margin)
        _time_axis(axes, times, unit, f"forward time of {source}")
        axes.set_ylabel(_score_axis(metric.key))
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        always = [index for index, (summary, *_) in enumerate(points) if summary.is_baseline]
        texts = []
        for summary, _, value in points:
            off = "" if low <= value <= high else f" ▾ {value:{metric.format}}".replace("inf", "∞")
            texts.append(_name(summary.label, summary.state, longest=24) + off)
        _label_points(figure, axes, list(zip(times, values, strict=True)), texts, front, always)
    return figure


def tradeoff_points(
    summaries: Sequence[Summary], metric: str, seconds: Mapping[tuple[str, str], float] | None = None
) -> list[tuple[Summary, float, float]]:
    """Who can be placed by cost and score: ``(summary, seconds, score)`` at the baseline's ``kept``, without NaN."""
    points = []
    for summary in summaries:
        time = summary.forward_s if seconds is None else seconds.get((summary.label, summary.state))
        score = summary.scores.get(metric)
        if summary.equal_kept and time and score and not math.isnan(score.mean):
            # Without the last digits: rounding must not put an operator on the front before its equal.
            points.append((summary, time, round(score.mean, 10)))
    return points


def plot_profile(result: Result) -> Figure:
    """Forward and forward plus backward time of every operator, fastest on top; a panel for each tensor and device."""
    import pandas as pd
    import seaborn as sns

    apart: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in result.rows:
        if row["forward_s"]:
            apart.setdefault(tuple(row[key] for key in PROFILE_SETTING), []).append(row)
    heights = [1.4 + 0.25 * len(rows) for rows in apart.values()] or [2.0]
    series = (("forward_s", "forward"), ("forward_backward_s", "forward and backward"))
    with _style():
        figure = new_figure(9.5, sum(heights))
        panels = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, (setting, rows) in zip(panels, apart.items(), strict=False):
            rows = sorted(rows, key=lambda row: (row["forward_s"], label(row)))
            size, unit = unit_of([row["forward_s"] for row in rows], TIME_UNITS)
            frame = pd.DataFrame(
                [
                    {"time": row[key] / size, "operator": place, "pass": name}
                    for key, name in series
                    for place, row in enumerate(rows)
                    if row[key]
                ]
            )
            for place, row in enumerate(rows):
                ends = [row[key] / size for key, _ in series if row[key]]
                axes.plot(ends, [place] * len(ends), color="#c9c9c9", lw=1.5, zorder=1)
                if row["ratio"]:
                    # In axes coordinates: the ratios stand in a column of their own right of the plot.
                    axes.annotate(
                        f"{row['ratio']:.2f}x",
                        (1.01, place),
                        xycoords=("axes fraction", "data"),
                        va="center",
                        fontsize=8.5,
                        color=BASELINE,
                    )
            sns.scatterplot(
                frame,
                x="time",
                y="operator",
                hue="pass",
                style="pass",
                palette=[POINT, FRONT][: frame["pass"].nunique()],
                s=46,
                ax=axes,
                zorder=3,
            )
            axes.legend(loc="upper right", title=None, fontsize=8.5, framealpha=0.9)
            axes.set_xscale("log")
            _time_axis(axes, list(frame["time"]), unit, "time")
            axes.set_yticks(range(len(rows)), [_name(label(row), row["state"]) for row in rows])
            axes.set(ylabel="", ylim=(len(rows) - 0.4, -0.6))
            for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
                tick.set_fontweight("bold" if label(row) == result.metadata.get("baseline") else "normal")
            named = dict(zip(PROFILE_SETTING, setting, strict=True))
            title = f"{named['shape']} {named['dtype']}, {named['device']}, kernel {named['kernel_size']}"
            title = _short(f"{title}, stride {named['stride']}, {named['layout']}", 90)
            axes.set_title(title, loc="left", fontsize=10)
            if any(row["ratio"] for row in rows):
                axes.set_title(
                    f"vs {_short(result.metadata.get('baseline') or 'baseline', 16)}", loc="right", fontsize=9
                )
    return figure


def to_png(figure: Figure, scale: float = 2) -> bytes:
    """The figure as PNG; ``scale`` 1 is 100 pixels an inch."""
    stream = io.BytesIO()
    with _quiet():
        figure.savefig(stream, format="png", dpi=100 * scale, metadata={"Software": None})
    return stream.getvalue()


def to_svg(figure: Figure, prefix: str = "") -> str:
    """The figure as one ``<svg>`` element for a page: glyphs as paths, so that it needs no font.

    Args:
        figure: what to draw.
        prefix: put before every id, so that several figures in one page share none.
    """
    import matplotlib as mpl

    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": "poolzoo", "svg.fonttype": "path"}), _quiet():
        figure.savefig(stream, format="svg", metadata=nothing, transparent=True)
    svg = stream.getvalue()
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
    """``fill: none; stroke: #000`` as presentation attributes."""
    pairs = (part.split(":", 1) for part in style.split(";") if part.strip())
    return "".join(f' {name.strip()}="{value.strip()}"' for name, value in pairs)


@contextmanager
def _style() -> Iterator[None]:
    import seaborn as sns

    rc = {"grid.color": "#e4e4e4", "axes.edgecolor": "#bbbbbb", "font.family": ["DejaVu Sans"], "text.usetex": False}
    with sns.axes_style("whitegrid", rc), sns.plotting_context("notebook", font_scale=0.8), _quiet():
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """A name in a script that the font lacks is drawn as boxes; the reader of a report has no use for the warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that belongs to no window and to no global state; inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _retention_panel(
    axes: Axes,
    shown: Sequence[Summary],
    key: str,
    families: Mapping[str, str],
    colours: Mapping[str, Any],
    markers: Mapping[str, str],
) -> None:
    import numpy as np
    import pandas as pd
    import seaborn as sns

    metric = METRICS[key]
    scored = [(place, summary, summary.scores[key]) for place, summary in enumerate(shown) if key in summary.scores]
    bars = {place: _bar(score) for place, _, score in scored}
    # Operators that keep another share of the numbers do not set the scale of those that can be compared.
    scaling = [(place, score) for place, summary, score in scored if summary.equal_kept] or [
        (p, s) for p, _, s in scored
    ]
    low, high = _limits([score.mean for _, score in scaling], metric.higher_is_better)
    inside = [bars[place] for place, score in scaling if low <= score.mean <= high]
    low, high = min([low, *(bar[0] for bar in inside)]), max([high, *(bar[1] for bar in inside)])
    frame = pd.DataFrame(
        {
            "score": [min(max(score.mean, low), high) for *_, score in scored],
            "operator": [place for place, *_ in scored],
            "family": [families.get(summary.pool, "") for _, summary, _ in scored],
        }
    )
    sns.scatterplot(
        frame,
        x="score",
        y="operator",
        hue="family",
        hue_order=sorted(set(frame["family"]), key=lambda name: (name == "", name)),
        style="family",
        palette={name: colours[name] for name in set(frame["family"])},
        markers={name: markers[name] for name in set(frame["family"])},
        s=50,
        ax=axes,
        zorder=3,
        legend=False,
    )
    for place, summary, score in scored:
        if not low <= score.mean <= high:
            below = score.mean < low
            text = f"{score.mean:{metric.format}}".replace("inf", "∞")
            axes.annotate(
                f"◂ {text}" if below else f"{text} ▸",
                (low if below else high, place),
                (9 if below else -9, 0),
                textcoords="offset points",
                ha="left" if below else "right",
                va="center",
                fontsize=8,
                color=MUTED,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
            continue
        axes.plot(np.clip(bars[place], low, high), [place] * 2, color=MUTED, lw=1.3, zorder=2)
        if summary.is_baseline:
            axes.axvline(score.mean, color=BASELINE, lw=1, ls="--", zorder=1)
    margin = 0.05 * (high - low)
    axes.set(xlim=(low - margin, high + margin), xlabel=_score_axis(key), ylabel="")


def _bar(score: Score) -> tuple[float, float]:
    """The ends of an error bar: over images, else over seeds, else no bar."""
    spread = score.spread or 0.0
    return score.interval or (score.mean - spread, score.mean + spread)


def _limits(values: Sequence[float], higher_is_better: bool) -> tuple[float, float]:
    """Bounds of an axis: all finite values but those far on the bad side (beyond three quartile ranges)."""
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


def _score_axis(key: str) -> str:
    metric = METRICS[key]
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.title}{unit}, {'higher' if metric.higher_is_better else 'lower'} is better"


def _time_axis(axes: Axes, times: Sequence[float], unit: str, what: str) -> None:
    """Plain numbers on a logarithmic axis, with ticks enough to read it where it spans less than a decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = min(times, default=1.0), max(times, default=1.0)
    axes.set_xlim(low / 1.25, high * 1.35)
    wide = high / low > 1000
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{what} ({unit}, logarithmic)")


def _name(text: str, state: str, longest: int = LONGEST_NAME) -> str:
    return _short(text, longest) + ("" if state in ("fixed", None, "") else plain(f" ({state})"))


def _short(text: str, longest: int = LONGEST_NAME) -> str:
    return plain(text if len(text) <= longest else f"{text[: longest - 1]}…")


def plain(text: object) -> str:
    """``text`` so that matplotlib neither reads mathematics into it nor stumbles over it."""
    text = visible(text)
    # An underscore first would hide a legend entry.
    return (f" {text}" if text.startswith("_") else text).replace("$", r"\$")


def _label_points(
    figure: Figure,
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    front: Sequence[int],
    always: Sequence[int],
) -> None:
    """Write names beside points: the front's and ``always``, the others' only where they cover nothing."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    spots = axes.transData.transform(list(points)).tolist() if points else []
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in spots]
    # The front's line is in the way too: as a row of small boxes.
    line = [spots[index] for index in front]
    for (x0, y0), (x1, y1) in pairwise(line):
        steps = max(2, round(math.hypot(x1 - x0, y1 - y0) / 6))
        for step in range(steps + 1):
            x, y = x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps
            taken.append(Bbox.from_bounds(x - 2, y - 2, 4, 4))
    inside = axes.get_window_extent(renderer)
    offsets = [
        (8, 0, "left", "center"),
        (-8, 0, "right", "center"),
        (0, 8, "center", "bottom"),
        (0, -8, "center", "top"),
    ]
    offsets += [(7, 7, "left", "bottom"), (-7, 7, "right", "bottom"), (7, -7, "left", "top"), (-7, -7, "right", "top")]
    offsets += [
        (14, 16, "left", "bottom"),
        (14, -16, "left", "top"),
        (-14, 16, "right", "bottom"),
        (-14, -16, "right", "top"),
    ]
    seen = set()
    rest = [index for index in range(len(points)) if index not in front]
    for index in [*front, *(index for index in always if index in rest), *(i for i in rest if i not in always)]:
        marked = index in front
        best = None
        for dx, dy, ha, va in offsets:
            text = axes.annotate(
                texts[index],
                points[index],
                (dx, dy),
                textcoords="offset points",
                ha=ha,
                va=va,
                fontsize=9 if marked else 8,
                fontweight="bold" if marked else "normal",
                color=BASELINE if marked else "#666666",
                zorder=6,
            )
            box = text.get_window_extent(renderer)
            covered = sum(box.overlaps(other) for other in taken) + 3 * (
                box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1
            )
            text.remove()
            if best is None or covered < best[0]:
                best = (covered, text, box)
            if not covered:
                break
        if best and (marked or index in always or not best[0]) and texts[index] not in seen:
            axes.add_artist(best[1])
            taken.append(best[2])
            seen.add(texts[index])
