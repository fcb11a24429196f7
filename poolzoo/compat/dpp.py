"""Detail-preserving pooling (DPP) under the names of its authors' Torch7 package (visinf/dpp, ``visinf_package/``).

Windows are 2x2 with stride 2. The numbers are those of the authors' code: ``y = sum w a / sum w``, with ``w = exp(A) +
(x / mean x)^(exp(L) / 2)`` and ``x = d^2 + 0.001``. The mean is over the window; A and L are learned per channel. d is
``a - s``, or its positive part in the asymmetric modules. s is the window's mean in the ``lite`` modules. In the
``full`` modules it is the input filtered by a learned 3x3 convolution per channel, with a bias, stride 2 and padding 1.

:class:`poolzoo.DppPool2d` has the formula of the paper, arXiv 1804.04076, ``w = alpha + x^(lam / 2)``, which does not
divide by the mean. With a bias A, the two therefore weigh elements differently.

Torch7's files (``.t7``) are not read. The keys of the state dict are the names of the authors' layers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from poolzoo.geometry import accumulation_dtype, check_input, make_geometry
from poolzoo.operators.base import in_wide, per_channel
from poolzoo.operators.dpp import filtered, log_distance
from poolzoo.operators.soft import softmax_weights, weighted_mean
from poolzoo.windows import maximum, mean, pool_windows

__all__ = ["DPP_asym_full", "DPP_asym_lite", "DPP_sym_full", "DPP_sym_lite"]

_GEOMETRY = make_geometry(2, 2)
_EPS = math.sqrt(1e-3)
#: The largest value of A, to which the authors' code sets larger ones.
_MOST = 10.0


class _PerPlane(nn.Module):
    """One learned number per channel, drawn uniformly around 0."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(planes)
        self.weight = nn.Parameter(torch.empty(planes).uniform_(-bound, bound))


class _Dpp(nn.Module):
    reward: ClassVar[str]
    full: ClassVar[bool]

    def __init__(self, nPlane: int) -> None:
        super().__init__()
        if type(nPlane) is not int or nPlane < 1:
            raise ValueError(f"nPlane={nPlane!r}: the number of channels, an int >= 1, is needed")
        self.CWeightCalc, self.PositiveBias = _PerPlane(nPlane), _PerPlane(nPlane)
        self.conv = nn.Conv2d(nPlane, nPlane, 3, stride=2, padding=1, groups=nPlane) if self.full else None

    def forward(self, x: Tensor) -> Tensor:
        check_input(x, 2)
        smoothed = None
        if self.conv is not None and self.conv.bias is not None:
            wide = x.to(accumulation_dtype(x.dtype))
            smoothed = filtered(wide, _GEOMETRY, self.conv.weight.squeeze(1), in_wide(self.conv.bias))
        power, bias = (in_wide(part.weight) for part in (self.CWeightCalc, self.PositiveBias))
        return pool_windows(
            x,
            _GEOMETRY,
            _relative_weights,
            power=per_channel("CWeightCalc.weight", power.exp(), x, 2),
            bias=per_channel("PositiveBias.weight", bias.clamp(max=_MOST), x, 2),
            smoothed=smoothed,
            reward=self.reward,
        )

    if TYPE_CHECKING:  # torch's modules return Any

        def __call__(self, x: Tensor) -> Tensor:
            return self.forward(x)


def _relative_weights(
    a: Tensor, mask: Tensor | None, *, power: Tensor, bias: Tensor, smoothed: Tensor | None, reward: str
) -> Tensor:
    distance = log_distance(a, mean(a, mask).unsqueeze(-1) if smoothed is None else smoothed, reward, _EPS)
    level = (torch.logsumexp(2 * distance, -1, keepdim=True) - math.log(a.shape[-1])) / 2
    logit = torch.logaddexp(bias.to(a.dtype), power.to(a.dtype) * (distance - level))
    return weighted_mean(softmax_weights(logit, mask), a, maximum(a.detach(), mask).unsqueeze(-1))


class DPP_sym_lite(_Dpp):
    """DPP by the distance from the window's mean; keys ``CWeightCalc.weight`` (L) and ``PositiveBias.weight`` (A).

    Args:
        nPlane: the number of input channels.

    Raises:
        ValueError: ``nPlane`` is not an int >= 1; called with an input of other channels or axes.
    """

    reward, full = "symmetric", False


class DPP_asym_lite(_Dpp):
    """:class:`DPP_sym_lite` that only counts elements above the window's mean."""

    reward, full = "asymmetric", False


class DPP_sym_full(_Dpp):
    """:class:`DPP_sym_lite` by the distance from a learned filter; also keys ``conv.weight``, ``(C, 1, 3, 3)``, and
    ``conv.bias``.
    """

    reward, full = "symmetric", True


class DPP_asym_full(_Dpp):
    """:class:`DPP_sym_full` that only counts elements above the filtered input."""

    reward, full = "asymmetric", True
