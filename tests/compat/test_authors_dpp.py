"""poolzoo.compat.dpp: the numbers of the authors' Torch7 modules, written as a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from poolzoo.compat import dpp

NAMES = ["DPP_sym_lite", "DPP_asym_lite", "DPP_sym_full", "DPP_asym_full"]


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loop(x, power, bias, smoothed, asymmetric):
    """sum w a / sum w, w = (x / mean x)^(e^L / 2) + e^A, x = d^2 + 0.001."""
    y = np.zeros((*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2))
    for n, c, i, j in np.ndindex(*y.shape):
        values = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten().tolist()
        s = sum(values) / 4 if smoothed is None else smoothed[n, c, i, j].item()
        d = [max(v - s, 0) if asymmetric else v - s for v in values]
        squared = [v * v + 1e-3 for v in d]
        level, lam = sum(squared) / 4, math.exp(power[c]) / 2
        w = [(v / level) ** lam + math.exp(bias[c]) for v in squared]
        y[n, c, i, j] = sum(weight * v for weight, v in zip(w, values, strict=True)) / sum(w)
    return torch.from_numpy(y)


@pytest.mark.parametrize("name", NAMES)
def test_every_module_equals_the_authors_formula_and_loads_its_keys(name):
    x, power, bias = drawn(2, 3, 6, 8), [-0.5, 0.3, 1.2], [-2.0, 0.1, 0.9]
    state = {"CWeightCalc.weight": torch.tensor(power), "PositiveBias.weight": torch.tensor(bias)}
    smoothed = None
    if name.endswith("full"):
        state |= {"conv.weight": drawn(3, 1, 3, 3, seed=1), "conv.bias": drawn(3, seed=2)}
        smoothed = F.conv2d(x, state["conv.weight"], state["conv.bias"], stride=2, padding=1, groups=3)
    module = getattr(dpp, name)(3).double()
    module.load_state_dict(state)
    given = [module.CWeightCalc.weight.tolist(), module.PositiveBias.weight.tolist()]
    want = loop(x, *given, smoothed, name.startswith("DPP_asym"))
    torch.testing.assert_close(module(x), want, rtol=1e-10, atol=1e-10)
    assert torch.isfinite(module.float()(torch.full((1, 3, 4, 4), 1e30) * torch.tensor([1.0, -1, 1, 1]))).all()


def test_a_bias_above_10_acts_as_10():
    x, module = drawn(1, 2, 4, 4), dpp.DPP_sym_lite(2).double()
    with torch.no_grad():
        module.CWeightCalc.weight.fill_(3.0)
        module.PositiveBias.weight.fill_(50.0)
    torch.testing.assert_close(module(x), loop(x, [3.0] * 2, [10.0] * 2, None, False), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_derivatives(name):
    module = getattr(dpp, name)(2).double()
    parameters = tuple(module.parameters())

    def pooled(x, *values):
        return torch.func.functional_call(module, dict(zip(dict(module.named_parameters()), values, strict=True)), x)

    assert torch.autograd.gradcheck(pooled, (drawn(1, 2, 4, 4).requires_grad_(), *parameters))


def test_what_is_not_allowed_is_refused_in_one_line():
    with pytest.raises(ValueError, match="^nPlane=0: .*$"):
        dpp.DPP_sym_lite(0)
    for name in NAMES:
        with pytest.raises(ValueError, match="^(weight|CWeightCalc.weight): .*$"):
            getattr(dpp, name)(3)(torch.zeros(1, 2, 4, 4))
