"""``poolzoo profile``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from poolzoo import registry
from poolzoo._console import note, progress
from poolzoo.commands.modes import Command
from poolzoo.commands.options import Sizes, check_axes, output_options, pool_options
from poolzoo.commands.writing import Writer, command_line


@click.command(cls=Command)
@pool_options
@click.option("--gpu", is_flag=True, help="Profile on the CUDA GPU; an error where there is none.")
@click.option("--device", help="Where to compute, as cpu or cuda:0.  [default: cpu]")
@click.option(
    "--shape",
    type=Sizes(1, range(3, 6)),
    default="20x32x128x128",
    show_default=True,
    help="Of the tensor, as batch x channels x sizes.",
)
@click.option(
    "--dtype",
    type=click.Choice(("float64", "float32", "bfloat16", "float16")),
    default="float32",
    show_default=True,
    help="Type of the tensor's numbers.",
)
@click.option("--channels-last", is_flag=True, help="Lay the tensor out with channels innermost.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: torch's choice]")
@click.option(
    "--min-time",
    type=click.FloatRange(0, min_open=True),
    default=0.2,
    show_default=True,
    help="Seconds over which each figure is measured, at least.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed: input, start values.")
@output_options
def profile(
    pools: tuple[str, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...] | None,
    gpu: bool,
    device: str | None,
    shape: tuple[int, ...],
    dtype: str,
    channels_last: bool,
    threads: int | None,
    min_time: float,
    seed: int,
    fmt: str | None,
    output: Path | None,
    report: Path | None,
    baseline: str | None,
    save_plots: Path | None,
) -> None:
    """Measure what operators cost: time, memory, bandwidth.

    \b
    Examples:
      poolzoo profile --pool avg --pool 'soft*' --shape 8x64x56x56
      poolzoo profile --gpu --dtype float16 --channels-last
    """
    # torch's profiler, which counts memory, else narrates on stderr; it reads this when torch is imported.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    writer = Writer(fmt, output, report, save_plots)
    ndim = len(shape) - 2
    registry.expand_specs(pools)  # an unknown name is answered before torch is imported
    from poolzoo.analysis.results.machine import check_device
    from poolzoo.api import defined_for

    specs = defined_for(pools, ndim, note, "--pool")
    check_axes(kernel_size, stride, ndim)
    device = "cuda" if gpu else device or "cpu"
    check_device(device, "--gpu" if gpu else "--device")
    from poolzoo.analysis.studies.profile import Workload, profile as run

    workload = Workload(shape, kernel_size, stride, dtype, device, channels_last, threads, min_time, seed)
    with progress("Profiling") as on_step:
        result = run(
            specs,
            workload,
            baseline=baseline,
            command=command_line(),
            on_step=on_step,
        )
    writer.finish(result, None)
