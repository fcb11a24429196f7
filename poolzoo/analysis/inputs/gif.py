"""GIF89a: its blocks are read here, and Pillow decodes LZW. Pixels that no frame draws are transparent, as in browsers,
independently of the background colour.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from poolzoo.analysis.inputs import pillow
from poolzoo.analysis.inputs.decoded import Decoded, split_alpha, unit
from poolzoo.analysis.inputs.files import check_size, damaged
from poolzoo.analysis.inputs.frames import Disposal, Frame, compose

SIGNATURES = (b"GIF87a", b"GIF89a")
EXTENSION, DESCRIPTOR, TRAILER = 0x21, 0x2C, 0x3B
GRAPHIC_CONTROL = 0xF9
HAS_PALETTE, INTERLACED = 0x80, 0x40
DISPOSALS: dict[int, Disposal] = {2: "clear", 3: "restore"}
#: A palette by which Pillow gives the indices as greys.
RAMP = bytes(level for level in range(256) for _ in range(3))


def decode(file: BinaryIO) -> Decoded:
    """Return the first frame of a GIF file on its screen.

    Raises:
        ImageError: a damaged file, one that is too large, or one without a frame.
    """
    for first in decode_frames(file):
        return first
    raise damaged("no frame")


def decode_frames(file: BinaryIO) -> Iterator[Decoded]:
    """Yield the screen after each frame."""
    data = file.read()
    if len(data) < 13:
        raise damaged("no header")
    width, height = struct.unpack_from("<HH", data, 6)
    frames = _frames(data)
    first = next(frames, None)
    if first is None:
        return
    # A first frame that exceeds the screen makes it larger.
    height = max(height, first.top + len(first.rgba))
    width = max(width, first.left + first.rgba.shape[1])
    check_size(width, height)
    for screen in compose(itertools.chain([first], frames), height, width):
        yield split_alpha(unit(screen))


def _frames(data: bytes) -> Iterator[Frame]:
    flags, at = data[10], 13
    shared, at = _palette(data, at, flags)
    control = 0, 0
    while at < len(data):
        kind = data[at]
        if kind == TRAILER:
            return
        if kind == EXTENSION:
            blocks, end = _blocks(data, at + 2)
            if data[at + 1] == GRAPHIC_CONTROL and len(blocks) == 4:
                control = blocks[0], blocks[3]
            at = end
        elif kind == DESCRIPTOR:
            left, top, width, height, flags = struct.unpack_from("<4HB", data, at + 1)
            check_size(width, height)
            own, at = _palette(data, at + 10, flags)
            _, end = _blocks(data, at + 1)
            indices = _indices(width, height, flags & INTERLACED, data[at:end])
            disposal = DISPOSALS.get(control[0] >> 2 & 7, "keep")
            yield Frame(_look_up(indices, own or shared, control), top, left, disposal=disposal)
            control, at = (0, 0), end
        else:
            raise damaged(f"a block of kind {kind:#x}")
    raise damaged("it ends without GIF's end mark")


def _palette(data: bytes, at: int, flags: int) -> tuple[bytes, int]:
    """Return the palette that flags announce at a position, and its end."""
    end = at + 3 * (2 << (flags & 7)) if flags & HAS_PALETTE else at
    return data[at:end], end


def _blocks(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the sub-blocks at a position, joined, and their end."""
    parts: list[bytes] = []
    while True:
        if at >= len(data):
            raise damaged("it ends inside a block")
        size = data[at]
        if not size:
            return b"".join(parts), at + 1
        parts.append(data[at + 1 : at + 1 + size])
        at += 1 + size


def _indices(width: int, height: int, interlaced: int, codes: bytes) -> np.ndarray:
    """Return the indices of one frame, ``(height, width)``, by decoding a file with only this frame and a ramp as
    palette.
    """
    screen = struct.pack("<6sHHBBB", b"GIF89a", width, height, 0xF7, 0, 0) + RAMP
    frame = struct.pack("<B4HB", DESCRIPTOR, 0, 0, width, height, interlaced)
    with pillow.open_image(io.BytesIO(screen + frame + codes + b";"), ("GIF",)) as image:
        return np.asarray(image)


def _look_up(indices: np.ndarray, palette: bytes, control: tuple[int, int]) -> np.ndarray:
    """Return the RGBA of indices; the transparent index and those beyond the palette are transparent."""
    if not palette:
        raise damaged("a frame without a palette")
    colours = np.zeros((256, 4), np.uint8)
    count = len(palette) // 3
    colours[:count, :3] = np.frombuffer(palette, np.uint8, 3 * count).reshape(count, 3)
    colours[:count, 3] = 255
    if control[0] & 1:
        colours[control[1], 3] = 0
    return np.asarray(colours[indices])
