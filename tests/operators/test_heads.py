"""Heads and adaptive filters against torch's own functions, and at the parameters where they become other operators."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pools import CHANNELS, distinct, make, scramble

import poolzoo
from poolzoo import functional
from poolzoo.operators.heads import regions


def close(y: torch.Tensor, expected: torch.Tensor, atol: float = 1e-12) -> None:
    torch.testing.assert_close(y, expected, rtol=0, atol=atol)


def test_rmac_has_the_papers_regions():
    """Counted by hand: a 4x4 map, and one of 8x4, whose longer side takes two more squares to overlap by 40 %."""
    assert regions((4, 4), 2) == [(range(4), range(4))] * 2 + [
        (range(i, i + 2), range(j, j + 2)) for i in (0, 2) for j in (0, 2)
    ]
    assert regions((8, 4), 1) == [(range(8), range(4))] + [(range(i, i + 4), range(4)) for i in (0, 2, 4)]
    assert len(regions((9, 9), 3)) == 1 + 1 + 4 + 9


def test_rmac_of_a_map_is_the_sum_of_its_regions_unit_maxima():
    x = distinct(2, 5, 8, 6, dtype=torch.float64)
    parts = [x[:, :, rows.start : rows.stop, columns.start : columns.stop] for rows, columns in regions((8, 6), 3)]
    expected = sum(F.normalize(part.amax((2, 3)), dim=1) for part in parts)
    close(poolzoo.GlobalRmacPool2d(flatten=True)(x), expected, 1e-5)  # the length has 1e-6 added
    assert torch.equal(functional.rmac_pool2d(torch.zeros(1, 3, 4, 4), 2), torch.zeros(1, 3, 2, 2))


def test_simpool_is_torchs_attention_over_torchs_layer_norm():
    x = distinct(2, CHANNELS, 6, 5, dtype=torch.float64)
    pool = scramble(poolzoo.GlobalSimPool2d(channels=CHANNELS, gamma=None, flatten=True)).double()
    tokens = x.flatten(2).mT
    norm = pool.norm_patches
    v = F.layer_norm(tokens, (CHANNELS,), norm.weight, norm.bias, 1e-6)
    q, k = tokens.mean(1, keepdim=True) @ pool.wq.weight.T, v @ pool.wk.weight.T
    close(pool(x), F.scaled_dot_product_attention(q, k, v).squeeze(1))
    pool.gamma = 2.0
    raised = (v - v.amin((1, 2), keepdim=True) + 1e-6).square()
    close(pool(x), F.scaled_dot_product_attention(q, k, raised).sqrt().squeeze(1))
    assert {"wq.weight", "wk.weight", "norm_patches.weight", "norm_patches.bias"} == set(pool.state_dict())


def test_simpool_without_a_query_is_a_power_mean_of_the_normalised_channels():
    x = distinct(2, CHANNELS, 6, 4, dtype=torch.float64)
    v = F.layer_norm(x.movedim(1, -1), (CHANNELS,), eps=1e-6).movedim(-1, 1)
    close(functional.sim_pool2d(x, 2, gamma=None), F.avg_pool2d(v, 2))
    low = -F.max_pool2d(-v.amin(1, keepdim=True), 2)
    close(functional.sim_pool2d(x, 2, gamma=1.0), F.avg_pool2d(v, 2) - low + 1e-6)


@pytest.mark.parametrize("groups", [1, 3])
def test_adaptive_blur_is_the_authors_formula(groups):
    """pasa.py without batch normalisation, with the softmax over the taps of each group: dense, then every second."""
    x = distinct(2, CHANNELS, 9, 8, dtype=torch.float64)
    pool = scramble(make(f"adaptive_blur:groups={groups}", 2, 1, 2)).double()
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    logits = F.conv2d(padded, pool.conv.weight, pool.conv.bias)
    weights = logits.unflatten(1, (groups, 1, 9)).softmax(3)
    elements = F.unfold(padded, 3).reshape(2, groups, CHANNELS // groups, 9, 9, 8)
    expected = (elements * weights).sum(3).flatten(1, 2)[..., ::2, ::2]
    close(pool(x), expected)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_adaptive_blur_with_the_binomials_logarithms_is_blur(ndim):
    x = distinct(2, CHANNELS, *(9, 8, 7)[:ndim], dtype=torch.float64)
    row = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64).log()
    bias = sum(row.reshape(-1, *(1,) * axis) for axis in range(ndim)).flatten()
    adaptive, blur = (getattr(functional, f"{name}_pool{ndim}d") for name in ("pasa", "blur"))
    close(adaptive(x, 3, 2, 1, bias=bias), blur(x, 3, 2, 1, filt_size=3))
    inner = (slice(None), slice(None), *(slice(1, -1),) * ndim)
    dense = getattr(F, f"avg_pool{ndim}d")(x, 3, 1)
    close(adaptive(x, 1)[inner], dense)  # without a bias, a box
