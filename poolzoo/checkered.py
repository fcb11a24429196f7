"""Checkered networks (Sadigh & Sen, arXiv 1805.10766): strided layers that keep several phases, and models of them.

A strided convolution or pool computes the dense map at the phase (0, 0) of every cell. A checkered one computes it at
the k phases that a sampler names (two of four for a stride of 2), and at no others; each phase is a submap, a feature
map of its own that every later layer treats like another picture of the batch. ``(N, C, S, H, W)`` goes in, S submaps,
and ``(N, C, k S, H', W')`` comes out, ordered by the phase first.

:func:`convert_to_checkered` does that to a model whose forward pass knows of no submaps: between the strided layers it
keeps them in the batch axis, ``(N S, C, H, W)``, and averages over them at the end.
"""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from poolzoo.operators.base import Pool
from poolzoo.operators.multisampling import (
    CHECKERED,
    TRI,
    check_permutation,
    check_sampler,
    complete_offsets,
    nrooks_offsets,
    sequence_offsets,
)
from poolzoo.windows import Geometry, IntOrTuple, make_geometry, output_size

Offset = tuple[int, ...]
#: The phases that are kept of each submap: an offset, an int per axis, for each.
Offsets = tuple[tuple[Offset, ...], ...]
#: An index into CHECKERED, a name from SAMPLERS, or a permutation.
SamplerName = int | str | Sequence[int]

#: ``naive``, ``lattice`` and ``random`` (drawn in training, a lattice in evaluation) are the checkered sequences, two
#: phases of 2x2; ``tri`` is three of 3x3, drawn in training; ``complete`` keeps all, ``top-left`` what torch keeps.
SAMPLERS = ("naive", "lattice", "random", "tri", "complete", "top-left")

Model = TypeVar("Model", bound=nn.Module)


class Sampler(nn.Module):
    """Which phases of each submap a strided layer keeps. It holds no parameters and adds nothing to a state dict.

    A random sampler is drawn outside of compiled graphs: ``torch.compile`` takes it in pieces, and compiles each draw
    anew until it gives up; in evaluation, and with the other samplers, a model compiles as one graph.

    Args:
        name: 0 or 1, the checkered sampler of every submap; a name from :data:`SAMPLERS`; or a permutation of 0 to
            k - 1, whose element r is the column that is kept in row r of a k x k cell.
        generator: of ``random`` and ``tri``; None is torch's own.

    Raises:
        ValueError: another name, or a sampler that is no permutation.
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
        """The phases kept of each of ``submaps`` submaps in a cell of ``stride``, an int per axis."""
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
    """Offsets as numbers: what is cut out of the input is decided here, outside of any compiled graph."""
    device = "cpu" if generator is None else generator.device
    kept = sequence_offsets(samplers, name, submaps, cell, generator, device)
    assert isinstance(kept, Tensor)
    return kept.tolist()


# The layers -----------------------------------------------------------------------------------------------------------


class _Checkered(nn.Module):
    """What the layers share: every phase that is kept is one strided pass over the submaps, all as one batch."""

    stride: Any
    sampler: Sampler
    axes: ClassVar[int]

    def forward(self, x: Tensor, offsets: Offsets | None = None) -> Tensor:
        """Keep what the sampler names.

        Args:
            x: ``(N, C, S, *spatial)``; a picture has one submap, ``x.unsqueeze(2)``.
            offsets: the phases kept of each submap; None asks the layer's own sampler.

        Returns:
            ``(N, C', k S, *out)``, ``out`` being the size that torch's layer gives; all submaps' first phases, then all
            submaps' second, ... A layer of stride 1 keeps everything, as S submaps.

        Raises:
            ValueError: ``x`` has another number of axes, or ``offsets`` are for another number of submaps.
        """
        if x.dim() != self.axes + 3:
            axes = ", ".join("NCSHW" if self.axes == 2 else "NCSL")
            raise ValueError(
                f"{type(self).__name__}: x has {x.dim()} axes, shape {tuple(x.shape)}; ({axes}) is allowed, "
                f"S submaps: x.unsqueeze(2) makes a batch of pictures one submap each"
            )
        stride = (self.stride,) * self.axes if isinstance(self.stride, int) else tuple(self.stride)
        if offsets is None:
            offsets = self.sampler(x.shape[2], stride)
        if len(offsets) != x.shape[2]:
            raise ValueError(
                f"{type(self).__name__}: submaps do not match: x has {x.shape[2]}, offsets are for {len(offsets)}"
            )
        return _sample(x, offsets, self.phase)

    def phase(self, x: Tensor, offset: Offset) -> Tensor:
        """The dense map of ``(N, C, *spatial)`` at one phase of every cell."""
        raise NotImplementedError


def _sample(x: Tensor, offsets: Offsets, phase: Callable[[Tensor, Offset], Tensor]) -> Tensor:
    by_submap = x.transpose(1, 2)  # the order in which submaps and batch are one axis
    if len(set(offsets)) == 1:
        flat = by_submap.flatten(0, 1)
        parts = [_split_batch(phase(flat, offset), len(offsets)) for offset in offsets[0]]
    else:
        kept: dict[tuple[int, int], Tensor] = {}
        for own in dict.fromkeys(offsets):
            submaps = [submap for submap, other in enumerate(offsets) if other == own]
            flat = by_submap[:, submaps].flatten(0, 1)
            for number, offset in enumerate(own):
                part = _split_batch(phase(flat, offset), len(submaps))
                kept.update({(number, submap): part[:, i : i + 1] for i, submap in enumerate(submaps)})
        parts = [kept[key] for key in sorted(kept)]
    y = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    return y.transpose(1, 2)


def _split_batch(x: Tensor, submaps: int) -> Tensor:
    return x.reshape(-1, submaps, *x.shape[1:])


def _shifted(x: Tensor, geometry: Geometry, out: Sequence[int], offset: Offset, fill: float) -> Tensor:
    """``x`` cut and padded so that windows without padding begin at the phase: ``out`` of them, and no more."""
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
    """``x`` and the geometry with which a pool without padding finds the windows of a phase.

    Where a last window would begin past the input, it begins at the last element; the windows of such an axis are
    spelled out, one behind the other.
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


def _covered(x: Tensor, geometry: Geometry) -> bool:
    """Whether a single window takes the whole map, as in a global pool: the dense map is then one number, one phase."""
    return all(n + 2 * p <= span for n, p, span in zip(x.shape[2:], geometry.padding, geometry.spans, strict=True))


def _conv_phase(
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


class _CheckeredConv(_Checkered):
    """A convolution at the phases that are kept; past the input and its padding there are zeros."""

    def phase(self: Any, x: Tensor, offset: Offset) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            x = F.pad(x, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = "valid"
        return _conv_phase(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups, offset)


class CheckeredConv1d(_CheckeredConv, nn.Conv1d):
    """:class:`torch.nn.Conv1d` with a sampler, over ``(N, C, S, L)``: two phases of each cell, 0 and half a stride.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype:
            torch's.
        sampler: see :class:`Sampler`. Of a stride of 2, both checkered samplers keep everything.

    Raises:
        ValueError: a sampler that is not allowed, or torch's own complaint.
    """

    axes = 1

    def __init__(self, *args: Any, sampler: SamplerName = "naive", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sampler = Sampler(sampler)


class CheckeredConv2d(_CheckeredConv, nn.Conv2d):
    """:class:`torch.nn.Conv2d` with a sampler, over ``(N, C, S, H, W)``; its parameters have torch's names and shapes.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype:
            torch's.
        sampler: see :class:`Sampler`.

    Raises:
        ValueError: a sampler that is not allowed, or torch's own complaint.

    Example:
        >>> conv = CheckeredConv2d(3, 8, kernel_size=3, stride=2, padding=1)
        >>> conv(torch.zeros(1, 3, 1, 32, 32)).shape
        torch.Size([1, 8, 2, 16, 16])
    """

    axes = 2

    def __init__(self, *args: Any, sampler: SamplerName = "naive", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sampler = Sampler(sampler)


class CheckeredMaxPool2d(_Checkered, nn.MaxPool2d):
    """:class:`torch.nn.MaxPool2d` with a sampler, over ``(N, C, S, H, W)``; padding is absent.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: torch's.
        return_indices: False: an index into a dense map would name no element of a submap.
        sampler: see :class:`Sampler`.

    Raises:
        ValueError: an argument that is not allowed.
    """

    axes = 2

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
        geometry = make_geometry(2, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        if not any(offset) or _covered(x, geometry):
            return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        out = output_size(x.shape[2:], geometry)
        x, found = _windows_from(x, geometry, out, offset, -torch.inf)
        return F.max_pool2d(x, found.kernel_size, found.stride, 0, found.dilation)


class CheckeredAvgPool2d(_Checkered, nn.AvgPool2d):
    """:class:`torch.nn.AvgPool2d` with a sampler, over ``(N, C, S, H, W)``.

    What lies past the input is counted as torch counts it: padding where ``count_include_pad``, beyond it never.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: torch's.
        sampler: see :class:`Sampler`.

    Raises:
        ValueError: an argument that is not allowed.
    """

    axes = 2

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
        geometry = make_geometry(2, self.kernel_size, self.stride, self.padding, 1, self.ceil_mode)
        if not any(offset) or _covered(x, geometry):
            return pool(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        sizes = x.shape[2:]
        out = output_size(sizes, geometry)
        x, found = _windows_from(x, geometry, out, offset, 0.0)
        y = pool(x, found.kernel_size, found.stride)
        if self.divisor_override is not None:
            return y
        # torch's mean is over the whole window, of which only a part is there to be counted.
        for axis, (n, o, k, s, p, shift) in enumerate(
            zip(sizes, out, geometry.kernel_size, geometry.stride, geometry.padding, offset, strict=True)
        ):
            low, high = (-p, n + p) if self.count_include_pad else (0, n)
            start = (torch.arange(o, device=x.device) * s + shift - p).clamp(max=n - 1)
            tap = start[:, None] + torch.arange(k, device=x.device)
            counted = ((tap >= low) & (tap < high)).sum(1).to(y.dtype)
            y = y * (k / counted).reshape(-1, *(1,) * (1 - axis))
        return y


#: What each of torch's layers becomes.
LAYERS: dict[type[nn.Module], type[_Checkered]] = {
    nn.Conv1d: CheckeredConv1d,
    nn.Conv2d: CheckeredConv2d,
    nn.MaxPool2d: CheckeredMaxPool2d,
    nn.AvgPool2d: CheckeredAvgPool2d,
}


# Whole models ---------------------------------------------------------------------------------------------------------


@dataclass
class Conversion:
    """What :func:`convert_to_checkered` did to a model.

    Attributes:
        converted: the strided layers that now keep several phases: module names, or what the forward pass calls.
        unconverted: strided layers that keep one phase as before, each with the reason.
        traced: whether the forward pass was rewritten by torch.fx; else its calls are caught while it runs.
    """

    converted: list[str] = field(default_factory=list)
    unconverted: dict[str, str] = field(default_factory=dict)
    traced: bool = True

    def __str__(self) -> str:
        how = "" if self.traced else ", caught while the model runs, which torch.fx cannot trace"
        lines = [f"checkered{how}: {', '.join(self.converted)}"]
        lines += [f"left as it is: {name}: {reason}" for name, reason in self.unconverted.items()]
        return "\n".join(lines)


def convert_to_checkered(model: Model, sampler: SamplerName = "naive") -> Model:
    """A copy of a model whose strided convolutions and pools are checkered; its forward pass need not know of submaps.

    Input, output and state dict are the model's own. Submaps travel in the batch axis, so that batch normalisation in
    training goes over all of them, and are averaged in front of the first fully connected layer that everything passes
    through, or else at the output. Branches that meet take the same sampler, and the same draw where it is random.

    The forward pass is rewritten by torch.fx, once for training and once for evaluation. A model that cannot be traced
    is converted by catching its calls while it runs; its submaps are averaged at the output.

    Args:
        model: an ``nn.Module`` over batches, ``(N, C, H, W)`` or ``(N, C, L)``, first argument first; it stays as is.
        sampler: of every strided layer, see :class:`Sampler`; :func:`set_sampler` changes it later. With ``top-left``
            the result is the model's own, to the bit.

    Returns:
        The converted copy, a subclass of the model's class. Its ``conversion`` says what was done; what was left out
        is also warned of.

    Raises:
        ValueError: there is nothing to convert, submaps of two branches do not match, or ``sampler`` is not allowed.

    Example:
        >>> net = convert_to_checkered(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2)))
        >>> net(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 7, 7])
    """
    Sampler(sampler)  # what is not allowed is said before any work
    copied = copy.deepcopy(model)
    traced = _trace_modes(copied)
    conversion = Conversion(traced=bool(traced))
    samplers = nn.ModuleList()
    if traced:
        rewriter = _Rewriter(copied, samplers, sampler, conversion)
        graphs = {training: rewriter.rewrite(graph) for training, graph in traced.items()}
    else:
        graphs = {}
        samplers.append(Sampler(sampler))
        for name, layer in copied.named_modules():
            _note(conversion, name, layer)
    if not conversion.converted:
        raise ValueError(
            f"model: {type(model).__name__} has nothing to convert; a convolution, max_pool or avg_pool of a stride "
            f"greater than 1 is needed" + "".join(f"; {name}: {why}" for name, why in conversion.unconverted.items())
        )
    copied.checkered_samplers = samplers
    modules = {training: fx.GraphModule(copied, graph) for training, graph in graphs.items()}
    copied.__class__ = _converted_class(type(model))  # type: ignore[assignment, arg-type]
    assert isinstance(copied, _Converted)
    copied.conversion = conversion
    copied._use_graphs(modules)
    if conversion.unconverted:
        warnings.warn(str(conversion), stacklevel=2)
    return copied


def set_sampler(model: nn.Module, sampler: SamplerName, generator: torch.Generator | None = None) -> None:
    """Give every checkered layer of a model another sampler.

    Args:
        model: a converted model, or one that is made of checkered layers.
        sampler: see :class:`Sampler`.
        generator: of a random one.

    Raises:
        ValueError: the model has no checkered layers, or ``sampler`` is not allowed.
    """
    found = [module for module in model.modules() if isinstance(module, Sampler)]
    if not found:
        raise ValueError(f"model: {type(model).__name__} has no checkered layer; convert_to_checkered makes them")
    for module in found:
        module.name, module.generator = sampler, generator


def _strides(layer: nn.Module) -> tuple[int, ...]:
    """The stride of a layer, an int per axis; () where it has none."""
    stride = getattr(layer, "stride", None)
    if isinstance(stride, int):
        axes = int(name) if (name := type(layer).__name__[-2:-1]).isdigit() else 2
        return (stride,) * axes
    return tuple(stride) if isinstance(stride, (tuple, list)) else ()


def _note(conversion: Conversion, name: str, layer: nn.Module) -> bool:
    """Enter a layer of a model into its conversion; True where it is one to convert."""
    strides = _strides(layer)
    if not strides or max(strides) == 1 or name in conversion.unconverted:
        return False
    if type(layer) not in LAYERS:
        conversion.unconverted[name] = f"{type(layer).__name__}, stride {max(strides)}, has no checkered form"
        return False
    if getattr(layer, "return_indices", False):
        conversion.unconverted[name] = "return_indices=True: submaps have no dense map to index"
        return False
    if name not in conversion.converted:
        conversion.converted.append(name)
    return True


class _Tracer(fx.Tracer):
    """Follows the forward pass down to torch's own layers and poolzoo's.

    ``coarse`` stops at every subclass of torch's layers, even one with a forward pass of its own.
    """

    def __init__(self, coarse: bool = False) -> None:
        super().__init__()
        self.coarse = coarse

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, (Pool, _Checkered)):
            return True
        if self.coarse:
            own = [cls for cls in type(m).__mro__ if cls.__module__.startswith("torch.nn.modules")]
            return any(cls.__module__ not in ("torch.nn.modules.module", _CONTAINERS) for cls in own)
        home = type(m).forward.__module__ or ""
        return home.startswith("torch.nn") and home != _CONTAINERS


_CONTAINERS = nn.Sequential.__module__


def _trace_modes(model: nn.Module) -> dict[bool, fx.Graph]:
    """The graphs of training and of evaluation; {} where torch.fx fails."""
    modes = {module: module.training for module in model.modules()}
    try:
        for coarse in (False, True):
            try:
                graphs = {training: _Tracer(coarse).trace(model.train(training)) for training in (True, False)}
            except Exception:  # whatever a model's own code raises when it is handed no tensors
                continue
            return graphs
        return {}
    finally:
        for module, training in modes.items():
            module.training = training


State = tuple[Any, ...]
#: Pools that a forward pass may call, and what they become.
FUNCTIONS: dict[Any, type[_Checkered]] = {
    F.max_pool2d: CheckeredMaxPool2d,
    torch.max_pool2d: CheckeredMaxPool2d,
    F.avg_pool2d: CheckeredAvgPool2d,
}
#: Their arguments in order, after the input.
ARGUMENTS: dict[Any, tuple[str, ...]] = {
    F.max_pool2d: ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    torch.max_pool2d: ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    F.avg_pool2d: ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
}


def unfold_submaps(x: Tensor, submaps: int) -> Tensor:
    """``(N S, C, *spatial)`` as ``(N, C, S, *spatial)``."""
    return _split_batch(x, submaps).transpose(1, 2)


def fold_submaps(x: Tensor) -> Tensor:
    """``(N, C, S, *spatial)`` as ``(N S, C, *spatial)``."""
    return x.transpose(1, 2).flatten(0, 1)


def count_submaps(offsets: Offsets) -> int:
    """How many submaps a layer gives that keeps ``offsets``."""
    return sum(map(len, offsets))


def average_submaps(x: Any, submaps: int) -> Any:
    """``(N S, ...)`` averaged to ``(N, ...)``; what is no tensor stays as it is."""
    return x if submaps == 1 or not isinstance(x, Tensor) else _split_batch(x, submaps).mean(1)


def average_features(x: Tensor, submaps: int) -> Tensor:
    """``(N S, F)`` averaged to ``(N, F)``; a map that still has other axes stays as it is."""
    averaged: Tensor = average_submaps(x, submaps if x.dim() == 2 else 1)
    return averaged


def submaps_after_average(x: Tensor, submaps: int) -> int:
    """How many submaps :func:`average_features` leaves."""
    return 1 if x.dim() == 2 else submaps


class _Rewriter:
    """Rewrites the graphs of a model, in training and in evaluation, so that submaps flow through them.

    A node's state is the strides that its submaps come from, () before the first; None where it holds no batch. Nodes
    of the same state have the same submaps, so what meets must be of one state.
    """

    def __init__(self, model: nn.Module, samplers: nn.ModuleList, sampler: SamplerName, conversion: Conversion) -> None:
        self.model, self.samplers, self.sampler, self.conversion = model, samplers, sampler, conversion
        #: The pools that the forward pass calls, by the call.
        self.pools, self.calls = nn.ModuleList(), dict[str, int]()
        self.swapped: set[nn.Module] = set()
        self.placed: set[nn.Module] = set()
        self.number: dict[State, int] = {}

    def rewrite(self, graph: fx.Graph) -> fx.Graph:
        states: dict[fx.Node, State | None] = {}
        #: How many submaps each state has, and what its last layer keeps: nodes of the graph.
        submaps: dict[State, Any] = {(): 1}
        offsets: dict[State, fx.Node] = {}
        heads = _heads(graph, self.model)

        def averaged(value: fx.Node) -> fx.Node:
            state = states[value]
            return _call(graph, average_submaps, value, submaps[state]) if state else value

        for node in list(graph.nodes):
            state = self._common(node, states)
            if node.op == "placeholder":
                state = ()
            elif _bundles(node):
                with graph.inserting_before(node):
                    node.args, node.kwargs = fx.map_arg((node.args, node.kwargs), averaged)
                state = ()
            elif state is not None and (layer := self._layer(node)) is not None:
                stride = _strides(layer)
                before, state = state, (*state, stride)
                if state not in offsets:
                    with graph.inserting_before(node):
                        sampler = self._target_of_sampler(state, layer)
                        offsets[state] = graph.call_module(sampler, (submaps[before], stride))
                        submaps[state] = _call(graph, count_submaps, offsets[state])
                states[self._sample(graph, node, layer, submaps[before], offsets[state])] = state
            elif state and node in heads:
                x = node.all_input_nodes[0]
                with graph.inserting_before(node):
                    features = _call(graph, average_features, x, submaps[state])
                    left = _call(graph, submaps_after_average, x, submaps[state])
                node.replace_input_with(x, features)
                state = (*state, node.name)
                submaps[state] = left
            states[node] = state
        graph.lint()
        return graph

    def _common(self, node: fx.Node, states: dict[fx.Node, State | None]) -> State | None:
        found = {states[other] for other in node.all_input_nodes} - {None}
        if len(found) > 1 and not _bundles(node):
            came = " and ".join(sorted(f"{len(state or ())} strided layers {state}" for state in found))
            left = "".join(f"; left as it is: {name}, {why}" for name, why in self.conversion.unconverted.items())
            raise ValueError(f"model: submaps do not match at {node.name!r}, where branches meet after {came}{left}")
        return next(iter(found), None)

    def _layer(self, node: fx.Node) -> _Checkered | None:
        """The checkered layer that a node becomes; None where it is no strided convolution or pool."""
        if node.op == "call_module":
            layer = self.model.get_submodule(str(node.target))
            if layer not in self.swapped and _note(self.conversion, str(node.target), layer):
                layer.__class__ = LAYERS[type(layer)]
                self.swapped.add(layer)
            return layer if isinstance(layer, _Checkered) and layer in self.swapped else None
        if node.op != "call_function" or node.target not in FUNCTIONS:
            return None
        arguments: dict[str, Any] = dict(zip(ARGUMENTS[node.target], node.args[1:], strict=False))
        arguments |= {key: value for key, value in node.kwargs.items() if key != "input"}
        shown = ", ".join(f"{key}={value}" for key, value in arguments.items())
        call = f"{getattr(node.target, '__name__', node.name)}({shown}) in forward"
        reason = (
            "its arguments are computed from the input"
            if any(isinstance(value, fx.Node) for value in _flat(arguments.values()))
            else "return_indices=True: submaps have no dense map to index"
            if arguments.get("return_indices")
            else ""
        )
        if reason:
            self.conversion.unconverted[call] = reason
            return None
        pool = FUNCTIONS[node.target](**arguments)
        if max(_strides(pool)) == 1:
            return None
        if call not in self.calls:
            self.conversion.converted.append(call)
            self.calls[call] = len(self.calls)
            self.pools.append(pool)
            self.model.checkered_pools = self.pools
        found = self.pools[self.calls[call]]
        assert isinstance(found, _Checkered)
        return found

    def _target_of_sampler(self, state: State, layer: _Checkered) -> str:
        """The module that samples in a state, the same in training and in evaluation; a layer shows its first one."""
        if state not in self.number:
            self.number[state] = len(self.samplers)
            self.samplers.append(Sampler(self.sampler))
            self.model.checkered_samplers = self.samplers
        if layer not in self.placed:
            self.placed.add(layer)
            layer.sampler = cast(Sampler, self.samplers[self.number[state]])
        return f"checkered_samplers.{self.number[state]}"

    def _sample(self, graph: fx.Graph, node: fx.Node, layer: _Checkered, submaps: Any, offsets: fx.Node) -> fx.Node:
        """Put a checkered layer in a node's place: unfold, sample, fold; gives the node that has the result."""
        x = node.args[0] if node.args else node.kwargs["input"]
        target = (
            str(node.target)
            if node.op == "call_module"
            else f"checkered_pools.{next(number for number, pool in enumerate(self.pools) if pool is layer)}"
        )
        with graph.inserting_before(node):
            unfolded = _call(graph, unfold_submaps, x, submaps)
            sampled = graph.call_module(target, (unfolded, offsets))
            folded = _call(graph, fold_submaps, sampled)
        node.replace_all_uses_with(folded)
        graph.erase_node(node)
        return folded


def _call(graph: fx.Graph, function: Callable[..., Any], *args: Any) -> fx.Node:
    node = graph.call_function(function, args)
    node.meta["is_wrapped"] = True  # unpickling traces the graph's code once more: not into these
    return node


def _bundles(node: fx.Node) -> bool:
    """Whether a node is the output, or a named tuple of outputs, rather than something computed from its inputs."""
    return node.op == "output" or (isinstance(node.target, type) and issubclass(node.target, tuple))


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _flat(value)
        else:
            yield value


def _heads(graph: fx.Graph, model: nn.Module) -> set[fx.Node]:
    """Fully connected layers that everything passes through: nothing from before one is used after it."""
    heads, last_use = set(), -1
    place = {node: number for number, node in enumerate(graph.nodes)}
    for node, number in place.items():
        linear = node.target is F.linear or (
            node.op == "call_module" and isinstance(model.get_submodule(str(node.target)), nn.Linear)
        )
        if linear and last_use <= number:
            heads.add(node)
        if node.op != "get_attr":
            last_use = max(last_use, *(place[user] for user in node.users), number)
    return heads


class _Catcher(TorchFunctionMode):
    """Catches the strided convolutions and pools of a forward pass while it runs, and gives them submaps.

    ``batch`` is the input's: a tensor with S times as many has S submaps.
    """

    def __init__(self, sampler: Sampler, batch: int) -> None:
        super().__init__()
        self.sampler, self.batch = sampler, batch
        # Layers that stand side by side get the same: a random sampler draws once for each number of submaps.
        self.offsets: dict[tuple[int, tuple[int, ...]], Offsets] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        caught = _caught(func, args, kwargs)
        if caught is None:
            self._check(func, args)
            return func(*args, **kwargs)
        x, stride, phase = caught
        submaps = x.shape[0] // self.batch
        if (submaps, stride) not in self.offsets:
            self.offsets[submaps, stride] = self.sampler(submaps, stride)
        return fold_submaps(_sample(unfold_submaps(x, submaps), self.offsets[submaps, stride], phase))

    def _check(self, func: Any, args: Any) -> None:
        if getattr(func, "__name__", "").strip("_") not in _JOINS:
            return
        maps = [x for x in _flat(args) if isinstance(x, Tensor) and not isinstance(x, nn.Parameter) and x.dim() > 2]
        submaps = {x.shape[0] // self.batch for x in maps}
        if len(submaps) > 1:
            raise ValueError(
                f"model: submaps do not match where {func.__name__} brings branches together: "
                f"{' and '.join(map(str, sorted(submaps)))}"
            )


#: Functions that bring branches together, without the underscores of their operators and in-place forms.
_JOINS = {"add", "iadd", "radd", "sub", "isub", "mul", "imul", "rmul", "cat", "concat"}


def _caught(
    func: Any, args: Any, kwargs: Any
) -> tuple[Tensor, tuple[int, ...], Callable[[Tensor, Offset], Tensor]] | None:
    """The input, the stride and the dense map at a phase of a strided call; None for any other call."""
    if func in FUNCTIONS:
        arguments = dict(zip(ARGUMENTS[func], args[1:], strict=False)) | kwargs
        x = args[0] if args else arguments.pop("input")
        if arguments.pop("return_indices", False):
            return None
        pool = FUNCTIONS[func](**arguments)
        return (x, _strides(pool), pool.phase) if max(_strides(pool)) > 1 else None
    if func not in (torch.conv1d, torch.conv2d):
        return None
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given = dict(zip(names, args, strict=False)) | kwargs
    axes = 1 if func is torch.conv1d else 2

    def spread(value: Any) -> Any:
        return value if isinstance(value, str) else (value,) * axes if isinstance(value, int) else tuple(value)

    stride = spread(given.get("stride", 1))
    if max(stride) == 1:
        return None
    phase = functools.partial(
        _conv_phase,
        weight=given["weight"],
        bias=given.get("bias"),
        stride=stride,
        padding=spread(given.get("padding", 0)),
        dilation=spread(given.get("dilation", 1)),
        groups=given.get("groups", 1),
    )
    return given["input"], stride, lambda x, offset: phase(x, offset=offset)


class _Converted(nn.Module):
    """A converted model: its own class, but for a forward pass that goes through the rewritten graph."""

    conversion: Conversion
    checkered_samplers: nn.ModuleList
    _graphs: dict[bool, fx.GraphModule]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self._forwards:
            # The graph's code, run on this model: it finds the layers and buffers that the model has now.
            return self._forwards[self.training](self, *args, **kwargs)
        x = args[0] if args else next(iter(kwargs.values()))
        (sampler,) = self.checkered_samplers
        with _Catcher(sampler, x.shape[0]):  # type: ignore[arg-type]
            y = super().forward(*args, **kwargs)
        return _average_outputs(y, x.shape[0])

    def _use_graphs(self, graphs: dict[bool, fx.GraphModule]) -> None:
        self._graphs = graphs
        self._forwards = {mode: type(graph).forward for mode, graph in graphs.items()}

    def __reduce_ex__(self, protocol: Any) -> Any:
        # The class is made at run time, and so is the graphs' code: neither can be found by a name.
        state = {key: value for key, value in self.__dict__.items() if key != "_forwards"}
        return _make_converted, (type(self).__mro__[2],), state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._use_graphs(self._graphs)


def _average_outputs(y: Any, batch: int) -> Any:
    if isinstance(y, Tensor):
        return average_submaps(y, y.shape[0] // batch)
    if isinstance(y, dict):
        return type(y)((key, _average_outputs(value, batch)) for key, value in y.items())
    if isinstance(y, tuple) and hasattr(y, "_fields"):
        return type(y)(*(_average_outputs(value, batch) for value in y))
    return type(y)(_average_outputs(value, batch) for value in y) if isinstance(y, (tuple, list)) else y


@functools.cache
def _converted_class(base: Any) -> type[nn.Module]:
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _Converted.forward(self, *args, **kwargs)

    # Exporters name the inputs after the signature.
    forward.__signature__ = inspect.signature(base.forward)  # type: ignore[attr-defined]
    return type(f"Checkered{base.__name__}", (_Converted, base), {"__module__": base.__module__, "forward": forward})


def _make_converted(base: type[nn.Module]) -> nn.Module:
    cls = _converted_class(base)  # type: ignore[arg-type]
    return cls.__new__(cls)
