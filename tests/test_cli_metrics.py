"""``compare --metric`` with the metrics of piq: where it is missing, and in a row where it is there."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from PIL import Image

from poolzoo.analysis.scoring import image_metrics as metrics


@pytest.fixture
def photo(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (44, 48, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_without_piq_its_metrics_are_one_line(monkeypatch, run, photo):
    monkeypatch.setitem(sys.modules, "piq", None)
    metrics._piq.cache_clear()
    run("compare", "--image", photo, "--pool", "avg", "--metric", "gmsd").fails("pip install 'poolzoo[metrics]'")


def test_piqs_metrics_are_in_the_rows_and_a_small_image_says_so(run, photo):
    pytest.importorskip("piq", reason="piq, where it is installed", exc_type=ImportError)
    asked = ["--metric", "vif", "--metric", "gmsd", "--format", "json"]
    assert run("compare", "--image", photo, "--pool", "avg", *asked).code == 0, run.err
    row = json.loads(run.out)["rows"][0]
    assert 0 < row["vif"] < 1 and 0 < row["gmsd"] < 1
    done = run("compare", "--image", photo, "--pool", "avg", "--metric", "ms_ssim")
    assert done.code == 2 and "MS-SSIM needs at least 161 on each side" in done.err and done.err.count("\n") == 1
