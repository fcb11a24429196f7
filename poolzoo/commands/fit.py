"""``poolzoo fit``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from poolzoo import registry
from poolzoo._console import note, say
from poolzoo._files import WEIGHTS
from poolzoo.analysis.scoring.protocol import NORMALIZATIONS
from poolzoo.commands.completing import complete_images, complete_pools
from poolzoo.commands.modes import Command
from poolzoo.commands.options import (
    OUTPUT,
    UPSAMPLERS_2D,
    align_option,
    check_axes,
    device_option,
    window_options,
)
from poolzoo.commands.reading import declare_images, declare_network
from poolzoo.commands.writing import command_files, counted, say_written


@click.command("fit", cls=Command)
@click.option(
    "--pool",
    required=True,
    metavar="SPEC",
    shell_complete=complete_pools,
    help="The operator, e.g. lip or dpp:variant=full.",
)
@click.option(
    "--images",
    multiple=True,
    required=True,
    metavar="SRC",
    shell_complete=complete_images,
    help="Images to learn from: file, folder, glob or skimage:NAME; repeatable.",
)
@click.option("--output", type=OUTPUT, required=True, help="The .safetensors file to write.")
@window_options()
@click.option(
    "--upsample",
    type=click.Choice(UPSAMPLERS_2D),
    default="bilinear",
    show_default=True,
    help="How to upsample the pooled image.",
)
@align_option
@click.option(
    "--normalize", type=click.Choice(NORMALIZATIONS), default="none", show_default=True, help="Scale of the input."
)
@click.option("--steps", type=click.IntRange(1), default=200, show_default=True, help="Steps of Adam.")
@click.option(
    "--lr",
    type=click.FloatRange(0, min_open=True),
    help="Initial learning rate of Adam.  [default: the operator's own]",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Random seed: initial parameters, tiles, batches.",
)
@device_option
def fit_command(output: Path, **given: Any) -> None:
    """Learn an operator's parameters from images, so that the rebuilt images have the least error.

    \b
    Example:
      poolzoo fit --pool lip --images photos/ --output lip.safetensors
      poolzoo compare --image skimage:coffee --pool avg --pool lip --fitted lip.safetensors
    """
    command_files().writes("--output", output, WEIGHTS)
    declare_images({"--images": given["images"]})
    registry.pool_info(registry.parse_spec(given["pool"])[0])  # an unknown name is answered before torch is imported
    check_axes(given, 2)
    declare_network(given["like"])
    from poolzoo.api.learning import TrainingImageError
    from poolzoo.api.studies import fit
    from poolzoo.reports.text.fit_summary import render_fit

    with counted(TrainingImageError) as unusable:
        fitted = fit(**given, output=output)
    (note if command_files().stdout else say)(render_fit(fitted))
    say_written(output)
    if unusable:
        sys.exit(1)
