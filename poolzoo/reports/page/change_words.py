"""The differences between runs side by side, in words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from poolzoo.analysis.results.profile_figures import PROFILE_FIGURES
from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.results.side_by_side import Versus, named
from poolzoo.reports.page.verdict_words import Entry
from poolzoo.reports.text.numbers import signed


def changes_of(versus: Versus, letters: Sequence[str]) -> tuple[Entry, ...]:
    """Return, for each measure and further run, the median change and the extremes over the matched operators.

    Args:
        versus: the runs, matched.
        letters: the runs' letters.
    """
    said = []
    for place, measure in enumerate(versus.measures):
        sentences = []
        for run, letter in enumerate(letters[1:]):
            changes = [(figures[place].changes[run], named(match)) for match, figures in versus.matched]
            known = sorted((change, name) for change, name in changes if change is not None and math.isfinite(change))
            if known:
                sentences.append(_change(measure, known, letter))
        if sentences:
            title = METRICS[measure].title if measure in METRICS else PROFILE_FIGURES[measure].title
            said.append(Entry(title, tuple(sentences)))
    return tuple(said)


def _change(measure: str, known: Sequence[tuple[float, str]], letter: str) -> str:
    """Return, for example, ``B − A: median 0.0000 over 12 operators, from -0.0010 (max) to +0.0020 (avg).``"""
    metric = METRICS.get(measure)
    (low, first), (high, last) = known[0], known[-1]
    show = signed(metric.format) if metric else lambda value: f"{value:.2f}"
    least, middle, most = (show(value) for value in (low, statistics.median(value for value, _ in known), high))
    span = f", from {least} ({first}) to {most} ({last})" if least != most else ""
    how = f"{letter} − A" if metric else f"{letter} / A"
    unit = f" {metric.unit}" if metric and metric.unit else ""
    return f"{how}: median {middle}{unit} over {len(known)} operators{span}."
