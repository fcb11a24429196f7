"""The corpus of inputs: it is what it claims, its clips are played rightly, and damage ends in one line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import inputs_corpus
import numpy as np
import pytest
import tifffile
from inputs_corpus import Case, frames, mutations
from PIL import Image

from poolzoo.analysis.inputs.clips import Video

CASES = inputs_corpus.cases()
CLIPS = list(frames.animations())


def by_pillow(case: Case) -> np.ndarray:
    image = Image.open(io.BytesIO(case.content))
    if image.mode.startswith("I"):
        return np.asarray(image)[..., None] / 65535
    rgba = np.asarray(image.convert("RGBA")) / 255
    return rgba[..., 3:] * rgba[..., :3] + 1 - rgba[..., 3:]


def by_tifffile(case: Case) -> np.ndarray:
    with tifffile.TiffFile(io.BytesIO(case.content)) as file:
        page = file.pages[0]
        values = page.asarray()
    if page.samplesperpixel == 1:
        values = values[..., None]
    elif page.planarconfig == 2:
        values = np.moveaxis(values, 0, -1)
    white = 1.0 if values.dtype.kind == "f" else float((1 << page.bitspersample) - 1)
    colour, alpha = values / white, [int(kind) for kind in page.extrasamples]
    if page.photometric == tifffile.PHOTOMETRIC.SEPARATED:
        return (1 - colour[..., :3]) * (1 - colour[..., 3:])
    return colour[..., :-1] * colour[..., -1:] + 1 - colour[..., -1:] if alpha == [2] else colour


#: Which decoder shows which cases as they are: not all of them, or the corpus would not be needed.
TRUSTED = [
    (by_pillow, ("png-grey-1bit", "png-grey-2bit", "png-grey-4bit", "png-grey-8bit", "png-grey-16bit", "png-rgb-8bit")),
    (by_pillow, ("png-palette-1bit", "png-palette-2bit", "png-palette-4bit", "png-palette-8bit", "png-rgba-8bit")),
    (by_pillow, ("png-grey-alpha-8bit", "png-palette-4bit-trns", "png-palette-8bit-trns", "png-grey-8bit-trns")),
    (by_pillow, ("png-rgb-8bit-trns", "png-rgb-8bit-interlaced", "png-palette-2bit-interlaced")),
    (by_pillow, ("bmp-24bit", "bmp-palette-4bit", "bmp-rle8", "bmp-8888-v4", "gif-8bit", "gif-4bit-interlaced")),
    (by_pillow, ("webp-rgba", "tga-rgba-rle", "tga-rgb-origin-00", "sgi-rgba-8bit-rle", "pcx-rgb", "pcx-4-planes")),
    (by_pillow, ("qoi-rgba-calm", "qoi-rgb-noise", "pbm", "ppm-max-255", "ppm-max-255-text", "pgm-max-65535")),
    (by_pillow, ("psd-rgb-8bit-rle", "psd-cmyk-8bit", "jpeg2000-rgb-8bit", "jpeg2000-8bit-rgba", "jpeg2000-transform")),
    (by_pillow, ("jpeg-grey", "jpeg-rgb-adobe", "jpeg-cmyk-adobe", "avif-8bit-identity-full", "avif-8bit-grey")),
    *((by_tifffile, (f"tiff-grey-{n}-{c}",)) for n in ("u8", "u16", "u32", "f32", "f64") for c in ("none", "deflate")),
    *((by_tifffile, (f"tiff-rgb-{n}-none-{p}",)) for n in ("u8", "u16", "f16") for p in ("planar", "contiguous")),
    *((by_tifffile, (f"tiff-{m}-u16-none-{p}",)) for m in ("rgba", "cmyk") for p in ("planar", "contiguous")),
    *((by_tifffile, (f"tiff-{m}-u16-bigtiff-{e}-endian",)) for m in ("grey", "rgb") for e in ("big", "little")),
]


def test_the_corpus_has_every_format_and_each_picture_is_one():
    assert len(CASES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        if case.truth is not None:
            height, width, channels = case.truth.shape
            assert max(height, width) <= 24 and channels in (1, 3), case.name
            assert case.truth.dtype == np.float64 and case.truth.min() >= 0 and case.truth.max() <= 1, case.name


@pytest.mark.parametrize(
    ("decode", "name"), [pytest.param(decode, name, id=name) for decode, names in TRUSTED for name in names]
)
def test_the_corpus_is_as_independent_decoders_show_it(decode, name):
    case = next(case for case in CASES if case.name == name)
    truth = np.broadcast_to(case.truth, decode(case).shape) if case.truth.shape[-1] == 1 else case.truth
    np.testing.assert_allclose(decode(case), truth, atol=1e-6 if "tiff" in name else 1 / 510, rtol=0)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_every_frame_is_shown_on_what_the_frames_before_leave(clip, tmp_path):
    path = tmp_path / (clip.name + clip.suffix)
    path.write_bytes(clip.content)
    sample = Video(str(path)).load()
    np.testing.assert_allclose(sample.image, clip.truth, atol=clip.tolerance, rtol=0)


def test_a_damaged_file_ends_in_one_line_soon_and_in_little_memory(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "inputs_corpus.mutations", str(tmp_path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(run.stdout) == []
    # No decoder prints what it thinks: the names of the files are all that is there.
    assert len(run.stderr.splitlines()) == mutations.COUNT
