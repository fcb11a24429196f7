"""The plots of a training as drawings: accuracy, learning curves, and accuracy against retention and cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from poolzoo.analysis.results.accuracy_joined import Joined, join_cost, join_retention
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.summaries import by_setting, summarise
from poolzoo.analysis.results.training_statistics import TrainedOperator, summarise_training, training_rows
from poolzoo.reports.plots import accuracy
from poolzoo.reports.plots.drawing import Drawing
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.words import setting_title, visible


def places_of(run: RunFacts) -> dict[tuple[str, str], list[TrainedOperator]]:
    """Return the operators of each data set and network, best first."""
    found = summarise_training(run.result)
    places = dict.fromkeys((one.data, one.model) for one in found)
    return {place: [one for one in found if (one.data, one.model) == place] for place in places}


def joined_with(trained: Sequence[TrainedOperator], others: Sequence[Result]) -> list[Joined]:
    """Return accuracy against the retention and the cost that other results measured.

    Args:
        trained: of one data set and network.
        others: comparisons and profiles; other kinds are passed over.
    """
    found: list[Joined] = []
    for result in others:
        if result.kind == "compare":
            for setting, group in by_setting(summarise(result)).items():
                found += join_retention(trained, group, setting_title(setting))
        elif result.kind == "profile":
            found += join_cost(trained, result, lambda named: "{shape} {dtype} on {device}".format(**named))
    return found


def training_drawings(run: RunFacts, others: Sequence[Result] = ()) -> list[Drawing]:
    """Return the plots of a training.

    Args:
        run: a training.
        others: comparisons and profiles of the same operators.
    """
    baseline = run.baseline or "as given"
    drawings: list[Drawing] = []
    for (data, model), found in places_of(run).items():
        rows = [row for row in training_rows(run.result) if (row["data"], row["model"]) == (data, model)]
        place = visible(f"{model} on {data}")
        if any(one.accuracy for one in found):
            drawings.append(
                Drawing(
                    "accuracy",
                    partial(accuracy.plot_accuracy, found, baseline),
                    accuracy.describe_accuracy(found),
                    f"Test accuracy of {place}. Lines are 95% t intervals over seeds, of the mean and, on the right, of"
                    " the differences paired by seed. They are not adjusted for the number of operators.",
                )
            )
        if accuracy.has_curves(rows):
            drawings.append(
                Drawing(
                    "learning-curves",
                    partial(accuracy.plot_learning_curves, rows, found),
                    accuracy.describe_learning_curves(rows),
                    f"Learning curves of {place}: mean over seeds; bands reach from the lowest to the highest seed. The"
                    f" {accuracy.CURVES} most accurate operators have names.",
                )
            )
        for joined in joined_with(found, others):
            drawings.append(
                Drawing(
                    f"accuracy-{joined.key.removesuffix('_s')}",
                    partial(accuracy.plot_joined, joined, baseline),
                    accuracy.describe_joined(joined),
                    f"Test accuracy of {place} against {joined.title}: {joined.place}.",
                )
            )
    return drawings
