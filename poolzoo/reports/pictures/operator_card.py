"""Operator cards: all facts of one operator, for a terminal, and as a Markdown page with a picture."""

from __future__ import annotations

import hashlib
import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from poolzoo.analysis.results.rows import label
from poolzoo.reports.pictures.cutouts import Pixels
from poolzoo.reports.pictures.picture import to_uint8
from poolzoo.reports.pictures.weights import MOST, weight_pixels
from poolzoo.reports.text.terminal import printed, text_console

if TYPE_CHECKING:
    from poolzoo.analysis.results.summary_records import Summary
    from poolzoo.analysis.scoring.gradients import WindowWeights
    from poolzoo.analysis.studies.operator_card import Card, Evidence

#: Side of a picture's panel and the gap between panels, in pixels.
PANEL, GAP = 160, 8
#: PNG text entry that holds the hash of what a picture shows.
PIXELS_KEY = "poolzoo-pixels"
STATE_WORDS = {"fixed": "", "initial": "untrained", "train": "training", "eval": "evaluation"}
GRADIENT_TEXT = (
    "The derivative dy/da of one pooled value by every element it depends on: the weights of the formula only where "
    "these do not depend on the elements. Brackets mark the window; around it, elements of gradient 0 are left out."
)


def render_card(card: Card, *, color: bool = False, width: int | None = None) -> str:
    """Return the card as a terminal shows it.

    Args:
        card: from :func:`poolzoo.analysis.studies.operator_card.make_card`.
        color: write ANSI colours.
        width: columns of the terminal; None means 100.
    """
    from rich.table import Table
    from rich.text import Text

    console = text_console(max(40, min(width or 100, 120)), color)
    console.print(Text.assemble((card.label, "bold cyan"), "  ", card.info.summary))
    console.print(Text.assemble("\n  ", (card.info.formula, "bold"), "\n"))
    facts = Table.grid(padding=(0, 2))
    for heading, text in filter(lambda fact: fact[1], _facts(card)):
        facts.add_row(Text(heading, style="dim"), Text(text))
    console.print(facts)
    for paragraph in card.prose:
        console.print(Text("\n" + paragraph.replace("``", "")))
    console.print(Text("\nGradient", style="bold"))
    console.print(Text(GRADIENT_TEXT, style="dim"))
    console.print(Text("\n" + textwrap.indent(gradient_text(card.sample), "  ")), soft_wrap=True)
    if card.exempt:
        console.print(Text("\nWhat does not hold here", style="bold"))
        for clause, reason in card.exempt:
            console.print(Text(f"- {clause}: {reason}"))
    return printed(console)


def _facts(card: Card) -> Iterator[tuple[str, str]]:
    info = card.info
    yield "family", info.family
    yield "source", info.source
    yield "axes", ", ".join(f"{n}D" for n in info.ndims)
    yield "parameters", ", ".join(name if default is None else f"{name}={default}" for name, default in card.parameters)
    yield "variants", ", ".join(info.variants)
    yield "learns", f"{card.learns} numbers with one channel; shown untrained" if card.learns else "nothing"
    yield "training", "draws; evaluation does not" if card.draws else "the same as evaluation"
    axes = f"{2 if 2 in info.ndims else info.ndims[0]}d"
    yield "in Python", f"poolzoo.functional.{info.function_name}{axes}, poolzoo.{info.class_name}{axes}"
    forms = [f"poolzoo.{name}{axes}" for form, name in info.exports("class_name").items() if form]
    yield "adaptive and global", ", ".join(forms) or f"no, {info.not_adaptive}"


def gradient_text(sample: WindowWeights) -> str:
    """Return the window's elements and every derivative that is not 0, as rows of numbers."""
    window = sample.elements[sample.window]
    lines = ["elements of the window"]
    lines += ["".join(f" {value:7.3f} " for value in row) for row in window.reshape(-1, window.shape[-1])]
    # A little more than the value, so that the last bit does not decide how 1/16 is rounded; + 0.0 makes -0.0 be 0.
    weights: Pixels = np.round(sample.weights + 1e-9, 3) + 0.0
    inside = np.zeros(weights.shape, dtype=bool)
    inside[sample.window] = True
    # The smallest box around the window and all other elements that count.
    box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.nonzero(inside | (weights != 0)))
    columns = box[-1].stop - box[-1].start
    lines += ["", f"gradient, sum {sample.weights.sum():.3f}"]
    for row, marks in zip(weights[box].reshape(-1, columns), inside[box].reshape(-1, columns), strict=True):
        lines.append("".join(f"[{v:7.3f}]" if mark else f" {v:7.3f} " for v, mark in zip(row, marks, strict=True)))
    return "\n".join(line.rstrip() for line in lines)


def render_card_page(card: Card, evidence: Evidence) -> str:
    """Return the card as a Markdown page, which shows its picture ``NAME.png``."""
    info = card.info
    lines = [f"# {info.name}", "", f"{_capital(info.summary)}.", "", f"    {info.formula}", ""]
    lines += [f"![The photograph pooled by {info.name}, and the gradient at its pixels]({info.name}.png)", ""]
    lines += [_caption(evidence), ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| {heading} | {_cell(text)} |" for heading, text in _facts(card) if text]
    lines += ["", *(line for paragraph in card.prose for line in (_wrap(paragraph.replace("``", "`")), ""))]
    lines += ["## Gradient", "", _wrap(GRADIENT_TEXT), "", "```text", gradient_text(card.sample), "```", ""]
    lines += ["## What a photograph keeps", "", *_retention(evidence), ""]
    lines += ["## What it costs", "", *_cost(evidence), ""]
    if card.exempt:
        lines += ["## What does not hold here", ""]
        lines += [_wrap(f"- {clause}: {reason}", "  ") for clause, reason in card.exempt] + [""]
    return "\n".join(lines[:-1]) + "\n"


def render_card_index(cards: Sequence[tuple[Card, Evidence]], versions: str) -> str:
    """Return the list of all pages, in registration order, and how they were measured.

    Args:
        cards: all operators.
        versions: of the packages that measured them.
    """
    lines = [
        "# Operators",
        "",
        _wrap(
            "One page per operator, written by `make cards` from the registry and from what a 160x160 cut-out of "
            "scikit-image's coffee photograph keeps: 2x2 windows, rebuilt bilinearly, SSIM and PSNR against the "
            "cut-out. Stochastic operators have a figure for training, the mean of three draws, and one for "
            "evaluation; learnable ones are shown untrained. *kept* is the number of values out per value in. "
            "`poolzoo compare --image PHOTO` measures on a photograph of your own."
        ),
        "",
        "| operator | what it does | family | state | kept | SSIM | PSNR, dB |",
        "|---|---|---|---|---:|---:|---:|",
    ]
    for card, evidence in cards:
        first = True
        for summary in evidence.retention:
            name = label({"pool": summary.pool, "params": summary.params})
            link = f"[{name}]({card.info.name}.md)" if first else name
            what = (_cell(card.info.summary), _cell(card.info.family)) if first else ("", "")
            lines.append(f"| {link} | {what[0]} | {what[1]} | {_scores(summary)} |")
            first = False
    lines += ["", _wrap(f"Measured with {versions}.")]
    return "\n".join(lines) + "\n"


def _retention(evidence: Evidence) -> list[str]:
    window = f"{evidence.measured}x{evidence.measured}"
    lines = [
        _wrap(
            f"A 160x160 cut-out of scikit-image's coffee photograph, {window} windows, rebuilt bilinearly; *kept* is "
            "the number of values out per value in. [The other operators](README.md)."
        ),
        "",
        "| operator | state | kept | SSIM | PSNR, dB |",
        "|---|---|---:|---:|---:|",
    ]
    for summary in evidence.retention:
        lines.append(f"| {label({'pool': summary.pool, 'params': summary.params})} | {_scores(summary)} |")
    return lines


def _scores(summary: Summary) -> str:
    scores = " | ".join(f"{summary.scores[key].mean:.{digits}f}" for key, digits in (("ssim", 3), ("psnr", 2)))
    return f"{STATE_WORDS[summary.state]} | {summary.kept:g} | {scores}"


def _cost(evidence: Evidence) -> list[str]:
    return [
        _wrap(
            f"Per number of the input, {evidence.measured}x{evidence.measured} windows, float32, counted on torch's "
            "own operators (the native engine, where there is one, does with less):"
        ),
        "",
        f"- kept for the backward pass: {evidence.saved:.2f} bytes",
        f"- written in a forward pass: {evidence.written:.2f} numbers",
        "",
        "`poolzoo profile` times it.",
    ]


def _caption(evidence: Evidence) -> str:
    gain = picture_gain(evidence.pooled)
    fitted = f", divided by {gain:.2f} to fit" if gain > 1 else ""
    return _wrap(
        f"Left, the photograph after {evidence.shown}x{evidence.shown} windows{fitted}. Middle, a part of it in grey, "
        "and right, what each of its pixels weighs in all that is pooled: white nothing, red more, blue less than "
        f"nothing; the deepest red is {MOST} times what average pooling gives, or more."
    )


def picture_gain(pooled: Pixels) -> float:
    """Return the divisor of a pooled picture: 1, unless the operator makes it much brighter than the original."""
    brightest = float(pooled.max())
    return brightest if brightest > 1.25 else 1.0


def card_pixels(part: Pixels, evidence: Evidence) -> Pixels:
    """Return the picture of a page, uint8: the pooled photograph, the grey ``part``, and the weights of its pixels."""
    weights = evidence.weights.weights
    panels = (evidence.pooled / picture_gain(evidence.pooled), part, weight_pixels(weights, evidence.shown**2))
    gap = np.full((PANEL, GAP, 3), 255, dtype=np.uint8)
    # A little more than the value: means of bytes often lie midway between two, where the last bit would decide.
    shown = [_enlarge(to_uint8(panel + 1e-6)) for panel in panels]
    return np.hstack([shown[0], gap, shown[1], gap, shown[2]])


def _enlarge(pixels: Pixels) -> Pixels:
    """Return every pixel as a square, on a panel that is ``PANEL`` high."""
    factor = PANEL // pixels.shape[0]
    large = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    below = PANEL - large.shape[0]
    return np.pad(large, ((0, below), (0, 0), (0, 0)), constant_values=255)


def pixels_hash(pixels: Pixels) -> str:
    """Return the hash of a picture's pixels, which does not depend on compression."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16]


def card_png(pixels: Pixels) -> bytes:
    """Return a small PNG: 128 colours, and the hash of the exact pixels as a text entry."""
    from PIL import Image, PngImagePlugin

    text = PngImagePlugin.PngInfo()
    text.add_text(PIXELS_KEY, pixels_hash(pixels))
    stream = io.BytesIO()
    image = Image.fromarray(pixels).quantize(128, dither=Image.Dither.NONE)
    image.save(stream, "PNG", optimize=True, pnginfo=text)
    return stream.getvalue()


def read_pixels_hash(png: bytes) -> str:
    """Return the hash that :func:`card_png` wrote; empty if there is none."""
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        return str(image.info.get(PIXELS_KEY, ""))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
