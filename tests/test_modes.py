"""Every option of every command, in every way to run it: it changes what is done, or it is refused with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import skimage.data
from PIL import Image

from poolzoo import cli
from poolzoo._files import CommandFiles
from poolzoo.analysis.inputs import features
from poolzoo.analysis.results import machine
from poolzoo.analysis.scoring import fitted_parameters, gradients
from poolzoo.analysis.studies import compare, dataset, fit, profile, profile_model, subsampling, sweep
from poolzoo.commands import compare as compare_command, profile as profile_command, sweep as sweep_command, writing

#: Each option with a value that is not its default's, by its parameter's name.
VALUES = {
    "image": "--image other.png",
    "features": "--features resnet18:layer1",
    "weights": "--weights w.pth",
    "video": "--video other.gif",
    "frames": "--frames 3",
    "volume": "--volume other.tif",
    "images": "--images other.png",
    "dataset": "--dataset data --store s.sqlite",
    "store": "--store t.sqlite",
    "jobs": "--jobs 2",
    "scheduler": "--scheduler tcp://192.0.2.1:8786",
    "retry": "--retry",
    "pool": "--pool max",
    "kernel_size": "--kernel-size 3",
    "stride": "--stride 1",
    "padding": "--padding 1",
    "dilation": "--dilation 2",
    "ceil_mode": "--ceil-mode",
    "align": "--align interpolate",
    "like": "--like net.py:make:pool",
    "model": "--model net.py:make",
    "batch": "--batch 3",
    "compile": "--compile",
    "decoder_images": "--decoder-images other.png",
    "normalize": "--normalize 255",
    "metric": "--metric mae",
    "protocol": "--protocol lowres",
    "seed": "--seed 7",
    "seeds": "--seeds 2",
    "device": "--device meta",
    "fit": "--fit",
    "fit_images": "--fit-images other.png",
    "fitted": "--fitted f.safetensors",
    "fmt": "--format csv",
    "output": "--output out.json",
    "report": "--report out.html",
    "baseline": "--baseline max",
    "save_plots": "--save-plots plots",
    "save_images": "--save-images images",
    "gpu": "--gpu",
    "shape": "--shape 1x2x6x6",
    "dtype": "--dtype float64",
    "channels_last": "--channels-last",
    "threads": "--threads 2",
    "min_time": "--min-time 0.1",
    "points": "--points 3",
    "plot": "--plot out.png",
    "steps": "--steps 2",
    "lr": "--lr 0.5",
    "upsample": "--upsample nearest",
    "size": "--size 32",
    "gif": "--gif out.gif",
    "method": "--method naive",
}
POOLS = "--pool avg --pool lip"
IMAGE, DATASET = f"compare {POOLS} --image photo.png", f"compare {POOLS} --dataset data --store s.sqlite"
SWEEP = "sweep --pool softpool --image photo.png --over beta="
#: Ways to run a command, by how messages name them.
MODES = {
    "--image": IMAGE,
    "--features": f"{IMAGE} --features resnet18:layer2",
    "--video": f"compare {POOLS} --video clip.gif",
    "--volume": f"compare {POOLS} --volume clip.tif",
    "--dataset": DATASET,
    "--protocol lowres": f"{IMAGE} --protocol lowres",
    "--upsample optimal": f"{IMAGE} --upsample optimal",
    "--scheduler": f"{DATASET} --scheduler tcp://192.0.2.2:8786",
    "--device cpu": f"profile {POOLS}",
    "another --device": f"profile {POOLS} --device cuda:0",
    "--gpu": f"profile {POOLS} --gpu",
    "--model": f"profile {POOLS} --model other.py:make",
    "a range in --over": f"{SWEEP}1..4",
    "a list in --over": f"{SWEEP}1,4",
    "fit": "fit --pool lip --images photo.png --output out.safetensors",
    "weights": "visualize weights --image photo.png --output w.png",
    "--like": f"{IMAGE} --like other.py:make:pool",
    **{
        f"--method {name}": f"visualize checkered --output c.png --method {name}"
        for name in ("lattice", "random", "traditional", "tri", "complete")
    },
}


#: What else of a way to run a command is named where it does not use an option.
OTHERS = ("--image", "--dataset", "--upsample bilinear", "--device", "single operators")


#: The commands that have a Writer.
MEASURING = (compare_command, profile_command, sweep_command)


class Reached(Exception):
    """The command is about to work."""


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkdir("data")
    for name, pool in (("net", "MaxPool2d(3, 2)"), ("other", "MaxPool2d(5, 2)"), ("solid", "MaxPool3d(3)")):
        made = f"nn.Sequential(OrderedDict(pool=nn.{pool}))"
        code = f"from collections import OrderedDict\nfrom torch import nn\n\ndef make():\n    return {made}\n"
        Path(f"{name}.py").write_text(code)
    for place, name in enumerate(("photo.png", "other.png", "data/a.png")):
        Image.fromarray(skimage.data.coffee()[100:140, place:50]).save(name)


@pytest.fixture
def attempt(monkeypatch, run):
    """What a command is about to do and write, or its complaint."""
    declared: list[Any] = []

    def reach(*args: Any, **kwargs: Any) -> None:
        # The command line itself is told to the result, and differs of course.
        kwargs = {key: bool(value) if callable(value) else value for key, value in kwargs.items() if key != "command"}
        raise Reached(repr((args, kwargs)))

    def log(name: str) -> None:
        method = getattr(CommandFiles, name)

        def logged(self: CommandFiles, *args: Any, **kwargs: Any) -> Any:
            declared.append((name, *map(str, args)))
            return method(self, *args, **kwargs)

        monkeypatch.setattr(CommandFiles, name, logged)

    class Writer(writing.Writer):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            declared.append(self.fmt)

    log("writes")
    log("writes_folder")
    for command in MEASURING:
        monkeypatch.setattr(command, "Writer", Writer)
    monkeypatch.setattr(machine, "check_device", lambda *device: None)
    monkeypatch.setattr(features, "find_layers", lambda *asked: asked)
    monkeypatch.setattr(features, "feature_maps", lambda *asked: [asked])
    monkeypatch.setattr(fitted_parameters, "load_fitted", str)
    monkeypatch.setattr(fitted_parameters, "check_fits", lambda *fits: None)
    monkeypatch.setattr(fit, "cut_tiles", lambda training, protocol: (training.name, protocol))
    for module, name in (
        (compare, "compare"),
        (dataset, "compare_dataset"),
        (profile, "profile"),
        (profile_model, "profile_model"),
        (sweep, "run_sweep"),
        (fit, "fit"),
        (fit, "fit_all"),
        (gradients, "pixel_weights"),
        (subsampling, "kept_positions"),
    ):
        monkeypatch.setattr(module, name, reach)

    def attempt(line: str) -> tuple[list[Any], str]:
        declared.clear()
        try:
            complaint = run(*line.split()).err
        except Reached as reached:
            return [*declared, str(reached)], ""
        return [], complaint

    return attempt


def command_of(line: str) -> click.Command:
    command: click.Command = cli.cli
    for word in line.split():
        if not isinstance(command, click.Group):
            break
        command = command.commands[word]
    return command


@pytest.mark.parametrize("mode", MODES)
def test_an_option_has_an_effect_or_is_refused(attempt, mode):
    line = MODES[mode]
    plain, complaint = attempt(line)
    assert plain, complaint
    for param in command_of(line).params:
        option = param.opts[0]
        if option in line.split() and not param.multiple:
            continue
        given = VALUES[param.name]
        if option == "--like" and mode in ("--video", "--volume"):
            given = "--like solid.py:make:pool"
        changed, complaint = attempt(f"{line} {given}")
        if changed:
            assert changed != plain, f"{option} has no effect with {mode}"
        else:
            assert complaint.startswith("poolzoo: ") and complaint.count("\n") == 1, (option, complaint)
            assert option in complaint, complaint
            assert any(f" {said}" in complaint for said in (mode, *OTHERS)), complaint


def all_commands(group: click.Group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    for word, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{name}{word} ")
        else:
            yield f"{name}{word}", command


ONCE = [
    (name, option.opts[0])
    for name, command in all_commands(cli.cli)
    for option in command.params
    if isinstance(option, click.Option) and not (option.multiple or option.is_flag)
]


@pytest.mark.parametrize(("command", "option"), ONCE)
def test_an_option_that_is_taken_once_is_given_once(run, command, option):
    run(*command.split(), option, "1", option, "2").fails(option, "given 2 times; once is allowed")


def test_options_that_repeat_or_are_flags_may_stand_more_than_once(attempt):
    assert attempt("profile --pool avg --pool max --gpu --gpu")[0]
    assert not Path("s.sqlite").exists()
