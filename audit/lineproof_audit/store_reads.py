"""What both databases are asked in the same words: the reading half of `store.LogStore`, over one way to run a query."""
from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from lineproof_audit.errors import CorruptLog, LogUnavailable, NoSuchEntry
from lineproof_audit.store import CONTROL_TYPES, Derived, Head, IntegratedTree, SignedCheckpoint, StoredRow
from lineproof_audit.tree import CompactRange

__all__ = ["CONTROL", "EMPTY_TREE", "StoreReads", "head_of"]

CONTROL: Final = ", ".join(f"'{name}'" for name in CONTROL_TYPES)  # in an SQL text: SQLite uses the partial index only for its very words
EMPTY_TREE: Final = CompactRange().to_bytes()

_QUERIES: Final = {
    "head": "SELECT next, last_received, compact_range FROM {log}log_head",
    "rows": "SELECT e.idx, e.leaf, b.salt, b.envelope FROM {log}entries e LEFT JOIN {log}bodies b ON b.idx = e.idx WHERE e.idx >= {_} AND e.idx < {_} "
            "ORDER BY e.idx",
    "leaves": "SELECT leaf FROM {log}entries WHERE idx >= {_} AND idx < {_} ORDER BY idx",
    "derived": "SELECT idx, received, event_type, media_type, tenant, signer, signed_by, caller FROM {log}entries WHERE idx >= {_} AND idx < {_}",
    "received": "SELECT received FROM {log}entries WHERE idx = {_}",
    "control": f"SELECT idx FROM {{log}}entries WHERE event_type IN ({CONTROL}) AND idx >= {{_}} AND idx < {{_}} ORDER BY idx",  # noqa: S608 (constants)
    "tree": "SELECT size, compact_range, epoch FROM {log}tree",
    "checkpoint": "SELECT size, root, note, signed_at FROM {log}checkpoints ORDER BY size DESC LIMIT 1",
    "checkpoints": "SELECT size, root, note, signed_at FROM {log}checkpoints WHERE size > {_} ORDER BY size LIMIT {_}",
    "checkpoints_before": "SELECT size, root, note, signed_at FROM {log}checkpoints WHERE size < {_} ORDER BY size DESC LIMIT {_}",
    "identities": "SELECT idx, identity, payload FROM {log}dedupe WHERE idx >= {_} AND idx < {_}",
    "secret": "SELECT secret_check FROM {log}log_head",
    "covering": "SELECT size, root, note, signed_at FROM {log}checkpoints WHERE size >= {_} ORDER BY size LIMIT 1",
}


class StoreReads(ABC):
    """Subclasses name the schema their tables are in and how their driver marks a parameter."""

    _queries: ClassVar[Mapping[str, str]]

    def __init_subclass__(cls, *, schema: str, mark: str) -> None:
        cls._queries = {name: text.format(log=schema, _=mark) for name, text in _QUERIES.items()}

    @property
    @abstractmethod
    def location(self) -> str:
        """Which database, without secrets."""

    @abstractmethod
    def _fetch(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        """All rows of a query on a reading connection."""

    @abstractmethod
    def _doze(self, seconds: float) -> None:
        """Sleep until there may be new entries, `seconds` at most."""

    def head(self) -> Head:
        rows = self._fetch(self._queries["head"])
        return head_of(rows[0] if rows else None)

    def rows(self, start: int, stop: int) -> list[StoredRow]:
        return [StoredRow(*row) for row in self._fetch(self._queries["rows"], (start, stop))]

    def leaves(self, start: int, stop: int) -> list[bytes]:
        return [row[0] for row in self._fetch(self._queries["leaves"], (start, stop))]

    def derived(self, index: int) -> Derived | None:
        return self.derived_between(index, index + 1).get(index)

    def derived_between(self, start: int, stop: int) -> Mapping[int, Derived]:
        return {row[0]: Derived(*row[1:]) for row in self._fetch(self._queries["derived"], (start, stop))}

    def received(self, index: int) -> int:
        rows = self._fetch(self._queries["received"], (index,))
        if not rows:
            raise NoSuchEntry(f"there is no entry {index}")
        return int(rows[0][0])

    def control_indices(self, start: int, stop: int) -> list[int]:
        return [row[0] for row in self._fetch(self._queries["control"], (start, stop))]

    def wait_for(self, size: int, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while (now := self.head().size) < size and (left := deadline - time.monotonic()) > 0:
            self._doze(left)
        return now

    def integrated(self) -> IntegratedTree:
        rows = self._fetch(self._queries["tree"])
        if not rows:
            raise LogUnavailable(f"{self.location} holds no log yet")
        size, raw, epoch = rows[0]
        return IntegratedTree(_tree(size, raw), epoch)

    def checkpoint(self) -> SignedCheckpoint | None:
        rows = self._fetch(self._queries["checkpoint"])
        return SignedCheckpoint(*rows[0]) if rows else None

    def checkpoint_covering(self, size: int) -> SignedCheckpoint | None:
        rows = self._fetch(self._queries["covering"], (size,))
        return SignedCheckpoint(*rows[0]) if rows else None

    def checkpoints_after(self, size: int, count: int) -> list[SignedCheckpoint]:
        return [SignedCheckpoint(*row) for row in self._fetch(self._queries["checkpoints"], (size, count))]

    def checkpoints_before(self, size: int, count: int) -> list[SignedCheckpoint]:
        return [SignedCheckpoint(*row) for row in self._fetch(self._queries["checkpoints_before"], (size, count))]

    def identities(self, start: int, stop: int) -> Mapping[int, tuple[bytes, bytes]]:
        return {row[0]: (row[1], row[2]) for row in self._fetch(self._queries["identities"], (start, stop))}

    def secret_check(self) -> bytes | None:
        rows = self._fetch(self._queries["secret"])
        return rows[0][0] if rows else None


def head_of(row: Sequence[Any] | None) -> Head:
    """A row of `log_head`.

    Raises:
        LogUnavailable: there is none. CorruptLog: the tree is not of its size.
    """
    if row is None:
        raise LogUnavailable("the database holds no log yet")
    return Head(row[0], row[1], _tree(row[0], row[2]))


def _tree(size: int, raw: bytes) -> CompactRange:
    try:
        tree = CompactRange.from_bytes(raw)
    except ValueError as error:
        raise CorruptLog("the stored compact range is damaged") from error
    if tree.size != size:
        raise CorruptLog(f"the stored compact range is of size {tree.size}, {size} expected")
    return tree
