"""``replace_pools``: replace every pool of a model, modules and function calls alike, by another operator."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from poolzoo.create import make_class
from poolzoo.operators.lazy import LazyPool
from poolzoo.registry import PoolInfo, parse_spec, pool_info
from poolzoo.surgery.report import LeftAlone, Replaced, Report
from poolzoo.surgery.sites import (
    UnsuitedError,
    averaged_axes,
    describe,
    exported_name,
    hidden_pools,
    input_of,
    is_call,
    is_compiled,
    is_pool,
    label,
    ndim_of,
    stand_in,
)
from poolzoo.surgery.tracing import UntraceableError, first_line, lost_by_tracing, names_a_pool, rewrite, trace

FilterFn = Callable[[str, nn.Module], bool]
#: Arguments that a spec may not set, because they are taken from the replaced pool.
_CARRIED = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "output_size", "flatten")
#: Wrappers that keep the parameters which they were made with: a replacement's own would be left out.
_KEEPING = ("DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule", "DeepSpeedEngine")


def replace_pools(
    model: nn.Module,
    pool: str,
    filter_fn: FilterFn | None = None,
    *,
    example: Any = None,
    global_pools: bool = False,
    inplace: bool = False,
    allow_none: bool = False,
    verbose: bool = True,
) -> nn.Module:
    """Replace a model's pools by another operator.

    Replaced are pools with a kernel: torch's MaxPool, AvgPool and LPPool modules, poolzoo's own pools, and, with
    torch.fx, calls of the functions of those names in any module's forward. Adaptive and global pools, such as the one
    before a classifier, stay unless ``global_pools=True``. Kernel size, stride, padding, dilation, ceil_mode, device,
    dtype and train or eval mode are taken from the old pool. The new operator ignores padding positions, also where an
    average pool counted them as zeros. Parameters and buffers keep their names; a learnable operator adds new ones. A
    module that is used in several places, and replaced in all of them, stays one module.

    Args:
        model: any module that is not TorchScript.
        pool: registry name, with parameters if wanted: ``"softpool"``, ``"lp:p=3"``; without the window's arguments.
        filter_fn: ``filter_fn(path, module)`` returns whether to replace a pool. For a function call, ``module`` is the
            equivalent torch module, and ``path`` is the path of the calling module followed by the function's name.
        example: an input of the model, or a tuple of its positional arguments. The model runs on it once, in eval mode,
            to find the channels for operators such as ``lip``, which otherwise take them from their first input. A
            module whose trace gives a different output than the module itself is not replaced.
        global_pools: also replace torch's and poolzoo's adaptive and global pools, by the operator's adaptive form.
        inplace: change ``model`` itself and return it; otherwise a deep copy is changed.
        allow_none: return the model unchanged if there is nothing to replace, instead of raising.
        verbose: print the report.

    Returns:
        The model. Its ``pool_report`` is a :class:`~poolzoo.surgery.Report` of the pools replaced and left alone.

    Raises:
        ValueError: nothing was replaced, the operator is unknown or does not take a parameter, or DDP wraps the model.
        TypeError: ``model`` is not a module, or is TorchScript.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.MaxPool2d(3, stride=2, padding=1))
        >>> replace_pools(model, "lp:p=3", verbose=False)[1]
        LpPool2d(kernel_size=3, stride=2, padding=1, p=3)
    """
    if not isinstance(model, nn.Module) or isinstance(model, torch.jit.ScriptModule):
        raise TypeError(f"model: {type(model).__name__}; a torch.nn.Module that is not TorchScript is allowed")
    if is_pool(model):
        raise ValueError(f"model: this is itself a pool, {model}; use create_pool to make another one")
    _check_wrappers(model)
    operator = _Operator.parse(pool, global_pools)
    model = model if inplace else copy.deepcopy(model)
    report = _replace(model, operator, filter_fn, example)
    if not report.replaced and not allow_none:
        reasons = "".join(f"; {row.where} ({row.what}): {row.why}" for row in report.left_alone) or ", there is no pool"
        raise ValueError(f"model: nothing was replaced{reasons}; allow_none=True accepts that")
    vars(model)["pool_report"] = report
    if verbose:
        print(report)  # noqa: T201
    return model


def _check_wrappers(model: nn.Module) -> None:
    """Raise ValueError if the model or a part of it is wrapped for training in several processes."""
    for path, module in model.named_modules():
        if kept := [cls.__name__ for cls in type(module).__mro__ if cls.__name__ in _KEEPING]:
            raise ValueError(
                f"model: {path or 'it'} is a {kept[0]}, which keeps the parameters that it was made with; "
                "replace the pools first, then wrap the model"
            )


def _replace(model: nn.Module, operator: _Operator, filter_fn: FilterFn | None, example: Any) -> Report:
    """Replace the pools of ``model`` itself. What raises changes nothing."""
    found = _find(model, operator.global_pools)
    if example is not None:
        _watch(model, example, found)
    plans = [_plan(model, site, operator, filter_fn, example is not None, found.left_alone) for site in found.sites]
    replaced = [plan.carry_out() for plan in plans if plan is not None]
    for caller in found.callers:
        if caller.changed:
            rewrite(caller.module, caller.graph)
    return Report(operator.spec, tuple(replaced), tuple(found.left_alone), tuple(sorted(found.untraced)))


# What there is ------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Caller:
    """A module whose own forward calls pooling functions."""

    module: nn.Module
    graph: fx.Graph
    changed: bool = False
    #: Why its trace is wrong, if the example showed that.
    fault: str = ""


@dataclass(eq=False)
class _Site:
    """A pool: a module, or a call, described by the equivalent module."""

    module: nn.Module
    what: str
    #: Its places: dotted path, parent and name there. For a call, the place of its replacement.
    places: list[tuple[str, nn.Module, str]]
    caller: _Caller | None = None
    node: fx.Node | None = None
    #: The channels of its inputs while the example ran.
    channels: set[int] = field(default_factory=set)

    def note(self, x: Tensor) -> None:
        self.channels.add(x.shape[-ndim_of(self.module) - 1])


@dataclass(eq=False)
class _Found:
    sites: list[_Site] = field(default_factory=list)
    callers: list[_Caller] = field(default_factory=list)
    left_alone: list[LeftAlone] = field(default_factory=list)
    untraced: set[str] = field(default_factory=set)
    means: bool = False


def _find(model: nn.Module, means: bool) -> _Found:
    """Return every pool in the model, each once, in the model's order; with ``means`` also name means over the map."""
    found = _Found(means=means)
    pools: dict[int, _Site] = {}
    _find_calls("", model, found)
    for path, parent, name in _walk(model):
        module = parent.get_submodule(name)
        if isinstance(module, torch.jit.ScriptModule):
            found.left_alone.append(LeftAlone(path, module.original_name, "TorchScript cannot be changed"))
        elif not is_pool(module):
            _find_calls(path, module, found)
        elif id(module) in pools:
            pools[id(module)].places.append((path, parent, name))
        else:
            pools[id(module)] = _Site(module, label(module), [(path, parent, name)])
            found.sites.append(pools[id(module)])
    return found


def _walk(module: nn.Module, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, nn.Module, str]]:
    """Yield path, parent and name of everything below: pools at every occurrence, other modules at their first."""
    seen = {id(module)} if seen is None else seen
    for name, child in module._modules.items():
        if child is None or id(child) in seen:
            continue
        below = f"{path}.{name}".lstrip(".")
        yield below, module, name
        if not is_pool(child) and not isinstance(child, torch.jit.ScriptModule):
            seen.add(id(child))
            yield from _walk(child, below, seen)


def _find_calls(path: str, module: nn.Module, found: _Found) -> None:
    """Add the calls of pooling functions in the module's own forward, and the pools that it hides."""
    for name, pool in hidden_pools(module):
        where = f"{path}.{name}".lstrip(".")
        found.left_alone.append(LeftAlone(where, label(pool), "is not registered as a submodule"))
    if str(getattr(type(module).forward, "__module__", "")).startswith("torch.nn."):
        return  # torch's own layers and containers call none
    try:
        graph = trace(module)
    except UntraceableError as error:
        if names_a_pool(module):
            found.left_alone.append(LeftAlone(path or "model", type(module).__name__, str(error)))
        else:
            found.untraced.add(type(module).__name__)
        return
    for node in graph.nodes:
        where = f"{path}.{node.name}".lstrip(".")
        if exported := exported_name(node):
            found.left_alone.append(LeftAlone(where, exported, "is an operator of an exported graph"))
        if found.means and (axes := averaged_axes(node)):
            found.left_alone.append(LeftAlone(where, f"mean over {axes}", "a mean, not a call of a pooling function"))
    calls = list(filter(is_call, graph.nodes))
    if calls and (lost := lost_by_tracing(module)):
        found.left_alone.append(LeftAlone(path or "model", type(module).__name__, lost))
        return
    caller = _Caller(module, graph)
    taken = set(dir(module))
    for node in calls:
        function = getattr(node.target, "__name__", "pool")
        name = next(n for i in itertools.count() if (n := f"{function}_{i}" if i else function) not in taken)
        taken.add(name)
        where = f"{path}.{name}".lstrip(".")
        try:
            same = stand_in(node)
        except UnsuitedError as error:
            found.left_alone.append(LeftAlone(where, f"F.{function}", str(error)))
            continue
        what = f"F.{function}({same.extra_repr()})"
        found.sites.append(_Site(same, what, [(where, module, name)], caller, node))
        if caller not in found.callers:
            found.callers.append(caller)


# What the example tells ---------------------------------------------------------------------------------------------


def _watch(model: nn.Module, example: Any, found: _Found) -> None:
    """Run the model on the example, to record each pool's channels and whether each caller's trace is right."""
    handles = []
    for site in found.sites:
        if site.caller is None:
            see = functools.partial(_see, site)
            handles.append(site.module.register_forward_pre_hook(see, with_kwargs=True))
    for caller in found.callers:
        check = _Check(caller, {site.node: site for site in found.sites if site.caller is caller and site.node})
        handles.append(caller.module.register_forward_pre_hook(check.before, with_kwargs=True))
        handles.append(caller.module.register_forward_hook(check.after))
    try:
        with _eval_mode(model), torch.no_grad():
            model(*(example if isinstance(example, tuple) else (example,)))
    except Exception as error:
        raise ValueError(f"example: the model does not run on it: {first_line(error)}") from error
    finally:
        for handle in handles:
            handle.remove()


def _see(site: _Site, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    site.note(next(iter((*args, *kwargs.values()))))


class _Check(fx.Interpreter):
    """Runs a caller's trace and its forward on the same input."""

    def __init__(self, caller: _Caller, sites: dict[fx.Node, _Site]) -> None:
        super().__init__(caller.module, graph=caller.graph)
        self.caller, self.sites = caller, sites
        self.arguments: dict[str, Any] = {}
        self.results: list[Any] = []

    def run_node(self, n: fx.Node) -> Any:
        if n in self.sites:
            self.sites[n].note(self.env[input_of(n)])
        return super().run_node(n)

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        return self.arguments[target.lstrip("*")]

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        bound = inspect.signature(type(module).forward).bind(module, *args, **kwargs)
        bound.apply_defaults()
        self.arguments = pytree.tree_map_only(Tensor, Tensor.clone, bound.arguments)
        try:
            self.results.append(self.run())
        except Exception as error:
            self.results.append(None)
            self.caller.fault = f"its trace fails on the example: {first_line(error)}"

    def after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        traced = pytree.tree_leaves(self.results.pop())
        if not self.caller.fault and not all(map(_same, pytree.tree_leaves(output), traced)):
            self.caller.fault = "its trace gives a different output on the example"


def _same(a: Any, b: Any) -> bool:
    if not isinstance(a, Tensor):
        return True
    return isinstance(b, Tensor) and a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


# What is put in -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Operator:
    """The replacement: a registered operator, its parameters, and whether it replaces adaptive and global pools too."""

    spec: str
    info: PoolInfo
    params: dict[str, Any]
    global_pools: bool

    @classmethod
    def parse(cls, spec: str, global_pools: bool) -> _Operator:
        name, params = parse_spec(spec)
        info = pool_info(name)
        if info.phases is not None:
            raise ValueError(f"pool={spec!r}: it keeps several submaps, which the following layers would not accept")
        known = inspect.signature(make_class(info, info.ndims[0])).parameters
        for key in params:
            if key in _CARRIED:
                raise ValueError(f"pool={spec!r}: {key} is taken from the replaced pool")
            if key not in known:
                own = ", ".join(k for k in known if k not in (*_CARRIED, "device", "dtype"))
                raise ValueError(f"pool={spec!r}: unknown parameter {key!r}; allowed: {own or 'none'}")
        return cls(spec, info, params, global_pools)

    def make(self, site: _Site, model: nn.Module, watched: bool) -> nn.Module:
        """Return the operator's module for this place.

        Raises:
            UnsuitedError: the operator cannot be used there.
        """
        pool = describe(site.module)
        if pool.ndim not in self.info.ndims:
            raise UnsuitedError(f"{self.info.name} is not defined for {pool.ndim} spatial axes")
        if pool.form and not self.global_pools:
            raise UnsuitedError(f"{pool.kind}; global_pools=True replaces it")
        try:
            cls = make_class(self.info, pool.ndim, pool.form)
        except ValueError as error:
            raise UnsuitedError(str(error)) from error
        arguments = {**pool.windows, **self.params}
        known = inspect.signature(cls).parameters
        if missing := [key for key in self.params if key not in known]:
            raise UnsuitedError(f"{cls.__name__} takes no {missing[0]}")
        offered = {**_home(model, site.places[0][0]), **pool.own}
        arguments |= {key: value for key, value in offered.items() if key in known and key not in arguments}
        try:
            new = cls(**arguments)
        except (TypeError, ValueError) as error:
            raise UnsuitedError(str(error)) from error
        if watched and isinstance(new, LazyPool) and new.has_uninitialized_params():
            new.take_channels(_only(site.channels))
        return new


def _only(channels: set[int]) -> int:
    if not channels:
        raise UnsuitedError("the example does not reach it, so its channels are unknown")
    if len(channels) > 1:
        raise UnsuitedError(f"shared by inputs of {' and '.join(map(str, sorted(channels)))} channels")
    return next(iter(channels))


def _home(model: nn.Module, path: str) -> dict[str, Any]:
    """Return device and dtype of the nearest parameters or buffers: of the parent, else its parent, up to the model."""
    while path:
        path = path.rpartition(".")[0]
        module = model.get_submodule(path)
        for tensor in itertools.chain(module.parameters(), module.buffers()):
            if tensor.is_floating_point():
                return {"device": tensor.device, "dtype": tensor.dtype}
    return {}


@dataclass(frozen=True)
class _Plan:
    """A site, the places where the new module is put, and that module."""

    site: _Site
    places: list[tuple[str, nn.Module, str]]
    new: nn.Module

    def carry_out(self) -> Replaced:
        for _, parent, name in self.places:
            setattr(parent, name, self.new)
            if is_compiled(parent):
                parent._initialize()  # type: ignore[operator]  # its forward still calls the old pool
        if self.site.caller is not None and self.site.node is not None:
            _call_module(self.site.caller.graph, self.site.node, self.places[0][2])
            self.site.caller.changed = True
        return Replaced(_where(self.places), self.site.what, label(self.new))


def _plan(
    model: nn.Module,
    site: _Site,
    operator: _Operator,
    filter_fn: FilterFn | None,
    watched: bool,
    left_alone: list[LeftAlone],
) -> _Plan | None:
    """Return what to put at a site, or None with a reason in ``left_alone``."""
    chosen = [place for place in site.places if filter_fn is None or filter_fn(place[0], site.module)]
    if spared := [place for place in site.places if place not in chosen]:
        left_alone.append(LeftAlone(_where(spared), site.what, "excluded by filter_fn"))
    if not chosen:
        return None
    try:
        if site.caller is not None and site.caller.fault:
            raise UnsuitedError(site.caller.fault)
        new = operator.make(site, model, watched)
    except UnsuitedError as error:
        left_alone.append(LeftAlone(_where(chosen), site.what, str(error)))
        return None
    return _Plan(site, chosen, new.train((site.caller or site).module.training))


def _where(places: list[tuple[str, nn.Module, str]]) -> str:
    return ", ".join(path for path, _, _ in places)


def _call_module(graph: fx.Graph, node: fx.Node, name: str) -> None:
    """Replace a function call in a forward by a call of the module ``name``."""
    with graph.inserting_before(node):
        call = graph.call_module(name, (input_of(node),))
    node.replace_all_uses_with(call)
    graph.erase_node(node)
