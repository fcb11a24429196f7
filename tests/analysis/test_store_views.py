"""The SQL views of stores, read as other programs read them: through SQLite alone."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import signal
import sqlite3
from pathlib import Path

import pytest
from analysis.test_store import METADATA, PLAN, file, fill, row, rows_of, unreadable

import poolzoo
from poolzoo.analysis.results import store as stores
from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.results.store import Store
from poolzoo.analysis.results.training_rows import empty_row
from poolzoo.analysis.results.training_store import TrainingPlan, TrainingStore

TIMES = {
    "forward_s": 0.5,
    "forward_iqr_s": 0.125,
    "forward_backend": "native",
    "forward_dtype": "float32",
    "forward_shape": "1x3x32x32",
}


def lines_of(path: Path, view: str) -> list[dict]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        cursor = connection.execute(f"SELECT * FROM {view}")
        names = [about[0] for about in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor]


def as_sql(line: dict) -> dict:
    """A line as SQLite holds it: no bools, and null for NaN, which pandas makes of None."""
    return {
        key: int(value) if isinstance(value, bool) else None if value != value else value for key, value in line.items()
    }


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.sqlite"


@pytest.fixture
def dataset(path) -> Path:
    """A store with seeds, an exact image, an operator with parameters that fails once, and a file that is broken."""
    plan = dataclasses.replace(PLAN, specs=("avg", "stochastic", "lp:p=3"))
    with Store.create(path, plan) as store:
        for number, name in enumerate("bacdefg"):
            lp = row(name, "lp", ssim=0.1 * number, psnr=math.inf if name == "c" else 20.0 + number) | {"params": "p=3"}
            if name == "d":
                lp |= {"error": "too small"} | dict.fromkeys(("kept", "equal_kept", "ssim", "psnr"))
            store.put(file(name), (32, 32), plan.specs, [*rows_of(name), lp])
        store.put(file("odd/broken.png"), None, plan.specs, unreadable("odd/broken.png"))
        store.note_times(
            {"cpu": "one"}, {("avg", "", "fixed"): TIMES, ("lp", "p=3", "fixed"): TIMES | {"forward_s": 2}}
        )
    return path


@pytest.fixture
def training(path) -> Path:
    """A store of two operators and the network as given: two finished cells each, one that failed, one under way."""
    specs = ("", "avg", "lp:p=3")
    metadata = {"baseline": "avg", "images": []}
    with TrainingStore.create(path, TrainingPlan({"epochs": 2}, specs, metadata)) as store:
        for number, spec in enumerate(specs):
            for seed in (0, 1):
                rows = [empty_row("data", "net", spec, seed, epoch) for epoch in (1, 2)]
                for each in rows:
                    each["epoch_s"] = 1.0 + number + each["epoch"]
                rows[-1]["test_top1"] = 0.5 + 0.1 * number + 0.03 * seed * number
                store.put(spec, rows, finished=True)
        failed = empty_row("data", "net", "lp:p=3", 2, 1)
        failed["error"] = "diverged"
        store.put("lp:p=3", [failed], finished=True)
        store.put("avg", [empty_row("data", "net", "avg", 2, 1)], finished=False)
    return path


@pytest.mark.parametrize("kind", ["dataset", "training"])
def test_the_view_rows_has_the_rows_and_columns_of_the_csv_file(kind, request):
    path = request.getfixturevalue(kind)
    expected, lines = poolzoo.load(path), lines_of(path, "rows")
    assert list(lines[0]) == expected.columns
    rows = [as_sql({key: found[key] for key in expected.columns}) for found in expected.all_rows()]
    assert sorted(lines, key=repr) == sorted(rows, key=repr) and len(rows) > 10
    if kind == "dataset":
        assert {line["forward_s"] for line in lines} == {None, 0.5, 2}


@pytest.mark.parametrize("kind", ["dataset", "training"])
def test_the_view_summary_has_the_lines_of_the_python_summary(kind, request):
    path = request.getfixturevalue(kind)
    frame, lines = poolzoo.load(path).summary(), lines_of(path, "summary")
    assert lines == [as_sql(line) for line in frame.astype(object).to_dict("records")]
    score = {"dataset": "ssim", "training": "top1"}[kind]
    assert all(
        line[f"{score}_low"] < line[score] < line[f"{score}_high"] for line in lines if line["operator"] != "as given"
    )
    assert len(lines) == {"dataset": 4, "training": 3}[kind]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("dataset", [("d", "lp:p=3", "too small"), ("odd/broken.png", "", "'odd/broken.png': truncated")]),
        ("training", [("net", "lp:p=3", "diverged")]),
    ],
)
def test_the_view_failures_says_what_failed_and_why(kind, expected, request):
    lines = lines_of(request.getfixturevalue(kind), "failures")
    where = {"dataset": "image", "training": "model"}[kind]
    assert sorted((line[where], line["operator"], line["error"]) for line in lines) == expected


def test_a_metric_may_have_the_name_of_something_in_sql(path, monkeypatch):
    monkeypatch.setitem(METRICS._found, "order", dataclasses.replace(METRICS["ssim"], key="order"))
    plan = dataclasses.replace(PLAN, specs=("avg",), metadata=METADATA | {"metrics": ["order"]})
    with Store.create(path, plan) as store:
        store.put(file("a"), (32, 32), plan.specs, [row("a", "avg", order=0.25)])
    assert [lines_of(path, view)[0]["order"] for view in ("rows", "summary")] == [0.25, 0.25]


def test_a_store_without_views_gets_them_when_a_run_opens_it(path):
    fill(path, "abc")
    before = lines_of(path, "summary")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for view in ("rows", "summary", "failures"):
            connection.execute(f"DROP VIEW {view}")
        connection.execute("DROP TABLE summaries")
    fill(path, "")
    assert lines_of(path, "summary") == before and len(lines_of(path, "rows")) == 12


def test_another_baseline_is_in_the_summary_at_once(path):
    fill(path, "abc")
    other = dataclasses.replace(PLAN, metadata=METADATA | {"baseline": "stochastic"})
    before = {line["operator"]: line["ssim_difference"] for line in lines_of(path, "summary")}
    fill(path, "", other)
    after = {line["operator"]: line["ssim_difference"] for line in lines_of(path, "summary")}
    assert before["avg"] == 0 and after["avg"] not in (0, None)


def test_a_killed_run_leaves_its_rows_and_no_summary(path, monkeypatch):
    fill(path, "abc")
    monkeypatch.setattr(stores, "COMMIT_EVERY", 0)
    if not (child := os.fork()):
        with contextlib.suppress(BaseException):
            opened = Store.create(path, PLAN)
            for name in "de":
                opened.put(file(name), (32, 32), PLAN.specs, rows_of(name))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(lines_of(path, "rows")) == 20 and lines_of(path, "summary") == []
    fill(path, "")
    assert {line["images"] for line in lines_of(path, "summary")} == {5}
