"""A comparison over a folder of images, in many processes or on many machines, into one store.

The unit of work is one image with all the operators that it still lacks: it is decoded once. Workers are processes of
joblib's loky or those of a Dask cluster; both are executors of :mod:`concurrent.futures`, with a bounded number of
images in flight, so that memory does not grow with the dataset. A row's scores are the same whoever measures them: each
worker computes with one thread, and operators draw by seed. Times are measured at the end, once per operator and state,
in the main process, when the workers are gone.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Empty
from typing import Any, Protocol as Interface

import torch

import poolzoo
from poolzoo import cuda, registry
from poolzoo.analysis.inputs.images import SUFFIXES, ImageError, Source, suffix_of, without_images
from poolzoo.analysis.inputs.samples import Picture
from poolzoo.analysis.results.machine import describe_machine
from poolzoo.analysis.results.schema import Result
from poolzoo.analysis.results.store import ImageFile, Plan, Store
from poolzoo.analysis.scoring.decoders import Decoders
from poolzoo.analysis.scoring.fitted_parameters import Fitted, note_scored
from poolzoo.analysis.scoring.image_metrics import check_metrics, use_one_thread
from poolzoo.analysis.scoring.pool_modules import normal_spec, one_line, pick_baseline
from poolzoo.analysis.studies.compare import (
    Protocol,
    Run,
    crop,
    decoders_for,
    describe_comparison,
    failed_image,
    make_runs,
    score_sample,
    time_operators,
)
from poolzoo.geometry import make_geometry

#: Images in flight for each worker: one that it works on, and what it needs to go on without waiting.
AHEAD = 3
#: How often an image is tried whose worker died, alone from the second time on.
TRIES = 3
#: What worker processes begin with. One thread each: as many processes as cores, and the same sums in the same order
#: everywhere. And glibc is to keep memory that was freed, for the next image needs as much: asking the system for it
#: anew, page by page, took a fifth of a worker's time.
WORKER_ENV = (
    dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    | dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(1 << 28))
    | {"PYTHONWARNINGS": "ignore"}
)
#: Seconds for which a cluster may be without workers before the first image.
PATIENCE = 60


@dataclass(frozen=True)
class Job:
    """What workers need to know beside the image.

    Attributes:
        folder: the dataset.
        protocol: of the comparison.
        fits: what operators learned, for rows of their own.
        decoders: fitted, where the protocol asks for optimal ones.
        plugins: what registers a user's operators, for :func:`poolzoo.registry.load_plugin`.
        version: of poolzoo, which workers must have too.
    """

    folder: str
    protocol: Protocol
    fits: tuple[Fitted, ...] = ()
    decoders: Decoders | None = None
    plugins: tuple[str, ...] = ()
    version: str = poolzoo.__version__


@dataclass(frozen=True)
class Task:
    """One image and the operators it lacks."""

    file: ImageFile
    specs: tuple[str, ...]
    tries: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a task: its rows, and the image's width and height, None where it could not be used."""

    rows: list[dict[str, Any]]
    size: tuple[int, int] | None


class WorkerError(ValueError):
    """Workers that cannot do the work: one line that says why."""


class Workers(Interface):
    """Where tasks run."""

    def submit(self, job: Job, task: Task) -> Future[Outcome]:
        """Start ``task``."""

    def room(self) -> int:
        """How many tasks may be in flight."""

    def restart(self) -> None:
        """Make submitting possible again after a worker died."""

    def close(self) -> None:
        """Stop what runs."""


def find_files(folder: str, passed_over: Counter[str] | None = None) -> Iterator[ImageFile]:
    """The images below ``folder``, each folder's files by name, then its folders by name.

    Known by their suffix; hidden files and folders are left out, linked folders are not entered. One folder's names
    are in memory at a time. A link to an image that is below ``folder`` itself is left out, and of several links to
    another one all but the first.

    Args:
        folder: where to look.
        passed_over: counts the files that are no images, by their suffixes.

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
            if suffix_of(name) not in SUFFIXES:
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
    """Whether a file without links in its path is among the images below ``root``."""
    if not path.startswith(os.path.join(root, "")) or not os.path.isfile(path):
        return False
    parts = os.path.relpath(path, root).split(os.sep)
    return suffix_of(path) in SUFFIXES and not any(part.startswith(".") for part in parts)


def score_task(job: Job, task: Task) -> Outcome:
    """The rows of one image; runs in a worker.

    Raises:
        WorkerError: this worker has another poolzoo, lacks a plugin or does not see the dataset.
    """
    if poolzoo.__version__ != job.version:
        raise WorkerError(f"a worker has poolzoo {poolzoo.__version__}, not {job.version}; install the same everywhere")
    # A Dask worker may run several tasks at once, but modules hold their generator.
    with _one_at_a_time, cuda.by_reference():
        torch.set_num_threads(1)
        registry.load_plugins(job.plugins)
        use_one_thread()
        geometry = make_geometry(2, job.protocol.kernel_size, job.protocol.stride)
        item = _picture(job, task)
        try:
            loaded = item.load()
            sample = replace(loaded, image=crop(loaded.image, item.name, geometry, job.protocol.metrics))
        except ImageError as error:
            if not os.path.isdir(job.folder):
                raise WorkerError(f"a worker does not see {job.folder!r}; it must lie there for all") from error
            return Outcome([failed_image(item, job.protocol, str(error))], None)
        except Exception as error:  # one file must not end the run, whatever a decoder makes of it
            return Outcome([failed_image(item, job.protocol, f"{item.name!r}: {one_line(error)}")], None)
        runs = [run for spec in task.specs for run in _runs(spec, job.protocol, job.fits)]
        held_out = job.decoders.without(loaded.image) if job.decoders else None
        rows = [row for group in score_sample(item, sample, runs, job.protocol, held_out) for row in group]
        note_scored(rows, loaded.image, job.fits)
        height, width = sample.image.shape[:2]
        return Outcome(rows, (width, height))


def _picture(job: Job, task: Task) -> Picture:
    return Picture(Source(task.file.name, Path(job.folder, task.file.name)))


_one_at_a_time = threading.Lock()


@functools.cache
def _runs(spec: str, protocol: Protocol, fits: tuple[Fitted, ...]) -> list[Run]:
    return make_runs([spec], protocol, fits=fits)


class LocalWorkers:
    """Processes of this machine, by joblib's loky: it notices when one is killed, also by the system for its memory.

    Args:
        jobs: how many.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._executor = self._start()

    def _start(self) -> Executor:
        from joblib.externals.loky import ProcessPoolExecutor

        # What loky's own process, which is started with the executor, has to say of a killed run concerns nobody.
        before = os.environ.get("PYTHONWARNINGS")
        os.environ["PYTHONWARNINGS"] = "ignore"
        try:
            executor: Executor = ProcessPoolExecutor(
                self._jobs, initializer=_begin, initargs=(os.getpid(),), env=WORKER_ENV
            )
        finally:
            os.environ.pop("PYTHONWARNINGS")
            if before is not None:
                os.environ["PYTHONWARNINGS"] = before
        return executor

    def submit(self, job: Job, task: Task) -> Future[Outcome]:
        return self._executor.submit(score_task, job, task)

    def room(self) -> int:
        return AHEAD * self._jobs

    def restart(self) -> None:
        for _ in range(TRIES):
            self.close()
            self._executor = self._start()
            with contextlib.suppress(BrokenProcessPool):
                return self._executor.submit(_ready).result()
        raise WorkerError(f"worker processes died {TRIES} times as they started: killed, or out of memory")

    def close(self) -> None:
        executor: Any = self._executor
        with contextlib.suppress(Empty):
            # Else loky's thread looks for tasks that it has just dropped, and dies of a KeyError.
            while True:
                executor._work_ids.get_nowait()
        executor.shutdown(wait=True, kill_workers=True)


def _ready() -> None:
    """Done by a worker that has all its modules."""


def _begin(parent: int) -> None:
    """Let a worker end with its main process, not before: Ctrl-C reaches all processes of a terminal."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """A killed main process tells nobody; its workers would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class DaskWorkers:
    """The workers of a Dask cluster, however many there are at the time; Dask itself runs anew what a lost one had.

    Args:
        address: of the scheduler, as ``tcp://host:8786``.

    Raises:
        WorkerError: Dask is not installed, nothing answers at ``address``, or no worker joins.
    """

    def __init__(self, address: str) -> None:
        try:
            import logging

            from distributed import Client
        except ImportError as error:
            raise WorkerError("--scheduler needs Dask: pip install 'poolzoo[dask]'") from error
        # What goes wrong is said here, in one line; these have levels of their own.
        for logger in ("distributed", "distributed.client", "tornado.application"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        try:
            self._client: Any = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise WorkerError(f"--scheduler {address}: no scheduler answers there: {one_line(error)}") from error
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            self._client.close()
            raise WorkerError(f"--scheduler {address}: it has no workers, and none joined in {PATIENCE} s") from error
        self._executor = self._client.get_executor(pure=False)
        self._asked, self._threads = -1e9, 1

    def submit(self, job: Job, task: Task) -> Future[Outcome]:
        future: Future[Outcome] = self._executor.submit(score_task, job, task)
        return future

    def room(self) -> int:
        if time.monotonic() - self._asked > 5:  # a cluster grows and shrinks
            self._threads = sum(self._client.nthreads().values())
            self._asked = time.monotonic()
        return AHEAD * max(1, self._threads)

    def restart(self) -> None:
        """Dask has done it."""

    def close(self) -> None:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._executor.shutdown(wait=False)
        self._client.close(timeout=5)


def score_all(
    job: Job, tasks: Iterable[Task], workers: Workers, say: Callable[[str], None]
) -> Iterator[tuple[Task, Outcome]]:
    """Every task with its outcome, in the order in which they finish.

    When a worker dies, what was in flight is done again, one image at a time, so that it shows which image it dies of;
    one that it dies of :data:`TRIES` times has an error for an outcome.

    Raises:
        WorkerError: workers cannot do the work, or die whatever they do.
    """
    waiting, suspects = iter(tasks), deque[Task]()
    in_flight: dict[Future[Outcome], Task] = {}
    broken = False
    while True:
        while not broken and len(in_flight) < (1 if suspects else workers.room()):
            task = suspects.popleft() if suspects else next(waiting, None)
            if task is None:
                break
            try:
                in_flight[workers.submit(job, task)] = task
            except BrokenProcessPool:  # a worker died since the last image
                suspects.appendleft(task)
                broken = True
        if not in_flight and not broken:
            return
        finished, _ = wait(in_flight, return_when=FIRST_COMPLETED)
        for future in finished:
            task = in_flight.pop(future)
            try:
                yield task, future.result()
            except Exception as error:
                if not _died(error):
                    raise _explained(error) from error
                broken = True
                again = replace(task, tries=task.tries + 1)
                if again.tries < TRIES:
                    suspects.append(again)
                else:
                    text = f"{task.file.name!r}: the worker process died {TRIES} times: killed, or out of memory"
                    yield task, Outcome([failed_image(_picture(job, task), job.protocol, text)], None)
        if broken and not in_flight:
            say("a worker process died (killed, or out of memory); what it had is scored again")
            workers.restart()
            broken = False


def _died(error: Exception) -> bool:
    """Whether the process that had the task is gone; Dask's error is known by name, for Dask may not be installed."""
    return isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker"


def _explained(error: Exception) -> WorkerError:
    if isinstance(error, WorkerError):
        return error
    if isinstance(error, CancelledError):
        return WorkerError("the Dask scheduler is gone; the same command goes on from here")
    return WorkerError(f"a worker failed: {one_line(error)}")


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
    command: str = "",
    on_step: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Result:
    """Pool every image below a folder with every operator and keep the rows in a store, or go on where that stopped.

    Args:
        folder: searched with its subfolders, see :func:`find_files`.
        specs: operators as spec strings; a store's operators must be among them.
        protocol: how images are pooled, rebuilt and scored; operators are timed for the image of median size.
        path: of the store; a new file, or one that this function made for the same folder and protocol.
        jobs: worker processes, by default one a core.
        scheduler: address of a Dask scheduler, whose workers are then used instead.
        retry: whether to score again what has failed before.
        baseline: the spec that tables compare with; by default avg if it is there, else the first.
        fits: what operators learned, see :func:`poolzoo.analysis.scoring.fitted_parameters.load_fitted`, for rows of
            their own.
        plugins: scripts or modules that register operators.
        command: the command line, for the metadata.
        on_step: called with the number of finished images and of all that were missing.
        say: called with a line on what happened meanwhile.

    Returns:
        The store's :meth:`~poolzoo.analysis.results.store.Store.sample`.

    Raises:
        ValueError: an unknown operator, a parameter that is not allowed, or a baseline that is not compared.
        ImageError: no such folder, or none with images.
        StoreError: the store cannot be used, or holds images that are no longer there.
        WorkerError: no workers, or they cannot do the work.
    """
    if not os.path.isdir(folder):
        raise ImageError(f"{folder!r}: no such folder; a dataset is a folder of images")
    folder = os.path.realpath(folder)
    timed, protocol = protocol.timed, replace(protocol, timed=False)  # not by the workers, nor image by image
    specs = tuple(dict.fromkeys(map(normal_spec, specs)))
    check_metrics(protocol.metrics)
    runs = make_runs(specs, protocol, fits=fits)  # what is wrong with them is known before anything is begun
    metadata = describe_comparison(specs, protocol, pick_baseline(specs, baseline), command, fits=fits)
    with Store.create(path, Plan(folder, asdict(protocol), specs, metadata, fits)) as store:
        total = _count_missing(folder, store, retry)
        if total:
            decoders = _fit_decoders(protocol, runs)
            if decoders:
                store.note_decoder(decoders.describe())
            job = Job(folder, protocol, tuple(fits), decoders, tuple(plugins))
            tasks = (
                Task(file, tuple(missing))
                for file in find_files(folder)
                if (missing := store.missing(file, retry=retry))
            )
            workers: Workers = DaskWorkers(scheduler) if scheduler else LocalWorkers(min(total, jobs or _cores()))
            with contextlib.closing(workers):
                for done, (task, outcome) in enumerate(score_all(job, tasks, workers, say), 1):
                    store.put(task.file, outcome.size, task.specs, outcome.rows)
                    if on_step:
                        on_step(done, total)
        machine = describe_machine()
        if timed and (size := store.median_size()) and (total or store.timed_on != machine):
            # All anew, so that they are of one machine and one size.
            store.note_times(machine, time_operators(specs, protocol, (1, 3, *size[::-1]), fits=fits))
        return store.sample()


def _fit_decoders(protocol: Protocol, runs: Sequence[Run]) -> Decoders | None:
    """The optimal decoders of all runs, if there are to be some; workers leave an image's own share out."""
    decoders = decoders_for(protocol, make_geometry(2, protocol.kernel_size, protocol.stride))
    if decoders:
        # One thread, as workers have: sums in another order would be other rows where a run goes on elsewhere.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with cuda.by_reference():
                decoders.fit_all(runs)
        finally:
            torch.set_num_threads(threads)
    return decoders


def _count_missing(folder: str, store: Store, retry: bool) -> int:
    """How many images are to be scored; the store keeps what was passed over.

    Raises:
        ImageError: there are no images.
        StoreError: the store holds scores of images that are no longer there.
    """
    found = missing = 0
    passed_over: Counter[str] = Counter()
    for file in find_files(folder, passed_over):
        found += 1
        missing += bool(store.missing(file, retry=retry))
    if not found:
        raise ImageError(without_images(f"{folder!r}: no images in it or below", passed_over))
    store.note_passed_over(passed_over)
    store.forget_gone(folder)
    return missing


def _cores() -> int:
    """Those that this process may use, which a container or taskset may have cut down."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
