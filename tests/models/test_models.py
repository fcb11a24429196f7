"""The networks to train have the numbers of parameters that their papers and public code state."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import poolzoo
from poolzoo import models


def count(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        # github.com/ShayanPersonal/checkered-cnn, demo_mnist.py
        (models.ToyCcnn, 93_833),
        # github.com/kuangliu/pytorch-cifar, whose ResNets these are
        (lambda: models.resnet(18), 11_173_962),
        (lambda: models.resnet(50), 23_520_842),
        # Zagoruyko & Komodakis, table 4: 36.5 M, 11.0 M
        (models.wide_resnet, 36_479_194),
        # Huang et al., table 2: 0.8 M
        (models.densenet, 769_162),
    ],
)
def test_the_numbers_of_parameters_are_the_published_ones(make, parameters):
    with torch.device("meta"):
        assert count(make()) == parameters


@pytest.mark.parametrize(
    ("make", "millions"),
    [
        (lambda: models.wide_resnet(16, 8), 11.0),
        (lambda: models.wide_resnet(40, 4), 8.9),
        (lambda: models.densenet(100, 12), 0.8),
        pytest.param(lambda: models.densenet(250, 24), 15.3, marks=pytest.mark.grid),
        pytest.param(lambda: models.densenet(190, 40), 25.6, marks=pytest.mark.grid),
    ],
)
def test_the_papers_tables_in_millions(make, millions):
    with torch.device("meta"):
        assert round(count(make()) / 1e6, 1) == millions


def test_vgg_and_the_tiny_resnet_by_hand():
    widths = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    before, total = 3, 0
    for width in widths:
        total += 9 * before * width + width + 2 * width
        before = width
    with torch.device("meta"):
        assert count(models.vgg(16)) == total + 2 * (512 * 512 + 512) + 512 * 10 + 10
        assert count(models.vgg(16, hidden=4096, num_classes=100)) == (
            total + 512 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 100 + 100
        )
    # Widths that grow by the square root of 2 in place of 2: the same cost as a quarter of the channels squared.
    before, total = 64, 3 * 64 * 9 + 2 * 64
    for stage, width in enumerate((64, 91, 128, 181)):
        assert width == round(64 * math.sqrt(2) ** stage)
        total += 9 * before * width + 9 * width * width + 2 * 2 * width
        total += (before * width + 2 * width) * (stage > 0) + 2 * 9 * width * width + 2 * 2 * width
        before = width
    with torch.device("meta"):
        assert count(models.resnet(18, tiny=True)) == total + 181 * 10 + 10


@pytest.mark.parametrize(
    "name",
    [
        "cifar/tiny-resnet18",
        *(
            pytest.param(name, marks=pytest.mark.grid)
            for name in ("cifar/densenet100", "cifar/vgg11", "cifar/resnet50")
        ),
    ],
)
def test_the_papers_networks_are_converted_to_checkered_ones(name):
    network = models.CIFAR[name](num_classes=7).eval()
    converted = poolzoo.convert_to_checkered(network)
    assert count(converted) == count(network)
    with torch.no_grad():
        assert converted(torch.zeros(1, 3, 32, 32)).shape == network(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


@pytest.mark.parametrize(
    "name",
    [
        "cifar/resnet18-pooled",
        *(pytest.param(name, marks=pytest.mark.grid) for name in ("cifar/vgg11", "cifar/densenet100")),
    ],
)
def test_their_pools_are_exchangeable(name):
    with torch.device("meta"):
        network = models.CIFAR[name]()
    pools = sum(isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)) for module in network.modules())
    replaced = poolzoo.replace_pools(network, "softpool", verbose=False)
    assert (
        len(replaced.pool_report.replaced)
        == pools
        == {"resnet18": 3, "vgg11": 5, "densenet": 2}[name.removeprefix("cifar/").split("-")[0].removesuffix("100")]
    )


def test_the_toy_network_takes_any_operator_with_the_same_parameters():
    for pool in ("max", "checkered"):
        network = models.ToyCcnn(pool=pool)
        assert count(network) == 93_833
        assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: models.resnet(20), "depth=20"),
        (lambda: models.vgg(12), "depth=12"),
        (lambda: models.densenet(101), "depth=101"),
        (lambda: models.wide_resnet(27), "depth=27"),
    ],
)
def test_other_depths_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
