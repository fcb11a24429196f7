"""Conversions of four architectures and of single layers against a loop over submaps, a list of maps of its own.

The loop knows nothing of poolzoo. It does what the authors' conversion does (github.com/ShayanPersonal/checkered-cnn,
checkered_layers.py and models/): a strided layer gives each map twice, the second time moved by the phase with zeros
behind; batch normalisation, adaptive pools and Dropout2d go over all maps of a picture; the maps are averaged where the
features are flattened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo import convert_to_checkered

Maps = list[Tensor]

# The loop -------------------------------------------------------------------------------------------------------------

#: The two phases of the samplers, and which sampler each map takes, by how many there are: generate.py of the authors.
PHASES = {0: [(0, 0), (1, 1)], 1: [(0, 1), (1, 0)]}
LATTICE = {1: [0], 2: [0, 0], 4: [0, 1, 0, 1], 8: [0, 1, 1, 0, 0, 0, 1, 1]}


def at_phases(maps: Maps, sampler: Any, strided: Callable[[Tensor], Tensor], pad: int = 0, fill: float = 0.0) -> Maps:
    """All maps' first phases, then all maps' second."""
    which = LATTICE[len(maps)] if sampler == "lattice" else [sampler] * len(maps)
    kept = []
    for phase in (0, 1):
        for x, number in zip(maps, which, strict=True):
            down, right = PHASES[number][phase]
            padded = F.pad(x, (pad,) * 4, value=fill)
            kept.append(strided(F.pad(padded[:, :, down:, right:], (0, right, 0, down), value=fill)))
    return kept


def conv(maps: Maps, layer: nn.Conv2d, sampler: Any = 0) -> Maps:
    def apply(x: Tensor) -> Tensor:
        return F.conv2d(x, layer.weight, layer.bias, layer.stride)

    if layer.stride == (1, 1):
        return [apply(F.pad(x, layer.padding * 2)) for x in maps]
    return at_phases(maps, sampler, apply, layer.padding[0])


def max_pool(maps: Maps, sampler: Any, kernel: int, pad: int = 0, ceil: bool = False) -> Maps:
    return at_phases(maps, sampler, lambda x: F.max_pool2d(x, kernel, 2, ceil_mode=ceil), pad, -torch.inf)


def norm(maps: Maps, layer: nn.BatchNorm2d) -> Maps:
    """Over the maps of all pictures: their statistics in training, in evaluation those that are kept."""
    mean, var = layer.running_mean, layer.running_var
    if layer.training:
        values = torch.stack(maps)
        mean, var = values.mean((0, 1, 3, 4)), values.var((0, 1, 3, 4), correction=0)
    m, v, w, b = (t[None, :, None, None] for t in (mean, var, layer.weight, layer.bias))
    return [(x - m) / (v + layer.eps).sqrt() * w + b for x in maps]


def relu(maps: Maps) -> Maps:
    return [x.clamp(min=0) for x in maps]


def cat(*branches: Maps) -> Maps:
    return [torch.cat(parts, 1) for parts in zip(*branches, strict=True)]


def average(maps: Maps) -> Tensor:
    return sum(maps[1:], start=maps[0]) / len(maps)


# The architectures ----------------------------------------------------------------------------------------------------


class DenseLayer(nn.Sequential):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.add_module("norm1", nn.BatchNorm2d(channels))
        self.add_module("relu1", nn.ReLU(inplace=True))
        self.add_module("conv1", nn.Conv2d(channels, 4, 1, bias=False))
        self.add_module("norm2", nn.BatchNorm2d(4))
        self.add_module("relu2", nn.ReLU(inplace=True))
        self.add_module("conv2", nn.Conv2d(4, growth, 3, padding=1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, super().forward(x.clone())], 1)


class DenseNet(nn.Module):
    """Two transitions, and the pool over the whole map that the forward pass calls."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, bias=False),
            DenseLayer(4, 2),
            nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 1, bias=False), nn.AvgPool2d(2, 2)),
            DenseLayer(4, 2),
            nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 1, bias=False), nn.AvgPool2d(2, 2)),
            DenseLayer(4, 2),
            nn.BatchNorm2d(6),
        )
        self.classifier = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        features = self.features(x)
        out = F.relu(features, inplace=True)
        out = F.avg_pool2d(out, kernel_size=8).view(features.size(0), -1)
        return self.classifier(out)

    def loop(self, x: Tensor, sampler: Any) -> Tensor:
        def dense(maps: Maps, block: Any) -> Maps:
            y = conv(relu(norm(maps, block.norm1)), block.conv1)
            return cat(maps, conv(relu(norm(y, block.norm2)), block.conv2))

        def transition(maps: Maps, block: Any) -> Maps:
            y = conv(relu(norm(maps, block[0])), block[2])
            return at_phases(y, sampler, lambda x: F.avg_pool2d(x, 2))

        first, block1, down1, block2, down2, block3, last = self.features
        maps = transition(dense(conv([x], first), block1), down1)
        maps = dense(transition(dense(maps, block2), down2), block3)
        return self.classifier(F.avg_pool2d(average(relu(norm(maps, last))), 8).flatten(1))


class VGG(nn.Module):
    """The last pool takes the whole map; the classifier is no linear function of the features."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, channels in ((3, 4), (4, 5), (5, 6), (6, 6)):
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2, 2)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(6, 8), nn.ReLU(True), nn.Dropout(), nn.Linear(8, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = x.view(x.size(0), -1)
        return self.classifier(x)

    def loop(self, x: Tensor, sampler: Any) -> Tensor:
        maps = [x]
        for layer in self.features[::3]:
            maps = max_pool(relu(conv(maps, layer)), sampler, 2)
        assert maps[0].shape[2:] == (1, 1)
        return self.classifier(average(maps).flatten(1))


class Bottleneck(nn.Module):
    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, 3, 1, bias=False), nn.BatchNorm2d(3)
        self.conv2, self.bn2 = nn.Conv2d(3, 3, 3, stride, 1, bias=False), nn.BatchNorm2d(3)
        self.conv3, self.bn3 = nn.Conv2d(3, channels, 1, bias=False), nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += self.shortcut(x)
        return F.relu(out)

    def loop(self, maps: Maps, sampler: Any) -> Maps:
        y = relu(norm(conv(maps, self.conv1), self.bn1))
        y = norm(conv(relu(norm(conv(y, self.conv2, sampler), self.bn2)), self.conv3), self.bn3)
        short = norm(conv(maps, self.shortcut[0], sampler), self.shortcut[1]) if len(self.shortcut) else maps
        return relu([a + b for a, b in zip(y, short, strict=True)])


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layers = nn.Sequential(Bottleneck(4, 4, 1), Bottleneck(4, 6, 2), Bottleneck(6, 6, 1))
        self.linear = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(self.maxpool(F.relu(self.bn1(self.conv1(x)))))
        out = F.avg_pool2d(out, 4)
        out = out.view(out.size(0), -1)
        return self.linear(out)

    def loop(self, x: Tensor, sampler: Any) -> Tensor:
        maps = max_pool(relu(norm(conv([x], self.conv1, sampler), self.bn1)), sampler, 3, 1)
        for block in self.layers:
            maps = block.loop(maps, sampler)
        return self.linear(F.avg_pool2d(average(maps), 4).flatten(1))


class Fire(nn.Module):
    def __init__(self, before: int) -> None:
        super().__init__()
        self.squeeze, self.expand1, self.expand3 = (
            nn.Conv2d(before, 2, 1), nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 3, padding=1),
        )  # fmt: skip
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.squeeze(x))
        return torch.cat([self.act(self.expand1(x)), self.act(self.expand3(x))], 1)

    def loop(self, maps: Maps) -> Maps:
        maps = relu(conv(maps, self.squeeze))
        return cat(relu(conv(maps, self.expand1)), relu(conv(maps, self.expand3)))


class SqueezeNet(nn.Module):
    """Without its dropout: elements of maps are drawn one by one, in an order that is nobody's business."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(4), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(6),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Conv2d(6, 5, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)

    def loop(self, x: Tensor, sampler: Any) -> Tensor:
        first, _, _, fire1, _, fire2 = self.features
        maps = max_pool(relu(conv([x], first, sampler)), sampler, 3, ceil=True)
        maps = fire2.loop(max_pool(fire1.loop(maps), sampler, 3, ceil=True))
        return average(relu(conv(maps, self.classifier[0]))).mean((2, 3))


def untraceable(cls: Any) -> Any:
    """The same network, as the authors write it: it asks how many axes its input has, which torch.fx cannot say."""

    def forward(self: Any, x: Tensor) -> Any:
        assert len(x.size()) == 4
        return cls.forward(self, x)

    return type(f"Untraceable{cls.__name__}", (cls,), {"forward": forward})


def settled(model: Any, training: bool) -> Any:
    """In float64, its batch normalisation having statistics of its own."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator) / 4
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model.double().train(training)


def pictures(size: int = 32) -> Tensor:
    return torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("traced", [True, False], ids=["traced", "untraced"])
@pytest.mark.parametrize("sampler", [0, 1, "lattice"])
@pytest.mark.parametrize("network", [DenseNet, VGG, ResNet, SqueezeNet])
def test_a_converted_network_is_the_loop_over_submaps(network, sampler, traced, training):
    torch.manual_seed(0)
    model = settled((network if traced else untraceable(network))(), training)
    x = pictures(16 if network is VGG else 32)
    converted = convert_to_checkered(model, sampler)
    assert converted.conversion.traced == traced and not converted.conversion.unconverted
    torch.manual_seed(3)
    y = converted(x)
    torch.manual_seed(3)
    expected = model.loop(x, sampler)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    assert not torch.allclose(expected, model.eval()(x), atol=1e-3), "the submaps matter"


# Layers and heads, one by one -----------------------------------------------------------------------------------------


class Headed(nn.Module):
    """Two strided convolutions, of whose maps a head makes features, and a classifier that is no linear function."""

    def __init__(self, head: Callable[..., Any]) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)
        self.mean, self.max, self.drop = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), nn.Dropout2d(0.4)
        self.whole = nn.MaxPool2d(4, 1)
        self.excite, self.squeeze = nn.Conv2d(4, 4, 1), nn.Linear(4, 4)
        self.tail = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
        self.mlp = nn.Sequential(nn.Dropout(0.4), self.tail)
        self.head = head

    def forward(self, x: Tensor) -> Any:
        return self.head(self, x, self.conv2(self.conv1(x).tanh()).tanh())

    def maps(self, x: Tensor) -> Maps:
        return [y.tanh() for y in conv([y.tanh() for y in conv([x], self.conv1)], self.conv2)]


def maximum(maps: Maps, size: int = 1) -> Tensor:
    return torch.stack([F.adaptive_max_pool2d(x, size) for x in maps]).amax(0).flatten(1)


def mean(maps: Maps) -> Tensor:
    return average(maps).mean((2, 3))


def dropped(model: Any, maps: Maps, p: float) -> Maps:
    """The channels that one draw drops, in all maps."""
    scale = F.dropout2d(torch.ones_like(maps[0][:, :, :1, :1]), p, model.training)
    return [x * scale for x in maps]


def excited(model: Any, maps: Maps, weights: Callable[[Tensor], Tensor], squeezed: Maps) -> Tensor:
    return model.mlp(mean([x * weights(s)[:, :, None, None] for x, s in zip(maps, squeezed, strict=True)]))


#: What a forward pass does with the input and the maps, and what the loop does with its maps.
HEADS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "size asked for at the start": (
        lambda m, x, y: m.mlp(m.max(y).view(x.size(0), -1)),
        lambda m, a: m.mlp(maximum(a)),
    ),
    "size taken from a shape": (
        lambda m, x, y: m.mlp(m.max(y).reshape(x.shape[0], -1)),
        lambda m, a: m.mlp(maximum(a)),
    ),
    "size written down": (lambda m, x, y: m.mlp(m.mean(y).view(2, -1)), lambda m, a: m.mlp(mean(a))),
    "features written down": (lambda m, x, y: m.mlp(m.mean(y).view(-1, 4)), lambda m, a: m.mlp(mean(a))),
    "squeezed": (lambda m, x, y: m.mlp(m.max(y).squeeze(-1).squeeze(-1)), lambda m, a: m.mlp(maximum(a))),
    "indexed": (lambda m, x, y: m.tail(m.max(y)[:, :, 0, 0]), lambda m, a: m.tail(maximum(a))),
    "mean": (lambda m, x, y: m.mlp(y.mean((2, 3))), lambda m, a: m.mlp(mean(a))),
    "amax": (lambda m, x, y: m.mlp(y.amax((2, 3))), lambda m, a: m.mlp(maximum(a))),
    "torch.amax": (lambda m, x, y: m.mlp(torch.amax(y, (-1, -2), True).flatten(1)), lambda m, a: m.mlp(maximum(a))),
    "max called": (lambda m, x, y: m.mlp(F.adaptive_max_pool2d(y, 1).flatten(1)), lambda m, a: m.mlp(maximum(a))),
    "max of one axis": (
        lambda m, x, y: m.mlp(F.adaptive_max_pool1d(y.flatten(2), 1).flatten(1)),
        lambda m, a: m.mlp(maximum(a)),
    ),
    "max of three axes": (
        lambda m, x, y: m.mlp(F.adaptive_max_pool3d(y.unsqueeze(2), 1).flatten(1)),
        lambda m, a: m.mlp(maximum(a)),
    ),
    "max of the whole map": (lambda m, x, y: m.mlp(F.max_pool2d(y, 4).flatten(1)), lambda m, a: m.mlp(maximum(a))),
    "mean of the whole map": (
        lambda m, x, y: m.mlp(F.avg_pool2d(y, 4).square().flatten(1)),
        lambda m, a: m.mlp(mean(a).square()),
    ),
    "max of the whole map, stride 1": (
        lambda m, x, y: m.mlp(F.max_pool2d(y, 4, 1).flatten(1)),
        lambda m, a: m.mlp(maximum(a)),
    ),
    "max of a layer, stride 1": (
        lambda m, x, y: m.mlp(m.whole(y).flatten(1)),
        lambda m, a: m.mlp(average([x.amax((2, 3)) for x in a])),
    ),
    "torch.reshape": (
        lambda m, x, y: m.mlp(torch.reshape(m.mean(y), (x.size(0), -1))),
        lambda m, a: m.mlp(mean(a)),
    ),
    "one number": (lambda m, x, y: m.max(y).max(), lambda m, a: maximum(a).max()),
    "maximum and mean": (
        lambda m, x, y: m.tail(m.max(y).flatten(1) + y.mean((2, 3)) - y.amax((2, 3))),
        lambda m, a: m.tail(mean(a)),
    ),
    "channels dropped": (
        lambda m, x, y: m.mlp(m.mean(m.drop(y)).flatten(1)),
        lambda m, a: m.mlp(mean(dropped(m, a, 0.4))),
    ),
    "channels dropped in a call": (
        lambda m, x, y: m.mlp(m.mean(F.dropout2d(y, 0.3, m.training)).flatten(1)),
        lambda m, a: m.mlp(mean(dropped(m, a, 0.3))),
    ),
    "excitation": (
        lambda m, x, y: m.mlp(m.mean(y * m.excite(m.mean(y)).sigmoid()).flatten(1)),
        lambda m, a: excited(m, a, lambda s: m.excite(s[:, :, None, None]).sigmoid()[:, :, 0, 0], [mean(a)] * len(a)),
    ),
    "two heads": (
        lambda m, x, y: (m.tail(m.max(y).flatten(1)), m.tail(m.mean(y).flatten(1))),
        lambda m, a: (m.tail(maximum(a)), m.tail(mean(a))),
    ),
    "channels shuffled": (
        lambda m, x, y: m.mlp(m.mean(y.view(x.size(0), 2, 2, 4, 4).transpose(1, 2).reshape(-1, 4, 4, 4)).flatten(1)),
        lambda m, a: m.mlp(mean([x[:, [0, 2, 1, 3]] for x in a])),
    ),
}


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("traced", [True, False], ids=["traced", "untraced"])
@pytest.mark.parametrize("head", HEADS)
def test_a_head_is_the_loop_over_submaps(head, traced, training):
    torch.manual_seed(0)
    forward, loop = HEADS[head]
    model, x = settled((Headed if traced else untraceable(Headed))(forward), training), pictures(16)
    converted = convert_to_checkered(model)
    assert converted.conversion.traced == traced
    torch.manual_seed(3)
    y = converted(x)
    torch.manual_seed(3)
    torch.testing.assert_close(y, loop(model, model.maps(x)), rtol=0, atol=1e-12)


def squeeze_by_linear(model: Any, x: Tensor, y: Tensor) -> Tensor:
    weights = model.squeeze(model.mean(y).view(y.size(0), -1)).sigmoid()
    return model.mlp(model.mean(y * weights.view(y.size(0), 4, 1, 1)).flatten(1))


def test_features_that_go_back_to_the_maps_are_not_averaged():
    model, x = settled(Headed(squeeze_by_linear), False), pictures(16)
    maps = model.maps(x)
    expected = excited(model, maps, lambda s: model.squeeze(s).sigmoid(), [mean(maps)] * len(maps))
    torch.testing.assert_close(convert_to_checkered(model)(x), expected, rtol=0, atol=1e-12)


def test_features_that_go_back_to_the_maps_are_refused_where_calls_are_caught():
    converted = convert_to_checkered(untraceable(Headed)(squeeze_by_linear).double().eval())
    words = "submaps do not match where mul brings branches together: 1 and 4; they were averaged at view in forward"
    with pytest.raises(ValueError, match=words):
        converted(pictures(16))


class Block(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 4, 3, 2, 1), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.conv(x))


LEFT: dict[str, Callable[[Tensor], Tensor]] = {
    "lp_pool2d(norm_type=2, kernel_size=2)": lambda y: F.lp_pool2d(y, 2, 2),
    "max_pool1d(kernel_size=2)": lambda y: F.max_pool1d(y.flatten(2), 2),
    "max_pool2d(kernel_size=2)": lambda y: F.max_pool2d(y, 2, return_indices=True)[0],
    "adaptive_max_pool2d(output_size=2)": lambda y: F.adaptive_max_pool2d(y, 2, return_indices=True)[0],
    "conv3d(stride=2)": lambda y: F.conv3d(y.unsqueeze(1), torch.ones(1, 1, 1, 1, 1), stride=2),
}


@pytest.mark.parametrize("call", LEFT)
def test_a_strided_call_without_a_checkered_form_is_named(call):
    x, block, hidden = pictures(16).float(), Block(LEFT[call]), untraceable(Block)(LEFT[call])
    hidden.load_state_dict(block.state_dict())
    with pytest.warns(UserWarning, match="not converted: .* in forward"):
        converted = convert_to_checkered(nn.Sequential(block))
    (left,) = converted.conversion.unconverted
    caught = convert_to_checkered(nn.Sequential(hidden))
    with pytest.warns(UserWarning, match="not converted: .* in 0: "):
        y = caught(x)
    torch.testing.assert_close(y, converted(x), rtol=0, atol=1e-6)
    assert [name.replace("in 0", "in forward") for name in caught.conversion.unconverted] == [left]
    assert caught.conversion.converted == ["0.conv"]


def test_calls_that_are_caught_are_listed_once_they_ran():
    model = nn.Sequential(untraceable(Block)(lambda y: F.max_pool2d(y, 2)))
    converted = convert_to_checkered(model)
    assert converted.conversion.converted == ["0.conv"]
    converted(pictures(16).float())
    assert converted.conversion.converted == ["0.conv", "max_pool2d(kernel_size=2) in 0"]
    model[0].conv = nn.Identity()
    converted = convert_to_checkered(model)
    converted(pictures(16))
    assert converted.conversion.converted == ["max_pool2d(kernel_size=2) in 0"]
    model[0].function = nn.Identity()
    with pytest.raises(ValueError, match="Sequential has nothing to convert"):
        convert_to_checkered(model)(pictures(16))


def test_sizes_of_a_batch_are_exported_as_any_batch():
    converted = convert_to_checkered(settled(DenseNet(), False))
    shapes = {"x": {0: torch.export.Dim("batch", min=2)}}
    program = torch.export.export(converted, (pictures(),), dynamic_shapes=shapes)
    many = torch.cat([pictures(), -pictures(), pictures().flip(2)])
    torch.testing.assert_close(program.module()(many), converted(many), rtol=0, atol=1e-12)
