"""The oracles are right: worked by hand where a hand can, and held against torch, Pillow, kornia and scikit-image."""

from __future__ import annotations

import math
from functools import partial
from itertools import product

import numpy as np
import oracles as o
import pytest
import pywt
import torch
import torch.nn.functional as F
from PIL import Image

RNG = np.random.default_rng(0)
GEOMETRIES = {
    "1d": ((7,), o.Geometry((3,), (2,), (1,), (1,))),
    "2d": ((5, 6), o.Geometry((2, 3), (2, 1), (1, 0), (1, 1))),
    "2d-ceil": ((5, 7), o.Geometry((2, 3), (2, 3), (1, 1), (1, 1), True)),
    "3d": ((4, 3, 5), o.Geometry((2, 3, 2), (1, 2, 2), (1, 1, 0), (1, 1, 1), True)),
}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
LP_POOL = {1: F.lp_pool1d, 2: F.lp_pool2d, 3: F.lp_pool3d}


def close(a, b, atol=1e-12):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=atol)


def geometry(kernel, stride, padding=0, dilation=1, ceil_mode=False):
    return o.Geometry((kernel,), (stride,), (padding,), (dilation,), ceil_mode)


# Windows


def test_output_sizes_are_torchs():
    """Every kernel, stride, padding up to half the kernel, dilation and rounding; refused where torch refuses."""
    for n, k, s, d, ceil in product(range(1, 8), range(1, 5), range(1, 5), (1, 2, 3), (False, True)):
        for p in range(k // 2 + 1):
            g = geometry(k, s, p, d, ceil)
            try:
                expected = tuple(F.max_pool1d(torch.zeros(1, 1, n), k, s, p, d, ceil).shape[-1:])
            except RuntimeError:
                with pytest.raises(ValueError, match="no window"):
                    o.out_sizes((n,), g)
            else:
                assert o.out_sizes((n,), g) == expected, (n, g)


def test_windows_by_hand():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    g = o.Geometry((2, 2), (2, 2), (1, 1), (1, 1))
    assert list(o.windows(x, g)) == [
        ((0, 0), [(1.0, 3)]),
        ((0, 1), [(2.0, 2)]),
        ((1, 0), [(3.0, 1)]),
        ((1, 1), [(4.0, 0)]),
    ]
    assert list(o.windows(np.arange(5.0), geometry(2, 2, 0, 3))) == [((0,), [(0.0, 0), (3.0, 1)])]
    assert list(o.windows(np.arange(3.0), geometry(2, 2, ceil_mode=True))) == [
        ((0,), [(0.0, 0), (1.0, 1)]),
        ((1,), [(2.0, 0)]),
    ]


def test_windows_without_elements_take_the_value_of_empty():
    y = o.pool([[7.0, 8.0]], geometry(2, 1, 1, 3), o.max_, empty=-math.inf)
    close(y, F.max_pool1d(torch.tensor([[7.0, 8.0]]), 2, 1, 1, 3).numpy())
    close(o.pool([[7.0]], geometry(2, 1, 2, 3), o.avg, empty=-1.0), [[-1.0, -1.0]])


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("batch", [(2, 2), (2,), (0, 2)])
def test_max_avg_lp_are_torchs(name, batch):
    sizes, g = GEOMETRIES[name]
    n = len(sizes)
    x = RNG.standard_normal((*batch, *sizes))
    t = torch.from_numpy(x)
    close(o.pool(x, g, o.max_), MAX_POOL[n](t, g.kernel_size, g.stride, g.padding, 1, g.ceil_mode).numpy())
    close(
        o.pool(x, g, o.avg),
        AVG_POOL[n](t, g.kernel_size, g.stride, g.padding, g.ceil_mode, count_include_pad=False).numpy(),
    )
    if batch != (0, 2):
        plain = g._replace(padding=(0,) * n, ceil_mode=False)
        kernel, stride = (g.kernel_size[0], g.stride[0]) if n == 1 else (g.kernel_size, g.stride)
        expected = LP_POOL[n](t.abs(), 3.0, kernel, stride).numpy()
        close(o.pool(abs(x), plain, partial(o.lp, p=3.0, norm="sum")), expected)


def test_dilated_max_is_torchs():
    x = RNG.standard_normal((1, 2, 7, 8))
    g = o.Geometry((3, 2), (2, 1), (1, 1), (2, 3), True)
    close(o.pool(x, g, o.max_), F.max_pool2d(torch.from_numpy(x), *g).numpy())


# Window reductions


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("max", {}, 4.0),
        ("avg", {}, 1.5),
        ("sum", {}, 6.0),
        ("strided", {}, 3.0),
        ("median", {}, 2.0),
        ("lp", {}, math.sqrt(30 / 4)),
        ("lp", {"norm": "sum"}, math.sqrt(30)),
        ("lp", {"p": 1}, 2.5),
        ("lp", {"p": math.inf, "norm": "sum"}, 4.0),
        ("power", {}, (100 / 4) ** (1 / 3)),
        ("gem", {"eps": 0.5}, ((27 + 0.125 + 1 + 64) / 4) ** (1 / 3)),
        ("gem", {}, (92 / 4) ** (1 / 3)),
        ("lse", {}, math.log((math.exp(3) + math.exp(-2) + math.e + math.exp(4)) / 4)),
        ("lse", {"r": -2}, -0.5 * math.log((math.exp(-6) + math.exp(4) + math.exp(-2) + math.exp(-8)) / 4)),
        ("stochastic_eval", {}, (9 + 1 + 16) / 8),
        ("mixed", {}, 2.75),
        ("mixed", {"lam": 0.2}, 2.0),
        ("gated", {}, 2.75),
        ("gated", {"weight": [[math.log(3), 0], [0, 0]], "taps": [0, 1, 2, 3]}, 1.5 + 2.5 * 27 / 28),
        ("softpool", {"beta": 0}, 1.5),
        ("softpool", {"beta": 60}, 4.0),
        ("softpool_detached", {"beta": 0}, 1.5),
        # The mean is 1.5, the distances are 1.5, 3.5, 0.5, 2.5, their mean 2.
        ("idw", {"eps": 0.25}, (3 / 2 - 2 / 4 + 1 / 1 + 4 / 3) / (1 / 2 + 1 / 4 + 1 / 1 + 1 / 3)),
    ],
)
def test_reduction_by_hand(name, params, expected):
    assert o.WINDOW_ORACLES[name]([3.0, -2.0, 1.0, 4.0], **params) == pytest.approx(expected, rel=1e-13)


def test_softpool_by_hand():
    assert o.softpool([math.log(3), 0.0]) == pytest.approx(0.75 * math.log(3), rel=1e-15)
    assert o.softpool([math.log(3), 0.0], beta=2) == pytest.approx(0.9 * math.log(3), rel=1e-15)


def test_edscw_and_adapool_by_hand():
    """The mean of 1 and 3 is 2: the coefficients are 4 / 5 and 12 / 13."""
    weight = 1 / (1 + math.exp(12 / 13 - 4 / 5))
    similar = weight * 1 + (1 - weight) * 3
    soft = (math.e + 3 * math.e**3) / (math.e + math.e**3)
    assert o.edscw([1.0, 3.0]) == pytest.approx(similar, rel=1e-15)
    assert o.adapool([1.0, 3.0], beta=0.25) == pytest.approx(0.25 * similar + 0.75 * soft, rel=1e-15)
    assert [o.dice(0, 0), o.dice(-1e200, 1e200), o.dice(1e-200, -2e-200)] == pytest.approx([0, 1, 0.8], rel=1e-15)


def test_dpp_by_hand():
    x, g = [[1.0, 3.0, 5.0, 9.0]], geometry(2, 2)
    # The means are 2 and 7; weights of the symmetric reward are equal, of the asymmetric one alpha and alpha + d.
    close(o.dpp(x, g, alpha=0.5, eps=0), [[2, 7]])
    close(o.dpp(x, g, alpha=0.5, eps=0, reward="asymmetric"), [[(0.5 + 1.5 * 3) / 2, (0.5 * 5 + 2.5 * 9) / 3]])
    # The middles are 1 and 5. The element after each, plus 1: 4 and 10. The element before each, 0 outside: 0 and 3.
    close(o.dpp(x, g, alpha=0, eps=0, weight=[0, 0, 1], bias=1), [[(3 * 1 + 1 * 3) / 4, (5 * 5 + 1 * 9) / 6]])
    close(o.dpp(x, g, alpha=0, eps=0, weight=[1, 0, 0]), [[(1 * 1 + 3 * 3) / 4, (2 * 5 + 6 * 9) / 8]])


def test_tree_of_three_levels_by_hand():
    leaves, gates = np.eye(4), np.zeros((3, 4))
    gates[0, 0] = gates[2, 0] = math.log(3)  # the root and the right node, 3/4 to their left
    values = [1.0, 2.0, 3.0, 4.0]
    assert o.tree(values, leaves, gates) == pytest.approx(0.75 * (1 + 2) / 2 + 0.25 * (0.75 * 3 + 0.25 * 4), rel=1e-15)


def test_s3_by_hand():
    """The dense maxima of 4 1 3 2 0 in windows of 2 are 4 3 3 2, of which two outputs have two positions each."""
    close(o.s3_dense([[4.0, 1.0, 3.0, 2.0, 0.0]], geometry(2, 2)), [[4, 3, 3, 2]])
    close(o.s3_eval([[4.0, 1.0, 3.0, 2.0, 0.0]], geometry(2, 2)), [[3.5, 2.5]])
    close(o.s3_dense([[4.0, 1.0, 3.0]], geometry(2, 2, ceil_mode=True)), [[4, 3, 3]])


def test_fractional_max_by_hand():
    """Steps of (7 - 1) / 3 = 2 leave nothing to draw; steps of 5 / 2 start at 0, 2 or 3, and 5."""
    x = [np.arange(7.0)]
    close(o.fractional_max(x, geometry(1, 2), u=0.9), [[0, 2, 4, 6]])
    close(o.fractional_max(x, geometry(2, 2), u=0.1), [[1, 3, 6]])
    close(o.fractional_max(x, geometry(2, 2), u=0.3), [[1, 4, 6]])


def test_ada_unpool_by_hand():
    """Equal elements get y each; e^0 and e^ln 3 share 2 y as 1/4 and 3/4; past the windows the nearest value stands."""
    close(o.ada_unpool([[5.0, 7.0]], [[2.0, 2.0, 2.0, 2.0, 9.0]], geometry(2, 2)), [[5, 5, 7, 7, 7]])
    close(o.ada_unpool([[5.0]], [[0.0, math.log(3)]], geometry(2, 2), beta=0), [[2.5, 7.5]])
    close(o.ada_unpool([[4.0, 8.0]], [[1.0, 1.0, 1.0]], geometry(2, 1)), [[4, 6, 8]])


def test_stochastic_eval_of_a_window_without_positive_elements_is_zero():
    assert o.stochastic_eval([0.0, -1.0, -3.0]) == 0.0


def test_gated_skips_the_weights_of_padding():
    weight = np.array([5.0, 7.0, math.log(2), 0.0])  # the first two taps of the first window lie in the padding
    g = o.Geometry((2, 2), (2, 2), (1, 0), (1, 1))
    y = o.pool(np.array([[[1.0, 3.0]]]), g, partial(o.gated, weight=weight))
    close(y, [[[2 / 3 * 3 + 1 / 3 * 2]]])


@pytest.mark.parametrize("name", o.WINDOW_ORACLES)
@pytest.mark.parametrize("c", [1e30, 1.0, 1e-3, 0.0, -2.5, -1e30])
def test_constant_window_is_kept(name, c):
    expected = {"sum": 4 * c, "lp": abs(c), "power": abs(c), "gem": max(c, 1e-6), "stochastic_eval": max(c, 0)}
    assert o.WINDOW_ORACLES[name]([c] * 4) == pytest.approx(expected.get(name, c), rel=1e-14, abs=0)


@pytest.mark.parametrize("name", o.WINDOW_ORACLES)
def test_large_elements_stay_finite_and_a_nan_is_passed_on(name):
    for window in product([1e30, -1e30, 0.0, 3.0], repeat=2):
        assert math.isfinite(o.WINDOW_ORACLES[name](window)), window
    assert math.isnan(o.WINDOW_ORACLES[name]([math.nan, 1.0]))
    assert name == "strided" or math.isnan(o.WINDOW_ORACLES[name]([1.0, math.nan]))


# Gradients


@pytest.mark.parametrize("beta", [1.0, 2.5, -0.5])
def test_softpool_gradients_are_autograds(beta):
    x = RNG.standard_normal((1, 2, 5, 4))
    g = o.Geometry((3, 2), (2, 1), (1, 0), (1, 1))
    for grad_reduce, detached in [(o.softpool_grad, False), (o.softpool_detached_grad, True)]:
        t = torch.from_numpy(x).requires_grad_()
        padded = F.pad(t, (0, 0, 1, 1), value=math.nan).unfold(2, 3, 2).unfold(3, 2, 1).flatten(-2)
        present = ~padded.isnan()
        w = (beta * padded).masked_fill(~present, -math.inf).softmax(-1)
        y = ((w.detach() if detached else w) * padded.masked_fill(~present, 0)).sum(-1)
        grad_out = RNG.standard_normal(y.shape)
        y.backward(torch.from_numpy(grad_out))
        close(o.pool(x, g, partial(o.softpool, beta=beta)), y.detach().numpy())
        assert t.grad is not None
        close(o.pool_backward(x, g, grad_out, partial(grad_reduce, beta=beta)), t.grad.numpy())


def test_softpool_gradient_is_stable():
    close(o.softpool_grad([-1e30] * 3), [1 / 3] * 3)
    close(o.softpool_grad([1e30, -1e30, 0.0]), [1, 0, 0])


# Operators over more than one map


def test_lip_by_hand_and_as_softpool():
    close(o.lip([[1.0, 5.0]], [[math.log(3), 0.0]], geometry(2, 2)), [[2.0]])
    x = RNG.standard_normal((2, 1, 5, 4))
    g = o.Geometry((3, 2), (2, 1), (1, 1), (1, 1))
    close(o.lip(x, x * 2, g), o.pool(x, g, partial(o.softpool, beta=2.0)))
    close(o.lip(x, 0 * x + 1e30, g), o.pool(x, g, o.avg))


def test_channelsum_by_hand():
    x = np.array([[0.0, math.log(3)], [math.log(2), 0.0], [-1.0, -1.0]])
    m = [3 + math.exp(-1), 4 + math.exp(-1)]
    expected = [m[1] * math.log(3) / sum(m), m[0] * math.log(2) / sum(m), 0.0]
    close(o.softpool_channelsum(x, geometry(2, 2)), np.array(expected)[:, None])
    close(o.softpool_channelsum(np.full((1, 2, 3), 1e30), geometry(2, 1, 1)), np.full((1, 2, 4), 1e30))


def test_reflect_is_numpys():
    for n in range(1, 6):
        padded = np.pad(np.arange(n), 11, mode="reflect")
        assert [o.reflect(i, n) for i in range(-11, n + 11)] == padded.tolist()


def test_blur_by_hand():
    close(o.blur([[0.0, 8.0, 16.0, 64.0]], geometry(2, 2)), [[(8 + 3 * 0 + 3 * 8 + 16) / 8, (8 + 48 + 192 + 16) / 8]])
    # kernel 3, padding 1, filter 4: d(f-k) = 1, so the first tap is the window's own start (floor of a half)
    close(o.blur([[1.0, 2.0, 4.0]], geometry(3, 2, 1)), [[(2 + 3 * 1 + 3 * 2 + 4) / 8, (2 + 12 + 6 + 1) / 8]])
    # a filter smaller than the kernel sits in its middle
    close(o.blur([[1.0, 2.0, 4.0, 8.0, 9.0]], geometry(5, 1), filt_size=1), [[4.0]])
    close(o.blur([[1.0, 2.0, 4.0, 8.0, 9.0]], geometry(2, 1, 0, 4), filt_size=2), [[5.0]])


@pytest.mark.parametrize("filt_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_blur_with_kernel_one_is_antialiased_cnns(filt_size, stride):
    x = RNG.standard_normal((1, 2, 7, 6))
    taps = torch.tensor(o.binomial(filt_size), dtype=torch.float64)
    before, after = (filt_size - 1) // 2, math.ceil((filt_size - 1) / 2)
    padded = F.pad(torch.from_numpy(x), (before, after, before, after), mode="reflect")
    weight = (taps[:, None] * taps).expand(2, 1, -1, -1)
    g = o.Geometry((1, 1), (stride, stride), (0, 0), (1, 1))
    close(o.blur(x, g, filt_size), F.conv2d(padded, weight, stride=stride, groups=2).numpy())


def test_blur_inside_the_border_is_kornias():
    from kornia.filters import blur_pool2d

    x = RNG.standard_normal((1, 2, 9, 11))
    y = o.blur(x, o.Geometry((1, 1), (2, 2), (0, 0), (1, 1)), 4)
    close(y[..., 1:-1, 1:-1], blur_pool2d(torch.from_numpy(x), 4, 2).numpy()[..., 1:-1, 1:-1])


def test_max_blur_by_hand():
    x = [[0.0, 8.0, 16.0, 64.0, 32.0]]  # dense: 8 16 64 64
    close(o.max_blur(x, geometry(2, 2)), [[(16 + 24 + 48 + 64) / 8, (16 + 192 + 192 + 64) / 8]])
    # ceil mode asks for a third window at 4: the dense map grows by its start, to 8 16 64 64 32
    expected = [(16 + 24 + 48 + 64) / 8, (16 + 192 + 192 + 32) / 8, (64 + 96 + 192 + 64) / 8]
    close(o.max_blur(x, geometry(2, 2, ceil_mode=True)), [expected])
    close(o.max_blur(x, geometry(2, 2), filt_size=1), [[8.0, 64.0]])


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_max_blur_has_torchs_sizes(kernel):
    for n, s, p, d, ceil in product((4, 5, 6, 7), (1, 2, 3), range(kernel // 2 + 1), (1, 2), (False, True)):
        g = geometry(kernel, s, p, d, ceil)
        if n + 2 * p >= d * (kernel - 1) + 1:
            x = RNG.standard_normal((1, n))
            assert o.max_blur(x, g).shape[1:] == o.out_sizes((n,), g)
            close(o.max_blur(x, g, 1), o.pool(x, g, o.max_))


def test_checkered_by_hand():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    g = o.Geometry((1, 1), (2, 2), (0, 0), (1, 1))
    close(o.checkered(x, g, o.strided), [[[[[0, 2], [8, 10]], [[5, 7], [13, 15]]]]])
    close(o.checkered(x, g, o.strided, sampler=1), [[[[[1, 3], [9, 11]], [[4, 6], [12, 14]]]]])
    g = o.Geometry((2, 2), (2, 2), (0, 0), (1, 1))
    close(o.checkered(x, g, o.avg), [[[[[2.5, 4.5], [10.5, 12.5]], [[7.5, 9], [13.5, 15]]]]])
    odd = np.arange(9.0).reshape(1, 3, 3)
    close(o.checkered(odd, g._replace(ceil_mode=True), o.max_)[0, 1], [[8, 8], [8, 8]])
    assert o.checkered(x, g._replace(stride=(1, 1)), o.max_).shape == (1, 1, 1, 3, 3)
    assert o.checkered(x, g._replace(stride=(1, 2)), o.max_).shape == (1, 1, 2, 3, 2)


# Frequencies


@pytest.mark.parametrize("mode", sorted(o.EXTENSIONS))
@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_extensions_are_pywavelets(mode, size):
    x = RNG.standard_normal(size)
    if size == 1 and mode == "reflect":
        pytest.skip("one element has no neighbour to reflect")
    expected = pywt.pad(x, (9, 10), mode)  # of an odd size, periodization begins by repeating the last element
    read = [o.EXTENSIONS[mode](i, size) for i in range(-9, len(expected) - 9)]
    close([factor * x[index] for index, factor in read], expected)


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db3", "bior2.2"])
def test_low_band_is_pywavelets(wavelet):
    x = RNG.standard_normal((2, 8, 6))
    g = o.Geometry((2, 2), (2, 2), (0, 0), (1, 1))
    expected = pywt.dwt2(x, wavelet, "periodization")[0]
    close(o.low_band(x, g, pywt.Wavelet(wavelet).dec_lo, "periodization"), expected)
    close(o.low_band(x, g, pywt.Wavelet(wavelet).dec_lo, "periodization", "mean") * 2, expected, atol=1e-11)


def test_low_band_by_hand():
    x = np.array([[1.0, 2.0, 3.0, 5.0]])
    close(o.low_band(x, geometry(2, 2), [0.5, 0.5]), [[1.5, 4]])
    close(o.low_band(x, geometry(3, 2, 1), [0, 1], "zero"), [[1, 3]])  # convolution turns round: the later of two taps
    close(o.low_band(x, geometry(3, 2, 1), [1, 0], "antisymmetric"), [[2, 5]])


@pytest.mark.parametrize(("n", "k"), [(8, 2), (9, 2), (9, 3), (12, 3), (7, 1)])
def test_spectral_is_numpys_real_transform(n, k):
    """np.fft.irfft of the first frequencies doubles the last one of an even size, which the crop has once."""
    x = RNG.standard_normal((1, n))
    m = n // k
    half = np.fft.rfft(x, norm="forward")[:, : m // 2 + 1]
    if m % 2 == 0 and m < n:
        half[:, -1] = half[:, -1].real
    close(o.spectral(x, geometry(k, k)), np.fft.irfft(half, m, norm="forward"))


def test_lift_by_hand():
    x = np.array([[1.0, 2.0, 4.0, 9.0]])
    g = geometry(2, 2)
    same, half, nothing = (lambda a: a), (lambda d: d / 2), (lambda a: 0 * a)
    close(o.lift(x, g, [nothing], [nothing]), [[3, 13]])
    close(o.lift(x, g, [same], [half]), [[1.5 + 1, 6.5 + 5]])
    close(o.lift(x[:, :3], g._replace(ceil_mode=True), [nothing], [nothing]), [[3, 4 + 2]])  # the last is reflected
    close(
        o.lift(x.reshape(1, 2, 2), o.Geometry((2, 2), (2, 2), (0, 0), (1, 1)), [nothing] * 2, [nothing] * 2), [[[16]]]
    )
    ones, zeros = np.ones((1, 1, 3)), np.zeros(1)
    step = o.lift_steps([ones, zeros, np.full((1, 1, 1), 0.1), zeros])
    close(step(np.array([[1.0, 2.0, -9.0]])), np.tanh([[0.3, 0, 0]]))


# Resampling

SIZES = [((12, 10), (6, 5)), ((13, 11), (5, 4)), ((7, 9), (7, 3)), ((5, 4), (8, 9)), ((6, 8), (1, 1))]


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize("kind", ["bilinear", "bicubic", "lanczos"])
def test_resample_is_pillows(before, after, kind):
    x = RNG.random(before)
    image = Image.fromarray(x.astype(np.float32))
    expected = np.asarray(image.resize(after[::-1], getattr(Image.Resampling, kind.upper())))
    np.testing.assert_allclose(o.resample(x, after, kind), expected, atol=2e-6)


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize("kind", ["bilinear", "bicubic", "area"])
def test_resample_is_torchs(before, after, kind):
    x = RNG.standard_normal((1, 2, *before))
    expected = F.interpolate(torch.from_numpy(x), after, mode=kind, antialias=kind != "area").numpy()
    close(o.resample(x, after, kind), expected)


@pytest.mark.parametrize("sizes", [(7,), (5, 4, 6)])
def test_resample_area_works_in_one_and_three_dimensions(sizes):
    x = RNG.standard_normal((1, 2, *sizes))
    out = tuple(s // 2 for s in sizes)
    close(o.resample(x, out, "area"), F.interpolate(torch.from_numpy(x), out, mode="area").numpy())


# Scores


def test_psnr_and_ssim_are_scikit_images():
    from skimage import metrics

    x = RNG.random((16, 17, 3))
    y = np.clip(x + 0.1 * RNG.standard_normal(x.shape), 0, 1)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    assert o.psnr(x, y) == pytest.approx(metrics.peak_signal_noise_ratio(x, y, data_range=1.0), abs=1e-10)
    expected = metrics.structural_similarity(x, y, channel_axis=2, **settings)
    assert o.ssim(x, y) == pytest.approx(expected, abs=1e-10)
    expected = metrics.structural_similarity(x[..., 0], y[..., 0], **settings)
    assert o.ssim(x[..., 0], y[..., 0]) == pytest.approx(expected, abs=1e-10)


def test_scores_by_hand():
    x = np.full((12, 11), 0.5)
    assert o.psnr(x, x) == math.inf
    assert o.psnr(x, x + 0.1) == pytest.approx(20.0, abs=1e-12)
    assert o.ssim(x, x) == pytest.approx(1.0, abs=1e-12)
    assert o.ssim(x, x + 0.1) == pytest.approx((2 * 0.5 * 0.6 + 1e-4) / (0.25 + 0.36 + 1e-4), abs=1e-12)
