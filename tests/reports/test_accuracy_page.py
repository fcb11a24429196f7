"""docs/accuracy.md is what its stored results give."""

from __future__ import annotations

import pytest
from reports.conftest import docs_script


@pytest.fixture(scope="module")
def maker():
    return docs_script("make_accuracy")


def test_the_page_is_drawn_from_its_results(maker):
    text, pictures = maker.page()
    assert maker.PAGE.read_text(encoding="utf-8") == text, "`python docs/make_accuracy.py --redraw` writes it anew"
    rows = {f"{name}.json" for name in maker.stored_experiments()}
    assert {path.name for path in maker.FOLDER.iterdir()} == {*pictures, *rows}


def test_every_operator_has_every_seed(maker):
    for name in maker.stored_experiments():
        trained, shown, cost = maker.read_results(name)
        assert [result.kind for result in (trained, shown, cost)] == ["train", "compare", "profile"]
        tested = [row for row in trained.rows if row["test_top1"] is not None]
        seeds = {row["seed"] for row in tested}
        assert len(tested) == len(seeds) * len(maker.EXPERIMENTS[name].pools)
        trained_pools = {row["pool"] for row in tested} - {""}
        assert trained_pools == {row["pool"] for row in shown.rows} == {row["pool"] for row in cost.rows}
        assert "/" not in trained.rows[0]["data"]


def test_only_seeds_of_which_every_operator_is_finished_are_taken(maker):
    trained = maker.read_results("fashion-subset")[0]
    lost = [row for row in trained.rows if (row["pool"], row["seed"], row["epoch"]) == ("gem", 1, 5)]
    assert len(lost) == 1
    rows = [row for row in trained.rows if row is not lost[0]]
    whole = maker.with_whole_seeds(type(trained)(trained.kind, trained.metadata, rows))
    assert {row["seed"] for row in whole.rows} == {0, 2}
