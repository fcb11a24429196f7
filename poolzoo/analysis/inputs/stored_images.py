"""8-bit images in a temporary file, for data sets that memory does not hold: a batch is read when it is asked for."""

from __future__ import annotations

import math
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poolzoo._console import reason
from poolzoo.analysis.inputs.files import DataError

#: The most bytes of memory that a step over many images takes.
AT_ONCE = 4 * 2**20


class TemporaryImages:
    """A temporary file, deleted with the object that wrote it or at the end of its process; others read it.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None

    @classmethod
    def write(cls, rows: Iterable[NDArray[np.uint8]], size: int, what: str) -> TemporaryImages:
        """Write images into a new file in the folder for temporary files (``TMPDIR``).

        Args:
            rows: the images.
            size: the bytes of all of them.
            what: the images in words, with which messages begin.

        Raises:
            DataError: the folder lacks the room, or the file cannot be written.
        """
        folder = tempfile.gettempdir()
        hint = "set TMPDIR to a folder of a disk with room"
        try:
            free = shutil.disk_usage(folder).free
            if size > free:
                raise DataError(f"{what} are {size} bytes; {folder} has {free} free: {hint}")
            descriptor, name = tempfile.mkstemp(prefix="poolzoo-", suffix=".images", dir=folder)
        except OSError as error:
            raise DataError(f"{what} are {size} bytes; {folder}: {reason(error)}: {hint}") from error
        made = cls(Path(name))
        delete = weakref.finalize(made, _unlink, name)
        try:
            with FileIO(descriptor, "wb") as file:
                for row in rows:
                    _write_row(file, row, f"{what} are {size} bytes; {name}", hint)
        except BaseException:  # an image that cannot be decoded, or a user who stops
            delete()
            raise
        return made

    def read_into(self, row: NDArray[np.uint8], offset: int) -> None:
        """Fill an array with the bytes from this offset on.

        Raises:
            OSError: the file is gone or shorter than that.
        """
        if self._file is None:
            self._file = FileIO(self.path)
            weakref.finalize(self, self._file.close)
        self._file.seek(offset)
        if self._file.readinto(row.data) != row.nbytes:
            raise OSError(f"{self.path}: cut short by another program")

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled as the path alone: the process that wrote the file deletes it."""
        return TemporaryImages, (self.path,)


class StoredImages:
    """Images in a file, indexed like a tensor by the numbers of those that are wanted.

    Attributes:
        shape: ``(N, C, H, W)``.

    Args:
        file: where they are, one after the other.
        shape: of an image: channels, height, width.
        rows: the places in the file of the images that this object has, in order; int64.
    """

    def __init__(self, file: TemporaryImages, shape: tuple[int, int, int], rows: Tensor) -> None:
        self.file, self.rows = file, rows
        self.shape = (len(rows), *shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, numbers: Tensor | slice) -> Tensor:
        """Read some images.

        Args:
            numbers: int64, ``(M,)``, or a slice.

        Returns:
            uint8, ``(M, C, H, W)``.
        """
        wanted = self.rows[numbers]
        found = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        size = math.prod(self.shape[1:])
        for row, place in zip(found, wanted.tolist(), strict=True):
            self.file.read_into(row.reshape(-1), place * size)
        return torch.from_numpy(found)

    def of(self, numbers: Tensor) -> StoredImages:
        """Return some of the images, without reading them."""
        _, channels, height, width = self.shape
        return StoredImages(self.file, (channels, height, width), self.rows[numbers])

    @property
    def is_here(self) -> bool:
        """Whether this machine has the file."""
        return self.file.path.is_file()


Images = Tensor | StoredImages


def chosen(images: Images, numbers: Tensor) -> Images:
    """Return some of the images, in memory if they were."""
    return images.of(numbers) if isinstance(images, StoredImages) else images[numbers]


def in_chunks(images: Images) -> Iterator[Tensor]:
    """Yield all images in order, at most :data:`AT_ONCE` bytes of them at a time, one at least."""
    count = max(1, AT_ONCE // max(1, math.prod(images.shape[1:])))
    for start in range(0, len(images), count):
        yield images[start : start + count]


def _write_row(file: FileIO, row: NDArray[np.uint8], what: str, hint: str) -> None:
    rest = row.reshape(-1).data
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise DataError(f"{what}: {reason(error)}: {hint}") from error


def _unlink(name: str) -> None:
    Path(name).unlink(missing_ok=True)
