"""WebP by libwebp (Pillow), which draws the frames of an animation on a transparent screen."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from poolzoo.analysis.inputs import pillow
from poolzoo.analysis.inputs.decoded import Decoded

#: In a RIFF file, where the kind of form is and which one is WebP's.
FORM_AT, FORM = 8, b"WEBP"
FIRST_CHUNK, FLAGS_AT = slice(12, 16), 20
ANIMATED, HAS_ALPHA = 0x02, 0x10


def decode(file: BinaryIO) -> Decoded:
    """Return the picture, or the first frame, of a WebP file.

    Raises:
        ImageError: a damaged file, or one that is too large.
    """
    return next(decode_frames(file))


def decode_frames(file: BinaryIO) -> Iterator[Decoded]:
    """Yield the screen after each frame."""
    data = bytearray(file.read())
    if data[FIRST_CHUNK] == b"VP8X" and data[FLAGS_AT] & ANIMATED:
        data[FLAGS_AT] |= HAS_ALPHA  # what no frame draws is transparent, though all frames may be opaque
    with pillow.open_image(io.BytesIO(data), ("WEBP",)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            yield pillow.decoded(image)
