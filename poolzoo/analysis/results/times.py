"""The times in rows of one operator and state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from poolzoo.analysis.results.rows import Row, Times


@dataclass(frozen=True)
class Time:
    """Seconds of a forward pass.

    Attributes:
        seconds: the median.
        iqr: the interquartile range, where it is known.
        tensor: the tensor that was timed, in words.
        backend: the backend that was timed.
    """

    seconds: float
    iqr: float | None = None
    tensor: str = ""
    backend: str = ""

    @property
    def noise(self) -> float | None:
        """Interquartile range over median."""
        return None if self.iqr is None else self.iqr / self.seconds

    def overlaps(self, faster: Time) -> bool:
        """Return whether this time overlaps a faster one, each with half its interquartile range to both sides."""
        if self.iqr is None or faster.iqr is None:
            return False
        return self.seconds - self.iqr / 2 <= faster.seconds + faster.iqr / 2


def time_of(rows: Iterable[Row | Times], device: str | None) -> Time | None:
    """Return the time in rows of one operator and state; None where none was measured.

    Args:
        rows: of one setting, with :data:`poolzoo.analysis.results.schema.TIME_KEYS`.
        device: where they were measured.
    """
    timed = [(seconds, row) for row in rows if (seconds := row["forward_s"]) is not None]
    if not timed:
        return None
    shapes, dtypes, backends = (
        list(dict.fromkeys(str(row.get(key)) for _, row in timed))
        for key in ("forward_shape", "forward_dtype", "forward_backend")
    )
    one = len(shapes) == 1
    tensor = f"{shapes[0]} " if one else f"inputs of {len(shapes)} sizes, "
    return Time(
        float(median(seconds for seconds, _ in timed)),
        timed[0][1]["forward_iqr_s"] if one else None,
        f"{tensor}{' and '.join(dtypes)}{f' on {device}' if device else ''}",
        " and ".join(backends),
    )
