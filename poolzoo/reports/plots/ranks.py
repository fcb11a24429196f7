"""Mean ranks of operators over images, with the critical difference of Nemenyi's test."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolzoo.analysis.results.schema import METRICS
from poolzoo.analysis.results.summaries import INTERVAL_IMAGES
from poolzoo.analysis.results.summary_records import Summary
from poolzoo.reports.plots.described import operator_count
from poolzoo.reports.plots.style import (
    AROUND,
    LINE,
    MUTED,
    POINT,
    WIDTH,
    list_axis,
    new_figure,
    operator_name,
    style,
)
from poolzoo.reports.text.words import title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Nemenyi's test: the probability that equal operators are reported to differ.
ALPHA = 0.05


def ranked(summaries: Sequence[Summary]) -> list[Summary]:
    """Return the ranked operators, best first; none for a single image."""
    rivals = [(summary.rank, summary) for summary in summaries if summary.rank is not None]
    return [s for _, s in sorted(rivals, key=lambda pair: (pair[0], pair[1].label, pair[1].state))]


def ranks_differ(summaries: Sequence[Summary]) -> bool:
    """Return whether any two mean ranks differ significantly, over enough images."""
    shown = ranked(summaries)
    if len(shown) < 2 or _images_ranked(shown) < INTERVAL_IMAGES:
        return False
    return _critical(shown) <= (shown[-1].rank or 0.0) - (shown[0].rank or 0.0)


@functools.cache
def critical_difference(operators: int, images: int) -> float:
    """Return the difference of two mean ranks from which it is statistically significant.

    Nemenyi's test as in Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7 (2006):
    ``q sqrt(k (k + 1) / (6 N))``, with ``q`` the studentised range for infinitely many degrees of freedom over
    ``sqrt(2)``, at 5%.

    Args:
        operators: the number of ranked operators, ``k``.
        images: the number of images, ``N``.
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - ALPHA, operators, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(operators * (operators + 1) / (6 * images))


def plot_ranks(summaries: Sequence[Summary]) -> Figure:
    """Plot mean ranks by the first metric, best on top, each with half the critical difference to either side.

    An operator whose bar reaches that of the best, the shaded band, is not distinguishable from it; other points are
    hollow.

    Args:
        summaries: of one setting, several of them with a rank.
    """
    shown = ranked(summaries)
    reach = _critical(shown) / 2
    ranks = [summary.rank or 0.0 for summary in shown]
    with style():
        figure = new_figure(WIDTH, AROUND + LINE * max(len(shown), 3))
        axes = figure.subplots()
        axes.axvspan(ranks[0] - reach, ranks[0] + reach, color="#e3edf5", zorder=0)
        for place, (summary, rank) in enumerate(zip(shown, ranks, strict=True)):
            alike = rank - ranks[0] <= 2 * reach
            axes.plot([rank - reach, rank + reach], [place] * 2, color=MUTED, lw=0.9, zorder=2)
            axes.plot(
                [rank],
                [place],
                marker="D" if summary.is_baseline else "o",
                color=POINT,
                mfc=POINT if alike else "white",
                zorder=3,
            )
        list_axis(axes, [operator_name(s.label, s.state) for s in shown], [s.is_baseline for s in shown])
        axes.set_xlim(min(0.0, ranks[0] - reach) - 0.5, max(len(shown) + 1.0, ranks[-1] + reach) + 0.5)
        # A bar may reach below the first rank, a tick may not.
        axes.set_xticks([1, *(tick for tick in axes.get_xticks() if 1 < tick <= len(shown) and tick == int(tick))])
        first = METRICS[next(iter(shown[0].scores))]
        axes.set_xlabel(
            f"mean rank by {first.title} over {_images_ranked(shown)} images, 1 is best;"
            f" bars: critical difference {2 * reach:.1f} (Nemenyi, {ALPHA:.0%})"
        )
    return figure


def describe_ranks(summaries: Sequence[Summary]) -> str:
    """Describe the best mean rank, the worst, and how many are not distinguishable from the best."""
    shown = ranked(summaries)
    difference = _critical(shown)
    first, last = shown[0].rank or 0.0, shown[-1].rank or 0.0
    alike = sum((summary.rank or 0.0) - first <= difference for summary in shown) - 1
    return (
        f"Mean ranks of {operator_count(shown)} operators over {_images_ranked(shown)} images, best on top:"
        f" best {title_of(shown[0])} {first:.1f}, worst {title_of(shown[-1])} {last:.1f}. {alike} of the others are"
        f" not distinguishable from the best: they are within the critical difference of {difference:.1f}."
    )


def _critical(shown: Sequence[Summary]) -> float:
    return critical_difference(len(shown), _images_ranked(shown))


def _images_ranked(shown: Sequence[Summary]) -> int:
    """Return the number of images behind the ranks by the first metric."""
    return min(next(iter(summary.scores.values())).images for summary in shown)
