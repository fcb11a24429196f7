"""Results as text: a terminal table, Markdown, CSV and JSON.

JSON and CSV hold every row as it was measured. The terminal table and Markdown are aggregated; both, and the tables of
the HTML page, are drawn from the same :class:`Table`, so that they cannot disagree. File and operator names are data:
whatever a name holds, it is shown and never interpreted.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from poolzoo.analysis.results.schema import PROFILE_SETTING, Result, label
from poolzoo.analysis.results.side_by_side import Figure, Versus
from poolzoo.analysis.results.summaries import INTERVAL_IMAGES, METRICS, Setting, Summary, by_setting, summarise
from poolzoo.analysis.results.values import EXACT, NAMED, LeftOut
from poolzoo.analysis.results.verdicts import profiled_state
from poolzoo.analysis.studies.sweep import sweep_of
from poolzoo.reports.text.terminal import printed, text_console

TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
BYTE_UNITS = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))

UPSAMPLERS = {
    "nearest": "nearest neighbour",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "trilinear": "trilinear",
    "optimal": "the optimal linear decoder",
}
NORMALIZED = {
    "none": "no normalisation",
    "imagenet": "imagenet normalisation",
    "inception": "values -1 to 1",
    "255": "values 0 to 255",
}
METRIC_NOTES = {
    "psnr": "PSNR of data range 1",
    "ssim": "SSIM as Wang 2004 (11-tap Gaussian, sigma 1.5)",
    "mse": "MSE on [0, 1]",
    "mae": "MAE on [0, 1]",
    "ms_ssim": "MS-SSIM as Wang 2003, by piq, values clipped to [0, 1]",
    "vif": "VIF as Sheikh 2006 in the pixel domain, by piq, values clipped to [0, 1]",
    "fsim": "FSIM as Zhang 2011 with colour, by piq, values clipped to [0, 1]",
    "gmsd": "GMSD as Xue 2014, by piq, values clipped to [0, 1]; lower is better",
    "mdsi": "MDSI as Nafchi 2016, by piq, values clipped to [0, 1]; lower is better",
    "haarpsi": "HaarPSI as Reisenhofer 2018, by piq, values clipped to [0, 1]",
    "alias": "aliasing: share of the pooled image's energy from frequencies that it cannot represent",
    "spectrum_low": "low band: energy retained below 1/3 of the pooled grid's Nyquist frequency",
    "spectrum_mid": "mid band: energy retained from 1/3 to 2/3 of the pooled grid's Nyquist frequency",
    "spectrum_high": "high band: energy retained from 2/3 of the pooled grid's Nyquist frequency on",
    "shift": "shift consistency: likeness under shifts by less than a stride, 1 at most",
    "grad_reach": "gradient reach: share of the input that receives gradient",
    "effective_weights": "effective weights: elements over which a window's gradient is spread",
    "brightness": "brightness bias: mean pooled less mean of the original",
}
#: The same of features, which have no white.
OWN_RANGE_NOTES = {
    "psnr": "PSNR of each map's own range",
    "mse": "MSE relative to each map's own range",
    "mae": "MAE relative to each map's own range",
    "brightness": "brightness bias: mean pooled less mean of the original, relative to each map's own range",
}
#: What is counted; every other input is an image, or a layer's activations for one.
NOUNS = {"video": "video", "volume": "volume"}

#: Operators that keep another share of the numbers than a plain pool, and learnable ones before any fitting.
UNEQUAL, UNFITTED = "†", "‡"
NOTES = {
    UNEQUAL: "keeps another share of the numbers than a plain pool: not an equal comparison, never marked best",
    UNFITTED: "initial: learnable operator as it starts, not fitted",
}
MISSING = "–"
TOO_FEW = f"too few images for an interval: at least {INTERVAL_IMAGES} are needed"
ERRORS_SHOWN = 40
#: A stream of rows is written in pieces of so many.
ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Column:
    """A heading, and how soon the column goes where a terminal is narrow (0: never, then the highest first)."""

    heading: str
    number: bool = True
    drop: int = 0
    drop_plus: int = 0  # the same for the column's uncertainties alone
    relative: bool = False  # differences or ratios to the baseline
    of: str = ""  # the heading of the column that this one says more of, where its own heading does not name that
    better: str = ""  # high or low, where one of them is


@dataclass(frozen=True)
class Cell:
    """What stands in a table: a text, what it is uncertain by, whether it is the best or the worst of its column.

    ``value`` is what the text shows, in the column's unit; None for words and for what is missing.
    """

    text: str
    plus: str = ""
    best: bool = False
    worst: bool = False
    value: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Line:
    """One operator's cells; ``role`` is baseline, unequal, failed or nothing."""

    cells: tuple[Cell, ...]
    role: str = ""


@dataclass(frozen=True)
class Table:
    """An aggregated table, still without a look."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    @property
    def marked(self) -> bool:
        """Whether any cell is the best of its column."""
        return any(cell.best for line in self.lines for cell in line.cells)


def render(result: Result, fmt: str, *, color: bool = False, width: int | None = None) -> str:
    """The result as text, ending in a newline.

    Args:
        result: a comparison or a profile.
        fmt: ``table``, ``csv``, ``json`` or ``markdown``.
        color: whether ``table`` may use terminal colours.
        width: columns of the terminal; None (a pipe, a file) makes the table as wide as it needs to be.

    Raises:
        ValueError: ``fmt`` is none of these.
    """
    if fmt not in FORMATS:
        raise ValueError(f"fmt: {fmt!r} is not one of {', '.join(FORMATS)}")
    return FORMATS[fmt](result, color, width)


def stream(result: Result, rows: Iterable[dict[str, Any]], fmt: str) -> Iterator[str]:
    """What :func:`render` gives for ``csv`` and ``json``, piece by piece, of more rows than fit into memory.

    Args:
        result: whose metadata it is; its own rows and summaries are left aside.
        rows: all rows.
        fmt: ``csv`` or ``json``.
    """
    bare, rows = replace(result, rows=[], summaries=None), iter(rows)
    blocks = iter(lambda: list(itertools.islice(rows, ROWS_AT_ONCE)), [])
    # Each block is rendered as a result of its own, and what belongs around all rows is taken off.
    if fmt == "csv":
        yield render(bare, fmt)
        for block in blocks:
            yield render(replace(bare, rows=block), fmt).partition("\n")[2]
        return
    before, after = render(bare, fmt).rsplit("[]", 1)
    opening = f"{before}["
    yield opening
    comma = ""
    for block in blocks:
        yield comma + render(replace(bare, rows=block), fmt)[len(opening) : -len(f"\n ]{after}")]
        comma = ","
    yield ("\n ]" if comma else "]") + after


def visible(text: object) -> str:
    r"""``text`` with control, bidirectional and other invisible characters as escapes such as ``\x1b``."""
    return "".join(
        ascii(char)[1:-1] if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char
        for char in str(text)
    )


def dicts(metadata: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """``metadata[key]`` as a list of dicts, whatever a file made of it."""
    value = metadata.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def unit_of(values: Iterable[float], units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """The one unit for a column: the largest in which at least half of ``values`` are 1 or more."""
    sizes = sorted(value for value in values if value > 0 and math.isfinite(value))
    middle = sizes[(len(sizes) - 1) // 2] if sizes else 0.0
    return next((unit for unit in units if middle >= unit[0]), units[-1])


def signed(spec: str) -> Callable[[float], str]:
    """Shows a difference with its sign, unless the digits show none."""
    return _formatter(f"+{spec}")


def tables(result: Result, summaries: Sequence[Summary] | None = None) -> list[Table]:
    """The aggregated tables of a result, one for each setting.

    Args:
        result: a comparison or a profile.
        summaries: of the comparison, where the caller has them already.
    """
    if result.kind == "profile":
        return profile_tables(result)
    return compare_tables(result, summarise(result) if summaries is None else summaries)


def compare_tables(result: Result, summaries: Sequence[Summary]) -> list[Table]:
    """One table for each setting: a line for each operator and state, best first; of a sweep, by rising value."""
    metrics = result.metadata["metrics"]
    baseline = result.metadata.get("baseline")
    if sweep := sweep_of(result):
        # The curve, from the first value to the last, and what it is held against below.
        place = {spec: number for number, spec in enumerate(sweep.specs)}
        summaries = sorted(
            summaries, key=lambda s: (place.get(s.label, len(place)), s.state if s.label in place else "")
        )
    fitted = _fitted_notes(result)
    built = [_compare_table(setting, group, metrics, baseline) for setting, group in by_setting(summaries).items()]
    return [replace(table, notes=(*table.notes, *fitted)) for table in built]


def profile_tables(result: Result) -> list[Table]:
    """One table for each device, dtype, shape and so on: a line for each operator, fastest first."""
    apart = defaultdict(list)
    for row in result.rows:
        apart[tuple(row[key] for key in PROFILE_SETTING)].append(row)
    return [_profile_table(setting, rows, result.metadata) for setting, rows in apart.items()]


def errors(result: Result) -> list[str]:
    """One line for each row that has no numbers; what several say, seeds or scales of the input, stands once."""
    lines: dict[str, int] = {}
    for row in result.rows:
        if row["error"] is not None:
            # A message about a file often names it.
            image = [str(row["image"])] if row.get("image") and str(row["image"]) not in row["error"] else []
            place = " on ".join([label(row)] * bool(row["pool"]) + image)
            line = ": ".join(filter(None, [place, row["error"]]))
            lines[line] = lines.get(line, 0) + 1
    said = [visible(line) + f" ({times} rows)" * (times > 1) for line, times in lines.items()]
    more = sum([*lines.values()][ERRORS_SHOWN:])
    return said[:ERRORS_SHOWN] + ([f"and {more} more, in the JSON and CSV"] if more else [])


def rebuilding(setting: Setting) -> str:
    """How what was pooled is brought to the original's size, or the original to its."""
    if setting.protocol == "lowres":
        return "scored at low resolution, against antialiased bicubic"
    return f"rebuilt by {UPSAMPLERS.get(setting.upsample, setting.upsample)}"


def _compare_table(setting: Setting, group: Sequence[Summary], metrics: Sequence[str], baseline: str | None) -> Table:
    images, seeds = max(summary.images for summary in group), max(summary.seeds for summary in group)
    kept = sorted({round(summary.kept, 4) for summary in group if summary.kept is not None})
    has_baseline = any(summary.is_baseline for summary in group)

    names = [f"{s.label} {UNEQUAL}" if s.images and not s.equal_kept else s.label for s in group]
    built = [_words("operator", names), *_states([summary.state for summary in group])]
    for number, key in enumerate(metrics):
        built += _metric_columns(group, key, baseline if has_baseline else None, first=number == 0)
    if any(summary.rank is not None for summary in group):
        built.append(_numbers(Column("rank", drop=4), [s.rank for s in group], _formatter(".2f"), "low"))
    if len(kept) > 1:
        built.append(_numbers(Column("kept", drop=5), [s.kept for s in group], _formatter(".3g")))
    seconds = [summary.forward_s for summary in group]
    if any(value is not None for value in seconds):
        fair = [summary.equal_kept and summary.images > 0 for summary in group]
        built.append(_scaled(Column("time", drop=2), seconds, TIME_UNITS, fair=fair))
        if len({summary.timed_backend for summary in group}) > 1:
            built.append(_words("backend", [summary.timed_backend or MISSING for summary in group], drop=8))
    if any(summary.ratio is not None for summary in group):
        built.append(_numbers(Column("ratio", drop=3, relative=True), [s.ratio for s in group], _times))

    roles = [
        "failed" if not s.images else "baseline" if s.is_baseline else "" if s.equal_kept else "unequal" for s in group
    ]
    notes = _compare_notes(group, roles, metrics, baseline if not has_baseline else None)
    noun = NOUNS.get(setting.input, "image")
    caption = [
        *([setting.input] if setting.of_features else []),
        f"kernel {setting.kernel_size}, stride {setting.stride}",
        rebuilding(setting),
        NORMALIZED.get(setting.normalize, f"{setting.normalize} normalisation"),
        *([f"{kept[0]:.3g} of the numbers kept"] if len(kept) == 1 else []),
        f"{images} {noun}{'s' * (images != 1)}",
        *([f"{seeds} seed{'s' * (seeds != 1)} in train mode"] if seeds else []),
        *([f"baseline {baseline}"] if has_baseline else []),
        *((METRIC_NOTES | (OWN_RANGE_NOTES if setting.of_features else {}))[key] for key in metrics),
    ]
    return _table("Information retained", visible(" · ".join(caption)), built, roles, notes)


def _metric_columns(
    group: Sequence[Summary], key: str, baseline: str | None, *, first: bool
) -> list[tuple[Column, list[Cell]]]:
    """A metric's mean and median and, where there is a baseline, the difference to it."""
    metric = METRICS[key]
    scores = [summary.scores.get(key) for summary in group]
    heading = f"{metric.title} {metric.unit}".strip()
    fair = _fair(group)
    if max(summary.images for summary in group) > 1:
        plus = [_half(s.interval if s else None, metric.format) for s in scores]
    else:
        plus = [f"±{s.spread:{metric.format}}" if s and s.spread is not None else "" for s in scores]
    columns = [
        _numbers(
            Column(heading, drop_plus=4 if first else 6),
            [s.mean if s else None for s in scores],
            _formatter(metric.format),
            metric.merit,
            fair,
            plus,
        )
    ]
    # Of two numbers the median is the mean.
    if max(summary.images for summary in group) > 2:
        medians = [s.median if s else None for s in scores]
        column = Column("median", drop=6 if first else 8, of=heading)
        columns.append(_numbers(column, medians, _formatter(metric.format), metric.merit, fair))
    if baseline:
        name = visible(baseline)
        # The baseline's difference to itself is no finding.
        others = [None if summary.is_baseline else score for summary, score in zip(group, scores, strict=True)]
        columns.append(
            _numbers(
                Column(
                    f"vs {name}" if len(name) <= 8 else "vs baseline",
                    drop=1 if first else 7,
                    relative=True,
                    of=heading,
                ),
                [s.difference if s else None for s in others],
                _formatter("+" + metric.format),
                plus=[_half(s.difference_interval if s else None, metric.format) for s in others],
            )
        )
    return columns


def _compare_notes(
    group: Sequence[Summary], roles: Sequence[str], metrics: Sequence[str], missing_baseline: str | None
) -> list[str]:
    notes = [f"{UNEQUAL} {NOTES[UNEQUAL]}"] * ("unequal" in roles)
    notes += _unfitted_notes(group)
    most = max(summary.images for summary in group)
    if partial := list(dict.fromkeys(visible(summary.label) for summary in group if 0 < summary.images < most)):
        notes.append(f"never marked best, for lack of images that others have: {', '.join(partial)}")
    notes += left_out_notes(group)
    seeds = max(summary.seeds for summary in group)
    if max(summary.images for summary in group) > 1:
        scores = [score for summary in group for score in summary.scores.values()]
        if any(score.interval for score in scores):
            paired = "; differences to the baseline are paired by image"
            notes.append("± half the bootstrap 95% interval over images" + paired * (missing_baseline is None))
        notes += [TOO_FEW] * any(score.images < INTERVAL_IMAGES for score in scores)
        spreads = [_spread(summary, metrics) for summary in group if summary.state == "train"]
        notes += [f"spread over seeds: {'; '.join(filter(None, spreads))}"] * any(spreads)
    elif seeds > 1:
        notes.append(f"± standard deviation over {seeds} seeds")
    if any(summary.rank is not None for summary in group):
        first = METRICS[metrics[0]].title
        notes.append(f"rank: the place by {first}, 1 the best, averaged over images; equal scores share theirs")
    if tensors := [name for name in dict.fromkeys(s.timed for s in group) if name]:
        profiled = any(summary.profiled for summary in group)
        by = "by poolzoo profile" if profiled else "while scores are of the float64 reference"
        notes.append(visible(f"time: median of a forward pass of {'; '.join(tensors)}, {by}"))
    if missing_baseline:
        notes.append(f"the baseline {visible(missing_baseline)} has no rows here: no differences to it")
    return notes


def _fair(group: Sequence[Summary]) -> list[bool]:
    """Which may be the best: who keeps more numbers keeps more of the picture, who lacks images has another mean."""
    most = max(summary.images for summary in group)
    return [summary.equal_kept and summary.images == most for summary in group]


def _unfitted_notes(group: Sequence[Summary]) -> list[str]:
    unfitted = {summary.pool for summary in group if summary.state == "initial"}
    average = " (an unfitted LIP is exactly average pooling)" * ("lip" in unfitted)
    return [f"{UNFITTED} {NOTES[UNFITTED]}{average}"] * bool(unfitted)


def left_out_notes(group: Sequence[Summary]) -> list[str]:
    """Which images of one setting no mean counts, by metric."""
    found = {
        key: (score.left_out, score.images)
        for summary in group
        for key, score in summary.scores.items()
        if score.left_out
    }
    return [
        f"{left_out_text(left_out, group[0].setting.protocol)}; means and medians are over the other {images}"
        for left_out, images in found.values()
    ]


def left_out_text(left_out: LeftOut, protocol: str, members: str = "operators") -> str:
    """``PSNR: 1 image rebuilt exactly by all: blank.png``; at low resolution nothing is rebuilt."""
    exact = "matched exactly" if protocol == "lowres" else "rebuilt exactly"
    what = exact if left_out.metric in EXACT else "without a value"
    named = [(visible(name), by) for name, by in left_out.named]
    of_all = min(left_out.by_all, NAMED)
    parts = []
    for count, who, names in (
        (left_out.by_all, "by all", [name for name, _ in named[:of_all]]),
        (
            left_out.by_some,
            "by some",
            [f"{name} (by {by} of {left_out.operators} {members})" for name, by in named[of_all:]],
        ),
    ):
        if count:
            more = f" and {count - len(names)} more" * (count > len(names))
            parts.append(f"{count} image{'s' * (count != 1)} {what} {who}: {', '.join(names)}{more}")
    return f"{METRICS[left_out.metric].title}: {'; '.join(parts)}"


def _fitted_notes(result: Result) -> list[str]:
    """From which images fitted operators learned, those of the same together, and who kept what it started with."""
    learned: dict[str, list[str]] = {}
    for row in result.rows:
        if (words := row.get("pool_fitted_on")) and label(row) not in learned.setdefault(words, []):
            learned[words].append(label(row))
    names = len({tuple(labels) for labels in learned.values()}) > 1
    same = {fit.get("spec") for fit in dicts(result.metadata, "fits") if fit.get("best_step") == 0}
    shown = {label(row): None for row in result.rows if row["state"] == "fitted" and row["error"] is None}
    kept = [name for name in shown if name in same]
    return [
        visible(f"fitted{' ' + ', '.join(labels) if names else ''}: learned from {words}")
        for words, labels in learned.items()
    ] + [visible(f"as they started, for nothing learned was better by enough to count: {', '.join(kept)}")] * bool(kept)


def _profile_table(setting: tuple[Any, ...], rows: Sequence[dict[str, Any]], metadata: dict[str, Any]) -> Table:
    rows = sorted(rows, key=lambda row: (row["forward_s"] is None, row["forward_s"] or 0.0, label(row)))
    values = {key: [row.get(key) for row in rows] for key in rows[0]}
    named = dict(zip(PROFILE_SETTING, setting, strict=True))

    built = [_words("operator", [label(row) for row in rows]), *_states(values["state"])]
    if len(set(values["backend"])) > 1:
        built.append(_words("backend", values["backend"], drop=7))
    built += [
        _scaled(Column("forward"), values["forward_s"], TIME_UNITS, plus=values["forward_iqr_s"]),
        _numbers(Column("ratio", drop=1, relative=True), values["ratio"], _times),
        _scaled(Column("backward", drop=4), values["backward_s"], TIME_UNITS, plus=values["backward_iqr_s"]),
        _scaled(Column("fwd+bwd", drop=2), values["forward_backward_s"], TIME_UNITS),
        _numbers(Column("GB/s", drop=5), values["gbps"], _significant(values["gbps"]), "high"),
        _numbers(Column("of copy", drop=6), values["copy_fraction"], _formatter(".0%")),
        _scaled(Column("saved", drop=3), values["saved_bytes"], BYTE_UNITS),
        _scaled(Column("peak", drop=3), values["peak_bytes"], BYTE_UNITS),
    ]
    # A column that nothing was measured for says nothing (no backward pass, no baseline).
    built = [(column, cells) for column, cells in built if any(cell.text != MISSING for cell in cells)]

    roles = [
        "failed" if row["error"] is not None else "baseline" if label(row) == metadata.get("baseline") else ""
        for row in rows
    ]
    caption = [
        f"{named['shape']} {named['dtype']} on {named['device']}",
        f"{named['threads']} thread{'s' * (named['threads'] != 1)}",
        str(named["layout"]),
        f"kernel {named['kernel_size']}, stride {named['stride']}",
        *([f"baseline {metadata['baseline']}"] if "baseline" in roles else []),
        *([f"copy bandwidth {metadata['copy_gbps']:.1f} GB/s"] if metadata.get("copy_gbps") else []),
    ]
    notes = [f"{UNFITTED} {NOTES[UNFITTED]}"] * ("initial" in values["state"])
    headings = {column.heading.partition(" ")[0] for column, _ in built}
    said = [
        "median ± interquartile range",
        *["saved: kept by autograd for the backward pass"] * ("saved" in headings),
        *["peak: of a forward pass"] * ("peak" in headings),
    ]
    notes.append("; ".join(said))
    return _table("Cost", visible(" · ".join(caption)), built, roles, notes)


def joined_table(summaries: Sequence[Summary], profile: Result) -> Table | None:
    """Retention against cost: operators of one setting beside what a profile measured of them at the same window.

    Args:
        summaries: of one setting, best first.
        profile: whose first tensor with that window is taken.

    Returns:
        None where the two have no operator in common. What only one of them has is named in the notes.
    """
    setting = summaries[0].setting
    window = (setting.kernel_size, setting.stride)
    rows = [r for r in profile.rows if r["forward_s"] and (str(r["kernel_size"]), str(r["stride"])) == window]
    tensor = tuple(rows[0][key] for key in PROFILE_SETTING) if rows else ()
    costs = {(label(r), r["state"]): r for r in rows if tuple(r[key] for key in PROFILE_SETTING) == tensor}
    group = [s for s in summaries if s.scores and (s.label, profiled_state(s)) in costs]
    if not group:
        return None
    found = [costs[summary.label, profiled_state(summary)] for summary in group]
    fair = _fair(group)
    built = [
        _words("operator", [s.label if s.equal_kept else f"{s.label} {UNEQUAL}" for s in group]),
        *_states([s.state for s in group]),
    ]
    for key in dict.fromkeys(key for summary in group for key in summary.scores):
        metric = METRICS[key]
        scores = [summary.scores.get(key) for summary in group]
        plus = [_half(score.interval if score else None, metric.format) for score in scores]
        heading = Column(f"{metric.title} {metric.unit}".strip())
        means = [score.mean if score else None for score in scores]
        built.append(_numbers(heading, means, _formatter(metric.format), metric.merit, fair, plus))
    iqr = [row["forward_iqr_s"] for row in found]
    built.append(_scaled(Column("forward"), [row["forward_s"] for row in found], TIME_UNITS, iqr, fair))
    for title, measure, units in (
        ("fwd+bwd", "forward_backward_s", TIME_UNITS),
        ("saved", "saved_bytes", BYTE_UNITS),
        ("peak", "peak_bytes", BYTE_UNITS),
    ):
        if any(row[measure] is not None for row in found):
            built.append(_scaled(Column(title), [row[measure] for row in found], units, fair=fair))
    roles = ["baseline" if s.is_baseline else "" if s.equal_kept else "unequal" for s in group]
    named = dict(zip(PROFILE_SETTING, tensor, strict=True))
    caption = f"times and memory of {named['shape']} {named['dtype']} on {named['device']}"
    scored = list(dict.fromkeys(summary.label for summary in summaries if summary.scores))
    profiled = list(dict.fromkeys(name for name, _ in costs))
    notes = [f"{UNEQUAL} {NOTES[UNEQUAL]}"] * ("unequal" in roles)
    notes += left_out_notes(group)
    notes += _unfitted_notes(group)
    for who, missing in (
        ("only in the comparison", [name for name in scored if name not in profiled]),
        ("only in the profile", [name for name in profiled if name not in scored]),
    ):
        notes += [f"{who}: {', '.join(map(visible, missing))}"] * bool(missing)
    return _table("Retention against cost", visible(caption), built, roles, notes)


#: How the figures of a profile are headed where runs stand side by side, and their units.
_PROFILE_HEADS = {
    "forward_s": ("forward", TIME_UNITS),
    "forward_backward_s": ("fwd+bwd", TIME_UNITS),
    "saved_bytes": ("saved", BYTE_UNITS),
    "peak_bytes": ("peak", BYTE_UNITS),
}


def versus_tables(versus: Versus, letters: Sequence[str], baselines: Sequence[str | None]) -> list[Table]:
    """Runs side by side, one table for each setting: each measure in every run, and its change to the first.

    Args:
        versus: the runs, matched.
        letters: what stands for each run in a heading.
        baselines: of each run; the first one's line is marked.
    """
    apart = defaultdict(list)
    for (setting, name, state), figures in versus.matched:
        apart[setting].append((name, state, figures))
    drawn = []
    best_low = bool(versus.measures) and not (
        versus.measures[0] in METRICS and METRICS[versus.measures[0]].higher_is_better
    )
    for setting, lines in apart.items():
        lines.sort(key=lambda line: _first_value(line[2], best_low))
        built = [_words("operator", [name for name, *_ in lines]), *_states([state for _, state, _ in lines])]
        for place, measure in enumerate(versus.measures):
            built += _versus_columns(measure, [figures[place] for *_, figures in lines], letters)
        roles = ["baseline" if name == baselines[0] else "" for name, *_ in lines]
        caption = [f"{name} {value}" for name, value in zip(versus.setting, setting, strict=True)]
        protocol = dict(zip(versus.setting, setting, strict=True)).get("protocol", "")
        if versus.images is not None:
            caption.append(f"{versus.images} image{'s' * (versus.images != 1)} in common")
        built = [(column, cells) for column, cells in built if any(cell.text != MISSING for cell in cells)]
        if not any(column.number for column, _ in built):
            continue
        notes = [
            left_out_text(left_out, protocol, "operators in these runs")
            for left_out in versus.left_out.get(setting, ())
        ]
        if any(interval for *_, figures in lines for figure in figures for interval in figure.intervals):
            notes.append("± half the bootstrap 95% interval of the paired change, image by image")
        elif versus.images is not None:
            notes.append(TOO_FEW)
        if versus.sampled:
            notes.append("of a dataset run, a page or a file holds the rows of a few images, the store those of all")
        drawn.append(_table("Runs side by side", visible(" · ".join(caption)), built, roles, notes))
    return drawn


def _first_value(figures: Sequence[Figure], best_low: bool) -> tuple[bool, float]:
    """What sorts the best by the first measure in the first run first, and what is missing there last."""
    value = figures[0].values[0] if figures else None
    return value is None, 0.0 if value is None else round(value if best_low else -value, 10)


def _versus_columns(measure: str, figures: Sequence[Figure], letters: Sequence[str]) -> list[tuple[Column, list[Cell]]]:
    columns = []
    if measure in METRICS:
        metric = METRICS[measure]
        size, unit, heading, show = 1.0, metric.unit, metric.title, _formatter(metric.format)
        change, as_text = _formatter("+" + metric.format), metric.format
    else:
        heading, units = _PROFILE_HEADS[measure]
        known = [value for figure in figures for value in figure.values if value is not None]
        size, unit = unit_of(known, units)
        show, change, as_text = _significant([value / size for value in known]), _times, ".2f"
    for run, letter in enumerate(letters):
        values = [figure.values[run] for figure in figures]
        whole = f"{heading} {unit}".strip()
        columns.append(_numbers(Column(f"{whole} {letter}"), [None if v is None else v / size for v in values], show))
        if run:
            title = f"{letter} − {letters[0]}" if measure in METRICS else f"{letter} / {letters[0]}"
            plus = [_half(figure.intervals[run - 1], as_text) for figure in figures]
            changes = [figure.changes[run - 1] for figure in figures]
            columns.append(_numbers(Column(title, relative=True, of=whole), changes, change, plus=plus))
    return columns


def _table(
    title: str, caption: str, built: Sequence[tuple[Column, list[Cell]]], roles: Sequence[str], notes: Sequence[str]
) -> Table:
    lines = [
        Line(cells, role) for cells, role in zip(zip(*(cells for _, cells in built), strict=True), roles, strict=True)
    ]
    return Table(title, caption, tuple(column for column, _ in built), tuple(lines), tuple(notes))


def _words(heading: str, values: Sequence[object], drop: int = 0) -> tuple[Column, list[Cell]]:
    return Column(heading, False, drop), [Cell(visible(value or "")) for value in values]


def _states(states: Sequence[Any]) -> list[tuple[Column, list[Cell]]]:
    """A column of states, unless no operator has anything to learn or to draw."""
    if set(states) <= {"fixed", None}:
        return []
    return [_words("state", [f"initial {UNFITTED}" if state == "initial" else state for state in states])]


def _numbers(
    column: Column,
    values: Sequence[float | None],
    show: Callable[[float], str],
    better: str | Callable[[float], float] | None = None,
    fair: Sequence[bool] | None = None,
    plus: Sequence[str] | None = None,
) -> tuple[Column, list[Cell]]:
    """A column of numbers, the best marked; what reads the same as the best is as good.

    Args:
        column: its heading.
        values: one a line, None where there is none.
        show: a number as text.
        better: ``high``, ``low``, what gives a better value more, or None for a column without a best.
        fair: which lines may be the best; all of them where None is.
        plus: what each value is uncertain by.
    """
    texts = [MISSING if value is None else show(value) for value in values]
    best, worst, direction = None, None, ""
    if better:
        usable = [v is not None and not math.isnan(v) for v in values]
        fair = [a and b for a, b in zip(usable, fair or usable, strict=True)]
        merit = _BETTER[better] if isinstance(better, str) else better
        running = [(merit(v), text) for v, text, ok in zip(values, texts, fair, strict=True) if ok and v is not None]
        if len(running) > 1:
            best, worst = max(running)[1], min(running)[1]
        direction = "high" if merit(1.0) > merit(0.0) else "low"
    else:
        fair = [False] * len(texts)
    return replace(column, better=direction), [
        Cell(text, extra, ok and text == best, ok and text == worst != best, value)
        for text, extra, ok, value in zip(texts, plus or [""] * len(texts), fair, values, strict=True)
    ]


_BETTER: dict[str, Callable[[float], float]] = {"high": lambda value: value, "low": lambda value: -value}


def _scaled(
    column: Column,
    values: Sequence[float | None],
    units: Sequence[tuple[float, str]],
    plus: Sequence[float | None] | None = None,
    fair: Sequence[bool] | None = None,
) -> tuple[Column, list[Cell]]:
    """A column of times or sizes, less is better, in one unit, which its heading names."""
    known = [value for value in values if value is not None]
    size, unit = unit_of(known, units)
    show = _significant([value / size for value in known])
    extra = None if plus is None else ["" if value is None else f"±{show(value / size)}" for value in plus]
    scaled = [None if value is None else value / size for value in values]
    return _numbers(replace(column, heading=f"{column.heading} {unit}"), scaled, show, "low", fair, extra)


def _significant(values: Iterable[float | None]) -> Callable[[float], str]:
    """One number of decimals for a column: its smallest value still shows two digits, within three decimals."""
    smallest = min((value for value in values if value and value > 0), default=1.0)
    decimals = min(3, max(0, 1 - math.floor(math.log10(smallest))))
    return _formatter(f".{decimals}f")


def _formatter(spec: str) -> Callable[[float], str]:
    def show(value: float) -> str:
        text = format(value, spec).replace("inf", "∞")
        # -0.00 would claim a direction that the digits do not show.
        return text.lstrip("+-") if not text.strip("+-0.") else text

    return show


def _times(value: float) -> str:
    return f"{value:.2f}x"


def _half(interval: tuple[float, float] | None, spec: str) -> str:
    return f"±{(interval[1] - interval[0]) / 2:{spec}}" if interval else ""


def _spread(summary: Summary, metrics: Sequence[str]) -> str:
    parts = [
        f"{score.spread:{METRICS[key].format}} {METRICS[key].unit or METRICS[key].title}"
        for key in metrics
        if (score := summary.scores.get(key)) and score.spread is not None
    ]
    return f"{visible(summary.label)} {', '.join(parts)}" if parts else ""


def _render_csv(result: Result, color: bool, width: int | None) -> str:
    """Every row as measured: ``inf`` for infinity, empty for null, names untouched but for CSV's own quoting."""
    stream = io.StringIO()
    # The csv module quotes what its own line end holds; a lone carriage return in a name would end a line elsewhere.
    returns = any("\r" in value for row in result.rows for value in row.values() if isinstance(value, str))
    writer = csv.DictWriter(
        stream,
        result.columns,
        extrasaction="ignore",
        lineterminator="\n",
        quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL,
    )
    writer.writeheader()
    writer.writerows(result.rows)
    return stream.getvalue()


def _render_json(result: Result, color: bool, width: int | None) -> str:
    return result.to_json()


def _render_markdown(result: Result, color: bool, width: int | None) -> str:
    parts = []
    for table in tables(result):
        rule = ["---:" if column.number else ":---" for column in table.columns]
        grid = [[_markdown(column.heading) for column in table.columns], rule]
        for line in table.lines:
            texts = [_markdown(f"{cell.text} {cell.plus}".strip()) for cell in line.cells]
            grid.append([f"**{text}**" if cell.best else text for text, cell in zip(texts, line.cells, strict=True)])
        body = "\n".join(f"| {' | '.join(cells)} |" for cells in grid)
        parts.append(f"**{table.title}.** {_markdown(table.caption)}\n\n{body}\n")
        if table.notes:
            parts.append("".join(f"- {_markdown(note)}\n" for note in table.notes))
    if failed := errors(result):
        parts.append("Errors:\n\n" + "".join(f"- {_markdown(line)}\n" for line in failed))
    return "\n".join(parts) or "No rows.\n"


def _markdown(text: str) -> str:
    """``text`` so that no Markdown reader sees markup, a cell's end or HTML in it."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*|\[\]~$#])", r"\\\1", text)
    # Inside a word an underscore is only itself, and softpool_detached stays readable in the source.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def _render_table(result: Result, color: bool, width: int | None) -> str:
    from rich.text import Text

    mark = "★" if color else "*"
    drawn = [_draw(table, mark, width) for table in tables(result)]
    needed = max((total for _, _, total in drawn), default=79)
    # Numbers are never cut: where even the needed columns do not fit, the terminal wraps whole lines itself.
    total = max(needed, width or 79)
    prose = min(total, width or max(needed, 79), 120)
    console = text_console(total, color)
    for number, (table, drawing, _) in enumerate(drawn):
        if number:
            console.print()
        console.print(Text.assemble((table.title, "bold"), "  ", (table.caption, "dim")), width=prose)
        console.print()
        console.print(drawing)
        for note in table.notes:
            console.print(Text(note, style="dim"), width=prose)
    if failed := errors(result):
        console.print(Text("errors" if not drawn else "\nerrors", style="bold red"))
        for line in failed:
            console.print(Text(f"  {line}"), soft_wrap=True)
    if not drawn:
        console.print("no rows")
    return printed(console)


def _draw(table: Table, mark: str, width: int | None) -> tuple[Table, Any, int]:
    """The table as Rich draws it, without what ``width`` has no room for, and how wide it is."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table as Grid
    from rich.text import Text

    shortest_name, gap = 12, 2
    texts = {index: _texts(table, index, mark, bare=False) for index in range(len(table.columns))}
    widths = {index: max(map(cell_len, cells)) for index, cells in texts.items()}

    def total(name: int) -> int:
        return name + sum(widths[index] + gap for index in texts if index)

    # What goes first: whole columns and uncertainties, in the order that the table gave them.
    parts = [(column.drop, index, False) for index, column in enumerate(table.columns)]
    parts += [(column.drop_plus, index, True) for index, column in enumerate(table.columns)]
    left_out = []
    for drop, index, bare in sorted(parts, reverse=True):
        if width is None or not drop or total(min(widths[0], 2 * shortest_name)) <= width:
            break
        left_out.append("± of " * bare + table.columns[index].heading)
        if bare:
            texts[index] = _texts(table, index, mark, bare=True)
            widths[index] = max(map(cell_len, texts[index]))
        else:
            del texts[index]
    name = widths[0] if width is None else max(shortest_name, min(widths[0], width - total(0)))
    if left_out:
        table = replace(table, notes=(*table.notes, f"no room at this width for: {', '.join(reversed(left_out))}"))
    if table.marked:
        table = replace(table, notes=(f"{mark} best of its column", *table.notes))

    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for index, (heading, *_) in texts.items():
        grid.add_column(Text(heading), no_wrap=index > 0, overflow="fold", width=widths[index] if index else name)
    styles = {"baseline": "cyan", "failed": "red", "unequal": "dim"}
    for number, line in enumerate(table.lines, start=1):
        cells = [Text(texts[index][number], style="bold green" if line.cells[index].best else "") for index in texts]
        grid.add_row(*cells, style=styles.get(line.role))
    return table, grid, total(name)


def _texts(table: Table, index: int, mark: str, *, bare: bool) -> list[str]:
    """A column's heading and cells as equally wide texts, without uncertainties where ``bare``."""
    from rich.cells import cell_len

    column, cells = table.columns[index], [line.cells[index] for line in table.lines]
    if not column.number:
        return [column.heading, *(cell.text for cell in cells)]
    # Numbers stand under each other because every part of a cell has one width: text, mark, uncertainty. Rich would
    # strip the trailing blanks of right-justified text and with them the alignment.
    text, marked = max(cell_len(cell.text) for cell in cells), any(cell.best for cell in cells)
    plus = 0 if bare else max(len(cell.plus) for cell in cells)
    body = [
        cell.text.rjust(text) + (mark if cell.best else " " * marked) + cell.plus[:plus].rjust(plus + bool(plus))
        for cell in cells
    ]
    heading = column.heading + " " * (marked and not plus)
    wide = max(len(body[0]), len(heading))
    return [heading.rjust(wide), *(cell.rjust(wide) for cell in body)]


FORMATS = {"table": _render_table, "csv": _render_csv, "json": _render_json, "markdown": _render_markdown}
