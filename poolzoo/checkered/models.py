"""Convert whole models to checkered layers: :func:`convert_to_checkered`, for forward passes that do not handle
submaps.

Between the strided layers, submaps lie in the batch axis, ``(N S, C, H, W)``, where every other layer treats them as
more images. At the end they are averaged (Sadigh & Sen, arXiv 1805.10766: the global average covers them as well).
"""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

from torch import nn

from poolzoo.checkered.catching import Catcher
from poolzoo.checkered.layers import LAYERS, Sampler, SamplerName
from poolzoo.checkered.rewriting import rewritten_forwards, without_added
from poolzoo.checkered.rules import Conversion

Model = TypeVar("Model", bound=nn.Module)


def convert_to_checkered(model: Model, sampler: SamplerName = "naive") -> Model:
    """Return a copy of a model whose strided convolutions and pools are checkered; its forward pass needs no change.

    Input, output and state dict are those of the model. Submaps travel in the batch axis, and the model treats them as
    the authors' conversion does:

    - Batch normalisation in training covers all submaps.
    - Dropout2d, and other layers that drop whole channels, drop the same channels in all submaps of an image.
    - Adaptive pools give every submap the mean or the maximum over all submaps. So do ``amax`` over the axes of an
      image, a pool with a stride of 3 or more that covers the whole map, and an average pool over the whole map that
      the forward pass calls as a function.
    - Submaps are averaged where the features are flattened, or before a fully connected layer, unless the features
      return to the maps, as in squeeze and excitation; otherwise at the output.
    - Branches that meet use the same sampler, and the same draw if it is random.

    The forward pass is rewritten by torch.fx, once for training and once for evaluation. A model that cannot be traced
    is converted by intercepting its calls at run time, with the same result. In that case, flattened features that
    return to maps raise an error.

    Args:
        model: an ``nn.Module`` over batches, ``(N, C, H, W)`` or ``(N, C, L)``, as its first argument; it is not
            changed.
        sampler: the sampler of every strided layer, see :class:`Sampler`; :func:`set_sampler` changes it later. With
            ``top-left`` the output equals the model's, to the bit.

    Returns:
        The converted copy, a subclass of the model's class. Its ``conversion`` records what was done. Layers that were
            not converted also cause a warning, at run time if calls are intercepted.

    Raises:
        ValueError: there is nothing to convert, submaps of two branches do not match, or ``sampler`` is not allowed. A
            model whose calls are intercepted raises the first two when it runs.

    Example:
        >>> net = convert_to_checkered(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2)))
        >>> net(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 7, 7])
    """
    if isinstance(model, _Converted):
        raise ValueError(f"model: {type(model).__name__} is already converted; set_sampler changes its samplers")
    Sampler(sampler)  # what is not allowed is said before any work
    copied = copy.deepcopy(model)
    conversion = Conversion()
    forwards = rewritten_forwards(copied, sampler, conversion)
    if not forwards:
        conversion.traced = False
        copied.checkered_samplers = nn.ModuleList([Sampler(sampler)])
        for name, layer in copied.named_modules():
            if next(layer.children(), None) is None:
                conversion.note(name, layer, tuple(LAYERS))
    if conversion.traced:
        _check_converted(model, conversion)
    copied.__class__ = _converted_class(type(model))  # type: ignore[assignment, arg-type]
    assert isinstance(copied, _Converted)
    copied.conversion, copied._forwards = conversion, forwards
    if conversion.unconverted:
        warnings.warn(str(conversion), stacklevel=2)
    return copied


def _check_converted(model: nn.Module, conversion: Conversion) -> None:
    if not conversion.converted:
        raise ValueError(
            f"model: {type(model).__name__} has nothing to convert; a convolution, max_pool or avg_pool of a stride "
            f"greater than 1 is needed" + "".join(f"; {name}: {why}" for name, why in conversion.unconverted.items())
        )


class _Converted(nn.Module):
    """A converted model: its own class, with a forward pass that uses the rewritten graph."""

    conversion: Conversion
    checkered_samplers: nn.ModuleList
    _forwards: dict[bool, Callable[..., Any]]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self._forwards:
            # The graph's code, run on this model: it finds the layers and buffers that the model has now.
            return self._forwards[self.training](self, *args, **kwargs)
        x = args[0] if args else next(iter(kwargs.values()))
        (sampler,) = self.checkered_samplers
        catcher = Catcher(self, x, cast(Sampler, sampler), self.conversion)
        with without_added(self), catcher.watching():
            y = catcher.average(super().forward(*args, **kwargs))
        _check_converted(self, self.conversion)
        return y

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
        forwards = rewritten_forwards(self, "naive", self.conversion) if self.conversion.traced else {}
        self.__class__ = converted
        self._forwards = forwards


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
