"""Polyphase selection: equivariant to circular shifts, equal to the authors' formulas, placed where it came from."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import skimage.data
import torch
from pools import CHANNELS, distinct, make, scramble
from torch import nn

import poolzoo
from poolzoo import functional
from poolzoo.analysis.scoring.linear_decoder import fit_decoder
from poolzoo.analysis.scoring.upsampling import phases_of, placed_windows, rebuild

SPECS = ("aps", "aps:filt_size=3", "aps:p=inf,filt_size=2", "aps:p=1", "lps")
SIZES = {1: (24,), 2: (12, 18), 3: (6, 12, 6)}


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("spec", SPECS)
def test_circular_shifts_shift_the_output_and_change_no_value(spec, stride, ndim):
    """Bit by bit; the shift of the output is that between the samples, (shift + phase) / stride in whole cells."""
    x = distinct(2, CHANNELS, *SIZES[ndim], dtype=torch.float64)
    pool = scramble(make(spec, ndim, stride)).double()
    y, kept = pool(x), phases_of(pool, x)
    dims = tuple(range(-ndim, 0))
    for shift in itertools.product(range(-1, stride + 2), repeat=ndim):
        moved = x.roll(shift, dims)
        z, kept_of_moved = pool(moved), phases_of(pool, moved)
        for sample, (before, after) in enumerate(zip(kept, kept_of_moved, strict=True)):
            cells, rest = zip(
                *(divmod(f + s - g, stride) for f, s, g in zip(before, shift, after, strict=True)), strict=True
            )
            assert not any(rest)
            if "filt" in spec:  # its sums are in another order at the seam
                torch.testing.assert_close(z[sample], y[sample].roll(cells, dims), rtol=0, atol=1e-14)
            else:
                assert torch.equal(z[sample], y[sample].roll(cells, dims))


@pytest.mark.parametrize("spec", ["aps", "lps"])
def test_photographs_too_in_float32(spec):
    image = torch.from_numpy(skimage.data.astronaut()[:128, :128].copy()).permute(2, 0, 1)[None] / 255
    pool = make(spec, 2)
    y = pool(image)
    for shift in itertools.product(range(3), repeat=2):
        z = pool(image.roll(shift, (2, 3)))
        assert any(torch.equal(z, y.roll(cells, (2, 3))) for cells in itertools.product((0, 1), repeat=2)), shift


@pytest.mark.parametrize(("p", "order"), [(2.0, 2), (1, 1), (math.inf, np.inf)])
@pytest.mark.parametrize("filt_size", [1, 2, 3, 4])
def test_aps_is_the_authors_formula(p, order, filt_size):
    """apspool.py with circular padding: (filt_size - 1) // 2 elements before, the rest after; the loudest phase."""
    x = distinct(2, CHANNELS, 8, 8, dtype=torch.float64)
    row = np.poly1d([1, 1]) ** (filt_size - 1)
    row = np.asarray(row.coeffs) / 2 ** (filt_size - 1)
    before, after = (filt_size - 1) // 2, -(-(filt_size - 1) // 2)
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), (before, after), (before, after)], mode="wrap")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (filt_size, filt_size), (2, 3))
    blurred = np.einsum("nchwij,i,j->nchw", windows, row, row)
    y = functional.aps_pool2d(x, 2, p=p, filt_size=filt_size)
    for sample, got in zip(blurred, y, strict=True):
        phases = [sample[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        loudest = max(phases, key=lambda phase: np.linalg.norm(phase.ravel(), order))
        np.testing.assert_allclose(got.numpy(), loudest, rtol=0, atol=1e-13)


def test_aps_of_an_odd_size_adds_a_circular_element_with_ceil_mode():
    x = distinct(1, CHANNELS, 7, dtype=torch.float64)
    padded = torch.cat([x, x[..., :1]], -1)
    y = functional.aps_pool1d(x, 2, ceil_mode=True)
    assert torch.equal(y, functional.aps_pool1d(padded, 2))


@pytest.mark.parametrize("large", [1e30, 1e300])
def test_aps_compares_norms_of_huge_values(large):
    x = torch.tensor([[0.5, 0.6, 0.5, 0.6]], dtype=torch.float64) * large
    assert torch.equal(functional.aps_pool1d(x, 2), x[:, 1::2])


def test_lps_logits_are_the_authors_network():
    """LPSLogitLayersV2: convolution, ReLU, convolution, both 3x3 and circular; the mean over channels and positions."""
    x = distinct(2, CHANNELS, 8, 6, dtype=torch.float64)
    pool = scramble(make("lps:hidden=5", 2)).double()
    layers = [
        nn.Conv2d(CHANNELS, 5, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(5, 5, 3, padding=1, padding_mode="circular"),
    ]
    for theirs, own in zip(layers, (pool.conv1, pool.conv2), strict=True):
        theirs.double().load_state_dict(own.state_dict())
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1])
    expected = [network(x[..., i::2, j::2]).mean((1, 2, 3)) for i in (0, 1) for j in (0, 1)]
    torch.testing.assert_close(pool.params(x)["logits"], torch.stack(expected, 1), rtol=0, atol=1e-13)


def test_lps_draws_in_training_as_the_gumbel_softmax_and_keeps_the_likeliest_in_evaluation():
    x, logits = distinct(1, 1, 8), torch.tensor([0.3, -0.4]).expand(20000, 2)
    many, generator = x.expand(20000, 1, 8), torch.Generator().manual_seed(2)
    y = functional.lps_pool1d(many, 2, logits=logits, tau=0.01, training=True, generator=generator)
    first = (y - x[..., ::2]).abs().amax((1, 2)) < (y - x[..., 1::2]).abs().amax((1, 2))
    # At a temperature near 0 a phase is drawn by the softmax of the logits.
    assert first.double().mean().item() == pytest.approx(1 / (1 + math.exp(-0.7)), abs=0.01)
    assert torch.equal(functional.lps_pool1d(many, 2, logits=logits), x[..., ::2].expand_as(y))
    generator.manual_seed(2)
    assert torch.equal(functional.lps_pool1d(many, 2, logits=logits, tau=0.01, training=True, generator=generator), y)
    mixed = functional.lps_pool1d(many, 2, logits=logits, tau=1e6, training=True)
    torch.testing.assert_close(mixed, ((x[..., ::2] + x[..., 1::2]) / 2).expand_as(y), rtol=0, atol=1e-3)


def test_lps_learns_in_training_and_its_logits_have_no_gradient_in_evaluation():
    x, pool = distinct(2, CHANNELS, 8, 6), make("lps", 2)
    pool(x).sum().backward()
    assert all(not p.grad.any() for p in pool.parameters())
    torch.manual_seed(0)
    pool.train()(x).square().sum().backward()
    assert all(p.grad.any() for p in pool.parameters())


@pytest.mark.parametrize("upsample", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("spec", ["aps", "lps"])
def test_rebuilding_puts_values_on_the_pixels_that_they_came_from(spec, upsample):
    x = distinct(3, CHANNELS, 12, 9, dtype=torch.float64)
    for window in ({"kernel_size": 3}, {"kernel_size": 5, "stride": 3, "padding": 2}):
        pool = make(spec, 2, **window).double()
        y, phases = pool(x), phases_of(pool, x)
        full = rebuild(y, (12, 9), upsample, phases, geometry=placed_windows(pool, y, (12, 9)))
        for sample, (down, right) in enumerate(phases):
            at = (sample, slice(None), slice(down, None, 3), slice(right, None, 3))
            torch.testing.assert_close(full[at], x[at], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("padding", "first"), [(0, 0), (1, 2), (2, 1)])
@pytest.mark.parametrize("upsample", ["nearest", "bilinear", "bicubic"])
def test_so_does_rebuilding_of_decimation(upsample, padding, first):
    x = distinct(3, CHANNELS, 12, 9, dtype=torch.float64)
    pool = make("strided", 2, kernel_size=5, stride=3, padding=padding)
    y = pool(x)
    full = rebuild(y, (12, 9), upsample, phases_of(pool, x), geometry=placed_windows(pool, y, (12, 9)))
    at = (..., *(slice(first, first + 3 * (n - (first > 0)), 3) for n in y.shape[2:]))
    torch.testing.assert_close(full[at], x[at], rtol=0, atol=1e-12)


@pytest.mark.parametrize("spec", ["aps", "lps"])
def test_the_optimal_decoder_is_that_of_decimation_from_the_phase_on(spec):
    pool, strided = make(spec, 2).double(), make("strided", 2, 1, 2)
    seen = set()
    for seed in range(8):
        image, other = (torch.from_numpy(np.random.default_rng(seed + k).random((1, 3, 24, 20))) for k in (0, 100))
        ((down, right),) = phases_of(pool, image)
        decoder, expected = fit_decoder(pool, [image]), fit_decoder(strided, [image[..., down:, right:]])
        torch.testing.assert_close(decoder.weight, expected.weight, rtol=0, atol=1e-9)
        ((down, right),) = phases_of(pool, other)
        seen.add((down, right))
        with torch.no_grad():
            full = decoder(pool(other), (24, 20), phases_of(pool, other))
            part = expected(strided(other[..., down:, right:]), (24 - down, 20 - right))
        assert full.shape == other.shape
        torch.testing.assert_close(full[..., down:, right:], part, rtol=0, atol=1e-9)
    assert len(seen) > 2


def test_rows_say_that_values_are_placed_by_the_phase():
    image = skimage.data.astronaut()[:64, :64] / 255.0
    result = poolzoo.compare(image=image, pool=["avg", "aps"], upsample="nearest")
    assert "aps: values are placed by the phase that each image keeps" in result.to_markdown()
    assert "aps: values are placed by the phase that each image keeps." in result.page()
    (aps,) = [pool for pool in result.metadata["pools"] if pool["name"] == "aps"]
    assert aps["placing"] == "by the phase that each image keeps"
    assert "placing" not in next(pool for pool in result.metadata["pools"] if pool["name"] == "avg")


def test_shift_consistency_counts_the_cells_between_the_phases():
    """Of an image that goes on as it begins, every shift keeps the same values, so that nothing is lost."""
    tile = np.random.default_rng(1).random((16, 16, 3))
    result = poolzoo.compare(
        image=np.tile(tile, (3, 3, 1)), pool=["aps", "strided"], baseline="strided", metric=["shift"]
    )
    found = {row["pool"]: row["shift"] for row in result.rows}
    assert found["aps"] > 0.99 > 0.6 > found["strided"]
