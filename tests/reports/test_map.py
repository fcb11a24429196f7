"""The interactive plot in a real browser: it shows the table's numbers, and hover, click, zoom and keys work."""

from __future__ import annotations

import re

import pytest
from reports.conftest import compare_row, make_compare, make_profile
from reports.test_browser import CHROMIUM, SHIFTS, browser, open_page  # noqa: F401  the fixtures
from reports.test_explorer import FULL, POOLS, interpolate, make_book

from poolzoo.reports.page.page import render_page
from poolzoo.reports.pictures.picture import ReportPicture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: no chromium or google-chrome on PATH"),
]

#: PSNR of the first image and seconds; the best trade-offs are max, avg and lip.
SCORES = {
    "max": (25.5, 1e-3),
    "avg": (30.0, 2e-3),
    "gem": (29.0, 8e-3),
    "lip": (30.25, 4e-2),
    "checkered": (34.0, 3e-3),
}
FRONT = ["max", "avg", "lip"]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    rows = [
        compare_row(image, pool, psnr + shift, 0.5 + psnr / 100, forward_s=seconds)
        for image, shift in zip(("a.png", "b", "c", "d", "e"), SHIFTS, strict=True)
        for pool, (psnr, seconds) in SCORES.items()
    ]
    families = [{"name": name, "family": name[:1]} for name in SCORES]
    book = make_book()
    for place, pool in enumerate(("gem", "lip")):
        who = (pool, "", "initial", None)
        book.add(ReportPicture("a.png", *who, "pooled", POOLS["max"] * (0.5 + 0.1 * place)))
        again = interpolate(POOLS["max"] * (0.5 + 0.1 * place), FULL, "bilinear")
        book.add(ReportPicture("a.png", *who, "rebuilt", again, "bilinear"))
    file = tmp_path_factory.mktemp("map") / "page.html"
    file.write_text(render_page([make_compare("abcde", rows, metrics=["psnr", "ssim"], pools=families)], book))
    return file


@pytest.fixture
def page(open_page, page_file):  # noqa: F811
    page = open_page(page_file, viewport={"width": 1400, "height": 1000})
    page.locator("#explorer[data-ready]").wait_for()
    page.locator(".m-point[data-name]").first.wait_for()
    yield page
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("data:", "blob:"))] == [page_file.as_uri()]


def settle(page):
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def place_of(page, name):
    """The middle of an operator's point, in the window."""
    point = page.locator(f".m-point[data-name='{name}']")
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def cells(page, name):
    """The text of the operator's cells in the table, by heading."""
    words = page.locator("#r1-1").evaluate(
        "(table, name) => { const row = [...table.rows].find(r => r.cells[0].dataset.name === name);"
        "return [...table.tHead.rows[0].cells].map((head, at) =>"
        " [head.textContent.trim(), row.cells[at].textContent]); }",
        name,
    )
    return {heading: re.sub("[★▾] ", "", text).strip() for heading, text in words}


def tip(page):
    settle(page)
    return page.locator(".m-tip:visible span").all_inner_texts()


def test_pointing_at_a_point_tells_the_numbers_of_the_table(page):
    for name in SCORES:
        page.mouse.move(*place_of(page, name))
        said, row = tip(page), cells(page, name)
        assert said[0].partition(" (")[0] == name
        assert f"PSNR dB {row['PSNR dB']}" in said
        assert f"time ms {row['time ms']}" in said
        if name != "avg":
            assert f"vs avg dB {row['vs avg dB']}" in said
        assert ("keeps a different fraction of the values" in said) == (name == "checkered")


def test_points_lie_where_their_numbers_are(page):
    places = {name: place_of(page, name) for name in SCORES}
    by_time = sorted(SCORES, key=lambda name: SCORES[name][1])
    assert sorted(places, key=lambda name: places[name][0]) == by_time
    equal = [name for name in SCORES if name != "checkered"]
    assert sorted(equal, key=lambda name: -places[name][1]) == sorted(equal, key=lambda name: SCORES[name][0])
    # The axis of time is logarithmic: equal ratios are equal distances.
    x = {name: places[name][0] for name in SCORES}
    assert (x["gem"] - x["avg"]) / (x["avg"] - x["max"]) == pytest.approx(2, abs=0.02)
    best = page.locator(".m-point.m-best").evaluate_all("points => points.map(point => point.dataset.name)")
    assert sorted(best) == sorted(FRONT)
    assert all(name in page.locator(".m-stage svg").get_attribute("aria-label") for name in FRONT)


def test_a_click_puts_a_point_into_the_explorer(page):
    for side in ("a", "b"):
        page.locator(f".m-side input[value={side}]").check(force=True)
        page.mouse.click(*place_of(page, "gem"))
        settle(page)
        chosen = page.locator(f"#explorer select[name={side}]")
        assert chosen.evaluate("select => select.selectedOptions[0].textContent") == "gem (untrained)"
        said = f"{side.upper()} gem (untrained): {cells(page, 'gem')['PSNR dB']}"
        assert said in page.locator(".m-pair").inner_text()
        page.locator(".m-letter", has_text=side.upper()).wait_for()


def test_the_explorers_choice_is_marked_in_the_plot(page):
    text = page.locator(".m-pair").inner_text()
    assert "A lip" in text and "B avg" in text, "as the explorer opens"
    page.locator("#explorer select[name=a]").select_option(label="max")
    page.locator(".m-pair", has_text="A max").wait_for()
    gap = f"PSNR dB: A − B −{30.0 - 25.5:.2f}"
    assert gap in page.locator(".m-pair").inner_text()
    assert "time ms: A / B 0.500" in page.locator(".m-pair").inner_text()


def test_the_keyboard_does_all_that_a_mouse_does(page):
    stage = page.locator(".m-stage")
    stage.focus()
    seen = []
    for _ in SCORES:
        stage.press("ArrowRight")
        seen.append(tip(page)[0].partition(" (")[0])
    assert seen == sorted(SCORES, key=lambda name: SCORES[name][1]), "from the cheapest on"
    stage.press("ArrowLeft")
    assert tip(page)[0].startswith("gem")
    stage.press("b")
    settle(page)
    assert "B gem" in page.locator(".m-pair").inner_text()
    assert page.locator(".m-said").inner_text().startswith("gem (untrained) is B of the pictures")
    stage.press("Enter")
    settle(page)
    assert "A gem" in page.locator(".m-pair").inner_text()
    stage.press("+")
    settle(page)
    assert float(stage.get_attribute("data-zoom")) == pytest.approx(1.6, abs=0.01)
    stage.press("0")
    settle(page)
    assert stage.get_attribute("data-zoom") == "1.00"
    stage.press("Escape")
    assert tip(page) == []


def zoom(page, how):
    x, y = place_of(page, "gem")
    if how == "button":
        page.get_by_role("button", name="Zoom the plot in").click()
    elif how == "wheel":
        page.mouse.move(x, y)
        page.keyboard.down("Control")
        page.mouse.wheel(0, -100)
        page.keyboard.up("Control")
    else:
        page.mouse.move(x - 60, y - 40)
        page.mouse.down()
        page.mouse.move(x + 60, y + 40, steps=3)
        page.mouse.up()
    settle(page)
    settle(page)


def test_zoom_keeps_the_numbers_and_resets(page):
    stage = page.locator(".m-stage")
    for how in ("button", "wheel", "drag"):
        zoom(page, how)
        assert float(stage.get_attribute("data-zoom")) > 1.2, how
        if how != "button":
            page.mouse.move(*place_of(page, "gem"))
            assert f"PSNR dB {cells(page, 'gem')['PSNR dB']}" in tip(page)
        if how == "drag":
            assert page.locator(".m-point[data-name]").count() < len(SCORES), "what is outside is out of sight"
        page.get_by_role("button", name="Reset").click()
        settle(page)
        assert stage.get_attribute("data-zoom") == "1.00"
        assert page.locator(".m-point[data-name]").count() == len(SCORES)


def test_axes_and_families_can_be_chosen(page):
    page.locator(".map select[name=up]").select_option(label="SSIM")
    page.mouse.move(*place_of(page, "gem"))
    assert f"SSIM {cells(page, 'gem')['SSIM']}" in tip(page)
    page.locator(".map select[name=across]").select_option(label="order of the table")
    settle(page)
    page.locator(".m-legend button", has_text="g").click()
    settle(page)
    assert page.locator(".m-point[data-name=gem]").count() == 0
    page.locator(".m-legend button", has_text="g").click()
    settle(page)
    assert page.locator(".m-point[data-name=gem]").count() == 1


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    """44 rows on six images."""
    rows = [
        compare_row(image, f"operator_{place:02}" if place else "avg", 30 - 0.2 * place + shift, 0.9 - 0.002 * place)
        | {"forward_s": 1e-4 * 1.2**place}
        for image, shift in zip(("a.png", "b", "c", "d", "e", "f"), (*SHIFTS, 0.5), strict=True)
        for place in range(44)
    ]
    pools = [
        {"name": f"operator_{place:02}" if place else "avg", "family": f"family {place % 15}"} for place in range(44)
    ]
    book = make_book()
    for kind, pixels in (("pooled", POOLS["max"]), ("rebuilt", interpolate(POOLS["max"], FULL, "bilinear"))):
        upsample = "bilinear" if kind == "rebuilt" else None
        book.add(ReportPicture("a.png", "operator_01", "", "fixed", None, kind, pixels, upsample))
    file = tmp_path_factory.mktemp("large") / "page.html"
    file.write_text(render_page([make_compare("abcdef", rows, metrics=["ssim", "psnr"], pools=pools)], book))
    return file


@pytest.mark.parametrize("width", [1400, 375])
def test_answer_plot_table_and_pictures_come_first(open_page, large_file, width):  # noqa: F811
    page = open_page(large_file, viewport={"width": width, "height": 1000})
    page.locator("#explorer[data-sought]").wait_for()
    settle(page)
    bottom = lambda of: page.locator(of).first.evaluate("e => e.getBoundingClientRect().bottom + scrollY")  # noqa: E731
    order = [bottom(of) for of in ("header .answer", "#map", "#r1-1", "#pictures", "#warnings")]
    assert order == sorted(order)
    assert len(page.locator("body").inner_text().split()) < 1200
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 1400:
        assert bottom("#r1-1") <= 1600 and bottom("#pictures") <= 2600


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page(open_page, page_file, scheme):  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    page = open_page(page_file, bypass_csp=True, color_scheme=scheme)
    page.locator(".m-point[data-name]").first.wait_for()
    found = axe.run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []


def test_a_profile_has_a_plot_of_its_costs(open_page, tmp_path):  # noqa: F811
    file = tmp_path / "page.html"
    file.write_text(render_page([make_profile(["avg", "max", "lip"])]))
    page = open_page(file)
    page.locator(".m-point[data-name]").first.wait_for()
    assert page.locator(".map select[name=across]").evaluate("s => s.selectedOptions[0].textContent") == "forward ms"
    assert page.locator(".map select[name=up]").evaluate("s => s.selectedOptions[0].textContent") == "fwd+bwd ms"
    page.mouse.click(*place_of(page, "lip"))
    settle(page)
    assert "A lip" in page.locator(".m-pair").inner_text(), "without pictures, too"
