"""The native engine: pooling in C++ and CUDA behind torch.library, compiled at first use.

``available()`` says whether it can be used, and builds it if necessary; ``why_not()`` gives the reason if it cannot.
Functions and modules use it by default (``backend="auto"``), except inside torch.func's transforms and forward-mode AD.
It does not depend on modules.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

if TYPE_CHECKING:
    from poolzoo.geometry import Geometry

BACKENDS = ("auto", "reference", "native")
#: By native operator, what it must equal: ``reference(x, geometry, second, value) -> y`` of torch's own operators, with
#: the second input and the parameter where it has them. Second derivatives are taken of it.
references: dict[str, Callable[[Tensor, Geometry, Any, Any], Tensor]] = {}
#: Operators that torch has kernels for: ``auto`` leaves them to torch but where benchmarks/results shows ours ahead.
_OF_TORCH = ("max", "avg")
_DTYPES = frozenset((torch.float32, torch.bfloat16, torch.float16, torch.float64))
_forward: dict[str, Callable[..., Tensor]] = {}
_by_reference = 0  # how many by_reference() are open, in any thread
_counting = threading.Lock()


def why_not(device: str = "cpu", operator: str = "softpool") -> str:
    """What keeps a native operator from running on ``cpu`` or ``cuda``; "" where nothing does.

    Builds it the first time: with a CUDA torch and no GPU too, if TORCH_CUDA_ARCH_LIST says for which.
    """
    from poolzoo.cuda import _build

    with _build.LOCKS[operator]:
        reason = _build.load_cpu(operator)
        if not reason and operator not in _forward:
            from poolzoo.cuda import _operators

            _forward[operator] = _operators.register(operator)
    return _build.load_cuda(operator) if device == "cuda" else reason


# What torch.compiler.assume_constant_result does, but that imports torch's compiler: 1.6 s for everyone who compiles
# nothing.
why_not._dynamo_marked_constant = True  # type: ignore[attr-defined]


def available(device: str = "cpu", operator: str = "softpool") -> bool:
    """Return whether a native operator can be used on ``cpu`` or ``cuda``; the first call builds it."""
    reason: str = why_not(device, operator)
    return not reason


def why_no_metrics() -> str:
    """What keeps the native image metrics, ``torch.ops.poolzoo.metric_*``, from running; "" where nothing does.

    Builds them the first time. They run inside :func:`by_reference` too: what they give does not depend on the machine.
    """
    from poolzoo.cuda import _build

    return _build.load_metrics()


def build(device: str = "cpu") -> str:
    """Build and load all libraries ahead of time, as many at once as there are cores; gives what is in the way."""
    from concurrent.futures import ThreadPoolExecutor

    from poolzoo.cuda import _build

    with ThreadPoolExecutor(_build.builds_at_once()) as workers:
        metrics = workers.submit(why_no_metrics) if device == "cpu" else None
        reasons = list(workers.map(lambda operator: str(why_not(device, operator)), _build.REDUCERS))
        reasons += [metrics.result()] if metrics else []
    return next(filter(None, reasons), "")


def status() -> dict[str, str]:
    """What is built for ``cpu`` and ``cuda``, where, or what is in the way as far as can be told without building."""
    from poolzoo.cuda import _build

    return {"cpu": _build.status("cpu"), "cuda": _build.status("cuda")}


def unsuited(x: Tensor, operator: str = "softpool") -> str:
    """Why ``x`` cannot be pooled natively by that operator; "" where it can."""
    if not (x.is_cpu or x.is_cuda):
        return f"input is on {x.device}; the native operators are for the CPU and for CUDA"
    if x.dtype not in _DTYPES:
        return f"input: dtype {x.dtype}; float64, float32, bfloat16 or float16 is pooled natively"
    if x.layout is not torch.strided:
        return f"input: layout {x.layout}"
    # What why_not says in three times the time, which small calls feel. Not in a compiled graph: why_not may still add
    # the operator, after the compiler has looked at those that there are.
    if not torch.compiler.is_compiling() and x.is_cpu and operator in _forward:
        return ""
    reason: str = why_not(x.device.type, operator)
    return reason


@contextlib.contextmanager
def by_reference() -> Iterator[None]:
    """Inside, ``backend="auto"`` is the reference: for results that must not depend on what this machine has built.

    It holds for all threads, until the last that is open ends.
    """
    global _by_reference
    with _counting:
        _by_reference += 1
    try:
        yield
    finally:
        with _counting:
            _by_reference -= 1


def _transformed() -> bool:
    """Whether a transform of torch.func or forward-mode AD is active: neither looks into a compiled operator."""
    return forward_ad._current_level >= 0 or torch._C._are_functorch_transforms_active()


def _portable() -> bool:
    """Whether what runs now must be made of torch's own operators, as in exports."""
    return _by_reference > 0 or (torch.compiler.is_compiling() and torch.compiler.is_exporting())


def _ahead(operator: str, x: Tensor, geometry: Geometry) -> bool:
    if operator not in _OF_TORCH:
        return True
    small_windows = max(geometry.kernel_size) <= 3
    return x.is_cpu and x.dtype is torch.float32 and x.is_contiguous() and x.numel() >= 1 << 15 and small_windows


def takes(operator: str | None, x: Tensor, geometry: Geometry, backend: str) -> bool:
    """Whether ``x`` is to be pooled by the native operator; None stands for parameters that there is none for.

    Inside torch.func's transforms (vmap, grad, jvp, ...) and forward-mode AD it never is: the reference, which it must
    equal, is evaluated there.

    Raises:
        RuntimeError: ``backend`` is ``native`` and it cannot be; the message says why.
    """
    if backend == "reference":
        return False
    transformed = _transformed()
    if backend == "auto" and (operator is None or transformed or _portable() or not _ahead(operator, x, geometry)):
        return False
    reason = "no native operator has these parameters" if operator is None else unsuited(x, operator)
    if reason and backend == "native":
        raise RuntimeError(f"backend='native': {reason}")
    return not reason and not transformed


def pool(
    operator: str, x: Tensor, geometry: Geometry, value: float | Tensor | None = None, second: Tensor | None = None
) -> Tensor:
    """Pool natively, with the operator's parameter, if it has one, as a number or a scalar tensor.

    A parameter on a GPU is read as ``.item()`` reads it, which waits for the GPU: keep it on the CPU, as modules make
    it.
    """
    kernel, stride, padding, dilation, ceil_mode = geometry
    window = [*kernel, *stride, *padding, *dilation]
    run = _forward[operator]
    if isinstance(value, Tensor):
        return run(x, second, value.to(torch.float64), 0.0, window, ceil_mode)
    number = 0.0 if value is None else value
    if x.requires_grad or second is not None or torch.compiler.is_compiling():
        return run(x, second, None, number, window, ceil_mode)
    with torch._C._AutoDispatchBelowAutograd():  # a third of a small call's time goes into finding out that this is so
        return run(x, None, None, number, window, ceil_mode)
