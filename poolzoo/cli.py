"""The command line: parse, call analysis or reports, print. Whatever imports torch is imported inside the commands."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

import poolzoo
from poolzoo import registry

if TYPE_CHECKING:
    from poolzoo.analysis.compare import View
    from poolzoo.analysis.rows import Result
    from poolzoo.reports.pictures import Picture

    SizesType = click.ParamType[tuple[int, ...]]
else:
    SizesType = click.ParamType  # not generic at run time before click 8.4

FORMATS = ("table", "csv", "json", "markdown")
#: Subsampling that `visualize checkered` draws: the names in poolzoo.analysis.sampling.
METHODS = ("naive", "lattice", "random", "traditional", "tri", "complete")
#: What --output's suffix says about the format.
SUFFIXES = {".csv": "csv", ".json": "json", ".md": "markdown", ".txt": "table"}

#: Operators whose weights differ to the eye: what `visualize weights` shows unless told otherwise.
TELLING = ("avg", "max", "median", "lse:r=20", "softpool", "softpool:beta=20", "blur", "strided", "lanczos")

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


class Failed(click.ClickException):
    """Bad input: one line, exit code 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


def output_options(command: Command) -> Command:
    """The options of every command that measures."""
    options = [
        click.option("--format", "fmt", type=click.Choice(FORMATS), help="What to print or write.  [default: table]"),
        click.option(
            "--output",
            type=click.Path(path_type=Path),
            help="Write to this file (its suffix says the format, if --format does not) and print the table.",
        ),
        click.option("--report", type=click.Path(path_type=Path), help="Write an HTML page that opens anywhere."),
        click.option("--baseline", metavar="SPEC", help="Operator to compare with.  [default: avg]"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


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
        click.option("--kernel-size", type=Sizes(1, range(1, 4)), default="2", show_default=True, help="As 2 or 3x2."),
        click.option("--stride", type=Sizes(1, range(1, 4)), help="As 2 or 3x2.  [default: the kernel size]"),
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
    """Show all there is to know of the operator SPEC: formula, source, parameters, limits, the weights of a window.

    \b
    Examples:
      poolzoo show softpool
      poolzoo show lp:p=3
    """
    registry.pool_info(registry.parse_spec(spec)[0])  # an unknown name is answered before torch is imported
    from poolzoo.analysis.cards import make_card
    from poolzoo.reports.cards import render_card

    color = sys.stdout.isatty()
    say(render_card(make_card(spec), color=color, width=_terminal_width()))


@cli.command()
@click.option(
    "--image",
    "sources",
    multiple=True,
    required=True,
    metavar="SRC",
    help="File, folder, glob or skimage:NAME; repeatable.",
)
@pool_options
@click.option(
    "--upsample",
    "upsamplers",
    multiple=True,
    type=click.Choice(("nearest", "bilinear", "bicubic")),
    default=("bilinear",),
    show_default=True,
    help="How the pooled image grows back; repeatable.",
)
@click.option(
    "--normalize",
    type=click.Choice(("none", "imagenet")),
    default="none",
    show_default=True,
    help="Scale of the input; SoftPool and its kin depend on it.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=click.Choice(("ssim", "psnr", "mse", "mae")),
    default=("ssim", "psnr"),
    show_default=True,
    help="The first one sorts; repeatable.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the first draw and of start values."
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Draws of a stochastic operator.")
@click.option("--device", default="cpu", show_default=True, help="As cpu or cuda:0.")
@output_options
@click.option("--save-images", type=click.Path(path_type=Path), metavar="DIR", help="Save every picture as PNG.")
def compare(
    sources: tuple[str, ...],
    pools: tuple[str, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...] | None,
    upsamplers: tuple[str, ...],
    normalize: str,
    metrics: tuple[str, ...],
    seed: int,
    seeds: int,
    device: str,
    fmt: str | None,
    output: Path | None,
    report: Path | None,
    baseline: str | None,
    save_images: Path | None,
) -> None:
    """Pool images, rebuild them, and score what is left.

    \b
    Examples:
      poolzoo compare --image skimage:coffee
      poolzoo compare --image photos/ --pool avg --pool 'soft*' --pool lp:p=3 --report photos.html
    """
    writer = Writer(fmt, output, report)
    folder = _make_folder(save_images)
    base = _pictures_base(folder, output) if writer.fmt == "json" else None
    from poolzoo.analysis.images import find_images

    found = find_images(sources)
    specs = registry.expand_specs(pools)
    _check_axes(kernel_size, stride, 2)
    _check_device(device)
    from poolzoo.analysis.compare import Protocol, compare as run

    book, saved = None, None
    seen: set[str] = set()
    if report or folder:
        from poolzoo.reports.pictures import IMAGES, PictureBook, PictureFolder, pictures_of

        book = PictureBook() if report else None
        saved = PictureFolder(folder, base) if folder else None

    def weights_of(view: View) -> Iterator[Picture]:
        # Once an operator, and for images that a page has room for.
        if view.row["upsample"] == upsamplers[0] and len(seen | {view.row["image"]}) <= IMAGES:
            yield from _weights_of(view)

    def keep(view: View) -> None:
        for picture in itertools.chain(pictures_of(view), weights_of(view)):
            if picture.kind == "original":
                # Every row of an image brings its original; one is enough.
                if picture.image in seen:
                    continue
                seen.add(picture.image)
            if book is not None:
                book.add(picture)
            if saved is not None:
                saved.add(picture)

    protocol = Protocol(kernel_size, stride, upsamplers, normalize, metrics, seed, seeds, device)
    with progress("Comparing") as on_step:
        result = run(
            found,
            specs,
            protocol,
            baseline=baseline,
            command=_command_line(),
            on_view=keep if book is not None or saved is not None else None,
            on_step=on_step,
        )
    if base is not None and saved is not None:
        result.metadata["pictures"] = saved.entries
    writer.finish(result, book)


@cli.command()
@pool_options
@click.option("--gpu", is_flag=True, help="Profile on the CUDA GPU; an error where there is none.")
@click.option("--device", help="As cpu or cuda:0.  [default: cpu]")
@click.option("--shape", type=Sizes(1, range(3, 6)), default="20x32x128x128", show_default=True, help="N x C x sizes.")
@click.option(
    "--dtype",
    type=click.Choice(("float64", "float32", "bfloat16", "float16")),
    default="float32",
    show_default=True,
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
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the input and of start values.")
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
) -> None:
    """Measure what operators cost: time, memory, bandwidth.

    \b
    Examples:
      poolzoo profile --pool avg --pool 'soft*' --shape 8x64x56x56
      poolzoo profile --gpu --dtype float16 --channels-last
    """
    if gpu and device:
        raise Failed("--gpu and --device exclude each other")
    # torch's profiler, which counts memory, else narrates on stderr; it reads this when torch is imported.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    writer = Writer(fmt, output, report)
    ndim = len(shape) - 2
    specs = registry.expand_specs(pools)
    lacking = [s for s in specs if ndim not in registry.pool_info(registry.parse_spec(s)[0]).ndims]
    named = [s for s in lacking if s in pools]
    if named or len(lacking) == len(specs):
        raise Failed(f"--pool {(named or pools)[0]}: not defined for {ndim} spatial axes")
    if lacking:
        click.echo(f"left out, not defined for {ndim} spatial axes: {', '.join(lacking)}", err=True)
    _check_axes(kernel_size, stride, ndim)
    device = "cuda" if gpu else device or "cpu"
    _check_device(device, "--gpu" if gpu else "--device")
    from poolzoo.analysis.profile import Workload, profile as run

    workload = Workload(shape, kernel_size, stride, dtype, device, channels_last, threads, min_time, seed)
    with progress("Profiling") as on_step:
        result = run(
            [s for s in specs if s not in lacking],
            workload,
            baseline=baseline,
            command=_command_line(),
            on_step=on_step,
        )
    writer.finish(result, None)


@cli.command()
@click.argument("results", nargs=-1, required=True, metavar="RESULT...")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The page to write.")
def report(results: tuple[str, ...], output: Path) -> None:
    """Draw an HTML page from saved results, of compare and of profile: JSON files, or pages drawn before.

    Several results of one kind are shown side by side, with the change of every operator. Pictures are shown where
    compare was run with --save-images and the folder is still there.

    \b
    Example:
      poolzoo compare --image skimage:coffee --save-images coffee --output coffee.json
      poolzoo profile --output cost.json
      poolzoo report coffee.json cost.json --output coffee.html
      poolzoo report before.html after.json --output change.html
    """
    from poolzoo._files import check_writable, write_whole
    from poolzoo.analysis.rows import Result
    from poolzoo.reports.evidence import is_page, results_in_page
    from poolzoo.reports.page import render_page
    from poolzoo.reports.pictures import PictureBook, book_from_metadata

    check_writable(output, "--output")
    loaded: list[Result] = []
    sources: list[str] = []
    book = PictureBook()
    for name in results:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise Failed(f"{name}: {_reason(error)}") from error
        found = results_in_page(text, name) if is_page(text) else [Result.from_json(text, name)]
        loaded += found
        sources += [name] * len(found)
        try:
            for result in found:
                book.update(book_from_metadata(result.metadata, Path(name).parent))
        except FileNotFoundError as error:
            click.echo(f"{name}: its picture {error.filename} is gone; the page goes without", err=True)
    write_whole(output, render_page(loaded, book, sources))
    click.echo(f"wrote {output}", err=True)


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
    help=f"Operator, as softpool, 'soft*' or lp:p=3; repeatable.  [default: {', '.join(TELLING)}]",
)
@click.option("--kernel-size", type=Sizes(1, range(1, 3)), default="4", show_default=True, help="As 2 or 3x2.")
@click.option("--stride", type=Sizes(1, range(1, 3)), help="As 2 or 3x2.  [default: the kernel size]")
@click.option(
    "--size",
    type=click.IntRange(1),
    default=48,
    show_default=True,
    help="Side of the cut-out with the most detail, in pixels; it is all that is looked at.",
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The PNG file to write.")
def weights(
    source: str,
    pools: tuple[str, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...] | None,
    size: int,
    output: Path,
) -> None:
    """Draw the weight that each operator gives each pixel of its windows, side by side.

    The picture is made grey. A pixel's weight is the derivative of all that is pooled by that pixel.

    \b
    Example:
      poolzoo visualize weights --image skimage:camera --pool avg --pool 'soft*' --output weights.png
    """
    from poolzoo._files import check_writable, write_whole

    if output.suffix.lower() != ".png":
        raise Failed(f"--output {str(output)!r}: a file name that ends in .png is needed")
    check_writable(output, "--output")
    specs = registry.expand_specs(pools or TELLING)
    lacking = [s for s in specs if 2 not in registry.pool_info(registry.parse_spec(s)[0]).ndims]
    if lacking:
        raise Failed(f"--pool {lacking[0]}: not defined for 2 spatial axes, those of a picture")
    from poolzoo.analysis.images import find_images, load_image

    found = find_images([source])
    if len(found) != 1:
        raise Failed(f"--image {source!r}: {len(found)} pictures; one is drawn")
    from poolzoo.analysis.weights import pixel_weights
    from poolzoo.reports.pictures import busiest
    from poolzoo.reports.plots import to_png
    from poolzoo.reports.weights import plot_weights
    from poolzoo.windows import make_geometry

    geometry = make_geometry(2, kernel_size, stride)
    photo = load_image(found[0])
    height, width = min(size, photo.shape[0]), min(size, photo.shape[1])
    top, left = busiest(photo, height, width)
    part = photo[top : top + height, left : left + width].mean(axis=2)
    sizes = (geometry.kernel_size, geometry.stride)
    figure = plot_weights(part, pixel_weights(specs, part, *sizes), *sizes)
    write_whole(output, to_png(figure))
    click.echo(f"wrote {output}", err=True)


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
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of random and tri, which draw.")
@click.option("--output", type=click.Path(path_type=Path), help="A PNG file: all steps side by side.")
@click.option("--gif", type=click.Path(path_type=Path), help="A GIF file: one step after the other.")
def checkered(size: int, steps: int, method: str, seed: int, output: Path | None, gif: Path | None) -> None:
    """Draw which input positions survive each subsampling step, and in which submap.

    \b
    Example:
      poolzoo visualize checkered --size 64 --steps 3 --method naive --output naive.png --gif naive.gif
    """
    from poolzoo._files import check_writable, write_whole

    if not (output or gif):
        raise Failed("--output or --gif is needed: the file to write")
    for path, option, suffix in ((output, "--output", ".png"), (gif, "--gif", ".gif")):
        if path and path.suffix.lower() != suffix:
            raise Failed(f"{option} {str(path)!r}: a file name that ends in {suffix} is needed")
        if path:
            check_writable(path, option)
    from poolzoo.analysis.sampling import kept_positions
    from poolzoo.reports.sampling import sampling_gif, sampling_png

    kept = kept_positions(size, steps, method, seed)
    for path, draw in ((output, sampling_png), (gif, sampling_gif)):
        if path:
            write_whole(path, draw(kept, method))
            click.echo(f"wrote {path}", err=True)


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
    from poolzoo.analysis.machine import doctor as examine

    facts = examine()
    width = max(map(len, facts))
    say("\n".join(f"{name:{width}}  {value}" for name, value in facts.items()))


class Writer:
    """Where a result goes. Made before the work, so that what cannot be written is known first."""

    def __init__(self, fmt: str | None, output: Path | None, report: Path | None) -> None:
        from poolzoo._files import check_writable

        for path, option in ((output, "--output"), (report, "--report")):
            if path:
                check_writable(path, option)
        if output and not fmt and output.suffix.lower() not in SUFFIXES:
            allowed = ", ".join(SUFFIXES)
            raise Failed(
                f"--output {str(output)!r}: give --format, or a suffix that says it, {allowed}; a page is --report"
            )
        self.fmt = fmt or (SUFFIXES[output.suffix.lower()] if output else "table")
        self.output, self.report = output, report

    def finish(self, result: Result, book: Any) -> None:
        """Print and write the result; then name what failed and exit 1, or 2 where nothing succeeded."""
        from poolzoo._files import write_whole
        from poolzoo.reports.tables import render

        failures = [row for row in result.rows if row["error"]]
        if len(failures) == len(result.rows):
            _complain(failures)
            sys.exit(2)
        width = _terminal_width()
        if self.output:
            write_whole(self.output, render(result, self.fmt))
            say(render(result, "table", color=sys.stdout.isatty(), width=width))
            click.echo(f"wrote {self.output}", err=True)
        else:
            color = self.fmt == "table" and sys.stdout.isatty()
            say(render(result, self.fmt, color=color, width=width))
        if self.report:
            from poolzoo.reports.page import render_page

            write_whole(self.report, render_page([result], book))
            click.echo(f"wrote {self.report}", err=True)
        if failures:
            _complain(failures)
            sys.exit(1)


def _complain(failures: Sequence[dict[str, Any]]) -> None:
    """One line a failure on stderr; one that repeats on other images or seeds is counted."""
    from poolzoo.analysis.rows import label

    seen: dict[str, int] = {}
    for row in failures:
        # An image that cannot be used has a row without an operator; its error names it.
        line = f"{label(row)}: {row['error']}" if row["pool"] else row["error"]
        seen[line] = seen.get(line, 0) + 1
    for line, times in seen.items():
        click.echo(f"poolzoo: {line}{f' ({times} rows)' if times > 1 else ''}", err=True)


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr where that is a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _weights_of(view: View) -> Iterator[Picture]:
    """The picture of the weights of some pixels, where they are those of the operator that was measured."""
    from poolzoo.analysis.rows import label
    from poolzoo.analysis.weights import weights_within
    from poolzoo.reports.pictures import two_axes, weights_box, weights_picture

    row = view.row
    kernel_size, stride = (two_axes(row[key]) for key in ("kernel_size", "stride"))
    box = weights_box(view.original, stride) if stride else None
    # Weights are of evaluation, and of what learns as it starts.
    if not (box and kernel_size and stride) or row["state"] not in ("fixed", "initial", "eval"):
        return
    grey, corner, size = view.original.mean(axis=2), (box.top, box.left), (box.height, box.width)
    with contextlib.suppress(ValueError, RuntimeError):  # an operator that takes no single channel has none to show
        yield weights_picture(row, box, weights_within(label(row), grey, corner, size, kernel_size, stride))


def _check_axes(kernel_size: Sequence[int], stride: Sequence[int] | None, ndim: int) -> None:
    for option, value in (("--kernel-size", kernel_size), ("--stride", stride)):
        if value is not None and len(value) not in (1, ndim):
            raise Failed(f"{option} {'x'.join(map(str, value))}: one int or {ndim} are allowed here")


def _check_device(device: str, option: str = "--device") -> None:
    """Never fall back: a device that cannot be used is an error that says what is missing."""
    import torch

    from poolzoo.analysis.machine import why_no_gpu

    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise Failed(f"{option} {device}: not a device; cpu, cuda or cuda:N is allowed") from error
    reason = why_no_gpu() if kind == "cuda" else None
    if reason:
        raise Failed(f"{option}: no usable GPU: {reason}")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise Failed(f"{option} {device}: cannot be used: {_reason(error)}") from error


def _make_folder(folder: Path | None) -> Path | None:
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(f"--save-images: cannot make the folder {str(folder)!r}: {error.strerror}") from error
    from poolzoo._files import check_writable

    check_writable(folder / "x.png", "--save-images")
    return folder


def _pictures_base(folder: Path | None, output: Path | None) -> Path | None:
    """The result's folder, if the pictures lie inside it: only then does the result say where they are."""
    if folder is None or output is None:
        return None
    if folder.resolve().is_relative_to(output.parent.resolve()):
        return output.parent
    click.echo(f"{folder} is not inside {output.parent}: `poolzoo report` will not find the pictures", err=True)
    return None


def _terminal_width() -> int | None:
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None


def _command_line() -> str:
    return shlex.join(["poolzoo", *sys.argv[1:]])


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or " ".join(str(error).split()))


def say(text: str) -> None:
    """Print to stdout; a reader that goes away (`| head`) does not end the work that is still to be done."""
    try:
        click.echo(text, nl=not text.endswith("\n"))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> NoReturn:
    """The console script: bad input is one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name of undecodable bytes can be printed, escaped.
            stream.reconfigure(errors="backslashreplace")
    try:
        cli.main(prog_name="poolzoo", standalone_mode=False)
    except click.ClickException as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # since click 8.2
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        _fail(error.format_message())
    except ValueError as error:
        # What the package itself raises for bad input: one line that names the argument, the value and what is allowed.
        _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        click.echo("poolzoo: stopped", err=True)
        sys.exit(130)
    except OSError as error:
        # A disk that filled up, a file that went away.
        _fail(": ".join(filter(None, (str(error.filename or ""), _reason(error)))))
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    click.echo(f"poolzoo: {' '.join(message.split())}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
