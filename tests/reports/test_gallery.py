"""The gallery in docs is what its scores give, and its scores are those of the operators that there are."""

from __future__ import annotations

import json

import pytest
from reports.conftest import docs_script

from poolzoo import registry
from poolzoo.analysis.inputs.training_images import PHOTOGRAPHS
from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.schema import TIME_KEYS
from poolzoo.reports.pictures.operator_card import pixels_hash, read_pixels_hash


@pytest.fixture(scope="module")
def maker():
    return docs_script("make_gallery")


@pytest.fixture(scope="module")
def kept(maker):
    return maker.from_scores(maker.SCORES.read_text(encoding="utf-8"))


def test_the_gallery_is_drawn_from_its_scores(maker, kept):
    shown = maker.SUMMARY.read_text(encoding="utf-8")
    if maker.versions() not in shown:
        pytest.skip(f"the plots are those of other versions than {maker.versions()}")
    text, plots = maker.draw(kept)
    assert shown == text, "`python docs/make_gallery.py --redraw` writes it anew"
    for name, pixels in plots.items():
        png = (maker.FOLDER / name).read_bytes()
        assert read_pixels_hash(png) == pixels_hash(pixels), f"{name}: `make gallery` draws it"
        assert len(png) < 150_000
    assert {path.name for path in maker.FOLDER.iterdir()} == {*plots, "scores.json"}


def test_the_scores_are_of_every_operator_and_photograph(kept):
    assert {row["pool"] for row in kept.rows} == {info.name for info in registry.builtin_pools() if 2 in info.ndims}
    assert {row["image"] for row in kept.rows} == {f"skimage:{name}" for name in PHOTOGRAPHS}
    assert all(row["error"] is None and row["forward_s"] is None for row in kept.rows)
    about = {pool["label"]: pool for pool in kept.metadata["pools"]}
    for row in kept.rows:
        info = registry.pool_info(row["pool"])
        assert (about[label(row)]["formula"], about[label(row)]["family"]) == (info.formula, info.family)


@pytest.mark.slow
def test_the_scores_are_what_is_measured(maker, kept, tmp_path):
    result = maker.measure(tmp_path, ["clock"], ["avg", "strided", "lanczos", "s3"])
    assert (tmp_path / "gallery.html").stat().st_size > 100_000
    again = maker.from_scores(maker.to_scores(result)).rows
    place = ("pool", "params", "state", "seed")
    found = {tuple(row[key] for key in place): row for row in kept.rows if row["image"] == "skimage:clock"}
    assert len(again) == 1 + 1 + 1 + 4
    for row in again:
        known = found[tuple(row[key] for key in place)]
        assert [row[key] for key in ("ssim", "psnr", "kept")] == pytest.approx(
            [known[key] for key in ("ssim", "psnr", "kept")], abs=2 * 10**-maker.DIGITS
        )


def test_scores_hold_all_but_times(maker, compared):
    for row in compared.rows:
        row["data_range"] = row["input"] = row["pool_fitted_on"] = None
    back = maker.from_scores(maker.to_scores(compared))
    assert len(back.rows) == len(compared.rows)
    for one, other in zip(compared.rows, back.rows, strict=True):
        assert {key: other[key] for key in compared.columns} == pytest.approx(
            {key: one[key] for key in compared.columns} | dict.fromkeys(TIME_KEYS), abs=10**-maker.DIGITS
        )
    scores = json.loads(maker.to_scores(compared))
    assert not {*scores["same"], *scores["keys"]} & set(TIME_KEYS)
