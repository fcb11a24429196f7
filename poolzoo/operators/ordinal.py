"""Operators by rank: ordinal pooling, an ordered weighted average (OWA) whose weights belong to ranks and not to
positions; and T-Max-Avg, the maximum or the mean of the largest elements.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from poolzoo.geometry import AnyGeometry, check_input
from poolzoo.operators.base import Pool, check_channels, check_count, in_wide, is_number
from poolzoo.operators.soft import weighted_mean
from poolzoo.registry import register_pool
from poolzoo.windows import MOST_IN_FLOAT32, absent, count, mean, ordered, pool_windows

#: How many ranks have a weight where windows have no size of their own: in the adaptive and global modules.
_RANKS = 9


class _Owa(Pool):
    """The module learns the weights, as a softmax. They start equal, which is average pooling.

    ``ranks`` is the number of weights; None gives a weight to each element of a whole window, and 9 weights to an
    adaptive or global module. ``channels`` gives each channel its own weights; None gives the layer one set.
    """

    def __init__(
        self,
        *args: Any,
        ranks: int | None = None,
        channels: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        check_channels(channels)
        check_count("ranks", ranks)
        size = self._usual_ranks() if ranks is None else ranks
        self.raw = nn.Parameter(
            torch.zeros((size,) if channels is None else (channels, size), device=device, dtype=dtype)
        )

    def _usual_ranks(self) -> int:
        return _RANKS if self.form else math.prod(self.kernel_size)

    def params(self, x: Tensor) -> dict[str, Any]:
        return {"weight": in_wide(self.raw).softmax(-1)}

    def shown_params(self) -> dict[str, Any]:
        *channels, ranks = self.raw.shape
        shown = {} if ranks == self._usual_ranks() else {"ranks": ranks}
        return shown | ({"channels": channels[0]} if channels else {})


@register_pool(
    "owa",
    over="input",
    family="mixture",
    summary="elements weighted by their rank in the window",
    formula="y = sum w_i a_(i), a_(1) >= a_(2) >= ...",
    source="Deliege et al., arXiv 2109.01561; mistasse/ordinal-pooling-layers, ordinal_pooling.py; Yager 1988 (OWA)",
    module=_Owa,
    not_adaptive="",
    learnable=True,
    learning_rate=0.3,
)
def owa(x: Tensor, geometry: AnyGeometry, *, weight: Tensor | None = None) -> Tensor:
    """``weight`` has shape ``(M,)``, or ``(C, M)`` for one set per channel: the weights of the ranks, the largest
    element's first. Negative weights count as 0, and the others are divided by their sum, as in the public code. None
    weighs all elements alike.

    All weight on the first rank gives the maximum, on the last the minimum, on the middle one of an odd number the
    median. A window of n elements, n other than M, takes the share of the weights between (i - 1) M / n and i M / n for
    rank i, each weight spread evenly over its rank (a quantifier in Yager's words). Equal weights are thus the mean of
    any window, and maximum, minimum and median stay what they are where a window has fewer than M elements, as at the
    edge of the input. In a larger window they become the mean of the largest, smallest or middle n / M elements.

    The public code was read; it starts at random weights, counts padding as zeros, and clips its weights after each
    step. The paper's abstract was read, its equations were not.
    """
    check_input(x, geometry.ndim)
    if weight is not None:
        channels = x.shape[-geometry.ndim - 1]
        if weight.dim() not in (1, 2) or weight.shape[-1] < 1 or (weight.dim() == 2 and weight.shape[0] != channels):
            raise ValueError(f"weight: shape {tuple(weight.shape)}; (M,) or (C, M), C = {channels}, is allowed")
        weight = weight.double().clamp(min=0)
        weight = weight / weight.sum(-1, keepdim=True)
    return pool_windows(x, geometry, _owa, weight=weight, ndim=geometry.ndim)


def _owa(a: Tensor, mask: Tensor | None, *, weight: Tensor | None, ndim: int) -> Tensor:
    if weight is None:
        return mean(a, mask)
    ranked = ordered(absent(a, mask, -math.inf), descending=True)  # a NaN is first
    if mask is not None:
        ranked = absent(ranked, torch.arange(a.shape[-1], device=a.device) < count(a, mask), 0.0)
    share = _shares(weight, a.shape[-1], mask, ndim)
    if isinstance(a.shape[-1], int) and a.shape[-1] <= MOST_IN_FLOAT32:
        share = share.to(a.dtype)
    return weighted_mean(share, ranked, ranked[..., :1].detach())


def _shares(weight: Tensor, taps: int, mask: Tensor | None, ndim: int) -> Tensor:
    """Return each rank's share: ``(K,)`` or ``(*out, K)``, after the channels' axis if there is one; 0 for the ranks
    that a window does not have.
    """
    ranks = weight.shape[-1]
    if mask is None and taps == ranks:
        shares = weight
    else:
        number = torch.full((1, 1), taps, device=weight.device) if mask is None else mask.sum(-1)[..., None, None]
        i, j = torch.arange(taps, device=weight.device).unsqueeze(-1), torch.arange(ranks, device=weight.device)
        # What the intervals of rank i and of weight j have in common, in units of 1 / (n M).
        low, high = torch.maximum(i * ranks, j * number), torch.minimum((i + 1) * ranks, (j + 1) * number)
        overlap = (high - low).clamp(min=0) / number.double()  # in float64, which autocast leaves alone
        shares = (overlap @ weight.reshape(-1, ranks).T).movedim(-1, 0)
        shares = shares if weight.dim() == 2 else shares[0]
    return shares.reshape(-1, *(1,) * ndim, taps) if weight.dim() == 2 and mask is None else shares


def _check_t_max_avg(k: int = 3, threshold: float = 0.5, when: str = "all") -> None:
    if type(k) is not int or k < 1:
        raise ValueError(f"k={k!r}: an int >= 1 is allowed")
    if not is_number(threshold) or threshold != threshold:
        raise ValueError(f"threshold={threshold!r}: a number is allowed, inf and -inf included")
    if when not in ("all", "largest"):
        raise ValueError(f"when={when!r}: 'all' or 'largest' is allowed")


@register_pool(
    "t_max_avg",
    family="mixture",
    summary="maximum where the largest elements reach a threshold, else their mean",
    formula="y = max a if the K largest are all >= T, else the mean of the K largest",
    source="T-Max-Avg, Zhao & Zhang, Sci. Rep. 14, 1589, 2024, doi 10.1038/s41598-024-51258-6",
    check=_check_t_max_avg,
)
def t_max_avg(a: Tensor, mask: Tensor | None, *, k: int = 3, threshold: float = 0.5, when: str = "all") -> Tensor:
    """``k`` >= 1 is K, how many of the largest elements count: all where a window has fewer, as at the edge of the
    input. ``threshold`` is T, in units of the input. ``when="all"`` takes the maximum where all of the K largest are at
    least T; ``when="largest"`` where the largest is. K = 1 and T = -inf give the maximum; T above all elements gives
    the mean of the K largest, with K the size of the window average pooling.

    The gradient is that of the maximum or of the mean that was taken. The value jumps where an element passes T.

    The paper's abstract was read, its equation was not: T "selects the K highest interacting pixels" and controls
    "whether the output features of the input data are based on the maximum values or weighted averages". Two public
    codes were read, neither by the authors. ScarSegNet's Adaptive_pooling.py asks all of the K largest, and Aprilio and
    Sen (TELKOMNIKA 24(2), 2026) say that the rule compares with the threshold several times, which is why ``"all"`` is
    the default. densatio's t_max_avg_pooling asks the largest. Here T is a number that is not learned, compared with
    the elements as densatio does; ScarSegNet learns it, and divides the elements by the largest first. The start values
    are not the paper's: 3 is more than densatio's K of 2 and fewer than the elements of a 2x2 window, and 1/2 is what
    ScarSegNet's sigmoid makes of 0.
    """
    ranked = ordered(absent(a, mask, -math.inf), descending=True)[..., :k]  # a NaN is first
    present = None
    if mask is not None:
        present = torch.arange(ranked.shape[-1], device=a.device) < count(a, mask)
    most = ranked[..., 0]
    reached = most if when == "largest" else absent(ranked, present, math.inf).amin(-1)
    summed = ranked.double() if k > MOST_IN_FLOAT32 else ranked
    return torch.where(reached >= threshold, most, mean(absent(summed, present, 0.0), present))
