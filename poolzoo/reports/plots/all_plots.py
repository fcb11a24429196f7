"""The plots of a set of results, each with a text description; for the page, and as files.

A plot that would show nothing is left out: ranks of one image, curves of one size, trade-offs of one operator.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from poolzoo._files import write_all
from poolzoo.analysis.results.profile_figures import PROFILE_FIGURES
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import number_of
from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.results.summaries import by_setting, summarise
from poolzoo.analysis.results.summary_records import Setting, Summary
from poolzoo.analysis.results.training_rows import TRAIN_KIND
from poolzoo.analysis.results.verdicts import join_times, profile_rows
from poolzoo.reports.plots import profile_times, ranks, retention, scaling, tradeoff
from poolzoo.reports.plots.drawing import Drawing as Drawing
from poolzoo.reports.plots.style import PLOT_FORMATS, to_file
from poolzoo.reports.plots.sweep_curves import describe_curves, plot_sweep
from poolzoo.reports.plots.training_drawings import training_drawings
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.columns import UNEQUAL

if TYPE_CHECKING:
    pass

#: The letters of results of one kind, in headings and file names.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: A profile's costs by the name of their plot.
TRADEOFFS = {"time": "forward_s", "memory": "peak_bytes", "training-memory": "saved_bytes"}


def result_letters(results: Sequence[Result]) -> list[str]:
    """Return A, B, C, ... for results of one kind; "" for the only one of its kind."""
    kinds = [result.kind for result in results]
    places = [kinds[:number].count(kind) for number, kind in enumerate(kinds)]
    return [
        "" if kinds.count(kind) == 1 else LETTERS[place] if place < len(LETTERS) else str(place + 1)
        for kind, place in zip(kinds, places, strict=True)
    ]


def compare_drawings(
    run: RunFacts, profiles: Sequence[Result] = (), summaries: Sequence[Summary] | None = None
) -> dict[Setting, list[Drawing]]:
    """Return the plots of a comparison by setting, in the settings' order; those of all settings come with the first.

    Args:
        run: a comparison.
        profiles: give the costs, if measured with the same window.
        summaries: of its result with the profiles' times, if already computed.
    """
    summaries = join_times(summarise(run.result), profiles) if summaries is None else summaries
    drawings = {
        setting: _of_setting(setting, [s for s in group if s.scores], run.families, profiles)
        for setting, group in by_setting(summaries).items()
    }
    if drawings:
        first = next(iter(drawings))
        own_times = [] if any(summary.profiled for summary in summaries) else _of_images(run)
        drawings[first] = [*_of_sweep(run, summaries), *drawings[first], *own_times]
    return drawings


def profile_drawings(run: RunFacts) -> list[Drawing]:
    """Return the plot of a profile."""
    if not profile_times.profiled(run.result):
        return []
    return [
        Drawing(
            "profile",
            partial(profile_times.plot_profile, run),
            profile_times.describe_profile(run),
            "Median time of a forward pass, and of forward and backward together; on the right, forward time as a ratio"
            " to the baseline's.",
        )
    ]


def scaling_drawings(profiles: Sequence[RunFacts]) -> list[Drawing]:
    """Return time against size, if several profiles differ in the tensor's shape."""
    return [
        Drawing(
            "scaling",
            partial(scaling.plot_scaling, curves),
            scaling.describe_scaling(curves),
            f"Forward time of {place}, against the number of elements, fastest first; n^ is the slope of a line through"
            " the points, 1 where twice the size takes twice the time. The dashed line is the baseline's.",
        )
        for place, curves in scaling.curves_of_profiles(profiles).items()
    ]


def all_drawings(results: Sequence[Result]) -> list[Drawing]:
    """Return every plot of the results under a unique name: ``retention``, ``A-retention-nearest``."""
    profiles = [result for result in results if result.kind == "profile"]
    found: list[Drawing] = []
    runs = list(map(RunFacts.of, results))
    for run, letter in zip(runs, result_letters(results), strict=True):
        prefix = f"{letter}-" if letter else ""
        apart = compare_drawings(run, profiles) if run.result.kind == "compare" else {}
        named = profile_drawings(run) if run.result.kind == "profile" else []
        named += training_drawings(run, results) if run.result.kind == TRAIN_KIND else []
        named += [
            drawing if drawing.shared else replace(drawing, name=drawing.name + _difference(setting, list(apart)))
            for setting, drawings in apart.items()
            for drawing in drawings
        ]
        found += [replace(drawing, name=prefix + drawing.name) for drawing in named]
    return _distinct([*found, *scaling_drawings([run for run in runs if run.result.kind == "profile"])])


def save_drawings(
    folder: Path, results: Sequence[Result], spare: Callable[[Path], None] = lambda file: None
) -> list[Path]:
    """Write every plot as PNG (300 pixels per inch), SVG and PDF, as wide as two columns of a paper (7.1 inches).

    Args:
        folder: an existing, writable folder.
        results: comparisons and profiles.
        spare: called first with the name of each file; raises if the file must not be replaced.

    Returns:
        The files; after an error none are written. Equal results give equal bytes.
    """
    drawings = all_drawings(results)
    for drawing, fmt in itertools.product(drawings, PLOT_FORMATS):
        spare(folder / f"{drawing.name}.{fmt}")
    return write_all(
        (folder / f"{drawing.name}.{fmt}", to_file(figure, fmt))
        for drawing in drawings
        for figure in [drawing.draw()]
        for fmt in PLOT_FORMATS
    )


def _of_setting(
    setting: Setting, shown: Sequence[Summary], families: Mapping[str, str], profiles: Sequence[Result]
) -> list[Drawing]:
    if not shown:
        return []
    drawings = [
        Drawing(
            "retention",
            partial(retention.plot_retention, shown, families),
            retention.describe_retention(shown),
            _retention_caption(shown),
        )
    ]
    if len(retention.paired(shown)) > 1:
        drawings.append(
            Drawing(
                "differences",
                partial(retention.plot_differences, shown, families),
                retention.describe_differences(shown),
                "Score minus the baseline's, averaged over images; lines are bootstrap 95% intervals of the paired"
                " differences. Operators with hollow points, whose line reaches the dashed one, are not significantly"
                " better or worse.",
            )
        )
    rivals = ranks.ranked(shown)
    first = METRICS[next(iter(shown[0].scores))]
    if ranks.ranks_differ(rivals):
        drawings.append(
            Drawing(
                "ranks",
                partial(ranks.plot_ranks, rivals),
                ranks.describe_ranks(rivals),
                f"Mean rank by {first.title}. A bar is half the critical difference of Nemenyi's test (Demšar 2006) to"
                " either side. Operators with hollow points, whose bar misses that of the best, are significantly"
                " worse.",
            )
        )
    measured, _ = profile_rows(shown, setting, profiles) or ({}, "")
    source = tradeoff.timed_tensor(shown)
    for name, cost in TRADEOFFS.items():
        kept = {key: value for key, row in measured.items() if (value := number_of(row, cost)) is not None}
        costs = None if cost == "forward_s" else kept
        if len(tradeoff.tradeoff_points(shown, first.key, costs)) > 1:
            drawings.append(
                Drawing(
                    name,
                    partial(tradeoff.plot_tradeoff, shown, costs, source, cost),
                    tradeoff.describe_tradeoff(shown, costs, source, cost),
                    f"{first.title} against the {PROFILE_FIGURES[cost].axis} of {source}; operators that keep as"
                    " much as the baseline.",
                )
            )
    return drawings


def _retention_caption(shown: Sequence[Summary]) -> str:
    titles = ", ".join(METRICS[key].title for key in dict.fromkeys(key for summary in shown for key in summary.scores))
    scores = [score for summary in shown for score in summary.scores.values()]
    bars = ""
    if any(score.interval for score in scores):
        bars = " Lines are bootstrap 95% intervals over images."
    if any(score.spread is not None and not score.interval for score in scores):
        bars += " Lines are standard deviations over seeds" + " where there is no interval" * bool(bars) + "."
    line = " The dashed line is the baseline." if any(summary.is_baseline for summary in shown) else ""
    grey = ""
    if any(not summary.equal_kept for summary in shown):
        grey = f" Operators marked {UNEQUAL} keep a different fraction of the values."
    return f"{titles} by operator.{bars}{line} Values beyond the axis are drawn at its edge.{grey}"


def _of_sweep(run: RunFacts, summaries: Sequence[Summary]) -> list[Drawing]:
    sweep, scored = run.sweep, [summary for summary in summaries if summary.scores]
    if sweep is None or not scored:
        return []
    what = f"Retention of {sweep.pool} against {sweep.over}"
    bands = any(score.interval for summary in scored for score in summary.scores.values())
    unequal = any(not summary.equal_kept for summary in scored)
    return [
        Drawing(
            "sweep",
            partial(plot_sweep, run, summaries),
            f"{what}. {describe_curves(sweep, scored)}.",
            f"{what}; avg and max, which have no {sweep.over}, are horizontal lines."
            + " Bands are bootstrap 95% intervals over images." * bands
            + " Some points keep a different fraction of the values than the baseline: no equal comparison." * unequal,
            shared=True,
        )
    ]


def _of_images(run: RunFacts) -> list[Drawing]:
    curves = scaling.curves_of_images(run)
    if not curves:
        return []
    return [
        Drawing(
            "image-sizes",
            partial(scaling.plot_scaling, curves, "pixels"),
            scaling.describe_scaling(curves, "pixels"),
            "Forward time against the size of the image, fastest first; n^ is the slope of a line through the points, 1"
            " where twice the size takes twice the time. The dashed line is the baseline's.",
            shared=True,
        )
    ]


def _difference(setting: Setting, settings: Sequence[Setting]) -> str:
    """Return what distinguishes a setting from the others, for file names."""
    told = [f.name for f in fields(Setting) if len({getattr(other, f.name) for other in settings}) > 1]
    words = [re.sub(r"[^a-z0-9.]+", "-", str(getattr(setting, name)).lower()).strip("-")[:60] for name in told]
    return "".join(f"-{word}" for word in words if word)


def _distinct(drawings: Sequence[Drawing]) -> list[Drawing]:
    """Add numbers to names that are already used."""
    taken: set[str] = set()
    named = []
    for drawing in drawings:
        numbered = (f"{drawing.name}-{number}" for number in itertools.count(2))
        name = next(name for name in itertools.chain([drawing.name], numbered) if name not in taken)
        taken.add(name)
        named.append(replace(drawing, name=name))
    return named
