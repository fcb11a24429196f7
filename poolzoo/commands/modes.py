"""Commands: help under headings, options without effect refused, and options named where Python names arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from poolzoo.api.modes import unused
from poolzoo.commands.help_groups import help_all_option, write_commands, write_options
from poolzoo.commands.options import Failed


class Command(click.Command):
    """A command that refuses options without effect: those its mode does not use, and repeated single options."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), help_all_option()]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_options(self.params, ctx, formatter)

    def make_parser(self, ctx: click.Context) -> Any:
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_once(args: list[str]) -> Any:
            values, rest, order = parse(args)
            for param in order:
                if ctx.resilient_parsing or not isinstance(param, click.Option):
                    continue
                if not (param.multiple or param.is_flag) and order.count(param) > 1:
                    raise click.UsageError(f"{param.opts[0]}: given {order.count(param)} times; once is allowed", ctx)
            return values, rest, order

        parser.parse_args = parse_once  # type: ignore[method-assign]
        return parser

    def invoke(self, ctx: click.Context) -> Any:
        refused = unused(self.name or "", ctx.params)
        for param in self.params:
            if param.name in refused and _is_given(ctx, param):
                raise click.UsageError(_why_not(param, ctx.params, *refused[param.name]), ctx)
        try:
            return super().invoke(ctx)
        except ValueError as error:
            raise Failed(self._with_options(str(error))) from error

    def _with_options(self, said: str) -> str:
        """Return a function's message with ``NAME=VALUE``, ``NAME VALUE:`` or ``NAME:`` as the option ``--NAME``."""
        names = {param.name: param.opts[0] for param in self.params if isinstance(param, click.Option)}
        said = re.sub(r"^(\w+)(?=:| \S+: )", lambda found: names.get(found[1], found[1]), said)

        def in_words(found: re.Match[str]) -> str:
            name, value = found[1], found[2] or ""
            return f"{names[name]}{'' if value == 'True' else f' {value}'}" if name in names else found[0]

        # Not after a colon or comma: those are an operator's parameters, as in lp:p=3,kernel_size=2.
        return re.sub(r"(?<![\w:,.-])(\w+)=(True\b)?", in_words, said).replace("  ", " ")


class CommandGroup(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_commands(self, ctx, formatter)


def _is_given(ctx: click.Context, param: click.Parameter) -> bool:
    return ctx.get_parameter_source(param.name or "") is not click.core.ParameterSource.DEFAULT


def _why_not(param: click.Parameter, values: Mapping[str, Any], mode: str, users: Sequence[str]) -> str:
    option, value = param.opts[0], values[param.name or ""]
    if any(option in user for user in users):
        return f"{option} and {mode} exclude each other"
    value = value[0] if isinstance(value, tuple) else value
    return f"{option if value is True else f'{option} {value}'}: not used with {mode}, only with {' or '.join(users)}"
