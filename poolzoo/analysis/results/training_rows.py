"""A row of a training: one epoch of one network with one operator, from one seed."""

from __future__ import annotations

from typing import Any, TypedDict

from poolzoo.registry import format_params, parse_spec

#: The kind of a result whose rows are of trainings.
TRAIN_KIND = "train"


class TrainingRow(TypedDict):
    """A row; None where a figure was not measured."""

    data: str  # as the user named it
    model: str
    pool: str  # registry name; "" for the network as it is
    params: str
    seed: int
    epoch: int  # from 1
    epochs: int | None  # planned
    train_loss: float | None  # mean over the epoch's batches, while the weights change
    train_top1: float | None
    val_loss: float | None  # of the held-back images, after the epoch
    val_top1: float | None
    val_top5: float | None
    test_loss: float | None  # in the last row of a cell alone
    test_top1: float | None
    test_top5: float | None
    tested_epoch: int | None  # whose weights were tested
    epoch_s: float | None  # of training; scoring is not counted
    images_per_s: float | None
    parameters: int | None
    peak_bytes: int | None  # allocated at most in a step, gradients included, parameters and images not
    device: str
    error: str | None  # null, or one line: the training diverged or failed


#: The keys of a row, in order.
TRAIN_KEYS = tuple(TrainingRow.__annotations__)
#: The figures that differ between two runs of the same training.
CLOCK_KEYS = ("epoch_s", "images_per_s", "peak_bytes")
#: The keys that name a cell, and those of its network.
CELL_KEYS = ("data", "model", "pool", "params", "seed")
#: The figures of a row, which a training loop of your own may record.
FIGURES = tuple(key for key in TRAIN_KEYS if key not in (*CELL_KEYS, "epoch", "device", "error"))


def empty_row(data: str, model: str, spec: str, seed: int, epoch: int) -> TrainingRow:
    """Return a row without figures; its device is the CPU."""
    name, params = parse_spec(spec) if spec else ("", {})
    row: Any = dict.fromkeys(TRAIN_KEYS) | {
        "data": data,
        "model": model,
        "pool": name,
        "params": format_params(params),
        "seed": seed,
        "epoch": epoch,
        "device": "cpu",
    }
    filled: TrainingRow = row
    return filled
