"""The rows of a table that stay in sight, and those that are folded."""

from __future__ import annotations

import re

import pytest
from reports.conftest import compare_row, docs_script, make_compare

from poolzoo.reports.page.matters import ROWS_IN_SIGHT
from poolzoo.reports.page.page import render_page
from poolzoo.reports.page.study import counted_operators

IMAGES = "abcdef"


def folds(html, table="r1-1"):
    """The fold of each row of a table by its operator, "" for one in sight, and the words of its folds."""
    found = re.search(rf'<table class="grid" id="{table}"(.*?)</table>', html, re.DOTALL)[1]
    rows = re.findall(r'<tr([^>]*)><th scope="row"[^>]* data-name="([^"]*)"', found)
    fold = {name: (re.search('data-fold="(.*?)"', attributes) or ["", ""])[1] for attributes, name in rows}
    return fold, dict(re.findall('data-fold-(same|rest)="(.*?)"', found.partition(">")[0]))


def page_of(gains, images=IMAGES, **more):
    rows = [
        compare_row(image, name, 30.0 + place + gain, 0.5, forward_s=more.get(name))
        for name, gain in gains.items()
        for place, image in enumerate(images)
    ]
    return render_page([make_compare(images, rows, metrics=["psnr"])])


WORSE = {f"op{place:02}": -1.0 - place for place in range(14)}


def test_ten_rows_stay_in_sight_with_the_baseline_and_whom_the_verdict_names():
    times = {"avg": 2e-3, "op12": 1e-3} | {name: 5e-3 for name in WORSE if name != "op12"}
    fold, words = folds(page_of({"best": 1.0, "avg": 0.0, **WORSE}, **times))
    shown = [name for name, key in fold.items() if not key]
    assert shown == ["best", "avg", *(f"op{place:02}" for place in range(7)), "op12"], "the fastest is on the front"
    assert len(shown) == ROWS_IN_SIGHT
    assert words == {"rest": "Show all 16 rows: 16 operators"}


def test_rows_that_do_not_differ_share_a_line_if_there_are_intervals():
    gains = {"avg": 0.0, "same": 1e-13, "alike": 0.0, **WORSE}
    fold, words = folds(page_of(gains))
    assert [name for name, key in fold.items() if key == "same"] == ["alike", "same"]
    assert words["same"] == "2 rows not different from avg by their interval: alike and same"
    fold, words = folds(page_of(gains, images="abcd"))
    assert "same" not in words, "four images have no interval"


def test_rows_that_do_not_change_between_runs_share_a_line():
    def run(changes):
        rows = [
            compare_row(image, name, 30.0 + place + changes.get(name, 0.0), 0.5)
            for name in ("avg", "best", *WORSE)
            for place, image in enumerate(IMAGES)
        ]
        return make_compare(IMAGES, rows, metrics=["psnr"])

    fold, words = folds(render_page([run({}), run({"best": 1.0, "op03": -1.0})]), "versus-compare-1")
    assert {name for name, key in fold.items() if not key} == {"avg", "best", "op03"}
    assert words["same"].startswith("13 rows not changed by their interval: op00, op01,")


def test_a_short_table_is_whole():
    fold, words = folds(page_of({"avg": 0.0, "same": 0.0, "max": -1.0}))
    assert set(fold.values()) == {""} and words == {}


@pytest.mark.slow
def test_a_training_keeps_its_best_trade_offs_in_sight():
    trained, shown, cost = docs_script("make_accuracy").read_results()
    fold, words = folds(render_page([trained, shown, cost]))
    assert {name: fold[name] for name in ("avg", "max", "lip")} == {"avg": "", "max": "", "lip": ""}
    assert set(fold.values()) == {"", "same"} and "not different from avg" in words["same"]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["avg"], "1 operator"),
        (["avg", "max"], "2 operators"),
        (["avg", "lp", "lp:p=3"], "2 operators in 3 variants"),
    ],
)
def test_counts_say_what_they_count(labels, words):
    assert counted_operators(labels) == words
