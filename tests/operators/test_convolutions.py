"""Filters that eager code on a CPU computes by torch's depthwise convolution: the same values and gradients as by their
definitions.
"""

from __future__ import annotations

import math

import pytest
import torch
from pools import distinct

from poolzoo import engine, functional

FILTERS = {
    "blur": ("blur", {}),
    "blur of 3 taps": ("blur", {"filt_size": 3}),
    "max_blur": ("max_blur", {}),
    "avg_blur": ("avg_blur", {}),
    "haar": ("haar", {}),
    "haar of zeros outside": ("haar", {"mode": "zero", "norm": "mean"}),
    "wavelet of the edge outside": ("wavelet", {"mode": "constant"}),
    "gated": ("gated", {"weight": True}),
}
WINDOWS = [(2, 2), (3, 2, 1), (3, 3, 1, 2, True), (1, 3)]


def pooled(name: str, windows: tuple[int, ...], x: torch.Tensor, ndim: int) -> list[torch.Tensor]:
    """Return the pooled values, and the gradients of their sum of squares by all that has one."""
    operator, params = FILTERS[name]
    leaves = [x.clone().requires_grad_()]
    if "weight" in params:
        size = (x.shape[1], *(windows[0],) * ndim)
        params = {"weight": torch.linspace(-1, 1, math.prod(size), dtype=torch.float64).reshape(size).to(x.dtype)}
        leaves.append(params["weight"].requires_grad_())
    y = getattr(functional, f"{operator}_pool{ndim}d")(leaves[0], *windows, **params)
    y.double().square().sum().backward()
    return [y.detach(), *(leaf.grad for leaf in leaves)]


def convolves(name: str, windows: tuple[int, ...], x: torch.Tensor, ndim: int) -> bool:
    with torch.profiler.profile() as profile:
        pooled(name, windows, x, ndim)
    return any(event.name == "aten::convolution" for event in profile.events())


@pytest.mark.parametrize("windows", WINDOWS, ids=str)
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("name", FILTERS)
def test_values_and_gradients_are_those_of_float64(name, ndim, windows):
    x = distinct(2, 3, *(9, 8, 7)[:ndim], dtype=torch.float64)
    if ndim == 2:
        x = x.contiguous(memory_format=torch.channels_last)
    for ours, wide in zip(pooled(name, windows, x.float(), ndim), pooled(name, windows, x, ndim), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours.double(), wide, rtol=2e-6, atol=2e-6 * wide.abs().max().item())


@pytest.mark.parametrize("special", [math.nan, math.inf, -math.inf, 3e38])
@pytest.mark.parametrize("name", FILTERS)
def test_what_is_not_finite_reaches_the_same_values(name, special):
    x = distinct(2, 3, 9, 8, dtype=torch.float32)
    x[1, 1, 4, 5] = special
    for windows in WINDOWS:
        ours = pooled(name, windows, x, 2)[0]
        with engine.by_reference():
            reference = pooled(name, windows, x, 2)[0]
        torch.testing.assert_close(ours, reference, rtol=2e-6, atol=2e-6, equal_nan=True)


@pytest.mark.parametrize("name", FILTERS)
def test_eager_code_convolves_and_what_must_not_differ_between_machines_does_not(name):
    x = distinct(2, 3, 9, 8, dtype=torch.float32)
    assert convolves(name, (2, 2), x, 2)
    assert not convolves(name, (2, 2), x.double(), 2)
    with engine.by_reference():
        assert not convolves(name, (2, 2), x, 2)


def test_autocast_does_not_round_a_filter():
    x = distinct(2, 3, 9, 8, dtype=torch.float32)
    expected = functional.blur_pool2d(x, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(functional.blur_pool2d(x, 2), expected)
