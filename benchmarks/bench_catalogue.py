"""Time every registered operator on a feature map of a network, as a multiple of torch's average pool.

Activations are those after a ReLU. ``--scale`` multiplies them: what exponentials cost may depend on it. Each round
times all operators once, on one thread, by the processor's time, so that other programs do not count.

    python benchmarks/bench_catalogue.py --scale 1 100 --output benchmarks/results/catalogue-cpu.json
"""

from __future__ import annotations

import argparse
import functools
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from timing import interleaved, metadata, save
from torch import Tensor

import poolzoo

SHAPE = (8, 64, 56, 56)
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
#: kernel_size, stride, padding.
WINDOWS = {"k2s2": (2, 2, 0), "k3s2p1": (3, 2, 1)}
PASSES = ("forward", "forward+backward")
TORCH = "torch's avg_pool2d"


def modules(windows: tuple[int, int, int], given: list[str] | None) -> dict[str, Callable[[Tensor], Any]]:
    """Return the operators to time, in training mode, by name."""
    geometry = dict(zip(("kernel_size", "stride", "padding"), windows, strict=True))
    found: dict[str, Callable[[Tensor], Any]] = {TORCH: functools.partial(F.avg_pool2d, **geometry)}
    for name in given or poolzoo.list_pools():
        if 2 in poolzoo.pool_info(name).ndims:
            channels = {"channels": SHAPE[1]} if name == "lip" else {}
            found[name] = poolzoo.create_pool(name, **geometry, **channels)
    return found


def call(pool: Callable[[Tensor], Any], x: Tensor, backward: bool) -> Callable[[], Any]:
    if not backward:
        return lambda: pool(x)
    x = x.detach().requires_grad_()
    return lambda: pool(x).sum().backward()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pool", action="append", help="operators; default: all")
    parser.add_argument("--windows", nargs="+", choices=WINDOWS, default=["k2s2"])
    parser.add_argument("--layout", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--passes", nargs="+", choices=PASSES, default=PASSES)
    parser.add_argument("--scale", nargs="+", type=float, default=[1.0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cap", type=float, default=0.5, help="the most seconds for one operator of one case")
    parser.add_argument("--output", help="JSON file; a table is printed")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    base, rows = torch.randn(SHAPE).relu(), []
    for windows, layout, passes, scale in itertools.product(given.windows, given.layout, given.passes, given.scale):
        backward = passes != PASSES[0]
        x = (base * scale).contiguous(memory_format=LAYOUTS[layout])
        with torch.set_grad_enabled(backward):
            pools = {name: call(pool, x, backward) for name, pool in modules(WINDOWS[windows], given.pool).items()}
            seconds = interleaved(pools, given.rounds, time.process_time, given.cap)
        medians = {name: statistics.median(times) for name, times in seconds.items()}
        for name, median in sorted(medians.items(), key=lambda item: item[1]):
            case = {"windows": windows, "layout": layout, "passes": passes, "scale": scale, "pool": name}
            rows.append(case | {"median_s": float(f"{median:.4g}"), "ratio": round(median / medians[TORCH], 2)})
            sys.stdout.write(f"{rows[-1]['ratio']:8.2f}  {' '.join(map(str, case.values()))}\n")
    save(given.output, metadata(rounds=given.rounds, shape=SHAPE), rows)


if __name__ == "__main__":
    main()
