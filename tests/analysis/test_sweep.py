"""A sweep is a comparison: its rows are those of the operator at each value, its curves go through them."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import skimage.data
from PIL import Image

from poolzoo.analysis.inputs.images import find_images
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.scoring.protocol import UPSAMPLERS, Protocol
from poolzoo.analysis.studies.sweep import plan_sweep, run_sweep, sweep_of
from poolzoo.commands import options
from poolzoo.reports.page.page import render_page
from poolzoo.reports.plots.style import to_file
from poolzoo.reports.plots.sweep_curves import plot_sweep
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.tables import tables


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name, (top, left) in {"coffee": (100, 200), "astronaut": (60, 180)}.items():
        Image.fromarray(getattr(skimage.data, name)()[top : top + 32, left : left + 40]).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def swept(photos):
    protocol = Protocol(upsample=("nearest",), metrics=("psnr",))
    return run_sweep(plan_sweep("softpool", "beta=0.5,2,510"), find_images([str(photos)]), protocol, ("none", "255"))


# What is varied


def test_a_range_is_spaced_by_a_common_factor():
    sweep = plan_sweep("softpool", "beta=0.1..16")
    assert sweep.spacing == "log"
    assert sweep.values == pytest.approx(np.geomspace(0.1, 16, 9), rel=1e-3)
    assert (sweep.values[0], sweep.values[-1]) == (0.1, 16)
    assert sweep.specs[:2] == ("softpool:beta=0.1", "softpool:beta=0.1886")


def test_a_range_that_holds_0_is_spaced_by_a_common_step():
    assert plan_sweep("softpool", "beta=-1..1", 5) == plan_sweep("softpool", "beta=-1..1", 5)
    sweep = plan_sweep("softpool", "beta=0..1", 5)
    assert (sweep.values, sweep.spacing) == ((0, 0.25, 0.5, 0.75, 1), "linear")
    assert plan_sweep("softpool", "beta=-1..1", 3).values == (-1, 0, 1)


def test_a_list_is_taken_as_it_is_and_rises():
    sweep = plan_sweep("lp:norm=sum", "p=4,1,2.5,4")
    assert (sweep.values, sweep.spacing) == ((1, 2.5, 4), "list")
    assert sweep.specs == ("lp:norm=sum,p=1", "lp:norm=sum,p=2.5", "lp:norm=sum,p=4")


def test_a_parameter_of_ints_gets_the_ints_of_the_range():
    assert plan_sweep("tree", "depth=1..6").values == (1, 2, 3, 4, 5, 6)
    assert plan_sweep("tree", "depth=0.4..3").values == (1, 2, 3)


def test_a_whole_number_has_one_name():
    assert plan_sweep("lp", "p=0.5..8", 3).specs == ("lp:p=0.5", "lp:p=2", "lp:p=8")
    assert plan_sweep("lp", "p=2.0,2").specs == ("lp:p=2",)
    assert plan_sweep("s3", "grid=2..8", 3).values == (2, 4, 8)  # an int is needed, and its default does not say so


def test_the_widest_ranges_have_finite_values_that_lie_in_them():
    assert plan_sweep("softpool", "beta=1e-300..1e300", 3).values == pytest.approx((1e-300, 1, 1e300))
    assert plan_sweep("softpool", "beta=-1e308..1e308", 3).values == (-1e308, 0, 1e308)
    assert plan_sweep("softpool", "beta=1.00012..1.00018", 5).values == (1.00012, 1.00018)


@pytest.mark.parametrize(
    ("pool", "over", "words"),
    [
        ("softpool", "alpha=1..2", ["'alpha'", "those of softpool are beta"]),
        ("lp", "norm=1,2", ["'norm'", "p"]),
        ("avg", "beta=1..2", ["'beta'", "avg has none"]),
        ("softpool", "beta=a..2", ["'a' is not a finite number"]),
        ("softpool", "beta=1,inf", ["'inf' is not a finite number"]),
        ("softpool", f"beta=1,{'9' * 400}", ["9' is not a finite number"]),
        ("softpool", "beta=2..1", ["a range rises"]),
        ("blur", "filt_size=1.2..1.8", ["'filt_size' takes ints", "none in this range"]),
        ("softpool", "beta=1..2..3", ["one range"]),
        ("softpool", "beta", ["NAME=LOW..HIGH"]),
        ("softpool", "beta=", ["NAME=LOW..HIGH"]),
        ("softpool:beta=2", "beta=1..2", ["leave it out"]),
        ("mixed", "lam=0.5..2", ["lam=", "between 0 and 1"]),
        ("nosuch", "beta=1..2", ["nosuch"]),
    ],
)
def test_what_cannot_be_varied_is_one_line(run, photos, pool, over, words):
    run("sweep", "--pool", pool, "--over", over, "--image", photos).fails(*words)


# What is measured


def test_there_is_a_row_for_each_image_scale_and_value(swept):
    values = ["avg", "max", "softpool:beta=0.5", "softpool:beta=2", "softpool:beta=510"]
    seen = [(row["normalize"], row["image"], label(row)) for row in swept.rows]
    images = list(dict.fromkeys(row["image"] for row in swept.rows))
    assert seen == [(scale, image, value) for scale in ("none", "255") for image in images for value in values]
    assert swept.metadata["sweep"] == {"pool": "softpool", "over": "beta", "values": [0.5, 2, 510], "spacing": "list"}
    assert Result.from_json(swept.to_json(), "x").rows == swept.rows


def test_every_value_scores_what_numpy_makes_of_it(swept):
    """softpool: y = sum a e^(beta a) / sum e^(beta a), of values from 0 to 255 too; rebuilt by repeating."""
    checked = 0
    for row in swept.rows:
        if row["pool"] != "softpool":
            continue
        pixels = np.asarray(Image.open(row["image"])) / 255
        a = pixels.reshape(16, 2, 20, 2, 3)
        scale = 255 if row["normalize"] == "255" else 1
        beta = float(row["params"].removeprefix("beta="))
        e = np.exp(beta * scale * (a - a.max((1, 3), keepdims=True)))
        y = (a * e).sum((1, 3), keepdims=True) / e.sum((1, 3), keepdims=True)
        assert row["psnr"] == pytest.approx(-10 * np.log10(((a - y) ** 2).mean()), abs=1e-9)
        checked += 1
    assert checked == 12


def test_beta_times_the_scale_is_what_counts(swept):
    def score(scale, beta):
        return [row["psnr"] for row in swept.rows if (row["normalize"], row["params"]) == (scale, f"beta={beta}")]

    assert score("255", "2") == pytest.approx(score("none", "510"), abs=1e-9)


@pytest.mark.parametrize(
    "about",
    [
        None,
        3,
        {},
        {"pool": "x", "over": "y", "values": []},
        {"pool": 1, "over": "y", "values": [1]},
        {"pool": "x", "over": "y", "values": [10**400]},
        {"pool": "x:=", "over": "y", "values": [1]},
    ],
)
def test_a_file_that_says_it_wrongly_is_a_plain_comparison(swept, about):
    spoilt = Result("compare", swept.metadata | {"sweep": about}, swept.rows)
    assert sweep_of(spoilt) is None
    assert len(tables(spoilt)) == 2


# What is shown


def test_the_table_follows_the_curve(swept):
    for table in tables(swept):
        names = [line.cells[0].text for line in table.lines]
        assert names[:3] == ["softpool:beta=0.5", "softpool:beta=2", "softpool:beta=510"]
        assert sorted(names[3:]) == ["avg", "max"]
    assert ["values 0 to 255" in table.caption for table in tables(swept)] == [True, False]


def test_the_curves_go_through_the_scores(swept):
    (axes,) = plot_sweep(RunFacts.of(swept)).axes
    curves = {line.get_label(): line for line in axes.get_lines()}
    assert set(curves) == {"no normalisation", "values 0 to 255", "avg", "max"}
    summaries = {(s.setting.normalize, s.label): s.scores["psnr"].mean for s in summarise(swept)}
    for name, scale in (("no normalisation", "none"), ("values 0 to 255", "255")):
        assert curves[name].get_xdata().tolist() == [0.5, 2, 510]
        assert curves[name].get_ydata().tolist() == [
            summaries[scale, f"softpool:beta={v}"] for v in ("0.5", "2", "510")
        ]
    assert set(curves["avg"].get_ydata()) == {summaries["none", "avg"]}
    assert axes.get_xscale() == "linear"


def test_a_logarithmic_range_has_a_logarithmic_axis(swept):
    about = swept.metadata["sweep"] | {"spacing": "log"}
    (axes,) = plot_sweep(RunFacts.of(Result("compare", swept.metadata | {"sweep": about}, swept.rows))).axes
    assert axes.get_xscale() == "log"


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_plot_is_the_same_every_time(swept, suffix, start):
    drawn = to_file(plot_sweep(RunFacts.of(swept)), suffix[1:])
    assert drawn.startswith(start)
    assert drawn == to_file(plot_sweep(RunFacts.of(swept)), suffix[1:])


def test_the_page_shows_the_curves_and_escapes_what_a_file_calls_them(swept):
    assert "Retention of softpool against beta. no normalisation, rebuilt by nearest neighbour: PSNR from" in (
        render_page([swept])
    )
    about = swept.metadata["sweep"] | {"over": "<b>x</b>"}
    assert "<b>x" not in render_page([Result("compare", swept.metadata | {"sweep": about}, swept.rows)])


def test_an_operator_that_draws_has_a_curve_for_each_mode(photos):
    """Whichever mode is the better one at a value, a curve stays with its own."""
    protocol = Protocol(upsample=("nearest",), metrics=("psnr",), seeds=2)
    plan = plan_sweep("fractional_max", "output_ratio=0.3,0.4,0.55,0.7")
    result = run_sweep(plan, find_images([str(photos)]), protocol)
    summaries = {(s.state, s.label): s.scores["psnr"].mean for s in summarise(result)}
    (axes,) = plot_sweep(RunFacts.of(result)).axes
    curves = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    for state in ("train", "eval"):
        assert curves[f"no normalisation, {state} mode"] == [summaries[state, spec] for spec in plan.specs]
    (table,) = tables(result)
    assert [line.cells[1].text for line in table.lines] == ["eval", "train"] * 4 + ["fixed"] * 2
    page = render_page([result])
    assert "no normalisation, eval mode, rebuilt by nearest neighbour: PSNR from" in page
    assert "Some points keep a different fraction of the values than the baseline" in page


def test_the_best_of_a_metric_with_a_target_is_the_nearest_to_it(photos):
    """A maximum is brighter than what it was taken from, a minimum darker: of lse's r the one nearest to 0 is best."""
    protocol = Protocol(upsample=("nearest",), metrics=("brightness", "spectrum_low"))
    result = run_sweep(plan_sweep("lse", "r=-20,-1,2,20"), find_images([str(photos)]), protocol)
    assert "brightness bias from -" in render_page([result])
    assert "best at r=-1" in render_page([result])


def test_a_sweep_without_any_score_says_so(swept):
    failed = dict.fromkeys(("psnr", "kept"), None) | {"error": "no"}
    rows = [row | failed if row["pool"] == "softpool" else row for row in swept.rows]
    assert "against beta. no value of beta has a score." in render_page([Result("compare", swept.metadata, rows)])


def test_panels_of_many_metrics_stand_two_in_a_row(photos):
    metrics = ("psnr", "mse", "mae")
    result = run_sweep(plan_sweep("softpool", "beta=1,2"), find_images([str(photos)]), Protocol(metrics=metrics))
    axes = plot_sweep(RunFacts.of(result)).axes
    assert [panel.get_ylabel().split()[0].rstrip(",") for panel in axes] == ["PSNR", "MSE", "MAE"]
    assert len({panel.get_position().x0 for panel in axes}) == 2


def test_the_page_is_about_one_operator(swept):
    page = render_page([swept])
    assert "<title>softpool over beta on" in page
    assert "survives pooling by softpool at 3 values of beta from 0.5 to 510, with avg and max for comparison" in page
    plots = page[page.index("Other plots</h2>") :]
    assert plots.index("Retention of softpool") < plots.index("<h3>")  # it is of all settings


# The command line


def test_sweep_writes_all_that_is_asked_for(run, photos, tmp_path):
    files = [tmp_path / name for name in ("sweep.json", "sweep.png", "sweep.html")]
    run("sweep", "--pool", "softpool", "--over", "beta=0.1..10", "--points", "3", "--image", photos, "--normalize",
        "none", "--normalize", "inception", "--output", files[0], "--plot", files[1], "--report", files[2])  # fmt: skip
    assert run.code == 0, run.err
    result = Result.from_json(files[0].read_text(), "sweep.json")
    assert sweep_of(result).values == (0.1, 1, 10)
    assert {row["normalize"] for row in result.rows} == {"none", "inception"}
    assert Image.open(io.BytesIO(files[1].read_bytes())).width == 2130
    assert "Retention of softpool" in files[2].read_text()
    assert "softpool:beta=10" in run.out


def test_a_plot_of_another_kind_is_one_line(run, photos, tmp_path):
    common = ("sweep", "--pool", "softpool", "--over", "beta=1..2", "--image", photos)
    run(*common, "--plot", tmp_path / "x.gif").fails("x.gif", ".png, .svg or .pdf")
    run(*common, "--plot", tmp_path / "no" / "x.png").fails("--plot", "no folder")


def test_an_image_that_cannot_be_read_is_reported_and_the_rest_is_drawn(run, photos, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"x")
    run("sweep", "--pool", "softpool", "--over", "beta=1,2", "--image", photos, "--image", broken, "--format", "json")
    assert run.code == 1
    assert len([row for row in json.loads(run.out)["rows"] if not row["error"]]) == 8


def test_what_fails_on_every_scale_is_said_once(run, photos, tmp_path):
    common = ("sweep", "--pool", "softpool", "--over", "beta=1", "--image", photos, "--image", tmp_path / "gone.png")
    run(*common, "--normalize", "none", "--normalize", "255")
    assert run.code == 1
    assert run.out.count("gone.png': no such file (2 rows)") == 1
    assert run.out.count("no such file") == 1


def test_every_choice_of_the_command_line_has_its_words():
    assert set(options.UPSAMPLERS_2D) == set(UPSAMPLERS) - {"trilinear", "optimal"}
