"""``poolzoo.load`` and ``poolzoo.report``: read results, and draw one page of several."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from poolzoo._console import Notice
from poolzoo._files import PAGE, suffix_among, write_whole
from poolzoo.analysis.results.result import Result as StudyResult
from poolzoo.analysis.results.store_file import TRAINING, application_of, is_store
from poolzoo.analysis.results.store_reader import StoreReader
from poolzoo.analysis.results.training_rows import TRAIN_KIND
from poolzoo.analysis.results.training_store import TrainingStore
from poolzoo.api.pictures import pictures_of_store
from poolzoo.api.result import Result
from poolzoo.reports.page.evidence import results_in_file
from poolzoo.reports.page.page import render_page
from poolzoo.reports.pictures.picture_book import PictureBook
from poolzoo.reports.pictures.picture_files import book_from_metadata
from poolzoo.reports.plots.all_plots import save_drawings


def load(path: str | os.PathLike[str], *, index: int | None = None) -> Result:
    """Read a result from a JSON file, a page, the store of a training, or that of a dataset run (a sample of its rows,
    and all summaries).

    Args:
        path: the file.
        index: the number of the result in a page, from 0; None if the page contains one.

    Raises:
        ValueError: not a result of poolzoo, a page with several results and no ``index``, or an ``index`` of a store.
        OSError: the file cannot be read.
    """
    name = os.fspath(path)
    if index is not None and is_store(Path(path)):
        raise ValueError(f"index={index}: {name} is a store, which is one result; only a page contains several")
    if application_of(Path(path)) == TRAINING:
        with TrainingStore.open(Path(path)) as trainings:
            return Result.of(trainings.result())
    if is_store(Path(path)):
        with StoreReader.open(Path(path)) as store:
            return Result.of(store.sample(), store=Path(path))
    found = results_in_file(name)
    if index is None and len(found) > 1:
        raise ValueError(f"{name}: contains {len(found)} results; index=0 to index={len(found) - 1} are allowed")
    if index is not None and not 0 <= index < len(found):
        raise ValueError(f"index={index}: {name} contains {len(found)} results; 0 to {len(found) - 1} are allowed")
    return Result.of(found[index or 0])


@dataclass
class Gathered:
    """The data of a page.

    Attributes:
        results: in the order in which they were given.
        sources: the name of each result, shown if there are several.
        pictures: of all of them.
    """

    results: list[StudyResult]
    sources: list[str]
    pictures: PictureBook


def gather(given: Iterable[str | os.PathLike[str] | Result]) -> Gathered:
    """Read the results of JSON files, pages and stores, with the pictures that belong to them.

    Raises:
        ValueError: not a result of poolzoo, or a store without scores.
        OSError: a file cannot be read.
    """
    found = Gathered([], [], PictureBook())
    for number, item in enumerate(given):
        own, name = ([item], f"result {number}") if isinstance(item, Result) else _read(item)
        found.results += own
        found.sources += [name] * len(own)
        for result in own:
            found.pictures.update(_pictures_of(result, item))
    return found


def _read(path: str | os.PathLike[str]) -> tuple[Sequence[StudyResult], str]:
    name = Path(path).name
    if not is_store(Path(path)):
        return results_in_file(path), name
    read = load(path)
    check_filled(read, path)
    return [read], name


def check_filled(read: StudyResult, path: str | os.PathLike[str]) -> None:
    """Check that the store of a run has rows; the result of a file may have none.

    Raises:
        ValueError: it has none; the message says what to run.
    """
    if not read.rows and is_store(Path(path)):
        lacking = "no epoch has been trained" if read.kind == TRAIN_KIND else "no image has been scored"
        command = "train" if read.kind == TRAIN_KIND else "compare --dataset"
        raise ValueError(f"{os.fspath(path)}: {lacking} yet; rerun its {command}")


def _pictures_of(result: StudyResult, item: str | os.PathLike[str] | Result) -> PictureBook:
    if isinstance(result, Result):
        return (pictures_of_store(result.store, result) if result.store else result.pictures) or PictureBook()
    assert not isinstance(item, Result)
    try:
        return book_from_metadata(result.metadata, Path(item).parent)
    except FileNotFoundError as error:
        told = f"{os.fspath(item)}: its picture {error.filename} is missing; none of its pictures are shown"
        warnings.warn(told, Notice, stacklevel=4)
        return PictureBook()


def report(
    results: str | os.PathLike[str] | Result | Iterable[str | os.PathLike[str] | Result],
    output: str | os.PathLike[str],
    *,
    save_plots: str | os.PathLike[str] | None = None,
) -> Path:
    """Write one HTML page of saved results: ``poolzoo report``. Several results of one kind are shown side by side.

    Args:
        results: JSON files, pages, stores of trainings and dataset runs, and results in memory.
        output: the page.
        save_plots: a folder for every plot, or None.

    Raises:
        ValueError: the output's name does not end in .html, or an input is not a result of poolzoo.
        OSError: a file cannot be read or written.
    """
    suffix_among(output, PAGE, "output")
    found = gather([results] if isinstance(results, (str, os.PathLike, Result)) else results)
    write_whole(output, render_page(found.results, found.pictures, found.sources))
    if save_plots is not None:
        Path(save_plots).mkdir(parents=True, exist_ok=True)
        save_drawings(Path(save_plots), found.results)
    return Path(output)
