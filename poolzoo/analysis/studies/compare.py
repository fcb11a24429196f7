"""A comparison: pool every image with every operator and score the result, image by image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from poolzoo import engine
from poolzoo.analysis.inputs.images import ImageError, Source
from poolzoo.analysis.inputs.samples import Input, as_inputs, ndim_of
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import Row
from poolzoo.analysis.results.schema import check_metrics
from poolzoo.analysis.scoring.decoders import Decoders
from poolzoo.analysis.scoring.fitted_parameters import Fitted, check_fits, note_scored
from poolzoo.analysis.scoring.image_metrics import use_one_thread
from poolzoo.analysis.scoring.pool_modules import describe_specs, normal_spec, pick_baseline, provenance, shown_window
from poolzoo.analysis.scoring.protocol import Protocol, for_inputs
from poolzoo.analysis.scoring.round_trip import View, decoders_for, failed_image, load_cropped, score_sample
from poolzoo.analysis.scoring.runs import make_runs, note_times, time_operators


def compare(
    sources: Sequence[Source | Input],
    specs: Sequence[str],
    protocol: Protocol = Protocol(),
    *,
    baseline: str | None = None,
    fits: Sequence[Fitted] = (),
    on_view: Callable[[View], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Pool every image with every operator and score the result.

    Args:
        sources: images, from :func:`poolzoo.analysis.inputs.images.find_images`; activations, from
            :func:`poolzoo.analysis.inputs.features.feature_maps`; or, apart from those, a
            :class:`poolzoo.analysis.inputs.clips.Video` or :class:`poolzoo.analysis.inputs.clips.Volume`.
        specs: operators as spec strings, from :func:`poolzoo.registry.expand_specs`.
        protocol: how images are pooled, rebuilt and scored.
        baseline: the spec that tables compare with; by default avg if it is there, else the first.
        fits: fitted parameters of operators among ``specs``; those operators are shown untrained and fitted.
        on_view: called with each row's pictures (for stochastic operators, of the first seed and of eval); at low
            resolution only for rows with the same small original: one map, on the protocol's grid.
        on_step: called with the number of finished and of all image-operator pairs.

    Returns:
        One row for every image, operator, state, seed and upsampler. An image that cannot be used gives one row with
        its ``error`` and no operator; an operator that fails gives a row with its ``error``.

    Raises:
        ValueError: an unknown operator, a parameter that is not allowed, a baseline that is not compared, some sources
            pooled over two axes and some over three, an upsampler or normalisation that is not for them, or a metric of
            piq if piq is not installed.
    """
    check_metrics(protocol.metrics)
    specs = list(dict.fromkeys(map(normal_spec, specs)))
    check_fits(fits, specs)
    baseline = pick_baseline(specs, baseline)
    inputs = as_inputs(sources)
    ndim = ndim_of(inputs)
    protocol = for_inputs(protocol, inputs, ndim, fits)
    under_way = _Comparison(specs, protocol, ndim, fits)
    count = len(under_way.runs(3))  # whatever is wrong with an operator is said before anything is read
    decoders = under_way.decoders
    ahead = len(decoders.sources) if decoders else 0
    total = (ahead + len(inputs)) * count
    rows: list[Row] = []
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=use_one_thread) as workers:
        if decoders:
            with engine.by_reference():
                decoders.fit_all(under_way.runs(3), lambda number: on_step(number * count, total) if on_step else None)
        for number, item in enumerate(inputs, ahead):
            for done, group in under_way.groups(item, workers.map, on_view):
                rows.extend(group)
                if on_step:
                    on_step(number * count + done, total)
    metadata = describe_comparison(specs, protocol, baseline, ndim, decoders, fits)
    return Result("compare", metadata | {"images": under_way.images}, rows)


class _Comparison:
    """The modules, times and decoders that all images of a comparison share.

    Attributes:
        runs: the modules for a number of channels.
        times: the rows' times for a shape.
        decoders: the optimal decoders, or None.
        images: the metadata's entries of the images that were scored.
    """

    def __init__(self, specs: Sequence[str], protocol: Protocol, ndim: int, fits: Sequence[Fitted]) -> None:
        self.protocol, self.fits = protocol, fits
        self.geometry = protocol.geometry(ndim)
        self.runs = functools.cache(functools.partial(make_runs, specs, protocol, ndim, fits=fits))
        self.times = functools.cache(functools.partial(time_operators, specs, protocol, fits=fits))
        self.decoders = decoders_for(protocol, self.geometry)
        self.images: list[dict[str, Any]] = []

    def groups(
        self, item: Input, spread: Callable[..., Iterable[Any]], on_view: Callable[[View], None] | None
    ) -> Iterator[tuple[int, list[Row]]]:
        """Yield the rows of one image, one group per run, each with the number of finished runs."""
        protocol = self.protocol
        try:
            loaded, sample = load_cropped(item, self.geometry, protocol.metrics)
        except ImageError as error:
            yield len(self.runs(3)), [failed_image(item, protocol, str(error))]
            return
        self.images.append({"name": sample.name, **sample.size, **sample.facts})
        *size, channels = sample.image.shape
        times = self.times((1, channels, *size)) if protocol.timed else {}
        # By the reference, so that the scores do not depend on what this machine has built.
        with engine.by_reference():
            held_out = self.decoders.without(loaded.image) if self.decoders else None
            scored = score_sample(item, sample, self.runs(channels), protocol, held_out, spread=spread, on_view=on_view)
            for done, group in enumerate(scored, 1):
                note_scored(group, loaded.image, self.fits)
                note_times(group, times)
                yield done, group


def describe_comparison(
    specs: Sequence[str],
    protocol: Protocol,
    baseline: str,
    ndim: int = 2,
    decoders: Decoders | None = None,
    fits: Sequence[Fitted] = (),
) -> dict[str, Any]:
    """Return the metadata of a comparison, without its images."""
    geometry = protocol.geometry(ndim)
    return {
        **provenance(baseline),
        "metrics": list(protocol.metrics),
        "images": [],
        "pools": describe_specs(specs),
        "seed": protocol.seed,
        "seeds": protocol.seeds,
        "device": protocol.device,
        "dtype": "float64",
        **shown_window(geometry),
        "upsample": list(protocol.upsample),
        "align": protocol.align,
        "normalize": protocol.normalize,
        "protocol": protocol.protocol,
        **({"decoder": decoders.describe()} if decoders else {}),
        **({"fits": [fitted.facts for fitted in fits]} if fits else {}),
    }
