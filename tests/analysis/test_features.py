"""Activations of torchvision's and timm's networks: preprocessing and weights, against the networks called by hand."""

from __future__ import annotations

import copy
import json
import socket
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F

from poolzoo.analysis.inputs.features import feature_maps, find_layers
from poolzoo.analysis.inputs.images import find_images

torchvision = pytest.importorskip("torchvision", reason="the networks are torchvision's")
timm = pytest.importorskip("timm", reason="and timm's")

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something is downloaded")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def make(name: str, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    if name.startswith("timm/"):
        return timm.create_model(name.removeprefix("timm/"), pretrained=False).eval()
    return torchvision.models.get_model(name, weights=None).eval()


def coffee(short: int, mode: str) -> torch.Tensor:
    """The photograph, 400x600, as networks of 224x224 want it: the short side resized, the middle cut out."""
    x = torch.from_numpy(skimage.data.coffee() / 255.0).permute(2, 0, 1)[None].float()
    x = F.interpolate(x, (short, short * 600 // 400), mode=mode, antialias=True, align_corners=False)
    top, left = round((x.shape[2] - 224) / 2), round((x.shape[3] - 224) / 2)
    return (x[..., top : top + 224, left : left + 224] - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)


#: The layer as a path through the network's own parts, up to which its forward is written out below.
CASES = {
    "resnet18:layer1": (256, "bilinear", lambda m, x: m.layer1(m.maxpool(m.relu(m.bn1(m.conv1(x)))))),
    "vgg11:features.1": (256, "bilinear", lambda m, x: m.features[1](m.features[0](x))),
    "timm/resnet18:maxpool": (235, "bicubic", lambda m, x: m.maxpool(m.act1(m.bn1(m.conv1(x))))),
}


@pytest.mark.parametrize("spec", CASES)
def test_activations_are_those_of_the_network_called_by_hand(spec):
    short, mode, forward = CASES[spec]
    (layer,) = find_layers([spec], seed=3)
    (maps,) = feature_maps(find_images(["skimage:coffee"]), [layer])
    with torch.no_grad():
        expected = forward(make(spec.partition(":")[0], seed=3), coffee(short, mode))[0]
    sample = maps.load()
    np.testing.assert_allclose(sample.image, expected.permute(1, 2, 0).numpy(), atol=2e-5)
    assert maps.kind == f"features of {spec}, random weights of seed 3"
    assert sample.data_range == sample.image.max() - sample.image.min()


def test_one_seed_gives_one_network_and_leaves_the_generator():
    state = torch.get_rng_state()
    first, second, other = (find_layers(["resnet18:layer1"], seed=seed)[0].model for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first.conv1.weight, second.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


def test_layers_of_one_network_share_it():
    first, second = find_layers(["resnet18:layer1", "resnet18:layer2"])
    assert first.model is second.model


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("name", ["resnet18", "timm/resnet18"])
def test_weights_come_from_a_file(tmp_path, suffix, name):
    state = copy.deepcopy(make(name, seed=5).state_dict())
    file = tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, file)
    else:
        pytest.importorskip("safetensors", reason="the file's format").torch.save_file(state, file)
    (layer,) = find_layers([f"{name}:layer1"], file)
    assert all(torch.equal(value, state[key]) for key, value in layer.model.state_dict().items())
    assert layer.weights == f"weights of {file}"


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("unpickled"),)


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "evil", "other", "list", "number", "short"])
def test_weights_that_cannot_be_used_are_one_line(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "weights.pth"
    content = {
        "empty": b"",
        "text": b"hello\nworld",
        "short": None,
        "evil": {"conv1.weight": Evil()},
        "other": {"conv1.weight": torch.zeros(1)},
        "list": [1],
        "number": {1: torch.zeros(1)},
    }
    if kind == "short":
        torch.save(make("resnet18").state_dict(), file)
        file.write_bytes(file.read_bytes()[:100_000])
    elif isinstance(content.get(kind), bytes):
        file.write_bytes(content[kind])
    elif kind in content:
        torch.save(content[kind], file)
    with pytest.raises(ValueError, match=r"^weights='.*weights\.pth': ") as caught:
        find_layers(["resnet18:layer1"], file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["resnet81:layer1"], ["--features 'resnet81'", "torchvision", "resnet18"]),
        (["timm/resnet_18:layer1"], ["--features 'timm/resnet_18'", "timm/resnet18"]),
        (["timm/hf-hub:timm/resnet18"], ["--features 'timm/hf-hub'", "no such network"]),
        (["resnet18:layer9"], ["--features 'resnet18:layer9'", "no such layer", "layer1"]),
        (["resnet18:fc"], ["skimage:coffee @ resnet18:fc", "(1, 1000)", "(N, C, H, W)"]),
        (["vit_b_16:encoder"], ["(1, 197, 768)", "(N, C, H, W)"]),
        (["swin_t:features.0"], ["(1, 56, 56, 96)", "(N, C, H, W)"]),
        (["resnet18:layer4"], ["7x7 pixels", "6x6", "--metric psnr does not"]),
        (["resnet18:layer1", "--weights", "gone.pth"], ["--weights 'gone.pth'", "No such file"]),
        (["resnet18:layer1", "--features", "vgg11:features.1", "--weights", "x"], ["--weights 'x'", "resnet18, vgg11"]),
        (["resnet18:layer1", "--normalize", "imagenet"], ["--normalize 'imagenet'", "three colours"]),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(run, arguments, said):
    run("compare", "--image", "skimage:coffee", "--pool", "avg", "--features", *arguments).fails(*said)


def test_compare_says_on_what_it_measured(run, tmp_path):
    arguments = ["--image", "skimage:coffee", "--features", "resnet18:layer1", "--features", "timm/resnet18:maxpool"]
    page = tmp_path / "page.html"
    run("compare", *arguments, "--pool", "avg", "--pool", "lip", "--pool", "dpp", "--format", "json", "--report", page)
    assert run.code == 0, run.err
    result = json.loads(run.out)
    assert [row["image"] for row in result["rows"][::3]] == [f"skimage:coffee @ {spec}" for spec in arguments[3::2]]
    assert all(row["error"] is None and row["data_range"] > 1 for row in result["rows"])
    entry = result["metadata"]["images"][0]
    assert (entry["channels"], entry["width"], entry["height"]) == (64, 56, 56)
    assert "resize_size=[256]" in entry["preprocess"] and "crop_size=[224]" in entry["preprocess"]
    assert "features of resnet18:layer1, random weights of seed 0" in page.read_text()
