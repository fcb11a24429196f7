"""The page in a real browser: it opens from disk, asks the network for nothing, and fits its window."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from poolzoo import registry
from poolzoo.analysis.compare import View, compare
from poolzoo.analysis.images import find_images
from poolzoo.analysis.profile import Workload, profile
from poolzoo.reports.page import render_page
from poolzoo.reports.pictures import PictureBook, pictures_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

pytestmark = [
    pytest.mark.browser,
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1920])
def test_it_opens_from_disk_without_the_network_and_fits(browser, page_file, scheme, width):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.goto(page_file.as_uri())
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("load")
    assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out of the window"
    broken = page.evaluate(
        "Promise.all([...document.images].map(i => i.decode().then(() => null, () => i.alt || 'no alt')))"
        ".then(all => all.filter(x => x))"
    )
    assert broken == [], "every picture decodes"
    assert page.evaluate("[...document.images].filter(i => !i.alt).length") == 0
    assert page.locator("h1").count() == 1
    context.close()


def test_it_is_all_there_without_javascript(browser, page_file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("table").count() >= 2
    assert page.get_by_text("softpool_channelsum").count() >= 1
    context.close()
