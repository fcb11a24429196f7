"""Generalised means between average and maximum: lp, power, gem, lse.

All are computed relative to the window's largest magnitude m, which cancels analytically and is therefore a constant to
autograd: nothing overflows, however large the input. A power's derivative is infinite or 0/0 at 0, so elements
and windows that are zero are set aside and get the gradient 0.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo.operators.base import Pool, channel_parameter, per_channel
from poolzoo.registry import register_pool
from poolzoo.windows import Geometry, IntOrTuple, absent, mean, pool_windows


def _power(base: Tensor, exponent: Tensor | float) -> Tensor:
    """``base ** exponent`` for base >= 0, with value and gradient 0 at base 0."""
    zero = base == 0
    return torch.pow(base.masked_fill(zero, 1.0), exponent).masked_fill(zero, 0.0)


def power_mean(a: Tensor, mask: Tensor | None, p: Tensor | float) -> Tensor:
    """``(mean a^p)^(1/p)`` of elements a >= 0 that are 0 outside the input."""
    m = a.detach().amax(-1, keepdim=True)
    m = m.masked_fill((m == 0) | m.isinf(), 1.0)  # 0/0 and inf/inf would be NaN
    exponent = p.squeeze(-1) if isinstance(p, Tensor) and p.dim() else p
    return m.squeeze(-1) * _power(mean(_power(a / m, p), mask), 1 / exponent)


def _check_lp(p: float | Tensor = 2.0, norm: str = "mean") -> None:
    if not isinstance(p, Tensor) and not (isinstance(p, (int, float)) and p > 0):
        raise ValueError(f"p={p!r}: a number > 0 is allowed, inf included")
    if norm not in ("mean", "sum"):
        raise ValueError(f"norm={norm!r}: 'mean' or 'sum' is allowed")


@register_pool(
    "lp",
    family="generalised mean",
    summary="Lp norm of the window",
    formula="y = (mean |a|^p)^(1/p)",
    source="Gulcehre et al. 2014, arXiv 1311.1780; torch.nn.LPPool2d with norm='sum' and a >= 0",
    check=_check_lp,
    exempt={"constant": "a constant c gives |c|; with norm='sum', |c| |R|^(1/p)"},
)
def lp(a: Tensor, mask: Tensor | None, *, p: float | Tensor = 2.0, norm: str = "mean") -> Tensor:
    """``p`` > 0, ``p=inf`` is max |a|. ``norm="sum"`` gives ``(sum |a|^p)^(1/p)``."""
    if isinstance(p, float) and math.isinf(p):
        return a.abs().amax(-1)
    y = power_mean(a.abs(), mask, p)
    if norm == "sum":
        n = a.shape[-1] if mask is None else mask.sum(-1).to(a.dtype)
        y = y * n ** (1 / p)
    return y


class _Power(Pool):
    """Learns p. ``channels`` gives each channel its own; None gives the layer one."""

    def __init__(
        self,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        ceil_mode: bool = False,
        *,
        p: float = 3.0,
        channels: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        if not (isinstance(p, (int, float)) and 1 < p < math.inf):
            raise ValueError(f"p={p!r}: a finite number > 1 is allowed as the start value")
        # p = 1 + softplus(raw) stays above 1 whatever the optimiser does to raw.
        self.raw = channel_parameter(math.log(math.expm1(p - 1)) if p < 20 else p - 1, channels, device, dtype)

    @property
    def p(self) -> Tensor:
        return 1 + F.softplus(self.raw)

    def params(self, x: Tensor) -> dict[str, Tensor]:
        return {"p": self.p}

    def shown_params(self) -> dict[str, object]:
        return {"p": _shown(self.p)}


@register_pool(
    "power",
    over="input",
    family="generalised mean",
    summary="Lp norm with p learned",
    formula="y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)",
    source="power-average pooling in the comparison of arXiv 2101.00440",
    module=_Power,
    learnable=True,
    check=lambda p=3.0: _check_lp(p),
    exempt={"constant": "a constant c gives |c|"},
)
def power(x: Tensor, geometry: Geometry, *, p: float | Tensor = 3.0) -> Tensor:
    """``p`` > 0, a number, or a tensor: a scalar or one value per channel. The module starts at 3 and stays above 1."""
    return pool_windows(x, geometry, lp, p=_at(p, x, geometry))


class _Gem(Pool):
    """Learns p. ``channels`` gives each channel its own; None gives the layer one."""

    def __init__(
        self,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        ceil_mode: bool = False,
        *,
        p: float = 3.0,
        eps: float = 1e-6,
        channels: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        _check_gem(p, eps)
        self.p = channel_parameter(p, channels, device, dtype)
        self.eps = eps

    def params(self, x: Tensor) -> dict[str, object]:
        return {"p": self.p, "eps": self.eps}

    def shown_params(self) -> dict[str, object]:
        return {"p": _shown(self.p)} | ({"eps": self.eps} if self.eps != 1e-6 else {})


def _check_gem(p: float | Tensor = 3.0, eps: float = 1e-6) -> None:
    if not isinstance(p, Tensor) and not (isinstance(p, (int, float)) and 0 < p < math.inf):
        raise ValueError(f"p={p!r}: a finite number > 0 is allowed")
    if not (isinstance(eps, (int, float)) and 0 < eps < math.inf):
        raise ValueError(f"eps={eps!r}: a finite number > 0 is allowed")


@register_pool(
    "gem",
    over="input",
    family="generalised mean",
    summary="generalised mean with p learned",
    formula="y = (mean max(a, eps)^p)^(1/p)",
    source="Radenovic et al., arXiv 1711.02512, eq. 3",
    module=_Gem,
    learnable=True,
    check=_check_gem,
    exempt={"constant": "a constant below eps gives eps"},
)
def gem(x: Tensor, geometry: Geometry, *, p: float | Tensor = 3.0, eps: float = 1e-6) -> Tensor:
    """``p`` > 0, a number, or a tensor: a scalar or one value per channel. ``eps`` is the least value of an element."""
    return pool_windows(x, geometry, _gem, p=_at(p, x, geometry), eps=eps)


def _gem(a: Tensor, mask: Tensor | None, *, p: float | Tensor, eps: float) -> Tensor:
    return power_mean(absent(a.clamp(min=eps), mask, 0.0), mask, p)


def _at(p: float | Tensor, x: Tensor, geometry: Geometry) -> float | Tensor:
    """A learned exponent is used in float32 or wider, beside windows that are."""
    if isinstance(p, Tensor):
        p = p.to(torch.promote_types(p.dtype, torch.float32))
        p = p.to(torch.promote_types(p.dtype, x.dtype))
    return per_channel(p, geometry.ndim)


def _shown(p: Tensor) -> float | str:
    return round(p.item(), 4) if p.dim() == 0 else f"<{p.numel()} channels>"


def _check_lse(r: float = 1.0) -> None:
    if not (isinstance(r, (int, float)) and math.isfinite(r) and r != 0):
        raise ValueError(f"r={r!r}: a finite number other than 0 is allowed")


@register_pool(
    "lse",
    family="generalised mean",
    summary="log of the mean of exponentials",
    formula="y = (1/r) log mean exp(r a)",
    source="Pinheiro & Collobert 2015, arXiv 1411.6228, eq. 6",
    check=_check_lse,
)
def lse(a: Tensor, mask: Tensor | None, *, r: float = 1.0) -> Tensor:
    """``r`` sets the sharpness: near 0 it is the mean, towards inf the maximum, towards -inf the minimum."""
    extreme = absent(a.detach(), mask, -math.inf if r > 0 else math.inf)
    m = extreme.amax(-1, keepdim=True) if r > 0 else extreme.amin(-1, keepdim=True)
    e = absent(torch.exp(r * (a - m)), mask, 0.0)
    return m.squeeze(-1) + torch.log(mean(e, mask)) / r
