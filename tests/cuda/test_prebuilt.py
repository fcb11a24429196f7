"""Prebuilt libraries: the one of torch's CPU capability is loaded if it fits, and otherwise one is built as ever."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from poolzoo.native import libraries, prebuilt

OPERATORS = ("softpool", "metrics")


class Installation:
    """A package with prebuilt libraries of a few bytes, and what is loaded and built from it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        self.loaded: list[Path] = []
        self.built: list[str] = []
        self.listed: dict[str, Any] = {"system": "Linux", "machine": "x86_64", "torch": "2.10", "libraries": {}}
        for capability in libraries.CAPABILITIES:
            (folder / capability).mkdir(parents=True)
            self.listed["libraries"][capability] = {
                operator: {
                    "origin": libraries.cpu_origin(operator, capability),
                    "sha256": self.write(capability, operator),
                }
                for operator in OPERATORS
            }
        self.save()
        patch.setattr(prebuilt, "FOLDER", folder)
        patch.setattr(platform, "system", lambda: "Linux")
        patch.setattr(platform, "machine", lambda: "x86_64")
        patch.setattr(torch.ops, "load_library", self.loaded.append)
        patch.setattr(libraries, "_load", lambda device, operator, *_: self.built.append(operator))
        for name in ("_failure", "_loaded"):
            patch.setattr(libraries, name, type(getattr(libraries, name))())

    def write(self, capability: str, operator: str) -> str:
        content = f"{capability} {operator}".encode()
        (self.folder / capability / f"poolzoo_cpu_{operator}.so").write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def save(self) -> None:
        (self.folder / "libraries.json").write_text(json.dumps(self.listed))
        prebuilt._read_list.cache_clear()

    @property
    def softpool(self) -> Path:
        return self.folder / libraries.cpu_capability() / "poolzoo_cpu_softpool.so"


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    monkeypatch.setenv("POOLZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("POOLZOO_PREBUILT", raising=False)
    return Installation(tmp_path / "prebuilt", monkeypatch)


@pytest.mark.parametrize(
    ("told", "used"),
    [
        ("AVX512", "AVX512"),
        ("AVX2", "AVX2"),
        ("DEFAULT", "DEFAULT"),
        ("NO AVX", "DEFAULT"),
        ("of the future", "DEFAULT"),
    ],
)
def test_the_library_of_torchs_capability_is_loaded_and_none_built(installation, monkeypatch, capfd, told, used):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: told)
    assert [libraries.load_cpu("softpool"), libraries.load_metrics()] == ["", ""]
    assert installation.loaded == [installation.folder / used / f"poolzoo_cpu_{name}.so" for name in OPERATORS]
    assert not installation.built and not (installation.folder.parent / "cache").exists()
    assert capfd.readouterr() == ("", "")
    assert f"prebuilt for {used} in {installation.folder / used}: softpool, metrics" in libraries.status("cpu")


def edit_a_header(installation: Installation) -> None:
    sources = installation.folder.parent / "sources"
    sources.mkdir()
    for source in libraries.NATIVE.iterdir():
        if source.suffix in (".h", ".cpp"):
            text = source.read_text() + "// edited\n" * (source.name == "reducers.h")
            (sources / source.name).write_text(text)
    installation.patch.setattr(libraries, "NATIVE", sources)


def change_a_flag(installation: Installation) -> None:
    installation.patch.setattr(libraries, "_FLAGS", [*libraries._FLAGS, "-O2"])


def turn_a_bit(installation: Installation) -> None:
    content = bytearray(installation.softpool.read_bytes())
    content[-1] ^= 1
    installation.softpool.write_bytes(content)


def lose_it(installation: Installation) -> None:
    installation.softpool.unlink()


def swap_capabilities(installation: Installation) -> None:
    other = next(name for name in libraries.CAPABILITIES if name != libraries.cpu_capability())
    (installation.folder / other / installation.softpool.name).replace(installation.softpool)


def other_machine(installation: Installation) -> None:
    installation.patch.setattr(platform, "machine", lambda: "aarch64")


def other_system(installation: Installation) -> None:
    installation.patch.setattr(platform, "system", lambda: "Darwin")


def older_torch(installation: Installation) -> None:
    installation.patch.setattr(torch, "__version__", "2.9.1+cpu")


def switch_off(installation: Installation) -> None:
    installation.patch.setenv("POOLZOO_PREBUILT", "0")


def refuse_to_load(installation: Installation) -> None:
    def refuse(path: Path) -> None:
        raise OSError(f"Could not load this library: {path}") from OSError("version `GLIBC_2.28' not found")

    installation.patch.setattr(torch.ops, "load_library", refuse)


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [
        (edit_a_header, "it was built from other sources"),
        (change_a_flag, "it was built from other sources"),
        (turn_a_bit, "it is damaged"),
        (lose_it, "it is damaged"),
        (swap_capabilities, "it is damaged"),
        (other_machine, "it is for Linux x86_64, this is Linux aarch64"),
        (other_system, "it is for Linux x86_64, this is Darwin x86_64"),
        (older_torch, "it needs torch 2.10, this is 2.9.1+cpu"),
        (switch_off, "POOLZOO_PREBUILT=0 switches it off"),
        (refuse_to_load, "version `GLIBC_2.28' not found"),
    ],
)
def test_what_does_not_fit_is_built_and_words_say_why(installation, capfd, obstacle, words):
    obstacle(installation)
    assert libraries.load_cpu("softpool") == ""
    assert (installation.loaded, installation.built) == ([], ["softpool"])
    assert capfd.readouterr().err == f"poolzoo: the prebuilt softpool is not used: {words}\n"
    if obstacle is not refuse_to_load:  # which is known only after an attempt
        reason = f"built at first use, or by `poolzoo build` (the prebuilt one is not used: {words}): "
        assert reason in libraries.status("cpu")


@pytest.mark.parametrize("version", ["2.10.0", "2.10.0+cu128", "2.13.0+cpu", "3.0.0"])
def test_every_torch_from_the_oldest_on_fits(installation, monkeypatch, version):
    monkeypatch.setattr(torch, "__version__", version)
    libraries.load_cpu("softpool")
    assert installation.loaded and not installation.built


def test_an_operator_that_the_wheel_does_not_know_is_built_without_a_word(installation, capfd):
    """As one of a user's own."""
    assert libraries.load_cpu("lip") == ""
    assert installation.built == ["lip"] and capfd.readouterr() == ("", "")


def damaged(change: Callable[[dict[str, Any]], Any]) -> Callable[[Installation], None]:
    def damage(installation: Installation) -> None:
        change(installation.listed)
        installation.save()

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda installation: (installation.folder / "libraries.json").unlink(),
        lambda installation: (installation.folder / "libraries.json").write_bytes(b"\xff{"),
        lambda installation: (installation.folder / "libraries.json").write_text("[]"),
        damaged(lambda listed: listed.pop("torch")),
        damaged(lambda listed: listed.update(libraries=[])),
        damaged(lambda listed: listed["libraries"]["AVX2"]["softpool"].pop("sha256")),
        damaged(lambda listed: listed["libraries"].update(DEFAULT={"softpool": 1})),
    ],
)
def test_without_a_whole_list_all_are_built_and_status_says_where_prebuilt_ones_are(installation, damage):
    damage(installation)
    prebuilt._read_list.cache_clear()
    libraries.load_cpu("softpool")
    assert (installation.loaded, installation.built) == ([], ["softpool"])
    assert libraries.status("cpu").endswith(
        "no prebuilt libraries in this installation: poolzoo's wheel for Linux on x86-64 has them"
    )


def test_switched_off_neither_loads_nor_builds(installation, monkeypatch):
    monkeypatch.setenv("POOLZOO_NATIVE", "0")
    assert libraries.load_cpu("softpool") == "POOLZOO_NATIVE=0 switches it off"
    assert not installation.loaded and not installation.built
    assert libraries.status("cpu") == "unavailable: POOLZOO_NATIVE=0 switches it off"


def test_torchs_version_in_the_list_is_the_one_that_the_glue_is_written_for():
    major, minor = libraries.OLDEST_TORCH
    assert f"-DTORCH_TARGET_VERSION=0x{major:02x}{minor:02x}000000000000" in libraries.cpu_flags()
    assert f'"torch>={major}.{minor}"' in (Path(__file__).parents[2] / "pyproject.toml").read_text()
