"""A book of pictures for the page: a cut-out of each.

A book copies the part of a picture that a page needs, and does not keep the picture. So memory holds kilobytes per
picture, whatever the size of the photographs, and a bounded number of images.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from poolzoo.analysis.results.schema import UPSAMPLE_NONE
from poolzoo.reports.pictures.cutouts import (
    TAPS,
    Box,
    Part,
    Pixels,
    cut_part,
    cutout_box,
    rebuild_part,
    sources,
)
from poolzoo.reports.pictures.picture import OperatorKey, ReportPicture, to_uint8

#: Longest side of a thumbnail.
THUMBNAIL = 320
#: The number of images, the first ones, whose pictures a book keeps.
IMAGES = 8
WEBP_QUALITY = 80
#: The share of a cut-out's pixels that a colour scale for its differences must reach.
CONTRAST = 0.98


@dataclass(frozen=True)
class Thumbnail:
    """A small copy of a picture: its width and height, and a WebP file."""

    width: int
    height: int
    webp: bytes

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return "data:image/webp;base64," + base64.b64encode(self.webp).decode()


@dataclass(frozen=True)
class Rebuilt:
    """A rebuilt cut-out.

    Attributes:
        part: its pixels; None if interpolating the pooled ones gives them.
        contrast: the :data:`CONTRAST` quantile of the pixels' difference to the original, averaged over the channels.
    """

    part: Part | None
    contrast: float


@dataclass
class Shelf:
    """The pictures of one image in a book.

    Attributes:
        size: height and width of the original.
        thumbnail: a small copy of the original.
        original: the cut-out; ``original.box`` is its position.
        pooled: the values from which the cut-out is rebuilt, by operator.
        rebuilt: the rebuilt cut-outs, by operator and upsampler.
        weights: the weights of a small part of the cut-out, by operator.
        clipped: operators whose pictures come from files that could not hold values beyond [0, 1].
    """

    size: tuple[int, int]
    thumbnail: Thumbnail
    original: Part
    pooled: dict[OperatorKey, Part] = field(default_factory=dict)
    rebuilt: dict[tuple[OperatorKey, str], Rebuilt] = field(default_factory=dict)
    weights: dict[OperatorKey, Part] = field(default_factory=dict)
    clipped: set[OperatorKey] = field(default_factory=set)

    @property
    def operators(self) -> list[OperatorKey]:
        """The operators that have a rebuilt picture, in the order in which they came."""
        return list(dict.fromkeys(operator for operator, _ in self.rebuilt))


class PictureBook:
    """Cut-outs of the pictures of the first :data:`IMAGES` images."""

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}

    def has_room(self, image: str) -> bool:
        """Return whether pictures of ``image`` are kept."""
        return image in self._shelves or len(self._shelves) < IMAGES

    def add(self, picture: ReportPicture) -> None:
        """Keep the parts of ``picture`` that the page needs; nothing if it was added before, or if there is no room.

        Raises:
            ValueError: an image's original did not come first, or the picture does not fit it.
        """
        if not self.has_room(picture.image):
            return
        shelf = self._shelves.get(picture.image)
        if picture.kind == "original":
            if shelf is None:
                box = cutout_box(picture.pixels)
                part = cut_part(picture.pixels, box, bounds=picture.bounds)
                self._shelves[picture.image] = Shelf(picture.pixels.shape[:2], thumbnail(picture.pixels), part)
        elif shelf is None:
            raise ValueError(f"picture of {picture.image!r}: its original has to come first")
        else:
            _KEEP[picture.kind](shelf, picture)

    def update(self, other: PictureBook) -> None:
        """Add another book's pictures that this one lacks, as far as there is room."""
        for name, theirs in other._shelves.items():
            if not self.has_room(name):
                continue
            own = self._shelves.setdefault(name, theirs)
            if own.original == theirs.original:
                own.pooled = theirs.pooled | own.pooled
                own.rebuilt = theirs.rebuilt | own.rebuilt
                own.weights = theirs.weights | own.weights
                own.clipped |= theirs.clipped

    @property
    def images(self) -> list[str]:
        """The images that have pictures, in the order in which they came."""
        return list(self._shelves)

    def shelf(self, name: str) -> Shelf:
        """Return the pictures of one image."""
        return self._shelves[name]


def _keep_pooled(shelf: Shelf, picture: ReportPicture) -> None:
    if picture.operator in shelf.pooled:
        return
    size = (picture.pixels.shape[0], picture.pixels.shape[1] // picture.submaps)
    if picture.pixels.shape[1] % picture.submaps:
        raise ValueError(f"picture of {picture.image!r}: {picture.pixels.shape[1]} columns, {picture.submaps} submaps")
    if picture.upsample == UPSAMPLE_NONE:
        _check_size(shelf, picture)
        part = cut_part(picture.pixels, shelf.original.box, bounds=picture.bounds)
        shelf.rebuilt[picture.operator, UPSAMPLE_NONE] = Rebuilt(None, _contrast(shelf, part))
    box = sources(shelf.original.box, size, shelf.size)
    shelf.pooled[picture.operator] = cut_part(picture.pixels, box, picture.submaps, picture.bounds)
    if picture.clipped:
        shelf.clipped.add(picture.operator)


def _keep_rebuilt(shelf: Shelf, picture: ReportPicture) -> None:
    upsample = picture.upsample or ""
    if (picture.operator, upsample) in shelf.rebuilt:
        return
    _check_size(shelf, picture)
    box = shelf.original.box
    part = cut_part(picture.pixels, box, bounds=picture.bounds)
    pooled = shelf.pooled.get(picture.operator)
    derived = pooled is not None and _gives(pooled, picture, box, shelf.size)
    shelf.rebuilt[picture.operator, upsample] = Rebuilt(None if derived else part, _contrast(shelf, part))
    if picture.clipped:
        shelf.clipped.add(picture.operator)


def _check_size(shelf: Shelf, picture: ReportPicture) -> None:
    if picture.pixels.shape[:2] != shelf.size:
        (height, width), (tall, wide) = shelf.size, picture.pixels.shape[:2]
        raise ValueError(
            f"picture of {picture.image!r}: a {picture.kind} one has {wide}x{tall} pixels,"
            f" the original {width}x{height}"
        )


def _contrast(shelf: Shelf, part: Part) -> float:
    difference = abs((part.values - shelf.original.values).mean(axis=2))
    return float(np.quantile(difference, CONTRAST))


def _gives(pooled: Part, picture: ReportPicture, box: Box, full: tuple[int, int]) -> bool:
    """Return whether interpolating the pooled bytes gives the rebuilt picture, as exactly as bytes can."""
    if pooled.submaps > 1 or picture.upsample not in TAPS:
        return False
    again, wanted = rebuild_part(pooled, box, full, picture.upsample), picture.pixels[box.slices]
    half = (pooled.high - pooled.low) / 510
    # Bicubic weights add up to at most 1.375 an axis without their signs: that much of half a step can remain.
    allowed = half * 1.375**2 + 1e-6
    if wanted.dtype == np.uint8:
        wanted, again, allowed = wanted / 255, np.clip(again, 0, 1), allowed + 1 / 510
    return bool(abs(again - wanted).max() <= allowed)


def _keep_weights(shelf: Shelf, picture: ReportPicture) -> None:
    box = Box(*picture.corner, *picture.pixels.shape[:2])
    if not shelf.original.box.holds(box):
        raise ValueError(f"picture of {picture.image!r}: weights of pixels that are not in the cut-out")
    part = cut_part(picture.pixels, Box(0, 0, box.height, box.width), bounds=picture.bounds)
    shelf.weights.setdefault(picture.operator, replace(part, box=box, size=shelf.size))


#: How a book keeps a picture of each kind. Differences are drawn from the others.
_KEEP: dict[str, Callable[[Shelf, ReportPicture], None]] = {
    "pooled": _keep_pooled,
    "rebuilt": _keep_rebuilt,
    "difference": lambda shelf, picture: None,
    "weights": _keep_weights,
}


def thumbnail(pixels: Pixels, side: int = THUMBNAIL) -> Thumbnail:
    """Return a picture, at most ``side`` long, as lossy WebP."""
    from PIL import Image

    image = Image.fromarray(to_uint8(pixels))
    if max(image.size) > side:
        scale = side / max(image.size)
        width, height = (max(1, round(length * scale)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=WEBP_QUALITY, method=2)
    return Thumbnail(*image.size, stream.getvalue())
