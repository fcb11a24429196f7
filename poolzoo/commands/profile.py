"""``poolzoo profile``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poolzoo import registry
from poolzoo.api.windows import DEFAULT_SHAPE
from poolzoo.commands.modes import Command
from poolzoo.commands.options import Sizes, check_axes, output_options, pool_options
from poolzoo.commands.reading import declare_network
from poolzoo.commands.writing import Writer

if TYPE_CHECKING:
    from poolzoo.api.result import Result


@click.command(cls=Command)
@pool_options
@click.option(
    "--model",
    metavar="NAME",
    help="Profile a whole model: resnet18 or net.py:make. It is profiled as given and with each operator in place of"
    " its pools; make() returns the model, or the model and its input; timm/resnet18 is one of timm's.",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    multiple=True,
    help="Batch size of the model's input; repeatable.  [default: its own]",
)
@click.option("--compile", is_flag=True, help="Run the model through torch.compile.")
@click.option("--gpu", is_flag=True, help="Profile on the CUDA GPU; an error if there is none.")
@click.option("--device", help="Where to compute: cpu, cuda:0, ...  [default: cpu]")
@click.option(
    "--shape",
    type=Sizes(1, range(3, 6)),
    help="Shape of the input: batch x channels x sizes. It is that of the tensor, or of the model's input."
    "  [default: that in the network of --like or of --model, or 20x32x128x128]",
)
@click.option(
    "--dtype",
    type=click.Choice(("float64", "float32", "bfloat16", "float16")),
    default="float32",
    show_default=True,
    help="Dtype of the tensor or model. A model keeps its own unless one is given.",
)
@click.option("--channels-last", is_flag=True, help="Use the channels-last memory layout.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: torch's choice]")
@click.option(
    "--min-time",
    type=click.FloatRange(0, min_open=True),
    default=0.2,
    show_default=True,
    help="Minimum seconds of measurement per figure.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Random seed. It sets the input and initial parameters.",
)
@output_options
def profile(
    gpu: bool, fmt: str | None, output: Path | None, report: Path | None, save_plots: Path | None, **given: Any
) -> None:
    """Measure the cost of operators, alone or in a model: time, memory, bandwidth.

    \b
    Examples:
      poolzoo profile --pool avg --pool 'soft*' --shape 8x64x56x56
      poolzoo profile --gpu --dtype float16 --channels-last
      poolzoo profile --model resnet18 --pool max --pool softpool --batch 1 --batch 8
    """
    # torch's profiler, which counts memory, else narrates on stderr; it reads this when torch is imported.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    writer = Writer(fmt, output, report, save_plots)
    registry.expand_specs(given["pool"])  # an unknown name is answered before torch is imported
    if not given["model"]:
        check_axes(given, len(given["shape"] or DEFAULT_SHAPE) - 2)
    declare_network(given["like"])
    declare_network(given["model"], "--model")
    from poolzoo.analysis.results.machine import check_device

    if gpu:
        check_device("cuda", "--gpu")
    given["device"] = "cuda" if gpu else given["device"] or "cpu"
    writer.finish(_in_model(**given) if given["model"] else _alone(**given))


def _alone(model: None, batch: tuple[int, ...], compile: bool, **given: Any) -> Result:
    from poolzoo.api.studies import profile as run

    return run(**given)


def _in_model(model: str, pool: tuple[str, ...], dtype: str, **given: Any) -> Result:
    from poolzoo.api.models import profile_model as run

    unsaid = click.get_current_context().get_parameter_source("dtype") is click.core.ParameterSource.DEFAULT
    own = ("batch", "compile", "shape", "device", "channels_last", "threads", "min_time", "seed")
    return run(model, pools=pool, dtype=None if unsaid else dtype, **{key: given[key] for key in own})
