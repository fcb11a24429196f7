"""``poolzoo visualize``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from poolzoo import registry
from poolzoo._files import write_whole
from poolzoo.commands.completing import complete_images, complete_pools
from poolzoo.commands.modes import CommandGroup
from poolzoo.commands.options import OUTPUT, Failed, window_options
from poolzoo.commands.reading import declare_images, declare_network
from poolzoo.commands.writing import command_files, say_written

#: Subsampling that `visualize checkered` draws: the names in poolzoo.analysis.studies.subsampling.
METHODS = ("naive", "lattice", "random", "traditional", "tri", "complete")


@click.group(cls=CommandGroup)
def visualize() -> None:
    """Draw how operators weight and sample their input.

    \b
    Example:
      poolzoo visualize weights --image skimage:camera --output weights.png
      poolzoo visualize checkered --method lattice --output lattice.png
    """


@visualize.command()
@click.option(
    "--image", required=True, metavar="SRC", shell_complete=complete_images, help="One image: a file or skimage:NAME."
)
@click.option(
    "--pool",
    multiple=True,
    metavar="SPEC",
    shell_complete=complete_pools,
    help=f"Operator, e.g. softpool, 'soft*' or lp:p=3; repeatable.  [default: {', '.join(registry.TELLING)}]",
)
@window_options(default="4")
@click.option(
    "--size",
    type=click.IntRange(1),
    default=48,
    show_default=True,
    help="Side in pixels of the cut-out that is used: the one with the most detail.",
)
@click.option("--output", type=OUTPUT, required=True, help="The PNG file to write.")
def weights(image: str, pool: tuple[str, ...], output: Path, **given: Any) -> None:
    """Draw the weight that each operator gives each pixel of its windows, side by side.

    The image is converted to grey. A pixel's weight is the gradient dy/da: the derivative of the pooled values by that
    pixel. It differs from the weight in the formula if that depends on the pixels, as softpool's does.

    \b
    Example:
      poolzoo visualize weights --image skimage:camera --pool avg --pool 'soft*' --output weights.png
    """
    command_files().writes("--output", output, (".png",))
    declare_images({"--image": [image]})
    declare_network(given["like"])
    registry.expand_specs(pool)  # an unknown name is answered before torch is imported
    from poolzoo.api.drawing import visualize_weights
    from poolzoo.reports.plots.style import to_png

    figure = visualize_weights(image, pool=pool or registry.TELLING, **given)
    write_whole(output, to_png(figure))
    say_written(output)


@visualize.command()
@click.option("--size", type=click.IntRange(2, 2048), default=64, show_default=True, help="Side of the image.")
@click.option("--steps", type=click.IntRange(1, 10), default=3, show_default=True, help="Subsampling steps.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="lattice",
    show_default=True,
    help="Which positions a step keeps; tri has stride 3, the others have stride 2.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed for random and tri.")
@click.option("--output", type=OUTPUT, help="PNG file to write: all steps side by side.")
@click.option("--gif", type=OUTPUT, help="GIF file to write: one step after the other.")
def checkered(size: int, steps: int, method: str, seed: int, output: Path | None, gif: Path | None) -> None:
    """Draw which input positions survive each subsampling step, and in which submap.

    \b
    Example:
      poolzoo visualize checkered --size 64 --steps 3 --method naive --output naive.png --gif naive.gif
    """
    if not (output or gif):
        raise Failed("--output or --gif is needed: the file to write")
    for path, option, suffix in ((output, "--output", ".png"), (gif, "--gif", ".gif")):
        if path:
            command_files().writes(option, path, (suffix,))
    from poolzoo.api.drawing import visualize_checkered

    visualize_checkered(size=size, steps=steps, method=method, seed=seed, output=output, gif=gif)
    for path in filter(None, (output, gif)):
        say_written(path)
