"""Time a dataset run with one and with two workers, and a plain script that loops scikit-image's metrics.

Images are crops of scikit-image's photographs. All contenders score the same images with the same operators, one after
the other in each round; times run from the start of Python to the last row. The plain script uses Pillow, poolzoo's
operators as torch modules, `interpolate`, and scikit-image's SSIM and PSNR. Peak memory is that of the main process
only, for the first images and for all of them.

    python benchmarks/bench_dataset.py --output benchmarks/results/dataset-cpu.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

from poolzoo._files import write_whole
from poolzoo.analysis.results.machine import describe_machine

#: Twelve operators that are neither learnable nor stochastic: one row per image each.
POOLS = ("avg", "max", "strided", "median", "lp:p=3", "lse", "softpool", "blur", "max_blur", "haar", "area", "lanczos")
PHOTOGRAPHS = ("coffee", "astronaut", "rocket", "hubble_deep_field", "retina", "immunohistochemistry")
HEIGHT, WIDTH = 384, 512

PLAIN = """
import sys
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
import poolzoo
from poolzoo import engine
folder, *specs = sys.argv[1:]
pools = {spec: poolzoo.create_pool(spec, kernel_size=2).double().eval() for spec in specs}
rows = []
for path in sorted(Path(folder).iterdir()):
    image = np.asarray(Image.open(path).convert("RGB")) / 255
    x = torch.from_numpy(image).permute(2, 0, 1)[None]
    for spec, pool in pools.items():
        with torch.no_grad(), engine.by_reference():
            y = torch.nn.functional.interpolate(pool(x), size=image.shape[:2], mode="bilinear")
        rebuilt = y[0].permute(1, 2, 0).numpy()
        ssim = structural_similarity(
            image, rebuilt, data_range=1, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        rows.append((path.name, spec, ssim, peak_signal_noise_ratio(image, rebuilt, data_range=1)))
print(len(rows))
"""

#: The command line, which prints its peak memory at the end; VmHWM starts anew with each program.
OURS = """
import atexit, re, sys
from pathlib import Path
from poolzoo import cli
status = Path("/proc/self/status")
atexit.register(lambda: print("VmHWM", re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1], file=sys.stderr))
if __name__ == "__main__":
    cli.main()
"""


def make_images(folder: Path, count: int) -> Path:
    """Write ``count`` crops of the photographs, always the same ones."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    photographs = [getattr(skimage.data, name)() for name in PHOTOGRAPHS]
    for number in range(count):
        photo = photographs[number % len(photographs)]
        top, left = (int(draw.integers(0, limit + 1)) for limit in (photo.shape[0] - HEIGHT, photo.shape[1] - WIDTH))
        Image.fromarray(photo[top : top + HEIGHT, left : left + WIDTH]).save(folder / f"{number:04}.png")
    return folder


def run(program: str, *arguments: object) -> tuple[float, str]:
    """Return the seconds of a command and its stderr."""
    began = time.perf_counter()
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: exit code {done.returncode}: {done.stderr}")
    return time.perf_counter() - began, done.stderr


def ours(folder: Path, store: Path, jobs: int) -> tuple[float, float]:
    """Return the seconds, and the peak memory of the main process in MiB."""
    store.unlink(missing_ok=True)
    pools = [part for spec in POOLS for part in ("--pool", spec)]
    seconds, said = run(OURS, "compare", "--dataset", folder, "--store", store, "--jobs", jobs, *pools)
    return seconds, int(said.split()[-1]) / 1024


def measure(work: Path, count: int, few: int, rounds: int) -> dict[str, Any]:
    everything, start = make_images(work / "all", count), make_images(work / "few", few)
    seconds: dict[str, list[float]] = {"plain": [], "one worker": [], "two workers": []}
    memory: dict[int, list[float]] = {few: [], count: []}
    for _ in range(rounds):
        seconds["plain"].append(run(PLAIN, everything, *POOLS)[0])
        for name, jobs in (("one worker", 1), ("two workers", 2)):
            took, peak = ours(everything, work / "run.sqlite", jobs)
            seconds[name].append(took)
        memory[count].append(peak)
        memory[few].append(ours(start, work / "run.sqlite", 2)[1])
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    peaks = {str(images): statistics.median(mib) for images, mib in memory.items()}
    return {
        "images": count,
        "size": f"{HEIGHT}x{WIDTH}",
        "operators": list(POOLS),
        "seconds": seconds,
        "plain_over_two_workers": middle["plain"] / middle["two workers"],
        "one_over_two_workers": middle["one worker"] / middle["two workers"],
        "main_process_mib": peaks,
        "memory_ratio": peaks[str(count)] / peaks[str(few)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--few", type=int, default=20, help="number of images in the second measurement of memory")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--output", help="JSON file; the figures are printed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        found = measure(Path(work), given.images, given.few, given.rounds)
    metadata = describe_machine() | {"rounds": given.rounds, "command": " ".join(sys.argv)}
    text = json.dumps({"metadata": metadata, **found}, indent=1, allow_nan=False) + "\n"
    if given.output:
        write_whole(given.output, text)
    print(text, end="")  # noqa: T201


if __name__ == "__main__":
    main()
