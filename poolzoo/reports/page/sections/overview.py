"""The first plot and tables: of a training its accuracy, of a comparison its retention, of a profile its cost.

The plot reads its numbers from the tables, so the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from poolzoo.analysis.results.schema import METRICS, MODEL_KIND, state_title
from poolzoo.analysis.results.summary_records import Setting, Summary
from poolzoo.analysis.results.training_rows import TRAIN_KIND
from poolzoo.analysis.results.training_statistics import TrainedOperator
from poolzoo.reports.page.matters import (
    folded,
    keys_of,
    named_by,
    undistinguished,
    undistinguished_trained,
)
from poolzoo.reports.page.placed import PageTable, page_table
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import PageComparison, PageModel, PageProfile, PageTraining, Study
from poolzoo.reports.page.templates import environment, page_file
from poolzoo.reports.plots.accuracy import front_of
from poolzoo.reports.plots.training_drawings import joined_with, places_of
from poolzoo.reports.text.columns import Table
from poolzoo.reports.text.compare_tables import compare_tables
from poolzoo.reports.text.joint_tables import with_joined
from poolzoo.reports.text.model_tables import model_tables
from poolzoo.reports.text.profile_tables import joined_table, profile_tables
from poolzoo.reports.text.training_tables import training_tables
from poolzoo.reports.text.words import visible

PLACE = 10


@dataclass(frozen=True)
class TopTables:
    """The tables of one result; those after the first are folded."""

    heading: Heading
    tables: tuple[PageTable, ...]


def render(study: Study) -> Section | None:
    """Return the tables of the results that the page is about first, and a plot of them if it has two points."""
    views, subject = _VIEWS[study.leading](study)
    views = [view for view in views if view.tables]
    if not views:
        return None
    shown = [table for view in views for table in view.tables if table.axes and _points(table) > 1]
    plot = Heading("plot", subject) if shown else None
    headings = tuple(filter(None, (plot, *(view.heading for view in views))))
    controls = environment().get_template("map.html.j2").render(several=len(shown) > 1) if plot else ""
    data = {"plot": plot, "views": views, "controls": Markup(controls)}
    return Section(headings, data, page_file("map.css") if plot else "", page_file("map.js") if plot else "")


def _points(table: PageTable) -> int:
    """Return the number of rows that have a value on the plot's vertical axis."""
    return sum(table.axes is not None and line.cells[table.axes[1]][1] is not None for line in table.lines)


def _trainings(study: Study) -> tuple[list[TopTables], str]:
    views = [_of_training(placed, study) for placed in study.trainings]
    across = {
        part.table.columns[part.axes[0]].heading for v in views for part in v.tables if part.axes and part.axes[0]
    }
    against = [words for heading, words in _ACROSS.items() if any(name.startswith(heading) for name in across)]
    return views, f"Accuracy {against[0]}" if against else "Accuracy by operator"


def _of_training(placed: PageTraining, study: Study) -> TopTables:
    tables = []
    baseline = placed.run.baseline or "as given"
    own = zip(training_tables(placed.run), places_of(placed.run).items(), strict=True)
    for number, (table, ((data, model), found)) in enumerate(own, start=1):
        whole = with_joined(table, joined_with(found, study.results))
        part = page_table(
            replace(whole, title=""), placed.run.families, f"{placed.anchor}-{number}", f"{model} on {data}"
        )
        first = [(name, "") for name in (baseline, found[0].label, *_best_of(found, study))]
        same = [(one.label, "") for one in undistinguished_trained(found)]
        across = _place(whole, "forward time") or _place(whole, "SSIM") or _place(whole, "images/s")
        tables.append(replace(folded(part, first, same, baseline), axes=(across, _place(whole, "test top-1") or 1)))
    return TopTables(Heading(f"{placed.anchor}-accuracy", placed.heading("Test accuracy")), tuple(tables))


def _best_of(found: Sequence[TrainedOperator], study: Study) -> list[str]:
    """Return the operators that no other one beats both in accuracy and in the first cost that the page has of them."""
    joined = next((one for one in joined_with(found, study.results) if one.key == "forward_s"), None)
    return [joined.points[place][0] for place in front_of(joined)] if joined else []


def _comparisons(study: Study) -> tuple[list[TopTables], str]:
    views = [_of_comparison(placed) for placed in study.comparisons]
    timed = any(part.axes and part.axes[0] is not None for view in views for part in view.tables)
    return views, "Retention against cost" if timed else "Retention by operator"


def _of_comparison(placed: PageComparison) -> TopTables:
    tables = []
    own = zip(placed.settings.items(), compare_tables(placed.run, placed.summaries), strict=True)
    for number, ((setting, group), alone) in enumerate(own, start=1):
        table, anchor = alone, f"{placed.anchor}-{number}"
        if joined := joined_of(placed, group):
            table, anchor = joined, f"{anchor}-joined"
        title = ", ".join(placed.titles(setting)) or table.title
        part = page_table(_untitled(table, setting, placed), placed.run.families, anchor, title)
        part = _with_folds(part, placed, setting, group)
        tables.append(replace(part, axes=_axes_of(table, placed.run.metrics)))
    name = "Retention and cost" if any("joined" in part.id for part in tables) else "Information retained"
    return TopTables(Heading(f"{placed.anchor}-table", placed.heading(name)), tuple(tables))


def _untitled(table: Table, setting: Setting, placed: PageComparison) -> Table:
    """Return a table without the title, which its heading tells, and the definitions of metrics, which the protocol
    tells.
    """
    caption = table.caption
    for key in reversed(placed.run.metrics):
        caption = caption.removesuffix(visible(f" · {METRICS[key].note_of(features=setting.of_features)}"))
    return replace(table, title="", caption=caption)


def joined_of(placed: PageComparison, group: Sequence[Summary]) -> Table | None:
    """Return retention against the cost that the first profile with operators of ``group`` measured."""
    return next((table for profile in placed.profiles if (table := joined_table(group, profile))), None)


def _with_folds(part: PageTable, placed: PageComparison, setting: Setting, group: Sequence[Summary]) -> PageTable:
    if placed.run.sweep:  # a curve, which is read whole
        return part
    stated = any(line.state for line in part.lines)
    words = {summary.state: state_title(summary.state) for summary in group}
    verdicts = [verdict for verdict in placed.verdicts if verdict.setting == setting]
    first = keys_of(named_by(verdicts, group), words, stated=stated)
    same = keys_of(undistinguished(group), words, stated=stated)
    return folded(part, first, same, placed.run.baseline)


def _axes_of(table: Table, metrics: Sequence[str]) -> tuple[int | None, int] | None:
    headings = [METRICS[key].title for key in metrics]
    up = _place(table, headings[0]) if headings else None
    if up is None:
        return None
    return _place(table, "time") or _place(table, "forward"), up


def _profiles(study: Study) -> tuple[list[TopTables], str]:
    views = [_of_cost(placed, profile_tables(placed.run)) for placed in study.profiles]
    return views, "Forward and backward against forward time" if _trains(views) else "Cost by operator"


def _models(study: Study) -> tuple[list[TopTables], str]:
    views = [_of_cost(placed, model_tables(placed.run)) for placed in study.models]
    return views, "Training against inference" if _trains(views) else "Cost by operator"


def _trains(views: Sequence[TopTables]) -> bool:
    parts = [part for view in views for part in view.tables if part.axes]
    return any(part.axes and part.table.columns[part.axes[1]].heading.startswith("fwd+bwd") for part in parts)


def _of_cost(placed: PageProfile | PageModel, found: Sequence[Table]) -> TopTables:
    tables = []
    for number, table in enumerate(found, start=1):
        told = table.caption.split(" · ")[: 1 if isinstance(placed, PageProfile) else 2]
        pools = table.title.startswith("Pools")
        title = ", ".join([table.title if pools else placed.title, *told])
        shown = table if pools else replace(table, title="")
        part = page_table(shown, placed.run.families, f"{placed.anchor}-{number}", title)
        part = folded(part, [(line.name, line.state) for line in part.lines if line.role], [], placed.run.baseline)
        up = next(filter(None, (_place(table, figure) for figure in ("fwd+bwd", "peak", "GB/s", "in pools"))), None)
        tables.append(replace(part, axes=(_place(table, "forward"), up) if up else None))
    name = "Cost" if isinstance(placed, PageProfile) else "Cost in a model"
    anchor = "cost" if isinstance(placed, PageProfile) else "model"
    return TopTables(Heading(f"{placed.anchor}-{anchor}", placed.heading(name)), tuple(tables))


def _place(table: Table, heading: str) -> int | None:
    """Return the number of the first column of figures whose heading begins so; never 0, the names."""
    found = (
        place
        for place, column in enumerate(table.columns)
        if column.number and not column.relative and column.heading.startswith(heading)
    )
    return next(found, None)


#: Of the plot of a training, by the column across: what accuracy stands against.
_ACROSS = {"forward time": "against cost", "SSIM": "against retention", "images/s": "against training speed"}
_VIEWS = {TRAIN_KIND: _trainings, "compare": _comparisons, "profile": _profiles, MODEL_KIND: _models}
