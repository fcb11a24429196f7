"""What a shell completes on Tab: names of operators, families and images, without importing torch."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

from poolzoo import registry

if TYPE_CHECKING:
    Items = list[CompletionItem[str]]
else:
    Items = list  # CompletionItem is not generic at run time before click 8.4


def complete_pools(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer the built-in operators; ``fit`` those that can learn."""
    facts = [fact for fact in registry.catalog() if fact["learnable"] or ctx.command.name != "fit"]
    return _items({fact["name"]: fact["summary"] for fact in facts}, incomplete)


def complete_families(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer the families of the built-in operators."""
    return _items({fact["family"].replace(" ", "-"): "" for fact in registry.catalog()}, incomplete)


def complete_images(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer files, or the images of scikit-image and poolzoo's test patterns where one of their prefixes is begun."""
    if not incomplete or glob.glob(f"{glob.escape(incomplete)}*"):
        return complete_files(ctx, param, incomplete)
    from poolzoo.analysis.inputs.images import PATTERN_PREFIX, SKIMAGE_NAMES, SKIMAGE_PREFIX
    from poolzoo.analysis.inputs.patterns import PATTERNS

    known: dict[str, Iterable[str]] = {SKIMAGE_PREFIX: SKIMAGE_NAMES, PATTERN_PREFIX: PATTERNS}
    names = [f"{prefix}{name}" for prefix, images in known.items() for name in images]
    return _items(dict.fromkeys(names, ""), incomplete) or complete_files(ctx, param, incomplete)


def complete_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Leave it to the shell to offer files and folders."""
    return [CompletionItem(incomplete, type="file")]


def _items(known: dict[str, str], incomplete: str) -> Items:
    return [CompletionItem(name, help=said or None) for name, said in known.items() if name.startswith(incomplete)]


class ColonBash(BashComplete):
    """click's completion for bash, which divides words at ``:`` and ``=``: ``skimage:co`` arrives as three words."""

    #: The part of the incomplete word that bash keeps.
    _kept = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the complete words and the incomplete one, joined where bash divided them."""
        words, at = split_arg_string(os.environ["COMP_WORDS"]), int(os.environ["COMP_CWORD"])
        joined: list[str] = []
        divided = False  # whether the next word continues the last one
        for word in [*words, ""][: at + 1]:
            if word == "=" and joined[-1].startswith("-"):
                joined.append("")  # the value of --option=value
                self._kept, divided = "", True
            elif word in (":", "=") and joined:
                joined[-1] += word
                self._kept, divided = joined[-1], True
            elif divided:
                joined[-1] += word
                divided = False
            else:
                joined.append(word)
                self._kept = ""
        return joined[1:-1], joined[-1]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Return the type, and the part of the value that bash puts in place of its incomplete word."""
        return f"{item.type},{item.value.removeprefix(self._kept)}"


class _WholeWord:
    """For shells that put a completion in place of the whole word, as ``--metric=ssim`` for ``--metric=ss``."""

    _option = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()  # type: ignore[misc]
        found = re.match(r"--[\w-]+=", incomplete)
        self._option = found[0] if found else ""
        return args, incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        whole = item if item.type != "plain" else CompletionItem(self._option + item.value, item.type, item.help)
        return str(super().format_completion(whole))  # type: ignore[misc]


class WordZsh(_WholeWord, ZshComplete):
    """click's completion for zsh, with options that are joined to their values."""


class WordFish(_WholeWord, FishComplete):
    """click's completion for fish, with options that are joined to their values."""


def serve_shells() -> None:
    """Make completions that a shell asks for use these classes."""
    for made in (ColonBash, WordZsh, WordFish):
        add_completion_class(made)
