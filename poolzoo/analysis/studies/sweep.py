"""One operator over a range of one of its parameters: a comparison whose metadata names the parameter.

The rows are those of :func:`poolzoo.analysis.studies.compare.compare`: one operator per value, and for comparison avg
and max, which do not have the parameter. ``metadata["sweep"]`` is ``{"pool": SPEC, "over": PARAMETER, "values": [...],
"spacing": "log" | "linear" | "list"}``.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from poolzoo import registry
from poolzoo.analysis.results.result import Result

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.images import Source
    from poolzoo.analysis.scoring.protocol import Protocol

#: The operators that a sweep is compared with.
REFERENCES = ("avg", "max")
#: A range's values are rounded to this many digits, which names can show.
DIGITS = 4
#: Larger whole numbers are written with an exponent.
DIGITS_OF_INTS = 9

#: Parameters that say what the input is or where the work is done; what they change is no curve.
_OF_THE_INPUT = ("backend", "cells", "channels", "device", "dtype", "generator")

Real = int | float


@dataclass(frozen=True)
class Sweep:
    """The parameter and the values of a sweep.

    Attributes:
        pool: the operator, as its spec without the varied parameter.
        over: the parameter.
        values: rising.
        spacing: ``log`` or ``linear`` for a range, ``list`` for values one by one.
    """

    pool: str
    over: str
    values: tuple[Real, ...]
    spacing: str

    def spec(self, value: Real) -> str:
        """Return the operator at one value, as rows are labelled."""
        name, params = registry.parse_spec(self.pool)
        return f"{name}:{registry.format_params(params | {self.over: value})}"

    @property
    def specs(self) -> tuple[str, ...]:
        """The operator at every value."""
        return tuple(self.spec(value) for value in self.values)


def plan_sweep(pool: str, over: str, points: int = 9) -> Sweep:
    """Read the parameter and the values of a sweep.

    Args:
        pool: the operator, with other parameters if wanted: ``softpool``, ``lp:norm=sum``.
        over: ``NAME=LOW..HIGH`` for a range, ``NAME=A,B,C`` for a list.
        points: the number of values in a range. They are spaced by a common factor, or by a common step if the range
            contains 0 or less; for a parameter that takes ints, the nearest ints in the range are used.

    Raises:
        ValueError: no such operator or parameter, values that are not finite numbers, or a range that does not rise.
    """
    name, given = registry.parse_spec(pool)
    numeric = _numeric_params(name)
    parameter, equals, text = (piece.strip() for piece in over.partition("="))
    if not equals or not text:
        raise ValueError(f"over={over!r}: NAME=LOW..HIGH or NAME=A,B,C is allowed, as beta=0.1..16")
    (parameter,) = registry.current_names(registry.pool_info(name), {parameter: text})
    if parameter not in numeric:
        known = f"those of {name} are {', '.join(numeric)}" if numeric else f"{name} has none"
        raise ValueError(f"over={over!r}: {parameter!r} is not a numeric parameter; {known}")
    if parameter in given:
        raise ValueError(f"pool={pool!r}: {parameter!r} is what the sweep varies; leave it out there")
    ends = text.split("..")
    if len(ends) == 1:
        values, spacing = [_number(part, over) for part in text.split(",")], "list"
    elif len(ends) == 2:
        low, high = (_number(end, over) for end in ends)
        if not low < high:
            raise ValueError(f"over={over!r}: a range rises, from {low:g} to more than it")
        values, spacing = _spaced(low, high, points)
        if isinstance(numeric[parameter], int):
            values = [whole for whole in map(round, values) if low <= whole <= high]
            if not values:
                raise ValueError(f"over={over!r}: {parameter!r} takes ints, and there is none in this range")
    else:
        raise ValueError(f"over={over!r}: one range, LOW..HIGH, is allowed")
    values = sorted(set(values))
    return Sweep(f"{name}:{registry.format_params(given)}" if given else name, parameter, tuple(values), spacing)


def _numeric_params(name: str) -> dict[str, Real | None]:
    """Return an operator's own parameters that take numbers, and their defaults."""
    from poolzoo.create import make_class  # of torch, without which tables of a sweep's rows are written

    info = registry.pool_info(name)
    if 2 not in info.ndims:
        raise ValueError(f"pool={name!r}: not defined for 2 spatial axes, those of an image")
    known = inspect.signature(make_class(info, 2)).parameters.values()
    own = {p.name: p.default for p in known if p.kind is p.KEYWORD_ONLY and p.name not in _OF_THE_INPUT}
    return {key: v for key, v in own.items() if v is None or (isinstance(v, (int, float)) and type(v) is not bool)}


def _number(text: str, over: str) -> Real:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"over={over!r}: {text.strip()!r} is not a finite number")
    return _plain(value)


def _plain(value: float) -> Real:
    """Return a whole number as an int: 2.0 and 2 are then one label, and some parameters allow only ints."""
    return int(value) if value.is_integer() and abs(value) < 10**DIGITS_OF_INTS else value


def _spaced(low: Real, high: Real, points: int) -> tuple[list[Real], str]:
    """Return ``points`` values with the given ends, and their spacing."""
    shares = [place / (points - 1) for place in range(1, points - 1)]
    if low > 0:
        between, spacing = [low ** (1 - share) * high**share for share in shares], "log"
    else:
        between, spacing = [low * (1 - share) + high * share for share in shares], "linear"
    rounded = (_plain(float(f"{value:.{DIGITS}g}")) for value in between)
    return [low, *(value for value in rounded if low < value < high), high], spacing


def run_sweep(
    sweep: Sweep,
    sources: Sequence[Source],
    protocol: Protocol,
    normalizations: Sequence[str] = ("none",),
    *,
    baseline: str | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Pool every image with the operator at every value, and with avg and max.

    Args:
        sweep: from :func:`plan_sweep`.
        sources: the images.
        protocol: how they are pooled, rebuilt and scored; its ``normalize`` is not used.
        normalizations: names from :data:`poolzoo.analysis.scoring.protocol.NORMALIZATIONS`; each gives its own curve.
        baseline: as for :func:`poolzoo.analysis.studies.compare.compare`.
        on_step: called with the number of finished and of all image-operator pairs.

    Returns:
        A comparison with ``sweep`` in its metadata, where ``normalize`` is a list.

    Raises:
        ValueError: a value that the operator does not allow.
    """
    from poolzoo.analysis.studies.compare import compare

    specs = list(dict.fromkeys((*REFERENCES, *sweep.specs)))
    names = list(dict.fromkeys(normalizations))
    parts = []
    for number, name in enumerate(names):

        def step(done: int, total: int, number: int = number) -> None:
            if on_step:
                on_step(number * total + done, len(names) * total)

        parts.append(compare(sources, specs, replace(protocol, normalize=name), baseline=baseline, on_step=step))
    about = {"pool": sweep.pool, "over": sweep.over, "values": list(sweep.values), "spacing": sweep.spacing}
    metadata = parts[0].metadata | {"normalize": names, "sweep": about}
    return Result("compare", metadata, [row for part in parts for row in part.rows])


def sweep_of(result: Result) -> Sweep | None:
    """Return the sweep of a result; None if it has none, or if the file states it wrongly."""
    about: Any = result.metadata.get("sweep")
    if not isinstance(about, dict):
        return None
    values = about.get("values")
    pool, over, spacing = (about.get(key) for key in ("pool", "over", "spacing"))
    if not (isinstance(pool, str) and isinstance(over, str) and isinstance(values, list)):
        return None
    # An int may be larger than any float.
    if not values or not all(isinstance(v, (int, float)) and abs(v) <= sys.float_info.max for v in values):
        return None
    sweep = Sweep(pool, over, tuple(values), spacing if isinstance(spacing, str) else "list")
    try:
        registry.parse_spec(pool)
    except ValueError:
        return None
    return sweep
