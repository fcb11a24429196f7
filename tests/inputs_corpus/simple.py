"""TGA (Truevision 2.0), PCX (ZSoft 5), SGI (Haeberli 1.00) and QOI 1.0."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from inputs_corpus.base import FINE, HEIGHT, LEVEL, WIDTH, Case, noise, over_white, pack_rows


def patchy(name: str, shape: tuple[int, ...], white: int) -> np.ndarray:
    """Return noise in which half of the pixels repeat their left neighbours, for run lengths to have something."""
    samples = noise(name, shape, white)
    samples[:, 3:7] = samples[:, 3:4]
    samples[-2:, 8:] = samples[-2:, 8:9]
    return samples


def cases() -> Iterator[Case]:
    yield from targa()
    yield from paintbrush()
    yield from silicon_graphics()
    yield from quite_ok()


# TGA

ColourMap = tuple[int, int, bytes]


def packets(pixels: list[bytes]) -> bytes:
    """Return a row as run-length packets of TGA and raw ones."""
    out, at = b"", 0
    while at < len(pixels):
        run = 1
        while at + run < len(pixels) and pixels[at + run] == pixels[at]:
            run += 1
        if run > 1:
            out += bytes([0x80 | run - 1]) + pixels[at]
        else:
            while at + run < len(pixels) and pixels[at + run] != pixels[at + run - 1]:
                run += 1
            out += bytes([run - 1]) + b"".join(pixels[at : at + run])
        at += run
    return out


def tga(
    kind: int, pixels: np.ndarray, depth: int, descriptor: int, packed: bool, colour_map: ColourMap = (0, 0, b"")
) -> bytes:
    """Return a file of little-endian pixels ``(H, W)`` in the order of the rows in it.

    ``colour_map`` is the number of its entries, their bits, and the bytes.
    """
    entries, entry_bits, table = colour_map
    size = (depth + 7) // 8
    rows = [[int(pixel).to_bytes(size, "little") for pixel in row] for row in pixels]
    data = b"".join(packets(row) if packed else b"".join(row) for row in rows)
    about = struct.pack("<BBBHHB", 0, bool(entries), kind + 8 * packed, 0, entries, entry_bits)
    about += struct.pack("<HHHHBB", 0, 0, pixels.shape[1], pixels.shape[0], depth, descriptor)
    return about + table + data + bytes(8) + b"TRUEVISION-XFILE.\0"


def joined(channels: np.ndarray, shifts: tuple[int, ...]) -> np.ndarray:
    return sum(channels[..., i] << shift for i, shift in enumerate(shifts))


def targa() -> Iterator[Case]:
    why = "Truevision TGA 2.0: image type, and the attribute and origin bits of the image descriptor"

    def case(name: str, content: bytes, truth: np.ndarray) -> Case:
        return Case(f"tga-{name}", ".tga", content, truth, LEVEL, why)

    for packed in (False, True):
        rle = "-rle" * packed
        grey = patchy("tga-grey", (HEIGHT, WIDTH, 1), 255)
        yield case("grey" + rle, tga(3, grey[::-1, :, 0], 8, 0, packed), grey / 255)
        rgb = patchy("tga-rgb", (HEIGHT, WIDTH, 3), 255)
        pixels = joined(rgb, (16, 8, 0))
        for origin, stored in (
            (0x00, pixels[::-1]), (0x10, pixels[::-1, ::-1]), (0x20, pixels), (0x30, pixels[:, ::-1])
        ):  # fmt: skip
            yield case(f"rgb-origin-{origin:02x}{rle}", tga(2, stored, 24, origin, packed), rgb / 255)
        rgba = patchy("tga-rgba", (HEIGHT, WIDTH, 4), 255)
        pixels = joined(rgba, (16, 8, 0, 24))
        shown = over_white(rgba[..., :3] / 255, rgba[..., 3] / 255)
        yield case("rgba" + rle, tga(2, pixels, 32, 0x28, packed), shown)
        # Without attribute bits the fourth byte means nothing, but decoders take it for alpha: here it is opaque.
        yield case("rgb-32bit" + rle, tga(2, pixels | 255 << 24, 32, 0x20, packed), rgba[..., :3] / 255)
        high = patchy("tga-high", (HEIGHT, WIDTH, 3), 31)
        words = joined(high, (10, 5, 0)) | noise("tga-attribute", (HEIGHT, WIDTH), 1) << 15
        yield case("rgb-16bit" + rle, tga(2, words, 16, 0x20, packed), high / 31)
        shown = over_white(high / 31, (words >> 15).astype(np.float64))
        yield case("rgb-16bit-attribute" + rle, tga(2, words, 16, 0x21, packed), shown)
        both = patchy("tga-grey-alpha", (HEIGHT, WIDTH, 2), 255)
        shown = over_white(both[..., :1] / 255, both[..., 1] / 255)
        yield case("grey-alpha" + rle, tga(3, joined(both, (0, 8)), 16, 0x28, packed), shown)
        index = patchy("tga-index", (HEIGHT, WIDTH), 99)
        for bits in (16, 24, 32):
            levels = 31 if bits == 16 else 255
            colours = noise(f"tga-map{bits}", (100, 3), levels)
            words = joined(colours, (10, 5, 0) if bits == 16 else (16, 8, 0)) | (255 << 24 if bits == 32 else 0)
            table = b"".join(int(word).to_bytes(bits // 8, "little") for word in words)
            content = tga(1, index, 8, 0x20, packed, (100, bits, table))
            yield case(f"palette-{bits}bit{rle}", content, colours[index] / levels)
        moved = bytearray(tga(1, index + 20, 8, 0x20, packed, (100, bits, table)))
        moved[3:5] = struct.pack("<H", 20)
        yield case(f"palette-from-20{rle}", bytes(moved), colours[index] / levels)
        alpha = noise("tga-map-alpha", (100,), 255)
        words = joined(colours, (16, 8, 0)) | alpha << 24
        table = b"".join(int(word).to_bytes(4, "little") for word in words)
        shown = over_white(colours[index] / 255, alpha[index] / 255)
        yield case(f"palette-alpha{rle}", tga(1, index, 8, 0x28, packed, (100, 32, table)), shown)
        plain = tga(2, joined(rgb, (16, 8, 0)), 24, 0x20, packed)
        yield case(f"identified{rle}", b"\x05" + plain[1:18] + b"hello" + plain[18:], rgb / 255)
        unused = tga(2, joined(rgb, (16, 8, 0)), 24, 0x20, packed, (100, 32, table))
        yield case(f"rgb-unused-map{rle}", unused, rgb / 255)


# PCX


def pcx(planes: np.ndarray, bits: int, colours: np.ndarray | None = None, grey: bool = False) -> bytes:
    """Return a file of ``(H, planes, W)`` samples of ``bits`` bits."""
    height, count, width = planes.shape
    line = -(-width * bits // 16) * 2
    data = b""
    for row in planes:
        for plane in row:
            values = pack_rows(plane[None], bits).ljust(line, b"\0")
            at = 0
            while at < line:
                run = 1
                while run < 63 and at + run < line and values[at + run] == values[at]:
                    run += 1
                data += bytes([0xC0 | run, values[at]]) if run > 1 or values[at] >= 0xC0 else values[at : at + 1]
                at += run
    low = np.zeros((16, 3), int) if colours is None or len(colours) > 16 else np.resize(colours, (16, 3))
    head = struct.pack("<BBBB6H", 10, 5, 1, bits, 0, 0, width - 1, height - 1, 72, 72)
    head += low.astype(np.uint8).tobytes() + struct.pack("<BBHH", 0, count, line, 2 if grey else 1)
    tail = b"" if colours is None or len(colours) <= 16 else b"\x0c" + colours.astype(np.uint8).tobytes()
    return head.ljust(128, b"\0") + data + tail


def paintbrush() -> Iterator[Case]:
    why = "ZSoft PCX technical reference 5: planes, run lengths, 16 colours in the header or 256 at the end"
    bits = patchy("pcx-1", (HEIGHT, WIDTH), 1)
    two = np.array([[0, 0, 0], [255, 255, 255]])
    yield Case("pcx-1bit", ".pcx", pcx(bits[:, None], 1, two), bits[..., None] / 1.0, LEVEL, why)
    index = patchy("pcx-16", (HEIGHT, WIDTH), 15)
    colours = noise("pcx-16-map", (16, 3), 255)
    planes = (index[:, None] >> np.arange(4)[:, None]) & 1
    yield Case("pcx-4-planes", ".pcx", pcx(planes, 1, colours), colours[index] / 255, LEVEL, why)
    for count in (2, 3):
        index = patchy(f"pcx-{count}", (HEIGHT, WIDTH), (1 << count) - 1)
        planes = (index[:, None] >> np.arange(count)[:, None]) & 1
        yield Case(f"pcx-{count}-planes", ".pcx", pcx(planes, 1, colours), colours[index] / 255, LEVEL, why)
    index = patchy("pcx-4bit", (HEIGHT, WIDTH), 15)
    yield Case("pcx-4bit", ".pcx", pcx(index[:, None], 4, colours), colours[index] / 255, LEVEL, why)
    index = patchy("pcx-256", (HEIGHT, WIDTH), 255)
    colours = noise("pcx-256-map", (256, 3), 255)
    yield Case("pcx-palette-8bit", ".pcx", pcx(index[:, None], 8, colours), colours[index] / 255, LEVEL, why)
    greys = np.arange(256)[:, None].repeat(3, 1)
    yield Case("pcx-grey", ".pcx", pcx(index[:, None], 8, greys, grey=True), index[..., None] / 255, LEVEL, why)
    rgb = patchy("pcx-rgb", (HEIGHT, WIDTH, 3), 255)
    yield Case("pcx-rgb", ".pcx", pcx(rgb.swapaxes(1, 2), 8), rgb / 255, LEVEL, why)


# SGI


def sgi(samples: np.ndarray, size: int, packed: bool) -> bytes:
    """Return a file of ``(H, W, C)`` samples of ``size`` bytes."""
    height, width, channels = samples.shape
    rows = [samples[::-1, :, c].astype(f">u{size}") for c in range(channels)]
    dimension = 3 if channels > 1 else 2
    about = struct.pack(">hBBHHHHII", 474, packed, size, dimension, width, height, channels, 0, (1 << 8 * size) - 1)
    about = about.ljust(512, b"\0")
    if not packed:
        return about + b"".join(plane.tobytes() for plane in rows)
    starts, lengths, data = [], [], b""
    for plane in rows:
        for row in plane:
            out: list[int] = []
            at = 0
            while at < width:
                run = 1
                while at + run < width and row[at + run] == row[at]:
                    run += 1
                if run > 1:
                    out += [run, int(row[at])]
                else:
                    while at + run < width and row[at + run] != row[at + run - 1]:
                        run += 1
                    out += [0x80 | run, *map(int, row[at : at + run])]
                at += run
            line = struct.pack(f">{len(out) + 1}{'BH'[size - 1]}", *out, 0)
            starts.append(512 + 8 * height * channels + len(data))
            lengths.append(len(line))
            data += line
    return about + struct.pack(f">{len(starts)}I{len(lengths)}I", *starts, *lengths) + data


def silicon_graphics() -> Iterator[Case]:
    why = "The SGI Image File Format 1.00: planes from the bottom row, one or two bytes, verbatim or RLE"
    for packed in (False, True):
        for size in (1, 2):
            white = (1 << 8 * size) - 1
            for label, channels in (("grey", 1), ("grey-alpha", 2), ("rgb", 3), ("rgba", 4)):
                name = f"sgi-{label}-{8 * size}bit" + "-rle" * packed
                samples = patchy(name, (HEIGHT, WIDTH, channels), white)
                unit = samples / white
                truth = unit if channels % 2 else over_white(unit[..., :-1], unit[..., -1])
                tolerance = FINE if size == 2 else LEVEL
                yield Case(name, ".sgi", sgi(samples, size, packed), truth, tolerance, why)
            row = patchy(f"sgi-row-{size}", (1, WIDTH, 1), white)
            content = bytearray(sgi(row, size, packed))
            content[4:6] = struct.pack(">H", 1)
            name = f"sgi-one-row-{8 * size}bit" + "-rle" * packed
            yield Case(name, ".sgi", bytes(content), row / white, tolerance, why)
    for number, label in ((1, "dithered"), (2, "screen"), (3, "colormap")):
        content = bytearray(sgi(patchy("sgi-map", (HEIGHT, WIDTH, 1), 255), 1, False))
        content[104:108] = struct.pack(">I", number)
        yield Case(f"sgi-{label}", ".sgi", bytes(content), None, LEVEL, "SGI 1.00 COLORMAP: obsolete")


# QOI


def qoi(samples: np.ndarray) -> bytes:
    """Return a file of ``(H, W, 3 or 4)`` samples, with every kind of chunk where it is shorter."""
    height, width, channels = samples.shape
    out = struct.pack(">4sIIBB", b"qoif", width, height, channels, 0)
    seen = [(0, 0, 0, 0)] * 64
    last = (0, 0, 0, 255)
    run = 0
    pixels = [(*map(int, pixel), 255)[:4] for pixel in samples.reshape(-1, channels)]
    for i, pixel in enumerate(pixels):
        if pixel == last:
            run += 1
            if run == 62 or i == len(pixels) - 1:
                out += bytes([0xC0 | run - 1])
                run = 0
            continue
        if run:
            out += bytes([0xC0 | run - 1])
            run = 0
        r, g, b, a = pixel
        place = (3 * r + 5 * g + 7 * b + 11 * a) % 64
        dr, dg, db = ((new - old + 128) % 256 - 128 for new, old in zip(pixel[:3], last, strict=False))
        if seen[place] == pixel:
            out += bytes([place])
        elif a != last[3]:
            out += bytes([0xFF, *pixel])
        elif all(-2 <= d <= 1 for d in (dr, dg, db)):
            out += bytes([0x40 | dr + 2 << 4 | dg + 2 << 2 | db + 2])
        elif -32 <= dg <= 31 and all(-8 <= d - dg <= 7 for d in (dr, db)):
            out += bytes([0x80 | dg + 32, dr - dg + 8 << 4 | db - dg + 8])
        else:
            out += bytes([0xFE, r, g, b])
        seen[place] = last = pixel
    return out + bytes(7) + b"\1"


def quite_ok() -> Iterator[Case]:
    why = "The Quite OK Image Format 1.0: straight alpha"
    for label, channels in (("rgb", 3), ("rgba", 4)):
        for kind, steps in (("noise", 255), ("calm", 6)):
            name = f"qoi-{label}-{kind}"
            samples = patchy(name, (HEIGHT, WIDTH, channels), steps)
            samples[..., 1:3] += 0 if steps == 255 else 90
            unit = samples / 255
            truth = over_white(unit[..., :3], unit[..., 3]) if channels == 4 else unit
            yield Case(name, ".qoi", qoi(samples), truth, LEVEL, why)
