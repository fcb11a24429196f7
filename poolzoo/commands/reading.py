"""What a command reads: images, features, clips and plugins."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from poolzoo._console import note
from poolzoo.commands.writing import command_files

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.images import Source
    from poolzoo.analysis.inputs.samples import Input
    from poolzoo.analysis.results.schema import Result


def declare_images(sources: Mapping[str, Sequence[str]], dataset: str | None = None) -> dict[str, dict[str, int]]:
    """Tell the files of the command which images its options read, and the user which files their folders also hold.

    Returns:
        By option, how many files with which suffixes were passed over.
    """
    from poolzoo.analysis.inputs.images import SUFFIXES as IMAGE_SUFFIXES, find_images

    others: dict[str, dict[str, int]] = {}
    for option, names in sources.items():
        passed_over: Counter[str] = Counter()
        found = find_images(names, passed_over)
        command_files().reads(option, [source.path for source in found])
        if passed_over:
            others[option] = dict(passed_over)
            say_passed_over(option, len(found), passed_over)
    if dataset:
        command_files().reads_below("--dataset", dataset, IMAGE_SUFFIXES)
    return others


def note_passed_over(result: Result, passed_over: Mapping[str, dict[str, int]]) -> None:
    """Keep in a result which files of the folders that were scored are no images."""
    if "--image" in passed_over:
        result.metadata["passed_over"] = passed_over["--image"]


def say_passed_over(option: str, images: int, passed_over: Mapping[str, int]) -> None:
    from poolzoo.analysis.inputs.images import shown_counts

    note(f"{option}: {images} image{'s' if images != 1 else ''}; passed over: {shown_counts(passed_over)}")


def find_inputs(
    sources: Sequence[str],
    features: Sequence[str],
    weights: str | None,
    videos: Sequence[str],
    frames: int | None,
    volumes: Sequence[str],
    seed: int,
) -> list[Source | Input]:
    """What `compare` compares: images or their features, or else videos and volumes."""
    from poolzoo.analysis.inputs.images import find_images

    if videos or volumes:
        from poolzoo.analysis.inputs.clips import Video, Volume

        return [*(Video(path, frames) for path in dict.fromkeys(videos)), *map(Volume, dict.fromkeys(volumes))]
    found = find_images(sources)
    if not features:
        return [*found]
    from poolzoo.analysis.inputs.features import feature_maps, find_layers

    return [*feature_maps(found, find_layers(features, weights, seed))]


def plugins_given() -> list[str]:
    """What registered operators in this process, as another process finds it."""
    given = click.get_current_context().find_root().params["plugins"]
    named = [*filter(None, os.environ.get("POOLZOO_PLUGINS", "").split(os.pathsep)), *given]
    return [os.path.abspath(name) if name.endswith(".py") else name for name in named]


def plugin_files() -> Iterator[str]:
    for name in plugins_given():
        file = name if name.endswith(".py") else sys.modules[name].__file__
        if file:
            yield file
