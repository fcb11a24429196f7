"""What mkdocs needs besides ``mkdocs.yml`` to build the site from the files of this repository.

- Pages that are files elsewhere: README.md is the home page, and CONTRIBUTING.md and CHANGELOG.md are pages too.
- The tutorial: its notebook is executed, and shown with its outputs.
- Links to files outside ``docs/``: pages become links within the site, other files are copied into it.
"""

from __future__ import annotations

import base64
import functools
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbclient import NotebookClient

from poolzoo import registry

DOCS = Path(__file__).parent
ROOT = DOCS.parent
#: Pages of the site whose text is a file outside ``docs/``.
PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "native.md": "poolzoo/native/README.md",
}
#: The page that describes every operator's module and function.
OPERATORS = "reference/operators.md"
#: Pages that are made from a notebook.
NOTEBOOKS = {"tutorial.md": "tutorial.ipynb"}
#: Each cell of the notebook has to end within this many seconds.
LIMIT = 120

_LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")


def on_config(config: MkDocsConfig) -> None:
    """List the pages of ``docs/operators`` in the navigation."""
    pages = sorted(path.name for path in (DOCS / "operators").glob("*.md") if path.name != "README.md")
    entry = next(item for item in config.nav if "Operators" in item)
    entry["Operators"] = ["operators/README.md", *(f"operators/{name}" for name in pages)]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of :data:`PAGES` and :data:`NOTEBOOKS`, and the files that pages link to."""
    for uri, path in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    for uri, name in NOTEBOOKS.items():
        for made, content in executed(name, (DOCS / name).read_text(encoding="utf-8")).items():
            files.append(File.generated(config, uri if made == "" else made, content=content))
    for page in list(files.documentation_pages()):
        for target in _outside(page.src_uri, page.content_string):
            uri = _uri(target)
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the page's links at where the site has what they name, and complete the page of operators."""
    if page.file.src_uri == OPERATORS:
        markdown += "".join(_operator_sections())

    def pointed(match: re.Match[str]) -> str:
        target = _target(page.file.src_uri, match[2])
        if target is None:
            return match[0]
        return match[1] + os.path.relpath(_uri(target), PurePosixPath(page.file.src_uri).parent) + match[3]

    return _LINK.sub(pointed, markdown)


def _target(uri: str, link: str) -> Path | None:
    """Return the file in this repository that a link on a page names, if there is one."""
    home = ROOT / PAGES[uri] if uri in PAGES else DOCS / uri
    path = Path(os.path.normpath(home.parent / link))
    return path if path.is_relative_to(ROOT) and path.is_file() else None


def _uri(path: Path) -> str:
    """Return where the site has a file of this repository."""
    name = path.relative_to(ROOT).as_posix()
    page = next((uri for uri, source in PAGES.items() if source == name), None)
    if page is None and path.is_relative_to(DOCS):
        uri = path.relative_to(DOCS).as_posix()
        page = next((page for page, notebook in NOTEBOOKS.items() if notebook == uri), uri)
    return page or f"files/{name}"


def _outside(uri: str, text: str) -> Iterator[Path]:
    """The files outside ``docs/`` that a page links to."""
    for match in _LINK.finditer(text):
        path = _target(uri, match[2])
        if path is not None and _uri(path) not in PAGES and not path.is_relative_to(DOCS):
            yield path


def _operator_sections() -> Iterator[str]:
    """The operators as modules and functions, and the names of their other forms."""
    for info in registry.builtin_pools():
        ndim = 2 if 2 in info.ndims else info.ndims[0]
        module, function = f"{info.class_name}{ndim}d", f"{info.function_name}{ndim}d"
        forms = [f"`{stem}{n}d`" for stem in info.exports("class_name").values() for n in info.ndims]
        others = ", ".join(form for form in forms if form != f"`{module}`")
        yield f"\n## {info.name}\n\n[{info.name}](../operators/{info.name}.md). "
        yield f"Also {others}, and the functions of these names.\n" if others else "\n"
        yield f"\n::: poolzoo.{module}\n    options:\n      heading_level: 3\n"
        yield f"\n::: poolzoo.functional.{function}\n    options:\n      heading_level: 3\n"


@functools.lru_cache(maxsize=1)
def executed(name: str, text: str) -> dict[str, str | bytes]:
    """Run a notebook; return its text in Markdown under ``""``, and its pictures by their place in the site."""
    notebook = nbformat.reads(text, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, timeout=LIMIT, kernel_name="python3", resources=where)
        client.extra_arguments = ["--log-level=ERROR"]  # the kernel warns that its sockets are not encrypted
        client.execute()
    parts: list[str] = []
    made: dict[str, str | bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        code = "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
        parts.append(f"```python\n{code}\n```")
        for output in cell.outputs:
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                uri = f"{Path(name).stem}/{len(made)}.png"
                made[uri] = base64.b64decode(data["image/png"])
                alt = " ".join(str(data.get("text/plain", "figure")).split())
                parts.append(f"![{alt.strip('<>')}]({uri})")
            elif "text/html" in data:
                parts.append(f'<div class="output">\n{data["text/html"]}\n</div>')
            else:
                parts.append(f"```text\n{data.get('text/plain', '').rstrip()}\n```")
    return made | {"": "\n\n".join(parts) + "\n"}
