"""The modules of a comparison, one for each operator and state, and their times."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from poolzoo.analysis.results.rows import Row, Times, set_times
from poolzoo.analysis.scoring.fitted_parameters import Fitted, give_parameters
from poolzoo.analysis.scoring.forward_times import QUICK_DTYPE, quick_time, uniform_input
from poolzoo.analysis.scoring.pool_modules import make_module, normal_spec, shown_params, state_of
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.operators.base import Pool

#: Registry name, parameters and state.
Operator = tuple[str, str, str]


@dataclass(frozen=True)
class Run:
    """One operator in one state: a module, ready to call."""

    pool: str
    params: str
    state: str
    seed: int | None
    module: Pool
    fitted: Fitted | None = None

    @property
    def key(self) -> tuple[str, str, str, int | None]:
        """The identity of this run in a comparison."""
        return (self.pool, self.params, self.state, self.seed)

    @property
    def operator(self) -> Operator:
        """The part of :attr:`key` that all seeds share."""
        return (self.pool, self.params, self.state)


def make_runs(
    specs: Iterable[str],
    protocol: Protocol,
    ndim: int = 2,
    channels: int = 3,
    *,
    fits: Sequence[Fitted] = (),
    dtype: torch.dtype = torch.float64,
) -> list[Run]:
    """Return the modules to compare: one per spec; for a stochastic operator one per seed in train mode and one in eval
    mode.

    An operator in ``fits`` has one more run, with its fitted parameters. Scores are computed in float64.

    Raises:
        ValueError: an unknown operator, a parameter or number of axes that is not allowed, or an operator fitted for
            another protocol.
    """
    make = functools.partial(
        make_module,
        ndim=ndim,
        channels=channels,
        window=protocol.window,
        seed=protocol.seed,
        device=protocol.device,
        dtype=dtype,
    )
    learned = {fitted.spec: fitted for fitted in fits}
    runs = []
    for spec in specs:
        name, shown = shown_params(spec)
        module = make(spec)
        if not module.stochastic:
            runs.append(Run(name, shown, state_of(module), None, module))
        else:
            for seed in range(protocol.seed, protocol.seed + protocol.seeds):
                runs.append(Run(name, shown, "train", seed, make(spec).train()))
            runs.append(Run(name, shown, "eval", None, module))
        if fitted := learned.get(normal_spec(spec)):
            better = give_parameters(make(spec), fitted, protocol.normalize)
            runs.append(Run(name, shown, "fitted", None, better, fitted))
    return runs


def time_operators(
    specs: Iterable[str], protocol: Protocol, shape: Sequence[int], *, fits: Sequence[Fitted] = ()
) -> dict[Operator, Times]:
    """Time operators on one input as a user runs them: in float32, by the backend that they choose.

    Args:
        specs: the operators.
        protocol: gives their window, device and seed.
        shape: of the input, ``(1, C, *size)``.
        fits: as for :func:`make_runs`.

    Returns:
        The times for the rows of each operator and state.
    """
    dtype = getattr(torch, QUICK_DTYPE)
    runs = make_runs(specs, replace(protocol, seeds=1), len(shape) - 2, shape[1], fits=fits, dtype=dtype)
    x = uniform_input(shape, dtype, protocol.device, protocol.seed)
    return {run.operator: quick_time(run.module, x, protocol.seed) for run in runs}


def note_times(rows: Iterable[Row], times: Mapping[Operator, Times]) -> None:
    """Set the times of rows with scores, from the result of :func:`time_operators`."""
    for row in rows:
        found = times.get((row["pool"], row["params"], row["state"]))
        if found and row["error"] is None:
            set_times(row, found)
