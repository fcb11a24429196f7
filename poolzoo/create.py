"""What is made of a registered operator: its functions, its module classes, and modules by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor

from poolzoo import engine, registry
from poolzoo.geometry import IntOrTuple, make_geometry
from poolzoo.operators.base import Pool, check_backend
from poolzoo.registry import PoolInfo, current_names, warn_renamed

_MAKING = {"device": "device of the parameters", "dtype": "dtype of the parameters"}
_OF_BACKEND = "``backend``: ``native`` is compiled code, ``reference`` torch operators, ``auto`` the faster of them."
_SPATIAL = {1: "L", 2: "H, W", 3: "D, H, W"}


def create_pool(
    spec: str,
    *,
    ndim: int = 2,
    kernel_size: int | tuple[int, ...] = 2,
    stride: int | tuple[int, ...] | None = None,
    in_channels: int | None = None,
    **params: Any,
) -> Pool:
    """Make an operator's module by name.

    An operator that needs the number of channels, such as ``lip``, takes it as ``channels=``. Without it the module
    behaves like torch's lazy modules: the parameters are uninitialized until the first input, which has to be a plain
    call, or until ``load_state_dict``. They are then drawn as the module made with ``channels=`` draws them.

    Args:
        spec: registry name, with parameters if wanted: ``"softpool"``, ``"softpool:beta=4"``, ``"lp:p=3,norm=sum"``.
        ndim: spatial axes.
        kernel_size: window size.
        stride: step between windows; None means ``kernel_size``.
        in_channels: former name of ``channels``, for operators that need it; the others ignore it.
        params: further arguments of the module, such as ``padding``; they override those of the spec.

    Raises:
        ValueError: unknown operator or parameter, or a value that is not allowed.

    Example:
        >>> create_pool("softpool", ndim=2, kernel_size=2)
        SoftPool2d(kernel_size=2, stride=2)
    """
    name, given = registry.parse_spec(spec)
    info = registry.pool_info(name)
    cls = make_class(info, ndim)
    arguments = {"kernel_size": kernel_size, "stride": stride, **given, **current_names(info, params)}
    allowed = list(inspect.signature(cls).parameters)
    unknown = [key for key in arguments if key not in allowed]
    if unknown:
        own = [key for key in allowed if key not in ("device", "dtype")]
        raise ValueError(f"{name}: unknown parameter {unknown[0]!r}; allowed: {', '.join(own)}")
    if in_channels is not None:
        present = info.renamed.get("in_channels", "in_channels")
        if present in params:
            raise ValueError(f"{name}: in_channels={in_channels!r}: {present} is given too; leave in_channels out")
        warn_renamed("create_pool", "in_channels", "channels")
        if present in allowed:
            arguments.setdefault(present, in_channels)
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


_BACKEND = inspect.Parameter("backend", inspect.Parameter.KEYWORD_ONLY, default="auto", annotation="str")


def operator_params(info: PoolInfo) -> Mapping[str, inspect.Parameter]:
    """Return the operator's own parameters: the keyword-only ones of its definition, and ``backend`` if it has native
    code.
    """
    params = {p.name: p for p in inspect.signature(info.definition).parameters.values() if p.kind is p.KEYWORD_ONLY}
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


#: What was made of an operator. Of two threads that make the same at once, both get what the first one stored.
_made: dict[tuple[PoolInfo, int, str], Any] = {}


def make_function(info: PoolInfo, ndim: int) -> Callable[..., Tensor]:
    """Return ``soft_pool2d`` and its like; the same object every time."""
    key = (info, _checked(info, ndim), "function")
    function: Callable[..., Tensor] = _made.get(key) or _made.setdefault(key, _function(info, ndim))
    return function


def make_class(info: PoolInfo, ndim: int) -> type[Pool]:
    """Return ``SoftPool2d`` and its like; the same class every time."""
    key = (info, _checked(info, ndim), "class")
    cls: type[Pool] = _made.get(key) or _made.setdefault(key, _class(info, ndim))
    return cls


def find_function(name: str) -> Callable[..., Tensor] | None:
    """Return the function of that name, ``soft_pool2d`` and its like, or None."""
    found = registry.find_export(name, "function_name")
    return make_function(*found) if found else None


def find_class(name: str) -> type[Pool] | None:
    """Return the module class of that name, ``SoftPool2d`` and its like, or None."""
    found = registry.find_export(name, "class_name")
    return make_class(*found) if found else None


def _checked(info: PoolInfo, ndim: int) -> int:
    if ndim not in info.ndims:
        allowed = ", ".join(map(str, info.ndims))
        raise ValueError(f"ndim={ndim!r}: {info.name} is defined for {allowed} spatial axes")
    return ndim


def _function(info: PoolInfo, ndim: int) -> Callable[..., Tensor]:
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
        if info.renamed:
            params = current_names(info, params)
        if params or needed:
            check_params(info, known, params)
        geometry = make_geometry(ndim, kernel_size, stride, padding, dilation, ceil_mode)
        result: Tensor = engine.pool(info, input, geometry, **{**defaults, **params})
        return result

    shared = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__name__ = function.__qualname__ = f"{info.function_name}{ndim}d"
    function.__module__ = "poolzoo.functional"
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*shared, *known.values()], return_annotation="Tensor"
    )
    function.__doc__ = _document(info, ndim, known.values(), takes_input=True)
    return function


def _class(info: PoolInfo, ndim: int) -> type[Pool]:
    base = info.module or FixedPool
    assert issubclass(base, Pool)
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
        inspect.getdoc(info.definition),
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
