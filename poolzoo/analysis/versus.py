"""Runs of one kind side by side: two machines, two versions, before and after a change.

Rows are matched by operator, state and setting. A comparison's change is the mean of paired differences over the images
that all runs share, with the bootstrap interval of :mod:`poolzoo.analysis.summary`; scores of other images say nothing
about a change. A profile's change is a ratio of medians.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolzoo.analysis.rows import PROFILE_SETTING, Result, label
from poolzoo.analysis.summary import Setting, Values, bootstrap_intervals, differences, groups_of, in_both

#: Figures of a profile whose changes are shown; all are better when lower.
PROFILE_FIGURES = ("forward_s", "forward_backward_s", "saved_bytes", "peak_bytes")
#: What may differ between two runs of one workload: it is what they are run for.
_RUN = ("device", "threads")
Match = tuple[tuple[str, ...], str, str]


@dataclass(frozen=True)
class Figure:
    """One measure of one operator in every run.

    Attributes:
        values: one a run, None where it has none; means over the shared images in a comparison.
        changes: of each further run to the first: the mean paired difference (compare) or the ratio (profile); None
            where either is missing.
        intervals: bootstrap 95% intervals of a comparison's changes; None for fewer than two shared images.
    """

    values: tuple[float | None, ...]
    changes: tuple[float | None, ...]
    intervals: tuple[tuple[float, float] | None, ...]


@dataclass(frozen=True)
class Versus:
    """Runs of one kind, matched.

    Attributes:
        kind: of all of them.
        measures: metric keys, or keys of :data:`PROFILE_FIGURES`, that all runs have.
        setting: names of the parts of a match's setting.
        matched: what at least two runs have, in the order of the first that has it: setting, label, state, and a
            figure for each measure.
        only: by run, labels (with a state that is not fixed) that no other run has.
        images: how many images all runs share; None for profiles.
        differing: facts of the runs that are not the same: name, then a value a run ("" where unknown).
    """

    kind: str
    measures: tuple[str, ...]
    setting: tuple[str, ...]
    matched: tuple[tuple[Match, tuple[Figure, ...]], ...]
    only: tuple[tuple[str, ...], ...]
    images: int | None
    differing: tuple[tuple[str, tuple[str, ...]], ...]


def side_by_side(runs: Sequence[Result]) -> Versus:
    """Match the rows of runs of one kind.

    Args:
        runs: at least two results; changes are to the first.

    Raises:
        ValueError: fewer than two, or of different kinds.
    """
    kinds = {run.kind for run in runs}
    if len(runs) < 2 or len(kinds) > 1:
        raise ValueError(f"runs: at least two of one kind are needed, not {[run.kind for run in runs]}")
    kind = runs[0].kind
    measures, setting, found, images = (_compared if kind == "compare" else _profiled)(runs)
    everywhere = dict.fromkeys(match for run in found for match in run)
    counts = {match: sum(match in run for run in found) for match in everywhere}
    several = [match for match in everywhere if counts[match] > 1]
    figures = (_paired_figures if kind == "compare" else _ratio_figures)(several, found, measures)
    matched = tuple(zip(several, figures, strict=True))
    only = tuple(tuple(dict.fromkeys(_named(match) for match in run if counts[match] == 1)) for run in found)
    return Versus(kind, measures, setting, matched, only, images, _differing(runs))


Found = list[dict[Match, dict[str, Any]]]


def _compared(runs: Sequence[Result]) -> tuple[tuple[str, ...], tuple[str, ...], Found, int]:
    """By match and metric, the scores of the images that all runs have; images are numbered alike in all of them."""
    measures = tuple(key for key in runs[0].metadata["metrics"] if all(key in run.metadata["metrics"] for run in runs))
    # Of a dataset run whose store is not at hand there are the rows of a sample.
    named = [run.group_images if run.groups else dict.fromkeys(r["image"] for r in run.rows) for run in runs]
    numbers = {name: number for number, name in enumerate(sorted(set().union(*named)))}
    read = []
    for run, names in zip(runs, named, strict=True):
        place = np.array([numbers[name] for name in names], dtype=np.int64)
        read.append(
            {
                (_parts(key.setting), key.label, key.state): {
                    metric: replace(v, images=place[v.images]) for metric, v in group.values.items() if len(v.images)
                }
                for key, group in groups_of(run).items()
            }
        )
    everyone = [[v.images for scores in run.values() for v in scores.values()] for run in read]
    shared = _in_all([functools.reduce(np.union1d, images, np.empty(0, np.int64)) for images in everyone])
    found: Found = [
        {match: {key: _only(v, shared) for key, v in scores.items()} for match, scores in run.items() if scores}
        for run in read
    ]
    return measures, tuple(Setting.__dataclass_fields__), found, len(shared)


def _in_all(images: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return functools.reduce(in_both, images) if images else np.empty(0, np.int64)


def _only(values: Values, images: NDArray[np.int64]) -> Values:
    """The values of ``images``, in their order."""
    chosen, here, _ = np.intersect1d(values.images, images, assume_unique=True, return_indices=True)
    return replace(values, images=chosen, means=values.means[here])


def _profiled(runs: Sequence[Result]) -> tuple[tuple[str, ...], tuple[str, ...], Found, None]:
    """By match and figure, its median. Runs that each keep to one device match across devices."""
    one_each = all(len({tuple(row[key] for key in _RUN) for row in run.rows}) <= 1 for run in runs)
    setting = tuple(key for key in PROFILE_SETTING if not (one_each and key in _RUN))
    found: Found = [
        {
            (tuple(str(row[key]) for key in setting), label(row), row["state"]): {
                key: row.get(key) for key in PROFILE_FIGURES
            }
            for row in run.rows
            if row["error"] is None
        }
        for run in runs
    ]
    return PROFILE_FIGURES, setting, found, None


def _paired_figures(matches: Sequence[Match], found: Found, measures: Sequence[str]) -> list[tuple[Figure, ...]]:
    cells = [[run.get(match, {}).get(key) for run in found] for match in matches for key in measures]
    means: list[list[float | None]] = []
    apart: list[NDArray[np.float64]] = []
    for scores in cells:
        # Only images that every run that has the operator scored: else the values would not be of the same images.
        shared = _in_all([v.images for v in scores if v is not None])
        same = [None if v is None else _only(v, shared) for v in scores]
        means.append([float(v.means.mean()) if v and len(shared) else None for v in same])
        first = same[0]
        apart += [differences(v, first) if v and first else np.empty(0) for v in same[1:]]
    # All at once, because intervals over equally many images share their draws.
    intervals = bootstrap_intervals(apart)
    with np.errstate(invalid="ignore"):
        changes = [float(d.mean()) if len(d) else None for d in apart]
    figures = []
    for place, values in enumerate(means):
        own = slice(place * (len(found) - 1), (place + 1) * (len(found) - 1))
        figures.append(Figure(tuple(values), tuple(changes[own]), tuple(intervals[own])))
    return [tuple(figures[place * len(measures) :][: len(measures)]) for place in range(len(matches))]


def _ratio_figures(matches: Sequence[Match], found: Found, measures: Sequence[str]) -> list[tuple[Figure, ...]]:
    return [
        tuple(_ratio_figure([run.get(match, {}).get(key) for run in found]) for key in measures) for match in matches
    ]


def _ratio_figure(values: Sequence[float | None]) -> Figure:
    first = values[0]
    changes = tuple(value / first if value is not None and first else None for value in values[1:])
    return Figure(tuple(values), changes, (None,) * len(changes))


def _parts(setting: Setting) -> tuple[str, ...]:
    return tuple(str(getattr(setting, name)) for name in Setting.__dataclass_fields__)


def _named(match: Match) -> str:
    _, name, state = match
    return name if state in ("fixed", None) else f"{name} ({state})"


def _differing(runs: Sequence[Result]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Versions, machine, device and so on, as far as they are not the same in all runs."""
    facts = []
    for run in runs:
        known = {key: run.metadata.get(key) for key in ("poolzoo", "created", "device", "dtype", "seed", "command")}
        if run.kind == "profile":
            known |= {key: ", ".join(sorted({str(row[key]) for row in run.rows})) for key in _RUN}
        dataset = run.metadata.get("dataset")
        known |= {"dataset": dataset.get("folder")} if isinstance(dataset, dict) else {}
        machine = run.metadata.get("machine")
        known |= machine if isinstance(machine, dict) else {}
        facts.append({str(key): _text(value) for key, value in known.items()})
    names = dict.fromkeys(name for run in facts for name in run)
    columns = {name: tuple(run.get(name, "") for run in facts) for name in names}
    return tuple((name, values) for name, values in columns.items() if len(set(values)) > 1)


def _text(value: Any) -> str:
    """A fact as text, whatever a file made of it."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
