"""The verdict of a training in words."""

from __future__ import annotations

from markupsafe import Markup

from poolzoo.analysis.results.accuracy_joined import Joined
from poolzoo.analysis.results.training_statistics import Estimate, TrainingLead, is_certain
from poolzoo.reports.page.verdict_words import Answer, Entry, names
from poolzoo.reports.text.words import visible


def answer_of_training(lead: TrainingLead) -> Answer:
    """Return the most accurate operator, its lead and who cannot be told from it, in words."""
    accuracy = lead.best.accuracy
    assert accuracy is not None
    said = Markup("{} has the highest mean test accuracy of {} operator{}: {} over {}.").format(
        names([lead.best.label]),
        lead.operators,
        "s" * (lead.operators != 1),
        _percent(accuracy),
        _seeds(accuracy.seeds),
    )
    paragraphs = [said]
    if lead.over:
        name, gap = lead.over
        doubt = "" if is_certain(gap) else "; this may be chance" if gap.interval else "; one seed has no interval"
        paragraphs.append(
            Markup("{} leads {} by {} over {}{}.").format(
                names([lead.best.label]), names([name]), points(gap), _seeds(gap.seeds), doubt
            )
        )
    if lead.unsure:
        paragraphs.append(Markup("Not distinguishable from it over these seeds: {}.").format(names(lead.unsure)))
    return Answer(
        visible(f"{lead.model} on {lead.data}"),
        (Entry("Most accurate", tuple(paragraphs)),),
    )


def points(gap: Estimate) -> str:
    """Return a difference in points of per cent, with its interval: ``2.3 points [1.2, 3.4]``."""
    said = f"{100 * gap.mean:.1f} points"
    return said + (f" [{100 * gap.interval[0]:.1f}, {100 * gap.interval[1]:.1f}]" if gap.interval else "")


def _percent(found: Estimate) -> str:
    said = f"{100 * found.mean:.1f}%"
    return said + (f" [{100 * found.interval[0]:.1f}, {100 * found.interval[1]:.1f}]" if found.interval else "")


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"


def correlation_sentence(joined: Joined) -> str:
    """Return the rank correlation of accuracy and another figure in a sentence."""
    found = joined.correlation
    if found is None:
        return f"No rank correlation of accuracy and {joined.title}: it needs three operators that differ."
    interval = f" [{found.interval[0]:.2f}, {found.interval[1]:.2f}]" if found.interval else ""
    better = "less" if joined.lower_is_better else "more"
    said = (
        f"Rank correlation of accuracy with {joined.title} ({better} is better): {found.rho:.2f}{interval} over"
        f" {found.operators} operators"
    )
    if found.interval and found.interval[0] <= 0 <= found.interval[1]:
        said += "; the interval contains 0: these operators do not show that one predicts the other"
    return f"{said}."
