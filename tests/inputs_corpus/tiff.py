"""TIFF: TIFF 6.0, Adobe's supplements (predictor 3, new-style JPEG) and BigTIFF, written with struct and zlib."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from inputs_corpus import jpeg
from inputs_corpus.base import (
    ADOBE,
    FINE,
    HEIGHT,
    LEVEL,
    TURNS,
    WIDTH,
    Case,
    lab_to_srgb,
    lzw,
    noise,
    over_white,
    pack_rows,
    profile,
    srgb_to_lab,
    unit_noise,
    wide_noise,
    ycc_to_rgb,
)

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 2, 3, 4, 5, 7, 16
CODES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "I", UNDEFINED: "B", LONG8: "Q"}
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, SEPARATED, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
NONE, LZW, JPEG, DEFLATE, PACKBITS = 1, 5, 7, 8, 32773
COMPRESSIONS = {"none": NONE, "lzw": LZW, "deflate": DEFLATE, "packbits": PACKBITS}
ROWS = 4  # of a strip, the last of which is shorter
Tags = dict[int, tuple[int, Any]]


def container(tags: Tags, segments: list[bytes], *, order: str = "<", big: bool = False, tiled: bool = False) -> bytes:
    """Return a file of one directory whose strips or tiles are ``segments``. A RATIONAL is given as a flat list."""
    word, size, pointer = ("Q", 8, LONG8) if big else ("I", 4, LONG)
    mark = b"II" if order == "<" else b"MM"
    start = 16 if big else 8
    body, offsets = b"", []
    for segment in segments:
        offsets.append(start + len(body))
        body += segment + bytes(len(segment) % 2)
    place, count = (324, 325) if tiled else (273, 279)
    tags = tags | {place: (pointer, offsets), count: (LONG, [len(segment) for segment in segments])}
    entries = b""
    for tag, (kind, values) in sorted(tags.items()):
        values = list(values) if isinstance(values, (list, tuple, bytes, np.ndarray)) else [values]
        data = struct.pack(f"{order}{len(values)}{CODES[kind]}", *values)
        length = len(values) // (2 if kind == RATIONAL else 1)
        if len(data) > size:
            offset = start + len(body)
            body += data + bytes(len(data) % 2)
            data = struct.pack(order + word, offset)
        entries += struct.pack(order + "HH" + word, tag, kind, length) + data.ljust(size, b"\0")
    body += bytes(-len(body) % 8)
    directory = struct.pack(order + ("Q" if big else "H"), len(tags)) + entries + bytes(size)
    head = mark + struct.pack(order + ("HHH" if big else "H"), *((43, 8, 0) if big else (42,)))
    return head + struct.pack(order + word, start + len(body)) + body + directory


def packbits(data: bytes, row: int) -> bytes:
    """Return section 9's compression, each row by itself: runs of one value, and literals."""
    out = b""
    for at in range(0, len(data), row):
        part = data[at : at + row]
        i = 0
        while i < len(part):
            run = 1
            while run < 128 and part[i + run : i + run + 1] == part[i : i + 1]:
                run += 1
            if run > 1:
                out += bytes([257 - run]) + part[i : i + 1]
                i += run
            else:
                length = 1
                while length < 128 and i + length < len(part) and part[i + length] != part[i + length - 1]:
                    length += 1
                out += bytes([length - 1]) + part[i : i + length]
                i += length
    return out


def encoded(block: np.ndarray, bits: int, compression: int, predictor: int, order: str, fill_order: int) -> bytes:
    """Return a strip or tile of samples ``(h, w, c)``: predictor, bytes in ``order``, compression."""
    h, w, c = block.shape
    if predictor == 2:
        before = np.concatenate([np.zeros_like(block[:, :1]), block[:, :-1]], 1)
        block = ((block.astype(object) - before.astype(object)) % (1 << bits)).astype(np.uint64)
    if predictor == 3:
        # Technical note 3 of TIFF 6.0's supplements: most significant bytes first, then differences of bytes.
        parts = np.frombuffer(block.astype(f">f{bits // 8}").tobytes(), np.uint8).reshape(h, w * c, bits // 8)
        flat = parts.swapaxes(1, 2).reshape(h, -1).astype(int)
        flat[:, c:] -= flat[:, :-c].copy()
        data = (flat % 256).astype(np.uint8).tobytes()
    elif block.dtype.kind == "f":
        data = block.astype(f"{order}f{bits // 8}").tobytes()
    elif bits in (8, 16, 32, 64):
        data = block.astype(f"{order}{block.dtype.kind}{bits // 8}").tobytes()
    else:
        data = pack_rows(block.reshape(h, -1), bits)
    row = len(data) // h
    if compression == DEFLATE:
        data = zlib.compress(data)
    elif compression == LZW:
        data = lzw(data, 8, msb=True)
    elif compression == PACKBITS:
        data = packbits(data, row)
    if fill_order == 2:
        data = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    return data


def tiff(
    samples: np.ndarray,
    bits: int,
    photometric: int,
    *,
    compression: int = NONE,
    planar: bool = False,
    tile: int = 0,
    predictor: int = 1,
    order: str = "<",
    big: bool = False,
    fill_order: int = 1,
    tags: Tags | None = None,
) -> bytes:
    """Return a file of samples ``(H, W, C)``, unsigned, signed or floating point by their dtype's kind."""
    samples = samples if samples.dtype.kind == "f" or samples.min() < 0 else samples.astype(np.uint64)
    height, width, channels = samples.shape
    planes = [samples[..., i : i + 1] for i in range(channels)] if planar else [samples]
    segments = []
    for plane in planes:
        if tile:
            plane = np.pad(plane, ((0, -height % tile), (0, -width % tile), (0, 0)), mode="edge")
            ys, xs = range(0, height, tile), range(0, width, tile)
            blocks = [plane[y : y + tile, x : x + tile] for y in ys for x in xs]
        else:
            blocks = [plane[y : y + ROWS] for y in range(0, height, ROWS)]
        segments += [encoded(block, bits, compression, predictor, order, fill_order) for block in blocks]
    about: Tags = {
        256: (SHORT, width),
        257: (SHORT, height),
        258: (SHORT, [bits] * channels),
        259: (SHORT, compression),
        262: (SHORT, photometric),
        277: (SHORT, channels),
    }
    about |= {322: (SHORT, tile), 323: (SHORT, tile)} if tile else {278: (SHORT, ROWS)}
    if channels > 1:
        about[284] = (SHORT, 2 if planar else 1)
    if samples.dtype.kind != "u":
        about[339] = (SHORT, [{"i": 2, "f": 3}[samples.dtype.kind]] * channels)
    if predictor != 1:
        about[317] = (SHORT, predictor)
    if fill_order != 1:
        about[266] = (SHORT, fill_order)
    return container(about | (tags or {}), segments, order=order, big=big, tiled=bool(tile))


EXTRA, INK_SET, COLOR_MAP, ORIENTATION, ICC = 338, 332, 320, 274, 34675
#: By label: photometric interpretation, samples per pixel, further tags.
MODELS: dict[str, tuple[int, int, Tags]] = {
    "grey": (MIN_IS_BLACK, 1, {}),
    "white-is-zero": (MIN_IS_WHITE, 1, {}),
    "grey-alpha": (MIN_IS_BLACK, 2, {EXTRA: (SHORT, 2)}),
    "grey-associated": (MIN_IS_BLACK, 2, {EXTRA: (SHORT, 1)}),
    "rgb": (RGB, 3, {}),
    "rgba": (RGB, 4, {EXTRA: (SHORT, 2)}),
    "rgb-associated": (RGB, 4, {EXTRA: (SHORT, 1)}),
    "rgb-extra": (RGB, 4, {EXTRA: (SHORT, 0)}),
    "cmyk": (SEPARATED, 4, {INK_SET: (SHORT, 1)}),
}


def samples_of(model: str, bits: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what the file holds, and the picture in [0, 1] by its colour model."""
    channels = MODELS[model][1]
    name, shape = f"{model}{bits}{kind}", (HEIGHT, WIDTH, channels)
    if kind == "f":
        unit = unit_noise(name, shape).astype(f"f{bits // 8}").astype(np.float64)
        if model.endswith("associated"):
            unit = premultiplied(unit).astype(f"f{bits // 8}").astype(np.float64)
        stored = unit
    else:
        white = (1 << bits) - 1
        stored = noise(name, shape, white)
        if model.endswith("associated"):
            stored = np.rint(premultiplied(stored / white) * white).astype(np.int64)
        unit = stored / white
    if model == "white-is-zero":
        return stored, 1 - unit
    if model in ("grey-alpha", "rgba"):
        return stored, over_white(unit[..., :-1], unit[..., -1])
    if model.endswith("associated"):
        return stored, unit[..., :-1] + 1 - unit[..., -1:]
    if model == "rgb-extra":
        return stored, unit[..., :3]
    if model == "cmyk":
        return stored, (1 - unit[..., :3]) * (1 - unit[..., 3:])
    return stored, unit


def premultiplied(unit: np.ndarray) -> np.ndarray:
    return np.concatenate([unit[..., :-1] * unit[..., -1:], unit[..., -1:]], -1)


WHY = {
    "grey": "TIFF 6.0 section 4: BlackIsZero",
    "white-is-zero": "TIFF 6.0 section 4: WhiteIsZero",
    "grey-alpha": "TIFF 6.0 section 18: unassociated alpha",
    "grey-associated": "TIFF 6.0 section 18: associated alpha is multiplied into the colour",
    "rgb": "TIFF 6.0 section 6",
    "rgba": "TIFF 6.0 section 18: unassociated alpha",
    "rgb-associated": "TIFF 6.0 section 18: associated alpha is multiplied into the colour",
    "rgb-extra": "TIFF 6.0 section 18: an extra sample of no stated meaning is no alpha",
    "cmyk": "TIFF 6.0 section 16: 0 is no ink; without a profile, inks absorb independently",
}
#: Depths by kind of number, where all compressions and both layouts are tried.
NUMBERS = [("u", bits) for bits in (1, 2, 4, 8, 10, 12, 14, 16, 32)] + [("f", bits) for bits in (16, 32, 64)]


def plain(model: str, kind: str, bits: int, label: str = "", **options: Any) -> Case:
    photometric, _, tags = MODELS[model]
    stored, truth = samples_of(model, bits, kind)
    name = "-".join(filter(None, ["tiff", model, f"{kind}{bits}", label]))
    content = tiff(stored, bits, photometric, tags=tags | options.pop("tags", {}), **options)
    return Case(name, ".tif", content, truth, LEVEL if bits <= 8 else FINE, WHY[model])


def cases() -> Iterator[Case]:
    yield from layouts()
    yield from predicted()
    yield from signed()
    yield from byte_orders()
    yield from palettes()
    yield from colours()
    yield from turned()
    yield from turned_layouts()
    yield from jpeg_compressed()
    yield from pages()


def layouts() -> Iterator[Case]:
    for kind, bits in NUMBERS:
        for label, compression in COMPRESSIONS.items():
            yield plain("grey", kind, bits, label, compression=compression)
            for planar in (False, True):
                layout = f"{label}-{'planar' if planar else 'contiguous'}"
                yield plain("rgb", kind, bits, layout, compression=compression, planar=planar)
                if (kind, bits) in (("u", 8), ("u", 16), ("f", 32)):
                    for model in ("grey-alpha", "rgba", "cmyk"):
                        yield plain(model, kind, bits, layout, compression=compression, planar=planar)
    for kind, bits in (("u", 8), ("u", 16), ("f", 32)):
        for model in ("grey-associated", "rgb-associated", "rgb-extra"):
            for planar in (False, True):
                yield plain(model, kind, bits, "planar" if planar else "contiguous", planar=planar)
    for bits in (1, 2, 4, 8, 12, 16, 32):
        yield plain("white-is-zero", "u", bits)
    for bits in (1, 2, 4):
        yield plain("grey", "u", bits, "fill-order-2", fill_order=2)
        yield plain("grey", "u", bits, "fill-order-2-deflate", fill_order=2, compression=DEFLATE)
    for model, kind, bits in (
        ("grey", "u", 1),
        ("grey", "u", 16),
        ("rgb", "u", 12),
        ("rgba", "u", 16),
        ("rgb", "f", 32),
    ):
        for planar in (False, True):
            label = "tiles-planar" if planar else "tiles"
            yield plain(model, kind, bits, label, tile=16, planar=planar, compression=DEFLATE)


def predicted() -> Iterator[Case]:
    """Section 14: differences of neighbours, channel by channel; predictor 3 for floating point."""
    for compression in ("deflate", "lzw"):
        for model in ("grey", "rgb", "rgba"):
            for planar in (False, True)[: 1 + (model != "grey")]:
                for predictor, kind, depths in ((2, "u", (8, 16, 32)), (3, "f", (16, 32, 64))):
                    for bits in depths:
                        label = f"predictor-{predictor}-{compression}" + "-planar" * planar
                        options = {"predictor": predictor, "planar": planar, "compression": COMPRESSIONS[compression]}
                        yield plain(model, kind, bits, label, **options)
    for order, label in (("<", "little"), (">", "big")):
        for predictor, kind, bits in ((2, "u", 16), (3, "f", 32)):
            for tile in (0, 16):
                label_ = f"predictor-{predictor}-{label}-endian" + "-tiles" * bool(tile)
                yield plain("rgb", kind, bits, label_, predictor=predictor, order=order, tile=tile, compression=DEFLATE)


def signed() -> Iterator[Case]:
    """Section 19 gives signed numbers no white: what is below black cannot be shown."""
    for bits in (8, 16, 32):
        samples = noise(f"signed{bits}", (HEIGHT, WIDTH, 1), (1 << bits) - 1) - (1 << (bits - 1))
        content = tiff(samples, bits, MIN_IS_BLACK)
        yield Case(f"tiff-grey-i{bits}-negative", ".tif", content, None, LEVEL, "TIFF 6.0 section 19")
    for label, value in (("nan", np.nan), ("infinite", np.inf), ("above-white", 1.5), ("negative", -0.5)):
        samples = unit_noise(label, (HEIGHT, WIDTH, 3))
        samples[3, 4, 1] = value
        content = tiff(samples, 32, RGB)
        yield Case(f"tiff-rgb-f32-{label}", ".tif", content, None, FINE, "no level of a screen")


def byte_orders() -> Iterator[Case]:
    for order, big in ((">", False), ("<", True), (">", True)):
        label = f"{'big' if big else 'classic'}tiff-{'little' if order == '<' else 'big'}-endian"
        for model, kind, bits in (
            ("grey", "u", 1), ("grey", "u", 12), ("grey", "u", 16), ("grey", "u", 32), ("rgb", "u", 8),
            ("rgb", "u", 16), ("rgba", "u", 16), ("cmyk", "u", 16), ("rgb", "f", 16), ("rgb", "f", 32),
            ("rgb", "f", 64),
        ):  # fmt: skip
            yield plain(model, kind, bits, label, order=order, big=big)
        yield plain("rgb", "u", 16, label + "-planar", order=order, big=big, planar=True, compression=DEFLATE)


def palettes() -> Iterator[Case]:
    """Section 5: 65535 is full; files whose values all fit in 8 bits mean 8 bits, as libtiff reads them."""
    for bits in (1, 2, 4, 8):
        name = f"tiff-palette-{bits}bit"
        samples = noise(name, (HEIGHT, WIDTH, 1), (1 << bits) - 1)
        colours = noise(name + "-map", (1 << bits, 3), 255)
        truth = colours[samples[..., 0]] / 255
        for label, factor in (("", 257), ("-8bit-values", 1)):
            tags: Tags = {COLOR_MAP: (SHORT, (colours * factor).T.ravel())}
            content = tiff(samples, bits, PALETTE, tags=tags, compression=DEFLATE)
            yield Case(name + label, ".tif", content, truth, LEVEL, "TIFF 6.0 section 5: ColorMap")
        name_, both = f"{name}-alpha", noise(name + "-alpha", (HEIGHT, WIDTH, 2), (1 << bits) - 1)
        tags = {COLOR_MAP: (SHORT, (colours * 257).T.ravel()), EXTRA: (SHORT, 2)}
        shown = over_white(colours[both[..., 0]] / 255, both[..., 1] / ((1 << bits) - 1))
        yield Case(name_, ".tif", tiff(both, bits, PALETTE, tags=tags), shown, LEVEL, "TIFF 6.0 sections 5 and 18")
        content = tiff(samples, bits, PALETTE, tags={COLOR_MAP: (SHORT, (colours * 257).T.ravel())}, order=">")
        yield Case(name + "-big-endian", ".tif", content, truth, LEVEL, "TIFF 6.0 section 5: ColorMap")


def colours() -> Iterator[Case]:
    # Section 23: a and b are signed. L is 8 bits of 100, or 16. Photoshop's and libtiff's white is D50.
    lab = srgb_to_lab(0.25 + 0.5 * unit_noise("lab", (HEIGHT, WIDTH, 3)))
    for bits in (8, 16):
        scale = np.array([((1 << bits) - 1) / 100, 1 << (bits - 8), 1 << (bits - 8)])
        stored = np.rint(lab * scale).astype(np.int64)
        truth = lab_to_srgb(stored / scale)
        for label, photometric, offset in (("lab", CIELAB, 0), ("icclab", ICCLAB, 128))[: 2 if bits == 8 else 1]:
            unsigned = (stored + np.array([0, offset, offset])) % (1 << bits)
            content = tiff(unsigned, bits, photometric)
            yield Case(
                f"tiff-{label}-{bits}bit",
                ".tif",
                content,
                truth,
                LEVEL,
                "TIFF 6.0 section 23; Adobe's technical note on ICC Lab",
            )
    for across, down in ((1, 1), (2, 1), (2, 2), (4, 1), (4, 2)):
        name = f"tiff-ycbcr-{across}x{down}"
        luma = 80 + noise(name, (12, 16), 80)
        tags, segments = subsampled(luma, 110, 150, across, down)
        truth = ycc_to_rgb(np.stack([luma, np.full_like(luma, 110), np.full_like(luma, 150)], -1))
        yield Case(name, ".tif", container(tags, segments), truth, LEVEL, "TIFF 6.0 section 21")
    # Section 20 and 21: other weights of luma, and codes whose black and white are 16 and 235.
    samples = jpeg.calm_blocks("tiff-ycbcr-coded", (HEIGHT, WIDTH, 3))
    limited: Tags = {532: (RATIONAL, [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1])}
    weights: Tags = {529: (RATIONAL, [2126, 10000, 7152, 10000, 722, 10000])}
    full: Tags = {532: (RATIONAL, [0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1])}
    scaled = (samples - np.array([16, 128, 128])) / np.array([219, 112, 112]) * np.array([255, 127, 127])
    truth = ycc_to_rgb(scaled + np.array([0, 128, 128]))
    content = tiff(samples, 8, YCBCR, tags=limited | {530: (SHORT, [1, 1])})
    why = "TIFF 6.0 sections 20 and 21: ReferenceBlackWhite, YCbCrCoefficients"
    # libtiff, by which viewers read these, truncates the stretched chroma.
    yield Case("tiff-ycbcr-limited", ".tif", content, truth, 3 * LEVEL, why)
    luma, blue, red = samples[..., 0], samples[..., 1] - 128, samples[..., 2] - 128
    r, b = luma + 2 * (1 - 0.2126) * red, luma + 2 * (1 - 0.0722) * blue
    truth = np.stack([r, (luma - 0.2126 * r - 0.0722 * b) / 0.7152, b], -1) / 255
    content = tiff(samples, 8, YCBCR, tags=full | weights | {530: (SHORT, [1, 1])})
    yield Case("tiff-ycbcr-bt709", ".tif", content, truth, LEVEL, why)
    name = "tiff-cmyk-alpha"
    samples = noise(name, (HEIGHT, WIDTH, 5), 255)
    unit = samples / 255
    truth = over_white((1 - unit[..., :3]) * (1 - unit[..., 3:4]), unit[..., 4])
    content = tiff(samples, 8, SEPARATED, tags={INK_SET: (SHORT, 1), EXTRA: (SHORT, 2)})
    yield Case(name, ".tif", content, truth, LEVEL, "TIFF 6.0 sections 16 and 18")
    content = tiff(samples[..., :4], 8, SEPARATED, tags={INK_SET: (SHORT, 2)})
    yield Case("tiff-other-inks", ".tif", content, None, LEVEL, "TIFF 6.0 section 16: InkSet 2 is not CMYK")
    wide, grey = profile(ADOBE, 2.2), profile(None, 1.5)
    for bits in (8, 16):
        white = (1 << bits) - 1
        samples = wide_noise(f"tiff{bits}", white, wide.to_xyz, lambda linear: linear ** (1 / wide.gamma))
        for planar in (False, True):
            content = tiff(samples, bits, RGB, planar=planar, tags={ICC: (UNDEFINED, wide.content)})
            name = f"tiff-rgb-{bits}bit-profile" + "-planar" * planar
            truth, tolerance = wide.show(samples / white), FINE if bits == 16 else LEVEL
            yield Case(name, ".tif", content, truth, tolerance, "ICC.1 annex B.4: the profile in a TIFF file")
        samples = noise(f"grey-profile{bits}", (HEIGHT, WIDTH, 1), white)
        content = tiff(samples, bits, MIN_IS_BLACK, tags={ICC: (UNDEFINED, grey.content)})
        truth = grey.show(samples / white)
        yield Case(f"tiff-grey-{bits}bit-profile", ".tif", content, truth, tolerance, "ICC.1 annex B.4")


def turned() -> Iterator[Case]:
    for orientation, turn in TURNS.items():
        for label, kind in (("byte", BYTE), ("short", SHORT), ("long", LONG)):
            for bits in (8, 16):
                samples = noise("tiff-turned", (HEIGHT, WIDTH, 3), (1 << bits) - 1)
                content = tiff(samples, bits, RGB, tags={ORIENTATION: (kind, orientation)})
                name = f"tiff-{bits}bit-orientation-{orientation}-{label}"
                truth, tolerance = turn(samples / ((1 << bits) - 1)), FINE if bits == 16 else LEVEL
                yield Case(name, ".tif", content, truth, tolerance, "TIFF 6.0 section 8: Orientation")


def turned_layouts() -> Iterator[Case]:
    """The orientation is that of the picture, whatever its storage: readers that turn by themselves turn twice."""
    for orientation, turn in TURNS.items():
        turning: Tags = {ORIENTATION: (SHORT, orientation)}

        def case(label: str, content: bytes, truth: np.ndarray, orientation: int = orientation, turn=turn) -> Case:
            name = f"tiff-{label}-orientation-{orientation}"
            return Case(name, ".tif", content, turn(truth), LEVEL, "TIFF 6.0 section 8: Orientation")

        bits = noise("tiff-turned-1", (HEIGHT, WIDTH, 1), 1)
        yield case("bilevel", tiff(bits, 1, MIN_IS_WHITE, tags=turning, compression=PACKBITS), 1.0 - bits)
        index, colours = noise("tiff-turned-8", (HEIGHT, WIDTH, 1), 255), noise("tiff-turned-map", (256, 3), 255)
        palette: Tags = {COLOR_MAP: (SHORT, (colours * 257).T.ravel())}
        yield case("palette", tiff(index, 8, PALETTE, tags=palette | turning), colours[index[..., 0]] / 255)
        for label, options in (("planar", {"planar": True}), ("tiles", {"tile": 16, "compression": DEFLATE})):
            model = plain("rgba", "u", 8, tags=turning, **options)
            yield case(label, model.content, model.truth)
        luma = 80 + noise("tiff-turned-luma", (12, 16), 80)
        truth = ycc_to_rgb(np.stack([luma, np.full_like(luma, 110), np.full_like(luma, 150)], -1))
        tags, segments = subsampled(luma, 110, 150, 2, 2)
        yield case("ycbcr", container(tags | turning, segments), truth)
        tags, segments, truth = jpeg_streams("ycbcr", YCBCR, 3, False)
        yield case("jpeg", container(tags | turning, segments), truth)


def subsampled(luma: np.ndarray, cb: int, cr: int, across: int, down: int) -> tuple[Tags, list[bytes]]:
    """Return tags and strips of section 21: blocks of luma, then one Cb and one Cr, the same everywhere."""
    height, width = luma.shape
    blocks = luma.reshape(height // down, down, width // across, across).swapaxes(1, 2)
    blocks = blocks.reshape(height // down, width // across, down * across)
    ends = np.broadcast_to([cb, cr], (*blocks.shape[:2], 2))
    data = np.concatenate([blocks, ends], -1).astype(np.uint8)
    tags: Tags = {
        256: (SHORT, width), 257: (SHORT, height), 258: (SHORT, [8] * 3), 259: (SHORT, NONE), 262: (SHORT, YCBCR),
        277: (SHORT, 3), 278: (SHORT, 4), 530: (SHORT, [across, down]), 531: (SHORT, 1),
        532: (RATIONAL, [0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1]),
    }  # fmt: skip
    strip = 4 // down
    return tags, [data[y : y + strip].tobytes() for y in range(0, len(data), strip)]


def jpeg_compressed() -> Iterator[Case]:
    """Supplement 2: a JPEG stream in each strip; planar storage has one of one component for each plane."""
    for name, photometric, channels, planar in (
        ("grey", MIN_IS_BLACK, 1, False), ("rgb", RGB, 3, False), ("rgb-planar", RGB, 3, True),
        ("ycbcr", YCBCR, 3, False), ("cmyk", SEPARATED, 4, False),
    ):  # fmt: skip
        tags, segments, truth = jpeg_streams(name, photometric, channels, planar)
        content = container(tags, segments)
        yield Case(f"tiff-jpeg-{name}", ".tif", content, truth, LEVEL, "Adobe's TIFF supplement 2: JPEG in TIFF")


def jpeg_streams(name: str, photometric: int, channels: int, planar: bool) -> tuple[Tags, list[bytes], np.ndarray]:
    """Return tags, a stream for each strip of eight rows and plane, and the picture."""
    height, width, shape = 13, 21, (2, 3, channels)
    blocks = jpeg.calm_blocks(name, shape) if photometric == YCBCR else noise(name, shape, 255)
    samples = blocks.repeat(8, 0).repeat(8, 1)[:height, :width]
    groups = [[i] for i in range(channels)] if planar else [list(range(channels))]
    segments = [
        jpeg.jpeg([jpeg.Component(i, 1, 1, blocks[y : y + 1, :, i]) for i in group], rows, width, markers=False)
        for group in groups
        for y, rows in ((0, 8), (1, height - 8))
    ]
    tags: Tags = {
        256: (SHORT, width), 257: (SHORT, height), 258: (SHORT, [8] * channels), 259: (SHORT, JPEG),
        262: (SHORT, photometric), 277: (SHORT, channels), 278: (SHORT, 8), 284: (SHORT, 2 if planar else 1),
    }  # fmt: skip
    truth = samples / 255
    if photometric == YCBCR:
        tags[530] = (SHORT, [1, 1])
        truth = ycc_to_rgb(samples)
    if photometric == SEPARATED:
        truth = (1 - truth[..., :3]) * (1 - truth[..., 3:])
    return tags, segments, truth


def pages() -> Iterator[Case]:
    """Section 2: the next directory is another picture; a viewer opens the first."""
    first = plain("rgb", "u", 16)
    second = tiff(noise("tiff-second", (8, 9, 1), 255), 8, MIN_IS_BLACK)
    # The second file's offsets count from its own start: its one directory and its strips move along.
    shift = len(first.content)
    (at,) = struct.unpack_from("<I", second, 4)
    moved = bytearray(second)
    for i in range(struct.unpack_from("<H", moved, at)[0]):
        tag, kind, count, value = struct.unpack_from("<HHII", moved, at + 2 + 12 * i)
        outside = count * {BYTE: 1, SHORT: 2, LONG: 4}[kind] > 4
        if outside:
            struct.pack_into("<I", moved, at + 10 + 12 * i, value + shift)
        if tag == 273:
            for j in range(count):
                place = value + 4 * j if outside else at + 10 + 12 * i
                struct.pack_into("<I", moved, place, struct.unpack_from("<I", moved, place)[0] + shift)
    content = bytearray(first.content + moved)
    struct.pack_into("<I", content, shift - 4, shift + at)
    yield Case("tiff-two-pages", ".tif", bytes(content), first.truth, FINE, "TIFF 6.0 section 2: IFD")
