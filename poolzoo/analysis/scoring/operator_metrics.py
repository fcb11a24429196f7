"""What else is lost: aliasing, frequencies by band, consistency under shifts, reach of the gradient, brightness.

A measure asks an operator, not a rebuilt image: it looks at what was pooled, and may pool other images, so no upsampler
has a part in it. All work on the image's own scale (normalisation is part of the operator), on one to three spatial
axes, and on submaps, each of which is a pooled image of its own on the coarser grid.

Nothing is made up beyond an image's edges: where a spectrum of the whole image is needed it is that of the image and
its mirror image, the DCT-II (Strang 1999), which has no jump at the edges; where the pooled image's is, it is Welch's,
of windowed segments; and a shift leaves out what it moves away.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from poolzoo.geometry import Geometry, output_size

#: What float64 leaves of an energy that should be 0, relative to the energy that it is a part of.
ROUNDING = 1e-24
#: Segments of a pooled image's spectrum, in cells, and where the radial bands end, in parts of Nyquist.
SHORTEST, LONGEST = 16, 32
BANDS = {"low": (0.0, 1 / 3), "mid": (1 / 3, 2 / 3), "high": (2 / 3, math.inf)}
#: Cells between windows whose weights are looked at together, at least: far enough for Lanczos filters not to meet.
APART = 8
#: How many windows' weights are looked at, if there are as many.
PROBES = 256


@dataclass(frozen=True)
class Pooling:
    """One image, what an operator made of it, and the operator, to be asked more.

    Attributes:
        image: ``(1, C, *sizes)`` in its own scale, [0, 1] for pictures.
        pooled: ``pool(image)``: ``(1, C, *out)``, or ``(1, C, S, *out)`` with S submaps.
        pool: the operator, from and to the image's scale; it draws alike whenever it is called, and has a gradient.
        geometry: where the operator's windows lie.
        data_range: of the image's values.
        resampled: whether the operator spreads its samples over the whole image, wherever the windows lie.
    """

    image: Tensor
    pooled: Tensor
    pool: Callable[[Tensor], Tensor]
    geometry: Geometry
    data_range: float = 1.0
    resampled: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """The image's spatial sizes."""
        return tuple(self.image.shape[-self.geometry.ndim :])

    @property
    def regular(self) -> bool:
        """Whether there is one output a window, where that lies; some operators choose other places or sizes."""
        return not self.resampled and self.pooled.shape[-self.geometry.ndim :] == output_size(self.sizes, self.geometry)

    @property
    def cells(self) -> tuple[int, ...]:
        """How many cells of the coarser grid the image has: as many frequencies an axis can be represented there."""
        if self.regular:
            return tuple(-(-size // step) for size, step in zip(self.sizes, self.geometry.stride, strict=True))
        return tuple(self.pooled.shape[-self.geometry.ndim :])

    @functools.cached_property
    def traced(self) -> tuple[Tensor, Tensor]:
        """The image and what is pooled of it, for autograd to follow."""
        x = self.image.detach().requires_grad_()
        return x, self.pool(x)

    @functools.cached_property
    def bands(self) -> dict[str, float | None]:
        """The retained share of each radial band: see :func:`spectrum_low`."""
        return _retained_bands(self)


def alias(pooling: Pooling) -> float:
    """Aliasing: the share of the pooled image's energy that came from frequencies it cannot represent.

    With L the ideal low-pass filter at the coarser grid's Nyquist frequency (1 / (2 stride) cycles a pixel, along each
    axis), what folds back is ``f = pool(x) - pool(L x)``, all that would not be there had the image been band-limited
    first; ``alias = |f|^2 / (|f|^2 + |pool(L x)|^2)``, of both without their means: what folds onto frequency 0 is
    brightness. For a linear operator f is exactly ``pool(x - L x)``, the terms of the sampled spectrum other than the
    first; for others it also holds what they make of high frequencies on the way, as the envelope of a fine texture
    that max pooling turns into a coarse one.

    From 0, nothing folded, to 1, nothing but what folded. Decimation has 1 for a sinusoid above the Nyquist frequency
    and 0 for one below.

    Source: that a pooled image is held against the one without aliases, as in the aliasing measure of Grabinski, Keuper
    & Keuper 2022 (Machine Learning 111, "Aliasing and adversarial robust generalization of CNNs"); what pooling folds,
    Zhang 2019 (arXiv 1904.11486), Ribeiro & Schön 2021 (arXiv 2102.07757). That it is a share is ours.
    """
    with torch.no_grad():
        limited = pooling.pool(lowpass(pooling.image, pooling.cells))
    ndim = pooling.geometry.ndim
    folded, kept = _energy(_centred(pooling.pooled - limited, ndim)), _energy(_centred(limited, ndim))
    return 0.0 if folded <= ROUNDING * _energy(pooling.pooled) else folded / (folded + kept)


def spectrum_low(pooling: Pooling) -> float | None:
    """Energy that the pooled image retains of the original's frequencies below a third of the coarser Nyquist.

    P is the pooled image, O the original, ideally band-limited and sampled on the same grid (DCT domain). Their spectra
    are Welch's: segments of 16 to 32 cells along each axis, half overlapping, their means taken off, under a Hann
    window. Of the output, ``|<P O*>|^2 / <|O|^2>`` is the part coherent with the original at a frequency (<> sums over
    segments), so that noise and aliases, which are not, do not count, nor does it matter where in its window an
    operator samples. Summed over a band and divided by the original's energy there: 1 where everything is retained in
    proportion, ``|H|^2`` for a filter H, over 1 where a band is amplified. Bands are radial: frequencies f with
    ``|f| / Nyquist`` up to 1/3, 2/3, and the rest, the spectrum's corners among them.

    Of what is not coherent some 1/n is taken for it, n the number of segments: 225 on 512x512 pixels pooled by 2, but 1
    where less than 24 cells are left, so that there it is a ratio of energies.

    Returns:
        At least 0; None where the original has no energy in the band.

    Source: coherent output power, Carter, Knapp & Nuttall 1973 (IEEE Trans. Audio Electroacoust. 21(4)), with the
    spectra of Welch 1967 (same journal, 15(2)).
    """
    return pooling.bands["low"]


def spectrum_mid(pooling: Pooling) -> float | None:
    """What :func:`spectrum_low` is, from a third to two thirds of the coarser grid's Nyquist frequency."""
    return pooling.bands["mid"]


def spectrum_high(pooling: Pooling) -> float | None:
    """What :func:`spectrum_low` is, from two thirds of the coarser grid's Nyquist frequency on."""
    return pooling.bands["high"]


def shift(pooling: Pooling) -> float:
    """Shift consistency: how alike the pooled images of an image and of its shifts by less than a stride are.

    The mean of :func:`shift_consistency` over all offsets from 0 to stride - 1 along each axis, but for no shift at
    all. 1 for a stride of 1, which has none between two samples. Drawing operators draw anew for a shifted image.

    Raises:
        ValueError: a shifted image is smaller than the window.
    """
    offsets = [offset for offset in itertools.product(*map(range, pooling.geometry.stride)) if any(offset)]
    return math.fsum(shift_consistency(pooling, offset) for offset in offsets) / len(offsets) if offsets else 1.0


def shift_consistency(pooling: Pooling, offset: Sequence[int]) -> float:
    """How alike ``pool(x)`` and ``pool(x shifted)`` are, from 0 to 1.

    The shift leaves out the first ``offset`` elements and makes up none. Whole strides of it move the pooled image by
    whole cells, which is undone, so that an offset of whole strides asks for exact equivariance; the rest is what
    pooling should not notice. With a and b the two pooled images where both are known, less their common mean per
    channel, ``1 - |a - b| / (|a| + |b|)``: 1 for equal ones, 0 for opposite ones, 0.29 for unrelated ones.

    Args:
        pooling: the image, its pooled image and the operator.
        offset: elements to shift by along each axis, at least 0.

    Raises:
        ValueError: the shifted image is smaller than the window.

    Source: consistency under shifts, Zhang 2019 (arXiv 1904.11486), with pooled images in the place of classes.
    """
    ndim, image, first = pooling.geometry.ndim, pooling.image, pooling.pooled
    for axis, (size, step, by) in enumerate(zip(pooling.sizes, pooling.geometry.stride, offset, strict=True)):
        # Whole cells, so that operators that resample the whole image keep their scale.
        left = (size - by) // step * step
        if left < pooling.geometry.spans[axis] - 2 * pooling.geometry.padding[axis] or left < 1:
            raise ValueError(f"shift: {size} elements, of which a shift by {by} leaves {max(left, 0)}: too few to pool")
        image = image.narrow(axis - ndim, by, left)
    with torch.no_grad():
        second = pooling.pool(image)
    for axis, (step, by) in enumerate(zip(pooling.geometry.stride, offset, strict=True)):
        cells = by // step
        both = min(first.shape[axis - ndim] - cells, second.shape[axis - ndim])
        first = first.narrow(axis - ndim, cells, both)
        second = second.narrow(axis - ndim, 0, both)
    mean = (_mean(first, ndim) + _mean(second, ndim)) / 2
    difference = math.sqrt(_energy(first - second))
    most = math.sqrt(_energy(first - mean)) + math.sqrt(_energy(second - mean))
    return 1.0 if difference <= math.sqrt(ROUNDING * _energy(first)) else 1 - difference / most


def grad_reach(pooling: Pooling) -> float:
    """Gradient reach: the share of the image's elements that learn something from the pooled image.

    Those whose derivative of a sum of all that was pooled is not 0, that is, above float64's rounding of the largest.
    The sum's coefficients are drawn from [1/2, 3/2] with a fixed seed, so that no two windows cancel.

    Source: that operators differ in which elements receive gradient, Stergiou et al. 2021 (arXiv 2101.00440).
    """
    x, y = pooling.traced
    generator = torch.Generator().manual_seed(0)
    factors = torch.rand(y.shape, generator=generator, dtype=torch.float64).to(y) + 0.5
    size = _gradient((y * factors).sum(), x).abs()
    return float((size > torch.finfo(size.dtype).eps * size.max()).double().mean())


def effective_weights(pooling: Pooling) -> float | None:
    """Effective number of weights a window: over how many elements the gradient of a pooled value is spread.

    With ``w_i = dy / dx_i`` and the shares ``p_i = w_i^2 / sum w^2`` of the gradient's energy it is ``1 / sum p_i^2``,
    the participation ratio, ``(sum w^2)^2 / sum w^4``: n for n equal weights, 1 where one element decides. It is the
    mean over windows of the first channel, with their weights in all channels; windows without a gradient are left out.

    Every eighth window or so is looked at along each axis, and those between them where that is less than 256. Windows
    are looked at together where 8 cells, or twice their own length, lie between them, and a weight counts for the
    nearest: of operators that look at the whole image, the tails are cut off there.

    Returns:
        At least 1; None where no window has a gradient.

    Source: Bell & Dean 1970 (Discuss. Faraday Soc. 50); as a number of equal shares, order 2 of Hill 1973 (Ecology 54).
    """
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


def brightness(pooling: Pooling) -> float:
    """Brightness bias: the mean of what was pooled less the mean of the image, in units of the data range.

    Signed: max pooling brightens, lse with r < 0 darkens, a filter with gain 1 does neither.
    """
    return float(pooling.pooled.mean() - pooling.image.mean()) / pooling.data_range


MEASURES: dict[str, Callable[[Pooling], float | None]] = {
    "alias": alias,
    "spectrum_low": spectrum_low,
    "spectrum_mid": spectrum_mid,
    "spectrum_high": spectrum_high,
    "shift": shift,
    "grad_reach": grad_reach,
    "effective_weights": effective_weights,
    "brightness": brightness,
}


def measure(names: Iterable[str], pooling: Pooling) -> dict[str, float | None]:
    """Those of ``names`` that are measures, each measured; the others are metrics of rebuilt images.

    Raises:
        ValueError: the operator gave a number that is not finite for an image it was asked to pool.
    """
    values = {name: MEASURES[name](pooling) for name in names if name in MEASURES}
    for name, value in values.items():
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name}: the operator gives what is not finite, or has no finite gradient")
    return values


def lowpass(x: Tensor, cells: Sequence[int]) -> Tensor:
    """``x`` without the frequencies that a grid of ``cells`` along its last axes cannot represent.

    Args:
        x: ``(..., *sizes)``.
        cells: per spatial axis; so many DCT-II terms stay, those below ``cells / (2 size)`` cycles an element.
    """
    for axis, count in enumerate(cells):
        dim = axis - len(cells)
        n = x.shape[dim]
        if count < n:
            spectrum = torch.fft.rfft(torch.cat([x, x.flip(dim)], dim), dim=dim).narrow(dim, 0, count)
            x = torch.fft.irfft(spectrum, n=2 * n, dim=dim).narrow(dim, 0, n)
    return x


def resample(x: Tensor, dim: int, count: int) -> Tensor:
    """``x`` at ``count`` points along an axis, without any alias: its DCT-II cropped or filled up with zeros.

    The points are the centres of cells: point o lies at ``(o + 1/2) n / count - 1/2`` of the n elements.

    Args:
        x: any shape, floating point.
        dim: the axis, negative.
        count: at least 1.

    Source: resizing in the DCT domain, Dugad & Ahuja 2001 (IEEE Trans. Circuits Syst. Video Technol. 11(4)).
    """
    n = x.shape[dim]
    mirrored = torch.cat([x, x.flip(dim)], dim)  # its DFT is the DCT-II, but for the phase of half an element
    kept = min(n, count)
    spectrum = torch.fft.rfft(mirrored, dim=dim).narrow(dim, 0, kept)
    angle = torch.arange(kept, device=x.device, dtype=x.dtype) * (math.pi / 2 * (1 / count - 1 / n))
    turn = torch.polar(torch.full_like(angle, count / n), angle).reshape(-1, *(1,) * (-dim - 1))
    wide: Tensor = torch.fft.irfft(spectrum * turn, n=2 * count, dim=dim)
    return wide.narrow(dim, 0, count)


def _retained_bands(pooling: Pooling) -> dict[str, float | None]:
    ndim = pooling.geometry.ndim
    reference, pooled = pooling.image[0], pooling.pooled[0]
    for axis, count in enumerate(pooling.cells):
        dim = axis - ndim
        common = min(count, pooled.shape[dim])
        reference = resample(reference, dim, count).narrow(dim, 0, common)
        pooled = pooled.narrow(dim, 0, common)
    sizes = reference.shape[-ndim:]
    # Some fifteen segments along an axis, but none too short to tell the bands apart or longer than they need.
    lengths = [min(size, max(SHORTEST, min(LONGEST, size // 16 * 2))) for size in sizes]
    axes = (torch.fft.fftfreq(n, dtype=torch.float64, device=pooled.device) for n in lengths)
    grids = torch.meshgrid(*axes, indexing="ij")
    radius = 2 * torch.stack(grids).square().sum(0).sqrt()
    radius.view(-1)[0] = -1.0  # the mean is in no band
    retained, original = dict.fromkeys(BANDS, 0.0), dict.fromkeys(BANDS, 0.0)
    # A plane at a time: the overlapping segments of all of them would be many times the image.
    for channel, submaps in zip(reference, pooled.reshape(len(reference), -1, *sizes), strict=True):
        o = _segments(channel, lengths)
        power = o.abs().square().sum(0)
        for submap in submaps:
            cross = (_segments(submap, lengths) * o.conj()).sum(0)
            coherent = torch.where(power > 0, cross.abs().square() / power, 0.0)
            for name, (low, high) in BANDS.items():
                inside = (radius >= low) & (radius < high)
                retained[name] += float(coherent[inside].sum())
                original[name] += float(power[inside].sum())
    least = ROUNDING * _energy(reference) * math.prod(lengths)
    return {name: retained[name] / original[name] if original[name] > least else None for name in BANDS}


def _segments(plane: Tensor, lengths: Sequence[int]) -> Tensor:
    """The spectra of a plane's half overlapping segments, less their means, under a Hann window: ``(n, *lengths)``."""
    ndim = plane.dim()
    for axis, length in enumerate(lengths):
        plane = plane.unfold(axis, length, max(1, length // 2))
    parts = _centred(plane.reshape(-1, *lengths), ndim)
    for axis, length in enumerate(lengths):
        window = torch.hann_window(length, dtype=plane.dtype, device=plane.device)
        parts = parts * window.reshape(-1, *(1,) * (ndim - axis - 1))
    spectra: Tensor = torch.fft.fftn(parts, dim=tuple(range(1, ndim + 1)))
    return spectra


def _participations(pooling: Pooling, submap: Tensor, starts: Sequence[int], apart: Sequence[int]) -> Tensor:
    """The participation ratios of a submap's windows that lie ``apart`` from each other, from ``starts`` on."""
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
    """Which of ``count`` windows, each ``gap``-th from the ``start``-th on, every position of an axis is nearest.

    Returns:
        ``(size,)`` int64 from 0 to count - 1.
    """
    size, geometry = pooling.sizes[axis], pooling.geometry
    step = size / pooling.cells[axis]
    centre = (geometry.spans[axis] - 1) / 2 - geometry.padding[axis] if pooling.regular else (step - 1) / 2
    position = torch.arange(size, dtype=torch.float64, device=pooling.image.device)
    return ((position - centre - start * step) / (gap * step)).round().long().clamp(0, count - 1)


def _gathered(values: Tensor, nearest: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    """The sums of ``values`` over the positions that are nearest each window."""
    for axis, (index, count) in enumerate(zip(nearest, counts, strict=True)):
        sums = values.new_zeros(*values.shape[:axis], count, *values.shape[axis + 1 :])
        values = sums.index_add_(axis, index, values)
    return values


def _gradient(y: Tensor, x: Tensor) -> Tensor:
    if not y.requires_grad:  # an operator that autograd cannot look through lets nothing reach its input
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(y, x, retain_graph=True, materialize_grads=True)
    return gradient


def _mean(x: Tensor, ndim: int) -> Tensor:
    return x.mean(tuple(range(-ndim, 0)), keepdim=True)


def _centred(x: Tensor, ndim: int) -> Tensor:
    return x - _mean(x, ndim)


def _energy(x: Tensor) -> float:
    return float(x.square().sum())
