"""What a store gives back, what it refuses, and what it survives. Rows are made up here: nothing is pooled."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest

import poolzoo
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.schema import METRICS, SCHEMA_VERSION, TIME_KEYS, compare_keys
from poolzoo.analysis.results.side_by_side import side_by_side
from poolzoo.analysis.results.store import ImageFile, Plan, Store
from poolzoo.analysis.results.store_file import META, StoreError, is_store
from poolzoo.analysis.results.summaries import summarise
from poolzoo.reports.text.formats import ROWS_AT_ONCE, render, stream

METADATA = {"metrics": ["ssim", "psnr"], "baseline": "avg"}
PROTOCOL = {"kernel_size": 2, "padding": 0, "ceil_mode": False, "upsample": ("bilinear",), "align": "center", "seed": 0}
PLAN = Plan("/photos", PROTOCOL, ("avg", "stochastic"), METADATA)
#: The runs of each operator: its states and seeds.
RUNS = {"avg": [("fixed", None)], "stochastic": [("train", 0), ("train", 1), ("eval", None)], "max": [("fixed", None)]}


def row(image: str, pool: str, state: str = "fixed", seed: int | None = None, **scores: object) -> dict:
    return (
        dict.fromkeys(key for key in compare_keys() if key not in METRICS)
        | {
            "image": image,
            "pool": pool,
            "params": "",
            "kernel_size": 2,
            "stride": 2,
            "padding": 0,
            "dilation": 1,
            "ceil_mode": False,
            "upsample": "bilinear" if pool else "",
            "align": "center" if pool else "",
            "normalize": "none",
            "protocol": "roundtrip",
            "state": state if pool else "",
            "seed": seed,
            "kept": 0.25,
            "equal_kept": True,
            "psnr": 20.0,
            "ssim": 0.5,
            "error": None,
        }
        | scores
    )


def file(name: str, size: int = 1, changed: int = 1) -> ImageFile:
    return ImageFile(name, size, changed)


def rows_of(image: str, specs=PLAN.specs) -> list[dict]:
    draw = random.Random(ascii(image))
    return [
        row(image, spec, state, seed, psnr=draw.uniform(15, 40), ssim=draw.random())
        for spec in specs
        for state, seed in RUNS[spec]
    ]


def unreadable(image: str) -> list[dict]:
    none = dict.fromkeys(("kept", "equal_kept", "psnr", "ssim"))
    return [row(image, "", error=f"{image!r}: truncated", **none)]


def fill(path: Path, names: str, plan: Plan = PLAN) -> Path:
    with Store.create(path, plan) as store:
        for name in names:
            store.put(file(name), (32, 32), plan.specs, rows_of(name, plan.specs))
    return path


@pytest.mark.parametrize("count", [1, 3, 5, 6, 7])
def test_a_sample_has_every_image_of_a_few_and_six_of_many(tmp_path, count):
    names = "abcdefg"[:count]
    with Store.open(fill(tmp_path / "run.sqlite", names)) as store:
        assert len(store.sample().metadata["images"]) == min(count, 6)


@pytest.mark.parametrize("key", ["order", "select", "id"])
def test_a_metric_may_have_the_name_of_something_in_sql(path, key, monkeypatch):
    monkeypatch.setitem(METRICS._found, key, dataclasses.replace(METRICS["ssim"], key=key))
    plan = dataclasses.replace(PLAN, specs=("avg",), metadata=METADATA | {"metrics": [key, "ssim"]})
    with Store.create(path, plan) as store:
        store.put(file("a"), (32, 32), plan.specs, [row("a", "avg", **{key: 0.25})])
    with Store.open(path) as store:
        assert [(found[key], found["ssim"]) for found in store.rows()] == [(0.25, 0.5)]
        assert store.sample().summaries[0].scores[key].mean == 0.25


def test_a_store_with_a_column_for_every_metric_is_read_and_resumed(path):
    """Stores were made so before each had its own metrics alone."""
    fill(path, "ab")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for key in METRICS:
            if key not in METADATA["metrics"]:
                connection.execute(f"ALTER TABLE scores ADD COLUMN {key}")
        connection.commit()
    fill(path, "c")
    assert rows_in(path) == [r for name in "abc" for r in rows_of(name)]


def rows_in(path: Path) -> list[dict]:
    with Store.open(path) as store:
        return list(store.rows())


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.sqlite"


# Rows


def test_rows_come_back_by_name_whatever_the_order_they_came_in(path):
    fill(path, "cab")
    assert rows_in(path) == [r for name in "abc" for r in rows_of(name)]


def test_rows_of_an_image_come_in_the_order_of_a_comparison_whichever_image_was_first(path):
    """Which seed or decoder fails first makes other series, and must not be seen in what is exported."""
    plan = dataclasses.replace(PLAN, protocol=PLAN.protocol | {"upsample": ("nearest", "optimal")})
    odd = [
        row("b", pool, state, seed, upsample=upsample, decoder_fitted_on=on if upsample == "optimal" else None)
        for pool in plan.specs
        for state, seed in RUNS[pool]
        for upsample in ("nearest", "optimal")
        for on in (f"17 photographs, not for {seed}",)
    ]
    others = [r | {"image": "a", "decoder_fitted_on": r["decoder_fitted_on"] and "18 photographs"} for r in odd]
    summaries = []
    for order in ((odd, others), (others, odd)):
        path.unlink(missing_ok=True)
        with Store.create(path, plan) as store:
            for rows in order:
                # Failed draws first: of a series of their own.
                store.put(file(rows[0]["image"]), (32, 32), plan.specs, rows[::-1])
        assert rows_in(path) == [*others, *odd]
        with Store.open(path) as store:
            summaries.append(store.sample().summaries)
    assert summaries[0] == summaries[1]


def test_infinity_null_and_booleans_come_back(path):
    odd = [row("a", "avg", psnr=math.inf, ssim=None, equal_kept=False), *rows_of("a", ["stochastic"])]
    with Store.create(path, PLAN) as store:
        store.put(file("a"), (32, 32), PLAN.specs, odd)
    assert rows_in(path) == odd


def test_a_name_of_undecodable_bytes_comes_back(path):
    name = os.fsdecode(b"caf\xe9.png")
    with Store.create(path, PLAN) as store:
        store.put(file(name), (32, 32), PLAN.specs, rows_of(name))
        assert store.missing(file(name)) == []
        assert store.missing(file("caf\ufffd.png")) == list(PLAN.specs)
    assert {r["image"] for r in rows_in(path)} == {name}


def test_an_image_lacks_nothing_once_it_was_put_and_everything_once_it_changed(path):
    fill(path, "ab")
    with Store.create(path, PLAN) as store:
        assert store.missing(file("a")) == []
        assert store.missing(file("c")) == ["avg", "stochastic"]
        assert store.missing(file("a", size=2)) == store.missing(file("a", changed=2)) == ["avg", "stochastic"]
        new = [r | {"psnr": 1.0} for r in rows_of("a")]
        store.put(file("a", size=2), (32, 32), PLAN.specs, new)
    assert rows_in(path) == [*new, *rows_of("b")]


def test_an_operator_may_be_added(path):
    fill(path, "ab")
    more = dataclasses.replace(PLAN, specs=(*PLAN.specs, "max"))
    with Store.create(path, more) as store:
        assert store.missing(file("a")) == ["max"]
        store.put(file("a"), (32, 32), ["max"], rows_of("a", ["max"]))
        assert (store.missing(file("a")), store.missing(file("b"))) == ([], ["max"])
    assert [label(r) for r in rows_in(path)] == ["avg", *["stochastic"] * 3, "max", "avg", *["stochastic"] * 3]


def test_a_failure_is_a_result_until_it_is_retried(path):
    with Store.create(path, PLAN) as store:
        store.put(file("bad"), None, PLAN.specs, unreadable("bad"))
        half = [row("half", "avg"), *(r | {"error": "no", "psnr": None} for r in rows_of("half", ["stochastic"]))]
        store.put(file("half"), (32, 32), PLAN.specs, half)
        assert (store.missing(file("bad")), store.missing(file("half"))) == ([], [])
        assert store.missing(file("bad"), retry=True) == ["avg", "stochastic"]
        assert store.missing(file("half"), retry=True) == ["stochastic"]
        store.put(file("bad"), (32, 32), PLAN.specs, rows_of("bad"))
    assert rows_in(path) == [*rows_of("bad"), *half]


def test_failures_of_files_that_were_taken_away_are_dropped_but_no_scores(path, tmp_path):
    fill(path, "ab")
    (tmp_path / "a").touch()
    with Store.create(path, PLAN) as store:
        store.put(file("bad"), None, PLAN.specs, unreadable("bad"))
        with pytest.raises(StoreError, match="no longer there, 'b'; bring"):
            store.forget_gone(lambda name: (tmp_path / name).exists())
        (tmp_path / "b").touch()
        store.forget_gone(lambda name: (tmp_path / name).exists())
    assert {r["image"] for r in rows_in(path)} == {"a", "b"}


def test_a_cell_that_cannot_be_put_leaves_nothing(path):
    with Store.create(path, PLAN) as store:
        store.put(file("a"), (32, 32), PLAN.specs, rows_of("a"))
        twice = rows_of("b") + rows_of("b")[:1]
        with pytest.raises(StoreError, match="UNIQUE"):
            store.put(file("b"), (32, 32), PLAN.specs, twice)
    assert rows_in(path) == rows_of("a")


# Refusals


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"folder": "/others"}, "dataset was /photos, not /others"),
        ({"protocol": PLAN.protocol | {"seed": 3}}, "seed was 0, not 3"),
        ({"protocol": PLAN.protocol | {"upsample": ("nearest", "bilinear")}}, "upsample was bilinear, not nearest,"),
        ({"protocol": PLAN.protocol | {"kernel_size": (3, 2)}}, "kernel_size was 2, not 3x2"),
        ({"protocol": PLAN.protocol | {"padding": 1}}, "padding was 0, not 1"),
        ({"protocol": PLAN.protocol | {"ceil_mode": True}}, "ceil_mode was False, not True"),
        ({"protocol": PLAN.protocol | {"align": "interpolate"}}, "align was center, not interpolate"),
        ({"specs": ("avg", "max")}, "it also holds stochastic"),
    ],
)
def test_another_plan_is_told_in_what_it_differs(path, change, said):
    before = fill(path, "ab").read_bytes()
    with pytest.raises(StoreError, match=said) as refused:
        Store.create(path, dataclasses.replace(PLAN, **change))
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == before


def test_a_store_without_images_takes_any_plan(path):
    """A wrong folder or a run that was stopped while it began is no reason to need another file."""
    fill(path, "", dataclasses.replace(PLAN, folder="/typo", specs=("max",), protocol=PLAN.protocol | {"seed": 9}))
    with Store.open(path) as store:
        assert (store.folder, store.specs, store.sample().rows) == (Path("/typo"), ["max"], [])
    assert rows_in(fill(path, "a")) == rows_of("a")
    with Store.open(path) as store:
        assert (store.folder, store.specs) == (Path(PLAN.folder), list(PLAN.specs))
        assert store.protocol == PLAN.protocol


def test_decoders_of_other_images_do_not_go_on_with_a_store(path):
    def decoder(*digests: str) -> dict:
        return {"images": [{"name": "x", "sha256": digest} for digest in digests], "skipped": []}

    with Store.create(path, PLAN) as store:
        store.note_decoder(decoder("a", "b"))
        store.put(file("a"), (32, 32), PLAN.specs, rows_of("a"))
    with Store.create(path, PLAN) as store:
        store.note_decoder(decoder("a", "b"))
        with pytest.raises(StoreError, match="fitted on 2 images, and the 1 of --decoder-images are no longer"):
            store.note_decoder(decoder("a"))
    with Store.open(path) as store:
        assert store.sample().metadata["decoder"] == decoder("a", "b")


def test_a_store_of_another_poolzoo_can_be_read_and_not_gone_on_with(path, monkeypatch):
    fill(path, "a")
    monkeypatch.setattr(poolzoo, "__version__", "99.0")
    with pytest.raises(StoreError, match=r"store of poolzoo .*, this is 99\.0.*--store another"):
        Store.create(path, PLAN)
    assert rows_in(path) == rows_of("a")


@pytest.mark.parametrize("use", [lambda path: Store.create(path, PLAN), Store.open], ids=["create", "open"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_text("no database " * 99), "not a database"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE t (x)").connection.close(), "another SQLite file"),
        (lambda path: change_version(fill(path, "a")), f"schema version {SCHEMA_VERSION + 1}; this poolzoo reads"),
        (lambda path: path.mkdir(), "unable to open"),
    ],
)
def test_what_is_no_store_of_ours_is_one_line(path, use, make, said):
    make(path)
    with pytest.raises(StoreError, match=said) as refused:
        use(path)
    assert str(path) in str(refused.value)


def change_version(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()


WRONG_TIME = json.dumps({"machine": {}, "operators": [["avg", "", "fixed", dict.fromkeys(TIME_KEYS, "x")]]})
#: What befalls a store, as SQL, and what is said.
DAMAGES = {
    **{f"DROP TABLE {name}": f"its table {name} lacks" for name in ("meta", "operators", "images", "series", "scores")},
    **{f"DELETE FROM {table}": "that are missing" for table in ("operators", "images", "series")},
    **{f"DELETE FROM meta WHERE key = '{key}'": f"its table meta lacks {key}" for key in META},
    **{f"UPDATE meta SET value = '[' WHERE key = '{key}'": "'[' is not JSON" for key in META},
    **{f"UPDATE meta SET value = '7' WHERE key = '{key}'": f"its table meta lacks {key}" for key in META},
    "ALTER TABLE scores DROP COLUMN psnr": "its table scores lacks psnr",
    "UPDATE meta SET value = '{}' WHERE key = 'metadata'": "metadata.metrics must list",
    "UPDATE meta SET value = '{}' WHERE key = 'protocol'": "its protocol lacks upsample",
    "UPDATE images SET width = 'x'": "its table images contains",
    "UPDATE images SET width = 0": "its table images contains",
    "UPDATE images SET height = NULL": "its table images contains",
    "UPDATE images SET name = CAST('a' || id AS BLOB)": "its table images contains",
    "UPDATE scores SET ssim = 'x'": "its table scores contains",
    "UPDATE scores SET error = 7": "its table scores contains",
    "UPDATE series SET keys = 'x' WHERE id = 1": "'x' is not JSON",
    "UPDATE series SET keys = '{}' WHERE id = 1": "series 1 has other keys",
    "UPDATE series SET keys = replace(keys, '\"avg\"', '7')": "its series 1: pool cannot be 7",
    "INSERT INTO meta VALUES ('times', '7')": "its times are 7",
    "INSERT INTO meta VALUES ('times', '{\"machine\": {}, \"operators\": [[1]]}')": "a time is [1]",
    f"INSERT INTO meta VALUES ('times', '{WRONG_TIME}')": "a time: forward_s cannot be 'x'",
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_one_line(path, tmp_path, run, damage):
    connection = sqlite3.connect(fill(path, "ab"))
    connection.execute("DROP VIEW failures")
    connection.execute("DROP VIEW rows")  # SQLite would keep the columns that it names
    connection.execute(damage)
    connection.commit()
    connection.close()
    run("report", path, "--output", tmp_path / "page.html").fails(f"{path}: ", DAMAGES[damage])
    if "FROM images" not in damage:
        with pytest.raises(StoreError, match=str(path)):
            Store.create(path, PLAN)


def test_bytes_that_change_in_a_store_bring_one_line_or_other_numbers(path):
    whole = bytearray(fill(path, "abcdefgh").read_bytes())
    draw = random.Random(0)
    told = 0
    for _ in range(300):
        data = whole.copy()
        for _ in range(draw.choice((1, 4, 64))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.choice((len(data), len(data), draw.randrange(len(data))))])
        try:
            with Store.open(path) as store:
                list(store.rows())
                render(store.sample(), "table")
        except ValueError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            told += 1
    assert 100 < told < 300


def test_reading_creates_nothing_and_an_empty_file_can_become_a_store(path):
    with pytest.raises(StoreError, match="no such file"):
        Store.open(path)
    assert not path.exists()
    path.touch()
    assert not is_store(path)
    assert is_store(fill(path, "a"))
    assert rows_in(path) == rows_of("a")


# Robustness


def test_the_second_to_open_a_store_is_told(path):
    with Store.create(path, PLAN):
        for second in (lambda: Store.create(path, PLAN), lambda: Store.open(path)):
            with pytest.raises(StoreError, match="another run or report has this store open"):
                second()
    assert rows_in(fill(path, "a")) == rows_of("a")


#: A process that holds a store, has committed image a and put image b. Importing the store takes no torch.
HOLDER = """
import sys, time
sys.path[:0] = sys.argv[2:]
import test_store
from pathlib import Path
store = test_store.Store.create(Path(sys.argv[1]), test_store.PLAN)
store._committed = -1e9
for name in "ab":
    store.put(test_store.file(name), (32, 32), test_store.PLAN.specs, test_store.rows_of(name))
print("holding", flush=True)
time.sleep(60)
"""


def test_a_killed_holder_leaves_what_it_committed_and_no_lock(path):
    holder = [sys.executable, "-c", HOLDER, str(path), str(Path(__file__).parent), str(Path(__file__).parents[1])]
    with subprocess.Popen(holder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "holding\n"
        with pytest.raises(StoreError, match="another run"):
            Store.open(path)
        process.send_signal(signal.SIGKILL)
    with Store.create(path, PLAN) as store:
        assert (store.missing(file("a")), store.missing(file("b"))) == ([], list(PLAN.specs))
    assert rows_in(fill(path, "b")) == [*rows_of("a"), *rows_of("b")]


def test_a_full_disk_keeps_what_was_committed_and_the_run_goes_on_later(path):
    names = [f"{number:03}" for number in range(400)]

    def go_on(pages: int) -> None:
        with Store.create(path, PLAN) as store:
            store._connection.execute(f"PRAGMA max_page_count = {pages}")
            for name in names:
                if store.missing(file(name)):
                    store.put(file(name), (32, 32), PLAN.specs, rows_of(name))
                    store._committed = -1e9

    with pytest.raises(StoreError, match="full: free some space"):
        go_on(pages=20)
    kept = rows_in(path)
    assert 0 < len(kept) < 4 * len(names)
    assert kept == [r for name in names[: len(kept) // 4] for r in rows_of(name)]
    go_on(pages=1000)
    with Store.open(path) as store:
        assert store._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert rows_in(path) == [r for name in names for r in rows_of(name)]


# Summaries and files


def test_a_stores_summaries_are_those_of_its_rows(path):
    with Store.create(path, PLAN) as store:
        for name in "cabd":
            store.put(file(name), (32, 32), PLAN.specs, rows_of(name))
        store.put(file("bad"), None, PLAN.specs, unreadable("bad"))
        odd = [row("e", "avg", psnr=math.inf), *(r | {"error": "no"} for r in rows_of("e", ["stochastic"]))]
        store.put(file("e"), (32, 32), PLAN.specs, odd)
    with Store.open(path) as store:
        sample, rows = store.sample(), list(store.rows())
    expected = summarise(Result("compare", METADATA, rows))
    assert summarise(sample) == expected
    counts = {(s.label, s.state): (s.images, s.seeds, s.errors) for s in expected}
    assert counts["avg", "fixed"] == (5, 0, 0)
    assert counts["stochastic", "train"] == (4, 2, 2)
    assert sample.metadata["dataset"] == {"folder": "/photos", "images": 6, "unreadable": 1, "rows": 21, "failed": 4}


def test_a_sample_holds_a_few_images_and_all_failures(path):
    with Store.create(path, PLAN) as store:
        for number in range(40):
            name = f"{number:02}"
            bad = number % 10 == 3
            rows = unreadable(name) if bad else rows_of(name)
            store.put(file(name), None if bad else (32, 32), PLAN.specs, rows)
    with Store.open(path) as store:
        sample = store.sample()
    names = [image["name"] for image in sample.metadata["images"]]
    assert names == ["00", "07", "14", "20", "27", "34"], "spread evenly over the 36 that could be read"
    assert [r["image"] for r in sample.rows if r["error"]] == ["03", "13", "23", "33"]
    assert {r["image"] for r in sample.rows if not r["error"]} == set(names)
    assert max(summary.images for summary in sample.summaries) == 36


def test_a_sample_is_of_images_that_have_numbers(path):
    with Store.create(path, PLAN) as store:
        for number in range(40):
            name = f"{number:02}"
            rows = rows_of(name) if number == 31 else [r | {"error": "too dark", "psnr": None} for r in rows_of(name)]
            store.put(file(name), (32, 32), PLAN.specs, rows)
    with Store.open(path) as store:
        sample = store.sample()
    assert [r["image"] for r in sample.rows if not r["error"]] == ["31"] * 4


def test_two_stores_stand_side_by_side_over_all_images_that_both_have(tmp_path):
    # Ten images of which the second store lacks one: the samples of six hardly meet.
    paths = fill(tmp_path / "a.sqlite", "abcdefghij"), fill(tmp_path / "b.sqlite", "bcdefghij")
    samples = []
    for store_path in paths:
        with Store.open(store_path) as store:
            samples.append(store.sample())
    versus = side_by_side(samples)
    assert (versus.images, versus.sampled) == (9, False)
    means = {match[1:]: figures[versus.measures.index("ssim")].values for match, figures in versus.matched}
    expected = fmean(r["ssim"] for name in "bcdefghij" for r in rows_of(name) if r["pool"] == "avg")
    assert means["avg", "fixed"] == pytest.approx((expected, expected))
    # Read back from files only the rows of the samples are known.
    files = [Result.from_json(sample.to_json(), "text") for sample in samples]
    assert side_by_side(files).sampled
    with Store.open(fill(tmp_path / "few.sqlite", "abc")) as store:
        few = Result.from_json(store.sample().to_json(), "text")
    assert not side_by_side([few, few]).sampled, "all of its three images are there"


def test_a_sample_and_its_summaries_survive_json(path):
    with Store.create(path, PLAN) as store:
        store.put(file("a"), (32, 32), PLAN.specs, [r | {"psnr": math.inf} for r in rows_of("a")])
        store.put(file("b"), (32, 32), PLAN.specs, rows_of("b"))
    with Store.open(path) as store:
        sample = store.sample()
    text = sample.to_json()
    read = Result.from_json(text, "text")
    assert (read.summaries, read.rows) == (sample.summaries, sample.rows)
    assert read.to_json() == text
    damaged = json.loads(text)
    damaged["summaries"][0].pop("setting")
    with pytest.raises(ValueError, match="text: its summaries"):
        Result.from_json(json.dumps(damaged), "text")


@pytest.mark.parametrize("fmt", ["csv", "json"])
@pytest.mark.parametrize("count", [0, 1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 1])
def test_streamed_rows_are_the_file_that_is_written_at_once(fmt, count):
    rows = list(itertools.islice((r for number in itertools.count() for r in rows_of(str(number))), count))
    result = Result("compare", METADATA, rows)
    assert "".join(stream(result, iter(rows), fmt)) == render(result, fmt)


def test_the_times_of_an_earlier_poolzoo_are_not_read(tmp_path):
    """They were of the float64 reference; a store has kept null there so far."""
    path = fill(tmp_path / "s", "ab")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE scores ADD COLUMN forward_s")
        connection.execute("UPDATE scores SET forward_s = 0.5")
    with Store.create(path, PLAN) as store:
        store.put(file("c"), (32, 32), PLAN.specs, rows_of("c"))
    with Store.open(path) as store:
        rows = list(store.rows())
        assert {row["image"] for row in rows} == set("abc")
        assert {row[key] for row in rows for key in TIME_KEYS} == {None}
        assert {summary.forward_s for summary in summarise(store.sample())} == {None}
