"""Window positions and output sizes: torch's pooling arguments, checked once for every operator.

Sizes are torch's (``max_pool2d``'s documentation): with ``span = dilation * (kernel_size - 1) + 1``,
``out = floor((n + 2 * padding - span) / stride) + 1``; ``ceil_mode`` rounds up instead, but drops a last window that
would start in the right padding.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
#: The largest window argument: torch's kernels store it in 32 bits.
_MOST = 2**31 - 1
IntOrTuple = int | Sequence[int]


class Geometry(NamedTuple):
    """The windows of a pool: one int per spatial axis for each argument, and torch's ``ceil_mode``."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool

    @property
    def ndim(self) -> int:
        return len(self.kernel_size)

    @property
    def spans(self) -> tuple[int, ...]:
        """Return how many input positions a window spans, including the holes of the dilation."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))

    @property
    def first_centre(self) -> tuple[float, ...]:
        """Return the input position of the first window's centre; the others follow at steps of ``stride``."""
        return tuple((span - 1) / 2 - pad for span, pad in zip(self.spans, self.padding, strict=True))

    def lies_evenly(self, sizes: Sequence[int], out: Sequence[int]) -> bool:
        """Return whether the centres of ``out`` windows per axis divide an input of ``sizes`` evenly: each is that of
        one of ``out`` equal parts.
        """
        axes = zip(sizes, out, self.stride, self.spans, self.padding, strict=True)
        return all(n == o * s and s == span - 2 * p for n, o, s, span, p in axes)


class Bins(NamedTuple):
    """The windows of adaptive pooling, as torch's adaptive pools have them: window i of m over n positions spans
    ``floor(i n / m)`` to ``ceil((i + 1) n / m)``.

    ``output_size`` is m on each spatial axis; None is the input's size.
    """

    output_size: tuple[int | None, ...]

    @property
    def ndim(self) -> int:
        return len(self.output_size)


#: The windows of any pool.
AnyGeometry = Geometry | Bins
#: The output size of an adaptive pool: one for all axes or one for each; None is the input's.
Sizes = int | None | Sequence[int | None]


def make_bins(ndim: int, output_size: Sizes) -> Bins:
    """Check the output size of an adaptive pool and expand it to one value per axis.

    Raises:
        ValueError: a wrong number of values, or one that is neither None nor an int >= 1.
    """
    sizes: Sequence[Any] = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * ndim
    if len(sizes) != ndim or any(
        s is not None and (isinstance(s, bool) or not isinstance(s, int) or s < 1) for s in sizes
    ):
        raise ValueError(f"output_size={output_size!r}: an int >= 1, None (as the input), or {ndim} of them is allowed")
    return Bins(tuple(sizes))


def equal_windows(sizes: Sequence[int], bins: Bins) -> Geometry | None:
    """Return the windows of ``bins`` over an input of these sizes as a pool with a kernel and a stride has them; None
    where they differ in size or in distance, or sizes are symbolic.
    """
    out = output_size(sizes, bins)
    if not is_fixed(*sizes, *out):
        return None
    strides, rests = [n // m for n, m in zip(sizes, out, strict=True)], [n % m for n, m in zip(sizes, out, strict=True)]
    # Window i starts at i stride + floor(i rest / m), and is one longer than the stride where that is no whole number.
    if min(strides) < 1 or max(rests) > 1:
        return None
    kernel = tuple(stride + rest for stride, rest in zip(strides, rests, strict=True))
    return Geometry(kernel, tuple(strides), (0,) * bins.ndim, (1,) * bins.ndim, False)


def make_geometry(
    ndim: int,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
) -> Geometry:
    """Check torch's pooling arguments and expand them to one value per axis.

    Args:
        ndim: spatial axes, 1 to 3.
        kernel_size: window size, >= 1, an int or one per axis.
        stride: step between windows, >= 1; None means ``kernel_size``.
        padding: positions added on both sides, 0 to half the window's span; they are ignored.
        dilation: step between the elements of a window, >= 1.
        ceil_mode: round the output size up.

    Raises:
        TypeError: an argument is not an int or a sequence of ints.
        ValueError: a wrong number of values or one out of range.
    """
    if not torch.compiler.is_compiling() and all(
        v is None or isinstance(v, int) for v in (kernel_size, stride, padding, dilation, ceil_mode)
    ):
        # For a small tensor this takes as long as pooling it.
        return _remembered_geometry(ndim, kernel_size, stride, padding, dilation, ceil_mode)
    return _make_geometry(ndim, kernel_size, stride, padding, dilation, ceil_mode)


def _make_geometry(
    ndim: int,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None,
    padding: IntOrTuple,
    dilation: IntOrTuple,
    ceil_mode: bool,
) -> Geometry:
    kernel = _per_axis("kernel_size", kernel_size, ndim, 1)
    steps = kernel if stride is None else _per_axis("stride", stride, ndim, 1)
    holes = _per_axis("dilation", dilation, ndim, 1)
    pads = _per_axis("padding", padding, ndim, 0)
    if not isinstance(ceil_mode, bool):
        raise TypeError(f"ceil_mode={ceil_mode!r}: True or False is allowed")
    geometry = Geometry(kernel, steps, pads, holes, ceil_mode)
    for pad, span in zip(pads, geometry.spans, strict=True):
        if pad > span // 2:
            raise ValueError(f"padding={padding!r}: at most half of the window's span, which is {span!r} here")
    return geometry


_remembered_geometry = functools.lru_cache(maxsize=256, typed=True)(_make_geometry)  # typed: 1 is allowed, True is not


def _per_axis(name: str, value: IntOrTuple, ndim: int, least: int) -> tuple[int, ...]:
    values = (value,) * ndim if isinstance(value, int) else tuple(value) if isinstance(value, (tuple, list)) else None
    if values is None or any(isinstance(v, bool) or not isinstance(v, int) for v in values):
        raise TypeError(f"{name}={value!r}: an int or a tuple of {ndim} ints is allowed")
    if len(values) == 1:
        values *= ndim
    if len(values) != ndim:
        raise ValueError(f"{name}={value!r}: an int or a tuple of {ndim} ints is allowed")
    if any(v < least for v in values):
        raise ValueError(f"{name}={value!r}: must be at least {least}")
    if any(v > _MOST for v in values):
        raise ValueError(f"{name}={value!r}: must be at most {_MOST}")
    return values


def is_fixed(*sizes: Any) -> bool:
    """Return whether sizes are plain ints; in ``torch.compile``, exports and traces they may be symbolic."""
    if torch.compiler.is_compiling():
        from torch.fx.experimental.symbolic_shapes import has_static_value

        return all(has_static_value(size) for size in sizes)
    return all(type(size) is int for size in sizes)


def smaller(a: Any, b: Any) -> Any:
    """Return ``min(a, b)`` of sizes, which stays symbolic for symbolic sizes."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):  # as torch.jit.trace gives them
        return torch.minimum(torch.as_tensor(a), torch.as_tensor(b))
    return torch.sym_min(a, b)  # type: ignore[no-untyped-call]


def larger(a: Any, b: Any) -> Any:
    """Return ``max(a, b)`` of sizes, which stays symbolic for symbolic sizes."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.maximum(torch.as_tensor(a), torch.as_tensor(b))
    return torch.sym_max(a, b)  # type: ignore[no-untyped-call]


def output_size(sizes: Sequence[int], geometry: AnyGeometry) -> tuple[int, ...]:
    """Return the output size that torch's ``max_pool``, or its adaptive pool, has for the same arguments.

    Raises:
        ValueError: the input is smaller than a window, or too small for the dilation, so that a window contains no
            element.
    """
    if isinstance(geometry, Bins):
        given: Sequence[Any] = sizes  # in a trace they are tensors
        if any(not isinstance(n, Tensor) and n < 1 for n in given):
            raise ValueError(f"input: spatial sizes must be at least 1; they are {', '.join(map(str, sizes))}")
        return tuple(n if m is None else m for n, m in zip(sizes, geometry.output_size, strict=True))
    out = []
    for n, k, s, p, d, span in zip(sizes, *geometry[:4], geometry.spans, strict=True):
        spare = s - 1 if geometry.ceil_mode else 0
        least = max(1, span - 2 * p - spare)
        traced = isinstance(n, Tensor)  # what it is in the call that is traced, it need not be later
        if not traced and n < least:
            raise ValueError(
                f"input size {n!r} is too small for a window of kernel_size={k!r}, padding={p!r}, dilation={d!r}: "
                f"needs at least {least!r}"
            )
        # Without a branch, so that it is right for every size that n may stand for.
        size = (n + 2 * p - span + spare) // s + 1
        if geometry.ceil_mode:
            size = smaller(size, (n + p - 1) // s + 1)
        if not traced and p and n < d and any(_is_empty(i * s - p, k, d, n) for i in range(size)):
            given = f"padding={p!r} and dilation={d!r}"
            raise ValueError(f"input size {n!r} with {given} leaves windows without an element")
        out.append(size)
    return tuple(out)


def _is_empty(start: int, k: int, d: int, n: int) -> bool:
    """Return whether a window of ``k`` taps, ``d`` apart from ``start`` on, contains none of ``n`` positions."""
    return not any(0 <= start + tap * d < n for tap in range(k))


def check_input(x: Tensor, ndim: int, name: str = "input") -> None:
    """Raise TypeError or ValueError unless ``x`` is floating point, ``(N, C, *spatial)`` or ``(C, *spatial)``."""
    if x.dtype not in DTYPES:
        raise TypeError(f"{name}: dtype {x.dtype} is not allowed; float64, float32, bfloat16 or float16 is")
    if x.dim() not in (ndim + 1, ndim + 2):
        raise ValueError(
            f"{name}: {x.dim()} axes (shape {tuple(x.shape)}); "
            f"{ndim}D pooling takes {ndim + 2}, or {ndim + 1} unbatched"
        )
    channels: Any = x.shape[-ndim - 1]
    if not isinstance(channels, Tensor) and channels == 0:  # in a trace it is a tensor
        raise ValueError(f"{name}: shape {tuple(x.shape)}; at least 1 channel is needed")


def check_same_shape(name: str, second: Tensor, x: Tensor) -> None:
    """Raise ValueError unless an operator's second input has the shape of its first."""
    if second.shape != x.shape:
        raise ValueError(f"{name}: shape {tuple(second.shape)}; the shape of input, {tuple(x.shape)}, is needed")


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype that reducers compute in: float32 for the half types, else the input's own."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def like(y: Tensor, x: Tensor) -> Tensor:
    """Return ``y`` in the dtype of ``x``, and channels-last if ``x`` is."""
    y = y.to(x.dtype)
    # Not by contiguous(memory_format=...), which is not implemented under vmap.
    return y.movedim(1, -1).contiguous().movedim(-1, 1) if is_channels_last(x) else y


def is_channels_last(x: Tensor) -> bool:
    """Return whether ``x`` is stored channels-last."""
    # From strides, since is_contiguous(memory_format=...) is not implemented under vmap.
    if x.dim() not in (4, 5) or x.shape[1] == 1 or x.stride(1) != 1:
        return False
    expected = x.shape[1]
    for axis in range(x.dim() - 1, 1, -1):
        if x.shape[axis] != 1 and x.stride(axis) != expected:
            return False
        expected *= x.shape[axis]
    return True
