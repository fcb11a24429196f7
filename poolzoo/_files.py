"""Files in and out of poolzoo: an output file is either whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def check_writable(path: str | os.PathLike[str], argument: str) -> Path:
    """Say in one line why ``path`` cannot be written, before any long work has been done for it.

    Args:
        path: the file that will be written.
        argument: the option or argument that named it, for the message.

    Raises:
        ValueError: the path is a folder, its folder is missing, or either cannot be written.
    """
    path = Path(path)
    folder = path.parent
    if path.is_dir():
        raise ValueError(f"{argument}: {str(path)!r} is a folder; give a file name")
    if not folder.is_dir():
        raise ValueError(f"{argument}: cannot write {str(path)!r}: there is no folder {str(folder)!r}")
    try:
        # Creating and removing a file asks the file system itself: permission bits do not tell of read-only mounts.
        handle, probe = tempfile.mkstemp(dir=folder, prefix=".poolzoo-")
    except OSError as error:
        raise ValueError(f"{argument}: cannot write {str(path)!r}: {error.strerror}") from error
    os.close(handle)
    os.unlink(probe)
    return path


def write_whole(path: str | os.PathLike[str], content: str | bytes | Iterable[str]) -> Path:
    """Write ``content`` to a temporary name beside ``path``, then rename it, so that no reader sees half a file."""
    path = Path(path)
    parts = (content,) if isinstance(content, (str, bytes)) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".poolzoo-", suffix=path.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                # A file name of undecodable bytes holds lone surrogates; escaped, as in JSON, they can be written.
                file.write(part.encode(errors="backslashreplace") if isinstance(part, str) else part)
        # mkstemp makes private files; a result is as readable as any other new file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return path
