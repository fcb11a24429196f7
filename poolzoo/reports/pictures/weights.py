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
    from poolzoo.geometry import Geometry

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


def plot_weights(picture: Pixels, found: Sequence[PixelWeights], geometry: Geometry) -> Figure:
    """Plot the image and, next to it, the pixel weights of each operator, all on one scale.

    Args:
        picture: ``(H, W)``, grey, in [0, 1].
        found: from :func:`poolzoo.analysis.scoring.gradients.pixel_weights`; at least one.
        geometry: the windows, whose borders are drawn if they lie side by side and are not too many.
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
    titled += [(item.spec, weight_pixels(item.weights, math.prod(geometry.kernel_size))) for item in found]
    stride = geometry.stride
    most_windows = max(n // s for n, s in zip(picture.shape, stride, strict=True))
    bordered = geometry.kernel_size == stride and max(geometry.dilation) == 1 and most_windows <= MOST_BORDERS
    for axes, (title, pixels) in zip(panels.flat, titled, strict=False):
        axes.imshow(np.clip(pixels, 0, 1), interpolation="nearest")
        axes.set_title(plain(title), fontsize=9)
        if bordered:
            height, width = picture.shape
            down, right = (
                np.arange(-pad % step, length + 1, step) - 0.5
                for pad, step, length in zip(geometry.padding, stride, (height, width), strict=True)
            )
            axes.hlines(down, -0.5, width - 0.5, color="#00000030", lw=0.4)
            axes.vlines(right, -0.5, height - 0.5, color="#00000030", lw=0.4)
    most = MOST / math.prod(geometry.kernel_size)
    scale = ScalarMappable(
        Normalize(-most, most), LinearSegmentedColormap.from_list("weights", WEIGHT_COLOURS.tolist())
    )
    figure.colorbar(scale, ax=panels, shrink=0.8, extend="both", label="gradient at a pixel, dy/da")
    return figure
