"""LIP-ResNet and LIP-DenseNet (Gao et al., arXiv 1908.04156, section 3.4), built from torchvision's networks.

In a ResNet, the max pool of the stem becomes a LIP with the simplified logit. In every block that halves the size, both
strided convolutions become a LIP and a 1x1 convolution of stride 1: the 3x3 convolution of the residual branch, and the
1x1 convolution of the shortcut. The two LIPs of a block share the first two convolutions of a bottleneck logit. In a
DenseNet, the stem's max pool becomes a simplified LIP, and each transition's average pool a bottleneck LIP. Names and
shapes of the parameters are those of the authors' code (github.com/sebgao/LIP, imagenet/).

This module is imported only if torchvision is installed.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torchvision
from torch import Tensor, nn

from poolzoo.create import create_pool
from poolzoo.operators.lip import LipOfShared, SharedLogit


def lip_resnet(name: str, **kwargs: Any) -> nn.Module:
    """Return LIP-ResNet; every LIP starts as average pooling and every residual branch as zero, as in the authors'
    code.
    """
    model: Any = torchvision.models.get_model(name, weights=None, zero_init_residual=True, **kwargs)
    model.maxpool = create_pool("lip", kernel_size=3, stride=2, padding=1, channels=model.conv1.out_channels)
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        if layer[0].stride == 2:
            layer[0] = _StridedBlock(layer[0])
        else:
            layer[0].downsample = nn.Sequential(OrderedDict(zip(("conv", "bn"), layer[0].downsample, strict=True)))
    nn.init.normal_(model.fc.weight, 0.0, 0.01)
    nn.init.zeros_(model.fc.bias)
    return model  # type: ignore[no-any-return]


def lip_densenet(name: str, **kwargs: Any) -> nn.Module:
    """Return LIP-DenseNet; every LIP starts as average pooling, while the authors' code initialises logits randomly."""
    model: Any = torchvision.models.get_model(name, weights=None, **kwargs)
    features = model.features
    stem: Any = create_pool("lip", kernel_size=3, stride=2, padding=1, channels=features.conv0.out_channels)
    stem.logit = nn.Sequential(OrderedDict(zip(("conv1", "bn1", "gate"), stem.logit, strict=True)))
    features.pool0 = stem
    for transition in (features.transition1, features.transition2, features.transition3):
        channels = transition.conv.out_channels
        transition.pool = create_pool("lip:variant=bottleneck", kernel_size=2, stride=2, channels=channels)
    return model  # type: ignore[no-any-return]


class _StridedBlock(nn.Module):
    """A ResNet bottleneck that halves the size with LIPs instead of strided convolutions."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        shortcut, bn = block.downsample
        self.bottleneck_shared = SharedLogit(shortcut.in_channels)
        _start_as_a_resnet(self.bottleneck_shared)
        self.conv1, self.bn1 = block.conv1, block.bn1
        self.conv2 = nn.Sequential(LipOfShared(block.conv2.in_channels), _conv1x1(block.conv2))
        self.bn2, self.conv3, self.bn3, self.relu = block.bn2, block.conv3, block.bn3, block.relu
        self.downsample = nn.Sequential(
            OrderedDict([("lip", LipOfShared(shortcut.in_channels)), ("conv", _conv1x1(shortcut)), ("bn", bn)])
        )

    def forward(self, x: Tensor) -> Tensor:
        shared = self.bottleneck_shared(x)
        pool, conv = self.conv2
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(conv(pool(y, shared))))
        y = self.bn3(self.conv3(y))
        pool, conv, bn = self.downsample
        return self.relu(y + bn(conv(pool(x, shared))))  # type: ignore[no-any-return]


def _conv1x1(conv: Any) -> nn.Sequential | nn.Conv2d:
    """Return a 1x1 convolution of stride 1 with the channels of another convolution."""
    new = nn.Conv2d(conv.in_channels, conv.out_channels, 1, bias=False)
    _start_as_a_resnet(new)
    return new


def _start_as_a_resnet(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
