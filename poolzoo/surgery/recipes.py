"""The networks that papers published with their pooling operator, built from torchvision's networks.

SoftPool (Stergiou et al., arXiv 2101.00440; github.com/alexandrosstergiou/SoftPool, main/models): in ResNets, ResNeXts,
wide ResNets and DenseNets, the stem's 3x3 max pool becomes a 2x2 SoftPool without padding; the transitions of DenseNets
keep their average pools. In Inception-v3, every max and average pool except the global one becomes a SoftPool of the
same size. SoftPool has no parameters, so state dicts are torchvision's. For LIP see ``lip_networks``.
"""

from __future__ import annotations

import difflib
import os
import pickle
import textwrap
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from poolzoo.create import create_pool
from poolzoo.operators.base import Pool
from poolzoo.operators.lazy import LazyPool
from poolzoo.registry import parse_spec, pool_info
from poolzoo.surgery.replace import replace_pools

_RESNETS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x4d",
    "resnext101_64x4d",
    "resnext101_32x8d",
    "wide_resnet50_2",
    "wide_resnet101_2",
)
_DENSENETS = ("densenet121", "densenet161", "densenet169", "densenet201")
#: LIP's block is a bottleneck, which the two smallest ResNets do not have.
_LIP_RESNETS = ("resnet50", "resnet101", "resnet152")
#: Torch's error messages are cut to this number of characters.
MESSAGE = 400


def list_models(pool: str = "softpool") -> list[str]:
    """Return the names that :func:`create_model` accepts for an operator: the networks of the LIP paper, or of
    SoftPool's authors.
    """
    name, _ = parse_spec(pool)
    pool_info(name)
    return [*_LIP_RESNETS, *_DENSENETS] if name == "lip" else [*_RESNETS, *_DENSENETS, "inception_v3"]


def create_model(
    name: str,
    pool: str = "softpool",
    *,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    centred: bool = False,
    **kwargs: Any,
) -> nn.Module:
    """Build a network with its pools replaced as the authors of SoftPool or LIP did; requires torchvision.

    Parameters have the names and shapes of the authors' code, so their published weights load strictly.

    Args:
        name: see :func:`list_models`.
        pool: ``"softpool"``; another operator's spec, which is put in the same places; or ``"lip"`` for the networks of
            the LIP paper, where LIPs also replace strided convolutions.
        weights: a state dict, a checkpoint that contains one as ``state_dict``, or a file of either, in torch's or
            safetensors' format. A leading ``module.``, which DataParallel adds to names, is removed.
        centred: every window starts ``kernel_size // 2`` earlier, and ``n // stride`` windows are kept of n positions.
            The authors' CUDA kernel did this when they published their SoftPool weights; later versions start the
            windows where the paper and this package do. Not allowed for ``"lip"``.
        kwargs: for torchvision's builder: ``num_classes`` and so on. Inception-v3 has no auxiliary head unless
            ``aux_logits=True``, as in the authors' code.

    Returns:
        The network in train mode; without ``weights`` it is untrained.

    Raises:
        ValueError: an unknown name or operator, or weights that do not fit.
        ImportError: torchvision is missing.
    """
    if name not in (known := list_models(pool)):
        hint = ", ".join(difflib.get_close_matches(name, known) or known)
        raise ValueError(f"name={name!r}: no such network with pool={pool!r}; allowed: {hint}")
    operator, params = parse_spec(pool)
    if operator == "lip" and (params or centred):
        raise ValueError(f"pool={pool!r}, centred={centred}: LIP's networks fix both, 'lip' and False are allowed")
    try:
        import torchvision  # noqa: F401
    except ImportError as error:
        raise ImportError(f"create_model needs torchvision, pip install 'poolzoo[models]': {error}") from error
    model = _lip(name, **kwargs) if operator == "lip" else _softpool(name, pool, centred, **kwargs)
    if weights is not None:
        load_weights(model, f"{name} with these pools", weights)
    return model


def _lip(name: str, **kwargs: Any) -> nn.Module:
    from poolzoo.surgery.lip_networks import lip_densenet, lip_resnet

    return (lip_resnet if name in _LIP_RESNETS else lip_densenet)(name, **kwargs)


def _softpool(name: str, pool: str, centred: bool, **kwargs: Any) -> nn.Module:
    import torchvision

    model: Any
    if name == "resnext101_32x4d":  # torchvision has the block, but no function of this name
        resnet = torchvision.models.resnet
        model = resnet.ResNet(resnet.Bottleneck, [3, 4, 23, 3], groups=32, width_per_group=4, **kwargs)
    elif name == "inception_v3":
        given = {"aux_logits": False, "init_weights": True, **kwargs}
        model = torchvision.models.get_model(name, weights=None, **given)
    else:
        model = torchvision.models.get_model(name, weights=None, **kwargs)
    if name in _RESNETS:
        model.maxpool = _pool_of(model.conv1, pool)
    elif name in _DENSENETS:
        model.features.pool0 = _pool_of(model.features.conv0, pool)
    else:
        channels_matter = isinstance(create_pool(pool, kernel_size=2), LazyPool)
        example = torch.zeros(1, 3, 299, 299) if channels_matter else None
        replace_pools(model, pool, example=example, inplace=True, verbose=False)
    if centred:
        _centre(model)
    return model  # type: ignore[no-any-return]


def _pool_of(conv: nn.Conv2d, spec: str) -> Pool:
    """The operator for what a convolution gives."""
    pool = create_pool(spec, kernel_size=2)
    pool.take_channels(conv.out_channels)
    return pool


def _centre(model: nn.Module) -> None:
    pools = [(path, module) for path, module in model.named_modules() if isinstance(module, Pool)]
    for path, pool in pools:
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, _Centred(pool))


class _Centred(nn.Module):
    """A pool whose windows start ``kernel_size // 2`` earlier than usual, ``n // stride`` of them on an axis."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        pool.geometry = pool.geometry._replace(padding=tuple(k // 2 for k in pool.kernel_size))

    def forward(self, x: Tensor) -> Tensor:
        height, width = (n // s for n, s in zip(x.shape[-2:], self.pool.stride, strict=True))
        y: Tensor = self.pool(x)[..., :height, :width]
        return y


def load_weights(model: nn.Module, what: str, weights: str | os.PathLike[str] | Mapping[str, Any]) -> None:
    """Load a network's weights, strictly.

    Args:
        model: the network; changed in place.
        what: a name for the network in error messages.
        weights: see :func:`create_model`. Only tensors and plain containers are unpickled.

    Raises:
        ValueError: the file cannot be read, or its weights do not fit.
    """
    held = weights if isinstance(weights, Mapping) else _read_weights(weights)
    given = "weights" if isinstance(weights, Mapping) else f"weights={os.fspath(weights)!r}"
    state = {str(key).removeprefix("module."): value for key, value in held.get("state_dict", held).items()}
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        # A file of another network lacks hundreds of names.
        why = textwrap.shorten(str(error), MESSAGE, placeholder=" …")
        raise ValueError(f"{given}: these are not weights of {what}: {why}") from error


def _read_weights(file: str | os.PathLike[str]) -> Mapping[str, Any]:
    try:
        if os.fspath(file).endswith(".safetensors"):
            from safetensors.torch import load_file

            held: Any = load_file(file)
        else:
            held = torch.load(file, map_location="cpu", weights_only=True)
    except ImportError as error:
        raise ValueError(f"weights={str(file)!r}: needs safetensors, pip install safetensors") from error
    except pickle.UnpicklingError as error:  # torch's words advise to trust the file
        raise ValueError(f"weights={str(file)!r}: not a file of tensors in plain containers by torch.save") from error
    except Exception as error:  # a damaged file fails in as many ways as there are bytes
        reason = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0]
        raise ValueError(f"weights={str(file)!r}: cannot be read: {reason or type(error).__name__}") from error
    if not isinstance(held, Mapping) or not isinstance(held.get("state_dict", held), Mapping):
        raise ValueError(f"weights={str(file)!r}: contains no state dict")
    return held
