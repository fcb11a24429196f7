"""Pictures for the page of a dataset run, made anew from the images of its sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolzoo._console import note, progress, reason

if TYPE_CHECKING:
    from poolzoo.analysis.results.schema import Result
    from poolzoo.analysis.results.store_reader import StoreReader
    from poolzoo.analysis.scoring.round_trip import View
    from poolzoo.reports.pictures.picture_book import PictureBook


def draw_sample(store: StoreReader, sample: Result) -> PictureBook:
    """Pictures of the sample's images, made anew: a store holds numbers only. Without what made them there are none."""
    from poolzoo.analysis.inputs.images import Source
    from poolzoo.analysis.scoring.protocol import Protocol
    from poolzoo.analysis.studies.compare import compare as run
    from poolzoo.reports.pictures.picture import pictures_of
    from poolzoo.reports.pictures.picture_book import PictureBook

    book = PictureBook()

    def keep(view: View) -> None:
        for picture in pictures_of(view):
            book.add(picture)

    named = [image["name"] for image in sample.metadata["images"]]
    sources = [Source(name, store.folder / name) for name in named if (store.folder / name).is_file()]
    if len(sources) < len(named):
        gone = len(named) - len(sources)
        note(f"{gone} of {len(named)} pictures are gone from {store.folder}; the page goes without")
    # The scores are there: none is made anew, nor needs to be possible here.
    try:
        protocol = Protocol(**store.protocol | {"metrics": ("psnr",), "timed": False})
        with progress("Drawing") as on_step:
            run(sources, store.specs, protocol, on_view=keep, on_step=on_step)
    except (TypeError, ValueError) as error:  # of another version, with a --plugin, with images for decoders, a GPU
        note(f"{store.path}: no pictures can be drawn: {reason(error)}; the page goes without")
    return book
