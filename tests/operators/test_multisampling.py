"""The multisampling family against the paper's patterns: which positions survive, and in which submap they lie."""

from __future__ import annotations

import itertools

import numpy as np
import oracles
import pytest
import torch
from pools import CHANNELS, distinct

from poolzoo import create_pool, functional
from poolzoo.analysis.studies.subsampling import METHODS, kept_positions
from poolzoo.operators.multisampling import lattice_sequence

CHECKERED = ((0, 1), (1, 0))
#: Lengths of the runs of equal samplers, the first of them 0s, in the lattice sequences of the paper's public code.
PUBLISHED_RUNS = [
    [1],
    [2],
    [1, 1, 1, 1],
    [1, 2, 3, 2],
    [2, 1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1],
    [3, 2] * 6 + [2],
    [5] * 12 + [4],
    [10] * 6 + [9] + [10] * 5 + [9],
    [20, 20, 20, 19, 20, 20, 19, 20, 20, 19, 20, 20, 19],
    [1] * 512,
]


def published(step: int) -> list[int]:
    return [run % 2 for run, length in enumerate(PUBLISHED_RUNS[step]) for _ in range(length)]


def positions(holder: np.ndarray) -> set[tuple[int, int]]:
    return {(int(row), int(column)) for row, column in np.argwhere(holder >= 0)}


@pytest.mark.parametrize("step", range(10))
def test_lattice_sequence_is_the_papers(step):
    assert lattice_sequence(2**step) == published(step)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["naive", "lattice"])
def test_kept_positions_are_the_papers_for_1_to_10_steps(method):
    sequences = [published(step) if method == "lattice" else [0] * 2**step for step in range(10)]
    expected = oracles.surviving(1024, sequences, CHECKERED)
    for step, (kept, left) in enumerate(zip(kept_positions(1024, 10, method), expected, strict=True)):
        assert positions(kept) == left, f"after {step + 1} steps"
        _, counts = np.unique(kept[kept >= 0], return_counts=True)
        assert counts.tolist() == [(1024 >> (step + 1)) ** 2] * 2 ** (step + 1)


@pytest.mark.parametrize("method", ["naive", "lattice", "random", "tri"])
def test_every_block_keeps_one_position_in_each_row_and_column(method):
    stride, steps = METHODS[method].stride, 4 if method == "tri" else 7
    size = 2 * stride**steps
    for step, kept in enumerate(kept_positions(size, steps, method, seed=3), 1):
        block = stride**step
        rows, columns = np.nonzero(kept >= 0)
        for along, across in ((rows, columns), (columns, rows)):
            # Each line of the image crosses size / block blocks, and has one position in each of them.
            crossed = np.unique(np.stack([along, across // block]), axis=1)
            assert crossed.shape[1] == len(along) == size * (size // block), (method, step)


@pytest.mark.parametrize("method", METHODS)
def test_an_edge_cuts_the_pattern_and_changes_nothing_else(method):
    for kept, whole in zip(kept_positions(64, 3, method), kept_positions(81, 3, method), strict=True):
        assert np.array_equal(kept, whole[:64, :64])


def test_what_traditional_and_complete_sampling_keep():
    for step, (single, everything) in enumerate(
        zip(kept_positions(64, 4, "traditional"), kept_positions(64, 4, "complete"), strict=True), 1
    ):
        rows, columns = np.nonzero(single == 0)
        assert set(rows) == set(columns) == set(range(0, 64, 2**step)) and len(rows) == (64 >> step) ** 2
        assert np.unique(everything).tolist() == list(range(4**step))


def test_random_samplers_are_drawn_for_each_submap():
    for method, size in (("random", 64), ("tri", 729)):
        last, again, other = (positions(kept_positions(size, 6, method, seed)[-1]) for seed in (0, 0, 1))
        assert last == again != other
    drawn = torch.stack(
        [
            functional.tri_pool2d(torch.arange(9.0).reshape(1, 3, 3), 1, 3, sampler="random").flatten()
            for _ in range(600)
        ]
    )
    kinds, counts = drawn.unique(dim=0, return_counts=True)
    expected = {tuple(3.0 * row + int(column) for row, column in enumerate(sampler)) for sampler in oracles.TRI}
    assert {tuple(kind.tolist()) for kind in kinds} == expected
    # 600 fair draws: chi-square of 5 degrees of freedom exceeds 25.7 once in 10,000 times.
    assert ((counts - 100.0) ** 2 / 100).sum() < 25.7


def test_random_samplers_are_for_training():
    x = torch.arange(32.0).reshape(1, 1, 2, 4, 4)
    pool = create_pool("checkered:sampler=random", kernel_size=1, stride=2)
    lattice = functional.checkered_pool2d(x, 1, 2, sampler="lattice")
    assert torch.equal(pool.eval()(x), lattice)
    assert len({tuple(pool.train()(x).flatten().tolist()) for _ in range(50)}) == 4
    pool.generator = torch.Generator().manual_seed(5)
    first = pool(x)
    pool.generator.manual_seed(5)
    assert torch.equal(pool(x), first)


def test_submaps_are_ordered_by_phase_first():
    x = distinct(2, CHANNELS, 2, 6, 6)
    y = functional.tri_pool2d(x, 2, 3, pool="avg", sampler=4)
    first, second = (functional.tri_pool2d(x[:, :, s], 2, 3, pool="avg", sampler=4) for s in (0, 1))
    expected = [submaps[:, :, phase] for phase in range(3) for submaps in (first, second)]
    assert torch.equal(y, torch.stack(expected, 2))


def test_lattice_takes_each_submap_its_own_sampler():
    x = distinct(1, CHANNELS, 4, 4, 4)
    y = functional.checkered_pool2d(x, 2, sampler="lattice")
    single = [
        functional.checkered_pool2d(x[:, :, submap], 2, sampler=sampler)
        for submap, sampler in enumerate(lattice_sequence(4))
    ]
    for submap, phase in itertools.product(range(4), range(2)):
        assert torch.equal(y[:, :, 4 * phase + submap], single[submap][:, :, phase])


def test_complete_of_stride_2_holds_the_dense_map():
    x = distinct(2, CHANNELS, 6, 8)
    y = functional.complete_pool2d(x, 1, 2)
    back = y.unflatten(2, (2, 2)).permute(0, 1, 4, 2, 5, 3).reshape(x.shape)
    assert torch.equal(back, x)


def test_multisampling_with_the_papers_samplers_is_its_operator():
    x = distinct(2, CHANNELS, 9, 9)
    for sampler, columns in enumerate(CHECKERED):
        expected = functional.checkered_pool2d(x, 3, 2, 1, sampler=sampler)
        assert torch.equal(functional.multisampling_pool2d(x, 3, 2, 1, sampler=columns), expected)
    for sampler, columns in enumerate(oracles.TRI):
        expected = functional.tri_pool2d(x, 3, sampler=sampler)
        assert torch.equal(functional.multisampling_pool2d(x, 3, sampler=tuple(map(int, columns))), expected)
    assert torch.equal(functional.multisampling_pool2d(x, 3, sampler=(0,))[:, :, 0], functional.max_pool2d(x, 3))


def test_lattice_needs_a_power_of_two():
    with pytest.raises(ValueError, match=r"sampler='lattice': the input has 3 submaps; 1, 2, 4, 8, \.\.\. are allowed"):
        functional.checkered_pool2d(torch.zeros(1, 1, 3, 4, 4), 2, sampler="lattice")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((64, 3, "regular"), "method='regular': naive, lattice, random, traditional, tri, complete are allowed"),
        ((20, 5, "naive"), "steps=5: 1 to 4 are allowed for naive, stride 2, and size 20"),
        ((64, 4, "tri"), "steps=4: 1 to 3 are allowed for tri, stride 3, and size 64"),
        ((64, 0, "tri"), "steps=0: 1 to 3 are allowed"),
        ((1, 1, "naive"), "steps=1: 1 to 0 are allowed"),
    ],
)
def test_positions_that_cannot_be_computed(arguments, message):
    with pytest.raises(ValueError, match=message):
        kept_positions(*arguments)
