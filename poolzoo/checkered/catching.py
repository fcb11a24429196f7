"""Forward passes that torch.fx cannot trace: their calls are intercepted at run time and given submaps."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from poolzoo.calls import NDIM
from poolzoo.checkered import rules
from poolzoo.checkered.layers import LAYERS, Offsets, Sampler
from poolzoo.checkered.rules import Conversion, UnconvertedError
from poolzoo.checkered.submaps import (
    are_features,
    average_submaps,
    count_submaps,
    fold_submaps,
    lay_side_by_side,
    part,
    share_in_batch,
    share_maximum,
    share_whole_maps,
    unfold_submaps,
)
from poolzoo.operators.base import Pool


class Catcher(TorchFunctionMode):
    """Intercepts the calls of a running forward pass, and tracks how many submaps each tensor has.

    It works as a rewritten graph does, with one exception: when features are averaged, it is not yet known whether they
    go back to a map, as in squeeze and excitation. If they do, that is an error.

    Args:
        model: the model that runs.
        x: its input.
        sampler: the sampler of every strided call.
        conversion: records strided calls that are not converted.
    """

    def __init__(self, model: nn.Module, x: Tensor, sampler: Sampler, conversion: Conversion) -> None:
        super().__init__()
        self.model, self.sampler, self.conversion = model, sampler, conversion
        self.batch = x.shape[0]
        self.submaps: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self.submaps[x] = 1
        # Layers that stand side by side get the same: a random sampler draws once for each number of submaps.
        self.offsets: dict[tuple[int, tuple[int, ...]], Offsets] = {}
        #: How many submaps have occurred, and where they were last averaged.
        self.counts = {1}
        self.averaged = ""
        #: The modules that are running, outermost first.
        self.running: list[tuple[str, nn.Module]] = [("", model)]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Intercept calls, and track which modules run."""
        handles = []
        for name, module in list(self.model.named_modules())[1:]:
            enter = lambda module, args, name=name: self.running.append((name, module))  # noqa: E731
            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(self._leave, always_call=True))
        try:
            with self:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self.running.pop()
        for value in rules.flat([output]):
            if isinstance(value, Tensor) and value.dim() and value not in self.submaps:  # a custom autograd function's
                self.submaps[value] = self._guess(value)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if any(isinstance(module, Pool) for _, module in self.running):
            return func(*args, **kwargs)
        counts = {self.submaps[x] for x in rules.flat([args, kwargs]) if isinstance(x, Tensor) and x in self.submaps}
        if len(counts) > 1:
            self._refuse(rules.name_of(func), counts)
        x = rules.input_of(args, kwargs)
        if (strided := self._strided(func, args, kwargs)) is not None:
            before = counts.pop() if counts else self._guess(x)
            key = (before, strided.stride)
            offsets = self.offsets[key] = self.offsets[key] if key in self.offsets else self.sampler(*key)
            self.counts.add(submaps := count_submaps(offsets))
            y = fold_submaps(strided.keep(unfold_submaps(x, before), offsets))
        elif not counts:
            return func(*args, **kwargs)
        else:
            y, submaps = self._pass_on(func, args, kwargs, x, counts.pop())
        for value in rules.flat([y]):
            if isinstance(value, Tensor) and value.dim():
                self.submaps[value] = submaps
        return y

    def _pass_on(
        self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], x: Any, submaps: int
    ) -> tuple[Any, int]:
        """Return the result of a call without a stride, and how many submaps it has."""
        name = rules.name_of(func)
        if name in ("view", "reshape") and (sizes := self._fitting_sizes(args, kwargs, x, submaps)):
            args, kwargs = (x, sizes), {}
        others = {key: value for key, value in kwargs.items() if key != "input"}
        if submaps == 1:
            return func(*args, **kwargs), 1
        if func in rules.CHANNEL_DROPOUTS:
            return part(func(lay_side_by_side(x, submaps), *args[1:], **others), submaps), submaps
        if func is F.linear and are_features(x, x):
            self.averaged = self._where(name)
            return func(average_submaps(x, submaps), *args[1:], **others), 1
        y = func(*args, **kwargs)
        if (how := rules.called_pool(func, args, kwargs, rules.ADAPTIVE_LAYERS)) is not None:
            y = share_in_batch(y, submaps, how)
        elif not self._in_pool() and (how := rules.called_pool(func, args, kwargs, rules.POOLS)) is not None:
            y = share_whole_maps(y, x, submaps, how)
        elif name == "amax":
            y = share_maximum(y, x, rules.reduced_axes(args, kwargs), submaps)
        if rules.may_flatten(name, args, kwargs) and are_features(y, x):
            self.averaged = self._where(name)
            return average_submaps(y, submaps), 1
        return y, submaps

    def _strided(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> rules.StridedCall | None:
        try:
            call = rules.strided_call(func, args, kwargs, by_layer=self._in_pool())
        except UnconvertedError as error:
            if (where := self._where(error.label)) not in self.conversion.unconverted:
                self.conversion.unconverted[where] = error.reason
                warnings.warn(f"not converted: {where}: {error.reason}", stacklevel=2)
            return None
        if call is not None and (where := self._where(call.label)) not in self.conversion.converted:
            self.conversion.converted.append(where)
        return call

    def _in_pool(self) -> bool:
        """Return whether the call comes from inside one of torch's pools, not from a forward pass of the model."""
        return isinstance(self.running[-1][1], tuple(rules.POOLS))

    def _where(self, call: str) -> str:
        """Return a name for a call: the layer that makes it, or the call and the module whose forward makes it."""
        name, layer = self.running[-1]
        is_layer = isinstance(layer, (*LAYERS, *NDIM, nn.modules.conv._ConvNd))
        return name if name and is_layer else f"{call} in {name or 'forward'}"

    def _fitting_sizes(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], x: Tensor, submaps: int
    ) -> tuple[Any, ...]:
        """Return the sizes of a view with the batch size adapted to the current submaps; () for other calls."""
        sizes = rules.new_sizes(args, kwargs)
        stale = not {count * self.batch for count in self.counts}.isdisjoint(sizes[:1])
        return (x.shape[0], *sizes[1:]) if stale and x.shape[:1] == (self.batch * submaps,) else ()

    def _guess(self, x: Tensor) -> int:
        """Return how many submaps a tensor has of which only the size is known."""
        return x.shape[0] // self.batch if x.dim() and self.batch and x.shape[0] % self.batch == 0 else 1

    def _refuse(self, name: str, counts: set[int]) -> None:
        where = f"{name} in {self.running[-1][0]}" if self.running[-1][0] else name
        why = ""
        if self.averaged:
            why = f"; they were averaged at {self.averaged}, and return to maps only if torch.fx can trace the model"
        raise ValueError(
            f"model: submaps do not match where {where} brings branches together: "
            f"{' and '.join(map(str, sorted(counts)))}{why}"
        )

    def average(self, y: Any) -> Any:
        """Return one or several outputs without submaps."""
        if isinstance(y, Tensor):
            return average_submaps(y, self.submaps[y] if y in self.submaps else self._guess(y))
        if isinstance(y, dict):
            return type(y)((key, self.average(value)) for key, value in y.items())
        if isinstance(y, tuple) and hasattr(y, "_fields"):
            return type(y)(*map(self.average, y))
        return type(y)(map(self.average, y)) if isinstance(y, (tuple, list)) else y
