"""Replacing a file so that a crash leaves the old or the new one, never a part."""
from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["fsync_directory", "replace_file", "write_durably"]


def write_durably(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write `data` to a temporary file beside `path`, fsync, rename, fsync the directory.

    Raises:
        OSError: the file system refuses; `path` is as it was.
    """
    replace_file(path, data, mode)
    fsync_directory(path.parent)


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """As `write_durably`, but the new name lasts only once the directory is synced: for many files of one directory."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def fsync_directory(path: Path) -> None:
    """Make the names in a directory last."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
