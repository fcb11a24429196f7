"""The statistics, the tables, the plots and the page of a training."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import poolzoo
from poolzoo.analysis.results.accuracy_joined import rank_correlation
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.training_rows import TRAIN_KIND, empty_row
from poolzoo.analysis.results.training_statistics import (
    estimate,
    judge_training,
    paired_difference,
    seeds_needed,
    summarise_training,
)

TOP1 = {"max": (0.84, 0.85, 0.83), "avg": (0.81, 0.83, 0.81), "softpool": (0.842, 0.846, 0.832), "blur": (0.7, 0.74)}


def training(top1=TOP1, baseline="avg", epochs=2) -> Result:
    """A result with these test accuracies by seed."""
    rows = []
    for spec, values in top1.items():
        for seed, value in enumerate(values):
            for epoch in range(1, epochs + 1):
                row = empty_row("clothes", "small", spec, seed, epoch)
                row |= {
                    "epochs": epochs,
                    "val_top1": value - 0.1 / epoch,
                    "train_loss": 1 / epoch,
                    "images_per_s": 900.0,
                }
                row |= {"epoch_s": 1.0, "test_top1": value if epoch == epochs else None, "parameters": 24058}
                rows.append(row)
    return Result(TRAIN_KIND, {"baseline": baseline, "poolzoo": "0"}, rows)


def test_means_and_paired_differences_have_students_intervals():
    found = {one.label: one for one in summarise_training(training())}
    own, base = np.array(TOP1["max"]), np.array(TOP1["avg"])
    low, high = stats.t.interval(0.95, 2, own.mean(), stats.sem(own))
    assert found["max"].accuracy.interval == pytest.approx((low, high))
    test = stats.ttest_rel(own, base).confidence_interval(0.95)
    assert found["max"].difference.interval == pytest.approx((test.low, test.high))
    assert found["max"].difference.mean == pytest.approx((own - base).mean())
    assert found["avg"].difference is None
    # Only seeds that both have pair.
    assert found["blur"].difference.seeds == 2
    assert found["blur"].difference.mean == pytest.approx(((0.7 - 0.81) + (0.74 - 0.83)) / 2)
    assert [one.label for one in summarise_training(training())] == ["max", "softpool", "avg", "blur"]


def test_one_seed_has_no_interval():
    assert estimate([0.5]).interval is None
    assert paired_difference({0: 0.5}, {1: 0.4}) is None


@pytest.mark.parametrize(("deviation", "difference"), [(1.0, 1.0), (0.3, 0.5)])
def test_the_number_of_seeds_has_the_power(deviation, difference):
    """By simulation: a paired t test of that many seeds finds the difference four times in five, one seed less not."""
    count = seeds_needed(deviation, difference)
    random = np.random.default_rng(0)
    for seeds in (count, count - 1):
        if seeds < 2:
            continue
        drawn = random.normal(difference, deviation, (8000, seeds))
        found = (stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean()
        assert found >= 0.785 if seeds == count else found < 0.815
    assert seeds_needed(0.0, 1.0) == 2
    assert seeds_needed(100.0, 0.01) is None


def test_the_verdict_names_the_leader_its_lead_and_who_cannot_be_told_from_it():
    (lead,) = judge_training(training())
    assert (lead.best.label, lead.over[0]) == ("max", "avg")
    assert lead.over[1].mean == pytest.approx(0.0233, abs=1e-4)
    assert lead.unsure == ("softpool", "blur")  # two seeds tell nearly nothing


def test_the_rank_correlation_is_scipys():
    first, second = np.random.default_rng(1).normal(size=(2, 12))
    found = rank_correlation(list(first), list(second))
    assert found.rho == pytest.approx(stats.spearmanr(first, second).statistic)
    assert found.interval[0] < found.rho < found.interval[1]
    assert rank_correlation([1, 2, 3, 4], [1, 2, 3, 5]).interval is None
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 5]) is None
    # The bootstrap by a loop over scipy's own function.
    drawn = np.random.default_rng(0).integers(12, size=(4000, 12))
    rhos = [stats.spearmanr(first[own], second[own]).statistic for own in drawn[:400]]
    assert np.quantile(rhos, 0.025) == pytest.approx(found.interval[0], abs=0.15)


def test_the_page_says_it_in_a_sentence_next_to_retention_and_cost(tmp_path):
    pools = ["max", "avg", "softpool", "blur"]
    image = np.random.default_rng(0).random((32, 32, 3))
    shown = poolzoo.compare(image, pool=pools)
    cost = poolzoo.profile(pool=pools, shape=(1, 2, 16, 16), min_time=1e-4)
    poolzoo.report([poolzoo.Result.of(training()), shown, cost], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<strong>max</strong> leads <strong>avg</strong> by 2.3 points [0.9, 3.8] over 3 seeds." in page
    assert "Not distinguishable from it over these seeds: <strong>softpool</strong> and <strong>blur</strong>." in page
    assert "Rank correlation of accuracy with SSIM" in page and "Rank correlation of accuracy with forward time" in page
    again = poolzoo.load(tmp_path / "page.html", index=0)
    assert again.rows == training().rows and again.kind == TRAIN_KIND
    assert poolzoo.Result.of(training()).plots == ["accuracy", "learning-curves"]


def test_a_table_says_what_is_missing():
    result = training({"max": (0.8, 0.9), "avg": (0.7, 0.8)})
    result.rows[-1]["test_top1"] = None
    failed = empty_row("clothes", "small", "lip", 0, 1)
    failed["error"] = "diverged: the training loss of epoch 1 is nan"
    result.rows.append(failed)
    text = poolzoo.Result.of(result).to_markdown()
    assert "seed 1 unfinished" in text and "seed 0: diverged" in text
    assert math.isnan(poolzoo.Result.of(result).summary()["top1"].tolist()[-1])
