"""The picture explorer of the page: one cut-out of each image, with every operator, down to single pixels.

The page carries the original cut-out, the pooled values of each operator and a few weights, as bytes (see
:mod:`poolzoo.reports.pictures.cutouts`); ``explorer.js`` rebuilds, subtracts, transforms and compares on demand.
Browsers without JavaScript or without DecompressionStream show plain pictures of some operators instead. All text comes
from results: it passes :func:`poolzoo.reports.text.words.visible` and Jinja's autoescaping or :func:`script_json`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.schema import METRICS, UPSAMPLE_NONE, state_title
from poolzoo.analysis.results.summaries import summarise
from poolzoo.reports.page.evidence import script_json
from poolzoo.reports.page.templates import environment, page_file
from poolzoo.reports.pictures.cutouts import (
    CUBIC,
    CUTOUT,
    TAPS,
    Box,
    Floats,
    Part,
    Pixels,
    pack,
    rebuild_part,
    sources,
    weights_spacing,
)
from poolzoo.reports.pictures.picture import DIVERGING, OperatorKey, two_axes
from poolzoo.reports.pictures.picture_book import PictureBook, Rebuilt, Shelf, Thumbnail, thumbnail
from poolzoo.reports.pictures.weights import WEIGHT_COLOURS
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.words import visible

#: The limit of a page's pictures as base64, and the sides of cut-outs, of which the longest that fits is taken.
BUDGET = 6_000_000
SIDES = (CUTOUT, 320, 256, 224, 192, 160, 128, 96, 64)
#: How much smaller than its share of the area a longer cut-out may be, because it compresses better.
ROOM = 1.3
#: Number of operators that are shown without JavaScript, and of metrics shown next to a name.
STILLS, SCORES_SHOWN = 3, 3
#: Longest side of their cut-outs.
STILL_SIDE = 160

#: Dark blue to yellow, as bright as the value is high: matplotlib's cividis (Nunez et al. 2018), made for colour-blind
#: and other readers to see alike.
SEQUENTIAL = (
    (0, 34, 78),
    (33, 61, 109),
    (76, 85, 108),
    (108, 110, 114),
    (142, 137, 120),
    (179, 166, 113),
    (217, 197, 95),
    (254, 232, 56),
)


@dataclass(frozen=True)
class _Still:
    """A picture for the template."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str


@dataclass(frozen=True)
class _Entry:
    """One operator of one image: its name, its rows and ranks by upsampler, and the metrics in the order of
    ``--metric``.
    """

    operator: OperatorKey
    title: str
    baseline: bool
    rows: Mapping[str, Mapping[str, Any]]
    places: Mapping[str, int]
    metrics: Sequence[str]

    def scores(self, upsample: str) -> str:
        """Return the scores that are shown next to the name."""
        row = self.rows[upsample]
        parts = [
            f"{METRICS[key].title} {row[key]:{METRICS[key].format}} {METRICS[key].unit}".strip().replace("inf", "∞")
            for key in self.metrics
            if row.get(key) is not None
        ]
        return " · ".join(parts[:SCORES_SHOWN])


def explorer_script() -> str:
    """Return the script that the page inlines: one function, without globals, which loads nothing."""
    return f"(() => {{\n{page_file('pixels.js')}{page_file('explorer.js')}}})();\n"


def explorer_style() -> str:
    """Return the styles that the page inlines."""
    return page_file("explorer.css")


def render_explorer(book: PictureBook, comparisons: Sequence[RunFacts]) -> Markup:
    """Return the explorer and the plain pictures for browsers without JavaScript; empty if there are no pictures.

    Args:
        book: the pictures.
        comparisons: the runs of these images; an operator's scores are from the first run that has its row.
    """
    shelves = {name: (book.shelf(name), _entries(book.shelf(name), name, comparisons)) for name in book.images}
    shelves = {name: (shelf, entries) for name, (shelf, entries) in shelves.items() if entries}
    if not shelves:
        return Markup("")
    side, images = _fitted(shelves)
    first = max(range(len(images)), key=lambda number: (_difference(*list(shelves.values())[number], side), -number))
    data = {"cubic": CUBIC, "colours": _colours(), "images": images, "first": first}
    compared = {row["image"] for run in comparisons for row in run.result.rows if row["pool"]}
    return Markup(
        environment()
        .get_template("explorer.html.j2")
        .render(
            images=[
                {"name": name, "figures": _figures(name, shelf, entries, side)}
                for name, (shelf, entries) in shelves.items()
            ],
            more=len(compared - set(shelves)),
            low=any(_is_low(entries) for _, entries in shelves.values()),
            unshown=any(_unshown(name, entries, comparisons) for name, (_, entries) in shelves.items()),
            data=script_json(data),
        )
    )


def nice_ceiling(value: float) -> float:
    """Return the smallest of 1, 1.5, 2, 2.5, 3, 4, 5 and 7.5 times a power of ten that is at least ``value``."""
    if not 0 < value < math.inf:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    step = next((step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5) if step * power >= value * (1 - 1e-9)), 10)
    return float(f"{step * power:.3g}")


def _colours() -> dict[str, object]:
    weights = [[round(channel * 255) for channel in colour] for colour in WEIGHT_COLOURS.tolist()]
    return {"diverging": DIVERGING, "sequential": SEQUENTIAL, "weights": weights}


def _entries(shelf: Shelf, name: str, comparisons: Sequence[RunFacts]) -> list[_Entry]:
    """Return an image's operators, best first by the first metric and upsampler of the first run that has them."""
    entries: dict[OperatorKey, _Entry] = {}
    for own in (run.of_image(name) for run in comparisons):
        summaries = summarise(own.result)
        order = {(s.pool, s.params, s.state, s.setting.upsample): place for place, s in enumerate(summaries)}
        baselines = {(s.pool, s.params, s.state) for s in summaries if s.is_baseline}
        found = []
        for operator in (operator for operator in shelf.operators if operator not in entries):
            known = [upsample for other, upsample in shelf.rebuilt if other == operator]
            # A picture need not say how it was rebuilt where there is one way only.
            rows = {
                row["upsample"]: row
                for row in own.result.rows
                if _operator(row) == operator and ("" in known or row["upsample"] in known)
            }
            pool, params, state = operator[:3]
            places = {upsample: order[pool, params, state, upsample] for upsample in rows}
            if rows:
                found.append(_Entry(operator, _title(operator), operator[:3] in baselines, rows, places, own.metrics))
        found.sort(key=lambda entry: next(iter(entry.places.values())))
        entries |= {entry.operator: entry for entry in found}
    return list(entries.values())


def _operator(row: Mapping[str, Any]) -> OperatorKey:
    return (row["pool"], row["params"] or "", row["state"], row["seed"])


def _title(operator: OperatorKey) -> str:
    pool, params, state, seed = operator
    notes = [state_title(state)] * (state not in ("fixed", "")) + [f"seed {seed}"] * (seed is not None)
    return label({"pool": pool, "params": params}) + (f" ({', '.join(notes)})" if notes else "")


def _fitted(shelves: Mapping[str, tuple[Shelf, list[_Entry]]]) -> tuple[int, list[dict[str, object]]]:
    """Return the largest side at which all images fit into the budget, and the images' data."""
    drawn = _drawn(shelves, SIDES[-1])
    # What the pictures take goes with their area, or with less: longer sides than these are not tried.
    most = SIDES[-1] * math.sqrt(ROOM * BUDGET / max(1, drawn[0]))
    for side in (side for side in SIDES[:-1] if side <= most):
        found = _drawn(shelves, side)
        if found[0] <= BUDGET:
            return side, found[1]
    return SIDES[-1], drawn[1]


def _drawn(shelves: Mapping[str, tuple[Shelf, list[_Entry]]], side: int) -> tuple[int, list[dict[str, object]]]:
    """Return the size of all images' pictures in bytes, and the images' data."""
    drawn = [_image(name, shelf, entries, side) for name, (shelf, entries) in shelves.items()]
    return sum(taken for taken, _ in drawn), [image for _, image in drawn]


def _image(name: str, shelf: Shelf, entries: Sequence[_Entry], side: int) -> tuple[int, dict[str, object]]:
    """Return the size of an image's pictures in bytes, and the image's data for the script."""
    box, packer = _cut(shelf, side), _Packer()
    pooled = {operator: part.cut(sources(box, part.size, shelf.size)) for operator, part in shelf.pooled.items()}
    operators = []
    for rank, entry in enumerate(entries):
        part, weights = pooled.get(entry.operator), shelf.weights.get(entry.operator)
        row = next(iter(entry.rows.values()))
        stride = two_axes(row["stride"])
        operators.append(
            {
                "title": visible(entry.title),
                "label": visible(label({"pool": entry.operator[0], "params": entry.operator[1]})),
                "state": state_title(entry.operator[2]),
                "baseline": entry.baseline,
                "equal": row["equal_kept"] is not False,
                "rank": rank,
                "kernel": two_axes(row["kernel_size"]),
                "stride": stride,
                "every": weights_spacing(weights.box, stride) if weights and stride else (1, 1),
                "padding": two_axes(row["padding"], 0),
                "dilation": two_axes(row["dilation"]),
                "clipped": entry.operator in shelf.clipped,
                "pooled": packer.part(part) if part else None,
                "weights": packer.part(weights) if weights and box.holds(weights.box) else None,
                "views": [
                    {
                        "upsample": visible(upsample),
                        "scores": visible(entry.scores(upsample)),
                        "place": entry.places[upsample],
                        "picture": packer.part(rebuilt.part.cut(box)) if rebuilt.part else None,
                    }
                    for upsample, rebuilt in _rebuilt(entry, shelf)
                ],
            }
        )
    contrasts = [rebuilt.contrast for entry in entries for _, rebuilt in _rebuilt(entry, shelf)]
    image: dict[str, object] = {
        "name": visible(name),
        "size": shelf.size,
        "cut": [box.top, box.left, box.height, box.width],
        "original": packer.part(shelf.original.cut(box)),
        "low": _is_low(entries),
        "draws": any(state == "train" for _, _, state, _ in (entry.operator for entry in entries)),
        "operators": operators,
        # Half of the operators stay below it nearly everywhere.
        "scale": nice_ceiling(float(np.median(contrasts))),
    }
    return packer.size, image


def _unshown(name: str, entries: Sequence[_Entry], comparisons: Sequence[RunFacts]) -> bool:
    """Return whether an operator was scored on the image at low resolution, and has no pictures of it."""
    shown = {entry.operator[:3] for entry in entries}
    rows = (row for run in comparisons for row in run.result.rows)
    scored = (row for row in rows if row["image"] == name and row["upsample"] == UPSAMPLE_NONE and row["error"] is None)
    return any(_operator(row)[:3] not in shown for row in scored)


def _is_low(entries: Sequence[_Entry]) -> bool:
    """Return whether nothing is upsampled and the original is downscaled instead."""
    return all(UPSAMPLE_NONE in entry.rows for entry in entries)


def _rebuilt(entry: _Entry, shelf: Shelf) -> Iterator[tuple[str, Rebuilt]]:
    """Yield the upsamplers of an operator whose pictures are known: name and picture."""
    for upsample in entry.rows:
        for name in (upsample, ""):
            if (rebuilt := shelf.rebuilt.get((entry.operator, name))) is not None:
                yield upsample, rebuilt
                break


def _cut(shelf: Shelf, side: int) -> Box:
    """Return the cut-out, at most ``side`` long, around the pixels that have weights."""
    weights = next(iter(shelf.weights.values()), None)
    outer = shelf.original.box
    return outer.around(weights.box if weights else outer, side)


class _Packer:
    """Parts for the script, each compressed against the most similar earlier part, and their total size."""

    def __init__(self) -> None:
        self.size = 0
        self._known: list[Pixels] = []

    def part(self, part: Part) -> dict[str, object]:
        """Return a part of a picture for the script."""
        pixels = part.bytes
        nearest = min(
            (number for number, known in enumerate(self._known) if known.shape == pixels.shape),
            key=lambda number: _apart(pixels, self._known[number]),
            default=None,
        )
        coding, packed = pack(pixels, None if nearest is None else self._known[nearest])
        self._known.append(pixels)
        text = base64.b64encode(packed).decode()
        self.size += len(text)
        return {
            "number": len(self._known) - 1,
            "reference": nearest if coding == "reference" else None,
            "box": [part.box.top, part.box.left, part.box.height, part.box.width],
            "size": part.size,
            "submaps": part.submaps,
            "bounds": [part.low, part.high],
            "coding": coding,
            "data": text,
        }


def _apart(one: Pixels, other: Pixels) -> int:
    """Return the difference between two pictures, by every third pixel of every third line."""
    return int(np.abs(one[::3, ::3].astype(np.int16) - other[::3, ::3]).sum())


def _rebuilt_values(shelf: Shelf, entry: _Entry, box: Box, upsample: str, rebuilt: Rebuilt) -> Floats | None:
    """Return the rebuilt pixels of a box, ``(height, width, 3)``; None if they are not known."""
    if rebuilt.part:
        return rebuilt.part.cut(box).values
    pooled = shelf.pooled.get(entry.operator)
    return rebuild_part(pooled, box, shelf.size, upsample) if pooled and upsample in TAPS else None


def _difference(shelf: Shelf, entries: Sequence[_Entry], side: int) -> float:
    """Return how much the errors of the first two operators that the explorer shows differ, in the cut-out: the mean
    of ``||error A| - |error B||``, which orders the images.
    """
    box = _cut(shelf, side)
    base = next((entry for entry in entries if entry.baseline), entries[min(1, len(entries) - 1)])
    others = [entry for entry in entries if entry is not base]
    equal = [entry for entry in others if all(row["equal_kept"] is not False for row in entry.rows.values())]
    errors = []
    for entry in (*(equal or others)[:1], base):
        upsample, rebuilt = next(_rebuilt(entry, shelf), ("", Rebuilt(None, 0.0)))
        pixels = _rebuilt_values(shelf, entry, box, upsample, rebuilt)
        if pixels is None:
            return 0.0
        errors.append(abs((pixels - shelf.original.cut(box).values).mean(axis=2)))
    return float(round(abs(errors[0] - errors[-1]).mean(), 9))


def _figures(name: str, shelf: Shelf, entries: Sequence[_Entry], side: int) -> list[_Still]:
    """Return the plain pictures: the original, and some operators' pooled and rebuilt cut-outs."""
    box = _cut(shelf, min(side, STILL_SIDE))
    cut = f"cut-out of {box.width} × {box.height} pixels"
    height, width = shelf.size
    whole = f"original{', downscaled' * _is_low(entries)}, {width} × {height}"
    figures = [
        _figure(shelf.thumbnail, f"{name}, the {whole} pixels", whole),
        _figure(shelf.original.cut(box).values, f"A {cut} of {name}, the original", f"{cut} of the original"),
    ]
    unequal = {entry.operator for entry in entries if any(row["equal_kept"] is False for row in entry.rows.values())}
    chosen = sorted(entries, key=lambda entry: (not entry.baseline, entry.operator in unequal))[:STILLS]
    for entry in sorted(chosen, key=entries.index):
        pooled, found = shelf.pooled.get(entry.operator), list(_rebuilt(entry, shelf))[:1]
        if pooled:
            values = pooled.cut(sources(box, pooled.size, shelf.size)).values
            scores = f": {entry.scores(UPSAMPLE_NONE)}" if UPSAMPLE_NONE in entry.rows else ""
            alt = f"The same {cut} of {name}, pooled by {entry.title}{scores}"
            figures.append(_figure(values, alt, f"{entry.title}, pooled{scores}"))
        for upsample, rebuilt in found:
            again = _rebuilt_values(shelf, entry, box, upsample, rebuilt)
            if again is not None:
                how = f"{upsample}: {entry.scores(upsample)}"
                alt = f"The same {cut} of {name}, rebuilt from what {entry.title} kept, {how}"
                figures.append(_figure(again, alt, f"{entry.title}, rebuilt, {how}"))
    return figures


def _figure(shown: Thumbnail | Floats, alt: str, caption: str) -> _Still:
    small = shown if isinstance(shown, Thumbnail) else thumbnail(shown)
    return _Still(small.uri, small.width, small.height, alt, caption)
