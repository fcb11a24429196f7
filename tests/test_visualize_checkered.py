"""``poolzoo visualize checkered``: what it draws, how it exits, what it leaves on disk."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from poolzoo.analysis.studies.subsampling import METHODS, kept_positions
from poolzoo.commands import visualize
from poolzoo.reports.pictures.subsampling import KEPT, LOST, PANEL_MARGIN, SUBMAP_COLOURS, sampling_gif, sampling_png


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_drawn(run, tmp_path, method):
    png, gif = tmp_path / "p.png", tmp_path / "p.gif"
    run("visualize", "checkered", "--size", 64, "--steps", 3, "--method", method, "--output", png, "--gif", gif)
    assert (run.code, run.out) == (0, "")
    assert run.err == f"wrote {png}\nwrote {gif}\n"
    with Image.open(png) as picture:
        assert picture.width > 3 * 320 and picture.height > 320
    with Image.open(gif) as animation:
        assert animation.n_frames == 4, "the whole image, and a frame a step"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.gif", "p.png"]


def test_the_methods_offered_are_those_that_there_are():
    assert tuple(METHODS) == visualize.METHODS


def test_positions_are_drawn_as_squares_of_their_submaps_colour(tmp_path):
    steps = kept_positions(64, 2, "lattice")
    path = tmp_path / "p.png"
    path.write_bytes(sampling_png(steps, "lattice"))
    sheet = np.asarray(Image.open(path))
    width = sheet.shape[1] // 2
    for number, step in enumerate(steps):
        panel = sheet[sheet.shape[0] - PANEL_MARGIN - 320 :, number * width + PANEL_MARGIN :][:320, :320]
        squares = panel.reshape(64, 5, 64, 5, 3)
        assert (squares == squares[:, :1, :, :1]).all()
        expected = np.array([*SUBMAP_COLOURS, LOST])[np.where(step < 0, len(SUBMAP_COLOURS), step)]
        assert np.array_equal(squares[:, 0, :, 0], expected)


def test_the_animation_begins_with_everything(tmp_path):
    path = tmp_path / "p.gif"
    path.write_bytes(sampling_gif(kept_positions(32, 2, "traditional"), "traditional"))
    shares = []
    with Image.open(path) as animation:
        for frame in range(animation.n_frames):
            animation.seek(frame)
            picture = np.asarray(animation.convert("RGB"))[
                -PANEL_MARGIN - 320 : -PANEL_MARGIN, PANEL_MARGIN : PANEL_MARGIN + 320
            ]
            shares.append((picture == KEPT).all(-1).mean())
    assert shares == [1.0, 1 / 4, 1 / 16]


def test_the_same_seed_draws_the_same(run, tmp_path):
    drawn = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        path = tmp_path / f"{name}.png"
        run("visualize", "checkered", "--method", "random", "--steps", 5, "--seed", seed, "--output", path)
        drawn.append(path.read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ["--output or --gif is needed"]),
        (["--output", "p.jpg"], ["--output 'p.jpg'", "ends in .png"]),
        (["--gif", "p.png"], ["--gif 'p.png'", "ends in .gif"]),
        (["--output", "nowhere/p.png"], ["--output: cannot write", "there is no folder 'nowhere'"]),
        (["--output", "p.png", "--steps", "7"], ["--steps 7: 1 to 6 are allowed for lattice, stride 2, and size 64"]),
        (["--output", "p.png", "--method", "tri", "--steps", "4"], ["--steps 4: 1 to 3 are allowed for tri"]),
        (["--output", "p.png", "--method", "regular"], ["'regular' is not one of", "lattice"]),
        (["--output", "p.png", "--size", "0"], ["0 is not in the range"]),
        (["--output", "p.png", "--steps", "0"], ["0 is not in the range"]),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    run("visualize", "checkered", *arguments).fails(*said)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_the_old_one(run, tmp_path, monkeypatch):
    path = tmp_path / "p.png"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    run("visualize", "checkered", "--output", path).fails("No space left on device")
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_help_names_every_option(run):
    run("visualize", "checkered", "--help")
    assert run.code == 0
    for option in ("--size", "--steps", "--method", "--seed", "--output", "--gif", *METHODS):
        assert option in run.out
