"""The pools of published networks: compare and profile take their windows, at the sizes that they pool there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from operators.test_model_pools import CALLS, windows_of

import poolzoo

#: One of each kind: padded, rounded up, of stride 1, global, of the identity, adaptive, of large windows.
EXAMPLES = (0, 1, 11, 12, 18, 61, 64)


def window_of(call: dict) -> dict:
    """A call's window; of an adaptive pool whose output size divides its input, the one that divides it."""
    if "output_size" not in call:
        return windows_of(call)
    size = [n // out for n, out in zip(call["shape"][1:], call["output_size"], strict=True)]
    assert [k * out for k, out in zip(size, call["output_size"], strict=True)] == call["shape"][1:]
    return {"kernel_size": tuple(size)}


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
    # Whatever the network calls gives as many values.
    x = torch.rand(1, 1, *size)
    pool = poolzoo.create_pool("max" if "max" in call["op"] else "avg", **window)
    assert pool(x).shape == getattr(torch.nn.functional, call["op"])(x, **windows_of(call)).shape
