"""Caveats: reasons to doubt the numbers, the most important first; the answer tells the first."""

from __future__ import annotations

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
    """Return the caveats of all results, the most important first."""
    found = [(weight, placed.prefixed(text)) for placed in study.runs for weight, text in _warnings(placed)]
    return [text for _, text in sorted(found, key=lambda caveat: caveat[0])]


def _warnings(placed: PageRun) -> list[tuple[int, str]]:
    result = placed.run.result
    summaries = placed.summaries if isinstance(placed, PageComparison) else []
    found = doubts(result, summaries)
    warnings: list[tuple[int, str]] = []
    if found.failed:
        errors = error_lines(result)
        failed = "; ".join(errors[:FAILURES_TOLD]) + "; …" * (len(errors) > FAILURES_TOLD)
        have = "has" if found.failed == 1 else "have"
        what = f"rows {have} no scores" if placed.is_comparison else "measurements failed"
        warnings.append((0, f"{found.failed} of {found.rows} {what}: {failed}"))
    families = set(placed.run.families.values())
    if len(families) > 1 and "resampling" in families and any(summary.setting.is_misplaced for summary in summaries):
        said = (
            "With --align interpolate, upsampling misplaces the pooled values, except those of resampling operators:"
            " part of their lead comes from that. Compare with --align center."
        )
        warnings.append((1, said))
    if any(summary.pool == "bicubic" and summary.setting.protocol == "lowres" for summary in summaries):
        said = (
            "At low resolution the original is downscaled by bicubic itself: the operator's perfect score is void,"
            " and operators similar to it score high for that reason."
        )
        warnings.append((2, said))
    return warnings + warnings_of(found)
