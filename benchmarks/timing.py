"""What the benchmarks share: interleaved timing, medians and spreads, and the file of results."""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo._files import write_whole
from poolzoo.analysis.results.machine import describe_machine

AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def softpool_of_averages(x: Tensor, average: Callable[[Tensor], Tensor]) -> Tensor:
    """Return SoftPool as two averages, which is right only while e^x neither overflows nor vanishes."""
    weight = x.exp()
    return average(x * weight) / average(weight)


def interleaved(
    functions: Mapping[str, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    cap: float = math.inf,
) -> dict[str, list[float]]:
    """Return the seconds of each function in each round; fast functions are repeated within a round.

    Args:
        functions: the functions by name. Each round calls all of them, one after the other.
        rounds: the number of rounds.
        clock: returns seconds.
        cap: the seconds after which a function is left out of the remaining rounds. A function whose first call takes
            longer has this call alone.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}

    def timed(name: str, count: int) -> float:
        function, began = functions[name], clock()
        for _ in range(count):
            function()
        return (clock() - began) / count

    repeats = {}
    for name in functions:
        first = timed(name, 1)
        if first > cap:
            seconds[name] = [first]
            continue
        count, each = 1, timed(name, 1)
        while count < 64 and each * count < 5e-4:  # one call of a fast function says little
            count *= 8
            each = timed(name, count)
        repeats[name] = max(1, min(1000, int(2e-3 / each)))
    for _ in range(rounds):
        for name, count in repeats.items():
            if sum(seconds[name]) * count < cap:
                seconds[name].append(timed(name, count))
    return seconds


def interleaved_on_gpu(functions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Return the same, timed by the GPU with no tensor in its cache. Launch time is excluded: the GPU sleeps until all
    work is queued.
    """
    scratch = torch.empty(1 << 28, dtype=torch.int8, device="cuda")
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(rounds + 2):
        for name, function in functions.items():
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda._sleep(4_000_000)
            scratch.fill_(number % 100)
            start.record()
            function()
            end.record()
            torch.cuda.synchronize()
            if number >= 2:  # the first ones warm up
                seconds[name].append(start.elapsed_time(end) * 1e-3)
    return seconds


def spread(times: list[float]) -> dict[str, float]:
    """Return the median of the times and the distance of their quartiles, in seconds; 0 for a single time."""
    if len(times) == 1:
        return {"median_s": times[0], "iqr_s": 0.0}
    low, middle, high = statistics.quantiles(times, n=4)
    return {"median_s": middle, "iqr_s": high - low}


def metadata(**facts: Any) -> dict[str, Any]:
    """Return what a file of results says of the machine and of the command, with further facts."""
    threads = {"threads": torch.get_num_threads()}
    return {**describe_machine(), **threads, **facts, "command": " ".join(sys.argv)}


def save(path: str | None, facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write rows and metadata to a JSON file, a line for each row; nothing without a path."""
    if path:
        lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
        text = f'{{"metadata": {json.dumps(facts, indent=1, allow_nan=False)},\n"rows": [\n{lines}\n]}}\n'
        write_whole(path, text)
