"""BMP: Microsoft's BITMAPCOREHEADER, BITMAPINFOHEADER, V4 and V5, and Adobe's V2 and V3 between them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from inputs_corpus.base import (
    ADOBE,
    HEIGHT,
    LEVEL,
    WIDTH,
    Case,
    noise,
    over_white,
    pack_rows,
    profile,
    wide_noise,
)

PLAIN, RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS = 0, 1, 2, 3, 6
STANDARD, WINDOWS, EMBEDDED = 0x73524742, 0x57696E20, 0x4D424544


def bmp(
    width: int,
    height: int,
    bits: int,
    data: bytes,
    *,
    header: int = 40,
    compression: int = PLAIN,
    masks: tuple[int, ...] = (),
    palette: bytes = b"",
    colours: int = 0,
    space: int = STANDARD,
    embedded: bytes = b"",
) -> bytes:
    """Return a file.

    Args:
        width: in pixels.
        height: in pixels; negative where the first row is the top one.
        bits: of a pixel.
        data: the rows.
        header: its size, which says its version.
        compression: one of the constants above.
        masks: of red, green, blue and alpha.
        palette: its bytes.
        colours: how many there are in the palette; 0 means all.
        space: of the colours, from V4 on.
        embedded: an ICC profile, in V5.
    """
    after = b""
    if header == 12:
        about = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        about = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(data), 1, 1, colours, 0)
        inside = struct.pack("<4I", *masks, *[0] * (4 - len(masks)))
        if header == 40:
            after = struct.pack(f"<{len(masks)}I", *masks)
        about += inside[: header - 40]
    start = 14 + header + len(after) + len(palette)
    if header >= 108:
        about += struct.pack("<I", space) + bytes(48)
    if header == 124:
        about += struct.pack("<4I", 4, header + len(after) + len(palette) + len(data), len(embedded), 0)
    size = start + len(data) + len(embedded)
    return struct.pack("<2sIHHI", b"BM", size, 0, 0, start) + about + after + palette + data + embedded


def padded(rows: np.ndarray, bits: int) -> bytes:
    """Return pixels ``(H, W)`` of up to 8 bits, or bytes, bottom row first, each filled up to four bytes."""
    packed = pack_rows(rows[::-1], bits)
    width = len(packed) // len(rows)
    return b"".join(packed[y * width :][:width] + bytes(-width % 4) for y in range(len(rows)))


def words(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return little-endian pixels as bytes ``(H, W size)``."""
    return ((pixels[..., None] >> (8 * np.arange(size))) & 255).reshape(len(pixels), -1)


def palette_of(colours: np.ndarray, entry: int = 4) -> bytes:
    return b"".join(bytes(int(v) for v in colour[::-1]).ljust(entry, b"\0") for colour in colours)


def run_lengths(rows: np.ndarray, bits: int) -> bytes:
    """Return RLE8 or RLE4 of rows from the bottom: runs of two, absolute parts of three to nine, ends of lines."""
    out = b""
    for row in rows[::-1]:
        at = 0
        while at < len(row):
            rest = row[at : at + 9]
            if len(rest) >= 3 and at % 2 == 0:
                digits = pack_rows(rest[None], bits)
                out += bytes([0, len(rest)]) + digits + bytes(len(digits) % 2)
                at += len(rest)
            elif bits == 4 and len(rest) >= 2:
                out += bytes([2, int(rest[0]) << 4 | int(rest[1])])
                at += 2
            else:
                out += bytes([1, int(rest[0]) << (4 if bits == 4 else 0)])
                at += 1
        out += b"\0\0"
    return out[:-2] + b"\0\1"


def cases() -> Iterator[Case]:
    yield from indexed()
    yield from masked()
    yield from declared()


def indexed() -> Iterator[Case]:
    for bits in (1, 4, 8):
        name = f"bmp-palette-{bits}bit"
        pixels = noise(name, (HEIGHT, WIDTH), (1 << bits) - 1)
        colours = noise(name + "-palette", (1 << bits, 3), 255)
        truth, palette = colours[pixels] / 255, palette_of(colours)
        rows = padded(pixels, bits)
        why = "BITMAPINFOHEADER: a palette of RGBQUAD"
        yield Case(name, ".bmp", bmp(WIDTH, HEIGHT, bits, rows, palette=palette), truth, LEVEL, why)
        down = bmp(WIDTH, -HEIGHT, bits, padded(pixels[::-1], bits), palette=palette)
        yield Case(name + "-top-down", ".bmp", down, truth, LEVEL, "biHeight below 0: the first row is the top one")
        core = bmp(WIDTH, HEIGHT, bits, rows, header=12, palette=palette_of(colours, 3))
        yield Case(name + "-core", ".bmp", core, truth, LEVEL, "BITMAPCOREHEADER: a palette of RGBTRIPLE")
        few = max(2, (1 << bits) * 3 // 4)
        low = bmp(WIDTH, HEIGHT, bits, padded(pixels % few, bits), palette=palette_of(colours[:few]), colours=few)
        yield Case(name + "-few", ".bmp", low, colours[pixels % few] / 255, LEVEL, "biClrUsed")
        if bits > 1:
            code = RLE8 if bits == 8 else RLE4
            packed = bmp(WIDTH, HEIGHT, bits, run_lengths(pixels, bits), compression=code, palette=palette)
            yield Case(f"bmp-rle{bits}", ".bmp", packed, truth, LEVEL, "Bitmap Compression: encoded and absolute mode")


#: By label: bits of a pixel, bits of red, green, blue and alpha, and the least significant bit of each.
FORMATS = {
    "555": (16, (5, 5, 5), (10, 5, 0)),
    "565": (16, (5, 6, 5), (11, 5, 0)),
    "4444": (16, (4, 4, 4, 4), (8, 4, 0, 12)),
    "1555": (16, (5, 5, 5, 1), (10, 5, 0, 15)),
    "4444-rgba": (16, (4, 4, 4, 4), (12, 8, 4, 0)),
    "8880": (32, (8, 8, 8), (24, 16, 8)),
    "8888": (32, (8, 8, 8, 8), (16, 8, 0, 24)),
    "8888-rgba": (32, (8, 8, 8, 8), (0, 8, 16, 24)),
    "1010102": (32, (10, 10, 10, 2), (20, 10, 0, 30)),
}


def masked() -> Iterator[Case]:
    name = "bmp-24bit"
    rgb = noise(name, (HEIGHT, WIDTH, 3), 255)
    rows = padded(rgb[..., ::-1].reshape(HEIGHT, -1), 8)
    yield Case(name, ".bmp", bmp(WIDTH, HEIGHT, 24, rows), rgb / 255, LEVEL, "biBitCount 24: blue, green, red")
    core = bmp(WIDTH, HEIGHT, 24, rows, header=12)
    yield Case(name + "-core", ".bmp", core, rgb / 255, LEVEL, "BITMAPCOREHEADER")
    down = bmp(WIDTH, -HEIGHT, 24, padded(rgb[::-1, :, ::-1].reshape(HEIGHT, -1), 8))
    yield Case(name + "-top-down", ".bmp", down, rgb / 255, LEVEL, "biHeight below 0")
    for bits, depths, shifts in ((16, *FORMATS["555"][1:]), (32, *FORMATS["8888"][1:])):
        name = f"bmp-{bits}bit"
        values = [noise(f"{name}{i}", (HEIGHT, WIDTH), (1 << depth) - 1) for i, depth in enumerate(depths)]
        pixels = sum(value << shift for value, shift in zip(values, shifts, strict=True))
        content = bmp(WIDTH, HEIGHT, bits, padded(words(pixels, bits // 8), 8))
        truth = np.stack([v / ((1 << depth) - 1) for v, depth in zip(values[:3], depths, strict=False)], -1)
        yield Case(name, ".bmp", content, truth, LEVEL, "BI_RGB: five bits of each, or a fourth byte that is not used")
    for label, (bits, depths, shifts) in FORMATS.items():
        values = [noise(f"{label}{i}", (HEIGHT, WIDTH), (1 << depth) - 1) for i, depth in enumerate(depths)]
        pixels = sum(value << shift for value, shift in zip(values, shifts, strict=True))
        masks = tuple(((1 << depth) - 1) << shift for depth, shift in zip(depths, shifts, strict=True))
        unit = np.stack([v / ((1 << depth) - 1) for v, depth in zip(values, depths, strict=True)], -1)
        truth = over_white(unit[..., :3], unit[..., 3]) if len(depths) == 4 else unit
        rows = padded(words(pixels, bits // 8), 8)
        for header, version in ((40, "info"), (52, "v2"), (56, "v3"), (108, "v4"), (124, "v5")):
            if header == 52 and len(depths) == 4:
                continue  # its header has no place for an alpha mask
            compression = ALPHA_BITFIELDS if header == 40 and len(depths) == 4 else BITFIELDS
            content = bmp(WIDTH, HEIGHT, bits, rows, header=header, compression=compression, masks=masks)
            why = "BI_BITFIELDS and BI_ALPHABITFIELDS: masks of red, green, blue and alpha"
            yield Case(f"bmp-{label}-{version}", ".bmp", content, truth, LEVEL, why)


def declared() -> Iterator[Case]:
    wide = profile(ADOBE, 2.2)
    rgb = wide_noise("bmp-profile", 255, wide.to_xyz, lambda linear: linear ** (1 / wide.gamma))
    rows = padded(rgb[..., ::-1].reshape(HEIGHT, -1), 8)
    content = bmp(WIDTH, HEIGHT, 24, rows, header=124, space=EMBEDDED, embedded=wide.content)
    truth = wide.show(rgb / 255)
    yield Case("bmp-v5-profile", ".bmp", content, truth, LEVEL, "BITMAPV5HEADER: PROFILE_EMBEDDED")
    rgb = noise("bmp-windows", (HEIGHT, WIDTH, 3), 255)
    rows = padded(rgb[..., ::-1].reshape(HEIGHT, -1), 8)
    for header, version in ((108, "v4"), (124, "v5")):
        content = bmp(WIDTH, HEIGHT, 24, rows, header=header, space=WINDOWS)
        yield Case(f"bmp-{version}-windows", ".bmp", content, rgb / 255, LEVEL, "LCS_WINDOWS_COLOR_SPACE is sRGB")
