"""``poolzoo sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from poolzoo._files import write_whole
from poolzoo.analysis.scoring.protocol import NORMALIZATIONS
from poolzoo.commands.completing import complete_images, complete_pools
from poolzoo.commands.modes import Command
from poolzoo.commands.options import (
    OUTPUT,
    UPSAMPLERS_2D,
    align_option,
    check_axes,
    device_option,
    metric_option,
    output_options,
    window_options,
)
from poolzoo.commands.reading import declare_images, declare_network
from poolzoo.commands.writing import PLOT, Writer, say_written


@click.command(cls=Command)
@click.option(
    "--pool",
    required=True,
    metavar="SPEC",
    shell_complete=complete_pools,
    help="The operator whose parameter is varied.",
)
@click.option(
    "--over",
    required=True,
    metavar="NAME=VALUES",
    help="A parameter with a range, beta=0.1..16, or a list, beta=0.1,1,4.",
)
@click.option(
    "--points",
    type=click.IntRange(2, 1000),
    default=9,
    show_default=True,
    help="Number of values in a range. They are spaced logarithmically, or linearly if it contains 0 or less.",
)
@click.option(
    "--image",
    multiple=True,
    required=True,
    metavar="SRC",
    shell_complete=complete_images,
    help="Images: file, folder, glob or skimage:NAME; repeatable.",
)
@window_options()
@click.option(
    "--upsample",
    multiple=True,
    type=click.Choice(UPSAMPLERS_2D),
    default=("bilinear",),
    show_default=True,
    help="How to upsample the pooled image; repeatable.",
)
@align_option
@click.option(
    "--normalize",
    multiple=True,
    type=click.Choice(NORMALIZATIONS),
    default=("none",),
    show_default=True,
    help="Scale of the input, one curve for each; repeatable.",
)
@metric_option
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed: draws, parameters.")
@device_option
@output_options
@click.option("--plot", type=OUTPUT, help="Draw the curves: a .png, .svg or .pdf file.")
def sweep(
    fmt: str | None, output: Path | None, report: Path | None, save_plots: Path | None, plot: Path | None, **given: Any
) -> None:
    """Measure retention at each value of one operator parameter, with avg and max for comparison.

    \b
    Examples:
      poolzoo sweep --pool softpool --over beta=0.1..16 --image skimage:coffee --plot softpool.png
      poolzoo sweep --pool softpool --over beta=0.1..16 --normalize none --normalize 255 --image skimage:coffee
    """
    writer = Writer(fmt, output, report, save_plots)
    if plot:
        writer.writes("--plot", plot, PLOT)
    declare_images({"--image": given["image"]})
    check_axes(given, 2)
    declare_network(given["like"])
    from poolzoo.api.studies import sweep as run

    result = run(**given)
    if plot and any(row["error"] is None for row in result.rows):
        from poolzoo.reports.plots.style import to_file
        from poolzoo.reports.plots.sweep_curves import plot_sweep
        from poolzoo.reports.run_facts import RunFacts

        write_whole(plot, to_file(plot_sweep(RunFacts.of(result)), plot.suffix[1:].lower() or "png"))
        say_written(plot)
    writer.finish(result)
