"""Running the deriver beside the service: in its event loop, the parser in a process of its own, one per log by election."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Final

from lineproof_audit.log import Log
from lineproof_schema.errors import LineproofError
from metadata_service.database import Database
from metadata_service.deriver.progress import Progress
from metadata_service.deriver.runner import Deriver
from metadata_service.graph.port import GraphStore
from metadata_service.intake.derivations import DerivationLog
from metadata_service.projector.election import Election, election_for, while_elected
from metadata_service.projector.waiting import pause
from metadata_service.settings import Settings
from metadata_service.telemetry import logger

__all__ = ["deriving"]

LOOK_SECONDS: Final = 2.0  # between attempts to be the one that derives, and looks whether that still holds
STOP_SECONDS: Final = 3.0
_LOG = logger(__name__)


@asynccontextmanager
async def deriving(settings: Settings, log: Log, graph: GraphStore, database: Database) -> AsyncIterator[None]:
    """Have the deriver run while the body does, unless `settings.deriver` says no or there is no parser."""
    if settings.deriver and find_spec("sqlglot") is None:
        _LOG.warning("the SQL of plain OpenLineage events is not parsed: the sql extra is not installed")
    elif settings.deriver:
        stop = asyncio.Event()
        deriver = Deriver(log.reader, graph, DerivationLog(log.appender, log.notary, log.origin), Progress(database))
        task = asyncio.create_task(_serve(deriver, election_for(settings, "deriver"), stop))
        try:
            yield
        finally:
            stop.set()
            _, running = await asyncio.wait({task}, timeout=STOP_SECONDS)
            if running:  # it waits for the parser, or for a store that is away
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        return
    yield


async def _serve(deriver: Deriver, election: Election, stop: asyncio.Event) -> None:
    try:
        while not stop.is_set():
            try:
                if await asyncio.to_thread(election.won):
                    await while_elected(deriver.run, election, stop, LOOK_SECONDS)
            except LineproofError as error:
                _LOG.warning("deriving waits", code=error.code, detail=error.detail)
            await pause(stop, LOOK_SECONDS)
    finally:
        election.resign()
