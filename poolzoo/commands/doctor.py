"""``poolzoo doctor``."""

from __future__ import annotations

import click

from poolzoo._console import say
from poolzoo.commands.modes import Command


@click.command(cls=Command)
def doctor() -> None:
    """Show this machine's versions, processor, GPU and compilers.

    \b
    Example:
      poolzoo doctor
    """
    from poolzoo.analysis.results.machine import doctor as examine

    facts = examine()
    width = max(map(len, facts))
    say("\n".join(f"{name:{width}}  {value}" for name, value in facts.items()))
