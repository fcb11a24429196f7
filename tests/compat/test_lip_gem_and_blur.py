"""poolzoo.compat.lip, gem and antialiased: the authors' names, arguments and state dicts, with the papers' numbers."""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import product

import numpy as np
import oracles
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import poolzoo
from poolzoo.compat import antialiased, gem, lip


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# LIP ------------------------------------------------------------------------------------------------------------------


def lip_loop(x, logit, kernel, stride, padding):
    """sum a e^G / sum e^G over the elements that lie inside the input."""
    g = oracles.Geometry(*((value,) * 2 for value in (kernel, stride, padding, 1)))
    out = oracles.out_sizes(x.shape[2:], g)
    y = np.zeros((*x.shape[:2], *out))
    for n, c, i, j in np.ndindex(*y.shape):
        above = below = 0.0
        for di, dj in product(range(kernel), repeat=2):
            h, w = i * stride - padding + di, j * stride - padding + dj
            if 0 <= h < x.shape[2] and 0 <= w < x.shape[3]:
                weight = math.exp(logit[n, c, h, w].item())
                above, below = above + weight * x[n, c, h, w].item(), below + weight
        y[n, c, i, j] = above / below
    return torch.from_numpy(y)


@pytest.mark.parametrize("geometry", [(3, 2, 1), (2, 2, 0), (3, 3, 0)])
def test_lip2d_equals_the_papers_formula(geometry):
    x, logit = drawn(2, 3, 7, 6), drawn(2, 3, 7, 6, seed=1)
    torch.testing.assert_close(lip.lip2d(x, logit, *geometry), lip_loop(x, logit, *geometry), rtol=1e-12, atol=1e-12)
    one = logit[:, :1]
    want = lip_loop(x, one.expand_as(x), *geometry)
    torch.testing.assert_close(lip.lip2d(x, one, *geometry), want, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(lip.lip2d(x, logit), lip_loop(x, logit, 3, 2, 1), rtol=1e-12, atol=1e-12)


class Gate(nn.Module):
    def forward(self, x):
        return 12 * torch.sigmoid(x)


def logit_of_torch(layers):
    """The authors' logit as torch's layers under their names, with random parameters."""
    made = OrderedDict()
    for name, channels in layers.items():
        if name.startswith("conv"):
            made[name] = nn.Conv2d(*channels[:2], channels[2], padding=channels[2] // 2, bias=False)
        elif name.startswith("bn"):
            made[name] = nn.InstanceNorm2d(channels, affine=True)
        else:
            made[name] = nn.ReLU() if name.startswith("relu") else Gate()
    net = nn.Sequential(made).double()
    for number, parameter in enumerate(net.parameters()):
        nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(number))
    return net


SIMPLIFIED = {"conv": (3, 3, 3), "bn": 3, "gate": ()}
OF_DENSENET = {"conv1": (3, 3, 3), "bn1": 3, "gate": ()}
SHARED = {"conv1": (3, 128, 1), "bn1": 128, "relu1": (), "conv2": (128, 128, 3), "bn2": 128, "relu2": ()}
BOTTLENECK = {**SHARED, "conv3": (128, 3, 1), "bn3": 3, "gate": ()}


def keys(net, prefix):
    return {f"{prefix}.{key}": value for key, value in net.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "layers", "geometry"),
    [
        ("SimplifiedLIP", SIMPLIFIED, (3, 2, 1)),
        ("SimplifiedLIP", OF_DENSENET, (3, 2, 1)),
        ("BottleneckLIP", BOTTLENECK, (2, 2, 0)),
    ],
)
def test_an_authors_lip_loads_and_gives_its_numbers(name, layers, geometry):
    x, net = drawn(2, 3, 6, 6), logit_of_torch(layers)
    model = nn.Sequential(getattr(lip, name)(3)).double()
    average = F.avg_pool2d(x, *geometry, count_include_pad=False)
    torch.testing.assert_close(model(x), average, rtol=1e-12, atol=1e-12)
    model.load_state_dict(keys(net, "0.logit"))
    torch.testing.assert_close(model(x), lip_loop(x, net(x), *geometry), rtol=1e-9, atol=1e-9)
    assert isinstance(model[0], poolzoo.LipPool2d)
    model[0].init_layer()
    assert not model[0].logit[-3].weight.any()


def test_the_lips_of_a_resnets_block_share_their_first_layers():
    block, x = drawn(2, 3, 6, 6), drawn(2, 5, 6, 6, seed=1)
    first, own = logit_of_torch(SHARED), logit_of_torch({"conv": (128, 5, 1), "bn": 5, "gate": ()})
    shared, pool = lip.BottleneckShared(3).double(), lip.SharedBottleneckLIP(5).double()
    shared.load_state_dict(keys(first, "logit"))
    pool.load_state_dict(keys(own, "postprocessing"))
    y = pool.forward_with_shared(x, shared(block))
    torch.testing.assert_close(y, lip_loop(x, own(first(block)), 3, 2, 1), rtol=1e-9, atol=1e-9)
    pool.init_layer()
    average = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(pool(x, shared(block)), average, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match=r"^0\.postprocessing: .* SharedBottleneckLIP and BottleneckShared load it"):
        nn.Sequential(lip.BottleneckLIP(5)).load_state_dict(keys(own, "0.postprocessing"))


# GeM ------------------------------------------------------------------------------------------------------------------


def gem_loop(x, p, eps):
    y = np.zeros((*x.shape[:2], 1, 1))
    for n, c in np.ndindex(*x.shape[:2]):
        values = [max(v, eps) for v in x[n, c].flatten().tolist()]
        y[n, c] = (sum(v ** p[c] for v in values) / len(values)) ** (1 / p[c])
    return torch.from_numpy(y)


def test_gem_equals_the_papers_formula_and_loads_the_authors_key():
    x = drawn(2, 3, 5, 4)
    torch.testing.assert_close(gem.gem(x), gem_loop(x, [3.0] * 3, 1e-6), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gem.gem(x, 2.5, 0.1), gem_loop(x, [2.5] * 3, 0.1), rtol=1e-12, atol=1e-12)
    for theirs, ours, state in (
        (gem.GeM(), poolzoo.GlobalGemPool2d(), [2.2]),
        (gem.GeMmp(mp=3), poolzoo.GlobalGemPool2d(channels=3), [1.0, 2.0, 3.5]),
    ):
        for model in (nn.Sequential(theirs).double(), nn.Sequential(ours).double()):
            model.load_state_dict({"0.p": torch.tensor(state)})
            want = gem_loop(x, (state * 3)[:3], 1e-6)
            torch.testing.assert_close(model(x), want, rtol=1e-6, atol=1e-6)
    assert list(gem.GeM().state_dict()) == ["p"] and gem.GeM().p.shape == (1,)
    column = torch.tensor([1.0, 2.0, 3.5], dtype=torch.float64).reshape(3, 1, 1)
    torch.testing.assert_close(gem.gem(x, column), gem_loop(x, [1.0, 2.0, 3.5], 1e-6), rtol=1e-12, atol=1e-12)


def test_an_exponent_that_poolzoos_module_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"^p: .* exponents > 0.01 .* -1.0"):
        poolzoo.GlobalGemPool2d().load_state_dict({"p": torch.tensor([-1.0])})


# BlurPool -------------------------------------------------------------------------------------------------------------


def position(i, n, kind):
    """Where the padding takes position i of n from; None is a zero."""
    if kind == "zero":
        return i if 0 <= i < n else None
    if kind == "replicate":
        return min(max(i, 0), n - 1)
    return abs(i) if i < n else 2 * (n - 1) - i


def blur_loop(x, kind, size, stride, off):
    taps = [math.comb(size - 1, t) / 2 ** (size - 1) for t in range(size)]
    before, after = (size - 1) // 2 + off, math.ceil((size - 1) / 2) + off
    sizes = x.shape[2:]
    out = [(n + before + after - size) // stride + 1 for n in sizes]
    y = np.zeros((*x.shape[:2], *out))
    for index in np.ndindex(*y.shape):
        for tap in product(range(size), repeat=len(sizes)):
            at = [position(i * stride + t - before, n, kind) for i, t, n in zip(index[2:], tap, sizes, strict=True)]
            if None not in at:
                y[index] += math.prod(taps[t] for t in tap) * x[(*index[:2], *at)].item()
    return torch.from_numpy(y)


@pytest.mark.parametrize("kind", ["reflect", "replicate", "zero"])
@pytest.mark.parametrize(("size", "stride", "off"), [(4, 2, 0), (3, 2, 0), (1, 2, 0), (1, 2, 1), (5, 1, 1), (2, 3, 0)])
def test_blurpool_equals_the_padded_binomial_filter(kind, size, stride, off):
    x = drawn(1, 2, 7, 6)
    pool = antialiased.BlurPool(2, kind, size, stride, off).double()
    torch.testing.assert_close(pool(x), blur_loop(x, kind, size, stride, off), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["refl", "repl", "zero"])
@pytest.mark.parametrize(("cls", "shape"), [("BlurPool1D", (2, 2, 7)), ("BlurPool3D", (1, 1, 4, 3, 5))])
def test_blurpool_in_one_and_three_dimensions(kind, cls, shape):
    x = drawn(*shape)
    pool = getattr(antialiased, cls)(shape[1], kind, 3)
    long = {"refl": "reflect", "repl": "replicate"}.get(kind, kind)
    torch.testing.assert_close(pool(x), blur_loop(x, long, 3, 2, 0), rtol=1e-12, atol=1e-12)


def test_blurpool_under_its_former_name_has_its_former_order():
    x, lines = drawn(1, 2, 7, 6), drawn(1, 2, 7)
    pool, along = antialiased.Downsample("zero", 3, 2, 2), antialiased.Downsample1D(channels=2)
    torch.testing.assert_close(pool(x), blur_loop(x, "zero", 3, 2, 0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(along(lines), blur_loop(lines, "reflect", 3, 2, 0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", range(1, 8))
def test_an_authors_blurpool_loads(size):
    taps = torch.tensor([math.comb(size - 1, t) for t in range(size)], dtype=torch.float64)
    filt = (taps[:, None] * taps / taps.sum() ** 2).float().expand(3, 1, size, size)
    model = nn.Sequential(antialiased.BlurPool(3, filt_size=size))
    torch.testing.assert_close(model.state_dict()["0.filt"], filt)
    model.load_state_dict({"0.filt": filt})
    x = drawn(2, 3, 9, 8)
    torch.testing.assert_close(model(x), poolzoo.BlurPool2d(1, stride=2, filt_size=size)(x), rtol=1e-12, atol=1e-12)
    if size > 1:
        with pytest.raises(RuntimeError, match=r"0\.filt: the binomial filter of filt_size="):
            model.load_state_dict({"0.filt": filt.flip(-1) * torch.linspace(0, 1, size)})


REFUSED = {
    "pad_type='circular'": lambda: antialiased.BlurPool(3, "circular"),
    "filt_size=8": lambda: antialiased.BlurPool(3, filt_size=8),
    "stride=\\(2, 2\\)": lambda: antialiased.BlurPool(3, stride=(2, 2)),
    "pad_off=-1": lambda: antialiased.BlurPool(3, pad_off=-1),
    "dims=4": lambda: antialiased.BlurPool(3, dims=4),
    "channels=0": lambda: antialiased.BlurPool(0),
    "channels=None": lambda: antialiased.BlurPool(None),
    "channels=None: the": lambda: antialiased.Downsample(),
    "input: 2 channels": lambda: antialiased.BlurPool(3)(torch.zeros(1, 2, 4, 4)),
    "p=0": lambda: gem.GeM(0),
    "mp=0": lambda: gem.GeMmp(mp=0),
    "eps=0": lambda: gem.GeM(eps=0),
    "channels=1.5": lambda: lip.SimplifiedLIP(1.5),
    "logit: shape": lambda: lip.lip2d(torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 4, 4)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_not_allowed_is_refused_in_one_line(message):
    with pytest.raises(ValueError, match=message) as caught:
        REFUSED[message]()
    assert "\n" not in str(caught.value)
