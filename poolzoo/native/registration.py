"""What torch needs to know about the native operators in addition to their kernels: shapes, derivatives, batching.

A reducer is two operators: ``poolzoo::NAME(x, second, param, value, window, ceil_mode)``, and ``NAME_backward(grad, x,
...)``, which returns the gradients of x, second and param; the gradient of an argument that is None has no elements.
``window`` is kernel_size, stride, padding and dilation, one after another, or the output size of an adaptive pool;
``param``, a float64 scalar, stands instead of ``value``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from poolzoo.geometry import AnyGeometry, Bins, Geometry, is_channels_last, output_size
from poolzoo.registry import native_reducers
from poolzoo.windows import pool_by_definition


def register(name: str) -> Callable[..., Tensor]:
    """Complete the operator whose library has just been loaded, and return its forward operator."""
    _register_shapes(name)
    _register_derivative(name)
    _register_second_derivative(name)
    _register_batching(name)
    run: Callable[..., Tensor] = getattr(torch.ops.poolzoo, name).default
    return run


def in_torch_operators(name: str) -> Callable[..., Tensor]:
    """Return a function with the arguments of the forward operator that evaluates its definition."""
    info, native = native_reducers()[name]

    def evaluate(
        x: Tensor, second: Tensor | None, param: Tensor | None, value: float, window: Sequence[int], ceil_mode: bool
    ) -> Tensor:
        given = value if param is None else param.to(torch.promote_types(x.dtype, torch.float32))
        y: Tensor = pool_by_definition(info, x, _geometry(window, ceil_mode), **native.arguments(given, second))
        return y

    return evaluate


def _register_shapes(name: str) -> None:
    @torch.library.register_fake(f"poolzoo::{name}")  # type: ignore[untyped-decorator]
    def _(
        x: Tensor, second: Tensor | None, param: Tensor | None, value: float, window: Sequence[int], ceil_mode: bool
    ) -> Tensor:
        geometry = _geometry(window, ceil_mode)
        lead = x.shape[: x.dim() - geometry.ndim]
        return _empty(x, [*lead, *output_size(x.shape[len(lead) :], geometry)], window)

    @torch.library.register_fake(f"poolzoo::{name}_backward")  # type: ignore[untyped-decorator]
    def _(
        grad: Tensor,
        x: Tensor,
        second: Tensor | None,
        param: Tensor | None,
        value: float,
        window: Sequence[int],
        *_: Any,
    ) -> tuple[Tensor, Tensor, Tensor]:
        of_second = x.new_empty((0,)) if second is None else _empty(x, x.shape, window)
        return _empty(x, x.shape, window), of_second, x.new_empty((0,) if param is None else (), dtype=torch.float64)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.value, ctx.window, ctx.ceil_mode = inputs
    ctx.save_for_backward(*tensors)


def _register_derivative(name: str) -> None:
    run_backward = getattr(torch.ops.poolzoo, f"{name}_backward").default

    def derivative(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, second, param = ctx.saved_tensors
        of_x, of_second, of_param = run_backward(grad, x, second, param, ctx.value, ctx.window, ctx.ceil_mode)
        of_param = None if param is None else of_param.to(param.device)
        return of_x, None if second is None else of_second, of_param, None, None, None

    torch.library.register_autograd(f"poolzoo::{name}", derivative, setup_context=_save)


def _register_second_derivative(name: str) -> None:
    """Second derivatives are those of the operator's definition, evaluated in torch's own operators."""

    def second_derivative(ctx: Any, of_x: Tensor, of_second: Tensor, of_param: Tensor) -> tuple[Any, ...]:
        grad, x, second, param = ctx.saved_tensors
        info, native = native_reducers()[name]
        with torch.enable_grad():
            # A parameter in the type that the reference computes in.
            given = [x, second, None if param is None else param.to(torch.promote_types(x.dtype, torch.float32))]
            grad, *given = [None if t is None else t.detach().requires_grad_() for t in (grad, *given)]
            arguments = native.arguments(ctx.value if given[2] is None else given[2], given[1])
            y = pool_by_definition(info, given[0], _geometry(ctx.window, ctx.ceil_mode), **arguments)
            pairs = [(t, seed) for t, seed in zip(given, (of_x, of_second, of_param), strict=True) if t is not None]
            inputs = [t for t, _ in pairs]
            first = torch.autograd.grad(y, inputs, grad, create_graph=True, allow_unused=True)
            terms = [
                (f, seed.to(f.dtype))
                for f, (_, seed) in zip(first, pairs, strict=True)
                if f is not None and f.requires_grad
            ]
            if not terms:
                return (None,) * 7
            outer = torch.autograd.grad(
                [f for f, _ in terms], [grad, *inputs], [seed for _, seed in terms], allow_unused=True
            )
        found = iter(outer[1:])
        of_second_x, of_second_second, of_second_param = [None if t is None else next(found) for t in given]
        if of_second_param is not None:
            of_second_param = of_second_param.double()
        return outer[0], of_second_x, of_second_second, of_second_param, None, None, None

    torch.library.register_autograd(f"poolzoo::{name}_backward", second_derivative, setup_context=_save)


def _register_batching(name: str) -> None:
    """The forward operator needs none: poolzoo.engine leaves transforms to the definition. Of the backward one
    torch.autograd.grad(is_grads_batched=True) asks a batch.
    """
    run_backward = getattr(torch.ops.poolzoo, f"{name}_backward").default

    @torch.library.register_vmap(f"poolzoo::{name}_backward")  # type: ignore[untyped-decorator]
    def _(
        info: Any,
        in_dims: tuple[int | None, ...],
        grad: Tensor,
        x: Tensor,
        second: Tensor | None,
        param: Tensor | None,
        *rest: Any,
    ) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[int, int, int]]:
        if param is not None:  # whose gradient is one of each sample
            samples = _samples(info.batch_size, in_dims[:4], (grad, x, second, param))
            of_x, of_second, of_param = zip(*(run_backward(*sample, *rest) for sample in samples), strict=True)
            return (torch.stack(of_x), torch.stack(of_second), torch.stack(of_param)), (0, 0, 0)
        grad, _ = _fold(_batched(grad, in_dims[0], info.batch_size), rest[1])
        x, unfold = _fold(_batched(x, in_dims[1], info.batch_size), rest[1])
        if second is not None:
            second, _ = _fold(_batched(second, in_dims[2], info.batch_size), rest[1])
        of_x, of_second, of_param = run_backward(grad, x, second, None, *rest)
        empty = info.batch_size, 0
        unfolded = of_second.expand(empty) if second is None else unfold(of_second)
        return (unfold(of_x), unfolded, of_param.expand(empty)), (0, 0, 0)


def _batched(x: Tensor, dim: int | None, size: int) -> Tensor:
    """Return the samples of a vmapped tensor along the first axis."""
    return x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)


def _axes(window: Sequence[int]) -> int:
    return len(window) // 4 or len(window)


def _geometry(window: Sequence[int], ceil_mode: bool) -> AnyGeometry:
    n = _axes(window)
    if n == len(window):
        return Bins(tuple(window))
    kernel, stride, padding, dilation = (tuple(window[i * n : (i + 1) * n]) for i in range(4))
    return Geometry(kernel, stride, padding, dilation, ceil_mode)


def _empty(x: Tensor, shape: Sequence[int], window: Sequence[int]) -> Tensor:
    if x.dim() == _axes(window) + 2 and is_channels_last(x):
        layout = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
        return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)
    return torch.empty(shape, dtype=x.dtype, device=x.device)


def _fold(x: Tensor, window: Sequence[int]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return a batch of inputs as one input, and a function that splits the result again."""
    if x.dim() == _axes(window) + 2:  # of unbatched ones
        return x, lambda y: y
    many = x.shape[:2]
    return x.flatten(0, 1), lambda y: y.unflatten(0, many)


def _samples(size: int, dims: Sequence[int | None], tensors: Sequence[Tensor | None]) -> list[tuple[Any, ...]]:
    columns = [
        [t] * size if t is None or dim is None else list(t.unbind(dim)) for t, dim in zip(tensors, dims, strict=True)
    ]
    return list(zip(*columns, strict=True))
