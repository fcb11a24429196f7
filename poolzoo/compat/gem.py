"""Generalised-mean pooling under the names of ``cirtorch.layers`` (filipradenovic/cnnimageretrieval-pytorch).

The numbers are those of the paper, arXiv 1711.02512, eq. 3: ``y = (mean max(a, eps)^p)^(1/p)`` over the whole map.
Powers do not overflow, where ``pow(p)`` and ``pow(1/p)`` do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from poolzoo import functional
from poolzoo.operators.base import is_finite, shown_value

__all__ = ["GeM", "GeMmp", "gem"]


def gem(x: Tensor, p: float | Tensor = 3, eps: float = 1e-6) -> Tensor:
    """Return the generalised mean over the whole map: :func:`poolzoo.functional.global_gem_pool2d`.

    Args:
        x: ``(N, C, H, W)`` or ``(C, H, W)``, floating point.
        p: the exponent, > 0: a number, a tensor with one element, or one per channel, ``(C,)`` or ``(C, 1, 1)``.
        eps: elements below it count as ``eps``.

    Returns:
        ``(N, C, 1, 1)`` or ``(C, 1, 1)`` in the dtype of ``x``.

    Raises:
        ValueError: an argument is out of range.
        TypeError: the dtype of ``x`` is of the wrong kind.
    """
    if isinstance(p, Tensor):
        p = p.reshape(()) if p.numel() == 1 else p.flatten()
    return functional.global_gem_pool2d(x, p=p, eps=eps)


class GeMmp(nn.Module):
    """Module of :func:`gem` that learns ``mp`` exponents, one per channel; its state dict has the authors' key, ``p``.

    ``poolzoo.GlobalGemPool2d(channels=mp)`` loads the state dict too; it keeps the exponent above 0.01.

    Args:
        p: the start value, > 0.
        mp: the number of channels; 1 gives the layer one exponent.
        eps: elements below it count as ``eps``.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, p: float = 3, mp: int = 1, eps: float = 1e-6) -> None:
        super().__init__()
        if not (is_finite(p) and p > 0):
            raise ValueError(f"p={p!r}: a finite number > 0 is allowed")
        if type(mp) is not int or mp < 1:
            raise ValueError(f"mp={mp!r}: the number of channels, an int >= 1, is needed")
        if not (is_finite(eps) and eps > 0):
            raise ValueError(f"eps={eps!r}: a finite number > 0 is allowed")
        self.p = nn.Parameter(torch.full((mp,), float(p)))
        self.mp, self.eps = mp, eps

    def forward(self, x: Tensor) -> Tensor:
        return gem(x, self.p, self.eps)

    def extra_repr(self) -> str:
        shown = shown_value("p", self.p) | ({"mp": self.mp} if self.mp > 1 else {}) | {"eps": self.eps}
        return ", ".join(f"{key}={value}" for key, value in shown.items())

    if TYPE_CHECKING:  # torch's modules return Any

        def __call__(self, x: Tensor) -> Tensor:
            return self.forward(x)


class GeM(GeMmp):
    """Module of :func:`gem` that learns one exponent; its state dict has the authors' key, ``p``.

    ``poolzoo.GlobalGemPool2d()`` loads the state dict too; it keeps the exponent above 0.01.

    Args:
        p: the start value, > 0.
        eps: elements below it count as ``eps``.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, p: float = 3, eps: float = 1e-6) -> None:
        super().__init__(p, 1, eps)
