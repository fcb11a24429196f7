"""Small files of every format, depth, layout, colour declaration and orientation, each with the picture that it shows.

They are written from the standards, by nothing that poolzoo reads them with.
"""

from __future__ import annotations

import functools

from inputs_corpus import jpeg, png, tiff
from inputs_corpus.base import Case

__all__ = ["Case", "cases"]


@functools.cache
def cases() -> tuple[Case, ...]:
    """Return all cases, in the same order and with the same bytes every time."""
    return tuple(case for module in (png, tiff, jpeg) for case in module.cases())
