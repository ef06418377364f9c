"""Writing a file so that a crash leaves all of it or what was there before, never a part."""
from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path

__all__ = ["create_durably", "fsync_directory", "remove_leftover", "replace_file", "write_durably"]

LEFTOVER_SECONDS = 3_600.0  # no write takes so long, and none of another process is taken away under it
_TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}")  # as `_beside` has them named


def create_durably(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is not there yet: whole, with its mode, or not at all.

    Raises:
        FileExistsError: it is there; it is left alone.
        OSError: the file system refuses; there is no `path`, or all of it without a promise that its name lasts.
    """
    name = _beside(path, data, mode)
    try:
        os.link(name, path)  # unlike a rename it never replaces
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # becomes its subclass again
    finally:
        Path(name).unlink(missing_ok=True)
    fsync_directory(path.parent)


def write_durably(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write `data` to a temporary file beside `path`, fsync, rename, fsync the directory.

    Raises:
        OSError: the file system refuses; `path` is as it was.
    """
    replace_file(path, data, mode)
    fsync_directory(path.parent)


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """As `write_durably`, but the new name lasts only once the directory is synced: for many files of one directory."""
    name = _beside(path, data, mode)
    try:
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def remove_leftover(path: Path, written: re.Pattern[str]) -> None:
    """Delete a temporary file that a kill left here in the middle of writing a file whose name is one of `written`. Does nothing to any other file,
    nor to one that is not old.

    Raises:
        OSError: the file system refuses.
    """
    named = _TEMPORARY.fullmatch(path.name)
    if named is None or not written.fullmatch(named[1]):
        return
    try:
        if time.time() - path.lstat().st_mtime > LEFTOVER_SECONDS:
            path.unlink()
    except FileNotFoundError:
        return  # its writer was at work, and has finished


def fsync_directory(path: Path) -> None:
    """Make the names in a directory last."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _beside(path: Path, data: bytes, mode: int) -> str:
    """A temporary file with these bytes on disk, in the directory of `path`; its name begins with a dot."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return name
