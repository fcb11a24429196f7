"""torch's own samples of its pooling functions (OpInfo), through the operators that stand in for them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import poolzoo.functional as PF
from poolzoo.calls import name_arguments
from poolzoo.geometry import DTYPES

CASES = list(itertools.product(("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d"), DTYPES))
CASES += [("avg_pool3d", dtype) for dtype in DTYPES[:2]]  # on the CPU torch's has no half types


@pytest.fixture(scope="module")
def op_infos() -> dict[str, Any]:
    from torch.testing._internal.common_methods_invocations import op_db  # takes seconds

    return {op.name.removeprefix("nn.functional."): op for op in op_db if op.name.startswith("nn.functional.")}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype"), CASES, ids=str)
def test_torchs_samples_give_torchs_values(op_infos, name, dtype):
    compared = 0
    # There are hundreds for max: all in float32, every seventh in the other types.
    step = 7 if name.startswith("max") and dtype is not torch.float32 else 1
    samples = op_infos[name].sample_inputs("cpu", dtype, requires_grad=False)
    for sample in itertools.islice(samples, 0, None, step):
        given = name_arguments(getattr(F, name), (sample.input, *sample.args), sample.kwargs)
        if given.pop("return_indices", False) or given.pop("divisor_override", None):
            continue  # what no operator here has
        if name.startswith("avg"):
            given.setdefault("count_include_pad", True)  # torch's default
        expected = getattr(F, name)(sample.input, *sample.args, **sample.kwargs)
        # A mean is summed in another order, so its last digits may differ.
        eps = 2 * torch.finfo(dtype).eps if name.startswith("avg") else 0.0
        atol = eps * sample.input.abs().max().item() if sample.input.numel() else 0.0
        got = getattr(PF, name)(sample.input, **given)
        torch.testing.assert_close(got, expected, rtol=eps, atol=atol, msg=f"{name}: {given}")
        compared += 1
    assert compared >= 2
