"""`poolzoo show` and `poolzoo visualize weights` as a user meets them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from poolzoo import registry
from poolzoo.commands import visualize


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(skimage.data.coffee()[100:140, 200:250]).save(path)
    return path


def colours(path):
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))


@pytest.mark.parametrize("command", visualize.visualize.commands)
def test_every_command_of_the_group_has_help_with_an_example(run, command):
    run("visualize", command, "--help")
    assert run.code == 0
    assert f"  poolzoo visualize {command} " in run.out


@pytest.mark.parametrize(
    ("group", "heading"), [((), "Measure"), (("visualize",), "Commands")], ids=["poolzoo", "visualize"]
)
def test_a_group_without_a_command_shows_its_help_as_it_is_laid_out(run, group, heading):
    run(*group)
    assert run.code in (0, 2)  # click 8.1 says 0
    assert f"\n{heading}:\n" in run.out + run.err


def test_a_specs_own_size_and_channels_win(run):
    assert "[  0.111][  0.111][  0.111]" in run("show", "avg:kernel_size=3").out
    assert "[  0.111][  0.111][  0.111]" in run("show", "avg:kernel_size=3,stride=1,padding=1").out
    assert "[  0.250]   0.000 [  0.250]" in run("show", "avg:dilation=2").out
    assert "[  0.250][  0.250]" in run("show", "lip:channels=3").out


def test_a_former_name_in_a_spec_is_told_once_in_a_line(run):
    shown = run("show", "lip:channels=3").out
    run("show", "lip:in_channels=3")
    line = "poolzoo: lip: in_channels is now called channels; the old name will not work in the next release\n"
    assert (run.code, run.out, run.err) == (0, shown, line)


def test_show_prints_the_card(run):
    run("show", "softpool:beta=4")
    assert (run.code, run.err) == (0, "")
    for words in (
        "softpool:beta=4",
        "y = sum w a, w = softmax(beta a)",
        "arXiv 2101.00440",
        "beta=1.0",
        "gradient, sum",
    ):
        assert words in run.out


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("sofpool", "did you mean softpool"),
        ("softpool:gamma=1", "unknown parameter 'gamma'"),
        ("lp:p=0", "p=0: a number > 0 is allowed"),
        ("lift:channels=0", "channels=0: an int >= 1 or None is allowed"),
        ("avg:ndim=3", "unknown parameter 'ndim'"),
        ("soft*", "no such operator"),
        ("", "pool=''"),
    ],
)
def test_show_of_nothing_is_one_line(run, spec, said):
    run("show", spec).fails(said)


def test_weights_are_drawn_side_by_side(run, photo, tmp_path):
    out = tmp_path / "weights.png"
    run("visualize", "weights", "--image", photo, "--output", out)
    assert (run.code, run.out) == (0, "")
    assert run.err == f"wrote {out}\n"
    everything = colours(out)
    run("visualize", "weights", "--image", photo, "--pool", "avg", "--pool", "soft*", "--output", out)
    assert run.code == 0
    assert colours(out).shape != everything.shape


def test_weights_of_different_operators_look_different(run, photo, tmp_path):
    pictures = []
    for pool in ("avg", "max", "softpool:beta=20"):
        out = tmp_path / "weights.png"
        run("visualize", "weights", "--image", photo, "--pool", pool, "--size", 24, "--output", out)
        assert run.code == 0
        pictures.append(colours(out))
    height, width = pictures[0].shape[:2]
    panel = (slice(height // 4, 3 * height // 4), slice(width // 2, 3 * width // 4))  # within the second panel
    average, largest, soft = (picture[panel].reshape(-1, 3).astype(int) for picture in pictures)
    assert (average[:, 0] > average[:, 2]).all()  # red everywhere
    assert (largest == 255).all(axis=1).any()  # white where nothing weighs
    assert (largest.sum(axis=1) < 250).any()  # deep red where all does
    assert (soft[:, 2] > soft[:, 0] + 5).any()  # blue, where a larger element would make less of y


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pool", "nosuch"), "no such operator"),
        (("--pool", "lp:p=x"), "p='x'"),
        (("--pool", "lip:channels=3"), "input: 1 channels; channels=3 are needed"),
        (("--kernel-size", "99"), "input size 40 is too small"),
        (("--kernel-size", "0"), "'0'"),
        (("--kernel-size", "2x2x2"), "'2x2x2'"),
        (("--size", "0"), "--size"),
        (("--output", "weights.jpg"), "weights.jpg': a file name that ends in .png"),
        (("--output", "nosuch/weights.png"), "there is no folder"),
        (("--image", "nosuch.png"), "nosuch.png"),
        (("--image", "nosuch*.png"), "matches no file"),
    ],
    ids=str,
)
def test_a_bad_argument_is_one_line(run, photo, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    given = {"--image": photo, "--output": "weights.png"} | dict([arguments])
    run("visualize", "weights", *(word for option in given.items() for word in option)).fails(said)
    assert not (tmp_path / "weights.png").exists()


def test_several_pictures_are_refused(run, photo, tmp_path):
    Image.open(photo).save(tmp_path / "other.png")
    run("visualize", "weights", "--image", tmp_path, "--output", tmp_path / "w.png").fails("2 images; exactly one")


def test_an_operator_of_one_axis_is_refused(run, photo, tmp_path, monkeypatch):
    registry.load_operators()
    monkeypatch.setattr(registry, "_pools", dict(registry._pools))  # what the plugin registers is gone afterwards
    plugin = tmp_path / "line.py"
    plugin.write_text(
        "from poolzoo import register_pool\n"
        "@register_pool('line_only', summary='x', formula='y', source='z', ndims=(1,))\n"
        "def line_only(a, mask):\n    return a[..., 0]\n"
    )
    out = tmp_path / "w.png"
    run("--plugin", plugin, "visualize", "weights", "--image", photo, "--pool", "line_only", "--output", out)
    run.fails("line_only: not defined for the 2 spatial axes of an image")
