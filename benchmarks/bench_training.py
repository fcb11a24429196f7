"""Training speed of a network with poolzoo's operators next to the same network with torch's max pools, in one process.

In each round every operator trains a few batches, so that a busy machine slows all alike. The ratio is that of the
shortest times per batch over the rounds; above 1 means faster than torch's max pools.

    python benchmarks/bench_training.py --pool softpool --pool avg --output benchmarks/results/training-cpu.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from poolzoo._files import write_whole
from poolzoo.analysis.results.machine import describe_machine
from poolzoo.analysis.training.networks import make_model

#: Images of a batch, batches of a round, and the shape of an image.
BATCH, BATCHES, SHAPE = 128, 4, (1, 28, 28)
#: The name of the network's own pools, torch's.
TORCH = "torch's max"


class Trainee:
    """A network, its optimizer and a batch."""

    def __init__(self, model: str, spec: str) -> None:
        self.model = make_model(model, spec, 0, SHAPE, 10).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9, nesterov=True)
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(BATCH, *SHAPE, generator=generator)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(10, (BATCH,), generator=generator)

    def seconds(self) -> float:
        """Return the processor's seconds per batch of a round."""
        began = time.process_time()
        for _ in range(BATCHES):
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(self.images), self.labels).backward()
            self.optimizer.step()
        return (time.process_time() - began) / BATCHES


def measure(model: str, specs: list[str], rounds: int) -> list[dict[str, Any]]:
    """Return images per second and the ratio to torch's max pools, by operator."""
    trainees = {TORCH: Trainee(model, ""), **{spec: Trainee(model, spec) for spec in specs}}
    for trainee in trainees.values():
        trainee.seconds()
    times: dict[str, list[float]] = {name: [] for name in trainees}
    for _ in range(rounds):
        for name, trainee in trainees.items():
            times[name].append(trainee.seconds())
    best = {name: min(own) for name, own in times.items()}
    return [
        {"operator": name, "images_per_s": BATCH / seconds, "ratio": best[TORCH] / seconds}
        for name, seconds in best.items()
    ]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="small")
    parser.add_argument("--pool", action="append", help="operators; default: avg, max, softpool, lp, lip")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(given.model, given.pool or ["avg", "max", "softpool", "lp", "lip"], given.rounds)
    for row in rows:
        sys.stdout.write(f"{row['operator']:12} {row['images_per_s']:8.0f} images/s  {row['ratio']:.2f}x\n")
    if given.output:
        facts = {"model": given.model, "batch": BATCH, "rounds": given.rounds, "machine": describe_machine()}
        write_whole(given.output, json.dumps({"metadata": facts, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
