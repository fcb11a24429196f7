"""AdaPool (Stergiou & Poppe 2021): a learned mixture of similarity-weighted pooling and SoftPool, and its inverse.

``edscw`` weights elements by the exponential of their Dice-Sorensen coefficient with the window's mean. ``idw`` weights
them by the inverse of their distance to it. ``adapool`` mixes ``edscw`` and ``softpool`` in a learned share.
``ada_unpool`` spreads pooled values over the windows by the same weights. The docstrings name the differences to the
authors' CUDA code (alexandrosstergiou/adaPool).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from poolzoo.geometry import (
    AnyGeometry,
    Geometry,
    IntOrTuple,
    accumulation_dtype,
    check_input,
    like,
    make_geometry,
    output_size,
)
from poolzoo.operators.base import Pool, check_backend, in_wide, is_number, shown_value
from poolzoo.operators.soft import softmax_weights, softpool, weighted_mean
from poolzoo.registry import Native, register_pool
from poolzoo.standard_operators import counts, means, planes, total, weighted_means
from poolzoo.windows import absent, count, maximum, mean, pool_windows, windows

_FAMILY = "similarity-weighted"


def _lift(size: Tensor) -> Tensor:
    """Return a factor that scales windows of small numbers up, so that reciprocals do not overflow; 1 for other
    windows.
    """
    return torch.ones_like(size).masked_fill(size.detach() < 1, torch.finfo(size.dtype).tiny ** -0.5)


def _dice(a: Tensor, centre: Tensor) -> Tensor:
    """Return the Dice-Sorensen coefficient ``2 |a m| / (a^2 + m^2)``, computed as ``2 r / (1 + r^2)`` from the ratio r
    <= 1.
    """
    # Of the ratio nothing overflows or underflows, and it does not change with the window's scale.
    size = torch.maximum(a.detach().abs().amax(-1, keepdim=True), centre.detach().abs())
    lift = _lift(size)
    magnitude, level = (a * lift).abs(), (centre * lift).abs()
    small, large = torch.minimum(magnitude, level), torch.maximum(magnitude, level)
    # Where both lie below the mean's rounding error, the ratio has no digits, and its slope could be anything: it is 0.
    known = large.detach() > torch.finfo(a.dtype).eps * size * lift
    unknown = (small / large.masked_fill(large == 0, 1.0)).detach()
    ratio = torch.where(known, small / large.masked_fill(~known, 1.0), unknown)
    return 2 * ratio / (1 + ratio * ratio)


def _around_mean(weight: Tensor, a: Tensor, mask: Tensor | None, centre: Tensor) -> Tensor:
    """Return the weighted mean, computed around ``centre``, the mean."""
    inside = a.detach()
    low, high = -maximum(-inside, mask).unsqueeze(-1), maximum(inside, mask).unsqueeze(-1)
    # Rounded, the mean of a constant window can lie beside the constant.
    return weighted_mean(weight, a, torch.minimum(torch.maximum(centre.detach(), low), high))


def edscw_weights(a: Tensor, mask: Tensor | None, centre: Tensor) -> Tensor:
    """Return the softmax over the window of the similarity to ``centre``, the window's mean, ``(..., *out, 1)``."""
    return softmax_weights(_dice(a, centre), mask)


def _edscw_in_standard_operators(x: Tensor, geometry: Geometry) -> Tensor:
    mean = means(x, geometry).abs()
    inverse = 1 / mean.clamp(min=torch.finfo(x.dtype).tiny)
    elements = planes(x, geometry, 0.0)
    ratios = [a * inverse for a in elements]
    # 2 r / (1 + r^2) as 2 / (r + 1/r): 0 for r = 0, and nothing overflows but to 1/inf.
    weights = [torch.exp(2 / (r + 1 / r).abs()) for r in ratios]
    # Outside the input elements are 0 and weigh exp(0) = 1.
    outside = len(weights) - counts(x, geometry)
    return total([w * a for w, a in zip(weights, elements, strict=True)]) / (total(weights) - outside)


@register_pool(
    "edscw",
    family=_FAMILY,
    summary="sum of the window weighted by the exponent of each element's similarity to the mean",
    formula="y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)",
    source="Stergiou & Poppe, arXiv 2111.00772 (eDSCW)",
    native=Native("edscw", "Edscw"),
    in_standard_operators=_edscw_in_standard_operators,
)
def edscw(a: Tensor, mask: Tensor | None) -> Tensor:
    """The coefficient is between 0 and 1, so weights differ by at most a factor e. 0/0 counts as 0.

    The operator does not depend on the input's scale: ``edscw(c a) = c edscw(a)``. The gradient is the exact derivative
    and includes the derivative of the mean. The coefficient has a kink where an element is 0 or the mean is 0; there
    the gradient is a value between the two one-sided derivatives. Where an element and the mean are both smaller than
    the rounding error of the window's largest number, the element's coefficient is treated as a constant.

    The authors' code takes the absolute value since August 2021. The formula before that had none, and gave small
    weights to elements whose sign differs from the mean's.
    """
    m = mean(a, mask).unsqueeze(-1)
    return _around_mean(edscw_weights(a, mask, m), a, mask, m)


def _check_eps(eps: float = 1e-6) -> None:
    if not (is_number(eps) and 1e-12 <= eps <= 1):
        raise ValueError(f"eps={eps!r}: a number from 1e-12 to 1 is allowed")


@register_pool(
    "idw",
    family=_FAMILY,
    summary="sum of the window weighted by the inverse of each element's distance to the mean",
    formula="y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|",
    source="inverse distance weighting as in the AdaPool authors' code, arXiv 2111.00772",
    check=_check_eps,
    native=Native("idw", "Idw", value="eps"),
    exempt={"gradcheck": "the distance has a kink at the mean, where evenly spaced elements lie"},
)
def idw(a: Tensor, mask: Tensor | None, *, eps: float = 1e-6) -> Tensor:
    """``eps``, 1e-12 to 1, is relative to the window's mean distance. It is small enough to preserve the inverse
    distance, and large enough to give an element at the mean a finite weight.

    Because ``eps`` is relative, the operator commutes with scale and offset: ``idw(c a + b) = c idw(a) + b``. A window
    whose elements are all equal gives their value. An element equal to the mean takes nearly all of the weight. The
    distance has a kink there, and the gradient is neither of the two one-sided derivatives. The authors' code has no
    eps: such an element gives infinity over infinity, and the resulting NaN is replaced by 0.
    """
    # From the largest element, not from 0: the mean's rounding error is then that of the distances, and not that of
    # what they have in common. A fourth of each, so that no sum of two overflows.
    top = maximum(a.detach(), mask).unsqueeze(-1)
    below = a / 4 - top / 4
    m = mean(absent(below, mask, 0.0), mask).unsqueeze(-1)
    d = (below - m).abs()
    spread = mean(absent(d, mask, 0.0), mask).unsqueeze(-1)
    lift = _lift(spread)
    d, spread = d * lift, (spread * lift).masked_fill(spread == 0, 1.0)
    # A common factor cancels, so autograd may take it for a constant; with it no weight leaves [0, 1].
    nearest = absent(d.detach(), mask, math.inf).amin(-1, keepdim=True) + eps * spread.detach()
    weight = absent(nearest / (d + eps * spread), mask, 0.0)
    return _around_mean(weight / weight.sum(-1, keepdim=True), a, mask, top + 2 * m + 2 * m)


def adapool(a: Tensor, mask: Tensor | None, *, beta: float | Tensor = 0.5) -> Tensor:
    """Reduce windows as :func:`ada` defines; ``beta`` is a number, or a tensor of shape ``()`` or ``(*out,)``."""
    soft = softpool(a, mask)
    # In halves, the difference of two finite numbers does not overflow; a constant is kept to the bit.
    step = beta * (edscw(a, mask) / 2 - soft / 2)
    return soft + step + step


def _check_beta(beta: float | Tensor = 0.5) -> None:
    if not isinstance(beta, Tensor) and not (is_number(beta) and 0 <= beta <= 1):
        raise ValueError(f"beta={beta!r}: a number from 0 to 1 or a tensor of such is allowed")


def _check_cells(beta: float | Tensor, x: Tensor, geometry: AnyGeometry) -> None:
    """Raise ValueError unless ``beta`` is a scalar or has one share per output cell of ``x``."""
    check_input(x, geometry.ndim)
    out = output_size(x.shape[-geometry.ndim :], geometry)
    if isinstance(beta, Tensor) and beta.dim() and tuple(beta.shape) != out:
        raise ValueError(f"beta: shape {tuple(beta.shape)}; a scalar or one per output cell, {out}, is allowed")


def _raw_share(beta: Tensor) -> Tensor:
    """Return the parameter whose sigmoid is ``beta``, the authors' parameter, half of which starts at 0."""
    return torch.logit(beta, eps=1e-6)


class _Ada(Pool):
    """The module learns the share, starts it at ``beta``, and keeps it in [0, 1].

    ``cells`` is the spatial size of the output. With it, each output cell has its own share, and the module only takes
    inputs that give this output size. None gives the layer one share, for inputs of any size. The authors start at a
    normal draw clamped to [0, 1], which puts half of the cells at 0; their ``beta.data.clamp(0, 1)`` in the forward
    pass has no effect.

    A state dict of the authors' AdaPool loads: their ``beta``, clamped to [1e-6, 1 - 1e-6], sets the share.
    """

    authors_keys: ClassVar = {"beta": ("raw", _raw_share)}

    def __init__(
        self,
        *args: Any,
        beta: float = 0.5,
        cells: IntOrTuple | None = None,
        backend: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        check_backend(backend)
        self.backend = backend
        if not (is_number(beta) and 0 < beta < 1):
            raise ValueError(f"beta={beta!r}: a start value between 0 and 1, both excluded, is allowed")
        sizes = (cells,) if isinstance(cells, int) else cells
        if sizes is not None:
            given = isinstance(sizes, (tuple, list)) and len(sizes) == self.ndim
            if not given or any(type(size) is not int or size < 1 for size in sizes):
                raise ValueError(f"cells={cells!r}: None or {self.ndim} ints >= 1 (the output's size) is allowed")
        # beta = sigmoid(raw) stays in [0, 1] whatever the optimiser does to raw, and never loses its gradient there.
        start = math.log(beta / (1 - beta))
        self.raw = nn.Parameter(torch.full(tuple(sizes or ()), start, device=device, dtype=dtype))

    def params(self, x: Tensor) -> dict[str, Any]:
        return {"beta": torch.sigmoid(in_wide(self.raw)), "backend": self.backend}

    def shown_params(self) -> dict[str, Any]:
        beta = torch.sigmoid(in_wide(self.raw))
        return shown_value("beta", beta) | ({"cells": tuple(beta.shape)} if beta.dim() else {})


def _ada_in_standard_operators(x: Tensor, geometry: Geometry, *, beta: float | Tensor = 0.5) -> Tensor:
    _check_cells(beta, x, geometry)
    soft = weighted_means(x, x, geometry)
    return soft + beta * (_edscw_in_standard_operators(x, geometry) - soft)


@register_pool(
    "adapool",
    over="input",
    family=_FAMILY,
    function_name="ada_pool",
    class_name="AdaPool",
    summary="a learned share of edscw and the rest of softpool",
    formula="y = beta edscw(a) + (1 - beta) softpool(a)",
    source="Stergiou & Poppe, arXiv 2111.00772",
    module=_Ada,
    not_adaptive="",
    learnable=True,
    check=_check_beta,
    native=Native("adapool", "AdaPool", value="beta"),
    in_standard_operators=_ada_in_standard_operators,
)
def ada(x: Tensor, geometry: AnyGeometry, *, beta: float | Tensor = 0.5) -> Tensor:
    """``beta``, in [0, 1], is a number or a tensor: a scalar, or one value per output cell, of the output's spatial
    shape.

    ``beta=1`` is edscw. ``beta=0`` is softpool, which depends on the input's scale. The gradient is the exact
    derivative, with the exceptions of edscw.
    """
    _check_cells(beta, x, geometry)
    return pool_windows(x, geometry, adapool, beta=beta)


def _relative(weight: Tensor, mask: Tensor | None) -> Tensor:
    """Return weights as multiples of the window's mean weight; equal weights become exactly 1."""
    weight = weight / maximum(weight.detach(), mask).unsqueeze(-1)
    return weight * (count(weight, mask) / weight.sum(-1, keepdim=True))


def _spread(value: Tensor, y: Tensor, spatial: torch.Size, geometry: Geometry) -> Tensor:
    """Return, for each input position, the mean of ``value``, ``(..., *out, K)``, over the windows that contain the
    position.

    A position that no window contains takes the value of ``y``, ``(..., *out)``, at the nearest window.
    """
    n, positions = geometry.ndim, spatial.numel()
    index, mask = windows(torch.arange(positions, device=y.device).reshape(spatial), geometry)
    index = absent(index, mask, positions).flatten()  # taps outside the input are collected behind it
    value = value.flatten(-n - 1)
    where = index.expand(value.shape)
    empty = value.new_zeros(*value.shape[:-1], positions + 1)
    # Around a value of the position itself, the mean of equal values is that value to the bit.
    centre = empty.scatter(-1, where, value.detach())
    total = empty.scatter_add(-1, where, value - centre.gather(-1, where))
    held = value.new_zeros(positions + 1).scatter_add(-1, index, torch.ones_like(index, dtype=value.dtype))
    for axis, (size, out, s, p, span) in enumerate(
        zip(spatial, y.shape[-n:], geometry.stride, geometry.padding, geometry.spans, strict=True)
    ):
        middle = torch.arange(size, device=y.device) + p - (span - 1) // 2
        y = y.index_select(axis - n, ((middle + s // 2) // s).clamp(0, out - 1))
    centred = (centre + total / held.clamp(min=1))[..., :positions]
    return torch.where(held[:positions] == 0, y.flatten(-n), centred).reshape(*y.shape[:-n], *spatial)


def _ada_unpool(y: Tensor, x: Tensor, geometry: Geometry, beta: float | Tensor) -> Tensor:
    _check_beta(beta)
    check_input(x, geometry.ndim, "x")
    _check_cells(beta, x, geometry)
    spatial = x.shape[-geometry.ndim :]
    pooled = (*x.shape[: -geometry.ndim], *output_size(spatial, geometry))
    if tuple(y.shape) != pooled:
        raise ValueError(f"y: shape {tuple(y.shape)}; the shape of x pooled, {pooled}, is needed")
    dtype = accumulation_dtype(x.dtype)
    a, mask = windows(x.to(dtype), geometry)
    wide = y.to(dtype)
    soft = _relative(softmax_weights(a, mask), mask)
    similar = _relative(edscw_weights(a, mask, mean(a, mask).unsqueeze(-1)), mask)
    share = beta.unsqueeze(-1) if isinstance(beta, Tensor) else beta
    return like(_spread(wide.unsqueeze(-1) * (soft + share * (similar - soft)), wide, spatial, geometry), y)


def ada_unpool2d(
    y: Tensor,
    x: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    *,
    beta: float | Tensor = 0.5,
) -> Tensor:
    """Spread pooled values over the windows of ``x`` by AdaPool's weights (adaUnPool, the inverse of pooling).

    Each element of a window gets ``y |R| w``. w is the weight that AdaPool gave the element: ``beta`` times that of
    edscw plus ``1 - beta`` times SoftPool's. |R| is the number of elements in the window. Where windows overlap, an
    element gets the mean of their values; where there is no window, the value of the nearest one. The values that a
    window gives therefore have mean y, and a pooled constant is restored to the bit.

    The authors' code differs: it multiplies by w without |R|, which turns a constant c in a 2x2 window into c / 4; it
    keeps one map of weights that all channels overwrite; and where windows overlap it keeps the last one written.

    Args:
        y: the pooled map, or another of its shape: ``(N, C, *out)`` or ``(C, *out)``.
        x: the input that was pooled, or another map whose weights are used: ``(N, C, H, W)`` or ``(C, H, W)``.
        kernel_size, stride, padding, dilation, ceil_mode: the arguments of the pooling.
        beta: the share of edscw, from 0 to 1: a number, a tensor with one element, or one value per output cell.

    Returns:
        A map of the shape of ``x`` in the dtype of ``y``. It is finite unless |R| y is not.

    Raises:
        ValueError: the shape of ``y`` or ``beta`` is not the one that pooling ``x`` gives, or an argument is out of
            range.
        TypeError: an argument or a dtype is of the wrong kind.

    Source: Stergiou & Poppe, arXiv 2111.00772.
    """
    return _ada_unpool(y, x, make_geometry(2, kernel_size, stride, padding, dilation, ceil_mode), beta)


def ada_unpool1d(
    y: Tensor,
    x: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    *,
    beta: float | Tensor = 0.5,
) -> Tensor:
    """Spread pooled ``(N, C, l)`` over the windows of ``x``, ``(N, C, L)``; see :func:`ada_unpool2d`."""
    return _ada_unpool(y, x, make_geometry(1, kernel_size, stride, padding, dilation, ceil_mode), beta)


def ada_unpool3d(
    y: Tensor,
    x: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    *,
    beta: float | Tensor = 0.5,
) -> Tensor:
    """Spread pooled ``(N, C, d, h, w)`` over the windows of ``x``, ``(N, C, D, H, W)``; see :func:`ada_unpool2d`."""
    return _ada_unpool(y, x, make_geometry(3, kernel_size, stride, padding, dilation, ceil_mode), beta)


class _AdaUnpool(_Ada):
    def forward(self, y: Tensor, x: Tensor) -> Tensor:  # type: ignore[override]
        return _ada_unpool(y, x, self.geometry, self.params(x)["beta"])

    if TYPE_CHECKING:  # torch's modules return Any

        def __call__(self, y: Tensor, x: Tensor) -> Tensor:  # type: ignore[override]
            return self.forward(y, x)


class AdaUnpool1d(_AdaUnpool):
    """Module of :func:`ada_unpool1d` with a learned share; it takes the arguments of ``AdaPool1d``."""

    ndim = 1


class AdaUnpool2d(_AdaUnpool):
    """Module of :func:`ada_unpool2d` with a learned share; it takes the arguments of ``AdaPool2d``.

    ``unpool.load_state_dict(pool.state_dict())`` copies a pool's share; ``unpool.raw = pool.raw`` makes both use the
    same.

    Example:
        >>> pool, unpool = AdaPool2d(2), AdaUnpool2d(2)
        >>> unpool(pool(x), x).shape == x.shape
        True
    """

    ndim = 2


class AdaUnpool3d(_AdaUnpool):
    """Module of :func:`ada_unpool3d` with a learned share; it takes the arguments of ``AdaPool3d``."""

    ndim = 3
