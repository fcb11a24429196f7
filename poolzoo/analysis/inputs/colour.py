"""Declared colour to sRGB: ICC profiles by Little CMS in float64, and codings by their primaries and transfer function.

Numbers of ITU-T H.273 (PNG's cICP, the nclx box of AVIF and HEIF) and the chunks gAMA and cHRM of PNG make a
:class:`Coding`. Colours outside sRGB are clipped, as viewers do.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import numpy as np

from poolzoo.analysis.inputs.files import DECODER_ERRORS

#: Chromaticities of red, green, blue and white.
Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
ToneCurve = Callable[[np.ndarray], np.ndarray]

D65 = (0.3127, 0.3290)
SRGB_PRIMARIES: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
D50_XYZ = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

#: A profile that moves no colour by more than this many of 255 levels is sRGB under another name.
SAME_AS_SRGB = 2
#: Pixels that are converted at a time: Little CMS and the curves need several arrays of them.
BLOCK = 1 << 20

#: The spaces of ICC profiles by colour model.
PROFILE_SPACES = {"grey": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK", "lab": b"Lab "}
CMS_SPACES = {"grey": "gray", "rgb": "rgb", "cmyk": "cmyk"}


def srgb_to_linear(coded: np.ndarray) -> np.ndarray:
    """Return linear light of sRGB values (IEC 61966-2-1)."""
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Return sRGB values of linear light, which is clipped to [0, 1] first (IEC 61966-2-1)."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def power(exponent: float) -> ToneCurve:
    """Return the curve ``coded ** exponent``."""
    return lambda coded: coded**exponent


def to_xyz_d50(primaries: Primaries) -> np.ndarray:
    """Return the matrix from linear RGB to XYZ, adapted to D50 by Bradford's transform (ICC.1 annex E)."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white = columns[:, 3]
    matrix = columns[:, :3] * np.linalg.solve(columns[:, :3], white)
    cones = np.diag(BRADFORD @ D50_XYZ / (BRADFORD @ white))
    return np.asarray(np.linalg.inv(BRADFORD) @ cones @ BRADFORD @ matrix)


def span_a_space(primaries: Primaries) -> bool:
    """Return whether chromaticities have a matrix: no y is 0, and the three do not lie on a line."""
    if not all(y > 0 and x >= 0 and x + y <= 1 for x, y in primaries):
        return False
    (xr, yr), (xg, yg), (xb, yb), _ = primaries
    return abs((xg - xr) * (yb - yr) - (xb - xr) * (yg - yr)) > 1e-6


#: From XYZ for white D50 to linear sRGB.
XYZ_TO_SRGB = np.linalg.inv(to_xyz_d50(SRGB_PRIMARIES))


@dataclass(frozen=True)
class Coding:
    """The meaning of RGB or grey numbers in [0, 1].

    Attributes:
        primaries: of the RGB numbers.
        to_linear: their transfer function; None is sRGB's.
        black, white: the numbers that stand for 0 and 1.
    """

    primaries: Primaries = SRGB_PRIMARIES
    to_linear: ToneCurve | None = None
    black: float = 0.0
    white: float = 1.0

    @property
    def is_srgb(self) -> bool:
        plain = self.to_linear is None and (self.black, self.white) == (0, 1)
        return plain and np.allclose(self.primaries, SRGB_PRIMARIES, rtol=0, atol=1e-4)

    def show(self, values: np.ndarray) -> np.ndarray:
        """Return values ``(..., 1 or 3)`` as sRGB."""
        values = np.clip((values - self.black) / (self.white - self.black), 0, 1)
        linear = (self.to_linear or srgb_to_linear)(values)
        if values.shape[-1] == 3:
            linear = linear @ (XYZ_TO_SRGB @ to_xyz_d50(self.primaries)).T
        return linear_to_srgb(linear)


def to_srgb(values: np.ndarray, model: str, declared: bytes | Coding | None) -> np.ndarray:
    """Return values ``(H, W, C)`` of a colour model as sRGB ``(H, W, 1 or 3)``.

    Args:
        values: see :class:`poolzoo.analysis.inputs.decoded.Decoded`.
        model: grey, rgb, cmyk or lab.
        declared: an ICC profile, a coding, or None for sRGB. A profile that is damaged or of another colour model is
            ignored, as viewers do.
    """
    convert = _converter(model, declared)
    if convert is None:
        return values
    rows = max(1, BLOCK // values.shape[1])
    parts = [convert(values[top : top + rows]) for top in range(0, len(values), rows)]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _converter(model: str, declared: bytes | Coding | None) -> ToneCurve | None:
    """Return a function from values of a model to sRGB; None if they are sRGB."""
    if model == "lab":
        return lab_to_srgb  # its numbers are absolute, so no profile is asked
    if isinstance(declared, Coding) and model in ("grey", "rgb") and not declared.is_srgb:
        return declared.show
    if isinstance(declared, bytes) and (by_profile := _profile_converter(model, declared)):
        return by_profile
    return cmyk_to_srgb if model == "cmyk" else None


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """Return CIE L*, a*, b* for white D50 as sRGB."""
    middle = (lab[..., 0] + 16) / 116
    cubes = np.stack([middle + lab[..., 1] / 500, middle, middle - lab[..., 2] / 200], -1)
    xyz = np.where(cubes > 6 / 29, cubes**3, 3 * (6 / 29) ** 2 * (cubes - 4 / 29)) * D50_XYZ
    return linear_to_srgb(xyz @ XYZ_TO_SRGB.T)


def cmyk_to_srgb(inks: np.ndarray) -> np.ndarray:
    """Return inks without a profile as sRGB: each ink absorbs independently."""
    return np.asarray((1 - inks[..., :3]) * (1 - inks[..., 3:]))


def ycc_to_rgb(ycc: np.ndarray, bits: int) -> np.ndarray:
    """Return full-range YCbCr of ``bits`` bits, in [0, 1], with BT.601's weights (JFIF, sYCC) as RGB."""
    middle = (1 << (bits - 1)) / ((1 << bits) - 1)
    luma, blue, red = ycc[..., 0], ycc[..., 1] - middle, ycc[..., 2] - middle
    green = luma - 0.344136 * blue - 0.714136 * red
    return np.clip(np.stack([luma + 1.402 * red, green, luma + 1.772 * blue], -1), 0, 1)


def _profile_converter(model: str, profile: bytes) -> ToneCurve | None:
    """Return a function that converts by an ICC profile; None if the profile is unusable or that of sRGB."""
    if profile[16:20] != PROFILE_SPACES[model]:
        return None
    # Little CMS takes inks as per cent. It is asked for XYZ: its own sRGB is rounded, most of all near black.
    scale = 100.0 if model == "cmyk" else 1.0

    def convert(values: np.ndarray) -> np.ndarray:
        xyz = imagecodecs.cms_transform(
            np.ascontiguousarray((values[..., 0] if model == "grey" else values) * scale),
            profile,
            _xyz_profile(),
            colorspace=CMS_SPACES[model],
            outcolorspace="xyz",
            outdtype=np.float64,
        )
        return linear_to_srgb(xyz @ XYZ_TO_SRGB.T)

    # Asking what the profile does to sixteen levels a channel is surer than reading its name, and keeps ordinary
    # photographs, nearly all of which carry one of many sRGB profiles, exact to the bit.
    channels = 4 if model == "cmyk" else 1 if model == "grey" else 3
    probe = np.array(list(itertools.product(np.arange(16) / 15, repeat=channels)))[None]
    try:
        shown = convert(probe)
    except DECODER_ERRORS:
        return None
    if not np.isfinite(shown).all():
        return None
    return None if model != "cmyk" and np.abs(shown - probe).max() <= SAME_AS_SRGB / 255 else convert


@functools.cache
def _xyz_profile() -> bytes:
    return bytes(imagecodecs.cms_profile("xyz"))
