"""The published networks: their checkpoints' names, their pools, and what their pools give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import oracles
import pytest
import torch
import torch.nn.functional as F
from published import LIP, LIP_MILLIONS, SOFTPOOL, Shapes
from torch import Tensor, nn

from poolzoo import create_model, list_models
from poolzoo.operators import Pool

torchvision = pytest.importorskip("torchvision", reason="the networks are torchvision's")

EVERY = [("softpool", name) for name in SOFTPOOL] + [("lip", name) for name in LIP]


def tensors(shapes: Shapes) -> dict[str, Tensor]:
    return {name: torch.zeros(shape, dtype=torch.float32 if shape else torch.int64) for name, shape in shapes.items()}


def pools(model: nn.Module) -> dict[str, nn.Module]:
    return {path: module for path, module in model.named_modules() if isinstance(module, Pool)}


@pytest.mark.parametrize(("pool", "published"), [("softpool", SOFTPOOL), ("lip", LIP)])
def test_every_published_network_is_listed(pool: str, published: dict[str, Shapes]) -> None:
    assert list_models(pool) == list(published)


@pytest.mark.parametrize(("pool", "name"), EVERY)
def test_published_state_dict_loads_strictly(pool: str, name: str) -> None:
    with torch.device("meta"):  # names and shapes, without the gigabytes
        state = tensors((LIP if pool == "lip" else SOFTPOOL)[name])
        model = create_model(name, pool, weights=state)
    assert set(model.state_dict()) == set(state)


@pytest.mark.parametrize("name", LIP_MILLIONS)
def test_lip_networks_have_the_published_number_of_parameters(name: str) -> None:
    with torch.device("meta"):
        model = create_model(name, "lip")
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == LIP_MILLIONS[name]


@pytest.mark.parametrize("wrapped", [True, False])
def test_checkpoint_files_are_read_as_training_left_them(tmp_path: Path, wrapped: bool) -> None:
    state = {name: torch.randn(shape) if shape else torch.tensor(7) for name, shape in SOFTPOOL["resnet18"].items()}
    held: Any = {"epoch": 90, "state_dict": {f"module.{k}": v for k, v in state.items()}} if wrapped else state
    torch.save(held, tmp_path / "best.pth")
    loaded = create_model("resnet18", weights=tmp_path / "best.pth").state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^weights: these are not .* of resnet18 .*layer1.2.conv1.weight") as refused:
        create_model("resnet18", weights=tensors(SOFTPOOL["resnet50"]))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "path"), [("resnet18", "maxpool"), ("densenet121", "features.pool0")])
def test_only_the_stem_pools_softly_in_resnets_and_densenets(name: str, path: str) -> None:
    found = pools(create_model(name))
    assert list(found) == [path]
    assert repr(found[path]) == "SoftPool2d(kernel_size=2, stride=2)"


def test_inception_keeps_no_pool_but_the_global_ones() -> None:
    found = pools(create_model("inception_v3", aux_logits=True))
    windows = {path: (p.kernel_size[0], p.stride[0], p.padding[0]) for path, p in found.items()}
    even = {f"Mixed_{block}.avg_pool2d": (3, 1, 1) for block in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b", "7c")}
    halving = dict.fromkeys(("maxpool1", "maxpool2", "Mixed_6a.max_pool2d", "Mixed_7a.max_pool2d"), (3, 2, 0))
    assert windows == even | halving | {"AuxLogits.avg_pool2d": (5, 3, 0)}


def test_another_operator_stands_in_the_same_places() -> None:
    model = create_model("resnet18", "lp:p=3")
    assert repr(model.maxpool) == "LpPool2d(kernel_size=2, stride=2, p=3)"


@pytest.mark.parametrize(("kernel_size", "stride", "padding"), [(2, 2, 0), (3, 2, 0), (3, 1, 1), (5, 3, 0)])
@pytest.mark.parametrize("sizes", [(7, 8), (9, 11)])
def test_centred_windows_are_those_of_the_authors_first_kernel(
    kernel_size: int, stride: int, padding: int, sizes: tuple[int, int]
) -> None:
    from poolzoo import SoftPool2d
    from poolzoo.surgery.recipes import _Centred

    x = torch.randn(1, 1, *sizes, dtype=torch.float64)
    got = _Centred(SoftPool2d(kernel_size, stride, padding))(x)
    a, (height, width) = x[0, 0].numpy(), sizes
    expected = np.zeros((height // stride, width // stride))
    for ph in range(height // stride):
        for pw in range(width // stride):
            rows = [r for i in range(kernel_size) if 0 <= (r := ph * stride + i - kernel_size // 2) < height]
            cols = [c for i in range(kernel_size) if 0 <= (c := pw * stride + i - kernel_size // 2) < width]
            expected[ph, pw] = oracles.softpool([a[r, c] for r in rows for c in cols])
    np.testing.assert_allclose(got[0, 0].numpy(), expected, rtol=1e-12, atol=1e-12)


def test_centred_replaces_every_pool_of_inception() -> None:
    model = create_model("inception_v3", centred=True)
    assert all(type(model.get_submodule(path.rpartition(".")[0])).__name__ == "_Centred" for path in pools(model))
    assert len(pools(model)) == 13


def lip_average(x: Tensor, logit: Tensor) -> Tensor:
    """As the LIP authors wrote it: a ratio of average pools of 3x3, stride 2, padding 1."""
    weight = logit.exp()
    return F.avg_pool2d(x * weight, 3, 2, 1) / F.avg_pool2d(weight, 3, 2, 1)


def test_lip_block_is_the_papers() -> None:
    """A strided block from its state dict alone, with torch's own layers."""
    model = create_model("resnet50", "lip").double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    block, w = model.layer2[0], model.layer2[0].state_dict()
    x = torch.randn(2, 256, 8, 6, dtype=torch.float64)

    def norm(y: Tensor, at: str) -> Tensor:
        return F.instance_norm(y, weight=w[f"{at}.weight"], bias=w[f"{at}.bias"])

    def batch(y: Tensor, at: str) -> Tensor:
        return F.batch_norm(y, *(w[f"{at}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))

    def pooled(y: Tensor, at: str) -> Tensor:
        logit = norm(F.conv2d(shared, w[f"{at}.postprocessing.conv.weight"]), f"{at}.postprocessing.bn")
        return lip_average(y, 12 * torch.sigmoid(logit))

    logit = "bottleneck_shared.logit"
    shared = F.relu(norm(F.conv2d(x, w[f"{logit}.conv1.weight"]), f"{logit}.bn1"))
    shared = F.relu(norm(F.conv2d(shared, w[f"{logit}.conv2.weight"], padding=1), f"{logit}.bn2"))
    y = F.relu(batch(F.conv2d(x, w["conv1.weight"]), "bn1"))
    y = F.relu(batch(F.conv2d(pooled(y, "conv2.0"), w["conv2.1.weight"]), "bn2"))
    y = batch(F.conv2d(y, w["conv3.weight"]), "bn3")
    shortcut = batch(F.conv2d(pooled(x, "downsample.lip"), w["downsample.conv.weight"]), "downsample.bn")
    torch.testing.assert_close(block(x), F.relu(y + shortcut), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("pool", "name", "centred"),
    [
        ("softpool", "resnet18", False),
        ("softpool", "resnet18", True),
        ("softpool", "inception_v3", False),
        ("softpool", "inception_v3", True),
        ("softpool", "densenet121", False),
        ("lip", "resnet50", False),
        ("lip", "densenet121", False),
    ],
)
def test_one_training_step(pool: str, name: str, centred: bool) -> None:
    model = create_model(name, pool, num_classes=5, centred=centred)
    size = 299 if name == "inception_v3" else 64
    logits = model(torch.randn(2, 3, size, size))
    F.cross_entropy(logits, torch.tensor([1, 3])).backward()
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    torch.optim.SGD(model.parameters(), 0.1).step()
    assert any(not torch.equal(p, before[key]) for key, p in model.named_parameters())


@pytest.mark.parametrize(
    ("name", "pool", "arguments", "words"),
    [
        ("resnet20", "softpool", {}, "name='resnet20': no such network"),
        ("resnet18", "lip", {}, "name='resnet18': no such network with pool='lip'; allowed: resnet152"),
        ("resnet50", "sofpool", {}, "pool='sofpool': no such operator"),
        ("resnet50", "lip:width=3", {}, "LIP's networks fix both"),
        ("resnet50", "lip", {"centred": True}, "LIP's networks fix both"),
    ],
)
def test_wrong_use_is_answered(name: str, pool: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as refused:
        create_model(name, pool, **arguments)
    assert words in str(refused.value)
