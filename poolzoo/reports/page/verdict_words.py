"""A verdict in words: the recommended operator, its lead, how certain it is, and the caveats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.results.summaries import INTERVAL_IMAGES
from poolzoo.analysis.results.times import Time
from poolzoo.analysis.results.verdicts import NOISY, Doubts, Gap, Lead, ProfileLead, Verdict
from poolzoo.reports.text.numbers import TIME_UNITS, unit_of
from poolzoo.reports.text.words import listed, title_of, visible

#: The number of names in a sentence; further ones are counted.
NAMES_SHOWN = 6


@dataclass(frozen=True)
class Entry:
    """A question and the paragraphs of its answer; ``of_time`` answers do not depend on the upsampler."""

    question: str
    paragraphs: tuple[Markup | str, ...]
    of_time: bool = False


@dataclass(frozen=True)
class Answer:
    """The sentences of one setting."""

    title: str
    entries: tuple[Entry, ...]


def answer_of(verdict: Verdict, title: str = "") -> Answer:
    """Return a comparison's verdict: which operator keeps most, which is fastest, and the best trade-offs.

    For operators that keep a different fraction of the values than a plain pool, only the leader is named.
    """
    plain = verdict.candidates[0].equal_kept
    entries: list[Entry] = []
    for number, lead in enumerate(verdict.leads if plain else verdict.leads[:1]):
        # Only a likeness to the original says how much was kept.
        by = number or METRICS[lead.metric].of == "operator"
        question = f"By {METRICS[lead.metric].title}" if by else "Keeps most"
        question = question if plain else f"Keeping {verdict.kept:.3g} of the values"
        entries.append(Entry(question, (_leads(lead), *(_beside(lead) if plain else ()))))
    if verdict.cost and plain:
        entries.append(Entry("Costs least", _costs(verdict), of_time=True))
    if len(verdict.front) > 1 and plain:
        entries.append(Entry("Best trade-offs", (_front(verdict),)))
    if verdict.partial and entries:
        left_out = Markup("Not considered, because some of their scores are missing: {}.").format(
            names(list(map(title_of, verdict.partial)))
        )
        entries[0] = replace(entries[0], paragraphs=(*entries[0].paragraphs, left_out))
    return Answer(title, tuple(entries))


def answer_of_profile(lead: ProfileLead) -> Answer:
    """Return the fastest of a profile's operators on one tensor, or in a model, in words."""
    place = Markup(" in place of the pools of {}").format(visible(lead.model)) if lead.model else ""
    time = Markup("{} is the fastest of {} operators{}: {} per forward pass").format(
        names([lead.fastest]), lead.operators, place, seconds(lead.time)
    )
    if lead.ratio is not None:
        whose = "that of the model as given" if lead.model else "the baseline’s"
        time += Markup(", {:.2f} times {}").format(lead.ratio, whose)
    time += Markup(".")
    if lead.unsure:
        time += Markup(" Not distinguishable from {}: the interquartile ranges overlap.").format(names(lead.unsure))
    return Answer(f"{lead.shape} {lead.dtype} on {lead.device}", (Entry("Costs least", (time,), of_time=True),))


def warnings_of(doubts: Doubts) -> list[tuple[int, str]]:
    """Return the caveats, one sentence each, with a number that is lower for more important ones, from 3 on."""
    said = []
    if doubts.few:
        by = "; ".join(f"{METRICS[key].title} over {images}" for key, images in doubts.few)
        few = f"Too few images for an interval: {by}. At least {INTERVAL_IMAGES} are needed"
        said.append((3, f"{few}; other images may order the operators differently."))
    if doubts.small:
        small = f"{doubts.images} images: intervals over so few images are too narrow"
        said.append((4, f"{small}; the order is only a hint."))
    if doubts.unfitted:
        unfitted = f"Not fitted: {listed(doubts.unfitted)}. They are untrained"
        said.append((5, f"{unfitted}, so their rows say nothing about what they can learn."))
    if doubts.disturbed:
        marked = listed([f"{name} ({share:.0%})" for name, share in doubts.disturbed], NAMES_SHOWN)
        waited = f"Disturbed times: threads waited for a processor, because other work had it: {marked} of the time"
        again = "These times may be far too long. Measure again on an idle machine, or with fewer threads."
        said.append((6, f"{waited}. {again}"))
    if doubts.noisy:
        marked = listed([f"{name} ({share:.0%})" for name, share in doubts.noisy], NAMES_SHOWN)
        noisy = f"Noisy times: the interquartile range is more than {NOISY:.0%} of the median for {marked}"
        said.append((7, f"{noisy}. Measure again on an idle machine, or with a longer --min-time."))
    if doubts.one_seed:
        said.append((8, f"One seed: the spread of {listed(doubts.one_seed)} in train mode is unknown."))
    if doubts.unequal:
        others = f"the others ({doubts.kept:.3g})" if doubts.kept else "a plain pool"
        marked = listed([f"{name} ({kept:.3g})" for name, kept in doubts.unequal])
        unequal = f"Not an equal comparison: the fraction of values kept differs from {others}: {marked}"
        said.append((9, f"{unequal}. They are never called best."))
    return said


def names(labels: Sequence[str], most: int = NAMES_SHOWN) -> Markup:
    """Return operators as the page names them, joined by commas and an "and"; those beyond ``most`` are counted."""
    strong = [Markup("<strong>{}</strong>").format(visible(name)) for name in labels[:most]]
    if len(labels) > most:
        return Markup(", ").join(strong) + Markup(" and {} more").format(len(labels) - most)
    return Markup(" and ").join([Markup(", ").join(strong[:-1]), strong[-1]] if len(strong) > 1 else strong)


def seconds(time: Time | float) -> str:
    """Return a time in its own unit, with half its interquartile range if that was measured."""
    value, iqr = (time, None) if isinstance(time, float) else (time.seconds, time.iqr)
    size, unit = unit_of([value], TIME_UNITS)
    spread = "" if not iqr else f" ± {iqr / 2 / size:.2g}"
    return f"{value / size:.3g}{spread} {unit}"


def _leads(lead: Lead) -> Markup:
    metric = METRICS[lead.metric]
    shown = _amount(lead.best[0].scores[lead.metric].mean, lead.metric)
    if metric.target is not None:
        shown += f" ({metric.target:g} is best)"
    elif not metric.higher_is_better:
        shown += " (lower is better)"
    base = next((s for s in lead.best if s.is_baseline), None)
    if base:
        others = [title_of(s) for s in lead.best if s is not base]
        shared = Markup(", shared with {}").format(names(others)) if others else ""
        return Markup("No operator is ahead of the baseline {}: {} {}{}.").format(
            names([title_of(base)]), metric.title, shown, shared
        )
    verb = "leads" if len(lead.best) == 1 else "lead" if lead.runner_up else "are equal"
    margin = Markup(", {}").format(_gap(lead.baseline, lead.metric, "the baseline ")) if lead.baseline else ""
    return Markup("{} {}: {} {}{}.").format(names(list(map(title_of, lead.best))), verb, metric.title, shown, margin)


def _beside(lead: Lead) -> list[Markup]:
    """Return the distance to the next operator, the operators that are not distinguishable, and draws that score
    higher.
    """
    said = []
    if lead.runner_up and not lead.runner_up.other.is_baseline:
        they = "It is" if len(lead.best) == 1 else "They are"
        said.append(Markup("{} {}.").format(they, _gap(lead.runner_up, lead.metric, "the next, ")))
    if lead.unsure:
        unsure = names(list(map(title_of, lead.unsure)))
        said.append(Markup("Not distinguishable from {}: the interval contains 0.").format(unsure))
    if lead.drawn:
        drawn = names(list(map(title_of, lead.drawn)))
        said.append(Markup("Only draws in training score higher: {}.").format(drawn))
    return [Markup(" ").join(said)] if said else []


def _gap(gap: Gap, key: str, before: str) -> Markup:
    """Return, for example, ``0.0120 ahead of the baseline avg (95% interval 0.0100 to 0.0140 over 8 images)``."""
    metric, other = METRICS[key], names([title_of(gap.other)])
    amount = format(gap.difference, metric.format)
    if not gap.images:
        return Markup("with no image in common with {}{}").format(before, other)
    if not amount.strip("-+0."):
        return Markup("ahead of {}{}{} by less than the digits show").format(before, other, "," * before.endswith(", "))
    sure = f"{gap.images} image{'s' * (gap.images != 1)}"
    if gap.interval:
        low, high = (_digits(end, metric.format) for end in gap.interval)
        sure = f"95% interval {low} to {high}, {sure}"
    return Markup('{} ahead of {}{} <span class="sure">({})</span>').format(
        _amount(gap.difference, key), before, other, sure
    )


def _amount(value: float, key: str) -> str:
    metric = METRICS[key]
    return f"{_digits(value, metric.format)} {metric.unit}".strip().replace("inf", "infinite")


def _digits(value: float, spec: str) -> str:
    """Return a number without the sign of -0.00, which would claim a direction that the digits do not show."""
    text = format(value, spec)
    return text if text.strip("-0.") else text.lstrip("-")


def _costs(verdict: Verdict) -> tuple[Markup, ...]:
    cost = verdict.cost
    assert cost is not None
    ratio = ""
    if cost.ratio is not None and not cost.fastest.is_baseline:
        ratio = f", {cost.ratio:.2f} times the baseline’s"
    text = Markup("{} is the fastest: {} per forward pass{}.").format(
        names([title_of(cost.fastest)]), seconds(cost.time), ratio
    )
    how = Markup("{} on {}.").format("Profiled" if cost.profiled else "Measured", visible(cost.timed))
    if cost.unsure:
        unsure = names(list(map(title_of, cost.unsure)))
        how += Markup(" Not distinguishable from {}: the interquartile ranges overlap.").format(unsure)
    return (text + Markup(" ") + how,)


def _front(verdict: Verdict) -> Markup:
    key = verdict.leads[0].metric
    places = [
        Markup("{} ({}, {})").format(
            names([title_of(summary)]), seconds(time.seconds), _amount(summary.scores[key].mean, key)
        )
        for summary, time in verdict.front
    ]
    joined = Markup(" and ").join([Markup(", ").join(places[:-1]), places[-1]])
    return Markup("{1}: no operator is both faster and better by {0}.").format(METRICS[key].title, joined)
