"""Forward passes with submaps as graphs: torch.fx traces a model, and strided layers get their samplers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch.nn.functional as F
from torch import fx, nn

from poolzoo.checkered import rules
from poolzoo.checkered.layers import LAYERS, CheckeredLayer, Sampler, SamplerName
from poolzoo.checkered.rules import Conversion, StridedCall, UnconvertedError
from poolzoo.checkered.submaps import (
    Reduction,
    average_features,
    average_submaps,
    check_same_count,
    count_submaps,
    fold_submaps,
    lay_side_by_side,
    part,
    scale_batch,
    share_in_batch,
    share_maximum,
    share_whole_maps,
    submaps_of_features,
    unfold_submaps,
)
from poolzoo.operators.base import Pool

#: Modules that a conversion adds to a model: samplers, and pools that its forward pass calls.
_ADDED = ("checkered_samplers", "checkered_pools")
_CONTAINERS = nn.Sequential.__module__


def rewritten_forwards(
    model: nn.Module, sampler: SamplerName, conversion: Conversion
) -> dict[bool, Callable[..., Any]]:
    """Return the forward passes of training and evaluation with submaps, as functions of the model; {} if not
    traceable.
    """
    rewriter = _Rewriter(model, sampler, conversion)
    with without_added(model):
        traced = _trace_modes(model)
    graphs = {training: rewriter.rewrite(graph) for training, graph in traced.items()}
    return {training: type(fx.GraphModule(model, graph)).forward for training, graph in graphs.items()}


@contextmanager
def without_added(model: nn.Module) -> Iterator[None]:
    """Return the model without the modules that its conversion added, which a Sequential would call."""
    added = {name: model._modules.pop(name) for name in _ADDED if name in model._modules}
    try:
        yield
    finally:
        model._modules.update(added)


class _Tracer(fx.Tracer):
    """Traces the forward pass down to torch's own layers and poolzoo's.

    ``coarse`` stops at every subclass of torch's layers, even one with its own forward pass.
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


def _trace_modes(model: nn.Module) -> dict[bool, fx.Graph]:
    """Return the graphs of training and of evaluation; {} if torch.fx fails."""
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


#: The strides that submaps come from, (2, 2) twice after two of them, and names of nodes that may have averaged them.
State = tuple[Any, ...]


class _Rewriter:
    """Rewrites the graphs of a model, in training and in evaluation, so that submaps pass through them.

    A node's state is the list of strides that its submaps come from: () before the first, None if it is not a batch.
    Nodes of the same state have the same submaps, so nodes that meet must have the same state.
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
        self.graph = graph
        self.states: dict[fx.Node, State | None] = {}
        #: How many submaps each state has, and what its last layer keeps: nodes of the graph.
        self.submaps: dict[State, Any] = {(): 1}
        self.offsets: dict[State, fx.Node] = {}
        nodes = list(graph.nodes)
        fed: set[fx.Node] = set()  # what is computed from the input
        for node in nodes:
            if node.op == "placeholder" or not fed.isdisjoint(node.all_input_nodes):
                fed.add(node)
        strided = {node: found for node in nodes if node in fed and (found := self._strided(node)) is not None}
        self.sizes = {node for node in nodes if _is_batch_size(node)}
        heads = self._heads(nodes, strided)
        for node in nodes:
            if node.op == "placeholder":
                self.states[node] = ()
            elif node.op == "get_attr" or _measures(node):
                self.states[node] = None
            elif _bundles(node):
                with graph.inserting_before(node):
                    node.args, node.kwargs = fx.map_arg((node.args, node.kwargs), self._averaged)
                self.states[node] = ()
            else:
                state = self._common(node)
                self.states[node] = state
                if state is not None and node in strided:
                    self._sample(node, state, strided[node])
                elif state:
                    y = self._pass_on(node, state)
                    if node in heads:
                        self._average(node, y, state)
        graph.lint()
        return graph

    # Where branches meet ----------------------------------------------------------------------------------------------

    def _common(self, node: fx.Node) -> State | None:
        """Return the state of a node's inputs; sizes of a batch with other submaps are adapted."""
        inputs = [other for other in node.all_input_nodes if self.states[other] is not None]
        maps = [other for other in inputs if other not in self.sizes] or inputs
        found = list(dict.fromkeys(cast(State, self.states[other]) for other in maps))
        if not found:
            return None
        if not set.intersection(*map(_possible_strides, found)):
            came = " and ".join(sorted(f"{len(_strides(state))} strided layers {_strides(state)}" for state in found))
            left = "".join(f"; not converted: {name}, {why}" for name, why in self.conversion.unconverted.items())
            raise ValueError(f"model: submaps do not match at {node.name!r}, where branches meet after {came}{left}")
        state = min(found, key=len)  # () is known to have no submaps, others might have none
        with self.graph.inserting_before(node):
            for other in found:
                if other != state:
                    met = (node.name, self.submaps[state], self.submaps[other])
                    self.graph.call_function(check_same_count, met)
        for size in inputs:
            if size in self.sizes and size not in maps and (came_with := self.states[size]) != state:
                with self.graph.inserting_before(node):
                    counts = (size, self.submaps[cast(State, came_with)], self.submaps[state])
                    node.replace_input_with(size, self.graph.call_function(scale_batch, counts))
        return state

    def _heads(self, nodes: Iterable[fx.Node], strided: dict[fx.Node, Any]) -> set[fx.Node]:
        """Return the nodes that make or take features and from which no path leads back to maps with submaps.

        A squeeze, from which the excitation goes back to the map, is not one.
        """
        heads = {node for node in nodes if self._may_make_features(node) or self._is_linear(node)}
        while True:
            above: dict[fx.Node, set[fx.Node]] = {}
            with_submaps: set[fx.Node] = set()
            back: set[fx.Node] = set()
            for node in nodes:
                inputs = [x for x in node.all_input_nodes if x not in self.sizes and not _measures(x)]
                above[node] = set().union(*(above[x] for x in inputs))
                if not with_submaps.isdisjoint(inputs):
                    if not _bundles(node):
                        back |= above[node]
                    with_submaps.add(node)
                if node in strided:
                    with_submaps.add(node)
                if node in heads:
                    above[node] = {node}
                    with_submaps.discard(node)
            if not back:
                return heads
            heads -= back

    # What a node does with submaps ------------------------------------------------------------------------------------

    def _sample(self, node: fx.Node, state: State, strided: CheckeredLayer | StridedCall) -> None:
        """Replace a node by a checkered layer: unfold, sample, fold."""
        x = node.args[0] if node.args else node.kwargs["input"]
        layer = None if isinstance(strided, StridedCall) else strided
        stride = strided.stride if isinstance(strided, StridedCall) else rules.strides_of(strided)
        before, state = self.submaps[state], (*state, stride)
        with self.graph.inserting_before(node):
            if state not in self.offsets:
                sampler = self._target_of_sampler(state, layer)
                self.offsets[state] = self.graph.call_module(sampler, (before, stride))
                self.submaps[state] = self.graph.call_function(count_submaps, (self.offsets[state],))
            given = (self.graph.call_function(unfold_submaps, (x, before)), self.offsets[state])
            if isinstance(strided, StridedCall):
                sampled = self.graph.call_function(rules.checkered_conv, given, dict(strided.arguments))
            else:
                sampled = self.graph.call_module(self._target_of_layer(node, strided), given)
            folded = self.graph.call_function(fold_submaps, (sampled,))
        node.replace_all_uses_with(folded)
        self.graph.erase_node(node)
        self.states[folded] = state

    def _pass_on(self, node: fx.Node, state: State) -> fx.Node:
        """Change a node that is not a strided layer if submaps are not just more images to it.

        Returns:
            The node that has the result.
        """
        submaps, (x, *_) = self.submaps[state], node.all_input_nodes
        layer, name = self._module(node), rules.name_of(node.target)
        if (how := self._adaptive_pool(node)) is not None:
            return self._after(node, state, share_in_batch, submaps, how)
        if (how := rules.called_pool(node.target, node.args, node.kwargs, rules.POOLS)) is not None:
            return self._after(node, state, share_whole_maps, x, submaps, how)
        if isinstance(layer, rules.CHANNEL_DROPOUT_LAYERS) or node.target in rules.CHANNEL_DROPOUTS:
            with self.graph.inserting_before(node):
                node.replace_input_with(x, self.graph.call_function(lay_side_by_side, (x, submaps)))
            return self._after(node, state, part, submaps)
        if name == "amax":
            return self._after(node, state, share_maximum, x, rules.reduced_axes(node.args, node.kwargs), submaps)
        if name in ("view", "reshape") and self._always_makes_features(node):
            rows, features = rules.new_sizes(node.args, node.kwargs)
            if isinstance(rows, int):
                with self.graph.inserting_before(node):
                    rows = self.graph.call_function(operator.mul, (rows, submaps))
                node.args, node.kwargs = (x, (rows, features)), {}
        return node

    def _average(self, head: fx.Node, y: fx.Node, state: State) -> None:
        """Average submaps in the features ``y`` that a node makes, or before a layer that takes features."""
        submaps, (x, *_) = self.submaps[state], head.all_input_nodes
        if self._always_makes_features(head):
            self._after(y, (), average_submaps, submaps)
            return
        left = (*state, head.name)
        if self._is_linear(head):
            with self.graph.inserting_before(head):
                features = self.graph.call_function(average_features, (x, x, submaps))
                self.submaps[left] = self.graph.call_function(submaps_of_features, (x, x, submaps))
            head.replace_input_with(x, features)
            self.states[head] = left
        else:
            averaged = self._after(y, left, average_features, x, submaps)
            with self.graph.inserting_after(averaged):
                self.submaps[left] = self.graph.call_function(submaps_of_features, (y, x, submaps))

    def _after(self, node: fx.Node, state: State, function: Callable[..., Any], *args: Any) -> fx.Node:
        """Replace the node by ``function(node, *args)``."""
        with self.graph.inserting_after(node):
            new = self.graph.call_function(function, (node, *args))
        node.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)
        self.states[new] = state
        return new

    def _averaged(self, value: fx.Node) -> fx.Node:
        state = self.states[value]
        return self.graph.call_function(average_submaps, (value, self.submaps[state])) if state else value

    # What a node is ---------------------------------------------------------------------------------------------------

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self.model.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _is_linear(self, node: fx.Node) -> bool:
        return node.target is F.linear or isinstance(self._module(node), nn.Linear)

    def _adaptive_pool(self, node: fx.Node) -> Reduction | None:
        layer = self._module(node)
        if isinstance(layer, rules.ADAPTIVE_LAYERS):
            return None if getattr(layer, "return_indices", False) else rules.reduction_of(type(layer))
        return rules.called_pool(node.target, node.args, node.kwargs, rules.ADAPTIVE_LAYERS)

    def _may_make_features(self, node: fx.Node) -> bool:
        called = node.op in ("call_function", "call_method")
        name = rules.name_of(node.target)
        return self._always_makes_features(node) or (called and rules.may_flatten(name, node.args, node.kwargs))

    def _always_makes_features(self, node: fx.Node) -> bool:
        """Return whether a node gives ``(N, F)`` for any map: ``flatten(1)``, ``view(n, -1)``."""
        layer, name = self._module(node), rules.name_of(node.target)
        if layer is not None:
            return isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1)
        if node.op not in ("call_function", "call_method"):
            return False
        if name == "flatten":
            return rules.flattened_axes(node.args, node.kwargs) == (1, -1)
        sizes = rules.new_sizes(node.args, node.kwargs) if name in ("view", "reshape") else ()
        return len(sizes) == 2 and (sizes[0] in self.sizes or (isinstance(sizes[0], int) and sizes[0] > 0))

    def _strided(self, node: fx.Node) -> CheckeredLayer | StridedCall | None:
        """Return the checkered layer that a node becomes, or the convolution it calls; None if it has no stride."""
        if node.op == "call_module":
            name, layer = str(node.target), self.model.get_submodule(str(node.target))
            if layer not in self.swapped and self.conversion.note(name, layer):
                layer.__class__ = LAYERS[type(layer)]
                self.swapped.add(layer)
            return layer if isinstance(layer, CheckeredLayer) and layer in self.swapped else None
        try:
            call = rules.strided_call(node.target, node.args, node.kwargs) if node.op == "call_function" else None
        except UnconvertedError as error:
            self.conversion.unconverted[f"{error.label} in forward"] = error.reason
            return None
        if call is None:
            return None
        label = f"{call.label} in forward"
        if label not in self.conversion.converted:
            self.conversion.converted.append(label)
        return call if call.pool is None else self._called_pool(label, call.pool)

    def _called_pool(self, label: str, pool: CheckeredLayer) -> CheckeredLayer:
        """Return the module for a pool call; equal calls share one."""
        if label not in self.calls:
            self.calls[label] = len(self.calls)
        if len(self.calls) > len(self.pools):
            self.pools.append(pool)
            self.model.checkered_pools = self.pools
        found = self.pools[self.calls[label]]
        assert isinstance(found, CheckeredLayer)
        return found

    def _target_of_layer(self, node: fx.Node, layer: CheckeredLayer) -> str:
        if node.op == "call_module":
            return str(node.target)
        return f"checkered_pools.{next(number for number, pool in enumerate(self.pools) if pool is layer)}"

    def _target_of_sampler(self, state: State, layer: CheckeredLayer | None) -> str:
        """Return the module that samples in a state, the same in training and evaluation; a layer shows its first."""
        if state not in self.number:
            self.number[state] = len(self.number)
        if len(self.number) > len(self.samplers):
            self.samplers.append(Sampler(self.sampler))
            self.model.checkered_samplers = self.samplers
        if layer is not None and layer not in self.placed:
            self.placed.add(layer)
            layer.sampler = cast(Sampler, self.samplers[self.number[state]])
        return f"checkered_samplers.{self.number[state]}"


def _strides(state: State) -> tuple[tuple[int, ...], ...]:
    """Return only the strides of a state."""
    return tuple(part for part in state if not isinstance(part, str))


def _possible_strides(state: State) -> set[tuple[tuple[int, ...], ...]]:
    """Return the strides that a state may have at run time: none if its submaps turn out to be averaged."""
    return {_strides(state), ()} if _strides(state) != state else {state}


def _sizes_of(node: fx.Node) -> tuple[bool, Any]:
    """Return whether a node is some of a map's sizes, and of which axes, an int or a slice: ``x.size(0)``,
    ``x.shape[2:]``.
    """
    if node.op == "call_method" and node.target == "size":
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        return axis is not None, axis
    if node.target is not operator.getitem or not isinstance(node.args[0], fx.Node):
        return False, None
    sizes = node.args[0]
    shape = sizes.target is getattr and sizes.args[1] == "shape"
    whole = sizes.op == "call_method" and sizes.target == "size" and not _sizes_of(sizes)[0]
    return shape or whole, node.args[1]


def _is_batch_size(node: fx.Node) -> bool:
    found, axis = _sizes_of(node)
    return found and isinstance(axis, int) and axis == 0


def _measures(node: fx.Node) -> bool:
    """Return whether a node is one of a map's sizes except the batch size: ``x.size(2)``, ``x.shape[2:]``."""
    found, axis = _sizes_of(node)
    return found and (axis.start not in (None, 0) if isinstance(axis, slice) else bool(axis != 0))


def _bundles(node: fx.Node) -> bool:
    """Return whether a node is the output, or a named tuple of outputs, not something computed from its inputs."""
    return node.op == "output" or (isinstance(node.target, type) and issubclass(node.target, tuple))
