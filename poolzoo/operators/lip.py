"""Local importance pooling (LIP): weights e^G(a), where G is a small network that sees the whole feature map."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from poolzoo.geometry import (
    AnyGeometry,
    Geometry,
    accumulation_dtype,
    check_input,
    check_same_shape,
    like,
    make_geometry,
    output_size,
)
from poolzoo.operators.base import check_backend
from poolzoo.operators.lazy import LazyPool
from poolzoo.operators.soft import softmax_weights, weighted_mean
from poolzoo.registry import Native, register_pool
from poolzoo.standard_operators import weighted_means
from poolzoo.windows import maximum, windows

#: The gate's upper bound: weights differ by at most e^12 (the paper's section 3.3).
COEFF = 12.0
BOTTLENECK_WIDTH = 128
#: Layers of the bottleneck logit that the LIPs of a ResNet's block share; each LIP has its own other layers.
_SHARED = 6
_HALVING = make_geometry(2, 3, stride=2, padding=1)
_CONV: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class _InstanceNorm(nn.Module):
    """Instance normalisation with torch's parameter names that also takes inputs that torch refuses: one position, or
    no batch.
    """

    def __init__(self, channels: int, ndim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.ndim, self.eps = ndim, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(accumulation_dtype(x.dtype))
        axes = tuple(range(-self.ndim, 0))
        centred = wide - wide.mean(axes, keepdim=True)
        scale = torch.rsqrt(centred.square().mean(axes, keepdim=True) + self.eps)
        shape = (-1,) + (1,) * self.ndim
        return (centred * scale * self.weight.reshape(shape) + self.bias.reshape(shape)).to(x.dtype)


class _SoftGate(nn.Module):
    """Apply ``12 sigmoid(x)``, which bounds the importance."""

    def forward(self, x: Tensor) -> Tensor:
        return COEFF * torch.sigmoid(x)


def logit_module(channels: int, ndim: int, variant: str, width: int = BOTTLENECK_WIDTH) -> nn.Sequential:
    """Return G of the paper. Its last convolution is initialised to 0, so an untrained LIP is average pooling.

    Parameters are named as in the authors' code: ``conv``, ``bn`` and ``conv1`` to ``bn3``.
    """
    conv = _CONV[ndim]
    if variant == "simplified":
        layers: list[tuple[str, nn.Module]] = [
            ("conv", conv(channels, channels, 3, padding=1, bias=False)),
            ("bn", _InstanceNorm(channels, ndim)),
        ]
    else:
        layers = [
            ("conv1", conv(channels, width, 1, bias=False)),
            ("bn1", _InstanceNorm(width, ndim)),
            ("relu1", nn.ReLU()),
            ("conv2", conv(width, width, 3, padding=1, bias=False)),
            ("bn2", _InstanceNorm(width, ndim)),
            ("relu2", nn.ReLU()),
            ("conv3", conv(width, channels, 1, bias=False)),
            ("bn3", _InstanceNorm(channels, ndim)),
        ]
    last = layers[-2][1]
    assert isinstance(last.weight, nn.Parameter)
    nn.init.zeros_(last.weight)
    return nn.Sequential(OrderedDict([*layers, ("gate", _SoftGate())]))


class SharedLogit(nn.Module):
    """The layers of a bottleneck logit up to its second ReLU, which the LIPs of a ResNet's block share."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.logit = logit_module(channels, 2, "bottleneck")[:_SHARED]

    def forward(self, x: Tensor) -> Tensor:
        return self.logit(x)  # type: ignore[no-any-return]


class LipOfShared(nn.Module):
    """LIP, 3x3 with stride 2 and padding 1, whose logit is that of the shared layers and its own 1x1 convolution, which
    starts at 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        own = list(logit_module(channels, 2, "bottleneck"))[_SHARED:]
        self.postprocessing = nn.Sequential(OrderedDict(zip(("conv", "bn", "gate"), own, strict=True)))

    def forward(self, x: Tensor, shared: Tensor) -> Tensor:
        return lip(x, _HALVING, logit=self.postprocessing(shared))


class _Lip(LazyPool):
    """The module learns the importance network G; ``variant`` is ``simplified`` (3x3) or ``bottleneck`` (1x1-3x3-1x1).

    ``channels`` is the number of input channels; None takes it from the first input. ``width`` is the number of
    channels in the bottleneck. G is computed in the wider of the dtypes of input and parameters, and in float32 at
    least for float16.
    """

    logit: nn.Module

    def __init__(
        self,
        *args: Any,
        channels: int | None = None,
        variant: str = "simplified",
        width: int = BOTTLENECK_WIDTH,
        backend: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, channels=channels, **kwargs)
        if isinstance(width, bool) or not isinstance(width, int) or width < 1:
            raise ValueError(f"width={width!r}: an int >= 1 is needed")
        if variant not in ("simplified", "bottleneck"):
            raise ValueError(f"variant={variant!r}: 'simplified' or 'bottleneck' is allowed")
        check_backend(backend)
        self.variant, self.width, self.backend = variant, width, backend
        self.start(device, dtype)

    def make_parts(self, channels: int) -> dict[str, nn.Module]:
        return {"logit": logit_module(channels, self.ndim, self.variant, self.width)}

    def params(self, x: Tensor) -> dict[str, object]:
        return {"logit": self._logit(x), "backend": self.backend}

    def _logit(self, x: Tensor) -> Tensor:
        self.initialize_parameters(x)
        output_size(x.shape[-self.ndim :], self.geometry)  # G's convolution would refuse in other words
        own = next(self.logit.parameters()).dtype
        dtype = torch.promote_types(x.dtype, own)
        if dtype is torch.float16:
            # The normalisation divides by as little as sqrt(eps), so G's gradient leaves float16's range.
            dtype = torch.float32
        if x.dtype is own is dtype:
            result: Tensor = self.logit(x)
            return result
        wide = {name: parameter.to(dtype) for name, parameter in self.logit.named_parameters()}
        of_wide: Tensor = torch.func.functional_call(self.logit, wide, (x.to(dtype),))
        return of_wide

    def shown_params(self) -> dict[str, object]:
        shown: dict[str, object] = {} if self.channels is None else {"channels": self.channels}
        return shown | {"variant": self.variant} | ({"width": self.width} if self.variant == "bottleneck" else {})


def _lip_in_standard_operators(x: Tensor, geometry: Geometry, *, logit: Tensor) -> Tensor:
    check_same_shape("logit", logit, x)
    return weighted_means(x, logit.to(x.dtype), geometry)


@register_pool(
    "lip",
    over="input",
    family="softmax-weighted",
    summary="sum of the window weighted by e^G, G a small network over the feature map",
    formula="y = sum a e^G(a) / sum e^G(a)",
    source="Gao et al., arXiv 1908.04156, eq. 3",
    module=_Lip,
    not_adaptive="",
    learnable=True,
    renamed={"in_channels": "channels"},
    native=Native("lip", "Lip", second="logit"),
    in_standard_operators=_lip_in_standard_operators,
    exempt={
        "permutation": "G looks at positions, and outside the window",
        "nan": "instance normalisation spreads a NaN over the whole feature map",
        "huge": "G's convolution sums over channels and taps",
    },
)
def lip(x: Tensor, geometry: AnyGeometry, *, logit: Tensor) -> Tensor:
    """``logit`` is G(x), of the shape of ``x``. In an untrained module G is constant, so it equals average pooling."""
    check_input(x, geometry.ndim)
    check_same_shape("logit", logit, x)
    dtype = accumulation_dtype(x.dtype)
    a, mask = windows(x.to(dtype), geometry)
    g, _ = windows(logit.to(dtype), geometry)
    centre = maximum(a.detach(), mask).unsqueeze(-1)
    return like(weighted_mean(softmax_weights(g, mask), a, centre), x)
