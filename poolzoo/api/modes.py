"""Which options each way to run a study uses. Others are refused, because an option without effect misleads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poolzoo.registry import GEOMETRY


@dataclass(frozen=True)
class Choice:
    """Ways to run a study, of which each run uses one.

    Attributes:
        mode: the mode that the options select, in the command line's words.
        used_by: the modes that use an option; an option that is not listed is used by all.
    """

    mode: Callable[[Mapping[str, Any]], str]
    used_by: Mapping[str, Sequence[str]]


def _compared(given: Mapping[str, Any]) -> str:
    return next((f"--{kind}" for kind in ("dataset", "video", "volume", "features") if given[kind]), "--image")


def _upsample(given: Mapping[str, Any]) -> str:
    if given["protocol"] == "lowres":
        return "--protocol lowres"
    names = several(given["upsample"])
    return "--upsample optimal" if "optimal" in names else f"--upsample {names[0]}"


def _interpolation(given: Mapping[str, Any]) -> str:
    fitted_only = set(several(given["upsample"])) == {"optimal"}
    return "--upsample optimal" if fitted_only else "--upsample nearest, bilinear or bicubic"


def _device(given: Mapping[str, Any]) -> str:
    device = given["device"] or "cpu"
    return "--gpu" if given.get("gpu") else "--device cpu" if device == "cpu" else "another --device"


def _values(given: Mapping[str, Any]) -> str:
    return f"a {'range' if '..' in given['over'] else 'list'} in --over"


_WINDOW = "--kernel-size, --stride, --padding, --dilation or --ceil-mode"
#: The windows are given, or taken from a network.
WINDOWS = Choice(lambda given: "--like" if given["like"] else _WINDOW, dict.fromkeys(GEOMETRY, (_WINDOW,)))
_SINGLE = "single operators"
#: Operators are profiled on a tensor, or in a model.
PROFILED = Choice(
    lambda given: "--model" if given.get("model") else _SINGLE,
    {
        **dict.fromkeys((*GEOMETRY, "like", "baseline", "save_plots"), (_SINGLE,)),
        **dict.fromkeys(("batch", "compile"), ("--model",)),
    },
)
PHOTOGRAPHS, SOLIDS = ("--image", "--dataset"), ("--video", "--volume")
#: The choices of a run, by the name of the command and function.
CHOICES: dict[str, tuple[Choice, ...]] = {
    "compare": (
        WINDOWS,
        Choice(
            _compared,
            {
                "image": ("--image", "--features"),
                "features": ("--features",),
                "weights": ("--features",),
                "video": SOLIDS,
                "volume": SOLIDS,
                "frames": ("--video",),
                "store": ("--dataset",),
                "jobs": ("--dataset",),
                "scheduler": ("--dataset",),
                "retry": ("--dataset",),
                "fit": ("--image",),
                "fit_images": ("--image",),
                "fitted": PHOTOGRAPHS,
                "decoder_images": PHOTOGRAPHS,
                "save_images": ("--image", "--features", *SOLIDS),
            },
        ),
        Choice(
            lambda given: f"--protocol {given['protocol']}",
            dict.fromkeys(("upsample", "align"), ("--protocol roundtrip",)),
        ),
        Choice(_interpolation, {"align": ("--upsample nearest, bilinear or bicubic",)}),
        Choice(_upsample, {"decoder_images": ("--upsample optimal",)}),
        Choice(lambda given: "--scheduler" if given["scheduler"] else "local workers", {"jobs": ("local workers",)}),
    ),
    "profile": (
        PROFILED,
        WINDOWS,
        Choice(_device, {"device": ("--device cpu", "another --device"), "threads": ("--device cpu",)}),
    ),
    "sweep": (WINDOWS, Choice(_values, {"points": ("a range in --over",)})),
    "fit": (WINDOWS,),
    "weights": (WINDOWS,),
    "checkered": (Choice(lambda given: f"--method {given['method']}", {"seed": ("--method random", "--method tri")}),),
}


def several(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return one name or several as a tuple."""
    return (given,) if isinstance(given, str) else tuple(given)


def unused(name: str, given: Mapping[str, Any]) -> dict[str, tuple[str, Sequence[str]]]:
    """Yield the options of a study that its mode does not use, each with that mode and the modes that use it."""
    found: dict[str, tuple[str, Sequence[str]]] = {}
    for choice in CHOICES.get(name, ()):
        mode = choice.mode(given)
        found |= {option: (mode, users) for option, users in choice.used_by.items() if mode not in users}
    return found


def refuse_unused(study: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Raise ValueError for an argument that differs from its default and that the study's mode does not use."""
    parameters = inspect.signature(study).parameters
    for option, (mode, users) in unused(study.__name__.removeprefix("visualize_"), given).items():
        if option in parameters and not _is_same(given[option], parameters[option].default):
            words = " or ".join(users).replace("--", "")
            raise ValueError(
                f"{option}={given[option]!r:.60}: not used with {mode.replace('--', '')}; only with {words}"
            )


def _is_same(value: Any, default: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return list(value) == list(default if isinstance(default, (list, tuple)) else (default,))
    # An array is compared element by element, and is no default.
    return value is default or (isinstance(value, (str, int, float)) and bool(value == default))
