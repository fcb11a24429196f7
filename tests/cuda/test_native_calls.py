"""Calls that are remembered: the second one takes the short way, and gives what the first one gave, in all that differs
from an ordinary call too.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pools import distinct
from test_native_cpu import NATIVE, assert_near, native_operator, operator, others, pool, reason
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

import poolzoo
from poolzoo import engine, functional
from poolzoo.geometry import make_bins
from poolzoo.native import eager

pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

Pool = Callable[[Tensor], Tensor]
X = distinct(2, 3, 9, 9)


def remembered(spec: str = "softpool", backend: str = "auto", **windows: Any) -> Pool:
    """The function of 3x3 windows after its first call, as a function of the input alone."""
    function, params = operator(spec, 2)
    arguments = {"kernel_size": 3, "stride": 2, "backend": backend, **params, **windows}

    def call(x: Tensor) -> Tensor:
        y: Tensor = function(x, **arguments, **others(spec, x))
        return y

    call(X)
    return call


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operators that calls asked the general way for."""
    seen: list[str] = []
    general = engine.pool
    monkeypatch.setattr(engine, "pool", lambda info, *a, **k: seen.append(info.name) or general(info, *a, **k))
    return seen


@pytest.mark.parametrize("spec", [spec for spec in NATIVE if spec != "lip"])
def test_a_second_call_takes_the_short_way_to_the_same_values(spec, short):
    for backend in ("auto", "native"):
        call = remembered(spec, backend)
        module = poolzoo.create_pool(spec, kernel_size=3, stride=2, backend=backend)
        for x in (X, X.contiguous(memory_format=torch.channels_last), X[0], X.double(), X.bfloat16()):
            first, firsts_module = call(x), module(x)
            short.clear()
            y = call(x)
            assert torch.equal(y, first) and y.stride() == first.stride() and not short
            if not module.info.learnable:
                assert torch.equal(module(x), firsts_module) and not short
            reference = pool(spec, x.double(), 2, "reference", kernel_size=3, stride=2)
            assert_near(y, reference, taps=9, ulps=8)


@pytest.mark.parametrize("spec", [spec for spec in NATIVE if spec != "lip"])
@pytest.mark.parametrize("size", [3, 1, (2, None), (None, None)], ids=str)
def test_what_is_remembered_of_one_size_is_not_taken_for_another(spec, size):
    adaptive = poolzoo.create_pool(spec, output_size=size)
    by_definition = poolzoo.create_pool(spec, output_size=size, backend="reference")
    windowed, plain = (
        poolzoo.create_pool(spec, kernel_size=2, ceil_mode=True, backend=b) for b in ("auto", "reference")
    )
    for _ in range(2):
        for sizes in ((9, 9), (7, 5), (9, 6), (4, 3), (9, 10)):
            for x in (distinct(2, 3, *sizes, dtype=torch.float64), distinct(3, *sizes, dtype=torch.float64)):
                torch.testing.assert_close(adaptive(x), by_definition(x))
                torch.testing.assert_close(windowed(x), plain(x))


@pytest.mark.parametrize("spec", NATIVE)
def test_derivatives_are_those_of_the_registered_operator(spec):
    call, registered = remembered(spec, "native"), native_operator(spec).default
    x = X.double().requires_grad_()
    beside = list(others(spec, x).values())
    (kernel, *_), value = ([3, 3, 2, 2, 0, 0, 1, 1],), poolzoo.registry.parse_spec(spec)[1]
    number = next(
        (v for v in value.values() if not isinstance(v, str)), {"lp": 2.0, "adapool": 0.5, "idw": 1e-6}.get(spec, 1.0)
    )
    y, expected = call(x), registered(x, beside[0] if beside else None, None, float(number), kernel, False)
    assert torch.equal(y, expected) and y.grad_fn is not None
    seed = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
    for create_graph in (False, True):
        ours, theirs = (
            torch.autograd.grad(z, x, seed, create_graph=create_graph, retain_graph=True)[0] for z in (y, expected)
        )
        assert torch.equal(ours, theirs) and ours.requires_grad == create_graph
    seconds = [torch.autograd.grad(z.sin().sum(), x, retain_graph=True)[0] for z in (ours, theirs)]
    assert torch.equal(*seconds)
    batch = torch.stack([seed, seed.cos()])
    batched = [torch.autograd.grad(z, x, batch, is_grads_batched=True)[0] for z in (call(x), expected)]
    assert torch.equal(*batched)


def test_what_is_not_ordinary_takes_the_general_way(short):
    call = remembered(backend="native")
    with pytest.raises(RuntimeError, match="input is on meta"):
        call(X.to("meta"))
    call = remembered()
    cases: dict[str, Callable[[], Any]] = {
        "by reference": lambda: _within(engine.by_reference(), lambda: call(X)),
        "vmap": lambda: torch.vmap(call)(X[None]),
        "grad": lambda: torch.func.grad(lambda x: call(x).sum())(X),
        "jvp": lambda: torch.func.jvp(call, (X,), (X,)),
        "forward AD": lambda: _within(forward_ad.dual_level(), lambda: call(forward_ad.make_dual(X, X))),
        "trace": lambda: torch.jit.trace(call, X),
        "dispatch mode": lambda: _within(Modes(), lambda: call(X)),
        "subclass": lambda: call(torch.nn.Parameter(X)),
        "meta": lambda: call(X.to("meta")),
        "no samples": lambda: call(X[:0]),
    }
    for name, run in cases.items():
        short.clear()
        run()
        assert short, name
    assert call(X[:0]).shape == (0, 3, 4, 4)
    grad = torch.func.grad(lambda x: call(x).square().sum())(X)
    tracked = X.clone().requires_grad_()
    call(tracked).square().sum().backward()
    torch.testing.assert_close(grad, tracked.grad)


def _within(context: Any, run: Callable[[], Any]) -> Any:
    with context:
        return run()


class Modes(TorchDispatchMode):
    """Knows no operator but those that are registered with shapes and derivatives."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func._overloadname != "eager"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["softpool", "max", "avg"])
def test_errors_are_named_after_a_good_call_too(name):
    for backend in ("auto", "native"):
        call = remembered(name, backend)
        with pytest.raises(ValueError, match=r"input size 2 is too small .*kernel_size=3"):
            call(torch.zeros(1, 1, 2, 9))
        with pytest.raises(ValueError, match="at least 1 channel"):
            call(torch.zeros(1, 0, 9, 9))
        with pytest.raises(ValueError, match="5 axes"):
            call(torch.zeros(1, 1, 9, 9, 9))
        with pytest.raises(TypeError, match="dtype torch.int64"):
            call(torch.zeros(1, 1, 9, 9, dtype=torch.int64))


def test_equal_arguments_of_another_type_are_not_remembered_ones():
    x = torch.ones(1, 1, 4, 4)
    for size in (1, (1, 1), [1, 1]):
        assert functional.soft_pool2d(x, size, beta=1).shape == (1, 1, 4, 4)
        assert functional.soft_pool2d(x, size, size).shape == (1, 1, 4, 4)
    for wrong in (
        {"kernel_size": True},
        {"kernel_size": 1.0},
        {"kernel_size": (True, 1)},
        {"kernel_size": [True, 1]},
        {"kernel_size": (1, 1, 1)},
        {"kernel_size": (1, None)},
        {"kernel_size": 1, "stride": True},
        {"kernel_size": 1, "stride": (1, True)},
    ):
        with pytest.raises((TypeError, ValueError), match="an int or a tuple of 2 ints"):
            functional.soft_pool2d(x, **wrong)
    with pytest.raises(ValueError, match="beta=True: a finite number"):
        functional.soft_pool2d(x, 1, beta=True)
    with pytest.raises(ValueError, match=r"beta=\[1\]: a finite number"):
        functional.soft_pool2d(x, 1, beta=[1])


@pytest.mark.parametrize("size", [2, (2, 2), [2, 2], torch.Size((2, 2))])
def test_windows_as_tuples_and_lists_take_the_short_way_too(size, monkeypatch):
    x = X[:, :, :6, :6]
    expected = functional.soft_pool2d(x, 2), functional.adaptive_soft_pool2d(x, 2)
    assert torch.equal(functional.soft_pool2d(x, size), expected[0])
    assert torch.equal(functional.adaptive_soft_pool2d(x, size), expected[1])

    def refuse(*_: Any) -> Any:
        raise AssertionError("the arguments were looked at again")

    monkeypatch.setattr("poolzoo.create.make_geometry", refuse)
    monkeypatch.setattr("poolzoo.create.make_bins", refuse)
    assert torch.equal(functional.soft_pool2d(x, size), expected[0])
    assert torch.equal(functional.adaptive_soft_pool2d(x, size), expected[1])


def test_no_tensor_is_kept_alive():
    beta, x = torch.tensor(2.0), X.clone()
    functional.soft_pool2d(x, 3, beta=beta)
    functional.adaptive_soft_pool2d(x, 3, beta=beta)
    alive = weakref.ref(beta), weakref.ref(x)
    del beta, x
    gc.collect()
    assert [ref() for ref in alive] == [None, None]


def test_kinds_of_inputs_that_are_remembered_are_few():
    call = remembered("max")
    for width in range(9, 9 + engine.MOST_KINDS + 9):
        call(torch.zeros(1, 1, 3, width))
    assert call(torch.zeros(1, 1, 3, 9)).shape == (1, 1, 1, 4)


def test_gradients_are_not_lost_without_a_graph_before():
    call = remembered()
    tracked = X.clone().requires_grad_()
    with torch.no_grad():
        assert not call(tracked).requires_grad
    assert call(tracked).requires_grad
    with torch.inference_mode():
        assert call(X.clone()).is_inference()


def test_modules_with_remembered_calls_are_copied_and_saved():
    import copy
    import pickle

    module = poolzoo.SoftPool2d(3, stride=2, beta=0.5)
    y = module(X)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(X), y) and other._remembered is other._params


def test_a_replaced_operator_is_found_anew():
    function = functional.soft_pool2d
    assert vars(functional)["soft_pool2d"] is function
    info = poolzoo.pool_info("softpool")
    poolzoo.registry._add(info, overwrite=True)
    assert "soft_pool2d" not in vars(functional)
    assert functional.soft_pool2d is function


def test_bins_of_unequal_size_are_for_the_gpu_too(monkeypatch):
    """The choice alone, of a tensor that only claims to lie on a GPU."""
    monkeypatch.setattr(engine.native, "unsuited", lambda *_: "")
    with FakeTensorMode(allow_non_fake_inputs=True):
        x = torch.empty(1, 2, 7, 9, device="cuda")
    for backend in ("auto", "native"):
        info, bins = poolzoo.pool_info("softpool"), make_bins(2, (3, 4))
        assert engine.backend_of(info, x, bins, backend=backend, beta=1.0) == "native"


def test_a_plain_tensor_is_ordinary_on_a_cpu_only():
    elsewhere = torch.empty(2, device="meta")
    assert eager.is_plain(elsewhere)
    assert not eager.is_ordinary(elsewhere)
    assert eager.is_ordinary(torch.empty(2))
