"""The boxes of JPEG 2000 (ISO/IEC 15444-1 annex I) and of the ISO base media file format, which took them over."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from poolzoo.analysis.inputs.files import damaged


def read_boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the boxes in ``data`` as (type, content).

    Raises:
        ImageError: a box whose length cannot be.
    """
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        start = 8
        if length == 1 and at + 16 <= len(data):
            length, start = struct.unpack_from(">Q", data, at + 8)[0], 16
        end = len(data) if length == 0 else at + length
        if end < at + start:
            raise damaged(f"box {kind.decode('ascii', 'replace')!r} has {length} bytes")
        yield kind, data[at + start : end]
        at = end
