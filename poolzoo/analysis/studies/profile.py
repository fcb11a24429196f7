"""The cost of operators: time forward and backward, memory, and bandwidth compared with a copy of the tensor."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from poolzoo import registry
from poolzoo.analysis.inputs.networks import CHANNELS_LAST
from poolzoo.analysis.results.machine import cpu_threads
from poolzoo.analysis.results.profile_figures import FIGURE_KEYS
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import Row, label, one_line, set_numbers
from poolzoo.analysis.scoring.forward_times import LEAST_BLOCKS, time_forward, time_statement, uniform_input
from poolzoo.analysis.scoring.peak_memory import peak_bytes
from poolzoo.analysis.scoring.pool_modules import (
    backend_of,
    describe_specs,
    make_module,
    mode_of,
    normal_spec,
    pick_baseline,
    provenance,
    seed_draws,
    shown_params,
    shown_window,
)
from poolzoo.analysis.scoring.processor_wait import ProcessorWait
from poolzoo.geometry import make_geometry
from poolzoo.operators.base import Pool
from poolzoo.registry import GEOMETRY

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Workload:
    """The tensor and the window that every operator is timed on.

    Attributes:
        shape: ``(N, C, *spatial)``, one to three spatial axes.
        kernel_size, stride, padding, dilation, ceil_mode: of every operator; stride None means kernel_size.
        dtype: a name from :data:`DTYPES`.
        device: torch's name of the device.
        channels_last: lay the tensor out with channels innermost (two or three spatial axes).
        threads: CPU threads; None means torch's own choice.
        min_time: seconds over which each figure is measured, at least.
        seed: of the input's values and of learnable operators' start values.
    """

    shape: tuple[int, ...] = (20, 32, 128, 128)
    kernel_size: int | tuple[int, ...] = 2
    stride: int | tuple[int, ...] | None = None
    dtype: str = "float32"
    device: str = "cpu"
    channels_last: bool = False
    threads: int | None = None
    min_time: float = 0.2
    seed: int = 0
    padding: int | tuple[int, ...] = 0
    dilation: int | tuple[int, ...] = 1
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        if not 3 <= len(self.shape) <= 5 or min(self.shape) < 1:
            raise ValueError(f"shape={'x'.join(map(str, self.shape))}: NxC and 1 to 3 sizes, each >= 1, are allowed")
        if self.channels_last and len(self.shape) not in CHANNELS_LAST:
            raise ValueError(f"channels_last: shape has {len(self.shape) - 2} spatial axes; 2 or 3 are needed")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype={self.dtype!r}: one of {', '.join(DTYPES)} is allowed")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads={self.threads}: at least 1 is allowed")
        make_geometry(self.ndim, **self.window)

    @property
    def window(self) -> dict[str, Any]:
        """The arguments of every operator's windows, by name."""
        return {key: getattr(self, key) for key in GEOMETRY}

    @property
    def ndim(self) -> int:
        return len(self.shape) - 2


def profile(
    specs: Sequence[str],
    workload: Workload = Workload(),
    *,
    baseline: str | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Time every operator on one tensor, one after the other, in this process.

    Stochastic operators are timed in train mode and in evaluation mode, all others in evaluation mode. The input is
    uniform in [0, 1).

    Args:
        specs: operators as spec strings.
        workload: the tensor and the window.
        baseline: the spec that ratios compare with; by default avg if it is there, else the first.
        on_step: called with the number of finished and of all rows.

    Returns:
        One row for every operator and mode; if that fails, the row has an ``error`` and no figures.

    Raises:
        ValueError: an unknown operator, or a parameter that is not allowed.
    """
    specs = list(dict.fromkeys(map(normal_spec, specs)))
    baseline = pick_baseline(specs, baseline)
    modules = [(spec, module) for spec in specs for module in _modules(spec, workload)]
    threads = workload.threads or torch.get_num_threads()
    rows = []
    with cpu_threads(threads):
        x = _input(workload)
        known = provenance(baseline)  # here, where the threads are those that are measured
        copy_gbps = _copy_bandwidth(x, workload.min_time)
        for done, (spec, module) in enumerate(modules, 1):
            row = _row(spec, module, workload, threads)
            if module.stochastic:
                seed_draws(module, x, workload.seed)
            try:
                row["backend"] = backend_of(module, x)
                wait = ProcessorWait()
                figures = measure(module, x, workload.min_time)
                set_numbers(row, {**figures, "waited_fraction": wait.fraction()})
                if gbps := figures["gbps"]:
                    row["copy_fraction"] = gbps / copy_gbps
            except Exception as error:  # a failed operator is a row, not the end of the run
                row["error"] = one_line(error)
            rows.append(row)
            if on_step:
                on_step(done, len(modules))
    _note_ratios(rows, baseline)
    metadata = {
        **known,
        "pools": describe_specs(specs),
        "seed": workload.seed,
        "min_time": workload.min_time,
        "copy_gbps": copy_gbps,
    }
    return Result("profile", metadata, rows)


def _note_ratios(rows: Sequence[Row], baseline: str) -> None:
    """Set each row's time relative to the baseline's."""
    # Of a baseline that draws it is evaluation, the last of its modes, that others are held against.
    reference = [row["forward_s"] for row in rows if label(row) == baseline][-1]
    for row in rows:
        if reference and row["forward_s"]:
            row["ratio"] = row["forward_s"] / reference


def _modules(spec: str, workload: Workload) -> list[Pool]:
    """Return an operator's modules, one for each mode that it is used in."""
    make = functools.partial(
        make_module,
        spec,
        ndim=workload.ndim,
        channels=workload.shape[1],
        window=workload.window,
        seed=workload.seed,
        device=workload.device,
        dtype=DTYPES[workload.dtype],
    )
    module = make()
    return [make().train(), module] if module.stochastic else [module]


def _input(workload: Workload) -> Tensor:
    x = uniform_input(workload.shape, DTYPES[workload.dtype], workload.device, workload.seed)
    return x.contiguous(memory_format=CHANNELS_LAST[x.dim()]) if workload.channels_last else x


def _row(spec: str, module: Pool, workload: Workload, threads: int) -> Row:
    window = shown_window(module.geometry)
    name, params = shown_params(spec)
    row: Row = {
        "pool": name,
        "params": params,
        "state": mode_of(module),
        "device": workload.device,
        "dtype": workload.dtype,
        "shape": "x".join(map(str, workload.shape)),
        "kernel_size": window["kernel_size"],
        "stride": window["stride"],
        "padding": window["padding"],
        "dilation": window["dilation"],
        "ceil_mode": window["ceil_mode"],
        "layout": "channels_last" if workload.channels_last else "contiguous",
        "threads": threads,
        "backend": registry.pool_info(name).backend,
        "error": None,
    }
    set_numbers(row, dict.fromkeys(FIGURE_KEYS))
    return row


def measure(module: Pool, x: Tensor, min_time: float) -> dict[str, float | None]:
    """Return the figures of one operator on one tensor: the row keys from ``forward_s`` to ``gbps``.

    Args:
        module: the operator.
        x: its input.
        min_time: seconds over which each time is measured, at least; medians and interquartile ranges are of blocks.
    """
    budget = time_budget(min_time)
    with torch.no_grad():
        y = module(x)
        forward = time_forward(module, x, *budget)
        peak = peak_bytes(lambda: module(x), x.device)
    leaf = x.detach().requires_grad_()
    inputs = [leaf, *module.parameters()]
    output, saved = saved_bytes(module, leaf, module.parameters())
    names: dict[str, object] = {
        "grad": torch.autograd.grad,
        "module": module,
        "x": leaf,
        "y": output,
        "inputs": inputs,
        "g": torch.ones_like(output),
    }
    backward = time_statement("grad(y, inputs, g, retain_graph=True, allow_unused=True)", names, *budget)
    both = time_statement("grad(module(x), inputs, g, allow_unused=True)", names, *budget)
    moved = x.numel() * x.element_size() + y.numel() * y.element_size()
    return {
        "forward_s": forward.median,
        "forward_iqr_s": forward.iqr,
        "backward_s": backward.median,
        "backward_iqr_s": backward.iqr,
        "forward_backward_s": both.median,
        "saved_bytes": saved,
        "peak_bytes": peak,
        "gbps": moved / forward.median / 1e9,
    }


def time_budget(min_time: float) -> tuple[float, float]:
    """Return the seconds of a measurement: at least, and after which few blocks are enough."""
    return min_time, LEAST_BLOCKS * min_time


def _copy_bandwidth(x: Tensor, min_time: float) -> float:
    """Return the bytes read and written per second, in 1e9, by copying at least 64 MiB: the upper limit of all
    operators.
    """
    source = x.new_ones(max(x.numel(), 2**26 // x.element_size()))
    names: dict[str, object] = {"source": source, "target": torch.empty_like(source)}
    seconds = time_statement("target.copy_(source)", names, *time_budget(min_time)).median
    return 2 * source.numel() * source.element_size() / seconds / 1e9


def saved_bytes(pool: Callable[[Tensor], Tensor], x: Tensor, leave_out: Iterable[Tensor] = ()) -> tuple[Tensor, int]:
    """Return the output, and the bytes that autograd keeps for the backward pass: each storage once, without
    ``leave_out``.
    """
    parameters = {p.untyped_storage().data_ptr() for p in leave_out}
    # Only what the result's graph still holds at the end: another's memory may have been given out again.
    held: weakref.WeakSet[_Saved] = weakref.WeakSet()

    def keep(tensor: Tensor) -> _Saved:
        saved = _Saved(tensor)
        held.add(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved.tensor):
        y = pool(x)
    storages = {storage.data_ptr(): storage.nbytes() for storage in (saved.tensor.untyped_storage() for saved in held)}
    return y, sum(size for address, size in storages.items() if address not in parameters)


class _Saved:
    """A tensor that autograd keeps, alive as long as that does."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
