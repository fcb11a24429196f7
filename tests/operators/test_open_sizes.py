"""Programs made at one size and run at others: compiled, traced and exported operators give what eager ones do."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from pools import CHANNELS, LAYOUTS, distinct, every_pool_2d, info_of, make, scramble
from test_contract import assert_same
from torch import Tensor, nn

import poolzoo
from poolzoo import native
from poolzoo.create import make_function

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    native_here = native.available()

#: One that torch rounds down, with absent elements, and one that ends in a window which only ceil_mode adds.
GEOMETRIES: list[dict[str, Any]] = [
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True},
]
MADE_AT, OTHERS = (9, 8), [(12, 11), (8, 17)]
every_geometry = pytest.mark.parametrize("geometry", GEOMETRIES, ids=["floor", "ceil"])


def picture(height: int, width: int) -> Tensor:
    return distinct(2, CHANNELS, height, width)


@every_geometry
@every_pool_2d
def test_a_trace_is_right_at_other_sizes(spec, geometry):
    pool = scramble(make(spec, 2, **geometry))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(pool, (picture(*MADE_AT),), check_trace=False)
    for size in OTHERS:
        assert_same(traced(picture(*size)), pool(picture(*size)), ulps=16)


OPEN_AXES = ({2: torch.export.Dim("height", min=8, max=512), 3: torch.export.Dim("width", min=8, max=512)},)


def open_program(pool: nn.Module) -> Any:
    return torch.export.export(pool, (picture(*MADE_AT),), dynamic_shapes=OPEN_AXES).module()


@pytest.mark.parametrize("spec", ["max", "avg", "softpool", "blur", "s3", "fractional_max"])
@every_geometry
def test_an_exported_program_is_right_at_other_sizes(spec, geometry):
    pool = scramble(make(spec, 2, **geometry))
    program = open_program(pool)
    for size in OTHERS:
        assert_same(program(picture(*size)), pool(picture(*size)), ulps=16)


def open_session(pool: nn.Module) -> Any:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    program = torch.onnx.export(pool, (picture(*MADE_AT),), dynamo=True, verbose=False, dynamic_shapes=OPEN_AXES)
    assert program is not None
    buffer = io.BytesIO()
    program.save(buffer)
    return onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])


# Not every operator: an export takes seconds. These are the kinds of index, window and weight arithmetic.
@pytest.mark.parametrize(
    "spec",
    ["avg", "softpool", "dpp", "blur", "max_blur", "haar:mode=antisymmetric", "haar:mode=periodization", "spectral"],
)
def test_onnx_is_right_at_other_sizes(spec):
    pool = scramble(make(spec, 2, **GEOMETRIES[1]))
    session = open_session(pool)
    for size in OTHERS:
        x = picture(*size)
        (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(y, pool(x).detach().numpy(), rtol=1e-5, atol=1e-5)


def compiled_call(spec: str, backend: str, dynamic: bool, **geometry: Any) -> tuple[nn.Module, Any, Any]:
    """An operator's module, and its function of ``(x, params)``: as it is and compiled."""
    torch._dynamo.reset()
    pool, function = scramble(make(spec, 2, **geometry)), make_function(info_of(spec), 2)
    geometry |= {"backend": backend} if info_of(spec).native else {}

    def call(x: Tensor, params: dict[str, Any]) -> Tensor:
        y = function(x, **{**params, **geometry})
        assert isinstance(y, Tensor)
        return y

    # Not plain "eager", which does not look at how the results of compiled operators lie in memory.
    compiler = "aot_eager" if backend == "native" else "eager"
    return pool, call, torch.compile(call, dynamic=dynamic, fullgraph=True, backend=compiler)


@pytest.mark.parametrize("spec", ["max_blur", "avg_blur", "lift"])
def test_one_compiled_module_serves_many_sizes(spec):
    torch._dynamo.reset()
    pool = scramble(make(spec, 2, **GEOMETRIES[0]))
    compiled = torch.compile(pool, dynamic=True, fullgraph=True, backend="eager")
    # Two graphs, since torch's own convolution guards on the size of its batch.
    with torch._dynamo.config.patch(recompile_limit=2, fail_on_recompile_limit_hit=True):
        for size in range(8, 20):
            x = picture(size, 27 - size)
            assert_same(compiled(x), pool(x), ulps=16)


@pytest.mark.parametrize("spec", ["softpool", "lanczos", "multisampling", "gem", "max_blur"])
def test_one_compiled_function_serves_many_sizes(spec):
    pool, call, compiled = compiled_call(spec, "reference", True, **GEOMETRIES[0])
    with torch.no_grad(), torch._dynamo.config.patch(recompile_limit=2, fail_on_recompile_limit_hit=True):
        for size in range(8, 20):
            x = picture(size, 27 - size)
            params = pool.params(x)
            assert_same(compiled(x, params), call(x, params), ulps=16)


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_a_static_graph_of_softpool_is_right_in_every_layout(backend):
    if backend == "native" and not native_here:
        pytest.skip("no native operators here")
    pool, call, compiled = compiled_call("softpool", backend, False, **GEOMETRIES[0])
    for name, layout in LAYOUTS.items():
        results = []
        for function in (call, compiled):
            x = layout(picture(*MADE_AT), 2).detach().requires_grad_()
            y = function(x, pool.params(x))
            results.append((y.detach(), *torch.autograd.grad(y.square().sum(), x)))
        (expected, expected_grad), (y, grad) = results
        assert_same(y, expected, ulps=16)
        assert_same(grad, expected_grad, ulps=64)
        assert y.stride() == expected.stride(), name


@pytest.mark.parametrize(
    ("spec", "params"),
    [("softpool", {"beta": 2.5}), ("lse", {"r": 0.5}), ("lp", {"p": 3.0}), ("adapool", {"beta": 0.25})],
    ids=str,
)
def test_parameters_may_stay_open_too(spec, params):
    torch._dynamo.reset()
    function = make_function(info_of(spec), 2)
    compiled = torch.compile(function, dynamic=True, fullgraph=True, backend="eager")
    for size, factor in ((9, 1.0), (12, 0.5), (10, 0.75)):
        given = {key: value * factor for key, value in params.items()}
        x = picture(size, size)
        assert_same(compiled(x, 2, **given), function(x, 2, **given), ulps=16)


WITHOUT_A_NAME: dict[str, nn.Module] = {
    "GlobalSoftPool2d": poolzoo.GlobalSoftPool2d(beta=1.5),
    "AdaptiveSoftPool2d to (3, None)": poolzoo.AdaptiveSoftPool2d((3, None), beta=0.5),
}


@pytest.mark.parametrize("name", WITHOUT_A_NAME)
def test_pools_that_are_not_registered_compile_for_any_size(name):
    torch._dynamo.reset()
    function = WITHOUT_A_NAME[name]
    compiled = torch.compile(function, dynamic=True, fullgraph=True, backend="eager")
    with torch._dynamo.config.patch(recompile_limit=2, fail_on_recompile_limit_hit=True):
        for size in range(8, 20):
            x = picture(size, 27 - size)
            assert_same(compiled(x), function(x), ulps=16)


@every_pool_2d
def test_the_meta_device_gives_shapes(spec):
    for geometry in GEOMETRIES:
        pool, x = make(spec, 2, **geometry), picture(*MADE_AT)
        y, on_meta = pool(x), pool.to("meta")
        assert pool._get_name() in repr(on_meta)
        of_meta = on_meta(x.to("meta"))
        assert of_meta.is_meta and (of_meta.shape, of_meta.dtype) == (y.shape, y.dtype)


@every_pool_2d
def test_the_default_device_does_not_matter(spec):
    pool, x = make(spec, 2, **GEOMETRIES[0]), picture(*MADE_AT)
    expected = pool(x)
    with torch.device("meta"):
        assert_same(pool(x), expected)
