"""A module's own forward as a graph, and back: torch.fx, one module at a time.

Only a module whose own forward calls a pool is rewritten; the modules inside it stay as they are. The module stays the
same object, with its methods, parameters and names; its class gets a subclass with the new forward. Nothing else in the
model is fixed to the path that tracing took.
"""

from __future__ import annotations

import importlib
import inspect
import re
import types
import warnings
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from torch import fx, nn

from poolzoo.surgery.sites import FUNCTION_NAMES


class UntraceableError(ValueError):
    """A forward that torch.fx cannot follow; the message is the reason."""


class _OwnForward(fx.Tracer):
    """Traces one module's forward and no other's."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


def trace(module: nn.Module) -> fx.Graph:
    """Return the graph of the module's own forward.

    ``self.training`` is still evaluated at run time. Arguments that default to None or a bool keep their default: a
    later call with another value raises an error.

    Raises:
        UntraceableError: the forward branches on its input, keeps state, or does something else that a graph cannot
            express.
    """
    if isinstance(module, fx.GraphModule):
        return module.graph
    tracer = _OwnForward()
    before, cls = dict(vars(module)), type(module)
    asked = property(lambda _: tracer.create_proxy("get_attr", "training", (), {}))
    try:
        parameters = inspect.signature(type(module).forward).parameters.values()
        fixed = {p.name: p.default for p in parameters if p.default is None or type(p.default) is bool}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module.__class__ = type(cls.__name__, (cls,), {"training": asked})
            graph = tracer.trace(module, concrete_args=fixed)
    except Exception as error:  # whatever a stranger's forward does with a tensor that is none
        raise UntraceableError(f"torch.fx cannot trace its forward: {first_line(error)}") from error
    finally:
        module.__class__ = cls
        kept = sorted(key for key in vars(module) if vars(module)[key] is not before.get(key))
        vars(module).clear()
        vars(module).update(before)
    if kept:
        raise UntraceableError(f"its forward sets self.{kept[0]}, or makes a tensor, which a graph cannot express")
    code = type(module).forward.__code__
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]  # the order in which torch.fx has them
    if "torch" in names:
        raise UntraceableError("an argument of its forward is named torch, which hides torch from a graph's code")
    for node, name in zip(graph.find_nodes(op="placeholder"), names, strict=False):
        node.target = name  # an argument with a fixed value got another name
    return graph


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". ")[0] or type(error).__name__


#: Names in a method that affect the code around calls; tracing sees only the calls.
_CONTEXTS = frozenset(("no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "autocast", "checkpoint"))


def names_a_pool(module: nn.Module) -> bool:
    """Return whether the module's methods name a pooling function of torch."""
    return not FUNCTION_NAMES.isdisjoint(_names(module))


def lost_by_tracing(module: nn.Module) -> str:
    """Return what a graph of the module's forward would silently lose; empty if nothing is known to be lost."""
    if "forward" in vars(module):
        return "has a forward set on the instance, not on the class"
    if inspect.unwrap(type(module).forward) is not type(module).forward:
        return "has a decorated forward, and a graph would lose what the decorator does"
    if found := _CONTEXTS.intersection(_names(module)):
        return f"uses {min(found)}, which a graph would lose"
    return ""


def _names(module: nn.Module) -> set[str]:
    """Return the global and attribute names in the module's methods, without those of nn.Module."""
    methods = [m for cls in type(module).__mro__ if cls is not nn.Module for m in vars(cls).values()]
    return {name for m in methods if inspect.isfunction(m) for name in m.__code__.co_names}


class _Rewritten:
    """Mixin for classes whose forward was made from a graph; they are copied and pickled with the forward's source."""

    _origin: ClassVar[type[nn.Module]]
    _source: ClassVar[str]
    _names: ClassVar[Mapping[str, Any]]

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        modules = {key: value.__name__ for key, value in self._names.items() if isinstance(value, types.ModuleType)}
        others = {key: value for key, value in self._names.items() if key not in modules}
        return _restore, (self._origin, self._source, modules, others), self.__dict__


def rewrite(module: nn.Module, graph: fx.Graph) -> None:
    """Make this graph the module's forward."""
    graph.lint()
    if isinstance(module, fx.GraphModule):
        module.graph = graph
        module.recompile()
        return
    origin = type(module)._origin if isinstance(module, _Rewritten) else type(module)
    # torch.fx writes every argument as a positional one, and calls the module by a name that nothing else may have.
    first, *others = inspect.signature(origin.forward).parameters.values()
    own = _free_name("self", {p.name for p in others} | {node.name for node in graph.nodes})
    code = graph.python_code(own)
    parameters = [first.replace(name=own), *others]
    bare = inspect.Signature([p.replace(default=p.empty, annotation=p.empty) for p in parameters])
    source = re.sub(r"^def forward\(.*:$", lambda _: f"def forward{bare}:", code.src, count=1, flags=re.MULTILINE)
    module.__class__ = _subclass(origin, source, code.globals)


def _free_name(name: str, taken: Collection[str]) -> str:
    return name if name not in taken else _free_name(f"{name}_", taken)


def _subclass(origin: type[nn.Module], source: str, names: Mapping[str, Any]) -> type[nn.Module]:
    namespace = dict(names)
    exec(compile(source, f"<forward of {origin.__qualname__} with its pools replaced>", "exec"), namespace)
    forward = namespace["forward"]
    forward.__defaults__, forward.__kwdefaults__ = origin.forward.__defaults__, origin.forward.__kwdefaults__
    body = {
        "forward": forward,
        "__module__": origin.__module__,
        "__qualname__": origin.__qualname__,
        "__doc__": origin.__doc__,
        "_origin": origin,
        "_source": source,
        "_names": dict(names),
    }
    return type(origin.__name__, (_Rewritten, origin), body)


def _restore(origin: type[nn.Module], source: str, modules: dict[str, str], others: dict[str, Any]) -> nn.Module:
    names = {key: importlib.import_module(name) for key, name in modules.items()} | others
    cls = _subclass(origin, source, names)
    return cls.__new__(cls)
