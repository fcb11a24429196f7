"""The answer: the recommended operators, the differences between runs side by side, and the most important caveat."""

from __future__ import annotations

from markupsafe import Markup

from poolzoo.analysis.results.training_statistics import judge_training
from poolzoo.analysis.results.verdicts import judge_profile
from poolzoo.reports.page.section import Section
from poolzoo.reports.page.sections.caveats import caveats_of
from poolzoo.reports.page.study import PageComparison, PageRun, PageTraining, Study
from poolzoo.reports.page.training_words import answer_of_training
from poolzoo.reports.page.verdict_words import Answer, answer_of, answer_of_profile

PLACE = 0


def render(study: Study) -> Section:
    """Return the answers, or a sentence that there is nothing to recommend, and a caveat if there are any."""
    changes = [Answer(several.heading, several.changes) for several in study.side_by_side]
    # Where a comparison took its times from a profile, it has said who is fastest.
    measured = [*study.comparisons, *study.models] if study.takes_times_from_profiles else study.runs
    speaking = [*study.trainings, *(placed for placed in measured if not isinstance(placed, PageTraining))]
    found = [answer for placed in speaking for answer in _answers(placed)]
    caveats = caveats_of(study)
    answers = [*(answer for answer in changes if answer.entries), *_merged(found)]
    return Section(shown={"answers": answers, "doubt": caveats[:1], "doubts": len(caveats) - 1})


def _answers(placed: PageRun) -> list[Answer]:
    if isinstance(placed, PageComparison):
        return [answer_of(verdict, ": ".join(placed.titles(verdict.setting))) for verdict in placed.verdicts]
    if isinstance(placed, PageTraining):
        answers = map(answer_of_training, judge_training(placed.run.result))
    else:
        answers = map(answer_of_profile, judge_profile(placed.run.result))
    return [Answer(placed.prefixed(answer.title), answer.entries) for answer in answers]


def _merged(answers: list[Answer]) -> list[Answer]:
    """Return one block for each title, because a setting has several fractions of values kept. The fastest operator is
    named once.
    """
    said: set[tuple[str, tuple[Markup | str, ...]]] = set()
    merged = []
    for title in dict.fromkeys(answer.title for answer in answers):
        entries = [entry for answer in answers if answer.title == title for entry in answer.entries]
        merged.append(
            Answer(title, tuple(e for e in entries if not e.of_time or (e.question, e.paragraphs) not in said))
        )
        said.update((entry.question, entry.paragraphs) for entry in entries)
    return merged
