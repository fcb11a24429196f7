"""poolzoo.compat.regions: pyramids and regions of interest against loops, and against torchvision where it is."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch

from poolzoo import functional
from poolzoo.compat import regions

BOXES = torch.tensor(
    [[0, 0, 0, 8, 6], [1, 1.4, 2.5, 7.6, 5.2], [0, 3, 3, 3, 3], [1, 0, 1, 2, 6.4]], dtype=torch.float64
)
POOLS = {
    "max": (None, max),
    "lp": (functional.adaptive_lp_pool2d, lambda values: math.sqrt(sum(v * v for v in values) / len(values))),
    "p-norm": (
        functools.partial(functional.adaptive_lp_pool2d, p=3.0),
        lambda values: (sum(abs(v) ** 3 for v in values) / len(values)) ** (1 / 3),
    ),
}


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def bins(x, size, reduce):
    """Bin i of m over n positions spans floor(i n / m) to ceil((i + 1) n / m)."""
    spans = [[(i * n // m, -((i + 1) * -n // m)) for i in range(m)] for n, m in zip(x.shape[1:], size, strict=True)]
    y = np.zeros((x.shape[0], *size))
    for c, i, j in np.ndindex(*y.shape):
        (top, bottom), (left, right) = spans[0][i], spans[1][j]
        y[c, i, j] = reduce(x[c, top:bottom, left:right].flatten().tolist())
    return torch.from_numpy(y)


@pytest.mark.parametrize("name", POOLS)
def test_a_pyramid_is_its_levels_one_after_the_other(name):
    pool, reduce = POOLS[name]
    x = drawn(2, 3, 7, 6)
    sizes = [(1, 1), (2, 2), (3, 4)]
    want = torch.stack([torch.cat([bins(image, size, reduce).flatten() for size in sizes]) for image in x])
    y = regions.spp(x, [1, 2, (3, 4)], pool)
    torch.testing.assert_close(y, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", POOLS)
def test_each_box_is_pooled_by_the_windows_of_adaptive_pooling(name):
    pool, reduce = POOLS[name]
    x = drawn(2, 3, 7, 9)
    want = []
    for image, *edges in BOXES.tolist():
        left, top, right, bottom = (math.floor(edge + 0.5) for edge in edges)
        want.append(bins(x[int(image), :, top : bottom + 1, left : right + 1], (2, 3), reduce))
    y = regions.roi_pool(x, BOXES, (2, 3), pool=pool)
    torch.testing.assert_close(y, torch.stack(want), rtol=1e-12, atol=1e-12)
    doubled = BOXES * torch.tensor([1, 2, 2, 2, 2])
    torch.testing.assert_close(regions.roi_pool(x, doubled, (2, 3), 0.5, pool), y, rtol=0, atol=0)
    listed = [BOXES[BOXES[:, 0] == i, 1:] for i in range(2)]
    order = torch.argsort(BOXES[:, 0], stable=True)
    torch.testing.assert_close(regions.roi_pool(x, listed, (2, 3), pool=pool), y[order], rtol=0, atol=0)


def test_of_a_box_over_the_edge_the_part_inside_is_pooled():
    x = drawn(1, 2, 7, 9)
    over, inside = torch.tensor([[0, -3, 2, 12, 9.0]]), torch.tensor([[0, 0, 2, 8, 6.0]])
    torch.testing.assert_close(regions.roi_pool(x, over, 3), regions.roi_pool(x, inside, 3), rtol=0, atol=0)
    assert regions.roi_pool(x, over[:0], 3).shape == (0, 2, 3, 3)


def test_the_defaults_are_torchvisions():
    ops = pytest.importorskip("torchvision.ops", reason="compared with torchvision's operators")
    x = drawn(2, 3, 7, 9)
    torch.testing.assert_close(regions.roi_pool(x, BOXES, (2, 3)), ops.roi_pool(x, BOXES, (2, 3)), rtol=0, atol=0)
    for ratio, aligned in ((2, False), (3, True)):
        want = ops.roi_align(x, BOXES, (2, 3), 0.8, ratio, aligned)
        y = regions.roi_align(x, BOXES, (2, 3), 0.8, ratio, aligned)
        torch.testing.assert_close(y, want, rtol=1e-12, atol=1e-12)
    most = regions.roi_align(x, BOXES, 2, 1.0, 2, pool=functional.max_pool2d)
    assert (most >= regions.roi_align(x, BOXES, 2, 1.0, 2)).all()


X = torch.zeros(1, 2, 4, 4)
REFUSED = {
    "output_sizes=": lambda: regions.spp(X, []),
    "lies outside 4x4": lambda: regions.roi_pool(X, torch.tensor([[0, 5.0, 0, 9, 3]]), 2),
    "image's index": lambda: regions.roi_pool(X, torch.tensor([[1, 0.0, 0, 3, 3]]), 2),
    r"boxes: shape \(1, 4\)": lambda: regions.roi_pool(X, torch.zeros(1, 4), 2),
    "boxes: 2 lists": lambda: regions.roi_pool(X, [torch.zeros(1, 4)] * 2, 2),
    "input: shape": lambda: regions.roi_pool(X[0], torch.zeros(1, 5), 2),
    "sampling_ratio=-1": lambda: regions.roi_align(X, torch.zeros(1, 5), 2, sampling_ratio=-1),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_not_allowed_is_refused_in_one_line(message):
    with pytest.raises(ValueError, match=message) as caught:
        REFUSED[message]()
    assert "\n" not in str(caught.value)
