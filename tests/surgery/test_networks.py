"""replace_pools on the networks of torchvision and timm: they run, train, compile, export, and keep their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo import replace_pools
from poolzoo.operators import Pool

torchvision = pytest.importorskip("torchvision", reason="the networks are torchvision's")

#: How many max and windowed average pools each has, counted in torchvision's and timm's code.
TORCHVISION = {
    "alexnet": 3,
    "vgg11": 5,
    "squeezenet1_1": 3,
    "resnet18": 1,
    "resnext50_32x4d": 1,
    "densenet121": 4,
    "googlenet": 13,
    "inception_v3": 14,
    "shufflenet_v2_x0_5": 1,
    "maxvit_t": 4,
}
TIMM = {
    "resnet18": 1,
    "resnet26d": 4,
    "skresnet18": 1,
    "densenet121": 4,
    "dla34": 6,
    "res2net50_26w_4s": 5,
    "inception_v3": 13,
    "legacy_xception": 4,
    "poolformer_s12": 12,
}


def make(library: str, name: str) -> nn.Module:
    if library == "torchvision":
        extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        return torchvision.models.get_model(name, weights=None, **extra)
    timm = pytest.importorskip("timm", reason="the networks are timm's")
    return timm.create_model(name, pretrained=False)


def size(name: str) -> int:
    return {"inception_v3": 299, "maxvit_t": 224, "legacy_xception": 128}.get(name, 96)


def logits(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output.logits


@pytest.mark.parametrize(
    ("library", "name", "pools"),
    [("torchvision", *row) for row in TORCHVISION.items()] + [("timm", *row) for row in TIMM.items()],
)
def test_a_network_runs_and_trains_with_another_operator(library: str, name: str, pools: int) -> None:
    old = make(library, name)
    x = torch.randn(2, 3, size(name), size(name))
    new: Any = replace_pools(old, "softpool", example=x, verbose=False)
    replaced = new.pool_report.replaced
    assert len(replaced) == pools == sum(isinstance(module, Pool) for module in new.modules())
    assert all("global_pools=True replaces it" in row.why for row in new.pool_report.left_alone)
    assert isinstance(new, type(old))
    assert list(new.state_dict()) == list(old.state_dict())
    with torch.no_grad():
        before, after = logits(old.eval()(x)), logits(new.eval()(x))
    assert after.shape == before.shape and after.isfinite().all()
    F.cross_entropy(logits(new.train()(x)), torch.tensor([0, 1])).backward()
    assert all(p.grad is not None for key, p in new.named_parameters() if "aux" not in key.lower())
    torch.optim.SGD(new.parameters(), 0.01).step()
    assert logits(new(x)).isfinite().all()


@pytest.mark.parametrize(
    ("name", "heads"), [("resnet18", 1), ("densenet121", 1), ("efficientnet_b0", 17), ("vgg11", 1)]
)
def test_heads_are_replaced_where_asked_for(name: str, heads: int) -> None:
    old, x = make("torchvision", name).eval(), torch.randn(1, 3, 64, 64)
    stem: Any = replace_pools(old, "avg", allow_none=True, verbose=False)
    assert len(stem.pool_report.left_alone) == heads
    new: Any = replace_pools(
        old, "avg", lambda path, module: not hasattr(module, "kernel_size"), global_pools=True, verbose=False
    )
    assert len(new.pool_report.replaced) == heads
    with torch.no_grad():
        torch.testing.assert_close(new(x), old(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "inception_v3"])
def test_max_in_the_place_of_max_changes_nothing(name: str) -> None:
    old = make("torchvision", name).eval()
    new: Any = replace_pools(old, "max", lambda path, module: type(module) is nn.MaxPool2d, verbose=False)
    x = torch.randn(1, 3, size(name), size(name))
    with torch.no_grad():
        assert torch.equal(new(x), old(x))


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_learnable_operators_learn_their_channels(name: str) -> None:
    new: Any = replace_pools(make("torchvision", name), "lip", example=torch.zeros(1, 3, 64, 64), verbose=False)
    new(torch.randn(2, 3, 64, 64)).sum().backward()
    gates = [p for key, p in new.named_parameters() if ".logit.conv" in key]
    assert gates and all(p.grad is not None and p.grad.abs().sum() > 0 for p in gates)


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_compile_agrees_with_eager(name: str) -> None:
    new = replace_pools(make("torchvision", name), "softpool", verbose=False).eval()
    x = torch.randn(2, 3, 64, 64)
    compiled = torch.compile(new, fullgraph=True, backend="inductor" if name == "resnet18" else "aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), new(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_onnx_agrees_with_eager(name: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="runs what was exported")
    new = replace_pools(make("torchvision", name), "softpool", verbose=False).eval()
    x = torch.randn(2, 3, 64, 64)
    torch.onnx.export(new, (x,), str(tmp_path / "net.onnx"), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(got), new(x), rtol=1e-5, atol=1e-5)
