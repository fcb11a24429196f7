"""Fractional max pooling (Graham 2014) as torch defines it: windows of one size, at steps that differ by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from poolzoo.geometry import Geometry, check_input, larger, like, output_size
from poolzoo.operators.base import Pool, is_number
from poolzoo.operators.stochastic import check_draw
from poolzoo.registry import register_pool
from poolzoo.windows import absent, taps_inside


class _FractionalMax(Pool):
    """In training mode the module draws window positions; in evaluation mode u = 1/2 sets them."""

    stochastic = True

    def __init__(
        self,
        *args: Any,
        output_ratio: float | None = None,
        generator: torch.Generator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        _check_fractional_max(output_ratio, False, generator)
        self.output_ratio, self.generator = output_ratio, generator

    def params(self, x: Tensor) -> dict[str, object]:
        return {"output_ratio": self.output_ratio, "training": self.training, "generator": self.generator}

    def shown_params(self) -> dict[str, object]:
        return {} if self.output_ratio is None else {"output_ratio": self.output_ratio}


def _check_fractional_max(
    output_ratio: float | None = None, training: bool = False, generator: torch.Generator | None = None
) -> None:
    if output_ratio is not None and not (is_number(output_ratio) and 0 < output_ratio < 1):
        raise ValueError(f"output_ratio={output_ratio!r}: a number between 0 and 1 or None is allowed")
    check_draw(training, generator)


@register_pool(
    "fractional_max",
    over="input",
    family="stochastic",
    function_name="fractional_max_pool",
    class_name="FractionalMaxPool",
    summary="largest element of windows at uneven, random steps",
    formula="y_i = max over the window that starts at floor((i + u) r) - floor(u r), r = (n - k) / (out - 1)",
    source="Graham, arXiv 1412.6071; as torch.nn.functional.fractional_max_pool2d",
    module=_FractionalMax,
    stochastic=True,
    check=_check_fractional_max,
    exempt={"nan": "its windows lie at other positions than those of max pooling"},
)
def fractional_max(
    x: Tensor,
    geometry: Geometry,
    *,
    output_ratio: float | None = None,
    training: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The last window starts at n - k, where n includes the padding and k the holes of the dilation. The other windows
    start at whole steps just below or above r. By default there are as many windows as in max pooling with the same
    arguments. If those fill the input evenly, r is a whole number and nothing is random. ``output_ratio``, between 0
    and 1, gives ``int(output_ratio * size)`` windows instead, whatever the stride.

    With ``training=True``, a module's training mode, u is drawn from [0, 1) for every sample, channel and axis, from
    ``generator`` if given. Evaluation uses u = 1/2, so it is deterministic. torch's module also draws in evaluation. It
    computes the starts in the input's dtype, which a half type cannot represent exactly; here they are computed in
    float64. The paper's disjoint regions of different sizes are not supported, as in torch.
    """
    check_input(x, geometry.ndim)
    n, lead, sizes = geometry.ndim, x.shape[: -geometry.ndim], x.shape[-geometry.ndim :]
    out = output_size(sizes, geometry)
    if output_ratio is not None:
        out = _out_sizes(sizes, geometry, output_ratio)
    if training:
        u = torch.rand(*lead, n, device=x.device, generator=generator, dtype=torch.float64)
    else:
        u = torch.full((*(1,) * len(lead), n), 0.5, device=x.device, dtype=torch.float64)
    index, mask = _placed(sizes, out, geometry, u)
    own = [torch.arange(size, device=x.device).reshape(-1, *(1,) * (len(lead) - i + n)) for i, size in enumerate(lead)]
    elements = (*own, index)
    a = x.flatten(-n)[elements]
    return like(absent(a, mask, -math.inf).max(-1).values, x)


def _out_sizes(sizes: Sequence[int], geometry: Geometry, output_ratio: float) -> tuple[int, ...]:
    shares: list[Any] = [output_ratio * size for size in sizes]
    out: Any = tuple(share.long() if isinstance(share, Tensor) else math.trunc(share) for share in shares)
    for size, o, p, span in zip(sizes, out, geometry.padding, geometry.spans, strict=True):
        most = size + 2 * p - span + 1
        if not (isinstance(o, Tensor) or 1 <= o <= most):
            raise ValueError(
                f"output_ratio={output_ratio!r}: {o} windows on an axis of {size}; 1 to {most} are allowed"
            )
    sizes_out: tuple[int, ...] = out
    return sizes_out


def _starts(out: int, last: int, u: Tensor) -> Tensor:
    """Return where the windows start, ``(..., out)``, for ``u`` of shape ``(..., 1)``."""
    i = torch.arange(out, device=u.device)
    step = last / larger(out - 1, 1)
    start = ((i + u) * step).floor() - (u * step).floor()
    # Steps below 1, which more windows than positions need, could lead past the last start.
    return torch.where(i == out - 1, last, start.clamp(max=last)).long()


def _placed(sizes: Sequence[int], out: tuple[int, ...], geometry: Geometry, u: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions of the windows' elements in the flattened input, ``(..., *out, K)``, and whether they lie
    inside.
    """
    n = geometry.ndim
    index, mask = torch.zeros((), dtype=torch.int64, device=u.device), torch.ones((), dtype=torch.bool, device=u.device)
    for axis, (size, o, k, p, d, span) in enumerate(
        zip(sizes, out, geometry.kernel_size, geometry.padding, geometry.dilation, geometry.spans, strict=True)
    ):
        start = _starts(o, larger(0, size + 2 * p - span), u[..., axis, None]) - p
        position = start.unsqueeze(-1) + torch.arange(k, device=u.device) * d
        others = [slice(None) if a == axis else None for a in range(n)]
        broadcast = (..., *others, *others)
        position = position[broadcast]
        index = index * size + position.clamp(0, size - 1)
        mask = mask & taps_inside(position, size)
    return index.flatten(-n), mask.flatten(-n)
