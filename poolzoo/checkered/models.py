"""Whole models of checkered layers: :func:`convert_to_checkered`, for forward passes that know of no submaps.

Between the strided layers the submaps lie in the batch axis, ``(N S, C, H, W)``, where every other layer takes them for
more pictures; at the end they are averaged (Sadigh & Sen, arXiv 1805.10766: the global average goes over them as well).
"""

from __future__ import annotations

import copy
import functools
import inspect
import operator
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from poolzoo.calls import FUNCTIONS, WITH_INDICES, name_arguments
from poolzoo.checkered.layers import (
    LAYERS,
    CheckeredAvgPool2d,
    CheckeredLayer,
    CheckeredMaxPool2d,
    Offset,
    Offsets,
    Sampler,
    SamplerName,
    conv_phase,
    sample_phases,
    split_batch,
)
from poolzoo.operators.base import Pool

Model = TypeVar("Model", bound=nn.Module)


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
    if isinstance(model, _Converted):
        raise ValueError(f"model: {type(model).__name__} is converted already; set_sampler gives it other samplers")
    Sampler(sampler)  # what is not allowed is said before any work
    copied = copy.deepcopy(model)
    conversion = Conversion()
    forwards = _rewritten_forwards(copied, sampler, conversion)
    if not forwards:
        conversion.traced = False
        copied.checkered_samplers = nn.ModuleList([Sampler(sampler)])
        for name, layer in copied.named_modules():
            if next(layer.children(), None) is None:
                _note(conversion, name, layer, tuple(LAYERS))
    if not conversion.converted:
        raise ValueError(
            f"model: {type(model).__name__} has nothing to convert; a convolution, max_pool or avg_pool of a stride "
            f"greater than 1 is needed" + "".join(f"; {name}: {why}" for name, why in conversion.unconverted.items())
        )
    copied.__class__ = _converted_class(type(model))  # type: ignore[assignment, arg-type]
    assert isinstance(copied, _Converted)
    copied.conversion, copied._forwards = conversion, forwards
    if conversion.unconverted:
        warnings.warn(str(conversion), stacklevel=2)
    return copied


def _strides(layer: nn.Module) -> tuple[int, ...]:
    """The stride of a layer, an int per axis; () where it has none."""
    stride = getattr(layer, "stride", ())
    stride = layer.kernel_size if stride is None else stride  # as torch's LPPool says it
    if isinstance(stride, int):
        return (stride,) if type(layer).__name__.endswith("1d") else (stride,) * 2
    return tuple(stride) if isinstance(stride, (tuple, list)) else ()


def _note(conversion: Conversion, name: str, layer: nn.Module, kinds: tuple[type[nn.Module], ...] = ()) -> bool:
    """Enter a layer of a model into its conversion; True where it is one to convert: of LAYERS, or of other ``kinds``.

    A subclass may compute something else; where calls are caught, what it calls is what counts.
    """
    strides = _strides(layer)
    if not strides or max(strides) == 1 or name in conversion.unconverted:
        return False
    if type(layer) not in LAYERS and not isinstance(layer, kinds):
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
        if isinstance(m, (Pool, CheckeredLayer)):
            return True
        if self.coarse:
            own = [cls for cls in type(m).__mro__ if cls.__module__.startswith("torch.nn.modules")]
            return any(cls.__module__ not in ("torch.nn.modules.module", _CONTAINERS) for cls in own)
        home = type(m).forward.__module__ or ""
        return home.startswith("torch.nn") and home != _CONTAINERS


_CONTAINERS = nn.Sequential.__module__


def _rewritten_forwards(
    model: nn.Module, sampler: SamplerName, conversion: Conversion
) -> dict[bool, Callable[..., Any]]:
    """The forward passes of training and of evaluation with submaps, as functions of the model; {} if not traced."""
    rewriter = _Rewriter(model, sampler, conversion)
    graphs = {training: rewriter.rewrite(graph) for training, graph in _trace_modes(model).items()}
    return {training: type(fx.GraphModule(model, graph)).forward for training, graph in graphs.items()}


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
#: What pools that a forward pass may call become, by torch's modules that do the same.
POOLS: dict[type[nn.Module], type[CheckeredLayer]] = {
    nn.MaxPool2d: CheckeredMaxPool2d,
    nn.AvgPool2d: CheckeredAvgPool2d,
}


def _pool_class(function: Any) -> type[CheckeredLayer] | None:
    """The checkered layer that does what a pooling function of torch does; None where there is none."""
    return POOLS.get(FUNCTIONS[function][0]) if function in FUNCTIONS else None


def unfold_submaps(x: Tensor, submaps: int) -> Tensor:
    """``(N S, C, *spatial)`` as ``(N, C, S, *spatial)``."""
    return split_batch(x, submaps).transpose(1, 2)


def fold_submaps(x: Tensor) -> Tensor:
    """``(N, C, S, *spatial)`` as ``(N S, C, *spatial)``."""
    return x.transpose(1, 2).flatten(0, 1)


def count_submaps(offsets: Offsets) -> int:
    """How many submaps a layer gives that keeps ``offsets``."""
    return sum(map(len, offsets))


def average_submaps(x: Any, submaps: int) -> Any:
    """``(N S, ...)`` averaged to ``(N, ...)``; what is no tensor stays as it is."""
    return x if submaps == 1 or not isinstance(x, Tensor) else split_batch(x, submaps).mean(1)


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

    def __init__(self, model: nn.Module, sampler: SamplerName, conversion: Conversion) -> None:
        self.model, self.sampler, self.conversion = model, sampler, conversion
        #: One sampler a state, and the pools that the forward pass calls; a copy of a converted model has them already.
        self.samplers = getattr(model, "checkered_samplers", nn.ModuleList())
        self.pools = getattr(model, "checkered_pools", nn.ModuleList())
        self.number: dict[State, int] = {}
        self.calls: dict[str, int] = {}
        self.swapped = {layer for name, layer in model.named_modules() if name in conversion.converted}
        self.placed = {*self.swapped, *self.pools}

    def rewrite(self, graph: fx.Graph) -> fx.Graph:
        states: dict[fx.Node, State | None] = {}
        #: How many submaps each state has, and what its last layer keeps: nodes of the graph.
        submaps: dict[State, Any] = {(): 1}
        offsets: dict[State, fx.Node] = {}
        heads = _heads(graph, self.model)

        def averaged(value: fx.Node) -> fx.Node:
            state = states[value]
            return graph.call_function(average_submaps, (value, submaps[state])) if state else value

        for node in list(graph.nodes):
            state = self._common(node, states)
            if node.op == "placeholder":
                state = ()
            elif _measures(node):
                state = None
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
                        submaps[state] = graph.call_function(count_submaps, (offsets[state],))
                states[self._place(graph, node, layer, submaps[before], offsets[state])] = state
            elif state and node in heads:
                x = node.all_input_nodes[0]
                with graph.inserting_before(node):
                    features = graph.call_function(average_features, (x, submaps[state]))
                    left = graph.call_function(submaps_after_average, (x, submaps[state]))
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

    def _layer(self, node: fx.Node) -> CheckeredLayer | None:
        """The checkered layer that a node becomes; None where it is no strided convolution or pool."""
        if node.op == "call_module":
            layer = self.model.get_submodule(str(node.target))
            if layer not in self.swapped and _note(self.conversion, str(node.target), layer):
                layer.__class__ = LAYERS[type(layer)]
                self.swapped.add(layer)
            return layer if isinstance(layer, CheckeredLayer) and layer in self.swapped else None
        if node.target in (torch.conv1d, torch.conv2d) and _calls_strided(node):
            self.conversion.unconverted[f"{node.name} in forward"] = "a strided convolution that is no layer"
        cls = _pool_class(node.target) if node.op == "call_function" else None
        if cls is None:
            return None
        arguments = name_arguments(node.target, node.args, node.kwargs)
        defaults = inspect.signature(cls).parameters
        shown = [f"{key}={value}" for key, value in arguments.items() if value is not defaults[key].default]
        call = f"{getattr(node.target, '__name__', node.name)}({', '.join(shown)}) in forward"
        computed = any(isinstance(value, fx.Node) for value in _flat(arguments.values()))
        reason = "its arguments are computed from the input" if computed else ""
        if node.target in WITH_INDICES or arguments.get("return_indices"):
            reason = "return_indices=True: submaps have no dense map to index"
        if reason:
            self.conversion.unconverted[call] = reason
            return None
        pool = cls(**arguments)
        if max(_strides(pool)) == 1:
            return None
        if call not in self.calls:
            self.calls[call] = len(self.calls)
        if len(self.calls) > len(self.pools):
            self.conversion.converted.append(call)
            self.pools.append(pool)
            self.model.checkered_pools = self.pools
        found = self.pools[self.calls[call]]
        assert isinstance(found, CheckeredLayer)
        return found

    def _target_of_sampler(self, state: State, layer: CheckeredLayer) -> str:
        """The module that samples in a state, the same in training and in evaluation; a layer shows its first one."""
        if state not in self.number:
            self.number[state] = len(self.number)
        if len(self.number) > len(self.samplers):
            self.samplers.append(Sampler(self.sampler))
            self.model.checkered_samplers = self.samplers
        if layer not in self.placed:
            self.placed.add(layer)
            layer.sampler = cast(Sampler, self.samplers[self.number[state]])
        return f"checkered_samplers.{self.number[state]}"

    def _place(self, graph: fx.Graph, node: fx.Node, layer: CheckeredLayer, submaps: Any, offsets: fx.Node) -> fx.Node:
        """Put a checkered layer in a node's place: unfold, sample, fold; gives the node that has the result."""
        x = node.args[0] if node.args else node.kwargs["input"]
        target = (
            str(node.target)
            if node.op == "call_module"
            else f"checkered_pools.{next(number for number, pool in enumerate(self.pools) if pool is layer)}"
        )
        with graph.inserting_before(node):
            unfolded = graph.call_function(unfold_submaps, (x, submaps))
            sampled = graph.call_module(target, (unfolded, offsets))
            folded = graph.call_function(fold_submaps, (sampled,))
        node.replace_all_uses_with(folded)
        graph.erase_node(node)
        return folded


def _calls_strided(node: fx.Node) -> bool:
    """Whether a convolution that is called has a stride greater than 1, or one that is computed."""
    stride = node.args[3] if len(node.args) > 3 else node.kwargs.get("stride", 1)
    return any(value != 1 for value in _flat([stride]))


def _measures(node: fx.Node) -> bool:
    """Whether a node is one of a map's sizes other than its batch: ``x.size(2)``, ``x.shape[2:]``."""
    if node.op == "call_method" and node.target == "size":
        return len(node.args) > 1 and bool(node.args[1] != 0)
    if node.target is not operator.getitem or not isinstance(node.args[0], fx.Node):
        return False
    sizes, index = node.args[0], node.args[1]
    shape = sizes.target is getattr and sizes.args[1] == "shape"
    whole = sizes.op == "call_method" and sizes.target == "size" and len(sizes.args) == 1
    return (shape or whole) and (index.start not in (None, 0) if isinstance(index, slice) else bool(index != 0))


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
        return fold_submaps(sample_phases(unfold_submaps(x, submaps), self.offsets[submaps, stride], phase))

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
    if (cls := _pool_class(func)) is not None:
        arguments = name_arguments(func, args, kwargs)
        if func in WITH_INDICES or arguments.pop("return_indices", False):
            return None
        x, pool = args[0] if args else kwargs["input"], cls(**arguments)
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
        conv_phase,
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
    _forwards: dict[bool, Callable[..., Any]]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self._forwards:
            # The graph's code, run on this model: it finds the layers and buffers that the model has now.
            return self._forwards[self.training](self, *args, **kwargs)
        x = args[0] if args else next(iter(kwargs.values()))
        (sampler,) = self.checkered_samplers
        with _Catcher(sampler, x.shape[0]):  # type: ignore[arg-type]
            y = super().forward(*args, **kwargs)
        return _average_outputs(y, x.shape[0])

    def __reduce_ex__(self, protocol: Any) -> Any:
        # The class is made at run time, and so is the graphs' code: neither can be found by a name.
        base = type(self).__mro__[2]
        state = {key: value for key, value in self.__dict__.items() if key != "_forwards"}
        return _make_converted, (base,), state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        converted = type(self)
        # Traced once more, as what it was.
        self.__class__ = converted.__mro__[2]
        forwards = _rewritten_forwards(self, "naive", self.conversion) if self.conversion.traced else {}
        self.__class__ = converted
        self._forwards = forwards


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
