"""The emitter: what a pipeline calls. It signs, spools and returns; a thread sends; nothing is ever raised.

    with Emitter.from_env() as emitter:
        emitter.dataset(namespace="warehouse", name="raw.weather", is_source=True)
        with emitter.step("clean", inputs=["raw.weather"], outputs=["clean.weather"], code=clean):
            clean()
"""
from __future__ import annotations

import atexit
import json
import logging
import os
import threading
import time as clock
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ingest_hooks import artifacts
from ingest_hooks.acks import Acknowledgement, AcknowledgementLog
from ingest_hooks.connection import Connection, Settings, connect, default_spool, settings_from_env
from ingest_hooks.counts import Counts, Stats
from ingest_hooks.dead import DeadLetters
from ingest_hooks.errors import EventError, SpoolFullError
from ingest_hooks.nouns import EventMethods
from ingest_hooks.receipt import Receipt
from ingest_hooks.segment import Kind, StreamHead
from ingest_hooks.signer import Draft, cloudevent_draft, openlineage_draft
from ingest_hooks.spool import DEFAULT_MAX_BYTES
from lineproof_schema.errors import LineproofError

if TYPE_CHECKING:
    from ingest_hooks.step import DatasetLike, Step
    from lineproof_audit.keys import SigningKey

__all__ = ["Emitter"]

EXIT_SECONDS = 5.0  # what a process may be held up at its end; the events are on disk either way

_open_emitters: set[Emitter] = set()


class Emitter(EventMethods):
    """Signed events of one producer. Thread-safe; survives a fork (the child gets its own stream).

    Guarantees: no method that emits raises; when it returns a receipt with `ok`, the event is on disk and is sent until the
    service has taken or refused it, by this process or the next one that uses the spool. Everything else is counted in `stats()`,
    logged once per kind, and, unless the disk is full, kept in `<spool>/dead/`.

    Args:
        url: address of the service; default: what stands in the key's json.
        key: a signing key, or the path of its PEM file.
        token: bearer token of a caller with role `ingest`.
        spool: folder for what is not yet acknowledged; default `~/.local/state/lineproof/spool`.
        source: CloudEvents `source`; keys may be scoped to it.
        audience: origin of the log; default: what stands in the key's json.
        namespace: OpenLineage namespace of jobs and datasets that are named without one.
        max_spool_bytes: cap of the spool on disk; events beyond it are dropped and counted.
    """

    _connection: Connection | None
    _counts: Counts
    _order: threading.Lock
    _artifacts: set[str]

    def __init__(self, *, url: str | None = None, key: str | Path | SigningKey | None = None, token: str | None = None, spool: str | Path | None = None,
                 source: str = "ingest_hooks", audience: str | None = None, namespace: str = "default",
                 max_spool_bytes: int = DEFAULT_MAX_BYTES) -> None:
        directory = Path(spool) if spool is not None else default_spool()
        self.namespace = namespace
        self._settings = Settings(url or None, Path(key) if isinstance(key, str) else key, token or None, directory, source, audience, max_spool_bytes)
        self._dead = DeadLetters(directory)
        self._forget()

    @classmethod
    def from_env(cls, **given: Any) -> Self:
        """An emitter from LINEPROOF_URL, _KEY, _TOKEN, _SPOOL, _SOURCE and _NAMESPACE; arguments that are not None win."""
        return cls(**{**settings_from_env(), **{name: value for name, value in given.items() if value is not None}})

    # ---- emitting

    def emit(self, kind: str, data: Any, *, event_id: str | None = None, time: datetime | None = None, closes_stream: bool = False) -> Receipt:
        """Emit an event of type `kind` (`lineproof.<noun>.v1`).

        Args:
            kind: the CloudEvents type.
            data: a dictionary (snake_case or camelCase) or the model of that type.
            event_id: names this event for ever; give one to make a repeated call the same event. Default: a new id.
            time: when it happened; default now.
            closes_stream: nothing more follows in this stream (the last event of a CI job).
        """
        return self._guarded(kind, data, lambda: _checked(kind, data, self._settings.source, event_id, time), closes_stream)

    def openlineage(self, event: Any, *, closes_stream: bool = False) -> Receipt:
        """Emit an OpenLineage Run, Job or Dataset event: a dictionary, or an object of openlineage-python."""
        return self._guarded("openlineage", event, lambda: _checked_openlineage(event), closes_stream)

    def artifact(self, content: bytes | str | os.PathLike[str]) -> str | None:
        """Keep code, a lock file or compiled SQL by its hash, uploaded before the events that follow.

        Args:
            content: the bytes themselves, or the path of a file.

        Returns:
            The SHA-256 in hex; None if the file cannot be read or the spool has no room (counted and logged).
        """
        try:
            data = artifacts.read(content)
            digest = artifacts.digest(data)
            with self._order:
                connection = self._open()
                if digest in self._artifacts:
                    return digest
                number = artifacts.keep(connection.spool, connection.head, data, digest)
                self._artifacts.add(digest)
            self._confirm(connection, number)
            return digest
        except Exception as error:  # the hook boundary
            self._counts.add("dropped")
            self._counts.trouble(f"artifact:{_code(error)}", f"an artifact was not kept: {error}", level=logging.ERROR)
            return None

    def files_version(self, *, namespace: str, name: str, files: Mapping[str, str | os.PathLike[str]], retain: bool = False,
                      run_id: str | None = None) -> str | None:
        """Say that `files` (name -> path) are a version of a dataset: their digests; with `retain` their bytes are kept as artifacts, too.

        Returns:
            The version's id (SHA-256 over names and digests, 64 hex); None if a file cannot be read (counted and logged).
        """
        try:
            digests = {label: artifacts.file_digest(path) for label, path in sorted(files.items())}
            kept = retain and all(self.artifact(path) is not None for path in files.values())
            version = artifacts.digest(json.dumps(digests, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode())
            hold = {"kind": "artifact", "format": "raw", "files": digests} if kept else None
            self.dataset_version(namespace=namespace, name=name, id=version, pointer={"format": "files", "files": digests}, hold=hold, run_id=run_id)
            return version
        except Exception as error:  # the hook boundary
            self._counts.add("dropped")
            self._counts.trouble(f"files:{_code(error)}", f"the files of {name} were not recorded: {error}", level=logging.ERROR)
            return None

    def step(self, job: str, *, inputs: Iterable[DatasetLike] = (), outputs: Iterable[DatasetLike] = (), code: Callable[..., Any] | str | Path | None = None,
             purpose: Literal["normal", "rerun", "rebuild", "backfill"] = "normal", namespace: str | None = None) -> Step:
        """A context manager around one step of a plain Python or DuckDB pipeline: emits START, and COMPLETE or FAIL. See `Step`."""
        from ingest_hooks.step import Step

        return Step(self, job, inputs=inputs, outputs=outputs, code=code, purpose=purpose, namespace=namespace or self.namespace)

    # ---- life

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything emitted so far is acknowledged or dead; False if `timeout` seconds were not enough."""
        return self._drain(timeout, patient=True)

    def close(self, timeout: float = EXIT_SECONDS) -> bool:
        """Flush, stop the sender and release the spool. What is not sent stays on disk. A later event opens it again."""
        return self._close(timeout, patient=True)

    def stats(self) -> Stats:
        """What happened so far."""
        connection = self._connection
        return self._counts.stats(pending=connection.spool.pending if connection is not None else 0)

    def acknowledgements(self) -> list[Acknowledgement]:
        """The latest acknowledgements of this spool, oldest first: where each event stands in the log, with leaf and salt."""
        connection = self._connection
        return list(AcknowledgementLog(connection.spool.directory if connection is not None else self._settings.spool))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- the boundary

    def _guarded(self, kind: str, event: object, draft: Callable[[], Draft], closes: bool) -> Receipt:
        self._counts.add("emitted")
        try:
            return self._spool(draft(), closes)
        except Exception as error:  # the hook boundary: whatever it is, the pipeline goes on
            return self._refused(kind, event, error)

    def _spool(self, draft: Draft, closes: bool) -> Receipt:
        with self._order:
            connection = self._open()
            signed = connection.signer.sign(draft, connection.head, closes=closes)
            connection.head = StreamHead.fresh() if closes else signed.head
            try:
                number = connection.spool.append(Kind.CLOSING_EVENT if closes else Kind.EVENT, signed.head, signed.envelope)
            except SpoolFullError as error:
                self._counts.add("dropped")
                self._counts.trouble("spool-full", f"events are dropped: {error.detail}", level=logging.ERROR)
                return Receipt("dropped", signed.id, str(signed.head.stream), signed.head.sequence, error.detail)
            if closes:
                connection.head = connection.spool.head
        self._counts.add("spooled")
        self._confirm(connection, number)
        return Receipt("spooled", signed.id, str(signed.head.stream), signed.head.sequence)

    def _confirm(self, connection: Connection, number: int) -> None:
        try:
            connection.spool.sync(number)
        except OSError as error:
            self._counts.add("unsynced")
            self._counts.trouble("unsynced", f"the disk does not confirm what is written to {connection.spool.directory}: {error}", level=logging.ERROR)
        if connection.sender is not None:
            connection.sender.wake()

    def _refused(self, kind: str, event: object, error: Exception) -> Receipt:
        problem = error.problem() if isinstance(error, LineproofError) else {"code": "internal", "detail": f"{type(error).__name__}: {error}"}
        reason = str(problem["detail"])
        try:
            kept = self._dead.refused_here(kind, event, problem)
        except (OSError, ValueError, RecursionError) as second:
            kept, reason = False, f"{reason}; and {self._dead.directory} cannot be written: {second}"
        self._counts.add("dead" if kept else "dropped")
        where = f"kept in {self._dead.directory}" if kept else "dropped"
        self._counts.trouble(f"{_code(error)}:{kind}", f"an event of type {kind} was not sent ({_code(error)}): {reason}; it is {where}", level=logging.ERROR)
        return Receipt("dead" if kept else "dropped", reason=reason)

    # ---- opening, ending, forking

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self._settings, self._counts, self._dead)
            _open_emitters.add(self)
            _watch_process()
        return self._connection

    def _drain(self, timeout: float, *, patient: bool) -> bool:
        connection = self._connection
        if connection is None:
            return True
        if connection.sender is None:
            return connection.spool.pending == 0
        return connection.sender.wait(connection.spool.last, timeout, patient=patient)

    def _close(self, timeout: float, *, patient: bool) -> bool:
        deadline = clock.monotonic() + timeout
        drained = self._drain(timeout, patient=patient)
        with self._order:
            connection, self._connection = self._connection, None
            _open_emitters.discard(self)
            if connection is None:
                return drained
            if connection.sender is not None:
                connection.sender.stop(max(0.1, deadline - clock.monotonic()))
            pending = connection.spool.pending
            try:
                connection.spool.close(connection.head)
            except OSError as error:
                self._counts.trouble("close", f"the spool {connection.spool.directory} did not close cleanly: {error}")
        if pending:
            self._counts.trouble("unsent", f"{pending} events wait in {connection.spool.directory} for the next process that uses this spool")
        return drained

    def _forget(self) -> None:
        self._connection = None
        self._counts = Counts()
        self._order = threading.Lock()
        self._artifacts = set()

    def _in_forked_child(self) -> None:
        connection = self._connection
        self._forget()
        _open_emitters.discard(self)
        if connection is not None:
            connection.spool.abandon()


def _checked(kind: str, data: Any, source: str, event_id: str | None, time: datetime | None) -> Draft:
    from lineproof_schema.models import EventData
    from lineproof_schema.validate import parse_cloudevent

    plain = data.model_dump(exclude_unset=True, by_alias=True) if isinstance(data, EventData) else data
    if not isinstance(plain, Mapping):
        raise EventError(f"the data of an event is an object, not {type(data).__name__}")
    draft = cloudevent_draft(kind, dict(plain), source=source, event_id=event_id, time=time)
    _, model = parse_cloudevent(draft.body)
    draft.body["data"] = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return draft


def _checked_openlineage(event: Any) -> Draft:
    from lineproof_schema.openlineage import parse_openlineage

    if not isinstance(event, Mapping):
        from openlineage.client.serde import Serde

        event = Serde.to_dict(event)
    draft = openlineage_draft(event)
    parse_openlineage(draft.body)
    return draft


def _code(error: Exception) -> str:
    return error.code if isinstance(error, LineproofError) else type(error).__name__


# ---- the process

_watching = False


def _watch_process() -> None:
    """Once per process tree: end emitters at exit, and part them from their parent after a fork."""
    global _watching
    if not _watching:
        _watching = True
        atexit.register(_close_all)
        os.register_at_fork(after_in_child=_after_fork)


def _close_all() -> None:
    deadline = clock.monotonic() + EXIT_SECONDS
    for emitter in list(_open_emitters):
        emitter._close(max(0.1, deadline - clock.monotonic()), patient=False)


def _after_fork() -> None:
    for emitter in list(_open_emitters):
        emitter._in_forked_child()
