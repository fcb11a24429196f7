"""Mixtures of maximum and average: mixed (a learned or random share) and gated (a share computed from the window)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from poolzoo import engine, standard_operators
from poolzoo.geometry import AnyGeometry, Geometry, accumulation_dtype, check_input, like, output_size
from poolzoo.operators.base import (
    Pool,
    channel_parameter,
    check_channels,
    check_generator,
    in_wide,
    is_number,
    may_convolve,
    per_channel,
    shown_share,
    without_autocast,
)
from poolzoo.registry import pool_info, register_pool
from poolzoo.standard_operators import filtered
from poolzoo.windows import windows


class _Mixed(Pool):
    """``mode="learned"`` learns the share, which starts at ``lam``. ``mode="random"`` draws it from {0, 1} in training.

    ``channels`` gives each channel its own learned share; None gives the layer one. A random share is drawn once per
    call, for the whole layer, from ``generator`` if given. Evaluation uses the mean of the draws, 1/2.
    """

    def __init__(
        self,
        *args: Any,
        mode: str = "learned",
        lam: float = 0.5,
        channels: int | None = None,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if mode not in ("learned", "random"):
            raise ValueError(f"mode={mode!r}: 'learned' or 'random' is allowed")
        if not (is_number(lam) and 0 < lam < 1):
            raise ValueError(f"lam={lam!r}: a start value between 0 and 1, both excluded, is allowed")
        check_generator(generator)
        self.mode = mode
        self.stochastic = mode == "random"
        self.generator = generator
        # lam = sigmoid(raw) stays in [0, 1] whatever the optimiser does to raw, and never loses its gradient there.
        raw = math.log(lam / (1 - lam))
        self.raw = channel_parameter(raw, channels, device, dtype) if mode == "learned" else None

    def params(self, x: Tensor) -> dict[str, object]:
        if self.raw is not None:
            return {"lam": torch.sigmoid(in_wide(self.raw))}
        if not self.training:
            return {"lam": 0.5}
        return {"lam": torch.randint(2, (), device=x.device, generator=self.generator).to(x.dtype)}

    def shown_params(self) -> dict[str, object]:
        if self.raw is None:
            return {"mode": self.mode}
        return {"mode": self.mode} | shown_share("lam", torch.sigmoid(in_wide(self.raw)))


def _check_mixed(lam: float | Tensor = 0.5) -> None:
    if not isinstance(lam, Tensor) and not (is_number(lam) and 0 <= lam <= 1):
        raise ValueError(f"lam={lam!r}: a number from 0 to 1 is allowed")


def _mixed_in_standard_operators(x: Tensor, geometry: Geometry, *, lam: float | Tensor = 0.5) -> Tensor:
    return _mixture(x, geometry, _share(lam, x, geometry))


def _mixture(x: Tensor, geometry: Geometry, share: Tensor | float) -> Tensor:
    """Return ``share max + (1 - share) mean`` of each window, for the export to ONNX."""
    mean = standard_operators.means(x, geometry)
    return mean + share * (standard_operators.maxima(x, geometry) - mean)


@register_pool(
    "mixed",
    over="input",
    family="mixture",
    summary="a share of the maximum and the rest of the average",
    formula="y = lam max a + (1 - lam) mean a",
    source="learned: Lee et al., arXiv 1509.08985; random: Yu et al. 2014",
    module=_Mixed,
    not_adaptive="",
    learnable=True,
    learning_rate=0.5,
    variants=("mode=random",),
    check=_check_mixed,
    in_standard_operators=_mixed_in_standard_operators,
)
def mixed(x: Tensor, geometry: AnyGeometry, *, lam: float | Tensor = 0.5) -> Tensor:
    """``lam``, in [0, 1], is a number or a tensor: a scalar or one value per channel. The gradient of the maximum goes
    to the first of several equal elements.
    """
    a = x.to(accumulation_dtype(x.dtype))
    return like(_of_both(a, geometry, _share(lam, x, geometry)), x)


def _of_both(a: Tensor, geometry: AnyGeometry, share: Tensor | float) -> Tensor:
    """Return ``share max a + (1 - share) mean a``, from the two operators."""
    largest = engine.pool(pool_info("max"), a, geometry)
    average = engine.pool(pool_info("avg"), a, geometry, count_include_pad=False)
    mixture: Tensor = share * largest + (1 - share) * average
    return mixture


def _share(lam: float | Tensor, x: Tensor, geometry: AnyGeometry) -> Tensor | float:
    """Return the share of the maximum, of a shape that broadcasts with pooled values."""
    share = per_channel("lam", lam, x, geometry.ndim)
    return share.squeeze(-1) if isinstance(share, Tensor) and share.dim() else share  # which have no window axis


class _Gated(Pool):
    """The module learns the gate's weights. They start at 0, which gives half maximum and half average.

    ``channels`` gives each channel its own gate; None gives the layer one.
    """

    def __init__(
        self,
        *args: Any,
        channels: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        check_channels(channels)
        shape = self.kernel_size if channels is None else (channels, *self.kernel_size)
        self.weight = nn.Parameter(torch.zeros(shape, device=device, dtype=dtype))

    def params(self, x: Tensor) -> dict[str, Tensor]:
        return {"weight": self.weight}

    def shown_params(self) -> dict[str, object]:
        return {"channels": len(self.weight)} if self.weight.dim() > self.ndim else {}


def _gated_in_standard_operators(x: Tensor, geometry: Geometry, *, weight: Tensor | None = None) -> Tensor:
    if weight is None:
        return _mixture(x, geometry, 0.5)
    _check_gates(weight, x, geometry)
    return _mixture(x, geometry, torch.sigmoid(filtered(x, weight.to(x.dtype), geometry)))


@register_pool(
    "gated",
    over="input",
    family="mixture",
    summary="maximum and average, mixed in a share computed from the window",
    formula="y = s max a + (1 - s) mean a, s = sigmoid(w . a)",
    source="Lee et al., arXiv 1509.08985",
    module=_Gated,
    not_adaptive="its gate has a weight for each position of a window of one size",
    learnable=True,
    learning_rate=0.5,
    in_standard_operators=_gated_in_standard_operators,
    exempt={"permutation": "the gate's weights are by position"},
)
def gated(x: Tensor, geometry: Geometry, *, weight: Tensor | None = None) -> Tensor:
    """``weight`` has shape ``kernel_size``, or ``(C, *kernel_size)`` for one gate per channel; None means all zeros."""
    check_input(x, geometry.ndim)
    a = x.to(accumulation_dtype(x.dtype))
    if weight is None:
        return like(_of_both(a, geometry, 0.5), x)
    _check_gates(weight, x, geometry)
    return like(_of_both(a, geometry, torch.sigmoid(_weighted_sums(a, weight, geometry))), x)


def _weighted_sums(a: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Return ``w . a`` of each window; elements outside the input add nothing."""
    n = geometry.ndim
    output_size(a.shape[-n:], geometry)  # has better words for an input that is too small
    if may_convolve(a, n, math.prod(geometry.kernel_size)):
        with without_autocast(a):
            return filtered(a, weight.to(a.dtype), geometry)
    taps = weight.flatten(-n)
    if taps.dim() == 2:
        taps = taps.reshape(len(taps), *(1,) * n, -1)
    return (windows(a, geometry)[0] * taps).sum(-1)


def _check_gates(weight: Tensor, x: Tensor, geometry: Geometry) -> None:
    kernel_size, channels = geometry.kernel_size, x.shape[-geometry.ndim - 1]
    if tuple(weight.shape) not in (kernel_size, (channels, *kernel_size)):
        raise ValueError(
            f"weight: shape {tuple(weight.shape)}; {kernel_size} or (C, *{kernel_size}), C = {channels}, is allowed"
        )
