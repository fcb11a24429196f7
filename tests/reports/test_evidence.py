"""A page holds its rows: they come back as they were, and nothing in them leaves its place."""

from __future__ import annotations

import json
import re
import sys

import pytest
from reports.conftest import compare_row, make_compare, make_profile

from poolzoo import cli
from poolzoo.reports.page import evidence
from poolzoo.reports.page.evidence import embed, is_page, results_in_page, script_json
from poolzoo.reports.page.page import render_page

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "\u2028\u2029\u202e\udcff",
    "'\"&amp;\\",
    '<script type="application/json" class="poolzoo-result">{}</script>',
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_come_back_and_stay_inside(name):
    rows = [compare_row(name, pool, 20.0, 0.5, params=name) for pool in ("avg", "max")]
    result = make_compare(rows=rows, images=[name], machine={name: name}, command=name)
    html = str(embed([result, make_profile(["avg"])]))
    assert html.count("<") == html.count(">") == 4, "two elements, opened and closed"
    assert html.isascii()
    assert results_in_page(html, "page.html") == [result, make_profile(["avg"])]


def test_json_in_a_script_is_still_json():
    data = {"<&>": ["</script>", "\u2028", 1.5, None]}
    assert json.loads(script_json(data)) == data
    assert not re.search("[<>&\u2028]", script_json(data))


def test_a_page_of_too_many_rows_holds_none_and_says_so(monkeypatch):
    monkeypatch.setattr(evidence, "ROWS_EMBEDDED", 1)
    result = make_compare(rows=[compare_row("a", pool, 20.0, 0.5) for pool in ("avg", "max")])
    assert embed([result]) == ""
    html = render_page([result])
    assert "they are not in the page but in the file it came from" in html
    with pytest.raises(ValueError, match="page.html: a page without the rows"):
        results_in_page(html, "page.html")


@pytest.mark.parametrize(
    ("text", "page"),
    [("<!DOCTYPE html><p>", True), ("\ufeff\n<!-- saved --><html>", True), ('{"a": "<!DOCTYPE"}', False)],
)
def test_a_page_is_known_by_how_it_begins(text, page):
    assert is_page(text) == page


@pytest.fixture
def report(tmp_path, monkeypatch, capsys):
    """Runs ``poolzoo report`` on files of ``tmp_path``; gives exit code, what is on stderr, and the page's path."""

    def run(*names, output="page.html"):
        arguments = ["report", *(str(tmp_path / name) for name in names), "--output", str(tmp_path / output)]
        monkeypatch.setattr(sys, "argv", ["poolzoo", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code, capsys.readouterr().err, tmp_path / output

    return run


def test_a_page_is_drawn_again_from_itself_to_the_byte(report, tmp_path):
    rows = [compare_row("a", pool, psnr, 0.5) for pool, psnr in (("avg", 20.0), ("max", 19.0))]
    (tmp_path / "r.json").write_text(make_compare(rows=rows).to_json())
    assert report("r.json")[0] == 0
    code, _, again = report("page.html", output="again.html")
    assert code == 0
    assert again.read_bytes() == (tmp_path / "page.html").read_bytes()


def test_pages_and_files_mix_side_by_side(report, tmp_path):
    rows = [compare_row("a", pool, psnr, 0.5) for pool, psnr in (("avg", 20.0), ("max", 19.0))]
    (tmp_path / "first.html").write_text(render_page([make_compare(rows=rows), make_profile(["avg", "max"])]))
    later = [row | {"psnr": row["psnr"] + 2} for row in rows]
    (tmp_path / "second.json").write_text(make_compare(rows=later, poolzoo="0.2").to_json())
    code, _, page = report("first.html", "second.json")
    html = page.read_text()
    assert code == 0
    assert "Comparisons side by side" in html
    assert "B − A: median +2.00 dB over 2 operators." in html
    assert "Profiles side by side" not in html, "there is only one"
    assert "Retention against cost" in html
    assert "second.json" in html


def test_a_page_that_holds_no_rows_is_one_line_and_exit_code_2(report, tmp_path):
    (tmp_path / "other.html").write_text("<!DOCTYPE html><p>not ours")
    code, said, page = report("other.html")
    assert (code, said.count("\n")) == (2, 1)
    assert "other.html: a page without the rows" in said
    assert not page.exists()
