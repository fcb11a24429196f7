"""The result of decoding a file, before it is shown: samples, their meaning, and their orientation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from poolzoo.analysis.inputs.colour import Coding, to_srgb
from poolzoo.analysis.inputs.files import ImageError

#: Colour models.
Model = Literal["grey", "rgb", "cmyk", "lab"]

#: EXIF orientation: how the stored array becomes the shown one.
ORIENTATIONS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: np.swapaxes(image, 0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(np.swapaxes(image, 0, 1), 2),
    8: np.rot90,
}


@dataclass(frozen=True)
class Decoded:
    """One picture as its file holds it.

    Attributes:
        colour: float64 ``(H, W, C)``, without the alpha: grey (1), RGB (3) or CMYK (4, 1 is full ink) in [0, 1], or CIE
            L*, a*, b* for white D50.
        model: grey, rgb, cmyk or lab.
        alpha: float64 ``(H, W)`` in [0, 1]; None if every pixel is opaque.
        premultiplied: whether ``colour`` is already multiplied by its alpha.
        orientation: as EXIF numbers it.
        declared: the colour that the numbers stand for: an ICC profile or a coding; None stands for sRGB.
    """

    colour: np.ndarray
    model: Model
    alpha: np.ndarray | None = None
    premultiplied: bool = False
    orientation: int = 1
    declared: bytes | Coding | None = None


def show(decoded: Decoded) -> np.ndarray:
    """Return a picture as a viewer shows it: ``(H, W, 1 or 3)`` float64 in [0, 1], sRGB, turned, over white."""
    colour, alpha = decoded.colour, decoded.alpha
    if alpha is not None:
        alpha = alpha[..., None]
        if decoded.premultiplied:
            colour = np.clip(colour / np.where(alpha > 0, alpha, 1), 0, 1)
    shown = to_srgb(colour, decoded.model, decoded.declared)
    if alpha is not None:
        shown = alpha * shown
        shown += 1 - alpha
    return np.ascontiguousarray(ORIENTATIONS.get(decoded.orientation, np.asarray)(shown))


def split_alpha(samples: np.ndarray, **about: Any) -> Decoded:
    """Return samples ``(H, W)`` or ``(H, W, 1 to 4)`` in [0, 1] as grey, grey and alpha, RGB, or RGB and alpha."""
    if samples.ndim == 2:
        samples = samples[..., None]
    channels = samples.shape[2]
    alpha = samples[..., -1] if channels in (2, 4) else None
    return Decoded(samples[..., : 1 if channels < 3 else 3], "grey" if channels < 3 else "rgb", alpha, **about)


def unit(samples: np.ndarray, white: float | None = None) -> np.ndarray:
    """Return samples as float64 with ``white`` as 1; by default the largest number of an integer type, or 1.

    Raises:
        ImageError: samples that are not between black and white.
    """
    if white is None:
        white = float(np.iinfo(samples.dtype).max) if samples.dtype.kind == "u" else 1.0
    if samples.dtype.kind != "u" or white < np.iinfo(samples.dtype).max:
        low, high = samples.min(), samples.max()
        if not (low >= 0 and high <= white):  # NaN is neither
            kind = "grey" if samples.ndim == 2 or samples.shape[2] == 1 else "colour"
            raise ImageError(f"{kind} values from {low:g} to {high:g}; allowed are finite values from 0 to {white:g}")
    scaled: np.ndarray = np.divide(samples, white, dtype=np.float64)  # without a copy of large pictures
    return scaled
