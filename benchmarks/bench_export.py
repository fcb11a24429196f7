"""Time pools that torch.onnx.export wrote, in onnxruntime, next to torch's max pool written in the same way.

Everything runs in one process, interleaved: each round times every file once, so that a busy machine slows all alike.
The table gives medians and quartiles over the rounds, and ratios of medians to MaxPool's. "wide" is the same file given
values around +-1e4, for which exponentials are taken window by window; "definition" is the file that
``backend="reference"`` gives, which copies every window.

With one thread, times are of the processor, so that other programs on the machine do not count.

    python benchmarks/bench_export.py --rounds 21 --threads 1 --output benchmarks/results/export-cpu.json
"""

from __future__ import annotations

import argparse
import collections
import functools
import io
import statistics
import time
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from timing import interleaved, metadata, save, spread

import poolzoo

SHAPE = (1, 64, 112, 112)
WINDOWS = {"kernel_size": 3, "stride": 2, "padding": 1}
SPECS = (
    *("max", "avg", "softpool", "lp", "lp:p=3", "lip", "adapool", "edscw", "gem", "power", "lse"),
    *("blur", "avg_blur", "max_blur", "mixed", "gated", "stochastic", "haar"),
)
#: Files with an If between exponentials of the whole map and of each window.
TWO_WAYS = ("softpool", "lip", "adapool", "gem", "lse")
#: The most that some may take, as multiples of MaxPool.
BARS = {"softpool": 6, "lp": 3, "blur": 3, "adapool": 25}


def exported(spec: str, x: torch.Tensor, **arguments: Any) -> bytes:
    pool = poolzoo.create_pool(spec, **WINDOWS, **arguments).eval()
    pool.take_channels(x.shape[1])
    program = torch.onnx.export(pool, (x,), dynamo=True, verbose=False)
    assert program is not None
    buffer = io.BytesIO()
    program.save(buffer)
    return buffer.getvalue()


def operators(model: bytes) -> str:
    """Return the operators of the graph's main branch with their numbers."""
    found = collections.Counter(node.op_type for node in onnx.load_from_string(model).graph.node)
    return ", ".join(f"{count} {name}" if count > 1 else name for name, count in found.items())


def session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def contenders(x: torch.Tensor, only: str, threads: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a function to time for each file and input, and the operators of each file."""
    functions, graphs = {}, {}
    for spec in SPECS:
        if only not in spec and spec != "max":
            continue
        model = exported(spec, x)
        graphs[spec] = operators(model)
        run = session(model, threads)
        feed = run.get_inputs()[0].name
        functions[spec] = functools.partial(run.run, None, {feed: x.numpy()})
        if spec in TWO_WAYS:
            functions[f"{spec}, wide"] = functools.partial(run.run, None, {feed: (1e4 * x).numpy()})
    if only in "softpool":
        old = session(exported("softpool", x, backend="reference"), threads)
        functions["softpool, definition"] = functools.partial(old.run, None, {old.get_inputs()[0].name: x.numpy()})
    return functions, graphs


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| file | ms (IQR) | x MaxPool | bar | operators |", "|---|---|---|---|---|"]
    for row in rows:
        bar = f"{row['bar']}" if "bar" in row else ""
        time = f"{row['median_s'] * 1e3:.3f} ({row['iqr_s'] * 1e3:.3f})"
        lines.append(f"| {row['work']} | {time} | {row['ratio']:.2f} | {bar} | {row.get('operators', '')} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--threads", type=int, default=0, help="of onnxruntime; 0 takes one per core")
    parser.add_argument("--output", help="JSON file; the table is printed")
    parser.add_argument("--only", default="", help="export only operators whose name contains this")
    given = parser.parse_args()
    x = torch.from_numpy(np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32))
    functions, graphs = contenders(x, given.only, given.threads)
    clock = time.process_time if given.threads == 1 else time.perf_counter
    seconds = interleaved(functions, given.rounds, clock)
    base = statistics.median(seconds["max"])
    rows = []
    for name, times in seconds.items():
        row: dict[str, Any] = {"work": name, **spread(times), "ratio": statistics.median(times) / base}
        row |= {"bar": BARS[name]} if name in BARS else {}
        rows.append(row | ({"operators": graphs[name]} if name in graphs else {}))
    facts = metadata(
        onnxruntime=onnxruntime.__version__,
        threads=given.threads or "one per core",
        clock=clock.__name__,
        shape="x".join(map(str, SHAPE)),
        windows="3x3, stride 2, padding 1",
        rounds=given.rounds,
    )
    save(given.output, facts, rows)
    print(table(rows))  # noqa: T201


if __name__ == "__main__":
    main()
