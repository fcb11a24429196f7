"""Measures, the zone plate and the low-resolution protocol from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from poolzoo.analysis.results.schema import METRICS

MEASURES = [key for key, metric in METRICS.items() if metric.of == "operator"]
ALL = [word for name in MEASURES for word in ("--metric", name)]
FEW = ("--metric", "brightness", "--metric", "mse")


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(skimage.data.coffee()[100:140, 200:250]).save(path)
    return path


def test_every_measure_is_a_key_of_the_rows(run, photo):
    run("compare", "--image", photo, "--pool", "max", *ALL, "--format", "json")
    assert run.code == 0
    (row,) = json.loads(run.out)["rows"]
    assert all(isinstance(row[name], float) for name in MEASURES)
    assert row["grad_reach"] == 0.25
    assert not {"psnr", "ssim"} & set(row)


def test_measures_that_an_image_has_none_of_are_null_and_a_dash(run, tmp_path):
    Image.new("RGB", (20, 20), (90, 90, 90)).save(tmp_path / "flat.png")
    arguments = ("compare", "--image", tmp_path / "flat.png", "--pool", "avg", "--metric", "spectrum_low")
    assert json.loads(run(*arguments, "--format", "json").out)["rows"][0]["spectrum_low"] is None
    assert run.code == 0
    assert "–" in run(*arguments).out


def test_aliasing_of_the_zone_plate_sorts_the_table(run):
    run("compare", "--image", "poolzoo:zoneplate", "--metric", "alias", *pools("strided", "blur", "avg"))
    names = [line.split()[0] for line in run.out.splitlines() if line.startswith(("strided", "blur", "avg"))]
    assert names == ["blur", "avg", "strided"]


def pools(*names: str) -> list[str]:
    return [word for name in names for word in ("--pool", name)]


def test_low_resolution_rows_say_so(run, photo, tmp_path):
    run("compare", "--image", photo, "--pool", "avg", "--protocol", "lowres", "--format", "json")
    data = json.loads(run.out)
    assert (data["rows"][0]["protocol"], data["rows"][0]["upsample"]) == ("lowres", "none")
    assert data["metadata"]["protocol"] == "lowres"


def test_low_resolution_has_a_page_with_pictures_of_what_is_on_one_grid(run, photo, tmp_path):
    page = tmp_path / "page.html"
    asked = (*pools("avg", "checkered"), "--protocol", "lowres", *FEW)
    assert run("compare", "--image", photo, *asked, "--report", page).code == 0
    data = json.loads(page.read_text().partition('id="explorer-data">')[2].partition("</script>")[0])
    assert [(image["low"], [o["title"] for o in image["operators"]]) for image in data["images"]] == [(True, ["avg"])]
    assert "antialiased bicubic" in page.read_text()


def test_what_is_asked_for_twice_is_measured_once(run, photo, tmp_path):
    folder, store = tmp_path / "photos", tmp_path / "run.sqlite"
    folder.mkdir()
    photo.rename(folder / "photo.png")
    twice = (*pools("avg"), *FEW, *FEW, "--upsample", "nearest", "--upsample", "nearest", "--format", "json")
    for source in (("--image", folder), ("--dataset", folder, "--store", store, "--jobs", "1")):
        data = json.loads(run("compare", *source, *twice).out)
        assert run.code == 0
        assert len(data["rows"]) == 1
        assert data["metadata"]["metrics"] == ["brightness", "mse"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--protocol", "lowres", "--upsample", "bilinear"], ["--upsample bilinear", "--protocol lowres"]),
        (["--protocol", "highres"], ["--protocol", "highres", "lowres"]),
        (["--image", "poolzoo:zebra"], ["poolzoo:zebra", "zoneplate"]),
        (["--metric", "aliasing"], ["--metric", "aliasing", "alias"]),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(run, photo, arguments, said):
    run("compare", "--image", photo, "--pool", "avg", *arguments).fails(*said)
