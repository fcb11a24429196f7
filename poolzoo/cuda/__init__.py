"""The native engine: pooling at the speed of memory, in C++ and CUDA behind torch.library, compiled at first use.

``available()`` says whether it can be had, building it if need be; ``why_not()`` says what is in the way. Functions and
modules take it by themselves (``backend="auto"``). It knows nothing of modules.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

if TYPE_CHECKING:
    from poolzoo.windows import Geometry, Reducer

BACKENDS = ("auto", "reference", "native")
_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_forward: dict[str, Callable[..., Tensor]] = {}
_by_reference = False
#: The reference of each operator, and its parameter's name.
references: dict[str, tuple[Reducer, str | None]] = {}


def why_not(device: str = "cpu") -> str:
    """What keeps the native operators from running on ``cpu`` or ``cuda``; "" where nothing does.

    Builds them the first time: with a CUDA torch and no GPU too, if TORCH_CUDA_ARCH_LIST says for which.
    """
    from poolzoo.cuda import _build

    reason = _build.load_cpu()
    if not reason and not _forward:
        from poolzoo.cuda import _operators

        _forward.update(_operators.register())
    return _build.load_cuda() if device == "cuda" else reason


# What torch.compiler.assume_constant_result does, but that imports torch's compiler: 1.6 s for everyone who compiles
# nothing.
why_not._dynamo_marked_constant = True  # type: ignore[attr-defined]


def available(device: str = "cpu") -> bool:
    """Whether the native operators can be had on ``cpu`` or ``cuda``, which builds them the first time."""
    return not build(device)


def build(device: str = "cpu") -> str:
    """Build and load ahead of time; gives what :func:`why_not` gives."""
    reason: str = why_not(device)
    return reason


def status() -> dict[str, str]:
    """What is built for ``cpu`` and ``cuda``, where, or what is in the way as far as can be told without building."""
    from poolzoo.cuda import _build

    return {"cpu": _build.status("cpu"), "cuda": _build.status("cuda")}


def unsuited(x: Tensor) -> str:
    """Why ``x`` cannot be pooled natively; "" where it can."""
    if x.device.type not in ("cpu", "cuda"):
        return f"x is on {x.device}; the native operators are for the CPU and for CUDA"
    if x.dtype not in _DTYPES:
        return f"x: dtype {x.dtype}; float64, float32, bfloat16 or float16 is pooled natively"
    if x.layout is not torch.strided:
        return f"x: layout {x.layout}"
    reason: str = why_not(x.device.type)
    return reason


@contextlib.contextmanager
def by_reference() -> Iterator[None]:
    """Inside, ``backend="auto"`` is the reference: for results that must not depend on what this machine has built."""
    global _by_reference
    before, _by_reference = _by_reference, True
    try:
        yield
    finally:
        _by_reference = before


def portable(x: Tensor) -> bool:
    """Whether what runs now must be made of torch's own operators: in exports, and for torch.func's derivatives."""
    if _by_reference:
        return True
    if torch.compiler.is_compiling():
        return torch.compiler.is_exporting()
    return forward_ad._current_level >= 0 or torch._C._functorch.is_gradtrackingtensor(x)


def pool(name: str, x: Tensor, geometry: Geometry, params: Mapping[str, Any], reducer: Reducer) -> Tensor:
    """Pool natively, with the operator's only parameter, if it has one, as a number or a scalar tensor.

    A parameter on a GPU is read as ``.item()`` reads it, which waits for the GPU: keep it on the CPU, as modules make
    it. ``reducer`` defines what the same is by reference: second derivatives are taken of that.
    """
    key = next(iter(params), None)
    if name not in references:
        references[name] = (reducer, key)
    kernel, stride, padding, dilation, ceil_mode = geometry
    window = [*kernel, *stride, *padding, *dilation]
    value = 0.0 if key is None else params[key]
    if isinstance(value, Tensor):
        return _forward[name](x, value.to(torch.float64), 0.0, window, ceil_mode)
    if x.requires_grad or torch.compiler.is_compiling():
        return _forward[name](x, None, value, window, ceil_mode)
    with torch._C._AutoDispatchBelowAutograd():  # a third of a small call's time goes into finding out that this is so
        return _forward[name](x, None, value, window, ceil_mode)
