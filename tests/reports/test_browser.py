"""The page in a real browser: it opens from disk, asks the network for nothing, fits, and its tables work."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from reports.conftest import HOSTILE, compare_row, make_compare, profile_row

from poolzoo import registry
from poolzoo.analysis.inputs.images import find_images
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.summaries import bootstrap_interval
from poolzoo.analysis.scoring.round_trip import View
from poolzoo.analysis.studies.compare import compare
from poolzoo.analysis.studies.profile import Workload, profile
from poolzoo.reports.page.page import render_page
from poolzoo.reports.pictures.picture import pictures_of
from poolzoo.reports.pictures.picture_book import PictureBook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: no chromium or google-chrome on PATH"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every operator, pictures and a profile."""
    from PIL import Image
    from skimage.data import coffee

    folder = tmp_path_factory.mktemp("page")
    Image.fromarray(coffee()[80:240, 200:400]).save(folder / "<img src=x onerror=alert(1)>.png")
    book = PictureBook()

    def keep(view: View) -> None:
        for picture in pictures_of(view):
            book.add(picture)

    specs = registry.expand_specs([])
    compared = compare(find_images([str(folder)]), specs, on_view=keep)
    profiled = profile(specs[:6], Workload(shape=(1, 2, 8, 8), min_time=1e-4))
    file = folder / "page.html"
    file.write_text(render_page([compared, profiled], book))
    return file


#: By how much PSNR differs from image to image: the mean and the median of an operator are half a dB above its own.
SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of few operators with known numbers, twice measured and once profiled, with names that bite."""
    scores = {"avg": (30.0, 2e-3), "max": (25.5, 1e-3), "checkered": (34.0, 3e-3), "lip": (30.25, 4e-3)}
    rows = [
        compare_row(image, pool, psnr + shift, 0.5, forward_s=seconds)
        for image, shift in zip((HOSTILE, "</script><b>\u202etxt.exe", "c", "d", "e"), SHIFTS, strict=True)
        for pool, (psnr, seconds) in scores.items()
    ]
    rows.append(compare_row(HOSTILE, "bad_name", 20.0, 0.5, params='s="</th>&|$%_{"', forward_s=5e-3))
    profiled = Result("profile", {"baseline": "avg"}, [profile_row(name, time) for name, (_, time) in scores.items()])
    file = tmp_path_factory.mktemp("small") / "page.html"
    families = [{"name": name, "family": f"<{len(name)}>"} for name in scores]
    command = {"pools": families, "command": "poolzoo compare --image '</script><script>alert(1)</script>'"}
    compared = make_compare(rows=rows, metrics=["psnr"], **command)
    again = make_compare(rows=[row | {"psnr": row["psnr"] + 1} for row in rows], metrics=["psnr"], poolzoo="0.2")
    file.write_text(render_page([compared, again, profiled]))
    return file


#: What the page hands to the clipboard ends up in window.copied.
CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async t => { window.copied = t; }}});"

#: Waits for it, and takes it. The page's policy forbids what Playwright's own waiting for a condition needs, eval.
COPIED = """async () => {
    for (let frame = 0; !window.copied && frame < 600; frame++) await new Promise(requestAnimationFrame);
    const text = window.copied;
    window.copied = "";
    return text;
}"""


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    contexts = []

    def opened(file: Path, script: str = "", **settings: object) -> Page:
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.complaints, page.requests = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (page.complaints.append(dialog.message), dialog.dismiss()))
        if script:
            page.add_init_script(script)
        page.goto(file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1920])
def test_it_opens_from_disk_without_the_network_and_fits(open_page, page_file, scheme, width):
    page = open_page(page_file, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("load")
    assert [url for url in page.requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out of the window"
    broken = page.evaluate(
        "for (const image of document.images) image.loading = 'eager';"
        "Promise.all([...document.images].map(i => i.decode().then(() => null, () => i.alt || 'no alt')))"
        ".then(all => all.filter(x => x))"
    )
    assert broken == [], "every picture decodes"
    assert page.evaluate("[...document.images].filter(i => !i.alt).length") == 0
    assert page.locator("h1").count() == 1


def test_it_is_all_there_without_javascript(open_page, page_file):
    page = open_page(page_file, java_script_enabled=False)
    assert page.locator("table").count() >= 2
    assert page.get_by_text("softpool_channelsum").count() >= 1
    assert page.locator(".tools, button:visible").count() == 0, "nothing that would not work"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(open_page, small_file, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    page = open_page(small_file, bypass_csp=True, color_scheme=scheme)  # axe is put into the page, which forbids it
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    found = axe.run(page).response["violations"]
    grave = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
    assert grave == []


def test_a_hostile_name_is_text_and_isolated(open_page, small_file):
    page = open_page(small_file)
    for name in (HOSTILE, "</script><b>\\u202etxt.exe"):
        assert page.locator("bdi", has_text=name).count() > 0
    assert page.evaluate("document.images.length") == 0
    assert page.complaints == []


# The table of the first comparison. Its lines, as its reader sees them.


class Reader:
    def __init__(self, page: Page, table: str = "#r1-retained") -> None:
        self.page = page
        part = page.locator(f":is(section, details.part):has({table})")
        part.evaluate("part => { if (part.localName === 'details') part.open = true; }")
        self.frame = part.locator(".frame").first
        self.frame.locator(".tools").wait_for()
        self.table = self.frame.locator("table")

    @property
    def lines(self) -> list[list[str]]:
        script = (
            "table => [...table.rows].filter(r => !r.hidden)"
            ".map(r => [...r.cells].filter(c => !c.hidden).map(c => c.innerText.trim()))"
        )
        return self.table.evaluate(script)

    @property
    def names(self) -> list[str]:
        return [line[0].split()[0] for line in self.lines[1:]]

    def column(self, heading: str) -> dict[str, str]:
        place = [text.strip() for text in self.lines[0]].index(heading)
        return {line[0].split()[0]: line[place] for line in self.lines[1:]}

    def heading(self, text: str):
        return self.frame.get_by_role("button", name=text, exact=True).first

    def tool(self, label: str):
        return self.frame.get_by_label(label, exact=True)

    @property
    def said(self) -> str:
        return self.frame.locator("output").inner_text()


@pytest.fixture
def reader(open_page, small_file):
    return Reader(open_page(small_file, CLIPBOARD))


BAD = 'bad_name:s="</th>&|$%_{"'
BEST_FIRST = ["checkered", "lip", "avg", "max", BAD]


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_heading_sorts_and_says_how(reader, by):
    def press(heading: str) -> None:
        if by == "mouse":
            reader.heading(heading).click()
        else:
            reader.heading(heading).focus()
            reader.page.keyboard.press("Enter")

    assert reader.names == BEST_FIRST
    time = reader.table.locator("th", has_text="time")
    press("time ms")
    assert reader.names == ["max", "avg", "checkered", "lip", BAD]
    assert time.get_attribute("aria-sort") == "ascending"
    press("time ms")
    assert reader.names == ["lip", "checkered", "avg", "max", BAD], "what the profile beside it lacks has no time"
    assert time.get_attribute("aria-sort") == "descending"
    press("time ms")
    assert reader.names == BEST_FIRST
    assert time.get_attribute("aria-sort") is None
    press("operator")
    assert reader.names == ["avg", BAD, "checkered", "lip", "max"]
    assert "Sorted by operator" in reader.said


def test_a_text_or_a_family_filters(reader):
    reader.tool("Show rows that contain this text").press_sequentially("LIP")
    assert reader.names == ["lip"]
    assert "1 of 5" in reader.said
    reader.tool("Show rows that contain this text").fill("")
    reader.tool("Show operators of this family").select_option("<3>")
    assert reader.names == ["lip", "avg", "max"]


def test_numbers_are_shown_against_any_operator(reader):
    assert reader.column("PSNR dB")["lip"].startswith("★ 30.75")
    reader.tool("How to show the numbers").select_option("difference")
    assert "vs avg dB" not in reader.lines[0]
    assert reader.column("PSNR dB − avg") == {
        "checkered": "+4.00",
        "lip": "★ +0.25",
        "avg": "0.00",
        "max": "▾ -4.50",
        BAD: "-10.50",  # of one image alone, and so neither best nor worst
    }
    assert reader.column("kept − avg")["checkered"] == "+0.25", "0.5 less 0.25, with the column's digits"
    reader.tool("Operator to compare with").select_option(label="max")
    assert reader.column("PSNR dB − max")["avg"] == "+4.50"
    reader.tool("How to show the numbers").select_option("ratio")
    assert not any("PSNR" in heading for heading in reader.lines[0]), "a ratio of decibels says nothing"
    assert reader.column("time ms / max") == {
        "checkered": "3.00x",
        "lip": "▾ 4.00x",
        "avg": "2.00x",
        "max": "★ 1.00x",
        BAD: "–",
    }
    reader.tool("How to show the numbers").select_option("")
    assert reader.column("PSNR dB")["lip"].startswith("★ 30.75")
    assert "vs avg dB" in reader.lines[0]


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_columns_hide_and_come_back(reader, by):
    menu, keys = reader.frame.locator("summary", has_text="Columns"), reader.page.keyboard
    for left in (False, True):
        if by == "mouse":
            menu.click()
            reader.frame.get_by_role("checkbox", name="kept").click()
            menu.click()
        else:
            menu.focus()
            keys.press("Enter")
            reader.frame.get_by_role("checkbox", name="state").focus()
            for _ in range(4):  # state, PSNR, median, vs avg, kept
                keys.press("Tab")
            keys.press("Space")
            keys.press("Escape")
            assert reader.page.evaluate("document.activeElement.textContent") == "Columns"
        assert ("kept" in reader.lines[0]) == left
        assert all(len(line) == len(reader.lines[0]) for line in reader.lines)


def test_what_is_seen_is_copied(reader):
    reader.heading("time ms").click()
    reader.tool("Show rows that contain this text").fill("fixed")
    reader.frame.locator("summary", has_text="Columns").click()
    assert not {"median", "rank", "ratio", "backend"} & set(reader.lines[0]), "shown when they are asked for"
    for hidden in ("state", "vs avg dB", "kept"):
        reader.frame.get_by_role("checkbox", name=hidden).click()

    def copied(name: str) -> str:
        reader.tool(f"Copy as {name}").click()
        text = reader.page.evaluate(COPIED)
        assert f"Copied 4 rows as {name}." in reader.said
        return text

    lines = list(csv.reader(io.StringIO(copied("CSV"))))
    assert lines[0] == ["operator", "PSNR dB", "PSNR dB ±", "time ms"]
    assert [line[0] for line in lines[1:]] == ["max", "avg", "checkered", BAD]
    low, high = bootstrap_interval(SHIFTS)
    half = f"{(high - low) / 2:.2f}"
    assert lines[2] == ["avg", "30.50", half, "2.0"]
    markdown = copied("Markdown").splitlines()
    assert markdown[:2] == ["| operator | PSNR dB | time ms |", "| :--- | ---: | ---: |"]
    assert markdown[2] == f"| max | 26.00 ±{half} | **1.0** |"
    assert markdown[5].startswith('| bad\\_name:s="&lt;/th&gt;&amp;\\|\\$%\\_{" |')
    latex = copied("LaTeX")
    assert latex.index("\\toprule") < latex.index("\\midrule") < latex.index("\\bottomrule")
    assert "\\begin{tabular}{lrr}" in latex
    assert f"  max & 26.00 $\\pm${half} & \\textbf{{1.0}} \\\\\n" in latex
    # \\textquotedbl is an error in LaTeX's own font encoding.
    assert "bad\\_name:s=''\\textless{}/th\\textgreater{}\\&\\textbar{}\\$\\%\\_\\{'' & " in latex
    reader.tool("How to show the numbers").select_option("ratio")
    assert list(csv.reader(io.StringIO(copied("CSV"))))[3] == ["checkered", "1.50"], "a number, no 1.50x"


def test_columns_of_one_title_can_be_told_apart(open_page, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(render_page([make_compare()]))
    reader = Reader(open_page(file, CLIPBOARD), "#r1-table")
    reader.tool("Copy as CSV").click()
    head = reader.page.evaluate(COPIED).splitlines()[0].split(",")
    assert [name for name in head if "vs avg" in name and "±" not in name] == ["PSNR dB: vs avg dB", "SSIM: vs avg"]
    reader.frame.locator("summary", has_text="Columns").click()
    reader.frame.get_by_role("checkbox", name="SSIM: vs avg").click()
    assert "vs avg" not in reader.lines[0]
    assert reader.heading("PSNR dB: vs avg dB").is_visible()


NO_CLIPBOARD = """Object.defineProperty(navigator, 'clipboard', {value: undefined});
document.addEventListener('copy', () => { window.copied = document.getSelection().toString(); });"""


def test_without_a_clipboard_the_old_way_copies_and_else_the_reader_can(open_page, small_file):
    reader = Reader(open_page(small_file, NO_CLIPBOARD))
    reader.tool("Copy as CSV").click()
    assert reader.page.evaluate(COPIED).startswith("operator,state,PSNR dB")
    reader.page.evaluate("document.execCommand = () => false")
    reader.tool("Copy as Markdown").click()
    by_hand = reader.tool("The table as text, to copy by hand")
    by_hand.wait_for()
    assert by_hand.input_value().startswith("| operator | state |")
    assert "by hand" in reader.said


def test_runs_side_by_side_show_what_changed(open_page, small_file):
    reader = Reader(open_page(small_file), "#versus-compare")
    assert reader.lines[0] == ["operator", "state", "PSNR dB A", "PSNR dB B", "B − A dB"]
    assert reader.column("B − A dB")["avg"].split()[0] == "+1.00"


def test_rows_that_matter_less_open(open_page, tmp_path):
    file = tmp_path / "page.html"
    rows = [
        compare_row(image, f"op{place:02}", 30.0 - place + shift, 0.5)
        for place in range(1, 14)
        for image, shift in zip("abcde", SHIFTS, strict=True)
    ]
    # Not different from the baseline: a change in the last digits, or in both directions.
    gains = {"avg": (0,) * 5, "last_digits": (1e-13,) * 5, "both_ways": (1, -1, 1, -1, 0.5)}
    rows += [
        compare_row(image, pool, 25.5 + shift + gain, 0.5)
        for pool, own in gains.items()
        for image, shift, gain in zip("abcde", SHIFTS, own, strict=True)
    ]
    file.write_text(render_page([make_compare("abcde", rows, metrics=["psnr"])]))
    page = open_page(file)
    reader = Reader(page, "#r1-table")
    names = lambda: [name for name in reader.names if name.startswith(("op", "avg", "last", "both"))]  # noqa: E731
    assert names() == [*(f"op{place:02}" for place in range(1, 5)), "avg", *(f"op{place:02}" for place in range(5, 10))]
    same = page.get_by_role("button", name="2 rows not different from avg by their interval: both_ways and last_digits")
    assert same.get_attribute("aria-expanded") == "false"
    same.press("Enter")
    assert same.get_attribute("aria-expanded") == "true"
    assert {"last_digits", "both_ways"} < set(names()) and "op13" not in names()
    page.get_by_role("button", name="Show all 16 rows: 16 operators").click()
    assert len(names()) == 16
    page.get_by_role("button", name="Show fewer rows").click()
    assert "op13" not in names()
    reader.tool("Show rows that contain this text").fill("op13")
    assert names() == ["op13"], "a search finds what is folded"
    plain = open_page(file, java_script_enabled=False)
    assert plain.locator("#r1-1 tbody tr:visible").count() == 16


def test_a_link_opens_what_it_leads_to(open_page, small_file):
    page = open_page(small_file)
    fold = page.locator("details.part:has(#machine)")
    assert not fold.evaluate("fold => fold.open")
    page.get_by_role("link", name="Machine and command").click()
    page.wait_for_timeout(200)
    assert fold.evaluate("fold => fold.open")


def test_names_in_tables_do_not_break_inside_a_word(open_page, small_file):
    page = open_page(small_file, viewport={"width": 375, "height": 900})
    style = "cell => [getComputedStyle(cell).overflowWrap, getComputedStyle(cell).wordBreak]"
    assert page.locator("#r1-1-joined tbody th").first.evaluate(style) == ["normal", "normal"]
    clipped = page.evaluate(
        "[...document.querySelectorAll('main *, header *')].filter(e => e.checkVisibility() && "
        "e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'hidden'"
        " && !e.closest('.m-said')).map(e => e.outerHTML.slice(0, 80))"
    )
    assert clipped == []


def test_the_scheme_can_be_changed(open_page, small_file):
    page = open_page(small_file, color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.locator("#theme").press("Enter")
    assert page.evaluate(paper) == "rgb(21, 24, 27)"
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)", "paper is white"
    assert page.locator(".tools:visible, nav:visible").count() == 0
