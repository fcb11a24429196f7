"""Results as text: what a reader sees in a terminal, in Markdown, and what a program reads from CSV and JSON."""

from __future__ import annotations

import csv
import io
import math
import re
import subprocess
import sys

import pytest
from reports.conftest import FIVE, HOSTILE, compare_row, failed_row, make_compare, make_profile, profile_row
from reports.test_model_section import model_row
from rich.cells import cell_len

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.summaries import bootstrap_interval
from poolzoo.analysis.results.verdicts import doubts
from poolzoo.reports.page.verdict_words import warnings_of
from poolzoo.reports.text.formats import render
from poolzoo.reports.text.numbers import unit_of
from poolzoo.reports.text.tables import error_lines, tables
from poolzoo.reports.text.words import visible

OWN_ESCAPES = re.compile(r"\x1b\[(?:0|1|2|31|36|1;31|1;32)m")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def lines_of(text, name):
    return [line for line in text.splitlines() if line.startswith(f"{name} ")]


def column(table, heading):
    place = [c.heading for c in table.columns].index(heading)
    return {line.cells[0].text: line.cells[place] for line in table.lines}


def test_json_is_the_results_own(compared):
    assert render(compared, "json") == compared.to_json()


def test_an_unknown_format_is_named_with_what_is_allowed(compared):
    with pytest.raises(ValueError, match=r"'xml' is not one of table, csv, json, markdown"):
        render(compared, "xml")


# --- CSV --------------------------------------------------------------------------------------------------------------


def test_csv_gives_every_value_back():
    names = ["plain", 'a "quote", a comma', "two\nlines", "carriage\rreturn", "=1+2", "-x", "@y", " spaced ", "ü✓"]
    rows = [compare_row(name, "max", 20.123456789012345, 1 / 3) for name in names]
    text = render(make_compare(rows=rows), "csv")
    back = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["image"] for row in back] == names
    assert all(float(row["ssim"]) == 1 / 3 for row in back)


def test_csv_has_the_schemas_columns_and_every_row(compared):
    back = list(csv.reader(io.StringIO(render(compared, "csv"), newline="")))
    assert back[0] == compared.columns
    assert len(back) == 1 + len(compared.rows)


def test_csv_says_inf_and_leaves_null_empty():
    rows = [compare_row("a", "max", math.inf, 1.0), failed_row("a", "sum", "no")]
    first, second = csv.DictReader(io.StringIO(render(make_compare(rows=rows), "csv"), newline=""))
    assert (first["psnr"], first["seed"], second["psnr"]) == ("inf", "", "")


def test_pandas_reads_the_csv_as_numbers(compared):
    import pandas as pd

    frame = pd.read_csv(io.StringIO(render(compared, "csv")))
    assert list(frame.columns) == compared.columns
    assert frame["psnr"].tolist() == [row["psnr"] for row in compared.rows]
    assert frame["equal_kept"].tolist() == [row["equal_kept"] for row in compared.rows]


# --- what the aggregated table says -----------------------------------------------------------------------------------


def test_best_comes_first_but_who_keeps_more_is_never_marked(compared):
    (table,) = tables(compared)
    names = [line.cells[0].text for line in table.lines]
    assert names[:3] == ["checkered †", "avg", "max"]
    assert names[-1] == "sum"
    psnr = column(table, "PSNR dB")
    assert [name for name, cell in psnr.items() if cell.best] == ["avg"]
    assert float(psnr["checkered †"].text) > float(psnr["avg"].text)
    assert any("†" in note and "not an equal comparison" in note for note in table.notes)


def test_what_reads_the_same_as_the_best_is_as_good():
    rows = [compare_row("a", name, psnr, 0.5) for name, psnr in (("x", 20.001), ("y", 20.004), ("z", 19.9))]
    (table,) = tables(make_compare(rows=rows))
    assert [name for name, cell in column(table, "PSNR dB").items() if cell.best] == ["y", "x"]


@pytest.mark.parametrize(("metric", "best"), [("psnr", "large"), ("ssim", "large"), ("mse", "small"), ("mae", "small")])
def test_each_metric_knows_which_way_is_better(metric, best):
    rows = [compare_row("a", n, None, None) | {metric: v} for n, v in (("small", 0.2), ("large", 0.7))]
    (table,) = tables(make_compare(rows=rows, metrics=[metric]))
    assert table.lines[0].cells[0].text == best
    assert table.lines[0].cells[1].best


def test_a_lone_operator_is_not_marked():
    (table,) = tables(make_compare(rows=[compare_row("a", "max", 20.0, 0.5)]))
    assert not table.marked


def test_differences_to_the_baseline_carry_a_sign(compared):
    (table,) = tables(compared)
    differences = column(table, "vs avg")
    assert differences["max"].text == "-0.10"
    assert differences["checkered †"].text == "+6.80"
    assert differences["avg"].text == "–"


def test_no_difference_has_no_sign():
    rows = [compare_row("a", "avg", 20.0, 0.5), compare_row("a", "x", 20.0 - 1e-9, 0.5)]
    (table,) = tables(make_compare(rows=rows))
    assert column(table, "vs avg")["x"].text == "0.00"


def test_several_images_give_intervals_and_one_gives_spreads(compared):
    (several,) = tables(make_compare(FIVE))
    low, high = bootstrap_interval([27.9 + 0.5 * shift for shift in range(5)])
    assert column(several, "PSNR dB")["max"].plus == f"±{(high - low) / 2:.2f}"
    assert any("bootstrap" in note for note in several.notes)
    (few,) = tables(compared)
    assert {cell.plus for line in few.lines for cell in line.cells} == {""}
    assert few.notes.count("too few images for an interval: at least 5 are needed") == 1
    assert not any("bootstrap" in note for note in few.notes)
    (one,) = tables(make_compare(images=["coffee"]))
    plus = {(line.cells[0].text, line.cells[1].text): line.cells[2].plus for line in one.lines}
    assert plus["stochastic", "train"] == "±0.10"
    assert plus["max", "fixed"] == ""
    assert "± standard deviation over 3 seeds" in one.notes


def test_medians_stand_beside_means():
    scores = {"avg": (20.0, 21.0, 28.0), "max": (19.0, 24.0, 26.0)}
    rows = [compare_row(i, pool, psnr, 0.5) for pool, own in scores.items() for i, psnr in zip("abc", own, strict=True)]
    (table,) = tables(make_compare("abc", rows, metrics=["psnr"]))
    assert [c.heading for c in table.columns[1:4]] == ["PSNR dB", "median", "vs avg"]
    assert {name: cell.text for name, cell in column(table, "PSNR dB").items()} == {"avg": "23.00", "max": "23.00"}
    assert {name: cell.text for name, cell in column(table, "median").items()} == {"avg": "21.00", "max": "24.00"}
    assert [cell.best for cell in column(table, "median").values()] == [False, True]
    (two,) = tables(make_compare("ab", [row for row in rows if row["image"] != "c"]))
    assert "median" not in [c.heading for c in two.columns], "of two numbers it is the mean"


def test_an_operator_that_failed_on_an_image_is_never_marked_best():
    rows = [compare_row(i, pool, psnr, 0.5) for pool, psnr in (("avg", 20.0), ("max", 19.0)) for i in "ab"]
    rows += [compare_row("a", "lucky", 30.0, 0.9), failed_row("b", "lucky", "no")]
    (table,) = tables(make_compare("ab", rows))
    assert [name for name, cell in column(table, "PSNR dB").items() if cell.best] == ["avg"]
    assert "never marked best, because images are missing: lucky" in table.notes


def test_images_that_do_not_count_are_named_in_every_format():
    rows = [compare_row(i, pool, 20.0, 0.5) for pool in ("avg", "max") for i in "ab"]
    rows += [compare_row("blank_é.png", pool, math.inf, 1.0) for pool in ("avg", "max")]
    result = make_compare(("a", "b", "blank_é.png"), rows)
    for fmt in ("table", "markdown"):
        text = " ".join(render(result, fmt).replace("\\_", "_").split())
        assert "PSNR: 1 image rebuilt exactly by all: blank_é.png; means and medians are over the other 2" in text
        assert "∞" not in text


def test_the_state_is_shown_only_where_there_is_more_than_one_kind():
    fixed = make_compare(rows=[compare_row("a", "max", 20.0, 0.5), compare_row("a", "avg", 21.0, 0.5)])
    assert "state" not in [c.heading for c in tables(fixed)[0].columns]
    mixed = make_compare(rows=[compare_row("a", "max", 20.0, 0.5), compare_row("a", "lip", 21.0, 0.5)])
    (table,) = tables(mixed)
    assert column(table, "state")["lip"].text == "untrained ‡"
    assert any("exactly average pooling" in note for note in table.notes)


def test_footnotes_appear_only_where_they_apply():
    rows = [compare_row("a", "max", 20.0, 0.5), compare_row("a", "avg", 21.0, 0.5)]
    (note,) = tables(make_compare(rows=rows))[0].notes
    tensor, scores = "1x3x40x64 float32", "with the timer of poolzoo profile"
    assert note == f"time: median of a forward pass of {tensor}, {scores}"
    assert tables(make_compare(rows=[row | {"forward_s": None} for row in rows]))[0].notes == ()


def test_kept_is_a_column_only_where_it_differs(compared):
    assert "kept" in [c.heading for c in tables(compared)[0].columns]
    (equal,) = tables(make_compare(rows=[row for row in compared.rows if row["pool"] != "checkered"]))
    assert "kept" not in [c.heading for c in equal.columns]
    assert "0.25 of the values kept" in equal.caption


def test_the_caption_states_the_protocol(compared):
    (table,) = tables(compared)
    for words in (
        "kernel 2, stride 2",
        "bilinear",
        "no normalisation",
        "2 images",
        "3 seeds",
        "baseline avg",
        "11-tap Gaussian",
    ):
        assert words in table.caption


def test_each_upsampling_has_its_table_and_its_baseline():
    rows = [
        compare_row("a", pool, psnr, 0.5, upsample=up)
        for up, base in (("nearest", 20.0), ("bilinear", 30.0))
        for pool, psnr in (("avg", base), ("max", base - 1))
    ]
    both = tables(make_compare(rows=rows))
    assert ["bilinear" in both[0].caption, "nearest neighbour" in both[1].caption] == [True, True]
    assert [column(table, "vs avg")["max"].text for table in both] == ["-1.00", "-1.00"]


def test_a_missing_baseline_is_told():
    (table,) = tables(make_compare(rows=[compare_row("a", "max", 20.0, 0.5), compare_row("a", "sum", 1.0, 0.5)]))
    assert any("baseline avg has no rows" in note for note in table.notes)


def test_infinity_is_shown():
    rows = [compare_row("a", "max", math.inf, 1.0), compare_row("a", "avg", 21.0, 0.5)]
    (table,) = tables(make_compare(rows=rows))
    assert column(table, "PSNR dB")["max"].text == "∞"
    assert column(table, "PSNR dB")["max"].best


def test_a_time_column_has_one_unit():
    rows = [compare_row("a", n, 20.0, 0.5, forward_s=s) for n, s in (("x", 2e-6), ("y", 3e-3), ("z", 4e-3))]
    (table,) = tables(make_compare(rows=rows))
    assert {name: cell.text for name, cell in column(table, "time ms").items()} == {
        "x": "0.002",
        "y": "3.000",
        "z": "4.000",
    }


@pytest.mark.parametrize(("values", "unit"), [([2e-6, 5e-6], "µs"), ([2e-3, 9e-6, 0.3], "ms"), ([], "µs"), ([2], "s")])
def test_the_unit_is_the_largest_that_suits_half_of_the_values(values, unit):
    from poolzoo.reports.text.numbers import TIME_UNITS

    assert unit_of(values, TIME_UNITS)[1] == unit


# --- profiles ---------------------------------------------------------------------------------------------------------


def test_a_profile_is_sorted_by_time_with_ratios_and_units(profiled):
    (table,) = tables(profiled)
    assert table.lines[0].cells[0].text == "avg"
    assert table.lines[0].role == "baseline"
    assert column(table, "forward ms")["avg"] == column(table, "forward ms")["avg"].__class__("4.0", "±0.2", True)
    assert column(table, "ratio")["max"].text == "1.30x"
    assert column(table, "saved MiB")["max"].text == "3.0"
    assert "copy bandwidth 18.0 GB/s" in table.caption


@pytest.mark.parametrize("model", [False, True], ids=["operators", "model"])
def test_disturbed_times_have_a_column_and_a_note(model):
    def shown(*waited):
        names = ("avg", "max")[: len(waited)]
        make = (lambda name, share: model_row(name, 1, 0.1, waited_fraction=share)) if model else profile_with
        known = {"model": "resnet18"} if model else {"baseline": "avg", "metrics": [], "copy_gbps": 18.0}
        rows = [make(name, share) for name, share in zip(names, waited, strict=True)]
        result = Result("profile_model" if model else "profile", known, rows)
        return tables(result)[0], result

    table, result = shown(0.02, 1.33)
    assert {name: cell.text for name, cell in column(table, "waited").items()} == {"avg": "2%", "max": "133%"}
    assert "waited: threads waited this share of the time for a processor" in table.notes[-1]
    assert [text for _, text in warnings_of(doubts(result))] == [
        "Disturbed times: threads waited for a processor, because other work had it: max (133%) of the time. These"
        " times may be far too long. Measure again on an idle machine, or with fewer threads."
    ]
    for waited in ((0.02, 0.1), (None, None)):
        table, result = shown(*waited)
        assert "waited" not in [c.heading for c in table.columns] and "waited" not in table.notes[-1]
        assert warnings_of(doubts(result)) == []


def profile_with(name, share):
    return profile_row(name, 0.004, waited_fraction=share)


def test_a_profile_without_a_backward_pass_has_no_columns_for_it():
    nothing = dict.fromkeys(("backward_s", "backward_iqr_s", "forward_backward_s", "saved_bytes", "ratio"))
    rows = [profile_row("max", 0.1, **nothing), profile_row("avg", 0.2, **nothing)]
    (table,) = tables(Result("profile", {}, rows))
    assert [c.heading for c in table.columns] == ["operator", "forward ms", "GB/s", "of copy", "peak MiB"]


def test_each_tensor_has_its_table():
    rows = [profile_row("max", 0.1), profile_row("max", 0.1, shape="1x1x8x8")]
    assert [table.caption.split()[0] for table in tables(Result("profile", {}, rows))] == ["20x32x128x128", "1x1x8x8"]


def test_a_failed_operator_stands_last_in_a_profile():
    keys = [key for key in profile_row("x", 1.0) if key.endswith("_s")]
    broken = profile_row("bad", 1.0, **dict.fromkeys([*keys, "gbps", "copy_fraction", "ratio"]), error="no kernel")
    result = Result("profile", {"baseline": "avg"}, [broken, profile_row("avg", 0.1)])
    assert [line.cells[0].text for line in tables(result)[0].lines] == ["avg", "bad"]
    assert error_lines(result) == ["bad: no kernel"]


# --- the terminal -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [make_compare(), make_compare(images=["one"]), make_profile()])
@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("width", [60, 80, 100, 120, 200, None])
def test_lines_fit_and_no_number_is_cut(result, color, width):
    text = ESCAPES.sub("", render(result, "table", color=color, width=width))
    if width is not None:
        assert max(map(cell_len, text.splitlines())) <= width
    assert "…" not in text
    numbers = set(re.findall(r"[-+]?\d+\.\d+", text))
    (table,) = tables(result)
    known = " ".join(f"{cell.text} {cell.plus}" for line in table.lines for cell in line.cells)
    known += table.caption + " ".join(table.notes)
    assert numbers <= set(re.findall(r"[-+]?\d+\.\d+", known))
    first = 2 if result.kind == "compare" else 1
    for line in table.lines:
        assert line.cells[first].text in text


def test_a_pipe_gets_every_column_on_one_line_a_row(compared):
    text = render(compared, "table")
    (table,) = tables(compared)
    for line in table.lines:
        found = [
            drawn
            for drawn in lines_of(text, line.cells[0].text)
            if all(cell.text in drawn and cell.plus in drawn for cell in line.cells)
        ]
        assert len(found) == 1


def test_a_narrow_terminal_says_what_it_leaves_out(compared):
    text = " ".join(render(compared, "table", width=60).split())
    assert "not shown at this width:" in text
    assert "vs avg" in text.partition("not shown at this width:")[2]
    assert "not shown" not in render(compared, "table", width=200)


def test_a_very_narrow_terminal_still_gets_whole_numbers(compared):
    text = render(compared, "table", width=10)
    assert {"28.25", "26.65", "-3.45"} <= set(re.findall(r"-?\d+\.\d+", text))


def test_numbers_stand_under_each_other(compared):
    text = render(compared, "table")
    rows = [line for name in ("avg", "max", "sum", "median") for line in lines_of(text, name)]
    assert len({line.index(".") for line in rows}) == 1


def test_without_colour_there_are_no_escapes_and_a_star_marks_the_best(compared):
    text = render(compared, "table")
    assert "\x1b" not in text
    assert re.search(r"^avg .* 28\.25\*", text, re.MULTILINE)
    assert not re.search(r"^max .*\*", text, re.MULTILINE)


def test_colour_marks_the_best_in_bold_green(compared):
    text = render(compared, "table", color=True)
    assert re.search(r"\x1b\[1;32m *28\.25★", text)


def test_colour_does_not_depend_on_the_environment(compared, monkeypatch):
    plain, coloured = render(compared, "table"), render(compared, "table", color=True)
    for name, value in {"NO_COLOR": "1", "FORCE_COLOR": "1", "COLUMNS": "20", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
        assert render(compared, "table") == plain
        assert render(compared, "table", color=True) == coloured


def test_errors_stand_at_the_end_one_line_each(compared):
    compared.rows.append(failed_row("coffee", "broken", "RuntimeError: fell over"))
    text = render(compared, "table")
    assert text.endswith("\nerrors\n  broken on coffee: RuntimeError: fell over\n")


def test_an_image_that_could_not_be_read_is_an_error_and_no_row(compared):
    compared.rows.append(failed_row("x.png", "", "'x.png': not an image", state="", upsample=""))
    assert len(tables(compared)) == 1
    assert error_lines(compared) == ["'x.png': not an image"]


def test_many_errors_are_cut_short(compared):
    compared.rows.extend(failed_row(f"{i}.png", "broken", "no") for i in range(100))
    assert len(error_lines(compared)) == 41
    assert error_lines(compared)[-1] == "and 60 more, in the JSON and CSV"


@pytest.mark.parametrize("fmt", ["table", "markdown"])
def test_no_rows_say_so(fmt):
    assert render(make_compare(rows=[]), fmt).lower().startswith("no rows")


def test_the_terminal_table_needs_no_pandas():
    code = (
        "import sys; from reports.conftest import make_compare; from poolzoo.reports.text.formats import render;"
        "render(make_compare(), 'table');"
        "heavy = {'torch', 'pandas', 'matplotlib', 'seaborn'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(filter(None, sys.path))})


# --- names are data ---------------------------------------------------------------------------------------------------

NASTY = [
    "[red]x[/red]",
    "[/]",
    "a|b",
    "`c`",
    HOSTILE,
    "\x1b[35mred\x1b[3m",
    "two\nlines",
    "\u202egnp.exe",
    "\udcff",
    "$x$",
]


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("color", [False, True])
def test_names_are_shown_and_not_obeyed_in_a_terminal(name, color):
    rows = [compare_row("a", name, 20.0, 0.5), failed_row(name, "sum", name)]
    text = render(make_compare(rows=rows), "table", color=color)
    # Whatever escapes are left after Rich's own came from a name.
    plain = OWN_ESCAPES.sub("", text) if color else text
    assert visible(name) in plain
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", plain)
    text.encode()


def test_visible_leaves_letters_alone():
    assert visible("Straße 写真 ✓ é") == "Straße 写真 ✓ é"
    assert visible("a\nb\x1b\u202e\u2066\x00") == r"a\nb\x1b\u202e\u2066\x00"


# --- Markdown ---------------------------------------------------------------------------------------------------------


def cells_of(line):
    """The cells of a GitHub table line: split at pipes that no backslash escapes."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.mark.parametrize("result", [make_compare(), make_profile()])
def test_a_markdown_table_has_as_many_cells_in_every_line(result):
    lines = [line for line in render(result, "markdown").splitlines() if line.startswith("|")]
    (table,) = tables(result)
    assert len(lines) == 2 + len(table.lines)
    assert {len(cells_of(line)) for line in lines} == {len(table.columns)}
    assert set(cells_of(lines[1])) <= {":---", "---:"}


def test_markdown_marks_the_best_in_bold(compared):
    text = render(compared, "markdown")
    assert re.search(r"^\| avg \| fixed \| \*\*28\.25\*\* \|", text, re.MULTILINE)
    assert re.search(r"^\| max \| fixed \| 28\.15 \|", text, re.MULTILINE)


@pytest.mark.parametrize("name", NASTY)
def test_names_cannot_leave_their_markdown_cell(name):
    rows = [compare_row("a", name, 20.0, 0.5), compare_row("a", "avg", 21.0, 0.5), failed_row(name, "sum", name)]
    text = render(make_compare(rows=rows), "markdown")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(cells_of(line)) for line in lines}) == 1
    assert "<" not in text
    assert not re.search(r"(?<!\\)`", text)
    assert "\x1b" not in text


def test_softpool_detached_stays_readable_in_markdown(compared):
    assert "| softpool_detached |" in render(compared, "markdown")


def test_what_keeps_more_is_never_marked_even_among_its_like():
    rows = [
        compare_row("a", pool, psnr, 0.5, kept=kept, equal_kept=False)
        for pool, psnr, kept in (("complete", 24.67, 1.0), ("tri", 24.66, 0.75))
    ]
    text = render(make_compare(["a"], rows, baseline="tri"), "table")
    assert "never marked best" in text
    assert "*" not in text
