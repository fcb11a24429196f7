"""The colour in the sequence header of an AV1 stream (AV1 Bitstream & Decoding Process Specification, 5.5)."""

from __future__ import annotations

SEQUENCE_HEADER = 1


class Bits:
    """Numbers of any length, most significant bit first."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int = 1) -> int:
        """Return the next number of ``count`` bits."""
        self.left -= count
        if self.left < 0:
            raise EOFError("the sequence header ends early")
        return self.value >> self.left & ((1 << count) - 1)


def colour_description(stream: bytes) -> tuple[int, int] | None:
    """Return the primaries and the transfer function of a stream; None if it does not state them."""
    header = _sequence_header(stream)
    return _read(Bits(header)) if header else None


def _sequence_header(stream: bytes) -> bytes:
    """Return the first sequence header among the open bitstream units."""
    at = 0
    while at + 2 <= len(stream):
        kind, extended, sized = stream[at] >> 3 & 15, stream[at] >> 2 & 1, stream[at] >> 1 & 1
        at += 1 + extended
        length = len(stream) - at
        if sized:  # in groups of 7 bits, the least significant first
            length = shift = 0
            while at < len(stream):
                byte = stream[at]
                at, length, shift = at + 1, length | (byte & 127) << shift, shift + 7
                if byte < 128:
                    break
        if kind == SEQUENCE_HEADER:
            return stream[at : at + length]
        at += length
    return b""


def _read(bits: Bits) -> tuple[int, int] | None:
    profile, _, reduced = bits.take(3), bits.take(), bits.take()
    if reduced:
        bits.take(5)
    else:
        if bits.take():  # timing, which no still picture has
            return None
        delays = bits.take()
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take()
            if delays and bits.take():
                bits.take(4)
    width, height = bits.take(4) + 1, bits.take(4) + 1
    bits.take(width)
    bits.take(height)
    if not reduced and bits.take():
        bits.take(7)
    bits.take(3)
    if not reduced:
        bits.take(4)
        order = bits.take()
        bits.take(2 * order)
        screen_content = 2 if bits.take() else bits.take()
        if screen_content and not bits.take():
            bits.take()
        bits.take(3 * order)
    bits.take(3)
    deep = bits.take()
    if profile == 2 and deep:
        bits.take()
    if profile != 1:
        bits.take()
    return (bits.take(8), bits.take(8)) if bits.take() else None
