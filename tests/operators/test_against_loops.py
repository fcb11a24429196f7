"""Every operator against the slow float64 loops of ``oracles.py``, which were written from the formulas alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import oracles
import pytest
import pywt
import torch
import torch.nn.functional as F
from pools import CHANNELS, SPECS, distinct, every_pool, geometries, info_of, make, scramble
from torch import Tensor

from poolzoo import functional, registry
from poolzoo.registry import parse_spec

#: How many geometries each operator meets; every value of every argument occurs in them (tested below).
MANY = {1: 80, 2: 48, 3: 24}
TOLERANCE = {torch.float64: 1e-12, torch.float32: 4e-6}


def oracle_geometry(ndim: int, geometry: dict[str, Any]) -> oracles.Geometry:
    spread = {key: (v,) * ndim if isinstance(v, int) else v for key, v in geometry.items() if key != "ceil_mode"}
    full = {"padding": (0,) * ndim, "dilation": (1,) * ndim, **spread}
    full.setdefault("stride", full["kernel_size"])
    return oracles.Geometry(**full, ceil_mode=geometry.get("ceil_mode", False))


def window_oracle(name: str) -> Callable[..., np.ndarray]:
    def pool(x: np.ndarray, g: oracles.Geometry, **params: Any) -> np.ndarray:
        return oracles.pool(x, g, functools.partial(oracles.WINDOW_ORACLES[name], **params))

    return pool


def per_channel(name: str, key: str) -> Callable[..., np.ndarray]:
    """The oracle of an operator whose parameter may differ between channels."""

    def pool(x: np.ndarray, g: oracles.Geometry, **params: Any) -> np.ndarray:
        given = np.asarray(params.pop(key))
        axis = x.ndim - len(g.kernel_size) - 1
        values = np.broadcast_to(given, (x.shape[axis],)) if given.ndim < 2 else given
        reduce = oracles.WINDOW_ORACLES[name]
        slices = [
            oracles.pool(np.take(x, [c], axis), g, functools.partial(reduce, **params, **{key: values[c]}))
            for c in range(x.shape[axis])
        ]
        return np.concatenate(slices, axis)

    return pool


def gated_oracle(x: np.ndarray, g: oracles.Geometry, *, weight: np.ndarray) -> np.ndarray:
    shared = weight.ndim == len(g.kernel_size)
    axis = x.ndim - len(g.kernel_size) - 1
    slices = [
        oracles.pool(np.take(x, [c], axis), g, functools.partial(oracles.gated, weight=weight if shared else weight[c]))
        for c in range(x.shape[axis])
    ]
    return np.concatenate(slices, axis)


def owa_oracle(x: np.ndarray, g: oracles.Geometry, *, weight: np.ndarray) -> np.ndarray:
    axis = x.ndim - len(g.kernel_size) - 1
    slices = [
        oracles.pool(
            np.take(x, [c], axis), g, functools.partial(oracles.owa, weight=weight if weight.ndim == 1 else weight[c])
        )
        for c in range(x.shape[axis])
    ]
    return np.concatenate(slices, axis)


def gaussian_oracle(
    x: np.ndarray, g: oracles.Geometry, *, m: np.ndarray, s: np.ndarray, training: bool, generator: None
) -> np.ndarray:
    assert not training and s.shape == m.shape == x.shape[: -len(g.kernel_size)]
    maps = x.reshape(-1, 1, *x.shape[-len(g.kernel_size) :])
    pooled = [
        oracles.pool(one, g, functools.partial(oracles.gaussian, m=value))[0]
        for one, value in zip(maps, m.flatten(), strict=True)
    ]
    return np.stack(pooled).reshape(*m.shape, *pooled[0].shape)


def tree_oracle(x: np.ndarray, g: oracles.Geometry, *, leaves: np.ndarray, gates: np.ndarray) -> np.ndarray:
    n = len(g.kernel_size)
    axis, shared = x.ndim - n - 1, leaves.ndim == n + 1
    slices = []
    for c in range(x.shape[axis]):
        filters = {"leaves": leaves if shared else leaves[c], "gates": gates if shared else gates[c]}
        flat = {key: value.reshape(len(value), math.prod(g.kernel_size)) for key, value in filters.items()}
        slices.append(oracles.pool(np.take(x, [c], axis), g, functools.partial(oracles.tree, **flat)))
    return np.concatenate(slices, axis)


def lip_oracle(x: np.ndarray, g: oracles.Geometry, *, logit: np.ndarray) -> np.ndarray:
    return oracles.lip(x, logit, g)


def multisampling_oracles() -> dict[str, Callable[..., np.ndarray]]:
    """Of a map without submaps, of which the naive and the lattice sequence take sampler 0."""
    reducers = oracles.WINDOW_ORACLES
    first = {"naive": 0, "lattice": 0}
    return {
        "checkered": lambda x, g, *, pool, sampler, generator: oracles.checkered(
            x, g, reducers[pool], first.get(sampler, sampler)
        ),
        "tri": lambda x, g, *, pool, sampler, generator: oracles.n_rooks(
            x, g, reducers[pool], [int(column) for column in oracles.TRI[first.get(sampler, sampler)]]
        ),
        "complete": lambda x, g, *, pool: oracles.complete(x, g, reducers[pool]),
        "multisampling": lambda x, g, *, pool, sampler: oracles.n_rooks(x, g, reducers[pool], sampler),
    }


def resample_oracle(kind: str) -> Callable[..., np.ndarray]:
    def pool(x: np.ndarray, g: oracles.Geometry) -> np.ndarray:
        return oracles.resample(x, oracles.out_sizes(x.shape[-len(g.kernel_size) :], g), kind)

    return pool


def wavelet_oracle(x: np.ndarray, g: oracles.Geometry, *, wavelet: str = "haar", **params: Any) -> np.ndarray:
    return oracles.low_band(x, g, pywt.Wavelet(wavelet).dec_lo, **params)


def lift_oracle(x: np.ndarray, g: oracles.Geometry, *, predict: Any, update: Any) -> np.ndarray:
    steps = [
        [oracles.lift_steps([plain(p) for p in axis.parameters()]) for axis in module.axes]
        for module in (predict, update)
    ]
    return oracles.lift(x, g, *steps)


def stochastic_oracle(x: np.ndarray, g: oracles.Geometry, *, training: bool, generator: None) -> np.ndarray:
    assert not training
    return oracles.pool(x, g, oracles.stochastic_eval)


def fractional_oracle(
    x: np.ndarray, g: oracles.Geometry, *, output_ratio: float | None, training: bool, generator: None
) -> np.ndarray:
    assert not training
    spatial = x.shape[-len(g.kernel_size) :]
    return oracles.fractional_max(x, g, out=None if output_ratio is None else [int(output_ratio * n) for n in spatial])


def s3_oracle(x: np.ndarray, g: oracles.Geometry, *, grid: Any, training: bool, generator: None) -> np.ndarray:
    assert not training
    return oracles.s3_eval(x, g)


def avg_oracle(x: np.ndarray, g: oracles.Geometry, *, count_include_pad: bool = False) -> np.ndarray:
    """torch counts the taps that lie in the input or in its padding, not those that ceil_mode puts beyond both."""
    if not count_include_pad:
        return oracles.pool(x, g, oracles.avg)
    spatial = x.shape[-len(g.kernel_size) :]
    padded = [n + 2 * p for n, p in zip(spatial, g.padding, strict=True)]
    sums = oracles.pool(x, g, oracles.sum_)
    counts = np.zeros(sums.shape[-len(spatial) :])
    for o in np.ndindex(*counts.shape):
        taps = [[o[a] * g.stride[a] + i * g.dilation[a] for i in range(g.kernel_size[a])] for a in range(len(spatial))]
        counts[o] = math.prod(sum(i < n for i in axis) for axis, n in zip(taps, padded, strict=True))
    return sums / counts


#: ``oracle(x, g, **pool.params(x))``, by registry name.
ORACLES: dict[str, Callable[..., np.ndarray]] = {
    **{name: window_oracle(name) for name in ("max", "sum", "strided", "median", "lp", "lse", "t_max_avg")},
    **{name: window_oracle(name) for name in ("softpool", "softpool_detached")},
    **{name: window_oracle(name) for name in ("edscw", "idw", "adapool")},
    "avg": avg_oracle,
    "power": per_channel("power", "p"),
    "gem": per_channel("gem", "p"),
    "autopool": per_channel("autopool", "beta"),
    "mixed": per_channel("mixed", "lam"),
    "gated": gated_oracle,
    "gaussian": gaussian_oracle,
    "owa": owa_oracle,
    "hann_l2": oracles.hann_l2,
    "tree": tree_oracle,
    "stochastic": stochastic_oracle,
    "s3": s3_oracle,
    "fractional_max": fractional_oracle,
    "lip": lip_oracle,
    "dpp": oracles.dpp,
    "softpool_channelsum": oracles.softpool_channelsum,
    "blur": oracles.blur,
    "max_blur": oracles.max_blur,
    "avg_blur": oracles.avg_blur,
    "haar": wavelet_oracle,
    "wavelet": wavelet_oracle,
    "spectral": oracles.spectral,
    "flc": oracles.spectral,
    "asap": oracles.asap,
    "diffstride": oracles.diffstride,
    "lift": lift_oracle,
    **multisampling_oracles(),
    "space_to_depth": oracles.space_to_depth,
    "hwd": oracles.hwd,
    "rmac": oracles.rmac,
    "simpool": oracles.simpool,
    "adaptive_blur": oracles.adaptive_blur,
    "aps": oracles.aps,
    "lps": oracles.lps,
    **{name: resample_oracle(name) for name in ("area", "bilinear", "bicubic", "lanczos")},
}

#: Parameters other than the defaults, for modules and their arguments.
OTHER_SPECS = [
    "avg:count_include_pad=true",
    "lp:p=1",
    "lp:p=3.5",
    "lp:p=0.5",
    "lp:p=inf",
    "lp:norm=sum",
    "lp:p=3,norm=sum",
    "power:p=1.7",
    "power:channels=3",
    "gem:p=1.3,eps=0.5",
    "gem:channels=3",
    "lse:r=10",
    "lse:r=-2",
    "lse:r=0.001",
    "mixed:lam=0.2",
    "mixed:channels=3",
    "gated:channels=3",
    "tree:depth=1",
    "tree:depth=3",
    "tree:depth=4,channels=3",
    "tree:channels=3",
    "softpool:beta=0",
    "softpool:beta=4",
    "softpool:beta=-1.5",
    "softpool:backend=reference",
    "softpool:beta=4,backend=reference",
    "softpool:beta=-1.5,backend=reference",
    "softpool_detached:beta=2",
    "owa:channels=3",
    "owa:ranks=7",
    "owa:ranks=2,channels=3",
    "t_max_avg:k=5,threshold=0.2,when=largest",
    "t_max_avg:k=2,threshold=-0.3",
    "hann_l2:count_include_pad=true",
    "autopool:beta=-1.5",
    "autopool:channels=3,backend=reference",
    "idw:eps=1",
    "idw:eps=0.001",
    "adapool:beta=0.9",
    "dpp:channels=3,eps=0.1",
    "dpp:lam=3.5,alpha=0.1",
    "dpp:reward=asymmetric,channels=3",
    "dpp:variant=full,channels=3",
    "dpp:variant=full,reward=asymmetric,lam=2",
    *(f"blur:filt_size={n}" for n in range(1, 8)),
    "max_blur:filt_size=1",
    "max_blur:filt_size=3",
    "max_blur:filt_size=6",
    "avg_blur:filt_size=1",
    "avg_blur:filt_size=3",
    "avg_blur:filt_size=6",
    *(f"haar:mode={mode}" for mode in oracles.EXTENSIONS),
    *(f"wavelet:mode={mode},norm=mean" for mode in oracles.EXTENSIONS),
    *(f"wavelet:wavelet={name}" for name in ("haar", "db3", "db4", "sym5", "coif1", "bior2.2", "rbio3.1")),
    "asap:window=authors",
    "diffstride:strides=4.5,smoothness=0.75",
    "diffstride:strides=2.5",
    "hwd:mode=zero,norm=mean",
    "rmac:levels=4",
    "simpool:gamma=none",
    "simpool:gamma=1.5",
    "adaptive_blur:filt_size=2",
    "adaptive_blur:filt_size=4,groups=3",
    "aps:p=1,filt_size=3",
    "aps:p=inf,filt_size=4",
    "lps:hidden=2",
    "checkered:sampler=1",
    "checkered:pool=median,sampler=1",
    "checkered:pool=softpool",
    *(f"tri:sampler={index}" for index in range(1, 6)),
    "tri:pool=avg,sampler=3",
    "complete:pool=median",
    "multisampling:sampler=1x0,pool=avg",
    "multisampling:sampler=1x3x0x2",
    "multisampling:sampler=4x2x0x3x1",
]


def plain(value: Any) -> Any:
    return value.detach().double().numpy() if isinstance(value, Tensor) else value


def compare(spec: str, ndim: int, dtype: torch.dtype, sample: list[dict[str, Any]]) -> None:
    name, _ = parse_spec(spec)
    if name not in ORACLES:
        pytest.skip(f"{name}: an operator of a plugin, for which no loop is written")
    for number, geometry in enumerate(sample):
        arguments = {key: value for key, value in geometry.items() if key != "sizes"}
        lead = (CHANNELS,) if number % 3 == 2 else (1, CHANNELS)  # a third unbatched
        x = distinct(*lead, *geometry["sizes"], dtype=dtype, seed=number)
        pool = scramble(make(spec, ndim, **arguments), seed=number).to(dtype)
        y = plain(pool(x))
        params = {key: plain(value) for key, value in pool.params(x).items() if key != "backend"}
        expected = ORACLES[name](plain(x), oracle_geometry(ndim, arguments), **params)
        assert y.shape == expected.shape, (geometry, y.shape, expected.shape)
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(y, expected, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=str(geometry))


@every_pool
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
def test_equals_the_loop(spec, ndim, dtype):
    compare(spec, ndim, dtype, geometries(ndim, MANY[ndim] if dtype == torch.float64 else MANY[ndim] // 4))


@pytest.mark.parametrize("spec", OTHER_SPECS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
def test_equals_the_loop_with_other_parameters(spec, dtype):
    for ndim in info_of(spec).ndims:
        compare(spec, ndim, dtype, geometries(ndim, {1: 16, 2: 8, 3: 4}[ndim], seed=1))


def test_each_builtin_operator_has_an_oracle():
    assert set(ORACLES) >= registry._builtin


def test_variants_are_compared_too():
    assert {parse_spec(spec)[0] for spec in SPECS} >= registry._builtin
    assert {"mixed:mode=random", "checkered:pool=avg"} <= set(SPECS)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_sample_holds_every_value_of_every_argument(ndim):
    sample = geometries(ndim, MANY[ndim])
    most = {1: 5, 2: 5, 3: 3}[ndim]
    for key, values in {
        "kernel_size": range(1, most + 1),
        "stride": range(1, 5),
        "dilation": range(1, 4),
        "padding": range(most // 2 + 1),
    }.items():
        for axis in range(ndim):
            assert {geometry[key][axis] for geometry in sample} == set(values), key
    assert {geometry["ceil_mode"] for geometry in sample} == {False, True}
    assert ndim == 1 or any(len(set(geometry["kernel_size"])) > 1 for geometry in sample)
    assert {n % 2 for geometry in sample for n in geometry["sizes"]} == {0, 1}


# SoftPool's gradient --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("beta", [1.0, 0.3, -2.0])
def test_softpool_gradient_is_the_papers(ndim, beta):
    for number, geometry in enumerate(geometries(ndim, 8, seed=2)):
        sizes = geometry.pop("sizes")
        x = distinct(1, CHANNELS, *sizes, dtype=torch.float64, seed=number).requires_grad_()
        for function, slopes in (
            ("soft_pool", functools.partial(oracles.softpool_grad, beta=beta)),
            ("soft_pool_detached", functools.partial(oracles.softpool_detached_grad, beta=beta)),
        ):
            y = getattr(functional, f"{function}{ndim}d")(x, **geometry, beta=beta)
            grad_out = distinct(*y.shape, dtype=torch.float64, seed=number + 1)
            (grad,) = torch.autograd.grad(y, x, grad_out)
            expected = oracles.pool_backward(plain(x), oracle_geometry(ndim, geometry), plain(grad_out), slopes)
            np.testing.assert_allclose(plain(grad), expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e4, 1e6])
def test_softpool_gradient_keeps_its_digits_far_from_zero(offset):
    x = (distinct(1, 1, 6, 6) + offset).requires_grad_()
    functional.soft_pool2d(x, 3, 2, 1).sum().backward()
    g = oracle_geometry(2, {"kernel_size": 3, "stride": 2, "padding": 1})
    expected = oracles.pool_backward(plain(x), g, np.ones((1, 1, 3, 3)), oracles.softpool_grad)
    np.testing.assert_allclose(plain(x.grad), expected, rtol=0, atol=4e-6)


# LIP's network --------------------------------------------------------------------------------------------------------


def convolve(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """2D convolution of (C, H, W) with (O, C, k, k), zeros outside, output of the same size; cross-correlation."""
    k = weight.shape[-1]
    height, width = x.shape[1:]
    padded = np.pad(x, [(0, 0), (k // 2, k // 2), (k // 2, k // 2)])
    y = np.zeros((len(weight), height, width))
    for o, i, j in np.ndindex(*y.shape):
        y[o, i, j] = (weight[o] * padded[:, i : i + k, j : j + k]).sum()
    return y


def normalise(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Instance normalisation of (C, H, W)."""
    y = np.zeros_like(x)
    for c, plane in enumerate(x):
        y[c] = (plane - plane.mean()) / math.sqrt(plane.var() + 1e-5) * weight[c] + bias[c]
    return y


def gate(x: np.ndarray) -> np.ndarray:
    return 12 / (1 + np.exp(-x))


@pytest.mark.parametrize("variant", ["simplified", "bottleneck"])
def test_lip_network_is_the_papers(variant):
    pool = scramble(make(f"lip:variant={variant},width=4", 2, 3, 2)).double()
    p = {name: plain(value) for name, value in pool.logit.named_parameters()}
    x = distinct(2, CHANNELS, 7, 6, dtype=torch.float64)
    logits = []
    for sample in plain(x):
        if variant == "simplified":
            g = normalise(convolve(sample, p["conv.weight"]), p["bn.weight"], p["bn.bias"])
        else:
            g = np.maximum(normalise(convolve(sample, p["conv1.weight"]), p["bn1.weight"], p["bn1.bias"]), 0)
            g = np.maximum(normalise(convolve(g, p["conv2.weight"]), p["bn2.weight"], p["bn2.bias"]), 0)
            g = normalise(convolve(g, p["conv3.weight"]), p["bn3.weight"], p["bn3.bias"])
        logits.append(gate(g))
    expected = oracles.lip(plain(x), np.stack(logits), oracle_geometry(2, {"kernel_size": 3, "stride": 2}))
    np.testing.assert_allclose(plain(pool(x)), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_lip_norm_is_torchs(ndim):
    norm = {1: F.instance_norm, 2: F.instance_norm, 3: F.instance_norm}[ndim]
    pool = scramble(make("lip", ndim, 2)).double()
    x = distinct(2, CHANNELS, *(5,) * ndim, dtype=torch.float64)
    bn = pool.logit.bn
    torch.testing.assert_close(bn(x), norm(x, weight=bn.weight, bias=bn.bias, eps=bn.eps), rtol=0, atol=1e-12)


def test_lip_takes_any_logit():
    x = distinct(2, CHANNELS, 6, 5, dtype=torch.float64)
    logit = 40 * distinct(2, CHANNELS, 6, 5, dtype=torch.float64, seed=1)
    y = functional.lip_pool2d(x, 3, 2, 1, logit=logit)
    g = oracle_geometry(2, {"kernel_size": 3, "stride": 2, "padding": 1})
    np.testing.assert_allclose(plain(y), oracles.lip(plain(x), plain(logit), g), rtol=0, atol=1e-12)
