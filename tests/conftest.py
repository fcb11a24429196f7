"""Fixed seeds for every test, and the command line."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from test_cli import Cli


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--grid", action="store_true", help="run what is marked grid too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked grid, unless it is asked for."""
    if not config.getoption("--grid"):
        left_out = [item for item in items if item.get_closest_marker("grid")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("grid")]


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons time every operator with one short block: what tests look at are the scores."""
    monkeypatch.setattr("poolzoo.analysis.scoring.forward_times.QUICK_TIME", (1e-4, 1e-4))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process."""
    from test_cli import Cli

    return Cli(monkeypatch, capsys)


@pytest.fixture(autouse=True, scope="module")
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """One thread: the tensors there are tiny, and handing them out to threads takes longer than the work."""
    threads = torch.get_num_threads()
    if request.path.parent.name in ("operators", "checkered", "surgery"):
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
