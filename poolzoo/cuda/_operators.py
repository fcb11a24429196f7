"""What torch must know of the native operators beside their kernels: shapes, derivatives, batching.

A reducer is two operators: ``poolzoo::NAME(x, param, value, window, ceil_mode)``, and ``NAME_backward(grad, x, ...)``,
which gives the gradients of x and of param, the latter without elements where there is no param. ``window`` is
kernel_size, stride, padding and dilation, one after another; ``param``, a float64 scalar, stands instead of ``value``.
A new reducer is one more name in ``NAMES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from poolzoo import cuda
from poolzoo.windows import Geometry, is_channels_last, output_size, pool_windows

NAMES = ("softpool",)


def register() -> dict[str, Callable[..., Tensor]]:
    """Complete the operators of the library just loaded, and give the forward ones by name."""
    for name in NAMES:
        _register(name)
    return {name: getattr(torch.ops.poolzoo, name).default for name in NAMES}


def _register(name: str) -> None:
    forward, backward = f"poolzoo::{name}", f"poolzoo::{name}_backward"
    run = getattr(torch.ops.poolzoo, name).default
    run_backward = getattr(torch.ops.poolzoo, f"{name}_backward").default

    @torch.library.register_fake(forward)  # type: ignore[untyped-decorator]
    def _(x: Tensor, param: Tensor | None, value: float, window: Sequence[int], ceil_mode: bool) -> Tensor:
        geometry = _geometry(window, ceil_mode)
        lead = x.shape[: x.dim() - geometry.ndim]
        return _empty(x, [*lead, *output_size(x.shape[len(lead) :], geometry)], window)

    @torch.library.register_fake(backward)  # type: ignore[untyped-decorator]
    def _(grad: Tensor, x: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
        return _empty(x, x.shape, arguments[2]), x.new_empty((0,) if arguments[0] is None else (), dtype=torch.float64)

    def save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *tensors, ctx.value, ctx.window, ctx.ceil_mode = inputs
        ctx.save_for_backward(*tensors)

    def derivative(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, param = ctx.saved_tensors
        of_x, of_param = run_backward(grad, x, param, ctx.value, ctx.window, ctx.ceil_mode)
        return of_x, None if param is None else of_param.to(param.device), None, None, None

    def second_derivative(ctx: Any, of_x: Tensor, of_param: Tensor) -> tuple[Any, ...]:
        grad, x, param = ctx.saved_tensors
        reducer, key = cuda.references[name]
        with torch.enable_grad():
            grad, x = grad.detach().requires_grad_(), x.detach().requires_grad_()
            inputs, seeds = [x], [of_x]
            params: dict[str, Any] = {} if key is None else {key: ctx.value}
            if param is not None and key is not None:
                params[key] = param = (
                    param.detach().to(x.dtype if x.dtype == torch.float64 else torch.float32).requires_grad_()
                )
                inputs, seeds = [x, param], [of_x, of_param.to(param)]
            y = pool_windows(x, _geometry(ctx.window, ctx.ceil_mode), reducer, **params)
            first = torch.autograd.grad(y, inputs, grad, create_graph=True)
            second = torch.autograd.grad(first, [grad, *inputs], seeds, allow_unused=True)
        of_second_param = second[2].double() if len(second) > 2 and second[2] is not None else None
        return second[0], second[1], of_second_param, None, None, None

    torch.library.register_autograd(forward, derivative, setup_context=save)
    torch.library.register_autograd(backward, second_derivative, setup_context=save)

    @torch.library.register_vmap(forward)  # type: ignore[untyped-decorator]
    def _(
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, param: Tensor | None, *arguments: Any
    ) -> tuple[Tensor, int]:
        if in_dims[1] is not None:
            samples = _samples(info.batch_size, in_dims[:2], (x, param))
            return torch.stack([run(*sample, *arguments) for sample in samples]), 0
        x, unfold = _fold(x.movedim(in_dims[0] or 0, 0), arguments[1])
        return unfold(run(x, param, *arguments)), 0

    @torch.library.register_vmap(backward)  # type: ignore[untyped-decorator]
    def _(
        info: Any, in_dims: tuple[int | None, ...], grad: Tensor, x: Tensor, param: Tensor | None, *arguments: Any
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        samples = _samples(info.batch_size, in_dims[:3], (grad, x, param))
        if param is not None:  # whose gradient is one of each sample
            of_x, of_param = zip(*(run_backward(*sample, *arguments) for sample in samples), strict=True)
            return (torch.stack(of_x), torch.stack(of_param)), (0, 0)
        grad, _ = _fold(torch.stack([sample[0] for sample in samples]), arguments[1])
        x, unfold = _fold(torch.stack([sample[1] for sample in samples]), arguments[1])
        of_x, of_param = run_backward(grad, x, None, *arguments)
        return (unfold(of_x), of_param.expand(info.batch_size, 0)), (0, 0)


def _geometry(window: Sequence[int], ceil_mode: bool) -> Geometry:
    n = len(window) // 4
    kernel, stride, padding, dilation = (tuple(window[i * n : (i + 1) * n]) for i in range(4))
    return Geometry(kernel, stride, padding, dilation, ceil_mode)


def _empty(x: Tensor, shape: Sequence[int], window: Sequence[int]) -> Tensor:
    if x.dim() == len(window) // 4 + 2 and is_channels_last(x):
        layout = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
        return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)
    return torch.empty(shape, dtype=x.dtype, device=x.device)


def _fold(x: Tensor, window: Sequence[int]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A batch of inputs as one input, and what takes the result apart again."""
    if x.dim() == len(window) // 4 + 2:  # of unbatched ones
        return x, lambda y: y
    many = x.shape[:2]
    return x.flatten(0, 1), lambda y: y.unflatten(0, many)


def _samples(size: int, dims: Sequence[int | None], tensors: Sequence[Tensor | None]) -> list[tuple[Any, ...]]:
    columns = [
        [t] * size if t is None or dim is None else list(t.unbind(dim)) for t, dim in zip(tensors, dims, strict=True)
    ]
    return list(zip(*columns, strict=True))
