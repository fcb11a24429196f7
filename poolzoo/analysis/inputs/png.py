"""PNG and APNG, by the W3C's third edition: chunks are read here, and libpng (imagecodecs) undoes the filters.

All depths are kept. The colour is read from cICP, else iCCP, else sRGB, else gAMA and cHRM, in the order of section
4.3.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from poolzoo._console import reason
from poolzoo.analysis.inputs import h273
from poolzoo.analysis.inputs.colour import SRGB_PRIMARIES, Coding, Primaries, power, span_a_space
from poolzoo.analysis.inputs.decoded import Decoded, split_alpha, unit
from poolzoo.analysis.inputs.exif import exif_orientation
from poolzoo.analysis.inputs.files import check_size, damaged
from poolzoo.analysis.inputs.frames import Disposal, Frame, compose

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
#: Table 8: samples per pixel and depths by colour type.
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
#: Section 8.1: where the seven passes start, and their steps, as (row, column, rows, columns).
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
#: Table 28 of section 11.3.6.2; before the first frame the screen is clear.
DISPOSALS: dict[int, Disposal] = {1: "clear", 2: "restore"}
#: An ICC profile that inflates to more is none.
MOST_PROFILE = 1 << 26
#: Without chromaticities a gAMA near 1/2.2 stands for sRGB: the threshold is libpng's, and so browsers'.
USUAL_GAMMA, SAME_GAMMA = 45455, 0.05
#: How browsers show television's curves in cICP (ITU-R BT.1886).
BT1886_GAMMA = 2.4


@dataclass(frozen=True)
class Header:
    """IHDR, and the two chunks that are needed to read pixels."""

    width: int
    height: int
    bits: int
    kind: int
    interlaced: bool
    palette: bytes = b""
    transparency: bytes = b""


def decode(file: BinaryIO) -> Decoded:
    """Return the picture of a PNG file, or the first frame of an APNG file.

    Raises:
        ImageError: a damaged file, one that is too large, or a transfer function of high dynamic range.
    """
    return next(decode_frames(file))


def decode_frames(file: BinaryIO) -> Iterator[Decoded]:
    """Yield the picture, or the screen after each frame of an animation."""
    chunks = list(read_chunks(file.read()))
    header, about = read_header(chunks), describe(chunks)
    if not any(kind == b"IDAT" for kind, _ in chunks):
        raise damaged("no pixels")
    if not _is_animation(chunks):
        pixels = _pixels(header, [body for kind, body in chunks if kind == b"IDAT"])
        yield split_alpha(unit(pixels), **about)
        return
    for screen in compose(_animation(header, chunks), header.height, header.width):
        yield split_alpha(unit(screen), **about)


def _is_animation(chunks: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a first frame can be shown; otherwise browsers show the static image."""
    announced = controlled = False
    for kind, body in chunks:
        number = int.from_bytes(body[:4], "big")
        if kind == b"acTL":
            announced = 0 < number < 1 << 31  # of frames
        elif kind == b"IDAT" and not announced:
            return False
        elif kind == b"fcTL":
            if controlled or number:
                return False
            controlled = True
        elif kind == b"IDAT" and controlled:
            return True
        elif kind == b"fdAT":
            return controlled and number == 1
    return False


def _animation(header: Header, chunks: list[tuple[bytes, bytes]]) -> Iterator[Frame]:
    """Yield the frames of section 11.3.6; a static image before the first control chunk is not a frame."""
    control: bytes | None = None
    parts: list[bytes] = []
    for kind, body in [*chunks, (b"fcTL", b"")]:
        if kind == b"fcTL":
            if control is not None:
                yield _frame(header, control, parts)
            control, parts = body, []
        elif kind == b"IDAT" and control is not None:
            parts.append(body)
        elif kind == b"fdAT":
            parts.append(body[4:])


def _frame(header: Header, control: bytes, parts: list[bytes]) -> Frame:
    if len(control) != 26:
        raise damaged("the control chunk of a frame is none")
    width, height, left, top, disposal, blend = struct.unpack(">4xIIIIxxxxBB", control)
    check_size(width, height, CHANNELS[header.kind])
    if left + width > header.width or top + height > header.height:
        raise damaged("a frame lies outside the picture")
    rgba = _with_alpha(_pixels(replace(header, width=width, height=height), parts))
    return Frame(rgba, top, left, bool(blend), DISPOSALS.get(disposal, "keep"))


def _with_alpha(samples: np.ndarray) -> np.ndarray:
    """Return grey, grey and alpha, RGB or RGBA as RGBA."""
    if samples.ndim == 2:
        samples = samples[..., None]
    channels = samples.shape[2]
    opaque = np.full(samples.shape[:2], np.iinfo(samples.dtype).max, samples.dtype)
    alpha = samples[..., -1] if channels in (2, 4) else opaque
    colour = samples[..., [0, 0, 0]] if channels < 3 else samples[..., :3]
    return np.concatenate([colour, alpha[..., None]], -1)


def read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks up to IEND as (name, body); damaged chunks that a decoder may skip are skipped."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        stored = data[at + 8 + length : at + 12 + length]
        at += 12 + length
        if stored != struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))):
            if not kind[0] & 0x20:
                raise damaged(f"the checksum of chunk {kind.decode('ascii', 'replace')!r} is wrong")
            continue
        if kind == b"IEND":
            return
        yield kind, body


def read_header(chunks: list[tuple[bytes, bytes]]) -> Header:
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise damaged("no header")
    width, height, bits, kind, compression, filtering, interlacing = struct.unpack(">IIBBBBB", chunks[0][1])
    if bits not in DEPTHS.get(kind, ()) or compression or filtering or interlacing > 1:
        raise damaged(f"no PNG has colour type {kind} with {bits} bits, or these methods")
    check_size(width, height, CHANNELS[kind])
    header = Header(width, height, bits, kind, bool(interlacing))
    found = dict(reversed([chunk for chunk in chunks if chunk[0] in (b"PLTE", b"tRNS")]))
    palette, transparency = found.get(b"PLTE", b""), found.get(b"tRNS", b"")
    if kind == PALETTE:
        if not palette or len(palette) % 3 or len(palette) > 768:
            raise damaged("the palette is missing, or none")
        return replace(header, palette=palette, transparency=transparency[: len(palette) // 3])
    if len(transparency) != {GREY: 2, RGB: 6}.get(kind):
        return header
    # Of a colour's numbers the bits above the depth do not count.
    numbers = (number & ((1 << bits) - 1) for (number,) in struct.iter_unpack(">H", transparency))
    return replace(header, transparency=b"".join(number.to_bytes(2, "big") for number in numbers))


def describe(chunks: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Return the orientation and the declared colour; damaged chunks count as missing."""
    found = dict(reversed(chunks))
    bits, kind = found[b"IHDR"][8:10]
    declared = _declared(found, max(8, bits), kind)
    return {"declared": declared, "orientation": exif_orientation(found.get(b"eXIf", b""))}


def _declared(found: dict[bytes, bytes], bits: int, kind: int) -> bytes | Coding | None:
    cicp = found.get(b"cICP", b"")
    if len(cicp) == 4 and cicp[2] == 0 and cicp[3] < 2:
        coding = h273.coding(cicp[0], cicp[1], power(BT1886_GAMMA))
        if coding and h273.UNSPECIFIED not in cicp[:2]:
            return coding if cicp[3] else h273.narrow(coding, bits)
    if b"iCCP" in found and (profile := _profile(found[b"iCCP"])):
        grey = kind in (GREY, GREY_ALPHA)
        if profile[16:20] == (b"GRAY" if grey else b"RGB "):
            return profile
    if b"sRGB" in found:
        return None
    primaries = _primaries(found.get(b"cHRM", b""))
    gamma = int.from_bytes(found.get(b"gAMA", b""), "big") if len(found.get(b"gAMA", b"")) == 4 else 0
    if not gamma or (primaries is None and abs(gamma / USUAL_GAMMA - 1) < SAME_GAMMA):
        return None
    return Coding(primaries or SRGB_PRIMARIES, power(100000 / gamma))


def _profile(body: bytes) -> bytes:
    _, _, rest = body.partition(b"\0")
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(rest[1:], MOST_PROFILE)
    return b""


def _primaries(body: bytes) -> Primaries | None:
    if len(body) != 32:
        return None
    x = [value / 100000 for value in struct.unpack(">8I", body)]
    primaries = ((x[2], x[3]), (x[4], x[5]), (x[6], x[7]), (x[0], x[1]))
    return primaries if span_a_space(primaries) else None


def _pixels(header: Header, parts: list[bytes]) -> np.ndarray:
    """Return the samples that IDAT (or fdAT) chunks hold: 8 or 16 bits, with palettes and transparent colours looked
    up.
    """
    steps = PASSES if header.interlaced else ((0, 0, 1, 1),)
    sizes = [(len(range(y, header.height, dy)), len(range(x, header.width, dx))) for y, x, dy, dx in steps]
    bits = header.bits * CHANNELS[header.kind]
    lengths = [height * (1 + -(-width * bits // 8)) if width else 0 for height, width in sizes]
    stream = _inflate(parts, sum(lengths))
    if len(stream) < sum(lengths):
        raise damaged(f"{len(stream)} bytes of pixels where {sum(lengths)} are needed")
    if not header.interlaced:
        return _unfiltered(header, stream)
    samples, at = None, 0
    for (y, x, dy, dx), (height, width), length in zip(steps, sizes, lengths, strict=True):
        if length:
            part = _unfiltered(replace(header, width=width, height=height), stream[at : at + length])
            if samples is None:  # the first pass has a pixel
                samples = np.empty((header.height, header.width, *part.shape[2:]), part.dtype)
            samples[y::dy, x::dx] = part
            at += length
    return np.asarray(samples)


def _inflate(parts: list[bytes], length: int) -> bytes:
    inflate = zlib.decompressobj()
    try:
        return inflate.decompress(b"".join(parts), length)
    except zlib.error as error:
        raise damaged(reason(error)) from error


def _unfiltered(header: Header, stream: bytes) -> np.ndarray:
    """Return the samples of a picture that is not interlaced; palettes and transparent colours are looked up.

    libpng gets a file with these chunks alone, because it prints warnings about others.
    """
    filters = np.frombuffer(stream, np.uint8)[:: len(stream) // header.height]
    if filters.max() > 4:
        raise damaged(f"filter {filters.max()}")
    head = struct.pack(">IIBBBBB", header.width, header.height, header.bits, header.kind, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"PLTE", header.palette), (b"tRNS", header.transparency)]
    chunks += [(b"IDAT", zlib.compress(stream, 0))]
    file = SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks if chunk[1]) + _chunk(b"IEND", b"")
    return np.asarray(imagecodecs.png_decode(file))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
