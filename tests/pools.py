"""What the registry-parametrised tests share: every registered operator with every number of axes, inputs, geometries.

Operators of ``POOLZOO_PLUGINS`` are among them, so ``POOLZOO_PLUGINS=my_pools.py pytest tests/operators`` holds one's
own operators to the contract.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo import registry
from poolzoo.create import create_pool
from poolzoo.operators import Pool
from poolzoo.plugins import load_plugins
from poolzoo.registry import CLAUSES, PoolInfo, expand_specs, parse_spec, pool_info

load_plugins()

CHANNELS = 3
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
#: Spatial sizes of the usual input: odd, even and unequal.
SIZES: dict[int, tuple[int, ...]] = {1: (11,), 2: (7, 6), 3: (5, 4, 5)}
SPECS = [*expand_specs([]), "lip:variant=bottleneck,width=4", "checkered:sampler=random", "tri:sampler=random"]
CASES = [(spec, ndim) for spec in SPECS for ndim in pool_info(parse_spec(spec)[0]).ndims]
#: Operators that run in 1D by default, one of each kind; the others do by ``make grid``. Definitions are for any number
#: of axes.
SEQUENCES = ("avg", "softpool", "lip", "stochastic", "max_blur", "haar", "spectral", "aps", "tri", "bicubic")
every_pool = pytest.mark.parametrize(
    ("spec", "ndim"),
    [
        pytest.param(spec, ndim, marks=[pytest.mark.grid] if ndim == 1 and spec not in SEQUENCES else [])
        for spec, ndim in CASES
    ],
    ids=[f"{spec}-{ndim}d" for spec, ndim in CASES],
)
every_pool_2d = pytest.mark.parametrize("spec", [spec for spec, ndim in CASES if ndim == 2])
every_operator = pytest.mark.parametrize("name", registry.list_pools())


def info_of(spec: str) -> PoolInfo:
    return pool_info(parse_spec(spec)[0])


def make(spec: str, ndim: int, kernel_size: Any = 2, stride: Any = None, **arguments: Any) -> Pool:
    """The operator's module in evaluation mode, as made."""
    pool = create_pool(spec, ndim=ndim, kernel_size=kernel_size, stride=stride, **arguments)
    pool.take_channels(CHANNELS)
    return pool.eval()


def scramble(pool: Pool, seed: int = 0) -> Pool:
    """Move learnable parameters away from their start values, where much is 0 or cancels."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in pool.parameters():
            parameter += 0.3 * torch.rand(parameter.shape, generator=generator, dtype=parameter.dtype)
    return pool


def skip_if_exempt(spec: str, clause: str) -> None:
    if clause in (exempt := info_of(spec).exempt):
        pytest.skip(f"{CLAUSES[clause]}: not here, {exempt[clause]}")


def distinct(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Values from -3 to 3, no two equal and none 0: no ties, and no kink within reach of a finite difference."""
    n = torch.Size(shape).numel()
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return (((order + 0.5) / max(n, 1) * 6 - 3) + 0.01).to(dtype).reshape(shape)


def usual_input(ndim: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return distinct(2, CHANNELS, *SIZES[ndim], dtype=dtype, seed=seed)


def geometries(ndim: int, many: int, seed: int = 0) -> list[dict[str, Any]]:
    """A fixed sample of kernels 1..5 (1..3 in 3D), strides 1..4, dilations 1..3, paddings and ceil_mode, by axis.

    Each is ``{"sizes": ..., "kernel_size": ..., ...}`` with room for at least one window.
    """
    rng = random.Random(1000 * seed + ndim)
    most = {1: 5, 2: 5, 3: 3}[ndim]
    found: list[dict[str, Any]] = []
    while len(found) < many:
        kernel = tuple(rng.randint(1, most) for _ in range(ndim))
        stride = tuple(rng.randint(1, 4) for _ in range(ndim))
        dilation = tuple(rng.choice((1, 1, 2, 3)) for _ in range(ndim))
        padding = tuple(rng.randint(0, k // 2) for k in kernel)
        sizes = tuple(
            max(d, d * (k - 1) + 1 - 2 * p) + rng.randint(0, 5 if ndim < 3 else 3)
            for k, d, p in zip(kernel, dilation, padding, strict=True)
        )
        found.append(
            {
                "sizes": sizes,
                "kernel_size": kernel,
                "stride": stride,
                "padding": padding,
                "dilation": dilation,
                "ceil_mode": rng.random() < 0.5,
            }
        )
    return found


def spatial_shape(y: Tensor, ndim: int) -> tuple[int, ...]:
    return tuple(y.shape[-ndim:])


def channels_last(x: Tensor, ndim: int) -> Tensor:
    return x.movedim(-ndim - 1, -1).contiguous().movedim(-1, -ndim - 1)


def every_other_sample(x: Tensor, ndim: int) -> Tensor:
    batch = x.dim() - ndim - 2
    return torch.stack([x, -x], batch + 1).flatten(batch, batch + 1)[(slice(None),) * batch + (slice(None, None, 2),)]


#: ``layout(x, ndim)`` is a tensor equal to ``x``, (..., N, C, *spatial), that lies otherwise in memory.
LAYOUTS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "contiguous": lambda x, ndim: x,
    "channels_last": channels_last,
    "every_other_sample": every_other_sample,
    "every_other_sample_channels_last": lambda x, ndim: channels_last(every_other_sample(x, ndim), ndim),
    "expanded": lambda x, ndim: x.narrow(-ndim - 2, 0, 1).expand_as(x),
    "offset": lambda x, ndim: F.pad(x, (1, 0))[..., 1:],
    "transposed": lambda x, ndim: x.transpose(-ndim - 2, -1).contiguous().transpose(-ndim - 2, -1),
}
