"""``poolzoo list``."""

from __future__ import annotations

from typing import Any

import click

from poolzoo import registry
from poolzoo._console import say
from poolzoo.commands.completing import complete_families, complete_pools
from poolzoo.commands.modes import Command
from poolzoo.commands.options import Failed


@click.command("list", cls=Command)
@click.argument("pattern", default="*", shell_complete=complete_pools)
@click.option("--family", metavar="NAME", help="Only operators of this family.", shell_complete=complete_families)
def list_command(pattern: str, family: str | None) -> None:
    """List the operators whose names match PATTERN, by family.

    \b
    Examples:
      poolzoo list '*blur*'
      poolzoo list --family averaging
    """
    facts = registry.pool_facts(pattern, family)
    if not facts:
        within = f" in the family {family!r}" if family else ""
        raise Failed(f"pattern {pattern!r}: no operator matches{within}; `poolzoo list` lists all")
    width = max(len(fact["name"]) for fact in facts)
    families: dict[str, list[str]] = {}
    for fact in facts:
        families.setdefault(fact["family"], []).append(f"  {fact['name']:{width}}  {_description(fact)}")
    say("\n\n".join("\n".join([f"{name}:", *lines]) for name, lines in families.items()))


def _description(fact: dict[str, Any]) -> str:
    notes = [note for note in ("learnable", "stochastic") if fact[note]]
    notes += [] if len(fact["ndims"]) == 3 else ["/".join(f"{n}D" for n in fact["ndims"])]
    return f"{fact['summary']}{' [' + ', '.join(notes) + ']' if notes else ''}"
