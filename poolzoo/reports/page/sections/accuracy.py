"""Accuracy: the plots of each training, next to retention and cost if the page has them."""

from __future__ import annotations

from dataclasses import dataclass

from poolzoo.reports.page.placed import PagePlot, page_plots
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import PageTraining, Study
from poolzoo.reports.page.training_words import correlation_sentence
from poolzoo.reports.plots.training_drawings import joined_with, places_of, training_drawings

PLACE = 55


@dataclass(frozen=True)
class AccuracyPart:
    """A training: its plots and rank correlations."""

    heading: Heading
    plots: list[PagePlot]
    correlations: list[str]


def render(study: Study) -> Section | None:
    """Return a part for each training."""
    views = [_part_of(placed, study) for placed in study.trainings]
    return Section(tuple(view.heading for view in views), {"views": views}, folded=True) if views else None


def _part_of(placed: PageTraining, study: Study) -> AccuracyPart:
    joined = [one for found in places_of(placed.run).values() for one in joined_with(found, study.results)]
    return AccuracyPart(
        Heading(f"{placed.anchor}-plots", placed.heading("Plots of the training")),
        page_plots(training_drawings(placed.run, study.results), placed.anchor),
        [f"{correlation_sentence(one)} Measured as: {one.place}." for one in joined],
    )
