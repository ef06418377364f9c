"""The quarantine table: refused bytes of authenticated callers, and why they were refused."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from metadata_service.database import Database

__all__ = ["METADATA", "QuarantineTable"]

METADATA = sa.MetaData()
QUARANTINE = sa.Table(
    "intake_quarantine", METADATA,
    sa.Column("id", sa.String(32), primary_key=True),  # hex of the digest over tenant, caller, route and bytes: a repeat is counted, not kept twice
    sa.Column("tenant", sa.String(32), nullable=False),
    sa.Column("caller", sa.String(64), nullable=False),
    sa.Column("route", sa.String(16), nullable=False),  # envelope | openlineage
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("first_seen", sa.BigInteger, nullable=False),  # µs since the epoch
    sa.Column("last_seen", sa.BigInteger, nullable=False),
    sa.Column("times", sa.BigInteger, nullable=False),
    sa.Column("appended", sa.BigInteger),  # index of the entry that a replay made
    sa.Index("intake_quarantine_by_tenant", "tenant", "last_seen"),
)
_SHOWN: Final = [column for column in QUARANTINE.columns if column.name != "body"]


class QuarantineTable:
    """Rows of `intake_quarantine` as dictionaries; `body` only where asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, row: dict[str, Any], quota: int) -> bool:
        """Insert `row`, or count one more of the same; False when the tenant's quota of bytes is used up."""
        with self._database.write() as connection:
            again = connection.execute(QUARANTINE.update().where(QUARANTINE.c.id == row["id"]).values(
                times=QUARANTINE.c.times + 1, last_seen=row["last_seen"], code=row["code"], detail=row["detail"]))
            if again.rowcount:
                return True
            used = sa.select(sa.func.coalesce(sa.func.sum(QUARANTINE.c.size), 0)).where(QUARANTINE.c.tenant == row["tenant"])
            if int(connection.execute(used).scalar_one()) + row["size"] > quota:
                return False
            connection.execute(QUARANTINE.insert().values(**row))
        return True

    def page(self, tenant: str, *, code: str | None, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Rows of a tenant without their bodies, last seen first; `before` is the `last_seen` to continue after."""
        query = sa.select(*_SHOWN).where(QUARANTINE.c.tenant == tenant).order_by(QUARANTINE.c.last_seen.desc(), QUARANTINE.c.id).limit(limit)
        if code is not None:
            query = query.where(QUARANTINE.c.code == code)
        if before is not None:
            query = query.where(QUARANTINE.c.last_seen < before)
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def get(self, tenant: str, item: str) -> dict[str, Any] | None:
        """One row with its body."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(QUARANTINE).where(QUARANTINE.c.tenant == tenant, QUARANTINE.c.id == item)).mappings().one_or_none()
        return dict(row) if row is not None else None

    def appended(self, item: str, index: int) -> None:
        """Remember the entry that a replay made; the first one stays."""
        with self._database.write() as connection:
            connection.execute(QUARANTINE.update().where(QUARANTINE.c.id == item, QUARANTINE.c.appended.is_(None)).values(appended=index))

    def forget(self, index: int, bodies: Sequence[bytes]) -> int:
        """Drop rows that became entry `index` or hold one of `bodies`; how many went."""
        gone = QUARANTINE.delete().where(sa.or_(QUARANTINE.c.appended == index, QUARANTINE.c.body.in_(list(bodies))))
        with self._database.write() as connection:
            return int(connection.execute(gone).rowcount)

    def expire(self, before: int) -> int:
        """Drop rows not seen since `before` (µs); how many went."""
        with self._database.write() as connection:
            return int(connection.execute(QUARANTINE.delete().where(QUARANTINE.c.last_seen < before)).rowcount)
