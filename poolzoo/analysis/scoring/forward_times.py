"""The time of a forward pass: the one timer, for comparisons and for profiles.

A time is the median over blocks of calls. Each block is so long that reading the clock does not matter; calls before
the first block are the warm-up. Comparisons use a quick form with few blocks. The timed call is the one that a user
runs: in float32 by default, by the backend that the operator chooses.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from poolzoo.analysis.results.rows import Times
from poolzoo.analysis.results.schema import UNTIMED
from poolzoo.analysis.scoring.pool_modules import backend_of, seed_draws
from poolzoo.operators.base import Pool

#: Seconds that a block of calls takes, at least.
BLOCK_TIME = 1e-3
#: The fewest blocks for an interquartile range.
LEAST_BLOCKS = 5
#: Seconds of a quick measurement: at least, and after which few blocks are enough.
QUICK_TIME = (5e-3, 0.1)
#: The type that a comparison's operators are timed in, by its name in rows; they are scored in float64.
QUICK_DTYPE = "float32"


def read_clock() -> float:
    """Return a time in seconds, after all that a GPU has been given to do.

    As torch.utils.benchmark does, whose import prints a warning where a CUDA build of torch finds no GPU.
    """
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return timeit.default_timer()


@dataclass(frozen=True)
class Timing:
    """Seconds of a call: the median over blocks, and the interquartile range, None for fewer than ``LEAST_BLOCKS``."""

    median: float
    iqr: float | None


def time_statement(statement: str, names: dict[str, object], least: float, most: float) -> Timing:
    """Measure a statement of Python, with the CPU threads that torch has.

    Args:
        statement: the code.
        names: its variables.
        least: seconds over which it is measured, at least.
        most: seconds after which fewer than ``LEAST_BLOCKS`` blocks are enough; one block may take longer.
    """
    clock = timeit.Timer(statement, timer=read_clock, globals=names)
    calls = 1
    while clock.timeit(calls) < BLOCK_TIME:
        calls *= 2
    blocks: list[float] = []
    while sum(blocks) < least or (len(blocks) < LEAST_BLOCKS and sum(blocks) < most):
        blocks.append(clock.timeit(calls))
    low, middle, high = np.quantile(blocks, (0.25, 0.5, 0.75)) / calls
    return Timing(float(middle), float(high - low) if len(blocks) >= LEAST_BLOCKS else None)


def time_forward(module: Pool, x: Tensor, least: float, most: float) -> Timing:
    """Measure a forward pass without autograd. ``least`` and ``most`` are as for :func:`time_statement`.

    One result is kept meanwhile, as a network keeps some. Otherwise the allocator may return all memory to the system
    after each call and request it again in the next.
    """
    with torch.no_grad():
        names: dict[str, object] = {"module": module, "x": x, "kept": module(x)}
        return time_statement("module(x)", names, least, most)


def time_shares(
    call: Callable[[], object], parts: Mapping[str, nn.Module], least: float, most: float
) -> dict[str, float]:
    """Return the share of a call's time that each of some modules takes, by forward hooks that read the clock.

    Hooks cost time, and on a GPU each reading waits for it, so the calls are not those of :func:`time_statement`.

    Args:
        call: runs the modules, as often as it likes.
        parts: the modules by name.
        least, most: as for :func:`time_statement`, of calls in place of blocks.

    Returns:
        For each name the median over calls.
    """
    began: dict[str, float] = {}
    spent: dict[str, float] = {}

    def start(name: str) -> Callable[..., None]:
        return lambda *_: began.update({name: read_clock()})

    def stop(name: str) -> Callable[..., None]:
        return lambda *_: spent.update({name: spent.get(name, 0.0) + read_clock() - began[name]})

    handles = [part.register_forward_pre_hook(start(name), prepend=False) for name, part in parts.items()]
    handles += [part.register_forward_hook(stop(name), prepend=True) for name, part in parts.items()]
    found: list[list[float]] = []
    total = 0.0
    try:
        call()  # the warm-up
        while total < least or (len(found) < LEAST_BLOCKS and total < most):
            spent |= dict.fromkeys(parts, 0.0)
            before = read_clock()
            call()
            seconds = read_clock() - before
            total += seconds
            found.append([spent[name] / seconds for name in parts])
    finally:
        for handle in handles:
            handle.remove()
    return dict(zip(parts, map(float, np.median(found, axis=0)), strict=True))


def uniform_input(shape: Sequence[int], dtype: torch.dtype, device: str, seed: int) -> Tensor:
    """Return random values from 0 to 1, drawn with ``seed``; the time hardly depends on them."""
    return torch.rand(tuple(shape), generator=torch.Generator().manual_seed(seed)).to(device=device, dtype=dtype)


def quick_time(module: Pool, x: Tensor, seed: int) -> Times:
    """Time a forward pass for a comparison.

    Args:
        module: the operator, in the state and the type that are timed.
        x: its input.
        seed: of its random numbers, so that other draws do not depend on the number of calls.

    Returns:
        The row keys :class:`Times`; all None if the operator cannot run on ``x``.
    """
    if module.stochastic:
        seed_draws(module, x, seed)
    try:
        backend = backend_of(module, x)
        timing = time_forward(module, x, *QUICK_TIME)
    except Exception:  # the scores do not depend on it: the row has no time
        return UNTIMED
    shape, dtype = "x".join(map(str, x.shape)), str(x.dtype).removeprefix("torch.")
    return {
        "forward_s": timing.median,
        "forward_iqr_s": timing.iqr,
        "forward_backend": backend,
        "forward_dtype": dtype,
        "forward_shape": shape,
    }
