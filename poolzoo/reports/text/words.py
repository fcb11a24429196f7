"""The words that tables, plots and pages share: upsamplers, scales and inputs; and functions that make names safe to
show.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from poolzoo.analysis.results.schema import state_title
from poolzoo.analysis.results.summary_records import Setting, Summary
from poolzoo.analysis.scoring.protocol import NORMALIZATIONS, UPSAMPLERS

#: The counted inputs; every other input is an image, or a layer's activations for an image.
NOUNS = {"video": "video", "volume": "volume"}


def visible(text: object) -> str:
    r"""Return ``text`` with control, bidirectional and other invisible characters as escapes such as ``\x1b``."""
    return "".join(
        ascii(char)[1:-1] if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char
        for char in str(text)
    )


def upsampler_title(name: str) -> str:
    """Return an upsampler in words, or its name if it is unknown."""
    return UPSAMPLERS[name].title if name in UPSAMPLERS else name


def scale_title(name: str) -> str:
    """Return a normalisation in words, or its name if it is unknown."""
    return NORMALIZATIONS[name].title if name in NORMALIZATIONS else name


def title_of(summary: Summary) -> str:
    """Return an operator with its state, unless that is ``fixed``."""
    return summary.label if summary.state == "fixed" else f"{summary.label} ({state_title(summary.state)})"


def rebuilding(setting: Setting) -> str:
    """Return how the pooled image reaches the original's size, or the original that of the pooled image."""
    if setting.protocol == "lowres":
        return "scored at low resolution, against antialiased bicubic"
    return rebuilt_words(setting.upsample, evenly=setting.is_misplaced)


def rebuilt_words(upsample: str, *, evenly: bool) -> str:
    """Return how pooled images are upsampled; ``evenly`` is for values that do not lie at their windows' centres."""
    return f"rebuilt by {upsampler_title(upsample)}{', values spread evenly' * evenly}"


def listed(words: Sequence[str], most: int = 99, noun: str = "") -> str:
    """Words joined by commas and an "and"; of more than ``most``, the rest or (with a ``noun``) all are counted."""
    if len(words) > most:
        return f"{len(words)} {noun}" if noun else f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def setting_title(setting: Setting) -> str:
    """A setting as a heading."""
    scale = scale_title(setting.normalize)
    normalised = "" if setting.normalize == "none" else f", {scale}"
    features = f", {setting.input}" if setting.of_features else ""
    return f"{setting.window_words.capitalize()}, {rebuilding(setting)}{normalised}{features}"
