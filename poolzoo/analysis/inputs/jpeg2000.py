"""JPEG 2000 (ISO/IEC 15444-1): OpenJPEG (imagecodecs) decodes the codestream at its depth; JP2's boxes are read here.

The boxes are read here: the palette, what each channel is, and the colour space.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

import imagecodecs
import numpy as np

from poolzoo.analysis.inputs.boxes import read_boxes
from poolzoo.analysis.inputs.colour import ycc_to_rgb
from poolzoo.analysis.inputs.decoded import Decoded, Model
from poolzoo.analysis.inputs.files import check_size, damaged, unsupported

BOXES = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"
SIGNATURES = (BOXES, CODESTREAM)

CMYK, SRGB, GREY, SYCC = 12, 16, 17, 18
#: Enumerated colour spaces that are read (table I.10, and CMYK of part 2), and their channels.
SPACES = {CMYK: 4, SRGB: 3, GREY: 1, SYCC: 3}
COLOUR, OPACITY, PREMULTIPLIED = 0, 1, 2
MOST_COMPONENTS = 16384


@dataclass(frozen=True)
class Size:
    """The SIZ segment: the picture's size, and per component its bits, sign and subsampling."""

    width: int
    height: int
    components: tuple[tuple[int, bool, int, int], ...]


@dataclass(frozen=True)
class Header:
    """The boxes of JP2's header.

    Attributes:
        space: the enumerated colour space, or None.
        profile: an ICC profile instead, or None.
        palette: of pclr, ``(entries, columns)`` in [0, 1].
        mapping: of cmap: component, whether it is an index, and the column.
        definitions: of cdef: channel, type and association.
    """

    space: int | None = None
    profile: bytes | None = None
    palette: np.ndarray | None = None
    mapping: tuple[tuple[int, int, int], ...] = ()
    definitions: tuple[tuple[int, int, int], ...] = ()


def decode(file: BinaryIO) -> Decoded:
    """Return the picture of a JP2 file or of a bare codestream.

    Raises:
        ImageError: a damaged file, one that is too large, or a colour space that is not read.
    """
    data = file.read()
    header = Header()
    if data.startswith(BOXES):
        boxes = dict(reversed(list(read_boxes(data))))
        if b"jp2c" not in boxes:
            raise unsupported("a JPEG 2000 file without a codestream of its own")
        header, data = _header(boxes.get(b"jp2h", b"")), boxes[b"jp2c"]
    size = _size(data)
    # OpenJPEG takes components that are subsampled like YCbCr for that, and gives RGB.
    space = SRGB if _is_subsampled(size) else header.space
    return _decoded(_channels(_samples(data, size, header), header), size.components[0][0], space, header)


def _header(data: bytes) -> Header:
    header = Header()
    for kind, body in read_boxes(data):
        if kind == b"colr" and header.space is None and header.profile is None:  # the first one counts
            if body[:1] == b"\1" and len(body) >= 7:
                header = replace(header, space=int.from_bytes(body[3:7], "big"))
            elif body[:1] in (b"\2", b"\3"):
                header = replace(header, profile=body[3:])
        elif kind == b"pclr":
            header = replace(header, palette=_palette(body))
        elif kind == b"cmap":
            header = replace(header, mapping=tuple(struct.iter_unpack(">HBB", body[: len(body) // 4 * 4])))
        elif kind == b"cdef":
            header = replace(
                header, definitions=tuple(struct.iter_unpack(">3H", body[2 : 2 + (len(body) - 2) // 6 * 6]))
            )
    return header


def _palette(body: bytes) -> np.ndarray:
    entries, columns = struct.unpack_from(">HB", body)
    depths = body[3 : 3 + columns]
    if len(set(depths)) != 1 or depths[0] > 15:
        raise unsupported("a JPEG 2000 palette of signed numbers, or of mixed or more than 16 bits")
    bits = depths[0] + 1
    kind = ">u1" if bits <= 8 else ">u2"
    values = np.frombuffer(body, kind, entries * columns, 3 + columns)
    return values.reshape(entries, columns) / ((1 << bits) - 1)


def _size(data: bytes) -> Size:
    if not data.startswith(CODESTREAM):
        raise damaged("no codestream")
    right, bottom, left, top = struct.unpack_from(">4I", data, 8)
    (count,) = struct.unpack_from(">H", data, 40)
    if not 1 <= count <= MOST_COMPONENTS:
        raise damaged(f"{count} components")
    check_size(right - left, bottom - top, count)
    about = struct.iter_unpack(">BBB", data[42 : 42 + 3 * count])
    return Size(right - left, bottom - top, tuple(((bits & 127) + 1, bits > 127, x, y) for bits, x, y in about))


def _samples(data: bytes, size: Size, header: Header) -> np.ndarray:
    """Return the components as ``(H, W, C)`` float64 in [0, 1], or as the indices of a palette."""
    if len({(bits, signed) for bits, signed, _, _ in size.components}) != 1:
        raise unsupported("a JPEG 2000 file with components of different depths")
    bits, signed, _, _ = size.components[0]
    if bits > 16:
        raise unsupported(f"a JPEG 2000 file with {bits} bits per sample")
    samples = np.asarray(imagecodecs.jpeg2k_decode(data))
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.shape != (size.height, size.width, len(size.components)):
        raise damaged(f"{samples.shape} samples where {size.width}x{size.height} pixels are announced")
    if header.palette is not None:
        return samples
    white = (1 << bits) - 1
    return (samples.astype(np.float64) + (signed << (bits - 1))) / white


def _is_subsampled(size: Size) -> bool:
    """Return whether two of three components have fewer samples, in a way that OpenJPEG converts to RGB.

    Raises:
        ImageError: other ways.
    """
    steps = [(x, y) for _, _, x, y in size.components]
    if set(steps) == {(1, 1)}:
        return False
    if steps in ([(1, 1), (2, 1), (2, 1)], [(1, 1), (2, 2), (2, 2)]):
        return True
    raise unsupported("a JPEG 2000 file with components of different sizes")


def _channels(samples: np.ndarray, header: Header) -> np.ndarray:
    """Return the channels that components, or the columns of the palette, are (I.5.3.5)."""
    if header.palette is None:
        return samples
    channels = []
    for component, kind, column in header.mapping:
        if component >= samples.shape[2] or column >= header.palette.shape[1] or kind != 1:
            raise unsupported("a JPEG 2000 file with channels outside of its palette")
        indices = samples[..., component].astype(np.intp)
        channels.append(header.palette[np.clip(indices, 0, len(header.palette) - 1), column])
    if not channels:
        raise damaged("a palette without a mapping")
    return np.stack(channels, -1)


def _decoded(channels: np.ndarray, bits: int, space: int | None, header: Header) -> Decoded:
    """Return the picture of channels, by what each of them is (I.5.3.6)."""
    count = channels.shape[2]
    wanted = SPACES.get(space, 0) if space is not None else 1 if count < 3 else 3
    if not wanted:
        raise unsupported(f"JPEG 2000 colour space {space}")
    if header.profile:
        wanted = {b"GRAY": 1, b"RGB ": 3, b"CMYK": 4}.get(header.profile[16:20], wanted)
    places = {association - 1: channel for channel, kind, association in header.definitions if kind == COLOUR}
    order = [places.get(number, number) for number in range(wanted)]
    opacities = {
        channel: kind
        for channel, kind, association in header.definitions
        if kind in (OPACITY, PREMULTIPLIED) and association == 0
    }
    if not header.definitions and count in (2, 4) and wanted == count - 1:
        opacities = {wanted: OPACITY}  # as a bare codestream, and a file that does not say, are shown
    if max([*order, *opacities]) >= count:
        raise damaged(f"channel {max([*order, *opacities])} of {count}")
    colour, alpha, premultiplied = channels[..., order], None, False
    if opacities:
        channel, kind = next(iter(opacities.items()))
        alpha, premultiplied = channels[..., channel], kind == PREMULTIPLIED
    if space == SYCC:
        colour = ycc_to_rgb(colour, bits)
    model: Model = {1: "grey", 3: "rgb", 4: "cmyk"}[wanted]  # type: ignore[assignment]
    return Decoded(colour, model, alpha, premultiplied, declared=header.profile)
