"""What a JPEG stream says of itself before it is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass

#: Markers of a frame: SOF0 to SOF15 without the tables and extensions that lie between them.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: Markers without a body: TEM and the restarts.
BARE = frozenset({0x01, *range(0xD0, 0xD9)})
START_OF_SCAN = 0xDA


@dataclass(frozen=True)
class Frame:
    """The header of a frame: bits per sample, size in pixels and components."""

    bits: int
    height: int
    width: int
    components: int


def read_frame(data: bytes) -> Frame | None:
    """Return the first frame's header; None where none comes before the pixels."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in BARE:
            at += 2
        elif marker in FRAMES and at + 10 <= len(data):
            return Frame(*struct.unpack_from(">BHHB", data, at + 4))
        elif marker == START_OF_SCAN:
            return None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
