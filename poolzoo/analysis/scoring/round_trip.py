"""The round trip: crop, normalise, pool, undo the normalisation, rebuild to full size, score against the original.

The input is an image, a layer's activations, or, pooled over three axes, a video or a volume (see ``samples``). The
low-resolution protocol scores the pooled image against the original, downscaled by an antialiased filter.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from poolzoo.analysis.inputs.images import ImageError
from poolzoo.analysis.inputs.samples import Input, Sample
from poolzoo.analysis.results.rows import Row, one_line, set_numbers, set_times
from poolzoo.analysis.results.schema import METRICS, UNTIMED
from poolzoo.analysis.scoring.decoders import Decoders, HeldOut
from poolzoo.analysis.scoring.lowres import downscale
from poolzoo.analysis.scoring.operator_metrics import Pooling, measure
from poolzoo.analysis.scoring.pool_modules import seed_draws, shown_window
from poolzoo.analysis.scoring.protocol import NORMALIZATIONS, OPTIMAL, Protocol
from poolzoo.analysis.scoring.runs import Run
from poolzoo.analysis.scoring.upsampling import phases_of, placed_windows, rebuild, restored
from poolzoo.geometry import Geometry, output_size

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.files import FloatImage


@dataclass(frozen=True)
class View:
    """The pictures of one row: float64 ``(H, W, 3)`` arrays in the image's own scale.

    ``submaps`` is the number of submaps side by side in ``pooled``. At low resolution ``original`` is the reference, as
    small as ``pooled``, and ``rebuilt`` is ``pooled``. ``operator`` pools another picture, ``(1, C, H, W)``, with the
    parameters, normalisation and draws of the row, in the picture's scale. Of a video or a volume these are the middle
    frame or slice; ``clips`` gives all frames of the three, ``(D, H, W, 3)`` each.
    """

    row: Row
    original: FloatImage
    pooled: FloatImage
    rebuilt: FloatImage
    submaps: int = 1
    operator: Callable[[Tensor], Tensor] | None = None
    clips: Callable[[], tuple[FloatImage, FloatImage, FloatImage]] | None = None


class Scale:
    """The normalisation of a protocol, for tensors ``(1, C, ...)``."""

    def __init__(self, protocol: Protocol) -> None:
        scale = NORMALIZATIONS[protocol.normalize]
        self.mean, self.std = (
            # One value for all channels where it is the same: there may be any number of them.
            torch.tensor(values[:1] if len(set(values)) == 1 else values, dtype=torch.float64, device=protocol.device)
            for values in (scale.mean, scale.std)
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
    row: Row
    pooled: Tensor
    #: An original and what is left of it; at low resolution a pair for each submap.
    pairs: list[tuple[FloatImage, FloatImage]]
    operator: Callable[[Tensor], Tensor]


def crop(image: FloatImage, name: str, geometry: Geometry, metrics: Sequence[str]) -> FloatImage:
    """Return the largest part of an ``(H, W, C)`` or ``(D, H, W, C)`` array from its first corner whose sides are
    multiples of the stride.

    Raises:
        ImageError: this part is too small for the windows, or for a metric.
    """
    sizes = image.shape[:-1]
    left = tuple(size - size % step for size, step in zip(sizes, geometry.stride, strict=True))
    said = f"{name!r}: {_shown_sides(sizes)} pixels, of which a multiple of the stride is {_shown_sides(left)}"
    try:
        output_size(left, geometry)
    except ValueError as error:
        raise ImageError(f"{said}: {error}") from error
    if lack := _too_small(left, metrics):
        raise ImageError(f"{said}: {lack}; --metric psnr does not")
    return image[tuple(map(slice, left))]


def load_cropped(item: Input, geometry: Geometry, metrics: Sequence[str]) -> tuple[Sample, Sample]:
    """Read an input.

    Returns:
        The sample as loaded, and with its array cut by :func:`crop`.

    Raises:
        ImageError: it cannot be read, or is too small.
    """
    loaded = item.load()
    return loaded, replace(loaded, image=crop(loaded.image, loaded.name, geometry, metrics))


def _too_small(sizes: Sequence[int], metrics: Sequence[str]) -> str:
    """Return in words a metric that is not defined for such an image; "" if all are."""
    for metric in map(METRICS.__getitem__, metrics):
        if min(sizes) < metric.least_side:
            return f"{metric.title} needs at least {metric.least_side} on each side"
    return ""


def _shown_sides(sizes: Sequence[int]) -> str:
    """Return width by height, as pictures' sizes are written; with frames or slices before them."""
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
) -> Iterator[list[Row]]:
    """Yield the rows of one sample, one group per run; the rows of a failed run have an ``error``.

    Args:
        item: where the sample comes from, for its rows.
        sample: as loaded, its array cut by :func:`crop`.
        runs: from :func:`make_runs`.
        protocol: of the runs.
        held_out: the decoders for this image; needed if the protocol's upsamplers include :data:`OPTIMAL`.
        spread: ``map``, or the ``map`` of an executor, on whose threads scoring then runs.
        on_view: as for :func:`compare`.
    """
    one = _OneSample(item, sample, protocol, held_out)
    score = functools.partial(_scores, metrics=protocol.metrics, data_range=sample.data_range)
    batch = 2 * torch.get_num_threads()
    for start in range(0, len(runs), batch):
        pooled = [one.pool(run) for run in runs[start : start + batch]]
        pending = [scored for _, own in pooled for scored in own]
        for done, scores in zip(pending, spread(score, [p.pairs for p in pending]), strict=True):
            set_numbers(done.row, scores)
            if on_view and done.row["error"] is None and one.is_shown(done):
                on_view(one.view(done))
        yield from (group for group, _ in pooled)


class _OneSample:
    """A sample that is scored with all operators.

    Attributes:
        picture: ``(1, C, *size)`` in the sample's own scale.
        x: the operators' input.
    """

    def __init__(self, item: Input, sample: Sample, protocol: Protocol, held_out: HeldOut | None) -> None:
        self.item, self.sample, self.protocol, self.held_out = item, sample, protocol, held_out
        self.size = sample.image.shape[:-1]
        self.scale = Scale(protocol)
        self.picture = _as_picture(sample.image, protocol)
        self.x = self.scale.normalise(self.picture).contiguous()

    def pool(self, run: Run) -> tuple[list[Row], list[_Pending]]:
        """Return a run's rows, and the images that are still to be scored for them. If the run fails, the rows have an
        ``error``.
        """
        rows = [_row(self.item, self.protocol, run.module.geometry, run, name) for name in self.protocol.upsample]
        try:
            return rows, self._pending(run, rows)
        except Exception as error:  # a failed operator is a row, not the end of the run
            for row in rows:
                row["error"] = one_line(error)
            return rows, []

    def _pending(self, run: Run, rows: Sequence[Row]) -> list[_Pending]:
        if run.fitted and run.fitted.error:
            raise ValueError(run.fitted.error)
        geometry = run.module.geometry
        given, phases = _pool(run, self.x)
        pooled = self.scale.denormalise(given)
        if not bool(pooled.isfinite().all()):
            raise ValueError("the pooled image is not finite")
        operator = functools.partial(_pool_again, run, self.scale)
        info = run.module.info
        phase = functools.partial(_kept_phase, run, self.scale) if info.kept_phase else None
        pooling = Pooling(self.picture, pooled, operator, geometry, self.sample.data_range, info.resamples, phase)
        measured = measure(self.protocol.metrics, pooling)
        kept = pooled.numel() / self.x.numel()
        equal_kept = pooled.numel() == self.x.shape[1] * math.prod(output_size(self.size, geometry))
        placed = placed_windows(run.module, pooled, self.size)
        pending = []
        for row in rows:
            if self.protocol.protocol == "lowres":
                references = downscale(self.picture, pooled, placed, phases)
                pairs = _lowres_pairs(references, pooled, self.protocol.metrics)
            elif row["upsample"] == OPTIMAL:
                decoded = _decode(row, run, given, self.size, self.held_out, phases)
                if decoded is None:
                    continue
                pairs = [(self.sample.image, _channels_last(self.scale.denormalise(decoded)))]
            else:
                align = self.protocol.align
                back = restored(run.module, self.x, given)
                full = (
                    rebuild(pooled, self.size, row["upsample"], phases, geometry=placed, align=align)
                    if back is None
                    else self.scale.denormalise(back)
                )
                pairs = [(self.sample.image, _channels_last(full))]
            row.update({"data_range": self.sample.data_range, "kept": kept, "equal_kept": equal_kept})
            set_numbers(row, measured)
            pending.append(_Pending(row, pooled, pairs, operator))
        return pending

    @functools.cached_property
    def small(self) -> FloatImage:
        """The low-resolution original for rows on the protocol's own grid."""
        own = self.protocol.geometry(2)
        return _channels_last(downscale(self.picture, self.picture.new_empty(1, 1, *output_size(self.size, own)), own))

    def is_shown(self, done: _Pending) -> bool:
        """Return whether a row gets pictures: of several draws the first; at low resolution, one map on the common
        grid.
        """
        if done.row["seed"] not in (None, self.protocol.seed):
            return False
        if self.protocol.protocol != "lowres":
            return True
        return self._submaps(done) == 1 and np.array_equal(done.pairs[0][0], self.small)

    def view(self, done: _Pending) -> View:
        """Return the pictures of a row."""
        original, rebuilt = done.pairs[0]
        shown = (original, _side_by_side(done.pooled, self.sample.ndim), rebuilt)
        first, second, third = map(self.sample.picture, shown)

        def clips() -> tuple[FloatImage, FloatImage, FloatImage]:
            first, second, third = map(self.sample.frames, shown)
            return first, second, third

        solid = self.sample.ndim == 3
        return View(done.row, first, second, third, self._submaps(done), done.operator, clips if solid else None)

    def _submaps(self, done: _Pending) -> int:
        return done.pooled.shape[2] if done.pooled.dim() > self.sample.ndim + 2 else 1


def as_input(image: FloatImage, protocol: Protocol) -> Tensor:
    """Return an ``(H, W, C)`` image as operators receive it: ``(1, C, H, W)``, normalised."""
    return Scale(protocol).normalise(_as_picture(image, protocol)).contiguous()


def _as_picture(image: FloatImage, protocol: Protocol) -> Tensor:
    """Return ``(*sizes, C)`` as ``(1, C, *sizes)`` on the device, in its own scale."""
    return torch.from_numpy(image).movedim(-1, 0).to(protocol.device).unsqueeze(0)


def decoders_for(protocol: Protocol, geometry: Geometry) -> Decoders | None:
    """Return the unfitted optimal decoders of a protocol; None if it needs none."""
    if OPTIMAL not in protocol.upsample:
        return None
    return Decoders(protocol.decoder_images, geometry, functools.partial(as_input, protocol=protocol))


def _decode(
    row: Row,
    run: Run,
    pooled: Tensor,
    size: tuple[int, ...],
    held_out: HeldOut | None,
    phases: Sequence[tuple[int, ...]],
) -> Tensor | None:
    """Return ``pooled`` decoded by the operator's decoder, on the operator's scale; None if there is none, with the
    reason in the row.
    """
    assert held_out is not None
    try:
        decoder, row["decoder_fitted_on"] = held_out.decoder(run)
    except ValueError as error:
        row["error"] = one_line(error)
        return None
    return decoder(pooled, size, phases if run.module.info.kept_phase else ())


def _pool(run: Run, x: Tensor) -> tuple[Tensor, Sequence[tuple[int, ...]]]:
    """Return the pooled tensor, and the positions of its submaps, or of the phase that it keeps."""
    _seed(run, x)
    with torch.no_grad():
        pooled = run.module(x)
    _seed(run, x)
    return pooled, phases_of(run.module, x)


def _kept_phase(run: Run, scale: Scale, picture: Tensor) -> tuple[int, ...]:
    """Return the phase that the run keeps of a picture ``(1, C, H, W)``, in the picture's own scale."""
    x = scale.normalise(picture.to(scale.mean.device)).contiguous()
    _seed(run, x)
    return phases_of(run.module, x)[0]


def _pool_again(run: Run, scale: Scale, picture: Tensor) -> Tensor:
    """Pool another picture as the run did, in the picture's own scale, with the same draws."""
    x = scale.normalise(picture.to(scale.mean.device)).contiguous()
    _seed(run, x)
    return scale.denormalise(run.module(x))  # draws may follow the layout


def _lowres_pairs(reference: Tensor, pooled: Tensor, metrics: Sequence[str]) -> list[tuple[FloatImage, FloatImage]]:
    """Return the reference and the pooled image of every submap, ``(h, w, C)`` each."""
    height, width = pooled.shape[-2:]
    if lack := _too_small((height, width), metrics):
        raise ValueError(f"{width}x{height} pixels when pooled: {lack}")
    original, kept = (
        x.reshape(*x.shape[:2], -1, height, width)[0].permute(1, 2, 3, 0).cpu().numpy() for x in (reference, pooled)
    )
    return list(zip(original, kept, strict=True))


def _seed(run: Run, x: Tensor) -> None:
    """Seed the run, so that every call draws the same: the result and the positions of its submaps then agree."""
    if run.seed is not None:
        seed_draws(run.module, x, run.seed)


def _scores(
    pairs: Sequence[tuple[FloatImage, FloatImage]], metrics: Sequence[str], data_range: float = 1.0
) -> dict[str, float | str | None]:
    """Return the image metrics among ``metrics``, each the mean over ``pairs``; only an ``error`` if one fails."""
    found: dict[str, float | str | None] = {}
    for key in metrics:
        if METRICS[key].of == "image":
            try:
                values = [METRICS[key].compute(*pair, data_range=data_range) for pair in pairs]
                known = [float(value) for value in values if value is not None]
            except Exception as error:  # a failed metric is a row, not the end of the run
                return {"error": f"metric {key}: {one_line(error)}"}
            found[key] = sum(known) / len(pairs) if len(known) == len(pairs) else None
    return found


def _side_by_side(pooled: Tensor, ndim: int) -> FloatImage:
    """Return ``(1, C, *sizes)`` as ``(*sizes, C)``, with submaps side by side."""
    if pooled.dim() > ndim + 2:
        pooled = torch.cat(pooled.unbind(2), dim=-1)
    return _channels_last(pooled)


def _channels_last(x: Tensor) -> FloatImage:
    """Return ``(1, C, *sizes)`` as an array ``(*sizes, C)``."""
    values: FloatImage = x[0].movedim(0, -1).cpu().numpy()
    return values


def failed_image(item: Input, protocol: Protocol, error: str) -> Row:
    """Return the row of an input that cannot be used: it has no operator."""
    return _row(item, protocol, protocol.geometry(item.ndim), error=error)


def _row(
    item: Input,
    protocol: Protocol,
    geometry: Geometry,
    run: Run | None = None,
    upsample: str = "",
    error: str | None = None,
) -> Row:
    window = shown_window(geometry)
    row: Row = {
        "image": item.name,
        "pool": run.pool if run else "",
        "params": run.params if run else "",
        "kernel_size": window["kernel_size"],
        "stride": window["stride"],
        "padding": window["padding"],
        "dilation": window["dilation"],
        "ceil_mode": window["ceil_mode"],
        "upsample": upsample,
        "align": protocol.align_of(upsample) if run else "",
        "normalize": protocol.normalize,
        "protocol": protocol.protocol,
        "input": item.kind,
        "state": run.state if run else "",
        "seed": run.seed if run else None,
        "data_range": None,
        "decoder_fitted_on": None,
        "pool_fitted_on": run.fitted.words if run and run.fitted else None,
        "kept": None,
        "equal_kept": None,
        "error": error,
    }
    set_times(row, UNTIMED)
    set_numbers(row, dict.fromkeys(protocol.metrics))
    return row
