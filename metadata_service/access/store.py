"""The tokens table: hashes of tokens, never tokens."""
from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from metadata_service.database import Database

__all__ = ["METADATA", "TokenStore"]

METADATA = sa.MetaData()
TOKENS = sa.Table(
    "access_tokens", METADATA,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),  # SHA-256 of the token: 256 random bits need no slow hash
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("tenant", sa.String(32), nullable=False),
    sa.Column("roles", sa.Text, nullable=False),  # JSON array
    sa.Column("prefixes", sa.Text, nullable=False),  # JSON array
    sa.Column("ceiling", sa.String(16), nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),  # µs since the epoch
    sa.Column("expires", sa.BigInteger, nullable=False),
    sa.Column("revoked", sa.BigInteger),
)


class TokenStore:
    """Rows of `access_tokens` as dictionaries with decoded lists."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: dict[str, Any]) -> None:
        """Insert one token."""
        with self._database.write() as connection:
            connection.execute(TOKENS.insert().values(**{**row, "roles": json.dumps(row["roles"]), "prefixes": json.dumps(row["prefixes"])}))

    def by_hash(self, digest: str) -> dict[str, Any] | None:
        """The token with this hash, also when it is expired or revoked."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(TOKENS).where(TOKENS.c.hash == digest)).mappings().one_or_none()
        return _decoded(row) if row is not None else None

    def all(self) -> list[dict[str, Any]]:
        """All tokens, oldest first."""
        with self._database.read() as connection:
            return [_decoded(row) for row in connection.execute(sa.select(TOKENS).order_by(TOKENS.c.created, TOKENS.c.id)).mappings()]

    def revoke(self, token_id: str, tenant: str, now: int) -> bool:
        """Mark a token of `tenant` as revoked; False if there is none. A second time changes nothing."""
        this = sa.and_(TOKENS.c.id == token_id, TOKENS.c.tenant == tenant)
        with self._database.write() as connection:
            known = connection.execute(sa.select(TOKENS.c.id).where(this)).first()
            connection.execute(TOKENS.update().where(this, TOKENS.c.revoked.is_(None)).values(revoked=now))
        return known is not None


def _decoded(row: sa.RowMapping) -> dict[str, Any]:
    return {**row, "roles": json.loads(row["roles"]), "prefixes": json.loads(row["prefixes"])}
