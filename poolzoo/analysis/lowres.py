"""The low-resolution protocol: what was pooled is held against the original, made as small by an antialiased filter.

No upsampler has a part in the score. The reference is the antialiased bicubic that super-resolution benchmarks make
their small images with (MATLAB's imresize, Pillow's BICUBIC): Keys' cubic convolution (1981, a = -1/2), as wide as the
scale asks. The operator ``bicubic`` is exactly that, so its score is perfect and says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: What rows say of an upsampler that there is none of.
UPSAMPLE_NONE = "none"


def downscale(image: Tensor, pooled: Tensor, phases: Sequence[tuple[int, ...]] = ()) -> Tensor:
    """The reference for a pooled image.

    Args:
        image: ``(1, C, H, W)``.
        pooled: ``(1, C, h, w)``, or ``(1, C, S, h, w)`` from an operator that keeps S submaps.
        phases: per submap, how many pixels down and right of the first one its samples lie.

    Returns:
        Of the shape of ``pooled``. For a submap the image is first shifted by its phase, its last edge repeated.
    """
    if pooled.dim() == 4:
        return _resized(image, pooled)
    shifted = [F.pad(image, (0, right, 0, down), mode="replicate")[..., down:, right:] for down, right in phases]
    return torch.stack([_resized(x, pooled) for x in shifted], dim=2)


def _resized(image: Tensor, pooled: Tensor) -> Tensor:
    return F.interpolate(image, size=pooled.shape[-2:], mode="bicubic", align_corners=False, antialias=True)
