"""Window views and the reference engine: every windowed operator in pure PyTorch.

An operator is a function of one window. ``windows(x, geometry)`` returns the windows of ``x`` along a new last axis,
with the mask of the elements inside the input; an operator is a reducer over that axis. Padding is *absent*, not zero:
it has no weight, is not counted, and is never the maximum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo.geometry import (
    AnyGeometry,
    Bins,
    Geometry,
    accumulation_dtype,
    check_input,
    is_fixed,
    larger,
    like,
    output_size,
)
from poolzoo.registry import PoolInfo

#: Sums of more elements than this are computed in float64: in float32 they would be off by more than 1e-6.
MOST_IN_FLOAT32 = 64
#: ``reducer(a, mask, **params) -> y``: ``a`` is ``(..., *out, K)``, ``mask`` is ``(*out, K)`` (True inside the input)
#: or None where every element is inside, ``y`` is ``(..., *out)``. Elements outside hold 0.
Reducer = Callable[..., Tensor]


def windows(x: Tensor, geometry: AnyGeometry) -> tuple[Tensor, Tensor | None]:
    """Return the windows of ``x`` along a new last axis.

    Args:
        x: ``(..., *spatial)``.
        geometry: the windows.

    Returns:
        ``a`` of shape ``(..., *out, K)`` with ``K`` the product of the kernel sizes, in row-major order, 0 outside the
        input; and the mask ``(*out, K)`` that is True inside it, None where everything is inside. ``a`` is laid out
        with K as its slowest axis, so that a reduction over it runs along whole output rows.
    """
    n = geometry.ndim
    sizes = x.shape[-n:]
    out = output_size(sizes, geometry)
    if isinstance(geometry, Bins):
        return adaptive_windows(x, out)
    if not is_fixed(*sizes):
        a, mask = gathered_windows(x, out, geometry)
        return a, mask if any(geometry.padding) or geometry.ceil_mode else None
    # What the last window reaches past the input on the right; ceil_mode can ask for more than `padding`.
    right = [
        max(0, (o - 1) * s + span - p - size)
        for o, s, span, p, size in zip(out, geometry.stride, geometry.spans, geometry.padding, sizes, strict=True)
    ]
    padded = any(geometry.padding) or any(right)
    if padded:
        x = F.pad(x, [pad for pair in zip(reversed(geometry.padding), reversed(right), strict=True) for pad in pair])
    for axis, (span, step) in enumerate(zip(geometry.spans, geometry.stride, strict=True)):
        x = x.unfold(axis - n - axis, span, step)
    lead = x.dim() - 2 * n
    for axis, (span, hole) in enumerate(zip(geometry.spans, geometry.dilation, strict=True)):
        if hole > 1:
            x = x[(slice(None),) * (lead + n + axis) + (slice(0, span, hole),)]
    a = _taps_first(x, n)
    if not padded:
        return a, None
    positions = tap_positions(out, geometry, x.device)
    return a, join_masks([taps_inside(position, size) for position, size in zip(positions, sizes, strict=True)])


def gathered_windows(x: Tensor, out: Sequence[int], geometry: Geometry) -> tuple[Tensor, Tensor]:
    """Return the first ``out`` windows per axis by gathering, because dynamic sizes cannot decide how much to pad."""
    positions = tap_positions(out, geometry, x.device)
    inside = [taps_inside(position, n) for position, n in zip(positions, x.shape[-geometry.ndim :], strict=True)]
    return windows_at(x, positions, inside)


def _taps_first(x: Tensor, n: int) -> Tensor:
    """Merge the last ``n`` axes into one, which is slowest in memory but last in the shape."""
    taps = list(range(x.dim() - n, x.dim()))
    rest = list(range(x.dim() - n))
    # Copied before it is flattened, which copies only where it must: what a reducer selects is no view of the input.
    return x.permute(taps + rest).clone(memory_format=torch.contiguous_format).flatten(0, n - 1).movedim(0, -1)


def tap_positions(out: Sequence[int], geometry: Geometry, device: torch.device) -> list[Tensor]:
    """Return per axis ``(out_i, k_i)`` the input position of each tap, which may lie outside the input."""
    return [
        (torch.arange(o, device=device) * s - p)[:, None] + torch.arange(k, device=device) * d
        for o, k, s, p, d in zip(out, *geometry[:4], strict=True)
    ]


def centred_taps(axis: int, out: int, geometry: Geometry, taps: int, device: torch.device) -> Tensor:
    """Return ``(out, taps)``: where a filter's taps lie on an axis, centred on each window.

    With more taps than the window has, the filter starts that much before it; half positions go to the right, as
    antialiased-cnns pads.
    """
    k, s, p, d = (values[axis] for values in geometry[:4])
    first = torch.arange(out, device=device) * s - p - (d * (taps - k)) // 2
    return first[:, None] + torch.arange(taps, device=device) * d


def taps_inside(position: Tensor, size: int) -> Tensor:
    """Return whether positions lie on an axis of ``size``."""
    return (position >= 0) & (position < size)


def join_masks(inside: Sequence[Tensor]) -> Tensor:
    """Combine ``(out_i, k_i)`` masks of single axes into one ``(*out, K)`` mask."""
    mask = inside[0]
    for i, axis in enumerate(inside[1:], 1):
        # (*out, K) and (o, k) -> (*out, o, K, k) -> (*out, o, K * k)
        mask = (mask.unsqueeze(i).unsqueeze(-1) & axis.unsqueeze(1)).flatten(-2)
    return mask


def windows_at(x: Tensor, positions: Sequence[Tensor], inside: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return windows at any positions, by gathering: for adaptive pooling and for windows off the regular grid.

    Args:
        x: ``(..., *spatial)``.
        positions: per axis ``(out_i, k_i)`` int64, the input position of each tap; arbitrary where not inside.
        inside: per axis ``(out_i, k_i)`` bool.

    Returns:
        ``a`` of shape ``(..., *out, K)`` and its mask ``(*out, K)``, as :func:`windows` returns them.
    """
    n = len(positions)
    for axis, (position, present) in enumerate(zip(positions, inside, strict=True)):
        dim = x.dim() - n - axis + 2 * axis  # each earlier axis has become two, out_i and k_i
        x = x[(slice(None),) * dim + (torch.where(present, position, 0),)]
    lead = x.dim() - 2 * n
    order = [*range(lead), *range(lead, lead + 2 * n, 2), *range(lead + 1, lead + 2 * n, 2)]
    mask = join_masks(inside)
    return absent(_taps_first(x.permute(order), n), mask, 0.0), mask


def adaptive_windows(x: Tensor, output_size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return windows of torch's adaptive pooling: cell i of m spans ``floor(i n / m)`` to ``ceil((i + 1) n / m)``."""
    positions, inside = [], []
    for n, m in zip(x.shape[-len(output_size) :], output_size, strict=True):
        cell = torch.arange(m, device=x.device)
        start, end = cell * n // m, -((cell + 1) * -n // m)
        if is_fixed(n, m):
            longest = max(-((i + 1) * -n // m) - i * n // m for i in range(m))
        else:
            longest = n if is_fixed(m) and m == 1 else n // m + 2
        position = start[:, None] + torch.arange(longest, device=x.device)
        positions.append(position)
        inside.append(position < end[:, None])
    return windows_at(x, positions, inside)


def pool_windows(x: Tensor, geometry: AnyGeometry, reducer: Reducer, **params: Any) -> Tensor:
    """Reduce every window of ``x`` in the accumulation dtype, and return the result in ``x``'s dtype and layout.

    Args:
        x: ``(N, C, *spatial)`` or ``(C, *spatial)``.
        geometry: the windows.
        reducer: reduces a window to a value.
        params: the reducer's own parameters.
    """
    check_input(x, geometry.ndim)
    a, mask = windows(x.to(accumulation_dtype(x.dtype)), geometry)
    return like(reducer(a, mask, **params), x)


def pool_by_definition(info: PoolInfo, x: Tensor, geometry: AnyGeometry, **params: Any) -> Any:
    """Pool with an operator as it is defined, in torch's own operators."""
    if info.over == "windows":
        return pool_windows(x, geometry, info.definition, **params)
    return info.definition(x, geometry, **params)


def absent(a: Tensor, mask: Tensor | None, fill: float) -> Tensor:
    """Return ``a`` with the elements outside the input replaced by ``fill``."""
    return a if mask is None else a.masked_fill(~mask, fill)


def count(a: Tensor, mask: Tensor | None) -> Tensor | int:
    """Return how many elements of each window lie inside the input: ``(*out, 1)``, or K everywhere."""
    return a.shape[-1] if mask is None else mask.sum(-1, keepdim=True)


def mean(a: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of each window; it is divided before it is summed, so it overflows only if its value does."""
    return (a / count(a, mask)).sum(-1)


def largest(a: Tensor, least: float) -> Tensor:
    """Return the largest magnitude of each window, ``(..., 1)``: at least ``least``, and 1 where it is inf.

    Divided by it, no square overflows. It cancels, so autograd takes it for a constant.
    """
    most = a.detach().abs().amax(-1, keepdim=True).clamp(min=least)
    return most.masked_fill(most.isinf(), 1.0)


def ordered(a: Tensor, descending: bool = False) -> Tensor:
    """Return the elements of each window by their size, the smallest first unless ``descending``: ``(..., K)``. NaNs
    count as the largest, or fill a window that has one.
    """
    taps = a.shape[-1]
    # Each comparison is a step of autograd, which takes longer than a sort. A compiler joins them.
    recorded = a.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling()
    if not isinstance(taps, int) or taps >= len(_NETWORKS) or recorded:
        return a.sort(-1, descending).values
    values = list(a.unbind(-1))
    for i, j in _NETWORKS[taps]:
        values[i], values[j] = torch.minimum(values[i], values[j]), torch.maximum(values[i], values[j])
    return torch.stack(values[::-1] if descending else values).movedim(0, -1)


def _comparators(n: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs that sort n values: Batcher's odd-even merge sort (Knuth, TAOCP 3, 5.2.2, algorithm M)."""
    pairs = []
    top = 1 << max(0, (n - 1).bit_length() - 1)
    p = top if n > 1 else 0
    while p:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return tuple(pairs)


#: By the number of elements, how to sort them by minima and maxima: in a fifth to a tenth of the time of a sort.
_NETWORKS = tuple(map(_comparators, range(17)))


def outer_product(rows: Sequence[Tensor]) -> Tensor:
    """Return the product of one row per axis, ``rows[0][i] rows[1][j] ...``."""
    product = torch.ones((), dtype=rows[0].dtype, device=rows[0].device)
    for row in rows:
        product = product.unsqueeze(-1) * row
    return product


def maximum(a: Tensor, mask: Tensor | None) -> Tensor:
    """Return the maximum of each window."""
    return absent(a, mask, -math.inf).amax(-1)


def weighted_taps(x: Tensor, dim: int, index: Tensor, weight: Tensor) -> Tensor:
    """Apply a linear filter along one axis: ``y[o] = sum_j weight[o, j] x[index[o, j]]``.

    Args:
        x: any shape.
        dim: the axis, negative.
        index: ``(out, taps)`` int64 positions on that axis.
        weight: ``(out, taps)``.
    """
    shape = (-1,) + (1,) * (-dim - 1)
    y = x.index_select(dim, index[:, 0]) * weight[:, 0].reshape(shape)
    for tap in range(1, index.shape[1]):
        y = y + x.index_select(dim, index[:, tap]) * weight[:, tap].reshape(shape)
    return y


def wrap(position: Tensor, period: int) -> Tensor:
    """Return positions modulo ``period``, from 0 on."""
    if is_fixed(period):
        return position % period
    return position % position.new_full((), period)  # ONNX divides by a number only where it is fixed


def reflect(position: Tensor, n: int) -> Tensor:
    """Mirror positions outside an axis of ``n`` back into it, without repeating the edge, as often as necessary."""
    period = larger(2 * (n - 1), 1)
    position = wrap(position, period)
    return torch.where(position < n, position, period - position)
