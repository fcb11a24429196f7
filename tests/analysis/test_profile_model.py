"""The cost of a whole model: memory is counted by hand, shares are those of pools that sleep, times add up."""

from __future__ import annotations

import functools
import inspect
import json
import math
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import poolzoo
from poolzoo import cli
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import MODEL_KEYS
from poolzoo.analysis.scoring.forward_times import time_shares

QUICK = {"min_time": 1e-4}
#: One pool as a module, two as calls.
NET = """
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool, self.fc = nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 2, 1), nn.Linear(4, 2)

    def forward(self, x):
        x = F.avg_pool2d(F.max_pool2d(self.pool(self.conv(x)), 2), 2)
        return self.fc(x.mean((2, 3)))


def make():
    return Net(), torch.rand(2, 3, 34, 34)


def without_pools():
    return nn.Conv2d(3, 4, 3)


def with_a_head():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1))


def scripted():
    return torch.jit.script(nn.Sequential(nn.MaxPool2d(2)))


def broken():
    raise RuntimeError("no weights")
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(NET)
    return f"{tmp_path / 'net.py'}:make"


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2))


X = torch.rand(2, 3, 10, 10)


def test_a_row_per_operator_and_batch_the_model_as_given_first(net):
    result = poolzoo.profile_model(net, pools=["max", "softpool"], batch=[1, 3], **QUICK)
    assert [(row["pool"], row["batch"]) for row in result.rows] == [
        *(("", 1), ("", 3)),
        *(("max", 1), ("max", 3)),
        *(("softpool", 1), ("softpool", 3)),
    ]
    for row in result.rows:
        assert set(row) == set(MODEL_KEYS) and row["error"] is None
        figures = ("forward_s", "forward_backward_s", "peak_bytes", "training_peak_bytes", "ratio", "pools_share")
        assert row["waited_fraction"] is None or row["waited_fraction"] >= 0
        assert all(math.isfinite(row[key]) and row[key] > 0 for key in figures), row
        assert row["shape"] == f"{row['batch']}x3x34x34"
        sites = dict(site.split("=") for site in row["sites"].split(","))
        assert set(sites) == {"pool", "max_pool2d", "avg_pool2d"}
        assert sum(map(float, sites.values())) == pytest.approx(row["pools_share"], abs=2e-4)
    assert [row["ratio"] for row in result.rows[:2]] == [1, 1]
    first, third = result.rows[0], result.rows[2]
    assert third["ratio"] == pytest.approx(third["forward_s"] / first["forward_s"])
    both = third["forward_backward_s"] / first["forward_backward_s"]
    assert third["forward_backward_ratio"] == pytest.approx(both)


def test_a_result_is_read_back_and_shown(net, tmp_path):
    result = poolzoo.profile_model(net, pools="softpool", **QUICK)
    read = poolzoo.load(result.save(tmp_path / "model.json"))
    assert read.kind == "profile_model" and read.rows == json.loads(result.to_json())["rows"]
    assert list(read.to_frame().columns) == list(MODEL_KEYS)
    text = read.to_markdown()
    assert "as given" in text and "softpool" in text and "avg_pool2d" in text
    assert read.plots == []
    with pytest.raises(ValueError, match="shown as tables"):
        read.plot()


def test_memory_is_what_counting_by_hand_gives():
    torch.set_num_threads(1)
    model = nn.Sequential(nn.AvgPool2d(2))
    rows = poolzoo.profile_model(model, torch.rand(2, 3, 8, 8), pools="avg", **QUICK).rows
    assert [row["peak_bytes"] for row in rows] == [2 * 3 * 4 * 4 * 4] * 2
    # Nothing learns: there is no training step.
    assert [row["forward_backward_s"] for row in rows] == [None] * 2


class Sleeping(nn.Module):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds)
        return x


def test_shares_are_the_times_inside_the_modules_over_the_whole():
    short, long = Sleeping(0.01), Sleeping(0.03)
    model = nn.Sequential(short, nn.Sequential(long, Sleeping(0.02)), short)
    shares = time_shares(lambda: model(X), {"short": short, "long": long}, 0.1, 0.2)
    # 2 x 10 ms and 30 ms of 70 ms; sleeps last longer on a busy machine.
    assert shares["short"] == pytest.approx(2 / 7, abs=0.1)
    assert shares["long"] == pytest.approx(3 / 7, abs=0.1)
    assert not short._forward_hooks and not short._forward_pre_hooks


def test_the_model_and_the_random_state_are_left_as_they_were():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Dropout()).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    poolzoo.profile_model(model, X, pools=["lip", "stochastic"], dtype="float64", **QUICK)
    assert torch.equal(torch.get_rng_state(), state)
    assert type(model[2]) is nn.MaxPool2d and all(module.training for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_operator_that_cannot_be_put_in_is_a_row_and_the_others_go_on():
    rows = poolzoo.profile_model(small(), X, pools=["checkered", "avg"], **QUICK).rows
    assert "submaps" in rows[1]["error"] and rows[1]["forward_s"] is None
    assert rows[2]["error"] is None and rows[2]["ratio"] > 0


def test_a_training_step_that_fails_keeps_the_forward_figures():
    class Once(nn.Sequential):
        def forward(self, x):
            if self.training:
                raise RuntimeError("not in training")
            return super().forward(x)

    row = poolzoo.profile_model(Once(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2)), X, pools="avg", **QUICK).rows[0]
    assert row["forward_s"] > 0 and row["error"] == "forward and backward: RuntimeError: not in training"


def test_how_the_model_is_run_is_in_the_rows():
    result = poolzoo.profile_model(
        small(), shape=(2, 3, 10, 10), pools="avg", dtype="float64", channels_last=True, threads=1, batch=5, **QUICK
    )
    told = {"dtype": "float64", "layout": "channels_last", "threads": 1, "shape": "5x3x10x10", "execution": "eager"}
    assert {key: result.rows[1][key] for key in told} == told
    assert result.metadata["pools_replaced"][0]["where"] == "1"


def test_inputs_are_repeated_or_cut_to_the_batch_size():
    seen = []

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.pool = nn.MaxPool2d(2)

        def forward(self, x, scale):
            seen.append((x.shape[0], tuple(x[:, 0, 0, 0].tolist()), scale.shape))
            return self.pool(x) * scale

    x = torch.arange(2.0)[:, None, None, None].expand(2, 1, 4, 4)
    poolzoo.profile_model(Two(), (x, torch.tensor(2.0)), pools="avg", batch=[1, 5], **QUICK)
    assert set(seen) == {(1, (0.0,), ()), (5, (0.0, 1.0, 0.0, 1.0, 0.0), ())}


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.grid)])
def test_a_compiled_model_is_profiled(monkeypatch, backend):
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    rows = poolzoo.profile_model(small(), X, pools="softpool", compile=True, **QUICK).rows
    assert [(row["execution"], row["error"]) for row in rows] == [("compiled", None)] * 2
    assert all(row["forward_s"] > 0 and row["pools_share"] > 0 for row in rows)


@pytest.mark.gpu
def test_a_model_is_profiled_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    rows = poolzoo.profile_model(small(), X, pools="softpool", device="cuda", **QUICK).rows
    assert all(row["error"] is None and row["training_peak_bytes"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pools": "softpol"}, "softpol"),
        ({"pools": "lp:q=3"}, "'q'"),
        ({"batch": 0}, "batch=0"),
        ({"threads": 0}, "threads=0"),
        ({"dtype": "int8"}, "dtype='int8'"),
        ({"shape": (1, 3, 8, 8)}, "shape=.*not used with example"),
        ({"example": None}, "example: an input"),
        ({"example": 3, "batch": 2}, "batch=2"),
        ({"example": torch.rand(1, 5, 8, 8)}, "model Sequential: does not run on 1x5x8x8"),
        ({"model": torch.jit.script(nn.Sequential(nn.MaxPool2d(2)))}, "TorchScript"),
        ({"model": nn.Conv2d(3, 4, 3)}, "has no pool that can be replaced$"),
        ({"model": nn.MaxPool2d(2)}, "itself a pool"),
        ({"model": 3}, "model: 3; a torch.nn.Module"),
        ({"channels_last": True, "model": nn.Sequential(nn.MaxPool1d(2)), "example": X[0]}, "channels_last"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_is_refused(arguments, message):
    given = {"model": small(), "example": X, "pools": "avg"} | arguments
    with pytest.raises(ValueError, match=message):
        poolzoo.profile_model(given.pop("model"), given.pop("example"), **given)


LINE = ("--pool", "avg", "--min-time", "0.0001")


def test_the_command_gives_what_the_function_gives(run, net, tmp_path):
    told = run("profile", "--model", net, *LINE, "--pool", "softpool", "--batch", 1, "--batch", 2, "--format", "json")
    result = Result.from_json(told.out, "out")
    assert [(row["pool"], row["batch"]) for row in result.rows[::2]] == [("", 1), ("avg", 1), ("softpool", 1)]
    assert told.code == 0
    failing = run("profile", "--model", net, *LINE, "--pool", "checkered", "--output", tmp_path / "o.json")
    assert failing.code == 1 and "submaps" in failing.err


def test_the_command_keeps_the_models_own_dtype(run, tmp_path):
    (tmp_path / "half.py").write_text(
        "import torch\n\ndef make():\n    return torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1).double(),"
        " torch.nn.MaxPool2d(2)), torch.rand(1, 1, 4, 4).double()\n"
    )
    line = ("profile", "--model", f"{tmp_path / 'half.py'}:make", *LINE, "--format", "json")
    for option, dtype in (((), "float64"), (("--dtype", "float32"), "float32")):
        assert {row["dtype"] for row in json.loads(run(*line, *option).out)["rows"]} == {dtype}


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        ("make", ("--kernel-size", "3"), ("--kernel-size 3: not used with --model",)),
        ("make", ("--baseline", "avg"), ("--baseline", "not used with --model")),
        ("make", ("--shape", "1x5x34x34"), ("--model", "does not run on 1x5x34x34")),
        ("make", ("--batch", "0"), ("--batch",)),
        ("without_pools", (), ("--model", "has no pool that can be replaced")),
        ("with_a_head", (), ("has no pool that can be replaced: 1 (AdaptiveAvgPool2d",)),
        ("scripted", ("--shape", "1x3x8x8"), ("TorchScript",)),
        ("broken", (), ("broken() failed", "no weights")),
        ("other", (), ("has no function 'other'",)),
    ],
)
def test_a_bad_model_is_one_line_and_exit_code_2(run, net, function, arguments, said):
    run("profile", "--model", net.replace(":make", f":{function}"), *LINE, *arguments).fails(*said)


def test_options_of_a_model_are_refused_without_one(run):
    run("profile", *LINE, "--batch", "2").fails("--batch 2: not used with single operators, only with --model")
    run("profile", *LINE, "--compile").fails("--compile: not used with single operators")
    run("profile", *LINE, "--model", "net.py").fails("--model net.py: FILE.py:FUNCTION is needed")
    run("profile", *LINE, "--model", "nowhere.py:make").fails("--model nowhere.py:make", "no such file")


def test_a_name_needs_its_library(run):
    pytest.importorskip("torchvision")
    run("profile", "--model", "resnet81", *LINE).fails("--model resnet81: torchvision has no such network", "resnet18")
    line = ("profile", "--model", "resnet18", "--shape", "2x3x32x32", *LINE, "--format", "json")
    first, second = json.loads(run(*line).out)["rows"]
    assert first["sites"].startswith("maxpool=") and second["error"] is None


def test_the_function_takes_what_the_command_does():
    ours = set(inspect.signature(poolzoo.profile_model).parameters) - {"example", "pools"}
    theirs = {option.name for option in cli.cli.commands["profile"].params}
    assert ours <= theirs


def test_without_names_every_operator_is_profiled():
    result = poolzoo.profile_model(small(), X, **QUICK)
    assert len(result.rows) > 30 and all(row["error"] is None for row in result.rows), result.to_markdown()
