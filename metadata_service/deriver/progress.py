"""How far the deriver is: a number kept beside the log, so that a restart goes on where the last one ended."""
from __future__ import annotations

import sqlalchemy as sa

from metadata_service.database import Database

__all__ = ["METADATA", "Progress", "progress_of"]

METADATA = sa.MetaData()
PROGRESS = sa.Table(
    "deriver_progress", METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("size", sa.BigInteger, nullable=False),  # entries read
)


class Progress:
    """The row of `deriver_progress`. Losing it costs time and nothing else: what was derived is not derived twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def size(self) -> int:
        """Entries that were read."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(PROGRESS.c.size)).scalar_one_or_none()
        return int(found or 0)

    def move(self, size: int) -> None:
        """Entries before `size` were read."""
        with self._database.write() as connection:
            if not connection.execute(PROGRESS.update().values(size=size)).rowcount:
                connection.execute(PROGRESS.insert().values(id=1, size=size))


def progress_of(log_url: str) -> int:
    """How far the deriver of a log is, for one who only looks. `log_url` as `Database` takes it; 0 if none ever ran."""
    database = Database(log_url, [])
    try:
        with database.read() as connection:
            if not sa.inspect(connection).has_table(PROGRESS.name):
                return 0
        return Progress(database).size()
    finally:
        database.close()
