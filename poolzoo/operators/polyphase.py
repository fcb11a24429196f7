"""Polyphase selection: of the phases of the input's cells, keep one per sample, chosen by the input itself.

Whoever shifts the input circularly shifts its phases; a choice that does not depend on their order follows them, so the
output only shifts (Chaman & Dokmanic 2021 choose by a norm; Rojas-Gomez et al. 2022 learn to choose).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poolzoo.geometry import Geometry, accumulation_dtype, check_input, is_fixed, like, output_size
from poolzoo.operators.antialias import binomial
from poolzoo.operators.base import check_count, is_number, without_autocast
from poolzoo.operators.lazy import LazyPool
from poolzoo.operators.multisampling import complete_offsets, split_phases
from poolzoo.operators.stochastic import check_draw
from poolzoo.registry import register_pool
from poolzoo.windows import weighted_taps, wrap

#: Of a float32, this power fits into a float64, with all that may be added to it.
_SAFE_POWER = 4.0
_CONV: dict[int, Any] = {1: (nn.Conv1d, F.conv1d), 2: (nn.Conv2d, F.conv2d), 3: (nn.Conv3d, F.conv3d)}


def _phases(x: Tensor, geometry: Geometry, filt_size: int = 1) -> Tensor:
    """Return the phases of the filtered input, ``(..., C, S, *out)``: phase f has positions ``o * stride + f``."""
    check_input(x, geometry.ndim)
    n = geometry.ndim
    a = x
    if filt_size > 1:
        row = binomial(filt_size)
        a = x.to(accumulation_dtype(x.dtype))
        weight = torch.tensor(row, dtype=a.dtype, device=a.device)
        for dim in range(-n, 0):
            size = a.shape[dim]
            first = torch.arange(size, device=a.device) - (filt_size - 1) // 2
            index = first[:, None] + torch.arange(filt_size, device=a.device)
            a = weighted_taps(a, dim, wrap(index, size), weight.expand(index.shape))
    axes = zip(x.shape[-n:], output_size(x.shape[-n:], geometry), geometry.stride, strict=True)
    positions = [
        None if is_fixed(size, out) and out * step == size else wrap(torch.arange(out * step, device=x.device), size)
        for size, out, step in axes
    ]
    return split_phases(a, positions, geometry.stride)


def _kept(phases: Tensor, choice: Tensor, ndim: int) -> Tensor:
    """Return the phase of each sample whose number is ``choice``, ``(...,)``."""
    index = choice.reshape(*choice.shape, *(1,) * (ndim + 2))
    shape = list(phases.shape)
    shape[-ndim - 1] = 1
    return phases.gather(-ndim - 1, index.expand(shape)).squeeze(-ndim - 1)


def _offsets(choice: Tensor, stride: Sequence[int]) -> Tensor:
    """Return the offsets ``(N, axes)`` of phases by their numbers, ``(N,)`` or of a single sample ``()``."""
    table = torch.tensor(complete_offsets(stride), device=choice.device)
    return table[choice.reshape(-1)]


def _loudest(phases: Tensor, p: float, ndim: int) -> Tensor:
    """Return the number of each sample's phase with the largest p-norm over its channels and positions."""
    size, over = phases.detach(), (-ndim - 2, *range(-ndim, 0))
    if size.dtype is torch.float64 or p > _SAFE_POWER:  # divided first, so that no power overflows
        size = size.double()
        most = size.abs().amax((*over, -ndim - 1), keepdim=True)
        size = size / most.masked_fill(~most.isfinite() | (most == 0), 1.0)
    norm: Tensor = torch.linalg.vector_norm(size, p, over, dtype=torch.float64)
    return norm.argmax(-1)


def _check_aps(p: float = 2.0, filt_size: int = 1) -> None:
    if not (is_number(p) and p >= 1):
        raise ValueError(f"p={p!r}: a number >= 1 or inf is allowed")
    if type(filt_size) is not int or not 1 <= filt_size <= 7:
        raise ValueError(f"filt_size={filt_size!r}: an int from 1 to 7 is allowed")


_EXEMPT = {
    "permutation": "one position of each cell is kept",
    "nan": "which phase is kept depends on the whole input",
}


@register_pool(
    "aps",
    over="input",
    family="polyphase selection",
    summary="adaptive polyphase sampling: of all phases of the cells, each sample keeps the one of largest norm",
    formula="y = x[f::s], f = argmax_f |x[f::s]|_p",
    source="Chaman & Dokmanic, arXiv 2011.14214; achaman2/truly_shift_invariant_cnns, models/aps_models/apspool.py",
    check=_check_aps,
    kept_phase=lambda x, geometry, *, p=2.0, filt_size=1: _offsets(
        _loudest(_phases(x, geometry, filt_size), p, geometry.ndim), geometry.stride
    ),
    exempt=_EXEMPT,
)
def aps(x: Tensor, geometry: Geometry, *, p: float = 2.0, filt_size: int = 1) -> Tensor:
    """Output o is the element at position ``o * stride + f`` of the input, modulo its size. The phase f is that of a
    whole sample: of all channels, the norm over which is taken in float64. Of equal phases, the first is kept.

    Where the stride divides the input's size and the output has one value per cell, circular shifts of the input shift
    the output circularly and change no value. Other windows give torch's output size and lose the property:
    ``kernel_size``, ``padding`` and ``dilation`` only set the output size.

    ``p`` is the order of the norm, 1 or more, or ``inf``. ``filt_size`` taps, 1 to 7, of a binomial low-pass filter are
    applied first, circularly; 1 is none. Training and evaluation give the same result. A gradient passes to the kept
    elements only.

    The authors' code takes a stride of 2 and square maps only, counts the phases in another order, which matters for
    equal norms only, and rounds odd sizes up by a circular element: here with ``ceil_mode=True``. The code was read,
    the paper's text was not.
    """
    phases = _phases(x, geometry, filt_size)
    return like(_kept(phases, _loudest(phases, p, geometry.ndim), geometry.ndim), x)


class _Lps(LazyPool):
    """The module learns the logits: two circular convolutions of three taps per axis with a ReLU between them, shared
    by the phases, and the mean over channels and positions. They start at random, as torch's convolutions do.

    ``channels`` is the number of input channels; None takes it from the first input. ``hidden``, the channels of both
    convolutions, is ``channels`` if None. A module in training mode draws, from ``generator`` if given.
    """

    stochastic = True
    told_by: ClassVar = ("conv1.weight", 1)

    def __init__(
        self,
        *args: Any,
        channels: int | None = None,
        hidden: int | None = None,
        tau: float = 1.0,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, channels=channels, **kwargs)
        check_count("hidden", hidden)
        _check_lps(tau=tau, generator=generator)
        self.hidden, self.tau, self.generator = hidden, tau, generator
        self.start(device, dtype)

    def make_parts(self, channels: int) -> dict[str, nn.Module]:
        conv, width = _CONV[self.ndim][0], self.hidden or channels
        return {"conv1": conv(channels, width, 3), "conv2": conv(width, width, 3)}

    def params(self, x: Tensor) -> dict[str, Any]:
        self.initialize_parameters(x)
        return {"logits": self._logits(x), "tau": self.tau, "training": self.training, "generator": self.generator}

    def _logits(self, x: Tensor) -> Tensor:
        n = self.ndim
        parts: dict[str, Any] = dict(self.named_children())
        wide = torch.promote_types(accumulation_dtype(x.dtype), accumulation_dtype(parts["conv1"].weight.dtype))
        phases = _phases(x, self.geometry).to(wide).movedim(-n - 1, 0)
        a = phases.reshape(-1, *phases.shape[-n - 1 :])
        with without_autocast(x):
            for name in ("conv1", "conv2"):
                for dim in range(-n, 0):
                    around = torch.arange(-1, a.shape[dim] + 1, device=a.device)
                    a = a.index_select(dim, wrap(around, a.shape[dim]))
                a = _CONV[n][1](a, parts[name].weight.to(wide), parts[name].bias.to(wide))
                a = a.relu() if name == "conv1" else a
        return a.mean(tuple(range(-n - 1, 0))).reshape(phases.shape[: -n - 1]).movedim(0, -1)

    def shown_params(self) -> dict[str, Any]:
        shown = {"channels": self.channels, "hidden": self.hidden, "tau": self.tau if self.tau != 1 else None}
        return {key: value for key, value in shown.items() if value is not None}


def _check_lps(
    logits: Tensor | None = None,
    tau: float = 1.0,
    training: bool = False,
    generator: torch.Generator | None = None,
) -> None:
    if logits is not None and not isinstance(logits, Tensor):
        raise ValueError(f"logits={logits!r}: a tensor or None is allowed")
    if not (is_number(tau) and 0 < tau < math.inf):
        raise ValueError(f"tau={tau!r}: a finite number > 0 is allowed")
    check_draw(training, generator)


def _of_samples(logits: Tensor | None, x: Tensor, geometry: Geometry) -> Tensor:
    """Return the logits of each sample's phases, checked; 0 for None."""
    lead, count = tuple(x.shape[: -geometry.ndim - 1]), math.prod(geometry.stride)
    if logits is None:
        return x.new_zeros(*lead, count, dtype=accumulation_dtype(x.dtype))
    if tuple(logits.shape) != (*lead, count):
        raise ValueError(f"logits: shape {tuple(logits.shape)}; one per sample and phase, {(*lead, count)}, is allowed")
    return logits


def _drawn(logits: Tensor, tau: float, generator: torch.Generator | None) -> Tensor:
    """Return weights of the phases by the Gumbel-softmax."""
    uniform = torch.rand(logits.shape, dtype=logits.dtype, device=logits.device, generator=generator)
    gumbel = -(-uniform.clamp(min=torch.finfo(logits.dtype).tiny).log()).log()
    return ((logits + gumbel) / tau).softmax(-1)


def _lps_phase(
    x: Tensor,
    geometry: Geometry,
    *,
    logits: Tensor | None = None,
    tau: float = 1.0,
    training: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    weights = _of_samples(logits, x, geometry)
    weights = _drawn(weights, tau, generator) if training else weights
    return _offsets(weights.argmax(-1), geometry.stride)


@register_pool(
    "lps",
    over="input",
    family="polyphase selection",
    summary="learnable polyphase sampling: a small network chooses which phase of the cells a sample keeps",
    formula="y = x[f::s], f = argmax_f l_f; train: y = sum w_f x[f::s], w = softmax((l + Gumbel noise) / tau)",
    source="Rojas-Gomez et al., arXiv 2210.08001; raymondyeh07/learnable_polyphase_sampling, layers/polydown.py",
    module=_Lps,
    learnable=True,
    learns_in_training=True,
    stochastic=True,
    check=_check_lps,
    kept_phase=_lps_phase,
    exempt=_EXEMPT | {"huge": "the convolutions of the logits sum over taps and channels"},
)
def lps(
    x: Tensor,
    geometry: Geometry,
    *,
    logits: Tensor | None = None,
    tau: float = 1.0,
    training: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """``logits`` are l, one per phase of each sample: ``(N, S)``, or ``(S,)`` for an unbatched input, S the product of
    the strides, the phases row by row; None is 0. Positions are those of ``aps``, and so is the property: circular
    shifts of the input shift the output and change no value, if the logits do not depend on the order of the phases.

    ``training=True``, a module's training mode, draws weights of the phases by the Gumbel-softmax of temperature
    ``tau``, from ``generator`` if given. In evaluation the phase with the largest logit is kept, and the logits have a
    gradient of 0.

    The authors' code takes a stride of 2 only and fills odd sizes up with zeros. It may filter before or after the
    choice; here nothing is filtered. The code was read (``LPSLogitLayersV2``), the paper's text was not.
    """
    phases = _phases(x, geometry)
    n, logits = geometry.ndim, _of_samples(logits, x, geometry)
    if training:
        weight = _drawn(logits, tau, generator)
        a = phases.to(torch.promote_types(accumulation_dtype(x.dtype), weight.dtype))
        return like((a * weight.reshape(*weight.shape[:-1], 1, -1, *(1,) * n)).sum(-n - 1), x)
    y = _kept(phases, logits.detach().argmax(-1), n)
    # The logits stay part of the graph, as in training, with a gradient of 0.
    none = torch.where(torch.zeros_like(logits, dtype=torch.bool), logits, 0.0).sum(-1)
    return like(y + none.reshape(*none.shape, *(1,) * (n + 1)).to(y.dtype), x)
