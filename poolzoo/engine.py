"""One dispatcher for every operator: pools by its definition, in torch's own operators, or by a native reducer.

``backend="auto"`` takes what is fastest by measurement, but the definition inside torch.func's transforms, forward-mode
AD and exports. ``torch.onnx.export`` records ONNX's standard operators where an operator has a form in them. It knows
nothing of modules.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from poolzoo import native, standard_operators
from poolzoo.geometry import (
    AnyGeometry,
    Bins,
    Geometry,
    accumulation_dtype,
    check_input,
    check_same_shape,
    equal_windows,
    is_channels_last,
    is_fixed,
    output_size,
)
from poolzoo.native import eager
from poolzoo.registry import Native, PoolInfo
from poolzoo.windows import MOST_IN_FLOAT32, pool_by_definition

BACKENDS = ("auto", "reference", "native")
_by_reference = 0  # how many by_reference() are open, in any thread
_counting = threading.Lock()


@functools.lru_cache(maxsize=1024, typed=True)
def call_of(info: PoolInfo, geometry: AnyGeometry, *, backend: str = "auto", **params: Any) -> Callable[[Tensor], Any]:
    """Return :func:`pool` as a function of the input alone, the same for the same arguments, which are no tensors.

    It remembers what inputs like those before run on: to choose takes longer than a small pool. What it returns must
    not be called while torch compiles.
    """
    always: _Run | None = None
    runs: dict[Any, _Run] = {}

    def general(x: Tensor) -> Any:
        return pool(info, x, geometry, backend=backend, **params)

    def call(x: Tensor) -> Any:
        nonlocal always
        if not eager.is_ordinary(x) or _by_reference:
            return general(x)
        run = always or runs.get(_kind(x))
        if run is general:
            return general(x)
        if run is not None:
            try:
                return run(x)
            except RuntimeError:
                return general(x)  # which says better what is wrong
        y = general(x)
        run, for_all = _choose(info, x, geometry, backend, params)
        if run and for_all:
            always = run
        else:
            if len(runs) >= MOST_KINDS:
                runs.clear()
            runs[_kind(x)] = run or general
        return y

    return call


#: A tensor would be kept alive.
_REMEMBERED = frozenset((int, float, bool, str, type(None)))


def may_remember(params: Mapping[str, Any]) -> bool:
    """Return whether :func:`call_of` takes these parameters of an operator."""
    return _REMEMBERED.issuperset(map(type, params.values()))


_Run = Callable[[Tensor], Tensor]
#: A call remembers as many kinds of inputs.
MOST_KINDS = 512


def _kind(x: Tensor) -> tuple[Any, ...]:
    """Return all that the choice depends on."""
    return x.shape, x.stride(), x.dtype


def _choose(
    info: PoolInfo, x: Tensor, geometry: AnyGeometry, backend: str, params: Mapping[str, Any]
) -> tuple[_Run | None, bool]:
    """Return what runs for ordinary inputs like ``x``, and whether it does for all others too; None where only
    :func:`pool` does.
    """
    chosen = suiting(info.native, params)
    if chosen is None:
        return None, False
    for_all = isinstance(geometry, Geometry) and (backend == "native" or chosen.in_torch is None)
    if isinstance(geometry, Bins):
        geometry = _as_windows(x, geometry)
    if _takes(chosen, x, geometry, backend):
        run = native.prepared(chosen.reducer, x, geometry).with_value(params[chosen.value] if chosen.value else 0.0)
        return run, for_all
    return (chosen.in_torch(x, geometry, **params) if chosen.in_torch else None), False


def pool(info: PoolInfo, x: Tensor, geometry: AnyGeometry, *, backend: str = "auto", **params: Any) -> Any:
    """Pool with a registered operator.

    Args:
        info: the operator.
        x: ``(N, C, *spatial)`` or ``(C, *spatial)``.
        geometry: where the windows lie. Bins are for operators that have an adaptive form.
        backend: ``reference``, ``native`` or ``auto``.
        params: the operator's own parameters, all of them where it has native reducers.

    Returns:
        The pooled input: a tensor, but for operators whose own definition gives something else.

    Raises:
        RuntimeError: ``backend`` is ``native`` and no native reducer can run; the message says why.
    """
    if isinstance(geometry, Bins):
        check_input(x, geometry.ndim)
        geometry = _as_windows(x, geometry)
    if isinstance(geometry, Geometry) and backend != "reference" and standard_operators.recording():
        y = _in_standard_operators(info, x, geometry, params)
        if y is not None:
            return y
    if info.native:
        check_input(x, geometry.ndim)
        y = pool_natively(info.native, x, geometry, backend, params)
        if y is not None:
            return y
    return pool_by_definition(info, x, geometry, **params)


def _as_windows(x: Tensor, bins: Bins) -> AnyGeometry:
    """Return bins that are all alike as windows with a kernel and a stride, which native code and torch's have."""
    return equal_windows(x.shape[-bins.ndim :], bins) or bins


def _in_standard_operators(info: PoolInfo, x: Tensor, geometry: Geometry, params: Mapping[str, Any]) -> Tensor | None:
    """Pool with what ``torch.onnx.export`` is to record; None where that is the definition.

    Raises:
        ValueError: the input is too small for its windows.
    """
    if info.in_standard_operators is None:
        return None
    check_input(x, geometry.ndim)
    output_size(x.shape[-geometry.ndim :], geometry)
    if not standard_operators.covers(x, geometry):
        return None
    y: Tensor | None = info.in_standard_operators(x.to(accumulation_dtype(x.dtype)), geometry, **params)
    return None if y is None else y.to(x.dtype)


def pool_natively(
    natives: Sequence[Native], x: Tensor, geometry: AnyGeometry, backend: str, params: Mapping[str, Any]
) -> Tensor | None:
    """Pool with the native reducer that suits the parameters; None where the definition is to be evaluated instead.

    Raises:
        RuntimeError: ``backend`` is ``native`` and no native reducer can run; the message says why.
        ValueError: the input is too small for its windows, or a second input has another shape.
    """
    chosen = suiting(natives, params)
    if not _takes(chosen, x, geometry, backend):
        return None
    assert chosen is not None
    dtype, second = x.dtype, None
    if chosen.second:
        second = params[chosen.second]
        check_same_shape(chosen.second, second, x)
        wide = torch.promote_types(x.dtype, second.dtype)  # the second input of a half type may come in float32
        x, second = x.to(wide), second.to(wide)
    try:
        y = native.pool(chosen.reducer, x, geometry, params[chosen.value] if chosen.value else None, second)
    except RuntimeError:
        output_size(x.shape[-geometry.ndim :], geometry)  # has better words for an input that is too small
        raise
    return y.to(dtype)


def backend_of(info: PoolInfo, x: Tensor, geometry: AnyGeometry, *, backend: str = "auto", **params: Any) -> str:
    """What :func:`pool` with the same arguments runs on: ``native``, or ``reference`` or ``torch``."""
    if isinstance(geometry, Bins):
        geometry = _as_windows(x, geometry)
    taken = info.native and _takes(suiting(info.native, params), x, geometry, backend)
    return "native" if taken else info.backend


@contextlib.contextmanager
def by_reference() -> Iterator[None]:
    """Make ``backend="auto"`` use the reference, for results that must not depend on what this machine has built.

    It applies to all threads, until the last open context ends.
    """
    global _by_reference
    with _counting:
        _by_reference += 1
    try:
        yield
    finally:
        with _counting:
            _by_reference -= 1


def suiting(natives: Sequence[Native], params: Mapping[str, Any]) -> Native | None:
    """The first native reducer that computes the same with these parameters."""
    for candidate in natives:
        value = params[candidate.value] if candidate.value else None
        scalar = not isinstance(value, Tensor) or value.dim() == 0
        if scalar and all(params[key] == needed for key, needed in candidate.when.items()):
            return candidate
    return None


def _takes(chosen: Native | None, x: Tensor, geometry: AnyGeometry, backend: str) -> bool:
    """Whether ``x`` is to be pooled by the native reducer; None stands for parameters that there is none for.

    Inside torch.func's transforms (vmap, grad, jvp, ...) and forward-mode AD it never is: the definition, which it must
    equal, is evaluated there.

    Raises:
        RuntimeError: ``backend`` is ``native`` and it cannot be; the message says why.
    """
    if backend == "reference":
        return False
    if isinstance(geometry, Bins) and not is_fixed(*output_size(x.shape[-geometry.ndim :], geometry)):
        if backend == "native":
            raise RuntimeError("backend='native': windows of different sizes are for tensors of a known size")
        return False
    transformed = _transformed()
    if backend == "auto" and (chosen is None or transformed or _portable() or not _ahead(chosen, x, geometry)):
        return False
    reason = "no native operator has these parameters" if chosen is None else native.unsuited(x, chosen.reducer)
    if reason and backend == "native":
        raise RuntimeError(f"backend='native': {reason}")
    return not reason and not transformed


def _transformed() -> bool:
    """Return whether a transform of torch.func or forward-mode AD is active; neither can differentiate a compiled
    operator.
    """
    return forward_ad._current_level >= 0 or torch._C._are_functorch_transforms_active()


def runs_at_once(x: Tensor) -> bool:
    """Return whether an operation on ``x``, on any device, computes its values now, for this machine alone: no graph,
    transform, fake tensor or :func:`by_reference`.
    """
    return not torch.compiler.is_compiling() and eager.is_plain(x) and not x.is_meta and _by_reference == 0


def _portable() -> bool:
    """Return whether the code must run on torch's own operators, as in exports."""
    return _by_reference > 0 or (torch.compiler.is_compiling() and torch.compiler.is_exporting())


#: Where the native kernel is taken, by measurement: benchmarks/make_choices.py writes it.
CHOICES = Path(native.__file__).with_name("choices.json")


@functools.cache
def _choices() -> dict[str, tuple[int | None, int | None]]:
    table: dict[str, list[int | None]] = json.loads(CHOICES.read_text(encoding="utf-8"))
    return {key: (least, most) for key, (least, most) in table.items()}


def kind_of_windows(sizes: Sequence[int], kernel_size: Sequence[int], stride: Sequence[int]) -> str:
    """Return the kind of windows by which :data:`CHOICES` chooses: those of the whole input, or their largest side."""
    largest = max(kernel_size)
    if tuple(sizes) == tuple(kernel_size) and largest > 1:
        return f"global up to {MOST_IN_FLOAT32}" if math.prod(sizes) <= MOST_IN_FLOAT32 else "global"
    side = next((f"up to {side}" for side in (2, 3, 5, 8) if largest <= side), "larger")
    return side if max(stride) > 1 else f"{side}, stride 1"


def _limits(
    reducer: str, device: str, dtype: torch.dtype, layout: str, windows: str
) -> tuple[int | None, int | None] | None:
    """Return from how many elements to how many :data:`CHOICES` takes the native kernel; None where it does not."""
    return _choices().get(f"{reducer} {device} {str(dtype).removeprefix('torch.')} {layout} {windows}")


native.mark_constant(_limits)


def _ahead(chosen: Native, x: Tensor, geometry: AnyGeometry) -> bool:
    """Return whether the native kernel is to be taken; what was never measured is left to torch.

    In a compiled function the other kernel is the one that the compiler makes, so it has measurements of its own. An
    open batch size is decided where the measurements of all sizes agree: a bound would be a guard.
    """
    if chosen.in_torch is None:
        return True
    sizes = x.shape[-geometry.ndim :]
    if not is_fixed(*sizes):
        return False
    windows = (
        "adaptive" if isinstance(geometry, Bins) else kind_of_windows(sizes, geometry.kernel_size, geometry.stride)
    )
    layout = "contiguous" if x.is_contiguous() else "channels_last" if is_channels_last(x) else "strided"
    device = f"{x.device.type} compiled" if torch.compiler.is_compiling() else x.device.type
    limits = _limits(chosen.reducer, device, x.dtype, layout, windows)
    if limits is None:
        return False
    if limits == (None, None):
        return True
    (least, most), elements = limits, x.numel()
    return is_fixed(elements) and (least is None or elements >= least) and (most is None or elements <= most)
