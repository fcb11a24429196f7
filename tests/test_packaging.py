"""The facts of the package in pyproject.toml and CITATION.cff agree with each other and with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import poolzoo

ROOT = Path(__file__).parents[1]
#: Extras of those who work on poolzoo.
OF_DEVELOPERS = {"test", "wheel", "lint", "docs"}


@pytest.fixture(scope="module")
def project():
    return pytest.importorskip("tomllib").loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_names_the_package(project):
    citation = pytest.importorskip("yaml").safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == poolzoo.__version__ and citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"


def test_the_extra_all_has_every_extra_of_a_user(project):
    extras = project["optional-dependencies"]
    (every,) = extras["all"]
    named = re.fullmatch(r"poolzoo\[(.*)\]", every)[1].split(",")
    assert len(named) == len(set(named)) and set(named) == extras.keys() - OF_DEVELOPERS - {"all"}


def test_pythons_are_listed_without_gaps_from_the_lowest(project):
    minors = [int(found[1]) for name in project["classifiers"] if (found := re.search(r":: 3\.(\d+)$", name))]
    assert minors == list(range(int(project["requires-python"].partition(">=3.")[2]), minors[-1] + 1))
