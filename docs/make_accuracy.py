"""Make docs/accuracy.md: ``python docs/make_accuracy.py --data DIR`` (or ``make accuracy DATA=DIR``).

Trains the small network with each operator of :data:`POOLS` on Fashion-MNIST, measures retention of test images and
time with the same windows, and draws the page. ``--full`` trains on all images. A run that was stopped is resumed.
``--redraw`` draws the page from the stored rows.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, cast

import poolzoo
from poolzoo._files import write_whole
from poolzoo.analysis.inputs.labelled import load_data
from poolzoo.analysis.results.earlier import complete_row
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import Row
from poolzoo.analysis.results.schema import SCHEMA_VERSION
from poolzoo.analysis.results.training_statistics import judge_training, training_rows
from poolzoo.reports.page.training_words import answer_of_training, correlation_sentence
from poolzoo.reports.plots.drawing import Drawing
from poolzoo.reports.plots.style import to_png
from poolzoo.reports.plots.training_drawings import joined_with, places_of, training_drawings
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.formats import render

ROOT = Path(__file__).parents[1]
PAGE, FOLDER, WORK = ROOT / "docs" / "accuracy.md", ROOT / "docs" / "accuracy", ROOT / "results" / "accuracy"
POOLS = (
    *("avg", "max", "strided", "softpool", "lp", "blur", "max_blur", "stochastic", "mixed", "gated", "lse", "power"),
    *("edscw", "idw", "adapool", "haar", "hann_l2", "autopool", "gem", "checkered", "lip"),
)
#: The settings of the run on a subset, and of the full one.
SUBSET = {"epochs": 5, "batch_size": 32, "train_images": 2000, "test_images": 5000}
FULL = {"epochs": 10, "batch_size": 128}
#: The test images whose retention is measured, and the tensor that the network's first pool gets from a batch.
IMAGES, SHAPE = 60, (32, 16, 28, 28)
#: The name of the data on the page.
DATA = "Fashion-MNIST"
#: The digits of a stored number.
DIGITS = 6

HEAD = """# Accuracy, retention and cost

Which operator makes a network more accurate, and is it the one that keeps most of an image? Here one small network is
trained with {operators} operators on Fashion-MNIST, and three measurements of the same operators are compared: test
accuracy, retention of test images, and time. `make accuracy DATA=DIR` repeats it.

## The run

- **Images**: {train} training images ({held} of them held back) and {test} test images of Fashion-MNIST, 28x28, grey.
- **Network**: `{model}`, {parameters} parameters: three convolutions with batch normalisation, two pools of 2x2 with
  stride 2.
- **Training**: {epochs} epochs, batches of {batch_size}, SGD with Nesterov's momentum {momentum}, one-cycle
  learning rate up to {lr}, weight decay {weight_decay}, no augmentation. The last epoch is tested, once.
- **Seeds**: {seeds}. A seed gives every operator the same initial weights, the same split and the same batches.
- **Machine**: {cpu}, one thread per process; {minutes:.0f} minutes of training in all. poolzoo {poolzoo}, torch
  {torch}.{note}
- **Retention**: the first {images} of these test images, 2x2 windows, upsampled bilinearly. Learnable operators are
  untrained there. Operators that keep another fraction of the values are left out.
- **Time**: a forward pass of a {shape} tensor, what the first pool gets from a batch.

"""
TAIL = """## What this does not show

- {size}
- One network, one data set, one recipe whose learning rate was not tuned per operator. Another operator may be ahead
  elsewhere.
- Intervals are not adjusted for the number of operators: of {operators} operators, the leader is partly chosen by
  chance.
- Learnable operators have more parameters than the others in the same network.
"""


def measure(data: str, work: Path, settings: dict[str, Any], seeds: int, jobs: int | None) -> list[Result]:
    """Train, compare and profile; write the results into ``work`` and return them."""
    work.mkdir(parents=True, exist_ok=True)
    trained = poolzoo.train(data, pool=POOLS, store=work / "runs.sqlite", seeds=seeds, jobs=jobs, **settings)
    test = load_data(data, settings.get("train_images"), settings.get("test_images")).test.images[:IMAGES, 0]
    shown = poolzoo.compare([image.numpy() for image in test], pool=POOLS)
    cost = poolzoo.profile(pool=POOLS, shape=SHAPE, threads=1)
    poolzoo.report([trained, shown, cost], work / "accuracy.html")
    return [named(trained), shown, cost]


def named(trained: Result) -> Result:
    """Return a training with the name of its data in place of the folder on this machine."""
    rows = [cast("Row", {**row, "data": DATA}) for row in trained.rows]
    recipe = {**trained.metadata["recipe"], "data": DATA}
    return Result(trained.kind, {**trained.metadata, "recipe": recipe}, rows)


def page(results: list[Result]) -> tuple[str, dict[str, Drawing]]:
    """Return the page as Markdown, and its plots by file name."""
    trained, *others = results
    run = RunFacts.of(trained)
    plots, pictures = [], {}
    for drawing in training_drawings(run, others):
        pictures[f"{drawing.name}.png"] = drawing
        plots.append(f"![{drawing.alt}](accuracy/{drawing.name}.png)\n\n{drawing.caption}\n")
    answers = [
        str(paragraph.striptags() if hasattr(paragraph, "striptags") else paragraph)
        for lead in judge_training(trained)
        for entry in answer_of_training(lead).entries
        for paragraph in entry.paragraphs
    ]
    said = [f"- {correlation_sentence(one)}" for found in places_of(run).values() for one in joined_with(found, others)]
    facts = _facts(trained)
    parts = [HEAD.format(**facts), "## The answer\n\n", "\n".join(answers), "\n\n", render(trained, "markdown"), "\n"]
    parts += [plots[0], "\n## Accuracy against retention and time\n\n", "\n".join(said), "\n\n", "\n".join(plots[1:])]
    return "".join([*parts, "\n", TAIL.format(**facts)]), pictures


def compact(result: Result) -> str:
    """Return a result as small JSON: common values once, numbers of :data:`DIGITS` digits."""
    rows = [{key: _rounded(row.get(key)) for key in result.columns} for row in result.rows]
    same = {key: rows[0][key] for key in result.columns if all(row[key] == rows[0][key] for row in rows)}
    keys = [key for key in result.columns if key not in same]
    metadata = {key: value for key, value in result.metadata.items() if key not in ("images", "created")}
    about = {"kind": result.kind, "metadata": metadata | {"images": []}, "same": same, "keys": keys}
    lines = ",\n".join(json.dumps([row[key] for key in keys]) for row in rows)
    return f'{json.dumps(about)[:-1]}, "rows": [\n{lines}\n]}}'


def read_results() -> list[Result]:
    """Return the results that :func:`compact` stored."""
    stored = json.loads((FOLDER / "results.json").read_text())
    found = []
    for one in stored:
        rows = [one["same"] | dict(zip(one["keys"], row, strict=True)) for row in one["rows"]]
        for row in rows:
            complete_row(row, SCHEMA_VERSION)
        found.append(Result(one["kind"], one["metadata"], rows))
    return found


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _facts(trained: Result) -> dict[str, Any]:
    metadata, rows = trained.metadata, training_rows(trained)
    recipe, machine = metadata["recipe"], metadata["machine"]
    train, test = metadata["train_images"], metadata["test_images"]
    seeds = sorted({row["seed"] for row in rows if row["test_top1"] is not None})
    whole = recipe["train_images"] is None
    size = (
        "All of Fashion-MNIST."
        if whole
        else (
            f"A subset: {train:,} of 60,000 training images and {recipe['epochs']} epochs. With all images and more"
            " epochs accuracies are higher, and the order of operators may change."
        )
    )
    return {
        **{key: recipe[key] for key in ("model", "epochs", "batch_size", "momentum", "lr", "weight_decay")},
        "operators": len({(row["pool"], row["params"]) for row in rows}),
        "train": f"{train:,}",
        "held": f"{round(train * recipe['val_fraction']):,}",
        "test": f"{test:,}",
        "parameters": f"{min(row['parameters'] for row in rows if row['parameters']):,}",
        "seeds": len(seeds),
        "cpu": machine["cpu"],
        "torch": machine["torch"],
        "poolzoo": metadata["poolzoo"],
        "minutes": sum(row["epoch_s"] or 0 for row in rows) / 60,
        "images": IMAGES,
        "note": f" {metadata['note']}" if metadata.get("note") else "",
        "shape": "x".join(map(str, SHAPE)),
        "size": size,
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fashion-mnist:/usr/share/datasets/fashion-mnist")
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--note", help="a sentence on the machine, for the page")
    parser.add_argument("--full", action="store_true", help="all images, ten epochs")
    parser.add_argument("--redraw", action="store_true", help="draw from the stored rows")
    given = parser.parse_args()
    if given.redraw:
        results = read_results()
    else:
        results = measure(given.data, given.work, FULL if given.full else SUBSET, given.seeds, given.jobs)
        results[0].metadata["note"] = given.note
    text, pictures = page(results)
    FOLDER.mkdir(exist_ok=True)
    write_whole(PAGE, text)
    write_whole(FOLDER / "results.json", "[\n" + ",\n".join(map(compact, results)) + "\n]\n")
    for name, picture in pictures.items():
        write_whole(FOLDER / name, to_png(picture.draw(), 1.5))
    sys.stderr.write(f"wrote {PAGE}\n")


if __name__ == "__main__":
    main()
