"""The windows of a network's pool, and the tensor that it pools there: what ``--like MODEL:LAYER`` takes over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from poolzoo import geometry
from poolzoo.analysis.inputs.networks import LAYERS_SHOWN, make_with_example, similar_layers
from poolzoo.analysis.results.rows import one_line
from poolzoo.calls import NDIM
from poolzoo.operators.base import Pool
from poolzoo.registry import GEOMETRY


@dataclass(frozen=True)
class LayerWindow:
    """The windows of a network's pool.

    Attributes:
        spec: ``MODEL:LAYER``.
        ndim: spatial axes.
        window: ``kernel_size``, ``stride``, ``padding``, ``dilation`` and ``ceil_mode``.
        shape: of the layer's input for the network's example; None if it was not asked for.
    """

    spec: str
    ndim: int
    window: dict[str, Any]
    shape: tuple[int, ...] | None = None


class _Reached(Exception):
    """The forward pass has come to the layer."""


def find_layer_window(spec: str, *, shaped: bool = False) -> LayerWindow:
    """Return the windows of a layer.

    Args:
        spec: ``MODEL:LAYER``; MODEL as for :func:`~poolzoo.analysis.inputs.networks.make_with_example`.
        shaped: also find the shape of the layer's input, by running the network on its example in evaluation mode.

    Raises:
        ValueError: a malformed spec, a network or layer that is missing, or a layer whose windows are no kernel and
            stride.
    """
    name, _, layer = spec.rpartition(":")
    if not (name and layer):
        raise ValueError(
            f"like {spec}: MODEL:LAYER is needed, as resnet18:maxpool, timm/resnet18:maxpool or net.py:make:pool"
        )
    network, example = make_with_example(name, f"like {spec}")
    if hint := similar_layers(network, layer):
        raise ValueError(f"like {spec}: {name} has no such layer; it has {hint}")
    module = network.get_submodule(layer)
    ndim = _ndim_of(spec, module)
    adaptive = hasattr(module, "output_size")
    shape = _input_shape(spec, network, module, example) if shaped or adaptive else None
    if adaptive:
        assert shape is not None
        window = _divided(spec, module.output_size, shape[-ndim:])
    else:
        window = {key: getattr(module, key) for key in GEOMETRY if hasattr(module, key)}
        window = dict(zip(GEOMETRY, (None, None, 0, 1, False), strict=True)) | window
    if shape is not None and len(shape) == ndim + 1:
        shape = (1, *shape)  # an unbatched input
    return LayerWindow(spec, ndim, window, shape)


def _ndim_of(spec: str, module: nn.Module) -> int:
    """Return how many axes a pool has.

    Raises:
        ValueError: the module is no pool, or one without a kernel and a stride.
    """
    if isinstance(module, Pool):
        return module.ndim
    base = next((cls for cls in type(module).__mro__ if cls in NDIM), None)
    if base is None:
        inside = [path for path, part in module.named_modules() if isinstance(part, (Pool, *NDIM))]
        hint = f"; its pools are {', '.join(inside[:LAYERS_SHOWN])}" if inside else ""
        raise ValueError(f"like {spec}: the layer is a {type(module).__name__} and no pool{hint}")
    if type(module).forward is not base.forward:
        raise ValueError(f"like {spec}: the layer is a {type(module).__name__}, a pool with windows of its own")
    if not (hasattr(module, "stride") or hasattr(module, "output_size")) or base.__name__.startswith("Fractional"):
        raise ValueError(f"like {spec}: the layer is a {base.__name__}, without a kernel and a stride")
    return NDIM[base]


def _input_shape(spec: str, network: nn.Module, module: nn.Module, example: Sequence[Any]) -> tuple[int, ...]:
    """Return the shape of what a layer is given first."""
    shapes: list[tuple[int, ...]] = []

    def stop(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        shapes.extend(tuple(x.shape) for x in inputs[:1] if isinstance(x, Tensor))
        raise _Reached

    handle, training = module.register_forward_pre_hook(stop), network.training
    try:
        with torch.no_grad():
            network.eval()(*example)
    except _Reached:
        pass
    except Exception as error:  # whatever a user's network does
        raise ValueError(f"like {spec}: the network does not take its example: {one_line(error)}") from error
    finally:
        handle.remove()
        network.train(training)
    if not shapes:
        raise ValueError(f"like {spec}: the network gives the layer no tensor in evaluation")
    return shapes[0]


def _divided(spec: str, output_size: Any, sizes: Sequence[int]) -> dict[str, Any]:
    """Return the windows of an adaptive pool whose output size divides its input.

    Raises:
        ValueError: it does not: its windows have several sizes.
    """
    out = geometry.output_size(sizes, geometry.make_bins(len(sizes), output_size))
    if any(size % parts for size, parts in zip(sizes, out, strict=True)):
        raise ValueError(
            f"like {spec}: the layer pools {'x'.join(map(str, sizes))} to {'x'.join(map(str, out))} values: its"
            " windows have several sizes"
        )
    kernel = tuple(size // parts for size, parts in zip(sizes, out, strict=True))
    return dict(zip(GEOMETRY, (kernel, kernel, 0, 1, False), strict=True))
