"""Pictures of subsampling: the positions of an image that survive each step, coloured by the submap that holds them.

They are drawn pixel by pixel: every position is a square of the same whole number of pixels, so that no pattern comes
from the drawing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from poolzoo.reports.pictures.clip_files import looping_gif

if TYPE_CHECKING:
    from PIL import Image

    from poolzoo.analysis.studies.subsampling import Positions

#: The least side of a panel, the space around it, and the height of its caption.
LEAST_PANEL, PANEL_MARGIN, CAPTION = 320, 16, 24
PANELS_A_ROW = 4
LOST, KEPT = (236, 236, 236), (34, 34, 34)
#: Submaps, as long as there is a colour for each: seaborn's palette for the colour-blind.
SUBMAP_COLOURS = (
    (1, 115, 178), (222, 143, 5), (2, 158, 115), (213, 94, 0), (204, 120, 188), (202, 145, 97), (251, 175, 228),
    (148, 148, 148), (236, 225, 51), (86, 180, 233),
)  # fmt: skip
FRAME_MS = 1000


def sampling_png(steps: Sequence[Positions], method: str) -> bytes:
    """Return all steps side by side, as a PNG.

    Args:
        steps: from :func:`poolzoo.analysis.studies.subsampling.kept_positions`.
        method: its name, for the captions.
    """
    from PIL import Image

    panels = _panels(steps, method)
    across = min(len(panels), PANELS_A_ROW)
    down = -(-len(panels) // across)
    width, height = panels[0].size
    sheet = Image.new("RGB", (across * width, down * height), "white")
    for number, panel in enumerate(panels):
        sheet.paste(panel, (number % across * width, number // across * height))
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def sampling_gif(steps: Sequence[Positions], method: str) -> bytes:
    """Return a looping GIF of the whole image and then one step per second; the arguments are those of
    :func:`sampling_png`.
    """
    return looping_gif(_panels([np.zeros_like(steps[0]), *steps], method, first=0), FRAME_MS)


def _panels(steps: Sequence[Positions], method: str, first: int = 1) -> list[Image.Image]:
    return [_panel(step, f"{method}, step {number}: ") for number, step in enumerate(steps, first)]


def _panel(step: Positions, title: str) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    count = int(step.max()) + 1
    table = np.array([*(SUBMAP_COLOURS if 1 < count <= len(SUBMAP_COLOURS) else [KEPT] * count), LOST], dtype=np.uint8)
    scale = -(-LEAST_PANEL // len(step))
    picture = Image.fromarray(table[step]).resize((len(step) * scale,) * 2, Image.Resampling.NEAREST)
    panel = Image.new("RGB", (picture.width + 2 * PANEL_MARGIN, picture.height + 2 * PANEL_MARGIN + CAPTION), "white")
    panel.paste(picture, (PANEL_MARGIN, PANEL_MARGIN + CAPTION))
    kept = f"{(step >= 0).mean():.3g} kept, {count} submap{'s' if count > 1 else ''}"
    ImageDraw.Draw(panel).text((PANEL_MARGIN, PANEL_MARGIN), title + kept, fill=KEPT, font=ImageFont.load_default(15))
    return panel
