"""The optimal decoders of a comparison: fitted for all operators on one set of images, without the image that is
scored.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from poolzoo.analysis.inputs.images import SKIMAGE_PREFIX, ImageError, Source, find_images, load_image
from poolzoo.analysis.inputs.training_images import PHOTOGRAPHS, pixel_digest
from poolzoo.analysis.results.rows import DecoderFacts, one_line
from poolzoo.analysis.scoring.linear_decoder import (
    NEIGHBOURHOOD,
    TRAINING_CELLS,
    DecoderFit,
    LinearDecoder,
    measure_image,
)
from poolzoo.geometry import Geometry

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.files import FloatImage
    from poolzoo.analysis.scoring.runs import Run

#: Beside the photographs, scans and micrographs; drawings are not what a decoder is to know.
DEFAULT_IMAGES = (*PHOTOGRAPHS, "cell", "microaneurysms", "page", "text")


class Decoders:
    """The decoders of several operators, fitted on one set of images; an image is never decoded by a decoder fitted on
    it.

    Args:
        images: sources as for :func:`poolzoo.analysis.inputs.images.find_images`; none means :data:`DEFAULT_IMAGES`.
        geometry: of the comparison; images smaller than its window, or than a neighbourhood, are skipped.
        prepare: makes the operators' input, ``(1, 3, H, W)``, of float64 ``(H, W, 3)`` in [0, 1].

    Attributes:
        sources: the images to fit on, to be passed to :meth:`fit` one by one.
        fitted: the names of images that were fitted on, by the digest of their pixels.
        skipped: the reasons for skipping images, by name.

    Raises:
        ValueError: a source that names no image.
    """

    def __init__(self, images: Sequence[str], geometry: Geometry, prepare: Callable[[FloatImage], Tensor]) -> None:
        self.geometry, self.prepare = geometry, prepare
        self.title = f"images of {' '.join(images)}" if images else "photographs of scikit-image"
        try:
            self.sources = find_images(images or [SKIMAGE_PREFIX + name for name in DEFAULT_IMAGES])
        except ImageError as error:
            raise ValueError(f"decoder_images: {error}") from error
        self.fitted: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self._fits: dict[Hashable, DecoderFit] = {}
        self._failures: dict[Hashable, str] = {}
        self._solved: dict[Hashable, LinearDecoder] = {}

    def fit(self, source: Source, runs: Iterable[Run]) -> None:
        """Add one image to the fits of all operators. An operator that fails gets no decoder; the others continue."""
        try:
            image = load_image(source)
            digest, x = pixel_digest(image), self._input(image)
        except ImageError as error:
            said = str(error)
            self.skipped[source.name] = said if source.name in said else f"{source.name!r}: {said}"
            return
        if digest in self.fitted:
            self.skipped[source.name] = f"{source.name!r}: the pixels of {self.fitted[digest]!r}"
            return
        self.fitted[digest] = source.name
        for run in runs:
            try:
                own = measure_image(run.module, x, seed=run.seed)
            except Exception as error:  # a row's, not the run's end
                self._failures.setdefault(run.key, f"no decoder: {source.name!r}: {one_line(error)}")
            else:
                self._fits[run.key] = self._fits.get(run.key, DecoderFit()) + own

    def fit_all(self, runs: Sequence[Run], on_image: Callable[[int], None] | None = None) -> None:
        """Add every source; ``on_image`` is called with the number of finished sources.

        Raises:
            ValueError: there is nothing to fit on.
        """
        for number, source in enumerate(self.sources, 1):
            self.fit(source, runs)
            if on_image:
                on_image(number)
        self.check()

    def __add__(self, other: Decoders) -> Decoders:
        """Return the sum of two fits of different images; this lets workers share the images."""
        both = copy.copy(self)
        both.fitted, both.skipped = self.fitted | other.fitted, self.skipped | other.skipped
        both._failures, both._solved = other._failures | self._failures, {}
        both._fits = {
            key: self._fits.get(key, DecoderFit()) + other._fits.get(key, DecoderFit())
            for key in (self._fits | other._fits)
        }
        return both

    def check(self) -> None:
        """Raise ValueError if there is nothing to fit on."""
        if not self.fitted:
            reasons = "; ".join(self.skipped.values())
            raise ValueError(f"decoder_images: {self.title}: none can be fitted on: {reasons}")

    def without(self, image: FloatImage) -> HeldOut:
        """Return the decoders for ``image``, float64 ``(H, W, 3)`` as it was loaded."""
        return HeldOut(self, self._input(image) if pixel_digest(image) in self.fitted else None)

    def describe(self) -> DecoderFacts:
        """Return the facts of the decoders for a result's metadata."""
        return {
            "neighbourhood": NEIGHBOURHOOD,
            "cells": TRAINING_CELLS,
            "images": [{"name": name, "sha256": digest} for digest, name in self.fitted.items()],
            "skipped": list(self.skipped.values()),
        }

    def _input(self, image: FloatImage) -> Tensor:
        """Return the middle of an image, cropped to whole cells, as operators receive it."""
        slices = []
        for n, span, s in zip(image.shape, self.geometry.spans, self.geometry.stride, strict=False):
            least = max(-(-span // s), NEIGHBOURHOOD) * s
            if n < least:
                raise ImageError(f"{image.shape[1]}x{image.shape[0]} pixels; fitting takes at least {least} on a side")
            extent = min(n, max(TRAINING_CELLS * s, least)) // s * s
            slices.append(slice((n - extent) // 2, (n - extent) // 2 + extent))
        return self.prepare(image[tuple(slices)])


@dataclass(frozen=True)
class HeldOut:
    """The decoders for one image: ``own`` is its share of the fits, which is subtracted; None if it has none."""

    decoders: Decoders
    own: Tensor | None

    def decoder(self, run: Run) -> tuple[LinearDecoder, str]:
        """Return the operator's decoder, and the images that it was fitted on, in words.

        Raises:
            ValueError: it could not be fitted, or only on this image.
        """
        all_of_them = self.decoders
        if run.key in all_of_them._failures:
            raise ValueError(all_of_them._failures[run.key])
        count, title = len(all_of_them.fitted), all_of_them.title
        if self.own is None:
            if run.key not in all_of_them._solved:
                all_of_them._solved[run.key] = all_of_them._fits[run.key].solve()
            return all_of_them._solved[run.key], f"{count} {title if count > 1 else title.replace('s of', ' of', 1)}"
        if count == 1:
            raise ValueError(f"decoder_images: {title}: none is left but this image, on which it would be scored")
        fit = all_of_them._fits[run.key] - measure_image(run.module, self.own, seed=run.seed)
        return fit.solve(), f"{count - 1} of {count} {title}, without this image"
