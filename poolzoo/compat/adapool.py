"""AdaPool under the names of its authors' package (``adaPool``, alexandrosstergiou/adaPool).

``from poolzoo.compat.adapool import AdaPool2d, adapool2d`` replaces ``from adaPool import AdaPool2d, adapool2d``. The
numbers are those of the paper, arXiv 2111.00772: ``y = beta edscw(a) + (1 - beta) softpool(a)``.

Differences to the authors' code: it runs on every device that torch has; the gradients are exact; a NaN stays in the
outputs whose windows hold it, where theirs becomes 0; exponentials do not overflow; inputs without a batch axis are not
changed. The authors keep one mask that all channels, and all images of a batch, overwrite; here each channel of each
image has its own, ``(N, C, ...)``. ``idw`` is defined for windows with an element at the mean (see
:func:`poolzoo.functional.idw_pool2d`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo import functional
from poolzoo.geometry import Geometry, IntOrTuple, accumulation_dtype, check_input, make_geometry, output_size
from poolzoo.operators.adapool import edscw_weights
from poolzoo.operators.soft import softmax_weights
from poolzoo.windows import mean, windows

__all__ = [
    f"{name}{ndim}d"
    for name in ("AdaPool", "AdaUnpool", "EDSCWPool", "EMPool", "IDWPool", "adapool", "edscwpool", "empool", "idwpool")
    for ndim in (1, 2, 3)
] + ["adaunpool"]

#: One mask, or the masks of edscw and of softpool with their share.
Mask = Tensor | tuple[Tensor, Tensor, Tensor]
Pooled = Tensor | tuple[Tensor, Mask]


# Masks ----------------------------------------------------------------------------------------------------------------


def _soft_weights(a: Tensor) -> Tensor:
    return softmax_weights(a, None)


def _similarity_weights(a: Tensor) -> Tensor:
    return edscw_weights(a, None, mean(a, None).unsqueeze(-1))


def _mask(x: Tensor, geometry: Geometry, weigh: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the weights of every window in its own cell of a map: ``(N, C, *(out * kernel_size))``."""
    check_input(x, geometry.ndim)
    n = geometry.ndim
    out = output_size(x.shape[-n:], geometry)
    weight = weigh(windows(x.detach().to(accumulation_dtype(x.dtype)), geometry)[0])
    lead = weight.shape[: -n - 1]
    weight = weight.reshape(*lead, *out, *geometry.kernel_size)
    first = len(lead)
    order = [axis for i in range(n) for axis in (first + i, first + n + i)]
    sizes = [o * k for o, k in zip(out, geometry.kernel_size, strict=True)]
    return weight.permute(*range(first), *order).reshape(*lead, *sizes).to(x.dtype)


def adaunpool(x: Tensor, mask: Mask | None = None, interpolate: bool = True) -> Tensor:
    """Upsample pooled values to the size of their mask and weigh them by it, by the formula of the authors' function.

    With the three masks ``(m_edscw, m_em, beta)`` it is ``m_edscw up(beta x) + m_em up((1 - beta) x)``, where ``up``
    repeats each value over its window. With a single mask it is ``m up(x) + (1 - m) up(x)``: the mask cancels. Masks
    are clamped to [0, 1].

    The result is not multiplied by the number of elements per window, so a constant c in 2x2 windows gives c / 4 on
    average. :func:`poolzoo.functional.ada_unpool2d` multiplies by it, and restores constants.

    Args:
        x: the pooled map, ``(N, C, *out)`` with one to three spatial axes; without ``interpolate``, of the mask's size.
        mask: the masks that a pool with ``return_mask=True`` returned, ``(N, C, *size)``, or masks that all channels
            share, ``(N, *size)``.
        interpolate: upsample ``x``; otherwise only the masks are applied: ``x (m_edscw + m_em)``.

    Returns:
        A map of the mask's size in the dtype of ``x``.

    Raises:
        ValueError: there is no mask, or its shape does not fit ``x``.
    """
    if mask is None:
        raise ValueError("mask=None: the mask that a pool with return_mask=True returned is needed")
    if isinstance(mask, Tensor):
        shared = _like_channels(mask, x)
        return F.interpolate(x, size=shared.shape[2:], mode="area") if interpolate else _sized(x, shared)
    similar, soft = (_like_channels(part, x).clamp(0, 1) for part in mask[:2])
    if not interpolate:
        return _sized(x, similar) * (similar + soft)
    beta = mask[2]
    parts = ((similar, x * beta), (soft, x * (1 - beta)))
    up, rest = (part * F.interpolate(value, size=part.shape[2:], mode="area") for part, value in parts)
    return up + rest


def _like_channels(mask: Tensor, x: Tensor) -> Tensor:
    whole = mask.unsqueeze(1) if mask.dim() == x.dim() - 1 else mask
    if x.dim() not in (3, 4, 5) or whole.dim() != x.dim() or whole.shape[0] != x.shape[0]:
        raise ValueError(f"mask: shape {tuple(mask.shape)}; (N, C, *size) or (N, *size) for x of {tuple(x.shape)}")
    if whole.shape[1] not in (1, x.shape[1]):
        raise ValueError(f"mask: {whole.shape[1]} channels; {x.shape[1]}, as x, or none are allowed")
    return whole


def _sized(x: Tensor, mask: Tensor) -> Tensor:
    if x.shape[2:] != mask.shape[2:]:
        raise ValueError(f"x: spatial sizes {tuple(x.shape[2:])}; with interpolate=False those of the mask are needed")
    return x


# Functions ------------------------------------------------------------------------------------------------------------


def _ada(
    ndim: int,
    x: Tensor,
    beta: Tensor | None,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None,
    return_mask: bool,
    native: bool,
) -> Pooled:
    if not isinstance(beta, Tensor):
        raise ValueError(f"beta={beta!r}: a tensor with one share per output cell, or with a single one, is needed")
    if not isinstance(native, bool):
        raise ValueError(f"native={native!r}: True or False is allowed")
    share = beta.clamp(0, 1) if native else beta
    if share.numel() == 1:
        share = share.reshape(())
    y: Tensor = getattr(functional, f"ada_pool{ndim}d")(x, kernel_size, stride, beta=share)
    if not return_mask:
        return y
    geometry = make_geometry(ndim, kernel_size, stride)
    similar, soft = _mask(x, geometry, _similarity_weights), _mask(x, geometry, _soft_weights)
    if not native:
        return y, (similar, soft, beta)
    for axis, size in enumerate(geometry.kernel_size if share.dim() else ()):
        share = share.repeat_interleave(size, axis)
    return y, (share * similar + (1 - share) * soft).detach()


def _fixed(
    name: str,
    ndim: int,
    weigh: Callable[[Tensor], Tensor] | None,
    x: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None,
    return_mask: bool,
) -> Pooled:
    if return_mask and weigh is None:
        raise ValueError("return_mask=True: idw has no mask; the authors' function returns that of another operator")
    y: Tensor = getattr(functional, f"{name}{ndim}d")(x, kernel_size, stride)
    if weigh is None or not return_mask:
        return y
    return y, _mask(x, make_geometry(ndim, kernel_size, stride), weigh)


def adapool1d(
    x: Tensor,
    beta: Tensor | None = None,
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    return_mask: bool = False,
    native: bool = False,
) -> Pooled:
    """Pool ``(N, C, L)``; see :func:`adapool2d`."""
    return _ada(1, x, beta, kernel_size, stride, return_mask, native)


def adapool2d(
    x: Tensor,
    beta: Tensor | None = None,
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    return_mask: bool = False,
    native: bool = False,
) -> Pooled:
    """Return ``beta edscw(a) + (1 - beta) softpool(a)`` of every window: :func:`poolzoo.functional.ada_pool2d`.

    Args:
        x: ``(N, C, H, W)`` or ``(C, H, W)``, floating point.
        beta: a tensor with one share per output cell, ``(h, w)``, or with a single share. It is needed.
        kernel_size: size of the window, an int or one per axis.
        stride: step between windows; None means ``kernel_size``.
        return_mask: also return the masks for :func:`adaunpool`, without a gradient. A mask holds every window's
            weights in a cell of the window's size: ``(N, C, h * k, w * k)``. Without ``native`` they are three: the
            masks of edscw and softpool, and ``beta``.
        native: clamp ``beta`` to [0, 1], and return a single mask. Otherwise ``beta`` is used as it is.

    Returns:
        The pooled map, or the pooled map and its masks.

    Raises:
        ValueError: ``beta`` is missing or of another shape, or an argument is out of range.
        TypeError: an argument or the dtype of ``x`` is of the wrong kind.
    """
    return _ada(2, x, beta, kernel_size, stride, return_mask, native)


def adapool3d(
    x: Tensor,
    beta: Tensor | None = None,
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    return_mask: bool = False,
    native: bool = False,
) -> Pooled:
    """Pool ``(N, C, D, H, W)``; see :func:`adapool2d`."""
    return _ada(3, x, beta, kernel_size, stride, return_mask, native)


def _functions(
    stem: str, name: str, about: str, weigh: Callable[[Tensor], Tensor] | None
) -> tuple[Callable[..., Pooled], Callable[..., Pooled], Callable[..., Pooled]]:
    return (
        _function(stem, name, about, weigh, 1),
        _function(stem, name, about, weigh, 2),
        _function(stem, name, about, weigh, 3),
    )


def _function(
    stem: str, name: str, about: str, weigh: Callable[[Tensor], Tensor] | None, ndim: int
) -> Callable[..., Pooled]:
    def pool(
        x: Tensor, kernel_size: IntOrTuple = 2, stride: IntOrTuple | None = None, return_mask: bool = False
    ) -> Pooled:
        return _fixed(name, ndim, weigh, x, kernel_size, stride, return_mask)

    pool.__name__ = pool.__qualname__ = f"{stem}{ndim}d"
    pool.__doc__ = (
        f"Return {about} of every window: :func:`poolzoo.functional.{name}{ndim}d`.\n\n"
        f"The arguments are those of :func:`adapool{ndim}d`, and so is what is returned and raised."
    )
    return pool


edscwpool1d, edscwpool2d, edscwpool3d = _functions(
    "edscwpool", "edscw_pool", "the similarity-weighted sum", _similarity_weights
)
empool1d, empool2d, empool3d = _functions("empool", "soft_pool", "the softmax-weighted sum", _soft_weights)
# Without a mask: the authors' function stores its mask under the name of another operator.
idwpool1d, idwpool2d, idwpool3d = _functions("idwpool", "idw_pool", "the inverse-distance-weighted mean", None)


# Modules --------------------------------------------------------------------------------------------------------------


class _Fixed(nn.Module):
    """A pool without parameters."""

    ndim: ClassVar[int]
    pool: ClassVar[Callable[..., Pooled]]

    def __init__(
        self, kernel_size: IntOrTuple = 2, stride: IntOrTuple | None = None, return_mask: bool = False
    ) -> None:
        super().__init__()
        geometry = make_geometry(self.ndim, kernel_size, stride)
        self.kernel_size, self.stride, self.return_mask = geometry.kernel_size, geometry.stride, return_mask

    def forward(self, x: Tensor) -> Pooled:
        return type(self).pool(x, self.kernel_size, self.stride, self.return_mask)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, return_mask={self.return_mask}"


class EMPool1d(_Fixed):
    """Module of :func:`empool1d`, which is SoftPool."""

    ndim, pool = 1, staticmethod(empool1d)


class EMPool2d(_Fixed):
    """Module of :func:`empool2d`, which is SoftPool."""

    ndim, pool = 2, staticmethod(empool2d)


class EMPool3d(_Fixed):
    """Module of :func:`empool3d`, which is SoftPool."""

    ndim, pool = 3, staticmethod(empool3d)


class EDSCWPool1d(_Fixed):
    """Module of :func:`edscwpool1d`."""

    ndim, pool = 1, staticmethod(edscwpool1d)


class EDSCWPool2d(_Fixed):
    """Module of :func:`edscwpool2d`."""

    ndim, pool = 2, staticmethod(edscwpool2d)


class EDSCWPool3d(_Fixed):
    """Module of :func:`edscwpool3d`."""

    ndim, pool = 3, staticmethod(edscwpool3d)


class IDWPool1d(_Fixed):
    """Module of :func:`idwpool1d`; ``return_mask=True`` is refused when it is called."""

    ndim, pool = 1, staticmethod(idwpool1d)


class IDWPool2d(_Fixed):
    """Module of :func:`idwpool2d`; ``return_mask=True`` is refused when it is called."""

    ndim, pool = 2, staticmethod(idwpool2d)


class IDWPool3d(_Fixed):
    """Module of :func:`idwpool3d`; ``return_mask=True`` is refused when it is called."""

    ndim, pool = 3, staticmethod(idwpool3d)


class _AdaPool(nn.Module):
    ndim: ClassVar[int]
    beta: Tensor

    def __init__(
        self,
        kernel_size: IntOrTuple = 2,
        beta: tuple[int, ...] | Tensor | int | None = None,
        stride: IntOrTuple | None = None,
        beta_trainable: bool = True,
        return_mask: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        native: bool = False,
    ) -> None:
        super().__init__()
        geometry = make_geometry(self.ndim, kernel_size, stride)
        self.kernel_size, self.stride = geometry.kernel_size, geometry.stride
        self.return_mask, self.native = return_mask, native
        shape = (beta,) if type(beta) is int and self.ndim == 1 else beta
        if isinstance(shape, tuple) and len(shape) == self.ndim and all(type(n) is int and n > 0 for n in shape):
            shape = torch.randn(shape, device=device, dtype=dtype)
        if not isinstance(shape, Tensor):
            raise ValueError(f"beta={beta!r}: the output's size, {self.ndim} ints >= 1, or a tensor of it is allowed")
        start = shape.detach().to(device=device, dtype=dtype).clamp(0, 1)
        if beta_trainable:
            self.beta = nn.Parameter(start)
        else:
            self.register_buffer("beta", start)

    def forward(self, x: Tensor) -> Pooled:
        return _ada(self.ndim, x, self.beta, self.kernel_size, self.stride, self.return_mask, self.native)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, beta={tuple(self.beta.shape)}, stride={self.stride}"


class AdaPool1d(_AdaPool):
    """Module of :func:`adapool1d`; ``beta`` can also be an int. See :class:`AdaPool2d`."""

    ndim = 1


class AdaPool2d(_AdaPool):
    """Module of :func:`adapool2d` with a learned share per output cell; its state dict has the authors' key, ``beta``.

    Args:
        kernel_size: size of the window, an int or one per axis.
        beta: the output's size, ``(h, w)``: the share starts at a normal draw clamped to [0, 1], as in the authors'
            code, which puts half of the cells at 0. Or a tensor of this size with start values.
        stride: step between windows; None means ``kernel_size``.
        beta_trainable: False keeps ``beta`` as a buffer.
        return_mask: also return the masks, see :func:`adapool2d`.
        device, dtype: of ``beta``.
        native: see :func:`adapool2d`.

    Raises:
        ValueError: an argument that is not allowed; called with an input whose output is not of the size of ``beta``.

    ``poolzoo.AdaPool2d(kernel_size, cells=(h, w))`` loads the state dict of this module; it keeps the share in [0, 1].
    """

    ndim = 2


class AdaPool3d(_AdaPool):
    """Module of :func:`adapool3d`. See :class:`AdaPool2d`."""

    ndim = 3


class _AdaUnpool(nn.Module):
    def __init__(self, mask: Mask | None = None) -> None:
        super().__init__()
        if mask is None:
            raise ValueError("mask=None: the mask that a pool with return_mask=True returned is needed")
        self.mask = mask

    def forward(self, x: Tensor) -> Tensor:
        return adaunpool(x, self.mask)

    if TYPE_CHECKING:  # torch's modules return Any

        def __call__(self, x: Tensor) -> Tensor:
            return self.forward(x)


class AdaUnpool1d(_AdaUnpool):
    """Module of :func:`adaunpool` for ``(N, C, L)``."""


class AdaUnpool2d(_AdaUnpool):
    """Module of :func:`adaunpool` for ``(N, C, H, W)``."""


class AdaUnpool3d(_AdaUnpool):
    """Module of :func:`adaunpool` for ``(N, C, D, H, W)``."""
