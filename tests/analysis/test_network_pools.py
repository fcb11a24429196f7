"""The pools of published networks: compare and profile take their windows, at the sizes that they pool there.

``network_pools.json`` lists the calls of torch's pooling functions that torchvision's and some other networks make.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import poolzoo
from poolzoo.registry import GEOMETRY

CALLS = json.loads((Path(__file__).parents[1] / "data" / "network_pools.json").read_text())
#: One of each kind: padded, rounded up, of stride 1, global, of the identity, adaptive, of large windows.
EXAMPLES = (0, 1, 11, 12, 18, 61, 64)


def window_of(call: dict) -> dict:
    """A call's window; of an adaptive pool whose output size divides its input, the one that divides it."""
    if "output_size" not in call:
        return {key: call[key] for key in GEOMETRY if key in call}
    size = [n // out for n, out in zip(call["shape"][1:], call["output_size"], strict=True)]
    assert [k * out for k, out in zip(size, call["output_size"], strict=True)] == call["shape"][1:]
    return {"kernel_size": tuple(size)}


def called(call: dict, x: torch.Tensor) -> torch.Tensor:
    """What the network's own call returns."""
    asked = {key: value for key, value in call.items() if key not in ("op", "shape", "models")}
    return getattr(torch.nn.functional, call["op"])(x, **asked)


@pytest.mark.parametrize(
    "number", [n if n in EXAMPLES else pytest.param(n, marks=pytest.mark.grid) for n in range(len(CALLS))]
)
def test_compare_and_profile_take_the_window(number):
    call = CALLS[number]
    window, (channels, *size) = window_of(call), call["shape"]
    image = np.random.default_rng(0).random((*size, 3))
    compared = poolzoo.compare(image, pool=("avg", "max", "softpool"), metric="psnr", **window)
    profiled = poolzoo.profile(pool="max", shape=(1, channels, *size), min_time=1e-3, **window)
    for row in (*compared.rows, *profiled.rows):
        assert row["error"] is None
        assert row["ceil_mode"] == window.get("ceil_mode", False)
        assert row["padding"] == window.get("padding", 0)
    x = torch.rand(1, 1, *size)
    pool = poolzoo.create_pool("max" if "max" in call["op"] else "avg", **window)
    assert pool(x).shape == called(call, x).shape


def test_there_are_as_many_calls_as_were_found():
    assert len(CALLS) == 66
