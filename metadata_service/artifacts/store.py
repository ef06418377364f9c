"""The artifacts table: which tenant holds which digest. Existence is per tenant, so nobody learns what others hold."""
from __future__ import annotations

import time

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from metadata_service.database import Database

__all__ = ["METADATA", "ArtifactTable"]

METADATA = sa.MetaData()
ARTIFACTS = sa.Table(
    "artifacts", METADATA,
    sa.Column("tenant", sa.String(32), primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),  # µs since the epoch
)


class ArtifactTable:
    """Sizes by (tenant, digest)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def size(self, tenant: str, digest: str) -> int | None:
        """Bytes of an artifact, None if the tenant does not hold it."""
        with self._database.read() as connection:
            value = connection.execute(sa.select(ARTIFACTS.c.size).where(ARTIFACTS.c.tenant == tenant, ARTIFACTS.c.digest == digest)).scalar()
        return None if value is None else int(value)

    def total(self, tenant: str) -> int:
        """Bytes of all artifacts of a tenant."""
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(ARTIFACTS.c.size), 0)).where(ARTIFACTS.c.tenant == tenant)).scalar_one())

    def remove(self, tenant: str, digest: str) -> bool:
        """Forget an artifact; False if the tenant did not hold it."""
        with self._database.write() as connection:
            return bool(connection.execute(ARTIFACTS.delete().where(ARTIFACTS.c.tenant == tenant, ARTIFACTS.c.digest == digest)).rowcount)

    def add(self, tenant: str, digest: str, size: int) -> bool:
        """Record an artifact; False if another request recorded it first."""
        try:
            with self._database.write() as connection:
                connection.execute(ARTIFACTS.insert().values(tenant=tenant, digest=digest, size=size, created=int(time.time() * 1_000_000)))
        except IntegrityError:
            return False
        return True
