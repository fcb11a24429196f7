"""What a profile states: bytes are counted by hand here; seconds are only held to be there and to add up."""

from __future__ import annotations

import json
import math

import pytest
import torch

from poolzoo import native, registry
from poolzoo.analysis.results.schema import PROFILE_KEYS
from poolzoo.analysis.studies.profile import Workload, measure, profile
from poolzoo.create import create_pool
from poolzoo.engine import by_reference

QUICK = {"min_time": 1e-4}
SHAPE = (2, 3, 8, 6)
INPUT = 2 * 3 * 8 * 6 * 4
OUTPUT = INPUT // 4


def quick(specs: list[str], **workload) -> list[dict]:
    return profile(specs, Workload(**{"shape": SHAPE, **QUICK, **workload})).rows


def test_every_operator_gives_a_full_row():
    result = profile(registry.expand_specs([]), Workload(shape=SHAPE, **QUICK))
    for row in result.rows:
        assert set(row) == set(PROFILE_KEYS)
        assert row["error"] is None
        figures = ("forward_s", "backward_s", "forward_backward_s", "gbps", "copy_fraction", "ratio", "peak_bytes")
        assert all(math.isfinite(row[key]) and row[key] > 0 for key in figures), row
        assert row["saved_bytes"] >= 0
        assert row["waited_fraction"] is None or row["waited_fraction"] >= 0
    assert [row["ratio"] for row in result.rows if row["pool"] == "avg"] == [1]
    json.loads(result.to_json(), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("pool", "saved", "peak"),
    [
        ("avg", INPUT, OUTPUT),  # torch keeps the input; a pass holds the result alone
        ("max", INPUT + 2 * OUTPUT, 3 * OUTPUT),  # and the positions of the maxima, as int64
        ("sum", 0, INPUT + OUTPUT),  # nothing is kept; the windows are laid out once
    ],
)
def test_memory_is_what_counting_by_hand_gives(pool, saved, peak):
    with by_reference():
        row = quick([pool])[0]
    assert (row["saved_bytes"], row["peak_bytes"]) == (saved, peak)


def test_bandwidth_is_bytes_that_must_move_over_the_median_time():
    x = torch.rand(SHAPE)
    figures = measure(create_pool("avg"), x, 1e-4)
    assert figures["gbps"] == pytest.approx((INPUT + OUTPUT) / figures["forward_s"] / 1e9)


def test_ratios_compare_with_the_baseline():
    rows = profile(["avg", "median"], Workload(shape=SHAPE, **QUICK), baseline="median").rows
    assert rows[0]["ratio"] == pytest.approx(rows[0]["forward_s"] / rows[1]["forward_s"])


def test_a_row_states_its_workload():
    row = quick(["median"], kernel_size=(3, 2), stride=2, dtype="float64", channels_last=True, threads=1)[0]
    stated = {"pool": "median", "params": "", "state": "fixed", "device": "cpu", "dtype": "float64", "threads": 1}
    stated |= {"kernel_size": "3x2", "stride": 2, "layout": "channels_last", "shape": "2x3x8x6", "backend": "reference"}
    assert {key: row[key] for key in stated} == stated


def test_what_a_row_says_has_run_is_what_was_measured():
    if native.why_not():
        pytest.skip(f"no native build here: {native.why_not()}")
    rows = quick(["softpool", "lp", "edscw", "idw"])
    assert [(row["backend"], row["saved_bytes"], row["peak_bytes"]) for row in rows] == [("native", INPUT, OUTPUT)] * 4
    (reference,) = quick(["softpool:backend=reference"])
    assert reference["backend"] == "reference" and reference["saved_bytes"] > INPUT


@pytest.mark.parametrize("shape", [(2, 3, 9), (2, 3, 6, 4, 5)])
def test_signals_and_volumes_are_profiled_too(shape):
    assert quick(["avg", "softpool"], shape=shape)[1]["error"] is None


def test_stochastic_operators_are_timed_in_both_modes_and_others_are_held_against_evaluation():
    rows = profile(["stochastic", "lip", "avg"], Workload(shape=SHAPE, **QUICK), baseline="stochastic").rows
    assert [row["state"] for row in rows] == ["train", "eval", "initial", "fixed"]
    assert rows[1]["ratio"] == 1
    assert rows[3]["ratio"] == pytest.approx(rows[3]["forward_s"] / rows[1]["forward_s"])


def test_a_profile_leaves_the_draws_of_others_alone():
    before = torch.get_rng_state()
    quick(["stochastic", "s3"])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_failing_operator_is_a_row_and_the_others_go_on():
    rows = quick(["gated:channels=2", "avg"])
    assert rows[0]["error"].startswith("weight: shape (2, 2, 2)")
    assert rows[0]["forward_s"] is None
    assert rows[1]["error"] is None


def test_the_number_of_threads_is_left_as_it_was():
    before = torch.get_num_threads()
    quick(["avg"], threads=before + 1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        ({"shape": (2, 3)}, "shape=2x3"),
        ({"shape": (2, 3, 0)}, "shape=2x3x0"),
        ({"shape": (2, 3, 4), "channels_last": True}, "channels_last"),
        ({"dtype": "int8"}, "dtype='int8'.*float32"),
        ({"threads": 0}, "threads=0"),
        ({"kernel_size": 0}, "kernel_size=0"),
    ],
)
def test_a_workload_that_cannot_be_is_refused(workload, message):
    with pytest.raises(ValueError, match=message):
        Workload(**workload)


@pytest.mark.gpu
def test_a_gpu_is_profiled():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    row = quick(["softpool"], device="cuda")[0]
    assert row["error"] is None
    assert row["peak_bytes"] > 0
