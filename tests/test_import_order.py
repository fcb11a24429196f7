"""Imports point one way: the contracts of import-linter in pyproject.toml hold."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_rooms_import_only_those_below_them(monkeypatch, capsys):
    linter = pytest.importorskip("importlinter.cli")
    monkeypatch.chdir(ROOT)
    assert linter.lint_imports("pyproject.toml", no_cache=True, no_logo=True) == 0, capsys.readouterr().out
