"""Pools to an output size and of the whole input: the modules that take the place of kernel, stride and padding.

``poolzoo.create`` puts them under every operator that is a function of single windows: ``AdaptiveLpPool2d`` and
``GlobalGemPool2d`` differ from ``LpPool2d`` and ``GemPool2d`` in their windows only.
"""

from __future__ import annotations

from torch import Tensor, nn

from poolzoo.geometry import AnyGeometry, Sizes, make_bins
from poolzoo.operators.base import Pool


class AdaptivePool(Pool):
    """A pool to a given output size, whatever the input's size; windows as torch's adaptive pools have them."""

    form = "adaptive"

    def __init__(self, output_size: Sizes) -> None:
        nn.Module.__init__(self)
        self.geometry: AnyGeometry = make_bins(self.ndim, output_size)  # type: ignore[assignment]
        self.output_size = output_size

    def shown_windows(self) -> list[str]:
        return [f"output_size={self.output_size!r}"]


class GlobalPool(AdaptivePool):
    """A pool of the whole input to one value per channel."""

    form = "global"

    def __init__(self, *, flatten: bool = False) -> None:
        super().__init__(1)
        if not isinstance(flatten, bool):
            raise TypeError(f"flatten={flatten!r}: True or False is allowed")
        self.flatten = flatten

    def forward(self, input: Tensor) -> Tensor:
        y = super().forward(input)
        return y.flatten(-self.ndim - 1) if self.flatten else y

    def shown_windows(self) -> list[str]:
        return ["flatten=True"] if self.flatten else []
