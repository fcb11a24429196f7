"""Make the gallery: ``python docs/make_gallery.py`` (or ``make gallery``); it takes some minutes.

Every operator pools scikit-image's photographs with 2x2 windows, and the result is upsampled bilinearly. Two outputs
are written: the whole page with its pictures, ``results/gallery.html`` (about 8 MB, not kept in the repository), and a
summary, ``docs/gallery.md``, with plots in ``docs/gallery/`` and the scores in ``docs/gallery/scores.json``. The scores
have no times, because times depend on the machine. ``--redraw`` draws the summary from the stored scores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from poolzoo.analysis.inputs.training_images import PHOTOGRAPHS
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import TIME_KEYS
from poolzoo.reports.pictures.cutouts import Pixels
from poolzoo.reports.pictures.operator_card import card_png
from poolzoo.reports.plots.all_plots import Drawing, compare_drawings
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.formats import render

ROOT = Path(__file__).parents[1]
RESULTS, SUMMARY, FOLDER = ROOT / "results", ROOT / "docs" / "gallery.md", ROOT / "docs" / "gallery"
SCORES = FOLDER / "scores.json"
SHOWN = ("retention", "differences", "ranks")
#: Pixels per inch of a plot, and the digits of a score that do not depend on the machine.
DPI, DIGITS = 150, 6
#: The metadata that the scores and the summary need.
KEPT = ("baseline", "metrics", "images", "pools")

HEAD = """# Gallery

Every operator of poolzoo on scikit-image's {images} photographs, pooled with 2x2 windows of stride 2 and upsampled
bilinearly. Learnable operators are shown untrained. `make gallery` writes this page and `results/gallery.html`, which
adds tables that can be sorted and filtered, and every pooled and rebuilt picture. Plots by {versions}.

"""


def measure(folder: Path, names: Sequence[str] = PHOTOGRAPHS, specs: Sequence[str] = ()) -> Result:
    """Run operators on photographs with the command line; return ``gallery.json``, and write ``gallery.html``."""
    written = [f"--output={folder / 'gallery.json'}", f"--report={folder / 'gallery.html'}"]
    asked = [f"--image=skimage:{name}" for name in names] + [f"--pool={spec}" for spec in specs]
    subprocess.run(
        [sys.executable, "-m", "poolzoo", "compare", *asked, *written], check=True, stdout=subprocess.DEVNULL
    )
    return Result.from_json((folder / "gallery.json").read_text(encoding="utf-8"), "gallery.json")


def to_scores(result: Result) -> str:
    """Return the rows as small JSON that is the same on every machine: common values once, no times."""
    columns = [key for key in result.columns if key not in TIME_KEYS]
    rows = [{key: _rounded(row[key]) for key in columns} for row in result.rows]
    same = {key: rows[0][key] for key in columns if all(row[key] == rows[0][key] for row in rows)}
    keys = [key for key in columns if key not in same]
    lines = ",\n".join(json.dumps([row[key] for key in keys]) for row in rows)
    about = json.dumps({key: result.metadata[key] for key in KEPT} | {"command": "make gallery"}, indent=1)
    return (
        f'{{"metadata": {about},\n"same": {json.dumps(same)},\n"keys": {json.dumps(keys)},\n"rows": [\n{lines}\n]}}\n'
    )


def from_scores(text: str) -> Result:
    """Return the result that :func:`to_scores` stored."""
    scores = json.loads(text)
    untimed = dict.fromkeys(TIME_KEYS)
    rows = [untimed | scores["same"] | dict(zip(scores["keys"], row, strict=True)) for row in scores["rows"]]
    return Result("compare", scores["metadata"], rows)


def draw(result: Result) -> tuple[str, dict[str, Pixels]]:
    """Return the summary's text and its plots by file name."""
    (drawings,) = compare_drawings(RunFacts.of(result)).values()
    shown = [drawing for drawing in drawings if drawing.name in SHOWN]
    head = HEAD.format(images=len(result.metadata["images"]), versions=versions())
    plots = [
        f"![{drawing.alt}](gallery/{drawing.name}.png)\n\n{drawing.caption}\n\n"
        for drawing in sorted(shown, key=lambda drawing: SHOWN.index(drawing.name))
    ]
    return head + "".join(plots) + render(result, "markdown"), {f"{d.name}.png": _pixels(d) for d in shown}


def versions() -> str:
    """Return the versions that the plots' pixels and the intervals may depend on."""
    return ", ".join(f"{name} {version(name)}" for name in ("matplotlib", "seaborn", "numpy", "scipy"))


def _pixels(drawing: Drawing) -> Pixels:
    figure = drawing.draw()
    figure.set_dpi(DPI)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()  # type: ignore[attr-defined]


def _rounded(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--redraw", action="store_true", help="draw the summary from the stored scores")
    FOLDER.mkdir(exist_ok=True)
    if not parser.parse_args().redraw:
        RESULTS.mkdir(exist_ok=True)
        SCORES.write_text(to_scores(measure(RESULTS)), encoding="utf-8")
    text, plots = draw(from_scores(SCORES.read_text(encoding="utf-8")))
    SUMMARY.write_text(text, encoding="utf-8")
    for name, pixels in plots.items():
        (FOLDER / name).write_bytes(card_png(pixels))


if __name__ == "__main__":
    main()
