"""Netpbm: pbm(5), pgm(5), ppm(5), pam(5), and PFM as netpbm's pfm(5) has it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from inputs_corpus.base import FINE, HEIGHT, LEVEL, WIDTH, Case, noise, over_white, pack_rows, unit_noise

HEADER = f"{WIDTH} {HEIGHT}\n".encode()


def raw(samples: np.ndarray, white: int) -> bytes:
    """Return samples of one byte, or of two, the more significant first, where the maximum exceeds 255."""
    return samples.astype(">u1" if white < 256 else ">u2").tobytes()


def text(samples: np.ndarray) -> bytes:
    return "\n".join(" ".join(map(str, row)) for row in samples.reshape(HEIGHT, -1)).encode() + b"\n"


def tolerance(white: int) -> float:
    return LEVEL if white < 256 else FINE


def cases() -> Iterator[Case]:
    yield from bitmaps()
    yield from maps()
    yield from arbitrary()
    yield from floats()


def bitmaps() -> Iterator[Case]:
    bits = noise("pbm", (HEIGHT, WIDTH), 1)
    truth = 1.0 - bits[..., None]
    why = "pbm(5): 1 is black"
    yield Case("pbm-text", ".pbm", b"P1\n# a comment\n" + HEADER + text(bits), truth, LEVEL, why)
    joined = b"\n".join("".join(map(str, row)).encode() for row in bits)
    yield Case("pbm-text-joined", ".pbm", b"P1 " + HEADER + joined, truth, LEVEL, "pbm(5): no space is needed")
    yield Case("pbm", ".pbm", b"P4\n" + HEADER + pack_rows(bits, 1), truth, LEVEL, why)


def maps() -> Iterator[Case]:
    for channels, suffix, plain, packed in ((1, ".pgm", b"P2", b"P5"), (3, ".ppm", b"P3", b"P6")):
        for white in (1, 3, 15, 100, 255, 256, 1023, 4095, 40000, 65535):
            name = f"{suffix[1:]}-max-{white}"
            samples = noise(name, (HEIGHT, WIDTH, channels), white)
            truth, header = samples / white, HEADER + f"{white}\n".encode()
            why = f"{suffix[1:]}(5): a sample is proportional to the maximum"
            yield Case(
                name + "-text", suffix, plain + b"\n# text\n" + header + text(samples), truth, tolerance(white), why
            )
            yield Case(name, suffix, packed + b"\n" + header + raw(samples, white), truth, tolerance(white), why)


def arbitrary() -> Iterator[Case]:
    kinds = {
        "BLACKANDWHITE": 1,
        "GRAYSCALE": 1,
        "RGB": 3,
        "BLACKANDWHITE_ALPHA": 2,
        "GRAYSCALE_ALPHA": 2,
        "RGB_ALPHA": 4,
    }
    for kind, depth in kinds.items():
        for white in (1,) if kind.startswith("BLACK") else (255, 4095, 65535):
            name = f"pam-{kind.lower().replace('_', '-')}-max-{white}"
            samples = noise(name, (HEIGHT, WIDTH, depth), white)
            header = f"P7\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH {depth}\nMAXVAL {white}\nTUPLTYPE {kind}\nENDHDR\n"
            unit = samples / white
            truth = over_white(unit[..., :-1], unit[..., -1]) if depth % 2 == 0 else unit
            why = "pam(5): tuple types; 1 is white, and the last plane of _ALPHA is opacity"
            yield Case(name, ".pam", header.encode() + raw(samples, white), truth, tolerance(white), why)


def floats() -> Iterator[Case]:
    for channels, magic, label in ((1, "Pf", "grey"), (3, "PF", "rgb")):
        for scale, order in (("-1.0", "<"), ("1.0", ">")):
            name = f"pfm-{label}-{'little' if order == '<' else 'big'}-endian"
            samples = unit_noise(name, (HEIGHT, WIDTH, channels)).astype(np.float32)
            data = struct.pack(f"{order}{samples.size}f", *samples[::-1].ravel())
            content = f"{magic}\n{WIDTH} {HEIGHT}\n{scale}\n".encode() + data
            why = "pfm(5): the bottom row first; a negative scale means little-endian"
            yield Case(name, ".pfm", content, samples.astype(np.float64), FINE, why)
