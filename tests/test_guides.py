"""The Python examples of the README and of guides without a test of their own run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def blocks(path: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / path).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["README.md", "docs/python.md", "docs/choose.md"])
def test_the_examples_run(path, tmp_path, monkeypatch):
    if any("torchvision" in block for block in blocks(path)):
        pytest.importorskip("torchvision", reason="the example's network is torchvision's")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert blocks(path)
    for block in blocks(path):
        exec(block, names)
