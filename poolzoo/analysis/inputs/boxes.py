"""The boxes of JPEG 2000 (ISO/IEC 15444-1 annex I) and of the ISO base media file format, and a reader of big-endian
numbers.
"""

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


class Reader:
    """A reader of bytes from the beginning to the end; reading beyond the end is an error."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if self.at + count > len(self.data):
            raise damaged(f"it ends before byte {self.at + count}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int = 4) -> int:
        """Return the next unsigned number."""
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int = 4) -> bytes:
        """Return the bytes that follow their length."""
        return self.take(self.number(size))
