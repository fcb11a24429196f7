"""What torch.onnx.export records: standard operators with the values that eager gives, at any batch, size and scale.

That every operator exports at all is in test_open_sizes.py. The truth here is the definition in float64, which
test_against_loops.py holds to literal loops.
"""

from __future__ import annotations

import functools
import io
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from pools import make, scramble
from torch import Tensor, nn

from poolzoo import engine, native, standard_operators
from poolzoo.operators import Pool
from poolzoo.registry import list_pools, pool_info

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.slow

STEM: dict[str, Any] = {"kernel_size": 3, "stride": 2, "padding": 1}
#: Of each operator that is exported in standard operators: one of the operators that its graph is made of.
MADE_OF = {
    "softpool": "If",
    "softpool:beta=-2.5": "If",
    "softpool_detached": "If",
    "autopool": "If",
    "autopool:channels=3": "If",
    "lip": "If",
    "gem": "If",
    "gem:channels=3": "If",
    "lse": "If",
    "lse:r=-0.5": "If",
    "adapool": "If",
    "edscw": "Slice",
    "lp": "AveragePool",
    "lp:p=3,norm=sum": "AveragePool",
    "lp:p=5": "Slice",
    "lp:p=inf": "MaxPool",
    "power": "Slice",
    "hann_l2": "Conv",
    "hann_l2:count_include_pad=true": "Conv",
    "power:channels=3": "Slice",
    "blur": "Conv",
    "avg_blur": "Conv",
    "max_blur": "Conv",
    "haar": "Conv",
    "haar:mode=zero": "Conv",
    "mixed": "MaxPool",
    "mixed:channels=3": "MaxPool",
    "gated": "Conv",
    "gated:channels=3": "Conv",
    "stochastic": "AveragePool",
}
#: Run always; the others by `make grid`.
EXAMPLES = ("softpool", "lp", "edscw", "blur", "gated")


def examples(specs: tuple[str, ...] | list[str], always: tuple[str, ...]) -> pytest.MarkDecorator:
    marked = [pytest.param(spec, marks=() if spec in always else pytest.mark.grid) for spec in specs]
    return pytest.mark.parametrize("spec", marked)


@pytest.fixture(autouse=True, scope="module")
def one_registry() -> Iterator[None]:
    """What the exporter knows of torch's operators: it collects it anew for each export, which takes a second."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))
        yield


def export(pool: nn.Module, x: Tensor, open_axes: bool) -> bytes:
    """The plain call that a user types, with or without open batch and sizes."""
    shapes = (dict.fromkeys((0, *range(2, x.dim())), torch.export.Dim.DYNAMIC),) if open_axes else None
    program = torch.onnx.export(pool, (x,), dynamo=True, verbose=False, dynamic_shapes=shapes)
    assert program is not None
    buffer = io.BytesIO()
    program.save(buffer)
    return buffer.getvalue()


def operators(model: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_from_string(model).graph.node}


def session(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(at: Any, x: Tensor) -> Tensor:
    return torch.from_numpy(at.run(None, {at.get_inputs()[0].name: x.numpy()})[0])


def exact(pool: Pool, x: Tensor) -> Tensor:
    """The definition, in double precision where the operator has no network of its own."""
    with torch.no_grad(), engine.by_reference():
        if "logit" in pool.params(x):
            return pool(x)
        wide = pool.double()(x.double()).float()
        pool.float()
    return wide


def pictures(*shape: int) -> dict[str, Tensor]:
    rng = np.random.default_rng(7)
    x = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    step = torch.where(torch.arange(shape[-1]) < shape[-1] // 2, 1e4, -1e4)
    return {"ordinary": x, "positive": x.abs(), "1e4": 1e4 * x, "small": 1e-4 * x, "step of 2e4": x + step}


def assert_pools_alike(pool: Pool, model: bytes, *shape: int) -> None:
    at = session(model)
    for name, x in pictures(*shape).items():
        if name == "small" and pool.info.name == "lse":
            continue  # exp(1e-4 a) is so near 1 that its logarithm has few digits, in ONNX's operators
        expected = exact(pool, x)
        y = run(at, x)
        assert y.dtype == x.dtype and y.shape == expected.shape
        # Relative to the window's largest element, since a mean of both signs may be next to nothing.
        largest = torch.nn.functional.adaptive_max_pool2d(x.abs(), 1) if x.dim() == 4 else x.abs().amax()
        error = (y - expected).abs() / torch.maximum(expected.abs(), 0.1 * largest)
        # A gate near 0 of elements near 1e4 has their rounding errors, wherever it is computed.
        gate_of_large = pool.info.name == "gated" and x.abs().max() > 100
        assert error.max() < (1e-3 if gate_of_large else 1e-5), f"{name}: {error.max()}"


def test_every_operator_with_a_form_in_standard_operators_is_in_these_tests():
    named = {spec.partition(":")[0] for spec in MADE_OF}
    assert named == {name for name in list_pools() if pool_info(name).in_standard_operators}


@examples(list(MADE_OF), EXAMPLES)
def test_a_file_with_open_axes_pools_as_eager_at_any_batch_size_and_scale(spec):
    pool = scramble(make(spec, 2, **STEM))
    model = export(pool, torch.randn(2, 3, 12, 11), open_axes=True)
    assert MADE_OF[spec] in operators(model) and "Softmax" not in operators(model)
    for shape in ((2, 3, 12, 11), (1, 3, 17, 8), (5, 3, 9, 30)):
        assert_pools_alike(pool, model, *shape)


GEOMETRIES: dict[str, dict[str, Any]] = {
    "dilated": {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2},
    "ceil": {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    "ceil that drops a window": {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    "by axis": {"kernel_size": (2, 5), "stride": (3, 1), "padding": (0, 2)},
}


@pytest.mark.parametrize("geometry", GEOMETRIES)
@examples(list(MADE_OF), ("edscw",))
def test_dilation_ceil_mode_and_other_windows(spec, geometry):
    pool = scramble(make(spec, 2, **GEOMETRIES[geometry]))
    model = export(pool, torch.randn(1, 3, 12, 11), open_axes=False)
    assert_pools_alike(pool, model, 1, 3, 12, 11)


@pytest.mark.parametrize("ndim", [1, 3])
@examples(list(MADE_OF), ("lp",))
def test_other_numbers_of_axes(spec, ndim):
    pool = scramble(make(spec, ndim, **STEM))
    shape = (2, 3, *(9, 8, 7)[:ndim])
    assert_pools_alike(pool, export(pool, torch.randn(shape), open_axes=False), *shape)


LEFT: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "unbatched": ({}, (3, 12, 11)),
    "windows of 81 elements": ({"kernel_size": 9}, (1, 3, 12, 11)),
    "backend='reference'": ({"backend": "reference"}, (1, 3, 12, 11)),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_has_no_form_in_standard_operators_is_exported_as_defined(case):
    arguments, shape = LEFT[case]
    pool = make("softpool", 2, **{**STEM, **arguments})
    model = export(pool, torch.randn(shape), open_axes=False)
    assert "Softmax" in operators(model)
    x = torch.randn(shape)
    torch.testing.assert_close(run(session(model), x), pool(x), rtol=1e-5, atol=1e-6)


def test_only_an_export_to_onnx_records_standard_operators():
    pool, x = make("softpool", 2, **STEM), torch.randn(1, 3, 12, 11)
    assert not standard_operators.recording()
    graph = torch.export.export(pool, (x,)).graph
    assert not any("cond" in str(node.target) or "poolzoo" in str(node.target) for node in graph.nodes)


@pytest.mark.parametrize("spec", ["softpool:beta=2", "adapool", "lip", "lp:p=3,norm=sum"])
def test_decompositions_rid_a_program_of_native_operators(spec):
    if not native.available():
        pytest.skip("no native operators here")
    pool, x = scramble(make(spec, 2, **STEM, backend="native")), torch.randn(1, 3, 12, 11)
    program = torch.export.export(pool, (x,))
    assert any("poolzoo" in str(node.target) for node in program.graph.nodes)
    plain = program.run_decompositions(native.decompositions())
    assert not any("poolzoo" in str(node.target) for node in plain.graph.nodes)
    torch.testing.assert_close(plain.module()(x), pool(x), rtol=1e-5, atol=1e-6)


@pytest.mark.grid
def test_a_package_of_aotinductor_runs_where_poolzoo_is_not_imported(tmp_path):
    if not native.available():
        pytest.skip("no native operators here")
    pool, x = make("softpool", 2, **STEM, backend="native"), torch.randn(1, 3, 12, 11)
    program = torch.export.export(pool, (x,)).run_decompositions(native.decompositions())
    package = torch._inductor.aoti_compile_and_package(program, package_path=str(tmp_path / "pool.pt2"))
    torch.save((x, pool(x)), tmp_path / "pair.pt")
    code = f"""
import sys, torch
x, expected = torch.load({str(tmp_path / "pair.pt")!r})
torch.testing.assert_close(torch._inductor.aoti_load_package({package!r})(x), expected, rtol=1e-5, atol=1e-6)
assert "poolzoo" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
