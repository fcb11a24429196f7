"""The documentation: the navigation has every page, generated ones are current, and the check of the site finds faults.

``make docs`` builds the site, checks every link and runs the tutorial.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from reports.conftest import docs_script

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def constants() -> dict[str, object]:
    """The plain constants of docs/site_hooks.py, which needs mkdocs to be imported."""
    found = {}
    for node in ast.parse((DOCS / "site_hooks.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Dict, ast.Constant)):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def listed(entry: object) -> list[str]:
    """The pages of a part of the navigation."""
    if isinstance(entry, str):
        return [entry]
    parts = entry if isinstance(entry, list) else entry.values()
    return [page for part in parts for page in listed(part)]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_every_page_is_in_the_navigation_and_each_of_its_entries_is_a_page():
    made = constants()
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.parent.name != "operators"}
    assert sorted(listed(nav)) == sorted(pages | {*made["PAGES"], *made["NOTEBOOKS"]})
    assert all((ROOT / path).is_file() for path in made["PAGES"].values())
    assert all((DOCS / name).is_file() for name in made["NOTEBOOKS"].values())


def test_the_reference_of_the_command_line_is_current():
    maker = docs_script("make_cli")
    assert maker.PAGE.read_text(encoding="utf-8") == maker.text(), "`python docs/make_cli.py` writes it anew"


def test_every_public_function_and_class_is_in_the_reference():
    pages = "".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    described = set(re.findall(r"^::: (\S+)", pages, re.MULTILINE))
    names = [line.partition("(")[0] for line in (ROOT / "tests" / "api.txt").read_text().splitlines() if "(" in line]
    generated = re.compile(r"poolzoo\.(functional\.)?(\w*(Pool|_pool|pool_)\w*|(Ada|ada_)Unpool)[123]d", re.IGNORECASE)
    for name in names:
        owner, _, last = name.rpartition(".")  # a method's class, or a module of poolzoo.compat, which is a whole page
        if not generated.fullmatch(name):
            assert not described.isdisjoint({name, f"poolzoo.{last}", owner}), name


def test_every_link_of_a_page_to_a_file_has_its_file():
    made = constants()
    pages = [*DOCS.rglob("*.md"), *(ROOT / path for path in made["PAGES"].values())]
    for page in pages:
        for link in re.findall(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_holds_no_outputs_and_is_python(path):
    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.get("outputs") for cell in cells)
    for cell in cells:
        if cell.cell_type == "code":
            ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.M))


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ('<script src="https://cdn.example/a.js"></script>', "loads https://cdn.example/a.js"),
        ('<link rel="stylesheet" href="//fonts.example/css">', "loads //fonts.example/css"),
        ('<link rel="preconnect" href="https://fonts.example">', "loads https://fonts.example"),
        ('<img src="a.png" srcset="a.png 1x, http://example/b.png 2x">', "loads http://example/b.png"),
        ("<style>p { background: url(https://example/a.png) }</style>", "loads https://example/a.png"),
        ("<p style=\"background: url('//example/a.png')\">", "loads //example/a.png"),
        ('<a href="missing.html">x</a>', "missing.html: no such file"),
        ('<img src="missing.png">', "missing.png: no such file"),
        ('<a href="other.html#nowhere">x</a>', "other.html#nowhere: no such anchor"),
        ('<a href="#nowhere">x</a>', "#nowhere: no such anchor"),
    ],
)
def test_the_check_of_the_site_finds(page, fault, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "other.html").write_text('<h1 id="here">Here</h1>')
    (tmp_path / "index.html").write_text(page)
    assert list(docs_script("check_site").faults(tmp_path)) == [f"index.html: {fault}"]


def test_the_check_of_the_site_passes_links_that_have_targets(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "index.html").write_text('<h1 id="a b">Here</h1><a href="..">up</a><img src="../a.png">')
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "index.html").write_text(
        '<a href="deep/#a%20b">x</a><a href="https://example.org">out</a><a href="mailto:a@b">mail</a>'
        '<link rel="canonical" href="https://example.org"><img src="data:image/png;base64,AA=="><img src="a.png">'
    )
    assert list(docs_script("check_site").faults(tmp_path)) == []


def test_the_check_of_the_site_reads_style_sheets(tmp_path):
    (tmp_path / "a.css").write_text('@import "https://fonts.example/css"; p { src: url(a.woff2) }')
    assert list(docs_script("check_site").faults(tmp_path)) == ["a.css: loads https://fonts.example/css"]
