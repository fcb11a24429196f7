"""Upsampling puts pooled values where they belong: against SciPy's and torch's samplers at the exact coordinates."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates

import poolzoo
from poolzoo.analysis.scoring.upsampling import placed_windows, rebuild, restored
from poolzoo.geometry import make_geometry

WINDOWS_2D = [
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": (5, 2), "stride": (3, 2), "padding": (2, 0), "dilation": (1, 3)},
    {"kernel_size": (3, 4), "stride": (4, 1), "padding": (1, 2), "dilation": 2, "ceil_mode": True},
    {"kernel_size": 2},
]


def coordinates(window: dict, size: tuple[int, ...]) -> list[np.ndarray]:
    """Along each axis, every pixel's place among the windows' centres, from the definition of a window's taps."""
    per_axis = [
        np.broadcast_to(window.get(key, default), len(size))
        for key, default in (("kernel_size", 1), ("stride", window["kernel_size"]), ("padding", 0), ("dilation", 1))
    ]
    found = []
    for n, k, s, p, d in zip(size, *per_axis, strict=True):
        first, second = ([i * s - p + d * tap for tap in range(k)] for i in (0, 1))
        found.append((np.arange(n) - np.mean(first)) / (np.mean(second) - np.mean(first)))
    return found


def pooled_noise(window: dict, size: tuple[int, ...], channels: int = 2) -> torch.Tensor:
    x = torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return poolzoo.create_pool("avg", ndim=len(size), **window)(x)


@pytest.mark.parametrize("window", WINDOWS_2D, ids=str)
@pytest.mark.parametrize(("upsample", "order"), [("nearest", 0), ("bilinear", 1)])
def test_nearest_and_bilinear_are_scipys_at_the_windows_centres(window, upsample, order):
    size = (25, 31)
    pooled = pooled_noise(window, size)
    full = rebuild(pooled, size, upsample, geometry=make_geometry(2, **window))[0].numpy()
    grid = np.meshgrid(*coordinates(window, size), indexing="ij")
    for channel, values in enumerate(pooled[0].numpy()):
        expected = map_coordinates(values, grid, order=order, mode="nearest")
        np.testing.assert_allclose(full[channel], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("window", WINDOWS_2D, ids=str)
@pytest.mark.parametrize("upsample", ["bilinear", "bicubic"])
def test_bilinear_and_bicubic_are_grid_samples_at_the_windows_centres(window, upsample):
    size = (25, 31)
    pooled = pooled_noise(window, size)
    rows, columns = map(torch.from_numpy, coordinates(window, size))
    # grid_sample counts from -1, the first sample, to 1, the last.
    y, x = (2 * place / (n - 1) - 1 for place, n in zip((rows, columns), pooled.shape[2:], strict=True))
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]
    expected = F.grid_sample(pooled, grid, upsample, padding_mode="border", align_corners=True)
    full = rebuild(pooled, size, upsample, geometry=make_geometry(2, **window))
    torch.testing.assert_close(full, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("upsample", "order"), [("nearest", 0), ("trilinear", 1)])
def test_three_axes_are_scipys_too(upsample, order):
    window, size = {"kernel_size": (1, 3, 3), "stride": (1, 2, 2), "padding": (0, 1, 0)}, (4, 9, 11)
    pooled = pooled_noise(window, size, 1)
    full = rebuild(pooled, size, upsample, geometry=make_geometry(3, **window))[0, 0].numpy()
    grid = np.meshgrid(*coordinates(window, size), indexing="ij")
    expected = map_coordinates(pooled[0, 0].numpy(), grid, order=order, mode="nearest")
    np.testing.assert_allclose(full, expected, rtol=0, atol=1e-12)


def test_a_straight_slope_stays_where_it_was():
    """Averages of a plane are its values at the windows' centres, and bilinear interpolation of a plane is exact."""
    y, x = torch.meshgrid(torch.arange(24.0).double(), torch.arange(30.0).double(), indexing="ij")
    plane = (0.3 * y - 0.2 * x)[None, None]
    for kernel, stride, padding in itertools.product((2, 3, 5), (1, 2, 3), (0, 1)):
        pool = poolzoo.create_pool("avg", kernel_size=kernel, stride=stride, padding=padding)
        full = rebuild(pool(plane), (24, 30), "bilinear", geometry=pool.geometry)
        inner = (..., slice(8, -8), slice(8, -8))
        torch.testing.assert_close(full[inner], plane[inner], rtol=0, atol=1e-12)


def test_operators_that_resample_the_image_keep_their_grid():
    x = torch.rand(1, 1, 20, 22, dtype=torch.float64)
    resampling = ("area", "bilinear", "bicubic", "lanczos", "spectral", "flc", "asap", "diffstride")
    for name in (*resampling, "fractional_max:output_ratio=0.6"):
        pool = poolzoo.create_pool(name, kernel_size=3, stride=2).eval()
        assert placed_windows(pool, pool(x), (20, 22)) is None
    for name in ("avg", "blur", "checkered", "s3"):
        pool = poolzoo.create_pool(name, kernel_size=3, stride=2).eval()
        assert placed_windows(pool, pool(x), (20, 22)) == pool.geometry


@pytest.mark.parametrize("upsample", ["nearest", "bilinear", "bicubic"])
def test_space_to_depth_puts_every_pixel_back(upsample):
    """On 2 and 3 axes, with padding, and with windows that leave the last pixels out: those repeat the last one."""
    for sizes, window, last in (
        ((6, 8), {"kernel_size": 2}, (6, 8)),
        ((6, 9), {"kernel_size": 3}, (6, 9)),
        ((6, 8), {"kernel_size": 2, "padding": 1}, (6, 8)),
        ((7, 9), {"kernel_size": 4, "stride": 2}, (4, 6)),
        ((4, 6, 4), {"kernel_size": (1, 2, 2)}, (4, 6, 4)),
    ):
        x = torch.rand(2, 3, *sizes, dtype=torch.float64)
        pool = poolzoo.create_pool("space_to_depth", ndim=len(sizes), **window)
        y = pool(x)
        phases = pool.info.phases(pool.geometry)
        full = rebuild(y, sizes, upsample, phases, geometry=placed_windows(pool, y, sizes))
        expected = x
        for axis, end in enumerate(last, 2):
            expected = expected.index_select(axis, torch.arange(sizes[axis - 2]).clamp(max=end - 1))
        assert torch.equal(full, expected), window


@pytest.mark.parametrize("spec", ["hwd", "hwd:norm=mean", "hwd:mode=zero"])
def test_hwd_gives_the_image_back(spec):
    """Every pixel that a filter reads; the others repeat the nearest of these."""
    for sizes, window, read in (
        ((6, 8), {"kernel_size": 2}, range(9)),
        ((7, 9), {"kernel_size": 2, "ceil_mode": True}, range(9)),
        ((6, 9), {"kernel_size": 2, "stride": 3}, (0, 1, 3, 4, 6, 7)),
        ((6, 8), {"kernel_size": 4, "stride": 2, "padding": 1}, range(9)),
        ((4, 6, 4), {"kernel_size": 2}, range(9)),
    ):
        x = torch.rand(2, 3, *sizes, dtype=torch.float64)
        pool = poolzoo.create_pool(spec, ndim=len(sizes), **window)
        full, expected = restored(pool, x, pool(x)), x
        for axis, size in enumerate(sizes, 2):
            inside = [at for at in read if at < size]
            nearest = [min(inside, key=lambda at, place=place: abs(at - place)) for place in range(size)]
            expected = expected.index_select(axis, torch.tensor(nearest))
        torch.testing.assert_close(full, expected, rtol=0, atol=1e-14)
    assert restored(poolzoo.create_pool("haar"), x, x) is None


def test_single_pixels_of_some_phases_are_upsampled_from_their_places():
    x = torch.arange(8, dtype=torch.float64).expand(1, 1, 8, 8)
    y = poolzoo.create_pool("checkered", kernel_size=1, stride=2)(x)
    full = rebuild(y, (8, 8), "bilinear", [(0, 0), (1, 1)], geometry=make_geometry(2, 1, 2))
    torch.testing.assert_close(full[..., 1:6], x[..., 1:6], rtol=0, atol=1e-12)


def test_the_gradient_of_upsampling_is_right():
    window = {"kernel_size": 3, "stride": 2, "padding": 1}
    pooled = pooled_noise(window, (7, 9), 1).requires_grad_()
    for upsample in ("nearest", "bilinear", "bicubic"):
        grown = lambda y, name=upsample: rebuild(y, (7, 9), name, geometry=make_geometry(2, **window))  # noqa: E731
        assert torch.autograd.gradcheck(grown, (pooled,))
