"""A network for images of 28x28 or 32x32 that a CPU core trains in minutes: three convolutions and two pools."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Small(nn.Module):
    """Convolution, batch normalisation and ReLU three times, with a pool after the first and the second.

    The pools are max pools of 2x2; :func:`poolzoo.replace_pools` puts other operators there. The mean over the last map
    and a linear layer follow. With the default widths, one input channel and ten classes it has 24,058 parameters.

    Args:
        in_channels: channels of the images.
        num_classes: outputs.
        widths: channels of the three convolutions.
    """

    def __init__(
        self, in_channels: int = 1, num_classes: int = 10, widths: tuple[int, int, int] = (16, 32, 64)
    ) -> None:
        super().__init__()
        sizes = (in_channels, *widths)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=False) for before, after in zip(sizes, widths, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.pools = nn.ModuleList([nn.MaxPool2d(2), nn.MaxPool2d(2)])
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes, ``(N, num_classes)``, of images ``(N, C, H, W)`` of at least 4x4."""
        x = self.pools[0](F.relu(self.norms[0](self.convs[0](x))))
        x = self.pools[1](F.relu(self.norms[1](self.convs[1](x))))
        x = F.relu(self.norms[2](self.convs[2](x)))
        y: Tensor = self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return y
