"""Programs made at one size and run at others: compiled, traced and exported operators give what eager ones do.

With every operator stands the rest of what torch asks of a module: the meta device, a default device, threads.
"""

from __future__ import annotations

import functools
import io
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from pools import CASES, CHANNELS, LAYOUTS, SPECS, distinct, every_pool_2d, info_of, make, scramble
from test_contract import assert_same
from torch import Tensor, nn

import poolzoo
from poolzoo import native
from poolzoo.create import make_function, operator_params

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    native_here = native.available()

#: One that torch rounds down, with absent elements, and one that ends in a window which only ceil_mode adds.
GEOMETRIES: list[dict[str, Any]] = [
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True},
]
MADE_AT, OTHERS = (9, 8), [(12, 11), (8, 17)]
TWELVE_SIZES = [(height, 27 - height) for height in range(8, 20)]
every_geometry = pytest.mark.parametrize("geometry", GEOMETRIES, ids=["floor", "ceil"])


#: An operator of each kind of graph. To compile and export all of them takes ten minutes.
KINDS = ("softpool", "lip", "max_blur", "lanczos")


def of_each_kind(names: str | tuple[str, ...], cases: list[Any]) -> pytest.MarkDecorator:
    """Parametrize; what is of no operator in KINDS is marked grid."""
    marks = [() if {case, *case} & set(KINDS) else pytest.mark.grid for case in cases]
    params = [
        pytest.param(*([case] if isinstance(case, str) else case), marks=mark)
        for case, mark in zip(cases, marks, strict=True)
    ]
    return pytest.mark.parametrize(names, params)


def picture(height: int, width: int) -> Tensor:
    return distinct(2, CHANNELS, height, width)


#: With open sizes, to look up what an operation gives takes twice as long as to work it out.
without_cache = functools.partial(torch._dynamo.config.patch, fake_tensor_cache_enabled=False)


# Traced and exported ------------------------------------------------------------------------------------------------


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


#: With ceil_mode, torch.export refuses their open sizes: it cannot prove what their sizes are divisible by.
ROUNDED_DOWN = ("lift", "bilinear", "bicubic")


@pytest.fixture(scope="module")
def one_onnx_registry() -> Iterator[None]:
    """What the exporter knows of torch's operators: it collects it anew for each export, which takes a second."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))
        yield


@pytest.mark.slow
@of_each_kind("spec", [spec for spec, ndim in CASES if ndim == 2])
def test_an_export_is_right_at_other_sizes_as_a_program_and_by_onnx(spec, one_onnx_registry):
    pool = scramble(make(spec, 2, **GEOMETRIES[spec not in ROUNDED_DOWN]))
    with without_cache():
        program = torch.export.export(pool, (picture(*MADE_AT),), dynamic_shapes=OPEN_AXES)
    run = program.module()
    for size in TWELVE_SIZES:
        assert_same(run(picture(*size)), pool(picture(*size)), ulps=16)
    if "onnx" in info_of(spec).exempt:
        return
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    with without_cache():
        exported = torch.onnx.export(program, dynamo=True, verbose=False)
    assert exported is not None
    buffer = io.BytesIO()
    exported.save(buffer)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    for size in OTHERS:
        x = picture(*size)
        (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(y, pool(x).detach().numpy(), rtol=1e-5, atol=1e-5)


# Compiled -----------------------------------------------------------------------------------------------------------

#: Operators by both backends, where there is a native one: the reference first.
BACKENDS = [(spec, backend) for spec in SPECS for backend in ("reference", "native") if 2 in info_of(spec).ndims]
BACKENDS = [(spec, backend) for spec, backend in BACKENDS if backend == "reference" or info_of(spec).native]


def compiled_call(spec: str, backend: str, dynamic: bool | None, **geometry: Any) -> tuple[nn.Module, Any, Any]:
    """An operator's module, and its function of ``(inputs, params)``: as it is and compiled."""
    if backend == "native" and not native_here:
        pytest.skip("no native operators here")
    torch._dynamo.reset()
    geometry |= {"backend": backend} if info_of(spec).native else {}
    pool, function = scramble(make(spec, 2, **geometry)), make_function(info_of(spec), 2)

    def call(xs: list[Tensor], params: dict[str, Any]) -> list[Tensor]:
        return [function(x, **{**params, **geometry}) for x in xs]

    # Not plain "eager" where operators are native: it does not look at how their results lie in memory.
    compiler = "aot_eager" if backend == "native" else "eager"
    return pool, call, torch.compile(call, dynamic=dynamic, fullgraph=True, backend=compiler)


def graphs(most: int) -> Any:
    """Inside, one more graph than ``most`` is an error."""
    return without_cache(recompile_limit=most, fail_on_recompile_limit_hit=True)


def params_of(pool: Any, x: Tensor) -> dict[str, Any]:
    return {key: value for key, value in pool.params(x).items() if key != "backend"}


def layouts_of(spec: str, backend: str, dynamic: bool) -> list[str]:
    """All where an operator is one node of its graph. Else tracing takes half a second for each: the plain one, the one
    whose strides are hardest to tell, and one of the others, so that the operators together have them all.
    """
    if backend == "native" and not dynamic:
        return list(LAYOUTS)
    hardest = "every_other_sample_channels_last"
    others = [name for name in LAYOUTS if name not in ("contiguous", hardest)]
    return [*([] if dynamic else ["contiguous"]), hardest, others[SPECS.index(spec) % len(others)]]


@pytest.mark.slow
@of_each_kind(("spec", "backend"), BACKENDS)
def test_one_graph_pools_several_layouts_with_parameters_and_without(spec, backend):
    pool, call, compiled = compiled_call(spec, backend, False, **GEOMETRIES[0])
    results = []
    for function in (call, compiled):
        torch.default_generator.manual_seed(0)
        xs = [
            LAYOUTS[name](picture(*MADE_AT), 2).detach().requires_grad_() for name in layouts_of(spec, backend, False)
        ]
        with graphs(2):
            ys = function(xs, params_of(pool, picture(*MADE_AT)))
            if all(p.default is not p.empty for p in operator_params(info_of(spec)).values()):
                ys += function(xs[:1], {})
        grads = torch.autograd.grad([y.square().sum() for y in ys], xs)
        results.append((ys, grads))
    (expected, expected_grads), (ys, grads) = results
    for y, exact in zip(ys, expected, strict=True):
        assert_same(y, exact, ulps=16)
        assert y.stride() == exact.stride()
    for grad, exact in zip(grads, expected_grads, strict=True):
        assert_same(grad, exact, ulps=64)


@pytest.mark.slow
@of_each_kind(("spec", "backend"), BACKENDS)
def test_one_compiled_function_serves_many_sizes(spec, backend):
    pool, call, compiled = compiled_call(spec, backend, None, **GEOMETRIES[1])
    for size in TWELVE_SIZES:
        xs = [LAYOUTS[name](picture(*size), 2) for name in layouts_of(spec, backend, True)]
        params = params_of(pool, xs[0])
        for x in (*xs, params.get("logit")):
            if x is not None:
                torch._dynamo.mark_dynamic(x, [2, 3])
        with torch.no_grad(), graphs(2 if spec == "lift" else 1):  # lift's is another where the last window is cut
            torch.default_generator.manual_seed(0)
            expected = call(xs, params)
            torch.default_generator.manual_seed(0)
            for y, exact in zip(compiled(xs, params), expected, strict=True):
                assert_same(y, exact, ulps=16)
                assert y.stride() == exact.stride()


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["max_blur", "avg_blur", "lift"])
def test_one_compiled_module_serves_many_sizes(spec):
    torch._dynamo.reset()
    pool = scramble(make(spec, 2, **GEOMETRIES[0]))
    compiled = torch.compile(pool, dynamic=True, fullgraph=True, backend="eager")
    # Two graphs, since torch's own convolution guards on the size of its batch.
    with graphs(2):
        for size in TWELVE_SIZES:
            x = picture(*size)
            assert_same(compiled(x), pool(x), ulps=16)


@pytest.mark.slow
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
        x = picture(size, size)[:1, :1]
        with graphs(3):
            assert_same(compiled(x, 2, **given), function(x, 2, **given), ulps=16)


TO_A_SIZE: dict[str, nn.Module] = {
    "GlobalSoftPool2d": poolzoo.GlobalSoftPool2d(beta=1.5),
    "GlobalMaxPool2d": poolzoo.GlobalMaxPool2d(flatten=True),
    "AdaptiveSoftPool2d to (3, None)": poolzoo.AdaptiveSoftPool2d((3, None), beta=0.5),
    "AdaptiveGemPool2d to (None, 2)": poolzoo.AdaptiveGemPool2d((None, 2)),
}


@pytest.mark.parametrize("name", TO_A_SIZE)
def test_adaptive_and_global_pools_compile_for_any_size(name):
    torch._dynamo.reset()
    function = TO_A_SIZE[name]
    compiled = torch.compile(function, dynamic=True, fullgraph=True, backend="eager")
    with graphs(2):
        for size in TWELVE_SIZES:
            x = picture(*size)[:1]
            assert_same(compiled(x), function(x), ulps=16)


# Other devices, other threads ---------------------------------------------------------------------------------------


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


@every_pool_2d
def test_threads_pool_as_one_does(spec):
    pool, x = make(spec, 2, **GEOMETRIES[0]), picture(*MADE_AT)
    expected, got, together = pool(x), [], threading.Barrier(4)

    def work() -> None:
        together.wait()
        got.extend(pool(x) for _ in range(4))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 16 and all(torch.equal(y, expected) for y in got)
