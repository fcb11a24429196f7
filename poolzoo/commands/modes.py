"""Which options a way to run a command uses: all others are refused, as what is given without effect misleads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Choice:
    """Ways to run a command, of which each run takes one.

    Attributes:
        mode: the one that a command's values choose, in words.
        used_by: the modes that use an option, by its parameter's name; an option that is not named is used by all.
    """

    mode: Callable[[Mapping[str, Any]], str]
    used_by: Mapping[str, Sequence[str]]


def _compared(given: Mapping[str, Any]) -> str:
    kinds = {"dataset": "--dataset", "videos": "--video", "volumes": "--volume", "features": "--features"}
    return next((option for name, option in kinds.items() if given[name]), "--image")


def _upsample(given: Mapping[str, Any]) -> str:
    if given["scoring"] == "lowres":
        return "--protocol lowres"
    return "--upsample optimal" if "optimal" in given["upsamplers"] else f"--upsample {given['upsamplers'][0]}"


def _device(given: Mapping[str, Any]) -> str:
    device = given["device"] or "cpu"
    return "--gpu" if given["gpu"] else "--device cpu" if device == "cpu" else "another --device"


def _values(given: Mapping[str, Any]) -> str:
    return f"a {'range' if '..' in given['over'] else 'list'} in --over"


PHOTOGRAPHS, SOLIDS = ("--image", "--dataset"), ("--video", "--volume")
#: What a run of a command chooses, by the command's name.
CHOICES: dict[str, tuple[Choice, ...]] = {
    "compare": (
        Choice(
            _compared,
            {
                "sources": ("--image", "--features"),
                "features": ("--features",),
                "weights": ("--features",),
                "videos": SOLIDS,
                "volumes": SOLIDS,
                "frames": ("--video",),
                "store": ("--dataset",),
                "jobs": ("--dataset",),
                "scheduler": ("--dataset",),
                "retry": ("--dataset",),
                "fit": ("--image",),
                "fit_sources": ("--image",),
                "fitted_files": PHOTOGRAPHS,
                "decoder_images": PHOTOGRAPHS,
                "save_images": ("--image", "--features", *SOLIDS),
            },
        ),
        Choice(lambda given: f"--protocol {given['scoring']}", {"upsamplers": ("--protocol roundtrip",)}),
        Choice(_upsample, {"decoder_images": ("--upsample optimal",)}),
        Choice(lambda given: "--scheduler" if given["scheduler"] else "local workers", {"jobs": ("local workers",)}),
    ),
    "profile": (Choice(_device, {"device": ("--device cpu", "another --device"), "threads": ("--device cpu",)}),),
    "sweep": (Choice(_values, {"points": ("a range in --over",)}),),
    "checkered": (Choice(lambda given: f"--method {given['method']}", {"seed": ("--method random", "--method tri")}),),
}


class Command(click.Command):
    """A command that refuses options without effect: what its mode does not use, and all but the last of several."""

    def make_parser(self, ctx: click.Context) -> Any:
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_once(args: list[str]) -> Any:
            values, rest, order = parse(args)
            for param in order:
                if isinstance(param, click.Option) and not (param.multiple or param.is_flag) and order.count(param) > 1:
                    raise click.UsageError(f"{param.opts[0]}: given {order.count(param)} times; once is allowed", ctx)
            return values, rest, order

        parser.parse_args = parse_once  # type: ignore[method-assign]
        return parser

    def invoke(self, ctx: click.Context) -> Any:
        for choice in CHOICES.get(self.name or "", ()):
            mode = choice.mode(ctx.params)
            for param in self.params:
                users = choice.used_by.get(param.name or "", (mode,))
                if mode not in users and _is_given(ctx, param):
                    raise click.UsageError(_why_not(param, ctx.params, mode, users), ctx)
        return super().invoke(ctx)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type


def _is_given(ctx: click.Context, param: click.Parameter) -> bool:
    return ctx.get_parameter_source(param.name or "") is not click.core.ParameterSource.DEFAULT


def _why_not(param: click.Parameter, values: Mapping[str, Any], mode: str, users: Sequence[str]) -> str:
    option, value = param.opts[0], values[param.name or ""]
    if any(option in user for user in users):
        return f"{option} and {mode} exclude each other"
    value = value[0] if isinstance(value, tuple) else value
    return (
        f"{option if value is True else f'{option} {value}'}: not used with {mode}; it goes with {' or '.join(users)}"
    )
