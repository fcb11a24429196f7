"""torch's pooling functions as a forward pass calls them: the equivalent module, and the arguments by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from poolzoo.registry import GEOMETRY

#: Kinds of torch's pooling modules, and the arguments of their functions after the input.
_ARGUMENTS = {
    "MaxPool": (*GEOMETRY, "return_indices"),
    "AvgPool": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    "LPPool": ("norm_type", "kernel_size", "stride", "ceil_mode"),
    "AdaptiveMaxPool": ("output_size", "return_indices"),
    "AdaptiveAvgPool": ("output_size",),
    "FractionalMaxPool": ("kernel_size", "output_size", "output_ratio", "return_indices", "_random_samples"),
}
#: torch's pooling modules, and how many spatial axes each has.
NDIM: dict[type[nn.Module], int] = {
    getattr(nn, f"{kind}{ndim}d"): ndim for kind in _ARGUMENTS for ndim in (1, 2, 3) if hasattr(nn, f"{kind}{ndim}d")
}


def _functions() -> dict[Callable[..., Any], tuple[type[nn.Module], tuple[str, ...]]]:
    stems = {kind: "".join("_" + c.lower() if c.isupper() else c for c in kind).strip("_") for kind in _ARGUMENTS}
    stems["LPPool"] = "lp_pool"
    return {
        getattr(home, name): (getattr(nn, f"{kind}{ndim}d"), names)
        for kind, names in _ARGUMENTS.items()
        for ndim in (1, 2, 3)
        for name in (f"{stems[kind]}{ndim}d", f"{stems[kind]}{ndim}d_with_indices")
        for home in (torch, F)
        if hasattr(home, name) and hasattr(nn, f"{kind}{ndim}d")
    }


#: Each pooling function with the equivalent module, and the names of its arguments after the input.
FUNCTIONS = _functions()
#: Those that also return indices.
WITH_INDICES = {
    getattr(home, name)
    for home in (torch, F)
    for name in dir(home)
    if "max_pool" in name and name.endswith("_with_indices")
} | {torch.adaptive_max_pool1d}


def name_arguments(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call of one of ``FUNCTIONS``, without the input, as the module takes them."""
    given = dict(zip(FUNCTIONS[function][1], args[1:], strict=False))
    given |= {key: value for key, value in kwargs.items() if key != "input"}
    if given.get("stride") in ((), []):  # torch.max_pool2d's way to say None
        del given["stride"]
    return given
