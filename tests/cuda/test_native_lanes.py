"""Two paths of the native CPU operators: lanes, cpu_lanes.h, with planes or channels side by side or adaptive windows;
runs, cpu_runs.h, with vectors along a window's own elements.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from pools import distinct
from torch import Tensor

from poolzoo import native
from poolzoo.create import make_function
from poolzoo.registry import list_pools, parse_spec, pool_info

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    reason = native.why_not()
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

NATIVE = [
    *(name for name in list_pools() if pool_info(name).native and name not in ("power", "autopool")),
    *("lp:p=3.5", "lp:p=0.7,norm=sum", "softpool:beta=-0.8"),
]
Case = tuple[tuple[int, ...], "dict[str, Any] | Any"]
#: Shapes and windows: several bands with a part of a vector left over, one element in 25 windows, windows that reach
#: further in front than the one before, sums too long for a float, bins of unequal size, more bins than positions.
CASES: dict[str, Case] = {
    "bands": ((1, 9, 60, 130), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "shared": ((1, 9, 50, 40), {"kernel_size": 5, "stride": 1, "padding": 2}),
    "dilated": ((1, 9, 60, 130), {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 3}),
    "blocks": ((2, 300, 9, 6), {"kernel_size": (3, 2), "stride": 1, "padding": 1}),
    "large": ((2, 37, 30, 12), {"kernel_size": (20, 12), "stride": (3, 12)}),
    "whole": ((3, 5, 12, 11), 1),
    "bins": ((2, 19, 13, 10), (5, 4)),
    "more bins": ((2, 19, 3, 4), (5, 7)),
    "volume": ((1, 18, 9, 8, 7), {"kernel_size": (3, 2, 3), "stride": (1, 2, 1), "padding": 1}),
    "volume bins": ((1, 18, 9, 8, 7), (4, 3, 5)),
    "sequence bins": ((2, 21, 150), (7,)),
    "powers": ((2, 20, 9, 13), {"kernel_size": 3, "stride": 1, "padding": 1}),
    # Runs: with a part of a vector left over or without, with elements between them, too long for a sum of floats.
    "map": ((3, 5, 9, 9), 1),
    "rows": ((2, 3, 14, 20), {"kernel_size": (4, 20), "stride": (5, 20)}),
    "long": ((1, 3, 40, 41), 1),
    "sequence": ((2, 3, 200), {"kernel_size": 66, "stride": 67}),
    "slices": ((1, 2, 6, 5, 7), {"kernel_size": (2, 5, 7)}),
}
every_native = pytest.mark.parametrize("spec", NATIVE)


def pool(spec: str, x: Tensor, window: Any, backend: str) -> tuple[Tensor, list[Tensor]]:
    """The result, and the gradient of each input."""
    name, params = parse_spec(spec)
    ndim = x.dim() - 2
    x = x.detach().requires_grad_()
    inputs = [x]
    if name == "lip":
        params = {**params, "logit": (x.detach().flip(-1) * 1.5).requires_grad_()}
        inputs.append(params["logit"])
    if isinstance(window, dict):
        y = make_function(pool_info(name), ndim)(x, **window, **params, backend=backend)
    else:
        y = make_function(pool_info(name), ndim, "adaptive")(x, window, **params, backend=backend)
    seed = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).reshape(y.shape).to(y.dtype)
    return y.detach(), list(torch.autograd.grad(y, inputs, seed))


def layouts(x: Tensor) -> list[Tensor]:
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return [x, *([x.contiguous(memory_format=formats[x.dim()])] if x.dim() in formats else [])]


def assert_near(got: Tensor, exact: Tensor, eps: float) -> None:
    assert got.shape == exact.shape
    scale = max(1.0, float(exact.abs().max()))
    assert float((got.double() - exact.double()).abs().max()) <= eps * scale


@every_native
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_the_references(spec, case):
    shape, window = CASES[case]
    x = distinct(*shape, dtype=torch.float64)
    if spec == "idw":  # has a kink where an element equals the mean, as evenly spaced ones do
        x = x + 0.1 * x * x.sin()
    # A mean near 0, or an element near the mean, is divided by: float32 keeps what it can of that.
    amplified = 1e5 if spec in ("idw", "edscw", "adapool") else 1.0
    for dtype in (torch.float64, torch.float32):
        exact_y, exact_grads = pool(spec, x.to(dtype).double(), window, "reference")
        for t in layouts(x.to(dtype)):
            y, grads = pool(spec, t, window, "native")
            eps = 32 * torch.finfo(dtype).eps
            assert_near(y, exact_y, eps * (4 if spec == "idw" else 1))
            for grad, exact_grad in zip(grads, exact_grads, strict=True):
                assert grad.stride() == t.stride()
                assert_near(grad, exact_grad, eps * amplified)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("case", ["bands", "shared", "large", "bins", "map", "rows"])
def test_half_types_are_computed_in_float32(dtype, case):
    shape, window = CASES[case]
    for spec in ("softpool", "softpool:beta=-0.8", "max"):
        for t in layouts(distinct(*shape).to(dtype)):
            y, (grad,) = pool(spec, t, window, "native")
            exact_y, (exact_grad,) = pool(spec, t.float(), window, "native")
            assert torch.equal(y, exact_y.to(dtype))
            # The gradient that comes from behind is rounded too.
            assert_near(grad, exact_grad, 2 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("spec", ["avg", "softpool", "lip", "lp:p=3.5"])
def test_sums_of_many_elements_keep_a_floats_digits(spec):
    x = 1 + 1e-3 * distinct(1, 20, 250, 130, dtype=torch.float64)  # one after another, float32 loses three digits
    for t in layouts(x.float()):
        y, (grad, *_) = pool(spec, t, 1, "native")
        exact_y, (exact_grad, *_) = pool(spec, t.double(), 1, "reference")
        assert_near(y, exact_y, 4 * torch.finfo(torch.float32).eps)
        assert float((grad.double() / exact_grad - 1)[..., 5:].abs().max()) < 32 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 3e38, -3e38, 1e5, 30.0])
def test_one_element_changes_the_windows_that_hold_it_and_no_other(bad):
    for case in ("bands", "shared", "powers", "bins", "large", "map"):
        shape, window = CASES[case]
        for clean in layouts(distinct(*shape)):
            x = clean.clone()
            x[0, 3, 4, 5] = bad
            got, expected = (pool("softpool", x, window, backend) for backend in ("native", "reference"))
            before = pool("softpool", clean, window, "native")
            for value, reference, old in ((got[0], expected[0], before[0]), (got[1][0], expected[1][0], before[1][0])):
                torch.testing.assert_close(value, reference, rtol=1e-5, atol=1e-5, equal_nan=True)
                changed = (value != old) | value.isnan()
                assert int(changed.sum()) <= 30 * 12 * 7  # elements of the windows of one plane that hold it
                assert not changed[:, [channel for channel in range(shape[1]) if channel != 3]].any()


@pytest.mark.parametrize("spec", ["softpool", "lip", "max"])
@pytest.mark.parametrize("case", ["bands", "shared", "bins", "whole", "blocks", "long", "sequence"])
def test_results_depend_neither_on_threads_nor_on_the_batch(spec, case):
    shape, window = CASES[case]
    before = torch.get_num_threads()
    for x in layouts(torch.cat([distinct(*shape), distinct(*shape, seed=1)])):
        try:
            results = []
            for threads in (1, 2):
                torch.set_num_threads(threads)
                results.append(pool(spec, x, window, "native"))
        finally:
            torch.set_num_threads(before)
        (y, grads), (other_y, other_grads) = results
        assert torch.equal(y, other_y)
        assert all(torch.equal(a, b) for a, b in zip(grads, other_grads, strict=True))
        assert torch.equal(pool(spec, x[:1], window, "native")[0], y[:1])


@every_native
def test_runs_of_any_length(spec):
    """From a part of a vector to several of them, whatever number of lanes vectors have."""
    for length in (15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 79, 81):
        x = distinct(1, 3, length)
        y, (grad, *_) = pool(spec, x, (1,), "native")
        exact_y, (exact_grad, *_) = pool(spec, x.double(), (1,), "reference")
        assert_near(y, exact_y, 128 * torch.finfo(torch.float32).eps)
        if spec != "idw":  # whose slopes are steep where an element is near the mean
            assert_near(grad, exact_grad, 1e-4)


@pytest.mark.parametrize("spec", ["max", "avg", "softpool", "lip", "edscw"])
@pytest.mark.parametrize("bad", [[math.nan], [math.inf], [-math.inf], [math.nan, math.nan], [7.0, 7.0]], ids=str)
def test_nan_infinity_and_ties_in_a_run_are_the_references(spec, bad):
    for places in ([0, 40], [37, 90], [89, 90]):  # the last elements are in a part of a vector
        x = distinct(1, 2, 91)
        for place, value in zip(places, bad, strict=False):
            x[0, 1, place] = value
        (y, grads), (exact_y, exact_grads) = (pool(spec, x, (1,), backend) for backend in ("native", "reference"))
        torch.testing.assert_close(y, exact_y, rtol=1e-5, atol=1e-5, equal_nan=True)
        for grad, exact_grad in zip(grads, exact_grads, strict=True):
            torch.testing.assert_close(grad, exact_grad, rtol=1e-4, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize(("beta", "size"), [(1e-12, 1e30), (1e-9, 1e10), (3e-11, 4e11), (1.0, 10.0), (40.0, 1.0)])
def test_powers_of_any_scale_stay_finite(beta, size):
    x = (distinct(1, 32, 8, 9, dtype=torch.float64).sin() * size).float()
    for t in layouts(x):
        y, (grad,) = pool(f"softpool:beta={beta}", t, CASES["powers"][1], "native")
        exact_y, (exact_grad,) = pool(f"softpool:beta={beta}", t.double(), CASES["powers"][1], "reference")
        assert_near(y / size, exact_y / size, 32 * torch.finfo(torch.float32).eps)
        assert_near(grad, exact_grad, 64 * torch.finfo(torch.float32).eps)
