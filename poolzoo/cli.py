"""The command line: parse, call analysis or reports, print. Whatever imports torch is imported inside the commands."""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

import poolzoo
from poolzoo import registry
from poolzoo._console import note, open_streams, progress, quiet_libraries, say, width_of
from poolzoo._files import STDOUT, CommandFiles, write_whole
from poolzoo._modes import Group
from poolzoo.analysis.results.schema import METRIC_KEYS

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.images import Source
    from poolzoo.analysis.inputs.samples import Input
    from poolzoo.analysis.results.schema import Result
    from poolzoo.analysis.results.store import Store
    from poolzoo.analysis.scoring.fitted_parameters import Fitted
    from poolzoo.analysis.studies.compare import Protocol, View
    from poolzoo.reports.pictures.pooled_images import PictureBook

    SizesType = click.ParamType[tuple[int, ...]]
else:
    SizesType = click.ParamType  # not generic at run time before click 8.4

FORMATS = ("table", "csv", "json", "markdown")
#: Subsampling that `visualize checkered` draws: the names in poolzoo.analysis.studies.subsampling.
METHODS = ("naive", "lattice", "random", "traditional", "tri", "complete")
#: What --output's suffix says about the format.
SUFFIXES = {".csv": "csv", ".json": "json", ".md": "markdown", ".txt": "table"}
#: The suffixes of all else that is written; none of them is a format's, whatever --format says.
PAGE, PLOT, WEIGHTS = (".html", ".htm"), (".png", ".svg", ".pdf"), (".safetensors",)

#: Scales of the input: the names in poolzoo.analysis.studies.compare.NORMALIZATIONS.
NORMALIZATIONS = ("none", "imagenet", "inception", "255")
#: How a pooled image is upsampled, differentiably: the names in poolzoo.analysis.studies.compare.UPSAMPLERS.
UPSAMPLERS = ("nearest", "bilinear", "bicubic")

Command = TypeVar("Command", bound=Callable[..., Any])


class Sizes(SizesType):
    """``2`` or ``3x2``: ints joined by x."""

    name = "size"

    def __init__(self, least: int, axes: range) -> None:
        self.least, self.axes = least, axes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = str(value).lower().split("x")
        if not all(part.isascii() and part.isdigit() for part in parts):
            self.fail(f"{value!r} is not a size; ints joined by x are allowed, as {self._example}", param, ctx)
        sizes = tuple(map(int, parts))
        if len(sizes) not in self.axes or min(sizes) < self.least:
            self.fail(f"{value!r}: {self._allowed}, each at least {self.least}, as {self._example}", param, ctx)
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


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(poolzoo.__version__, prog_name="poolzoo")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE.py|MODULE",
    help="Run this first, for the operators it registers; repeatable. POOLZOO_PLUGINS does the same.",
)
def cli(plugins: tuple[str, ...]) -> None:
    """Compare pooling operators: what each keeps of an image, and what it costs.

    \b
    Example:
      poolzoo compare --image skimage:coffee --report coffee.html
    """
    registry.load_plugins(plugins)
    click.get_current_context().obj = CommandFiles()
    _files().reads("--plugin", _plugin_files())


def _files() -> CommandFiles:
    """What the command that runs reads and writes."""
    files: CommandFiles = click.get_current_context().obj
    return files


save_plots_option = click.option(
    "--save-plots",
    type=OUTPUT,
    metavar="DIR",
    help="Save every plot as PNG, SVG and PDF, two columns of a paper wide.",
)


def output_options(command: Command) -> Command:
    """The options of every command that measures."""
    options = [
        click.option("--format", "fmt", type=click.Choice(FORMATS), help="What to print or write.  [default: table]"),
        click.option(
            "--output",
            type=OUTPUT,
            help="Write to this file (its suffix says the format, if --format does not) and print the table; -"
            " is standard output, here and for all that is written.",
        ),
        click.option("--report", type=OUTPUT, help="Write an HTML page that opens anywhere."),
        click.option("--baseline", metavar="SPEC", help="Operator to compare with.  [default: avg]"),
        save_plots_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def window_options(axes: int = 2, default: str = "2") -> Callable[[Command], Command]:
    """The window of the operators, over up to so many axes."""
    sizes = "2, 3x2 or 1x2x2" if axes == 3 else "2 or 3x2"

    def decorate(command: Command) -> Command:
        shape = Sizes(1, range(1, axes + 1))
        size = click.option(
            "--kernel-size", type=shape, default=default, show_default=True, help=f"Size of the window, as {sizes}."
        )
        step = f"From window to window, as {sizes}.  [default: the kernel size]"
        return size(click.option("--stride", type=shape, help=step)(command))

    return decorate


def pool_options(command: Command) -> Command:
    """Which operators, with which window."""
    options = [
        click.option(
            "--pool",
            "pools",
            multiple=True,
            metavar="SPEC",
            help="Operator, as softpool, 'soft*' or lp:p=3; repeatable.  [default: all]",
        ),
        window_options(3),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@cli.command("list")
@click.argument("pattern", default="*")
def list_command(pattern: str) -> None:
    """List the operators whose names match PATTERN.

    \b
    Example:
      poolzoo list '*blur*'
    """
    facts = registry.pool_facts(pattern)
    if not facts:
        raise Failed(f"pattern {pattern!r}: no operator matches; `poolzoo list` names them all")
    width = max(len(fact["name"]) for fact in facts)
    lines = []
    for fact in facts:
        notes = [note for note in ("learnable", "stochastic") if fact[note]]
        notes += [] if len(fact["ndims"]) == 3 else ["/".join(f"{n}D" for n in fact["ndims"])]
        lines.append(f"{fact['name']:{width}}  {fact['summary']}{' [' + ', '.join(notes) + ']' if notes else ''}")
    say("\n".join(lines))


@cli.command()
@click.argument("spec")
def show(spec: str) -> None:
    """Show all there is to know of the operator SPEC: formula, source, parameters, limits, the gradient of a window.

    \b
    Examples:
      poolzoo show softpool
      poolzoo show lp:p=3
    """
    registry.pool_info(registry.parse_spec(spec)[0])  # an unknown name is answered before torch is imported
    from poolzoo.analysis.studies.operator_card import make_card
    from poolzoo.reports.pictures.operator_card import render_card

    color = sys.stdout.isatty()
    say(render_card(make_card(spec), color=color, width=width_of(sys.stdout)))


@cli.command()
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
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=click.Choice(METRIC_KEYS),
    default=("ssim", "psnr"),
    show_default=True,
    help="What is scored; repeatable, and the first one sorts. ms_ssim to haarpsi are piq's: pip install"
    " 'poolzoo[metrics]'. alias and what follows are of the operator itself, without an upsampler.",
)
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
@click.option("--device", default="cpu", show_default=True, help="Where to compute, as cpu or cuda:0.")
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
    files = _files()
    if store:
        files.writes("--store", store, only_file=True)
    for option, paths in (("--video", videos), ("--volume", volumes), ("--weights", filter(None, [weights]))):
        files.reads(option, paths)
    files.reads("--fitted", fitted_files)
    image_options = {"--image": sources, "--decoder-images": decoder_images, "--fit-images": fit_sources}
    passed_over = _declare_images(image_options, dataset)
    ndim = 3 if videos or volumes else 2
    registry.expand_specs(pools)  # an unknown name is answered before torch is imported
    from poolzoo.analysis.results.machine import check_device
    from poolzoo.analysis.studies.compare import Protocol
    from poolzoo.api import PictureKeeper, defined_for, learned

    specs = defined_for(pools, ndim, note, "--pool")
    _check_axes(kernel_size, stride, ndim)
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
        fits, _ = learned(specs, protocol, (), (), fitted_files, learn=False, say=_say_more)
        _compare_dataset(dataset, store, specs, protocol, fits, writer, baseline, jobs, scheduler, retry)
        return
    folder = files.writes_folder("--save-images", save_images) if save_images else None
    base = _pictures_base(folder, writer.output) if writer.fmt == "json" else None
    found = _find_inputs(sources, features, weights, videos, frames, volumes, seed)
    from poolzoo.analysis.inputs.images import Source
    from poolzoo.analysis.studies.compare import compare as run

    book, saved = None, None
    if report or folder:
        from poolzoo.reports.pictures.pooled_images import PictureBook, PictureFolder

        book = PictureBook() if report else None
        saved = PictureFolder(folder, base, partial(files.spare, "--save-images")) if folder else None
    keepers = [keeper.add for keeper in (book, saved) if keeper is not None]
    pictures = [item for item in found if isinstance(item, Source)]
    learn = fit or bool(fit_sources)
    fits, unusable = learned(
        specs, protocol, pictures, fit_sources, fitted_files, learn=learn, say=_say_more, argument="--fit"
    )
    with progress("Comparing") as on_step:
        result = run(
            found,
            specs,
            protocol,
            baseline=baseline,
            fits=fits,
            command=_command_line(),
            on_view=PictureKeeper(upsamplers[0], keepers) if keepers else None,
            on_step=on_step,
        )
    _say_not_fitted_on(result)
    if base is not None and saved is not None:
        result.metadata["pictures"] = saved.entries
    _note_passed_over(result, passed_over)
    writer.finish(result, book)
    if unusable:
        sys.exit(1)


def _say_not_fitted_on(result: Result) -> None:
    for reason in result.metadata.get("decoder", {}).get("skipped", []):
        note(f"not fitted on: {reason}")


def _say_more(text: str) -> None:
    note(f"poolzoo: {text}")


@cli.command("fit")
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
@click.option("--device", default="cpu", show_default=True, help="Where to compute, as cpu or cuda:0.")
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
    _files().writes("--output", output, WEIGHTS)
    _declare_images({"--images": sources})
    registry.pool_info(registry.parse_spec(spec)[0])  # an unknown name is answered before torch is imported
    _check_axes(kernel_size, stride, 2)
    from poolzoo.analysis.inputs.training_images import find_training_images
    from poolzoo.analysis.results.machine import check_device
    from poolzoo.analysis.scoring.fitted_parameters import save_fitted
    from poolzoo.analysis.studies.compare import Protocol
    from poolzoo.analysis.studies.fit import check_learnable, cut_tiles, fit
    from poolzoo.reports.text.fit_summary import render_fit

    check_device(device, "--device")
    protocol = Protocol(kernel_size, stride, (upsample,), normalize, seed=seed, device=device)
    check_learnable(spec, protocol)
    training = find_training_images(sources, seed=seed)
    for error in training.errors:
        _say_more(f"training image left out: {error}")
    tiles = cut_tiles(training, protocol)
    with progress("Fitting") as on_step:
        fitted = fit(spec, tiles, protocol, steps=steps, learning_rate=lr, on_step=on_step)
    if fitted.error:
        raise Failed(f"{fitted.spec}: {fitted.error}")
    save_fitted(output, fitted)
    (note if _files().stdout else say)(render_fit(fitted))
    _say_written(output)
    if training.errors:
        sys.exit(1)


@cli.command()
@click.option("--pool", "spec", required=True, metavar="SPEC", help="The operator whose parameter is varied.")
@click.option(
    "--over",
    required=True,
    metavar="NAME=VALUES",
    help="A parameter and a range, beta=0.1..16, or a list, beta=0.1,1,4.",
)
@click.option(
    "--points",
    type=click.IntRange(2, 1000),
    default=9,
    show_default=True,
    help="Values in a range: spaced by a common factor, or by a common step where 0 or less is in it.",
)
@click.option(
    "--image",
    "sources",
    multiple=True,
    required=True,
    metavar="SRC",
    help="File, folder, glob or skimage:NAME; repeatable.",
)
@window_options()
@click.option(
    "--upsample",
    "upsamplers",
    multiple=True,
    type=click.Choice(UPSAMPLERS),
    default=("bilinear",),
    show_default=True,
    help="How the pooled image grows back; repeatable.",
)
@click.option(
    "--normalize",
    "normalizations",
    multiple=True,
    type=click.Choice(NORMALIZATIONS),
    default=("none",),
    show_default=True,
    help="Scale of the input, a curve for each; repeatable.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=click.Choice(METRIC_KEYS),
    default=("ssim", "psnr"),
    show_default=True,
    help="What is scored; repeatable. ms_ssim to haarpsi are piq's: pip install 'poolzoo[metrics]'. alias and what"
    " follows are of the operator itself, without an upsampler.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed: draws, start values.")
@click.option("--device", default="cpu", show_default=True, help="Where to compute, as cpu or cuda:0.")
@output_options
@click.option("--plot", type=OUTPUT, help="Draw the curves: a .png, .svg or .pdf file.")
def sweep(
    spec: str,
    over: str,
    points: int,
    sources: tuple[str, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...] | None,
    upsamplers: tuple[str, ...],
    normalizations: tuple[str, ...],
    metrics: tuple[str, ...],
    seed: int,
    device: str,
    fmt: str | None,
    output: Path | None,
    report: Path | None,
    baseline: str | None,
    save_plots: Path | None,
    plot: Path | None,
) -> None:
    """Vary one parameter of an operator, and see how much is left at each value; avg and max stand beside it.

    \b
    Examples:
      poolzoo sweep --pool softpool --over beta=0.1..16 --image skimage:coffee --plot softpool.png
      poolzoo sweep --pool softpool --over beta=0.1..16 --normalize none --normalize 255 --image skimage:coffee
    """
    writer = Writer(fmt, output, report, save_plots)
    if plot:
        writer.writes("--plot", plot, PLOT)
    passed_over = _declare_images({"--image": sources})
    _check_axes(kernel_size, stride, 2)
    from poolzoo.analysis.inputs.images import find_images
    from poolzoo.analysis.studies.sweep import plan_sweep, run_sweep

    plan = plan_sweep(spec, over, points)
    found = find_images(sources)
    from poolzoo.analysis.results.machine import check_device
    from poolzoo.analysis.studies.compare import Protocol

    check_device(device, "--device")
    protocol = Protocol(kernel_size, stride, upsamplers, metrics=metrics, seed=seed, device=device)
    with progress("Sweeping") as on_step:
        result = run_sweep(
            plan, found, protocol, normalizations, baseline=baseline, command=_command_line(), on_step=on_step
        )
    _note_passed_over(result, passed_over)
    if plot and any(row["error"] is None for row in result.rows):
        from poolzoo.reports.plots.style import to_file
        from poolzoo.reports.plots.sweep_curves import plot_sweep

        write_whole(plot, to_file(plot_sweep(result), plot.suffix[1:].lower() or "png"))
        _say_written(plot)
    writer.finish(result, None)


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
    from poolzoo.analysis.results.store import Store
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
                plugins=_plugins(),
                command=_command_line(),
                on_step=on_step,
                say=_say_more,
            )
    except KeyboardInterrupt:
        note(f"poolzoo: stopped; the same command goes on from what is in {path}")
        sys.exit(130)
    _say_not_fitted_on(result)
    if result.metadata.get("passed_over"):
        _say_passed_over("--dataset", result.metadata["dataset"]["images"], result.metadata["passed_over"])
    with Store.open(path) as store:
        writer.finish(result, _draw_sample(store, result) if writer.report else None, store.rows())


def _plugins() -> list[str]:
    """What registered operators in this process, as another process finds it."""
    given = click.get_current_context().find_root().params["plugins"]
    named = [*filter(None, os.environ.get("POOLZOO_PLUGINS", "").split(os.pathsep)), *given]
    return [os.path.abspath(name) if name.endswith(".py") else name for name in named]


def _plugin_files() -> Iterator[str]:
    for name in _plugins():
        file = name if name.endswith(".py") else sys.modules[name].__file__
        if file:
            yield file


def _draw_sample(store: Store, sample: Result) -> PictureBook:
    """Pictures of the sample's images, made anew: a store holds numbers only. Without what made them there are none."""
    from poolzoo.analysis.inputs.images import Source
    from poolzoo.analysis.studies.compare import Protocol, compare as run
    from poolzoo.reports.pictures.pooled_images import PictureBook, pictures_of

    book = PictureBook()

    def keep(view: View) -> None:
        for picture in pictures_of(view):
            book.add(picture)

    named = [image["name"] for image in sample.metadata["images"]]
    sources = [Source(name, store.folder / name) for name in named if (store.folder / name).is_file()]
    if len(sources) < len(named):
        gone = len(named) - len(sources)
        note(f"{gone} of {len(named)} pictures are gone from {store.folder}; the page goes without")
    # The scores are there: none is made anew, nor needs to be possible here.
    try:
        protocol = Protocol(**store.protocol | {"metrics": ("psnr",), "timed": False})
        with progress("Drawing") as on_step:
            run(sources, store.specs, protocol, on_view=keep, on_step=on_step)
    except (TypeError, ValueError) as error:  # of another version, with a --plugin, with images for decoders, a GPU
        note(f"{store.path}: no pictures can be drawn: {_reason(error)}; the page goes without")
    return book


@cli.command()
@pool_options
@click.option("--gpu", is_flag=True, help="Profile on the CUDA GPU; an error where there is none.")
@click.option("--device", help="Where to compute, as cpu or cuda:0.  [default: cpu]")
@click.option(
    "--shape",
    type=Sizes(1, range(3, 6)),
    default="20x32x128x128",
    show_default=True,
    help="Of the tensor, as batch x channels x sizes.",
)
@click.option(
    "--dtype",
    type=click.Choice(("float64", "float32", "bfloat16", "float16")),
    default="float32",
    show_default=True,
    help="Type of the tensor's numbers.",
)
@click.option("--channels-last", is_flag=True, help="Lay the tensor out with channels innermost.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: torch's choice]")
@click.option(
    "--min-time",
    type=click.FloatRange(0, min_open=True),
    default=0.2,
    show_default=True,
    help="Seconds over which each figure is measured, at least.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed: input, start values.")
@output_options
def profile(
    pools: tuple[str, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...] | None,
    gpu: bool,
    device: str | None,
    shape: tuple[int, ...],
    dtype: str,
    channels_last: bool,
    threads: int | None,
    min_time: float,
    seed: int,
    fmt: str | None,
    output: Path | None,
    report: Path | None,
    baseline: str | None,
    save_plots: Path | None,
) -> None:
    """Measure what operators cost: time, memory, bandwidth.

    \b
    Examples:
      poolzoo profile --pool avg --pool 'soft*' --shape 8x64x56x56
      poolzoo profile --gpu --dtype float16 --channels-last
    """
    # torch's profiler, which counts memory, else narrates on stderr; it reads this when torch is imported.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    writer = Writer(fmt, output, report, save_plots)
    ndim = len(shape) - 2
    registry.expand_specs(pools)  # an unknown name is answered before torch is imported
    from poolzoo.analysis.results.machine import check_device
    from poolzoo.api import defined_for

    specs = defined_for(pools, ndim, note, "--pool")
    _check_axes(kernel_size, stride, ndim)
    device = "cuda" if gpu else device or "cpu"
    check_device(device, "--gpu" if gpu else "--device")
    from poolzoo.analysis.studies.profile import Workload, profile as run

    workload = Workload(shape, kernel_size, stride, dtype, device, channels_last, threads, min_time, seed)
    with progress("Profiling") as on_step:
        result = run(
            specs,
            workload,
            baseline=baseline,
            command=_command_line(),
            on_step=on_step,
        )
    writer.finish(result, None)


@cli.command()
@click.argument("results", nargs=-1, required=True, metavar="RESULT...")
@click.option("--output", type=OUTPUT, required=True, help="The page to write.")
@save_plots_option
def report(results: tuple[str, ...], output: Path, save_plots: Path | None) -> None:
    """Draw an HTML page from saved results, of compare and of profile: JSON files, pages drawn before, and stores of
    dataset runs.

    Several results of one kind are shown side by side, with the change of every operator. Pictures are shown where
    compare was run with --save-images and the folder is still there.

    \b
    Examples:
      poolzoo compare --image skimage:coffee --save-images coffee --output coffee.json
      poolzoo profile --output cost.json
      poolzoo report coffee.json cost.json --output coffee.html
      poolzoo report before.html after.json --output change.html
    """
    from poolzoo.analysis.results.store import Store, is_store
    from poolzoo.reports.page.evidence import results_in_file
    from poolzoo.reports.page.page import render_page
    from poolzoo.reports.pictures.pooled_images import PictureBook, book_from_metadata

    _files().reads("RESULT", results)
    _files().writes("--output", output, PAGE)
    folder = _files().writes_folder("--save-plots", save_plots) if save_plots else None
    loaded: list[Result] = []
    sources: list[str] = []
    book = PictureBook()
    for name in results:
        if is_store(Path(name)):
            with Store.open(Path(name)) as store:
                loaded.append(store.sample())
                if not loaded[-1].rows:
                    raise Failed(f"{name}: no image has been scored yet; run its compare --dataset again")
                book.update(_draw_sample(store, loaded[-1]))
            sources.append(Path(name).name)
            continue
        try:
            found = results_in_file(name)
        except OSError as error:
            raise Failed(f"{name}: {_reason(error)}") from error
        loaded += found
        sources += [Path(name).name] * len(found)
        try:
            for result in found:
                book.update(book_from_metadata(result.metadata, Path(name).parent))
        except FileNotFoundError as error:
            note(f"{name}: its picture {error.filename} is gone; the page goes without")
    write_whole(output, render_page(loaded, book, sources))
    _say_written(output)
    if folder:
        _save_plots(folder, loaded)


@cli.group()
def visualize() -> None:
    """Draw what operators do.

    \b
    Example:
      poolzoo visualize weights --image skimage:camera --output weights.png
      poolzoo visualize checkered --method lattice --output lattice.png
    """


@visualize.command()
@click.option("--image", "source", required=True, metavar="SRC", help="One picture: a file or skimage:NAME.")
@click.option(
    "--pool",
    "pools",
    multiple=True,
    metavar="SPEC",
    help=f"Operator, as softpool, 'soft*' or lp:p=3; repeatable.  [default: {', '.join(registry.TELLING)}]",
)
@window_options(default="4")
@click.option(
    "--size",
    type=click.IntRange(1),
    default=48,
    show_default=True,
    help="Side of the cut-out with the most detail, in pixels; it is all that is looked at.",
)
@click.option("--output", type=OUTPUT, required=True, help="The PNG file to write.")
def weights(
    source: str,
    pools: tuple[str, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...] | None,
    size: int,
    output: Path,
) -> None:
    """Draw the weight that each operator gives each pixel of its windows, side by side.

    The picture is made grey. A pixel's weight is the gradient dy/da: the derivative of all that is pooled by that
    pixel. Where an operator's weights depend on the pixels, as softpool's do, the two differ.

    \b
    Example:
      poolzoo visualize weights --image skimage:camera --pool avg --pool 'soft*' --output weights.png
    """
    _files().writes("--output", output, (".png",))
    _declare_images({"--image": [source]})
    registry.expand_specs(pools)  # an unknown name is answered before torch is imported
    from poolzoo.api import visualize_weights
    from poolzoo.reports.plots.style import to_png

    figure = visualize_weights(
        source, pool=pools or registry.TELLING, kernel_size=kernel_size, stride=stride, size=size
    )
    write_whole(output, to_png(figure))
    _say_written(output)


@visualize.command()
@click.option("--size", type=click.IntRange(2, 2048), default=64, show_default=True, help="Side of the image.")
@click.option("--steps", type=click.IntRange(1, 10), default=3, show_default=True, help="Subsampling steps.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="lattice",
    show_default=True,
    help="Which positions a step keeps; tri has a stride of 3, the others of 2.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed of random and tri.")
@click.option("--output", type=OUTPUT, help="A PNG file: all steps side by side.")
@click.option("--gif", type=OUTPUT, help="A GIF file: one step after the other.")
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
            _files().writes(option, path, (suffix,))
    from poolzoo.analysis.studies.subsampling import kept_positions
    from poolzoo.reports.pictures.subsampling import sampling_gif, sampling_png

    kept = kept_positions(size, steps, method, seed)
    for path, draw in ((output, sampling_png), (gif, sampling_gif)):
        if path:
            write_whole(path, draw(kept, method))
            _say_written(path)


@cli.command()
@click.option("--cuda", is_flag=True, help="The CUDA operators as well; TORCH_CUDA_ARCH_LIST says for which GPUs.")
def build(cuda: bool) -> None:
    """Build the native operators now instead of when they are first used.

    \b
    Examples:
      poolzoo build
      TORCH_CUDA_ARCH_LIST=9.0 poolzoo build --cuda
    """
    import warnings

    from poolzoo import cuda as native

    for device in ("cpu", "cuda") if cuda else ("cpu",):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reason is said below, and is an error here
            reason = native.build(device)
        if reason:
            raise Failed(f"the native {device} operators cannot be built: {reason}")
        say(f"native {device}: {native.status()[device]}")


@cli.command()
def doctor() -> None:
    """Show what this machine has: versions, processor, GPU, compilers.

    \b
    Example:
      poolzoo doctor
    """
    from poolzoo.analysis.results.machine import doctor as examine

    facts = examine()
    width = max(map(len, facts))
    say("\n".join(f"{name:{width}}  {value}" for name, value in facts.items()))


class Writer:
    """Where a result goes. Made before the work, so that what cannot be written is known first."""

    def __init__(
        self, fmt: str | None, output: Path | None, report: Path | None, save_plots: Path | None = None
    ) -> None:
        files = _files()
        suffix = output.suffix.lower() if output else ""
        if output:
            target = files.writes("--output", output)
            if target.kind == "file":
                _check_format(output, fmt)
            # What goes to standard output is what would be printed without a file.
            output = None if target.kind == "stdout" else output
        self.fmt = fmt or SUFFIXES.get(suffix, "table")
        self.output, self.report = output, report
        if report:
            self.writes("--report", report, PAGE)
        self.plots = files.writes_folder("--save-plots", save_plots) if save_plots else None

    def writes(self, option: str, path: Path, suffixes: Sequence[str]) -> None:
        """Declare another output; where it takes standard output, the table goes to standard error."""
        target = _files().writes(option, path, suffixes)
        if target.kind == "stdout" and not self.output and self.fmt != "table":
            raise Failed(f"{option} {str(path)!r}: standard output holds the {self.fmt}; give --output a file name")

    def finish(self, result: Result, book: Any, rows: Iterable[dict[str, Any]] | None = None) -> None:
        """Print and write the result; then name what failed and exit 1, or 2 where nothing succeeded.

        Args:
            result: to print.
            book: its pictures, for the page.
            rows: all rows, where the result holds a sample.
        """
        from poolzoo.reports.text.tables import render, stream

        failures = [row for row in result.rows if row["error"]]
        if len(failures) == len(result.rows):
            _complain(failures)
            sys.exit(2)
        parts = stream(result, rows, self.fmt) if rows is not None and self.fmt in ("csv", "json") else None
        if self.output:
            write_whole(self.output, parts or render(result, self.fmt))
        fmt = "table" if self.output else self.fmt
        if parts and not self.output:
            for part in parts:
                say(part, nl=False)
        else:
            # Where a page or a plot takes standard output, the table goes to the other one.
            beside = _files().stdout not in (None, "--output")
            where = sys.stderr if beside else sys.stdout
            color = fmt == "table" and where.isatty()
            (note if beside else say)(render(result, fmt, color=color, width=width_of(where)))
        if self.output:
            _say_written(self.output)
        if self.report:
            from poolzoo.reports.page.page import render_page

            write_whole(self.report, render_page([result], book))
            _say_written(self.report)
        if self.plots:
            _save_plots(self.plots, [result])
        if failures:
            _complain(failures)
            more = result.metadata.get("dataset", {}).get("failed", 0) - len(failures)
            if more > 0:
                note(f"poolzoo: and {more} more rows without numbers, in the store")
            sys.exit(1)


def _check_format(output: Path, fmt: str | None) -> None:
    """Whether a file name's suffix says the format, or at least no other one."""
    suffix = output.suffix.lower()
    if fmt and (SUFFIXES.get(suffix, fmt) != fmt or suffix in (*PAGE, *PLOT, *WEIGHTS, ".gif")):
        allowed = next(ending for ending, says in SUFFIXES.items() if says == fmt)
        raise Failed(f"--output {str(output)!r}: with --format {fmt} its name ends in {allowed}; a page is --report")
    if not fmt and suffix not in SUFFIXES:
        allowed = ", ".join(SUFFIXES)
        raise Failed(
            f"--output {str(output)!r}: give --format, or a suffix that says it, {allowed}; a page is --report"
        )


def _say_written(path: Path) -> None:
    if path != STDOUT:
        note(f"wrote {path}")


def _declare_images(sources: Mapping[str, Sequence[str]], dataset: str | None = None) -> dict[str, dict[str, int]]:
    """Tell the files of the command which images its options read, and the user which files their folders also hold.

    Returns:
        By option, how many files with which suffixes were passed over.
    """
    from poolzoo.analysis.inputs.images import SUFFIXES as IMAGE_SUFFIXES, find_images

    others: dict[str, dict[str, int]] = {}
    for option, names in sources.items():
        passed_over: Counter[str] = Counter()
        found = find_images(names, passed_over)
        _files().reads(option, [source.path for source in found])
        if passed_over:
            others[option] = dict(passed_over)
            _say_passed_over(option, len(found), passed_over)
    if dataset:
        _files().reads_below("--dataset", dataset, IMAGE_SUFFIXES)
    return others


def _note_passed_over(result: Result, passed_over: Mapping[str, dict[str, int]]) -> None:
    """Keep in a result which files of the folders that were scored are no images."""
    if "--image" in passed_over:
        result.metadata["passed_over"] = passed_over["--image"]


def _say_passed_over(option: str, images: int, passed_over: Mapping[str, int]) -> None:
    from poolzoo.analysis.inputs.images import shown_counts

    note(f"{option}: {images} image{'s' if images != 1 else ''}; passed over: {shown_counts(passed_over)}")


def _save_plots(folder: Path, results: Sequence[Result]) -> None:
    from poolzoo.reports.plots.all_plots import save_drawings

    written = save_drawings(folder, results, partial(_files().spare, "--save-plots"))
    note(f"wrote {len(written)} files of plots into {folder}")


def _complain(failures: Sequence[dict[str, Any]]) -> None:
    """One line a failure on stderr; one that repeats on other images or seeds is counted."""
    from poolzoo.analysis.results.schema import label

    seen: dict[str, int] = {}
    for row in failures:
        # An image that cannot be used has a row without an operator; its error names it.
        line = f"{label(row)}: {row['error']}" if row["pool"] else row["error"]
        seen[line] = seen.get(line, 0) + 1
    for line, times in seen.items():
        note(f"poolzoo: {line}{f' ({times} rows)' if times > 1 else ''}")


def _find_inputs(
    sources: Sequence[str],
    features: Sequence[str],
    weights: str | None,
    videos: Sequence[str],
    frames: int | None,
    volumes: Sequence[str],
    seed: int,
) -> list[Source | Input]:
    """What `compare` compares: images or their features, or else videos and volumes."""
    from poolzoo.analysis.inputs.images import find_images

    if videos or volumes:
        from poolzoo.analysis.inputs.clips import Video, Volume

        return [*(Video(path, frames) for path in dict.fromkeys(videos)), *map(Volume, dict.fromkeys(volumes))]
    found = find_images(sources)
    if not features:
        return [*found]
    from poolzoo.analysis.inputs.features import feature_maps, find_layers

    return [*feature_maps(found, find_layers(features, weights, seed))]


def _check_axes(kernel_size: Sequence[int], stride: Sequence[int] | None, ndim: int) -> None:
    for option, value in (("--kernel-size", kernel_size), ("--stride", stride)):
        if value is not None and len(value) not in (1, ndim):
            raise Failed(f"{option} {'x'.join(map(str, value))}: one int or {ndim} are allowed here")


def _pictures_base(folder: Path | None, output: Path | None) -> Path | None:
    """The result's folder, if the pictures lie inside it: only then does the result say where they are."""
    if folder is None or output is None:
        return None
    if folder.resolve().is_relative_to(output.parent.resolve()):
        return output.parent
    note(f"{folder} is not inside {output.parent}: `poolzoo report` will not find the pictures")
    return None


def _command_line() -> str:
    return shlex.join(["poolzoo", *sys.argv[1:]])


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or " ".join(str(error).split()))


def main() -> NoReturn:
    """The console script: bad input is one line on stderr and exit code 2."""
    open_streams()
    quiet_libraries()
    try:
        cli.main(prog_name="poolzoo", standalone_mode=False)
    except click.ClickException as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # since click 8.2
            note(error.format_message())
            sys.exit(2)
        _fail(error.format_message())
    except ValueError as error:
        # What the package itself raises for bad input: one line that names the argument, the value and what is allowed.
        _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        note("poolzoo: stopped")
        sys.exit(130)
    except OSError as error:
        # A disk that filled up, a file that went away.
        _fail(": ".join(filter(None, (str(error.filename or ""), _reason(error)))))
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    note(f"poolzoo: {' '.join(message.split())}")
    sys.exit(2)


if __name__ == "__main__":
    main()
