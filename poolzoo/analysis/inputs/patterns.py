"""Test patterns: images with a known spectrum, which are named ``poolzoo:NAME``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.files import FloatImage

#: Side of a pattern, that of most of scikit-image's photographs.
SIZE = 512


def zone_plate(size: int = SIZE) -> FloatImage:
    """Return a zone plate, which has every frequency at a different position.

    ``1/2 + 1/2 cos(pi r^2 / size)``, r the distance from the centre in pixels. Along an axis, the frequency in cycles
    per pixel is the position divided by the size: 0 in the centre and 1/2, the Nyquist frequency, at the edges. It is
    never higher, so the pattern itself is free of aliasing. Pooling by s aliases the frequencies outside the central
    square of side size / s; they appear as rings around other centres (moiré).

    Args:
        size: of a side, in pixels.

    Returns:
        Grey as float64 RGB ``(size, size, 3)`` in [0, 1].
    """
    squared = (np.arange(size) - (size - 1) / 2) ** 2
    grey = 0.5 + 0.5 * np.cos(np.pi * (squared[:, None] + squared) / size)
    return np.repeat(grey[..., None], 3, axis=2)


PATTERNS: dict[str, Callable[[], FloatImage]] = {"zoneplate": zone_plate}
