"""The orientation in EXIF metadata, the only entry that concerns the pixels."""

from __future__ import annotations

from PIL import Image

from poolzoo.analysis.inputs.files import DECODER_ERRORS

ORIENTATION = 274


def exif_orientation(exif: bytes) -> int:
    """Return the orientation of EXIF metadata, 1 if they are missing or damaged."""
    tags = Image.Exif()
    try:
        tags.load(exif)
        value = tags.get(ORIENTATION, 1)
    except DECODER_ERRORS:
        return 1  # Metadata can be damaged where the pixels are not.
    return value if isinstance(value, int) else 1
