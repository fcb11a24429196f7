"""Building on first use: once among processes, never half, never in the way, with a line that says what happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from poolzoo import native

POOL = """
import torch, poolzoo
y = poolzoo.functional.soft_pool2d(torch.arange(16.0).reshape(1, 1, 4, 4), 2)
expected = poolzoo.functional.soft_pool2d(torch.arange(16.0).reshape(1, 1, 4, 4), 2, backend="reference")
torch.testing.assert_close(y, expected)
y = poolzoo.functional.soft_pool2d(torch.ones(1, 1, 4, 4), 2)
print("native" if poolzoo.native.available() else "reference: " + poolzoo.native.why_not())
"""
needs_compiler = pytest.mark.skipif(bool(native.why_not()), reason=f"no native build here: {native.why_not()}")


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Starts a process that pools, with a cache of its own. What it builds is not optimised: that takes a third."""
    compiler = tmp_path_factory.mktemp("compiler") / "c++"
    compiler.write_text(f'#!/bin/sh\nexec {os.environ.get("CXX", "c++")} "$@" -O0\n')
    compiler.chmod(0o755)

    def start(cache: Path, **environment: str) -> subprocess.Popen[str]:
        ours = {"POOLZOO_CACHE": str(cache), "OMP_NUM_THREADS": "1", "CXX": str(compiler)}
        given, pipes = {**os.environ, **ours, **environment}, {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([sys.executable, "-c", POOL], env=given, text=True, start_new_session=True, **pipes)

    return start


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip(), err


def libraries(cache: Path) -> list[Path]:
    return sorted(cache.glob("*/*.so"))


@pytest.mark.slow
@needs_compiler
def test_two_processes_build_once_and_a_third_not_at_all(start, tmp_path):
    both = [finish(process) for process in [start(tmp_path), start(tmp_path)]]
    assert [out for out, _ in both] == ["native", "native"]
    assert sorted("building the native CPU softpool, once" in err for _, err in both) == [False, True]
    (library,) = libraries(tmp_path)
    assert finish(start(tmp_path)) == ("native", "")
    os.truncate(library, library.stat().st_size // 2)  # where the loader would read, SIGBUS ends the process
    out, err = finish(start(tmp_path))
    assert out == "native" and f"{library} is damaged" in err and "built in" in err


def damage_nothing(library: Path) -> None:
    pass


def empty(library: Path) -> None:
    library.write_bytes(b"")


def turn_a_bit(library: Path) -> None:
    content = bytearray(library.read_bytes())
    content[-1] ^= 1
    library.write_bytes(content)


def unlink_digest(library: Path) -> None:
    library.with_suffix(".sha256").unlink()


def spoil_digest(library: Path) -> None:
    library.with_suffix(".sha256").write_bytes(b"\xff" * 64)


@pytest.mark.parametrize(
    ("damage", "builds"),
    [
        (damage_nothing, 1),
        (Path.unlink, 2),
        (empty, 2),
        (turn_a_bit, 2),
        (unlink_digest, 2),
        (spoil_digest, 2),
    ],
)
def test_what_is_not_as_it_was_built_is_built_again(tmp_path, monkeypatch, damage, builds):
    from poolzoo.native import libraries

    library, built, loaded = tmp_path / "key" / "poolzoo_cpu_softpool.so", [], []

    def build(operator: str, work: Path) -> None:
        built.append(operator)
        (work / "any.so").write_bytes(b"whole")

    monkeypatch.setattr(torch.ops, "load_library", lambda path: loaded.append(path.read_bytes()))
    monkeypatch.setattr(libraries, "_library", lambda device, operator: library)
    assert "built in" not in libraries.status("cpu")
    libraries._load("CPU", "softpool", library, build)
    damage(library)
    assert ("built in" in libraries.status("cpu")) == (builds == 1)
    libraries._load("CPU", "softpool", library, build)
    assert "built in" in libraries.status("cpu")
    assert library.read_bytes() == b"whole" and built == ["softpool"] * builds
    if builds == 1:
        assert loaded == [b"whole"]


@pytest.mark.slow
@needs_compiler
def test_a_build_killed_half_way_is_done_again(start, tmp_path):
    process = start(tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*/work/build.ninja")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert list(tmp_path.glob("*/work")) and not libraries(tmp_path)
    out, err = finish(start(tmp_path))
    assert out == "native" and "built in" in err
    assert not list(tmp_path.glob("*/work"))


@pytest.mark.slow
@needs_compiler
def test_an_unwritable_cache_costs_a_build_for_this_process_alone(start, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    out, err = finish(start(blocked, TMPDIR=str(tmp_path)))
    assert out == "native"
    assert f"cannot write to {blocked}" in err
    assert not list(tmp_path.glob("poolzoo-*")), "left behind"


@pytest.mark.slow
@needs_compiler
def test_a_cache_of_other_sources_or_flags_is_not_loaded(start, tmp_path):
    (tmp_path / "cpu-0123456789").mkdir()
    (tmp_path / "cpu-0123456789" / "poolzoo_cpu.so").write_bytes(b"of another torch")
    assert finish(start(tmp_path))[0] == "native"


def test_the_key_depends_on_capability_compiler_torch_and_sources(monkeypatch, tmp_path):
    from poolzoo.native import libraries

    keys = {libraries.cpu_key("softpool")}
    with monkeypatch.context() as patch:
        patch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
        keys.add(libraries.cpu_key("softpool"))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "2.10.0")
        keys.add(libraries.cpu_key("softpool"))
    with monkeypatch.context() as patch:
        patch.setenv("CXX", "another")
        keys.add(libraries.cpu_key("softpool"))
    for source in libraries.NATIVE.iterdir():
        if source.suffix in (".h", ".cpp"):
            (tmp_path / source.name).write_bytes(source.read_bytes() + b" ")
    with monkeypatch.context() as patch:
        patch.setattr(libraries, "NATIVE", tmp_path)
        keys.add(libraries.cpu_key("softpool"))
    assert len(keys) == 5


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["/bin/false", "/nowhere/c++"])
def test_without_a_working_compiler_the_reference_goes_on(start, tmp_path, compiler):
    out, err = finish(start(tmp_path, CXX=compiler))
    assert out.startswith("reference: ")
    assert err.count("RuntimeWarning: poolzoo's native CPU operators are unavailable") == 1, err
    assert compiler in err and not libraries(tmp_path)


def test_the_compilers_words_are_in_the_warning(start, tmp_path):
    compiler = tmp_path / "c++"
    compiler.write_text(
        '#!/bin/sh\ncase "$1" in -dump*|-v|--version) exec c++ "$@";; esac\necho "x.h:1: error: no room" >&2; exit 1\n'
    )
    compiler.chmod(0o755)
    out, err = finish(start(tmp_path / "cache", CXX=str(compiler)))
    assert out.startswith("reference: ") and "error: no room" in out and "error: no room" in err


def test_switched_off_by_the_environment(start, tmp_path):
    out, err = finish(start(tmp_path, POOLZOO_NATIVE="0"))
    assert out == "reference: POOLZOO_NATIVE=0 switches it off" and not err and not list(tmp_path.iterdir())


THREADS = """
import sys, threading
import torch, poolzoo.functional
from poolzoo import native
x, start, results = torch.arange(16.0).reshape(1, 1, 4, 4), threading.Barrier(8), []

def pool():
    start.wait()
    results.append(poolzoo.functional.soft_pool2d(x, 2, backend="native"))

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=pool) for _ in range(8)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
print(len(results), all(torch.equal(y, results[0]) for y in results))
"""


@needs_compiler
def test_the_first_native_use_may_be_in_several_threads():
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    assert done.stdout == "8 True\n" and not done.stderr


def test_import_never_builds(tmp_path):
    code = "import poolzoo, poolzoo.functional, poolzoo.native; poolzoo.SoftPool2d(2); poolzoo.functional.soft_pool2d"
    given = {**os.environ, "POOLZOO_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True)
    assert not list(tmp_path.iterdir()) and not done.stderr
