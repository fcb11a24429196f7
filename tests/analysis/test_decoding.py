"""Every file of the corpus is shown as its standard says, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import inputs_corpus
import numpy as np
import pytest
from inputs_corpus import Case

from poolzoo.analysis.inputs.images import ImageError, Source, load_image

CASES = inputs_corpus.cases()
FORMATS = sorted({case.name.partition("-")[0] for case in CASES})
#: Intact files of kinds that no decoder can be trusted with.
REFUSED = (
    "pcx-3-planes",
    "pcx-4bit",
    "psd-rgb-8bit-no-composite",
    "psd-rgb-16bit-no-composite",
    "tga-rgb-16bit-attribute",
    "tga-rgb-16bit-attribute-rle",
    "tga-rgb-unused-map",
    "tga-rgb-unused-map-rle",
    "tiff-jpeg-rgb-planar",
)


def check(case: Case, folder: Path) -> str:
    """What is wrong with how a case is read; nothing where it is right."""
    path = folder / f"{case.name}{case.suffix}"
    path.write_bytes(case.content)
    try:
        image = load_image(Source(case.name, path))
    except ImageError as error:
        message = str(error)
        if not message.startswith(f"{case.name!r}: ") or len(message.splitlines()) != 1:
            return f"refused by {message!r}"
        if case.truth is None:
            return "" if "damaged" not in message else f"intact, but refused by {message!r}"
        return "" if case.name in REFUSED and "is not supported: convert it" in message else message
    if case.truth is None:
        return f"{case.name}: read, though it is to be refused"
    if image.shape[:2] != case.truth.shape[:2]:
        return f"{case.name}: {image.shape} is not {case.truth.shape}"
    error = np.abs(image - case.truth).max()
    return "" if error <= case.tolerance else f"{case.name}: {error * 255:.3g} of 255 levels off, {case.why}"


@pytest.mark.parametrize("kind", FORMATS)
def test_every_file_is_shown_as_its_standard_says_or_refused_in_one_line(kind, tmp_path, capfd):
    problems = [check(case, tmp_path) for case in CASES if case.name.partition("-")[0] == kind]
    assert not list(filter(None, problems))
    assert capfd.readouterr() == ("", "")  # no decoder prints what it thinks
