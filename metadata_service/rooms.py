"""Opening the rooms of the service in order, and closing them in the reverse one.

`open_rooms` does what can fail at a start (locks, keys, databases) before a server exists, so that its errors reach the person who
starts it. `running` adds what runs: integrator, keyring follower, projector.
"""
from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from lineproof_audit.accounting import Streams
from lineproof_audit.durable import write_durably
from lineproof_audit.envelope import sign_envelope
from lineproof_audit.errors import CheckpointLockError
from lineproof_audit.leaf import SYSTEM_TENANT
from lineproof_audit.log import Log
from lineproof_schema.errors import LineproofError
from metadata_service import access, artifacts, intake
from metadata_service.access import IdentityTokens, Tokens
from metadata_service.api.erasures import Erasing
from metadata_service.api.services import Services
from metadata_service.artifacts import Artifacts
from metadata_service.database import Database
from metadata_service.deriver import progress as deriver_progress
from metadata_service.deriver.task import deriving
from metadata_service.errors import SettingError
from metadata_service.graph.open import open_graph
from metadata_service.graph.port import GraphStore
from metadata_service.intake import Enrolments, Intake, KeyringFollower, Quarantine, ReadLog
from metadata_service.projection import projecting
from metadata_service.registry.cache import ResolutionCache
from metadata_service.scrubbing import scrubber_of, scrubbing, trouble_of
from metadata_service.settings import ADMIN_TOKEN_FILE, Settings
from metadata_service.telemetry import Metrics, logger

__all__ = ["ADMIN_TOKEN_FILE", "Rooms", "open_rooms", "running"]

ADMIN_TOKEN_DAYS: Final = 365
ERASE_SECONDS: Final = 5.0
CURSOR_DOMAIN: Final = b"lineproof/cursor/v1"
_LOG = logger(__name__)


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms that need no event loop. `admin_token` is set only when this start issued the first one."""

    settings: Settings
    log: Log
    database: Database
    keys: KeyringFollower
    tokens: Tokens
    admin_token: str | None

    def close(self) -> None:
        """Commit what is queued and let go of everything. Idempotent."""
        self.log.close()
        self.database.close()


def open_rooms(settings: Settings) -> Rooms:
    """Open the log (begin it on the first start), the service's tables, and see to a first admin token.

    Raises:
        LineproofError: `data-directory-locked`, `log-unavailable`, `invalid-setting` (keys), `checkpoint-lock`, `corrupt-log`.
    """
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"cannot make the data directory {settings.data}: {error.strerror}") from error
    log = Log.open(settings.database_url or settings.data, create=True, data=settings.data if settings.database_url else None,
                   state_dir=settings.state_dir, checkpoint_lock=settings.checkpoint_lock, tiles=settings.tiles_url,
                   queue_size=settings.queue_size, witnesses=settings.witnesses, patience=settings.witness_seconds)
    _check_lock(log)
    try:
        database = Database(settings.log_url, [access.METADATA, artifacts.METADATA, intake.METADATA, deriver_progress.METADATA])
        keys = KeyringFollower(log.reader)
        tokens = _tokens_of(log, database, keys)
        return Rooms(settings, log, database, keys, tokens, _first_admin_token(log, keys, tokens))
    except BaseException:
        log.close()
        raise


def _check_lock(log: Log) -> None:
    """Before the first event is taken: one appended to a restored backup could never be signed. Reading is always possible."""
    try:
        log.integrator.check()
    except CheckpointLockError as error:
        _LOG.error("no checkpoints will be signed", code=error.code, detail=error.detail)
    except LineproofError as error:  # the integrator says so again, and tries again
        _LOG.warning("the log cannot be compared with its checkpoint lock record yet", code=error.code, detail=error.detail)


def _tokens_of(log: Log, database: Database, keys: KeyringFollower) -> Tokens:
    """The tokens of this log: callers are named by hashes keyed with the log's own secret."""
    return Tokens(database, log.secrets.of, keys.policy)


@asynccontextmanager
async def running(rooms: Rooms, metrics: Metrics) -> AsyncIterator[Services]:
    """Run the service around `rooms`; on leaving, everything acknowledged is committed and covered by a checkpoint."""
    settings, log = rooms.settings, rooms.log
    graph = open_graph(settings.graph_location)
    try:
        await _set_up(graph)
        quarantine = Quarantine(rooms.database, quota_bytes=settings.quarantine_quota_bytes, days=settings.quarantine_days)
        takes_in = Intake(log.appender, rooms.keys, log.notary, quarantine, metrics, max_event_bytes=settings.max_event_bytes,
                          verify_threads=settings.verify_threads)
        store = Artifacts(settings.artifacts_location, rooms.database, max_bytes=settings.max_artifact_bytes, quota_bytes=settings.artifact_quota_bytes)
        enrolments = Enrolments(log.appender, rooms.keys, log.notary, IdentityTokens(), rooms.tokens)
        reads = ReadLog(log.appender, log.notary, log.origin)
        erasing = Erasing(log, rooms.keys, quarantine, store, graph, f"lineproof {version('lineproof')}")
        scrubber = scrubber_of(settings, log)
        services = Services(settings=settings, origin=log.origin, reader=log.reader, keys=rooms.keys, intake=takes_in, quarantine=quarantine,
                            tokens=rooms.tokens, enrolments=enrolments, reads=reads, artifacts=store, erasing=erasing, graph=graph, metrics=metrics,
                            resolutions=ResolutionCache(graph), streams=Streams(log.reader),
                            checkpoint_problem=lambda: _problem(log), witnesses=lambda: _witnesses(log), quorum=log.quorum,
                            scrub=lambda: trouble_of(scrubber), cursor_secret=hmac.digest(log.secrets.of(SYSTEM_TENANT), CURSOR_DOMAIN, "sha256"),
                            notarise=lambda payload_type, payload: sign_envelope(payload_type, payload, log.notary))
        metrics.queue_waiting.set_function(lambda: log.appender.waiting)
        metrics.checkpoints_blocked.set_function(lambda: 0 if log.integrator.problem is None else 1)
        if log.cosigners is not None:
            log.cosigners.report = lambda witness, answer: metrics.witness_answers.labels(witness, answer.outcome).inc()
            metrics.cosigned_size.set_function(lambda: 0 if log.cosigners is None else log.cosigners.cosigned_size)
        stop = threading.Event()
        integrator = threading.Thread(target=log.integrator.run, args=(stop, settings.checkpoint_seconds), name="lineproof-integrate", daemon=True)
        integrator.start()
        followers = [asyncio.create_task(takes_in.follow()), asyncio.create_task(reads.follow()), asyncio.create_task(_erase(erasing))]
        try:
            async with projecting(settings, log.reader, graph, metrics), deriving(settings, log, graph, rooms.database), scrubbing(scrubber, metrics):
                yield services
        finally:
            for follower in followers:
                follower.cancel()
            stop.set()
            await asyncio.to_thread(_finish, log, takes_in, reads, integrator)
    finally:
        await graph.close()


async def _erase(erasing: Erasing) -> None:
    """Carry out what was ordered elsewhere, or here before a crash."""
    while True:
        try:
            await asyncio.to_thread(erasing.sweep)
        except LineproofError as error:
            _LOG.warning("an erasure waits to be carried out", code=error.code, detail=error.detail)
        await asyncio.sleep(ERASE_SECONDS)


async def _set_up(graph: GraphStore) -> None:
    """Intake does not need the graph, so a graph that is away stops no start; the projector sets it up when it is back."""
    try:
        await graph.setup()
    except LineproofError as error:
        if not error.entry.retriable:
            raise
        _LOG.warning("the graph is not there yet", code=error.code, detail=error.detail)


def _problem(log: Log) -> str | None:
    problem = log.integrator.problem
    return None if problem is None else problem.code


def _witnesses(log: Log) -> dict[str, str | None] | None:
    return None if log.cosigners is None else {state.name: state.outcome for state in log.cosigners.states()}


def _finish(log: Log, takes_in: Intake, reads: ReadLog, integrator: threading.Thread) -> None:
    takes_in.close()
    try:
        reads.flush(everything=True)
    except LineproofError as error:
        _LOG.error("reads were not logged", code=error.code, detail=error.detail)
    log.appender.close()
    integrator.join()
    try:
        log.integrator.step()  # the last checkpoint covers the last entry
        log.integrator.resign()
    except LineproofError as error:
        _LOG.error("no checkpoint at the end", code=error.code, detail=error.detail)


def _first_admin_token(log: Log, keys: KeyringFollower, tokens: Tokens) -> str | None:
    """Issue the first admin token if there is no token at all, and write it 0600 into the log's state directory."""
    if tokens.all():
        return None
    policy = keys.current.policy
    if policy is None or not policy.tenants:
        raise SettingError("the log has no tenant; its policy entry is missing")
    path = log.state_dir / ADMIN_TOKEN_FILE
    return tokens.create("admin", tenant=policy.tenants[0].id, roles=["admin"], days=ADMIN_TOKEN_DAYS, keep=lambda secret: _keep(path, secret)).secret


def _keep(path: Path, secret: str) -> None:
    """Replaces what a log that was lost, or a start that was cut short, left there."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(path, secret.encode("ascii") + b"\n", 0o600)
    except OSError as error:
        raise SettingError(f"cannot write the first admin token to {path}: {error.strerror}") from error
