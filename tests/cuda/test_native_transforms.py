"""Native operators inside torch's transforms, in every layout: what float64 by reference gives, and never zeros."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pools import distinct
from test_native_cpu import NATIVE, native_operator, operator, operator_arguments, others, pool
from torch import Tensor
from torch.autograd import forward_ad

from poolzoo import native
from poolzoo.functional import soft_pool2d

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    reason = native.why_not()
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

#: Each makes a batch of the given shape of what lies one after another in memory.
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x,
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "every second of channels_last": lambda x: torch.cat([x, x + 1]).contiguous(memory_format=torch.channels_last)[::2],
    "expanded": lambda x: x[:1].expand_as(x),
    "offset": lambda x: torch.nn.functional.pad(x, (1, 2, 1, 0))[..., 1:, 1:-2],
    "transposed": lambda x: x.mT.contiguous().mT,
}
Pool = Callable[[Tensor], Tensor]


def loss(f: Pool) -> Pool:
    return lambda x: f(x).sin().sum()


def dual_numbers(f: Pool, x: Tensor) -> tuple[Tensor, Tensor]:
    with forward_ad.dual_level():
        return tuple(forward_ad.unpack_dual(f(forward_ad.make_dual(x, x.cos()))))  # type: ignore[return-value]


def gradient_after_vmap(f: Pool, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    y = torch.vmap(f)(x)
    assert y.requires_grad
    return torch.autograd.grad((y + x[..., ::2, ::2]).sin().sum(), x)[0]  # with a skip path


def batched_gradients(f: Pool, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    y = f(x)
    seeds = torch.linspace(-1, 1, 3 * y.numel(), dtype=torch.float64).to(y.dtype).reshape(3, *y.shape)
    return torch.autograd.grad(y, x, seeds, is_grads_batched=True)[0]


TRANSFORMS: dict[str, Callable[[Pool, Tensor], Any]] = {
    "jvp": lambda f, x: torch.func.jvp(f, (x,), (x.cos(),)),
    "dual numbers": dual_numbers,
    "jacfwd": lambda f, x: torch.func.jacfwd(f)(x),
    "jacrev": lambda f, x: torch.func.jacrev(f)(x),
    "hessian": lambda f, x: torch.func.hessian(loss(f))(x),
    "vmap": lambda f, x: torch.vmap(f)(x),
    "vmap of the last axis": lambda f, x: torch.vmap(f, in_dims=-1)(x.movedim(0, -1)),
    "gradient after vmap": gradient_after_vmap,
    "vmap of grad": lambda f, x: torch.vmap(torch.func.grad(loss(f)))(x),
    "grad of vmap": lambda f, x: torch.func.grad(loss(torch.vmap(f)))(x),
    "vmap of jvp": lambda f, x: torch.vmap(lambda a: torch.func.jvp(f, (a,), (a.cos(),)))(x),
    "batched gradients": batched_gradients,
    "batched jacobian": lambda f, x: torch.autograd.functional.jacobian(f, x, vectorize=True),
    "batched hessian": lambda f, x: torch.autograd.functional.hessian(loss(f), x, vectorize=True),
}


def layouts_of(x: Tensor, name: str, transform: str) -> dict[str, Tensor]:
    """Inputs in every layout that torch itself takes; for vmap a stack of two."""
    given = {key: layout(x) for key, layout in LAYOUTS.items()}
    if transform in ("jvp", "dual numbers", "jacfwd", "hessian"):
        del given["expanded"]  # a tangent is laid out as its primal is: torch refuses it
    if name == "max" and transform == "batched hessian":  # torch's max_pool2d refuses channels_last here
        given = {key: x for key, x in given.items() if "channels_last" not in key}
    if "vmap" in transform:
        return {key: torch.stack([t, t + 0.5])[:, : t.shape[0]] for key, t in given.items()}
    return given


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms_give_the_references(name, transform):
    x = distinct(2, 2, 2, 4, dtype=torch.float64)
    x = x + 0.1 * x * x.sin()  # idw has a kink where an element equals the mean, as evenly spaced ones do
    for layout, given in layouts_of(x, name, transform).items():
        got, expected = (
            TRANSFORMS[transform](lambda a, b=backend: pool(name, a, 2, b, kernel_size=2), given)
            for backend in ("native", "reference")
        )
        torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11, msg=lambda m, at=layout: f"{at}: {m}")


@pytest.mark.parametrize("name", NATIVE)
def test_a_tangent_is_the_quotient_of_native_differences(name):
    x = distinct(2, 3, 6, 6, dtype=torch.float64)
    x, step = x + 0.1 * x * x.sin(), 1e-6
    direction = (3 * x).cos()
    with forward_ad.dual_level():
        dual = pool(name, forward_ad.make_dual(x, direction), 2, kernel_size=2)
        tangent = forward_ad.unpack_dual(dual).tangent
    logit = others(name, x)  # held still: only x moves
    ahead, behind = (pool(name, x + sign * step * direction, 2, kernel_size=2, **logit) for sign in (1, -1))
    torch.testing.assert_close(tangent, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NATIVE)
def test_every_second_of_channels_last_is_channels_last(name):
    x = distinct(4, 3, 6, 8, dtype=torch.float64).contiguous(memory_format=torch.channels_last)[::2]
    beside = others(name, x)
    y = pool(name, x, 2, kernel_size=2, **beside)
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, pool(name, x.contiguous(), 2, kernel_size=2, **beside), rtol=1e-14, atol=1e-14)
    arguments = operator_arguments(2, kernel=2, padding=0)
    forward, backward = native_operator(name).default, native_operator(name, "_backward").default
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(forward, (x, beside.get("logit"), *arguments), test_utils=tests)
    torch.library.opcheck(backward, (y.cos(), x, beside.get("logit"), *arguments), test_utils=tests)


@pytest.mark.parametrize("name", ["softpool", "lip", "max"])
def test_every_second_of_channels_last_compiles(name):
    torch._dynamo.reset()
    x = distinct(4, 3, 6, 8).contiguous(memory_format=torch.channels_last)[::2]
    call = functools.partial(operator(name, 2)[0], kernel_size=2, backend="native", **others(name, x))
    torch.testing.assert_close(torch.compile(call, fullgraph=True, backend="aot_eager")(x), call(x))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["native", "auto"])
@pytest.mark.parametrize("transform", ["jvp", "vmap", "vmap of grad", "grad of vmap"])
def test_transforms_compile_as_one_graph(transform, backend):
    torch._dynamo.reset()
    x = (
        distinct(2, 2, 2, 4, 4, dtype=torch.float64)
        if "vmap" in transform
        else distinct(2, 2, 4, 4, dtype=torch.float64)
    )

    def call(a: Tensor) -> Any:
        return TRANSFORMS[transform](lambda t: soft_pool2d(t, 2, backend=backend), a)

    torch.testing.assert_close(torch.compile(call, fullgraph=True, backend="aot_eager")(x), call(x))
