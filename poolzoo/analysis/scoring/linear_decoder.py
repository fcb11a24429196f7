"""The optimal decoder: the linear map from pooled values to pixels with the least error, fitted on other images.

A pixel is a weighted sum of the m x m pooled values around it, in every submap, plus a constant. The weights depend
only on the pixel's phase, its position inside a cell of stride x stride pixels, and are the same for all channels. They
solve the least-squares problem over the pixels of training images (filters estimated from data: Triggs, "Empirical
filter estimation for subpixel interpolation and matching", ICCV 2001),

    min over W of  sum over images i of  w_i |A_i W - X_i|^2,   (sum w_i A_i' A_i) W = sum w_i A_i' X_i,

where a row of ``A_i`` holds the neighbourhood of one cell and a 1, and the same row of ``X_i`` the cell's pixels. Both
sums are accumulated in float64 in one pass, one image after the other. Sums of disjoint images can be added, and an
image is left out by subtracting its sums. Directions that do not occur in the training images, up to rounding, get no
weight: the solution has the least norm, as that of ``numpy.linalg.lstsq``.

``w_i`` is one over the image's number of pixels and over its squared detail, the mean squared error of its cells' means
interpolated linearly. So images count by their relative errors, as in a mean of PSNRs. With plain squared errors, a few
textured images would determine the constant that offsets max pooling, and smooth images would lose ten decibels.

Of operators that choose the phase of their samples by the input, the cells begin at the phase that was kept, in
training and in use, so that one set of weights serves every phase.

Beyond the border, pooled values are repeated, in training and in use. Values that are not one per cell, as after
resampling with windows that differ from the stride, are first interpolated to the pixels if that has less error in
training.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo import engine
from poolzoo.analysis.scoring.pool_modules import seed_draws
from poolzoo.analysis.scoring.upsampling import phases_of, placed_windows
from poolzoo.geometry import Geometry

if TYPE_CHECKING:
    from poolzoo.operators.base import Pool

#: Pooled values per axis that a pixel is rebuilt from. With 2x2 windows, on the photographs below, each held out, 3
#: lose up to 0.4 dB to 5, and 7 gain less than 0.02.
NEIGHBOURHOOD = 5
#: Of a training image, the middle is fitted on, this many cells per axis: hundreds of thousands of rows for two dozen
#: weights. Half as many cost smooth images a few tenths of a dB at a stride of 4.
TRAINING_CELLS = 128
#: The share of its mean square that is added to an image's squared detail: a flat image does not outweigh all others.
FLOOR = 1e-6
#: The number of values of a design matrix that are in memory at once: 32 MB.
DESIGN_BLOCK = 1 << 22

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
_SMOOTH = {**_LINEAR, 2: "bicubic"}


@dataclass(frozen=True)
class Grid:
    """The pooled values from which a cell of pixels is rebuilt.

    Attributes:
        stride: pixels of a cell, per axis.
        starts: per submap and axis, the index of the first pooled value in the neighbourhood of cell 0; that of cell
            i comes i later.
        neighbourhood: pooled values per axis.
        interpolated: whether the pooled values are interpolated to the pixels first.
    """

    stride: tuple[int, ...]
    starts: tuple[tuple[int, ...], ...]
    neighbourhood: int
    interpolated: bool = False

    @classmethod
    def of(cls, geometry: Geometry, phases: Sequence[Sequence[int]], neighbourhood: int) -> Grid:
        """Return the grid whose neighbourhoods have their middles nearest to those of the cells.

        Args:
            geometry: where the windows lie.
            phases: per submap, how many pixels further than the geometry's its windows lie on each axis.
            neighbourhood: pooled values per axis.
        """
        starts = []
        for phase in phases:
            places = zip(geometry.stride, geometry.first_centre, phase, strict=True)
            # The middle of cell 0 in steps of the windows, from the middle of window 0.
            middles = [((s - 1) / 2 - (shift + centre)) / s for s, centre, shift in places]
            starts.append(tuple(math.floor(middle - (neighbourhood - 1) / 2 + 0.5) for middle in middles))
        return cls(geometry.stride, tuple(starts), neighbourhood)

    @classmethod
    def of_pixels(cls, ndim: int, neighbourhood: int) -> Grid:
        """Return a grid with each pixel as its own cell, for pooled values that are interpolated to the pixels."""
        start = math.floor(0.5 - (neighbourhood - 1) / 2)
        return cls((1,) * ndim, ((start,) * ndim,), neighbourhood, True)

    @property
    def columns(self) -> int:
        """The number of inputs of a cell: its neighbourhoods in all submaps, and a 1."""
        return len(self.starts) * math.prod([self.neighbourhood] * len(self.stride)) + 1

    def rows(self, pooled: Tensor, size: Sequence[int], cells: Sequence[int]) -> Iterator[tuple[slice, Tensor]]:
        """Yield the design matrix in blocks of cells along the first axis.

        Args:
            pooled: ``(N, C, S, *out)``.
            size: of the image.
            cells: the number of cells per axis.

        Yields:
            The cells of a block along the first axis, and ``(columns, N C b ...)``: a column for each of its cells.
        """
        m = self.neighbourhood
        if self.interpolated:
            mode = _SMOOTH[len(cells)]
            pooled = F.interpolate(pooled[:, :, 0], size=tuple(size), mode=mode, align_corners=False).unsqueeze(2)
        submaps = []
        for submap, start in zip(pooled.unbind(2), self.starts, strict=True):
            for axis, (first, count) in enumerate(zip(start, cells, strict=True), 2):
                index = torch.arange(first, first + count + m - 1, device=pooled.device)
                submap = submap.index_select(axis, index.clamp(0, submap.shape[axis] - 1))
            submaps.append(submap)
        lead = pooled.shape[:2]
        step = max(1, DESIGN_BLOCK // (self.columns * math.prod(lead) * math.prod(cells[1:])))
        for begin in range(0, cells[0], step):
            block = (min(step, cells[0] - begin), *cells[1:])
            design = pooled.new_ones(self.columns, *lead, *block)
            taps = itertools.product(submaps, itertools.product(range(m), repeat=len(cells)))
            for row, (submap, (first, *others)) in zip(design[:-1], taps, strict=True):
                corner = (begin + first, *others)
                place = (slice(None), slice(None), *(slice(c, c + b) for c, b in zip(corner, block, strict=True)))
                row.copy_(submap[place])
            yield slice(begin, begin + block[0]), design.flatten(1)

    def cut(self, x: Tensor, cells: Sequence[int]) -> Tensor:
        """Return the pixels of whole cells, sorted by phase: ``(N, C, *size)`` to ``(phases, N, C, *cells)``."""
        n = len(cells)
        for axis, (count, s) in enumerate(zip(cells, self.stride, strict=True), 2):
            x = x.narrow(axis, 0, count * s)
        x = x.reshape(*x.shape[:2], *itertools.chain.from_iterable(zip(cells, self.stride, strict=True)))
        return x.permute(*(3 + 2 * axis for axis in range(n)), 0, 1, *(2 + 2 * axis for axis in range(n))).flatten(
            0, n - 1
        )

    def join(self, phases: Tensor) -> Tensor:
        """Invert :meth:`cut`."""
        n = len(self.stride)
        x = phases.reshape(*self.stride, *phases.shape[1:])
        x = x.permute(n, n + 1, *itertools.chain.from_iterable((n + 2 + axis, axis) for axis in range(n)))
        for axis in range(n):
            x = x.flatten(2 + axis, 3 + axis)
        return x


@dataclass(frozen=True)
class NormalEquations:
    """Sums over images, on the CPU in float64.

    Attributes:
        gram: ``(K, K)``, the sum of ``w A' A``.
        cross: ``(K, phases)``, the sum of ``w A' X``.
        energy: the sum of ``w |X|^2``.
        weight: the sum of ``w`` over all pixels.
        images: the number of images.
    """

    gram: Tensor
    cross: Tensor
    energy: float
    weight: float
    images: int

    @classmethod
    def of(cls, grid: Grid, pooled: Tensor, x: Tensor, weight: float) -> NormalEquations:
        """Return the sums of one image ``x``, ``(N, C, *size)``, and of ``pooled``, ``(N, C, S, *out)``."""
        cells = [n // s for n, s in zip(x.shape[2:], grid.stride, strict=True)]
        pixels = grid.cut(x, cells)
        gram = x.new_zeros(grid.columns, grid.columns)
        cross = x.new_zeros(grid.columns, len(pixels))
        for block, design in grid.rows(pooled, x.shape[2:], cells):
            gram += design @ design.T
            cross += design @ pixels[:, :, :, block].flatten(1).T
        energy = float(pixels.square().sum())
        return cls(weight * gram.cpu(), weight * cross.cpu(), weight * energy, weight * pixels.numel(), 1)

    def combined(self, other: NormalEquations, sign: int) -> NormalEquations:
        """Return the sums with ``other``'s added (``sign`` 1) or subtracted (-1)."""
        return NormalEquations(
            self.gram + sign * other.gram,
            self.cross + sign * other.cross,
            self.energy + sign * other.energy,
            self.weight + sign * other.weight,
            self.images + sign * other.images,
        )

    def solve(self) -> tuple[Tensor, float]:
        """Return the weights of least norm, ``(K, phases)``, and their weighted mean squared error on the training
        images.
        """
        values, vectors = torch.linalg.eigh(self.gram)
        # Below this there is nothing but rounding, of the sums and of what was taken away from them.
        shown = values > values[-1] * len(values) * 10 * torch.finfo(values.dtype).eps
        vectors = vectors[:, shown]
        solution = vectors @ ((vectors.T @ self.cross) / values[shown, None])
        error = (
            self.energy - 2 * float((solution * self.cross).sum()) + float((solution * (self.gram @ solution)).sum())
        )
        return solution, error / self.weight if self.weight else 0.0


@dataclass(frozen=True)
class LinearDecoder:
    """A linear map from pooled values to pixels.

    Attributes:
        grid: the pooled values that a pixel is rebuilt from.
        weight: ``(K, phases)``, float64: a column for each phase, the constant last.
    """

    grid: Grid
    weight: Tensor

    def __call__(self, pooled: Tensor, size: Sequence[int], phases: Sequence[tuple[int, ...]] = ()) -> Tensor:
        """Rebuild an image.

        Args:
            pooled: ``(N, C, *out)``, or ``(N, C, S, *out)`` from an operator that keeps S submaps, on the
                operator's scale.
            size: of the image, one int per axis.
            phases: per sample, the phase that the operator chose; empty for operators that do not choose.

        Returns:
            ``(N, C, *size)``, in the dtype of ``pooled``.

        Raises:
            ValueError: another number of axes or submaps than the decoder was fitted for.
        """
        if phases:
            return torch.cat([self._moved(*one, size) for one in zip(torch.split(pooled, 1), phases, strict=True)])
        n, submaps = len(self.grid.stride), len(self.grid.starts)
        values = pooled.unsqueeze(2) if pooled.dim() == n + 2 else pooled
        if values.dim() != n + 3 or values.shape[2] != submaps or len(size) != n:
            raise ValueError(
                f"pooled: shape {tuple(pooled.shape)} for a size of {tuple(size)}; the decoder was fitted for"
                f" {n} spatial axes and {submaps} submap{'s' * (submaps > 1)}"
            )
        cells = [-(-extent // s) for extent, s in zip(size, self.grid.stride, strict=True)]
        weight = self.weight.to(pooled.device)
        columns = weight.new_empty(weight.shape[1], *values.shape[:2], *cells)
        for block, design in self.grid.rows(values.to(weight.dtype), size, cells):
            place = columns[:, :, :, block]
            place.copy_((weight.T @ design).reshape(place.shape))
        full = self.grid.join(columns)
        return _cropped(full, size).to(pooled.dtype)

    def _moved(self, pooled: Tensor, phase: Sequence[int], size: Sequence[int]) -> Tensor:
        """Rebuild an image whose values lie at ``phase``: one cell more before it, which repeats the first values."""
        n, stride = len(size), self.grid.stride
        more = F.pad(pooled, (1, 0) * n, mode="replicate")
        full = self(more, [extent + s for extent, s in zip(size, stride, strict=True)])
        for axis, (extent, s, shift) in enumerate(zip(size, stride, phase, strict=True), 2):
            full = full.narrow(axis, s - shift, extent)
        return full


@dataclass(frozen=True)
class DecoderFit:
    """The data of a fit for the images seen so far: it can be pickled, and fits of disjoint images can be added.

    Attributes:
        sums: the normal equations of every kind of decoder that is tried, by its grid.
        images: the number of images.
    """

    sums: Mapping[Grid, NormalEquations] = field(default_factory=dict)
    images: int = 0

    def __add__(self, other: DecoderFit) -> DecoderFit:
        return self._combined(other, 1)

    def __sub__(self, other: DecoderFit) -> DecoderFit:
        return self._combined(other, -1)

    def _combined(self, other: DecoderFit, sign: int) -> DecoderFit:
        sums = dict(self.sums)
        for grid, own in other.sums.items():
            sums[grid] = sums[grid].combined(own, sign) if grid in sums else own
        return DecoderFit(sums, self.images + sign * other.images)

    def solve(self) -> LinearDecoder:
        """Return the decoder with the least error on these images.

        Raises:
            ValueError: there are no images, or fits of different operators were added.
        """
        if not self.images:
            raise ValueError("images: none are left to fit a decoder on; give others than those that are scored")
        solved = [(grid, *own.solve()) for grid, own in self.sums.items() if own.images == self.images]
        if not solved:
            raise ValueError(f"sums: none is of all {self.images} images; only fits of one operator add up")
        grid, weight, _ = min(solved, key=lambda candidate: candidate[2])
        return LinearDecoder(grid, weight)


def measure_image(
    module: Pool, x: Tensor, *, seed: int | None = None, neighbourhood: int = NEIGHBOURHOOD
) -> DecoderFit:
    """Return the contribution of one image to a fit.

    Args:
        module: the operator.
        x: its input, ``(N, C, *size)``, float64; sums are in float64 for every dtype.
        seed: of a stochastic operator, which draws the same for every image and in use.
        neighbourhood: pooled values per axis, odd or even.

    Raises:
        ValueError: another number of axes, no neighbourhood, the pooled values are not finite, the image is smaller
            than the window or a cell, or positions of submaps are drawn without a seed.
    """
    info, geometry = module.info, module.geometry
    if x.dim() != geometry.ndim + 2:
        raise ValueError(f"x: shape {tuple(x.shape)}; (N, C, *size) with {geometry.ndim} spatial axes is allowed")
    if neighbourhood < 1:
        raise ValueError(f"neighbourhood={neighbourhood}: 1 or more is allowed")
    if seed is None and (info.phases or info.kept_phase) and module.stochastic and module.training:
        raise ValueError("seed=None: an operator that draws where its submaps lie needs a seed to be decoded")
    pooled = _pooled(module, x, seed)
    if not bool(pooled.isfinite().all()):
        raise ValueError("a training image's pooled values are not finite")
    if any(n < s for n, s in zip(x.shape[2:], geometry.stride, strict=True)):
        raise ValueError(f"x: {tuple(x.shape[2:])} is smaller than a cell of {geometry.stride}")
    if seed is not None:
        seed_draws(module, x, seed)
    phases = phases_of(module, x)
    x, pooled = x.double(), pooled.double()  # whatever the operator computed in
    if info.kept_phase is not None:
        return _measure_chosen(module, x, pooled, phases, neighbourhood)
    grids = [Grid.of(geometry, phases or [(0,) * geometry.ndim], neighbourhood)]
    values = pooled.unsqueeze(2) if pooled.dim() == x.dim() else pooled
    whole = all(o * s == n for o, s, n in zip(values.shape[3:], geometry.stride, x.shape[2:], strict=True))
    if info.reducer is None and info.phases is None and not whole:
        grids.append(Grid.of_pixels(geometry.ndim, neighbourhood))
    weight = image_weight(x, geometry.stride)
    return DecoderFit({grid: NormalEquations.of(grid, values, x, weight) for grid in grids}, 1)


def _measure_chosen(
    module: Pool, x: Tensor, pooled: Tensor, phases: Sequence[tuple[int, ...]], neighbourhood: int
) -> DecoderFit:
    """Return the contribution of an image whose samples chose a phase: each is fitted from its phase on."""
    windows = placed_windows(module, pooled, x.shape[2:])
    assert windows is not None
    grid = Grid.of(windows, [(0,) * windows.ndim], neighbourhood)
    weight = image_weight(x, windows.stride)
    sums = []
    for sample, values, phase in zip(torch.split(x, 1), torch.split(pooled.unsqueeze(2), 1), phases, strict=True):
        for axis, shift in enumerate(phase, 2):
            sample = sample.narrow(axis, shift, sample.shape[axis] - shift)
        sums.append(NormalEquations.of(grid, values, sample, weight))
    total = functools.reduce(lambda one, other: one.combined(other, 1), sums)
    return DecoderFit({grid: replace(total, images=1)}, 1)


def image_weight(x: Tensor, stride: Sequence[int]) -> float:
    """Return one over the number of values and over the squared detail of ``x``, ``(N, C, *size)``; 0 if all are 0.

    The detail is the error of the means of cells of ``stride``, interpolated linearly. A share of :data:`FLOOR` of the
    mean square is added to it.
    """
    n = len(stride)
    size = [extent // s * s for extent, s in zip(x.shape[2:], stride, strict=True)]
    x = means = _cropped(x, size)
    for axis, (extent, s) in enumerate(zip(size, stride, strict=True), 2):
        means = means.reshape(*means.shape[:axis], extent // s, s, *means.shape[axis + 1 :]).mean(axis + 1)
    coarse = F.interpolate(means, size=size, mode=_LINEAR[n], align_corners=False)
    detail = float((x - coarse).square().mean()) + FLOOR * float(x.square().mean())
    return 1 / (x.numel() * detail) if detail else 0.0


def fit_decoder(
    module: Pool, images: Iterable[Tensor], *, seed: int | None = None, neighbourhood: int = NEIGHBOURHOOD
) -> LinearDecoder:
    """Fit a decoder of ``module`` on ``images``, in one pass over them.

    Args:
        module: the operator, float64.
        images: its inputs, each ``(N, C, *size)``, float64; none of those that will be scored.
        seed: of a stochastic operator, which draws the same for every image, and must do so in use.
        neighbourhood: pooled values per axis that a pixel is rebuilt from, odd or even.

    Raises:
        ValueError: no images, one smaller than the window, or pooled values that are not finite.
    """
    fit = DecoderFit()
    for x in images:
        fit += measure_image(module, x, seed=seed, neighbourhood=neighbourhood)
    return fit.solve()


def _cropped(x: Tensor, size: Sequence[int]) -> Tensor:
    for axis, extent in enumerate(size, 2):
        x = x.narrow(axis, 0, extent)
    return x


@torch.no_grad()
def _pooled(module: Pool, x: Tensor, seed: int | None) -> Tensor:
    if seed is not None:
        seed_draws(module, x, seed)
    # By the reference, as in a comparison: the same numbers on every machine.
    with engine.by_reference():
        pooled: Tensor = module(x)
    return pooled
