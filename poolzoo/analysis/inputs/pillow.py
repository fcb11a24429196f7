"""The formats of at most 8 bits per sample, by Pillow."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from poolzoo.analysis.inputs.decoded import Decoded, split_alpha, unit
from poolzoo.analysis.inputs.exif import exif_orientation
from poolzoo.analysis.inputs.files import MAX_PIXELS, ImageError, check_size, unsupported

#: Pillow's names. Only these are tried, whatever the suffix: Pillow would hand an EPS file to Ghostscript. TGA has no
#: signature and so comes last.
PILLOW_FORMATS = ("JPEG", "BMP", "QOI", "SGI", "PCX", "TGA")

#: The colour channels of 8-bit modes, the alpha aside; every other mode is converted to RGB.
COLOUR_MODES = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK"}
TGA_HEADER_BYTES, PALETTE_TGA, GREY_TGA, ATTRIBUTE_BITS = 18, 1, 3, 0x0F


def decode(file: BinaryIO) -> Decoded:
    """Return the first frame of a file that Pillow can read.

    Raises:
        ImageError: a damaged file, or one that is too large.
        UnidentifiedImageError: none of these formats.
    """
    with open_image(file, PILLOW_FORMATS) as image:
        if image.format == "TGA":
            file.seek(0)
            return _tga(image, file.read(TGA_HEADER_BYTES))
        return decoded(image)


def _tga(image: Image.Image, header: bytes) -> Decoded:
    """Return the picture of a TGA file; in 16 bits, Pillow reads one bit as transparency even against the header."""
    kind, depth, descriptor = header[2] & 7, header[16], header[17]
    if header[1] and kind != PALETTE_TGA:
        raise unsupported("a TGA file with a colour map that its pixels do not use")
    if depth != 16 or kind == GREY_TGA:
        return decoded(image)
    if descriptor & ATTRIBUTE_BITS:
        raise unsupported("a TGA file of 16 bits per pixel, one of which is an attribute,")
    return decoded(image.convert("RGB"))


def open_image(file: BinaryIO, formats: tuple[str, ...]) -> Image.Image:
    """Open what Pillow can read as one of its ``formats``; no pixel is decoded yet.

    Raises:
        ImageError: it is too large.
        UnidentifiedImageError: none of these formats.
    """
    try:
        image = Image.open(file, formats=formats)
    except Image.DecompressionBombError as error:
        # Pillow's own bound came first; its message opens with the number of pixels.
        size = str(error).partition(" exceeds")[0]
        raise ImageError(f"too large: {size}; at most {MAX_PIXELS} are decoded") from error
    check_size(image.width, image.height)
    return image


def decoded(image: Image.Image) -> Decoded:
    """Return the current frame of an image of Pillow's."""
    image.load()
    about: dict[str, Any] = {
        "orientation": exif_orientation(image.info.get("exif", b"")),
        "declared": image.info.get("icc_profile"),
    }
    mode = COLOUR_MODES.get(image.mode, "RGB")
    if mode == "CMYK":
        return Decoded(unit(np.asarray(image)), "cmyk", **about)
    return split_alpha(unit(np.asarray(image.convert(mode + "A" * image.has_transparency_data))), **about)
