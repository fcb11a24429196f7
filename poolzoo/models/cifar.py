"""Networks for images of 32x32: ResNet, VGG, DenseNet-BC and Wide ResNet, as papers on pooling train them on CIFAR.

Sadigh & Sen (arXiv 1805.10766) train them as they are and converted by :func:`poolzoo.convert_to_checkered`, and also
tiny ResNets, whose widths grow by the square root of 2. VGG, DenseNet-BC and :func:`resnet` with ``pooled=True`` have
pools that :func:`poolzoo.replace_pools` exchanges; the other ResNets subsample by strided convolutions.

Sources: He et al. 2016 (arXiv 1512.03385), with the stem for 32x32; Simonyan & Zisserman 2015 (arXiv 1409.1556);
Huang et al. 2017 (arXiv 1608.06993); Zagoruyko & Komodakis 2016 (arXiv 1605.07146).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _conv(before: int, after: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False)


class Block(nn.Module):
    """A residual block of two 3x3 convolutions, or with a bottleneck of a 1x1, a 3x3 and a 1x1; then ReLU.

    Args:
        before: channels of the input.
        width: channels of the 3x3 convolutions.
        stride: of the first 3x3 convolution and of the shortcut.
        expansion: for a bottleneck, channels of the output per ``width``; None for two 3x3 convolutions.
    """

    def __init__(self, before: int, width: int, stride: int = 1, expansion: int | None = None) -> None:
        super().__init__()
        after = width * (expansion or 1)
        if expansion is None:
            convs = [_conv(before, width, 3, stride), _conv(width, width, 3)]
        else:
            convs = [_conv(before, width, 1), _conv(width, width, 3, stride), _conv(width, after, 1)]
        parts: list[nn.Module] = []
        for conv in convs:
            parts += [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()]
        self.residual = nn.Sequential(*parts[:-1])
        self.shortcut = nn.Sequential()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(_conv(before, after, 1, stride), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output for ``(N, before, H, W)``."""
        return F.relu(self.residual(x) + self.shortcut(x))


class ResNet(nn.Module):
    """A 3x3 convolution, stages of residual blocks, the mean over the last map, and a linear layer.

    Args:
        depths: blocks of each stage.
        widths: of each stage; every stage but the first halves the map.
        expansion: of bottlenecks; None for blocks of two 3x3 convolutions.
        pooled: whether max pools of 2x2 between the stages halve the map, in place of strided convolutions.
        in_channels, num_classes: of images and outputs.
    """

    def __init__(
        self,
        depths: Sequence[int],
        widths: Sequence[int] = (64, 128, 256, 512),
        expansion: int | None = None,
        pooled: bool = False,
        in_channels: int = 3,
        num_classes: int = 10,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(in_channels, 64, 3), nn.BatchNorm2d(64), nn.ReLU())
        stages, channels = [], 64
        for number, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            parts: list[nn.Module] = [nn.MaxPool2d(2)] if pooled and number else []
            for block in range(depth):
                stride = 2 if number and not block and not pooled else 1
                parts.append(Block(channels, width, stride, expansion))
                channels = width * (expansion or 1)
            stages.append(nn.Sequential(*parts))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes for ``(N, in_channels, H, W)``."""
        y: Tensor = self.head(F.adaptive_avg_pool2d(self.stages(self.stem(x)), 1).flatten(1))
        return y


#: Blocks of each stage, and the expansion of bottlenecks in the wide and in the tiny form.
_RESNETS: dict[int, tuple[tuple[int, ...], int | None, int | None]] = {
    18: ((2, 2, 2, 2), None, None),
    34: ((3, 4, 6, 3), None, None),
    50: ((3, 4, 6, 3), 4, 2),
    101: ((3, 4, 23, 3), 4, 2),
    152: ((3, 8, 36, 3), 4, 2),
}
_TINY = (64, 91, 128, 181)


def resnet(depth: int = 18, *, tiny: bool = False, pooled: bool = False, **kwargs: Any) -> ResNet:
    """Return a ResNet for 32x32: 11,173,962 parameters with depth 18, 23,520,842 with depth 50, for ten classes.

    Args:
        depth: 18, 34, 50, 101 or 152.
        tiny: the tiny ResNet of Sadigh & Sen, of widths 64, 91, 128, 181 and bottlenecks of expansion 2.
        pooled: halve the maps by max pools of 2x2 in place of strided convolutions.
        kwargs: ``in_channels``, ``num_classes``.

    Raises:
        ValueError: another depth.
    """
    if depth not in _RESNETS:
        raise ValueError(f"depth={depth!r}: {', '.join(map(str, _RESNETS))} are allowed")
    depths, expansion, tiny_expansion = _RESNETS[depth]
    if tiny:
        return ResNet(depths, _TINY, tiny_expansion, pooled, **kwargs)
    return ResNet(depths, expansion=expansion, pooled=pooled, **kwargs)


_VGGS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(depth: int = 16, *, hidden: int = 512, in_channels: int = 3, num_classes: int = 10) -> nn.Sequential:
    """Return a VGG with batch normalisation for 32x32: five max pools, three linear layers with dropout.

    Args:
        depth: 11, 13, 16 or 19.
        hidden: width of the linear layers: 512 in Sadigh & Sen, 4096 in the comparison of pools on CIFAR-100 of
            github.com/rentainhe/pytorch-pooling.
        in_channels, num_classes: of images and outputs.

    Raises:
        ValueError: another depth.
    """
    if depth not in _VGGS:
        raise ValueError(f"depth={depth!r}: {', '.join(map(str, _VGGS))} are allowed")
    parts: list[nn.Module] = []
    channels = in_channels
    for count, width in zip(_VGGS[depth], (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            parts += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        parts.append(nn.MaxPool2d(2))
    head = [nn.Linear(512, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head, nn.Linear(hidden, num_classes))


class _DenseLayer(nn.Module):
    """A 1x1 convolution to four times the growth, then a 3x3 one; its output is appended to its input."""

    def __init__(self, before: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.BatchNorm2d(before), nn.ReLU(), _conv(before, 4 * growth, 1)),
            *(nn.BatchNorm2d(4 * growth), nn.ReLU(), _conv(4 * growth, growth, 3)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.layers(x)), 1)


def densenet(depth: int = 100, growth: int = 12, *, in_channels: int = 3, num_classes: int = 10) -> nn.Sequential:
    """Return a DenseNet-BC for 32x32: three dense blocks, and between them a 1x1 convolution and an average pool.

    With depth 100 and growth 12 it has 769,162 parameters for ten classes.

    Args:
        depth: 3 n + 4 with an even n.
        growth: channels that each layer adds.
        in_channels, num_classes: of images and outputs.

    Raises:
        ValueError: another depth.
    """
    layers, rest = divmod(depth - 4, 6)
    if rest or layers < 1:
        raise ValueError(f"depth={depth!r}: 4 more than a multiple of 6 is allowed, as 40 or 100")
    channels = 2 * growth
    parts: list[nn.Module] = [_conv(in_channels, channels, 3)]
    for block in range(3):
        for _ in range(layers):
            parts.append(_DenseLayer(channels, growth))
            channels += growth
        parts += [nn.BatchNorm2d(channels), nn.ReLU()]
        if block < 2:
            parts += [_conv(channels, channels // 2, 1), nn.AvgPool2d(2)]
            channels //= 2
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


class _WideBlock(nn.Module):
    """A residual block with normalisation and ReLU before each convolution."""

    def __init__(self, before: int, after: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(before), _conv(before, after, 3, stride)
        self.norm2, self.conv2 = nn.BatchNorm2d(after), _conv(after, after, 3)
        self.dropout = nn.Dropout(dropout)
        self.shortcut = _conv(before, after, 1, stride) if stride != 1 or before != after else None

    def forward(self, x: Tensor) -> Tensor:
        opened = F.relu(self.norm1(x))
        y: Tensor = self.conv2(self.dropout(F.relu(self.norm2(self.conv1(opened)))))
        return y + (x if self.shortcut is None else self.shortcut(opened))


def wide_resnet(
    depth: int = 28, width: int = 10, *, dropout: float = 0.0, in_channels: int = 3, num_classes: int = 10
) -> nn.Sequential:
    """Return a Wide ResNet for 32x32; WRN-28-10 has 36,479,194 parameters for ten classes.

    Args:
        depth: 6 n + 4.
        width: channels in units of 16, 32 and 64.
        dropout: between the convolutions of a block.
        in_channels, num_classes: of images and outputs.

    Raises:
        ValueError: another depth.
    """
    blocks, rest = divmod(depth - 4, 6)
    if rest or blocks < 1:
        raise ValueError(f"depth={depth!r}: 4 more than a multiple of 6 is allowed, as 16 or 28")
    parts: list[nn.Module] = [_conv(in_channels, 16, 3)]
    channels = 16
    for number, unit in enumerate((16, 32, 64)):
        for block in range(blocks):
            parts.append(_WideBlock(channels, unit * width, 2 if number and not block else 1, dropout))
            channels = unit * width
    return nn.Sequential(
        *parts,
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, num_classes),
    )


#: The networks of this module by the name that ``poolzoo train --model`` takes.
CIFAR: dict[str, Callable[..., nn.Module]] = {
    **{f"cifar/resnet{depth}": partial(resnet, depth) for depth in _RESNETS},
    **{f"cifar/resnet{depth}-pooled": partial(resnet, depth, pooled=True) for depth in _RESNETS},
    **{f"cifar/tiny-resnet{depth}": partial(resnet, depth, tiny=True) for depth in _RESNETS},
    **{f"cifar/vgg{depth}": partial(vgg, depth) for depth in _VGGS},
    "cifar/densenet100": densenet,
    "cifar/wide-resnet28-10": wide_resnet,
}
