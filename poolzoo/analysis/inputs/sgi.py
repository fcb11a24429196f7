"""SGI (The SGI Image File Format 1.00): 16 bits, which Pillow reduces, and grey with alpha; other files by Pillow."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

from poolzoo.analysis.inputs import pillow
from poolzoo.analysis.inputs.decoded import Decoded, split_alpha, unit
from poolzoo.analysis.inputs.files import check_size, damaged, unsupported

SIGNATURE = b"\x01\xda"
HEADER_BYTES, COLOUR_MAP_AT = 512, 104
#: The bits of a run: its number of samples, and whether each is stored or only one.
COUNT, LITERAL = 0x7F, 0x80


def decode(file: BinaryIO) -> Decoded:
    """Return the picture of an SGI file.

    Raises:
        ImageError: a damaged file, one that is too large, or one whose samples are places in a colour map.
    """
    data = file.read()
    packed, size, dimension, width, height, channels = struct.unpack_from(">BBHHHH", data, 2)
    (colour_map,) = struct.unpack_from(">I", data, COLOUR_MAP_AT)
    if colour_map:
        raise unsupported(f"an SGI file with colour map {colour_map}")
    if packed > 1 or size not in (1, 2) or dimension not in (1, 2, 3):
        raise damaged(f"no SGI file has storage {packed}, {size} bytes per sample and {dimension} dimensions")
    channels, height = channels if dimension == 3 else 1, height if dimension > 1 else 1
    if not 1 <= channels <= 4:
        raise unsupported(f"an SGI file of {channels} channels")
    if size == 1 and channels != 2:
        file.seek(0)
        return pillow.decode(file)
    check_size(width, height, channels)
    if packed:
        samples = _unpacked(data, size, channels * height, width)
    else:
        samples = np.frombuffer(data, f">u{size}", channels * height * width, HEADER_BYTES)
    planes = samples.reshape(channels, height, width)
    return split_alpha(unit(np.moveaxis(planes[:, ::-1], 0, -1)))


def _unpacked(data: bytes, size: int, rows: int, width: int) -> np.ndarray:
    """Return the samples of run-length encoded rows; a table states the start and the number of bytes of each."""
    starts, lengths = np.frombuffer(data, ">u4", 2 * rows, HEADER_BYTES).reshape(2, rows)
    samples = np.empty((rows, width), f"u{size}")
    for row, start, length in zip(samples, starts.tolist(), lengths.tolist(), strict=True):
        words = np.frombuffer(data, f">u{size}", length // size, start)
        at = place = 0
        while place < width:
            count, literal = int(words[at]) & COUNT, int(words[at]) & LITERAL
            run = words[at + 1 : at + 1 + (count if literal else 1)]
            if not count or not len(run) or place + count > width:
                raise damaged(f"a row of {place + count} pixels where {width} are needed")
            row[place : place + count] = run
            place += count
            at += 1 + len(run)
    return samples
