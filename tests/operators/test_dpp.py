"""Detail-preserving pooling: its limits, its filter beside torch's convolution, and the authors' released code."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pools import CHANNELS, distinct, geometries, make, usual_input

from poolzoo import functional

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def random_input(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dpp(ndim):
    return getattr(functional, f"dpp_pool{ndim}d")


@pytest.mark.parametrize("reward", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("alpha", [0, 0.3])
def test_lam_of_0_is_average_pooling(ndim, reward, alpha):
    for number, geometry in enumerate(geometries(ndim, 12, seed=8)):
        x = distinct(2, CHANNELS, *geometry.pop("sizes"), dtype=torch.float64, seed=number)
        y = dpp(ndim)(x, **geometry, alpha=alpha, lam=0, reward=reward)
        expected = getattr(functional, f"avg_pool{ndim}d")(x, **geometry)
        torch.testing.assert_close(y, expected, rtol=0, atol=2e-15)


def test_asymmetric_grows_towards_the_maximum():
    x = random_input(4, 3, 6, 6)
    steps = [dpp(2)(x, 2, alpha=0, lam=lam, reward="asymmetric") for lam in (0, 0.5, 1, 2, 5, 20, 1e4)]
    for smaller, larger in itertools.pairwise(steps):
        assert (larger >= smaller).all()
    torch.testing.assert_close(steps[-1], F.max_pool2d(x, 2), rtol=0, atol=1e-12)


def test_symmetric_grows_towards_the_element_furthest_from_the_mean():
    x = torch.tensor([[1.0, 2.0, 3.0, -8.0], [5.0, 1.0, 1.0, 2.0]], dtype=torch.float64)
    y = dpp(1)(x[None], 4, alpha=0, lam=1e4)
    assert y.tolist() == [[[-8.0], [5.0]]]


def test_alpha_pulls_towards_the_average():
    x = random_input(2, 3, 6, 6)
    mean = F.avg_pool2d(x, 2)
    distances = [(dpp(2)(x, 2, alpha=alpha, lam=3) - mean).abs().max().item() for alpha in (0, 1, 10, 1e3, 1e8)]
    assert distances == sorted(distances, reverse=True) and distances[-1] < 1e-6


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("channels", [None, CHANNELS])
def test_full_smooths_the_input_as_the_authors_convolution_does(ndim, channels):
    """Their released code has windows of 2 and a 3x3 convolution of the input, stride 2, padding 1, with bias."""
    x = random_input(2, CHANNELS, *(8,) * ndim)
    lead = () if channels is None else (channels,)
    weight, bias = random_input(*lead, *(3,) * ndim, seed=1), random_input(*lead, seed=2)
    filters = weight.expand(CHANNELS, *(3,) * ndim).unsqueeze(1)
    smoothed = CONV[ndim](x, filters, bias.expand(CHANNELS), stride=2, padding=1, groups=CHANNELS)
    for axis in range(2, 2 + ndim):
        smoothed = smoothed.repeat_interleave(2, axis)
    w = 0.2 + ((x - smoothed).square() + 1e-6).sqrt() ** 1.5
    pool = functools.partial(getattr(functional, f"avg_pool{ndim}d"), kernel_size=2)
    y = dpp(ndim)(x, 2, alpha=0.2, lam=1.5, weight=weight, bias=bias)
    torch.testing.assert_close(y, pool(x * w) / pool(w), rtol=0, atol=1e-12)


def test_full_with_a_filter_that_is_the_windows_mean_is_lite():
    x = random_input(2, 3, 7, 9)
    weight = torch.full((3, 3), 1 / 9, dtype=torch.float64)
    torch.testing.assert_close(dpp(2)(x, 3, 2, weight=weight), dpp(2)(x, 3, 2), rtol=0, atol=1e-14)


def test_full_starts_with_the_binomial_filter():
    pool = make("dpp:variant=full", 2)
    assert pool.weight.tolist() == [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]]
    assert pool.bias.item() == 0
    assert [pool.alpha.item(), pool.lam.item()] == pytest.approx([1, 1], abs=1e-6)


def test_lite_keeps_a_nan_to_its_own_window():
    x = usual_input(2)
    clean = dpp(2)(x, 2)
    x[0, 1, 3, 2] = math.nan
    spoilt = dpp(2)(x, 2).isnan()
    assert spoilt[0, 1, 1, 1] and spoilt.sum() == 1
    assert torch.equal(dpp(2)(x, 2)[~spoilt], clean[~spoilt])


def test_weights_are_the_papers_where_the_authors_code_divides_by_their_mean():
    """The released PyTorch code: w = alpha + (x / mean x)^lam with x = d^2 + 1e-3; the paper: (d^2 + eps^2)^(lam/2)."""
    values = np.array([0.0, 1.0, 2.0, 9.0])
    squares = (values - values.mean()) ** 2
    paper = 1 + np.sqrt(squares + 1e-6)
    authors = 1 + (squares + 1e-3) / (squares + 1e-3).mean()
    y = dpp(1)(torch.tensor(values).reshape(1, 1, 4), 4).item()
    assert y == pytest.approx((paper * values).sum() / paper.sum(), abs=1e-14)
    assert abs(y - (authors * values).sum() / authors.sum()) > 0.1


@pytest.mark.parametrize("reward", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("full", [False, True])
def test_second_gradient_is_the_derivative_off_the_mean(reward, full):
    x = random_input(1, 2, 4, 3).requires_grad_()
    weight = random_input(3, 3, seed=1).requires_grad_() if full else None
    share = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)

    def call(x, share, *weight):
        learned = {"weight": weight[0], "bias": share} if weight else {}
        return dpp(2)(x, 2, 1, alpha=share, lam=1 + share, reward=reward, eps=0.1, **learned)

    arguments = (x, share, weight) if full else (x, share)
    assert torch.autograd.gradcheck(call, arguments)
    assert torch.autograd.gradgradcheck(call, arguments)


@pytest.mark.parametrize("step", [1e6, -1e6])
@pytest.mark.parametrize("channels", [None, CHANNELS])
def test_learned_values_stay_at_least_0_after_a_huge_step(step, channels):
    pool = make("dpp", 2, 3, 2, channels=channels)
    with torch.no_grad():
        for parameter in pool.parameters():
            parameter += step
    assert (pool.alpha >= 0).all() and (pool.lam >= 0).all()
    x = usual_input(2).requires_grad_()
    y = pool(x)
    y.sum().backward()
    assert y.isfinite().all() and x.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in pool.parameters())


@pytest.mark.parametrize("large", [1e30, 1e38])
def test_large_numbers_do_not_overflow(large):
    x = torch.tensor([[large, -large, large, large, 1.0, 0.0, -large, 1e-40]], requires_grad=True)
    y = dpp(1)(x, 4, lam=3.0)
    y.sum().backward()
    assert y.isfinite().all() and x.grad.isfinite().all()


def test_training_lowers_a_loss():
    pool = make("dpp:variant=full,reward=asymmetric", 2)
    x = distinct(4, CHANNELS, 6, 6)
    target = F.max_pool2d(x, 2)
    optimiser = torch.optim.Adam(pool.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = F.mse_loss(pool(x), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_filter_of_another_shape_is_named():
    x = usual_input(2)
    message = r"weight: shape \(2, 2\); \(3, 3\) or \(C, \*\(3, 3\)\), C = 3, is allowed"
    with pytest.raises(ValueError, match=message):
        dpp(2)(x, 2, weight=torch.zeros(2, 2))
    for key in ("alpha", "lam", "bias"):
        with pytest.raises(ValueError, match=rf"{key}: shape \(2,\); a scalar or one per channel, \(3,\), is allowed"):
            dpp(2)(x, 2, **{"weight": torch.ones(3, 3), key: torch.ones(2)})
    with pytest.raises(ValueError, match="bias=1.0: only allowed together with weight"):
        dpp(2)(x, 2, bias=1.0)
