"""``poolzoo export``: what pandas, json and pyarrow read is what the result has."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pandas as pd
import pytest
import skimage.data
from PIL import Image

import poolzoo
from poolzoo.analysis.results.schema import _TEXT, MODEL_KEYS, PROFILE_KEYS, WINDOW_SIZES, compare_keys
from poolzoo.analysis.results.store_file import connect
from poolzoo.analysis.results.training_rows import TRAIN_KEYS
from poolzoo.api.exporting import OF_ROWS
from poolzoo.reports.parquet import parquet, row_types

#: The black image is rebuilt exactly, so its PSNR is infinite, and one image is named to break tables.
NAMES = ("[1] a|b_&%.png", "flat.png", "photo.png")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A JSON file, a page and a dataset's store of the same images."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "photos").mkdir()
    coffee = skimage.data.coffee()
    images = coffee[:24, :30], np.zeros((24, 30, 3), np.uint8), coffee[50:74, :30]
    for name, pixels in zip(NAMES, images, strict=True):
        Image.fromarray(pixels).save(folder / "photos" / name)
    (folder / "photos" / "torn.png").write_bytes(b"no image")
    given = {"pool": ["avg", "lp:p=3"], "metric": ["psnr", "mse"]}
    images = [str(folder / "photos" / name) for name in NAMES]
    result = poolzoo.compare(images, kernel_size=2, **given)
    result.save(folder / "a.json")
    result.report(folder / "a.html")
    poolzoo.compare(dataset=str(folder / "photos"), store=folder / "a.sqlite", jobs=1, **given)
    poolzoo.report([folder / "a.json", folder / "a.html"], folder / "both.html")
    poolzoo.record_training(folder / "t.sqlite", data="d", model="m", pool="avg", seed=0, epoch=1, train_loss=0.5)
    return folder


SOURCES = ("a.json", "a.html", "a.sqlite", "t.sqlite")


def rows_of(path):
    return list(poolzoo.load(path).all_rows())


def same(found, expected):
    """Whether two values are equal, of which a table may have lost the type."""
    if expected is None:
        return found is None or found != found
    if isinstance(expected, str):
        return str(found) == expected or (expected == "" and found != found)
    return found == expected


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_pandas_reads_every_row(run, saved, source, suffix, tmp_path):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    output = tmp_path / f"rows{suffix}"
    assert run("export", saved / source, "--output", output).code == 0
    # The default parser of pandas is off by a unit in the last place.
    read = pd.read_csv(output, float_precision="round_trip") if suffix == ".csv" else pd.read_parquet(output)
    rows = rows_of(saved / source)
    assert list(read.columns) == poolzoo.load(saved / source).columns and len(read) == len(rows) > 0
    for number, row in enumerate(rows):
        for key in read.columns:
            expected = (
                str(row[key]) if suffix == ".parquet" and key in WINDOW_SIZES and row[key] is not None else row[key]
            )
            assert same(read[key][number], expected), key
    if source == "a.sqlite":
        assert len(rows) == 2 * len(NAMES) + 1 and "torn.png" in read["error"].dropna().item()
    if source.startswith("a."):
        assert math.isinf(read["psnr"].max())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_pandas_reads_the_summary(run, saved, source, suffix, tmp_path):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    output = tmp_path / f"summary{suffix}"
    done = run("export", saved / source, "--summary", "--output", output)
    assert done.code == 0 and ("1 failed row has no numbers" in done.err) is (source == "a.sqlite")
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".json": pd.read_json}
    read, summary = readers[suffix](output), poolzoo.load(saved / source).summary()
    assert list(read.columns) == list(summary.columns) and len(read) == len(summary) > 0
    for key in read.columns:
        for found, expected in zip(read[key], summary[key].tolist(), strict=True):
            if isinstance(expected, float):
                lost = suffix == ".json" and not math.isfinite(expected)
                assert found != found if lost or expected != expected else found == pytest.approx(expected), key
            else:
                assert str(found) == str(expected) or expected is None, key


def test_types_of_parquet_are_those_of_the_schema(saved, tmp_path):
    pa = pytest.importorskip("pyarrow.parquet")
    for keys in (compare_keys(), PROFILE_KEYS, MODEL_KEYS, TRAIN_KEYS):
        types = row_types(keys)
        assert {key for key in keys if types[key] is str} == {*_TEXT, *WINDOW_SIZES} & {*keys}
    read = pa.read_table(poolzoo.export(saved / "a.sqlite", tmp_path / "x.parquet"))
    assert {str(read.schema.field(key).type) for key in ("kernel_size", "image")} == {"string"}
    assert [str(read.schema.field(key).type) for key in ("seed", "equal_kept", "psnr")] == ["int64", "bool", "double"]
    assert json.loads(read.schema.metadata[b"poolzoo"])["kind"] == "compare"


def test_parquet_is_written_in_pieces_that_are_one_file(monkeypatch, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("poolzoo.reports.parquet.ROWS_PER_GROUP", 2)
    rows = [{"image": name, "seed": None} for name in ("a", "lone\udcff", "c", "d", "e")]
    pieces = list(parquet({"image": str, "seed": int}, rows))
    assert len(pieces) == 4 and all(pieces)
    (tmp_path / "x.parquet").write_bytes(b"".join(pieces))
    assert pq.read_table(tmp_path / "x.parquet").column("image").to_pylist() == ["a", r"lone\udcff", "c", "d", "e"]


def test_json_rows_are_the_result_itself(run, saved, tmp_path):
    assert run("export", saved / "a.html", "--output", tmp_path / "x.json").code == 0
    assert (tmp_path / "x.json").read_bytes() == (saved / "a.json").read_bytes()


def test_markdown_rows_are_one_table(run, saved):
    lines = run("export", saved / "a.sqlite", "--rows", "--format", "markdown", "--output", "-").out.splitlines()
    assert len(lines) == 2 + len(rows_of(saved / "a.sqlite"))
    widths = {line.replace(r"\|", "").count("|") for line in lines}
    assert widths == {len(poolzoo.load(saved / "a.sqlite").columns) + 1}
    assert r"\[1\] a\|b\_&amp;%.png" in lines[2]


@pytest.mark.parametrize("how", ["--rows", "--summary"])
def test_latex_is_escaped_and_complete(run, saved, how):
    text = run("export", saved / "a.sqlite", how, "--format", "latex", "--output", "-").out
    count = len(rows_of(saved / "a.sqlite")) if how == "--rows" else 2
    assert text.partition(r"\midrule")[2].count(r" \\") == count
    assert how == "--summary" or r"{[}1] a|b\_\&\%.png" in text


@pytest.mark.parametrize(("suffix", "fmt"), [(".csv", "csv"), (".md", "markdown"), (".tex", "latex")])
def test_the_ending_gives_the_format_and_its_usual_content(saved, suffix, fmt, tmp_path):
    output = poolzoo.export(saved / "a.json", tmp_path / f"x{suffix}")
    asked = {"rows": True} if fmt in OF_ROWS else {"summary": True}
    other = poolzoo.export(poolzoo.load(saved / "a.json"), tmp_path / "other", format=fmt, **asked)
    assert output.read_bytes() == other.read_bytes() != b""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("a.json --output x.html", ("--output 'x.html'", ".csv, .json, .md, .tex or .parquet")),
        ("a.json --output x", ("--output 'x'", "give format")),
        ("a.json --output x.json --format csv", ("--output 'x.json'", "csv", ".csv")),
        ("a.json --output x.html --format csv", ("--output 'x.html'", ".csv")),
        ("a.json --output x.csv --format xlsx", ("--format", "xlsx", "parquet")),
        ("a.json --output x.csv --rows --summary", ("--rows", "summary")),
        ("a.json --output a.json", ("--output", "RESULT", "reads")),
        ("a.sqlite --output x.csv --index 1", ("--index 1", "a.sqlite", "one result")),
        ("both.html --output x.csv", ("both.html", "--index 0 to --index 1")),
        ("both.html --output x.csv --index 2", ("--index 2", "0 to 1")),
        ("gone.json --output x.csv", ("gone.json", "No such file")),
        ("photos/photo.png --output x.csv", ("photo.png",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_refused_in_one_line(run, saved, monkeypatch, arguments, words):
    monkeypatch.chdir(saved)
    before = sorted(saved.iterdir())
    run("export", *arguments.split()).fails(*words)
    assert sorted(saved.iterdir()) == before


def test_of_a_page_of_several_one_is_exported(saved, tmp_path):
    output = poolzoo.export(saved / "both.html", tmp_path / "x.csv", index=1)
    assert output.read_bytes() == poolzoo.export(saved / "a.json", tmp_path / "y.csv").read_bytes()


def test_a_missing_pyarrow_is_named_before_any_work(run, saved, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    output = tmp_path / "x.parquet"
    run("export", saved / "a.json", "--output", output).fails("--format parquet", "poolzoo[parquet]")
    assert not output.exists()


@pytest.mark.parametrize("suffix", [".png", ".html", ".json", ".txt", ".safetensors"])
def test_a_format_is_not_written_under_the_suffix_of_another(tmp_path, suffix):
    output = tmp_path / f"out{suffix}"
    with pytest.raises(ValueError, match=r"with format csv its name ends in \.csv"):
        poolzoo.export(tmp_path / "none.json", output, format="csv")
    with pytest.raises(ValueError, match=r"a name that ends in \.sqlite"):
        connect(output, "rwc")
    assert not output.exists()
