"""The words that tables, plots and pages share: upsamplers, scales and inputs; names made safe to show."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from poolzoo.analysis.results.schema import state_title
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
    return summary.label if summary.state == "fixed" else f"{summary.label} ({state_title(summary.state)})"


def rebuilding(setting: Setting) -> str:
    """Return how the pooled image reaches the original's size, or the original that of the pooled image."""
    if setting.protocol == "lowres":
        return "scored at low resolution, against antialiased bicubic"
    return f"rebuilt by {UPSAMPLER_WORDS.get(setting.upsample, setting.upsample)}"
