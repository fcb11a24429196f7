"""S3 pooling: the distribution of its draws, what they select, and its average in evaluation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import oracles
import pytest
import torch
import torch.nn.functional as F
from pools import CHANNELS, distinct, geometries, usual_input
from scipy.stats import chisquare
from test_against_loops import oracle_geometry, plain

import poolzoo
from poolzoo import functional

DRAWS = 10_000


def drawn_positions(size, kernel_size, stride, grid, many, seed=0):
    """``(many, out)``: the dense map's positions that calls of a 1D pool took; it falls, so that they can be told."""
    x = -torch.arange(float(size)).reshape(1, 1, size)
    generator = torch.Generator().manual_seed(seed)
    pool = poolzoo.S3Pool1d(kernel_size, stride, grid=grid, generator=generator)
    return -torch.cat([pool(x)[0] for _ in range(many)]).long()


@pytest.mark.parametrize(("stride", "grid"), [(2, None), (2, 4), (2, 6), (3, 3), (3, 6)])
def test_draws_have_the_papers_distribution(stride, grid):
    """Chi-square over 10,000 draws: every set of grid / stride of a grid's positions is as likely, in order."""
    cell = grid or stride
    each = cell // stride
    rows = drawn_positions(1000 * cell, stride, stride, grid, DRAWS // 1000).numpy()
    chosen = rows.reshape(-1, 1000, each) - cell * np.arange(1000)[:, None]
    sets = list(itertools.combinations(range(cell), each))
    counts = [int((chosen == s).all(-1).sum()) for s in sets]
    assert sum(counts) == DRAWS
    assert chisquare(counts).pvalue > 1e-3


def test_grids_are_drawn_independently():
    rows = drawn_positions(4000, 2, 2, None, DRAWS // 1000).numpy().reshape(-1, 2) % 2
    counts = [int((rows == pair).all(1).sum()) for pair in itertools.product(range(2), repeat=2)]
    assert sum(counts) == DRAWS and chisquare(counts).pvalue > 1e-3


def test_the_last_grid_draws_from_what_is_left():
    """Seven positions, grids of four, three outputs: the last comes from the two positions that its windows have."""
    rows = drawn_positions(7, 2, 2, 4, DRAWS).numpy()
    assert rows.shape == (DRAWS, 3)
    counts = [int((rows[:, 2] == position).sum()) for position in (4, 5)]
    assert sum(counts) == DRAWS and chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_draw_is_rows_and_columns_of_the_dense_map_shared_by_batch_and_channels(ndim):
    compared = 0
    for number, geometry in enumerate(geometries(ndim, {1: 30, 2: 15, 3: 8}[ndim], seed=9)):
        sizes = geometry.pop("sizes")
        x = distinct(2, CHANNELS, *sizes, dtype=torch.float64, seed=number)
        grid = tuple(s * (1 + number % 3) for s in geometry["stride"])
        pool = getattr(poolzoo, f"S3Pool{ndim}d")(**geometry, grid=grid)
        y = plain(pool(x))
        dense = oracles.s3_dense(plain(x), oracle_geometry(ndim, geometry))
        choices = []
        for axis, (out, s, g) in enumerate(zip(y.shape[2:], geometry["stride"], grid, strict=True)):
            cells = [range(o // (g // s) * g, min(dense.shape[2 + axis], (o // (g // s) + 1) * g)) for o in range(out)]
            choices.append([c for c in itertools.product(*cells) if all(a < b for a, b in itertools.pairwise(c))])
        if math.prod(map(len, choices)) > 5000:  # too many to try
            continue
        compared += 1
        matches = [c for c in itertools.product(*choices) if np.array_equal(dense[(..., *np.ix_(*c))], y)]
        assert matches, (geometry, grid)
    assert compared >= 4


def test_evaluation_is_the_mean_of_the_draws():
    x = distinct(1, CHANNELS, 5, 6, dtype=torch.float64)
    pool = poolzoo.S3Pool2d(2, padding=1, generator=torch.Generator().manual_seed(0))
    draws = torch.stack([pool(x) for _ in range(4000)])
    standard_error = draws.std(0) / math.sqrt(4000)
    assert ((draws.mean(0) - pool.eval()(x)).abs() <= 5 * standard_error + 1e-12).all()


def test_stride_1_selects_everything():
    x = usual_input(2)
    assert torch.equal(poolzoo.S3Pool2d(3, 1, padding=1)(x), F.max_pool2d(x, 3, 1, 1))


def test_training_gradient_goes_to_the_maxima_drawn():
    x = distinct(2, CHANNELS, 6, 4).requires_grad_()
    y = poolzoo.S3Pool2d(2)(x)
    y.sum().backward()
    assert x.grad.sum() == y.numel() and (x.grad >= 0).all()
    assert set(x.detach()[x.grad > 0].tolist()) == set(y.detach().flatten().tolist())


def test_evaluation_where_the_authors_code_shifts_the_average():
    """The authors average the valid dense map with padding p // 2, so that the first output averages one position."""
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    dense = F.max_pool1d(x, 2, 1)
    authors = F.avg_pool1d(dense, 2, 2, 1, count_include_pad=False)
    assert authors.tolist() == [[[2.0, 3.5]]]
    assert functional.s3_pool1d(x, 2).tolist() == [[[2.5, 4.0]]]


def test_grid_that_does_not_fit_is_named():
    x = usual_input(2)
    with pytest.raises(
        ValueError, match=r"grid=3: None or a multiple of the stride, \(2, 2\), on each axis is allowed"
    ):
        functional.s3_pool2d(x, 2, grid=3)
    with pytest.raises(ValueError, match=r"s3: grid=\(2, 3\): .* \(1, 2\)"):
        poolzoo.create_pool("s3:grid=2x3,stride=1x2")
