"""``poolzoo.visualize_weights`` and ``poolzoo.visualize_checkered``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolzoo import registry
from poolzoo._files import write_whole
from poolzoo.analysis.inputs.arrays import find_given
from poolzoo.api.learning import axes
from poolzoo.api.modes import refuse_unused, several
from poolzoo.api.windows import asked_window

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from poolzoo.analysis.inputs.arrays import ImageLike
    from poolzoo.analysis.studies.subsampling import Positions

    IntOrTuple = int | tuple[int, ...]


def visualize_weights(
    image: ImageLike,
    *,
    pool: str | Sequence[str] = registry.TELLING,
    kernel_size: IntOrTuple = 4,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    like: str | None = None,
    size: int = 48,
) -> Figure:
    """Draw the weight of each pixel in the pooled image, operators side by side: ``poolzoo visualize weights``.

    Args:
        image: one image; it is converted to grey.
        pool, kernel_size, stride, padding, dilation, ceil_mode, like: as for :func:`compare`.
        size: side in pixels of the cut-out that is used: the one with the most detail.

    Raises:
        ValueError: an argument is not allowed, or several images are given.
    """
    given = dict(locals())
    refuse_unused(visualize_weights, given)
    from poolzoo.analysis.inputs.images import load_image
    from poolzoo.analysis.scoring.gradients import pixel_weights
    from poolzoo.geometry import make_geometry
    from poolzoo.reports.pictures.cutouts import cutout_box
    from poolzoo.reports.pictures.weights import plot_weights

    specs = registry.expand_specs(several(pool))
    if lacking := [spec for spec in specs if 2 not in axes(spec)]:
        raise ValueError(f"pool {lacking[0]}: not defined for the 2 spatial axes of an image")
    found = find_given(image)
    if len(found) != 1:
        raise ValueError(f"image: {len(found)} images; exactly one is allowed")
    geometry = make_geometry(2, **asked_window(given, 2))
    photo = load_image(found[0])
    part = photo[cutout_box(photo, size).slices].mean(axis=2)
    return plot_weights(part, pixel_weights(specs, part, *geometry), geometry)


def visualize_checkered(
    *,
    size: int = 64,
    steps: int = 3,
    method: str = "lattice",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    gif: str | os.PathLike[str] | None = None,
) -> list[Positions]:
    """Return and draw the input positions that survive each subsampling step: ``poolzoo visualize checkered``.

    Args:
        size: side of the image.
        steps: subsampling steps.
        method: which positions a step keeps: ``naive``, ``lattice``, ``random``, ``traditional``, ``tri`` or
            ``complete``.
        seed: random seed for ``random`` and ``tri``.
        output: a PNG file to write, all steps side by side, or None.
        gif: a GIF file to write, one step after the other, or None.

    Returns:
        One ``(size, size)`` map per step: the number of the submap that contains the position, -1 if none does.

    Raises:
        ValueError: an argument is not allowed.
        OSError: a file cannot be written.
    """
    from poolzoo.analysis.studies.subsampling import kept_positions
    from poolzoo.reports.pictures.subsampling import sampling_gif, sampling_png

    refuse_unused(visualize_checkered, locals())
    kept = kept_positions(size, steps, method, seed)
    for path, draw in ((output, sampling_png), (gif, sampling_gif)):
        if path is not None:
            write_whole(path, draw(kept, method))
    return kept
