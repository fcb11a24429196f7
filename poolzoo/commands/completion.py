"""``poolzoo completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from poolzoo._console import say
from poolzoo.commands.modes import Command

#: The shells that click writes scripts for.
SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script with which SHELL completes commands, options, operators, metrics and skimage: names.

    Add the line for your shell to its start-up file: ~/.bashrc, ~/.zshrc (after compinit) or
    ~/.config/fish/config.fish.

    \b
    Examples:
      eval "$(poolzoo completion bash)"
      eval "$(poolzoo completion zsh)"
      poolzoo completion fish | source
    """
    root = click.get_current_context().find_root()
    made = get_completion_class(shell)
    assert made is not None
    say(made(root.command, {}, "poolzoo", "_POOLZOO_COMPLETE").source())
