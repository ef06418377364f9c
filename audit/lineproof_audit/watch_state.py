"""What a monitor remembers between looks: the last checkpoint it verified, in one file that is replaced as a whole.

The file is the monitor's memory: what the log showed before is compared with it. A crash leaves the old or the new one; a second monitor
on the same file is refused, since it could put an older checkpoint over a newer one.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lineproof_audit.checkpoint import Checkpoint, peek_checkpoint
from lineproof_audit.directory_lock import DirectoryLock
from lineproof_audit.durable import write_durably
from lineproof_audit.errors import AuditError, InvalidProof, LogUnavailable

__all__ = ["Kept", "WatchState", "read_note"]

VERSION = 1
MAX_STATE_BYTES = 2_000_000  # a note has at most a million


@dataclass(frozen=True, slots=True)
class Kept:
    """A verified checkpoint: the signed note, and when (µs since the epoch, by the monitor's clock) it was first seen. `behind`: since when the log
    shows an older one instead, None while it does not."""

    note: str
    since: int
    behind: int | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says."""
        return peek_checkpoint(self.note)


class WatchState:
    """The state file at `path`, held until `close`. A context manager.

    Raises:
        DataDirectoryLocked: another monitor holds it.
        LogUnavailable: its folder cannot be written.
        AuditError: (code `invalid-setting`) the file is not one of ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = DirectoryLock(path.absolute().parent, f".{path.name}.lock")
        try:
            self._kept = _read(path)
        except BaseException:
            self._lock.release()
            raise

    @property
    def kept(self) -> Kept | None:
        """The last verified checkpoint; None before the first look."""
        return self._kept

    def keep(self, kept: Kept) -> None:
        """Replace it, durably.

        Raises:
            LogUnavailable: the disk refuses; the file is as it was.
        """
        document = {"version": VERSION, "origin": kept.checkpoint.origin, "size": kept.checkpoint.size, "since": kept.since, "behind": kept.behind,
                    "note": kept.note}
        try:
            write_durably(self._path.absolute(), json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8") + b"\n")
        except OSError as error:
            raise LogUnavailable(f"cannot write {self._path}: {error.strerror}") from error
        self._kept = kept

    def close(self) -> None:
        """Idempotent."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read_note(path: Path) -> str:
    """The signed note in a file: a checkpoint as it is, or another monitor's state file. Nothing of it is verified.

    Raises:
        AuditError: (code `invalid-setting`) it cannot be read or is neither.
    """
    kept = _read(path, checkpoint_too=True)
    if kept is None:
        raise AuditError(f"there is no {path}", code="invalid-setting")
    return kept.note


def _read(path: Path, *, checkpoint_too: bool = False) -> Kept | None:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_STATE_BYTES).decode("utf-8")
        if checkpoint_too and not text.startswith("{"):
            peek_checkpoint(text)
            return Kept(text, 0)
        document = json.loads(text)
        note, since, behind = document["note"], document["since"], document.get("behind")  # the last is younger than the format
        if document["version"] != VERSION or type(note) is not str or type(since) is not int or (behind is not None and type(behind) is not int):
            raise ValueError("it is of another version")
        peek_checkpoint(note)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, InvalidProof) as error:
        raise AuditError(f"{path} is not the state of a monitor: {error}", code="invalid-setting") from error
    return Kept(note, since, behind)
