"""Trainings: rows depend on the operator and the seed alone, whoever trains them and whenever the run is stopped."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import poolzoo
from poolzoo.analysis.inputs import image_folders
from poolzoo.analysis.inputs.labelled import load_data
from poolzoo.analysis.results.store import Store
from poolzoo.analysis.results.store_file import StoreError
from poolzoo.analysis.results.training_rows import CLOCK_KEYS, TRAIN_KEYS
from poolzoo.analysis.results.training_store import TrainingStore
from poolzoo.analysis.studies import train as study
from poolzoo.analysis.training import checkpoints
from poolzoo.analysis.training.cell import TrainingCell
from poolzoo.analysis.training.networks import make_model
from poolzoo.analysis.training.recipe import Recipe

CLOTHES = Path(__file__).parents[1] / "fashion_mnist"
SMALLEST = {"epochs": 1, "batch_size": 16, "train_images": 64, "test_images": 40, "val_fraction": 0.25, "lr": 0.02}


def trained(path: Path | None = None, pool=("max", "avg"), seeds=2, jobs=1, **more):
    return poolzoo.train(CLOTHES, pool=pool, store=path, seeds=seeds, jobs=jobs, **{**SMALLEST, **more})


def figures(result) -> list[dict[str, object]]:
    """The rows without what a clock says."""
    return [{key: row[key] for key in TRAIN_KEYS if key not in CLOCK_KEYS} for row in result.rows]


@pytest.fixture(scope="module")
def whole():
    """Two operators, two seeds, two epochs, in one go."""
    return figures(trained(epochs=2))


def test_two_jobs_give_the_same_rows(whole, tmp_path):
    assert figures(trained(tmp_path / "runs.sqlite", jobs=2, epochs=2)) == whole
    assert [row["test_top1"] is None for row in whole] == [True, False] * 4
    assert [(row["pool"], row["seed"], row["epoch"]) for row in whole[:5]] == [
        *(("max", 0, 1), ("max", 0, 2), ("max", 1, 1), ("max", 1, 2), ("avg", 0, 1)),
    ]


def test_the_ccnn_trains():
    """It has weights of five axes, whose layout with channels innermost has a name of its own."""
    few = {"seeds": 1, "train_images": 12, "test_images": 2, "batch_size": 8}
    rows = trained(model="ccnn", pool=("avg", "checkered"), **few).rows
    assert [row["error"] for row in rows] == [None, None]
    assert all(row["test_loss"] > 0 for row in rows)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.grid)])
def test_a_folder_of_images_in_a_file_gives_the_same_rows_and_leaves_nothing(tmp_path, monkeypatch, jobs):
    random = np.random.default_rng(0)
    for number in range(24):
        place = tmp_path / "data" / ("train", "test")[number % 3 == 0] / str(number % 2)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place / f"{number}.png")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    given = {"pool": ("max", "avg"), "seeds": 1, "epochs": 1, "batch_size": 4, "jobs": jobs}
    held = poolzoo.train(tmp_path / "data", **given)
    monkeypatch.setattr(image_folders, "IN_MEMORY", 0)
    stored = poolzoo.train(tmp_path / "data", **given)
    assert figures(stored) == figures(held) and stored.metadata["data_sha256"] == held.metadata["data_sha256"]
    assert not list(temporary.glob("*.images"))


@pytest.mark.grid
def test_two_processes_of_torchrun_train_one_cell_together(tmp_path):
    """Without batch normalisation, whose statistics are of a process's own images, the result is one process's."""
    (tmp_path / "net.py").write_text(NETWORKS)
    model, path = f"{tmp_path / 'net.py'}:own", tmp_path / "runs.sqlite"
    options = {**SMALLEST, "epochs": 2, "data": CLOTHES, "model": model, "store": path, "seeds": 1, "ema": 0.5}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "poolzoo", "train"]
    command += [str(part) for key, value in options.items() for part in (f"--{key.replace('_', '-')}", value)]
    command += ["--pool", "max", "--pool", "avg", "--augment", "crop-flip", "--format", "csv"]
    done = subprocess.run(command, check=False, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("data,model,pool") == 1
    alone = trained(model=model, seeds=1, epochs=2, ema=0.5, augment="crop-flip")
    for row, other in zip(poolzoo.load(path).rows, alone.rows, strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)
        assert row["val_loss"] == pytest.approx(other["val_loss"], rel=1e-4)
        assert row["test_top1"] == pytest.approx(other["test_top1"], abs=0.026)


class Killed(BaseException):
    """What no part of the run catches."""


def _in_an_epoch(monkeypatch):
    """The process dies in the third epoch of the run, before its checkpoint."""
    train, times = TrainingCell._train, []

    def dies(self, row):
        times.append(row)
        train(self, row)
        if len(times) == 3:
            raise Killed

    monkeypatch.setattr(TrainingCell, "_train", dies)


def _before_the_store(monkeypatch):
    """The process dies between a checkpoint and the store."""
    put, times = TrainingStore.put, []

    def dies(self, *args, **more):
        times.append(args)
        if len(times) == 2:
            raise Killed
        put(self, *args, **more)

    monkeypatch.setattr(TrainingStore, "put", dies)


def _full_disk(monkeypatch):
    """The disk is full when the second checkpoint is written."""
    write, times = checkpoints.write_whole, []

    def fails(path, content):
        times.append(path)
        if len(times) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
        return write(path, content)

    monkeypatch.setattr(checkpoints, "write_whole", fails)


@pytest.mark.parametrize("stop", [_in_an_epoch, _before_the_store, _full_disk], ids=lambda stop: stop.__name__)
def test_a_stopped_run_is_resumed_with_the_same_rows(whole, tmp_path, monkeypatch, stop):
    path = tmp_path / "runs.sqlite"
    with monkeypatch.context() as patch:
        stop(patch)
        with pytest.raises((Killed, OSError)):
            trained(path, epochs=2)
    assert figures(trained(path, epochs=2)) == whole
    assert [file.name for file in tmp_path.iterdir()] == ["runs.sqlite"]


def test_a_killed_process_is_resumed_with_the_same_rows(whole, tmp_path):
    path = tmp_path / "runs.sqlite"
    script = (
        "import os, signal, poolzoo\n"
        "from poolzoo.analysis.training import cell\n"
        "def dies(self, row): os.kill(os.getpid(), signal.SIGKILL)\n"
        "train = cell.TrainingCell._train\n"
        "cell.TrainingCell._train = lambda self, row: train(self, row) if row['epoch'] == 1 else dies(self, row)\n"
        f"poolzoo.train({str(CLOTHES)!r}, pool=['max', 'avg'], store={str(path)!r}, seeds=2, jobs=1,"
        f" **{ {**SMALLEST, 'epochs': 2}!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert len(poolzoo.load(path).rows) == 1
    assert figures(trained(path, epochs=2)) == whole


def test_operators_and_seeds_can_be_added_and_settings_not_changed(whole, tmp_path):
    path = tmp_path / "runs.sqlite"
    trained(path, pool="max", seeds=1, epochs=2)
    assert figures(trained(path, epochs=2)) == whole
    with pytest.raises(StoreError, match=r"lr was 0.02, not 0.03"):
        trained(path, epochs=2, lr=0.03)
    with pytest.raises(StoreError, match=r"it also holds max"):
        trained(path, pool="avg", epochs=2)


def test_a_store_has_one_writer_and_one_kind(tmp_path):
    path = tmp_path / "runs.sqlite"
    trained(path, pool="max", seeds=1)
    with TrainingStore.open(path), pytest.raises(StoreError, match="another run or report has this store open"):
        trained(path, pool="max", seeds=1)
    with pytest.raises(StoreError, match="a store of poolzoo train, not of poolzoo compare --dataset"):
        Store.open(path)


def test_untrained_lip_is_avg():
    losses = []
    for spec in ("avg", "lip"):
        recipe = Recipe(str(CLOTHES), train_images=64, test_images=40)
        cell = TrainingCell(recipe, load_data(str(CLOTHES), 64, 40), spec, 3)
        losses.append(cell._rate(cell.model, "train", cell.learned)[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_operator_that_is_there_changes_no_digit():
    rows = figures(trained(pool=("as given", "max"), seeds=1, epochs=2, select="best", ema=0.9, augment="crop-flip"))
    for row in rows:
        row["pool"] = ""
    assert rows[:2] == rows[2:]


def test_a_training_that_diverges_is_a_row_and_the_others_are_trained():
    result = trained(lr=1e30, seeds=1, epochs=2)
    assert [row["error"] for row in result.rows] == ["diverged: the training loss of epoch 1 is nan"] * 2
    assert result.summary()["failed"].tolist() == [1, 1]


def test_small_images_are_one_line():
    with pytest.raises(ValueError, match=r"model small: with its own pools, on images of 1x3x3: RuntimeError"):
        make_model("small", "max", 0, (1, 3, 3), 10)


def test_a_row_has_the_memory_of_a_step():
    peaks = [row["peak_bytes"] for row in trained(pool=("max", "avg"), seeds=1, epochs=2, batch_size=32).rows]
    assert peaks[0] == peaks[1] and peaks[2] == peaks[3]
    # The first convolution's output of 16 channels, in float32, is kept for the backward pass.
    assert all(peak > 32 * 16 * 28 * 28 * 4 for peak in peaks)


NETWORKS = """
import torch
def raises(): raise KeyError("no weights")
def text(): return "a network"
def wide(num_classes): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, num_classes + 1))
def own(in_channels, num_classes):
    pooled = torch.nn.Sequential(torch.nn.Conv2d(in_channels, 4, 3), torch.nn.MaxPool2d(2))
    return torch.nn.Sequential(pooled, torch.nn.Flatten(), torch.nn.Linear(4 * 13 * 13, num_classes))
"""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("raises", r"raises\(\) failed: KeyError: 'no weights'"),
        ("text", r"text\(\) must return a torch.nn.Module, not str"),
        ("wide", r"gives \(2, 11\), not \(2, 10\), a score per class"),
        ("missing", r"has no function 'missing'"),
    ],
)
def test_a_network_that_cannot_be_trained_is_one_line(tmp_path, function, said):
    (tmp_path / "net.py").write_text(NETWORKS)
    with pytest.raises(ValueError, match=said):
        trained(model=f"{tmp_path / 'net.py'}:{function}", pool="as given")


def test_a_network_of_a_file_is_trained(tmp_path):
    (tmp_path / "net.py").write_text(NETWORKS)
    result = trained(model=f"{tmp_path / 'net.py'}:own", pool="softpool", seeds=1)
    assert result.rows[-1]["test_top1"] is not None
    assert result.rows[-1]["parameters"] == 4 * 9 + 4 + 4 * 13 * 13 * 10 + 10


def test_operators_of_a_seed_start_from_the_same_weights():
    data = load_data(str(CLOTHES), 64, 40)
    recipe = Recipe(str(CLOTHES))
    first, second = (TrainingCell(recipe, data, spec, 1).model for spec in ("max", "lip"))
    state = second.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.state_dict().items())
    assert isinstance(first, nn.Module) and not torch.equal(
        first.head.weight, TrainingCell(recipe, data, "max", 2).model.head.weight
    )


def test_retry_trains_failed_cells_again(tmp_path, monkeypatch):
    path = tmp_path / "runs.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr(TrainingCell, "_score", lambda self, row: 1 / 0)
        failed = trained(path, pool="max", seeds=1)
    assert failed.rows[0]["error"] == "ZeroDivisionError: division by zero"
    assert trained(path, pool="max", seeds=1).rows == failed.rows
    assert trained(path, pool="max", seeds=1, retry=True).rows[0]["error"] is None


def test_each_epoch_is_told_with_what_is_left(tmp_path):
    told = []
    recipe = Recipe(str(CLOTHES), train_images=64, test_images=40, epochs=2)
    study.train(recipe, ["max"], tmp_path / "runs.sqlite", seeds=1, jobs=1, on_step=told.append)
    assert [(now.epochs, now.total, now.row["epoch"]) for now in told] == [(1, 2, 1), (2, 2, 2)]


def test_a_loop_of_ones_own_is_recorded(tmp_path):
    path = tmp_path / "mine.sqlite"
    for pool, top1 in (("max", (0.8, 0.9)), ("avg", (0.7, 0.85)), ("as given", (0.8, 0.9))):
        for seed in range(2):
            for epoch in (1, 2):
                tested = {"test_top1": top1[seed]} if epoch == 2 else {}
                poolzoo.record_training(
                    path, data="mine", model="net", pool=pool, seed=seed, epoch=epoch, train_loss=1 / epoch, **tested
                )
    poolzoo.record_training(path, data="mine", model="wide", pool="max", seed=0, epoch=1, test_top1=0.95)
    result = poolzoo.load(path)
    assert len(result.rows) == 13
    lines = {(line["model"], line["operator"]): line for line in result.summary().to_dict("records")}
    assert lines["net", "max"]["top1"] == pytest.approx(0.85)
    assert lines["net", "max"]["top1_difference"] == pytest.approx(0.075)
    assert lines["net", "as given"]["top1"] == pytest.approx(0.85)
    assert lines["wide", "max"]["seeds"] == 1
    assert "wide on mine" in result.to_markdown()
    with pytest.raises(StoreError, match="made by another command"):
        trained(path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pool": "maxx"}, "maxx"),
        ({"epoch": 0}, "epoch=0"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"accuracy": 0.5}, "accuracy=0.5: no such figure"),
        ({"test_top1": 85.0}, "test_top1=85.0: a share from 0 to 1"),
        ({"train_loss": float("nan")}, "train_loss=nan"),
    ],
)
def test_what_cannot_be_recorded_is_one_line(tmp_path, given, said):
    usual = {"data": "mine", "model": "net", "pool": "max", "seed": 0, "epoch": 1}
    with pytest.raises(ValueError, match=said):
        poolzoo.record_training(tmp_path / "mine.sqlite", **{**usual, **given})
    assert not list(tmp_path.iterdir())
