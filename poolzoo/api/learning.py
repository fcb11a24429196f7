"""The operators of a study, and their fitted parameters."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poolzoo import registry
from poolzoo._console import Notice, progress

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.images import Source
    from poolzoo.analysis.inputs.training_images import TrainingSet
    from poolzoo.analysis.scoring.fitted_parameters import Fitted
    from poolzoo.analysis.scoring.protocol import Protocol


class TrainingImageError(Notice):
    """A training image cannot be used; the fit continues with the others."""


def defined_for(pools: Sequence[str], ndim: int) -> list[str]:
    """Return the requested operators, without matches of a pattern that are not defined for ``ndim`` axes.

    Raises:
        ValueError: an unknown operator, or a named one that is not defined for these axes.
    """
    specs = registry.expand_specs(pools)
    lacking = [spec for spec in specs if ndim not in axes(spec)]
    named = [spec for spec in lacking if spec in pools]
    if named or len(lacking) == len(specs):
        raise ValueError(f"pool {(named or list(pools))[0]}: not defined for {ndim} spatial axes")
    if lacking:
        told = f"left out, not defined for {ndim} spatial axes: {', '.join(lacking)}"
        warnings.warn(told, Notice, stacklevel=3)
    return [spec for spec in specs if spec not in lacking]


def axes(spec: str) -> tuple[int, ...]:
    """Return the numbers of axes that an operator is defined for."""
    return registry.pool_info(registry.parse_spec(spec)[0]).ndims


def _warn_of_errors(training: TrainingSet) -> None:
    for error in training.errors:
        warnings.warn(f"training image left out: {error}", TrainingImageError, stacklevel=4)


def learn_from(sources: Sequence[str], spec: str, protocol: Protocol, steps: int, lr: float | None) -> Fitted:
    """Fit an operator's parameters on images.

    Raises:
        ValueError: the operator has no parameters to learn, no image can be used, or fitting failed.
    """
    from poolzoo.analysis.inputs.training_images import find_training_images
    from poolzoo.analysis.studies.fit import check_learnable, cut_tiles, fit

    check_learnable(spec, protocol)
    training = find_training_images(sources, seed=protocol.seed)
    _warn_of_errors(training)
    with progress("Fitting") as on_step:
        found = fit(spec, cut_tiles(training, protocol), protocol, steps=steps, learning_rate=lr, on_step=on_step)
    if found.error:
        raise ValueError(f"{found.spec}: {found.error}")
    return found


def load_fits(files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], specs: Sequence[str]) -> list[Fitted]:
    """Read fitted parameters from files.

    Raises:
        ValueError: a file is for another operator.
    """
    from poolzoo.analysis.scoring.fitted_parameters import check_fits, load_fitted
    from poolzoo.analysis.scoring.pool_modules import normal_spec

    fits = [load_fitted(Path(file)) for file in ([files] if isinstance(files, (str, os.PathLike)) else files)]
    check_fits(fits, [normal_spec(spec) for spec in specs])
    return fits


def learn_now(
    specs: Sequence[str], protocol: Protocol, scored: Sequence[Source], sources: Sequence[str], fits: Sequence[Fitted]
) -> list[Fitted]:
    """Fit the learnable operators that are not among ``fits``.

    Raises:
        ValueError: none of the operators is learnable.
    """
    from poolzoo.analysis.inputs.training_images import find_training_images
    from poolzoo.analysis.scoring.pool_modules import normal_spec
    from poolzoo.analysis.studies.fit import cut_tiles, fit_all, is_learnable, learnable_names

    wanted = [spec for spec in specs if is_learnable(spec, protocol)]
    if not wanted:
        raise ValueError(f"fit: none of the compared operators is learnable; these are: {', '.join(learnable_names())}")
    training = find_training_images(sources, scored, seed=protocol.seed)
    _warn_of_errors(training)
    tiles = cut_tiles(training, protocol)
    have = {fitted.spec for fitted in fits}
    with progress("Fitting") as on_step:
        return fit_all([spec for spec in wanted if normal_spec(spec) not in have], tiles, protocol, on_step=on_step)
