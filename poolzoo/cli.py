"""The command line: the root of all commands, and how a run ends. Commands import torch only when they run."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

import poolzoo
from poolzoo._console import note, open_streams, quiet_libraries, reason
from poolzoo._files import CommandFiles
from poolzoo.commands import (
    build,
    compare,
    completion,
    doctor,
    export,
    fit,
    listing,
    profile,
    report,
    show,
    sweep,
    train,
    visualize,
)
from poolzoo.commands.completing import complete_files, serve_shells
from poolzoo.commands.modes import CommandGroup
from poolzoo.commands.reading import plugin_files
from poolzoo.commands.writing import command_files, command_line
from poolzoo.plugins import load_plugins


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(poolzoo.__version__, prog_name="poolzoo")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE.py|MODULE",
    shell_complete=complete_files,
    help="Python file that registers operators or metrics, run first; repeatable. POOLZOO_PLUGINS does the same.",
)
def cli(plugins: tuple[str, ...]) -> None:
    """Compare pooling operators: how much of an image each one keeps, and what it costs.

    \b
    Example:
      poolzoo compare --image skimage:coffee --report coffee.html
    """
    load_plugins(plugins)
    context = click.get_current_context()
    context.obj = CommandFiles()
    context.with_resource(command_line())
    command_files().reads("--plugin", plugin_files())


for command in (
    listing.list_command,
    show.show,
    compare.compare,
    fit.fit_command,
    sweep.sweep,
    profile.profile,
    train.train_command,
    report.report,
    export.export_command,
    visualize.visualize,
    build.build,
    doctor.doctor,
    completion.completion,
):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the console script: bad input gives one line on stderr and exit code 2."""
    open_streams()
    quiet_libraries()
    serve_shells()
    try:
        cli.main(prog_name="poolzoo", standalone_mode=False)
    except click.ClickException as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # since click 8.2
            note(error.format_message())
            sys.exit(2)
        _fail(error.format_message())
    except ValueError as error:
        # What the package itself raises for bad input: one line that names the argument, the value and what is allowed.
        _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        note("poolzoo: stopped")
        sys.exit(130)
    except OSError as error:
        # A disk that filled up, a file that went away.
        _fail(": ".join(filter(None, (str(error.filename or ""), reason(error)))))
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    note(f"poolzoo: {' '.join(message.split())}")
    sys.exit(2)


if __name__ == "__main__":
    main()
