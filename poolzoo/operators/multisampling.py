"""Multisampling (Sadigh & Sen, arXiv 1805.10766): keep several phases of the dense pooled map, each as a submap.

A sampler of size k selects k phases of a cell. It is a permutation whose element r is the column kept in row r, so that
each row and each column is kept once (an n-rooks sampler). :data:`CHECKERED` holds the two samplers of size 2,
:data:`TRI` the six of size 3, in the order of the authors' code. If the cell's size is not k, the cell is divided into
k parts along each axis. A stride of 1 keeps everything, as one submap.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from poolzoo import engine
from poolzoo.geometry import Geometry, accumulation_dtype, check_input, is_fixed, like, output_size
from poolzoo.operators.base import Pool, check_generator
from poolzoo.registry import pool_info, register_pool
from poolzoo.windows import taps_inside, windows_at

Permutation = tuple[int, ...]
#: The offset of a phase from the first position of its cell, in input positions per axis: down, right.
Offset = tuple[int, ...]
#: The kept phases of each submap as offsets; a tensor ``(S, k, 2)`` where the samplers are drawn.
Offsets = Sequence[Sequence[Offset]] | Tensor

CHECKERED: tuple[Permutation, ...] = ((0, 1), (1, 0))
TRI: tuple[Permutation, ...] = ((0, 2, 1), (1, 0, 2), (2, 1, 0), (2, 0, 1), (1, 2, 0), (0, 1, 2))
#: The paper's lattice keeps column 13 r of row r, modulo the size of the block.
LATTICE_STEP = 13
#: From this step on, counted from 0, the authors' sequence alternates between the two samplers instead.
ALTERNATING = 9


def check_permutation(sampler: Any) -> None:
    """Raise ValueError unless ``sampler`` is a tuple or list that contains each of 0 to k - 1 once."""
    ints = isinstance(sampler, (tuple, list)) and all(type(column) is int for column in sampler)
    # Not by sorting or `in`, which torch.compile cannot do with ints that it leaves open.
    if not (ints and sampler and all(any(own == column for own in sampler) for column in range(len(sampler)))):
        raise ValueError(f"sampler={sampler!r}: a permutation of 0 to k - 1 is allowed, as (0, 2, 1)")


def check_sampler(sampler: Any, count: int, names: Sequence[str]) -> None:
    """Raise ValueError unless ``sampler`` is one of ``names`` or the index of one of ``count`` samplers."""
    if not (sampler in names if isinstance(sampler, str) else type(sampler) is int and 0 <= sampler < count):
        allowed = ", ".join(map(repr, names))
        raise ValueError(f"sampler={sampler!r}: {', '.join(map(str, range(count)))}, {allowed} are allowed")


def _check_dense(pool: Any = "max") -> None:
    if not isinstance(pool, str) or pool_info(pool).reducer is None:
        raise ValueError(f"pool={pool!r}: an operator that is a function of one window is allowed, as max or avg")


def lattice_sequence(submaps: int) -> list[int]:
    """Return which of the two checkered samplers each submap takes, so that the kept positions form a lattice.

    After k steps, each block of 2^k keeps one position in each row and each column.

    Args:
        submaps: how many submaps there are: 1, 2, 4, ... at the first, second, third step, ...

    Raises:
        ValueError: any other number of submaps.
    """
    step = submaps.bit_length() - 1
    if submaps != 1 << step:
        raise ValueError(f"sampler='lattice': the input has {submaps} submaps; 1, 2, 4, 8, ... are allowed")
    if step >= ALTERNATING:
        return [submap % 2 for submap in range(submaps)]
    # Submap j is row j of the blocks, of which column 13 j modulo 2^step is left: the next bit of 13 j is the sampler.
    return [LATTICE_STEP * submap >> step & 1 for submap in range(submaps)]


def nrooks_offsets(permutation: Permutation, stride: Sequence[int]) -> list[Offset]:
    """Return the phases that an n-rooks sampler keeps of a cell of size ``stride``."""
    if max(stride) == 1:
        return [(0, 0)]
    k = len(permutation)
    return [(row * stride[0] // k, column * stride[1] // k) for row, column in enumerate(permutation)]


def complete_offsets(stride: Sequence[int]) -> list[Offset]:
    """Return all phases of a cell of size ``stride``, row by row."""
    return list(itertools.product(*map(range, stride)))


def sequence_offsets(
    samplers: Sequence[Permutation],
    sampler: int | str,
    submaps: int,
    stride: Sequence[int],
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Offsets:
    """Return the phases that are kept of each submap.

    Args:
        samplers: the available samplers.
        sampler: the index of the one that all submaps take; ``naive`` is 0, ``lattice`` the paper's sequence, and
            ``random`` draws one for each submap.
        submaps: the number of submaps.
        stride: the size of a cell.
        generator, device: for the random draw.
    """
    table = [nrooks_offsets(permutation, stride) for permutation in samplers]
    if sampler == "random":
        drawn = torch.randint(len(table), (submaps,), generator=generator, device=device)
        return torch.tensor(table, device=device)[drawn]
    if sampler == "lattice":
        return [table[index] for index in lattice_sequence(submaps)]
    return [table[0 if sampler == "naive" else int(sampler)]] * submaps


def multisample(x: Tensor, geometry: Geometry, pool: str, offsets: Offsets) -> Tensor:
    """Pool at the kept phases only.

    Args:
        x: ``(N, C, S, H, W)`` or ``(C, S, H, W)``: S submaps.
        geometry: the windows of the dense pool; its stride is the size of a cell.
        pool: name of an operator that is a function of one window.
        offsets: the phases that are kept of each submap.

    Returns:
        ``(N, C, k S, H', W')`` or ``(C, k S, H', W')``: the first phase of every submap, then the second of every
            submap, ...
    """
    a, out = x.to(accumulation_dtype(x.dtype)), output_size(x.shape[-2:], geometry)

    def pool_phase(a: Tensor, offset: Offset | Tensor) -> Tensor:
        y = None if isinstance(offset, Tensor) else _pool_from(a, geometry, out, pool, offset)
        return _gather_and_pool(a, geometry, out, pool, offset) if y is None else y

    if not isinstance(offsets, Tensor) and all(own == offsets[0] for own in offsets):
        parts = [pool_phase(a, offset) for offset in offsets[0]]
    else:
        phases = range(len(offsets[0]))
        parts = [pool_phase(a[..., j : j + 1, :, :], own[phase]) for phase in phases for j, own in enumerate(offsets)]
    return like(torch.cat(parts, dim=-3), x)


#: The operators that have kernels of their own, with their parameters.
_WITH_KERNELS: dict[str, dict[str, Any]] = {"max": {}, "avg": {"count_include_pad": False}}


def _pool_from(x: Tensor, geometry: Geometry, out: Sequence[int], pool: str, offset: Offset) -> Tensor | None:
    """Return the phase at ``offset`` as a pool of the input without its first elements; None where it is none."""
    if pool not in _WITH_KERNELS or not is_fixed(*x.shape, *out):
        return None
    first = [shift - p for shift, p in zip(offset, geometry.padding, strict=True)]
    last = [at + (o - 1) * s for at, o, s in zip(first, out, geometry.stride, strict=True)]
    if any(at >= n for at, n in zip(last, x.shape[-2:], strict=True)):
        return None  # the last window starts at the last element instead
    skipped, padding = [max(at, 0) for at in first], tuple(max(-at, 0) for at in first)
    sizes = zip(x.shape[-2:], skipped, padding, geometry.spans, strict=True)
    if any(n - skip + 2 * p < span for n, skip, p, span in sizes):
        return None  # its one window is larger than what it would be a pool of
    maps = x[..., skipped[0] :, skipped[1] :].flatten(-4, -3)  # of submaps and channels, or of samples
    windows = geometry._replace(padding=padding, ceil_mode=True)
    if any(made < o for made, o in zip(output_size(maps.shape[-2:], windows), out, strict=True)):
        return None  # the last window lies where such a pool has none
    y: Tensor = engine.pool(pool_info(pool), maps, windows, **_WITH_KERNELS[pool])
    return y[..., : out[0], : out[1]].reshape(*x.shape[:-2], *out)


def _gather_and_pool(a: Tensor, geometry: Geometry, out: Sequence[int], pool: str, offset: Offset | Tensor) -> Tensor:
    """Return the phase at ``offset`` of any operator."""
    positions, inside = [], []
    for n, o, k, s, p, d, shift in zip(a.shape[-2:], out, *geometry[:4], offset, strict=True):
        # A later phase of the last window may start past the input: it then starts at the last element.
        start = (torch.arange(o, device=a.device) * s + shift - p).clamp(max=n - 1)
        position = start[:, None] + torch.arange(k, device=a.device) * d
        positions.append(position)
        inside.append(taps_inside(position, n))
    reducer = pool_info(pool).reducer
    assert reducer is not None
    y: Tensor = reducer(*windows_at(a, positions, inside))
    return y


def _with_submaps(x: Tensor) -> tuple[Tensor, int]:
    """Return ``x`` with an axis of submaps, that of an earlier multisampling layer or a new one, and their number."""
    if x.dim() == 5:
        check_input(x, 3)
        return x, int(x.shape[-3])
    check_input(x, 2)
    return x.unsqueeze(-3), 1


class _Sampled(Pool):
    """A module with ``sampler="random"`` draws in training only; evaluation uses a fixed sequence."""

    #: The sequence that evaluation uses instead of random samplers.
    in_evaluation = "naive"

    def __init__(
        self,
        *args: Any,
        pool: str = "max",
        sampler: int | str = 0,
        generator: torch.Generator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        assert self.info.check is not None
        self.info.check(pool=pool, sampler=sampler, generator=generator)
        self.pool, self.sampler, self.generator = pool, sampler, generator
        self.stochastic = sampler == "random"

    def params(self, x: Tensor) -> dict[str, object]:
        sampler = self.sampler if self.training or not self.stochastic else self.in_evaluation
        return {"pool": self.pool, "sampler": sampler, "generator": self.generator}

    def shown_params(self) -> dict[str, object]:
        shown: dict[str, object] = {} if self.pool == "max" else {"pool": self.pool}
        return shown if self.sampler == 0 else shown | {"sampler": self.sampler}


class _Checkered(_Sampled):
    """A module with ``sampler="random"`` draws in training only; evaluation then uses the lattice sequence."""

    in_evaluation = "lattice"


def _check_checkered(pool: str = "max", sampler: int | str = 0, generator: torch.Generator | None = None) -> None:
    _check_dense(pool)
    check_sampler(sampler, len(CHECKERED), ("naive", "lattice", "random"))
    check_generator(generator)


def _check_tri(pool: str = "max", sampler: int | str = 0, generator: torch.Generator | None = None) -> None:
    _check_dense(pool)
    check_sampler(sampler, len(TRI), ("naive", "random"))
    check_generator(generator)


def _check_multisampling(pool: str = "max", sampler: Permutation = (0, 1)) -> None:
    _check_dense(pool)
    check_permutation(sampler)


def _sequence_phases(samplers: Sequence[Permutation], stride: Sequence[int], params: dict[str, Any]) -> list[Offset]:
    """Return the phases that a sampler keeps of a map without submaps; random ones are drawn as the operator draws
    them.
    """
    generator = params.get("generator")
    device = "cpu" if generator is None else generator.device
    (kept,) = sequence_offsets(samplers, params.get("sampler", 0), 1, stride, generator, device)
    return [(int(down), int(right)) for down, right in kept]


_SOURCE = "Sadigh & Sen, arXiv 1805.10766"
_EXEMPT = {"permutation": "windows of later submaps are shifted", "nan": "a NaN reaches several submaps"}


@register_pool(
    "checkered",
    over="input",
    family="multisampling",
    ndims=(2,),
    summary="dense pooling; two phases of each 2x2 cell are kept as two submaps",
    formula="y = (dense[0::2, 0::2], dense[1::2, 1::2]), dense = pool at stride 1",
    source=_SOURCE,
    variants=("pool=avg",),
    module=_Checkered,
    check=_check_checkered,
    phases=lambda geometry, **params: _sequence_phases(CHECKERED, geometry.stride, params),
    exempt=_EXEMPT,
)
def checkered(
    x: Tensor,
    geometry: Geometry,
    *,
    pool: str = "max",
    sampler: int | str = 0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Keeps twice as many values as an operator that keeps one phase.

    ``(C, H, W)`` gives ``(C, 2, H', W')``, and ``(N, C, H, W)`` gives ``(N, C, 2, H', W')``. ``(N, C, S, H, W)``, the
    output of an earlier checkered layer, gives ``(N, C, 2 S, H', W')``: the first phase of every submap, then the
    second. ``pool`` names the dense operator. ``sampler`` 0 keeps top-left and bottom-right, 1 keeps top-right and
    bottom-left. ``naive`` uses 0 for every submap. ``lattice`` chooses for each submap so that the kept positions form
    a lattice; it needs 1, 2, 4, ... submaps. ``random`` draws one for each submap, from ``generator`` if given.
    For a stride other than 2, the second phase is shifted by half a stride. Stride 1 keeps everything, as one submap. A
    window of the second phase may reach outside the input; the elements there are ignored.
    """
    x, submaps = _with_submaps(x)
    return multisample(
        x, geometry, pool, sequence_offsets(CHECKERED, sampler, submaps, geometry.stride, generator, x.device)
    )


@register_pool(
    "tri",
    over="input",
    family="multisampling",
    ndims=(2,),
    summary="dense pooling; three phases of each 3x3 cell, no two in the same row or column, are kept as submaps",
    formula="y_r = dense[r::3, p_r::3], r = 0, 1, 2, p a permutation, dense = pool at stride 1",
    source=_SOURCE,
    module=_Sampled,
    check=_check_tri,
    phases=lambda geometry, **params: _sequence_phases(TRI, geometry.stride, params),
    exempt=_EXEMPT,
)
def tri(
    x: Tensor,
    geometry: Geometry,
    *,
    pool: str = "max",
    sampler: int | str = 0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Keeps three times as many values as an operator that keeps one phase.

    ``(N, C, H, W)`` gives ``(N, C, 3, H', W')``, and S submaps give 3 S: the first phase of every submap, then the
    second, then the third. ``pool`` names the dense operator. ``sampler`` is one of the authors' six, 0 to 5: the
    columns 021, 102, 210, 201, 120, 012. ``naive`` uses 0. ``random``, which the authors use, draws one for each
    submap, from ``generator`` if given.
    A cell whose stride s is not 3 has the phases 0, s // 3 and 2 s // 3 along each axis, some of which may be equal.
    Stride 1 keeps everything, as one submap.
    """
    x, submaps = _with_submaps(x)
    return multisample(x, geometry, pool, sequence_offsets(TRI, sampler, submaps, geometry.stride, generator, x.device))


@register_pool(
    "complete",
    over="input",
    family="multisampling",
    ndims=(2,),
    summary="dense pooling; all phases are kept, each as a submap",
    formula="y_ij = dense[i::s, j::s], dense = pool at stride 1",
    source=_SOURCE,
    check=_check_dense,
    phases=lambda geometry, **params: complete_offsets(geometry.stride),
    exempt=_EXEMPT,
)
def complete(x: Tensor, geometry: Geometry, *, pool: str = "max") -> Tensor:
    """Keeps every value except at the edges, as dilation does, but arranged as submaps.

    ``(N, C, H, W)`` with a stride of s x t gives ``(N, C, s t, H', W')``, phases row by row, and S submaps give s t S:
    the first phase of every submap, then the second, ... ``pool`` names the dense operator.
    """
    x, submaps = _with_submaps(x)
    return multisample(x, geometry, pool, [complete_offsets(geometry.stride)] * submaps)


@register_pool(
    "multisampling",
    over="input",
    family="multisampling",
    ndims=(2,),
    summary="dense pooling; the k phases that a sampler selects from each k x k cell are kept as k submaps",
    formula="y_r = dense[r::k, p_r::k], r = 0 .. k-1, p the sampler, dense = pool at stride 1",
    source=_SOURCE,
    check=_check_multisampling,
    phases=lambda geometry, *, sampler=(0, 1), **params: nrooks_offsets(sampler, geometry.stride),
    exempt=_EXEMPT,
)
def multisampling(x: Tensor, geometry: Geometry, *, pool: str = "max", sampler: Permutation = (0, 1)) -> Tensor:
    """Takes any n-rooks sampler: ``(N, C, H, W)`` gives ``(N, C, k, H', W')``, and S submaps give k S.

    ``sampler`` is a permutation of 0 to k - 1 whose element r is the column kept in row r of a k x k cell; in a spec
    string it is written ``multisampling:sampler=1x3x0x2``. If the stride s is not k, the cell is divided into k parts:
    its phases are r s // k along each axis, some of which are equal if s < k. Stride 1 keeps everything, as one submap.
    ``pool`` names the dense operator.
    """
    x, submaps = _with_submaps(x)
    return multisample(x, geometry, pool, [nrooks_offsets(sampler, geometry.stride)] * submaps)


@register_pool(
    "space_to_depth",
    over="input",
    family="multisampling",
    summary="all phases of each cell are kept, each as a submap: nothing is lost",
    formula="y_ij = x[i::s, j::s], i, j = 0 .. s-1",
    source="Sunkara & Luo (SPD-Conv), arXiv 2208.03641; LabSAINT/SPD-Conv, YOLOv5-SPD/models/common.py",
    phases=lambda geometry: complete_offsets(geometry.stride),
    single_elements=True,
    exempt={
        "permutation": "each submap takes one position of its cell",
        "nan": "a later phase lies outside the window where the stride is larger than the window",
    },
)
def space_to_depth(x: Tensor, geometry: Geometry) -> Tensor:
    """Moves the pixels of each cell into an axis of their own, and keeps all of them.

    ``(N, C, *sizes)`` gives ``(N, C, S, *out)``, and ``(C, *sizes)`` gives ``(C, S, *out)``: S is the product of the
    strides, the phases row by row. ``y.flatten(1, 2)`` of a batch has them as ``C S`` channels, in the order of
    ``torch.nn.functional.pixel_unshuffle``. Each value is the first element of its window, as with ``strided``; a later
    phase of the last window that would start past the input repeats the last element.

    The authors' layer takes a stride of 2 and even sizes only, and concatenates the phases along the channels, all
    channels of a phase together, in the order (0, 0), (1, 0), (0, 1), (1, 1). Their convolution that follows is not
    part of this operator. That file was read; of the paper, only the abstract could be.
    """
    check_input(x, geometry.ndim)
    n = geometry.ndim
    positions: list[Tensor | None] = []
    axes = zip(x.shape[-n:], output_size(x.shape[-n:], geometry), *geometry[1:4], strict=True)
    for size, count, step, pad, dilation in axes:
        if pad == 0 and is_fixed(size, count) and count * step == size:
            positions.append(None)
            continue
        position = (torch.arange(count * step, device=x.device) - pad).clamp(max=size - 1)
        # Before the input, the window's first tap inside it.
        positions.append(torch.where(position < 0, position.remainder(dilation), position).clamp(max=size - 1))
    return like(split_phases(x, positions, geometry.stride), x.unsqueeze(-n - 1))


def split_phases(x: Tensor, positions: Sequence[Tensor | None], stride: Sequence[int]) -> Tensor:
    """Return the phases of each cell along an axis of their own, row by row.

    Args:
        x: ``(..., *sizes)``.
        positions: per axis ``(out * step,)`` int64, the position of each phase of each cell, cell by cell; None
            where these are all positions in their order.
        stride: the number of phases per axis.

    Returns:
        ``(..., S, *out)``, S the product of the strides.
    """
    n, lead = len(stride), x.dim() - len(stride)
    for axis, position in enumerate(positions):
        x = x if position is None else x.index_select(axis - n, position)
    out = [x.shape[axis - n] // step for axis, step in enumerate(stride)]
    y = x.reshape(*x.shape[:lead], *itertools.chain.from_iterable(zip(out, stride, strict=True)))
    y = y.permute(*range(lead), *range(lead + 1, lead + 2 * n, 2), *range(lead, lead + 2 * n, 2))
    # A copy in any case: what is kept is no view of the input.
    return y.clone(memory_format=torch.contiguous_format).flatten(lead, lead + n - 1)
