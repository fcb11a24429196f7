"""Fixed seeds for every test."""

from __future__ import annotations

import random

import pytest
import torch


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    random.seed(0)
    torch.manual_seed(0)
