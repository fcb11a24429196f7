"""Write the table by which ``backend="auto"`` chooses between a native kernel and torch's own, from results of
bench_models.py.

Cases are put into classes: operator, device, dtype, layout and kind of windows. Within a class, the table says from how
many elements to how many the native kernel is taken: where the greatest loss to the other kernel is least. Inside
torch.compile the other kernel is what the compiler makes of torch's pool; its classes have "compiled" after the device.

    python benchmarks/bench_models.py --batch 1 4 --dtype float32 bfloat16 float16 --passes forward --operator max avg \
        --no-compile --threads 1 --rounds 5 --cap 0.05 --output benchmarks/results/auto-cpu.json
    python benchmarks/bench_models.py --compiled --batch 4 --dtype float32 --passes forward --operator max avg \
        --threads 1 --rounds 5 --cap 0.3 --output benchmarks/results/auto-cpu-compiled.json
    python benchmarks/make_choices.py benchmarks/results/auto-cpu.json benchmarks/results/auto-cpu-compiled.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from poolzoo._files import write_whole
from poolzoo.engine import CHOICES, kind_of_windows

Points = list[tuple[int, float]]


def points(rows: list[dict[str, Any]], device: str) -> dict[str, Points]:
    """Return by class the elements of each case, and the time by torch's kernel as a multiple of the native one's."""
    found: dict[str, Points] = defaultdict(list)
    for row in rows:
        sizes, out = row["shape"][1:], row.get("output_size")
        kernel, stride = row.get("kernel_size", 0), row.get("stride", 0)
        if out and all(n % m == 0 for n, m in zip(sizes, out, strict=True)):  # equal bins are windows
            kernel = stride = [n // m for n, m in zip(sizes, out, strict=True)]
            out = None
        kernel, stride = ([a] * len(sizes) if isinstance(a, int) else a for a in (kernel, stride))
        windows = "adaptive" if out else kind_of_windows(sizes, kernel, stride)
        for operator, compiled in itertools.product(("max", "avg"), ("", " compiled")):
            ours, theirs = (row.get(f"{operator} {backend}{compiled}") for backend in ("native", "reference"))
            if ours and theirs and row["passes"] == "forward":
                key = f"{operator} {device}{compiled} {row['dtype']} {row['layout']} {windows}"
                elements = row["batch"] * math.prod(row["shape"])
                found[key].append((elements, theirs["median_s"] / ours["median_s"]))
    return found


def ahead(cases: Points) -> list[int | None] | None:
    """Return the range of elements in which to take the native kernel, or None; an open end is None.

    Of all ranges, it is the one whose greatest loss, the time of what is taken over that of the other kernel, is least
    to a tenth; of equal ones, the one with most sizes.
    """
    sizes = sorted({elements for elements, _ in cases})
    ends = [(low, high) for i, low in enumerate(sizes) for high in sizes[i:]]
    ranges = [*sorted(ends, key=lambda ends: sizes.index(ends[0]) - sizes.index(ends[1])), None]

    def greatest_loss(taken: tuple[int, int] | None) -> float:
        natively = [taken is not None and taken[0] <= elements <= taken[1] for elements, _ in cases]
        losses = [1 / ratio if native else ratio for native, (_, ratio) in zip(natively, cases, strict=True)]
        return round(max(losses), 1)

    best = min(ranges, key=greatest_loss)
    if best is None:
        return None
    return [None if best[0] == sizes[0] else best[0], None if best[1] == sizes[-1] else best[1]]


def choices(files: list[dict[str, Any]]) -> dict[str, list[int | None]]:
    """Return the table for the contents of files of results."""
    found: dict[str, list[int | None]] = {}
    for content in files:
        device = "cuda" if content["metadata"].get("device") == "cuda" else "cpu"
        ranges = {key: ahead(cases) for key, cases in points(content["rows"], device).items()}
        found |= {key: limits for key, limits in ranges.items() if limits}
    return dict(sorted(found.items()))


def text(files: list[dict[str, Any]]) -> str:
    lines = [f"{json.dumps(key)}: {json.dumps(limits)}" for key, limits in choices(files).items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", nargs="+", type=Path, help="JSON files that bench_models.py has written")
    given = parser.parse_args()
    write_whole(str(CHOICES), text([json.loads(path.read_text(encoding="utf-8")) for path in given.results]))


if __name__ == "__main__":
    main()
