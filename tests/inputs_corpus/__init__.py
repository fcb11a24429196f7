"""Small files of every format, depth, layout, colour declaration and orientation, each with the picture that it shows.

They are written from the standards, by nothing that poolzoo reads them with.
"""

from __future__ import annotations

import functools

from inputs_corpus import avif, bmp, frames, jpeg, jpeg2000, netpbm, png, psd, simple, tiff
from inputs_corpus.base import Case

__all__ = ["Case", "cases"]

MODULES = (png, tiff, jpeg, frames, bmp, netpbm, simple, psd, jpeg2000, avif)


@functools.cache
def cases() -> tuple[Case, ...]:
    """Return all cases, in the same order and with the same bytes every time."""
    return tuple(case for module in MODULES for case in module.cases())
