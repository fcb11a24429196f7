"""The low-resolution protocol: score the pooled image against the original, downscaled by an antialiased filter.

No upsampler is involved. The reference is the antialiased bicubic downscaling of super-resolution benchmarks (MATLAB's
imresize, Pillow's BICUBIC): Keys' cubic convolution (1981, a = -1/2), widened by the stride and sampled in the middle
of each window. If windows tile the image, and for operators that resample the whole image, this equals resizing to the
pooled size. The operator ``bicubic`` does exactly this, so its perfect score has no meaning.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from poolzoo.geometry import Geometry
from poolzoo.windows import weighted_taps


def downscale(
    image: Tensor, pooled: Tensor, geometry: Geometry | None = None, phases: Sequence[tuple[int, ...]] = ()
) -> Tensor:
    """Return the reference for a pooled image.

    Args:
        image: ``(1, C, H, W)``.
        pooled: ``(1, C, h, w)``, or ``(1, C, S, h, w)`` from an operator that keeps S submaps.
        geometry: of the windows; None if the pooled values are spread evenly over the image.
        phases: per submap, or the only one of an operator that chose a phase, the shift of its windows from those of
            the geometry, in pixels down and right; or empty.

    Returns:
        A tensor of the shape of ``pooled``.
    """
    if pooled.dim() == 4:
        return _sampled(image, pooled, geometry, phases[0] if phases else (0, 0))
    return torch.stack([_sampled(image, pooled, geometry, phase) for phase in phases], dim=2)


def _sampled(image: Tensor, pooled: Tensor, geometry: Geometry | None, phase: Sequence[int]) -> Tensor:
    sizes, out = image.shape[-2:], pooled.shape[-2:]
    if geometry is None or (not any((*phase, *geometry.padding)) and geometry.lies_evenly(sizes, out)):
        return F.interpolate(image, size=out, mode="bicubic", align_corners=False, antialias=True)
    for axis, (o, s, p, span, shift) in enumerate(
        zip(out, geometry.stride, geometry.padding, geometry.spans, phase, strict=True)
    ):
        first = torch.arange(o, dtype=image.dtype, device=image.device) * s + shift - p
        # The middle of what the window has inside of the image.
        middle = (first.clamp(min=0) + (first + span - 1).clamp(max=sizes[axis] - 1)) / 2
        image = weighted_taps(image, axis - 2, *_cubic_taps(middle, s, sizes[axis]))
    return image


def _cubic_taps(middle: Tensor, scale: int, n: int) -> tuple[Tensor, Tensor]:
    """Return index and weight of Keys' kernel, ``scale`` times as wide, around each position of ``middle`` on an axis
    of ``n``.
    """
    near = torch.arange(-2 * scale, 2 * scale + 1, device=middle.device)
    index = middle.round().long()[:, None] + near
    t = ((index - middle[:, None]) / scale).abs()
    weight = torch.where(t < 1, (1.5 * t - 2.5) * t**2 + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2)
    weight = weight.where((t < 2) & (index >= 0) & (index < n), 0.0)
    return index.clamp(0, n - 1), weight / weight.sum(1, keepdim=True)
