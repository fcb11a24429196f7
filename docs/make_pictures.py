"""Make the pictures of README.md: ``python docs/make_pictures.py`` (or ``make pictures``).

``strip.png`` shows a cut-out of scikit-image's coffee photograph after 4x4 pooling and rebuilding, with the difference
to the original below; ``retention.png`` is the plot of the report for the same photograph and 2x2 windows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from poolzoo import registry
from poolzoo.analysis.compare import Protocol, View, compare
from poolzoo.analysis.images import find_images
from poolzoo.analysis.summary import summarise
from poolzoo.reports.figures import to_png
from poolzoo.reports.pictures import difference_pixels
from poolzoo.reports.plots import plot_retention

FOLDER = Path(__file__).parent
SHOWN = ("max", "strided", "avg", "softpool:beta=20", "blur", "lanczos", "checkered:pool=avg")
TOP, LEFT, SIDE = 150, 330, 120


def strip() -> Figure:
    """The original, and what each operator of SHOWN leaves of it."""
    views: list[View] = []
    protocol = Protocol(kernel_size=4)
    compare(find_images(["skimage:coffee"]), SHOWN, protocol, on_view=views.append)
    part = (slice(TOP, TOP + SIDE), slice(LEFT, LEFT + SIDE))
    columns = [("original", views[0].original, None)]
    for view in views:
        name = ":".join(filter(None, (view.row["pool"], view.row["params"])))
        columns.append((f"{name}\nSSIM {view.row['ssim']:.3f}", view.rebuilt, view.original))
    figure = Figure(figsize=(1.6 * len(columns), 3.75), dpi=160)
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(columns))
    for (title, pixels, original), (above, below) in zip(columns, axes.T, strict=True):
        above.imshow(np.clip(pixels[part], 0, 1), interpolation="nearest")
        above.set_title(title, fontsize=8)
        if original is not None:
            below.imshow(difference_pixels(original, pixels)[part], interpolation="nearest")
        for axis in (above, below):
            axis.axis("off")
    axes[1, 0].text(0.5, 0.5, "difference\nred: brighter\nblue: darker", ha="center", va="center", fontsize=8)
    figure.tight_layout(pad=0.3)
    return figure


def main() -> None:
    (FOLDER / "strip.png").write_bytes(to_png(strip(), scale=1))
    result = compare(find_images(["skimage:coffee"]), registry.expand_specs([]))
    (FOLDER / "retention.png").write_bytes(to_png(plot_retention(summarise(result))))


if __name__ == "__main__":
    main()
