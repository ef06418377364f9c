"""Running the projector: as a process of its own that is started again when it dies, in this event loop, or elsewhere."""
from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from lineproof_audit.log import LogReader
from metadata_service.graph.port import GraphStore
from metadata_service.settings import Settings
from metadata_service.telemetry import Metrics, logger

__all__ = ["projecting"]

FIRST_RESTART_SECONDS: Final = 0.5
LONGEST_RESTART_SECONDS: Final = 30.0
TERMINATE_SECONDS: Final = 10.0
_LOG = logger(__name__)


@asynccontextmanager
async def projecting(settings: Settings, reader: LogReader, graph: GraphStore, metrics: Metrics) -> AsyncIterator[None]:
    """Have the projector run while the body does, where `settings.projector` says."""
    if settings.projector == "off":
        yield
        return
    stop = asyncio.Event()
    task = asyncio.create_task(_supervise(settings, stop, metrics) if settings.projector == "process" else _here(reader, graph, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _here(reader: LogReader, graph: GraphStore, stop: asyncio.Event) -> None:
    from metadata_service.projector import Projector  # all rules; an API process beside a projector process never needs them

    await Projector(reader, graph).run(stop)


async def _supervise(settings: Settings, stop: asyncio.Event, metrics: Metrics) -> None:
    """Keep one projector process alive; a graph that is behind never stops intake, so its death is logged and counted, not ours."""
    pause = FIRST_RESTART_SECONDS
    stopped = asyncio.create_task(stop.wait())
    while not stop.is_set():
        began = asyncio.get_running_loop().time()
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "metadata_service.projector", stdin=asyncio.subprocess.PIPE,
                                                       env=_environment(settings))
        ended = asyncio.create_task(process.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await _terminate(process, ended)
            return
        if asyncio.get_running_loop().time() - began > LONGEST_RESTART_SECONDS:
            pause = FIRST_RESTART_SECONDS
        metrics.projector_restarts.inc()
        _LOG.error("the projector process ended", exit=ended.result(), restart_in_seconds=pause)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(stopped), pause)
        pause = min(pause * 2, LONGEST_RESTART_SECONDS)


async def _terminate(process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    _, running = await asyncio.wait({ended}, timeout=TERMINATE_SECONDS)
    if running:
        with suppress(ProcessLookupError):
            process.kill()
        await ended


def _environment(settings: Settings) -> dict[str, str]:
    """This environment, with the settings that came from the command line or a file."""
    chosen = {"DATA": settings.data, "DATABASE_URL": settings.database_url, "GRAPH_URL": settings.graph_url, "STATE_DIR": settings.state_dir,
              "LOG_LEVEL": settings.log_level, "LOG_FORMAT": settings.log_format}
    return {**os.environ, **{f"LINEPROOF_{name}": str(value) for name, value in chosen.items() if value is not None}}
