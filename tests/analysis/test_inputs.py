"""Feature maps, videos and volumes: what is read, by bytes written here; what is scored, by numpy and scikit-image."""

from __future__ import annotations

import builtins
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn

import poolzoo
from poolzoo import registry
from poolzoo.analysis.inputs import clips
from poolzoo.analysis.inputs.clips import Video, Volume
from poolzoo.analysis.inputs.features import Layer, feature_maps, find_layers
from poolzoo.analysis.inputs.images import ImageError, find_images
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.schema import METRICS, compare_keys
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.scoring.round_trip import View
from poolzoo.analysis.studies.compare import compare
from poolzoo.reports.page.page import render_page

#: Where the submaps of an operator lie with a stride of 2, as the operator is by default.
PHASES = {"checkered": [(0, 0), (1, 1)], "multisampling": [(0, 0), (1, 1)]}
PHASES |= {"tri": [(0, 0), (0, 1), (1, 0)], "complete": [(0, 0), (0, 1), (1, 0), (1, 1)]}


def moving(count: int, height: int, width: int) -> np.ndarray:
    """Part of a photograph that moves: uint8 ``(count, height, width, 3)``."""
    photo = skimage.data.coffee()
    return np.stack([photo[100 + 3 * t :, 200 + 2 * t :][:height, :width] for t in range(count)])


def write_gif(path: Path, frames: np.ndarray) -> Path:
    """Of grey frames: a GIF holds all of their 256 levels."""
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, "GIF", save_all=True, append_images=others)
    return path


def write_mp4(path: Path, frames: np.ndarray) -> Path:
    """H.264 without loss: RGB planes, quantiser 0."""
    av = pytest.importorskip("av", reason="the extra 'video'")
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264rgb", rate=10, options={"qp": "0"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "rgb24"
        for frame in [*(av.VideoFrame.from_ndarray(f, format="rgb24") for f in frames), None]:
            container.mux(stream.encode(frame))
    return path


def grow(pooled: np.ndarray, sizes: tuple[int, ...], upsample: str) -> np.ndarray:
    """``(*small, C)`` to ``(*sizes, C)``, linearly between pixel centres at half integers, or from the nearest one."""
    for axis, size in enumerate(sizes):
        n = pooled.shape[axis]
        if upsample == "nearest":
            pooled = np.take(pooled, np.arange(size) * n // size, axis)
            continue
        at = (np.arange(size) + 0.5) * n / size - 0.5
        weights = np.stack([np.interp(at, np.arange(n), one) for one in np.eye(n)])
        pooled = np.moveaxis(np.tensordot(pooled, weights, (axis, 0)), -1, axis)
    return pooled


def scores(image: np.ndarray, full: np.ndarray, data_range: float) -> tuple[float, float]:
    return (
        peak_signal_noise_ratio(image, full, data_range=data_range),
        structural_similarity(
            image,
            full,
            data_range=data_range,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        ),
    )


def independent_scores(image: np.ndarray, row: dict) -> tuple[float, float]:
    """PSNR and SSIM of a row with stride 2, by numpy and scikit-image; of poolzoo only the operator itself."""
    ndim = image.ndim - 1
    sizes = tuple(size // 2 * 2 for size in image.shape[:-1])
    image = image[tuple(map(slice, sizes))]
    torch.manual_seed(0)
    module = poolzoo.create_pool(label(row), ndim=ndim, kernel_size=2).double()
    module.train(row["state"] == "train")
    if row["seed"] is not None:
        module.generator = torch.Generator().manual_seed(row["seed"])
    x = np.moveaxis(image, -1, 0).copy()
    with torch.no_grad():
        y = module(torch.from_numpy(x)[None])[0].numpy()
    if row["pool"] in ("aps", "lps", "strided"):
        # The phase that was kept is the one that the values are most like; they lie on its pixels.
        phases = list(np.ndindex(*(2,) * ndim))
        parts = [x[(slice(None), *(slice(start, None, 2) for start in phase))].ravel() for phase in phases]
        phase = phases[int(np.linalg.lstsq(np.stack(parts, 1), y.ravel(), rcond=None)[0].argmax())]
        full = np.moveaxis(y, 0, -1)
        for axis, (size, shift) in enumerate(zip(sizes, phase, strict=True)):
            at = (np.arange(size) - shift) / 2
            near = np.floor(at + 0.5)[:, None] == np.arange(size // 2)
            near[at < 0], near[at > size // 2 - 1] = np.eye(size // 2)[0], np.eye(size // 2)[-1]
            weights = np.stack([np.interp(at, np.arange(size // 2), one) for one in np.eye(size // 2)])
            weights = near.T if row["upsample"] == "nearest" else weights
            full = np.moveaxis(np.tensordot(full, weights, (axis, 0)), -1, axis)
    elif row["pool"] == "hwd":
        return 300.0, 1.0
    elif row["pool"] == "space_to_depth":
        full = np.zeros_like(image)
        for submap, phase in zip(np.moveaxis(y, 1, 0), np.ndindex(*(2,) * ndim), strict=True):
            full[tuple(slice(start, None, 2) for start in phase)] = np.moveaxis(submap, 0, -1)
    elif row["pool"] in PHASES:
        parts = []
        for submap, (down, right) in zip(np.moveaxis(y, 1, 0), PHASES[row["pool"]], strict=True):
            part = grow(np.moveaxis(submap, 0, -1), sizes, row["upsample"])
            parts.append(np.pad(part, ((down, 0), (right, 0), (0, 0)), mode="edge")[: sizes[0], : sizes[1]])
        full = np.mean(parts, axis=0)
    else:
        full = grow(np.moveaxis(y, 0, -1), sizes, row["upsample"])
    return scores(image, full, row["data_range"])


class Network(nn.Module):
    """A convolution, a ReLU that works in place and is called twice, tokens, and layers that cannot be pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.tokens = nn.Flatten(2)
        self.pair = nn.LSTM(20 * 24, 2)
        self.dead = nn.Threshold(1e9, 0.0)
        self.broken = nn.Threshold(1e9, float("nan"))
        self.unused = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv(x))
        x = self.relu(x - 0.1)
        self.dead(x), self.broken(x)
        return self.pair(self.tokens(x))[0]


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(skimage.data.coffee()[100:122, 200:226]).save(path)
    return path


@pytest.fixture
def network() -> Network:
    torch.manual_seed(1)
    return Network()


def convolved(network: Network, photo: Path) -> np.ndarray:
    """What the network's first layer makes of the photograph, by sums in float64: ``(h, w, 5)``."""
    image = np.asarray(Image.open(photo)) / 255.0
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), (0, 1))  # (h, w, 3, 3, 3)
    return np.einsum("hwcij,ocij->hwo", windows, network.conv.weight.detach().double().numpy())


# What is read


def test_a_gif_is_read_as_it_was_written(tmp_path):
    frames = moving(13, 20, 24)[..., 1]
    sample = Video(str(write_gif(tmp_path / "clip.gif", frames))).load()
    np.testing.assert_array_equal(sample.image, np.repeat(frames[..., None] / 255, 3, -1))
    assert (sample.size, sample.data_range) == ({"width": 24, "height": 20, "depth": 13}, 1)


def test_transparency_of_an_animation_is_shown_over_white(tmp_path):
    rgba = np.random.default_rng(0).integers(0, 256, (3, 6, 7, 4), dtype=np.uint8)
    first, *others = [Image.fromarray(frame) for frame in rgba]
    first.save(tmp_path / "clip.png", save_all=True, append_images=others)
    alpha = rgba[..., 3:] / 255
    expected = alpha * (rgba[..., :3] / 255) + 1 - alpha
    np.testing.assert_allclose(Video(str(tmp_path / "clip.png")).load().image, expected, atol=1e-15)


def test_an_mp4_is_read_as_it_was_written_and_its_first_frames_are(tmp_path):
    frames = moving(13, 32, 48)
    path = str(write_mp4(tmp_path / "clip.mp4", frames))
    np.testing.assert_array_equal(Video(path).load().image, frames / 255)
    np.testing.assert_array_equal(Video(path, frames=4).load().image, frames[:4] / 255)


def test_a_video_is_turned_as_its_file_says(tmp_path):
    """As telephones do: the track's matrix (ISO/IEC 14496-12) maps (p, q) to (height - q, p), a turn clockwise."""
    frames = moving(2, 32, 48)
    path = write_mp4(tmp_path / "clip.mp4", frames)
    data = path.read_bytes()
    numbers = [[0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000], [0, 0x10000, 0, -0x10000, 0, 0, 32 << 16, 0, 1 << 30]]
    plain, turned = (b"".join(n.to_bytes(4, "big", signed=True) for n in matrix) for matrix in numbers)
    track = data.index(plain, data.index(b"tkhd"))
    path.write_bytes(data[:track] + turned + data[track + len(turned) :])
    np.testing.assert_array_equal(Video(str(path)).load().image, np.rot90(frames, -1, (1, 2)) / 255)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"imagej": True}], ids=["plain", "zlib", "imagej"])
def test_a_volume_is_scaled_by_its_extremes(tmp_path, dtype, options):
    if "imagej" in options and dtype in ("int16", "float64"):
        pytest.skip("ImageJ has no such type")
    factor, offset = {"uint8": (1, 0), "uint16": (7, 0)}.get(dtype, (7, -900))
    values = (moving(5, 8, 9)[..., 0].astype(int) * factor + offset).astype(dtype)
    tifffile.imwrite(tmp_path / "volume.tif", values, **options)
    sample = Volume(str(tmp_path / "volume.tif")).load()
    low, high = float(values.min()), float(values.max())
    np.testing.assert_allclose(sample.image[..., 0], (values.astype(float) - low) / (high - low), rtol=1e-15)
    assert sample.facts == {"kind": "volume", "values": [low, high]}


def test_activations_are_the_layers_even_where_the_next_one_works_in_place(network, photo):
    (maps,) = feature_maps(find_images([str(photo)]), [Layer(network, "conv", "net")])
    sample, expected = maps.load(), convolved(network, photo)
    assert sample.name == f"{photo} @ net:conv"
    np.testing.assert_allclose(sample.image, expected, atol=1e-6)
    assert sample.image.min() < 0
    assert sample.data_range == sample.image.max() - sample.image.min()


def test_of_a_layer_that_is_called_twice_the_last_call_counts(network, photo):
    (maps,) = feature_maps(find_images([str(photo)]), [Layer(network, "relu")])
    expected = np.maximum(np.maximum(convolved(network, photo), 0) - 0.1, 0)
    np.testing.assert_allclose(maps.load().image, expected, atol=1e-6)


def test_a_network_is_left_as_it_was(network, photo):
    network.train()
    feature_maps(find_images([str(photo)]), [Layer(network, "conv")])[0].load()
    assert network.training and network.conv.training
    assert not network.conv._forward_hooks


# What is scored


def agree(result: Result, images: dict[str, np.ndarray]) -> None:
    for row in result.rows:
        assert row["error"] is None, row
        psnr, ssim = independent_scores(images[row["image"]], row)
        assert min(row["psnr"], 250) == pytest.approx(min(psnr, 250), abs=1e-6), label(row)
        assert row["ssim"] == pytest.approx(ssim, abs=1e-6), label(row)


def test_every_row_of_a_video_and_a_volume_agrees_with_an_independent_round_trip(tmp_path):
    write_gif(tmp_path / "clip.gif", moving(13, 12, 14)[..., 1])
    tifffile.imwrite(tmp_path / "volume.tif", moving(12, 15, 12)[..., 0].astype(np.int16) * 5 - 300)
    inputs = [Video(str(tmp_path / "clip.gif")), Volume(str(tmp_path / "volume.tif"))]
    specs = [s for s in registry.expand_specs([]) if 3 in registry.pool_info(registry.parse_spec(s)[0]).ndims]
    result = compare(inputs, specs, Protocol(upsample=("nearest", "bilinear"), seeds=1))
    assert {row["pool"] for row in result.rows} == {registry.parse_spec(spec)[0] for spec in specs}
    assert {row["upsample"] for row in result.rows} == {"nearest", "trilinear"}
    whole = ("space_to_depth", "hwd")
    assert {row["kept"] for row in result.rows if row["pool"] not in whole} == {1 / 8}
    assert {(row["kept"], row["equal_kept"]) for row in result.rows if row["pool"] in whole} == {(1, False)}
    agree(result, {item.name: item.load().image for item in inputs})


def test_every_row_of_feature_maps_agrees_with_an_independent_round_trip(network, photo):
    inputs = feature_maps(find_images([str(photo)]), [Layer(network, "conv"), Layer(network, "relu")])
    result = compare(inputs, registry.expand_specs([]), Protocol(seeds=1))
    assert {row["pool"] for row in result.rows} == set(registry.list_pools())
    agree(result, {item.name: item.load().image for item in inputs})


def test_frames_can_be_pooled_one_by_one(tmp_path):
    path = write_gif(tmp_path / "clip.gif", moving(11, 12, 14)[..., 1])
    (row,) = compare([Video(str(path))], ["avg"], Protocol((1, 2, 2))).rows
    image = Video(str(path)).load().image
    pooled = image.reshape(11, 6, 2, 7, 2, 3).mean((2, 4))
    psnr, ssim = scores(image, grow(pooled, (11, 12, 14), "trilinear"), 1)
    assert (row["kernel_size"], row["kept"]) == ("1x2x2", 0.25)
    assert (row["psnr"], row["ssim"]) == (pytest.approx(psnr, abs=1e-12), pytest.approx(ssim, abs=1e-12))


@pytest.mark.parametrize("factor", [1e-3, 40.0])
def test_scores_of_features_do_not_depend_on_their_unit(network, photo, factor):
    protocol = Protocol(metrics=("psnr", "ssim", "mse", "mae"))
    (first,) = compare(feature_maps(find_images([str(photo)]), [Layer(network, "conv")]), ["avg"], protocol).rows
    with torch.no_grad():
        network.conv.weight *= factor
    (second,) = compare(feature_maps(find_images([str(photo)]), [Layer(network, "conv")]), ["avg"], protocol).rows
    assert second["data_range"] == pytest.approx(factor * first["data_range"])
    for key in protocol.metrics:
        assert second[key] == pytest.approx(first[key], rel=1e-5), key


def test_layers_are_never_averaged_and_a_file_brings_them_back(network, photo):
    layers = [Layer(network, name, "net", "weights of x") for name in ("conv", "relu")]
    result = compare(feature_maps(find_images([str(photo)]), layers), ["avg"], Protocol(metrics=("psnr",)))
    assert set(result.rows[0]) == set(compare_keys()) - set(METRICS) | {"psnr"}
    again = Result.from_json(result.to_json(), "text")
    summaries = summarise(again)
    assert {s.setting.input for s in summaries} == {
        f"features of net:{name}, weights of x" for name in ("conv", "relu")
    }
    assert [s.images for s in summaries] == [1, 1]
    facts = again.metadata["images"][0]
    assert (facts["width"], facts["height"], facts["channels"]) == (24, 20, 5)
    assert (facts["kind"], facts["model"], facts["layer"]) == ("features", "net", "conv")
    assert again.rows[0]["data_range"] == facts["values"][1] - facts["values"][0]
    page = render_page([again])
    assert "24 × 20, 5 channels" in page
    assert "How much of 2 feature maps survives" in page
    assert "pictures show the mean over its channels" in page
    assert "on [0, 1] they are close" not in page  # activations are on another scale


def test_pictures_are_planes_on_the_scale_of_the_original(network, photo, tmp_path):
    tifffile.imwrite(tmp_path / "volume.tif", moving(6, 14, 12)[..., 0])
    views: list[View] = []
    show = {"protocol": Protocol(metrics=("psnr",)), "on_view": views.append}
    compare(feature_maps(find_images([str(photo)]), [Layer(network, "conv")]), ["avg", "checkered"], **show)
    compare([Volume(str(tmp_path / "volume.tif"))], ["avg"], **show)
    features, checkered, volume = views
    assert features.original.shape == features.rebuilt.shape == (20, 24, 3)
    assert (features.original.min(), features.original.max()) == (0, pytest.approx(1))
    blocks = features.original.reshape(10, 2, 12, 2, 3).mean((1, 3))
    np.testing.assert_allclose(features.pooled, blocks, atol=1e-12)
    assert checkered.pooled.shape == (10, 24, 3)
    assert volume.original.shape == (14, 12, 3) and volume.pooled.shape == (7, 6, 3)
    middle = moving(6, 14, 12)[3, ..., 0].astype(float)
    shown = (middle - middle.min()) / (middle.max() - middle.min())
    np.testing.assert_allclose(volume.original, np.repeat(shown[..., None], 3, -1), atol=1e-12)


# What cannot be used


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("tokens", r"shape \(1, 5, 480\); \(N, C, H, W\) is needed"),
        ("pair", "outputs a tuple"),
        ("dead", "activations from 0 to 0"),
        ("broken", "activations from nan"),
        ("unused", "does not call this layer"),
    ],
)
def test_a_layer_that_cannot_be_pooled_is_one_row(network, photo, layer, said):
    inputs = feature_maps(find_images([str(photo)]), [Layer(network, layer), Layer(network, "conv")])
    rows = compare(inputs, ["avg"]).rows
    assert [row["pool"] for row in rows] == ["", "avg"]
    with pytest.raises(ImageError, match=said):
        inputs[0].load()
    assert rows[0]["error"].startswith(repr(inputs[0].name))


def test_channels_last_is_told_from_channels_first(photo):
    class Permuted(nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1)

    layer = Layer(nn.Sequential(Permuted()), "0", preprocess=lambda image: image[:, :20, :20])
    with pytest.raises(ImageError, match=r"\(1, 20, 20, 3\)"):
        feature_maps(find_images([str(photo)]), [layer])[0].load()


def test_an_unknown_layer_is_answered_with_near_ones(network):
    with pytest.raises(ValueError, match=r"features='net:cnov'.*conv"):
        Layer(network, "cnov", "net")


@pytest.mark.parametrize(("spec", "needed"), [("resnet18:layer1", "torchvision"), ("timm/resnet18:layer1", "timm")])
def test_a_missing_library_is_said(monkeypatch, spec, needed):
    monkeypatch.setitem(sys.modules, needed, None)
    with pytest.raises(ValueError, match=f"needs {needed}, pip install"):
        find_layers([spec])


def cuts(data: bytes, many: int) -> list[bytes]:
    return [data[: len(data) * part // many] for part in range(1, many)]


@pytest.mark.parametrize("kind", ["gif", "mp4", "tif", "zlib.tif"])
def test_a_file_that_ends_early_is_never_read_as_a_shorter_one(tmp_path, kind):
    path, frames = tmp_path / f"whole.{kind}", moving(12, 16, 16)
    if kind == "gif":
        write_gif(path, frames[..., 1])
    elif kind == "mp4":
        write_mp4(path, frames)
    else:
        tifffile.imwrite(path, frames[..., 0], compression="zlib" if "zlib" in kind else None, metadata=None)
    for part, data in enumerate(cuts(path.read_bytes(), 40)):
        (tmp_path / "cut").write_bytes(data)
        with pytest.raises(ImageError, match=r"/cut': ") as caught:
            (Volume if "tif" in kind else Video)(str(tmp_path / "cut")).load()
        assert "\n" not in str(caught.value), part


def test_a_damaged_file_fails_in_one_way_or_is_read(tmp_path):
    stream = io.BytesIO()
    tifffile.imwrite(stream, moving(5, 8, 8)[..., 0], compression="zlib")
    whole = bytearray(stream.getvalue())
    rng = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(256)
        (tmp_path / "volume.tif").write_bytes(data)
        try:
            assert Volume(str(tmp_path / "volume.tif")).load().image.shape[-1] == 1
        except ImageError as error:
            assert "volume.tif': " in str(error)


def test_what_is_too_large_is_said_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "MAX_PIXELS", 1000)
    gif = write_gif(tmp_path / "clip.gif", moving(8, 16, 16)[..., 1])
    tifffile.imwrite(tmp_path / "volume.tif", moving(8, 16, 16)[..., 0])
    for item in (Video(str(gif)), Volume(str(tmp_path / "volume.tif"))):
        with pytest.raises(ImageError, match="at most 1000 pixels are decoded in all, 3 of 16x16"):
            item.load()
    assert Video(str(gif), frames=3).load().image.shape == (3, 16, 16, 3)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((5, 8, 8), np.uint8), "values from 0 to 0"),
        (np.full((5, 8, 8), np.nan), "values from nan"),
        (np.zeros((8, 9), np.uint8), "8x9 values"),
        (np.zeros((3, 8, 9, 3), np.uint8), "grey pages"),
        (np.zeros((2, 5, 8, 9), np.uint8), "2x5x8x9"),
        (np.zeros((5, 8, 9), np.complex64), "complex64"),
    ],
    ids=["constant", "nan", "page", "rgb", "4d", "complex"],
)
def test_a_tiff_that_is_no_grey_volume_is_said(tmp_path, values, said):
    tifffile.imwrite(tmp_path / "volume.tif", values)
    with pytest.raises(ImageError, match=said):
        Volume(str(tmp_path / "volume.tif")).load()


def test_a_playlist_opens_no_other_file(tmp_path):
    pytest.importorskip("av", reason="the extra 'video'")
    whole = write_mp4(tmp_path / "clip.mp4", moving(3, 16, 16))
    for name, text in {
        "m3u8": f"#EXTM3U\n#EXTINF:9,\n{whole}\n",
        "txt": f"ffconcat version 1.0\nfile {whole}\n",
    }.items():
        (tmp_path / f"list.{name}").write_text(text)
        with pytest.raises(ImageError, match="not a video"):
            Video(str(tmp_path / f"list.{name}")).load()


# The command line


def test_a_batch_of_clips_keeps_what_can_be_read(run, tmp_path):
    gif = write_gif(tmp_path / "clip.gif", moving(12, 16, 16)[..., 1])
    (tmp_path / "cut.gif").write_bytes(gif.read_bytes()[:900])
    files = [gif, tmp_path / "cut.gif", tmp_path / "gone.gif", tmp_path / "small.gif"]
    write_gif(files[-1], moving(4, 16, 16)[..., 1])
    run("compare", *[part for file in files for part in ("--video", file)], "--pool", "avg", "--format", "json")
    assert run.code == 1
    rows = json.loads(run.out)["rows"]
    assert [row["error"] is None for row in rows] == [True, False, False, False]
    assert [row["input"] for row in rows] == ["video"] * 4
    assert "gone.gif': no such file" in run.err
    assert "small.gif': 4x16x16 pixels" in run.err and "--metric psnr does not" in run.err


def test_operators_without_three_axes_are_left_out_unless_named(run, tmp_path):
    gif = write_gif(tmp_path / "clip.gif", moving(12, 12, 12)[..., 1])
    run("compare", "--video", gif, "--pool", "avg", "--pool", "c*")
    assert (run.code, run.err) == (
        0,
        "poolzoo: left out, not defined for 3 spatial axes: checkered, checkered:pool=avg, complete\n",
    )
    assert "rebuilt by trilinear" in " ".join(run.out.split()) and "1 video" in " ".join(run.out.split())
    run("compare", "--video", gif, "--pool", "checkered").fails("--pool checkered", "3 spatial axes")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ["--image, --video, --volume or --dataset is needed"]),
        (["--video", "GIF", "--image", "skimage:coffee"], ["--image and --video exclude each other"]),
        (["--video", "GIF", "--upsample", "bicubic"], ["--upsample 'bicubic'", "nearest or bilinear"]),
        (["--video", "GIF", "--kernel-size", "2x2"], ["--kernel-size 2x2", "3 are allowed"]),
        (["--video", "GIF", "--features", "resnet18:layer1"], ["--features and --video exclude each other"]),
        (["--video", "GIF", "--kernel-size", "13"], ["12x16x14 pixels", "0x13x13", "a window of kernel_size=13"]),
        (["--volume", "GIF"], ["clip.gif': not a TIFF file: header"]),
        (["--volume", "GIF", "--normalize", "imagenet"], ["--normalize 'imagenet'", "three colours"]),
        (["--volume", "GIF", "--frames", "3"], ["--frames 3: not used with --volume, only with --video"]),
        (
            ["--image", "skimage:coffee", "--weights", "x.pth"],
            ["--weights x.pth: not used with --image, only with --features"],
        ),
        (["--image", "skimage:coffee", "--features", "resnet18"], ["--features 'resnet18'", "MODEL:LAYER"]),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(run, tmp_path, arguments, said):
    gif = write_gif(tmp_path / "clip.gif", moving(12, 14, 16)[..., 1])
    run("compare", "--pool", "avg", *[gif if a == "GIF" else a for a in arguments]).fails(*said)


def test_without_pyav_what_to_install_is_one_line(run, tmp_path, monkeypatch):
    real = builtins.__import__

    def without_av(name, *rest, **kwargs):
        if name == "av":
            raise ImportError("No module named 'av'")
        return real(name, *rest, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_av)
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    run("compare", "--video", tmp_path / "clip.mp4", "--pool", "avg").fails("clip.mp4", "pip install 'poolzoo[video]'")


def test_a_page_of_a_video_says_what_was_pooled(run, tmp_path):
    gif = write_gif(tmp_path / "clip.gif", moving(12, 12, 12)[..., 1])
    assert run("compare", "--video", gif, "--pool", "avg", "--report", tmp_path / "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    assert "pooled over time, height and width" in page and "trilinear interpolation" in page
    assert "How much of 1 video survives" in page and "12 × 12, 12 frames" in page
    assert "pictures show its middle frame" in page
