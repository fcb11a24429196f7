"""Dataset runs: the rows are those of a plain comparison, whoever measures them and whatever dies meanwhile."""

from __future__ import annotations

import csv
import io
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import skimage.data
import torch
from PIL import Image

from poolzoo import cli, registry
from poolzoo.analysis.inputs.images import Source
from poolzoo.analysis.results import store as stores, store_reader
from poolzoo.analysis.results.schema import TIME_KEYS
from poolzoo.analysis.results.store import ImageFile, Store
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.scoring.runs import time_operators
from poolzoo.analysis.studies import dataset, workers
from poolzoo.analysis.studies.compare import compare
from poolzoo.analysis.studies.dataset import find_files
from poolzoo.analysis.studies.workers import Job, Outcome, Task, WorkerError, score_all, score_task

POOLS = ("avg", "softpool", "stochastic")
COMPARE = [sys.executable, "-m", "poolzoo", "compare", *(part for name in POOLS for part in ("--pool", name))]


class Inline:
    """Workers that work where they are asked; each task is done when it is submitted."""

    def __init__(self, jobs: int = 1) -> None:
        self.restarts = 0

    def submit(self, job: Job, task: Task) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        try:
            future.set_result(self.work(job, task))
        except Exception as error:
            future.set_exception(error)
        return future

    def work(self, job: Job, task: Task) -> Outcome:
        return score_task(job, task)

    def room(self) -> int:
        return 4

    def restart(self) -> None:
        self.restarts += 1

    def close(self) -> None:
        pass


@pytest.fixture
def inline(monkeypatch) -> None:
    monkeypatch.setattr(dataset, "LocalWorkers", Inline)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """24 small parts of a photograph in nested folders, and a file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    photo = skimage.data.coffee()
    for number in range(24):
        place = folder / ("even" if number % 2 == 0 else "odd/deep")
        place.mkdir(parents=True, exist_ok=True)
        top, left = 10 * number, 15 * number
        Image.fromarray(photo[top : top + 32, left : left + 33 + number % 3]).save(place / f"{number:02}.png")
    (folder / "odd" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more of it")
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def run(monkeypatch, capsys):
    """``poolzoo compare`` in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["poolzoo", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return (stop.value.code, *capsys.readouterr())

    return run


def rows_in(path: Path) -> list[dict]:
    """The rows without their times, which no two runs have in common."""
    with Store.open(path) as store:
        return [row | dict.fromkeys(TIME_KEYS) for row in store.rows()]


def score(folder: Path, path: Path, specs=POOLS, protocol: Protocol = Protocol(), **more) -> list[dict]:
    dataset.compare_dataset(str(folder), specs, protocol, path, **more)
    return rows_in(path)


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory) -> list[dict]:
    """What every run of POOLS over the folder must leave in its store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "LocalWorkers", Inline)
        return score(folder, tmp_path_factory.mktemp("expected") / "run.sqlite")


# Times


def test_operators_are_timed_once_for_the_image_of_median_size(tmp_path, inline, monkeypatch):
    photos, path = tmp_path / "photos", tmp_path / "run.sqlite"
    photos.mkdir()
    for name, size in (("a", (40, 30)), ("b", (21, 17)), ("c", (12, 14)), ("d", (12, 16))):
        Image.new("RGB", size).save(photos / f"{name}.png")
    (photos / "broken.png").write_bytes(b"no")
    timed: list[tuple] = []

    def spy(specs, protocol, shape, *, fits):
        timed.append(shape)
        return time_operators(specs, protocol, shape, fits=fits)

    monkeypatch.setattr(dataset, "time_operators", spy)
    specs = ["avg", "stochastic", "gated:channels=2"]
    result = dataset.compare_dataset(str(photos), specs, Protocol(metrics=("psnr",), timed=False), path)
    assert timed == [] and {summary.forward_s for summary in summarise(result)} == {None}
    for _ in range(2):
        result = dataset.compare_dataset(str(photos), specs, Protocol(metrics=("psnr",)), path)
        assert timed == [(1, 3, 16, 20)], "a store that is finished is timed once; b is cropped to 20x16"
    with Store.open(path) as store:
        rows = list(store.rows())
    seconds = {(row["pool"], row["state"]): row["forward_s"] for row in rows if row["error"] is None}
    assert set(seconds) == {("avg", "fixed"), ("stochastic", "train"), ("stochastic", "eval")}
    assert all(row["forward_s"] == seconds[row["pool"], row["state"]] for row in rows if row["error"] is None)
    assert all([row[key] for key in TIME_KEYS] == [None] * len(TIME_KEYS) for row in rows if row["error"])
    assert {s.label: s.timed for s in summarise(result) if s.scores} == dict.fromkeys(
        ("avg", "stochastic"), "1x3x16x20 float32 on cpu"
    )
    assert {(s.label, s.state): s.forward_s for s in summarise(result) if s.scores} == {
        (name, state): value for (name, state), value in seconds.items()
    }
    Image.new("RGB", (40, 32)).save(photos / "e.png")
    dataset.compare_dataset(str(photos), specs, Protocol(metrics=("psnr",)), path)
    assert timed[1:] == [(1, 3, 16, 20)], "all anew after every run that scored anything"
    monkeypatch.setattr(dataset, "describe_machine", lambda: {"cpu": "another"})
    dataset.compare_dataset(str(photos), specs, Protocol(metrics=("psnr",)), path)
    assert timed[2:] == [(1, 3, 16, 20)], "times are of the machine that the metadata names"


# Files


def test_files_are_found_in_order_below_the_folder(tmp_path):
    for name in ("b/2.png", "b/10.PNG", "a.jpg", ".hidden.png", ".git/x.png", "b/c/x.webp", "z.txt", "B.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "lost.png").symlink_to("nowhere")
    found = list(find_files(str(tmp_path)))
    assert [file.name for file in found] == ["B.tif", "a.jpg", "lost.png", "b/10.PNG", "b/2.png", "b/c/x.webp"]
    assert found[0] == ImageFile("B.tif", 5, (tmp_path / "B.tif").stat().st_mtime_ns)


def test_files_that_are_no_images_are_counted_below_the_folder(tmp_path):
    for name in ("a.png", "b/c.txt", "b/d.TXT", "e.xcf", ".git/f.txt", "README"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    passed_over = Counter()
    assert [file.name for file in find_files(str(tmp_path), passed_over)] == ["a.png"]
    assert passed_over == {".txt": 2, ".xcf": 1, "": 1}


def test_a_link_to_an_image_counts_once(tmp_path):
    """As for find_images: what counts is the file, whatever leads to it."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    for name in ("in/b/c.png", "in/.hidden/d.png", "out/e.png", "out/f.dat"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    (inside / "a.png").symlink_to("b/c.png")  # which is found itself
    (inside / "h1.png").symlink_to(".hidden/d.png")
    (inside / "h2.png").symlink_to(".hidden/d.png")
    (inside / "o1.png").symlink_to(outside / "e.png")
    (inside / "o2.png").symlink_to(inside / "o1.png")
    (inside / "o3.png").symlink_to(outside / "f.dat")
    (tmp_path / "door").symlink_to(inside)
    for root in (inside, tmp_path / "door"):
        assert [file.name for file in find_files(str(root))] == ["h1.png", "o1.png", "o3.png", "b/c.png"]


# Rows


def test_rows_are_those_of_a_comparison_with_every_operator(folder, tmp_path, inline):
    """Modules live longer than one image: no operator may carry anything over to the next."""
    part = tmp_path / "part"
    names = ["even/00.png", "odd/deep/01.png", "odd/broken.jpg"]
    for name in names:
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, part / name)
    specs = registry.expand_specs([])
    scored = ("psnr", "ssim", "mse")
    protocol = Protocol(3, 2, ("nearest", "bicubic"), "imagenet", scored, seed=3, seeds=2, padding=1, dilation=2)
    sources = [Source(name, part / name) for name in reversed(names)]
    plain = compare(sources, specs, protocol)
    for row in plain.rows:
        row |= dict.fromkeys(TIME_KEYS)
    rows = score(part, tmp_path / "run.sqlite", specs, protocol)
    key = ("image", "pool", "params", "state", "seed", "upsample")
    assert sorted(rows, key=lambda r: str([r[k] for k in key])) == sorted(
        plain.rows, key=lambda r: str([r[k] for k in key])
    )
    with Store.open(tmp_path / "run.sqlite") as store:
        own, theirs = ({(s.label, s.state, s.setting): s for s in summarise(r)} for r in (store.sample(), plain))
    assert own.keys() == theirs.keys()
    for name, summary in theirs.items():
        for metric, value in summary.scores.items():
            assert own[name].scores[metric].mean == pytest.approx(value.mean, rel=1e-12)
        assert own[name].rank == summary.rank


def test_a_broken_file_is_a_row_that_is_not_made_again_before_it_is_retried(folder, tmp_path, run, inline):
    mine, path = tmp_path / "photos", tmp_path / "run.sqlite"
    shutil.copytree(folder, mine)
    command = ("compare", "--dataset", mine, "--store", path, "--pool", "avg", "--metric", "psnr")
    code, out, err = run(*command)
    assert code == 1
    others, broken = err.splitlines()
    assert others == "--dataset: 25 images; passed over: 1 .txt"
    assert broken.startswith("poolzoo: 'odd/broken.jpg': ")
    assert "24 images" in out
    before = rows_in(path)
    shutil.copy(folder / "even/00.png", tmp_path / "good.jpg")
    os.utime(mine / "odd/broken.jpg", (1, 1))  # as new, and as broken
    assert run(*command)[0] == 1
    assert rows_in(path) == before
    os.replace(tmp_path / "good.jpg", mine / "odd/broken.jpg")
    assert run(*command)[0] == 0
    row = {r["image"]: r for r in rows_in(path)}
    assert row["odd/broken.jpg"]["psnr"] == row["even/00.png"]["psnr"]


def test_retry_scores_failures_again_and_nothing_else(folder, tmp_path, run, inline, monkeypatch):
    path = tmp_path / "run.sqlite"
    command = ("compare", "--dataset", folder, "--store", path, "--pool", "avg", "--metric", "psnr")
    run(*command)
    scored: list[str] = []
    work = Inline.work

    def watched(self: Inline, job: Job, task: Task) -> Outcome:
        scored.append(task.file.name)
        return work(self, job, task)

    monkeypatch.setattr(Inline, "work", watched)
    run(*command)
    assert scored == []
    run(*command, "--retry")
    assert scored == ["odd/broken.jpg"]


def test_added_operators_and_images_are_scored_alone(folder, tmp_path, expected, inline):
    mine, path = tmp_path / "photos", tmp_path / "run.sqlite"
    shutil.copytree(folder / "even", mine / "even")
    score(mine, path, POOLS[:1])
    score(mine, path, POOLS[:2])
    shutil.copytree(folder / "odd", mine / "odd")
    assert score(mine, path) == expected


def test_a_store_names_what_its_decoders_were_fitted_on_and_takes_rows_of_no_others(folder, tmp_path, inline):
    mine, training, path = tmp_path / "photos", tmp_path / "training", tmp_path / "run.sqlite"
    shutil.copytree(folder / "even", mine)
    training.mkdir()
    for name in ("02", "04", "06"):
        shutil.copy(folder / "even" / f"{name}.png", training / f"{name}.png")
    Image.new("RGB", (9, 30)).save(training / "small.png")
    protocol = Protocol(upsample=("optimal",), metrics=("psnr",), decoder_images=(str(training),))
    plain = compare([Source(p.name, p) for p in sorted(mine.iterdir())], ["avg"], protocol)
    rows = score(mine, path, ["avg"], protocol)
    assert [row["psnr"] for row in rows] == [row["psnr"] for row in plain.rows]
    assert {row["decoder_fitted_on"].partition(" images")[0] for row in rows} == {"3", "2 of 3"}
    (skipped,) = plain.metadata["decoder"]["skipped"]
    assert "small.png" in skipped
    for _ in range(2):  # also where nothing is left to do
        with Store.open(path) as store:
            assert store.sample().metadata["decoder"] == plain.metadata["decoder"]
        score(mine, path, ["avg"], protocol)
    (training / "06.png").unlink()
    with pytest.raises(stores.StoreError, match="fitted on 3 images, and the 2 of .* are no longer the same"):
        score(mine, path, ["avg", "max"], protocol)
    assert rows_in(path) == rows


# Workers that die


class Deadly(Inline):
    """Dies of some files, so many times."""

    def __init__(self, deaths: dict[str, int]) -> None:
        super().__init__()
        self.deaths = deaths

    def work(self, job: Job, task: Task) -> Outcome:
        if self.deaths.get(task.file.name, 0):
            self.deaths[task.file.name] -= 1
            raise BrokenProcessPool("killed")
        return Outcome([{"image": task.file.name}], (1, 1))


JOB = Job("/", Protocol())


def tasks(names: str) -> Iterator[Task]:
    return (Task(ImageFile(name, 0, 0), ("avg",)) for name in names)


def test_what_a_dead_worker_had_is_done_again_by_another():
    said: list[str] = []
    workers = Deadly({"c": 1, "f": 2})
    done = [(task.file.name, outcome.rows) for task, outcome in score_all(JOB, tasks("abcdefgh"), workers, said.append)]
    assert sorted(done) == [(name, [{"image": name}]) for name in "abcdefgh"]
    assert workers.restarts == len(said) == 3


def test_an_image_that_kills_every_worker_is_passed_over():
    done = {task.file.name: o.rows for task, o in score_all(JOB, tasks("abc"), Deadly({"b": 99}), lambda text: None)}
    assert sorted(done) == ["a", "b", "c"]
    assert done["b"][0]["error"] == "'b': the worker process died 3 times: killed, or out of memory"


def test_no_more_than_there_is_room_for_is_taken_from_the_folder():
    taken: list[str] = []

    def counted() -> Iterator[Task]:
        for task in tasks("abcdefghij"):
            taken.append(task.file.name)
            yield task

    for done, _ in enumerate(score_all(JOB, counted(), Deadly({}), lambda text: None)):
        assert len(taken) <= done + 5


@pytest.mark.parametrize(
    ("error", "said"),
    [(CancelledError(), "scheduler is gone"), (RuntimeError("odd\nthing"), "a worker failed: RuntimeError: odd thing")],
)
def test_workers_that_fail_otherwise_end_the_run_in_one_line(error, said):
    class Failing(Inline):
        def work(self, job: Job, task: Task) -> Outcome:
            raise error

    with pytest.raises(WorkerError, match=said):
        list(score_all(JOB, tasks("ab"), Failing(), lambda text: None))


def test_a_worker_of_another_version_or_without_the_folder_says_so(folder, tmp_path):
    task = Task(ImageFile("even/00.png", 0, 0), ("avg",))
    assert score_task(Job(str(folder), Protocol()), task).size == (32, 32)
    with pytest.raises(WorkerError, match=r"a worker has poolzoo .*, not 0\.0"):
        score_task(Job(str(folder), Protocol(), version="0.0"), task)
    with pytest.raises(WorkerError, match="does not see"):
        score_task(Job(str(tmp_path / "gone"), Protocol()), task)


# Processes

#: A run with one worker process that says each image that it has put, commits each at once, and stays at one of them.
SCRIPT = """
import sys, time
from pathlib import Path
from poolzoo.analysis.studies import dataset, workers
from poolzoo.analysis.results import store
from poolzoo.analysis.scoring.protocol import Protocol
if __name__ == "__main__":
    store.COMMIT_EVERY = 0
    path, folder, last, *specs = sys.argv[1:]
    def step(done, total):
        print(done, flush=True)
        if done == int(last):
            time.sleep(600)
    dataset.compare_dataset(folder, specs, Protocol(), Path(path), jobs=1, on_step=step)
"""


@pytest.mark.slow
def test_a_run_that_is_killed_three_times_ends_like_one_that_is_not(folder, tmp_path, expected, inline):
    draw, path = random.Random(5), tmp_path / "run.sqlite"
    seen = []
    for _ in range(3):
        steps = draw.randrange(1, 7)
        command = [sys.executable, "-c", SCRIPT, str(path), str(folder), str(steps + 1), *POOLS]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for _ in range(steps):
                process.stdout.readline()
            time.sleep(draw.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
        images = {row["image"] for row in rows_in(path)}
        seen.append(len(images))
        assert [r for r in expected if r["image"] in images] == rows_in(path), "whole images only"
    assert 0 < seen[0] < seen[1] < seen[2] < 25
    assert score(folder, path) == expected


def test_stopping_workers_that_have_tasks_waiting_is_silent(monkeypatch):
    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    workers = dataset.LocalWorkers(1)
    tasks = [workers._executor.submit(time.sleep, 0) for _ in range(5000)]
    manager = workers._executor._executor_manager_thread
    tasks[9].result()  # they are being taken one after the other
    workers.close()
    assert (manager.is_alive(), failed) == (False, [])


@pytest.mark.slow
def test_two_processes_give_the_same_rows_though_one_is_killed(folder, tmp_path, expected, monkeypatch, run):
    """Through the command line, with an operator of the user's own."""
    plugin, path = tmp_path / "my_pools.py", tmp_path / "run.sqlite"
    plugin.write_text(
        "from poolzoo import register_pool\n"
        "@register_pool('first', summary='s', formula='f', source='here')\n"
        "def first(a, mask):\n    return a[..., 0]\n"
    )
    started: list[dataset.LocalWorkers] = []

    class Watched(dataset.LocalWorkers):
        def __init__(self, jobs: int) -> None:
            super().__init__(jobs)
            started.append(self)

    puts = Store.put

    def put(self: Store, *arguments: object) -> None:
        puts(self, *arguments)
        if self._connection.execute("SELECT count(*) FROM images").fetchone() == (4,):
            os.kill(next(iter(started[0]._executor._processes)), signal.SIGKILL)

    monkeypatch.setattr(dataset, "LocalWorkers", Watched)
    monkeypatch.setattr(Store, "put", put)
    pools = [part for name in (*POOLS, "first") for part in ("--pool", name)]
    code, out, err = run(
        "--plugin", plugin, "compare", "--dataset", folder, "--store", path, "--jobs", 2, *pools, "--format", "csv"
    )
    assert code == 1, err
    assert "a worker process died" in err
    rows = rows_in(path)
    assert [row for row in rows if row["pool"] != "first"] == expected
    assert sum(row["pool"] == "first" and row["psnr"] > 5 for row in rows) == 24
    printed = list(csv.DictReader(io.StringIO(out)))
    assert [(row["image"], row["pool"]) for row in printed] == [(row["image"], row["pool"]) for row in rows]
    assert [float(row["ssim"]) for row in printed if row["ssim"]] == [row["ssim"] for row in rows if row["ssim"]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_rows_though_a_worker_is_killed(folder, tmp_path, expected, monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'poolzoo[dask]'")
    address = f"tcp://127.0.0.1:{free_port()}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    options = ["--no-dashboard", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]
    programs = [
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--host", address],
        *2 * [[sys.executable, "-m", "distributed.cli.dask_worker", address, *options]],
    ]
    processes = [subprocess.Popen(program, **quiet) for program in programs]
    worker = processes[1]
    puts = Store.put

    def put(self: Store, *arguments: object) -> None:
        puts(self, *arguments)
        if worker.poll() is None:
            worker.send_signal(signal.SIGKILL)

    monkeypatch.setattr(Store, "put", put)
    try:
        assert score(folder, tmp_path / "run.sqlite", scheduler=address) == expected
        assert worker.wait() == -signal.SIGKILL
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_scheduler_that_is_not_there_is_one_line(folder, tmp_path, run, monkeypatch):
    address = f"tcp://127.0.0.1:{free_port()}"
    command = (
        "compare",
        "--dataset",
        folder,
        "--store",
        tmp_path / "r.sqlite",
        "--pool",
        "avg",
        "--scheduler",
        address,
    )
    if pytest.importorskip("distributed"):
        monkeypatch.setattr(workers, "PATIENCE", 1)
        code, out, err = run(*command)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"--scheduler {address}: no scheduler answers" in err
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = run(*command)
    assert (code, err) == (2, "poolzoo: --scheduler needs Dask: pip install 'poolzoo[dask]'\n")
    assert not (tmp_path / "r.sqlite").exists(), "no store stays behind"


# The command line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "or --dataset is needed"),
        (["--dataset", "x"], "needs --store"),
        (["--store", "s.sqlite", "--image", "x"], "--store s.sqlite: not used with --image, only with --dataset"),
        (["--jobs", "2", "--image", "x"], "--jobs 2: not used with --image, only with --dataset"),
        (["--retry", "--image", "x"], "--retry: not used with --image, only with --dataset"),
        (["--dataset", "x", "--store", "s", "--image", "y"], "--image and --dataset exclude"),
        (["--dataset", "x", "--store", "s", "--save-images", "y"], "--save-images y: not used with --dataset"),
        (
            ["--dataset", "x", "--store", "s", "--jobs", "2", "--scheduler", "y"],
            "--jobs 2: not used with --scheduler",
        ),
        (["--dataset", "x", "--store", "s", "--jobs", "0"], "--jobs"),
        (["--dataset", "/nowhere", "--store", "s"], "'/nowhere': no such folder"),
        (["--dataset", "empty", "--store", "s"], "no images in it or its subfolders"),
        (["--dataset", "empty", "--store", "/nowhere/s"], "--store"),
        (["--dataset", "empty", "--store", "empty"], "is a folder"),
        (["--dataset", "empty", "--store", "s", "--pool", "lp:p=-1"], "p=-1"),
        (["--dataset", "empty", "--store", "s", "--pool", "avg", "--baseline", "max"], "--baseline 'max'"),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    code, out, err = run("compare", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "s").exists(), "no store stays behind"


def test_a_store_of_something_else_is_left_alone(run, folder, tmp_path):
    path = tmp_path / "run.sqlite"
    path.write_text("my diary " * 100)
    code, _, err = run("compare", "--dataset", folder, "--store", path, "--pool", "avg")
    assert (code, err) == (2, f"poolzoo: {path}: file is not a database: give --store a store or a new file name\n")
    assert path.read_text() == "my diary " * 100


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(run, folder, tmp_path, inline, monkeypatch, expected):
    path = tmp_path / "run.sqlite"
    puts = Store.put

    def put(self: Store, *arguments: object) -> None:
        """No page more than the first image took."""
        puts(self, *arguments)
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        self._connection.execute(f"PRAGMA max_page_count = {pages}")

    command = ("compare", "--dataset", folder, "--store", path, *(part for name in POOLS for part in ("--pool", name)))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", put)
        patch.setattr(stores, "COMMIT_EVERY", 0)
        code, out, err = run(*command)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert "disk is full: free some space and rerun the command" in err
    assert 0 < len(rows_in(path)) < len(expected)
    assert run(*command)[0] == 1
    assert rows_in(path) == expected


def test_an_interrupted_run_says_how_to_go_on(run, folder, tmp_path, inline, monkeypatch):
    path, work = tmp_path / "run.sqlite", Inline.work

    def interrupt(self: Inline, job: Job, task: Task) -> Outcome:
        if task.file.name.endswith("08.png"):
            raise KeyboardInterrupt
        return work(self, job, task)

    monkeypatch.setattr(Inline, "work", interrupt)
    code, _, err = run("compare", "--dataset", folder, "--store", path, "--pool", "avg")
    assert (code, err) == (130, f"poolzoo: stopped; rerun the command to resume from {path}\n")
    assert 0 < len(rows_in(path)) < 24


def test_a_report_of_a_store_whose_operators_are_not_registered_goes_without_pictures(run, folder, tmp_path, inline):
    path, page = tmp_path / "run.sqlite", tmp_path / "page.html"
    plan = stores.Plan(str(folder), {"upsample": ("bilinear",)}, ("mine",), {"metrics": ["psnr"], "baseline": "mine"})
    rows = score(folder, tmp_path / "other.sqlite", ("avg",))
    with Store.create(path, plan) as store:
        store.put(ImageFile("even/00.png", 1, 1), (32, 32), ("mine",), [rows[0] | {"pool": "mine"}])
    code, _, err = run("report", path, "--output", page)
    assert code == 0
    assert f"{path}: no pictures can be drawn: pool='mine': no such operator" in err
    assert "mine" in page.read_text()


def test_decoders_do_not_depend_on_the_number_of_threads(monkeypatch):
    threads: list[int] = []
    monkeypatch.setattr(dataset.Decoders, "fit_all", lambda self, runs: threads.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        dataset._fit_decoders(Protocol(upsample=("optimal",)), [])
        assert (threads, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_decoders_are_of_the_same_images_when_a_run_goes_on(run, folder, tmp_path, inline):
    training, path, mine = tmp_path / "training", tmp_path / "run.sqlite", tmp_path / "photos"
    shutil.copytree(folder / "even", training)
    shutil.copytree(folder / "odd" / "deep", mine)
    (training / "bad.png").write_bytes(b"none")
    command = ("compare", "--dataset", mine, "--store", path, "--pool", "avg", "--upsample", "optimal")
    command += ("--decoder-images", training)
    code, _, err = run(*command)
    assert (code, err.count("not fitted on: ")) == (0, 1)
    with Store.open(path) as store:
        assert len(store.metadata["decoder"]["images"]) == 12
    before = rows_in(path)
    shutil.copy(folder / "even" / "00.png", mine)
    (training / "02.png").unlink()
    code, out, err = run(*command)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "fitted on 12 images, and the 11 of --decoder-images are no longer the same" in err
    assert rows_in(path) == before


def test_a_report_shows_all_numbers_and_some_pictures(run, folder, tmp_path, inline):
    path, page, again = tmp_path / "run.sqlite", tmp_path / "page.html", tmp_path / "again.html"
    code, _, _ = run(
        "compare", "--dataset", folder, "--store", path, "--pool", "avg", "--pool", "max", "--report", page
    )
    assert code == 1
    text = page.read_text()
    assert "How much of 24 images survives" in text
    assert "2 pooling operators on 24 images</bdi></h1>" in text
    assert "1 of 49 rows" in text
    for said in ("18 further images are in the store only", "the store contains every row", "13 of 49 measured rows"):
        assert said in text
    assert "every row as it was measured" not in text
    shown = set(re.findall(r'alt="A cut-out of \d+ × \d+ pixels of ([^",]+\.png)', text))
    assert len(shown) == store_reader.IMAGES_SAMPLED
    assert run("report", path, "--output", again)[0] == 0
    assert again.read_text() == text
    shutil.copy(path, tmp_path / "copy.sqlite")
    assert run("report", path, tmp_path / "copy.sqlite", "--output", again)[0] == 0
    assert "24 images in common" in again.read_text(), "not those of the sample alone"


def test_a_report_of_a_store_without_images_says_so(run, tmp_path):
    path = tmp_path / "run.sqlite"
    plan = stores.Plan("/photos", {"upsample": ("bilinear",)}, ("avg",), {"metrics": ["psnr"], "baseline": "avg"})
    with Store.create(path, plan):
        pass
    code, _, err = run("report", path, "--output", tmp_path / "page.html")
    assert (code, err) == (2, f"poolzoo: {path}: no image has been scored yet; rerun its compare --dataset\n")


def test_a_report_goes_without_pictures_where_what_decoders_were_fitted_on_is_gone(run, folder, tmp_path, inline):
    training, path, page = tmp_path / "training", tmp_path / "run.sqlite", tmp_path / "page.html"
    shutil.copytree(folder / "odd" / "deep", training)
    arguments = ("--pool", "avg", "--upsample", "optimal", "--decoder-images", training, "--metric", "mae")
    run("compare", "--dataset", folder / "even", "--store", path, *arguments)
    assert run("report", path, "--output", page)[0] == 0
    assert "explorer-data" in page.read_text()
    shutil.rmtree(training)
    code, _, err = run("report", path, "--output", page)
    assert code == 0
    assert "none can be fitted on" in err and "the page has none" in err and "Traceback" not in err
    assert "How much of 12 images survives" in page.read_text() and "explorer-data" not in page.read_text()
