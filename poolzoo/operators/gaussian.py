"""Gaussian-based pooling (Kobayashi 2019): the mean plus a multiple of the standard deviation, chosen by small layers
from the whole feature map.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo.geometry import AnyGeometry, accumulation_dtype, check_input, like
from poolzoo.operators.base import check_count, check_generator, is_number, without_autocast
from poolzoo.operators.basic import avg_pool
from poolzoo.operators.lazy import LazyPool
from poolzoo.operators.stochastic import check_draw
from poolzoo.registry import register_pool
from poolzoo.windows import absent, largest, mean, windows


class _Gaussian(LazyPool):
    """The module learns three layers. ``hidden`` units with a ReLU read the average of each channel over the whole map;
    from them, one layer gives m, and one with a sigmoid gives s, both per sample and channel. The last two start at 0:
    m = 0 and s = 1/2, so an untrained module adds 0.69 standard deviations in evaluation.

    ``channels`` is the number of input channels; None takes it from the first input. ``hidden=None`` is half of
    ``channels``. A module in training mode draws, from ``generator`` if given.
    """

    stochastic = True

    def __init__(
        self,
        *args: Any,
        channels: int | None = None,
        hidden: int | None = None,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, channels=channels, **kwargs)
        check_count("hidden", hidden)
        check_generator(generator)
        self.hidden, self.generator = hidden, generator
        self.start(device, dtype)

    def make_parts(self, channels: int) -> dict[str, nn.Module]:
        width = max(channels // 2, 1) if self.hidden is None else self.hidden
        parts = {name: nn.Linear(width, channels) for name in ("to_m", "to_s")}
        for part in parts.values():
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)
        return {"to_hidden": nn.Linear(channels, width), **parts}

    def params(self, x: Tensor) -> dict[str, Any]:
        self.initialize_parameters(x)
        parts: dict[str, Any] = dict(self.named_children())
        own = parts["to_m"].weight.dtype
        wide = torch.promote_types(accumulation_dtype(x.dtype), accumulation_dtype(own))
        average = x.to(wide).mean(tuple(range(-self.ndim, 0)))

        def layer(name: str, a: Tensor) -> Tensor:
            return F.linear(a, parts[name].weight.to(wide), parts[name].bias.to(wide))

        with without_autocast(x):
            units = layer("to_hidden", average).relu()
            m, s = layer("to_m", units), torch.sigmoid(layer("to_s", units))
        return {"m": m, "s": s, "training": self.training, "generator": self.generator}

    def shown_params(self) -> dict[str, Any]:
        shown = {"channels": self.channels, "hidden": self.hidden}
        return {key: value for key, value in shown.items() if value is not None}


def _check_gaussian(
    m: float | Tensor = 0.0,
    s: float | Tensor = 0.5,
    training: bool = False,
    generator: torch.Generator | None = None,
) -> None:
    if not isinstance(m, Tensor) and not (is_number(m) and m < math.inf):
        raise ValueError(f"m={m!r}: a number < inf is allowed")
    if not isinstance(s, Tensor) and not (is_number(s) and 0 <= s < math.inf):
        raise ValueError(f"s={s!r}: a finite number >= 0 is allowed")
    check_draw(training, generator)


def _of_maps(name: str, value: float | Tensor, x: Tensor, ndim: int) -> float | Tensor:
    """Reshape one value per channel, or per sample and channel, to broadcast with pooled maps."""
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value
    maps = tuple(x.shape[:-ndim])
    if tuple(value.shape) not in (maps, maps[-1:]):
        allowed = f"a scalar, one per channel, {maps[-1:]}, or one per map, {maps}, is allowed"
        raise ValueError(f"{name}: shape {tuple(value.shape)}; {allowed}")
    return value.reshape(*value.shape, *(1,) * ndim)


@register_pool(
    "gaussian",
    over="input",
    family="stochastic",
    summary="mean plus a learned multiple of the standard deviation, random in training",
    formula="y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal",
    source="Kobayashi, NeurIPS 2019; tk1980/GaussianPooling, models/modules/mylayers.py",
    module=_Gaussian,
    not_adaptive="",
    learnable=True,
    stochastic=True,
    check=_check_gaussian,
    exempt={
        "constant": "a constant c gives c + 0.001 softplus(m): the variance is at least 1e-6",
        "constant_negative": "a constant c gives c + 0.001 softplus(m): the variance is at least 1e-6",
        "nan": "the average spreads a NaN over the whole feature map",
        "huge": "the gradient of m is a sum over the whole map",
    },
)
def gaussian(
    x: Tensor,
    geometry: AnyGeometry,
    *,
    m: float | Tensor = 0.0,
    s: float | Tensor = 0.5,
    training: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """mu and sigma are the mean and the standard deviation of the window, the latter at least 0.001. ``m`` and ``s``
    are numbers or tensors: a scalar, one value per channel, or one per sample and channel. ``m=-inf`` is average
    pooling. ``training=True``, a module's training mode, draws one e per output, from ``generator`` if given, as the
    authors do by default (``HWCN``).

    In the authors' code, a batch normalisation follows each of the three layers; here there is none, so that no result
    depends on the other samples of its batch. In evaluation theirs is part of a linear layer: folded into the weights,
    it gives the same values. Their variance is the mean of squares less the square of the mean, which loses digits; and
    their padding counts as zeros, except in their CUDA class. The code was read, the paper's text was not.
    """
    mu, sigma = _moments(x, geometry)
    m, s = (_of_maps(name, value, x, geometry.ndim) for name, value in (("m", m), ("s", s)))
    if training:
        m = m + s * torch.randn(mu.shape, dtype=mu.dtype, device=mu.device, generator=generator)
    factor = F.softplus(m if isinstance(m, Tensor) else torch.as_tensor(m, dtype=mu.dtype, device=mu.device))
    return like(mu + factor * sigma, x)


#: The least standard deviation.
_LEAST = 1e-3


def _moments(x: Tensor, geometry: AnyGeometry) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each window.

    That of float32 and half types is the root of the mean of squares less the square of the mean, in float64: its error
    is below the spacing of float32 numbers of the mean's size. No copy of the windows is needed.
    """
    check_input(x, geometry.ndim)
    if x.dtype is torch.float64:
        a, mask = windows(x, geometry)
        mu = mean(a, mask)
        return mu, deviation(a, mask, mu, _LEAST)
    a = x.double()
    mu = avg_pool(a, geometry)
    variance = avg_pool(a.square(), geometry) - mu.square()
    # Of an infinite mean it is NaN, and so is the deviation.
    return mu, torch.where(variance < _LEAST**2, torch.full_like(variance, _LEAST**2), variance).sqrt()


def deviation(a: Tensor, mask: Tensor | None, mu: Tensor, least: float) -> Tensor:
    """Return the standard deviation of each window around its mean ``mu``, at least ``least``.

    Distances are halved and divided by the largest, so that nothing overflows unless the result does.
    """
    half = absent(a / 2 - mu.unsqueeze(-1) / 2, mask, 0.0)
    most = largest(half, least)
    variance = mean((half / most).square(), mask).unsqueeze(-1)
    floor = (least / 2 / most).square()
    return (2 * most * torch.maximum(variance, floor).sqrt()).squeeze(-1)
