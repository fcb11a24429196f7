"""Cut-outs: the part of each picture that a page carries, exact to half a 255th of its range, and small.

A page cannot hold whole photographs at full size for every operator, and a smaller copy does not show the effect of
pooling. So each image has one cut-out, where it has the most detail. For each operator, the page holds the pooled
values of the cut-out, with the neighbours that interpolation needs at its border, and the browser rebuilds the cut-out
from them. If that does not give the measured picture (submaps, fitted decoders), the page also holds the rebuilt
cut-out.

Interpolation follows torch.nn.functional.interpolate with ``align_corners=False``: output position x reads the input at
(x + 1/2) n / m - 1/2, where n is the number of input samples and m of output samples; bicubic is Keys' kernel with
a = -0.75 (Keys 1981, eq. 15).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
#: The taps of one axis: the input samples that each output position reads, and their weights; both (positions, taps).
Taps = tuple[npt.NDArray[np.int64], Floats]

CUBIC = -0.75
#: Interpolation reaches this many samples up and down from the one at or before a position.
REACH_DOWN, REACH_UP = 1, 2


#: Longest side of the cut-out that a page shows pixel by pixel, and of the part of it with weights.
CUTOUT, WEIGHTS = 384, 48
#: The distance between pooled values whose weights are shown: a Lanczos filter reaches 3 of them to either side.
WEIGHTS_APART = 6


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The slices that cut it out of an array."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def within(self, outer: Box) -> Box:
        """Return the same rectangle, counted from the corner of ``outer``."""
        return Box(self.top - outer.top, self.left - outer.left, self.height, self.width)

    def holds(self, inner: Box) -> bool:
        """Return whether all of ``inner`` lies in this rectangle."""
        place = inner.within(self)
        return (
            min(place.top, place.left) >= 0
            and place.top + place.height <= self.height
            and place.left + place.width <= self.width
        )

    def around(self, inner: Box, side: int) -> Box:
        """Return the part of this rectangle that is at most ``side`` pixels long, with ``inner`` as near to its middle
        as possible.
        """
        height, width = min(side, self.height), min(side, self.width)
        top = inner.top + (inner.height - height) // 2
        left = inner.left + (inner.width - width) // 2
        return Box(
            min(max(top, self.top), self.top + self.height - height),
            min(max(left, self.left), self.left + self.width - width),
            height,
            width,
        )


@dataclass(frozen=True)
class Part:
    """A rectangle of a picture as bytes; a byte b stands for ``low + b / 255 * (high - low)``.

    Attributes:
        box: its position in the picture.
        size: height and width of the whole picture (of one submap, if there are several).
        submaps: the number of rectangles side by side: the same rectangle of each submap.
        low, high: the range of the values; for pictures at least [0, 1].
        deflated: the bytes, ``(box.height, submaps * box.width, 3)``.
    """

    box: Box
    size: tuple[int, int]
    submaps: int
    low: float
    high: float
    deflated: bytes

    @property
    def bytes(self) -> Pixels:
        """The bytes as ``(height, submaps * width, 3)`` uint8."""
        shape = (self.box.height, self.submaps * self.box.width, 3)
        return np.frombuffer(zlib.decompress(self.deflated), np.uint8).reshape(shape)

    @property
    def values(self) -> Floats:
        """The values as float64, in the picture's own units."""
        found: Floats = self.low + self.bytes / 255 * (self.high - self.low)
        return found

    def cut(self, box: Box) -> Part:
        """Return the part of this part that lies in ``box``, counted in the whole picture."""
        rows, columns = box.within(self.box).slices
        tiles = np.split(self.bytes, self.submaps, axis=1)
        pixels = np.hstack([tile[rows, columns] for tile in tiles])
        return Part(box, self.size, self.submaps, self.low, self.high, zlib.compress(pixels.tobytes(), 1))


def cutout_box(original: Pixels, side: int = CUTOUT) -> Box:
    """Return the rectangle with the most detail, at most ``side`` long, which a page shows pixel by pixel."""
    height, width = (min(side, length) for length in original.shape[:2])
    return Box(*busiest(original, height, width), height, width)


def weights_box(original: Pixels, stride: tuple[int, ...]) -> Box | None:
    """Return the part of the cut-out with the most detail, in whole strides, for which a page shows weights; None if
    there is none.
    """
    outer = cutout_box(original)
    inner = cutout_box(original[outer.slices], WEIGHTS)
    tops, lefts = (
        range(-(-start // step) * step, start + length - step + 1, step)
        for start, length, step in zip(
            (outer.top + inner.top, outer.left + inner.left), (inner.height, inner.width), stride, strict=True
        )
    )
    return Box(tops[0], lefts[0], len(tops) * tops.step, len(lefts) * lefts.step) if tops and lefts else None


def weights_spacing(box: Box, stride: tuple[int, int]) -> tuple[int, int]:
    """Return of how many pooled values along each axis one has its weights shown in ``box``: at most
    :data:`WEIGHTS_APART`, so far apart that the weights of a Lanczos filter do not overlap.
    """
    tall, wide = (
        max(1, min(WEIGHTS_APART, many // step)) for many, step in zip((box.height, box.width), stride, strict=True)
    )
    return tall, wide


def busiest(pixels: Pixels, height: int, width: int) -> tuple[int, int]:
    """Return top and left of the rectangle of ``height`` by ``width`` pixels with the most fine detail."""
    grey = pixels.astype(np.float32).mean(axis=2)
    energy = np.zeros_like(grey)
    energy[1:] += np.abs(np.diff(grey, axis=0))
    energy[:, 1:] += np.abs(np.diff(grey, axis=1))
    table = np.pad(energy.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    rows = np.arange(0, grey.shape[0] - height + 1, max(1, height // 4))
    columns = np.arange(0, grey.shape[1] - width + 1, max(1, width // 4))
    sums = (
        table[np.ix_(rows + height, columns + width)]
        - table[np.ix_(rows, columns + width)]
        - table[np.ix_(rows + height, columns)]
        + table[np.ix_(rows, columns)]
    )
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(rows[row]), int(columns[column])


def cut_part(
    pixels: Pixels,
    box: Box,
    submaps: int = 1,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Part:
    """Return the rectangle ``box`` of a picture, rounded to bytes.

    Args:
        pixels: ``(H, submaps * W, 3)`` or without the last axis; floats of any range, or bytes.
        box: counted in one submap.
        bounds: the values of 0 and 255 for bytes; for floats the range is at least this.
    """
    height, width = pixels.shape[0], pixels.shape[1] // submaps
    rows, columns = box.slices
    cut = np.hstack([tile[rows, columns] for tile in np.split(pixels, submaps, axis=1)])
    cut = np.broadcast_to(cut if cut.ndim == 3 else cut[..., None], (*cut.shape[:2], 3))
    low, high = bounds
    if cut.dtype != np.uint8:
        cut = np.nan_to_num(cut.astype(np.float64), posinf=1, neginf=0)
        low, high = min(low, float(cut.min())), max(high, float(cut.max()))
        high = high if high > low else low + 1
        cut = np.rint((cut - low) / (high - low) * 255).astype(np.uint8)
    return Part(box, (height, width), submaps, low, high, zlib.compress(cut.tobytes(), 1))


def sources(box: Box, pooled: tuple[int, int], full: tuple[int, int]) -> Box:
    """Return the rectangle of a pooled picture from which any interpolation to ``full`` size rebuilds ``box``."""
    spans = []
    for start, length, few, many in zip((box.top, box.left), (box.height, box.width), pooled, full, strict=True):
        first, last = (((at + 0.5) * few / many - 0.5) // 1 for at in (start, start + length - 1))
        low, high = max(0, int(first) - REACH_DOWN), min(few, int(last) + REACH_UP + 1)
        spans.append((low, high - low))
    (top, height), (left, width) = spans
    return Box(top, left, height, width)


def rebuild_part(pooled: Part, box: Box, full: tuple[int, int], upsample: str) -> Floats:
    """Return the rectangle ``box`` of a pooled picture that is interpolated to ``full`` size: ``(height, width, 3)``.

    Args:
        pooled: without submaps, with at least the rectangle of :func:`sources`.
        box: counted in the full picture.
        full: height and width of the upsampled picture.
        upsample: a name from :data:`TAPS`.
    """
    values = pooled.values
    for axis, (start, length) in enumerate(((box.top, box.height), (box.left, box.width))):
        at, weight = TAPS[upsample](pooled.size[axis], full[axis], np.arange(start, start + length))
        first = (pooled.box.top, pooled.box.left)[axis]
        taken = np.moveaxis(values, axis, 0)[at - first]
        values = np.moveaxis(np.einsum("pt,pt...->p...", weight, taken), 0, axis)
    return values


def _nearest(few: int, many: int, at: npt.NDArray[np.int64]) -> Taps:
    # torch multiplies single-precision numbers here, whatever the picture's are.
    first = np.floor(at.astype(np.float32) * (np.float32(few) / np.float32(many))).astype(np.int64)
    return np.minimum(first, few - 1)[:, None], np.ones((len(at), 1))


def _bilinear(few: int, many: int, at: npt.NDArray[np.int64]) -> Taps:
    where = np.maximum((at + 0.5) * few / many - 0.5, 0)
    first = np.floor(where).astype(np.int64)
    t = where - first
    return np.minimum(np.stack([first, first + 1], 1), few - 1), np.stack([1 - t, t], 1)


def _bicubic(few: int, many: int, at: npt.NDArray[np.int64]) -> Taps:
    where = (at + 0.5) * few / many - 0.5
    first = np.floor(where).astype(np.int64)
    t = where - first
    near, far = ((CUBIC + 2) * x**3 - (CUBIC + 3) * x**2 + 1 for x in (t, 1 - t))
    before, after = (CUBIC * (x**3 - 5 * x**2 + 8 * x - 4) for x in (1 + t, 2 - t))
    index = np.clip(first[:, None] + np.arange(-REACH_DOWN, REACH_UP + 1), 0, few - 1)
    return index, np.stack([before, near, far, after], 1)


#: By the name of an upsampler, the taps of an axis: of how few samples, to how many, at which positions.
TAPS: dict[str, Callable[[int, int, npt.NDArray[np.int64]], Taps]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
}


def pack(pixels: Pixels, reference: Pixels | None = None) -> tuple[str, bytes]:
    """Return bytes for the page, losslessly: the name of the prediction that was subtracted, and the deflated rest.

    Green, red minus green and blue minus green are three planes. ``spatial`` subtracts the median edge predictor of
    LOCO-I (Weinberger et al. 2000), ``reference`` subtracts a known picture of the same shape, because the results of
    operators differ little. The shorter one is returned.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        reference: the same, or None.
    """
    planes = _planes(pixels)
    before = np.pad(planes.astype(np.int16), ((0, 0), (1, 0), (1, 0)))
    left, up, corner = before[:, 1:, :-1], before[:, :-1, 1:], before[:, :-1, :-1]
    predicted = np.clip(left + up - corner, np.minimum(left, up), np.maximum(left, up))
    packed = [("spatial", zlib.compress((planes - predicted).astype(np.uint8).tobytes()))]
    if reference is not None and reference.shape == pixels.shape:
        packed.append(("reference", zlib.compress((planes - _planes(reference)).tobytes())))
    return min(packed, key=lambda item: len(item[1]))


def _planes(pixels: Pixels) -> Pixels:
    """Return ``(3, H, W)`` uint8: green, red minus green, blue minus green, modulo 256."""
    red, green, blue = np.moveaxis(pixels, 2, 0)
    return np.stack([green, red - green, blue - green])
