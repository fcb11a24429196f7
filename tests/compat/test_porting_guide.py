"""docs/porting.md: its example runs, and every poolzoo name that it gives exists."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

import poolzoo
from poolzoo import compat

GUIDE = (Path(__file__).parents[2] / "docs" / "porting.md").read_text()


def test_the_example_runs(capsys):
    for block in re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL):
        exec(block, {})
    assert "torch.Size([1, 3, 16, 16])" in capsys.readouterr().out


def test_every_name_of_poolzoo_exists():
    names = sorted(set(re.findall(r"\bpoolzoo(?:\.[a-zA-Z_]\w*)+", GUIDE)))
    assert len(names) > 15
    for name in names:
        value = poolzoo
        for part in name.split(".")[1:]:
            value = getattr(value, part)


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(compat.__path__)])
def test_every_module_of_compat_has_its_section(name):
    module = getattr(compat, name)
    assert f"`poolzoo.compat.{name}`" in GUIDE
    assert module.__all__ and all(hasattr(module, each) for each in module.__all__)
