"""SoftPool under the names of its authors' package (``SoftPool``, alexandrosstergiou/SoftPool).

``from poolzoo.compat.softpool import soft_pool2d, SoftPool2d`` replaces ``from SoftPool import soft_pool2d,
SoftPool2d``. The numbers are those of the paper, arXiv 2101.00440: ``y = sum w a, w = softmax(a)``.

Differences to the authors' code: the gradient is exact (their CUDA kernel treats the weights as constants, which
:class:`poolzoo.SoftPoolDetached2d` reproduces); large inputs do not overflow; a NaN stays in the outputs whose windows
hold it; the output size is torch's for every kernel size and stride; inputs without a batch axis are not changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from poolzoo import functional
from poolzoo.geometry import IntOrTuple, make_geometry

__all__ = ["SoftPool1d", "SoftPool2d", "SoftPool3d", "soft_pool1d", "soft_pool2d", "soft_pool3d"]


def soft_pool1d(
    x: Tensor, kernel_size: IntOrTuple = 2, stride: IntOrTuple | None = None, force_inplace: bool = False
) -> Tensor:
    """Pool ``(N, C, L)`` or ``(C, L)``; see :func:`soft_pool2d`."""
    return functional.soft_pool1d(x, kernel_size, stride)


def soft_pool2d(
    x: Tensor, kernel_size: IntOrTuple = 2, stride: IntOrTuple | None = None, force_inplace: bool = False
) -> Tensor:
    """Return the softmax-weighted sum of every window: :func:`poolzoo.functional.soft_pool2d` with beta = 1.

    Args:
        x: ``(N, C, H, W)`` or ``(C, H, W)``, floating point.
        kernel_size: size of the window, an int or one per axis.
        stride: step between windows; None means ``kernel_size``.
        force_inplace: accepted and without effect: it chose between the authors' CUDA kernel and torch's operators.

    Returns:
        A map of torch's size for average pooling, in the dtype of ``x``.

    Raises:
        ValueError: an argument is out of range, or ``x`` is smaller than a window.
        TypeError: an argument or the dtype of ``x`` is of the wrong kind.
    """
    return functional.soft_pool2d(x, kernel_size, stride)


def soft_pool3d(
    x: Tensor, kernel_size: IntOrTuple = 2, stride: IntOrTuple | None = None, force_inplace: bool = False
) -> Tensor:
    """Pool ``(N, C, D, H, W)`` or ``(C, D, H, W)``; see :func:`soft_pool2d`."""
    return functional.soft_pool3d(x, kernel_size, stride)


class _SoftPool(nn.Module):
    ndim: ClassVar[int]

    def __init__(
        self, kernel_size: IntOrTuple = 2, stride: IntOrTuple | None = None, force_inplace: bool = False
    ) -> None:
        super().__init__()
        make_geometry(self.ndim, kernel_size, stride)
        self.kernel_size, self.stride, self.force_inplace = kernel_size, stride, force_inplace

    def forward(self, x: Tensor) -> Tensor:
        pool = {1: soft_pool1d, 2: soft_pool2d, 3: soft_pool3d}[self.ndim]
        return pool(x, self.kernel_size, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"

    if TYPE_CHECKING:  # torch's modules return Any

        def __call__(self, x: Tensor) -> Tensor:
            return self.forward(x)


class SoftPool1d(_SoftPool):
    """Module of :func:`soft_pool1d`. It has no parameters, and neither had the authors' module."""

    ndim = 1


class SoftPool2d(_SoftPool):
    """Module of :func:`soft_pool2d`. It has no parameters, and neither had the authors' module."""

    ndim = 2


class SoftPool3d(_SoftPool):
    """Module of :func:`soft_pool3d`. It has no parameters, and neither had the authors' module."""

    ndim = 3
