"""``compare --metric`` with the metrics of piq: where it is missing, and in a row where it is there."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from PIL import Image

from poolzoo import cli
from poolzoo.analysis.scoring import image_metrics as metrics


@pytest.fixture
def photo(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (44, 48, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def run(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["poolzoo", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return (stopped.value.code, *capsys.readouterr())


def test_without_piq_its_metrics_are_one_line(monkeypatch, capsys, photo):
    monkeypatch.setitem(sys.modules, "piq", None)
    metrics._piq.cache_clear()
    code, out, err = run(monkeypatch, capsys, "compare", "--image", photo, "--pool", "avg", "--metric", "gmsd")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "pip install 'poolzoo[metrics]'" in err


def test_piqs_metrics_are_in_the_rows_and_a_small_image_says_so(monkeypatch, capsys, photo):
    pytest.importorskip("piq", reason="piq, where it is installed", exc_type=ImportError)
    asked = ["--metric", "vif", "--metric", "gmsd", "--format", "json"]
    code, out, err = run(monkeypatch, capsys, "compare", "--image", photo, "--pool", "avg", *asked)
    row = json.loads(out)["rows"][0]
    assert code == 0 and 0 < row["vif"] < 1 and 0 < row["gmsd"] < 1
    code, out, err = run(monkeypatch, capsys, "compare", "--image", photo, "--pool", "avg", "--metric", "ms_ssim")
    assert code == 2 and "MS-SSIM needs at least 161 on each side" in err and err.count("\n") == 1
