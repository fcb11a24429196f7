"""``--like MODEL:LAYER``: the windows and the shape of a network's pool, and one line where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_cli import Cli

import poolzoo
from poolzoo.analysis.inputs.layer_windows import find_layer_window
from poolzoo.registry import GEOMETRY

#: A network of many pools, in a file; the sizes of what each one pools are counted by hand below.
NETWORK = """
import torch
from torch import nn

import poolzoo


class Own(nn.MaxPool2d):
    def forward(self, x):
        return super().forward(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 7, stride=2, padding=3)
        self.stage = nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d((2, 3), ceil_mode=True), nn.LPPool2d(2, 2))
        self.soft = poolzoo.SoftPool2d(3, 2, padding=1, dilation=2)
        self.halves, self.thirds = nn.AdaptiveAvgPool2d((None, 2)), nn.AdaptiveMaxPool2d(3)
        self.head = nn.AdaptiveAvgPool2d(1)
        self.random, self.own, self.unused = nn.FractionalMaxPool2d(2, 3), Own(2), nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        y = self.soft(self.stage(self.stem(x)))
        return self.head(y), self.halves(y), self.thirds(y)


def net():
    return Net()


def wide():
    return Net(), torch.zeros(2, 3, 160, 200)


def line():
    return nn.Sequential(nn.MaxPool1d(3, 2)), torch.zeros(4, 50)


def volume():
    return nn.Sequential(nn.MaxPool3d(2)), torch.zeros(1, 1, 8, 8, 8)


def number():
    return 3


def failing():
    raise RuntimeError("no\\nweights")


def narrow():
    return nn.Sequential(nn.Linear(3, 4), nn.MaxPool2d(2)), torch.zeros(1, 7)
"""


@pytest.fixture
def net(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("networks.py").write_text(NETWORK)
    return "networks.py"


def window(**given: object) -> dict:
    return dict(zip(GEOMETRY, (None, None, 0, 1, False), strict=True)) | given


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("net:stage.0", window(kernel_size=3, stride=2, padding=1)),
        ("net:stage.1", window(kernel_size=(2, 3), stride=(2, 3), ceil_mode=True)),
        ("net:stage.2", window(kernel_size=2)),
        ("net:soft", window(kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2))),
    ],
)
def test_a_layer_has_its_own_windows(net, layer, expected):
    found = find_layer_window(f"{net}:{layer}")
    assert (found.window, found.ndim, found.shape) == (expected, 2, None)


@pytest.mark.parametrize(
    ("layer", "shape", "kernel"),
    [
        # 224 -> 112 by the convolution -> 56, 56 -> 28, 19 (rounded up) -> 14, 9 -> 6, 4 by windows that span 5.
        ("net:stage.0", (1, 8, 112, 112), 3),
        ("net:stage.1", (1, 8, 56, 56), (2, 3)),
        ("net:stage.2", (1, 8, 28, 19), 2),
        ("net:soft", (1, 8, 14, 9), (3, 3)),
        ("net:head", (1, 8, 6, 4), (6, 4)),
        ("net:halves", (1, 8, 6, 4), (1, 2)),
        ("wide:stage.0", (2, 8, 80, 100), 3),
        ("line:0", (1, 4, 50), 3),
        ("volume:0", (1, 1, 8, 8, 8), 2),
    ],
)
def test_the_shape_is_that_of_the_tensor_in_the_network(net, layer, shape, kernel):
    found = find_layer_window(f"{net}:{layer}", shaped=True)
    assert (found.shape, found.window["kernel_size"]) == (shape, kernel)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("resnet18", "MODEL:LAYER is needed"),
        ("networks.py:net", "FILE.py:FUNCTION is needed"),
        ("missing.py:net:pool", "missing.py: no such file"),
        ("networks.py:nets:stage.0", "networks.py has no function 'nets'"),
        ("networks.py:number:pool", "number() must return a network, or it and its input"),
        ("networks.py:failing:pool", "failing() failed: RuntimeError: no weights"),
        ("broken.py:net:pool", "broken.py: SyntaxError"),
        ("networks.py:net:stage.7", "has no such layer; it has stage"),
        ("networks.py:net:stem", "the layer is a Conv2d and no pool"),
        ("networks.py:net:stage", "the layer is a Sequential and no pool; its pools are 0, 1, 2"),
        ("networks.py:net:own", "the layer is a Own, a pool with windows of its own"),
        ("networks.py:net:random", "the layer is a FractionalMaxPool2d, without a kernel and a stride"),
        ("networks.py:net:thirds", "pools 6x4 to 3x3 values: its windows have several sizes"),
        ("networks.py:net:unused", "the network gives the layer no tensor in evaluation"),
        ("networks.py:volume:0", "pools over 3 spatial axes; here 2 are pooled"),
    ],
)
def test_what_is_no_pool_is_one_line(net, spec, words):
    Path("broken.py").write_text("def net(:")
    with pytest.raises(ValueError, match="like ") as caught:
        poolzoo.compare(np.zeros((40, 40, 3)), pool="avg", like=spec)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_that_does_not_take_its_example_is_one_line(net):
    with pytest.raises(ValueError, match="the network does not take its example: RuntimeError"):
        poolzoo.profile(pool="avg", like=f"{net}:narrow:1")


def test_every_study_takes_the_windows_of_a_layer(net, tmp_path, monkeypatch, capsys):
    """Each as the command line has it, and the rows state the window."""
    run = Cli(monkeypatch, capsys)
    photo = ("--image", "skimage:cell")
    stem, wide = ("--like", f"{net}:net:stage.0"), ("--like", f"{net}:wide:stage.0")
    compared = json.loads(run("compare", *photo, "--pool", "avg", *stem, "--metric", "psnr", "--format", "json").out)
    swept = json.loads(
        run("sweep", *photo, "--pool", "lp", "--over", "p=2,3", *stem, "--metric", "psnr", "--format", "json").out
    )
    profiled = json.loads(run("profile", "--pool", "avg", *wide, "--min-time", "0.001", "--format", "json").out)
    for row in (*compared["rows"], *swept["rows"], *profiled["rows"]):
        assert (row["kernel_size"], row["stride"], row["padding"], row["dilation"]) == (3, 2, 1, 1)
        assert row["error"] is None
    assert {row["shape"] for row in profiled["rows"]} == {"2x8x80x100"}
    shaped = run("profile", "--pool", "avg", *wide, "--shape", "1x1x9x9", "--min-time", "0.001")
    assert "1x1x9x9" in shaped.out and "kernel 3, stride 2, padding 1" in shaped.out
    run("visualize", "weights", *photo, "--pool", "avg", *stem, "--output", "w.png")
    assert Path("w.png").exists()
    fitted = run(
        "fit", "--pool", "mixed", "--images", "skimage:cell", "--steps", "1", *stem, "--output", "m.safetensors"
    )
    assert "kernel 3, stride 2, padding 1" in fitted.out
    run("compare", *photo, "--like", f"{net}:net:stem").fails(
        f"--like {net}:net:stem: the layer is a Conv2d and no pool"
    )
    run("compare", *photo, *stem, "--kernel-size", "3").fails("--kernel-size and --like exclude each other")
    run("compare", *photo, *stem, *stem).fails("--like: given 2 times; once is allowed")
    with pytest.raises(ValueError, match="stride=2: not used with like"):
        poolzoo.compare("skimage:cell", pool="avg", like=stem[1], stride=2)


def test_the_stem_of_resnet18_is_that_of_torchvision_and_timm():
    pytest.importorskip("torchvision", reason="the networks are torchvision's")
    pytest.importorskip("timm", reason="and timm's")
    for name in ("resnet18", "timm/resnet18"):
        found = find_layer_window(f"{name}:maxpool", shaped=True)
        assert found.window == window(kernel_size=3, stride=2, padding=1)
        assert found.shape == (1, 64, 112, 112)
    assert find_layer_window("resnet18:avgpool").window["kernel_size"] == (7, 7)
    assert find_layer_window("timm/resnet18:global_pool.pool").window["kernel_size"] == (7, 7)
    with pytest.raises(ValueError, match="its pools are pool"):
        find_layer_window("timm/resnet18:global_pool")
    with pytest.raises(ValueError, match="torchvision has no such network; did you mean resnet18"):
        find_layer_window("resnet81:maxpool")
    with pytest.raises(ValueError, match="has no such layer; it has maxpool"):
        find_layer_window("resnet18:maxpol")
