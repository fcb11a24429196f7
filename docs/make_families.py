"""Write ``docs/families.md``: ``python docs/make_families.py`` (or ``make families``).

Two surveys of the operators, both computed: which operator becomes which other at what parameters, and under which
changes of its input an operator's output changes likewise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

import poolzoo.functional as PF
from poolzoo import create_pool, registry

PAGE = Path(__file__).parent / "families.md"
#: The largest difference, relative to the largest value, that counts as equal: rounding, or a limit nearly reached.
EQUAL, NEAR = 1e-12, 1e-5
STEM: dict[str, Any] = {"kernel_size": 3, "stride": 2, "padding": 1}


class Limit(NamedTuple):
    """An operator that becomes another: both as functions of an input, ``(N, C, H, W)``."""

    general: str
    at: str
    special: str
    left: Callable[[Tensor], Tensor]
    right: Callable[[Tensor], Tensor]
    within: float = EQUAL

    def error(self, x: Tensor) -> float:
        """Return the largest difference of the two, relative to the largest value."""
        return relative(self.left(x), self.right(x))


def relative(y: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative to the largest expected value; inf for another shape."""
    if y.shape != expected.shape:
        return math.inf
    return float((y - expected).abs().max() / expected.abs().max())


def stem(name: str, **params: Any) -> Callable[[Tensor], Tensor]:
    """Return an operator over 3x3 windows with a stride of 2 and padding of 1."""
    return lambda x: getattr(PF, f"{name}_pool2d")(x, **STEM, **params)  # type: ignore[no-any-return]


def windows(name: str, kernel_size: int = 2, **params: Any) -> Callable[[Tensor], Tensor]:
    """Return an operator over windows with a stride of 2 without padding, 2x2 by default."""
    return lambda x: getattr(PF, f"{name}_pool2d")(x, kernel_size, 2, **params)  # type: ignore[no-any-return]


def first(pool: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the first submap of ``pool``."""
    return lambda x: pool(x)[:, :, 0]


def of_size(pool: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return ``pool`` of the magnitudes."""
    return lambda x: pool(x.abs())


def one_hot(rank: int) -> Tensor:
    return F.one_hot(torch.tensor(rank), 4).double()


def limits() -> list[Limit]:
    """Return the generalisations, in the order of the page."""
    row = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64).log()
    binomials = (row[:, None] + row).flatten()
    leaves = torch.full((2, 3, 3), 1 / 9, dtype=torch.float64)
    power = torch.tensor([1.0, 2.0], dtype=torch.float64)
    middle = (one_hot(1) + one_hot(2)) / 2
    return [
        Limit("softpool", "beta = 0", "avg", stem("soft", beta=0.0), stem("avg")),
        Limit("softpool", "beta -> inf", "max", stem("soft", beta=1e6), stem("max")),
        Limit("autopool", "beta = 1", "softpool", stem("auto", beta=1.0), stem("soft")),
        Limit("autopool", "beta = 0", "avg", stem("auto", beta=0.0), stem("avg")),
        Limit("lip", "logit = 0", "avg", lambda x: PF.lip_pool2d(x, **STEM, logit=0 * x), stem("avg")),
        Limit("lip", "logit = a", "softpool", lambda x: PF.lip_pool2d(x, **STEM, logit=x), stem("soft")),
        Limit("adapool", "beta = 0", "softpool", stem("ada", beta=0.0), stem("soft")),
        Limit("adapool", "beta = 1", "edscw", stem("ada", beta=1.0), stem("edscw")),
        Limit("lse", "r -> 0", "avg", stem("lse", r=1e-7), stem("avg"), NEAR),
        Limit("lse", "r -> inf", "max", stem("lse", r=1e7), stem("max"), NEAR),
        Limit("lp", "p = 1, a >= 0", "avg", of_size(stem("lp", p=1)), of_size(stem("avg"))),
        Limit("lp", "p = inf, a >= 0", "max", of_size(stem("lp", p=math.inf)), of_size(stem("max"))),
        Limit("power", "p = 2", "lp", stem("power", p=power[1]), stem("lp")),
        Limit("gem", "p = 1, a >= eps", "avg", of_size(stem("gem", p=power[0])), of_size(stem("avg")), NEAR),
        Limit("dpp", "lam = 0", "avg", stem("dpp", lam=0.0), stem("avg")),
        Limit("mixed", "lam = 1", "max", stem("mixed", lam=1.0), stem("max")),
        Limit("mixed", "lam = 0", "avg", stem("mixed", lam=0.0), stem("avg")),
        Limit("gated", "omega = 0", "mixed", stem("gated"), stem("mixed", lam=0.5)),
        Limit("tree", "leaves = 1 / K", "avg", windows("tree", 3, leaves=leaves), windows("avg", 3)),
        Limit("owa", "w = (1, 0, ...)", "max", windows("owa", weight=one_hot(0)), windows("max")),
        Limit("owa", "w = (..., 0, 1)", "min", windows("owa", weight=one_hot(3)), lambda x: -F.max_pool2d(-x, 2)),
        Limit("owa", "w = 1/2 for the middle two of 4", "median", windows("owa", weight=middle), windows("median")),
        Limit("owa", "w = 1 / K", "avg", windows("owa"), windows("avg")),
        Limit("t_max_avg", "K = 1", "max", stem("t_max_avg", k=1), stem("max")),
        Limit("t_max_avg", "T = -inf", "max", stem("t_max_avg", threshold=-math.inf), stem("max")),
        Limit("t_max_avg", "T > a, K = 9", "avg", stem("t_max_avg", k=9, threshold=1e6), stem("avg")),
        Limit("gaussian", "m -> -inf", "avg", stem("gaussian", m=-math.inf), stem("avg")),
        Limit("blur", "filt_size = 1, kernel 1", "strided", windows("blur", 1, filt_size=1), windows("strided", 1)),
        Limit("max_blur", "filt_size = 1", "max", stem("max_blur", filt_size=1), stem("max")),
        Limit("avg_blur", "filt_size = 1", "avg", stem("avg_blur", filt_size=1), stem("avg")),
        Limit("adaptive_blur", "b = log h", "blur", stem("pasa", bias=binomials), stem("blur", filt_size=3)),
        Limit("haar", "norm = mean", "avg", windows("haar", norm="mean"), windows("avg")),
        Limit("wavelet", "wavelet = haar", "haar", stem("wavelet", wavelet="haar"), stem("haar")),
        Limit("hwd", "its first band", "haar", first(windows("hwd")), windows("haar")),
        Limit("lift", "P = U = 0", "sum", windows("lift"), windows("sum")),
        Limit(
            "diffstride", "S = stride, R -> 0", "spectral", windows("diffstride", smoothness=1e-9), windows("spectral")
        ),
        Limit("flc", "always", "spectral", windows("flc"), windows("spectral")),
        Limit("multisampling", "sampler = 01", "checkered", windows("multisampling"), windows("checkered")),
        Limit("space_to_depth", "its first submap", "strided", first(windows("space_to_depth")), windows("strided")),
        Limit("lps", "logits = 0", "strided", windows("lps"), windows("strided")),
    ]


def image() -> Tensor:
    """Return the input of all measurements: normal numbers, ``(2, 3, 12, 12)``."""
    return torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _permuted(x: Tensor) -> Tensor:
    """Return ``x`` with the elements of each 2x2 window in an order of its own."""
    cells = x.reshape(2, 3, 6, 2, 6, 2).permute(0, 1, 2, 4, 3, 5).flatten(-2)
    order = torch.rand(cells.shape, generator=torch.Generator().manual_seed(1)).argsort(-1)
    return cells.gather(-1, order).reshape(2, 3, 6, 6, 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(x.shape)


def _rotated(x: Tensor) -> Tensor:
    return torch.rot90(x, 1, (-2, -1))


def _monotone(x: Tensor) -> Tensor:
    return x**3 + x


def _same(x: Tensor) -> Tensor:
    return x


def _by_any_shift(pool: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Return the error of a circular shift by one element, each sample's output moved by the whole cells that fit."""
    y, moved = pool(x), pool(x.roll((1, 1), (-2, -1)))
    errors = []
    for sample, other in zip(y, moved, strict=True):
        errors.append(min(relative(sample.roll((i, j), (-2, -1)), other) for i in (0, 1) for j in (0, 1)))
    return max(errors)


#: Column, what is done to the input, and what the output has to do then.
CHANGES: tuple[tuple[str, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]], ...] = (
    ("shift by 2", lambda x: x.roll((2, 2), (-2, -1)), lambda y: y.roll((1, 1), (-2, -1))),
    ("scale", lambda x: 3 * x, lambda y: 3 * y),
    ("bias", lambda x: x + 0.7, lambda y: y + 0.7),
    ("rotation", _rotated, _rotated),
    ("permutation", _permuted, _same),
    ("monotone map", _monotone, _monotone),
)
COLUMNS = ("shift by 2", "shift by 1", *(name for name, *_ in CHANGES[1:]))


def invariances() -> Iterator[tuple[str, dict[str, float]]]:
    """Yield each operator, untrained and in evaluation, and the relative error of each change."""
    x = image()
    for spec in registry.expand_specs([]):
        name = registry.parse_spec(spec)[0]
        if 2 not in registry.pool_info(name).ndims or name not in registry._builtin:
            continue
        torch.manual_seed(0)
        pool = create_pool(spec).double().eval()
        pool.take_channels(3)
        pool = pool.double()
        with torch.no_grad():
            y = pool(x)
            errors = {column: relative(pool(change(x)), answer(y)) for column, change, answer in CHANGES}
            errors["shift by 1"] = _by_any_shift(pool, x)
        yield spec, errors


def shown(error: float) -> str:
    """Return an error in words that do not depend on the machine, or with two digits."""
    return "yes" if error < EQUAL else "nearly" if error < NEAR else "-" if error == math.inf else f"{error:.2g}"


HEAD = """# Families

Which operator becomes which other, and what an operator keeps. `make families` computes this page; a test holds each
line to what is computed.

## Generalisations

At the parameters in the second column, the first operator is the third; h are the binomials. Computed over 3x3 or 2x2
windows with stride 2; a limit is taken at a number near it. `yes` is equality but for rounding, `nearly` a difference
of less than 1e-5 of the largest value.

| operator | at | is | equal |
|---|---|---|---|
"""
MIDDLE = """
## Invariances

Measured on 12x12 normal numbers in three channels, 2x2 windows, untrained, in evaluation. A column says whether a
change of the input changes the output likewise: circular shifts by 2 (one cell) and by 1 (up to whole cells, for each
sample), the factor 3, an offset of 0.7, a rotation by 90 degrees, a random order inside each window, and the map
a^3 + a. `yes` and `nearly` are those of the table above; a number is the largest difference, relative to the largest
value.

"""


def make() -> str:
    """Return the page."""
    x = image()
    lines = [f"| {one.general} | {one.at} | {one.special} | {shown(one.error(x))} |" for one in limits()]
    table = [f"| operator | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for spec, errors in invariances():
        table.append(f"| {spec} | {' | '.join(shown(errors[column]) for column in COLUMNS)} |")
    return HEAD + "\n".join(lines) + "\n" + MIDDLE + "\n".join(table) + "\n"


if __name__ == "__main__":
    PAGE.write_text(make(), encoding="utf-8")
