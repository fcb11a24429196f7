"""poolzoo.compat.checkered: the author's layers and state dicts, with numbers from loops over the definition."""

from __future__ import annotations

import copy
import pickle
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

import poolzoo
from poolzoo.checkered import set_sampler
from poolzoo.compat import checkered


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def conv_at(x, weight, bias, n, o, s, i, j, dilation=1):
    """The convolution whose first tap lies at submap s, row i and column j; zeros outside the map."""
    total = bias[o].item()
    for c, ds, di, dj in product(*map(range, weight.shape[1:])):
        h, w = i + di * dilation, j + dj * dilation
        if 0 <= h < x.shape[3] and 0 <= w < x.shape[4]:
            total += weight[o, c, ds, di, dj].item() * x[n, c, s + ds * dilation, h, w].item()
    return total


def loop(x, weight, bias, stride, padding, dilation=1):
    """Of each 2x2 cell the top-left phase of all submaps, then the bottom-right one; all of it with stride 1."""
    depth, kernel = weight.shape[2:4]
    submaps = x.shape[2] - dilation * (depth - 1)
    out = [(n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for n in x.shape[3:]]
    phases = [0] if stride == 1 else [0, 1]
    y = np.zeros((x.shape[0], len(weight), len(phases) * submaps, *out))
    for n, o, (number, shift), s, i, j in product(
        range(x.shape[0]), range(len(weight)), enumerate(phases), range(submaps), range(out[0]), range(out[1])
    ):
        at = (i * stride + shift - padding, j * stride + shift - padding)
        y[n, o, number * submaps + s, i, j] = conv_at(x, weight, bias, n, o, s, *at, dilation)
    return torch.from_numpy(y)


@pytest.mark.parametrize(
    ("depth", "stride", "padding", "dilation"), [(1, 1, 1, 1), (1, 2, 1, 1), (1, 2, 0, 2), (2, 1, 1, 1), (2, 1, 0, 2)]
)
def test_the_convolution_equals_the_loop_and_loads_the_authors_keys(depth, stride, padding, dilation):
    x, weight, bias = drawn(1, 2, 3, 6, 7), drawn(3, 2, depth, 3, 3, seed=1), drawn(3, seed=2)
    conv = checkered.CheckeredConv2d(2, 3, 3, depth, stride, padding, dilation).double()
    conv.load_state_dict({"conv.weight": weight, "conv.bias": bias})
    torch.testing.assert_close(conv(x), loop(x, weight, bias, stride, padding, dilation), rtol=1e-12, atol=1e-12)


def test_the_convolution_takes_equal_sizes_and_another_sampler():
    conv = checkered.CheckeredConv2d(2, 3, (3, 3), stride=(2, 2), padding=(1, 1), bias=False).double()
    ours = poolzoo.CheckeredConv2d(2, 3, 3, 2, 1, bias=False, sampler=1).double()
    ours.weight.data = conv.conv.weight.data.squeeze(2)
    set_sampler(conv, 1)
    x = drawn(2, 2, 2, 6, 6)
    torch.testing.assert_close(conv(x), ours(x), rtol=0, atol=0)


def test_the_transposed_convolution_places_four_values_per_position():
    x, weight, bias = drawn(1, 2, 4, 3, 5), drawn(3 * 2 * 4, 2, 4, 3, 3, seed=1), drawn(24, seed=2)
    layer = checkered.TransposeCheckeredConv2d(2, 3, 3, depth=4, padding=1).double()
    layer.load_state_dict({"conv.weight": weight, "conv.bias": bias})
    want = np.zeros((1, 3, 2, 6, 10))
    for o, s, i, j in np.ndindex(3, 2, 6, 10):
        channel = ((o * 2 + s) * 2 + i % 2) * 2 + j % 2
        want[0, o, s, i, j] = conv_at(x, weight, bias, 0, channel, 0, i // 2 - 1, j // 2 - 1)
    torch.testing.assert_close(layer(x), torch.from_numpy(want), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "phases"),
    [("three_over_four", [(0, 0), (1, 1), (0, 1)]), ("complete", [(0, 0), (1, 0), (0, 1), (1, 1)])],
)
def test_the_authors_other_forward_passes_keep_more_phases(name, phases):
    x, weight, bias = drawn(1, 2, 2, 5, 6), drawn(3, 2, 1, 3, 3, seed=1), drawn(3, seed=2)
    conv = checkered.CheckeredConv2d(2, 3, 3, stride=2, padding=1).double()
    conv.load_state_dict({"conv.weight": weight, "conv.bias": bias})
    want = np.zeros((1, 3, 2 * len(phases), 3, 3))
    for o, (number, phase), s, i, j in product(range(3), enumerate(phases), range(2), range(3), range(3)):
        at = (2 * i + phase[0] - 1, 2 * j + phase[1] - 1)
        want[0, o, number * 2 + s, i, j] = conv_at(x, weight, bias, 0, o, s, *at)
    forward = getattr(checkered, f"{name}_multisampling_forward")
    torch.testing.assert_close(forward(conv, x), torch.from_numpy(want), rtol=1e-12, atol=1e-12)
    dense = checkered.CheckeredConv2d(2, 3, 3).double()
    torch.testing.assert_close(forward(dense, x), dense(x), rtol=0, atol=0)


def small():
    return nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def test_a_converted_model_loads_the_state_dict_of_the_authors_conversion():
    x, weight, bias = drawn(2, 2, 6, 6), drawn(3, 2, 1, 3, 3, seed=1), drawn(3, seed=2)
    norm = {"1.weight": torch.ones(3), "1.bias": torch.zeros(3), "1.running_mean": torch.zeros(3)}
    norm |= {"1.running_var": torch.ones(3) - 1e-5, "1.num_batches_tracked": torch.tensor(0)}
    theirs = {"0.conv.weight": weight, "0.conv.bias": bias, **norm}
    model = checkered.convert_to_checkered(small()).double()
    for each in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        each.load_state_dict(theirs)
        want = loop(x.unsqueeze(2), weight, bias, 2, 1).mean((2, 3, 4))
        torch.testing.assert_close(each(x), want, rtol=1e-6, atol=1e-6)
        each.load_state_dict(each.state_dict())
    whole = nn.Sequential(model)
    whole.load_state_dict({f"0.{key}": value for key, value in theirs.items()})
    assert sorted(checkered.rename_state_dict(theirs)) == sorted(small().state_dict()) and "0.conv.bias" in theirs


IMAGE = torch.zeros(1, 2, 1, 4, 4)
REFUSED = {
    "stride=3": lambda: checkered.CheckeredConv2d(2, 3, 3, stride=3),
    r"kernel_size=\(3, 1\)": lambda: checkered.CheckeredConv2d(2, 3, (3, 1)),
    "depth=2, stride=2": lambda: checkered.CheckeredConv2d(2, 3, 3, depth=2, stride=2),
    "input: shape .* S >= 2": lambda: checkered.CheckeredConv2d(2, 3, 3, depth=2)(IMAGE),
    "input has 4 axes": lambda: checkered.CheckeredConv2d(2, 3, 3)(IMAGE[0]),
    "depth=1": lambda: checkered.TransposeCheckeredConv2d(2, 3),
    r"\(N, C, 2, H, W\) is needed": lambda: checkered.TransposeCheckeredConv2d(2, 3, depth=2)(IMAGE),
    "stride=3, input of 5 axes": lambda: checkered.complete_multisampling_forward(poolzoo.CheckeredAvgPool2d(3), IMAGE),
    "module: Conv2d is a single layer": lambda: small().apply(checkered.convert_to_checkered),
    "nothing to convert": lambda: checkered.convert_to_checkered(nn.Sequential(nn.ReLU())),
    "a.conv.weight: a depth of 2": lambda: checkered.rename_state_dict({"a.conv.weight": torch.zeros(1, 1, 2, 3, 3)}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_not_allowed_is_refused_in_one_line(message):
    with pytest.raises(ValueError, match=message) as caught:
        REFUSED[message]()
    assert "\n" not in str(caught.value)
