"""What every format's module uses: a case, noise to draw, bits to pack, and the colour arithmetic of the standards."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: How far a reader may be off: a level of 8 bits, or what 16 bits and single precision leave.
LEVEL, FINE = 1 / 255, 1e-4
HEIGHT, WIDTH = 11, 13


@dataclass(frozen=True)
class Case:
    """A file and the picture that a viewer shows of it.

    Attributes:
        name: of the file, without the suffix.
        suffix: with its dot.
        content: the bytes of the file.
        truth: float64 ``(H, W, 1 or 3)`` in [0, 1], sRGB, transparent pixels over white. None where every reader is to
            refuse the file.
        tolerance: the largest error allowed.
        why: the clause of the standard that says what the file means.
    """

    name: str
    suffix: str
    content: bytes
    truth: np.ndarray | None
    tolerance: float
    why: str


def noise(name: str, shape: tuple[int, ...], white: int) -> np.ndarray:
    """Return int64 samples from 0 to ``white``, both among them, that depend on the name alone."""
    drawn = np.random.default_rng(zlib.crc32(name.encode())).integers(0, white + 1, shape)
    drawn.flat[0], drawn.flat[-1] = 0, white
    return drawn


def unit_noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return float64 samples from 0 to 1."""
    return noise(name, shape, 1 << 32) / (1 << 32)


def pack_rows(samples: np.ndarray, bits: int) -> bytes:
    """Return samples ``(H, n)`` of any number of bits, most significant bit first, each row filled up to a byte."""
    digits = (samples.astype(np.int64)[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.reshape(len(samples), -1).astype(np.uint8), axis=1).tobytes()


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return straight colour ``(H, W, C)`` under ``alpha``, ``(H, W)``, on white."""
    return alpha[..., None] * colour + 1 - alpha[..., None]


def lzw(data: bytes, bits: int, *, msb: bool) -> bytes:
    """Return LZW codes of ``data``: as in TIFF (``msb``, wider one code early) or as in GIF.

    TIFF 6.0 section 13; GIF89a appendix F. ``bits`` is 8 in TIFF and the code size of GIF.
    """
    clear, end = 1 << bits, (1 << bits) + 1
    codes: list[tuple[int, int]] = []
    table: dict[bytes, int] = {}
    width, following = bits + 1, end + 1

    def reset() -> None:
        nonlocal table, width, following
        codes.append((clear, width))
        table = {bytes([i]): i for i in range(clear)}
        width, following = bits + 1, end + 1

    reset()
    string = b""
    for byte in data:
        longer = string + bytes([byte])
        if longer in table:
            string = longer
            continue
        codes.append((table[string], width))
        table[longer] = following
        following += 1
        string = bytes([byte])
        # The decoder's table is one entry behind; TIFF widens as if it were not.
        if following == (1 << width) + (0 if msb else 1):
            width += 1
        if following >= 4093:
            reset()
    if string:
        codes.append((table[string], width))
        # The decoder adds an entry for this code too.
        if following + 1 == (1 << width) + (0 if msb else 1) and width < 12:
            width += 1
    codes.append((end, width))
    if msb:
        digits = "".join(f"{code:0{size}b}" for code, size in codes)
        digits += "0" * (-len(digits) % 8)
        return bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8))
    value = at = 0
    for code, size in codes:
        value |= code << at
        at += size
    return value.to_bytes(-(-at // 8), "little")


# Colour

#: Chromaticities of red, green, blue and white: IEC 61966-2-1, SMPTE EG 432-1 (P3 with D65), ITU-R BT.2020, Adobe RGB.
D65 = (0.3127, 0.3290)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65)
BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65)
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65)
D50_XYZ = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def to_xyz_d50(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Return the matrix from linear RGB to XYZ, adapted to D50 by Bradford's transform (ICC.1 annex E)."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white = columns[:, 3]
    matrix = columns[:, :3] * np.linalg.solve(columns[:, :3], white)
    cones = np.diag(BRADFORD @ D50_XYZ / (BRADFORD @ white))
    return np.linalg.inv(BRADFORD) @ cones @ BRADFORD @ matrix


def encode_srgb(linear: np.ndarray) -> np.ndarray:
    """Return IEC 61966-2-1's coding of linear light, clipped to [0, 1]."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def decode_srgb(coded: np.ndarray) -> np.ndarray:
    """Return the linear light of sRGB values."""
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def shown(linear: np.ndarray, to_xyz: np.ndarray) -> np.ndarray:
    """Return linear RGB of a space with the matrix ``to_xyz`` (to D50) as sRGB."""
    return encode_srgb(linear @ (np.linalg.inv(to_xyz_d50(SRGB)) @ to_xyz).T)


def wide_noise(name: str, white: int, to_xyz: np.ndarray, coded: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return samples of a wider space whose colours all lie inside sRGB: no viewer has to clip.

    Args:
        name: of the case.
        white: the largest sample.
        to_xyz: from the space's linear RGB to D50.
        coded: from linear light to the space's numbers.
    """
    linear = decode_srgb(0.02 + 0.96 * unit_noise(name, (HEIGHT, WIDTH, 3)))
    linear = linear @ (np.linalg.inv(to_xyz) @ to_xyz_d50(SRGB)).T
    return np.rint(coded(np.clip(linear, 0, 1)) * white).astype(np.int64)


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """Return CIE L*a*b* with white D50 as sRGB."""
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50_XYZ
    return encode_srgb(xyz @ np.linalg.inv(to_xyz_d50(SRGB)).T)


def srgb_to_lab(srgb: np.ndarray) -> np.ndarray:
    """Return sRGB as CIE L*a*b* with white D50."""
    t = decode_srgb(srgb) @ to_xyz_d50(SRGB).T / D50_XYZ
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def ycc_to_rgb(ycc: np.ndarray, white: int = 255) -> np.ndarray:
    """Return full-range YCbCr samples with BT.601's weights (JFIF 1.02, sYCC) as RGB in [0, 1]."""
    middle = (white + 1) / 2
    y, cb, cr = ycc[..., 0], ycc[..., 1] - middle, ycc[..., 2] - middle
    red, blue = y + 1.402 * cr, y + 1.772 * cb
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    return np.clip(np.stack([red, green, blue], -1) / white, 0, 1)


@dataclass(frozen=True)
class Profile:
    """An ICC profile that was written here, and what its numbers are.

    Attributes:
        content: the profile.
        to_xyz: from linear RGB to D50, as rounded in the profile; the identity of one number for a grey.
        gamma: as rounded in the profile.
    """

    content: bytes
    to_xyz: np.ndarray
    gamma: float

    def show(self, coded: np.ndarray) -> np.ndarray:
        """Return numbers in [0, 1] of the profile's space as sRGB."""
        linear = coded**self.gamma
        return encode_srgb(linear) if coded.shape[-1] == 1 else shown(linear, self.to_xyz)


def profile(primaries: tuple[tuple[float, float], ...] | None, gamma: float) -> Profile:
    """Return an ICC version 2 display profile (ICC.1:2001-04): matrix and one gamma; a grey without primaries."""
    fixed = round(gamma * 256)
    to_xyz = np.eye(1) if primaries is None else np.rint(to_xyz_d50(primaries) * 65536) / 65536

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(v) * 65536) for v in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, fixed) + b"\0\0"
    name = b"made by a test\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78)
    tags = {b"desc": description, b"cprt": b"text\0\0\0\0none\0", b"wtpt": xyz(D50_XYZ)}
    if primaries is None:
        tags[b"kTRC"] = curve
    else:
        tags |= {key + b"XYZ": xyz(column) for key, column in zip((b"r", b"g", b"b"), to_xyz.T, strict=True)}
        tags |= {key + b"TRC": curve for key in (b"r", b"g", b"b")}
    at = 132 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        directory += key + struct.pack(">II", at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    space = b"GRAY" if primaries is None else b"RGB "
    header = struct.pack(">I4sI4s4s4s", at + len(body), b"", 0x02400000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">3i", *(round(float(v) * 65536) for v in D50_XYZ))
    return Profile(header + bytes(128 - len(header)) + directory + body, to_xyz, fixed / 256)


# Orientation

#: TIFF 6.0 "Orientation" (and EXIF 2.32 4.6.4): which way the first stored row and column lie, as what is to be done.
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: image.swapaxes(0, 1)[::-1],
}


def exif(orientation: int, kind: int = 3) -> bytes:
    """Return a TIFF header and a directory with the orientation alone, of type SHORT, BYTE (1) or LONG (4)."""
    value = struct.pack({1: "<B3x", 3: "<H2x", 4: "<I"}[kind], orientation)
    return b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI", 274, kind, 1) + value + bytes(4)
