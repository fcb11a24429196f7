"""Code that all functions and modules of operators share: argument checks, printing and documentation."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

import torch
from torch import Tensor, nn

from poolzoo import engine
from poolzoo.geometry import AnyGeometry, Geometry, IntOrTuple, accumulation_dtype, check_input, make_geometry
from poolzoo.registry import PoolInfo
from poolzoo.standard_operators import filter_centred
from poolzoo.windows import MOST_IN_FLOAT32


class Pool(nn.Module):
    """Base class of every operator's module: it stores the arguments, checks them at construction, and prints them in
    call form.

    A learnable or stochastic operator overrides :meth:`params` to supply its parameters. For a subclass that passes
    ``*args`` and ``**kwargs`` on to this class, the documented signature lists the arguments below before the
    subclass's own keyword-only ones.
    """

    ndim: ClassVar[int]
    info: ClassVar[PoolInfo]
    #: One of ``registry.FORMS``; the class that sets it has the constructor that takes the windows' arguments.
    form: ClassVar[str] = ""
    #: Parameters of the authors' modules by their key in a state dict: the own parameter, and its value from theirs.
    authors_keys: ClassVar[Mapping[str, tuple[str, Callable[[Tensor], Tensor]]]] = {}
    #: Whether two calls in the current mode can differ.
    stochastic: bool = False
    #: What :meth:`params` returns for every input, if the operator is native and ``engine.call_of`` may remember it.
    _remembered: Mapping[str, Any] | None = None

    def __init__(
        self,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.geometry = make_geometry(self.ndim, kernel_size, stride, padding, dilation, ceil_mode)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = list(inspect.signature(cls.__init__).parameters.values())[1:]
        if any(p.kind is p.VAR_KEYWORD for p in own):
            own = [*cls.window_parameters(), *(p for p in own if p.kind is p.KEYWORD_ONLY)]
        cls.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]

    @classmethod
    def window_parameters(cls) -> list[inspect.Parameter]:
        """Return the constructor's parameters that say where the windows lie."""
        init = next(vars(base)["__init__"] for base in cls.__mro__ if "form" in vars(base))
        return list(inspect.signature(init).parameters.values())[1:]

    @property
    def kernel_size(self) -> tuple[int, ...]:
        return self.geometry.kernel_size

    @property
    def stride(self) -> tuple[int, ...]:
        return self.geometry.stride

    @property
    def padding(self) -> tuple[int, ...]:
        return self.geometry.padding

    @property
    def dilation(self) -> tuple[int, ...]:
        return self.geometry.dilation

    @property
    def ceil_mode(self) -> bool:
        return self.geometry.ceil_mode

    def params(self, x: Tensor) -> dict[str, Any]:
        """Return the operator's own parameters for this input, as its functional form takes them."""
        return {}

    if TYPE_CHECKING:  # torch's modules return Any

        def __call__(self, input: Tensor) -> Tensor:
            return self.forward(input)

    def take_channels(self, channels: int) -> None:
        """Make the parameters for this number of channels, if they depend on it and it was unknown."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for theirs, (own, convert) in self.authors_keys.items():
            if prefix + theirs in state_dict and prefix + own not in state_dict:
                value, shape = convert(state_dict.pop(prefix + theirs)), getattr(self, own).shape
                state_dict[prefix + own] = value.reshape(shape) if value.numel() == shape.numel() == 1 else value
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, input: Tensor) -> Tensor:
        params = self.params(input)
        if params is self._remembered and not torch.compiler.is_compiling():
            return engine.call_of(self.info, self.geometry, **params)(input)  # type: ignore[no-any-return]
        result: Tensor = engine.pool(self.info, input, self.geometry, **params)
        return result

    def extra_repr(self) -> str:
        absent = self.info.windowed_only if self.form else ()
        params = [f"{key}={value!r}" for key, value in self.shown_params().items() if key not in absent]
        return ", ".join([*self.shown_windows(), *params])

    def shown_windows(self) -> list[str]:
        """Return the arguments that say where the windows lie, as :meth:`extra_repr` shows them."""
        shown = {"kernel_size": self.kernel_size, "stride": self.stride}
        shown |= {"padding": self.padding} if any(self.padding) else {}
        shown |= {"dilation": self.dilation} if max(self.dilation) > 1 else {}
        parts = [f"{key}={value[0] if len(set(value)) == 1 else value}" for key, value in shown.items()]
        return parts + (["ceil_mode=True"] if self.ceil_mode else [])

    def shown_params(self) -> dict[str, Any]:
        """Return the parameters that :meth:`extra_repr` shows after the geometry."""
        return {}


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether ``value`` is an int or float; bools are not numbers here."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_finite(value: object) -> TypeGuard[int | float]:
    """Return whether ``value`` is a number that is neither infinite nor NaN."""
    return is_number(value) and -math.inf < value < math.inf  # math.isfinite refuses what torch.compile leaves open


def check_backend(backend: str) -> None:
    if backend not in engine.BACKENDS:
        raise ValueError(f"backend={backend!r}: {', '.join(map(repr, engine.BACKENDS))} are allowed")


def check_channels(channels: int | None) -> None:
    if channels is not None and (isinstance(channels, bool) or not isinstance(channels, int) or channels < 1):
        raise ValueError(f"channels={channels!r}: an int >= 1 or None is allowed")


def check_count(name: str, value: int | None) -> None:
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError(f"{name}={value!r}: an int >= 1 or None is allowed")


def check_generator(generator: torch.Generator | None) -> None:
    if generator is not None and not isinstance(generator, torch.Generator):
        raise ValueError(f"generator={generator!r}: a torch.Generator or None is allowed")


def channel_parameter(
    start: float | Tensor,
    channels: int | None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Parameter:
    """Return a learnable scalar for the whole layer, or one value for each of ``channels``."""
    check_channels(channels)
    shape = () if channels is None else (channels,)
    return nn.Parameter(torch.full(shape, float(start), device=device, dtype=dtype))


def per_channel(name: str, value: Tensor | float, x: Tensor, ndim: int) -> Tensor | float:
    """Reshape ``(C,)`` to ``(C, 1, ..., 1)``, which broadcasts with windows ``(..., C, *out, K)``; scalars stay."""
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value
    check_input(x, ndim)
    channels = x.shape[-ndim - 1]
    if value.shape != (channels,):
        raise ValueError(f"{name}: shape {tuple(value.shape)}; a scalar or one per channel, ({channels},), is allowed")
    return value.reshape(-1, *(1,) * (ndim + 1))


def learned_at(name: str, value: float | Tensor, x: Tensor, geometry: AnyGeometry) -> float | Tensor:
    """Return a learned number for the windows of ``x``: in float32 or wider, with its channels in the right place."""
    check_input(x, geometry.ndim)
    if isinstance(value, Tensor):
        value = value.to(torch.promote_types(value.dtype, torch.float32))
        value = value.to(torch.promote_types(value.dtype, x.dtype))
    return per_channel(name, value, x, geometry.ndim)


def learned_over_map(name: str, value: float | Tensor, x: Tensor, geometry: AnyGeometry) -> float | Tensor:
    """Return a learned number for ``x`` itself, which has no axis of windows."""
    value = learned_at(name, value, x, geometry)
    return value.squeeze(-1) if isinstance(value, Tensor) and value.dim() else value


def in_wide(value: Tensor) -> Tensor:
    """Return a learned value in float32 or wider, so that functions of it are not rounded to a half type."""
    return value.to(accumulation_dtype(value.dtype))


def without_autocast(x: Tensor) -> torch.autocast:
    """Return a context in which autocast leaves the types of operations on the device of ``x`` alone."""
    device = x.device.type if torch.amp.is_autocast_available(x.device.type) else "cpu"  # meta has no autocast
    return torch.autocast(device, enabled=False)


def fits_convolution(x: Tensor, ndim: int, taps: int) -> bool:
    """Return whether torch's depthwise convolution may compute a filter of ``taps`` elements: of a batch, in eager
    code, and with no more taps than float32 adds exactly enough.
    """
    small = x.dim() == ndim + 2 and taps <= MOST_IN_FLOAT32 and x.numel() > 0
    return small and x.dtype is not torch.float64 and engine.runs_at_once(x)


def may_convolve(x: Tensor, ndim: int, taps: int) -> bool:
    """Return whether it computes the filter of ``x``, in the type that is accumulated in, as the definition does: on a
    CPU, since a GPU may round to fewer digits.
    """
    return x.is_cpu and fits_convolution(x, ndim, taps)


def filter_by_convolution(
    x: Tensor, row: Sequence[float], geometry: Geometry, out: Sequence[int], mode: str
) -> Tensor | None:
    """Apply a filter centred on each window, in a tenth of the time that a definition takes; None where torch's
    depthwise convolution would not compute the same.

    Args:
        x: ``(N, C, *spatial)``, in the type that is accumulated in.
        row: the taps along each axis; of all axes together at most 64.
        geometry: the windows.
        out: their number on each axis.
        mode: what is read outside the input, as :func:`poolzoo.standard_operators.filter_centred` names it.
    """
    if not may_convolve(x, geometry.ndim, len(row) ** geometry.ndim):
        return None
    with without_autocast(x):
        y = filter_centred(x, row, geometry, mode)
    if y is None:
        return None
    inside = [slice(None), slice(None), *map(slice, out)]
    return y[tuple(inside)]


def shown_share(key: str, value: Tensor) -> dict[str, object]:
    """Return a learned scalar or per-channel value as the call arguments that :meth:`Pool.shown_params` shows."""
    return shown_value(key, value) | ({"channels": len(value)} if value.dim() else {})


def shown_value(key: str, value: Tensor) -> dict[str, object]:
    """Return ``{key: value}`` for a learned tensor with a single value; empty if it has several or is on the meta
    device.
    """
    value = value.detach()
    one = not value.is_meta and bool((value == value.flatten()[0]).all())
    return {key: round(value.flatten()[0].item(), 4)} if one else {}
