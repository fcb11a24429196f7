"""Folders of images with classes, ``DIR/train/CLASS/IMAGE`` and ``DIR/test/CLASS/IMAGE``.

Images are decoded one after the other. Up to :data:`IN_MEMORY` bytes are held in memory, more in a temporary file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poolzoo._console import reason
from poolzoo.analysis.inputs.files import DataError
from poolzoo.analysis.inputs.images import IMAGE_SUFFIXES, Source, load_image, suffix_of
from poolzoo.analysis.inputs.stored_images import Images, StoredImages, TemporaryImages

#: The folders of the two parts; the first that exists is taken.
FOLDERS = {"train": ("train",), "test": ("test", "val")}
#: The most bytes of images that are held in memory.
IN_MEMORY = 256 * 2**20


@dataclass(frozen=True)
class _Files:
    """The files of a part, and the classes of their images."""

    paths: list[Path]
    labels: list[int]


def read_image_folder(folder: Path, given: str) -> dict[str, tuple[Images, Tensor]]:
    """Read the images of a folder.

    Args:
        folder: has ``train``, and ``test`` or ``val``, with a folder of images per class. Classes are numbered in the
            order of the names of the folders of ``train``.
        given: what the user called it, for messages.

    Returns:
        For ``train`` and ``test`` the images, ``(N, 3, H, W)`` and uint8, and their classes, ``(N,)``.

    Raises:
        DataError: a folder is missing or empty, a class has no training images, images differ in size, or they need
            more room than there is.
        ImageError: an image that cannot be decoded.
    """
    parts = {part: _list_part(folder, part, given) for part in FOLDERS}
    shapes = {part: _pixels(files.paths[0]).shape for part, files in parts.items()}
    total = sum(len(files.paths) * math.prod(shapes[part]) for part, files in parts.items())
    found: dict[str, tuple[Images, Tensor]] = {}
    for part, files in parts.items():
        channels, height, width = shapes[part]
        rows = _decoded(files, shapes[part], given)
        count, size = len(files.paths), len(files.paths) * math.prod(shapes[part])
        if total > IN_MEMORY:
            what = f"data {given}: {count} {part} images of {width}x{height} pixels"
            file = TemporaryImages.write(rows, size, what)
            images: Images = StoredImages(file, (channels, height, width), torch.arange(count))
        else:
            held = np.empty((count, channels, height, width), np.uint8)
            for place, row in zip(held, rows, strict=True):
                place[:] = row
            images = torch.from_numpy(held)
        found[part] = images, torch.tensor(files.labels)
    return found


def _list_part(folder: Path, part: str, given: str) -> _Files:
    place = next((folder / name for name in FOLDERS[part] if (folder / name).is_dir()), None)
    if place is None:
        raise DataError(
            f"data {given}: no IDX files, and no folder {' or '.join(FOLDERS[part])}; for images of one's own"
            " DIR/train/CLASS/IMAGE and DIR/test/CLASS/IMAGE are needed"
        )
    classes = _classes(folder / FOLDERS["train"][0])
    own = _classes(place)
    if strange := [name for name in own if name not in classes]:
        raise DataError(f"data {given}: {place / strange[0]} is a class without training images")
    listed = [(path, classes.index(name)) for name in own for path in _image_files(place / name)]
    if not listed:
        raise DataError(f"data {given}: no images in the folders of {place}")
    return _Files([path for path, _ in listed], [label for _, label in listed])


def _classes(folder: Path) -> list[str]:
    return [entry.name for entry in _listed(folder) if entry.is_dir() and not entry.name.startswith(".")]


def _image_files(folder: Path) -> list[Path]:
    return [path for path in _listed(folder) if suffix_of(path.name) in IMAGE_SUFFIXES]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {reason(error)}") from error


def _decoded(files: _Files, shape: tuple[int, ...], given: str) -> Iterator[NDArray[np.uint8]]:
    for path in files.paths:
        image = _pixels(path)
        if image.shape != shape:
            sizes = [f"{width}x{height}" for _, height, width in (image.shape, shape)]
            raise DataError(
                f"data {given}: {path} is {sizes[0]} pixels, others are {sizes[1]}; images of one size are needed"
            )
        yield image


def _pixels(path: Path) -> NDArray[np.uint8]:
    """Return an image, ``(3, H, W)``."""
    image = load_image(Source(str(path), path))
    return np.ascontiguousarray(np.round(image * 255).astype(np.uint8).transpose(2, 0, 1))
