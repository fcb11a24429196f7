"""The workers that score the images of a dataset: processes of this machine, or of a Dask cluster.

The unit of work is one image with all the operators that it still lacks: it is decoded once. Workers are processes of
joblib's loky or of a Dask cluster; both are executors of :mod:`concurrent.futures`, with a bounded number of images in
flight, so that memory does not grow with the dataset. Scores do not depend on the worker: each computes with one
thread, and stochastic operators are seeded.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty
from typing import Any, Protocol as Interface

import torch

import poolzoo
from poolzoo import engine
from poolzoo.analysis.inputs.images import ImageError, Source
from poolzoo.analysis.inputs.samples import Picture
from poolzoo.analysis.results.rows import Row, one_line
from poolzoo.analysis.results.store import ImageFile
from poolzoo.analysis.scoring.decoders import Decoders
from poolzoo.analysis.scoring.fitted_parameters import Fitted, note_scored
from poolzoo.analysis.scoring.image_metrics import use_one_thread
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.scoring.round_trip import failed_image, load_cropped, score_sample
from poolzoo.analysis.scoring.runs import Run, make_runs
from poolzoo.plugins import load_plugins

#: Images in flight for each worker: the one that it works on, and the next ones, so that it need not wait.
AHEAD = 3
#: How often an image is tried if its worker dies; from the second time on, alone.
TRIES = 3
#: The environment of worker processes. They have one thread each, because there are as many processes as cores, and so
#: that sums have the same order everywhere. glibc keeps memory that was freed, because the next image needs as much:
#: requesting it from the system again, page by page, took a fifth of a worker's time.
WORKER_ENV = (
    dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    | dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(1 << 28))
    | {"PYTHONWARNINGS": "ignore"}
)
#: Seconds for which a cluster may be without workers before the first image.
PATIENCE = 60


@dataclass(frozen=True)
class Job:
    """The data that all tasks of a run share.

    Attributes:
        folder: the dataset.
        protocol: of the comparison.
        fits: fitted parameters of operators, which get rows of their own.
        decoders: the fitted optimal decoders, or None.
        plugins: scripts or modules that register operators, for :func:`poolzoo.plugins.load_plugin`.
        version: the version of poolzoo that workers must have.
    """

    folder: str
    protocol: Protocol
    fits: tuple[Fitted, ...] = ()
    decoders: Decoders | None = None
    plugins: tuple[str, ...] = ()
    version: str = poolzoo.__version__


@dataclass(frozen=True)
class Task:
    """One image and the operators it lacks.

    Attributes:
        file: the image.
        specs: the operators.
        content: the bytes of an image that lies in a packed file, else None.
        problem: why its bytes could not be read there, else empty.
        tries: how often its worker process has ended during this task.
    """

    file: ImageFile
    specs: tuple[str, ...]
    content: bytes | None = field(default=None, repr=False)
    problem: str = ""
    tries: int = 0


@dataclass(frozen=True)
class Outcome:
    """The result of a task: its rows, and the image's width and height, None if it could not be used."""

    rows: list[Row]
    size: tuple[int, int] | None


class WorkerError(ValueError):
    """Workers cannot do the work; the message is one line with the reason."""


class Workers(Interface):
    """The place where tasks run."""

    def submit(self, job: Job, task: Task) -> Future[Outcome]:
        """Start ``task``."""

    def room(self) -> int:
        """Return how many tasks may be in flight."""

    def restart(self) -> None:
        """Make submitting possible again after a worker died."""

    def close(self) -> None:
        """Stop all workers."""


def score_task(job: Job, task: Task) -> Outcome:
    """Return the rows of one image; runs in a worker.

    Raises:
        WorkerError: this worker has another poolzoo, lacks a plugin or does not see the dataset.
    """
    if poolzoo.__version__ != job.version:
        raise WorkerError(f"a worker has poolzoo {poolzoo.__version__}, not {job.version}; install the same everywhere")
    # A Dask worker may run several tasks at once, but modules hold their generator.
    with _one_at_a_time, engine.by_reference():
        torch.set_num_threads(1)
        load_plugins(job.plugins)
        use_one_thread()
        geometry = job.protocol.geometry(2)
        item = _picture(job, task)
        if task.problem:
            return Outcome([failed_image(item, job.protocol, f"{item.name!r}: {task.problem}")], None)
        try:
            loaded, sample = load_cropped(item, geometry, job.protocol.metrics)
        except ImageError as error:
            if task.content is None and not os.path.isdir(job.folder):
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
    return Picture(Source(task.file.name, Path(job.folder, task.file.name), content=task.content))


_one_at_a_time = threading.Lock()


@functools.cache
def _runs(spec: str, protocol: Protocol, fits: tuple[Fitted, ...]) -> list[Run]:
    return make_runs([spec], protocol, fits=fits)


class LocalWorkers:
    """Processes of this machine, by joblib's loky, which notices killed processes, also when they ran out of memory.

    Args:
        jobs: how many.
        work: what a worker does with a job and a task.
    """

    def __init__(self, jobs: int, work: Callable[[Any, Any], Any] = score_task) -> None:
        self._jobs, self._work = jobs, work
        self._executor = self._start()

    def _start(self) -> Executor:
        from joblib.externals.loky import ProcessPoolExecutor

        # loky starts a process of its own with the executor; its warnings after a killed run are of no use.
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

    def submit(self, job: Any, task: Any) -> Future[Any]:
        return self._executor.submit(self._work, job, task)

    def room(self) -> int:
        return AHEAD * self._jobs

    def restart(self) -> None:
        for _ in range(TRIES):
            self.close()
            self._executor = self._start()
            with contextlib.suppress(BrokenProcessPool):
                return self._executor.submit(_ready).result()
        raise WorkerError(f"worker processes died {TRIES} times at startup: killed, or out of memory")

    def close(self) -> None:
        executor: Any = self._executor
        with contextlib.suppress(Empty):
            # Otherwise loky's thread looks for tasks that it has just dropped, and ends with a KeyError.
            while True:
                executor._work_ids.get_nowait()
        executor.shutdown(wait=True, kill_workers=True)


def _ready() -> None:
    """Do nothing; a worker that returns from it has imported all modules."""


def _begin(parent: int) -> None:
    """Make a worker end only with its main process, because Ctrl-C reaches all processes of a terminal."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this worker when its main process is gone; otherwise it would wait for work forever."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class DaskWorkers:
    """The workers of a Dask cluster, whose number may change; Dask itself repeats the tasks of a lost worker.

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
        """Do nothing: Dask replaces lost workers itself."""

    def close(self) -> None:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._executor.shutdown(wait=False)
        self._client.close(timeout=5)


def score_all(
    job: Job, tasks: Iterable[Task], workers: Workers, say: Callable[[str], None]
) -> Iterator[tuple[Task, Outcome]]:
    """Yield every task with its outcome, in the order in which they finish.

    When a worker dies, the tasks in progress are repeated one at a time, to find the image that kills it. An image that
    kills its worker :data:`TRIES` times gets an error row.

    Raises:
        WorkerError: workers cannot do the work, or die on every task.
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
            say("a worker process died (killed, or out of memory); its images are scored again")
            workers.restart()
            broken = False


def _died(error: Exception) -> bool:
    """Return whether the task's process is gone. Dask may not be installed, so its error is known by its name."""
    return isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker"


def _explained(error: Exception) -> WorkerError:
    if isinstance(error, WorkerError):
        return error
    if isinstance(error, CancelledError):
        return WorkerError("the Dask scheduler is gone; rerun the command to resume")
    return WorkerError(f"a worker failed: {one_line(error)}")
