"""The studies as Python functions: what the commands of the same names do, with their options as keyword arguments.

``compare``, ``profile`` and ``sweep`` return a :class:`Result`; ``load`` reads one back; ``fit`` gives what an operator
learned; ``visualize_weights`` draws. Images are given as :data:`~poolzoo.analysis.inputs.arrays.ImageLike`.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolzoo import registry
from poolzoo._console import progress
from poolzoo._files import PAGE, SUFFIXES, write_whole
from poolzoo.analysis.inputs.arrays import find_given
from poolzoo.analysis.results import machine, schema
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.reports.plots.all_plots import all_drawings
from poolzoo.reports.text.columns import Table
from poolzoo.reports.text.formats import render
from poolzoo.reports.text.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from poolzoo.analysis.inputs.arrays import ImageLike
    from poolzoo.analysis.inputs.images import Source
    from poolzoo.analysis.scoring.fitted_parameters import Fitted
    from poolzoo.analysis.scoring.round_trip import View
    from poolzoo.reports.pictures.picture import ReportPicture
    from poolzoo.reports.pictures.picture_book import PictureBook

    IntOrTuple = int | tuple[int, ...]


#: Pixels of an image up to which a stochastic operator's weights are shown: all of it is pooled for them.
WEIGHED_WHOLE = 1_000_000


@dataclass(frozen=True, repr=False)
class Result(schema.Result):
    """The rows of a study, and what can be made of them.

    Attributes:
        kind: ``compare`` or ``profile``.
        metadata: what was known when they were measured.
        rows: one dict per row; :meth:`to_frame` shows them.
        pictures: cut-outs for the page, or None.
    """

    pictures: PictureBook | None = field(default=None, compare=False)

    @classmethod
    def of(cls, found: schema.Result, pictures: PictureBook | None = None) -> Result:
        """``found`` with the methods of this class."""
        return cls(**{f.name: getattr(found, f.name) for f in fields(schema.Result)}, pictures=pictures)

    def to_frame(self) -> pd.DataFrame:
        """Return one line per row, with the columns of the CSV file."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=self.columns)

    def summary(self) -> pd.DataFrame:
        """Return one line per operator, state and setting, best first.

        Of a metric ``ssim`` there are ``ssim`` (mean over images), ``ssim_median``, ``ssim_low`` and ``ssim_high``
        (bootstrap 95% interval of the mean), ``ssim_difference`` (to the baseline), ``ssim_difference_low`` and
        ``ssim_difference_high``. A profile has one row per operator: its rows.
        """
        import pandas as pd

        if self.kind == "profile":
            return self.to_frame()
        lines = []
        for found in summarise(self):
            line: dict[str, Any] = {"operator": found.label, "state": found.state, **vars(found.setting)}
            for key, score in found.scores.items():
                low, high = score.interval or (None, None)
                less, more = score.difference_interval or (None, None)
                line |= {key: score.mean, f"{key}_median": score.median, f"{key}_low": low, f"{key}_high": high}
                line |= {f"{key}_difference": score.difference}
                line |= {f"{key}_difference_low": less, f"{key}_difference_high": more}
            line |= {key: getattr(found, key) for key in ("rank", "images", "seeds", "kept", "forward_s", "ratio")}
            lines.append(line)
        return pd.DataFrame(lines)

    @property
    def plots(self) -> list[str]:
        """The names of the plots that :meth:`plot` can draw."""
        return [drawing.name for drawing in all_drawings([self])]

    def plot(self, kind: str | None = None) -> Figure:
        """Draw one plot.

        Args:
            kind: one of :attr:`plots`; None for the first.

        Raises:
            ValueError: another name, or there is nothing to draw.
        """
        drawings = {drawing.name: drawing for drawing in all_drawings([self])}
        if not drawings:
            raise ValueError("this result has no plots: no row has numbers")
        if kind is not None and kind not in drawings:
            raise ValueError(f"kind={kind!r}: {', '.join(drawings)} are allowed")
        return drawings[kind or next(iter(drawings))].draw()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the rows to a .json, .csv, .md or .txt file. JSON can be read back with :func:`load`.

        Raises:
            ValueError: another suffix.
            OSError: the file cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(f"path={os.fspath(path)!r}: a name that ends in {', '.join(SUFFIXES)} is allowed")
        return write_whole(path, render(self, SUFFIXES[suffix]))

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the HTML page; with pictures where the study was run with ``pictures=True``.

        Raises:
            ValueError: the name does not end in .html.
            OSError: the file cannot be written.
        """
        from poolzoo.reports.page.page import render_page

        if Path(path).suffix.lower() not in PAGE:
            raise ValueError(f"path={os.fspath(path)!r}: a name that ends in {', '.join(PAGE)} is allowed")
        return write_whole(path, render_page([self], self.pictures))

    def to_markdown(self) -> str:
        """Return the summary as Markdown tables."""
        return render(self, "markdown")

    def to_latex(self) -> str:
        """Return the summary as LaTeX tables; they need the package booktabs."""
        return "\n".join(_table_frame(table).to_latex(index=False, escape=True) for table in tables(self))

    def _repr_html_(self) -> str:
        parts = []
        for table in tables(self):
            parts += [f"<p><b>{html.escape(table.title)}</b></p>", _table_frame(table).to_html(index=False)]
        return "\n".join(parts)

    def __repr__(self) -> str:
        parts = [f"{len({schema.label(row) for row in self.rows if row['pool']})} operators"]
        if self.kind == "compare":
            parts.append(f"{len({row['image'] for row in self.rows})} images")
        failed = sum(row["error"] is not None for row in self.rows)
        parts += [f"{len(self.rows)} rows"] + ([f"{failed} failed"] if failed else [])
        return f"<poolzoo.Result of {self.kind}: {', '.join(parts)}>"


def _table_frame(table: Table) -> pd.DataFrame:
    import pandas as pd

    lines = [[f"{cell.text} {cell.plus}".strip() for cell in line.cells] for line in table.lines]
    return pd.DataFrame(lines, columns=[column.heading for column in table.columns])


def compare(
    image: ImageLike | Iterable[ImageLike],
    *,
    pool: str | Sequence[str] = (),
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    upsample: str | Sequence[str] = "bilinear",
    decoder_images: str | Sequence[str] = (),
    normalize: str = "none",
    metric: str | Sequence[str] = ("ssim", "psnr"),
    protocol: str = "roundtrip",
    seed: int = 0,
    seeds: int = 3,
    device: str = "cpu",
    features: str | Sequence[str] = (),
    weights: str | None = None,
    fit: bool = False,
    fit_images: str | Sequence[str] = (),
    fitted: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    baseline: str | None = None,
    pictures: bool = False,
) -> Result:
    """Pool images with every operator, rebuild them, and score what is left: ``poolzoo compare --image``.

    Args:
        image: one or several :data:`~poolzoo.analysis.inputs.arrays.ImageLike`.
        pool: operators, as ``softpool``, ``soft*`` or ``lp:p=3``; none stands for all.
        kernel_size, stride: of the windows, ints or one per axis; stride None means kernel_size.
        upsample: ``nearest``, ``bilinear``, ``bicubic``, ``optimal``: how the pooled image is upsampled.
        decoder_images: what ``optimal`` is fitted on; none stands for scikit-image's photographs.
        normalize: ``none``, ``imagenet``, ``inception``, ``255``: scale of the input.
        metric: what is scored; the first sorts.
        protocol: ``roundtrip`` or ``lowres``.
        seed, seeds: of start values and draws; how often a stochastic operator draws.
        device: of torch.
        features: layers whose activations for the images are pooled instead, as ``resnet18:layer1``.
        weights: the network's state dict, a file; None stands for random weights.
        fit: score learnable operators fitted on other images too.
        fit_images: on which; none stands for scikit-image's photographs. Naming some is ``fit=True``.
        fitted: files that :func:`fit` or ``poolzoo fit`` wrote.
        baseline: the operator that others are compared with; None stands for avg, or the first.
        pictures: keep cut-outs for :meth:`Result.report`.

    Returns:
        One row per image, operator, state, seed and upsampler. What fails has its ``error`` in its row.

    Raises:
        ValueError: an argument is not allowed, or an image's name finds nothing.
        TypeError: something else than an image.
    """
    from poolzoo.analysis.inputs.features import feature_maps, find_layers
    from poolzoo.analysis.studies.compare import compare as run
    from poolzoo.reports.pictures.picture_book import PictureBook

    asked = Protocol(
        kernel_size,
        stride,
        _names(upsample),
        normalize,
        _names(metric),
        seed,
        seeds,
        device,
        protocol=protocol,
        decoder_images=_names(decoder_images),
    )
    specs = defined_for(_names(pool), 2, _warn)
    machine.check_device(device)
    found = find_given(image)
    files = [fitted] if isinstance(fitted, (str, os.PathLike)) else list(fitted)
    sources = _names(fit_images)
    fits, _ = learned(specs, asked, found, sources, list(map(Path, files)), learn=fit or bool(sources), say=_warn)
    book = PictureBook() if pictures else None
    inputs = feature_maps(found, find_layers(_names(features), weights, seed)) if features else found
    with progress("Comparing") as on_step:
        result = run(
            [*inputs],
            specs,
            asked,
            baseline=baseline,
            fits=fits,
            on_view=PictureKeeper(asked.upsample[0], [book.add]) if book else None,
            on_step=on_step,
        )
    return Result.of(result, book)


def profile(
    *,
    pool: str | Sequence[str] = (),
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    shape: tuple[int, ...] = (20, 32, 128, 128),
    dtype: str = "float32",
    device: str = "cpu",
    channels_last: bool = False,
    threads: int | None = None,
    min_time: float = 0.2,
    seed: int = 0,
    baseline: str | None = None,
) -> Result:
    """Measure what operators cost, time, memory and bandwidth: ``poolzoo profile``.

    Args:
        pool, kernel_size, stride, seed, baseline: as for :func:`compare`.
        shape: of the tensor: batch, channels and one to three sizes.
        dtype: ``float64``, ``float32``, ``bfloat16`` or ``float16``.
        device: of torch.
        channels_last: lay the tensor out with channels innermost.
        threads: CPU threads; None leaves torch's choice.
        min_time: seconds over which each figure is measured, at least.

    Raises:
        ValueError: an argument is not allowed.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler, which counts memory, else narrates on stderr
    from poolzoo.analysis.studies.profile import Workload, profile as run

    workload = Workload(shape, kernel_size, stride, dtype, device, channels_last, threads, min_time, seed)
    specs = defined_for(_names(pool), workload.ndim, _warn)
    machine.check_device(device)
    with progress("Profiling") as on_step:
        return Result.of(run(specs, workload, baseline=baseline, on_step=on_step))


def sweep(
    image: ImageLike | Iterable[ImageLike],
    *,
    pool: str,
    over: str,
    points: int = 9,
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    upsample: str | Sequence[str] = "bilinear",
    normalize: str | Sequence[str] = "none",
    metric: str | Sequence[str] = ("ssim", "psnr"),
    seed: int = 0,
    device: str = "cpu",
    baseline: str | None = None,
) -> Result:
    """Vary one parameter of an operator, with avg and max beside it: ``poolzoo sweep``.

    Args:
        image, kernel_size, stride, upsample, metric, seed, device, baseline: as for :func:`compare`.
        pool: the operator whose parameter is varied.
        over: a parameter and a range, ``beta=0.1..16``, or a list, ``beta=0.1,1,4``.
        points: values in a range.
        normalize: scales of the input, a curve for each.

    Raises:
        ValueError: an argument is not allowed, or an image's name finds nothing.
    """
    from poolzoo.analysis.studies.sweep import plan_sweep, run_sweep

    plan = plan_sweep(pool, over, points)
    machine.check_device(device)
    asked = Protocol(kernel_size, stride, _names(upsample), metrics=_names(metric), seed=seed, device=device)
    with progress("Sweeping") as on_step:
        found = find_given(image)
        return Result.of(run_sweep(plan, found, asked, _names(normalize), baseline=baseline, on_step=on_step))


def fit(
    images: str | Sequence[str],
    *,
    pool: str,
    output: str | os.PathLike[str] | None = None,
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    upsample: str = "bilinear",
    normalize: str = "none",
    steps: int = 200,
    lr: float | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Fitted:
    """Learn an operator's parameters from images: ``poolzoo fit``.

    Args:
        images: files, folders, globs or ``skimage:NAME``.
        pool: the operator.
        output: a .safetensors file to write, or None.
        kernel_size, stride, upsample, normalize, seed, device: as for :func:`compare`.
        steps: of Adam.
        lr: Adam's first step size; None stands for the operator's own.

    Returns:
        What was learned: ``tensors``, and the PSNR ``before`` and ``after``.

    Raises:
        ValueError: an argument is not allowed, the operator learns nothing, or fitting failed.
    """
    from poolzoo.analysis.scoring.fitted_parameters import save_fitted

    if output is not None and Path(output).suffix != ".safetensors":
        raise ValueError(f"output={os.fspath(output)!r}: a name that ends in .safetensors is allowed")
    machine.check_device(device)
    asked = Protocol(kernel_size, stride, (upsample,), normalize, seed=seed, device=device)
    found, _ = learn_from(_names(images), pool, asked, steps, lr, _warn)
    if output is not None:
        save_fitted(Path(output), found)
    return found


def visualize_weights(
    image: ImageLike,
    *,
    pool: str | Sequence[str] = registry.TELLING,
    kernel_size: IntOrTuple = 4,
    stride: IntOrTuple | None = None,
    size: int = 48,
) -> Figure:
    """Draw the gradient of all that is pooled at each pixel, operators side by side: ``poolzoo visualize weights``.

    Args:
        image: one picture; it is made grey.
        pool, kernel_size, stride: as for :func:`compare`.
        size: side of the cut-out with the most detail, in pixels; it is all that is looked at.

    Raises:
        ValueError: an argument is not allowed, or several pictures are given.
    """
    from poolzoo.analysis.inputs.images import load_image
    from poolzoo.analysis.scoring.gradients import pixel_weights
    from poolzoo.geometry import make_geometry
    from poolzoo.reports.pictures.cutouts import busiest
    from poolzoo.reports.pictures.weights import plot_weights

    specs = registry.expand_specs(_names(pool))
    if lacking := [spec for spec in specs if 2 not in _axes(spec)]:
        raise ValueError(f"pool {lacking[0]}: not defined for 2 spatial axes, those of a picture")
    found = find_given(image)
    if len(found) != 1:
        raise ValueError(f"image: {len(found)} pictures; one is drawn")
    geometry = make_geometry(2, kernel_size, stride)
    photo = load_image(found[0])
    height, width = min(size, photo.shape[0]), min(size, photo.shape[1])
    top, left = busiest(photo, height, width)
    part = photo[top : top + height, left : left + width].mean(axis=2)
    sizes = (geometry.kernel_size, geometry.stride)
    return plot_weights(part, pixel_weights(specs, part, *sizes), *sizes)


def load(path: str | os.PathLike[str], *, index: int | None = None) -> Result:
    """Read a result back: a JSON file, a page, or the store of a dataset run (a sample of its rows, and all summaries).

    Args:
        path: the file.
        index: which of the results of a page, from 0; None where it holds one.

    Raises:
        ValueError: no result of poolzoo's, or a page of several without ``index``.
        OSError: the file cannot be read.
    """
    from poolzoo.analysis.results.store_file import is_store
    from poolzoo.analysis.results.store_reader import StoreReader
    from poolzoo.reports.page.evidence import results_in_file

    name = os.fspath(path)
    if is_store(Path(path)):
        with StoreReader.open(Path(path)) as store:
            return Result.of(store.sample())
    found = results_in_file(name)
    if index is None and len(found) > 1:
        raise ValueError(f"{name}: holds {len(found)} results; index=0 to index={len(found) - 1} are allowed")
    if index is not None and not 0 <= index < len(found):
        raise ValueError(f"index={index}: {name} holds {len(found)} results; 0 to {len(found) - 1} is allowed")
    return Result.of(found[index or 0])


# What the commands share ----------------------------------------------------------------------------------------------


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)


def _axes(spec: str) -> tuple[int, ...]:
    return registry.pool_info(registry.parse_spec(spec)[0]).ndims


def defined_for(pools: Sequence[str], ndim: int, say: Callable[[str], None], argument: str = "pool") -> list[str]:
    """The operators that were asked for, without those of a pattern that are not defined for ``ndim`` axes.

    Raises:
        ValueError: an unknown operator, or one that was named is not defined for them.
    """
    specs = registry.expand_specs(pools)
    lacking = [spec for spec in specs if ndim not in _axes(spec)]
    named = [spec for spec in lacking if spec in pools]
    if named or len(lacking) == len(specs):
        raise ValueError(f"{argument} {(named or list(pools))[0]}: not defined for {ndim} spatial axes")
    if lacking:
        say(f"left out, not defined for {ndim} spatial axes: {', '.join(lacking)}")
    return [spec for spec in specs if spec not in lacking]


def learn_from(
    sources: Sequence[str],
    spec: str,
    protocol: Protocol,
    steps: int,
    lr: float | None,
    say: Callable[[str], None],
) -> tuple[Fitted, tuple[str, ...]]:
    """What an operator learns from images, and a line for each of them that is no use.

    Raises:
        ValueError: the operator learns nothing, no image can be used, or fitting failed.
    """
    from poolzoo.analysis.inputs.training_images import find_training_images
    from poolzoo.analysis.studies.fit import check_learnable, cut_tiles, fit as run

    check_learnable(spec, protocol)
    training = find_training_images(sources, seed=protocol.seed)
    for error in training.errors:
        say(f"training image left out: {error}")
    with progress("Fitting") as on_step:
        found = run(spec, cut_tiles(training, protocol), protocol, steps=steps, learning_rate=lr, on_step=on_step)
    if found.error:
        raise ValueError(f"{found.spec}: {found.error}")
    return found, training.errors


def learned(
    specs: Sequence[str],
    protocol: Protocol,
    scored: Sequence[Source],
    sources: Sequence[str],
    files: Sequence[Path],
    *,
    learn: bool,
    say: Callable[[str], None],
    argument: str = "fit",
) -> tuple[list[Fitted], tuple[str, ...]]:
    """What operators learned, from files and, if asked for, now; and a line for each training image that is no use.

    Raises:
        ValueError: a file of another operator, or none of the operators learns.
    """
    from poolzoo.analysis.scoring.fitted_parameters import check_fits, load_fitted
    from poolzoo.analysis.scoring.pool_modules import normal_spec

    fits = [load_fitted(path) for path in files]
    check_fits(fits, [normal_spec(spec) for spec in specs])
    if not learn:
        return fits, ()
    from poolzoo.analysis.inputs.training_images import find_training_images
    from poolzoo.analysis.studies.fit import cut_tiles, fit_all, is_learnable, learnable_names

    wanted = [spec for spec in specs if is_learnable(spec, protocol)]
    if not wanted:
        raise ValueError(f"{argument}: none of the operators compared learns; {', '.join(learnable_names())} do")
    training = find_training_images(sources, scored, seed=protocol.seed)
    for error in training.errors:
        say(f"training image left out: {error}")
    tiles = cut_tiles(training, protocol)
    have = {fitted.spec for fitted in fits}
    with progress("Fitting") as on_step:
        fits += fit_all([spec for spec in wanted if normal_spec(spec) not in have], tiles, protocol, on_step=on_step)
    return fits, training.errors


class PictureKeeper:
    """Hands the pictures of a comparison's rows on: each original once, and weights once per operator."""

    def __init__(self, upsample: str, keep: Sequence[Callable[[ReportPicture], object]]) -> None:
        self._upsample, self._keep = upsample, keep
        self._images: set[str] = set()

    def __call__(self, view: View) -> None:
        from poolzoo.reports.pictures.picture import pictures_of

        for picture in itertools.chain(pictures_of(view), self._weights_of(view)):
            if picture.kind == "original":
                # Every row of an image brings its original; one is enough.
                if picture.image in self._images:
                    continue
                self._images.add(picture.image)
            for keep in self._keep:
                keep(picture)

    def _weights_of(self, view: View) -> Iterator[ReportPicture]:
        """The picture of the weights of some pixels, by the operator that was measured, in its state."""
        from poolzoo.analysis.scoring.gradients import weights_within
        from poolzoo.reports.pictures.cutouts import weights_box
        from poolzoo.reports.pictures.picture import two_axes, weights_picture
        from poolzoo.reports.pictures.picture_book import IMAGES

        row, picture = view.row, view.original
        # Only for images that a page has room for.
        if row["upsample"] != self._upsample or len(self._images | {row["image"]}) > IMAGES:
            return
        stride = two_axes(row["stride"])
        box = weights_box(picture, stride) if stride else None
        drawing = row["state"] in (
            "train",
            "eval",
        )  # of a stochastic operator, whose windows or draws are the picture's
        if not (box and view.operator) or row["input"] != "image" or (drawing and picture[..., 0].size > WEIGHED_WHOLE):
            return
        # A draw is that of the channels; of all else, one picture says it without three that differ.
        if row["state"] != "train":
            picture = picture.mean(axis=2, keepdims=True).repeat(picture.shape[2], axis=2)
        corner, size = (box.top, box.left), (box.height, box.width)
        with contextlib.suppress(ValueError, RuntimeError):  # an operator that has no derivative has none to show
            yield weights_picture(
                row, box, weights_within(view.operator, picture, corner, size, None if drawing else stride)
            )
