"""One HTML page from results: the answer first, then all that it rests on, with nothing to fetch.

The page holds its styles, scripts, plots, pictures and rows; a Content-Security-Policy forbids the network and whatever
the page did not bring. Whatever comes from a result is text: it passes :func:`poolzoo.reports.text.words.visible` and
Jinja's autoescaping, and metadata may be missing. Equal results give equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import math
import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from markupsafe import Markup

from poolzoo.analysis.results.schema import METRICS, Result, label
from poolzoo.analysis.results.side_by_side import Versus, named, side_by_side
from poolzoo.analysis.results.summaries import Setting, Summary, by_setting, summarise
from poolzoo.analysis.results.verdicts import Verdict, doubts, join_times, judge, judge_profile
from poolzoo.analysis.studies.sweep import sweep_of
from poolzoo.reports.page.answer import Answer, answer_of, answer_of_profile, listed, setting_title, warnings_of
from poolzoo.reports.page.evidence import ROWS_EMBEDDED, embed
from poolzoo.reports.page.explorer import explorer_script, explorer_style, render_explorer
from poolzoo.reports.page.templates import environment
from poolzoo.reports.pictures.picture_book import PictureBook
from poolzoo.reports.plots.all_plots import (
    LETTERS,
    Drawing,
    compare_drawings,
    profile_drawings,
    result_letters,
    scaling_drawings,
)
from poolzoo.reports.plots.sweep_curves import describe_values
from poolzoo.reports.text.columns import UNEQUAL, Table
from poolzoo.reports.text.compare_tables import compare_tables
from poolzoo.reports.text.numbers import signed
from poolzoo.reports.text.profile_tables import joined_table, profile_tables
from poolzoo.reports.text.side_by_side_tables import versus_tables
from poolzoo.reports.text.tables import error_lines
from poolzoo.reports.text.words import NORMALIZED, NOUNS, UPSAMPLER_WORDS, dicts

#: How an input is read, by the rows' ``input``.
_READ = {
    "image": "An image is read as a viewer would show it, as RGB in [0, 1]",
    "video": "A video is read as a viewer would show it, as RGB in [0, 1], and pooled over time, height and width;"
    " pictures show its middle frame",
    "volume": "A volume is read as grey values, the smallest as 0 and the largest as 1, and pooled over three axes;"
    " pictures show its middle slice",
}
#: A page stays readable and a browser responsive; the JSON holds the rest.
IMAGES_SHOWN, SIZES_SHOWN, ROWS_SHOWN = 24, 12, 2000
#: A profile's figures in words.
FIGURE_TITLES = {
    "forward_s": "Forward time",
    "forward_backward_s": "Forward and backward time",
    "saved_bytes": "Memory kept by autograd",
    "peak_bytes": "Peak memory",
}


def render_page(results: Sequence[Result], pictures: PictureBook | None = None, sources: Sequence[str] = ()) -> str:
    """The page as HTML.

    Args:
        results: comparisons and profiles, each of which gets its sections; several of one kind are shown side by side
            as well.
        pictures: of the comparisons' images.
        sources: where each result came from, for their headings.

    Raises:
        ValueError: there are no results.
    """
    if not results:
        raise ValueError("results: a page needs at least one result")
    profiles = [result for result in results if result.kind == "profile"]
    letters = result_letters(results)
    views = []
    for number, (result, letter) in enumerate(zip(results, letters, strict=True), start=1):
        source = sources[number - 1] if len(results) > 1 and sources else ""
        if result.kind == "compare":
            views.append(_compare_view(result, f"r{number}", letter, source, profiles))
        else:
            # How time grows with size is a matter of all profiles: it stands with the last.
            drawings = profile_drawings(result) + (scaling_drawings(profiles) if result is profiles[-1] else [])
            views.append(_profile_view(result, f"r{number}", letter, source, drawings))
    sections = {
        "versus": _versus_views(results, letters),
        "protocol": [steps for view in views for steps in view["protocol"]],
        "warnings": [warning for view in views for warning in view["warnings"]],
        "joined": [part for view in views for part in view.get("joined", ())],
        "pictures": render_explorer(pictures, results) if pictures is not None and pictures.images else Markup(),
        "operators": _operators(results),
    }
    style, script = _read("page.css"), _read("page.js")
    if sections["pictures"]:
        style, script = style + explorer_style(), script + explorer_script()
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            title=_title(views),
            answers=[*(view["answer"] for view in sections["versus"] if view["answer"].entries), *_answers(views)],
            contents=_contents(views, sections),
            results=views,
            evidence=embed(results),
            rows_embedded=ROWS_EMBEDDED,
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            **sections,
        )
    )


def _policy(style: str, script: str) -> str:
    """Nothing from anywhere, and of what is inside only this style and this script."""
    style, script = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script))
    return (
        f"default-src 'none'; img-src data: blob:; style-src 'sha256-{style}'; script-src 'sha256-{script}';"
        " base-uri 'none'; form-action 'none'"
    )


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _title(views: Sequence[Mapping[str, Any]]) -> str:
    compared = [view for view in views if view["kind"] == "compare"]
    count = len({name for view in (compared or views) for name in view["operators"]})
    if not compared:
        return f"What {count} pooling operator{'s' * (count != 1)} cost{'s' * (count == 1)}"
    swept = _unique(view["swept"] for view in compared)
    what = listed(swept) if all(swept) else f"{count} pooling operator{'s' * (count != 1)}"
    if any(view["sampled"] for view in compared):  # the names are not all of them
        return f"{what} on {listed(_unique(view['counts'] for view in compared))}"
    names = list(dict.fromkeys(name for view in compared for name in view["image_names"]))
    nouns = _unique(f"{view['noun']}s" for view in compared)
    return f"{what} on {listed(names, 2, nouns[0] if len(nouns) == 1 else 'inputs')}" if names else what


def _answers(views: Sequence[Mapping[str, Any]]) -> list[Answer]:
    # Where a comparison took its times from a profile, it has said who is fastest.
    timed = any(view["timed"] for view in views)
    shown = [answer for view in views if not (timed and view["kind"] == "profile") for answer in view["answers"]]
    # Those of one setting, which differ in how many numbers they keep, are one block. Who is fastest does not depend on
    # how pictures are rebuilt, and is said once.
    titles = dict.fromkeys(answer.title for answer in shown)
    said: set[tuple[str, tuple[Markup | str, ...]]] = set()
    merged = []
    for title in titles:
        entries = [entry for answer in shown if answer.title == title for entry in answer.entries]
        merged.append(Answer(title, tuple(e for e in entries if e[0] != "Costs least" or e not in said)))
        said.update(entries)
    return merged


def _contents(views: Sequence[Mapping[str, Any]], sections: Mapping[str, Any]) -> list[dict[str, str]]:
    entries = [("asked", "What was asked")]
    entries += [("protocol", "The protocol")] * bool(sections["protocol"])
    entries += [(view["id"], view["heading"]) for view in sections["versus"]]
    for view in views:
        if view["kind"] == "compare":
            entries += [(f"{view['id']}-table", view["heading"]("Information retained"))]
            entries += [(f"{view['id']}-plots", view["heading"]("Plots"))]
    entries += [("joined", "Retention against cost")] * bool(sections["joined"])
    entries += [(f"{v['id']}-cost", v["heading"]("Cost")) for v in views if v["kind"] == "profile"]
    for view in views:
        entries += [(f"{view['id']}-images", view["heading"]("Image by image"))] * bool(view["images"])
    entries += [("pictures", "Pictures")] * bool(sections["pictures"])
    entries += [("operators", "The operators")] * bool(sections["operators"])
    entries += [("machine", "The machine and the command"), ("rows", "The rows")]
    return [{"id": anchor, "title": title} for anchor, title in entries]


def _view(result: Result, anchor: str, letter: str, source: str, title: str) -> dict[str, Any]:
    """What the sections of both kinds need."""
    metadata = result.metadata
    sweep = sweep_of(result)
    operators = _unique(label(row) for row in result.rows if row["pool"])
    machine = metadata.get("machine")
    command = metadata.get("command")
    facts = [("measured", metadata.get("created")), ("poolzoo", metadata.get("poolzoo"))]
    facts += [(key, metadata.get(key)) for key in ("device", "dtype", "seed", "seeds")]
    facts += list(machine.items()) if isinstance(machine, dict) else []
    title = f"{title} {letter}".strip()
    return {
        "kind": result.kind,
        "id": anchor,
        "title": title,
        "source": source,
        "heading": lambda text: f"{text} ({title.lower() if not letter else title})" if letter else text,
        "operators": operators,
        "subject": describe_values(sweep) if sweep else f"{len(operators)} operator{'s' * (len(operators) != 1)}",
        "swept": f"{sweep.pool} over {sweep.over}" if sweep else "",
        "baseline": metadata.get("baseline"),
        "command": shlex.join(map(str, command)) if isinstance(command, list) else command,
        "facts": [(key, value) for key, value in facts if value is not None],
        "columns": result.columns,
        "rows": [[_raw(row.get(key)) for key in result.columns] for row in result.rows[:ROWS_SHOWN]],
        "row_count": len(result.rows),
        "more_rows": max(0, len(result.rows) - ROWS_SHOWN),
        "protocol": [],
        "timed": False,
        "sampled": False,
    }


def _compare_view(result: Result, anchor: str, letter: str, source: str, profiles: Sequence[Result]) -> dict[str, Any]:
    view = _view(result, anchor, letter, source, "Comparison")
    metadata = result.metadata
    summaries = join_times(summarise(result), profiles)
    settings = by_setting(summaries)
    verdicts = judge(result, summaries)
    families = _families(result)
    parts, joined, protocol = [], [], []
    drawings = compare_drawings(result, profiles, summaries)
    for place, ((setting, group), table) in enumerate(
        zip(settings.items(), compare_tables(result, summaries), strict=True), start=1
    ):
        title = setting_title(setting)
        names = ", ".join([view["title"]] * bool(letter) + [title] * (len(settings) > 1))
        part_id = f"{anchor}-{place}"
        parts.append(
            {
                "id": part_id,
                "title": title,
                "grid": grid(table, families),
                "plots": _plots([drawing for drawing in drawings[setting] if not drawing.shared], part_id),
            }
        )
        tables = [(number, joined_table(group, profile)) for number, profile in enumerate(profiles, start=1)]
        joined += [
            {"id": f"{part_id}-joined-{number}", "title": names, "grid": grid(table, families)}
            for number, table in tables
            if table
        ]
        protocol.append({"title": names, "steps": _protocol(setting, metadata, result.rows, group)})
    # An image that could not be read has a row of no operator and a line among the warnings, nothing else.
    image_names = _unique(row["image"] for row in result.rows if row["pool"])
    # Of a dataset the rows are a sample.
    dataset = metadata.get("dataset")
    count = dataset["images"] - dataset["unreadable"] if dataset else len(image_names)
    nouns = {"feature map" if s.of_features else NOUNS.get(s.input, "image") for s in settings}
    noun = nouns.pop() if len(nouns) == 1 else "input"
    chosen = image_names[:IMAGES_SHOWN] if len(image_names) > 1 else []
    sizes = dicts(metadata, "images")
    return view | {
        "parts": parts,
        "plots": _plots([drawing for each in drawings.values() for drawing in each if drawing.shared], anchor),
        "joined": joined,
        "answers": [
            answer_of(verdict, _verdict_title(verdict, view["title"] * bool(letter), len(settings) > 1))
            for verdict in verdicts
        ],
        "timed": any(verdict.cost and verdict.cost.profiled for verdict in verdicts),
        "protocol": protocol,
        "warnings": [f"{view['title']}: {text}" if letter else text for text in _warnings(result, summaries)],
        "metrics": listed([METRICS[key].title for key in metadata["metrics"]]),
        "noun": noun,
        "counts": f"{count} {noun}{'s' * (count != 1)}",
        "image_names": image_names,
        "sampled": count > len(image_names),
        "all_rows": dataset["rows"] if dataset else len(result.rows),
        "sizes": [{"name": size.get("name", "?"), "text": _size(size)} for size in sizes[:SIZES_SHOWN]],
        "more_sizes": max(0, len(sizes) - SIZES_SHOWN),
        "images": [
            _image(result, name, f"{anchor}-i{place}", families, profiles) for place, name in enumerate(chosen, start=1)
        ],
        "more_images": count - len(chosen) if chosen else 0,
    }


def _profile_view(result: Result, anchor: str, letter: str, source: str, drawings: Sequence[Drawing]) -> dict[str, Any]:
    view = _view(result, anchor, letter, source, "Profile")
    tables = profile_tables(result)
    leads = judge_profile(result)
    families = _families(result)
    prefix = f"{view['title']}: " if letter else ""
    answers = [answer_of_profile(lead) for lead in leads]
    return view | {
        "parts": [
            {"id": f"{anchor}-{place}", "grid": grid(table, families)} for place, table in enumerate(tables, start=1)
        ],
        "plots": _plots(drawings, anchor),
        "answers": [Answer(prefix + answer.title, answer.entries) for answer in answers],
        "warnings": [prefix + text for text in _warnings(result, ())],
        "images": [],
    }


def grid(table: Table, families: Mapping[str, str]) -> dict[str, Any]:
    """A table as the template draws it: with each line's operator, family and state for the page's tools."""
    headings = [column.heading for column in table.columns]
    state = headings.index("state") if "state" in headings else None
    lines = []
    for line in table.lines:
        name = line.cells[0].text.removesuffix(f" {UNEQUAL}")
        lines.append(
            {
                "name": name,
                "family": families.get(name.partition(":")[0], ""),
                "state": line.cells[state].text.partition(" ")[0] if state is not None else "",
                "role": line.role,
                "cells": [(cell, None if cell.value is None else _number(cell.value)) for cell in line.cells],
            }
        )
    return {"table": table, "lines": lines}


def _number(value: float) -> str:
    """As JavaScript reads it; without the last digits, which differ between machines."""
    return f"{value:.12g}" if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"


def _families(result: Result) -> dict[str, str]:
    pools = dicts(result.metadata, "pools")
    return {str(pool["name"]): str(pool["family"] or "") for pool in pools if {"name", "family"} <= set(pool)}


def _verdict_title(verdict: Verdict, comparison: str, several_settings: bool) -> str:
    parts = [comparison] * bool(comparison) + [setting_title(verdict.setting)] * several_settings
    return ": ".join(parts)


def _warnings(result: Result, summaries: Sequence[Summary]) -> list[str]:
    found = doubts(result, summaries)
    warnings = warnings_of(found)
    families = set(_families(result).values())
    if len(families) > 1 and "resampling" in families and any(_is_misplaced(summary.setting) for summary in summaries):
        warnings.append(
            "Windows of another size than the stride do not lie where interpolation puts their values, those of"
            " resampling operators do: the latter's lead is partly that. Ask again with --upsample optimal."
        )
    if any(summary.pool == "bicubic" and summary.setting.protocol == "lowres" for summary in summaries):
        warnings.append(
            "At low resolution the operator bicubic is what the original is made small by: its score is perfect and"
            " says nothing, and what is alike scores high for that."
        )
    if found.failed:
        said = error_lines(result)
        failed = "; ".join(said[:8]) + "; …" * (len(said) > 8)
        have = "has" if found.failed == 1 else "have"
        what = f"rows {have} no numbers" if result.kind == "compare" else "measurements failed"
        warnings.append(f"{found.failed} of {found.rows} {what}: {failed}")
    return warnings


def _versus_views(results: Sequence[Result], letters: Sequence[str]) -> list[dict[str, Any]]:
    """For each kind of which there are several results, those side by side."""
    views = []
    for kind, heading in (("compare", "Comparisons side by side"), ("profile", "Profiles side by side")):
        chosen = [(r, letter) for r, letter in zip(results, letters, strict=True) if r.kind == kind]
        if len(chosen) < 2:
            continue
        runs, names = [result for result, _ in chosen], [letter for _, letter in chosen]
        versus = side_by_side(runs)
        families = {name: family for run in runs for name, family in _families(run).items()}
        tables = versus_tables(versus, names, [run.metadata.get("baseline") for run in runs])
        views.append(
            {
                "id": f"versus-{kind}",
                "kind": kind,
                "heading": heading,
                "runs": names,
                "differing": versus.differing,
                "answer": Answer(heading, tuple(_changed(versus))),
                "tables": [
                    {"id": f"versus-{kind}-{place}", "grid": grid(table, families)}
                    for place, table in enumerate(tables, start=1)
                ],
                "only": [(f"Only in {name}", alone) for name, alone in zip(names, versus.only, strict=True) if alone],
            }
        )
    return views


def _changed(versus: Versus) -> list[tuple[str, tuple[str, ...]]]:
    """For each measure and further run, the median change and the extremes over the operators that were matched."""
    said = []
    for place, measure in enumerate(versus.measures):
        sentences = []
        for run in range(len(versus.only) - 1):
            changes = [(figures[place].changes[run], named(match)) for match, figures in versus.matched]
            known = sorted((change, name) for change, name in changes if change is not None and math.isfinite(change))
            if known:
                sentences.append(_change(measure, known, LETTERS[run + 1 : run + 2] or str(run + 2)))
        if sentences:
            title = METRICS[measure].title if measure in METRICS else FIGURE_TITLES[measure]
            said.append((title, tuple(sentences)))
    return said


def _change(measure: str, known: Sequence[tuple[float, str]], letter: str) -> str:
    """``B − A: median 0.0000 over 12 operators, from -0.0010 (max) to +0.0020 (avg).``"""
    metric = METRICS.get(measure)
    (low, first), (high, last) = known[0], known[-1]
    show = signed(metric.format) if metric else lambda value: f"{value:.2f}"
    least, middle, most = (show(value) for value in (low, statistics.median(value for value, _ in known), high))
    span = f", from {least} ({first}) to {most} ({last})" if least != most else ""
    how = f"{letter} − A" if metric else f"{letter} / A"
    unit = f" {metric.unit}" if metric and metric.unit else ""
    return f"{how}: median {middle}{unit} over {len(known)} operators{span}."


def _plots(drawings: Sequence[Drawing], anchor: str) -> list[dict[str, Any]]:
    """Plots as the template places them."""
    return [
        {"svg": Markup(drawing.svg(f"{anchor}-{drawing.name}-")), "alt": drawing.alt, "caption": drawing.caption}
        for drawing in drawings
    ]


def _protocol(
    setting: Setting, metadata: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], group: Sequence[Summary]
) -> list[str]:
    """What happens to an image, step by step, and how the numbers are made."""
    kernel = f"It is pooled with kernel {setting.kernel_size} and stride {setting.stride}"
    if setting.normalize == "none":
        scale = ""
        if any(summary.pool.startswith("softpool") for summary in group):
            scale = ": SoftPool depends on the scale of its input"
            scale += "" if setting.of_features else ", and on [0, 1] it is close to average pooling"
        pooled = [f"{kernel}, without normalisation{scale}."]
    else:
        pooled = [
            f"It is normalised by {setting.normalize}'s mean and deviation."
            if setting.normalize == "imagenet"
            else f"It is brought to another scale ({NORMALIZED.get(setting.normalize, setting.normalize)}).",
            f"{kernel}; normalisation is undone.",
        ]
    read = _READ.get(setting.input, _READ["image"])
    if setting.of_features:
        read = (
            "An image goes through the network, with the network's own preprocessing. The"
            f" {setting.input} are pooled on their own scale. A map's range is its largest value minus its smallest."
            " The pictures show the mean over its channels, scaled like the original's"
        )
    steps = [
        f"{read}. It is cropped to a multiple of the stride ({setting.stride}).",
        *pooled,
        "It is scored at its own size, against the cropped original made as small by antialiased bicubic resampling."
        if setting.protocol == "lowres"
        else f"It is rebuilt to full size by {UPSAMPLER_WORDS.get(setting.upsample, setting.upsample)}"
        f"{'' if setting.upsample in ('nearest', 'optimal') else ' interpolation'} and scored against the cropped"
        " original.",
    ]
    if _is_misplaced(setting):
        steps.append(
            "Rebuilding takes pooled values to lie evenly over the image; windows of another size than the stride do"
            " not, and lose by it. The optimal decoder and scores at low resolution know where they lie."
        )
    if setting.upsample == "optimal":
        fitted = _unique(row["decoder_fitted_on"] for row in rows if row["decoder_fitted_on"])
        steps += [f"That decoder is fitted for each operator, on {listed(fitted, 2)}."] * bool(fitted)
        decoder = metadata.get("decoder")
        if isinstance(decoder, dict) and (training := dicts(decoder, "images")):
            names = listed([str(image.get("name")) for image in training], 24, "images")
            steps.append(f"Decoders are fitted by least squares on {names}, never on the image that is scored.")
    steps += [METRICS[key].sentence(features=setting.of_features) for key in metadata["metrics"]]
    return [*steps, *_averaging(group)]


def _averaging(group: Sequence[Summary]) -> list[str]:
    """How an operator's images become one number, as far as there is something to average."""
    if max(summary.images for summary in group) < 2:
        return []
    scores = [score for summary in group for score in summary.scores.values()]
    seeds = any(summary.seeds for summary in group)
    said = [
        f"{'Seeds of one image are averaged first, then images' if seeds else 'Images are averaged'} with equal weight",
        *["intervals are bootstraps over images"] * any(score.interval for score in scores),
        *["differences to the baseline are paired by image"] * any(summary.is_baseline for summary in group),
    ]
    return [f"{'; '.join(said)}."]


def _is_misplaced(setting: Setting) -> bool:
    """Whether pooled values of windows lie elsewhere than interpolation takes them to."""
    return setting.protocol == "roundtrip" and setting.upsample != "optimal" and setting.kernel_size != setting.stride


def _image(
    result: Result, name: str, anchor: str, families: Mapping[str, str], profiles: Sequence[Result]
) -> dict[str, Any]:
    """One image's own scores."""
    own = Result(result.kind, result.metadata, [row for row in result.rows if row["image"] == name])
    return {
        "id": anchor,
        "name": name,
        "tables": [grid(table, families) for table in compare_tables(own, join_times(summarise(own), profiles))],
    }


def _operators(results: Sequence[Result]) -> list[dict[str, str]]:
    """What the results know of their operators, each once."""
    known: dict[str, dict[str, str]] = {}
    for result in results:
        for pool in dicts(result.metadata, "pools"):
            name = str(pool.get("label") or pool.get("name") or "")
            texts = {key: str(pool.get(key) or "") for key in ("formula", "source", "summary", "family")}
            if name and any(texts.values()):
                known.setdefault(name, {"label": name, **texts})
    return list(known.values())


def _size(size: Mapping[str, Any]) -> str:
    width, height = size.get("width"), size.get("height")
    if not (width and height):
        return ""
    cropped = (size.get("cropped_width", width), size.get("cropped_height", height))
    text = f"{width} × {height}"
    for key, noun in (("depth", "slices" if size.get("kind") == "volume" else "frames"), ("channels", "channels")):
        text += f", {size[key]} {noun}" if key in size else ""
    return text if cropped == (width, height) else f"{text}, cropped to {cropped[0]} × {cropped[1]}"


def _raw(value: Any) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
