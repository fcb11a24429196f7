"""The round trip: crop, normalise, pool, undo the normalisation, rebuild to full size, score against the original.

What goes round is an image, a layer's activations, or, pooled over three axes, a video or a volume (see ``samples``).
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo import cuda
from poolzoo.analysis.images import ImageError, Source
from poolzoo.analysis.metrics import LEAST_SIDES, METRICS, check_metrics, use_one_thread
from poolzoo.analysis.modules import (
    describe_specs,
    make_module,
    normal_spec,
    one_line,
    pick_baseline,
    provenance,
    shown_params,
    state_of,
)
from poolzoo.analysis.rows import Result
from poolzoo.analysis.samples import Input, Sample, as_inputs, ndim_of
from poolzoo.operators.base import Pool
from poolzoo.windows import Geometry, make_geometry, output_size

if TYPE_CHECKING:
    from poolzoo.analysis.metrics import FloatImage

#: How a pooled image grows back: the arguments of torch.nn.functional.interpolate.
UPSAMPLERS: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest"},
    "bilinear": {"mode": "bilinear", "align_corners": False},
    "bicubic": {"mode": "bicubic", "align_corners": False},
    "trilinear": {"mode": "trilinear", "align_corners": False},
}
#: What upsamplers are called, in rows too, where three axes are pooled.
IN_3D = {"nearest": "nearest", "bilinear": "trilinear", "trilinear": "trilinear"}
#: Mean and standard deviation per channel that are taken off before pooling and put back after it.
NORMALIZATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@dataclass(frozen=True)
class Protocol:
    """How images are pooled, rebuilt and scored.

    Attributes:
        kernel_size, stride: of every operator; stride None means kernel_size.
        upsample: names from :data:`UPSAMPLERS`; each gives its own rows. For videos and volumes see :data:`IN_3D`.
        normalize: a name from :data:`NORMALIZATIONS`.
        metrics: names from :data:`METRICS`; the first one sorts tables.
        seed, seeds: stochastic operators draw in train mode with the seeds ``seed`` to ``seed + seeds - 1``.
        device: of torch.
    """

    kernel_size: int | tuple[int, ...] = 2
    stride: int | tuple[int, ...] | None = None
    upsample: tuple[str, ...] = ("bilinear",)
    normalize: str = "none"
    metrics: tuple[str, ...] = ("ssim", "psnr")
    seed: int = 0
    seeds: int = 3
    device: str = "cpu"


@dataclass(frozen=True)
class Run:
    """One operator in one state: a module, ready to call."""

    pool: str
    params: str
    state: str
    seed: int | None
    module: Pool


@dataclass(frozen=True)
class View:
    """What one row's pictures show: float64 ``(H, W, 3)`` arrays in the image's own scale."""

    row: dict[str, Any]
    original: FloatImage
    pooled: FloatImage
    rebuilt: FloatImage


@dataclass
class _Pending:
    row: dict[str, Any]
    pooled: Tensor
    rebuilt: FloatImage


def make_runs(specs: Iterable[str], protocol: Protocol, ndim: int = 2, in_channels: int = 3) -> list[Run]:
    """The modules to compare: one a spec, but for stochastic ones one a seed in train mode and one in eval mode.

    Raises:
        ValueError: an unknown operator, or a parameter or number of axes that is not allowed.
    """
    make = functools.partial(
        make_module,
        ndim=ndim,
        in_channels=in_channels,
        kernel_size=protocol.kernel_size,
        stride=protocol.stride,
        seed=protocol.seed,
        device=protocol.device,
        dtype=torch.float64,
    )
    runs = []
    for spec in specs:
        name, shown = shown_params(spec)
        module = make(spec)
        if not module.stochastic:
            runs.append(Run(name, shown, state_of(module), None, module))
            continue
        for seed in range(protocol.seed, protocol.seed + protocol.seeds):
            runs.append(Run(name, shown, "train", seed, make(spec).train()))
        runs.append(Run(name, shown, "eval", None, module))
    return runs


def rebuild(pooled: Tensor, size: tuple[int, ...], upsample: str, phases: Sequence[tuple[int, ...]] = ()) -> Tensor:
    """Grow a pooled image back to ``size``.

    Args:
        pooled: ``(1, C, h, w)``, or ``(1, C, S, h, w)`` from an operator that keeps S submaps; ``(1, C, d, h, w)``
            where three axes were pooled.
        size: height and width of the result, or depth, height and width.
        upsample: a name from :data:`UPSAMPLERS`.
        phases: per submap, how many pixels down and right of the first one its samples lie.

    Returns:
        ``(1, C, *size)``. Submaps are rebuilt one by one, each shifted by its phase (edges repeated), and averaged.
    """
    arguments = UPSAMPLERS[upsample]
    if pooled.dim() == len(size) + 2:
        return F.interpolate(pooled, size=size, **arguments)
    parts = []
    for submap, (down, right) in zip(pooled.unbind(2), phases, strict=True):
        full = F.interpolate(submap, size=size, **arguments)
        parts.append(F.pad(full, (right, 0, down, 0), mode="replicate")[..., : size[0], : size[1]])
    return torch.stack(parts).mean(0)


def compare(
    sources: Sequence[Source | Input],
    specs: Sequence[str],
    protocol: Protocol = Protocol(),
    *,
    baseline: str | None = None,
    command: str = "",
    on_view: Callable[[View], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Pool every image with every operator and score what is left.

    Args:
        sources: images, from :func:`poolzoo.analysis.images.find_images`; activations, from
            :func:`poolzoo.analysis.features.feature_maps`; or, apart from those, a
            :class:`poolzoo.analysis.clips.Video` or :class:`poolzoo.analysis.clips.Volume`.
        specs: operators as spec strings, from :func:`poolzoo.registry.expand_specs`.
        protocol: how images are pooled, rebuilt and scored.
        baseline: the spec that tables compare with; by default avg if it is there, else the first.
        command: the command line, for the metadata.
        on_view: called with each row's pictures (of stochastic operators, the first seed's and eval's).
        on_step: called with the number of finished and of all image-operator pairs.

    Returns:
        One row for every image, operator, state, seed and upsampler. An image that cannot be used gives one row with
        its ``error`` and no operator; an operator that fails gives a row with its ``error``.

    Raises:
        ValueError: an unknown operator, a parameter that is not allowed, a baseline that is not compared, sources of
            which some are pooled over two axes and some over three, an upsampler or normalisation not for them, or a
            metric of piq, which is not installed.
    """
    check_metrics(protocol.metrics)
    specs = list(dict.fromkeys(map(normal_spec, specs)))
    baseline = pick_baseline(specs, baseline)
    inputs = as_inputs(sources)
    ndim = ndim_of(inputs)
    protocol = _for_inputs(protocol, inputs, ndim)
    geometry = make_geometry(ndim, protocol.kernel_size, protocol.stride)
    runs_for = functools.cache(functools.partial(make_runs, specs, protocol, ndim))
    count = len(runs_for(3))  # whatever is wrong with an operator is said before anything is read
    total = len(inputs) * count
    rows: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    # By the reference, so that the numbers do not depend on what this machine has built; `profile` times what runs.
    threads = torch.get_num_threads()
    with cuda.by_reference(), ThreadPoolExecutor(threads, initializer=use_one_thread) as workers:
        for number, item in enumerate(inputs):
            try:
                sample = item.load()
                sample = replace(sample, image=crop(sample.image, sample.name, geometry, protocol.metrics))
            except ImageError as error:
                rows.append(_row(item, protocol, geometry, error=str(error)))
                if on_step:
                    on_step((number + 1) * count, total)
            else:
                images.append({"name": sample.name, **sample.size, **sample.facts})
                runs = runs_for(sample.image.shape[-1])
                for done, group in enumerate(_score_sample(item, sample, runs, protocol, workers, on_view), 1):
                    rows.extend(group)
                    if on_step:
                        on_step(number * count + done, total)
    metadata = {
        **provenance(command, baseline),
        "metrics": list(protocol.metrics),
        "images": images,
        "pools": describe_specs(specs),
        "seed": protocol.seed,
        "seeds": protocol.seeds,
        "device": protocol.device,
        "dtype": "float64",
        "kernel_size": shown_size(geometry.kernel_size),
        "stride": shown_size(geometry.stride),
        "upsample": list(protocol.upsample),
        "normalize": protocol.normalize,
        "protocol": "roundtrip",
    }
    return Result("compare", metadata, rows)


def _for_inputs(protocol: Protocol, inputs: Sequence[Input], ndim: int) -> Protocol:
    """``protocol`` with the upsamplers' names for ``ndim`` axes.

    Raises:
        ValueError: an upsampler is not for three axes, or a normalisation of three colours is asked for other inputs.
    """
    one_for_all = all(len(set(values)) == 1 for values in NORMALIZATIONS[protocol.normalize])
    colourless = [item.name for item in inputs if not item.colours]
    if colourless and not one_for_all:
        raise ValueError(f"normalize={protocol.normalize!r}: scales three colours, which {colourless[0]!r} has not")
    if ndim == 2:
        return protocol
    for name in protocol.upsample:
        if name not in IN_3D:
            raise ValueError(
                f"upsample={name!r}: not over three axes; for videos and volumes nearest or bilinear is allowed"
            )
    return replace(protocol, upsample=tuple(dict.fromkeys(IN_3D[name] for name in protocol.upsample)))


def crop(image: FloatImage, name: str, geometry: Geometry, metrics: Sequence[str]) -> FloatImage:
    """The first part of an ``(H, W, C)`` or ``(D, H, W, C)`` array whose sides are multiples of the stride.

    Raises:
        ImageError: what is left is smaller than the window, or than a metric allows.
    """
    sizes = image.shape[:-1]
    left = tuple(size - size % step for size, step in zip(sizes, geometry.stride, strict=True))
    said = f"{name!r}: {_shown_sides(sizes)} pixels, of which a multiple of the stride is {_shown_sides(left)}"
    if any(size < window for size, window in zip(left, geometry.kernel_size, strict=True)):
        raise ImageError(f"{said}: smaller than the {_shown_sides(geometry.kernel_size)} window")
    for metric in metrics:
        if min(left) < LEAST_SIDES.get(metric, 1):
            least = f"{metric.upper()} needs at least {LEAST_SIDES[metric]} on each side"
            raise ImageError(f"{said}: {least}; --metric psnr does not")
    return image[tuple(map(slice, left))]


def _shown_sides(sizes: Sequence[int]) -> str:
    """Width by height, as pictures' sizes are written; with frames or slices before them."""
    sides = "x".join(map(str, sizes[:-3:-1]))
    return f"{sizes[0]}x{sides}" if len(sizes) == 3 else sides


def _score_sample(
    item: Input,
    sample: Sample,
    runs: Sequence[Run],
    protocol: Protocol,
    workers: ThreadPoolExecutor,
    on_view: Callable[[View], None] | None,
) -> Iterator[list[dict[str, Any]]]:
    """The rows of one sample, a group a run. Pooling is timed alone; scoring then runs on all threads at once."""
    image = sample.image
    size = image.shape[:-1]
    mean, std = (
        # One value for all channels where it is the same: there may be any number of them.
        torch.tensor(values[:1] if len(set(values)) == 1 else values, dtype=torch.float64, device=protocol.device)
        for values in NORMALIZATIONS[protocol.normalize]
    )
    x = torch.from_numpy(image).movedim(-1, 0).to(protocol.device)
    x = ((x - _per_channel(mean, x)) / _per_channel(std, x)).unsqueeze(0).contiguous()
    score = functools.partial(_scores, image, metrics=protocol.metrics, data_range=sample.data_range)
    batch = 2 * torch.get_num_threads()
    for start in range(0, len(runs), batch):
        groups: list[list[dict[str, Any]]] = []
        pending: list[_Pending] = []
        for run in runs[start : start + batch]:
            geometry = run.module.geometry
            group = [_row(item, protocol, geometry, run, upsample) for upsample in protocol.upsample]
            groups.append(group)
            try:
                pooled, seconds, phases = _pool(run, x)
                pooled = pooled * _per_channel(std, pooled[0]) + _per_channel(mean, pooled[0])
                if not bool(pooled.isfinite().all()):
                    raise ValueError("the pooled image is not finite")
                kept = pooled.numel() / x.numel()
                regular = math.prod(output_size(size, geometry))
                for row in group:
                    full = rebuild(pooled, size, row["upsample"], phases)
                    row |= {
                        "data_range": sample.data_range,
                        "kept": kept,
                        "equal_kept": pooled.numel() == image.shape[-1] * regular,
                        "forward_s": seconds,
                    }
                    pending.append(_Pending(row, pooled, full[0].movedim(0, -1).cpu().numpy()))
            except Exception as error:  # a failed operator is a row, not the end of the run
                for row in group:
                    row["error"] = one_line(error)
        for done, scores in zip(pending, workers.map(score, [p.rebuilt for p in pending]), strict=True):
            done.row |= scores
            seed = done.row["seed"]
            if on_view and (seed is None or seed == protocol.seed):
                shown = (image, _side_by_side(done.pooled, sample.ndim), done.rebuilt)
                on_view(View(done.row, *map(sample.picture, shown)))
        yield from groups


def _pool(run: Run, x: Tensor) -> tuple[Tensor, float, Sequence[tuple[int, ...]]]:
    """The pooled tensor, the seconds of the fastest of up to five calls, and where its submaps lie."""
    times: list[float] = []
    with torch.no_grad():
        if x.is_cuda:  # what a GPU loads and chooses at first use takes longer than all the calls that are timed
            run.module(x)
        # The first call pays for memory that the others find; the fastest was disturbed least.
        while len(times) < 5 and sum(times) < 0.2:
            _seed(run, x)
            _synchronize(x)
            start = time.perf_counter()
            pooled = run.module(x)
            _synchronize(x)
            times.append(time.perf_counter() - start)
    info = run.module.info
    _seed(run, x)
    phases = info.phases(run.module.geometry, **run.module.params(x)) if info.phases else ()
    return pooled, min(times), phases


def _seed(run: Run, x: Tensor) -> None:
    """Make every call draw the same: the last one's result is the first one's, and its submaps lie where it says."""
    if run.seed is not None:
        run.module.generator = torch.Generator(x.device).manual_seed(run.seed)  # type: ignore[assignment]


def _synchronize(x: Tensor) -> None:
    if x.is_cuda:
        torch.cuda.synchronize(x.device)


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    """``(C,)`` or ``(1,)`` to stand beside ``x``, ``(C, ...)``."""
    return values.reshape(-1, *(1,) * (x.dim() - 1))


def _scores(
    original: FloatImage, rebuilt: FloatImage, metrics: Sequence[str], data_range: float = 1.0
) -> dict[str, float]:
    return {name: METRICS[name](original, rebuilt, data_range=data_range) for name in metrics}


def _side_by_side(pooled: Tensor, ndim: int) -> FloatImage:
    """``(1, C, *sizes)`` as ``(*sizes, C)``; submaps side by side."""
    if pooled.dim() > ndim + 2:
        pooled = torch.cat(pooled.unbind(2), dim=-1)
    values: FloatImage = pooled[0].movedim(0, -1).cpu().numpy()
    return values


def _row(
    item: Input,
    protocol: Protocol,
    geometry: Geometry,
    run: Run | None = None,
    upsample: str = "",
    error: str | None = None,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "image": item.name,
        "pool": run.pool if run else "",
        "params": run.params if run else "",
        "kernel_size": shown_size(geometry.kernel_size),
        "stride": shown_size(geometry.stride),
        "upsample": upsample,
        "normalize": protocol.normalize,
        "protocol": "roundtrip",
        "input": item.label,
        "state": run.state if run else "",
        "seed": run.seed if run else None,
        "data_range": None,
        "kept": None,
        "equal_kept": None,
    }
    return row | dict.fromkeys(protocol.metrics) | {"forward_s": None, "error": error}


def shown_size(values: Sequence[int]) -> int | str:
    """``2`` for equal axes, else ``"3x2"``."""
    return values[0] if len(set(values)) == 1 else "x".join(map(str, values))
