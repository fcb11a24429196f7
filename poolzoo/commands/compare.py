"""``poolzoo compare``: images, features, clips, or a whole dataset."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poolzoo import registry
from poolzoo._console import note, progress
from poolzoo.commands.modes import Command
from poolzoo.commands.options import (
    NORMALIZATIONS,
    OUTPUT,
    Failed,
    check_axes,
    device_option,
    metric_option,
    output_options,
    pool_options,
)
from poolzoo.commands.reading import declare_images, find_inputs, note_passed_over, plugins_given, say_passed_over
from poolzoo.commands.sample_pictures import draw_sample
from poolzoo.commands.writing import Writer, command_files, command_line, pictures_base, say_more

if TYPE_CHECKING:
    from poolzoo.analysis.results.schema import Result
    from poolzoo.analysis.scoring.fitted_parameters import Fitted
    from poolzoo.analysis.scoring.protocol import Protocol


@click.command(cls=Command)
@click.option(
    "--image",
    "sources",
    multiple=True,
    metavar="SRC",
    help="File, folder, glob, skimage:NAME or poolzoo:zoneplate; repeatable.",
)
@click.option(
    "--features",
    multiple=True,
    metavar="MODEL:LAYER",
    help="Pool this layer's activations for the images instead, as resnet18:layer1 or timm/resnet18:layer1;"
    " repeatable.",
)
@click.option(
    "--weights", metavar="FILE", help="The network's state dict, .pth or .safetensors.  [default: random, by --seed]"
)
@click.option("--video", "videos", multiple=True, metavar="FILE", help="GIF, MP4 and so on, pooled in 3D; repeatable.")
@click.option("--frames", type=click.IntRange(1), help="Of a video take the first so many.  [default: all]")
@click.option(
    "--volume", "volumes", multiple=True, metavar="FILE", help="Stack of TIFF pages, pooled in 3D; repeatable."
)
@click.option("--dataset", metavar="DIR", help="All images below this folder, into --store; goes on where it stopped.")
@click.option("--store", type=OUTPUT, metavar="FILE", help="The SQLite file of --dataset's rows.")
@click.option("--jobs", type=click.IntRange(1), help="Processes for --dataset.  [default: one a core]")
@click.option("--scheduler", metavar="ADDRESS", help="Use the workers of this Dask cluster, as tcp://host:8786.")
@click.option("--retry", is_flag=True, help="Score again what has failed in the store.")
@pool_options
@click.option(
    "--upsample",
    "upsamplers",
    multiple=True,
    type=click.Choice(("nearest", "bilinear", "bicubic", "optimal")),
    default=("bilinear",),
    show_default=True,
    help="How the pooled image grows back; repeatable. optimal is a linear decoder fitted on other images.",
)
@click.option(
    "--decoder-images",
    "decoder_images",
    multiple=True,
    metavar="SRC",
    help="What optimal decoders are fitted on, without the image scored; repeatable.  [default: scikit-image's"
    " photographs]",
)
@click.option(
    "--normalize",
    type=click.Choice(NORMALIZATIONS),
    default="none",
    show_default=True,
    help="Scale of the input; SoftPool and its kin depend on it.",
)
@metric_option
@click.option(
    "--protocol",
    "scoring",
    type=click.Choice(("roundtrip", "lowres")),
    default="roundtrip",
    show_default=True,
    help="Rebuild and score at full size, or score what was pooled against an antialiased small original.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Random seed: first draw, start values.",
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Draws of a stochastic operator.")
@device_option
@click.option("--fit", is_flag=True, help="Show learnable operators as they start and fitted, on other images.")
@click.option(
    "--fit-images",
    "fit_sources",
    multiple=True,
    metavar="SRC",
    help="Images to fit on, those that are scored left out; repeatable, and the same as --fit.  "
    "[default: scikit-image's photographs]",
)
@click.option(
    "--fitted",
    "fitted_files",
    multiple=True,
    type=OUTPUT,
    help="Use the parameters that poolzoo fit learned and wrote to this file; repeatable.",
)
@output_options
@click.option("--save-images", type=OUTPUT, metavar="DIR", help="Save every picture as PNG.")
def compare(
    sources: tuple[str, ...],
    features: tuple[str, ...],
    weights: str | None,
    videos: tuple[str, ...],
    frames: int | None,
    volumes: tuple[str, ...],
    dataset: str | None,
    store: Path | None,
    jobs: int | None,
    scheduler: str | None,
    retry: bool,
    pools: tuple[str, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...] | None,
    upsamplers: tuple[str, ...],
    decoder_images: tuple[str, ...],
    normalize: str,
    metrics: tuple[str, ...],
    scoring: str,
    seed: int,
    seeds: int,
    device: str,
    fit: bool,
    fit_sources: tuple[str, ...],
    fitted_files: tuple[Path, ...],
    fmt: str | None,
    output: Path | None,
    report: Path | None,
    baseline: str | None,
    save_plots: Path | None,
    save_images: Path | None,
) -> None:
    """Pool images, rebuild them, and score what is left.

    \b
    Examples:
      poolzoo compare --image skimage:coffee
      poolzoo compare --image photos/ --pool avg --pool 'soft*' --pool lp:p=3 --report photos.html
      poolzoo compare --image photos/ --features resnet18:layer1 --weights resnet18.pth
      poolzoo compare --video clip.gif --kernel-size 1x2x2
      poolzoo compare --image skimage:coffee --pool avg --pool dpp --pool lip --fit
      poolzoo compare --dataset photos/ --store photos.sqlite --pool avg --pool 'soft*'
      poolzoo compare --image poolzoo:zoneplate --metric alias --metric shift
    """
    if not (sources or features or videos or volumes or dataset):
        raise Failed("--image, --video, --volume or --dataset is needed: what is compared")
    if features and not sources:
        raise Failed("--features needs --image: what goes through the network")
    if dataset and not store:
        raise Failed(f"--dataset {dataset}: needs --store FILE, where its rows go")
    writer = Writer(fmt, output, report, save_plots)
    files = command_files()
    if store:
        files.writes("--store", store, only_file=True)
    for option, paths in (("--video", videos), ("--volume", volumes), ("--weights", filter(None, [weights]))):
        files.reads(option, paths)
    files.reads("--fitted", fitted_files)
    image_options = {"--image": sources, "--decoder-images": decoder_images, "--fit-images": fit_sources}
    passed_over = declare_images(image_options, dataset)
    ndim = 3 if videos or volumes else 2
    registry.expand_specs(pools)  # an unknown name is answered before torch is imported
    from poolzoo.analysis.results.machine import check_device
    from poolzoo.analysis.scoring.protocol import Protocol
    from poolzoo.api import PictureKeeper, defined_for, learned

    specs = defined_for(pools, ndim, note, "--pool")
    check_axes(kernel_size, stride, ndim)
    check_device(device, "--device")

    protocol = Protocol(
        kernel_size,
        stride,
        upsamplers,
        normalize,
        metrics,
        seed,
        seeds,
        device,
        protocol=scoring,
        decoder_images=decoder_images,
    )
    if dataset and store:
        fits, _ = learned(specs, protocol, (), (), fitted_files, learn=False, say=say_more)
        _compare_dataset(dataset, store, specs, protocol, fits, writer, baseline, jobs, scheduler, retry)
        return
    folder = files.writes_folder("--save-images", save_images) if save_images else None
    base = pictures_base(folder, writer.output) if writer.fmt == "json" else None
    found = find_inputs(sources, features, weights, videos, frames, volumes, seed)
    from poolzoo.analysis.inputs.images import Source
    from poolzoo.analysis.studies.compare import compare as run

    book, saved = None, None
    if report or folder:
        from poolzoo.reports.pictures.picture_book import PictureBook
        from poolzoo.reports.pictures.picture_files import PictureFolder

        book = PictureBook() if report else None
        saved = PictureFolder(folder, base, partial(files.spare, "--save-images")) if folder else None
    keepers = [keeper.add for keeper in (book, saved) if keeper is not None]
    pictures = [item for item in found if isinstance(item, Source)]
    learn = fit or bool(fit_sources)
    fits, unusable = learned(
        specs, protocol, pictures, fit_sources, fitted_files, learn=learn, say=say_more, argument="--fit"
    )
    with progress("Comparing") as on_step:
        result = run(
            found,
            specs,
            protocol,
            baseline=baseline,
            fits=fits,
            command=command_line(),
            on_view=PictureKeeper(upsamplers[0], keepers) if keepers else None,
            on_step=on_step,
        )
    _say_not_fitted_on(result)
    if base is not None and saved is not None:
        result.metadata["pictures"] = saved.entries
    note_passed_over(result, passed_over)
    writer.finish(result, book)
    if unusable:
        sys.exit(1)


def _say_not_fitted_on(result: Result) -> None:
    for reason in result.metadata.get("decoder", {}).get("skipped", []):
        note(f"not fitted on: {reason}")


def _compare_dataset(
    dataset: str,
    path: Path,
    specs: Sequence[str],
    protocol: Protocol,
    fits: Sequence[Fitted],
    writer: Writer,
    baseline: str | None,
    jobs: int | None,
    scheduler: str | None,
    retry: bool,
) -> None:
    """Bring the store up to date with the folder, then print and draw what is in it."""
    from poolzoo.analysis.results.store_reader import StoreReader
    from poolzoo.analysis.studies.dataset import compare_dataset

    try:
        with progress("Comparing", unit="images") as on_step:
            result = compare_dataset(
                dataset,
                specs,
                protocol,
                path,
                jobs=jobs,
                scheduler=scheduler,
                retry=retry,
                baseline=baseline,
                fits=fits,
                plugins=plugins_given(),
                command=command_line(),
                on_step=on_step,
                say=say_more,
            )
    except KeyboardInterrupt:
        note(f"poolzoo: stopped; the same command goes on from what is in {path}")
        sys.exit(130)
    _say_not_fitted_on(result)
    if result.metadata.get("passed_over"):
        say_passed_over("--dataset", result.metadata["dataset"]["images"], result.metadata["passed_over"])
    with StoreReader.open(path) as store:
        writer.finish(result, draw_sample(store, result) if writer.report else None, store.rows())
