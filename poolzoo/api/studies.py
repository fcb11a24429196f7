"""``poolzoo.profile``, ``poolzoo.sweep`` and ``poolzoo.fit``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poolzoo._console import progress
from poolzoo._files import WEIGHTS, suffix_among
from poolzoo.analysis.inputs.arrays import find_given
from poolzoo.analysis.results import machine
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.api.learning import defined_for, learn_from
from poolzoo.api.modes import refuse_unused, several
from poolzoo.api.result import Result
from poolzoo.api.windows import asked_window, asked_window_and_shape

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.arrays import ImageLike
    from poolzoo.analysis.scoring.fitted_parameters import Fitted

    IntOrTuple = int | tuple[int, ...]


def profile(
    *,
    pool: str | Sequence[str] = (),
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    like: str | None = None,
    shape: tuple[int, ...] | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    channels_last: bool = False,
    threads: int | None = None,
    min_time: float = 0.2,
    seed: int = 0,
    baseline: str | None = None,
) -> Result:
    """Measure the cost of operators (time, memory, bandwidth): ``poolzoo profile``.

    Args:
        pool, kernel_size, stride, padding, dilation, ceil_mode, like, seed, baseline: as for :func:`compare`.
        shape: of the tensor: batch, channels and one to three sizes. None means that of the tensor that ``like`` pools
            in its network, or ``(20, 32, 128, 128)``.
        dtype: ``float64``, ``float32``, ``bfloat16`` or ``float16``.
        device: where to compute: ``cpu``, ``cuda:0``, ...
        channels_last: use the channels-last memory layout.
        threads: CPU threads; None means torch's choice.
        min_time: minimum seconds of measurement per figure.

    Raises:
        ValueError: an argument is not allowed.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler, which counts memory, else narrates on stderr
    from poolzoo.analysis.studies.profile import Workload, profile as run

    given = dict(locals())
    refuse_unused(profile, given)
    window, shape = asked_window_and_shape(given)
    workload = Workload(
        shape,
        **window,
        dtype=dtype,
        device=device,
        channels_last=channels_last,
        threads=threads,
        min_time=min_time,
        seed=seed,
    )
    specs = defined_for(several(pool), workload.ndim)
    machine.check_device(device)
    with progress("Profiling") as on_step:
        return Result.of(run(specs, workload, baseline=baseline, on_step=on_step))


def sweep(
    image: ImageLike | Iterable[ImageLike],
    *,
    pool: str,
    over: str,
    points: int = 9,
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    like: str | None = None,
    upsample: str | Sequence[str] = "bilinear",
    align: str = "center",
    normalize: str | Sequence[str] = "none",
    metric: str | Sequence[str] = ("ssim", "psnr"),
    seed: int = 0,
    device: str = "cpu",
    baseline: str | None = None,
) -> Result:
    """Vary one parameter of an operator, with avg and max for comparison: ``poolzoo sweep``.

    Args:
        image, kernel_size, stride, padding, dilation, ceil_mode, like, upsample, align: as for :func:`compare`.
        metric, seed, device, baseline: as for :func:`compare`.
        pool: the operator whose parameter is varied.
        over: a parameter with a range, ``beta=0.1..16``, or a list, ``beta=0.1,1,4``.
        points: number of values in a range.
        normalize: scales of the input, one curve for each.

    Raises:
        ValueError: an argument is not allowed, or a name matches no image.
    """
    from poolzoo.analysis.studies.sweep import plan_sweep, run_sweep

    given = dict(locals())
    refuse_unused(sweep, given)
    plan = plan_sweep(pool, over, points)
    machine.check_device(device)
    asked = Protocol(
        **asked_window(given, 2),
        upsample=several(upsample),
        metrics=several(metric),
        seed=seed,
        device=device,
        align=align,
    )
    passed_over: Counter[str] = Counter()
    found = find_given(image, passed_over)
    with progress("Sweeping") as on_step:
        result = run_sweep(plan, found, asked, several(normalize), baseline=baseline, on_step=on_step)
    if passed_over:
        result.metadata["passed_over"] = dict(passed_over)
    return Result.of(result)


def fit(
    images: str | Sequence[str],
    *,
    pool: str,
    output: str | os.PathLike[str] | None = None,
    kernel_size: IntOrTuple = 2,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    like: str | None = None,
    upsample: str = "bilinear",
    align: str = "center",
    normalize: str = "none",
    steps: int = 200,
    lr: float | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Fitted:
    """Learn an operator's parameters from images: ``poolzoo fit``.

    Args:
        images: files, folders, globs or ``skimage:NAME``.
        pool: the operator.
        output: a .safetensors file to write, or None.
        kernel_size, stride, padding, dilation, ceil_mode, like, upsample, align: as for :func:`compare`.
        normalize, seed, device: as for :func:`compare`.
        steps: number of steps of Adam.
        lr: initial learning rate; None means the operator's own.

    Returns:
        The fitted parameters: ``tensors``, and the PSNR ``before`` and ``after``.

    Raises:
        ValueError: an argument is not allowed, the operator has no parameters to learn, or fitting failed.
    """
    given = dict(locals())
    refuse_unused(fit, given)
    from poolzoo.analysis.scoring.fitted_parameters import save_fitted

    if output is not None:
        suffix_among(output, WEIGHTS, "output")
    machine.check_device(device)
    asked = Protocol(
        **asked_window(given, 2),
        upsample=(upsample,),
        normalize=normalize,
        seed=seed,
        device=device,
        align=align,
    )
    found = learn_from(several(images), pool, asked, steps, lr)
    if output is not None:
        save_fitted(Path(output), found)
    return found
