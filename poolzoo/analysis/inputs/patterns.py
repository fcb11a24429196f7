"""Test patterns: images whose spectrum is known, to be pooled like any other, as ``poolzoo:NAME``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatImage = NDArray[np.float64]

#: Side of a pattern, that of most of scikit-image's photographs.
SIZE = 512


def zone_plate(size: int = SIZE) -> FloatImage:
    """A zone plate: all frequencies, each in a place of its own.

    ``1/2 + 1/2 cos(pi r^2 / size)``, r the distance from the centre in pixels. Along an axis the frequency is the
    position over the size, in cycles a pixel: 0 in the centre, Nyquist's 1/2 at the edges, and never more, so that the
    pattern itself has no alias. What pooling by s folds lies outside the central square of side size / s, and comes
    out as rings around other centres (moiré).

    Args:
        size: of a side, in pixels.

    Returns:
        Grey as float64 RGB ``(size, size, 3)`` in [0, 1].
    """
    squared = (np.arange(size) - (size - 1) / 2) ** 2
    grey = 0.5 + 0.5 * np.cos(np.pi * (squared[:, None] + squared) / size)
    return np.repeat(grey[..., None], 3, axis=2)


PATTERNS: dict[str, Callable[[], FloatImage]] = {"zoneplate": zone_plate}
