"""PCX (ZSoft's technical reference 5), by Pillow, for the bits and planes that it reads."""

from __future__ import annotations

from typing import BinaryIO

from poolzoo.analysis.inputs import pillow
from poolzoo.analysis.inputs.decoded import Decoded
from poolzoo.analysis.inputs.files import unsupported

#: The mark, the versions there are, and run lengths.
SIGNATURES = tuple(bytes([10, version, 1]) for version in (0, 2, 3, 5))
HEADER_BYTES, BITS_AT, PLANES_AT = 128, 3, 65
#: Bits and planes that Pillow reads, in files of any version and in those of the last one.
OF_ALL, OF_THE_LAST = ((1, 1), (1, 2), (1, 4)), ((8, 1), (8, 3))


def decode(file: BinaryIO) -> Decoded:
    """Return the picture of a PCX file.

    Raises:
        ImageError: a damaged file, one that is too large, or one of other bits and planes.
    """
    head = file.read(HEADER_BYTES)
    kind = (head[BITS_AT], head[PLANES_AT])
    if kind not in OF_ALL and (kind not in OF_THE_LAST or not head.startswith(SIGNATURES[-1])):
        raise unsupported(f"a PCX file of version {head[1]}, with planes of {kind[0]} bits, of which it has {kind[1]},")
    file.seek(0)
    return pillow.decode(file)
