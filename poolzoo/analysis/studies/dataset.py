"""A comparison over a folder of images, in many processes or on many machines, into one store.

Workers score the images (see ``workers``). Times are measured at the end, once per operator and state, in the main
process, when the workers are gone.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from poolzoo import engine
from poolzoo._console import Notice
from poolzoo.analysis.inputs.images import IMAGE_SUFFIXES, ImageError, suffix_of, without_images
from poolzoo.analysis.inputs.packed import Member, packed_files, read_members
from poolzoo.analysis.results.machine import cores, cpu_threads, describe_machine
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import check_metrics
from poolzoo.analysis.results.store import ImageFile, Plan, Store
from poolzoo.analysis.scoring.decoders import Decoders
from poolzoo.analysis.scoring.fitted_parameters import Fitted
from poolzoo.analysis.scoring.pool_modules import normal_spec, pick_baseline
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.scoring.round_trip import decoders_for
from poolzoo.analysis.scoring.runs import Run, make_runs, time_operators
from poolzoo.analysis.studies.compare import describe_comparison
from poolzoo.analysis.studies.workers import DaskWorkers, Job, LocalWorkers, Task, Workers, score_all


def find_files(folder: str, passed_over: Counter[str] | None = None) -> Iterator[ImageFile]:
    """Yield the images below ``folder``: each folder's files by name, then its folders by name.

    Images are known by their suffix; hidden files and folders are left out, and linked folders are not entered. Only
    one folder's names are in memory at a time. A link to an image that is itself below ``folder`` is left out; of
    several links to another image, only the first is used.

    Args:
        folder: where to look.
        passed_over: counts the files that are not images, by their suffixes.

    Raises:
        ImageError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise ImageError(f"{error.filename!r}: cannot be listed: {error.strerror}") from error

    root, targets = os.path.realpath(folder), set[str]()
    for where, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                continue
            if suffix_of(name) not in IMAGE_SUFFIXES:
                if passed_over is not None:
                    passed_over[suffix_of(name)] += 1
                continue
            path = os.path.join(where, name)
            if os.path.islink(path):
                target = os.path.realpath(path)
                if target in targets or _is_found_itself(target, root):
                    continue
                targets.add(target)
            try:
                about = os.stat(path)
            except OSError:  # a link to nothing: reading it will say so
                about = os.stat_result((0,) * 10)
            yield ImageFile(Path(os.path.relpath(path, folder)).as_posix(), about.st_size, about.st_mtime_ns)


def _is_found_itself(path: str, root: str) -> bool:
    """Return whether a file without links in its path is among the images below ``root``."""
    if not path.startswith(os.path.join(root, "")) or not os.path.isfile(path):
        return False
    parts = os.path.relpath(path, root).split(os.sep)
    return suffix_of(path) in IMAGE_SUFFIXES and not any(part.startswith(".") for part in parts)


def compare_dataset(
    folder: str,
    specs: Sequence[str],
    protocol: Protocol,
    path: Path,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    retry: bool = False,
    baseline: str | None = None,
    fits: Sequence[Fitted] = (),
    plugins: Sequence[str] = (),
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Pool every image of a folder with every operator and keep the rows in a store, or resume an earlier run.

    Args:
        folder: searched with its subfolders, see :func:`find_files`; or a zip, tar or Parquet file, or a range of
            shards, see :func:`~poolzoo.analysis.inputs.packed.read_members`.
        specs: operators as spec strings; a store's operators must be among them.
        protocol: how images are pooled, rebuilt and scored; operators are timed for the image of median size.
        path: the store: a new file, or one that this function made for the same folder and protocol.
        jobs: worker processes, by default one per core.
        scheduler: address of a Dask scheduler, whose workers are then used instead.
        retry: whether to score failures again.
        baseline: the spec that tables compare with; by default avg if it is there, else the first.
        fits: fitted parameters of operators, which get rows of their own.
        plugins: scripts or modules that register operators.
        on_step: called with the number of finished images and of all images without scores.

    Returns:
        The store's :meth:`~poolzoo.analysis.results.store.Store.sample`.

    Raises:
        ValueError: an unknown operator, a parameter that is not allowed, or a baseline that is not compared.
        ImageError: no such folder or file, one that cannot be read, or none with images.
        StoreError: the store cannot be used, or holds images that are no longer there.
        WorkerError: no workers, or they cannot do the work.
    """
    folder = _real_place(folder)
    timed, protocol = protocol.timed, replace(protocol, timed=False)  # not by the workers, nor image by image
    specs = tuple(dict.fromkeys(map(normal_spec, specs)))
    check_metrics(protocol.metrics)
    runs = make_runs(specs, protocol, fits=fits)  # what is wrong with them is known before anything is begun
    metadata = describe_comparison(specs, protocol, pick_baseline(specs, baseline), fits=fits)
    with Store.create(path, Plan(folder, asdict(protocol), specs, metadata, fits)) as store:
        total = _count_missing(folder, store, retry)
        if total:
            if decoders := _fit_decoders(protocol, runs):
                store.note_decoder(decoders.describe())
            job = Job(folder, protocol, tuple(fits), decoders, tuple(plugins))
            workers: Workers = DaskWorkers(scheduler) if scheduler else LocalWorkers(min(total, jobs or cores()))
            with contextlib.closing(workers):
                outcomes = score_all(job, _tasks(folder, store, retry), workers, _tell)
                for done, (task, outcome) in enumerate(outcomes, 1):
                    store.put(task.file, outcome.size, task.specs, outcome.rows)
                    if on_step:
                        on_step(done, total)
        if timed:
            _time_anew(store, specs, protocol, fits, scored=total > 0)
        return store.summarise()


def _real_place(given: str) -> str:
    if os.path.isdir(given):
        return os.path.realpath(given)
    if len(packed_files(given)) > 1:
        return os.path.join(os.path.realpath(os.path.dirname(given)), os.path.basename(given))
    return os.path.realpath(packed_files(given)[0])


def find_members(given: str, passed_over: Counter[str] | None = None) -> Iterator[ImageFile]:
    """Yield the images of a dataset, whichever of its forms it has, without reading them.

    Raises:
        ImageError: as :func:`find_files` and :func:`~poolzoo.analysis.inputs.packed.read_members`.
    """
    if os.path.isdir(given):
        yield from find_files(given, passed_over)
    else:
        yield from (member.file for member in read_members(given, passed_over, content=False))


def _tell(text: str) -> None:
    warnings.warn(text, Notice, stacklevel=5)


def _tasks(folder: str, store: Store, retry: bool) -> Iterator[Task]:
    if os.path.isdir(folder):
        members: Iterator[Member] = (Member(file) for file in find_files(folder))
    else:
        members = read_members(folder, wanted=lambda file: bool(store.missing(file, retry=retry)))
    for member in members:
        if missing := store.missing(member.file, retry=retry):
            yield Task(member.file, tuple(missing), member.content, member.problem)


def _time_anew(store: Store, specs: Sequence[str], protocol: Protocol, fits: Sequence[Fitted], *, scored: bool) -> None:
    """Time all operators if images were scored or the machine changed: all times are of one machine and size."""
    machine, size = describe_machine(), store.median_size()
    if size and (scored or store.timed_on != machine):
        store.note_times(machine, time_operators(specs, protocol, (1, 3, *size[::-1]), fits=fits))


def _fit_decoders(protocol: Protocol, runs: Sequence[Run]) -> Decoders | None:
    """Return the optimal decoders of all runs, or None if there are none; workers leave an image's own share out."""
    decoders = decoders_for(protocol, protocol.geometry(2))
    if decoders:
        # One thread, as workers have: sums in another order would be other rows where a run goes on elsewhere.
        with cpu_threads(1), engine.by_reference():
            decoders.fit_all(runs)
    return decoders


def _count_missing(folder: str, store: Store, retry: bool) -> int:
    """Return the number of images without scores; the store records the files that were passed over.

    Raises:
        ImageError: there are no images.
        StoreError: the store holds scores of images that are no longer there.
    """
    found = missing = 0
    passed_over: Counter[str] = Counter()
    held = None if os.path.isdir(folder) else set[str]()
    for file in find_members(folder, passed_over):
        found += 1
        if held is not None:
            held.add(file.name)
        missing += bool(store.missing(file, retry=retry))
    if not found:
        raise ImageError(
            without_images(f"{folder!r}: no images in it{' or its subfolders' if held is None else ''}", passed_over)
        )
    store.note_passed_over(passed_over)
    store.forget_gone(
        held.__contains__ if held is not None else lambda name: os.path.lexists(os.path.join(folder, name))
    )
    return missing
