"""The window engine: sizes, masks, taps and their order, and the layout of results."""

from __future__ import annotations

import math
from itertools import product

import oracles
import pytest
import torch
import torch.nn.functional as F
from pools import MAX_POOL, distinct, geometries

from poolzoo.create import make_function
from poolzoo.geometry import accumulation_dtype, like, make_geometry, output_size
from poolzoo.registry import pool_info
from poolzoo.windows import adaptive_windows, ordered, pool_windows, weighted_taps, windows


def test_output_sizes_are_torchs_for_every_small_geometry():
    """Where torch answers, the same size; where it refuses, a ValueError, but for what its padding check refuses."""
    for n, k, s, d, ceil in product(range(1, 9), range(1, 6), range(1, 5), range(1, 4), (False, True)):
        for p in range(k // 2 + 1):
            geometry = make_geometry(1, k, s, p, d, ceil)
            try:
                expected = F.max_pool1d(torch.zeros(1, 1, n), k, s, p, d, ceil)
            except RuntimeError:
                with pytest.raises(ValueError, match=r"too small|leaves windows without"):
                    output_size((n,), geometry)
                continue
            try:
                assert output_size((n,), geometry) == expected.shape[2:], (n, geometry)
            except ValueError:
                # A padded, dilated window may hold no element of so small an input. torch gives -inf for it.
                assert n < d, (n, geometry)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_windows_hold_the_elements_that_a_loop_finds(ndim):
    for geometry in geometries(ndim, 30):
        x = distinct(*geometry.pop("sizes"), dtype=torch.float64)
        g = make_geometry(ndim, **geometry)
        a, mask = windows(x, g)
        assert a.shape[:-1] == output_size(x.shape, g)
        for out_index, elements in oracles.windows(x.numpy(), oracles.Geometry(*g)):
            window = a[out_index]
            inside = torch.ones(len(window), dtype=torch.bool) if mask is None else mask[out_index]
            assert [(window[tap].item(), tap) for tap in inside.nonzero().flatten().tolist()] == elements
            assert (window[~inside] == 0).all()
        assert mask is not None or not any(geometry["padding"])


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_windows_are_stored_tap_by_tap(ndim):
    """A reduction over the taps then runs along whole output rows."""
    a, _ = windows(distinct(2, 3, *(7,) * ndim), make_geometry(ndim, 3, 2))
    assert a.movedim(-1, 0).is_contiguous()


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 2])
def test_a_reducer_that_selects_gives_no_view_of_the_input(ndim, kernel_size):
    x = distinct(1, 2, *(4,) * ndim)
    kept = x.clone()
    y = pool_windows(x, make_geometry(ndim, kernel_size), lambda a, mask: a[..., 0])
    assert torch.equal(y, x[(..., *(slice(None, None, kernel_size),) * ndim)])
    y.zero_()
    assert torch.equal(x, kept)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_adaptive_windows_are_torchs_cells(ndim):
    sizes = {1: (7,), 2: (7, 5), 3: (4, 5, 3)}[ndim]
    adaptive = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}[ndim]
    x = distinct(2, 3, *sizes)
    for out in product(*((1, 2, n, n + 2) for n in sizes)):
        a, mask = adaptive_windows(x, out)
        assert torch.equal(a.masked_fill(~mask, -math.inf).amax(-1), adaptive(x, out))
        assert (a.masked_select(~mask) == 0).all()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("taps", range(1, 19))
def test_windows_are_sorted(taps, descending):
    # A network that sorts all sequences of zeros and ones sorts everything (Knuth, 5.3.4, theorem Z).
    bits = torch.arange(1 << taps)[:: 1 if taps < 15 else 257, None] >> torch.arange(taps) & 1
    a = bits.float()
    assert torch.equal(ordered(a, descending), a.sort(-1, descending).values)
    a[:, taps // 2] = math.nan
    middle = ordered(a, descending)[..., -1 if not descending else 0]
    assert middle.isnan().all()


def test_any_reducer_pools():
    x = distinct(2, 3, 7, 6)
    g = make_geometry(2, (3, 2), 2, 1, ceil_mode=True)
    y = pool_windows(x, g, lambda a, mask, *, fill: a.masked_fill(~mask, fill).amax(-1), fill=-math.inf)
    assert torch.equal(y, MAX_POOL[2](x, (3, 2), 2, 1, ceil_mode=True))


def test_arguments_are_spelt_out_by_axis():
    geometry = make_geometry(2, 3, None, (1, 0), [2], True)
    assert geometry == ((3, 3), (3, 3), (1, 0), (2, 2), True)
    assert geometry.spans == (5, 5)
    assert geometry.ndim == 2


def test_dilation_widens_what_padding_may_be():
    assert make_geometry(1, 3, padding=2, dilation=2).padding == (2,)
    with pytest.raises(ValueError, match="padding=3: at most half of the window's span, which is 5"):
        make_geometry(1, 3, padding=3, dilation=2)


def test_windows_without_an_element_are_refused():
    with pytest.raises(
        ValueError, match="input size 2 with padding=1 and dilation=3 leaves windows without an element"
    ):
        output_size((2,), make_geometry(1, 2, 1, 1, 3))


def test_a_window_may_hold_its_only_element_between_its_holes():
    x = torch.tensor([[[2.5]]])
    for name in ("max", "avg", "softpool", "median"):
        assert torch.equal(make_function(pool_info(name), 1)(x, 3, 1, 2, 2), x), name


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_the_least_size_that_is_named_is_the_least_that_pools(ceil_mode):
    geometry = make_geometry(1, 5, 3, 1, 1, ceil_mode)
    with pytest.raises(ValueError, match=f"needs at least {1 if ceil_mode else 3}$"):
        output_size((0,), geometry)
    assert output_size((1 if ceil_mode else 3,), geometry) == (1,)


@pytest.mark.parametrize(
    ("dtype", "wide"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
    ids=str,
)
def test_reducers_compute_in_float32_or_wider(dtype, wide):
    assert accumulation_dtype(dtype) == wide
    seen = []
    y = pool_windows(
        distinct(1, 1, 4, dtype=dtype), make_geometry(1, 2), lambda a, mask: seen.append(a.dtype) or a.sum(-1)
    )
    assert seen == [wide]
    assert y.dtype == dtype


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 3, 4, 5), (2, 3, 1, 5), (2, 3, 4, 5, 6), (2, 3, 1, 1, 6)])
def test_results_take_the_layout_of_the_input(shape):
    layout = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    x = torch.zeros(shape)
    y = torch.zeros(*shape[:2], *(2,) * (len(shape) - 2))
    assert like(y, x).is_contiguous()
    assert like(y, x.contiguous(memory_format=layout)).is_contiguous(memory_format=layout)
    assert like(y.double(), x.half()).dtype == torch.float16


def test_weighted_taps_are_a_matrix_product():
    x = distinct(2, 5, 4, dtype=torch.float64)
    index = torch.tensor([[0, 1, 4], [3, 3, 2]])
    weight = distinct(2, 3, dtype=torch.float64, seed=1)
    matrix = torch.zeros(2, 5, dtype=torch.float64).index_put(
        (torch.arange(2)[:, None].expand(2, 3), index), weight, accumulate=True
    )
    torch.testing.assert_close(weighted_taps(x, -2, index, weight), matrix @ x)


@pytest.mark.parametrize("value", [2**31, 2**62, 2**63, 2**70])
@pytest.mark.parametrize("argument", ["kernel_size", "stride", "padding", "dilation"])
def test_an_argument_beyond_32_bits_is_refused(argument, value):
    given = {"kernel_size": 1} | {argument: value}
    with pytest.raises(ValueError, match=rf"{argument}={value}: must be at most 2147483647"):
        make_geometry(2, **given)
    with pytest.raises(ValueError, match=rf"{argument}=\(1, {value}\): must be at most 2147483647"):
        make_geometry(2, **given | {argument: (1, value)})
