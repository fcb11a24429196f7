"""What a fit may look at, what it must reach, and what its file must survive."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from poolzoo import registry
from poolzoo.analysis.inputs.images import ImageError, find_images
from poolzoo.analysis.inputs.training_images import PHOTOGRAPHS, find_training_images
from poolzoo.analysis.scoring.fitted_parameters import load_fitted, save_fitted
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.studies import fit as fitting
from poolzoo.analysis.studies.compare import compare
from poolzoo.analysis.studies.fit import check_learnable, cut_tiles, fit, is_learnable
from poolzoo.operators.base import Pool
from poolzoo.reports.text.formats import render

LEARNABLE = [spec for spec in registry.expand_specs([]) if is_learnable(spec)]
#: Parts of photographs, (top, left): what is learned from, and what is scored.
TRAINED = {"camera": (100, 200), "chelsea": (60, 120), "coffee": (120, 150), "grass": (9, 9), "rocket": (150, 250)}
SCORED = {"astronaut": (30, 160), "brick": (100, 100)}


def save_parts(folder: Path, parts: dict[str, tuple[int, int]], size: tuple[int, int] = (32, 64)) -> Path:
    folder.mkdir()
    for name, (top, left) in parts.items():
        part = getattr(skimage.data, name)()[top : top + size[0], left : left + size[1]]
        Image.fromarray(part).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return save_parts(tmp_path_factory.mktemp("fit") / "trained", TRAINED)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    return save_parts(tmp_path_factory.mktemp("fit") / "scored", SCORED)


@pytest.fixture(scope="module")
def tiles(trained):
    return cut_tiles(find_training_images([str(trained)]), Protocol())


# Which images


def test_the_scored_images_are_left_out_by_their_pixels(tmp_path):
    copy = tmp_path / "another_name.bmp"
    Image.fromarray(skimage.data.coffee()).save(copy)
    training = find_training_images((), find_images([str(copy)]))
    assert training.left_out == ("skimage:coffee",)
    assert [image.source.name for image in training.images] == [f"skimage:{n}" for n in PHOTOGRAPHS if n != "coffee"]


def test_a_set_of_scored_images_only_is_an_error(trained):
    with pytest.raises(ImageError, match=r"none is left without the scored ones, .*camera\.png, .*rocket\.png"):
        find_training_images([str(trained)], find_images([str(trained)]))


def test_an_unreadable_training_image_is_passed_over_and_named(trained, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    training = find_training_images([str(trained), str(broken)])
    assert len(training.images) == len(TRAINED)
    assert [str(broken) in line for line in training.errors] == [True]
    with pytest.raises(ImageError, match="none can be used"):
        find_training_images([str(broken)])


def test_of_many_images_a_seeded_draw_is_taken(trained):
    draws = [find_training_images([str(trained)], most=2, seed=seed).images for seed in (0, 0, 1, 2, 3)]
    assert {len(draw) for draw in draws} == {2}
    assert draws[0] == draws[1]
    assert len(set(draws)) > 1


def test_no_tile_is_both_learned_from_and_held_back(tiles):
    every = torch.cat([tiles.learned, tiles.held_back])
    assert every.shape == (2 * len(TRAINED), 3, 32, 32)
    assert len(torch.unique(every.flatten(1), dim=0)) == len(every)
    assert tiles.groups.tolist() == list(range(len(TRAINED)))


def test_images_without_room_for_two_windows_are_named(tmp_path):
    folder = save_parts(tmp_path / "small", {"coffee": (0, 0)}, (9, 9))
    with pytest.raises(ValueError, match="9x9 pixels have no room for two squares"):
        cut_tiles(find_training_images([str(folder)]), Protocol(5))


# What is learned


def test_the_start_is_scored_as_numpy_scores_it(tiles):
    """The tree starts as average pooling, and nearest rebuilding repeats it."""
    before = fit("tree", tiles, Protocol(upsample=("nearest",)), steps=1).before
    a = tiles.held_back.numpy().reshape(len(tiles.held_back), 3, 16, 2, 16, 2)
    errors = ((a - a.mean((3, 5), keepdims=True)) ** 2).mean((1, 2, 3, 4, 5))
    assert before == pytest.approx(np.mean(-10 * np.log10(errors)), abs=1e-9)


def test_the_share_of_the_maximum_goes_where_least_squares_has_it(tiles):
    """Repeated over its window no number leaves less squared error than the mean: of mixed's shares, 0."""
    fitted = fit("mixed", tiles, Protocol(upsample=("nearest",)), steps=100)
    assert torch.sigmoid(fitted.tensors["raw"]) < 0.02
    best = fit("tree", tiles, Protocol(upsample=("nearest",)), steps=1).before
    assert best - 0.01 < fitted.after <= best


def test_an_operator_that_starts_at_the_optimum_stays_there(tiles):
    """An unfitted LIP is average pooling."""
    fitted = fit("lip", tiles, Protocol(upsample=("nearest",)), steps=10)
    assert (fitted.best_step, fitted.after) == (0, fitted.before)
    assert not fitted.tensors["logit.conv.weight"].any()


@pytest.mark.parametrize("spec", LEARNABLE)
def test_every_learnable_operator_can_be_fitted(spec, tiles):
    fitted = fit(spec, tiles, steps=2)
    assert fitted.error is None
    assert math.isfinite(fitted.before)
    assert fitted.after >= fitted.before
    assert all(bool(value.isfinite().all()) for value in fitted.tensors.values())


def test_fitted_operators_score_at_least_their_start_on_held_out_images(tiles, scored):
    specs = ["lip", "dpp", "gated", "power", "adapool"]
    fits = [fit(spec, tiles, steps=40) for spec in specs]
    rows = compare(find_images([str(scored)]), ["avg", *specs], Protocol(metrics=("psnr",)), fits=fits).rows

    def mean(pool, state):
        return np.mean([row["psnr"] for row in rows if (row["pool"], row["state"]) == (pool, state)])

    gains = {spec: mean(spec, "fitted") - mean(spec, "initial") for spec in specs}
    assert min(gains.values()) >= 0, gains
    assert min(gains["gated"], gains["power"]) > 0.1, gains


def test_a_fit_that_diverges_keeps_its_best(tiles):
    fitted = fit("lift", tiles, steps=5, learning_rate=1e200)
    assert fitted.error is None
    assert fitted.after >= fitted.before


def test_a_gain_that_may_be_chance_is_none():
    groups = torch.arange(8) // 2
    assert not fitting._is_gain(torch.tensor([1.0, 1, 1, 1, -1, -1, -1, -0.9]), groups)
    assert fitting._is_gain(torch.tensor([1.0, 1.1, 1, 1, 0.9, 1, 1, 1]), groups)
    assert not fitting._is_gain(torch.full((8,), 0.01), groups)


def test_equal_seeds_give_equal_bytes(tiles, tmp_path):
    for name in "ab":
        save_fitted(tmp_path / name, fit("gated", tiles, steps=5))
    save_fitted(tmp_path / "c", fit("gated", tiles, Protocol(seed=1), steps=5))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("spec", ["avg", "mixed:mode=random"])
def test_what_cannot_learn_is_told_who_can(spec):
    with pytest.raises(ValueError, match=r"has no parameters to learn; power, gem, .*lip"):
        check_learnable(spec)


# Its file


@pytest.fixture(scope="module")
def saved(tiles, tmp_path_factory):
    fitted = fit("power", tiles, Protocol(upsample=("nearest",)), steps=30)
    path = tmp_path_factory.mktemp("saved") / "power.safetensors"
    save_fitted(path, fitted)
    return fitted, path


def test_a_fit_comes_back_from_its_file(saved):
    fitted, path = saved
    back = load_fitted(path)
    assert back == fitted
    assert {key: value.tolist() for key, value in back.tensors.items()} == {
        key: value.tolist() for key, value in fitted.tensors.items()
    }


def test_a_file_written_under_a_former_name_is_read(tiles, tmp_path):
    fitted = fit("lip:channels=3", tiles, Protocol(upsample=("nearest",)), steps=1)
    save_fitted(tmp_path / "lip.safetensors", dataclasses.replace(fitted, spec="lip:in_channels=3"))
    with pytest.warns(DeprecationWarning, match="in_channels is now called channels"):
        assert load_fitted(tmp_path / "lip.safetensors") == fitted


def test_a_fitted_row_is_what_numpy_makes_of_the_file(saved, scored):
    """power: y = (mean a^p)^(1/p), p = 1 + log(1 + e^raw); rebuilt by repeating."""
    fitted, path = saved
    p = 1 + np.log1p(np.exp(load_file(path)["raw"].item()))
    assert p < 2.5  # from 3, towards the average
    protocol = Protocol(upsample=("nearest",), metrics=("psnr",))
    result = compare(find_images([str(scored)]), ["power"], protocol, fits=[fitted])
    assert [row["state"] for row in result.rows] == ["initial", "fitted"] * len(SCORED)
    for row in result.rows[1::2]:
        pixels = np.asarray(Image.open(row["image"]).convert("RGB")) / 255
        a = pixels.reshape(16, 2, 32, 2, 3)
        y = (a**p).mean((1, 3), keepdims=True) ** (1 / p)
        assert row["psnr"] == pytest.approx(-10 * np.log10(((a - y) ** 2).mean()), abs=1e-9)
        assert row["pool_fitted_on"] == f"5 images ({fitted.trained_on}), rebuilt by nearest"
    assert result.metadata["fits"] == [fitted.facts]


def test_a_row_says_that_its_image_was_learned_from(saved, trained):
    rows = compare(find_images([str(trained / "coffee.png")]), ["power"], fits=[saved[0]]).rows
    assert rows[0]["pool_fitted_on"] is None
    assert rows[1]["pool_fitted_on"].endswith("; this image is one of them")


def test_the_table_says_who_kept_what_it_started_with(tiles, scored):
    protocol = Protocol(upsample=("nearest",), metrics=("psnr",))
    fits = [fit("lip", tiles, protocol, steps=2), fit("mixed", tiles, protocol, steps=30)]
    assert [fitted.best_step > 0 for fitted in fits] == [False, True]
    text = render(compare(find_images([str(scored)]), ["lip", "mixed"], protocol, fits=fits), "table")
    assert "not changed by fitting, which found nothing significantly better: lip\n" in text


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (Protocol(3), "here it has kernel 3"),
        (Protocol(padding=1), "here it has kernel 2, stride 2, padding 1, none normalisation"),
        (Protocol(ceil_mode=True), "here it has kernel 2, stride 2, ceil_mode, none normalisation"),
        (Protocol(normalize="255"), "255 normalisation"),
    ],
)
def test_parameters_for_another_protocol_are_refused(saved, scored, protocol, words):
    with pytest.raises(ValueError, match=f"power: fitted for kernel 2, stride 2, none normalisation; .*{words}"):
        compare(find_images([str(scored)]), ["power"], protocol, fits=[saved[0]])


def spoil(path: Path, out: Path, change) -> Path:
    """A copy of a saved fit with its facts or tensors changed."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["poolzoo"])
    tensors = load_file(path)
    change(facts, tensors)
    save_file(tensors, out, {"poolzoo": json.dumps(facts)})
    return out


def test_a_file_of_version_1_is_read_as_interpolated(saved, scored, tmp_path):
    def as_version_1(facts, tensors):
        for key in ("padding", "dilation", "ceil_mode", "align"):
            del facts[key]
        facts["version"] = 1

    fitted = load_fitted(spoil(saved[1], tmp_path / "x.safetensors", as_version_1))
    assert fitted == dataclasses.replace(saved[0], align="interpolate")
    (row,) = compare(find_images([str(scored)])[:1], ["power"], fits=[fitted]).rows[1:]
    assert row["pool_fitted_on"].endswith("rebuilt by nearest, align interpolate")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts, tensors: facts.update(version=99), "not written by `poolzoo fit` of this version"),
        (lambda facts, tensors: facts.pop("spec"), "without a proper 'spec'"),
        (lambda facts, tensors: facts.update(before=math.nan), "without a proper 'before'"),
        (lambda facts, tensors: facts.update(learning_rate=math.inf), "without a proper 'learning_rate'"),
        (lambda facts, tensors: facts.update(images=[3]), "without a proper 'images'"),
        (lambda facts, tensors: tensors.update(raw=torch.zeros(4)), "the fitted parameters are raw 4; raw scalar are"),
        (lambda facts, tensors: tensors.pop("raw"), "raw scalar are needed"),
        (lambda facts, tensors: facts.update(spec="gem"), "fitted 'gem': not among the operators"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(run, saved, scored, tmp_path, change, words):
    path = spoil(saved[1], tmp_path / "x.safetensors", change)
    run("compare", "--image", scored, "--pool", "power", "--fitted", path).fails(words)


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 100, None])
def test_a_file_that_is_no_fit_is_one_line(run, scored, tmp_path, content):
    path = tmp_path / "x.safetensors"
    if content is None:
        save_file({"raw": torch.zeros(())}, path)
    else:
        path.write_bytes(content)
    run("compare", "--image", scored, "--pool", "power", "--fitted", path).fails("x.safetensors")
    run("compare", "--image", scored, "--pool", "power", "--fitted", tmp_path / "gone").fails("gone", "No such file")


# The command line


def test_fit_says_what_it_reached_and_compare_takes_its_file(run, trained, scored, tmp_path):
    out = tmp_path / "gated.safetensors"
    run("fit", "--pool", "gated", "--images", trained, "--steps", 30, "--output", out)
    assert run.code == 0
    lines = run.out.splitlines()
    assert lines[0].startswith("gated · kernel 2, stride 2 · rebuilt by bilinear · no normalisation · 5 images")
    initial, fitted = (float(line.split()[1]) for line in lines[3:5])
    assert fitted > initial + 0.1
    run("compare", "--image", scored, "--pool", "avg", "--pool", "gated", "--fitted", out)
    assert run.code == 0
    assert [line.split()[:2] for line in run.out.splitlines() if line.startswith("gated")] == [
        ["gated", "fitted"],
        ["gated", "untrained"],
    ]
    assert f"fitted: trained on 5 images ({trained})" in " ".join(run.out.split())


def test_compare_fits_all_that_learn_on_other_images(run, trained, scored, monkeypatch):
    monkeypatch.setattr(fitting, "fit_all", lambda *a, **k: original(*a, **k | {"steps": 3}))
    run("compare", "--image", scored / "brick.png", "--image", trained / "coffee.png", "--format", "json",
        "--pool", "avg", "--pool", "gated", "--pool", "mixed", "--fit-images", trained)  # fmt: skip
    assert run.code == 0
    rows = json.loads(run.out)["rows"]
    assert [(row["pool"], row["state"]) for row in rows[:5]] == [
        ("avg", "fixed"), ("gated", "initial"), ("gated", "fitted"), ("mixed", "initial"), ("mixed", "fitted"),
    ]  # fmt: skip
    assert {row["pool_fitted_on"] for row in rows if row["state"] == "fitted"} == {
        f"4 images ({trained}), rebuilt by bilinear"
    }


original = fitting.fit_all


def test_a_fit_that_fails_is_a_row_and_the_others_go_on(run, trained, scored, monkeypatch):
    forward = Pool.forward

    def failing(self, x):
        if self.info.name == "mixed" and torch.is_grad_enabled():
            raise RuntimeError("out of luck")
        return forward(self, x)

    monkeypatch.setattr(Pool, "forward", failing)
    monkeypatch.setattr(fitting, "fit_all", lambda *a, **k: original(*a, **k | {"steps": 2}))
    image = scored / "brick.png"
    run("compare", "--image", image, "--pool", "mixed", "--pool", "gated", "--fit-images", trained, "--format", "json")
    assert run.code == 1
    assert "mixed: cannot be fitted: RuntimeError: out of luck" in run.err
    assert [bool(row["error"]) for row in json.loads(run.out)["rows"]] == [False, True, False, False]


def test_fit_without_anything_to_learn_is_one_line(run, trained, tmp_path):
    out = tmp_path / "x.safetensors"
    run("fit", "--pool", "avg", "--images", trained, "--output", out).fails("'avg'", "lip")
    run("fit", "--pool", "lip", "--images", trained, "--output", tmp_path / "x.pt").fails("x.pt", ".safetensors")
    run("fit", "--pool", "lip", "--images", trained, "--output", tmp_path / "no" / "x.safetensors").fails("no folder")
    for rate in ("nan", "inf"):
        run("fit", "--pool", "lip", "--images", trained, "--lr", rate, "--output", out).fails(f"--lr {rate}", "above 0")
    run("fit", "--pool", "nosuch", "--images", trained, "--output", out).fails("nosuch")
    run("compare", "--image", trained, "--pool", "avg", "--fit").fails("--fit", "lip")
    run("compare", "--image", trained, "--pool", "lip", "--fit-images", trained).fails("none is left")
    assert not out.exists()


def test_a_broken_training_image_is_named_and_the_rest_is_learned_from(run, trained, tmp_path):
    broken, out = tmp_path / "broken.png", tmp_path / "x.safetensors"
    broken.write_bytes(b"no image")
    run("fit", "--pool", "power", "--images", trained, "--images", broken, "--steps", 2, "--output", out)
    assert run.code == 1
    assert "training image left out" in run.err
    assert len(load_fitted(out).images) == len(TRAINED)
