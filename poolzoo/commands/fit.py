"""``poolzoo fit``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poolzoo import registry
from poolzoo._console import note, say
from poolzoo.commands.modes import Command
from poolzoo.commands.options import (
    NORMALIZATIONS,
    OUTPUT,
    UPSAMPLERS,
    check_axes,
    device_option,
    window_options,
)
from poolzoo.commands.reading import declare_images
from poolzoo.commands.writing import WEIGHTS, command_files, say_more, say_written

if TYPE_CHECKING:
    pass


@click.command("fit", cls=Command)
@click.option("--pool", "spec", required=True, metavar="SPEC", help="The operator, as lip or dpp:variant=full.")
@click.option(
    "--images",
    "sources",
    multiple=True,
    required=True,
    metavar="SRC",
    help="Images to learn from: file, folder, glob or skimage:NAME; repeatable.",
)
@click.option("--output", type=OUTPUT, required=True, help="The .safetensors file to write.")
@window_options()
@click.option(
    "--upsample",
    type=click.Choice(UPSAMPLERS),
    default="bilinear",
    show_default=True,
    help="How the pooled image grows back.",
)
@click.option(
    "--normalize", type=click.Choice(NORMALIZATIONS), default="none", show_default=True, help="Scale of the input."
)
@click.option("--steps", type=click.IntRange(1), default=200, show_default=True, help="Steps of Adam.")
@click.option(
    "--lr", type=click.FloatRange(0, min_open=True), help="Adam's first step size.  [default: the operator's own]"
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Random seed: start values, tiles, batches.",
)
@device_option
def fit_command(
    spec: str,
    sources: tuple[str, ...],
    output: Path,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...] | None,
    upsample: str,
    normalize: str,
    steps: int,
    lr: float | None,
    seed: int,
    device: str,
) -> None:
    """Learn an operator's parameters from images: those that leave the least error when the pooled image is rebuilt.

    \b
    Example:
      poolzoo fit --pool lip --images photos/ --output lip.safetensors
      poolzoo compare --image skimage:coffee --pool avg --pool lip --fitted lip.safetensors
    """
    command_files().writes("--output", output, WEIGHTS)
    declare_images({"--images": sources})
    registry.pool_info(registry.parse_spec(spec)[0])  # an unknown name is answered before torch is imported
    check_axes(kernel_size, stride, 2)
    from poolzoo.analysis.results.machine import check_device
    from poolzoo.analysis.scoring.fitted_parameters import save_fitted
    from poolzoo.analysis.scoring.protocol import Protocol
    from poolzoo.api import learn_from
    from poolzoo.reports.text.fit_summary import render_fit

    check_device(device, "--device")
    protocol = Protocol(kernel_size, stride, (upsample,), normalize, seed=seed, device=device)
    fitted, unusable = learn_from(sources, spec, protocol, steps, lr, say_more)
    save_fitted(output, fitted)
    (note if command_files().stdout else say)(render_fit(fitted))
    say_written(output)
    if unusable:
        sys.exit(1)
