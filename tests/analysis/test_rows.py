"""A result survives its file, and a file that is not a result is answered in one line."""

from __future__ import annotations

import json
import math

import pytest

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.schema import METRICS, PROFILE_KEYS, SCHEMA_VERSION, TIME_KEYS, compare_keys
from poolzoo.reports.page.evidence import results_in_file

UNASKED = set(METRICS) - {"psnr", "ssim"}
ROW = {key: None for key in compare_keys() if key not in UNASKED} | {
    "image": "a",
    "pool": "avg",
    "params": "",
    "psnr": 30.5,
}
COMPARED = '{"metadata": {"schema_version": 2, "kind": "compare", "metrics": []'
RESULT = Result("compare", {"metrics": ["ssim", "psnr"]}, [ROW | {"ssim": 0.5}])


def test_a_result_comes_back_from_its_json():
    assert Result.from_json(RESULT.to_json(), "r.json") == RESULT


def test_the_time_of_an_earlier_poolzoo_which_is_of_the_float64_reference_is_not_read():
    data = json.loads(RESULT.to_json())
    data["rows"][0] = {key: v for key, v in data["rows"][0].items() if key not in TIME_KEYS} | {"forward_s": 0.5}
    (row,) = Result.from_json(json.dumps(data), "old.json").rows
    assert [row[key] for key in TIME_KEYS] == [None] * len(TIME_KEYS)
    data["rows"][0]["forward_dtype"] = "float32"
    with pytest.raises(ValueError, match="row 0 lacks forward_backend, forward_iqr_s, forward_shape"):
        Result.from_json(json.dumps(data), "half.json")


def test_json_is_strict_and_holds_the_schema_version():
    text = Result("compare", RESULT.metadata, [ROW | {"ssim": math.nan, "psnr": math.inf}]).to_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    data = json.loads(text)
    assert data["metadata"]["schema_version"] == SCHEMA_VERSION
    assert list(data["rows"][0]) == RESULT.columns


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_may_begin_with_a_byte_order_mark(encoding, tmp_path):
    named = Result("compare", RESULT.metadata, [RESULT.rows[0] | {"image": "größer.png"}])
    file = tmp_path / "r.json"
    file.write_bytes(named.to_json().encode(encoding))
    assert results_in_file(file) == [named]
    assert Result.from_json("\ufeff" + named.to_json(), "r.json") == named


def test_only_the_metrics_asked_for_are_columns():
    assert "mse" not in RESULT.columns
    assert Result("profile", {}, []).columns == list(PROFILE_KEYS)


def test_an_infinite_psnr_is_null_without_an_error():
    text = Result("compare", RESULT.metadata, [ROW | {"psnr": math.inf, "ssim": 1.0}]).to_json()
    assert Result.from_json(text, "r.json").rows[0]["psnr"] == math.inf
    failed = Result("compare", RESULT.metadata, [ROW | {"psnr": None, "ssim": None, "error": "no"}]).to_json()
    assert Result.from_json(failed, "r.json").rows[0]["psnr"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON file"),
        ("[]", "not a poolzoo result"),
        ("[" * 100_000, "not a JSON file"),
        ('{"metadata": {"x": NaN}, "rows": []}', "not a JSON file (NaN is not a JSON number)"),
        ('{"metadata": {"x": -Infinity}, "rows": []}', "-Infinity is not a JSON number"),
        ('{"metadata": {"x": 1e999}, "rows": []}', "1e999 is too large a number"),
        ('{"metadata": {}, "rows": {}}', "not a poolzoo result"),
        ('{"metadata": {"schema_version": 99}, "rows": []}', "schema version 99; this poolzoo reads versions 2 and 3"),
        ('{"metadata": {"schema_version": 2, "kind": "x"}, "rows": []}', "kind 'x'"),
        ('{"metadata": {"schema_version": 2, "kind": []}, "rows": []}', "kind []"),
        ('{"metadata": {"schema_version": 2, "kind": "profile", "copy_gbps": "x"}, "rows": []}', "metadata.copy_gbps"),
        (f'{COMPARED}, "images": [{{"width": 0, "height": 9}}]}}, "rows": []}}', "an image cannot be 0x9 pixels"),
        (f'{COMPARED}, "images": [{{"width": 1.5, "height": 9}}]}}, "rows": []}}', "an image cannot be 1.5x9 pixels"),
        ('{"metadata": {"schema_version": 2, "kind": "compare"}, "rows": []}', "metadata.metrics"),
        ('{"metadata": {"schema_version": 2, "kind": "compare", "metrics": [[]]}, "rows": []}', "metadata.metrics"),
        ('{"metadata": {"schema_version": 2, "kind": "profile"}, "rows": [{}]}', "row 0 lacks backend"),
        ('{"metadata": {"schema_version": 2, "kind": "profile"}, "rows": [3]}', "row 0 lacks backend"),
    ],
)
def test_a_file_that_is_no_result_is_answered_in_one_line(text, message):
    with pytest.raises(ValueError, match="r.json: ") as caught:
        Result.from_json(text, "r.json")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("pool", None), ("image", ["a"]), ("psnr", "high"), ("ssim", True), ("equal_kept", 1), ("stride", 2.5)],
)
def test_a_row_that_holds_what_no_row_may_is_answered_in_one_line(key, value):
    text = Result("compare", RESULT.metadata, [ROW | {"ssim": 0.5, key: value}]).to_json()
    with pytest.raises(ValueError, match=f"r.json: row 0: {key} cannot be "):
        Result.from_json(text, "r.json")


def test_labels_are_specs():
    assert label({"pool": "lp", "params": "p=3"}) == "lp:p=3"
    assert label({"pool": "lp", "params": ""}) == "lp"
