"""Runs of one kind side by side: two machines, two versions, before and after a change.

Rows are matched by operator, state and setting. A comparison's change is the mean of paired differences over the images
that all runs share, with the bootstrap interval of :mod:`poolzoo.analysis.results.summaries`; scores of other images
are not used, nor are those that :mod:`poolzoo.analysis.results.values` leaves out, here from all runs.
A profile's change is a ratio of medians.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolzoo.analysis.results.profile_figures import PROFILE_FIGURES
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import label, number_of, values_of
from poolzoo.analysis.results.schema import PROFILE_SETTING, state_title
from poolzoo.analysis.results.summaries import bootstrap_intervals, groups_of, image_names
from poolzoo.analysis.results.summary_records import Setting
from poolzoo.analysis.results.values import LeftOut, Values, count_alike, differences, in_both

#: Figures of a profile whose changes are shown; all are better when lower.
COMPARED_FIGURES = tuple(figure.key for figure in PROFILE_FIGURES.values() if figure.compared)
#: The keys that may differ between two runs of one workload.
_RUN = ("device", "threads")
#: The row keys that name the images from which decoders and operators learned.
_FITTED = {"decoder_fitted_on": "decoders fitted on", "pool_fitted_on": "operators fitted on"}
#: How many images of different sizes are named; the rest are counted.
SIZES_NAMED = 6
Match = tuple[tuple[str, ...], str, str]


@dataclass(frozen=True)
class Figure:
    """One measure of one operator in every run.

    Attributes:
        values: one per run, None where it has none; means over the shared images in a comparison.
        changes: of each further run to the first: the mean paired difference (compare) or the ratio (profile); None
            where either is missing.
        intervals: bootstrap 95% intervals of a comparison's changes; None for too few shared images.
    """

    values: tuple[float | None, ...]
    changes: tuple[float | None, ...]
    intervals: tuple[tuple[float, float] | None, ...]


@dataclass(frozen=True)
class Versus:
    """Runs of one kind, matched.

    Attributes:
        kind: the kind of all runs.
        measures: metric keys, or keys of :data:`COMPARED_FIGURES`, that all runs have.
        setting: names of the parts of a match's setting.
        matched: operators that at least two runs have, in the order of the first run that has them: setting, label,
            state, and a figure for each measure.
        only: for each run, labels (and states, if not fixed) that no other run has; with the setting if another run has
            the operator in another setting.
        images: how many images all runs share; None for profiles.
        sampled: whether a dataset run has only the rows of a few images: changes are then over these images.
        differing: facts of the runs that are not the same: name, then one value per run ("" where unknown).
        left_out: by setting and metric, the shared images that do not count.
    """

    kind: str
    measures: tuple[str, ...]
    setting: tuple[str, ...]
    matched: tuple[tuple[Match, tuple[Figure, ...]], ...]
    only: tuple[tuple[str, ...], ...]
    images: int | None
    sampled: bool
    differing: tuple[tuple[str, tuple[str, ...]], ...]
    left_out: Mapping[tuple[str, ...], tuple[LeftOut, ...]]


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
    measures, setting, found, images, left_out = (_compared if kind == "compare" else _profiled)(runs)
    everywhere = dict.fromkeys(match for run in found for match in run)
    counts = {match: sum(match in run for run in found) for match in everywhere}
    several = [match for match in everywhere if counts[match] > 1]
    figures = (_paired_figures if kind == "compare" else _ratio_figures)(several, found, measures)
    matched = tuple(zip(several, figures, strict=True))
    settings: dict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for parts, name, state in everywhere:
        settings[name, state].add(parts)
    only = tuple(_alone([m for m in run if counts[m] == 1], settings, setting) for run in found)
    sampled = any(map(_is_sample, runs))
    return Versus(kind, measures, setting, matched, only, images, sampled, _differing(runs), left_out)


Found = list[dict[Match, dict[str, Any]]]
LeftOuts = dict[tuple[str, ...], tuple[LeftOut, ...]]


def _is_sample(run: Result) -> bool:
    """Return whether the rows at hand are of fewer images than were scored."""
    if run.summaries is None or run.groups is not None:
        return False
    held = {row["image"] for row in run.rows if row["error"] is None}
    return max((summary.images for summary in run.summaries), default=0) > len(held)


def _compared(runs: Sequence[Result]) -> tuple[tuple[str, ...], tuple[str, ...], Found, int, LeftOuts]:
    """Return, by match and metric, the scores of the images that all runs share, with the same numbers in all runs."""
    measures = tuple(key for key in runs[0].metadata["metrics"] if all(key in run.metadata["metrics"] for run in runs))
    # Of a dataset run whose store is not at hand there are the rows of a sample.
    listed = [image_names(run) for run in runs]
    names = sorted(set().union(*listed))
    numbers = {name: number for number, name in enumerate(names)}
    read: list[dict[Match, dict[str, Values]]] = []
    for run, own in zip(runs, listed, strict=True):
        place = np.array([numbers[name] for name in own], dtype=np.int64)
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
    # What has one name and two sizes is not one image.
    shared = np.setdiff1d(shared, [numbers[name] for name in _resized(runs) if name in numbers])
    apart: dict[tuple[str, ...], dict[tuple[int, Match], dict[str, Values]]] = defaultdict(dict)
    for number, by_match in enumerate(read):
        for match, scores in by_match.items():
            if scores:
                apart[match[0]][number, match] = {metric: v.only(shared) for metric, v in scores.items()}
    counted: dict[tuple[int, Match], dict[str, Values]] = {}
    left_out = {}
    for parts, members in apart.items():
        figures, lost = count_alike(members, names)
        counted |= figures
        left_out[parts] = tuple(lost[key] for key in measures if key in lost)
    found: Found = [
        {match: counted[number, match] for match in by_match if (number, match) in counted}
        for number, by_match in enumerate(read)
    ]
    return measures, tuple(Setting.__dataclass_fields__), found, len(shared), left_out


def _in_all(images: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return functools.reduce(in_both, images) if images else np.empty(0, np.int64)


def _resized(runs: Sequence[Result]) -> dict[str, tuple[str, ...]]:
    """Return the sizes in each run of the images that all runs have by name, but in different sizes."""
    sizes = [
        {str(image.get("name")): f"{image.get('width')} x {image.get('height')}" for image in _dicts(run, "images")}
        for run in runs
    ]
    everywhere = {name: tuple(run[name] for run in sizes) for name in sizes[0] if all(name in run for run in sizes)}
    return {name: own for name, own in everywhere.items() if len(set(own)) > 1}


def _dicts(run: Result, key: str) -> list[dict[str, Any]]:
    value = run.metadata.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _profiled(runs: Sequence[Result]) -> tuple[tuple[str, ...], tuple[str, ...], Found, None, LeftOuts]:
    """Return the medians by match and figure. Runs of one device each are matched across devices."""
    one_each = all(len({values_of(row, _RUN) for row in run.rows}) <= 1 for run in runs)
    setting = tuple(key for key in PROFILE_SETTING if not (one_each and key in _RUN))
    found: Found = [
        {
            (tuple(map(str, values_of(row, setting))), label(row), row["state"]): {
                key: number_of(row, key) for key in COMPARED_FIGURES
            }
            for row in run.rows
            if row["error"] is None
        }
        for run in runs
    ]
    return COMPARED_FIGURES, setting, found, None, {}


def _paired_figures(matches: Sequence[Match], found: Found, measures: Sequence[str]) -> list[tuple[Figure, ...]]:
    cells = [[run.get(match, {}).get(key) for run in found] for match in matches for key in measures]
    means: list[list[float | None]] = []
    apart: list[NDArray[np.float64]] = []
    for scores in cells:
        # Only images that every run that has the operator scored: else the values would not be of the same images.
        shared = _in_all([v.images for v in scores if v is not None])
        same = [None if v is None else v.only(shared) for v in scores]
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


def named(match: Match) -> str:
    _, name, state = match
    return name if state in ("fixed", None) else f"{name} ({state_title(state)})"


def _alone(
    alone: Sequence[Match], settings: Mapping[tuple[str, str], set[tuple[str, ...]]], parts: Sequence[str]
) -> tuple[str, ...]:
    """Return the names of operators that one run alone has; where another run has one in another setting, with the
    difference.
    """
    names = []
    for setting, name, state in alone:
        others = settings[name, state]
        told = [
            f"{part} {own}"
            for place, (part, own) in enumerate(zip(parts, setting, strict=True))
            if len({other[place] for other in others}) > 1
        ]
        names.append(", ".join([named((setting, name, state)), *told]))
    return tuple(dict.fromkeys(names))


def _differing(runs: Sequence[Result]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return versions, machine, device and other facts that are not the same in all runs."""
    facts = []
    resized = _resized(runs) if runs[0].kind == "compare" else {}
    for place, run in enumerate(runs):
        keys = ("poolzoo", "created", "device", "dtype", "seed", "seeds", "baseline", "command")
        known = {key: run.metadata.get(key) for key in keys}
        for key, what in _FITTED.items():
            known[what] = "; ".join(sorted({str(row.get(key)) for row in run.rows if row.get(key)}))
        sizes = [f"{name} {own[place]}" for name, own in resized.items()]
        more = len(sizes) - SIZES_NAMED
        known["sizes of images, therefore not compared"] = "; ".join(sizes[:SIZES_NAMED]) + f" and {more} more" * (
            more > 0
        )
        if run.kind == "profile":
            known |= {key: ", ".join(sorted({str(row.get(key)) for row in run.rows})) for key in _RUN}
        dataset = run.metadata.get("dataset")
        known |= {"dataset": dataset.get("folder")} if isinstance(dataset, dict) else {}
        machine = run.metadata.get("machine")
        known |= machine if isinstance(machine, dict) else {}
        facts.append({str(key): _text(value) for key, value in known.items()})
    names = dict.fromkeys(name for run in facts for name in run)
    columns = {name: tuple(run.get(name, "") for run in facts) for name in names}
    return tuple((name, values) for name, values in columns.items() if len(set(values)) > 1)


def _text(value: Any) -> str:
    """Return a fact as text, whatever its type in the file."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
