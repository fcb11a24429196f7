"""Spatial pyramids and regions of interest, pooled by any operator: SPP, and torchvision's RoI pooling and RoI align.

The operator is a function, ``poolzoo.functional.adaptive_lp_pool2d`` and its like; ``functools.partial`` gives it
parameters, learned ones too: ``partial(poolzoo.functional.adaptive_gem_pool2d, p=self.p)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from poolzoo import functional

__all__ = ["roi_align", "roi_pool", "spp"]

#: Called with a map and an output size, or with a map and a kernel size.
PoolFunction = Callable[[Tensor, Any], Tensor]
Size = int | tuple[int, int]
Boxes = Tensor | Sequence[Tensor]


def spp(x: Tensor, output_sizes: Sequence[Any] = (1, 2, 4), pool: PoolFunction | None = None) -> Tensor:
    """Pool a map to several sizes and concatenate the results (spatial pyramid pooling, He et al., arXiv 1406.4729).

    Args:
        x: ``(N, C, *spatial)``.
        output_sizes: the size of each level, as the pool takes it; at least one.
        pool: called with ``x`` and a size; None is ``poolzoo.functional.adaptive_max_pool2d``, the paper's.

    Returns:
        ``(N, C * cells)``, level after level, each flattened from ``(C, *size)``.

    Raises:
        ValueError: there are no sizes, or the pool refuses one.
    """
    if not output_sizes:
        raise ValueError(f"output_sizes={output_sizes!r}: at least one size is needed")
    pool = pool or functional.adaptive_max_pool2d
    return torch.cat([pool(x, size).flatten(1) for size in output_sizes], dim=1)


def roi_pool(
    input: Tensor,
    boxes: Boxes,
    output_size: Size,
    spatial_scale: float = 1.0,
    pool: PoolFunction | None = None,
) -> Tensor:
    """Pool each box of a map to a size: ``torchvision.ops.roi_pool`` with another operator inside the bins.

    A box covers the positions ``round(x1 * spatial_scale)`` to ``round(x2 * spatial_scale)``, both included, and at
    least one. Its bins are the windows of adaptive pooling. For boxes inside the map the default equals torchvision's.
    Of a box that reaches over the edge, the part inside is pooled; torchvision divides the whole box into bins first.

    Args:
        input: ``(N, C, H, W)``.
        boxes: ``(K, 5)``, the image's index and ``x1, y1, x2, y2``; or a list with ``(L, 4)`` for each image.
        output_size: size of the output, an int or ``(h, w)``.
        spatial_scale: factor from the boxes' coordinates to positions of the map.
        pool: called with ``(1, C, h, w)`` and the output size; None is ``poolzoo.functional.adaptive_max_pool2d``.

    Returns:
        ``(K, C, h, w)``.

    Raises:
        ValueError: ``input`` or ``boxes`` are of another shape, or a box lies outside the map.
    """
    rows = _rows(input, boxes)
    size = (output_size, output_size) if isinstance(output_size, int) else output_size
    pool = pool or functional.adaptive_max_pool2d
    height, width = input.shape[2:]
    pooled = []
    for number, *edges in rows.detach().tolist():
        left, top, right, bottom = (math.floor(edge * spatial_scale + 0.5) for edge in edges)
        right, bottom = min(max(right, left), width - 1), min(max(bottom, top), height - 1)
        left, top = max(left, 0), max(top, 0)
        if left > right or top > bottom:
            raise ValueError(f"boxes: {tuple(edges)} times spatial_scale={spatial_scale} lies outside {height}x{width}")
        image = int(number)
        pooled.append(pool(input[image : image + 1, :, top : bottom + 1, left : right + 1], size))
    return torch.cat(pooled) if pooled else input.new_zeros(0, input.shape[1], *size)


def roi_align(
    input: Tensor,
    boxes: Boxes,
    output_size: Size,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 2,
    aligned: bool = False,
    pool: PoolFunction | None = None,
) -> Tensor:
    """Pool points sampled in each box: ``torchvision.ops.roi_align`` with another operator instead of the mean.

    torchvision samples ``sampling_ratio`` points per bin and axis bilinearly; ``pool`` reduces the points of each bin.
    With the default the result equals torchvision's. It needs torchvision.

    Args:
        input: ``(N, C, H, W)``.
        boxes: ``(K, 5)``, the image's index and ``x1, y1, x2, y2``; or a list with ``(L, 4)`` for each image.
        output_size: size of the output, an int or ``(h, w)``.
        spatial_scale: factor from the boxes' coordinates to positions of the map.
        sampling_ratio: points per bin along each axis, >= 1; torchvision's adaptive number, -1, is refused.
        aligned: shift the boxes by half a position, as for torchvision.
        pool: called with the sampled points, ``(K, C, h * sampling_ratio, w * sampling_ratio)``, and ``sampling_ratio``
            as its kernel size; None is ``poolzoo.functional.avg_pool2d``.

    Returns:
        ``(K, C, h, w)``.

    Raises:
        ValueError: an argument that is not allowed.
        ImportError: torchvision is not installed.
    """
    if type(sampling_ratio) is not int or sampling_ratio < 1:
        raise ValueError(f"sampling_ratio={sampling_ratio!r}: an int >= 1 is allowed")
    rows = _rows(input, boxes)
    from torchvision import ops

    height, width = (output_size, output_size) if isinstance(output_size, int) else output_size
    points: Tensor = ops.roi_align(
        input, rows.to(input), (height * sampling_ratio, width * sampling_ratio), spatial_scale, 1, aligned
    )
    return (pool or functional.avg_pool2d)(points, sampling_ratio)


def _rows(input: Tensor, boxes: Boxes) -> Tensor:
    """Return boxes as ``(K, 5)``, the image's index first."""
    if input.dim() != 4:
        raise ValueError(f"input: shape {tuple(input.shape)}; (N, C, H, W) is needed")
    if not isinstance(boxes, Tensor):
        if len(boxes) != len(input):
            raise ValueError(f"boxes: {len(boxes)} lists; one for each of {len(input)} images is needed")
        boxes = torch.cat([torch.cat([own.new_full((len(own), 1), i), own], 1) for i, own in enumerate(boxes)])
    if boxes.dim() != 2 or boxes.shape[1] != 5:
        raise ValueError(f"boxes: shape {tuple(boxes.shape)}; (K, 5) or a list of (L, 4) is needed")
    if len(boxes) and not bool(((boxes[:, 0] >= 0) & (boxes[:, 0] < len(input))).all()):
        raise ValueError(f"boxes: an image's index is not from 0 to {len(input) - 1}")
    return boxes
