"""The array that is pooled and scored: an image, a layer's activations for an image, a video or a volume.

An :class:`Input` has a name before it is read; ``load`` reads it as a :class:`Sample`. Pictures are RGB in [0, 1] (see
``images``), and so are videos; volumes are grey in [0, 1] (see ``clips``); activations keep the scale that they have in
their network (see ``features``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from poolzoo.analysis.inputs.images import Source, load_image

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.files import FloatImage


@dataclass(frozen=True)
class Sample:
    """One array to pool, rebuild and score.

    Attributes:
        name: its name in rows.
        image: float64, ``(H, W, C)``, or ``(D, H, W, C)`` if three axes are pooled: frames or slices first.
        data_range: the range of its values that PSNR, SSIM and the errors are relative to.
        colours: whether its channels are red, green and blue in [0, 1].
        facts: entries for the metadata, in addition to its name and size.
    """

    name: str
    image: FloatImage
    data_range: float = 1.0
    colours: bool = True
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ndim(self) -> int:
        """The number of axes that are pooled."""
        return self.image.ndim - 1

    @property
    def size(self) -> dict[str, int]:
        """The lengths of those axes, named."""
        return dict(zip(("width", "height", "depth"), self.image.shape[-2::-1], strict=False))

    def picture(self, values: FloatImage) -> FloatImage:
        """Return the picture of ``values``: of this sample, or of an operator's result.

        Args:
            values: ``(*spatial, C)``.

        Returns:
            ``(H, W, 3)``: the middle frame or slice; if it is not RGB, the mean over the channels, on the scale that
            puts this sample's own picture into [0, 1].
        """
        return self.frames(values[len(values) // 2] if self.ndim == 3 else values)

    def frames(self, values: FloatImage) -> FloatImage:
        """Return all frames of ``values``, ``(D, H, W, C)``, as :meth:`picture` shows one: ``(D, H, W, 3)``."""
        if self.colours:
            return values
        low, high = self._grey_range
        grey: FloatImage = (values.mean(axis=-1, keepdims=True) - low) / (high - low)
        return np.repeat(grey, 3, axis=-1)

    @cached_property
    def _grey_range(self) -> tuple[float, float]:
        plane = self.image[len(self.image) // 2] if self.ndim == 3 else self.image
        grey = plane.mean(axis=-1)
        low, high = float(grey.min()), float(grey.max())
        return low, high if high > low else low + 1


class Input(Protocol):
    """A source of samples for a comparison.

    Attributes:
        name: its name in rows; two inputs have two names.
        ndim: the number of axes that are pooled.
        colours: whether its channels are red, green and blue.
        kind: rows of two kinds are never averaged.
    """

    @property
    def name(self) -> str: ...
    @property
    def ndim(self) -> int: ...
    @property
    def colours(self) -> bool: ...
    @property
    def kind(self) -> str: ...

    def load(self) -> Sample:
        """Read the sample.

        Raises:
            ImageError: it cannot be used; the message is one line that names it.
        """
        ...


@dataclass(frozen=True)
class Picture:
    """An image file: ``(H, W, 3)`` in [0, 1]."""

    source: Source
    ndim = 2
    colours = True
    kind = "image"

    @property
    def name(self) -> str:
        return self.source.name

    def load(self) -> Sample:
        return Sample(self.name, load_image(self.source))


def as_inputs(sources: Iterable[Source | Input]) -> list[Input]:
    """Return ``sources`` with every image file as a :class:`Picture`."""
    return [Picture(source) if isinstance(source, Source) else source for source in sources]


def ndim_of(inputs: Sequence[Input]) -> int:
    """Return the number of axes that are pooled.

    Raises:
        ValueError: it is not the same for all of ``inputs``.
    """
    by_ndim = {item.ndim: item.name for item in inputs}
    if len(by_ndim) > 1:
        raise ValueError(
            f"{by_ndim[2]!r} is pooled over 2 axes and {by_ndim[3]!r} over 3: compare images and features in one run,"
            " videos and volumes in another"
        )
    return next(iter(by_ndim), 2)
