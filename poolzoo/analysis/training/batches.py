"""Batches of images: their order, their augmentation and their scale; the same for every operator of a seed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from poolzoo.analysis.inputs.labelled import Labelled
from poolzoo.analysis.inputs.stored_images import Images
from poolzoo.analysis.training.networks import AUGMENT, ORDER, SPLIT, seed_of

#: The images that are scored at once.
SCORED_AT_ONCE = 256
#: The most values whose mean is taken at once.
VALUES_AT_ONCE = 2**20


def split(train: Labelled, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the numbers of the images to train on and of those that are held back."""
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed_of(seed, SPLIT)))
    held_back = round(len(train) * fraction)
    return order[held_back:].sort().values, order[:held_back].sort().values


def epoch_batches(images: Tensor, batch_size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Yield the numbers of the images of each batch of an epoch; images that do not fill a last batch are left out.

    Args:
        images: the numbers of the images to train on.
        batch_size: of each batch; fewer images than that are one batch.
        seed, epoch: of the order.
    """
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed_of(seed, ORDER, epoch)))
    for number in range(steps_of(len(images), batch_size)):
        yield images[order[number * batch_size : (number + 1) * batch_size]]


def steps_of(images: int, batch_size: int) -> int:
    """Return the number of batches of an epoch."""
    return max(1, images // batch_size)


def augmentation_generator(seed: int, epoch: int) -> torch.Generator:
    """Return the generator of an epoch's augmentation, apart from the one that networks draw from."""
    return torch.Generator().manual_seed(seed_of(seed, AUGMENT, epoch))


def augment(images: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Return a batch with each image shifted, and mirrored, at random.

    Args:
        images: ``(N, C, H, W)``.
        kind: ``none``, ``crop`` or ``crop-flip``, see :class:`~poolzoo.analysis.training.recipe.Recipe`.
        generator: of the draws; it is on the CPU, so that all devices get the same.
    """
    if kind == "none":
        return images
    count, height, width = len(images), *images.shape[-2:]
    reach = (max(1, height // 8), max(1, width // 8))
    padded = torch.nn.functional.pad(images, (reach[1], reach[1], reach[0], reach[0]))
    places = []
    for axis, (side, far) in enumerate(zip((height, width), reach, strict=True)):
        start = torch.randint(2 * far + 1, (count, 1), generator=generator)
        place = start + torch.arange(side)
        if axis == 1 and kind == "crop-flip":
            mirrored = torch.rand(count, 1, generator=generator) < 0.5
            place = torch.where(mirrored, place.flip(1), place)
        places.append(place.to(images.device))
    down, across = places
    rows = torch.arange(count, device=images.device)[:, None, None]
    # Indexing puts the axes of the numbers first: (N, H, W, C).
    return padded[rows, :, down[:, :, None], across[:, None, :]].permute(0, 3, 1, 2).contiguous()


def scale_of(images: Images, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and standard deviation over the images to train on, in [0, 1]: ``(C, 1, 1)`` each."""
    count, total = 0, torch.zeros(images.shape[1], dtype=torch.float64)
    at_once = max(1, min(1024, VALUES_AT_ONCE // math.prod(images.shape[1:])))
    squares = torch.zeros_like(total)
    for part in torch.split(numbers, at_once):
        values = images[part].double().div_(255)
        count += values[:, 0].numel()
        total += values.sum((0, 2, 3))
        squares += values.square_().sum((0, 2, 3))
    mean = total / count
    deviation = (squares / count - mean.square()).clamp_min(0).sqrt()
    deviation = torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation))
    return mean.float()[:, None, None], deviation.float()[:, None, None]


def scaled(images: Tensor, scale: tuple[Tensor, Tensor], channels: int) -> Tensor:
    """Return 8-bit images as networks take them: mean 0, deviation 1, a single channel repeated if they take more."""
    values = (images.float() / 255 - scale[0]) / scale[1]
    return values if values.shape[1] == channels else values.expand(-1, channels, -1, -1)
