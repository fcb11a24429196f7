"""Every clause of the operator contract for every registered operator in 1D, 2D and 3D.

An operator to which a clause cannot apply says so, with the reason, in ``exempt`` of its registration.
"""

from __future__ import annotations

import copy
import functools
import inspect
import io
import itertools
import math
import pickle
import re
from typing import Any

import pytest
import torch
from pools import (
    CASES,
    CHANNELS,
    MAX_POOL,
    SIZES,
    distinct,
    every_operator,
    every_pool,
    geometries,
    info_of,
    make,
    scramble,
    skip_if_exempt,
    spatial_shape,
    usual_input,
)
from torch import Tensor

import poolzoo
from poolzoo.create import make_class, make_function
from poolzoo.registry import CLAUSES, parse_spec, pool_info

FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
#: Overlapping windows with absent elements on both sides, of at most four elements inside the input.
PADDED: dict[int, dict[str, Any]] = {
    1: {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    2: {"kernel_size": 2, "stride": 1, "padding": 1, "ceil_mode": True},
    3: {"kernel_size": (2, 1, 2), "stride": (1, 2, 1), "padding": (1, 0, 1), "ceil_mode": True},
}


def assert_same(got: Tensor, expected: Tensor | None, ulps: float = 8.0) -> None:
    """Equal but for the order in which the operations were done; ``ulps`` of the largest value."""
    assert expected is not None
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    finite = expected.detach().double().abs().nan_to_num(0, 0, 0)
    scale = finite.max().item() if finite.numel() else 0.0
    torch.testing.assert_close(got, expected, rtol=0, atol=ulps * torch.finfo(got.dtype).eps * scale, equal_nan=True)


def test_exemptions_name_clauses_and_give_reasons():
    for spec, _ in CASES:
        for clause, reason in info_of(spec).exempt.items():
            assert clause in CLAUSES, f"{spec} exempts itself from {clause!r}; known: {sorted(CLAUSES)}"
            assert len(reason.split()) > 2, f"{spec}: {clause}: {reason!r} is no reason"


# Sizes, batches, layouts ----------------------------------------------------------------------------------------------


@every_pool
def test_output_sizes_are_those_of_max_pool(spec, ndim):
    for geometry in geometries(ndim, 40):
        sizes = geometry.pop("sizes")
        x = distinct(1, CHANNELS, *sizes)
        y = make(spec, ndim, **geometry)(x)
        expected = MAX_POOL[ndim](x, **geometry).shape
        assert spatial_shape(y, ndim) == expected[2:], (sizes, geometry)
        assert y.shape[:2] == expected[:2]
        assert y.dtype == x.dtype


@every_pool
def test_unbatched_equals_batched(spec, ndim):
    x = usual_input(ndim, torch.float64)
    for geometry in ({"kernel_size": 2}, PADDED[ndim]):
        pool = scramble(make(spec, ndim, **geometry).double())
        batched = pool(x)
        for sample, expected in zip(x, batched, strict=True):
            assert_same(pool(sample), expected)


@every_pool
def test_empty_batch_gives_empty_batch(spec, ndim):
    pool = make(spec, ndim, **PADDED[ndim])
    x = usual_input(ndim)
    empty = x[:0].clone().requires_grad_()
    y = pool(empty)
    assert y.shape == (0, *pool(x).shape[1:])
    y.sum().backward()
    assert empty.grad is not None and empty.grad.shape == empty.shape


@every_pool
def test_noncontiguous_input_equals_contiguous(spec, ndim):
    x = usual_input(ndim, torch.float64)
    pool = scramble(make(spec, ndim, **PADDED[ndim]).double())
    expected = pool(x)
    transposed = x.transpose(0, -1).contiguous().transpose(0, -1)
    sliced = torch.stack([x, -x], dim=-1)[..., 0]
    expanded = x[:1].expand(2, *x.shape[1:])
    assert not transposed.is_contiguous() and not sliced.is_contiguous() and not expanded.is_contiguous()
    assert_same(pool(transposed), expected)
    assert_same(pool(sliced), expected)
    assert_same(pool(expanded), pool(x[:1]).expand(2, *expected.shape[1:]))


@every_pool
def test_channels_last_stays_channels_last(spec, ndim):
    if ndim == 1:
        pytest.skip("torch has no channels_last for one axis")
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    x = usual_input(ndim, torch.float64)
    for geometry in ({"kernel_size": 2}, {"kernel_size": 1}, PADDED[ndim]):
        pool = scramble(make(spec, ndim, **geometry).double())
        expected = pool(x)
        y = pool(x.contiguous(memory_format=layouts[x.dim()]))
        assert_same(y, expected)
        if y.dim() in layouts:  # of 3D submaps, torch has no channels_last
            assert y.is_contiguous(memory_format=layouts[y.dim()]), (geometry, y.shape, y.stride())
        assert expected.is_contiguous(), (geometry, expected.shape, expected.stride())


@every_pool
@pytest.mark.parametrize("kernel_size", [1, 2])
def test_input_is_never_changed(spec, ndim, kernel_size):
    x = usual_input(ndim)
    kept = x.clone()
    for training in (False, True):
        for given in (x, x[0]):
            version = given._version
            y = make(spec, ndim, kernel_size).train(training)(given)
            assert given._version == version
            with torch.no_grad():
                y.add_(1)
            assert torch.equal(x, kept), "a change of the output reached the input"
    assert x.shape == kept.shape and x.stride() == kept.stride()


# Values ---------------------------------------------------------------------------------------------------------------


@every_pool
@pytest.mark.parametrize("value", [0.0, 0.7, 3.0, 1e4, -0.7, -3.0, -1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_constant_window_is_kept(spec, ndim, value, dtype):
    skip_if_exempt(spec, "constant")
    if value < 0:
        skip_if_exempt(spec, "constant_negative")
    x = torch.full((2, CHANNELS, *SIZES[ndim]), value, dtype=dtype)
    # An element that is raised to a least value, as gem's eps, is not kept at 0 but near it.
    atol = 1e-6 if value == 0 else 8 * torch.finfo(dtype).eps * abs(value)
    for geometry in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 1}, PADDED[ndim]):
        y = make(spec, ndim, **geometry).to(dtype)(x)
        torch.testing.assert_close(y, torch.full_like(y, value), rtol=0, atol=atol)


@every_pool
def test_order_inside_the_window_does_not_matter(spec, ndim):
    skip_if_exempt(spec, "permutation")
    kernel = {1: (4,), 2: (2, 3), 3: (2, 2, 2)}[ndim]
    taps = math.prod(kernel)
    window = distinct(2, CHANNELS, taps, dtype=torch.float64)
    pool = scramble(make(spec, ndim, kernel).double())
    expected = pool(window.reshape(2, CHANNELS, *kernel))
    ulps = 8 * max(1.0, (window.abs().max() / expected.detach().abs().max()).item())  # of the largest element
    for seed in range(4):
        order = torch.randperm(taps, generator=torch.Generator().manual_seed(seed))
        assert_same(pool(window[..., order].reshape(2, CHANNELS, *kernel)), expected, ulps)


@every_pool
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("sign", [1, -1])
def test_nan_and_inf_touch_only_their_own_windows(spec, ndim, bad, sign):
    skip_if_exempt(spec, "nan")
    x = sign * usual_input(ndim)
    for geometry in ({"kernel_size": 2}, {"kernel_size": 2, "stride": 3, "dilation": 2}, PADDED[ndim]):
        pool = make(spec, ndim, **geometry)
        clean = pool(x)
        for position in (0, x[0, 0].numel() // 2, x[0, 0].numel() - 1):
            spoilt = x.clone()
            spoilt[1, 1].view(-1)[position] = bad
            # torch's maximum of a marker says which windows hold the element.
            holds = MAX_POOL[ndim]((spoilt != x).float(), **geometry) == 1
            y = pool(spoilt)
            assert torch.equal(y[~holds], clean[~holds])
            if math.isnan(bad) and "nan_reaches" not in info_of(spec).exempt:
                assert y[holds].isnan().all(), "a NaN was replaced silently"


@every_pool
def test_nan_is_never_replaced_everywhere(spec, ndim):
    x = usual_input(ndim)
    x[..., 0] = math.nan
    y = make(spec, ndim, 2)(x)
    assert y.isnan().any()


FINITE = {
    "float16-1e4": (torch.float16, 1e4),
    "bfloat16-1e30": (torch.bfloat16, 1e30),
    "float32-1e30": (torch.float32, 1e30),
    "float64-1e300": (torch.float64, 1e300),
    "huge": (torch.float32, 8e37),  # four of them are still finite, so that a sum is
}


@every_pool
@pytest.mark.parametrize("case", FINITE)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_finite_input_gives_finite_output_and_gradient(spec, ndim, case, training):
    if case == "huge":
        skip_if_exempt(spec, "huge")
    dtype, large = FINITE[case]
    if dtype is torch.float16:
        skip_if_exempt(spec, "steep")
    tiny = torch.finfo(dtype).tiny
    several = [large, -large, 0, 1, tiny, -tiny, large, large, -1, -large, -large, -large]
    mix = torch.tensor(several, dtype=torch.float64)
    shape = (2, CHANNELS, *SIZES[ndim])
    full = functools.partial(torch.full, shape, dtype=torch.float64)
    n = torch.Size(shape).numel()
    order = torch.randperm(n)
    inputs = {
        "mixed": mix.repeat(n // len(mix) + 1)[order].reshape(shape),
        "low": full(-large),
        "high": full(large),
        "zero": full(0),
        "tiny": full(tiny),
        "signs": torch.where(order % 2 == 0, full(large).flatten(), -large).reshape(shape),
    }
    for geometry in ({"kernel_size": (2, 2, 1)[:ndim]}, PADDED[ndim]):
        pool = make(spec, ndim, **geometry).train(training).to(dtype)
        for what, values in inputs.items():
            x = values.to(dtype).requires_grad_()
            y = pool(x)
            assert y.isfinite().all(), (what, geometry)
            y.backward(torch.ones_like(y))
            assert x.grad is not None and x.grad.isfinite().all(), (what, geometry, "gradient")


@every_pool
@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("autocast", [False, True], ids=["plain", "autocast"])
def test_half_types_are_rounded_once(spec, ndim, half, autocast):
    dtype = HALVES[half]
    # Integers up to 2^8 and quarters are exact in both; means of them are not.
    x = (usual_input(ndim, seed=1) * 16).to(dtype)
    for geometry in ({"kernel_size": 3, "stride": 2}, PADDED[ndim]):
        pool = make(spec, ndim, **geometry).to(dtype)
        wide = copy.deepcopy(pool).float()
        exact = wide(x.float())
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            y = pool(x)
        assert y.dtype == dtype
        info = torch.finfo(dtype)
        ulp = info.eps * 2 ** exact.abs().clamp(min=info.tiny).log2().floor()
        assert ((y.float() - exact).abs() <= ulp).all(), (geometry, (y.float() - exact).abs().div(ulp).max())


@every_pool
def test_autocast_leaves_float32_results_alone(spec, ndim):
    x = usual_input(ndim)
    pool = make(spec, ndim, 3, 2)
    expected = pool(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = pool(x)
    assert_same(y, expected)


# Gradients ------------------------------------------------------------------------------------------------------------


GRADIENT_SIZES: dict[int, tuple[int, ...]] = {1: (5,), 2: (4, 3), 3: (3, 2, 3)}


@every_pool
def test_gradient_is_the_derivative(spec, ndim):
    skip_if_exempt(spec, "gradcheck")
    x = distinct(1, CHANNELS, *GRADIENT_SIZES[ndim], dtype=torch.float64).requires_grad_()
    for geometry in ({"kernel_size": 2}, PADDED[ndim], {"kernel_size": 2, "stride": 1, "dilation": (2, 1, 1)[:ndim]}):
        pool = scramble(make(spec, ndim, **geometry).double())
        assert torch.autograd.gradcheck(pool, (x,), fast_mode=False)


@every_pool
def test_second_gradient_is_the_derivative_of_the_first(spec, ndim):
    skip_if_exempt(spec, "gradcheck")
    skip_if_exempt(spec, "second_gradient")
    x = distinct(1, CHANNELS, *GRADIENT_SIZES[ndim], dtype=torch.float64).requires_grad_()
    pool = scramble(make(spec, ndim, **PADDED[ndim]).double())
    assert torch.autograd.gradgradcheck(pool, (x,), fast_mode=True)


@every_pool
def test_parameters_gradient_is_the_derivative(spec, ndim):
    pool = scramble(make(spec, ndim, **PADDED[ndim]).double())
    names = [name for name, _ in pool.named_parameters()]
    if not names:
        pytest.skip("nothing to learn")
    x = distinct(2, CHANNELS, *GRADIENT_SIZES[ndim], dtype=torch.float64)

    def call(*values: Tensor) -> Tensor:
        y = torch.func.functional_call(pool, dict(zip(names, values, strict=True)), (x,))
        assert isinstance(y, Tensor)
        return y

    assert torch.autograd.gradcheck(call, tuple(pool.parameters()), fast_mode=True)


# Transformations ------------------------------------------------------------------------------------------------------


@every_pool
def test_vmap_equals_a_loop(spec, ndim):
    x = torch.stack([usual_input(ndim, torch.float64, seed) for seed in range(3)])
    for geometry in ({"kernel_size": 2}, PADDED[ndim]):
        pool = scramble(make(spec, ndim, **geometry).double())
        expected = torch.stack([pool(sample) for sample in x])
        assert_same(torch.func.vmap(pool)(x), expected)
        moved = x.movedim(0, -1)
        assert_same(torch.func.vmap(pool, in_dims=-1)(moved), expected)


@every_pool
def test_per_sample_gradients_by_vmap_equal_a_loop(spec, ndim):
    x = usual_input(ndim, dtype=torch.float64)
    pool = scramble(make(spec, ndim, **PADDED[ndim]).double())

    def loss(sample: Tensor) -> Tensor:
        return pool(sample).square().sum()

    expected = torch.stack([torch.func.grad(loss)(sample) for sample in x])
    assert_same(torch.func.vmap(torch.func.grad(loss))(x), expected, ulps=64)


#: ``test_open_sizes`` has pictures: functions compiled in every layout, and exports run at other sizes.
#: Sequences differ from volumes in nothing that a compiler sees.
COMPILED = [
    pytest.param(spec, ndim, False, marks=[pytest.mark.grid] if ndim == 1 else [])
    for spec, ndim in CASES
    if ndim != 2 or info_of(spec).ndims == (2,)
]
COMPILED += [pytest.param(spec, ndim, True) for spec, ndim in CASES if make(spec, ndim).train().stochastic]


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "ndim", "training"), COMPILED)
def test_modules_compile_as_one_graph(spec, ndim, training):
    torch._dynamo.reset()
    x = usual_input(ndim)
    pool = scramble(make(spec, ndim, **PADDED[ndim])).train(training)
    compiled = torch.compile(pool, fullgraph=True, backend="eager")
    torch.manual_seed(0)
    expected = pool(x)
    torch.manual_seed(0)
    assert_same(compiled(x), expected)


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["softpool", "lp:p=3", "stochastic", "blur"])
def test_inductor_gives_the_same_values_and_gradients(spec):
    torch._dynamo.reset()
    pool = make(spec, 2, **PADDED[2])
    results = []
    for function in (pool, torch.compile(pool, fullgraph=True)):
        x = usual_input(2).requires_grad_()
        y = function(x)
        y.square().sum().backward()
        results += [y.detach(), x.grad]
    assert_same(results[2], results[0])
    assert_same(results[3], results[1], ulps=32)


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "ndim"), [case for case in CASES if case[1] != 2])
def test_exports(spec, ndim):
    x = usual_input(ndim, torch.float64)
    pool = scramble(make(spec, ndim, **PADDED[ndim]).double())
    exported = torch.export.export(pool, (x,))
    other = usual_input(ndim, torch.float64, 1)
    assert_same(exported.module()(other), pool(other))


# Bad arguments --------------------------------------------------------------------------------------------------------

BAD_ARGUMENTS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "kernel 0": ({"kernel_size": 0}, ValueError, r"kernel_size=0: .*at least 1"),
    "kernel -1": ({"kernel_size": -1}, ValueError, r"kernel_size=-1: .*at least 1"),
    "stride 0": ({"stride": 0}, ValueError, r"stride=0: .*at least 1"),
    "dilation 0": ({"dilation": 0}, ValueError, r"dilation=0: .*at least 1"),
    "negative padding": ({"padding": -1}, ValueError, r"padding=-1: .*at least 0"),
    "padding beyond half": ({"padding": 2}, ValueError, r"padding=2: at most half .* 3"),
    "too many sizes": ({"kernel_size": (2, 2, 2, 2)}, ValueError, r"kernel_size=\(2, 2, 2, 2\): .* tuple of \d ints"),
    "float kernel": ({"kernel_size": 2.0}, TypeError, r"kernel_size=2\.0: an int or a tuple"),
    "float in a tuple": ({"stride": (1.5,)}, TypeError, r"stride=\(1\.5,\): an int or a tuple"),
    "text kernel": ({"kernel_size": "2"}, TypeError, r"kernel_size='2': an int or a tuple"),
    "bool kernel": ({"kernel_size": True}, TypeError, r"kernel_size=True: an int or a tuple"),
    "no kernel": ({"kernel_size": None}, TypeError, r"kernel_size=None: an int or a tuple"),
    "text ceil_mode": ({"ceil_mode": "yes"}, TypeError, r"ceil_mode='yes': True or False"),
    "unknown parameter": ({"sharpness": 2}, TypeError, r"'sharpness'.*allowed"),
}


@every_pool
@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_argument_is_named_with_what_is_allowed(spec, ndim, case):
    arguments, error, message = BAD_ARGUMENTS[case]
    arguments = {"kernel_size": 3, **arguments}
    name, given = parse_spec(spec)
    with pytest.raises(ValueError, match=f"^{name}: .*{message}"):
        make(spec, ndim, **arguments)
    if pool_info(name).module is None:
        with pytest.raises(error, match=message):
            make_class(info_of(spec), ndim)(**given, **arguments)
    if "logit" not in (own := inspect.signature(make_function(info_of(spec), ndim)).parameters):
        params = {key: value for key, value in given.items() if key in own}
        with pytest.raises(error, match=message):
            make_function(info_of(spec), ndim)(usual_input(ndim), **params, **arguments)


@every_pool
def test_bad_input_is_named_with_what_is_allowed(spec, ndim):
    pool = make(spec, ndim, 3)
    sizes = SIZES[ndim]
    with pytest.raises(TypeError, match=r"input: dtype torch\.int64 is not allowed; float64"):
        pool(torch.zeros(1, CHANNELS, *sizes, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"input: dtype torch\.bool is not allowed; float64"):
        pool(torch.zeros(1, CHANNELS, *sizes, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"input: dtype torch\.float8_e4m3fn is not allowed; float64"):
        pool(torch.zeros(1, CHANNELS, *sizes, dtype=torch.float8_e4m3fn))
    with pytest.raises(ValueError, match=rf"input: {ndim} axes .*{ndim + 2}, or {ndim + 1} unbatched"):
        pool(torch.zeros(sizes))
    with pytest.raises(ValueError, match=rf"input: {ndim + 4} axes"):
        pool(torch.zeros(1, 1, 1, CHANNELS, *sizes))
    with pytest.raises(ValueError, match=r"input size 2 is too small .*kernel_size=3.*at least 3"):
        pool(torch.zeros(1, CHANNELS, *sizes[1:], 2))
    with pytest.raises(ValueError, match=r"input: .*at least 1 channel is needed"):
        pool(torch.zeros(1, 0, *sizes))
    with pytest.raises(ValueError, match=r"input size 0 is too small"):
        pool(torch.zeros(1, CHANNELS, *sizes[1:], 0))


BAD_VALUES = [
    *((name, {"backend": "fast"}) for name in poolzoo.list_pools() if pool_info(name).native and name != "lip"),
    ("avg", {"count_include_pad": "yes"}),
    ("lp", {"p": 0}),
    ("lp", {"p": -1.0}),
    ("lp", {"p": math.nan}),
    ("lp", {"p": "two"}),
    ("lp", {"p": True}),
    ("lp", {"norm": "max"}),
    ("power", {"p": 0}),
    ("power", {"p": math.nan}),
    ("gem", {"p": -1.0}),
    ("gem", {"p": math.inf}),
    ("gem", {"eps": 0.0}),
    ("lse", {"r": 0}),
    ("lse", {"r": math.inf}),
    ("lse", {"r": "x"}),
    ("mixed", {"lam": 1.5}),
    ("mixed", {"lam": math.nan}),
    ("tree", {"leaves": 3}),
    ("tree", {"gates": "none"}),
    ("softpool", {"beta": math.inf}),
    ("softpool", {"beta": math.nan}),
    ("softpool", {"beta": "much"}),
    ("softpool", {"beta": True}),
    ("softpool_detached", {"beta": math.inf}),
    ("hann_l2", {"count_include_pad": "yes"}),
    ("gaussian", {"m": math.nan}),
    ("gaussian", {"s": -0.5}),
    ("gaussian", {"training": 1}),
    ("gaussian", {"generator": 3}),
    ("t_max_avg", {"k": 0}),
    ("t_max_avg", {"k": 2.0}),
    ("t_max_avg", {"k": True}),
    ("t_max_avg", {"threshold": math.nan}),
    ("t_max_avg", {"threshold": "half"}),
    ("t_max_avg", {"when": "any"}),
    ("autopool", {"beta": math.inf}),
    ("autopool", {"beta": "much"}),
    ("idw", {"eps": 0}),
    ("idw", {"eps": math.nan}),
    ("idw", {"eps": "small"}),
    ("adapool", {"beta": 1.5}),
    ("adapool", {"beta": math.nan}),
    ("adapool", {"beta": "half"}),
    ("dpp", {"alpha": -0.5}),
    ("dpp", {"alpha": math.nan}),
    ("dpp", {"lam": -1}),
    ("dpp", {"lam": math.inf}),
    ("dpp", {"lam": "much"}),
    ("dpp", {"reward": "negative"}),
    ("dpp", {"eps": 0}),
    ("dpp", {"eps": True}),
    ("dpp", {"bias": 1.0}),
    ("blur", {"filt_size": 0}),
    ("blur", {"filt_size": 8}),
    ("blur", {"filt_size": 3.0}),
    ("max_blur", {"filt_size": 0}),
    ("avg_blur", {"filt_size": 8}),
    ("haar", {"mode": "smooth"}),
    ("haar", {"norm": "max"}),
    ("wavelet", {"wavelet": "db99"}),
    ("wavelet", {"wavelet": 2}),
    ("wavelet", {"mode": "zeros"}),
    ("wavelet", {"norm": 2}),
    ("asap", {"window": "hann"}),
    ("diffstride", {"strides": 0.5}),
    ("diffstride", {"smoothness": -1}),
    ("diffstride", {"size": "free"}),
    ("rmac", {"levels": 0}),
    ("simpool", {"query": 3}),
    ("simpool", {"key": 3}),
    ("simpool", {"weight": 3}),
    ("simpool", {"bias": 3}),
    ("simpool", {"gamma": 0}),
    ("adaptive_blur", {"weight": 3}),
    ("adaptive_blur", {"bias": 3}),
    ("adaptive_blur", {"groups": 0}),
    ("adaptive_blur", {"groups": 2}),
    ("adaptive_blur", {"filt_size": 8}),
    ("hwd", {"mode": "smooth"}),
    ("hwd", {"norm": "max"}),
    ("aps", {"p": 0.5}),
    ("aps", {"p": math.nan}),
    ("aps", {"filt_size": 8}),
    ("lps", {"logits": 3}),
    ("lps", {"tau": 0}),
    ("lps", {"training": 1}),
    ("lps", {"generator": 3}),
    ("lift", {"predict": 3}),
    ("lift", {"update": "half"}),
    ("checkered", {"pool": "nothing"}),
    ("checkered", {"pool": "bilinear"}),
    ("checkered", {"sampler": 2}),
    ("fractional_max", {"output_ratio": 1}),
    ("fractional_max", {"output_ratio": math.nan}),
    ("fractional_max", {"output_ratio": 0.1}),
    ("fractional_max", {"training": None}),
    ("fractional_max", {"generator": 3}),
    ("s3", {"grid": 3}),
    ("s3", {"grid": (2, 2, 2)}),
    ("s3", {"grid": 0}),
    ("s3", {"grid": 2.0}),
    ("s3", {"training": 1}),
    ("s3", {"generator": 3}),
    ("checkered", {"sampler": "regular"}),
    ("checkered", {"sampler": True}),
    ("checkered", {"generator": 3}),
    ("tri", {"pool": "nothing"}),
    ("tri", {"sampler": 6}),
    ("tri", {"sampler": "lattice"}),
    ("tri", {"generator": 3}),
    ("complete", {"pool": "bilinear"}),
    ("multisampling", {"pool": 3}),
    ("multisampling", {"sampler": (0, 0)}),
    ("multisampling", {"sampler": (1, 2)}),
    ("multisampling", {"sampler": ()}),
    ("multisampling", {"sampler": (0, 1.0)}),
    ("multisampling", {"sampler": "lattice"}),
    ("stochastic", {"training": "yes"}),
    ("stochastic", {"generator": 3}),
]
BAD_MODULE_VALUES = [
    *((name, {"backend": "fast"}) for name in ("power", "autopool", "lip", "adapool")),
    ("autopool", {"beta": math.nan}),
    ("autopool", {"channels": 0}),
    ("gaussian", {"hidden": 0}),
    ("gaussian", {"channels": 0}),
    ("gaussian", {"generator": 3}),
    ("owa", {"ranks": 0}),
    ("owa", {"ranks": 2.0}),
    ("owa", {"channels": 0}),
    ("power", {"p": 1.0}),
    ("power", {"channels": 0}),
    ("gem", {"channels": 2.5}),
    ("mixed", {"lam": 0}),
    ("mixed", {"mode": "sometimes"}),
    ("mixed", {"channels": -1}),
    ("mixed", {"generator": 3, "mode": "random"}),
    ("gated", {"channels": 0}),
    ("gated", {"channels": True}),
    ("adapool", {"beta": 0}),
    ("adapool", {"beta": True}),
    ("adapool", {"cells": 3}),
    ("adapool", {"cells": (3, 0)}),
    ("adapool", {"cells": (3, 2.5)}),
    ("adapool", {"cells": "many"}),
    ("dpp", {"alpha": 0}),
    ("dpp", {"lam": 0.0}),
    ("dpp", {"lam": math.nan}),
    ("dpp", {"variant": "heavy"}),
    ("dpp", {"reward": "none"}),
    ("dpp", {"eps": 0}),
    ("dpp", {"channels": 0}),
    ("tree", {"depth": 0}),
    ("tree", {"depth": 7}),
    ("tree", {"depth": 1.5}),
    ("tree", {"channels": 0}),
    ("fractional_max", {"output_ratio": 0}),
    ("fractional_max", {"generator": 3}),
    ("s3", {"grid": 3}),
    ("s3", {"grid": (2, True)}),
    ("s3", {"generator": "random"}),
    ("lip", {"variant": "large"}),
    ("lip", {"width": 0, "variant": "bottleneck"}),
    ("lip", {"channels": 0}),
    ("lip", {"channels": "three"}),
    ("diffstride", {"strides": 0}),
    ("diffstride", {"smoothness": math.inf}),
    ("diffstride", {"size": 7}),
    ("simpool", {"channels": 0}),
    ("simpool", {"gamma": math.inf}),
    ("adaptive_blur", {"channels": 0}),
    ("adaptive_blur", {"groups": 1.0}),
    ("adaptive_blur", {"filt_size": 0}),
    ("lps", {"channels": 0}),
    ("lps", {"hidden": 0}),
    ("lps", {"tau": math.inf}),
    ("lps", {"generator": 3}),
    ("lift", {"channels": 0}),
    ("lift", {"channels": True}),
    ("stochastic", {"generator": 3}),
    ("checkered", {"sampler": "regular"}),
    ("tri", {"sampler": 7}),
]


def test_every_parameter_has_a_bad_value_tested():
    tested = {(name, key) for name, values in (*BAD_VALUES, *BAD_MODULE_VALUES) for key in values}
    for spec, _ in CASES:
        info = info_of(spec)
        if info.name not in poolzoo.registry._builtin:
            continue
        own = inspect.signature(make_function(info, info.ndims[-1])).parameters.values()
        for parameter in own:
            # Tensors are below.
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in ("logit", "weight"):
                assert (info.name, parameter.name) in tested


@pytest.mark.parametrize(("name", "params"), BAD_VALUES, ids=str)
def test_bad_parameter_value_is_named(name, params):
    (key,) = params
    message = rf"{key}={re.escape(repr(params[key]))}: .*(allowed|needed|no such)"
    with pytest.raises((ValueError, TypeError), match=message):
        make_function(pool_info(name), 2)(usual_input(2), 2, **params)
    if pool_info(name).module is None:
        with pytest.raises((ValueError, TypeError), match=message):
            make_class(pool_info(name), 2)(2, **params)


@pytest.mark.parametrize(("name", "params"), BAD_MODULE_VALUES, ids=str)
def test_bad_module_argument_is_named(name, params):
    key = next(iter(params))
    with pytest.raises(ValueError, match=rf"{name}: {key}={re.escape(repr(params[key]))}: .*(allowed|needed)"):
        poolzoo.create_pool(name, ndim=2, **params)


def test_tensors_of_the_wrong_shape_are_named():
    x = usual_input(2)
    for name in ("lip", "lift", "gaussian", "lps", "simpool", "adaptive_blur"):
        with pytest.raises(ValueError, match=rf"input: 2 channels; channels={CHANNELS} are needed"):
            make(name, 2)(x[:, :2])
    with pytest.raises(ValueError, match=r"weight: shape \(3, 3\); \(2, 2\) or \(C, \*\(2, 2\)\), C = 3,"):
        poolzoo.functional.gated_pool2d(x, 2, weight=torch.zeros(3, 3))
    for shape in ((2, 4), (), (3, 1, 4)):
        with pytest.raises(ValueError, match=rf"weight: shape {re.escape(str(shape))}; \(M,\) or \(C, M\), C = 3, is"):
            poolzoo.functional.owa_pool2d(x, 2, weight=torch.zeros(shape))
    for key in ("query", "key"):
        with pytest.raises(ValueError, match=rf"{key}: shape \(3, 2\); \(3, 3\) is needed"):
            poolzoo.functional.sim_pool2d(x, 2, **{key: torch.zeros(3, 2)})
    with pytest.raises(ValueError, match=r"weight: shape \(9, 2, 3, 3\); \(9, 3, \*filter\) with 9 taps is needed"):
        poolzoo.functional.pasa_pool2d(x, 2, weight=torch.zeros(9, 2, 3, 3))
    with pytest.raises(ValueError, match=r"bias: shape \(3,\); \(9,\) is needed"):
        poolzoo.functional.pasa_pool2d(x, 2, bias=torch.zeros(3))
    with pytest.raises(ValueError, match=r"logits: shape \(4,\); one per sample and phase, \(2, 4\), is allowed"):
        poolzoo.functional.lps_pool2d(x, 2, logits=torch.zeros(4))
    with pytest.raises(ValueError, match=r"logit: shape \(2, 1, 7, 6\); the shape of input, \(2, 3, 7, 6\)"):
        poolzoo.functional.lip_pool2d(x, 2, logit=x[:, :1])
    for key, shape in (("leaves", (2, 3, 3)), ("leaves", (3, 2, 2)), ("leaves", (2,)), ("gates", (2, 2, 2))):
        with pytest.raises(ValueError, match=rf"{key}: shape {re.escape(str(shape))}; .*, n a power of 2, C = 3, is"):
            poolzoo.functional.tree_pool2d(x, 2, **{key: torch.zeros(shape)})
    with pytest.raises(ValueError, match=r"strides: shape \(3,\); a scalar or one per axis, \(2,\), is allowed"):
        poolzoo.functional.diffstride_pool2d(x, 2, strides=torch.ones(3))
    for name, key in (("power", "p"), ("gem", "p"), ("autopool", "beta"), ("mixed", "lam")):
        with pytest.raises(ValueError, match=rf"{key}: shape \(2,\); a scalar or .* \({CHANNELS},\)"):
            make_function(pool_info(name), 2)(x, 2, **{key: torch.ones(2)})


# Modules --------------------------------------------------------------------------------------------------------------


@every_pool
def test_state_dict_round_trip(spec, ndim):
    x = usual_input(ndim)
    pool = scramble(make(spec, ndim, **PADDED[ndim]))
    buffer = io.BytesIO()
    torch.save(pool.state_dict(), buffer)
    buffer.seek(0)
    fresh = make(spec, ndim, **PADDED[ndim])
    fresh.load_state_dict(torch.load(buffer, weights_only=True), strict=True)
    assert torch.equal(fresh(x), pool(x))


COPIERS = {"copy": copy.deepcopy, "pickle": lambda pool: pickle.loads(pickle.dumps(pool))}


@every_pool
@pytest.mark.parametrize("copier", COPIERS)
def test_copies_pool_alike(spec, ndim, copier):
    x = usual_input(ndim)
    pool = scramble(make(spec, ndim, **PADDED[ndim]))
    twin = COPIERS[copier](pool)
    assert type(twin) is type(pool) and repr(twin) == repr(pool)
    assert torch.equal(twin(x), pool(x))
    for parameter in twin.parameters():
        parameter.data.zero_()
    assert all(parameter.any() for parameter in pool.parameters()), "a copy shares its parameters"


@every_pool
def test_module_equals_functional_form(spec, ndim):
    x = usual_input(ndim)
    pool = scramble(make(spec, ndim, **PADDED[ndim]))
    info = info_of(spec)
    function = getattr(poolzoo.functional, f"{info.function_name}{ndim}d")
    assert function is make_function(info, ndim)
    assert torch.equal(function(x, **PADDED[ndim], **pool.params(x)), pool(x))
    assert type(pool) is getattr(poolzoo, f"{info.class_name}{ndim}d") is make_class(info, ndim)


@every_pool
def test_the_input_has_torchs_name(spec, ndim):
    """``input=``, as ``torch.nn.functional.max_pool2d`` and ``torch.nn.MaxPool2d`` take it."""
    x = usual_input(ndim)
    pool = scramble(make(spec, ndim, **PADDED[ndim]))
    function = make_function(info_of(spec), ndim)
    assert torch.equal(pool(input=x), pool(x))
    assert torch.equal(function(input=x, **PADDED[ndim], **pool.params(x)), pool(x))
    assert next(iter(inspect.signature(function).parameters)) == "input"


@pytest.mark.parametrize("spec", [spec for spec, ndim in CASES if ndim == 2 and info_of(spec).learnable])
@pytest.mark.parametrize(("dtype", "own"), list(itertools.permutations(FLOATS, 2)), ids=str)
def test_input_and_parameters_may_differ_in_type(spec, dtype, own):
    """The result has the input's type, and is as near to float64's as the narrower type of the two lets it be."""
    wide = scramble(make(spec, 2, **PADDED[2])).to(own).double().eval()
    if not list(wide.parameters()):
        pytest.skip("a variant without parameters")
    x = usual_input(2).to(dtype)
    narrow = copy.deepcopy(wide).to(own).requires_grad_()
    y = narrow(x)
    assert y.dtype is dtype
    eps = max(torch.finfo(t).eps for t in (dtype, own))
    torch.testing.assert_close(y.double(), wide(x.double()), rtol=0, atol=8 * eps * x.abs().max().item())
    y.sum().backward()
    # What only a training mode's draws depend on has no gradient here.
    used = [p for key, p in narrow.named_parameters() if not (spec == "gaussian" and key.startswith("to_s."))]
    assert all(p.grad is not None and p.grad.dtype is own and p.grad.isfinite().all() for p in used)


@every_pool
def test_repr_is_the_call_that_makes_it(spec, ndim):
    x = usual_input(ndim)
    for geometry in (
        {"kernel_size": 2},
        PADDED[ndim],
        {"kernel_size": (3, 2, 1)[:ndim], "stride": (1, 2, 3)[:ndim], "dilation": (1, 2, 1)[:ndim]},
    ):
        pool = make(spec, ndim, **geometry)
        call = f"{pool._get_name()}({pool.extra_repr()})"
        # A network inside, such as LIP's, is printed below the arguments.
        assert repr(pool) == call or list(pool.children())
        twin = eval(call, {pool._get_name(): type(pool)}).eval()
        assert repr(twin) == repr(pool)
        twin.load_state_dict(pool.state_dict())
        assert torch.equal(twin(x), pool(x))


@every_pool
def test_documentation_says_what_it_computes_and_where_it_comes_from(spec, ndim):
    info = info_of(spec)
    for target in (make_function(info, ndim), make_class(info, ndim)):
        doc = inspect.getdoc(target) or ""
        assert f"``{info.formula}``" in doc and f"Source: {info.source}." in doc
        sections = [doc.index(f"\n{heading}:\n") for heading in ("Args", "Shape", "Raises")]
        assert sections == sorted(sections)
        prose, arguments = doc[: sections[0]], doc[sections[0] : sections[1]]
        for parameter in inspect.signature(target).parameters.values():
            assert f"\n    {parameter.name}: " in arguments, f"{target.__name__}: {parameter} is not listed"
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in ("device", "dtype"):
                assert f"``{parameter.name}" in prose, f"{target.__name__}: {parameter} is not explained"
        assert "\n\n\n" not in doc


@every_operator
def test_facts_are_complete(name):
    info = pool_info(name)
    assert info.summary and not info.summary.endswith(".") and "\n" not in info.summary
    assert info.formula and info.source and info.family
    assert set(info.ndims) <= {1, 2, 3} and info.ndims
    pool = make(name, info.ndims[0])
    assert info.stochastic == pool.stochastic
    assert info.learnable == bool(list(pool.parameters()))
