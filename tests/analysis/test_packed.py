"""Images packed in zip, tar and Parquet files give the rows of the same images in a folder."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_dataset import Inline

from poolzoo import cli
from poolzoo.analysis.inputs import packed
from poolzoo.analysis.inputs.files import ImageError
from poolzoo.analysis.inputs.images import find_images
from poolzoo.analysis.inputs.packed import image_sources, packed_files, read_members
from poolzoo.analysis.results.schema import TIME_KEYS
from poolzoo.analysis.results.store import Store
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.studies import dataset

SPECS = ("avg", "stochastic")


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 17, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


#: Twelve images and one that is none, by name.
IMAGES = {f"{'even' if n % 2 == 0 else 'odd'}/{n:02}.png": png(n) for n in range(12)} | {"odd/bad.png": b"\x89PNG no"}


def as_folder(place: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (place / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "photos" / name).write_bytes(data)
    return place / "photos"


def as_zip(place: Path, files: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(place / "photos.zip", "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return place / "photos.zip"


def as_tar(place: Path, files: dict[str, bytes], name: str = "photos.tar") -> Path:
    with tarfile.open(place / name, "w:gz" if name.endswith("gz") else "w") as archive:
        for member, data in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return place / name


def as_tar_gz(place: Path, files: dict[str, bytes]) -> Path:
    return as_tar(place, files, "photos.tar.gz")


def as_parquet(place: Path, files: dict[str, bytes]) -> Path:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": data, "path": name} for name, data in files.items()], kind)
    table = pa.table({"label": pa.array(range(len(files))), "image": images, "mask": pa.array([b"x"] * len(files))})
    pq.write_table(table, place / "photos.parquet", row_group_size=5)
    return place / "photos.parquet"


PACKERS = [as_zip, as_tar, as_tar_gz, as_parquet]


@pytest.fixture(autouse=True)
def inline(monkeypatch) -> None:
    monkeypatch.setattr(dataset, "LocalWorkers", Inline)


def rows(path: Path, given: Path | str, **more) -> list[dict]:
    dataset.compare_dataset(str(given), SPECS, Protocol(metrics=("psnr", "ssim"), timed=False), path, **more)
    with Store.open(path) as store:
        found = [row | dict.fromkeys(TIME_KEYS) for row in store.rows()]
    return sorted(found, key=lambda row: (row["image"], row["pool"] or "", row["state"] or ""))


@pytest.mark.parametrize("pack", PACKERS)
def test_rows_are_those_of_a_folder_and_a_run_resumes(tmp_path, pack):
    expected = rows(tmp_path / "folder.sqlite", as_folder(tmp_path, IMAGES))
    assert {row["image"] for row in expected if row["error"]} == {"odd/bad.png"}
    given, steps = pack(tmp_path, IMAGES), []
    before = set(tmp_path.iterdir())
    assert rows(tmp_path / "run.sqlite", given, on_step=lambda *step: steps.append(step)) == expected
    assert steps[-1] == (13, 13)
    assert rows(tmp_path / "run.sqlite", given, on_step=lambda *step: pytest.fail(str(step))) == expected
    assert set(tmp_path.iterdir()) - before == {tmp_path / "run.sqlite"}, "nothing is unpacked"
    other = {**IMAGES, "even/00.png": png(99)}
    anew = rows(tmp_path / "run.sqlite", pack(tmp_path, other))
    assert {row["image"] for row, was in zip(anew, expected, strict=True) if row != was} == {"even/00.png"}


def test_only_the_changed_image_of_a_zip_is_scored_again(tmp_path):
    rows(tmp_path / "run.sqlite", as_zip(tmp_path, IMAGES))
    steps = []
    given = as_zip(tmp_path, {**IMAGES, "even/00.png": png(99)})
    rows(tmp_path / "run.sqlite", given, on_step=lambda *step: steps.append(step))
    assert steps == [(1, 1)]


def test_shards_are_read_in_their_order_and_named_in_the_names(tmp_path):
    for number in (8, 9, 10):
        as_tar(tmp_path, {"a.png": png(number), "a.cls": b"3"}, f"s-{number:03}.tar")
    given, passed_over = str(tmp_path / "s-{008..010}.tar"), Counter()
    found = list(read_members(given, passed_over))
    assert [member.file.name for member in found] == ["s-008.tar/a.png", "s-009.tar/a.png", "s-010.tar/a.png"]
    assert [member.content for member in found] == [png(8), png(9), png(10)]
    assert passed_over == {".cls": 3}
    assert {row["image"] for row in rows(tmp_path / "run.sqlite", given)} == {member.file.name for member in found}
    for wrong, said in (("s-{008..011}.tar", "s-011.tar"), ("s-{9..8}.tar", "rising"), ("s-{1..2}-{1..2}", "one")):
        with pytest.raises(ImageError, match=said):
            packed_files(str(tmp_path / wrong))


def test_an_image_that_is_gone_from_the_file_is_one_line(tmp_path):
    rows(tmp_path / "run.sqlite", as_zip(tmp_path, IMAGES))
    with pytest.raises(ValueError, match=r"no longer there, 'even/00\.png'"):
        rows(tmp_path / "run.sqlite", as_zip(tmp_path, {"b.png": png(1)}))


@pytest.mark.parametrize("pack", PACKERS)
def test_damaged_large_and_empty_members_say_so(tmp_path, pack, monkeypatch):
    monkeypatch.setattr(packed, "MAX_MEMBER_BYTES", 2000)
    files = {"a.png": png(1), "large.png": bytes(2001), "empty.png": b"", "../../out.png": png(2)}
    found = {row["image"]: row["error"] for row in rows(tmp_path / "run.sqlite", pack(tmp_path, files))}
    assert "'large.png': too large: 2001 bytes; at most 2000 are read" in found["large.png"]
    assert "empty" in found["empty.png"] or "no image" in found["empty.png"]
    assert found["a.png"] is None
    assert found["../../out.png"] is None, "a name is only a label"
    assert {source.name for source in image_sources(str(pack(tmp_path, files)), ["a.png", "b.png"])} == {"a.png"}


def test_a_wrong_checksum_in_a_zip_is_a_row(tmp_path):
    given = as_zip(tmp_path, {"a.png": png(1), "b.png": png(2)}, zipfile.ZIP_STORED)
    given.write_bytes(given.read_bytes().replace(png(1)[60:70], bytes(10)))
    found = {row["image"]: row["error"] for row in rows(tmp_path / "run.sqlite", given)}
    assert "'a.png': truncated or damaged: Bad CRC-32" in found["a.png"]
    assert found["b.png"] is None


def _encrypted(data: bytes) -> bytes:
    """Set the bit for encryption in both headers of a zip's only member."""
    changed, central = bytearray(data), data.index(b"PK\x01\x02")
    changed[6] |= 1
    changed[central + 8] |= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("pack", "change", "said"),
    [
        (as_zip, _encrypted, "encrypted"),
        (as_zip, lambda data: data[:-30], "cannot be read"),
        (as_tar, lambda data: data[:1000], "unexpected end of data"),
        (as_tar, lambda data: data[:2048] + b"x" * 512 + data[2560:], "no header at byte 2048"),
        (as_tar_gz, lambda data: data[: len(data) // 2], "cannot be read"),
        (as_parquet, lambda data: data[:-8], "cannot be read"),
        (as_tar, lambda data: b"7z no tar" + data[:99], "not a zip, tar or Parquet file"),
        (as_zip, lambda data: b"", "empty file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, pack, change, said):
    # 1,024 bytes of each member in a tar: a header and an image of at most 512 bytes, padded
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG")
    image = png(1) if pack is as_tar_gz else file.getvalue()
    given = pack(tmp_path, dict.fromkeys(["a.png"] if pack is as_zip else ["a.png", "b.png", "c.png"], image))
    given.write_bytes(change(given.read_bytes()))
    arguments = ["compare", "--dataset", str(given), "--store", str(tmp_path / "s.sqlite"), "--pool", "avg"]
    monkeypatch.setattr(sys, "argv", ["poolzoo", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1), err
    assert said in err
    assert str(given) in err
    assert not (tmp_path / "s.sqlite").exists(), "no store stays behind"


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("a.png"))
    with pytest.raises(ImageError, match=r"the name 'a\.png' twice"):
        list(read_members(str(tmp_path / "a.tar")))


def test_hidden_members_folders_and_links_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (
            ("./a.png", tarfile.REGTYPE),
            ("._b.png", tarfile.REGTYPE),
            ("c.png", tarfile.SYMTYPE),
            ("d.png", tarfile.DIRTYPE),
            ("e.png", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd" if kind == tarfile.SYMTYPE else ""
            archive.addfile(info)
    passed_over = Counter()
    found = list(read_members(str(tmp_path / "a.tar"), passed_over))
    assert [member.file.name for member in found] == ["a.png"]
    assert passed_over == {"link": 1}


def test_a_parquet_files_column_and_names(tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"n": [1, 2, 3], "photo": pa.array([png(1), None, png(2)], pa.large_binary())}), path)
    found = list(read_members(str(path)))
    assert [(member.file.name, member.content) for member in found] == [
        ("row 0", png(1)),
        ("row 1", None),
        ("row 2", png(2)),
    ]
    assert "no image in this row" in found[1].problem
    assert [m.file for m in read_members(str(path), content=False)] == [m.file for m in found]
    same = [{"bytes": png(1), "path": "a.png"}, {"bytes": png(2), "path": "a.png"}, {"bytes": None, "path": "/x.png"}]
    pq.write_table(pa.table({"image": same}), path)
    assert [m.file.name for m in read_members(str(path))] == ["a.png", "a.png (row 1)", "/x.png"]
    for table, said in (
        ({"a": [b"1"], "b": [b"2"]}, "2 such columns, a, b"),
        ({"a": [1], "image": ["x"]}, "only a, image"),
    ):
        pq.write_table(pa.table(table), path)
        with pytest.raises(ImageError, match=said):
            list(read_members(str(path)))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImageError, match=r"pip install 'poolzoo\[parquet\]'"):
        list(read_members(str(path)))


@pytest.mark.parametrize("nested", [True, False])
def test_a_damaged_row_group_is_a_row_for_each_of_its_images(tmp_path, nested):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    images = [{"bytes": png(n), "path": f"{n}.png"} if nested else png(n) for n in range(6)]
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image": images}), path, row_group_size=3, use_dictionary=False)
    at = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[at : at + 40] = b"\xff" * 40
    path.write_bytes(data)
    found = list(read_members(str(path)))
    names = [f"{n}.png" if nested else f"row {n}" for n in range(6)]
    assert [member.file.name for member in found] == names
    assert [member.content for member in found] == [None] * 3 + [png(n) for n in (3, 4, 5)]
    assert all(member.problem.startswith("truncated or damaged: ") for member in found[:3])
    assert {row["image"] for row in rows(tmp_path / "run.sqlite", path) if row["error"]} == set(names[:3])


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.TAR.GZ", "a.parquet", "s-{0..9}.tar"])
def test_other_options_refuse_a_packed_file(name):
    with pytest.raises(ImageError, match=r"by compare --dataset only; here a file, a folder"):
        find_images([name])
