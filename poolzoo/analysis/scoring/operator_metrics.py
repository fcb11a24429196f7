"""Measures of an operator: aliasing, frequencies by band, consistency under shifts, reach of the gradient, brightness.

They examine the pooled image, and may pool other images, but need no upsampler. They work on the image's own scale
(normalisation is part of the operator), on one to three spatial axes, and on submaps; each submap counts as a pooled
image on the coarser grid.

No values outside the image are invented: a shift drops the elements that it moves out of the image; for spectra see
:mod:`poolzoo.analysis.scoring.spectra`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolzoo.analysis.results.schema import METRICS, register_metric

if TYPE_CHECKING:
    from torch import Tensor

    from poolzoo.geometry import Geometry

#: Cells between windows whose weights are looked at together, at least: far enough for Lanczos filters not to meet.
APART = 8
#: The number of windows whose weights are measured, if there are that many.
PROBES = 256


@dataclass(frozen=True)
class Pooling:
    """One image, its pooled image, and the operator, which metrics may call again.

    Attributes:
        image: ``(1, C, *sizes)`` in its own scale, [0, 1] for pictures.
        pooled: ``pool(image)``: ``(1, C, *out)``, or ``(1, C, S, *out)`` with S submaps.
        pool: the operator, on the image's scale; every call draws the same random numbers, and it has a gradient.
        geometry: of the operator's windows.
        data_range: of the image's values.
        resampled: whether the operator spreads its samples over the whole image, independently of the windows.
        phase: the offset in pixels that the operator chooses for the samples of an image; None if it does not choose.
    """

    image: Tensor
    pooled: Tensor
    pool: Callable[[Tensor], Tensor]
    geometry: Geometry
    data_range: float = 1.0
    resampled: bool = False
    phase: Callable[[Tensor], Sequence[int]] | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The image's spatial sizes."""
        return tuple(self.image.shape[-self.geometry.ndim :])

    @property
    def regular(self) -> bool:
        """Return whether there is one output per window, at its position; some operators choose other positions or
        sizes.
        """
        from poolzoo.geometry import output_size

        return not self.resampled and self.pooled.shape[-self.geometry.ndim :] == output_size(self.sizes, self.geometry)

    @property
    def cells(self) -> tuple[int, ...]:
        """Return the number of cells of the coarser grid per axis, which is the number of frequencies that it can
        represent.
        """
        if self.regular:
            return tuple(-(-size // step) for size, step in zip(self.sizes, self.geometry.stride, strict=True))
        return tuple(self.pooled.shape[-self.geometry.ndim :])

    @functools.cached_property
    def traced(self) -> tuple[Tensor, Tensor]:
        """Return the image and its pooled image, recorded by autograd."""
        x = self.image.detach().requires_grad_()
        return x, self.pool(x)

    @functools.cached_property
    def bands(self) -> dict[str, float | None]:
        """The retained share of each radial band, see :func:`spectrum_low`."""
        from poolzoo.analysis.scoring.spectra import retained_bands

        return retained_bands(self.image[0], self.pooled[0], self.cells)


@register_metric(
    "alias",
    of="operator",
    title="aliasing",
    better="lower",
    note="aliasing: share of the pooled image's energy from frequencies that it cannot represent",
    source="after Grabinski, Keuper & Keuper 2022 (Machine Learning 111) and Zhang 2019 (arXiv 1904.11486)",
)
def alias(pooling: Pooling) -> float:
    """Return the aliasing: the share of the pooled image's energy that comes from frequencies it cannot represent.

    With L the ideal low-pass filter at the coarser grid's Nyquist frequency (1 / (2 stride) cycles per pixel, along
    each axis), the aliased part is ``f = pool(x) - pool(L x)``: the part that would be missing if the image had been
    band-limited first. ``alias = |f|^2 / (|f|^2 + |pool(L x)|^2)``, both without their means, because a change of the
    mean is brightness. For a linear operator, f is exactly ``pool(x - L x)``, the terms of the sampled spectrum other
    than the first. For other operators, f also contains what they turn high frequencies into; max pooling, for example,
    turns the envelope of a fine texture into a coarse one.

    It is 0 without aliases and 1 if everything is aliased. Decimation has 1 for a sinusoid above the Nyquist frequency
    and 0 for one below.

    Source: the comparison of a pooled image with the one without aliases is from the aliasing measure of Grabinski,
    Keuper & Keuper 2022 (Machine Learning 111, "Aliasing and adversarial robust generalization of CNNs"); aliasing by
    pooling: Zhang 2019 (arXiv 1904.11486), Ribeiro & Schön 2021 (arXiv 2102.07757). Expressing it as a share is ours.
    """
    import torch

    from poolzoo.analysis.scoring.spectra import ROUNDING, centred, energy, lowpass

    with torch.no_grad():
        limited = pooling.pool(lowpass(pooling.image, pooling.cells))
    ndim = pooling.geometry.ndim
    folded, kept = energy(centred(pooling.pooled - limited, ndim)), energy(centred(limited, ndim))
    return 0.0 if folded <= ROUNDING * energy(pooling.pooled) else folded / (folded + kept)


@register_metric(
    "spectrum_low",
    of="operator",
    title="low band",
    better="higher",
    target=1.0,
    format=".3f",
    note="low band: energy retained below 1/3 of the pooled grid's Nyquist frequency",
    source="Carter, Knapp & Nuttall 1973 (IEEE Trans. Audio Electroacoust. 21(4))",
)
def spectrum_low(pooling: Pooling) -> float | None:
    """Return the share of the original's energy below a third of the coarser Nyquist frequency that the pooled image
    retains.

    P is the pooled image, O the original, ideally band-limited and sampled on the same grid (DCT domain). Their spectra
    are Welch's: segments of 16 to 32 cells along each axis, half overlapping, minus their means, under a Hann window.
    ``|<P O*>|^2 / <|O|^2>`` is the part of the output that is coherent with the original at a frequency (<> sums over
    segments). Noise and aliases are not coherent and do not count, and an operator may sample anywhere in its window.
    The metric is this part, summed over a band, divided by the original's energy in the band: 1 if everything is
    retained in proportion, ``|H|^2`` for a filter H, above 1 if a band is amplified. Bands are radial: frequencies f
    with ``|f| / Nyquist`` up to 1/3, up to 2/3, and the rest with the spectrum's corners.

    About 1/n of the incoherent part counts as coherent, where n is the number of segments: 225 on 512x512 pixels pooled
    by 2. With fewer than 24 cells n is 1, and the metric is a ratio of energies.

    Returns:
        At least 0; None if the original has no energy in the band.

    Source: coherent output power, Carter, Knapp & Nuttall 1973 (IEEE Trans. Audio Electroacoust. 21(4)), with the
    spectra of Welch 1967 (same journal, 15(2)).
    """
    return pooling.bands["low"]


@register_metric(
    "spectrum_mid",
    of="operator",
    title="mid band",
    better="higher",
    target=1.0,
    format=".3f",
    note="mid band: energy retained from 1/3 to 2/3 of the pooled grid's Nyquist frequency",
    source="Carter, Knapp & Nuttall 1973 (IEEE Trans. Audio Electroacoust. 21(4))",
)
def spectrum_mid(pooling: Pooling) -> float | None:
    """Return :func:`spectrum_low` for frequencies from a third to two thirds of the coarser Nyquist frequency."""
    return pooling.bands["mid"]


@register_metric(
    "spectrum_high",
    of="operator",
    title="high band",
    better="higher",
    target=1.0,
    format=".3f",
    note="high band: energy retained from 2/3 of the pooled grid's Nyquist frequency on",
    source="Carter, Knapp & Nuttall 1973 (IEEE Trans. Audio Electroacoust. 21(4))",
)
def spectrum_high(pooling: Pooling) -> float | None:
    """Return :func:`spectrum_low` for frequencies from two thirds of the coarser grid's Nyquist frequency."""
    return pooling.bands["high"]


@register_metric(
    "shift",
    of="operator",
    title="shift consistency",
    better="higher",
    note="shift consistency: similarity under shifts smaller than the stride, at most 1",
    source="after Zhang 2019 (arXiv 1904.11486), with pooled images in the place of classes",
)
def shift(pooling: Pooling) -> float:
    """Return the shift consistency: the likeness of the pooled images of an image and of its shifts by less than a
    stride.

    It is the mean of :func:`shift_consistency` over all offsets from 0 to stride - 1 along each axis, without the
    offset 0; it is 1 for a stride of 1, which has no other offset. Stochastic operators draw again for a shifted image.

    Raises:
        ValueError: a shifted image is smaller than the window.
    """
    offsets = [offset for offset in itertools.product(*map(range, pooling.geometry.stride)) if any(offset)]
    return math.fsum(shift_consistency(pooling, offset) for offset in offsets) / len(offsets) if offsets else 1.0


def shift_consistency(pooling: Pooling, offset: Sequence[int]) -> float:
    """Return the likeness of ``pool(x)`` and ``pool(x shifted)``, from 0 to 1.

    The shift drops the first ``offset`` elements and invents none. Whole strides move the pooled image by whole cells,
    which is undone: an offset of whole strides tests exact equivariance, the remaining offset tests invariance. For an
    operator that chooses the phase of its samples, the whole cells between the samples of both images are undone. With
    a and b the two pooled images where both are known, minus their common mean per channel, the likeness is
    ``1 - |a - b| / (|a| + |b|)``: 1 for equal images, 0 for opposite ones, 0.29 for unrelated ones.

    Args:
        pooling: the image, its pooled image and the operator.
        offset: elements to shift by along each axis, at least 0.

    Raises:
        ValueError: the shifted image is smaller than the window.

    Source: consistency under shifts, Zhang 2019 (arXiv 1904.11486), with pooled images in place of classes.
    """
    import torch

    from poolzoo.analysis.scoring.spectra import ROUNDING, energy, spatial_mean

    ndim, image, first = pooling.geometry.ndim, pooling.image, pooling.pooled
    for axis, (size, step, by) in enumerate(zip(pooling.sizes, pooling.geometry.stride, offset, strict=True)):
        # Whole cells, so that operators that resample the whole image keep their scale.
        left = (size - by) // step * step
        if left < pooling.geometry.spans[axis] - 2 * pooling.geometry.padding[axis] or left < 1:
            raise ValueError(f"shift: {size} elements, of which a shift by {by} leaves {max(left, 0)}: too few to pool")
        image = image.narrow(axis - ndim, by, left)
    with torch.no_grad():
        second = pooling.pool(image)
    kept = (0,) * ndim if pooling.phase is None else pooling.phase(pooling.image)
    kept_of_shifted = (0,) * ndim if pooling.phase is None else pooling.phase(image)
    moves = [by + second - first for by, second, first in zip(offset, kept_of_shifted, kept, strict=True)]
    for axis, (step, move) in enumerate(zip(pooling.geometry.stride, moves, strict=True)):
        cells = max(move // step, 0)
        both = min(first.shape[axis - ndim] - cells, second.shape[axis - ndim])
        first = first.narrow(axis - ndim, cells, both)
        second = second.narrow(axis - ndim, 0, both)
    mean = (spatial_mean(first, ndim) + spatial_mean(second, ndim)) / 2
    difference = math.sqrt(energy(first - second))
    most = math.sqrt(energy(first - mean)) + math.sqrt(energy(second - mean))
    return 1.0 if difference <= math.sqrt(ROUNDING * energy(first)) else 1 - difference / most


@register_metric(
    "grad_reach",
    of="operator",
    title="gradient reach",
    better="higher",
    format=".3f",
    note="gradient reach: share of the input that receives gradient",
    source="after Stergiou, Poppe & Kalliatakis 2021 (arXiv 2101.00440)",
)
def grad_reach(pooling: Pooling) -> float:
    """Return the gradient reach: the share of the image's elements that receive gradient from the pooled image.

    An element counts if the derivative of a weighted sum of all pooled values by it is not 0, that is, above float64's
    rounding of the largest. The sum's coefficients are drawn from [1/2, 3/2] with a fixed seed, so that no two windows
    cancel.

    Source: Stergiou et al. 2021 (arXiv 2101.00440), on which elements receive gradient from which operator.
    """
    import torch

    x, y = pooling.traced
    generator = torch.Generator().manual_seed(0)
    factors = torch.rand(y.shape, generator=generator, dtype=torch.float64).to(y) + 0.5
    size = _gradient((y * factors).sum(), x).abs()
    return float((size > torch.finfo(size.dtype).eps * size.max()).double().mean())


@register_metric(
    "effective_weights",
    of="operator",
    title="effective weights",
    better="higher",
    format=".2f",
    note="effective weights: effective number of window elements that share the gradient",
    source="participation ratio, Bell & Dean 1970 (Discuss. Faraday Soc. 50)",
)
def effective_weights(pooling: Pooling) -> float | None:
    """Return the effective number of weights per window: the number of elements that share the gradient of a pooled
    value.

    With ``w_i = dy / dx_i`` and the shares ``p_i = w_i^2 / sum w^2`` of the gradient's energy it is ``1 / sum p_i^2``,
    the participation ratio, ``(sum w^2)^2 / sum w^4``: n for n equal weights, 1 where one element decides. It is the
    mean over windows of the first channel, with their weights in all channels; windows without a gradient are left out.

    About every eighth window along each axis is measured; more windows if these are fewer than 256. Windows are
    measured together if 8 cells, or twice their own length, lie between them, and a weight counts for the nearest
    window. For operators that use the whole image, this cuts the tails off.

    Returns:
        At least 1; None if no window has a gradient.

    Source: Bell & Dean 1970 (Discuss. Faraday Soc. 50); as a number of equal shares, order 2 of Hill 1973 (Ecology 54).
    """
    import torch

    y = pooling.traced[1][0, 0]
    submaps = y.reshape(-1, *y.shape[-pooling.geometry.ndim :])
    steps = [size / cells for size, cells in zip(pooling.sizes, pooling.cells, strict=True)]
    apart = [max(APART, 2 * math.ceil(span / step)) for span, step in zip(pooling.geometry.spans, steps, strict=True)]
    found: list[Tensor] = []
    for starts in itertools.product(*((0, gap // 2) for gap in apart)):
        if sum(map(len, found)) < PROBES * len(submaps):
            found += [_participations(pooling, submap, starts, apart) for submap in submaps]
    numbers = torch.cat(found)
    return float(numbers.mean()) if len(numbers) else None


@register_metric(
    "brightness",
    of="operator",
    title="brightness bias",
    better="lower",
    target=0.0,
    note="brightness bias: mean of the pooled image minus mean of the original",
    features_note="brightness bias: mean of the pooled image minus mean of the original, relative to the map's range",
    source="difference of means",
)
def brightness(pooling: Pooling) -> float:
    """Return the brightness bias: the mean of the pooled image minus the mean of the image, in units of the data range.

    Signed: max pooling brightens, lse with r < 0 darkens, a filter with gain 1 does neither.
    """
    return float(pooling.pooled.mean() - pooling.image.mean()) / pooling.data_range


def measure(names: Iterable[str], pooling: Pooling) -> dict[str, float | None]:
    """Return the values of the operator metrics among ``names``.

    Raises:
        ValueError: the operator returned a value that is not finite for one of these images.
    """
    values = {name: METRICS[name].compute(pooling) for name in names if METRICS[name].of == "operator"}
    for name, value in values.items():
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name}: the operator's result or gradient is not finite")
    return values


def _participations(pooling: Pooling, submap: Tensor, starts: Sequence[int], apart: Sequence[int]) -> Tensor:
    """Return the participation ratios of a submap's windows at distances ``apart``, beginning at ``starts``."""
    probes = submap[tuple(slice(start, None, gap) for start, gap in zip(starts, apart, strict=True))]
    if not probes.numel():  # the map ends before the first of them
        return probes.detach().flatten()
    energy = _gradient(probes.sum(), pooling.traced[0])[0].square()
    nearest = [
        _nearest(pooling, axis, start, gap, count)
        for axis, (start, gap, count) in enumerate(zip(starts, apart, probes.shape, strict=True))
    ]
    total, fourth = (_gathered(power.sum(0), nearest, probes.shape) for power in (energy, energy.square()))
    return (total.square() / fourth)[fourth > 0]


def _nearest(pooling: Pooling, axis: int, start: int, gap: int, count: int) -> Tensor:
    """Return the index of the nearest window for every position of an axis; the ``count`` windows are the ``start``-th
    and each ``gap``-th after it.

    Returns:
        ``(size,)`` int64 from 0 to count - 1.
    """
    import torch

    size, geometry = pooling.sizes[axis], pooling.geometry
    step = size / pooling.cells[axis]
    centre = geometry.first_centre[axis] if pooling.regular else (step - 1) / 2
    position = torch.arange(size, dtype=torch.float64, device=pooling.image.device)
    return ((position - centre - start * step) / (gap * step)).round().long().clamp(0, count - 1)


def _gathered(values: Tensor, nearest: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    """Return the sums of ``values`` over the positions that are nearest to each window."""
    for axis, (index, count) in enumerate(zip(nearest, counts, strict=True)):
        sums = values.new_zeros(*values.shape[:axis], count, *values.shape[axis + 1 :])
        values = sums.index_add_(axis, index, values)
    return values


def _gradient(y: Tensor, x: Tensor) -> Tensor:
    import torch

    if not y.requires_grad:  # an operator that autograd cannot look through lets nothing reach its input
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(y, x, retain_graph=True, materialize_grads=True)
    return gradient
