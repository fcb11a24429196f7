"""Numbers as text: one unit and one number of decimals per column, signs, intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
BYTE_UNITS = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
#: By the unit in which rows hold them.
SCALED_UNITS = {"s": TIME_UNITS, "B": BYTE_UNITS}


def unit_of(values: Iterable[float], units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """Return the unit of a column: the largest in which at least half of ``values`` are 1 or more."""
    sizes = sorted(value for value in values if value > 0 and math.isfinite(value))
    middle = sizes[(len(sizes) - 1) // 2] if sizes else 0.0
    return next((unit for unit in units if middle >= unit[0]), units[-1])


def signed(spec: str) -> Callable[[float], str]:
    """Format a difference with its sign, unless it rounds to zero."""
    return formatter(f"+{spec}")


def significant(values: Iterable[float | None]) -> Callable[[float], str]:
    """Return the decimals of a column: at least two digits of its smallest value, up to three decimals."""
    smallest = min((value for value in values if value and value > 0), default=1.0)
    decimals = min(3, max(0, 1 - math.floor(math.log10(smallest))))
    return formatter(f".{decimals}f")


def formatter(spec: str) -> Callable[[float], str]:
    def show(value: float) -> str:
        text = format(value, spec).replace("inf", "∞")
        # -0.00 would claim a direction that the digits do not show.
        return text.lstrip("+-") if not text.strip("+-0.") else text

    return show


def as_ratio(value: float) -> str:
    return f"{value:.2f}x"


def half_interval(interval: tuple[float, float] | None, spec: str) -> str:
    return f"±{(interval[1] - interval[0]) / 2:{spec}}" if interval else ""
