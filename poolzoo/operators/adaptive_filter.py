"""Adaptive low-pass filtering: the blur filter of each place is predicted from what lies there (Zou et al. 2020)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from poolzoo.geometry import Geometry, accumulation_dtype, check_input, like, output_size
from poolzoo.operators.base import without_autocast
from poolzoo.operators.lazy import LazyPool
from poolzoo.registry import register_pool
from poolzoo.windows import centred_taps, reflect, windows_at

_CONV: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def _check_int(name: str, value: object, most: int | None = None) -> None:
    if type(value) is not int or value < 1 or (most is not None and value > most):
        allowed = "an int >= 1" if most is None else f"an int from 1 to {most}"
        raise ValueError(f"{name}={value!r}: {allowed} is allowed")


def _check_adaptive_blur(
    weight: Tensor | None = None, bias: Tensor | None = None, groups: int = 1, filt_size: int = 3
) -> None:
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and not isinstance(value, Tensor):
            raise ValueError(f"{name}={value!r}: a tensor or None is allowed")
    _check_int("groups", groups)
    _check_int("filt_size", filt_size, 7)


class _AdaptiveBlur(LazyPool):
    """The module learns the convolution, with a bias. It starts at 0, so that an untrained filter is a box.

    ``channels`` is the number of input channels; None takes it from the first input.
    """

    conv: nn.Module
    told_by: ClassVar = ("conv.weight", 1)

    def __init__(
        self,
        *args: Any,
        channels: int | None = None,
        groups: int = 1,
        filt_size: int = 3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, channels=channels, **kwargs)
        _check_adaptive_blur(groups=groups, filt_size=filt_size)
        self.groups, self.filt_size = groups, filt_size
        self.start(device, dtype)

    def make_parts(self, channels: int) -> dict[str, nn.Module]:
        conv = _CONV[self.ndim](channels, self.groups * self.filt_size**self.ndim, self.filt_size)
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
        return {"conv": conv}

    def params(self, x: Tensor) -> dict[str, Any]:
        self.initialize_parameters(x)
        learned = {"weight": self.conv.weight, "bias": self.conv.bias}
        return learned | {"groups": self.groups, "filt_size": self.filt_size}

    def shown_params(self) -> dict[str, Any]:
        shown: dict[str, Any] = {} if self.channels is None else {"channels": self.channels}
        shown |= {"groups": self.groups} if self.groups != 1 else {}
        return shown | ({"filt_size": self.filt_size} if self.filt_size != 3 else {})


def _logits(a: Tensor, weight: Tensor | None, bias: Tensor | None, groups: int, ndim: int) -> Tensor:
    """Return ``(..., *out, G, K)`` for the filters' elements ``a``, ``(..., C, *out, K)``."""
    channels, taps = a.shape[-ndim - 2], a.shape[-1]
    wide = a.dtype
    for value in (weight, bias):
        wide = wide if value is None else torch.promote_types(wide, value.dtype)
    logits = a.new_zeros(*a.shape[: -ndim - 2], *a.shape[-ndim - 1 : -1], groups * taps, dtype=wide)
    with without_autocast(a):
        if weight is not None:
            if weight.shape[:2] != (groups * taps, channels) or weight[0, 0].numel() != taps:
                needed = f"({groups * taps}, {channels}, *filter) with {taps} taps is needed"
                raise ValueError(f"weight: shape {tuple(weight.shape)}; {needed}")
            rows = a.movedim(-ndim - 2, -2).flatten(-2).to(wide)
            logits = rows @ weight.to(wide).flatten(1).T
        if bias is not None:
            if bias.shape != (groups * taps,):
                raise ValueError(f"bias: shape {tuple(bias.shape)}; ({groups * taps},) is needed")
            logits = logits + bias.to(wide)
    return logits.reshape(*logits.shape[:-1], groups, taps)


@register_pool(
    "adaptive_blur",
    over="input",
    family="anti-aliased",
    function_name="pasa_pool",
    class_name="PasaPool",
    summary="low-pass filter predicted from the input at each place and for each group of channels, then decimation",
    formula="y = sum w a, w = softmax(conv(x) + b) over the filter's taps, centred on the window",
    source="Zou et al., arXiv 2008.09604; MaureenZOU/Adaptive-anti-Aliasing, models_lpf/layers/pasa.py",
    module=_AdaptiveBlur,
    learnable=True,
    learning_rate=0.02,
    check=_check_adaptive_blur,
    exempt={
        "permutation": "a filter weighs positions",
        "nan": "the filter reaches outside the window",
        "huge": "the gradient of the filter's weights sums over channels",
    },
)
def adaptive_blur(
    x: Tensor,
    geometry: Geometry,
    *,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    groups: int = 1,
    filt_size: int = 3,
) -> Tensor:
    """The authors call it PASA. The filter has ``filt_size`` taps per axis, 1 to 7, whatever the window's size, and
    lies as that of ``blur``; positions outside the input are mirrored at the edge.

    Its weights are the softmax of a convolution over the same elements of all channels: ``weight``, of shape
    ``(groups * K, C, *filter)`` with K taps, and ``bias``, ``(groups * K,)``; None is 0, which gives a box. Each of
    ``groups`` groups of channels, a divisor of their number, has a filter of its own.

    Deviations from the authors' code: they normalise the convolution's output by batch, which in evaluation is part of
    weight and bias; here it is left out, so that no result depends on the other samples. Their softmax runs over all
    groups together, so that the filters of two groups sum to 1, not each; here each does, which keeps constants. Their
    weights start at random, and ``group`` is 2 by default. The code was read, the paper's text was not.
    """
    check_input(x, geometry.ndim)
    n, channels = geometry.ndim, x.shape[-geometry.ndim - 1]
    if channels % groups:
        raise ValueError(f"groups={groups!r}: a divisor of the number of channels, {channels}, is allowed")
    out = output_size(x.shape[-n:], geometry)
    positions = [
        reflect(centred_taps(axis, o, geometry, filt_size, x.device), x.shape[axis - n]) for axis, o in enumerate(out)
    ]
    everywhere = [torch.ones_like(position, dtype=torch.bool) for position in positions]
    a, _ = windows_at(x.to(accumulation_dtype(x.dtype)), positions, everywhere)
    w = _logits(a, weight, bias, groups, n).softmax(-1).movedim(-2, -n - 2).unsqueeze(-n - 2)
    lead = a.shape[: -n - 2]
    grouped = a.reshape(*lead, groups, channels // groups, *a.shape[-n - 1 :])
    y = (grouped * w).sum(-1)
    return like(y.reshape(*lead, channels, *y.shape[-n:]), x)
