"""The page is the list of its sections: the example in docs/extending.md, taken from its text, stands where it says."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from reports.conftest import compare_row, failed_row, make_compare, make_profile

import poolzoo
from poolzoo.reports.page import sections
from poolzoo.reports.page.sections import render_sections
from poolzoo.reports.page.study import Study

ROOT = Path(__file__).parents[2]
ROWS = [compare_row("a", "avg", 20.0, 0.5), compare_row("a", "max", 19.0, 0.5)]
CODE = """
import re
from reports.conftest import compare_row, failed_row, make_compare
from poolzoo.reports.page.page import render_page
rows = [compare_row("a", "avg", 20.0, 0.5), failed_row("a", "max", "no")]
page = render_page([make_compare(rows=rows)])
print(re.findall('<li><a href="#(.*?)">', page), "<li>Comparison: 1 rows</li>" in page)
print("failures" in render_page([make_compare(rows=rows[:1])]))
"""


def test_the_example_of_a_section_is_on_the_page(tmp_path):
    text = (ROOT / "docs" / "extending.md").read_text().partition("## A section of the page\n")[2].partition("\n## ")[0]
    files = dict(
        zip(re.findall(r"`(failures\.[a-z0-9.]+)`", text), re.findall(r"```\w+\n(.*?)```", text, re.S), strict=True)
    )
    shutil.copytree(Path(poolzoo.__file__).parent, tmp_path / "poolzoo", ignore=shutil.ignore_patterns("__pycache__"))
    for name, content in files.items():
        (tmp_path / "poolzoo" / "reports" / "page" / "sections" / name).write_text(content)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT / "tests")))}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    there = ["r1-table", "failures", "warnings", "protocol", "r1-plots", "asked", "operators", "machine", "rows"]
    assert done.stdout.splitlines() == [f"{there} True", "False"]


def test_every_module_has_its_template_and_a_place_of_its_own():
    folder = Path(sections.__file__).parent
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert names == {path.name.partition(".")[0] for path in folder.glob("*.html.j2")}
    places = [re.search(r"^PLACE = (\d+)$", (folder / f"{name}.py").read_text(), re.M)[1] for name in names]
    assert len(set(places)) == len(names)


@pytest.mark.parametrize(
    "results",
    [
        [
            make_compare(rows=ROWS, metrics=["psnr"]),
            make_compare(rows=ROWS, metrics=["psnr"]),
            make_profile(["avg", "max"]),
        ],
        [make_profile(["avg"])],
        [make_compare(rows=[failed_row("a", "max", "no")])],
    ],
)
def test_a_section_has_the_headings_that_the_contents_list(results):
    for section, html in render_sections(Study.of(results, None, [])):
        anchors = [heading.anchor for heading in section.headings]
        assert re.findall('<h2 id="(.*?)"', html) == anchors


def public_names(room):
    """The module of each public class, constant and function of a room, by name."""
    found = {}
    for path in sorted((Path(poolzoo.__file__).parent / room).rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            named = [name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)]
            for name in [node.name] if isinstance(node, (ast.ClassDef, ast.FunctionDef)) else named:
                if not name.startswith("_"):
                    found.setdefault(name, []).append(str(path.relative_to(Path(poolzoo.__file__).parent)))
    return found


def test_a_name_means_one_thing():
    own, analysis = public_names("reports"), public_names("analysis")
    # What every section has.
    shared = {"PLACE", "render"}
    assert {name: places for name, places in own.items() if len(places) > 1 and name not in shared} == {}
    assert {name: (own[name], analysis[name]) for name in own.keys() & analysis.keys()} == {}
