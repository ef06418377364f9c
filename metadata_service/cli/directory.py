"""Questions answered from the stores themselves, reading only: no service, no lock, no web framework.

Any number of commands may ask at once, beside a running service or without one. What the graph lacks is projected first if no
other projector is at work; else the answer stands at what is projected, and says so.
"""
from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from lineproof_audit.init import NOTARY_KEY
from lineproof_audit.log import Log
from lineproof_schema.errors import LineproofError
from metadata_service.api.graphql.schema import Caller
from metadata_service.cli.output import note
from metadata_service.graph.open import open_graph
from metadata_service.graph.port import GraphStore
from metadata_service.queries.context import EVERYTHING, Room
from metadata_service.settings import Settings

__all__ = ["reading"]

CURSOR_BYTES = 32
MAX_SOURCE_BYTES = 1_000_000  # a source file longer than this is not quoted


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Caller]:
    """Log and graph opened for questions of their owner, who sees everything.

    Raises:
        LineproofError: `log-unavailable` or `graph-unavailable`; `not-projected` if there is no graph and another process is making one.
    """
    log = await asyncio.to_thread(Log.open, settings.log_url, readonly=True, state_dir=settings.state_dir, witnesses=settings.witnesses)
    try:
        graph = open_graph(settings.graph_location)
        try:
            await _catch_up(settings, log, graph)
            yield Caller(_room(settings, log, graph), EVERYTHING)
        finally:
            await graph.close()
    finally:
        log.close()


def _room(settings: Settings, log: Log, graph: GraphStore) -> Room:
    policy = log.keyring.policy
    tenants = [tenant.id for tenant in policy.tenants] if policy is not None else []

    def read(digest: str) -> bytes | None:
        from metadata_service.artifacts.reading import read_artifact  # only a trace quotes code

        found = (read_artifact(settings.artifacts_location, tenant, digest.removeprefix("sha256:"), MAX_SOURCE_BYTES) for tenant in tenants)
        return next((each for each in found if each is not None), None)

    async def source(digest: str) -> bytes | None:
        return await asyncio.to_thread(read, digest)

    def size(digest: str) -> int | None:
        from metadata_service.artifacts.reading import artifact_size

        found = (artifact_size(settings.artifacts_location, tenant, digest.removeprefix("sha256:")) for tenant in tenants)
        return next((each for each in found if each is not None), None)

    async def held(digest: str) -> int | None:
        return await asyncio.to_thread(size, digest)

    keys = settings.data / "keys"  # whoever may read the directory's keys may have manifests signed
    return Room(graph, log.reader, lambda: log.keyring, secrets.token_bytes(CURSOR_BYTES), source, held, _notarise(keys, log) if keys.exists() else None,
                quorum=log.quorum)


def _notarise(keys: Path, log: Log) -> Callable[[str, bytes], bytes]:
    from lineproof_audit.envelope import sign_envelope
    from lineproof_audit.held_keys import HeldKeys

    held = HeldKeys(keys, NOTARY_KEY)
    return lambda payload_type, payload: sign_envelope(payload_type, payload, held.newest(log.keyring, "notary", log.reader.size()))


async def _catch_up(settings: Settings, log: Log, graph: GraphStore) -> None:
    there = settings.graph_url is not None or Path(settings.data / "graph.db").exists()
    projected = (await graph.position()).size if there else 0
    size = await asyncio.to_thread(log.reader.size)
    if projected >= size:
        return
    from metadata_service.projector.election import election_for

    election = election_for(settings)
    try:
        if await asyncio.to_thread(election.won):
            note(f"Projecting {size - projected} entries first")
            await _project(log, graph, size)
        elif not there:
            raise LineproofError("another process is making the graph; ask again", code="not-projected")
        else:
            note(f"The graph has {projected} of {size} entries; another process is projecting the rest")
    finally:
        election.resign()


async def _project(log: Log, graph: GraphStore, size: int) -> None:
    from metadata_service.projector import Projector
    from metadata_service.telemetry import configure_logging

    configure_logging("error", "text")
    await graph.setup()
    await Projector(log.reader, graph).catch_up(upto=size)
