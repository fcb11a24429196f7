"""The common parts of all readers of files: opening, the limit of size, and errors of one line."""

from __future__ import annotations

import os
import re
import stat
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from poolzoo._console import reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatImage = NDArray[np.float64]

#: The most pixels that are decoded, checked against the header before any are: 1.5 GB as float64 RGB.
MAX_PIXELS = 64_000_000
#: The most samples of one picture, all channels counted: further channels of a file cost memory too.
MAX_SAMPLES = 4 * MAX_PIXELS

#: The exceptions of decoders for damaged files, more than they document. The errors of imagecodecs are RuntimeErrors.
DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

#: Words by which decoders say that they lack something, not the file.
LACKING = re.compile(
    r"unsupported|not (yet )?(supported|implemented)|cannot handle|unknown .* (mode|type|layout)", re.I
)


class ImageError(ValueError):
    """A source cannot be found or shown; the message is one line with the source, the problem and what is allowed."""


class DataError(ValueError):
    """Training data that cannot be used; the message is one line."""


def unsupported(variant: str) -> ImageError:
    """Return the error for an intact file of a kind that is not supported, ``variant``: a noun in the singular."""
    return ImageError(f"{variant} is not supported: convert it, for example to a PNG file with 16 bits per sample")


def damaged(what: str) -> ImageError:
    """Return the error for a file that breaks its format."""
    return ImageError(f"truncated or damaged: {what}")


def decoder_failed(error: BaseException) -> ImageError:
    """Return the error for a decoder's exception; its message decides whether the file is damaged or not supported."""
    text = reason(error)
    if isinstance(error, NotImplementedError) or LACKING.search(text):
        return unsupported(f"this variant ({text})")
    return damaged(text)


def check_size(width: int, height: int, channels: int = 1) -> None:
    """Raise ImageError if a picture has no pixels, or more than are decoded."""
    if width < 1 or height < 1:
        raise damaged(f"{width}x{height} pixels")
    if width * height > MAX_PIXELS:
        size = f"{width}x{height}, {width * height} pixels"
        raise ImageError(f"too large: {size}; at most {MAX_PIXELS} are decoded")
    if width * height * channels > MAX_SAMPLES:
        size = f"{width}x{height} pixels of {channels} channels"
        raise ImageError(f"too large: {size}; at most {MAX_SAMPLES} samples are decoded")


def open_file(path: Path) -> BinaryIO:
    """Open a regular file that is not empty, for reading.

    Raises:
        ImageError: there is no such file, or it is none; the message does not name it.
    """
    try:
        about = os.stat(path)
        if stat.S_ISREG(about.st_mode) and about.st_size:
            return open(path, "rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError("no such file") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot be read: {reason(error)}") from error
    if stat.S_ISDIR(about.st_mode):
        raise ImageError("a folder; give an image file")
    raise ImageError("empty file" if stat.S_ISREG(about.st_mode) else "not a regular file")
