"""A picture of an operator's result, and its pixels for a file or a page.

Differences are drawn on one scale for all operators; a scale for each would make the worst operator look like the best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poolzoo.analysis.results.rows import axes_of
from poolzoo.analysis.results.schema import UPSAMPLE_NONE
from poolzoo.reports.pictures.cutouts import Box, Pixels

if TYPE_CHECKING:
    from poolzoo.analysis.scoring.round_trip import View

#: Operator, parameters, state, seed.
OperatorKey = tuple[str, str, str, "int | None"]
#: Operator, parameters, state, seed, upsampling, kind.
PictureKey = tuple[str, str, str, "int | None", "str | None", str]
PICTURE_KINDS = ("original", "pooled", "rebuilt", "difference", "weights")
#: The difference that gets the strongest colour; larger ones look the same.
DIFFERENCE_SCALE = 0.25
#: Blue (darker than the original), near-white (equal), red (brighter): ColorBrewer's RdBu, safe for the colour-blind.
DIVERGING = (
    (5, 48, 97),
    (67, 147, 195),
    (146, 197, 222),
    (247, 247, 247),
    (244, 165, 130),
    (214, 96, 77),
    (103, 0, 31),
)


@dataclass
class ReportPicture:
    """One picture: ``pixels`` are (height, width, 3), floats or uint8; a page shows 0 as black and 1 as white.

    ``kind`` is one of :data:`PICTURE_KINDS`. An original has no operator: ``pool``, ``params`` and ``state`` are empty.
    ``upsample`` is the upsampler of a rebuilt picture. ``submaps`` is the number of submaps side by side in a pooled
    picture. ``bounds`` are the values of black and white, for floats at least; ``clipped`` says that values beyond them
    were lost. ``corner`` is the top and left, in the original, of the pixels that ``weights`` belong to. ``clip`` gives
    all frames or slices of a video or a volume, ``(D, H, W, 3)``, of which the picture is the middle one.
    """

    image: str
    pool: str
    params: str
    state: str
    seed: int | None
    kind: str
    pixels: Pixels
    upsample: str | None = None
    submaps: int = 1
    bounds: tuple[float, float] = (0.0, 1.0)
    clipped: bool = False
    corner: tuple[int, int] = (0, 0)
    clip: Callable[[], Pixels] | None = None

    @property
    def operator(self) -> OperatorKey:
        """The operator that made it."""
        return (self.pool, self.params, self.state, self.seed)

    @property
    def key(self) -> PictureKey:
        """The identity of this picture among those of its image."""
        return (*self.operator, self.upsample, self.kind)


def pictures_of(view: View) -> Iterator[ReportPicture]:
    """Yield the pictures of one row: the original, pooled, rebuilt, difference.

    The original is the same for every row of its image, the pooled one for every upsampler. At low resolution there is
    no rebuilt one, and the pooled one has the ``upsample`` "none".
    """
    row = view.row
    name, who = row["image"], (row["pool"], row["params"], row["state"], row["seed"])
    original, pooled, rebuilt = (_clip(view, place) for place in range(3))
    yield ReportPicture(name, "", "", "", None, "original", view.original, clip=original)
    if row["upsample"] == UPSAMPLE_NONE:
        yield ReportPicture(name, *who, "pooled", view.pooled, UPSAMPLE_NONE, clip=pooled)
    else:
        yield ReportPicture(name, *who, "pooled", view.pooled, submaps=view.submaps, clip=pooled)
        yield ReportPicture(name, *who, "rebuilt", view.rebuilt, row["upsample"], clip=rebuilt)
    yield ReportPicture(name, *who, "difference", difference_pixels(view.original, view.rebuilt), row["upsample"])


def _clip(view: View, place: int) -> Callable[[], Pixels] | None:
    clips = view.clips
    return None if clips is None else lambda: clips()[place]


def weights_picture(row: Mapping[str, Any], box: Box, weights: Pixels) -> ReportPicture:
    """Return the weights of the pixels of ``box`` in a row's image, as a picture.

    Args:
        row: of the operator.
        box: from :func:`weights_box`.
        weights: ``(H, W)``, of any sign.
    """
    who = (row["pool"], row["params"], row["state"], row["seed"])
    return ReportPicture(row["image"], *who, "weights", weights, bounds=(0.0, 0.0), corner=(box.top, box.left))


def two_axes(size: Any, least: int = 1) -> tuple[int, int] | None:
    """Return a row's size, ``2`` or ``"3x2"``, for two axes; None if it has another number of axes, or is less than
    ``least``.
    """
    sizes = axes_of(size)
    return (sizes[0], sizes[-1]) if len(sizes) in (1, 2) and min(sizes) >= least else None


def to_uint8(pixels: Pixels) -> Pixels:
    """Return pixels as bytes: floats are clipped to [0, 1] and rounded, NaN is black; grey becomes RGB."""
    array = np.asarray(pixels)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise ValueError(f"pixels: shape {np.shape(pixels)} is not (height, width, 3)")
    if array.dtype != np.uint8:
        array = np.rint(np.clip(np.nan_to_num(array.astype(np.float64), posinf=1, neginf=0), 0, 1) * 255).astype(
            np.uint8
        )
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def difference_pixels(original: Pixels, rebuilt: Pixels, scale: float = DIFFERENCE_SCALE) -> Pixels:
    """Return the signed difference rebuilt minus original, averaged over the channels, as a picture.

    Args:
        original: floats in [0, 1] or uint8.
        rebuilt: of the same shape.
        scale: the difference that gets the strongest colour.

    Returns:
        float32 RGB in [0, 1]: near-white where equal, red where brighter than the original, blue where darker.
    """
    first, second = (
        array.astype(np.float32) / 255 if array.dtype == np.uint8 else array.astype(np.float32)
        for array in (np.asarray(original), np.asarray(rebuilt))
    )
    if first.shape != second.shape:
        raise ValueError(f"rebuilt: shape {second.shape} differs from the original's {first.shape}")
    difference = np.clip(np.nan_to_num((second - first).mean(axis=2), posinf=1, neginf=-1), -scale, scale)
    position, colours = np.linspace(-scale, scale, len(DIVERGING)), np.array(DIVERGING) / 255
    return np.stack([np.interp(difference, position, colours[:, c]) for c in range(3)], axis=2).astype(np.float32)
