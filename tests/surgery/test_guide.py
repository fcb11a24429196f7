"""The examples of docs/surgery.md run, in order, and do what the text says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import poolzoo

GUIDE = Path(__file__).parents[2] / "docs" / "surgery.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_example_prints_what_the_guide_shows(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    shown, printed = blocks("text")[0], capsys.readouterr().out
    assert shown == printed
    stem, lip, checkered = blocks("python")[1:4]
    exec(stem, names)
    assert isinstance(names["stem"].pool, poolzoo.SoftPool2d) and isinstance(names["stem"].head, nn.AdaptiveAvgPool2d)
    assert isinstance(names["both"].head, poolzoo.AdaptiveSoftPool2d) and names["both"].head.output_size == 1
    exec(lip, names)
    assert (names["model"].pool.channels, names["model"].max_pool2d.channels) == (8, 16)
    exec(checkered, names)
    assert names["model"].conversion.converted == ["pool", "max_pool2d(kernel_size=2) in forward"]
    exec(blocks("python")[5], names)
    assert [(row["pool"], row["batch"]) for row in names["result"].rows[:3]] == [("", 1), ("", 2), ("max", 1)]


def test_the_published_networks_can_be_made() -> None:
    pytest.importorskip("torchvision", reason="the networks are torchvision's")
    names: dict[str, Any] = {}
    exec(blocks("python")[4], names)
    assert len(names["names"]) == 7
