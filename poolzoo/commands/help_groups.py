"""The help of a command: short entries under headings; ``--help-all`` prints the whole text of every option."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import click

#: The headings and their options, in this order. A test holds that each option has a heading.
OPTIONS: dict[str, tuple[str, ...]] = {
    "Input": (
        *("data", "train_images", "test_images", "image", "images", "features", "weights", "video", "volume", "frames"),
        *("dataset", "model", "batch", "shape"),
    ),
    "Operators": ("pool", "over", "points", "baseline", "fit", "fit_images", "fitted"),
    "Window": ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "like"),
    "Protocol": ("metric", "upsample", "align", "decoder_images", "normalize", "protocol", "seed", "seeds"),
    "Training": (
        *("epochs", "steps", "batch_size", "lr", "schedule", "augment", "val_fraction", "select", "momentum"),
        *("weight_decay", "label_smoothing", "ema"),
    ),
    "Computation": (
        *("device", "gpu", "dtype", "amp", "channels_last", "compile", "threads", "min_time", "jobs", "scheduler"),
        "retry",
    ),
    "Output": ("size", "store", "fmt", "output", "report", "plot", "save_plots", "save_images"),
}
#: Options that ``--help`` only names, because they refine another option or are rarely needed.
REFINEMENTS = frozenset(
    {"weights", "frames", "jobs", "scheduler", "retry", "fit_images", "fitted", "dilation", "ceil_mode", "align"}
    | {"decoder_images", "seeds", "save_plots", "momentum", "weight_decay", "label_smoothing", "ema", "train_images"}
    | {"test_images", "select", "amp", "volume", "normalize"}
)
#: A command with fewer options than this shows all of them under one heading.
FEW = 8
#: The headings of the root command and their commands.
COMMANDS: dict[str, tuple[str, ...]] = {
    "Measure": ("compare", "sweep", "profile", "train", "fit"),
    "Look up": ("list", "show", "visualize"),
    "Use results": ("report", "export"),
    "Set up": ("build", "doctor", "completion"),
}
#: What stands for a value in a short entry.
_PLACEHOLDERS = ((click.Choice, "NAME"), (click.IntRange, "N"), (click.FloatRange, "X"), (click.Path, "FILE"))
_HELP = ("-h, --help", "Show this help; --help-all shows the whole texts.")
_WHOLE = "poolzoo.help_all"
#: Characters of the column of names; a longer name has a line of its own.
_COLUMN = 20


def help_all_option() -> click.Option:
    """Return the option that prints the whole help and ends."""

    def print_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            ctx.meta[_WHOLE] = True
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()

    said = "Show the whole text of every option and exit."
    return click.Option(["--help-all"], is_flag=True, is_eager=True, expose_value=False, help=said, callback=print_all)


def write_options(params: Iterable[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write a command's options under headings: in short, or after ``--help-all`` whole."""
    whole = ctx.meta.get(_WHOLE, False)
    options = {param.name or "": param for param in params if isinstance(param, click.Option)}
    titles = headings(options, OPTIONS) if len(options) >= FEW else {"Options": list(options)}
    rows = {name: (_whole if whole else _short)(option, ctx) for name, option in options.items()}
    for title, names in titles.items():
        only_named = [name for name in names if name in REFINEMENTS and not whole and len(titles) > 1]
        only_named = [] if len(only_named) == len(names) else only_named
        told = [rows[name] for name in names if name not in only_named]
        told += [_HELP] if title == list(titles)[-1] else []
        with formatter.section(title):
            # The texts of all headings begin in the same column.
            formatter.write_dl([(entry.ljust(_COLUMN), text) for entry, text in told], col_max=_COLUMN)
            if only_named:
                formatter.write_text(f"and {', '.join(options[name].opts[0] for name in only_named)}")


def write_commands(group: click.Group, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write a group's commands with their summaries, those of the root under headings."""
    names = group.list_commands(ctx)
    width = max(map(len, names))
    for title, members in (headings(names, COMMANDS) if ctx.parent is None else {"Commands": names}).items():
        summaries = [group.commands[name].get_short_help_str(formatter.width - 6 - width) for name in members]
        with formatter.section(title):
            formatter.write_dl([(name.ljust(width), said) for name, said in zip(members, summaries, strict=True)])


def headings(names: Iterable[str], table: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the names by heading, in the table's order; the last heading takes those that the table lacks."""
    given, known = list(names), {name for members in table.values() for name in members}
    found = {title: [name for name in members if name in given] for title, members in table.items()}
    found[list(table)[-1]] += [name for name in given if name not in known]
    return {title: members for title, members in found.items() if members}


def _whole(option: click.Option, ctx: click.Context) -> tuple[str, str]:
    return option.get_help_record(ctx) or (option.opts[0], "")


def _short(option: click.Option, ctx: click.Context) -> tuple[str, str]:
    """Return an option's name and the first sentence of its help, with what may be chosen and the default."""
    name, text = _whole(option, ctx)
    said = re.split(r"(?<!e\.g|..\.)\.(?:\s|$)", text.partition("  [")[0])[0].replace("; repeatable", "")
    if not (option.is_flag or option.metavar):
        word = next((word for kind, word in _PLACEHOLDERS if isinstance(option.type, kind)), None)
        name = f"{option.opts[0]} {word}" if word else name
        if isinstance(option.type, click.Choice):
            said += f": {', '.join(map(str, option.type.choices))}"
    name += "..." if option.multiple else ""
    extra = re.search(r"\[(?:default: [^];]*|required)", text)
    return name, f"{said}  {extra[0]}]" if extra else said
