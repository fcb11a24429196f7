"""What users read is in the field's words: no phrase of the list below stands in any text that they see.

Read are docstrings and strings of Python files, whole templates and Markdown pages, strings of C++ sources, comments
left out. ``docs/operators`` and ``docs/gallery.md`` are generated from these, and read as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Where text for users lies: folders are searched for the suffixes of READERS.
PLACES = ("poolzoo", "docs", "tools", "benchmarks", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile")

#: What a rate or a share can be of: "one per core", not "one a core".
_UNIT = (
    r"(axis|block|call|cell|channel|class|command|core|element|family|file|frame|image|input element|input number|kind"
    r"|layer|metric|number|operator|output( cell)?|picture|pixel|run|second|seed|setting|spec|submap|value|window)\b"
    # "which values a cell is made of" counts nothing.
    r"(?! (are|gives|has|holds|is|needs|reaches|spans|takes)\b)"
)
_COUNT = r"\b(an?|one|two|three|four|few|\d+)"
_COUNTED = (
    r"(bytes|cells|cycles|draws|elements|figures|files|frequencies|gigabytes|images|kilobytes|lines|megabytes"
    r"|milliseconds|neighbours|numbers|pages|pixels|points|positions|rows|seconds|taps|values|weights|ms|KB|MB|GB)"
)
#: Words after which "an operator" is an object: "one of an operator", "a measure asks an operator".
_NOT_COUNTED = (
    r"(?!(and|as|at|by|for|from|gives?|has|holds?|if|in|is|needs?|of|on|or|than|that|to|when|where|with|without)\b)"
)

#: A regular expression, in which a space stands for any white space, and what to write instead.
PHRASES = {
    rf"{_COUNT} an? {_UNIT}": "per",
    rf"\b{_COUNTED} an? {_UNIT}": "per",
    rf"{_COUNT} {_NOT_COUNTED}[a-z]+ an? {_UNIT}": "per",
    r"\b(be|is|are) had\b": "available, unavailable",
    r"\b(go|goes|going|gone|went) on\b": "resume, continue",
    r"\bgr(ow|ows|ew|own) back\b": "upsample",
    r"\bkin\b": "similar operators",
    r"\bas (it|they) start(s|ed)?\b": "untrained",
    r"\b(of the|of) numbers kept\b|\bnumbers kept\b": "values kept",
    r"\b(share|\d) of the numbers\b": "fraction of the values",
    r"\bnumbers? (in|out) per number\b|\bnumbers out per\b": "values out per value in",
    r"\bread this with\b": "caveats",
    r"\bwhom\b": "best trade-offs, or name the operator",
    r"\bbeside\b": "next to, in addition to",
    r"\bdie[sd]? of\b": "kills",
    r"\b(take|takes|taken|took) for an?\b": "treat as",
    r"\bwhat is pooled\b|\bwhat was pooled\b": "the pooled image, the input",
    r"\bwhat is scored\b": "images that were scored",
    r"\bnothing beats\b": "best trade-offs",
    r"\bneither of them\b": "both excluded",
    r"\bdraws? as \w+ says\b": "seed",
    r"\bthe same command\b": "rerun the command",
    r"\bso many\b": "this many",
    r"\ba picture of one's own\b": "your own",
    r"\bis to be had\b": "is available",
    r"\blaid next to\b": "compared with",
}
_PATTERNS = {re.compile(phrase.replace(" ", r"\s+"), re.IGNORECASE): better for phrase, better in PHRASES.items()}


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    """Every string literal and its first line, an f-string as one text; docstrings are literals too."""
    pieces: set[int] = set()
    for node in ast.walk(ast.parse(source)):  # outer nodes first
        if isinstance(node, ast.JoinedStr):
            pieces.update(id(value) for value in node.values)
            yield (
                node.lineno,
                "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            yield node.lineno, node.value


def cpp_texts(source: str) -> Iterator[tuple[int, str]]:
    """Every string literal and its line."""
    for literal in re.finditer(r'"((?:[^"\\\n]|\\.)*)"', source):
        yield source.count("\n", 0, literal.start()) + 1, literal[1]


def script_texts(source: str) -> Iterator[tuple[int, str]]:
    """The whole but line comments, on the same lines."""
    yield 1, re.sub(r"(?m)(^|\s)//.*$", "", source)


def whole(source: str) -> Iterator[tuple[int, str]]:
    yield 1, source


READERS = {
    ".py": python_texts,
    ".pyi": python_texts,
    ".md": whole,
    ".j2": whole,
    ".js": script_texts,
    ".json": whole,
    ".h": cpp_texts,
    ".cpp": cpp_texts,
    ".cu": cpp_texts,
    ".cuh": cpp_texts,
    "": whole,
}


def files() -> list[Path]:
    found = [
        path for place in PLACES for path in ((ROOT / place).rglob("*") if (ROOT / place).is_dir() else [ROOT / place])
    ]
    return sorted(
        path
        for path in found
        if path.is_file() and path.suffix in READERS and ROOT / "benchmarks" / "results" not in path.parents
    )


def old_phrases(text: str) -> Iterator[tuple[int, str, str]]:
    """Where in ``text`` a phrase of the list stands, the phrase, and what to write."""
    for pattern, better in _PATTERNS.items():
        for match in pattern.finditer(text):
            yield match.start(), " ".join(match[0].split()), better


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[: 2 if parts[0] == "poolzoo" else 1])


@pytest.mark.parametrize("place", sorted({room(path) for path in files()}))
def test_no_old_phrase_is_left(place: str) -> None:
    found = []
    for path in files():
        if room(path) == place:
            for line, text in READERS[path.suffix](path.read_text(encoding="utf-8")):
                for at, phrase, better in old_phrases(text):
                    where = line + text.count("\n", 0, at)
                    found.append(f"{path.relative_to(ROOT)}:{where}: {phrase!r}: write {better!r}")
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "worker processes, by default one a core",
        "one file a family",
        "one exponent\n    a channel",
        "half a cycle a pixel",
        "cycles a pixel",
        "a page an operator",
        "a scalar or one an output cell",
        "cannot be had",
        "the same command goes on from here",
        "SoftPool and its kin",
        "whom nothing beats at both",
    ],
)
def test_an_old_phrase_is_found(text: str) -> None:
    assert list(old_phrases(text))


@pytest.mark.parametrize(
    "text",
    [
        "an operator without parameters",
        "a row of an operator",
        "no two in a row or column",
        "which pixels a cell is rebuilt from",
        "one per core",
        "a measure of an operator, not of a rebuilt image",
        "Add an operator: a window is reduced to a value",
    ],
)
def test_an_honest_use_is_not(text: str) -> None:
    assert not list(old_phrases(text))
