"""The toy network of checkered CNNs for MNIST, with 93,833 parameters (Sadigh & Sen, arXiv 1805.10766, demo_mnist.py).

The author's network subsamples once, by a checkered convolution of stride 2, and its last convolution reaches over both
submaps. With a pool in place of the stride, the network has the same parameters for every operator: an operator that
keeps one map shows it to the last convolution twice.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo.compat.checkered import CheckeredConv2d
from poolzoo.create import create_pool
from poolzoo.operators.base import Pool


class ToyCcnn(nn.Module):
    """Five 3x3 convolutions with batch normalisation, dropout of channels, a mean over all positions, a linear layer.

    Args:
        in_channels: channels of the images.
        num_classes: outputs.
        pool: None for the author's network, whose third convolution is checkered with stride 2. A spec, as
            ``softpool``, for a convolution of stride 1 and after it this operator, 2x2 with stride 2.

    Raises:
        ValueError: an unknown operator or parameter.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10, pool: str | None = None) -> None:
        super().__init__()
        self.init_conv = CheckeredConv2d(in_channels, 32, kernel_size=3, padding=1)
        self.conv1 = CheckeredConv2d(32, 32, kernel_size=3, padding=1)
        self.conv2 = CheckeredConv2d(32, 45, kernel_size=3, stride=2 if pool is None else 1, padding=1)
        self.conv3 = CheckeredConv2d(45, 45, kernel_size=3, padding=1)
        self.conv4 = CheckeredConv2d(45, 64, kernel_size=3, depth=2, padding=1)
        self.bn1, self.bn2 = nn.BatchNorm3d(32), nn.BatchNorm3d(32)
        self.bn3, self.bn4 = nn.BatchNorm3d(45), nn.BatchNorm3d(45)
        self.bn5 = nn.BatchNorm3d(64)
        self.drop = nn.Dropout3d(0.2)
        self.fc = nn.Linear(64, num_classes)
        own: Pool | None = None
        if pool is not None:
            own = create_pool(pool, kernel_size=2)
            own.take_channels(45)
        self.pool = own

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes, ``(N, num_classes)``, of images ``(N, C, H, W)`` of at least 2x2."""
        x = x.unsqueeze(2)
        x = F.relu(self.bn1(self.init_conv(x)))
        x = F.relu(self.bn2(self.conv1(x)))
        x = F.relu(self.bn3(self.conv2(x)))
        if isinstance(self.pool, Pool):
            x = self.pool(x.squeeze(2))
            x = x.unsqueeze(2) if x.dim() == 4 else x
        x = F.relu(self.bn4(self.conv3(x)))
        if x.shape[2] == 1:
            x = torch.cat((x, x), 2)
        x = self.drop(F.relu(self.bn5(self.conv4(x))))
        y: Tensor = self.fc(x.mean((2, 3, 4)))
        return y
