"""The picture explorer in a real browser: what it computes is held against torch, numpy and scikit-image."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from reports.conftest import HOSTILE, compare_row, make_compare
from reports.test_browser import CHROMIUM, browser  # noqa: F401  the fixture

from poolzoo.analysis.scoring.protocol import UPSAMPLERS
from poolzoo.reports.page import explorer
from poolzoo.reports.page.evidence import script_json
from poolzoo.reports.page.explorer import explorer_script, explorer_style, nice_ceiling
from poolzoo.reports.pictures.cutouts import TAPS
from poolzoo.reports.pictures.picture import ReportPicture
from poolzoo.reports.pictures.picture_book import PictureBook
from poolzoo.reports.run_facts import RunFacts

CHROME = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: no chromium or google-chrome on PATH"),
]
FULL, POOLED = (64, 64), (27, 31)


def noise(height, width, seed=0):
    """Multiples of 1/255, so that nothing is lost when they are stored."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)) / 255


def interpolate(pooled, size, upsample):
    x = torch.from_numpy(pooled).permute(2, 0, 1)[None]
    return F.interpolate(x, size=size, **UPSAMPLERS[upsample].interpolation)[0].permute(1, 2, 0).numpy()


ORIGINAL = noise(*FULL)
POOLS = {"avg": noise(*POOLED, 1), "max": noise(*POOLED, 2)}
WEIGHTS = np.random.default_rng(3).integers(0, 256, (8, 8)) / 255


def make_book(images=("a.png",)):
    book = PictureBook()
    for name in images:
        book.add(ReportPicture(name, "", "", "", None, "original", ORIGINAL))
        for pool, pooled in POOLS.items():
            who = (pool, "", "fixed", None)
            book.add(ReportPicture(name, *who, "pooled", pooled))
            for upsample in TAPS:
                book.add(ReportPicture(name, *who, "rebuilt", interpolate(pooled, FULL, upsample), upsample))
            book.add(ReportPicture(name, *who, "weights", WEIGHTS, corner=(24, 32), bounds=(0.0, 1.0)))
        who = ("checkered", "", "fixed", None)
        book.add(ReportPicture(name, *who, "pooled", np.hstack([POOLS["avg"], POOLS["max"]]), submaps=2))
        book.add(ReportPicture(name, *who, "rebuilt", ORIGINAL / 2, "bilinear"))
    return book


def make_result(images=("a.png",)):
    rows = [
        compare_row(image, pool, 20.0 + place, 0.5, upsample=upsample)
        for image in images
        for place, pool in enumerate(POOLS)
        for upsample in TAPS
    ]
    return make_compare(images, rows + [compare_row(image, "checkered", 30.0, 0.5) for image in images])


def render_explorer(book, results):
    return explorer.render_explorer(book, list(map(RunFacts.of, results)))


def make_page(book, results):
    """The explorer on an otherwise empty page, under the policy that the real one has."""
    style, script = explorer_style(), explorer_script()
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    policy = "default-src 'none'; img-src data: blob:; style-src 'sha256-{}'; script-src 'sha256-{}'".format(*hashes)
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
    head += f"<title>t</title><style>{style}</style>"
    body = f"<main><h1>t</h1><h2>Pictures</h2>{render_explorer(book, results)}</main><script>{script}</script>"
    return f'<!DOCTYPE html><html lang="en"><head>{head}</head><body>{body}</body></html>'


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("explorer") / "page.html"
    images = ("a.png", HOSTILE)
    file.write_text(make_page(make_book(images), [make_result(images)]))
    return file


@pytest.fixture
def opened(browser, page_file):  # noqa: F811
    """Opens the page; closes it, and asserts that it asked for nothing and complained of nothing."""
    contexts, wrong = [], []

    def open_page(file=page_file, width=1400, **options):
        context = browser.new_context(viewport={"width": width, "height": 1000}, **options)
        contexts.append(context)
        page = context.new_page()
        allowed = (file.as_uri(), "data:", "blob:")
        page.on("request", lambda request: request.url.startswith(allowed) or wrong.append(request.url))
        # What the tests themselves read back is too much for one warning.
        page.on("console", lambda message: "willReadFrequently" in message.text or wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.goto(file.as_uri())
        if options.get("java_script_enabled", True):
            page.locator("#explorer[data-ready][data-sought]").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def act(page, action):
    """Do something that changes what is shown, and wait until it is drawn."""
    canvas = page.locator(".x-a canvas")
    before = canvas.get_attribute("data-turn")
    action()
    for _ in range(1500):
        if canvas.get_attribute("data-turn") != before:
            return
        time.sleep(0.02)
    raise AssertionError("nothing was drawn")


def settle(page):
    """Wait until what was asked for is drawn: the page draws in the next frame."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def show(page, *, a=None, b=None, view=None):
    if a:
        act(page, lambda: page.locator("select[name=a]").select_option(a))
    if b:
        act(page, lambda: page.locator("select[name=b]").select_option(b))
    if view and not page.locator(f"input[name=view][value={view}]").is_checked():
        act(page, lambda: page.locator(f"input[name=view][value={view}]").check())


def rank(page, pool, upsample="bilinear"):
    """The value that the choice of an operator has."""
    return page.locator(f"optgroup[label='Rebuilt, {upsample}'] option", has_text=pool).first.get_attribute("value")


def read(page, pane="a"):
    """The cut-out as it is drawn, one screen pixel for each of its own: (H, W, 3) bytes."""
    for _ in range(10):
        page.locator(".x-panes").press("-")
    settle(page)
    height, width = FULL
    values = page.locator(f".x-{pane} canvas").evaluate(
        "(c, [w, h]) => [...c.getContext('2d').getImageData(+c.dataset.left, +c.dataset.top, w, h).data]",
        [width, height],
    )
    return np.array(values, dtype=np.uint8).reshape(height, width, 4)[..., :3]


def shown_bytes(values):
    return np.rint(np.clip(values, 0, 1) * 255).astype(int)


# --- the data ---------------------------------------------------------------------------------------------------------


def data_of(markup):
    return json.loads(re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', markup, re.S)[1])


def test_equal_pictures_give_equal_bytes():
    assert render_explorer(make_book(), [make_result()]) == render_explorer(make_book(), [make_result()])


def test_without_pictures_there_is_no_explorer():
    assert render_explorer(PictureBook(), [make_result()]) == ""
    assert render_explorer(make_book(("other.png",)), [make_result()]) == "", "nor for images of no result"


def test_nothing_in_the_data_leaves_its_script():
    evil = "</script><script>alert(1)</script><!-- & \u2028\u2029 \u202e"
    text = script_json({"name": evil})
    assert not set("<>&\u2028\u2029\u202e") & set(text)
    assert json.loads(text) == {"name": evil}


def test_names_are_escaped():
    evil = "</script><script>alert(1)</script>\u202e\"'"
    markup = render_explorer(make_book((evil,)), [make_result((evil,))])
    assert markup.count("<script") == 1
    assert "\u202e" not in markup
    assert html.escape("</script><script>alert(1)</script>") in markup
    assert data_of(markup)["images"][0]["name"] == "</script><script>alert(1)</script>\\u202e\"'"


def test_rebuilt_pictures_are_sent_only_where_they_cannot_be_made():
    operators = data_of(render_explorer(make_book(), [make_result()]))["images"][0]["operators"]
    sent = {operator["title"]: [view["picture"] is not None for view in operator["views"]] for operator in operators}
    assert sent == {"avg": [False] * 3, "max": [False] * 3, "checkered": [True]}


LOW = {"protocol": "lowres", "upsample": "none"}


def low_book():
    """At low resolution pooled pictures are as large as the original, and rebuilt ones there are none."""
    book = PictureBook()
    book.add(ReportPicture("a.png", "", "", "", None, "original", ORIGINAL))
    for pool in POOLS:
        book.add(ReportPicture("a.png", pool, "", "fixed", None, "pooled", low_pooled(pool), "none"))
    return book


def low_pooled(pool):
    return np.rint((ORIGINAL + interpolate(POOLS[pool], FULL, "nearest")) / 2 * 255) / 255


def low_result():
    return make_compare(("a.png",), [compare_row("a.png", pool, 20.0, 0.5, **LOW) for pool in POOLS], protocol="lowres")


def test_at_low_resolution_no_picture_is_called_rebuilt():
    markup = render_explorer(low_book(), [low_result()])
    (image,) = data_of(markup)["images"]
    assert image["low"]
    assert [[view["upsample"] for view in operator["views"]] for operator in image["operators"]] == [["none"]] * 2
    figures = markup[markup.index('id="explorer-plain"') :]
    assert "original, downscaled, 64 × 64" in figures
    assert "avg, pooled: PSNR 20.00 dB" in figures and "rebuilt from" not in figures
    # Pictures at low resolution are of no other protocol's rows.
    assert not render_explorer(low_book(), [make_result()])
    both = render_explorer(low_book(), [make_result(), low_result()])
    assert data_of(both)["images"] == [image]


def test_what_is_not_on_the_page_is_not_explained():
    low, submaps = low_result(), "Operators that keep several submaps"
    assert submaps not in render_explorer(low_book(), [low])
    low.rows.append(compare_row("a.png", "checkered", 20.0, 0.5, **LOW))
    assert submaps in render_explorer(low_book(), [low])
    for state, seed in (("fixed", None), ("train", 0)):
        book = PictureBook()
        book.add(ReportPicture("a.png", "", "", "", None, "original", np.zeros((8, 8, 3))))
        book.add(ReportPicture("a.png", "s3", "", state, seed, "pooled", np.zeros((4, 4, 3))))
        book.add(ReportPicture("a.png", "s3", "", state, seed, "rebuilt", np.zeros((8, 8, 3)), "bilinear"))
        result = make_compare(("a.png",), [compare_row("a.png", "s3", 20.0, 0.5, state=state, seed=seed)])
        assert data_of(render_explorer(book, [result]))["images"][0]["draws"] == (state == "train")


def test_the_scale_is_one_for_all_operators_of_an_image():
    (image,) = data_of(render_explorer(make_book(), [make_result()]))["images"]
    assert image["scale"] > 0
    assert not any("scale" in operator for operator in image["operators"])


@pytest.mark.parametrize(("value", "ceiling"), [(0.11, 0.15), (0.15, 0.15), (0.76, 1), (7.6, 10), (3e-4, 3e-4), (0, 1)])
def test_scales_end_at_round_numbers(value, ceiling):
    assert nice_ceiling(value) == ceiling


@pytest.mark.slow
def test_eight_images_and_35_operators_stay_small():
    """Noise is the worst case: nothing can be predicted."""
    names, pools = [f"{number}.png" for number in range(8)], [f"p{number}" for number in range(35)]
    book = PictureBook()
    for number, name in enumerate(names):
        book.add(ReportPicture(name, "", "", "", None, "original", noise(180, 180, number)))
        for place, pool in enumerate(pools):
            who = (pool, "", "fixed", None)
            pooled = noise(90, 90, 100 * number + place)
            book.add(ReportPicture(name, *who, "pooled", pooled))
            book.add(ReportPicture(name, *who, "rebuilt", pooled.repeat(2, 0).repeat(2, 1), "nearest"))
    rows = [compare_row(name, pool, 20.0, 0.5, upsample="nearest") for name in names for pool in pools]
    markup = render_explorer(book, [make_compare(names, rows)])
    images = data_of(markup)["images"]
    assert [len(image["operators"]) for image in images] == [35] * 8
    assert len({tuple(image["cut"][2:]) for image in images}) == 1 and images[0]["cut"][2] < 180, "cut until it fits"
    assert len(markup.encode()) < 12e6


def test_equal_pictures_are_stored_once():
    """What an operator leaves is held against the nearest that came before it, whichever operator's that is."""
    book, pooled = PictureBook(), {"avg": noise(27, 31, 1), "max": noise(27, 31, 2), "fractional_max": noise(27, 31, 2)}
    book.add(ReportPicture("a.png", "", "", "", None, "original", ORIGINAL))
    for pool, pixels in pooled.items():
        book.add(ReportPicture("a.png", pool, "", "fixed", None, "pooled", pixels))
        rebuilt = interpolate(pixels, FULL, "bilinear")
        book.add(ReportPicture("a.png", pool, "", "fixed", None, "rebuilt", rebuilt, "bilinear"))
    rows = [compare_row("a.png", pool, 20.0, 0.5) for pool in pooled]
    parts = {
        o["title"]: o["pooled"]
        for o in data_of(render_explorer(book, [make_compare(["a.png"], rows)]))["images"][0]["operators"]
    }
    first, again = sorted((parts["max"], parts["fractional_max"]), key=lambda part: part["number"])
    assert again["reference"] == first["number"]
    assert len(again["data"]) < len(first["data"]) / 20


def test_scores_stand_in_the_order_that_was_asked_for():
    result = make_result()
    result.metadata["metrics"] = ["ssim", "psnr"]
    operator = data_of(render_explorer(make_book(), [result]))["images"][0]["operators"][0]
    assert operator["views"][0]["scores"] == "SSIM 0.5000 · PSNR 20.00 dB"


def test_the_budget_bounds_the_pictures(monkeypatch):
    whole = render_explorer(make_book(), [make_result()])
    monkeypatch.setattr(explorer, "BUDGET", 30_000)
    monkeypatch.setattr(explorer, "SIDES", (64, 32, 16))
    less = data_of(render_explorer(make_book(), [make_result()]))["images"][0]
    assert data_of(whole)["images"][0]["cut"] == [0, 0, 64, 64]
    assert less["cut"][2:] == [32, 32]
    assert less["cut"][0] <= 24 and less["cut"][0] + 32 >= 32, "around the weights"


# --- in the browser ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1920, "light")])
class TestLook:
    pytestmark = CHROME

    def test_it_fits_and_asks_for_nothing(self, opened, width, scheme):
        page = opened(width=width, color_scheme=scheme)
        for view in ("true", "matched", "difference", "ssim", "spectrum", "weights", "original"):
            show(page, view=view)
        page.locator("input[name=layout][value=slider]").check()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".x-still").first.is_hidden()

    def test_axe_finds_nothing_serious(self, opened, width, scheme):
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
        page = opened(width=width, color_scheme=scheme, bypass_csp=True)
        found = axe.Axe().run(page).response["violations"]
        assert [item["id"] for item in found if item["impact"] in ("serious", "critical")] == []


class TestBrowser:
    pytestmark = CHROME

    def test_it_is_plain_pictures_without_javascript(self, opened):
        page = opened(java_script_enabled=False)
        assert page.locator("#explorer").is_hidden()
        pictures = page.locator(".x-still img")
        assert pictures.count() == 2 * 8
        alts = [pictures.nth(at).get_attribute("alt") for at in range(8)]
        assert alts[0] == "a.png, the original, 64 × 64 pixels"
        assert "rebuilt from what avg kept, nearest: PSNR 20.00 dB" in " ".join(alts)
        assert page.get_by_role("heading", name=HOSTILE).is_visible()

    @pytest.mark.parametrize("upsample", TAPS)
    def test_pictures_are_rebuilt_as_torch_rebuilds_them(self, opened, upsample):
        page = opened()
        for pool, pooled in POOLS.items():
            show(page, a=rank(page, pool, upsample))
            expected = shown_bytes(interpolate(pooled, FULL, upsample))
            assert np.abs(read(page) - expected).max() <= 1

    def test_the_original_and_what_was_sent_are_exact(self, opened):
        page = opened()
        show(page, a="original", b=rank(page, "checkered"))
        assert np.array_equal(read(page), shown_bytes(ORIGINAL))
        assert np.abs(read(page, "b") - shown_bytes(ORIGINAL / 2)).max() <= 1

    def test_pooled_pixels_are_squares_at_matched_size(self, opened):
        page = opened()
        show(page, a=rank(page, "max"), view="matched")
        at = (np.arange(64) + 0.5) / 64
        expected = POOLS["max"][np.ix_((at * 27).astype(int), (at * 31).astype(int))]
        inside = np.ix_(*[np.abs((at * few) % 1 - 0.5) < 0.25 for few in POOLED])
        assert np.array_equal(read(page)[inside], shown_bytes(expected)[inside])

    def test_pooled_pictures_are_smaller_at_true_size(self, opened):
        page = opened()
        show(page, a=rank(page, "max"), view="true")
        read(page)
        drawn = page.locator(".x-a canvas").evaluate(
            """c => {
              const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, xs = new Set(), ys = new Set();
              for (let i = 0; i < d.length / 4; i++) if (d[4 * i + 3]) {
                xs.add(i % c.width); ys.add(Math.floor(i / c.width));
              }
              return [ys.size, xs.size];
            }"""
        )
        assert np.abs(np.subtract(drawn, POOLED)).max() <= 1

    def test_differences_share_one_scale_and_say_which(self, opened, page_file):
        page = opened()
        (scale, _) = (image["scale"] for image in data_of(page_file.read_text())["images"])
        stops = data_of(page_file.read_text())["colours"]["diverging"]
        for pool, pooled in POOLS.items():
            show(page, a=rank(page, pool), view="difference")
            difference = (interpolate(pooled, FULL, "bilinear") - ORIGINAL).mean(axis=2)
            at = np.linspace(-scale, scale, len(stops))
            expected = np.stack([np.interp(difference, at, channel) for channel in np.transpose(stops)], axis=2)
            assert np.abs(read(page) - expected).max() <= 1
            assert page.locator(".x-legend p").inner_text().split("\n") == [
                f"≤ −{scale:g}",
                "0, equal",
                f"≥ +{scale:g}",
            ]

    def probe(self, page, x, y, pane="a"):
        """What is said of the cut-out's pixel x, y."""
        page.locator("button[name=fit]").click()
        settle(page)
        canvas = page.locator(f".x-{pane} canvas")
        left, top, zoom = (int(canvas.get_attribute(f"data-{name}")) for name in ("left", "top", "zoom"))
        canvas.hover(position={"x": left + (x + 0.5) * zoom, "y": top + (y + 0.5) * zoom})
        settle(page)
        return page.locator(f".x-{pane} .x-value").inner_text().replace("−", "-")

    def test_local_ssim_is_that_of_scikit_image(self, opened):
        from skimage.metrics import structural_similarity

        page = opened()
        show(page, a=rank(page, "max"), view="ssim")
        _, expected = structural_similarity(
            ORIGINAL,
            interpolate(POOLS["max"], FULL, "bilinear"),
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        for x, y in ((5, 5), (20, 40), (58, 58)):
            assert float(self.probe(page, x, y)) == pytest.approx(expected[y, x].mean(), abs=6e-5)
        assert self.probe(page, 4, 30) == "none here"
        mean = float(re.search(r"mean of this cut-out (\S+)", page.locator(".x-a .x-scores").inner_text())[1])
        assert mean == pytest.approx(expected[5:-5, 5:-5].mean(), abs=6e-5)

    def test_the_spectrum_is_that_of_numpy(self, opened):
        page = opened()
        show(page, a=rank(page, "max"), view="spectrum")
        grey = interpolate(POOLS["max"], FULL, "bilinear").mean(axis=2)
        hann = np.sin(np.pi * (np.arange(64) + 0.5) / 64) ** 2
        window = np.outer(hann, hann)
        expected = np.abs(np.fft.fftshift(np.fft.fft2((grey - grey.mean()) * window))) / window.sum()
        for x, y in ((32, 33), (20, 40), (3, 60)):
            said, where = self.probe(page, x, y).split(" at ")
            assert float(said) == pytest.approx(expected[y, x], rel=6e-3)
            assert [float(f) for f in where.split(" cycles")[0].split(", ")] == pytest.approx(
                [x / 64 - 0.5, y / 64 - 0.5], abs=6e-4
            )

    def test_the_weights_of_the_window_under_the_pointer_are_told(self, opened):
        page = opened()
        show(page, a=rank(page, "max"), view="weights")
        # The windows begin at even pixels; the weights at column 32, row 24.
        assert float(self.probe(page, 36, 27)) == pytest.approx(WEIGHTS[3, 4], abs=6e-5)
        label = page.locator(".x-window-a canvas").get_attribute("aria-label").replace("−", "-")
        said = [float(text) for text in label.split(": ")[1].split(", ")]
        # Of four pooled pixels along an axis, the third has its gradient shown: from column 36, row 28.
        assert said == pytest.approx(WEIGHTS[4:6, 4:6].ravel(), abs=6e-4)

    def test_padded_windows_begin_before_the_pixels_of_their_stride(self, opened, tmp_path):
        result, file = make_result(), tmp_path / "padded.html"
        for row in result.rows:
            row["padding"] = 1
        file.write_text(make_page(make_book(), [result]))
        page = opened(file)
        show(page, a=rank(page, "max"), view="weights")
        self.probe(page, 36, 27)
        # Of windows that begin at odd pixels, this one does at column 35, row 27.
        label = page.locator(".x-window-a canvas").get_attribute("aria-label").replace("−", "-")
        said = [float(text) for text in label.split(": ")[1].split(", ")]
        assert said == pytest.approx(WEIGHTS[3:5, 3:5].ravel(), abs=6e-4)

    def test_it_opens_at_the_image_and_the_place_where_a_and_b_differ_most(self, opened, tmp_path):
        book = make_book(("alike.png",))
        book.add(ReportPicture("apart.png", "", "", "", None, "original", ORIGINAL))
        calm = interpolate(POOLS["avg"], FULL, "bilinear")
        for pool, change in (("avg", 0.0), ("max", 1.0)):
            rebuilt = calm.copy()
            rebuilt[40:56, 0:16] = ORIGINAL[40:56, 0:16] + change * (1 - 2 * ORIGINAL[40:56, 0:16])
            book.add(ReportPicture("apart.png", pool, "", "fixed", None, "rebuilt", rebuilt, "bilinear"))
        for pool in POOLS:  # the first image's two are equal
            book.shelf("alike.png").pooled[pool, "", "fixed", None] = next(
                iter(book.shelf("alike.png").pooled.values())
            )
        file = tmp_path / "apart.html"
        file.write_text(make_page(book, [make_result(("alike.png", "apart.png"))]))
        page = opened(file)
        assert (
            page.locator("select[name=image]").evaluate("select => select.selectedOptions[0].textContent")
            == "apart.png"
        )
        canvas = page.locator(".x-a canvas")
        left, top, zoom = (int(canvas.get_attribute(f"data-{name}")) for name in ("left", "top", "zoom"))
        width, height = (int(canvas.get_attribute(name)) for name in ("width", "height"))
        seen = (-left / zoom, -top / zoom, (width - left) / zoom, (height - top) / zoom)
        assert seen[0] <= 2 and seen[1] <= 42 and seen[2] >= 15 and seen[3] >= 55, "the changed square is in sight"
        assert seen[2] - seen[0] <= 33, "large"

    def test_who_is_closer_to_the_original_is_seen_and_counted(self, opened):
        page = opened()
        show(page, a=rank(page, "max"), b=rank(page, "avg"), view="closer")
        one, other = (
            np.abs((interpolate(POOLS[pool], FULL, "bilinear") - ORIGINAL).mean(axis=2)) for pool in ("max", "avg")
        )
        for pane, map_ in (("a", one - other), ("b", other - one)):
            said = page.locator(f".x-{pane} .x-scores").inner_text()
            assert f"closer in {100 * (map_ < 0).mean():.0f}%" in said
        picture = read(page).astype(int)
        sure = np.abs(one - other) > 0.02
        redder = picture[..., 0] > picture[..., 2]
        assert np.array_equal(redder[sure], (one > other)[sure]), "red where A is farther"

    def test_panes_zoom_and_move_together(self, opened):
        page = opened()
        places = lambda: {  # noqa: E731
            tuple(page.locator(f".x-{pane} canvas").get_attribute(f"data-{name}") for name in ("left", "top", "zoom"))
            for pane in ("reference", "a", "b")
        }
        canvas = page.locator(".x-b canvas")
        page.locator(".x-panes").press("0")
        settle(page)
        seen = [places()]
        canvas.hover()
        for step in (
            lambda: page.mouse.wheel(0, -100),
            lambda: page.locator("button[name=in]").click(),
            lambda: page.locator(".x-panes").press("+"),
            lambda: page.locator(".x-panes").press("-"),
            lambda: page.locator(".x-panes").press("ArrowRight"),
            lambda: page.locator(".x-panes").press("Shift+ArrowDown"),
            lambda: canvas.drag_to(canvas, source_position={"x": 100, "y": 100}, target_position={"x": 60, "y": 80}),
            lambda: page.locator("button[name=fit]").click(),
        ):
            step()
            settle(page)
            seen.append(places())
            assert len(seen[-1]) == 1, "all panes show the same place"
            assert seen[-1] != seen[-2], "something happened"
        for _ in range(12):
            page.locator(".x-panes").press("+")
        settle(page)
        assert page.locator(".x-factor").inner_text() == "32×"

    def test_a_pixel_can_be_read_by_keyboard(self, opened):
        page = opened()
        page.locator(".x-panes").press("0")
        page.locator(".x-panes").press("Shift+ArrowRight")
        readout = page.locator(".x-readout", has_text="Pixel")
        readout.wait_for()
        assert readout.inner_text().startswith(
            "Pixel 33, 32 of the image. original: " + " ".join(f"{v:.3f}" for v in ORIGINAL[32, 33])
        )
        assert readout.get_attribute("aria-live") == "polite"

    def test_the_slider_moves_by_keyboard_and_by_pointer(self, opened):
        page = opened()
        show(page, a="original", b=rank(page, "checkered"))
        page.locator("input[name=layout][value=slider]").check()
        divider = page.get_by_role("slider")
        now = lambda: int(divider.get_attribute("aria-valuenow"))  # noqa: E731
        divider.press("ArrowRight")
        settle(page)
        assert now() == 52
        stage = page.locator(".x-stage").bounding_box()
        divider.hover()
        page.mouse.down()
        page.mouse.move(stage["x"] + 0.25 * stage["width"], stage["y"] + 50)
        page.mouse.up()
        settle(page)
        assert abs(now() - 25) <= 1
        left, right = page.locator(".x-both canvas").evaluate(
            """c => [0.2, 0.3].map(at => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let sum = 0; for (let y = 0; y < c.height; y++) sum += d[4 * (y * c.width + Math.round(at * c.width)) + 1];
            return sum / c.height; })"""
        )
        assert right < 0.7 * left, "A, the original, on the left; half as bright on the right"

    def test_everything_is_chosen_by_keyboard(self, opened):
        page = opened()
        page.locator("select[name=a]").focus()
        act(page, lambda: page.keyboard.press("ArrowDown"))
        page.locator("input[name=view][value=rebuilt]").focus()
        act(page, lambda: page.keyboard.press("ArrowRight"))
        assert page.locator("input[name=view]:checked").get_attribute("value") == "difference"
        names = [page.locator(f".x-{pane} .x-name").inner_text() for pane in "ab"]
        act(page, lambda: page.locator("button[name=swap]").press("Enter"))
        assert [page.locator(f".x-{pane} .x-name").inner_text() for pane in "ba"] == names

    def test_another_image_keeps_the_operators(self, opened):
        page = opened()
        show(page, a=rank(page, "max", "nearest"))
        act(page, lambda: page.locator("select[name=image]").select_option("1"))
        assert page.locator(".x-a .x-name").inner_text() == "max, nearest"
        assert HOSTILE in page.locator(".x-whole figcaption").inner_text()

    def test_it_opens_with_operators_that_may_be_compared(self, opened):
        page = opened()
        names = [page.locator(f".x-{pane} .x-name").inner_text() for pane in "ab"]
        assert names == ["max, nearest", "avg, nearest"], "checkered scores most, and keeps twice as much"

    def test_a_spectrum_is_seen_whole_and_what_comes_after_where_it_was(self, opened):
        page = opened()
        place = lambda: [page.locator(".x-a canvas").get_attribute(f"data-{n}") for n in ("left", "top", "zoom")]  # noqa: E731
        page.locator("button[name=in]").click()
        page.locator(".x-panes").press("Shift+ArrowRight")
        settle(page)
        before = place()
        show(page, view="weights")
        assert place() != before
        show(page, view="spectrum")
        left, top, zoom = map(int, place())
        canvas = page.locator(".x-a canvas")
        size = [int(canvas.get_attribute(name)) for name in ("width", "height")]
        assert min(left, top) >= 0 and left + 64 * zoom <= size[0] and top + 64 * zoom <= size[1]
        show(page, view="rebuilt")
        assert place() == before

    def test_paper_has_the_pictures_and_nothing_to_press(self, opened):
        page = opened()
        page.emulate_media(media="print")
        assert page.locator(".x-controls:visible, .x-windows:visible, .x-divider:visible").count() == 0
        canvas = page.locator(".x-a canvas")
        canvas.evaluate("canvas => { canvas.parentElement.style.width = '150px'; }")  # as a narrower sheet does
        box = canvas.bounding_box()
        assert box["width"] == box["height"] == 150, "in the shape that it has on the screen"

    def test_a_tall_picture_is_not_shown_taller_than_the_window(self, opened, tmp_path):
        book = PictureBook()
        book.add(ReportPicture("tall.png", "", "", "", None, "original", noise(400, 12)))
        book.add(ReportPicture("tall.png", "avg", "", "fixed", None, "pooled", noise(200, 6)))
        book.add(ReportPicture("tall.png", "avg", "", "fixed", None, "rebuilt", noise(400, 12, 1), "bilinear"))
        file = tmp_path / "tall.html"
        result = make_compare(["tall.png"], [compare_row("tall.png", "avg", 20.0, 0.5)])
        file.write_text(make_page(book, [result]))
        page = opened(file)
        assert page.locator(".x-whole canvas").bounding_box()["height"] < 400

    @pytest.mark.parametrize("view", ["difference", "true", "spectrum"])
    def test_images_that_are_passed_quickly_leave_nothing_behind(self, opened, tmp_path, view):
        book = make_book()
        for name, size in (("small.png", 32), ("large.png", 96)):
            book.add(ReportPicture(name, "", "", "", None, "original", noise(size, size)))
            for pool in POOLS:
                book.add(ReportPicture(name, pool, "", "fixed", None, "pooled", noise(size // 2, size // 2, 1)))
                rebuilt = interpolate(noise(size // 2, size // 2, 1), (size, size), "bilinear")
                book.add(ReportPicture(name, pool, "", "fixed", None, "rebuilt", rebuilt, "bilinear"))
        names = ("a.png", "small.png", "large.png")
        rows = [compare_row(name, pool, 20.0, 0.5) for name in names for pool in POOLS]
        file = tmp_path / "page.html"
        file.write_text(make_page(book, [make_compare(names, rows)]))
        page = opened(file)
        show(page, view=view)
        page.evaluate(
            """async () => {
              // Bytes arrive when they are let through: the next image is chosen while an operator's are on their way.
              const slow = Response.prototype.arrayBuffer, held = [];
              let open = false;
              Response.prototype.arrayBuffer = async function () {
                if (!open) await new Promise((go) => held.push(go));
                return slow.call(this);
              };
              const select = document.querySelector("select[name=image]");
              const choose = (number) => {
                select.value = number;
                select.dispatchEvent(new Event("change", { bubbles: true }));
              };
              const until = async (count) => { while (held.length < count) await new Promise(requestAnimationFrame); };
              choose(1);
              await until(1); // the original
              held[0]();
              await until(2); // what the first operator pooled
              choose(2);
              open = true;
              for (const go of held) go();
            }"""
        )
        page.locator(".x-a canvas[aria-label^='large']").wait_for()
        settle(page)
        assert "96 × 96" in page.locator(".x-whole figcaption").inner_text()  # and `opened` has heard no complaint


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: no chromium or google-chrome on PATH")
def test_at_low_resolution_the_pooled_picture_is_shown_and_its_difference(opened, tmp_path):
    file = tmp_path / "low.html"
    file.write_text(make_page(low_book(), [low_result()]))
    page = opened(file)
    views = [
        "Original",
        "Pooled",
        "Difference",
        "|error A| − |error B|",
        "Local SSIM",
        "Spectrum",
        "Side by side",
        "Slider",
    ]
    assert page.locator(".x-views label:visible").all_inner_texts() == views
    assert page.locator("select[name=a] optgroup").evaluate_all("groups => groups.map(g => g.label)") == ["Pooled"]
    assert not page.locator(".x-windows").is_visible()
    show(page, a=page.locator("select[name=a] option", has_text="max").get_attribute("value"))
    assert np.array_equal(read(page), shown_bytes(low_pooled("max")))
    for view in ("difference", "ssim", "spectrum"):
        show(page, view=view)
        assert "rebuilt" not in page.locator("#explorer").inner_text().lower()
