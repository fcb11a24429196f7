"""Training images: a set of images to learn from, without the images that will be scored.

Parameters that were fitted on an image score too well on it. So all fits take their images from
:func:`find_training_images`, which leaves out the images that will be scored. It compares pixels: it finds a copy under
another name or in another format, but not a cropped one or one saved again with loss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poolzoo.analysis.inputs.images import SKIMAGE_PREFIX, ImageError, Source, find_images, load_image

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.files import FloatImage

#: The photographs among the pictures that come with scikit-image. Of the stereo pair neither: one would be learned from
#: where the other is scored.
PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "clock",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "ihc",
    "moon",
    "retina",
    "rocket",
)
#: The name of a set that the user did not name.
DEFAULT_NAME = "scikit-image's photographs"

#: The most images that are learned from; of more, a seeded draw.
MOST_IMAGES = 256


@dataclass(frozen=True)
class TrainingImage:
    """An image to learn from: its source, the :func:`pixel_digest` of its pixels, and its height and width."""

    source: Source
    digest: str
    size: tuple[int, int]


@dataclass(frozen=True)
class TrainingSet:
    """Images to learn from.

    Attributes:
        name: the names that the user gave.
        images: in the order of their sources, each once.
        left_out: names of images that were left out because they will be scored.
        errors: a line for each image that cannot be used.
    """

    name: str
    images: tuple[TrainingImage, ...]
    left_out: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def pixel_digest(image: FloatImage) -> str:
    """Return the SHA-256 of the shape and values of an ``(H, W, 3)`` image, loaded by
    :mod:`poolzoo.analysis.inputs.images`.
    """
    shape = ",".join(map(str, image.shape))
    return hashlib.sha256(shape.encode() + np.ascontiguousarray(image, dtype="<f8").tobytes()).hexdigest()


def find_training_images(
    sources: Sequence[str] = (), scored: Iterable[Source] = (), *, most: int = MOST_IMAGES, seed: int = 0
) -> TrainingSet:
    """Return the images that ``sources`` name, without those that show the same pixels as one of ``scored``.

    Args:
        sources: files, folders, globs or ``skimage:NAME``; none means :data:`PHOTOGRAPHS`.
        scored: the images that will be scored. One that cannot be read leaves nothing out.
        most: the maximum number of images.
        seed: of the random choice, if there are more.

    Returns:
        The set; images that cannot be read are listed in its ``errors``.

    Raises:
        ImageError: a source names nothing (:func:`~poolzoo.analysis.inputs.images.find_images`), or nothing is left.
    """
    found = find_images(sources or [SKIMAGE_PREFIX + name for name in PHOTOGRAPHS])
    name = ", ".join(sources) or DEFAULT_NAME
    taboo = {look.digest for source in scored if isinstance(look := _look(source), TrainingImage)}
    chosen: dict[str, tuple[int, TrainingImage]] = {}
    left_out, errors = [], []
    order = np.random.default_rng(seed).permutation(len(found)) if len(found) > most else np.arange(len(found))
    for place in map(int, order):
        if len(chosen) == most:
            break
        look = _look(found[place])
        if isinstance(look, str):
            errors.append(look)
        elif look.digest in taboo:
            left_out.append(look.source.name)
        else:
            chosen.setdefault(look.digest, (place, look))
    if not chosen:
        raise ImageError(_why_none(name, left_out, errors))
    images = tuple(image for _, image in sorted(chosen.values(), key=lambda pair: pair[0]))
    return TrainingSet(name, images, tuple(left_out), tuple(errors))


def _look(source: Source) -> TrainingImage | str:
    """Return the image, or the reason why it cannot be used."""
    try:
        image = load_image(source)
    except ImageError as error:
        return str(error)
    return TrainingImage(source, pixel_digest(image), (image.shape[0], image.shape[1]))


def _why_none(name: str, left_out: Sequence[str], errors: Sequence[str]) -> str:
    if left_out:
        return f"training images {name!r}: none is left without the scored ones, {', '.join(left_out)}; give others"
    return f"training images {name!r}: none can be used: {'; '.join(errors[:3])}"
