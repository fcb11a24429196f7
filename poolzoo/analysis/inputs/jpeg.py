"""JPEG: Pillow reads 8 bits, imagecodecs 12; headers are read here before decoding."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import imagecodecs
import numpy as np

from poolzoo.analysis.inputs import pillow
from poolzoo.analysis.inputs.decoded import Decoded, split_alpha, unit
from poolzoo.analysis.inputs.exif import exif_orientation
from poolzoo.analysis.inputs.files import check_size, damaged, unsupported

SIGNATURE = b"\xff\xd8\xff"
SCAN, END = b"\xff\xda", b"\xff\xd9"
#: Markers of a frame: SOF0 to SOF15 without the tables and extensions that lie between them.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: Markers without a body: TEM and the restarts.
BARE = frozenset({0x01, *range(0xD0, 0xD9)})
START_OF_SCAN, APP1, APP2 = 0xDA, 0xE1, 0xE2
EXIF, PROFILE = b"Exif\0\0", b"ICC_PROFILE\0"


@dataclass(frozen=True)
class FrameHeader:
    """The header of a frame: bits per sample, size in pixels and components."""

    bits: int
    height: int
    width: int
    components: int


def decode(file: BinaryIO) -> Decoded:
    """Return the picture of a JPEG file, the first of several.

    Raises:
        ImageError: a damaged file, one that is too large, or one of other depths.
    """
    data = file.read()
    frame = read_frame(data)
    if frame is None or frame.bits == 8:
        file.seek(0)
        return pillow.decode(file)
    check_size(frame.width, frame.height, frame.components)
    if frame.bits != 12 or frame.components not in (1, 3):
        raise unsupported(f"a JPEG file of {frame.components} components of {frame.bits} bits")
    check_end(data)
    segments = list(read_segments(data))
    exif = next((body for marker, body in segments if marker == APP1 and body.startswith(EXIF)), b"")
    profile = b"".join(body[14:] for marker, body in segments if marker == APP2 and body.startswith(PROFILE))
    samples = np.asarray(imagecodecs.jpeg8_decode(data))
    return split_alpha(
        unit(samples, 4095.0), orientation=exif_orientation(exif.removeprefix(EXIF)), declared=profile or None
    )


def read_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of each segment before the pixels."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != START_OF_SCAN:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in BARE:
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            yield marker, data[at + 4 : end]
            at = end


def read_frame(data: bytes) -> FrameHeader | None:
    """Return the first frame's header; None if there is none before the pixels."""
    for marker, body in read_segments(data):
        if marker in FRAMES and len(body) >= 6:
            return FrameHeader(*struct.unpack_from(">BHHB", body))
    return None


def check_end(stream: bytes) -> None:
    """Raise ImageError if a stream has no end marker: libjpeg would fill the rest with grey."""
    if stream.find(END, stream.find(SCAN)) < 0:
        raise damaged("a JPEG stream ends early")
