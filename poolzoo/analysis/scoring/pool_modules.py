"""Modules that are ready to measure, made from spec strings, and their facts for a result's metadata."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

import poolzoo
from poolzoo import create, engine, registry
from poolzoo._console import COMMAND
from poolzoo.analysis.results.machine import describe_machine
from poolzoo.analysis.results.rows import WindowKeys
from poolzoo.geometry import Geometry
from poolzoo.operators.base import Pool


def make_module(
    spec: str,
    *,
    ndim: int,
    channels: int,
    window: Mapping[str, Any],
    seed: int,
    device: str,
    dtype: torch.dtype,
) -> Pool:
    """Return the operator's module in evaluation mode.

    Args:
        spec: the operator.
        ndim: spatial axes.
        channels: of its input.
        window: ``kernel_size`` and other arguments of the windows; arguments in the spec have priority.
        seed: of parameters that start at random.
        device, dtype: of the module.

    Raises:
        ValueError: an unknown operator, or a parameter that is not allowed.
    """
    # Operators that start at random weights start at the same ones in every run.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        given = registry.parse_spec(spec)[1]
        asked = {key: value for key, value in window.items() if key not in given}
        module = create.create_pool(spec, ndim=ndim, **asked)
        module.take_channels(channels)
    return module.to(device=device, dtype=dtype).eval()


def state_of(module: Pool) -> str:
    """Return ``initial`` for an untrained learnable operator, ``fixed`` for one without learned parameters."""
    return "initial" if any(True for _ in module.parameters()) else "fixed"


def mode_of(module: Pool) -> str:
    """Return the state of a row: ``train`` or ``eval`` for a stochastic operator, else :func:`state_of`."""
    if module.stochastic:
        return "train" if module.training else "eval"
    return state_of(module)


def backend_of(module: Pool, x: Tensor) -> str:
    """Return the backend that runs the module on ``x``: ``native`` if it is wanted and available, else ``reference`` or
    ``torch``.
    """
    return engine.backend_of(module.info, x, module.geometry, **module.params(x))


def shown_params(spec: str) -> tuple[str, str]:
    """Return a spec as rows state it: the operator's name, and its parameters in sorted order."""
    name, params = registry.parse_spec(spec)
    return name, registry.format_params(params)


def shown_size(values: Sequence[int]) -> int | str:
    """Return ``2`` for equal axes, else ``"3x2"``."""
    return values[0] if len(set(values)) == 1 else "x".join(map(str, values))


def shown_window(geometry: Geometry) -> WindowKeys:
    """The windows as a row states them."""
    return {
        "kernel_size": shown_size(geometry.kernel_size),
        "stride": shown_size(geometry.stride),
        "padding": shown_size(geometry.padding),
        "dilation": shown_size(geometry.dilation),
        "ceil_mode": geometry.ceil_mode,
    }


def normal_spec(spec: str) -> str:
    """Return a spec in the form of rows' labels: parameters sorted, values in their usual form."""
    name, params = shown_params(spec)
    return f"{name}:{params}" if params else name


def describe_specs(specs: Sequence[str]) -> list[dict[str, str]]:
    """Return one entry per operator for the metadata: its label and the registry's facts."""
    described = []
    for spec in specs:
        name, params = shown_params(spec)
        info = registry.pool_info(name)
        facts, entry = info.facts, {"label": normal_spec(spec), "name": name, "params": params}
        if info.kept_phase is not None:
            entry["placing"] = "by the phase that each image keeps"
        described.append(entry | {key: facts[key] for key in ("summary", "formula", "source", "family")})
    return described


def pick_baseline(specs: Sequence[str], baseline: str | None) -> str:
    """Return the operator that the others are compared with: ``baseline`` if given, else avg, else the first.

    Raises:
        ValueError: the one asked for is not among them, or there are none.
    """
    if not specs:
        raise ValueError("specs=[]: one operator or more is needed")
    if baseline is None:
        return "avg" if "avg" in specs else specs[0]
    if normal_spec(baseline) not in specs:
        raise ValueError(f"baseline={baseline!r}: not among the operators asked for, {', '.join(specs)}")
    return normal_spec(baseline)


def provenance(baseline: str) -> dict[str, Any]:
    """Return the first entries of every result's metadata: date, version, command, machine and baseline."""
    return {
        "poolzoo": poolzoo.__version__,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": COMMAND.get(),
        "machine": describe_machine(),
        "baseline": baseline,
    }


def seed_draws(module: Pool, x: Tensor, seed: int) -> None:
    """Seed the module's next random call, for a tensor on the device of ``x``."""
    module.generator = torch.Generator(x.device).manual_seed(seed)  # type: ignore[assignment]
