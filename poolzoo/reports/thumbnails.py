"""The page's pictures, as thumbnails: of each image the original, and what each operator left of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from markupsafe import Markup

from poolzoo.analysis.rows import Result, label
from poolzoo.analysis.summary import METRICS, summarise
from poolzoo.reports.pictures import DETAIL, DIFFERENCE_SCALE, DIVERGING, PictureBook, Thumbnail
from poolzoo.reports.templates import environment

#: A page stays readable and a browser responsive; the JSON holds the rest.
IMAGES_SHOWN = 24


def explorer_style() -> str:
    """The section's style sheet."""
    stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in DIVERGING)
    style = resources.files(__package__).joinpath("thumbnails.css").read_text(encoding="utf-8")
    return f"{style}.scale {{ background: linear-gradient(90deg, {stops}); }}\n"


def explorer_script() -> str:
    """The section's script: there is none."""
    return ""


def render_explorer(book: PictureBook, results: Sequence[Result]) -> Markup:
    """The section's HTML, without its heading.

    Args:
        book: the pictures.
        results: the comparisons whose scores stand beside them.
    """
    images = []
    for number, result in enumerate((r for r in results if r.kind == "compare"), start=1):
        names = dict.fromkeys(row["image"] for row in result.rows if row["pool"])
        drawn = [name for name in names if book.for_image(name)]
        images += [_image(result, name, f"p{number}-{place}", book) for place, name in enumerate(drawn[:IMAGES_SHOWN])]
    template = environment().get_template("thumbnails.html.j2")
    return Markup(template.render(images=images, scale=DIFFERENCE_SCALE, detail=DETAIL))


@dataclass(frozen=True)
class _Shown:
    """A picture as the template places it."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str
    detail: bool = False


def _image(result: Result, name: str, anchor: str, pictures: PictureBook) -> dict[str, Any]:
    """One image's own scores and its pictures, best operator first."""
    own = Result(result.kind, result.metadata, [row for row in result.rows if row["image"] == name])
    summaries = summarise(own)
    thumbnails = pictures.for_image(name)
    by_operator: dict[tuple[Any, ...], list[Thumbnail]] = {}
    for thumbnail in thumbnails:
        by_operator.setdefault(thumbnail.key[:4], []).append(thumbnail)
    order = {(s.pool, s.params, s.state): place for place, s in reversed(list(enumerate(summaries)))}
    baselines = {(s.pool, s.params, s.state) for s in summaries if s.is_baseline}
    cards = []
    for key, group in sorted(
        by_operator.items(), key=lambda item: order.get(item[0][:3], -1 if not item[0][0] else 999)
    ):
        pool, params, state, seed = key
        operator = label({"pool": pool, "params": params}) if pool else "original"
        notes = [state] * (state not in ("fixed", "")) + [f"seed {seed}"] * (seed is not None)
        title = operator + (f" ({', '.join(notes)})" if notes else "")
        rows = [row for row in own.rows if (row["pool"], row["params"] or "", row["state"], row["seed"]) == key]
        figures = [shown for thumbnail in _in_order(group) for shown in _figures(thumbnail, name, operator, rows)]
        cards.append(
            {
                "title": title,
                "role": "baseline" if key[:3] in baselines else "",
                "scores": []
                if not pool
                else [line for row in rows for line in _scores(row, len(rows) > 1).split(" · ")],
                "figures": figures,
            }
        )
    return {
        "id": anchor,
        "name": name,
        "cards": cards,
        "pictures": len(thumbnails),
    }


def _in_order(group: Iterable[Thumbnail]) -> list[Thumbnail]:
    return sorted(
        group, key=lambda t: (t.upsample or "", ("original", "pooled", "rebuilt", "difference").index(t.kind))
    )


def _figures(thumbnail: Thumbnail, image: str, operator: str, rows: Sequence[dict[str, Any]]) -> list[_Shown]:
    size = f"{thumbnail.width} by {thumbnail.height} pixels"
    by = f", {thumbnail.upsample}" if thumbnail.upsample else ""
    scored = "; ".join(filter(None, (_scores(row) for row in rows if thumbnail.upsample in (None, row["upsample"]))))
    alt, caption = {
        "original": (f"{image}, the original, {size}", f"original, {thumbnail.width} × {thumbnail.height}"),
        "pooled": (f"{image} pooled by {operator} to {size}", f"pooled, {thumbnail.width} × {thumbnail.height}"),
        "rebuilt": (f"{image} rebuilt from what {operator} kept{by}: {scored}", f"rebuilt{by}: {scored}"),
        "difference": (
            f"Where {image} rebuilt from {operator}{by} differs from the original: red is brighter, blue darker",
            f"difference{by}",
        ),
    }[thumbnail.kind]
    width, height = thumbnail.size
    shown = [_Shown(thumbnail.uri, width, height, alt, caption)]
    if thumbnail.detail and thumbnail.detail_uri:
        (width, height), _ = thumbnail.detail
        what = "the original" if thumbnail.kind == "original" else f"{operator}, rebuilt{by}"
        cut = f"Cut-out of {width} by {height} pixels of {image}, {what}, enlarged"
        shown.append(_Shown(thumbnail.detail_uri, width, height, cut, f"cut-out{by}, enlarged", True))
    return shown


def _scores(row: Mapping[str, Any], with_setting: bool = False) -> str:
    if row["error"] is not None:
        return "no numbers"
    parts = [
        f"{metric.title} {row[key]:{metric.format}} {metric.unit}".strip()
        for key, metric in METRICS.items()
        if row.get(key) is not None
    ]
    return (f"{row['upsample']}: " if with_setting else "") + " · ".join(parts).replace("inf", "∞")
