"""Heads: pooling of a whole map to a descriptor, also over windows. R-MAC sums the regions' maxima, SimPool attends."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from poolzoo.geometry import AnyGeometry, Bins, Geometry, accumulation_dtype, check_input, is_fixed, like, output_size
from poolzoo.operators.base import is_number, without_autocast
from poolzoo.operators.lazy import LazyPool
from poolzoo.registry import register_pool
from poolzoo.windows import absent, largest, maximum, mean, windows

#: The overlap of neighbouring regions that R-MAC aims at, and the numbers of regions it chooses among.
OVERLAP, STEPS = 0.4, range(2, 8)
#: Added to norms and variances, as in the authors' codes.
EPS = 1e-6


def regions(sizes: Sequence[int], levels: int) -> list[tuple[range, ...]]:
    """Return R-MAC's square regions of a map of two axes: the map itself, then those of each level."""
    side, long = min(sizes), max(sizes)
    overlaps = [abs((side**2 - side * (long - side) / (steps - 1)) / side**2 - OVERLAP) for steps in STEPS]
    more = [overlaps.index(min(overlaps)) + 1 if size == long > side else 0 for size in sizes]
    found: list[tuple[range, ...]] = [tuple(range(size) for size in sizes)]
    for level in range(1, levels + 1):
        width = 2 * side // (level + 1)
        starts = [
            [i * (size - width) // max(level + extra - 1, 1) for i in range(level + extra)]
            for size, extra in zip(sizes, more, strict=True)
        ]
        if width:
            found += [tuple(range(s, s + width) for s in corner) for corner in itertools.product(*starts)]
    return found


def _normalised(v: Tensor, axis: int) -> Tensor:
    """Return vectors along ``axis`` divided by their length and :data:`EPS` more; 0, with a gradient of 0, for 0."""
    v = v.movedim(axis, -1)
    most = largest(v, torch.finfo(v.dtype).tiny)
    size = torch.linalg.vector_norm(v / most, dim=-1, keepdim=True)
    unit = v / most / (size + EPS / most)
    return torch.where(size == 0, 0.0, unit).movedim(-1, axis)


def _by_cells(x: Tensor, bins: Bins, pool: Callable[[Tensor, Geometry], Tensor]) -> Tensor:
    """Pool each of the cells of ``bins``, which differ in size, as one window."""
    sizes, n = x.shape[-bins.ndim :], bins.ndim
    out = output_size(sizes, bins)
    if not is_fixed(*sizes, *out):
        raise ValueError(f"output_size={bins.output_size!r}: regions need sizes that are known when a program is made")
    ones, zeros = (1,) * n, (0,) * n
    parts = []
    for cell in itertools.product(*map(range, out)):
        part = x
        for axis, (i, size, m) in enumerate(zip(cell, sizes, out, strict=True)):
            start, end = i * size // m, -((i + 1) * -size // m)
            part = part.narrow(axis - n, start, end - start)
        kernel = tuple(part.shape[-n:])
        parts.append(pool(part, Geometry(kernel, kernel, zeros, ones, False)).flatten(-n))
    return torch.cat(parts, -1).reshape(*x.shape[:-n], *out)


def _check_rmac(levels: int = 3) -> None:
    if type(levels) is not int or levels < 1:
        raise ValueError(f"levels={levels!r}: an int >= 1 is allowed")


@register_pool(
    "rmac",
    over="input",
    family="heads",
    ndims=(2,),
    summary="R-MAC: the maxima of square regions, as unit vectors over the channels, added up",
    formula="y = sum_R m_R / (|m_R| + 1e-6), m_R the channels' maxima in region R",
    source="Tolias, Sicre & Jegou, arXiv 1511.05879; filipradenovic/cnnimageretrieval-pytorch, layers/functional.py",
    not_adaptive="",
    check=_check_rmac,
    exempt={
        "constant": "vectors are divided by their length over the channels",
        "permutation": "the regions are positions",
        "nan": "the length of a vector looks at every channel",
        "steep": "a small vector's direction changes by a multiple of its own change",
    },
)
def rmac(x: Tensor, geometry: AnyGeometry, *, levels: int = 3) -> Tensor:
    """The regions are those of the authors' code: the whole window, then at each of ``levels`` levels l squares of side
    ``2 w / (l + 1)``, w the shorter side, l of them along it and more along the longer side, so that neighbours overlap
    by about 40 %. ``poolzoo.GlobalRmacPool2d()`` is R-MAC of a whole map.

    Positions outside the input are ignored; a region without an element adds nothing. A vector of zeros adds 0, with a
    gradient of 0. Starts of regions are rounded down from exact fractions, the authors' from float32. Their whitening
    that follows is not part of this operator. The code was read, the paper's text was not.
    """
    check_input(x, geometry.ndim)
    if isinstance(geometry, Bins):
        return like(_by_cells(x, geometry, lambda part, one: rmac(part, one, levels=levels)), x)
    a, mask = windows(x.to(accumulation_dtype(x.dtype)), geometry)
    width = geometry.kernel_size[1]
    y = None
    for rows, columns in regions(geometry.kernel_size, levels):
        index = [i * width + j for i in rows for j in columns]
        part = None if mask is None else mask[..., index]
        v = maximum(a[..., index], part)
        if part is not None:
            v = torch.where(part.any(-1), v, 0.0)
        unit = _normalised(v, -geometry.ndim - 1)
        y = unit if y is None else y + unit
    assert y is not None
    return like(y, x)


def _check_simpool(
    query: Tensor | None = None,
    key: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    gamma: float | None = 2.0,
) -> None:
    for name, value in (("query", query), ("key", key), ("weight", weight), ("bias", bias)):
        if value is not None and not isinstance(value, Tensor):
            raise ValueError(f"{name}={value!r}: a tensor or None is allowed")
    if gamma is not None and not (is_number(gamma) and 0 < gamma < math.inf):
        raise ValueError(f"gamma={gamma!r}: a finite number > 0 or None is allowed")


class _Norm(nn.Module):
    """The factor and the offset of a layer normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))


class _SimPool(LazyPool):
    """The module learns the projections of query and key, matrices without bias, and the factor and offset of the layer
    normalisation. The query starts at 0, so that an untrained attention is uniform.

    ``channels`` is the number of input channels; None takes it from the first input.
    """

    def __init__(
        self,
        *args: Any,
        channels: int | None = None,
        gamma: float | None = 2.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, channels=channels, **kwargs)
        _check_simpool(gamma=gamma)
        self.gamma = gamma
        self.start(device, dtype)

    def make_parts(self, channels: int) -> dict[str, nn.Module]:
        parts = {name: nn.Linear(channels, channels, bias=False) for name in ("wq", "wk")}
        nn.init.zeros_(parts["wq"].weight)
        return {**parts, "norm_patches": _Norm(channels)}

    def params(self, x: Tensor) -> dict[str, Any]:
        self.initialize_parameters(x)
        parts: dict[str, Any] = dict(self.named_children())
        norm = parts["norm_patches"]
        learned = {"query": parts["wq"].weight, "key": parts["wk"].weight, "weight": norm.weight, "bias": norm.bias}
        return learned | {"gamma": self.gamma}

    def shown_params(self) -> dict[str, Any]:
        shown: dict[str, Any] = {} if self.channels is None else {"channels": self.channels}
        return shown | ({"gamma": self.gamma} if self.gamma != 2 else {})


def _layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Normalise ``(..., C)``; divided by the largest element first, so that no square overflows."""
    most = largest(x, torch.finfo(x.dtype).tiny ** 0.5)
    centred = x / most - (x / most).mean(-1, keepdim=True)
    least = (EPS**0.5 / most).clamp(min=torch.finfo(x.dtype).eps ** 1.5)  # far below rounding, and safe to invert
    # Not a quotient by a root: onnxruntime takes that for a layer normalisation with another epsilon.
    y: Tensor = centred * (centred.square().mean(-1, keepdim=True) + least.square()).rsqrt()
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@register_pool(
    "simpool",
    over="input",
    family="heads",
    function_name="sim_pool",
    class_name="SimPool",
    summary="SimPool: attention whose query is the window's mean, and a power mean of the values it weights",
    formula="y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)",
    source="Psomas et al., arXiv 2309.06891; billpsomas/simpool, sp.py",
    module=_SimPool,
    not_adaptive="",
    learnable=True,
    learning_rate=0.02,
    check=_check_simpool,
    exempt={
        "constant": "values are normalised over the channels",
        "nan": "normalisation and attention look at every channel",
        "huge": "the query sums over the channels",
    },
)
def simpool(
    x: Tensor,
    geometry: AnyGeometry,
    *,
    query: Tensor | None = None,
    key: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    gamma: float | None = 2.0,
) -> Tensor:
    """LN normalises the channels of each position, then takes the factor ``weight`` and the offset ``bias``, ``(C,)``;
    None is 1 and 0. ``query`` and ``key`` are Q and K, ``(C, C)``; None for either makes the attention uniform.
    ``gamma`` is g, the order of the power mean, 2 for convolutional networks in the authors' README; None is the plain
    weighted mean of v. ``poolzoo.GlobalSimPool2d(flatten=True)`` is the head of a network.

    The minimum is that of the window over all channels; in the authors' code it is that of the whole batch, so that a
    result depends on the other samples. Of a single map, and globally, both are the same. Their query and key start at
    random, and have a bias and several heads as options. The code was read as other repositories copied it
    (``norm_patches``, ``prepare_input``), the paper's text was not.
    """
    check_input(x, geometry.ndim)
    n, channels = geometry.ndim, x.shape[-geometry.ndim - 1]
    for name, value, shape in (
        ("query", query, (channels, channels)),
        ("key", key, (channels, channels)),
        ("weight", weight, (channels,)),
        ("bias", bias, (channels,)),
    ):
        if value is not None and value.shape != shape:
            raise ValueError(f"{name}: shape {tuple(value.shape)}; {shape} is needed")
    wide = accumulation_dtype(x.dtype)
    for value in (query, key, weight, bias):
        wide = wide if value is None else torch.promote_types(wide, value.dtype)
    q_matrix, k_matrix, factor, offset = (None if v is None else v.to(wide) for v in (query, key, weight, bias))
    a, mask = windows(x.to(wide), geometry)
    a = a.movedim(-n - 2, -1)  # (..., *out, K, C)
    v = _layer_norm(a, factor, offset)
    inside = None if mask is None else mask.unsqueeze(-1)
    w = (v[..., :1] if inside is None else absent(v[..., :1], inside, 0.0)) * 0
    if q_matrix is not None and k_matrix is not None:
        with without_autocast(x):
            centre = mean(a.movedim(-1, -2), None if mask is None else mask.unsqueeze(-2))
            w = (v @ k_matrix.T @ (centre @ q_matrix.T).unsqueeze(-1)) / math.sqrt(channels)
    w = absent(w, inside, -math.inf).softmax(-2)
    if gamma is None:
        y = absent(v * w, inside, 0.0).sum(-2)
    else:
        low = absent(v, inside, math.inf).amin((-2, -1), keepdim=True)
        y = (absent(v - low + EPS, inside, 1.0).pow(gamma) * w).sum(-2).pow(1 / gamma)
    return like(y.movedim(-1, -n - 1).contiguous(), x)
