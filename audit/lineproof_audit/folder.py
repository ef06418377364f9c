"""A folder of files by relative name: on this machine's disk, or wherever fsspec reaches (`s3://…`, `gs://…`, `memory://…`).

On a local disk a file is durable when `write` returns and never seen in part. Object stores promise the same of one object.
"""
from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from lineproof_audit.durable import fsync_directory, replace_file
from lineproof_audit.errors import LogUnavailable, NoSpace

__all__ = ["Folder", "LocalFolder", "open_folder"]

_NAMES_OF_TEMPORARY_FILES = "."  # what `replace_file` leaves after a crash begins with a dot


class Folder(Protocol):
    """Files by relative name, `/` between the parts. Names come from this package only, never from outside.

    Raises everywhere:
        NoSpace: the disk is full.
        LogUnavailable: the storage cannot be reached or refuses.
    """

    @property
    def location(self) -> str:
        """Where it is, for messages."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if there is none."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write or replace files, folders as needed. All of them lie there when it returns."""

    def names(self, below: str = "") -> Iterator[str]:
        """The names of all files below a folder of it, sorted."""

    def remove(self, names: Sequence[str]) -> None:
        """Delete files; those that are not there are passed over."""


def open_folder(location: str | Path) -> Folder:
    """The folder at a path or fsspec URL. Nothing is made before the first write.

    Raises:
        LogUnavailable: no such kind of storage, or fsspec is not installed.
    """
    if isinstance(location, Path) or "://" not in location:
        return LocalFolder(Path(location))
    if location.startswith("file://"):
        return LocalFolder(Path(location.removeprefix("file://")))
    return _FsspecFolder(location)


class LocalFolder:
    """See `Folder`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def location(self) -> str:
        return str(self.path)

    def read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise _meaning(error, self.path / name) from error

    def write(self, files: Mapping[str, bytes]) -> None:
        touched: set[Path] = set()
        for name, data in files.items():
            path = self.path / name
            try:
                path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                replace_file(path, data)
            except OSError as error:
                raise _meaning(error, path) from error
            touched.update((path.parent, *(parent for parent in path.parent.parents if parent.is_relative_to(self.path.parent))))
        for folder in sorted(touched):  # names last once their folder is synced, and a folder's own name once its parent is
            try:
                fsync_directory(folder)
            except OSError as error:
                raise _meaning(error, folder) from error

    def names(self, below: str = "") -> Iterator[str]:
        for directory, folders, files in os.walk(self.path / below):
            folders.sort()
            for name in sorted(files):
                if not name.startswith(_NAMES_OF_TEMPORARY_FILES):
                    yield (Path(directory) / name).relative_to(self.path).as_posix()

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                raise _meaning(error, self.path / name) from error
            with suppress(OSError):  # not empty, or gone
                (self.path / name).parent.rmdir()


class _FsspecFolder:
    """See `Folder`. One object is written at once and seen whole or not at all, as object stores do it."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec  # of the server's extra
        except ImportError as error:
            raise LogUnavailable(f"{url} needs fsspec: install lineproof[server]") from error
        try:
            self._files: Any
            self._files, root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise LogUnavailable(f"cannot use {url.partition('://')[0]}://…: {error}") from error
        self._root = str(root).rstrip("/")
        self.location = f"{url.partition('://')[0]}://{self._root.lstrip('/')}"

    def read(self, name: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(f"{self._root}/{name}"))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise _meaning(error, f"{self.location}/{name}") from error

    def write(self, files: Mapping[str, bytes]) -> None:
        try:
            for name, data in files.items():
                path = f"{self._root}/{name}"
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._files.pipe_file(path, data)
        except OSError as error:
            raise _meaning(error, self.location) from error

    def names(self, below: str = "") -> Iterator[str]:
        try:
            found = self._files.find(f"{self._root}/{below}".rstrip("/"))
        except FileNotFoundError:
            return
        except OSError as error:
            raise _meaning(error, self.location) from error
        yield from sorted(str(path).removeprefix(self._root + "/") for path in found)

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                self._files.rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _meaning(error, self.location) from error


def _meaning(error: OSError, where: object) -> NoSpace | LogUnavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"cannot write {where}: the disk is full")
    return LogUnavailable(f"{where}: {error.strerror or error}")
