"""Caveats: reasons to doubt the numbers."""

from __future__ import annotations

from poolzoo.analysis.results.verdicts import doubts
from poolzoo.reports.page.section import Section
from poolzoo.reports.page.study import PageComparison, PageRun, Study
from poolzoo.reports.page.verdict_words import warnings_of
from poolzoo.reports.text.tables import error_lines

PLACE = 10
#: Failures that are told; the table names the rest.
FAILURES_TOLD = 8


def render(study: Study) -> Section | None:
    """Return the caveats, to stand next to the answer."""
    warnings = [placed.prefixed(text) for placed in study.runs for text in _warnings(placed)]
    return Section(shown={"warnings": warnings}) if warnings else None


def _warnings(placed: PageRun) -> list[str]:
    result = placed.run.result
    summaries = placed.summaries if isinstance(placed, PageComparison) else []
    found = doubts(result, summaries)
    warnings = warnings_of(found)
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
    if found.failed:
        said = error_lines(result)
        failed = "; ".join(said[:FAILURES_TOLD]) + "; …" * (len(said) > FAILURES_TOLD)
        have = "has" if found.failed == 1 else "have"
        what = f"rows {have} no scores" if placed.is_comparison else "measurements failed"
        warnings.append(f"{found.failed} of {found.rows} {what}: {failed}")
    return warnings
