"""The optimal decoder against numpy's lstsq on a design matrix built by loops, and against torch's upsamplers."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

import poolzoo
from poolzoo import registry
from poolzoo.analysis.inputs.images import SKIMAGE_NAMES, find_images, load_image
from poolzoo.analysis.inputs.training_images import pixel_digest
from poolzoo.analysis.results.summaries import summarise
from poolzoo.analysis.scoring.decoders import DEFAULT_IMAGES, Decoders
from poolzoo.analysis.scoring.linear_decoder import DecoderFit, fit_decoder, measure_image
from poolzoo.analysis.scoring.protocol import Protocol
from poolzoo.analysis.scoring.round_trip import as_input
from poolzoo.analysis.scoring.runs import make_runs
from poolzoo.analysis.studies.compare import compare
from poolzoo.geometry import make_geometry

#: Cut from photographs where there is something to see: name, top, left.
CROPS = (
    *(("astronaut", 60, 180), ("coffee", 100, 200), ("camera", 60, 180), ("chelsea", 80, 120)),
    *(("rocket", 150, 250), ("brick", 0, 0), ("motorcycle_left", 200, 300), ("coins", 30, 30)),
)
SIDE = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of photographs, each a file."""
    path = tmp_path_factory.mktemp("crops")
    for name, top, left in CROPS:
        image = load_image(find_images([f"skimage:{name}"])[0])[top : top + SIDE, left : left + SIDE]
        Image.fromarray(np.round(image * 255).astype(np.uint8)).save(path / f"{name}.png")
    return path


def smooth_noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Something with structure: an average of noise."""
    noise = np.random.default_rng(seed).random(shape)
    for axis in range(2, len(shape)):
        noise = noise + np.roll(noise, 1, axis) + 0.5 * np.roll(noise, 2, axis)
    return torch.from_numpy(noise / noise.max())


def nearest_start(cell: int, k: int, s: int, p: int, shift: int, m: int) -> int:
    """The first of the m windows in a row whose middle lies nearest to the cell's; the later one of two."""
    middle = cell * s + (s - 1) / 2
    starts = range(cell - 20, cell + 21)
    return min(starts, key=lambda i: (abs(shift - p + s * (i + (m - 1) / 2) + (k - 1) / 2 - middle), -i))


def design_by_loops(y: np.ndarray, cells: tuple[int, ...], geometry, phases, m: int) -> np.ndarray:
    """A row for every channel and cell; ``y`` is (C, S, *out)."""
    rows = []
    for channel in y:
        for cell in np.ndindex(*cells):
            row = []
            for submap, phase in zip(channel, phases, strict=True):
                corner = [nearest_start(*place, m) for place in zip(cell, *geometry[:3], phase, strict=True)]
                for tap in np.ndindex(*(m,) * len(cells)):
                    at = (min(max(c + t, 0), o - 1) for c, t, o in zip(corner, tap, submap.shape, strict=True))
                    row.append(submap[tuple(at)])
            rows.append([*row, 1.0])
    return np.array(rows)


def pixels_by_loops(x: np.ndarray, cells: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
    """The cells' pixels, a column a phase; ``x`` is (C, *size)."""
    rows = []
    for channel in x:
        for cell in np.ndindex(*cells):
            rows.append(
                [
                    channel[tuple(c * s + f for c, s, f in zip(cell, stride, phase, strict=True))]
                    for phase in np.ndindex(*stride)
                ]
            )
    return np.array(rows)


def detail_by_loops(x: np.ndarray, cells: tuple[int, ...], stride: tuple[int, ...]) -> float:
    """The mean square of what cells' means, interpolated linearly, lose, and a millionth of the mean square."""
    whole = x[(slice(None), *(slice(0, c * s) for c, s in zip(cells, stride, strict=True)))]
    coarse = pixels_by_loops(x, cells, stride).mean(1).reshape(len(x), *cells)
    for axis, (c, s) in enumerate(zip(cells, stride, strict=True), 1):
        matrix = np.zeros((c * s, c))
        for i in range(c * s):
            place = max((i + 0.5) / s - 0.5, 0.0)
            low = int(place)
            matrix[i, low] += 1 - (place - low)
            matrix[i, min(low + 1, c - 1)] += place - low
        coarse = np.moveaxis(np.tensordot(matrix, coarse, (1, axis)), 0, axis)
    return float(((whole - coarse) ** 2).mean() + 1e-6 * (whole**2).mean())


@pytest.mark.parametrize(
    ("spec", "shape", "kernel", "stride", "padding", "m"),
    [
        ("avg", (18, 16), 2, 2, 0, 3),
        ("max", (19, 17), 3, 2, 1, 3),  # overlapping windows, a last cell of one row
        ("avg", (21, 20), 2, 3, 0, 3),  # gaps between the windows, and less than a cell left over
        ("softpool", (20, 18), (4, 3), (2, 3), 0, 4),  # an even neighbourhood, unlike axes
        ("strided", (22, 20), 5, 2, 0, 3),
        ("checkered", (18, 20), 2, 2, 0, 3),
        ("checkered:pool=avg,sampler=1", (20, 22), 3, 2, 0, 2),
        ("tri", (24, 24), 3, 3, 0, 2),
        ("lp", (40,), 2, 2, 0, 5),
        ("avg", (8, 10, 9), 2, 2, 0, 2),
    ],
)
def test_it_is_numpys_least_squares_on_a_matrix_built_by_loops(spec, shape, kernel, stride, padding, m):
    ndim = len(shape)
    module = poolzoo.create_pool(spec, ndim=ndim, kernel_size=kernel, stride=stride, padding=padding).double()
    geometry = module.geometry
    phases = module.info.phases(geometry, **module.params(None)) if module.info.phases else [(0,) * ndim]
    images = [smooth_noise(1, 2, *shape, seed=seed) for seed in (1, 2)]
    images[1] = images[1] * 0.3 + 0.5  # of less detail, so of more weight
    *training, other = (*images, smooth_noise(1, 2, *shape, seed=3))
    decoder = fit_decoder(module, training, neighbourhood=m)

    def numbers(x):
        y = module(x)
        return (y if module.info.phases else y.unsqueeze(2))[0].numpy()

    cells = tuple(n // s for n, s in zip(shape, geometry.stride, strict=True))
    left, right = [], []
    for x in training:
        pixels = pixels_by_loops(x[0].numpy(), cells, geometry.stride)
        weight = 1 / (pixels.size * detail_by_loops(x[0].numpy(), cells, geometry.stride))
        left.append(design_by_loops(numbers(x), cells, geometry, phases, m) * weight**0.5)
        right.append(pixels * weight**0.5)
    solution = np.linalg.lstsq(np.concatenate(left), np.concatenate(right))[0]
    np.testing.assert_allclose(decoder.weight.numpy(), solution, rtol=0, atol=1e-8)

    cells = tuple(-(-n // s) for n, s in zip(shape, geometry.stride, strict=True))
    values = design_by_loops(numbers(other), cells, geometry, phases, m) @ solution
    expected = np.zeros((2, *(c * s for c, s in zip(cells, geometry.stride, strict=True))))
    for row, (channel, *cell) in zip(values, np.ndindex(2, *cells), strict=True):
        for value, phase in zip(row, np.ndindex(*geometry.stride), strict=True):
            at = (c * s + f for c, s, f in zip(cell, geometry.stride, phase, strict=True))
            expected[(channel, *at)] = value
    full = decoder(module(other), shape)
    assert full.shape == other.shape
    np.testing.assert_allclose(full[0].numpy(), expected[(slice(None), *map(slice, shape))], rtol=0, atol=1e-8)


@pytest.mark.parametrize("pool", ["avg", "checkered"])
def test_fits_of_parts_add_up_to_one_pass_and_an_image_can_be_taken_away(pool):
    module = poolzoo.create_pool(pool, kernel_size=2).double()
    images = [smooth_noise(1, 3, 40, 36, seed=seed) for seed in range(4)]
    parts = [measure_image(module, x) for x in images]
    whole = fit_decoder(module, images)
    merged = pickle.loads(pickle.dumps(parts[3] + parts[1])) + (parts[0] + parts[2])
    torch.testing.assert_close(merged.solve().weight, whole.weight, rtol=0, atol=1e-10)
    without = (merged - parts[1]).solve()
    expected = fit_decoder(module, [images[0], images[2], images[3]])
    torch.testing.assert_close(without.weight, expected.weight, rtol=0, atol=1e-10)
    again = pickle.loads(pickle.dumps(whole))
    y = module(images[0])
    assert torch.equal(again(y, (40, 36)), whole(y, (40, 36)))


@pytest.mark.parametrize("pool", ["avg", "area", "sum"])
def test_a_constant_image_comes_back_from_a_fit_on_constants(pool):
    module = poolzoo.create_pool(pool, kernel_size=2).double()
    decoder = fit_decoder(module, [torch.full((1, 3, 24, 24), c, dtype=torch.float64) for c in (0.2, 0.9)])
    x = torch.full((1, 3, 17, 20), 0.55, dtype=torch.float64)
    torch.testing.assert_close(decoder(module(x), (17, 20)), x, rtol=0, atol=1e-13)


@pytest.mark.parametrize("spec", ["checkered", "checkered:sampler=1", "complete", "multisampling:sampler=1x0"])
def test_samples_go_back_to_the_places_they_were_taken_from(spec):
    """Windows of one pixel: what is kept is known, and least squares knows it too."""
    module = poolzoo.create_pool(spec, kernel_size=1, stride=2).double()
    decoder = fit_decoder(module, [smooth_noise(1, 3, 64, 60, seed=seed) for seed in (1, 2)])
    x = smooth_noise(1, 3, 32, 30, seed=3)
    full = decoder(module(x), (32, 30))
    for down, right in module.info.phases(module.geometry, **module.params(x)):
        torch.testing.assert_close(full[..., down::2, right::2], x[..., down::2, right::2], rtol=0, atol=1e-9)
    assert decoder.weight.shape == ((4 if spec == "complete" else 2) * 25 + 1, 4)


def test_memory_is_bounded_by_blocks_that_do_not_show(monkeypatch):
    module = poolzoo.create_pool("checkered", kernel_size=3, stride=2).double()
    images = [smooth_noise(1, 3, 41, 38, seed=seed) for seed in (1, 2)]
    whole = fit_decoder(module, images)
    monkeypatch.setattr("poolzoo.analysis.scoring.linear_decoder.DESIGN_BLOCK", 7000)
    blocks = fit_decoder(module, images)
    torch.testing.assert_close(blocks.weight, whole.weight, rtol=0, atol=1e-10)
    y = module(images[0])
    torch.testing.assert_close(blocks(y, (41, 38)), whole(y, (41, 38)), rtol=0, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), pytest.param(3, 2, marks=pytest.mark.grid)])
def test_held_out_it_is_at_least_bilinear_and_bicubic_for_every_operator(folder, kernel, stride):
    upsamplers = ("bilinear", "bicubic", "optimal")
    protocol = Protocol(kernel, stride, upsamplers, metrics=("psnr",), seeds=1, decoder_images=(str(folder),))
    result = compare(find_images([str(folder)]), registry.expand_specs([]), protocol)
    assert [row["error"] for row in result.rows if row["error"]] == []
    means: dict[tuple[str, str], dict[str, float]] = {}
    for summary in summarise(result):
        means.setdefault((summary.label, summary.state), {})[summary.setting.upsample] = summary.scores["psnr"].mean
    assert {name.partition(":")[0] for name, _ in means} == set(registry.list_pools())
    for whole in ("space_to_depth", "hwd"):
        del means[whole, "fixed"]  # needs no decoder: each of its pixels goes back to its place
    worse = {key: by for key, by in means.items() if not by["optimal"] >= max(by["bilinear"], by["bicubic"])}
    assert worse == {}
    if kernel == stride:
        # Twice the numbers, at their places, must pay.
        assert means["checkered:pool=avg", "fixed"]["optimal"] > means["avg", "fixed"]["optimal"] + 0.5
        assert means["checkered", "fixed"]["optimal"] > means["max", "fixed"]["optimal"]
    for row in result.rows:
        own = row["upsample"] == "optimal"
        words = f"{len(CROPS) - 1} of {len(CROPS)} images of {folder}, without this image"
        assert row["decoder_fitted_on"] == (words if own else None)


def test_resampled_pixels_that_lie_between_cells_are_interpolated_first(folder):
    """torch's area resampling from 96 to 47: 2.04 pixels a step, which no filter a phase can follow."""
    *images, x = (as_input(load_image(source), Protocol()) for source in find_images([str(folder)])[:5])
    decoders = {
        pool: fit_decoder(poolzoo.create_pool(pool, kernel_size=3, stride=2).double(), images)
        for pool in ("area", "avg", "max")
    }
    assert decoders["area"].grid.interpolated
    assert not decoders["avg"].grid.interpolated, "its windows lie a stride apart"
    y = poolzoo.create_pool("area", kernel_size=3, stride=2).double()(x)
    plain = torch.nn.functional.interpolate(y, size=(96, 96), mode="bicubic", align_corners=False)
    assert (decoders["area"](y, (96, 96)) - x).square().mean() < (plain - x).square().mean()


def test_an_image_is_never_decoded_by_what_was_fitted_on_it(folder, tmp_path):
    """A copy of other name and format holds the same pixels: it is left out as the image itself would be."""
    files = sorted(folder.iterdir())
    Image.open(files[0]).save(tmp_path / "renamed.bmp")
    scored = find_images([str(tmp_path / "renamed.bmp")])
    specs, rest = ["avg", "checkered", "stochastic"], tuple(map(str, files[1:]))
    own, others = (
        compare(scored, specs, Protocol(upsample=("optimal",), seeds=1, decoder_images=images)).rows
        for images in ((str(folder),), rest)
    )
    assert {row["decoder_fitted_on"] for row in own} == {
        f"{len(files) - 1} of {len(files)} images of {folder}, without this image"
    }
    assert {row["decoder_fitted_on"] for row in others} == {f"{len(files) - 1} images of {' '.join(rest)}"}
    for with_it, without_it in zip(own, others, strict=True):
        assert with_it["psnr"] == pytest.approx(without_it["psnr"], abs=1e-6)


def test_the_training_images_are_named_with_their_digests_and_the_unusable_with_the_reason(folder, tmp_path):
    first, second, third = sorted(folder.iterdir())[:3]
    (tmp_path / "broken.png").write_bytes(first.read_bytes()[:100])
    Image.new("RGB", (9, 30)).save(tmp_path / "small.png")
    Image.open(first).save(tmp_path / "twin.bmp")
    given = [str(path) for path in (first, second, *sorted(tmp_path.iterdir()))]
    result = compare(find_images([str(third)]), ["avg"], Protocol(upsample=("optimal",), decoder_images=tuple(given)))
    about = result.metadata["decoder"]
    pixels = np.asarray(Image.open(second)) / 255.0
    assert [image["name"] for image in about["images"]] == given[:2]
    assert about["images"][1]["sha256"] == pixel_digest(pixels)
    assert [reason.count("\n") for reason in about["skipped"]] == [0, 0, 0]
    assert [
        "broken" in about["skipped"][0],
        "small.png': 9x30" in about["skipped"][1],
        "twin" in about["skipped"][2],
    ] == [True] * 3
    assert result.rows[0]["decoder_fitted_on"].startswith("2 images of ")


def test_an_image_that_is_all_there_is_to_fit_on_has_an_error_and_others_have_none(folder):
    first, second = map(str, sorted(folder.iterdir())[:2])
    protocol = Protocol(upsample=("bilinear", "optimal"), decoder_images=(first,))
    rows = compare(find_images([first, second]), ["avg"], protocol).rows
    assert [bool(row["error"]) for row in rows] == [False, True, False, False]
    assert "none is left but this image" in rows[1]["error"]
    assert rows[1]["psnr"] is None and rows[1]["decoder_fitted_on"] is None


def test_an_operator_that_cannot_be_fitted_has_an_error_under_optimal_alone(folder):
    """Windows larger than the training images, but not than the one scored."""
    protocol = Protocol(upsample=("bilinear", "optimal"), decoder_images=(str(folder),))
    rows = compare(find_images(["skimage:coins"]), ["avg", "avg:kernel_size=100"], protocol).rows
    assert [row["error"] is None for row in rows] == [True, True, True, False]
    assert "no decoder: " in rows[3]["error"]


def test_the_default_photographs_ship_with_scikit_image_and_hold_no_pair():
    assert set(DEFAULT_IMAGES) <= set(SKIMAGE_NAMES)
    files = [SKIMAGE_NAMES[name] for name in DEFAULT_IMAGES]
    assert len(set(files)) == len(files)
    decoders = Decoders((), make_geometry(2, 2), lambda image: as_input(image, Protocol()))
    decoders.fit(decoders.sources[2], make_runs(["avg"], Protocol()))
    camera = skimage.data.camera() / 255.0
    assert list(decoders.fitted) == [pixel_digest(np.repeat(camera[..., None], 3, 2))]
    assert decoders.without(np.repeat(camera[..., None], 3, 2)).own is not None


def test_decoders_fitted_by_two_workers_are_those_of_one(folder):
    protocol = Protocol(decoder_images=(str(folder),))
    runs = make_runs(["avg", "tri"], protocol)

    def fitted(places):
        decoders = Decoders(protocol.decoder_images, make_geometry(2, 2), lambda image: as_input(image, protocol))
        for place in places:
            decoders.fit(decoders.sources[place], runs)
        return decoders

    one, two = fitted(range(4)), fitted([0, 2]) + fitted([1, 3])
    image = load_image(one.sources[1])
    for run in runs:
        (decoder, words), (same, same_words) = one.without(image).decoder(run), two.without(image).decoder(run)
        torch.testing.assert_close(decoder.weight, same.weight, rtol=0, atol=1e-8)
        assert words == same_words and words.startswith("3 of 4 images")


def test_normalisation_changes_nothing_for_what_is_linear(folder):
    rows = [
        compare(
            find_images(["skimage:coins"]),
            ["avg", "sum"],
            Protocol(upsample=("optimal",), normalize=normalize, metrics=("psnr",), decoder_images=(str(folder),)),
        ).rows
        for normalize in ("none", "imagenet")
    ]
    values = [row["psnr"] for row in itertools.chain(*rows)]
    assert values == pytest.approx([values[0]] * 4, abs=0.02), "sum is as good as avg, and scale does not count"


def test_what_cannot_be_fitted_is_refused_in_one_line():
    avg = poolzoo.create_pool("avg", kernel_size=2).double()
    with pytest.raises(ValueError, match="images: none are left"):
        DecoderFit().solve()
    with pytest.raises(ValueError, match="not finite"):
        fit_decoder(avg, [torch.full((1, 1, 8, 8), torch.nan, dtype=torch.float64)])
    with pytest.raises(ValueError, match=r"x: shape \(1, 8, 8\); \(N, C, \*size\) with 2 spatial axes"):
        fit_decoder(avg, [torch.zeros(1, 8, 8, dtype=torch.float64)])
    with pytest.raises(ValueError, match="neighbourhood=0: 1 or more"):
        fit_decoder(avg, [torch.zeros(1, 1, 8, 8, dtype=torch.float64)], neighbourhood=0)
    drawn = poolzoo.create_pool("checkered:sampler=random", kernel_size=2).double().train()
    images = [smooth_noise(1, 1, 20, 20, seed=seed) for seed in range(12)]
    with pytest.raises(ValueError, match="needs a seed"):
        fit_decoder(drawn, images)
    assert fit_decoder(drawn, images, seed=1).weight.shape == (51, 4)
    with pytest.raises(ValueError, match="only fits of one operator add up"):
        (measure_image(avg, images[0]) + measure_image(drawn.eval(), images[1])).solve()
    decoder = fit_decoder(avg, images)
    with pytest.raises(ValueError, match="1 submap"):
        decoder(torch.zeros(1, 1, 2, 10, 10, dtype=torch.float64), (20, 20))


def test_sums_are_in_double_precision_whatever_the_images_are_in():
    avg = poolzoo.create_pool("avg", kernel_size=2)
    images = [smooth_noise(1, 2, 20, 22, seed=seed).float() for seed in range(6)]
    decoder = fit_decoder(avg, images)
    assert decoder.weight.dtype == torch.float64
    exact = fit_decoder(avg.double(), [image.double() for image in images])
    # What a mean rounded to single precision moves, not what sums in it would.
    torch.testing.assert_close(decoder.weight, exact.weight, rtol=0, atol=1e-5)


def test_the_command_line_says_on_what_a_decoder_was_fitted(run, folder, tmp_path):
    image, page = folder / "coffee.png", tmp_path / "page.html"
    arguments = ["--image", image, "--pool", "avg", "--upsample", "optimal", "--decoder-images", folder]
    assert run("compare", *arguments, "--format", "json", "--report", page).code == 0, run.err
    result = json.loads(run.out)
    (row,) = result["rows"]
    words = f"7 of 8 images of {folder}, without this image"
    assert (row["upsample"], row["decoder_fitted_on"]) == ("optimal", words)
    assert len(result["metadata"]["decoder"]["images"]) == 8
    assert "optimal linear decoder" in page.read_text()
    assert f"fitted by least squares on {folder / 'astronaut.png'}, " in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--decoder-images", "skimage:coins"], "--upsample optimal"),
        (["--upsample", "optimal", "--decoder-images", "skimage:nothing"], "has no such picture"),
        (["--upsample", "optimal", "--decoder-images", "gone.png"], "none can be fitted on"),
        (["--upsample", "optimal", "--decoder-images", "skimage:camera"], "none is left but this image"),
    ],
)
def test_training_images_that_cannot_be_are_one_line_and_exit_code_2(run, arguments, words):
    run("compare", "--image", "skimage:camera", "--pool", "avg", *arguments).fails(words)
