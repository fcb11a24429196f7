"""Submaps in the batch axis, ``(N S, C, *spatial)``, where layers that know of none take them for more pictures.

What a converted model does with them between its strided layers: plain functions of tensors, so that the graph of
a model can call them, and so can a model while it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor

#: How a global pool brings submaps together.
Reduction = Literal["mean", "max"]


def split_batch(x: Tensor, submaps: int) -> Tensor:
    """``(N S, ...)`` as ``(N, S, ...)``."""
    return x.reshape(-1, submaps, *x.shape[1:])


def unfold_submaps(x: Tensor, submaps: int) -> Tensor:
    """``(N S, C, *spatial)`` as ``(N, C, S, *spatial)``."""
    return split_batch(x, submaps).transpose(1, 2)


def fold_submaps(x: Tensor) -> Tensor:
    """``(N, C, S, *spatial)`` as ``(N S, C, *spatial)``."""
    return x.transpose(1, 2).flatten(0, 1)


def count_submaps(offsets: Sequence[Sequence[Any]]) -> int:
    """How many submaps a layer gives that keeps ``offsets``."""
    return sum(map(len, offsets))


def average_submaps(x: Any, submaps: int) -> Any:
    """``(N S, ...)`` averaged to ``(N, ...)``; what is no tensor, or a single number, stays as it is."""
    return x if submaps == 1 or not isinstance(x, Tensor) or not x.dim() else split_batch(x, submaps).mean(1)


def are_features(y: Tensor, x: Tensor) -> bool:
    """Whether ``y`` has a row of features for each map of ``x``."""
    return y.dim() == 2 and y.shape[0] == x.shape[0]


def average_features(y: Tensor, x: Tensor, submaps: int) -> Tensor:
    """Features of the maps ``x``, ``(N S, F)``, averaged to ``(N, F)``; a ``y`` of another kind stays as it is."""
    averaged: Tensor = average_submaps(y, submaps) if are_features(y, x) else y
    return averaged


def submaps_of_features(y: Tensor, x: Tensor, submaps: int) -> int:
    """How many submaps :func:`average_features` leaves."""
    return 1 if are_features(y, x) else submaps


def share_over_submaps(x: Tensor, dim: int, how: Reduction) -> Tensor:
    """``x`` with the mean or the maximum over the submaps in axis ``dim`` in each of their places."""
    if x.shape[dim] == 1:
        return x
    return (x.mean(dim, keepdim=True) if how == "mean" else x.max(dim, keepdim=True).values).expand_as(x)


def share_in_batch(x: Tensor, submaps: int, how: Reduction) -> Tensor:
    """``(N S, ...)``, of which every submap becomes the mean or the maximum over the picture's submaps."""
    return x if submaps == 1 else share_over_submaps(split_batch(x, submaps), 1, how).flatten(0, 1)


def share_maximum(y: Tensor, x: Tensor, dim: Any, submaps: int) -> Tensor:
    """``y``, the maximum of ``x`` over ``dim``, taken over the submaps too where ``dim`` are the axes of an image."""
    axes = {axis % x.dim() for axis in ((dim,) if isinstance(dim, int) else dim)}
    return share_in_batch(y, submaps, "max") if x.dim() > 3 and axes == set(range(2, x.dim())) else y


def share_whole_maps(y: Tensor, x: Tensor, submaps: int, how: Reduction) -> Tensor:
    """``y``, what a pool gives of the maps ``x``, taken over the submaps too where it is one number of each map."""
    is_global = all(size == 1 for size in y.shape[2:]) and any(size > 1 for size in x.shape[2:])
    return share_in_batch(y, submaps, how) if is_global else y


def lay_side_by_side(x: Tensor, submaps: int) -> Tensor:
    """``(N S, C, H, ...)`` as ``(N, C, S H, ...)``: for what treats each channel of a picture alike."""
    return unfold_submaps(x, submaps).flatten(2, 3)


def part(x: Tensor, submaps: int) -> Tensor:
    """The inverse of :func:`lay_side_by_side`."""
    return fold_submaps(x.reshape(*x.shape[:2], submaps, -1, *x.shape[3:]))


def scale_batch(size: int, before: int, now: int) -> int:
    """The size of a batch of pictures with ``before`` submaps each, if they have ``now``."""
    return size // before * now


def check_same_count(name: str, submaps: int, other: int) -> None:
    """Raise ValueError where branches meet that do not have the same number of submaps."""
    if submaps != other:
        raise ValueError(f"model: submaps do not match at {name!r}, where branches meet: {submaps} and {other}")
