"""The operators: the facts that the results have of each."""

from __future__ import annotations

from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import Study
from poolzoo.reports.run_facts import OperatorFacts

PLACE = 100


def render(study: Study) -> Section | None:
    """Return formula, source and family of each operator, once."""
    known: dict[str, OperatorFacts] = {}
    for placed in study.runs:
        for operator in placed.run.operators:
            known.setdefault(operator.label, operator)
    return (
        Section((Heading("operators", "Operators"),), {"operators": list(known.values())}, folded=True)
        if known
        else None
    )
