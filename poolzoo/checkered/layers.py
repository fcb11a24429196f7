"""Strided layers that keep several phases (Sadigh & Sen, arXiv 1805.10766), with torch's arguments and weights.

A strided convolution or pool computes the dense map at the phase (0, 0) of every cell. A checkered layer computes it
only at the k phases that a sampler selects (two of four for a stride of 2). Each phase is a submap: a separate feature
map, which every later layer treats as another image of the batch. The input ``(N, C, S, H, W)`` has S submaps; the
output is ``(N, C, k S, H', W')``, ordered by phase first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo.checkered.submaps import Reduction, share_over_submaps, split_batch
from poolzoo.geometry import Geometry, IntOrTuple, make_geometry, output_size
from poolzoo.operators.multisampling import (
    CHECKERED,
    TRI,
    check_permutation,
    check_sampler,
    complete_offsets,
    nrooks_offsets,
    sequence_offsets,
)

Offset = tuple[int, ...]
#: The phases that are kept of each submap: an offset, an int per axis, for each.
Offsets = tuple[tuple[Offset, ...], ...]
#: An index into CHECKERED, a name from SAMPLERS, or a permutation.
SamplerName = int | str | Sequence[int]

#: ``naive``, ``lattice`` and ``random`` (drawn in training, a lattice in evaluation) are the checkered sequences, two
#: phases of 2x2; ``tri`` is three of 3x3, drawn in training; ``complete`` keeps all, ``top-left`` what torch keeps.
SAMPLERS = ("naive", "lattice", "random", "tri", "complete", "top-left")


class Sampler(nn.Module):
    """Selects which phases of each submap a strided layer keeps. It has no parameters and adds nothing to a state dict.

    A random sampler draws outside compiled graphs: ``torch.compile`` splits the model there and recompiles for each
    draw until it gives up. In evaluation, and with the other samplers, a model compiles as one graph.

    Args:
        name: 0 or 1, a checkered sampler for every submap; a name from :data:`SAMPLERS`; or a permutation of 0 to k -
            1, whose element r is the column kept in row r of a k x k cell.
        generator: for ``random`` and ``tri``; None uses torch's own.

    Raises:
        ValueError: another name, or a sampler that is not a permutation.
    """

    def __init__(self, name: SamplerName = "naive", generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.name = name
        self.generator = generator

    @property
    def name(self) -> SamplerName:
        return self._name

    @name.setter
    def name(self, name: SamplerName) -> None:
        if isinstance(name, (int, str)):
            check_sampler(name, len(CHECKERED), SAMPLERS)
        else:
            check_permutation(name)
        self._name = name

    def forward(self, submaps: int, stride: Sequence[int]) -> Offsets:
        """Return the kept phases of each of ``submaps`` submaps in a cell of ``stride``, an int per axis."""
        cell = (stride[0], stride[-1])
        kept: Any
        if self.name == "complete":
            kept = [complete_offsets((1, *stride)[-2:])] * submaps
        elif self.name == "top-left":
            kept = [[(0, 0)]] * submaps
        elif self.name == "tri":
            kept = self._sequence(TRI, "random" if self.training else "naive", submaps, cell)
        elif self.name == "random":
            kept = self._sequence(CHECKERED, "random" if self.training else "lattice", submaps, cell)
        elif isinstance(self.name, (int, str)):
            kept = self._sequence(CHECKERED, self.name, submaps, cell)
        else:
            kept = [nrooks_offsets(tuple(self.name), cell)] * submaps
        # With one axis, an n-rooks sampler is its columns.
        return tuple(tuple(tuple(offset)[-len(stride) :] for offset in own) for own in kept)

    def _sequence(self, samplers: Any, name: int | str, submaps: int, cell: Sequence[int]) -> Any:
        return (_drawn if name == "random" else sequence_offsets)(samplers, name, submaps, cell, self.generator)

    def extra_repr(self) -> str:
        return repr(self.name)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _drawn(samplers: Any, name: str, submaps: int, cell: Sequence[int], generator: torch.Generator | None) -> Any:
    """Return offsets as Python numbers, so that slicing is decided outside compiled graphs."""
    device = "cpu" if generator is None else generator.device
    kept = sequence_offsets(samplers, name, submaps, cell, generator, device)
    assert isinstance(kept, Tensor)
    return kept.tolist()


# The layers -----------------------------------------------------------------------------------------------------------


class CheckeredLayer(nn.Module):
    """Base of the layers: every kept phase is one strided pass over the submaps, all in one batch."""

    stride: Any
    sampler: Sampler
    axes: ClassVar[int]

    if TYPE_CHECKING:  # torch's modules return Any

        def __call__(self, input: Tensor, offsets: Offsets | None = None) -> Tensor:
            return self.forward(input, offsets)

    def forward(self, input: Tensor, offsets: Offsets | None = None) -> Tensor:
        """Compute the phases that the sampler selects.

        Args:
            input: ``(N, C, S, *spatial)``; an image has one submap, ``x.unsqueeze(2)``.
            offsets: the kept phases of each submap; None asks the layer's own sampler.

        Returns:
            ``(N, C', k S, *out)``, where ``out`` is the output size of torch's layer: the first phase of all submaps,
                then the second of all submaps, ... A layer of stride 1 keeps everything, as S submaps.

        Raises:
            ValueError: ``input`` has another number of axes, or ``offsets`` are for another number of submaps.
        """
        if input.dim() != self.axes + 3:
            axes = ", ".join("NCSHW" if self.axes == 2 else "NCSL")
            raise ValueError(
                f"{type(self).__name__}: input has {input.dim()} axes, shape {tuple(input.shape)}; "
                f"({axes}) is allowed, S submaps: x.unsqueeze(2) makes a batch of pictures one submap each"
            )
        stride = (self.stride,) * self.axes if isinstance(self.stride, int) else tuple(self.stride)
        if offsets is None:
            offsets = self.sampler(input.shape[2], stride)
        if len(offsets) != input.shape[2]:
            raise ValueError(
                f"{type(self).__name__}: submaps do not match: input has {input.shape[2]}, "
                f"offsets are for {len(offsets)}"
            )
        return sample_phases(input, offsets, self.phase)

    def phase(self, x: Tensor, offset: Offset) -> Tensor:
        """Return the dense map of ``(N, C, *spatial)`` at one phase of every cell."""
        raise NotImplementedError


def sample_phases(x: Tensor, offsets: Offsets, phase: Callable[[Tensor, Offset], Tensor]) -> Tensor:
    by_submap = x.transpose(1, 2)  # the order in which submaps and batch are one axis
    if len(set(offsets)) == 1:
        flat = by_submap.flatten(0, 1)
        parts = [split_batch(phase(flat, offset), len(offsets)) for offset in offsets[0]]
    else:
        kept: dict[tuple[int, int], Tensor] = {}
        for own in dict.fromkeys(offsets):
            submaps = [submap for submap, other in enumerate(offsets) if other == own]
            flat = by_submap[:, submaps].flatten(0, 1)
            for number, offset in enumerate(own):
                part = split_batch(phase(flat, offset), len(submaps))
                kept.update({(number, submap): part[:, i : i + 1] for i, submap in enumerate(submaps)})
        parts = [kept[key] for key in sorted(kept)]
    y = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    return y.transpose(1, 2)


def _shifted(x: Tensor, geometry: Geometry, out: Sequence[int], offset: Offset, fill: float) -> Tensor:
    """Return ``x`` cropped and padded so that exactly ``out`` windows without padding start at the phase."""
    pads: list[int] = []
    for axis, (o, s, p, span, shift) in enumerate(
        zip(out, geometry.stride, geometry.padding, geometry.spans, offset, strict=True)
    ):
        dim = x.dim() - geometry.ndim + axis
        left = p - shift
        right = (o - 1) * s + span - x.shape[dim] - left
        x = x.narrow(dim, max(0, -left), x.shape[dim] + min(0, left) + min(0, right)) if min(left, right) < 0 else x
        pads = [max(0, left), max(0, right), *pads]
    return F.pad(x, pads, value=fill) if any(pads) else x


def _windows_from(
    x: Tensor, geometry: Geometry, out: Sequence[int], offset: Offset, fill: float
) -> tuple[Tensor, Geometry]:
    """Return ``x`` and the geometry with which a pool without padding finds the windows of a phase.

    A last window that would start outside the input starts at the last element instead. The windows of such an axis are
    copied out one after the other.
    """
    kernel, stride, padding, dilation = map(list, geometry[:4])
    shifts = list(offset)
    for axis, (o, s, p, k, d, shift) in enumerate(zip(out, stride, padding, kernel, dilation, offset, strict=True)):
        dim = x.dim() - geometry.ndim + axis
        n = x.shape[dim]
        if (o - 1) * s + shift - p < n:
            continue
        start = (torch.arange(o, device=x.device) * s + shift - p).clamp(max=n - 1)
        tap = (start[:, None] + torch.arange(k, device=x.device) * d).flatten()
        absent = ((tap < 0) | (tap >= n)).reshape(-1, *(1,) * (geometry.ndim - 1 - axis))
        x = x.index_select(dim, tap.clamp(0, n - 1)).masked_fill(absent, fill)
        stride[axis], padding[axis], dilation[axis], shifts[axis] = k, 0, 1, 0
    found = Geometry(tuple(kernel), tuple(stride), tuple(padding), tuple(dilation), False)
    return _shifted(x, found, out, tuple(shifts), fill), found


def conv_phase(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...] | str,
    dilation: tuple[int, ...],
    groups: int,
    offset: Offset,
) -> Tensor:
    convolve: Any = F.conv1d if len(offset) == 1 else F.conv2d
    if any(offset):
        pads = (0,) * len(offset) if padding == "valid" else padding
        geometry = Geometry(tuple(weight.shape[2:]), stride, pads, dilation, False)  # type: ignore[arg-type]
        x, padding = _shifted(x, geometry, output_size(x.shape[2:], geometry), offset, 0.0), "valid"
    y: Tensor = convolve(x, weight, bias, stride, padding, dilation, groups)
    return y


class _CheckeredConv(CheckeredLayer):
    """A convolution at the kept phases; outside the input and its padding there are zeros."""

    def phase(self: Any, x: Tensor, offset: Offset) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            x = F.pad(x, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = "valid"
        return conv_phase(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups, offset)


class CheckeredConv1d(_CheckeredConv, nn.Conv1d):
    """:class:`torch.nn.Conv1d` with a sampler, over ``(N, C, S, L)``: two phases of each cell, 0 and half a stride.

    Args:
        *args: those of torch's layer: ``in_channels``, ``out_channels``, ``kernel_size``, ``stride``, ``padding``,
            ``dilation``, ``groups``, ``bias``, ``padding_mode``, ``device`` and ``dtype``.
        **kwargs: the same by their names.
        sampler: see :class:`Sampler`. For a stride of 2, both checkered samplers keep everything.

    Raises:
        ValueError: a sampler that is not allowed, or an argument that torch refuses.
    """

    axes = 1

    def __init__(self, *args: Any, sampler: SamplerName = "naive", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sampler = Sampler(sampler)


class CheckeredConv2d(_CheckeredConv, nn.Conv2d):
    """:class:`torch.nn.Conv2d` with a sampler, over ``(N, C, S, H, W)``; its parameters have torch's names and shapes.

    Args:
        *args: those of torch's layer: ``in_channels``, ``out_channels``, ``kernel_size``, ``stride``, ``padding``,
            ``dilation``, ``groups``, ``bias``, ``padding_mode``, ``device`` and ``dtype``.
        **kwargs: the same by their names.
        sampler: see :class:`Sampler`.

    Raises:
        ValueError: a sampler that is not allowed, or an argument that torch refuses.

    Example:
        >>> conv = CheckeredConv2d(3, 8, kernel_size=3, stride=2, padding=1)
        >>> conv(torch.zeros(1, 3, 1, 32, 32)).shape
        torch.Size([1, 8, 2, 16, 16])
    """

    axes = 2

    def __init__(self, *args: Any, sampler: SamplerName = "naive", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sampler = Sampler(sampler)


class _CheckeredPool(CheckeredLayer):
    """A pool at the kept phases; a global pool also pools over all submaps."""

    #: How a global pool combines submaps.
    over_submaps: ClassVar[Reduction]
    #: Whether a window over the whole map makes the pool global at any stride, not only at strides of 3 or more.
    global_at_any_stride = False

    def forward(self, input: Tensor, offsets: Offsets | None = None) -> Tensor:
        y = super().forward(input, offsets)
        return share_over_submaps(y, 2, self.over_submaps) if self.is_global(input) else y

    def geometry(self: Any) -> Geometry:
        dilation = getattr(self, "dilation", 1)
        return make_geometry(2, self.kernel_size, self.stride, self.padding, dilation, self.ceil_mode)

    def is_global(self, x: Tensor) -> bool:
        """Return whether a single window covers the whole map and the stride leaves nothing to sample."""
        geometry = self.geometry()
        covered = zip(x.shape[-2:], geometry.padding, geometry.spans, strict=True)
        return (self.global_at_any_stride or max(geometry.stride) > 2) and all(n + 2 * p <= k for n, p, k in covered)


class CheckeredMaxPool2d(_CheckeredPool, nn.MaxPool2d):
    """:class:`torch.nn.MaxPool2d` with a sampler, over ``(N, C, S, H, W)``; padding positions are ignored.

    With a stride of 3 or more and a window that covers the whole map, it is a global pool: every output submap is the
    maximum over all input submaps.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: as for torch's layer.
        return_indices: only False: an index into a dense map would not identify an element of a submap.
        sampler: see :class:`Sampler`.

    Raises:
        ValueError: an argument that is not allowed.
    """

    axes = 2
    over_submaps = "max"

    def __init__(
        self,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        return_indices: Literal[False] = False,
        ceil_mode: bool = False,
        *,
        sampler: SamplerName = "naive",
    ) -> None:
        make_geometry(2, kernel_size, stride, padding, dilation, ceil_mode)
        if return_indices:
            raise ValueError(f"return_indices={return_indices!r}: False is allowed; submaps have no dense map to index")
        super().__init__(kernel_size, stride, padding, dilation, False, ceil_mode)  # type: ignore[arg-type]
        self.sampler = Sampler(sampler)

    def phase(self: Any, x: Tensor, offset: Offset) -> Tensor:
        geometry = self.geometry()
        if not any(offset) or self.is_global(x):
            return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        out = output_size(x.shape[2:], geometry)
        x, found = _windows_from(x, geometry, out, offset, -torch.inf)
        return F.max_pool2d(x, found.kernel_size, found.stride, 0, found.dilation)


class CheckeredAvgPool2d(_CheckeredPool, nn.AvgPool2d):
    """:class:`torch.nn.AvgPool2d` with a sampler, over ``(N, C, S, H, W)``.

    A later phase is torch's pool of the input shifted by that phase, as in the authors' code. The zeros that the shift
    adds at the far edge are padding: counted if ``count_include_pad``, otherwise ignored.

    With a stride of 3 or more and a window that covers the whole map, it is a global pool: every output submap is the
    mean over all input submaps.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as for torch's layer.
        sampler: see :class:`Sampler`.

    Raises:
        ValueError: an argument that is not allowed.
    """

    axes = 2
    over_submaps = "mean"

    def __init__(
        self,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        sampler: SamplerName = "naive",
    ) -> None:
        make_geometry(2, kernel_size, stride, padding, 1, ceil_mode)
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)  # type: ignore[arg-type]
        self.sampler = Sampler(sampler)

    def phase(self: Any, x: Tensor, offset: Offset) -> Tensor:
        pool = functools.partial(F.avg_pool2d, divisor_override=self.divisor_override)
        geometry = self.geometry()
        if not any(offset) or self.is_global(x):
            return pool(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        sizes = x.shape[2:]
        out = output_size(sizes, geometry)
        if self.count_include_pad:
            pads = [pad for p, o in zip(geometry.padding, offset, strict=True) for pad in (p + o, p - o)]
            y = pool(F.pad(x, pads[::-1]), geometry.kernel_size, geometry.stride, 0, self.ceil_mode)
            return y[..., : out[0], : out[1]]
        x, found = _windows_from(x, geometry, out, offset, 0.0)
        y = pool(x, found.kernel_size, found.stride)
        if self.divisor_override is not None:
            return y
        # torch's mean is over the whole window, of which only a part is there to be counted.
        for axis, (n, o, k, s, p, shift) in enumerate(
            zip(sizes, out, geometry.kernel_size, geometry.stride, geometry.padding, offset, strict=True)
        ):
            start = (torch.arange(o, device=x.device) * s + shift - p).clamp(max=n - 1)
            tap = start[:, None] + torch.arange(k, device=x.device)
            counted = ((tap >= 0) & (tap < n)).sum(1).to(y.dtype)
            y = y * (k / counted).reshape(-1, *(1,) * (1 - axis))
        return y


#: The checkered form of each torch layer.
LAYERS: dict[type[nn.Module], type[CheckeredLayer]] = {
    nn.Conv1d: CheckeredConv1d,
    nn.Conv2d: CheckeredConv2d,
    nn.MaxPool2d: CheckeredMaxPool2d,
    nn.AvgPool2d: CheckeredAvgPool2d,
}


def set_sampler(model: nn.Module, sampler: SamplerName, generator: torch.Generator | None = None) -> None:
    """Set the sampler of every checkered layer of a model.

    Args:
        model: a converted model, or one made of checkered layers.
        sampler: see :class:`Sampler`.
        generator: for a random sampler.

    Raises:
        ValueError: the model has no checkered layers, or ``sampler`` is not allowed.
    """
    found = [module for module in model.modules() if isinstance(module, Sampler)]
    if not found:
        raise ValueError(f"model: {type(model).__name__} has no checkered layer; convert_to_checkered makes them")
    for module in found:
        module.name, module.generator = sampler, generator
