"""Damaged files: seeded mutations of the corpus, and a process that tries to read all of them.

``python -m inputs_corpus.mutations FOLDER`` prints a JSON list of what went wrong. It is a process of its own since a
hang is ended by an alarm, and memory is measured by its peak.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from inputs_corpus import Case, cases, frames

COUNT = 1000
#: Of the processor, for one file: a decoder of a file this small takes milliseconds.
SECONDS = 5
GIGABYTE = 1 << 30
#: Values that headers are not tested with: nothing, everything, and the ends of the signed numbers.
WORDS = (bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\1")


def flipped(data: bytearray, draw: random.Random) -> bytearray:
    """Flip one to eight bits, half of the times in the header."""
    reach = min(len(data), 64) if draw.random() < 0.5 else len(data)
    for _ in range(draw.randint(1, 8)):
        data[draw.randrange(reach)] ^= 1 << draw.randrange(8)
    return data


def cut(data: bytearray, draw: random.Random) -> bytearray:
    return data[: draw.randrange(1, len(data))]


def removed(data: bytearray, draw: random.Random) -> bytearray:
    at = draw.randrange(len(data))
    return data[:at] + data[at + draw.randint(1, 16) :]


def repeated(data: bytearray, draw: random.Random) -> bytearray:
    at = draw.randrange(len(data))
    return data[:at] + data[max(0, at - draw.randint(1, 32)) :]


def swapped(data: bytearray, draw: random.Random) -> bytearray:
    """Swap two chunks of one length."""
    length = draw.randint(1, max(1, min(64, len(data) // 3)))
    first = draw.randrange(len(data) - 2 * length + 1)
    second = draw.randrange(first + length, len(data) - length + 1)
    data[first : first + length], data[second : second + length] = (
        data[second : second + length],
        data[first : first + length],
    )
    return data


def overwritten(data: bytearray, draw: random.Random) -> bytearray:
    size = draw.choice((1, 2, 4))
    at = draw.randrange(min(len(data), 256))
    data[at : at + size] = draw.choice(WORDS)[:size]
    return data


KINDS = (flipped, flipped, cut, removed, repeated, swapped, overwritten)


def mutations() -> Iterator[tuple[str, bytes]]:
    """Yield names and contents, the formats in turn."""
    formats: dict[str, list[Case]] = {}
    for case in (*cases(), *frames.animations()):
        name, _, rest = case.name.partition("-")
        formats.setdefault(name + "-clip" * rest.startswith("clip"), []).append(case)
    members = [formats[name] for name in sorted(formats)]
    for number in range(COUNT):
        draw = random.Random(number)
        case = draw.choice(members[number % len(members)])
        mutate = draw.choice(KINDS)
        content = bytes(mutate(bytearray(case.content), draw))
        yield f"{number:03d}-{mutate.__name__}-{case.name}{case.suffix}", content


def main(folder: Path) -> None:
    from poolzoo.analysis.inputs.clips import Video
    from poolzoo.analysis.inputs.images import ImageError, find_images, load_image

    wrong: list[str] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, content in mutations():
        path = folder / name
        path.write_bytes(content)
        print(name, file=sys.stderr)  # noqa: T201 - the last line tells what an alarm ended
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            if "-clip-" in name:
                Video(str(path)).load()
            else:
                load_image(find_images([str(path)])[0])
        except ImageError as error:
            message = str(error)
            if "\n" in message or name not in message:
                wrong.append(f"{name}: its message is {message!r}")
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__}: {error}")
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.unlink()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        if grown > GIGABYTE:
            wrong.append(f"{name}: took {grown >> 20} MB")
            before += grown // 1024
    print(json.dumps(wrong))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
