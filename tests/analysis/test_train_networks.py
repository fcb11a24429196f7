"""Trainings with torchvision: its data sets on disk, its networks, and published ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from poolzoo.analysis.inputs.labelled import DataError, load_data
from poolzoo.analysis.training.networks import make_model

datasets = pytest.importorskip("torchvision.datasets", reason="torchvision's data sets and networks")
SHAPE = (1, 32, 32)


@pytest.fixture
def cifar(tmp_path, monkeypatch) -> Path:
    """A folder in the layout of CIFAR-10, with random pixels, which torchvision's checksums would refuse."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = random.integers(0, 256, (4, 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1, 2, 9]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(datasets.cifar, "check_integrity", lambda path, md5=None: True)
    return tmp_path


def test_cifar_is_read_as_torchvision_stores_it(cifar):
    data = load_data(f"cifar10:{cifar}")
    assert data.shape == (3, 32, 32) and data.classes == 10
    assert (len(data.train), len(data.test)) == (20, 4)
    stored = pickle.loads((cifar / "cifar-10-batches-py" / "test_batch").read_bytes())
    assert data.test.images.flatten(1).tolist() == stored["data"].tolist()
    assert data.test.labels.tolist() == stored["labels"]


def test_a_folder_without_cifar_is_one_line(tmp_path):
    with pytest.raises(DataError, match="torchvision finds no CIFAR10 there"):
        load_data(f"cifar10:{tmp_path}")


def test_torchvisions_networks_take_grey_images_in_three_channels():
    network = make_model("resnet18", "softpool", 0, SHAPE, 7)
    assert network.conv1.in_channels == 3 and network.fc.out_features == 7
    assert type(network.maxpool).__name__ == "SoftPool2d"
    other = make_model("resnet18", "avg", 0, SHAPE, 7)
    assert torch.equal(network.conv1.weight, other.conv1.weight) and torch.equal(network.fc.weight, other.fc.weight)


def test_published_networks_share_the_weights_that_both_have():
    soft, lip = (make_model("published/resnet50", spec, 0, SHAPE, 7) for spec in ("softpool", "lip"))
    own, other = soft.state_dict(), lip.state_dict()
    shared = [name for name in own if name in other and own[name].shape == other[name].shape]
    assert len(shared) > 200
    assert all(torch.equal(own[name], other[name]) for name in shared)


def test_an_unknown_network_is_one_line():
    with pytest.raises(ValueError, match="torchvision has no such network"):
        make_model("resnet19", "max", 0, SHAPE, 7)
    with pytest.raises(ValueError, match="cifar/resnet"):
        make_model("cifar/resnet19", "max", 0, SHAPE, 7)
