"""The card of one operator: its facts, its weights, and what a photograph keeps and costs.

Everything here is the same in every run: no times, no dates. ``compare`` and ``profile`` measure what varies between
machines.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from poolzoo import engine, registry
from poolzoo.analysis.inputs.images import Source, find_images, load_image
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.results.summary_records import Summary
from poolzoo.analysis.scoring.gradients import PixelWeights, WindowWeights, pixel_weights, window_weights
from poolzoo.analysis.scoring.pool_modules import make_module, normal_spec
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.scoring.round_trip import View
from poolzoo.analysis.studies.compare import compare
from poolzoo.analysis.studies.profile import saved_bytes
from poolzoo.operators.base import Pool
from poolzoo.registry import CLAUSES, PoolInfo

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.files import FloatImage

#: The cut-out of a photograph on which cards measure and that their pictures show: top, left and side in pixels.
PHOTO, TOP, LEFT, SIDE = "skimage:coffee", 130, 320, 160
#: The part of the cut-out whose pixel weights are shown: top, left and side in pixels.
PART_TOP, PART_LEFT, PART = 110, 25, 40
#: The kernel sizes of the figures and of the pictures: the first that the operator accepts is used.
MEASURED, SHOWN = (2, 3), (4, 3, 2)
#: The tensor on which cost is counted.
COST_SHAPE = (2, 8, 24, 24)


Made = TypeVar("Made")


@dataclass(frozen=True)
class Card:
    """The facts of one operator that need no measurement.

    Attributes:
        label: the spec, parameters sorted.
        info: the registry's entry.
        parameters: name and default of the module's own parameters; None for a required one.
        draws: whether it is stochastic in training.
        learns: how many numbers the module learns for one channel.
        prose: paragraphs on its use, what it keeps and its limits.
        sample: the weights of one window's elements, of 2x2 windows if it is defined for two axes.
        exempt: clauses of the contract that do not hold, each as a sentence, with the reason.
    """

    label: str
    info: PoolInfo
    parameters: list[tuple[str, str | None]]
    draws: bool
    learns: int
    prose: list[str]
    sample: WindowWeights
    exempt: list[tuple[str, str]]


@dataclass(frozen=True)
class Evidence:
    """The results of one operator on a photograph and on a tensor.

    Attributes:
        retention: an entry for each variant and state, with ``measured`` windows.
        measured, shown: the kernel sizes: the first of ``MEASURED`` and of ``SHOWN`` that the operator accepts.
        pooled: the cut-out after pooling with ``shown`` windows, floats ``(h, w, 3)``.
        weights: of the pixels of its part, with ``shown`` windows.
        saved: bytes that autograd keeps for the backward pass, per input number in float32.
        written: numbers that torch's operators write in a forward pass, per input number.
    """

    retention: list[Summary]
    measured: int
    shown: int
    pooled: FloatImage
    weights: PixelWeights
    saved: float
    written: float


def make_card(spec: str) -> Card:
    """Return an operator's card.

    Raises:
        ValueError: an unknown operator, or a parameter that is not allowed.
    """
    info = registry.pool_info(registry.parse_spec(spec)[0])
    ndim = 2 if 2 in info.ndims else info.ndims[0]
    _, module = _first_taken(MEASURED, lambda k: _module(spec, ndim, 1, k))
    own = [p for p in inspect.signature(type(module)).parameters.values() if p.kind is p.KEYWORD_ONLY]
    texts = [inspect.getdoc(info.definition), info.module.__doc__ if info.module else None]
    return Card(
        label=normal_spec(spec),
        info=info,
        parameters=[
            (p.name, None if p.default is p.empty else repr(p.default))
            for p in own
            if p.name not in ("device", "dtype")
        ],
        draws=module.stochastic,
        learns=sum(p.numel() for p in module.parameters()),
        prose=[" ".join(part.split()) for text in texts if text for part in inspect.cleandoc(text).split("\n\n")],
        sample=_first_taken(MEASURED, lambda k: window_weights(spec, ndim, k))[1],
        exempt=[(CLAUSES.get(clause, clause), reason) for clause, reason in info.exempt.items()],
    )


def gather_evidence(name: str) -> Evidence:
    """Pool the photograph's cut-out and a tensor with an operator that is defined for two axes, and with its variants.

    Raises:
        ValueError: an unknown operator.
    """
    info = registry.pool_info(name)
    specs = [name, *(f"{name}:{variant}" for variant in info.variants)]
    photo = cut_out()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cut-out.png"
        Image.fromarray(np.rint(photo * 255).astype(np.uint8)).save(file)
        source = Source("cut-out", file)
        views: list[View] = []
        measured, result = _first_taken(MEASURED, lambda k: _pool_photo(source, specs, k))
        shown, _ = _first_taken(SHOWN, lambda k: _pool_photo(source, [name], k, views.append))
    (weights,) = pixel_weights([name], grey_part(photo), shown)
    # Of a stochastic operator, its evaluation mode comes last.
    return Evidence(summarise(result), measured, shown, views[-1].pooled, weights, *count_cost(name, measured))


def _pool_photo(
    source: Source, specs: Sequence[str], kernel_size: int, on_view: Callable[[View], None] | None = None
) -> Result:
    result = compare([source], specs, Protocol(kernel_size=kernel_size, timed=False), on_view=on_view)
    failed = [row["error"] for row in result.rows if row["error"]]
    if failed:
        raise ValueError(f"{specs[0]}: {failed[0]}")
    return result


def cut_out() -> FloatImage:
    """Return the part of the photograph that cards show: ``(SIDE, SIDE, 3)``, floats in [0, 1]."""
    (source,) = find_images([PHOTO])
    return load_image(source)[TOP : TOP + SIDE, LEFT : LEFT + SIDE]


def grey_part(photo: FloatImage) -> FloatImage:
    """Return the part of the cut-out whose pixels' weights are shown: ``(PART, PART)``, grey, channels averaged."""
    grey: FloatImage = photo[PART_TOP : PART_TOP + PART, PART_LEFT : PART_LEFT + PART].mean(axis=2)
    return grey


def count_cost(spec: str, kernel_size: int = 2) -> tuple[float, float]:
    """Count what a forward pass keeps and writes, in float32 by the reference; nothing is timed.

    Returns:
        Bytes kept for the backward pass, without parameters, and numbers written by torch's operators, without views;
        both per number of the input, of shape ``COST_SHAPE``.
    """
    module = _module(spec, 2, COST_SHAPE[1], kernel_size)
    module.train(module.stochastic)
    x = torch.rand(COST_SHAPE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with engine.by_reference():
        _, saved = saved_bytes(module, x, module.parameters())
        with torch.no_grad(), _Written() as written:  # type: ignore[no-untyped-call]
            module(x)
    return saved / x.numel(), written.numbers / x.numel()


class _Written(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers that operators put into new or given memory."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {t.untyped_storage().data_ptr() for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        writes_in_place = func._schema.is_mutable
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and (writes_in_place or tensor.untyped_storage().data_ptr() not in given):
                self.numbers += tensor.numel()
        return result


def _module(spec: str, ndim: int, channels: int, kernel_size: int) -> Pool:
    return make_module(
        spec,
        ndim=ndim,
        channels=channels,
        window={"kernel_size": kernel_size},
        seed=0,
        device="cpu",
        dtype=torch.float32,
    )


def _first_taken(sizes: Sequence[int], use: Callable[[int], Made]) -> tuple[int, Made]:
    """Return the first kernel size that ``use`` accepts, and its result; if it accepts none, raise the first error."""
    errors = []
    for size in sizes:
        try:
            return size, use(size)
        except ValueError as error:
            errors.append(error)
    raise errors[0]
