"""The background thread that hands the spool to the service, in order, until it is acknowledged.

What an answer means (ARCHITECTURE, "The life of an event", step 1):

    network error, 5xx, 408, 425, 429           try again with backoff, honouring Retry-After
    per event 2xx, 409 `rejected`               acknowledged: the event is in the log
    per event 409 `equivocation`, other 4xx     moved to dead/, counted, logged; the queue goes on
    whole request 401, 403, 404, 405, 407, 3xx  kept and tried again: nobody has looked at an event, the token or the address is wrong
    whole request, other 4xx                    the batch is halved until the event that is refused stands alone in dead/
"""
from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ingest_hooks.acks import Acknowledgement, AcknowledgementLog, BrokenPromise, check
from ingest_hooks.backoff import Backoff, retry_after
from ingest_hooks.counts import Counts
from ingest_hooks.dead import DeadLetters
from ingest_hooks.segment import Kind, Record
from ingest_hooks.spool import Spool

if TYPE_CHECKING:
    import httpx

__all__ = ["Sender"]

logger = logging.getLogger("ingest_hooks")

MAX_BATCH_EVENTS = 256  # the service's own group-commit size
MAX_BATCH_BYTES = 2 * 1024 * 1024
GZIP_FROM_BYTES = 16 * 1024  # below, the processor time costs more than the bytes save
GZIP_LEVEL = 1
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
ADOPT_SECONDS = 30.0  # how often an idle sender looks for streams whose process died

_RETRY = frozenset({408, 425, 429})
_HELD = frozenset({401, 403, 404, 405, 407})


class _Later(Exception):
    """The service did not take the request now; `asked` is its Retry-After in seconds."""

    def __init__(self, kind: str, text: str, asked: float | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.asked = asked


class _Refused(Exception):
    """The service refused the request as a whole because of what is in it."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True)
class _Source:
    """A spool being drained; `settled` are records behind `spool.done` that are done with out of turn."""

    spool: Spool
    acks: AcknowledgementLog
    settled: set[int] = field(default_factory=set)
    lost: int = 0

    @classmethod
    def of(cls, spool: Spool) -> _Source:
        return cls(spool, AcknowledgementLog(spool.directory))


class Sender:
    """Drains one spool, and the orphaned streams beside it. All public methods are thread-safe and do not raise."""

    def __init__(self, spool: Spool, *, url: str, token: str | None, counts: Counts, dead: DeadLetters, backoff: Backoff | None = None) -> None:
        self._own = _Source.of(spool)
        self._events_url = url.rstrip("/") + "/api/v1/events"
        self._artifacts_url = url.rstrip("/") + "/api/v1/artifacts/sha256:"
        self._counts = counts
        self._dead = dead
        self._backoff = backoff or Backoff()
        self._state = threading.Condition()
        self._stopping = False
        self._urged = False
        self._failures = 0
        self._adopt_in = 0.0
        self._client = _client(token)
        self._thread = threading.Thread(target=self._run, name="lineproof-sender", daemon=True)

    def start(self) -> None:
        """Raises RuntimeError when the interpreter is already shutting down."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the spool. Does not cut a backoff short."""
        with self._state:
            self._state.notify_all()

    def wait(self, number: int, timeout: float, *, patient: bool = True) -> bool:
        """Whether all records up to `number` are done with within `timeout` seconds.

        A running backoff is cut short once (unless the service asked for it); with `patient=False` the first failed attempt ends
        the wait, so that a process does not hang on a service that is down.
        """
        with self._state:
            failures = self._failures
            self._urged = True
            self._state.notify_all()
            self._state.wait_for(lambda: self._reached(number) or (not patient and self._failures > failures), timeout)
            return self._reached(number)

    def stop(self, timeout: float) -> bool:
        """End the thread after the request it is in; whether it ended within `timeout` seconds."""
        with self._state:
            self._stopping = True
            self._state.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # ---- the thread

    def _reached(self, number: int) -> bool:
        return self._own.spool.done >= number

    def _run(self) -> None:
        adopted: _Source | None = None
        orphans: Iterator[Spool] = iter(())
        try:
            while not self._stopping:
                try:
                    if self._step(self._own):
                        continue
                    if adopted is None:
                        spool = next(orphans, None)
                        adopted = _Source.of(spool) if spool is not None else None
                    if adopted is not None:
                        if not self._step(adopted):
                            adopted.spool.close()
                            adopted = None
                        continue
                    if self._idle():
                        orphans = self._own.spool.orphans()
                except _Later as later:
                    self._failed(later.kind, str(later), later.asked)
                except Exception as error:  # the hook boundary: the thread outlives what it did not foresee
                    self._failed(f"sender:{type(error).__name__}", f"the sender met {error!r}", None)
        finally:
            if adopted is not None:
                adopted.spool.close()
            self._client.close()

    def _idle(self) -> bool:
        """Wait for work; True when it is time to look for orphans."""
        with self._state:
            found = self._state.wait_for(lambda: self._stopping or self._own.spool.readable > self._own.spool.done, self._adopt_in)
        if not found:
            self._adopt_in = ADOPT_SECONDS
        return not found

    def _failed(self, kind: str, text: str, asked: float | None) -> None:
        self._counts.add("retries")
        self._counts.trouble(kind, text)
        delay = self._backoff.next_delay(asked)
        with self._state:
            self._failures += 1
            self._state.notify_all()
            self._state.wait_for(lambda: self._stopping or (self._urged and asked is None), delay)
            self._urged = False

    def _step(self, source: _Source) -> bool:
        """Send one batch or one artifact; False when there is nothing to send."""
        spool = source.spool
        records = spool.read(spool.done, max_records=MAX_BATCH_EVENTS, max_bytes=MAX_BATCH_BYTES)
        self._pass_damage(source, records)
        waiting = [record for record in records if record.ordinal not in source.settled]
        if not waiting:
            if spool.readable > spool.done:
                raise _Later("spool", f"the spool {spool.directory} gives {spool.readable - spool.done} records fewer than it should")
            return False
        done: list[tuple[Record, Acknowledgement | None]] = []
        try:
            if waiting[0].kind is Kind.ARTIFACT:
                self._upload(source, waiting[0])
                done.append((waiting[0], None))
            else:
                self._deliver(list(takewhile(lambda record: record.is_event, waiting)), done)
        finally:
            self._settle(source, done)
        self._backoff.reset()
        for kind in ("unreachable", "unavailable", "unauthenticated"):
            self._counts.settled(kind)
        return True

    def _pass_damage(self, source: _Source, records: list[Record]) -> None:
        spool = source.spool
        if spool.damaged > source.lost:
            self._counts.add("dropped", spool.damaged - source.lost)
            source.lost = spool.damaged
        beyond = records[0].ordinal - 1 if records else spool.unreadable_through
        if beyond > spool.done:
            spool.acknowledge(beyond)
            self._settle(source, [])

    def _settle(self, source: _Source, done: list[tuple[Record, Acknowledgement | None]]) -> None:
        """Store acknowledgements, then the position: in this order a crash between repeats a request and loses nothing."""
        try:
            source.acks.add(ack for _, ack in done if ack is not None)
        except OSError as error:
            self._counts.trouble("acks", f"acknowledgements cannot be kept in {source.acks.directory}: {error}")
        source.settled.update(record.ordinal for record, _ in done)
        position = source.spool.done
        while position + 1 in source.settled:
            position += 1
            source.settled.discard(position)
        try:
            if position > source.spool.done:
                source.spool.acknowledge(position)
        except OSError as error:
            self._counts.trouble("position", f"the spool's position cannot be stored: {error}")
        with self._state:
            self._state.notify_all()

    # ---- events

    def _deliver(self, batch: list[Record], done: list[tuple[Record, Acknowledgement | None]]) -> None:
        """Send a batch and sort its results into `done`; raises _Later if any event has to be sent again."""
        try:
            results = self._exchange(batch)
        except _Refused as refusal:
            if len(batch) == 1:
                self._bury(batch[0], refusal.problem)
                done.append((batch[0], None))
            else:
                middle = len(batch) // 2
                self._deliver(batch[:middle], done)
                self._deliver(batch[middle:], done)
            return
        later: _Later | None = None
        for record, result in zip(batch, results, strict=True):
            problem = result.get("problem")
            problem = problem if isinstance(problem, dict) else {}
            status = result.get("status")
            if not isinstance(status, int):
                later = _Later("unexpected-answer", f"a result without a status: {str(result)[:200]}")
            elif 200 <= status < 300:
                done.append((record, self._acknowledged(record, result)))
            elif status == 409 and problem.get("code") == "rejected":
                done.append((record, self._acknowledged(record, {"index": problem.get("index"), **result}, bare=True)))
            elif 400 <= status < 500 and status not in _RETRY:
                self._bury(record, {"status": status, **problem})
                done.append((record, None))
            else:
                asked = problem.get("retryAfter")
                later = _Later("unavailable", f"the service answered {status} {problem.get('code', '')} for an event; it is sent again",
                               float(asked) if isinstance(asked, int | float) else None)
        if later is not None:
            raise later

    def _acknowledged(self, record: Record, result: Mapping[str, Any], *, bare: bool = False) -> Acknowledgement | None:
        try:
            ack = check(record, result, bare=bare)
        except BrokenPromise as error:
            self._bury(record, error.problem())
            return None
        self._counts.add("acknowledged")
        if ack.duplicate:
            self._counts.add("duplicates")
        return ack

    def _bury(self, record: Record, problem: Mapping[str, Any]) -> None:
        code = str(problem.get("code", problem.get("status", "refused")))
        self._counts.add("dead")
        self._counts.trouble(f"dead:{code}", f"the service refused an event ({code}: {problem.get('detail', '')}); it lies in {self._dead.directory}",
                             level=logging.ERROR)
        try:
            if not self._dead.refused_there(record, problem):
                self._counts.trouble("dead-full", f"{self._dead.directory} is full; further refused events are not kept", level=logging.ERROR)
        except (OSError, ValueError) as error:
            self._counts.trouble("dead-unwritable", f"a refused event cannot be kept in {self._dead.directory}: {error}", level=logging.ERROR)

    def _exchange(self, batch: list[Record]) -> list[dict[str, Any]]:
        body = b"[" + b",".join(record.content for record in batch) + b"]"
        headers = {"Content-Type": "application/json"}
        if len(body) >= GZIP_FROM_BYTES:
            body = gzip.compress(body, GZIP_LEVEL)
            headers["Content-Encoding"] = "gzip"
        self._counts.add("sent", len(batch))
        response = self._request("POST", self._events_url, body, headers)
        try:
            results = response.json()["results"]
        except (ValueError, KeyError, TypeError) as error:
            raise _Later("unexpected-answer", f"{self._events_url} answered {response.status_code} without results; is it a Lineproof service?") from error
        if not isinstance(results, list) or len(results) != len(batch) or not all(isinstance(result, dict) for result in results):
            raise _Later("unexpected-answer", f"{self._events_url} answered other results than {len(batch)} objects")
        return results

    # ---- artifacts

    def _upload(self, source: _Source, record: Record) -> None:
        name = record.digest.hex()
        path = source.spool.artifacts / name
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # an earlier record of the same content was uploaded, and the file removed
            return
        try:
            self._request("PUT", self._artifacts_url + name, data, {"Content-Type": "application/octet-stream"}, held=frozenset({401, 407}))
        except _Refused as refusal:
            self._bury(record, refusal.problem)
            kept = self._dead.directory / f"{name}.artifact"
            path.replace(kept)
            source.spool.drop_artifact(name)
            return
        self._counts.add("artifacts")
        source.spool.drop_artifact(name)

    # ---- HTTP

    def _request(self, method: str, url: str, body: bytes, headers: dict[str, str], held: frozenset[int] = _HELD) -> httpx.Response:
        """One request; an answer of 2xx.

        Raises:
            _Later: not now. _Refused: never, as it is.
        """
        import httpx

        try:
            response = self._client.request(method, url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise _Later("unreachable", f"{url} cannot be reached ({error or type(error).__name__}); events wait in {self._own.spool.directory}") from error
        status = response.status_code
        if 200 <= status < 300:
            return response
        asked = retry_after(response.headers.get("Retry-After"))
        if status in held or 300 <= status < 400:
            raise _Later("unauthenticated", f"{url} answered {status}: check the token and the address; events wait in {self._own.spool.directory}", asked)
        if status in _RETRY or status >= 500:
            raise _Later("unavailable", f"{url} answered {status}; events wait in {self._own.spool.directory}", asked)
        raise _Refused({"status": status, **_problem(response)})


def _client(token: str | None) -> httpx.Client:
    """Made by the emitting thread: a thread that still imports when the process forks leaves the child with modules half loaded."""
    import encodings.idna  # noqa: F401 - what connecting to a host loads

    import httpx

    headers = {"User-Agent": "lineproof-ingest-hooks", **({"Authorization": f"Bearer {token}"} if token else {})}
    return httpx.Client(timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS), headers=headers)


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        document = json.loads(response.content)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"detail": response.text[:500]}
