"""Operator cards: what they say is what the registry says, and the pages in docs/operators are current."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from reports.conftest import DOCS, docs_script

from poolzoo import registry
from poolzoo.analysis.studies.operator_card import count_cost, gather_evidence, make_card
from poolzoo.create import create_pool
from poolzoo.reports.pictures.operator_card import (
    card_pixels,
    card_png,
    gradient_text,
    pixels_hash,
    read_pixels_hash,
    render_card,
)
from poolzoo.reports.pictures.weights import weight_pixels

PAGES = DOCS / "operators"
NAMES = [info.name for info in registry.builtin_pools()]


# Pages


def test_every_operator_has_a_page_and_a_picture_and_nothing_else_lies_there():
    expected = {f"{name}.{suffix}" for name in NAMES for suffix in ("md", "png")} | {"README.md"}
    assert {path.name for path in PAGES.iterdir()} == expected


@pytest.mark.parametrize("name", NAMES)
def test_page_says_what_the_registry_says(name):
    page, info = (PAGES / f"{name}.md").read_text(encoding="utf-8"), registry.pool_info(name)
    assert page.startswith(f"# {name}\n")
    assert f"    {info.formula}\n" in page
    assert f"| source | {info.source} |" in page
    assert f"]({name}.png)" in page
    assert f"]({name}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")
    assert len((PAGES / f"{name}.png").read_bytes()) < 28_000, "the most: sixteen submaps of single pixels"


def test_pages_are_current():
    """`make cards` writes them. Figures are compared as rounded there, pictures by the hash of their pixels."""
    maker = docs_script("make_cards")
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    if maker.versions() not in " ".join(index.split()):
        pytest.skip(f"the figures are those of other versions than {maker.versions()}")
    pages, pictures = maker.make_all()
    for file, text in pages.items():
        assert (PAGES / file).read_text(encoding="utf-8") == text, f"{file}: `make cards` writes it anew"
    for file, pixels in pictures.items():
        assert read_pixels_hash((PAGES / file).read_bytes()) == pixels_hash(pixels), f"{file}: `make cards` draws it"


# Cards


@pytest.mark.parametrize("name", NAMES)
def test_card_holds_formula_source_parameters_and_limits(name):
    info, text = registry.pool_info(name), render_card(make_card(name), width=120)
    flat = " ".join(text.split())
    assert flat.startswith(f"{name} {info.summary}")
    for words in (info.formula, info.source, *info.exempt.values()):
        assert words in flat
    assert max(map(len, text.splitlines())) <= 120


def test_card_of_a_spec_is_that_operator():
    plain, sharp = make_card("softpool"), make_card("softpool:beta=40")
    assert sharp.label == "softpool:beta=40"
    assert np.abs(plain.sample.weights - sharp.sample.weights).max() > 0.1
    with pytest.raises(ValueError, match="sharpness"):
        make_card("softpool:sharpness=2")


def test_card_says_what_draws_and_what_learns():
    assert make_card("stochastic").draws
    assert make_card("mixed:mode=random").draws
    assert not make_card("mixed").draws
    assert make_card("mixed").learns == 1
    assert make_card("gated").learns == 4
    assert make_card("avg").learns == 0
    assert ("channels", "None") in make_card("lip").parameters


def test_gradient_is_shown_with_its_window_and_without_what_is_zero():
    assert gradient_text(make_card("avg").sample).splitlines()[3:] == [
        "",
        "gradient, sum 1.000",
        "[  0.250][  0.250]",
        "[  0.250][  0.250]",
    ]
    rows = gradient_text(make_card("blur").sample).splitlines()[5:]
    assert [row.count("[") for row in rows] == [0, 2, 2, 0]
    assert rows[1].split() == ["0.047", "[", "0.141][", "0.141]", "0.047"]


def test_a_card_in_colour_says_the_same():
    card = make_card("gem")
    plain = re.sub("\x1b\\[[0-9;]*m", "", render_card(card, color=True, width=90))
    assert [line.rstrip() for line in plain.splitlines()] == render_card(card, width=90).splitlines()
    assert "\x1b[" in render_card(card, color=True)


def test_an_operator_of_one_axis_has_a_card():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_pools", dict(registry._pools))
        registry.register_pool("line", summary="first", formula="y = a_1", source="here", ndims=(1,))(
            lambda a, mask: a[..., 0]
        )
        text = render_card(make_card("line"))
    assert "[  1.000][  0.000]" in text
    assert "poolzoo.LinePool1d" in text


# Evidence


def test_cost_is_counted():
    """max_pool2d keeps its input and the indices, 4 + 8/4 bytes a number, and writes both, 1/4 each."""
    assert count_cost("max") == (6.0, 0.5)
    saved, written = count_cost("softpool")
    assert saved > 6
    assert written > 1
    assert count_cost("softpool") == (saved, written)


def test_retention_is_that_of_compare():
    evidence = gather_evidence("stochastic")
    assert [summary.state for summary in evidence.retention] == ["eval", "train"]
    assert (evidence.measured, evidence.shown) == (2, 4)
    assert evidence.pooled.shape == (40, 40, 3)
    assert evidence.weights.weights.shape == (40, 40)
    (average,) = gather_evidence("avg").retention
    assert average.scores["ssim"].mean > evidence.retention[1].scores["ssim"].mean


def test_a_window_that_an_operator_refuses_is_replaced_by_one_it_takes():
    def threes(x, geometry):
        if geometry.kernel_size != (3, 3):
            raise ValueError(f"kernel_size={geometry.kernel_size}: (3, 3) is allowed")
        return torch.nn.functional.avg_pool2d(x, 3, geometry.stride)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_pools", dict(registry._pools))
        registry.register_pool(
            "threes", over="input", summary="of three", formula="y = mean a", source="here", ndims=(2,)
        )(threes)
        evidence = gather_evidence("threes")
        assert (evidence.measured, evidence.shown) == (3, 3)
        assert "[  0.111][  0.111][  0.111]" in render_card(make_card("threes"))
        with pytest.raises(ValueError, match=r"kernel_size=\(5, 5\)"):
            create_pool("threes", kernel_size=5)(torch.zeros(1, 1, 9, 9))


# Pictures


def test_picture_keeps_the_hash_of_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    png = card_png(pixels)
    assert read_pixels_hash(png) == pixels_hash(pixels)
    other = pixels.copy()
    other[3, 4, 1] ^= 1
    assert pixels_hash(other) != pixels_hash(pixels)
    assert Image.open(io.BytesIO(png)).size == (30, 20)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    assert read_pixels_hash(stream.getvalue()) == ""


def test_no_weight_is_white_a_positive_one_red_a_negative_one_blue():
    zero, average, most, more, negative = weight_pixels(np.array([[0, 0.25, 1, 5, -0.5]]), 4)[0]
    assert zero.tolist() == [1, 1, 1]
    assert average[0] > average[2]
    assert most.tolist() == more.tolist()
    assert negative[2] > negative[0]


def test_picture_of_a_card_has_its_three_panels():
    evidence = gather_evidence("sum")
    part = np.zeros((40, 40))
    pixels = card_pixels(part, evidence)
    assert pixels.shape == (160, 3 * 160 + 2 * 8, 3)
    assert pixels[:, :160].max() == 255  # 16 times as bright, and still a picture
    assert len(np.unique(pixels[:, :160])) > 50
    assert not pixels[:, 168:328].any()
