"""What a command writes: whole or not at all, where it was told to, and never over what it or another option needs."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import skimage.data
from PIL import Image
from test_cli import QUICK

from poolzoo import _files
from poolzoo._files import CommandFiles, check_writable, write_all, write_whole

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond ``size`` bytes: the system's own way to be full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names() -> list[str]:
    return sorted(os.listdir())


# Where an output goes


@pytest.mark.parametrize("target", ["real.txt", "folder/real.txt", "link.txt"])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, target, there):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.txt").symlink_to("folder/real.txt")
    if there:
        Path(target).write_text("before")
    os.symlink(target, "out.txt")
    check_writable("out.txt", "--output")
    write_whole("out.txt", "after")
    assert Path("out.txt").is_symlink() and os.readlink("out.txt") == target
    assert Path("link.txt").is_symlink()
    assert Path(target).read_text() == "after"


def test_mode_and_owner_stay():
    file = Path("out.txt")
    file.write_text("before")
    if ROOT:
        os.chown(file, 4321, 1234)
    file.chmod(0o640)
    before = file.stat()
    write_whole(file, "after")
    after = file.stat()
    assert file.read_text() == "after"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_new_file_is_as_readable_as_any():
    Path("other.txt").touch()
    assert write_whole("new.txt", "x").stat().st_mode == Path("other.txt").stat().st_mode


def test_a_device_is_written_into_and_stays():
    os.symlink("/dev/null", "null")
    before = os.stat("/dev/null")
    for name in ("/dev/null", "null"):
        check_writable(name, "--output")
        write_whole(name, "x" * 100_000)
    after = os.stat("/dev/null")
    assert stat.S_ISCHR(after.st_mode) and after.st_ino == before.st_ino


def test_a_fifo_is_not_waited_for_until_there_is_something_to_write():
    os.mkfifo("fifo")
    check_writable("fifo", "--output")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("fifo").read_text()))
    reader.start()
    write_whole("fifo", "x" * 100_000)
    reader.join()
    assert read == ["x" * 100_000]
    assert stat.S_ISFIFO(os.stat("fifo").st_mode)


def test_a_reader_of_a_fifo_may_go_away():
    os.mkfifo("fifo")
    reader = threading.Thread(target=lambda: os.close(os.open("fifo", os.O_RDONLY)))
    reader.start()
    write_whole("fifo", ["x" * 100_000] * 10)
    reader.join()


def make_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)


REFUSED = {
    "folder": (os.mkdir, "is a folder"),
    "socket": (make_socket, "is a socket"),
    "loop": (lambda path: os.symlink(path, path), "symbolic links"),
    "block": (lambda path: os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 255)), "is a block device"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_file_is_refused_and_stays(kind):
    make, said = REFUSED[kind]
    try:
        make("out")
    except PermissionError:
        pytest.skip("only root makes devices")
    before = os.lstat("out")
    for write in (lambda: check_writable("out", "--output"), lambda: write_whole("out", "x")):
        with pytest.raises(ValueError, match=said):
            write()
    assert os.lstat("out").st_ino == before.st_ino


@pytest.mark.parametrize("name", ["no/out.txt", "x" * 300, "file/out.txt", ""])
def test_a_name_that_cannot_be_written_is_told_before_any_work(name):
    Path("file").touch()
    with pytest.raises(ValueError, match="^--output: "):
        check_writable(name, "--output")


@pytest.mark.skipif(ROOT, reason="root may write everything")
def test_a_file_that_may_not_be_written_is_not_replaced():
    file = Path("out.txt")
    file.touch(0o400)
    with pytest.raises(ValueError, match="Permission denied"):
        check_writable(file, "--output")


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "out.bin"])
def test_standard_output_is_an_output(name):
    code = f"from poolzoo._files import write_whole; print('first'); write_whole({name!r}, b'\\xff\\n'); print('last')"
    with open("out.bin", "wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert Path("out.bin").read_bytes() == b"first\n\xff\nlast\n"


# Whole or not at all


def test_a_full_disk_names_the_file_and_leaves_what_was_there():
    for name in ("a", "b"):
        Path(name).write_text("before")
    with largest_file(1000):
        for write in (
            lambda: write_whole("a", "x" * 2000),
            lambda: write_whole("a", iter(["x" * 500] * 4)),
            lambda: write_all([(Path("b"), "fits"), (Path("a"), "x" * 2000)]),
        ):
            with pytest.raises(OSError, match="a") as told:
                write()
            assert (told.value.errno, told.value.filename) == (errno.EFBIG, "a")
    assert names() == ["a", "b"]
    assert Path("a").read_text() == Path("b").read_text() == "before"


def test_an_error_in_what_is_written_leaves_nothing():
    def parts() -> Iterator[str]:
        yield "half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole("out.txt", parts())
    assert names() == []


def test_many_files_come_together_or_not_at_all():
    os.mkfifo("fifo")
    with pytest.raises(ValueError, match="'fifo' is not a regular file"):
        write_all([(Path("a"), "x"), (Path("fifo"), "x")])
    assert names() == ["fifo"]
    assert write_all([(Path("a"), "x"), (Path("b"), "y")]) == [Path("a"), Path("b")]
    assert (Path("a").read_text(), Path("b").read_text()) == ("x", "y")


# What one command reads and writes

SAME = {
    "itself": lambda: "in.txt",
    "spelling": lambda: "./folder/../in.txt",
    "absolute": lambda: os.path.abspath("in.txt"),
    "link": lambda: os.symlink("in.txt", "link.txt") or "link.txt",
    "hard link": lambda: os.link("in.txt", "link.txt") or "link.txt",
    "linked folder": lambda: os.symlink(".", "linked") or "linked/in.txt",
}


@pytest.mark.parametrize("way", SAME)
@pytest.mark.parametrize("first", ["read", "written"])
def test_an_output_is_no_input_by_whatever_name(way, first):
    os.mkdir("folder")
    Path("in.txt").touch()
    name = SAME[way]()
    files = CommandFiles()
    declare = [lambda: files.reads("--image", ["in.txt"]), lambda: files.writes("--output", Path(name))]
    declare[first == "written"]()
    with pytest.raises(ValueError, match=r"^--output '.*in.txt'|^--output 'link.txt'") as told:
        declare[first == "read"]()
    assert "--image 'in.txt'" in str(told.value)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("way", SAME)
def test_two_outputs_are_two_files(way, there):
    os.mkdir("folder")
    if there:
        Path("in.txt").touch()
    elif way == "hard link":
        pytest.skip("a hard link needs a file")
    files = CommandFiles()
    files.writes("--output", Path("in.txt"))
    with pytest.raises(ValueError, match=r"^--report .*--output"):
        files.writes("--report", Path(SAME[way]()))


@pytest.mark.parametrize("one", [True, False])
def test_case_counts_where_the_file_system_says_so(monkeypatch, one):
    monkeypatch.setattr(_files, "_is_one_name", lambda folder, first, second: one)
    files = CommandFiles()
    files.writes("--output", Path("Straße.json"))
    with pytest.raises(ValueError, match="--output writes too") if one else contextlib.nullcontext():
        files.writes("--report", Path("STRASSE.JSON"))


def test_the_file_system_is_asked_and_nothing_stays(tmp_path):
    Path("probe").touch()
    assert _files._is_one_name(tmp_path, "a.json", "A.json") == Path("PROBE").exists()
    assert names() == ["probe"]


def test_any_number_of_outputs_go_to_a_device_and_one_to_standard_output():
    files = CommandFiles()
    files.writes("--output", Path("/dev/null"))
    files.writes("--report", Path("/dev/null"))
    files.writes("--plot", Path("-"))
    assert files.stdout == "--plot"
    with pytest.raises(ValueError, match="--plot writes too"):
        files.writes("--gif", Path("-"))


def test_a_file_below_a_dataset_is_no_output(tmp_path):
    os.makedirs("data/sub")
    for name in ("data/sub/a.PNG", "data/notes.json", "elsewhere.png"):
        Path(name).touch()
    os.symlink("../../elsewhere.png", "data/sub/b.png")
    files = CommandFiles()
    files.writes("--output", Path("data/notes.json"))
    files.reads_below("--dataset", "data", (".png",))
    for name in ("data/sub/a.PNG", "elsewhere.png"):
        files = CommandFiles()
        files.writes("--output", Path(name))
        with pytest.raises(ValueError, match=r"the file that --dataset '.*' reads"):
            files.reads_below("--dataset", "data", (".png",))


def test_a_folder_of_outputs_spares_what_is_declared():
    Path("in.png").touch()
    files = CommandFiles()
    files.reads("--image", ["in.png"])
    files.writes("--output", Path("out.png"))
    folder = files.writes_folder("--save-plots", Path("."))
    Path("out.png").touch()
    files.spare("--save-plots", folder / "new.png")
    for name in ("in.png", "out.png"):
        with pytest.raises(ValueError, match=f"--save-plots: '{name}'"):
            files.spare("--save-plots", folder / name)


@pytest.mark.parametrize("folder", ["-", "out.json", "out.json/plots", "file"])
def test_a_folder_of_outputs_is_no_file(folder):
    Path("file").touch()
    files = CommandFiles()
    files.writes("--output", Path("out.json"))
    with pytest.raises(ValueError, match="--save-plots"):
        files.writes_folder("--save-plots", Path(folder))
    assert names() == ["file"]


# The commands


@pytest.fixture
def photo() -> Path:
    path = Path("photo.png")
    Image.fromarray(skimage.data.coffee()[100:140, 200:250]).save(path)
    return path


COMPARE = ("compare", "--pool", "avg", "--image", "photo.png")
SWEEP = ("sweep", "--pool", "softpool", "--over", "beta=1,2", "--image")
#: A command, the suffix of a file it reads as ``{}``, and the option that would write over it.
OVERWRITTEN = [
    *[
        ((*COMPARE, *reads, "{}"), suffix, option)
        for option, suffix in (("--output", ".json"), ("--report", ".html"))
        for reads in (
            ["--image"],
            ["--features", "resnet18:layer1", "--weights"],
            ["--fitted"],
            ["--upsample", "optimal", "--decoder-images"],
            ["--fit-images"],
        )
    ],
    *[
        (("compare", "--pool", "avg", option, "{}"), ".csv", "--output")
        for option in ("--video", "--volume")
    ],
    (("--plugin", "{}", *COMPARE, "--format", "table"), ".py", "--output"),
    (("compare", "--pool", "avg", "--dataset", "data", "--fitted", "{}"), ".sqlite", "--store"),
    (("fit", "--pool", "lip", "--images", "{}"), ".safetensors", "--output"),
    ((*SWEEP, "{}"), ".png", "--plot"),
    (("report", "{}"), ".html", "--output"),
    (("export", "{}"), ".json", "--output"),
    (("visualize", "weights", "--image", "{}"), ".png", "--output"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "suffix", "option"), OVERWRITTEN)
def test_an_input_is_no_output(run, photo, command, suffix, option, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # of a plugin, into the folder
    file = Path(f"in{suffix}")
    if suffix == ".py":
        file.write_text("")
    else:
        shutil.copy(photo, file)
    os.mkdir("data")
    before, there = file.read_bytes(), names()
    run(*(part.format(file) for part in command), option, f"./{file}").fails(option, str(file), "reads")
    assert (file.read_bytes(), names()) == (before, there)


@pytest.mark.parametrize(
    ("command", "first", "second"),
    [
        (("compare", "--dataset", "data"), ["--output", "x.json"], ["--store", "x.json"]),
        (("profile", *QUICK), ["--output", "-"], ["--report", "-"]),
        ((*SWEEP, "photo.png"), ["--report", "-"], ["--plot", "-"]),
        (("visualize", "checkered"), ["--output", "-"], ["--gif", "-"]),
    ],
)  # fmt: skip
def test_two_outputs_of_one_name_are_refused(run, photo, command, first, second):
    os.mkdir("data")
    there = names()
    run(*command, *first, *second).fails(f"that {first[0]} writes too")
    assert names() == there


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        (("report", "x.json", "--output", "s.csv"), ".html or .htm"),
        ((*COMPARE, "--report", "s.csv"), ".html or .htm"),
        ((*COMPARE, "--format", "json", "--output", "s.csv"), ".json"),
        ((*COMPARE, "--format", "csv", "--output", "s.html"), ".csv"),
        ((*COMPARE, "--output", "s.sqlite"), ".csv, .json, .md, .txt"),
        ((*COMPARE, "--format", "csv", "--output", "s.parquet"), ".csv"),
        (("fit", "--pool", "lip", "--images", "photo.png", "--output", "s.pt"), ".safetensors"),
        (("profile", *QUICK, "--report", "s"), ".html or .htm"),
    ],
)
def test_a_suffix_that_is_not_written_is_refused(run, photo, command, allowed):
    run(*command).fails(repr(command[-1]), allowed)
    assert names() == ["photo.png"]


def test_a_dash_prints_what_a_file_would_hold(run, photo):
    assert run(*COMPARE, "--format", "csv", "--output", "-").out.startswith("image,pool,params")
    page = run(*COMPARE, "--report", "-")
    assert page.out.startswith("<!DOCTYPE html>") and "avg" in page.err
    run(*COMPARE, "--format", "json", "--report", "-").fails("--report '-'", "standard output holds the json")
    run(*COMPARE, "--format", "csv", "--output", "./-")
    assert run.code == 0 and Path("-").read_text().startswith("image,pool,params")


def test_outputs_go_to_devices(run, photo):
    run(*COMPARE, "--output", "/dev/null", "--report", "/dev/null")
    assert (run.code, names()) == (0, ["photo.png"])
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("outputs", [["--output", "x.json"], ["--report", "x.html"], ["--save-plots", "x"]])
def test_a_full_disk_is_one_line_that_names_the_file(run, photo, outputs):
    os.mkdir("x")
    with largest_file(1000):
        run(*COMPARE, "--pool", "max", *outputs)
    assert run.code == 2
    last = run.err.splitlines()[-1]
    assert last.startswith(f"poolzoo: {outputs[1]}") and last.endswith(": File too large")
    assert (names(), os.listdir("x")) == (["photo.png", "x"], [])


def test_plots_never_replace_what_is_read(run, photo):
    photo.rename("retention.png")
    before = Path("retention.png").read_bytes()
    run("compare", "--image", "retention.png", "--pool", "avg", "--pool", "max", "--save-plots", ".")
    assert run.code == 2
    assert "--save-plots: 'retention.png' is the file of --image 'retention.png'" in run.err
    assert (names(), Path("retention.png").read_bytes()) == (["retention.png"], before)


def test_saved_images_never_replace_what_is_read(run, photo):
    os.makedirs("out/photo-png")
    shutil.copy(photo, "out/photo-png/original.png")
    run(*COMPARE, "--image", "out/photo-png/original.png", "--save-images", "out")
    assert run.code == 2
    assert "--save-images: 'out/photo-png/original.png' is the file of --image" in run.err


# Standard streams


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "> /dev/full", "2> /dev/full"])
def test_streams_that_cannot_be_written_bring_no_traceback(closed):
    command = f"{sys.executable} -m poolzoo list nosuch* {closed}; {sys.executable} -m poolzoo list {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    said = [] if "2>" in closed else ["poolzoo: pattern 'nosuch*': no operator matches; `poolzoo list` lists all"]
    if closed == "> /dev/full":
        said.append("poolzoo: standard output: No space left on device")
    assert done.stderr.splitlines() == said
    assert done.returncode == (2 if closed == "> /dev/full" else 0)


def test_libraries_are_quiet_and_poolzoo_warns_in_a_line():
    Path("noisy.py").write_text(
        "import logging, warnings\n"
        "warnings.warn('of a library')\n"
        "logging.getLogger('tifffile').warning('of a file without a name')\n"
        'warnings.warn("poolzoo\'s native CPU operators\\n are unavailable", RuntimeWarning)\n'
    )
    command = [sys.executable, "-m", "poolzoo", "--plugin", "noisy.py", "list", "avg"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "poolzoo: poolzoo's native CPU operators are unavailable\n"


def test_workers_start_though_standard_error_is_closed(photo):
    os.mkdir("data")
    photo.rename("data/photo.png")
    command = (
        f"{sys.executable} -m poolzoo compare --dataset data --store s.sqlite --jobs 1 --pool avg --metric psnr 2>&-"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "avg" in done.stdout


def test_a_comparison_with_all_streams_closed_writes_its_files(photo):
    command = f"{sys.executable} -m poolzoo {' '.join(COMPARE)} --output out.json >&- 2>&- <&-"
    subprocess.run(["bash", "-c", command], check=True)
    assert json.loads(Path("out.json").read_text())["rows"]
