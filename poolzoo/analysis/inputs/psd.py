"""PSD and PSB: the composite that Photoshop stores after the layers (Adobe Photoshop File Formats Specification, 2019).

Its planes are stored plain, or row by row in PackBits. Photoshop stores the colours over white. Some other writers
store them without white, and the file states that the channel after the colours is the transparency of the composite.
Other channels are ignored.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

import imagecodecs
import numpy as np

from poolzoo.analysis.inputs.boxes import Reader
from poolzoo.analysis.inputs.decoded import Decoded, Model, unit
from poolzoo.analysis.inputs.files import check_size, damaged, unsupported

SIGNATURE = b"8BPS"
HEADER_BYTES = 26
PSD, PSB = 1, 2
BITMAP, GREY, INDEXED, RGB, CMYK, DUOTONE, LAB = 0, 1, 2, 3, 4, 8, 9
#: Colour modes that are read; a duotone is a grey whose inks are described in private.
MODES: dict[int, Model] = {
    BITMAP: "grey", GREY: "grey", INDEXED: "rgb", RGB: "rgb", CMYK: "cmyk", DUOTONE: "grey", LAB: "lab",
}  # fmt: skip
CHANNELS = {BITMAP: 1, GREY: 1, INDEXED: 1, RGB: 3, CMYK: 4, DUOTONE: 1, LAB: 3}
#: Depths, and how their samples are stored.
SAMPLES = {1: ">u1", 8: ">u1", 16: ">u2", 32: ">f4"}
ICC_PROFILE, TRANSPARENT_INDEX, ALPHA_IDENTIFIERS, VERSION_INFO = 1039, 1047, 1053, 1057
#: Blocks after the layers, by depth: the composite is transparent; the layers. In PSB their lengths have 8 bytes.
TRANSPARENCY_BLOCKS, LAYER_BLOCKS = (b"Mtrn", b"Mt16", b"Mt32"), (b"Layr", b"Lr16", b"Lr32")
LONG_BLOCKS = (*TRANSPARENCY_BLOCKS, *LAYER_BLOCKS, b"LMsk", b"Alph", b"FMsk", b"lnk2", b"FEid", b"FXid", b"PxSD")
RAW, PACKED = 0, 1


@dataclass(frozen=True)
class Header:
    """The fields of the first 26 bytes."""

    version: int
    channels: int
    height: int
    width: int
    depth: int
    mode: int

    @property
    def row_bytes(self) -> int:
        return -(-self.width * self.depth // 8)


def decode(file: BinaryIO) -> Decoded:
    """Return the composite of a PSD or PSB file.

    Raises:
        ImageError: a damaged file, one that is too large, a colour mode that is not read, or a file that was saved
            without a composite.
    """
    data = file.read()
    header = _header(data)
    reader = Reader(data, HEADER_BYTES)
    palette, resources = reader.block(), _resources(reader.block())
    layers = reader.block(8 if header.version == PSB else 4)
    version = resources.get(VERSION_INFO, b"")
    if len(version) > 4 and not version[4]:
        raise unsupported("a PSD file that was saved without a composite")
    transparent = header.channels > CHANNELS[header.mode] and _is_transparent(layers, header.version, resources)
    samples, alpha = _samples(reader, header, transparent)
    if header.mode == INDEXED:
        return _indexed(samples[..., 0], palette, resources)
    if header.mode == LAB:
        return Decoded(_lab(samples, header.depth), "lab")
    values = samples.astype(np.float64) if header.mode == BITMAP else unit(samples)
    if alpha is not None:
        values = np.maximum(values, 1 - unit(alpha)[..., None])  # no colour that lies on white is darker
    if header.mode in (CMYK, BITMAP):
        values = 1 - values  # full ink is stored as 0, black as 1
    return Decoded(values, MODES[header.mode], declared=resources.get(ICC_PROFILE))


def _header(data: bytes) -> Header:
    if len(data) < HEADER_BYTES:
        raise damaged("no header")
    header = Header(*struct.unpack(">H6xHIIHH", data[4:HEADER_BYTES]))
    if header.mode not in MODES:
        raise unsupported(f"PSD colour mode {header.mode}")
    depths = {BITMAP: (1,), INDEXED: (8,), LAB: (8, 16)}.get(header.mode, (8, 16, 32))
    if header.version not in (PSD, PSB) or header.depth not in depths or header.channels < CHANNELS[header.mode]:
        raise damaged(f"version {header.version}, {header.channels} channels of {header.depth} bits")
    check_size(header.width, header.height, header.channels)
    return header


def _resources(data: bytes) -> dict[int, bytes]:
    """Return the image resources by number."""
    reader, found = Reader(data), {}
    while reader.at + 12 <= len(data):
        reader.take(4)
        number = reader.number(2)
        name = reader.number(1)
        reader.take(name + (1 + name) % 2)
        found[number] = reader.block()
        reader.at += len(found[number]) % 2
    return found


def _is_transparent(layers: bytes, version: int, resources: dict[int, bytes]) -> bool:
    """Return whether the first channel after the colours is the composite's transparency: three places may state it."""
    if resources.get(ALPHA_IDENTIFIERS, b"")[:4] == bytes(4):
        return True
    long = 8 if version == PSB else 4
    reader = Reader(layers)
    if not layers:
        return False
    info = reader.block(long)
    if _is_negative(info):
        return True
    if reader.at + 4 <= len(layers):
        reader.block()  # the global layer mask
    while reader.at + 12 <= len(layers):
        key = reader.take(8)[4:]
        body = reader.block(long if key in LONG_BLOCKS else 4)
        if key in TRANSPARENCY_BLOCKS or (key in LAYER_BLOCKS and _is_negative(body)):
            return True
        reader.at += -len(body) % 4
    return False


def _is_negative(layers: bytes) -> bool:
    """Return whether the number of layers is negative, which means a transparent composite."""
    return bool(layers) and layers[0] > 127


def _samples(reader: Reader, header: Header, transparent: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the channels of the colour mode as ``(H, W, C)``, and the alpha after them where there is one."""
    count, stride = CHANNELS[header.mode] + transparent, header.row_bytes
    compression = reader.number(2)
    if compression == RAW:
        data = reader.take(count * header.height * stride)
    elif compression == PACKED:
        size = 4 if header.version == PSB else 2
        lengths = np.frombuffer(reader.take(header.channels * header.height * size), f">u{size}").tolist()
        data = b"".join(_unpacked(reader.take(length), stride) for length in lengths[: count * header.height])
    else:
        raise unsupported(f"PSD compression {compression} of the composite")
    rows = np.frombuffer(data, np.uint8).reshape(count, header.height, stride)
    planes = np.unpackbits(rows, axis=2) if header.depth == 1 else rows.view(SAMPLES[header.depth])
    samples = np.moveaxis(planes[..., : header.width], 0, -1)
    return samples[..., : CHANNELS[header.mode]], samples[..., -1] if transparent else None


def _unpacked(row: bytes, stride: int) -> bytes:
    if len(row) > 2 * stride + 2:  # more than the worst that PackBits does
        raise damaged(f"{len(row)} packed bytes for a row of {stride}")
    data = bytes(imagecodecs.packbits_decode(row))
    if len(data) < stride:
        raise damaged(f"a row of {len(data)} bytes where {stride} are needed")
    return data[:stride]


def _indexed(indices: np.ndarray, palette: bytes, resources: dict[int, bytes]) -> Decoded:
    """Return the colours of a palette: 256 reds, greens and blues; one of them may be transparent."""
    if len(palette) < 768:
        raise damaged("the palette is missing, or too short")
    colours = np.frombuffer(palette, np.uint8, 768).reshape(3, 256).T
    key = resources.get(TRANSPARENT_INDEX, b"")
    alpha = (indices != int.from_bytes(key[:2], "big")).astype(np.float64) if len(key) >= 2 else None
    return Decoded(unit(colours[indices]), "rgb", alpha, declared=resources.get(ICC_PROFILE))


def _lab(samples: np.ndarray, depth: int) -> np.ndarray:
    lightness = samples[..., :1] * (100 / ((1 << depth) - 1))
    return np.concatenate([lightness, samples[..., 1:] / (1 << (depth - 8)) - 128.0], -1)
