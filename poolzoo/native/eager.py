"""Native operators for ordinary CPU tensors: one trip into torch's dispatcher, with the windows prepared.

``poolzoo::NAME.eager(x, second, param, value, windows)`` computes what ``poolzoo::NAME`` does. ``windows`` is a tensor
of what that takes as ``window`` and ``ceil_mode``: a tensor is passed faster than a list.

torch's stable ABI cannot register a derivative in C++, and one that ``torch.library`` registers costs several times a
small pool. :class:`_Differentiable` is a derivative with less around it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

#: What ``torch._C._get_tracing_state`` and its like cost is a fourth of a tiny pool: they are looked up once.
_transforms_active = torch._C._are_functorch_transforms_active
_dispatch_modes = torch._C._len_torch_dispatch_stack
_tracing_state = torch._C._get_tracing_state
_is_grad_enabled = torch.is_grad_enabled


def is_ordinary(x: Tensor) -> bool:
    """Return whether ``x`` is a plain CPU tensor of which nothing but a derivative is wanted; see :func:`is_plain`."""
    return x.is_cpu and is_plain(x)


def is_plain(x: Tensor) -> bool:
    """Return whether ``x`` is a plain tensor of which nothing but a derivative is wanted: no transform of torch.func,
    forward-mode AD, trace or dispatch mode is active. Not for code that torch compiles.
    """
    return (
        type(x) is Tensor
        and not _transforms_active()
        and _dispatch_modes() == 0
        and forward_ad._current_level < 0
        and _tracing_state() is None
    )


def _operator(name: str) -> Any:
    """Return ``NAME.eager`` as a function, by the shortest way that this torch has."""
    direct = getattr(torch._C, "_dispatch_call_boxed", None)
    if direct is None:
        return getattr(torch.ops.poolzoo, name.removeprefix("poolzoo::")).eager
    return functools.partial(direct, torch._C._dispatch_find_schema_or_throw(name, "eager"))


class Prepared:
    """A native operator with its windows, for ordinary tensors only; see :func:`prepare`."""

    __slots__ = ("_backward", "_forward", "_general_backward", "_window", "_windows")

    def __init__(self, operator: str, window: Sequence[int], ceil_mode: bool) -> None:
        self._forward, self._backward = (_operator(f"poolzoo::{operator}{end}") for end in ("", "_backward"))
        self._general_backward = getattr(torch.ops.poolzoo, f"{operator}_backward").default
        self._window = list(window), ceil_mode
        self._windows = torch.tensor([*window, ceil_mode], dtype=torch.int64, device="cpu")

    def __call__(
        self, x: Tensor, value: float = 0.0, second: Tensor | None = None, param: Tensor | None = None
    ) -> Tensor:
        """Pool; ``param``, a float64 scalar, stands instead of ``value``.

        Raises:
            RuntimeError: the tensors cannot be pooled natively.
        """
        y: Tensor
        if _is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, second, param)):
            y = _apply(x, second, param, value, self)
        else:
            y = self._forward(x, second, param, value, self._windows)
        return y

    def with_value(self, value: float) -> Callable[[Tensor], Tensor]:
        """Return the pool as a function of the input alone."""
        forward, windows = self._forward, self._windows

        def run(x: Tensor) -> Tensor:
            if x.requires_grad and _is_grad_enabled():
                return _apply(x, None, None, value, self)  # type: ignore[no-any-return]
            return forward(x, None, None, value, windows)  # type: ignore[no-any-return]

        return run

    def forward(self, x: Tensor, second: Tensor | None, param: Tensor | None, value: float) -> Tensor:
        y: Tensor = self._forward(x, second, param, value, self._windows)
        return y

    def backward(self, grad: Tensor, inputs: Sequence[Any], value: float) -> Sequence[Tensor]:
        """Return the gradients of x, second and param, which can be differentiated where autograd records."""
        of_inputs: Sequence[Tensor]
        if _is_grad_enabled() or not is_ordinary(grad):
            of_inputs = self._general_backward(grad, *inputs, value, *self._window)
        else:
            of_inputs = self._backward(grad, *inputs, value, self._windows)
        return of_inputs


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, second: Any, param: Any, value: float, prepared: Prepared) -> Tensor:
        ctx.value, ctx.prepared = value, prepared
        ctx.save_for_backward(x, second, param)
        return prepared.forward(x, second, param, value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        _, second, param = inputs = ctx.saved_tensors
        of_x, of_second, of_param = ctx.prepared.backward(grad, inputs, ctx.value)
        return of_x, None if second is None else of_second, None if param is None else of_param, None, None


#: Without what Function.apply does for transforms of torch.func, which ordinary tensors do not need: half of its time.
_apply: Any = super(torch.autograd.Function, _Differentiable).apply


@functools.lru_cache(maxsize=1024)
def prepare(operator: str, window: tuple[int, ...], ceil_mode: bool) -> Prepared:
    """Return a loaded operator with its windows, as the operator's own arguments state them."""
    return Prepared(operator, window, ceil_mode)
