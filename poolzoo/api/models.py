"""``poolzoo.profile_model``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from poolzoo import registry
from poolzoo._console import progress
from poolzoo.analysis.results import machine
from poolzoo.api.modes import several
from poolzoo.api.result import Result

if TYPE_CHECKING:
    from torch import nn


def profile_model(
    model: nn.Module | str,
    example: Any = None,
    *,
    pools: str | Sequence[str] = (),
    batch: int | Sequence[int] = (),
    shape: tuple[int, ...] | None = None,
    compile: bool = False,
    dtype: str | None = None,
    device: str = "cpu",
    channels_last: bool = False,
    threads: int | None = None,
    min_time: float = 0.2,
    seed: int = 0,
) -> Result:
    """Measure what a whole model costs with each operator in place of its pools: ``poolzoo profile --model``.

    :func:`~poolzoo.replace_pools` puts the operators in, into copies. Forward passes are timed in evaluation mode
    without autograd; forward and backward together in training mode, with gradients of all parameters that require
    them. Peak memory is what a pass allocates: outputs and gradients included, parameters and input not. The share of
    each pool is measured in passes of their own, because the hooks that read the clock take time: eager, in evaluation
    mode, on a GPU with a wait at each pool.

    Args:
        model: a module; or a name: torchvision's, ``timm/`` and timm's, or ``FILE.py:FUNCTION``, a function that
            returns a module, or a module and its input. Named models have random weights.
        example: an input of the model, or a tuple of its positional arguments. A named model has one.
        pools: operators, e.g. ``softpool``, ``soft*`` or ``lp:p=3``; empty means all.
        batch: batch sizes; empty means that of the example. Tensors of the example are repeated or cut along their
            first axis.
        shape: of an input of random values, in place of ``example``.
        compile: run the model through ``torch.compile``, which is reset before each row.
        dtype: ``float64``, ``float32``, ``bfloat16`` or ``float16``; None means the model's own.
        device: where to compute: ``cpu``, ``cuda:0``, ...
        channels_last: use the channels-last memory layout.
        threads: CPU threads; None means torch's choice.
        min_time: minimum seconds of measurement per time.
        seed: random seed: input, initial parameters, random draws.

    Returns:
        For each batch size a row of the model as given (``pool`` is ""), first, and one per operator: ``forward_s``,
        ``forward_backward_s``, their ratios to the model as given, ``peak_bytes``, ``training_peak_bytes``, and the
        share of the forward time in ``pools_share`` (all pools) and ``sites`` (each). A failed row has an ``error``.

    Raises:
        ValueError: an argument is not allowed, an unknown model or a library that is missing, a model that does not run
            on its input, or one without pools that can be replaced.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.MaxPool2d(2))
        >>> result = poolzoo.profile_model(model, torch.rand(1, 3, 32, 32), pools=["avg", "softpool"])
        >>> result.to_frame()[["pool", "forward_s", "ratio"]]  # doctest: +SKIP
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler, which counts memory, else narrates on stderr
    from poolzoo.analysis.studies.profile_model import ModelWorkload, profile_model as run

    workload = ModelWorkload(
        batches=(batch,) if isinstance(batch, int) else tuple(batch),
        dtype=dtype,
        device=device,
        channels_last=channels_last,
        compiled=compile,
        threads=threads,
        min_time=min_time,
        seed=seed,
    )
    machine.check_device(device)
    specs = registry.expand_specs(several(pools))
    if not several(pools):  # those with submaps fit into no model that is not made for them
        specs = [spec for spec in specs if registry.pool_info(registry.parse_spec(spec)[0]).phases is None]
    module, inputs = _with_input(model, example, shape, seed)
    name = model if isinstance(model, str) else type(model).__name__
    with progress("Profiling") as on_step:
        return Result.of(run(module, inputs, specs, workload, name=name, on_step=on_step))


def _with_input(
    model: nn.Module | str, example: Any, shape: tuple[int, ...] | None, seed: int
) -> tuple[nn.Module, tuple[Any, ...]]:
    """Return the model and its positional arguments."""
    import torch

    from poolzoo.analysis.inputs.networks import make_with_example
    from poolzoo.analysis.scoring.forward_times import uniform_input

    if example is not None and shape is not None:
        raise ValueError(f"shape={shape!r}: not used with example; one of the two is allowed")
    made, inputs = make_with_example(model, f"model {model}") if isinstance(model, str) else (model, ())
    if not isinstance(made, torch.nn.Module):
        raise ValueError(f"model: {made!r:.60}; a torch.nn.Module or a model's name is needed")
    if shape is not None:
        return made, (uniform_input(shape, torch.float32, "cpu", seed),)
    if example is not None:
        return made, example if isinstance(example, tuple) else (example,)
    if not inputs:
        raise ValueError("example: an input of the model is needed, or its shape")
    # A blank image stands for its shape: a GPU runs faster on equal values than on an image's.
    return made, tuple(uniform_input(x.shape, x.dtype, "cpu", seed) if _is_blank(x) else x for x in inputs)


def _is_blank(x: Any) -> bool:
    """Return whether an input has one value per channel."""
    import torch

    if not (isinstance(x, torch.Tensor) and x.is_floating_point() and x.dim() > 2 and x.numel()):
        return False
    values = x.flatten(2)
    return bool((values == values[..., :1]).all())
