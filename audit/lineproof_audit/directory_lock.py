"""One writing process per data directory, and per state file of a monitor."""
from __future__ import annotations

import fcntl
import os
from pathlib import Path

from lineproof_audit.errors import DataDirectoryLocked, LogUnavailable

__all__ = ["DirectoryLock"]


class DirectoryLock:
    """Holds `<directory>/<name>` until `release` or the end of the process, however it ends.

    The lock belongs to the open file, so a second open in the same process is refused as well. The file names the holder's
    process id for people; nothing reads it back. It does not work on network filesystems, nor does SQLite.

    Raises:
        DataDirectoryLocked: another process holds it.
        LogUnavailable: the directory cannot be written.
    """

    def __init__(self, directory: Path, name: str = "lock") -> None:
        self._directory = directory
        try:
            self._handle = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogUnavailable(f"cannot write {directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._handle, 32, 0).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise DataDirectoryLocked(f"process {holder or 'unknown'} writes {directory}", directory=str(directory)) from error
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"{os.getpid()}\n".encode("ascii"), 0)
        except OSError:
            pass  # a full disk must not stop the service from starting and serving reads; the lock itself is held

    def release(self) -> None:
        """Idempotent."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
