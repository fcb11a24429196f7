"""The windows of a study: its arguments, or those of a network's pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poolzoo.registry import GEOMETRY

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.layer_windows import LayerWindow

#: The tensor that is profiled if neither a shape nor a network is given.
DEFAULT_SHAPE = (20, 32, 128, 128)


def asked_window(given: Mapping[str, Any], ndim: int) -> dict[str, Any]:
    """Return the arguments of a study's windows by name.

    Args:
        given: the study's arguments.
        ndim: the spatial axes that are pooled.

    Raises:
        ValueError: ``like`` names no pool, or a pool over another number of axes.
    """
    if given["like"] is None:
        return {key: given[key] for key in GEOMETRY}
    from poolzoo.analysis.inputs.layer_windows import find_layer_window

    return _over(find_layer_window(given["like"]), ndim)


def asked_window_and_shape(given: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Return the arguments of a profile's windows, and the shape of its tensor.

    Raises:
        ValueError: as for :func:`asked_window`.
    """
    shape = given["shape"]
    if given["like"] is None or shape is not None:
        shape = tuple(shape or DEFAULT_SHAPE)
        return asked_window(given, len(shape) - 2), shape
    from poolzoo.analysis.inputs.layer_windows import find_layer_window

    found = find_layer_window(given["like"], shaped=True)
    assert found.shape is not None
    return _over(found, len(found.shape) - 2), found.shape


def _over(found: LayerWindow, ndim: int) -> dict[str, Any]:
    if found.ndim != ndim:
        raise ValueError(f"like {found.spec}: pools over {found.ndim} spatial axes; here {ndim} are pooled")
    return found.window
