"""Pictures: thumbnails that are small and faithful, files that stay in their folder, nothing opened outside of it."""

from __future__ import annotations

import base64
import io
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from reports.conftest import HOSTILE

from poolzoo.analysis.scoring.protocol import UPSAMPLERS
from poolzoo.analysis.scoring.round_trip import View
from poolzoo.reports.pictures.cutouts import CUTOUT, WEIGHTS, busiest, cutout_box, weights_box
from poolzoo.reports.pictures.picture import (
    DIFFERENCE_SCALE,
    ReportPicture,
    difference_pixels,
    pictures_of,
    to_uint8,
    two_axes,
)
from poolzoo.reports.pictures.picture_book import IMAGES, THUMBNAIL, PictureBook, thumbnail
from poolzoo.reports.pictures.picture_files import PictureFolder, SafeNames, book_from_metadata, slugify


def pixels(height=40, width=60, seed=0):
    return np.random.default_rng(seed).random((height, width, 3))


def picture(
    image="a.png", pool="max", params="", state="fixed", seed=None, kind="rebuilt", data=None, upsample=None, **more
):
    return ReportPicture(image, pool, params, state, seed, kind, pixels() if data is None else data, upsample, **more)


def original(image="a.png", data=None):
    return picture(image, "", "", "", None, "original", data)


def decode(uri):
    head, _, body = uri.partition(",")
    assert head == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))).convert("RGB"))


# --- pixels -----------------------------------------------------------------------------------------------------------


def test_floats_are_clipped_and_rounded():
    values = np.array([-1.0, 0.0, 0.5 / 255, 0.51 / 255, 1.0, 2.0, np.inf, -np.inf, np.nan]).reshape(1, -1, 1)
    assert to_uint8(values)[0, :, 0].tolist() == [0, 0, 0, 1, 255, 255, 255, 0, 0]


def test_bytes_stay_as_they_are():
    data = (pixels() * 255).astype(np.uint8)
    assert np.array_equal(to_uint8(data), data)


def test_grey_becomes_three_channels():
    assert to_uint8(np.full((2, 3), 0.2)).tolist() == [[[51, 51, 51]] * 3] * 2


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (2, 2, 4), (1, 2, 2, 3)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=re.escape(str(shape))):
        to_uint8(np.zeros(shape))


def test_no_difference_is_near_white():
    assert to_uint8(difference_pixels(pixels(), pixels())).reshape(-1, 3).tolist() == [[247, 247, 247]] * 2400


def test_brighter_is_red_and_darker_is_blue():
    grey = np.full((1, 2, 3), 0.5)
    rebuilt = grey + np.array([[[0.1], [-0.1]]])
    brighter, darker = difference_pixels(grey, rebuilt)[0]
    assert brighter[0] > brighter[2]
    assert darker[2] > darker[0]


def test_all_operators_share_one_scale():
    grey = np.full((1, 3, 3), 0.5)
    steps = np.array([DIFFERENCE_SCALE, 2 * DIFFERENCE_SCALE, DIFFERENCE_SCALE / 2]).reshape(1, 3, 1)
    full, beyond, half = difference_pixels(grey, grey + steps)[0]
    assert np.array_equal(full, beyond), "what is beyond the scale looks like its end"
    assert not np.array_equal(full, half)
    alone = difference_pixels(grey[:, :1], (grey + steps)[:, 2:])[0, 0]
    assert np.array_equal(alone, half), "a small difference is not stretched"


def test_differences_of_bytes_and_floats_agree():
    a, b = (np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8) for seed in (1, 2))
    assert np.allclose(difference_pixels(a, b), difference_pixels(a / 255, b / 255), atol=1e-5)


def test_a_difference_of_two_sizes_is_refused():
    with pytest.raises(ValueError, match="rebuilt"):
        difference_pixels(pixels(4, 4), pixels(4, 5))


def test_the_busiest_spot_is_where_the_detail_is():
    data = np.zeros((200, 300, 3))
    data[120:160, 210:260] = pixels(40, 50)
    top, left = busiest(to_uint8(data), 80, 80)
    assert top <= 120
    assert top + 80 >= 160
    assert left <= 210
    assert left + 80 >= 260


# --- the book ---------------------------------------------------------------------------------------------------------


def test_a_large_picture_becomes_small_and_keeps_its_shape():
    small = thumbnail(pixels(500, 1000))
    assert (small.width, small.height) == (THUMBNAIL, THUMBNAIL // 2)
    assert decode(small.uri).shape == (THUMBNAIL // 2, THUMBNAIL, 3)
    assert len(small.webp) < 60_000


def test_a_small_picture_is_not_enlarged():
    assert decode(thumbnail(pixels(4, 7)).uri).shape == (4, 7, 3)


def test_a_thumbnail_looks_like_its_picture():
    gradient = np.broadcast_to(np.linspace(0, 1, 64)[None, :, None], (48, 64, 3))
    assert np.abs(decode(thumbnail(gradient).uri) / 255 - gradient).max() < 0.05


def test_cut_outs_are_the_originals_busiest_spot_to_half_a_255th():
    data = np.full((800, 900, 3), 0.5)
    data[500:700, 450:650] = pixels(200, 200)
    book = PictureBook()
    book.add(original(data=data))
    book.add(picture(data=1 - data))
    shelf = book.shelf("a.png")
    box = shelf.original.box
    assert (box.height, box.width) == (CUTOUT, CUTOUT)
    assert box.top <= 500 and box.top + CUTOUT >= 700 and box.left <= 450 and box.left + CUTOUT >= 650
    assert np.abs(shelf.original.values - data[box.slices]).max() <= 0.5 / 255 + 1e-12
    (rebuilt,) = shelf.rebuilt.values()
    assert np.abs(rebuilt.part.values - (1 - data)[box.slices]).max() <= 0.5 / 255 + 1e-12, "the same place"


@pytest.mark.parametrize("upsample", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_what_interpolation_gives_is_not_kept_twice(upsample, as_bytes):
    pooled = pixels(30, 25)
    size = (60, 50)
    rebuilt = F.interpolate(
        torch.from_numpy(pooled).permute(2, 0, 1)[None], size=size, **UPSAMPLERS[upsample].interpolation
    )[0]
    rebuilt = rebuilt.permute(1, 2, 0).numpy()
    kept = []
    for change in (0, 0.02):
        shown = [original(data=pixels(*size)), picture(kind="pooled", data=pooled)]
        shown.append(picture(data=rebuilt + change, upsample=upsample))
        book = PictureBook()
        for item in shown:
            book.add(replace(item, pixels=to_uint8(item.pixels)) if as_bytes else item)
        ((_, name),) = book.shelf("a.png").rebuilt
        assert name == upsample
        kept += [item.part for item in book.shelf("a.png").rebuilt.values()]
    assert kept[0] is None
    assert kept[1] is not None, "another decoder's picture is kept"


def test_values_beyond_the_range_are_kept():
    pooled = 4 * pixels(20, 30) - 1
    book = PictureBook()
    book.add(original())
    book.add(picture(kind="pooled", data=pooled))
    (part,) = book.shelf("a.png").pooled.values()
    assert (part.low, part.high) == (pooled.min(), pooled.max())
    assert np.abs(part.values - pooled).max() <= (part.high - part.low) / 510 + 1e-12


def test_submaps_keep_the_same_part_each():
    first, second = pixels(300, 400), pixels(300, 400, 1)
    book = PictureBook()
    book.add(original(data=pixels(600, 800)))
    book.add(picture(kind="pooled", data=np.hstack([first, second]), submaps=2))
    (part,) = book.shelf("a.png").pooled.values()
    rows, columns = part.box.slices
    assert np.abs(part.values - np.hstack([first[rows, columns], second[rows, columns]])).max() <= 0.5 / 255 + 1e-12


def test_a_book_holds_bytes_and_not_pixels():
    data = pixels(400, 400)
    book = PictureBook()
    book.add(original(data=data))
    data[:] = 0
    assert book.shelf("a.png").original.values.mean() > 0.4
    assert not any(isinstance(value, np.ndarray) for value in vars(book.shelf("a.png").original).values())


def test_a_book_is_full_after_so_many_images():
    book = PictureBook()
    for number in range(IMAGES + 3):
        book.add(original(f"{number}"))
        book.add(picture(f"{number}"))
    assert book.images == [f"{number}" for number in range(IMAGES)]


def test_the_same_picture_is_taken_once():
    book = PictureBook()
    book.add(original())
    before = book.shelf("a.png").original
    book.add(original(data=pixels(seed=5)))
    assert book.shelf("a.png").original is before


def test_equal_pictures_give_equal_books():
    books = [PictureBook(), PictureBook()]
    for book in books:
        book.add(original(data=pixels(400, 500)))
        book.add(picture(data=pixels(400, 500, 1)))
    assert books[0].shelf("a.png") == books[1].shelf("a.png")


def test_a_picture_without_its_original_is_refused():
    with pytest.raises(ValueError, match="original has to come first"):
        PictureBook().add(picture())


def test_a_picture_of_another_size_is_refused():
    book = PictureBook()
    book.add(original())
    with pytest.raises(ValueError, match="has 5x4 pixels, the original 60x40"):
        book.add(picture(data=pixels(4, 5)))


def test_at_low_resolution_the_pooled_picture_has_the_originals_size(tmp_path):
    row = {"image": "a.png", "pool": "avg", "params": "", "state": "fixed", "seed": None, "upsample": "none"}
    small, pooled = pixels(20, 30), pixels(20, 30, seed=1)
    folder, book = PictureFolder(tmp_path), PictureBook()
    for shown in pictures_of(View(row, small, pooled, pooled)):
        book.add(shown)
        folder.add(shown)
    assert sorted(path.name for path in (tmp_path / "a-png").iterdir()) == [
        *("avg-none.difference.png", "avg-none.pooled.png", "original.png")
    ]
    operator = ("avg", "", "fixed", None)
    again = book_from_metadata({"pictures": folder.entries}, tmp_path)
    for shelf in (book.shelf("a.png"), again.shelf("a.png")):
        assert list(shelf.rebuilt) == [(operator, "none")]
        assert shelf.rebuilt[operator, "none"].contrast == pytest.approx(
            np.quantile(abs((pooled - small).mean(2)), 0.98), abs=0.01
        )
    with pytest.raises(ValueError, match="a pooled one has 10x10 pixels, the original 30x20"):
        book.add(ReportPicture("a.png", "max", "", "fixed", None, "pooled", pixels(10, 10), "none"))


def test_books_are_joined_without_changing_what_is_there():
    mine, theirs = PictureBook(), PictureBook()
    for book, pool in ((mine, "max"), (theirs, "avg")):
        book.add(original())
        book.add(picture(pool=pool))
    mine.update(theirs)
    assert [operator[0] for operator in mine.shelf("a.png").operators] == ["avg", "max"]


@pytest.mark.parametrize("stride", [(2, 2), (3, 2), (7, 5)])
def test_weights_are_of_whole_strides_inside_of_the_cut_out(stride):
    data = pixels(700, 600)
    box = weights_box(data, stride)
    assert cutout_box(data).holds(box)
    assert [box.top % stride[0], box.left % stride[1], box.height % stride[0], box.width % stride[1]] == [0] * 4
    assert min(box.height, box.width) > WEIGHTS - 2 * max(stride)


def test_a_cut_out_smaller_than_a_stride_has_no_weights():
    assert weights_box(pixels(900, 900), (800, 800)) is None


def test_weights_outside_of_the_cut_out_are_refused():
    book = PictureBook()
    book.add(original(data=pixels(100, 100)))
    with pytest.raises(ValueError, match="not in the cut-out"):
        book.add(picture(kind="weights", data=np.ones((10, 10)), corner=(95, 0)))


@pytest.mark.parametrize(
    ("size", "axes"), [(2, (2, 2)), ("3x2", (3, 2)), ("2x2x2", None), ("x", None), (0, None), ("", None)]
)
def test_sizes_of_rows_are_read_for_two_axes(size, axes):
    assert two_axes(size) == axes


# --- names of files ---------------------------------------------------------------------------------------------------

NAMES = [
    "../../etc/passwd",
    "..",
    ".",
    "",
    "/",
    "a/b",
    "a\\b",
    HOSTILE,
    "con",
    "COM1",
    "x" * 500,
    "é写",
    "\udcff",
    "a\0b",
]


@pytest.mark.parametrize("name", [*NAMES, "-rf", " x ", "a.b.png", ".hidden", "a\nb", "\u202egnp"])
def test_a_slug_is_a_plain_file_name(name):
    slug = slugify(name)
    assert re.fullmatch(r"[a-z0-9_][a-z0-9_-]{0,60}", slug)
    assert slug not in ("con", "com1")


def test_two_names_never_share_a_file_name():
    names = SafeNames()
    made = {name: names.of(name) for name in ("a b", "a-b", "A B", "a/b", "x" * 100, "x" * 101, "?", "!")}
    assert len(set(made.values())) == len(made)
    assert names.of("a b") == made["a b"], "the same name keeps its own"


@pytest.mark.parametrize("name", NAMES)
def test_saved_pictures_stay_in_their_folder(name, tmp_path):
    folder = PictureFolder(tmp_path / "out", tmp_path)
    entry = folder.add(picture(name, name or "max", name, name, 1))
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (tmp_path / entry["file"]).samefile(file)
    assert file.parent.parent == tmp_path / "out"
    assert file.name.endswith(".rebuilt.png")


def test_saved_pictures_have_names_that_can_be_read(tmp_path):
    folder = PictureFolder(tmp_path / "out", tmp_path)
    files = [
        folder.add(item)["file"]
        for item in (
            original("photos/skimage:coffee"),
            picture("photos/skimage:coffee", "softpool", "beta=4", kind="pooled"),
            picture("photos/skimage:coffee", "lip", state="fitted", kind="difference"),
            picture("photos/skimage:coffee", "stochastic", state="train", seed=3),
        )
    ]
    assert files == [
        "out/skimage-coffee/original.png",
        "out/skimage-coffee/softpool-beta-4.pooled.png",
        "out/skimage-coffee/lip-fitted.difference.png",
        "out/skimage-coffee/stochastic-train-3.rebuilt.png",
    ]


def test_images_of_one_name_in_two_folders_do_not_overwrite_each_other(tmp_path):
    folder = PictureFolder(tmp_path / "out", tmp_path)
    files = {folder.add(picture(f"{place}/a.png"))["file"] for place in "xyz"}
    assert len(files) == 3


def test_operators_that_slug_alike_do_not_overwrite_each_other(tmp_path):
    folder = PictureFolder(tmp_path / "out", tmp_path)
    files = {folder.add(picture(params=params))["file"] for params in ("p=1", "p:1", "P=1")}
    files |= {folder.add(picture(state="train", seed=seed))["file"] for seed in (0, 1, None)}
    files |= {folder.add(picture(upsample=name))["file"] for name in ("nearest", "bilinear")}
    assert len(files) == 8


def test_a_saved_picture_has_every_pixel(tmp_path):
    data = pixels(33, 57)
    entry = PictureFolder(tmp_path / "out", tmp_path).add(picture(data=data))
    assert np.array_equal(np.asarray(Image.open(tmp_path / entry["file"])), to_uint8(data))


def test_each_picture_has_one_entry(tmp_path):
    folder = PictureFolder(tmp_path / "out", tmp_path)
    assert folder.add(original()) == folder.add(original())
    assert len(folder.entries) == 1


def test_a_failed_write_leaves_no_file(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        PictureFolder(tmp_path / "out", tmp_path).add(picture())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_outside_of_the_results_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not inside"):
        PictureFolder(tmp_path / "out", tmp_path / "results").add(picture())


# --- reading back -----------------------------------------------------------------------------------------------------


def test_saved_pictures_come_back(tmp_path):
    folder, direct = PictureFolder(tmp_path / "out", tmp_path), PictureBook()
    shown = [
        original(data=pixels(300, 400)),
        picture(kind="pooled", data=pixels(150, 800, 2), submaps=2),
        picture(data=pixels(300, 400, 1)),
        picture(kind="weights", data=3 * pixels(8, 6)[..., 0] - 1, corner=(40, 30), bounds=(0.0, 0.0)),
        original(HOSTILE),
        picture(HOSTILE, state="train", seed=2),
    ]
    for item in shown:
        folder.add(item)
        direct.add(item)
    # In whatever order: the original is known before the others are cut.
    book = book_from_metadata({"pictures": folder.entries[::-1]}, tmp_path)
    assert set(book.images) == set(direct.images)
    for name in book.images:
        assert book.shelf(name) == direct.shelf(name)


def test_files_say_where_they_could_not_hold_a_value(tmp_path):
    folder = PictureFolder(tmp_path / "out", tmp_path)
    for item in (original(), picture(data=2 * pixels()), picture(pool="avg")):
        folder.add(item)
    assert [entry.get("clipped") for entry in folder.entries] == [None, True, None]
    book = book_from_metadata({"pictures": folder.entries}, tmp_path)
    assert book.shelf("a.png").clipped == {("max", "", "fixed", None)}


def test_without_pictures_the_book_is_empty(tmp_path):
    assert book_from_metadata({}, tmp_path).images == []


def entry(file, **more):
    return {
        "image": "a",
        "pool": "max",
        "params": "",
        "state": "fixed",
        "seed": None,
        "kind": "rebuilt",
        "file": file,
    } | more


@pytest.fixture
def secret(tmp_path):
    """A picture beside the result's folder, which nothing may read."""
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "secret.png")
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "up").symlink_to(tmp_path)
    return folder


@pytest.mark.parametrize("file", ["../secret.png", "link.png", "up/secret.png", "x/../../secret.png", "..\\secret.png"])
def test_files_outside_of_the_folder_are_refused(secret, file):
    with pytest.raises(ValueError, match="leaves the result's folder") as caught:
        book_from_metadata({"pictures": [entry(file)]}, secret)
    assert "\n" not in str(caught.value)


def test_an_absolute_path_is_refused_even_into_the_folder(secret):
    file = secret / "own.png"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(file)
    with pytest.raises(ValueError, match="leaves the result's folder"):
        book_from_metadata({"pictures": [entry(str(file))]}, secret)
    own = entry("own.png", pool="", kind="original")
    assert book_from_metadata({"pictures": [own]}, secret).images == ["a"]


@pytest.mark.parametrize(
    "bad",
    [
        entry(3),
        entry("x.png", kind="other"),
        entry("x.png", image=None),
        entry("x.png", submaps=0),
        entry("x.png", bounds=[0, float("inf")]),
        entry("x.png", bounds=[0]),
        entry("x.png", corner=[-1, 0]),
        {},
        "x",
        3,
        None,
    ],
    ids=["file", "kind", "image", "submaps", "bounds", "bound", "corner", "empty", "text", "number", "null"],
)
def test_malformed_entries_are_refused(bad, tmp_path):
    with pytest.raises(ValueError, match="not a picture's entry"):
        book_from_metadata({"pictures": [bad]}, tmp_path)


def test_pictures_must_be_a_list(tmp_path):
    with pytest.raises(ValueError, match="not a picture's entry"):
        book_from_metadata({"pictures": {"a": 1}}, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_png_is_refused(content, tmp_path):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.png"):
        book_from_metadata({"pictures": [entry("x.png")]}, tmp_path)


def test_a_jpeg_named_png_is_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "x.png", "JPEG")
    with pytest.raises(ValueError, match=r"x\.png"):
        book_from_metadata({"pictures": [entry("x.png")]}, tmp_path)


def test_a_decompression_bomb_is_not_decoded(tmp_path, monkeypatch):
    Image.new("1", (15_000, 15_000)).save(tmp_path / "bomb.png")
    # Other code may have lifted Pillow's own limit.
    for limit in (Image.MAX_IMAGE_PIXELS, None):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=r"bomb\.png"):
            book_from_metadata({"pictures": [entry("bomb.png")]}, tmp_path)


def test_a_missing_file_is_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError):
        book_from_metadata({"pictures": [entry("gone.png")]}, tmp_path)
