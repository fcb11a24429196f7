"""The type stubs are what the registry makes, and a type checker rejects by them what poolzoo would."""

from __future__ import annotations

import pytest
from reports.conftest import docs_script

RIGHT = """
import torch
from torch import Tensor

import poolzoo
from poolzoo import functional as PF

x = torch.rand(1, 3, 8, 8)
y: Tensor = PF.soft_pool2d(x, 2, beta=2.0)
pool: poolzoo.Pool = poolzoo.SoftPool2d(kernel_size=(2, 2), stride=2, beta=0.5, backend="reference")
other: poolzoo.Pool = poolzoo.DppPool1d(3, variant="full", channels=4)
unpooled: Tensor = PF.ada_unpool2d(PF.ada_pool2d(x, 2), x, 2)
converted = poolzoo.replace_pools
names: list[str] = poolzoo.list_pools()
"""
#: A line that is wrong, and what mypy says of it.
WRONG = {
    "poolzoo.SoftPol2d(2)": "SoftPool2d",
    "poolzoo.SoftPool2d(2, betta=1.0)": 'Unexpected keyword argument "betta"',
    "poolzoo.SoftPool2d()": 'Missing positional argument "kernel_size"',
    "PF.soft_pool2d(x, '2')": 'Argument 2 to "soft_pool2d" has incompatible type "str"',
    "PF.soft_pool2d(x, 2).colour": '"Tensor" has no attribute "colour"',
    "PF.soft_pool4d(x, 2)": 'has no attribute "soft_pool4d"',
}


def test_stubs_are_current():
    for path, text in docs_script("make_stubs").texts().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make catalog"


def test_mypy_takes_what_is_right_and_names_what_is_wrong(tmp_path):
    api = pytest.importorskip("mypy.api")
    script = tmp_path / "script.py"
    script.write_text(RIGHT + "\n".join(WRONG) + "\n", encoding="utf-8")
    out, err, _ = api.run(["--strict", "--no-error-summary", "--hide-error-context", str(script)])
    assert err == ""
    found = {int(line.split(":")[1]): line for line in out.splitlines() if ": error:" in line}
    first = RIGHT.count("\n") + 1
    assert set(found) == set(range(first, first + len(WRONG))), out
    for number, (line, words) in enumerate(WRONG.items(), first):
        assert words in found[number], (line, found[number])
