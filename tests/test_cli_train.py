"""``poolzoo train`` on the command line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

CLOTHES = Path(__file__).parent / "fashion_mnist"
TRAIN = ("train", "--data", CLOTHES, "--pool", "max", "--pool", "avg", "--train-images", 64, "--test-images", 40)
SMALLEST = ("--epochs", 1, "--seeds", 2, "--jobs", 1)


def test_a_training_is_a_table_a_file_and_a_store(run, tmp_path):
    store, output = tmp_path / "runs.sqlite", tmp_path / "runs.csv"
    run(*TRAIN, *SMALLEST, "--store", store, "--output", output)
    assert run.code == 0, run.err
    assert "test top-1 %" in run.out and "to avg" in run.out
    rows = list(csv.DictReader(io.StringIO(output.read_text())))
    assert [(row["pool"], row["seed"], row["error"]) for row in rows] == [
        *(("max", "0", ""), ("max", "1", ""), ("avg", "0", ""), ("avg", "1", "")),
    ]
    again = run(*TRAIN, *SMALLEST, "--store", store, "--format", "csv")
    assert again.out == output.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--data", "nowhere", "--pool", "max"), "no such folder"),
        (("--data", CLOTHES, "--pool", "maxx"), "max"),
        (("--data", CLOTHES, "--pool", "lp:q=3"), "q"),
        (("--data", CLOTHES, "--pool", "max", "--select", "best", "--val-fraction", "0"), "needs held-back images"),
        (("--data", CLOTHES, "--pool", "max", "--train-images", "9999"), "--train-images"),
        (("--data", CLOTHES, "--pool", "max", "--device", "cuda:9"), "--device"),
        (("--data", CLOTHES, "--pool", "max", "--model", "no.py:net"), "no such file"),
        (("--data", CLOTHES, "--pool", "space_to_depth"), "gives submaps"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, tmp_path, options, said):
    run("train", *options, "--store", tmp_path / "runs.sqlite")
    run.fails(said)
    assert not list(tmp_path.iterdir())
