"""Pictures of what an operator leaves: thumbnails for the page, full-size PNG files for a folder.

A picture is encoded when it is handed over and its pixels are forgotten, so that memory holds kilobytes a picture
however large the photographs are. Differences are drawn on one scale for all operators; a scale of its own for each
would make the worst operator look like the best.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from poolzoo._files import write_whole
from poolzoo.analysis.rows import label

if TYPE_CHECKING:
    from poolzoo.analysis.compare import View

Pixels = npt.NDArray[Any]
#: Operator, parameters, state, seed, upsampling, kind.
Key = tuple[str, str, str, "int | None", "str | None", str]

KINDS = ("original", "pooled", "rebuilt", "difference")

#: Longest side of a thumbnail, and of the cut-out that is shown pixel by pixel.
THUMBNAIL = 320
DETAIL = 150
WEBP_QUALITY = 80

#: The difference that gets the strongest colour; larger ones look the same.
DIFFERENCE_SCALE = 0.25

#: Blue (darker than the original), near-white (equal), red (brighter): ColorBrewer's RdBu, safe for the colour-blind.
DIVERGING = (
    (5, 48, 97),
    (67, 147, 195),
    (146, 197, 222),
    (247, 247, 247),
    (244, 165, 130),
    (214, 96, 77),
    (103, 0, 31),
)

#: A picture file larger than this is not decoded: what Pillow itself calls a decompression bomb.
PIXEL_LIMIT = 178_956_970


@dataclass
class Picture:
    """One picture: ``pixels`` are (height, width, 3), uint8 or floats in [0, 1].

    ``kind`` is one of :data:`KINDS`. An original has no operator: ``pool``, ``params`` and ``state`` are empty.
    ``upsample`` says how it was rebuilt, where one operator has several.
    """

    image: str
    pool: str
    params: str
    state: str
    seed: int | None
    kind: str
    pixels: Pixels
    upsample: str | None = None

    @property
    def key(self) -> Key:
        """What tells this picture from every other of its image."""
        return (self.pool, self.params, self.state, self.seed, self.upsample, self.kind)


@dataclass(frozen=True)
class Thumbnail:
    """A picture made small, from ``width`` by ``height`` to ``size``.

    ``detail`` is a cut-out at full resolution: scaling down hides what pooling did.
    """

    image: str
    pool: str
    params: str
    state: str
    seed: int | None
    kind: str
    upsample: str | None
    width: int
    height: int
    size: tuple[int, int]
    webp: bytes
    detail: tuple[tuple[int, int], bytes] | None

    @property
    def key(self) -> Key:
        """What tells this picture from every other of its image."""
        return (self.pool, self.params, self.state, self.seed, self.upsample, self.kind)

    @property
    def uri(self) -> str:
        """The thumbnail as a data URI."""
        return _uri(self.webp)

    @property
    def detail_uri(self) -> str | None:
        """The cut-out as a data URI."""
        return _uri(self.detail[1]) if self.detail else None


def pictures_of(view: View) -> Iterator[Picture]:
    """The pictures of one row: the original, pooled, rebuilt, difference.

    The original is the same for every row of its image, the pooled one for every upsampling.
    """
    row = view.row
    name, who = row["image"], (row["pool"], row["params"], row["state"], row["seed"])
    yield Picture(name, "", "", "", None, "original", view.original)
    yield Picture(name, *who, "pooled", view.pooled)
    yield Picture(name, *who, "rebuilt", view.rebuilt, row["upsample"])
    yield Picture(name, *who, "difference", difference_pixels(view.original, view.rebuilt), row["upsample"])


class PictureBook:
    """Thumbnails of many pictures, by image."""

    def __init__(self) -> None:
        self._pictures: dict[str, dict[Key, Thumbnail]] = {}
        self._corners: dict[tuple[str, int, int], tuple[int, int]] = {}

    def add(self, picture: Picture) -> None:
        """Encode ``picture`` now; one that is there already is not encoded again.

        Add an image's original before the rest, so that all of its cut-outs show its busiest spot.
        """
        from PIL import Image

        shelf = self._pictures.setdefault(picture.image, {})
        if picture.key in shelf:
            return
        pixels = to_uint8(picture.pixels)
        height, width = pixels.shape[:2]
        small = Image.fromarray(pixels)
        if max(width, height) > THUMBNAIL:
            scale = THUMBNAIL / max(width, height)
            small = small.resize(
                (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS
            )
        detail = None
        if picture.kind in ("original", "rebuilt") and max(width, height) > DETAIL:
            shrink = DETAIL / max(width, height)
            rows, columns = max(1, round(height * shrink)), max(1, round(width * shrink))
            size = (picture.image, height, width)
            if picture.kind == "original":
                self._corners[size] = busiest(pixels, rows, columns)
            top, left = self._corners.get(size, ((height - rows) // 2, (width - columns) // 2))
            cut = Image.fromarray(pixels[top : top + rows, left : left + columns])
            detail = (cut.size, _webp(cut))
        shelf[picture.key] = Thumbnail(
            picture.image,
            picture.pool,
            picture.params,
            picture.state,
            picture.seed,
            picture.kind,
            picture.upsample,
            width,
            height,
            small.size,
            _webp(small),
            detail,
        )

    def update(self, other: PictureBook) -> None:
        """Take over another book's pictures."""
        for name, pictures in other._pictures.items():
            self._pictures.setdefault(name, {}).update(pictures)

    @property
    def images(self) -> list[str]:
        """The images that have pictures, in the order of their first."""
        return list(self._pictures)

    def for_image(self, name: str) -> list[Thumbnail]:
        """The pictures of one image, in the order they were added."""
        return list(self._pictures.get(name, {}).values())


class PictureFolder:
    """Saves pictures at full size as ``FOLDER/<image>/<operator>.<kind>.png``."""

    def __init__(self, path: str | Path, base: str | Path | None = None) -> None:
        """
        Args:
            path: the folder, made where it is missing.
            base: what the ``file`` of an entry is relative to: the folder of the result that will hold the entries.
                ``path`` itself where None.
        """
        self.path = Path(path)
        self.base = Path(base) if base is not None else self.path
        self._names = SafeNames()
        self._entries: dict[tuple[str, Key], dict[str, Any]] = {}

    def add(self, picture: Picture) -> dict[str, Any]:
        """Write one PNG, unless it was written before, and return its entry for the result's metadata.

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
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        Image.fromarray(to_uint8(picture.pixels)).save(stream, "PNG")
        write_whole(file, stream.getvalue())
        entry = {key: getattr(picture, key) for key in ("image", "pool", "params", "state", "seed", "kind", "upsample")}
        return self._entries.setdefault((picture.image, picture.key), {**entry, "file": relative.as_posix()})

    @property
    def entries(self) -> list[dict[str, Any]]:
        """An entry for each picture that was written, in that order: what belongs into ``metadata["pictures"]``."""
        return list(self._entries.values())


class SafeNames:
    """Names for files and anchors: plain letters, one name for one key, two names for two keys."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], str] = {}

    def of(self, name: str, *, scope: str = "", key: str | None = None) -> str:
        """A safe form of ``name``.

        Args:
            name: anything.
            scope: names differ within one scope.
            key: what the name stands for, where that is more than ``name``.
        """
        key = name if key is None else key
        slug = slugify(name)
        if self._taken.setdefault((scope, slug), key) != key:
            slug = f"{slug}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"
            self._taken.setdefault((scope, slug), key)
        return slug


def slugify(name: str) -> str:
    """``name`` in lower-case letters, digits, ``-`` and ``_``; at most 60 characters, never empty.

    No dot survives, so that no name means a folder, hides a file or carries an ending; device names of Windows
    get a tail.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")[:60].strip("-") or "unnamed"
    return f"{slug}-" if re.fullmatch(r"con|prn|aux|nul|(com|lpt)[0-9]", slug) else slug


def to_uint8(pixels: Pixels) -> Pixels:
    """Pixels as bytes: floats are clipped to [0, 1] and rounded, NaN is black; grey becomes RGB."""
    array = np.asarray(pixels)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise ValueError(f"pixels: shape {np.shape(pixels)} is not (height, width, 3)")
    if array.dtype != np.uint8:
        array = np.rint(np.clip(np.nan_to_num(array.astype(np.float64), posinf=1, neginf=0), 0, 1) * 255).astype(
            np.uint8
        )
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def difference_pixels(original: Pixels, rebuilt: Pixels, scale: float = DIFFERENCE_SCALE) -> Pixels:
    """The signed difference rebuilt minus original, averaged over the channels, as a picture.

    Args:
        original: floats in [0, 1] or uint8.
        rebuilt: of the same shape.
        scale: the difference that gets the strongest colour.

    Returns:
        float32 RGB in [0, 1]: near-white where equal, red where brighter than the original, blue where darker.
    """
    first, second = (
        array.astype(np.float32) / 255 if array.dtype == np.uint8 else array.astype(np.float32)
        for array in (np.asarray(original), np.asarray(rebuilt))
    )
    if first.shape != second.shape:
        raise ValueError(f"rebuilt: shape {second.shape} differs from the original's {first.shape}")
    difference = np.clip(np.nan_to_num((second - first).mean(axis=2), posinf=1, neginf=-1), -scale, scale)
    position, colours = np.linspace(-scale, scale, len(DIVERGING)), np.array(DIVERGING) / 255
    return np.stack([np.interp(difference, position, colours[:, c]) for c in range(3)], axis=2).astype(np.float32)


def busiest(pixels: Pixels, height: int, width: int) -> tuple[int, int]:
    """Top and left of the rectangle of ``height`` by ``width`` pixels with the most fine detail."""
    grey = pixels.astype(np.float32).mean(axis=2)
    energy = np.zeros_like(grey)
    energy[1:] += np.abs(np.diff(grey, axis=0))
    energy[:, 1:] += np.abs(np.diff(grey, axis=1))
    table = np.pad(energy.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    rows = np.arange(0, grey.shape[0] - height + 1, max(1, height // 4))
    columns = np.arange(0, grey.shape[1] - width + 1, max(1, width // 4))
    sums = (
        table[np.ix_(rows + height, columns + width)]
        - table[np.ix_(rows, columns + width)]
        - table[np.ix_(rows + height, columns)]
        + table[np.ix_(rows, columns)]
    )
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(rows[row]), int(columns[column])


def book_from_metadata(metadata: Mapping[str, Any], folder: str | Path) -> PictureBook:
    """Read back the pictures that a result names in ``metadata["pictures"]``.

    A result is a file that anyone may have written: nothing outside ``folder`` is opened.

    Args:
        metadata: of a result; without ``pictures`` the book is empty.
        folder: where the result lies.

    Raises:
        ValueError: an entry is malformed, its file lies outside ``folder``, is no PNG or too large.
        FileNotFoundError: a picture is not there any more.
    """
    book = PictureBook()
    entries = metadata.get("pictures") or []
    bad = [entry for entry in entries if not _is_entry(entry)] if isinstance(entries, list) else [entries]
    if bad:
        raise ValueError(f"metadata.pictures: {str(bad[0])[:200]!r} is not a picture's entry")
    # Originals first: the cut-outs of the others are taken where the original is busiest.
    for entry in sorted(entries, key=lambda entry: entry["kind"] != "original"):
        pixels = _read_png(Path(folder), entry["file"])
        seed, upsample = entry.get("seed"), entry.get("upsample")
        book.add(
            Picture(
                entry["image"],
                entry["pool"],
                entry["params"],
                entry["state"],
                seed if isinstance(seed, int) else None,
                entry["kind"],
                pixels,
                upsample if isinstance(upsample, str) else None,
            )
        )
    return book


def _is_entry(entry: Any) -> bool:
    texts = ("image", "pool", "params", "state", "kind", "file")
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in texts) and entry["kind"] in KINDS


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


def _webp(image: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=WEBP_QUALITY, method=2)
    return stream.getvalue()


def _uri(webp: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(webp).decode()
