"""``backend="auto"`` chooses by a table, and the table follows from the committed results of the benchmark."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from poolzoo import engine, pool_info
from poolzoo.geometry import equal_windows, make_bins, make_geometry

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="benchmarks are not part of a source distribution")


#: Of eager calls, and of calls inside torch.compile.
RESULTS = ("auto-cpu.json", "auto-cpu-compiled.json")


def results(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((BENCHMARKS / "results" / name).read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def make_choices() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_choices", BENCHMARKS / "make_choices.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_that_of_the_results(make_choices):
    assert make_choices.text([results(name) for name in RESULTS]) == engine.CHOICES.read_text(encoding="utf-8")


def test_a_range_has_the_least_greatest_loss(make_choices):
    assert make_choices.ahead([(100, 0.9), (200, 1.1), (300, 1.2), (400, 1.05), (400, 0.99)]) == [200, None]
    assert make_choices.ahead([(100, 0.9), (200, 1.1), (300, 1.2), (400, 1.0), (400, 0.8)]) == [200, 300]
    assert make_choices.ahead([(100, 1.2), (200, 0.9)]) == [None, 100]
    assert make_choices.ahead([(100, 0.9), (200, 1.2)]) == [200, None]
    assert make_choices.ahead([(100, 1.1)]) == [None, None] and make_choices.ahead([(100, 0.9)]) is None
    # One case that is a little slower does not leave the others to what is five times as slow.
    assert make_choices.ahead([(100, 1.1), (200, 0.96), (300, 5.0)]) == [None, None]


@pytest.mark.parametrize("compiled", ["", " compiled"])
@pytest.mark.parametrize("operator", ["max", "avg"])
def test_auto_was_nowhere_much_slower_than_the_faster_one(operator, compiled, monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: bool(compiled))
    (native,) = pool_info(operator).native
    layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    taken, losses = 0, []
    for row in results(RESULTS[bool(compiled)])["rows"]:
        shape = (row["batch"], *row["shape"])
        x = torch.empty(shape, dtype=getattr(torch, row["dtype"]), memory_format=layouts[row["layout"]])
        if "output_size" in row:
            bins = make_bins(2, tuple(row["output_size"]))
            geometry = equal_windows(shape[2:], bins) or bins
        else:
            geometry = make_geometry(2, row["kernel_size"], row["stride"], row["padding"], 1, row["ceil_mode"])
        ours, theirs = (row[f"{operator} {backend}{compiled}"]["median_s"] for backend in ("native", "reference"))
        ratio = theirs / ours
        natively = engine._ahead(native, x, geometry)
        taken += natively
        losses.append(1 / ratio if natively else ratio)
    # The compiler's own loops are often as good, and differ more within a class than torch's kernels.
    least_taken, most_losses = (0.25, 0.05) if compiled else (0.8, 0.01)
    assert taken > len(losses) * least_taken
    assert sum(loss > 1.12 for loss in losses) <= len(losses) * most_losses and max(losses) < 1.5
