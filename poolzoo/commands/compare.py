"""``poolzoo compare``: images, features, clips, or a whole dataset."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poolzoo import registry
from poolzoo._console import note
from poolzoo.analysis.scoring.protocol import NORMALIZATIONS, OPTIMAL, PROTOCOLS
from poolzoo.commands.completing import complete_files, complete_images
from poolzoo.commands.modes import Command
from poolzoo.commands.options import (
    OUTPUT,
    UPSAMPLERS_2D,
    Decorated,
    Failed,
    align_option,
    check_axes,
    device_option,
    metric_option,
    output_options,
    pool_options,
    with_options,
)
from poolzoo.commands.reading import declare_images, declare_network, plugins_given, say_passed_over
from poolzoo.commands.writing import Writer, command_files, counted, pictures_base

if TYPE_CHECKING:
    from poolzoo.analysis.results.result import Result


def input_options(command: Decorated) -> Decorated:
    """Add the options of what is compared."""
    options = [
        click.option(
            "--image",
            multiple=True,
            metavar="SRC",
            shell_complete=complete_images,
            help="Images: file, folder, glob or skimage:NAME; repeatable. poolzoo:zoneplate is a test pattern.",
        ),
        click.option(
            "--features",
            multiple=True,
            metavar="MODEL:LAYER",
            help="Pool this layer instead, e.g. resnet18:layer1; repeatable. The network's activations for the images"
            " are pooled; timm/resnet18:layer1 is one of timm's networks.",
        ),
        click.option(
            "--weights",
            metavar="FILE",
            shell_complete=complete_files,
            help="The network's state dict, .pth or .safetensors.  [default: random, by --seed]",
        ),
        click.option(
            "--video",
            multiple=True,
            metavar="FILE",
            shell_complete=complete_files,
            help="GIF, MP4 or other video, pooled in 3D; repeatable.",
        ),
        click.option("--frames", type=click.IntRange(1), help="Use only this many frames of a video.  [default: all]"),
        click.option(
            "--volume",
            multiple=True,
            metavar="FILE",
            shell_complete=complete_files,
            help="Stack of TIFF pages, pooled in 3D; repeatable.",
        ),
    ]
    return with_options(command, options)


def dataset_options(command: Decorated) -> Decorated:
    """Add the options of a dataset run."""
    options = [
        click.option(
            "--dataset",
            metavar="DIR|FILE",
            shell_complete=complete_files,
            help="Score all images of this folder, zip, tar or Parquet file into --store. Those of subfolders too, or"
            " of shards such as a-{000..009}.tar; a stopped run is resumed.",
        ),
        click.option("--store", type=OUTPUT, metavar="FILE", help="SQLite file for the rows of --dataset."),
        click.option("--jobs", type=click.IntRange(1), help="Processes for --dataset.  [default: one per core]"),
        click.option(
            "--scheduler", metavar="ADDRESS", help="Use the workers of this Dask cluster, e.g. tcp://host:8786."
        ),
        click.option("--retry", is_flag=True, help="Score the store's failed images again."),
    ]
    return with_options(command, options)


def protocol_options(command: Decorated) -> Decorated:
    """Add the options of pooling, upsampling and scoring."""
    options = [
        click.option(
            "--upsample",
            multiple=True,
            type=click.Choice((*UPSAMPLERS_2D, OPTIMAL)),
            default=("bilinear",),
            show_default=True,
            help="How to upsample the pooled image; repeatable. optimal is a linear decoder fitted on other images.",
        ),
        align_option,
        click.option(
            "--decoder-images",
            multiple=True,
            metavar="SRC",
            shell_complete=complete_images,
            help="Images to fit optimal decoders on, never the scored one; repeatable.  [default: scikit-image's"
            " photographs]",
        ),
        click.option(
            "--normalize",
            type=click.Choice(NORMALIZATIONS),
            default="none",
            show_default=True,
            help="Scale of the input. It changes SoftPool and similar operators.",
        ),
        metric_option,
        click.option(
            "--protocol",
            type=click.Choice(PROTOCOLS),
            default="roundtrip",
            show_default=True,
            help="Score at full size or at low resolution. roundtrip: upsample, and compare with the original; lowres:"
            " compare the pooled image with a downscaled original.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0),
            default=0,
            show_default=True,
            help="Random seed. It sets the first draw and initial parameters.",
        ),
        click.option(
            "--seeds", type=click.IntRange(1), default=3, show_default=True, help="Draws of a stochastic operator."
        ),
        device_option,
    ]
    return with_options(command, options)


def learning_options(command: Decorated) -> Decorated:
    """Add the options of learnable operators."""
    options = [
        click.option(
            "--fit",
            is_flag=True,
            help="Show learnable operators untrained and fitted. They are fitted on other images.",
        ),
        click.option(
            "--fit-images",
            multiple=True,
            metavar="SRC",
            shell_complete=complete_images,
            help="Images to fit on, except scored ones; repeatable; implies --fit.  "
            "[default: scikit-image's photographs]",
        ),
        click.option(
            "--fitted",
            multiple=True,
            type=OUTPUT,
            help="Use the parameters that poolzoo fit wrote to this file; repeatable.",
        ),
    ]
    return with_options(command, options)


@click.command(cls=Command)
@input_options
@dataset_options
@pool_options
@protocol_options
@learning_options
@output_options
@click.option(
    "--save-images",
    type=OUTPUT,
    metavar="DIR",
    help="Save the pooled and rebuilt images as PNG. Their differences too; all frames of a video or volume as GIF, "
    "and as MP4 with poolzoo[video].",
)
def compare(
    fmt: str | None,
    output: Path | None,
    report: Path | None,
    save_plots: Path | None,
    save_images: Path | None,
    **given: Any,
) -> None:
    """Pool images, upsample the result, and score it against the original.

    \b
    Examples:
      poolzoo compare --image skimage:coffee
      poolzoo compare --image photos/ --pool avg --pool 'soft*' --pool lp:p=3 --report photos.html
      poolzoo compare --image photos/ --features resnet18:layer1 --weights resnet18.pth
      poolzoo compare --video clip.gif --kernel-size 1x2x2
      poolzoo compare --dataset photos/ --store photos.sqlite --pool avg --pool 'soft*'
      poolzoo compare --image poolzoo:zoneplate --metric alias --metric shift
    """
    _check(given)
    writer = Writer(fmt, output, report, save_plots)
    _declare(given)
    files = command_files()
    folder = None
    if save_images:
        base = pictures_base(files.writes_folder("--save-images", save_images), writer)
        from poolzoo.reports.pictures.picture_files import PictureFolder

        folder = PictureFolder(save_images, base, partial(files.spare, "--save-images"))
    from poolzoo.api.comparing import compare as run
    from poolzoo.api.learning import TrainingImageError

    try:
        with counted(TrainingImageError) as unusable:
            result = run(**given, plugin=plugins_given(), pictures=bool(report), save_images=folder)
    except KeyboardInterrupt:
        if not given["dataset"]:
            raise
        note(f"poolzoo: stopped; rerun the command to resume from {given['store']}")
        sys.exit(130)
    _say_left_out(result)
    writer.finish(result)
    if unusable:
        sys.exit(1)


def _check(given: dict[str, Any]) -> None:
    """Raise Failed if an option needs another one, or names no operator, before torch is imported."""
    if not (given["image"] or given["features"] or given["video"] or given["volume"] or given["dataset"]):
        raise Failed("--image, --video, --volume or --dataset is needed: the images to compare on")
    if given["features"] and not given["image"]:
        raise Failed("--features needs --image: the images to run through the network")
    if given["dataset"] and not given["store"]:
        raise Failed(f"--dataset {given['dataset']}: needs --store FILE, for its rows")


def _declare(given: dict[str, Any]) -> None:
    """Declare the files that the command reads and writes."""
    files = command_files()
    if given["store"]:
        files.writes("--store", given["store"], only_file=True)
    weights = [given["weights"]] if given["weights"] else []
    for option, paths in (("--video", given["video"]), ("--volume", given["volume"]), ("--weights", weights)):
        files.reads(option, paths)
    files.reads("--fitted", given["fitted"])
    images = {f"--{name.replace('_', '-')}": given[name] for name in ("image", "decoder_images", "fit_images")}
    declare_images(images, given["dataset"])
    registry.expand_specs(given["pool"])
    check_axes(given, 3 if given["video"] or given["volume"] else 2)
    declare_network(given["like"])


def _say_left_out(result: Result) -> None:
    for reason in result.metadata.get("decoder", {}).get("skipped", []):
        note(f"not fitted on: {reason}")
    if "dataset" in result.metadata and result.metadata.get("passed_over"):
        say_passed_over("--dataset", result.metadata["dataset"]["images"], result.metadata["passed_over"])
