"""Netpbm's formats: PBM, PGM and PPM as text or packed, of up to 16 bits, PAM, and PFM of floating point."""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np

from poolzoo.analysis.inputs.decoded import Decoded, split_alpha, unit
from poolzoo.analysis.inputs.files import check_size, damaged, unsupported

#: By magic number: channels, and whether the samples are text.
MAPS = {b"P1": (1, True), b"P2": (1, True), b"P3": (3, True), b"P4": (1, False), b"P5": (1, False), b"P6": (3, False)}
BITMAPS = (b"P1", b"P4")
FLOATS = {b"Pf": 1, b"PF": 3}
ARBITRARY = b"P7"
SIGNATURES = tuple(magic + end for magic in (*MAPS, *FLOATS, ARBITRARY) for end in (b" ", b"\t", b"\n", b"\r", b"#"))

#: Tuple types of PAM, and their channels; the last of an even number is opacity.
TUPLES = {
    b"BLACKANDWHITE": 1, b"GRAYSCALE": 1, b"RGB": 3, b"BLACKANDWHITE_ALPHA": 2, b"GRAYSCALE_ALPHA": 2, b"RGB_ALPHA": 4,
}  # fmt: skip
MOST_WHITE = 65535
#: A word of a header, after white space and comments, and the one character that ends it.
WORD = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*([^\s#]+)(?:#[^\r\n]*)?\s?")


def decode(file: BinaryIO) -> Decoded:
    """Return the first picture of a file.

    Raises:
        ImageError: a damaged file, one that is too large, or tuples that are no picture.
    """
    data = file.read()
    magic = data[:2]
    if magic == ARBITRARY:
        return _arbitrary(data)
    if magic in FLOATS:
        return _floats(data, FLOATS[magic])
    channels, text = MAPS[magic]
    words, at = _words(data, 2 if magic in BITMAPS else 3)
    width, height, white = (*map(_number, words), 1)[:3]
    check_size(width, height, channels)
    _check_white(white)
    if magic == b"P4":
        rows = np.frombuffer(data, np.uint8, height * -(-width // 8), at).reshape(height, -1)
        samples = np.unpackbits(rows, axis=1)[:, :width]
    elif magic == b"P1":
        samples = _digits(data[at:], width * height)
    elif text:
        samples = _numbers(data[at:], width * height * channels)
    else:
        samples = _packed(data, at, width * height * channels, white)
    samples = samples.reshape(height, width, channels)
    return split_alpha(unit(1 - samples if magic in BITMAPS else samples, float(white)))


def _words(data: bytes, count: int) -> tuple[list[bytes], int]:
    """Return the words after the magic number, and where the samples begin."""
    words, at = [], 2
    for _ in range(count):
        match = WORD.match(data, at)
        if not match:
            raise damaged("the header ends early")
        words.append(match[1])
        at = match.end()
    return words, at


def _number(word: bytes) -> int:
    if not word.isdigit() or len(word) > 9:
        raise damaged(f"{word[:20]!r} is no number")
    return int(word)


def _check_white(white: int) -> None:
    if not 1 <= white <= MOST_WHITE:
        raise damaged(f"a maximum of {white}")


def _packed(data: bytes, at: int, count: int, white: int) -> np.ndarray:
    """Return samples of one byte, or of two (big-endian) if the maximum exceeds 255."""
    return np.frombuffer(data, ">u1" if white < 256 else ">u2", count, at)


def _digits(text: bytes, count: int) -> np.ndarray:
    """Return zeros and ones, which may stand without spaces."""
    characters = np.frombuffer(re.sub(rb"#[^\r\n]*", b"", text), np.uint8)
    digits = characters[~np.isin(characters, list(b" \t\n\v\f\r"))][:count] - ord("0")
    if len(digits) < count or (count and digits.max() > 1):
        raise damaged(f"fewer than {count} bits")
    return digits


def _numbers(text: bytes, count: int) -> np.ndarray:
    numbers = np.fromstring(re.sub(rb"#[^\r\n]*", b"", text), np.int64, count, sep=" ")
    if len(numbers) < count or numbers.min() < 0 or numbers.max() > MOST_WHITE:
        raise damaged(f"fewer than {count} numbers from 0 to {MOST_WHITE}")
    return np.asarray(numbers.astype(np.uint16))


def _arbitrary(data: bytes) -> Decoded:
    head, end, _ = data.partition(b"ENDHDR\n")
    if not end:
        raise damaged("the header ends early")
    lines = [line.split(None, 1) for line in head.splitlines()[1:] if line.strip() and not line.startswith(b"#")]
    found = {line[0]: line[-1].strip() for line in lines}
    width, height, channels, white = (
        _number(found.get(key, b"")) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
    )
    kind = found.get(b"TUPLTYPE", b"")
    if TUPLES.get(kind) != channels:
        raise unsupported(f"a PAM file of {channels} channels with tuples of type {kind.decode('ascii', 'replace')!r}")
    check_size(width, height, channels)
    _check_white(white)
    samples = _packed(data, len(head) + len(end), width * height * channels, white)
    return split_alpha(unit(samples.reshape(height, width, channels), float(white)))


def _floats(data: bytes, channels: int) -> Decoded:
    """Return rows from the bottom; the sign of the scale states the byte order."""
    (*sides, scale), at = _words(data, 3)
    width, height = map(_number, sides)
    check_size(width, height, channels)
    order = "<" if float(scale) < 0 else ">"
    samples = np.frombuffer(data, f"{order}f4", width * height * channels, at)
    return split_alpha(unit(samples.reshape(height, width, channels)[::-1]))
