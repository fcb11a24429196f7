"""Load videos and volumes: all frames of a clip, or all pages of a TIFF, as one array with three axes to pool.

Pillow decodes animations (GIF, PNG, WebP), PyAV (``poolzoo[video]``) the formats of :data:`CONTAINERS`, and tifffile
the volumes. The decoder is chosen by the file's content. As for images, the size is limited: all frames together have
at most :data:`poolzoo.analysis.inputs.files.MAX_PIXELS` pixels.
"""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from poolzoo._console import reason
from poolzoo.analysis.inputs import gif, png, webp
from poolzoo.analysis.inputs.decoded import show
from poolzoo.analysis.inputs.files import (
    DECODER_ERRORS,
    MAX_PIXELS,
    ImageError,
    damaged,
    decoder_failed,
    open_file,
)
from poolzoo.analysis.inputs.samples import Sample
from poolzoo.analysis.inputs.tiff import check_storage, complaints

#: Pictures that may be animated: signatures, where they lie, and what gives the frames.
ANIMATIONS = (
    (0, gif.SIGNATURES, gif.decode_frames),
    (0, (png.SIGNATURE,), png.decode_frames),
    (webp.FORM_AT, (webp.FORM,), webp.decode_frames),
)
ANIMATION_NAMES = ("GIF", "PNG", "WEBP")
#: FFmpeg's names of the containers that are tried. A playlist would have it open other files, and hosts.
CONTAINERS = ("mov", "matroska", "avi", "mpegts", "mpeg", "ogg", "flv", "asf")


@dataclass(frozen=True)
class Video:
    """A clip: ``(T, H, W, 3)`` in [0, 1], with frames as a viewer shows them and transparency over white.

    Attributes:
        path: of the file; it is the name in rows.
        frames: how many frames to use, from the first; None uses all.
    """

    path: str
    frames: int | None = None
    ndim = 3
    colours = True
    kind = "video"

    @property
    def name(self) -> str:
        return self.path

    def load(self) -> Sample:
        with _named(self.path), open_file(Path(self.path)) as file:
            frames = _first(_animation(file) or _stream(file, self.frames is None), self.frames)
        return Sample(self.name, np.stack(frames), facts={"kind": "video"})


@dataclass(frozen=True)
class Volume:
    """A grey stack in a TIFF file: ``(D, H, W, 1)``, its smallest value as 0 and its largest as 1.

    Stacks hold signed integers, integers with few used values, or floating point, so no value means white.
    """

    path: str
    ndim = 3
    colours = False
    kind = "volume"

    @property
    def name(self) -> str:
        return self.path

    def load(self) -> Sample:
        with _named(self.path), open_file(Path(self.path)) as file:
            values = _stack(file).astype(np.float64)
            low, high = float(values.min()), float(values.max())
            if not (np.isfinite(low) and np.isfinite(high) and low < high):  # NaN is neither
                raise ImageError(f"values from {low:g} to {high:g}; finite ones that differ are needed")
        scaled = (values - low) / (high - low)
        return Sample(self.name, scaled[..., None], colours=False, facts={"kind": "volume", "values": [low, high]})


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Turn any error of a decoder into one line that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that a viewer would ignore
            yield
    except ImageError as error:
        raise ImageError(f"{path!r}: {error}") from error.__cause__
    except DECODER_ERRORS as error:
        # A bomb here is a frame whose size is not the picture's: the picture's own was checked.
        raise ImageError(f"{path!r}: {decoder_failed(error)}") from error


def _first(frames: Iterator[np.ndarray], most: int | None) -> list[np.ndarray]:
    """Return the first frames; all of one size, and within the limit."""
    taken: list[np.ndarray] = []
    for frame in itertools.islice(frames, most):
        taken.append(frame)
        height, width = frame.shape[:2]
        if frame.shape != taken[0].shape:
            raise ImageError(f"frame {len(taken)} has {width}x{height} pixels, the first one has others")
        _check_pixels(len(taken), height, width)
    if not taken:
        raise ImageError("no frames")
    return taken


def _check_pixels(count: int, height: int, width: int) -> None:
    """Raise ImageError if ``count`` frames or pages have more pixels than are decoded."""
    if count * height * width > MAX_PIXELS:
        fit = f"{MAX_PIXELS // (height * width)} of {width}x{height}"
        raise ImageError(f"too large: at most {MAX_PIXELS} pixels are decoded in all, {fit}; it has {count} or more")


def _animation(file: BinaryIO) -> Iterator[np.ndarray] | None:
    """Return the frames of an animated picture; None if it is not in such a format."""
    head = file.read(16)
    file.seek(0)
    for at, signatures, decode_frames in ANIMATIONS:
        if head[at:].startswith(signatures):
            shown = (show(frame) for frame in decode_frames(file))
            return (np.broadcast_to(frame, (*frame.shape[:2], 3)) for frame in shown)
    return None


def _stream(file: BinaryIO, to_the_end: bool) -> Iterator[np.ndarray]:
    """Yield the frames of the first video stream, turned as the file says."""
    try:
        import av
    except ImportError as error:
        needed = "pip install 'poolzoo[video]' reads other videos"
        raise ImageError(f"not an animation that Pillow can read as {', '.join(ANIMATION_NAMES)}; {needed}") from error
    try:
        container = av.open(file, "r", options={"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "none"})
    except (av.FFmpegError, *DECODER_ERRORS) as error:
        known = ", ".join((*ANIMATION_NAMES, *CONTAINERS))
        raise ImageError(f"not a video that can be read as one of {known}: {reason(error)}") from error
    with container:
        if not container.streams.video:
            raise ImageError("no video stream")
        stream, number = container.streams.video[0], 0
        _check_pixels(max(1, stream.frames if to_the_end else 1), stream.height, stream.width)
        try:
            for frame in container.decode(stream):
                number += 1
                if frame.is_corrupt:
                    raise ImageError(f"truncated or damaged: frame {number}")
                yield np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90) / 255
        except av.FFmpegError as error:
            raise ImageError(f"truncated or damaged: {reason(error)}") from error
        if number < stream.frames:
            raise ImageError(f"truncated or damaged: {number} frames of the {stream.frames} that it announces")


def _stack(file: BinaryIO) -> np.ndarray:
    """Return the pages of a TIFF file as ``(D, H, W)``, as they are stored."""
    import tifffile

    with complaints() as said:
        try:
            tiff = tifffile.TiffFile(file)
        except tifffile.TiffFileError as error:
            raise ImageError(f"not a TIFF file: {reason(error).removeprefix('not a TIFF file: ')}") from error
        with tiff:
            series = tiff.series
            _no_damage(said)
            if len(series) != 1:
                raise ImageError(
                    f"{len(series)} series of pages of different sizes; one stack of equal pages is needed"
                )
            shape = tuple(size for size in series[0].shape if size > 1)
            if len(shape) != 3 or "S" in series[0].axes:
                axes = "x".join(map(str, series[0].shape))
                raise ImageError(f"{axes} values with axes {series[0].axes}; a stack of grey pages is needed")
            _check_pixels(*shape)
            if series[0].dtype.kind not in "uif":
                raise ImageError(f"values of type {series[0].dtype}; integers and floating point are allowed")
            check_storage(series[0].keyframe)
            values = series[0].asarray()
            _no_damage(said)
            return np.asarray(values).reshape(shape)


def _no_damage(said: list[str]) -> None:
    if said:
        raise damaged(said[0])
