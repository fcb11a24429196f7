"""The input positions that survive a chain of subsampling steps: the operators pool an image of its own positions.

A window is one element, so the pooled image holds the positions that are kept (Sadigh & Sen, arXiv 1805.10766, draw the
same).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from poolzoo import engine
from poolzoo.geometry import make_geometry
from poolzoo.registry import pool_info

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Method:
    """One step: the operator, its parameters, and the stride at which the paper uses it."""

    pool: str
    stride: int
    params: dict[str, str]


METHODS = {
    "naive": Method("checkered", 2, {"sampler": "naive"}),
    "lattice": Method("checkered", 2, {"sampler": "lattice"}),
    "random": Method("checkered", 2, {"sampler": "random"}),
    "traditional": Method("strided", 2, {}),
    "tri": Method("tri", 3, {"sampler": "random"}),
    "complete": Method("complete", 2, {}),
}


def kept_positions(size: int, steps: int, method: str, seed: int = 0) -> list[Positions]:
    """Return the positions of a square image that remain after each step.

    Args:
        size: side of the image, at least the product of the strides: a step halves it, or divides it by 3 with ``tri``.
        steps: number of subsampling steps, >= 1.
        method: a name from :data:`METHODS`; ``random`` and ``tri`` draw a sampler for each submap.
        seed: of the random samplers.

    Returns:
        For each step a ``(size, size)`` map: the number of the submap that holds the position, -1 if none does.
        ``traditional`` has one submap, number 0.

    Raises:
        ValueError: an unknown method, or more steps than the image has room for.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}: {', '.join(METHODS)} are allowed")
    step = METHODS[method]
    room = next(n for n in itertools.count() if step.stride ** (n + 1) > size)
    if not 1 <= steps <= room:
        raise ValueError(f"steps={steps}: 1 to {room} are allowed for {method}, stride {step.stride}, and size {size}")
    info = pool_info(step.pool)
    generator = torch.Generator().manual_seed(seed)
    params: dict[str, Any] = step.params | ({"generator": generator} if step.params.get("sampler") == "random" else {})
    # A cell that the image's edge cuts keeps what lies inside: whole cells are sampled, and the rest is cut off.
    side = -(-size // step.stride**steps) * step.stride**steps
    # Everything is exact: float64 holds integers up to 2^53.
    x = torch.arange(side * side, dtype=torch.float64).reshape(1, 1, side, side)
    left = []
    for _ in range(steps):
        x = engine.pool(info, x, make_geometry(2, 1, step.stride), **params)
        submaps = x.reshape(-1, x.shape[-2] * x.shape[-1]).numpy().astype(np.int64)
        holder = np.full(side * side, -1)
        for number, submap in enumerate(submaps):
            holder[submap] = number
        left.append(holder.reshape(side, side)[:size, :size])
    return left
