"""Poolzoo compares pooling operators: how much of an image each one keeps, and what it costs.

``list_pools``, ``pool_info``, ``create_pool`` and ``register_pool`` are the registry; ``poolzoo.functional`` holds the
operators as functions, and this module holds them as torch modules (``poolzoo.SoftPool2d``). ``replace_pools`` puts
them into a model, ``create_model`` makes published networks with them, ``poolzoo.checkered`` makes networks checkered.
``compare``, ``profile``, ``profile_model``, ``sweep``, ``fit``, ``train``, ``visualize_weights``,
``visualize_checkered``, ``report``, ``export`` and ``load`` are the commands of the command line. ``poolzoo.models``
has networks to train, ``poolzoo.metrics`` scores batches of images, and ``register_metric`` adds a metric to the
commands.
torch is imported at the first use of one of them.
"""

from __future__ import annotations

from typing import Any

from poolzoo import registry
from poolzoo.registry import PoolInfo, list_pools, pool_info, register_pool

__version__ = "0.1.0"
#: The modules of names that are imported at first use.
_LAZY = {
    "Result": "api.result",
    "compare": "api.comparing",
    "create_pool": "create",
    "export": "api.exporting",
    "fit": "api.studies",
    "load": "api.reading",
    "profile": "api.studies",
    "profile_model": "api.models",
    "record_training": "api.training",
    "register_metric": "analysis.results.schema",
    "report": "api.reading",
    "sweep": "api.studies",
    "train": "api.training",
    "visualize_checkered": "api.drawing",
    "visualize_weights": "api.drawing",
    "CheckeredAvgPool2d": "checkered",
    "CheckeredConv1d": "checkered",
    "CheckeredConv2d": "checkered",
    "CheckeredMaxPool2d": "checkered",
    "convert_to_checkered": "checkered",
    "create_model": "surgery",
    "list_models": "surgery",
    "replace_pools": "surgery",
}
_MODULES = (
    "analysis",
    "checkered",
    "compat",
    "functional",
    "metrics",
    "models",
    "native",
    "operators",
    "reports",
    "surgery",
)
__all__ = ["PoolInfo", "list_pools", "pool_info", "register_pool", *_LAZY, *_MODULES]
#: Prefixes of modules that are not made from the registry.
_OTHERS = ("Pool", "AdaUnpool")


def __getattr__(name: str) -> Any:
    if name in _MODULES or name in _LAZY:
        import importlib

        module = importlib.import_module(f"poolzoo.{_LAZY.get(name, name)}")
        return getattr(module, name) if name in _LAZY else module
    if name[:1].isupper():
        from poolzoo import create, operators

        cls = create.find_class(name)
        if cls is not None:
            return cls
        if name.startswith(_OTHERS) and name in vars(operators):
            return vars(operators)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from poolzoo import operators

    extra = [n for n in vars(operators) if n.startswith(_OTHERS)]
    return sorted([*globals(), *__all__, *extra, *registry.export_names("class_name")])
