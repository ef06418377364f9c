"""The projector as a process of its own: `python -m metadata_service.projector`, settings as for `lineproof serve`.

It ends on SIGTERM or SIGINT, and when a standard input that is a pipe is closed: a projector does not outlive the service that
started it. Exit codes: 0 asked to stop, 1 the log is not the one that was projected, or log or rules are broken.
"""
from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys

from lineproof_audit.log import Log
from lineproof_schema.errors import LineproofError
from metadata_service.garbage import relax
from metadata_service.graph.open import open_graph
from metadata_service.projector.election import Election, election_for, while_elected
from metadata_service.projector.runner import WAIT_SECONDS, Projector
from metadata_service.projector.waiting import pause
from metadata_service.settings import Settings, load_settings
from metadata_service.telemetry import configure_logging, logger

_LOG = logger("metadata_service.projector")


async def _main(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _stop_with_parent(loop, stop)
    election = election_for(settings)
    try:
        return await _project(settings, election, stop)
    finally:
        election.resign()


async def _project(settings: Settings, election: Election, stop: asyncio.Event) -> int:
    log: Log | None = None
    graph = open_graph(settings.graph_location)
    waiting = False
    try:
        while not stop.is_set():
            try:
                if await asyncio.to_thread(election.won):
                    if log is None:
                        log = await asyncio.to_thread(_open_log, settings)
                    await graph.setup()
                    _LOG.info("projecting", graph=settings.graph_location.partition("://")[0], origin=log.origin)
                    await while_elected(Projector(log.reader, graph).run, election, stop, WAIT_SECONDS)
                elif not waiting:
                    waiting = True
                    _LOG.info("another projector is at work; waiting")
            except LineproofError as error:
                if not error.entry.retriable:
                    _LOG.error("projection stopped", code=error.code, detail=error.detail)
                    return 1
                _LOG.warning("projection waits", code=error.code, detail=error.detail)
            await pause(stop, WAIT_SECONDS)
    finally:
        await graph.close()
        if log is not None:
            await asyncio.to_thread(log.close)
    return 0


def _open_log(settings: Settings) -> Log:
    return Log.open(settings.log_url, readonly=True, state_dir=settings.state_dir)


def _stop_with_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    try:
        descriptor = sys.stdin.fileno()
        piped = stat.S_ISFIFO(os.fstat(descriptor).st_mode) or stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except (AttributeError, OSError, ValueError):
        return  # no standard input at all: a daemon
    if piped:
        def readable() -> None:
            if not os.read(descriptor, 4096):
                loop.remove_reader(descriptor)
                stop.set()

        loop.add_reader(descriptor, readable)


if __name__ == "__main__":
    chosen = load_settings()
    configure_logging(chosen.log_level, chosen.log_format)
    relax()
    sys.exit(asyncio.run(_main(chosen)))
