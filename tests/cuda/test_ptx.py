"""The CUDA kernels, executed in a PTX emulator: a float64 loop's numbers, no stray access, race or missing store."""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from ptx_device import (
    DTYPES,
    ONLY_32_BIT,
    ONLY_64_BIT,
    Emulator,
    Geometry,
    Library,
    common,
    compiled,
    copy_sources,
    decode,
    encode,
    memory_shape,
    missing,
    only,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing() is not None, reason=str(missing()))]


def spans(n: int, m: int) -> list[tuple[int, int]]:
    """Where the m bins of n positions begin and end, as in torch's adaptive pools."""
    return [(o * n // m, -(-(o + 1) * n // m)) for o in range(m)]


class Case(NamedTuple):
    shape: tuple[int, ...]  # N, C, D, H, W
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] = (0, 0, 0)
    dilation: tuple[int, ...] = (1, 1, 1)
    ceil: bool = False
    bins: tuple[int, ...] = ()  # of an adaptive pool: its output size, in place of all windows

    def geometry(self, channels_last: bool = False) -> Geometry:
        if self.bins:
            largest = [max(b - a for a, b in spans(n, m)) for n, m in zip(self.shape[2:], self.bins, strict=True)]
            ones = ((1, 1, 1), (0, 0, 0), (1, 1, 1))
            arrays = [(ctypes.c_int64 * 3)(*v) for v in (self.shape[2:], self.bins, largest, *ones)]
            return Geometry(*self.shape[:2], *arrays, channels_last, 1)
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
    # channels in packs
    "k2s2p1_8_channels": Case((2, 8, 1, 5, 6), (1, 2, 2), (1, 2, 2), (0, 1, 1)),
    "k2s2_4_channels": Case((2, 4, 1, 5, 7), (1, 2, 2), (1, 2, 2)),
    "k3s2p1_4_channels": Case((1, 4, 2, 7, 6), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
    # windows apart
    "k5s5": Case((1, 3, 1, 13, 17), (1, 5, 5), (1, 5, 5)),
    "k5s5p2": Case((1, 2, 1, 14, 12), (1, 5, 5), (1, 5, 5), (0, 2, 1)),
    "k5s5_ceil": Case((1, 3, 1, 13, 17), (1, 5, 5), (1, 5, 5), ceil=True),
    "k2s3_gaps": Case((2, 2, 1, 9, 11), (1, 2, 2), (1, 3, 3)),
    "k2s4d2_padded": Case((1, 3, 1, 9, 14), (1, 2, 2), (1, 4, 4), (0, 1, 1), (1, 2, 2)),
    "1d_k2s2": Case((2, 3, 1, 1, 15), (1, 1, 2), (1, 1, 2)),
    "3d_k2s2": Case((1, 2, 5, 4, 7), (2, 2, 2), (2, 2, 2)),
    "1d_k2s2_packs": Case((2, 3, 1, 1, 16), (1, 1, 2), (1, 1, 2)),
    "3d_k2s2_packs": Case((1, 2, 4, 5, 8), (2, 2, 2), (2, 2, 2)),
    "one_element": Case((1, 1, 1, 1, 1), (1, 1, 1), (1, 1, 1)),
    "whole": Case((2, 2, 1, 4, 5), (1, 4, 5), (1, 1, 1)),
    "k9s9": Case((1, 2, 1, 20, 18), (1, 9, 9), (1, 9, 9)),  # so large that sums are made in double
    # windows that overlap
    "k3s2": Case((2, 3, 1, 9, 11), (1, 3, 3), (1, 2, 2)),
    "k3s2p1": Case((2, 3, 1, 10, 8), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
    "k3s2_ceil": Case((1, 3, 1, 8, 10), (1, 3, 3), (1, 2, 2), ceil=True),
    "k3s1d2": Case((1, 2, 1, 9, 7), (1, 3, 3), (1, 1, 1), (0, 1, 2), (1, 2, 2)),
    "rectangular": Case((2, 2, 1, 7, 11), (1, 3, 2), (1, 2, 3), (0, 1, 0)),
    "primes": Case((3, 5, 1, 7, 11), (1, 3, 3), (1, 2, 2)),
    "1d_k3s1p1": Case((2, 3, 1, 1, 11), (1, 1, 3), (1, 1, 1), (0, 0, 1)),
    "3d_k3s2p1": Case((1, 2, 5, 6, 4), (3, 3, 3), (2, 2, 2), (1, 1, 1)),
    "1d_k3s2p1": Case((2, 3, 1, 1, 12), (1, 1, 3), (1, 1, 2), (0, 0, 1)),
    "row_of_3": Case((1, 3, 2, 6, 7), (1, 1, 3), (1, 1, 1), (0, 0, 1)),
    "k9s4p2": Case((1, 2, 1, 14, 12), (1, 9, 9), (1, 4, 4), (0, 2, 1)),
}
#: 3x3 windows, and 3 in a row, in more strips than one: of rows, and of columns where a group of cells ends.
STRIPS = {
    "k3s1p1_tall": Case((1, 1, 1, 41, 5), (1, 3, 3), (1, 1, 1), (0, 1, 1)),
    "k3s2_tall": Case((1, 1, 1, 43, 4), (1, 3, 3), (1, 2, 2)),
    "k3s2p1_wide": Case((1, 1, 1, 3, 1036), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
    "k3s1_wide": Case((1, 1, 1, 3, 519), (1, 3, 3), (1, 1, 1)),
    "k3s2p1_9_channels": Case((1, 9, 1, 4, 70), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
    "k3s1p1_9_channels": Case((1, 9, 1, 4, 66), (1, 3, 3), (1, 1, 1), (0, 1, 1)),
    "1d_k3s2_long": Case((1, 1, 1, 1, 1031), (1, 1, 3), (1, 1, 2)),
}
#: Windows that several threads share, and bins of unequal size: one thread, some of a warp, more than a warp; cells
#: that are larger than their windows; windows that overlap.
TEAMS = {
    "bins": Case((1, 3, 1, 13, 10), (), (), bins=(1, 5, 4)),
    "small_bins": Case((2, 3, 1, 7, 5), (), (), bins=(1, 5, 3)),
    "more_bins": Case((1, 3, 1, 3, 4), (), (), bins=(1, 5, 7)),
    "bins_of_9_channels": Case((1, 9, 1, 9, 10), (), (), bins=(1, 2, 4)),
    "bins_of_40_channels": Case((1, 40, 1, 5, 6), (), (), bins=(1, 1, 4)),
    "3d_bins": Case((1, 3, 5, 7, 6), (), (), bins=(2, 3, 4)),
    "1d_bins": Case((1, 3, 1, 1, 150), (), (), bins=(1, 1, 7)),
    "equal_bins": Case((1, 3, 1, 8, 9), (), (), bins=(1, 2, 3)),
    "global_7x7": Case((2, 5, 1, 7, 7), (1, 7, 7), (1, 1, 1)),
    "global_7x7_of_20_channels": Case((1, 20, 1, 7, 7), (1, 7, 7), (1, 1, 1)),
    "global_17x18": Case((1, 2, 1, 17, 18), (1, 17, 18), (1, 1, 1)),
    "k4s6p2": Case((1, 2, 1, 21, 17), (1, 4, 4), (1, 6, 6), (0, 2, 2)),
    "k4s7d2": Case((1, 2, 1, 18, 17), (1, 4, 4), (1, 7, 7), (0, 1, 0), (1, 2, 2)),
    "k10s6": Case((1, 2, 1, 20, 15), (1, 10, 10), (1, 6, 6), (0, 2, 1)),
    "3d_global": Case((1, 3, 3, 4, 5), (3, 4, 5), (1, 1, 1)),
}
#: Windows in shared memory, of 5 taps in a row and of as many as any; several planes, and parts of channels.
TILES = {
    "5x5": Case((1, 2, 1, 9, 10), (1, 5, 5), (1, 1, 1), (0, 2, 2)),
    "k5s2p2": Case((1, 3, 1, 14, 11), (1, 5, 5), (1, 2, 2), (0, 2, 2)),
    "k5s2_ceil": Case((1, 2, 1, 12, 10), (1, 5, 5), (1, 2, 2), ceil=True),
    "5x5_of_20_channels": Case((1, 20, 1, 7, 8), (1, 5, 5), (1, 1, 1), (0, 2, 2)),
    "1d_k5s1p2": Case((2, 3, 1, 1, 23), (1, 1, 5), (1, 1, 1), (0, 0, 2)),
    "7x7": Case((1, 2, 1, 12, 11), (1, 7, 7), (1, 2, 3), (0, 3, 1)),
    "3d_k4s2p1": Case((1, 2, 5, 6, 7), (2, 4, 4), (1, 2, 2), (1, 1, 2)),
}
ONE_OF_EACH_TEAM = ("bins", "global_7x7_of_20_channels", "k4s6p2")
#: Every way through the kernels once, for operators that share their code with softpool.
SOME = ("k2s2_odd", "k2s2p1_8_channels", "k2s4d2_padded", "3d_k2s2", "k3s2p1_4_channels", "k3s1d2", "rectangular")
LAYOUTS = ("contiguous", "channels_last")

ONLY_FLOAT32 = only("float32")

# The formulas, over axis 0 of a and of the second input b; of complex numbers too: an imaginary part is a derivative.
Formula = Callable[[np.ndarray, np.ndarray, Any], np.ndarray]


def magnitude(z: np.ndarray) -> np.ndarray:
    return np.where(z.real < 0, -z, z)


def softmax_mean(score: np.ndarray, a: np.ndarray) -> np.ndarray:
    e = np.exp(score - score.real.max(0))
    return (e * a).sum(0) / e.sum(0)


def edscw(a: np.ndarray) -> np.ndarray:
    mean = a.mean(0)
    return softmax_mean(2 * magnitude(a * mean) / (a * a + mean * mean), a)


def idw(a: np.ndarray, eps: float) -> np.ndarray:
    far = magnitude(a - a.mean(0))
    mean_far = far.mean(0)
    w = 1 / (far / np.where(mean_far.real == 0, 1, mean_far) + eps)
    return (w * a).sum(0) / w.sum(0)


def farthest(a: np.ndarray) -> np.ndarray:
    """How much more a rounding error of the largest element is of the smallest distance to the mean."""
    least = np.abs(a - a.mean(0)).min(0)
    return np.where(least > 0, np.abs(a).max(0) / np.where(least > 0, least, 1), 1)


def off_zero(a: np.ndarray) -> np.ndarray:
    """The same of the mean itself."""
    return np.abs(a).max(0) / np.maximum(np.abs(a.mean(0)), 1e-300)


class Operator(NamedTuple):
    formula: Formula
    param: float = 0.0
    inputs: int = 1
    #: How much a rounding error of the elements may grow: a function of the window and of the parameter.
    growth: Callable[[np.ndarray, float], Any] = lambda a, p: 1.0


OPERATORS = {
    "softpool": Operator(lambda a, b, p: softmax_mean(p * a, a), 1.0, growth=lambda a, p: 1 + abs(p) * np.ptp(a, 0)),
    "max": Operator(lambda a, b, p: np.take_along_axis(a, a.real.argmax(0)[None], 0)[0]),
    "avg": Operator(lambda a, b, p: a.mean(0)),
    "lp": Operator(lambda a, b, p: (magnitude(a) ** p).mean(0) ** (1 / p), 2.0, growth=lambda a, p: 1 + p),
    "lp_sum": Operator(lambda a, b, p: (magnitude(a) ** p).sum(0) ** (1 / p), 2.0, growth=lambda a, p: 1 + p),
    "lip": Operator(lambda a, b, p: softmax_mean(b, a), inputs=2, growth=lambda a, p: 1 + np.ptp(a, 0)),
    "edscw": Operator(lambda a, b, p: edscw(a), growth=lambda a, p: 1 + off_zero(a)),
    "idw": Operator(lambda a, b, p: idw(a, p), 1e-3, growth=lambda a, p: 1 + farthest(a)),
    "adapool": Operator(
        lambda a, b, p: p * edscw(a) + (1 - p) * softmax_mean(a, a),
        0.3,
        growth=lambda a, p: 1 + np.ptp(a, 0) + off_zero(a),
    ),
}
#: What runs the kernels in ways that others do too takes a compilation each: by `make grid` only.
GRID = ("max", "avg", "lp", "lp_sum", "edscw", "idw", "adapool")


def by_operator(names: str, cases: Iterable[Any]) -> pytest.MarkDecorator:
    """Parametrize by operators, or by tuples that begin with one."""
    rows = [case if isinstance(case, tuple) else (case,) for case in cases]
    return pytest.mark.parametrize(
        names.split(","), [pytest.param(*row, marks=[pytest.mark.grid] * (row[0] in GRID)) for row in rows]
    )


#: Other parameters than the first.
PARAMS = [("softpool", -1.5), ("softpool", 0.0), ("softpool", 0.3), ("softpool", 20.0)]
PARAMS += [(name, p) for name in ("lp", "lp_sum") for p in (3.5, 0.7)]
HAVE_PARAM = ("softpool", "lp", "lp_sum", "adapool")


class Wanted(NamedTuple):
    """Results in float64, and for each the size of what enters it."""

    y: np.ndarray
    dx: list[np.ndarray]
    dparam: float
    y_size: np.ndarray
    dx_size: list[np.ndarray]
    dparam_size: float


def reference(operator: str, inputs: Sequence[np.ndarray], grad_y: np.ndarray, g: Geometry, param: float) -> Wanted:
    """The formula, window by window, and its derivatives by complex steps, which are exact."""
    pool, step = OPERATORS[operator], 1e-30
    y, y_size = np.empty(grad_y.shape), np.empty(grad_y.shape)
    dx, dx_size = [[np.zeros(a.shape) for a in inputs] for _ in range(2)]
    dparam = dparam_size = 0.0
    for here, taps in windows(g):
        a, *more = (np.stack([x[tap] for tap in taps]) for x in inputs)
        b, n = more[0] if more else a, len(taps)
        # Along axis 1: one step for each element of the inputs, and one for the parameter.
        steps = 1j * step * np.eye((1 + len(more)) * n + 1)[..., None, None]
        stepped = pool.formula(
            a[:, None] + steps[:n], b[:, None] + (steps[n : 2 * n] if more else 0), param + steps[-1]
        )
        dy, growth = grad_y[here], 1 + pool.growth(a, param)
        y[here], slopes = pool.formula(a, b, param), stepped.imag / step
        y_size[here] = (np.abs(a).max(0) + np.abs(y[here])) * growth
        for k, slope in enumerate(slopes[:-1]):
            i, at = k // n, taps[k % n]
            dx[i][at] += dy * slope
            dx_size[i][at] += np.abs(dy) * (1 + np.abs(slope)) * growth
        dparam += (dy * slopes[-1]).sum()
        dparam_size += (np.abs(dy) * (np.abs(slopes[-1]) + y_size[here] * growth)).sum()
    return Wanted(y, dx, dparam, y_size, dx_size, dparam_size)


def windows(g: Geometry) -> Iterator[tuple[Any, list[Any]]]:
    """Each output and the elements of its window that lie inside, as indices into (N, C, D, H, W)."""
    for out in np.ndindex(*g.out):
        taps = []
        if g.adaptive:
            sizes = zip(out, g.in_, g.out, strict=True)
            taps = [(..., *at) for at in itertools.product(*(range(*spans(n, m)[o]) for o, n, m in sizes))]
        for tap in itertools.product(*(range(k) for k in g.kernel)) if not g.adaptive else ():
            at = [o * s - p + t * d for o, s, p, t, d in zip(out, g.stride, g.padding, tap, g.dilation, strict=True)]
            if all(0 <= i < n for i, n in zip(at, g.in_, strict=True)):
                taps.append((..., *at))
        yield (..., *out), taps


class Problem(NamedTuple):
    """What a launcher is given, encoded and channels first, and what it must give."""

    inputs: list[np.ndarray]
    grad_y: np.ndarray
    wanted: Wanted


@functools.cache
def problem(operator: str, case: Case, dtype: str, param: float) -> Problem:
    g, rng = case.geometry(), np.random.default_rng(0)
    x = [2 * rng.normal(size=memory_shape(g, g.in_)) for _ in range(OPERATORS[operator].inputs)]
    if operator == "max":
        x = [np.round(a) for a in x]  # the first of equal ones has the gradient
    inputs, grad_y = [encode(a, dtype) for a in x], encode(rng.normal(size=memory_shape(g, g.out)), dtype)
    wanted = reference(operator, [decode(a, dtype) for a in inputs], decode(grad_y, dtype), g, param)
    return Problem(inputs, grad_y, wanted)


#: Operators whose sums of many elements are made in parts of 64; the others make them in float64.
IN_PARTS = ("softpool", "max", "avg", "lip")


def tolerance(operator: str, g: Geometry, dtype: str, param: float, value: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Every tap adds one rounding, the exponential a few, and beta a in its argument; the result is rounded once."""
    d = DTYPES[dtype]
    taps = int(np.prod(g.kernel))
    roundings = min(taps, 64) + 12 + 8 * abs(param)
    eps = d.accumulated_eps if taps <= 64 or operator in IN_PARTS else DTYPES["float64"].accumulated_eps
    return 2 * d.eps * np.abs(value) + roundings * eps * size + d.tiny * (1 + 100 * abs(param))


def in_memory(a: np.ndarray, g: Geometry) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(a, 1, -1)) if g.channels_last else a


def channels_first(a: np.ndarray, g: Geometry) -> np.ndarray:
    return np.moveaxis(a, -1, 1) if g.channels_last else a


def check(
    lib: Library,
    case: Case,
    dtype: str,
    *,
    schedule: str = "lockstep",
    layout: str = "contiguous",
    param: float | None = None,
    shift: int = 0,
) -> None:
    """Both passes give the reference's numbers and the emulator has nothing to say."""
    param = OPERATORS[lib.operator].param if param is None else param
    g = case.geometry(layout == "channels_last")
    planes, grad_planes, wanted = problem(lib.operator, case, dtype, param)
    inputs, grad_y = [in_memory(a, g) for a in planes], in_memory(grad_planes, g)
    gpu = lib.start(schedule)
    y = lib.forward(inputs, g, dtype, param, shift)
    dx = lib.backward(grad_y, inputs, g, dtype, param, shift)
    assert not gpu.findings, str(gpu.findings)
    for encoded, want, size in zip([y, *dx], [wanted.y, *wanted.dx], [wanted.y_size, *wanted.dx_size], strict=True):
        got = channels_first(decode(encoded, dtype), g)
        wrong = ~(np.abs(got - want) <= tolerance(lib.operator, g, dtype, param, want, size))
        assert not wrong.any(), f"{wrong.sum()} differ: {got[wrong][:4]} is not {want[wrong][:4]}"


def check_param(lib: Library, case: Case, dtype: str, schedule: str = "lockstep", param: float | None = None) -> float:
    """The gradient of the parameter is the reference's."""
    param = OPERATORS[lib.operator].param if param is None else param
    g, (inputs, grad_y, wanted) = case.geometry(), problem(lib.operator, case, dtype, param)
    gpu = lib.start(schedule)
    got = lib.param_backward(grad_y, inputs, g, dtype, param)
    assert not gpu.findings, str(gpu.findings)
    error = 40 * DTYPES[dtype].accumulated_eps * wanted.dparam_size
    assert abs(got - wanted.dparam) <= error, f"the gradients of the parameter differ: {got} is not {wanted.dparam}"
    return got


class Builds:
    """Copies of the sources, built in the background by two compilers and loaded when asked for."""

    def __init__(self, folder: Path, shared: Path, workers: ThreadPoolExecutor) -> None:
        self.emulator, self.shared, self.workers = Emulator(folder), shared, workers
        self.building: dict[tuple[str, str], Future[Path]] = {}

    def start(self, name: str, operator: str, edits: dict[str, str]) -> None:
        folder = self.emulator.folder / name
        sources = folder if folder.exists() else copy_sources(folder, edits)
        self.building[name, operator] = self.workers.submit(compiled, sources, operator, self.shared)

    @functools.cache  # noqa: B019
    def __call__(self, name: str, operator: str) -> Library:
        return self.emulator.load(self.building[name, operator].result(), operator)


@pytest.fixture(scope="session")  # a process has one fake runtime, also where its tests come in several lots
def builds(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Builds]:
    if torch.version.cuda is not None:
        pytest.skip(
            "a CUDA build of torch brings the runtime that the emulator stands in for; pytest -m gpu runs these"
        )
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "kernels"
    shared.mkdir(exist_ok=True)
    workers = ThreadPoolExecutor(2)
    builds = Builds(tmp_path_factory.mktemp("ptx"), shared, workers)
    called = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    asked = {params.get("operator") for params in called}
    for operator in OPERATORS:
        if operator in asked or operator not in GRID:
            builds.start("all", operator, ONLY_32_BIT)
    tests = {item.function for item in request.session.items if isinstance(item, pytest.Function)}
    for name, (operator, edits) in VARIANTS.items():
        if name == "small_teams" and test_windows_that_do_not_fit_their_threads not in tests:
            continue
        builds.start(name, operator, ONLY_FLOAT32 | edits)
    planted = {params["mutation"] for params in called if "mutation" in params}
    for name in MUTATIONS:
        if name in planted:
            mutation = MUTATIONS[name]
            builds.start(name, mutation.operator, ONLY_FLOAT32 | ONLY_32_BIT | mutation.edits)
    yield builds
    workers.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def library(builds: Builds) -> Callable[[str], Library]:
    """Every launcher of an operator, for every type."""
    return functools.partial(builds, "all")


every_operator = by_operator("operator", OPERATORS)


@pytest.mark.parametrize(
    "dtype", [pytest.param(d, marks=[pytest.mark.grid] * (d in ("float64", "float16"))) for d in DTYPES]
)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES)
def test_numbers_and_accesses(library, case: str, layout: str, dtype: str) -> None:
    check(library("softpool"), CASES[case], dtype, layout=layout)


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.grid] * (c not in ("5x5", "5x5_of_20_channels"))) for c in TILES]
)
@by_operator("operator", OPERATORS)
def test_small_windows_that_overlap(library, operator: str, case: str) -> None:
    """Each operator with each type and layout."""
    turn = list(TILES).index(case) + list(OPERATORS).index(operator)
    layout = LAYOUTS["channels" in case or turn // 4 % 2]
    check(library(operator), TILES[case], list(DTYPES)[turn % 4], layout=layout)


@pytest.mark.parametrize("case", STRIPS)
def test_several_strips(library, case: str) -> None:
    check(library("softpool"), STRIPS[case], "float32", layout="channels_last" if "channels" in case else "contiguous")


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=[pytest.mark.grid] * (name not in ONE_OF_EACH_TEAM)) for name in TEAMS]
)
@by_operator("operator", OPERATORS)
def test_windows_that_threads_share(library, operator: str, case: str) -> None:
    """Each operator with each type and layout, and softpool with two types in every case."""
    turn = list(TEAMS).index(case) + list(OPERATORS).index(operator)
    for dtype in [list(DTYPES)[turn % 4], list(DTYPES)[(turn + 2) % 4]][: 1 + (operator == "softpool")]:
        layout, schedule = LAYOUTS["channels" in case or turn // 4 % 2], ("random", "lockstep")[turn % 2]
        check(library(operator), TEAMS[case], dtype, schedule=schedule, layout=layout)
    if operator in HAVE_PARAM:
        check_param(library(operator), TEAMS[case], "float32")


@pytest.mark.parametrize("case", SOME)
@by_operator("operator", [operator for operator in OPERATORS if operator != "softpool"])
def test_numbers_and_accesses_of_every_operator(library, operator: str, case: str) -> None:
    """Each with two of the types, so that each type comes with contiguous and channels_last elements."""
    turn = SOME.index(case)
    for dtype, schedule, layout in zip(list(DTYPES)[turn % 2 :: 2], ("random", "lockstep"), LAYOUTS, strict=True):
        check(
            library(operator), CASES[case], dtype, schedule=schedule, layout=LAYOUTS[(turn + LAYOUTS.index(layout)) % 2]
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["k2s2", "k2s2_odd", "k2s4d2_padded", "k3s2p1", "1d_k3s1p1"])
def test_any_order_of_warps(library, case: str, dtype: str) -> None:
    check(library("softpool"), CASES[case], dtype, schedule="random")


@pytest.mark.parametrize("case", ["k2s2", "k5s5", "k3s2p1"])
@by_operator("operator,param", PARAMS)
def test_parameters(library, operator: str, param: float, case: str) -> None:
    check(library(operator), CASES[case], "float32", param=param)
    check_param(library(operator), CASES[case], "float32", param=param)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["k2s2", "k2s2_width_6", "k2s2_odd_height", "k3s2p1"])
def test_tensors_that_start_between_aligned_addresses(library, case: str, dtype: str) -> None:
    check(library("softpool"), CASES[case], dtype, shift=1)
    check(library("softpool"), CASES[case], dtype, shift=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_packs_of_channels_that_start_between_aligned_addresses(library, dtype: str) -> None:
    for shift in (1, 2, 3):
        check(library("softpool"), CASES["k2s2p1_8_channels"], dtype, shift=shift, layout="channels_last")


def test_a_second_input_that_starts_between_aligned_addresses(library) -> None:
    for shift in (1, 2):
        check(library("lip"), CASES["k2s2"], "float32", shift=shift)


#: Sources changed so that small tensors take the ways of huge ones.
VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "small_tiles": ("softpool", ONLY_32_BIT | {"24 << 10": "1 << 10", "48 << 10": "3 << 10"}),
    # Teams of at most 4 threads, so that windows do not fit them, and sums in parts of one pack.
    "small_teams": (
        "softpool",
        ONLY_32_BIT
        | {
            "t.members * t.lanes < kThreads": "t.members * t.lanes < 4",
            "++packs * P::kHeld < kMostInFloat": "++packs * P::kHeld < P::kHeld",
        },
    ),
    "one_block": ("lip", ONLY_32_BIT | {"kMaxBlocks = 1 << 16": "kMaxBlocks = 1"}),
    "wide": ("softpool", ONLY_64_BIT),
    "wide_numbers": ("max", ONLY_64_BIT),
    "parts": ("lip", ONLY_64_BIT | {"INT32_MAX - kMaxBlocks * kThreads": "100"}),
}


TILED = ("k2s2p1_8_channels", "k3s1d2", "rectangular", "3d_k3s2p1", "5x5", "bins", "k5s2p2", "1d_k5s1p2", "3d_bins")


@pytest.mark.grid
@pytest.mark.parametrize("case", TILED)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_several_tiles(builds: Builds, case: str, layout: str) -> None:
    """Windows that lie in more than one tile, along every axis."""
    check(builds("small_tiles", "softpool"), (CASES | TEAMS | TILES)[case], "float32", layout=layout)


@pytest.mark.grid
@pytest.mark.parametrize("case", [case for case in TEAMS if np.prod(TEAMS[case].kernel or (99,)) > 64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_that_do_not_fit_their_threads(builds: Builds, case: str, layout: str) -> None:
    """Which are read pack by pack, and their sums scaled anew where a larger maximum comes."""
    check(builds("small_teams", "softpool"), TEAMS[case], "float32", layout=layout)
    check_param(builds("small_teams", "softpool"), TEAMS[case], "float32")


def test_more_work_than_threads(builds: Builds) -> None:
    lib = builds("one_block", "lip")
    check(lib, Case((3, 7, 1, 12, 16), (1, 2, 2), (1, 2, 2)), "float32")
    check(lib, Case((3, 7, 1, 12, 15), (1, 2, 2), (1, 3, 3)), "float32")
    check(lib, Case((3, 7, 1, 11, 12), (1, 3, 3), (1, 2, 2)), "float32", schedule="random")


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("k2s2_") or case == "k2s2_ceil"])
def test_64_bit_indices(builds: Builds, case: str) -> None:
    """Which only huge tensors take."""
    lib = builds("wide", "softpool")
    check(lib, CASES[case], "float32")
    if case in SOME:
        check(lib, CASES[case], "float32", layout="channels_last")
        check_param(lib, CASES[case], "float32")


@pytest.mark.parametrize("case", SOME)
def test_64_bit_numbers_of_taps(builds: Builds, case: str) -> None:
    check(builds("wide_numbers", "max"), CASES[case], "float32")


@pytest.mark.parametrize("case", ["k2s2", "k2s2_width_6", "k2s2_odd_height", "k2s2_odd", "k2s2_planes", "primes"])
def test_more_planes_than_32_bits_reach(builds: Builds, case: str) -> None:
    check(builds("parts", "lip"), CASES[case], "float32")


@pytest.mark.parametrize("case", ["k2s2", "k3s2p1"])
@by_operator(
    "operator,dtype",
    [*itertools.product(["softpool"], DTYPES), *itertools.product(list(OPERATORS)[1:], ["float32", "float16"])],
)
def test_finite_at_any_magnitude(library, operator: str, dtype: str, case: str) -> None:
    g, lib = CASES[case].geometry(), library(operator)
    most = {"float64": 1.79e308, "float32": 3.4e38, "bfloat16": 3.38e38, "float16": 65504}[dtype]
    most = most / 32 if operator == "lp_sum" else most  # which is larger than its elements
    rng = np.random.default_rng(0)
    inputs = [
        encode(rng.choice([-most, 0.0, 1.0, most], size=memory_shape(g, g.in_)), dtype)
        for _ in range(OPERATORS[operator].inputs)
    ]
    # Four windows hold an element, and of a second input's derivative each gives up to half of the largest number.
    grad_y = encode(rng.uniform(-0.25, 0.25, size=memory_shape(g, g.out)), dtype)
    for param in (1.0, -1.0, 0.0, 1e-3, 1e30) if operator == "softpool" else (OPERATORS[operator].param,):
        gpu = lib.start()
        results = [lib.forward(inputs, g, dtype, param), *lib.backward(grad_y, inputs, g, dtype, param)]
        assert all(np.isfinite(decode(result, dtype)).all() for result in results)
        if operator == "softpool" and abs(param) >= 1:  # below, the variance of such elements is no float32
            assert np.isfinite(lib.param_backward(grad_y, inputs, g, dtype, param))
        assert not gpu.findings, str(gpu.findings)


@pytest.mark.parametrize("value", [3.0e38, -1e-45, 0.1])
@pytest.mark.parametrize("case", ["k2s2", "k3s2p1", "3d_k3s2p1"])
@by_operator("operator", [operator for operator in OPERATORS if operator not in ("lp", "lp_sum")])
def test_constant_window_is_kept(library, operator: str, case: str, value: float) -> None:
    g, lib = CASES[case].geometry(), library(operator)
    x = np.full(memory_shape(g, g.in_), value, np.float32)
    lib.start()
    y = lib.forward([x] * OPERATORS[operator].inputs, g, "float32", OPERATORS[operator].param)
    if operator in ("softpool", "max", "lip"):
        assert (y == np.float32(value)).all()
    else:  # which have the mean in them
        d, roundings = DTYPES["float32"], int(np.prod(g.kernel)) + 2
        assert (np.abs(y - np.float32(value)) <= roundings * d.eps * abs(value) + d.tiny).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", ["k2s2", "k3s2p1", "k2s3_gaps", "1d_k3s1p1"])
@every_operator
def test_nan_and_inf_reach_only_their_windows(library, operator: str, case: str, value: float) -> None:
    """Elsewhere not a bit changes; softpool, whose weights take all of a window, gives nothing finite there."""
    g, lib, param = CASES[case].geometry(), library(operator), OPERATORS[operator].param
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=memory_shape(g, g.in_)).astype(np.float32) for _ in range(OPERATORS[operator].inputs)]
    grad_y = np.ones(memory_shape(g, g.out), np.float32)
    bad, in_y, in_x = (0, -3 % g.in_[1], 4), np.zeros(grad_y.shape, bool), np.zeros(inputs[0].shape, bool)
    for out, taps in windows(g):
        if (..., *bad) in taps:
            in_y[0, 1][out] = True
            for tap in taps:
                in_x[0, 1][tap] = True
    results = []
    for element in (0.5, value):
        inputs[0][0, 1][bad] = element
        gpu = lib.start()
        results.append([lib.forward(inputs, g, "float32", param), *lib.backward(grad_y, inputs, g, "float32", param)])
        assert not gpu.findings, str(gpu.findings)
    for clean, got, reached in zip(*results, [in_y, *[in_x] * len(inputs)], strict=True):
        assert (got[~reached] == clean[~reached]).all()
        assert operator != "softpool" or not np.isfinite(got[reached]).any()
    assert not np.isnan(value) or np.isnan(results[1][0][in_y]).all()


@pytest.mark.parametrize("schedule", ["lockstep", "random"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["k2s2", "k3s2p1", "primes"])
def test_gradient_of_beta(library, case: str, dtype: str, schedule: str) -> None:
    lib = library("softpool")
    assert check_param(lib, CASES[case], dtype, schedule, -0.7) == check_param(lib, CASES[case], dtype, param=-0.7)


@pytest.mark.parametrize("case", ["k2s2", "k3s2p1"])
@by_operator("operator", HAVE_PARAM)
def test_gradient_of_every_parameter(library, operator: str, case: str) -> None:
    for dtype in DTYPES:
        check_param(library(operator), CASES[case], dtype)


def test_empty_tensors_launch_nothing_and_unknown_types_are_refused(library) -> None:
    lib, invalid = library("softpool"), 1  # cudaErrorInvalidValue
    gpu, g = lib.start(), Case((0, 3, 1, 6, 8), (1, 3, 3), (1, 2, 2)).geometry()
    none = np.zeros(0, np.float32)
    assert lib.forward([none], g, "float32", 1.0).size == 0
    assert lib.backward(none, [none], g, "float32", 1.0)[0].size == 0
    assert lib.param_backward(none, [none], g, "float32", 1.0) == 0
    assert not gpu.traffic
    g = TEAMS["k10s6"].geometry()  # whose backward pass needs a workspace
    assert lib.launcher("forward")(None, None, None, ctypes.byref(g), 9, ctypes.c_double(1), None) == invalid
    assert lib.launcher("backward")(*[None] * 6, *common(g, "float32", 1.0)) == invalid


def test_without_a_parameter_its_gradient_is_0(library) -> None:
    lib, g = library("lip"), CASES["k3s2"].geometry()
    gpu = lib.start()
    dy, x = (np.ones(memory_shape(g, size), np.float32) for size in (g.out, g.in_))
    assert lib.param_backward(dy, [x, x], g, "float32", 1.0) == 0
    assert not gpu.traffic


def moved(gpu: Any) -> dict[str, Any]:
    """What went over the bus, by kind: r and w, and a for atomics."""
    return {kind: count for (_, kind), count in gpu.traffic.items()}


@every_operator
def test_traffic_of_2x2(library, operator: str) -> None:
    """Every byte once, in whole sectors."""
    lib, param, n = library(operator), OPERATORS[operator].param, OPERATORS[operator].inputs
    g = Case((2, 4, 1, 16, 128), (1, 2, 2), (1, 2, 2)).geometry()
    x, grad_y = np.ones(memory_shape(g, g.in_), np.float32), np.ones(memory_shape(g, g.out), np.float32)
    gpu = lib.start()
    lib.forward([x] * n, g, "float32", param)
    assert set(moved(gpu)) == {"r", "w"}
    assert (moved(gpu)["r"]["bytes"], moved(gpu)["w"]["bytes"]) == (n * x.nbytes, grad_y.nbytes)
    assert moved(gpu)["r"]["sectors"] <= 1.1 * n * x.nbytes / 32
    assert moved(gpu)["w"]["sectors"] <= 1.1 * grad_y.nbytes / 32
    if operator == "softpool":
        assert gpu.executed / grad_y.size <= 80
    gpu = lib.start()
    lib.backward(grad_y, [x] * n, g, "float32", param)
    assert set(moved(gpu)) == {"r", "w"}
    assert (moved(gpu)["r"]["bytes"], moved(gpu)["w"]["bytes"]) == (n * x.nbytes + grad_y.nbytes, n * x.nbytes)
    assert moved(gpu)["r"]["sectors"] <= 1.1 * (n * x.nbytes + grad_y.nbytes) / 32
    assert moved(gpu)["w"]["sectors"] <= 1.1 * n * x.nbytes / 32


class Mutation(NamedTuple):
    """What is changed, into what, the case that shows it, and what is said of it."""

    old: str
    new: str
    case: str
    finding: str
    operator: str = "softpool"
    layout: str = "contiguous"

    @property
    def edits(self) -> dict[str, str]:
        return {self.old: self.new}


MUTATIONS = {
    "loop_bound": Mutation("i < count;", "i <= count;", "rectangular", "out-of-bounds"),
    "pack_bound": Mutation("i < count;", "i <= count;", "k2s2", "out-of-bounds"),
    "clip_before": Mutation("if (start[axis] < 0) {", "if (false) {", "rectangular", "out-of-bounds"),
    "clip_after": Mutation("if (over >= 0)", "if (over > 0)", "rectangular", "out-of-bounds"),
    "cut_windows": Mutation("2 * g.out[axis] <= g.in[axis]", "true", "k2s2_ceil", "out-of-bounds"),
    "alignment": Mutation("is_aligned(2 * v * sizeof(T), wide)", "true", "k2s2", "misaligned"),
    "overlap": Mutation("g.stride[axis] <= g.dilation", "g.stride[axis] < g.dilation", "rectangular", "differ"),
    "dropped_store": Mutation("const int lines = KY + (", "const int lines = 1 + (", "k2s2", "unwritten-output"),
    "dropped_input": Mutation(
        "for (int input = 0; input < R::kInputs; ++input) grad.of[input][i]",
        "for (int input = 0; input < 1; ++input) grad.of[input][i]",
        "k10s6",
        "unwritten-output",
        "lip",
    ),
    "second_input": Mutation("__ldg(x.of[1] + at)", "__ldg(x.of[0] + at)", "k2s4d2_padded", "differ", "lip"),
    "row_of_pack": Mutation(
        "min(max(y, 0), g.in[1] - 1)",
        "min(y, g.in[1] - 1)",
        "k2s2p1_8_channels",
        "out-of-bounds",
        layout="channels_last",
    ),
    "column_of_pack": Mutation(
        "min(max(x, 0), g.in[2] - 1)",
        "min(x, g.in[2] - 1)",
        "k2s2p1_8_channels",
        "out-of-bounds",
        layout="channels_last",
    ),
    "inside_pack": Mutation("taps.row_inside[i / K] &&", "", "k2s2p1_8_channels", "differ", "lp_sum", "channels_last"),
    "column_of_strip": Mutation(
        "to[kMost] = either(left, most[kMost - 1], one);", "to[kMost] = one;", "k3s2p1", "differ"
    ),
    "neighbour_of_cell": Mutation("by[n++] = left ? 1 : -1", "by[n++] = 1", "k3s2", "differ"),
    "sums_of_neighbour": Mutation("by[n++] = left ? -1 : 1", "by[n++] = 1", "k3s2p1", "differ"),
    "no_neighbour": Mutation(
        "const bool has = at.has(-by[i]);", "const bool has = true;", "k3s2", "differ|out-of-bounds"
    ),
    "exchange": Mutation(
        "mine[i * kThreads] = x[i];\n    __syncthreads();", "mine[i * kThreads] = x[i];", "k3s2", "race"
    ),
    "turns": Mutation("    turn ^= 1;\n", "", "k3s2", "race"),
    "cells_before": Mutation("s.before = !whole &&", "s.before = false &&", "k3s2p1_wide", "differ"),
    "rows_above": Mutation("top = (first - kAbove)", "top = first", "k3s2_tall", "differ"),
    "row_of_strip": Mutation("row + i < 0 ||", "", "k3s2p1", "out-of-bounds"),
    "pairs_of_strip": Mutation(
        "g.in[2] % 2 == 0 && is_aligned", "g.in[2] % 2 == 0 || is_aligned", "k3s2", "misaligned"
    ),
    "odd_channels": Mutation(
        "g.channels % V == 0", "true", "k2s4d2_padded", "unwritten-output", layout="channels_last"
    ),
    "pack_alignment": Mutation(
        "is_aligned(V * sizeof(T), {x", "is_aligned(1, {x", "k2s2p1_8_channels", "misaligned", layout="channels_last"
    ),
    "derivative": Mutation("if (input == 1) return", "if (false) return", "k2s2", "differ", "lip"),
    "last_row": Mutation("g.in[1] % 2);", "false);", "k2s2_odd_height", "unwritten-output"),
    "last_slice": Mutation("g.in[0] % 2);", "false);", "3d_k2s2", "unwritten-output"),
    "last_column": Mutation("g.in[2] % 2;", "false;", "k2s2_odd", "unwritten-output"),
    "last_cell": Mutation("== g.out[axis] - 1 ? g.in[axis] :", "< 0 ? g.in[axis] :", "k2s3_gaps", "race"),
    "first_window": Mutation("(before + stride[axis] - 1)", "(before + stride[axis])", "rectangular", "differ"),
    "barrier": Mutation("    __syncthreads();\n", "", "k2s2", "race"),
    "workspace": Mutation("outputs(g) * share", "(outputs(g) - 1) * share", "k10s6", "out-of-bounds"),
    "clipped_taps": Mutation("number += before * tap;", "", "k2s4d2_padded", "differ", "max"),
    "tap_of_cell": Mutation("/ g.dilation[axis] * taps.numbers", "* taps.numbers", "k2s4d2_padded", "differ", "max"),
    "third_pass": Mutation("r.prepare(w);", "", "k3s2", "differ", "idw"),
    "no_sign": Mutation("r.sign * static_cast<A>(a)", "static_cast<A>(a)", "k2s4d2_padded", "differ"),
    "copied_tile": Mutation(
        "copy_tile(r, x, tile, t, inputs);\n  __syncthreads();",
        "copy_tile(r, x, tile, t, inputs);",
        "5x5",
        "race|uninitialised",
    ),
    "beside_tile": Mutation("kx < end[2] ? A(1) : A(0)", "kx < end[2] ? A(1) : A(1)", "5x5", "differ", "avg"),
    "windows_of_tile": Mutation("+ 1 - begin, 0)};", "- begin, 0)};", "5x5", "differ|out-of-bounds|uninitialised"),
    "turns_of_team": Mutation("    turn_ ^= 1;\n", "", "global_17x18", "race"),
    "one_of_team": Mutation("(!kCells && member)", "false", "global_7x7", "race"),
    "carry_of_team": Mutation("++c.at[1], c.offset += carry_[1];", "++c.at[1];", "k10s6", "differ|out-of-bounds"),
    "rest_of_cell": Mutation("at_y < y + K ? left + K : max(left, 0)", "left + K", "k5s5", "unwritten-output"),
}


def check_all(lib: Library, case: Case, layout: str, shift: int) -> None:
    check(lib, case, "float32", layout=layout, shift=shift)
    if lib.operator == "softpool":
        check_param(lib, case, "float32", "random")
        check(lib, case, "float32", param=-1.5)


#: One of each finding; the others take a compilation each.
PLANTED = ("loop_bound", "alignment", "overlap", "dropped_store", "barrier")


@pytest.mark.parametrize(
    "mutation", [pytest.param(name, marks=[pytest.mark.grid] * (name not in PLANTED)) for name in MUTATIONS]
)
def test_planted_errors_are_caught(builds: Builds, mutation: str) -> None:
    planted = MUTATIONS[mutation]
    lib, case, shift = (
        builds(mutation, planted.operator),
        (CASES | STRIPS | TILES | TEAMS)[planted.case],
        int(planted.finding == "misaligned"),
    )
    with pytest.raises(AssertionError, match=planted.finding):
        check_all(lib, case, planted.layout, shift)
