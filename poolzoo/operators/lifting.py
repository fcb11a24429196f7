"""LiftPool (Zhao & Snoek 2021): a learned lifting scheme splits the input into sub-bands, which are added.

Along each axis, the first element of a window predicts the others. The prediction errors are the details d. The first
element, updated from the details, is the approximation s: ``d_j = a_j - P(a_0)``, ``s = a_0 + sum_j U(d_j)``. Windows
of two give the paper's even and odd elements. The last axis is lifted first, so 2D gives the order LL, LH, HL, HH. For
any P and U, the input can be restored from the sub-bands: ``a_0 = s - sum_j U(d_j)``, ``a_j = d_j + P(a_0)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo.geometry import Geometry, accumulation_dtype, check_input, like, output_size
from poolzoo.operators.base import without_autocast
from poolzoo.operators.lazy import LazyPool
from poolzoo.registry import register_pool
from poolzoo.windows import reflect

#: ``step(a, axis) -> Tensor`` of the same shape: P or U along one spatial axis (0 is the first); None is 0 everywhere.
Step = Callable[[Tensor, int], Tensor]


def lift_bands(x: Tensor, geometry: Geometry, predict: Step | None = None, update: Step | None = None) -> list[Tensor]:
    """Return the sub-bands of ``x``, one for each element of a window: in 2D LL, LH, HL, HH.

    Args:
        x: ``(..., C, *spatial)``. Positions outside are reflected, as in JPEG 2000's lifting.
        geometry: the windows.
        predict: P; None predicts 0.
        update: U; None leaves the first elements unchanged.

    Returns:
        A list of tensors ``(..., C, *out)``: the approximation first, with the first axis' elements varying fastest.
    """
    out = output_size(x.shape[-geometry.ndim :], geometry)
    bands = [x]
    for axis in reversed(range(geometry.ndim)):
        bands = [part for band in bands for part in _lift(band, axis, out[axis], geometry, predict, update)]
    return bands


def _lift(
    x: Tensor, axis: int, out: int, geometry: Geometry, predict: Step | None, update: Step | None
) -> list[Tensor]:
    """Lift one axis; return s, d_1, d_2, ..."""
    kernel_size, stride, padding, dilation = (values[axis] for values in geometry[:4])
    dim = axis - geometry.ndim
    first = torch.arange(out, device=x.device) * stride - padding
    taps = [x.index_select(dim, reflect(first + tap * dilation, x.shape[dim])) for tap in range(kernel_size)]
    base, others = taps[0], taps[1:]
    if predict is not None and others:
        predicted = predict(base, axis)
        others = [other - predicted for other in others]
    if update is not None:
        for detail in others:
            base = base + update(detail, axis)
    return [base, *others]


def lift_unpool(
    bands: Sequence[Tensor],
    kernel_size: Sequence[int],
    predict: Step | None = None,
    update: Step | None = None,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Restore the input from its sub-bands (LiftUpPool), for windows that neither overlap nor leave gaps.

    Args:
        bands: as :func:`lift_bands` returns them; zeros stand for unknown details.
        kernel_size: one int per axis; the pooling had the same stride, no padding and no dilation.
        predict, update: as given to :func:`lift_bands`.
        output_size: the input's spatial size, where ``ceil_mode`` rounded up; None means kernel size times band size.

    Returns:
        The input, ``(..., C, *spatial)``.

    Raises:
        ValueError: the number of sub-bands is not the number of elements of a window, or ``output_size`` does not fit.
    """
    n = len(kernel_size)
    parts = list(bands)
    if len(parts) != torch.Size(kernel_size).numel():
        raise ValueError(
            f"bands: {len(parts)} sub-bands; a window of {tuple(kernel_size)} has {torch.Size(kernel_size).numel()}"
        )
    full = [k * m for k, m in zip(kernel_size, parts[0].shape[-n:], strict=True)]
    wanted = full if output_size is None else list(output_size)
    if len(wanted) != n or not all(f - k < w <= f for f, k, w in zip(full, kernel_size, wanted, strict=True)):
        raise ValueError(f"output_size={output_size!r}: {tuple(full)}, or smaller by less than a window, is allowed")
    for axis, k in enumerate(kernel_size):
        parts = [_merge(parts[i : i + k], axis, axis - n, predict, update) for i in range(0, len(parts), k)]
    (x,) = parts
    for axis, size in enumerate(wanted):
        x = x.narrow(axis - n, 0, size)
    return x


def _merge(parts: Sequence[Tensor], axis: int, dim: int, predict: Step | None, update: Step | None) -> Tensor:
    base, details = parts[0], list(parts[1:])
    if update is not None:
        for detail in reversed(details):
            base = base - update(detail, axis)
    if predict is not None and details:
        predicted = predict(base, axis)
        details = [detail + predicted for detail in details]
    # Side by side within each window: (..., out, k, ...) -> (..., out * k, ...).
    return torch.stack([base, *details], dim).flatten(dim - 1, dim)


class _Step(nn.Module):
    """P or U of the paper for each axis: a depthwise convolution of three taps along it, ReLU, 1x1 over the channels,
    Tanh.

    The 1x1 convolution is initialised to 0, so the step starts at 0.
    """

    def __init__(self, channels: int, ndim: int) -> None:
        super().__init__()
        self.axes = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(channels, channels, 3, padding=1, groups=channels),
                nn.ReLU(),
                nn.Conv1d(channels, channels, 1),
                nn.Tanh(),
            )
            for _ in range(ndim)
        )
        for name, parameter in self.named_parameters():
            if ".2." in name:
                nn.init.zeros_(parameter)

    def forward(self, a: Tensor, axis: int) -> Tensor:
        n = len(self.axes)
        moved = a.movedim(-n - 1, -1).movedim(axis - n - 1, -1)  # (..., other axes, C, length)
        rows = moved.reshape(-1, *moved.shape[-2:])
        # In the type of the input, which is float32 or wider, whatever type the weights are kept in.
        with without_autocast(a):
            weight, bias, weight_across, bias_across = (w.to(a.dtype) for w in self.axes[axis].parameters())
            y = F.conv1d(rows, weight, bias, padding=1, groups=len(weight))
            y = torch.tanh(F.conv1d(y.relu(), weight_across, bias_across))
        return y.reshape(moved.shape).movedim(-1, axis - n - 1).movedim(-1, -n - 1)


class _Lift(LazyPool):
    """The module learns P and U. ``channels`` is the number of input channels; None takes it from the first input.

    ``pool.bands(x)`` returns the sub-bands; ``pool.unpool(bands)`` restores the input from them.
    """

    predict: nn.Module
    update: nn.Module

    def __init__(
        self,
        *args: Any,
        channels: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, channels=channels, **kwargs)
        self.start(device, dtype)

    def make_parts(self, channels: int) -> dict[str, nn.Module]:
        return {"predict": _Step(channels, self.ndim), "update": _Step(channels, self.ndim)}

    def params(self, x: Tensor) -> dict[str, nn.Module]:
        self.initialize_parameters(x)
        return {"predict": self.predict, "update": self.update}

    def bands(self, x: Tensor) -> Tensor:
        """Return the sub-bands of ``(N, C, *spatial)`` as ``(N, C, K, *out)``, where K is the number of elements of a
        window.
        """
        a = x.to(accumulation_dtype(x.dtype))
        return torch.stack(lift_bands(a, self.geometry, **self.params(x)), -self.ndim - 1).to(x.dtype)

    def unpool(self, bands: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Restore the input from its sub-bands, ``(N, C, K, *out)``; ``output_size`` is that of :func:`lift_unpool`.

        Raises:
            ValueError: the windows overlap or leave gaps, so that the input cannot be restored.
        """
        geometry = self.geometry
        if geometry.stride != geometry.kernel_size or any(geometry.padding) or max(geometry.dilation) > 1:
            raise ValueError("unpool: stride = kernel_size, padding=0 and dilation=1 are needed")
        parts = bands.to(accumulation_dtype(bands.dtype)).unbind(-self.ndim - 1)
        self.initialize_parameters(parts[0])
        return lift_unpool(parts, geometry.kernel_size, self.predict, self.update, output_size).to(bands.dtype)

    def shown_params(self) -> dict[str, object]:
        return {} if self.channels is None else {"channels": self.channels}


def _check_lift(predict: Step | None = None, update: Step | None = None) -> None:
    for name, step in (("predict", predict), ("update", update)):
        if step is not None and not callable(step):
            raise TypeError(f"{name}={step!r}: a callable f(tensor, axis) or None is allowed")


@register_pool(
    "lift",
    over="input",
    family="frequency",
    summary="sum of the sub-bands of a learned lifting scheme",
    formula="y = sum of the sub-bands; along each axis d = a_odd - P(a_even), s = a_even + U(d)",
    source="LiftDownPool of Zhao & Snoek, arXiv 2104.00996",
    module=_Lift,
    learnable=True,
    learning_rate=0.02,
    renamed={"in_channels": "channels"},
    check=_check_lift,
    exempt={
        "constant": "untrained it is the window's sum; after training it depends on P and U",
        "permutation": "the first element of a window predicts the others, and P and U look at neighbours",
        "nan": "P and U look outside the window and at every channel",
        "huge": "the convolutions of P and U sum over taps and channels",
    },
)
def lift(x: Tensor, geometry: Geometry, *, predict: Step | None = None, update: Step | None = None) -> Tensor:
    """``predict`` and ``update`` are P and U, functions of a tensor and a spatial axis; None stands for 0.

    With both 0, as in an untrained module, the sub-bands are the window's elements and y is their sum. P(a) = a and
    U(d) = d / 2 give Haar's transform. The paper's windows have two elements per axis. Longer windows have one more
    detail for each further element, all predicted from the first. If the stride differs from the kernel size, windows
    overlap or leave gaps: pooling works, but cannot be inverted. Positions outside the input (an odd size with
    ``ceil_mode=True``, or padding) are reflected. Training and evaluation give the same result. The paper's two loss
    terms, which keep d small and s near the input, are part of training and not included here.
    """
    check_input(x, geometry.ndim)
    bands = lift_bands(x.to(accumulation_dtype(x.dtype)), geometry, predict, update)
    return like(sum(bands[1:], bands[0]), x)
