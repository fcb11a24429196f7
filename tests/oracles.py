"""Slow, literal float64 oracles: what every pooling operator should return, written from its formula alone.

Nothing here imports the package under test. Everything is a Python loop over windows, elements and axes, in float64, so
that each line can be read beside the formula it follows. The sources are papers, torch's documented output sizes, and
Pillow's and scikit-image's documented definitions; `test_oracles.py` holds the oracles against torch, Pillow and
scikit-image.

`a_i` are the elements of one window that lie inside the input. Padding is absent: it is never an element and has no
weight. A window may hold no element at all (a dilated kernel over a small padded input); the caller then says what to
expect with `empty`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Index = tuple[int, ...]


# Windows ------------------------------------------------------------------------------------------------------------


class Geometry(NamedTuple):
    """The windows of one operator: tuples of one int per spatial axis, in torch's words."""

    kernel_size: Index
    stride: Index
    padding: Index
    dilation: Index
    ceil_mode: bool = False


def out_sizes(in_sizes: Sequence[int], g: Geometry) -> Index:
    """Return torch's `max_pool{n}d` output sizes: (n + 2p - d(k-1) - 1) / s + 1, rounded down, or up in ceil mode.

    In ceil mode a last window that would start in the right padding or beyond is dropped (torch's documented note).

    Torch also refuses padding beyond half the kernel (2p > k, whatever the dilation); that is left to the caller.

    Raises:
        ValueError: where an axis would have no window.
    """
    sizes = []
    for n, k, s, p, d in zip(in_sizes, g.kernel_size, g.stride, g.padding, g.dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        out = (room + s - 1 if g.ceil_mode else room) // s + 1
        if g.ceil_mode and (out - 1) * s >= n + p:
            out -= 1
        if out < 1:
            raise ValueError(f"no window fits: in_sizes={tuple(in_sizes)}, {g}")
        sizes.append(out)
    return tuple(sizes)


def _starts(in_sizes: Sequence[int], g: Geometry) -> list[list[int]]:
    """Return, for each axis, where each window starts in input coordinates: o*s - p (negative inside the padding)."""
    return [
        [o * s - p for o in range(out)] for out, s, p in zip(out_sizes(in_sizes, g), g.stride, g.padding, strict=True)
    ]


def _cells(in_sizes: Sequence[int], g: Geometry, starts: list[list[int]]) -> Iterator[tuple[Index, list]]:
    """Yield (output index, [(input index, tap position), ...]) of the taps inside the input, in row-major tap order."""
    for out_index in product(*(range(len(axis)) for axis in starts)):
        cells = []
        for tap, offsets in enumerate(product(*(range(k) for k in g.kernel_size))):
            index = tuple(starts[a][o] + g.dilation[a] * offsets[a] for a, o in enumerate(out_index))
            if all(0 <= i < n for i, n in zip(index, in_sizes, strict=True)):
                cells.append((index, tap))
        yield out_index, cells


def windows(x: Array, g: Geometry) -> Iterator[tuple[Index, list[tuple[float, int]]]]:
    """Yield (output index, [(element, tap position), ...]) for one channel, an array of one axis per kernel axis.

    A tap position is the row-major index of the tap in the kernel. Only elements inside the input are listed; the list
    is empty where the window holds none.
    """
    for out_index, cells in _cells(x.shape, g, _starts(x.shape, g)):
        yield out_index, [(float(x[index]), tap) for index, tap in cells]


def _reduce_window(reduce: Callable[..., Any], elements: list[float], taps: list[int]) -> Any:
    """Call `reduce(elements)`, or `reduce(elements, taps=taps)` where it has a parameter of that name."""
    values = np.array(elements, dtype=np.float64)
    if "taps" in inspect.signature(reduce).parameters:
        return reduce(values, taps=np.array(taps, dtype=np.int64))
    return reduce(values)


def _pool_at(x: Array, g: Geometry, starts: list[list[int]], reduce: Callable[..., Any], empty: float) -> Array:
    """Reduce the windows that begin at every combination of `starts`; x is (..., *spatial)."""
    n = len(g.kernel_size)
    lead, spatial = x.shape[:-n], x.shape[-n:]
    y = np.full(lead + tuple(len(axis) for axis in starts), empty, dtype=np.float64)
    for channel in np.ndindex(*lead):
        for out_index, cells in _cells(spatial, g, starts):
            if cells:
                elements = [float(x[channel + index]) for index, _ in cells]
                y[channel + out_index] = _reduce_window(reduce, elements, [tap for _, tap in cells])
    return y


def pool(x: ArrayLike, g: Geometry, reduce: Callable[..., float], empty: float = math.nan) -> Array:
    """Reduce every window of every channel.

    Args:
        x: (N, C, *spatial) or (C, *spatial).
        g: the windows.
        reduce: gets the 1-D array of the elements that are present; also their tap positions, if it has a parameter
            called `taps`. Bind parameters with `functools.partial`.
        empty: the value of a window that holds no element.
    """
    x = np.asarray(x, dtype=np.float64)
    return _pool_at(x, g, _starts(x.shape[-len(g.kernel_size) :], g), reduce, empty)


def pool_backward(x: ArrayLike, g: Geometry, grad_out: ArrayLike, grad_reduce: Callable[..., ArrayLike]) -> Array:
    """Scatter: dL/dx = Σ dL/dy * dy/dx over the windows that hold x, `grad_reduce(elements)` giving every dy/da_i."""
    x, grad_out = np.asarray(x, dtype=np.float64), np.asarray(grad_out, dtype=np.float64)
    n = len(g.kernel_size)
    grad_in = np.zeros_like(x)
    for channel in np.ndindex(*x.shape[:-n]):
        for out_index, cells in _cells(x.shape[-n:], g, _starts(x.shape[-n:], g)):
            if not cells:
                continue
            elements = [float(x[channel + index]) for index, _ in cells]
            slopes = np.asarray(_reduce_window(grad_reduce, elements, [tap for _, tap in cells]), dtype=np.float64)
            for (index, _), slope in zip(cells, slopes, strict=True):
                grad_in[channel + index] += grad_out[channel + out_index] * slope
    return grad_in


# One window, one number ---------------------------------------------------------------------------------------------


def _floats(elements: ArrayLike) -> list[float]:
    return np.asarray(elements, dtype=np.float64).ravel().tolist()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _largest(values: Sequence[float]) -> float:
    return float(np.max(values))  # unlike Python's max, passes a NaN on


def _sigmoid(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z >= 0 else math.exp(z) / (1.0 + math.exp(z))


def _softmax(scores: Sequence[float]) -> list[float]:
    """e^s_i / Σ e^s_j; the largest score is subtracted first, which changes nothing but the range."""
    top = _largest(scores)
    exps = [math.exp(s - top) for s in scores]
    total = sum(exps)
    return [e / total for e in exps]


def max_(elements: ArrayLike) -> float:
    """max a_i (torch)."""
    return _largest(_floats(elements))


def avg(elements: ArrayLike) -> float:
    """Σ a_i / |R| (torch's count_include_pad=False)."""
    return _mean(_floats(elements))


def sum_(elements: ArrayLike) -> float:
    """Σ a_i (the SoftPool paper's baseline)."""
    return sum(_floats(elements))


def strided(elements: ArrayLike) -> float:
    """a_1, the first element present (arXiv 1805.10766: the sampler that keeps one)."""
    return _floats(elements)[0]


def median(elements: ArrayLike) -> float:
    """The middle of the sorted elements, the mean of the two middle ones where their number is even."""
    with np.errstate(invalid="ignore"):  # the mean of inf and -inf is NaN, and not worth a warning
        return float(np.median(_floats(elements)))


def lp(elements: ArrayLike, p: float = 2.0, norm: str = "mean") -> float:
    """(mean |a|^p)^(1/p); `norm="sum"`: (Σ |a|^p)^(1/p); p = inf: max |a| (Gulcehre 2014; torch's LPPool is the sum).

    |a| is divided by its maximum before the power and multiplied back after the root, which the formula allows.
    """
    sizes = [abs(a) for a in _floats(elements)]
    top = _largest(sizes)
    if p == math.inf or top in (0.0, math.inf):
        return top
    powers = [(a / top) ** p for a in sizes]
    return top * (_mean(powers) if norm == "mean" else sum(powers)) ** (1.0 / p)


def power(elements: ArrayLike, p: float = 3.0) -> float:
    """lp with another starting p (power-average pooling in the SoftPool paper's comparison)."""
    return lp(elements, p=p)


def gem(elements: ArrayLike, p: float = 3.0, eps: float = 1e-6) -> float:
    """(mean clamp(a, eps)^p)^(1/p) (arXiv 1711.02512)."""
    return lp(np.maximum(_floats(elements), eps), p=p)


def lse(elements: ArrayLike, r: float = 1.0) -> float:
    """(1/r) log mean exp(r a) (Pinheiro & Collobert 2015); its limit at r = 0 is the mean."""
    if r == 0:
        return avg(elements)
    scores = [r * a for a in _floats(elements)]
    top = _largest(scores)
    if math.isinf(top):
        return top / r
    return (top + math.log(_mean([math.exp(s - top) for s in scores]))) / r


def stochastic_eval(elements: ArrayLike) -> float:
    """Σ p_i a_i, p_i = max(a_i, 0) / Σ max(a_j, 0); 0 where no element is positive (arXiv 1301.3557, test time)."""
    values = _floats(elements)
    weights = np.maximum(values, 0.0).tolist()  # passes a NaN on
    total = sum(weights)
    return 0.0 if total == 0 else sum(w / total * a for w, a in zip(weights, values, strict=True))


def mixed(elements: ArrayLike, lam: float = 0.5) -> float:
    """λ max + (1-λ) avg (arXiv 1509.08985)."""
    return lam * max_(elements) + (1.0 - lam) * avg(elements)


def gated(elements: ArrayLike, taps: ArrayLike | None = None, weight: ArrayLike | None = None) -> float:
    """σ(ωᵀa) max + (1 - σ(ωᵀa)) avg (arXiv 1509.08985).

    ω holds one weight per tap of the kernel (any shape, row-major); `taps` says which of them the elements sit at, all
    of them in order if not given, so that a tap in the padding has no share in ωᵀa. No ω means zeros.
    """
    values = _floats(elements)
    positions = range(len(values)) if taps is None else [int(t) for t in np.asarray(taps)]
    omega = None if weight is None else _floats(weight)
    score = 0.0 if omega is None else sum(omega[t] * a for t, a in zip(positions, values, strict=True))
    return mixed(values, lam=_sigmoid(score))


def tree(elements: ArrayLike, leaves: Array, gates: Array, taps: ArrayLike | None = None) -> float:
    """Leaf: vᵀa; node: σ(ωᵀa) f_left + (1 - σ(ωᵀa)) f_right (arXiv 1509.08985).

    `leaves` and `gates` are (n, taps of the kernel) and (n - 1, ..); node i has the children 2 i + 1 and 2 i + 2, the
    leaves following the gates. A tap in the padding has no share.
    """
    values = _floats(elements)
    positions = range(len(values)) if taps is None else [int(t) for t in np.asarray(taps)]

    def node(i: int) -> float:
        weights = leaves[i - len(gates)] if i >= len(gates) else gates[i]
        product_ = sum(float(weights[t]) * a for t, a in zip(positions, values, strict=True))
        if i >= len(gates):
            return product_
        share = _sigmoid(product_)
        return share * node(2 * i + 1) + (1.0 - share) * node(2 * i + 2)

    return node(0)


def softpool(elements: ArrayLike, beta: float = 1.0) -> float:
    """Σ softmax(β a)_i a_i (arXiv 2101.00440)."""
    values = _floats(elements)
    return sum(w * a for w, a in zip(_softmax([beta * a for a in values]), values, strict=True))


def gaussian(elements: ArrayLike, m: float = 0.0) -> float:
    """μ + log(1 + e^m) σ, σ² at least 1e-6 (Kobayashi 2019, in evaluation)."""
    values = _floats(elements)
    mu, top = _mean(values), max(map(abs, values)) or 1.0
    sigma = top * math.sqrt(_mean([((a - mu) / top) ** 2 for a in values]))
    m = float(m)
    return mu + (max(m, 0.0) + math.log1p(math.exp(-abs(m)))) * max(sigma, 1e-3)


def owa(elements: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Σ w_i a_(i), the largest a first (arXiv 2109.01561).

    Of n elements and M weights, w_i = Q(i / n) - Q((i - 1) / n), Q the weights' sums up to j / M, joined by lines.
    """
    values = sorted(_floats(elements), reverse=True)
    if any(map(math.isnan, values)):
        return math.nan
    weights = [1.0] * len(values) if weight is None else _floats(weight)
    reached, sums = 0.0, [0.0]
    for w in weights:
        reached += w
        sums.append(reached)

    def upto(t: float) -> float:
        j = min(int(t * len(weights) + 1e-12), len(weights) - 1)
        return (sums[j] + (t * len(weights) - j) * weights[j]) / reached

    n = len(values)
    return sum((upto((i + 1) / n) - upto(i / n)) * a for i, a in enumerate(values))


def t_max_avg(elements: ArrayLike, k: int = 3, threshold: float = 0.5, when: str = "all") -> float:
    """max a if all of the k largest are at least T, or with when = largest if the largest is; else their mean."""
    values = sorted(_floats(elements), reverse=True)[:k]
    if any(map(math.isnan, _floats(elements))):
        return math.nan
    reached = [a >= threshold for a in values]
    return values[0] if (all(reached) if when == "all" else reached[0]) else _mean(values)


def hann_l2(x: ArrayLike, g: Geometry, count_include_pad: bool = False, empty: float = math.nan) -> Array:
    """√(Σ h a² + 1e-12), h the product over the axes of sin²(π i / (k + 1)), i = 1..k, over its sum (piq)."""
    rows = [[math.sin(math.pi * i / (k + 1)) ** 2 for i in range(1, k + 1)] for k in g.kernel_size]
    h = [math.prod(taps) for taps in product(*rows)]

    def reduce(elements: Array, taps: Any) -> float:
        total = sum(h) if count_include_pad else sum(h[tap] for tap in taps)
        top = max(max(abs(float(a)) for a in elements), 1e-6)
        top = 1.0 if math.isinf(top) else top
        squares = sum(h[tap] * (float(a) / top) ** 2 for a, tap in zip(elements, taps, strict=True))
        return top * math.sqrt(squares / total + (1e-6 / top) ** 2)

    return pool(x, g, reduce, empty)


def autopool(elements: ArrayLike, beta: float = 1.0) -> float:
    """Σ softmax(β a)_i a_i with β learned (McFee et al. 2018)."""
    values = _floats(elements)
    return sum(w * a for w, a in zip(_softmax([float(beta) * a for a in values]), values, strict=True))


def dice(a: float, m: float) -> float:
    """DSC = 2 |a m| / (a² + m²), 0/0 -> 0 (arXiv 2111.00772); both are divided by the larger before squaring."""
    top = max(abs(a), abs(m))
    return 0.0 if top == 0 else 2 * abs(a / top) * abs(m / top) / ((a / top) ** 2 + (m / top) ** 2)


def edscw(elements: ArrayLike) -> float:
    """Σ softmax(DSC(a, ā))_i a_i (arXiv 2111.00772)."""
    values = _floats(elements)
    centre = _mean(values)
    return sum(w * a for w, a in zip(_softmax([dice(a, centre) for a in values]), values, strict=True))


def idw(elements: ArrayLike, eps: float = 1e-6) -> float:
    """Σ w_i a_i / Σ w_i, w_i = 1 / (d_i + ε mean d), d_i = |a_i - ā|; the mean where every d is 0 (AdaPool's code)."""
    values = _floats(elements)
    centre = _mean(values)
    distances = [abs(a - centre) for a in values]
    spread = _mean(distances)
    if spread == 0:
        return centre
    weights = [1.0 / (d + eps * spread) for d in distances]
    return sum(w * a for w, a in zip(weights, values, strict=True)) / sum(weights)


def adapool(elements: ArrayLike, beta: float = 0.5) -> float:
    """β edscw + (1 - β) softpool (arXiv 2111.00772)."""
    return float(beta) * edscw(elements) + (1.0 - float(beta)) * softpool(elements)


WINDOW_ORACLES: dict[str, Callable[..., float]] = {
    "max": max_,
    "avg": avg,
    "sum": sum_,
    "strided": strided,
    "median": median,
    "lp": lp,
    "power": power,
    "gem": gem,
    "lse": lse,
    "stochastic_eval": stochastic_eval,
    "mixed": mixed,
    "gated": gated,
    "softpool": softpool,
    "softpool_detached": softpool,
    "autopool": autopool,
    "owa": owa,
    "t_max_avg": t_max_avg,
    "edscw": edscw,
    "idw": idw,
    "adapool": adapool,
}


def softpool_grad(elements: ArrayLike, beta: float = 1.0) -> Array:
    """dy/da_i = w_i (1 + β (a_i - y)), w = softmax(β a).

    a_i - y is written Σ_j w_j (a_i - a_j), so that a window of equal elements has it exactly 0 at any magnitude.
    """
    values = _floats(elements)
    weights = _softmax([beta * a for a in values])
    slopes = []
    for w_i, a_i in zip(weights, values, strict=True):
        above = sum(w_j * (a_i - a_j) for w_j, a_j in zip(weights, values, strict=True))
        slopes.append(w_i * (1.0 + beta * above))
    return np.array(slopes)


def softpool_detached_grad(elements: ArrayLike, beta: float = 1.0) -> Array:
    """dy/da_i = w_i: the authors' released gradient, the weights held constant."""
    return np.array(_softmax([beta * a for a in _floats(elements)]))


# Operators that see more than one number per position ---------------------------------------------------------------


def lip(x: ArrayLike, logit: ArrayLike, g: Geometry, empty: float = math.nan) -> Array:
    """Σ a e^G / Σ e^G over each window, G an array of x's shape (arXiv 1908.04156)."""
    x, logit = np.asarray(x, dtype=np.float64), np.asarray(logit, dtype=np.float64)
    n = len(g.kernel_size)
    y = np.full(x.shape[:-n] + out_sizes(x.shape[-n:], g), empty, dtype=np.float64)
    for channel in np.ndindex(*x.shape[:-n]):
        for out_index, cells in _cells(x.shape[-n:], g, _starts(x.shape[-n:], g)):
            if cells:
                weights = _softmax([float(logit[channel + index]) for index, _ in cells])
                elements = [float(x[channel + index]) for index, _ in cells]
                y[channel + out_index] = sum(w * a for w, a in zip(weights, elements, strict=True))
    return y


def softpool_channelsum(x: ArrayLike, g: Geometry, empty: float = math.nan) -> Array:
    """y_c = max(0, Σ m a_c / Σ m), m(position) = Σ_c exp(x_c(position)): the authors' CPU path since v1.0.

    The sums over a window are divided by the same e^M, M the largest element in any channel of the window.
    """
    x = np.asarray(x, dtype=np.float64)
    n = len(g.kernel_size)
    y = np.full(x.shape[:-n] + out_sizes(x.shape[-n:], g), empty, dtype=np.float64)
    channels = range(x.shape[-n - 1])
    for sample in np.ndindex(*x.shape[: -n - 1]):
        for out_index, cells in _cells(x.shape[-n:], g, _starts(x.shape[-n:], g)):
            if not cells or not channels:
                continue
            at = [index for index, _ in cells]
            top = _largest([float(x[(*sample, c, *i)]) for c in channels for i in at])
            mask = [sum(math.exp(float(x[(*sample, c, *i)]) - top) for c in channels) for i in at]
            for c in channels:
                weighted = [m / sum(mask) * float(x[(*sample, c, *i)]) for m, i in zip(mask, at, strict=True)]
                y[(*sample, c, *out_index)] = np.maximum(sum(weighted), 0.0)
    return y


def dpp(
    x: ArrayLike,
    g: Geometry,
    alpha: ArrayLike = 1.0,
    lam: ArrayLike = 1.0,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    reward: str = "symmetric",
    eps: float = 1e-3,
) -> Array:
    """Σ w a / Σ w, w = α + ρ(a - s): ρ_sym(d) = √(d² + ε²)^λ, ρ_asym(d) = √(max(0, d)² + ε²)^λ (arXiv 1804.04076).

    s is the window's mean; with `weight`, (3, ..) or (C, 3, ..), that filter of the input around the window's middle
    (the earlier of two), 0 outside the input, plus `bias`. α, λ and bias: one, or one per channel.
    """
    x = np.asarray(x, dtype=np.float64)
    n = len(g.kernel_size)
    spatial, channels = x.shape[-n:], x.shape[-n - 1]
    means = pool(x, g, avg)
    alphas, lams, biases = (
        np.broadcast_to(np.asarray(v, dtype=np.float64), (channels,))
        for v in (alpha, lam, 0.0 if bias is None else bias)
    )
    filters = None if weight is None else np.broadcast_to(np.asarray(weight), (channels, *(3,) * n))
    y = np.zeros_like(means)
    for channel in np.ndindex(*x.shape[:-n]):
        c = channel[-1]
        for out_index, cells in _cells(spatial, g, _starts(spatial, g)):
            centre = float(means[channel + out_index])
            if filters is not None:
                centre = float(biases[c])
                for taps in product(range(3), repeat=n):
                    near = [
                        o * s - p + d * ((k - 1) // 2) + tap - 1
                        for o, s, p, d, k, tap in zip(
                            out_index, g.stride, g.padding, g.dilation, g.kernel_size, taps, strict=True
                        )
                    ]
                    if all(0 <= i < size for i, size in zip(near, spatial, strict=True)):
                        centre += float(filters[(c, *taps)]) * float(x[(*channel, *near)])
            total = weights = 0.0
            for index, _ in cells:
                d = float(x[channel + index]) - centre
                d = max(0.0, d) if reward == "asymmetric" else d
                w = alphas[c] + math.sqrt(d * d + eps * eps) ** lams[c]
                total, weights = total + w * float(x[channel + index]), weights + w
            y[channel + out_index] = total / weights
    return y


def ada_unpool(y: ArrayLike, x: ArrayLike, g: Geometry, beta: float = 0.5) -> Array:
    """Each element of a window gets y |R| w_i, w_i = β softmax(DSC(a, ā))_i + (1 - β) softmax(a)_i (arXiv 2111.00772).

    A position that several windows hold gets the mean of what they give; one that none holds, the value of the window
    whose middle position, rounded down, is nearest along every axis, the later of two equally near ones.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    n = len(g.kernel_size)
    spatial = x.shape[-n:]
    starts = _starts(spatial, g)
    middles = [
        [start + (d * (k - 1)) // 2 for start in axis]
        for axis, k, d in zip(starts, g.kernel_size, g.dilation, strict=True)
    ]
    out = np.zeros_like(x)
    for channel in np.ndindex(*x.shape[:-n]):
        given: dict[Index, list[float]] = {}
        for out_index, cells in _cells(spatial, g, starts):
            values = [float(x[channel + index]) for index, _ in cells]
            if not values:
                continue
            centre = _mean(values)
            similar, soft = _softmax([dice(a, centre) for a in values]), _softmax(values)
            for (index, _), e, s in zip(cells, similar, soft, strict=True):
                weight = beta * e + (1.0 - beta) * s
                given.setdefault(index, []).append(float(y[channel + out_index]) * len(values) * weight)
        for index in np.ndindex(*spatial):
            near = tuple(
                min(range(len(axis)), key=lambda o, axis=axis, i=i: (abs(axis[o] - i), -o))
                for axis, i in zip(middles, index, strict=True)
            )
            out[channel + index] = _mean(given[index]) if index in given else y[channel + near]
    return out


def binomial(size: int) -> list[float]:
    """Row `size` of Pascal's triangle, normalised: 4 gives (1, 3, 3, 1) / 8 (arXiv 1904.11486)."""
    return [math.comb(size - 1, i) / 2 ** (size - 1) for i in range(size)]


def reflect(index: int, n: int) -> int:
    """The position that `index` has after reflection in the first and last of n elements, as often as it takes."""
    if n == 1:
        return 0
    index %= 2 * (n - 1)
    return min(index, 2 * (n - 1) - index)


def blur(x: ArrayLike, g: Geometry, filt_size: int = 4) -> Array:
    """Σ over taps of binomial weight times element, the filter centred on each of torch's windows for g.

    Along an axis the first of the `filt_size` taps, spaced by the dilation d, lies at o*s - p - floor(d (f-k) / 2):
    half the difference of the two spans before the window's start. Positions outside the input are reflected without
    repeating the edge. With kernel_size 1 and no padding this is antialiased-cnns' BlurPool(filt_size, stride).
    """
    x = np.asarray(x, dtype=np.float64)
    n = len(g.kernel_size)
    spatial, taps = x.shape[-n:], binomial(filt_size)
    starts = _starts(spatial, g)
    first = [
        [start - (d * (filt_size - k)) // 2 for start in axis]
        for axis, k, d in zip(starts, g.kernel_size, g.dilation, strict=True)
    ]
    y = np.zeros(x.shape[:-n] + tuple(len(axis) for axis in starts))
    for out_index in np.ndindex(*y.shape):
        channel, o = out_index[:-n], out_index[-n:]
        for offsets in product(range(filt_size), repeat=n):
            index = tuple(reflect(first[a][o[a]] + g.dilation[a] * offsets[a], spatial[a]) for a in range(n))
            y[out_index] += math.prod(taps[t] for t in offsets) * x[channel + index]
    return y


def _symmetric(index: int, n: int) -> tuple[int, float]:
    index %= 2 * n
    return (index, 1.0) if index < n else (2 * n - 1 - index, 1.0)


def _antisymmetric(index: int, n: int) -> tuple[int, float]:
    return _symmetric(index, n)[0], 1.0 if index // n % 2 == 0 else -1.0


#: PyWavelets' signal extension modes as its manual draws them: the element read at `index` and its factor.
EXTENSIONS: dict[str, Callable[[int, int], tuple[int, float]]] = {
    "zero": lambda index, n: (min(max(index, 0), n - 1), float(0 <= index < n)),
    "constant": lambda index, n: (min(max(index, 0), n - 1), 1.0),
    "symmetric": _symmetric,
    "reflect": lambda index, n: (reflect(index, n), 1.0),
    "periodic": lambda index, n: (index % n, 1.0),
    "periodization": lambda index, n: (min(index % (n + n % 2), n - 1), 1.0),
    "antisymmetric": _antisymmetric,
}


def low_band(x: ArrayLike, g: Geometry, dec_lo: Sequence[float], mode: str = "symmetric", norm: str = "ortho") -> Array:
    """Convolve with a wavelet's decomposition low-pass filter, centred on each window: the LL band.

    The L taps lie as `blur`'s do: the first one floor(d (L-k) / 2) before the window's start. Convolution turns the
    filter round. `norm="mean"` divides it by its sum.
    """
    gain = math.fsum(dec_lo) if norm == "mean" else 1.0
    return wavelet_band(x, g, [[tap / gain for tap in dec_lo]] * len(g.kernel_size), mode)


def hwd(x: ArrayLike, g: Geometry, mode: str = "symmetric", norm: str = "ortho") -> Array:
    """All bands of Haar's transform, the filter of the first axis changing fastest; `norm` as in `low_band`."""
    tap, n = 0.5 if norm == "mean" else math.sqrt(0.5), len(g.kernel_size)
    filters = {0: [tap, tap], 1: [-tap, tap]}  # dec_lo and dec_hi
    orders = [order[::-1] for order in product((0, 1), repeat=n)]
    return np.stack([wavelet_band(x, g, [filters[band] for band in order], mode) for order in orders], -n - 1)


def wavelet_band(x: ArrayLike, g: Geometry, filters: Sequence[Sequence[float]], mode: str) -> Array:
    """Convolve with a decomposition filter along each axis, all of one length, centred on each window."""
    x = np.asarray(x, dtype=np.float64)
    n, length = len(g.kernel_size), len(filters[0])
    spatial, starts = x.shape[-n:], _starts(x.shape[-n:], g)
    y = np.zeros(x.shape[:-n] + tuple(len(axis) for axis in starts))
    for out_index in np.ndindex(*y.shape):
        channel, o = out_index[:-n], out_index[-n:]
        axes = []
        for a in range(n):
            first = starts[a][o[a]] - (g.dilation[a] * (length - g.kernel_size[a])) // 2
            read = [EXTENSIONS[mode](first + g.dilation[a] * t, spatial[a]) for t in range(length)]
            axes.append([(i, f * filters[a][length - 1 - t]) for t, (i, f) in enumerate(read)])
        for taps in product(*axes):
            y[out_index] += math.prod(w for _, w in taps) * x[channel + tuple(i for i, _ in taps)]
    return y


def dense_blur(
    x: ArrayLike, g: Geometry, reduce: Callable[..., float], filt_size: int = 4, empty: float = math.nan
) -> Array:
    """Every window reduced at stride 1 (the same kernel, padding, dilation), then blur with kernel 1 and the stride.

    The output has torch's size for g. Where ceil mode asks for a window that starts beyond the dense map, the map goes
    on up to that start, and no further: its extra windows hang out of the input on the right, as ceil-mode windows do.
    The reflection is in the edges of the map thus extended.
    """
    x = np.asarray(x, dtype=np.float64)
    n = len(g.kernel_size)
    starts = []
    for size, out, k, s, p, d in zip(
        x.shape[-n:], out_sizes(x.shape[-n:], g), g.kernel_size, g.stride, g.padding, g.dilation, strict=True
    ):
        dense_size = max(size + 2 * p - d * (k - 1), (out - 1) * s + 1)
        starts.append([i - p for i in range(dense_size)])
    dense = _pool_at(x, g, starts, reduce, empty)
    return blur(dense, Geometry((1,) * n, g.stride, (0,) * n, (1,) * n), filt_size)


def fractional_max(x: ArrayLike, g: Geometry, u: ArrayLike = 0.5, out: Sequence[int] | None = None) -> Array:
    """max over the windows that start at ⌊(i + u) r⌋ - ⌊u r⌋ - p, r = (n + 2p - span) / (out - 1); the last at the end.

    This is torch's rule for Graham's regions (arXiv 1412.6071). `u` is one number, or one per channel and axis, of
    shape (..., axes). Where r < 1 no start is beyond the last.
    """
    x = np.asarray(x, dtype=np.float64)
    n = len(g.kernel_size)
    spatial = x.shape[-n:]
    sizes = tuple(out_sizes(spatial, g) if out is None else out)
    u = np.broadcast_to(np.asarray(u, dtype=np.float64), (*x.shape[:-n], n))
    y = np.zeros((*x.shape[:-n], *sizes))
    for channel in np.ndindex(*x.shape[:-n]):
        starts = []
        for axis, (m, size) in enumerate(zip(sizes, spatial, strict=True)):
            last = max(0, size + 2 * g.padding[axis] - g.dilation[axis] * (g.kernel_size[axis] - 1) - 1)
            r, v = last / max(m - 1, 1), float(u[(*channel, axis)])
            free = [min(last, math.floor((i + v) * r) - math.floor(v * r)) for i in range(m - 1)]
            starts.append([start - g.padding[axis] for start in [*free, last]])
        y[channel] = _pool_at(x[channel], g, starts, max_, math.nan)
    return y


def s3_dense(x: ArrayLike, g: Geometry) -> Array:
    """Max pooling at stride 1: the window that starts at i - p for i < out * s, as long as i - p lies in the input."""
    x = np.asarray(x, dtype=np.float64)
    spatial = x.shape[-len(g.kernel_size) :]
    starts = [
        [i - p for i in range(out * s) if i - p < size]
        for out, s, p, size in zip(out_sizes(spatial, g), g.stride, g.padding, spatial, strict=True)
    ]
    return _pool_at(x, g, starts, max_, math.nan)


def s3_eval(x: ArrayLike, g: Geometry) -> Array:
    """Mean of the dense map over each output's s positions an axis (arXiv 1611.05138, the average at test time)."""
    n = len(g.kernel_size)
    return pool(s3_dense(x, g), Geometry(g.stride, g.stride, (0,) * n, (1,) * n, True), avg)


def max_blur(x: ArrayLike, g: Geometry, filt_size: int = 4) -> Array:
    """Dense max, then blur (arXiv 1904.11486)."""
    return dense_blur(x, g, max_, filt_size)


def avg_blur(x: ArrayLike, g: Geometry, filt_size: int = 4) -> Array:
    """Dense average, then blur."""
    return dense_blur(x, g, avg, filt_size)


def spectral(x: ArrayLike, g: Geometry) -> Array:
    """Re Σ_k X_k e^(2πi k o / m), k from -floor(m/2) to ceil(m/2) - 1, X_k the DFT divided by n (arXiv 1506.03767).

    One axis after the other, the real part taken at the end. A frequency that n samples do not have is 0.
    """
    return low_frequencies(x, g, lambda axis, k, n: 1.0)


def asap(x: ArrayLike, g: Geometry, window: str = "centred") -> Array:
    """As spectral, X_k times the root of a Hamming window: centred on frequency 0, or numpy's over all n, in order."""

    def gain(axis: int, k: int, n: int) -> float:
        if window == "centred":
            return math.sqrt(0.54 + 0.46 * math.cos(2 * math.pi * k / n))
        return math.sqrt(np.hamming(n)[k + n // 2])

    return low_frequencies(x, g, gain)


def diffstride(x: ArrayLike, g: Geometry, strides: Array, smoothness: float = 4.0, size: str = "asked") -> Array:
    """As spectral, X_k times clip((R + n/(2S) - |k|) / R, 0, 1), S at least 1 and n/(2S) too."""
    assert size == "asked" and smoothness

    def gain(axis: int, k: int, n: int) -> float:
        half = max(n / (2 * max(float(strides[axis]), 1.0)), 1.0)
        return min(max((smoothness + half - abs(k)) / smoothness, 0.0), 1.0)

    return low_frequencies(x, g, gain)


def low_frequencies(x: ArrayLike, g: Geometry, gain: Callable[[int, int, int], float]) -> Array:
    """Spectral's sum, with a factor ``gain(axis, k, n)`` for each frequency of an axis."""
    y = np.asarray(x, dtype=np.complex128)
    dims = len(g.kernel_size)
    for axis, m in zip(range(y.ndim - dims, y.ndim), out_sizes(y.shape[-dims:], g), strict=True):
        n = y.shape[axis]
        weights = np.zeros((m, n), dtype=np.complex128)
        for o, t in np.ndindex(m, n):
            for k in range(-(m // 2), m - m // 2):
                if -(n // 2) <= k < n - n // 2:
                    weights[o, t] += gain(axis - y.ndim + dims, k, n) * np.exp(2j * np.pi * k * (o / m - t / n)) / n
        y = np.moveaxis(np.tensordot(weights, y, (1, axis)), 0, axis)
    return y.real


def lift_steps(layers: Sequence[ArrayLike]) -> Callable[[Array], Array]:
    """P or U of arXiv 2104.00996 for (C, length): three taps a channel, zeros outside; ReLU; channels mixed; Tanh.

    `layers` are the weight (C, 1, 3) and bias of the first convolution, the weight (C, C, 1) and bias of the second.
    """
    conv, conv_bias, mix, mix_bias = (np.asarray(layer, dtype=np.float64) for layer in layers)

    def step(rows: Array) -> Array:
        hidden, y = np.zeros_like(rows), np.zeros_like(rows)
        channels, length = rows.shape
        for c, i in np.ndindex(channels, length):
            taps = [conv[c, 0, t] * rows[c, i + t - 1] for t in range(3) if 0 <= i + t - 1 < length]
            hidden[c, i] = max(0.0, sum(taps) + conv_bias[c])
        for c, i in np.ndindex(channels, length):
            y[c, i] = math.tanh(sum(mix[c, b, 0] * hidden[b, i] for b in range(channels)) + mix_bias[c])
        return y

    return step


def lift_1d(rows: Array, starts: Sequence[int], k: int, d: int, predict: Callable, update: Callable) -> list[Array]:
    """[s, d_1, ...] of (C, length): d_j = a_j - P(a_0), s = a_0 + Σ U(d_j); a_j lies j d behind a window's start."""
    taps = [np.stack([rows[:, reflect(i + j * d, rows.shape[1])] for i in starts], 1) for j in range(k)]
    details = [tap - predict(taps[0]) for tap in taps[1:]]
    return [taps[0] + sum(update(detail) for detail in details), *details]


def lift(x: ArrayLike, g: Geometry, predict: Sequence[Callable], update: Sequence[Callable]) -> Array:
    """The sum of the sub-bands, the last axis lifted first; `predict` and `update` have one function per axis."""
    x = np.asarray(x, dtype=np.float64)
    n = len(g.kernel_size)
    starts = _starts(x.shape[-n:], g)
    bands = [x]
    for axis in reversed(range(n)):
        lifted = []
        for band in bands:
            # (..., C, *spatial) as (rows, C, length), one after the other.
            moved = np.moveaxis(np.moveaxis(band, -n - 1, -1), axis - n - 1, -1)
            rows = moved.reshape(-1, *moved.shape[-2:])
            steps = (starts[axis], g.kernel_size[axis], g.dilation[axis], predict[axis], update[axis])
            parts = zip(*(lift_1d(row, *steps) for row in rows), strict=True)
            for part in parts:
                stacked = np.stack(part).reshape(*moved.shape[:-1], len(starts[axis]))
                lifted.append(np.moveaxis(np.moveaxis(stacked, -1, axis - n - 1), -1, -n - 1))
        bands = lifted
    return sum(bands[1:], bands[0])


def checkered(
    x: ArrayLike, g: Geometry, reduce: Callable[..., float], sampler: int = 0, empty: float = math.nan
) -> Array:
    """Pool x (..., H, W) at two phases: (N, C, H, W) -> (N, C, 2, oh, ow) (arXiv 1805.10766).

    Sampler 0 shifts the window starts o*s - p by (0, 0) and by (s_h//2, s_w//2); sampler 1 by (0, s_w//2) and by
    (s_h//2, 0). Stride 1 in both axes leaves one submap.
    """
    half = [s // 2 for s in g.stride]
    return at_phases(x, g, reduce, [[(0, 0), (half[0], half[1])], [(0, half[1]), (half[0], 0)]][sampler], empty)


#: Columns that the six 3x3 samplers keep in rows 0, 1, 2, as the paper's public code numbers them.
TRI = ["021", "102", "210", "201", "120", "012"]


def n_rooks(
    x: ArrayLike, g: Geometry, reduce: Callable[..., float], columns: Sequence[int], empty: float = math.nan
) -> Array:
    """Pool x at k phases, row r of k with column columns[r]: a cell of stride s is divided at 0, s//k, 2s//k, ..."""
    k = len(columns)
    shifts = []
    for row in range(k):
        down = math.floor(row * g.stride[0] / k)
        right = math.floor(columns[row] * g.stride[1] / k)
        shifts.append((down, right))
    return at_phases(x, g, reduce, shifts, empty)


def complete(x: ArrayLike, g: Geometry, reduce: Callable[..., float], empty: float = math.nan) -> Array:
    """Pool x at every phase of the stride, row by row."""
    shifts = [(down, right) for down in range(g.stride[0]) for right in range(g.stride[1])]
    return at_phases(x, g, reduce, shifts, empty)


def space_to_depth(x: ArrayLike, g: Geometry) -> Array:
    """Give the first tap inside the input of windows that start at o s - p + phase, on any number of axes.

    A start beyond the last element is moved back onto it. Phases row by row: (..., *sizes) -> (..., phases, *out).
    """
    x = np.asarray(x, dtype=np.float64)
    sizes = x.shape[-len(g.kernel_size) :]
    out = out_sizes(sizes, g)
    y = np.full((*x.shape[: -len(sizes)], math.prod(g.stride), *out), math.nan)
    for number, shift in enumerate(np.ndindex(*g.stride)):
        for o in np.ndindex(*out):
            at = []
            for axis, n in enumerate(sizes):
                start = min(o[axis] * g.stride[axis] - g.padding[axis] + shift[axis], n - 1)
                taps = [start + i * g.dilation[axis] for i in range(g.kernel_size[axis])]
                at.append(next(tap for tap in taps if 0 <= tap < n))
            y[(..., number, *o)] = x[(..., *at)]
    return y


def elements_of(x: Array, g: Geometry) -> list[tuple[tuple[int, ...], list[tuple[int, ...]], list[tuple[int, ...]]]]:
    """For each window of ``(C, *sizes)``: its place, the positions inside the input, and their taps in the kernel."""
    sizes, found = x.shape[1:], []
    for o in np.ndindex(*out_sizes(sizes, g)):
        inside = []
        for tap in np.ndindex(*g.kernel_size):
            at = tuple(i * s - p + d * t for i, s, p, d, t in zip(o, g.stride, g.padding, g.dilation, tap, strict=True))
            if all(0 <= i < n for i, n in zip(at, sizes, strict=True)):
                inside.append((at, tap))
        found.append((o, [at for at, _ in inside], [tap for _, tap in inside]))
    return found


def over_samples(pool: Callable[..., Array], ndim: int, x: ArrayLike, *args: Any, **params: Any) -> Array:
    """``pool`` of ``(C, *sizes)``, for each sample of ``x`` if it has an axis of them."""
    x = np.asarray(x, dtype=np.float64)
    return pool(x, *args, **params) if x.ndim == ndim + 1 else np.stack([pool(one, *args, **params) for one in x])


def rmac_regions(height: int, width: int, levels: int) -> list[tuple[int, int, int, int]]:
    """The authors' regions (cirtorch/layers/functional.py, rmac) as top, left, height, width; the whole map first."""
    steps, w = np.array([2, 3, 4, 5, 6, 7]), min(height, width)
    b = (max(height, width) - w) / (steps - 1)
    idx = int(np.argmin(np.abs((w**2 - w * b) / w**2 - 0.4)))
    wd, hd = (idx + 1 if height < width else 0), (idx + 1 if height > width else 0)
    found = [(0, 0, height, width)]
    for level in range(1, levels + 1):
        wl = math.floor(2 * w / (level + 1))
        across, down = (
            [
                math.floor(i * (size - wl) / (level + more - 1) + 1e-9) if level + more > 1 else 0
                for i in range(level + more)
            ]
            for size, more in ((width, wd), (height, hd))
        )
        found += [(i, j, wl, wl) for i in down for j in across if wl]
    return found


def rmac(x: ArrayLike, g: Geometry, levels: int = 3) -> Array:
    """Sum over the regions of a window of the channels' maxima, divided by their length and 1e-6."""

    def pool(one: Array) -> Array:
        y = np.zeros((len(one), *out_sizes(one.shape[1:], g)))
        for o, places, taps in elements_of(one, g):
            for top, left, height, width in rmac_regions(*g.kernel_size, levels):
                held = [
                    at
                    for at, (i, j) in zip(places, taps, strict=True)
                    if top <= i < top + height and left <= j < left + width
                ]
                if held:
                    v = np.array([max(channel[at] for at in held) for channel in one])
                    y[(slice(None), *o)] += v / (np.linalg.norm(v) + 1e-6)
        return y

    return over_samples(pool, 2, x)


def simpool(
    x: ArrayLike, g: Geometry, *, query: Array, key: Array, weight: Array, bias: Array, gamma: float | None
) -> Array:
    """Attention of the window's mean over the normalised elements; their power mean above the window's minimum."""

    def pool(one: Array) -> Array:
        y = np.zeros((len(one), *out_sizes(one.shape[1:], g)))
        for o, places, _ in elements_of(one, g):
            a = np.array([one[(slice(None), *at)] for at in places])
            v = np.array([(row - row.mean()) / math.sqrt(row.var() + 1e-6) * weight + bias for row in a])
            q = query @ a.mean(0)
            w = _softmax([float(q @ (key @ row)) / math.sqrt(len(one)) for row in v])
            raised = v if gamma is None else (v - v.min() + 1e-6) ** gamma
            total = sum(share * row for share, row in zip(w, raised, strict=True))
            y[(slice(None), *o)] = total if gamma is None else total ** (1 / gamma)
        return y

    return over_samples(pool, len(g.kernel_size), x)


def adaptive_blur(
    x: ArrayLike, g: Geometry, *, weight: Array, bias: Array, groups: int = 1, filt_size: int = 3
) -> Array:
    """A filter for each group of channels: softmax over its taps of a convolution, lying as `blur`'s."""
    n = len(g.kernel_size)

    def pool(one: Array) -> Array:
        sizes = one.shape[1:]
        starts = _starts(sizes, g)
        y = np.zeros((len(one), *(len(axis) for axis in starts)))
        for o in np.ndindex(*y.shape[1:]):
            axes = []
            for a in range(n):
                first = starts[a][o[a]] - (g.dilation[a] * (filt_size - g.kernel_size[a])) // 2
                axes.append([reflect(first + g.dilation[a] * t, sizes[a]) for t in range(filt_size)])
            a = np.array([one[(slice(None), *at)] for at in product(*axes)])  # (K, C)
            logits = np.array([(row.reshape(len(one), -1).T * a).sum() for row in weight]) + bias
            for c in range(len(one)):
                group = c * groups // len(one)
                w = _softmax([float(v) for v in logits[group * len(a) : (group + 1) * len(a)]])
                y[(c, *o)] = sum(share * row[c] for share, row in zip(w, a, strict=True))
        return y

    return over_samples(pool, n, x)


def phases_of_cells(x: ArrayLike, g: Geometry) -> Array:
    """The element at o s + f, modulo the size, for each phase f row by row: (..., *sizes) -> (..., phases, *out)."""
    x = np.asarray(x, dtype=np.float64)
    sizes = x.shape[-len(g.kernel_size) :]
    out = out_sizes(sizes, g)
    y = np.full((*x.shape[: -len(sizes)], math.prod(g.stride), *out), math.nan)
    for number, shift in enumerate(np.ndindex(*g.stride)):
        for o in np.ndindex(*out):
            at = tuple((i * s + f) % n for i, s, f, n in zip(o, g.stride, shift, sizes, strict=True))
            y[(..., number, *o)] = x[(..., *at)]
    return y


def aps(x: ArrayLike, g: Geometry, p: float = 2.0, filt_size: int = 1) -> Array:
    """Of the phases of each sample, those of all channels, the one of largest p-norm; after a circular binomial row."""
    x, ndim = np.asarray(x, dtype=np.float64), len(g.kernel_size)
    row = [math.comb(filt_size - 1, i) / 2 ** (filt_size - 1) for i in range(filt_size)]
    for axis in range(-ndim, 0):
        x = sum((w * np.roll(x, (filt_size - 1) // 2 - i, axis) for i, w in enumerate(row)), np.zeros_like(x))
    phases = phases_of_cells(x, g)
    samples = phases if phases.ndim == ndim + 3 else phases[None]
    kept = [max(np.moveaxis(one, 1, 0), key=lambda f: np.linalg.norm(f.ravel(), ord=p)) for one in samples]
    return np.stack(kept).reshape(phases.shape[: -ndim - 1] + phases.shape[-ndim:])


def lps(
    x: ArrayLike, g: Geometry, logits: Array, tau: float = 1.0, training: bool = False, generator: None = None
) -> Array:
    """Of the phases of each sample the one with the largest logit."""
    assert not training
    phases, ndim = phases_of_cells(x, g), len(g.kernel_size)
    if logits.ndim == 1:
        return np.take(phases, int(np.argmax(logits)), -ndim - 1)
    return np.stack([np.take(one, int(np.argmax(row)), 1) for one, row in zip(phases, logits, strict=True)])


def at_phases(
    x: ArrayLike, g: Geometry, reduce: Callable[..., float], shifts: Sequence[tuple[int, int]], empty: float
) -> Array:
    """Pool x (..., H, W) with the window starts shifted: (N, C, H, W) -> (N, C, len(shifts), oh, ow).

    (oh, ow) is torch's size for g. Elements outside the input are absent; a start beyond the last input element is
    moved back onto it. Stride 1 in both axes leaves one submap.
    """
    x = np.asarray(x, dtype=np.float64)
    submaps = []
    for shift in shifts[:1] if all(s == 1 for s in g.stride) else shifts:
        starts = [
            [min(start + by, size - 1) for start in axis]
            for axis, by, size in zip(_starts(x.shape[-2:], g), shift, x.shape[-2:], strict=True)
        ]
        submaps.append(_pool_at(x, g, starts, reduce, empty))
    return np.stack(submaps, axis=-3)


def surviving(size: int, sequences: Sequence[Sequence[int]], samplers: Sequence[Sequence[int]]) -> list[set]:
    """The (row, column) sets that are left of a size x size image after each step, by slicing as the paper draws it.

    ``sequences`` gives the sampler of each submap at each step; submaps are ordered by their phase first.
    """
    rows, columns = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    submaps = [np.stack([rows, columns])]
    left = []
    for sequence in sequences:
        k = len(samplers[0])
        parts: list[list[Array]] = [[] for _ in range(k)]
        for submap, index in zip(submaps, sequence, strict=True):
            for row in range(k):
                parts[row].append(submap[:, row::k, samplers[index][row] :: k])
        submaps = [submap for part in parts for submap in part]
        left.append({(int(r), int(c)) for submap in submaps for r, c in submap.reshape(2, -1).T})
    return left


def convolve_at(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    g: Geometry,
    groups: int,
    shift: Sequence[int],
) -> Array:
    """Convolve x (N, C, *spatial) with weight (O, C / groups, *k), window starts shifted; zeros outside the input."""
    x, weight = np.asarray(x, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    sizes = x.shape[2:]
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(sizes, g.kernel_size, g.stride, g.padding, g.dilation, strict=True)
    )
    y = np.zeros((x.shape[0], weight.shape[0], *out))
    per_group, channels = weight.shape[0] // groups, weight.shape[1]
    for n, o, *place in np.ndindex(*y.shape):
        first = o // per_group * channels
        for tap in np.ndindex(*g.kernel_size):
            at = [place[a] * g.stride[a] + shift[a] - g.padding[a] + tap[a] * g.dilation[a] for a in range(len(sizes))]
            if all(0 <= i < size for i, size in zip(at, sizes, strict=True)):
                for c in range(channels):
                    y[(n, o, *place)] += weight[(o, c, *tap)] * x[(n, first + c, *at)]
    if bias is not None:
        y += np.asarray(bias).reshape(-1, *(1,) * len(sizes))
    return y


def average_at(x: ArrayLike, g: Geometry, shift: Sequence[int], count_include_pad: bool) -> Array:
    """Average x (..., H, W) with the window starts shifted, counting taps in the padding as torch does, or not.

    Where they count, those that the shift lets in at the end do too. Where they do not, a start beyond the last input
    element is moved back onto it.
    """
    x = np.asarray(x, dtype=np.float64)
    sizes = x.shape[-2:]
    y = np.zeros((*x.shape[:-2], *out_sizes(sizes, g)))
    for place in np.ndindex(*y.shape[-2:]):
        total, count = 0.0, 0
        starts = [place[a] * g.stride[a] + shift[a] - g.padding[a] for a in range(2)]
        if not count_include_pad:
            starts = [min(start, size - 1) for start, size in zip(starts, sizes, strict=True)]
        for tap in np.ndindex(*g.kernel_size):
            at = [starts[a] + tap[a] for a in range(2)]
            inside = all(0 <= i < size for i, size in zip(at, sizes, strict=True))
            padded = all(i < size + p + more for i, size, p, more in zip(at, sizes, g.padding, shift, strict=True))
            total = total + (x[..., at[0], at[1]] if inside else 0.0)
            count += padded if count_include_pad else inside
        y[..., place[0], place[1]] = total / count
    return y


# Antialiased resampling ---------------------------------------------------------------------------------------------


def _triangle(t: float) -> float:
    return max(0.0, 1.0 - abs(t))


def _cubic(t: float, a: float = -0.5) -> float:
    t = abs(t)
    if t < 1:
        return ((a + 2) * t - (a + 3)) * t * t + 1
    return (((t - 5) * t + 8) * t - 4) * a if t < 2 else 0.0


def _sinc(t: float) -> float:
    return 1.0 if t == 0 else math.sin(math.pi * t) / (math.pi * t)


def _lanczos(t: float) -> float:
    return _sinc(t) * _sinc(t / 3) if -3 <= t < 3 else 0.0


RESAMPLE_KERNELS: dict[str, tuple[Callable[[float], float], float]] = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}


def resample_weights(n: int, m: int, kind: str) -> list[list[tuple[int, float]]]:
    """Return, for each of m outputs, the (input index, weight) pairs that make it from n inputs.

    area: the mean of floor(i n/m) .. ceil((i+1) n/m) - 1 (torch's adaptive average). The others are Pillow's
    `Image.resize`: the kernel is widened by the scale when shrinking, cut at the borders, and normalised.
    """
    if kind == "area":
        bounds = [(i * n // m, -((-(i + 1) * n) // m)) for i in range(m)]
        return [[(j, 1.0 / (hi - lo)) for j in range(lo, hi)] for lo, hi in bounds]
    kernel, kernel_support = RESAMPLE_KERNELS[kind]
    scale = n / m
    filterscale = max(scale, 1.0)
    support = kernel_support * filterscale
    rows = []
    for o in range(m):
        centre = (o + 0.5) * scale
        xmin = max(int(centre - support + 0.5), 0)
        xmax = min(int(centre + support + 0.5), n)
        weights = [kernel((j - centre + 0.5) / filterscale) for j in range(xmin, xmax)]
        rows.append([(xmin + j, w / sum(weights)) for j, w in enumerate(weights)])
    return rows


def resample(x: ArrayLike, sizes: Sequence[int], kind: str) -> Array:
    """Resize the last len(sizes) axes of x to `sizes`, one axis after the other, by area|bilinear|bicubic|lanczos."""
    y = np.asarray(x, dtype=np.float64)
    for axis, m in zip(range(y.ndim - len(sizes), y.ndim), sizes, strict=True):
        shape = (*y.shape[:axis], m, *y.shape[axis + 1 :])
        rows = resample_weights(y.shape[axis], m, kind)
        z = np.zeros(shape)
        for index in np.ndindex(*shape):
            for j, w in rows[index[axis]]:
                z[index] += w * y[(*index[:axis], j, *index[axis + 1 :])]
        y = z
    return y


# Scores -------------------------------------------------------------------------------------------------------------


def psnr(x: ArrayLike, y: ArrayLike) -> float:
    """10 log10(L² / mean (x - y)²), L = 1; inf for equal images."""
    differences = [a - b for a, b in zip(_floats(x), _floats(y), strict=True)]
    mse = _mean([d * d for d in differences])
    return math.inf if mse == 0 else 10.0 * math.log10(1.0 / mse)


def ssim(x: ArrayLike, y: ArrayLike) -> float:
    """Mean SSIM of (H, W) or (H, W, C) images in [0, 1] (Wang et al. 2004): over pixels, then over channels.

    ((2 μx μy + C1)(2 σxy + C2)) / ((μx² + μy² + C1)(σx² + σy² + C2)), C = (K L)², K = 0.01 and 0.03, L = 1. Means and
    population covariances are under an 11 x 11 Gaussian of sigma 1.5, only where it lies fully inside the image.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim == 3:
        return _mean([ssim(x[..., c], y[..., c]) for c in range(x.shape[2])])
    gauss = [math.exp(-(t * t) / (2 * 1.5**2)) for t in range(-5, 6)]
    gauss = [w / sum(gauss) for w in gauss]
    c1, c2 = 0.01**2, 0.03**2
    scores = []
    for r, c in product(range(5, x.shape[0] - 5), range(5, x.shape[1] - 5)):
        taps = [(gauss[i] * gauss[j], (r + i - 5, c + j - 5)) for i, j in product(range(11), repeat=2)]
        mx = sum(w * float(x[at]) for w, at in taps)
        my = sum(w * float(y[at]) for w, at in taps)
        vx = sum(w * (float(x[at]) - mx) ** 2 for w, at in taps)
        vy = sum(w * (float(y[at]) - my) ** 2 for w, at in taps)
        cov = sum(w * (float(x[at]) - mx) * (float(y[at]) - my) for w, at in taps)
        scores.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2)))
    return _mean(scores)
