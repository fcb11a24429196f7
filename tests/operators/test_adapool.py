"""AdaPool's three poolings and adaUnPool: what the paper says, and where the authors' code says something else."""

from __future__ import annotations

import functools
import math

import numpy as np
import oracles
import pytest
import torch
from pools import CHANNELS, MAX_POOL, distinct, geometries, make, usual_input
from test_against_loops import oracle_geometry, plain

import poolzoo
from poolzoo import functional
from poolzoo.geometry import make_geometry, output_size

UNPOOL = {1: functional.ada_unpool1d, 2: functional.ada_unpool2d, 3: functional.ada_unpool3d}
SCALES = [1e-300, 1e-30, 1.0, 1e30, 1e300]


def random_input(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pool_window(name, values, **params):
    x = torch.tensor(values, dtype=torch.float64).reshape(1, 1, -1)
    return getattr(functional, f"{name}_pool1d")(x, x.shape[-1], **params).item()


# edscw and idw --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["edscw", "idw"])
@pytest.mark.parametrize("scale", SCALES)
def test_weights_do_not_depend_on_the_scale(name, scale):
    pool = getattr(functional, f"{name}_pool2d")
    x = random_input(2, 3, 6, 6)
    torch.testing.assert_close(pool(scale * x, 3), scale * pool(x, 3), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["edscw", "idw"])
@pytest.mark.parametrize("scale", [1e-40, 1e-38, 1e-20, 1e30])
def test_gradient_does_not_depend_on_the_scale(name, scale):
    pool = getattr(functional, f"{name}_pool2d")
    # Eighths, that neither a power of two nor the last bits of the smallest numbers round.
    x = (distinct(1, 2, 6, 6, seed=3) * 8).round()
    factor = 2.0 ** round(math.log2(scale))
    gradients = []
    for given in (x, x * factor):
        given = given.detach().requires_grad_()
        pool(given, 3).sum().backward()
        gradients.append(given.grad)
    # Native code sums a fraction of each element, whose last bits the smallest numbers have not.
    error = 2e-3 if scale == 1e-40 else 1e-4
    torch.testing.assert_close(gradients[1], gradients[0], rtol=error, atol=error)


def test_idw_does_not_depend_on_the_offset():
    x = random_input(2, 3, 6, 6)
    torch.testing.assert_close(functional.idw_pool2d(x + 8, 3), functional.idw_pool2d(x, 3) + 8, rtol=0, atol=1e-13)


def test_idw_gradient_keeps_its_digits_far_from_zero():
    """The offset leaves the elements 13 bits, and both computations the same elements."""
    x = (random_input(2, 3, 12, 12) + 1e3).float()
    gradients = []
    for given in (x.clone().requires_grad_(), x.double().requires_grad_()):
        functional.idw_pool2d(given, 3, 2, 1).sum().backward()
        gradients.append(given.grad.double())
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-4)


def test_edscw_by_hand():
    # The mean of 1, 3 is 2: DSC is 4/5 and 12/13.
    e = [math.exp(4 / 5), math.exp(12 / 13)]
    assert pool_window("edscw", [1.0, 3.0]) == pytest.approx((e[0] + 3 * e[1]) / sum(e), abs=1e-15)


def test_edscw_of_zeros_and_of_a_mean_of_zero():
    assert pool_window("edscw", [0.0, 0.0]) == 0
    assert pool_window("edscw", [-2.0, 2.0]) == 0  # both coefficients are 0
    x = torch.tensor([[0.0, 0.0, -2.0, 2.0]], dtype=torch.float64, requires_grad=True)
    functional.edscw_pool1d(x, 2).sum().backward()
    assert x.grad.tolist() == [[0.5, 0.5, 0.5, 0.5]]


def test_edscw_weighs_by_magnitude_where_the_authors_code_weighs_by_sign():
    """arXiv 2111.00772 has |a m|; the released kernel has a m, so that it weighs -1 like e^-0.6, not like e^0.6."""
    values = [-1.0, 7.0]
    coefficient = [2 * a * 3 / (a * a + 9) for a in values]
    paper = np.exp(np.abs(coefficient))
    authors = np.exp(coefficient)
    y = pool_window("edscw", values)
    assert y == pytest.approx((paper * values).sum() / paper.sum(), abs=1e-14)
    assert abs(y - (authors * values).sum() / authors.sum()) > 0.5


def test_edscw_takes_no_slope_from_digits_that_the_mean_has_not():
    big = torch.tensor([[1e30, -1e30, 1e-30, 0.0]], requires_grad=True)
    functional.edscw_pool1d(big, 4).sum().backward()
    assert big.grad.abs().max() <= 2


def test_idw_of_an_element_at_the_mean_is_finite_where_the_authors_code_is_not():
    """1 / |a - mean| is infinite at 2; inf / inf is NaN, which the authors' code replaces by 0. The limit is 2."""
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = 1 / np.abs(np.array([1.0, 2.0, 3.0]) - 2)
        assert math.isnan((weight / weight.sum() * [1.0, 2.0, 3.0]).sum())
    assert pool_window("idw", [1.0, 2.0, 3.0]) == 2
    for eps in (1e-3, 1e-6, 1e-9):
        assert pool_window("idw", [1.0, 2.0, 6.0, -1.0], eps=eps) == pytest.approx(2, abs=4 * eps)


def test_idw_approaches_the_mean_as_eps_grows_and_the_plain_inverse_as_it_falls():
    values = np.array([1.0, 2.0, 6.0, -4.5])
    plain_weight = 1 / np.abs(values - values.mean())
    limit = (plain_weight * values).sum() / plain_weight.sum()
    distances = [abs(pool_window("idw", values.tolist(), eps=eps) - limit) for eps in (1, 1e-3, 1e-6, 1e-12)]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-11 < distances[0]


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("eps", [1e-6, 1e-2, 1])
def test_idw_gradient_is_the_derivative_away_from_the_mean(ndim, eps):
    pool = getattr(functional, f"idw_pool{ndim}d")
    x = random_input(1, 2, *(4, 3, 3)[:ndim]).requires_grad_()
    call = functools.partial(pool, kernel_size=3 if ndim < 3 else 2, stride=1, padding=1, eps=eps)
    assert torch.autograd.gradcheck(call, (x,))
    assert torch.autograd.gradgradcheck(call, (x,))


@pytest.mark.parametrize("name", ["edscw", "idw", "ada"])
@pytest.mark.parametrize("kernel_size", [2, 3, 5, 7])
@pytest.mark.parametrize("value", [0.1, -7.3, 1e-40, 3e38])
def test_constant_is_kept_to_the_bit(name, kernel_size, value):
    x = torch.full((1, 2, 14, 14), value)
    y = getattr(functional, f"{name}_pool2d")(x, kernel_size, 2, kernel_size // 2)
    assert torch.equal(y, torch.full_like(y, value))


# adapool --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_beta_of_1_and_0_are_its_two_parts(ndim):
    ada, edscw, soft = (getattr(functional, f"{name}_pool{ndim}d") for name in ("ada", "edscw", "soft"))
    for number, geometry in enumerate(geometries(ndim, 12, seed=4)):
        x = distinct(2, CHANNELS, *geometry.pop("sizes"), dtype=torch.float64, seed=number)
        expected = soft(x, **geometry, backend="reference")
        assert torch.equal(ada(x, **geometry, beta=0, backend="reference"), expected)
        torch.testing.assert_close(ada(x, **geometry, beta=0), expected, rtol=1e-15, atol=2e-15)
        torch.testing.assert_close(ada(x, **geometry, beta=1), edscw(x, **geometry), rtol=0, atol=2e-15)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_each_output_cell_has_its_own_share(ndim):
    for number, geometry in enumerate(geometries(ndim, 8, seed=5)):
        sizes = geometry.pop("sizes")
        out = output_size(sizes, make_geometry(ndim, **geometry))
        x = distinct(2, CHANNELS, *sizes, dtype=torch.float64, seed=number)
        pool = make("adapool", ndim, **geometry, cells=out).double()
        with torch.no_grad():
            pool.raw += random_input(*out, seed=number)
        g = oracle_geometry(ndim, geometry)
        beta = 1 / (1 + np.exp(-plain(pool.raw)))
        expected = beta * oracles.pool(plain(x), g, oracles.edscw) + (1 - beta) * oracles.pool(
            plain(x), g, oracles.softpool
        )
        np.testing.assert_allclose(plain(pool(x)), expected, rtol=0, atol=1e-12)
        twin = eval(
            repr(make("adapool", ndim, **geometry, cells=out)), vars(poolzoo) | {type(pool).__name__: type(pool)}
        )
        assert twin.raw.shape == pool.raw.shape


def test_share_of_a_cell_takes_part_in_autograd():
    pool = make("adapool", 2, 2, cells=(2, 3)).double()
    x = random_input(2, CHANNELS, 4, 6)

    def call(raw):
        return torch.func.functional_call(pool, {"raw": raw}, (x,))

    assert torch.autograd.gradcheck(call, (random_input(2, 3).requires_grad_(),))


def test_share_that_does_not_fit_is_named():
    x = usual_input(2)
    pool = make("adapool", 2, 2, cells=(2, 2))
    with pytest.raises(ValueError, match=r"beta: shape \(2, 2\); a scalar or one per output cell, \(3, 3\),"):
        pool(x)
    with pytest.raises(ValueError, match=r"beta: shape \(3,\); .* \(3, 3\)"):
        functional.ada_pool2d(x, 2, beta=torch.zeros(3))


@pytest.mark.parametrize("step", [1e6, -1e6])
def test_share_stays_in_range_where_the_authors_clamp_does_not_act(step):
    """``beta.data.clamp(0, 1)`` gives a clamped copy and drops it; a step of the optimiser then leaves [0, 1]."""
    theirs = torch.tensor(0.5)
    theirs += step
    theirs.data.clamp(0, 1)
    assert not 0 <= theirs <= 1
    pool = make("adapool", 2, 2)
    x = usual_input(2)
    with torch.no_grad():
        pool.raw += step
    beta = pool.params(x)["beta"]
    assert 0 <= beta <= 1 and pool(x).isfinite().all()


def test_share_starts_at_a_half_and_learns():
    pool = make("adapool", 2, 2)
    assert pool.params(usual_input(2))["beta"] == 0.5
    x = usual_input(2)
    target = functional.edscw_pool2d(x, 2)
    optimiser = torch.optim.Adam(pool.parameters(), lr=0.5)
    for _ in range(40):
        optimiser.zero_grad()
        (pool(x) - target).square().mean().backward()
        optimiser.step()
    assert pool.params(x)["beta"] > 0.98


# adaUnPool ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_unpooling_equals_the_loop(ndim):
    for number, geometry in enumerate(geometries(ndim, {1: 30, 2: 16, 3: 8}[ndim], seed=6)):
        sizes = geometry.pop("sizes")
        lead = (CHANNELS,) if number % 3 == 2 else (2, CHANNELS)
        x = distinct(*lead, *sizes, dtype=torch.float64, seed=number)
        y = random_input(*MAX_POOL[ndim](x, **geometry).shape, seed=number)
        beta = (0.0, 0.3, 1.0)[number % 3]
        expected = oracles.ada_unpool(plain(y), plain(x), oracle_geometry(ndim, geometry), beta)
        got = UNPOOL[ndim](y, x, **geometry, beta=beta)
        np.testing.assert_allclose(plain(got), expected, rtol=0, atol=1e-12, err_msg=str(geometry))


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_pooled_constant_comes_back_to_the_bit(ndim, dtype):
    pool = getattr(functional, f"ada_pool{ndim}d")
    for number, geometry in enumerate(geometries(ndim, 24, seed=7)):
        for value in (0.1, -7.3, 1e4):
            beta = (0.1, 0.37, 0.9)[number % 3]
            x = torch.full((2, CHANNELS, *geometry["sizes"]), value, dtype=dtype)
            given = {key: v for key, v in geometry.items() if key != "sizes"}
            assert torch.equal(UNPOOL[ndim](pool(x, **given, beta=beta), x, **given, beta=beta), x), geometry


def test_a_window_keeps_its_mean_where_the_authors_code_divides_it():
    """The authors multiply by the weights, which sum to 1: a constant c of a 2x2 window becomes c / 4."""
    x = random_input(1, 2, 6, 6)
    y = functional.ada_pool2d(x, 2, beta=0.3)
    back = functional.ada_unpool2d(y, x, 2, beta=0.3)
    torch.testing.assert_close(functional.avg_pool2d(back, 2), y, rtol=0, atol=1e-14)
    ones = torch.ones(1, 1, 2, 2)
    authors = np.array(oracles._softmax([1.0] * 4))  # the mask that they multiply by
    ours = plain(functional.ada_unpool2d(ones[..., :1, :1], ones, 2)).flatten()
    assert ours.tolist() == [1.0] * 4 and (ours == 4 * authors).all()


def test_channels_are_unpooled_each_by_its_own_weights():
    x = random_input(2, 3, 4, 4)
    y = functional.ada_pool2d(x, 2)
    single = torch.cat([functional.ada_unpool2d(y[:, [c]], x[:, [c]], 2) for c in range(3)], 1)
    torch.testing.assert_close(functional.ada_unpool2d(y, x, 2), single, rtol=0, atol=1e-14)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_unpooling_gradient_is_the_derivative(ndim):
    x = random_input(1, 2, *(5, 4, 3)[:ndim]).requires_grad_()
    y = random_input(1, 2, *[(n - 2) // 2 + 1 for n in x.shape[2:]], seed=1).requires_grad_()
    call = functools.partial(UNPOOL[ndim], kernel_size=2)
    assert torch.autograd.gradcheck(call, (y, x))
    overlapping = functools.partial(UNPOOL[ndim], kernel_size=3, stride=1, padding=1)
    full = random_input(*x.shape, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(overlapping, (full, x))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_unpooling_module_is_the_function_and_shares_the_pools_share(ndim):
    arguments = {"kernel_size": 3, "stride": 2, "padding": 1}
    pool = make("adapool", ndim, beta=0.2, **arguments)
    unpool = getattr(poolzoo, f"AdaUnpool{ndim}d")(**arguments)
    unpool.load_state_dict(pool.state_dict())
    x = usual_input(ndim)
    back = unpool(pool(x), x)
    assert torch.equal(back, UNPOOL[ndim](pool(x), x, **arguments, beta=pool.params(x)["beta"]))
    assert repr(unpool) == f"AdaUnpool{ndim}d(kernel_size=3, stride=2, padding=1, beta=0.2)"
    back.sum().backward()
    assert unpool.raw.grad is not None
    assert f"ada_unpool{ndim}d" in dir(functional) and f"AdaUnpool{ndim}d" in dir(poolzoo)


def test_unpooling_compiles_exports_and_vmaps():
    x = usual_input(2, torch.float64)
    unpool = poolzoo.AdaUnpool2d(2).double()
    y = functional.ada_pool2d(x, 2)
    expected = unpool(y, x)
    close = functools.partial(torch.testing.assert_close, rtol=0, atol=1e-14)
    close(torch.compile(unpool, fullgraph=True, backend="eager")(y, x), expected)
    close(torch.export.export(unpool, (y, x)).module()(y, x), expected)
    close(torch.func.vmap(unpool)(y, x), expected)


def test_wrong_maps_to_unpool_are_named():
    x = usual_input(2)
    y = functional.ada_pool2d(x, 2)
    with pytest.raises(ValueError, match=r"y: shape \(2, 3, 3, 2\); the shape of x pooled, \(2, 3, 3, 3\), is needed"):
        functional.ada_unpool2d(y[..., :2], x, 2)
    with pytest.raises(ValueError, match=r"beta=2: a number from 0 to 1"):
        functional.ada_unpool2d(y, x, 2, beta=2)
    with pytest.raises(ValueError, match=r"beta: shape \(2,\); a scalar or one per output cell, \(3, 3\)"):
        functional.ada_unpool2d(y, x, 2, beta=torch.ones(2))
    with pytest.raises(TypeError, match=r"x: dtype torch\.int64"):
        functional.ada_unpool2d(y, x.long(), 2)
