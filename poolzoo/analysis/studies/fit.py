"""Learnable operators, fitted to rebuild images: Adam on the squared error after the round trip.

A fit takes square tiles from training images and holds a fifth of them back. Every step pools a batch of the other
tiles and rebuilds it by the protocol's upsampler (:func:`~poolzoo.analysis.scoring.upsampling.rebuild` is
differentiable). The loss is the mean over tiles of the logarithm of their mean squared errors, which raises the mean
PSNR: a smooth tile counts as much as a rough one. The optimiser is Adam (Kingma & Ba 2015) with a cosine schedule. The
parameters that rebuild the held-back tiles best are kept if they are significantly better there than the initial ones;
otherwise the initial ones are kept.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from poolzoo import engine, registry
from poolzoo.analysis.inputs.images import load_image
from poolzoo.analysis.inputs.training_images import TrainingSet
from poolzoo.analysis.results.rows import one_line
from poolzoo.analysis.results.schema import UPSAMPLE_NONE
from poolzoo.analysis.scoring.fitted_parameters import Fitted
from poolzoo.analysis.scoring.pool_modules import make_module, normal_spec, seed_draws, shown_window
from poolzoo.analysis.scoring.protocol import OPTIMAL, Protocol
from poolzoo.analysis.scoring.round_trip import Scale
from poolzoo.analysis.scoring.upsampling import phases_of, placed_windows, rebuild
from poolzoo.operators.base import Pool

STEPS, BATCH, SIDE = 200, 6, 128
#: The most tiles that are taken from an image and from all, and one in how many is held back.
TILES_OF_IMAGE, TILES, HELD_BACK = 20, 512, 5
#: How often held-back tiles are scored in a fit, and how many at once.
CHECKS, CHECK_BATCH = 20, 16
#: By how many standard errors, and by how many dB, the held-back tiles must be rebuilt better for a fit to count. They
#: are from the images that were learned from: on others, smaller gains came out as losses as often as not.
CONFIDENT, LEAST_GAIN = 2.0, 0.05

#: Squared errors below it count as it: 100 dB, so that an even tile, rebuilt exactly, does not outweigh all others.
LEAST_ERROR = 1e-10


@dataclass(frozen=True)
class Tiles:
    """Squares cut from training images, ``(n, 3, side, side)`` in [0, 1]: those to learn from and those held back.

    ``groups`` numbers the image of each held-back square.
    """

    training: TrainingSet
    learned: Tensor
    held_back: Tensor
    groups: Tensor


def is_learnable(spec: str, protocol: Protocol = Protocol()) -> bool:
    """Return whether the operator has parameters to learn with these arguments: mixed has, ``mixed:mode=random`` has
    not.
    """
    return any(True for _ in _make(spec, protocol).parameters())


def learnable_names() -> list[str]:
    """Return the operators that have parameters to learn."""
    return [name for name in registry.list_pools() if registry.pool_info(name).learnable]


def check_learnable(spec: str, protocol: Protocol = Protocol()) -> None:
    """Raise ValueError for an operator without parameters, or an unknown one."""
    if not is_learnable(spec, protocol):
        raise ValueError(f"pool={spec!r}: has no parameters to learn; {', '.join(learnable_names())} have")


def cut_tiles(training: TrainingSet, protocol: Protocol) -> Tiles:
    """Return squares of a grid over each training image, drawn by ``protocol.seed``; a fifth of each image's is held
    back.

    Their side is :data:`SIDE`, or less if an image has no room for two, and a multiple of the stride.

    Raises:
        ValueError: an image has no room for two squares that hold a window.
    """
    geometry = protocol.geometry(2)
    step = math.lcm(*geometry.stride)
    least = min(training.images, key=lambda image: _room(image.size))
    window = max(1, *(span - 2 * pad for span, pad in zip(geometry.spans, geometry.padding, strict=True)))
    side = min(max(SIDE, -(-window // step) * step), _room(least.size)) // step * step
    if side < window:
        raise ValueError(
            f"training image {least.source.name!r}: {least.size[1]}x{least.size[0]} pixels have no room for two "
            f"squares that hold a window and whose side is a multiple of the stride, {step}"
        )
    most = max(2, min(TILES_OF_IMAGE, TILES // len(training.images)))
    learned: list[Tensor] = []
    held_back: list[Tensor] = []
    groups: list[int] = []
    for number, image in enumerate(training.images):
        pixels = torch.from_numpy(load_image(image.source)).permute(2, 0, 1)
        # Whatever other images there are, an image gives the same squares.
        generator = np.random.default_rng((protocol.seed, int(image.digest[:8], 16)))
        down, across = (size // side for size in image.size)
        corners = [divmod(int(cell), across) for cell in generator.permutation(down * across)[:most]]
        squares = [pixels[:, y * side : (y + 1) * side, x * side : (x + 1) * side].clone() for y, x in corners]
        back = max(1, len(squares) // HELD_BACK)
        held_back += squares[:back]
        groups += [number] * back
        learned += squares[back:]
    return Tiles(training, torch.stack(learned), torch.stack(held_back), torch.tensor(groups))


def _room(size: tuple[int, int]) -> int:
    """Return the side of the largest square that fits twice, side by side, into an image."""
    return min(*size, max(size) // 2)


def fit(
    spec: str,
    tiles: Tiles,
    protocol: Protocol = Protocol(),
    *,
    steps: int = STEPS,
    learning_rate: float | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Fit an operator's parameters.

    Args:
        spec: the operator.
        tiles: from :func:`cut_tiles` with the same protocol.
        protocol: gives geometry, normalisation, seed and device, and the first upsampler that can be differentiated.
        steps: number of steps of Adam.
        learning_rate: the first step size, above 0; None takes the operator's own.
        on_step: called with the number of steps made and of all.

    Returns:
        The parameters that rebuilt the held-back tiles best, which may be the initial ones. A fit ends at an error that
        is not finite; a fit that fails has an ``error``.

    Equal arguments give equal bits with the same number of threads; with another number, torch may round sums
    differently.

    Raises:
        ValueError: an operator without parameters, or an unknown one; a step size that is not allowed.
    """
    check_learnable(spec, protocol)
    if learning_rate is not None and not 0 < learning_rate < math.inf:  # NaN is neither
        raise ValueError(f"lr={learning_rate:g}: a finite number above 0 is allowed")
    module = _make(spec, protocol)
    rate = module.info.learning_rate if learning_rate is None else learning_rate
    plan = Fitted(
        spec=normal_spec(spec),
        **shown_window(module.geometry),
        upsample=next((name for name in protocol.upsample if name not in (OPTIMAL, UPSAMPLE_NONE)), "bilinear"),
        align=protocol.align,
        normalize=protocol.normalize,
        trained_on=tiles.training.name,
        images=tuple((image.source.name, image.digest) for image in tiles.training.images),
        tiles=len(tiles.learned),
        held_back=len(tiles.held_back),
        side=tiles.learned.shape[-1],
        steps=steps,
        learning_rate=rate,
        seed=protocol.seed,
    )
    try:
        # By the reference, so that what is learned does not depend on what this machine has built.
        with engine.by_reference():
            return _descend(plan, module, tiles, protocol, on_step)
    except Exception as error:  # one operator's failure is its row's, not the end of the others
        return replace(plan, error=f"cannot be fitted: {one_line(error)}")


def fit_all(
    specs: Sequence[str],
    tiles: Tiles,
    protocol: Protocol,
    *,
    steps: int = STEPS,
    on_step: Callable[[int, int], None] | None = None,
) -> list[Fitted]:
    """Return :func:`fit` of each of ``specs``; ``on_step`` counts the steps of all."""
    fits = []
    for number, spec in enumerate(specs):

        def step(done: int, of_one: int, before: int = number * steps) -> None:
            if on_step:
                on_step(before + done, len(specs) * of_one)

        fits.append(fit(spec, tiles, protocol, steps=steps, on_step=step))
    return fits


def _descend(
    plan: Fitted, module: Pool, tiles: Tiles, protocol: Protocol, on_step: Callable[[int, int], None] | None
) -> Fitted:
    trip = _Trip(module, plan.upsample, protocol)
    adam = torch.optim.Adam(module.parameters(), lr=plan.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, plan.steps)
    batches = torch.Generator().manual_seed(plan.seed)
    if module.info.learns_in_training:
        seed_draws(module, tiles.learned.to(protocol.device), plan.seed)
    start = best_scores = trip.score(tiles.held_back)
    best_step, best = initial = 0, copy.deepcopy(module.state_dict())
    for step in range(1, plan.steps + 1):
        batch = torch.randint(len(tiles.learned), (BATCH,), generator=batches)
        module.train(module.info.learns_in_training)
        loss = trip.errors(tiles.learned[batch]).log().mean()
        if not bool(loss.isfinite()):
            break
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        schedule.step()
        if step % max(1, plan.steps // CHECKS) == 0 or step == plan.steps:
            scores = trip.score(tiles.held_back)
            if scores.mean() > best_scores.mean():  # NaN is not
                best_scores, best_step, best = scores, step, copy.deepcopy(module.state_dict())
        if on_step:
            on_step(step, plan.steps)
    if not _is_gain(best_scores - start, tiles.groups):
        best_scores, (best_step, best) = start, initial
    return replace(
        plan,
        best_step=best_step,
        before=float(start.mean()),
        after=float(best_scores.mean()),
        tensors={name: value.cpu() for name, value in best.items()},
    )


def _is_gain(differences: Tensor, groups: Tensor) -> bool:
    """Return whether the mean difference is above :data:`LEAST_GAIN` dB and above :data:`CONFIDENT` standard errors.

    Tiles of one image are alike, so the samples are the images' means; with a single image they are its tiles.
    """
    means = torch.stack([differences[groups == group].mean() for group in sorted(set(groups.tolist()))])
    values = means if len(means) > 1 else differences
    error = values.std() / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return bool(values.mean() > max(LEAST_GAIN, CONFIDENT * float(error)))


class _Trip:
    """The differentiable round trip of a batch of tiles."""

    def __init__(self, module: Pool, upsample: str, protocol: Protocol) -> None:
        self.module, self.upsample, self.align, self.device = module, upsample, protocol.align, protocol.device
        self.scale = Scale(protocol)

    def errors(self, tiles: Tensor) -> Tensor:
        """Return the mean squared error of each tile of ``(n, 3, side, side)``, at least :data:`LEAST_ERROR`."""
        tiles = tiles.to(self.device)
        x = self.scale.normalise(tiles)
        pooled, phases = self._pooled(x)
        placed = placed_windows(self.module, pooled, x.shape[2:])
        pooled = self.scale.denormalise(pooled)
        full = rebuild(pooled, x.shape[2:], self.upsample, phases, geometry=placed, align=self.align)
        return (full - tiles).square().mean((1, 2, 3)).clamp(min=LEAST_ERROR)

    def _pooled(self, x: Tensor) -> tuple[Tensor, Sequence[tuple[int, ...]]]:
        """Return the pooled tiles and the positions of their values, by the same draw."""
        draws = getattr(self.module, "generator", None)
        state = None if draws is None else draws.get_state()
        pooled = self.module(x)
        if draws is not None and self.module.info.kept_phase:
            draws.set_state(state)
        return pooled, phases_of(self.module, x)

    def score(self, tiles: Tensor) -> Tensor:
        """Return the PSNR of each tile in dB, in evaluation."""
        self.module.eval()
        with torch.no_grad():
            return -10 * torch.cat([self.errors(part) for part in torch.split(tiles, CHECK_BATCH)]).log10().cpu()


def _make(spec: str, protocol: Protocol) -> Pool:
    return make_module(
        spec,
        ndim=2,
        channels=3,
        window=protocol.window,
        seed=protocol.seed,
        device=protocol.device,
        dtype=torch.float64,
    )
