"""Cut-outs: rebuilt as torch rebuilds, packed without loss."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from poolzoo.analysis.scoring.protocol import UPSAMPLERS
from poolzoo.reports.pictures.cutouts import TAPS, Box, cut_part, pack, rebuild_part, sources


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_every_upsampler_of_torch_has_its_taps():
    assert set(TAPS) <= set(UPSAMPLERS)


@pytest.mark.parametrize("upsample", TAPS)
@pytest.mark.parametrize(
    ("pooled", "full"),
    [((20, 30), (40, 60)), ((19, 29), (40, 60)), ((13, 7), (40, 61)), ((41, 61), (40, 60)), ((1, 1), (5, 5))],
)
def test_a_part_is_rebuilt_as_torch_rebuilds_the_whole(upsample, pooled, full):
    data = noise(*pooled)
    x = torch.from_numpy(data / 255).permute(2, 0, 1)[None]
    whole = F.interpolate(x, size=full, **UPSAMPLERS[upsample].interpolation)[0].permute(1, 2, 0).numpy()
    height, width = full
    for box in (Box(0, 0, *full), Box(height // 3, width // 4, height // 3, width // 2), Box(height - 2, 1, 2, 3)):
        part = cut_part(data, sources(box, pooled, full))
        assert np.abs(rebuild_part(part, box, full, upsample) - whole[box.slices]).max() < 1e-13


def median_edge(plane):
    """LOCO-I's predictor as the paper has it: min, max or a + b - c."""
    predicted = np.zeros_like(plane)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            a = plane[y, x - 1] if x else 0
            b = plane[y - 1, x] if y else 0
            c = plane[y - 1, x - 1] if x and y else 0
            predicted[y, x] = min(a, b) if c >= max(a, b) else max(a, b) if c <= min(a, b) else a + b - c
    return predicted


def test_packed_bytes_are_what_the_prediction_leaves():
    data = noise(9, 7)
    coding, packed = pack(data)
    red, green, blue = np.moveaxis(data.astype(int), 2, 0)
    planes = [plane % 256 for plane in (green, red - green, blue - green)]
    expected = np.stack([(plane - median_edge(plane)) % 256 for plane in planes])
    assert coding == "spatial"
    assert zlib.decompress(packed) == expected.astype(np.uint8).tobytes()


def test_what_differs_little_from_the_reference_is_packed_against_it():
    data = noise(40, 40)
    near = (data + np.random.default_rng(1).integers(0, 2, data.shape)).astype(np.uint8)
    coding, packed = pack(near, data)
    assert coding == "reference"
    assert len(packed) < len(pack(near)[1]) / 2
    planes = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(3, 40, 40)
    green = planes[0] + data[..., 1]
    red, blue = planes[1] + planes[0] + data[..., 0], planes[2] + planes[0] + data[..., 2]
    assert np.array_equal(np.stack([red, green, blue], axis=2), near)


def test_the_shorter_coding_is_taken():
    assert pack(np.full((20, 20, 3), 7, np.uint8), noise(20, 20))[0] == "spatial"
    assert pack(noise(20, 20), noise(20, 21))[0] == "spatial", "another shape is no reference"


@pytest.mark.parametrize("side", [3, 10, 100])
def test_a_box_around_another_stays_inside(side):
    outer = Box(5, 7, 40, 30)
    for inner in (Box(5, 7, 2, 2), Box(43, 35, 2, 2), Box(20, 20, 3, 3)):
        box = outer.around(inner, side)
        assert outer.holds(box)
        assert (box.height, box.width) == (min(side, 40), min(side, 30))
        assert box.holds(inner)
    assert not outer.holds(Box(4, 7, 2, 2)) and not outer.holds(Box(44, 7, 2, 2))
