"""The tables of a comparison: one per setting, with one line per operator and state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.schema import METRICS, Metric
from poolzoo.analysis.results.summaries import INTERVAL_IMAGES, by_setting
from poolzoo.analysis.results.summary_records import Setting, Summary
from poolzoo.analysis.results.values import NAMED, LeftOut
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.columns import (
    MISSING,
    NOTES,
    UNEQUAL,
    UNFITTED,
    Cell,
    Column,
    Line,
    Table,
    make_table,
    number_column,
    scaled_column,
    word_column,
)
from poolzoo.reports.text.numbers import TIME_UNITS, as_ratio, formatter, half_interval, signed
from poolzoo.reports.text.words import NOUNS, rebuilding, scale_title, visible

TOO_FEW = f"too few images for an interval: at least {INTERVAL_IMAGES} are needed"


def compare_tables(run: RunFacts, summaries: Sequence[Summary]) -> list[Table]:
    """Return one table per setting, with one line per operator and state: best first; for a sweep, by rising value."""
    if sweep := run.sweep:
        # The curve, from the first value to the last, and what it is held against below.
        place = {spec: number for number, spec in enumerate(sweep.specs)}
        summaries = sorted(
            summaries, key=lambda s: (place.get(s.label, len(place)), s.state if s.label in place else "")
        )
    own = [*_fitted_notes(run), *placing_notes(run)]
    built = [
        _compare_table(setting, group, run.metrics, run.baseline) for setting, group in by_setting(summaries).items()
    ]
    return [replace(table, notes=(*table.notes, *own)) for table in built]


def _compare_table(setting: Setting, group: Sequence[Summary], metrics: Sequence[str], baseline: str | None) -> Table:
    images, seeds = max(summary.images for summary in group), max(summary.seeds for summary in group)
    kept = sorted({round(summary.kept, 4) for summary in group if summary.kept is not None})
    has_baseline = any(summary.is_baseline for summary in group)

    built: list[tuple[Column, list[Cell]]] = []
    for number, key in enumerate(metrics):
        built += _metric_columns(group, key, baseline if has_baseline else None, first=number == 0)
    if any(summary.rank is not None for summary in group):
        built.append(
            number_column(Column("rank", drop=4, aside=True), [s.rank for s in group], formatter(".2f"), "low")
        )
    if len(kept) > 1:
        built.append(number_column(Column("kept", drop=5), [s.kept for s in group], formatter(".3g")))
    seconds = [summary.forward_s for summary in group]
    if any(value is not None for value in seconds):
        fair = [summary.equal_kept and summary.images > 0 for summary in group]
        built.append(scaled_column(Column("time", drop=2), seconds, TIME_UNITS, fair=fair))
        if len({summary.timed_backend for summary in group}) > 1:
            backends = [summary.timed_backend or MISSING for summary in group]
            built.append(word_column("backend", backends, drop=8, aside=True))
    if any(summary.ratio is not None for summary in group):
        ratio = Column("ratio", drop=3, relative=True, of="time", aside=True)
        built.append(number_column(ratio, [s.ratio for s in group], as_ratio))

    roles = [
        "failed" if not s.images else "baseline" if s.is_baseline else "" if s.equal_kept else "unequal" for s in group
    ]
    notes = _compare_notes(group, roles, metrics, baseline if not has_baseline else None)
    noun = NOUNS.get(setting.input, "image")
    caption = [
        *([setting.input] if setting.of_features else []),
        setting.window_words,
        rebuilding(setting),
        scale_title(setting.normalize),
        *([f"{kept[0]:.3g} of the values kept"] if len(kept) == 1 else []),
        f"{images} {noun}{'s' * (images != 1)}",
        *([f"{seeds} seed{'s' * (seeds != 1)} in train mode"] if seeds else []),
        *([f"baseline {baseline}"] if has_baseline else []),
        *(METRICS[key].note_of(features=setting.of_features) for key in metrics),
    ]
    lines = [Line((), role, summary.label, summary.state) for summary, role in zip(group, roles, strict=True)]
    return make_table("Information retained", visible(" · ".join(caption)), lines, built, notes)


def _metric_columns(
    group: Sequence[Summary], key: str, baseline: str | None, *, first: bool
) -> list[tuple[Column, list[Cell]]]:
    """Return a metric's mean and median and, if there is a baseline, the difference to it."""
    metric = METRICS[key]
    scores = [summary.scores.get(key) for summary in group]
    heading = f"{metric.title} {metric.unit}".strip()
    fair = may_be_best(group)
    if max(summary.images for summary in group) > 1:
        plus = [half_interval(s.interval if s else None, metric.format) for s in scores]
    else:
        plus = [f"±{s.spread:{metric.format}}" if s and s.spread is not None else "" for s in scores]
    columns = [
        number_column(
            Column(heading, drop_plus=4 if first else 6, scaled=_is_an_error(metric)),
            [s.mean if s else None for s in scores],
            formatter(metric.format),
            metric.merit,
            fair,
            plus,
        )
    ]
    # Of two numbers the median is the mean.
    if max(summary.images for summary in group) > 2:
        medians = [s.median if s else None for s in scores]
        column = Column("median", drop=6 if first else 8, of=heading, aside=True)
        columns.append(number_column(column, medians, formatter(metric.format), metric.merit, fair))
    if baseline:
        columns.append(difference_column(group, key, baseline, drop=1 if first else 7))
    return columns


def difference_column(group: Sequence[Summary], key: str, baseline: str, drop: int = 0) -> tuple[Column, list[Cell]]:
    """Return the differences of a metric to the baseline, which has none to itself."""
    metric, name = METRICS[key], visible(baseline)
    others = [None if summary.is_baseline else summary.scores.get(key) for summary in group]
    return number_column(
        Column(
            f"vs {name}" if len(name) <= 8 else "vs baseline",
            drop=drop,
            relative=True,
            of=f"{metric.title} {metric.unit}".strip(),
            unit=metric.unit,
        ),
        [score.difference if score else None for score in others],
        signed(metric.format),
        plus=[half_interval(score.difference_interval if score else None, metric.format) for score in others],
    )


def _is_an_error(metric: Metric) -> bool:
    """Return whether the metric is zero for equal images and in proportion to their difference, so that ratios say
    something.
    """
    return not metric.higher_is_better and metric.target is None and not metric.unit


def _compare_notes(
    group: Sequence[Summary], roles: Sequence[str], metrics: Sequence[str], missing_baseline: str | None
) -> list[str]:
    notes = [f"{UNEQUAL} {NOTES[UNEQUAL]}"] * ("unequal" in roles)
    notes += unfitted_notes(group)
    most = max(summary.images for summary in group)
    if partial := list(dict.fromkeys(visible(summary.label) for summary in group if 0 < summary.images < most)):
        notes.append(f"never marked best, because images are missing: {', '.join(partial)}")
    notes += left_out_notes(group)
    seeds = max(summary.seeds for summary in group)
    if max(summary.images for summary in group) > 1:
        scores = [score for summary in group for score in summary.scores.values()]
        if any(score.interval for score in scores):
            paired = "; differences to the baseline are paired by image"
            notes.append("± half the bootstrap 95% interval over images" + paired * (missing_baseline is None))
        notes += [TOO_FEW] * any(score.images < INTERVAL_IMAGES for score in scores)
        spreads = [_spread(summary, metrics) for summary in group if summary.state == "train"]
        notes += [f"spread over seeds: {'; '.join(filter(None, spreads))}"] * any(spreads)
    elif seeds > 1:
        notes.append(f"± standard deviation over {seeds} seeds")
    if any(summary.rank is not None for summary in group):
        first = METRICS[metrics[0]].title
        notes.append(f"rank: by {first}, 1 is best, averaged over images; equal scores share the mean rank")
    if tensors := [name for name in dict.fromkeys(s.timed for s in group) if name]:
        profiled = any(summary.profiled for summary in group)
        by = "by poolzoo profile" if profiled else "with the timer of poolzoo profile"
        notes.append(visible(f"time: median of a forward pass of {'; '.join(tensors)}, {by}"))
    if missing_baseline:
        notes.append(f"the baseline {visible(missing_baseline)} has no rows here, so there are no differences to it")
    return notes


def may_be_best(group: Sequence[Summary]) -> list[bool]:
    """Return which may be the best: not those that keep more values, nor those that lack images."""
    most = max(summary.images for summary in group)
    return [summary.equal_kept and summary.images == most for summary in group]


def unfitted_notes(group: Sequence[Summary]) -> list[str]:
    unfitted = {summary.pool for summary in group if summary.state == "initial"}
    average = " (an untrained LIP is exactly average pooling)" * ("lip" in unfitted)
    return [f"{UNFITTED} {NOTES[UNFITTED]}{average}"] * bool(unfitted)


def left_out_notes(group: Sequence[Summary]) -> list[str]:
    """Return which images of one setting are not counted in any mean, by metric."""
    found = {
        key: (score.left_out, score.images)
        for summary in group
        for key, score in summary.scores.items()
        if score.left_out
    }
    return [
        f"{left_out_text(left_out, group[0].setting.protocol)}; means and medians are over the other {images}"
        for left_out, images in found.values()
    ]


def left_out_text(left_out: LeftOut, protocol: str, members: str = "operators") -> str:
    """Return, for example, ``PSNR: 1 image rebuilt exactly by all: blank.png``; at low resolution "matched exactly"."""
    exact = "matched exactly" if protocol == "lowres" else "rebuilt exactly"
    what = exact if METRICS[left_out.metric].exact else "without a value"
    named = [(visible(name), by) for name, by in left_out.named]
    of_all = min(left_out.by_all, NAMED)
    parts = []
    for count, who, names in (
        (left_out.by_all, "by all", [name for name, _ in named[:of_all]]),
        (
            left_out.by_some,
            "by some",
            [f"{name} (by {by} of {left_out.operators} {members})" for name, by in named[of_all:]],
        ),
    ):
        if count:
            more = f" and {count - len(names)} more" * (count > len(names))
            parts.append(f"{count} image{'s' * (count != 1)} {what} {who}: {', '.join(names)}{more}")
    return f"{METRICS[left_out.metric].title}: {'; '.join(parts)}"


def _fitted_notes(run: RunFacts) -> list[str]:
    """Return the training images of fitted operators, grouped, and the operators that kept their initial parameters."""
    learned: dict[str, list[str]] = {}
    for row in run.result.rows:
        if (words := row.get("pool_fitted_on")) and label(row) not in learned.setdefault(words, []):
            learned[words].append(label(row))
    names = len({tuple(labels) for labels in learned.values()}) > 1
    shown = {label(row): None for row in run.result.rows if row["state"] == "fitted" and row["error"] is None}
    kept = [name for name in shown if name in run.unchanged]
    return [
        visible(f"fitted{' ' + ', '.join(labels) if names else ''}: trained on {words}")
        for words, labels in learned.items()
    ] + [visible(f"not changed by fitting, which found nothing significantly better: {', '.join(kept)}")] * bool(kept)


def placing_notes(run: RunFacts) -> list[str]:
    """Return which operators' values are placed otherwise than by the windows, one note per way."""
    ways: dict[str, list[str]] = {}
    for operator in run.operators:
        if operator.placing:
            ways.setdefault(operator.placing, []).append(operator.label)
    return [visible(f"{', '.join(labels)}: values are placed {way}") for way, labels in ways.items()]


def _spread(summary: Summary, metrics: Sequence[str]) -> str:
    parts = [
        f"{score.spread:{METRICS[key].format}} {METRICS[key].unit or METRICS[key].title}"
        for key in metrics
        if (score := summary.scores.get(key)) and score.spread is not None
    ]
    return f"{visible(summary.label)} {', '.join(parts)}" if parts else ""
