"""The curves of a sweep: retention against a parameter, a line for each scale of the input, avg and max beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolzoo.analysis.rows import Result
from poolzoo.analysis.summary import METRICS, Summary, summarise
from poolzoo.analysis.sweep import REFERENCES, Sweep, sweep_of
from poolzoo.reports.figures import BASELINE, MARKERS, MUTED, WIDTH, log_axis, new_figure, plain, score_axis, style
from poolzoo.reports.tables import NORMALIZED, UPSAMPLERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: How avg, max and whatever else is no value of the sweep are drawn: flat, and apart in dashes as in shade.
FLAT = ((BASELINE, "--"), (MUTED, ":"))


def plot_sweep(result: Result, summaries: Sequence[Summary] | None = None) -> Figure:
    """Every metric against the parameter: a column of panels for each metric, a row for each upsampler.

    Bands are bootstrap 95% intervals over images. The axis is logarithmic where the values are.

    Args:
        result: a comparison with a sweep in its metadata.
        summaries: of the result, where the caller has them already.

    Raises:
        ValueError: there is no sweep in it, or no number.
    """
    sweep = sweep_of(result)
    shown = [s for s in (summarise(result) if summaries is None else summaries) if s.scores]
    if sweep is None or not shown:
        raise ValueError("result: no sweep with numbers; `poolzoo sweep` makes one")
    metrics = [key for key in result.metadata["metrics"] if any(key in s.scores for s in shown)]
    upsamplers = list(dict.fromkeys(row["upsample"] for row in result.rows if row["upsample"]))
    with style():
        figure = new_figure(WIDTH, 0.35 + 2.6 * len(upsamplers))
        grid = figure.subplots(len(upsamplers), len(metrics), sharex=True, squeeze=False)
        for panels, upsample in zip(grid, upsamplers, strict=True):
            own = [summary for summary in shown if summary.setting.upsample == upsample]
            for axes, key in zip(panels, metrics, strict=True):
                _draw_panel(axes, sweep, own, key)
                if len(upsamplers) > 1:
                    axes.set_title(f"rebuilt by {plain(UPSAMPLERS.get(upsample, upsample))}", loc="left")
        for axes in grid[-1]:
            axes.set_xlabel(plain(f"{sweep.over} of {sweep.pool}"))
        handles, names = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)), frameon=False)
    return figure


def describe_curves(sweep: Sweep, summaries: Sequence[Summary]) -> str:
    """What the curves show in words, for who cannot see them: the ends and the best of each, by the first metric."""
    scored = sorted((summary for summary in summaries if summary.scores), key=_by_scale)
    if not scored:
        return ""
    metric = METRICS[next(iter(scored[0].scores))]
    sentences = []
    for setting in dict.fromkeys(summary.setting for summary in scored):
        curve = _curve(sweep, [s for s in scored if s.setting == setting], metric.key)
        if not curve:
            continue
        best = (max if metric.higher_is_better else min)(curve, key=lambda point: point[1].scores[metric.key].mean)
        ends = " to ".join(f"{s.scores[metric.key].mean:{metric.format}}" for _, s in (curve[0], curve[-1]))
        sentences.append(
            f"{NORMALIZED.get(setting.normalize, setting.normalize)}, rebuilt by "
            f"{UPSAMPLERS.get(setting.upsample, setting.upsample)}: {metric.title} from {ends}, best at "
            f"{sweep.over}={best[0]:g}"
        )
    return "; ".join(sentences)


def _curve(sweep: Sweep, summaries: Sequence[Summary], key: str) -> list[tuple[float, Summary]]:
    """The values that have a score, rising."""
    by_label = {summary.label: summary for summary in summaries if key in summary.scores}
    return [(v, by_label[spec]) for v, spec in zip(sweep.values, sweep.specs, strict=True) if spec in by_label]


def _draw_panel(axes: Axes, sweep: Sweep, summaries: Sequence[Summary], key: str) -> None:
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    settings = list(dict.fromkeys(summary.setting for summary in sorted(summaries, key=_by_scale)))
    for number, setting in enumerate(settings):
        curve = _curve(sweep, [s for s in summaries if s.setting == setting], key)
        colour = palette[number % len(palette)]
        if not curve:
            continue
        values = [value for value, _ in curve]
        scores = [summary.scores[key] for _, summary in curve]
        name = plain(NORMALIZED.get(setting.normalize, setting.normalize))
        marker = MARKERS[number % len(MARKERS)]
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
    """The order of :data:`NORMALIZED`: curves keep their colours whoever scores best."""
    names = list(NORMALIZED)
    return names.index(summary.setting.normalize) if summary.setting.normalize in names else len(names)
