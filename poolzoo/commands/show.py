"""``poolzoo show``."""

from __future__ import annotations

import sys

import click

from poolzoo import registry
from poolzoo._console import say, width_of
from poolzoo.commands.completing import complete_pools
from poolzoo.commands.modes import Command


@click.command(cls=Command)
@click.argument("spec", shell_complete=complete_pools)
def show(spec: str) -> None:
    """Describe the operator SPEC: formula, source, parameters, limits, and the gradient of a window.

    \b
    Examples:
      poolzoo show softpool
      poolzoo show lp:p=3
    """
    registry.pool_info(registry.parse_spec(spec)[0])  # an unknown name is answered before torch is imported
    from poolzoo.analysis.studies.operator_card import make_card
    from poolzoo.reports.pictures.operator_card import render_card

    color = sys.stdout.isatty()
    say(render_card(make_card(spec), color=color, width=width_of(sys.stdout)))
