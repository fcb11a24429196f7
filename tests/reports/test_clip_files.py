"""Clips of videos and volumes: what other decoders read of the files that --save-images writes."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import skimage.data
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

import poolzoo
from poolzoo.reports.pictures.clip_files import gif_bytes, mp4_bytes

COLOUR = np.stack([skimage.data.astronaut()[8 * i : 8 * i + 46, 100:151] for i in range(5)])
GREY = COLOUR[..., :1]


@pytest.fixture
def video(tmp_path):
    frames = [Image.fromarray(frame) for frame in np.repeat(GREY, 3, axis=-1)]
    file = tmp_path / "clip.png"
    frames[0].save(file, save_all=True, append_images=frames[1:])
    return file


def gif_frames(file) -> np.ndarray:
    with Image.open(file) as image:
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
        return np.stack(frames)


def mp4_frames(file) -> np.ndarray:
    av = pytest.importorskip("av")
    with av.open(str(file)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_clips_hold_the_frames_of_what_was_pooled(video, tmp_path):
    out = tmp_path / "out"
    poolzoo.compare(
        video=str(video), pool=["avg", "max"], kernel_size=(1, 2, 2), metric="psnr", upsample="nearest", save_images=out
    )
    frames = GREY[:, :46, :50, 0].astype(float)
    cells = frames.reshape(5, 23, 2, 25, 2)
    for name, pooled in (("avg", np.rint(cells.mean((2, 4)))), ("max", cells.max((2, 4)))):
        got = gif_frames(out / "clip-png" / f"{name}.pooled.gif")
        assert np.abs(got - pooled[..., None]).max() <= 1  # a mean of a half is rounded either way
        rebuilt = gif_frames(out / "clip-png" / f"{name}-nearest.rebuilt.gif")
        assert np.array_equal(rebuilt, got.repeat(2, axis=1).repeat(2, axis=2))
        small, full = (mp4_frames(out / "clip-png" / f"{name}{kind}.mp4") for kind in (".pooled", "-nearest.rebuilt"))
        assert small.shape == (5, 24, 26, 3) and full.shape == (5, 46, 50, 3)  # of even sides
        assert peak_signal_noise_ratio(rebuilt, full, data_range=255) > 35
    assert np.array_equal(gif_frames(out / "clip-png" / "original.gif"), np.repeat(frames[..., None], 3, axis=-1))
    middle = np.asarray(Image.open(out / "clip-png" / "max.pooled.png").convert("RGB"))
    assert np.array_equal(middle, got[2])


def test_equal_frames_give_equal_files():
    assert gif_bytes(list(COLOUR)) == gif_bytes(list(COLOUR))
    assert mp4_bytes(list(COLOUR)) == mp4_bytes(list(COLOUR))


def test_colours_are_near(tmp_path):
    (tmp_path / "colour.gif").write_bytes(gif_bytes(list(COLOUR)))
    assert peak_signal_noise_ratio(COLOUR, gif_frames(tmp_path / "colour.gif"), data_range=255) > 30


def test_without_pyav_there_is_no_mp4(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert mp4_bytes(list(COLOUR)) is None
