"""Runs of one kind side by side: two machines, two versions, before and after a change.

Rows are matched by operator, state and setting. A comparison's change is the mean of paired differences over the images
that all runs share, with the bootstrap interval of :mod:`poolzoo.analysis.summary`; scores of other images say nothing
about a change. A profile's change is a ratio of medians.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from poolzoo.analysis.rows import PROFILE_SETTING, Result, label
from poolzoo.analysis.summary import Setting, Values, groups_of
from poolzoo.analysis.verdict import paired

#: Figures of a profile whose changes are shown; all are better when lower.
PROFILE_FIGURES = ("forward_s", "forward_backward_s", "saved_bytes", "peak_bytes")
#: What may differ between two runs of one workload: it is what they are run for.
_RUN = ("device", "threads")
#: What rows say of what was learned from other images.
_FITTED = {"decoder_fitted_on": "decoders fitted on", "pool_fitted_on": "operators fitted on"}
#: More images than this that are not of one size are counted.
SIZES_NAMED = 6
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
        only: by run, labels (with a state that is not fixed) that no other run has; with the setting where another run
            has them in another one.
        images: how many images all runs share; None for profiles.
        sampled: whether some run is of a dataset and holds rows of a few images alone: changes are over those.
        differing: facts of the runs that are not the same: name, then a value a run ("" where unknown).
    """

    kind: str
    measures: tuple[str, ...]
    setting: tuple[str, ...]
    matched: tuple[tuple[Match, tuple[Figure, ...]], ...]
    only: tuple[tuple[str, ...], ...]
    images: int | None
    sampled: bool
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
    matched = tuple((match, _figures(match, found, measures, kind)) for match in everywhere if counts[match] > 1)
    settings: dict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for parts, name, state in everywhere:
        settings[name, state].add(parts)
    only = tuple(_alone([m for m in run if counts[m] == 1], settings, setting) for run in found)
    return Versus(kind, measures, setting, matched, only, images, any(map(_is_sample, runs)), _differing(runs))


Found = list[dict[Match, dict[str, Any]]]


def _image_means(result: Result) -> dict[tuple[Setting, str, str], dict[str, dict[str, float]]]:
    """By setting, label and state: by metric, each image's score by its name, its seeds averaged."""
    # In the order in which groups count images.
    names = result.group_images or list(dict.fromkeys(row["image"] for row in result.rows))
    groups = result.groups if result.group_images else None
    found = {
        (key.setting, key.label, key.state): {
            metric: {names[image]: mean for image, mean in zip(v.images, v.means.tolist(), strict=True)}
            for metric, v in group.values.items()
            if len(v.images)
        }
        for key, group in groups_of(replace(result, groups=groups)).items()
    }
    return {key: scores for key, scores in found.items() if scores}


def _is_sample(run: Result) -> bool:
    """Whether the rows at hand are of fewer images than were scored."""
    if run.summaries is None or run.groups is not None:
        return False
    held = {row["image"] for row in run.rows if row["error"] is None}
    return max((summary.images for summary in run.summaries), default=0) > len(held)


def _compared(runs: Sequence[Result]) -> tuple[tuple[str, ...], tuple[str, ...], Found, int]:
    """By match and metric, each image's score."""
    measures = tuple(key for key in runs[0].metadata["metrics"] if all(key in run.metadata["metrics"] for run in runs))
    found: Found = []
    for run in runs:
        means = _image_means(run)
        found.append({(_parts(setting), name, state): dict(scores) for (setting, name, state), scores in means.items()})
    images = [{i for scores in run.values() for by_image in scores.values() for i in by_image} for run in found]
    # What has one name and two sizes is not one image.
    shared = set.intersection(*images) - set(_resized(runs))
    for matches in found:
        for scores in matches.values():
            for key, by_image in scores.items():
                scores[key] = {image: value for image, value in by_image.items() if image in shared}
    return measures, tuple(Setting.__dataclass_fields__), found, len(shared)


def _resized(runs: Sequence[Result]) -> dict[str, tuple[str, ...]]:
    """Images that all runs have by name but not in one size: the size in each."""
    sizes = [
        {str(image.get("name")): f"{image.get('width')} x {image.get('height')}" for image in _dicts(run, "images")}
        for run in runs
    ]
    everywhere = {name: tuple(run[name] for run in sizes) for name in sizes[0] if all(name in run for run in sizes)}
    return {name: own for name, own in everywhere.items() if len(set(own)) > 1}


def _dicts(run: Result, key: str) -> list[dict[str, Any]]:
    value = run.metadata.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


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


def _figures(match: Match, found: Found, measures: Sequence[str], kind: str) -> tuple[Figure, ...]:
    return tuple(
        (_paired_figure if kind == "compare" else _ratio_figure)([run.get(match, {}).get(key) for run in found])
        for key in measures
    )


def _paired_figure(scores: Sequence[dict[str, float] | None]) -> Figure:
    # Only images that every run that has the operator scored: else the values would not be of the same images.
    having = [set(by_image) for by_image in scores if by_image is not None]
    shared = set.intersection(*having) if having else set()
    same = [None if s is None else {i: value for i, value in s.items() if i in shared} for s in scores]
    values = tuple(sum(s.values()) / len(s) if s else None for s in same)
    first = same[0]
    pairs = [paired(_values(s, shared), _values(first, shared)) if s and first else None for s in same[1:]]
    return Figure(values, tuple(p[0] if p else None for p in pairs), tuple(p[1] if p else None for p in pairs))


def _values(by_image: dict[str, float], shared: set[str]) -> Values:
    return Values(np.arange(len(shared)), np.array([by_image[image] for image in sorted(shared)]), None)


def _ratio_figure(values: Sequence[float | None]) -> Figure:
    first = values[0]
    changes = tuple(value / first if value is not None and first else None for value in values[1:])
    return Figure(tuple(values), changes, (None,) * len(changes))


def _parts(setting: Setting) -> tuple[str, ...]:
    return tuple(str(getattr(setting, name)) for name in Setting.__dataclass_fields__)


def named(match: Match) -> str:
    _, name, state = match
    return name if state in ("fixed", None) else f"{name} ({state})"


def _alone(
    alone: Sequence[Match], settings: Mapping[tuple[str, str], set[tuple[str, ...]]], parts: Sequence[str]
) -> tuple[str, ...]:
    """Names of what one run alone has; of what some run has in another setting, with what that differs in."""
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
    """Versions, machine, device and so on, as far as they are not the same in all runs."""
    facts = []
    resized = _resized(runs) if runs[0].kind == "compare" else {}
    for place, run in enumerate(runs):
        keys = ("poolzoo", "created", "device", "dtype", "seed", "seeds", "baseline", "command")
        known = {key: run.metadata.get(key) for key in keys}
        for key, what in _FITTED.items():
            known[what] = "; ".join(sorted({str(row[key]) for row in run.rows if row.get(key)}))
        sizes = [f"{name} {own[place]}" for name, own in resized.items()]
        more = len(sizes) - SIZES_NAMED
        known["sizes of images, therefore not compared"] = "; ".join(sizes[:SIZES_NAMED]) + f" and {more} more" * (
            more > 0
        )
        if run.kind == "profile":
            known |= {key: ", ".join(sorted({str(row[key]) for row in run.rows})) for key in _RUN}
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
