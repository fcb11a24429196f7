"""Operators beside what others wrote (torch, kornia, Pillow), and claims about single operators' limits and draws."""

from __future__ import annotations

import functools
import math
import re
from itertools import product

import numpy as np
import oracles
import pytest
import pywt
import torch
import torch.nn.functional as F
from PIL import Image
from pools import CHANNELS, SIZES, distinct, geometries, make, scramble, usual_input

import poolzoo
from poolzoo import functional
from poolzoo.geometry import make_geometry
from poolzoo.operators import hann, lifting

MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
LP = {1: F.lp_pool1d, 2: F.lp_pool2d, 3: F.lp_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def close(a, b, atol=1e-12):
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def call(stem, ndim, *arguments, **parameters):
    return getattr(functional, f"{stem}{ndim}d")(*arguments, **parameters)


# torch ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_max_is_torchs(ndim):
    for geometry in geometries(ndim, 20):
        x = distinct(2, CHANNELS, *geometry.pop("sizes"))
        assert torch.equal(call("max_pool", ndim, x, **geometry), MAX[ndim](x, **geometry))


def test_max_takes_padding_of_half_a_dilated_window():
    """Which torch refuses, though it is what keeps the size of a dilated 3-tap window."""
    x = distinct(1, 1, 9)
    with pytest.raises(RuntimeError, match="at most half"):
        F.max_pool1d(x, 3, 1, 2, 2)
    y = functional.max_pool1d(x, 3, 1, 2, 2)
    padded = F.pad(x, (2, 2), value=-math.inf)
    assert torch.equal(y, F.max_pool1d(padded, 3, 1, 0, 2))
    assert y.shape == x.shape


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_avg_is_torchs(ndim, count_include_pad):
    compared = 0
    for geometry in geometries(ndim, 60):
        if max(geometry.pop("dilation")) > 1:
            continue
        x = distinct(2, CHANNELS, *geometry.pop("sizes"), dtype=torch.float64)
        y = call("avg_pool", ndim, x, **geometry, count_include_pad=count_include_pad)
        try:
            expected = AVG[ndim](x, **geometry, count_include_pad=count_include_pad)
        except RuntimeError:
            continue  # avg_pool3d refuses an input smaller than the kernel, padded or not
        compared += 1
        close(y, expected)
    assert compared > 3


@pytest.mark.parametrize("norm", [1, 2, 3.5])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_lp_sum_is_torchs_for_nonnegative_input(ndim, norm):
    x = usual_input(ndim, torch.float64).abs()
    for kernel, stride in product((1, 2, 3), (None, 1, 2)):
        y = call("lp_pool", ndim, x, kernel, stride, p=norm, norm="sum")
        close(y, LP[ndim](x, norm, kernel, stride), atol=1e-12 * y.abs().max().item())


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_area_is_interpolates(ndim):
    x = usual_input(ndim, torch.float64)
    for kernel, stride in ((2, None), (3, 2), (1, 1), (2, 3)):
        y = call("area_pool", ndim, x, kernel, stride)
        close(y, F.interpolate(x, size=y.shape[2:], mode="area"))


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_resampling_is_antialiased_interpolate(name):
    x = distinct(2, CHANNELS, 13, 9, dtype=torch.float64)
    for kernel, stride in ((2, None), (3, 2), (4, 3), ((1, 2), (1, 2))):
        y = call(f"{name}_pool", 2, x, kernel, stride)
        close(y, F.interpolate(x, size=y.shape[2:], mode=name, antialias=True, align_corners=False))


# Pillow ---------------------------------------------------------------------------------------------------------------

PILLOW = {
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@pytest.mark.parametrize("name", PILLOW)
def test_resampling_is_pillows(name):
    for sizes, kernel in (((24, 18), 2), ((24, 18), 3), ((24, 20), (4, 5)), ((25, 19), 2), ((9, 7), (2, 1))):
        if name == "area" and any(n % k for n, k in zip(sizes, np.broadcast_to(kernel, 2), strict=True)):
            continue  # an element that lies in two cells: Pillow's box weighs it by its share, torch counts it in both
        x = distinct(1, 1, *sizes)
        y = call(f"{name}_pool", 2, x, kernel)[0, 0]
        image = Image.fromarray(x[0, 0].numpy())
        assert image.mode == "F"
        expected = np.asarray(image.resize((y.shape[1], y.shape[0]), PILLOW[name]))
        np.testing.assert_allclose(y.numpy(), expected, rtol=0, atol=2e-6)


# kornia, antialiased-cnns ---------------------------------------------------------------------------------------------


def interior(n: int, out: int, filt_size: int, stride: int) -> slice:
    """The outputs all of whose taps lie inside n elements, where zeros and reflections outside make no difference."""
    first = (filt_size - 1) // 2
    kept = [o for o in range(out) if o * stride >= first and o * stride - first + filt_size <= n]
    return slice(kept[0], kept[-1] + 1)


@pytest.mark.parametrize("filt_size", range(1, 8))
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_blur_is_kornias_inside(filt_size, stride):
    kornia = pytest.importorskip("kornia")
    x = distinct(2, CHANNELS, 15, 12, dtype=torch.float64)
    y = functional.blur_pool2d(x, 1, stride, filt_size=filt_size)
    expected = kornia.filters.blur_pool2d(x, filt_size, stride)
    assert y.shape == expected.shape
    inside = (..., interior(15, y.shape[2], filt_size, stride), interior(12, y.shape[3], filt_size, stride))
    assert y[inside].numel()
    close(y[inside], expected[inside])


@pytest.mark.parametrize("filt_size", range(1, 8))
@pytest.mark.parametrize("kernel_size", [2, 3])
def test_max_blur_is_kornias_inside(filt_size, kernel_size):
    kornia = pytest.importorskip("kornia")
    x = distinct(2, CHANNELS, 15, 12, dtype=torch.float64)
    y = functional.max_blur_pool2d(x, kernel_size, 2, filt_size=filt_size)
    expected = kornia.filters.max_blur_pool2d(x, filt_size, 2, kernel_size)
    assert y.shape == expected.shape
    rows, columns = 15 - kernel_size + 1, 12 - kernel_size + 1
    inside = (..., interior(rows, y.shape[2], filt_size, 2), interior(columns, y.shape[3], filt_size, 2))
    assert y[inside].numel()
    close(y[inside], expected[inside])


@pytest.mark.parametrize("filt_size", range(1, 8))
@pytest.mark.parametrize("kernel_size", [2, 3])
def test_avg_blur_is_kornias_blur_of_torchs_average_inside(filt_size, kernel_size):
    kornia = pytest.importorskip("kornia")
    x = distinct(2, CHANNELS, 15, 12, dtype=torch.float64)
    y = functional.avg_blur_pool2d(x, kernel_size, 2, filt_size=filt_size)
    expected = kornia.filters.blur_pool2d(F.avg_pool2d(x, kernel_size, 1), filt_size, 2)
    assert y.shape == expected.shape
    rows, columns = 15 - kernel_size + 1, 12 - kernel_size + 1
    inside = (..., interior(rows, y.shape[2], filt_size, 2), interior(columns, y.shape[3], filt_size, 2))
    assert y[inside].numel()
    close(y[inside], expected[inside])


def test_average_blurred_is_not_the_papers_replacement_of_the_average():
    """The paper puts blur alone in the place of average pooling; with one tap avg_blur is the average itself."""
    x = distinct(2, CHANNELS, 12, 10, dtype=torch.float64)
    close(functional.avg_blur_pool2d(x, 2, filt_size=1), F.avg_pool2d(x, 2))
    close(functional.blur_pool2d(x, 2, filt_size=2), F.avg_pool2d(x, 2))
    assert not torch.allclose(functional.avg_blur_pool2d(x, 2), functional.blur_pool2d(x, 2))


@pytest.mark.parametrize("filt_size", range(1, 8))
@pytest.mark.parametrize("kernel_size", [1, 2])
def test_blur_is_that_of_antialiased_cnns(filt_size, kernel_size):
    """Reflect by (f-1)/2, rounded down on the left and up on the right, then correlate with binomials at stride 2."""
    if kernel_size == 2 and filt_size % 2:
        pytest.skip("a window of two has its centre between elements, an odd filter has not")
    x = distinct(2, CHANNELS, 12, 10, dtype=torch.float64)
    left, right = (filt_size - 1) // 2, filt_size // 2
    row = torch.tensor([math.comb(filt_size - 1, i) for i in range(filt_size)], dtype=torch.float64)
    kernel = (row[:, None] * row / row.sum() ** 2).expand(CHANNELS, 1, -1, -1)
    padded = F.pad(x, (left, right, left, right), mode="reflect") if filt_size > 1 else x
    expected = F.conv2d(padded, kernel, stride=2, groups=CHANNELS)
    y = functional.blur_pool2d(x, kernel_size, 2, filt_size=filt_size)
    close(y, expected)


# PyWavelets -----------------------------------------------------------------------------------------------------------

MODES = ("symmetric", "reflect", "periodic", "periodization", "constant", "zero", "antisymmetric")


def low_band_of(x, wavelet, mode):
    """PyWavelets' approximation coefficients over all spatial axes, channel by channel."""
    axes = tuple(range(2, x.dim()))
    return torch.from_numpy(pywt.dwtn(x.numpy(), wavelet, mode, axes)["a" * len(axes)])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_haar_is_pywavelets_low_band(ndim, mode):
    """Of odd sizes too: PyWavelets keeps the last element, as ceil_mode does."""
    for sizes in ((8, 6, 4)[:ndim], (7, 5, 3)[:ndim]):
        x = distinct(2, CHANNELS, *sizes, dtype=torch.float64)
        y = call("haar_pool", ndim, x, 2, ceil_mode=True, mode=mode)
        close(y, low_band_of(x, "haar", mode))


def test_haar_in_two_dimensions_is_pywavelets_dwt2():
    x = distinct(2, CHANNELS, 8, 6, dtype=torch.float64)
    close(functional.haar_pool2d(x, 2), torch.from_numpy(pywt.dwt2(x.numpy(), "haar")[0]))
    close(functional.haar_pool2d(x, 2), functional.wavelet_pool2d(x, 2, wavelet="haar"))
    close(functional.haar_pool2d(x, 2, norm="mean"), F.avg_pool2d(x, 2))
    close(functional.haar_pool2d(x, 2), 2 * F.avg_pool2d(x, 2))


WAVELETS = ("haar", "db2", "db3", "db4", "db10", "sym4", "sym5", "coif1", "coif2", "bior2.2", "bior4.4", "rbio1.3")


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_wavelet_is_pywavelets_periodized_low_band(ndim, wavelet):
    x = distinct(2, CHANNELS, *(8, 6, 4)[:ndim], dtype=torch.float64)
    y = call("wavelet_pool", ndim, x, 2, wavelet=wavelet, mode="periodization")
    close(y, low_band_of(x, wavelet, "periodization"))


@pytest.mark.parametrize("mode", MODES[:3] + MODES[4:])
@pytest.mark.parametrize("wavelet", [name for name in WAVELETS if pywt.Wavelet(name).dec_len % 4 == 2])
def test_wavelet_is_the_centre_of_pywavelets_low_band(wavelet, mode):
    x = distinct(2, CHANNELS, 24, 22, dtype=torch.float64)
    first = (pywt.Wavelet(wavelet).dec_len - 2) // 4
    expected = low_band_of(x, wavelet, mode)[..., first : first + 12, first : first + 11]
    close(functional.wavelet_pool2d(x, 2, wavelet=wavelet, mode=mode), expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", WAVELETS)
def test_wavelet_is_pywavelets_of_the_extended_input(wavelet, mode):
    """Extended by PyWavelets itself, by as much as centres the filter; then no output needs a boundary mode."""
    x = distinct(CHANNELS, 13, dtype=torch.float64)
    length = pywt.Wavelet(wavelet).dec_len
    margin = length + (length - 2) // 2 % 2  # odd where the centred filter begins at odd positions
    extended = np.stack([pywt.pad(channel, (margin, length), mode) for channel in x.numpy()])
    low, _ = pywt.dwt(extended, wavelet, "zero")
    first = (margin - (length - 2) // 2 + length - 2) // 2
    y = functional.wavelet_pool1d(x, 2, wavelet=wavelet, mode=mode)
    close(y, torch.from_numpy(low[:, first : first + 6]))


@pytest.mark.parametrize("name", ["haar", "wavelet"])
def test_wavelets_keep_a_constant_when_asked_for_the_mean(name):
    x = torch.full((1, 1, 7, 6), 3.0, dtype=torch.float64)
    for mode in ("symmetric", "reflect", "periodic", "periodization", "constant"):
        for geometry in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}):
            mean = call(f"{name}_pool", 2, x, **geometry, mode=mode, norm="mean")
            close(mean, torch.full_like(mean, 3.0))
            ortho = call(f"{name}_pool", 2, x, **geometry, mode=mode)
            close(ortho, torch.full_like(ortho, 6.0))


def test_unknown_wavelet_is_answered_with_the_near_ones():
    with pytest.raises(ValueError, match=r"wavelet='db222': a name from pywt.wavelist.* is allowed, as db22"):
        functional.wavelet_pool1d(usual_input(1), 2, wavelet="db222")


# numpy's FFT ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [2, 3, 4])
@pytest.mark.parametrize("odd", [0, 1])
def test_spectral_is_a_crop_of_numpys_centred_transform(ndim, kernel_size, odd):
    """Even sizes to even and odd ones, odd sizes likewise."""
    sizes = tuple(n + odd for n in (12, 8, 6)[:ndim])
    x = distinct(2, CHANNELS, *sizes, dtype=torch.float64)
    axes = tuple(range(2, 2 + ndim))
    out = tuple(n // kernel_size for n in sizes)
    spectrum = np.fft.fftshift(np.fft.fftn(x.numpy(), axes=axes, norm="forward"), axes)
    crop = tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(sizes, out, strict=True))
    expected = np.fft.ifftn(np.fft.ifftshift(spectrum[(..., *crop)], axes), axes=axes, norm="forward")
    if all(m % 2 for m in out):
        assert np.abs(expected.imag).max() < 1e-14
    close(call("spectral_pool", ndim, x, kernel_size), torch.from_numpy(expected.real))


@pytest.mark.parametrize("sizes", [(16, 12), (17, 13)])
def test_spectral_makes_the_cropped_spectrum_that_of_a_real_signal(sizes):
    """The paper's corner cases: what has no counterpart in the crop becomes the mean of itself and its counterpart."""
    x = distinct(1, 1, *sizes, dtype=torch.float64)[0, 0]
    full = np.fft.fftn(x.numpy(), norm="forward")
    y = functional.spectral_pool2d(x[None, None], 2)[0, 0]
    got = np.fft.fftn(y.numpy(), norm="forward")
    height, width = y.shape
    kept = [range(-(m // 2), m - m // 2) for m in (height, width)]
    for frequency in product(*kept):
        # Where -f is not in the crop, -f and f are one frequency of the small signal.
        other = tuple(-f if -f in axis else f for f, axis in zip(frequency, kept, strict=True))
        assert abs(got[frequency] - (full[frequency] + full[other].conj()) / 2) < 1e-12


def test_spectral_needs_no_more_of_the_papers_corner_cases_than_the_real_part():
    """The paper makes those frequencies real that are their own counterparts, four of them in even sizes.

    That alone leaves an imaginary part, from the other frequencies along -m/2. The real part of it is what we give.
    """
    x = distinct(1, 1, 16, 12, dtype=torch.float64)
    spectrum = np.fft.fftshift(np.fft.fftn(x[0, 0].numpy(), norm="forward"))[4:12, 3:9]
    for corner in product((0, 4), (0, 3)):
        spectrum[corner] = spectrum[corner].real
    treated = np.fft.ifftn(np.fft.ifftshift(spectrum), norm="forward")
    assert np.abs(treated.imag).max() > 1e-2
    close(functional.spectral_pool2d(x, 2)[0, 0], torch.from_numpy(treated.real))


def test_spectral_keeps_low_frequencies_and_their_phase():
    t, o = torch.arange(24, dtype=torch.float64), torch.arange(12, dtype=torch.float64)

    def wave(position):
        return 2 + torch.cos(2 * math.pi * 3 * position / 24 + 0.7)

    close(functional.spectral_pool1d(wave(t)[None], 2), wave(2 * o)[None])


def test_spectral_of_the_same_size_is_the_input_and_padding_only_makes_it_larger():
    x = distinct(2, CHANNELS, 8, 7, dtype=torch.float64)
    assert torch.equal(functional.spectral_pool2d(x, 3, 1, 1), x)
    larger = functional.spectral_pool2d(x, 2, 1, 1)
    assert larger.shape[2:] == (9, 8)
    close(larger.mean((2, 3)), x.mean((2, 3)))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_diffstride_at_a_whole_stride_without_a_ramp_is_spectral(ndim):
    x = distinct(2, CHANNELS, *(12, 9, 8)[:ndim], dtype=torch.float64)
    spectral = call("spectral_pool", ndim, x, 3)
    for smoothness in (0, 1e-6, 4.0):  # at the stride of the windows the ramp lies beyond what is kept
        close(call("diffstride_pool", ndim, x, 3, smoothness=smoothness), spectral)
        strides = torch.full((ndim,), 3.0, dtype=torch.float64)
        close(call("diffstride_pool", ndim, x, 3, smoothness=smoothness, strides=strides), spectral)


def test_diffstrides_size_follows_its_stride_if_asked():
    x = distinct(2, CHANNELS, 32, 24, dtype=torch.float64)
    pool = poolzoo.DiffStridePool2d(2, strides=(2.5, 4.0), smoothness=3.0, size="learned").double()
    y = pool(x)
    assert y.shape[2:] == (19, 11)  # 2 ceil(3 + 32 / 5) - 1 and 2 ceil(3 + 24 / 8) - 1
    spectrum, kept = np.fft.fft2(x.numpy(), norm="forward"), np.zeros((2, CHANNELS, 19, 11), complex)
    for i, j in np.ndindex(19, 11):
        k, ell = i if i < 10 else i - 19, j if j < 6 else j - 11
        window = min(1, (3 + 6.4 - abs(k)) / 3) * min(1, (3 + 3 - abs(ell)) / 3)
        kept[..., i, j] = window * spectrum[..., k, ell]
    close(y, torch.from_numpy(np.fft.ifft2(kept, norm="forward").real))
    y.square().sum().backward()
    assert pool.strides.grad.abs().min() > 0
    assert poolzoo.DiffStridePool2d(2, strides=1.0, size="learned")(x).shape == x.shape


def test_hwd_is_pywavelets_transform():
    x = distinct(2, CHANNELS, 8, 6, dtype=torch.float64)
    low, details = pywt.dwt2(x.numpy(), "haar")
    close(functional.hwd_pool2d(x, 2), torch.from_numpy(np.stack([low, *details], 2)))
    odd = x[..., :7, :5]
    low, details = pywt.dwt2(odd.numpy(), "haar", mode="zero")
    close(functional.hwd_pool2d(odd, 2, ceil_mode=True, mode="zero"), torch.from_numpy(np.stack([low, *details], 2)))
    volume = distinct(1, CHANNELS, 4, 6, 2, dtype=torch.float64)
    bands = pywt.dwtn(volume.numpy(), "haar", axes=(2, 3, 4))
    order = ["aaa", "daa", "ada", "dda", "aad", "dad", "add", "ddd"]
    close(functional.hwd_pool3d(volume, 2), torch.from_numpy(np.stack([bands[key] for key in order], 2)))


def test_hwds_first_band_is_haar():
    x = distinct(2, CHANNELS, 7, 6, dtype=torch.float64)
    for norm in ("ortho", "mean"):
        close(functional.hwd_pool2d(x, 3, 2, 1, norm=norm)[:, :, 0], functional.haar_pool2d(x, 3, 2, 1, norm=norm))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_flc_is_spectral(ndim):
    x = distinct(2, CHANNELS, *(11, 8, 6)[:ndim], dtype=torch.float64)
    assert torch.equal(call("flc_pool", ndim, x, 2), call("spectral_pool", ndim, x, 2))


def test_flc_is_the_authors_modulus_where_the_crop_is_real_and_positive():
    """flc_pooling.py, for sizes that 4 divides: without the frequency -m/2, and raised above 0 by the mean."""
    spectrum = np.fft.fftshift(np.fft.fft2(distinct(16, 12, dtype=torch.float64).numpy()))
    spectrum[[0, 4, 12]], spectrum[:, [0, 3, 9]] = 0, 0
    spectrum[8, 6] += 10 * spectrum.size
    x = np.fft.ifft2(np.fft.ifftshift(spectrum)).real
    low = np.fft.fftshift(np.fft.fft2(x))[4:12, 3:9]
    theirs = np.abs(np.fft.ifft2(np.fft.ifftshift(low))) / 4  # their inverse divides by the smaller size
    close(functional.flc_pool2d(torch.from_numpy(x)[None, None], 2)[0, 0], torch.from_numpy(theirs))


def test_asap_is_the_authors_formula():
    """asap.py with transpose=False, for sizes that 4 divides."""
    x = distinct(2, CHANNELS, 16, 12, dtype=torch.float64)
    window = np.sqrt(np.outer(np.hamming(16), np.hamming(12)))
    axes = (2, 3)
    spectrum = np.fft.fftshift(np.fft.fft2(x.numpy(), norm="forward"), axes) * window
    expected = np.fft.ifft2(np.fft.ifftshift(spectrum[:, :, 4:12, 3:9], axes), norm="forward").real
    close(functional.asap_pool2d(x, 2, window="authors"), torch.from_numpy(expected))


@pytest.mark.parametrize("window", ["centred", "authors"])
def test_asap_overshoots_less_than_flc_at_a_step(window):
    """Overshoot: how far the pooled values leave the range of a step from 0 to 1 and back, on either side."""
    step = torch.zeros(1, 64, dtype=torch.float64)
    step[:, 16:48] = 1

    def overshoot(y):
        return max(y.max().item() - 1, -y.min().item())

    flc = overshoot(functional.flc_pool1d(step, 2))
    assert 0.05 < flc < 0.09, "Gibbs: about 9 % of the step, sampled off its peak"
    assert overshoot(functional.asap_pool1d(step, 2, window=window)) < 0.9 * flc


# Lifting --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_lift_reconstructs_from_all_its_sub_bands(ndim, kernel_size):
    """With any P and U, and of sizes that are no multiple of the window."""
    sizes = {1: (13,), 2: (9, 8), 3: (5, 6, 7)}[ndim]
    x = distinct(2, CHANNELS, *sizes, dtype=torch.float64)
    pool = scramble(make("lift", ndim, kernel_size, ceil_mode=True)).double()
    bands = pool.bands(x)
    assert bands.shape == (2, CHANNELS, kernel_size**ndim, *(-(-n // kernel_size) for n in sizes))
    close(pool.unpool(bands, sizes), x)
    close(bands.sum(2), pool(x))
    close(pool.unpool(pool.bands(x[0]), sizes), x[0])


def test_lift_with_a_perfect_predictor_keeps_everything_in_one_band():
    """A predictor that knows the odd elements leaves no details, and the approximation alone gives the input back."""
    position = torch.arange(12, dtype=torch.float64)
    x = (3 * position + 1).expand(1, 1, 12)

    def predict(even, axis):
        return even + 3

    g = make_geometry(1, 2)
    low, high = lifting.lift_bands(x, g, predict, lambda d, axis: d / 2)
    close(high, torch.zeros_like(high))
    close(low, x[..., ::2])
    close(lifting.lift_unpool([low, torch.zeros_like(low)], (2,), predict, lambda d, axis: d / 2), x)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_lift_with_haars_steps_gives_pywavelets_sub_bands(ndim):
    x = distinct(2, CHANNELS, *(8, 6, 4)[:ndim], dtype=torch.float64)
    steps = (lambda even, axis: even, lambda detail, axis: detail / 2)
    bands = lifting.lift_bands(x, make_geometry(ndim, 2), *steps)
    axes = tuple(range(2, 2 + ndim))
    expected = pywt.dwtn(x.numpy(), "haar", axes=axes)
    for number, band in enumerate(bands):
        # Lifted from the last axis on; d is odd minus even, pywt's detail the reverse, and both differ by sqrt 2.
        letters = [(number >> axis) & 1 for axis in range(ndim)]
        key = "".join("ad"[letter] for letter in letters)
        scale = math.prod(-math.sqrt(2) if letter else 1 / math.sqrt(2) for letter in letters)
        close(band, scale * torch.from_numpy(expected[key]))
    close(call("lift_pool", ndim, x, 2, predict=steps[0], update=steps[1]), sum(bands))


def test_lift_starts_as_the_sum_and_updates_from_the_details():
    """Code in circulation updates from the odd elements, U(a_odd); the paper's U(d) is what can be undone."""
    x = distinct(2, CHANNELS, 8, dtype=torch.float64)
    close(make("lift", 1).double()(x), functional.sum_pool1d(x, 2))
    pool = scramble(make("lift", 1)).double()
    even, odd = x[..., ::2], x[..., 1::2]
    detail = odd - pool.predict(even, 0)
    close(pool(x), even + pool.update(detail, 0) + detail)
    assert not torch.allclose(pool(x), even + pool.update(odd, 0) + detail)


def test_lift_says_what_cannot_be_undone():
    x = distinct(1, CHANNELS, 9, 8)
    pool = make("lift", 2, 2)
    for other in (make("lift", 2, 3, 2), make("lift", 2, 2, padding=1), make("lift", 2, 2, dilation=2)):
        with pytest.raises(ValueError, match="unpool: stride = kernel_size, padding=0 and dilation=1 are needed"):
            other.unpool(other.bands(x))
    with pytest.raises(ValueError, match=r"bands: 3 sub-bands; a window of \(2, 2\) has 4"):
        pool.unpool(pool.bands(x)[:, :, :3])
    for size in ((9, 8), (6, 8), (8,)):
        allowed = re.escape("(8, 8), or smaller by less than a window, is allowed")
        with pytest.raises(ValueError, match=f"output_size={re.escape(str(size))}: {allowed}"):
            pool.unpool(pool.bands(x), size)


# SoftPool -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_softpool_lies_between_its_limits(ndim):
    x = usual_input(ndim, torch.float64)
    for geometry in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}):
        average = call("avg_pool", ndim, x, **geometry)
        largest, smallest = call("max_pool", ndim, x, **geometry), -call("max_pool", ndim, -x, **geometry)
        close(call("soft_pool", ndim, x, **geometry, beta=0), average)
        close(call("soft_pool", ndim, x, **geometry, beta=1e-9), average, atol=1e-7)
        close(call("soft_pool", ndim, x, **geometry, beta=1e4), largest)
        close(call("soft_pool", ndim, x, **geometry, beta=-1e4), smallest)
        y = call("soft_pool", ndim, x, **geometry)
        assert (average <= y + 1e-12).all()
        assert (y <= largest + 1e-12).all()
        close(
            call("soft_pool", ndim, x, **geometry, beta=torch.tensor(-2.0)),
            call("soft_pool", ndim, x, **geometry, beta=-2),
        )


def test_softpool_of_88s_and_110s_does_not_overflow():
    """The authors' kernel gives 170.85 for four 88s, 3.4e38 for four 100s and 0 for four -110s."""
    for value in (88.0, 100.0, -110.0):
        x = torch.full((1, 1, 2, 2), value)
        assert functional.soft_pool2d(x, 2).item() == value


def test_softpool_learns_beta_given_as_a_tensor():
    beta = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    x = usual_input(2, torch.float64)
    assert torch.autograd.gradcheck(lambda b: functional.soft_pool2d(x, 3, 2, 1, beta=b), (beta,))


def adaptive_loop(x, sizes, beta):
    """Cell i of m spans floor(i n / m) to ceil((i + 1) n / m)."""
    y = x.new_zeros(*x.shape[: -len(sizes)], *sizes)
    for cell in product(*(range(m) for m in sizes)):
        box = tuple(
            slice(i * n // m, math.ceil((i + 1) * n / m))
            for i, n, m in zip(cell, x.shape[-len(sizes) :], sizes, strict=True)
        )
        a = x[(..., *box)].flatten(-len(sizes))
        y[(..., *cell)] = (torch.softmax(beta * a, -1) * a).sum(-1)
    return y


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_adaptive_softpool_is_a_loop_over_torchs_cells(ndim, size):
    x = usual_input(ndim, torch.float64)
    for beta in (1.0, -0.5):
        close(call("adaptive_soft_pool", ndim, x, size, beta=beta), adaptive_loop(x, (size,) * ndim, beta))
    y = call("adaptive_soft_pool", ndim, x, size, beta=0)
    close(y, ADAPTIVE_AVG[ndim](x, size))
    close(call("adaptive_soft_pool", ndim, x[0], size, beta=0), y[0])
    assert call("adaptive_soft_pool", ndim, x[:0], size).shape == (0, *y.shape[1:])


def test_adaptive_softpool_keeps_sizes_given_as_none():
    x = usual_input(2, torch.float64)
    height, width = SIZES[2]
    assert torch.equal(poolzoo.AdaptiveSoftPool2d(None)(x), x)
    close(poolzoo.AdaptiveSoftPool2d((3, None))(x), adaptive_loop(x, (3, width), 1.0))
    close(poolzoo.AdaptiveSoftPool2d((None, 2), beta=2.0)(x), adaptive_loop(x, (height, 2), 2.0))


def test_adaptive_softpool_is_softpool_where_the_cells_are_windows():
    x = distinct(2, CHANNELS, 8, 6).requires_grad_()
    close(poolzoo.AdaptiveSoftPool2d((4, 2))(x), functional.soft_pool2d(x, (2, 3)), atol=1e-6)
    assert torch.autograd.gradcheck(
        poolzoo.AdaptiveSoftPool2d((3, 4)), (distinct(1, 2, 5, 5, dtype=torch.float64).requires_grad_(),)
    )


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_global_softpool_is_one_window(ndim):
    x = usual_input(ndim, torch.float64)
    make_global = getattr(poolzoo, f"GlobalSoftPool{ndim}d")
    y = make_global(beta=2.0)(x)
    assert y.shape == (2, CHANNELS, *(1,) * ndim)
    close(y, call("soft_pool", ndim, x, SIZES[ndim], beta=2.0))
    assert torch.equal(make_global(beta=2.0, flatten=True)(x), y.flatten(1))
    assert make_global(flatten=True)(x[0]).shape == (CHANNELS,)


@pytest.mark.parametrize("size", [0, -1, (2, 2, 2), (2,), 1.5, "2", True, (2, 0)], ids=str)
def test_bad_output_size_is_named(size):
    with pytest.raises((ValueError, TypeError), match=r"output_size=.*allowed"):
        poolzoo.AdaptiveSoftPool2d(size)
    with pytest.raises((ValueError, TypeError), match=r"output_size=.*allowed"):
        functional.adaptive_soft_pool2d(usual_input(2), size)


def test_bad_adaptive_input_is_named():
    with pytest.raises(ValueError, match="input: 2 axes"):
        poolzoo.GlobalSoftPool2d()(torch.zeros(3, 3))
    with pytest.raises(ValueError, match="spatial sizes must be at least 1"):
        poolzoo.GlobalSoftPool2d()(torch.zeros(1, 3, 0, 3))
    with pytest.raises(ValueError, match="beta=nan"):
        poolzoo.GlobalSoftPool2d(beta=math.nan)


def test_adaptive_modules_print_their_call():
    assert repr(poolzoo.AdaptiveSoftPool2d((3, None))) == "AdaptiveSoftPool2d(output_size=(3, None))"
    assert repr(poolzoo.GlobalSoftPool3d(beta=2.0)) == "GlobalSoftPool3d(beta=2.0)"


def test_channelsum_is_the_authors_formula():
    """Their CPU path: e = exp(x) summed over channels, avg_pool(x e) k^2 / (avg_pool(e) k^2), clipped at 0."""
    x = distinct(2, CHANNELS, 7, 6, dtype=torch.float64)
    for kernel, stride in ((2, 2), (3, 2), (3, 1)):
        e = torch.sum(torch.exp(x), dim=1, keepdim=True)
        window = kernel * kernel
        expected = (F.avg_pool2d(x * e, kernel, stride) * window).div(F.avg_pool2d(e, kernel, stride) * window)
        y = functional.soft_pool_channelsum2d(x, kernel, stride)
        close(y, expected.clamp(min=0))
        assert (y == 0).any()
        assert (y > 0).any()


# Generalised means ----------------------------------------------------------------------------------------------------


def test_lse_lies_between_its_limits():
    x = usual_input(2, torch.float64)
    average, largest, smallest = F.avg_pool2d(x, 2), F.max_pool2d(x, 2), -F.max_pool2d(-x, 2)
    close(functional.lse_pool2d(x, 2, r=1e-9), average, atol=1e-8)
    close(functional.lse_pool2d(x, 2, r=1e4), largest, atol=math.log(4) / 1e4 + 1e-12)
    close(functional.lse_pool2d(x, 2, r=-1e4), smallest, atol=math.log(4) / 1e4 + 1e-12)


def test_lse_keeps_its_digits_where_r_is_small():
    x = usual_input(2)
    for r in (1e-2, 1e-4, -1e-6):
        exact = functional.lse_pool2d(x.double(), 2, r=r)
        close(functional.lse_pool2d(x, 2, r=r).double(), exact, atol=2e-6)


def test_generalised_means_meet_in_their_limits():
    x = usual_input(2, torch.float64).abs()
    close(functional.lp_pool2d(x, 2, p=1), F.avg_pool2d(x, 2))
    assert torch.equal(functional.lp_pool2d(-x, 2, p=math.inf), F.max_pool2d(x, 2))
    close(functional.lp_pool2d(x, 2, p=1e4), F.max_pool2d(x, 2), atol=1e-3)
    close(functional.power_pool2d(x, 3, 2, 1, p=3.0), functional.lp_pool2d(x, 3, 2, 1, p=3))
    close(functional.gem_pool2d(x, 3, 2, 1, p=2.5), functional.lp_pool2d(x, 3, 2, 1, p=2.5))


def test_autopool_is_softpool_the_mean_and_the_extremes():
    x = usual_input(2, torch.float64)
    learned = poolzoo.AutoPool2d(3, 2, 1).double()
    assert torch.equal(learned(x), functional.soft_pool2d(x, 3, 2, 1))
    at = functools.partial(functional.auto_pool2d, x, 3, 2, 1)
    close(at(beta=0.0), functional.avg_pool2d(x, 3, 2, 1))
    close(at(beta=1e4), F.max_pool2d(x, 3, 2, 1), atol=1e-9)
    close(at(beta=-1e4), -F.max_pool2d(-x, 3, 2, 1), atol=1e-9)
    by_channel = at(beta=torch.tensor([0.0, 1.0, 3.0]))
    for channel, beta in enumerate((0.0, 1.0, 3.0)):
        close(by_channel[:, channel], functional.soft_pool2d(x, 3, 2, 1, beta=beta)[:, channel])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("special", [0.0, 1e30, -1e30, math.inf, math.nan])
def test_hann_l2_is_that_of_float64_by_convolution_and_without(special, dtype):
    x = distinct(2, 3, 13, 11, dtype=torch.float64).to(dtype)
    x[1, 1, 5, 5] = special  # too large a number, and nothing else, leaves no convolution
    for window in ((2, 2), (3, 2, 1), (5, 1, 2), (3, 3, 1, 2, True)):
        y = functional.hann_l2_pool2d(x, *window)
        wide = functional.hann_l2_pool2d(x.double(), *window)
        torch.testing.assert_close(y.double(), wide, rtol=torch.finfo(dtype).eps * 2, atol=0, equal_nan=True)


def spread_over_all_sizes() -> torch.Tensor:
    """Numbers of float32 of every size and sign, neighbours alike in some places and far apart in others; 0 and inf."""
    generator = torch.Generator().manual_seed(3)
    size = (
        torch.linspace(-45, 38, 13)[:, None]
        + torch.linspace(0, 0.5, 11)
        + 4 * torch.randn(4, 1, 1, generator=generator)
    )
    size[3] = 76 * torch.rand(13, 11, generator=generator) - 38
    x = (10 ** size.clamp(-46, 38.5)).expand(2, 4, 13, 11) * torch.randn(2, 4, 13, 11, generator=generator).sign()
    x[1, 0, 5, 5], x[1, 1, :4, :4], x[1, 2] = math.inf, 0.0, torch.finfo(torch.float32).max
    return x


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("window", [(2, 2), (3, 2, 1), (5, 1, 2), (3, 3, 1, 2, True)])
def test_hann_l2_by_two_convolutions_is_the_loop_at_any_size(window, include):
    """What a GPU runs, here on the CPU: values of the loop, and the gradient of the definition in float64."""
    x = spread_over_all_sizes().requires_grad_()
    geometry = make_geometry(2, *window[:2], *window[2:])
    y = hann.by_two_convolutions(x, geometry, count_include_pad=include)
    loop = oracles.hann_l2(x.detach().double().numpy(), oracles.Geometry(*geometry), count_include_pad=include)
    torch.testing.assert_close(y.double(), torch.from_numpy(loop), rtol=1e-6, atol=0)
    wide = x.detach().double().requires_grad_()
    expected = functional.hann_l2_pool2d(wide, *window, count_include_pad=include)
    at = expected.detach().isfinite()
    (slope,) = torch.autograd.grad(y[at].sum(), x)
    (true,) = torch.autograd.grad(expected[at].sum(), wide)
    finite = x.detach().isfinite()
    torch.testing.assert_close(slope.double()[finite], true[finite], rtol=1e-5, atol=1e-9)


def test_hann_l2_by_two_convolutions_keeps_nan_where_it_is():
    x = distinct(1, 2, 9, 9)
    x[0, 0, 4, 4] = math.nan
    for window in ((3, 3), (3, 2, 1)):
        y = hann.by_two_convolutions(x, make_geometry(2, *window))
        assert torch.equal(y.isnan(), functional.hann_l2_pool2d(x.double(), *window).isnan())


def test_gaussian_is_the_mean_and_a_multiple_of_the_deviation():
    x = usual_input(2, torch.float64)
    mean = functional.avg_pool2d(x, 3, 2, 1)
    close(functional.gaussian_pool2d(x, 3, 2, 1, m=-math.inf), mean)
    close(functional.gaussian_pool2d(x, 3, 2, 1, m=-60.0), mean)
    parts = F.unfold(x, 3, stride=2).unflatten(1, (CHANNELS, 9)).unflatten(-1, (3, 2))
    sigma = parts.var(2, correction=0).clamp(min=1e-6).sqrt()
    m = torch.tensor([[0.3], [-2.0]], dtype=torch.float64).expand(2, CHANNELS)
    close(functional.gaussian_pool2d(x, 3, 2, m=m), parts.mean(2) + F.softplus(m)[..., None, None] * sigma)


def test_gaussian_draws_around_its_evaluation():
    """softplus of m + s e, for 40,000 outputs of one window's values: mean and spread as numpy draws them."""
    x = torch.tensor([1.0, 3.0]).repeat(20000)[None, None]  # mean 2, deviation 1
    generator = torch.Generator().manual_seed(0)
    drawn = functional.gaussian_pool1d(x, 2, m=0.4, s=0.8, training=True, generator=generator) - 2
    expected = np.log1p(np.exp(0.4 + 0.8 * np.random.default_rng(0).standard_normal(200000)))
    assert abs(drawn.mean().item() - expected.mean()) < 0.015 and abs(drawn.std().item() - expected.std()) < 0.015
    again = torch.Generator().manual_seed(0)
    assert torch.equal(functional.gaussian_pool1d(x, 2, m=0.4, s=0.8, training=True, generator=again) - 2, drawn)
    still = functional.gaussian_pool1d(x, 2, m=0.4, s=0.0, training=True)
    close(still, functional.gaussian_pool1d(x, 2, m=0.4), atol=1e-6)


def one_hot(rank: int, ranks: int) -> torch.Tensor:
    return F.one_hot(torch.tensor(rank), ranks).float()


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_owa_is_max_min_median_and_mean(ndim, ceil_mode):
    x = usual_input(ndim, torch.float64)
    window = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": ceil_mode}

    def by(name: str, x: torch.Tensor, **params: object) -> torch.Tensor:
        return getattr(functional, f"{name}_pool{ndim}d")(x, **window, **params)

    taps = 3**ndim
    assert torch.equal(by("owa", x, weight=one_hot(0, taps)), by("max", x))
    assert torch.equal(by("owa", x, weight=one_hot(taps - 1, taps)), -by("max", -x))
    close(by("owa", x, weight=one_hot(taps // 2, taps)), by("median", x))
    close(by("owa", x, weight=torch.ones(5)), by("avg", x))
    close(getattr(poolzoo, f"OwaPool{ndim}d")(**window).double()(x), by("avg", x))
    whole = getattr(functional, f"global_owa_pool{ndim}d")
    odd = x[0, 0].numel() | 1
    middle = torch.from_numpy(np.median(x.flatten(2).numpy(), -1))
    close(whole(x, weight=one_hot(odd // 2, odd), flatten=True), middle)


def test_owa_weighs_ranks_as_a_hand_does():
    x = torch.tensor([[[1.0, 4.0, 2.0, 8.0]]])
    weight = torch.tensor([1.0, 2.0, 0.0, 1.0])
    assert functional.owa_pool1d(x, 4, weight=weight).item() == (8 + 2 * 4 + 1) / 4
    # Two elements share four weights in pairs, 3 and 1; four elements halve two weights.
    assert functional.owa_pool1d(x, 2, weight=weight).flatten().tolist() == [(3 * 4 + 1) / 4, (3 * 8 + 2) / 4]
    assert functional.owa_pool1d(x, 4, weight=torch.tensor([3.0, 1.0])).item() == (1.5 * (8 + 4) + 0.5 * (2 + 1)) / 4
    assert functional.owa_pool1d(x, 4, weight=torch.tensor([1.0, -5.0, 0.0, 0.0])).item() == 8


def test_t_max_avg_takes_the_maximum_or_the_mean_as_a_hand_does():
    x = torch.tensor([[[0.1, 0.9, 0.6, 0.4, 0.3, 0.2, 0.4, 0.1]]], dtype=torch.float64, requires_grad=True)
    pool = functools.partial(functional.t_max_avg_pool1d, x, 4)
    close(pool(k=2), torch.tensor([[[0.9, 0.35]]], dtype=torch.float64))
    close(pool(), torch.tensor([[[1.9 / 3, 0.3]]], dtype=torch.float64))
    close(pool(when="largest"), torch.tensor([[[0.9, 0.3]]], dtype=torch.float64))
    close(pool(k=9, threshold=0.1), torch.tensor([[[0.9, 0.4]]], dtype=torch.float64))  # equal to T is enough
    edges = functional.t_max_avg_pool1d(x[..., :4], 3, 2, 1, k=3, threshold=0.4)  # (0.1, 0.9) and (0.9, 0.6, 0.4)
    close(edges, torch.tensor([[[0.5, 0.9]]], dtype=torch.float64))
    (slope,) = torch.autograd.grad(pool(k=2).sum(), x)
    assert slope.flatten().tolist() == [0, 1, 0, 0, 0.5, 0, 0.5, 0]
    for special, expected in ((math.nan, math.nan), (math.inf, math.inf), (-math.inf, 1.9 / 3)):
        y = functional.t_max_avg_pool1d(torch.cat([x[..., :4], torch.full((1, 1, 1), special)], -1), 5)
        torch.testing.assert_close(y, torch.full_like(y, expected), rtol=1e-12, atol=0, equal_nan=True)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_t_max_avg_is_that_of_public_code_by_topk(ndim):
    """densatio's rule asks the largest element, and ScarSegNet's all of the K largest."""
    x = usual_input(ndim, torch.float64)
    a = x
    for axis in range(ndim):
        a = a.unfold(2 + axis, 2, 2)
    for parts, name, arguments in (
        (a.flatten(-ndim), "t_max_avg_pool", {"kernel_size": 2}),
        (x.flatten(2), "global_t_max_avg_pool", {"flatten": True}),
    ):
        top = parts.topk(2).values
        for when, reached in (("largest", top[..., 0]), ("all", top[..., 1])):
            threshold = reached.median().item()
            expected = torch.where(reached >= threshold, top[..., 0], top.mean(-1))
            assert not torch.equal(expected, top[..., 0]) and not torch.equal(expected, top.mean(-1))
            close(call(name, ndim, x, **arguments, k=2, threshold=threshold, when=when), expected)


def test_hann_l2_is_the_convolution_of_piqs_layer():
    """piq's L2Pool2d: a depthwise convolution of squares with [1 2 1] x [1 2 1] / 16, zeros outside."""
    x = usual_input(2, torch.float64)
    row = torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64)
    kernel = (row[:, None] * row).expand(CHANNELS, 1, 3, 3)
    expected = (F.conv2d(x**2, kernel, stride=2, padding=1, groups=CHANNELS) + 1e-12).sqrt()
    close(functional.hann_l2_pool2d(x, 3, 2, 1, count_include_pad=True), expected)
    inside = functional.hann_l2_pool2d(x, 3, 2)
    close(inside, (F.conv2d(x**2, kernel, stride=2, groups=CHANNELS) + 1e-12).sqrt())
    close(functional.hann_l2_pool2d(x, 2), functional.lp_pool2d(x, 2, p=2), atol=1e-10)
    of_five = torch.hann_window(7, periodic=False, dtype=torch.float64)[1:-1]
    kernel = (of_five[:, None] * of_five / of_five.sum() ** 2).expand(CHANNELS, 1, 5, 5)
    close(functional.hann_l2_pool2d(x, 5, 1), (F.conv2d(x**2, kernel, groups=CHANNELS) + 1e-12).sqrt())


def test_hann_l2_of_bins_has_a_hann_window_over_each():
    x = distinct(1, 2, 7, dtype=torch.float64)
    y = functional.adaptive_hann_l2_pool1d(x, 3)  # 0..2, 2..4, 4..6
    close(y, functional.hann_l2_pool1d(x, 3, 2))
    uneven = functional.adaptive_hann_l2_pool1d(x[..., :5], 2)  # 0..2 and 2..4
    close(uneven, functional.hann_l2_pool1d(x[..., :5], 3, 2))
    uneven = functional.adaptive_hann_l2_pool1d(x[..., :5], 3)  # 0..1, 1..3, 3..4
    parts = [functional.hann_l2_pool1d(x[..., a:b], b - a) for a, b in ((0, 2), (1, 4), (3, 5))]
    close(uneven, torch.cat(parts, -1))


LEARNERS = {"autopool": (-math.inf, math.inf), "power": (1, math.inf), "gem": (0.01, math.inf), "mixed": (0, 1)}


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("channels", [None, CHANNELS])
@pytest.mark.parametrize("step", [1e6, -1e6])
def test_learned_value_stays_in_range_after_a_huge_step(name, channels, step):
    low, high = LEARNERS[name]
    pool = poolzoo.create_pool(name, ndim=2, kernel_size=3, stride=2, channels=channels)
    (key,) = {"p", "lam", "beta"} & set(pool.params(torch.zeros(1, CHANNELS, 4, 4)))
    optimiser = torch.optim.SGD(pool.parameters(), lr=1.0)
    for parameter in pool.parameters():
        assert parameter.shape == (() if channels is None else (channels,))
        parameter.grad = torch.full_like(parameter, -step)
    optimiser.step()
    x = usual_input(2).requires_grad_()
    value = pool.params(x)[key]
    assert ((value >= low) & (value <= high)).all()
    y = pool(x)
    assert y.isfinite().all()
    y.sum().backward()
    assert x.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in pool.parameters())


@pytest.mark.parametrize(("name", "start"), [("power", 3.0), ("gem", 3.0), ("mixed", 0.5), ("autopool", 1.0)])
def test_learned_value_starts_where_the_table_says(name, start):
    for dtype in (torch.float32, torch.float64):
        pool = poolzoo.create_pool(name, ndim=2, kernel_size=2).to(dtype)
        (value,) = (v for v in pool.params(torch.zeros(1, 1, 2, 2)).values() if isinstance(v, torch.Tensor))
        assert value.item() == pytest.approx(start, rel=1e-6)


@pytest.mark.parametrize("name", ["power", "gem", "mixed", "gated", "tree", "lip", "autopool", "owa", "gaussian"])
def test_training_lowers_a_loss(name):
    pool = poolzoo.create_pool(name, ndim=2, kernel_size=2)
    pool.take_channels(CHANNELS)
    x = distinct(4, CHANNELS, 6, 6).abs()
    target = F.max_pool2d(x, 2)
    optimiser = torch.optim.Adam(pool.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = F.mse_loss(pool(x), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_tree_starts_as_average_pooling(ndim, depth):
    x = usual_input(ndim, torch.float64)
    pool = make(f"tree:depth={depth}", ndim, 2).double()
    assert len(pool.leaves) == len(pool.gates) + 1 == 2 ** (depth - 1)
    close(pool(x), getattr(functional, f"avg_pool{ndim}d")(x, 2), atol=1e-6)  # the start values are float32's


def test_tree_of_one_level_is_a_convolution():
    x = usual_input(2, torch.float64)
    pool = scramble(make("tree:depth=1,channels=3", 2, 3, 2, padding=1).double())
    close(pool(x), F.conv2d(x, pool.leaves, stride=2, padding=1, groups=CHANNELS))


def test_trees_leaves_and_gates_learn_from_their_start():
    pool = make("tree:depth=3", 2, 2)
    F.mse_loss(pool(usual_input(2)), F.max_pool2d(usual_input(2), 2)).backward()
    assert pool.gates.grad.abs().min() > 0
    gradients = pool.leaves.grad.flatten(1)
    assert torch.unique(pool.leaves.detach(), dim=0).shape[0] == 4 and gradients.abs().min() > 0


def test_gate_of_zeros_is_half_and_half():
    x = usual_input(2, torch.float64)
    expected = (F.max_pool2d(x, 2) + F.avg_pool2d(x, 2)) / 2
    close(make("gated", 2)(x.float()).double(), expected, atol=1e-6)
    close(functional.gated_pool2d(x, 2), expected)
    close(functional.mixed_pool2d(x, 2), expected)


# Draws ----------------------------------------------------------------------------------------------------------------


def test_stochastic_draws_in_proportion():
    """Chi-square over 10,000 draws of a window of four: 16.27 is exceeded once in a thousand with 3 degrees."""
    window = torch.tensor([[0.5, 1.0], [2.5, 4.0]])
    x = window.expand(100, 100, 2, 2)
    generator = torch.Generator().manual_seed(7)
    y = functional.stochastic_pool2d(x, 2, training=True, generator=generator)
    draws = torch.stack([(y == value).sum() for value in window.flatten()]).double()
    assert draws.sum() == 10_000
    expected = window.flatten().double() / window.sum() * 10_000
    assert ((draws - expected).square() / expected).sum() < 16.27


def test_stochastic_never_draws_what_has_no_share():
    x = torch.tensor([[-3.0, 0.0], [1.0, -1.0]]).expand(50, 50, 2, 2)
    y = functional.stochastic_pool2d(x, 2, 2, 1, training=True)
    assert set(y.unique().tolist()) == {0.0, 1.0}
    corner = y[..., 1, 1], y[..., 1, 0]
    assert (corner[0] == 0).all()
    assert (corner[1] == 1).all()
    close(functional.stochastic_pool2d(x, 2), torch.ones(50, 50, 1, 1))


def test_stochastic_evaluation_is_the_mean_of_the_draws():
    x = distinct(1, CHANNELS, 4, 4, dtype=torch.float64)
    pool = poolzoo.StochasticPool2d(2)
    draws = torch.stack([pool(x) for _ in range(4000)])
    standard_error = draws.std(0) / math.sqrt(4000)
    assert ((draws.mean(0) - pool.eval()(x)).abs() <= 5 * standard_error + 1e-12).all()


def test_stochastic_gradient_goes_to_the_element_drawn():
    x = distinct(2, CHANNELS, 6, 4).abs().requires_grad_()
    y = poolzoo.StochasticPool2d(2)(x)
    y.sum().backward()
    assert torch.equal(F.avg_pool2d(x.grad, 2) * 4, torch.ones_like(y))
    assert torch.equal(F.max_pool2d(x.detach() * x.grad, 2), y)
    assert set(x.grad.unique().tolist()) == {0.0, 1.0}


DRAWING = ["stochastic", "s3", "s3:grid=4", "fractional_max:output_ratio=0.7", "mixed:mode=random"]


@pytest.mark.parametrize("spec", DRAWING)
def test_generator_makes_draws_repeatable(spec):
    x = distinct(2, CHANNELS, 8, 8).abs()

    def draws(seed):
        pool = poolzoo.create_pool(spec, ndim=2, generator=torch.Generator().manual_seed(seed))
        return torch.stack([pool(x) for _ in range(20)])

    assert torch.equal(draws(3), draws(3))
    assert not torch.equal(draws(3), draws(4))
    torch.manual_seed(0)
    state = torch.get_rng_state()
    draws(3)
    assert torch.equal(torch.get_rng_state(), state), "a draw from the generator took from torch's own"


@pytest.mark.parametrize("spec", [*DRAWING, "gaussian"])
def test_train_and_eval_differ_and_eval_repeats(spec):
    x = distinct(2, CHANNELS, 8, 8).abs()
    pool = poolzoo.create_pool(spec, ndim=2)
    assert pool.stochastic
    trained = torch.stack([pool(x) for _ in range(20)])
    assert len(trained.unique(dim=0)) > 1
    pool.eval()
    assert torch.equal(pool(x), pool(x))
    assert not any(torch.equal(pool(x), draw) for draw in trained)


def test_random_mix_draws_only_the_two_ends_and_means_half():
    x = distinct(1, CHANNELS, 6, 6)
    pool = poolzoo.MixedPool2d(2, mode="random", generator=torch.Generator().manual_seed(1))
    assert not list(pool.parameters())
    largest, average = F.max_pool2d(x, 2), F.avg_pool2d(x, 2)
    drawn = [torch.equal(y, largest) for y in (pool(x) for _ in range(400)) if y is not None]
    pool.generator.manual_seed(1)
    for took_max in drawn:
        close(pool(x), largest if took_max else average, atol=1e-6)
    assert 150 < sum(drawn) < 250  # five standard deviations about 200
    close(pool.eval()(x), (largest + average) / 2, atol=1e-6)


# LIP ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["simplified", "bottleneck"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_lip_starts_as_average_pooling(ndim, variant):
    x = usual_input(ndim)
    for geometry in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}):
        y = make(f"lip:variant={variant},width=4", ndim, **geometry)(x)
        close(y, call("avg_pool", ndim, x, **geometry), atol=6 * 2**-23)  # one unit in the last place of the range, 6


def test_lip_has_the_authors_parameter_names():
    simplified = dict(make("lip", 2).logit.named_parameters())
    assert set(simplified) == {"conv.weight", "bn.weight", "bn.bias"}
    assert simplified["conv.weight"].shape == (CHANNELS, CHANNELS, 3, 3)
    bottleneck = dict(make("lip:variant=bottleneck", 2).logit.named_parameters())
    assert set(bottleneck) == {f"{layer}{i}.{kind}" for i in (1, 2, 3) for layer, kind in (
        ("conv", "weight"), ("bn", "weight"), ("bn", "bias"))}  # fmt: skip
    assert [tuple(bottleneck[f"conv{i}.weight"].shape) for i in (1, 2, 3)] == [
        (128, CHANNELS, 1, 1),
        (128, 128, 3, 3),
        (CHANNELS, 128, 1, 1),
    ]


def test_lip_learns_from_its_start():
    pool = make("lip", 2)
    pool(usual_input(2)).square().sum().backward()
    assert pool.logit.conv.weight.grad.abs().max() > 0


def test_lip_pools_one_position():
    x = distinct(1, CHANNELS, 1, 1)
    close(scramble(make("lip", 2, 1))(x), x, atol=1e-6)


# Checkered ------------------------------------------------------------------------------------------------------------


def test_checkered_keeps_two_phases_of_the_dense_map():
    x = distinct(2, CHANNELS, 8, 6)
    dense = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-math.inf), 2, 1)
    y = functional.checkered_pool2d(x, 2)
    assert y.shape == (2, CHANNELS, 2, 4, 3)
    assert torch.equal(y[:, :, 0], dense[..., 0::2, 0::2])
    assert torch.equal(y[:, :, 1], dense[..., 1::2, 1::2])
    other = functional.checkered_pool2d(x, 2, sampler=1)
    assert torch.equal(other[:, :, 0], dense[..., 0::2, 1::2])
    assert torch.equal(other[:, :, 1], dense[..., 1::2, 0::2])
    assert torch.equal(functional.checkered_pool2d(x[0], 2), y[0])


def test_checkered_takes_the_submaps_of_an_earlier_layer():
    x = distinct(2, CHANNELS, 2, 8, 6)
    y = functional.checkered_pool2d(x, 2)
    assert y.shape == (2, CHANNELS, 4, 4, 3)
    first, second = (functional.checkered_pool2d(x[:, :, s], 2) for s in (0, 1))
    expected = torch.stack([first[:, :, 0], second[:, :, 0], first[:, :, 1], second[:, :, 1]], dim=2)
    assert torch.equal(y, expected)
    with pytest.raises(TypeError, match="dtype"):
        functional.checkered_pool2d(x.long(), 2)


def test_checkered_of_stride_1_is_the_dense_map():
    x = distinct(2, CHANNELS, 7, 6)
    y = functional.checkered_pool2d(x, 3, 1, 1)
    assert y.shape == (2, CHANNELS, 1, 7, 6)
    assert torch.equal(y[:, :, 0], F.max_pool2d(x, 3, 1, 1))
    assert torch.equal(functional.checkered_pool2d(x, 3, 1, 1, sampler=1), y)


def test_checkered_of_stride_3_keeps_phases_0_and_1():
    x = distinct(2, CHANNELS, 9, 9)
    dense = F.avg_pool2d(x, 2, 1)
    y = functional.checkered_pool2d(x, 2, 3, pool="avg")
    assert y.shape == (2, CHANNELS, 2, 3, 3)
    close(y[:, :, 0], dense[..., 0::3, 0::3], atol=1e-6)
    close(y[:, :, 1], dense[..., 1::3, 1::3], atol=1e-6)


# Space to depth ------------------------------------------------------------------------------------------------------


def test_space_to_depth_is_torchs_pixel_unshuffle():
    x = distinct(2, CHANNELS, 12, 6)
    for stride in (1, 2, 3):
        y = functional.space_to_depth_pool2d(x, stride)
        assert torch.equal(y.flatten(1, 2), F.pixel_unshuffle(x, stride))
        assert torch.equal(functional.space_to_depth_pool2d(x[0], stride), y[0])


def test_space_to_depth_holds_the_authors_channels():
    """SPD-Conv concatenates the four slices along the channels, in its own order."""
    x = distinct(2, CHANNELS, 8, 6)
    y = functional.space_to_depth_pool2d(x, 2)
    theirs = torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)
    assert torch.equal(y[:, :, [0, 2, 1, 3]].transpose(1, 2).flatten(1, 2), theirs)


# Small ones -----------------------------------------------------------------------------------------------------------


def test_median_of_an_even_number_is_the_mean_of_the_middle_two():
    x = torch.tensor([[1.0, 9.0, 4.0, 2.0]])
    assert functional.median_pool1d(x, 4).item() == 3.0
    assert functional.median_pool1d(x, 3).item() == 4.0


def test_median_of_huge_elements_does_not_overflow():
    x = torch.tensor([[3e38, 3.2e38]])
    assert functional.median_pool1d(x, 2).item() == pytest.approx(3.1e38, rel=1e-6)


def test_strided_is_slicing():
    x = usual_input(2)
    assert torch.equal(functional.strided_pool2d(x, 2), x[..., ::2, ::2][..., :3, :3])


def test_average_of_huge_elements_does_not_overflow_in_the_window_engine():
    x = torch.full((1, 1, 9), 3e38)
    assert functional.avg_pool1d(x, 3, dilation=2).isfinite().all()
    assert functional.mixed_pool1d(x, 3).isfinite().all()


@pytest.mark.parametrize(
    ("kernel_size", "filt_size", "padding", "expected"),
    [  # of 1 2 4 8 16 at stride 2, which reads on as 2 | 1 2 4 8 16 | 8 4
        (1, 3, 0, [(2 + 2 * 1 + 2) / 4, (2 + 2 * 4 + 8) / 4, (8 + 2 * 16 + 8) / 4]),
        (1, 4, 0, [(2 + 3 * 1 + 3 * 2 + 4) / 8, (2 + 3 * 4 + 3 * 8 + 16) / 8, (8 + 3 * 16 + 3 * 8 + 4) / 8]),
        (2, 3, 0, [(1 + 2 * 2 + 4) / 4, (4 + 2 * 8 + 16) / 4]),
        (2, 4, 0, [(2 + 3 * 1 + 3 * 2 + 4) / 8, (2 + 3 * 4 + 3 * 8 + 16) / 8]),
        (3, 4, 0, [(1 + 3 * 2 + 3 * 4 + 8) / 8, (4 + 3 * 8 + 3 * 16 + 8) / 8]),
        (3, 3, 1, [(2 + 2 * 1 + 2) / 4, (2 + 2 * 4 + 8) / 4, (8 + 2 * 16 + 8) / 4]),
    ],
)
def test_blur_reflects_and_lies_where_its_documentation_says(kernel_size, filt_size, padding, expected):
    x = torch.tensor([[1, 2, 4, 8, 16]], dtype=torch.float64)
    y = poolzoo.functional.blur_pool1d(x, kernel_size, 2, padding, filt_size=filt_size)
    assert y.tolist() == [expected]
