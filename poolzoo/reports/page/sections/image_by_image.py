"""Image by image: the tables of each image of a comparison that has several."""

from __future__ import annotations

from dataclasses import dataclass

from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.results.verdicts import join_times
from poolzoo.reports.page.placed import PageTable, page_tables
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import PageComparison, Study
from poolzoo.reports.text.compare_tables import compare_tables

PLACE = 80
#: A page stays readable and a browser responsive; the rows hold the rest.
IMAGES_SHOWN = 24


@dataclass(frozen=True)
class ImagesPart:
    """A comparison: anchor, name and tables of each image, and how many images are not shown."""

    heading: Heading
    images: tuple[tuple[str, str, tuple[PageTable, ...]], ...]
    more: int
    is_sample: bool


def render(study: Study) -> Section | None:
    """Return a part for each comparison of several images."""
    views = [_part_of(placed) for placed in study.comparisons if len(placed.image_names) > 1]
    return Section(tuple(view.heading for view in views), {"views": views}, folded=True) if views else None


def _part_of(placed: PageComparison) -> ImagesPart:
    names = placed.image_names[:IMAGES_SHOWN]
    images = ((f"{placed.anchor}-i{place}", name) for place, name in enumerate(names, start=1))
    return ImagesPart(
        Heading(f"{placed.anchor}-images", placed.heading("Image by image")),
        tuple((anchor, name, _tables(placed, name, anchor)) for anchor, name in images),
        placed.image_count - len(names),
        placed.is_sample,
    )


def _tables(placed: PageComparison, name: str, anchor: str) -> tuple[PageTable, ...]:
    own = placed.run.of_image(name)
    tables = compare_tables(own, join_times(summarise(own.result), placed.profiles))
    return page_tables(tables, own.families, anchor)
