"""The native CPU operators against the reference, which defines them, over every type, layout and awkward window."""

from __future__ import annotations

import functools
import itertools
import math
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import oracles
import pytest
import torch
from pools import MAX_POOL, distinct, geometries
from torch import Tensor

import poolzoo
from poolzoo import engine, native
from poolzoo.create import make_class, make_function, operator_params
from poolzoo.geometry import make_geometry, output_size
from poolzoo.registry import list_pools, parse_spec, pool_info
from poolzoo.windows import absent, mean, windows

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    reason = native.why_not()
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

#: Every native operator and way through it: `lp` has a branch of its own for p = 2, `softpool` for each sign of beta.
NATIVE = [
    *(name for name in list_pools() if pool_info(name).native and name not in ("power", "autopool")),
    *("lp:p=3.5", "lp:p=0.7,norm=sum", "lp:p=inf", "softpool:beta=-0.8", "idw:eps=0.1"),
]
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


def operator(spec: str, ndim: int) -> tuple[Any, dict[str, Any]]:
    """The function, and its own arguments."""
    name, params = parse_spec(spec)
    return make_function(pool_info(name), ndim), params


def others(spec: str, x: Tensor) -> dict[str, Tensor]:
    """Inputs beside ``x``, the same for all of its shape."""
    return (
        {"logit": (3 * torch.linspace(0, 60, x.numel(), dtype=torch.float64).sin()).reshape(x.shape).to(x)}
        if spec == "lip"
        else {}
    )


def pool(spec: str, x: Tensor, ndim: int, backend: str = "native", **arguments: Any) -> Tensor:
    function, params = operator(spec, ndim)
    y = function(x, backend=backend, **{**others(spec, x), **params, **arguments})
    assert isinstance(y, Tensor)
    return y


def with_gradient(spec: str, x: Tensor, ndim: int, backend: str, **arguments: Any) -> tuple[Tensor, list[Tensor]]:
    """The result, and the gradient of each input."""
    x = x.detach().requires_grad_()
    beside = {key: value.detach().requires_grad_() for key, value in others(spec, x).items()}
    y = pool(spec, x, ndim, backend, **beside, **arguments)
    # The same for both, and neither constant nor symmetric.
    seed = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).reshape(y.shape).to(y.dtype)
    return y.detach(), list(torch.autograd.grad(y, [x, *beside.values()], seed))


def native_operator(spec: str, ending: str = "") -> Any:
    name, params = parse_spec(spec)
    info = pool_info(name)
    defaults = {key: p.default for key, p in operator_params(info).items() if key != "backend"}
    reducer = engine.suiting(info.native, {**defaults, **params}).reducer
    assert not native.why_not("cpu", reducer)
    return getattr(torch.ops.poolzoo, reducer + ending)


def assert_near(got: Tensor, exact: Tensor, taps: int, ulps: float = 4.0) -> None:
    """Within `ulps` of the largest value and tap, in the type of `got`: a sum of so many is not more exact."""
    assert got.shape == exact.shape
    bound = ulps * torch.finfo(got.dtype).eps * max(1.0, exact.abs().max().item())
    if got.dtype in (torch.float64, torch.float32):
        bound *= math.sqrt(taps)
    assert (got.double() - exact).abs().max().item() <= bound


def amplified(spec: str, x: Tensor, window: dict[str, Any]) -> float:
    """How much larger than elsewhere errors are where the mean, itself rounded, is divided by or subtracted from."""
    name, params = parse_spec(spec)
    if name not in ("idw", "edscw", "adapool"):
        return 1.0
    a, mask = windows(x.double(), make_geometry(x.dim() - 2, **window))
    middle = mean(a, mask).unsqueeze(-1)
    if name == "idw":  # a slope is divided by the share twice
        distance = (a - middle).abs()
        spread = mean(absent(distance, mask, 0.0), mask).unsqueeze(-1)
        share = absent(distance / spread.masked_fill(spread == 0, 1.0), mask, math.inf) + params.get("eps", 1e-6)
        return float(2 / share.min())
    size = absent(a.abs(), mask, 0.0).amax(-1, keepdim=True)
    known = middle.abs() > torch.finfo(x.dtype).eps * size
    return float((size / middle.abs())[known].max().clamp(min=1))


@every_native
@every_dtype
def test_values_and_gradients_are_the_references(name, ndim, dtype):
    for shape, window in itertools.product(SHAPES[ndim], WINDOWS):
        x = distinct(*shape, dtype=torch.float64)
        if name.startswith("idw"):  # has a kink where an element equals the mean, as evenly spaced ones do
            x = x + 0.1 * x * x.sin()
        x = x.to(dtype)
        exact_y, exact_grads = with_gradient(name, x.double(), ndim, "reference", **window)
        taps, amplification = window["kernel_size"] ** ndim, amplified(name, x, window)
        for layout in (torch.contiguous_format, *([LAYOUTS[x.dim()]] if ndim > 1 else [])):
            y, grads = with_gradient(name, x.contiguous(memory_format=layout), ndim, "native", **window)
            assert all(t.dtype == dtype and t.is_contiguous(memory_format=layout) for t in (y, *grads)), (shape, window)
            assert_near(y, exact_y, taps)
            for grad, exact_grad in zip(grads, exact_grads, strict=True):
                assert_near(grad, exact_grad, taps, ulps=8 * amplification)


@every_native
def test_any_geometry_gives_the_references_values(name, ndim):
    for geometry in geometries(ndim, 25, seed=3):
        sizes = geometry.pop("sizes")
        x = distinct(2, 3, *sizes, dtype=torch.float64)
        (y, grads), (exact_y, exact_grads) = (
            with_gradient(name, x, ndim, backend, **geometry) for backend in ("native", "reference")
        )
        amplification = amplified(name, x, geometry)
        for value, expected in zip([y, *grads], [exact_y, *exact_grads], strict=True):
            error = 1e-12 + 1e-14 * (amplification - 1)
            torch.testing.assert_close(value, expected, rtol=error, atol=error, msg=str((sizes, geometry)))


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("sizes", [(4, 1, 1), (4, 3, 1), (2, 4, 4)])
def test_an_unbatched_volume_is_no_batch_of_pictures(name, sizes):
    x = distinct(3, *sizes)
    # Once with strides that a channels_last batch of four axes would have.
    for volume in (x, x.unsqueeze(0).contiguous(memory_format=torch.channels_last_3d).squeeze(0)):
        results = [
            with_gradient(name, volume, 3, backend, kernel_size=(2, 1, 1)) for backend in ("native", "reference")
        ]
        torch.testing.assert_close(*results)
        second = volume if name == "lip" else None
        torch.library.opcheck(
            native_operator(name).default,
            (volume, second, None, 1.0, [2, 1, 1, 2, 1, 1, 0, 0, 0, 1, 1, 1], False),
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
        y, (grad,) = with_gradient("softpool", x, 2, "native", beta=beta, **window)
        exact_y, (exact_grad,) = with_gradient("softpool", x.double(), 2, "reference", beta=beta, **window)
        assert_near(y, exact_y, 16)
        assert_near(grad, exact_grad, 16, ulps=16)


#: Scalar parameters that have a gradient, where they stand and within which the gradient is compared.
PARAMETERS = [("softpool", "beta", 0.8), ("softpool", "beta", -0.8), ("adapool", "beta", 0.3)]
PARAMETERS += [("lp", "p", 3.5), ("lp", "p", 2.0), ("lp:norm=sum", "p", 0.7), ("power", "p", 1.5)]
PARAMETERS += [("autopool", "beta", 1.2)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "key", "start"), PARAMETERS)
def test_gradient_of_the_parameter_is_the_references(name, key, start, dtype):
    x = distinct(2, 3, 12, 19, dtype=torch.float64).to(dtype)
    for window in WINDOWS:
        grads = []
        for backend, given in (("native", x), ("reference", x.double())):
            param = torch.tensor(start, dtype=torch.float64, requires_grad=True)
            pool(name, given, 2, backend, **{key: param}, **window).float().square().mean().backward()
            grads.append(param.grad)
        torch.testing.assert_close(*grads, rtol=1e-4 if dtype in DTYPES[:2] else 2e-2, atol=1e-6)


# Magnitudes ----------------------------------------------------------------------------------------------------


@every_native
@pytest.mark.parametrize("large", [88.0, 1e6, 1e30])
def test_large_elements_pool_as_exactly_as_small_ones(name, ndim, large):
    # idw looks at distances to the mean, of which a large offset leaves nothing.
    for offset, scale in ((large, 1.0), (-large, 1.0), (0.0, large))[2 * name.startswith("idw") :]:
        x = (distinct(*SHAPES[ndim][0], dtype=torch.float64) * scale + offset).float()
        for window in WINDOWS:
            taps = window["kernel_size"] ** ndim
            y, grads = with_gradient(name, x, ndim, "native", **window)
            exact_y, exact_grads = with_gradient(name, x.double(), ndim, "reference", **window)
            assert_near(y, exact_y, taps, ulps=4 * amplified(name, x, window))
            for grad, exact_grad in zip(grads, exact_grads, strict=True):
                if name.startswith("idw"):  # its slope jumps at the mean, and rounding takes elements across
                    assert grad.isfinite().all()
                else:
                    assert_near(grad, exact_grad, 27, ulps=8 * amplified(name, x, window))


@every_native
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_inf_reach_exactly_the_windows_that_hold_them(name, ndim, bad):
    x = distinct(*SHAPES[ndim][0])
    for window in WINDOWS[::2]:
        clean, (clean_grad, *_) = with_gradient(name, x, ndim, "native", **window)
        for position in (0, x[0, 0].numel() // 2, x[0, 0].numel() - 1):
            spoilt = x.clone()
            spoilt[-1, 1].view(-1)[position] = bad
            holds = MAX_POOL[ndim]((spoilt != x).float(), **window) == 1
            y, (grad, *_) = with_gradient(name, spoilt, ndim, "native", **window)
            assert torch.equal(y[~holds], clean[~holds]), window
            expected = pool(name, spoilt, ndim, "reference", **window)
            finite = expected.isfinite()
            assert torch.equal(y.isfinite(), finite), window
            torch.testing.assert_close(y[finite], expected[finite], rtol=1e-5, atol=1e-5)
            touched = torch.autograd.functional.vjp(
                functools.partial(pool, "avg", ndim=ndim, backend="reference", **window), x.double(), holds.double()
            )[1]
            assert torch.equal(grad[touched == 0], clean_grad[touched == 0]), window
            if holds.any() and math.isnan(bad):
                assert y[holds].isnan().all()


INF, NAN = math.inf, math.nan
#: At the ends of what a type holds: the window, y, and dy/da. The formula's limits; 0 * inf is NaN, as in torch's norm.
EXTREMES: list[tuple[str, list[float], float, list[float]]] = [
    ("lp:p=inf", [1, -INF, 2, 3], INF, [0, -1, 0, 0]),
    ("lp:p=inf", [1, -INF, 2, INF], INF, [0, -0.5, 0, 0.5]),  # shared among the largest, as torch's amax does
    ("lp:p=inf,norm=sum", [INF, 2, 3], INF, [1, 0, 0]),
    ("lp:p=1.0", [1, -INF, 2, 0], INF, [0.25, -0.25, 0.25, 0]),
    ("lp:p=1.0,norm=sum", [1, -INF, 2, INF], INF, [1, -1, 1, 1]),
    ("lp", [1, -INF, 2, 0], INF, [0, NAN, 0, 0]),
    ("lp:p=3.5", [1, INF, 2, 0], INF, [0, NAN, 0, 0]),
    ("lp:p=0.5", [-1, INF, 2, 0], INF, [-INF, NAN, INF, 0]),
    ("lp:p=1.0,norm=sum", [3e38, 1, 0], 3e38, [1, 1, 0]),
    ("lp:norm=sum", [3e38, 1, 0], 3e38, [1, 0, 0]),
    ("lp:p=3.5,norm=sum", [3e38, 1, 0], 3e38, [1, 0, 0]),
    ("lp:p=inf,norm=sum", [3e38, 1, 0], 3e38, [1, 0, 0]),
    ("softpool", [0, 3e38, -3e38], 3e38, [0, 1, 0]),
    ("softpool", [3e38, 3e38, -3e38, 0], 3e38, [0.5, 0.5, 0, 0]),
    ("softpool:beta=-1", [0, 3e38, -3e38], -3e38, [0, 0, 1]),
    ("softpool:beta=0.001", [0, 3e38, -3e38], 3e38, [0, 1, 0]),
]


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize(("spec", "window", "expected", "slopes"), EXTREMES)
def test_gradients_at_the_ends_of_a_type(spec, window, expected, slopes, backend):
    x = torch.tensor(window).reshape(1, 1, -1)
    y, (grad,) = with_gradient(spec, x.repeat(1, 1, 2), 1, backend, kernel_size=len(window))
    torch.testing.assert_close(y, torch.full((1, 1, 2), expected), rtol=1e-6, atol=0)
    seed = torch.tensor([-1.0, 1.0])  # with_gradient's
    torch.testing.assert_close(
        grad.reshape(2, -1), seed[:, None] * torch.tensor(slopes), rtol=1e-6, atol=1e-6, equal_nan=True
    )


# What torch asks of an operator ------------------------------------------------------------


def operator_arguments(ndim: int, **changes: Any) -> tuple[Any, ...]:
    given = {"kernel": 3, "stride": 2, "padding": 1, "dilation": 1, "param": None, "value": 0.7} | changes
    window = [v for key in ("kernel", "stride", "padding", "dilation") for v in [given[key]] * ndim]
    return given["param"], given["value"], window, False


def has_param(spec: str) -> bool:
    return spec.partition(":")[0] in {name for name, *_ in PARAMETERS}


# What torch asks of an operator does not depend on the parameter, and hardly on the number of axes.
CHECKED = [
    pytest.param(name, ndim, marks=[] if ndim == 2 or name == "softpool" else pytest.mark.grid)
    for name, ndim in CASES
    if ":" not in name or "sum" in name
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "ndim"), CHECKED)
def test_opcheck(name, ndim):
    forward, backward = native_operator(name).default, native_operator(name, "_backward").default
    for dtype, with_param in itertools.product((torch.float32, torch.float64), {False, has_param(name)}):
        x = distinct(2, 3, *(7, 6, 5)[:ndim], dtype=dtype)
        second = others(name, x).get("logit")
        param = torch.tensor(0.5, dtype=torch.float64, requires_grad=True) if with_param else None
        arguments = operator_arguments(ndim, param=param)
        grad = torch.ones_like(forward(x, second, *arguments)).detach()
        torch.library.opcheck(backward, (grad, x, second, *operator_arguments(ndim)))
        inputs = [None if t is None else t.requires_grad_() for t in (x, second)]
        torch.library.opcheck(forward, (*inputs, *arguments))


@every_native
def test_gradients_are_derivatives(name, ndim):
    # Not evenly spaced: idw has a kink where an element equals the mean.
    x = distinct(1, 2, *(5, 4, 3)[:ndim], dtype=torch.float64)
    x = (x + 0.1 * x.sin() * x).requires_grad_()
    inputs = {key: value.requires_grad_() for key, value in others(name, x.detach()).items()}
    inputs |= {
        key: torch.tensor(start, dtype=torch.float64, requires_grad=True) for n, key, start in PARAMETERS if n == name
    }
    for window in ({"kernel_size": 2}, {"kernel_size": 2, "stride": 1, "padding": 1}):

        def f(t: Tensor, *rest: Tensor, window: dict[str, Any] = window) -> Tensor:
            return pool(name, t, ndim, **dict(zip(inputs, rest, strict=True)), **window)

        assert torch.autograd.gradcheck(f, (x, *inputs.values()))
        assert torch.autograd.gradgradcheck(f, (x, *inputs.values()), fast_mode=True)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_max_gives_ties_to_the_first_as_torch_does(ndim):
    x = torch.randint(0, 3, (2, 3, *(9, 8, 7)[:ndim]), generator=torch.Generator().manual_seed(0)).double()
    for window in ({**w, "padding": w.get("padding", 0)} for w in WINDOWS):
        for given in (x, torch.full_like(x, -math.inf)):
            (_, (grad,)), (_, (expected,)) = (
                with_gradient("max", given, ndim, b, **window) for b in ("native", "reference")
            )
            torch.testing.assert_close(grad, expected, rtol=1e-15, atol=1e-15, msg=str(window))


# Pictures of every operator are in tests/operators/test_open_sizes.py, in every layout.
@pytest.mark.slow
@pytest.mark.parametrize(("name", "ndim"), [(name, ndim) for name, ndim in CASES if ndim != 2 or name == "softpool"])
def test_compiles_as_one_graph(name, ndim):
    torch._dynamo.reset()
    x, twin = (distinct(2, 3, *(9, 8, 7)[:ndim]).requires_grad_() for _ in range(2))
    function, params = operator(name, ndim)
    call = functools.partial(function, kernel_size=2, backend="native", **params, **others(name, x))
    compiler = "inductor" if (name, ndim) in (("softpool", 2), ("lip", 1)) else "aot_eager"
    y, expected = torch.compile(call, fullgraph=True, backend=compiler)(x), call(twin)
    assert torch.equal(y, expected)
    y.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(x.grad, twin.grad)


@pytest.mark.slow
def test_what_was_never_called_before_compiles_as_one_graph():
    code = """
import torch, poolzoo.functional as PF
x = torch.randn(1, 3, 9, 9)
for pool in (PF.soft_pool2d, PF.ada_pool2d, PF.idw_pool2d):
    torch._dynamo.reset()
    compiled = torch.compile(lambda t: pool(t, 2, backend="native"), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), pool(x, 2, backend="reference"))
    torch.testing.assert_close(compiled(x + 1), pool(x + 1, 2, backend="reference"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("spec", ["softpool", "power", "lip", "adapool", "max"])
def test_modules_compile_as_one_graph(spec):
    torch._dynamo.reset()
    module = make_class(pool_info(spec), 2)(2, backend="native")
    x = distinct(2, 3, 9, 8)
    torch.testing.assert_close(torch.compile(module, fullgraph=True, backend="aot_eager")(x), module(x))


@every_native
def test_vmap_equals_a_loop(name, ndim):
    inputs = [distinct(3, 2, 4, *(9, 8, 7)[:ndim], seed=seed) for seed in ((0, 1) if name == "lip" else (0,))]

    def call(x: Tensor, *logit: Tensor) -> Tensor:
        return pool(name, x, ndim, kernel_size=2, **dict(zip(["logit"], logit, strict=False)))

    expected = torch.stack([call(*sample) for sample in zip(*inputs, strict=True)])
    for dim in (0, -1):
        moved = [x.movedim(0, dim) for x in inputs]
        torch.testing.assert_close(torch.func.vmap(call, in_dims=dim)(*moved), expected)
    shared = torch.func.vmap(call, in_dims=(0, *[None] * (len(inputs) - 1)))(inputs[0], *(x[0] for x in inputs[1:]))
    torch.testing.assert_close(shared[0], expected[0])


@every_native
def test_results_do_not_depend_on_the_number_of_threads(name, ndim):
    shape = {1: (4, 8, 9000), 2: (3, 8, 90, 101), 3: (2, 4, 17, 30, 33)}[ndim]
    x = distinct(*shape)
    before = torch.get_num_threads()
    try:
        for window in WINDOWS[:3]:
            results = []
            for threads in (1, 2, 7):
                torch.set_num_threads(threads)
                given = x.clone().requires_grad_()
                params = {key: torch.tensor(start, requires_grad=True) for n, key, start in PARAMETERS if n == name}
                y = pool(name, given, ndim, **params, **window)
                y.square().sum().backward()
                results.append((y.detach(), given.grad, *(param.grad for param in params.values())))
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
    with pytest.raises(RuntimeError, match=r"backend='native': input is on meta"):
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


def test_contexts_by_reference_may_overlap():
    x = distinct(1, 3, 9, 9)

    def is_native() -> bool:
        with torch.profiler.profile() as profile:
            poolzoo.SoftPool2d(2)(x)
        return any(event.name == "poolzoo::softpool" for event in profile.events())

    one, other = engine.by_reference(), engine.by_reference()
    seen = [is_native()]
    for step in (one.__enter__, other.__enter__, lambda: one.__exit__(None, None, None)):
        step()
        seen.append(is_native())
    other.__exit__(None, None, None)
    assert [*seen, is_native()] == [True, False, False, False, True]


@pytest.mark.parametrize("name", ["max", "avg"])
def test_auto_leaves_to_torch_what_the_table_does_not_name(name, monkeypatch):
    table = {
        f"{name} cpu float32 contiguous up to 2": (2000, 9000),
        f"{name} cpu float32 channels_last global": (None, None),
    }
    monkeypatch.setattr(engine, "_choices", lambda: table)
    x = distinct(1, 3, 32, 32)
    cases = [
        (x, 2, True),
        (distinct(1, 3, 8, 8), 2, False),
        (distinct(1, 3, 64, 64), 2, False),
        (x, 3, False),
        (x.double(), 2, False),
        (x.mT, 2, False),
        (x, 32, False),
        (x.contiguous(memory_format=torch.channels_last), 2, False),
        (x.contiguous(memory_format=torch.channels_last), 32, True),
    ]
    for x, kernel_size, expected in cases:
        defaults = {key: p.default for key, p in operator_params(pool_info(name)).items()}
        taken = engine.backend_of(pool_info(name), x, make_geometry(2, kernel_size), **defaults)
        assert taken == ("native" if expected else "torch")


def test_too_small_an_input_is_named():
    with pytest.raises(ValueError, match=r"input size 2 is too small .*kernel_size=3"):
        pool("softpool", torch.zeros(1, 1, 2, 9), 2, kernel_size=3)
    with pytest.raises(RuntimeError, match="too small"):
        torch.ops.poolzoo.softpool(torch.zeros(1, 1, 2, 9), None, *operator_arguments(2, padding=0))


@pytest.mark.parametrize("name", ["max", "avg", "softpool"])
def test_inputs_smaller_than_the_dilation_are_refused_only_where_a_window_holds_no_element(name):
    held = refused = 0
    for n, d, k, s, ceil in itertools.product((1, 2, 3), (2, 3, 4), (2, 3), (1, 2), (False, True)):
        for p in range(1, (d * (k - 1) + 1) // 2 + 1) if n < d else ():
            window = {"kernel_size": k, "stride": s, "padding": p, "dilation": d, "ceil_mode": ceil}
            x = distinct(1, 2, n, n, dtype=torch.float64)
            try:
                output_size((n, n), make_geometry(2, **window))
            except ValueError:
                with pytest.raises(RuntimeError, match="too small"):
                    native_operator(name)(x, None, None, 1.0, [k, k, s, s, p, p, d, d], ceil)
                refused += 1
                continue
            y, (grad,) = with_gradient(name, x, 2, "native", **window)
            exact_y, (exact_grad,) = with_gradient(name, x, 2, "reference", **window)
            assert_near(y, exact_y, k * k)
            assert_near(grad, exact_grad, k * k)
            held += 1
    assert held > 20 and refused > 20
