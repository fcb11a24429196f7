"""A metric that is added, as docs/extending.md says it or by a user's script, is in all that the others are in."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reports.conftest import docs_script

import poolzoo
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import METRICS, compare_keys
from poolzoo.analysis.scoring import image_metrics

ROOT = Path(__file__).parents[1]
SECTION = (ROOT / "docs" / "extending.md").read_text().partition("## A metric in ten lines")[2]
EXAMPLE = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)[0]
FACTS = {"title": "my metric", "better": "higher", "note": "what I care for"}


@pytest.fixture
def register() -> Iterator:
    """``register_metric``, undone afterwards."""
    before = dict(METRICS)
    yield poolzoo.register_metric
    METRICS._found.clear()
    METRICS._found.update(before)


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "ab":
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (16, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def in_the_package(folder: Path) -> tuple[list[str], dict[str, str]]:
    """A copy of the package with the example at the end of the file that the guide names."""
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(poolzoo.__file__).parent, folder / "copy" / "poolzoo", ignore=without)
    file = folder / "copy" / re.findall(r"`(poolzoo/\S+\.py)`", SECTION)[0]
    file.write_text(f"{file.read_text()}\n\n{EXAMPLE}")
    return [], {"PYTHONPATH": str(folder / "copy")}


def in_a_script(folder: Path) -> tuple[list[str], dict[str, str]]:
    script = folder / "my_metric.py"
    plain = EXAMPLE.replace(": FloatImage", "").replace(": float", "").replace(" -> float", "")
    script.write_text(f"from poolzoo import register_metric\n\n\n{plain}")
    return ["--plugin", str(script)], {}


def call(arguments: list[object], environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "poolzoo", *map(str, arguments)]
    # Not from where the repository lies, whose package would come before the copy.
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, cwd=os.sep)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("add", [in_the_package, in_a_script])
def test_an_added_metric_is_in_help_tables_rows_and_the_page(add, photos, tmp_path):
    options, environment = add(tmp_path)
    shown = call([*options, "compare", "--help"], environment)
    assert "max_error" in shown.partition("--metric")[2].partition("--protocol")[0]
    page, rows = tmp_path / "page.html", tmp_path / "rows.csv"
    asked = ["--image", photos, "--pool", "avg", "--pool", "max", "--metric", "max_error", "--metric", "psnr"]
    table = call([*options, "compare", *asked, "--report", page, "--output", rows], environment)
    assert "largest error" in table and "largest absolute error on [0, 1]" in " ".join(table.split())
    assert "Largest absolute error on [0, 1]." in page.read_text()
    assert ",equal_kept,psnr,max_error,forward_s," in rows.read_text().partition("\n")[0]


@pytest.mark.slow
def test_an_added_metric_is_in_stores_and_worker_processes_have_it(photos, tmp_path, run):
    options, environment = in_a_script(tmp_path)
    store = tmp_path / "run.sqlite"
    asked = ["--pool", "avg", "--pool", "max", "--metric", "max_error", "--jobs", "1", "--format", "json"]
    told = json.loads(call([*options, "compare", "--dataset", photos, "--store", store, *asked], environment))
    scores = [score for (score,) in sqlite3.connect(store).execute("SELECT max_error FROM scores")]
    assert sorted(scores) == sorted(row["max_error"] for row in told["rows"])
    assert len(scores) == 4 and all(0.1 < score <= 1 for score in scores)
    # Where the script is not loaded, one line says what is missing.
    run("report", store, "--output", tmp_path / "page.html").fails("metadata.metrics", "--plugin")


def test_an_added_metric_has_rows_summaries_and_plots_in_python(register):
    @register("max_error", title="largest error", better="lower", note="largest absolute error", unit="%", format=".1f")
    def max_error(original, rebuilt, *, data_range):
        return 100 * abs(original - rebuilt).max() / data_range

    pixels = np.random.default_rng(0).random((12, 14, 3))
    result = poolzoo.compare(pixels, pool=["avg", "max"], metric=["max_error", "ssim"])
    assert list(METRICS)[-1] == "max_error"
    assert [[key for key in row if key in METRICS] for row in result.rows] == [["max_error", "ssim"]] * 2
    assert [row["pool"] for row in result.rows if row["max_error"] > 0] == ["avg", "max"]
    assert sorted(result.summary()["max_error"]) == sorted(row["max_error"] for row in result.rows)
    assert "largest error %" in result.to_markdown()
    assert "lower is better" in result.plot("retention").axes[0].get_xlabel()


def test_an_operator_metric_is_asked_for_the_operator(register):
    @register("cells", of="operator", **FACTS)
    def cells(pooling):
        return float(np.prod(pooling.cells))

    row = poolzoo.compare(np.zeros((12, 14, 3)), pool="avg", metric="cells").rows[0]
    assert row["cells"] == 42


def test_a_metric_that_fails_is_an_error_of_its_rows(register):
    @register("fails_on_max", **FACTS)
    def fails_on_max(original, rebuilt, *, data_range):
        if rebuilt.mean() > original.mean() + 0.05:
            raise RuntimeError("too bright\nby far")
        return 1

    pixels = np.random.default_rng(0).random((12, 14, 3))
    rows = poolzoo.compare(pixels, pool=["avg", "max"], metric=["fails_on_max", "mse"]).rows
    assert [row["error"] for row in rows] == [None, "metric fails_on_max: RuntimeError: too bright by far"]
    assert [row["fails_on_max"] for row in rows] == [1.0, None]


def test_a_metric_without_a_value_is_null(register):
    register("nothing", **FACTS)(lambda original, rebuilt, *, data_range: None)
    result = poolzoo.compare(np.zeros((12, 14, 3)), pool="avg", metric="nothing")
    assert [(row["nothing"], row["error"]) for row in result.rows] == [(None, None)]
    assert json.loads(result.to_json())["rows"][0]["nothing"] is None


def test_a_check_that_fails_ends_the_run_before_it_begins(register):
    def check():
        raise ValueError("metric needy: pip install something")

    register("needy", check=check, **FACTS)(lambda original, rebuilt, *, data_range: 1.0)
    with pytest.raises(ValueError, match="pip install something"):
        poolzoo.compare(np.zeros((12, 14, 3)), pool="avg", metric="needy")


@pytest.mark.parametrize(
    ("key", "facts", "words"),
    [
        ("psnr", {}, "key='psnr': a metric of that name is registered; overwrite=True"),
        ("My metric", {}, "key='My metric': lower-case letters"),
        ("pool", {}, "key='pool': rows already have a value of that name"),
        ("ratio", {}, "key='ratio'"),
        ("rank", {}, "key='rank'"),
        ("mine", {"better": "more"}, "better='more': 'higher' or 'lower' is allowed"),
        ("mine", {"of": "images"}, "of='images': 'image' or 'operator' is allowed"),
        ("mine", {"format": "four"}, "format='four'"),
        ("mine", {"title": " "}, "title=' '"),
        ("mine", {"note": ""}, "note=''"),
    ],
)
def test_what_no_metric_may_be_is_named(key, facts, words, register):
    with pytest.raises(ValueError, match=re.escape(words)):
        register(key, **FACTS | facts)(lambda original, rebuilt, *, data_range: 1.0)
    assert "mine" not in METRICS


def test_a_metric_can_be_replaced_and_keeps_its_place(register):
    keys = list(METRICS)
    register("mse", overwrite=True, **FACTS)(lambda original, rebuilt, *, data_range: 7.0)
    assert list(METRICS) == keys
    assert poolzoo.compare(np.zeros((12, 14, 3)), pool="avg", metric="mse").rows[0]["mse"] == 7


def test_every_metric_is_complete_and_a_key_of_rows():
    for key, metric in METRICS.items():
        assert key == metric.key and key in compare_keys()
        assert metric.title and metric.note and metric.source, key
        assert callable(metric.compute)
    assert [key for key in METRICS if METRICS[key].of == "image"] == list(METRICS)[:10]
    assert METRICS["ssim"].compute is image_metrics.ssim


def test_a_file_with_an_unknown_metric_says_how_to_get_it():
    text = Result("compare", {"metrics": ["ssim"]}, []).to_json().replace('"ssim"', '"mine"')
    with pytest.raises(ValueError, match="a.json: metadata.metrics must list some of .*; --plugin adds others"):
        Result.from_json(text, "a.json")


def test_metrics_are_known_without_torch_or_numpy():
    code = (
        "import sys; from poolzoo.analysis.results.schema import METRICS;"
        "print(len(METRICS), list(METRICS)[-1], {'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["18", "brightness", "set()"], done.stderr
    # Whichever of the modules that define them is imported first.
    first = subprocess.run(
        [sys.executable, "-c", f"import poolzoo.analysis.scoring.operator_metrics; {code}"],
        capture_output=True,
        text=True,
    )
    assert first.stdout == done.stdout


def test_the_page_of_metrics_is_current():
    maker = docs_script("make_metrics")
    assert maker.PAGE.read_text() == maker.text(), "run make catalog"
