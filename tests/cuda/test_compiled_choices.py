"""Inside torch.compile, ``backend="auto"`` takes for max and avg what the table says; the function stays one graph."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pools import distinct
from torch import Tensor

import poolzoo.functional as pools
from poolzoo import engine, native

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    reason = native.why_not(operator="max") or native.why_not(operator="avg")
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

#: A class that is native at every size, one in a range of sizes, and those of whole maps and of unequal bins.
TABLE = {
    "cpu compiled float32 contiguous up to 2": (None, None),
    "cpu compiled float32 channels_last up to 2": (2000, 9000),
    "cpu compiled float32 contiguous global": (None, None),
    "cpu compiled float32 contiguous adaptive": (None, None),
    "cpu float32 contiguous up to 3": (None, None),  # measured where nothing is compiled
}
TO_TWO = {"kernel_size": 2}
OPEN_BATCH, ALL_OPEN = [0], [0, 1, 2, 3]


def last(*shape: int) -> Tensor:
    return distinct(*shape).contiguous(memory_format=torch.channels_last)


#: The pool's arguments, inputs for one compiled function, their axes of an open size, and whether it is native.
CASES: dict[str, tuple[dict[str, Any], list[Tensor], list[int], bool]] = {
    "every size": (TO_TWO, [distinct(1, 3, 9, 8)], [], True),
    "open batch, every size": (TO_TWO, [distinct(n, 3, 9, 8) for n in (2, 3, 5)], OPEN_BATCH, True),
    "unbatched": (TO_TWO, [distinct(3, 9, 8)], [], True),
    "all open": (TO_TWO, [distinct(2, 3, 9, 8), distinct(5, 4, 12, 7)], ALL_OPEN, False),
    "in the range": (TO_TWO, [last(2, 3, 32, 32)], [], True),
    "below the range": (TO_TWO, [last(2, 3, 8, 8)], [], False),
    "above the range": (TO_TWO, [last(2, 3, 64, 64)], [], False),
    "open batch, in the range": (TO_TWO, [last(n, 3, 32, 32) for n in (2, 3, 5)], OPEN_BATCH, False),
    "other windows": ({"kernel_size": 3}, [distinct(1, 3, 9, 8)], [], False),
    "other dtype": (TO_TWO, [distinct(1, 3, 9, 8, dtype=torch.float64)], [], False),
    "other layout": (TO_TWO, [distinct(1, 3, 9, 8).mT], [], False),
    "other layout, all open": (TO_TWO, [distinct(2, 3, 9, 8).mT, distinct(5, 4, 12, 7).mT], ALL_OPEN, False),
    "whole map": ({"output_size": 1}, [distinct(1, 3, 9, 8)], [], True),
    "whole map, all open": ({"output_size": 1}, [distinct(2, 3, 9, 8), distinct(5, 4, 12, 7)], ALL_OPEN, False),
    "equal bins": ({"output_size": 4}, [distinct(1, 3, 8, 8)], [], True),
    "unequal bins": ({"output_size": 7}, [distinct(1, 3, 9, 8)], [], True),
    "unequal bins, open batch": ({"output_size": 7}, [distinct(n, 3, 9, 8) for n in (2, 3, 5)], OPEN_BATCH, True),
}


def graphs_of(call: Callable[[Tensor], Tensor], xs: list[Tensor], open_axes: list[int]) -> list[bool]:
    """Return for each graph that ``call`` needs for these inputs whether it holds a native operator."""
    found: list[bool] = []

    def look(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        found.append(any(str(node.target).startswith("poolzoo.") for node in graph.graph.nodes))
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(call, fullgraph=True, backend=look)
    for x in xs:
        if open_axes:
            torch._dynamo.mark_dynamic(x, open_axes)
        torch.testing.assert_close(compiled(x), call(x))
    return found


@pytest.mark.parametrize(
    ("operator", "case"), [("max", case) for case in CASES] + [("avg", "every size"), ("avg", "other windows")]
)
def test_compiled_functions_take_what_the_table_says(operator, case, monkeypatch):
    monkeypatch.setattr(engine, "_choices", lambda: {f"{operator} {key}": limits for key, limits in TABLE.items()})
    params, xs, open_axes, expected = CASES[case]
    function = getattr(pools, f"adaptive_{operator}_pool2d" if "output_size" in params else f"{operator}_pool2d")
    assert graphs_of(functools.partial(function, **params), xs, open_axes) == [expected]


def test_a_class_without_measurements_is_left_to_torch_and_the_others_are_native(monkeypatch):
    monkeypatch.setattr(engine, "_choices", dict)
    x = distinct(1, 3, 9, 8)
    assert graphs_of(functools.partial(pools.max_pool2d, kernel_size=2), [x], []) == [False]
    assert graphs_of(functools.partial(pools.soft_pool2d, kernel_size=2), [x], []) == [True]


@pytest.mark.parametrize("dynamic", [None, True])
def test_sizes_that_change_compile_once_more_at_most(dynamic, monkeypatch):
    monkeypatch.setattr(engine, "_choices", lambda: {f"max {key}": limits for key, limits in TABLE.items()})
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounter()
    pool = torch.compile(lambda x: pools.max_pool2d(x, 2), fullgraph=True, backend=counter, dynamic=dynamic)
    for batch in (2, 3, 5, 7):
        for x in (distinct(batch, 3, 9, 8), last(batch, 3, 32, 32)):
            torch.testing.assert_close(pool(x), torch.nn.functional.max_pool2d(x, 2))
    assert counter.frame_count <= 4  # two layouts, each of one size and of any
