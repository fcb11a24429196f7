"""One HTML page from results: the answer first, then all that it rests on, with nothing to fetch.

The page holds its styles, plots and pictures and has no script; a Content-Security-Policy forbids the rest. Whatever
comes from a result is text: it passes :func:`poolzoo.reports.tables.visible` and Jinja's autoescaping, and metadata may
be missing. Equal results give equal bytes.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from markupsafe import Markup

from poolzoo.analysis.rows import Result, label
from poolzoo.analysis.summary import METRICS, Setting, Summary, by_setting, summarise
from poolzoo.reports import plots
from poolzoo.reports.drawings import Drawing, compare_drawings, profile_drawings, scaling_drawings
from poolzoo.reports.pictures import DETAIL, DIFFERENCE_SCALE, DIVERGING, PictureBook, Thumbnail
from poolzoo.reports.tables import (
    METRIC_NOTES,
    NORMALIZED,
    OWN_RANGE_NOTES,
    PROFILE_SETTING,
    TIME_UNITS,
    UPSAMPLERS,
    compare_tables,
    errors,
    profile_tables,
    rebuilding,
    unit_of,
    visible,
)

#: How an input is read, by the rows' ``input``.
_READ = {
    "image": "An image is read as a viewer would show it, as RGB in [0, 1]",
    "video": "A video is read as a viewer would show it, as RGB in [0, 1], and pooled over time, height and width",
    "volume": "A volume is read as grey values, the smallest as 0 and the largest as 1, and pooled over three axes",
}
#: A page stays readable and a browser responsive; the JSON holds the rest.
IMAGES_SHOWN, SIZES_SHOWN, ROWS_SHOWN = 24, 12, 2000
NAMES_SHOWN = 4


def render_page(results: Sequence[Result], pictures: PictureBook | None = None) -> str:
    """The page as HTML.

    Args:
        results: comparisons and profiles, each of which gets its sections.
        pictures: of the comparisons' images.

    Raises:
        ValueError: there are no results.
    """
    import jinja2

    if not results:
        raise ValueError("results: a page needs at least one result")
    profiles = [result for result in results if result.kind == "profile"]
    views = []
    for number, result in enumerate(results, start=1):
        same = [other.kind for other in results].count(result.kind)
        place = [other.kind for other in results[:number]].count(result.kind)
        number_text = f" {place}" if same > 1 else ""
        if result.kind == "compare":
            views.append(_compare_view(result, f"r{number}", number_text, profiles, pictures))
        else:
            drawings = profile_drawings(result) + (scaling_drawings(profiles) if result is profiles[-1] else [])
            views.append(_profile_view(result, f"r{number}", number_text, drawings))
    source = resources.files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    protocol = [steps for view in views for steps in view["protocol"]]
    warnings = [warning for view in views for warning in view["warnings"]]
    operators = _operators(results)
    return environment.from_string(source).render(
        title=_title(views),
        answer=[sentence for view in views for sentence in view["answer"]] or ["No operator gave a number."],
        contents=_contents(views, bool(protocol), bool(warnings), bool(operators)),
        results=views,
        protocol=protocol,
        warnings=warnings,
        operators=operators,
        has_pictures=pictures is not None and bool(pictures.images),
        scale=DIFFERENCE_SCALE,
        scale_stops=Markup(",".join(f"rgb({r},{g},{b})" for r, g, b in DIVERGING)),
        detail=DETAIL,
    )


@dataclass(frozen=True)
class _Shown:
    """A picture as the template places it."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str
    detail: bool = False


def _title(views: Sequence[Mapping[str, Any]]) -> str:
    compared = [view for view in views if view["kind"] == "compare"]
    count = len({name for view in (compared or views) for name in view["operators"]})
    if not compared:
        return f"What {count} pooling operators cost"
    names = list(dict.fromkeys(name for view in compared for name in view["image_names"]))
    return (
        f"{count} pooling operators on {_and(names, most=2, noun='images')}" if names else f"{count} pooling operators"
    )


def _contents(
    views: Sequence[Mapping[str, Any]], protocol: bool, warnings: bool, operators: bool
) -> list[dict[str, str]]:
    entries = [("asked", "What was asked")]
    entries += [("protocol", "The protocol")] * protocol + [("warnings", "Read this with the numbers")] * warnings
    for view in views:
        if view["kind"] == "compare":
            entries += [(f"{view['id']}-table", view["heading"]("Information retained"))]
            entries += [(f"{view['id']}-plots", view["heading"]("Plots"))]
            entries += [(f"{view['id']}-images", view["heading"]("Image by image"))] * bool(view["images"])
            entries += [(image["id"], view["heading"](image["name"])) for image in view["images"]]
    entries += [("operators", "The operators")] * operators
    entries += [(f"{v['id']}-cost", v["heading"]("Cost")) for v in views if v["kind"] == "profile"]
    entries += [("machine", "The machine and the command"), ("rows", "The rows")]
    return [{"id": anchor, "title": title} for anchor, title in entries]


def _view(result: Result, anchor: str, number: str, title: str) -> dict[str, Any]:
    """What the sections of both kinds need."""
    metadata = result.metadata
    machine = metadata.get("machine")
    command = metadata.get("command")
    facts = [("measured", metadata.get("created")), ("poolzoo", metadata.get("poolzoo"))]
    facts += [(key, metadata.get(key)) for key in ("device", "dtype", "seed")]
    facts += list(machine.items()) if isinstance(machine, dict) else []
    return {
        "kind": result.kind,
        "id": anchor,
        "title": f"{title}{number}",
        "heading": lambda text: f"{text} ({title.lower()}{number})" if number else text,
        "operators": _unique(label(row) for row in result.rows if row["pool"]),
        "baseline": metadata.get("baseline"),
        "command": shlex.join(map(str, command)) if isinstance(command, list) else command,
        "facts": [(key, value) for key, value in facts if value is not None],
        "columns": result.columns,
        "rows": [[_raw(row.get(key)) for key in result.columns] for row in result.rows[:ROWS_SHOWN]],
        "row_count": len(result.rows),
        "more_rows": max(0, len(result.rows) - ROWS_SHOWN),
        "protocol": [],
    }


def _compare_view(
    result: Result, anchor: str, number: str, profiles: Sequence[Result], pictures: PictureBook | None
) -> dict[str, Any]:
    view = _view(result, anchor, number, "Comparison")
    metadata = result.metadata
    summaries = summarise(result)
    settings = by_setting(summaries)
    parts, answer, protocol = [], [], []
    drawings = compare_drawings(result, profiles, summaries)
    for place, ((setting, group), table) in enumerate(
        zip(settings.items(), compare_tables(result, summaries), strict=True), start=1
    ):
        seconds, _ = _timing(profiles, setting, group)
        title = _setting_title(setting)
        names = ", ".join([view["title"]] * bool(number) + [title] * (len(settings) > 1))
        part_id = f"{anchor}-{place}"
        parts.append(
            {
                "id": part_id,
                "title": title,
                "table": table,
                "plots": _plots(drawings[setting], part_id),
            }
        )
        answer += [
            Markup("{}{}").format(f"{visible(names)}: " if names else "", text) for text in _answer(group, seconds)
        ]
        protocol.append({"title": names, "steps": _protocol(setting, metadata)})
    # An image that could not be read has a row of no operator and a line among the warnings, nothing else.
    image_names = _unique(row["image"] for row in result.rows if row["pool"])
    # Of a dataset the rows are a sample.
    dataset = metadata.get("dataset")
    count = dataset["images"] - dataset["unreadable"] if dataset else len(image_names)
    # Those with pictures first: they are what a reader opens the page for.
    drawn = set(pictures.images) if pictures else set()
    chosen = sorted(image_names, key=lambda name: name not in drawn)[:IMAGES_SHOWN]
    sizes = _dicts(metadata, "images")
    return view | {
        "parts": parts,
        "answer": answer,
        "protocol": protocol,
        "warnings": _warnings(result, summaries),
        "metrics": _and([METRICS[key].title for key in metadata["metrics"]]),
        "counts": f"{count} image{'s' * (count != 1)}",
        "image_names": image_names,
        "sizes": [{"name": size.get("name", "?"), "text": _size(size)} for size in sizes[:SIZES_SHOWN]],
        "more_sizes": max(0, len(sizes) - SIZES_SHOWN),
        "images": [_image(result, name, f"{anchor}-i{place}", pictures) for place, name in enumerate(chosen, start=1)],
        "more_images": count - len(chosen),
    }


def _profile_view(result: Result, anchor: str, number: str, drawings: Sequence[Drawing]) -> dict[str, Any]:
    view = _view(result, anchor, number, "Profile")
    tables = profile_tables(result)
    answer, failed = [], errors(result)
    apart: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in result.rows:
        if row["forward_s"]:
            apart.setdefault(tuple(row[key] for key in PROFILE_SETTING), []).append(row)
    for setting, rows in apart.items():
        named = dict(zip(PROFILE_SETTING, setting, strict=True))
        best = min(rows, key=lambda row: (row["forward_s"], label(row)))
        ratio = (
            f", {best['ratio']:.2f} times {view['baseline']}"
            if best["ratio"] and view["baseline"] != label(best)
            else ""
        )
        where = f"{named['shape']} {named['dtype']} on {named['device']}"
        answer.append(
            Markup("Fastest of {} on {}: {} at {}{}.").format(
                len(rows), visible(where), _strong(label(best)), _seconds(best["forward_s"]), visible(ratio)
            )
        )
    return view | {
        "parts": [{"id": f"{anchor}-{place}", "table": table} for place, table in enumerate(tables, start=1)],
        "plots": _plots(drawings, anchor),
        "answer": answer,
        "warnings": [f"{len(failed)} of {len(result.rows)} measurements failed: {'; '.join(failed[:5])}"]
        * bool(failed),
        "images": [],
    }


def _answer(group: Sequence[Summary], seconds: Mapping[tuple[str, str], float] | None) -> list[Markup]:
    """What the numbers say, in sentences: best by each metric, fastest, and who is on the Pareto front."""
    fair = [summary for summary in group if summary.scores and summary.equal_kept]
    sentences = []
    for key in dict.fromkeys(key for summary in fair for key in summary.scores):
        metric = METRICS[key]
        scored = [s for s in fair if key in s.scores and not math.isnan(s.scores[key].mean)]
        if not scored:
            continue
        value = max((s.scores[key].mean for s in scored), key=metric.merit)
        text = format(value, metric.format)
        best = [s for s in scored if format(s.scores[key].mean, metric.format) == text]
        shown = f"{text} {metric.unit}".strip().replace("inf", "infinite")
        baseline = next((s for s in scored if s.is_baseline), None)
        if baseline in best and baseline is not None:
            others = [s for s in best if s is not baseline]
            tied = Markup(", shared with {}").format(_names(others)) if others else ""
            sentences.append(
                Markup("By {} no operator retains more than {} ({}{}).").format(
                    metric.title, _strong(baseline.label), shown, tied
                )
            )
            continue
        margin = _margin(best[0], key, baseline) if baseline else ""
        verb = "retains most" if len(best) == 1 else "retain most"
        sentences.append(Markup("By {} {} {}: {}{}.").format(metric.title, _names(best), verb, shown, margin))
    if not fair:
        return []
    first = next(iter(fair[0].scores))
    points = plots.tradeoff_points(fair, first, seconds)
    if len(points) > 1:
        fastest = min(points, key=lambda point: (point[1], point[0].label))
        base = next((time for summary, time, _ in points if summary.is_baseline), None)
        ratio = f", {fastest[1] / base:.2f} times the baseline's" if base and not fastest[0].is_baseline else ""
        front = plots.pareto_front([(time, METRICS[first].merit(value)) for _, time, value in points])
        sentences.append(
            Markup("Fastest is {} at {}{}. Nothing is both faster and closer to the original than {}.").format(
                _strong(_title_of(fastest[0])),
                _seconds(fastest[1]),
                ratio,
                _names([points[index][0] for index in front], most=len(front)),
            )
        )
    # One paragraph: what to take, then what it costs.
    return [Markup(" ").join(sentences)] if sentences else []


def _margin(best: Summary, key: str, baseline: Summary) -> str:
    """How far the best is from the baseline, and whether that could be chance."""
    score, metric = best.scores[key], METRICS[key]
    if score.difference is None or not math.isfinite(score.difference):
        return ""
    name = visible(baseline.label)
    amount = format(abs(score.difference), metric.format)
    if not amount.strip("0."):
        return f", more than {name} by less than the digits show"
    text = f", {f'{amount} {metric.unit}'.strip()} {'more' if score.difference > 0 else 'less'} than {name}"
    interval = score.difference_interval
    if interval and interval[0] <= 0 <= interval[1]:
        text += f", which on {best.images} images could be chance"
    return text


def _plots(drawings: Sequence[Drawing], anchor: str) -> list[dict[str, Any]]:
    """Plots as the template places them."""
    return [
        {"svg": Markup(drawing.svg(f"{anchor}-{drawing.name}-")), "alt": drawing.alt, "caption": drawing.caption}
        for drawing in drawings
    ]


def _timing(
    profiles: Sequence[Result], setting: Setting, group: Sequence[Summary]
) -> tuple[dict[tuple[str, str], float] | None, str]:
    """Forward times from a profile of the same operators, where there is one, else None: a comparison only notes."""
    wanted = {summary.label for summary in group if summary.scores}
    for profile in profiles:
        apart: dict[tuple[Any, ...], dict[str, float]] = {}
        for row in profile.rows:
            if row["forward_s"] and (str(row["kernel_size"]), str(row["stride"])) == (
                setting.kernel_size,
                setting.stride,
            ):
                apart.setdefault(tuple(row[key] for key in PROFILE_SETTING), {})[label(row)] = row["forward_s"]
        for key, times in apart.items():
            if wanted <= set(times):
                named = dict(zip(PROFILE_SETTING, key, strict=True))
                seconds = {(summary.label, summary.state): times[summary.label] for summary in group if summary.scores}
                return seconds, f"{named['shape']} {named['dtype']} on {named['device']}"
    return None, "one image"


def _protocol(setting: Setting, metadata: Mapping[str, Any]) -> list[str]:
    """What happens to an image, step by step, and how the numbers are made."""
    kernel = f"It is pooled with kernel {setting.kernel_size} and stride {setting.stride}"
    if setting.normalize == "none":
        pooled = [
            f"{kernel}, without normalisation: SoftPool and its kin depend on the scale of their input, and on [0, 1]"
            " they are close to average pooling."
        ]
    else:
        pooled = [
            f"It is brought to another scale ({NORMALIZED.get(setting.normalize, setting.normalize)}).",
            f"{kernel}; normalisation is undone.",
        ]
    read = _READ.get(setting.input, _READ["image"])
    if setting.of_features:
        read = (
            "An image goes through its network's own preprocessing and the network; what is pooled are the"
            f" {setting.input}, on their own scale; the range of a map is its largest value minus its smallest"
        )
    steps = [
        f"{read}. It is cropped to a multiple of the stride ({setting.stride}).",
        *pooled,
        "It is scored at its own size, against the cropped original made as small by antialiased bicubic resampling."
        if setting.protocol == "lowres"
        else f"It is rebuilt to full size by {UPSAMPLERS.get(setting.upsample, setting.upsample)}"
        f"{'' if setting.upsample in ('nearest', 'optimal') else ' interpolation'} and scored against the cropped"
        " original.",
    ]
    details = {
        "ssim": "SSIM is that of Wang et al. 2004: an 11-tap Gaussian window of sigma 1.5, population covariance, the"
        " border cropped; the mean over the channels.",
        "psnr": "PSNR is of each image, for a data range of 1; equal images have an infinite one.",
        "mse": "MSE is the mean squared error of values in [0, 1].",
        "mae": "MAE is the mean absolute error of values in [0, 1].",
    }
    details |= OWN_RANGE_NOTES if setting.of_features else {}
    steps += [details.get(key, METRIC_NOTES[key]) for key in metadata["metrics"]]
    steps.append(
        "Seeds of one image are averaged first, then images with equal weight; intervals are bootstraps over images,"
        " differences to the baseline are paired by image."
    )
    return steps


def _warnings(result: Result, summaries: Sequence[Summary]) -> list[str]:
    warnings = []
    unfitted = _unique(s.label for s in summaries if s.state == "initial" and s.scores)
    if unfitted:
        warnings.append(
            f"Not fitted: {_and(unfitted, most=99)}. Learnable operators are shown as they start; an unfitted LIP is"
            " exactly average pooling, so these rows say nothing about what they can learn."
        )
    unequal = _unique(f"{s.label} ({s.kept:.3g})" for s in summaries if s.scores and not s.equal_kept and s.kept)
    if unequal:
        base = next((s.kept for s in summaries if s.is_baseline and s.kept), None)
        share = f" ({base:.3g})" if base else ""
        warnings.append(
            f"Not an equal comparison, for another share of the numbers is kept than by the baseline{share}:"
            f" {_and(unequal, most=99)}. Never called best."
        )
    images = max((summary.images for summary in summaries), default=0)
    if images == 1:
        warnings.append("One image: there is no interval, and another image may order the operators differently.")
    elif 1 < images < 10:
        warnings.append(f"{images} images: intervals over so few are too narrow; take the order as a hint.")
    single = _unique(s.label for s in summaries if s.state == "train" and s.seeds == 1 and s.scores)
    if single:
        warnings.append(f"One seed: the spread of {_and(single, most=99)} in train mode is unknown.")
    failed = errors(result)
    dataset = result.metadata.get("dataset") or {}
    total = dataset.get("failed", sum(row["error"] is not None for row in result.rows))
    if failed:
        warnings.append(
            f"{total} of {dataset.get('rows', len(result.rows))} rows have no numbers: {'; '.join(failed[:8])}"
            + "; …" * (total > 8)
        )
    return warnings


def _image(result: Result, name: str, anchor: str, pictures: PictureBook | None) -> dict[str, Any]:
    """One image's own scores and its pictures, best operator first."""
    own = Result(result.kind, result.metadata, [row for row in result.rows if row["image"] == name])
    summaries = summarise(own)
    thumbnails = pictures.for_image(name) if pictures else []
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
        "tables": compare_tables(own, summaries),
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


def _operators(results: Sequence[Result]) -> list[dict[str, str]]:
    """What the results know of their operators, each once."""
    known: dict[str, dict[str, str]] = {}
    for result in results:
        for pool in _dicts(result.metadata, "pools"):
            name = str(pool.get("label") or pool.get("name") or "")
            texts = {key: str(pool.get(key) or "") for key in ("formula", "source", "summary", "family")}
            if name and any(texts.values()):
                known.setdefault(name, {"label": name, **texts})
    return list(known.values())


def _dicts(metadata: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """``metadata[key]`` as a list of dicts, whatever a file made of it."""
    value = metadata.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _size(size: Mapping[str, Any]) -> str:
    width, height = size.get("width"), size.get("height")
    if not (width and height):
        return ""
    cropped = (size.get("cropped_width", width), size.get("cropped_height", height))
    text = f"{width} × {height}"
    return text if cropped == (width, height) else f"{text}, cropped to {cropped[0]} × {cropped[1]}"


def _setting_title(setting: Setting) -> str:
    normalised = (
        ""
        if setting.normalize == "none"
        else f", {NORMALIZED.get(setting.normalize, f'{setting.normalize} normalisation')}"
    )
    features = f", {setting.input}" if setting.of_features else ""
    return f"Kernel {setting.kernel_size}, stride {setting.stride}, {rebuilding(setting)}{normalised}{features}"


def _title_of(summary: Summary) -> str:
    return summary.label if summary.state == "fixed" else f"{summary.label} ({summary.state})"


def _strong(text: str) -> Markup:
    return Markup("<strong>{}</strong>").format(visible(text))


def _names(summaries: Sequence[Summary], most: int = NAMES_SHOWN) -> Markup:
    names = [_strong(_title_of(summary)) for summary in summaries[:most]]
    more = len(summaries) - len(names)
    if more:
        return Markup(", ").join(names) + Markup(" and {} more").format(more)
    return Markup(" and ").join([Markup(", ").join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _and(names: Sequence[str], most: int = NAMES_SHOWN, noun: str = "") -> str:
    if len(names) > most:
        return f"{len(names)} {noun}" if noun else f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _seconds(value: float) -> str:
    size, unit = unit_of([value], TIME_UNITS)
    return f"{value / size:.3g} {unit}"


def _raw(value: Any) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
