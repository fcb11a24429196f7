"""``poolzoo.compare``: images, features, clips, or a whole dataset."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poolzoo._console import progress
from poolzoo.analysis.inputs.arrays import find_given
from poolzoo.analysis.results import machine
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.api.learning import defined_for, learn_now, load_fits
from poolzoo.api.modes import refuse_unused, several
from poolzoo.api.pictures import PictureKeeper
from poolzoo.api.result import Result
from poolzoo.api.windows import asked_window
from poolzoo.plugins import load_plugins

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.arrays import ImageLike
    from poolzoo.analysis.inputs.images import Source
    from poolzoo.analysis.inputs.samples import Input
    from poolzoo.analysis.scoring.fitted_parameters import Fitted
    from poolzoo.reports.pictures.picture_files import PictureFolder

    IntOrTuple = int | tuple[int, ...]
    Names = str | Sequence[str]
    Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def compare(
    image: ImageLike | Iterable[ImageLike] = (),
    *,
    features: Names = (),
    weights: str | None = None,
    video: Names = (),
    frames: int | None = None,
    volume: Names = (),
    dataset: str | None = None,
    store: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    retry: bool = False,
    plugin: Names = (),
    pool: Names = (),
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    like: str | None = None,
    upsample: Names = "bilinear",
    align: str = "center",
    decoder_images: Names = (),
    normalize: str = "none",
    metric: Names = ("ssim", "psnr"),
    protocol: str = "roundtrip",
    seed: int = 0,
    seeds: int = 3,
    device: str = "cpu",
    fit: bool = False,
    fit_images: Names = (),
    fitted: Files = (),
    baseline: str | None = None,
    pictures: bool = False,
    save_images: str | os.PathLike[str] | PictureFolder | None = None,
) -> Result:
    """Pool images with every operator, upsample the result, and score it against the original: ``poolzoo compare``.

    Args:
        image: one or several :data:`~poolzoo.analysis.inputs.arrays.ImageLike`.
        features: layers whose activations are pooled instead of the images, e.g. ``resnet18:layer1``.
        weights: a file with the network's state dict; None means random weights.
        video: video files, pooled over three axes.
        frames: how many frames of each video to use, from the first; None uses all.
        volume: TIFF files, whose pages are pooled over three axes.
        dataset: a folder; all images in it and its subfolders are scored into ``store``. Calling again resumes. Or a
            zip, tar or Parquet file of images, or shards such as ``a-{000..009}.tar``.
        store: the SQLite file for the dataset's rows.
        jobs: worker processes for the dataset; None means one per core.
        scheduler: the address of a Dask cluster, whose workers are used instead.
        retry: score the store's failed images again.
        plugin: scripts or modules that register operators, for the worker processes of a dataset.
        pool: operators, e.g. ``softpool``, ``soft*`` or ``lp:p=3``; empty means all.
        kernel_size, stride, padding, dilation: of the windows, an int or one per axis; stride None means
            ``kernel_size``. Positions outside the image are absent: they have no weight.
        ceil_mode: round the number of windows up, as torch's pooling does.
        like: a pool of a network whose windows are used instead: ``resnet18:maxpool`` of torchvision,
            ``timm/resnet18:maxpool`` of timm, or ``net.py:make:pool``, where ``make()`` in the file ``net.py`` returns
            the network, or the network and its input.
        upsample: how the pooled image is upsampled: ``nearest``, ``bilinear``, ``bicubic`` or ``optimal``, or several.
        align: where upsampling puts a pooled value: ``center``, at the centre of its window, or ``interpolate``, as
            torch's ``interpolate`` does, as if values lay evenly over the image.
        decoder_images: the images that ``optimal`` is fitted on; empty means scikit-image's photographs.
        normalize: scale of the input: ``none``, ``imagenet``, ``inception`` or ``255``.
        metric: the metrics; tables are sorted by the first.
        protocol: ``roundtrip`` or ``lowres``.
        seed, seeds: random seed of the initial parameters and the first draw; draws of a stochastic operator.
        device: where to compute: ``cpu``, ``cuda:0``, ...
        fit: also score learnable operators after fitting them on other images.
        fit_images: the images to fit on; empty means scikit-image's photographs. Giving some implies ``fit=True``.
        fitted: parameter files written by :func:`~poolzoo.api.studies.fit` or ``poolzoo fit``.
        baseline: the operator that others are compared with; None means avg if it is there, else the first.
        pictures: keep cut-outs for :meth:`Result.report`.
        save_images: a folder for the pictures as PNG; a result saved next to it finds them again. Of videos and volumes
            also all frames, as GIF, and as MP4 where PyAV is installed.

    Returns:
        One row per image, operator, state, seed and upsampler. A failed row has an ``error``. For a dataset the rows
        are a sample, and :attr:`Result.store` has all of them.

    Raises:
        ValueError: an argument is not allowed, or a name matches no image.
        TypeError: an image is of an unsupported type.
    """
    given = dict(locals())
    refuse_unused(compare, given)
    load_plugins(several(plugin))
    ndim = 3 if video or volume else 2
    asked = Protocol(
        **asked_window(given, ndim),
        upsample=several(upsample),
        normalize=normalize,
        metrics=several(metric),
        seed=seed,
        seeds=seeds,
        device=device,
        protocol=protocol,
        decoder_images=several(decoder_images),
        align=align,
    )
    specs = defined_for(several(pool), ndim)
    machine.check_device(device)
    fits = load_fits(fitted, specs)
    if dataset is not None:
        if store is None:
            raise ValueError(f"dataset={dataset!r}: needs store, the file for its rows")
        workers = _Workers(jobs, scheduler, retry, several(plugin))
        return _compare_dataset(dataset, Path(store), specs, asked, baseline, fits, workers)
    clips = _clips(several(video), frames, several(volume))
    passed_over: Counter[str] = Counter()
    found = find_given(image, passed_over) if not clips else []
    if not (found or clips):
        raise ValueError("image=(): an image, a video, a volume or a dataset is needed")
    if fit or fit_images:
        fits += learn_now(specs, asked, found, several(fit_images), fits)
    inputs = clips or _features(found, several(features), weights, seed)
    keeping = _Keeping(several(upsample)[0], pictures, save_images)
    return _compare_inputs(inputs, specs, asked, baseline, fits, keeping, passed_over)


@dataclass(frozen=True)
class _Workers:
    """The workers that score a dataset."""

    jobs: int | None
    scheduler: str | None
    retry: bool
    plugins: tuple[str, ...]


class _Keeping:
    """Which pictures are kept: cut-outs for a page, a folder of PNG files, or none."""

    def __init__(self, upsample: str, pictures: bool, folder: str | os.PathLike[str] | PictureFolder | None) -> None:
        from poolzoo.reports.pictures.picture_book import PictureBook
        from poolzoo.reports.pictures.picture_files import PictureFolder

        self.book = PictureBook() if pictures else None
        if folder is not None and not isinstance(folder, PictureFolder):
            folder = PictureFolder(Path(folder), Path(folder).parent)
        self.folder = folder
        keepers = [keeper.add for keeper in (self.book, self.folder) if keeper is not None]
        self.on_view = PictureKeeper(upsample, keepers) if keepers else None


def _clips(videos: Sequence[str], frames: int | None, volumes: Sequence[str]) -> list[Source | Input]:
    from poolzoo.analysis.inputs.clips import Video, Volume

    return [*(Video(path, frames) for path in dict.fromkeys(videos)), *map(Volume, dict.fromkeys(volumes))]


def _features(found: Sequence[Source], layers: Sequence[str], weights: str | None, seed: int) -> list[Source | Input]:
    if not layers:
        return [*found]
    from poolzoo.analysis.inputs import features

    return [*features.feature_maps(found, features.find_layers(layers, weights, seed))]


def _compare_inputs(
    inputs: Sequence[Source | Input],
    specs: Sequence[str],
    protocol: Protocol,
    baseline: str | None,
    fits: Sequence[Fitted],
    keeping: _Keeping,
    passed_over: Counter[str],
) -> Result:
    from poolzoo.analysis.studies.compare import compare as run

    with progress("Comparing") as on_step:
        result = run(inputs, specs, protocol, baseline=baseline, fits=fits, on_view=keeping.on_view, on_step=on_step)
    if keeping.folder is not None and keeping.folder.base != keeping.folder.path:
        result.metadata["pictures"] = keeping.folder.entries
    if passed_over:
        result.metadata["passed_over"] = dict(passed_over)
    return Result.of(result, keeping.book)


def _compare_dataset(
    folder: str,
    store: Path,
    specs: Sequence[str],
    protocol: Protocol,
    baseline: str | None,
    fits: Sequence[Fitted],
    workers: _Workers,
) -> Result:
    """Bring the store up to date with the folder."""
    from poolzoo.analysis.studies.dataset import compare_dataset as run

    with progress("Comparing", unit="images") as on_step:
        result = run(
            folder,
            specs,
            protocol,
            store,
            jobs=workers.jobs,
            scheduler=workers.scheduler,
            retry=workers.retry,
            baseline=baseline,
            fits=fits,
            plugins=workers.plugins,
            on_step=on_step,
        )
    return Result.of(result, store=store)
