"""Caveats: reasons to doubt the numbers, the most important first; the answer tells the first."""

from __future__ import annotations

from itertools import zip_longest

from poolzoo.analysis.results.verdicts import doubts
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import PageComparison, PageRun, Study
from poolzoo.reports.page.verdict_words import warnings_of
from poolzoo.reports.text.tables import error_lines

PLACE = 30
#: Failures that are told; the table names the rest.
FAILURES_TOLD = 8


def render(study: Study) -> Section | None:
    """Return the caveats."""
    warnings = caveats_of(study)
    return Section((Heading("warnings", "Caveats"),), {"warnings": warnings}, folded=True) if warnings else None


def caveats_of(study: Study) -> list[str]:
    """Return the caveats of a page, the most important of each result first."""
    apart = [[placed.prefixed(text) for text in _warnings(placed)] for placed in study.runs]
    return [text for each in zip_longest(*apart) for text in each if text]


def _warnings(placed: PageRun) -> list[str]:
    result = placed.run.result
    summaries = placed.summaries if isinstance(placed, PageComparison) else []
    found = doubts(result, summaries)
    warnings = []
    if found.failed:
        said = error_lines(result)
        failed = "; ".join(said[:FAILURES_TOLD]) + "; …" * (len(said) > FAILURES_TOLD)
        have = "has" if found.failed == 1 else "have"
        what = f"rows {have} no scores" if placed.is_comparison else "measurements failed"
        warnings.append(f"{found.failed} of {found.rows} {what}: {failed}")
    families = set(placed.run.families.values())
    if len(families) > 1 and "resampling" in families and any(summary.setting.is_misplaced for summary in summaries):
        warnings.append(
            "With --align interpolate, upsampling misplaces the pooled values, except those of resampling operators:"
            " part of their lead comes from that. Compare with --align center."
        )
    if any(summary.pool == "bicubic" and summary.setting.protocol == "lowres" for summary in summaries):
        warnings.append(
            "At low resolution the original is downscaled by bicubic itself: the operator's perfect score is void,"
            " and operators similar to it score high for that reason."
        )
    return warnings + warnings_of(found)
