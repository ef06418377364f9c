"""A folder of files by relative name: on this machine's disk, or wherever fsspec reaches (`s3://…`, `gs://…`, `memory://…`).

On a local disk a file is durable when `write` returns and never seen in part. Object stores promise the same of one object.
"""
from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from lineproof_audit.durable import fsync_directory, remove_leftover, replace_file
from lineproof_audit.errors import LogUnavailable, NoSpace

__all__ = ["Folder", "LocalFolder", "meaning_of", "open_folder"]

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

    def tidy(self, written: re.Pattern[str]) -> None:
        """Delete what a kill in the middle of an earlier `write` left of files that are called so (without their folders): our own temporary files,
        once they are older than any write takes."""


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
            raise meaning_of(error, self.path / name) from error

    def write(self, files: Mapping[str, bytes]) -> None:
        touched: set[Path] = set()
        for name, data in files.items():
            path = self.path / name
            try:
                path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                replace_file(path, data)
            except OSError as error:
                raise meaning_of(error, path) from error
            touched.update((path.parent, *(parent for parent in path.parent.parents if parent.is_relative_to(self.path.parent))))
        for folder in sorted(touched):  # names last once their folder is synced, and a folder's own name once its parent is
            try:
                fsync_directory(folder)
            except OSError as error:
                raise meaning_of(error, folder) from error

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
                raise meaning_of(error, self.path / name) from error
            with suppress(OSError):  # not empty, or gone
                (self.path / name).parent.rmdir()

    def tidy(self, written: re.Pattern[str]) -> None:
        for directory, _, files in os.walk(self.path):
            for name in files:
                if name.startswith(_NAMES_OF_TEMPORARY_FILES):
                    try:
                        remove_leftover(Path(directory) / name, written)
                    except OSError as error:
                        raise meaning_of(error, Path(directory) / name) from error


class _FsspecFolder:
    """See `Folder`. One object is written at once and seen whole or not at all, as object stores do it."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec  # of the server's extra
        except ImportError as error:
            raise LogUnavailable(f"{url} needs fsspec: install lineproof[server]") from error
        self._files: Any
        with _driver(f"{url.partition('://')[0]}://…"):
            self._files, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")
        self.location = f"{url.partition('://')[0]}://{self._root.lstrip('/')}"

    def read(self, name: str) -> bytes | None:
        with _driver(f"{self.location}/{name}"):
            try:
                return bytes(self._files.cat_file(f"{self._root}/{name}"))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def write(self, files: Mapping[str, bytes]) -> None:
        with _driver(self.location):
            for name, data in files.items():
                path = f"{self._root}/{name}"
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._files.pipe_file(path, data)

    def names(self, below: str = "") -> Iterator[str]:
        with _driver(self.location):
            try:
                found = self._files.find(f"{self._root}/{below}".rstrip("/"))
            except FileNotFoundError:
                return
        yield from sorted(str(path).removeprefix(self._root + "/") for path in found)

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            with _driver(f"{self.location}/{name}"), suppress(FileNotFoundError):
                self._files.rm_file(f"{self._root}/{name}")

    def tidy(self, written: re.Pattern[str]) -> None:
        """Nothing: an object is there whole or not at all."""


@contextmanager
def _driver(where: str) -> Iterator[None]:
    """What somebody else's driver raises, as an error of ours."""
    try:
        yield
    except OSError as error:
        raise meaning_of(error, where) from error
    except Exception as error:  # the drivers' boundary: ftplib, gcsfs and Azure raise errors that have nothing in common
        raise LogUnavailable(f"{where}: {type(error).__name__}: {error}") from error


def meaning_of(error: OSError, where: object) -> NoSpace | LogUnavailable:
    """What a file system's refusal is called here."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"cannot write {where}: the disk is full")
    return LogUnavailable(f"{where}: {error.strerror or error}")
