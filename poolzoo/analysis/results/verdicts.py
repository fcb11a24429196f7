"""The verdict of a comparison: the operator that keeps most, the fastest, the best trade-offs, and caveats.

Only operators that keep the same fraction of the values are compared, only on the same images. A stochastic operator in
train mode is never recommended, because a trained network runs in evaluation mode. Whether a lead could be chance is
tested on paired differences, image by image, by the percentile bootstrap of :mod:`poolzoo.analysis.results.summaries`
(Efron 1979); intervals are not corrected for the number of operators.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from poolzoo.analysis.results.profile_figures import WAITED
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import Row, grouped, label, model_label
from poolzoo.analysis.results.schema import METRICS, MODEL_KIND, MODEL_SETTING, PROFILE_SETTING, Metric
from poolzoo.analysis.results.summaries import (
    INTERVAL_IMAGES,
    bootstrap_intervals,
    by_setting,
    counted_values,
    groups_of,
    image_names,
)
from poolzoo.analysis.results.summary_records import Setting, Summary, window_of
from poolzoo.analysis.results.times import Time
from poolzoo.analysis.results.values import Values, differences

#: Fewer images than this are a small sample: percentile intervals over them are too narrow.
SMALL_SAMPLE = 10
#: Interquartile range over median above which a time is called noisy.
NOISY = 0.1


@dataclass(frozen=True)
class Gap:
    """How far an operator is from another, over the images that both were scored on.

    Attributes:
        other: the operator that ``difference`` is taken to.
        difference: by how much it is better, in the metric's unit: the mean of the paired differences in
            :meth:`poolzoo.analysis.results.schema.Metric.merit`.
        interval: its bootstrap 95% interval; None for too few images or an infinite score.
        images: how many images both were scored on.
    """

    other: Summary
    difference: float
    interval: tuple[float, float] | None
    images: int

    @property
    def sure(self) -> bool | None:
        """Whether the interval excludes 0; None if there is no interval."""
        return None if self.interval is None else not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True)
class Lead:
    """The best operator by one metric.

    Attributes:
        metric: its key.
        best: the operator with the best mean, and those with the same mean in the metric's digits.
        runner_up: the gap to the best of the rest; None if there are no others.
        baseline: the gap to the baseline; None if that is among the best or was not run.
        unsure: the others whose gap could be chance, nearest first.
        drawn: train-mode draws whose mean is better than the best's.
    """

    metric: str
    best: tuple[Summary, ...]
    runner_up: Gap | None
    baseline: Gap | None
    unsure: tuple[Summary, ...]
    drawn: tuple[Summary, ...]


@dataclass(frozen=True)
class TimeLead:
    """The fastest operator.

    Attributes:
        fastest: the operator.
        time: its time.
        ratio: its time over the baseline's; None if that was not timed.
        unsure: others whose time overlaps, each with half its interquartile range to both sides.
        timed: the tensor that was timed, in words.
        profiled: whether a profile measured the times, not the comparison itself.
    """

    fastest: Summary
    time: Time
    ratio: float | None
    unsure: tuple[Summary, ...]
    timed: str
    profiled: bool


@dataclass(frozen=True)
class Verdict:
    """The verdict on operators that keep the same fraction of the values, in one setting.

    Attributes:
        setting: the protocol.
        kept: values out per value in, the same for every candidate.
        candidates: operators that could be recommended, best by the first metric first.
        leads: one per metric, in the order of the metrics.
        cost: the fastest candidate; None if fewer than two candidates have a time.
        front: the best trade-offs of time and first metric, by rising time.
        partial: operators without scores for some images, which are therefore not recommended.
    """

    setting: Setting
    kept: float | None
    candidates: tuple[Summary, ...]
    leads: tuple[Lead, ...]
    cost: TimeLead | None
    front: tuple[tuple[Summary, Time], ...]
    partial: tuple[Summary, ...]


@dataclass(frozen=True)
class ProfileLead:
    """The fastest operator on one tensor of a profile, or in a model.

    Attributes:
        shape, dtype, device: the tensor, or the model's input.
        operators: how many were timed; stochastic ones count twice, in train mode and in evaluation mode.
        fastest: the operator's label, with its state if it is stochastic.
        time: its time.
        ratio: its time over the baseline's or the model's as given; None for the baseline itself or if that was not
            timed.
        unsure: labels of others whose time overlaps, each with half its interquartile range to both sides.
        model: the model and how it was run; "" for a profile of operators.
    """

    shape: str
    dtype: str
    device: str
    operators: int
    fastest: str
    time: Time
    ratio: float | None
    unsure: tuple[str, ...]
    model: str = ""


@dataclass(frozen=True)
class Doubts:
    """The caveats of a result: reasons to doubt its numbers.

    Attributes:
        images: how many images gave a score.
        few: metrics with too few images for an interval, and how many count.
        unfitted: learnable operators that were not fitted, where others were.
        unequal: operators that keep another fraction of the values than the rest of their setting, with this fraction.
        kept: the fraction that the rest keeps.
        one_seed: stochastic operators with a single draw.
        noisy: operators of a profile with noisy times, with interquartile range over median.
        disturbed: operators of a profile whose threads waited for a processor, with the share of the time.
        failed: how many rows have no numbers.
        rows: how many rows there are.
    """

    images: int = 0
    few: tuple[tuple[str, int], ...] = ()
    unfitted: tuple[str, ...] = ()
    unequal: tuple[tuple[str, float], ...] = ()
    kept: float | None = None
    one_seed: tuple[str, ...] = ()
    noisy: tuple[tuple[str, float], ...] = ()
    disturbed: tuple[tuple[str, float], ...] = ()
    failed: int = 0
    rows: int = 0

    @property
    def small(self) -> bool:
        """Whether intervals are too narrow for the number of images."""
        return INTERVAL_IMAGES <= self.images < SMALL_SAMPLE


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the points ``(cost, value)`` that are not beaten: no other point has a lower or equal cost and a higher or
    equal value, one of them strictly.

    Args:
        points: lower cost and higher value are better.

    Returns:
        Indices by rising cost.
    """
    front: list[int] = []
    best = -math.inf
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1]))
    for index in order:
        cost, value = points[index]
        # A point equal to the last of the front is not beaten by it.
        if value > best or (front and points[front[-1]] == (cost, value)):
            front.append(index)
            best = value
    return front


def judge(result: Result, summaries: Sequence[Summary]) -> list[Verdict]:
    """Return a verdict for each setting and fraction of values kept at which at least two operators can be compared.

    Args:
        result: a comparison.
        summaries: its summaries, from :func:`poolzoo.analysis.results.summaries.summarise`, with a profile's times
            from :func:`join_times`.

    Returns:
        Settings in the order of their fields; within one, operators that keep as much as a plain pool come first.
    """
    scores = image_means(result)
    verdicts = []
    for setting, group in by_setting(summaries).items():
        apart: dict[tuple[bool, float], list[Summary]] = defaultdict(list)
        for summary in group:
            # Of whom it is not known how much is kept, nobody is an equal.
            if summary.scores and (summary.equal_kept or summary.kept is not None):
                # Where images differ in size, the mean share of a plain pool need not be a round number.
                share = 0.0 if summary.equal_kept else round(summary.kept or 0, 6)
                apart[not summary.equal_kept, share].append(summary)
        for _, alike in sorted(apart.items()):
            verdict = _judge_group(setting, alike, scores)
            if len(verdict.candidates) > 1:
                verdicts.append(verdict)
    return verdicts


def join_times(summaries: Sequence[Summary], profiles: Sequence[Result]) -> list[Summary]:
    """Return summaries with a profile's times in place of the comparison's own, where a profile measured their window.

    The two times are of different tensors, so they are never mixed: an operator that the profile did not measure has no
    time.
    """
    settings = by_setting(summaries)
    found = {setting: profile_rows(group, setting, profiles) for setting, group in settings.items()}
    return [_with_profile(s, settings[s.setting], *joined) if (joined := found[s.setting]) else s for s in summaries]


def _with_profile(
    summary: Summary, group: Sequence[Summary], rows: Mapping[tuple[str, str], Mapping[str, Any]], tensor: str
) -> Summary:
    row = rows.get((summary.label, summary.state), {})
    base = next((rows.get((s.label, s.state), {}).get("forward_s") for s in group if s.is_baseline), None)
    own = row.get("forward_s")
    return replace(
        summary,
        forward_s=own,
        ratio=own / base if own and base else None,
        forward_iqr_s=row.get("forward_iqr_s"),
        timed=tensor if own else None,
        timed_backend=row.get("backend"),
        profiled=True,
    )


def profile_rows(
    group: Sequence[Summary], setting: Setting, profiles: Sequence[Result]
) -> tuple[dict[tuple[str, str], Row], str] | None:
    """Return a profile's rows by label and state, and its tensor in words; None if no profile has that window.

    Args:
        group: the summaries of one setting.
        setting: the setting whose window a profile must have.
        profiles: the tensor on which most operators of the group were measured is used, the first of several.
    """
    scored = [summary for summary in group if summary.scores]
    most: dict[tuple[str, str], Row] = {}
    tensor = ""
    for profile in profiles:
        for named, rows in timed_with(profile, setting):
            found = {(s.label, s.state): rows[at] for s in scored if (at := (s.label, profiled_state(s))) in rows}
            if len(found) > len(most):
                most, tensor = found, f"{named['shape']} {named['dtype']} on {named['device']}"
    return (most, tensor) if most else None


def timed_with(
    profile: Result, setting: Setting
) -> list[tuple[dict[str, str | int | None], dict[tuple[str, str], Row]]]:
    """Return a profile's timed rows with the window of ``setting``, in one group per tensor and device.

    Returns:
        For each group, its values of :data:`PROFILE_SETTING`, and its rows by label and state.
    """
    timed = [row for row in profile.rows if row["forward_s"] and window_of(row) == setting.window]
    return [(named, {(label(r), r["state"]): r for r in rows}) for named, rows in grouped(timed, PROFILE_SETTING)]


def profiled_state(summary: Summary) -> str:
    """Return the state in which a profile measures the operator: untrained parameters take as long as fitted ones."""
    return "initial" if summary.state == "fitted" else summary.state


def judge_profile(result: Result) -> list[ProfileLead]:
    """Return the fastest operator for each tensor and device of a profile, of operators or of a model, with times."""
    leads = []
    setting = MODEL_SETTING if result.kind == MODEL_KIND else PROFILE_SETTING
    for named, rows in grouped((row for row in result.rows if row["forward_s"] and row["pool"]), setting):
        times = {_named(row): Time(s, row["forward_iqr_s"]) for row in rows if (s := row["forward_s"])}
        fastest, *others = sorted(times, key=lambda name: (times[name].seconds, name))
        first = next(row for row in rows if _named(row) == fastest)
        leads.append(
            ProfileLead(
                shape=str(named["shape"]),
                dtype=str(named["dtype"]),
                device=str(named["device"]),
                operators=len(times),
                fastest=fastest,
                time=times[fastest],
                ratio=None if label(first) == result.metadata.get("baseline") else first["ratio"],
                model=f"{named['model']}, {named['execution']}" if "model" in named else "",
                unsure=tuple(name for name in others if times[name].overlaps(times[fastest])),
            )
        )
    return leads


def _named(row: Row) -> str:
    """Return a profile's operator, with its state where it is measured in two."""
    return f"{label(row)} ({row['state']})" if row.get("state") in ("train", "eval") else model_label(row)


def doubts(result: Result, summaries: Sequence[Summary] = ()) -> Doubts:
    """Return the caveats of a comparison (with its ``summaries``) or of a profile."""
    failed = sum(row["error"] is not None for row in result.rows)
    if result.kind != "compare":
        noise = {
            _named(row): Time(seconds, row["forward_iqr_s"]).noise
            for row in result.rows
            if (seconds := row.get("forward_s")) and row.get("forward_iqr_s") is not None
        }
        noisy = sorted(((n, share) for n, share in noise.items() if share and share > NOISY), key=lambda item: -item[1])
        waits = ((_named(row), row.get("waited_fraction") or 0.0) for row in result.rows)
        disturbed = sorted((wait for wait in waits if WAITED.is_told(wait[1:])), key=lambda item: -item[1])
        return Doubts(noisy=tuple(noisy), disturbed=tuple(disturbed), failed=failed, rows=len(result.rows))
    scored = [summary for summary in summaries if summary.scores]
    unequal = {s.label: s.kept for s in scored if not s.equal_kept and s.kept}
    learned = {s.label for s in scored if s.state == "fitted"}
    unfitted = (s.label for s in scored if s.state == "initial" and s.label not in learned)
    most: dict[str, int] = {}
    for key, score in ((key, score) for s in scored for key, score in s.scores.items()):
        most[key] = max(most.get(key, 0), score.images)
    dataset = result.metadata.get("dataset") or {}  # of which the rows are a sample
    return Doubts(
        images=max((s.images for s in scored), default=0),
        few=tuple((key, images) for key, images in most.items() if images < INTERVAL_IMAGES),
        unfitted=_once(unfitted) if learned else (),
        unequal=tuple(unequal.items()),
        kept=next((s.kept for s in scored if s.equal_kept and s.kept), None),
        one_seed=_once(s.label for s in scored if s.state == "train" and s.seeds == 1),
        failed=dataset.get("failed", failed),
        rows=dataset.get("rows", len(result.rows)),
    )


Contender = tuple[Setting, str, str]


def image_means(result: Result) -> dict[Contender, dict[str, Values]]:
    """Return, by setting, label and state, then by metric, the scores of the images that count, averaged over seeds.

    A dataset run that was read from a file has none: its rows are a sample.
    """
    if result.summaries is not None and result.groups is None:
        return {}
    counted, _ = counted_values(groups_of(result), image_names(result))
    return {(key.setting, key.label, key.state): values for key, values in counted.items()}


def _judge_group(
    setting: Setting,
    group: Sequence[Summary],
    scores: Mapping[Contender, Mapping[str, Values]],
) -> Verdict:
    most = max(summary.images for summary in group)
    complete = [summary for summary in group if summary.images == most]
    candidates = [summary for summary in complete if summary.state != "train"]
    draws = [summary for summary in complete if summary.state == "train"]
    metrics = list(dict.fromkeys(key for summary in candidates for key in summary.scores))
    leads = [_lead(key, candidates, draws, scores) for key in metrics]
    placed = [(s, Time(s.forward_s, s.forward_iqr_s)) for s in candidates if s.forward_s]
    return Verdict(
        setting=setting,
        kept=group[0].kept,
        candidates=tuple(candidates),
        leads=tuple(leads),
        cost=_cost(placed) if len(placed) > 1 else None,
        front=_front(placed, metrics[0]) if len(placed) > 1 else (),
        partial=tuple(summary for summary in group if summary.images < most),
    )


def _lead(
    key: str,
    candidates: Sequence[Summary],
    draws: Sequence[Summary],
    scores: Mapping[Contender, Mapping[str, Values]],
) -> Lead:
    metric = METRICS[key]
    scored = [s for s in candidates if key in s.scores]

    def merit(summary: Summary) -> float:
        return metric.merit(summary.scores[key].mean)

    def shown(summary: Summary) -> str:
        return format(summary.scores[key].mean, metric.format)

    # Without the last digits, which differ between machines; equal operators stand in the order of their names.
    scored.sort(key=lambda s: (-round(merit(s), 10), s.label, s.state))
    top = scored[0]
    best = [s for s in scored if shown(s) == shown(top)]
    rest = [s for s in scored if s not in best]

    gaps = _gaps(metric, top, rest, scores)
    baseline = next((g for g in gaps if g.other.is_baseline), None)
    return Lead(
        metric=key,
        best=tuple(best),
        runner_up=gaps[0] if gaps else None,
        baseline=baseline,
        unsure=tuple(g.other for g in gaps if g.sure is False),
        drawn=tuple(s for s in draws if key in s.scores and merit(s) > merit(top)),
    )


def _gaps(
    metric: Metric, top: Summary, rest: Sequence[Summary], scores: Mapping[Contender, Mapping[str, Values]]
) -> list[Gap]:
    """Return the difference of ``top`` to each of the rest.

    It is 0 for two operators that rebuild every image exactly, and NaN without an interval if they share no image.
    """

    def merits(summary: Summary) -> Values | None:
        found = scores.get((summary.setting, summary.label, summary.state), {}).get(metric.key)
        return replace(found, means=metric.merit(found.means)) if found else None

    ours, others = merits(top), [merits(other) for other in rest]
    apart = [differences(ours, theirs) if ours and theirs else None for theirs in others]
    # All at once, because intervals over equally many images share their draws.
    intervals = bootstrap_intervals([np.empty(0) if values is None else values for values in apart])
    gaps = []
    for other, values, interval in zip(rest, apart, intervals, strict=True):
        if values is None:  # of a dataset run that was read back: only the means are known
            ahead, behind = (metric.merit(s.scores[metric.key].mean) for s in (top, other))
            images = min(s.scores[metric.key].images for s in (top, other))
            gaps.append(Gap(other, ahead - behind, None, images))
        else:
            with np.errstate(invalid="ignore"):
                mean = float(values.mean()) if len(values) else math.nan
            gaps.append(Gap(other, mean, interval, len(values)))
    return gaps


def _cost(placed: Sequence[tuple[Summary, Time]]) -> TimeLead:
    fastest, time = min(placed, key=lambda item: (item[1].seconds, item[0].label, item[0].state))
    base = next((t.seconds for s, t in placed if s.is_baseline), None)
    order = sorted(placed, key=lambda item: (item[1].seconds, item[0].label))
    unsure = [s for s, t in order if s is not fastest and t.overlaps(time)]
    ratio = time.seconds / base if base else None
    return TimeLead(fastest, time, ratio, tuple(unsure), fastest.timed or "", fastest.profiled)


def _front(placed: Sequence[tuple[Summary, Time]], key: str) -> tuple[tuple[Summary, Time], ...]:
    scored = [(s, t) for s, t in placed if key in s.scores]
    # Rounding must not put an operator on the front before its equal.
    points = [(t.seconds, round(METRICS[key].merit(s.scores[key].mean), 10)) for s, t in scored]
    return tuple(scored[index] for index in pareto_front(points))


def _once(names: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
