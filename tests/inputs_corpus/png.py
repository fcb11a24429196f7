"""PNG: ISO/IEC 15948 and the W3C's third edition ("PNG-3"). Chunks are written with struct and zlib."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from inputs_corpus.base import (
    ADOBE,
    BT2020,
    FINE,
    HEIGHT,
    LEVEL,
    P3,
    SRGB,
    TURNS,
    WIDTH,
    Case,
    decode_srgb,
    encode_srgb,
    exif,
    noise,
    over_white,
    pack_rows,
    profile,
    shown,
    to_xyz_d50,
    wide_noise,
)

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
#: Section 8.1: where the seven passes start, and their steps, as (row, column).
PASSES = (
    ((0, 0), (8, 8)), ((0, 4), (8, 8)), ((4, 0), (8, 4)), ((0, 2), (4, 4)), ((2, 0), (4, 2)), ((0, 1), (2, 2)),
    ((1, 0), (2, 1)),
)  # fmt: skip


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def filtered(samples: np.ndarray, bits: int) -> bytes:
    """Return rows ``(H, W, C)`` under the five filters of section 9 in turn, on 8 and 16 bits, or unfiltered."""
    rows = pack_rows(samples.reshape(len(samples), -1), bits)
    width = len(rows) // len(samples)
    step = max(1, samples.shape[2] * bits // 8)
    above, out = np.zeros(width + step, int), b""
    for y in range(len(samples)):
        row = np.concatenate([np.zeros(step, int), np.frombuffer(rows[y * width :][:width], np.uint8)])
        left, corner, up = row[:width], above[:width], above[step:]
        kind = y % 5 if bits >= 8 else 0
        estimate = left + up - corner
        distances = [np.abs(estimate - near) for near in (left, up, corner)]
        paeth = np.choose(np.argmin(distances, axis=0), (left, up, corner))
        predicted = (np.zeros(width, int), left, up, (left + up) // 2, paeth)[kind]
        out += bytes([kind]) + ((row[step:] - predicted) % 256).astype(np.uint8).tobytes()
        above = row
    return out


def image_data(samples: np.ndarray, bits: int, interlaced: bool = False) -> bytes:
    if not interlaced:
        return zlib.compress(filtered(samples, bits))
    parts = (samples[y::dy, x::dx] for (y, x), (dy, dx) in PASSES)
    return zlib.compress(b"".join(filtered(part, bits) for part in parts if part.size))


def header(height: int, width: int, bits: int, kind: int, interlaced: bool = False) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced))


def png(samples: np.ndarray, bits: int, kind: int, before: bytes = b"", interlaced: bool = False) -> bytes:
    """Return a file of samples ``(H, W, C)`` with the chunks ``before`` between IHDR and IDAT."""
    data = chunk(b"IDAT", image_data(samples, bits, interlaced))
    return header(*samples.shape[:2], bits, kind, interlaced) + before + data + chunk(b"IEND")


def palette_chunk(palette: np.ndarray) -> bytes:
    return chunk(b"PLTE", palette.astype(np.uint8).tobytes())


def cases() -> Iterator[Case]:
    yield from depths()
    yield from transparent()
    yield from declared()
    yield from declared_palettes()
    yield from tiny()
    yield from turned()


def depths() -> Iterator[Case]:
    """Table 11.1: every colour type and depth, plain and interlaced."""
    kinds = [(GREY, b) for b in (1, 2, 4, 8, 16)] + [(RGB, b) for b in (8, 16)]
    kinds += [(PALETTE, b) for b in (1, 2, 4, 8)] + [(kind, b) for kind in (GREY_ALPHA, RGBA) for b in (8, 16)]
    channels = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
    labels = {GREY: "grey", RGB: "rgb", PALETTE: "palette", GREY_ALPHA: "grey-alpha", RGBA: "rgba"}
    for interlaced in (False, True):
        for kind, bits in kinds:
            name = f"png-{labels[kind]}-{bits}bit" + "-interlaced" * interlaced
            white = (1 << bits) - 1
            samples = noise(name, (HEIGHT, WIDTH, channels[kind]), white)
            before = b""
            if kind == PALETTE:
                palette = noise(name + "-palette", (1 << bits, 3), 255)
                before, truth = palette_chunk(palette), palette[samples[..., 0]] / 255
            elif kind in (GREY_ALPHA, RGBA):
                truth = over_white(samples[..., :-1] / white, samples[..., -1] / white)
            else:
                truth = samples / white
            content = png(samples, bits, kind, before, interlaced)
            yield Case(name, ".png", content, truth, FINE if bits == 16 else LEVEL, "PNG-3 table 8, 13.12, 8.1")


def transparent() -> Iterator[Case]:
    """Section 11.3.1.1: a colour of tRNS is compared at the file's depth; entries that a palette lacks are opaque."""
    for bits in (1, 2, 4, 8, 16):
        name = f"png-grey-{bits}bit-trns"
        white = (1 << bits) - 1
        key = white // 3
        samples = noise(name, (HEIGHT, WIDTH, 1), white)
        # Neighbours of the key that share its upper byte, or its level, stay opaque.
        samples[2:4], samples[5, :4] = key, min(key + 1, white)
        content = png(samples, bits, GREY, chunk(b"tRNS", struct.pack(">H", key)))
        truth = np.where(samples == key, 1, samples / white)
        yield Case(name, ".png", content, truth, FINE if bits == 16 else LEVEL, "PNG-3 11.3.1.1 tRNS")
    for bits in (8, 16):
        name = f"png-rgb-{bits}bit-trns"
        white = (1 << bits) - 1
        samples = noise(name, (HEIGHT, WIDTH, 3), white)
        key = np.array([white // 5, white // 2, white // 3])
        samples[2:4], samples[5, :4] = key, key + np.array([0, 0, 1])
        content = png(samples, bits, RGB, chunk(b"tRNS", struct.pack(">3H", *key)))
        truth = np.where((samples == key).all(-1, keepdims=True), 1, samples / white)
        yield Case(name, ".png", content, truth, FINE if bits == 16 else LEVEL, "PNG-3 11.3.1.1 tRNS")
    for bits in (1, 2, 4, 8):
        name = f"png-palette-{bits}bit-trns"
        samples = noise(name, (HEIGHT, WIDTH, 1), (1 << bits) - 1)
        palette = noise(name + "-palette", (1 << bits, 3), 255)
        alpha = np.full(1 << bits, 255)
        given = max(1, (1 << bits) // 2)
        alpha[:given] = noise(name + "-alpha", (given,), 200)
        before = palette_chunk(palette) + chunk(b"tRNS", alpha[:given].astype(np.uint8).tobytes())
        index = samples[..., 0]
        truth = over_white(palette[index] / 255, alpha[index] / 255)
        yield Case(name, ".png", png(samples, bits, PALETTE, before), truth, LEVEL, "PNG-3 11.3.1.1 tRNS")
    name = "png-rgba-background"
    samples = noise(name, (HEIGHT, WIDTH, 4), 255)
    content = png(samples, 8, RGBA, chunk(b"bKGD", struct.pack(">3H", 255, 0, 0)))
    truth = over_white(samples[..., :3] / 255, samples[..., 3] / 255)
    yield Case(name, ".png", content, truth, LEVEL, "PNG-3 11.3.4.1: a viewer need not use bKGD, and browsers do not")


def gamma_chunk(gamma: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(gamma * 100000)))


def primaries_chunk(primaries: tuple[tuple[float, float], ...]) -> bytes:
    red, green, blue, white = primaries
    return chunk(b"cHRM", struct.pack(">8I", *(round(v * 100000) for v in (*white, *red, *green, *blue))))


def cicp_chunk(primaries: int, transfer: int, full: int = 1) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, full]))


def profile_chunk(content: bytes) -> bytes:
    return chunk(b"iCCP", b"made\0\0" + zlib.compress(content))


def srgb_chunk() -> bytes:
    return chunk(b"sRGB", b"\0")


def declared() -> Iterator[Case]:
    """Section 4.3 and table 1: cICP before iCCP before sRGB before gAMA and cHRM; then as sRGB shows it."""
    wide, adobe_xyz, p3_xyz, bt2020_xyz = profile(ADOBE, 2.2), to_xyz_d50(ADOBE), to_xyz_d50(P3), to_xyz_d50(BT2020)
    srgb = to_xyz_d50(SRGB)
    lower = [gamma_chunk(1.0), primaries_chunk(BT2020)]  # what is overruled would be seen
    for bits in (8, 16):
        white, tolerance = (1 << bits) - 1, FINE if bits == 16 else LEVEL

        def case(
            label: str,
            before: list[bytes],
            samples: np.ndarray,
            truth: np.ndarray | None,
            bits: int = bits,
            tolerance: float = tolerance,
        ) -> Case:
            kind = {1: GREY, 2: GREY_ALPHA, 3: RGB, 4: RGBA}[samples.shape[2]]
            content = png(samples, bits, kind, b"".join(before))
            why = "PNG-3 4.3 table 1, 12.1, 13.13, 13.14"
            return Case(f"png-{bits}bit-{label}", ".png", content, truth, tolerance, why)

        grey, rgb = noise(f"g{bits}", (HEIGHT, WIDTH, 1), white), noise(f"c{bits}", (HEIGHT, WIDTH, 3), white)
        grey_alpha, rgba = noise(f"ga{bits}", (HEIGHT, WIDTH, 2), white), noise(f"ca{bits}", (HEIGHT, WIDTH, 4), white)
        for gamma in (1.0, 0.55556, 0.35):
            label, before = f"gamma-{gamma:g}", [gamma_chunk(gamma)]
            power = 1 / (round(gamma * 100000) / 100000)
            yield case(f"grey-{label}", before, grey, encode_srgb((grey / white) ** power))
            yield case(f"rgb-{label}", before, rgb, encode_srgb((rgb / white) ** power))
            if gamma == 1.0:
                linear = encode_srgb(grey_alpha[..., :1] / white)
                yield case(f"grey-alpha-{label}", before, grey_alpha, over_white(linear, grey_alpha[..., 1] / white))
                linear = encode_srgb(rgba[..., :3] / white)
                yield case(f"rgba-{label}", before, rgba, over_white(linear, rgba[..., 3] / white))
        power = 100000 / 45455
        samples = wide_noise(f"w{bits}", white, adobe_xyz, lambda linear, power=power: linear ** (1 / power))
        truth = shown((samples / white) ** power, adobe_xyz)
        yield case("rgb-gamma-and-primaries", [gamma_chunk(0.45455), primaries_chunk(ADOBE)], samples, truth)
        yield case("rgb-srgb", [srgb_chunk()], rgb, rgb / white)
        yield case("rgb-srgb-over-gamma", [srgb_chunk(), *lower], rgb, rgb / white)
        yield case("grey-srgb-over-gamma", [srgb_chunk(), gamma_chunk(1.0)], grey, grey / white)
        samples = wide_noise(f"i{bits}", white, wide.to_xyz, lambda linear: linear ** (1 / wide.gamma))
        truth = wide.show(samples / white)
        yield case("rgb-profile", [profile_chunk(wide.content)], samples, truth)
        yield case("rgb-profile-over-gamma", [profile_chunk(wide.content), *lower], samples, truth)
        grey_profile = profile(None, 1.5)
        truth = grey_profile.show(grey / white)
        yield case("grey-profile", [profile_chunk(grey_profile.content)], grey, truth)
        for label, content in (("other", grey_profile.content), ("damaged", wide.content[:200])):
            yield case(f"rgb-{label}-profile", [profile_chunk(content)], rgb, rgb / white)
        yield case("rgb-cicp-srgb", [cicp_chunk(1, 13)], rgb, rgb / white)
        yield case("rgb-cicp-linear", [cicp_chunk(1, 8)], rgb, encode_srgb(rgb / white))
        yield case("grey-cicp-linear", [cicp_chunk(1, 8)], grey, encode_srgb(grey / white))
        for label, number, to_xyz in (("p3", 12, p3_xyz), ("bt2020", 9, bt2020_xyz)):
            samples = wide_noise(f"{label}{bits}", white, to_xyz, encode_srgb)
            truth = shown(decode_srgb(samples / white), to_xyz)
            yield case(f"rgb-cicp-{label}", [cicp_chunk(number, 13)], samples, truth)
            above = [cicp_chunk(number, 13), profile_chunk(wide.content), *lower]
            yield case(f"rgb-cicp-{label}-over-profile", above, samples, truth)
        yield case("rgb-cicp-over-srgb", [cicp_chunk(1, 8), srgb_chunk()], rgb, shown(rgb / white, srgb))
        narrow = 16 * (1 << (bits - 8)) + rgb % (219 * (1 << (bits - 8)) + 1)
        truth = (narrow / (1 << (bits - 8)) - 16) / 219
        yield case("rgb-cicp-narrow-range", [cicp_chunk(1, 13, 0)], narrow, truth)
        for label, transfer in (("pq", 16), ("hlg", 18)):
            yield case(f"rgb-cicp-{label}", [cicp_chunk(9, transfer)], rgb, None)


def declared_palettes() -> Iterator[Case]:
    """A palette holds colours of the declared space (11.2.2), and a transparent key is compared before (13.16)."""
    wide = profile(ADOBE, 2.2)
    name = "png-palette-declared"
    index = noise(name, (HEIGHT, WIDTH, 1), 140)
    colours = wide_noise(name, 255, wide.to_xyz, lambda linear: linear ** (1 / wide.gamma)).reshape(-1, 3)[:141]
    alpha = noise(name + "-alpha", (141,), 255)
    before = profile_chunk(wide.content) + palette_chunk(colours)
    picked, opacity = colours[index[..., 0]] / 255, alpha[index[..., 0]] / 255
    why = "PNG-3 4.3, 11.2.2, 13.16"
    truth = wide.show(picked)
    yield Case("png-palette-profile", ".png", png(index, 8, PALETTE, before), truth, LEVEL, why)
    content = png(index, 8, PALETTE, before + chunk(b"tRNS", alpha.astype(np.uint8).tobytes()))
    yield Case("png-palette-trns-profile", ".png", content, over_white(truth, opacity), LEVEL, why)
    content = png(index, 8, PALETTE, gamma_chunk(1.0) + palette_chunk(colours))
    yield Case("png-palette-gamma", ".png", content, encode_srgb(picked), LEVEL, why)
    content = png(index, 8, PALETTE, cicp_chunk(1, 8) + palette_chunk(colours))
    yield Case("png-palette-cicp", ".png", content, encode_srgb(picked), LEVEL, why)
    for bits in (4, 16):
        white = (1 << bits) - 1
        grey = noise(f"png-declared-key{bits}", (HEIGHT, WIDTH, 1), white)
        key = int(grey[5, 5, 0])
        content = png(grey, bits, GREY, gamma_chunk(1.0) + chunk(b"tRNS", struct.pack(">H", key)))
        truth = np.where(grey == key, 1, encode_srgb(grey / white))
        yield Case(f"png-grey-{bits}bit-trns-gamma", ".png", content, truth, FINE if bits == 16 else LEVEL, why)


def tiny() -> Iterator[Case]:
    """Section 8.1: passes of pictures of less than five rows or columns can be empty."""
    for height, width in ((1, 1), (1, 9), (9, 1), (3, 2), (4, 5)):
        for bits, kind, channels in ((1, GREY, 1), (8, RGB, 3), (16, RGB, 3)):
            name = f"png-{width}x{height}-{channels * bits}bit-interlaced"
            samples = noise(name, (height, width, channels), (1 << bits) - 1)
            truth, tolerance = samples / ((1 << bits) - 1), FINE if bits == 16 else LEVEL
            content = png(samples, bits, kind, interlaced=True)
            yield Case(name, ".png", content, truth, tolerance, "PNG-3 8.1: passes without pixels are absent")


def turned() -> Iterator[Case]:
    samples = noise("png-turned", (HEIGHT, WIDTH, 3), 255)
    for orientation, turn in TURNS.items():
        content = png(samples, 8, RGB, chunk(b"eXIf", exif(orientation)))
        name = f"png-exif-orientation-{orientation}"
        yield Case(name, ".png", content, turn(samples / 255), LEVEL, "PNG-3 11.3.4.6; EXIF 2.32 4.6.4 Orientation")
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    content = png(samples, 8, RGB, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp.encode()))
    yield Case("png-xmp-orientation", ".png", content, samples / 255, LEVEL, "browsers turn by EXIF alone")
