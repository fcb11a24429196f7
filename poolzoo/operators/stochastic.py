"""Stochastic pooling: one element drawn in proportion to its value in training, their expectation in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor

from poolzoo.operators.base import Pool, check_generator
from poolzoo.registry import register_pool
from poolzoo.windows import IntOrTuple, absent


class _Stochastic(Pool):
    """A module in evaluation mode gives the expectation."""

    def __init__(
        self,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        ceil_mode: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        check_generator(generator)
        self.generator = generator

    stochastic = True

    def params(self, x: Tensor) -> dict[str, object]:
        return {"training": self.training, "generator": self.generator}


def _check_stochastic(training: bool = False, generator: torch.Generator | None = None) -> None:
    if not isinstance(training, bool):
        raise TypeError(f"training={training!r}: True or False is allowed")
    check_generator(generator)


@register_pool(
    "stochastic",
    family="stochastic",
    summary="an element drawn in proportion to its value; their expectation in evaluation",
    formula="train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0",
    source="Zeiler & Fergus 2013, arXiv 1301.3557",
    module=_Stochastic,
    stochastic=True,
    check=_check_stochastic,
    exempt={"constant_negative": "defined for a >= 0: a constant below 0 gives 0"},
)
def stochastic(
    a: Tensor, mask: Tensor | None, *, training: bool = False, generator: torch.Generator | None = None
) -> Tensor:
    """Elements below 0 have probability 0; a window without an element above 0 gives 0.

    ``training=True``, a module's training mode, draws, from ``generator`` if one is given; the gradient then goes to
    the element drawn.
    """
    w = absent(a.clamp(min=0), mask, 0.0)
    m = w.detach().amax(-1, keepdim=True)
    empty = m == 0
    w = w / m.masked_fill(empty | m.isinf(), 1.0)
    if not training:
        # Scaled by m, the sums cannot overflow; m cancels, so autograd may take it for a constant.
        total = w.sum(-1, keepdim=True).masked_fill(empty, 1.0)
        return (w / total * a.clamp(min=0)).sum(-1)
    # argmax of w_i / E_i with E_i standard exponential is a draw with probabilities w_i / sum w.
    noise = torch.empty_like(w).exponential_(generator=generator).clamp(min=torch.finfo(w.dtype).tiny)
    drawn = (w.detach() / noise).argmax(-1, keepdim=True)
    y = a.gather(-1, drawn).masked_fill(empty, 0.0)
    return y.squeeze(-1)
