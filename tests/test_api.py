"""The studies from Python: the rows of the commands of the same names, and what a result gives."""

from __future__ import annotations

import inspect
import json
import math
import sys

import click
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import poolzoo
from poolzoo import cli
from poolzoo.analysis.results.schema import PROFILE_KEYS

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 30, 3), dtype=np.uint8)
#: What a machine or a moment decides.
TIMES = ("forward_s",)


@pytest.fixture(scope="module")
def result():
    return poolzoo.compare([PIXELS, "skimage:camera"], pool=["avg", "max", "soft*"], pictures=True)


def rows_of(result):
    return [{key: value for key, value in row.items() if key not in TIMES} for row in result.rows]


def test_rows_are_those_of_the_command(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    arguments = ["--image", str(tmp_path / "a.png"), "--kernel-size", "3", "--upsample", "nearest", "--metric", "mae"]
    with pytest.raises(SystemExit) as ended:
        cli.cli.main(["compare", *arguments, "--pool", "lp:p=3", "--output", str(tmp_path / "a.json")])
    assert not ended.value.code
    read = poolzoo.load(tmp_path / "a.json")
    here = poolzoo.compare(tmp_path / "a.png", pool="lp:p=3", kernel_size=3, upsample="nearest", metric="mae")
    assert rows_of(read) == rows_of(here)
    assert [row["mae"] > 0 for row in here.rows] == [True]


def as_tensor(pixels):
    return torch.from_numpy(pixels).movedim(-1, 0)


@pytest.mark.parametrize(
    "given",
    [
        PIXELS,
        PIXELS / 255,
        Image.fromarray(PIXELS),
        as_tensor(PIXELS),
        as_tensor(PIXELS)[None].double() / 255,
        PIXELS.astype(np.uint16) * 257,
        np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)]),
    ],
    ids=["uint8", "float", "pillow", "tensor", "batch of floats", "uint16", "opaque alpha"],
)
def test_an_image_in_memory_scores_as_its_file(given, tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    (from_file,) = poolzoo.compare(str(tmp_path / "a.png"), pool="max").rows
    (row,) = poolzoo.compare(given, pool="max").rows
    assert row["image"] == "array 0"
    assert [row["ssim"], row["psnr"]] == pytest.approx([from_file["ssim"], from_file["psnr"]], rel=1e-12)


def test_a_grey_image_a_batch_and_transparency():
    grey = PIXELS[..., 0]
    rows = poolzoo.compare([grey, torch.rand(2, 1, 8, 8), np.zeros((6, 6, 2))], pool="avg", metric="mse").rows
    assert [row["image"] for row in rows] == ["array 0", "array 1", "array 2", "array 3"]
    assert rows[0]["mse"] > 0
    assert rows[3]["mse"] == 0  # black, but nothing of it is there: white


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((3, 3, 7)), r"array 0: shape \(3, 3, 7\)"),
        (np.zeros((4, 4), dtype=int), "array 0: type int64"),
        (torch.zeros(3), r"array 0: a tensor of shape \(3,\)"),
        (np.full((4, 4), 2.0), "array 0: grey values from 2 to 2"),
        (np.full((4, 4), math.nan), "array 0: grey values from nan to nan"),
        (np.zeros((0, 4)), r"array 0: shape \(0, 4, 1\)"),
        ("no/such/glob*.png", "no such file"),
    ],
    ids=str,
)
def test_what_is_no_image_is_named(image, words):
    with pytest.raises(ValueError, match=words):
        poolzoo.compare(image, pool="avg")


def test_another_type_is_named():
    with pytest.raises(TypeError, match="array 1: int is not an image"):
        poolzoo.compare([PIXELS, 5], pool="avg")
    with pytest.raises(TypeError, match="array 0: int is not an image"):
        poolzoo.compare(5, pool="avg")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"pool": "softpol"}, "softpol"),
        ({"pool": "avg", "upsample": "lanczos"}, "upsample='lanczos'"),
        ({"pool": "avg", "metric": "beauty"}, "metrics='beauty'"),
        ({"pool": "avg", "device": "gpu"}, "device gpu: not a device"),
        ({"pool": "avg", "baseline": "max"}, "max"),
        ({"pool": "avg", "fit": True}, "fit: none of the compared operators is learnable"),
    ],
    ids=str,
)
def test_a_bad_argument_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        poolzoo.compare(PIXELS, **arguments)


def test_operators_that_have_not_these_axes_are_left_out_with_a_warning():
    with pytest.warns(UserWarning, match="left out, not defined for 1 spatial axes: "):
        found = poolzoo.profile(pool=["c*", "avg"], shape=(1, 2, 32), min_time=1e-3)
    assert {row["pool"] for row in found.rows} == {"avg"}


def test_frames_hold_the_rows_and_the_summaries(result):
    frame = result.to_frame()
    assert list(frame.columns) == result.columns
    assert frame["ssim"].tolist() == [row["ssim"] for row in result.rows]
    summary = result.summary().set_index("operator")
    assert summary.loc["avg", "ssim"] == pytest.approx(frame[frame["pool"] == "avg"]["ssim"].mean(), rel=1e-12)
    assert summary.loc["avg", "ssim_median"] == pytest.approx(frame[frame["pool"] == "avg"]["ssim"].median(), rel=1e-12)
    means = frame.groupby("pool")["psnr"].mean()
    assert summary.loc["max", "psnr_difference"] == pytest.approx(means["max"] - means["avg"], rel=1e-9)
    assert summary["images"].unique().tolist() == [2]


def test_a_result_is_shown_saved_and_read_back(result, tmp_path):
    assert repr(result) == "<poolzoo.Result of compare: 5 operators, 2 images, 10 rows>"
    assert "<table" in result._repr_html_() and "softpool" in result._repr_html_()
    assert result.to_markdown().startswith("**")
    assert r"\toprule" in result.to_latex() and r"softpool\_detached" in result.to_latex()
    for name in ("a.json", "a.csv", "a.md", "a.txt"):
        assert result.save(tmp_path / name).stat().st_size > 0
    result.report(tmp_path / "a.html")
    assert "data:image/" in (tmp_path / "a.html").read_text()
    for name in ("a.json", "a.html"):
        assert poolzoo.load(tmp_path / name).rows == json.loads(json.dumps(result.rows))
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + len(result.rows)


def test_plots_are_drawn_by_name(result):
    assert "retention" in result.plots
    assert result.plot("retention").axes
    assert result.plot().axes
    with pytest.raises(ValueError, match="kind='pie': retention"):
        result.plot("pie")


@pytest.mark.parametrize(("method", "name"), [("save", "a.html"), ("save", "a"), ("report", "a.json")])
def test_a_suffix_that_is_not_written_is_refused(result, method, name, tmp_path):
    with pytest.raises(ValueError, match=r"a name that ends in \."):
        getattr(result, method)(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_of_a_page_of_several_results_one_is_chosen(result, tmp_path):
    result.save(tmp_path / "a.json")
    cost = poolzoo.profile(pool=["avg", "max"], shape=(1, 2, 16, 16), min_time=1e-3)
    assert list(cost.summary().columns) == list(PROFILE_KEYS)
    cost.save(tmp_path / "b.json")
    names = [str(tmp_path / name) for name in ("a.json", "b.json")]
    cli.cli.main(["report", *names, "--output", str(tmp_path / "both.html")], standalone_mode=False)
    with pytest.raises(ValueError, match="contains 2 results; index=0 to index=1 are allowed"):
        poolzoo.load(tmp_path / "both.html")
    assert poolzoo.load(tmp_path / "both.html", index=1).kind == "profile"
    with pytest.raises(ValueError, match="index=2"):
        poolzoo.load(tmp_path / "both.html", index=2)


def test_sweep_fit_and_weights(tmp_path):
    swept = poolzoo.sweep(PIXELS, pool="softpool", over="beta=1,2")
    assert swept.summary()["operator"].tolist().count("softpool:beta=2") == 1
    assert "sweep" in swept.plots
    fitted = poolzoo.fit("skimage:coffee", pool="dpp", steps=2, output=tmp_path / "dpp.safetensors")
    assert fitted.tensors and fitted.after >= fitted.before
    both = poolzoo.compare(PIXELS, pool=["avg", "dpp"], fitted=tmp_path / "dpp.safetensors")
    assert [row["state"] for row in both.rows] == ["fixed", "initial", "fitted"]
    assert len(poolzoo.visualize_weights(PIXELS, pool=["avg", "max"], size=12).axes) >= 3
    with pytest.raises(ValueError, match="output='dpp.pth'"):
        poolzoo.fit("skimage:coffee", pool="dpp", output="dpp.pth")


#: The function that does what a command does; its arguments are named as the command's options.
FUNCTIONS = {
    "compare": poolzoo.compare,
    "export": poolzoo.export,
    "fit": poolzoo.fit,
    "list": poolzoo.list_pools,
    "profile": poolzoo.profile,
    "report": poolzoo.report,
    "sweep": poolzoo.sweep,
    "train": poolzoo.train,
    "visualize weights": poolzoo.visualize_weights,
    "visualize checkered": poolzoo.visualize_checkered,
}
#: Commands that show text of what Python has at hand, `pool_info`, `poolzoo.native.build`, the machine's facts, or of
#: what only a terminal needs.
OF_THE_TERMINAL = {"show", "build", "doctor", "completion"}
#: Options without an argument: where a result goes is a method's (save, report, save_plots, plot, savefig); a GPU is a
#: device.
OF_THE_COMMAND = {
    "compare": {"format", "output", "report", "save_plots"},
    # A whole model is the matter of `profile_model`, see below.
    "profile": {"format", "output", "report", "save_plots", "gpu", "model", "batch", "compile"},
    "sweep": {"format", "output", "report", "save_plots", "plot"},
    "train": {"format", "output", "report", "save_plots"},
    "visualize weights": {"output"},
}
#: Arguments without an option: the page asks for pictures, and plugins are the root command's.
OF_PYTHON = {"compare": {"pictures", "plugin"}, "train": {"plugin"}}


def all_commands(group=cli.cli, name=""):
    for word, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{name}{word} ")
        else:
            yield f"{name}{word}", command


COMMANDS = dict(all_commands())


def test_every_command_has_a_function_or_is_named_as_one_of_the_terminal():
    assert COMMANDS.keys() == FUNCTIONS.keys() | OF_THE_TERMINAL


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_are_named_as_the_commands_options(name):
    ours = set(inspect.signature(FUNCTIONS[name]).parameters)
    params = COMMANDS[name].params
    theirs = {
        option.opts[0].lstrip("-").replace("-", "_") if isinstance(option, click.Option) else option.name
        for option in params
    }
    assert theirs - ours == OF_THE_COMMAND.get(name, set())
    assert ours - theirs == OF_PYTHON.get(name, set())


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - {"list", "report"}))
def test_defaults_are_those_of_the_commands_options(name):
    ours = inspect.signature(FUNCTIONS[name]).parameters
    for option in COMMANDS[name].params:
        argument = ours.get(option.name)
        # An option that must be given has no default; these two stand for that of the function where they are not.
        if (
            argument is None
            or option.required
            or (name, option.name)
            in {
                ("profile", "device"),
                ("visualize weights", "pool"),
            }
        ):
            continue
        default = option.to_info_dict()["default"]
        theirs = option.type_cast_value(click.Context(COMMANDS[name]), default) if default is not None else None
        expected = argument.default
        assert theirs in (expected, (expected,)) or not (theirs or expected), option.name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image": PIXELS, "frames": 3}, "frames=3: not used with image; only with video"),
        ({"image": "a.png", "dataset": "photos", "store": "s"}, "image='a.png': not used with dataset"),
        ({"image": PIXELS, "jobs": 2}, "jobs=2: not used with image; only with dataset"),
        ({"image": PIXELS, "protocol": "lowres", "upsample": "nearest"}, "upsample='nearest': not used with protocol"),
        ({"dataset": "photos"}, "dataset='photos': needs store"),
        ({}, "an image, a video, a volume or a dataset is needed"),
    ],
    ids=str,
)
def test_an_argument_without_effect_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        poolzoo.compare(**arguments, pool="avg")


def test_a_dataset_is_scored_into_a_store_and_saved_whole(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(8):
        Image.fromarray(np.roll(PIXELS, number, axis=0)).save(photos / f"{number}.png")
    (photos / "notes.txt").write_text("none")
    found = poolzoo.compare(
        dataset=str(photos), store=tmp_path / "s.sqlite", jobs=1, pool=["avg", "max"], metric="psnr"
    )
    assert found.metadata["dataset"]["images"] == 8 and found.metadata["passed_over"] == {".txt": 1}
    assert len(found.rows) == 12  # six images stand for all
    for result in (found, poolzoo.load(tmp_path / "s.sqlite")):
        saved = result.save(tmp_path / "s.csv").read_text().splitlines()
        assert len(saved) == 1 + 16
    again = poolzoo.compare(dataset=str(photos), store=tmp_path / "s.sqlite", pool=["avg", "max"], metric="psnr")
    assert again.rows == found.rows


def test_pictures_beside_a_result_are_found_by_a_page(tmp_path):
    found = poolzoo.compare(PIXELS, pool=["avg", "max"], save_images=tmp_path / "pictures")
    found.save(tmp_path / "a.json")
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == len(found.metadata["pictures"]) > 4
    poolzoo.report(tmp_path / "a.json", tmp_path / "a.html")
    assert "data:image/" in (tmp_path / "a.html").read_text()


def test_clips_are_pooled_over_three_axes(tmp_path):
    tifffile.imwrite(tmp_path / "v.tif", RNG.integers(0, 255, (12, 12, 12), dtype=np.uint8))
    with pytest.warns(UserWarning, match="left out, not defined for 3 spatial axes: complete"):
        found = poolzoo.compare(volume=str(tmp_path / "v.tif"), pool=["avg", "comp*"], metric="psnr")
    assert [row["upsample"] for row in found.rows] == ["trilinear"]


def test_positions_that_survive_are_given_and_drawn(tmp_path):
    files = {"output": tmp_path / "a.png", "gif": tmp_path / "a.gif"}
    kept = poolzoo.visualize_checkered(size=8, steps=1, method="naive", **files)
    assert [step.shape for step in kept] == [(8, 8)] and set(kept[0].ravel()) == {-1, 0, 1}
    assert all(file.exists() for file in files.values())
    with pytest.raises(ValueError, match="seed=3: not used with method lattice"):
        poolzoo.visualize_checkered(seed=3)


def test_results_say_the_command_only_where_there_was_one(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["poolzoo", "profile", "by hand"])
    command = ["profile", "--pool", "avg", "--shape", "1x1x8x8", "--min-time", "0.001"]
    cli.cli.main([*command, "--output", str(tmp_path / "a.json")], standalone_mode=False)
    assert poolzoo.load(tmp_path / "a.json").metadata["command"] == "poolzoo profile 'by hand'"
    assert poolzoo.profile(pool="avg", shape=(1, 1, 8, 8), min_time=1e-3).metadata["command"] == ""
