"""The round trip: crop, normalise, pool, undo the normalisation, rebuild to full size, score against the original."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo import cuda
from poolzoo.analysis.images import ImageError, Source, load_image
from poolzoo.analysis.metrics import METRICS, SSIM_WINDOW
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
from poolzoo.operators.base import Pool
from poolzoo.windows import Geometry, make_geometry, output_size

if TYPE_CHECKING:
    from poolzoo.analysis.metrics import FloatImage

#: How a pooled image grows back: the arguments of torch.nn.functional.interpolate.
UPSAMPLERS: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest"},
    "bilinear": {"mode": "bilinear", "align_corners": False},
    "bicubic": {"mode": "bicubic", "align_corners": False},
}
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
        upsample: names from :data:`UPSAMPLERS`; each gives its own rows.
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
    """What one row's pictures show: float64 ``(H, W, 3)`` arrays in the image's own scale.

    ``submaps`` is how many stand side by side in ``pooled``.
    """

    row: dict[str, Any]
    original: FloatImage
    pooled: FloatImage
    rebuilt: FloatImage
    submaps: int = 1


@dataclass
class _Pending:
    row: dict[str, Any]
    pooled: Tensor
    rebuilt: FloatImage


def make_runs(specs: Iterable[str], protocol: Protocol) -> list[Run]:
    """The modules to compare: one a spec, but for stochastic ones one a seed in train mode and one in eval mode.

    Raises:
        ValueError: an unknown operator, or a parameter that is not allowed.
    """
    make = functools.partial(
        make_module,
        ndim=2,
        in_channels=3,
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


def rebuild(pooled: Tensor, size: tuple[int, int], upsample: str, phases: Sequence[tuple[int, ...]] = ()) -> Tensor:
    """Grow a pooled image back to ``size``.

    Args:
        pooled: ``(1, C, h, w)``, or ``(1, C, S, h, w)`` from an operator that keeps S submaps.
        size: height and width of the result.
        upsample: a name from :data:`UPSAMPLERS`.
        phases: per submap, how many pixels down and right of the first one its samples lie.

    Returns:
        ``(1, C, *size)``. Submaps are rebuilt one by one, each shifted by its phase (edges repeated), and averaged.
    """
    arguments = UPSAMPLERS[upsample]
    if pooled.dim() == 4:
        return F.interpolate(pooled, size=size, **arguments)
    parts = []
    for submap, (down, right) in zip(pooled.unbind(2), phases, strict=True):
        full = F.interpolate(submap, size=size, **arguments)
        parts.append(F.pad(full, (right, 0, down, 0), mode="replicate")[..., : size[0], : size[1]])
    return torch.stack(parts).mean(0)


def compare(
    sources: Sequence[Source],
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
        sources: the images, from :func:`poolzoo.analysis.images.find_images`.
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
        ValueError: an unknown operator, a parameter that is not allowed, or a baseline that is not compared.
    """
    specs = list(dict.fromkeys(map(normal_spec, specs)))
    baseline = pick_baseline(specs, baseline)
    geometry = make_geometry(2, protocol.kernel_size, protocol.stride)
    runs = make_runs(specs, protocol)
    total = len(sources) * len(runs)
    rows: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    # By the reference, so that the numbers do not depend on what this machine has built; `profile` times what runs.
    with cuda.by_reference(), ThreadPoolExecutor(torch.get_num_threads()) as workers:
        for number, source in enumerate(sources):
            try:
                image = crop(load_image(source), source.name, geometry, protocol.metrics)
            except ImageError as error:
                rows.append(_row(source.name, protocol, error=str(error)))
                if on_step:
                    on_step((number + 1) * len(runs), total)
            else:
                height, width = image.shape[:2]
                images.append({"name": source.name, "width": width, "height": height})
                for done, group in enumerate(_score_image(source.name, image, runs, protocol, workers, on_view), 1):
                    rows.extend(group)
                    if on_step:
                        on_step(number * len(runs) + done, total)
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


def crop(image: FloatImage, name: str, geometry: Geometry, metrics: Sequence[str]) -> FloatImage:
    """The top-left part of an ``(H, W, 3)`` image whose sides are multiples of the stride.

    Raises:
        ImageError: what is left is smaller than the window, or than SSIM's.
    """
    height, width = image.shape[:2]
    down, right = geometry.stride
    image = image[: height - height % down, : width - width % right]
    left = f"{name!r}: {width}x{height} pixels, of which a multiple of the stride is {image.shape[1]}x{image.shape[0]}"
    if image.shape[0] < geometry.kernel_size[0] or image.shape[1] < geometry.kernel_size[1]:
        raise ImageError(f"{left}: smaller than the {geometry.kernel_size[1]}x{geometry.kernel_size[0]} window")
    if "ssim" in metrics and min(image.shape[:2]) < SSIM_WINDOW:
        raise ImageError(f"{left}: SSIM needs at least {SSIM_WINDOW} on each side; --metric psnr does not")
    return image


def _score_image(
    name: str,
    image: FloatImage,
    runs: Sequence[Run],
    protocol: Protocol,
    workers: ThreadPoolExecutor,
    on_view: Callable[[View], None] | None,
) -> Iterator[list[dict[str, Any]]]:
    """The rows of one image, a group a run. Pooling is timed alone; scoring then runs on all threads at once."""
    mean, std = (
        torch.tensor(values, dtype=torch.float64, device=protocol.device).reshape(3, 1, 1)
        for values in NORMALIZATIONS[protocol.normalize]
    )
    x = ((torch.from_numpy(image).permute(2, 0, 1).to(protocol.device) - mean) / std).unsqueeze(0).contiguous()
    size = (image.shape[0], image.shape[1])
    batch = 2 * torch.get_num_threads()
    for start in range(0, len(runs), batch):
        groups: list[list[dict[str, Any]]] = []
        pending: list[_Pending] = []
        for run in runs[start : start + batch]:
            group = [_row(name, protocol, run, upsample) for upsample in protocol.upsample]
            groups.append(group)
            try:
                pooled, seconds, phases = _pool(run, x)
                per_channel = (3,) + (1,) * (pooled.dim() - 2)
                pooled = pooled * std.reshape(per_channel) + mean.reshape(per_channel)
                if not bool(pooled.isfinite().all()):
                    raise ValueError("the pooled image is not finite")
                kept = pooled.numel() / x.numel()
                regular = output_size(size, run.module.geometry)
                for row in group:
                    full = rebuild(pooled, size, row["upsample"], phases)
                    row |= {
                        "kept": kept,
                        "equal_kept": pooled.numel() == 3 * regular[0] * regular[1],
                        "forward_s": seconds,
                    }
                    pending.append(_Pending(row, pooled, full[0].permute(1, 2, 0).cpu().numpy()))
            except Exception as error:  # a failed operator is a row, not the end of the run
                for row in group:
                    row["error"] = one_line(error)
        for item, scores in zip(
            pending, workers.map(lambda p: _scores(image, p.rebuilt, protocol.metrics), pending), strict=True
        ):
            item.row |= scores
            seed = item.row["seed"]
            if on_view and (seed is None or seed == protocol.seed):
                submaps = item.pooled.shape[2] if item.pooled.dim() == 5 else 1
                on_view(View(item.row, image, _as_picture(item.pooled), item.rebuilt, submaps))
        yield from groups


def _pool(run: Run, x: Tensor) -> tuple[Tensor, float, Sequence[tuple[int, ...]]]:
    """The pooled tensor, the seconds of the fastest of up to five calls, and where its submaps lie."""
    times: list[float] = []
    with torch.no_grad():
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


def _scores(original: FloatImage, rebuilt: FloatImage, metrics: Sequence[str]) -> dict[str, float]:
    return {name: METRICS[name](original, rebuilt) for name in metrics}


def _as_picture(pooled: Tensor) -> FloatImage:
    """``(1, 3, h, w)`` as ``(h, w, 3)``; submaps side by side."""
    if pooled.dim() == 5:
        pooled = torch.cat(pooled.unbind(2), dim=-1)
    picture: FloatImage = pooled[0].permute(1, 2, 0).cpu().numpy()
    return picture


def _row(
    image: str, protocol: Protocol, run: Run | None = None, upsample: str = "", error: str | None = None
) -> dict[str, Any]:
    geometry = run.module.geometry if run else make_geometry(2, protocol.kernel_size, protocol.stride)
    row: dict[str, Any] = {
        "image": image,
        "pool": run.pool if run else "",
        "params": run.params if run else "",
        "kernel_size": shown_size(geometry.kernel_size),
        "stride": shown_size(geometry.stride),
        "upsample": upsample,
        "normalize": protocol.normalize,
        "protocol": "roundtrip",
        "state": run.state if run else "",
        "seed": run.seed if run else None,
        "kept": None,
        "equal_kept": None,
    }
    return row | dict.fromkeys(protocol.metrics) | {"forward_s": None, "error": error}


def shown_size(values: Sequence[int]) -> int | str:
    """``2`` for equal axes, else ``"3x2"``."""
    return values[0] if len(set(values)) == 1 else "x".join(map(str, values))
