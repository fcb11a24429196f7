"""Runs of one kind side by side: two machines, two versions, before and after a change.

Rows are matched by operator, state and setting. A comparison's change is the mean of paired differences over the images
that all runs share, with the bootstrap interval of :mod:`poolzoo.analysis.summary`; scores of other images say nothing
about a change. A profile's change is a ratio of medians.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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
    matched = tuple((match, _figures(match, found, measures, kind)) for match in everywhere if counts[match] > 1)
    only = tuple(tuple(dict.fromkeys(_named(match) for match in run if counts[match] == 1)) for run in found)
    return Versus(kind, measures, setting, matched, only, images, _differing(runs))


Found = list[dict[Match, dict[str, Any]]]


def _image_means(result: Result) -> dict[tuple[Setting, str, str], dict[str, dict[str, float]]]:
    """By setting, label and state: by metric, each image's score by its name, its seeds averaged."""
    names = list(dict.fromkeys(row["image"] for row in result.rows))  # in the order in which groups count images
    found = {
        (key.setting, key.label, key.state): {
            metric: {names[image]: mean for image, mean in zip(v.images, v.means.tolist(), strict=True)}
            for metric, v in group.values.items()
            if len(v.images)
        }
        for key, group in groups_of(replace(result, groups=None)).items()
    }
    return {key: scores for key, scores in found.items() if scores}


def _compared(runs: Sequence[Result]) -> tuple[tuple[str, ...], tuple[str, ...], Found, int]:
    """By match and metric, each image's score."""
    measures = tuple(key for key in runs[0].metadata["metrics"] if all(key in run.metadata["metrics"] for run in runs))
    found: Found = []
    for run in runs:
        means = _image_means(run)
        found.append({(_parts(setting), name, state): dict(scores) for (setting, name, state), scores in means.items()})
    images = [{row["image"] for row in run.rows if row["error"] is None} for run in runs]
    shared = set.intersection(*images)
    for matches in found:
        for scores in matches.values():
            for key, by_image in scores.items():
                scores[key] = {image: value for image, value in by_image.items() if image in shared}
    return measures, tuple(Setting.__dataclass_fields__), found, len(shared)


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
