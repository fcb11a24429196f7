"""A model's profile on the page, next to a comparison."""

from __future__ import annotations

import pytest
from reports.test_page import Page

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.schema import MODEL_KEYS
from poolzoo.reports.page.evidence import results_in_page
from poolzoo.reports.page.page import render_page


def model_row(pool, batch, seconds, **more):
    base = dict.fromkeys(MODEL_KEYS) | {
        "model": "resnet18",
        "pool": pool,
        "params": "",
        "batch": batch,
        "shape": f"{batch}x3x224x224",
        "device": "cpu",
        "dtype": "float32",
        "layout": "contiguous",
        "threads": 2,
        "execution": "eager",
        "forward_s": seconds,
        "forward_iqr_s": seconds and seconds / 50,
        "ratio": seconds and seconds / 0.1,
        "pools_share": 0.25,
        "waited_fraction": 0.02,
        "sites": "stem.pool=0.2000,layer2.pool=0.0500",
    }
    return base | more


def test_a_model_has_a_section_and_an_answer_next_to_the_comparison(compared):
    rows = [
        model_row(pool, batch, batch * (0.1 + 0.05 * k), ratio=1 + 0.5 * k)
        for batch in (1, 8)
        for k, pool in enumerate(("", "max", "avg"))
    ]
    rows.append(model_row("blur", 8, None, ratio=None, pools_share=None, sites=None, error="too <large>"))
    known = {"model": "resnet18", "pools_replaced": [{"where": "stem.pool", "what": "MaxPool2d()"}]}
    html = render_page([compared, Result("profile_model", known, rows)])
    text = Page(html).text
    assert "Cost in a model" in text and "Pools of the model" in text
    assert (
        "max is the fastest of 2 operators in place of the pools of resnet18, eager: 150 ± 1.5 ms per forward pass"
        in text
    )
    assert "1.50 times that of the model as given" in text
    assert "in place of the pools of resnet18 ( stem.pool ), against the model as given" in text
    assert "as given" in text and "20.0%" in text and "blur: too <large>" in text
    assert [result.kind for result in results_in_page(html, "page")] == ["compare", "profile_model"]


@pytest.mark.parametrize("metadata", [{}, {"model": 3, "pools_replaced": "x"}])
@pytest.mark.parametrize("rows", [[], [model_row("", 1, None, sites="x,=,a=b", error="no")]])
def test_a_model_of_a_file_that_says_little_is_drawn(metadata, rows):
    assert "Model" in Page(render_page([Result("profile_model", metadata, rows)])).text
