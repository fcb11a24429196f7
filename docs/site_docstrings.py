"""How API pages read docstrings: an extension of griffe, which mkdocstrings uses.

The stubs of the generated modules hold one line each, so their docstrings are taken from the classes themselves.
References as Sphinx writes them become code, an entry of several arguments becomes one for each, and an example becomes
code by the heading that griffe knows.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

import poolzoo

_ROLE = re.compile(r":(?:func|class|meth|attr|data|mod):`~?([^`]+)`")
#: ``seed, seeds: text`` with the lines that continue it.
_SEVERAL = re.compile(r"^( +)(\w+(?:, \w+)+):(.*\n(?:\1 .*\n)*)", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Complete docstrings before they are parsed."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        for name, member in pkg.members.items():
            if not member.is_alias and member.is_class and member.docstring:
                member.docstring.value = getattr(poolzoo, name).__doc__
        _complete(pkg)


def _complete(thing: griffe.Object) -> None:
    if thing.docstring:
        thing.docstring.value = readable(thing.docstring.value)
    for member in thing.members.values():
        if not member.is_alias:
            _complete(member)


def readable(docstring: str) -> str:
    """Return a docstring without Sphinx's references, and with one argument in each entry."""

    def one_by_one(match: re.Match[str]) -> str:
        return "".join(f"{match[1]}{name}:{match[3]}" for name in match[2].split(", "))

    text = _ROLE.sub(lambda match: f"`{match[1]}`", f"{docstring}\n")
    return _SEVERAL.sub(one_by_one, re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)).rstrip("\n")
