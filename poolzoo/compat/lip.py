"""Local importance pooling (LIP) under the names of its authors' code (sebgao/LIP, ``imagenet/`` and ``cuda-lip/``).

The numbers are those of the paper, arXiv 1908.04156: ``y = sum a e^G(a) / sum e^G(a)``. Whole networks are made by
``poolzoo.create_model("lip_resnet50")`` and ``"lip_densenet121"``.

Differences to the authors' code: large logits do not overflow; padding is absent, as theirs is in torch's operators
(their CUDA kernel ignores ``padding``). The last convolution of every logit starts at 0, so that an untrained LIP is
average pooling, without a call of ``init_layer``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

import poolzoo
from poolzoo import functional
from poolzoo.operators.lip import LipOfShared, SharedLogit

__all__ = ["BottleneckLIP", "BottleneckShared", "SharedBottleneckLIP", "SimplifiedLIP", "lip2d"]


def lip2d(x: Tensor, logit: Tensor, kernel: int = 3, stride: int = 2, padding: int = 1) -> Tensor:
    """Return the mean of every window weighted by ``e^logit``: :func:`poolzoo.functional.lip_pool2d`.

    Args:
        x: ``(N, C, H, W)`` or ``(C, H, W)``, floating point.
        logit: the logarithms of the weights, of the shape of ``x``, or with one channel for all of ``x``.
        kernel: size of the window, an int or one per axis.
        stride: step between windows.
        padding: positions added on both sides, at most half of ``kernel``; they take no weight.

    Returns:
        A map of torch's size for average pooling, in the dtype of ``x``.

    Raises:
        ValueError: ``logit`` is of another shape, or an argument is out of range.
        TypeError: an argument or the dtype of ``x`` is of the wrong kind.
    """
    if logit.dim() == x.dim() and logit.shape[-3] == 1 and logit.shape[-2:] == x.shape[-2:]:
        logit = logit.expand_as(x)
    return functional.lip_pool2d(x, kernel, stride, padding, logit=logit)


class _Lip(poolzoo.LipPool2d):
    #: Former names of layers of the logit, as other code of the authors has them.
    renamed_layers: ClassVar[dict[str, str]] = {}

    def init_layer(self) -> None:
        """Set the last convolution of the logit to 0, which it is in a new module."""
        layers: Any = self.logit
        nn.init.zeros_(layers[-3].weight)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if any(key.startswith(f"{prefix}postprocessing.") for key in state_dict):
            raise ValueError(
                f"{prefix}postprocessing: the LIP of a ResNet's block, which shares layers with another; "
                f"SharedBottleneckLIP and BottleneckShared load it, not {type(self).__name__}"
            )
        for former, present in self.renamed_layers.items():
            lead = f"{prefix}logit.{former}."
            for key in [key for key in state_dict if key.startswith(lead)]:
                state_dict[f"{prefix}logit.{present}.{key.removeprefix(lead)}"] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args)


class SimplifiedLIP(_Lip):
    """``poolzoo.LipPool2d(3, stride=2, padding=1, channels=channels)``: LIP with a 3x3 convolution as its logit.

    State dicts of the authors' ResNet (``logit.conv``, ``logit.bn``) and of their DenseNet (``logit.conv1``,
    ``logit.bn1``) load.

    Args:
        channels: the number of input channels.

    Raises:
        ValueError: ``channels`` is not an int >= 1.
    """

    renamed_layers: ClassVar = {"conv1": "conv", "bn1": "bn"}

    def __init__(self, channels: int) -> None:
        super().__init__(3, stride=2, padding=1, channels=channels)


class BottleneckLIP(_Lip):
    """``poolzoo.LipPool2d(2, channels=channels, variant="bottleneck")``: LIP with a bottleneck as its logit.

    It has 1x1, 3x3 and 1x1 convolutions, as in the authors' DenseNet, with the same keys. In their ResNet a class of
    this name shares layers with another: :class:`SharedBottleneckLIP`.

    Args:
        channels: the number of input channels.

    Raises:
        ValueError: ``channels`` is not an int >= 1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(2, channels=channels, variant="bottleneck")


class BottleneckShared(SharedLogit):
    """The first two convolutions of a bottleneck logit, which the two LIPs of a ResNet's block share.

    Args:
        channels: the number of channels of the block's input.
    """


class SharedBottleneckLIP(LipOfShared):
    """The ``BottleneckLIP`` of the authors' ResNet: LIP, 3x3 with stride 2 and padding 1, of :class:`BottleneckShared`.

    Args:
        channels: the number of channels of the map that it pools.
    """

    def init_layer(self) -> None:
        """Set the convolution to 0, which it is in a new module."""
        nn.init.zeros_(self.postprocessing[0].weight)  # type: ignore[arg-type]

    def forward_with_shared(self, x: Tensor, shared: Tensor) -> Tensor:
        """Pool ``x`` with weights computed from ``shared``, the output of :class:`BottleneckShared` for the block's
        input.
        """
        return self.forward(x, shared)
