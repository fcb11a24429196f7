"""Networks to train: small ones, and those of the papers whose operators the package contains."""

from poolzoo.models.cifar import (
    CIFAR as CIFAR,
    ResNet as ResNet,
    densenet as densenet,
    resnet as resnet,
    vgg as vgg,
    wide_resnet as wide_resnet,
)
from poolzoo.models.small import Small as Small
from poolzoo.models.toy import ToyCcnn as ToyCcnn
