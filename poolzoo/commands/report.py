"""``poolzoo report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from poolzoo._console import note, reason
from poolzoo._files import PAGE, write_whole
from poolzoo.commands.modes import Command
from poolzoo.commands.options import OUTPUT, Failed, save_plots_option
from poolzoo.commands.sample_pictures import draw_sample
from poolzoo.commands.writing import command_files, say_written, write_plots

if TYPE_CHECKING:
    from poolzoo.analysis.results.schema import Result


@click.command(cls=Command)
@click.argument("results", nargs=-1, required=True, metavar="RESULT...")
@click.option("--output", type=OUTPUT, required=True, help="The page to write.")
@save_plots_option
def report(results: tuple[str, ...], output: Path, save_plots: Path | None) -> None:
    """Draw an HTML page from saved results, of compare and of profile: JSON files, pages drawn before, and stores of
    dataset runs.

    Several results of one kind are shown side by side, with the change of every operator. Pictures are shown where
    compare was run with --save-images and the folder is still there.

    \b
    Examples:
      poolzoo compare --image skimage:coffee --save-images coffee --output coffee.json
      poolzoo profile --output cost.json
      poolzoo report coffee.json cost.json --output coffee.html
      poolzoo report before.html after.json --output change.html
    """
    from poolzoo.analysis.results.store_file import is_store
    from poolzoo.analysis.results.store_reader import StoreReader
    from poolzoo.reports.page.evidence import results_in_file
    from poolzoo.reports.page.page import render_page
    from poolzoo.reports.pictures.picture_book import PictureBook
    from poolzoo.reports.pictures.picture_files import book_from_metadata

    command_files().reads("RESULT", results)
    command_files().writes("--output", output, PAGE)
    folder = command_files().writes_folder("--save-plots", save_plots) if save_plots else None
    loaded: list[Result] = []
    sources: list[str] = []
    book = PictureBook()
    for name in results:
        if is_store(Path(name)):
            with StoreReader.open(Path(name)) as store:
                loaded.append(store.sample())
                if not loaded[-1].rows:
                    raise Failed(f"{name}: no image has been scored yet; run its compare --dataset again")
                book.update(draw_sample(store, loaded[-1]))
            sources.append(Path(name).name)
            continue
        try:
            found = results_in_file(name)
        except OSError as error:
            raise Failed(f"{name}: {reason(error)}") from error
        loaded += found
        sources += [Path(name).name] * len(found)
        try:
            for result in found:
                book.update(book_from_metadata(result.metadata, Path(name).parent))
        except FileNotFoundError as error:
            note(f"{name}: its picture {error.filename} is gone; the page goes without")
    write_whole(output, render_page(loaded, book, sources))
    say_written(output)
    if folder:
        write_plots(folder, loaded)
