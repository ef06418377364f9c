"""The keyring in memory, kept up to date by following the log's control entries (genesis, keys, policy)."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from lineproof_audit.admin_bodies import Policy
from lineproof_audit.keyring import Keyring, Outcome
from lineproof_audit.log import LogReader

__all__ = ["KeyringFollower"]

MISS_SECONDS: Final = 0.25  # how often an unknown key may make us look for news from other processes


class KeyringFollower:
    """A fold that is replaced, never changed, so that checking threads see one state each. Thread-safe."""

    def __init__(self, reader: LogReader, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._clock = clock
        self._lock = threading.Lock()
        self._keyring = Keyring()
        self._size = 0
        self._received = 0
        self._outcomes: dict[int, Outcome] = {}  # of key and policy entries, of which a log has few
        self._looked = float("-inf")
        self.refresh()

    @property
    def current(self) -> Keyring:
        """The fold as far as it was read; never changed in place."""
        return self._keyring

    @property
    def size(self) -> int:
        """The number of entries folded; the next entry of the log has at least this index."""
        return self._size

    @property
    def received(self) -> int:
        """When the last of them was received (µs since the epoch): the host's time is not before it, whatever its clock says."""
        return self._received

    def refresh(self) -> None:
        """Fold what was appended since.

        Raises:
            LogUnavailable: the store cannot be reached; the fold stays as it was.
        """
        with self._lock:
            head = self._reader.store.head()
            size, self._received = head.size, head.last_received
            if size == self._size:
                return
            news = list(self._reader.control_entries(self._size, size))
            if news:
                keyring = self._keyring.copy()
                for entry in news:
                    self._outcomes[entry.index] = keyring.apply(entry.index, entry.fields, entry.envelope)
                self._keyring = keyring
            self._size = size

    def refresh_after_miss(self) -> None:
        """Fold news because a key was not found; at most every quarter of a second, so that unknown keys cost little."""
        now = self._clock()
        if now - self._looked >= MISS_SECONDS:
            self._looked = now
            self.refresh()

    def outcome(self, index: int) -> Outcome | None:
        """What the keyring made of key or policy entry `index`; None for other entries and those not folded yet."""
        return self._outcomes.get(index)

    def policy(self) -> Policy | None:
        """The policy in force."""
        return self._keyring.policy

    def owners(self) -> tuple[tuple[str, str], ...]:
        """(prefix, tenant) of the policy in force."""
        policy = self._keyring.policy
        return () if policy is None else tuple((prefix, tenant.id) for tenant in policy.tenants for prefix in tenant.prefixes)
