"""Files that an earlier poolzoo wrote, in ``earlier/``, still read: a store (as SQL), its rows as CSV, a result.

They were written before metrics became records: the store has a column for every metric that there was.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest

import poolzoo
from poolzoo.analysis.results.schema import TIME_KEYS

EARLIER = Path(__file__).parent / "earlier"


@pytest.fixture
def store(tmp_path) -> Path:
    path = tmp_path / "earlier.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript((EARLIER / "store.sql").read_text())
    connection.close()
    return path


def test_a_store_gives_the_rows_and_summaries_that_it_gave(store, tmp_path):
    read = poolzoo.load(store)
    assert read.save(tmp_path / "rows.csv").read_text() == (EARLIER / "rows.csv").read_text()
    means = {(s["operator"], s["state"]): s["psnr"] for s in read.summary().to_dict("records")}
    rows = [row for row in csv.DictReader((EARLIER / "rows.csv").open()) if not row["error"]]
    for operator, state in means:
        own = [float(row["psnr"]) for row in rows if (row["pool"], row["state"]) == (operator, state)]
        assert means[operator, state] == pytest.approx(sum(own) / len(own), rel=1e-12)
    assert read.metadata["dataset"]["unreadable"] == 1


def test_a_result_is_read_and_written_as_it_was(tmp_path):
    text = (EARLIER / "result.json").read_text()
    assert poolzoo.load(EARLIER / "result.json").to_json() == text


def test_times_of_the_reference_are_left_out(tmp_path):
    """Before rows said what was timed, it was the float64 reference, which is no cost."""
    data = json.loads((EARLIER / "result.json").read_text())
    for row in data["rows"]:
        for key in TIME_KEYS[1:]:
            del row[key]
    (tmp_path / "a.json").write_text(json.dumps(data))
    assert {row["forward_s"] for row in poolzoo.load(tmp_path / "a.json").rows} == {None}
