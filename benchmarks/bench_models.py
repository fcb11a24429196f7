"""Time softpool, max and avg on the pooling calls that published networks make, next to torch's own pool of the call,
SoftPool as two average pools, and torch.compile of that.

The calls are those of ``tests/model_pools.json``, in each memory layout, batch size, dtype and pass. Everything runs in
one process, interleaved: each round times every contender once, so that a busy machine slows all alike. With one
thread, times are of the processor, so that other programs on the machine do not count; else they are of the clock, and
on a GPU between two CUDA events, after a write that is larger than the cache.

It prints ratios of medians: a summary, then every case that loses or misses its target. ``--compiled`` times max and
avg inside torch.compile instead, with each backend: what the compiler makes of torch's pool is the reference.

    python benchmarks/bench_models.py --threads 1 2 --output benchmarks/results/models-cpu.json
    python benchmarks/bench_models.py --batch 4 --dtype float32 --passes forward --no-compile
    python benchmarks/bench_models.py --device cuda --output benchmarks/results/models-cuda.json
    python benchmarks/bench_models.py --compiled --operator max avg --batch 4 --dtype float32 --passes forward
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from timing import interleaved, interleaved_on_gpu, metadata, save, softpool_of_averages, spread
from torch import Tensor

import poolzoo.functional as pools
from poolzoo import _console, native

CALLS = Path(__file__).parents[1] / "tests" / "model_pools.json"
OPERATORS = {"softpool": "soft_pool2d", "max": "max_pool2d", "avg": "avg_pool2d"}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
GROUPS = ("windowed", "global", "adaptive")
PASSES = ("forward", "forward+backward")
BATCHES = (1, 4, 32)
#: Batches of 32 whose tensor is larger are left out.
MOST_BYTES = 1 << 28
#: Contenders that are compared: ours, and the other one.
COMPARISONS = (
    ("softpool", "composition"),
    ("softpool", "compiled"),
    ("softpool", "torch's pool"),
    ("softpool", "softpool float32"),
    ("max", "torch max"),
    ("avg", "torch avg"),
    *((f"{operator} native compiled", f"{operator} reference compiled") for operator in OPERATORS),
)
#: A ratio below this is a loss whatever the target; between this and 1 two equal functions may differ.
EQUAL = 0.95


@dataclass(frozen=True)
class Case:
    """One pooling call of a network with all that it depends on."""

    call: dict[str, Any]
    threads: int
    batch: int
    dtype: str
    layout: str
    passes: str

    @property
    def windows(self) -> dict[str, Any]:
        return {key: value for key, value in self.call.items() if key not in ("op", "shape", "models")}

    @property
    def group(self) -> str:
        """Return ``global`` for windows as large as the map, else ``adaptive`` or ``windowed``."""
        sizes, size = self.call["shape"][1:], self.call.get("output_size")
        if size == [1, 1] or sizes == [self.call.get("kernel_size")] * 2:
            return "global"
        return "adaptive" if size else "windowed"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.batch, *self.call["shape"])

    @property
    def facts(self) -> dict[str, Any]:
        """Return what the case's row says of it."""
        keys = ("threads", "batch", "dtype", "layout", "passes")
        return {"work": str(self), **{key: getattr(self, key) for key in keys}, "group": self.group, **self.call}

    def __str__(self) -> str:
        given = self.windows
        windows = f"to {given['output_size'][0]}x{given['output_size'][1]}" if "output_size" in given else _short(given)
        shape, threads = "x".join(map(str, self.shape)), f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{self.call['op']} {shape} {windows} {self.dtype} {self.layout} {self.passes} {threads}"


def _short(windows: dict[str, Any]) -> str:
    text = f"k{windows['kernel_size']}s{windows['stride']}"
    return text + (f"p{windows['padding']}" if windows["padding"] else "") + (" ceil" if windows["ceil_mode"] else "")


def cases(given: argparse.Namespace) -> list[Case]:
    """Return the cases that the command line asks for."""
    calls = json.loads(CALLS.read_text(encoding="utf-8"))
    found = []
    for threads, batch, dtype, passes, layout, call in itertools.product(
        given.threads, given.batch, given.dtype, given.passes, given.layout, calls
    ):
        case = Case(call, threads, batch, dtype, layout, passes)
        fits = batch <= 4 or math.prod(case.shape) * DTYPES[dtype].itemsize <= MOST_BYTES
        if fits and given.only in str(case):
            found.append(case)
    return found


def ours(operator: str, case: Case, backend: str) -> Callable[[Tensor], Tensor]:
    name = OPERATORS[operator]
    function = getattr(pools, f"adaptive_{name}" if "output_size" in case.call else name)
    return functools.partial(function, **case.windows, backend=backend)


def torchs(operator: str, case: Case) -> Callable[[Tensor], Tensor]:
    """Return torch's ``max`` or ``avg`` of the case's windows."""
    windows = case.windows
    if "output_size" in windows:
        return functools.partial(getattr(F, f"adaptive_{operator}_pool2d"), output_size=windows["output_size"])
    more = {"count_include_pad": False} if operator == "avg" else {}
    return functools.partial(getattr(F, f"{operator}_pool2d"), **windows, **more)


def torchs_name(case: Case) -> str:
    """Return the contender that is torch's own pool of the call."""
    return "torch max" if case.call["op"].startswith("max") else "torch avg"


def pool_functions(case: Case, operators: Iterable[str], compile_too: bool) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the functions to time, by name, as functions of the input."""
    found: dict[str, Callable[[Tensor], Tensor]] = {torchs_name(case): torchs(torchs_name(case)[-3:], case)}
    for operator in operators:
        found[operator] = ours(operator, case, "auto")
        if operator == "softpool":
            composition = functools.partial(softpool_of_averages, average=torchs("avg", case))
            found["composition"] = composition
            if compile_too:
                found["compiled"] = torch.compile(composition, dynamic=False)
        else:
            found |= {f"{operator} {backend}": ours(operator, case, backend) for backend in ("native", "reference")}
            found[f"torch {operator}"] = torchs(operator, case)
    return found


def compiled_functions(case: Case, operators: Iterable[str]) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the operators inside torch.compile with each backend."""
    return {
        f"{operator} {backend} compiled": torch.compile(ours(operator, case, backend), dynamic=False)
        for operator in operators
        for backend in ("native", "reference")
    }


def contenders(case: Case, given: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """Return the functions to time, by name; each has been called once, so that it is built and compiled."""
    torch.manual_seed(0)
    x = torch.randn(case.shape).to(given.device, DTYPES[case.dtype], memory_format=LAYOUTS[case.layout])
    if given.compiled:
        chosen = compiled_functions(case, given.operator)
    else:
        chosen = pool_functions(case, given.operator, not given.no_compile)
    functions = {name: (f, x) for name, f in chosen.items()}
    if case.dtype != "float32" and not given.compiled:
        wide = x.float()
        functions |= {f"{name} float32": (functions[name][0], wide) for name in given.operator}
    ready: dict[str, Callable[[], Any]] = {}
    for name, (function, input) in functions.items():
        try:
            call = _with_backward(function, input) if case.passes == PASSES[1] else functools.partial(function, input)
            if name.endswith("compiled"):
                call()
        except RuntimeError as error:
            if "backend='native'" not in str(error):
                raise
            continue  # of windows that no native operator has on this device
        ready[name] = call
    if x.is_cuda and case.passes == PASSES[0]:
        ready["copy"] = x.clone
    return ready


def _with_backward(function: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], Any]:
    x = x.detach().requires_grad_()
    seed = torch.ones_like(function(x))
    return lambda: torch.autograd.grad(function(x), x, seed)


def run(case: Case, given: argparse.Namespace) -> dict[str, Any]:
    """Time one case and return its row."""
    torch.set_num_threads(case.threads)
    torch._dynamo.reset()
    with torch.set_grad_enabled(case.passes == PASSES[1]):
        functions = contenders(case, given)
        if given.device == "cuda":
            seconds = interleaved_on_gpu(functions, given.rounds)
        else:
            clock = time.process_time if case.threads == 1 else time.perf_counter
            seconds = interleaved(functions, given.rounds, clock, given.cap)
    row = case.facts
    for name, times in seconds.items():
        row[name] = {key: float(f"{value:.4g}") for key, value in spread(times).items()}
    row["ratio"] = {}
    for ours, against in COMPARISONS:
        other = torchs_name(case) if against == "torch's pool" else against
        if ours in row and other in row:
            row["ratio"][f"{ours} / {against}"] = round(row[other]["median_s"] / row[ours]["median_s"], 3)
    return row


def target(name: str, row: dict[str, Any]) -> float:
    """Return the ratio of times that the comparison is to reach in this case."""
    windowed = row["group"] == "windowed"
    if name == "softpool / composition":
        return 2.0 if row["passes"] == PASSES[1] else 1.0 if windowed else 1.5
    if name == "softpool / torch's pool":
        return (0.5 if row["layout"] == "channels_last" else 1.0) if windowed else 0.25
    if name == "softpool / softpool float32":
        large = math.prod((row["batch"], *row["shape"])) >= 1 << 15
        return 1 / 1.1 if large else 0.0
    return EQUAL if name.startswith(("max", "avg")) else 1.0


def summary(rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table of the ratios by comparison and kind of case."""
    groups: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    for name, row in itertools.product((f"{ours} / {against}" for ours, against in COMPARISONS), rows):
        if name in row["ratio"]:
            kind = (str(row["threads"]), str(row["batch"]), row["dtype"], row["passes"], row["layout"])
            for group in ("all", row["group"]):
                groups[(name, *kind, group)].append((row["ratio"][name], target(name, row)))
    lines = [
        "| ours / theirs | threads | batch | dtype | passes | layout | windows "
        "| cases | median x | worst x | below 1 | below target |",
        "|---" * 12 + "|",
    ]
    for key, found in groups.items():
        ratios, below = [ratio for ratio, _ in found], sum(ratio < least for ratio, least in found)
        figures = f"{len(found)} | {statistics.median(ratios):.2f} | {min(ratios):.2f} | {sum(r < 1 for r in ratios)}"
        lines.append(f"| {' | '.join(key)} | {figures} | {below} |")
    return "\n".join(lines)


def losses(rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table of the cases that lose or miss their target, the worst of each comparison first."""
    lines = ["| ours / theirs | x | target | ours ms (IQR) | work |", "|---|---|---|---|---|"]
    for ours, against in COMPARISONS:
        name = f"{ours} / {against}"
        found = [row for row in rows if name in row["ratio"] and row["ratio"][name] < max(EQUAL, target(name, row))]
        for row in sorted(found, key=lambda row: row["ratio"][name]):
            time = f"{row[ours]['median_s'] * 1e3:.3f} ({row[ours]['iqr_s'] * 1e3:.3f})"
            lines.append(f"| {name} | {row['ratio'][name]:.2f} | {target(name, row):.2f} | {time} | {row['work']} |")
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--layout", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--passes", nargs="+", choices=PASSES, default=PASSES)
    parser.add_argument("--operator", nargs="+", choices=OPERATORS, default=list(OPERATORS))
    parser.add_argument("--only", default="", help="run only cases whose description contains this, e.g. 'k3s2p1'")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--compiled", action="store_true", help="time each backend inside torch.compile, nothing else")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cap", type=float, default=0.3, help="the most seconds for one function of one case")
    parser.add_argument("--output", help="JSON file; the tables are printed")
    return parser.parse_args()


def main() -> None:
    given = parse()
    for operator in given.operator:
        if reason := native.why_not(given.device, operator):
            sys.exit(f"nothing to time: {reason}")
    wanted, rows = cases(given), []
    if not wanted:
        sys.exit(f"--only {given.only!r}: no case contains this; a case reads like max_pool2d 4x64x112x112 k3s2p1 ...")
    with _console.progress("cases") as step:
        for number, case in enumerate(wanted, 1):
            rows.append(run(case, given))
            step(number, len(wanted))
    save(given.output, metadata(device=given.device, rounds=given.rounds, cap_s=given.cap), rows)
    print(f"{summary(rows)}\n\n{losses(rows)}")  # noqa: T201


if __name__ == "__main__":
    main()
