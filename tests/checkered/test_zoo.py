"""Conversions of torchvision's and timm's models: they run, train, keep their weights' names and, top-left, results."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo import convert_to_checkered
from poolzoo.checkered import set_sampler

#: Models and how many strided layers each has, counted in the papers' tables: stem, pools, and each stage's branches.
TORCHVISION = {
    "resnet18": 8,
    "resnet50": 8,
    "resnext50_32x4d": 8,
    "densenet121": 5,
    "vgg11": 5,
    "vgg16_bn": 5,
    "squeezenet1_0": 4,
    "squeezenet1_1": 4,
    "mobilenet_v2": 5,
    "googlenet": 5,
}
TIMM = {
    "resnet18": 8,
    "resnet26d": 8,
    "resnet50": 8,
    "seresnet50": 8,
    "densenet121": 5,
    "vgg11": 5,
    "vgg16_bn": 5,
    "efficientnet_b0": 5,
}
MODELS = [("torchvision", name) for name in TORCHVISION] + [("timm", name) for name in TIMM]


def make(library: str, name: str) -> nn.Module:
    torch.manual_seed(0)
    if library == "timm":
        timm = pytest.importorskip("timm", reason="timm's models are converted where timm is installed")
        return timm.create_model(name, num_classes=10)
    models = pytest.importorskip("torchvision.models", reason="torchvision's models, where it is installed")
    return models.get_model(name, weights=None, num_classes=10, **({"init_weights": False} if "goog" in name else {}))


def logits(y: object) -> Tensor:
    """The main output of a model that has auxiliary ones in training."""
    return y if isinstance(y, Tensor) else y.logits  # type: ignore[attr-defined]


def pictures(size: int = 64) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=MODELS, ids=["-".join(model) for model in MODELS])
def pair(request):
    """A model and its conversion, and how many strided layers it has."""
    library, name = request.param
    model = make(library, name)
    return model, convert_to_checkered(model), {"torchvision": TORCHVISION, "timm": TIMM}[library][name]


def test_every_strided_layer_is_converted(pair):
    model, converted, strided = pair
    assert len(converted.conversion.converted) == strided
    assert not converted.conversion.unconverted
    assert isinstance(converted, type(model))


def test_weights_keep_their_names(pair):
    model, converted, _ = pair
    assert list(converted.state_dict()) == list(model.state_dict())
    converted.load_state_dict(model.state_dict(), strict=True)
    model.load_state_dict(converted.state_dict(), strict=True)


def test_top_left_gives_the_models_own_result_to_the_bit(pair):
    model, converted, _ = pair
    x = pictures()
    set_sampler(converted, "top-left")
    with torch.no_grad():
        assert torch.equal(converted.eval()(x), model.eval()(x))
        set_sampler(converted, "lattice")
        y = converted(x)
    assert y.shape == (2, 10) and y.isfinite().all()
    assert not torch.equal(y, model(x))


@pytest.mark.parametrize("sampler", ["naive", "random"])
def test_a_training_step_reaches_every_weight(pair, sampler):
    converted = copy.deepcopy(pair[1]).train()
    set_sampler(converted, sampler)
    y = converted(pictures())
    loss = sum(F.cross_entropy(part, torch.tensor([1, 2])) for part in ([y] if isinstance(y, Tensor) else y))
    loss.backward()
    assert logits(y).shape == (2, 10)
    missing = [name for name, p in converted.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not missing
    before = [parameter.detach().clone() for parameter in converted.parameters()]
    torch.optim.SGD(converted.parameters(), 0.1).step()
    assert any(not torch.equal(old, new) for old, new in zip(before, converted.parameters(), strict=True))


@pytest.mark.parametrize("copier", ["copy", "pickle"])
def test_copies_compute_the_same(pair, copier):
    converted = pair[1].eval()
    set_sampler(converted, "lattice")
    twin = copy.deepcopy(converted) if copier == "copy" else pickle.loads(pickle.dumps(converted))
    x = pictures()
    with torch.no_grad():
        assert torch.equal(twin(x), converted(x))


def test_inception_is_converted_with_its_auxiliary_head():
    models = pytest.importorskip("torchvision.models", reason="torchvision's models, where it is installed")
    model = models.inception_v3(weights=None, num_classes=10, init_weights=False)
    converted = convert_to_checkered(model, "top-left")
    x = pictures(299)  # the auxiliary head takes no less
    with torch.no_grad():
        assert torch.equal(converted.eval()(x), model.eval()(x))
        set_sampler(converted.train(), "random")
        y = converted(x)
    assert type(y).__name__ == "InceptionOutputs"
    assert y.logits.shape == y.aux_logits.shape == (2, 10)


@pytest.fixture(params=[pytest.param("naive", marks=pytest.mark.grid), "lattice"])
def resnet18(request):
    models = pytest.importorskip("torchvision.models", reason="torchvision's models, where it is installed")
    torch.manual_seed(0)
    return convert_to_checkered(models.resnet18(weights=None), request.param).eval()


def test_resnet18_compiles_to_the_same_values(resnet18):
    torch._dynamo.reset()
    x = pictures()
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(resnet18, fullgraph=True)(x), resnet18(x), rtol=0, atol=1e-5)


def test_resnet18_compiles_for_training(resnet18):
    torch._dynamo.reset()
    twin = copy.deepcopy(resnet18).train()
    compiled = torch.compile(resnet18.train(), fullgraph=True, backend="aot_eager")
    x = pictures()
    for model in (compiled, twin):
        F.cross_entropy(model(x), torch.tensor([3, 4])).backward()
    for ours, expected in zip(resnet18.parameters(), twin.parameters(), strict=True):
        scale = expected.grad.abs().max().clamp(min=1)
        torch.testing.assert_close(ours.grad / scale, expected.grad / scale, rtol=0, atol=1e-3)


def test_resnet18_runs_in_onnx_to_the_same_values(resnet18):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    x = pictures()
    buffer = io.BytesIO()
    torch.onnx.export(resnet18, (x,), dynamo=True, verbose=False).save(buffer)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(y, resnet18(x).detach().numpy(), rtol=0, atol=1e-5)
