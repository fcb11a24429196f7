"""The figures of profiles, of operators and of whole models: one record per figure, which rows, tables, plots and the
page use.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ProfileFigure:
    """One figure of a profile; less is better unless ``best`` says otherwise.

    Attributes:
        key: its name in rows.
        heading: its column heading in tables.
        title: its name in sentences of the page.
        unit: ``s``, ``B``, ``GB/s``, ``%`` (a share) or ``x`` (a ratio to the baseline).
        place: the position of its column in a profile's table, from 0.
        drop: the order in which columns are dropped in a narrow terminal: the highest first, 0 never.
        spread: the row key of its interquartile range.
        note: an explanation of the heading, for the table's last line.
        best: ``high`` where more is better.
        compared: whether it is shown next to retention, and compared between runs.
        axis: its axis title in a plot of retention against it.
        less: the adjective for an operator with less of it, such as ``faster``.
        told_above: the value above which it is a caveat; its column is left out of tables where no value is.
    """

    key: str
    heading: str
    title: str
    unit: str
    place: int
    drop: int = 0
    spread: str = ""
    note: str = ""
    best: str = ""
    compared: bool = False
    axis: str = ""
    less: str = ""
    told_above: float | None = None

    def is_told(self, values: Iterable[float | None]) -> bool:
        """Return whether a table of these values has its column: if there are any, and a caveat's are large enough."""
        least = -math.inf if self.told_above is None else self.told_above
        return any(value is not None and value > least for value in values)


#: Seconds that threads waited for a processor, together, per second of all of the row's measurements.
WAITED = ProfileFigure(
    "waited_fraction",
    "waited",
    "Time that threads waited for a processor",
    unit="%",
    place=8,
    note="threads waited this share of the time for a processor, because other work had it: the times of the row may be"
    " far too long; measure again on an idle machine, or with fewer threads",
    told_above=0.1,
)


def _figures() -> Iterator[ProfileFigure]:
    """Yield the figures in the order of the rows' keys."""
    yield ProfileFigure(
        "forward_s",  # median seconds of a forward pass without autograd
        "forward",
        "Forward time",
        unit="s",
        place=0,
        spread="forward_iqr_s",
        compared=True,
        axis="forward time",
        less="faster",
    )
    # The backward pass alone.
    yield ProfileFigure("backward_s", "backward", "Backward time", unit="s", place=2, drop=4, spread="backward_iqr_s")
    yield ProfileFigure(
        "forward_backward_s", "fwd+bwd", "Forward and backward time", unit="s", place=3, drop=2, compared=True
    )
    yield ProfileFigure(
        "saved_bytes",
        "saved",
        "Memory kept by autograd",
        unit="B",
        place=6,
        drop=3,
        note="kept by autograd for the backward pass",
        compared=True,
        axis="memory kept for the backward pass",
        less="smaller",
    )
    yield ProfileFigure(
        "peak_bytes",  # most memory allocated at once, the input not counted
        "peak",
        "Peak memory",
        unit="B",
        place=7,
        drop=3,
        note="of a forward pass",
        compared=True,
        axis="peak memory of a forward pass",
        less="smaller",
    )
    # Bytes that must move (input read, output written) per second of forward, in 1e9; and over the bandwidth of a copy.
    yield ProfileFigure("gbps", "GB/s", "Bandwidth", unit="GB/s", place=4, drop=5, best="high")
    yield ProfileFigure("copy_fraction", "of copy", "Share of a copy's bandwidth", unit="%", place=5, drop=6)
    # forward_s over the baseline's.
    yield ProfileFigure("ratio", "ratio", "Ratio to the baseline", unit="x", place=1, drop=1)
    yield WAITED


PROFILE_FIGURES = {figure.key: figure for figure in _figures()}
#: The keys of rows that hold them.
FIGURE_KEYS = tuple(key for figure in PROFILE_FIGURES.values() for key in (figure.key, figure.spread) if key)


def _model_figures() -> Iterator[ProfileFigure]:
    """Yield the figures of a whole model in the order of the rows' keys."""
    yield ProfileFigure(
        "forward_s",  # median seconds of a forward pass in evaluation mode, without autograd
        "forward",
        "Forward time",
        unit="s",
        place=0,
        spread="forward_iqr_s",
    )
    yield ProfileFigure(
        "forward_backward_s",  # a forward and backward pass in training mode, with gradients of all parameters
        "fwd+bwd",
        "Forward and backward time",
        unit="s",
        place=2,
        spread="forward_backward_iqr_s",
        note="in training mode",
    )
    yield ProfileFigure(
        "peak_bytes",  # most memory allocated at once, parameters and input not counted
        "peak",
        "Peak memory",
        unit="B",
        place=4,
        drop=2,
        note="of a forward pass, without parameters and input",
    )
    yield ProfileFigure(
        "training_peak_bytes",  # the same of forward and backward, gradients included
        "train peak",
        "Peak memory of forward and backward",
        unit="B",
        place=5,
        drop=3,
        note="of forward and backward",
    )
    # forward_s and forward_backward_s over those of the model as given, of the same input.
    yield ProfileFigure("ratio", "ratio", "Ratio to the model as given", unit="x", place=1)
    yield ProfileFigure(
        "forward_backward_ratio", "fwd+bwd ratio", "Ratio of forward and backward", unit="x", place=3, drop=1
    )
    yield ProfileFigure(
        "pools_share",
        "in pools",
        "Share of the time in pools",
        unit="%",
        place=6,
        note="share of an eager forward pass, by hooks around the pools, in passes of their own",
    )
    yield WAITED


MODEL_FIGURES = {figure.key: figure for figure in _model_figures()}
#: The keys of a model's rows that hold them.
MODEL_FIGURE_KEYS = tuple(key for figure in MODEL_FIGURES.values() for key in (figure.key, figure.spread) if key)
