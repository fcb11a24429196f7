"""The curves of a sweep: retention against a parameter, one line per scale of the input, with avg and max."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.results.summary_records import Setting, Summary
from poolzoo.analysis.scoring.protocol import NORMALIZATIONS
from poolzoo.analysis.studies.sweep import REFERENCES, Sweep
from poolzoo.reports.plots.style import BASELINE, MARKERS, MUTED, WIDTH, log_axis, new_figure, plain, score_axis, style
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.words import rebuilding, scale_title, upsampler_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Styles of avg, max and other lines without a parameter value: horizontal, with different dashes and shades.
FLAT = ((BASELINE, "--"), (MUTED, ":"))


def plot_sweep(run: RunFacts, summaries: Sequence[Summary] | None = None) -> Figure:
    """Plot every metric against the parameter, one panel per metric and upsampler, two panels per line.

    Bands are bootstrap 95% intervals over images. The axis is logarithmic where the values are.

    Args:
        run: a comparison with a sweep.
        summaries: of its result, if already computed.

    Raises:
        ValueError: it is not a sweep, or has no numbers.
    """
    sweep = run.sweep
    shown = [s for s in (summarise(run.result) if summaries is None else summaries) if s.scores]
    if sweep is None or not shown:
        raise ValueError("result: no sweep with numbers; `poolzoo sweep` makes one")
    metrics = [key for key in run.metrics if any(key in s.scores for s in shown)]
    upsamplers = list(dict.fromkeys(row["upsample"] for row in run.result.rows if row["upsample"]))
    with style():
        pairs = [metrics[start : start + 2] for start in range(0, len(metrics), 2)]
        panels = [(upsample, keys) for upsample in upsamplers for keys in pairs]
        figure = new_figure(WIDTH, 0.35 + 2.6 * len(panels))
        grid = figure.subplots(len(panels), min(2, len(metrics)), squeeze=False)
        for row, (upsample, keys) in zip(grid, panels, strict=True):
            own = [summary for summary in shown if summary.setting.upsample == upsample]
            for axes, key in itertools.zip_longest(row, keys):
                if key is None:
                    axes.remove()
                    continue
                _draw_panel(axes, sweep, own, key)
                axes.set_xlabel(plain(f"{sweep.over} of {sweep.pool}"))
                if len(upsamplers) > 1:
                    axes.set_title(f"rebuilt by {plain(upsampler_title(upsample))}", loc="left")
        handles, names = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)), frameon=False)
    return figure


def describe_values(sweep: Sweep) -> str:
    """Return what was varied, in words."""
    count = len(sweep.values)
    ends = f"{count} values of {sweep.over} from {sweep.values[0]:g} to {sweep.values[-1]:g}"
    at = ends if count > 1 else f"{sweep.over}={sweep.values[0]:g}"
    return f"{sweep.pool} at {at}, with {' and '.join(REFERENCES)} for comparison"


def describe_curves(sweep: Sweep, summaries: Sequence[Summary]) -> str:
    """Describe the curves for readers who cannot see them: the ends and the best of each, by the first metric."""
    scored = sorted((summary for summary in summaries if summary.scores), key=_by_scale)
    metric = METRICS[next(iter(scored[0].scores))]
    sentences = []
    for setting in dict.fromkeys(summary.setting for summary in scored):
        for state, curve in _curves(sweep, [s for s in scored if s.setting == setting], metric.key).items():
            best = max(curve, key=lambda point: metric.merit(point[1].scores[metric.key].mean))
            ends = " to ".join(f"{s.scores[metric.key].mean:{metric.format}}" for _, s in (curve[0], curve[-1]))
            sentences.append(
                f"{_scale(setting, state)}, {rebuilding(setting)}: {metric.title} from {ends}, best at "
                f"{sweep.over}={best[0]:g}"
            )
    return "; ".join(sentences) or f"no value of {sweep.over} has a score"


def _curves(sweep: Sweep, summaries: Sequence[Summary], key: str) -> dict[str, list[tuple[float, Summary]]]:
    """Return the curves by state (a stochastic operator has two): the values that have a score, rising."""
    known = {(s.state, s.label): s for s in summaries if key in s.scores}
    points = list(zip(sweep.values, sweep.specs, strict=True))
    states = sorted({state for state, spec in known if spec in sweep.specs})
    return {state: [(v, known[state, spec]) for v, spec in points if (state, spec) in known] for state in states}


def _scale(setting: Setting, state: str) -> str:
    """Return a curve's name: the scale of its input and, for a stochastic operator, its mode."""
    name = scale_title(setting.normalize)
    return f"{name}, {state} mode" if state in ("train", "eval") else name


def _draw_panel(axes: Axes, sweep: Sweep, summaries: Sequence[Summary], key: str) -> None:
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    settings = list(dict.fromkeys(summary.setting for summary in sorted(summaries, key=_by_scale)))
    curves = [
        (plain(_scale(setting, state)), curve)
        for setting in settings
        for state, curve in _curves(sweep, [s for s in summaries if s.setting == setting], key).items()
    ]
    for number, (name, curve) in enumerate(curves):
        colour, marker = palette[number % len(palette)], MARKERS[number % len(MARKERS)]
        values = [value for value, _ in curve]
        scores = [summary.scores[key] for _, summary in curve]
        axes.plot(values, [score.mean for score in scores], color=colour, marker=marker, label=name)
        if all(score.interval for score in scores):
            low, high = zip(*(score.interval for score in scores if score.interval), strict=True)
            axes.fill_between(values, low, high, color=colour, alpha=0.1, lw=0)
    # Average and maximum are the same on every scale.
    flat = {s.label: s.scores[key].mean for s in summaries if s.label in REFERENCES and key in s.scores}
    for (name, score), (colour, dashes) in zip(sorted(flat.items()), FLAT, strict=False):
        axes.axhline(score, color=colour, ls=dashes, lw=1, label=plain(name), zorder=1)
    if sweep.spacing == "log":
        log_axis(axes, "x", sweep.values, "")
    axes.set_ylabel(score_axis(key))


def _by_scale(summary: Summary) -> int:
    """Return the order of :data:`NORMALIZATIONS`: curves keep their colours whichever scores best."""
    names = list(NORMALIZATIONS)
    return names.index(summary.setting.normalize) if summary.setting.normalize in names else len(names)
