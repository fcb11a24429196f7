"""Generalised means between average and maximum: lp, power, gem, lse.

Elements are divided by the window's largest magnitude m, so that nothing overflows, however large the input. m cancels
analytically, so autograd treats it as a constant. At 0, the derivative of a power is infinite or 0/0; zero elements and
zero windows therefore get the gradient 0.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo import engine, standard_operators
from poolzoo.geometry import AnyGeometry, Geometry, check_input
from poolzoo.operators.base import (
    Pool,
    channel_parameter,
    check_backend,
    in_wide,
    is_finite,
    is_number,
    learned_at,
    learned_over_map,
    shown_share,
)
from poolzoo.registry import Native, pool_info, register_pool
from poolzoo.windows import absent, mean, pool_windows


def _power(base: Tensor, exponent: Tensor | float) -> Tensor:
    """Return ``base ** exponent`` for base >= 0, with value and gradient 0 at base 0."""
    zero = base == 0
    return torch.pow(base.masked_fill(zero, 1.0), exponent).masked_fill(zero, 0.0)


def power_mean(a: Tensor, mask: Tensor | None, p: Tensor | float, norm: str = "mean") -> Tensor:
    """Return ``(mean a^p)^(1/p)``, or the same with the sum, of elements a >= 0 that are 0 outside the input."""
    m = a.detach().amax(-1, keepdim=True)
    m = m.masked_fill((m == 0) | m.isinf(), 1.0)  # 0/0 and inf/inf would be NaN
    exponent = p.squeeze(-1) if isinstance(p, Tensor) and p.dim() else p
    powers = _power(a / m, p)
    return m.squeeze(-1) * _power(mean(powers, mask) if norm == "mean" else powers.sum(-1), 1 / exponent)


def _is_scalar(p: object) -> bool:
    return isinstance(p, Tensor) and p.dim() == 0


def _check_lp(p: float | Tensor = 2.0, norm: str = "mean") -> None:
    if not _is_scalar(p) and not (is_number(p) and p > 0):
        raise ValueError(f"p={p!r}: a number > 0 is allowed, inf included")
    if norm not in ("mean", "sum"):
        raise ValueError(f"norm={norm!r}: 'mean' or 'sum' is allowed")


def _lp_in_standard_operators(x: Tensor, geometry: Geometry, *, p: float | Tensor = 2.0, norm: str = "mean") -> Tensor:
    return standard_operators.power_means(x.abs(), geometry, p, norm)


@register_pool(
    "lp",
    family="generalised mean",
    summary="Lp norm of the window",
    formula="y = (mean |a|^p)^(1/p)",
    source="Gulcehre et al. 2014, arXiv 1311.1780; torch.nn.LPPool2d with norm='sum' and a >= 0",
    check=_check_lp,
    exempt={"constant_negative": "a constant c gives |c|"},
    native=(
        Native("lp", "LpMean", value="p", when={"norm": "mean"}),
        Native("lp_sum", "LpSum", value="p", when={"norm": "sum"}),
    ),
    in_standard_operators=_lp_in_standard_operators,
)
def lp(a: Tensor, mask: Tensor | None, *, p: float | Tensor = 2.0, norm: str = "mean") -> Tensor:
    """``p`` > 0; ``p=inf`` is max |a|. ``norm="mean"`` is the formula, ``norm="sum"`` gives ``(sum |a|^p)^(1/p)``.

    In an ONNX file, powers up to p = 3 are of the elements themselves, which holds from 1e-12 to 1e12 (p = 2: 1e-19 to
    1e18); above, each window's elements are divided by its maximum first.
    """
    if not isinstance(p, Tensor) and p == math.inf:
        return a.abs().amax(-1)
    return power_mean(a.abs(), mask, p, norm)


class _Power(Pool):
    """The module learns ``p``, which starts at the given value. ``channels`` gives each channel its own; None gives the
    layer one.
    """

    def __init__(
        self,
        *args: Any,
        p: float = 3.0,
        channels: int | None = None,
        backend: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        check_backend(backend)
        self.backend = backend
        if not (is_finite(p) and p > 1):
            raise ValueError(f"p={p!r}: a finite start value > 1 is allowed")
        self.raw = channel_parameter(softplus_inverse(p - 1), channels, device, dtype)

    @property
    def p(self) -> Tensor:
        """Return 1 + softplus(raw), which is at least 1 for any raw."""
        return 1 + F.softplus(in_wide(self.raw))

    def params(self, x: Tensor) -> dict[str, object]:
        return {"p": self.p, "backend": self.backend}

    def shown_params(self) -> dict[str, object]:
        return shown_share("p", self.p)


def softplus_inverse(y: float) -> float:
    return math.log(math.expm1(y)) if y < 20 else y


def _check_power(p: float | Tensor = 3.0) -> None:
    if not isinstance(p, Tensor):
        _check_lp(p)


def _power_in_standard_operators(x: Tensor, geometry: Geometry, *, p: float | Tensor = 3.0) -> Tensor:
    return standard_operators.power_means(x.abs(), geometry, learned_over_map("p", p, x, geometry), "mean")


@register_pool(
    "power",
    over="input",
    family="generalised mean",
    summary="Lp norm with p learned",
    formula="y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)",
    source="power-average pooling in the comparison of arXiv 2101.00440",
    module=_Power,
    not_adaptive="",
    learnable=True,
    learning_rate=0.3,
    check=_check_power,
    exempt={"constant_negative": "a constant c gives |c|"},
    native=Native("lp", "LpMean", value="p"),
    in_standard_operators=_power_in_standard_operators,
)
def power(x: Tensor, geometry: AnyGeometry, *, p: float | Tensor = 3.0) -> Tensor:
    """``p`` > 0 is a number or a tensor: a scalar or one value per channel. The module starts at p = 3 and keeps p
    above 1.
    """
    return pool_windows(x, geometry, lp, p=learned_at("p", p, x, geometry))


#: Below it, eps dominates; at 0 there is no p-th root.
_LEAST_P = 0.01


def _raw_exponent(p: Tensor) -> Tensor:
    """Return the parameter that gives the exponent ``p``, as other implementations store it."""
    if not bool((p > _LEAST_P).all()):
        raise ValueError(f"p: a state dict with exponents > {_LEAST_P} is allowed; the least one is {p.min().item()}")
    above = p - _LEAST_P
    return above + torch.log(-torch.expm1(-above))


class _Gem(Pool):
    """The module learns ``p``, which starts at the given value. ``channels`` gives each channel its own; None gives the
    layer one.

    A state dict of another implementation, whose exponent is its parameter ``p``, loads.
    """

    authors_keys: ClassVar = {"p": ("raw", _raw_exponent)}

    def __init__(
        self,
        *args: Any,
        p: float = 3.0,
        eps: float = 1e-6,
        channels: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        _check_gem(p, eps)
        if not p > _LEAST_P:
            raise ValueError(f"p={p!r}: a start value > {_LEAST_P} is allowed")
        self.raw = channel_parameter(softplus_inverse(p - _LEAST_P), channels, device, dtype)
        self.eps = eps

    @property
    def p(self) -> Tensor:
        """Return p, at least 0.01 for any raw: at 0 there is no p-th root, and below it eps dominates."""
        return _LEAST_P + F.softplus(in_wide(self.raw))

    def params(self, x: Tensor) -> dict[str, object]:
        return {"p": self.p, "eps": self.eps}

    def shown_params(self) -> dict[str, object]:
        return shown_share("p", self.p) | ({"eps": self.eps} if self.eps != 1e-6 else {})


def _check_gem(p: float | Tensor = 3.0, eps: float = 1e-6) -> None:
    if not isinstance(p, Tensor) and not (is_finite(p) and p > 0):
        raise ValueError(f"p={p!r}: a finite number > 0 is allowed")
    if not (is_finite(eps) and eps > 0):
        raise ValueError(f"eps={eps!r}: a finite number > 0 is allowed")


def _gem_in_standard_operators(x: Tensor, geometry: Geometry, *, p: float | Tensor = 3.0, eps: float = 1e-6) -> Tensor:
    logarithm = torch.log(x.clamp(min=eps))
    return torch.exp(standard_operators.log_means(logarithm, geometry, learned_over_map("p", p, x, geometry)))


@register_pool(
    "gem",
    over="input",
    family="generalised mean",
    summary="generalised mean with p learned",
    formula="y = (mean max(a, eps)^p)^(1/p)",
    source="Radenovic et al., arXiv 1711.02512, eq. 3",
    module=_Gem,
    not_adaptive="",
    learnable=True,
    check=_check_gem,
    in_standard_operators=_gem_in_standard_operators,
    exempt={"constant_negative": "a constant below eps gives eps"},
)
def gem(x: Tensor, geometry: AnyGeometry, *, p: float | Tensor = 3.0, eps: float = 1e-6) -> Tensor:
    """``p`` > 0 is a number or a tensor: a scalar or one value per channel. Elements below ``eps`` count as ``eps``."""
    if not isinstance(p, Tensor) or p.dim() == 0:
        check_input(x, geometry.ndim)
        y: Tensor = engine.pool(pool_info("lp"), x.clamp(min=eps), geometry, p=p, norm="mean")
        return y
    return pool_windows(x, geometry, _gem, p=learned_at("p", p, x, geometry), eps=eps)


def _gem(a: Tensor, mask: Tensor | None, *, p: float | Tensor, eps: float) -> Tensor:
    return power_mean(absent(a.clamp(min=eps), mask, 0.0), mask, p)


def _check_lse(r: float = 1.0) -> None:
    if not (is_finite(r) and r != 0):
        raise ValueError(f"r={r!r}: a finite number other than 0 is allowed")


def _lse_in_standard_operators(x: Tensor, geometry: Geometry, *, r: float = 1.0) -> Tensor:
    return standard_operators.log_means(x, geometry, r) if r > 0 else -standard_operators.log_means(-x, geometry, -r)


@register_pool(
    "lse",
    family="generalised mean",
    summary="log of the mean of exponentials",
    formula="y = (1/r) log mean exp(r a)",
    source="Pinheiro & Collobert 2015, arXiv 1411.6228, eq. 6",
    check=_check_lse,
    in_standard_operators=_lse_in_standard_operators,
)
def lse(a: Tensor, mask: Tensor | None, *, r: float = 1.0) -> Tensor:
    """``r`` sets the sharpness: near 0 the result is the mean, towards inf the maximum, towards -inf the minimum."""
    extreme = absent(a.detach(), mask, -math.inf if r > 0 else math.inf)
    m = extreme.amax(-1, keepdim=True) if r > 0 else extreme.amin(-1, keepdim=True)
    # expm1 and log1p: near r = 0 the exponentials are near 1, and their logarithm would keep few digits.
    e = absent(torch.expm1(r * (a - m)), mask, 0.0)
    return m.squeeze(-1) + torch.log1p(mean(e, mask)) / r
