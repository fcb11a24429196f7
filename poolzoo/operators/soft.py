"""SoftPool: a softmax-weighted sum, its two historical variants, and AutoPool, which learns its sharpness."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from poolzoo.geometry import AnyGeometry, Geometry, accumulation_dtype, check_input, like
from poolzoo.operators.base import (
    Pool,
    channel_parameter,
    check_backend,
    is_finite,
    learned_at,
    learned_over_map,
    shown_share,
)
from poolzoo.registry import Native, register_pool
from poolzoo.standard_operators import weighted_means
from poolzoo.windows import MOST_IN_FLOAT32, absent, maximum, pool_windows, windows


def _check_beta(beta: float | Tensor = 1.0) -> None:
    scalar = isinstance(beta, Tensor) and beta.dim() == 0
    if not scalar and not is_finite(beta):
        raise ValueError(f"beta={beta!r}: a finite number or a tensor of one is allowed")


def softmax_weights(logit: Tensor, mask: Tensor | None) -> Tensor:
    """Return the softmax over the window, 0 outside the input; large windows are computed in float64."""
    taps = logit.shape[-1]
    # torch's softmax adds up one by one, which in float32 loses digits. A size that is not known yet may be large.
    dtype = torch.float64 if not isinstance(taps, int) or taps > MOST_IN_FLOAT32 else None
    # It runs along K where that is stored, first; its backward never divides two large numbers.
    return absent(logit, mask, -math.inf).movedim(-1, 0).softmax(0, dtype=dtype).movedim(0, -1)


def weighted_mean(weight: Tensor, a: Tensor, centre: Tensor) -> Tensor:
    """Return ``sum weight a``, for weights that sum to 1, computed as ``centre + sum weight (a - centre)``.

    In this form, the gradient's ``a_i - y`` is a difference of small numbers where the window is nearly constant,
    however large its elements are. Halved first, the difference of two finite numbers cannot overflow. ``centre`` has
    shape ``(..., *out, 1)``.
    """
    distance = a / 2 - centre / 2
    # Where there is no weight, twice the distance, which may be infinite, times 0 would be the gradient.
    distance = distance.masked_fill((weight == 0) & (distance.abs() < math.inf), 0.0)
    half = (weight * distance).sum(-1)
    return centre.squeeze(-1) + half + half


def _soft(a: Tensor, mask: Tensor | None, beta: float | Tensor, weigh: Tensor) -> Tensor:
    """Apply softpool to ``a`` with weights computed from ``weigh``: ``a`` itself, or ``a`` detached."""
    inside = a.detach()
    low, high = -maximum(-inside, mask).unsqueeze(-1), maximum(inside, mask).unsqueeze(-1)
    centre = torch.where(beta < 0, low, high) if isinstance(beta, Tensor) else low if beta < 0 else high
    # beta multiplies the difference to the extreme, not a: beta a could overflow where beta (a - centre) matters not.
    weight = softmax_weights(2 * beta * (weigh / 2 - centre / 2), mask)
    return weighted_mean(weight, a, centre)


def _soft_in_standard_operators(x: Tensor, geometry: Geometry, *, beta: float | Tensor = 1.0) -> Tensor:
    if isinstance(beta, Tensor):
        return weighted_means(x, x * beta.sign(), geometry, beta.abs())
    return weighted_means(x, -x if beta < 0 else x, geometry, abs(beta))


@register_pool(
    "softpool",
    family="softmax-weighted",
    function_name="soft_pool",
    class_name="SoftPool",
    summary="sum of the window weighted by its softmax",
    formula="y = sum w a, w = softmax(beta a)",
    source="Stergiou et al., arXiv 2101.00440, eq. 1-2 (beta = 1)",
    check=_check_beta,
    native=Native("softpool", "SoftPool", value="beta"),
    in_standard_operators=_soft_in_standard_operators,
)
def softpool(a: Tensor, mask: Tensor | None, *, beta: float | Tensor = 1.0) -> Tensor:
    """``beta`` sets the sharpness: at 0 the result is the mean; large values approach the maximum, negative ones the
    minimum.

    In an ONNX file, exponents are relative to the channel's maximum while all lie within 60 of it, and otherwise to
    the window's: an If chooses at run time.

    The gradient is the exact derivative, ``w_i (1 + beta (a_i - y))``. SoftPool depends on the input's scale: on images
    in [0, 1] it is close to average pooling.
    """
    return _soft(a, mask, beta, a)


@register_pool(
    "softpool_detached",
    family="softmax-weighted",
    function_name="soft_pool_detached",
    class_name="SoftPoolDetached",
    summary="SoftPool whose weights are constants to autograd",
    formula="y = sum w a, w = softmax(beta a), dy/da = w",
    source="the gradient of the SoftPool authors' CUDA kernel",
    check=_check_beta,
    in_standard_operators=_soft_in_standard_operators,
    exempt={"gradcheck": "the gradient w is not the derivative of y: the weights are held constant"},
)
def softpool_detached(a: Tensor, mask: Tensor | None, *, beta: float | Tensor = 1.0) -> Tensor:
    """Reproduces results of the authors' extension. The forward pass equals softpool with the same ``beta``."""
    return _soft(a, mask, beta, a.detach())


@register_pool(
    "softpool_channelsum",
    over="input",
    family="softmax-weighted",
    function_name="soft_pool_channelsum",
    class_name="SoftPoolChannelsum",
    summary="SoftPool with one mask summed over the channels, negative results set to 0",
    formula="y = max(0, sum m a / sum m), m = sum over channels of exp(a)",
    source="the SoftPool authors' released CPU path since v1.0",
    exempt={
        "constant_negative": "results below 0 are set to 0",
        "huge": "its gradient is a sum over the channels",
        "permutation": "the mask is shared by the channels",
        "nan": "the mask is shared by the channels",
    },
    not_adaptive="",
)
def softpool_channelsum(x: Tensor, geometry: AnyGeometry) -> Tensor:
    """Reproduces results of the authors' CPU path, which differs from the paper's definition."""
    check_input(x, geometry.ndim)
    a, inside = windows(x.to(accumulation_dtype(x.dtype)), geometry)
    channel = x.dim() - geometry.ndim - 1
    # log sum exp over the channels, so that the mask is softmax of something finite.
    weights = softmax_weights(a.logsumexp(channel, keepdim=True), inside)
    centre = maximum(a.detach(), inside).unsqueeze(-1)
    return like(weighted_mean(weights, a, centre).clamp(min=0), x)


class _AutoPool(Pool):
    """The module learns ``beta``, which starts at the given value and may become any number. ``channels`` gives each
    channel its own; None gives the layer one.
    """

    def __init__(
        self,
        *args: Any,
        beta: float = 1.0,
        channels: int | None = None,
        backend: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        check_backend(backend)
        self.backend = backend
        if not is_finite(beta):
            raise ValueError(f"beta={beta!r}: a finite start value is allowed")
        self.beta = channel_parameter(beta, channels, device, dtype)

    def params(self, x: Tensor) -> dict[str, Any]:
        return {"beta": self.beta, "backend": self.backend}

    def shown_params(self) -> dict[str, Any]:
        return shown_share("beta", self.beta)


def _check_auto(beta: float | Tensor = 1.0) -> None:
    if not isinstance(beta, Tensor):
        _check_beta(beta)


def _auto_in_standard_operators(x: Tensor, geometry: Geometry, *, beta: float | Tensor = 1.0) -> Tensor:
    return _soft_in_standard_operators(x, geometry, beta=learned_over_map("beta", beta, x, geometry))


@register_pool(
    "autopool",
    over="input",
    family="softmax-weighted",
    function_name="auto_pool",
    class_name="AutoPool",
    summary="softpool with beta learned",
    formula="y = sum w a, w = softmax(beta a)",
    source="McFee et al. 2018, arXiv 1804.10070; marl/autopool, autopool/keras.py",
    module=_AutoPool,
    not_adaptive="",
    learnable=True,
    learning_rate=0.3,
    check=_check_auto,
    native=Native("softpool", "SoftPool", value="beta"),
    in_standard_operators=_auto_in_standard_operators,
)
def autopool(x: Tensor, geometry: AnyGeometry, *, beta: float | Tensor = 1.0) -> Tensor:
    """``beta`` is a number or a tensor: a scalar or one value per channel. At 1 the result is softpool, at 0 the mean;
    large values approach the maximum, negative ones the minimum.

    The gradient is the exact derivative, ``w_i (1 + beta (a_i - y))`` by the elements and ``sum w (a - y)^2`` by beta.
    Native code takes one beta for all channels.

    The authors pool the whole time axis of probabilities; their Keras layer starts beta at 0, which is the mean, and
    their PyTorch layer applies a sigmoid to the input first. The code was read, the paper's text was not.
    """
    return pool_windows(x, geometry, softpool, beta=learned_at("beta", beta, x, geometry))
