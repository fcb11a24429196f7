"""The frames of an animation, drawn one after the other on a transparent screen: the same for GIF and APNG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

Disposal = Literal["keep", "clear", "restore"]


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        rgba: unsigned integers ``(h, w, 4)``, straight alpha.
        top: its first row on the screen.
        left: its first column.
        blend: whether it is drawn over the screen; otherwise it replaces its part of the screen.
        disposal: how its part of the screen is restored before the next frame.
    """

    rgba: np.ndarray
    top: int = 0
    left: int = 0
    blend: bool = True
    disposal: Disposal = "keep"


def compose(frames: Iterable[Frame], height: int, width: int) -> Iterator[np.ndarray]:
    """Yield the screen, ``(height, width, 4)``, after each frame; pixels outside the screen are not drawn."""
    screen: np.ndarray | None = None
    for frame in frames:
        if screen is None:
            screen = np.zeros((height, width, 4), frame.rgba.dtype)
        place = screen[frame.top : frame.top + len(frame.rgba), frame.left : frame.left + frame.rgba.shape[1]]
        drawn = frame.rgba[: place.shape[0], : place.shape[1]]
        before = place.copy() if frame.disposal == "restore" else None
        place[...] = _over(drawn, place) if frame.blend else drawn
        yield screen.copy()
        if frame.disposal != "keep":
            place[...] = 0 if before is None else before


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return straight colours over others, rounded to their depth."""
    white = np.iinfo(above.dtype).max
    opacity = above[..., 3:]
    if ((opacity == 0) | (opacity == white)).all():
        return np.where(opacity > 0, above, below)
    share = opacity / white
    under = below[..., 3:] / white * (1 - share)
    total = share + under
    colour = (above[..., :3] * share + below[..., :3] * under) / np.where(total > 0, total, 1)
    return np.asarray(np.rint(np.concatenate([colour, total * white], -1)).astype(above.dtype))
