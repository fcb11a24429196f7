"""Sums over large windows keep float32's digits: 1e-6 of the same operator in float64, as torch's own mean does."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

import poolzoo
from poolzoo import native
from poolzoo.create import make_function
from poolzoo.registry import list_pools, parse_spec, pool_info

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    native_reason = native.why_not()

#: Every operator that adds up the elements of a window, and the ways through the native ones.
NATIVE = [
    "avg",
    "softpool",
    "softpool:beta=-2",
    "lp",
    "lp:p=3.5",
    "lp:p=0.5,norm=sum",
    "lip",
    "edscw",
    "idw",
    "adapool",
]
SUMS = [*NATIVE, "sum", "power", "gem", "lse", "stochastic", "softpool_detached", "softpool_channelsum"]
SUMS += ["autopool", "t_max_avg:k=1000000,threshold=2"]
SIDE = 512
INPUTS = {
    "random": torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)),
    "constant": torch.full((1, 1, SIDE, SIDE), 0.1),  # each step of a plain sum is rounded the same way
}
BACKENDS = [*((spec, "reference") for spec in SUMS), *((spec, "native") for spec in NATIVE)]


def pool(spec: str, x: Tensor, backend: str, size: int) -> Tensor:
    name, params = parse_spec(spec)
    given: dict[str, Any] = dict(params)
    if pool_info(name).native:
        given["backend"] = backend
    if name == "lip":
        given["logit"] = (5 * x).cos()
    y = make_function(pool_info(name), 2)(x, size, **given)
    assert isinstance(y, Tensor)
    return y


def test_the_list_is_complete():
    named = {spec.partition(":")[0] for spec in SUMS}
    # These add up nothing, or with weights of their own for each tap, of which there are not so many.
    others = {"max", "median", "strided", "mixed", "gated", "tree", "dpp"}
    assert {name for name in list_pools() if pool_info(name).reducer or pool_info(name).native} <= named | others


@pytest.mark.parametrize(("spec", "backend"), BACKENDS)
def test_a_large_window_is_as_exact_as_float32(spec, backend):
    if backend == "native" and native_reason:
        pytest.skip(native_reason)
    for (what, x), size in ((item, size) for item in INPUTS.items() for size in (SIDE, 9)):
        given = x if size == SIDE else x[..., :20, :200]
        got, exact = pool(spec, given, backend, size), pool(spec, given.double(), "reference", size)
        assert got.dtype is torch.float32
        error = ((got - exact) / exact).abs().max().item()
        assert error <= 1e-6, (what, size)


#: idw's slope turns where an element equals the mean, which float32 rounds.
SMOOTH = [pair for pair in BACKENDS if pair != ("idw", "reference")]


@pytest.mark.parametrize(("spec", "backend"), SMOOTH)
def test_gradients_over_a_large_window_are_as_exact(spec, backend):
    if backend == "native" and native_reason:
        pytest.skip(native_reason)
    x = INPUTS["random"][..., :256, :256]
    grads = []
    for given, through in ((x, backend), (x.double(), "reference")):
        leaf = given.clone().requires_grad_()
        grads.append(torch.autograd.grad(pool(spec, leaf, through, 256).sum(), leaf)[0])
    assert ((grads[0] - grads[1]).abs().max() / grads[1].abs().max()).item() <= 1e-6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("spec", NATIVE)
def test_half_types_are_rounded_once(spec, dtype):
    if native_reason:
        pytest.skip(native_reason)
    x = INPUTS["random"].to(dtype)[..., :256, :256]
    exact = pool(spec, x.double(), "reference", 256)
    if exact.abs().max() > torch.finfo(dtype).max:
        pytest.skip("more than the type holds")
    # lip's logits and weights are of the half type.
    y = pool(spec, x, "native", 256)
    assert y.dtype is dtype
    error = ((y.double() - exact) / exact).abs().max().item()
    assert error <= torch.finfo(dtype).eps * (4 if spec == "lip" else 0.51)


def test_global_pooling_is_as_exact():
    x = INPUTS["random"]
    exact = poolzoo.GlobalSoftPool2d(beta=3.0)(x.double())
    assert ((poolzoo.GlobalSoftPool2d(beta=3.0)(x) - exact) / exact).abs().item() <= 1e-6
