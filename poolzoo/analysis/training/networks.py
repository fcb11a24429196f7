"""The networks to train, with an operator in the place of their pools, from a seed's initial weights.

The weights of the network itself are drawn from the seed before the operator is put in, and the operator's own ones
from another stream of the same seed. So all operators of a seed start from the same weights.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from poolzoo.analysis.inputs.networks import IN_FILE, function_in_file, make_network
from poolzoo.analysis.results.rows import one_line
from poolzoo.checkered import convert_to_checkered
from poolzoo.models import CIFAR, Small, ToyCcnn
from poolzoo.registry import parse_spec, pool_info
from poolzoo.surgery import create_model, replace_pools

#: The networks of this package by name.
OWN = ("small", "ccnn", *CIFAR)
#: Before a name of :func:`poolzoo.list_models`: the network with the operator where its authors put theirs.
PUBLISHED = "published/"
#: Streams of random numbers that a seed gives.
INITIAL, OPERATOR, ORDER, AUGMENT, DRAWS, SPLIT = range(6)
#: The samplers of networks that are converted, by operator.
_CONVERTED = {"checkered": "naive", "tri": "tri", "complete": "complete", "multisampling": (0, 1)}


def seed_of(seed: int, stream: int, epoch: int = 0) -> int:
    """Return the number that seeds one stream of one epoch."""
    return int(np.random.SeedSequence((seed, stream, epoch)).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextlib.contextmanager
def seeded(number: int, device: str = "cpu") -> Iterator[None]:
    """Seed torch's global generators until the end of a ``with`` block, then put them back."""
    cuda = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.manual_seed(number)
        yield


def channels_of(model: str, channels: int) -> int:
    """Return the channels that a network takes of images with this number of channels: others' networks take colour."""
    return channels if model in OWN or IN_FILE.fullmatch(model) else max(channels, 3)


def make_model(model: str, spec: str, seed: int, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return a network with an operator in the place of its pools.

    Args:
        model: ``small``, ``ccnn``, a name of :data:`poolzoo.models.CIFAR`, ``published/NAME`` for a network of
            :func:`poolzoo.create_model`, torchvision's or ``timm/`` and timm's name, or ``FILE.py:FUNCTION``. The
            function may take ``num_classes`` and ``in_channels``.
        spec: the operator; "" leaves the network as it is.
        seed: of all weights.
        shape: channels, height and width of the images.
        classes: how many.

    Raises:
        ValueError: an unknown network or operator, an operator that cannot be put in, or a network that does not map
            the images to the classes.
    """
    channels = channels_of(model, shape[0])
    with seeded(seed_of(seed, INITIAL)):
        network = _base(model, spec, channels, classes)
    example = torch.zeros(2, channels, *shape[1:])
    with seeded(seed_of(seed, OPERATOR)):
        if spec and model != "ccnn":
            _check_runs(network, model, "", example, classes)
            network = _with_operator(network, model, spec, example, classes)
    _check_runs(network, model, spec, example, classes)
    return network


def _base(model: str, spec: str, channels: int, classes: int) -> nn.Module:
    if model == "small":
        return Small(channels, classes)
    if model == "ccnn":
        return ToyCcnn(channels, classes, spec or None)
    if model in CIFAR:
        return CIFAR[model](in_channels=channels, num_classes=classes)
    if model.startswith("cifar/"):
        near = ", ".join(difflib.get_close_matches(model, CIFAR) or CIFAR)
        raise ValueError(f"model {model}: no such network; {near} are allowed")
    if IN_FILE.fullmatch(model):
        return _from_file(model, channels, classes)
    name = model.removeprefix(PUBLISHED)
    return make_network(name, said=f"model={model!r}", seed=None, num_classes=classes)[0]


def _from_file(model: str, channels: int, classes: int) -> nn.Module:
    said = f"model {model}"
    function = function_in_file(model, said)
    offered = {"num_classes": classes, "in_channels": channels}
    try:
        known = inspect.signature(function).parameters
        made = function(**{name: value for name, value in offered.items() if name in known})
    except Exception as error:  # whatever a user's function does
        raise ValueError(f"{said}: {function.__name__}() failed: {one_line(error)}") from error
    if not isinstance(made, nn.Module):
        raise ValueError(f"{said}: {function.__name__}() must return a torch.nn.Module, not {type(made).__name__}")
    return made


def _with_operator(network: nn.Module, model: str, spec: str, example: Tensor, classes: int) -> nn.Module:
    name, params = parse_spec(spec)
    if model.startswith(PUBLISHED):
        made = create_model(model.removeprefix(PUBLISHED), spec, num_classes=classes)
        _copy_weights(network, made)
        return made
    if pool_info(name).phases is not None:
        sampler: Any = params.pop("sampler", _CONVERTED.get(name))
        if name not in _CONVERTED or params:
            allowed = ", ".join(_CONVERTED)
            raise ValueError(f"pool {spec}: gives submaps; networks are converted for {allowed}, with sampler= alone")
        return convert_to_checkered(network, sampler)
    return replace_pools(network, spec, example=example, inplace=True, verbose=False)


def _copy_weights(network: nn.Module, into: nn.Module) -> None:
    """Copy the weights that both networks have, by name and shape."""
    target = into.state_dict()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name in target and target[name].shape == value.shape:
                target[name].copy_(value)


def _check_runs(network: nn.Module, model: str, spec: str, example: Tensor, classes: int) -> None:
    """Raise ValueError unless the network gives a score of each class."""
    said = f"model {model}: with {spec or 'its own pools'}, on images of {'x'.join(map(str, example.shape[1:]))}"
    network.eval()
    try:
        with torch.no_grad():
            scores = network(example)
    except Exception as error:  # whatever a network raises on images that are too small for it
        raise ValueError(f"{said}: {one_line(error)}") from error
    finally:
        network.train()
    if not isinstance(scores, Tensor) or tuple(scores.shape) != (len(example), classes):
        given = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(f"{said}: gives {given}, not ({len(example)}, {classes}), a score per class")
