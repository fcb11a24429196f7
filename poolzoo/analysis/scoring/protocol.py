"""How images are pooled, rebuilt and scored, and the allowed names. Commands' help uses it, so no torch here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from poolzoo.analysis.results.schema import ALIGNMENTS, CENTER, METRICS, UPSAMPLE_NONE
from poolzoo.registry import GEOMETRY

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.samples import Input
    from poolzoo.analysis.scoring.fitted_parameters import Fitted
    from poolzoo.geometry import Geometry

#: The upsampler that is a decoder fitted on other images, see :mod:`poolzoo.analysis.scoring.decoders`.
OPTIMAL = "optimal"
#: Whether a pooled image is upsampled and scored at full size, or scored as it is (poolzoo.analysis.scoring.lowres).
PROTOCOLS = ("roundtrip", "lowres")


class Interpolation(TypedDict, total=False):
    """Arguments of :func:`torch.nn.functional.interpolate`."""

    mode: str
    align_corners: bool


class Upsampler(NamedTuple):
    """A way to upsample a pooled image.

    Attributes:
        title: its name in words.
        interpolation: how it interpolates; None for a decoder.
        in_3d: its name if three axes are pooled, also in rows; None if it is not for three axes.
    """

    title: str
    interpolation: Interpolation | None
    in_3d: str | None = None


class Normalization(NamedTuple):
    """A scale of the input: per channel, ``mean`` is subtracted and the rest divided by ``std`` before pooling; undone
    after it.
    """

    title: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


UPSAMPLERS = {
    "nearest": Upsampler("nearest neighbour", {"mode": "nearest"}, in_3d="nearest"),
    "bilinear": Upsampler("bilinear", {"mode": "bilinear", "align_corners": False}, in_3d="trilinear"),
    "bicubic": Upsampler("bicubic", {"mode": "bicubic", "align_corners": False}),
    "trilinear": Upsampler("trilinear", {"mode": "trilinear", "align_corners": False}, in_3d="trilinear"),
    OPTIMAL: Upsampler("the optimal linear decoder", None),
}
NORMALIZATIONS = {
    "none": Normalization("no normalisation", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": Normalization("imagenet normalisation", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "inception": Normalization("values -1 to 1", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "255": Normalization("values 0 to 255", (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}


@dataclass(frozen=True)
class Protocol:
    """How images are pooled, rebuilt and scored.

    Attributes:
        kernel_size, stride: of every operator; stride None means kernel_size.
        upsample: names from :data:`UPSAMPLERS`; each gives its own rows. For videos and volumes see
            :attr:`Upsampler.in_3d`.
        normalize: a name from :data:`NORMALIZATIONS`.
        metrics: keys of :data:`poolzoo.analysis.results.schema.METRICS`; the first one sorts tables.
        seed, seeds: stochastic operators draw in train mode with the seeds ``seed`` to ``seed + seeds - 1``.
        device: torch's name of the device.
        protocol: a name from :data:`PROTOCOLS`; ``lowres`` does not rebuild and ignores ``upsample``.
        decoder_images: the images that optimal decoders are fitted on; none means scikit-image's photographs.
        timed: whether rows have times, see :func:`time_operators`.
        padding, dilation, ceil_mode: of every operator, as ``kernel_size``.
        align: a name from :data:`~poolzoo.analysis.results.schema.ALIGNMENTS`.
    """

    kernel_size: int | tuple[int, ...] = 2
    stride: int | tuple[int, ...] | None = None
    upsample: tuple[str, ...] = ("bilinear",)
    normalize: str = "none"
    metrics: tuple[str, ...] = ("ssim", "psnr")
    seed: int = 0
    seeds: int = 3
    device: str = "cpu"
    protocol: str = "roundtrip"
    decoder_images: tuple[str, ...] = ()
    timed: bool = True
    padding: int | tuple[int, ...] = 0
    dilation: int | tuple[int, ...] = 1
    ceil_mode: bool = False
    align: str = CENTER

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol={self.protocol!r}: {', '.join(PROTOCOLS)} are allowed")
        _check_names("align", (self.align,), ALIGNMENTS)
        if self.protocol == "lowres":
            object.__setattr__(self, "upsample", (UPSAMPLE_NONE,))
        else:
            _check_names("upsample", self.upsample, UPSAMPLERS)
        _check_names("metrics", self.metrics, METRICS)
        _check_names("normalize", (self.normalize,), NORMALIZATIONS)
        for name in ("upsample", "metrics"):  # asked for twice is asked for
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))

    @property
    def window(self) -> dict[str, Any]:
        """The arguments of every operator's windows, by name."""
        return {key: getattr(self, key) for key in GEOMETRY}

    def geometry(self, ndim: int) -> Geometry:
        """The windows over ``ndim`` axes.

        Raises:
            TypeError, ValueError: an argument of the windows is not allowed, or not for this number of axes.
        """
        from poolzoo.geometry import make_geometry

        return make_geometry(ndim, **self.window)

    def align_of(self, upsample: str) -> str:
        """What a row says of where pooled values are put: nothing interpolates for a decoder and at low resolution."""
        return UPSAMPLE_NONE if upsample in (UPSAMPLE_NONE, OPTIMAL) else self.align


def _check_names(argument: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    if unknown := [name for name in given if name not in allowed]:
        raise ValueError(f"{argument}={unknown[0]!r}: {', '.join(allowed)} are allowed")


def for_inputs(protocol: Protocol, inputs: Sequence[Input], ndim: int, fits: Sequence[Fitted]) -> Protocol:
    """Return ``protocol`` with the upsamplers' names for ``ndim`` axes.

    Raises:
        ValueError: an upsampler is not for three axes, or a normalisation of three colours, a decoder or parameters
            learned from photographs are asked for other inputs.
    """
    scale = NORMALIZATIONS[protocol.normalize]
    one_for_all = len(set(scale.mean)) == len(set(scale.std)) == 1
    colourless = [item.name for item in inputs if not item.colours]
    if colourless and not one_for_all:
        raise ValueError(f"normalize={protocol.normalize!r}: scales three colours, which {colourless[0]!r} has not")
    if (colourless or ndim > 2) and (OPTIMAL in protocol.upsample or fits):
        wanted = "fits" if fits else f"upsample={OPTIMAL!r}"
        raise ValueError(
            f"{wanted}: fitted on photographs and for photographs only; not for features, videos and volumes"
        )
    if ndim == 2:
        return protocol
    if protocol.protocol == "lowres":
        raise ValueError("protocol='lowres': not over three axes; for videos and volumes roundtrip is allowed")
    for name in protocol.upsample:
        if not UPSAMPLERS[name].in_3d:
            raise ValueError(
                f"upsample={name!r}: not over three axes; for videos and volumes nearest or bilinear is allowed"
            )
    names = (UPSAMPLERS[name].in_3d for name in protocol.upsample)
    return replace(protocol, upsample=tuple(dict.fromkeys(name for name in names if name)))
