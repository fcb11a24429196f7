"""Tree pooling (Lee et al. 2016): a binary tree with learned filters as leaves and learned gates as nodes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from poolzoo.geometry import Geometry, check_input
from poolzoo.operators.base import Pool, check_channels
from poolzoo.registry import register_pool
from poolzoo.windows import pool_windows

_DEEPEST = 6


def start_leaves(count: int, kernel_size: tuple[int, ...], device: torch.device | None = None) -> Tensor:
    """Return ``(count, *kernel_size)`` filters that each sum to 1, and whose mean is the average filter.

    Equal leaves would get equal gradients and never differ, so they start as ramps over the taps, from falling to
    rising.
    """
    taps = math.prod(kernel_size)
    ramp = torch.linspace(-1, 1, taps, device=device) if taps > 1 else torch.zeros(1, device=device)
    slope = torch.linspace(-1, 1, count, device=device) if count > 1 else torch.zeros(1, device=device)
    return ((1 + slope[:, None] * ramp) / taps).reshape(count, *kernel_size)


class _Tree(Pool):
    """The module learns ``leaves`` and ``gates``. ``depth``, 1 to 6, is the number of levels; 2 is one gate over two
    leaves.

    ``channels`` gives each channel its own tree; None gives the layer one. Gates start at 0, a share of one half.
    Leaves start as ramps over the window, rising and falling alike, so an untrained tree is average pooling.
    """

    def __init__(
        self,
        *args: Any,
        depth: int = 2,
        channels: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        check_channels(channels)
        if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= _DEEPEST:
            raise ValueError(f"depth={depth!r}: an int from 1 to {_DEEPEST} is allowed")
        self.depth = depth
        count = 2 ** (depth - 1)
        lead = () if channels is None else (channels,)
        leaves = start_leaves(count, self.kernel_size).to(device=device, dtype=dtype)
        self.leaves = nn.Parameter(leaves.expand(*lead, *leaves.shape).clone())
        self.gates = nn.Parameter(torch.zeros(*lead, count - 1, *self.kernel_size, device=device, dtype=dtype))

    def params(self, x: Tensor) -> dict[str, Tensor]:
        return {"leaves": self.leaves, "gates": self.gates}

    def shown_params(self) -> dict[str, object]:
        shown: dict[str, object] = {"depth": self.depth}
        return shown | ({"channels": len(self.leaves)} if self.leaves.dim() > self.ndim + 1 else {})


def _check_tree(leaves: Tensor | None = None, gates: Tensor | None = None) -> None:
    for name, value in (("leaves", leaves), ("gates", gates)):
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"{name}={value!r}: a tensor or None is allowed")


@register_pool(
    "tree",
    over="input",
    family="mixture",
    summary="learned filters, mixed pair by pair in shares computed from the window",
    formula="leaf: f = v . a; node: f = s f_left + (1 - s) f_right, s = sigmoid(w . a)",
    source="Lee et al., arXiv 1509.08985",
    module=_Tree,
    not_adaptive="its filters have a weight for each position of a window of one size",
    learnable=True,
    learning_rate=0.02,
    check=_check_tree,
    exempt={
        "constant": "learned filters need not sum to 1, and absent elements count as 0",
        "permutation": "the filters' weights are by position",
    },
)
def tree(x: Tensor, geometry: Geometry, *, leaves: Tensor | None = None, gates: Tensor | None = None) -> Tensor:
    """``leaves`` has shape ``(n, *kernel_size)``, n a power of 2, and ``gates`` has shape ``(n - 1, *kernel_size)``,
    the root first and each level from left to right. For one tree per channel the shapes are ``(C, n, ...)`` and ``(C,
    n - 1, ...)``. Without leaves, the tree has the two leaves that an untrained module starts with. Without gates, they
    are 0, and the result is the mean of the leaves.

    Absent elements count as 0 in v . a and w . a: the weights of a filter are not redistributed.
    """
    check_input(x, geometry.ndim)
    if leaves is None:
        leaves = start_leaves(2, geometry.kernel_size, x.device)
    leaves, gates = _spelled_out(x, geometry, leaves, gates)
    return pool_windows(x, geometry, _tree, leaves=leaves, gates=gates)


def _spelled_out(x: Tensor, geometry: Geometry, leaves: Tensor, gates: Tensor | None) -> list[Tensor]:
    """Return the filters as ``(n, K)`` or ``(n, C, 1, ..., K)``, which broadcast with windows.

    Raises:
        ValueError: a shape does not fit the kernel, the channels or the other filters.
    """
    kernel_size, channels = geometry.kernel_size, x.shape[-geometry.ndim - 1]
    count = leaves.shape[-geometry.ndim - 1] if leaves.dim() > geometry.ndim else 0
    if gates is None:
        gates = leaves.new_zeros(*leaves.shape[: -geometry.ndim - 1], max(count - 1, 0), *kernel_size)
    spelled = []
    for name, value, n in (("leaves", leaves, count), ("gates", gates, count - 1)):
        allowed = ((n, *kernel_size), (channels, n, *kernel_size))
        if tuple(value.shape) not in allowed or count & (count - 1):
            n_text = "n" if name == "leaves" else "n - 1"
            raise ValueError(
                f"{name}: shape {tuple(value.shape)}; ({n_text}, *{kernel_size}) or (C, {n_text}, *{kernel_size}), "
                f"n a power of 2, C = {channels}, is allowed"
            )
        taps = value.flatten(-geometry.ndim)
        if taps.dim() == 3:
            taps = taps.transpose(0, 1).reshape(n, channels, *(1,) * geometry.ndim, math.prod(kernel_size))
        spelled.append(taps)
    return spelled


def _tree(a: Tensor, mask: Tensor | None, *, leaves: Tensor, gates: Tensor) -> Tensor:
    # Elements outside the input are 0 and so add nothing.
    level: list[Tensor] = [(a * leaf.to(a.dtype)).sum(-1) for leaf in leaves]
    while len(level) > 1:
        parents = len(level) // 2
        shares = [torch.sigmoid((a * gate.to(a.dtype)).sum(-1)) for gate in gates[parents - 1 : 2 * parents - 1]]
        pairs = zip(shares, level[::2], level[1::2], strict=True)
        level = [share * left + (1 - share) * right for share, left, right in pairs]
    return level[0]
