"""Code that all functions and modules of operators share: argument checks, printing and documentation."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

import torch
from torch import Tensor, nn

from poolzoo.cuda import BACKENDS
from poolzoo.geometry import IntOrTuple, accumulation_dtype, check_input, make_geometry
from poolzoo.registry import PoolInfo, current_names, warn_renamed

_MAKING = {"device": "device of the parameters", "dtype": "dtype of the parameters"}
_OF_BACKEND = "``backend``: ``native`` is compiled code, ``reference`` torch operators, ``auto`` the faster of them."
_SPATIAL = {1: "L", 2: "H, W", 3: "D, H, W"}


class Pool(nn.Module):
    """Base class of every operator's module: it stores the arguments, checks them at construction, and prints them in
    call form.

    A learnable or stochastic operator overrides :meth:`params` to supply its parameters. For a subclass that passes
    ``*args`` and ``**kwargs`` on to this class, the documented signature lists the arguments below before the
    subclass's own keyword-only ones.
    """

    ndim: ClassVar[int]
    info: ClassVar[PoolInfo]
    #: Whether two calls in the current mode can differ.
    stochastic: bool = False

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
        shared, own = (list(inspect.signature(init).parameters.values())[1:] for init in (Pool.__init__, cls.__init__))
        if any(p.kind is p.VAR_KEYWORD for p in own):
            own = [*shared, *(p for p in own if p.kind is p.KEYWORD_ONLY)]
        cls.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]

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

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = self.info.forward(input, self.geometry, **self.params(input))
        return result

    def extra_repr(self) -> str:
        shown = {"kernel_size": self.kernel_size, "stride": self.stride}
        shown |= {"padding": self.padding} if any(self.padding) else {}
        shown |= {"dilation": self.dilation} if max(self.dilation) > 1 else {}
        parts = [f"{key}={value[0] if len(set(value)) == 1 else value}" for key, value in shown.items()]
        parts += ["ceil_mode=True"] if self.ceil_mode else []
        parts += [f"{key}={value!r}" for key, value in self.shown_params().items()]
        return ", ".join(parts)

    def shown_params(self) -> dict[str, Any]:
        """Return the parameters that :meth:`extra_repr` shows after the geometry."""
        return {}


class FixedPool(Pool):
    """Module of an operator without learned state: its parameters are plain values."""

    def __init__(
        self,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        ceil_mode: bool = False,
        **params: Any,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        known = operator_params(self.info)
        check_params(self.info, known, params)
        self._params = {key: params.get(key, p.default) for key, p in known.items()}

    def params(self, x: Tensor) -> dict[str, Any]:
        return self._params

    def shown_params(self) -> dict[str, Any]:
        defaults = operator_params(self.info)
        return {key: value for key, value in self._params.items() if value != defaults[key].default}


_BACKEND = inspect.Parameter("backend", inspect.Parameter.KEYWORD_ONLY, default="auto", annotation="str")


def definition(info: PoolInfo) -> Callable[..., Tensor]:
    """Return the registered function: the reducer of an operator over windows, or else the whole operator."""
    target = info.reducer if isinstance(info.forward, functools.partial) else info.forward
    assert target is not None
    return target


def operator_params(info: PoolInfo) -> Mapping[str, inspect.Parameter]:
    """Return the operator's own parameters: the keyword-only ones of its definition, and ``backend`` if it has native
    code.
    """
    params = {p.name: p for p in inspect.signature(definition(info)).parameters.values() if p.kind is p.KEYWORD_ONLY}
    return MappingProxyType(params | ({"backend": _BACKEND} if info.native else {}))


def check_params(info: PoolInfo, known: Mapping[str, inspect.Parameter], params: Mapping[str, Any]) -> None:
    """Raise TypeError for an unknown or missing parameter, and whatever the operator's own check raises."""
    for key in params:
        if key not in known:
            raise TypeError(f"unknown parameter {key!r}; allowed: {', '.join(known) or 'none'}")
    for key, parameter in known.items():
        if parameter.default is parameter.empty and key not in params:
            raise TypeError(f"parameter {key!r} is needed")
    if info.native:
        check_backend(params.get("backend", "auto"))
    if info.check is not None:
        info.check(**{key: value for key, value in params.items() if key != "backend"})


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether ``value`` is an int or float; bools are not numbers here."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_finite(value: object) -> TypeGuard[int | float]:
    """Return whether ``value`` is a number that is neither infinite nor NaN."""
    return is_number(value) and -math.inf < value < math.inf  # math.isfinite refuses what torch.compile leaves open


def check_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r}: {', '.join(map(repr, BACKENDS))} are allowed")


def check_channels(channels: int | None) -> None:
    if channels is not None and (isinstance(channels, bool) or not isinstance(channels, int) or channels < 1):
        raise ValueError(f"channels={channels!r}: an int >= 1 or None is allowed")


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


def in_wide(value: Tensor) -> Tensor:
    """Return a learned value in float32 or wider, so that functions of it are not rounded to a half type."""
    return value.to(accumulation_dtype(value.dtype))


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


@functools.cache
def make_function(info: PoolInfo, ndim: int) -> Callable[..., Tensor]:
    """Return the operator's function for ``ndim`` spatial axes; it is made once."""
    forward = info.forward
    known = operator_params(info)
    defaults = {p.name: p.default for p in known.values() if p.default is not p.empty}
    needed = len(defaults) < len(known)

    def function(
        input: Tensor,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        ceil_mode: bool = False,
        **params: Any,
    ) -> Tensor:
        params = current_names(info, params)
        if params or needed:
            check_params(info, known, params)
        geometry = make_geometry(ndim, kernel_size, stride, padding, dilation, ceil_mode)
        result: Tensor = forward(input, geometry, **{**defaults, **params})
        return result

    shared = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__name__ = function.__qualname__ = f"{info.function_name}{ndim}d"
    function.__module__ = "poolzoo.functional"
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*shared, *known.values()], return_annotation="Tensor"
    )
    function.__doc__ = _document(info, ndim, known.values(), takes_input=True)
    return function


@functools.cache
def make_class(info: PoolInfo, ndim: int) -> type[Pool]:
    """Return the operator's module class for ``ndim`` spatial axes; it is made once."""
    base = info.module or FixedPool
    name = f"{info.class_name}{ndim}d"
    # Users find it, and pickle finds it again, as poolzoo.SoftPool2d.
    members = {"ndim": ndim, "info": info, "__module__": "poolzoo", "__qualname__": name}
    if info.renamed:
        members |= {"__init__": _init_by_any_name(base)}
        members |= {former: _former_attribute(former, present) for former, present in info.renamed.items()}
    cls: type[Pool] = type(name, (base,), members)
    own = [p for p in inspect.signature(base).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if base is FixedPool:
        own = [*operator_params(info).values()]
        shared = inspect.signature(FixedPool).parameters.values()
        cls.__signature__ = inspect.Signature([*shared, *own])  # type: ignore[attr-defined]
    cls.__doc__ = _document(info, ndim, own, takes_input=False)
    return cls


def _init_by_any_name(base: type[Pool]) -> Callable[..., None]:
    """The constructor of a module some of whose arguments have former names."""

    @functools.wraps(base.__init__)
    def __init__(self: Pool, *args: Any, **kwargs: Any) -> None:
        base.__init__(self, *args, **current_names(self.info, kwargs))

    return __init__


def _former_attribute(former: str, present: str) -> property:
    def read(self: Pool) -> Any:
        warn_renamed(type(self).__name__, former, present)
        return getattr(self, present)

    return property(read)


def _document(info: PoolInfo, ndim: int, own: Iterable[inspect.Parameter], takes_input: bool) -> str:
    prose = [
        inspect.getdoc(definition(info)),
        None if takes_input or info.module is None else inspect.getdoc(info.module),
    ]
    if info.native:
        prose.append(_OF_BACKEND)
    shape = _SPATIAL[ndim]
    lines = [f"{info.summary[0].upper()}{info.summary[1:]}, over {ndim}D windows: ``{info.formula}``.", ""]
    lines += [line for text in prose if text for line in (text, "")]
    lines += ["Args:"]
    if takes_input:
        lines += [f"    input: ``(N, C, {shape})`` or ``(C, {shape})``, floating point."]
    lines += [
        "    kernel_size: size of the window, an int or one per axis.",
        "    stride: step between windows; None means ``kernel_size``.",
        "    padding: positions added on both sides, at most half of the window's span; they are ignored.",
        "    dilation: step between the elements of a window.",
        "    ceil_mode: round the output size up, as torch's pooling does.",
    ]
    for p in own:
        what = _MAKING.get(p.name, "as described above")
        lines += [f"    {p.name}: {what}; {'needed' if p.default is p.empty else f'{p.default!r} by default'}."]
    lines += [
        "",
        "Shape:",
        "    Output sizes are those of torch's max_pool:",
        "    ``floor((n + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1``.",
        "",
        "Raises:",
        "    ValueError: an argument is out of range, or the input is smaller than the window.",
        "    TypeError: an argument or the input's dtype is of the wrong kind.",
        "",
        f"Source: {info.source}.",
    ]
    return "\n".join(lines)
