"""Feature maps as inputs: the activations of a network's layer for a picture.

A picture goes through the network's own preprocessing and the network, in evaluation mode and float32; the layer's
output is pooled. Nothing is downloaded: weights are random or come from a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from poolzoo.analysis.inputs.files import MAX_PIXELS, ImageError
from poolzoo.analysis.inputs.images import Source, load_image
from poolzoo.analysis.inputs.networks import Preprocess, make_network, similar_layers
from poolzoo.analysis.inputs.samples import Sample
from poolzoo.analysis.results.rows import one_line
from poolzoo.surgery.recipes import load_weights

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.files import FloatImage


def as_it_is(image: Tensor) -> Tensor:
    """Return the picture unchanged: the preprocessing of a network that takes pictures as they are."""
    return image


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer whose output is pooled.

    Attributes:
        model: any network that takes one tensor.
        layer: the layer's name in ``named_modules``; if one picture calls it several times, the last call counts.
        name: the network's name in rows.
        weights: the source of its weights, in words.
        preprocess: makes the network's input, ``(C, H, W)``, of a picture, float32 ``(3, H, W)`` in [0, 1].

    Raises:
        ValueError: the network has no such layer.
    """

    model: nn.Module
    layer: str
    name: str = "model"
    weights: str = "given weights"
    preprocess: Preprocess = as_it_is

    def __post_init__(self) -> None:
        if hint := similar_layers(self.model, self.layer):
            raise ValueError(f"features={f'{self.name}:{self.layer}'!r}: {self.name} has no such layer; it has {hint}")

    @property
    def spec(self) -> str:
        return f"{self.name}:{self.layer}"

    def activations(self, image: FloatImage) -> FloatImage:
        """Return the layer's output for one picture.

        Args:
            image: ``(H, W, 3)`` in [0, 1].

        Returns:
            float64 ``(h, w, C)``.

        Raises:
            ImageError: the layer was not called, its output has another shape than ``(N, C, H, W)``, more numbers than
                are pooled, or numbers that are not finite or all the same.
        """
        outputs: list[Any] = []

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            # A copy: an activation that follows may work in place.
            outputs[:] = [output.detach().clone() if isinstance(output, Tensor) else output]

        x = self.preprocess(torch.from_numpy(image).permute(2, 0, 1).float().contiguous())[None]
        handle = self.model.get_submodule(self.layer).register_forward_hook(keep)
        training = self.model.training
        try:
            with torch.no_grad():
                self.model.eval()(x)
        finally:
            handle.remove()
            self.model.train(training)
        if not outputs:
            raise ImageError("the network does not call this layer in evaluation")
        (output,) = outputs
        if not isinstance(output, Tensor):
            raise ImageError(f"the layer outputs a {type(output).__name__}; a tensor (N, C, H, W) is needed")
        shape = tuple(output.shape)
        # What a convolutional network makes of a square is square.
        channels_last = len(shape) == 4 and x.shape[-1] == x.shape[-2] and shape[1] == shape[2] != shape[3]
        if len(shape) != 4 or channels_last:
            raise ImageError(f"the layer outputs a tensor of shape {shape}; (N, C, H, W) is needed")
        if output.numel() > 3 * MAX_PIXELS:
            raise ImageError(f"the layer outputs {output.numel()} numbers; at most {3 * MAX_PIXELS} are pooled")
        maps: FloatImage = output[0].double().permute(1, 2, 0).cpu().numpy()
        low, high = float(maps.min()), float(maps.max())
        if not low < high < float("inf") or low == -float("inf"):  # NaN is neither
            raise ImageError(f"activations from {low:g} to {high:g}; finite ones that differ are needed")
        return maps


@dataclass(frozen=True)
class FeatureMaps:
    """A layer's activations for one picture; ``data_range`` is the largest minus the smallest of them."""

    source: Source
    layer: Layer
    ndim = 2
    colours = False

    @property
    def name(self) -> str:
        return f"{self.source.name} @ {self.layer.spec}"

    @property
    def kind(self) -> str:
        return f"features of {self.layer.spec}, {self.layer.weights}"

    def load(self) -> Sample:
        image = load_image(self.source)
        try:
            maps = self.layer.activations(image)
        except Exception as error:  # a network that cannot take this picture is a row, not the end of the run
            raise ImageError(f"{self.name!r}: {one_line(error)}") from error
        facts = {
            "kind": "features",
            "model": self.layer.name,
            "layer": self.layer.layer,
            "weights": self.layer.weights,
            "preprocess": _described(self.layer.preprocess),
            "channels": maps.shape[-1],
            "values": [float(maps.min()), float(maps.max())],
        }
        return Sample(self.name, maps, float(maps.max() - maps.min()), self.colours, facts)


def find_layers(specs: Iterable[str], weights: str | Path | None = None, seed: int = 0) -> list[Layer]:
    """Return the layers that ``MODEL:LAYER`` specs name, each network made once.

    Args:
        specs: MODEL is torchvision's name of a classification network, or ``timm/`` and timm's name.
        weights: the file of a state dict, by torch or safetensors; None leaves random weights.
        seed: of the random weights.

    Raises:
        ValueError: a malformed spec, an unknown network or layer, weights that cannot be read or do not fit, or a
            library that is missing.
    """
    pairs = [_split(spec) for spec in dict.fromkeys(specs)]
    names = list(dict.fromkeys(name for name, _ in pairs))
    if weights is not None and len(names) != 1:
        raise ValueError(f"weights={str(weights)!r}: one file is of one network, and {', '.join(names)} are asked for")
    made: dict[str, tuple[nn.Module, Preprocess]] = {}
    words = f"random weights of seed {seed}" if weights is None else f"weights of {weights}"
    for name in names:
        made[name] = make_network(name, seed)
        if weights is not None:
            load_weights(made[name][0], name, weights)
    return [Layer(made[name][0], layer, name, words, made[name][1]) for name, layer in pairs]


def feature_maps(sources: Sequence[Source], layers: Sequence[Layer]) -> list[FeatureMaps]:
    """Return every layer for every picture, layer by layer."""
    return [FeatureMaps(source, layer) for layer in layers for source in sources]


def _described(preprocess: Preprocess) -> str:
    """Return a transform's description in one line, without its address in memory, which differs between runs."""
    return " ".join(re.sub(r" at 0x[0-9a-f]+", "", repr(preprocess)).split())


def _split(spec: str) -> tuple[str, str]:
    name, _, layer = spec.partition(":")
    if not (name and layer):
        raise ValueError(f"features={spec!r}: MODEL:LAYER is needed, as resnet18:layer1 or timm/resnet18:layer1")
    return name, layer
