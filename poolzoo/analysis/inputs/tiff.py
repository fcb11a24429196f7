"""TIFF and BigTIFF, the first page, by tifffile: the depths, layouts and compressions that it reads correctly."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

import imagecodecs
import numpy as np
import tifffile

from poolzoo.analysis.inputs.decoded import Decoded, Model, unit
from poolzoo.analysis.inputs.files import check_size, damaged, decoder_failed, unsupported
from poolzoo.analysis.inputs.jpeg import check_end, read_frame

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
PHOTOMETRICS: dict[int, Model] = {
    WHITE_IS_ZERO: "grey", BLACK_IS_ZERO: "grey", RGB: "rgb", PALETTE: "rgb", SEPARATED: "cmyk", YCBCR: "rgb",
    CIELAB: "lab", ICCLAB: "lab",
}  # fmt: skip
CHANNELS = {"grey": 1, "rgb": 3, "cmyk": 4, "lab": 3}
JPEG = 7
#: None, three of fax, LZW, JPEG, deflate under two numbers, PackBits, LZMA and Zstandard. The others are pictures in
#: other formats, or a camera's.
COMPRESSIONS = (1, 2, 3, 4, 5, JPEG, 8, 32946, 32773, 34925, 50000)
PREDICTORS = (1, 2, 3)
UNSIGNED, SIGNED, FLOAT, UNDEFINED = 1, 2, 3, 4
ASSOCIATED, UNASSOCIATED = 1, 2
NEW_SUBFILE_TYPE, PHOTOMETRIC, ORIENTATION, INK_SET, EXTRA_SAMPLES, ICC_PROFILE = 254, 262, 274, 332, 338, 34675
CMYK_INKS = 1
PREVIEW = 1
PLANAR = 2


def decode(file: BinaryIO) -> Decoded:
    """Return the picture on the first page of a TIFF file.

    Raises:
        ImageError: a damaged file, one that is too large, or a variant that is not read.
    """
    with complaints() as said:
        try:
            with tifffile.TiffFile(file) as tiff:
                page = tiff.pages.first
                _check(page)
                samples = _samples(page, file)
        except tifffile.TiffFileError as error:
            raise decoder_failed(error) from error
        if said:
            raise damaged(said[0])
    return _decoded(page, samples)


def _check(page: Any) -> None:
    """Raise ImageError for a page that is too large or not supported."""
    if PHOTOMETRIC not in page.tags:
        raise unsupported("a TIFF file that does not say what its samples are")
    check_size(page.imagewidth, page.imagelength, page.samplesperpixel * page.imagedepth)
    if page.tags.valueof(NEW_SUBFILE_TYPE, 0) & PREVIEW:
        raise unsupported("a TIFF file, perhaps a camera's, whose first page is a preview")
    if page.imagedepth != 1:
        raise unsupported("a TIFF file of volumes")
    model = PHOTOMETRICS.get(page.photometric)
    if model is None:
        raise unsupported(f"TIFF photometric interpretation {_named(page.photometric)}")
    check_storage(page)
    if isinstance(page.bitspersample, tuple) or page.sampleformat not in (UNSIGNED, SIGNED, FLOAT, UNDEFINED):
        raise unsupported(f"a TIFF file with {page.bitspersample} bits of format {page.sampleformat} per sample")
    if page.samplesperpixel < _channels(page):
        raise unsupported(f"a TIFF file of {page.samplesperpixel} samples per {_named(page.photometric)} pixel")
    if model == "cmyk" and page.tags.valueof(INK_SET, CMYK_INKS) != CMYK_INKS:
        raise unsupported("a TIFF file of inks that are not cyan, magenta, yellow and black")
    if page.photometric == PALETTE and (page.colormap is None or page.colormap.shape[1] < 1 << page.bitspersample):
        raise damaged("the palette is missing, or too short")


def check_storage(page: Any) -> None:
    """Raise ImageError if the strips or tiles of a page are too large, or stored in a way that is not supported."""
    if page.is_tiled:
        check_size(page.tilewidth, page.tilelength, page.samplesperpixel * page.tiledepth)
    if page.compression not in COMPRESSIONS:
        raise unsupported(f"TIFF compression {_named(page.compression)}")
    if page.compression == JPEG and page.planarconfig == PLANAR:
        raise unsupported("a TIFF file of JPEG planes")
    if page.predictor not in PREDICTORS:
        raise unsupported(f"TIFF predictor {_named(page.predictor)}")


def _channels(page: tifffile.TiffPage) -> int:
    """Return how many of the samples are colour."""
    return 1 if page.photometric == PALETTE else CHANNELS[PHOTOMETRICS[page.photometric]]


def _named(value: Any) -> str:
    name = getattr(value, "name", None)
    return f"{int(value)} ({name})" if name else str(int(value))


def _samples(page: tifffile.TiffPage, file: BinaryIO) -> np.ndarray:
    """Return the stored samples as ``(H, W, C)``."""
    if page.photometric == YCBCR and page.compression != JPEG:
        return _ycbcr(page, file)
    needed = -(-page.imagelength // page.rowsperstrip) if not page.is_tiled else len(page.dataoffsets)
    if len(page.dataoffsets) < needed or not all(page.databytecounts):
        raise damaged("strips or tiles are missing")
    if page.compression == JPEG:
        _check_streams(page, file)
    values = np.asarray(page.asarray(squeeze=False, maxworkers=1))
    if page.planarconfig == PLANAR:
        values = np.moveaxis(values, 0, -1)
    return values.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)


def _check_streams(page: tifffile.TiffPage, file: BinaryIO) -> None:
    """Raise ImageError if a JPEG stream has more pixels than its strip or tile."""
    width = page.tilewidth if page.is_tiled else page.imagewidth
    height = page.tilelength if page.is_tiled else page.rowsperstrip
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        file.seek(offset)
        stream = file.read(length)
        check_end(stream)
        frame = read_frame(stream)
        if frame is None or frame.width > width + 15 or frame.height > height + 15:  # whole blocks may be coded
            raise damaged("a strip or tile is not the JPEG stream that it should be")


def _ycbcr(page: Any, file: BinaryIO) -> np.ndarray:
    """Return RGB of YCbCr outside of JPEG, with colours that may be subsampled, by libtiff."""
    if page.bitspersample != 8 or page.samplesperpixel != 3:
        raise unsupported(f"TIFF YCbCr of {page.samplesperpixel} samples of {page.bitspersample} bits")
    file.seek(0)
    data = bytearray(file.read())
    if ORIENTATION in page.tags:  # libtiff would turn by a part of it
        place = page.tags[ORIENTATION]
        order: Literal["little", "big"] = "little" if page.parent.byteorder == "<" else "big"
        data[place.valueoffset : place.valueoffset + place.valuebytecount] = (1).to_bytes(place.valuebytecount, order)
    return np.asarray(imagecodecs.tiff_decode(bytes(data), index=0, asrgb=True))[..., :3]


def _decoded(page: tifffile.TiffPage, samples: np.ndarray) -> Decoded:
    model = PHOTOMETRICS[page.photometric]
    alpha, premultiplied = None, False
    extra = page.extrasamples
    if EXTRA_SAMPLES not in page.tags and (page.photometric, page.samplesperpixel) == (RGB, 4):
        extra = (UNASSOCIATED,)  # as decoders take a file that forgets to say it
    for number, kind in enumerate(extra):
        at = page.samplesperpixel - len(extra) + number
        if kind in (ASSOCIATED, UNASSOCIATED):
            alpha = _unit(page, samples[..., at])
            premultiplied = kind == ASSOCIATED
            break
    colour = samples[..., : _channels(page)]
    if page.photometric == PALETTE:
        colour = _look_up(page.colormap, colour[..., 0])
    elif model == "lab":
        colour = _lab(page, colour)
    else:
        colour = _unit(page, colour)
        if page.photometric == WHITE_IS_ZERO:
            colour = 1 - colour
    profile = page.tags.valueof(ICC_PROFILE)
    declared = profile if isinstance(profile, bytes) else None
    return Decoded(colour, model, alpha, premultiplied, _orientation(page), declared)


def _orientation(page: tifffile.TiffPage) -> int:
    """Return the orientation in an integer of any type; a number of type BYTE comes as bytes."""
    value = page.tags.valueof(ORIENTATION, 1)
    if isinstance(value, bytes):
        value = value[0]
    return value if isinstance(value, int) else 1


def _unit(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """Return samples with white as 1: the largest unsigned number of the depth, or 1 for floating point."""
    if samples.dtype.kind == "b":
        return samples.astype(np.float64)
    if samples.dtype.kind == "u":
        return unit(samples, float((1 << page.bitspersample) - 1))
    if samples.dtype.kind == "i":
        if page.bitspersample != 32:
            raise unsupported(f"a TIFF file of signed integers of {page.bitspersample} bits, which have no white,")
        return unit(samples, 65535.0)  # 16-bit greys that were saved with room for sums
    return unit(samples)


def _look_up(palette: Any, indices: np.ndarray) -> np.ndarray:
    """Return the colours of a palette. A palette without a number above 255 was written with 8 bits, as libtiff
    assumes.
    """
    colours: np.ndarray = np.asarray(palette).T
    return colours[indices.astype(np.intp)] / (255 if colours.max() < 256 else 65535)


def _lab(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """Return L*, a*, b* by TIFF 6.0 section 23: a and b are signed; ICC's form of them has an offset instead."""
    if page.bitspersample not in (8, 16) or samples.dtype.kind != "u":
        raise unsupported(f"TIFF CIELAB of {page.bitspersample} bits in format {page.sampleformat}")
    level = float(1 << (page.bitspersample - 8))
    values = samples.astype(np.float64) / level
    lightness = samples[..., :1] * (100 / ((1 << page.bitspersample) - 1))
    offset = 128 if page.photometric == ICCLAB else np.where(values[..., 1:] < 128, 0, 256)
    return np.concatenate([lightness, values[..., 1:] - offset], -1)


@contextlib.contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect tifffile's log of damaged pages, because for them it returns a partial picture without an error."""
    said: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if record.levelno >= logging.ERROR and "TiffTag" not in message:  # a tag may be odd in a good file
                said.append(" ".join(message.split()))

    logger, handler = logging.getLogger("tifffile"), Keep()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
