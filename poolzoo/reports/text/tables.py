"""A result as aggregated tables, and its failures as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.schema import MODEL_KIND
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.results.summary_records import Summary
from poolzoo.analysis.results.training_rows import TRAIN_KIND
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.columns import Table
from poolzoo.reports.text.compare_tables import compare_tables
from poolzoo.reports.text.model_tables import model_tables
from poolzoo.reports.text.profile_tables import profile_tables
from poolzoo.reports.text.training_tables import training_tables
from poolzoo.reports.text.words import visible

ERRORS_SHOWN = 40


def tables(result: Result, summaries: Sequence[Summary] | None = None) -> list[Table]:
    """Return the aggregated tables of a result, one per setting.

    Args:
        result: a comparison, a profile or a model's profile.
        summaries: of the comparison, if already computed.
    """
    run = RunFacts.of(result)
    if result.kind == "profile":
        return profile_tables(run)
    if result.kind == MODEL_KIND:
        return model_tables(run)
    if result.kind == TRAIN_KIND:
        return training_tables(run)
    return compare_tables(run, summarise(result) if summaries is None else summaries)


def error_lines(result: Result) -> list[str]:
    """Return one line per failed row; failures that repeat for seeds or scales of the input are listed once."""
    lines: dict[str, int] = {}
    for row in result.rows:
        if row["error"] is not None:
            # A message about a file often names it.
            image = [str(row["image"])] if row.get("image") and str(row["image"]) not in row["error"] else []
            place = " on ".join([label(row)] * bool(row["pool"]) + image)
            line = ": ".join(filter(None, [place, row["error"]]))
            lines[line] = lines.get(line, 0) + 1
    said = [visible(line) + f" ({times} rows)" * (times > 1) for line, times in lines.items()]
    more = sum([*lines.values()][ERRORS_SHOWN:])
    return said[:ERRORS_SHOWN] + ([f"and {more} more, in the JSON and CSV"] if more else [])
