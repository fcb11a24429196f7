"""Time hann_l2, gaussian, owa and t_max_avg, which have no native kernels, against what one would write for each of
them with torch's own operators.

Both compute the same from elements of usual size; the compositions overflow or lose digits where ours do not. Each
round times both, one after the other. The table gives medians over the rounds and their ratio: above 1, ours is slower.

    python benchmarks/bench_compositions.py --rounds 9 --output benchmarks/results/compositions-cpu.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from timing import interleaved, metadata, save, spread
from torch import Tensor

import poolzoo.functional as pools

SHAPE = (8, 32, 64, 64)
#: kernel_size, stride, padding; of owa and t_max_avg without padding, whose composition has no absent elements.
WINDOWS = {"k2s2": (2, 2, 0), "k3s2": (3, 2, 0), "k3s2p1": (3, 2, 1)}
M = 0.3
Pool = Callable[[Tensor], Tensor]


def hann_l2(kernel: int, stride: int, padding: int) -> tuple[Pool, Pool]:
    """Return ours and a convolution of squares, as in piq, with zeros around."""
    row = torch.hann_window(kernel + 2, periodic=False)[1:-1]
    taps = (row[:, None] * row / row.sum() ** 2).expand(SHAPE[1], 1, kernel, kernel).contiguous()

    def convolution(x: Tensor) -> Tensor:
        return (F.conv2d(x * x, taps, None, stride, padding, 1, SHAPE[1]) + 1e-12).sqrt()

    return lambda x: pools.hann_l2_pool2d(x, kernel, stride, padding, count_include_pad=True), convolution


def gaussian(kernel: int, stride: int, padding: int) -> tuple[Pool, Pool]:
    """Return ours and two average pools, of the elements and of their squares."""

    def averages(x: Tensor) -> Tensor:
        mean, squares = (F.avg_pool2d(a, kernel, stride, padding, False, False) for a in (x, x * x))
        return mean + F.softplus(torch.tensor(M)) * (squares - mean * mean).clamp(min=1e-6).sqrt()

    return lambda x: pools.gaussian_pool2d(x, kernel, stride, padding, m=M), averages


def side_by_side(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Return the windows of an input without padding along the last axis."""
    return x.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(-2)


def owa(kernel: int, stride: int, padding: int) -> tuple[Pool, Pool]:
    """Return ours and a product of the weights with sorted windows."""
    weight = torch.arange(kernel**2, 0, -1).float()
    share = weight / weight.sum()
    return (
        lambda x: pools.owa_pool2d(x, kernel, stride, weight=weight),
        lambda x: side_by_side(x, kernel, stride).sort(-1, descending=True).values @ share,
    )


def t_max_avg(kernel: int, stride: int, padding: int) -> tuple[Pool, Pool]:
    """Return ours and a choice between the two, of the windows' largest elements by topk."""

    def by_topk(x: Tensor) -> Tensor:
        top = side_by_side(x, kernel, stride).topk(3).values
        return torch.where((top >= 0.5).all(-1), top[..., 0], top.mean(-1))

    return lambda x: pools.t_max_avg_pool2d(x, kernel, stride), by_topk


OPERATORS = (hann_l2, gaussian, owa, t_max_avg)


def run(operator: Callable[..., tuple[Pool, Pool]], window: str, backward: bool, rounds: int) -> dict[str, Any]:
    """Return a row: both times, and ours as a multiple of the composition's."""
    ours, composition = operator(*WINDOWS[window])
    x = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)).requires_grad_(backward)
    torch.testing.assert_close(ours(x), composition(x), rtol=1e-4, atol=1e-4)

    def work(pool: Pool) -> Callable[[], Any]:
        return lambda: torch.autograd.grad(pool(x).sum(), x) if backward else pool(x)

    times = interleaved({"ours": work(ours), "composition": work(composition)}, rounds)
    found: dict[str, Any] = {name: spread(seconds) for name, seconds in times.items()}
    passes = "forward+backward" if backward else "forward"
    shape = "x".join(map(str, SHAPE))
    ratio = found["ours"]["median_s"] / found["composition"]["median_s"]
    return {"work": f"{operator.__name__} {shape} {window} float32 {passes}", **found, "ratio": ratio}


def line(row: dict[str, Any]) -> str:
    ours, composition = (f"{row[name]['median_s'] * 1e3:.2f}" for name in ("ours", "composition"))
    return f"| {row['work']} | {ours} | {composition} | {row['ratio']:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", help="JSON file; the table is printed")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print("| work, one thread | ours ms | composition ms | ratio |\n|---|---:|---:|---:|")  # noqa: T201
    for operator in OPERATORS:
        for window in WINDOWS:
            if operator in (owa, t_max_avg) and WINDOWS[window][2]:
                continue
            for backward in (False, True):
                rows.append(run(operator, window, backward, given.rounds))
                print(line(rows[-1]), flush=True)  # noqa: T201
    save(given.output, metadata(rounds=given.rounds), rows)


if __name__ == "__main__":
    main()
