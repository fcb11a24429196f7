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
    timed = any("time" in column.heading for view in views for part in view.tables for column in part.table.columns)
    return views, "Accuracy against cost" if timed else "Accuracy"


def _of_training(placed: PageTraining, study: Study) -> TopTables:
    tables = []
    baseline = placed.run.baseline or "as given"
    own = zip(training_tables(placed.run), places_of(placed.run).items(), strict=True)
    for number, (table, ((data, model), found)) in enumerate(own, start=1):
        whole = with_joined(table, joined_with(found, study.results))
        part = page_table(whole, placed.run.families, f"{placed.anchor}-{number}", f"{model} on {data}")
        first = [(baseline, "")]
        same = [(one.label, "") for one in undistinguished_trained(found)]
        across = _place(whole, "forward time") or _place(whole, "SSIM") or _place(whole, "images/s")
        tables.append(replace(folded(part, first, same, baseline), axes=(across, _place(whole, "test top-1") or 1)))
    return TopTables(Heading(f"{placed.anchor}-accuracy", placed.heading("Accuracy")), tuple(tables))


def _comparisons(study: Study) -> tuple[list[TopTables], str]:
    views = [_of_comparison(placed) for placed in study.comparisons]
    timed = any(part.axes and part.axes[0] is not None for view in views for part in view.tables)
    return views, "Retention against cost" if timed else "Retention"


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
    name = "Retention against cost" if any("joined" in part.id for part in tables) else "Information retained"
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
    return [_of_cost(placed, profile_tables(placed.run)) for placed in study.profiles], "Cost"


def _models(study: Study) -> tuple[list[TopTables], str]:
    return [_of_cost(placed, model_tables(placed.run)) for placed in study.models], "Cost in a model"


def _of_cost(placed: PageProfile | PageModel, found: Sequence[Table]) -> TopTables:
    tables = []
    for number, table in enumerate(found, start=1):
        title = f"{placed.title} {table.caption.partition(' · ')[0]}"
        part = page_table(table, placed.run.families, f"{placed.anchor}-{number}", title)
        part = folded(part, [(line.name, line.state) for line in part.lines if line.role], [], placed.run.baseline)
        up = _place(table, "fwd+bwd") or _place(table, "peak") or _place(table, "GB/s")
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


_VIEWS = {TRAIN_KIND: _trainings, "compare": _comparisons, "profile": _profiles, MODEL_KIND: _models}
