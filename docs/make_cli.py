"""Make the reference of the command line: ``python docs/make_cli.py`` (or ``make catalog``).

Everything on the page comes from the commands as click knows them: their help texts, arguments and options.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from poolzoo.cli import cli
from poolzoo.commands.help_groups import FEW, OPTIONS, headings

PAGE = Path(__file__).parent / "cli.md"
_OPENING = """\
# Command line

Written by `make catalog` from the commands themselves; `poolzoo COMMAND --help-all` prints the same. An operator with
parameters is written `name:key=value,key=value`: `softpool:beta=4`, `lp:p=3,norm=sum`, `checkered:pool=avg`; a shell
needs patterns such as `'soft*'` in quotes. Exit codes: 0 for success, 1 if some inputs or operators failed (their rows
say why; all other rows are complete), 2 for bad input, reported in one line.
"""


def text() -> str:
    """What the page must hold."""
    root = click.Context(cli, info_name="poolzoo", **cli.context_settings)
    return "\n".join([_OPENING, *_command(root)]).rstrip("\n") + "\n"


def _command(context: click.Context) -> Iterator[str]:
    command = context.command
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## {context.command_path}\n"
    yield f"```text\n{context.command_path} {usage}\n```\n"
    yield from _help(command.help or "")
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _command(click.Context(child, info_name=name, parent=context))


def _help(text: str) -> Iterator[str]:
    r"""A help text as Markdown: paragraphs after ``\b`` are code, under their first line if it ends in a colon."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        first, *lines = paragraph.split("\n")
        if first.strip() != "\b":
            yield " ".join(paragraph.split()) + "\n"
            continue
        if lines and lines[0].endswith(":"):
            yield lines.pop(0) + "\n"
        yield "```sh\n" + inspect.cleandoc("\n".join(["", *lines])) + "\n```\n"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """A table of the options under each heading that ``--help`` has."""
    options = {param.name or "": param for param in command.get_params(context) if isinstance(param, click.Option)}
    titles = headings(options, OPTIONS) if len(options) >= FEW else {"Options": list(options)}
    for title, names in titles.items():
        yield f"| {title} | |\n|---|---|"
        yield from (_line(*record) for name in names if (record := options[name].get_help_record(context)))
        yield ""


def _line(names: str, meaning: str) -> str:
    """A row of a table: an option's names, and its value with what it means."""
    option, value = re.fullmatch(r"((?:-[\w-]+(?:, )?)+) ?(.*)", names).groups()
    kinds = [f"`{kind}`" for kind in value.removesuffix(" RANGE").strip("[]").split("|") if kind]
    kind = f"One of {', '.join(kinds)}. " if value.startswith("[") else f"{' or '.join(kinds)}. " if kinds else ""
    return f"| `{option}` | {kind}{_text(meaning)} |"


def _text(meaning: str) -> str:
    return re.sub(r"([|<>*_\[\]])", r"\\\1", " ".join(meaning.split()))


def main() -> None:
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
