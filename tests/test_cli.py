"""The command line as a user meets it: what it prints, how it exits, what it leaves on disk."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from poolzoo import cli, native, registry
from poolzoo.analysis.inputs.files import MAX_PIXELS

QUICK = ("--shape", "1x2x6x6", "--min-time", "0.0001")


class Cli:
    """Runs ``poolzoo`` in this process; ``code``, ``out`` and ``err`` are the last run's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Cli:
        self.monkeypatch.setattr(sys, "argv", ["poolzoo", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        self.code = stop.value.code
        self.out, self.err = self.capsys.readouterr()
        return self

    def fails(self, *said: str) -> None:
        """Exit code 2, nothing on stdout, and one line on stderr that says all of ``said``."""
        assert (self.code, self.out) == (2, ""), self.err
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        for words in said:
            assert words in self.err


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(skimage.data.coffee()[100:140, 200:250]).save(path)
    return path


# Help and lists


@pytest.mark.parametrize("command", [None, *cli.cli.commands])
def test_every_command_has_help_with_an_example(run, command):
    run(*filter(None, (command, "--help")))
    assert run.code == 0
    assert "Example" in run.out
    assert "  poolzoo " in run.out


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["compare", "--help"], ["--version"]])
def test_what_needs_no_numbers_imports_nothing_heavy(arguments):
    code = (
        "import sys; from poolzoo import cli; sys.argv = ['poolzoo', *sys.argv[1:]]\n"
        "try: cli.main()\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'seaborn', 'skimage', 'PIL', 'rich', 'jinja2'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "POOLZOO_PLUGINS"}
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


def listed(text: str) -> dict[str, list[str]]:
    """Return the names by heading."""
    groups = [group.splitlines() for group in text.split("\n\n")]
    return {heading.removesuffix(":"): [line.split()[0] for line in lines] for heading, *lines in groups}


def test_list_names_every_operator_under_its_family(run):
    expected: dict[str, list[str]] = {}
    for name in registry.list_pools():
        expected.setdefault(registry.pool_info(name).family, []).append(name)
    assert listed(run("list").out) == expected


def test_list_takes_a_pattern_and_a_family(run):
    assert listed(run("list", "*blur*").out) == {"anti-aliased": ["blur", "max_blur", "avg_blur", "adaptive_blur"]}
    assert listed(run("list", "--family", "averaging").out) == {"averaging": ["avg", "sum"]}
    power = {"generalised mean": ["power"]}
    for family in ("generalised mean", "generalised-mean"):
        assert listed(run("list", "p*", "--family", family).out) == power
        assert registry.list_pools("p*", family=family) == ["power"]


def test_list_of_nothing_is_an_error(run):
    run("list", "nosuch*").fails("nosuch*")
    run("list", "nosuch*", "--family", "heads").fails("nosuch*", "heads")
    run("list", "--family", "nosuch").fails("--family 'nosuch'", "averaging", "generalised-mean")


def test_doctor_names_torch_and_the_processor(run):
    lines = dict(line.split(None, 1) for line in run("doctor").out.splitlines())
    assert run.code == 0
    assert torch.__version__.startswith(lines["torch"])  # which may name a build of that version, as 2.13.0+cu130
    assert {"python", "cpu", "ninja", "nvcc", "cuda"} <= set(lines)


def test_build_says_where_it_built_and_doctor_finds_it(run):
    if native.why_not():
        pytest.skip(f"no native build here: {native.why_not()}")
    assert run("build").out.startswith("native cpu: built in ")
    assert all(name in run.out for name in registry.native_reducers())
    assert "at first use" not in run.out
    assert run("doctor").out.count("built in ") == 1


def test_a_build_that_cannot_be_is_one_line(run):
    if not native.why_not("cuda"):
        pytest.skip("CUDA operators can be built here")
    run("build", "--cuda")
    assert run.code == 2
    assert "native cuda operators cannot be built" in run.err


# Formats and files


def test_json_goes_to_stdout_alone(run, photo):
    run("compare", "--image", photo, "--pool", "avg", "--format", "json")
    data = json.loads(run.out)
    assert run.code == 0
    assert [row["pool"] for row in data["rows"]] == ["avg"]
    assert data["metadata"]["command"].startswith("poolzoo compare --image ")


def test_csv_has_a_line_a_row(run, photo):
    run("compare", "--image", photo, "--pool", "avg", "--pool", "lp:p=3,norm=sum", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(run.out)))
    assert [(row["pool"], row["params"]) for row in rows] == [("avg", ""), ("lp", "norm=sum,p=3")]


def test_the_table_is_sorted_best_first(run, photo):
    run("compare", "--image", photo, "--pool", "sum", "--pool", "avg", "--pool", "max")
    names = [line.split()[0] for line in run.out.splitlines() if line.startswith(("avg ", "max ", "sum "))]
    assert names == ["avg", "max", "sum"]


@pytest.mark.parametrize("suffix", ["json", "csv", "md", "txt"])
def test_the_files_suffix_says_the_format(run, photo, tmp_path, suffix):
    file = tmp_path / f"out.{suffix}"
    run("compare", "--image", photo, "--pool", "avg", "--output", file)
    text = file.read_text()
    starts = {"json": '{\n "metadata"', "csv": "image,pool,params"}
    assert text.startswith(starts.get(suffix, ""))
    assert ("|" in text) == (suffix == "md")
    assert "avg" in run.out, "the table is printed as well"


def test_profile_writes_what_report_draws(run, photo, tmp_path):
    compared, profiled, page = (tmp_path / name for name in ("compare.json", "profile.json", "page.html"))
    assert run("compare", "--image", photo, "--pool", "avg", "--pool", "max", "--output", compared).code == 0
    assert run("profile", "--pool", "avg", "--pool", "max", *QUICK, "--output", profiled).code == 0
    assert run("report", compared, profiled, "--output", page).code == 0
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert text.count("<h1") == 1


def test_saved_pictures_are_shown_by_report(run, photo, tmp_path):
    result, folder, page = tmp_path / "r.json", tmp_path / "pictures", tmp_path / "page.html"
    run("compare", "--image", photo, "--pool", "avg", "--output", result, "--save-images", folder)
    assert run.code == 0
    files = sorted(path.name for path in folder.rglob("*.png"))
    assert len(files) == 5, files
    assert run("report", result, "--output", page).code == 0
    assert 'id="explorer-data"' in page.read_text()


def test_a_report_needs_no_saved_pictures(run, photo, tmp_path):
    page = tmp_path / "page.html"
    assert run("compare", "--image", photo, "--pool", "avg", "--report", page).code == 0
    assert 'id="explorer-data"' in page.read_text()


def test_hostile_names_are_text_in_the_page(run, tmp_path):
    name = "<img src=x onerror=alert(1)>'\"&.png"
    Image.fromarray(skimage.data.coffee()[:20, :20]).save(tmp_path / name)
    page = tmp_path / "page.html"
    assert run("compare", "--image", tmp_path / name, "--pool", "avg", "--report", page).code == 0
    text = page.read_text()
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text


@pytest.mark.slow
def test_a_name_of_undecodable_bytes_can_be_printed_written_and_read_back(tmp_path):
    file = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(file, "wb") as stream:
        Image.fromarray(skimage.data.coffee()[:20, :20]).save(stream, "PNG")
    result, page = tmp_path / "out.json", tmp_path / "page.html"
    poolzoo = [sys.executable, "-m", "poolzoo"]
    compare = [*poolzoo, "compare", "--image", file, "--pool", "avg", "--output", result, "--report", page]
    subprocess.run(compare, check=True, capture_output=True)
    assert json.loads(result.read_text())["rows"][0]["image"].endswith("caf\udce9.png")
    subprocess.run([*poolzoo, "compare", "--image", file, "--pool", "avg", "--format", "csv"], check=True)
    subprocess.run([*poolzoo, "report", result, "--output", page], check=True)


def test_nothing_half_written_is_left(run, photo, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr(os, "replace", fail)
    run("compare", "--image", photo, "--pool", "avg", "--output", tmp_path / "out.json")
    assert run.code == 2
    assert "No space left on device" in run.err
    assert sorted(os.listdir(tmp_path)) == before


# Bad input


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pool", "sofpool"], ["sofpool", "softpool"]),
        (["--pool", "zz*"], ["zz*"]),
        (["--pool", "softpool:beta=x"], ["softpool", "beta='x'"]),
        (["--pool", "softpool:gamma=1"], ["gamma", "beta"]),
        (["--pool", "softpool:beta"], ["beta", "key=value"]),
        (["--pool", "lp:p=-1"], ["p=-1", "> 0"]),
        (["--kernel-size", "0"], ["--kernel-size", "at least 1"]),
        (["--kernel-size", "two"], ["--kernel-size", "two"]),
        (["--kernel-size", "2x2x2"], ["--kernel-size", "2x2x2"]),
        (["--stride", "-1"], ["--stride", "-1"]),
        (["--stride", "0"], ["--stride"]),
        (["--upsample", "cubic"], ["--upsample", "bicubic"]),
        (["--normalize", "caffe"], ["--normalize", "imagenet"]),
        (["--metric", "lpips"], ["--metric", "psnr"]),
        (["--seed", "-1"], ["--seed"]),
        (["--seeds", "0"], ["--seeds"]),
        (["--device", "warp"], ["--device", "warp"]),
        (["--baseline", "max", "--pool", "avg"], ["--baseline 'max'", "avg"]),
        (["--format", "xml"], ["--format", "json"]),
        (["--frobnicate"], ["--frobnicate"]),
        (["--output", "/nonexistent/x.json"], ["--output", "/nonexistent"]),
        (["--output", "page.html"], ["--output", "page.html", ".json", "--report"]),
        (["--report", "/nonexistent/x.html"], ["--report", "/nonexistent"]),
        (["--save-images", "/dev/null/x"], ["--save-images", "/dev/null/x"]),
        (["--kernel-size", "41"], ["50x40 pixels", "window"]),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(run, photo, arguments, said):
    run("compare", "--image", photo, *arguments).fails(*said)


@pytest.mark.parametrize("arguments", [["--gpu"], ["--device", "cuda"]])
def test_a_missing_gpu_is_said_and_never_worked_around(run, arguments):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    run("profile", *QUICK, *arguments).fails(arguments[0], "no usable GPU", "CUDA")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shape", "2x3"], ["--shape", "2x3"]),
        (["--shape", "2x3x0"], ["--shape"]),
        (["--gpu", "--device", "cpu"], ["--device and --gpu exclude each other"]),
        (["--dtype", "int8"], ["--dtype", "float32"]),
        (["--threads", "0"], ["--threads"]),
        (["--shape", "1x2x9", "--pool", "checkered"], ["checkered", "1 spatial"]),
        (["--shape", "1x2x9", "--pool", "check*"], ["check*", "1 spatial"]),
        (["--shape", "1x2x9", "--channels-last", "--pool", "avg"], ["--channels-last"]),
        (["--shape", "1x2x9", "--kernel-size", "2x2", "--pool", "avg"], ["--kernel-size"]),
        (["--shape", "1x2x1x1", "--pool", "avg"], ["too small"]),
    ],
)
def test_a_bad_workload_is_one_line_and_exit_code_2(run, arguments, said):
    run("profile", "--min-time", "0.0001", *arguments).fails(*said)


def write_bytes(content: bytes):
    return lambda path: path.write_bytes(content)


def write_bomb(path: Path) -> None:
    """A PNG that says it has 30000x30000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def write_truncated(path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(skimage.data.coffee()).save(stream, "JPEG")
    path.write_bytes(stream.getvalue()[:5000])


BROKEN = {
    "text": (write_bytes(b"just some text\n"), "not an image"),
    "empty": (write_bytes(b""), "empty"),
    "truncated": (write_truncated, "truncated"),
    "bomb": (write_bomb, f"{MAX_PIXELS}"),
    "one_pixel": (lambda path: Image.new("RGB", (1, 1)).save(path, "PNG"), "1x1"),
    "missing": (lambda path: None, "no such file"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_image_alone_is_one_line_and_exit_code_2(run, tmp_path, kind):
    make, said = BROKEN[kind]
    file = tmp_path / "broken.png"
    make(file)
    run("compare", "--image", file, "--pool", "avg").fails("broken.png", said)


def test_broken_images_in_a_batch_leave_the_good_ones_rows(run, photo, tmp_path):
    files = [photo]
    for kind, (make, _) in BROKEN.items():
        files.append(tmp_path / f"{kind}.png")
        make(files[-1])
    run("compare", *[part for file in files for part in ("--image", file)], "--pool", "avg", "--format", "json")
    rows = json.loads(run.out)["rows"]
    assert run.code == 1
    assert [row["error"] is None for row in rows] == [True] + [False] * len(BROKEN)
    assert all(f"{kind}.png" in run.err for kind in BROKEN)
    assert run.err.count("\n") == len(BROKEN)


def test_a_folder_without_images_is_one_line(run, tmp_path):
    run("compare", "--image", tmp_path).fails("without images")


@pytest.mark.parametrize("of_dataset", [False, True])
def test_files_of_a_folder_that_were_passed_over_are_said_and_kept(run, tmp_path, photo, of_dataset):
    folder = tmp_path / "photos"
    folder.mkdir()
    photo.rename(folder / "photo.png")
    for name in ("a.txt", "b.TXT", "c.xcf"):
        (folder / name).write_text("no picture")
    given = ("--dataset", folder, "--store", tmp_path / "run.sqlite") if of_dataset else ("--image", folder)
    run("compare", *given, "--pool", "avg", "--format", "json")
    option = "--dataset" if of_dataset else "--image"
    assert (run.code, run.err) == (0, f"{option}: 1 image; passed over: 2 .txt, 1 .xcf\n")
    assert json.loads(run.out)["metadata"]["passed_over"] == {".txt": 2, ".xcf": 1}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_image_gives_a_result(run, tmp_path, mode):
    file = tmp_path / f"image.{'tif' if mode in ('CMYK', 'PA') else 'png'}"
    grey = Image.fromarray(skimage.data.camera()[:32, :32])
    if mode == "I;16":
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(file)
    else:
        grey.convert("LA" if mode == "PA" else mode).save(file)
    run("compare", "--image", file, "--pool", "avg", "--format", "json")
    assert run.code == 0
    assert json.loads(run.out)["rows"][0]["psnr"] > 5


@pytest.mark.parametrize("content", ["", "{}", "no json"])
def test_a_file_that_is_no_result_is_one_line(run, tmp_path, content):
    file = tmp_path / "x.json"
    file.write_text(content)
    run("report", file, "--output", tmp_path / "page.html").fails("x.json")
    run("report", tmp_path / "gone.json", "--output", tmp_path / "page.html").fails("gone.json", "No such file")
    assert not (tmp_path / "page.html").exists()


# A user's own operator

PLUGIN = """
from poolzoo import register_pool

@register_pool("midrange", summary="middle of the extremes", formula="y = (min a + max a) / 2", source="this file")
def midrange(a, mask):
    low = a if mask is None else a.masked_fill(~mask, float("inf"))
    high = a if mask is None else a.masked_fill(~mask, float("-inf"))
    return (low.amin(-1) + high.amax(-1)) / 2
"""


@pytest.mark.slow
def test_an_operator_of_a_users_script_is_everywhere(photo, tmp_path):
    plugin, page = tmp_path / "my_pools.py", tmp_path / "page.html"
    plugin.write_text(PLUGIN)

    def poolzoo(*arguments: object) -> str:
        command = [sys.executable, "-m", "poolzoo", "--plugin", str(plugin), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "midrange" in poolzoo("list")
    compared = json.loads(poolzoo("compare", "--image", photo, "--report", page, "--format", "json"))
    assert "midrange" in {row["pool"] for row in compared["rows"]}
    assert "y = (min a + max a) / 2" in page.read_text()
    profiled = json.loads(poolzoo("profile", "--pool", "mid*", *QUICK, "--format", "json"))
    assert profiled["rows"][0]["error"] is None


@pytest.mark.parametrize("plugin", ["nosuch.py", "no_such_module"])
def test_a_plugin_that_is_not_there_is_one_line(run, plugin):
    run("--plugin", plugin, "list").fails(plugin)


def test_a_plugin_that_fails_is_one_line(run, tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0\n")
    run("--plugin", tmp_path / "bad.py", "list").fails("bad.py", "ZeroDivisionError")


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m poolzoo list | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
