"""Detail-preserving pooling (Saeedan et al. 2018): elements weighted by their distance from a smoothed version of the
input.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo.geometry import AnyGeometry, Geometry, accumulation_dtype, check_input, output_size
from poolzoo.operators.base import Pool, channel_parameter, in_wide, is_finite, is_number, per_channel, shown_share
from poolzoo.operators.norms import softplus_inverse
from poolzoo.operators.soft import softmax_weights, weighted_mean
from poolzoo.registry import register_pool
from poolzoo.windows import gathered_windows, maximum, mean, pool_windows

#: Initial filter of the Full variant along one axis, from the image downscaling method that DPP follows.
_FILTER = (1 / 4, 1 / 2, 1 / 4)


class _Dpp(Pool):
    """The module learns ``alpha`` and ``lam``, which start at the given values and stay at least 0.

    ``variant`` is ``lite`` or ``full``; ``full`` also learns the filter and its bias. ``channels`` gives each channel
    its own values; None gives the layer one of each. By default alpha and lam start at 1, and the filter of ``full``
    starts as the binomial filter with bias 0.
    """

    def __init__(
        self,
        *args: Any,
        variant: str = "lite",
        reward: str = "symmetric",
        alpha: float = 1.0,
        lam: float = 1.0,
        eps: float = 1e-3,
        channels: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if variant not in ("lite", "full"):
            raise ValueError(f"variant={variant!r}: 'lite' or 'full' is allowed")
        _check_dpp(alpha, lam, reward=reward, eps=eps)
        for name, value in (("alpha", alpha), ("lam", lam)):
            if value == 0:
                raise ValueError(f"{name}={value!r}: a start value > 0 is allowed")
        self.variant, self.reward, self.eps = variant, reward, eps
        self.raw_alpha = channel_parameter(softplus_inverse(alpha), channels, device, dtype)
        self.raw_lam = channel_parameter(softplus_inverse(lam), channels, device, dtype)
        lead = () if channels is None else (channels,)
        start = torch.tensor([math.prod(taps) for taps in product(_FILTER, repeat=self.ndim)])
        start = start.reshape((3,) * self.ndim).expand(*lead, *(3,) * self.ndim).clone()
        self.weight = nn.Parameter(start.to(device=device, dtype=dtype)) if variant == "full" else None
        self.bias = channel_parameter(0.0, channels, device, dtype) if variant == "full" else None

    @property
    def alpha(self) -> Tensor:
        return F.softplus(in_wide(self.raw_alpha))

    @property
    def lam(self) -> Tensor:
        return F.softplus(in_wide(self.raw_lam))

    def params(self, x: Tensor) -> dict[str, Any]:
        learned = {"alpha": self.alpha, "lam": self.lam, "weight": self.weight, "bias": self.bias}
        return learned | {"reward": self.reward, "eps": self.eps}

    def shown_params(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"variant": self.variant, "reward": self.reward}
        shown |= shown_share("alpha", self.alpha) | shown_share("lam", self.lam)
        return shown | ({"eps": self.eps} if self.eps != 1e-3 else {})


def _check_dpp(
    alpha: float | Tensor = 1.0,
    lam: float | Tensor = 1.0,
    weight: Tensor | None = None,
    bias: float | Tensor | None = None,
    reward: str = "symmetric",
    eps: float = 1e-3,
) -> None:
    for name, value in (("alpha", alpha), ("lam", lam)):
        if not isinstance(value, Tensor) and not (is_finite(value) and value >= 0):
            raise ValueError(f"{name}={value!r}: a finite number >= 0 is allowed")
    if bias is not None and weight is None:
        shown = tuple(bias.shape) if isinstance(bias, Tensor) else repr(bias)
        raise ValueError(f"bias={shown}: only allowed together with weight, the filter")
    if not (bias is None or isinstance(bias, Tensor) or is_finite(bias)):
        raise ValueError(f"bias={bias!r}: a finite number is allowed")
    if reward not in ("symmetric", "asymmetric"):
        raise ValueError(f"reward={reward!r}: 'symmetric' or 'asymmetric' is allowed")
    if not (is_number(eps) and 1e-12 <= eps <= 1):
        raise ValueError(f"eps={eps!r}: a number from 1e-12 to 1 is allowed")


@register_pool(
    "dpp",
    over="input",
    family="detail-preserving",
    summary="mean of the window weighted by the distance from a smoothed version",
    formula="y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)",
    source="Saeedan et al., arXiv 1804.04076",
    module=_Dpp,
    not_adaptive="",
    windowed_only=("variant", "weight", "bias"),
    learnable=True,
    learning_rate=0.03,
    variants=("reward=asymmetric", "variant=full"),
    check=_check_dpp,
    exempt={
        "permutation": "the full variant's filter weighs positions",
        "nan": "the full variant's filter reaches outside the window",
        "second_gradient": "the asymmetric reward's gradient jumps at the mean, where evenly spaced elements lie",
    },
)
def dpp(
    x: Tensor,
    geometry: AnyGeometry,
    *,
    alpha: float | Tensor = 1.0,
    lam: float | Tensor = 1.0,
    weight: Tensor | None = None,
    bias: float | Tensor | None = None,
    reward: str = "symmetric",
    eps: float = 1e-3,
) -> Tensor:
    """``alpha`` and ``lam``, both >= 0, are numbers or tensors: a scalar or one value per channel.

    In the Lite variant, s is the window's mean. In the Full variant, s is the input filtered by ``weight``, of shape
    ``(3,) * ndim`` or ``(C, *(3,) * ndim)``, which is not normalised, plus ``bias``, a scalar or one value per channel.
    The filter is centred on the middle element of the window (on the earlier one of two), and the input is 0 outside.
    For ``kernel_size=2`` this is a convolution with stride 2 and padding 1, as in the authors' code.
    ``reward="symmetric"`` counts all distances, ``"asymmetric"`` only those of elements above s. ``lam=0`` is average
    pooling. With ``alpha=0`` and a large ``lam``, the result approaches the element furthest from s, or furthest above
    it. ``eps``, 1e-12 to 1, keeps the root differentiable. It is absolute, so weights depend on the input's scale. The
    gradient is finite wherever ``lam`` times the window's range is.

    In place of the root, the authors' PyTorch code has d^2 + 1e-3 divided by its mean over the window. It computes
    alpha and lam as exponentials of their parameters.
    """
    check_input(x, geometry.ndim)
    smoothed = None
    if weight is not None:
        assert isinstance(geometry, Geometry)
        smoothed = filtered(x.to(accumulation_dtype(x.dtype)), geometry, weight, 0.0 if bias is None else bias)
    return pool_windows(
        x,
        geometry,
        _dpp,
        alpha=per_channel("alpha", alpha, x, geometry.ndim),
        lam=per_channel("lam", lam, x, geometry.ndim),
        smoothed=smoothed,
        reward=reward,
        eps=eps,
    )


def _dpp(
    a: Tensor,
    mask: Tensor | None,
    *,
    alpha: float | Tensor,
    lam: float | Tensor,
    smoothed: Tensor | None,
    reward: str,
    eps: float,
) -> Tensor:
    if smoothed is None:
        smoothed = mean(a, mask).unsqueeze(-1)
    # In logarithms no power overflows, and softmax needs no more.
    logit = torch.as_tensor(lam, dtype=a.dtype, device=a.device) * log_distance(a, smoothed, reward, eps)
    if isinstance(alpha, Tensor) or alpha:
        logit = torch.logaddexp(_log(torch.as_tensor(alpha, dtype=a.dtype, device=a.device)), logit)
    return weighted_mean(softmax_weights(logit, mask), a, maximum(a.detach(), mask).unsqueeze(-1))


def log_distance(a: Tensor, smoothed: Tensor, reward: str, eps: float) -> Tensor:
    """Return ``log sqrt(d^2 + eps^2)``, where d is ``a - smoothed``, or its positive part if ``reward`` is
    ``asymmetric``.
    """
    half = a / 2 - smoothed / 2
    if reward == "asymmetric":
        half = half.clamp(min=0)
    # Divided by the larger, no square overflows.
    larger = half.detach().abs().clamp(min=eps / 2)
    return ((half / larger).square() + (eps / 2 / larger).square()).log() / 2 + larger.log() + math.log(2)


def _log(value: Tensor) -> Tensor:
    """Return the logarithm; at 0 it is -inf with gradient 0, because learned values can underflow to 0."""
    return value.masked_fill(value == 0, 1.0).log().masked_fill(value == 0, -math.inf)


def filtered(x: Tensor, geometry: Geometry, weight: Tensor, bias: float | Tensor) -> Tensor:
    """Return ``weight`` applied to the 3 elements per axis around each window's middle, 0 outside, plus ``bias``; K is
    1.
    """
    ndim = geometry.ndim
    taps, channels = (3,) * ndim, x.shape[-ndim - 1]
    if tuple(weight.shape) not in (taps, (channels, *taps)):
        raise ValueError(f"weight: shape {tuple(weight.shape)}; {taps} or (C, *{taps}), C = {channels}, is allowed")
    before = [1 + p - d * ((k - 1) // 2) for k, _, p, d in zip(*geometry[:4], strict=True)]
    around = geometry._replace(kernel_size=taps, padding=tuple(before), dilation=(1,) * ndim)
    a, _ = gathered_windows(x, output_size(x.shape[-ndim:], geometry), around)
    weight = weight.to(x.dtype).flatten(-ndim).reshape(*weight.shape[:-ndim], *(1,) * ndim, -1)
    return (a * weight).sum(-1, keepdim=True) + per_channel("bias", bias, x, ndim)
