"""Pictures of what an operator leaves: a cut-out of each for the page, full-size PNG files for a folder.

What a picture gives is taken when it is handed over and its pixels are forgotten, so that memory holds kilobytes a
picture however large the photographs are, and a bounded number of images however many there are. Saved differences
are drawn on one scale for all operators; a scale of its own for each would make the worst operator look like the best.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poolzoo._files import write_whole
from poolzoo.analysis.results.schema import UPSAMPLE_NONE, label
from poolzoo.reports.pictures.cutouts import TAPS, Box, Part, Pixels as Pixels, cut_part, rebuild_part, sources

if TYPE_CHECKING:
    from poolzoo.analysis.scoring.round_trip import View

#: Operator, parameters, state, seed.
Operator = tuple[str, str, str, "int | None"]
#: Operator, parameters, state, seed, upsampling, kind.
Key = tuple[str, str, str, "int | None", "str | None", str]

KINDS = ("original", "pooled", "rebuilt", "difference", "weights")

#: Longest side of a thumbnail, of the cut-out that a page shows pixel by pixel, and of the part of it with weights.
THUMBNAIL, CUTOUT, WEIGHTS = 320, 384, 48
#: Images of which a book keeps pictures: the first ones; the rest are in the rows.
IMAGES = 8
WEBP_QUALITY = 80
#: The share of a cut-out's pixels that a colour scale for its differences must reach.
CONTRAST = 0.98

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
    """One picture: ``pixels`` are (height, width, 3), floats or uint8; a page shows 0 as black and 1 as white.

    ``kind`` is one of :data:`KINDS`. An original has no operator: ``pool``, ``params`` and ``state`` are empty.
    ``upsample`` says how it was rebuilt, where one operator has several. ``submaps`` stand side by side in a pooled
    picture. ``bounds`` are what black and white mean, of floats at least; ``clipped`` says that they cannot tell all.
    ``corner`` says where in the original, counted from its top and left, the pixels lie that ``weights`` are of.
    """

    image: str
    pool: str
    params: str
    state: str
    seed: int | None
    kind: str
    pixels: Pixels
    upsample: str | None = None
    submaps: int = 1
    bounds: tuple[float, float] = (0.0, 1.0)
    clipped: bool = False
    corner: tuple[int, int] = (0, 0)

    @property
    def operator(self) -> Operator:
        """What made it."""
        return (self.pool, self.params, self.state, self.seed)

    @property
    def key(self) -> Key:
        """What tells this picture from every other of its image."""
        return (*self.operator, self.upsample, self.kind)


@dataclass(frozen=True)
class Thumbnail:
    """A picture made small: its width and height, and a WebP file."""

    width: int
    height: int
    webp: bytes

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return "data:image/webp;base64," + base64.b64encode(self.webp).decode()


@dataclass(frozen=True)
class Rebuilt:
    """A rebuilt cut-out.

    Attributes:
        part: its pixels; None where interpolating the pooled ones gives them.
        contrast: the difference to the original, averaged over the channels, that :data:`CONTRAST` of the pixels do
            not exceed.
    """

    part: Part | None
    contrast: float


@dataclass
class Shelf:
    """What a book keeps of one image.

    Attributes:
        size: height and width of the original.
        thumbnail: all of it, small.
        original: the cut-out; ``original.box`` is where it lies.
        pooled: by operator, the values from which the cut-out is rebuilt.
        rebuilt: by operator and upsampling.
        weights: by operator, the weights of a small part of the cut-out.
        clipped: operators whose pictures come from files that could not hold values beyond [0, 1].
    """

    size: tuple[int, int]
    thumbnail: Thumbnail
    original: Part
    pooled: dict[Operator, Part] = field(default_factory=dict)
    rebuilt: dict[tuple[Operator, str], Rebuilt] = field(default_factory=dict)
    weights: dict[Operator, Part] = field(default_factory=dict)
    clipped: set[Operator] = field(default_factory=set)

    @property
    def operators(self) -> list[Operator]:
        """Those that have a rebuilt picture, in the order they came."""
        return list(dict.fromkeys(operator for operator, _ in self.rebuilt))


def pictures_of(view: View) -> Iterator[Picture]:
    """The pictures of one row: the original, pooled, rebuilt, difference.

    The original is the same for every row of its image, the pooled one for every upsampling. At low resolution there is
    no rebuilt one; the pooled one says so by its ``upsample``.
    """
    row = view.row
    name, who = row["image"], (row["pool"], row["params"], row["state"], row["seed"])
    yield Picture(name, "", "", "", None, "original", view.original)
    if row["upsample"] == UPSAMPLE_NONE:
        yield Picture(name, *who, "pooled", view.pooled, UPSAMPLE_NONE)
    else:
        yield Picture(name, *who, "pooled", view.pooled, submaps=view.submaps)
        yield Picture(name, *who, "rebuilt", view.rebuilt, row["upsample"])
    yield Picture(name, *who, "difference", difference_pixels(view.original, view.rebuilt), row["upsample"])


def weights_picture(row: Mapping[str, Any], box: Box, weights: Pixels) -> Picture:
    """The weights of the pixels of ``box`` in a row's image, as a picture.

    Args:
        row: of the operator.
        box: from :func:`weights_box`.
        weights: ``(H, W)``, of any sign.
    """
    who = (row["pool"], row["params"], row["state"], row["seed"])
    return Picture(row["image"], *who, "weights", weights, bounds=(0.0, 0.0), corner=(box.top, box.left))


def two_axes(size: Any) -> tuple[int, int] | None:
    """``2`` or ``"3x2"``, as a row states a size, for two axes; None where it is of another number of axes."""
    sizes = str(size).split("x")
    if len(sizes) > 2 or not all(part.isascii() and part.isdigit() and int(part) for part in sizes):
        return None
    return int(sizes[0]), int(sizes[-1])


def cutout_box(original: Pixels, side: int = CUTOUT) -> Box:
    """Where an image is busiest: the rectangle, at most ``side`` long, that a page shows pixel by pixel."""
    height, width = (min(side, length) for length in original.shape[:2])
    return Box(*busiest(original, height, width), height, width)


def weights_box(original: Pixels, stride: tuple[int, ...]) -> Box | None:
    """The busiest part of the cut-out, in whole strides, of which a page shows weights; None where there is none."""
    outer = cutout_box(original)
    inner = cutout_box(original[outer.slices], WEIGHTS)
    tops, lefts = (
        range(-(-start // step) * step, start + length - step + 1, step)
        for start, length, step in zip(
            (outer.top + inner.top, outer.left + inner.left), (inner.height, inner.width), stride, strict=True
        )
    )
    return Box(tops[0], lefts[0], len(tops) * tops.step, len(lefts) * lefts.step) if tops and lefts else None


class PictureBook:
    """Cut-outs of the pictures of the first :data:`IMAGES` images."""

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}

    def has_room(self, image: str) -> bool:
        """Whether pictures of ``image`` are kept."""
        return image in self._shelves or len(self._shelves) < IMAGES

    def add(self, picture: Picture) -> None:
        """Keep what the page needs of ``picture``; one that is there already, or has no room, is passed over.

        Raises:
            ValueError: an image's original did not come first, or the picture does not fit it.
        """
        if not self.has_room(picture.image):
            return
        shelf = self._shelves.get(picture.image)
        if picture.kind == "original":
            if shelf is None:
                box = cutout_box(picture.pixels)
                part = cut_part(picture.pixels, box, bounds=picture.bounds)
                self._shelves[picture.image] = Shelf(picture.pixels.shape[:2], thumbnail(picture.pixels), part)
        elif shelf is None:
            raise ValueError(f"picture of {picture.image!r}: its original has to come first")
        else:
            _KEEP[picture.kind](shelf, picture)

    def update(self, other: PictureBook) -> None:
        """Take over another book's pictures, where there is room and none of the same."""
        for name, theirs in other._shelves.items():
            if not self.has_room(name):
                continue
            own = self._shelves.setdefault(name, theirs)
            if own.original == theirs.original:
                own.pooled = theirs.pooled | own.pooled
                own.rebuilt = theirs.rebuilt | own.rebuilt
                own.weights = theirs.weights | own.weights
                own.clipped |= theirs.clipped

    @property
    def images(self) -> list[str]:
        """The images that have pictures, in the order of their first."""
        return list(self._shelves)

    def shelf(self, name: str) -> Shelf:
        """What is kept of one image."""
        return self._shelves[name]


def _keep_pooled(shelf: Shelf, picture: Picture) -> None:
    if picture.operator in shelf.pooled:
        return
    size = (picture.pixels.shape[0], picture.pixels.shape[1] // picture.submaps)
    if picture.pixels.shape[1] % picture.submaps:
        raise ValueError(f"picture of {picture.image!r}: {picture.pixels.shape[1]} columns, {picture.submaps} submaps")
    if picture.upsample == UPSAMPLE_NONE:
        _check_size(shelf, picture)
        part = cut_part(picture.pixels, shelf.original.box, bounds=picture.bounds)
        shelf.rebuilt[picture.operator, UPSAMPLE_NONE] = Rebuilt(None, _contrast(shelf, part))
    box = sources(shelf.original.box, size, shelf.size)
    shelf.pooled[picture.operator] = cut_part(picture.pixels, box, picture.submaps, picture.bounds)
    if picture.clipped:
        shelf.clipped.add(picture.operator)


def _keep_rebuilt(shelf: Shelf, picture: Picture) -> None:
    upsample = picture.upsample or ""
    if (picture.operator, upsample) in shelf.rebuilt:
        return
    _check_size(shelf, picture)
    box = shelf.original.box
    part = cut_part(picture.pixels, box, bounds=picture.bounds)
    pooled = shelf.pooled.get(picture.operator)
    derived = pooled is not None and _gives(pooled, picture, box, shelf.size)
    shelf.rebuilt[picture.operator, upsample] = Rebuilt(None if derived else part, _contrast(shelf, part))
    if picture.clipped:
        shelf.clipped.add(picture.operator)


def _check_size(shelf: Shelf, picture: Picture) -> None:
    if picture.pixels.shape[:2] != shelf.size:
        (height, width), (tall, wide) = shelf.size, picture.pixels.shape[:2]
        raise ValueError(
            f"picture of {picture.image!r}: a {picture.kind} one has {wide}x{tall} pixels,"
            f" the original {width}x{height}"
        )


def _contrast(shelf: Shelf, part: Part) -> float:
    difference = abs((part.values - shelf.original.values).mean(axis=2))
    return float(np.quantile(difference, CONTRAST))


def _gives(pooled: Part, picture: Picture, box: Box, full: tuple[int, int]) -> bool:
    """Whether interpolating the pooled bytes gives the rebuilt picture, as exactly as bytes can."""
    if pooled.submaps > 1 or picture.upsample not in TAPS:
        return False
    again, wanted = rebuild_part(pooled, box, full, picture.upsample), picture.pixels[box.slices]
    half = (pooled.high - pooled.low) / 510
    # Bicubic weights add up to at most 1.375 an axis without their signs: that much of half a step can remain.
    allowed = half * 1.375**2 + 1e-6
    if wanted.dtype == np.uint8:
        wanted, again, allowed = wanted / 255, np.clip(again, 0, 1), allowed + 1 / 510
    return bool(abs(again - wanted).max() <= allowed)


def _keep_weights(shelf: Shelf, picture: Picture) -> None:
    box = Box(*picture.corner, *picture.pixels.shape[:2])
    if not shelf.original.box.holds(box):
        raise ValueError(f"picture of {picture.image!r}: weights of pixels that are not in the cut-out")
    part = cut_part(picture.pixels, Box(0, 0, box.height, box.width), bounds=picture.bounds)
    shelf.weights.setdefault(picture.operator, replace(part, box=box, size=shelf.size))


#: How a book keeps a picture of each kind. Differences are drawn from the others.
_KEEP: dict[str, Callable[[Shelf, Picture], None]] = {
    "pooled": _keep_pooled,
    "rebuilt": _keep_rebuilt,
    "difference": lambda shelf, picture: None,
    "weights": _keep_weights,
}


def thumbnail(pixels: Pixels, side: int = THUMBNAIL) -> Thumbnail:
    """A picture, at most ``side`` long, as lossy WebP."""
    from PIL import Image

    image = Image.fromarray(to_uint8(pixels))
    if max(image.size) > side:
        scale = side / max(image.size)
        width, height = (max(1, round(length * scale)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=WEBP_QUALITY, method=2)
    return Thumbnail(*image.size, stream.getvalue())


class PictureFolder:
    """Saves pictures at full size as ``FOLDER/<image>/<operator>.<kind>.png``."""

    def __init__(
        self,
        path: str | Path,
        base: str | Path | None = None,
        spare: Callable[[Path], None] = lambda file: None,
    ) -> None:
        """
        Args:
            path: the folder, made where it is missing.
            base: what the ``file`` of an entry is relative to: the folder of the result that will hold the entries.
                ``path`` itself where None.
            spare: called with the name of each file first; raises where it must not be replaced.
        """
        self.path = Path(path)
        self.base = Path(base) if base is not None else self.path
        self._spare = spare
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
        self._spare(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        pixels, more = _for_file(picture)
        Image.fromarray(pixels).save(stream, "PNG")
        write_whole(file, stream.getvalue())
        entry = {key: getattr(picture, key) for key in ("image", "pool", "params", "state", "seed", "kind", "upsample")}
        entry |= more
        return self._entries.setdefault((picture.image, picture.key), {**entry, "file": relative.as_posix()})

    @property
    def entries(self) -> list[dict[str, Any]]:
        """An entry for each picture that was written, in that order: what belongs into ``metadata["pictures"]``."""
        return list(self._entries.values())


def _for_file(picture: Picture) -> tuple[Pixels, dict[str, Any]]:
    """The bytes to save, and what an entry has to say of them beside the usual."""
    if picture.kind == "weights":
        part = cut_part(picture.pixels, Box(0, 0, *picture.pixels.shape[:2]), bounds=picture.bounds)
        return part.bytes, {"bounds": [part.low, part.high], "corner": list(picture.corner)}
    more: dict[str, Any] = {"submaps": picture.submaps} if picture.submaps > 1 else {}
    beyond = picture.pixels.dtype != np.uint8 and (picture.pixels.min() < 0 or picture.pixels.max() > 1)
    return to_uint8(picture.pixels), more | ({"clipped": True} if beyond else {})


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
        ValueError: an entry is malformed, its file lies outside ``folder``, is no PNG, too large, or does not fit its
            image's original.
        FileNotFoundError: a picture is not there any more.
    """
    book = PictureBook()
    entries = metadata.get("pictures") or []
    bad = [entry for entry in entries if not _is_entry(entry)] if isinstance(entries, list) else [entries]
    if bad:
        raise ValueError(f"metadata.pictures: {str(bad[0])[:200]!r} is not a picture's entry")
    # In the order of KINDS: what is kept of one depends on those before it. Differences follow from the others.
    for entry in sorted(entries, key=lambda entry: KINDS.index(entry["kind"])):
        if entry["kind"] == "difference" or not book.has_room(entry["image"]):
            continue
        pixels = _read_png(Path(folder), entry["file"])
        texts = {key: entry[key] for key in ("image", "pool", "params", "state", "kind")}
        known = {key: entry[key] for key in ("seed", "upsample", "submaps", "clipped") if entry.get(key) is not None}
        pairs = {key: tuple(entry[key]) for key in ("bounds", "corner") if entry.get(key) is not None}
        book.add(Picture(**{"seed": None, **texts, **known, **pairs}, pixels=pixels))
    return book


def _is_entry(entry: Any) -> bool:
    texts = ("image", "pool", "params", "state", "kind", "file")
    if not (isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in texts)):
        return False
    checked = (_MAY_SAY[key](entry[key]) for key in _MAY_SAY if entry.get(key) is not None)
    return entry["kind"] in KINDS and all(checked)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _is_bound(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


#: What an entry need not have, and what it may be.
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
