"""JPEG 2000: ISO/IEC 15444-1, the codestream (annex A) and the JP2 boxes (annex I).

OpenJPEG, by Pillow, codes each component as a lossless codestream of 16 bits and one resolution. Their packets, one of
each, are joined here under headers of any depth, sign and subsampling.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from inputs_corpus.base import (
    ADOBE,
    FINE,
    HEIGHT,
    LEVEL,
    WIDTH,
    Case,
    noise,
    over_white,
    profile,
    wide_noise,
    ycc_to_rgb,
)

CMYK, SRGB, GREY, SYCC = 12, 16, 17, 18
COLOUR, OPACITY, PREMULTIPLIED = 0, 1, 2
WHOLE = 0  # an opacity belongs to all colours


@dataclass(frozen=True)
class Component:
    """Samples ``(h, w)``, how they are coded, and how many pixels lie from one to the next."""

    samples: np.ndarray
    bits: int = 8
    signed: bool = False
    across: int = 1
    down: int = 1


def parts(codestream: bytes) -> tuple[dict[int, bytes], bytes]:
    """Return the segments of the main header and the packets."""
    at, segments = 2, {}
    while True:
        code, length = struct.unpack_from(">HH", codestream, at)
        if code == 0xFF90:  # SOT, and then SOD at once
            return segments, codestream[at + 14 : -2]
        segments[code] = codestream[at : at + 2 + length]
        at += 2 + length


def codestream(components: list[Component], height: int = HEIGHT, width: int = WIDTH) -> bytes:
    packets = b""
    for one in components:
        # Less the DC level shift (annex G.1) of its own depth, with that of 16 bits.
        centred = one.samples - (0 if one.signed else 1 << (one.bits - 1))
        file = io.BytesIO()
        image = Image.fromarray((centred + (1 << 15)).astype(np.uint16))
        image.save(file, "JPEG2000", no_jp2=True, irreversible=False, num_resolutions=1)
        segments, data = parts(file.getvalue())
        packets += data
    sizes = (width, height, 0, 0, width, height, 0, 0, len(components))
    size = struct.pack(">HHH8IH", 0xFF51, 38 + 3 * len(components), 0, *sizes)
    size += b"".join(bytes([one.signed << 7 | one.bits - 1, one.across, one.down]) for one in components)
    tile = struct.pack(">HHHIBBH", 0xFF90, 10, 0, 14 + len(packets), 0, 1, 0xFF93)
    return b"\xff\x4f" + size + segments[0xFF52] + segments[0xFF5C] + tile + packets + b"\xff\xd9"


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data) + 8, kind) + data


def palette_boxes(palette: np.ndarray) -> bytes:
    """Return a palette of 8 bits (I.5.3.4), and the mapping of component 0 through each of its columns (I.5.3.5)."""
    entries, columns = palette.shape
    about = struct.pack(">HB", entries, columns) + bytes([7] * columns) + palette.astype(np.uint8).tobytes()
    return box(b"pclr", about) + box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, i) for i in range(columns)))


def channels_box(*meanings: tuple[int, int, int]) -> bytes:
    """Return channel, type and association of each (I.5.3.6)."""
    return box(b"cdef", struct.pack(">H", len(meanings)) + b"".join(struct.pack(">3H", *one) for one in meanings))


def jp2(components: list[Component], colour: int | bytes, boxes: bytes = b"") -> bytes:
    """Return a file in an enumerated colour space, or with an ICC profile."""
    one = components[0]
    header = struct.pack(">IIHBBBB", HEIGHT, WIDTH, len(components), one.signed << 7 | one.bits - 1, 7, 0, 0)
    space = b"\2\0\0" + colour if isinstance(colour, bytes) else struct.pack(">BBBI", 1, 0, 0, colour)
    headers = box(b"jp2h", box(b"ihdr", header) + box(b"colr", space) + boxes)
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + headers + box(b"jp2c", codestream(components))


def planes(samples: np.ndarray, bits: int = 8, signed: bool = False) -> list[Component]:
    return [Component(samples[..., i], bits, signed) for i in range(samples.shape[2])]


def cases() -> Iterator[Case]:
    yield from depths()
    yield from channels()
    yield from colours()


def depths() -> Iterator[Case]:
    for bits in (1, 4, 8, 10, 12, 16):
        white, tolerance = (1 << bits) - 1, FINE if bits > 8 else LEVEL
        for signed in (False, True)[: 1 if bits == 1 else 2]:
            for label, count, space in (("grey", 1, GREY), ("rgb", 3, SRGB)):
                name = f"jpeg2000-{label}-{bits}bit" + "-signed" * signed
                samples = noise(name, (HEIGHT, WIDTH, count), white)
                # Annex G.1: signed samples have no level shift; their least is black.
                coded = planes(samples - ((1 << (bits - 1)) if signed else 0), bits, signed)
                why = "ISO/IEC 15444-1 A.5.1 Ssiz, G.1"
                yield Case(name, ".jp2", jp2(coded, space), samples / white, tolerance, why)
                yield Case(name + "-raw", ".j2k", codestream(coded), samples / white, tolerance, why)
    # As an encoder writes it: five resolutions and the reversible colour transform.
    samples = noise("jpeg2000-transform", (HEIGHT, WIDTH, 3), 255)
    file = io.BytesIO()
    Image.fromarray(samples.astype(np.uint8)).save(file, "JPEG2000", irreversible=False, mct=1)
    yield Case("jpeg2000-transform", ".jp2", file.getvalue(), samples / 255, LEVEL, "ISO/IEC 15444-1 annexes F, G.2")


def channels() -> Iterator[Case]:
    why = "ISO/IEC 15444-1 I.5.3.6: what each channel is, and premultiplied opacity"
    for bits in (8, 16):
        white, tolerance = (1 << bits) - 1, FINE if bits > 8 else LEVEL

        def case(
            label: str, samples: np.ndarray, space: int, boxes: bytes, truth: np.ndarray, bits=bits, tolerance=tolerance
        ) -> Case:
            content = jp2(planes(samples, bits), space, boxes)
            return Case(f"jpeg2000-{bits}bit-{label}", ".jp2", content, truth, tolerance, why)

        rgb, rgba = (noise(f"jpeg2000-{n}", (HEIGHT, WIDTH, n), white) for n in (3, 4))
        grey = noise("jpeg2000-2", (HEIGHT, WIDTH, 2), white)
        shown = over_white(rgba[..., :3] / white, rgba[..., 3] / white)
        order = [(i, COLOUR, i + 1) for i in range(3)]
        yield case("rgb-in-order", rgb, SRGB, channels_box(*order), rgb / white)
        turned = [(i, COLOUR, 3 - i) for i in range(3)]
        yield case("bgr", rgb, SRGB, channels_box(*turned), rgb[..., ::-1] / white)
        yield case("grb", rgb, SRGB, channels_box((0, 0, 2), (1, 0, 1), (2, 0, 3)), rgb[..., [1, 0, 2]] / white)
        yield case("rgba", rgba, SRGB, channels_box(*order, (3, OPACITY, WHOLE)), shown)
        first = rgba[..., [3, 0, 1, 2]]
        moved = channels_box((0, OPACITY, WHOLE), *((i + 1, COLOUR, i + 1) for i in range(3)))
        yield case("argb", first, SRGB, moved, shown)
        yield case(
            "abgr", rgba[..., ::-1], SRGB, channels_box((0, OPACITY, WHOLE), *((i, 0, 4 - i) for i in (1, 2, 3))), shown
        )
        shown = over_white(grey[..., :1] / white, grey[..., 1] / white)
        yield case("grey-alpha", grey, GREY, channels_box((0, COLOUR, 1), (1, OPACITY, WHOLE)), shown)
        yield case("alpha-grey", grey[..., ::-1], GREY, channels_box((0, OPACITY, WHOLE), (1, COLOUR, 1)), shown)
        inks = jp2(planes(rgba, bits), CMYK)
        truth = (1 - rgba[..., :3] / white) * (1 - rgba[..., 3:] / white)
        yield Case(
            f"jpeg2000-{bits}bit-cmyk", ".jp2", inks, truth, tolerance, "ISO/IEC 15444-2 M.11.7.3.1: CMYK, 0 is no ink"
        )
        low = np.minimum(rgba, rgba[..., 3:])
        truth = (low[..., :3] + white - low[..., 3:]) / white
        yield case("rgba-premultiplied", low, SRGB, channels_box(*order, (3, PREMULTIPLIED, WHOLE)), truth)


def colours() -> Iterator[Case]:
    index = noise("jpeg2000-index", (HEIGHT, WIDTH, 1), 99)
    palette = noise("jpeg2000-palette", (100, 4), 255)
    why = "ISO/IEC 15444-1 I.5.3.4, I.5.3.5: palette and component mapping"
    content = jp2(planes(index, 7), SRGB, palette_boxes(palette[:, :3]))
    picked = palette[index[..., 0]] / 255
    yield Case("jpeg2000-palette", ".jp2", content, picked[..., :3], LEVEL, why)
    meanings = channels_box(*((i, COLOUR, i + 1) for i in range(3)), (3, OPACITY, WHOLE))
    content = jp2(planes(index, 7), SRGB, palette_boxes(palette) + meanings)
    yield Case("jpeg2000-palette-alpha", ".jp2", content, over_white(picked[..., :3], picked[..., 3]), LEVEL, why)
    for across, down in ((1, 1), (2, 1), (2, 2)):
        luma = 90 + noise("jpeg2000-y", (HEIGHT, WIDTH), 75)
        shape = (-(-HEIGHT // down), -(-WIDTH // across))
        chroma = [108 + noise(f"jpeg2000-c{i}", shape, 40) for i in (1, 2)]
        coded = [Component(luma)] + [Component(one, across=across, down=down) for one in chroma]
        # The standard leaves open what lies between samples; OpenJPEG repeats them.
        full = [one.repeat(down, 0).repeat(across, 1)[:HEIGHT, :WIDTH] for one in chroma]
        truth = ycc_to_rgb(np.stack([luma, *full], -1))
        why = "ISO/IEC 15444-1 A.5.1 XRsiz, I.5.3.3: sYCC"
        yield Case(f"jpeg2000-sycc-{across}x{down}", ".jp2", jp2(coded, SYCC), truth, LEVEL, why)
    wide, grey = profile(ADOBE, 2.2), profile(None, 1.5)
    for bits in (8, 16):
        white, tolerance = (1 << bits) - 1, FINE if bits > 8 else LEVEL
        samples = wide_noise(f"jpeg2000-{bits}", white, wide.to_xyz, lambda linear: linear ** (1 / wide.gamma))
        why = "ISO/IEC 15444-1 I.5.3.3: restricted ICC profile"
        content = jp2(planes(samples, bits), wide.content)
        yield Case(f"jpeg2000-rgb-{bits}bit-profile", ".jp2", content, wide.show(samples / white), tolerance, why)
        samples = noise("jpeg2000-grey", (HEIGHT, WIDTH, 1), white)
        content = jp2(planes(samples, bits), grey.content)
        yield Case(f"jpeg2000-grey-{bits}bit-profile", ".jp2", content, grey.show(samples / white), tolerance, why)
