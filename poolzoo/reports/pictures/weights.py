"""The weights of an image's pixels as colours, operators side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from poolzoo.reports.pictures.cutouts import Pixels
from poolzoo.reports.pictures.picture import DIVERGING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from poolzoo.analysis.scoring.gradients import PixelWeights

#: The weight that gets the strongest colour, as a multiple of average pooling's.
MOST = 4
#: Blue, white, red: no weight is white, so that a page shows it as nothing.
WEIGHT_COLOURS = np.array([*DIVERGING[:3], (255, 255, 255), *DIVERGING[4:]]) / 255
COLUMNS = 5
#: Windows along a side up to which their borders are drawn.
MOST_BORDERS = 40


def weight_pixels(weights: Pixels, elements: int) -> Pixels:
    """Return weights as colours, floats in [0, 1]: 0 is white, positive ones are red, negative ones are blue.

    Args:
        weights: ``(H, W)``.
        elements: the number of elements of a window; average pooling gives each the reciprocal, and ``MOST`` times the
            reciprocal is the deepest red.
    """
    at = np.clip(weights * elements / MOST, -1, 1)
    return np.stack(
        [np.interp(at, np.linspace(-1, 1, len(WEIGHT_COLOURS)), column) for column in WEIGHT_COLOURS.T], axis=2
    )


def plot_weights(
    picture: Pixels, found: Sequence[PixelWeights], kernel_size: tuple[int, ...], stride: tuple[int, ...]
) -> Figure:
    """Plot the image and, next to it, the pixel weights of each operator, all on one scale.

    Args:
        picture: ``(H, W)``, grey, in [0, 1].
        found: from :func:`poolzoo.analysis.scoring.gradients.pixel_weights`; at least one.
        kernel_size, stride: of the windows, whose borders are drawn if they do not overlap and are not too many.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    from poolzoo.reports.plots.style import new_figure, plain

    rows, columns = math.ceil((1 + len(found)) / COLUMNS), min(COLUMNS, 1 + len(found))
    figure = new_figure(2.3 * columns + 0.8, 2.6 * rows)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    titled = [("picture", np.repeat(picture[..., None], 3, axis=2))]
    titled += [(item.spec, weight_pixels(item.weights, math.prod(kernel_size))) for item in found]
    bordered = kernel_size == stride and max(n // s for n, s in zip(picture.shape, stride, strict=True)) <= MOST_BORDERS
    for axes, (title, pixels) in zip(panels.flat, titled, strict=False):
        axes.imshow(np.clip(pixels, 0, 1), interpolation="nearest")
        axes.set_title(plain(title), fontsize=9)
        if bordered:
            height, width = picture.shape
            axes.hlines(np.arange(0, height + 1, stride[0]) - 0.5, -0.5, width - 0.5, color="#00000030", lw=0.4)
            axes.vlines(np.arange(0, width + 1, stride[1]) - 0.5, -0.5, height - 0.5, color="#00000030", lw=0.4)
    most = MOST / math.prod(kernel_size)
    scale = ScalarMappable(
        Normalize(-most, most), LinearSegmentedColormap.from_list("weights", WEIGHT_COLOURS.tolist())
    )
    figure.colorbar(scale, ax=panels, shrink=0.8, extend="both", label="gradient at a pixel, dy/da")
    return figure
