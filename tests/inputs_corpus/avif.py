"""AVIF: the HEIF container (ISO/IEC 23008-12), AV1 in it (AV1 ISOBMFF, AVIF 1.1), and its colours (ITU-T H.273, nclx).

The codestreams were made once, without loss, from the noise of :func:`planes`, by
``imagecodecs.avif_encode(..., level=100, pixelformat="444" or "400", primaries=9, transfer=14, matrix=0 or 6)``: with
the identity matrix the three planes are stored as they are. Their colour description is written over here.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator

import numpy as np

from inputs_corpus.base import (
    BT2020,
    LEVEL,
    P3,
    SRGB,
    Case,
    decode_srgb,
    exif,
    noise,
    over_white,
    profile,
    shown,
    to_xyz_d50,
)

HEIGHT, WIDTH = 10, 12

#: The AV1 codestreams: three planes of 8, 10 and 12 bits, 4:4:4, and one of 8 and 10 bits; of each, av1C and the data.
STREAMS = {
    ("planes", 8): (
        "81200000",
        "EgAKCDgM7nlCQ4AkMvsCEAAAv+w7KiA2kNFg1BpQDU5CQo1MXNOIcz84PIPxq+IDx5DtmyUEDRH8WM98nbGpFg5R1qSfXeHG6MoqZwtB"
        "iPf2OeefGi/BLzN0Ohh4eWZmJFhQWPb9R2y9vwnU3N0CCpVa0LTQMK+TwfTG5S5lk1HdnxfsWzIG0pmskQLD5zrR4ejTeeeVRAIaxU1C"
        "WeMRCO6NAM+eGxAZVFY8Wn7V6KuikHj+oRQR4CmDNQBFr+S5t4z/DpBCsidjq6JFMlTU2MQgksA4EKtx9SknA/2qYY4WtkVVNg+jRUit"
        "GRBkWlJjsZcHl+Kun39lFsfZSK7wxtJWsmbTk/OTmkC7+fMMpIwPQ+kO4vUlfE0Mu5m+ba69tbLthkC/UrqGgT49aQ/+oHjqaJqBkI+D"
        "GteWwY1iCr5613Dk2ieGWPE3DUuWK8dXNBs0l/omgQS2Lh6ebwyDfaiscvT29Ezw+ovrMyZH6uxOMeELouzmodpVgOus3HZNjMOw9cMt"
        "Sut9YA==",
    ),
    ("planes", 10): (
        "81204000",
        "EgAKCDgM7nnCQ4AkMsMEEAAAz77EP9rOFzxkMIIGGGJXLynXcFapE5MpAb0jIF9Xyxv8WSf9BoYDjR1/kVPYvrEuLYI3fOV0VFn//4WX"
        "VR00tfpwTZ8/vNQ9/g8zzgy//x4oxtdsD+AnSlEWn7kpqInzg1GxQHyIxbWEDKR16G////95cMzLB3l/PW2YBVFe0hwYw40qqM6r2/xL"
        "HmfYzHtfa2O5XCuQ4C7s/EUj273tNuVl55RbhaGjtcXbDA/5hGmuH/5tvoe+E7Hot7fT3IWmWHPlN7k6LqXAHrRFVRk4FFk/iu8QwH4+"
        "fKn7+AEmGGhh64L8BQw7JZxBfgelF8y1C0mcyp6CxtUSP+w395vKovQgB2LPepC5YaxeACdu2EIYqT3cBi+9RVb/kzTnwQWRREWeFFbG"
        "jgyy94jQ1xx299MSZvgVmSKBtAgzqT+1tN1XOIxr2yXqi+YvavKPWq7YO64KuvZ0lDsU7X/NlLVANrf1AV68dAhvjcU/q+DSYlCUqnaJ"
        "j30EWaAO1zq5l3Zj5cP4URzqR4omhbHYsvN2204ESH/Rged53py/TrmLDy0dapTJFL8YhlrTkpYAOJGt+wkET8ppPmfSD4iMq7qkMily"
        "aqikS0OH1d0Egyu27vDKvc7+XYn9efj6jb5lGqLS/A9XFFzM5RZmOEq1CZ0jk3z3pg2evM0bMC0pNJjTd0OGuyyqqlmVGEgOvaiyngNS"
        "+JFA7o+vpV4R1hwjgbepH9GPz1DjH2Hcol0RyqsKZpod3ZuvdPp+hZ1JzNA6mzjY",
    ),
    ("planes", 12): (
        "81406000",
        "EgAKCVgM7njQkOAIgDK9BhAAAM+mLR////M2bLXQfrpI0X1djj21FTabtsrfLiPTDzAIROMV0MsXUbzq5rKPtjv//4tj////6lD79NdZ"
        "gtZQMPpRH49yavb+bcaOst+ptm//9Nodh0AWQxxpM6apfgTWMmDuPhB8rFbIYHUA//9bQPuiMI99VTUns2rZtdA5u5D01KS9R4JNH6tt"
        "/4upF5Ih7O3Lr8oz/6RCdXOK8al4Mhlpbl0E3Oyw4iSXjLlVZmrPv9MtK+0zORgtddZ6za/wccA8JIvB0xT7Wboxl/a/KeHCoaqXwX+F"
        "22qU66an5NxfpGtx4l9e7zmoRagxbzJDN+fSML9yMU5cCtReHfidj2a0dF/aQGDKp4U6FFawKAD3/yHAPwLnvTJq4DXcOggIlKgkoY22"
        "hAZOwQYczUFlNfOKZlyyNAhx46jexrjDDiqePLa0lkow9sjQkuYQn5fe4H88ci9SNXZX+5FdSMhlNAfB6++qUbom/O25JyP/zsw7PYBB"
        "cezUo5t9P8zf6dSuW+HiFMysffOCeQde+AVoXqDNGPqu5OZB/rxwSaF7NK7JeUEs3ZmsTTEv6vuHBnGh3QMH7MJVD+aGCWKXMPzyc1Vw"
        "Roxi3vcUyvy81Y2X8ZoZJEyQmIEtAMcAq/jvHoEu60HvNMN6cu57PKs7PsqoP4YzRJvQDSqPuMjrKENxKr4/3lOip3QyL4mAaroW5Cqk"
        "MR8UMenytOsPUa3x7A8IIAcVsMjVfK+/6e0LRjNGJYzYzaAvaG/y7es+1vvFty5VGv1XyphXw9ArSVejjULIbD4azpwBrNG4m0Hx7LJN"
        "O2PTNiQxucaFheN7ndh/sg75u7rCkFbRk6anuIj/+krpZ2CRmdUVuJMXXzq4a5IpuJvetddO6ELU/v7rR8gFbXzjDAFC1P9LzfSRgkL8"
        "31+HUJ/O/hVPkukiqhIdU4ZDA+mY5PfwV5AVf2Oy+iVxCu4lkhbP4+jXE7JKvNC2g48Rp2DAFWBeKy7f0naAD6XG2C21MVlXSWTxAuBc"
        "bYLuT4XjDl3T4a/9fd8tpDH6rmpmwK0wwKIP9uuSqpm5QW7hKP9vIRSi+iV9hkR2uxKATKDtc5ZZ6+SZqwnW188=",
    ),
    ("grey", 8): (
        "81001c00",
        "EgAKCBgM7nlhIcDUMuIBEADNGhGm9/0cxNcR1gFzMwBaMpKje1772t1XJenBbCuS5VI4vLYpnlxGa0rkFH6l5o4iB9FDoPLrVPCMTzG4"
        "MgbQQtc1fAiTRiqhmDEfsvyp/xRvmiDkEd9pNkpX2f4js8ngih0Te/hl/uY8VXtloAUL6ru0Lo6HZRMJzFcGMm9bzY5mFkgGZpfJ4SM5"
        "+l6xEXKzwXyE5hPd9CGn+pQfAQdnocy6a9b8PuhBbObz+M7Mhl4rYGStiJnJIRC3JbTcQFkkEBHILuHgRgBsl8TBM/m1epyvLpLTfunz"
        "EKjPPiCyYA==",
    ),
    ("grey", 10): (
        "81005c00",
        "EgAKCBgM7nnhIcDUMrICEADLSyP////39nSNsEYn7PkNjF+YhqC1DnE0rptIeLqYrd7r9WRxTIEHc//9Y4h9RNd9/dTUPZbsvZA0Opv1"
        "oDswqk7Ld5kwTdjYnVX/nEhjiym04wheTjme86i6Wmwju8Ad/vIxXmiUNG09fdYMGyj8rT8G+RC3568qg9Rlfy+OAURaOeVYI5r3oczK"
        "5t7SsbJCdKIicimogplcnUOhvDhxTZAQiAi9cU6yMCiniIfLL5gk8SztG5vVMsuTIlTJp4FA8op/9ozzTQbxpNhLF1AKTgMReN6c5UrU"
        "AAXn6LuHI5gfolhfehZ6EFLCkNUUmuhzXT5tp+FIy4nNdD7+2UXtLKGSce94KmEEF1Wpp29HWShXeRYpYGlYaK1tH3Woz7T7mb46xsVp"
        "gJd1gplna9Aw",
    ),
}

#: H.273 table 4: the weights of red and blue.
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
IDENTITY, BT709, BT601, YCGCO, BT2020_NCL = 0, 1, 6, 8, 9
MATRICES = {IDENTITY: "identity", BT709: "bt709", BT601: "bt601", YCGCO: "ycgco", BT2020_NCL: "bt2020"}
LINEAR, SRGB_TRANSFER, PQ, HLG = 8, 13, 16, 18


def planes(bits: int) -> np.ndarray:
    """Return the samples of the streams of three planes: calm chroma, so that no matrix leaves [0, 1]."""
    step = 1 << (bits - 8)
    luma = 64 * step + noise(f"avif-y{bits}", (HEIGHT, WIDTH), 128 * step)
    chroma = [118 * step + noise(f"avif-c{i}{bits}", (HEIGHT, WIDTH), 20 * step) for i in (1, 2)]
    return np.stack([luma, *chroma], -1)


def greys(bits: int) -> np.ndarray:
    """Return the samples of the streams of one plane."""
    return noise(f"avif-alpha{bits}", (HEIGHT, WIDTH), (1 << bits) - 1)


def described(stream: bytes, primaries: int, transfer: int, matrix: int, full: bool) -> bytes:
    """Return the stream with another colour description in its sequence header (AV1 5.5.2)."""
    head = f"{int.from_bytes(stream[:24], 'big'):0192b}"
    for old in (0, 6):
        given = f"{9:08b}{14:08b}{old:08b}1"
        at = head.find(given)
        if at >= 0:
            new = f"{primaries:08b}{transfer:08b}{matrix:08b}{full:b}"
            return int(head[:at] + new + head[at + len(new) :], 2).to_bytes(24, "big") + stream[24:]
    raise AssertionError("no colour description in the stream")


def to_rgb(samples: np.ndarray, bits: int, matrix: int, full: bool) -> np.ndarray:
    """Return coded RGB by H.273 8.3: from samples to signals, and from those through the matrix."""
    if full:
        white = (1 << bits) - 1
        luma, chroma = samples / white, (samples - (1 << (bits - 1))) / white
    else:
        scaled = samples / (1 << (bits - 8))
        luma, chroma = (scaled - 16) / 219, (scaled - 128) / 224
    y, cb, cr = luma[..., 0], chroma[..., 1], chroma[..., 2]
    if matrix == IDENTITY:
        return luma[..., [2, 0, 1]]
    if matrix == YCGCO:
        return np.stack([y - cb + cr, y + cb, y - cb - cr], -1)
    red_weight, blue_weight = WEIGHTS[matrix]
    red, blue = y + 2 * (1 - red_weight) * cr, y + 2 * (1 - blue_weight) * cb
    green = (y - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return np.stack([red, green, blue], -1)


def box(kind: bytes, data: bytes, version: int | None = None) -> bytes:
    head = b"" if version is None else struct.pack(">I", version << 24)
    return struct.pack(">I4s", len(head + data) + 8, kind) + head + data


def nclx(primaries: int, transfer: int, matrix: int, full: bool) -> bytes:
    return box(b"colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, matrix, full << 7))


def avif(
    colour: tuple[int, int, int, bool],
    bits: int = 8,
    kind: str = "planes",
    *,
    alpha: bool = False,
    premultiplied: bool = False,
    declared: bool = True,
    properties: tuple[bytes, ...] = (),
    metadata: bytes = b"",
) -> bytes:
    """Return a file.

    Args:
        colour: primaries, transfer, matrix and whether the range is full; ``declared`` in nclx, or in the stream alone.
        bits: of a sample.
        kind: of the stream.
        alpha: whether to add the stream of one plane as opacity; ``premultiplied`` says so of the colours.
        properties: further ones of the image, which are essential (irot, imir).
        metadata: an Exif item.
    """
    items: list[tuple[bytes, bytes, list[bytes]]] = []  # type, data, properties
    size = box(b"ispe", struct.pack(">II", WIDTH, HEIGHT), 0)
    for number, (part, channels) in enumerate([(kind, 3 if kind == "planes" else 1), ("grey", 1)][: 1 + alpha]):
        about, data = STREAMS[part, bits]
        one = [size, box(b"av1C", bytes.fromhex(about)), box(b"pixi", bytes([channels, *[bits] * channels]), 0)]
        stream = base64.b64decode(data)
        if number:
            one.append(box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", 0))
            stream = described(stream, 2, 2, 2, True)
        else:
            one += [nclx(*colour)] * declared + list(properties)
            stream = described(stream, *(colour if not declared else (2, 2, 2, colour[3])))
        items.append((b"av01", stream, one))
    if metadata:
        items.append((b"Exif", bytes(4) + metadata, []))
    entries = b"".join(box(b"infe", struct.pack(">HH4sB", i, 0, item[0], 0), 2) for i, item in enumerate(items, 1))
    distinct = list(dict.fromkeys(one for _, _, ones in items for one in ones))
    links = struct.pack(">I", sum(bool(ones) for _, _, ones in items))
    for i, (_, _, ones) in enumerate(items, 1):
        if ones:
            places = [
                distinct.index(one) + 1 | (0x80 if one[4:8] in (b"av1C", b"irot", b"imir") else 0) for one in ones
            ]
            links += struct.pack(">HB", i, len(ones)) + bytes(places)
    references = b""
    if alpha:
        references += box(b"auxl", struct.pack(">HHH", 2, 1, 1))
    if premultiplied:
        references += box(b"prem", struct.pack(">HHH", 1, 1, 2))
    if metadata:
        references += box(b"cdsc", struct.pack(">HHH", len(items), 1, 1))
    start = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")

    def meta(offset: int) -> bytes:
        places = struct.pack(">HH", 0x4400, len(items))
        for i, (_, data, _) in enumerate(items, 1):
            places += struct.pack(">HHHII", i, 0, 1, offset, len(data))
            offset += len(data)
        return box(
            b"meta",
            box(b"hdlr", bytes(4) + b"pict" + bytes(13), 0)
            + box(b"pitm", struct.pack(">H", 1), 0)
            + box(b"iloc", places, 0)
            + box(b"iinf", struct.pack(">H", len(items)) + entries, 0)
            + (box(b"iref", references, 0) if references else b"")
            + box(b"iprp", box(b"ipco", b"".join(distinct)) + box(b"ipma", links, 0)),
            0,
        )

    body = start + meta(len(start) + len(meta(0)) + 8)
    return body + box(b"mdat", b"".join(data for _, data, _ in items))


def cases() -> Iterator[Case]:
    srgb = (1, SRGB_TRANSFER, BT601, True)

    def case(label: str, content: bytes, truth: np.ndarray | None, tolerance: float = LEVEL) -> Case:
        return Case(f"avif-{label}", ".avif", content, truth, tolerance, "ISO/IEC 23008-12 6.5.5 colr; ITU-T H.273 8")

    for bits in (8, 10, 12):
        # Decoders round to the depth of the file, libavif by weights of 6 bits where that is 8; primaries double it.
        tolerance = 2 / ((1 << bits) - 1)
        samples = planes(bits)
        for matrix, name in MATRICES.items():
            for full in (True, False)[: 1 if matrix == YCGCO else 2]:  # libavif, and so every viewer, refuses the other
                colour = (1, SRGB_TRANSFER, matrix, full)
                label = f"{bits}bit-{name}-{'full' if full else 'limited'}"
                yield case(label, avif(colour, bits), to_rgb(samples, bits, matrix, full), tolerance)
        colour = (1, SRGB_TRANSFER, BT709, False)
        truth = to_rgb(samples, bits, BT709, False)
        yield case(f"{bits}bit-in-the-stream", avif(colour, bits, declared=False), truth, tolerance)
        for number, name, primaries in ((12, "p3", P3), (9, "bt2020", BT2020), (1, "bt709", SRGB)):
            for transfer, label in ((SRGB_TRANSFER, "srgb"), (LINEAR, "linear")):
                if (number, transfer) == (1, SRGB_TRANSFER):
                    continue
                rgb = to_rgb(samples, bits, BT601, True)
                truth = shown(rgb if transfer == LINEAR else decode_srgb(rgb), to_xyz_d50(primaries))
                content = avif((number, transfer, BT601, True), bits)
                yield case(f"{bits}bit-{name}-primaries-{label}", content, truth, tolerance)
        for transfer, label in ((PQ, "pq"), (HLG, "hlg")):
            yield case(f"{bits}bit-{label}", avif((9, transfer, BT2020_NCL, False), bits), None, tolerance)
        if bits < 12:
            white = (1 << bits) - 1
            grey = greys(bits)
            yield case(f"{bits}bit-grey", avif(srgb, bits, "grey"), grey[..., None] / white, tolerance)
            rgb, opacity = to_rgb(samples, bits, BT601, True), grey / white
            yield case(f"{bits}bit-alpha", avif(srgb, bits, alpha=True), over_white(rgb, opacity), tolerance)
    rgb, opacity = to_rgb(planes(8), 8, BT601, True), greys(8) / 255
    yield case("8bit-grey-alpha", avif(srgb, kind="grey", alpha=True), over_white(opacity[..., None], opacity))
    # HEIF 6.10.1.2: colours that were multiplied by the opacity, which decoders divide by in 8 bits.
    multiplied = avif(srgb, alpha=True, premultiplied=True)
    truth = np.minimum(rgb, opacity[..., None]) + 1 - opacity[..., None]
    yield case("8bit-alpha-premultiplied", multiplied, truth, 2 * LEVEL)
    turned = avif(srgb, alpha=True, properties=(box(b"irot", b"\1"),))
    yield case("8bit-alpha-irot", turned, np.rot90(over_white(rgb, opacity)))
    wide = profile(P3, 2.2)
    by_profile = box(b"colr", b"prof" + wide.content)
    # MIAF 7.3.6.4: both at once: the profile says what the colours are, nclx how they are made of the planes.
    for matrix, label in ((BT601, "bt601"), (IDENTITY, "identity")):
        content = avif((2, 2, matrix, True), properties=(by_profile,))
        yield case(f"8bit-profile-{label}", content, wide.show(to_rgb(planes(8), 8, matrix, True)))
    for angle in range(4):
        turned = avif(srgb, properties=(box(b"irot", bytes([angle])),))
        yield case(f"irot-{angle}", turned, np.rot90(rgb, angle))
    for axis, label in ((0, "top-to-bottom"), (1, "left-to-right")):
        yield case(f"imir-{label}", avif(srgb, properties=(box(b"imir", bytes([axis])),)), np.flip(rgb, axis))
    yield case("exif-orientation", avif(srgb, metadata=exif(6)), rgb)
