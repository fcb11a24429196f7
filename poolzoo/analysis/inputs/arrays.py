"""Images in memory (arrays, tensors, Pillow images) as sources, like image files."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from torch import Tensor

from poolzoo.analysis.inputs.decoded import show, split_alpha, unit
from poolzoo.analysis.inputs.files import ImageError
from poolzoo.analysis.inputs.images import Source, as_rgb, find_images
from poolzoo.analysis.inputs.pillow import decoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    #: A file, folder, glob or ``skimage:NAME``; an image of Pillow's; an array ``(H, W)`` or ``(H, W, C)``; a tensor
    #: ``(C, H, W)`` or ``(N, C, H, W)``. C is 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).
    ImageLike = str | os.PathLike[str] | Image.Image | NDArray[np.generic] | Tensor

CHANNELS = (1, 2, 3, 4)


def find_given(images: ImageLike | Iterable[ImageLike], passed_over: Counter[str] | None = None) -> list[Source]:
    """List the images that were given, in that order; those in memory are named ``array 0``, ``array 1``, ...

    Args:
        images: one or several of :data:`ImageLike`. Integers are relative to the largest number of their unsigned type;
            floating point numbers lie in [0, 1].
        passed_over: as for :func:`~poolzoo.analysis.inputs.images.find_images`.

    Raises:
        ImageError: a name that :func:`~poolzoo.analysis.inputs.images.find_images` cannot find, or an array of another
            shape, type or range.
        TypeError: not an image.
    """
    if isinstance(images, (str, os.PathLike, np.ndarray, Tensor)) or not isinstance(images, Iterable):
        images = [images]
    found: dict[str, Source] = {}
    number = 0
    for named, given in itertools.groupby(images, lambda image: isinstance(image, (str, os.PathLike))):
        if named:
            for source in find_images([os.fspath(image) for image in given], passed_over):
                found.setdefault(source.name, source)
            continue
        for image in given:
            for pixels in _pixels(image, f"array {number}"):
                name = f"array {number}"
                found[name] = Source(name, Path(name), pixels=pixels)
                number += 1
    return list(found.values())


def _pixels(image: object, name: str) -> Sequence[np.ndarray]:
    """Return each picture of a given image, as a viewer shows it: ``(H, W, 3)``."""
    if isinstance(image, Image.Image):
        return [as_rgb(show(decoded(image)))]
    if isinstance(image, Tensor):
        if image.dim() not in (3, 4):
            raise ImageError(f"{name}: a tensor of shape {tuple(image.shape)}; (C, H, W) or (N, C, H, W) is allowed")
        batch = image.detach().cpu().unsqueeze(0) if image.dim() == 3 else image.detach().cpu()
        arrays = [
            (sample.double() if sample.is_floating_point() else sample).movedim(0, -1).numpy() for sample in batch
        ]
    elif isinstance(image, np.ndarray):
        if image.ndim not in (2, 3):
            raise ImageError(f"{name}: an array of shape {image.shape}; (H, W) or (H, W, C) is allowed")
        arrays = [image if image.ndim == 3 else image[..., None]]
    else:
        raise TypeError(
            f"{name}: {type(image).__name__} is not an image; a file name, array, tensor or Pillow image is needed"
        )
    return [_shown(array, name) for array in arrays]


def _shown(array: np.ndarray, name: str) -> np.ndarray:
    if array.shape[-1] not in CHANNELS or 0 in array.shape:
        raise ImageError(f"{name}: shape {array.shape}; height, width and 1 to 4 channels are allowed")
    if array.dtype.kind not in "uf":
        raise ImageError(f"{name}: type {array.dtype}; unsigned integers and floating point numbers are allowed")
    try:
        return as_rgb(show(split_alpha(unit(array))))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
