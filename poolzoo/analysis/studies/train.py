"""Train one network with every operator, from several seeds, into one store; a stopped run is resumed.

A cell is an operator and a seed. Its unit of work is an epoch, after which its checkpoint is written and its rows are
stored. With several jobs, each is a process of its own that keeps its cell until the end; every process computes with
one thread, so that rows do not depend on the number of jobs.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import poolzoo
from poolzoo._console import Notice
from poolzoo.analysis.inputs.labelled import DataSet, load_data
from poolzoo.analysis.results.machine import cores, cpu_threads
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.training_rows import TrainingRow, empty_row
from poolzoo.analysis.results.training_store import TrainingPlan, TrainingStore
from poolzoo.analysis.scoring.pool_modules import describe_specs, normal_spec, pick_baseline, provenance
from poolzoo.analysis.studies.workers import TRIES, LocalWorkers, WorkerError
from poolzoo.analysis.training.cell import TrainingCell
from poolzoo.analysis.training.checkpoints import read_checkpoint, write_checkpoint
from poolzoo.analysis.training.distributed import Group, joined
from poolzoo.analysis.training.networks import make_model
from poolzoo.analysis.training.recipe import Recipe
from poolzoo.plugins import load_plugins

#: The name of an operator that leaves the network's pools as they are; its rows have no operator.
AS_GIVEN = "as given"


@dataclass(frozen=True)
class TrainingJob:
    """The data that all cells of a run share.

    Attributes:
        recipe: the settings.
        plan: the digest of the plan.
        checkpoints: the folder of the checkpoints.
        plugins: scripts or modules that register operators.
        version: the version of poolzoo that workers must have.
        data: the images, if they are in a file that workers can read; None for them to load the images themselves.
    """

    recipe: Recipe
    plan: str
    checkpoints: str
    plugins: tuple[str, ...] = ()
    version: str = poolzoo.__version__
    data: DataSet | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class CellTask:
    """One operator and one seed."""

    spec: str
    seed: int
    number: int

    def checkpoint(self, job: TrainingJob) -> Path:
        """Return the file of its checkpoint."""
        return Path(job.checkpoints, f"{self.number}-{self.seed}.safetensors")


@dataclass(frozen=True)
class Trained:
    """The rows of a cell so far, and whether it is finished."""

    rows: list[TrainingRow]
    finished: bool


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        epochs, total: finished epochs of this run, and those that it began with.
        row: of the latest epoch.
    """

    epochs: int
    total: int
    row: TrainingRow


Outcomes = Generator[tuple[CellTask, Trained], None, None]


@functools.lru_cache(maxsize=1)
def _data(recipe: Recipe) -> DataSet:
    return load_data(recipe.data, recipe.train_images, recipe.test_images)


#: The cell that this process trains: a run with one job, or a worker, goes on with it without reading its checkpoint.
_live: dict[tuple[TrainingJob, CellTask], TrainingCell] = {}


def train_epoch(job: TrainingJob, task: CellTask) -> Trained:
    """Train a cell's next epoch and write its checkpoint; runs in a worker.

    Raises:
        WorkerError: this worker has another poolzoo.
        ValueError: the checkpoint is damaged.
        OSError: the checkpoint cannot be written.
    """
    if poolzoo.__version__ != job.version:
        raise WorkerError(f"a worker has poolzoo {poolzoo.__version__}, not {job.version}")
    with cpu_threads(1):
        load_plugins(job.plugins)
        cell = _live.pop((job, task), None)
        _live.clear()
        if cell is None:
            data = job.data if job.data and job.data.can_be_shared else _data(job.recipe)
            cell = TrainingCell(job.recipe, data, task.spec, task.seed)
            if checkpoint := read_checkpoint(task.checkpoint(job), job.plan):
                cell.resume(checkpoint)
        if not cell.is_finished:
            cell.run_epoch()
            if cell.group.is_first:
                write_checkpoint(task.checkpoint(job), cell.to_checkpoint(job.plan))
        if not cell.is_finished:
            _live[job, task] = cell
        return Trained(list(cell.rows), cell.is_finished)


def train(
    recipe: Recipe,
    specs: Sequence[str],
    path: Path,
    *,
    seeds: int = 3,
    jobs: int | None = None,
    retry: bool = False,
    baseline: str | None = None,
    plugins: Sequence[str] = (),
    on_step: Callable[[Progress], None] | None = None,
) -> Result:
    """Train every cell that the store lacks.

    Args:
        recipe: the settings.
        specs: operators as spec strings; :data:`AS_GIVEN` leaves the network's own pools.
        path: the store: a new file, or one that this function made with the same settings. Checkpoints of unfinished
            cells are in a folder next to it, whose name ends in ``.checkpoints``.
        seeds: how many; they are 0, 1, ...
        jobs: processes; None means one per core, but one in all on a GPU.
        retry: whether to train failed cells again.
        baseline: the spec that others are held against; by default avg if it is there, else the first.
        plugins: scripts or modules that register operators.
        on_step: called after each epoch.

    Returns:
        All rows of the store.

    Raises:
        ValueError: data, a network or an operator that cannot be used, or a store of another study.
        WorkerError: a worker cannot do the work.
        OSError: the disk is full.
    """
    with joined(recipe.device) as group, contextlib.ExitStack() as at_end:
        at_end.callback(_data.cache_clear)  # the images and, of large folders, their file
        if group.world > 1:
            _check_group(recipe, jobs, group)
            jobs = 1
        if not group.is_first:
            return _follow(group)
        given: dict[str, Any] = {
            "jobs": jobs,
            "retry": retry,
            "baseline": baseline,
            "plugins": plugins,
            "on_step": on_step,
        }
        return group.from_first(_lead(recipe, specs, path, group, seeds=seeds, **given))


def _check_group(recipe: Recipe, jobs: int | None, group: Group) -> None:
    if jobs not in (None, 1):
        raise ValueError(f"jobs {jobs}: torchrun's {group.world} processes train one cell together; 1 is allowed")
    if recipe.batch_size % group.world:
        raise ValueError(f"batch_size {recipe.batch_size}: not a multiple of torchrun's {group.world} processes")


def _follow(group: Group) -> Result:
    """Train what the first process trains, and return its result."""
    nothing: Any = None
    for job, tasks in iter(lambda: group.from_first(nothing), None):
        for _ in _in_this_process(job, tasks):
            pass
    found: Result = group.from_first(nothing)
    return found


def _lead(
    recipe: Recipe,
    specs: Sequence[str],
    path: Path,
    group: Group,
    *,
    seeds: int,
    jobs: int | None,
    retry: bool,
    baseline: str | None,
    plugins: Sequence[str],
    on_step: Callable[[Progress], None] | None,
) -> Result:
    specs = tuple(dict.fromkeys("" if spec == AS_GIVEN else normal_spec(spec) for spec in specs))
    data = _data(recipe)
    for spec in specs:  # what cannot be made is known before anything is begun
        make_model(recipe.model, spec, 0, data.shape, data.classes)
    metadata = _metadata(recipe, data, specs, baseline)
    plan = TrainingPlan({**recipe.facts, "sha256": metadata["data_sha256"]}, specs, metadata)
    with TrainingStore.create(path, plan) as store:
        folder = Path(f"{path}.checkpoints")
        shared = data if data.can_be_shared else None
        job = TrainingJob(recipe, plan.digest, str(folder), tuple(plugins), data=shared)
        # Seed by seed, so that a run that is stopped early has all operators of its first seeds.
        tasks = [CellTask(spec, seed, store.number_of(spec)) for seed in range(seeds) for spec in specs]
        tasks = [task for task in tasks if not store.is_finished(task.spec, task.seed, retry=retry)]
        if retry:
            for task in tasks:
                _forget_failure(store, task, job)
        group.from_first((job, tasks))
        _run(store, job, tasks, jobs or (1 if torch.device(recipe.device).type == "cuda" else cores()), on_step)
        group.from_first(None)
        with contextlib.suppress(OSError):
            folder.rmdir()
        return store.result()


def _metadata(recipe: Recipe, data: DataSet, specs: Sequence[str], baseline: str | None) -> dict[str, object]:
    named = [spec for spec in specs if spec]
    chosen = "" if baseline == AS_GIVEN or not named else pick_baseline(named, baseline)
    return {
        **provenance(chosen),
        "pools": describe_specs(named),
        "recipe": recipe.facts,
        "images": [],
        "classes": data.classes,
        "image_shape": list(data.shape),
        "train_images": len(data.train),
        "test_images": len(data.test),
        "data_sha256": data.digest(),
        "device": recipe.device,
    }


def _forget_failure(store: TrainingStore, task: CellTask, job: TrainingJob) -> None:
    if any(row["error"] for row in store.rows_of(task.spec, task.seed)):
        task.checkpoint(job).unlink(missing_ok=True)


def _run(
    store: TrainingStore,
    job: TrainingJob,
    tasks: Sequence[CellTask],
    jobs: int,
    on_step: Callable[[Progress], None] | None,
) -> None:
    """Train the cells and store the rows of each epoch."""
    total = len(tasks) * job.recipe.epochs
    done: dict[CellTask, int] = {}
    outcomes = _in_this_process(job, tasks) if min(jobs, len(tasks)) <= 1 else _in_workers(job, tasks, jobs)
    with contextlib.closing(outcomes):
        for task, trained in outcomes:
            store.put(task.spec, trained.rows, finished=trained.finished)
            if trained.finished:
                task.checkpoint(job).unlink(missing_ok=True)
            done[task] = job.recipe.epochs if trained.finished else len(trained.rows)
            if on_step:
                on_step(Progress(sum(done.values()), total, trained.rows[-1]))


def _in_this_process(job: TrainingJob, tasks: Sequence[CellTask]) -> Outcomes:
    try:
        for task in tasks:
            finished = False
            while not finished:
                trained = train_epoch(job, task)
                finished = trained.finished
                yield task, trained
    finally:
        _live.clear()


def _in_workers(job: TrainingJob, tasks: Sequence[CellTask], jobs: int) -> Outcomes:
    """Yield every cell's rows after each of its epochs; each job keeps its cell until it is finished.

    A cell whose process dies is resumed in another one; if that happens :data:`TRIES` times, it gets an error row.
    """
    waiting, tries = deque(tasks), dict.fromkeys(tasks, 0)
    in_flight: dict[Future[Trained], tuple[CellTask, LocalWorkers]] = {}
    with contextlib.ExitStack() as stack:
        for _ in range(min(jobs, len(tasks))):
            workers = stack.enter_context(contextlib.closing(LocalWorkers(1, train_epoch)))
            task = waiting.popleft()
            in_flight[workers.submit(job, task)] = task, workers
        while in_flight:
            for future in wait(in_flight, return_when=FIRST_COMPLETED)[0]:
                task, workers = in_flight.pop(future)
                trained: Trained | None
                try:
                    trained = future.result()
                except BrokenProcessPool:
                    tries[task] += 1
                    _tell(f"the process of {task.spec or AS_GIVEN}, seed {task.seed}, died (killed, or out of memory)")
                    workers.restart()
                    trained = Trained([_died(job, task)], True) if tries[task] == TRIES else None
                if trained:
                    yield task, trained
                if trained is None or not trained.finished:
                    in_flight[workers.submit(job, task)] = task, workers
                elif waiting:
                    task = waiting.popleft()
                    in_flight[workers.submit(job, task)] = task, workers


def _died(job: TrainingJob, task: CellTask) -> TrainingRow:
    row = empty_row(job.recipe.data, job.recipe.model, task.spec, task.seed, 1)
    row["error"] = f"its process died {TRIES} times: killed, or out of memory"
    return row


def _tell(text: str) -> None:
    warnings.warn(text, Notice, stacklevel=6)
