"""poolzoo.compat.softpool and adapool: the authors' names, arguments and state dicts, with the papers' numbers."""

from __future__ import annotations

import inspect
import math
from functools import partial
from itertools import product

import numpy as np
import oracles
import pytest
import torch
from torch import nn

import poolzoo
from poolzoo.compat import adapool, softpool

SHAPES = {1: (2, 3, 9), 2: (2, 3, 7, 6), 3: (1, 2, 5, 4, 6)}
EACH = pytest.mark.parametrize("ndim", [1, 2, 3])
STRIDES = pytest.mark.parametrize(("kernel", "stride"), [(2, None), (3, 2), (2, 3)])


def drawn(ndim, seed=0):
    return torch.randn(SHAPES[ndim], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def softmax(values):
    raised = [math.exp(v - max(values)) for v in values]
    return [v / sum(raised) for v in raised]


def soft_weights(values):
    """Softmax of the elements."""
    return softmax(values)


def similarity_weights(values):
    """Softmax of the Dice-Sorensen coefficients 2 |a m| / (a^2 + m^2) with the mean."""
    m = sum(values) / len(values)
    return softmax([2 * abs(a * m) / (a * a + m * m) for a in values])


def distance_weights(values):
    """Inverse distances to the mean."""
    m = sum(values) / len(values)
    inverse = [1 / abs(a - m) for a in values]
    return [w / sum(inverse) for w in inverse]


def weighted(weights, values):
    return sum(w * a for w, a in zip(weights(list(values)), list(values), strict=True))


def windows_of(ndim, kernel, stride):
    return oracles.Geometry((kernel,) * ndim, (stride or kernel,) * ndim, (0,) * ndim, (1,) * ndim)


def expected(weights, x, kernel, stride):
    ndim = x.dim() - 2
    return torch.from_numpy(oracles.pool(x.numpy(), windows_of(ndim, kernel, stride), partial(weighted, weights)))


def expected_mask(weights, x, kernel, stride):
    """Every window's weights in a cell of the window's size."""
    n, g = x.dim() - 2, windows_of(x.dim() - 2, kernel, stride)
    out = oracles.out_sizes(x.shape[2:], g)
    mask = np.zeros((*x.shape[:2], *(o * kernel for o in out)))
    for lead in np.ndindex(*x.shape[:2]):
        for cell in product(*(range(o) for o in out)):
            taps = list(product(range(kernel), repeat=n))
            start = [c * s for c, s in zip(cell, g.stride, strict=True)]
            at = [tuple(b + t for b, t in zip(start, tap, strict=True)) for tap in taps]
            for tap, w in zip(taps, weights([float(x[(*lead, *i)]) for i in at]), strict=True):
                mask[(*lead, *(c * kernel + t for c, t in zip(cell, tap, strict=True)))] = w
    return torch.from_numpy(mask)


@EACH
@STRIDES
def test_softpool_equals_the_papers_formula(ndim, kernel, stride):
    x = drawn(ndim)
    function = getattr(softpool, f"soft_pool{ndim}d")
    module = getattr(softpool, f"SoftPool{ndim}d")(kernel, stride)
    for y in (function(x, kernel, stride), function(x, kernel, stride, True), module(x)):
        torch.testing.assert_close(y, expected(soft_weights, x, kernel, stride), rtol=1e-12, atol=1e-12)
    assert not module.state_dict()


@EACH
@STRIDES
@pytest.mark.parametrize(
    ("name", "weights"), [("empool", soft_weights), ("edscwpool", similarity_weights), ("idwpool", distance_weights)]
)
def test_the_parts_of_adapool_equal_their_formulas(ndim, kernel, stride, name, weights):
    x = drawn(ndim)
    module = getattr(adapool, f"{name.removesuffix('pool').upper()}Pool{ndim}d")(kernel, stride)
    for y in (getattr(adapool, f"{name}{ndim}d")(x, kernel, stride), module(x)):
        # idw adds an eps of 1e-6 of the mean distance to each distance
        tolerance = 1e-4 if name == "idwpool" else 1e-12
        torch.testing.assert_close(y, expected(weights, x, kernel, stride), rtol=tolerance, atol=tolerance)
    assert not module.state_dict()


@EACH
@STRIDES
@pytest.mark.parametrize("native", [False, True])
def test_adapool_is_the_share_of_each_and_returns_its_masks(ndim, kernel, stride, native):
    x = drawn(ndim)
    similar, soft = (expected(w, x, kernel, stride) for w in (similarity_weights, soft_weights))
    beta = torch.linspace(-0.2, 1.2, similar[0, 0].numel(), dtype=torch.float64).reshape(similar.shape[2:])
    share = beta.clamp(0, 1) if native else beta
    function = getattr(adapool, f"adapool{ndim}d")
    y, mask = function(x, beta, kernel, stride, return_mask=True, native=native)
    torch.testing.assert_close(y, share * similar + (1 - share) * soft, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(y, function(x, beta, kernel, stride, native=native), rtol=0, atol=0)
    masks = [expected_mask(w, x, kernel, stride) for w in (similarity_weights, soft_weights)]
    if native:
        for axis in range(ndim):
            share = share.repeat_interleave(kernel, axis)
        torch.testing.assert_close(mask, share * masks[0] + (1 - share) * masks[1], rtol=1e-12, atol=1e-12)
    else:
        torch.testing.assert_close(mask[:2], tuple(masks), rtol=1e-12, atol=1e-12)
        assert mask[2] is beta


@EACH
def test_unpooling_spreads_each_value_over_its_window_by_the_masks(ndim):
    x = drawn(ndim)
    beta = torch.rand(expected(soft_weights, x, 2, None).shape[2:], dtype=torch.float64)
    y, masks = getattr(adapool, f"adapool{ndim}d")(x, beta, return_mask=True)
    want = torch.zeros_like(masks[0])
    for index in np.ndindex(*want.shape):
        cell = (*index[:2], *(i // 2 for i in index[2:]))
        share = beta[cell[2:]]
        want[index] = y[cell] * (share * masks[0][index] + (1 - share) * masks[1][index])
    for up in (adapool.adaunpool(y, masks), getattr(adapool, f"AdaUnpool{ndim}d")(masks)(y)):
        torch.testing.assert_close(up, want, rtol=1e-12, atol=1e-12)
    shared = (masks[0][:, 0], masks[1][:, 0], beta)  # as the authors keep it, one for all channels
    torch.testing.assert_close(adapool.adaunpool(y[:, :1], shared), want[:, :1], rtol=1e-12, atol=1e-12)
    flat = adapool.adaunpool(want, masks, interpolate=False)
    torch.testing.assert_close(flat, want * (masks[0] + masks[1]), rtol=1e-12, atol=1e-12)


def test_the_parameters_stand_in_the_authors_order_with_their_defaults():
    start = "(kernel_size=2, beta=None, stride=None, beta_trainable=True, return_mask=False"

    def shown(callable_):
        bare = [p.replace(annotation=p.empty) for p in inspect.signature(callable_).parameters.values()]
        return str(inspect.Signature(bare))

    assert shown(adapool.AdaPool2d) == f"{start}, device=None, dtype=None, native=False)"
    assert shown(adapool.adapool2d) == "(x, beta=None, kernel_size=2, stride=None, return_mask=False, native=False)"
    assert shown(adapool.empool2d) == "(x, kernel_size=2, stride=None, return_mask=False)"
    assert shown(adapool.EDSCWPool2d) == "(kernel_size=2, stride=None, return_mask=False)"
    assert shown(adapool.adaunpool) == "(x, mask=None, interpolate=True)"
    assert shown(softpool.soft_pool2d) == "(x, kernel_size=2, stride=None, force_inplace=False)"


@pytest.mark.parametrize("trainable", [False, True])
def test_an_authors_state_dict_loads_into_the_module_of_the_same_name(trainable):
    model = nn.Sequential(adapool.AdaPool2d(2, beta=(3, 4), beta_trainable=trainable))
    beta = torch.tensor([0.0, 0.25, 0.5, 1.0]).repeat(3, 1)
    model.load_state_dict({"0.beta": beta})
    x = torch.randn(2, 3, 6, 8, dtype=torch.float32, generator=torch.Generator().manual_seed(1))
    similar, soft = (expected(w, x.double(), 2, None) for w in (similarity_weights, soft_weights))
    torch.testing.assert_close(model(x).double(), beta * similar + (1 - beta) * soft, rtol=1e-5, atol=1e-5)
    assert [name for name, _ in model.named_parameters()] == (["0.beta"] if trainable else [])
    start = adapool.AdaPool2d(2, beta=(30, 40)).beta
    assert start.min() == 0 and start.max() == 1 and 0.4 < float((start == 0).float().mean()) < 0.6


@EACH
def test_an_authors_state_dict_loads_into_poolzoos_module(ndim):
    x = drawn(ndim)
    theirs = getattr(adapool, f"AdaPool{ndim}d")(2, beta=tuple(n // 2 for n in x.shape[2:]), dtype=torch.float64)
    ours = getattr(poolzoo, f"AdaPool{ndim}d")(2, cells=tuple(theirs.beta.shape), dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    assert torch.isfinite(ours.raw).all()


def test_a_single_share_of_the_authors_loads_as_the_layers_own():
    pool = nn.Sequential(poolzoo.AdaPool2d(2))
    pool.load_state_dict({"0.beta": torch.full((1, 1), 0.75)})
    assert torch.sigmoid(pool[0].raw).item() == pytest.approx(0.75)
    with pytest.raises(RuntimeError, match=r"size mismatch for 0\.raw.*\[2, 2\]"):
        pool.load_state_dict({"0.beta": torch.full((2, 2), 0.75)})


X = torch.zeros(1, 2, 4, 4)
REFUSED = {
    "beta=None": lambda: adapool.AdaPool2d(2),
    "beta=3": lambda: adapool.AdaPool2d(2, beta=3),
    "beta=None: a tensor": lambda: adapool.adapool2d(X),
    "beta: shape \\(3, 2\\)": lambda: adapool.adapool2d(X, torch.zeros(3, 2)),
    "native=1": lambda: adapool.adapool2d(X, torch.zeros(2, 2), native=1),
    "return_mask=True: idw": lambda: adapool.IDWPool2d(2, return_mask=True)(X),
    "mask=None": lambda: adapool.adaunpool(X),
    "mask=None: the": lambda: adapool.AdaUnpool2d(),
    "mask: shape \\(3, 4, 4\\)": lambda: adapool.adaunpool(X, torch.zeros(3, 4, 4)),
    "mask: 3 channels": lambda: adapool.adaunpool(X, torch.zeros(1, 3, 4, 4)),
    "x: spatial sizes": lambda: adapool.adaunpool(X, torch.zeros(1, 2, 8, 8), interpolate=False),
    "kernel_size=0": lambda: softpool.SoftPool2d(0),
    "stride=0": lambda: adapool.EMPool2d(2, 0),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_not_allowed_is_refused_in_one_line(message):
    with pytest.raises(ValueError, match=message) as caught:
        REFUSED[message]()
    assert "\n" not in str(caught.value)


def test_masks_carry_no_gradient_and_pools_do():
    x = drawn(2).requires_grad_()
    pool = adapool.AdaPool2d(2, beta=(3, 3), return_mask=True, dtype=torch.float64)
    y, masks = pool(x)
    y.sum().backward()
    assert not masks[0].requires_grad and not masks[1].requires_grad
    assert torch.isfinite(x.grad).all() and torch.isfinite(pool.beta.grad).all()
