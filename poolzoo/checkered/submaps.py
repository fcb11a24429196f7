"""Submaps in the batch axis, ``(N S, C, *spatial)``, where layers that do not know them treat them as more images.

These are the operations of a converted model between its strided layers: plain functions of tensors, so that a graph of
a model can call them, and so can a running model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor

#: How a global pool combines submaps.
Reduction = Literal["mean", "max"]


def split_batch(x: Tensor, submaps: int) -> Tensor:
    """Reshape ``(N S, ...)`` to ``(N, S, ...)``."""
    return x.reshape(-1, submaps, *x.shape[1:])


def unfold_submaps(x: Tensor, submaps: int) -> Tensor:
    """Reshape ``(N S, C, *spatial)`` to ``(N, C, S, *spatial)``."""
    return split_batch(x, submaps).transpose(1, 2)


def fold_submaps(x: Tensor) -> Tensor:
    """Reshape ``(N, C, S, *spatial)`` to ``(N S, C, *spatial)``."""
    return x.transpose(1, 2).flatten(0, 1)


def count_submaps(offsets: Sequence[Sequence[Any]]) -> int:
    """Return the number of output submaps of a layer that keeps ``offsets``."""
    return sum(map(len, offsets))


def average_submaps(x: Any, submaps: int) -> Any:
    """Average ``(N S, ...)`` to ``(N, ...)``; all else stays."""
    return x if submaps == 1 or not isinstance(x, Tensor) or not x.dim() else split_batch(x, submaps).mean(1)


def are_features(y: Tensor, x: Tensor) -> bool:
    """Return whether ``y`` has a row of features for each map of ``x``."""
    return y.dim() == 2 and y.shape[0] == x.shape[0]


def average_features(y: Tensor, x: Tensor, submaps: int) -> Tensor:
    """Average features of the maps ``x``, ``(N S, F)``, to ``(N, F)``; any other ``y`` is returned unchanged."""
    averaged: Tensor = average_submaps(y, submaps) if are_features(y, x) else y
    return averaged


def submaps_of_features(y: Tensor, x: Tensor, submaps: int) -> int:
    """Return the number of submaps after :func:`average_features`."""
    return 1 if are_features(y, x) else submaps


def share_over_submaps(x: Tensor, dim: int, how: Reduction) -> Tensor:
    """Replace every submap of ``x`` along axis ``dim`` by the mean or the maximum over them."""
    if x.shape[dim] == 1:
        return x
    return (x.mean(dim, keepdim=True) if how == "mean" else x.max(dim, keepdim=True).values).expand_as(x)


def share_in_batch(x: Tensor, submaps: int, how: Reduction) -> Tensor:
    """Replace every submap of ``(N S, ...)`` by the mean or the maximum over the submaps of its image."""
    return x if submaps == 1 else share_over_submaps(split_batch(x, submaps), 1, how).flatten(0, 1)


def share_maximum(y: Tensor, x: Tensor, dim: Any, submaps: int) -> Tensor:
    """Return ``y``, the maximum of ``x`` over ``dim``, also over submaps if ``dim`` are image axes."""
    axes = {axis % x.dim() for axis in ((dim,) if isinstance(dim, int) else dim)}
    return share_in_batch(y, submaps, "max") if x.dim() > 3 and axes == set(range(2, x.dim())) else y


def share_whole_maps(y: Tensor, x: Tensor, submaps: int, how: Reduction) -> Tensor:
    """Return ``y``, a pool's output for the maps ``x``; if it is one number per map, combine it over the submaps."""
    is_global = all(size == 1 for size in y.shape[2:]) and any(size > 1 for size in x.shape[2:])
    return share_in_batch(y, submaps, how) if is_global else y


def lay_side_by_side(x: Tensor, submaps: int) -> Tensor:
    """Reshape ``(N S, C, H, ...)`` to ``(N, C, S H, ...)``, for layers that treat each image channel as a whole."""
    return unfold_submaps(x, submaps).flatten(2, 3)


def part(x: Tensor, submaps: int) -> Tensor:
    """Invert :func:`lay_side_by_side`."""
    return fold_submaps(x.reshape(*x.shape[:2], submaps, -1, *x.shape[3:]))


def scale_batch(size: int, before: int, now: int) -> int:
    """Return the size of a batch of images that had ``before`` submaps each and now have ``now``."""
    return size // before * now


def check_same_count(name: str, submaps: int, other: int) -> None:
    """Raise ValueError if branches meet that do not have the same number of submaps."""
    if submaps != other:
        raise ValueError(f"model: submaps do not match at {name!r}, where branches meet: {submaps} and {other}")
