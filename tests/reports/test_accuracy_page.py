"""docs/accuracy.md is what its stored results give."""

from __future__ import annotations

import pytest
from reports.conftest import docs_script


@pytest.fixture(scope="module")
def maker():
    return docs_script("make_accuracy")


def test_the_page_is_drawn_from_its_results(maker):
    text, pictures = maker.page(maker.read_results())
    assert maker.PAGE.read_text(encoding="utf-8") == text, "`python docs/make_accuracy.py --redraw` writes it anew"
    assert {path.name for path in maker.FOLDER.iterdir()} == {*pictures, "results.json"}


def test_every_operator_has_every_seed(maker):
    trained, shown, cost = maker.read_results()
    assert [result.kind for result in (trained, shown, cost)] == ["train", "compare", "profile"]
    tested = [row for row in trained.rows if row["test_top1"] is not None]
    assert len(tested) == 3 * len(maker.POOLS)
    assert {row["pool"] for row in tested} == {row["pool"] for row in shown.rows} == {row["pool"] for row in cost.rows}
    assert "/" not in trained.rows[0]["data"]
