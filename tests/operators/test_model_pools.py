"""The pooling calls that published networks make, at their sizes: every operator of single windows equals its loop.

``model_pools.json`` lists the calls of torchvision's and a few other networks: function, input shape without the batch,
arguments, and the networks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from operators.test_adaptive import adaptive, loop_over_cells
from operators.test_against_loops import ORACLES, oracle_geometry, plain
from pools import CHANNELS, SPECS, distinct, info_of, make, scramble

CALLS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "model_pools.json").read_text(encoding="utf-8"))
#: Gates and filters by position have no adaptive form, but one window is all that they look at.
WINDOWED = [spec for spec in SPECS if info_of(spec).adaptive or info_of(spec).name in ("gated", "tree")]


def windows_of(call: dict[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in call.items() if key not in ("op", "shape", "models")}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}


def cost(call: dict[str, Any]) -> int:
    return int(np.prod(call["shape"][1:]))


#: One call for each sizes and windows.
DISTINCT = {str((call["shape"][1:], windows_of(call))): call for call in CALLS}
#: The smallest of each kind: stride and padding, ceil_mode, adaptive.
SOME = {
    str((call["op"], *(windows_of(call).get(k) for k in ("stride", "padding", "ceil_mode")))): call
    for call in sorted(CALLS, key=cost, reverse=True)
    if cost(call) < 200
}


def equals_its_loop(call: dict[str, Any], spec: str) -> None:
    info, windows = info_of(spec), windows_of(call)
    if info.name not in ORACLES:
        pytest.skip(f"{info.name}: an operator of a plugin, for which no loop is written")
    x = distinct(1, CHANNELS, *call["shape"][1:], dtype=torch.float64)
    if "output_size" in windows:
        if not info.adaptive or "variant=full" in spec:
            pytest.skip("it has no adaptive form")
        pool = adaptive(spec, 2, windows["output_size"]).double()
        expected = loop_over_cells(pool, x, windows["output_size"])
    else:
        pool = scramble(make(spec, 2, **windows)).double()
        params = {key: plain(value) for key, value in pool.params(x).items() if key != "backend"}
        expected = ORACLES[info.name](plain(x), oracle_geometry(2, windows), **params)
    y = plain(pool(x))
    assert y.shape == expected.shape
    # A sum of n numbers in float64 may be off by n roundings.
    atol = 1e-12 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(y, expected, rtol=0, atol=atol)


def test_there_are_66_calls():
    assert len(CALLS) == 66 and {call["op"] for call in CALLS} == {"max_pool2d", "avg_pool2d", "adaptive_avg_pool2d"}


@pytest.mark.parametrize("spec", WINDOWED)
@pytest.mark.parametrize("call", SOME.values(), ids=SOME)
def test_every_operator_equals_its_loop_at_a_networks_pool(call, spec):
    equals_its_loop(call, spec)


@pytest.mark.grid
@pytest.mark.parametrize("spec", WINDOWED)
@pytest.mark.parametrize("call", DISTINCT.values(), ids=DISTINCT)
def test_every_operator_equals_its_loop_at_every_networks_pool(call, spec):
    equals_its_loop(call, spec)
