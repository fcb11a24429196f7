"""The report of a replacement, as data and as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Replaced(NamedTuple):
    """A replaced pool: its dotted paths in the model, the old module or call, and the new module."""

    where: str
    before: str
    after: str


class LeftAlone(NamedTuple):
    """A pool, or a module whose forward calls one, that was not replaced, and the reason."""

    where: str
    what: str
    why: str


class Report(NamedTuple):
    """What :func:`poolzoo.replace_pools` did; ``str(report)`` is a table.

    Attributes:
        pool: spec of the new operator.
        replaced: the replaced pools, in the model's order.
        left_alone: the pools that were not replaced, and why.
        untraced: classes of modules that torch.fx cannot trace. Their methods name no pooling function, but functions
            that they call are not searched.
    """

    pool: str
    replaced: tuple[Replaced, ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()
    untraced: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.pool}: {len(self.replaced)} replaced, {len(self.left_alone)} left alone"]
        lines += _table(("replaced", *Replaced._fields[1:]), self.replaced)
        lines += _table(("left alone", *LeftAlone._fields[1:]), self.left_alone)
        if self.untraced:
            lines.append(f"not searched for functional pools (torch.fx cannot trace them): {', '.join(self.untraced)}")
        return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return aligned columns with a heading; nothing if there are no rows."""
    if not (rows := list(rows)):
        return []
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, *rows)]
    return ["  " + "  ".join(row).rstrip() for row in cells]
