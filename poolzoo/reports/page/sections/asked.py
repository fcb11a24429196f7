"""The question: the images, the operators and the baseline of each result."""

from __future__ import annotations

from poolzoo.analysis.results.schema import METRICS
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import Study
from poolzoo.reports.run_facts import ImageFacts
from poolzoo.reports.text.words import listed

PLACE = 75
#: Images whose sizes are listed.
SIZES_SHOWN = 12


def render(study: Study) -> Section:
    """Return a paragraph for each result."""
    return Section(
        (Heading("asked", "Inputs"),),
        {
            "runs": study.runs,
            "metrics": {c.anchor: listed([METRICS[key].title for key in c.run.metrics]) for c in study.comparisons},
            "size": size_text,
            "sizes_shown": SIZES_SHOWN,
        },
        folded=True,
    )


def size_text(image: ImageFacts) -> str:
    """Return an image's size in words, and the size that it was cropped to."""
    if not image.size or not image.cropped:
        return ""
    text = "{} × {}".format(*image.size)
    text += f", {image.depth} {'slices' if image.is_volume else 'frames'}" if image.depth is not None else ""
    text += f", {image.channels} channels" if image.channels is not None else ""
    return text if image.cropped == image.size else "{}, cropped to {} × {}".format(text, *image.cropped)
