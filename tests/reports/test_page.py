"""The HTML page: complete, the answer first, nothing fetched, nothing obeyed, equal bytes for equal results."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
from reports.conftest import FIVE, HOSTILE, compare_row, failed_row, make_compare, make_profile, profile_row

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.summaries import bootstrap_interval
from poolzoo.reports.page.page import render_page
from poolzoo.reports.page.sections.image_by_image import IMAGES_SHOWN
from poolzoo.reports.page.sections.rows import ROWS_SHOWN
from poolzoo.reports.pictures.picture import ReportPicture, difference_pixels
from poolzoo.reports.pictures.picture_book import PictureBook
from poolzoo.reports.text.words import visible

VOID = {"meta", "link", "img", "br", "hr", "input", "use", "path", "wbr"}


#: Enough for a page where the test is not about what is on it.
FEW = [compare_row("a", pool, psnr, 0.5) for pool, psnr in (("avg", 20.0), ("max", 19.0))]


class Page(HTMLParser):
    """What a browser would make of it: elements with attributes, and the text outside of styles and scripts."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.words, self.open, self.scripts = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def book_of(*images, pools=("max", "avg")):
    book = PictureBook()
    data = np.random.default_rng(0).random((40, 64, 3))
    for image in images:
        book.add(ReportPicture(image, "", "", "", None, "original", data))
        for pool in pools:
            book.add(ReportPicture(image, pool, "", "fixed", None, "pooled", data[::2, ::2]))
            book.add(ReportPicture(image, pool, "", "fixed", None, "rebuilt", data * 0.9))
            book.add(ReportPicture(image, pool, "", "fixed", None, "difference", difference_pixels(data, data * 0.9)))
    return book


@pytest.fixture(scope="module")
def html():
    return render_page([make_compare(), make_profile()], book_of("coffee", "astronaut"))


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


@pytest.mark.slow
def test_equal_results_give_equal_bytes(html):
    assert render_page([make_compare(), make_profile()], book_of("coffee", "astronaut")) == html


def test_the_page_is_well_formed(html, page):
    assert html.startswith("<!DOCTYPE html>")
    assert page.open == []
    assert len(page.all("h1")) == 1
    assert page.all("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in page.all("meta")


def test_nothing_is_fetched(html, page):
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster", "background", "formaction"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
        assert tag not in ("iframe", "object", "embed", "base", "form")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert "://" not in html, "not even the name of a host"
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_a_policy_forbids_what_the_page_does_not_need(html, page):
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    (style,), script = re.findall("<style>(.*?)</style>", html, re.DOTALL), page.scripts[-1]
    for rule, text in (("style-src", style), ("script-src", script)):
        digest = hashlib.sha256(text.encode()).digest()
        assert rules[rule] == f"'sha256-{base64.b64encode(digest).decode()}'", "what the page brought, nothing else"
    assert set(rules) == {"default-src", "base-uri", "form-action", "img-src", "style-src", "script-src"}


def test_the_policy_stands_before_anything_it_governs(html):
    assert html.index("Content-Security-Policy") < html.index("<style") < html.index("<body")


def test_ids_are_unique_and_every_link_leads_somewhere(page):
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []
    targets = {a["href"][1:] for tag, a in page.elements if a.get("href", "").startswith("#")}
    assert targets <= set(ids)
    named = {a[name] for _, a in page.elements for name in ("aria-labelledby",) if name in a}
    assert named <= set(ids)


def test_the_contents_list_every_section(page):
    sections = [a["id"] for a in page.all("h2") if "id" in a]
    linked = [a["href"][1:] for a in page.all("a")]
    assert [name for name in linked if name not in sections] == []
    # The answer links to further caveats.
    assert linked == ["warnings", *sections]
    first = ["plot", "r1-table", "pictures", "warnings", "protocol"]
    assert (sections[:5], sections[-2:]) == (first, ["machine", "rows"])


def test_every_picture_says_what_it_shows(page):
    alts = [a["alt"] for a in page.all("img")]
    assert len(alts) == len(set(alts)) == 2 * (2 + 2 * 2)
    cut = "The same cut-out of 64 × 40 pixels of coffee"
    assert f"{cut}, pooled by max" in alts
    assert f"{cut}, rebuilt from what max kept, bilinear: PSNR 27.90 dB · SSIM 0.8719" in alts
    plots = [a["aria-label"] for _, a in page.elements if a.get("role") == "img" and a.get("class") == "canvas"]
    # Retention, against time and two kinds of memory; the profile. Of two images there are no intervals and no ranks.
    assert len(plots) == len(set(plots)) == 5
    assert all(any(char.isdigit() for char in label) for label in plots)
    assert len(page.all("svg")) == 6, "and the interactive one, which a script fills"


def test_the_answer_comes_first(html, page):
    answer = Page(re.search(r'<section class="answer".*?</section>', html, re.DOTALL)[0]).text
    assert "Keeps most No operator is ahead of the baseline avg : PSNR 28.25 dB." in answer
    assert "checkered" not in answer, "who keeps more is not called best"
    assert html.index('class="answer"') < html.index("<nav") < html.index("<table")


def test_the_answer_names_the_margin_the_fastest_and_the_front():
    rows = [
        compare_row("a", name, psnr, 0.5, forward_s=seconds)
        for name, psnr, seconds in (
            ("avg", 25.0, 2e-3),
            ("good", 30.0, 4e-3),
            ("fast", 20.0, 1e-3),
            ("bad", 19.0, 3e-3),
        )
    ]
    text = Page(render_page([make_compare(rows=rows, metrics=["psnr"])])).text
    assert "good leads: PSNR 30.00 dB, 5.00 dB ahead of the baseline avg (1 image) ." in text
    assert "fast is the fastest: 1 ms per forward pass, 0.50 times the baseline’s." in text
    front = "fast (1 ms, 20.00 dB), avg (2 ms, 25.00 dB) and good (4 ms, 30.00 dB)"
    assert f"{front}: no operator is both faster and better by PSNR" in text


def test_a_margin_within_chance_is_called_that():
    gains = (2.0, -1.5, 1.0, 2.0, -1.0)
    low, high = bootstrap_interval(gains)
    rows = [compare_row(image, "avg", 25.0, 0.5) for image in "abcde"]
    rows += [compare_row(image, "max", 25.0 + gain, 0.5) for image, gain in zip("abcde", gains, strict=True)]
    text = Page(render_page([make_compare("abcde", rows, metrics=["psnr"])])).text
    sure = f"(95% interval {low:.2f} to {high:.2f}, 5 images)"
    assert f"max leads: PSNR 25.50 dB, 0.50 dB ahead of the baseline avg {sure}" in text
    assert "Not distinguishable from avg : the interval contains 0." in text


def test_times_of_a_matching_profile_are_used():
    compared = make_compare(rows=FEW)
    both = Page(render_page([compared, make_profile(["avg", "max"])]))
    alone = Page(render_page([compared]))
    assert "against the forward time of 20x32x128x128 float32 on cpu, profiled" in both.text
    assert "1x3x40x64" not in both.text.rpartition(" Rows ")[0]
    assert "by poolzoo profile" in both.text
    assert "against the forward time of 1x3x40x64 float32" in alone.text
    fewer = Page(render_page([compared, make_profile(["avg"])]))
    assert "against the forward time of" not in fewer.text, "one operator alone makes no plot"
    other = make_profile(["avg", "max"])
    for row in other.rows:
        row["stride"] = 4
    assert "against the forward time of 1x3x40x64 float32" in Page(render_page([compared, other])).text


def test_the_protocol_is_told_in_words(page):
    for words in (
        "cropped to a multiple of the stride (2)",
        "kernel 2, stride 2, without normalisation",
        "upsampled to full size by bilinear interpolation",
        "11-tap Gaussian window of sigma 1.5, population covariance",
        "data range of 1",
    ):
        assert words in page.text


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"kernel_size": 3, "align": "interpolate"}, True),
        ({"padding": 1, "align": "interpolate"}, True),
        ({"kernel_size": 3, "stride": 1, "padding": 1, "align": "interpolate"}, False),
        ({"kernel_size": 3}, False),
        ({"kernel_size": 3, "upsample": "optimal", "align": "none"}, False),
        ({"kernel_size": 3, "protocol": "lowres", "upsample": "none", "align": "none"}, False),
        ({"kernel_size": 2, "align": "interpolate"}, False),
    ],
)
def test_windows_that_lie_elsewhere_than_interpolation_takes_them_to_are_named(setting, said):
    rows = [compare_row("a", pool, 20.0, 0.5, **setting) for pool in ("avg", "lanczos")]
    pools = [{"name": name, "family": family} for name, family in (("avg", "averages"), ("lanczos", "resampling"))]
    text = Page(render_page([make_compare(rows=rows, pools=pools)])).text
    assert ("takes the pooled values to lie evenly" in text) == said
    assert ("each pooled value at the centre of its window" in text) == (not said and "none" not in setting.values())
    assert ("part of their lead comes from that" in text) == said
    text = Page(render_page([make_compare(rows=rows, pools=pools[:1])])).text
    assert "the latter's lead" not in text


def test_a_window_with_padding_dilation_and_ceil_mode_is_named_in_full_everywhere():
    window = {"kernel_size": 3, "padding": 1, "dilation": 2, "ceil_mode": True}
    words = "ernel 3, stride 2, padding 1, dilation 2, ceil_mode"
    rows = [compare_row("a", pool, 20.0, 0.5, **window) for pool in ("avg", "lip")]
    plain = [compare_row("a", pool, 20.0, 0.5) for pool in ("avg", "lip")]
    cost = make_profile(["avg", "lip"])
    for row in cost.rows:
        row |= window
    page = Page(render_page([make_compare(rows=rows + plain), cost]))
    # The caption of each setting's table and of the cost's, the steps of the protocol, and their headings.
    assert page.text.count(words) >= 4
    assert "against the forward time of" in page.text or "Retention against cost" in page.text
    assert f"rnel 2, stride 2{''}, rebuilt" in page.text


def test_that_bicubic_is_its_own_reference_is_said():
    low = {"protocol": "lowres", "upsample": "none"}
    for more, said in ((low, True), ({}, False)):
        rows = [compare_row("a", pool, 20.0, 0.5, **more) for pool in ("avg", "bicubic")]
        assert ("the operator's perfect score is void" in Page(render_page([make_compare(rows=rows)])).text) == said


def test_normalisation_is_part_of_the_protocol():
    rows = [compare_row("a", "max", 20.0, 0.5, normalize="imagenet")]
    text = Page(render_page([make_compare(rows=rows)])).text
    assert "normalised by imagenet's mean" in text
    assert "normalisation is undone" in text


def test_warnings_say_what_the_numbers_cannot(page):
    for words in ("Not an equal comparison", "checkered (0.5)", "Too few images for an interval: PSNR over 2; SSIM"):
        assert words in page.text
    assert "5 images: intervals over so few images are too narrow" in Page(render_page([make_compare(FIVE)])).text


def test_a_page_says_nothing_of_what_is_not_on_it():
    """Fitting, draws, decoders, intervals and operators are spoken of on pages that have them."""
    plain = Page(render_page([make_compare(rows=FEW)])).text.partition("Rows This page")[0]
    for words in ("fitted", "Seeds", "in train mode", "decoder", "LIP", "SoftPool", "bootstrap", "‡", "†", "Draws"):
        assert words not in plain
    learnable = [compare_row("a", pool, 20.0, 0.5, state="initial") for pool in ("gem", "power")]
    unfitted = Page(render_page([make_compare(rows=[*FEW, *learnable])])).text
    assert "Not fitted" not in unfitted and "LIP" not in unfitted
    assert "‡ untrained: learnable operator with its initial parameters" in unfitted
    rows = [*FEW, *learnable, compare_row("a", "gem", 21.0, 0.6, state="fitted")]
    assert "Not fitted: power." in Page(render_page([make_compare(rows=rows)])).text
    profile = [profile_row("lip", 0.004, state="initial"), profile_row("avg", 0.003)]
    assert "Not fitted" not in Page(render_page([Result("profile", {"baseline": "avg"}, profile)])).text


def test_a_blank_image_does_not_make_all_operators_best():
    scores = {"avg": (20.0, 24.0), "max": (19.0, 22.0), "sum": (-3.0, -5.0)}
    rows = [compare_row(i, pool, p, 0.5) for pool, own in scores.items() for i, p in zip("ab", own, strict=True)]
    rows = [row | {"forward_s": 0.001 if row["pool"] == "sum" else 0.004} for row in rows]
    rows += [compare_row("blank", pool, math.inf, 1.0) for pool in ("avg", "max")] + [
        compare_row("blank", "sum", 1.0, 0.4)
    ]
    html = render_page([make_compare(("a", "b", "blank"), rows, metrics=["psnr"])])
    text = Page(html).text
    assert "No operator is ahead of the baseline avg : PSNR 22.00 dB." in text
    assert "PSNR: 1 image rebuilt exactly by some: blank (by 2 of 3 operators)" in text
    assert "avg (4 ms, 22.00 dB)" in text, "the front"
    assert "PSNR: best avg 22.00 dB, worst sum -4.00 dB." in html, "the plot in words"
    assert "infinite dB" not in text


def test_a_clean_result_has_no_warnings():
    rows = [compare_row(str(i), pool, 20.0 + i, 0.5) for i in range(12) for pool in ("avg", "max")]
    assert 'id="warnings"' not in render_page([make_compare(rows=rows)])


def test_one_image_is_a_warning():
    said = Page(render_page([make_compare(images=["a"])])).text
    assert "Too few images for an interval: PSNR over 1; SSIM over 1" in said


def test_the_protocol_says_on_what_a_decoder_was_fitted():
    fitted = {"decoder_fitted_on": "3 images of <b>"}
    rows = [compare_row("a", pool, 20.0, 0.5, upsample="optimal", **fitted) for pool in ("avg", "max")]
    text = Page(render_page([make_compare(["a"], rows)])).text
    assert "That decoder is fitted for each operator, on 3 images of <b>." in text


def test_an_interval_that_ends_at_zero_has_no_sign():
    gains = (-0.004, -0.004, -0.004, 0.01, 0.05)
    low, high = bootstrap_interval(gains)
    assert -0.005 < low < 0
    rows = [compare_row(i, "avg", 20.0, 0.5) for i in "abcde"]
    rows += [compare_row(i, "max", 20.0 + gain, 0.5) for i, gain in zip("abcde", gains, strict=True)]
    text = Page(render_page([make_compare("abcde", rows)])).text
    assert f"(95% interval 0.00 to {high:.2f}, 5 images)" in text


def test_runs_side_by_side_name_the_images_that_do_not_count():
    def run(exact):
        rows = [compare_row(i, pool, 20.0, 0.5) for i in "bc" for pool in ("avg", "max")]
        return make_compare("abc", [*rows, compare_row("a", "avg", exact, 1.0), compare_row("a", "max", 30.0, 0.9)])

    text = Page(render_page([run(math.inf), run(25.0)])).text
    versus = text.partition("Runs side by side")[2].partition("Information retained")[0]
    assert "PSNR: 1 image rebuilt exactly by some: a (by 1 of 4 operators in these runs)" in versus
    assert "too few images for an interval: at least 5 are needed" in versus
    assert "∞" not in versus


def test_one_operator_is_one():
    text = Page(render_page([make_compare(["a"], [compare_row("a", "avg", 20.0, 0.5)])])).text
    assert "1 pooling operator on a" in text
    assert "How much of 1 image survives pooling by 1 operator, by PSNR and SSIM" in text


@pytest.mark.parametrize(("metric", "question"), [("mse", "Keeps most"), ("alias", "By aliasing")])
def test_only_a_likeness_says_who_keeps_most(metric, question):
    rows = [compare_row("a", pool, None, None, **{metric: 0.1 * place}) for place, pool in enumerate(("avg", "max"))]
    page = Page(render_page([make_compare(["a"], rows, metrics=[metric])]))
    assert f"{question} No operator is ahead of the baseline avg" in page.text
    assert ("Keeps most" in page.text) == (question == "Keeps most")


def test_equals_that_nobody_follows_do_not_lead():
    rows = [
        compare_row("a", pool, 20.0, 0.5, kept=kept, equal_kept=kept == 0.25)
        for pool, kept in (("avg", 0.25), ("checkered", 0.5), ("multisampling", 0.5))
    ]
    text = Page(render_page([make_compare(["a"], rows)])).text
    assert "Keeping 0.5 of the values checkered and multisampling are equal: PSNR 20.00 dB." in text


def test_failed_rows_are_told():
    result = make_compare()
    result.rows.append(failed_row("coffee", "broken", "RuntimeError: fell over"))
    result.rows.append(failed_row("x.png", "", "'x.png': not an image", state="", upsample=""))
    text = Page(render_page([result])).text
    assert f"2 of {len(result.rows)} rows have no scores: broken on coffee: RuntimeError: fell over;" in text
    assert "'x.png': not an image" in text


def test_everything_known_is_on_the_page(page):
    for words in ("f_softpool(a)", "the softpool paper", "a processor", "poolzoo compare", "2026-01-01T00:00:00Z"):
        assert words in page.text
    assert "65 × 40, cropped to 64 × 40" in page.text


def test_every_row_is_on_the_page(page):
    for row in make_compare().rows:
        assert f"{row['psnr']:.10g}" in page.text


def test_the_baseline_and_the_best_are_marked(html):
    assert re.search(r'<tr class="baseline"[^>]*><th scope="row" data-name="avg"><bdi>avg</bdi> <span', html)
    assert re.search(r'<td class="n best" data-v="28.25"><span[^>]*>★ </span>28\.25</td>', html)
    assert re.search(r'<td class="n worst" data-v="-3.45"><span[^>]*>▾ </span>-3\.45</td>', html)
    assert not re.search(r'<tr class="unequal"(?:(?!</tr>).)*(best|worst)', html, re.DOTALL)


def test_pictures_stand_best_operator_first(html):
    assert re.findall(r"<figcaption>(\w+), pooled</figcaption>", html) == ["avg", "max"] * 2


def test_each_upsampling_has_its_table_plots_and_captions():
    rows = [
        compare_row("a", pool, psnr, 0.5, upsample=up)
        for up, psnr in (("nearest", 20.0), ("bilinear", 30.0))
        for pool in ("avg", "max")
    ]
    book = PictureBook()
    book.add(ReportPicture("a", "", "", "", None, "original", np.zeros((8, 8, 3))))
    for up in ("nearest", "bilinear"):
        book.add(ReportPicture("a", "max", "", "fixed", None, "rebuilt", np.zeros((8, 8, 3)), up))
    html = render_page([make_compare(rows=rows)], book)
    assert html.count("<svg") == 5
    assert "rebuilt, nearest: PSNR 20.00 dB" in html
    assert '"upsample":"bilinear","scores":"PSNR 30.00 dB' in html
    for upsampler in ("bilinear", "nearest neighbour"):
        answer = f"Kernel 2, stride 2, rebuilt by {upsampler} Keeps most No operator is ahead of the baseline avg"
        assert answer in Page(html).text


def test_two_comparisons_and_a_profile_share_a_page():
    page = Page(render_page([make_compare(rows=FEW), make_compare(rows=FEW), make_profile(["avg", "max"])]))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert [a["id"] for a in page.all("h2") if a.get("id", "").endswith("-table")] == ["r1-table", "r2-table"]
    assert "Comparison B Keeps most" in page.text


def test_the_median_change_of_an_even_number_lies_between_the_middle_two():
    before, after = (
        make_compare(rows=[compare_row("a", pool, psnr, 0.5) for pool, psnr in scores.items()], metrics=["psnr"])
        for scores in ({"avg": 20.0, "max": 19.0}, {"avg": 20.0, "max": 20.5})
    )
    assert (
        "B − A: median +0.75 dB over 2 operators, from 0.00 (avg) to +1.50 (max)."
        in Page(render_page([before, after])).text
    )


def test_runs_without_a_common_image_have_no_table_of_changes():
    runs = [make_compare(rows=[compare_row(name, "avg", 20.0, 0.5)], images=[name]) for name in ("a", "b")]
    text = Page(render_page(runs)).text
    assert "The runs have nothing in common to compare" in text
    assert "Runs side by side" not in text


@pytest.mark.parametrize("metrics", [[], ["psnr"], ["ssim"], ["mse"], ["mae", "mse", "ssim", "psnr"]])
def test_metadata_may_be_missing(metrics):
    rows = [compare_row("a", "max", 20.0, 0.5) | {"mse": 0.01, "mae": 0.1}]
    html = render_page(
        [Result("compare", {"metrics": metrics}, rows), Result("profile", {}, [profile_row("max", 0.1)])]
    )
    Page(html)
    assert "does not record the machine" in html


@pytest.mark.parametrize("junk", [None, 3, "text", [1, None, "x"], {"a": {"b": 1}}, [{"name": None}]])
def test_metadata_may_be_anything(junk):
    known = ("images", "pools", "machine", "command", "created", "poolzoo", "seed", "seeds", "device", "kernel_size")
    result = make_compare(rows=FEW)
    result.metadata.update(dict.fromkeys(known, junk))
    assert Page(render_page([result, make_profile(["avg"], pools=junk, machine=junk, command=junk)])).open == []


@pytest.mark.parametrize(
    "result",
    [
        make_compare(rows=[]),
        make_compare(rows=[failed_row("a", "max", "no")]),
        Result("profile", {}, []),
        Result("profile", {}, [profile_row("a", 1.0, forward_s=None, ratio=None, error="no")]),
    ],
    ids=["no rows", "only errors", "empty profile", "profile of errors"],
)
def test_poor_results_make_a_page(result):
    assert Page(render_page([result])).open == []


def test_a_page_without_results_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        render_page([])


def test_many_images_and_rows_are_cut_and_said_so():
    images = [f"image{i:03}" for i in range(1100)]
    rows = [compare_row(image, pool, 20.0, 0.5) for image in images for pool in ("avg", "max")]
    html = render_page([make_compare(rows=rows, images=[])], book_of("image1099"))
    page = Page(html)
    assert f"{1100 - IMAGES_SHOWN} further images are in the rows only" in page.text
    assert f"{2200 - ROWS_SHOWN} more are in the JSON" in page.text
    assert len(page.all("img")) == 6, "an image with pictures is among those shown"
    assert len(html) < 3_000_000


HOSTILE_NAMES = [
    HOSTILE,
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "\"'><svg onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "$x^{$",
    "\u202egnp.exe",
    "\x1b[31m\x00",
    "\udcff",
    "&lt;b&gt;",
    "a\nb",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_are_text(name):
    rows = [compare_row(name, pool, psnr, 0.5, params=name) for pool, psnr in ((name, 20.0), ("avg", 19.0))]
    rows.append(failed_row(name, name, name))
    pools = [dict.fromkeys(("label", "name", "formula", "source", "summary", "family"), name)]
    known = {
        "pools": pools,
        "machine": {name: name},
        "command": name,
        "created": name,
        "poolzoo": name,
        "images": [{"name": name, "width": name, "height": 3}],
        "baseline": name,
    }
    compared = make_compare(rows=rows, **known)
    profiled = Result("profile", known, [profile_row(name, 0.1, shape=name, device=name, state=name, backend=name)])
    html = render_page([compared, profiled], book_of(name, pools=(name,)))
    page = Page(html)
    assert page.open == []
    assert page.text.count(" ".join(visible(name).split())) > 10
    assert {tag for tag, _ in page.elements} & {"iframe", "object"} == set()
    assert [a.get("type") for a in page.all("script")] == ["application/json"] * 3 + [None]
    assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]
    assert all(a["src"].startswith("data:") for a in page.all("img"))
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", html)[0]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    html.encode()


def test_a_failed_measurement_is_told_on_a_profiles_page():
    nothing = {key: None for key in profile_row("x", 1.0) if key.endswith("_s") or key in ("ratio", "gbps")}
    rows = [profile_row("avg", 0.1), profile_row("bad", 1.0, **nothing, copy_fraction=None, error="out of memory")]
    text = Page(render_page([Result("profile", {"baseline": "avg"}, rows)])).text
    assert "1 of 2 measurements failed: bad: out of memory" in text
