"""Which input positions survive a chain of subsampling steps: an image of its own positions, put through the operators.

The window is one element, so what is left of that image are the positions themselves (Sadigh & Sen, arXiv 1805.10766,
draw the same).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from poolzoo.registry import pool_info
from poolzoo.windows import make_geometry

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Method:
    """One step: the operator, its parameters, and the stride at which the paper uses it."""

    pool: str
    stride: int
    params: dict[str, Any]


METHODS = {
    "naive": Method("checkered", 2, {"sampler": "naive"}),
    "lattice": Method("checkered", 2, {"sampler": "lattice"}),
    "random": Method("checkered", 2, {"sampler": "random"}),
    "traditional": Method("strided", 2, {}),
    "tri": Method("tri", 3, {"sampler": "random"}),
    "complete": Method("complete", 2, {}),
}


def kept_positions(size: int, steps: int, method: str, seed: int = 0) -> list[Positions]:
    """The positions of a square image that are left after each step.

    Args:
        size: side of the image; at least the product of the steps' strides, and a multiple of it.
        steps: how many subsampling steps, >= 1.
        method: a name from :data:`METHODS`; ``random`` and ``tri`` draw a sampler for each submap.
        seed: of the draws.

    Returns:
        For each step ``(S, 2, n)``: of each submap, the rows and the columns of its n positions. With ``traditional``
        there is one submap.

    Raises:
        ValueError: an unknown method, or a size that the steps do not divide.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}: {', '.join(METHODS)} are allowed")
    step = METHODS[method]
    if size < 1 or size % step.stride**steps:
        raise ValueError(
            f"size={size}: a multiple of {step.stride**steps} is allowed for {steps} steps of {method}, "
            f"stride {step.stride}"
        )
    info = pool_info(step.pool)
    generator = torch.Generator().manual_seed(seed)
    params = step.params | ({"generator": generator} if step.params.get("sampler") == "random" else {})
    # Everything is exact: float64 holds integers up to 2^53.
    x = torch.arange(size * size, dtype=torch.float64).reshape(1, 1, size, size)
    left = []
    for _ in range(steps):
        x = info.forward(x, make_geometry(2, 1, step.stride), **params)
        index = x.reshape(-1, x.shape[-2] * x.shape[-1]).numpy().astype(np.int64)
        left.append(np.stack([index // size, index % size], axis=1))
    return left
