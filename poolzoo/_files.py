"""Write files: an output file is complete or not there, and never replaces a file that the command reads.

Every output is written here. A name is followed through symbolic links to its target. A regular file is replaced by one
with its mode and owner, a character device or a FIFO is written into, ``-`` is standard output, and everything else is
refused.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from poolzoo._console import say

#: The formats of a result's text by the suffixes of its files, and the suffixes of a page.
SUFFIXES = {".csv": "csv", ".json": "json", ".md": "markdown", ".txt": "table"}
PAGE = (".html", ".htm")
#: The formats of `poolzoo export` by the endings of its files.
EXPORTS = {".csv": "csv", ".json": "json", ".md": "markdown", ".tex": "latex", ".parquet": "parquet"}
#: The suffix of fitted parameters.
WEIGHTS = (".safetensors",)
#: The suffixes by which readers know what a file holds, but for those of stores.
KNOWN = frozenset((*SUFFIXES, *EXPORTS, *PAGE, *WEIGHTS, ".png", ".svg", ".pdf", ".gif", ".mp4"))

#: The output name for standard output.
STDOUT = Path("-")

Content = str | bytes | Iterable[str | bytes]
PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Target:
    """Where an output is written.

    Attributes:
        name: the file as it was named.
        path: the file behind symbolic links.
        kind: ``file`` is replaced as a whole; a ``stream`` is written into.
        about: the stat result of an existing file.
    """

    name: Path
    path: Path
    kind: Literal["file", "stream", "stdout"]
    about: os.stat_result | None = None


def suffix_among(path: PathLike, suffixes: Collection[str], argument: str) -> str:
    """Return the suffix of a file name in lower case.

    Raises:
        ValueError: it is none of ``suffixes``.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in suffixes:
        raise ValueError(f"{argument}={os.fspath(path)!r}: a name that ends in {', '.join(suffixes)} is allowed")
    return suffix


def format_of(output: PathLike, fmt: str | None, formats: Mapping[str, str]) -> str:
    """Return the format of a file: the given one, or that of the file's ending.

    Args:
        output: the file.
        fmt: the format, or None.
        formats: the formats that are allowed, by their endings.

    Raises:
        ValueError: the format is not allowed, the ending is that of another one, or there is neither.
    """
    name, suffix = os.fspath(output), Path(output).suffix.lower()
    if fmt is not None and fmt not in formats.values():
        raise ValueError(f"format={fmt!r}: {', '.join(formats.values())} are allowed")
    if fmt is None and suffix not in formats:
        raise ValueError(f"output {name!r}: give format, or a name that ends in {_listed(formats)}")
    if fmt is not None and suffix in KNOWN and formats.get(suffix) != fmt:
        allowed = next(ending for ending, says in formats.items() if says == fmt)
        raise ValueError(f"output {name!r}: with format {fmt} its name ends in {allowed}")
    return fmt or formats[suffix]


#: Targets that cannot be written.
_REFUSED = {stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a block device"}


def find_target(name: PathLike) -> Target:
    """Return where an output of this name is written.

    Raises:
        ValueError: it cannot be written; the message says why.
    """
    name = Path(name)
    if name == STDOUT:
        return Target(name, name, "stdout")
    try:
        about = os.stat(name)
    except FileNotFoundError:
        return Target(name, Path(os.path.realpath(name)), "file")
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot write {str(name)!r}: {getattr(error, 'strerror', error)}") from error
    if refused := _REFUSED.get(stat.S_IFMT(about.st_mode)):
        raise ValueError(f"{str(name)!r} is {refused}; give a file name")
    if _is_standard_output(about):
        return Target(name, name, "stdout", about)
    # A file that was deleted while it is open, as /dev/fd/3, has no name to which another could be renamed.
    path = Path(os.path.realpath(name))
    named = stat.S_ISREG(about.st_mode) and path.exists() and os.path.samestat(path.stat(), about)
    return Target(name, path if named else name, "file" if named else "stream", about)


def _is_standard_output(about: os.stat_result) -> bool:
    try:
        return os.path.samestat(about, os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):  # it is closed, or no file
        return False


def check_writable(path: PathLike, argument: str) -> Target:
    """Raise an error if ``path`` cannot be written, before any long work is done for it.

    A FIFO is not opened, so that the command waits for its reader only when there is something to write.

    Args:
        path: the file that will be written.
        argument: the option or argument that named it, for the message.

    Raises:
        ValueError: the path is a folder, a socket or a block device, its folder is missing, or it cannot be written.
    """
    try:
        target = find_target(path)
    except ValueError as error:
        raise ValueError(f"{argument}: {error}") from error
    if target.kind == "stdout":
        return target
    if target.about is not None and not os.access(target.path, os.W_OK):
        raise ValueError(f"{argument}: cannot write {str(path)!r}: Permission denied")
    if target.kind == "file":
        _check_folder(target.path.parent, argument, target.name)
    return target


def _check_folder(folder: Path, argument: str, name: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"{argument}: cannot write {str(name)!r}: there is no folder {str(_as_named(folder, name))!r}")
    try:
        # Creating and removing a file asks the file system itself: permission bits do not tell of read-only mounts.
        handle, probe = tempfile.mkstemp(dir=folder, prefix=".poolzoo-")
    except OSError as error:
        raise ValueError(f"{argument}: cannot write {str(name)!r}: {error.strerror}") from error
    os.close(handle)
    os.unlink(probe)


def _as_named(folder: Path, name: Path) -> Path:
    """Return the folder as the user named it, unless a link led elsewhere."""
    return name.parent if Path(os.path.realpath(name.parent)) == folder else folder


def write_whole(path: PathLike, content: Content) -> Path:
    """Write ``content`` to the target of ``path``; no reader of a regular file sees an incomplete one.

    Raises:
        ValueError: the path is a folder, a socket or a block device.
        OSError: it cannot be written; ``filename`` is the path, and the earlier content is unchanged.
    """
    target = find_target(path)
    if target.kind == "stdout":
        for data in _encoded(content):
            say(data, nl=False)
    elif target.kind == "stream":
        # A reader that goes away has what it wanted.
        with (
            _blaming(target),
            contextlib.suppress(BrokenPipeError),
            open(os.open(target.path, os.O_WRONLY), "wb") as stream,
        ):
            stream.writelines(_encoded(content))
    else:
        _replace([(target, content)])
    return Path(path)


def write_all(files: Iterable[tuple[Path, Content]]) -> list[Path]:
    """Write all of these regular files, or none if one of them cannot be written.

    Raises:
        ValueError: one is not a regular file.
        OSError: one cannot be written.
    """
    found = [(find_target(path), content) for path, content in files]
    for target, _ in found:
        if target.kind != "file":
            raise ValueError(f"{str(target.name)!r} is not a regular file")
    _replace(found)
    return [target.name for target, _ in found]


def _replace(files: Iterable[tuple[Target, Content]]) -> None:
    """Write each file under a temporary name next to its target; when all are written, rename them."""
    staged: list[tuple[str, Target]] = []
    try:
        for target, content in files:
            with _blaming(target):
                handle, temporary = tempfile.mkstemp(dir=target.path.parent, prefix=".poolzoo-")
                staged.append((temporary, target))
                with os.fdopen(handle, "wb") as file:
                    file.writelines(_encoded(content))
                _give_mode_and_owner(temporary, target.about)
        while staged:
            temporary, target = staged[0]
            with _blaming(target):
                os.replace(temporary, target.path)
            staged.pop(0)
    finally:
        for temporary, _ in staged:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def _encoded(content: Content) -> Iterator[bytes]:
    for part in (content,) if isinstance(content, (str, bytes)) else content:
        # A file name of undecodable bytes holds lone surrogates; escaped, as in JSON, they can be written.
        yield part.encode(errors="backslashreplace") if isinstance(part, str) else part


def _give_mode_and_owner(path: str, before: os.stat_result | None) -> None:
    """Copy the mode and owner of the replaced file; a new file gets the usual mode, where mkstemp makes it private."""
    if before is None:
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(path, 0o666 & ~umask)
        return
    now = os.stat(path)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        try:
            os.chown(path, before.st_uid, before.st_gid)
        except PermissionError:  # only root gives files away; members of a group may give it theirs
            with contextlib.suppress(PermissionError):
                os.chown(path, -1, before.st_gid)
    os.chmod(path, stat.S_IMODE(before.st_mode))


@contextlib.contextmanager
def _blaming(target: Target) -> Iterator[None]:
    """Name the output in errors in which the system names a temporary file, or none: a full disk, a quota, a limit."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), os.fspath(target.name)) from error


class CommandFiles:
    """The files that one command reads and writes: no output replaces a file that is read, or another output.

    Files are compared by their identity in the file system, so links and other spellings of a name are recognised.
    Declare all of them before any work: each declaration is checked against the earlier ones.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[int, int], str] = {}
        self._written: list[tuple[str, Target]] = []

    @property
    def stdout(self) -> str | None:
        """Return the option whose output goes to standard output."""
        return next((option for option, target in self._written if target.kind == "stdout"), None)

    def reads(self, option: str, paths: Iterable[PathLike]) -> None:
        """Declare files that ``option`` reads; missing ones are reported by their reader."""
        for path in paths:
            with contextlib.suppress(OSError, ValueError):
                about = os.stat(path)
                if stat.S_ISREG(about.st_mode):
                    self._read.setdefault(_identity(about), f"{option} {os.fspath(path)!r}")
        self._check_inputs()

    def reads_below(self, option: str, folder: PathLike, suffixes: Collection[str]) -> None:
        """Declare all files with one of ``suffixes`` in a folder and its subfolders as read; they may be too many to
        list.
        """
        written = {_identity(target.about) for _, target in self._written if target.about}
        self.reads(option, _members(folder, suffixes, written) if written else ())

    def writes(self, option: str, path: Path, suffixes: Collection[str] = (), *, only_file: bool = False) -> Target:
        """Declare a file as written.

        Args:
            option: the option that named it.
            path: its name, or ``-``.
            suffixes: the allowed suffixes of a regular file; empty allows all.
            only_file: whether it must be a regular file.

        Raises:
            ValueError: it cannot be written, or it is read or written by another option.
        """
        target = check_writable(path, option)
        if target.kind == "file" and suffixes and path.suffix.lower() not in suffixes:
            raise ValueError(f"{option} {str(path)!r}: a file name that ends in {_listed(suffixes)} is needed")
        if only_file and target.kind != "file":
            raise ValueError(f"{option} {str(path)!r}: a regular file is needed")
        for other, taken in self._written:
            if _are_one(target, taken):
                what = "standard output" if target.kind == "stdout" else "the file"
                raise ValueError(f"{option} {str(path)!r}: is {what} that {other} writes too; give another name")
        self._written.append((option, target))
        self._check_inputs()
        return target

    def writes_folder(self, option: str, folder: Path) -> Path:
        """Make a folder and declare that files are written into it.

        Raises:
            ValueError: it cannot be made or written, or another output is a file of that name.
        """
        if folder == STDOUT:
            raise ValueError(f"{option} {str(folder)!r}: a folder is needed, not standard output")
        real = Path(os.path.realpath(folder))
        for other, target in self._written:
            if target.kind == "file" and target.about is None and real.is_relative_to(target.path):
                raise ValueError(f"{option} {str(folder)!r}: {str(target.name)!r} is the file that {other} writes")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{option}: cannot make the folder {str(folder)!r}: {error.strerror}") from error
        _check_folder(folder, option, folder / "x")
        return folder

    def spare(self, option: str, path: PathLike) -> None:
        """Check that a file in a folder of ``option``, whose name is known only now, is not a declared file.

        Raises:
            ValueError: it is a declared file.
        """
        try:
            about = os.stat(path)
        except FileNotFoundError:
            return
        used = self._read.get(_identity(about))
        for other, target in self._written:
            # It may have been written since it was declared.
            if target.kind == "file" and target.path.exists() and os.path.samestat(target.path.stat(), about):
                used = other
        if used:
            raise ValueError(f"{option}: {os.fspath(path)!r} is the file of {used}; give another folder")

    def _check_inputs(self) -> None:
        for option, target in self._written:
            if target.about and (used := self._read.get(_identity(target.about))):
                raise ValueError(f"{option} {str(target.name)!r}: is the file that {used} reads; give another name")


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _members(folder: PathLike, suffixes: Collection[str], wanted: Collection[tuple[int, int]]) -> Iterator[str]:
    """Yield the files below a folder with one of ``suffixes`` that are links or, by inode, may be one of ``wanted``."""
    numbers = {number for _, number in wanted}
    for where, _, names in os.walk(folder):
        if not any(os.path.splitext(name)[1].lower() in suffixes for name in names):
            continue
        with os.scandir(where) as entries:
            for entry in entries:
                if os.path.splitext(entry.name)[1].lower() not in suffixes:
                    continue
                if entry.is_symlink() or entry.inode() in numbers:
                    yield entry.path


def _are_one(new: Target, taken: Target) -> bool:
    """Return whether two outputs would overwrite each other. Any number may go into a character device such as
    /dev/null.
    """
    if new.kind == taken.kind == "stdout":
        return True
    if new.about and taken.about:
        return os.path.samestat(new.about, taken.about) and not stat.S_ISCHR(new.about.st_mode)
    if new.about or taken.about:
        return False
    return new.path == taken.path or (
        _folded(new.path) == _folded(taken.path)
        and new.path.parent.samefile(taken.path.parent)
        and _is_one_name(new.path.parent, new.path.name, taken.path.name)
    )


def _folded(path: Path) -> str:
    return unicodedata.normalize("NFKC", str(path).casefold())


def _is_one_name(folder: Path, first: str, second: str) -> bool:
    """Return whether the file system treats two names as one, as where case does not matter."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".poolzoo-") as probe:
        (Path(probe) / first).touch()
        return (Path(probe) / second).exists()


def _listed(suffixes: Collection[str]) -> str:
    *some, last = suffixes
    return f"{', '.join(some)} or {last}" if some else last
