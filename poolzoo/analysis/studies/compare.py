"""The round trip: crop, normalise, pool, undo the normalisation, rebuild to full size, score against the original.

What goes round is an image, a layer's activations, or, pooled over three axes, a video or a volume (see ``samples``).
Or at low resolution: score what was pooled against the original, made small by an antialiased filter.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo import cuda
from poolzoo.analysis.inputs.images import ImageError, Source
from poolzoo.analysis.inputs.samples import Input, Sample, as_inputs, ndim_of
from poolzoo.analysis.results.schema import METRIC_KEYS, TIME_KEYS, UPSAMPLE_NONE, Result
from poolzoo.analysis.scoring.decoders import Decoders, HeldOut
from poolzoo.analysis.scoring.fitted_parameters import Fitted, check_fits, give_parameters, note_scored
from poolzoo.analysis.scoring.forward_times import QUICK_DTYPE, quick_time, uniform_input
from poolzoo.analysis.scoring.image_metrics import LEAST_SIDES, METRICS, check_metrics, use_one_thread
from poolzoo.analysis.scoring.lowres import downscale
from poolzoo.analysis.scoring.operator_metrics import Pooling, measure
from poolzoo.analysis.scoring.pool_modules import (
    describe_specs,
    make_module,
    normal_spec,
    one_line,
    pick_baseline,
    provenance,
    resamples,
    seed_draws,
    shown_params,
    shown_size,
    state_of,
)
from poolzoo.geometry import Geometry, make_geometry, output_size
from poolzoo.operators.base import Pool

if TYPE_CHECKING:
    from poolzoo.analysis.scoring.image_metrics import FloatImage

#: How a pooled image grows back: the arguments of torch.nn.functional.interpolate.
UPSAMPLERS: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest"},
    "bilinear": {"mode": "bilinear", "align_corners": False},
    "bicubic": {"mode": "bicubic", "align_corners": False},
    "trilinear": {"mode": "trilinear", "align_corners": False},
}
#: What upsamplers are called, in rows too, where three axes are pooled.
IN_3D = {"nearest": "nearest", "bilinear": "trilinear", "trilinear": "trilinear"}
#: Whether what was pooled is rebuilt and scored at full size, or scored as it is (poolzoo.analysis.scoring.lowres).
PROTOCOLS = ("roundtrip", "lowres")
#: The other way for it to grow back: by a decoder fitted on other images, see :mod:`poolzoo.analysis.scoring.decoders`.
OPTIMAL = "optimal"
#: Mean and standard deviation per channel that are taken off before pooling and put back after it.
NORMALIZATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "inception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),  # values from -1 to 1
    "255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),  # values from 0 to 255
}


@dataclass(frozen=True)
class Protocol:
    """How images are pooled, rebuilt and scored.

    Attributes:
        kernel_size, stride: of every operator; stride None means kernel_size.
        upsample: names from :data:`UPSAMPLERS`, or :data:`OPTIMAL`; each gives its own rows. For videos and volumes see
            :data:`IN_3D`.
        normalize: a name from :data:`NORMALIZATIONS`.
        metrics: names from :data:`METRICS` and :data:`poolzoo.analysis.scoring.operator_metrics.MEASURES`; the first
            one sorts tables.
        seed, seeds: stochastic operators draw in train mode with the seeds ``seed`` to ``seed + seeds - 1``.
        device: of torch.
        protocol: a name from :data:`PROTOCOLS`; ``lowres`` does not rebuild, whatever ``upsample`` says.
        decoder_images: sources of what optimal decoders are fitted on; none means scikit-image's photographs.
        timed: whether rows say how long operators take, see :func:`time_operators`.
    """

    kernel_size: int | tuple[int, ...] = 2
    stride: int | tuple[int, ...] | None = None
    upsample: tuple[str, ...] = ("bilinear",)
    normalize: str = "none"
    metrics: tuple[str, ...] = ("ssim", "psnr")
    seed: int = 0
    seeds: int = 3
    device: str = "cpu"
    protocol: str = "roundtrip"
    decoder_images: tuple[str, ...] = ()
    timed: bool = True

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol={self.protocol!r}: {', '.join(PROTOCOLS)} are allowed")
        if self.protocol == "lowres":
            object.__setattr__(self, "upsample", (UPSAMPLE_NONE,))
        else:
            _check_names("upsample", self.upsample, (*UPSAMPLERS, OPTIMAL))
        _check_names("metrics", self.metrics, METRIC_KEYS)
        _check_names("normalize", (self.normalize,), NORMALIZATIONS)
        for name in ("upsample", "metrics"):  # asked for twice is asked for
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))


def _check_names(argument: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    if unknown := [name for name in given if name not in allowed]:
        raise ValueError(f"{argument}={unknown[0]!r}: {', '.join(allowed)} are allowed")


#: Registry name, parameters and state.
Operator = tuple[str, str, str]


@dataclass(frozen=True)
class Run:
    """One operator in one state: a module, ready to call."""

    pool: str
    params: str
    state: str
    seed: int | None
    module: Pool
    fitted: Fitted | None = None

    @property
    def key(self) -> tuple[str, str, str, int | None]:
        """What tells this run from every other of a comparison."""
        return (self.pool, self.params, self.state, self.seed)

    @property
    def operator(self) -> Operator:
        """What all its seeds have in common."""
        return (self.pool, self.params, self.state)


@dataclass(frozen=True)
class View:
    """What one row's pictures show: float64 ``(H, W, 3)`` arrays in the image's own scale.

    ``submaps`` is how many stand side by side in ``pooled``. At low resolution ``original`` is the reference, as small
    as ``pooled``, and ``rebuilt`` is ``pooled``. ``operator`` pools another picture, ``(1, C, H, W)``, as the row's
    was: with the same parameters, normalisation and draws, in the picture's scale.
    """

    row: dict[str, Any]
    original: FloatImage
    pooled: FloatImage
    rebuilt: FloatImage
    submaps: int = 1
    operator: Callable[[Tensor], Tensor] | None = None


class _Scale:
    """The normalisation of a protocol, for tensors ``(1, C, ...)``."""

    def __init__(self, protocol: Protocol) -> None:
        self.mean, self.std = (
            # One value for all channels where it is the same: there may be any number of them.
            torch.tensor(values[:1] if len(set(values)) == 1 else values, dtype=torch.float64, device=protocol.device)
            for values in NORMALIZATIONS[protocol.normalize]
        )

    def normalise(self, x: Tensor) -> Tensor:
        return (x - self._beside(self.mean, x)) / self._beside(self.std, x)

    def denormalise(self, x: Tensor) -> Tensor:
        return x * self._beside(self.std, x) + self._beside(self.mean, x)

    @staticmethod
    def _beside(values: Tensor, x: Tensor) -> Tensor:
        return values.reshape(-1, *(1,) * (x.dim() - 2))


@dataclass
class _Pending:
    row: dict[str, Any]
    pooled: Tensor
    #: An original and what is left of it; at low resolution a pair for each submap.
    pairs: list[tuple[FloatImage, FloatImage]]
    operator: Callable[[Tensor], Tensor]


def make_runs(
    specs: Iterable[str],
    protocol: Protocol,
    ndim: int = 2,
    in_channels: int = 3,
    *,
    fits: Sequence[Fitted] = (),
    dtype: torch.dtype = torch.float64,
) -> list[Run]:
    """The modules to compare: one a spec, but for stochastic ones one a seed in train mode and one in eval mode.

    An operator that is among ``fits`` has one more, with the parameters that it learned. Scores are of float64.

    Raises:
        ValueError: an unknown operator, a parameter or number of axes that is not allowed, or an operator fitted for
            another protocol.
    """
    make = functools.partial(
        make_module,
        ndim=ndim,
        in_channels=in_channels,
        kernel_size=protocol.kernel_size,
        stride=protocol.stride,
        seed=protocol.seed,
        device=protocol.device,
        dtype=dtype,
    )
    learned = {fitted.spec: fitted for fitted in fits}
    runs = []
    for spec in specs:
        name, shown = shown_params(spec)
        module = make(spec)
        if not module.stochastic:
            runs.append(Run(name, shown, state_of(module), None, module))
        else:
            for seed in range(protocol.seed, protocol.seed + protocol.seeds):
                runs.append(Run(name, shown, "train", seed, make(spec).train()))
            runs.append(Run(name, shown, "eval", None, module))
        if fitted := learned.get(normal_spec(spec)):
            better = give_parameters(make(spec), fitted, protocol.normalize)
            runs.append(Run(name, shown, "fitted", None, better, fitted))
    return runs


def time_operators(
    specs: Iterable[str], protocol: Protocol, shape: Sequence[int], *, fits: Sequence[Fitted] = ()
) -> dict[Operator, dict[str, Any]]:
    """How long operators take for one input, as a user runs them: in float32, by the backend they choose by themselves.

    Args:
        specs: the operators.
        protocol: whose window, device and seed they have.
        shape: of the input, ``(1, C, *size)``.
        fits: as for :func:`make_runs`.

    Returns:
        What the rows of each operator and state say of time.
    """
    dtype = getattr(torch, QUICK_DTYPE)
    runs = make_runs(specs, replace(protocol, seeds=1), len(shape) - 2, shape[1], fits=fits, dtype=dtype)
    x = uniform_input(shape, dtype, protocol.device, protocol.seed)
    return {run.operator: quick_time(run.module, x, protocol.seed) for run in runs}


def note_times(rows: Iterable[dict[str, Any]], times: Mapping[Operator, Mapping[str, Any]]) -> None:
    """Let rows with scores say how long their operator takes, as :func:`time_operators` found."""
    for row in rows:
        if row["error"] is None:
            row.update(times.get((row["pool"], row["params"], row["state"]), {}))


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
    fits: Sequence[Fitted] = (),
    command: str = "",
    on_view: Callable[[View], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Pool every image with every operator and score what is left.

    Args:
        sources: images, from :func:`poolzoo.analysis.inputs.images.find_images`; activations, from
            :func:`poolzoo.analysis.inputs.features.feature_maps`; or, apart from those, a
            :class:`poolzoo.analysis.inputs.clips.Video` or :class:`poolzoo.analysis.inputs.clips.Volume`.
        specs: operators as spec strings, from :func:`poolzoo.registry.expand_specs`.
        protocol: how images are pooled, rebuilt and scored.
        baseline: the spec that tables compare with; by default avg if it is there, else the first.
        fits: what operators among ``specs`` learned; those are shown as they start and fitted.
        command: the command line, for the metadata.
        on_view: called with each row's pictures (of stochastic operators, the first seed's and eval's); at low
            resolution only of rows that are held against the same small original: one map, on the protocol's grid.
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
    check_fits(fits, specs)
    baseline = pick_baseline(specs, baseline)
    inputs = as_inputs(sources)
    ndim = ndim_of(inputs)
    protocol = _for_inputs(protocol, inputs, ndim, fits)
    geometry = make_geometry(ndim, protocol.kernel_size, protocol.stride)
    runs_for = functools.cache(functools.partial(make_runs, specs, protocol, ndim, fits=fits))
    times_for = functools.cache(functools.partial(time_operators, specs, protocol, fits=fits))
    count = len(runs_for(3))  # whatever is wrong with an operator is said before anything is read
    decoders = decoders_for(protocol, geometry)
    ahead = len(decoders.sources) if decoders else 0
    total = (ahead + len(inputs)) * count
    rows: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=use_one_thread) as workers:
        if decoders:
            with cuda.by_reference():
                decoders.fit_all(runs_for(3), lambda number: on_step(number * count, total) if on_step else None)
        for number, item in enumerate(inputs, ahead):
            try:
                loaded = item.load()
                sample = replace(loaded, image=crop(loaded.image, loaded.name, geometry, protocol.metrics))
            except ImageError as error:
                rows.append(failed_image(item, protocol, str(error)))
                if on_step:
                    on_step((number + 1) * count, total)
            else:
                images.append({"name": sample.name, **sample.size, **sample.facts})
                runs = runs_for(sample.image.shape[-1])
                times = times_for((1, sample.image.shape[-1], *sample.image.shape[:-1])) if protocol.timed else {}
                # By the reference, so that the scores do not depend on what this machine has built.
                with cuda.by_reference():
                    held_out = decoders.without(loaded.image) if decoders else None
                    scored = score_sample(item, sample, runs, protocol, held_out, spread=workers.map, on_view=on_view)
                    for done, group in enumerate(scored, 1):
                        note_scored(group, loaded.image, fits)
                        note_times(group, times)
                        rows.extend(group)
                        if on_step:
                            on_step(number * count + done, total)
    metadata = describe_comparison(specs, protocol, baseline, command, ndim, decoders, fits)
    return Result("compare", metadata | {"images": images}, rows)


def describe_comparison(
    specs: Sequence[str],
    protocol: Protocol,
    baseline: str,
    command: str,
    ndim: int = 2,
    decoders: Decoders | None = None,
    fits: Sequence[Fitted] = (),
) -> dict[str, Any]:
    """The metadata of a comparison, but for its images."""
    geometry = make_geometry(ndim, protocol.kernel_size, protocol.stride)
    return {
        **provenance(command, baseline),
        "metrics": list(protocol.metrics),
        "images": [],
        "pools": describe_specs(specs),
        "seed": protocol.seed,
        "seeds": protocol.seeds,
        "device": protocol.device,
        "dtype": "float64",
        "kernel_size": shown_size(geometry.kernel_size),
        "stride": shown_size(geometry.stride),
        "upsample": list(protocol.upsample),
        "normalize": protocol.normalize,
        "protocol": protocol.protocol,
        **({"decoder": decoders.describe()} if decoders else {}),
        **({"fits": [fitted.facts for fitted in fits]} if fits else {}),
    }


def _for_inputs(protocol: Protocol, inputs: Sequence[Input], ndim: int, fits: Sequence[Fitted]) -> Protocol:
    """``protocol`` with the upsamplers' names for ``ndim`` axes.

    Raises:
        ValueError: an upsampler is not for three axes, or a normalisation of three colours, a decoder or parameters
            learned from photographs are asked for other inputs.
    """
    one_for_all = all(len(set(values)) == 1 for values in NORMALIZATIONS[protocol.normalize])
    colourless = [item.name for item in inputs if not item.colours]
    if colourless and not one_for_all:
        raise ValueError(f"normalize={protocol.normalize!r}: scales three colours, which {colourless[0]!r} has not")
    if (colourless or ndim > 2) and (OPTIMAL in protocol.upsample or fits):
        wanted = "fits" if fits else f"upsample={OPTIMAL!r}"
        raise ValueError(f"{wanted}: learned from photographs, for photographs; not for features, videos and volumes")
    if ndim == 2:
        return protocol
    if protocol.protocol == "lowres":
        raise ValueError("protocol='lowres': not over three axes; for videos and volumes roundtrip is allowed")
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


def score_sample(
    item: Input,
    sample: Sample,
    runs: Sequence[Run],
    protocol: Protocol,
    held_out: HeldOut | None = None,
    *,
    spread: Callable[..., Iterable[Any]] = map,
    on_view: Callable[[View], None] | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """The rows of one sample, a group a run; where a run fails, its rows have an ``error``.

    Args:
        item: where the sample comes from, for its rows.
        sample: as loaded, its array cut by :func:`crop`.
        runs: from :func:`make_runs`.
        protocol: that of the runs.
        held_out: the decoders for this image; needed where ``protocol`` asks for :data:`OPTIMAL`.
        spread: ``map``, or that of an executor, on whose threads scoring then runs.
        on_view: as for :func:`compare`.
    """
    one = _OneSample(item, sample, protocol, held_out)
    score = functools.partial(_scores, metrics=protocol.metrics, data_range=sample.data_range)
    batch = 2 * torch.get_num_threads()
    for start in range(0, len(runs), batch):
        pooled = [one.pool(run) for run in runs[start : start + batch]]
        pending = [scored for _, own in pooled for scored in own]
        for done, scores in zip(pending, spread(score, [p.pairs for p in pending]), strict=True):
            done.row |= scores
            if on_view and one.is_shown(done):
                on_view(one.view(done))
        yield from (group for group, _ in pooled)


class _OneSample:
    """A sample, on its way through the operators.

    Attributes:
        picture: ``(1, C, *size)`` in the sample's own scale.
        x: what operators are given.
    """

    def __init__(self, item: Input, sample: Sample, protocol: Protocol, held_out: HeldOut | None) -> None:
        self.item, self.sample, self.protocol, self.held_out = item, sample, protocol, held_out
        self.size = sample.image.shape[:-1]
        self.scale = _Scale(protocol)
        self.picture = _as_picture(sample.image, protocol)
        self.x = self.scale.normalise(self.picture).contiguous()

    def pool(self, run: Run) -> tuple[list[dict[str, Any]], list[_Pending]]:
        """A run's rows, and what is still to be scored for them: nothing where it fails, and they say why."""
        rows = [_row(self.item, self.protocol, run.module.geometry, run, name) for name in self.protocol.upsample]
        try:
            return rows, self._pending(run, rows)
        except Exception as error:  # a failed operator is a row, not the end of the run
            for row in rows:
                row["error"] = one_line(error)
            return rows, []

    def _pending(self, run: Run, rows: Sequence[dict[str, Any]]) -> list[_Pending]:
        if run.fitted and run.fitted.error:
            raise ValueError(run.fitted.error)
        geometry = run.module.geometry
        given, phases = _pool(run, self.x)
        pooled = self.scale.denormalise(given)
        if not bool(pooled.isfinite().all()):
            raise ValueError("the pooled image is not finite")
        operator = functools.partial(_pool_again, run, self.scale)
        whole = resamples(run.module.info)
        pooling = Pooling(self.picture, pooled, operator, geometry, self.sample.data_range, whole)
        facts = measure(self.protocol.metrics, pooling) | {
            "data_range": self.sample.data_range,
            "kept": pooled.numel() / self.x.numel(),
            "equal_kept": pooled.numel() == self.x.shape[1] * math.prod(output_size(self.size, geometry)),
        }
        pending = []
        for row in rows:
            if self.protocol.protocol == "lowres":
                evenly = whole or not (phases or pooling.regular)
                references = downscale(self.picture, pooled, None if evenly else geometry, phases)
                pairs = _lowres_pairs(references, pooled, self.protocol.metrics)
            elif row["upsample"] == OPTIMAL:
                decoded = _decode(row, run, given, self.size, self.held_out)
                if decoded is None:
                    continue
                pairs = [(self.sample.image, _channels_last(self.scale.denormalise(decoded)))]
            else:
                full = rebuild(pooled, self.size, row["upsample"], phases)
                pairs = [(self.sample.image, _channels_last(full))]
            row |= facts
            pending.append(_Pending(row, pooled, pairs, operator))
        return pending

    @functools.cached_property
    def small(self) -> FloatImage:
        """The low-resolution original that rows of the protocol's own grid are held against."""
        own = make_geometry(2, self.protocol.kernel_size, self.protocol.stride)
        return _channels_last(downscale(self.picture, self.picture.new_empty(1, 1, *output_size(self.size, own)), own))

    def is_shown(self, done: _Pending) -> bool:
        """Of draws, the first; at low resolution, what can be laid beside the others: one map, on the same grid."""
        if done.row["seed"] not in (None, self.protocol.seed):
            return False
        if self.protocol.protocol != "lowres":
            return True
        return self._submaps(done) == 1 and np.array_equal(done.pairs[0][0], self.small)

    def view(self, done: _Pending) -> View:
        """What a row's pictures show."""
        original, rebuilt = done.pairs[0]
        shown = (original, _side_by_side(done.pooled, self.sample.ndim), rebuilt)
        first, second, third = map(self.sample.picture, shown)
        return View(done.row, first, second, third, self._submaps(done), done.operator)

    def _submaps(self, done: _Pending) -> int:
        return done.pooled.shape[2] if done.pooled.dim() > self.sample.ndim + 2 else 1


def as_input(image: FloatImage, protocol: Protocol) -> Tensor:
    """What operators are given of an ``(H, W, C)`` image: ``(1, C, H, W)``, normalised."""
    return _Scale(protocol).normalise(_as_picture(image, protocol)).contiguous()


def _as_picture(image: FloatImage, protocol: Protocol) -> Tensor:
    """``(*sizes, C)`` as ``(1, C, *sizes)`` on the device, in its own scale."""
    return torch.from_numpy(image).movedim(-1, 0).to(protocol.device).unsqueeze(0)


def decoders_for(protocol: Protocol, geometry: Geometry) -> Decoders | None:
    """What a protocol's optimal decoders are to be fitted by; None where it asks for none."""
    if OPTIMAL not in protocol.upsample:
        return None
    return Decoders(protocol.decoder_images, geometry, functools.partial(as_input, protocol=protocol))


def _decode(
    row: dict[str, Any], run: Run, pooled: Tensor, size: tuple[int, ...], held_out: HeldOut | None
) -> Tensor | None:
    """``pooled`` by the operator's decoder, on the operator's scale; without one None, and the row says why."""
    assert held_out is not None
    try:
        decoder, row["decoder_fitted_on"] = held_out.decoder(run)
    except ValueError as error:
        row["error"] = one_line(error)
        return None
    return decoder(pooled, size)


def _pool(run: Run, x: Tensor) -> tuple[Tensor, Sequence[tuple[int, ...]]]:
    """The pooled tensor, and where its submaps lie."""
    _seed(run, x)
    with torch.no_grad():
        pooled = run.module(x)
    info = run.module.info
    _seed(run, x)
    phases = info.phases(run.module.geometry, **run.module.params(x)) if info.phases else ()
    return pooled, phases


def _pool_again(run: Run, scale: _Scale, picture: Tensor) -> Tensor:
    """What the run makes of another picture, in its own scale, drawing as it did before."""
    x = scale.normalise(picture.to(scale.mean.device)).contiguous()
    _seed(run, x)
    return scale.denormalise(run.module(x))  # draws may follow the layout


def _lowres_pairs(reference: Tensor, pooled: Tensor, metrics: Sequence[str]) -> list[tuple[FloatImage, FloatImage]]:
    """A reference and what was pooled, ``(h, w, C)`` each, of every submap."""
    height, width = pooled.shape[-2:]
    for metric in metrics:
        if min(height, width) < LEAST_SIDES.get(metric, 1):
            least = f"{metric.upper()} needs at least {LEAST_SIDES[metric]} on each side"
            raise ValueError(f"{width}x{height} pixels when pooled: {least}")
    original, kept = (
        x.reshape(*x.shape[:2], -1, height, width)[0].permute(1, 2, 3, 0).cpu().numpy() for x in (reference, pooled)
    )
    return list(zip(original, kept, strict=True))


def _seed(run: Run, x: Tensor) -> None:
    """Make every call draw the same: the result's submaps lie where the operator says."""
    if run.seed is not None:
        seed_draws(run.module, x, run.seed)


def _scores(
    pairs: Sequence[tuple[FloatImage, FloatImage]], metrics: Sequence[str], data_range: float = 1.0
) -> dict[str, float]:
    """The metrics among ``metrics``, each the mean over ``pairs``."""
    return {
        name: sum(METRICS[name](*pair, data_range=data_range) for pair in pairs) / len(pairs)
        for name in metrics
        if name in METRICS
    }


def _side_by_side(pooled: Tensor, ndim: int) -> FloatImage:
    """``(1, C, *sizes)`` as ``(*sizes, C)``; submaps side by side."""
    if pooled.dim() > ndim + 2:
        pooled = torch.cat(pooled.unbind(2), dim=-1)
    return _channels_last(pooled)


def _channels_last(x: Tensor) -> FloatImage:
    """``(1, C, *sizes)`` as an array ``(*sizes, C)``."""
    values: FloatImage = x[0].movedim(0, -1).cpu().numpy()
    return values


def failed_image(item: Input, protocol: Protocol, error: str) -> dict[str, Any]:
    """The one row of an input that cannot be used: it has no operator."""
    return _row(item, protocol, make_geometry(item.ndim, protocol.kernel_size, protocol.stride), error=error)


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
        "protocol": protocol.protocol,
        "input": item.label,
        "state": run.state if run else "",
        "seed": run.seed if run else None,
        "data_range": None,
        "decoder_fitted_on": None,
        "pool_fitted_on": run.fitted.words if run and run.fitted else None,
        "kept": None,
        "equal_kept": None,
    }
    return row | dict.fromkeys(protocol.metrics) | dict.fromkeys(TIME_KEYS) | {"error": error}
