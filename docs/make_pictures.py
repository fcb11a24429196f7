"""Draw the pictures of README.md: ``python docs/make_pictures.py`` (or ``make pictures``).

``strip.png`` shows a cut-out of scikit-image's coffee photograph after 4x4 pooling and upsampling, with the difference
to the original below. ``retention.png`` is the report's plot for the same photograph and 2x2 windows.
``page-light.png`` and ``page-dark.png`` show the report of six photographs in Chromium: its answer, its plot and its
pictures.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from poolzoo import registry
from poolzoo.analysis.inputs.images import find_images
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.scoring.round_trip import View
from poolzoo.analysis.studies.compare import compare
from poolzoo.reports.pictures.picture import difference_pixels
from poolzoo.reports.plots.retention import plot_retention
from poolzoo.reports.plots.style import to_png

FOLDER = Path(__file__).parent
SHOWN = ("max", "strided", "avg", "softpool:beta=20", "blur", "lanczos", "checkered:pool=avg")
TOP, LEFT, SIDE = 150, 330, 120
PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "clock", "coffee", "rocket")
#: The parts of the page in its pictures.
SHOWN_PARTS = ("header", "section:has(> #plot)", "section:has(> #pictures)")
#: Of the page, in CSS pixels.
WIDTH, HEIGHT = 1200, 1000


def strip() -> Figure:
    """Return a figure of the original, and of the image after each operator of SHOWN."""
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


def page() -> str:
    """Return the report of all operators on the photographs, with pictures."""
    asked = [f"--image=skimage:{name}" for name in PHOTOGRAPHS]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        command = [sys.executable, "-m", "poolzoo", "compare", *asked, f"--report={path}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return path.read_text(encoding="utf-8")


def screenshots(html: str) -> dict[str, bytes]:
    """Return a page's answer, plot and pictures in light and in dark, as PNG with 256 colours."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no chromium or google-chrome on PATH; it is needed to draw the pictures of the page")
    shots = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        path = Path(folder) / "page.html"
        path.write_text(html, encoding="utf-8")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            view = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            view.goto(path.as_uri())
            view.locator("#explorer[data-sought]").wait_for()
            parts = [view.locator(part).screenshot() for part in SHOWN_PARTS]
            shots[scheme] = _stacked([Image.open(io.BytesIO(part)).convert("RGB") for part in parts])
            view.close()
        browser.close()
    return shots


def _stacked(parts: list[Image.Image]) -> bytes:
    margin = 24
    size = (max(part.width for part in parts) + 2 * margin, sum(part.height + margin for part in parts) + margin)
    whole = Image.new("RGB", size, parts[0].getpixel((0, 0)))
    top = margin
    for part in parts:
        whole.paste(part, (margin, top))
        top += part.height + margin
    stream = io.BytesIO()
    whole.quantize(256, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def main() -> None:
    for scheme, png in screenshots(page()).items():
        (FOLDER / f"page-{scheme}.png").write_bytes(png)
    (FOLDER / "strip.png").write_bytes(to_png(strip(), scale=1))
    result = compare(find_images(["skimage:coffee"]), registry.expand_specs([]))
    (FOLDER / "retention.png").write_bytes(to_png(plot_retention(summarise(result))))


if __name__ == "__main__":
    main()
