"""SGI (The SGI Image File Format 1.00): planes of 16 bits are read here, of which Pillow keeps 8; others by Pillow."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

from poolzoo.analysis.inputs import pillow
from poolzoo.analysis.inputs.decoded import Decoded, split_alpha, unit
from poolzoo.analysis.inputs.files import check_size, unsupported

SIGNATURE = b"\x01\xda"
HEADER_BYTES = 512


def decode(file: BinaryIO) -> Decoded:
    """Return the picture of an SGI file.

    Raises:
        ImageError: a damaged file, one that is too large, or run lengths of 16 bits.
    """
    head = file.read(HEADER_BYTES)
    packed, size, dimension, width, height, channels = struct.unpack_from(">BBHHHH", head, 2)
    if size == 1:
        file.seek(0)
        return pillow.decode(file)
    if packed or dimension not in (2, 3):
        raise unsupported("an SGI file of 16 bits with run lengths")
    channels = channels if dimension == 3 else 1
    if not 1 <= channels <= 4:
        raise unsupported(f"an SGI file of {channels} channels")
    check_size(width, height, channels)
    planes = np.frombuffer(file.read(), ">u2", channels * height * width).reshape(channels, height, width)
    return split_alpha(unit(np.moveaxis(planes[:, ::-1], 0, -1)))
