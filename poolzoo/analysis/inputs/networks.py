"""Networks by name: torchvision's, timm's, and those that a function in a file returns. Nothing is downloaded."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from poolzoo.analysis.results.rows import one_line
from poolzoo.plugins import run_script

TIMM = "timm/"
#: How many names a message lists.
LAYERS_SHOWN = 6
#: A function in a file, and the layer after it.
IN_FILE = re.compile(r"(?P<file>.+\.py):(?P<function>\w+)")
#: The input of a network whose function returns none.
EXAMPLE_SHAPE = (1, 3, 224, 224)
#: The layout with channels innermost by the number of axes; others have none.
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}

Preprocess = Callable[[Tensor], Tensor]


def make_network(
    name: str, seed: int | None = 0, said: str | None = None, num_classes: int | None = None
) -> tuple[nn.Module, Preprocess]:
    """Make a network with random weights.

    Args:
        name: torchvision's name of a classification network, or ``timm/`` and timm's name.
        seed: of the weights; None draws them from torch's global generator as it is.
        said: the argument and its value, with which messages begin; by default those of ``features``.
        num_classes: its outputs; None for the library's own number.

    Returns:
        The network, and its preprocessing: from a picture, float32 ``(3, H, W)`` in [0, 1], to ``(C, H, W)``.

    Raises:
        ValueError: an unknown network, or a library that is missing.
    """
    make = _timm if name.startswith(TIMM) else _torchvision
    outputs = {} if num_classes is None else {"num_classes": num_classes}
    if seed is None:
        return make(name, said or f"features={name!r}", outputs)
    # The global generator is what networks draw from; it is put back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(name, said or f"features={name!r}", outputs)


def lay_channels_last(model: nn.Module) -> None:
    """Lay a network's weights and buffers out with channels innermost, in place.

    Unlike ``model.to(memory_format=torch.channels_last)`` it takes networks that have weights of four and of five axes.
    """
    for value in (*model.parameters(), *model.buffers()):
        if layout := CHANNELS_LAST.get(value.dim()):
            value.data = value.data.contiguous(memory_format=layout)


def make_with_example(name: str, said: str) -> tuple[nn.Module, tuple[Any, ...]]:
    """Make a network and an example of its input.

    Args:
        name: as for :func:`make_network`, or ``FILE.py:FUNCTION``: a function without arguments that returns the
            network, or the network and an input or a tuple of inputs. A network alone gets an image of
            :data:`EXAMPLE_SHAPE`.
        said: the argument and its value, with which messages begin.

    Raises:
        ValueError: an unknown network, a library or a file that is missing, or a function that is missing or fails.
    """
    found = IN_FILE.fullmatch(name)
    if name.endswith(".py"):
        raise ValueError(f"{said}: FILE.py:FUNCTION is needed, a function that returns the network")
    if found is None:
        network, preprocess = make_network(name, said=said)
        return network, (preprocess(torch.zeros(3, 512, 512))[None],)
    function = function_in_file(name, said)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = function()
    except Exception as error:  # whatever a user's function does
        raise ValueError(f"{said}: {found['function']}() failed: {one_line(error)}") from error
    network, *inputs = made if isinstance(made, tuple) else (made,)
    if not isinstance(network, nn.Module) or len(inputs) > 1:
        raise ValueError(f"{said}: {found['function']}() must return a network, or it and its input")
    if not inputs:
        return network, (torch.zeros(EXAMPLE_SHAPE),)
    return network, inputs[0] if isinstance(inputs[0], tuple) else (inputs[0],)


def function_in_file(name: str, said: str) -> Callable[..., Any]:
    """Return the function that ``FILE.py:FUNCTION`` names; the file is run.

    Args:
        name: the file and its function.
        said: the argument and its value, with which messages begin.

    Raises:
        ValueError: the file cannot be run, or has no such function.
    """
    found = IN_FILE.fullmatch(name)
    if found is None:
        raise ValueError(f"{said}: FILE.py:FUNCTION is needed, a function that returns the network")
    function: Callable[..., Any] | None = getattr(_run(found["file"], said), found["function"], None)
    if not callable(function):
        raise ValueError(f"{said}: {found['file']} has no function {found['function']!r}")
    return function


def _run(file: str, said: str) -> Any:
    try:
        if not Path(file).is_file():
            raise ValueError("no such file")
        return run_script(Path(file).resolve())
    except Exception as error:  # whatever a user's script does
        raise ValueError(f"{said}: {file}: {one_line(error)}") from error


def similar_layers(network: nn.Module, layer: str) -> str:
    """Return the names of similar layers, joined by commas; "" if the network has the layer."""
    known = [path for path, _ in network.named_modules() if path]
    if layer in known:
        return ""
    near = difflib.get_close_matches(layer, known, LAYERS_SHOWN)
    near += [path for path in known if layer and layer in path and path not in near]
    return ", ".join((near or known)[:LAYERS_SHOWN]) or "none"


def _torchvision(name: str, said: str, outputs: dict[str, Any]) -> tuple[nn.Module, Preprocess]:
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # RuntimeError: one that was built for another torch
        raise ValueError(f"{said}: needs torchvision, pip install 'poolzoo[models]': {error}") from error
    # Those for classification only: the others fetch a backbone.
    _check_name(name, models.list_models(module=models), "torchvision", said)
    slow = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}  # unsaid, it is warned of
    return models.get_model(name, weights=None, **slow, **outputs), models.get_model_weights(name).DEFAULT.transforms()


def _timm(name: str, said: str, outputs: dict[str, Any]) -> tuple[nn.Module, Preprocess]:
    try:
        import timm
        from timm.data import create_transform, resolve_model_data_config
    except (ImportError, RuntimeError) as error:
        raise ValueError(f"{said}: needs timm, pip install timm: {error}") from error
    known = [*timm.list_models(), *timm.list_models(pretrained=True)]  # resnet18, and resnet18.a1_in1k
    _check_name(name, [f"{TIMM}{each}" for each in known], "timm", said)
    model = timm.create_model(name.removeprefix(TIMM), pretrained=False, **outputs)
    return model, create_transform(**resolve_model_data_config(model), is_training=False)


def _check_name(name: str, known: Sequence[str], library: str, said: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, LAYERS_SHOWN)
        hint = f"did you mean {', '.join(near)}?" if near else f"as {known[0]}"
        raise ValueError(f"{said}: {library} has no such network; {hint}")
