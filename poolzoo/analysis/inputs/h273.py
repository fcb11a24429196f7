"""Code points of ITU-T H.273: the colour in PNG's cICP chunk and in the nclx box of AVIF and HEIF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from poolzoo.analysis.inputs.colour import D65, SRGB_PRIMARIES, Coding, Primaries, ToneCurve, power
from poolzoo.analysis.inputs.files import unsupported

UNSPECIFIED, XYZ = 2, 10
#: Table 2, ColourPrimaries.
PRIMARIES: dict[int, Primaries] = {
    1: SRGB_PRIMARIES,
    UNSPECIFIED: SRGB_PRIMARIES,
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), (0.310, 0.316)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}


def _smpte_240(coded: np.ndarray) -> np.ndarray:
    return np.where(coded < 4 * 0.0228, coded / 4, ((coded + 0.1115) / 1.1115) ** (1 / 0.45))


#: Table 3, TransferCharacteristics; None is sRGB's. 12 extends that to negative numbers, of which pictures hold none.
TRANSFERS: dict[int, ToneCurve | None] = {
    UNSPECIFIED: None,
    4: power(2.2),
    5: power(2.8),
    7: _smpte_240,
    8: power(1.0),
    12: None,
    13: None,
    17: lambda coded: 52.37 / 48 * coded**2.6,
}
#: The curves of cameras for television, BT.709 and its kin: what a screen makes of them is another standard's.
CAMERAS = (1, 6, 11, 14, 15)
HDR_TRANSFERS = {16: "PQ (SMPTE ST 2084)", 18: "HLG (ARIB STD-B67)"}


def coding(primaries: int, transfer: int, camera: ToneCurve | None = None) -> Coding | None:
    """Return the coding that two code points stand for; None if H.273 reserves one of them.

    Args:
        primaries: ColourPrimaries.
        transfer: TransferCharacteristics.
        camera: the transfer function with which a screen shows a camera's curve; None is sRGB's.

    Raises:
        ImageError: a transfer function of high dynamic range, whose look on a screen depends on the viewer.
    """
    if transfer in HDR_TRANSFERS:
        raise unsupported(f"high dynamic range, transfer function {HDR_TRANSFERS[transfer]},")
    if primaries == XYZ:
        raise unsupported("a picture in CIE XYZ")
    curves = TRANSFERS | dict.fromkeys(CAMERAS, camera)
    if primaries not in PRIMARIES or transfer not in curves:
        return None
    return Coding(PRIMARIES[primaries], curves[transfer])


def narrow(coding: Coding, bits: int) -> Coding:
    """Return ``coding`` for samples of ``bits`` bits of which 16 to 235 of 255 are used (equations 20 to 22)."""
    level = (1 << (bits - 8)) / ((1 << bits) - 1)
    return replace(coding, black=16 * level, white=235 * level)
