"""Every file of the corpus is shown as its standard says, or refused in one line."""

from __future__ import annotations

import struct
from pathlib import Path

import inputs_corpus
import numpy as np
import pytest
from inputs_corpus import Case, avif, bmp, frames, png, psd, tiff
from inputs_corpus.base import SRGB, TURNS, encode_srgb, ycc_to_rgb

from poolzoo.analysis.inputs import files
from poolzoo.analysis.inputs.images import ImageError, Source, load_image

CASES = inputs_corpus.cases()
RAMP = np.arange(256).reshape(16, 16)
FORMATS = sorted({case.name.partition("-")[0] for case in CASES})
#: Intact files of kinds that no decoder can be trusted with.
REFUSED = (
    "pcx-3-planes",
    "pcx-4bit",
    "psd-rgb-8bit-no-composite",
    "psd-rgb-16bit-no-composite",
    "tga-rgb-16bit-attribute",
    "tga-rgb-16bit-attribute-rle",
    "tga-rgb-unused-map",
    "tga-rgb-unused-map-rle",
    "tiff-jpeg-rgb-planar",
)


def check(case: Case, folder: Path) -> str:
    """What is wrong with how a case is read; nothing where it is right."""
    path = folder / f"{case.name}{case.suffix}"
    path.write_bytes(case.content)
    try:
        image = load_image(Source(case.name, path))
    except ImageError as error:
        message = str(error)
        if not message.startswith(f"{case.name!r}: ") or len(message.splitlines()) != 1:
            return f"refused by {message!r}"
        if case.truth is None:
            return "" if "damaged" not in message else f"intact, but refused by {message!r}"
        return "" if case.name in REFUSED and "is not supported: convert it" in message else message
    if case.truth is None:
        return f"{case.name}: read, though it is to be refused"
    if image.shape[:2] != case.truth.shape[:2]:
        return f"{case.name}: {image.shape} is not {case.truth.shape}"
    error = np.abs(image - case.truth).max()
    return "" if error <= case.tolerance else f"{case.name}: {error * 255:.3g} of 255 levels off, {case.why}"


@pytest.mark.parametrize("kind", FORMATS)
def test_every_file_is_shown_as_its_standard_says_or_refused_in_one_line(kind, tmp_path, capfd):
    problems = [check(case, tmp_path) for case in CASES if case.name.partition("-")[0] == kind]
    assert not list(filter(None, problems))
    assert capfd.readouterr() == ("", "")  # no decoder prints what it thinks


def load(path: Path, content: bytes) -> np.ndarray:
    path.write_bytes(content)
    return load_image(Source(path.name, path))


@pytest.mark.parametrize("gamma", [0.45455, 0.45, 0.47])
def test_a_gamma_near_srgbs_is_srgb_where_no_chromaticities_are_given(tmp_path, gamma):
    """As libpng's threshold makes browsers show it; with chromaticities it is the power that it says."""
    before = png.gamma_chunk(gamma)
    alone = load(tmp_path / "a.png", png.png(RAMP[..., None], 8, png.GREY, before))
    np.testing.assert_array_equal(alone[..., 0], RAMP / 255)
    before += png.primaries_chunk(SRGB)
    image = load(tmp_path / "b.png", png.png(RAMP[..., None], 8, png.GREY, before))
    expected = encode_srgb((RAMP / 255) ** (100000 / round(gamma * 100000)))
    np.testing.assert_allclose(image[..., 0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("transfer", [1, 6, 14, 15])
def test_televisions_curves_are_shown_as_chromium_does(tmp_path, transfer):
    """By ITU-R BT.1886 in PNG (Chromium 150: 10, 60, 128 are shown as 1, 49, 121), as sRGB in AVIF."""
    samples = np.array([[10, 60, 128]])
    before = png.cicp_chunk(1, transfer)
    image = load(tmp_path / "a.png", png.png(samples[..., None].repeat(3, 2), 8, png.RGB, before))
    np.testing.assert_array_equal(np.rint(image[0, :, 1] * 255), [1, 49, 121])
    shown = [load(tmp_path / f"{t}.avif", avif.avif((1, t, avif.BT601, True))) for t in (transfer, 13)]
    np.testing.assert_array_equal(*shown)


def test_a_reserved_code_point_of_cicp_leaves_the_word_to_the_next_chunk(tmp_path):
    before = png.cicp_chunk(1, 3) + png.gamma_chunk(1.0)
    image = load(tmp_path / "a.png", png.png(RAMP[..., None], 8, png.GREY, before))
    np.testing.assert_allclose(image[..., 0], encode_srgb(RAMP / 255), rtol=0, atol=1e-12)


def test_an_all_opaque_animation_is_transparent_where_nothing_is_drawn(tmp_path):
    rgba = np.full((4, 6, 4), (200, 30, 40, 255))
    frame = frames.webp_frame(rgba, 2, 4)
    content = frames.webp(frames.extended(0x02), frames.riff(b"ANIM", bytes(6)), frame)  # its flags deny any alpha
    image = load(tmp_path / "a.webp", content)
    expected = np.ones(image.shape)
    expected[2:6, 4:10] = np.array([200, 30, 40]) / 255
    np.testing.assert_allclose(image, expected, rtol=0, atol=1e-12)


def test_of_an_apng_file_the_first_frame_is_shown_and_not_the_image_for_other_viewers(tmp_path):
    still = [clip for clip in frames.animations() if clip.name.startswith("apng-clip-part")]
    assert still
    for clip in still:
        image = load(tmp_path / "a.png", clip.content)
        np.testing.assert_allclose(image, clip.truth[0], rtol=0, atol=clip.tolerance)


@pytest.mark.parametrize(
    ("change", "variant"),
    [
        ((259, 34712), "TIFF compression 34712 (JPEG2000)"),
        ((262, 32803), "TIFF photometric interpretation 32803 (CFA)"),
        ((262, 34892), "TIFF photometric interpretation 34892 (LINEAR_RAW)"),
        ((254, 1), "a TIFF file, perhaps a camera's, whose first page is a preview"),
        ((332, 2), "a TIFF file of inks that are not cyan, magenta, yellow and black"),
    ],
)
def test_an_intact_tiff_of_another_kind_is_not_called_damaged(tmp_path, change, variant):
    model = tiff.SEPARATED if change[0] == 332 else tiff.RGB
    samples = np.zeros((8, 8, 4 if model == tiff.SEPARATED else 3), np.uint8)
    content = tiff.tiff(samples, 8, model, tags={change[0]: (tiff.SHORT, change[1])})
    with pytest.raises(ImageError) as caught:
        load(tmp_path / "a.tif", content)
    assert str(caught.value).startswith(f"'a.tif': {variant} is not supported: convert it")


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", [tiff.BYTE, tiff.SHORT, tiff.LONG])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_ycbcr_tiff_is_turned_once(tmp_path, orientation, kind, order):
    """libtiff, which makes RGB of it, applies half of an orientation itself."""
    tags = {tiff.ORIENTATION: (kind, orientation)}
    luma = np.arange(96, 96 + 8 * 12).reshape(8, 12)
    samples = np.stack([luma, np.full_like(luma, 110), np.full_like(luma, 150)], -1)
    ranges = {532: (tiff.RATIONAL, [0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1]), 530: (tiff.SHORT, [1, 1])}
    image = load(tmp_path / "a.tif", tiff.tiff(samples, 8, tiff.YCBCR, tags=ranges | tags, order=order))
    np.testing.assert_allclose(image, TURNS[orientation](ycc_to_rgb(samples)), rtol=0, atol=1 / 255)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_channel_too_many_is_refused_before_it_is_decoded(tmp_path, monkeypatch, bits):
    monkeypatch.setattr(files, "MAX_SAMPLES", 8 * 8 * 4)
    samples = np.zeros((8, 8, 5), f"u{bits // 8}")
    tags = {tiff.EXTRA: (tiff.SHORT, [0, 0])}
    monkeypatch.setattr("tifffile.TiffPage.asarray", None)
    with pytest.raises(ImageError, match="too large: 8x8 pixels of 5 channels; at most 256 samples are decoded"):
        load(tmp_path / "a.tif", tiff.tiff(samples, bits, tiff.RGB, tags=tags))


def test_of_a_transparent_colour_the_bits_above_the_depth_do_not_count(tmp_path, capfd):
    """PNG-3 11.3.1.1: decoders mask them."""
    before = png.chunk(b"tRNS", bytes([0xFF, 3]))
    image = load(tmp_path / "a.png", png.png(np.arange(16).reshape(4, 4, 1), 4, png.GREY, before))
    np.testing.assert_array_equal(image[0, :, 0] * 15, [0, 1, 2, 15])
    assert capfd.readouterr() == ("", "")  # libpng warns of them


def test_a_fourth_sample_of_rgb_is_alpha_where_a_tiff_forgets_to_say_it(tmp_path):
    """As Pillow and ImageMagick show it."""
    samples = np.array([[[40, 50, 60, 0], [40, 50, 60, 255]]])
    image = load(tmp_path / "a.tif", tiff.tiff(samples, 8, tiff.RGB))
    np.testing.assert_allclose(image[0] * 255, [[255] * 3, [40, 50, 60]], rtol=0, atol=1e-9)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_composite_that_was_not_laid_on_white_is(tmp_path, depth):
    white = (1 << depth) - 1
    samples = np.array([[[white, 0, 0, 0], [white, 0, 0, white], [0, 0, white, 0]]])
    layer = psd.layer({-1: samples[..., 3], **{i: samples[..., i] for i in range(3)}}, depth)
    image = load(tmp_path / "a.psd", psd.psd(samples, depth, psd.RGB, layers=[layer], merged_alpha=True))
    np.testing.assert_array_equal(image, [[[1, 1, 1], [1, 0, 0], [1, 1, 1]]])


@pytest.mark.parametrize(("frames_announced", "first_number"), [(0, 0), (1 << 31, 0), (1, 1)])
def test_of_a_broken_animation_the_static_image_is_shown(tmp_path, frames_announced, first_number):
    still, frame = np.full((4, 4, 4), (1, 2, 3, 255)), np.full((4, 4, 4), 255)
    content = png.header(4, 4, 8, png.RGBA) + png.chunk(b"acTL", struct.pack(">II", frames_announced, 0))
    content += png.chunk(b"IDAT", png.image_data(still, 8)) + frames.control(first_number, 4, 4)
    data = struct.pack(">I", first_number + 1) + png.image_data(frame, 8)
    content += png.chunk(b"fdAT", data) + png.chunk(b"IEND")
    image = load(tmp_path / "a.png", content)
    np.testing.assert_allclose(image * 255, still[..., :3], rtol=0, atol=1e-9)


def test_what_the_runs_of_a_bmp_leap_over_is_transparent(tmp_path):
    """As Chromium shows it: by a delta, by the end of a row and by the end of the picture."""
    runs = bytes([2, 1, 0, 0, 0, 2, 1, 1, 3, 2, 0, 1])  # two pixels, end of row, 1 right and 1 up, three pixels, end
    palette = bmp.palette_of(np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]]))
    content = bmp.bmp(5, 4, 8, runs, compression=bmp.RLE8, palette=palette, colours=3)
    expected = np.ones((4, 5, 3))
    expected[3, :2], expected[1, 1:4] = (1, 0, 0), (0, 0, 1)
    np.testing.assert_array_equal(load(tmp_path / "a.bmp", content), expected)


@pytest.mark.parametrize("colour", [(12, 13), (9, 1), (1, 8), (9, 8), (2, 2)])
def test_an_avif_file_without_a_colour_box_has_the_colour_of_its_stream(tmp_path, colour):
    files = [avif.avif((*colour, avif.BT601, True), declared=declared) for declared in (True, False)]
    shown = [load(tmp_path / f"{number}.avif", content) for number, content in enumerate(files)]
    np.testing.assert_array_equal(*shown)


def test_hdr_that_only_the_stream_of_an_avif_file_declares_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"PQ \(SMPTE ST 2084\), is not supported: convert it"):
        load(tmp_path / "a.avif", avif.avif((9, avif.PQ, avif.BT2020_NCL, False), declared=False))
