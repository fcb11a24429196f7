"""The CUDA kernels, executed in a PTX emulator: a float64 loop's numbers, no stray access, race or missing store."""

from __future__ import annotations

import ctypes
import itertools
from typing import NamedTuple

import numpy as np
import pytest
from ptx_device import (
    DTYPES,
    Emulator,
    Geometry,
    Library,
    common,
    copy_sources,
    decode,
    encode,
    memory_shape,
    missing,
)

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


class Case(NamedTuple):
    shape: tuple[int, ...]  # N, C, D, H, W
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] = (0, 0, 0)
    dilation: tuple[int, ...] = (1, 1, 1)
    ceil: bool = False

    def geometry(self, channels_last: bool = False) -> Geometry:
        out = []
        for n, k, s, p, d in zip(self.shape[2:], self.kernel, self.stride, self.padding, self.dilation, strict=True):
            room = n + 2 * p - d * (k - 1) - 1
            size = (room + (s - 1) * self.ceil) // s + 1
            out.append(size - (self.ceil and (size - 1) * s >= n + p))
        arrays = [(ctypes.c_int64 * 3)(*v) for v in (self.shape[2:], out, *self[1:5])]
        return Geometry(*self.shape[:2], *arrays, channels_last, 0)


CASES = {
    # 2x2 side by side: 16-byte loads, pairs, single elements; rows and columns that no window holds
    "k2s2": Case((2, 3, 1, 6, 8), (1, 2, 2), (1, 2, 2)),
    "k2s2_wide": Case((1, 1, 1, 2, 48), (1, 2, 2), (1, 2, 2)),
    "k2s2_width_6": Case((1, 3, 1, 4, 6), (1, 2, 2), (1, 2, 2)),
    "k2s2_odd_height": Case((1, 3, 1, 5, 8), (1, 2, 2), (1, 2, 2)),
    "k2s2_odd": Case((2, 3, 1, 7, 9), (1, 2, 2), (1, 2, 2)),
    "k2s2_planes": Case((1, 2, 3, 4, 6), (1, 2, 2), (1, 2, 2)),
    "k2s2_ceil": Case((2, 3, 1, 7, 9), (1, 2, 2), (1, 2, 2), ceil=True),
    # windows apart
    "k5s5": Case((1, 3, 1, 13, 17), (1, 5, 5), (1, 5, 5)),
    "k5s5_ceil": Case((1, 3, 1, 13, 17), (1, 5, 5), (1, 5, 5), ceil=True),
    "k2s3_gaps": Case((2, 2, 1, 9, 11), (1, 2, 2), (1, 3, 3)),
    "k2s4d2_padded": Case((1, 3, 1, 9, 14), (1, 2, 2), (1, 4, 4), (0, 1, 1), (1, 2, 2)),
    "1d_k2s2": Case((2, 3, 1, 1, 15), (1, 1, 2), (1, 1, 2)),
    "3d_k2s2": Case((1, 2, 5, 4, 7), (2, 2, 2), (2, 2, 2)),
    "one_element": Case((1, 1, 1, 1, 1), (1, 1, 1), (1, 1, 1)),
    "whole": Case((2, 2, 1, 4, 5), (1, 4, 5), (1, 1, 1)),
    # windows that overlap
    "k3s2": Case((2, 3, 1, 9, 11), (1, 3, 3), (1, 2, 2)),
    "k3s2p1": Case((2, 3, 1, 10, 8), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
    "k3s2_ceil": Case((1, 3, 1, 8, 10), (1, 3, 3), (1, 2, 2), ceil=True),
    "k3s1d2": Case((1, 2, 1, 9, 7), (1, 3, 3), (1, 1, 1), (0, 1, 2), (1, 2, 2)),
    "rectangular": Case((2, 2, 1, 7, 11), (1, 3, 2), (1, 2, 3), (0, 1, 0)),
    "primes": Case((5, 7, 1, 11, 13), (1, 3, 3), (1, 2, 2)),
    "1d_k3s1p1": Case((2, 3, 1, 1, 11), (1, 1, 3), (1, 1, 1), (0, 0, 1)),
    "3d_k3s2p1": Case((1, 2, 5, 6, 4), (3, 3, 3), (2, 2, 2), (1, 1, 1)),
}

#: What a build leaves out that needs one type of elements, and one of indices.
ONLY_FLOAT32 = {
    f"    case k{name}: f(static_cast<{type_}*>(nullptr)); break;\n": ""
    for name, type_ in (("Float64", "double"), ("BFloat16", "__nv_bfloat16"), ("Float16", "__half"))
}
ONLY_32_BIT = {"    launch(Windows<int64_t>(g), int64_t{});": "    return;"}
ONLY_64_BIT = {"bool narrow =": "bool narrow = false &&", "    launch(Windows<int32_t>(g), int32_t{});": "    return;"}


def reference(x: np.ndarray, grad_y: np.ndarray, g: Geometry, beta: float) -> tuple[np.ndarray, ...]:
    """y, dx, and for both the sum of the magnitudes that enter them, in float64: the formula, window by window."""
    y, size = np.empty(grad_y.shape), np.empty(grad_y.shape)
    dx, weight = np.zeros(x.shape), np.zeros(x.shape)
    for out in np.ndindex(*g.out):
        taps = []
        for tap in itertools.product(*(range(k) for k in g.kernel)):
            at = [o * s - p + t * d for o, s, p, t, d in zip(out, g.stride, g.padding, tap, g.dilation, strict=True)]
            if all(0 <= i < n for i, n in zip(at, g.in_, strict=True)):
                taps.append((..., *at))
        a = np.stack([x[tap] for tap in taps])
        e = np.exp(beta * a - (beta * a).max(0))
        w = e / e.sum(0)
        here = (..., *out)
        y[here], size[here] = (w * a).sum(0), np.abs(a).max(0)
        for tap, w_i, a_i in zip(taps, w, a, strict=True):
            dx[tap] += grad_y[here] * w_i * (1 + beta * (a_i - y[here]))
            weight[tap] += np.abs(grad_y[here]) * w_i * (1 + abs(beta) * (np.abs(a_i - y[here]) + np.ptp(a, 0)))
    return y, dx, size, weight


def tolerance(g: Geometry, dtype: str, beta: float, value: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """Every tap adds one rounding, the exponential a few, and beta a in its argument; the result is rounded once."""
    d = DTYPES[dtype]
    roundings = int(np.prod(g.kernel)) + 12 + 8 * abs(beta)
    return 2 * d.eps * np.abs(value) + roundings * d.accumulated_eps * magnitude + d.tiny * (1 + 100 * abs(beta))


def channels_first(a: np.ndarray, g: Geometry) -> np.ndarray:
    return np.moveaxis(a, -1, 1) if g.channels_last else a


def check(
    lib: Library,
    case: Case,
    dtype: str,
    *,
    schedule: str = "lockstep",
    channels_last: bool = False,
    beta: float = 1.0,
    shift: int = 0,
) -> None:
    """Both passes give the reference's numbers and the emulator has nothing to say."""
    g = case.geometry(channels_last)
    rng = np.random.default_rng(0)
    x = encode(2 * rng.normal(size=memory_shape(g, g.in_)), dtype)
    grad_y = encode(rng.normal(size=memory_shape(g, g.out)), dtype)
    planes, grads = (channels_first(decode(a, dtype), g) for a in (x, grad_y))
    want_y, want_dx, size, weight = reference(planes, grads, g, beta)
    gpu = lib.start(schedule)
    y = channels_first(decode(lib.forward(x, g, dtype, beta, shift), dtype), g)
    dx = channels_first(decode(lib.backward(grad_y, x, g, dtype, beta, shift), dtype), g)
    assert not gpu.findings, str(gpu.findings)
    for got, want, magnitude in ((y, want_y, size), (dx, want_dx, weight)):
        wrong = ~(np.abs(got - want) <= tolerance(g, dtype, beta, want, magnitude))
        assert not wrong.any(), f"{wrong.sum()} differ: {got[wrong][:4]} is not {want[wrong][:4]}"


def check_beta(lib: Library, case: Case, dtype: str, schedule: str) -> float:
    """The gradient of beta is the reference's difference quotient."""
    g, beta, h = case.geometry(), -0.7, 1e-5
    rng = np.random.default_rng(0)
    x, grad_y = (encode(rng.normal(size=memory_shape(g, size)), dtype) for size in (g.in_, g.out))
    upper, lower = (reference(decode(x, dtype), decode(grad_y, dtype), g, b)[0] for b in (beta + h, beta - h))
    slopes = decode(grad_y, dtype) * (upper - lower) / (2 * h)
    gpu = lib.start(schedule)
    got = lib.beta_backward(grad_y, x, g, dtype, beta)
    assert not gpu.findings, str(gpu.findings)
    error = (1e-9 + 40 * DTYPES[dtype].accumulated_eps) * np.abs(slopes).sum()
    assert abs(got - slopes.sum()) <= error, f"the gradients of beta differ: {got} is not {slopes.sum()}"
    return got


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    return Emulator(tmp_path_factory.mktemp("ptx"))


@pytest.fixture(scope="module")
def lib(emulator: Emulator) -> Library:
    return emulator.load(copy_sources(emulator.folder / "all"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_numbers_and_accesses(lib: Library, case: Case, layout: str, dtype: str) -> None:
    check(lib, case, dtype, channels_last=layout == "channels_last")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["k2s2", "k2s2_odd", "k2s4d2_padded", "k3s2p1", "1d_k3s1p1"])
def test_any_order_of_warps(lib: Library, case: str, dtype: str) -> None:
    check(lib, CASES[case], dtype, schedule="random")


@pytest.mark.parametrize("beta", [-1.5, 0.0, 0.3, 20.0])
@pytest.mark.parametrize("case", ["k2s2", "k5s5", "k3s2p1"])
def test_beta(lib: Library, case: str, beta: float) -> None:
    check(lib, CASES[case], "float32", beta=beta)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["k2s2", "k2s2_width_6", "k2s2_odd_height", "k3s2p1"])
def test_tensors_that_start_between_aligned_addresses(lib: Library, case: str, dtype: str) -> None:
    check(lib, CASES[case], dtype, shift=1)
    check(lib, CASES[case], dtype, shift=2)


def test_more_work_than_threads(emulator: Emulator) -> None:
    one_block = {"kMaxBlocks = 1 << 16": "kMaxBlocks = 1"}
    lib = emulator.load(copy_sources(emulator.folder / "one_block", ONLY_FLOAT32 | ONLY_32_BIT | one_block))
    check(lib, Case((3, 7, 1, 12, 16), (1, 2, 2), (1, 2, 2)), "float32")
    check(lib, Case((3, 7, 1, 12, 15), (1, 2, 2), (1, 3, 3)), "float32")
    check(lib, Case((3, 7, 1, 11, 12), (1, 3, 3), (1, 2, 2)), "float32", schedule="random")


@pytest.fixture(scope="module")
def wide(emulator: Emulator) -> Library:
    """Index arithmetic in 64 bits, which only huge tensors take."""
    return emulator.load(copy_sources(emulator.folder / "wide", ONLY_FLOAT32 | ONLY_64_BIT))


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_64_bit_indices(wide: Library, case: Case, layout: str) -> None:
    check(wide, case, "float32", channels_last=layout == "channels_last")
    check_beta(wide, case, "float32", "lockstep")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["k2s2", "k3s2p1", "k5s5"])
def test_finite_at_any_magnitude(lib: Library, case: str, dtype: str) -> None:
    g = CASES[case].geometry()
    most = {"float64": 1.79e308, "float32": 3.4e38, "bfloat16": 3.38e38, "float16": 65504}[dtype]
    rng = np.random.default_rng(0)
    x = encode(rng.choice([-most, 0.0, 1.0, most], size=memory_shape(g, g.in_)), dtype)
    grad_y = encode(rng.normal(size=memory_shape(g, g.out)), dtype)
    for beta in (1.0, -1.0, 0.0, 1e-3, 1e30):
        gpu = lib.start()
        y, dx = lib.forward(x, g, dtype, beta), lib.backward(grad_y, x, g, dtype, beta)
        assert np.isfinite(decode(y, dtype)).all()
        assert np.isfinite(decode(dx, dtype)).all()
        if abs(beta) >= 1:  # below, the variance of such elements is no float32
            assert np.isfinite(lib.beta_backward(grad_y, x, g, dtype, beta))
        assert not gpu.findings, str(gpu.findings)


@pytest.mark.parametrize("value", [3.0e38, -1e-45, 0.1])
@pytest.mark.parametrize("case", ["k2s2", "k3s2p1", "3d_k3s2p1"])
def test_constant_window_is_kept(lib: Library, case: str, value: float) -> None:
    g = CASES[case].geometry()
    x = np.full(memory_shape(g, g.in_), value, np.float32)
    lib.start()
    assert (lib.forward(x, g, "float32", 1.0) == np.float32(value)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", ["k2s2", "k3s2p1", "k5s5", "1d_k3s1p1"])
def test_nan_and_inf_reach_only_their_windows(lib: Library, case: str, value: float) -> None:
    g = CASES[case].geometry()
    x = np.zeros(memory_shape(g, g.in_), np.float32)
    x[0, 1, 0, -3 % g.in_[1], 4] = value
    ones, mark = np.ones(memory_shape(g, g.out), np.float32), (x != 0).astype(np.float64)
    y_mark, _, largest, _ = reference(mark, ones.astype(np.float64), g, 1.0)
    _, reached, _, _ = reference(0 * mark, (largest > 0).astype(np.float64), g, 1.0)
    gpu = lib.start()
    assert (np.isfinite(lib.forward(x, g, "float32", 1.0)) == (y_mark == 0)).all()
    assert (np.isfinite(lib.backward(ones, x, g, "float32", 1.0)) == (reached == 0)).all()
    assert not gpu.findings, str(gpu.findings)


@pytest.mark.parametrize("schedule", ["lockstep", "random"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["k2s2", "k3s2p1", "primes"])
def test_gradient_of_beta(lib: Library, case: str, dtype: str, schedule: str) -> None:
    assert check_beta(lib, CASES[case], dtype, schedule) == check_beta(lib, CASES[case], dtype, "lockstep")


def test_empty_tensors_launch_nothing_and_unknown_types_are_refused(lib: Library) -> None:
    gpu, g = lib.start(), Case((0, 3, 1, 6, 8), (1, 3, 3), (1, 2, 2)).geometry()
    assert lib.forward(np.zeros(memory_shape(g, g.in_), np.float32), g, "float32", 1.0).size == 0
    assert lib.backward(np.zeros(0, np.float32), np.zeros(0, np.float32), g, "float32", 1.0).size == 0
    assert lib.beta_backward(np.zeros(0, np.float32), np.zeros(0, np.float32), g, "float32", 1.0) == 0
    assert not gpu.traffic
    g = CASES["k3s2"].geometry()
    invalid = 1  # cudaErrorInvalidValue
    assert lib.lib.poolzoo_softpool_forward(None, None, ctypes.byref(g), 9, ctypes.c_double(1), None) == invalid
    assert lib.lib.poolzoo_softpool_backward(None, None, None, None, *common(g, "float32", 1.0)) == invalid


def test_traffic_of_2x2(lib: Library) -> None:
    """Every byte once, in whole sectors."""
    g = Case((2, 4, 1, 16, 128), (1, 2, 2), (1, 2, 2)).geometry()
    x, grad_y = np.ones(memory_shape(g, g.in_), np.float32), np.ones(memory_shape(g, g.out), np.float32)
    gpu = lib.start()
    lib.forward(x, g, "float32", 1.0)
    moved = {kind: count for (_, kind), count in gpu.traffic.items()}
    assert set(moved) == {"r", "w"}
    assert (moved["r"]["bytes"], moved["w"]["bytes"]) == (x.nbytes, grad_y.nbytes)
    assert moved["r"]["sectors"] <= 1.1 * x.nbytes / 32
    assert moved["w"]["sectors"] <= 1.1 * grad_y.nbytes / 32
    assert gpu.executed / grad_y.size <= 80
    gpu = lib.start()
    lib.backward(grad_y, x, g, "float32", 1.0)
    moved = {kind: count for (_, kind), count in gpu.traffic.items()}
    assert set(moved) == {"r", "w"}
    assert (moved["r"]["bytes"], moved["w"]["bytes"]) == (x.nbytes + grad_y.nbytes, x.nbytes)
    assert moved["r"]["sectors"] <= 1.1 * (x.nbytes + grad_y.nbytes) / 32
    assert moved["w"]["sectors"] <= 1.1 * x.nbytes / 32


# What is changed, into what, the case that shows it, and what is said of it.
MUTATIONS = {
    "loop_bound": ("i < count;", "i <= count;", "k3s2", "out-of-bounds"),
    "pack_bound": ("i < count;", "i <= count;", "k2s2", "out-of-bounds"),
    "clip_before": ("if (start[axis] < 0) {", "if (false) {", "k3s2p1", "out-of-bounds"),
    "clip_after": ("if (over >= 0)", "if (over > 0)", "k3s2_ceil", "out-of-bounds"),
    "cut_windows": ("2 * g.out[axis] <= g.in[axis]", "true", "k2s2_ceil", "out-of-bounds"),
    "alignment": ("bits % (2 * v * sizeof(T)) == 0", "true", "k2s2", "misaligned"),
    "overlap": ("g.stride[axis] <= g.dilation", "g.stride[axis] < g.dilation", "k3s2", "differ"),
    "dropped_store": ("put(out + g.in[2], grad_lower);", "", "k2s2", "unwritten-output"),
    "last_row": ("if (below)", "if (false)", "k2s2_odd_height", "unwritten-output"),
    "last_column": ("g.in[2] % 2)", "false)", "k2s2_odd", "unwritten-output"),
    "last_cell": ("== g.out[axis] - 1 ? g.in[axis] :", "< 0 ? g.in[axis] :", "k5s5", "unwritten-output"),
    "first_window": ("(before + g.stride[axis] - 1)", "(before + g.stride[axis])", "k3s2p1", "differ"),
    "barrier": ("    __syncthreads();\n", "", "k2s2", "race"),
    "workspace": ("* volume(g->out) * share", "* (volume(g->out) * share - 1)", "k3s2", "out-of-bounds"),
}


def check_all(lib: Library, case: Case, shift: int) -> None:
    check(lib, case, "float32", shift=shift)
    check_beta(lib, case, "float32", "random")


@pytest.mark.parametrize("name", MUTATIONS)
def test_planted_errors_are_caught(emulator: Emulator, name: str) -> None:
    old, new, case, finding = MUTATIONS[name]
    mutant = emulator.load(copy_sources(emulator.folder / name, ONLY_FLOAT32 | ONLY_32_BIT | {old: new}))
    with pytest.raises(AssertionError, match=finding):
        check_all(mutant, CASES[case], shift=int(name == "alignment"))
