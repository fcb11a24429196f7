"""Write the operators' pages: ``python docs/make_cards.py`` (or ``make cards``).

Each built-in operator that is defined for two axes has ``operators/NAME.md`` and ``operators/NAME.png``;
``operators/README.md`` lists them. Pages of removed operators are deleted.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from poolzoo import registry
from poolzoo.analysis.studies.operator_card import Card, Evidence, cut_out, gather_evidence, grey_part, make_card
from poolzoo.reports.pictures.cutouts import Pixels
from poolzoo.reports.pictures.operator_card import card_pixels, card_png, render_card_index, render_card_page

FOLDER = Path(__file__).parent / "operators"


def versions() -> str:
    """Return the versions that the figures may depend on."""
    return ", ".join(f"{name} {version(name).partition('+')[0]}" for name in ("torch", "numpy", "scikit-image"))


def make_all() -> tuple[dict[str, str], dict[str, Pixels]]:
    """Return the pages' texts and the pictures' pixels, by file name."""
    names = [info.name for info in registry.builtin_pools()]
    cards: list[tuple[Card, Evidence]] = [(make_card(name), gather_evidence(name)) for name in names]
    part = grey_part(cut_out())
    pages = {f"{card.info.name}.md": render_card_page(card, evidence) for card, evidence in cards}
    pictures = {f"{card.info.name}.png": card_pixels(part, evidence) for card, evidence in cards}
    return {**pages, "README.md": render_card_index(cards, versions())}, pictures


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    pages, pictures = make_all()
    for old in FOLDER.iterdir():
        if old.name not in {*pages, *pictures}:
            old.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    for name, pixels in pictures.items():
        (FOLDER / name).write_bytes(card_png(pixels))


if __name__ == "__main__":
    main()
