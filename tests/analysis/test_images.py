"""What the image reader promises: which files a source names, and that each is shown as a viewer would show it."""

from __future__ import annotations

import io
import math
import os
import random
import resource
import socket
import struct
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from poolzoo.analysis.inputs import files, images
from poolzoo.analysis.inputs.images import SKIMAGE_NAMES, ImageError, Source, find_images, load_image, shown_counts

ORIENTATION = ExifTags.Base.Orientation


def load(path: Path | str) -> np.ndarray:
    return load_image(Source(str(path), Path(path)))


def refusal(path: Path | str, name: str | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(Source(name or str(path), Path(path)))
    message = str(caught.value)
    assert message.startswith(f"{name or str(path)!r}: ") and len(message.splitlines()) == 1
    return message


def noise(*shape: int, high: int = 256, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def reread(path: Path) -> Image.Image:
    """The file as Pillow decodes it, closed again."""
    with Image.open(path) as image:
        image.load()
        return image


def over_white(rgba: np.ndarray) -> np.ndarray:
    """Pillow's own compositing, to 8 bits."""
    image = Image.fromarray(rgba, "RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")) / 255


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, rows: list[bytes], *extra: bytes) -> bytes:
    """A PNG by hand, for the kinds that Pillow does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


def tiff(width: int, height: int, bits: int, photometric: int, data: bytes, sample_format: int = 1) -> bytes:
    """A little-endian greyscale TIFF of one strip, by hand."""
    tags = ((256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, height))
    tags += ((279, len(data)), (339, sample_format))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + b"\0" * 4


def icc(space: bytes, connection: bytes, kind: bytes, **tags: bytes) -> bytes:
    """A colour profile by hand: a version 2.1 header, the table of tags, the tags."""
    start, table, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name.encode() + struct.pack(">II", start + len(body), len(data))
        body += data
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x02100000, kind, space, connection) + b"\0" * 12
    header += b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061) + b"\0" * 48
    return header + struct.pack(">I", len(tags)) + table + body


def xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in (x, y, z)))


def gamma(exponent: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))


WHITE_POINT = xyz(0.9642, 1.0, 0.8249)


def swapped_profile() -> bytes:
    """An RGB profile whose first channel is sRGB's blue and whose third is its red."""
    curves = dict.fromkeys(("rTRC", "gTRC", "bTRC"), gamma(2.2))
    red, green, blue = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
    return icc(b"RGB ", b"XYZ ", b"mntr", wtpt=WHITE_POINT, rXYZ=xyz(*blue), gXYZ=xyz(*green), bXYZ=xyz(*red), **curves)


def ink_profile() -> bytes:
    """A CMYK profile in which any black ink is mid grey and all else is white paper, whatever the other inks are."""
    identity = bytes(range(256))
    grid = b"".join(b"\x80\x80\x80" if black else b"\xff\x80\x80" for _ in range(8) for black in (0, 1))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + identity * 4 + grid + identity * 3
    return icc(b"CMYK", b"Lab ", b"prtr", wtpt=WHITE_POINT, A2B0=table)


# --- which files a source names ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """b.png, A.JPG, c.tiff and what a folder's listing leaves out."""
    root = tmp_path / "photos"
    (root / "deeper.png" / "still").mkdir(parents=True)
    picture = Image.fromarray(noise(4, 5, 3))
    for name in ("b.png", "A.JPG", "c.tiff", ".hidden.png", "deeper.png/still/d.png"):
        picture.save(root / name)
    (root / "notes.txt").write_text("no picture")
    return root


def names(*sources: object) -> list[str]:
    return [source.name for source in find_images(map(str, sources))]


def test_a_file_keeps_the_name_it_was_given(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert find_images(["b.png", "./A.JPG"]) == [Source("b.png", Path("b.png")), Source("./A.JPG", Path("A.JPG"))]


def test_a_folder_is_its_images_sorted_without_hidden_ones_and_subfolders(folder):
    expected = [f"{folder}/{name}" for name in ("A.JPG", "b.png", "c.tiff")]
    assert names(folder) == names(f"{folder}/") == expected
    assert [source.path for source in find_images([str(folder)])] == [Path(name) for name in expected]


def test_files_of_a_folder_that_are_no_images_are_counted_by_suffix(folder):
    for name in ("a.XCF", "b.txt", "README", "deeper.png/c.txt", ".hidden.txt"):
        (folder / name).write_text("no picture")
    passed_over = Counter()
    assert len(find_images([str(folder), f"{folder}/*.png"], passed_over)) == 3
    assert passed_over == {".txt": 2, ".xcf": 1, "": 1}
    assert shown_counts(passed_over) == "2 .txt, 1 without a suffix, 1 .xcf"
    for name in ("b.png", "A.JPG", "c.tiff"):
        (folder / name).unlink()
    with pytest.raises(
        ImageError, match=r"a folder without images; .*; passed over: 2 \.txt, 1 without a suffix, 1 \.xcf$"
    ):
        find_images([str(folder)])


def test_a_glob_is_sorted_and_skips_folders(folder):
    assert names(f"{folder}/*.png") == [f"{folder}/b.png"]
    assert names(f"{folder}/[Abc]*") == [f"{folder}/{name}" for name in ("A.JPG", "b.png", "c.tiff")]


def test_two_stars_cross_folders(folder):
    assert names(f"{folder}/**/*.png") == [f"{folder}/b.png", f"{folder}/deeper.png/still/d.png"]


def test_a_file_that_looks_like_a_glob_is_that_file(tmp_path):
    for name in ("a[1].png", "a1.png"):
        Image.new("L", (1, 1)).save(tmp_path / name)
    assert names(tmp_path / "a[1].png") == [f"{tmp_path}/a[1].png"]
    (tmp_path / "a[1].png").unlink()
    assert names(tmp_path / "a[1].png") == [f"{tmp_path}/a1.png"]


def test_a_file_named_twice_is_kept_once_under_its_first_name(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (folder / "link.png").symlink_to("b.png")
    sources = ("photos/../photos/b.png", "photos", folder / "A.JPG", "photos/*.tiff", folder / "link.png")
    assert names(*sources) == ["photos/../photos/b.png", "photos/A.JPG", "photos/c.tiff"]


def test_two_names_of_one_shipped_picture_are_one_image():
    assert names("skimage:cat", "skimage:coins", "skimage:chelsea") == ["skimage:cat", "skimage:coins"]


def test_a_missing_file_does_not_end_the_batch(folder):
    missing, present = find_images([f"{folder}/gone.png", f"{folder}/b.png"])
    assert "no such file" in refusal(missing.path)
    assert load_image(present).shape == (4, 5, 3)


@pytest.mark.parametrize("name", ["a\0b.png", "\ud800.png", "x" * 5000 + ".png", "file.txt/a.png"])
def test_a_name_that_no_file_can_have_is_refused_when_it_is_loaded(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("file.txt").write_text("a file, not a folder")
    (source,) = find_images([name])
    with pytest.raises(ImageError, match=r"cannot be read: .|no such file"):
        load_image(source)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("", "an empty name"),
        ("empty", "a folder without images; those end in .*[.]png"),
        ("*.png", "no such file, and as a glob it matches no file"),
        ("emp*", "as a glob it matches no file"),
        ("skimage:", "scikit-image has no such picture; It has astronaut"),
        ("skimage:skin", "has no such picture"),
    ],
)
def test_a_source_that_can_name_no_image_is_refused_in_one_line(tmp_path, monkeypatch, source, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match=problem) as caught:
        find_images([source])
    assert str(caught.value).startswith(f"{source!r}: ") and "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_listed_is_refused(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(ImageError, match="cannot be listed: Permission denied"):
        find_images([str(folder)])


def test_an_unknown_shipped_name_is_answered_with_near_misses_and_the_list():
    with pytest.raises(ImageError) as caught:
        find_images(["skimage:cofee"])
    assert "did you mean coffee" in str(caught.value)
    assert all(name in str(caught.value) for name in SKIMAGE_NAMES)


def test_without_scikit_image_its_pictures_are_refused(monkeypatch):
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImageError, match="scikit-image is not installed"):
        find_images(["skimage:coffee"])


@pytest.mark.parametrize(
    "name", ["two\nlines.png", "<img src=x onerror=alert(1)>.png", "q'\"\u2028\u202e.png", b"\xff.png"]
)
def test_a_hostile_name_is_found_and_loaded_and_told_in_one_line(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    with open(path, "wb") as file:
        Image.new("RGB", (3, 2), "red").save(file, "PNG")
    for source in (str(path), str(tmp_path), f"{tmp_path}/*"):
        (found,) = find_images([source])
        assert found == Source(str(path), path)
        assert (load_image(found) == [1, 0, 0]).all()
    path.write_text("not a picture")
    assert refusal(path).isprintable()


# --- the pictures scikit-image ships ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SKIMAGE_NAMES)
def test_every_listed_picture_is_in_the_wheel_and_loads_without_a_network(name, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    (source,) = find_images([f"skimage:{name}"])
    assert source.name == f"skimage:{name}" and source.path.is_file()
    image = load_image(source)
    assert image.dtype == np.float64 and image.flags.c_contiguous and image.shape[2:] == (3,)
    assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.01


@pytest.mark.parametrize(
    "name", ["astronaut", "coffee", "cat", "hubble_deep_field", "retina", "camera", "coins", "moon"]
)
def test_a_plain_photograph_is_scikit_images_array_to_the_bit(name):
    from skimage import data

    expected = getattr(data, name)() / 255
    expected = np.repeat(expected[..., None], 3, 2) if expected.ndim == 2 else expected
    np.testing.assert_array_equal(load_image(*find_images([f"skimage:{name}"])), expected)


def test_a_photograph_in_adobe_rgb_is_shown_in_srgb():
    (source,) = find_images(["skimage:rocket"])
    stored = reread(source.path)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(stored.info["icc_profile"]))
    assert "Adobe RGB" in ImageCms.getProfileDescription(profile)
    expected = ImageCms.profileToProfile(stored, profile, ImageCms.createProfile("sRGB"))
    np.testing.assert_allclose(load_image(source), np.asarray(expected) / 255, rtol=0, atol=1 / 255)
    assert np.abs(load_image(source) - np.asarray(stored) / 255).max() > 0.1


# --- eight bits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "ppm", "tga", "webp", "jpg", "qoi"])
def test_eight_bit_rgb_is_the_decoded_bytes_over_255(tmp_path, suffix):
    from skimage import io as skio

    path = save(
        tmp_path / f"a.{suffix}", Image.fromarray(noise(7, 9, 3)), **({"lossless": True} if suffix == "webp" else {})
    )
    image = load(path)
    np.testing.assert_array_equal(image, skio.imread(path) / 255)
    assert image.dtype == np.float64 and image.flags.c_contiguous


def test_one_pixel_is_an_image(tmp_path):
    path = save(tmp_path / "a.png", Image.new("RGB", (1, 1), (10, 20, 30)))
    np.testing.assert_array_equal(load(path), np.array([[[10, 20, 30]]]) / 255)


def test_a_grey_is_repeated_in_three_channels(tmp_path):
    grey = noise(6, 5)
    image = load(save(tmp_path / "a.png", Image.fromarray(grey)))
    np.testing.assert_array_equal(image, np.repeat(grey[..., None] / 255, 3, 2))


def test_one_bit_is_black_and_white(tmp_path):
    bits = noise(5, 11, high=2)
    for suffix in ("png", "tif", "pbm", "bmp"):
        image = load(save(tmp_path / f"a.{suffix}", Image.fromarray(bits * 255).convert("1")))
        np.testing.assert_array_equal(image, np.repeat(bits[..., None], 3, 2))


def test_a_palette_is_looked_up(tmp_path):
    picture = Image.fromarray(noise(8, 8, 3)).quantize(16)
    expected = np.asarray(picture.convert("RGB")) / 255
    np.testing.assert_array_equal(load(save(tmp_path / "a.png", picture)), expected)
    np.testing.assert_array_equal(load(save(tmp_path / "a.gif", picture)), expected)


@pytest.mark.parametrize(
    ("colour", "seen"), [((255, 0, 0), (1, 0, 0)), ((255, 255, 255), (1, 1, 1)), ((0, 0, 0), (0, 0, 0))]
)
@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_looks_like_its_colour(tmp_path, suffix, colour, seen):
    path = save(tmp_path / f"a.{suffix}", Image.new("RGB", (16, 16), colour).convert("CMYK"))
    assert reread(path).mode == "CMYK"
    np.testing.assert_allclose(load(path), np.broadcast_to(seen, (16, 16, 3)), atol=0.02)


def test_an_adobe_jpeg_of_inverted_inks_looks_red(tmp_path):
    data = io.BytesIO()
    # Pillow writes inverted inks without Adobe's marker and inverts on reading only with one.
    Image.new("RGB", (16, 16), "red").convert("CMYK").save(data, "JPEG")
    stored = data.getvalue()
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
    path = tmp_path / "a.jpg"
    path.write_bytes(stored if b"Adobe" in stored else stored[:2] + adobe + stored[2:])
    assert "adobe" in reread(path).info
    np.testing.assert_allclose(load(path), np.broadcast_to([1, 0, 0], (16, 16, 3)), atol=0.02)


def test_ycbcr_and_lab_look_like_their_rgb(tmp_path):
    colours = np.array([[[200, 30, 40], [20, 180, 60], [30, 50, 220], [128, 128, 128]]], "uint8")
    rgb = Image.fromarray(colours)
    lab = ImageCms.profileToProfile(
        rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    for number, picture in enumerate((rgb.convert("YCbCr"), lab)):
        path = save(tmp_path / f"{number}.tif", picture)
        assert reread(path).mode == picture.mode
        np.testing.assert_allclose(load(path), colours / 255, atol=10 / 255)  # 8-bit LAB is coarse


# --- transparency ----------------------------------------------------------------------------------------------------


def test_alpha_is_shown_over_white(tmp_path):
    rgba = noise(9, 8, 4)
    rgba[0, :, 3], rgba[1, :, 3] = 0, 255
    expected = over_white(rgba)
    for suffix, options in (("png", {}), ("tif", {}), ("tga", {}), ("webp", {"lossless": True, "exact": True})):
        image = load(save(tmp_path / f"a.{suffix}", Image.fromarray(rgba, "RGBA"), **options))
        np.testing.assert_allclose(image, expected, atol=1 / 255)
        assert (image[0] == 1).all() and image.max() <= 1
        np.testing.assert_array_equal(image[1], rgba[1, :, :3] / 255)


def test_grey_with_alpha_is_shown_over_white(tmp_path):
    la = noise(6, 7, 2)
    image = load(save(tmp_path / "a.png", Image.fromarray(la, "LA")))
    np.testing.assert_allclose(image, over_white(np.stack([la[..., 0]] * 3 + [la[..., 1]], -1)), atol=1 / 255)


def test_premultiplied_grey_is_shown_over_white(tmp_path):
    path = tmp_path / "a.tif"
    Image.merge("LA", (Image.new("L", (3, 2), 50), Image.new("L", (3, 2), 100))).save(path)
    # Extra sample kind 2 (alpha) becomes 1 (premultiplied): 50 of a possible 100.
    tag = struct.pack("<HHI", 338, 3, 1)
    stored = path.read_bytes()
    assert stored.count(tag) == 1
    path.write_bytes(stored.replace(tag + b"\2", tag + b"\1"))
    assert reread(path).mode == "La"
    np.testing.assert_allclose(load(path), 50 / 255 + (1 - 100 / 255), atol=1 / 255)


def test_a_palettes_transparent_entries_are_shown_over_white(tmp_path):
    picture = Image.fromarray(np.array([[0, 1, 2]], "uint8"), "P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    halves = load(save(tmp_path / "a.png", picture, transparency=bytes([0, 128, 255])))
    np.testing.assert_allclose(halves, [[[1, 1, 1], [127 / 255, 1, 127 / 255], [0, 0, 1]]], atol=1 / 255)
    for suffix in ("png", "gif"):
        one = load(save(tmp_path / f"b.{suffix}", picture, transparency=1))
        np.testing.assert_array_equal(one, [[[1, 0, 0], [1, 1, 1], [0, 0, 1]]])


@pytest.mark.parametrize(
    ("bits", "colour", "row", "key", "seen"),
    [
        (1, 0, b"\x40", b"\0\0", [1, 1]),
        (1, 0, b"\x40", b"\0\1", [0, 1]),
        (2, 0, b"\x60", b"\0\2", [85 / 255, 1]),
        (4, 0, b"\x5a", b"\0\5", [1, 170 / 255]),
        (8, 0, b"\x5a\x11", b"\0\x11", [90 / 255, 1]),
        (16, 0, b"\x5a\x11\x22\x33", b"\x22\x33", [0x5A11 / 65535, 1]),
        (16, 0, b"\x22\x34\x22\x33", b"\x22\x33", [0x2234 / 65535, 1]),
        (8, 2, b"\x5a\x5a\x5a\x11\x12\x13", b"\0\x11\0\x12\0\x13", [90 / 255, 1]),
        (16, 2, b"\x5a\x5a" * 3 + b"\1\2\3\4\5\6", b"\1\2\3\4\5\6", [90 / 255, 1]),
    ],
)
def test_a_pngs_transparent_colour_is_white_at_every_depth(tmp_path, bits, colour, row, key, seen):
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 1, bits, colour, [row], chunk(b"tRNS", key)))
    np.testing.assert_array_equal(load(path), np.repeat(np.array([seen])[..., None], 3, 2))


# --- more than eight bits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bit_grey_keeps_its_precision(tmp_path, suffix):
    grey = noise(6, 7, high=65536, dtype="uint16")
    grey[0, :3] = 0, 1, 65535
    image = load(save(tmp_path / f"a.{suffix}", Image.fromarray(grey)))
    np.testing.assert_array_equal(image, np.repeat(grey[..., None] / 65535, 3, 2))


def test_the_same_grey_in_eight_and_sixteen_bits_is_the_same_image(tmp_path):
    grey = noise(6, 7)
    eight = save(tmp_path / "8.png", Image.fromarray(grey))
    sixteen = save(tmp_path / "16.png", Image.fromarray(grey.astype("uint16") * 257))
    assert reread(sixteen).mode.startswith("I;16")
    np.testing.assert_allclose(load(sixteen), load(eight), atol=1e-15)


def test_a_big_endian_tiff_reads_like_a_little_endian_one(tmp_path):
    import tifffile

    grey = noise(6, 7, high=65536, dtype="uint16")
    for order, mode in (("<", "I;16"), (">", "I;16B")):
        path = tmp_path / f"{mode[-1]}.tif"
        tifffile.imwrite(path, grey, byteorder=order, photometric="minisblack")
        assert reread(path).mode == mode
        np.testing.assert_array_equal(load(path)[..., 1], grey / 65535)


def test_a_tiff_whose_white_is_zero_is_inverted(tmp_path):
    (tmp_path / "16.tif").write_bytes(tiff(2, 1, 16, 0, struct.pack("<2H", 0, 65000)))
    (tmp_path / "8.tif").write_bytes(tiff(2, 1, 8, 0, b"\0\xfa"))
    assert reread(tmp_path / "16.tif").mode == "I;16"
    np.testing.assert_allclose(load(tmp_path / "16.tif")[0, :, 0], [1, 535 / 65535], atol=1e-12)
    np.testing.assert_allclose(load(tmp_path / "8.tif")[0, :, 0], [1, 5 / 255], rtol=0, atol=1e-15)


def test_twelve_bits_reach_white(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(2, 1, 12, 1, b"\xff\xf8\x00"))
    np.testing.assert_array_equal(load(tmp_path / "a.tif")[0, :, 0], [1, 0x800 / 4095])


def test_32_bit_integers_are_16_bit_greys_or_refused(tmp_path):
    grey = np.array([[0, 300, 65535]], "int32")
    np.testing.assert_array_equal(load(save(tmp_path / "a.tif", Image.fromarray(grey)))[..., 2], grey / 65535)
    for wrong in (-1, 65536):
        path = save(tmp_path / "b.tif", Image.fromarray(np.array([[5, wrong]], "int32")))
        assert "allowed are finite values from 0 to 65535" in refusal(path) and str(wrong) in refusal(path)


def test_floating_point_grey_in_the_unit_interval_is_taken_as_it_is(tmp_path):
    grey = np.random.default_rng(0).random((5, 6)).astype("float32")
    for suffix in ("tif", "pfm"):
        image = load(save(tmp_path / f"a.{suffix}", Image.fromarray(grey)))
        np.testing.assert_array_equal(image, np.repeat(grey[..., None].astype("float64"), 3, 2))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -0.01, 1.01, 255.0])
def test_floating_point_grey_outside_the_unit_interval_is_refused(tmp_path, wrong):
    path = save(tmp_path / "a.tif", Image.fromarray(np.array([[0.5, wrong]], "float32")))
    assert "allowed are finite values from 0 to 1" in refusal(path)


def test_sixteen_bit_colour_keeps_its_precision(tmp_path):
    import tifffile

    colour = noise(3, 4, 3, high=65536, dtype=">u2")
    (tmp_path / "a.png").write_bytes(png(4, 3, 16, 2, [row.tobytes() for row in colour]))
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb")
    for suffix in ("png", "tif"):
        np.testing.assert_array_equal(load(tmp_path / f"a.{suffix}"), colour / 65535)


# --- orientation, frames, profiles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_a_turned_photograph_is_shown_upright(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = Image.fromarray(noise(16, 24, 3))
    path = save(tmp_path / f"a.{suffix}", picture, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    expected = np.asarray(ImageOps.exif_transpose(reread(path))) / 255
    assert expected.shape == ((24, 16, 3) if orientation > 4 else (16, 24, 3))
    image = load(path)
    np.testing.assert_array_equal(image, expected)
    assert image.flags.c_contiguous


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_turned_sixteen_bit_grey_is_shown_upright(tmp_path, suffix):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the stored left column is the shown top row
    grey = noise(3, 5, high=65536, dtype="uint16")
    image = load(save(tmp_path / f"a.{suffix}", Image.fromarray(grey), exif=exif))
    np.testing.assert_array_equal(image[..., 0], grey[::-1].T / 65535)


@pytest.mark.parametrize(
    "tags", [b"MM\0*\0\0\0\x08\0\1\x01\x12\0\x03\0\0\0\1\0\x63\0\0\0\0\0\0", b"MM\0*\xff\xff\xff\xff", b"junk"]
)
def test_a_damaged_orientation_leaves_the_picture_as_it_is_stored(tmp_path, tags):
    stored = noise(4, 6, 3)
    path = save(tmp_path / "a.png", Image.fromarray(stored), exif=b"Exif\0\0" + tags)
    assert b"eXIf" in path.read_bytes()
    np.testing.assert_array_equal(load(path), stored / 255)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_of_several_frames_the_first_is_shown(tmp_path, suffix):
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:], **options)
    with Image.open(path) as stored:
        assert stored.n_frames == 3
    np.testing.assert_array_equal(load(path), np.broadcast_to([1.0, 0, 0], (4, 6, 3)))


def test_an_embedded_profile_is_converted_to_srgb(tmp_path):
    picture = Image.new("RGB", (4, 4), (255, 0, 0))
    for suffix in ("png", "tif", "jpg"):
        path = save(tmp_path / f"a.{suffix}", picture, icc_profile=swapped_profile())
        np.testing.assert_allclose(load(path), np.broadcast_to([0, 0, 1], (4, 4, 3)), atol=0.02)


def test_a_profile_changes_the_colour_below_the_alpha(tmp_path):
    picture = Image.new("RGBA", (2, 2), (255, 0, 0, 51))
    path = save(tmp_path / "a.png", picture, icc_profile=swapped_profile())
    np.testing.assert_allclose(load(path), np.broadcast_to([0.8, 0.8, 1], (2, 2, 3)), atol=0.02)


def test_a_grey_profile_is_converted_to_srgb(tmp_path):
    profile = icc(b"GRAY", b"XYZ ", b"mntr", wtpt=WHITE_POINT, kTRC=gamma(1.0))
    image = load(save(tmp_path / "a.png", Image.fromarray(np.array([[0, 55, 255]], "uint8")), icc_profile=profile))
    linear = 55 / 255
    np.testing.assert_allclose(image[0, :, 1], [0, 1.055 * linear ** (1 / 2.4) - 0.055, 1], atol=1.5 / 255)
    np.testing.assert_allclose(np.ptp(image, axis=2), 0, atol=1 / 255)


def test_a_cmyk_profile_is_converted_to_srgb(tmp_path):
    inks = Image.new("CMYK", (8, 8), (255, 255, 0, 0))  # blue without a profile, paper white with this one
    np.testing.assert_allclose(load(save(tmp_path / "a.tif", inks))[0, 0], [0, 0, 1], atol=0.02)
    np.testing.assert_allclose(load(save(tmp_path / "b.tif", inks, icc_profile=ink_profile())), 1, atol=0.03)


def test_an_srgb_profile_keeps_every_bit(tmp_path):
    (source,) = find_images(["skimage:astronaut"])
    photographs = reread(source.path).info["icc_profile"]
    levels = np.arange(0, 256, 17, dtype="uint8")
    stored = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(64, 64, 3)
    path = save(tmp_path / "a.png", Image.fromarray(stored), icc_profile=photographs)
    # The profile of this photograph is sRGB rounded: converting would move some colours by one level.
    given, srgb = ImageCms.ImageCmsProfile(io.BytesIO(photographs)), ImageCms.createProfile("sRGB")
    assert not np.array_equal(ImageCms.profileToProfile(reread(path), given, srgb), stored)
    np.testing.assert_array_equal(load(path), stored / 255)


@pytest.mark.parametrize("profile", [b"junk" * 50, swapped_profile()[:150], ink_profile()])
def test_an_unusable_profile_is_ignored(tmp_path, profile):
    stored = noise(8, 8, 3)
    np.testing.assert_array_equal(
        load(save(tmp_path / "a.png", Image.fromarray(stored), icc_profile=profile)), stored / 255
    )


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_bomb_is_refused_by_its_header(tmp_path):
    header = png(30_000, 30_000, 8, 2, [b"\0" * 100])
    (tmp_path / "a.png").write_bytes(header)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(tmp_path / "a.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB; decoded it is 2.7 GB
    assert "900000000 pixels" in message and "at most 64000000 are decoded" in message


@pytest.mark.parametrize("side", [8_001, 10_000])
@pytest.mark.filterwarnings("error")
def test_a_size_that_pillow_would_decode_or_warn_of_is_bounded_too(tmp_path, side):
    (tmp_path / "a.png").write_bytes(png(side, side, 8, 0, [b"\0"]))
    assert f"too large: {side}x{side}, {side * side} pixels; at most 64000000" in refusal(tmp_path / "a.png")


def test_the_bound_itself_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_PIXELS", 12)
    assert load(save(tmp_path / "a.png", Image.new("L", (4, 3)))).shape == (3, 4, 3)
    assert "13x1" in refusal(save(tmp_path / "b.png", Image.new("L", (13, 1))))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty file"),
        (b"just text\n", "not an image of a format that is read: PNG, JPEG, "),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a format that is read"),
        (png(0, 3, 8, 0, [b""] * 3), "truncated or damaged: 0x3 pixels"),
        (b"P6\n0 0\n255\n", "truncated or damaged: 0x0 pixels"),
        (b"\x89PNG\r\n\x1a\n", "truncated or damaged"),
        (png(4, 4, 8, 0, [b"\0\0\0\0"] * 4)[:-24], "truncated or damaged: "),
    ],
)
def test_a_file_that_is_no_image_is_refused(tmp_path, content, problem):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    refusal(path)
    with pytest.raises(ImageError, match=problem):
        load(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tif", "webp"])
def test_half_an_image_is_refused(tmp_path, suffix):
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(noise(64, 64, 3)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "truncated or damaged" in refusal(path) or "not an image" in refusal(path)


@pytest.mark.parametrize(
    "suffix", ["png", "jpg", "gif", "tif", "webp", "bmp", "ppm", "jp2", "qoi", "tga", "sgi", "pcx"]
)
def test_damage_anywhere_gives_an_image_or_one_line(tmp_path, suffix):
    draw = random.Random(0)
    picture = Image.fromarray(noise(12, 13, 3))
    whole = save(
        tmp_path / f"whole.{suffix}", picture, **({"compression": "tiff_lzw"} if suffix == "tif" else {})
    ).read_bytes()
    path = tmp_path / f"a.{suffix}"
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole[: draw.randrange(1, len(whole) + 1)])
        for _ in range(draw.randrange(4)):
            # Headers are short and hold what misleads a decoder: half of the damage is there.
            damaged[draw.randrange(min(len(damaged), draw.choice((64, 1 << 20))))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            image = load(path)
        except ImageError as error:
            assert len(str(error).splitlines()) == 1
            refused += 1
        else:
            assert image.ndim == 3 and image.min() >= 0 and image.max() <= 1
    assert refused


@pytest.mark.parametrize(
    "error",
    [OSError("broken\ndata"), SyntaxError(), struct.error("x"), zlib.error("x"), MemoryError(), OverflowError("x")],
)
def test_whatever_a_decoder_raises_is_one_line(tmp_path, monkeypatch, error):
    path = save(tmp_path / "a.jpg", Image.new("L", (2, 2)))

    def fail(self):
        raise error

    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.load", fail)
    expected = " ".join(str(error).split()) or type(error).__name__
    assert refusal(path).endswith(f"truncated or damaged: {expected}")


def test_a_folder_a_pipe_and_a_broken_link_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("nowhere.png")
    assert "a folder; give an image file" in refusal(tmp_path)
    assert "not a regular file" in refusal(tmp_path / "pipe.png")
    assert "no such file" in refusal(tmp_path / "link.png")


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", Image.new("L", (2, 2)))

    def refuse(name, *arguments):
        raise PermissionError(13, "Permission denied", name)

    # Permission bits would not stop root.
    monkeypatch.setattr(files, "open", refuse, raising=False)
    assert "cannot be read: Permission denied" in refusal(path)


def test_messages_carry_the_users_name_and_not_the_path(tmp_path):
    assert "gone.png" not in refusal(tmp_path / "gone.png", name="skimage:coffee")


def test_reading_leaves_pillow_and_the_warnings_as_they_were(tmp_path):
    path = save(tmp_path / "a.png", Image.new("L", (2, 2)))
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    load(path)
    (tmp_path / "b.png").write_bytes(png(10_000, 10_000, 8, 0, [b"\0"]))
    refusal(tmp_path / "b.png")
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before
