"""Clips of pooled videos and volumes: a GIF file, and an MP4 file where PyAV is installed."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poolzoo._files import write_whole
from poolzoo.reports.pictures.cutouts import Pixels
from poolzoo.reports.pictures.picture import to_uint8

if TYPE_CHECKING:
    from PIL import Image

#: How long a frame is shown.
CLIP_FRAME_MS = 100


def write_clips(picture: Path, frames: Pixels, spare: Callable[[Path], None]) -> None:
    """Write frames next to a picture's file, under its name.

    Args:
        picture: the file of the middle frame.
        frames: ``(D, H, W, 3)``.
        spare: called first with the name of each file; raises if the file must not be replaced.
    """
    images = [to_uint8(frame) for frame in frames]
    for suffix, encode in ((".gif", gif_bytes), (".mp4", mp4_bytes)):
        content = encode(images)
        if content is not None:
            file = picture.with_suffix(suffix)
            spare(file)
            write_whole(file, content)


def gif_bytes(images: Sequence[Pixels]) -> bytes:
    """Return a looping GIF of ``(H, W, 3)`` uint8 images. Grey ones keep their values, colours are reduced to 256."""
    from PIL import Image

    grey = all(np.ptp(image, axis=2).max() == 0 for image in images)
    frames = [Image.fromarray(image[..., 0] if grey else image) for image in images]
    return looping_gif(frames, CLIP_FRAME_MS)


def looping_gif(frames: Sequence[Image.Image], frame_ms: int) -> bytes:
    """Return a GIF that starts anew after its last frame."""
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=frame_ms, loop=0)
    return stream.getvalue()


def mp4_bytes(images: Sequence[Pixels]) -> bytes | None:
    """Return an MP4 (H.264) of ``(H, W, 3)`` uint8 images, of even height and width: an odd edge is repeated once. None
    without PyAV.
    """
    try:
        import av
    except ImportError:
        return None
    height, width = images[0].shape[:2]
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=1000 // CLIP_FRAME_MS, options={"crf": "10", "preset": "medium"})
        video.width, video.height, video.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        video.thread_count = 1  # so that equal frames give equal files
        for image in images:
            padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            container.mux(video.encode(av.VideoFrame.from_ndarray(padded, format="rgb24")))
        container.mux(video.encode(None))
    return stream.getvalue()
