"""Compare the time in `poolzoo compare` with that of `poolzoo profile`, for every operator and state, in one process.

In each round a few operators are compared and profiled right after that, so that a busy machine slows both alike. The
table gives the shortest times over the rounds and their ratio, the worst ratio last. Operators whose ratio exceeds the
limit get more rounds; if it still does, the exit code is 1.

    python benchmarks/bench_compare_time.py --rounds 5 --output benchmarks/results/compare-time-cpu.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from poolzoo import registry
from poolzoo._files import write_whole
from poolzoo.analysis.inputs.images import Source
from poolzoo.analysis.results.machine import describe_machine
from poolzoo.analysis.results.rows import label
from poolzoo.analysis.scoring.pool_modules import normal_spec
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.studies.compare import compare
from poolzoo.analysis.studies.profile import Workload, profile

#: The largest allowed ratio of the two, either way.
LIMIT = 1.5
#: How often operators that exceed it are measured again, with the same number of rounds.
AGAIN = 4
#: The number of operators that are compared before they are profiled.
TOGETHER = 6
#: An operator and its state.
Key = tuple[str, str]


def run_round(
    image: Source, specs: Sequence[str], protocol: Protocol, workload: Workload
) -> dict[Key, tuple[float, float]]:
    """Return the seconds in a comparison and in a profile, for each operator and state."""
    results = compare([image], specs, protocol), profile(specs, workload)
    compared, profiled = ({(label(row), row["state"]): row["forward_s"] for row in result.rows} for result in results)
    return {key: (compared[key], profiled[key]) for key in compared}


def summarise(rounds: dict[Key, list[tuple[float, float]]]) -> list[dict[str, Any]]:
    """Return a row for each operator and state, the ratio furthest from 1 last."""
    rows = []
    for (name, state), times in rounds.items():
        ours, theirs = (min(column) for column in zip(*times, strict=True))
        row = {"operator": name, "state": state, "rounds": len(times)}
        rows.append(row | {"compare_s": ours, "profile_s": theirs, "ratio": ours / theirs})
    return sorted(rows, key=lambda row: max(row["ratio"], 1 / row["ratio"]))


def is_beyond(row: dict[str, Any]) -> bool:
    return not 1 / LIMIT <= row["ratio"] <= LIMIT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), help="height and width of the image")
    parser.add_argument("--kernel-size", type=int, default=2)
    parser.add_argument("--stride", type=int, default=2)
    parser.add_argument("--min-time", type=float, default=0.05, help="the profile's minimum seconds per figure")
    parser.add_argument("--output", help="JSON file; the table is printed")
    given = parser.parse_args()
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else torch's profiler narrates
    protocol = Protocol(given.kernel_size, given.stride, metrics=("psnr",), seeds=1)
    workload = Workload((1, 3, *given.size), given.kernel_size, given.stride, min_time=given.min_time)
    waiting, rounds = [normal_spec(spec) for spec in registry.expand_specs([])], dict[Key, list[tuple[float, float]]]()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "noise.png")
        noise = np.random.default_rng(0).integers(0, 256, (*given.size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(file)
        for turn in range(1 + AGAIN):
            for _ in range(given.rounds):
                for start in range(0, len(waiting), TOGETHER):
                    few = waiting[start : start + TOGETHER]
                    for key, pair in run_round(Source("noise", file), few, protocol, workload).items():
                        rounds.setdefault(key, []).append(pair)
            rows = summarise(rounds)
            waiting = list(dict.fromkeys(row["operator"] for row in rows if is_beyond(row)))
            print(f"turn {turn + 1}: beyond {LIMIT}: {', '.join(waiting) or 'none'}", file=sys.stderr)  # noqa: T201
            if not waiting:
                break
    for row in rows:
        figures = f"{row['compare_s'] * 1e3:9.3f} ms {row['profile_s'] * 1e3:9.3f} ms {row['ratio']:6.2f}"
        print(f"{row['operator'] + ' (' + row['state'] + ')':40}{figures}  {row['rounds']} rounds")  # noqa: T201
    if given.output:
        metadata = describe_machine() | {"threads": torch.get_num_threads(), "command": " ".join(sys.argv)}
        write_whole(given.output, json.dumps({"metadata": metadata, "rows": rows}, indent=1, allow_nan=False) + "\n")
    sys.exit(bool(waiting))


if __name__ == "__main__":
    main()
