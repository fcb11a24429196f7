"""``poolzoo report``."""

from __future__ import annotations

from pathlib import Path

import click

from poolzoo._files import PAGE, write_whole
from poolzoo.commands.completing import complete_files
from poolzoo.commands.modes import Command
from poolzoo.commands.options import OUTPUT, save_plots_option
from poolzoo.commands.writing import command_files, say_written, write_plots


@click.command(cls=Command)
@click.argument("results", nargs=-1, required=True, metavar="RESULT...", shell_complete=complete_files)
@click.option("--output", type=OUTPUT, required=True, help="The page to write.")
@save_plots_option
def report(results: tuple[str, ...], output: Path, save_plots: Path | None) -> None:
    """Draw an HTML page from saved results of compare, profile and train: JSON files, earlier pages, and stores of
    trainings and of dataset runs. A training is shown next to the retention and cost of its operators.

    Several results of the same kind are shown side by side, with the change of every operator. Pictures are shown if
    compare was run with --save-images and the folder still exists.

    \b
    Examples:
      poolzoo compare --image skimage:coffee --save-images coffee --output coffee.json
      poolzoo profile --output cost.json
      poolzoo report coffee.json cost.json --output coffee.html
      poolzoo report runs.sqlite coffee.json cost.json --output accuracy.html
      poolzoo report before.html after.json --output change.html
    """
    from poolzoo.api.reading import gather
    from poolzoo.reports.page.page import render_page

    command_files().reads("RESULT", results)
    command_files().writes("--output", output, PAGE)
    folder = command_files().writes_folder("--save-plots", save_plots) if save_plots else None
    found = gather(results)
    write_whole(output, render_page(found.results, found.pictures, found.sources))
    say_written(output)
    if folder:
        write_plots(folder, found.results)
