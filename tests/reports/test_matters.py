"""The rows of a table that stay in sight, and those that are folded."""

from __future__ import annotations

import pytest
from reports.conftest import compare_row, docs_script, make_compare

from poolzoo.reports.page.matters import ROWS_IN_SIGHT
from poolzoo.reports.page.sections import overview, side_by_side
from poolzoo.reports.page.study import Study, counted_operators

IMAGES = "abcdef"


def folds(results, section=overview):
    """The fold of each row of a section's first table by its operator, "" for one in sight, and the folds' words."""
    part = section.render(Study.of(results, None, [])).shown["views"][0].tables[0]
    return {line.name: line.fold for line in part.lines}, dict(part.folds)


def results_of(gains, images=IMAGES, **times):
    rows = [
        compare_row(image, name, 30.0 + place + gain, 0.5, forward_s=times.get(name))
        for name, gain in gains.items()
        for place, image in enumerate(images)
    ]
    return [make_compare(images, rows, metrics=["psnr"])]


WORSE = {f"op{place:02}": -1.0 - place for place in range(14)}


def test_ten_rows_stay_in_sight_with_the_baseline_and_whom_the_verdict_names():
    times = {"avg": 2e-3, "op12": 1e-3} | {name: 5e-3 for name in WORSE if name != "op12"}
    fold, words = folds(results_of({"best": 1.0, "avg": 0.0, **WORSE}, **times))
    shown = [name for name, key in fold.items() if not key]
    assert shown == ["best", "avg", *(f"op{place:02}" for place in range(7)), "op12"], "the fastest is on the front"
    assert len(shown) == ROWS_IN_SIGHT
    assert words == {"rest": "Show all 16 rows: 16 operators"}


def test_rows_that_do_not_differ_share_a_line_if_there_are_intervals():
    gains = {"avg": 0.0, "same": 1e-13, "alike": 0.0, **WORSE}
    fold, words = folds(results_of(gains))
    assert [name for name, key in fold.items() if key == "same"] == ["alike", "same"]
    assert words["same"] == "2 rows not different from avg by their interval: alike and same"
    fold, words = folds(results_of(gains, images="abcd"))
    assert "same" not in words, "four images have no interval"


def test_rows_that_do_not_change_between_runs_share_a_line():
    def run(changes):
        rows = [
            compare_row(image, name, 30.0 + place + changes.get(name, 0.0), 0.5)
            for name in ("avg", "best", *WORSE)
            for place, image in enumerate(IMAGES)
        ]
        return make_compare(IMAGES, rows, metrics=["psnr"])

    fold, words = folds([run({}), run({"best": 1.0, "op03": -1.0})], side_by_side)
    assert {name for name, key in fold.items() if not key} == {"avg", "best", "op03"}
    assert words["same"].startswith("13 rows not changed by their interval: op00, op01,")


def test_a_short_table_is_whole():
    fold, words = folds(results_of({"avg": 0.0, "same": 0.0, "max": -1.0}))
    assert set(fold.values()) == {""} and words == {}


def test_a_training_keeps_its_best_trade_offs_in_sight():
    fold, words = folds(docs_script("make_accuracy").read_results("fashion-subset"))
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
