"""Native reducers: pooling at the speed of memory, in C++ and CUDA behind torch.library, compiled at first use.

``available()`` says whether they can be used, building them if need be; ``why_not()`` says what is in the way.
Functions and modules take them by themselves (``backend="auto"``). README.md tells how they are written, built and
tested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from poolzoo.geometry import DTYPES, AnyGeometry, Bins, output_size
from poolzoo.native import eager, libraries, registration
from poolzoo.registry import native_reducers

_forward: dict[str, Callable[..., Tensor]] = {}


def why_not(device: str = "cpu", operator: str = "softpool") -> str:
    """Return why a native operator cannot run on ``cpu`` or ``cuda``; "" if it can.

    The first call builds it. With a CUDA build of torch but no GPU, it is built for the GPUs in TORCH_CUDA_ARCH_LIST.
    """
    with libraries.lock_of(operator):
        reason = libraries.load_cpu(operator)
        if not reason and operator not in _forward:
            _forward[operator] = registration.register(operator)
    return libraries.load_cuda(operator) if device == "cuda" else reason


def mark_constant(function: Callable[..., Any]) -> None:
    """Make torch's compiler call ``function`` while it compiles and keep the result.

    :func:`torch.compiler.assume_constant_result` does the same, but imports the compiler: 1.6 s for everyone who
    compiles nothing.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]


mark_constant(why_not)


def available(device: str = "cpu", operator: str = "softpool") -> bool:
    """Return whether a native operator can be used on ``cpu`` or ``cuda``; the first call builds it."""
    reason: str = why_not(device, operator)
    return not reason


def why_no_metrics() -> str:
    """Return why the native image metrics, ``torch.ops.poolzoo.metric_*``, cannot run; "" if they can.

    The first call builds them. They also run inside :func:`poolzoo.engine.by_reference`: their results do not depend on
    the machine.
    """
    return libraries.load_metrics()


def build(device: str = "cpu") -> str:
    """Build and load all libraries ahead of time, as many at once as there are cores; gives what is in the way."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(libraries.builds_at_once()) as workers:
        metrics = workers.submit(why_no_metrics) if device == "cpu" else None
        reasons = list(workers.map(lambda operator: str(why_not(device, operator)), native_reducers()))
        reasons += [metrics.result()] if metrics else []
    return next(filter(None, reasons), "")


def decompositions() -> dict[Any, Callable[..., Tensor]]:
    """Return the definitions of the native operators, as ``ExportedProgram.run_decompositions`` takes them.

    A program that ``torch.export`` made of pools with ``backend="native"`` calls poolzoo's operators. Decomposed, it
    holds torch's own and runs where poolzoo is not installed. Pools with ``backend="auto"`` export in this way by
    themselves. Inference only: backward operators stay.

    Returns:
        By forward operator, for those that have been built and loaded, a function of the same arguments.
    """
    return {run: registration.in_torch_operators(name) for name, run in _forward.items()}


def status() -> dict[str, str]:
    """What is built for ``cpu`` and ``cuda``, where, or what is in the way as far as can be told without building."""
    return {"cpu": libraries.status("cpu"), "cuda": libraries.status("cuda")}


def unsuited(x: Tensor, operator: str = "softpool") -> str:
    """Return why ``x`` cannot be pooled natively by that operator; "" if it can."""
    if not (x.is_cpu or x.is_cuda):
        return f"input is on {x.device}; the native operators are for the CPU and for CUDA"
    if x.dtype not in DTYPES:
        return f"input: dtype {x.dtype}; native code takes float64, float32, bfloat16 or float16"
    if x.layout is not torch.strided:
        return f"input: layout {x.layout}"
    # What why_not says in three times the time, which small calls feel. Not in a compiled graph: why_not may still add
    # the operator, after the compiler has looked at those that there are.
    if not torch.compiler.is_compiling() and x.is_cpu and operator in _forward:
        return ""
    reason: str = why_not(x.device.type, operator)
    return reason


def pool(
    operator: str, x: Tensor, geometry: AnyGeometry, value: float | Tensor | None = None, second: Tensor | None = None
) -> Tensor:
    """Pool natively, with the operator's parameter, if it has one, as a number or a scalar tensor.

    A parameter on a GPU is read as ``.item()`` reads it, which waits for the GPU: keep it on the CPU, as modules make
    it.
    """
    param, number = (value.to(torch.float64), 0.0) if isinstance(value, Tensor) else (None, value or 0.0)
    compiling = torch.compiler.is_compiling()
    if not compiling and all(t is None or eager.is_ordinary(t) for t in (x, second, param)) and x.numel():
        return prepared(operator, x, geometry)(x, number, second, param)
    run, (window, ceil_mode) = _forward[operator], _window_of(x, geometry)
    if x.requires_grad or second is not None or param is not None or compiling:
        return run(x, second, param, number, window, ceil_mode)
    with torch._C._AutoDispatchBelowAutograd():  # a third of a small call's time goes into finding out that this is so
        return run(x, None, None, number, window, ceil_mode)


def prepared(operator: str, x: Tensor, geometry: AnyGeometry) -> eager.Prepared:
    """Return a loaded operator with its windows, for ordinary tensors of the sizes of ``x``."""
    return eager.prepare(operator, *_window_of(x, geometry))


def _window_of(x: Tensor, geometry: AnyGeometry) -> tuple[tuple[int, ...], bool]:
    """Return ``window`` and ``ceil_mode`` as the native operators take them."""
    if isinstance(geometry, Bins):
        return output_size(x.shape[-geometry.ndim :], geometry), False
    kernel, stride, padding, dilation, ceil_mode = geometry
    return (*kernel, *stride, *padding, *dilation), ceil_mode
