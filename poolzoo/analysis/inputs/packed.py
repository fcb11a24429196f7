"""Images packed in files: zip, tar (plain or compressed), Parquet, and numbered shards of these.

Nothing is unpacked to disk, and the names of members are labels only: no path is made of them. Members are read in the
order of the file, one at a time; of a Parquet file, :data:`PARQUET_ROWS` rows, of which pyarrow holds the whole page.
"""

from __future__ import annotations

import itertools
import lzma
import os
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from poolzoo._console import reason
from poolzoo.analysis.inputs.files import DECODER_ERRORS, MAX_PIXELS, ImageError, open_file
from poolzoo.analysis.inputs.images import IMAGE_SUFFIXES, Source, suffix_of
from poolzoo.analysis.results.store import ImageFile

#: The most bytes of one member, unpacked: as many as the most pixels with four samples of 16 bits.
MAX_MEMBER_BYTES = 8 * MAX_PIXELS
PARQUET_ROWS = 8
MOST_SHARDS = 100_000
#: What a set of images may be, for messages.
ALLOWED = "a folder, a zip, tar or Parquet file, or shards such as shards-{000..009}.tar"

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_ZIP, _PARQUET = (b"PK\x03\x04", b"PK\x05\x06"), b"PAR1"
_ENCRYPTED = 1
_BLOCK = 512
_ERRORS = (*DECODER_ERRORS, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError)


Wanted = Callable[[ImageFile], bool]


@dataclass(frozen=True)
class Member:
    """An image in a packed file.

    Attributes:
        file: its name, size (0 in a Parquet file) and state: the checksum in a zip, else the packed file's time.
        content: the bytes of the image; None if only names were asked for, or it cannot be read.
        problem: why it cannot be read, else empty.
    """

    file: ImageFile
    content: bytes | None = None
    problem: str = ""


def packed_files(given: str) -> list[str]:
    """Return the files that a name or a range of shards means: ``a-{08..11}.tar`` is four files.

    Raises:
        ImageError: one of them does not exist, or the range is not one.
    """
    if not os.path.lexists(given) and (ranges := _RANGE.findall(given)):
        first, last = map(int, ranges[0])
        if len(ranges) > 1 or not first <= last < first + MOST_SHARDS:
            raise ImageError(f"{given!r}: one rising range of at most {MOST_SHARDS} shards is allowed, as {{000..009}}")
        digits = len(ranges[0][0])
        paths = [_RANGE.sub(f"{number:0{digits}}", given) for number in range(first, last + 1)]
    else:
        paths = [given]
    for path in paths:
        if not os.path.isfile(path):
            where = "" if path == given else f"{given!r}: "
            raise ImageError(f"{where}{path!r}: no such folder or file; a dataset is {ALLOWED}")
    return paths


def read_members(
    given: str, passed_over: Counter[str] | None = None, *, content: bool = True, wanted: Wanted | None = None
) -> Iterator[Member]:
    """Yield the images in a packed file or in shards, in their order there.

    Images in zip and tar files are known by their suffix; hidden ones, folders and links are left out. In a Parquet
    file every row is one: of the column ``image``, else of the only column of images; its name is its path, else its
    row's number. With several shards, names begin with the shard's name.

    Args:
        given: as for :func:`packed_files`.
        passed_over: counts the members that are not images, by their suffixes.
        content: whether to read the images too.
        wanted: whether to read the content of this image; None means of all.

    Raises:
        ImageError: a file cannot be read, is encrypted or of another kind, or holds a name twice.
    """
    paths = packed_files(given)
    seen: set[str] = set()
    for path in paths:
        prefix = f"{os.path.basename(path)}/" if len(paths) > 1 else ""
        others: Counter[str] = Counter() if passed_over is None else passed_over
        read = _reader(path)
        try:
            for member in read(path, prefix, others, content, wanted or (lambda _: True)):
                if member.file.name in seen:
                    raise ImageError(f"{path!r}: holds the name {member.file.name!r} twice; each name once is allowed")
                seen.add(member.file.name)
                yield member
        except ImageError:
            raise
        except _ERRORS as error:
            raise ImageError(f"{path!r}: cannot be read: {reason(error)}") from error


def image_sources(given: str, names: Sequence[str]) -> list[Source]:
    """Return those of the named images that a folder or packed file has, in the order of ``names``.

    Raises:
        ImageError: a packed file cannot be read.
    """
    if os.path.isdir(given):
        paths = [(name, Path(given, name)) for name in names]
        return [Source(name, path) for name, path in paths if path.is_file()]
    found: dict[str, Source] = {}
    for member in read_members(given, wanted=lambda file: file.name in names):
        if member.content is not None:
            found[member.file.name] = Source(member.file.name, Path(member.file.name), content=member.content)
        if len(found) == len(names):
            break
    return [found[name] for name in names if name in found]


def _reader(path: str) -> Any:
    try:
        with open_file(Path(path)) as file:
            head = file.read(4)
    except ImageError as error:
        raise ImageError(f"{path!r}: {error}") from error
    if head == _PARQUET:
        return _parquet
    if head in _ZIP:
        return _zip
    try:
        if tarfile.is_tarfile(path):
            return _tar
    except _ERRORS:
        pass
    raise ImageError(f"{path!r}: not a zip, tar or Parquet file, or a damaged one; a dataset is {ALLOWED}")


def _is_image(name: str, passed_over: Counter[str]) -> bool:
    if any(part.startswith(".") and part not in (".", "..") for part in name.split("/")):
        return False
    if suffix_of(name) in IMAGE_SUFFIXES:
        return True
    passed_over[suffix_of(name)] += 1
    return False


def _member(file: ImageFile, size: int, opened: IO[bytes]) -> Member:
    """Return a member with its content, which is read only up to its announced size."""
    if not size:
        return Member(file, problem="empty file")
    data = opened.read(size)
    # A zip's checksum is compared at the end, which only a further read reaches.
    if len(data) < size or opened.read(1):
        return Member(file, problem=f"truncated or damaged: {len(data)} bytes where {size} are announced")
    return Member(file, data)


def _too_large(file: ImageFile, size: int) -> Member:
    return Member(file, problem=f"too large: {size} bytes; at most {MAX_MEMBER_BYTES} are read")


def _zip(path: str, prefix: str, passed_over: Counter[str], content: bool, wanted: Wanted) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        if any(info.flag_bits & _ENCRYPTED for info in archive.infolist()):
            raise ImageError(f"{path!r}: an encrypted zip file; one without a password is allowed")
        for info in archive.infolist():
            if info.is_dir() or not _is_image(info.filename, passed_over):
                continue
            file = ImageFile(prefix + info.filename, info.file_size, info.CRC)
            if not (content and wanted(file)):
                yield Member(file)
            elif info.file_size > MAX_MEMBER_BYTES:
                yield _too_large(file, info.file_size)
            else:
                try:
                    with archive.open(info) as opened:
                        member = _member(file, info.file_size, opened)
                except _ERRORS as error:
                    member = Member(file, problem=f"truncated or damaged: {reason(error)}")
                yield member


def _tar(path: str, prefix: str, passed_over: Counter[str], content: bool, wanted: Wanted) -> Iterator[Member]:
    changed = os.stat(path).st_mtime_ns
    with tarfile.open(path, "r:*") as archive:
        while (info := archive.next()) is not None:
            vars(archive)["members"].clear()  # which would grow with the file
            if info.islnk() or info.issym():
                passed_over["link"] += 1
            if not info.isreg():
                continue
            name = info.name.removeprefix("./")
            if not _is_image(name, passed_over):
                continue
            file = ImageFile(prefix + name, info.size, changed)
            if not (content and wanted(file)):
                yield Member(file)
            elif info.size > MAX_MEMBER_BYTES:
                yield _too_large(file, info.size)
            else:
                opened = archive.extractfile(info)
                assert opened is not None
                yield _member(file, info.size, opened)
        # After a damaged header, tarfile ends as if the file did.
        assert archive.fileobj is not None
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(_BLOCK).strip(b"\0"):
            raise ImageError(f"{path!r}: truncated or damaged: no header at byte {archive.offset}")


def _parquet(path: str, prefix: str, passed_over: Counter[str], content: bool, wanted: Wanted) -> Iterator[Member]:
    try:
        import pyarrow.parquet as pq
    except Exception as error:  # a pyarrow of another numpy raises anything
        raise ImageError(
            f"{path!r}: pip install 'poolzoo[parquet]' installs what reads a Parquet file ({reason(error)})"
        ) from error
    changed, used = os.stat(path).st_mtime_ns, set[str]()
    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as table:
        column = _image_column(path, table.schema_arrow)
        parts = _parts(table.schema_arrow.field(column).type)
        for number, (given, data, problem) in enumerate(_rows(table, column, parts, content)):
            name = given if given and "\0" not in given else f"row {number}"
            if name in used:
                name = f"{name} (row {number})"
            used.add(name)
            file = ImageFile(prefix + name, 0, changed)
            if not (content and wanted(file)):
                yield Member(file)
            elif problem:
                yield Member(file, problem=problem)
            elif not data:
                yield Member(file, problem="no image in this row; its bytes are needed, no path is followed")
            elif len(data) > MAX_MEMBER_BYTES:
                yield _too_large(file, len(data))
            else:
                yield Member(file, data)


def _rows(table: Any, column: str, parts: list[str], content: bool) -> Iterator[tuple[str | None, bytes | None, str]]:
    """Yield the path of each row, its bytes, and why they cannot be read: all rows of a group that follow damage."""
    if not content and "path" not in parts:
        yield from itertools.repeat((None, None, ""), table.metadata.num_rows)
        return

    def read(group: int, leaves: list[str]) -> Iterator[Any]:
        for batch in table.iter_batches(PARQUET_ROWS, row_groups=[group], columns=leaves, use_threads=False):
            for row in batch.column(0):
                value = row.as_py()
                yield value if parts else {"bytes": value}

    paths = [f"{column}.path"] if "path" in parts else []
    leaves = ([f"{column}.bytes"] if parts else [column]) if content else []
    for group in range(table.num_row_groups):
        done, count = 0, table.metadata.row_group(group).num_rows
        try:
            for row in read(group, leaves + paths):
                yield (row or {}).get("path"), (row or {}).get("bytes"), ""
                done += 1
        except _ERRORS as error:
            if not content:
                raise
            problem = f"truncated or damaged: {reason(error)}"
            rest = read(group, paths) if paths else itertools.repeat({}, count)
            for row in itertools.islice(rest, done, None):
                yield (row or {}).get("path"), None, problem


def _parts(kind: Any) -> list[str]:
    """Return the parts of a column of structs that are read; none for plain bytes."""
    import pyarrow as pa

    return [part for part in ("bytes", "path") if kind.get_field_index(part) >= 0] if pa.types.is_struct(kind) else []


def _image_column(path: str, schema: Any) -> str:
    import pyarrow as pa

    def holds_bytes(kind: Any) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    found = [
        field.name
        for field in schema
        if holds_bytes(field.type) or ("bytes" in _parts(field.type) and holds_bytes(field.type.field("bytes").type))
    ]
    if "image" in found:
        return "image"
    if len(found) != 1:
        which = f"{len(found)} such columns, {', '.join(found)}" if found else f"only {', '.join(schema.names)}"
        raise ImageError(
            f"{path!r}: a column 'image', or only one, of bytes or of bytes and a path is needed; it has {which}"
        )
    return str(found[0])
