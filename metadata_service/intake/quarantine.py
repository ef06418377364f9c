"""Quarantine: what was refused is kept for a while, so that a wrong setting costs a replay and not the data."""
from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from lineproof_schema.errors import LineproofError
from metadata_service.access import Viewer
from metadata_service.database import Database
from metadata_service.errors import NotFound
from metadata_service.intake.store import QuarantineTable

__all__ = ["NOT_KEPT", "Quarantine", "QuarantinedItem", "Route"]

Route = Literal["envelope", "openlineage", "notarised", "erasure"]

# Not kept: what the caller retries anyway, what the log keeps itself, what is too large to keep, and what the caller may not do at all.
NOT_KEPT: Final = frozenset({"queue-full", "no-space", "clock", "log-unavailable", "checkpoint-lock", "equivocation", "too-large", "unauthenticated",
                             "forbidden", "internal"})
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class QuarantinedItem:
    """A refused event. Times in µs since the epoch; `appended` is the entry that a replay made; `body` only when shown alone."""

    id: str
    tenant: str
    caller: str
    route: Route
    code: str
    detail: str
    size: int
    first_seen: int
    last_seen: int
    times: int
    appended: int | None
    body: bytes | None = None


class Quarantine:
    """Keeps refused bytes per tenant within a quota of bytes and a number of days. Synchronous; call it in a thread."""

    def __init__(self, database: Database, *, quota_bytes: int, days: int, clock: Callable[[], float] = time.time) -> None:
        self._table = QuarantineTable(database)
        self._quota = quota_bytes
        self._days = days
        self._clock = clock

    def keep(self, raw: bytes, route: Route, caller: Viewer, error: LineproofError) -> str | None:
        """Keep `raw`; its id, or None if its kind is not kept or the quota is used up."""
        if error.code in NOT_KEPT:
            return None
        now = int(self._clock() * 1_000_000)
        key = hashlib.sha256(b"\0".join((caller.tenant.encode(), caller.id.encode(), route.encode(), raw))).hexdigest()[:32]
        row = {"id": key, "tenant": caller.tenant, "caller": caller.id, "route": route, "code": error.code, "detail": error.detail[:2000], "size": len(raw),
               "body": raw, "first_seen": now, "last_seen": now, "times": 1, "appended": None}
        return key if self._table.keep(row, self._quota) else None

    def page(self, tenant: str, *, code: str | None = None, before: int | None = None, limit: int = 100) -> list[QuarantinedItem]:
        """Items of a tenant, last seen first."""
        return [QuarantinedItem(**row) for row in self._table.page(tenant, code=code, before=before, limit=limit)]

    def get(self, tenant: str, item: str) -> QuarantinedItem:
        """One item with its bytes.

        Raises:
            NotFound: the tenant has no such item.
        """
        row: dict[str, Any] | None = self._table.get(tenant, item)
        if row is None:
            raise NotFound(f"nothing in quarantine under {item!r}")
        return QuarantinedItem(**row)

    def appended(self, item: str, index: int) -> None:
        """Remember that a replay of `item` became entry `index`."""
        self._table.appended(item, index)

    def forget(self, index: int, bodies: Sequence[bytes]) -> int:
        """Drop refused copies of entry `index`, which is erased: those that became it, and those with one of these bodies; how many went."""
        return self._table.forget(index, bodies)

    def expire(self) -> int:
        """Drop what was not seen for longer than the retention; how many items went."""
        return self._table.expire(int(self._clock() * 1_000_000) - self._days * _DAY_US)
