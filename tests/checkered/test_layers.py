"""Checkered layers against loops written from the definition, against torch's layers, and against the operators."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import oracles
import pytest
import torch
import torch.nn.functional as F
from pools import distinct, geometries
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import poolzoo
from poolzoo import functional
from poolzoo.checkered import (
    CheckeredAvgPool2d,
    CheckeredConv1d,
    CheckeredConv2d,
    CheckeredMaxPool2d,
    Sampler,
    set_sampler,
)

SAMPLERS: list[Any] = ["naive", 1, "lattice", "tri", "complete", "top-left", (0, 2, 1), (2, 0, 3, 1)]
#: Rows and columns of what each keeps of a cell, in fractions of it: of submap 0 and of submap 1.
HALF = [(0, 0), (1 / 2, 1 / 2)]
FRACTIONS: dict[Any, list[tuple[float, float]]] = {
    "naive": HALF,
    1: [(0, 1 / 2), (1 / 2, 0)],
    "lattice": HALF,  # of two submaps, both take sampler 0
    "tri": [(0, 0), (1 / 3, 2 / 3), (2 / 3, 1 / 3)],  # in evaluation
    "top-left": [(0, 0)],
    (0, 2, 1): [(0, 0), (1 / 3, 2 / 3), (2 / 3, 1 / 3)],
    (2, 0, 3, 1): [(0, 2 / 4), (1 / 4, 0), (2 / 4, 3 / 4), (3 / 4, 1 / 4)],
}


def shifts(sampler: Any, stride: tuple[int, ...]) -> list[tuple[int, ...]]:
    if max(stride) == 1:
        return [(0,) * len(stride)]
    if sampler == "complete":
        return list(itertools.product(*map(range, stride)))
    kept = [(fraction[0] * stride[0], fraction[1] * stride[-1]) for fraction in FRACTIONS[sampler]]
    return [tuple(int(value + 1e-9) for value in pair[-len(stride) :]) for pair in kept]


def oracle_geometry(geometry: dict[str, Any], ceil_mode: bool = False) -> oracles.Geometry:
    keys = ("kernel_size", "stride", "padding", "dilation")
    return oracles.Geometry(*(geometry[key] for key in keys), ceil_mode=ceil_mode)


def by_submap(x: Tensor, kept: list[tuple[int, ...]], at: Any) -> np.ndarray:
    """``at(submap, shift)`` of every submap of (N, C, S, *spatial), ordered by the phase first."""
    return np.stack([at(x[:, :, s].numpy(), shift) for shift in kept for s in range(x.shape[2])], axis=2)


def assert_equal(y: Tensor, expected: np.ndarray) -> None:
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
@pytest.mark.parametrize("ndim", [1, 2])
def test_convolution_equals_the_loop(ndim, sampler):
    cls = {1: CheckeredConv1d, 2: CheckeredConv2d}[ndim]
    for number, geometry in enumerate(geometries(ndim, 12)):
        sizes = geometry.pop("sizes")
        geometry.pop("ceil_mode")
        groups, bias = (1, True) if number % 2 else (2, False)
        conv = cls(4, 6, **geometry, groups=groups, bias=bias, sampler=sampler).double().eval()
        x = distinct(2, 4, 2, *sizes, dtype=torch.float64, seed=number)
        weight = conv.weight.detach().numpy()
        expected = by_submap(
            x,
            shifts(sampler, geometry["stride"]),
            lambda a, shift, w=weight, b=conv.bias, g=oracle_geometry(geometry), n=groups: oracles.convolve_at(
                a, w, None if b is None else b.detach().numpy(), g, n, shift
            ),
        )
        assert_equal(conv(x), expected)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_max_pool_equals_the_loop(sampler):
    for number, geometry in enumerate(geometries(2, 40)):
        sizes, ceil = geometry.pop("sizes"), geometry["ceil_mode"]
        pool = CheckeredMaxPool2d(**geometry, sampler=sampler).eval()
        x = distinct(2, 3, 2, *sizes, dtype=torch.float64, seed=number)
        kept = shifts(sampler, geometry["stride"])
        g = oracle_geometry(geometry, ceil)
        expected = by_submap(
            x, kept, lambda a, shift, g=g: oracles.at_phases(a, g, oracles.max_, [shift], np.nan)[:, :, 0]
        )
        assert_equal(pool(x), expected)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_avg_pool_equals_the_loop(sampler, count_include_pad):
    for number, geometry in enumerate(geometries(2, 40)):
        sizes, ceil = geometry.pop("sizes"), geometry["ceil_mode"]
        geometry["dilation"] = (1, 1)
        given = {key: value for key, value in geometry.items() if key != "dilation"}
        pool = CheckeredAvgPool2d(**given, count_include_pad=count_include_pad, sampler=sampler).eval()
        x = distinct(2, 3, 2, *sizes, dtype=torch.float64, seed=number)
        kept = shifts(sampler, geometry["stride"])
        g = oracle_geometry(geometry, ceil)
        expected = by_submap(x, kept, lambda a, shift, g=g, c=count_include_pad: oracles.average_at(a, g, shift, c))
        assert_equal(pool(x), expected)


def test_avg_pool_with_a_divisor_is_the_sum_divided():
    x = distinct(1, 2, 1, 7, 7, dtype=torch.float64)
    mean = CheckeredAvgPool2d(3, 2, count_include_pad=False)(x)
    assert_equal(
        CheckeredAvgPool2d(3, 2, divisor_override=4)(x)[:, :, :, :2, :2], (mean * 9 / 4)[:, :, :, :2, :2].numpy()
    )


TORCH_LAYERS = {
    "conv": (CheckeredConv2d, nn.Conv2d, {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding": 1}),
    "conv 7x7": (CheckeredConv2d, nn.Conv2d, {"in_channels": 4, "out_channels": 2, "kernel_size": 7, "padding": 3}),
    "rectangular": (CheckeredConv2d, nn.Conv2d, {"in_channels": 4, "out_channels": 2, "kernel_size": (3, 1)}),
    "reflecting": (
        CheckeredConv2d,
        nn.Conv2d,
        {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    ),
    "max": (CheckeredMaxPool2d, nn.MaxPool2d, {"kernel_size": 3, "padding": 1, "ceil_mode": True}),
    "avg": (CheckeredAvgPool2d, nn.AvgPool2d, {"kernel_size": 3, "padding": 1}),
}


@pytest.mark.parametrize("layer", TORCH_LAYERS)
@pytest.mark.parametrize("stride", [1, 2, (2, 3), 4])
def test_top_left_is_torchs_layer_to_the_bit(layer, stride):
    cls, original, arguments = TORCH_LAYERS[layer]
    expected = original(**arguments, stride=stride)
    checkered = cls(**arguments, stride=stride, sampler="top-left")
    assert list(checkered.state_dict()) == list(expected.state_dict())
    checkered.load_state_dict(expected.state_dict(), strict=True)
    x = distinct(2, 4, 3, 12, 11)
    y = checkered(x)
    for submap in range(3):
        assert torch.equal(y[:, :, submap], expected(x[:, :, submap]))


def test_a_reflecting_margin_is_as_wide_as_torchs():
    conv = CheckeredConv2d(2, 2, 3, 2, 1, padding_mode="reflect").double()
    x = distinct(1, 2, 1, 6, 6, dtype=torch.float64)
    padded = F.pad(x[:, :, 0], (1, 1, 1, 1), mode="reflect")
    dense = F.conv2d(padded, conv.weight, conv.bias)
    torch.testing.assert_close(conv(x)[:, :, 0], dense[..., 0::2, 0::2], rtol=0, atol=1e-12)
    torch.testing.assert_close(conv(x)[:, :, 1], dense[..., 1::2, 1::2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("sampler", ["naive", 1, "lattice"])
def test_pools_are_the_operators(sampler):
    x = distinct(2, 3, 4, 9, 8)
    for layer, pool in ((CheckeredMaxPool2d(3, 2, 1, sampler=sampler), "max"),):
        expected = functional.checkered_pool2d(x, 3, 2, 1, pool=pool, sampler=sampler)
        assert torch.equal(layer(x), expected)
    average = CheckeredAvgPool2d(3, 2, 1, count_include_pad=False, sampler=sampler)
    expected = functional.checkered_pool2d(x, 3, 2, 1, pool="avg", sampler=sampler)
    torch.testing.assert_close(average(x), expected, rtol=0, atol=2e-6)


def test_only_what_is_kept_is_computed():
    x = torch.zeros(2, 4, 4, 32, 32)
    counts = {}
    for sampler in ("top-left", "naive", "lattice", "tri", "complete"):
        with FlopCounterMode(display=False) as counter:
            CheckeredConv2d(4, 8, 3, stride=2, padding=1, sampler=sampler)(x)
        counts[sampler] = counter.get_total_flops()
    one = counts["top-left"]
    assert counts == {"top-left": one, "naive": 2 * one, "lattice": 2 * one, "tri": 3 * one, "complete": 4 * one}


@pytest.mark.parametrize("size", [3, 4])
def test_a_global_pool_goes_over_all_submaps(size):
    x = distinct(2, 3, 2, size, size, dtype=torch.float64)
    for layer, expected in ((CheckeredMaxPool2d, x.amax((2, 3, 4))), (CheckeredAvgPool2d, x.mean((2, 3, 4)))):
        y = layer(size)(x)
        assert y.shape == (2, 3, 4, 1, 1)
        for submap in range(4):
            torch.testing.assert_close(y[:, :, submap, 0, 0], expected, rtol=0, atol=1e-12)


def test_a_window_of_two_over_the_whole_map_keeps_two_phases():
    x = distinct(2, 3, 2, 2, 2, dtype=torch.float64)
    corner = x[..., 1:, 1:]  # all that the second phase finds; to an average pool, among three zeros
    assert torch.equal(CheckeredMaxPool2d(2)(x), torch.cat([x.amax((3, 4), keepdim=True), corner], 2))
    expected = torch.cat([x.mean((3, 4), keepdim=True), corner / 4], 2)
    torch.testing.assert_close(CheckeredAvgPool2d(2)(x), expected, rtol=0, atol=1e-15)
    absent = CheckeredAvgPool2d(2, count_include_pad=False)(x)
    torch.testing.assert_close(absent[:, :, 2:], corner, rtol=0, atol=1e-15)


LAYERS = {
    "conv1d": (lambda **k: CheckeredConv1d(2, 3, 3, 2, 1, **k), (1, 2, 2, 7)),
    "conv2d": (lambda **k: CheckeredConv2d(2, 3, 3, 2, 1, **k), (1, 2, 2, 4, 5)),
    "max": (lambda **k: CheckeredMaxPool2d(2, 3, 1, 2, **k), (1, 2, 2, 5, 5)),
    "avg": (lambda **k: CheckeredAvgPool2d(3, 2, 1, **k), (1, 2, 2, 4, 5)),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("sampler", ["naive", 1, "complete"])
def test_gradient_is_the_derivative(layer, sampler):
    make, shape = LAYERS[layer]
    module = make(sampler=sampler).double()
    x = distinct(*shape, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(module, (x,))


@pytest.mark.parametrize("layer", LAYERS)
def test_the_input_has_torchs_name(layer):
    make, shape = LAYERS[layer]
    module, x = make(), distinct(*shape)
    assert torch.equal(module(input=x), module(x))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_tensor_without_submaps_is_answered(layer):
    make, shape = LAYERS[layer]
    axes = r"\(N, C, S, L\)" if layer == "conv1d" else r"\(N, C, S, H, W\)"
    with pytest.raises(ValueError, match=rf"input has {len(shape) - 1} axes, .*; {axes} is allowed.*unsqueeze\(2\)"):
        make()(torch.zeros(shape)[:, :, 0])


def test_random_samplers_are_drawn_in_training():
    x = distinct(1, 1, 4, 6, 6)
    pool = CheckeredMaxPool2d(1, 2, sampler="random")
    assert len({tuple(pool(x).flatten().tolist()) for _ in range(60)}) > 8, "of 16"
    assert torch.equal(pool.eval()(x), CheckeredMaxPool2d(1, 2, sampler="lattice")(x))
    set_sampler(pool.train(), "random", torch.Generator().manual_seed(1))
    first = pool(x)
    set_sampler(pool, "random", torch.Generator().manual_seed(1))
    assert torch.equal(pool(x), first)


BAD = {
    "no permutation": (lambda: CheckeredConv2d(1, 1, 1, sampler=(0, 0)), r"sampler=\(0, 0\): a permutation of 0 to"),
    "unknown": (lambda: CheckeredConv2d(1, 1, 1, sampler="regular"), r"sampler='regular': 0, 1, 'naive', 'lattice'"),
    "third of two": (lambda: CheckeredMaxPool2d(2, sampler=2), r"sampler=2: 0, 1, 'naive'"),
    "none": (lambda: Sampler(None), "sampler=None: a permutation"),  # type: ignore[arg-type]
    "indices": (lambda: CheckeredMaxPool2d(2, return_indices=True), "return_indices=True: False is allowed"),  # type: ignore[arg-type]
    "stride": (lambda: CheckeredAvgPool2d(2, 0), "stride=0: must be at least 1"),
    "lattice of 3": (
        lambda: CheckeredConv2d(1, 1, 1, 2, sampler="lattice")(torch.zeros(1, 1, 3, 4, 4)),
        "the input has 3 submaps; 1, 2, 4, 8",
    ),
    "offsets of others": (
        lambda: CheckeredConv2d(1, 1, 1, 2)(torch.zeros(1, 1, 3, 4, 4), (((0, 0),),)),
        "submaps do not match: input has 3, offsets are for 1",
    ),
    "too small": (lambda: CheckeredConv2d(1, 1, 3, 2, sampler=1)(torch.zeros(1, 1, 1, 2, 2)), "input size 2 is too"),
    "not checkered": (lambda: set_sampler(nn.Conv2d(1, 1, 1), "naive"), "Conv2d has no checkered layer"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_use_is_answered(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_layers_say_what_they_are():
    assert "sampler" in repr(CheckeredConv2d(1, 2, 3, 2, sampler="lattice"))
    assert "'lattice'" in repr(CheckeredConv2d(1, 2, 3, 2, sampler="lattice"))
    for name in ("CheckeredConv1d", "CheckeredConv2d", "CheckeredMaxPool2d", "CheckeredAvgPool2d"):
        assert getattr(poolzoo, name).__doc__ and name in dir(poolzoo)
