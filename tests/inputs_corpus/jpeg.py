"""JPEG: ITU-T T.81, JFIF 1.02 and Adobe's marker. Blocks of one level each, which a decoder has to give exactly.

With quantisation by 1, the DC coefficient of such a block is eight times its level (less 128), an integer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inputs_corpus.base import ADOBE, LEVEL, TURNS, Case, exif, noise, profile, wide_noise, ycc_to_rgb


@dataclass(frozen=True)
class Component:
    """A component: its identifier, its sampling factors, and the level of every block, ``(rows, columns)``."""

    identifier: int
    across: int
    down: int
    levels: np.ndarray


def marker(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


JFIF = marker(0xE0, b"JFIF\0" + struct.pack(">BBBHHBB", 1, 2, 0, 1, 1, 0, 0))


def adobe(transform: int) -> bytes:
    return marker(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))


def scan_data(components: list[Component], height: int, width: int, end_of_block: str, bits: int) -> bytes:
    """Return the entropy-coded DC differences in the order of A.2, each followed by the code ``end_of_block``."""
    alone = len(components) == 1
    across, down = (1, 1) if alone else (max(c.across for c in components), max(c.down for c in components))
    digits: list[str] = []
    last = [0] * len(components)
    for y in range(-(-height // (8 * down))):
        for x in range(-(-width // (8 * across))):
            for i, part in enumerate(components):
                v, h = (1, 1) if alone else (part.down, part.across)
                for row in range(y * v, (y + 1) * v):
                    for column in range(x * h, (x + 1) * h):
                        rows, columns = part.levels.shape
                        level = int(part.levels[min(row, rows - 1), min(column, columns - 1)])
                        value = 8 * (level - (1 << (bits - 1)))
                        difference, last[i] = value - last[i], value
                        size = abs(difference).bit_length()
                        digits.append(f"{size:05b}")  # the code of a size is the size, in five bits
                        if size:
                            positive = difference if difference > 0 else difference + (1 << size) - 1
                            digits.append(f"{positive:0{size}b}")
                        digits.append(end_of_block)
    code = "".join(digits)
    code += "1" * (-len(code) % 8)
    return bytes(int(code[i : i + 8], 2) for i in range(0, len(code), 8)).replace(b"\xff", b"\xff\0")


def jpeg(
    components: list[Component],
    height: int,
    width: int,
    before: bytes = b"",
    *,
    progressive: bool = False,
    markers: bool = True,
    bits: int = 8,
) -> bytes:
    """Return a file; ``before`` are segments after the start; without ``markers`` no JFIF segment is added."""
    out = b"\xff\xd8" + (JFIF if markers and not before.startswith(b"\xff\xee") else b"") + before
    out += marker(0xDB, b"\0" + b"\1" * 64)
    frame = b"".join(bytes([c.identifier, c.across << 4 | c.down, 0]) for c in components)
    kind = 0xC2 if progressive else 0xC0 if bits == 8 else 0xC1
    out += marker(kind, struct.pack(">BHHB", bits, height, width, len(components)) + frame)
    # Codes of five bits for the sizes 0 to 11, or 15 of 12 bits; one code of one bit.
    sizes = 12 if bits == 8 else 16
    out += marker(0xC4, bytes([0, 0, 0, 0, 0, sizes, *[0] * 11, *range(sizes)]))
    out += marker(0xC4, bytes([0x10, 1, *[0] * 15, 0]))
    selectors = b"".join(bytes([c.identifier, 0]) for c in components)
    out += marker(0xDA, bytes([len(components)]) + selectors + (b"\0\0\0" if progressive else b"\0\x3f\0"))
    # A progressive first scan holds the DC coefficients alone.
    data = scan_data(components, height, width, "" if progressive else "0", bits)
    if progressive:  # a scan of AC coefficients for each component: an end of block in every block
        across, down = (max(c.across for c in components), max(c.down for c in components))
        for part in components:
            rows, columns = -(-height * part.down // (8 * down)), -(-width * part.across // (8 * across))
            count = rows * columns
            ends = ((1 << (-count % 8)) - 1).to_bytes(-(-count // 8), "big")
            data += marker(0xDA, bytes([1, part.identifier, 0, 1, 63, 0])) + ends
    return out + data + b"\xff\xd9"


def calm_blocks(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return Y, Cb, Cr of blocks whose RGB needs no clipping."""
    ycc = noise(name, shape, 255)
    ycc[..., 0] = 90 + ycc[..., 0] * 75 // 255
    ycc[..., 1:] = 108 + ycc[..., 1:] * 40 // 255
    return ycc


def grown(levels: np.ndarray, across: int, down: int) -> np.ndarray:
    """Return pixels of subsampled levels: JFIF 1.02 places them at the middles, and viewers interpolate linearly."""
    pixels = levels.repeat(8, 0).repeat(8, 1).astype(np.float64)
    for axis, factor in ((0, down), (1, across)):
        at = (np.arange(pixels.shape[axis] * factor) + 0.5) / factor - 0.5
        weights = np.stack([np.interp(at, np.arange(len(one)), one) for one in np.eye(pixels.shape[axis])], 1)
        pixels = np.moveaxis(np.tensordot(weights, pixels, (1, axis)), 0, axis)
    return pixels


def cases() -> Iterator[Case]:
    yield from colours()
    yield from turned()


HEIGHT, WIDTH = 19, 21  # neither a whole block nor a whole number of samples


def colours() -> Iterator[Case]:
    def case(label: str, parts: list[Component], truth: np.ndarray, why: str, before: bytes = b"", **options) -> Case:
        content = jpeg(parts, HEIGHT, WIDTH, before, **options)
        return Case(f"jpeg-{label}", ".jpg", content, truth, LEVEL, why)

    blocks = noise("jpeg", (3, 3, 4), 255)
    pixels = blocks.repeat(8, 0).repeat(8, 1)[:HEIGHT, :WIDTH]
    grey = [Component(1, 1, 1, blocks[..., 0])]
    yield case("grey", grey, pixels[..., :1] / 255, "JFIF 1.02: one component is Y")
    yield case("grey-progressive", grey, pixels[..., :1] / 255, "T.81 annex G", progressive=True)
    # A sole component is coded block by block, whatever its sampling factors are (T.81 A.2.2).
    odd = [Component(1, 2, 2, blocks[..., 0])]
    yield case("grey-factors-2x2", odd, pixels[..., :1] / 255, "T.81 A.2.2")
    grey_profile = profile(None, 1.5)
    segment = marker(0xE2, b"ICC_PROFILE\0\1\1" + grey_profile.content)
    yield case("grey-profile", grey, grey_profile.show(pixels[..., :1] / 255), "ICC.1 annex B.4", segment)

    # Chroma in steps of 16 levels: what lies between them by linear interpolation is whole.
    for across, down in ((1, 1), (2, 1), (1, 2), (2, 2), (4, 1)):
        rows, columns = -(-HEIGHT // (8 * down)), -(-WIDTH // (8 * across))
        luma = 90 + noise("jpeg-y", (rows * down, columns * across), 75)
        chroma = [112 + 16 * noise(f"jpeg-c{i}", (rows, columns), 2) for i in (1, 2)]
        parts = [Component(1, across, down, luma)] + [Component(i, 1, 1, chroma[i - 2]) for i in (2, 3)]
        planes = [grown(luma, 1, 1)] + [grown(one, across, down) for one in chroma]
        truth = ycc_to_rgb(np.stack([plane[:HEIGHT, :WIDTH] for plane in planes], -1))
        yield case(f"ycc-{across}x{down}", parts, truth, "JFIF 1.02: YCbCr, chroma sited at the middle")
        if (across, down) == (2, 2):
            yield case("ycc-2x2-progressive", parts, truth, "T.81 annex G", progressive=True)
            yield case("ycc-2x2-no-marker", parts, truth, "three components are YCbCr", markers=False)
            yield case("ycc-2x2-adobe", parts, truth, "Adobe TN 5116: transform 1 is YCbCr", adobe(1))
    rgb = [Component(i, 1, 1, blocks[..., i]) for i in range(3)]
    truth = pixels[..., :3] / 255
    yield case("rgb-adobe", rgb, truth, "Adobe TN 5116: transform 0 is RGB", adobe(0))
    named = [Component(ord(name), 1, 1, blocks[..., i]) for i, name in enumerate("RGB")]
    yield case("rgb-named", named, truth, "libjpeg.txt: components called R, G, B without a marker", markers=False)
    # Photoshop stores 255 less the ink; of YCCK the first three are the YCbCr of 255 less what is stored as CMYK.
    inks = [Component(i + 1, 1, 1, blocks[..., i]) for i in range(4)]
    light = pixels / 255
    yield case("cmyk-adobe", inks, light[..., :3] * light[..., 3:], "Adobe TN 5116: CMYK inverted", adobe(0))
    calm = calm_blocks("jpeg-ycck", (3, 3, 3))
    parts = [Component(i + 1, 1, 1, calm[..., i]) for i in range(3)] + [Component(4, 1, 1, blocks[..., 3])]
    truth = (1 - ycc_to_rgb(calm.repeat(8, 0).repeat(8, 1)[:HEIGHT, :WIDTH])) * light[..., 3:]
    yield case("ycck-adobe", parts, truth, "Adobe TN 5116: transform 2 is YCCK, inverted", adobe(2))
    deep = noise("jpeg-12bit", (3, 3, 3), 4095)
    for label, count, before in (("grey", 1, b""), ("rgb", 3, adobe(0))):
        content = jpeg([Component(i, 1, 1, deep[..., i]) for i in range(count)], HEIGHT, WIDTH, before, bits=12)
        truth = deep[..., :count].repeat(8, 0).repeat(8, 1)[:HEIGHT, :WIDTH] / 4095
        yield Case(f"jpeg-{label}-12bit", ".jpg", content, truth, 1 / 4095, "T.81 4.11: extended sequential, 12 bits")
    wide = profile(ADOBE, 2.2)
    blocks = wide_noise("jpeg-wide", 255, wide.to_xyz, lambda linear: linear ** (1 / wide.gamma))[:3, :3]
    rgb = [Component(i, 1, 1, blocks[..., i]) for i in range(3)]
    truth = wide.show(blocks / 255).repeat(8, 0).repeat(8, 1)[:HEIGHT, :WIDTH]
    half = len(wide.content) // 2
    segments = [wide.content[:half], wide.content[half:]]
    both = b"".join(marker(0xE2, b"ICC_PROFILE\0" + bytes([i, 2]) + part) for i, part in enumerate(segments, 1))
    yield case("rgb-profile", rgb, truth, "ICC.1 annex B.4: a profile in two segments", adobe(0) + both)


def turned() -> Iterator[Case]:
    blocks = noise("jpeg-turned", (3, 3), 255)
    picture = blocks.repeat(8, 0).repeat(8, 1)[:HEIGHT, :WIDTH, None] / 255
    for orientation, turn in TURNS.items():
        before = marker(0xE1, b"Exif\0\0" + exif(orientation))
        content = jpeg([Component(1, 1, 1, blocks)], HEIGHT, WIDTH, before)
        yield Case(f"jpeg-orientation-{orientation}", ".jpg", content, turn(picture), LEVEL, "EXIF 2.32 4.6.4")
