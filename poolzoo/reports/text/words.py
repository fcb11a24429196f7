"""The words that tables, plots and pages share: upsamplers, scales, metrics and inputs; names made safe to show."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from poolzoo.analysis.results.summaries import Setting, Summary

UPSAMPLER_WORDS = {
    "nearest": "nearest neighbour",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "trilinear": "trilinear",
    "optimal": "the optimal linear decoder",
}
NORMALIZED = {
    "none": "no normalisation",
    "imagenet": "imagenet normalisation",
    "inception": "values -1 to 1",
    "255": "values 0 to 255",
}
METRIC_NOTES = {
    "psnr": "PSNR of data range 1",
    "ssim": "SSIM as Wang 2004 (11-tap Gaussian, sigma 1.5)",
    "mse": "MSE on [0, 1]",
    "mae": "MAE on [0, 1]",
    "ms_ssim": "MS-SSIM as Wang 2003, by piq, values clipped to [0, 1]",
    "vif": "VIF as Sheikh 2006 in the pixel domain, by piq, values clipped to [0, 1]",
    "fsim": "FSIM as Zhang 2011 with colour, by piq, values clipped to [0, 1]",
    "gmsd": "GMSD as Xue 2014, by piq, values clipped to [0, 1]; lower is better",
    "mdsi": "MDSI as Nafchi 2016, by piq, values clipped to [0, 1]; lower is better",
    "haarpsi": "HaarPSI as Reisenhofer 2018, by piq, values clipped to [0, 1]",
    "alias": "aliasing: share of the pooled image's energy from frequencies that it cannot represent",
    "spectrum_low": "low band: energy retained below 1/3 of the pooled grid's Nyquist frequency",
    "spectrum_mid": "mid band: energy retained from 1/3 to 2/3 of the pooled grid's Nyquist frequency",
    "spectrum_high": "high band: energy retained from 2/3 of the pooled grid's Nyquist frequency on",
    "shift": "shift consistency: likeness under shifts by less than a stride, 1 at most",
    "grad_reach": "gradient reach: share of the input that receives gradient",
    "effective_weights": "effective weights: elements over which a window's gradient is spread",
    "brightness": "brightness bias: mean pooled less mean of the original",
}
#: The same of features, which have no white.
OWN_RANGE_NOTES = {
    "psnr": "PSNR of each map's own range",
    "mse": "MSE relative to each map's own range",
    "mae": "MAE relative to each map's own range",
    "brightness": "brightness bias: mean pooled less mean of the original, relative to each map's own range",
}
#: What is counted; every other input is an image, or a layer's activations for one.
NOUNS = {"video": "video", "volume": "volume"}


def visible(text: object) -> str:
    r"""``text`` with control, bidirectional and other invisible characters as escapes such as ``\x1b``."""
    return "".join(
        ascii(char)[1:-1] if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char
        for char in str(text)
    )


def dicts(metadata: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """``metadata[key]`` as a list of dicts, whatever a file made of it."""
    value = metadata.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def title_of(summary: Summary) -> str:
    """An operator and its state, where that says anything."""
    return summary.label if summary.state == "fixed" else f"{summary.label} ({summary.state})"


def rebuilding(setting: Setting) -> str:
    """How what was pooled is brought to the original's size, or the original to its."""
    if setting.protocol == "lowres":
        return "scored at low resolution, against antialiased bicubic"
    return f"rebuilt by {UPSAMPLER_WORDS.get(setting.upsample, setting.upsample)}"
