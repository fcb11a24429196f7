"""AVIF: libavif (imagecodecs) decodes at the depth of the file; everything else is read from HEIF's boxes (ISO/IEC
23008-12).

The boxes give the size, depth, orientation and colour of the primary item; the colour is an ICC profile, else nclx,
else that of the stream.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import imagecodecs
import numpy as np

from poolzoo.analysis.inputs import h273
from poolzoo.analysis.inputs.av1 import colour_description
from poolzoo.analysis.inputs.boxes import Reader, read_boxes
from poolzoo.analysis.inputs.colour import Coding
from poolzoo.analysis.inputs.decoded import ORIENTATIONS, Decoded, split_alpha, unit
from poolzoo.analysis.inputs.files import check_size, damaged, unsupported

BRANDS = (b"avif", b"avis")
#: A version and flags open these boxes.
FULL_BOX = 4

Properties = list[tuple[bytes, bytes]]


def decode(file: BinaryIO) -> Decoded:
    """Return the primary picture of an AVIF file.

    Raises:
        ImageError: a damaged file, one that is too large, another format of the HEIF family, or a transfer function of
            high dynamic range.
    """
    data = file.read()
    boxes = dict(reversed(list(read_boxes(data))))
    brands = boxes.get(b"ftyp", b"")
    if not any(brands[at : at + 4] in BRANDS for at in range(0, len(brands), 4)):
        raise unsupported(f"a file of the brand {brands[:4].decode('ascii', 'replace')!r} (HEIF, not AVIF)")
    meta = dict(reversed(list(read_boxes(boxes.get(b"meta", b"")[FULL_BOX:]))))
    if b"pitm" not in meta or b"iprp" not in meta:
        raise unsupported("an AVIF file without a primary picture")
    primary = int.from_bytes(meta[b"pitm"][FULL_BOX : FULL_BOX + (4 if meta[b"pitm"][0] else 2)], "big")
    properties = _properties(meta[b"iprp"], primary)
    found = dict(reversed(properties))
    if b"ispe" not in found:
        raise damaged("no size of the picture")
    if b"clap" in found:
        raise unsupported("an AVIF file that crops its picture")
    width, height = struct.unpack_from(">II", found[b"ispe"], FULL_BOX)
    check_size(width, height)
    declared = _declared(properties)
    if b"colr" not in found and b"av1C" in found:
        described = colour_description(_item(data, meta.get(b"iloc", b""), primary))
        declared = h273.coding(*described) if described else None
    samples = np.asarray(imagecodecs.avif_decode(data, index=0, numthreads=1))
    if samples.shape[:2] != (height, width):
        raise damaged(f"{samples.shape[1]}x{samples.shape[0]} pixels where {width}x{height} are announced")
    bits = _bits(found)
    return split_alpha(unit(samples, (1 << bits) - 1.0), orientation=_orientation(properties), declared=declared)


def _properties(iprp: bytes, primary: int) -> Properties:
    """Return the properties of the primary item, in the order in which they apply."""
    parts = list(read_boxes(iprp))
    every = [one for kind, body in parts if kind == b"ipco" for one in read_boxes(body)]
    places = next((found for kind, body in parts if kind == b"ipma" and (found := _places(body, primary))), [])
    return [every[place - 1] for place in places if 1 <= place <= len(every)]


def _places(ipma: bytes, primary: int) -> list[int]:
    """Return the numbers, from 1, of an item's properties, as the box ipma lists them."""
    version, flags = ipma[0], ipma[3]
    (count,) = struct.unpack_from(">I", ipma, FULL_BOX)
    at = FULL_BOX + 4
    for _ in range(count):
        item, number = struct.unpack_from(">IB" if version else ">HB", ipma, at)
        at += 5 if version else 3
        size = 2 if flags & 1 else 1
        if item == primary:
            places = struct.unpack_from(f">{number}{'BH'[size - 1]}", ipma, at)
            return [place & (0x7FFF if size == 2 else 0x7F) for place in places]
        at += number * size
    return []


def _item(data: bytes, iloc: bytes, wanted: int) -> bytes:
    """Return the beginning of an item that lies in the file itself; empty if it lies elsewhere."""
    reader = Reader(iloc)
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    wide = 4 if version == 2 else 2
    for _ in range(reader.number(wide)):
        item = reader.number(wide)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)  # in which file
        base = reader.number(base_size)
        extents = []
        for _ in range(reader.number(2)):
            reader.number(index_size)
            extents.append((reader.number(offset_size), reader.number(length_size)))
        if item == wanted and extents and method == 0:
            offset, length = extents[0]
            return data[base + offset :][: length or None]
    return b""


def _bits(found: dict[bytes, bytes]) -> int:
    if b"av1C" in found:
        flags = found[b"av1C"][2]
        return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    if b"pixi" in found:  # of a grid, whose tiles have the other one
        return found[b"pixi"][FULL_BOX + 1]
    raise damaged("no depth of the picture")


def _declared(properties: Properties) -> bytes | Coding | None:
    colours = [body for kind, body in properties if kind == b"colr"]
    for body in colours:
        if body[:4] in (b"prof", b"rICC"):
            return body[4:]
    for body in colours:
        if body[:4] == b"nclx":
            return h273.coding(*struct.unpack_from(">HH", body, 4))
    return None


def _orientation(properties: Properties) -> int:
    """Return the turns irot (anticlockwise) and imir as EXIF numbers them; EXIF itself does not count in HEIF."""
    probe = shown = np.arange(6).reshape(2, 3)
    for kind, body in properties:
        if kind == b"irot":
            shown = np.rot90(shown, body[0] & 3)
        elif kind == b"imir":
            shown = np.flip(shown, body[0] & 1)
    return next((n for n, turn in ORIENTATIONS.items() if np.array_equal(turn(probe), shown)), 1)
