"""PSD: Adobe Photoshop File Formats Specification (2019)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from inputs_corpus.base import (
    ADOBE,
    FINE,
    HEIGHT,
    LEVEL,
    WIDTH,
    Case,
    lab_to_srgb,
    noise,
    over_white,
    pack_rows,
    profile,
    srgb_to_lab,
    unit_noise,
    wide_noise,
)
from inputs_corpus.tiff import packbits

BITMAP, GREY, INDEXED, RGB, CMYK, MULTICHANNEL, DUOTONE, LAB = 0, 1, 2, 3, 4, 7, 8, 9
RESOLUTION, ALPHA_NAMES, ICC, TRANSPARENT_INDEX, VERSION_INFO = 1005, 1006, 1039, 1047, 1057


def block(data: bytes, to: int = 2) -> bytes:
    """Return the data after its length, filled up."""
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % to)


def resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HH", number, 0) + block(data)


def rows_of(channel: np.ndarray, depth: int) -> list[bytes]:
    if depth == 1:
        packed = pack_rows(channel, 1)
        width = len(packed) // len(channel)
        return [packed[y * width :][:width] for y in range(len(channel))]
    kind = ">f4" if depth == 32 else f">u{depth // 8}"
    return [row.astype(kind).tobytes() for row in channel]


def channel_data(channels: list[np.ndarray], depth: int, packed: bool, length: str = "H") -> bytes:
    """Return compression 0, rows as they are, or 1: all rows' lengths, then PackBits."""
    rows = [row for channel in channels for row in rows_of(channel, depth)]
    if not packed:
        return b"\0\0" + b"".join(rows)
    rows = [packbits(row, len(row)) for row in rows]
    return b"\0\1" + struct.pack(f">{len(rows)}{length}", *map(len, rows)) + b"".join(rows)


def layer(channels: dict[int, np.ndarray], depth: int, top: int = 0, left: int = 0) -> tuple[bytes, bytes]:
    """Return a layer's record and its channels' data; channel -1 is its transparency."""
    height, width = next(iter(channels.values())).shape
    data = {number: channel_data([channel], depth, False) for number, channel in channels.items()}
    record = struct.pack(">4iH", top, left, top + height, left + width, len(channels))
    record += b"".join(struct.pack(">hI", number, len(one)) for number, one in data.items())
    extra = struct.pack(">II", 0, 0) + b"\x05layer\0\0"
    record += b"8BIMnorm" + struct.pack(">BBBBI", 255, 0, 0, 0, len(extra)) + extra
    return record, b"".join(data.values())


def psd(
    channels: np.ndarray,
    depth: int,
    mode: int,
    *,
    packed: bool = False,
    colours: bytes = b"",
    resources: bytes = b"",
    layers: list[tuple[bytes, bytes]] | None = None,
    merged_alpha: bool = False,
    large: bool = False,
) -> bytes:
    """Return a file of composite ``channels``, ``(H, W, C)``; ``merged_alpha``: the first extra one is its alpha.

    ``large`` files (PSB) have wider lengths of the layers' section and of packed rows.
    """
    height, width, count = channels.shape
    about = b""
    if layers:
        number = -len(layers) if merged_alpha else len(layers)
        info = (
            struct.pack(">h", number) + b"".join(record for record, _ in layers) + b"".join(data for _, data in layers)
        )
        about = block(info) + struct.pack(">I", 0)
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1 + large, count, height, width, depth, mode)
    composite = channel_data([channels[..., i] for i in range(count)], depth, packed, "I" if large else "H")
    return head + block(colours, 1) + block(resources, 1) + bytes(4 * large) + block(about, 1) + composite


def cases() -> Iterator[Case]:
    yield from modes()
    yield from extra_channels()
    yield from without_composite()
    yield from profiled()


def modes() -> Iterator[Case]:
    for packed in (False, True):
        end = "-rle" * packed
        bits = noise("psd-bitmap", (HEIGHT, WIDTH, 1), 1)
        content = psd(bits, 1, BITMAP, packed=packed)
        yield Case(f"psd-bitmap{end}", ".psd", content, 1.0 - bits, LEVEL, "Bitmap mode: 1 is black")
        for depth in (8, 16):
            white, tolerance = (1 << depth) - 1, FINE if depth == 16 else LEVEL
            for label, mode, count in (
                ("grey", GREY, 1), ("rgb", RGB, 3), ("cmyk", CMYK, 4), ("duotone", DUOTONE, 1)
            ):  # fmt: skip
                name = f"psd-{label}-{depth}bit{end}"
                samples = noise(name, (HEIGHT, WIDTH, count), white)
                truth = samples / white
                why = "Image data: samples are big-endian, channel by channel"
                if mode == CMYK:
                    truth, why = truth[..., :3] * truth[..., 3:], "CMYK: 0 is full ink"
                colours = bytes(range(20)) if mode == DUOTONE else b""
                if mode == DUOTONE:
                    why = "Duotone: read as grey where its colours are not known"
                content = psd(samples, depth, mode, packed=packed, colours=colours)
                yield Case(name, ".psd", content, truth, tolerance, why)
            samples = noise(f"psb-{depth}", (HEIGHT, WIDTH, 3), white)
            content = psd(samples, depth, RGB, packed=packed, large=True)
            why = "Large document format: 8 bytes for layers, 4 for the length of a row"
            yield Case(f"psb-rgb-{depth}bit{end}", ".psb", content, samples / white, tolerance, why)
        index = noise("psd-indexed", (HEIGHT, WIDTH, 1), 255)
        palette = noise("psd-palette", (256, 3), 255)
        colours, truth = palette.T.astype(np.uint8).tobytes(), palette[index[..., 0]] / 255
        why = "Color mode data: 256 reds, greens, blues"
        yield Case(
            f"psd-indexed{end}", ".psd", psd(index, 8, INDEXED, packed=packed, colours=colours), truth, LEVEL, why
        )
        key = int(index[3, 4, 0])
        content = psd(
            index, 8, INDEXED, packed=packed, colours=colours,
            resources=resource(TRANSPARENT_INDEX, struct.pack(">H", key)),
        )  # fmt: skip
        clear = np.where(index == key, 1, truth)
        yield Case(f"psd-indexed-transparent{end}", ".psd", content, clear, LEVEL, "Resource 1047: transparency index")
        lab = srgb_to_lab(0.25 + 0.5 * unit_noise("psd-lab", (HEIGHT, WIDTH, 3)))
        scale, middle = np.array([255 / 100, 1, 1]), np.array([0, 128, 128])
        stored = np.rint(lab * scale + middle).astype(np.int64)
        truth = lab_to_srgb((stored - middle) / scale)
        yield Case(f"psd-lab-8bit{end}", ".psd", psd(stored, 8, LAB, packed=packed), truth, LEVEL, "Lab: D50, 128 is 0")
    samples = unit_noise("psd-negative", (HEIGHT, WIDTH, 3)) * 8 - 4
    yield Case("psd-rgb-32bit-bright", ".psd", psd(samples, 32, RGB), None, FINE, "HDR has no white")
    for count in (2, 5):
        samples = noise("psd-multichannel", (HEIGHT, WIDTH, count), 255)
        content = psd(samples, 8, MULTICHANNEL)
        yield Case(f"psd-multichannel-{count}", ".psd", content, None, LEVEL, "Multichannel: inks that no one names")


def extra_channels() -> Iterator[Case]:
    """Layer count: "If it is a negative number, … the first alpha channel contains the transparency data for the merged
    result". Every other extra channel is a selection that was saved."""
    for depth in (8, 16):
        white, tolerance = (1 << depth) - 1, FINE if depth == 16 else LEVEL
        for label, mode, count in (("grey", GREY, 1), ("rgb", RGB, 3), ("cmyk", CMYK, 4)):
            for more in (1, 2):
                name = f"psd-{label}-{depth}bit-{more}-selections"
                samples = noise(name, (HEIGHT, WIDTH, count + more), white)
                unit = samples / white
                truth = unit[..., :3] * unit[..., 3:4] if mode == CMYK else unit[..., :count]
                why = "Layer count: without a negative one, extra channels are no transparency"
                names = resource(ALPHA_NAMES, b"\x07Alpha 1" * more)
                for packed in (False, True):
                    content = psd(samples, depth, mode, packed=packed, resources=names)
                    yield Case(name + "-rle" * packed, ".psd", content, truth, tolerance, why)
                background = layer({i: samples[..., i] for i in range(count)}, depth)
                content = psd(samples, depth, mode, resources=names, layers=[background])
                yield Case(name + "-layer", ".psd", content, truth, tolerance, why)
            name = f"psd-{label}-{depth}bit-alpha"
            # The composite is stored as it looks on white, so that is what it looks like.
            samples = noise(name, (HEIGHT, WIDTH, count + 1), white)
            unit = samples / white
            alpha = unit[..., -1]
            light = over_white(unit[..., :-1], alpha)
            stored = np.concatenate([np.rint(light * white).astype(np.int64), samples[..., -1:]], -1)
            truth = stored[..., :-1] / white
            truth = truth[..., :3] * truth[..., 3:] if mode == CMYK else truth
            only = layer({-1: samples[..., -1], **{i: samples[..., i] for i in range(count)}}, depth)
            for packed in (False, True):
                content = psd(stored, depth, mode, packed=packed, layers=[only], merged_alpha=True)
                why = "Layer count below 0: merged transparency, whose colours have a white matte"
                yield Case(name + "-rle" * packed, ".psd", content, truth, tolerance, why)


def without_composite() -> Iterator[Case]:
    """Resource 1057, hasRealMergedData 0: the composite is white, and the picture is in the layers."""
    version = resource(VERSION_INFO, struct.pack(">IB", 1, 0) + struct.pack(">I", 0) * 2 + struct.pack(">I", 1))
    for depth in (8, 16):
        white, tolerance = (1 << depth) - 1, FINE if depth == 16 else LEVEL
        samples = noise("psd-layers", (HEIGHT, WIDTH, 3), white)
        blank = np.full_like(samples, white)
        only = layer({i: samples[..., i] for i in range(3)}, depth)
        content = psd(blank, depth, RGB, resources=version, layers=[only])
        why = "Resource 1057: hasRealMergedData"
        yield Case(f"psd-rgb-{depth}bit-no-composite", ".psd", content, samples / white, tolerance, why)


def profiled() -> Iterator[Case]:
    wide, grey, linear = profile(ADOBE, 2.2), profile(None, 1.5), profile(ADOBE, 1.0)
    for depth in (8, 16):
        white, tolerance = (1 << depth) - 1, FINE if depth == 16 else LEVEL
        samples = wide_noise(f"psd-wide{depth}", white, wide.to_xyz, lambda light: light ** (1 / wide.gamma))
        content = psd(samples, depth, RGB, resources=resource(ICC, wide.content))
        yield Case(
            f"psd-rgb-{depth}bit-profile", ".psd", content, wide.show(samples / white), tolerance, "Resource 1039"
        )
        samples = noise("psd-grey-profile", (HEIGHT, WIDTH, 1), white)
        content = psd(samples, depth, GREY, resources=resource(ICC, grey.content))
        yield Case(
            f"psd-grey-{depth}bit-profile", ".psd", content, grey.show(samples / white), tolerance, "Resource 1039"
        )
    # 32 bits are linear light in Photoshop; a profile says so here.
    wide_samples = wide_noise("psd-32", 1 << 30, linear.to_xyz, lambda light: light) / (1 << 30)
    samples = wide_samples.astype(np.float32).astype(np.float64)
    content = psd(samples, 32, RGB, resources=resource(ICC, linear.content))
    yield Case("psd-rgb-32bit-profile", ".psd", content, linear.show(samples), FINE, "Resource 1039")
    samples = unit_noise("psd-32", (HEIGHT, WIDTH, 1)).astype(np.float32).astype(np.float64)
    content = psd(samples, 32, GREY, resources=resource(ICC, profile(None, 1.0).content))
    yield Case("psd-grey-32bit-profile", ".psd", content, profile(None, 1.0).show(samples), FINE, "Resource 1039")
