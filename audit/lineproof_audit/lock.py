"""The checkpoint lock record: what this log has signed, kept where a restored backup of the log does not reach.

The record is the text of the largest checkpoint ever about to be signed, in a file **outside** the data directory and the
database. It is replaced (compare-and-swap) before each signature, so a log that was rolled back, copied or forked finds itself
smaller than, or different from, what it once signed, and refuses. A record and a log restored together agree; only a witness or
a monitor sees that. On several hosts the file lies on storage that all of them share.
"""
from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from lineproof_audit.checkpoint import Checkpoint, parse_checkpoint
from lineproof_audit.durable import write_durably
from lineproof_audit.errors import CheckpointLockError, InvalidProof
from lineproof_audit.tree import EMPTY_ROOT

__all__ = ["RECORD_NAME", "CheckpointLock", "FileCheckpointLock", "state_directory"]

STATE_VARIABLE = "LINEPROOF_STATE_DIR"
RECORD_NAME = "checkpoint-lock"


def state_directory(origin: str, base: Path | str | None = None) -> Path:
    """Where the state of one log lies on this machine: `<base>/<16 hex of SHA-256(origin)>`, not made.

    `base` defaults to $LINEPROOF_STATE_DIR, else `~/.local/state/lineproof`.
    """
    root = Path(base or os.environ.get(STATE_VARIABLE) or Path.home() / ".local" / "state" / "lineproof")
    return root / hashlib.sha256(origin.encode("utf-8")).hexdigest()[:16]


class CheckpointLock(Protocol):
    """A record with compare-and-swap.

    Raises everywhere:
        CheckpointLockError: it cannot be read or written.
    """

    def read(self) -> Checkpoint | None:
        """The record; None if there is none."""

    def swap(self, expected: Checkpoint | None, new: Checkpoint) -> None:
        """Replace `expected` by `new`, durably.

        Raises:
            CheckpointLockError: the record is not `expected`: somebody else signs for this log.
        """


class FileCheckpointLock:
    """The record as a file; `<path>.guard` serialises swaps."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def read(self) -> Checkpoint | None:
        try:
            return parse_checkpoint(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, InvalidProof) as error:
            raise CheckpointLockError(f"cannot read the checkpoint lock record {self.path}: {error}", record=str(self.path)) from error

    def swap(self, expected: Checkpoint | None, new: Checkpoint) -> None:
        try:
            with self._guard():
                found = self.read()
                if found != expected:
                    raise CheckpointLockError(f"the checkpoint lock record {self.path} says {_short(found)}, {_short(expected)} was expected: another service "
                                              "signs for this log; stop one of them", record=str(self.path))
                write_durably(self.path, new.to_text().encode("utf-8"), 0o600)
        except OSError as error:
            raise CheckpointLockError(f"cannot write the checkpoint lock record {self.path}: {error.strerror}; set LINEPROOF_CHECKPOINT_LOCK to a file that "
                                      "can be written", record=str(self.path)) from error

    def found(self, origin: str) -> None:
        """Write the record of a log that is about to begin (size 0); a second call before the first checkpoint changes nothing.

        Raises:
            CheckpointLockError: the record says that this origin has signed already: its log was lost, and must not begin again.
        """
        begin, present = Checkpoint(origin, 0, EMPTY_ROOT), self.read()
        if present is None:
            self.swap(None, begin)
        elif present != begin:
            raise CheckpointLockError(f"{self.path} says that this log has signed {_short(present)}, but the log is empty: restore it, or begin one with "
                                      "another origin", record=str(self.path))

    @contextmanager
    def _guard(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.path.with_name(self.path.name + ".guard"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _short(checkpoint: Checkpoint | None) -> str:
    return "nothing" if checkpoint is None else f"size {checkpoint.size}, root {checkpoint.root.hex()[:16]}… of {checkpoint.origin}"
