"""torch's transforms: every operator x transform x layout gives reverse mode's derivatives, or says why not.

The truth is plain reverse mode of the reference operators on a contiguous float64 input, which ``test_contract`` holds
against finite differences. What a transform gives is compared with it to rounding error: a tangent of zeros is no
answer. ``tests/cuda/test_native_transforms.py`` holds the native operators to the reference in the same grid.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pools import CASES, CHANNELS, LAYOUTS, distinct, info_of, make, scramble
from torch import Tensor
from torch.autograd import forward_ad

from poolzoo.create import make_function

#: Small enough for a Jacobian of everything: two samples, some elements absent, some windows overlapping.
SIZES: dict[int, tuple[int, ...]] = {1: (4,), 2: (3, 2), 3: (2, 2, 3)}
GEOMETRY: dict[int, dict[str, Any]] = {
    1: {"kernel_size": 3, "stride": 2, "padding": 1},
    2: {"kernel_size": 2, "stride": (2, 1), "padding": (1, 0)},
    3: {"kernel_size": 2, "stride": (2, 2, 1), "padding": (1, 0, 0)},
}


class Call:
    """An operator by reference as a function of its input, in one mode; what it draws, it draws alike."""

    def __init__(self, spec: str, ndim: int, training: bool = False) -> None:
        torch.default_generator.manual_seed(0)  # torch.manual_seed does it in a hundred times as long
        self.pool = scramble(make(spec, ndim, **GEOMETRY[ndim]).double()).train(training)
        self.function = functools.partial(make_function(info_of(spec), ndim), **GEOMETRY[ndim])
        self.backend = {"backend": "reference"} if info_of(spec).native else {}

    def __call__(self, x: Tensor) -> Tensor:
        torch.default_generator.manual_seed(0)
        return self.function(x, **{**self.pool.params(x), **self.backend})

    def loss(self, x: Tensor) -> Tensor:
        y = self(x)
        return (y * y * torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape)).sum()


def jacobian(call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Row by row, by reverse mode."""
    x = x.clone().requires_grad_()
    y = call(x)
    rows = [torch.autograd.grad(value, x, retain_graph=True)[0] for value in y.flatten()]
    return torch.stack(rows).reshape(*y.shape, *x.shape)


def gradient(call: Callable[[Tensor], Tensor], x: Tensor, create_graph: bool = False) -> Tensor:
    x = x.clone().requires_grad_() if not create_graph else x
    return torch.autograd.grad(call(x), x, create_graph=create_graph)[0]


def by_dual_numbers(call: Call, x: Tensor, tangent: Tensor) -> Tensor:
    with forward_ad.dual_level():
        y = forward_ad.unpack_dual(call(forward_ad.make_dual(x, tangent)))
        assert y.tangent is not None, "the tangent is lost"
        return y.tangent


def by_backward_through_vmap(call: Call, xs: Tensor) -> Tensor:
    leaf = xs.detach().requires_grad_()
    return torch.autograd.grad(vmap(call.loss)(leaf).sum(), leaf)[0]


def hessian(call: Call, x: Tensor) -> Tensor:
    return torch.func.jacfwd(torch.func.jacrev(call.loss), randomness="same")(x)


vmap = functools.partial(torch.vmap, randomness="same")
#: Every transform, and which of the truths below it gives: ``transform(call, x, tangent)``.
OF_ONE: dict[str, tuple[Callable[[Call, Tensor, Tensor], Tensor], str]] = {
    "jvp": (lambda call, x, tangent: torch.func.jvp(call, (x,), (tangent,))[1], "product"),
    "dual": (by_dual_numbers, "product"),
    "jacfwd": (lambda call, x, _: torch.func.jacfwd(call, randomness="same")(x), "jacobian"),
    "jacrev": (lambda call, x, _: torch.func.jacrev(call)(x), "jacobian"),
    "hessian": (lambda call, x, _: hessian(call, x), "hessian"),
}
#: The same of a batch of inputs: ``transform(call, xs)``.
OF_MANY: dict[str, tuple[Callable[[Call, Tensor], Tensor], str]] = {
    "vmap": (lambda call, xs: vmap(call)(xs), "values"),
    "vmap of grad": (lambda call, xs: vmap(torch.func.grad(call.loss))(xs), "gradients"),
    "grad of vmap": (lambda call, xs: torch.func.grad(lambda xs: vmap(call.loss)(xs).sum())(xs), "gradients"),
    "backward of vmap": (by_backward_through_vmap, "gradients"),
}
TRANSFORMS = OF_ONE | OF_MANY
#: What torch itself refuses: tangents laid out as an input whose elements share memory.
SHARED_MEMORY = "more than one element of the written-to tensor refers to a single memory location"


def inputs(ndim: int, layout: str, many: bool) -> tuple[Tensor, ...]:
    """What a transform takes after the operator: an input and its tangent, or a batch of inputs."""
    shape = (2, CHANNELS, *SIZES[ndim])
    if many:
        return (LAYOUTS[layout](distinct(2, *shape, dtype=torch.float64), ndim),)
    return tuple(LAYOUTS[layout](distinct(*shape, dtype=torch.float64, seed=seed), ndim) for seed in (0, 1))


@functools.cache
def truth(what: str, spec: str, ndim: int, training: bool, layout: str) -> Tensor:
    """Without transforms, of the reference operator and contiguous inputs."""
    call = Call(spec, ndim, training)
    x, *tangent = (t.contiguous() for t in inputs(ndim, layout, what in ("values", "gradients")))
    if what == "values":
        return torch.stack([call(sample) for sample in x])
    if what == "gradients":
        return torch.stack([gradient(call.loss, sample) for sample in x])
    if what == "hessian":
        return jacobian(functools.partial(gradient, call.loss, create_graph=True), x)
    if what == "product":
        return torch.tensordot(truth("jacobian", spec, ndim, training, layout), *tangent, x.dim())
    return jacobian(call, x)


MODES = [(spec, ndim, False) for spec, ndim in CASES if ndim == 2]
MODES += [(spec, ndim, True) for spec, ndim, _ in MODES if make(spec, ndim).stochastic]
#: Signals and volumes go the same way as pictures: what only volumes have is their channels_last.
GRID = [(*mode, transform) for mode in MODES for transform in TRANSFORMS]
GRID += [(spec, ndim, False, transform) for spec, ndim in CASES if ndim != 2 for transform in ("jvp", "vmap of grad")]
IDS = [f"{spec}-{ndim}d-{'train' if training else 'eval'}-{transform}" for spec, ndim, training, transform in GRID]


@pytest.mark.parametrize(("spec", "ndim", "training", "transform"), GRID, ids=IDS)
def test_transforms_of_every_layout_give_what_reverse_mode_does(spec, ndim, training, transform):
    run, what = TRANSFORMS[transform]
    call = Call(spec, ndim, training)
    for layout in LAYOUTS if ndim == 2 else ("channels_last",):
        if transform == "hessian" and layout not in ("contiguous", "channels_last"):
            continue  # jacfwd and jacrev, of which it is made, have them
        given = inputs(ndim, layout, transform in OF_MANY)
        if layout == "expanded" and transform == "jacfwd":
            with pytest.raises(RuntimeError, match=SHARED_MEMORY):
                run(call, *given)
            continue
        expected = truth(what, spec, ndim, training, "expanded" if layout == "expanded" else "contiguous")
        scale = expected.abs().max().item()
        assert scale > 0
        torch.testing.assert_close(
            run(call, *given), expected, rtol=0, atol=1e-12 * scale, msg=lambda m, where=layout: f"{where}: {m}"
        )
