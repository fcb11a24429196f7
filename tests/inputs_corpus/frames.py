"""Pictures of frames: GIF89a, WebP (lossless, RFC 9649) and APNG (PNG-3). Outside of a frame nothing is drawn."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inputs_corpus import png
from inputs_corpus.base import (
    ADOBE,
    HEIGHT,
    LEVEL,
    TURNS,
    WIDTH,
    Case,
    exif,
    lzw,
    noise,
    over_white,
    profile,
    wide_noise,
)

#: Blending frames in 8 bits rounds more than once.
BLENDED = 2 * LEVEL
#: Where the frame that does not fill its screen lies: rows and columns.
PART = (slice(2, 9), slice(4, 11))
WHITE = np.ones((HEIGHT, WIDTH, 3))


def placed(frame: np.ndarray) -> np.ndarray:
    """Return a frame's picture in its place on white."""
    screen = WHITE.copy()
    screen[PART] = frame
    return screen


@dataclass(frozen=True)
class Frame:
    """A frame of an animation: uint8 samples ``(h, w, 4)``, its place, and what is done before and after it.

    Attributes:
        rgba: straight alpha.
        top: its first row on the screen.
        left: its first column.
        blend: whether it is laid over what is there, or replaces it.
        disposal: KEEP, or CLEAR or RESTORE its place before the next frame.
    """

    rgba: np.ndarray
    top: int = 0
    left: int = 0
    blend: bool = True
    disposal: int = 1


KEEP, CLEAR, RESTORE = 1, 2, 3


def played(frames: list[Frame]) -> np.ndarray:
    """Return ``(T, H, W, 3)``: the frames drawn one after the other on a transparent screen, on white."""
    colour, alpha = np.zeros((HEIGHT, WIDTH, 3)), np.zeros((HEIGHT, WIDTH, 1))
    shown = []
    for frame in frames:
        height, width, _ = frame.rgba.shape
        place = (slice(frame.top, frame.top + height), slice(frame.left, frame.left + width))
        before = colour.copy(), alpha.copy()
        own, opacity = frame.rgba[..., :3] / 255, frame.rgba[..., 3:] / 255
        if frame.blend:
            under = alpha[place] * (1 - opacity)
            total = opacity + under
            own = np.divide(own * opacity + colour[place] * under, total, where=total > 0, out=np.zeros_like(own))
            opacity = total
        colour[place], alpha[place] = own, opacity
        shown.append(over_white(colour, alpha[..., 0]))
        if frame.disposal == CLEAR:
            alpha[place] = 0
        elif frame.disposal == RESTORE:
            colour, alpha = before
    return np.stack(shown)


#: Top, left, height and width of the first frame.
FIRST = {"whole": (0, 0, HEIGHT, WIDTH), "part": (2, 4, 7, 6)}


def story(opaque: bool, blends: tuple[bool, ...] = (True,)) -> Iterator[tuple[str, list[Frame]]]:
    """Yield animations of four frames for every blend and disposal; ``opaque``: alpha is all or nothing."""
    for blend in blends:
        for disposal, label in ((KEEP, "keep"), (CLEAR, "clear"), (RESTORE, "restore")):
            for first in FIRST:
                name = f"{first}-{label}" + "-replace" * (not blend)
                frames = []
                for number, (top, left, height, width) in enumerate(
                    [
                        (0, 0, HEIGHT, WIDTH) if first == "whole" else (2, 4, 7, 6),
                        (4, 2, 6, 8),
                        (0, 6, 5, 7),
                        (6, 0, 3, 3),
                    ]
                ):
                    rgba = noise(f"{name}{number}", (height, width, 4), 255)
                    if opaque:
                        rgba[..., 3] = np.where(rgba[..., 3] < 64, 0, 255)
                    # What is restored is what was there before: nothing before the first frame.
                    frames.append(Frame(rgba, top, left, blend, KEEP if number == 0 else disposal))
                yield name, frames


def animations() -> Iterator[Case]:
    """Yield clips: the truth of each is ``(T, H, W, 3)``, every frame as a viewer shows it."""
    for name, frames in story(True):
        data = []
        for frame in frames:
            # A palette of the frame's own pixels, which are fewer than its entries.
            height, width, _ = frame.rgba.shape
            index = np.arange(height * width).reshape(height, width)
            colours = np.resize(frame.rgba[..., :3].reshape(-1, 3), (256, 3))
            index[frame.rgba[..., 3] == 0] = 255
            data.append(
                gif_frame(index, frame.top, frame.left, colours=colours, transparent=255, disposal=frame.disposal)
            )
        content = gif(data, np.zeros((2, 3), int), 1)
        yield Case(f"gif-clip-{name}", ".gif", content, played(frames), LEVEL, "GIF89a 23: disposal methods")
    for name, frames in story(False, (True, False)):
        if frames[1].disposal == RESTORE:
            continue  # WebP has no such
        parts = []
        for frame in frames:
            flags = (0 if frame.blend else 2) | (frame.disposal == CLEAR)
            parts.append(webp_frame(frame.rgba, frame.top, frame.left, flags))
        content = webp(extended(0x12), riff(b"ANIM", struct.pack("<IH", 0xFF0000FF, 0)), *parts)
        yield Case(f"webp-clip-{name}", ".webp", content, played(frames), BLENDED, "RFC 9649 section 2.7.1.1: ANMF")
    for name, frames in story(False, (True, False)):
        still = name.startswith("part")  # a first frame that does not fill the screen cannot be the static image
        content = png.header(HEIGHT, WIDTH, 8, png.RGBA) + png.chunk(b"acTL", struct.pack(">II", len(frames), 0))
        if still:
            content += png.chunk(b"IDAT", png.image_data(noise("apng-still", (HEIGHT, WIDTH, 4), 255), 8))
        number = 0
        for i, frame in enumerate(frames):
            height, width, _ = frame.rgba.shape
            content += control(number, height, width, frame.top, frame.left, frame.disposal - 1, frame.blend)
            data = png.image_data(frame.rgba, 8)
            number += 1
            if i == 0 and not still:
                content += png.chunk(b"IDAT", data)
            else:
                content += png.chunk(b"fdAT", struct.pack(">I", number) + data)
                number += 1
        content += png.chunk(b"IEND")
        yield Case(f"apng-clip-{name}", ".png", content, played(frames), BLENDED, "PNG-3 11.3.6.2: fcTL")


def cases() -> Iterator[Case]:
    yield from gifs()
    yield from webps()
    yield from apngs()


# GIF


def gif_frame(index: np.ndarray, top: int, left: int, *, interlaced: bool = False, colours: np.ndarray | None = None,
              transparent: int | None = None, bits: int = 8, disposal: int = 0) -> bytes:  # fmt: skip
    """Return a frame with its graphic control extension; ``colours`` are a palette of its own."""
    control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, disposal << 2 | (transparent is not None), 5, transparent or 0, 0)
    local = b"" if colours is None else colours.astype(np.uint8).tobytes()
    flags = (0x80 | bits - 1 if local else 0) | (0x40 if interlaced else 0)
    height, width = index.shape
    rows = index
    if interlaced:
        rows = np.concatenate([index[0::8], index[4::8], index[2::4], index[1::2]])
    size = max(2, bits)
    data = lzw(rows.astype(np.uint8).tobytes(), size, msb=False)
    blocks = b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))
    return (
        control + struct.pack("<BHHHHB", 0x2C, left, top, width, height, flags) + local + bytes([size]) + blocks + b"\0"
    )


def gif(frames: list[bytes], colours: np.ndarray, bits: int, background: int = 1) -> bytes:
    about = struct.pack("<6sHHBBB", b"GIF89a", WIDTH, HEIGHT, 0xF0 | bits - 1, background, 0)
    return about + colours.astype(np.uint8).tobytes() + b"".join(frames) + b";"


def gifs() -> Iterator[Case]:
    def case(label: str, content: bytes, truth: np.ndarray) -> Case:
        why = "GIF89a 18, 20, 23: browsers draw the first frame on a transparent screen"
        return Case(f"gif-{label}", ".gif", content, truth, LEVEL, why)

    for bits in (1, 2, 4, 8):
        index = noise(f"gif{bits}", (HEIGHT, WIDTH), (1 << bits) - 1)
        colours = noise(f"gif-map{bits}", (1 << bits, 3), 255)
        truth = colours[index] / 255
        yield case(f"{bits}bit", gif([gif_frame(index, 0, 0, bits=bits)], colours, bits), truth)
        yield case(
            f"{bits}bit-interlaced", gif([gif_frame(index, 0, 0, bits=bits, interlaced=True)], colours, bits), truth
        )
    own = noise("gif-own", (256, 3), 255)
    yield case("local-palette", gif([gif_frame(index, 0, 0, colours=own)], colours, 8), own[index] / 255)
    key = int(index[3, 4])
    clear = np.where(index[..., None] == key, 1, truth)
    yield case("transparent", gif([gif_frame(index, 0, 0, transparent=key)], colours, 8), clear)
    part, top, left = index[PART], PART[0].start, PART[1].start
    later = gif_frame(index[::-1], 0, 0)
    for label, more in (("", []), ("-of-two", [later])):
        frame = gif_frame(part, top, left)
        yield case("part" + label, gif([frame, *more], colours, 8), placed(truth[PART]))
        frame = gif_frame(part, top, left, transparent=int(part[2, 3]))
        clear = np.where(part[..., None] == part[2, 3], 1, truth[PART])
        yield case("part-transparent" + label, gif([frame, *more], colours, 8), placed(clear))
        frame = gif_frame(part, top, left, colours=own, interlaced=True)
        yield case("part-local-palette" + label, gif([frame, *more], colours, 8), placed(own[part] / 255))
    yield case("two-frames", gif([gif_frame(index, 0, 0, disposal=2), later], colours, 8), truth)


# WebP


def vp8l(rgba: np.ndarray) -> bytes:
    """Return the lossless bitstream of RFC 9649 section 3: no transform, every literal in eight bits."""
    digits: list[str] = []  # in the order of the stream, from the least significant bit

    def put(value: int, count: int) -> None:
        digits.append(f"{value:0{count}b}"[::-1])

    height, width, _ = rgba.shape
    for value, count in ((0x2F, 8), (width - 1, 14), (height - 1, 14), (1, 1), (0, 3), (0, 1), (0, 1), (0, 1)):
        put(value, count)
    for symbols in (280, 256, 256, 256):
        # The lengths 0 and 8 have codes of one bit; they are third and twelfth in the order of section 3.7.2.1.2.
        put(0, 1)
        put(12 - 4, 4)
        for length in (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1):
            put(length, 3)
        put(0, 1)
        digits.append("1" * 256 + "0" * (symbols - 256))
    for value, count in ((1, 1), (0, 1), (0, 1), (0, 1)):  # distances: one symbol, of no bits
        put(value, count)
    for red, green, blue, alpha in rgba.reshape(-1, 4):
        digits += [f"{value:08b}" for value in (green, red, blue, alpha)]  # codes start with their highest bit
    bits = "".join(digits)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))


def riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def webp(*chunks: bytes) -> bytes:
    return riff(b"RIFF", b"WEBP" + b"".join(chunks))


def three(*values: int) -> bytes:
    return b"".join(value.to_bytes(3, "little") for value in values)


def extended(flags: int) -> bytes:
    return riff(b"VP8X", bytes([flags, 0, 0, 0]) + three(WIDTH - 1, HEIGHT - 1))


def webp_frame(rgba: np.ndarray, top: int, left: int, flags: int = 2) -> bytes:
    height, width, _ = rgba.shape
    about = three(left // 2, top // 2, width - 1, height - 1, 100) + bytes([flags])
    return riff(b"ANMF", about + riff(b"VP8L", vp8l(rgba)))


def webps() -> Iterator[Case]:
    def case(label: str, content: bytes, truth: np.ndarray) -> Case:
        return Case(f"webp-{label}", ".webp", content, truth, LEVEL, "RFC 9649 sections 2.7 and 3: straight alpha")

    rgba = noise("webp", (HEIGHT, WIDTH, 4), 255)
    opaque = rgba.copy()
    opaque[..., 3] = 255
    truth = over_white(rgba[..., :3] / 255, rgba[..., 3] / 255)
    yield case("rgb", webp(riff(b"VP8L", vp8l(opaque))), opaque[..., :3] / 255)
    yield case("rgba", webp(riff(b"VP8L", vp8l(rgba))), truth)
    yield case("rgba-extended", webp(extended(0x10), riff(b"VP8L", vp8l(rgba))), truth)
    wide = profile(ADOBE, 2.2)
    coded = opaque.copy()
    coded[..., :3] = wide_noise("webp-wide", 255, wide.to_xyz, lambda linear: linear ** (1 / wide.gamma))
    content = webp(extended(0x20), riff(b"ICCP", wide.content), riff(b"VP8L", vp8l(coded)))
    yield case("profile", content, wide.show(coded[..., :3] / 255))
    for orientation, turn in TURNS.items():
        content = webp(extended(0x08), riff(b"VP8L", vp8l(opaque)), riff(b"EXIF", exif(orientation)))
        yield case(f"orientation-{orientation}", content, turn(opaque[..., :3] / 255))
    top, left = PART[0].start, PART[1].start
    animation = riff(b"ANIM", struct.pack("<IH", 0xFF0000FF, 0))
    later = webp_frame(opaque[::-1], 0, 0)
    for label, more in (("", []), ("-of-two", [later])):
        frame = webp_frame(opaque[PART], top, left)
        content = webp(extended(0x12), animation, frame, *more)
        yield case("part" + label, content, placed(opaque[PART][..., :3] / 255))
        frame = webp_frame(rgba[PART], top, left)
        yield case("part-rgba" + label, webp(extended(0x12), animation, frame, *more), placed(truth[PART]))
    yield case("two-frames", webp(extended(0x12), animation, webp_frame(rgba, 0, 0), later), truth)


# APNG


def control(
    number: int, height: int, width: int, top: int = 0, left: int = 0, disposal: int = 0, blend: bool = False
) -> bytes:
    return png.chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, left, top, 1, 10, disposal, blend))


def apngs() -> Iterator[Case]:
    rgba = noise("apng", (HEIGHT, WIDTH, 4), 255)
    truth = over_white(rgba[..., :3] / 255, rgba[..., 3] / 255)
    first = png.chunk(b"IDAT", png.image_data(rgba, 8))
    later = png.chunk(b"fdAT", struct.pack(">I", 2) + png.image_data(rgba[PART][::-1], 8))
    height, width, _ = rgba[PART].shape
    for label, suffix in (("", ".png"), ("-suffix", ".apng")):
        content = png.header(HEIGHT, WIDTH, 8, png.RGBA) + png.chunk(b"acTL", struct.pack(">II", 2, 0))
        content += control(0, HEIGHT, WIDTH) + first + control(1, height, width, PART[0].start, PART[1].start) + later
        content += png.chunk(b"IEND")
        why = "PNG-3 4.9: the static image is the first frame"
        yield Case(f"apng-two-frames{label}", suffix, content, truth, LEVEL, why)
    # The static image has no frame control before it: it is not of the animation, whose first frame is smaller.
    head = png.header(HEIGHT, WIDTH, 8, png.RGBA) + png.chunk(b"acTL", struct.pack(">II", 2, 0)) + first
    for label, blend in (("", False), ("-blend", True)):
        part = png.chunk(b"fdAT", struct.pack(">I", 1) + png.image_data(rgba[PART], 8))
        second = png.chunk(b"fdAT", struct.pack(">I", 3) + png.image_data(rgba[PART][::-1], 8))
        places = (PART[0].start, PART[1].start)
        content = head + control(0, height, width, *places, blend=blend) + part
        content += control(2, height, width, *places) + second + png.chunk(b"IEND")
        why = "PNG-3 4.9: a static image that is not of the animation is for viewers that cannot play it"
        yield Case(f"apng-part{label}", ".png", content, placed(truth[PART]), LEVEL, why)
