"""What is made of a registered operator: its functions, its module classes, and modules by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from torch import Tensor
from torch.compiler import is_compiling

from poolzoo import engine, registry
from poolzoo.geometry import AnyGeometry, IntOrTuple, Sizes, make_bins, make_geometry
from poolzoo.operators.adaptive import AdaptivePool, GlobalPool
from poolzoo.operators.base import Pool, check_backend
from poolzoo.registry import FORMS, PoolInfo, current_names, name_of_form, warn_renamed

Made = TypeVar("Made")
_MAKING = {"device": "device of the parameters", "dtype": "dtype of the parameters"}
_OF_BACKEND = "``backend``: ``native`` is compiled code, ``reference`` torch operators, ``auto`` the faster of them."
_SPATIAL = {1: "L", 2: "H, W", 3: "D, H, W"}
#: What a module of each form is besides its operator's own class.
_WINDOWS: dict[str, tuple[type[Pool], ...]] = {"": (), "adaptive": (AdaptivePool,), "global": (GlobalPool,)}


class _Default(int):
    """The default of an argument, which can be told from the same number when it is given."""


_NOT_GIVEN = _Default(2)


def _window_arguments(name: str, output_size: Any, windowed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that say where a module's windows lie.

    Raises:
        ValueError: an output size is given, and an argument of a pool with a kernel too.
    """
    if output_size is None:
        return {key: 2 if value is _NOT_GIVEN else value for key, value in windowed.items()}
    for key, value in windowed.items():
        if value is not None and value is not _NOT_GIVEN:
            raise ValueError(f"{name}: output_size={output_size!r}: {key}={value!r} is given too; only one is allowed")
    return {"output_size": output_size}


def create_pool(
    spec: str,
    *,
    ndim: int = 2,
    kernel_size: int | tuple[int, ...] = _NOT_GIVEN,
    stride: int | tuple[int, ...] | None = None,
    output_size: int | tuple[int | None, ...] | None = None,
    in_channels: int | None = None,
    **params: Any,
) -> Pool:
    """Make an operator's module by name: with a kernel and a stride, or with ``output_size`` its adaptive form.

    An operator that needs the number of channels, such as ``lip``, takes it as ``channels=``. Without it the module
    behaves like torch's lazy modules: the parameters are uninitialized until the first input, which has to be a plain
    call, or until ``load_state_dict``. They are then drawn as the module made with ``channels=`` draws them.

    Args:
        spec: registry name, with parameters if wanted: ``"softpool"``, ``"softpool:beta=4"``, ``"lp:p=3,norm=sum"``.
        ndim: spatial axes.
        kernel_size: window size.
        stride: step between windows; None means ``kernel_size``.
        output_size: the output's size, as torch's adaptive pools take it; the spec may have it too. None makes a pool
            with a kernel.
        in_channels: former name of ``channels``, for operators that need it; the others ignore it.
        params: further arguments of the module, such as ``padding``; they override those of the spec.

    Raises:
        ValueError: unknown operator or parameter, or a value that is not allowed.

    Example:
        >>> create_pool("softpool", ndim=2, kernel_size=2)
        SoftPool2d(kernel_size=2, stride=2)
        >>> create_pool("lp:p=3", output_size=(7, None))
        AdaptiveLpPool2d(output_size=(7, None), p=3)
    """
    name, given = registry.parse_spec(spec)
    info = registry.pool_info(name)
    size = given.pop("output_size", None) if output_size is None else output_size
    windows = _window_arguments(name, size, {"kernel_size": kernel_size, "stride": stride})
    cls = make_class(info, ndim, "" if size is None else "adaptive")
    arguments = {**windows, **given, **current_names(info, params)}
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


def operator_params(info: PoolInfo, form: str = "") -> Mapping[str, inspect.Parameter]:
    """Return the operator's own parameters in this form: the keyword-only ones of its definition, and ``backend`` if
    it has native code.
    """
    params = {p.name: p for p in inspect.signature(info.definition).parameters.values() if p.kind is p.KEYWORD_ONLY}
    params |= {"backend": _BACKEND} if info.native else {}
    return MappingProxyType({key: p for key, p in params.items() if not (form and key in info.windowed_only)})


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        windows = {p.name for p in self.window_parameters()}
        super().__init__(*args, **{key: value for key, value in kwargs.items() if key in windows})
        params = {key: value for key, value in kwargs.items() if key not in windows}
        check_params(self.info, operator_params(self.info, self.form), params)
        self._params = {key: params.get(key, p.default) for key, p in operator_params(self.info).items()}
        if self.info.native and engine.may_remember(self._params):
            self._remembered = self._params

    def params(self, x: Tensor) -> dict[str, Any]:
        return self._params

    def shown_params(self) -> dict[str, Any]:
        defaults = operator_params(self.info)
        return {key: value for key, value in self._params.items() if value != defaults[key].default}


#: What was made of an operator. Of two threads that make the same at once, both get what the first one stored.
_made: dict[tuple[PoolInfo, int, str, str], Any] = {}


def make_function(info: PoolInfo, ndim: int, form: str = "") -> Callable[..., Tensor]:
    """Return ``soft_pool2d``, or with ``form`` ``adaptive_soft_pool2d`` or ``global_soft_pool2d``, and its like; the
    same object every time.

    Raises:
        ValueError: the operator is not defined for that many axes, or has no adaptive and global form.
    """
    key = (info, _checked(info, ndim), _checked_form(info, form), "function")
    function: Callable[..., Tensor] = _made.get(key) or _made.setdefault(key, _function(info, ndim, form))
    return function


def make_class(info: PoolInfo, ndim: int, form: str = "") -> type[Pool]:
    """Return ``SoftPool2d``, or with ``form`` ``AdaptiveSoftPool2d`` or ``GlobalSoftPool2d``, and its like; the same
    class every time.

    Raises:
        ValueError: the operator is not defined for that many axes, or has no adaptive and global form.
    """
    key = (info, _checked(info, ndim), _checked_form(info, form), "class")
    cls: type[Pool] = _made.get(key) or _made.setdefault(key, _class(info, ndim, form))
    return cls


def find_function(name: str) -> Callable[..., Tensor] | None:
    """Return the function of that name, ``soft_pool2d`` and its like, or None.

    Raises:
        AttributeError: the operator has no such form; the message says why.
    """
    return _find(name, "function_name", make_function)


def find_class(name: str) -> type[Pool] | None:
    """Return the module class of that name, ``SoftPool2d`` and its like, or None.

    Raises:
        AttributeError: the operator has no such form; the message says why.
    """
    return _find(name, "class_name", make_class)


def _find(name: str, stem: str, make: Callable[..., Made]) -> Made | None:
    if found := registry.find_export(name, stem):
        return make(*found)
    for form in FORMS[1:]:
        lead = name_of_form(form, "X" if stem == "class_name" else "x")[:-1]
        plain = registry.find_export(name.removeprefix(lead), stem) if name.startswith(lead) else None
        if plain and not plain[2]:
            raise AttributeError(f"{name}: {_lacks_form(plain[0])}")
    return None


def _lacks_form(info: PoolInfo) -> str:
    return f"{info.name} has no adaptive or global form: {info.not_adaptive}"


def _checked_form(info: PoolInfo, form: str) -> str:
    if form not in FORMS:
        raise ValueError(f"form={form!r}: {', '.join(map(repr, FORMS))} are allowed")
    if form and not info.adaptive:
        raise ValueError(_lacks_form(info))
    return form


def _checked(info: PoolInfo, ndim: int) -> int:
    if ndim not in info.ndims:
        allowed = ", ".join(map(str, info.ndims))
        raise ValueError(f"ndim={ndim!r}: {info.name} is defined for {allowed} spatial axes")
    return ndim


def _as_key(windows: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return arguments of windows as a key; None if one is not made of ints. True, which equals 1, is another key."""
    key: list[Any] = []
    for value in windows:
        if isinstance(value, (tuple, list)):
            for number in value:
                if type(number) is not int and number is not None:
                    return None
            key.append(tuple(value))
        elif type(value) is int or value is None:
            key.append(value)
        elif type(value) is bool:
            key.append(str(value))
        else:
            return None
    return tuple(key)


def _function(info: PoolInfo, ndim: int, form: str) -> Callable[..., Tensor]:
    known = operator_params(info, form)
    whole = operator_params(info).values()
    defaults = {p.name: p.default for p in whole if p.default is not p.empty}
    needed = any(p.default is p.empty for p in whole)

    def checked(params: dict[str, Any]) -> dict[str, Any]:
        if info.renamed:
            params = current_names(info, params)
        if params or needed:
            check_params(info, known, params)
        return {**defaults, **params}

    # A renamed argument warns at every call.
    quick = bool(info.native) and not info.renamed
    calls: dict[Any, Callable[[Tensor], Tensor]] = {}

    def remember(key: Any, geometry: AnyGeometry, params: Mapping[str, Any]) -> None:
        if engine.may_remember(params):
            if len(calls) >= _MOST_CALLS:
                calls.clear()
            calls[key] = engine.call_of(info, geometry, **params)

    def windowed(
        input: Tensor,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        ceil_mode: bool = False,
        **params: Any,
    ) -> Tensor:
        windows = kernel_size, stride, padding, dilation, ceil_mode
        key = None
        if quick and not is_compiling():
            # One by one: a loop takes a tenth of a small pool's time.
            single = (
                type(kernel_size) is int
                and (stride is None or type(stride) is int)
                and type(padding) is int
                and type(dilation) is int
                and type(ceil_mode) is bool
            )
            plain = windows if single else _as_key(windows)
            if plain is not None:
                key = (plain, *params.items(), *map(type, params.values())) if params else plain
                call = _look_up(calls, key)
                if call is not None:
                    return call(input)
        params = checked(params)
        geometry = make_geometry(ndim, *windows)
        result: Tensor = engine.pool(info, input, geometry, **params)
        if key is not None:
            remember(key, geometry, params)
        return result

    def adaptive(input: Tensor, output_size: Sizes, **params: Any) -> Tensor:
        key = None
        if quick and not is_compiling():
            plain = output_size if type(output_size) is int else _as_key((output_size,))
            if plain is not None:
                key = (plain, *params.items(), *map(type, params.values()))
                call = _look_up(calls, key)
                if call is not None:
                    return call(input)
        params = checked(params)
        bins = make_bins(ndim, output_size)
        result: Tensor = engine.pool(info, input, bins, **params)
        if key is not None:
            remember(key, bins, params)
        return result

    def whole_input(input: Tensor, *, flatten: bool = False, **params: Any) -> Tensor:
        y = adaptive(input, 1, **params)
        return y.flatten(-ndim - 1) if flatten else y

    functions: dict[str, Callable[..., Tensor]] = {"": windowed, "adaptive": adaptive, "global": whole_input}
    function = functions[form]
    shared = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__name__ = function.__qualname__ = f"{name_of_form(form, info.function_name)}{ndim}d"
    function.__module__ = "poolzoo.functional"
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*shared, *known.values()], return_annotation="Tensor"
    )
    function.__doc__ = _document(info, ndim, form, known.values(), takes_input=True)
    return function


#: A function remembers as many calls.
_MOST_CALLS = 256


def _look_up(calls: Mapping[Any, Made], key: Any) -> Made | None:
    try:
        return calls.get(key)
    except TypeError:  # an unhashable parameter, which is not allowed
        return None


def _class(info: PoolInfo, ndim: int, form: str) -> type[Pool]:
    base = info.module or FixedPool
    assert issubclass(base, Pool)
    name = f"{name_of_form(form, info.class_name)}{ndim}d"
    # Users find it, and pickle finds it again, as poolzoo.SoftPool2d.
    members: dict[str, Any] = {"ndim": ndim, "info": info, "__module__": "poolzoo", "__qualname__": name}
    if info.renamed or (form and info.windowed_only):
        members["__init__"] = _init(base)
    members |= {former: _former_attribute(former, present) for former, present in info.renamed.items()}
    if base is FixedPool:
        members |= {key: _attribute(key) for key in operator_params(info, form) if not hasattr(base, key)}
    cls: type[Pool] = type(name, (base, *_WINDOWS[form]), members)
    own = [p for p in inspect.signature(base).parameters.values() if p.kind is p.KEYWORD_ONLY]
    own = [*operator_params(info).values()] if base is FixedPool else own
    own = [p for p in own if not (form and p.name in info.windowed_only)]
    parameters = sorted([*cls.window_parameters(), *own], key=lambda p: p.kind)
    cls.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    cls.__doc__ = _document(info, ndim, form, own, takes_input=False)
    return cls


def _init(base: type[Pool]) -> Callable[..., None]:
    """Return the constructor of a module whose arguments have former names, or which lacks some in its form."""

    @functools.wraps(base.__init__)
    def __init__(self: Pool, *args: Any, **kwargs: Any) -> None:
        kwargs = current_names(self.info, kwargs)
        if self.form and (given := [key for key in self.info.windowed_only if key in kwargs]):
            raise TypeError(f"{given[0]}={kwargs[given[0]]!r}: only {self.info.class_name}{self.ndim}d takes it")
        base.__init__(self, *args, **kwargs)

    return __init__


def _attribute(key: str) -> property:
    return property(lambda self: self._params[key])


def _former_attribute(former: str, present: str) -> property:
    def read(self: Pool) -> Any:
        warn_renamed(type(self).__name__, former, present)
        return getattr(self, present)

    return property(read)


#: The arguments that say where the windows lie, and the shapes, in each form's documentation.
_WINDOW_ARGUMENTS = {
    "": [
        "    kernel_size: size of the window, an int or one per axis.",
        "    stride: step between windows; None means ``kernel_size``.",
        "    padding: positions added on both sides, at most half of the window's span; they are ignored.",
        "    dilation: step between the elements of a window.",
        "    ceil_mode: round the output size up, as torch's pooling does.",
    ],
    "adaptive": ["    output_size: size of the output, an int or one per axis; None keeps the input's."],
    "global": ["    flatten: leave out the spatial axes of the output; False by default."],
}
_SHAPES = {
    "": [
        "    Output sizes are those of torch's max_pool:",
        "    ``floor((n + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1``.",
    ],
    "adaptive": [
        "    Output sizes are ``output_size``. Window i of m over n positions spans ``floor(i n / m)`` to",
        "    ``ceil((i + 1) n / m)``, as in torch's adaptive pools.",
    ],
    "global": ["    The output has one position on each axis, or with ``flatten`` no spatial axes."],
}
_OVER = {"": "over {}D windows", "adaptive": "to a given {}D size", "global": "over all of a {}D input"}


def _document(info: PoolInfo, ndim: int, form: str, own: Iterable[inspect.Parameter], takes_input: bool) -> str:
    prose = [
        inspect.getdoc(info.definition),
        None if takes_input or info.module is None else inspect.getdoc(info.module),
    ]
    if info.native:
        prose.append(_OF_BACKEND)
    shape = _SPATIAL[ndim]
    over = _OVER[form].format(ndim)
    lines = [f"{info.summary[0].upper()}{info.summary[1:]}, {over}: ``{info.formula}``.", ""]
    own = list(own)
    for paragraph in [paragraph for text in prose if text for paragraph in text.split("\n\n")]:
        mentions_absent = form and any(f"``{key}" in paragraph for key in info.windowed_only)
        if not mentions_absent or any(f"``{p.name}" in paragraph for p in own):
            lines += [paragraph, ""]
    lines += ["Args:"]
    if takes_input:
        lines += [f"    input: ``(N, C, {shape})`` or ``(C, {shape})``, floating point."]
    lines += _WINDOW_ARGUMENTS[form]
    for p in own:
        what = _MAKING.get(p.name, "as described above")
        lines += [f"    {p.name}: {what}; {'needed' if p.default is p.empty else f'{p.default!r} by default'}."]
    lines += [
        "",
        "Shape:",
        *_SHAPES[form],
        "",
        "Raises:",
        f"    ValueError: an argument is out of range, or the input {'is empty' if form else 'smaller than a window'}.",
        "    TypeError: an argument or the input's dtype is of the wrong kind.",
        "",
        f"Source: {info.source}.",
    ]
    return "\n".join(lines)
