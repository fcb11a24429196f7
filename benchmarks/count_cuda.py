"""Count what the CUDA kernels read, write and execute, without a GPU: in the PTX emulator that POOLZOO_PTXSIM names.

For each case: the bytes that the kernels read from and write to global memory, as multiples of the least (every element
that a window holds read once, every element of the result written once); the 32-byte sectors that these requests touch,
as multiples of the same least in whole sectors; and the PTX instructions per output, of all threads. An emulator knows
no caches and no time: a sector that two requests touch counts twice, though a GPU's cache may serve the second.

    POOLZOO_PTXSIM=FOLDER python benchmarks/count_cuda.py --output benchmarks/results/counts-cuda.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "cuda"))

from ptx_device import (
    DTYPES,
    ONLY_32_BIT,
    Emulator,
    Geometry,
    Library,
    compiled,
    copy_sources,
    encode,
    memory_shape,
    missing as missing_emulator,
    only,
)

from poolzoo._files import write_whole

DTYPES_COUNTED = ("float32", "bfloat16")
#: The second inputs and the parameters of the operators that have them.
INPUTS = {"lip": 2}
PARAMS = {"softpool": 1.0, "adapool": 0.3, "lp": 2.0, "idw": 1e-3}
#: name: kernel_size, stride, padding
WINDOWS = {
    "k2s2": (2, 2, 0),
    "k3s2": (3, 2, 0),
    "k3s2p1": (3, 2, 1),
    "k3s1p1": (3, 1, 1),
    "k5s5": (5, 5, 0),
    "k5s2p2": (5, 2, 2),
    "k5s1p2": (5, 1, 2),
    "global": (0, 1, 0),  # the whole map
}
#: name: output size of an adaptive pool
BINS = {"to6x6": 6}
PLANES = {1: (2, 4, 2048), 2: (1, 4, 128, 128), 3: (1, 2, 16, 32, 32)}
CHANNELS_LAST = (1, 64, 32, 32)
LAST = "channels_last"


class Case(NamedTuple):
    operator: str
    shape: tuple[int, ...]
    window: str
    dtype: str = "float32"
    layout: str = "contiguous"

    def __str__(self) -> str:
        return f"{self.operator} {'x'.join(map(str, self.shape))} {self.window} {self.dtype} {self.layout}"

    def geometry(self) -> Geometry:
        if self.window in BINS:
            return self.bins(BINS[self.window])
        kernel, stride, padding = WINDOWS[self.window]
        lead = 5 - len(self.shape)
        sizes = [(1,) * lead + self.shape[2:], *[[] for _ in range(5)]]
        for axis, n in enumerate(sizes[0]):
            k, s, p = (1, 1, 0) if axis < lead else (kernel or n, stride, padding)
            for values, value in zip(sizes[1:], ((n + 2 * p - k) // s + 1, k, s, p, 1), strict=True):
                values.append(value)
        arrays = {name: tuple(v) for (name, _), v in zip(Geometry._fields_[2:8], sizes, strict=True)}
        return Geometry(batch=self.shape[0], channels=self.shape[1], channels_last=self.layout == LAST, **arrays)

    def bins(self, size: int) -> Geometry:
        sizes = (1,) * (5 - len(self.shape)) + self.shape[2:]
        out = tuple(min(size, n) for n in sizes)
        largest = tuple(
            max(-(-(o + 1) * n // m) - o * n // m for o in range(m)) for n, m in zip(sizes, out, strict=True)
        )
        ones = {"stride": (1, 1, 1), "padding": (0, 0, 0), "dilation": (1, 1, 1)}
        last = self.layout == LAST
        return Geometry(*self.shape[:2], in_=sizes, out=out, kernel=largest, channels_last=last, adaptive=1, **ones)


CASES = [
    *(Case("softpool", PLANES[2], window) for window in WINDOWS if window != "global"),
    *(Case("softpool", CHANNELS_LAST, window, layout=LAST) for window in WINDOWS if window != "global"),
    *(Case("softpool", PLANES[2], window, "bfloat16") for window in ("k2s2", "k3s2p1")),
    *(Case("softpool", PLANES[1], window) for window in ("k2s2", "k3s2p1", "k3s1p1")),
    *(Case("softpool", PLANES[3], window) for window in ("k2s2", "k3s2p1")),
    *(Case("softpool", (8, 64, 14, 14), window) for window in ("k3s2p1", "k3s1p1")),
    *(Case("softpool", (1, 64, n, n), "global", layout=layout) for n in (7, 56) for layout in ("contiguous", LAST)),
    *(Case("softpool", (8, 64, 14, 14), "to6x6", layout=layout) for layout in ("contiguous", LAST)),
    *(Case(name, PLANES[2], window) for name in ("max", "lip", "edscw", "adapool") for window in ("k2s2", "k3s2p1")),
    *(Case(name, PLANES[2], "k5s5") for name in ("edscw", "adapool")),
]


def held(g: Geometry) -> int:
    """The number of elements that some window holds."""
    count = g.batch * g.channels
    if g.adaptive:
        return int(count * np.prod(list(g.in_)))
    for n, out, kernel, stride, padding, hole in zip(
        g.in_, g.out, g.kernel, g.stride, g.padding, g.dilation, strict=True
    ):
        count *= len({p for o in range(out) for t in range(kernel) if 0 <= (p := o * stride - padding + t * hole) < n})
    return count


def counted(gpu: Any, least: dict[str, int], outputs: int) -> dict[str, Any]:
    moved = {kind: [row for (_, k), row in gpu.traffic.items() if k == kind] for kind in "rwa"}
    if gpu.findings or moved["a"]:
        raise RuntimeError(f"the emulator found: {gpu.findings or 'atomics'}")
    total = {(kind, unit): sum(row[unit] for row in moved[kind]) for kind in "rw" for unit in ("bytes", "sectors")}
    names = {"r": "read", "w": "written"}
    return {
        **{f"{names[kind]}_{unit}": n for (kind, unit), n in total.items()},
        **{f"least_{names[kind]}_bytes": n for kind, n in least.items()},
        "bytes_ratio": (total["r", "bytes"] + total["w", "bytes"]) / sum(least.values()),
        "sectors_ratio": 32 * (total["r", "sectors"] + total["w", "sectors"]) / sum(least.values()),
        "instructions_per_output": gpu.executed / outputs,
    }


def run(lib: Library, case: Case) -> list[dict[str, Any]]:
    """The counts of one case, forward and backward."""
    g, n, param = case.geometry(), INPUTS.get(case.operator, 1), PARAMS.get(case.operator, 0.0)
    size, rng = np.dtype(DTYPES[case.dtype].storage).itemsize, np.random.default_rng(0)
    x = [encode(rng.normal(size=memory_shape(g, g.in_)), case.dtype) for _ in range(n)]
    grad = encode(rng.normal(size=memory_shape(g, g.out)), case.dtype)
    read, rows = n * size * held(g), []
    for what, least in (
        ("forward", {"r": read, "w": grad.nbytes}),
        ("backward", {"r": read + grad.nbytes, "w": n * x[0].nbytes}),
    ):
        gpu = lib.start(races=False)
        if what == "forward":
            lib.forward(x, g, case.dtype, param)
        else:
            lib.backward(grad, x, g, case.dtype, param)
        rows.append({"work": f"{case} {what}"} | counted(gpu, least, grad.size))
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| work | bytes, of the least | sectors, of the least | instructions per output |", "|---|---:|---:|---:|"]
    for row in rows:
        ratios = f"{row['bytes_ratio']:.3f} | {row['sectors_ratio']:.2f} | {row['instructions_per_output']:.0f}"
        lines.append(f"| {row['work']} | {ratios} |")
    return "\n".join(lines)


def nvcc_release() -> str:
    told = subprocess.run(["nvcc", "--version"], capture_output=True, text=True, check=True).stdout
    return told.strip().splitlines()[-2].strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", help="JSON file; the table is printed")
    parser.add_argument("--only", default="", help="count only cases whose name contains this, e.g. 'k3s2 float32'")
    given = parser.parse_args()
    if reason := missing_emulator():
        sys.exit(f"nothing to count: {reason}")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        emulator, libraries = Emulator(Path(folder)), {}
        sources = copy_sources(Path(folder) / "sources", only(*DTYPES_COUNTED) | ONLY_32_BIT)
        for case in [case for case in CASES if given.only in str(case)]:
            if case.operator not in libraries:
                libraries[case.operator] = emulator.load(compiled(sources, case.operator, Path(folder)), case.operator)
            rows += run(libraries[case.operator], case)
            print(*table(rows[-2:]).splitlines()[2:], sep="\n", flush=True)  # noqa: T201
    if given.output:
        command = "python benchmarks/count_cuda.py --output benchmarks/results/counts-cuda.json"
        metadata = {
            "compiler": nvcc_release(),
            "target": "compute_80",
            "types": list(DTYPES_COUNTED),
            "command": command,
        }
        write_whole(given.output, json.dumps({"metadata": metadata, "rows": rows}, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
