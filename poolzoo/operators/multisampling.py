"""Checkered multisampling (Sadigh & Sen 2018): keep two phases of the dense pooled map instead of one, as submaps."""

from __future__ import annotations

import torch
from torch import Tensor

from poolzoo.registry import pool_info, register_pool
from poolzoo.windows import Geometry, accumulation_dtype, check_input, like, output_size, windows_at


def _check(pool: str = "max", sampler: int = 0) -> None:
    if pool_info(pool).reducer is None:
        raise ValueError(f"pool={pool!r}: an operator that is a function of one window is allowed, as max or avg")
    if sampler not in (0, 1):
        raise ValueError(f"sampler={sampler!r}: 0 or 1 is allowed")


def phases(stride: tuple[int, int], sampler: int) -> list[tuple[int, int]]:
    """Offsets of the kept phases within a cell of ``stride``: for 2x2, sampler 0 keeps top-left and bottom-right."""
    if stride == (1, 1):
        return [(0, 0)]
    down, right = stride[0] // 2, stride[1] // 2
    return [(0, 0), (down, right)] if sampler == 0 else [(0, right), (down, 0)]


@register_pool(
    "checkered",
    over="input",
    family="multisampling",
    ndims=(2,),
    summary="dense pooling, of which two phases of each 2x2 cell are kept as two submaps",
    formula="y = (dense[0::2, 0::2], dense[1::2, 1::2]), dense = pool at stride 1",
    source="Sadigh & Sen, arXiv 1805.10766",
    variants=("pool=avg",),
    check=_check,
    phases=lambda geometry, *, pool="max", sampler=0: phases(geometry.stride, sampler),
    exempt={"permutation": "the second submap's windows lie elsewhere", "nan": "a NaN reaches both submaps"},
)
def checkered(x: Tensor, geometry: Geometry, *, pool: str = "max", sampler: int = 0) -> Tensor:
    """Twice as many numbers survive as with any other operator of the same stride.

    ``(C, H, W)`` gives ``(C, 2, H', W')``, ``(N, C, H, W)`` gives ``(N, C, 2, H', W')``, and ``(N, C, S, H, W)``, the
    output of an earlier checkered layer, gives ``(N, C, 2 S, H', W')``: every submap's first phase, then the second.
    ``pool`` names the dense operator. ``sampler`` 0 keeps top-left and bottom-right, 1 top-right and bottom-left.
    For a stride other than 2 the second phase lies half a stride further; stride 1 keeps everything, as one submap.
    A window of the second phase may reach past the input; what it does not find there is absent.
    """
    if x.dim() == 5:
        check_input(x, 3)
    else:
        check_input(x, 2)
        x = x.unsqueeze(-3)
    out = output_size(x.shape[-2:], geometry)
    reducer = pool_info(pool).reducer
    assert reducer is not None
    a = x.to(accumulation_dtype(x.dtype))
    parts = []
    for phase in phases((geometry.stride[0], geometry.stride[1]), sampler):
        positions, inside = [], []
        for n, o, k, s, p, d, shift in zip(x.shape[-2:], out, *geometry[:4], phase, strict=True):
            # The second phase of the last window may start past the input: it then starts at the last element.
            start = (torch.arange(o, device=x.device) * s + shift - p).clamp(max=n - 1)
            position = start[:, None] + torch.arange(k, device=x.device) * d
            positions.append(position)
            inside.append((position >= 0) & (position < n))
        parts.append(reducer(*windows_at(a, positions, inside)))
    return like(torch.cat(parts, dim=-3), x)
