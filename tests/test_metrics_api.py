"""``poolzoo.metrics``: the values of the rows, of scikit-image and of piq; gradients; axes; what is refused."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import skimage.data
import torch
from photos import noisy, photo
from skimage.metrics import structural_similarity

from poolzoo import metrics
from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.scoring import image_metrics

SSIM_ARGUMENTS = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
#: MS-SSIM needs 161 pixels on each side.
SMALL = ("mse", "mae", "psnr", "ssim")


@pytest.fixture(params=metrics.__all__)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
    """An image and another, large enough for the metric, with sides that are not alike and not even."""
    image = photo(165, 171) if name == "ms_ssim" else photo(23, 18)
    return image, noisy(image)


def as_batch(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).movedim(-1, 1)


@pytest.mark.parametrize("name", SMALL, indirect=True)
@pytest.mark.parametrize("data_range", [1, 255, 3.5])
def test_scores_are_those_of_the_rows(name, pair, data_range):
    image, other = (x * data_range for x in pair)
    expected = METRICS[name].compute(image, other, data_range=data_range)
    ours = getattr(metrics, name)(image, other, data_range=data_range, data_format="HWC")
    assert ours == pytest.approx(expected, rel=1e-12)


def test_ms_ssim_is_that_of_piq():
    piq = pytest.importorskip("piq", reason="piq, where it is installed", exc_type=ImportError)
    images, others = as_batch(photo(165, 171), photo(165, 171)[::-1]), as_batch(*[noisy(photo(165, 171), 0.2)] * 2)
    expected = piq.multi_scale_ssim(images, others.clamp(0, 1), data_range=1.0, reduction="none")
    torch.testing.assert_close(metrics.ms_ssim(images, others, reduction="none"), expected, rtol=1e-12, atol=0)
    rows = [METRICS["ms_ssim"].compute(photo(165, 171), noisy(photo(165, 171), 0.2))]
    assert metrics.ms_ssim(images[:1], others[:1]).item() == pytest.approx(rows[0], rel=1e-12)


def test_ssim_of_volumes_is_scikit_images():
    volume = np.random.default_rng(1).random((12, 15, 13, 2))
    other = noisy(volume, 0.1)
    expected = structural_similarity(volume, other, data_range=1, channel_axis=-1, **SSIM_ARGUMENTS)
    assert metrics.ssim(volume, other, data_format="DHWC") == pytest.approx(expected, rel=1e-12)


def test_a_large_mean_takes_no_digits():
    image = np.random.default_rng(2).normal(0, 0.1, (30, 40))
    other = noisy(image, 0.1)
    expected = image_metrics.ssim((image + 1e6)[..., None], (other + 1e6)[..., None])
    assert metrics.ssim(image + 1e6, other + 1e6, data_format="HW") == pytest.approx(expected, abs=1e-9)


def test_a_batch_has_the_scores_of_its_images(name, pair):
    function, (image, other) = getattr(metrics, name), pair
    images, others = as_batch(image, other, image), as_batch(other, image, noisy(image, 0.2))
    scores = function(images, others, reduction="none")
    alone = [function(x, y, data_format="CHW").item() for x, y in zip(images, others, strict=True)]
    assert scores.tolist() == pytest.approx(alone, rel=1e-12)
    assert scores[0].item() == pytest.approx(scores[1].item(), rel=1e-12)  # exchanged
    assert function(images, others).item() == pytest.approx(np.mean(alone), rel=1e-12)


@pytest.mark.parametrize("data_format", ["HWC", "CHW", "WHC", "NHWC", "NCHW", "HWCN"])
def test_axes_are_where_data_format_says(name, pair, data_format):
    function, (image, other) = getattr(metrics, name), pair
    axes = ["HWC".index(letter) for letter in data_format if letter != "N"]
    moved = [np.transpose(x, axes) for x in (image, other)]
    if "N" in data_format:
        moved = [np.expand_dims(x, data_format.index("N")) for x in moved]
    expected = function(image, other, data_format="HWC")
    assert function(*moved, data_format=data_format) == pytest.approx(expected, rel=1e-12)
    tensors = [torch.from_numpy(x.copy()) for x in moved]
    assert function(*tensors, data_format=data_format).item() == pytest.approx(expected, rel=1e-12)


def test_equal_images_are_perfect(name, pair):
    image = as_batch(pair[0])
    assert getattr(metrics, name)(image, image).item() == {"mse": 0, "mae": 0, "psnr": math.inf}.get(name, 1)


@pytest.mark.parametrize("name", SMALL, indirect=True)
def test_the_gradient_is_the_derivative(name):
    x = torch.rand(2, 2, 12, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y = torch.rand(2, 2, 12, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, y: getattr(metrics, name)(x, y, reduction="none"), (x, y), fast_mode=True)
    assert torch.autograd.gradgradcheck(getattr(metrics, name), (x, y), fast_mode=True)


def test_the_gradient_of_ms_ssim_is_the_derivative():
    image = as_batch(photo(161, 161)[..., :1] * 0.8 + 0.1)
    other = (image + 0.02 * torch.sin(torch.arange(161.0).double())).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: metrics.ms_ssim(image, y), (other,), fast_mode=True)


@pytest.mark.parametrize(
    ("dtype", "result"),
    [(torch.float64, torch.float64), (torch.float32, torch.float32), (torch.bfloat16, torch.float32)],
)
def test_a_score_is_computed_in_float64(name, pair, dtype, result):
    images = [as_batch(x).clamp(0, 1).to(dtype) for x in pair]
    score = getattr(metrics, name)(*images)
    expected = getattr(metrics, name)(*[x.double() for x in images])
    assert score.dtype == result
    assert score == expected.to(result)


@pytest.mark.parametrize("name", SMALL, indirect=True)
def test_integers_are_their_values(name):
    image, other = skimage.data.coffee()[:20, :30], skimage.data.coffee()[20:40, :30]
    ours = getattr(metrics, name)(image, other, data_range=255, data_format="HWC")
    assert isinstance(ours, np.float64)
    assert ours == pytest.approx(METRICS[name].compute(image, other, data_range=255), rel=1e-12)
    tensors = [torch.from_numpy(x.copy()) for x in (image, other)]
    assert getattr(metrics, name)(*tensors, data_range=255, data_format="HWC").item() == pytest.approx(ours, rel=1e-12)


def test_a_nan_is_not_hidden(name, pair):
    image, other = as_batch(*pair).split(1)
    other[0, 0, 3, 3] = math.nan
    assert getattr(metrics, name)(image, other).isnan()


X = torch.rand(2, 3, 16, 16)


@pytest.mark.parametrize(
    ("error", "words", "arguments"),
    [
        (TypeError, "input: dtype torch.complex64 is not allowed", (X + 0j, X + 0j)),
        (TypeError, "target: dtype complex64 is not allowed", (X.numpy(), X.numpy() + 0j)),
        (TypeError, "target: a ndarray; two tensors or two arrays", (X, X.numpy())),
        (TypeError, "input: a list", ([1.0], [2.0])),
        (ValueError, r"target: shape \(1, 3, 16, 16\); that of input, \(2, 3, 16, 16\)", (X, X[:1])),
        (ValueError, r"input: shape \(3, 16, 16\); data_format='NCHW' has 4 axes", (X[0], X[0])),
        (ValueError, r"input: shape \(0, 3, 16, 16\) is empty", (X[:0], X[:0])),
        (ValueError, "data_format='NCXW'", (X, X, "NCXW")),
        (ValueError, "data_format='NCHH'", (X, X, "NCHH")),
        (ValueError, "data_format='NCDW'", (X, X, "NCDW")),
        *[
            (ValueError, f"data_range={bad!r}: a positive number", (X, X, "NCHW", bad))
            for bad in (0, -1, math.nan, "1")
        ],
        (ValueError, "data_range=inf", (X, X, "NCHW", math.inf)),
        (ValueError, "data_range=1.0: input is of uint8", (X.byte(), X.byte())),
        (ValueError, "data_range=1.0: input is of int64", (X.long().numpy(), X.long().numpy())),
        (ValueError, "reduction='sum': 'mean' or 'none'", (X, X, "NCHW", 1.0, "sum")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_allowed_is_named_in_one_line(name, error, words, arguments):
    input, target, *options = arguments
    with pytest.raises(error, match=words) as caught:
        getattr(metrics, name)(
            input, target, **dict(zip(("data_format", "data_range", "reduction"), options, strict=False))
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "least"), [("ssim", 11), ("ms_ssim", 161)])
def test_an_image_too_small_is_named(name, least):
    function = getattr(metrics, name)
    assert function(torch.ones(1, 1, least, least), torch.ones(1, 1, least, least)) == 1
    small = torch.ones(1, 1, least, least - 1)
    with pytest.raises(ValueError, match=f"input: {least}x{least - 1} pixels; at least {least}"):
        function(small, small)


def test_ms_ssim_is_of_images():
    with pytest.raises(ValueError, match="data_format='DHW': MS-SSIM is of images"):
        metrics.ms_ssim(torch.ones(3, 3, 3), torch.ones(3, 3, 3), data_format="DHW")


def test_metrics_come_with_torch_when_they_are_asked_for():
    code = "import sys, poolzoo; a = 'torch' in sys.modules; poolzoo.metrics.ssim; print(a, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"], done.stderr
