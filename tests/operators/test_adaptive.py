"""Adaptive and global forms: of every operator that is a function of single windows, and of no other.

The truth is torch's adaptive pools, the literal float64 loops of ``oracles.py`` over torch's cells, and the operator's
own windows where a kernel covers the same elements.
"""

from __future__ import annotations

import copy
import inspect
import io
import math
import pickle
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import oracles
import pytest
import torch
import torch.nn.functional as F
from operators.test_against_loops import ORACLES, plain
from operators.test_contract import assert_same
from pools import CASES, CHANNELS, SIZES, distinct, info_of, make, scramble, skip_if_exempt, usual_input
from torch import Tensor

import poolzoo
import poolzoo.functional as PF
from poolzoo import create_pool, list_pools, native, pool_info, register_pool
from poolzoo.create import find_class, make_class, make_function
from poolzoo.operators import Pool
from poolzoo.registry import export_names, parse_spec

ADAPTIVE = [
    (spec, ndim)
    for spec, ndim in CASES
    if info_of(spec).adaptive and not set(parse_spec(spec)[1]) & set(info_of(spec).windowed_only)
]
every_adaptive = pytest.mark.parametrize(("spec", "ndim"), ADAPTIVE, ids=[f"{spec}-{n}d" for spec, n in ADAPTIVE])
every_adaptive_2d = pytest.mark.parametrize("spec", [spec for spec, ndim in ADAPTIVE if ndim == 2])
#: Cells of different sizes on every axis of ``SIZES``, cells that overlap, and more cells than positions.
UNEVEN: dict[int, tuple[int, ...]] = {1: (4,), 2: (5, 4), 3: (3, 6, 2)}
AVG: dict[int, Any] = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
MAX: dict[int, Any] = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def adaptive(spec: str, ndim: int, output_size: Any = None, **arguments: Any) -> Pool:
    pool = create_pool(spec, ndim=ndim, output_size=output_size or UNEVEN[ndim], **arguments)
    pool.take_channels(CHANNELS)
    return scramble(pool.eval())


def whole(spec: str, ndim: int, **arguments: Any) -> Pool:
    name, params = parse_spec(spec)
    pool = make_class(pool_info(name), ndim, "global")(**params, **arguments)
    pool.take_channels(CHANNELS)
    return scramble(pool.eval())


def cells(sizes: tuple[int, ...], out: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Each cell of the output with the part of the input that torch's documentation gives it."""
    return [
        (cell, tuple(slice(i * n // m, -(-(i + 1) * n // m)) for i, n, m in zip(cell, sizes, out, strict=True)))
        for cell in product(*(range(m) for m in out))
    ]


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("size", range(1, 12))
def test_avg_and_max_are_torchs(ndim, size):
    x = usual_input(ndim, torch.float64).requires_grad_()
    for name, torchs in (("avg", AVG), ("max", MAX)):
        y, expected = getattr(PF, f"adaptive_{name}_pool{ndim}d")(x, size), torchs[ndim](x, size)
        assert_same(y, expected)
        weight = distinct(*y.shape, dtype=torch.float64)
        assert_same(torch.autograd.grad(y, x, weight)[0], torch.autograd.grad(expected, x, weight)[0])


def test_the_gradient_of_max_goes_to_one_of_equal_elements():
    for size in (1, 2, 4):
        x = torch.ones(1, 1, 5, 5).requires_grad_()
        (grad,) = torch.autograd.grad(PF.adaptive_max_pool2d(x, size).sum(), x)
        (expected,) = torch.autograd.grad(F.adaptive_max_pool2d(x, size).sum(), x)
        assert torch.equal(grad, expected)


def loop_over_cells(pool: Pool, x: Tensor, out: tuple[int, ...]) -> np.ndarray:
    """What the operator's loop in ``oracles.py`` gives, one cell at a time."""
    params = {key: plain(value) for key, value in pool.params(x).items() if key != "backend"}
    y = np.zeros((*x.shape[: -len(out)], *out))
    for cell, box in cells(tuple(x.shape[-len(out) :]), out):
        part = plain(x)[(..., *box)]
        kernel = part.shape[-len(out) :]
        given = params | ({"logit": params["logit"][(..., *box)]} if "logit" in params else {})
        g = oracles.Geometry(kernel, kernel, (0,) * len(out), (1,) * len(out))
        y[(..., *cell)] = ORACLES[pool.info.name](part, g, **given)[(..., *(0,) * len(out))]
    return y


@every_adaptive
def test_equals_the_loop_over_torchs_cells(spec, ndim):
    if (name := parse_spec(spec)[0]) not in ORACLES:
        pytest.skip(f"{name}: an operator of a plugin, for which no loop is written")
    x, pool = usual_input(ndim, torch.float64)[:1], adaptive(spec, ndim).double()
    expected = loop_over_cells(pool, x, UNEVEN[ndim])
    np.testing.assert_allclose(plain(pool(x)), expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


#: What an element alone gives where the formula does not keep it to the bit.
OF_ONE: dict[str, Callable[[Tensor, Pool], Tensor]] = {
    "hann_l2": lambda x, pool: (x.square() + 1e-12).sqrt(),
    "gaussian": lambda x, pool: x + 1e-3 * F.softplus(pool.params(x)["m"]).reshape(*x.shape[:2], *(1,) * (x.dim() - 2)),
}


def attended(x: Tensor, pool: Pool) -> Tensor:
    """What simpool makes of one element: its channels, normalised, above the least of them."""
    norm = pool.norm_patches
    v = F.layer_norm(x.movedim(1, -1), (x.shape[1],), norm.weight, norm.bias, 1e-6)
    return (v - v.amin(-1, keepdim=True) + 1e-6).movedim(-1, 1)


#: rmac's one element is the map, the square of the first level, and no square of the others.
OF_ONE |= {"simpool": attended, "rmac": lambda x, pool: 2 * x / (x.norm(dim=1, keepdim=True) + 1e-6)}
#: Parameters that a windowed module chooses by its kernel, as the two forms need the same.
SIZED = {"owa": "owa:ranks=5"}


@every_adaptive
def test_the_inputs_own_size_is_the_identity(spec, ndim):
    """A window of one element is that element, where the formula keeps constants; all do above 0."""
    x = usual_input(ndim, torch.float64)
    x = x.abs() if "constant_negative" in info_of(spec).exempt else x
    for size in (None, SIZES[ndim]):
        pool = adaptive(spec, ndim, size or (None,) * ndim).double()
        assert_same(pool(x), OF_ONE.get(spec, lambda x, pool: x)(x, pool))


@every_adaptive
def test_one_cell_is_the_window_that_covers_everything(spec, ndim):
    x, spec = usual_input(ndim, torch.float64), SIZED.get(spec, spec)
    windowed = scramble(make(spec, ndim, SIZES[ndim])).double()
    expected = windowed(x)
    pools = [adaptive(spec, ndim, 1).double(), whole(spec, ndim).double()]
    for pool in pools:
        assert {key: value.shape for key, value in pool.state_dict().items()} == {
            key: value.shape for key, value in windowed.state_dict().items()
        }
        pool.load_state_dict(windowed.state_dict())
        assert_same(pool(x), expected)
    flat = whole(spec, ndim, flatten=True).double()
    flat.load_state_dict(windowed.state_dict())
    assert_same(flat(x), expected.flatten(1))
    assert flat(x[0]).shape == (CHANNELS,)


@every_adaptive
def test_equal_cells_are_windows(spec, ndim):
    """Where the cells are alike, also where they overlap, a kernel and a stride give the same."""
    x = distinct(2, CHANNELS, *(7, 6, 4)[:ndim], dtype=torch.float64)
    kernel, stride, spec = (3, 2, 2)[:ndim], (2, 2, 2)[:ndim], SIZED.get(spec, spec)
    windowed, pool = (
        scramble(make(spec, ndim, kernel, stride)).double(),
        adaptive(spec, ndim, (3, 3, 2)[:ndim]).double(),
    )
    pool.load_state_dict(windowed.state_dict())
    assert_same(pool(x), windowed(x))


@every_adaptive
def test_nan_and_inf_touch_only_their_own_cells(spec, ndim):
    skip_if_exempt(spec, "nan")
    x, pool = usual_input(ndim), adaptive(spec, ndim)
    clean = pool(x)
    for bad, position in ((math.nan, 0), (math.inf, x[0, 0].numel() // 2), (math.nan, x[0, 0].numel() - 1)):
        spoilt = x.clone()
        spoilt[1, 1].view(-1)[position] = bad
        holds = MAX[ndim]((spoilt != x).float(), UNEVEN[ndim]) == 1
        y = pool(spoilt)
        assert torch.equal(y[~holds], clean[~holds])
        if math.isnan(bad) and "nan_reaches" not in info_of(spec).exempt:
            assert y[holds].isnan().all()


@every_adaptive_2d
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
def test_large_finite_input_stays_finite(spec, dtype):
    ndim, large = 2, 5e3 if dtype is torch.float16 else 1e30
    x = (distinct(2, CHANNELS, *SIZES[ndim]).sign() * large).to(dtype).requires_grad_()
    pool = create_pool(spec, ndim=ndim, output_size=UNEVEN[ndim])
    pool.take_channels(CHANNELS)
    y = pool.eval().to(dtype)(x)
    assert y.dtype is dtype
    y.backward(torch.ones_like(y))
    assert y.isfinite().all() and x.grad is not None and x.grad.isfinite().all()


@every_adaptive
def test_gradient_is_the_derivative(spec, ndim):
    skip_if_exempt(spec, "gradcheck")
    sizes, out = {1: ((5,), (3,)), 2: ((4, 3), (3, 2)), 3: ((3, 2, 3), (2, 1, 2))}[ndim]
    x = distinct(1, CHANNELS, *sizes, dtype=torch.float64).requires_grad_()
    pool = adaptive(spec, ndim, out).double()
    assert torch.autograd.gradcheck(pool, (x,), fast_mode=True)
    if names := [name for name, _ in pool.named_parameters()]:

        def call(*values: Tensor) -> Tensor:
            y = torch.func.functional_call(pool, dict(zip(names, values, strict=True)), (x.detach(),))
            assert isinstance(y, Tensor)
            return y

        assert torch.autograd.gradcheck(call, tuple(pool.parameters()), fast_mode=True)


# Layouts and transformations ------------------------------------------------------------------------------------------


@every_adaptive
def test_layouts_and_batches_do_not_matter(spec, ndim):
    x, pool = usual_input(ndim, torch.float64), adaptive(spec, ndim).double()
    expected = pool(x)
    kept = x.clone()
    assert expected.shape == (2, CHANNELS, *UNEVEN[ndim]) and expected.is_contiguous()
    assert_same(pool(x[0]), expected[0])
    assert pool(x[:0]).shape == (0, *expected.shape[1:])
    assert_same(pool(x.transpose(0, -1).contiguous().transpose(0, -1)), expected)
    if ndim > 1:
        layout = {2: torch.channels_last, 3: torch.channels_last_3d}[ndim]
        for one in (pool, adaptive(spec, ndim, SIZES[ndim]).double()):
            y = one(x.contiguous(memory_format=layout))
            assert_same(y, one(x))
            assert y.is_contiguous(memory_format=layout)
    with torch.no_grad():
        for one in (pool, adaptive(spec, ndim, SIZES[ndim]).double()):
            one(x).add_(1)
    assert torch.equal(x, kept), "a change of the output reached the input"


@every_adaptive
def test_vmap_equals_a_loop(spec, ndim):
    x = torch.stack([usual_input(ndim, torch.float64, seed) for seed in range(2)])
    for pool in (adaptive(spec, ndim).double(), whole(spec, ndim).double()):
        expected = torch.stack([pool(sample) for sample in x])
        assert_same(torch.func.vmap(pool)(x), expected, ulps=64)


@pytest.mark.parametrize("name", ["avg", "max"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_torchs_kernels_have_every_derivative(name, ndim):
    x = distinct(1, 2, *(5, 3, 2)[:ndim], dtype=torch.float64).requires_grad_()
    pool = adaptive(name, ndim, (3, 2, 1)[:ndim])
    assert torch.autograd.gradgradcheck(pool, (x,))
    assert torch.autograd.gradcheck(pool, (x,), check_forward_ad=True, check_batched_grad=True)
    y = pool(x.detach().half())
    assert_same(y, pool(x.detach().half().double()).half(), ulps=1)


def compile_and_export(pool: Pool, x: Tensor, backend: str = "eager") -> None:
    torch._dynamo.reset()
    pool, x = pool.double(), x.double()
    torch.manual_seed(0)
    expected = pool(x)
    torch.manual_seed(0)
    assert_same(torch.compile(pool, fullgraph=True, backend=backend)(x), expected, ulps=16)
    if not pool.training:
        # idw divides by distances to the mean, which magnify how its sum was rounded.
        ulps = 256 if pool.info.name == "idw" else 16
        assert_same(torch.export.export(pool, (x,)).module()(x), expected, ulps=ulps)


@pytest.mark.slow
def test_compiles_and_exports():
    compile_and_export(adaptive("lip", 2), usual_input(2))


@pytest.mark.grid
def test_inductor_gives_the_same():
    compile_and_export(adaptive("gem", 2), usual_input(2), "inductor")


@pytest.mark.grid
@every_adaptive
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_every_one_compiles_and_exports(spec, ndim, training):
    for pool in (adaptive(spec, ndim), adaptive(spec, ndim, 1), whole(spec, ndim)):
        compile_and_export(pool.train(training), usual_input(ndim))


def run_in_onnxruntime(pool: Pool, x: Tensor, other: Tensor | None = None) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="runs what was exported")
    axes = None if other is None else ({0: "n", 2: "h", 3: "w"},)
    file = io.BytesIO()
    program = torch.onnx.export(pool, (x,), dynamo=True, verbose=False, dynamic_shapes=axes)
    assert program is not None
    program.save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    for given in [x] if other is None else [x, other]:
        (got,) = session.run(None, {session.get_inputs()[0].name: given.numpy()})
        torch.testing.assert_close(torch.from_numpy(got), pool(given).detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_runs_in_onnxruntime():
    run_in_onnxruntime(adaptive("lp", 2), usual_input(2))


@pytest.mark.grid
@pytest.mark.parametrize("spec", [spec for spec, ndim in ADAPTIVE if ndim == 2])
def test_every_one_runs_in_onnxruntime(spec):
    if "onnx" in info_of(spec).exempt:
        pytest.skip(info_of(spec).exempt["onnx"])
    for pool in (adaptive(spec, 2), whole(spec, 2)):
        run_in_onnxruntime(pool, usual_input(2))


@pytest.mark.grid
@pytest.mark.parametrize("spec", ["softpool", "lp", "avg", "max", "gem"])
def test_onnx_files_of_the_whole_input_take_any_size(spec):
    run_in_onnxruntime(whole(spec, 2), usual_input(2), distinct(3, CHANNELS, 9, 5))


# Native code ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(bool(native.why_not()), reason="native code cannot be built here")
def test_native_code_pools_cells_of_any_size():
    x = usual_input(2)
    for name in ("softpool", "lp", "edscw", "max", "avg"):
        function = make_function(pool_info(name), 2, "adaptive")
        for size in (1, (7, 3), (3, 2), 5, (None, 2), (11, 1)):
            for backend in ("native", "auto"):
                assert_same(function(x, size, backend=backend), function(x, size, backend="reference"))


# Operators that draw --------------------------------------------------------------------------------------------------


def test_stochastic_draws_from_each_cell():
    x, pool = usual_input(2).abs(), adaptive("stochastic", 2).train()
    pool.generator = torch.Generator().manual_seed(3)
    y = pool(x)
    for cell, box in cells(SIZES[2], UNEVEN[2]):
        drawn, part = y[(..., *cell)], x[(..., *box)].flatten(2)
        assert (part == drawn.unsqueeze(-1)).any(-1).all()
    pool.generator.manual_seed(3)
    assert torch.equal(pool(x), y)
    assert not torch.equal(pool(x), y)
    many = x.abs()[:1, :1].expand(4000, 1, -1, -1)
    assert (pool(many).mean(0) - pool.eval()(many)[0]).abs().max() < 0.1


@pytest.mark.parametrize("name", [name for name in list_pools() if not pool_info(name).adaptive])
def test_an_operator_of_more_than_one_window_has_no_such_form(name):
    info = pool_info(name)
    ndim = info.ndims[0]
    why = f"{name} has no adaptive or global form: {info.not_adaptive}"
    assert len(info.not_adaptive.split()) > 4
    with pytest.raises(ValueError, match=why):
        create_pool(name, ndim=ndim, output_size=1)
    for form in ("adaptive", "global"):
        with pytest.raises(AttributeError, match=why):
            getattr(poolzoo, f"{form.capitalize()}{info.class_name}{ndim}d")
        with pytest.raises(AttributeError, match=why):
            getattr(PF, f"{form}_{info.function_name}{ndim}d")


def test_the_operators_of_single_windows_are_these():
    expected = "max avg sum strided median lp power gem lse stochastic mixed softpool softpool_detached "
    expected += "hann_l2 owa t_max_avg gaussian softpool_channelsum autopool lip edscw idw adapool dpp rmac simpool"
    assert {info.name for info in poolzoo.registry.builtin_pools() if info.adaptive} == set(expected.split())


# Modules and functions ------------------------------------------------------------------------------------------------


@every_adaptive
def test_functions_and_modules_are_found_under_their_names(spec, ndim):
    x, info = usual_input(ndim), info_of(spec)
    for form, pool, size in (
        ("adaptive", adaptive(spec, ndim), {"output_size": UNEVEN[ndim]}),
        ("global", whole(spec, ndim, flatten=True), {"flatten": True}),
    ):
        function = getattr(PF, f"{form}_{info.function_name}{ndim}d")
        assert function is make_function(info, ndim, form)
        assert type(pool) is getattr(poolzoo, f"{form.capitalize()}{info.class_name}{ndim}d")
        given = {key: value for key, value in pool.params(x).items() if key not in info.windowed_only}
        assert torch.equal(function(input=x, **size, **given), pool(input=x))
        assert type(pool).__name__ in dir(poolzoo) and function.__name__ in dir(PF)
        assert type(pool).__name__ in export_names("class_name")


@every_adaptive_2d
def test_modules_print_copy_and_pickle(spec):
    x = usual_input(2)
    for pool in (adaptive(spec, 2), whole(spec, 2), whole(spec, 2, flatten=True)):
        call = f"{pool._get_name()}({pool.extra_repr()})"
        twin = eval(call, {pool._get_name(): type(pool)}).eval()
        assert repr(twin) == repr(pool)
        twin.load_state_dict(pool.state_dict(), strict=True)
        for one in (twin, copy.deepcopy(pool), pickle.loads(pickle.dumps(pool))):
            assert torch.equal(one(x), pool(x))


@pytest.mark.parametrize("name", sorted({info_of(spec).name for spec, _ in ADAPTIVE}))
@pytest.mark.parametrize("form", ["adaptive", "global"])
def test_documentation_explains_every_argument(name, form):
    info = pool_info(name)
    for target in (make_function(info, 2, form), make_class(info, 2, form)):
        doc = inspect.getdoc(target) or ""
        assert f"``{info.formula}``" in doc and f"Source: {info.source}." in doc and "\n\n\n" not in doc
        parameters = inspect.signature(target).parameters
        assert not {"kernel_size", "stride", "padding", "dilation", "ceil_mode", *info.windowed_only} & set(parameters)
        for parameter in parameters:
            assert f"\n    {parameter}: " in doc, f"{target.__name__}: {parameter}"


def test_channels_come_from_the_first_input():
    for pool in (poolzoo.AdaptiveLipPool2d((3, None)), poolzoo.GlobalLipPool2d(flatten=True)):
        assert pool.channels is None and pool.has_uninitialized_params()
        pool(usual_input(2))
        assert pool.channels == CHANNELS
        fresh = type(pool)(*([(3, None)] if pool.form == "adaptive" else []))
        fresh.load_state_dict(pool.state_dict())
        assert fresh.channels == CHANNELS
    assert poolzoo.AdaptiveLipPool2d(1, channels=4).logit[0].weight.shape == (4, 4, 3, 3)


def test_adapool_has_a_share_for_each_cell():
    x = usual_input(2, torch.float64)
    pool = scramble(poolzoo.AdaptiveAdaPool2d((5, 4), cells=(5, 4))).double()
    assert pool.state_dict()["raw"].shape == (5, 4)
    share = pool.params(x)["beta"]
    expected = share * PF.adaptive_edscw_pool2d(x, (5, 4)) + (1 - share) * PF.adaptive_soft_pool2d(x, (5, 4))
    assert_same(pool(x), expected)
    with pytest.raises(ValueError, match=r"beta: shape \(5, 4\); a scalar or one per output cell, \(1, 1\)"):
        poolzoo.functional.global_ada_pool2d(x, beta=share)


def test_a_plugins_operator_has_the_forms_too(monkeypatch):
    monkeypatch.setattr(poolzoo.registry, "_pools", dict(poolzoo.registry._pools))

    @register_pool("spread", summary="s", formula="f", source="s")
    def spread(a, mask):
        low, high = (a, a) if mask is None else (a.masked_fill(~mask, v) for v in (math.inf, -math.inf))
        return high.amax(-1) - low.amin(-1)

    x = usual_input(2)
    assert_same(
        poolzoo.AdaptiveSpreadPool2d((5, 4))(x), F.adaptive_max_pool2d(x, (5, 4)) + F.adaptive_max_pool2d(-x, (5, 4))
    )
    with pytest.raises(ValueError, match="class_name='AdaptiveSpreadPool' is already used by 'spread'"):
        register_pool("other", summary="s", formula="f", source="s", class_name="AdaptiveSpreadPool")(spread)

    # Nor a name that would mean a form which an operator lacks.
    with pytest.raises(ValueError, match="function_name='adaptive_blur_pool' is already used by 'blur'"):
        register_pool("adaptive_blur_2", summary="s", formula="f", source="s", function_name="adaptive_blur_pool")(
            spread
        )

    @register_pool("wide", summary="s", formula="f", source="s", over="input")
    def wide(x, geometry):
        return x

    with pytest.raises(AttributeError, match="wide has no adaptive or global form: it is not a function of single"):
        find_class("GlobalWidePool2d")


# Wrong use ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: create_pool("lp", output_size=0), r"lp: output_size=0: an int >= 1, None"),
        (lambda: create_pool("lp", output_size=(3, 3, 3)), r"lp: output_size=\(3, 3, 3\): .* or 2 of them is allowed"),
        (lambda: create_pool("lp:output_size=3", kernel_size=2), "lp: output_size=3: kernel_size=2 is given too"),
        (lambda: create_pool("lp", output_size=3, stride=2), "lp: output_size=3: stride=2 is given too"),
        (
            lambda: create_pool("lp", output_size=3, padding=1),
            "lp: unknown parameter 'padding'; allowed: output_size, p",
        ),
        (lambda: create_pool("dpp", output_size=3, variant="full"), "dpp: unknown parameter 'variant'"),
        (lambda: poolzoo.AdaptiveDppPool2d(3, variant="full"), "variant='full': only DppPool2d takes it"),
        (
            lambda: poolzoo.AdaptiveAvgPool2d(3, count_include_pad=True),
            "count_include_pad=True: only AvgPool2d takes it",
        ),
        (lambda: PF.global_avg_pool2d(usual_input(2), count_include_pad=True), "unknown parameter 'count_include_pad'"),
        (lambda: poolzoo.GlobalLpPool2d(flatten=1), "flatten=1: True or False is allowed"),
        (lambda: poolzoo.GlobalLpPool2d(p=-1), "p=-1: a number > 0"),
        (lambda: PF.global_lp_pool2d(torch.zeros(3, 3)), "input: 2 axes"),
        (lambda: PF.adaptive_lp_pool2d(torch.zeros(1, 3, 0, 3), 1), "input: spatial sizes must be at least 1"),
        (lambda: PF.adaptive_lp_pool2d(torch.zeros(1, 3, 2, 3, dtype=torch.int64), 1), "input: dtype torch.int64"),
        (lambda: make_class(pool_info("lp"), 2, "local"), "form='local': '', 'adaptive', 'global' are allowed"),
    ],
)
def test_wrong_use_is_named(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()
