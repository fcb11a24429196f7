"""Pools that draw in training and average in evaluation: stochastic draws elements; s3 draws rows and columns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poolzoo.geometry import Geometry, IntOrTuple, accumulation_dtype, check_input, like, output_size, smaller
from poolzoo.operators.base import Pool, check_generator
from poolzoo.operators.basic import dense_maximum
from poolzoo.registry import register_pool
from poolzoo.standard_operators import means
from poolzoo.windows import absent, mean, pool_windows


class _Stochastic(Pool):
    """A module in evaluation mode returns the expectation."""

    def __init__(
        self,
        *args: Any,
        generator: torch.Generator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        check_generator(generator)
        self.generator = generator

    stochastic = True

    def params(self, x: Tensor) -> dict[str, object]:
        return {"training": self.training, "generator": self.generator}


def check_draw(training: bool = False, generator: torch.Generator | None = None) -> None:
    if not isinstance(training, bool):
        raise TypeError(f"training={training!r}: True or False is allowed")
    check_generator(generator)


def _expected_in_standard_operators(
    x: Tensor, geometry: Geometry, *, training: bool = False, generator: torch.Generator | None = None
) -> Tensor | None:
    if training:
        return None
    w = x.clamp(min=0)
    mean = means(w, geometry)
    return means(w * w, geometry) / torch.where(mean == 0, 1.0, mean)


@register_pool(
    "stochastic",
    family="stochastic",
    summary="an element drawn in proportion to its value; their expectation in evaluation",
    formula="train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0",
    source="Zeiler & Fergus 2013, arXiv 1301.3557",
    module=_Stochastic,
    stochastic=True,
    check=check_draw,
    in_standard_operators=_expected_in_standard_operators,
    exempt={"constant_negative": "defined for a >= 0: a constant below 0 gives 0"},
)
def stochastic(
    a: Tensor, mask: Tensor | None, *, training: bool = False, generator: torch.Generator | None = None
) -> Tensor:
    """Elements below 0 have probability 0. A window without an element above 0 gives 0.

    ``training=True``, a module's training mode, draws one element per window, from ``generator`` if given. The gradient
    then goes to the drawn element.
    """
    w = absent(a.clamp(min=0), mask, 0.0)
    m = w.detach().amax(-1, keepdim=True)
    empty = m == 0
    w = w / m.masked_fill(empty | m.isinf(), 1.0)
    if not training:
        # Scaled by m, the sums cannot overflow; m cancels, so autograd may take it for a constant.
        total = w.sum(-1, keepdim=True).masked_fill(empty, 1.0)
        return (w / total * a.clamp(min=0)).sum(-1)
    # argmax of w_i / E_i with E_i standard exponential is a draw with probabilities w_i / sum w.
    # Not by exponential_, which vmap refuses to draw alike for its samples.
    uniform = torch.rand(w.shape, dtype=torch.float64, device=w.device, generator=generator)
    noise = (-torch.log1p(-uniform)).to(w.dtype).clamp(min=torch.finfo(w.dtype).tiny)
    return a.gather(-1, _first_largest(w.detach() / noise)).masked_fill(empty, 0.0).squeeze(-1)


#: Windows of more elements are searched by argmax.
_MOST_COMPARED = 16


def _first_largest(rank: Tensor) -> Tensor:
    """Return the number of the largest element of each window, the first of equal ones: ``(..., 1)``."""
    taps = rank.shape[-1]
    if not isinstance(taps, int) or taps > _MOST_COMPARED:
        return rank.argmax(-1, keepdim=True)
    # One by one: argmax takes ten times as long where a window's elements lie far apart.
    best, *others = rank.unbind(-1)
    number = torch.zeros_like(best, dtype=torch.int64)
    for i, other in enumerate(others, 1):
        larger = (other > best) | other.isnan() & ~best.isnan()
        best, number = torch.where(larger, other, best), number.masked_fill(larger, i)
    return number.unsqueeze(-1)


def _grids(grid: IntOrTuple | None, geometry: Geometry) -> tuple[int, ...]:
    """Return the grid's size on each axis; None means the stride.

    Raises:
        ValueError: a size is not a multiple of the stride, or the number of values is not the number of axes.
    """
    sizes = geometry.stride if grid is None else (grid,) * geometry.ndim if isinstance(grid, int) else grid
    if len(sizes) != geometry.ndim or any(g % s for g, s in zip(sizes, geometry.stride, strict=True)):
        raise ValueError(f"grid={grid!r}: None or a multiple of the stride, {geometry.stride}, on each axis is allowed")
    return tuple(sizes)


def _check_s3(grid: IntOrTuple | None = None, training: bool = False, generator: torch.Generator | None = None) -> None:
    sizes = grid if isinstance(grid, (tuple, list)) else (grid,)
    if grid is not None and any(type(size) is not int or size < 1 for size in sizes):
        raise ValueError(f"grid={grid!r}: None, an int >= 1 or a tuple of such is allowed")
    check_draw(training, generator)


class _S3(_Stochastic):
    """A module in evaluation mode averages the dense map; in training mode it draws once per call."""

    def __init__(
        self,
        *args: Any,
        grid: IntOrTuple | None = None,
        generator: torch.Generator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, generator=generator, **kwargs)
        _check_s3(grid)
        _grids(grid, self.geometry)
        self.grid = grid

    def params(self, x: Tensor) -> dict[str, object]:
        return {"grid": self.grid, **super().params(x)}

    def shown_params(self) -> dict[str, object]:
        return {} if self.grid is None else {"grid": self.grid}


@register_pool(
    "s3",
    over="input",
    family="stochastic",
    summary="dense maximum, then rows and columns drawn; in evaluation its average",
    formula="train: y = max pool at stride 1, stride-th part of each grid's rows and columns; eval: their mean",
    source="Zhai et al., arXiv 1611.05138",
    module=_S3,
    stochastic=True,
    check=_check_s3,
    exempt={
        "permutation": "the dense map's windows contain parts of the window",
        "nan": "the dense map's windows reach outside the window",
    },
)
def s3(
    x: Tensor,
    geometry: Geometry,
    *,
    grid: IntOrTuple | None = None,
    training: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Computes the maximum of the window at every position, then keeps some rows and columns, as many as the stride
    requires.

    On each axis the dense map is divided into grids of ``grid`` positions, a multiple of the stride. From each grid,
    ``grid / stride`` positions are drawn without replacement and kept in order. None means the stride itself, which
    draws one position per grid; larger grids distort more. The batch and the channels share the draw. The last grid may
    be smaller. ``training=True``, a module's training mode, draws from ``generator`` if given.

    In evaluation, each output is the mean of the dense map over the positions of one stride, as in the paper's average
    version. With ``grid=None`` that is the expectation of the draws. The dense map extends past the right end of the
    input, where windows contain fewer elements, so that every output has all of its positions. The authors' code ends
    the map at the last whole window and shifts the average by half a window.
    """
    check_input(x, geometry.ndim)
    n, ones = geometry.ndim, (1,) * geometry.ndim
    sizes = x.shape[-n:]
    grids = _grids(grid, geometry)
    out = output_size(sizes, geometry)
    # As many positions as the outputs have to choose from, as long as their windows hold an element.
    dense_sizes = [
        smaller(o * s, size + p) for o, s, size, p in zip(out, geometry.stride, sizes, geometry.padding, strict=True)
    ]
    a = x.to(accumulation_dtype(x.dtype))
    dense = dense_maximum(a, dense_sizes, geometry._replace(stride=ones, ceil_mode=False))
    if not training:
        return like(pool_windows(dense, Geometry(geometry.stride, geometry.stride, (0,) * n, ones, True), mean), x)
    for axis, (o, s, g, size) in enumerate(zip(out, geometry.stride, grids, dense_sizes, strict=True)):
        dense = dense.index_select(axis - n, _drawn(o, s, g, size, x.device, generator))
    return like(dense, x)


def _drawn(
    out: int, stride: int, grid: int, size: int, device: torch.device, generator: torch.Generator | None
) -> Tensor:
    """Draw ``out`` ascending positions below ``size``, ``grid // stride`` from each ``grid`` of them; all sets are
    equally likely.
    """
    cells, each = -(-out * stride // grid), grid // stride
    position = torch.arange(cells * grid, device=device).reshape(cells, grid)
    # The smallest of as many independent keys are a draw without replacement.
    key = torch.rand(cells, grid, device=device, generator=generator, dtype=torch.float64)
    chosen = key.masked_fill(position >= size, 2.0).argsort(-1)[:, :each] + position[:, :1]
    # The last grid may have fewer outputs: the first of its draws.
    spare = torch.arange(cells * each, device=device).reshape(cells, each) >= out
    return chosen.masked_fill(spare, cells * grid).sort(-1).values.flatten()[:out]
