"""The native CPU operators against the reference, which defines them, over every type, layout and awkward window."""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from typing import Any

import numpy as np
import oracles
import pytest
import torch
from pools import MAX_POOL, distinct, geometries
from torch import Tensor

import poolzoo
from poolzoo import cuda
from poolzoo.registry import list_pools, pool_info

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    reason = cuda.why_not()
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

NATIVE = [name for name in list_pools() if pool_info(name).native]
LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
#: Windows that each take another way through the engine, with input sizes around the vectors' lengths.
SHAPES: dict[int, list[tuple[int, ...]]] = {
    1: [(2, 3, 66), (1, 1, 17)],
    2: [(2, 3, 12, 34), (1, 20, 9, 33)],
    3: [(2, 3, 6, 5, 18), (1, 17, 4, 7, 6)],
}
WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3},
    {"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 2, "dilation": 2},
    {"kernel_size": 4, "stride": 4},
    {"kernel_size": 1, "stride": 2},
]
CASES = list(itertools.product(NATIVE, (1, 2, 3)))
every_native = pytest.mark.parametrize(("name", "ndim"), CASES)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def pool(name: str, x: Tensor, ndim: int, backend: str = "native", **arguments: Any) -> Tensor:
    y = pool_info(name).make_function(ndim)(x, backend=backend, **arguments)
    assert isinstance(y, Tensor)
    return y


def with_gradient(name: str, x: Tensor, ndim: int, backend: str, **arguments: Any) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    y = pool(name, x, ndim, backend, **arguments)
    # The same for both, and neither constant nor symmetric.
    seed = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).reshape(y.shape).to(y.dtype)
    (grad,) = torch.autograd.grad(y, x, seed)
    return y.detach(), grad


def assert_near(got: Tensor, exact: Tensor, taps: int, ulps: float = 4.0) -> None:
    """Within `ulps` of the largest value and tap, in the type of `got`: a sum of so many is not more exact."""
    assert got.shape == exact.shape
    bound = ulps * torch.finfo(got.dtype).eps * max(1.0, exact.abs().max().item())
    if got.dtype in (torch.float64, torch.float32):
        bound *= math.sqrt(taps)
    assert (got.double() - exact).abs().max().item() <= bound


@every_native
@every_dtype
@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels_last"])
def test_values_and_gradients_are_the_references(name, ndim, dtype, channels_last):
    if channels_last and ndim == 1:
        pytest.skip("torch has no channels_last for one axis")
    for shape, window in itertools.product(SHAPES[ndim], WINDOWS):
        x = distinct(*shape, dtype=torch.float64).to(dtype)
        if channels_last:
            x = x.contiguous(memory_format=LAYOUTS[x.dim()])
        y, grad = with_gradient(name, x, ndim, "native", **window)
        exact_y, exact_grad = with_gradient(name, x.double(), ndim, "reference", **window)
        assert y.dtype == grad.dtype == dtype
        layout = LAYOUTS[x.dim()] if channels_last else torch.contiguous_format
        assert y.is_contiguous(memory_format=layout) and grad.is_contiguous(memory_format=layout), (shape, window)
        taps = window["kernel_size"] ** ndim
        assert_near(y, exact_y, taps)
        assert_near(grad, exact_grad, taps, ulps=8)


@every_native
def test_any_geometry_gives_the_references_values(name, ndim):
    for geometry in geometries(ndim, 40, seed=3):
        sizes = geometry.pop("sizes")
        x = distinct(2, 3, *sizes, dtype=torch.float64)
        got, exact = (with_gradient(name, x, ndim, backend, **geometry) for backend in ("native", "reference"))
        for value, expected in zip(got, exact, strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12, msg=str((sizes, geometry)))


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("sizes", [(4, 1, 1), (4, 3, 1), (2, 4, 4)])
def test_an_unbatched_volume_is_no_batch_of_pictures(name, sizes):
    x = distinct(3, *sizes)
    # Once with strides that a channels_last batch of four axes would have.
    for volume in (x, x.unsqueeze(0).contiguous(memory_format=torch.channels_last_3d).squeeze(0)):
        y, grad = with_gradient(name, volume, 3, "native", kernel_size=(2, 1, 1))
        expected, expected_grad = with_gradient(name, volume, 3, "reference", kernel_size=(2, 1, 1))
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(grad, expected_grad)
        torch.library.opcheck(
            getattr(torch.ops.poolzoo, name).default,
            (volume, None, 1.0, [2, 1, 1, 2, 1, 1, 0, 0, 0, 1, 1, 1], False),
            test_utils=("test_schema", "test_faketensor"),
        )


def test_softpool_is_its_formula():
    for geometry in geometries(2, 12, seed=5):
        sizes = geometry.pop("sizes")
        x = distinct(1, 2, *sizes, dtype=torch.float64)
        windows = oracles.Geometry(*(geometry[k] for k in oracles.Geometry._fields))

        def formula(a: Any) -> float:
            weight = np.exp(a - a.max())
            return float((weight * a).sum() / weight.sum())

        expected = torch.from_numpy(oracles.pool(x.numpy(), windows, formula))
        torch.testing.assert_close(pool("softpool", x, 2, **geometry), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("beta", [0.0, 0.3, -2.0, 7.5, 1e-30, 1e30, -1e4])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_any_beta(beta, dtype):
    x = distinct(2, 3, 12, 19, dtype=torch.float64).to(dtype)
    for window in WINDOWS:
        y, grad = with_gradient("softpool", x, 2, "native", beta=beta, **window)
        exact_y, exact_grad = with_gradient("softpool", x.double(), 2, "reference", beta=beta, **window)
        assert_near(y, exact_y, 16)
        assert_near(grad, exact_grad, 16, ulps=16)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gradient_of_beta_is_the_references(dtype):
    x = distinct(2, 3, 12, 19, dtype=torch.float64).to(dtype)
    for window, start in itertools.product(WINDOWS, (0.8, -0.8)):
        grads = []
        for backend, given in (("native", x), ("reference", x.double())):
            beta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
            pool("softpool", given, 2, backend, beta=beta, **window).float().square().mean().backward()
            grads.append(beta.grad)
        torch.testing.assert_close(*grads, rtol=1e-4 if dtype in DTYPES[:2] else 2e-2, atol=1e-6)


# Magnitudes ----------------------------------------------------------------------------------------------------


@every_native
@pytest.mark.parametrize("large", [88.0, 110.0, 3e3, 1e6, 1e30])
def test_large_elements_pool_as_exactly_as_small_ones(name, ndim, large):
    for offset, scale in ((large, 1.0), (-large, 1.0), (0.0, large)):
        x = (distinct(*SHAPES[ndim][0], dtype=torch.float64) * scale + offset).float()
        for window in WINDOWS:
            y, grad = with_gradient(name, x, ndim, "native", **window)
            exact_y, exact_grad = with_gradient(name, x.double(), ndim, "reference", **window)
            assert_near(y, exact_y, 1)
            assert_near(grad, exact_grad, 27, ulps=8)


@every_native
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_inf_reach_exactly_the_windows_that_hold_them(name, ndim, bad):
    x = distinct(*SHAPES[ndim][0])
    for window in WINDOWS:
        clean, clean_grad = with_gradient(name, x, ndim, "native", **window)
        for position in (0, x[0, 0].numel() // 2, x[0, 0].numel() - 1):
            spoilt = x.clone()
            spoilt[-1, 1].view(-1)[position] = bad
            holds = MAX_POOL[ndim]((spoilt != x).float(), **window) == 1
            y, grad = with_gradient(name, spoilt, ndim, "native", **window)
            assert torch.equal(y[~holds], clean[~holds]), window
            torch.testing.assert_close(
                y, pool(name, spoilt, ndim, "reference", **window), equal_nan=True, rtol=1e-5, atol=1e-5
            )
            touched = torch.autograd.functional.vjp(
                functools.partial(pool, name, ndim=ndim, backend="reference", **window),
                x.double(),
                holds.double(),
            )[1]
            assert torch.equal(grad[touched == 0], clean_grad[touched == 0]), window
            if holds.any():
                assert not y[holds].isfinite().any()


# What torch asks of an operator ------------------------------------------------------------


def operator_arguments(ndim: int, **changes: Any) -> tuple[Any, ...]:
    given = {"kernel": 3, "stride": 2, "padding": 1, "dilation": 1, "param": None, "value": 0.7} | changes
    window = [v for key in ("kernel", "stride", "padding", "dilation") for v in [given[key]] * ndim]
    return given["param"], given["value"], window, False


@every_native
def test_opcheck(name, ndim):
    forward = getattr(torch.ops.poolzoo, name).default
    backward = getattr(torch.ops.poolzoo, f"{name}_backward").default
    for dtype, param in itertools.product(
        (torch.float32, torch.float64), (None, torch.tensor(0.5, dtype=torch.float64))
    ):
        x = distinct(2, 3, *(7, 6, 5)[:ndim], dtype=dtype).requires_grad_()
        if param is not None:
            param = param.clone().requires_grad_()
        arguments = operator_arguments(ndim, param=param)
        torch.library.opcheck(forward, (x, *arguments))
        grad = torch.ones_like(forward(x, *arguments)).detach()
        torch.library.opcheck(backward, (grad, x.detach(), *operator_arguments(ndim)))


@every_native
def test_gradients_are_derivatives(name, ndim):
    x = distinct(1, 2, *(5, 4, 3)[:ndim], dtype=torch.float64).requires_grad_()
    beta = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    for window in ({"kernel_size": 2}, {"kernel_size": 2, "stride": 1, "padding": 1}):
        assert torch.autograd.gradcheck(lambda t, b, w=window: pool(name, t, ndim, beta=b, **w), (x, beta))
        assert torch.autograd.gradgradcheck(
            functools.partial(pool, name, ndim=ndim, **window),
            (x,),
            fast_mode=True,
        )


@every_native
def test_compiles_as_one_graph(name, ndim):
    torch._dynamo.reset()
    module = pool_info(name).make_class(ndim)(2, backend="native")
    compiled = torch.compile(module, fullgraph=True)
    x, twin = (distinct(2, 3, *(9, 8, 7)[:ndim]).requires_grad_() for _ in range(2))
    y, expected = compiled(x), module(twin)
    assert torch.equal(y, expected)
    y.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(x.grad, twin.grad)


@every_native
def test_vmap_equals_a_loop(name, ndim):
    x = distinct(3, 2, 4, *(9, 8, 7)[:ndim])
    expected = torch.stack([pool(name, sample, ndim, kernel_size=2) for sample in x])
    for dim in (0, -1):
        assert torch.equal(
            torch.func.vmap(lambda t: pool(name, t, ndim, kernel_size=2), in_dims=dim)(x.movedim(0, dim)), expected
        )


@every_native
def test_results_do_not_depend_on_the_number_of_threads(name, ndim):
    shape = {1: (4, 8, 9000), 2: (3, 8, 90, 101), 3: (2, 4, 17, 30, 33)}[ndim]
    x = distinct(*shape)
    before = torch.get_num_threads()
    try:
        for window in WINDOWS[:3]:
            results = []
            for threads in (1, 2, 3, 7):
                torch.set_num_threads(threads)
                beta = torch.tensor(0.9, requires_grad=True)
                given = x.clone().requires_grad_()
                y = pool(name, given, ndim, beta=beta, **window)
                y.square().sum().backward()
                results.append((y.detach(), given.grad, beta.grad))
            for other in results[1:]:
                assert all(torch.equal(a, b) for a, b in zip(other, results[0], strict=True)), window
    finally:
        torch.set_num_threads(before)


def test_backward_keeps_only_the_input():
    saved: list[Tensor] = []
    x = torch.randn(2, 4, 32, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        pool("softpool", x, 2, kernel_size=2)
    assert sum(t.numel() * t.element_size() for t in saved) <= 1.3 * x.numel() * x.element_size()


# The choice of backend ----------------------------------------------------------------------------------------------


def test_backend_is_named_with_what_is_allowed():
    with pytest.raises(ValueError, match=r"backend='fast': 'auto', 'reference', 'native' are allowed"):
        poolzoo.functional.soft_pool2d(torch.zeros(1, 1, 4, 4), 2, backend="fast")
    with pytest.raises(RuntimeError, match=r"backend='native': x is on meta"):
        poolzoo.functional.soft_pool2d(torch.zeros(1, 1, 4, 4, device="meta"), 2, backend="native")
    assert poolzoo.functional.soft_pool2d(torch.zeros(1, 1, 4, 4, device="meta"), 2).shape == (1, 1, 2, 2)


def test_auto_is_native_and_reference_is_not():
    x = distinct(1, 3, 9, 9)
    with torch.profiler.profile() as profile:
        poolzoo.SoftPool2d(2)(x)
    assert any(event.name == "poolzoo::softpool" for event in profile.events())
    with torch.profiler.profile() as profile:
        poolzoo.SoftPool2d(2, backend="reference")(x)
    assert not any(event.name == "poolzoo::softpool" for event in profile.events())


def test_too_small_an_input_is_named():
    with pytest.raises(ValueError, match=r"input size 2 is too small .*kernel_size=3"):
        pool("softpool", torch.zeros(1, 1, 2, 9), 2, kernel_size=3)
    with pytest.raises(RuntimeError, match="too small"):
        torch.ops.poolzoo.softpool(torch.zeros(1, 1, 2, 9), *operator_arguments(2, padding=0))
