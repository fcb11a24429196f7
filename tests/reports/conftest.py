"""Results as analysis would measure them, made up: 28 operators, two images, seeds, an error, names that bite."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import TIME_KEYS

DOCS = Path(__file__).parents[2] / "docs"

HOSTILE = "<img src=x onerror=alert(1)>.png"

#: As many images as an interval needs.
FIVE = ("coffee", "astronaut", "cat", "rocket", "clock")

# fmt: off
NAMES = [
    "avg", "max", "sum", "strided", "median", "lp", "power", "gem", "lse", "mixed", "gated", "lip", "softpool",
    "softpool_detached", "softpool_channelsum", "blur", "max_blur", "checkered", "area", "bilinear", "bicubic",
    "lanczos", "dpp", "idw", "edscw", "haar", "spectral",
]
# fmt: on
LEARNABLE = {"power", "gem", "gated", "lip", "mixed", "dpp"}


def docs_script(name):
    """A script of docs as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def compare_row(image, pool, psnr, ssim, **more):
    base = {
        "image": image,
        "pool": pool,
        "params": "",
        "kernel_size": 2,
        "stride": 2,
        "padding": 0,
        "dilation": 1,
        "ceil_mode": False,
        "upsample": "bilinear",
        "align": "center",
        "normalize": "none",
        "protocol": "roundtrip",
        "input": "image",
        "state": "initial" if pool in LEARNABLE else "fixed",
        "seed": None,
        "data_range": 1.0,
        "decoder_fitted_on": None,
        "pool_fitted_on": None,
        "kept": 0.5 if pool == "checkered" else 0.25,
        "equal_kept": pool != "checkered",
        "psnr": psnr,
        "ssim": ssim,
        "forward_s": 0.001 * (1 + len(pool)),
        "forward_iqr_s": None,
        "forward_backend": "native",
        "forward_dtype": "float32",
        "forward_shape": "1x3x40x64",
        "error": None,
    }
    return base | more


def failed_row(image, pool, message, **more):
    nothing = dict.fromkeys(("kept", "equal_kept", *TIME_KEYS))
    return compare_row(image, pool, None, None, **nothing | {"error": message} | more)


def make_compare(images=("coffee", "astronaut"), rows=None, **metadata):
    """Scores fall with the operator's place in NAMES; checkered, which keeps more, and sum stand far off."""
    if rows is None:
        rows = []
        for shift, image in enumerate(images):
            for place, pool in enumerate(NAMES):
                psnr = {"sum": -3.7, "checkered": 34.8}.get(pool, 28.0 - 0.1 * place) + 0.5 * shift
                rows.append(compare_row(image, pool, psnr, psnr / 32, forward_s=0.001 * (1 + place)))
            for seed in range(3):
                rows.append(compare_row(image, "stochastic", 24.0 + 0.1 * seed, 0.75, state="train", seed=seed))
            rows.append(compare_row(image, "stochastic", 27.0, 0.84, state="eval"))
    known = {
        "poolzoo": "0.1",
        "created": "2026-01-01T00:00:00Z",
        "command": "poolzoo compare",
        "machine": {"cpu": "a processor"},
        "baseline": "avg",
        "metrics": ["psnr", "ssim"],
        "images": [
            {"name": name, "width": 65, "height": 40, "cropped_width": 64, "cropped_height": 40} for name in images
        ],
        "pools": [
            {
                "label": name,
                "name": name,
                "params": "",
                "formula": f"f_{name}(a)",
                "source": f"the {name} paper",
                "summary": "A mean.",
                "family": "xyz"[len(name) % 3],
            }
            for name in (*NAMES, "stochastic")
        ],
    }
    return Result("compare", known | metadata, rows)


def profile_row(pool, seconds, **more):
    base = {
        "pool": pool,
        "params": "",
        "state": "initial" if pool in LEARNABLE else "fixed",
        "device": "cpu",
        "dtype": "float32",
        "shape": "20x32x128x128",
        "kernel_size": 2,
        "stride": 2,
        "padding": 0,
        "dilation": 1,
        "ceil_mode": False,
        "layout": "contiguous",
        "threads": 2,
        "backend": "torch",
        "forward_s": seconds,
        "forward_iqr_s": seconds / 20,
        "backward_s": 2 * seconds,
        "backward_iqr_s": seconds / 10,
        "forward_backward_s": 3 * seconds,
        "saved_bytes": 3 * 2**20,
        "peak_bytes": 5 * 2**20,
        "gbps": 0.05 / seconds,
        "copy_fraction": 0.003 / seconds,
        "ratio": seconds / 0.004,
        "waited_fraction": 0.02,
        "error": None,
    }
    return base | more


def make_profile(names=(*NAMES, "stochastic"), **metadata):
    rows = [
        profile_row(name, 0.004 * (1 + 0.3 * place), **state)
        for place, name in enumerate(names)
        for state in ([{"state": "train"}, {"state": "eval"}] if name == "stochastic" else [{}])
    ]
    return Result("profile", {"baseline": "avg", "metrics": [], "copy_gbps": 18.0} | metadata, rows)


@pytest.fixture
def compared():
    return make_compare()


@pytest.fixture
def profiled():
    return make_profile()
