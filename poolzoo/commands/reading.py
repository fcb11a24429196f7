"""Read the inputs of a command: images, features, clips and plugins."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import click

from poolzoo._console import note
from poolzoo.commands.writing import command_files


def declare_images(sources: Mapping[str, Sequence[str]], dataset: str | None = None) -> None:
    """Declare the images that the command's options read, and print how many other files their folders contain."""
    from poolzoo.analysis.inputs.images import IMAGE_SUFFIXES, find_images
    from poolzoo.analysis.inputs.packed import packed_files

    for option, names in sources.items():
        passed_over: Counter[str] = Counter()
        found = find_images(names, passed_over)
        command_files().reads(option, [source.path for source in found])
        if passed_over:
            say_passed_over(option, len(found), passed_over)
    if dataset and not os.path.isdir(dataset):
        command_files().reads("--dataset", packed_files(dataset))
    elif dataset:
        command_files().reads_below("--dataset", dataset, IMAGE_SUFFIXES)


def declare_network(spec: str | None, option: str = "--like") -> None:
    """Declare the file that an option which names a network reads, if it names one."""
    found = re.match(r"(.+\.py):", spec or "")
    command_files().reads(option, [found[1]] if found else [])


def say_passed_over(option: str, images: int, passed_over: Mapping[str, int]) -> None:
    from poolzoo.analysis.inputs.images import shown_counts

    note(f"{option}: {images} image{'s' if images != 1 else ''}; passed over: {shown_counts(passed_over)}")


def plugins_given() -> list[str]:
    """Return the sources of this process's plugin operators, so that another process can load them."""
    given = click.get_current_context().find_root().params["plugins"]
    named = [*filter(None, os.environ.get("POOLZOO_PLUGINS", "").split(os.pathsep)), *given]
    return [os.path.abspath(name) if name.endswith(".py") else name for name in named]


def plugin_files() -> Iterator[str]:
    for name in plugins_given():
        file = name if name.endswith(".py") else sys.modules[name].__file__
        if file:
            yield file
