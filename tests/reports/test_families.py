"""docs/families.md: every limit holds, the invariances are those that formulas promise, and the page is current."""

from __future__ import annotations

import pytest
from reports.conftest import docs_script

from poolzoo import registry

MAKER = docs_script("make_families")
LIMITS = MAKER.limits()


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.general} at {limit.at}")
def test_at_its_limit_an_operator_is_the_other(limit):
    assert limit.error(MAKER.image()) < limit.within
    names = {info.name for info in registry.builtin_pools()} | {"min"}
    assert {limit.general, limit.special} <= names


def test_the_page_is_current_and_measures_what_formulas_promise():
    page = MAKER.PAGE.read_text(encoding="utf-8")
    assert page == MAKER.make(), "`make families` writes it anew"
    found = {
        (cells[0], column)
        for line in page.split("## Invariances")[1].splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) > len(MAKER.COLUMNS)
        for column, cell in zip(MAKER.COLUMNS, cells[1:], strict=True)
        if cell == "yes"
    }
    # Which phase aps and lps keep may change with the map.
    assert {name for name, column in found if column == "monotone map"} - {"aps", "lps"} == {
        *("max", "strided", "fractional_max", "space_to_depth", "checkered", "complete", "tri", "multisampling"),
    }
    assert {name for name, column in found if column == "shift by 1"} >= {"aps", "lps"}
    promised = {("avg", "bias"), ("avg", "scale"), ("max", "rotation"), ("lse", "bias"), ("edscw", "scale")}
    assert promised <= found
    assert not {("softpool", "scale"), ("lp", "bias"), ("strided", "permutation"), ("aps", "permutation")} & found
