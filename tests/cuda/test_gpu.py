"""The native operators on a GPU: the emulator's cases on the device itself, and what torch makes of them there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ptx_device import Geometry, memory_shape
from test_ptx import (  # collected here too: the same cases, with the `library` below
    OPERATORS,
    test_a_second_input_that_starts_between_aligned_addresses,
    test_any_order_of_warps,
    test_constant_window_is_kept,
    test_finite_at_any_magnitude,
    test_gradient_of_beta,
    test_gradient_of_every_parameter,
    test_nan_and_inf_reach_only_their_windows,
    test_numbers_and_accesses,
    test_numbers_and_accesses_of_every_operator,
    test_packs_of_channels_that_start_between_aligned_addresses,
    test_parameters,
    test_several_strips,
    test_small_windows_that_overlap,
    test_tensors_that_start_between_aligned_addresses,
    test_windows_that_threads_share,
    test_without_a_parameter_its_gradient_is_0,
)
from torch import Tensor

from poolzoo import SoftPool2d, engine, native, pool_info
from poolzoo.functional import adaptive_soft_pool2d, hann_l2_pool2d, soft_pool1d, soft_pool2d, soft_pool3d
from poolzoo.geometry import make_bins

__all__ = [
    "test_a_second_input_that_starts_between_aligned_addresses",
    "test_any_order_of_warps",
    "test_constant_window_is_kept",
    "test_finite_at_any_magnitude",
    "test_gradient_of_beta",
    "test_gradient_of_every_parameter",
    "test_nan_and_inf_reach_only_their_windows",
    "test_numbers_and_accesses",
    "test_numbers_and_accesses_of_every_operator",
    "test_packs_of_channels_that_start_between_aligned_addresses",
    "test_parameters",
    "test_several_strips",
    "test_small_windows_that_overlap",
    "test_tensors_that_start_between_aligned_addresses",
    "test_windows_that_threads_share",
    "test_without_a_parameter_its_gradient_is_0",
]

DEVICE = "cuda"
reason = "no GPU" if DEVICE == "cuda" and not torch.cuda.is_available() else native.why_not(DEVICE)
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(reason), reason=reason)]

POOLS = {1: soft_pool1d, 2: soft_pool2d, 3: soft_pool3d}
SIZES = {1: (17,), 2: (10, 13), 3: (6, 5, 9)}
WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": 2, "stride": 1, "dilation": 2},
]
every_window = pytest.mark.parametrize("window", WINDOWS, ids=str)


class Device:
    """In place of an emulated library: arrays in the order of memory in and out, torch's operators between."""

    def __init__(self, operator: str) -> None:
        assert not native.why_not(DEVICE, operator)
        self.operator = operator
        self.pool = getattr(torch.ops.poolzoo, operator)
        self.pool_backward = getattr(torch.ops.poolzoo, f"{operator}_backward")

    def start(self, schedule: str = "") -> Any:
        return SimpleNamespace(findings=[], traffic={})

    def put(self, a: np.ndarray, g: Geometry, dtype: str, shift: int) -> Tensor:
        flat = torch.from_numpy(a.ravel().view(np.int16) if dtype == "bfloat16" else a.ravel())
        room = torch.empty(flat.numel() + shift, dtype=getattr(torch, dtype), device=DEVICE)[shift:]
        x = room.copy_(flat.view(getattr(torch, dtype))).view(a.shape)
        return x.movedim(-1, 1) if g.channels_last else x

    def put_inputs(self, inputs: Sequence[np.ndarray], g: Geometry, dtype: str, shift: int = 0) -> list[Tensor | None]:
        given: list[Tensor | None] = [self.put(a, g, dtype, shift) for a in inputs]
        return given + [None] * (2 - len(given))

    def fetch(self, y: Tensor, g: Geometry) -> np.ndarray:
        y = (y.movedim(1, -1) if g.channels_last else y).contiguous().cpu()
        return y.view(torch.int16).numpy().view(np.uint16) if y.dtype == torch.bfloat16 else y.numpy()

    def window(self, g: Geometry) -> tuple[list[int], bool]:
        if g.adaptive:
            return list(g.out), False
        axes = zip(g.in_, g.out, g.kernel, g.stride, g.padding, g.dilation, strict=True)
        ceil_mode = any(out != (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, out, k, s, p, d in axes)
        return [*g.kernel, *g.stride, *g.padding, *g.dilation], ceil_mode

    def forward(
        self, inputs: Sequence[np.ndarray], g: Geometry, dtype: str, param: float, shift: int = 0
    ) -> np.ndarray:
        y = self.fetch(self.pool(*self.put_inputs(inputs, g, dtype, shift), None, param, *self.window(g)), g)
        assert y.shape == memory_shape(g, g.out)
        return y

    def backward(
        self, grad_y: np.ndarray, inputs: Sequence[np.ndarray], g: Geometry, dtype: str, param: float, shift: int = 0
    ) -> list[np.ndarray]:
        given = [self.put(grad_y, g, dtype, shift), *self.put_inputs(inputs, g, dtype, shift)]
        of_inputs = self.pool_backward(*given, None, param, *self.window(g))[: len(inputs)]
        return [self.fetch(of_input, g) for of_input in of_inputs]

    def param_backward(
        self, grad_y: np.ndarray, inputs: Sequence[np.ndarray], g: Geometry, dtype: str, param: float
    ) -> float:
        given = [self.put(grad_y, g, dtype, 0), *self.put_inputs(inputs, g, dtype)]
        value = torch.tensor(param, dtype=torch.float64)
        of_param: Tensor = self.pool_backward(*given, value, 0.0, *self.window(g))[2]
        assert of_param.device.type == DEVICE
        return of_param.item()


@pytest.fixture(scope="module")
def library() -> Callable[[str], Device]:
    return Device


def made(ndim: int = 2, dtype: torch.dtype = torch.float64, lead: tuple[int, ...] = (2, 3)) -> Tensor:
    return torch.randn(*lead, *SIZES[ndim], dtype=torch.float64).to(DEVICE, dtype)


@every_window
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_functions_give_the_references_values_and_gradients(ndim, window):
    results = []
    for backend in ("native", "reference"):
        torch.manual_seed(0)
        x, beta = made(ndim).requires_grad_(), torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
        y = POOLS[ndim](x, beta=beta, backend=backend, **window)
        results.append((y, *torch.autograd.grad(y.square().sum(), (x, beta))))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("size", [1, (3, 4), (13, 14)], ids=str)
@pytest.mark.parametrize("backend", ["native", "auto"])
def test_adaptive_and_global_pools_give_the_references_values_and_gradients(backend, size):
    x = made().requires_grad_()
    assert engine.backend_of(pool_info("softpool"), x, make_bins(2, size), beta=1.0) == "native"
    results = []
    for which in (backend, "reference"):
        y = adaptive_soft_pool2d(x, size, backend=which)
        results.append((y, torch.autograd.grad(y.square().sum(), x)[0]))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layouts_and_views(layout):
    x = made(dtype=torch.float32).contiguous(memory_format=layout)
    y = soft_pool2d(x, 3, 2, backend="native")
    assert y.is_contiguous(memory_format=layout)
    for given in (x.transpose(2, 3).contiguous().transpose(2, 3), torch.stack([x, -x], -1)[..., 0]):
        torch.testing.assert_close(soft_pool2d(given, 3, 2, backend="native"), y, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(soft_pool2d(x[0], 3, 2, backend="native"), y[0], rtol=1e-6, atol=1e-6)
    assert soft_pool2d(x[:0], 3, 2, backend="native").shape == (0, *y.shape[1:])


@pytest.mark.parametrize("operator", OPERATORS)
def test_opcheck(operator):
    """Of a parameter and without one, of a second input where there is one."""
    lib, x = Device(operator), made(dtype=torch.float32)
    second = torch.randn_like(x) if OPERATORS[operator].inputs == 2 else None
    given = ([3, 3, 2, 2, 1, 1, 1, 1], False)
    for param in (None, torch.tensor(0.5, dtype=torch.float64)):
        arguments = (x, second, param, 0.5, *given)
        torch.library.opcheck(lib.pool.default, [a.requires_grad_() if isinstance(a, Tensor) else a for a in arguments])
        plain = [a.detach() if isinstance(a, Tensor) else a for a in arguments]
        grad = torch.randn_like(lib.pool(*plain))
        torch.library.opcheck(lib.pool_backward.default, (grad, *plain))


@every_window
def test_gradcheck(window):
    x, beta = made(lead=(1, 2)).requires_grad_(), torch.tensor(0.6, dtype=torch.float64, requires_grad=True)

    def pool(x: Tensor, beta: Tensor) -> Tensor:
        return soft_pool2d(x, beta=beta, backend="native", **window)

    assert torch.autograd.gradcheck(pool, (x, beta), nondet_tol=0.0)
    assert torch.autograd.gradgradcheck(pool, (x, beta), nondet_tol=0.0)


def test_compiled():
    x = made(dtype=torch.float32).requires_grad_()
    pool = torch.compile(SoftPool2d(3, 2, 1, backend="native"), fullgraph=True)
    expected = soft_pool2d(x, 3, 2, 1, backend="reference")
    torch.testing.assert_close(pool(x), expected)
    grads = [torch.autograd.grad(y.square().sum(), x) for y in (pool(x), expected)]
    torch.testing.assert_close(*grads)


def test_vmap():
    x = made(dtype=torch.float32, lead=(4, 2, 3))
    y = torch.vmap(lambda one: soft_pool2d(one, 2, backend="native"))(x)
    torch.testing.assert_close(y, torch.stack([soft_pool2d(one, 2, backend="reference") for one in x]))


def test_beta_may_lie_on_the_device():
    grads = []
    for device in ("cpu", DEVICE):
        torch.manual_seed(0)
        beta = torch.tensor(0.7, device=device, requires_grad=True)
        soft_pool2d(made(dtype=torch.float32), 2, beta=beta, backend="native").square().sum().backward()
        assert beta.grad is not None
        assert beta.grad.device.type == device
        grads.append(beta.grad.item())
    assert grads[0] == grads[1]


def test_auto_is_native():
    assert not native.unsuited(made())


def test_the_same_bits_every_time():
    x, seed = made(dtype=torch.float32, lead=(8, 32)).requires_grad_(), None
    runs = []
    for _ in range(3):
        y = soft_pool2d(x, 3, 1, backend="native")
        seed = torch.linspace(-1, 1, y.numel(), device=DEVICE).view(y.shape)
        runs.append((y, *torch.autograd.grad(y, x, seed)))
    for one, other in itertools.pairwise(runs):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_bad_arguments_are_refused_in_words():
    op, x, window = torch.ops.poolzoo.softpool, made(dtype=torch.float32), [2, 2, 2, 2, 0, 0, 1, 1]
    with pytest.raises(RuntimeError, match="float64 scalar"):
        op(x, None, torch.tensor(1.0), 0.0, window, False)
    with pytest.raises(RuntimeError, match="too small"):
        op(x[..., :1], None, None, 1.0, window, False)
    with pytest.raises(RuntimeError, match="grad does not match x"):
        torch.ops.poolzoo.softpool_backward(x.double(), x, None, None, 1.0, window, False)
    with pytest.raises(RuntimeError, match="takes 1 inputs"):
        op(x, x, None, 1.0, window, False)
    with pytest.raises(RuntimeError, match="second does not match x"):
        Device("lip").pool(x, x.cpu().double(), None, 0.0, window, False)


def test_param_of_a_gpu_does_not_pool_a_cpu_tensor():
    param = torch.tensor(1.0, dtype=torch.float64, device=DEVICE)
    with pytest.raises(RuntimeError, match="x is on the CPU"):
        torch.ops.poolzoo.softpool(made().cpu(), None, param, 0.0, [2, 2, 2, 2, 0, 0, 1, 1], False)


def test_runs_on_the_current_stream():
    """A graph records what its own stream is given, and nothing else may be used meanwhile."""
    x = made(dtype=torch.float32)
    given = x.clone()
    soft_pool2d(given, 3, 2, backend="native")
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = soft_pool2d(given, 3, 2, backend="native")
        grad = torch.ops.poolzoo.softpool_backward(y, given, None, None, 1.0, [3, 3, 2, 2, 0, 0, 1, 1], False)[0]
    given.copy_(2 * x)
    graph.replay()
    torch.testing.assert_close(y, soft_pool2d(2 * x, 3, 2, backend="reference"))
    assert grad.isfinite().all()


def test_the_workspace_comes_from_the_caching_allocator():
    x = made(dtype=torch.float32, lead=(8, 32))
    y = soft_pool2d(x, 9, 1, backend="native")
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    grad = torch.ops.poolzoo.softpool_backward(y, x, None, None, 1.0, [9, 9, 1, 1, 0, 0, 1, 1], False)[0]
    assert torch.cuda.max_memory_allocated() - before >= grad.nbytes + 16 * y.numel()
    assert torch.cuda.memory_allocated() - before <= grad.nbytes + 1024


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU or none")
def test_runs_where_x_lies():
    x = made(dtype=torch.float32).to("cuda:1")
    with torch.cuda.device(0):
        y = soft_pool2d(x, 2, backend="native")
        assert torch.cuda.current_device() == 0
    assert y.device == x.device
    torch.testing.assert_close(y, soft_pool2d(x, 2, backend="reference"))


@every_window
def test_hann_l2_does_not_wait_and_is_that_of_float64(window):
    x = 10.0 ** torch.linspace(-44, 38, 2 * 3 * 12 * 11, device=DEVICE).reshape(2, 3, 12, 11)
    x[0, 0, 3, 3], x[0, 1, 4, 4], x[1, 2] = torch.inf, torch.nan, torch.finfo(torch.float32).max
    hann_l2_pool2d(x, **window)  # what is allocated and loaded once is there
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        y = hann_l2_pool2d(x, **window)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    wide = hann_l2_pool2d(x.double(), **window)
    torch.testing.assert_close(y.double(), wide, rtol=1e-6, atol=0, equal_nan=True)
