"""Results and stores of earlier schema versions: what their rows leave unsaid.

Until version 2 windows had neither padding, dilation nor ``ceil_mode``, and upsampling took pooled values to lie evenly
over the image.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from poolzoo.analysis.results.schema import INTERPOLATE, SCHEMA_VERSION, UPSAMPLE_NONE

#: The schema versions that are read.
READ_VERSIONS = (2, SCHEMA_VERSION)
_WINDOW = {"padding": 0, "dilation": 1, "ceil_mode": False}


def listed_versions() -> str:
    """Return the schema versions that are read, in words."""
    return f"versions {' and '.join(map(str, READ_VERSIONS))}"


def complete_row(row: MutableMapping[str, Any], version: int) -> None:
    """Give a row of ``version`` the keys that were added since: a result's row, what a store's series shares, or the
    setting of a summary.
    """
    if version < 3:
        row.update(_WINDOW)
        if "upsample" in row:
            row["align"] = _align_of(row["upsample"])
    if row.keys() & {"saved_bytes", "sites"}:
        row.setdefault("waited_fraction", None)  # a profile from before it was counted


def complete_protocol(protocol: dict[str, Any], version: int) -> dict[str, Any]:
    """Return the fields of a store's protocol with those that were added since ``version``."""
    return {**_WINDOW, "align": INTERPOLATE, **protocol} if version < 3 else protocol


def complete_metadata(metadata: dict[str, Any], version: int) -> dict[str, Any]:
    """Return a comparison's metadata with the facts that were added since ``version``."""
    return complete_protocol(metadata, version) if "kernel_size" in metadata else metadata


def _align_of(upsample: object) -> str:
    """Where a row's pooled values were put: neither decoders nor low resolution put them anywhere."""
    return "" if not upsample else UPSAMPLE_NONE if upsample in (UPSAMPLE_NONE, "optimal") else INTERPOLATE
