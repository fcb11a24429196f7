"""The pictures of a comparison: of its rows while it runs, and of a dataset's sample afterwards."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poolzoo._console import Notice, progress, reason

if TYPE_CHECKING:
    from poolzoo.analysis.results.result import Result
    from poolzoo.analysis.scoring.round_trip import View
    from poolzoo.reports.pictures.picture import ReportPicture
    from poolzoo.reports.pictures.picture_book import PictureBook

#: The largest image, in pixels, whose weights are shown for a stochastic operator: they need the whole image.
WEIGHED_WHOLE = 1_000_000


class PictureKeeper:
    """Passes on the pictures of a comparison's rows, and weights once per operator.

    Args:
        upsample: the upsampler whose rows get weights.
        keep: the receivers of each picture. They skip one that they already have: each row has its image's original.
    """

    def __init__(self, upsample: str, keep: Sequence[Callable[[ReportPicture], object]]) -> None:
        self._upsample, self._keep = upsample, keep
        self._images: set[str] = set()

    def __call__(self, view: View) -> None:
        from poolzoo.reports.pictures.picture import pictures_of

        self._images.add(view.row["image"])
        for picture in itertools.chain(pictures_of(view), self._weights_of(view)):
            for keep in self._keep:
                keep(picture)

    def _weights_of(self, view: View) -> Iterator[ReportPicture]:
        """Return the picture of some pixels' weights for the measured operator, in its state."""
        from poolzoo.analysis.results.rows import axes_of
        from poolzoo.analysis.scoring.gradients import weights_within
        from poolzoo.reports.pictures.cutouts import weights_box, weights_spacing
        from poolzoo.reports.pictures.picture import two_axes, weights_picture
        from poolzoo.reports.pictures.picture_book import IMAGES

        row, picture = view.row, view.original
        # Only for images that a page has room for.
        if row["upsample"] != self._upsample or len(self._images) > IMAGES:
            return
        stride = two_axes(row["stride"])
        box = weights_box(picture, stride) if stride else None
        every = weights_spacing(box, stride) if box and stride else (1, 1)
        reach = max(axes_of(row["kernel_size"])) * max(axes_of(row["dilation"]))
        drawing = row["state"] in ("train", "eval")  # a stochastic operator, whose windows or draws are the picture's
        if not (box and view.operator) or row["input"] != "image" or (drawing and picture[..., 0].size > WEIGHED_WHOLE):
            return
        # A draw is that of the channels; of all else, one picture says it without three that differ.
        if row["state"] != "train":
            picture = picture.mean(axis=2, keepdims=True).repeat(picture.shape[2], axis=2)
        corner, size = (box.top, box.left), (box.height, box.width)
        with contextlib.suppress(ValueError, RuntimeError):  # an operator that has no derivative has none to show
            found = weights_within(view.operator, picture, corner, size, None if drawing else stride, reach, every)
            yield weights_picture(row, box, found)


def pictures_of_store(path: Path, sample: Result) -> PictureBook:
    """Draw the pictures of a store's sample again, because a store holds only numbers.

    If the images or the operators are not available, there are no pictures.
    """
    from poolzoo.analysis.inputs.images import ImageError
    from poolzoo.analysis.inputs.packed import image_sources
    from poolzoo.analysis.results.store_reader import StoreReader
    from poolzoo.analysis.scoring.protocol import Protocol
    from poolzoo.analysis.studies.compare import compare
    from poolzoo.reports.pictures.picture import pictures_of
    from poolzoo.reports.pictures.picture_book import PictureBook

    book = PictureBook()

    def keep(view: View) -> None:
        for picture in pictures_of(view):
            book.add(picture)

    with StoreReader.open(path) as store:
        folder, asked, specs = store.folder, store.protocol, store.specs
    named = [image["name"] for image in sample.metadata["images"]]
    try:
        sources = image_sources(str(folder), named)
    except ImageError:  # the file that they were packed in is gone, or damaged
        sources = []
    if len(sources) < len(named):
        gone = len(named) - len(sources)
        warnings.warn(
            f"{gone} of {len(named)} images are missing from {folder}; the page does not show them",
            Notice,
            stacklevel=3,
        )
    # The scores are there: none is made anew, nor needs to be possible here.
    try:
        protocol = Protocol(**asked | {"metrics": ("psnr",), "timed": False})
        with progress("Drawing") as on_step:
            compare(sources, specs, protocol, on_view=keep, on_step=on_step)
    except (TypeError, ValueError) as error:  # of another version, with a --plugin, with images for decoders, a GPU
        told = f"{path}: no pictures can be drawn: {reason(error)}; the page has none"
        warnings.warn(told, Notice, stacklevel=3)
    return book
