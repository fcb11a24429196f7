"""Time and accuracy of our SSIM and PSNR, compared with those of scikit-image, torchmetrics, piq and pytorch-msssim, as
far as they are installed.

Everything runs in one process, interleaved: each round times every contender once, so that a busy machine slows all
alike. The table gives medians and quartiles over the rounds, ratios of medians to ours, and the difference of each
score to ours. All get the same photograph and a noisy copy in [0, 1], in the layout that they expect: float64, but
float32 for torch libraries, which is their usual and fastest dtype.

    python benchmarks/bench_metrics.py --rounds 7 --output benchmarks/results/metrics-cpu.json
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import skimage.data
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from timing import interleaved, metadata, save, spread

from poolzoo import native
from poolzoo.analysis.scoring.image_metrics import psnr, ssim

SIZES = [(1404, 2040), (512, 512), (64, 64)]
PEERS = ("torchmetrics", "piq", "pytorch_msssim")
Score = Callable[[], Any]


def installed() -> dict[str, Any]:
    """Return the peers that can be imported, each with its version."""
    found = {}
    for name in PEERS:
        try:
            found[name] = importlib.import_module(name)
        except Exception as error:  # absent, or of another torch: the others are timed all the same
            print(f"{name}: left out ({error})", file=sys.stderr)  # noqa: T201
    return found


def images(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph, tiled if it is too small, and a noisy copy."""
    photo = np.tile(skimage.data.astronaut(), (-(-height // 512), -(-width // 512), 1))[:height, :width] / 255
    return photo, (photo + np.random.default_rng(0).normal(0, 0.05, photo.shape)).clip(0, 1)


def scikit_ssim(x: np.ndarray, y: np.ndarray) -> float:
    paper = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(x, y, data_range=1, channel_axis=-1, **paper))


def contenders(metric: str, x: np.ndarray, y: np.ndarray, peers: dict[str, Any]) -> dict[str, Score]:
    """Return the functions to time, by name; ``native`` is ours."""
    ours, scikit = {"ssim": (ssim, scikit_ssim), "psnr": (psnr, peak_signal_noise_ratio)}[metric]
    arguments = {} if metric == "ssim" else {"data_range": 1}
    functions: dict[str, Score] = {"native": lambda: ours(x, y), "scikit-image": lambda: scikit(x, y, **arguments)}
    # Peers are handed what they ask for, batch x channels x height x width, ready made.
    small = x.size < 1_000_000  # float64 convolutions of a large image take torch half a minute each
    for dtype in (torch.float64, torch.float32) if small else (torch.float32,):
        a, b = (torch.from_numpy(z.transpose(2, 0, 1)[None].copy()).to(dtype) for z in (x, y))
        suffix = "" if dtype is torch.float64 else " float32"
        for name, call in _peers(metric, peers).items():
            functions[f"{name}{suffix}"] = lambda call=call, a=a, b=b: call(a, b)  # type: ignore[misc]
    return functions


def _peers(metric: str, peers: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    calls: dict[str, Callable[..., Any]] = {}
    if "torchmetrics" in peers:
        image = importlib.import_module("torchmetrics.functional.image")
        name = "structural_similarity_index_measure" if metric == "ssim" else "peak_signal_noise_ratio"
        calls["torchmetrics"] = lambda a, b: getattr(image, name)(b, a, data_range=1.0)
    if "piq" in peers:  # its SSIM halves large images first unless told not to
        more = {"downsample": False} if metric == "ssim" else {}
        calls["piq"] = lambda a, b: getattr(peers["piq"], metric)(a, b, data_range=1.0, **more)
    if "pytorch_msssim" in peers and metric == "ssim":
        calls["pytorch-msssim"] = lambda a, b: peers["pytorch_msssim"].ssim(a, b, data_range=1.0)
    return calls


def run(metric: str, size: tuple[int, int], rounds: int, peers: dict[str, Any]) -> dict[str, Any]:
    functions = contenders(metric, *images(*size), peers)
    scores = {name: float(function()) for name, function in functions.items()}
    row: dict[str, Any] = {"work": f"{metric} {size[0]}x{size[1]} RGB"}
    for name, times in interleaved(functions, rounds).items():
        row[name] = spread(times)
    names = [name for name in functions if name != "native"]
    row["ratio"] = {name: row[name]["median_s"] / row["native"]["median_s"] for name in names}
    row["score"] = scores["native"]
    row["difference"] = {name: scores[name] - scores["native"] for name in names}
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table: our time and spread, the others' times as multiples, and their scores' differences."""
    names = list(dict.fromkeys(name for row in rows for name in row["ratio"]))
    lines = [f"| work | native ms (IQR) | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for row in rows:
        ours = f"{row['native']['median_s'] * 1e3:.2f} ({row['native']['iqr_s'] * 1e3:.2f})"
        cells = [f"{row['ratio'][n]:.1f}x ({row['difference'][n]:.0e})" if n in row["ratio"] else "" for n in names]
        lines.append(f"| {row['work']} | {ours} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", help="JSON file; the table is printed")
    given = parser.parse_args()
    if reason := native.why_no_metrics():
        sys.exit(f"nothing to time: {reason}")
    peers = installed()
    rows = []
    for size in SIZES:
        for metric in ("ssim", "psnr"):
            rows.append(run(metric, size, given.rounds, peers))
            print(table(rows[-1:]), flush=True)  # noqa: T201
    versions = {name: importlib.metadata.version(name.replace("_", "-")) for name in peers}
    save(given.output, metadata(**versions, rounds=given.rounds), rows)
    print("\n" + table(rows))  # noqa: T201


if __name__ == "__main__":
    main()
