"""Pictures as full-size PNG files in a folder, and a book of the pictures that a result lists."""

from __future__ import annotations

import errno
import hashlib
import io
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from poolzoo._files import write_whole
from poolzoo.analysis.results.rows import label
from poolzoo.reports.pictures.clip_files import write_clips
from poolzoo.reports.pictures.cutouts import Box, Pixels, cut_part
from poolzoo.reports.pictures.picture import PICTURE_KINDS, PictureKey, ReportPicture, to_uint8
from poolzoo.reports.pictures.picture_book import PictureBook

#: A picture file larger than this is not decoded: what Pillow itself calls a decompression bomb.
PIXEL_LIMIT = 178_956_970


class PictureFolder:
    """Saves pictures at full size as ``FOLDER/<image>/<operator>.<kind>.png``, and clips next to them."""

    def __init__(
        self,
        path: str | Path,
        base: str | Path | None = None,
        spare: Callable[[Path], None] = lambda file: None,
    ) -> None:
        """
        Args:
            path: the folder, which is made if it is missing.
            base: the folder of the result that will hold the entries; their ``file`` is relative to it. None means
                ``path``.
            spare: called first with the name of each file; raises if the file must not be replaced.
        """
        self.path = Path(path)
        self.base = Path(base) if base is not None else self.path
        self._spare = spare
        self._names = SafeNames()
        self._entries: dict[tuple[str, PictureKey], dict[str, object]] = {}

    def add(self, picture: ReportPicture) -> dict[str, object]:
        """Write one PNG, unless it was written before, and return its entry for the result's metadata.

        Of a video or a volume, all its frames are written too: ``.gif``, and ``.mp4`` where PyAV is installed.

        Raises:
            OSError: the folder cannot be made or written.
            ValueError: the folder does not lie below ``base``, from where a report could find it again.
        """
        from PIL import Image

        if known := self._entries.get((picture.image, picture.key)):
            return known
        image = self._names.of(picture.image.replace("\\", "/").rstrip("/").rpartition("/")[2], key=picture.image)
        spec = label({"pool": picture.pool, "params": picture.params})
        parts = [
            spec,
            picture.state if picture.state != "fixed" else "",
            str(picture.seed or ""),
            picture.upsample or "",
        ]
        identity = repr((picture.pool, picture.params, picture.state, picture.seed, picture.upsample))
        operator = self._names.of("-".join(filter(None, parts)), scope=picture.image, key=identity) if spec else ""
        file = self.path / image / f"{operator}{'.' * bool(operator)}{picture.kind}.png"
        try:
            relative = file.resolve().relative_to(self.base.resolve())
        except ValueError:
            raise ValueError(f"{str(self.path)!r} is not inside {str(self.base)!r}, where the result is kept") from None
        self._spare(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        pixels, more = _for_file(picture)
        Image.fromarray(pixels).save(stream, "PNG")
        write_whole(file, stream.getvalue())
        if picture.clip is not None:
            write_clips(file, picture.clip(), self._spare)
        entry: dict[str, object] = {
            key: getattr(picture, key) for key in ("image", "pool", "params", "state", "seed", "kind", "upsample")
        }
        entry |= more
        return self._entries.setdefault((picture.image, picture.key), {**entry, "file": relative.as_posix()})

    @property
    def entries(self) -> list[dict[str, object]]:
        """An entry for each picture that was written, in that order, for ``metadata["pictures"]``."""
        return list(self._entries.values())


def _for_file(picture: ReportPicture) -> tuple[Pixels, dict[str, object]]:
    """Return the bytes to save, and the extra facts for the entry."""
    if picture.kind == "weights":
        part = cut_part(picture.pixels, Box(0, 0, *picture.pixels.shape[:2]), bounds=picture.bounds)
        return part.bytes, {"bounds": [part.low, part.high], "corner": list(picture.corner)}
    more: dict[str, object] = {"submaps": picture.submaps} if picture.submaps > 1 else {}
    beyond = picture.pixels.dtype != np.uint8 and (picture.pixels.min() < 0 or picture.pixels.max() > 1)
    return to_uint8(picture.pixels), more | ({"clipped": True} if beyond else {})


class SafeNames:
    """Names for files and anchors, of plain letters: equal keys get one name, different keys get different names."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], str] = {}

    def of(self, name: str, *, scope: str = "", key: str | None = None) -> str:
        """Return a safe form of ``name``.

        Args:
            name: anything.
            scope: names differ within one scope.
            key: the identity that the name stands for; None means ``name``.
        """
        key = name if key is None else key
        slug = slugify(name)
        if self._taken.setdefault((scope, slug), key) != key:
            slug = f"{slug}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"
            self._taken.setdefault((scope, slug), key)
        return slug


def slugify(name: str) -> str:
    """Return ``name`` in lower-case letters, digits, ``-`` and ``_``; at most 60 characters, never empty.

    It contains no dot, so that no name means a folder, hides a file or has a suffix; device names of Windows get a dash
    at the end.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")[:60].strip("-") or "unnamed"
    return f"{slug}-" if re.fullmatch(r"con|prn|aux|nul|(com|lpt)[0-9]", slug) else slug


def book_from_metadata(metadata: Mapping[str, Any], folder: str | Path) -> PictureBook:
    """Read the pictures that a result lists in ``metadata["pictures"]``.

    Anyone may have written the result's file, so nothing outside ``folder`` is opened.

    Args:
        metadata: of a result; without ``pictures`` the book is empty.
        folder: the folder of the result.

    Raises:
        ValueError: an entry is malformed, or its file lies outside ``folder``, is not a PNG, is too large, or does not
            fit its image's original.
        FileNotFoundError: a picture is missing.
    """
    book = PictureBook()
    entries = metadata.get("pictures") or []
    bad = [entry for entry in entries if not _is_entry(entry)] if isinstance(entries, list) else [entries]
    if bad:
        raise ValueError(f"metadata.pictures: {str(bad[0])[:200]!r} is not a picture's entry")
    # In the order of PICTURE_KINDS: what is kept of one depends on those before it. Differences follow from the others.
    for entry in sorted(entries, key=lambda entry: PICTURE_KINDS.index(entry["kind"])):
        if entry["kind"] == "difference" or not book.has_room(entry["image"]):
            continue
        pixels = _read_png(Path(folder), entry["file"])
        texts = {key: entry[key] for key in ("image", "pool", "params", "state", "kind")}
        known = {key: entry[key] for key in ("seed", "upsample", "submaps", "clipped") if entry.get(key) is not None}
        pairs = {key: tuple(entry[key]) for key in ("bounds", "corner") if entry.get(key) is not None}
        book.add(ReportPicture(**{"seed": None, **texts, **known, **pairs}, pixels=pixels))
    return book


def _is_entry(entry: Any) -> bool:
    texts = ("image", "pool", "params", "state", "kind", "file")
    if not (isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in texts)):
        return False
    checked = (_MAY_SAY[key](entry[key]) for key in _MAY_SAY if entry.get(key) is not None)
    return entry["kind"] in PICTURE_KINDS and all(checked)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _is_bound(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


#: The optional keys of an entry, and the check of their values.
_MAY_SAY: dict[str, Callable[[Any], bool]] = {
    "seed": lambda value: type(value) is int,
    "upsample": lambda value: isinstance(value, str),
    "submaps": lambda value: _is_count(value) and value > 0,
    "clipped": lambda value: isinstance(value, bool),
    "bounds": lambda value: isinstance(value, list) and len(value) == 2 and all(map(_is_bound, value)),
    "corner": lambda value: isinstance(value, list) and len(value) == 2 and all(map(_is_count, value)),
}


def _read_png(folder: Path, name: str) -> Pixels:
    import warnings

    from PIL import Image

    file = folder / name
    try:
        inside = file.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"metadata.pictures: {name!r} is no file name ({error})") from error
    if Path(name).is_absolute() or ".." in re.split(r"[/\\]", name) or not inside:
        raise ValueError(f"metadata.pictures: {name!r} leaves the result's folder")
    if not file.is_file():
        raise FileNotFoundError(errno.ENOENT, "no such picture", str(file))
    try:
        with warnings.catch_warnings():
            # Pillow warns at half the size that it refuses; the limit here is explicit.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=["PNG"]) as image:
                if image.width * image.height > PIXEL_LIMIT:
                    raise ValueError(f"{image.width}x{image.height} pixels are more than {PIXEL_LIMIT}")
                return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"metadata.pictures: {str(file)!r}: {error}") from error
