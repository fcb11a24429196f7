"""The CUDA kernels, executed in a PTX emulator: the numbers of a float64 loop, no stray access, no race, no missing store."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from ptx_device import DTYPES, Emulator, Geometry, Library, copy_sources, decode, encode, memory_shape, missing

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
    return 2 * d.eps * np.abs(value) + roundings * d.accumulated_eps * magnitude + d.tiny


def channels_first(a: np.ndarray, g: Geometry) -> np.ndarray:
    return np.moveaxis(a, -1, 1) if g.channels_last else a


def check(lib: Library, case: Case, dtype: str, *, schedule: str = "lockstep", channels_last: bool = False, beta: float = 1.0, shift: int = 0) -> None:
    """Both passes give the reference's numbers and the emulator has nothing to say."""
    g = case.geometry(channels_last)
    rng = np.random.default_rng(0)
    x = encode(2 * rng.normal(size=memory_shape(g, g.in_)), dtype)
    grad_y = encode(rng.normal(size=memory_shape(g, g.out)), dtype)
    want_y, want_dx, size, weight = reference(channels_first(decode(x, dtype), g), channels_first(decode(grad_y, dtype), g), g, beta)
    gpu = lib.start(schedule)
    y = channels_first(decode(lib.forward(x, g, dtype, beta, shift), dtype), g)
    dx = channels_first(decode(lib.backward(grad_y, x, g, dtype, beta, shift), dtype), g)
    assert not gpu.findings, gpu.findings
    assert (np.abs(y - want_y) <= tolerance(g, dtype, beta, want_y, size)).all(), np.abs(y - want_y).max()
    assert (np.abs(dx - want_dx) <= tolerance(g, dtype, beta, want_dx, weight)).all(), np.abs(dx - want_dx).max()


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
