"""The private keys of the log's own that lie on this machine, and which of them sign.

A purpose has one file, `<name>.pem`, and after rotations one more for each, `<name>-<16 hex of the key id>.pem`. The log says which of
them are in force; every log key in force that lies here signs each checkpoint, so that while a rotation overlaps, verifiers who trust the
old key and verifiers who trust the new one both find a line of theirs.
"""
from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lineproof_audit.errors import KeyFileError
from lineproof_audit.keyring import Keyring
from lineproof_audit.keys import SigningKey, VerifyKey

if TYPE_CHECKING:
    from lineproof_audit.reader import LogReader  # zstd, which the base install does not have

__all__ = ["CheckpointSigners", "HeldKeys", "LogSigners", "rotated_name"]


def rotated_name(name: str, key: SigningKey) -> str:
    """The file name (without suffix) of the key that takes over in a rotation of `name`."""
    return f"{name}-{key.keyid[:16]}"


class HeldKeys:
    """Keys of one purpose in a directory. Files that appear later are found when the log comes to name their keys."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._keys: dict[str, SigningKey] = {}

    def of(self, wanted: Sequence[VerifyKey]) -> list[SigningKey]:
        """Those of `wanted` that lie here, in the same order.

        Raises:
            KeyFileError: a file cannot be read, others can read it, or it is no key.
        """
        if any(key.keyid not in self._keys for key in wanted):
            self._keys = self.held()
        return [self._keys[key.keyid] for key in wanted if key.keyid in self._keys]

    def held(self) -> dict[str, SigningKey]:
        """All that lie here, by key id; raises as `of`."""
        files = (self._directory / f"{self._name}.pem", *sorted(self._directory.glob(f"{self._name}-*.pem")))
        return {key.keyid: key for key in (SigningKey.load(pem) for pem in files if pem.exists())}

    def newest(self, keyring: Keyring, purpose: str, size: int) -> SigningKey:
        """The key registered last of those in force when the log has `size` entries.

        Raises:
            KeyFileError: none of those lies here.
        """
        held = self.of(keyring.keys_for(purpose, size))
        if not held:
            raise KeyFileError(f"{self._directory / self._name}.pem is not a {purpose} key of the log {keyring.origin} that is in force")
        return held[-1]


class CheckpointSigners(Protocol):
    """Who signs checkpoints."""

    def signing(self, size: int) -> Sequence[SigningKey]:
        """The keys that sign a checkpoint of `size`, in order of registration; at least one.

        Raises:
            KeyFileError: there is none.
        """

    def known(self) -> Sequence[VerifyKey]:
        """All keys that ever signed checkpoints of this log."""


class LogSigners:
    """The log keys in force, as the log itself says; it is read on as it grows. Thread-safe."""

    def __init__(self, reader: LogReader, held: HeldKeys) -> None:
        self._reader = reader
        self._held = held
        self._keyring = Keyring()
        self._folded = 0
        self._lock = threading.Lock()

    def signing(self, size: int) -> Sequence[SigningKey]:
        with self._lock:
            self._fold(size)
            held = self._held.of(self._keyring.keys_for("log", size))
        if not held:
            raise KeyFileError(f"no log key that is in force at size {size} lies here: bring the key file of the last rotation")
        return held

    def known(self) -> Sequence[VerifyKey]:
        with self._lock:
            self._fold(self._reader.size())
            return self._keyring.keys_for("log")

    def _fold(self, size: int) -> None:
        if size > self._folded:
            for entry in self._reader.control_entries(self._folded, size):
                self._keyring.apply(entry.index, entry.fields, entry.envelope)
            self._folded = size
