"""What became of a model's pools, as data and as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Replaced(NamedTuple):
    """A pool that was replaced: its dotted paths in the model, what stood there and what stands there now."""

    where: str
    before: str
    after: str


class LeftAlone(NamedTuple):
    """A pool, or a module whose forward calls one, that stays as it was, and the reason."""

    where: str
    what: str
    why: str


class Report(NamedTuple):
    """What :func:`poolzoo.replace_pools` did; ``str(report)`` is a table.

    Attributes:
        pool: spec of the operator that was put in.
        replaced: what changed, in the model's order.
        left_alone: what did not, and why.
        untraced: classes of modules that torch.fx cannot trace. None of them names a pooling function, but what the
            functions that they call do is not known.
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
            lines.append(f"not searched for functional pools, torch.fx cannot trace them: {', '.join(self.untraced)}")
        return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Aligned columns with their heading; nothing where there is no row."""
    if not (rows := list(rows)):
        return []
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, *rows)]
    return ["  " + "  ".join(row).rstrip() for row in cells]
