"""Images as inputs: the files that a list of sources names, and each file as an array of what a viewer would show.

``find_images`` turns files, folders, globs, ``skimage:NAME`` and ``poolzoo:NAME`` into :class:`Source` objects;
``load_image`` turns one of them into float64 RGB in [0, 1]. A module for each format, chosen by the content of the
file, decodes it at its own depth (:class:`~poolzoo.analysis.inputs.decoded.Decoded`); one function shows the result:
the declared colour as sRGB, turned, transparency over white. Of an animation or a multi-page file, the first frame is
read. A variant that no decoder reads correctly is refused.
"""

from __future__ import annotations

import difflib
import glob
import importlib.util
import io
import itertools
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import UnidentifiedImageError

from poolzoo._console import reason
from poolzoo.analysis.inputs import avif, bmp, gif, jpeg, jpeg2000, netpbm, pcx, pillow, png, psd, sgi, tiff, webp
from poolzoo.analysis.inputs.decoded import Decoded, show
from poolzoo.analysis.inputs.files import DECODER_ERRORS, ImageError, decoder_failed, open_file
from poolzoo.analysis.inputs.patterns import PATTERNS

__all__ = ["IMAGE_FORMATS", "IMAGE_SUFFIXES", "ImageError", "Source", "find_images", "load_image", "open_file"]

#: The formats that are read, and the suffixes that a folder is searched for.
IMAGE_FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "PPM": (".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".pfm"),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx"),
    "QOI": (".qoi",),
    "PSD": (".psd", ".psb"),
    "SGI": (".sgi",),
    "PCX": (".pcx",),
    "TGA": (".tga",),
}
IMAGE_SUFFIXES = frozenset(itertools.chain.from_iterable(IMAGE_FORMATS.values()))

#: The pictures that the scikit-image wheel itself holds, by the names of their functions in ``skimage.data``, and the
#: files in its ``data`` folder. The others there are downloads, which poolzoo never makes.
SKIMAGE_NAMES = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
    "cell": "cell.png",
    "checkerboard": "chessboard_GRAY.png",
    "chelsea": "chelsea.png",
    "clock": "clock_motion.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "colorwheel": "color.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "horse": "horse.png",
    "hubble_deep_field": "hubble_deep_field.jpg",
    "ihc": "ihc.png",
    "immunohistochemistry": "ihc.png",
    "logo": "logo.png",
    "microaneurysms": "microaneurysms.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "motorcycle_left": "motorcycle_left.png",
    "motorcycle_right": "motorcycle_right.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "shepp_logan_phantom": "phantom.png",
    "text": "text.png",
}
SKIMAGE_PREFIX = "skimage:"
PATTERN_PREFIX = "poolzoo:"
#: Of files that hold images, by their content known to :mod:`poolzoo.analysis.inputs.packed`.
PACKED_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".parquet")

#: Bytes near the beginning of a file, where they lie, and what decodes it then. All other files are Pillow's.
DECODERS: tuple[tuple[int, tuple[bytes, ...], Callable[[BinaryIO], Decoded]], ...] = (
    (0, (png.SIGNATURE,), png.decode),
    (0, (jpeg.SIGNATURE,), jpeg.decode),
    (webp.FORM_AT, (webp.FORM,), webp.decode),
    (0, gif.SIGNATURES, gif.decode),
    (0, tiff.SIGNATURES, tiff.decode),
    (0, jpeg2000.SIGNATURES, jpeg2000.decode),
    (4, (b"ftyp",), avif.decode),
    (0, (psd.SIGNATURE,), psd.decode),
    (0, (bmp.SIGNATURE,), bmp.decode),
    (0, netpbm.SIGNATURES, netpbm.decode),
    (0, (sgi.SIGNATURE,), sgi.decode),
    (0, pcx.SIGNATURES, pcx.decode),
)
SIGNATURE_BYTES = 16


@dataclass(frozen=True)
class Source:
    """One image to load: its name as the user gave it, and its file, the test pattern that it is, or its ``pixels``.

    ``content`` are the bytes of an image file that lies in another one (:mod:`poolzoo.analysis.inputs.packed`).
    ``pixels`` belong to an image in memory (:mod:`poolzoo.analysis.inputs.arrays`), in the form of :func:`load_image`.
    """

    name: str
    path: Path
    pattern: str = ""
    pixels: np.ndarray | None = field(default=None, compare=False, repr=False)
    content: bytes | None = field(default=None, compare=False, repr=False)


def find_images(sources: Iterable[str], passed_over: Counter[str] | None = None) -> list[Source]:
    """List the images that ``sources`` name, in that order, each file once under its first name.

    A source is ``skimage:NAME`` (see :data:`SKIMAGE_NAMES`), ``poolzoo:NAME`` (a test pattern, see
    :data:`poolzoo.analysis.inputs.patterns.PATTERNS`), a folder (the files in it with an image suffix, sorted;
    hidden ones and subfolders are left out), a file, or, where no such file exists, a glob (``**`` crosses folders). A
    missing file is listed too, so that one wrong name does not end a batch: :func:`load_image` reports it.

    Args:
        sources: names as they come from a command line. ``./skimage:coffee`` is a file of that name.
        passed_over: counts, by suffix, the files in folders that are not images by their suffixes.

    Raises:
        ImageError: an empty name, an unknown ``skimage:`` or ``poolzoo:`` name, a folder without images or a glob
            without matches.
    """
    found: dict[str, Source] = {}
    for source in sources:
        if source.startswith(PATTERN_PREFIX):
            found.setdefault(source, Source(source, Path(source), _pattern_of(source)))
            continue
        for name, path in _expand(source, Counter() if passed_over is None else passed_over):
            # realpath rejects the names that no file can have; they stay in the list as missing files.
            key = os.path.realpath(path) if os.path.lexists(path) else path
            found.setdefault(key, Source(name, Path(path)))
    return list(found.values())


def _pattern_of(source: str) -> str:
    name = source.removeprefix(PATTERN_PREFIX)
    if name not in PATTERNS:
        raise ImageError(f"{source!r}: no such test pattern; {', '.join(PATTERNS)} is allowed")
    return name


def _expand(source: str, passed_over: Counter[str]) -> Iterator[tuple[str, str]]:
    """Yield the (name, path) pairs of one source."""
    if not source:
        raise ImageError(f"{source!r}: an empty name; give a file, a folder, a glob or {SKIMAGE_PREFIX}NAME")
    if source.startswith(SKIMAGE_PREFIX):
        yield source, _shipped_file(source)
    elif os.path.isdir(source):
        yield from ((path, path) for path in _images_in(source, passed_over))
    elif source.lower().endswith(PACKED_SUFFIXES):
        raise ImageError(
            f"{source!r}: images packed in a file are read by compare --dataset only; here a file, a folder, a glob or"
            f" {SKIMAGE_PREFIX}NAME is allowed"
        )
    elif os.path.lexists(source) or not glob.has_magic(source):
        yield source, source
    else:
        matches = sorted(path for path in glob.glob(source, recursive=True) if not os.path.isdir(path))
        if not matches:
            raise ImageError(f"{source!r}: no such file, and as a glob it matches no file")
        yield from ((path, path) for path in matches)


def _shipped_file(source: str) -> str:
    name = source.removeprefix(SKIMAGE_PREFIX)
    if name not in SKIMAGE_NAMES:
        near = difflib.get_close_matches(name, SKIMAGE_NAMES)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ImageError(f"{source!r}: scikit-image has no such picture; {hint}It has {', '.join(SKIMAGE_NAMES)}")
    # The folder is all that is needed: importing skimage.data would bring its downloader along.
    package = importlib.util.find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        raise ImageError(f"{source!r}: scikit-image is not installed; its pictures come with it")
    return os.path.join(package.submodule_search_locations[0], "data", SKIMAGE_NAMES[name])


def _images_in(folder: str, passed_over: Counter[str]) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise ImageError(f"{folder!r}: cannot be listed: {reason(error)}") from error
    paths = [os.path.join(folder, name) for name in names if not name.startswith(".")]
    files = [path for path in paths if not os.path.isdir(path)]
    images = [path for path in files if suffix_of(path) in IMAGE_SUFFIXES]
    others = Counter(suffix_of(path) for path in files if suffix_of(path) not in IMAGE_SUFFIXES)
    if not images:
        raise ImageError(without_images(f"{folder!r}: a folder without images", others))
    passed_over.update(others)
    return images


def suffix_of(path: str) -> str:
    """Return the suffix by which a file is known, in lower case."""
    return os.path.splitext(path)[1].lower()


def without_images(problem: str, passed_over: Mapping[str, int]) -> str:
    """Return ``problem`` with the suffixes that images have, and the suffixes of the files that were found instead."""
    others = f"; passed over: {shown_counts(passed_over)}" if passed_over else ""
    return f"{problem}; those end in {', '.join(sorted(IMAGE_SUFFIXES))}{others}"


def shown_counts(passed_over: Mapping[str, int]) -> str:
    """Return counts by suffix as ``3 .txt, 1 .xcf``, the most frequent first."""
    ordered = sorted(passed_over.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in ordered)


def load_image(source: Source) -> np.ndarray:
    """Read one image as a viewer would show it.

    Args:
        source: from :func:`find_images`.

    Returns:
        C-contiguous float64 RGB of shape (H, W, 3) in [0, 1]. A grey is repeated in the three channels. Transparent
        pixels are shown over white: ``alpha * colour + (1 - alpha)``.

    Raises:
        ImageError: no such file, not a file, empty, unreadable, not an image, truncated or damaged, more than
            :data:`~poolzoo.analysis.inputs.files.MAX_PIXELS` pixels, of a variant that is not read, or values outside
            the range that has a white: 0 to 1 for floating point.
    """
    if source.pixels is not None:
        return source.pixels
    if source.pattern:
        return PATTERNS[source.pattern]()
    try:
        with _opened(source) as file, warnings.catch_warnings():
            # Of a large image, which is bounded here, and of metadata that a viewer would ignore.
            warnings.simplefilter("ignore")
            shown = show(_decode(file))
    except ImageError as error:
        raise ImageError(f"{source.name!r}: {error}") from error.__cause__
    return as_rgb(shown)


def _opened(source: Source) -> BinaryIO:
    return open_file(source.path) if source.content is None else io.BytesIO(source.content)


def as_rgb(shown: np.ndarray) -> np.ndarray:
    """Return ``(H, W, 1 or 3)`` as ``(H, W, 3)``: a grey is repeated."""
    return shown if shown.shape[2] == 3 else np.repeat(shown, 3, axis=2)


def _decode(file: BinaryIO) -> Decoded:
    head = file.read(SIGNATURE_BYTES)
    file.seek(0)
    known = (decode for at, signatures, decode in DECODERS if head[at:].startswith(signatures))
    decode = next(known, pillow.decode)
    try:
        return decode(file)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"not an image of a format that is read: {', '.join(IMAGE_FORMATS)}") from error
    except DECODER_ERRORS as error:
        raise decoder_failed(error) from error
