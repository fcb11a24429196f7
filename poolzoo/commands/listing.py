"""``poolzoo list``."""

from __future__ import annotations

import click

from poolzoo import registry
from poolzoo._console import say
from poolzoo.commands.modes import Command
from poolzoo.commands.options import Failed


@click.command("list", cls=Command)
@click.argument("pattern", default="*")
def list_command(pattern: str) -> None:
    """List the operators whose names match PATTERN.

    \b
    Example:
      poolzoo list '*blur*'
    """
    facts = registry.pool_facts(pattern)
    if not facts:
        raise Failed(f"pattern {pattern!r}: no operator matches; `poolzoo list` lists all")
    width = max(len(fact["name"]) for fact in facts)
    lines = []
    for fact in facts:
        notes = [note for note in ("learnable", "stochastic") if fact[note]]
        notes += [] if len(fact["ndims"]) == 3 else ["/".join(f"{n}D" for n in fact["ndims"])]
        lines.append(f"{fact['name']:{width}}  {fact['summary']}{' [' + ', '.join(notes) + ']' if notes else ''}")
    say("\n".join(lines))
