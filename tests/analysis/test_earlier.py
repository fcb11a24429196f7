"""Files that an earlier poolzoo wrote, in ``earlier/``, still read: a store (as SQL), its rows as CSV, a result.

They were written before metrics became records: the store has a column for every metric that there was.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest
from PIL import Image
from reports.conftest import make_profile

import poolzoo
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import TIME_KEYS
from poolzoo.analysis.results.summaries import summarise

EARLIER = Path(__file__).parent / "earlier"


#: What rows say of their windows since, and what that is in rows that do not say it.
ADDED = {"padding": 0, "dilation": 1, "ceil_mode": False}


@pytest.fixture
def store(tmp_path) -> Path:
    path = tmp_path / "earlier.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript((EARLIER / "store.sql").read_text())
    connection.close()
    return path


def test_a_store_gives_the_rows_and_summaries_that_it_gave(store, tmp_path):
    read = poolzoo.load(store)
    rows = list(csv.DictReader((EARLIER / "rows.csv").open()))
    written = list(csv.DictReader(read.save(tmp_path / "rows.csv").open()))
    assert [{key: row[key] for key in rows[0]} for row in written] == rows
    assert {tuple(row[key] for key in ADDED) for row in written} == {("0", "1", "False")}
    assert {(row["upsample"], row["align"]) for row in written} == {("bilinear", "interpolate"), ("", "")}
    means = {(s["operator"], s["state"]): s["psnr"] for s in read.summary().to_dict("records")}
    rows = [row for row in csv.DictReader((EARLIER / "rows.csv").open()) if not row["error"]]
    for operator, state in means:
        own = [float(row["psnr"]) for row in rows if (row["pool"], row["state"]) == (operator, state)]
        assert means[operator, state] == pytest.approx(sum(own) / len(own), rel=1e-12)
    assert read.metadata["dataset"]["unreadable"] == 1


def test_a_result_is_read_and_written_as_it_was(tmp_path):
    held = json.loads((EARLIER / "result.json").read_text())
    read = poolzoo.load(EARLIER / "result.json")
    written = json.loads(read.to_json())
    assert written["metadata"] == held["metadata"] | ADDED | {"align": "interpolate", "schema_version": 3}
    assert written["rows"] == [row | ADDED | {"align": "interpolate"} for row in held["rows"]]
    assert poolzoo.load(read.save(tmp_path / "again.json")).to_json() == read.to_json()


@pytest.mark.parametrize(
    ("upsample", "window", "align"),
    [
        ("bilinear", {"kernel_size": 2, "stride": 2}, "center"),
        ("bilinear", {"kernel_size": 3, "stride": 2}, "interpolate"),
        ("nearest", {"kernel_size": "2x3", "stride": 2}, "interpolate"),
        ("optimal", {"kernel_size": 3, "stride": 2}, "none"),
        ("none", {"kernel_size": 3, "stride": 2}, "none"),
    ],
)
def test_rows_of_an_earlier_result_are_compared_where_they_were_put(tmp_path, upsample, window, align):
    """Interpolation was all that there was; where windows lie side by side, it puts values at their centres."""
    data = json.loads((EARLIER / "result.json").read_text())
    data["rows"] = [row | window | {"upsample": upsample} for row in data["rows"]]
    (tmp_path / "a.json").write_text(json.dumps(data))
    read = poolzoo.load(tmp_path / "a.json")
    assert {row["align"] for row in read.rows} == {"none" if align == "none" else "interpolate"}
    assert {summary.setting.align for summary in summarise(read)} == {align}


def test_an_earlier_store_is_read_but_not_continued(store, tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="a store of schema version 2; this poolzoo continues version 3 only"):
        poolzoo.compare(dataset=str(tmp_path), store=store, pool=("avg", "max"))


def test_the_settings_of_earlier_summaries_are_read(tmp_path):
    data = json.loads(poolzoo.load(EARLIER / "result.json").to_json())
    plain = [summary.to_plain() for summary in summarise(poolzoo.load(EARLIER / "result.json"))]
    for summary in plain:
        for key in (*ADDED, "align"):
            del summary["setting"][key]
    data["metadata"]["schema_version"] = 2
    (tmp_path / "a.json").write_text(json.dumps(data | {"summaries": plain}))
    (setting,) = {summary.setting for summary in summarise(poolzoo.load(tmp_path / "a.json"))}
    assert (setting.padding, setting.dilation, setting.ceil_mode) == ("0", "1", "False")


def test_times_of_the_reference_are_left_out(tmp_path):
    """Before rows said what was timed, it was the float64 reference, which is no cost."""
    data = json.loads((EARLIER / "result.json").read_text())
    for row in data["rows"]:
        for key in TIME_KEYS[1:]:
            del row[key]
    (tmp_path / "a.json").write_text(json.dumps(data))
    assert {row["forward_s"] for row in poolzoo.load(tmp_path / "a.json").rows} == {None}


def test_a_profile_from_before_waiting_was_counted_is_read():
    result = make_profile(("avg", "max"))
    data = json.loads(result.to_json())
    for row in data["rows"]:
        del row["waited_fraction"]
    assert [row["waited_fraction"] for row in Result.from_json(json.dumps(data), "a.json").rows] == [None, None]
