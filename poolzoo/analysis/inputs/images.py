"""Images in: which files a list of sources names, and each file as an array of what a viewer would show.

``find_images`` turns files, folders, globs, ``skimage:NAME`` and ``poolzoo:NAME`` into :class:`Source` objects;
``load_image`` turns one of them into float64 RGB in [0, 1]. Pillow decodes. 8-bit samples are divided by 255 and 16-bit
greys by 65535, EXIF orientation is applied, a colour profile is converted to sRGB, transparency is shown over white,
and of an animation or a multi-page file the first frame is read. Two things Pillow cannot do: 16-bit colour keeps its
upper 8 bits, and the profile of a 16-bit or floating-point grey is not applied.
"""

from __future__ import annotations

import difflib
import glob
import importlib.util
import io
import itertools
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from poolzoo.analysis.inputs.patterns import PATTERNS

#: The most pixels that are decoded, checked against the header before any are: 1.5 GB as float64 RGB.
MAX_PIXELS = 64_000_000

#: Pillow's raster formats and the suffixes that a folder is searched for. Only these are tried, whatever the suffix:
#: Pillow would hand an EPS file to Ghostscript. TGA has no signature and so comes last.
FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "PPM": (".pbm", ".pgm", ".ppm", ".pnm", ".pfm"),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx"),
    "QOI": (".qoi",),
    "PSD": (".psd",),
    "SGI": (".sgi",),
    "PCX": (".pcx",),
    "TGA": (".tga",),
}
SUFFIXES = frozenset(itertools.chain.from_iterable(FORMATS.values()))

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

#: What Pillow's decoders raise on a damaged file, over what they document.
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

#: The colour channels of 8-bit modes, the alpha aside; every other mode is converted to RGB.
COLOUR_MODES = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK"}

#: Pillow scales 2-bit and 4-bit greys to 8 bits and drops the lower byte of 16-bit colours, but leaves PNG's
#: transparent colour as the file has it: by raw mode, how it follows.
TRANSPARENT_KEYS: dict[str, Callable[[Any], Any]] = {
    "L;2": lambda grey: grey * 85,
    "L;4": lambda grey: grey * 17,
    "RGB;16B": lambda rgb: tuple(value >> 8 for value in rgb),
}

EXIF_ORIENTATION, TIFF_BITS, TIFF_PHOTOMETRIC, WHITE_IS_ZERO = 274, 258, 262, 0

#: EXIF orientation: how the stored array becomes the shown one.
ORIENTATIONS: dict[Any, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: np.swapaxes(image, 0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(np.swapaxes(image, 0, 1), 2),
    8: np.rot90,
}

#: A profile that moves no colour by more than this many of 255 levels is sRGB under another name.
SAME_AS_SRGB = 2


class ImageError(ValueError):
    """A source that cannot be found or shown: one line with the source, what is wrong and what is allowed."""


@dataclass(frozen=True)
class Source:
    """One image to load: its name as the user gave it, and its file, or the test pattern that it is."""

    name: str
    path: Path
    pattern: str = ""


def find_images(sources: Iterable[str]) -> list[Source]:
    """List the images that ``sources`` name, in that order, each file once under its first name.

    A source is ``skimage:NAME`` (see :data:`SKIMAGE_NAMES`), ``poolzoo:NAME`` (a test pattern, see
    :data:`poolzoo.analysis.inputs.patterns.PATTERNS`), a folder (the files in it with an image suffix, sorted;
    hidden ones and subfolders are left out), a file, or, where no such file exists, a glob (``**`` crosses folders). A
    missing file is listed too, so that one wrong name does not end a batch: :func:`load_image` reports it.

    Args:
        sources: names as they come from a command line. ``./skimage:coffee`` is a file of that name.

    Raises:
        ImageError: an empty name, an unknown ``skimage:`` or ``poolzoo:`` name, a folder without images or a glob
            without matches.
    """
    found: dict[str, Source] = {}
    for source in sources:
        if source.startswith(PATTERN_PREFIX):
            found.setdefault(source, Source(source, Path(source), _pattern_of(source)))
            continue
        for name, path in _expand(source):
            # realpath rejects the names that no file can have; they stay in the list as missing files.
            key = os.path.realpath(path) if os.path.lexists(path) else path
            found.setdefault(key, Source(name, Path(path)))
    return list(found.values())


def _pattern_of(source: str) -> str:
    name = source.removeprefix(PATTERN_PREFIX)
    if name not in PATTERNS:
        raise ImageError(f"{source!r}: no such test pattern; {', '.join(PATTERNS)} is allowed")
    return name


def _expand(source: str) -> Iterator[tuple[str, str]]:
    """The (name, path) pairs of one source."""
    if not source:
        raise ImageError(f"{source!r}: an empty name; give a file, a folder, a glob or {SKIMAGE_PREFIX}NAME")
    if source.startswith(SKIMAGE_PREFIX):
        yield source, _shipped_file(source)
    elif os.path.isdir(source):
        yield from ((path, path) for path in _images_in(source))
    elif os.path.lexists(source) or not glob.has_magic(source):
        yield source, source
    else:
        matches = sorted(path for path in glob.glob(source, recursive=True) if not os.path.isdir(path))
        if not matches:
            raise ImageError(f"{source!r}: no such file, and as a glob it matches none")
        yield from ((path, path) for path in matches)


def _shipped_file(source: str) -> str:
    name = source.removeprefix(SKIMAGE_PREFIX)
    if name not in SKIMAGE_NAMES:
        near = difflib.get_close_matches(name, SKIMAGE_NAMES)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ImageError(f"{source!r}: scikit-image ships no such picture; {hint}It ships {', '.join(SKIMAGE_NAMES)}")
    # The folder is all that is needed: importing skimage.data would bring its downloader along.
    package = importlib.util.find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        raise ImageError(f"{source!r}: scikit-image is not installed; its pictures come with it")
    return os.path.join(package.submodule_search_locations[0], "data", SKIMAGE_NAMES[name])


def _images_in(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise ImageError(f"{folder!r}: cannot be listed: {reason(error)}") from error
    paths = [
        os.path.join(folder, name)
        for name in names
        if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES
    ]
    images = [path for path in paths if not os.path.isdir(path)]
    if not images:
        raise ImageError(f"{folder!r}: a folder without images; those end in {', '.join(sorted(SUFFIXES))}")
    return images


def load_image(source: Source) -> np.ndarray:
    """Read one image as a viewer would show it.

    Args:
        source: what :func:`find_images` listed.

    Returns:
        C-contiguous float64 RGB of shape (H, W, 3) in [0, 1]. A grey is repeated in the three channels. Transparent
        pixels are shown over white: ``alpha * colour + (1 - alpha)``.

    Raises:
        ImageError: no such file, not a file, empty, unreadable, not an image, truncated or damaged, more than
            :data:`MAX_PIXELS` pixels, or grey values outside the range that has a white: 0 to 65535 for integers, 0
            to 1 for floating point.
    """
    if source.pattern:
        return PATTERNS[source.pattern]()
    try:
        with open_file(source.path) as file, warnings.catch_warnings():
            # Pillow warns of a large image, which is bounded here, and of metadata that a viewer would ignore.
            warnings.simplefilter("ignore")
            image, orientation = _decode(file)
        deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
        shown = _show_deep_grey(image) if deep else show(image)
    except ImageError as error:
        raise ImageError(f"{source.name!r}: {error}") from error.__cause__
    return np.ascontiguousarray(ORIENTATIONS.get(orientation, np.asarray)(shown))


def open_file(path: Path) -> BinaryIO:
    """Open a regular file that holds something, for reading.

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


def _decode(file: BinaryIO) -> tuple[Image.Image, Any]:
    """The first frame as Pillow decodes it, and the EXIF orientation that is still to be applied."""
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    try:
        image = Image.open(file, formats=formats)
        if image.width * image.height > MAX_PIXELS:
            size = f"{image.width}x{image.height}, {image.width * image.height} pixels"
            raise ImageError(f"too large: {size}; at most {MAX_PIXELS} are decoded")
        key = image.info.get("transparency")
        if image.format == "PNG" and key is not None and image.tile[0].args in TRANSPARENT_KEYS:
            image.info["transparency"] = TRANSPARENT_KEYS[image.tile[0].args](key)
        image.load()
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        # Pillow's own bound came first; its message opens with the number of pixels.
        size = str(error).partition(" exceeds")[0]
        raise ImageError(f"too large: {size}; at most {MAX_PIXELS} are decoded") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"not an image that Pillow can read as one of {', '.join(formats)}") from error
    except DECODER_ERRORS as error:
        raise ImageError(f"truncated or damaged: {reason(error)}") from error
    try:
        # Asked for after load: a decoder that has turned the image itself (TIFF) has removed the tag.
        return image, image.getexif().get(EXIF_ORIENTATION)
    except DECODER_ERRORS:
        return image, None  # Metadata can be damaged where the pixels are not.


def _show_deep_grey(image: Image.Image) -> np.ndarray:
    """Greys of more than 8 bits: Pillow's conversions would clip them."""
    values = np.asarray(image).astype(np.float64)
    tags = getattr(image, "tag_v2", {})
    white = 1.0 if image.mode == "F" else 4095.0 if tags.get(TIFF_BITS) == (12,) else 65535.0
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):  # NaN is neither
        raise ImageError(f"grey values from {low:g} to {high:g}; allowed are finite values from 0 to {white:g}")
    grey = values / white
    if tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow inverts these up to 8 bits only
        grey = 1 - grey
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 1.0
    return np.repeat(grey[..., None], 3, axis=2)


def show(image: Image.Image) -> np.ndarray:
    """A decoded image of at most 8 bits a sample as a viewer shows it: ``(H, W, 1 or 3)`` float64 in [0, 1], sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        # The one mode that Image.convert does not know; its numbers are absolute, so no profile is asked.
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image, profile = ImageCms.buildTransform(lab, srgb, "LAB", "RGB").apply(image), None
    colour_mode = COLOUR_MODES.get(image.mode, "RGB")
    if not image.has_transparency_data:
        return np.asarray(_to_srgb(image.convert(colour_mode), profile)) / 255
    image = image.convert(colour_mode + "A")
    alpha = np.asarray(image.getchannel("A"))[..., None] / 255
    return alpha * (np.asarray(_to_srgb(image.convert(colour_mode), profile)) / 255) + (1 - alpha)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An L, RGB or CMYK image as sRGB; without a usable profile, or with that of sRGB, Pillow's own RGB."""
    plain = image.convert("RGB")
    if not profile:
        return plain
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(given, ImageCms.createProfile("sRGB"), image.mode, "RGB")
    except (ImageCms.PyCMSError, ImportError, *DECODER_ERRORS):
        return plain  # Damaged, or for another colour space: viewers ignore it too. ImportError: a Pillow without it.
    # Asking what the profile does to sixteen levels a channel is surer than reading its name, and keeps ordinary
    # photographs, nearly all of which carry one of many sRGB profiles, exact to the bit.
    levels = itertools.product(range(0, 256, 17), repeat=len(image.getbands()))
    probe = Image.frombytes(image.mode, (16 ** len(image.getbands()), 1), bytes(itertools.chain.from_iterable(levels)))
    shown, stored = (np.asarray(x, np.int16) for x in (transform.apply(probe), probe.convert("RGB")))
    return plain if np.abs(shown - stored).max() <= SAME_AS_SRGB else transform.apply(image)


def reason(error: BaseException) -> str:
    """What an exception says, in one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
