"""One projector per graph and one deriver per log: a file lock beside the embedded stores, an advisory lock where the log lies in PostgreSQL.

The lock only keeps others from working in vain; that none writes twice is the graph's own compare-and-set on its size, and the log's own sense for
what it has.
"""
from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Literal, Protocol

from metadata_service.graph.errors import GraphUnavailable
from metadata_service.projector.waiting import pause
from metadata_service.settings import Settings

__all__ = ["Election", "FileElection", "Office", "election_for", "while_elected"]

_CLASS: Final = 0x4C504C47  # the log's class of advisory locks ("LPLG"); its numbers 1 and 2 are taken
Office = Literal["projector", "deriver"]
_NUMBERS: Final[dict[Office, int]] = {"projector": 3, "deriver": 4}


class Election(Protocol):
    """Held from `won` returning True until `resign`, or until the process or its session ends."""

    def won(self) -> bool:
        """Try to become, or confirm being, the one."""

    def resign(self) -> None:
        """Let another one take over. Idempotent."""


class FileElection:
    """`<directory>/projector.lock`, or that of another office."""

    def __init__(self, directory: Path, office: Office = "projector") -> None:
        self._path = directory / f"{office}.lock"
        self._handle = -1

    def won(self) -> bool:
        """The lock belongs to the open file and goes with the process, however it ends."""
        if self._handle >= 0:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise GraphUnavailable(f"cannot write {self._path.parent}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def resign(self) -> None:
        """Idempotent."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class _PostgresElection:
    """A session advisory lock, on a connection of its own."""

    def __init__(self, url: str, office: Office) -> None:
        import psycopg  # an extra

        self._office: Office = office
        self._error: type[Exception] = psycopg.Error
        self._connect = psycopg.connect
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._session: psycopg.Connection | None = None

    def won(self) -> bool:
        try:
            if self._session is None:
                self._session = self._connect(self._url, autocommit=True)
                row = self._session.execute("SELECT pg_try_advisory_lock(%s, %s)", (_CLASS, _NUMBERS[self._office])).fetchone()
                if row is None or not row[0]:
                    self.resign()
                    return False
                return True
            self._session.execute("SELECT 1")  # the lock lives as long as this session
        except self._error as error:
            self.resign()
            raise GraphUnavailable(f"the {self._office}'s lock cannot be reached: {type(error).__name__}") from error
        return True

    def resign(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def election_for(settings: Settings, office: Office = "projector") -> Election:
    """Where this installation elects its projector, or its deriver."""
    return _PostgresElection(settings.database_url, office) if settings.database_url else FileElection(settings.data, office)


async def while_elected(run: Callable[[asyncio.Event], Awaitable[None]], election: Election, stop: asyncio.Event, seconds: float) -> None:
    """Run until asked to stop or until the election is lost, which is looked at every so many seconds; `run` ends when its event is set."""
    ended = asyncio.Event()
    task = asyncio.ensure_future(run(ended))
    try:
        while not stop.is_set() and not task.done() and await asyncio.to_thread(election.won):
            await pause(stop, seconds)
    finally:
        ended.set()
        await task
