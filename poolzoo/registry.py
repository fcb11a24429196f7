"""The list of all pooling operators: what each one is, where it comes from, and how to make it.

The registry names no operator itself. Each operator registers with :func:`register_pool`: the built-in ones when
``poolzoo.operators`` is imported, those of other packages through the entry point group ``poolzoo.operators``, and
those of a user's script by calling :func:`register_pool`. This file does not import torch: ``poolzoo list`` reads the
facts of built-in operators from ``operators/catalog.json``, which ``make catalog`` writes.
"""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import json
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import nn

#: The arguments of every operator's windows, as torch names them.
GEOMETRY = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
ENTRY_POINT_GROUP = "poolzoo.operators"
CATALOG = Path(__file__).parent / "operators" / "catalog.json"
#: The facts that are plain data, which ``poolzoo list`` shows.
FACTS = ("name", "summary", "formula", "source", "family", "ndims", "learnable", "stochastic", "variants", "adaptive")
#: What is made of an operator, by the names' prefix: pools with a kernel, to an output size, and of the whole input.
FORMS = ("", "adaptive", "global")

#: Operators whose weights look different: the default of ``visualize weights``.
TELLING = ("avg", "max", "median", "lse:r=20", "softpool", "softpool:beta=20", "blur", "strided", "lanczos")

#: The clauses of the operator contract that an operator's ``exempt`` may name.
CLAUSES = {
    "constant": "a constant window is kept",
    "constant_negative": "a constant window below 0 is kept",
    "permutation": "the order of the elements inside a window does not matter",
    "nan": "a NaN or inf affects no output whose window does not contain it",
    "nan_reaches": "a NaN affects every output whose window contains it",
    "huge": "nothing overflows unless the result does, up to the largest number",
    "steep": "no gradient is larger than the input's type holds",
    "gradcheck": "the gradient is the derivative",
    "second_gradient": "the gradient of the gradient is its derivative",
    "onnx": "exports to ONNX",
}

Target = TypeVar("Target", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class Native:
    """A native reducer that computes the same as an operator.

    Attributes:
        reducer: its name: the torch operator is ``poolzoo::NAME``.
        struct: the struct in ``native/reducers.h`` that defines it.
        value: the operator's parameter that it takes, as a number or a scalar tensor; "" for none.
        second: the operator's parameter that is a second input, a tensor of the input's shape; "" for none.
        when: parameters of the operator, and the only values of them with which both compute the same.
        in_torch: for an operator that torch has kernels for, ``in_torch(x, geometry, **params)`` returns torch's for
            inputs like ``x``, as a function of the input, or None where none computes quite the same.
            ``backend="auto"`` takes the native one where benchmarks/results shows it to be faster; None always does.
    """

    reducer: str
    struct: str
    value: str = ""
    second: str = ""
    when: Mapping[str, Any] = field(default_factory=dict)
    in_torch: Callable[..., Callable[[Any], Any] | None] | None = None

    def arguments(self, value: Any, second: Any) -> dict[str, Any]:
        """Return the operator's parameters for which the reducer, given these two, stands."""
        given = {self.value: value, self.second: second}
        return {**self.when, **{key: argument for key, argument in given.items() if key}}


@dataclass(frozen=True, eq=False)
class PoolInfo:
    """The facts about one operator.

    Attributes:
        name: registry name, as in ``create_pool(name)`` and spec strings.
        summary: one line that describes it.
        formula: the pooled value y of a window with elements a_i.
        source: paper with its arXiv number, or the library whose definition it follows.
        family: its heading in lists.
        definition: the registered function. With ``over="windows"`` it is a reducer, ``f(a, mask, **params) -> y``.
            With ``over="input"`` it is the whole operator, ``f(x, geometry, **params) -> y``, for any number of axes.
        over: ``windows`` or ``input``.
        reducer: ``reducer(a, mask, **params) -> y`` if the operator is a function of one window, else None.
        ndims: the numbers of spatial axes it is defined for.
        module: base class of its modules if they hold parameters or state, else None.
        learnable: whether its modules have parameters to learn; a new module has their initial values.
        learning_rate: Adam's first step size when it is fitted.
        learns_in_training: whether its parameters have a gradient in training mode only, in which it is then fitted.
        stochastic: whether it draws in training.
        resamples: whether it resizes the whole input to the output size, wherever the windows are.
        variants: spec parameters with which a comparison of all operators includes it again, e.g. ``mode=random``.
        exempt: clauses of the operator contract that do not apply to it, each with the reason.
        phases: for an operator that keeps several submaps, ``phases(geometry, **params)`` gives each one's offset in
            input positions per axis; else None.
        kept_phase: for an operator that keeps one phase of each sample, chosen by the input, ``kept_phase(x, geometry,
            **params)`` gives it: an int64 tensor ``(N, axes)`` of offsets in input positions. Value o is then the one
            at position ``o * stride + offset`` of the input; else None.
        single_elements: whether each of its values is one element of the input: that at the first position of the
            window, moved by the phase.
        restore: for an operator with submaps that loses nothing where windows lie side by side, ``restore(y, sizes,
            geometry, **params)`` gives the input of the spatial ``sizes`` back; else None.
        check: called with the parameters; raises ValueError or TypeError if one is not allowed.
        function_name: stem of its functions: ``soft_pool`` for ``soft_pool2d``.
        class_name: stem of its modules: ``SoftPool`` for ``SoftPool2d``.
        not_adaptive: why it has no adaptive and global form; empty if it has, the default with ``over="windows"``.
            With ``over="input"``, the definition then takes :class:`poolzoo.geometry.Bins` as its geometry too.
        windowed_only: arguments that its adaptive and global forms do not have.
        native: the native reducers that compute the same; the first that suits a call's parameters is taken. Functions
            and modules of an operator that has some take ``backend``.
        backend: what runs its definition, as a profile states it: ``reference`` (window engine) or ``torch``.
        in_standard_operators: ``f(x, geometry, **params) -> y`` gives the same values from ONNX's standard operators,
            which ``torch.onnx.export`` records instead of the definition; None from it leaves a call to the definition.
        renamed: former names of its arguments, each with the present name. They still work, with a DeprecationWarning.
    """

    name: str
    summary: str
    formula: str
    source: str
    family: str
    definition: Callable[..., Any]
    over: str = "windows"
    reducer: Callable[..., Any] | None = None
    ndims: tuple[int, ...] = (1, 2, 3)
    module: type[nn.Module] | None = None
    learnable: bool = False
    #: Most operators learn numbers that a sigmoid or softplus bends, and must carry them far.
    learning_rate: float = 0.1
    learns_in_training: bool = False
    stochastic: bool = False
    resamples: bool = False
    variants: tuple[str, ...] = ()
    exempt: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    phases: Callable[..., list[tuple[int, ...]]] | None = None
    kept_phase: Callable[..., Any] | None = None
    single_elements: bool = False
    restore: Callable[..., Any] | None = None
    check: Callable[..., None] | None = None
    function_name: str = ""
    class_name: str = ""
    not_adaptive: str = ""
    windowed_only: tuple[str, ...] = ()
    native: tuple[Native, ...] = ()
    backend: str = "reference"
    in_standard_operators: Callable[..., Any] | None = None
    renamed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def adaptive(self) -> bool:
        """Return whether it has an adaptive and a global form."""
        return not self.not_adaptive

    def exports(self, stem: str) -> dict[str, str]:
        """Return by form ``function_name`` or ``class_name``: what a name begins with, before the number of axes."""
        return {form: name_of_form(form, getattr(self, stem)) for form in FORMS if self.adaptive or not form}

    @property
    def facts(self) -> dict[str, Any]:
        """Return the plain data among the attributes, as stored in the catalog."""
        return {key: list(value) if isinstance(value := getattr(self, key), tuple) else value for key in FACTS}


def name_of_form(form: str, stem: str) -> str:
    """Return ``AdaptiveSoftPool`` for ``SoftPool`` and ``adaptive_soft_pool`` for ``soft_pool``."""
    return f"{form.capitalize()}{stem}" if stem[0].isupper() else f"{form}_{stem}".lstrip("_")


_pools: dict[str, PoolInfo] = {}
_builtin: set[str] = set()
#: By native reducer, the first operator that was registered with it.
_reducers: dict[str, tuple[PoolInfo, Native]] = {}
_loaded = _loading = False
#: Called when an operator is registered, by what keeps things that it made of operators by their names.
on_registration: list[Callable[[], None]] = []
_load_lock = threading.RLock()


def register_pool(
    name: str,
    *,
    summary: str,
    formula: str,
    source: str,
    family: str = "other",
    over: str = "windows",
    native: Native | Sequence[Native] = (),
    overwrite: bool = False,
    **facts: Any,
) -> Callable[[Target], Target]:
    """Add an operator; used as a decorator over the function that defines it.

    With ``over="windows"`` the function is a reducer, ``f(a, mask, *, param=default) -> y``: ``a`` has shape ``(...,
    *out, K)``, one window along the last axis; ``mask`` of shape ``(*out, K)`` is True inside the input, or None if
    nothing is outside. Every dimension, padding, dilation, ceil_mode, autograd and the modules follow from it. With
    ``over="input"`` it is the whole operator, ``f(x, geometry, *, param=default) -> y``.

    Args:
        name: registry name: lower-case letters, digits and underscores.
        summary, formula, source, family: see :class:`PoolInfo`.
        over: ``windows`` or ``input``.
        native: the native reducer that computes the same, or several: see :class:`PoolInfo`.
        overwrite: replace an operator of the same name instead of raising.
        facts: other attributes of :class:`PoolInfo`.

    Returns:
        A decorator that registers the function and returns it unchanged.

    Raises:
        ValueError: the name is taken or malformed, or ``over`` is neither of the two.

    Example:
        >>> @register_pool("midrange", summary="middle of the extremes", formula="(max a + min a) / 2", source="mine")
        ... def midrange(a, mask):
        ...     low = a if mask is None else a.masked_fill(~mask, float("inf"))
        ...     high = a if mask is None else a.masked_fill(~mask, float("-inf"))
        ...     return (low.amin(-1) + high.amax(-1)) / 2
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"name={name!r}: lower-case letters, digits and underscores are allowed, a letter first")
    if over not in ("windows", "input"):
        raise ValueError(f"over={over!r}: 'windows' or 'input' is allowed")
    stems = {
        "function_name": f"{name}_pool",
        "class_name": "".join(part.capitalize() for part in name.split("_")) + "Pool",
    }
    own: dict[str, Any] = {"summary": summary, "formula": formula, "source": source, "family": family, "over": over}
    natives = (native,) if isinstance(native, Native) else tuple(native)

    def decorator(target: Target) -> Target:
        made = {"reducer": target} if over == "windows" else {"not_adaptive": "it is not a function of single windows"}
        info = PoolInfo(name=name, definition=target, native=natives, **own, **{**stems, **made, **facts})
        _add(info, overwrite)
        return target

    return decorator


def _add(info: PoolInfo, overwrite: bool) -> None:
    """Put an operator into the registry.

    Raises:
        ValueError: its name, or the name of its functions or modules, is taken.
    """
    builtin = info.definition.__module__.startswith("poolzoo.operators.")
    if not builtin:
        load_operators()
    if info.name in _pools and not overwrite:
        raise ValueError(
            f"name={info.name!r}: an operator of that name is already registered; overwrite=True replaces it"
        )
    for stem in ("function_name", "class_name"):
        own = _names_of_forms(info, stem)
        for other in _pools.values():
            taken = own & _names_of_forms(other, stem)
            if taken and other.name != info.name:  # poolzoo.<name>2d would be that one, and pickles could not be read
                given = f"name={info.name!r}: {stem}={min(taken, key=len)!r}"
                raise ValueError(f"{given} is already used by {other.name!r}; give another {stem}")
    _pools[info.name] = info
    (_builtin.add if builtin else _builtin.discard)(info.name)
    for native in info.native:
        _reducers.setdefault(native.reducer, (info, native))
    for forget in on_registration:
        forget()


def _names_of_forms(info: PoolInfo, stem: str) -> set[str]:
    """Return the names of all forms, those that the operator lacks too: no other operator's may mean them."""
    return {name_of_form(form, getattr(info, stem)) for form in FORMS}


def native_reducers() -> dict[str, tuple[PoolInfo, Native]]:
    """Return every native reducer by its name, with the operator whose definition says what it computes."""
    load_operators()
    return dict(_reducers)


def load_operators() -> None:
    """Import the built-in operators and those of installed packages; a second call does nothing.

    A second thread waits until all are registered.
    """
    global _loaded, _loading
    if _loaded:
        return
    with _load_lock:
        if _loaded or _loading:  # loading: a package's operators, while they are imported, ask for what is there
            return
        _loading = True
        try:
            importlib.import_module("poolzoo.operators")
            _load_entry_points()
            _loaded = True
        finally:
            _loading = False


def _load_entry_points() -> None:
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            entry.load()
        except Exception as error:  # another package's fault must not take the built-in operators away
            warnings.warn(f"operators of {entry.value!r} left out: {type(error).__name__}: {error}", stacklevel=2)


def pool_facts(pattern: str = "*", family: str | None = None) -> list[dict[str, Any]]:
    """Return the plain facts of the operators that :func:`list_pools` names.

    If only built-in ones exist, torch is not imported.
    """
    from importlib.metadata import entry_points

    if _loaded or entry_points(group=ENTRY_POINT_GROUP):
        return [pool_info(name).facts for name in list_pools(pattern, family)]
    facts = {fact["name"]: fact for fact in catalog()}
    return [facts[name] for name in _matching({name: facts[name]["family"] for name in facts}, pattern, family)]


def catalog() -> list[dict[str, Any]]:
    """Return the plain facts of the built-in operators, without importing torch."""
    facts: list[dict[str, Any]] = json.loads(CATALOG.read_text())
    return facts


def list_pools(pattern: str = "*", family: str | None = None) -> list[str]:
    """Return the names that match a shell pattern, in registration order: ``list_pools("*blur*")``.

    Args:
        pattern: ``*``, ``?`` and ``[...]`` stand for parts of a name.
        family: only operators of this family (see :class:`PoolInfo`), as ``averaging`` or ``generalised-mean``: a space
            may be written as a hyphen.

    Raises:
        ValueError: no operator is of this family.
    """
    load_operators()
    return _matching({name: info.family for name, info in _pools.items()}, pattern, family)


def _matching(families: Mapping[str, str], pattern: str, family: str | None) -> list[str]:
    """Return the names, which are given with their families, that match a pattern and are of a family."""
    hyphened = {name: known.replace(" ", "-") for name, known in families.items()}
    wanted = family.replace(" ", "-") if family is not None else None
    if wanted is not None and wanted not in hyphened.values():
        raise ValueError(f"family={family!r}: {', '.join(dict.fromkeys(hyphened.values()))} are allowed")
    names = [name for name in families if fnmatch.fnmatchcase(name, pattern)]
    return [name for name in names if wanted in (None, hyphened[name])]


def pool_info(name: str) -> PoolInfo:
    """Return the facts about one operator.

    Raises:
        ValueError: no such operator; the message names the nearest ones.
    """
    load_operators()
    if name not in _pools:
        near = difflib.get_close_matches(name, _pools, n=3, cutoff=0.5) or [p for p in _pools if name and name in p][:3]
        hint = f"did you mean {' or '.join(near)}?" if near else "`poolzoo list` names them all"
        raise ValueError(f"pool={name!r}: no such operator; {hint}")
    return _pools[name]


def current_names(info: PoolInfo, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of an operator's function, module or spec by their present names.

    Raises:
        ValueError: an argument is given by its former and by its present name.
    """
    current = dict(arguments)
    for former, present in info.renamed.items():
        if former in current:
            if present in current:
                raise ValueError(f"{former}={current[former]!r}: {present} is given too; leave {former} out")
            warn_renamed(info.name, former, present)
            current[present] = current.pop(former)
    return current


def warn_renamed(owner: str, former: str, present: str) -> None:
    """Tell the code outside of poolzoo that a name which it uses is a former one."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "poolzoo":
        level, frame = level + 1, frame.f_back
    message = f"{owner}: {former} is now called {present}; the old name will not work in the next release"
    warnings.warn(message, DeprecationWarning, stacklevel=level)


def export_names(stem: str) -> list[str]:
    """Return all functions' (``stem="function_name"``) or modules' (``"class_name"``) names, as ``SoftPool2d``."""
    load_operators()
    return [f"{name}{n}d" for info in _pools.values() for name in info.exports(stem).values() for n in info.ndims]


def find_export(name: str, stem: str) -> tuple[PoolInfo, int, str] | None:
    """Return the operator, the number of axes and the form of the function or module class of that name, or None."""
    if name[-2:] not in ("1d", "2d", "3d"):
        return None
    load_operators()
    for info in _pools.values():
        for form, own in info.exports(stem).items():
            if own == name[:-2] and int(name[-2]) in info.ndims:
                return info, int(name[-2]), form
    return None


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Split ``name:key=value,key=value``.

    Values are ints, floats (including ``inf``), ``true``/``false``, ``none``, sizes such as ``3x2`` (a tuple), or
    strings. A key that is an argument's former name becomes its present one.

    Raises:
        ValueError: a part after the colon is not ``key=value``, or a key occurs twice.
    """
    name, _, rest = spec.partition(":")
    name = name.strip()
    params: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key.isidentifier() and equals and value):
            raise ValueError(f"pool={spec!r}: {part!r} is not key=value")
        if key in params:
            raise ValueError(f"pool={spec!r}: {key!r} is given twice")
        params[key] = _value(value)
    if params:
        load_operators()
    return name, current_names(_pools[name], params) if name in _pools else params


def format_params(params: Mapping[str, Any]) -> str:
    """Return the part of a spec string after the colon, keys sorted: the inverse of ``parse_spec``."""
    return ",".join(f"{key}={_text(params[key])}" for key in sorted(params))


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for convert in (int, float, _size):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def _size(text: str) -> tuple[int, ...]:
    if "x" not in text:
        raise ValueError(text)
    return tuple(int(part) for part in text.split("x"))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def expand_specs(specs: Iterable[str]) -> list[str]:
    """Expand patterns to specs: ``"soft*"`` gives each match; an empty list gives every operator and variant.

    Raises:
        ValueError: a pattern matches nothing, or a name is unknown.
    """
    expanded: list[str] = []
    for spec in list(specs) or ["*"]:
        name, colon, rest = spec.partition(":")
        plain, _ = parse_spec(spec)
        if not any(c in name for c in "*?["):
            pool_info(plain)
            expanded.append(spec)
            continue
        matches = list_pools(name)
        if not matches:
            raise ValueError(f"pool={spec!r}: no operator matches; `poolzoo list` lists all")
        for match in matches:
            expanded.append(match + colon + rest)
            if not rest:
                expanded.extend(f"{match}:{variant}" for variant in pool_info(match).variants)
    return list(dict.fromkeys(expanded))


def builtin_pools() -> list[PoolInfo]:
    """Return the built-in operators, in registration order."""
    load_operators()
    return [info for info in _pools.values() if info.name in _builtin]


def catalog_text() -> str:
    """Return the content of ``operators/catalog.json``."""
    return json.dumps([info.facts for info in builtin_pools()], indent=1, ensure_ascii=False) + "\n"
