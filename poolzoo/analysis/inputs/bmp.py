"""BMP: pixels with masks, with their alpha, and run lengths are read here; Pillow reads plain palettes."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from poolzoo.analysis.inputs import pillow
from poolzoo.analysis.inputs.decoded import Decoded
from poolzoo.analysis.inputs.files import check_size, damaged, unsupported

SIGNATURE = b"BM"
#: The headers, by their sizes: OS/2's and Windows' first, then Windows 3, Adobe's two, version 4 and version 5.
CORE, INFO, V2, V3, V4, V5 = 12, 40, 52, 56, 108, 124
PLAIN, RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS = 0, 1, 2, 3, 6
COMPRESSIONS = (PLAIN, RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS)
EMBEDDED = 0x4D424544
RUN_LENGTHS = ((4, RLE4), (8, RLE8))
#: The codes after a run of length 0; larger numbers are lengths of runs that are not packed.
END_OF_ROW, END, DELTA = 0, 1, 2
#: Red, green, blue and alpha where a file gives no masks.
PLAIN_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}


@dataclass(frozen=True)
class Header:
    """The fields of the file header and the bitmap header that are used."""

    start: int
    size: int
    width: int
    height: int
    bits: int
    compression: int


def decode(file: BinaryIO) -> Decoded:
    """Return the picture of a BMP file.

    Raises:
        ImageError: a damaged file, one that is too large, or one of another format inside.
    """
    data = file.read()
    header = _header(data)
    check_size(header.width, abs(header.height))
    profile = _profile(data, header)
    if (header.bits, header.compression) in RUN_LENGTHS:
        return replace(_run_lengths(data, header), declared=profile)
    if header.compression in (RLE8, RLE4):
        raise damaged(f"run lengths of {header.bits} bits")
    if header.bits in (1, 4, 8):
        file.seek(0)
        return replace(pillow.decode(file), declared=profile)
    if header.bits == 24:
        pixels = _rows(data, header, np.uint8, 3 * header.width).reshape(abs(header.height), header.width, 3)
        return Decoded(pixels[..., ::-1] / 255, "rgb", declared=profile)
    if header.bits not in PLAIN_MASKS:
        raise unsupported(f"a BMP file of {header.bits} bits per pixel")
    pixels = _rows(data, header, f"<u{header.bits // 8}", header.width)
    masks = PLAIN_MASKS[header.bits] if header.compression == PLAIN else _masks(data, header)
    colour = np.stack([_masked(pixels, mask) for mask in masks[:3]], -1)
    # Writers leave an alpha mask where the byte is empty: no viewer shows nothing at all.
    alpha = _masked(pixels, masks[3]) if (pixels & masks[3]).any() else None
    return Decoded(colour, "rgb", alpha, declared=profile)


def _header(data: bytes) -> Header:
    start, size = struct.unpack_from("<II", data, 10)
    if size == CORE:
        width, height, _, bits = struct.unpack_from("<4H", data, 18)
        return Header(start, size, width, height, bits, PLAIN)
    if size < INFO:
        raise unsupported(f"a BMP file with a header of {size} bytes")
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression not in COMPRESSIONS:
        raise unsupported(f"BMP compression {compression}")
    return Header(start, size, width, height, bits, compression)


def _profile(data: bytes, header: Header) -> bytes | None:
    if header.size < V5 or struct.unpack_from("<I", data, 14 + 56)[0] != EMBEDDED:
        return None
    at, length = struct.unpack_from("<II", data, 14 + 112)
    return data[14 + at : 14 + at + length]


def _rows(data: bytes, header: Header, kind: type | str, count: int) -> np.ndarray:
    """Return rows of ``count`` numbers, from the top; each is padded to four bytes."""
    height = abs(header.height)
    stride = -(-header.width * header.bits // 32) * 4
    if header.start + height * stride > len(data):
        raise damaged(f"{len(data)} bytes where {header.start + height * stride} are needed")
    rows = np.frombuffer(data, np.uint8, height * stride, header.start).reshape(height, stride)
    used = np.ascontiguousarray(rows[:, : count * np.dtype(kind).itemsize]).view(kind)
    return used if header.height < 0 else used[::-1]


def _run_lengths(data: bytes, header: Header) -> Decoded:
    """Return a picture with a palette, in runs from the bottom left; skipped pixels are transparent, as in browsers."""
    (used,) = struct.unpack_from("<I", data, 46)
    count = min(used or 1 << header.bits, 1 << header.bits)
    palette = np.zeros((256, 3), np.uint8)
    palette[:count] = np.frombuffer(data, np.uint8, 4 * count, 14 + header.size).reshape(count, 4)[:, 2::-1]
    indices = np.zeros((abs(header.height), header.width), np.uint8)
    drawn = np.zeros(indices.shape)
    x, y, at = 0, 0, header.start
    while y < len(indices):
        if at + 2 > len(data):
            raise damaged("the runs end early")
        length, value = data[at], data[at + 1]
        at += 2
        if length == 0 and value == END:
            break
        if length == 0 and value == END_OF_ROW:
            x, y = 0, y + 1
            continue
        if length == 0 and value == DELTA:
            x, y, at = x + data[at], y + data[at + 1], at + 2
            continue
        if length:
            pixels = np.frombuffer(bytes([value]) * length, np.uint8)[: -(-length * header.bits // 8)]
        else:
            length = value
            size = -(-length * header.bits // 8)
            pixels = np.frombuffer(data, np.uint8, size, at)
            at += size + size % 2
        if header.bits == 4:
            pixels = np.stack([pixels >> 4, pixels & 15], -1).ravel()
        place = slice(x, x + length)
        indices[y, place] = pixels[:length][: max(0, header.width - x)]
        drawn[y, place] = 1
        x += length
    order = slice(None) if header.height < 0 else slice(None, None, -1)
    return Decoded(palette[indices[order]] / 255, "rgb", None if drawn.all() else drawn[order])


def _masks(data: bytes, header: Header) -> tuple[int, ...]:
    """Return the masks of red, green, blue and alpha: from the header, or after the shortest header."""
    alpha = header.size >= V3 or (header.size == INFO and header.compression == ALPHA_BITFIELDS)
    masks = struct.unpack_from("<4I" if alpha else "<3I", data, 14 + INFO)
    if not all(masks[:3]):
        raise damaged("a colour without a mask")
    return masks if alpha else (*masks, 0)


def _masked(pixels: np.ndarray, mask: int) -> np.ndarray:
    shift = (mask & -mask).bit_length() - 1
    return ((pixels & mask) >> shift) / (mask >> shift)
