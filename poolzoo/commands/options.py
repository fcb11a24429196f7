"""The options that commands share, and the types of their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from poolzoo._files import STDOUT
from poolzoo.analysis.results.schema import ALIGNMENTS, CENTER, METRICS, WINDOW_SIZES
from poolzoo.analysis.scoring.protocol import OPTIMAL, UPSAMPLERS
from poolzoo.commands.completing import complete_pools

if TYPE_CHECKING:
    SizesType = click.ParamType[tuple[int, ...]]
    ChoiceType = click.Choice[str]
else:
    SizesType, ChoiceType = click.ParamType, click.Choice  # not generic at run time before click 8.4

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


RESULT_FORMATS = ("table", "csv", "json", "markdown")


#: Differentiable upsamplers of two axes.
UPSAMPLERS_2D = tuple(name for name in UPSAMPLERS if name not in ("trilinear", OPTIMAL))


class Sizes(SizesType):
    """A size such as ``2`` or ``3x2``: ints joined by x."""

    name = "size"

    def __init__(self, least: int, axes: range) -> None:
        self.least, self.axes = least, axes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = str(value).lower().split("x")
        if not all(part.isascii() and part.isdigit() for part in parts):
            self.fail(f"{value!r} is not a size; ints joined by x are allowed, e.g. {self._example}", param, ctx)
        sizes = tuple(map(int, parts))
        if len(sizes) not in self.axes or min(sizes) < self.least:
            self.fail(f"{value!r}: {self._allowed}, each at least {self.least}, e.g. {self._example}", param, ctx)
        return sizes

    @property
    def _allowed(self) -> str:
        return f"{self.axes[0]} to {self.axes[-1]} ints" if len(self.axes) > 1 else f"{self.axes[0]} ints"

    @property
    def _example(self) -> str:
        return "x".join("842"[-min(self.axes[-1], 3) :])


class OutputName(click.Path):
    """The name of an output; ``-`` is standard output, and ``./-`` a file of that name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        return path.absolute() if path == STDOUT and str(value) != str(STDOUT) else path


OUTPUT = OutputName()


class Failed(click.ClickException):
    """Bad input: one line, exit code 2."""

    exit_code = 2


save_plots_option = click.option(
    "--save-plots",
    type=OUTPUT,
    metavar="DIR",
    help="Save every plot as PNG, SVG and PDF. They are as wide as two columns of a paper.",
)


class MetricKey(ChoiceType):
    """A metric's key, including keys that a plugin registers when the command runs."""

    case_sensitive = True

    def __init__(self) -> None:
        """Leave the choices to be looked up on use."""

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        """The allowed keys."""
        return tuple(METRICS)


class MetricOption(click.Option):
    """``--metric``, whose help lists every metric."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the entry in the command's help."""
        self.help = "Metric; repeatable. Tables are sorted by the first."
        for extra in dict.fromkeys(metric.extra for metric in METRICS.values() if metric.extra):
            keys = [key for key, metric in METRICS.items() if metric.extra == extra]
            self.help += f" {', '.join(keys)}: pip install 'poolzoo[{extra}]'."
        keys = [key for key, metric in METRICS.items() if metric.of == "operator"]
        self.help += f" {', '.join(keys)} measure the operator itself, without an upsampler."
        return super().get_help_record(ctx)


metric_option = click.option(
    "--metric",
    cls=MetricOption,
    type=MetricKey(),
    multiple=True,
    default=("ssim", "psnr"),
    show_default=True,
)
align_option = click.option(
    "--align",
    type=click.Choice(ALIGNMENTS),
    default=CENTER,
    show_default=True,
    help="Where upsampling puts a pooled value. center: at its window's centre; interpolate: evenly over the image.",
)
device_option = click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda:0, ...")


def with_options(command: Decorated, options: Sequence[Callable[[Decorated], Decorated]]) -> Decorated:
    """Add options to ``command`` in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def output_options(command: Decorated) -> Decorated:
    """Add the options of every command that measures."""
    options = [
        click.option(
            "--format",
            "fmt",
            type=click.Choice(RESULT_FORMATS),
            help="Format. The result is printed or written in it.  [default: table]",
        ),
        click.option(
            "--output",
            type=OUTPUT,
            help="Write to this file, and print the table. It is in --format or the format of its suffix; - is standard"
            " output, for every output option.",
        ),
        click.option("--report", type=OUTPUT, help="Write a self-contained HTML page."),
        click.option(
            "--baseline",
            metavar="SPEC",
            shell_complete=complete_pools,
            help="Operator to compare with.  [default: avg]",
        ),
        save_plots_option,
    ]
    return with_options(command, options)


def window_options(axes: int = 2, default: str = "2") -> Callable[[Decorated], Decorated]:
    """Add the options of the window, for up to this many axes."""
    sizes = "2, 3x2 or 1x2x2" if axes == 3 else "2 or 3x2"

    def decorate(command: Decorated) -> Decorated:
        shape = Sizes(1, range(1, axes + 1))
        size = click.option(
            "--kernel-size", type=shape, default=default, show_default=True, help=f"Size of the window: {sizes}."
        )
        step = f"Step between windows. Written as {sizes}.  [default: the kernel size]"
        options = [
            size,
            click.option("--stride", type=shape, help=step),
            click.option(
                "--padding",
                type=Sizes(0, range(1, axes + 1)),
                default="0",
                show_default=True,
                help=f"Positions added on both sides. They are absent from the windows. Written as {sizes}.",
            ),
            click.option(
                "--dilation",
                type=shape,
                default="1",
                show_default=True,
                help=f"Step between the elements of a window. Written as {sizes}.",
            ),
            click.option("--ceil-mode", is_flag=True, help="Round the number of windows up, as torch's pooling does."),
            click.option(
                "--like",
                metavar="MODEL:LAYER",
                help="Use the windows of a network's pool. For example, resnet18:maxpool, timm/resnet18:maxpool or"
                " net.py:make:pool, where make() returns the network.",
            ),
        ]
        return with_options(command, options)

    return decorate


def pool_options(command: Decorated) -> Decorated:
    """Add the options of operators and their window."""
    options = [
        click.option(
            "--pool",
            multiple=True,
            metavar="SPEC",
            shell_complete=complete_pools,
            help="Operator: softpool, 'soft*', lp:p=3; repeatable.  [default: all]",
        ),
        window_options(3),
    ]
    return with_options(command, options)


def check_axes(given: Mapping[str, Any], ndim: int) -> None:
    """Raise Failed if a size of the window has values for another number of axes."""
    for name in WINDOW_SIZES:
        value = given[name]
        if value is not None and len(value) not in (1, ndim):
            option = f"--{name.replace('_', '-')}"
            raise Failed(f"{option} {'x'.join(map(str, value))}: one int or {ndim} are allowed here")
