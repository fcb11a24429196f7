"""Anti-aliased downsampling under the names of ``antialiased_cnns`` (adobe/antialiased-cnns, arXiv 1904.11486).

``from poolzoo.compat.antialiased import BlurPool`` replaces ``antialiased_cnns.BlurPool``, with its three kinds of
padding. The filter is computed, not read from the buffer, which is there for state dicts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo import functional
from poolzoo.geometry import check_input
from poolzoo.operators.base import check_channels
from poolzoo.windows import outer_product

__all__ = ["BlurPool", "BlurPool1D", "BlurPool3D", "BlurPoolND", "Downsample", "Downsample1D"]

#: The authors' names of paddings, and torch's.
_MODES = {
    "reflect": "reflect",
    "refl": "reflect",
    "replicate": "replicate",
    "repl": "replicate",
    "zero": "constant",
}


def _check_int(name: str, value: object, least: int, most: int | None = None) -> None:
    if type(value) is not int or value < least or (most is not None and value > most):
        allowed = f">= {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}={value!r}: an int {allowed} is allowed")


class BlurPoolND(nn.Module):
    """Pad, apply the binomial filter of ``filt_size`` taps along each axis, and keep every ``stride``-th value.

    With ``pad_type="reflect"`` and ``pad_off=0`` this is ``poolzoo.BlurPool2d(1, stride=stride, filt_size=filt_size)``.
    The state dict has the authors' key, ``filt``; a filter with other values is refused, because it is not used.

    Args:
        channels: the number of input channels.
        pad_type: ``reflect`` or ``refl``, ``replicate`` or ``repl``, ``zero``.
        filt_size: taps of the filter, 1 to 7.
        stride: step between values that are kept.
        pad_off: positions padded in addition, on both sides of each axis.
        dims: the number of spatial axes, 1 to 3.

    Shape:
        ``(N, C, H, W)`` becomes ``(N, C, H', W')``, ``H' = (H - 1 + 2 * pad_off) // stride + 1``.

    Raises:
        ValueError: an argument that is not allowed; called with an input of other channels or axes.
    """

    filt: Tensor

    def __init__(
        self,
        channels: int,
        pad_type: str = "reflect",
        filt_size: int = 4,
        stride: int = 2,
        pad_off: int = 0,
        dims: int = 2,
    ) -> None:
        super().__init__()
        check_channels(_given(channels))
        if pad_type not in _MODES:
            raise ValueError(f"pad_type={pad_type!r}: {', '.join(map(repr, _MODES))} are allowed")
        _check_int("filt_size", filt_size, 1, 7)
        _check_int("stride", stride, 1)
        _check_int("pad_off", pad_off, 0)
        _check_int("dims", dims, 1, 3)
        self.channels, self.pad_type, self.filt_size = channels, pad_type, filt_size
        self.stride, self.pad_off, self.dims = stride, pad_off, dims
        row = torch.tensor([math.comb(filt_size - 1, tap) for tap in range(filt_size)], dtype=torch.float32)
        filt = outer_product([row / row.sum()] * dims)
        self.register_buffer("filt", filt.expand(channels, 1, *filt.shape).clone())

    def forward(self, inp: Tensor) -> Tensor:
        check_input(inp, self.dims)
        if inp.shape[-self.dims - 1] != self.channels:
            raise ValueError(f"input: {inp.shape[-self.dims - 1]} channels; channels={self.channels} are needed")
        before = (self.filt_size - 1) // 2 + self.pad_off
        pads = (before, self.filt_size - 1 + 2 * self.pad_off - before) * self.dims
        # The windows are as large as the filter, so that it does not reach outside the padded input.
        x = F.pad(inp, pads, mode=_MODES[self.pad_type]) if any(pads) else inp
        blur = getattr(functional, f"blur_pool{self.dims}d")
        result: Tensor = blur(x, self.filt_size, self.stride, filt_size=self.filt_size)
        return result

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        given = state_dict.get(f"{prefix}filt")
        comparable = isinstance(given, Tensor) and given.shape == self.filt.shape and not self.filt.is_meta
        if comparable and not torch.allclose(torch.as_tensor(given).to(self.filt), self.filt, rtol=1e-2, atol=1e-4):
            errors: list[str] = args[-1]
            errors.append(f"{prefix}filt: the binomial filter of filt_size={self.filt_size} is needed, and applied")
            return
        super()._load_from_state_dict(state_dict, prefix, *args)

    def extra_repr(self) -> str:
        shown = f"{self.channels}, pad_type={self.pad_type!r}, filt_size={self.filt_size}, stride={self.stride}"
        return f"{shown}, pad_off={self.pad_off}, dims={self.dims}"

    if TYPE_CHECKING:  # torch's modules return Any

        def __call__(self, inp: Tensor) -> Tensor:
            return self.forward(inp)


BlurPool = BlurPoolND


class BlurPool1D(BlurPoolND):
    """:class:`BlurPoolND` for ``(N, C, L)``."""

    def __init__(
        self, channels: int, pad_type: str = "reflect", filt_size: int = 4, stride: int = 2, pad_off: int = 0
    ) -> None:
        super().__init__(channels, pad_type, filt_size, stride, pad_off, dims=1)


class BlurPool3D(BlurPoolND):
    """:class:`BlurPoolND` for ``(N, C, D, H, W)``; it also pads by reflection, which the authors' does not."""

    def __init__(
        self, channels: int, pad_type: str = "reflect", filt_size: int = 4, stride: int = 2, pad_off: int = 0
    ) -> None:
        super().__init__(channels, pad_type, filt_size, stride, pad_off, dims=3)


class Downsample(BlurPoolND):
    """:class:`BlurPoolND` for ``(N, C, H, W)`` under its name before the package, with its order of arguments."""

    def __init__(
        self,
        pad_type: str = "reflect",
        filt_size: int = 4,
        stride: int = 2,
        channels: int | None = None,
        pad_off: int = 0,
    ) -> None:
        super().__init__(_given(channels), pad_type, filt_size, stride, pad_off)


class Downsample1D(BlurPoolND):
    """:class:`BlurPoolND` for ``(N, C, L)`` under its name before the package, with its order of arguments."""

    def __init__(
        self,
        pad_type: str = "reflect",
        filt_size: int = 3,
        stride: int = 2,
        channels: int | None = None,
        pad_off: int = 0,
    ) -> None:
        super().__init__(_given(channels), pad_type, filt_size, stride, pad_off, dims=1)


def _given(channels: int | None) -> int:
    if channels is None:
        raise ValueError("channels=None: the number of input channels, an int >= 1, is needed")
    return channels
