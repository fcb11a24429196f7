"""Whole models: what convert_to_checkered makes of them, against networks of checkered layers written by hand."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pools import distinct
from torch import Tensor, nn

import poolzoo
from poolzoo import convert_to_checkered
from poolzoo.checkered import CheckeredAvgPool2d, CheckeredConv2d, CheckeredMaxPool2d, set_sampler


class Residual(nn.Module):
    """A stem, a block whose branches are both strided, a head: ResNet in small."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.conv2 = nn.Conv2d(4, 6, 3, 2, 1)
        self.downsample = nn.Sequential(nn.Conv2d(4, 6, 1, 2, bias=False), nn.BatchNorm2d(6))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = F.relu(self.conv2(x) + self.downsample(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Secretive(Residual):
    """The same, with a forward pass that torch.fx cannot trace."""

    def forward(self, x: Tensor) -> Tensor:
        if x.abs().sum() < 0:
            raise AssertionError
        return super().forward(x)


class Calling(nn.Module):
    """Pools and dropout called in forward, at two depths; the classifier is not linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding="same")
        self.fc1, self.fc2 = nn.Linear(16, 8), nn.Linear(8, 3)
        self.register_buffer("mean", torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(x - self.mean).relu(), 2)
        x = F.avg_pool2d(input=self.conv2(x), kernel_size=3, stride=2)
        x = F.dropout(x, 0.5, training=self.training)
        x = F.adaptive_avg_pool2d(x, 2).reshape(x.size(0), -1)
        return self.fc2(self.fc1(x).tanh())


def settle(model: nn.Module) -> nn.Module:
    """Batch normalisation with statistics of its own, in float64 and evaluation mode."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.linspace(-0.3, 0.4, module.num_features)
            module.running_var = torch.linspace(0.5, 2, module.num_features)
    return model.double().eval()


def pictures(size: int = 32, batch: int = 2) -> Tensor:
    return distinct(batch, 3, size, size, dtype=torch.float64)


def checkered_conv(conv: nn.Conv2d, sampler: Any) -> CheckeredConv2d:
    made = CheckeredConv2d(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, bias=conv.bias is not None,
        sampler=sampler,
    )  # fmt: skip
    made.load_state_dict(conv.state_dict())
    return made.double()


def by_hand(model: Residual, x: Tensor, sampler: Any) -> Tensor:
    """The forward pass of Residual, over (N, C, S, H, W)."""

    def norm(bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
        return F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=bn.eps)

    x = norm(model.bn1, checkered_conv(model.conv1, sampler)(x.unsqueeze(2))).relu()
    x = CheckeredMaxPool2d(3, 2, 1, sampler=sampler)(x)
    conv, bn = model.downsample
    x = (checkered_conv(model.conv2, sampler)(x) + norm(bn, checkered_conv(conv, sampler)(x))).relu()
    return model.fc(x.mean((2, 3, 4)))


@pytest.mark.parametrize("sampler", ["naive", 1, "lattice", "complete", "top-left", (0, 2, 1)], ids=str)
@pytest.mark.parametrize("kind", [Residual, Secretive])
def test_a_converted_model_is_the_network_by_hand(kind, sampler):
    model, x = settle(kind()), pictures(40)
    converted = convert_to_checkered(model, sampler)
    assert converted.conversion.traced == (kind is Residual)
    expected = by_hand(model, x, sampler)
    torch.testing.assert_close(converted(x), expected, rtol=0, atol=1e-12)
    if sampler == "top-left":
        assert torch.equal(converted(x), model(x))
    else:
        assert not torch.allclose(expected, model(x), atol=1e-6)


def test_calls_in_the_forward_pass_are_converted():
    model, x = settle(Calling()), pictures(20)
    converted = convert_to_checkered(model)
    assert converted.conversion.converted == [
        "max_pool2d(kernel_size=2) in forward",
        "avg_pool2d(kernel_size=3, stride=2) in forward",
    ]
    y = CheckeredMaxPool2d(2)(model.conv1(x - 0.5).relu().unsqueeze(2))
    y = y.transpose(1, 2).flatten(0, 1)  # the submaps, as more pictures
    y = CheckeredAvgPool2d(3, 2)(model.conv2(y).unflatten(0, (2, 2)).transpose(1, 2))
    features = torch.stack([F.adaptive_avg_pool2d(y[:, :, s], 2) for s in range(4)]).mean(0).flatten(1)
    expected = model.fc2(model.fc1(features).tanh())
    torch.testing.assert_close(converted(x), expected, rtol=0, atol=1e-12)
    set_sampler(converted, "top-left")
    assert torch.equal(converted(x), model(x))


def test_training_and_evaluation_each_have_their_forward_pass():
    converted, x = convert_to_checkered(settle(Calling())), pictures(20)
    assert torch.equal(converted(x), converted(x))
    converted.train()
    assert not torch.equal(converted(x), converted(x)), "dropout is for training"
    assert torch.equal(converted.eval()(x), converted(x))


def test_converting_leaves_the_model_alone():
    model = Residual().train()
    model.bn1.eval()
    kept = copy.deepcopy(model)
    x = pictures().float()
    converted = convert_to_checkered(model)
    assert type(model) is Residual and type(model.conv1) is nn.Conv2d
    assert [m.training for m in model.modules()] == [m.training for m in kept.modules()]
    assert converted.training and not converted.bn1.training
    with torch.no_grad():
        converted.conv1.weight.zero_()
    assert torch.equal(model(x), kept(x))


@pytest.mark.parametrize("kind", [Residual, Secretive, Calling])
def test_weights_keep_their_names(kind):
    model = kind()
    converted = convert_to_checkered(model)
    assert isinstance(converted, kind)
    assert list(converted.state_dict()) == list(model.state_dict())
    other = kind()
    converted.load_state_dict(other.state_dict(), strict=True)
    other.load_state_dict(converted.state_dict(), strict=True)
    set_sampler(converted.eval(), "top-left")
    x = pictures(20).float()
    assert torch.equal(converted(x), other.eval()(x))
    assert {name for name, _ in converted.named_parameters()} == {name for name, _ in model.named_parameters()}


COPIERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "copy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


class Chain(nn.Sequential):
    """Runs whatever modules it has, with a pool that it calls."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3, 2), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(super().forward(x), 2)


class SecretiveChain(Chain):
    def forward(self, x: Tensor) -> Tensor:
        assert len(x) > 0
        return super().forward(x)


@pytest.mark.parametrize("copier", COPIERS)
@pytest.mark.parametrize("kind", [Residual, Secretive, Calling, Chain, SecretiveChain])
def test_copies_and_casts_compute_the_same(kind, copier):
    x = pictures(20)
    converted = convert_to_checkered(kind(), "lattice").eval()
    twin = COPIERS[copier](converted)
    assert torch.equal(twin(x.float()), converted(x.float()))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert converted(x.float()).abs().max() > 0, "a copy shares its parameters"
    # Parameters and buffers, wherever they lie, are those that the model has now.
    converted.double()
    assert converted(x).dtype == torch.float64
    torch.testing.assert_close(converted(x).float(), converted.float()(x.float()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [Residual, Secretive])
def test_a_training_step_reaches_every_weight(kind):
    model, x = kind(), pictures().float()
    converted = convert_to_checkered(model).train()
    optimizer = torch.optim.SGD(converted.parameters(), 0.1)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = F.cross_entropy(converted(x), torch.tensor([1, 3]))
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in converted.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_batch_normalisation_goes_over_all_submaps():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4, momentum=1.0)).double().train()
    x = pictures(9)
    converted = convert_to_checkered(model)
    converted(x)
    maps = checkered_conv(model[0], "naive")(x.unsqueeze(2))
    torch.testing.assert_close(converted[1].running_mean, maps.mean((0, 2, 3, 4)), rtol=0, atol=1e-12)
    torch.testing.assert_close(converted[1].running_var, maps.var((0, 2, 3, 4)), rtol=0, atol=1e-12)


class Twins(nn.Module):
    """The difference of two equal branches."""

    def __init__(self, secretive: bool) -> None:
        super().__init__()
        self.secretive = secretive
        self.a, self.b = nn.Conv2d(3, 2, 1, 3), nn.Conv2d(3, 2, 1, 3)
        self.b.load_state_dict(self.a.state_dict())
        self.c = nn.Conv2d(2, 2, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        if self.secretive and x.sum() == 0.12345:
            return x
        return self.c(self.a(x) + 1) - self.c(self.b(x) + 1)


@pytest.mark.parametrize("secretive", [False, True])
@pytest.mark.parametrize("sampler", ["random", "tri"])
def test_branches_that_meet_are_sampled_alike(secretive, sampler):
    converted = convert_to_checkered(Twins(secretive).double(), sampler).train()
    assert converted.conversion.traced != secretive
    x = pictures(24)
    for _ in range(10):
        assert not converted(x).any()
    with torch.no_grad():
        converted.b.weight.neg_()
    draws = {tuple(converted(x).flatten().tolist()) for _ in range(60)}
    assert len(draws) > (4 if sampler == "random" else 30), "of 2 * 4 and of 6 * 216"


class Shortcut(nn.Module):
    """A shortcut that slices, as CIFAR's ResNets do: it keeps one phase whatever the other branch does."""

    def __init__(self, secretive: bool = False) -> None:
        super().__init__()
        self.secretive, self.conv = secretive, nn.Conv2d(3, 3, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.secretive and x.sum() == 0.12345:
            return x
        return self.conv(x) + x[:, :, ::2, ::2]


def test_submaps_that_do_not_match_are_answered():
    with pytest.raises(ValueError, match=r"model: submaps do not match at 'add', .* after 0 .* and 1 strided layers"):
        convert_to_checkered(Shortcut())
    for batch in (1, 2):
        with pytest.raises(ValueError, match="model: submaps do not match where add brings branches together: 1 and 2"):
            convert_to_checkered(Shortcut(secretive=True))(pictures(batch=batch).float())


class Pooled(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def test_a_model_with_nothing_to_convert_is_answered():
    with pytest.raises(ValueError, match="model: Pooled has nothing to convert; a convolution, max_pool or avg_pool"):
        convert_to_checkered(Pooled(nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 1), nn.AdaptiveAvgPool2d(1)))
    with pytest.raises(ValueError, match="layers.0: LPPool2d, stride 2, has no checkered form"):
        convert_to_checkered(Pooled(nn.LPPool2d(2, 2)))
    with pytest.raises(ValueError, match=r"sampler=\(0, 2\): a permutation"):
        convert_to_checkered(Residual(), (0, 2))
    with pytest.raises(ValueError, match="Residual has no checkered layer"):
        set_sampler(Residual(), "naive")


def test_what_could_not_be_converted_is_listed():
    model = Pooled(nn.Conv2d(3, 4, 3, 2), nn.LPPool2d(2, 2), poolzoo.SoftPool2d(2), nn.MaxPool2d(2))
    with pytest.warns(UserWarning, match="not converted: layers.1: LPPool2d, stride 2, has no checkered form"):
        converted = convert_to_checkered(model)
    assert converted.conversion.converted == ["layers.0", "layers.3"]
    assert list(converted.conversion.unconverted) == ["layers.1", "layers.2"]
    assert str(converted.conversion).startswith("checkered: layers.0, layers.3\nnot converted: layers.1")
    assert converted(pictures(33).float()).shape == model(pictures(33).float()).shape
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        convert_to_checkered(Residual())


class Standardised(nn.Conv2d):
    """A convolution whose weights are computed: a subclass with a forward pass of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight - self.weight.mean(), self.bias, self.stride)


def test_a_convolution_that_is_no_layer_is_converted():
    model = Pooled(Standardised(3, 4, 3, 2), nn.MaxPool2d(2)).double()
    converted = convert_to_checkered(model)
    assert converted.conversion.traced
    assert converted.conversion.converted == ["conv2d(stride=(2, 2)) in forward", "layers.1"]
    x, plain = pictures(15), checkered_conv(model.layers[0], "naive")
    with torch.no_grad():
        plain.weight -= plain.weight.mean()
    expected = CheckeredMaxPool2d(2)(plain(x.unsqueeze(2))).mean(2)
    torch.testing.assert_close(converted(x), expected, rtol=0, atol=1e-12)


class Block(nn.Module):
    """Has a stride, and is no layer; torch.fx cannot trace it, but its convolution's calls are caught."""

    def __init__(self) -> None:
        super().__init__()
        self.stride, self.conv = 2, Standardised(3, 4, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) if x.sum() else x


def test_what_is_caught_is_listed_by_layer():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        converted = convert_to_checkered(Pooled(Block(), nn.ReLU()))
    assert not converted.conversion.traced
    assert converted.conversion.converted == ["layers.0.conv"]
    with pytest.raises(ValueError, match="CheckeredPooled is already converted; set_sampler"):
        convert_to_checkered(converted)
    set_sampler(converted, "top-left")
    x = pictures(15).float()
    single = converted(x)
    set_sampler(converted, "complete")
    dense = F.conv2d(F.pad(x, (0, 1, 0, 1)), (w := converted.layers[0].conv.weight) - w.mean(),
                     converted.layers[0].conv.bias).relu()  # fmt: skip
    torch.testing.assert_close(converted(x), F.avg_pool2d(dense, 2), rtol=0, atol=1e-6)
    assert torch.equal(single, converted.layers[0].conv(x).relu())


class Indexed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y, _ = F.max_pool2d(x, 2, return_indices=True)
        return F.max_pool2d(F.avg_pool2d(y, 2), y.size(2) // 2)


def test_calls_that_cannot_be_converted_are_listed():
    with pytest.warns(UserWarning, match="its arguments are computed from the input"):
        converted = convert_to_checkered(Indexed())
    assert converted.conversion.converted == ["avg_pool2d(kernel_size=2) in forward"]
    assert sorted(converted.conversion.unconverted.values()) == [
        "its arguments are computed from the input",
        "return_indices=True: submaps have no dense map to index",
    ]


Outputs = namedtuple("Outputs", ["main", "deep"])


class Several(nn.Module):
    """Outputs of two depths, of one pool that is called twice."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form, self.pool = form, nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Any:
        main = self.pool(x)
        deep = self.pool(main)
        return {"tuple": (main, deep), "dict": {"main": main, "deep": deep}, "named": Outputs(main, deep)}[self.form]


@pytest.mark.parametrize("form", ["tuple", "dict", "named"])
@pytest.mark.parametrize("secretive", [False, True])
def test_every_output_is_averaged_over_its_submaps(form, secretive):
    x = pictures(8)

    class Hidden(Several):
        def forward(self, x: Tensor) -> Any:
            return super().forward(x if x.sum() else -x)

    model = Hidden(form) if secretive else Several(form)
    y = convert_to_checkered(model)(x)
    assert type(y) is {"tuple": tuple, "dict": dict, "named": Outputs}[form]
    main, deep = y.values() if form == "dict" else y
    pool = CheckeredMaxPool2d(2)
    once = pool(x.unsqueeze(2))
    torch.testing.assert_close(main, once.mean(2), rtol=0, atol=1e-12)
    torch.testing.assert_close(deep, pool(once).mean(2), rtol=0, atol=1e-12)


def test_sequences_are_converted_in_one_dimension():
    model = nn.Sequential(nn.Conv1d(3, 4, 3, 4, 1), nn.ReLU(), nn.Conv1d(4, 2, 3, 2, 1)).double()
    x = distinct(2, 3, 33, dtype=torch.float64)
    converted = convert_to_checkered(model)
    conv1, conv2 = (poolzoo.CheckeredConv1d(*a) for a in ((3, 4, 3, 4, 1), (4, 2, 3, 2, 1)))
    conv1.load_state_dict(model[0].state_dict())
    conv2.load_state_dict(model[2].state_dict())
    expected = conv2.double()(conv1.double()(x.unsqueeze(2)).relu()).mean(2)
    torch.testing.assert_close(converted(x), expected, rtol=0, atol=1e-12)
    set_sampler(converted, "top-left")
    assert torch.equal(converted(x), model(x))


class Attentive(nn.Module):
    """Squeeze and excitation by fully connected layers, around which the map goes on: no place to average."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.squeeze, self.fc = nn.Conv2d(3, 4, 3, 2), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x * self.squeeze(x.mean((2, 3))).sigmoid()[:, :, None, None]
        return self.fc(x.mean((2, 3)))


def test_submaps_are_averaged_where_nothing_goes_around():
    model, x = Attentive().double(), pictures(9)
    maps = checkered_conv(model.conv, "naive")(x.unsqueeze(2))
    maps = maps * model.squeeze(maps.mean((3, 4)).mT).sigmoid().mT[..., None, None]
    expected = model.fc(maps.mean((2, 3, 4)))
    torch.testing.assert_close(convert_to_checkered(model)(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sampler", ["naive", "lattice"])
def test_compiles_as_one_graph(sampler):
    torch._dynamo.reset()
    converted, x = convert_to_checkered(settle(Residual()), sampler), pictures()
    compiled = torch.compile(converted, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), converted(x), rtol=0, atol=1e-12)
    compiled = torch.compile(converted.train(), fullgraph=True, backend="eager")
    assert compiled(x).shape == (2, 5)


def test_compiles_with_random_samplers_too():
    torch._dynamo.reset()
    converted, x = convert_to_checkered(nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.MaxPool2d(2)), "random"), pictures(9)
    compiled = torch.compile(converted.float().train(), backend="eager")
    torch.manual_seed(3)
    y = compiled(x.float())
    torch.manual_seed(3)
    assert torch.equal(y, converted(x.float()))


def test_exports_with_any_batch():
    converted, x = convert_to_checkered(settle(Residual()), "lattice"), pictures()
    program = torch.export.export(converted, (x,), dynamic_shapes={"x": {0: torch.export.Dim("batch", min=2)}})
    many = pictures(batch=5)
    torch.testing.assert_close(program.module()(many), converted(many), rtol=0, atol=1e-12)


@pytest.mark.slow
def test_onnx_runs_to_the_same_values():
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    converted, x = convert_to_checkered(settle(Residual()), "lattice").float(), pictures().float()
    buffer = io.BytesIO()
    torch.onnx.export(converted, (x,), dynamo=True, verbose=False).save(buffer)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(y, converted(x).detach().numpy(), rtol=0, atol=1e-5)
