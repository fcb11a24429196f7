"""Fractional max pooling beside torch's, draw for draw."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
import torch
import torch.nn.functional as F
from pools import CHANNELS, distinct, geometries, make, usual_input
from test_against_loops import oracle_geometry, plain

import poolzoo
from poolzoo import functional

TORCHS = {2: F.fractional_max_pool2d, 3: F.fractional_max_pool3d}
#: torch keeps the axes of its samples in another order in two dimensions.
TORCHS_AXES = {2: (1, 0), 3: (0, 1, 2)}


def samples(x, ndim, seed):
    """What a pool with a generator of this seed draws: u by sample, channel and axis."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*x.shape[:-ndim], ndim, dtype=torch.float64, generator=generator)


def drawn(x, ndim, seed, *args, **params):
    pool = getattr(functional, f"fractional_max_pool{ndim}d")
    return pool(x, *args, training=True, generator=torch.Generator().manual_seed(seed), **params)


# torch's 3D pool refuses as many windows as there are positions for, which stride 1 asks for.
@pytest.mark.parametrize(
    ("ndim", "kernel_size", "stride"), [(2, 2, 2), (2, 3, 2), (2, 2, 3), (2, 3, 1), (3, 2, 2), (3, 3, 2), (3, 2, 3)]
)
def test_equals_torchs_for_the_same_samples(ndim, kernel_size, stride):
    for seed in range(5):
        x = distinct(2, CHANNELS, *(9, 11, 8)[:ndim], dtype=torch.float64, seed=seed)
        u = samples(x, ndim, seed)[..., TORCHS_AXES[ndim]]
        sizes = [(n - kernel_size) // stride + 1 for n in x.shape[2:]]
        expected = TORCHS[ndim](x, kernel_size, output_size=sizes, _random_samples=u)
        assert torch.equal(drawn(x, ndim, seed, kernel_size, stride), expected)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.7])
def test_output_ratio_is_torchs(ndim, ratio):
    x = distinct(2, CHANNELS, *(9, 11, 8)[:ndim], dtype=torch.float64).requires_grad_()
    u = samples(x, ndim, 4)[..., TORCHS_AXES[ndim]]
    expected = TORCHS[ndim](x, 2, output_ratio=(ratio,) * ndim, _random_samples=u)
    y = drawn(x, ndim, 4, 2, output_ratio=ratio)
    assert torch.equal(y, expected)
    gradients = [torch.autograd.grad(out.square().sum(), x)[0] for out in (y, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-14)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_draws_equal_the_loop_for_any_geometry(ndim):
    for number, geometry in enumerate(geometries(ndim, {1: 40, 2: 20, 3: 8}[ndim], seed=10)):
        x = distinct(2, CHANNELS, *geometry.pop("sizes"), dtype=torch.float64, seed=number)
        expected = oracles.fractional_max(plain(x), oracle_geometry(ndim, geometry), plain(samples(x, ndim, number)))
        np.testing.assert_array_equal(plain(drawn(x, ndim, number, **geometry)), expected, err_msg=str(geometry))


def test_output_ratio_in_evaluation_equals_the_loop():
    x = usual_input(2, torch.float64)
    g = oracle_geometry(2, {"kernel_size": 2})
    y = functional.fractional_max_pool2d(x, 2, output_ratio=0.7)
    np.testing.assert_array_equal(plain(y), oracles.fractional_max(plain(x), g, out=(4, 4)))


def test_windows_that_fill_the_input_are_max_poolings():
    x = usual_input(2)[..., :6, :]
    pool = make("fractional_max", 2, 2)
    assert torch.equal(pool(x), F.max_pool2d(x, 2))
    assert torch.equal(pool.train()(x), F.max_pool2d(x, 2))


def test_evaluation_repeats_where_torchs_module_draws():
    x = usual_input(2)
    theirs = torch.nn.FractionalMaxPool2d(2, output_ratio=0.7).eval()
    assert len(torch.stack([theirs(x) for _ in range(20)]).unique(dim=0)) > 1
    ours = poolzoo.FractionalMaxPool2d(2, output_ratio=0.7).eval()
    assert torch.equal(ours(x), ours(x))


def test_steps_differ_by_one_and_reach_the_end():
    x = torch.arange(64.0, dtype=torch.float64).reshape(1, 1, 64).expand(50, 4, 64)
    ends = drawn(x, 1, 0, 2, output_ratio=0.7)  # an ascending input's maximum is the window's end
    steps = ends.diff(dim=-1)[..., :-1]
    assert set(steps.unique().tolist()) == {1.0, 2.0}
    assert (ends[..., 0] == 1).all() and (ends[..., -1] == 63).all()
    assert len(ends.flatten(0, 1).unique(dim=0)) > 20, "samples and channels are drawn one by one"


def test_half_types_place_windows_as_float64_does():
    x = torch.arange(2000.0).reshape(1, 1, 2000) % 250
    starts = [
        functional.fractional_max_pool1d(x.to(dtype), 1, output_ratio=0.7) for dtype in (torch.bfloat16, torch.float64)
    ]
    assert torch.equal(starts[0].double(), starts[1])


@pytest.mark.parametrize("ratio", [0.05, 0.99])
def test_ratio_that_gives_no_room_is_named(ratio):
    with pytest.raises(ValueError, match=rf"output_ratio={ratio}: \d windows on an axis of 7; 1 to 5 are allowed"):
        functional.fractional_max_pool2d(usual_input(2), 3, output_ratio=ratio)
