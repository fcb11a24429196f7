"""Time our pools and, for comparison, torch's, the two-average composition, torch.compile of it, and reading and
copying the tensor.

Everything runs in one process, interleaved: each round times every contender once, so that a busy machine slows all
alike. The table gives medians and quartiles over the rounds, and ratios of medians to ours.

On a GPU, times are measured between two CUDA events, after a write that is larger than the cache.

    python benchmarks/bench_operators.py --rounds 11 --output benchmarks/results/operators-cpu.json
    python benchmarks/bench_operators.py --rounds 21 --device cuda --output benchmarks/results/operators-cuda.json
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
from timing import AVG, MAX, interleaved, interleaved_on_gpu, metadata, save, softpool_of_averages, spread
from torch import Tensor

import poolzoo.functional as pools
from poolzoo import native
from poolzoo.analysis.studies.profile import saved_bytes

#: name: kernel_size, stride, padding
WINDOWS = {"k2s2": (2, 2, 0), "k3s2": (3, 2, 0), "k3s2p1": (3, 2, 1), "k5s5": (5, 5, 0)}
WINDOWS_ON_A_GPU = {"k5s1p2": (5, 1, 2), "k5s2p2": (5, 2, 2), "k7": (7, 7, 0)}
#: The native operators, by their functions' names.
FUNCTIONS = {name: f"{name}_pool" for name in ("max", "avg", "lp", "lip", "edscw", "idw")}
FUNCTIONS |= {"softpool": "soft_pool", "adapool": "ada_pool"}
#: operator, shape, windows, dtype, channels_last, with the backward pass
Case = tuple[str, tuple[int, ...], str, torch.dtype, bool, bool]
MAIN = (20, 32, 128, 128)
SHAPES = [MAIN, (32, 64, 112, 112), (1, 3, 1404, 2040), (8, 64, 56, 56), (4, 16, 16, 64, 64), (16, 64, 16384)]
f32, bf16, f16 = torch.float32, torch.bfloat16, torch.float16
CASES: list[Case] = [
    *(("softpool", shape, window, f32, False, False) for shape in SHAPES for window in WINDOWS),
    *(("softpool", MAIN, window, f32, True, False) for window in WINDOWS),
    *(("softpool", MAIN, "k2s2", dtype, False, False) for dtype in (bf16, f16, torch.float64)),
    *(("softpool", MAIN, window, f32, layout, True) for window in ("k2s2", "k3s2p1") for layout in (False, True)),
    ("softpool", (1, 8, 8, 8), "k2s2", f32, False, False),
    *((name, shape, window, f32, False, False) for name in ("max", "avg") for shape in SHAPES for window in WINDOWS),
    *((name, MAIN, window, f32, True, False) for name in ("max", "avg") for window in WINDOWS),
    *((name, MAIN, "k2s2", f32, layout, True) for name in ("max", "avg") for layout in (False, True)),
    *(
        (name, MAIN, window, f32, False, backward)
        for name in ("lp", "lip", "edscw", "idw", "adapool")
        for window in ("k2s2", "k3s2p1")
        for backward in (False, True)
    ),
]
#: What has kernels of its own on a GPU alone; k7 of 7x7 maps is a global pool.
CASES_ON_A_GPU: list[Case] = [
    *(
        ("softpool", MAIN, window, f32, layout, backward)
        for window in ("k5s1p2", "k5s2p2")
        for layout, backward in ((False, False), (False, True), (True, False))
    ),
    ("softpool", (4, 16, 16, 64, 64), "k3s2p1", f32, False, True),
    *(("softpool", (32, 1152, 7, 7), "k7", f32, layout, not layout) for layout in (False, True)),
]


def composition(x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    return softpool_of_averages(x, lambda t: AVG[x.dim() - 2](t, kernel, stride, padding))


def describe(case: Case) -> str:
    operator, shape, window, dtype, channels_last, backward = case
    layout = "channels_last" if channels_last else "contiguous"
    what = "forward+backward" if backward else "forward"
    return f"{operator} {'x'.join(map(str, shape))} {window} {str(dtype).removeprefix('torch.')} {layout} {what}"


def ours(operator: str, x: Tensor, window: str, backend: str) -> Callable[[Tensor], Tensor]:
    function = getattr(pools, f"{FUNCTIONS[operator]}{x.dim() - 2}d")
    beside = {"logit": x.detach().flip(-1).clone(memory_format=torch.preserve_format)} if operator == "lip" else {}
    return functools.partial(function, **_arguments(window), backend=backend, **beside)


def _arguments(window: str) -> dict[str, int]:
    return dict(zip(("kernel_size", "stride", "padding"), windows_named(window), strict=True))


def windows_named(name: str) -> tuple[int, int, int]:
    return (WINDOWS | WINDOWS_ON_A_GPU)[name]


def contenders(
    operator: str, x: Tensor, window: str, backward: bool, compiled: Callable[..., Tensor]
) -> dict[str, Callable[[], Any]]:
    """Return the functions to time, by name; ``native`` is ours, ``reference`` the same operator in torch operators."""
    arguments, ndim = windows_named(window), x.dim() - 2
    forward: dict[str, Callable[[Tensor], Tensor]] = {
        "native": ours(operator, x, window, "native"),
        "avg_pool": lambda t: AVG[ndim](t, *arguments),
        "max_pool": lambda t: MAX[ndim](t, *arguments),
    }
    if operator == "softpool":
        forward["composition"] = lambda t: composition(t, *arguments)
        forward["compiled"] = lambda t: compiled(t, *arguments)
    elif operator not in ("max", "avg"):
        forward["reference"] = ours(operator, x, window, "reference")
    if not backward:
        return {name: (lambda f=f: f(x)) for name, f in forward.items()} | {"read": x.sum, "copy": x.clone}
    x.requires_grad_()
    seed = torch.ones_like(forward["native"](x))
    return {name: (lambda f=f: torch.autograd.grad(f(x), x, seed)) for name, f in forward.items()}


def run(case: Case, rounds: int, compile_too: bool, device: str) -> dict[str, Any]:
    operator, shape, window, dtype, channels_last, backward = case
    torch.manual_seed(0)
    x = torch.randn(shape).to(device, dtype)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    torch._dynamo.reset()
    functions = contenders(operator, x, window, backward, torch.compile(composition) if compile_too else composition)
    if not compile_too:
        functions.pop("compiled", None)
    with torch.set_grad_enabled(backward):
        seconds = (interleaved_on_gpu if x.is_cuda else interleaved)(functions, rounds)
        row: dict[str, Any] = {
            "work": describe(case),
        }
        if backward:
            size = x.numel() * x.element_size()
            row["saved_native"] = saved_bytes(ours(operator, x, window, "native"), x)[1] / size
            row["saved_composition"] = saved_bytes(lambda t: composition(t, *windows_named(window)), x)[1] / size
    row |= {name: spread(times) for name, times in seconds.items()}
    native_s = row["native"]["median_s"]
    row["ratio"] = {name: row[name]["median_s"] / native_s for name in seconds if name != "native"}
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table: our time and spread, then the others' times as multiples."""
    names = ["avg_pool", "max_pool", "composition", "compiled", "reference", "copy", "read"]
    lines = [
        "| work | native ms (IQR) | " + " | ".join(f"{name} x" for name in names) + " |",
        "|---" * (len(names) + 2) + "|",
    ]
    for row in rows:
        ours = f"{row['native']['median_s'] * 1e3:.3f} ({row['native']['iqr_s'] * 1e3:.3f})"
        ratios = [f"{row['ratio'][name]:.2f}" if name in row["ratio"] else "" for name in names]
        lines.append(f"| {row['work']} | {ours} | " + " | ".join(ratios) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", help="JSON file; the table is printed")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", default="", help="run only cases whose name contains this, e.g. 'k2s2 float32'")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    given = parser.parse_args()
    if reason := native.why_not(given.device):
        sys.exit(f"nothing to time: {reason}")
    rows = []
    for case in [*CASES, *(CASES_ON_A_GPU if given.device == "cuda" else [])]:
        name = describe(case)
        if given.only in name:
            rows.append(run(case, given.rounds, not given.no_compile, given.device))
            print(table(rows[-1:]).splitlines()[-1], flush=True)  # noqa: T201
    save(given.output, metadata(rounds=given.rounds), rows)
    print("\n" + table(rows))  # noqa: T201


if __name__ == "__main__":
    main()
